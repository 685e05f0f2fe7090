//! The directory of a tenant, in memory.

use std::sync::Arc;

use foldhash::HashMap;
use togglebox_core::{Revision, TenantId, Timestamp};
use togglebox_toggles::{Directory, Environment, Platform, Scope};
use uuid::Uuid;

use super::environment::ServedEnvironment;
use super::held::{Held, Revised};
use crate::etag::EntityTag;

/// The place of one environment. What is held there lives as long as the environment does, whatever happens to the directory around it.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    pub(super) scope: Scope,
    pub(super) id: Uuid,
    pub(super) held: Arc<Held<ServedEnvironment>>,
}

#[derive(Debug)]
struct Place {
    platform: Platform,
    environments: Vec<Environment>,
}

/// All platforms and environments of a tenant.
#[derive(Debug)]
pub(crate) struct ServedDirectory {
    identity: Uuid,
    revision: Revision,
    newest: Option<Timestamp>,
    names: Vec<Box<str>>,
    places: HashMap<Box<str>, Place>,
    /// By platform and name. Every read comes here: most tenants have a few, which lie side by side, names included.
    slots: Box<[Slot]>,
}

impl ServedDirectory {
    /// Takes over the slots of the directory before, for environments that are still the same.
    pub(super) fn new(tenant: TenantId, directory: Directory, before: Option<&Self>) -> Self {
        let mut places: HashMap<Box<str>, Place> = directory
            .platforms
            .into_iter()
            .map(|(name, platform)| (name.as_str().into(), Place { platform, environments: Vec::new() }))
            .collect();
        let mut slots = Vec::with_capacity(directory.environments.len());
        for (scope, environment) in directory.environments {
            let Some(place) = places.get_mut(scope.platform.as_str()) else { continue };
            let kept = before
                .and_then(|before| before.slot(scope.platform.as_str(), scope.environment.as_str()))
                .filter(|slot| slot.id == environment.id);
            slots.push(kept.cloned().unwrap_or_else(|| Slot { id: environment.id, held: Arc::default(), scope }));
            place.environments.push(environment);
        }
        slots.sort_unstable_by(|one, other| one.name().cmp(&other.name()));
        let mut names: Vec<Box<str>> = places.keys().cloned().collect();
        names.sort_unstable();
        let times = places.values().flat_map(|place| {
            std::iter::once(place.platform.created_at).chain(place.environments.iter().map(|environment| environment.created_at))
        });
        let newest = times.max();
        let ids = places.values().flat_map(|place| {
            std::iter::once(place.platform.id).chain(place.environments.iter().map(|environment| environment.id))
        });
        // A directory has no id of its own. Those of its members tell it from that of another database at the same revision.
        let identity = Uuid::from_u128(ids.fold(tenant.as_uuid().as_u128(), |sum, id| sum ^ id.as_u128()));
        Self { identity, revision: directory.revision, newest, names, places, slots: slots.into() }
    }

    /// The platforms, by name.
    pub(crate) fn platforms(&self) -> Vec<&Platform> {
        self.names.iter().filter_map(|name| self.platform(name)).collect()
    }

    /// A platform.
    pub(crate) fn platform(&self, name: &str) -> Option<&Platform> {
        self.places.get(name).map(|place| &place.platform)
    }

    /// The environments of a platform, by name. Empty when there is no such platform.
    pub(crate) fn environments(&self, platform: &str) -> &[Environment] {
        self.places.get(platform).map_or(&[], |place| &place.environments)
    }

    /// An environment's record.
    pub(crate) fn environment(&self, platform: &str, name: &str) -> Option<&Environment> {
        self.environments(platform).iter().find(|environment| environment.name.as_str() == name)
    }

    /// The tag of the directory as a whole.
    pub(crate) fn tag(&self) -> EntityTag {
        EntityTag::new(self.identity, self.revision)
    }

    /// When the newest of its members was made: the `timestamp` of everything that carries [`tag`](Self::tag), since a directory does
    /// not know when it last changed. `None` when it is empty.
    pub(crate) const fn newest(&self) -> Option<Timestamp> {
        self.newest
    }

    pub(super) fn slot(&self, platform: &str, environment: &str) -> Option<&Slot> {
        let place = self.slots.binary_search_by(|slot| slot.name().cmp(&(platform, environment))).ok()?;
        Some(&self.slots[place])
    }

    pub(super) fn slots(&self) -> &[Slot] {
        &self.slots
    }
}

impl Slot {
    fn name(&self) -> (&str, &str) {
        (self.scope.platform.as_str(), self.scope.environment.as_str())
    }
}

impl Revised for ServedDirectory {
    fn revision(&self) -> Revision {
        self.revision
    }
}
