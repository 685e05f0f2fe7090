//! Bodies of requests about workspaces, checked. Each `read` reports every problem at once.

use secrecy::SecretString;
use serde_json::Value;
use togglebox_auth::input::{NewPassword, Registration};
use togglebox_billing::Interval;
use togglebox_core::Email;
use togglebox_core::input::{Issues, Reader, is_email, read_object};
use togglebox_multitenancy::{
    DomainName, InvitationToken, Limit, LimitOverrides, Limited, MemberRole, PlanName, Reason, Subdomain, TenantName,
};
use uuid::Uuid;

use super::billing::input::interval;

/// A workspace to be made.
#[derive(Clone, Debug)]
pub(super) struct NewWorkspace {
    pub(super) name: TenantName,
    pub(super) subdomain: Subdomain,
    pub(super) plan: Option<PlanName>,
    /// How the plan is billed, if it is.
    pub(super) interval: Interval,
}

impl NewWorkspace {
    pub(super) fn read(body: Option<&Value>) -> Result<Self, Issues> {
        read_object(body, Self::at)
    }

    fn at(body: &Reader<'_>) -> Option<Self> {
        let name = parsed(&body.field("name"), TenantName::new);
        let subdomain = parsed(&body.field("subdomain"), Subdomain::new);
        let plan = body.field("plan").optional(|plan| parsed(plan, PlanName::new));
        let interval = interval(body);
        Some(Self { name: name?, subdomain: subdomain?, plan: plan?, interval: interval? })
    }
}

/// An account and its first workspace.
#[derive(Clone, Debug)]
pub(super) struct SignUp {
    pub(super) account: Registration,
    pub(super) workspace: NewWorkspace,
}

impl SignUp {
    pub(super) fn read(body: Option<&Value>) -> Result<Self, Issues> {
        let workspace = read_object(body, |body| {
            let workspace = body.field("workspace");
            workspace.object()?;
            NewWorkspace::at(&workspace)
        });
        match (Registration::read(body), workspace) {
            (Ok(account), Ok(workspace)) => Ok(Self { account, workspace }),
            (Err(mut issues), Err(more)) => {
                // A body that is no object is so for both.
                issues.extend(more.into_iter().filter(|issue| !issue.path.is_empty()));
                Err(issues)
            }
            (Err(issues), _) | (_, Err(issues)) => Err(issues),
        }
    }
}

/// What a workspace's admins change of it.
#[derive(Clone, Debug)]
pub(super) struct WorkspacePatch {
    pub(super) name: Option<TenantName>,
    pub(super) subdomain: Option<Subdomain>,
}

impl WorkspacePatch {
    pub(super) fn read(body: Option<&Value>) -> Result<Self, Issues> {
        read_object(body, |body| {
            let name = body.field("name").optional(|name| parsed(name, TenantName::new));
            let subdomain = body.field("subdomain").optional(|subdomain| parsed(subdomain, Subdomain::new));
            Some(Self { name: name?, subdomain: subdomain? })
        })
    }
}

/// Somebody to be invited.
#[derive(Clone, Debug)]
pub(super) struct Invite {
    pub(super) email: Email,
    pub(super) role: MemberRole,
}

impl Invite {
    pub(super) fn read(body: Option<&Value>) -> Result<Self, Issues> {
        read_object(body, |body| {
            let email = body
                .field("email")
                .text()
                .check(is_email, "Invalid email address")
                .max(255, "Email must not exceed 255 characters")
                .get()
                .and_then(|text| Email::new(text).ok());
            let role = body.field("role").optional(|role| role.one_of(&MemberRole::WORDS));
            Some(Self { email: email?, role: role?.unwrap_or(MemberRole::Viewer) })
        })
    }
}

/// A member's new role.
pub(super) fn role(body: Option<&Value>) -> Result<MemberRole, Issues> {
    read_object(body, |body| body.field("role").one_of(&MemberRole::WORDS))
}

/// The id of a member.
pub(super) fn user(body: Option<&Value>) -> Result<Uuid, Issues> {
    read_object(body, |body| parsed(&body.field("userId"), |text| text.parse::<Uuid>().map_err(|_| "must be the id of a member")))
}

/// A domain to be claimed.
pub(super) fn domain(body: Option<&Value>) -> Result<DomainName, Issues> {
    read_object(body, |body| parsed(&body.field("domain"), DomainName::new))
}

/// The token of an invitation.
pub(super) fn invitation(body: Option<&Value>) -> Result<InvitationToken, Issues> {
    read_object(body, token_at)
}

fn token_at(body: &Reader<'_>) -> Option<InvitationToken> {
    parsed(&body.field("token"), |text| InvitationToken::read(&SecretString::from(text)))
}

