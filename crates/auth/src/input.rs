//! Bodies of requests, checked.
//!
//! Each `read` reports every problem at once, in the order and with the sentences that clients of the original API see.

use secrecy::SecretString;
use serde_json::Value;
use togglebox_core::Timestamp;
use togglebox_core::input::{Issues, Reader, datetime, is_email, is_utc_datetime, read_object};

use crate::password::checked;
use crate::{Email, Role};

/// A password that keeps the rule for new ones.
#[derive(Clone, Debug)]
pub struct NewPassword(SecretString);

impl NewPassword {
    /// Checks a password that does not come from a body.
    ///
    /// # Errors
    /// The problems, without a path.
    pub fn new(text: &str) -> Result<Self, Issues> {
        let value = Value::from(text);
        let reader = Reader::new(Some(&value));
        let password = Self::at(&reader, "Password");
        reader.finish(password)
    }

    fn at(reader: &Reader<'_>, subject: &str) -> Option<Self> {
        checked(reader.text(), subject).get().map(|text| Self(SecretString::from(text)))
    }

    pub(crate) const fn secret(&self) -> &SecretString {
        &self.0
    }
}

/// `POST /auth/register`. A role in it is ignored.
#[derive(Clone, Debug)]
pub struct Registration {
    /// 1 to 100 UTF-16 units, as given.
    pub name: String,
    /// Of the new account.
    pub email: Email,
    /// Of the new account.
    pub password: NewPassword,
}

impl Registration {
    /// Reads a body.
    ///
    /// # Errors
    /// Its problems.
    pub fn read(body: Option<&Value>) -> Result<Self, Issues> {
        read_object(body, Self::at)
    }

    fn at(body: &Reader<'_>) -> Option<Self> {
        let name = name_at(&body.field("name"));
        let email = email_at(&body.field("email"));
        let password = NewPassword::at(&body.field("password"), "Password");
        Some(Self { name: name?, email: email?, password: password? })
    }
}

/// `POST /internal/users`: a registration with a role.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// Name, address and password.
    pub account: Registration,
    /// Viewer unless given.
    pub role: Role,
}

impl NewUser {
    /// Reads a body.
    ///
    /// # Errors
    /// Its problems.
    pub fn read(body: Option<&Value>) -> Result<Self, Issues> {
        read_object(body, |body| {
            let account = Registration::at(body);
            let role = body.field("role").optional(|role| role.one_of(&Role::WORDS));
            Some(Self { account: account?, role: role?.unwrap_or(Role::Viewer) })
        })
    }
}

/// `POST /auth/login`.
#[derive(Clone, Debug)]
pub struct Login {
    /// The address as typed.
    pub email: String,
    /// The password as typed.
    pub password: SecretString,
}

impl Login {
    /// Reads a body.
    ///
    /// # Errors
    /// Its problems.
    pub fn read(body: Option<&Value>) -> Result<Self, Issues> {
        read_object(body, |body| {
            let email = body
                .field("email")
                .text()
                .check(is_email, "Invalid email address")
                .min(5, "Email must be at least 5 characters")
                .owned();
            let password = secret_at(&body.field("password"), "Password is required");
            Some(Self { email: email?, password: password? })
        })
    }
}

/// `PATCH /users/me`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileUpdate {
    /// The new name, if it is to change.
    pub name: Option<String>,
}

impl ProfileUpdate {
    /// Reads a body.
    ///
    /// # Errors
    /// Its problems.
    pub fn read(body: Option<&Value>) -> Result<Self, Issues> {
        read_object(body, |body| Some(Self { name: body.field("name").optional(name_at)? }))
    }
}

/// `POST /users/me/password`.
#[derive(Clone, Debug)]
pub struct PasswordChange {
    /// The one that is in force, as typed.
    pub current: SecretString,
    /// The one to come.
    pub new: NewPassword,
}

