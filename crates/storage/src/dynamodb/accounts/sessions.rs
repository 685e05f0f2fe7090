//! Sessions.

use async_trait::async_trait;
use togglebox_auth::Session;
use togglebox_auth::store::{Rotation, SessionStore};
use togglebox_core::{Revision, StoreError, StoreErrorKind, StoreResult, TenantId, Timestamp};
use uuid::Uuid;

use super::super::DynamoDb;
use super::super::action::{Action, Condition};
use super::super::item::{Attributes, Draft, Item};
use super::super::patience::Patience;
use super::super::table::EXPIRES_AT;
use super::super::write::Write;
use super::head::Head;
use super::owner::Owner;
use super::{expiry, key};

#[async_trait]
impl SessionStore for DynamoDb {
    async fn create(&self, tenant: TenantId, session: &Session, limit: usize) -> StoreResult<Option<Revision>> {
        const OPERATION: &str = "sessions.create";
        let mut patience = self.patience();
        let mut ended = None;
        let _turn = self.queue(OPERATION, &key::session_list(tenant, session.user), &patience).await?;
        loop {
            let owner = self.owner(OPERATION, &mut patience, tenant, session.user).await?;
            let owner = owner.ok_or_else(|| StoreError::new(StoreErrorKind::NotFound, OPERATION))?;
            let list = self.session_list(OPERATION, &mut patience, tenant, &owner, session.created_at).await?;
            let (ending, staying, is_room) = list.make_room(limit);
            let mut ids: Vec<Uuid> = staying.iter().map(|session| session.id).collect();
            ids.extend(is_room.then_some(session.id));
            let mut actions = vec![list.replace(OPERATION, tenant, &owner, &ids)?];
            if !ending.is_empty() {
                let head = self.get(OPERATION, &mut patience, &key::head(tenant)).await?;
                let head = head.map_or(Ok(Head::default()), |item| Head::read(&item, OPERATION))?;
                let next = head.next();
                ended = Some(next.revision);
                actions.push(head.advance(tenant, next));
                actions.extend(ending.iter().map(|session_ending| end(tenant, session_ending.id, &owner, session.created_at)));
            }
            if is_room {
                // Not conditional on the user: should the user go, or end all sessions, in this moment, the session is over.
                actions.push(put(OPERATION, tenant, session, &owner)?);
            }
            if self.commit(OPERATION, &mut patience, actions).await? {
                if is_room {
                    return Ok(ended);
                }
                continue;
            }
            match self.session(OPERATION, &mut patience, tenant, session.id).await? {
                Some((_, stands)) if stands == *session => return Ok(ended),
                Some(_) => return Err(StoreError::new(StoreErrorKind::AlreadyExists, OPERATION)),
                None => {}
            }
        }
    }

    async fn find(&self, tenant: TenantId, id: Uuid) -> StoreResult<Option<Session>> {
        let found = self.session("sessions.find", &mut self.patience(), tenant, id).await?;
        Ok(found.map(|(_, session)| session))
    }

    async fn rotate(
        &self,
        tenant: TenantId,
        id: Uuid,
        current: Uuid,
        next: Uuid,
        at: Timestamp,
        expires_at: Timestamp,
    ) -> StoreResult<Rotation> {
        const OPERATION: &str = "sessions.rotate";
        let mut patience = self.patience();
        let mut tried = false;
        loop {
            let Some((owner, session)) = self.session(OPERATION, &mut patience, tenant, id).await? else {
                return Ok(Rotation::Ended);
            };
            if session.revoked_at.is_some() {
                return Ok(Rotation::Ended);
            }
            // An attempt of ours may have been made although its answer got lost.
            if tried && session.current == next && session.previous == Some(current) && session.rotated_at == at {
                return Ok(Rotation::Done(session));
            }
            if session.current != current {
                return Ok(Rotation::Superseded(session));
            }
            let rotated = Session { current: next, previous: Some(current), rotated_at: at, expires_at, ..session };
            let set = vec![
                ("current", next.into()),
                ("previous", current.into()),
                ("rotated_at", at.into()),
                ("ends_at", expires_at.into()),
                (EXPIRES_AT, expiry(expires_at).into()),
            ];
            let when = is_live(&owner).and("current", current);
            let action = Action::Update { key: key::session(tenant, id), set, remove: Vec::new(), when };
            if self.commit(OPERATION, &mut patience, vec![action]).await? {
                return Ok(Rotation::Done(rotated));
            }
            tried = true;
        }
    }

