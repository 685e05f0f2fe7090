//! Bodies of accounts: signing in, users, passwords and keys.

use utoipa::ToSchema;

use super::value::{
    AccountAddress, EmailAddress, NewPassword, PersonName, ResetToken, Role, SignInAddress, TypedPassword, UtcMoment,
};

/// An account to be made.
#[derive(ToSchema)]
pub(crate) struct RegisterBody {
    name: PersonName,
    email: AccountAddress,
    password: NewPassword,
}

/// An account to be made for somebody else.
#[derive(ToSchema)]
pub(crate) struct NewUserBody {
    name: PersonName,
    email: AccountAddress,
    password: NewPassword,
    /// `viewer` without.
    #[schema(nullable = false)]
    role: Option<Role>,
}

/// A sign-in.
#[derive(ToSchema)]
pub(crate) struct LoginBody {
    email: SignInAddress,
    password: TypedPassword,
}

/// A change of one's own account. What is absent stays.
#[derive(ToSchema)]
pub(crate) struct UserPatchBody {
    #[schema(nullable = false)]
    name: Option<PersonName>,
}

/// A user's new role.
#[derive(ToSchema)]
pub(crate) struct RoleBody {
    role: Role,
}

/// A change of one's own password.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(crate) struct PasswordChangeBody {
    current_password: TypedPassword,
    new_password: NewPassword,
}

/// The wish for a link to reset a password.
#[derive(ToSchema)]
pub(crate) struct ResetRequestBody {
    email: EmailAddress,
}

/// The end of a reset link.
#[derive(ToSchema)]
pub(crate) struct ResetTokenBody {
    token: ResetToken,
}

/// A new password by a reset link.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(crate) struct ResetCompleteBody {
    token: ResetToken,
    new_password: NewPassword,
}

/// An API key to be made.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(crate) struct NewApiKeyBody {
    name: PersonName,
    /// What it may do, as `config:read`: no more than its maker may.
    #[schema(min_items = 1, max_items = 50)]
    permissions: Vec<String>,
    /// Never without, and with `null`.
    expires_at: Option<UtcMoment>,
}
