//! The members of a tenant, and whose it is.

use serde_json::json;
use togglebox_core::{Actor, AuditRecord, Page, PageRequest, Revision, TenantId};
use uuid::Uuid;

use super::{Result, TRIES, Tenancy, TenancyError, twice};
use crate::{Member, MemberRole, Tenant};

impl Tenancy {
    /// The members, in the order in which they joined.
    ///
    /// # Errors
    /// `Store`.
    pub async fn members(&self, tenant: TenantId, page: &PageRequest) -> Result<Page<Member>> {
        Ok(self.ports.members.list(tenant, page).await?)
    }

    /// What a user is in a tenant.
    ///
    /// # Errors
    /// `MemberNotFound`, `Store`.
    pub async fn member(&self, tenant: TenantId, user: Uuid) -> Result<Member> {
        self.ports.members.find(tenant, user).await?.ok_or(TenancyError::MemberNotFound)
    }

    /// How many members there are.
    ///
    /// # Errors
    /// `Store`.
    pub async fn member_count(&self, tenant: TenantId) -> Result<u64> {
        Ok(self.ports.members.count(tenant).await?)
    }

    /// Gives a member another role. It counts on every node as soon as the notice is there, or by polling. The invitations of who is no admin
    /// any more are worth nothing from then on, and are taken back.
    ///
    /// # Errors
    /// `MemberNotFound`, `OwnerStays`, `Conflict`, `Store`.
    pub async fn change_role(
        &self,
        tenant: TenantId,
        actor: &Actor,
        user: Uuid,
        role: MemberRole,
        expected: Option<Revision>,
    ) -> Result<Member> {
        let mut tries = TRIES;
        loop {
            let before = self.as_read(tenant, user, expected).await?;
            if before.role == role {
                return Ok(before);
            }
            let after = Member { role, ..before.clone() };
            let record = AuditRecord {
                before: Some(shown(&before)),
                after: Some(shown(&after)),
                ..self.record(actor, "member.role", &user)
            };
            let written = twice(|| self.ports.members.replace(tenant, &after, before.version, &record)).await;
            tries -= 1;
            match written {
                Ok(written) => {
                    self.announce_members(tenant, written.revision).await;
                    self.revoke_those_of(&before, actor).await;
                    return Ok(written.value);
                }
                Err(error) if error.is_conflict() && expected.is_none() && tries > 0 => {}
                Err(error) => return Err(TenancyError::or_absent(error, TenancyError::MemberNotFound)),
            }
        }
    }

    /// Removes a member; one who leaves does the same. The invitations of an admin are worth nothing from then on, and are taken back.
    ///
    /// # Errors
    /// `MemberNotFound`, `OwnerStays`, `Conflict`, `Store`.
    pub async fn remove_member(&self, tenant: TenantId, actor: &Actor, user: Uuid, expected: Option<Revision>) -> Result<()> {
        let mut tries = TRIES;
        loop {
            let before = self.as_read(tenant, user, expected).await?;
            let record = AuditRecord { before: Some(shown(&before)), ..self.record(actor, "member.remove", &user) };
            let written = twice(|| self.ports.members.remove(tenant, user, before.version, &record)).await;
            tries -= 1;
            match written {
                Ok(written) => {
                    self.announce_members(tenant, written.revision).await;
                    self.revoke_those_of(&before, actor).await;
                    return Ok(());
                }
                Err(error) if error.is_conflict() && expected.is_none() && tries > 0 => {}
                Err(error) => return Err(TenancyError::or_absent(error, TenancyError::MemberNotFound)),
            }
        }
    }

    /// Hands a tenant over from its owner to one of its admins. The old owner stays an admin, and can be changed like others from then on.
    ///
    /// # Errors
    /// `MemberNotFound`, `NotTheOwner`, `NotAnAdmin`, `Store`.
    pub async fn transfer(&self, tenant: TenantId, actor: &Actor, from: Uuid, to: Uuid) -> Result<Tenant> {
        let record = AuditRecord {
            before: Some(json!({ "owner": from })),
            after: Some(json!({ "owner": to })),
            ..self.record(actor, "tenant.transfer", &tenant)
        };
        let written = twice(|| self.ports.tenants.transfer(tenant, from, to, &record)).await;
        let written = written.map_err(|error| TenancyError::or_absent(error, TenancyError::MemberNotFound))?.value;
        self.announce(None, &written).await;
        Ok(written)
    }

    /// What cannot be taken back now stays worth nothing, and is taken back when the changes of members are read.
    async fn revoke_those_of(&self, before: &Member, actor: &Actor) {
        if before.role != MemberRole::Admin {
            return;
        }
        if let Err(error) = self.revoke_void(before.tenant, actor).await {
            let error = &error as &(dyn std::error::Error + 'static);
            tracing::warn!(tenant.id = %before.tenant, error, "Invitations of somebody who is no admin any more were not taken back yet");
        }
    }

    async fn as_read(&self, tenant: TenantId, user: Uuid, expected: Option<Revision>) -> Result<Member> {
        let member = self.member(tenant, user).await?;
        match expected {
            Some(expected) if expected != member.version => Err(TenancyError::Conflict { current: member.version }),
            _ => Ok(member),
        }
    }
}

/// A member as audit records show it.
pub(super) fn shown(member: &Member) -> serde_json::Value {
    json!({ "user": member.user, "email": member.email.as_str(), "role": member.role.as_str() })
}