impl PasswordChange {
    /// Reads a body.
    ///
    /// # Errors
    /// Its problems.
    pub fn read(body: Option<&Value>) -> Result<Self, Issues> {
        read_object(body, |body| {
            let current = secret_at(&body.field("currentPassword"), "Current password is required");
            let new = NewPassword::at(&body.field("newPassword"), "New password");
            Some(Self { current: current?, new: new? })
        })
    }
}

/// `PATCH /users/{id}/role`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoleChange {
    /// The new role.
    pub role: Role,
}

impl RoleChange {
    /// Reads a body. `None` when it names no role: the contract has one sentence for all that can be wrong.
    pub fn read(body: Option<&Value>) -> Option<Self> {
        let role = Role::parse(body?.get("role")?.as_str()?)?;
        Some(Self { role })
    }
}

/// `POST /api-keys`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewApiKey {
    /// 1 to 100 UTF-16 units, as given.
    pub name: String,
    /// 1 to 50 words. Whether they exist and may be granted is not a matter of form.
    pub permissions: Vec<String>,
    /// May lie in the past.
    pub expires_at: Option<Timestamp>,
}

impl NewApiKey {
    /// The most permissions of one key.
    const MAX_PERMISSIONS: usize = 50;

    /// Reads a body.
    ///
    /// # Errors
    /// Its problems.
    pub fn read(body: Option<&Value>) -> Result<Self, Issues> {
        read_object(body, |body| {
            let name = name_at(&body.field("name"));
            let permissions = Self::permissions_at(&body.field("permissions"));
            let expires_at = body.field("expiresAt").lenient(|at| {
                let text = at.text().check(is_utc_datetime, "Invalid datetime").get()?;
                datetime(text)
            });
            Some(Self { name: name?, permissions: permissions?, expires_at: expires_at? })
        })
    }

    fn permissions_at(list: &Reader<'_>) -> Option<Vec<String>> {
        let words = list.each(|word| word.text().owned());
        match list.raw().and_then(Value::as_array).map_or(0, Vec::len) {
            0 if words.is_some() => list.issue("At least one permission is required"),
            count if count > Self::MAX_PERMISSIONS => list.issue("Cannot have more than 50 permissions"),
            _ => return words,
        }
        None
    }
}

/// `POST /auth/password-reset/request`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResetRequest {
    /// The address as typed.
    pub email: String,
}

impl ResetRequest {
    /// Reads a body.
    ///
    /// # Errors
    /// Its problems.
    pub fn read(body: Option<&Value>) -> Result<Self, Issues> {
        read_object(body, |body| {
            let email = body.field("email").text().check(is_email, "Invalid email address").owned();
            Some(Self { email: email? })
        })
    }
}

/// `POST /auth/password-reset/verify`: a text that may be a token.
#[derive(Clone, Debug)]
pub struct ResetToken(SecretString);

impl ResetToken {
    /// Reads a body.
    ///
    /// # Errors
    /// Its problems.
    pub fn read(body: Option<&Value>) -> Result<Self, Issues> {
        read_object(body, |body| Self::at(&body.field("token")))
    }

    fn at(reader: &Reader<'_>) -> Option<Self> {
        let token = reader.text().min(32, "Invalid token").max(256, "Invalid token").get()?;
        Some(Self(SecretString::from(token)))
    }

    pub(crate) const fn secret(&self) -> &SecretString {
        &self.0
    }
}

/// `POST /auth/password-reset/complete`.
#[derive(Clone, Debug)]
pub struct ResetCompletion {
    /// The token that was mailed.
    pub token: ResetToken,
    /// The password to come.
    pub password: NewPassword,
}

impl ResetCompletion {
    /// Reads a body.
    ///
    /// # Errors
    /// Its problems.
    pub fn read(body: Option<&Value>) -> Result<Self, Issues> {
        read_object(body, |body| {
            let token = ResetToken::at(&body.field("token"));
            let password = NewPassword::at(&body.field("newPassword"), "Password");
            Some(Self { token: token?, password: password? })
        })
    }
}

