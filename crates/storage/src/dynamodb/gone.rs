//! Notes of what was deleted: left in the transaction that makes it unreachable, so that it can be swept away later.

use togglebox_core::{StoreResult, TenantId, Timestamp};
use togglebox_toggles::PlatformName;
use uuid::Uuid;

use super::action::{Action, Condition};
use super::item::{Attributes, Draft, Item};
use super::key::{self, Key, Kind};

/// How many partitions the notes are spread over in their index.
pub(super) const SHARDS: u64 = 8;

/// Something that was deleted and whose remains are unreachable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Gone {
    /// A platform: the items of its environments, and all that is in them.
    Platform { name: PlatformName, incarnation: Uuid },
    /// An environment: all that is in it.
    Environment { incarnation: Uuid },
    /// A record: its history.
    Record { environment: Uuid, kind: Kind, key: String, incarnation: Uuid },
    /// A user: the API keys.
    User { incarnation: Uuid },
    /// A batch of statistics, by its id, that was written down: it may not be counted in full yet.
    Batch { incarnation: Uuid },
}

impl Gone {
    /// What writes the note down.
    pub(super) fn note(&self, operation: &'static str, tenant: TenantId, at: Timestamp) -> StoreResult<Action> {
        let draft = Draft::new(&self.key(tenant)).with("tenant", *tenant.as_uuid()).with("gone_at", at);
        let draft = match self {
            Self::Platform { name, .. } => draft.with("what", "platform").with("name", name.as_str()),
            Self::Environment { .. } => draft.with("what", "environment"),
            Self::User { .. } => draft.with("what", "user"),
            Self::Batch { .. } => draft.with("what", "batch"),
            Self::Record { environment, kind, key, .. } => {
                draft.with("what", kind.letter().to_string()).with("environment", *environment).with("key", key.as_str())
            }
        };
        let item = draft.with("incarnation", self.incarnation()).with("gone", shard(self.incarnation())).finish(operation)?;
        Ok(Action::Put { item, when: Condition::none() })
    }

    /// Where the note stands.
    pub(super) fn key(&self, tenant: TenantId) -> Key {
        Key::new(key::gone(tenant), self.incarnation().to_string())
    }

    const fn incarnation(&self) -> Uuid {
        match self {
            Self::Platform { incarnation, .. }
            | Self::Environment { incarnation }
            | Self::Record { incarnation, .. }
            | Self::User { incarnation }
            | Self::Batch { incarnation } => *incarnation,
        }
    }

    /// What a note says, and of which tenant.
    pub(super) fn of(item: &Item, operation: &'static str) -> StoreResult<(TenantId, Self)> {
        let attributes = Attributes::new(item, operation);
        let what: String = attributes.get("what")?;
        let incarnation = attributes.get("incarnation")?;
        let gone = match what.as_str() {
            "platform" => Self::Platform { name: attributes.get("name")?, incarnation },
            "environment" => Self::Environment { incarnation },
            "user" => Self::User { incarnation },
            "batch" => Self::Batch { incarnation },
            letter => {
                let kind = Kind::ALL.into_iter().find(|kind| kind.letter().to_string() == letter);
                let kind = kind.ok_or_else(|| attributes.unreadable("what", format!("the word {letter:?} is not known")))?;
                Self::Record { environment: attributes.get("environment")?, kind, key: attributes.get("key")?, incarnation }
            }
        };
        Ok((TenantId::from_uuid(attributes.get("tenant")?), gone))
    }
}

fn shard(incarnation: Uuid) -> String {
    (incarnation.as_u64_pair().1 % SHARDS).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_read_back() {
        let id = Uuid::from_u128(9);
        let record = Gone::Record { environment: Uuid::from_u128(3), kind: Kind::Flag, key: "dark".to_owned(), incarnation: id };
        let platform = Gone::Platform { name: "web".parse().unwrap(), incarnation: id };
        let (user, batch) = (Gone::User { incarnation: id }, Gone::Batch { incarnation: id });
        for gone in [platform, Gone::Environment { incarnation: id }, user, batch, record] {
            let tenant = TenantId::from_uuid(Uuid::from_u128(5));
            let Action::Put { item, .. } = gone.note("test", tenant, Timestamp::EPOCH).unwrap() else { panic!("a note is put") };
            assert_eq!(Gone::of(&item, "test").unwrap(), (tenant, gone));
        }
    }
}
