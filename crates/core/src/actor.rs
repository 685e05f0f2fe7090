//! Who does something.

use serde::{Deserialize, Serialize};

/// The kind of caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ActorKind {
    /// A signed-in person.
    User,
    /// An API key.
    ApiKey,
    /// The program itself or its command line.
    System,
}

/// Who made a change, as the audit log keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Actor {
    /// What the caller is.
    pub kind: ActorKind,
    /// The user's or key's id; absent for the system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The e-mail address shown as author.
    pub email: String,
}

impl Actor {
    /// The address that stands for the program itself.
    pub const SYSTEM_EMAIL: &str = "system@togglebox.dev";

    /// The program itself.
    pub fn system() -> Self {
        Self { kind: ActorKind::System, id: None, email: Self::SYSTEM_EMAIL.to_owned() }
    }

    /// A signed-in person.
    pub fn user(id: impl Into<String>, email: impl Into<String>) -> Self {
        Self { kind: ActorKind::User, id: Some(id.into()), email: email.into() }
    }

    /// An API key, with its owner's address.
    pub fn api_key(id: impl Into<String>, owner_email: impl Into<String>) -> Self {
        Self { kind: ActorKind::ApiKey, id: Some(id.into()), email: owner_email.into() }
    }
}
