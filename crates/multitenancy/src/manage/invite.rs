//! Inviting people, and joining.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use togglebox_core::{Actor, AuditRecord, Email, EntropyExt as _, Page, PageRequest, Revision, StoreErrorKind, TenantId};
use uuid::Uuid;

use super::{Result, Tenancy, TenancyError, team, twice};
use crate::{Invitation, InvitationToken, Limited, Member, MemberRole, Person, Tenant};

/// An invitation that waits, with its token, which is never shown again.
#[derive(Clone, Debug)]
pub struct Issued {
    /// The invitation.
    pub invitation: Invitation,
    /// What the invited person needs.
    pub token: InvitationToken,
    /// Whether it was handed over to be sent. If not, it can be sent again, or handed over in another way.
    pub mailed: bool,
}

impl Tenancy {
    /// Invites somebody by mail, in the name of an admin. Whether the plan has room for them is looked at now, and counts when they accept; so
    /// does whether `inviter` still is an admin.
    ///
    /// # Errors
    /// `AlreadyInvited`, `TooManyInvitations`, `MemberLimit`, `TenantNotFound`, `UnknownPlan`, `Store`.
    pub async fn invite(&self, tenant: TenantId, actor: &Actor, inviter: Uuid, email: Email, role: MemberRole) -> Result<Issued> {
        let host = self.tenant(tenant).await?;
        self.expect_room(&host).await?;
        let (now, token) = (self.now(), InvitationToken::random(tenant, &*self.ports.entropy));
        let invitation = Invitation {
            id: self.ports.entropy.uuid(),
            email,
            role,
            token_hash: token.hash(),
            inviter,
            invited_by: actor.email.clone(),
            created_at: now,
            sent_at: now,
            expires_at: now.plus(self.settings.invitation_life),
        };
        let record =
            AuditRecord { at: now, after: Some(shown(&invitation)), ..self.record(actor, "invitation.create", &invitation.id) };
        let at_most = self.settings.invitations;
        let issued = twice(|| self.ports.invitations.issue(tenant, &invitation, at_most, &record)).await;
        let invitation = issued.map_err(|error| match error.kind() {
            StoreErrorKind::AlreadyExists => TenancyError::AlreadyInvited,
            StoreErrorKind::LimitReached { limit } => TenancyError::TooManyInvitations { limit: *limit },
            _ => TenancyError::or_absent(error, TenancyError::TenantNotFound),
        })?;
        Ok(self.send(&host, invitation, token).await)
    }

    /// Sends an invitation again, in the name of an admin, with another token and a new end. The token that was sent before is worth nothing
    /// from then on.
    ///
    /// # Errors
    /// `InvitationNotFound` (also when somebody sends it at the same time), `TenantNotFound` (also when it is deleted), `Store`.
    pub async fn resend(&self, tenant: TenantId, actor: &Actor, inviter: Uuid, id: Uuid) -> Result<Issued> {
        let host = self.tenant(tenant).await?;
        if host.standing.deletion.is_some() {
            return Err(TenancyError::TenantNotFound);
        }
        let before = self.ports.invitations.find(tenant, id).await?.ok_or(TenancyError::InvitationNotFound)?;
        let (now, token) = (self.now(), InvitationToken::random(tenant, &*self.ports.entropy));
        let next = Invitation {
            token_hash: token.hash(),
            inviter,
            invited_by: actor.email.clone(),
            sent_at: now,
            expires_at: now.plus(self.settings.invitation_life),
            ..before.clone()
        };
        let record = AuditRecord {
            at: now,
            before: Some(shown(&before)),
            after: Some(shown(&next)),
            ..self.record(actor, "invitation.resend", &id)
        };
        let issued = twice(|| self.ports.invitations.reissue(tenant, &next, &before.token_hash, &record)).await;
        let invitation = issued.map_err(|error| TenancyError::or_absent(error, TenancyError::InvitationNotFound))?;
        Ok(self.send(&host, invitation, token).await)
    }

    /// Takes an invitation back.
    ///
    /// # Errors
    /// `InvitationNotFound`, `Store`.
    pub async fn revoke(&self, tenant: TenantId, actor: &Actor, id: Uuid) -> Result<()> {
        let before = self.ports.invitations.find(tenant, id).await?.ok_or(TenancyError::InvitationNotFound)?;
        let record = AuditRecord { before: Some(shown(&before)), ..self.record(actor, "invitation.revoke", &id) };
        let revoked = twice(|| self.ports.invitations.revoke(tenant, id, &record)).await;
        revoked.map_err(|error| TenancyError::or_absent(error, TenancyError::InvitationNotFound))
    }

