//! Whole environments, for snapshots.

use async_trait::async_trait;
use togglebox_core::{StoreResult, TenantId};
use togglebox_toggles::Scope;
use togglebox_toggles::store::{EnvironmentState, EnvironmentStore};

use super::DynamoDb;
use super::digest::Digest;
use super::error::{Crowded, Trouble};
use super::experiments::experiment_of;
use super::flags::flag_of;
use super::item::{Attributes, Item};
use super::key::{self, Kind};
use super::parameters::parameter_of;
use super::place::Place;
use super::store::Range;

#[async_trait]
impl EnvironmentStore for DynamoDb {
    async fn load(&self, tenant: TenantId, scope: &Scope) -> StoreResult<Option<EnvironmentState>> {
        const OPERATION: &str = "environments.load";
        let mut patience = self.patience();
        let Some(mut place) = self.place(OPERATION, &mut patience, tenant, scope).await? else { return Ok(None) };
        loop {
            let range = Range::all(key::contents(tenant, place.incarnation));
            let items = self.query(OPERATION, &mut patience, range).await?;
            let digest = items.iter().map(|item| Attributes::new(item, OPERATION).get("rev"));
            let digest: Digest = digest.collect::<StoreResult<_>>()?;
            if digest != place.contents.digest {
                // Something was written meanwhile. The records may be those of the revision after it.
                let Some(now) = self.place(OPERATION, &mut patience, tenant, scope).await? else { return Ok(None) };
                let moved = now.incarnation != place.incarnation;
                place = now;
                if moved || digest != place.contents.digest {
                    if !patience.pause(Trouble::Contended).await {
                        return Err(Trouble::Contended.error(OPERATION, Crowded));
                    }
                    continue;
                }
            }
            return state(&place, &items, OPERATION).map(Some);
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
