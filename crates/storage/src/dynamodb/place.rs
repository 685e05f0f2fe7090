//! Where records live: the head of an environment.

use std::collections::HashMap;

use togglebox_core::{Revision, StoreResult, TenantId, Timestamp};
use togglebox_toggles::Scope;
use uuid::Uuid;

use super::DynamoDb;
use super::action::{Action, Condition};
use super::digest::Digest;
use super::item::{Attributes, Item, Value};
use super::key::{self, Key, Kind};
use super::patience::Patience;

/// How many records of each kind there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts([u64; Kind::ALL.len()]);

impl Counts {
    /// How many of one kind.
    pub(super) const fn of(self, kind: Kind) -> u64 {
        self.0[kind as usize]
    }

    /// With one more.
    pub(super) const fn more(mut self, kind: Kind) -> Self {
        self.0[kind as usize] = self.0[kind as usize].saturating_add(1);
        self
    }

    /// With one less.
    pub(super) const fn less(mut self, kind: Kind) -> Self {
        self.0[kind as usize] = self.0[kind as usize].saturating_sub(1);
        self
    }

    /// With these, too.
    pub(super) fn and(self, others: Self) -> Self {
        Self(std::array::from_fn(|kind| self.0[kind].saturating_add(others.0[kind])))
    }

    /// What an environment's item says.
    pub(super) fn read(attributes: &Attributes<'_>) -> StoreResult<Self> {
        let mut counts = [0; Kind::ALL.len()];
        for kind in Kind::ALL {
            counts[kind as usize] = match kind {
                Kind::Parameter => attributes.get(kind.plural())?,
                // Tables of before workspaces had quotas do not say it. They have no workspaces.
                Kind::Flag | Kind::Experiment => attributes.maybe(kind.plural())?.unwrap_or(0),
            };
        }
        Ok(Self(counts))
    }

    /// The attributes of an environment's item.
    pub(super) fn attributes(self) -> impl Iterator<Item = (&'static str, Value)> {
        Kind::ALL.into_iter().map(move |kind| (kind.plural(), self.of(kind).into()))
    }
}

/// How far an environment has counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Contents {
    /// Counts the writes inside.
    pub(super) revision: Revision,
    /// When the last of them was made.
    pub(super) changed_at: Timestamp,
    /// How many records there are.
    pub(super) counts: Counts,
    /// Of the revisions of all records.
    pub(super) digest: Digest,
}

impl Contents {
    /// After a write at `at` that makes a record.
    pub(super) fn with_new(self, at: Timestamp, kind: Kind) -> Self {
        Self { counts: self.counts.more(kind), ..self.with(at, self.digest) }
    }

    /// After a write at `at` that puts a record in the place of one of revision `old`.
    pub(super) fn with_another(self, at: Timestamp, old: Revision) -> Self {
        self.with(at, self.digest.without(old))
    }

    /// After a write at `at` that removes a record of revision `old`.
    pub(super) fn without(self, at: Timestamp, kind: Kind, old: Revision) -> Self {
        let digest = self.digest.without(old);
        Self { counts: self.counts.less(kind), digest, ..self.with(at, digest) }
    }

    /// After a write at `at` of a record, beside others of this digest.
    fn with(self, at: Timestamp, others: Digest) -> Self {
        let revision = self.revision.next();
        Self { revision, changed_at: self.changed_at.max(at), digest: others.with(revision), ..self }
    }
}

/// An environment that is there.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) id: Uuid,
    /// What the keys of its contents are made with: an environment that is made anew is empty, even if it is given the same id.
    pub(super) incarnation: Uuid,
    pub(super) contents: Contents,
    /// Who asks writers to wait a moment, if anybody does.
    pub(super) hold: Option<Uuid>,
    key: Key,
}

/// What has to be read to know whether an environment is there.
pub(super) fn keys(tenant: TenantId, scope: &Scope) -> [Key; 2] {
    [key::platform(tenant, &scope.platform), key::environment(tenant, scope)]
}

impl Place {
    /// The environment among what was read. The item of an environment may outlive its platform, but does not belong to one that was
    /// made anew under the same name.
    pub(super) fn of(
        items: &HashMap<Key, Item>,
        tenant: TenantId,
        scope: &Scope,
        operation: &'static str,
    ) -> StoreResult<Option<Self>> {
        let [platform, key] = keys(tenant, scope);
        let (Some(platform), Some(item)) = (items.get(&platform), items.get(&key)) else { return Ok(None) };
        let attributes = Attributes::new(item, operation);
        let owner: Uuid = Attributes::new(platform, operation).get("incarnation")?;
        if attributes.get::<Uuid>("owner")? != owner {
            return Ok(None);
        }
        let contents = Contents {
            revision: attributes.get("contents")?,
            changed_at: attributes.get("changed_at")?,
            counts: Counts::read(&attributes)?,
            digest: Digest::from_number(attributes.get("contents_digest")?),
        };
        let (id, incarnation) = (attributes.get("id")?, attributes.get("incarnation")?);
        Ok(Some(Self { id, incarnation, contents, hold: attributes.maybe("hold")?, key }))
    }

    /// What counts a write, provided that nothing else was written since this place was read.
    pub(super) fn advance(&self, next: Contents) -> Action {
        let counted = [
            ("contents", next.revision.into()),
            ("changed_at", next.changed_at.into()),
            ("contents_digest", next.digest.number().into()),
        ];
        Action::Update {
            key: self.key.clone(),
            set: counted.into_iter().chain(next.counts.attributes()).collect(),
            // Whoever writes has waited for it: one that its owner forgot ends here.
            remove: if self.hold.is_some() { vec!["hold"] } else { Vec::new() },
            when: Condition::is("incarnation", self.incarnation).and("contents", self.contents.revision),
        }
    }

    /// What asks writers to wait a moment.
    pub(super) fn hold(&self, hold: Uuid) -> Action {
        let when = Condition::is("incarnation", self.incarnation);
        Action::Update { key: self.key.clone(), set: vec![("hold", hold.into())], remove: Vec::new(), when }
    }

    /// What lets writers go on.
    pub(super) fn release(&self, hold: Uuid) -> Action {
        Action::Update { key: self.key.clone(), set: Vec::new(), remove: vec!["hold"], when: Condition::is("hold", hold) }
    }
}

impl DynamoDb {
    /// The environment called `scope`, if it is there.
    pub(super) async fn place(
        &self,
        operation: &'static str,
        patience: &mut Patience,
        tenant: TenantId,
        scope: &Scope,
    ) -> StoreResult<Option<Place>> {
        let items = self.get_all(operation, patience, keys(tenant, scope)).await?;
        Place::of(&items, tenant, scope, operation)
    }
}
