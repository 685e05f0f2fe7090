//! Guests follow the register of members.
//!
//! The register says who belongs to a workspace and in which role; a workspace's guests are what sessions and keys hang on. Whoever
//! changes the register brings the guests up to date in the same request. Should that request die between the two, the next reading of
//! the register's changes, by any node, does it: within two seconds.

use std::collections::BTreeSet;

use togglebox_auth::input::Login;
use togglebox_auth::{AccountError, Role, SignedIn, SignedInUser, TenantMark, User, UserQuery};
use togglebox_core::{Actor, PageRequest, TenantId};
use togglebox_multitenancy::manage::TenancyError;
use togglebox_multitenancy::{Member, MemberRole, TenantStatus};
use uuid::Uuid;

use super::CENTRAL;
use super::failure::tenancy;
use super::services::CloudServices;
use crate::error::{ApiError, Code, Result};
use crate::failure;

/// How many members are read at a time.
const PART: usize = 200;

/// The role of a member as the workspace's gate knows it.
pub(super) const fn role(role: MemberRole) -> Role {
    match role {
        MemberRole::Admin => Role::Admin,
        MemberRole::Developer => Role::Developer,
        MemberRole::Viewer => Role::Viewer,
    }
}

/// The same the other way round.
pub(super) const fn member_role(role: Role) -> MemberRole {
    match role {
        Role::Admin => MemberRole::Admin,
        Role::Developer => MemberRole::Developer,
        Role::Viewer => MemberRole::Viewer,
    }
}

impl CloudServices {
    /// Lets a person into a workspace whose account's password or token was good a moment ago, if they belong there.
    pub(super) async fn enter(&self, tenant: TenantId, account: &User) -> Result<SignedIn> {
        let member = self.tenancy.member(tenant, account.id).await.map_err(|error| match error {
            // Whether there is such a workspace is nobody else's business.
            TenancyError::MemberNotFound => failure::accounts(AccountError::InvalidCredentials),
            other => tenancy(other),
        })?;
        let guest = self.accounts.admit(tenant, account, role(member.role), &Actor::system()).await;
        let guest = guest.map_err(failure::accounts)?;
        self.opened(tenant, &guest).await
    }

    /// Opens a session for a guest.
    async fn opened(&self, tenant: TenantId, guest: &User) -> Result<SignedIn> {
        let mark = self.mark(tenant).await?;
        self.accounts.enter(tenant, guest, Some(&mark)).await.map_err(failure::accounts)
    }

    /// What a token that is made now says of its workspace. It tells as of when that is so only of one in good standing: on that, nodes
    /// serve what is open then ([`ServedWorkspace`](super::ServedWorkspace)).
    async fn mark(&self, tenant: TenantId) -> Result<TenantMark> {
        let (workspace, as_of) = self.tenancy.tenant_as_of(tenant).await.map_err(tenancy)?;
        let is_active = workspace.status() == TenantStatus::Active;
        Ok(TenantMark {
            version: workspace.version.get(),
            name: workspace.subdomain.to_string(),
            as_of: is_active.then_some(as_of.get()),
        })
    }

    /// Signs in at a workspace's own host.
    pub(super) async fn sign_in(&self, tenant: TenantId, form: Login) -> Result<SignedIn> {
        let account = self.accounts.check_password(CENTRAL, form).await.map_err(failure::accounts)?;
        self.enter(tenant, &account).await
    }

    /// Lets one of the operator's people in, who does not belong there: until the token expires, and with a record of why.
    pub(super) async fn visit(&self, tenant: TenantId, operator: &User, role: Role, reason: &str) -> Result<SignedIn> {
        let actor = Actor::user(operator.id.to_string(), operator.email.as_str());
        if self.is_member(tenant, operator.id).await? {
            return self.enter(tenant, operator).await;
        }
        let guest = self.accounts.admit_because(tenant, operator, role, &actor, reason).await.map_err(failure::accounts)?;
        self.opened(tenant, &guest).await
    }

    async fn is_member(&self, tenant: TenantId, user: Uuid) -> Result<bool> {
        match self.tenancy.member(tenant, user).await {
            Ok(_) => Ok(true),
            Err(TenancyError::MemberNotFound) => Ok(false),
            Err(error) => Err(tenancy(error)),
        }
    }

    /// What is to last is for members only: whoever visits leaves nothing behind.
    pub(super) async fn expect_member(&self, tenant: TenantId, user: Uuid) -> Result<()> {
        if self.is_member(tenant, user).await? {
            return Ok(());
        }
        Err(ApiError::new(Code::Forbidden, "Only members of the workspace can do this"))
    }