    /// Takes back the invitations whose inviter is no admin any more: they are worth nothing, and would be worth something again if that
    /// person became an admin once more. Done after each change of members; doing it again is safe, and finds what one has left that was
    /// interrupted. Nobody's stay, for who sends them again. How many there were.
    ///
    /// # Errors
    /// `Store`.
    pub async fn revoke_void(&self, tenant: TenantId, actor: &Actor) -> Result<usize> {
        let (mut waiting, mut page) = (Vec::new(), PageRequest::first(PageRequest::MAX_LIMIT));
        loop {
            let part = self.ports.invitations.list(tenant, &page).await?;
            waiting.extend(part.items);
            match part.next {
                Some(next) => page = PageRequest::first(PageRequest::MAX_LIMIT).after(Some(next)),
                None => break,
            }
        }
        let inviters: BTreeSet<Uuid> = waiting.iter().map(|invitation| invitation.inviter).collect();
        let (mut void, mut revoked) = (BTreeSet::new(), 0);
        for inviter in inviters {
            // Nobody becomes an admin once more.
            if !inviter.is_nil() && !self.is_admin(tenant, inviter).await? {
                void.insert(inviter);
            }
        }
        for invitation in waiting.iter().filter(|invitation| void.contains(&invitation.inviter)) {
            match self.revoke(tenant, actor, invitation.id).await {
                Ok(()) => revoked += 1,
                // Somebody else has.
                Err(TenancyError::InvitationNotFound) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(revoked)
    }

    async fn is_admin(&self, tenant: TenantId, user: Uuid) -> Result<bool> {
        let member = self.ports.members.find(tenant, user).await?;
        Ok(member.is_some_and(|member| member.role == MemberRole::Admin))
    }

    /// The invitations that wait, expired ones among them, in the order in which they were made.
    ///
    /// # Errors
    /// `Store`.
    pub async fn invitations(&self, tenant: TenantId, page: &PageRequest) -> Result<Page<Invitation>> {
        Ok(self.ports.invitations.list(tenant, page).await?)
    }

    /// What somebody with a token is invited to: to be shown before they sign in.
    ///
    /// # Errors
    /// `InvalidInvitation`, `Store`.
    pub async fn invitation(&self, token: &InvitationToken) -> Result<(Tenant, Invitation)> {
        let found = self.ports.invitations.find_by_token(token.tenant(), &token.hash()).await?;
        let invitation = found.filter(|found| found.is_open(self.now())).ok_or(TenancyError::InvalidInvitation)?;
        let host = self.ports.tenants.find(token.tenant()).await?;
        let host = host.filter(|host| host.standing.deletion.is_none()).ok_or(TenancyError::InvalidInvitation)?;
        if !self.is_admin(host.id, invitation.inviter).await? {
            return Err(TenancyError::InvalidInvitation);
        }
        Ok((host, invitation))
    }

    /// Makes somebody a member who has an account with the address that was invited.
    ///
    /// # Errors
    /// `InvalidInvitation`, `OtherAddress`, `AlreadyMember`, `MemberLimit`, `NotAllowed` while the tenant is stopped, `UnknownPlan`,
    /// `Store`.
    pub async fn accept(&self, token: &InvitationToken, person: &Person) -> Result<Member> {
        let (host, invitation) = self.invitation(token).await?;
        if !invitation.is_for(&person.email) {
            return Err(TenancyError::OtherAddress);
        }
        if !self.allowed(&host).management {
            return Err(TenancyError::NotAllowed(host.status()));
        }
        let limit = self.limits(&host)?.get(Limited::Members);
        let member = Member {
            tenant: host.id,
            user: person.user,
            email: person.email.clone(),
            role: invitation.role,
            joined_at: self.now(),
            version: Revision::ZERO,
        };
        let actor = Actor::user(person.user, person.email.as_str());
        let record = AuditRecord {
            before: Some(shown(&invitation)),
            after: Some(team::shown(&member)),
            ..self.record(&actor, "member.join", &person.user)
        };
        let hash = token.hash();
        let joined = twice(|| self.ports.invitations.accept(host.id, &hash, &member, limit, &record)).await;
        let joined = joined.map_err(|error| match error.kind() {
            StoreErrorKind::AlreadyExists => TenancyError::AlreadyMember,
            StoreErrorKind::QuotaReached { usage, limit } => TenancyError::MemberLimit { usage: *usage, limit: *limit },
            _ => TenancyError::or_absent(error, TenancyError::InvalidInvitation),
        })?;
        self.announce_members(host.id, joined.revision).await;
        Ok(joined.value)
    }

    async fn expect_room(&self, host: &Tenant) -> Result<()> {
        let limit = self.limits(host)?.get(Limited::Members);
        let Some(limit) = limit.get() else { return Ok(()) };
        let usage = self.ports.members.count(host.id).await?;
        if usage >= limit { Err(TenancyError::MemberLimit { usage, limit }) } else { Ok(()) }
    }

    async fn send(&self, host: &Tenant, invitation: Invitation, token: InvitationToken) -> Issued {
        let mailed = match &self.ports.mailer {
            None => false,
            Some(mailer) => match mailer.send(host, &invitation, &token).await {
                Ok(()) => true,
                Err(error) => {
                    let error = &error as &(dyn std::error::Error + 'static);
                    tracing::warn!(tenant.id = %host.id, error, "An invitation was not sent; it can be sent again");
                    false
                }
            },
        };
        Issued { invitation, token, mailed }
    }
}

/// An invitation as audit records show it: never its token.
fn shown(invitation: &Invitation) -> Value {
    json!({
        "email": invitation.email.as_str(),
        "role": invitation.role.as_str(),
        "expiresAt": invitation.expires_at,
    })
}