    async fn revoke(&self, tenant: TenantId, id: Uuid, at: Timestamp) -> StoreResult<Revision> {
        const OPERATION: &str = "sessions.revoke";
        let mut patience = self.patience();
        let _turn = self.queue(OPERATION, &key::head(tenant), &patience).await?;
        loop {
            let head = self.get(OPERATION, &mut patience, &key::head(tenant)).await?;
            let head = head.map_or(Ok(Head::default()), |item| Head::read(&item, OPERATION))?;
            let found = self.session(OPERATION, &mut patience, tenant, id).await?;
            let Some((owner, _)) = found.filter(|(_, session)| session.revoked_at.is_none()) else {
                // Read after the session: what ended it may have raised the revision since.
                let head = self.get(OPERATION, &mut patience, &key::head(tenant)).await?;
                return head.map_or(Ok(Revision::ZERO), |item| Ok(Head::read(&item, OPERATION)?.revision));
            };
            let next = head.next();
            let actions = vec![head.advance(tenant, next), end(tenant, id, &owner, at)];
            if self.commit(OPERATION, &mut patience, actions).await? {
                return Ok(next.revision);
            }
        }
    }
}

/// The condition that a session was not ended, alone or with all others.
fn is_live(owner: &Owner) -> Condition {
    Condition::is("live", true).and("owner", owner.incarnation).and("epoch", owner.epoch)
}

/// What ends a session that goes on.
fn end(tenant: TenantId, id: Uuid, owner: &Owner, at: Timestamp) -> Action {
    let set = vec![("live", false.into()), ("revoked_at", at.into())];
    Action::Update { key: key::session(tenant, id), set, remove: Vec::new(), when: is_live(owner) }
}

fn put(operation: &'static str, tenant: TenantId, session: &Session, owner: &Owner) -> StoreResult<Action> {
    let item = Draft::new(&key::session(tenant, session.id))
        .with("id", session.id)
        .with("user", session.user)
        .with("owner", owner.incarnation)
        .with("epoch", owner.epoch)
        .with("current", session.current)
        .maybe("previous", session.previous)
        .with("rotated_at", session.rotated_at)
        .with("created_at", session.created_at)
        .with("ends_at", session.expires_at)
        .with("live", session.revoked_at.is_none())
        .maybe("revoked_at", session.revoked_at)
        .with(EXPIRES_AT, expiry(session.expires_at))
        .finish(operation)?;
    Ok(Action::Put { item, when: Condition::absent() })
}

/// A session as it stands. One that ended with all of its user's tells when that was last.
pub(super) fn read(item: &Item, operation: &'static str, owner: &Owner) -> StoreResult<Session> {
    let attributes = Attributes::new(item, operation);
    let epoch: u64 = attributes.get("epoch")?;
    let ended = if epoch < owner.epoch { owner.ended_at } else { None };
    Ok(Session {
        id: attributes.get("id")?,
        user: attributes.get("user")?,
        current: attributes.get("current")?,
        previous: attributes.maybe("previous")?,
        rotated_at: attributes.get("rotated_at")?,
        created_at: attributes.get("created_at")?,
        expires_at: attributes.get("ends_at")?,
        revoked_at: attributes.maybe("revoked_at")?.or(ended),
    })
}

impl DynamoDb {
    /// A session and its user; a session without its user is none.
    async fn session(
        &self,
        operation: &'static str,
        patience: &mut Patience,
        tenant: TenantId,
        id: Uuid,
    ) -> StoreResult<Option<(Owner, Session)>> {
        // The user is read last: what the session says was still true then, unless it was ended alone.
        let Some(item) = self.get(operation, patience, &key::session(tenant, id)).await? else { return Ok(None) };
        let Some(owner) = self.owner_of(operation, patience, tenant, &item).await? else { return Ok(None) };
        let session = read(&item, operation, &owner)?;
        Ok(Some((owner, session)))
    }
}

impl Write<'_> {
    /// What takes one session of a user over into another epoch, if it goes on.
    pub(super) async fn carry_over(
        &mut self,
        tenant: TenantId,
        id: Uuid,
        owner: &Owner,
        epoch: u64,
    ) -> StoreResult<Option<Action>> {
        let key = key::session(tenant, id);
        let Some(item) = self.get(&key).await? else { return Ok(None) };
        let attributes = Attributes::new(&item, self.operation());
        let (live, of, at): (bool, Uuid, u64) = (attributes.get("live")?, attributes.get("owner")?, attributes.get("epoch")?);
        let goes_on = live && of == owner.incarnation && at == owner.epoch;
        let set = vec![("epoch", epoch.into())];
        Ok(goes_on.then(|| Action::Update { key, set, remove: Vec::new(), when: is_live(owner) }))
    }
}