    /// Replaces the token of a guest who belongs there, if the account's password still is the one that let the guest in.
    pub(super) async fn refresh(&self, tenant: TenantId, guest: &SignedInUser) -> Result<SignedIn> {
        if !self.is_member(tenant, guest.user.id).await? {
            return Err(failure::accounts(AccountError::SessionEnded));
        }
        if !self.accounts.stands_for(CENTRAL, guest).await.map_err(failure::accounts)? {
            return Err(failure::accounts(AccountError::SessionEnded));
        }
        let mark = self.mark(tenant).await?;
        self.accounts.refresh(tenant, guest, Some(&mark)).await.map_err(failure::accounts)
    }

    /// Lets a new member in, or one whose role has changed.
    pub(super) async fn seat(&self, member: &Member, actor: &Actor) -> Result<User> {
        let account = self.accounts.user(CENTRAL, member.user).await.map_err(failure::accounts)?;
        let guest = self.accounts.admit(member.tenant, &account, role(member.role), actor).await;
        guest.map_err(failure::accounts)
    }

    /// Turns out whoever is no member any more.
    pub(super) async fn unseat(&self, tenant: TenantId, user: Uuid, actor: &Actor) -> Result<()> {
        match self.accounts.turn_out(tenant, user, actor).await {
            // The others have not been there yet, the owner among them.
            Err(AccountError::LastAdmin) => {
                self.follow(tenant).await?;
                self.accounts.turn_out(tenant, user, actor).await.map_err(failure::accounts)
            }
            outcome => outcome.map_err(failure::accounts),
        }
    }

    /// Brings a person's guests up to date with the account, in all workspaces: after a change of name, or of the password, which ends
    /// their sessions there. The account is changed already, so what cannot be done now is told to the log: sessions that an old password
    /// has opened end when their token has to be replaced.
    pub(super) async fn spread(&self, account: &User) {
        if let Err(error) = self.spread_to_all(account).await {
            tracing::warn!(user.id = %account.id, code = error.code().as_str(), "A changed account is not known in all workspaces yet");
        }
    }

    async fn spread_to_all(&self, account: &User) -> Result<()> {
        let mut page = PageRequest::first(PART);
        loop {
            let part = self.tenancy.workspaces(account.id, &page).await.map_err(tenancy)?;
            for workspace in &part.items {
                let (tenant, actor) = (workspace.tenant.id, Actor::system());
                let guest = self.accounts.admit(tenant, account, role(workspace.member.role), &actor).await;
                guest.map_err(failure::accounts)?;
            }
            match part.next {
                Some(next) => page = PageRequest::first(PART).after(Some(next)),
                None => return Ok(()),
            }
        }
    }

    /// Makes a workspace's guests what the register says: everybody who belongs there first, so that one admin is there at any time,
    /// then nobody else. Guests who are up to date are only looked at. Invitations of who is no admin any more are taken back.
    ///
    /// # Errors
    /// The first that comes; doing it again goes on.
    pub(crate) async fn follow(&self, tenant: TenantId) -> Result<()> {
        let (mut members, mut page) = (BTreeSet::new(), PageRequest::first(PART));
        loop {
            let part = self.tenancy.members(tenant, &page).await.map_err(tenancy)?;
            for member in &part.items {
                members.insert(member.user);
                match self.accounts.user(CENTRAL, member.user).await {
                    Ok(account) => {
                        let guest = self.accounts.admit(tenant, &account, role(member.role), &Actor::system()).await;
                        guest.map_err(failure::accounts)?;
                    }
                    // An account that is gone can sign in nowhere.
                    Err(AccountError::UserNotFound) => {
                        members.remove(&member.user);
                    }
                    Err(error) => return Err(failure::accounts(error)),
                }
            }
            match part.next {
                Some(next) => page = PageRequest::first(PART).after(Some(next)),
                None => break,
            }
        }
        for guest in self.guests(tenant).await? {
            if !members.contains(&guest) {
                match self.accounts.turn_out(tenant, guest, &Actor::system()).await {
                    // Of a workspace that is being given up: its guests go with its other data.
                    Ok(()) | Err(AccountError::LastAdmin) if members.is_empty() => {}
                    outcome => outcome.map_err(failure::accounts)?,
                }
            }
        }
        self.tenancy.revoke_void(tenant, &Actor::system()).await.map_err(tenancy)?;
        Ok(())
    }

    async fn guests(&self, tenant: TenantId) -> Result<Vec<Uuid>> {
        let mut guests = Vec::new();
        loop {
            let query = UserQuery { role: None, offset: guests.len() as u64, limit: UserQuery::MAX_LIMIT };
            let part = self.accounts.users(tenant, &query).await.map_err(failure::accounts)?;
            if part.users.is_empty() {
                return Ok(guests);
            }
            guests.extend(part.users.iter().map(|user| user.id));
        }
    }
}
