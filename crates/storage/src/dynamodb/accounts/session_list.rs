//! Which sessions a user has: an item beside them, so that they can be counted.

use togglebox_auth::Session;
use togglebox_core::{StoreResult, TenantId, Timestamp};
use uuid::Uuid;

use super::super::DynamoDb;
use super::super::action::{Action, Condition};
use super::super::item::{Attributes, Draft, json};
use super::super::patience::Patience;
use super::key;
use super::owner::Owner;
use super::sessions::read;

/// How many sessions one transaction ends at most: it has room for a hundred actions.
const MOST_ENDED: usize = 90;

/// The sessions of a user that go on, and the turn that the list was written in.
#[derive(Debug)]
pub(super) struct SessionList {
    turn: Option<u64>,
    /// The oldest first.
    sessions: Vec<Session>,
}

impl SessionList {
    /// The sessions that have to end so that there is room for another one, those that stay, and whether there is room then: when very
    /// many have to end, they do so a part at a time.
    pub(super) fn make_room(&self, limit: usize) -> (&[Session], &[Session], bool) {
        let too_many = (self.sessions.len() + 1).saturating_sub(limit.max(1));
        let (ending, staying) = self.sessions.split_at(too_many.min(MOST_ENDED));
        (ending, staying, too_many <= MOST_ENDED)
    }

    /// What writes the list anew, if nobody else did meanwhile.
    pub(super) fn replace(&self, operation: &'static str, tenant: TenantId, owner: &Owner, ids: &[Uuid]) -> StoreResult<Action> {
        let when = self.turn.map_or_else(Condition::absent, |turn| Condition::is("turn", turn));
        let item = Draft::new(&key::session_list(tenant, owner.incarnation))
            .with("sessions", json(operation, &ids)?)
            .with("turn", self.turn.map_or(1, |turn| turn.saturating_add(1)))
            .finish(operation)?;
        Ok(Action::Put { item, when })
    }
}

impl DynamoDb {
    /// The sessions of a user that go on at `now`. The sessions themselves say whether they do; the list only where they are.
    pub(super) async fn session_list(
        &self,
        operation: &'static str,
        patience: &mut Patience,
        tenant: TenantId,
        owner: &Owner,
        now: Timestamp,
    ) -> StoreResult<SessionList> {
        let Some(item) = self.get(operation, patience, &key::session_list(tenant, owner.incarnation)).await? else {
            return Ok(SessionList { turn: None, sessions: Vec::new() });
        };
        let attributes = Attributes::new(&item, operation);
        let ids: String = attributes.get("sessions")?;
        let ids: Vec<Uuid> = serde_json::from_str(&ids).map_err(|source| attributes.unreadable("sessions", source))?;
        let turn = attributes.get("turn")?;
        let items = self.get_all(operation, patience, ids.iter().map(|id| key::session(tenant, *id))).await?;
        let mut sessions = Vec::new();
        for item in items.values() {
            // An id may have been given to a session of somebody else since.
            if Attributes::new(item, operation).get::<Uuid>("owner")? == owner.incarnation {
                sessions.push(read(item, operation, owner)?);
            }
        }
        sessions.retain(|session| session.revoked_at.is_none() && session.expires_at >= now);
        sessions.sort_unstable_by_key(|session| (session.created_at, session.id));
        Ok(SessionList { turn: Some(turn), sessions })
    }
}