/// An invitation and an account to be made for it, whose address is the one that was invited.
#[derive(Clone, Debug)]
pub(super) struct Joining {
    pub(super) token: InvitationToken,
    pub(super) name: String,
    pub(super) password: NewPassword,
}

impl Joining {
    pub(super) fn read(body: Option<&Value>) -> Result<Self, Issues> {
        read_object(body, |body| {
            let token = token_at(body);
            let name =
                body.field("name").text().min(1, "Name is required").max(100, "Name must not exceed 100 characters").owned();
            let field = body.field("password");
            let password = field.text().get().and_then(|text| match NewPassword::new(text) {
                Ok(password) => Some(password),
                Err(issues) => {
                    for issue in issues {
                        field.issue(issue.message);
                    }
                    None
                }
            });
            Some(Self { token: token?, name: name?, password: password? })
        })
    }
}

/// Why a workspace is suspended.
pub(super) fn reason(body: Option<&Value>) -> Result<Reason, Issues> {
    read_object(body, |body| parsed(&body.field("reason"), Reason::new))
}

/// A plan, and where the workspace's limits differ from it: the overrides that it has stay where none are named.
#[derive(Clone, Debug)]
pub(super) struct PlanChange {
    pub(super) plan: PlanName,
    pub(super) overrides: Option<LimitOverrides>,
}

impl PlanChange {
    pub(super) fn read(body: Option<&Value>) -> Result<Self, Issues> {
        read_object(body, |body| {
            let plan = parsed(&body.field("plan"), PlanName::new);
            let overrides = body.field("limits").optional(overrides_at);
            Some(Self { plan: plan?, overrides: overrides? })
        })
    }
}

/// Numbers by what they limit; `null` is no limit.
fn overrides_at(limits: &Reader<'_>) -> Option<LimitOverrides> {
    let mut overrides = LimitOverrides::NONE;
    for word in limits.object()?.keys() {
        let field = limits.field(word);
        let Some(limited) = Limited::parse(word) else {
            let known = Limited::ALL.map(Limited::as_str).join(", ");
            field.issue(format!("is nothing that plans limit: {known} are"));
            continue;
        };
        let limit = match field.raw() {
            Some(Value::Null) => Some(Limit::Unlimited),
            _ => field.number().integer().positive().whole().and_then(Limit::of),
        };
        if let Some(limit) = limit {
            overrides = overrides.with(limited, Some(limit));
        }
    }
    limits.is_clean().then_some(overrides)
}

/// A text that `parse` takes; otherwise its error is the problem.
pub(super) fn parsed<T, E: ToString>(field: &Reader<'_>, parse: impl FnOnce(&str) -> Result<T, E>) -> Option<T> {
    let text = field.text().get()?;
    match parse(text) {
        Ok(value) => Some(value),
        Err(error) => {
            field.issue(error.to_string());
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use serde_json::json;

    use super::*;

    fn problems<T: Debug>(read: Result<T, Issues>) -> Vec<String> {
        read.unwrap_err().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_problem_of_a_sign_up_is_told_at_once() {
        let body = json!({ "email": "nope", "password": "short", "workspace": { "name": "", "subdomain": "-acme" } });
        let told = problems(SignUp::read(Some(&body)));
        for path in ["name", "email", "password", "workspace.name", "workspace.subdomain"] {
            assert!(told.iter().any(|line| line.starts_with(&format!("{path}: "))), "{path} in {told:?}");
        }
        assert_eq!(problems(SignUp::read(None)), [": Required"]);
        let body = json!({ "name": "Ann", "email": "ann@example.com", "password": "Parola123!" });
        assert_eq!(problems(SignUp::read(Some(&body))), ["workspace: Required"]);
        let body = json!({ "name": "Ann", "email": "ann@example.com", "password": "Parola123!",
            "workspace": { "name": "Acme", "subdomain": "acme", "plan": "pro" } });
        let read = SignUp::read(Some(&body)).unwrap();
        assert_eq!((read.workspace.subdomain.as_str(), read.workspace.plan.unwrap().as_str()), ("acme", "pro"));
    }

    #[test]
    fn limits_are_read_strictly() {
        let read = |limits| PlanChange::read(Some(&json!({ "plan": "pro", "limits": limits })));
        let overrides = read(json!({ "flags": 7, "members": null })).unwrap().overrides.unwrap();
        assert_eq!(overrides.get(Limited::Flags), Limit::of(7));
        assert_eq!(overrides.get(Limited::Members), Some(Limit::Unlimited));
        assert_eq!(overrides.get(Limited::Configs), None);
        for wrong in [json!({ "flag": 7 }), json!({ "flags": 0 }), json!({ "flags": -1 }), json!({ "flags": 1.5 }), json!([])] {
            assert!(read(wrong.clone()).is_err(), "{wrong}");
        }
        assert!(PlanChange::read(Some(&json!({ "plan": "pro" }))).unwrap().overrides.is_none());
    }
}
