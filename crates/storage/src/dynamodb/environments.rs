//! Whole environments, for snapshots.

use async_trait::async_trait;
use togglebox_core::{EntropyExt, OsEntropy, Revision, StoreError, StoreErrorKind, StoreResult, TenantId};
use togglebox_toggles::Scope;
use togglebox_toggles::store::{EnvironmentState, EnvironmentStore};

use super::DynamoDb;
use super::action::Action;
use super::digest::{Digest, Disturbances};
use super::error::Trouble;
use super::experiments::experiment_of;
use super::flags::flag_of;
use super::item::{Attributes, Item};
use super::key::{self, Kind};
use super::parameters::parameter_of;
use super::patience::Patience;
use super::place::Place;
use super::store::Range;

const OPERATION: &str = "environments.load";

/// How often an environment is read without asking writers to wait.
const UNDISTURBED: u32 = 4;

#[async_trait]
impl EnvironmentStore for DynamoDb {
    async fn load(&self, tenant: TenantId, scope: &Scope) -> StoreResult<Option<EnvironmentState>> {
        let mut patience = self.patience();
        // Others write while this reads: that rarely happens twice. Under a storm of writes it happens every time, so that writers are
        // asked to wait in the end.
        let mut disturbances = Disturbances::default();
        for _ in 0..UNDISTURBED {
            match self.attempt(&mut patience, tenant, scope).await? {
                Attempt::Absent => return Ok(None),
                Attempt::Whole(state) => return Ok(Some(state)),
                Attempt::Disturbed(revision) => disturbances.pause(OPERATION, &mut patience, revision).await?,
            }
        }
        let hold = OsEntropy.uuid();
        loop {
            let Some(place) = self.place(OPERATION, &mut patience, tenant, scope).await? else { return Ok(None) };
            self.tell(&mut patience, &place.hold(hold)).await?;
            let attempt = self.attempt(&mut patience, tenant, scope).await;
            self.tell(&mut patience, &place.release(hold)).await?;
            match attempt? {
                Attempt::Absent => return Ok(None),
                Attempt::Whole(state) => return Ok(Some(state)),
                Attempt::Disturbed(revision) => disturbances.pause(OPERATION, &mut patience, revision).await?,
            }
        }
    }
}

/// What came of reading an environment.
enum Attempt {
    Absent,
    Whole(EnvironmentState),
    /// The records are not those of the revision: this one, by now.
    Disturbed(Revision),
}

impl DynamoDb {
    /// Reads the environment once.
    async fn attempt(&self, patience: &mut Patience, tenant: TenantId, scope: &Scope) -> StoreResult<Attempt> {
        let Some(place) = self.place(OPERATION, patience, tenant, scope).await? else { return Ok(Attempt::Absent) };
        let items = self.query(OPERATION, patience, Range::all(key::contents(tenant, place.incarnation))).await?;
        let revisions = items.iter().map(|item| Attributes::new(item, OPERATION).get("rev"));
        let digest: Digest = revisions.collect::<StoreResult<_>>()?;
        if digest == place.contents.digest {
            return state(&place, &items, OPERATION).map(Attempt::Whole);
        }
        // Something was written meanwhile. The records may be those of the revision after it.
        let Some(now) = self.place(OPERATION, patience, tenant, scope).await? else { return Ok(Attempt::Absent) };
        if now.incarnation == place.incarnation && digest == now.contents.digest {
            return state(&now, &items, OPERATION).map(Attempt::Whole);
        }
        Ok(Attempt::Disturbed(now.contents.revision))
    }

    /// Tells writers something. It is a courtesy, and does not have to arrive.
    async fn tell(&self, patience: &mut Patience, what: &Action) -> StoreResult<()> {
        loop {
            let token = key::token(&[&OsEntropy.bytes::<16>()]);
            match self.transact(OPERATION, token, vec![what.clone()]).await {
                // The condition fails when somebody else has taken its place.
                Err(Ok((Trouble::Later, source))) if !patience.pause(Trouble::Later).await => {
                    return Err(StoreError::new(StoreErrorKind::Unavailable, OPERATION).caused_by(source));
                }
                Err(Ok((Trouble::Later, _))) => {}
                Ok(()) | Err(Ok(_)) => return Ok(()),
                Err(Err(error)) => return Err(error),
            }
        }
    }
}

/// The items of an environment's partition, in the order of their keys, as what they stand for.
fn state(place: &Place, items: &[Item], operation: &'static str) -> StoreResult<EnvironmentState> {
    let mut state = EnvironmentState {
        id: place.id,
        revision: place.contents.revision,
        changed_at: place.contents.changed_at,
        parameters: Vec::new(),
        flags: Vec::new(),
        experiments: Vec::new(),
    };
    for item in items {
        let attributes = Attributes::new(item, operation);
        let sk: String = attributes.get(key::SK)?;
        match Kind::of(&sk).map(|(kind, _)| kind) {
            Some(Kind::Parameter) => state.parameters.push(parameter_of(item, operation)?),
            Some(Kind::Flag) => state.flags.push(flag_of(item, true, operation)?),
            Some(Kind::Experiment) => state.experiments.push(experiment_of(item, operation)?),
            None => return Err(attributes.unreadable(key::SK, format!("the key {sk:?} is of no known kind"))),
        }
    }
    Ok(state)
}