fn name_at(reader: &Reader<'_>) -> Option<String> {
    reader.text().min(1, "Name is required").max(100, "Name must not exceed 100 characters").owned()
}

fn email_at(reader: &Reader<'_>) -> Option<Email> {
    let text = reader
        .text()
        .check(is_email, "Invalid email address")
        .min(5, "Email must be at least 5 characters")
        .max(255, "Email must not exceed 255 characters")
        .get()?;
    Email::new(text).ok()
}

fn secret_at(reader: &Reader<'_>, missing: &str) -> Option<SecretString> {
    reader.text().min(1, missing).get().map(SecretString::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;
    use std::fmt::Debug;

    fn problems<T: Debug>(read: Result<T, Issues>) -> Vec<String> {
        read.unwrap_err().iter().map(ToString::to_string).collect()
    }

    const KINDS: &str = "must contain at least one uppercase letter, one lowercase letter, and one number";

    #[test]
    fn a_body_that_is_no_object_has_one_problem() {
        assert_eq!(problems(Login::read(None)), [": Required"]);
        assert_eq!(problems(Login::read(Some(&json!([])))), [": Expected object, received array"]);
        assert_eq!(problems(NewApiKey::read(Some(&json!("x")))), [": Expected object, received string"]);
    }

    #[test]
    fn sign_in() {
        assert_eq!(problems(Login::read(Some(&json!({})))), ["email: Required", "password: Required"]);
        let body = json!({ "email": "nope", "password": "x" });
        assert_eq!(
            problems(Login::read(Some(&body))),
            ["email: Invalid email address", "email: Email must be at least 5 characters"]
        );
        assert!(Login::read(Some(&json!({ "email": "a@b.co", "password": "x" }))).is_ok());
    }

    #[test]
    fn registration() {
        let body = json!({ "name": "", "email": "v@e", "password": "Aa1" });
        assert_eq!(
            problems(Registration::read(Some(&body))),
            [
                "name: Name is required",
                "email: Invalid email address",
                "email: Email must be at least 5 characters",
                "password: Password must be at least 8 characters",
            ]
        );
        let body = json!({ "name": "Vic", "email": "vic@example.com", "password": "alllowercase" });
        assert_eq!(problems(Registration::read(Some(&body))), [format!("password: Password {KINDS}")]);
        let body = json!({ "name": " Eve ", "email": "Eve@example.com", "password": "Sneaky123", "role": "admin" });
        let form = Registration::read(Some(&body)).unwrap();
        assert_eq!((form.name.as_str(), form.email.as_str()), (" Eve ", "Eve@example.com"));
    }

    #[test]
    fn a_new_users_role() {
        let mut body = json!({ "name": "Dee", "email": "dee@example.com", "password": "Developer1" });
        assert_eq!(NewUser::read(Some(&body)).unwrap().role, Role::Viewer);
        body["role"] = json!("developer");
        assert_eq!(NewUser::read(Some(&body)).unwrap().role, Role::Developer);
        body["role"] = json!("root");
        assert_eq!(
            problems(NewUser::read(Some(&body))),
            ["role: Invalid enum value. Expected 'admin' | 'developer' | 'viewer', received 'root'"]
        );
    }

    #[test]
    fn profiles() {
        assert_eq!(ProfileUpdate::read(Some(&json!({}))), Ok(ProfileUpdate { name: None }));
        let body = json!({ "name": "  Vic V.  ", "role": "admin" });
        assert_eq!(ProfileUpdate::read(Some(&body)), Ok(ProfileUpdate { name: Some("  Vic V.  ".to_owned()) }));
        let body = json!({ "name": "x".repeat(101) });
        assert_eq!(problems(ProfileUpdate::read(Some(&body))), ["name: Name must not exceed 100 characters"]);
    }

    #[test]
    fn passwords_are_named_as_their_form_names_them() {
        let body = json!({ "currentPassword": "Viewer123", "newPassword": "short" });
        assert_eq!(
            problems(PasswordChange::read(Some(&body))),
            ["newPassword: New password must be at least 8 characters".to_owned(), format!("newPassword: New password {KINDS}")]
        );
        let body = json!({ "token": "f".repeat(64), "newPassword": "weak" });
        assert_eq!(
            problems(ResetCompletion::read(Some(&body))),
            ["newPassword: Password must be at least 8 characters".to_owned(), format!("newPassword: Password {KINDS}")]
        );
        assert_eq!(problems(NewPassword::new("Aa1")), [": Password must be at least 8 characters"]);
    }

    #[test]
    fn roles() {
        assert_eq!(RoleChange::read(Some(&json!({ "role": "admin" }))), Some(RoleChange { role: Role::Admin }));
        for body in [None, Some(json!({})), Some(json!({ "role": "king" })), Some(json!({ "role": 1 })), Some(json!([]))] {
            assert_eq!(RoleChange::read(body.as_ref()), None);
        }
    }

    #[test]
    fn api_keys() {
        assert_eq!(problems(NewApiKey::read(Some(&json!({})))), ["name: Required", "permissions: Required"]);
        let body = json!({ "name": "k", "permissions": [] });
        assert_eq!(problems(NewApiKey::read(Some(&body))), ["permissions: At least one permission is required"]);
        let body = json!({ "name": "k", "permissions": ["config:read"], "expiresAt": "tomorrow" });
        assert_eq!(problems(NewApiKey::read(Some(&body))), ["expiresAt: Invalid datetime"]);
        let body = json!({ "name": "k", "permissions": ["a", 1], "expiresAt": "2031-01-02T03:04:05+00:00" });
        assert_eq!(
            problems(NewApiKey::read(Some(&body))),
            ["permissions.1: Expected string, received number", "expiresAt: Invalid datetime"]
        );
        let body = json!({ "name": "k", "permissions": vec!["a"; 51] });
        assert_eq!(problems(NewApiKey::read(Some(&body))), ["permissions: Cannot have more than 50 permissions"]);
        for (text, expected) in
            [("2020-01-01T00:00Z", "2020-01-01T00:00:00.000Z"), ("2031-01-02T03:04:05.5Z", "2031-01-02T03:04:05.500Z")]
        {
            let body = json!({ "name": "k", "permissions": ["*"], "expiresAt": text });
            assert_eq!(NewApiKey::read(Some(&body)).unwrap().expires_at.unwrap().to_string(), expected);
        }
        let body = json!({ "name": "k", "permissions": ["*"], "expiresAt": null });
        assert_eq!(NewApiKey::read(Some(&body)).unwrap().expires_at, None);
    }

    #[test]
    fn resets() {
        assert_eq!(problems(ResetRequest::read(Some(&json!({ "email": "x" })))), ["email: Invalid email address"]);
        assert_eq!(problems(ResetToken::read(Some(&json!({ "token": "abc" })))), ["token: Invalid token"]);
        assert_eq!(problems(ResetToken::read(Some(&json!({ "token": "f".repeat(257) })))), ["token: Invalid token"]);
        assert!(ResetToken::read(Some(&json!({ "token": "f".repeat(64) }))).is_ok());
    }

    #[test]
    fn a_form_does_not_show_its_secrets() {
        let body = json!({ "email": "a@b.co", "password": "Secret123" });
        assert!(!format!("{:?}", Login::read(Some(&body))).contains("Secret123"));
    }

    proptest! {
        #[test]
        fn an_address_that_is_read_is_an_address(text in "[a-zA-Z0-9.@+-]{0,300}") {
            let body = json!({ "name": "x", "email": text, "password": "Viewer123" });
            if let Ok(form) = Registration::read(Some(&body)) {
                prop_assert_eq!(form.email.as_str(), text);
            }
        }
    }
}
