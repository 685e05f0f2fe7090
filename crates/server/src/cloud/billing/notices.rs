//! Mails notices to those who look after a workspace.

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use sha2::{Digest as _, Sha256};
use togglebox_auth::MailError;
use togglebox_billing::{AccessRules, Notice, Notifier, PortError, PortResult};
use togglebox_core::{Email, PageRequest, StoreError, TenantId};
use togglebox_multitenancy::store::{MemberStore, TenantStore};
use togglebox_multitenancy::{Beyond, MemberRole, PlanCatalogue, Tenant};

use super::words::{self, About, Surplus};
use crate::mail::{Letter, SmtpMailer, is_for_nobody};

/// What became of a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Handed {
    /// The next server has it.
    Over,
    /// The next server will never take one to this address.
    ToNobody,
}

/// Hands mails over.
#[async_trait]
pub(crate) trait Post: Send + Sync + fmt::Debug {
    /// Hands one over.
    async fn deliver(&self, letter: Letter) -> Result<Handed, MailError>;
}

#[async_trait]
impl Post for SmtpMailer {
    async fn deliver(&self, letter: Letter) -> Result<Handed, MailError> {
        match Self::deliver(self, letter).await {
            Ok(()) => Ok(Handed::Over),
            Err(error) if is_for_nobody(&error) => Ok(Handed::ToNobody),
            Err(error) => Err(error),
        }
    }
}

/// How notices are worded.
#[derive(Clone, Debug)]
pub(super) struct Wording {
    pub(super) plans: Arc<PlanCatalogue>,
    /// With `{subdomain}`.
    pub(super) workspace_url: String,
    pub(super) billing_url: String,
    pub(super) plans_url: String,
    pub(super) access: AccessRules,
    /// Whether requests beyond those that plans include cost something, where they are served.
    pub(super) bills_usage: bool,
    /// Below which domain the service is.
    pub(super) base: String,
}

/// Mails notices to the owner and the admins of a workspace.
#[derive(Debug)]
pub(super) struct Notices {
    /// `None`: nothing is mailed.
    post: Option<Arc<dyn Post>>,
    tenants: Arc<dyn TenantStore>,
    members: Arc<dyn MemberStore>,
    wording: Wording,
    sent: Mutex<Sent>,
}

/// The ids of mails that this process has handed over last: when one of several did not get through, the others are not sent again.
#[derive(Debug, Default)]
struct Sent {
    ids: HashSet<String>,
    order: VecDeque<String>,
}

impl Sent {
    const MOST: usize = 10_000;

    fn add(&mut self, id: String) {
        if self.ids.insert(id.clone()) {
            self.order.push_back(id);
            if self.order.len() > Self::MOST
                && let Some(oldest) = self.order.pop_front()
            {
                self.ids.remove(&oldest);
            }
        }
    }
}

impl Notices {
    pub(super) fn new(
        post: Option<Arc<dyn Post>>,
        (tenants, members): (Arc<dyn TenantStore>, Arc<dyn MemberStore>),
        wording: Wording,
    ) -> Self {
        Self { post, tenants, members, wording, sent: Mutex::default() }
    }

    /// The addresses of the owner and the admins, each once.
    async fn readers(&self, tenant: &Tenant) -> Result<Vec<Email>, StoreError> {
        let (mut readers, mut page) = (Vec::new(), PageRequest::first(PageRequest::MAX_LIMIT));
        loop {
            let part = self.members.list(tenant.id, &page).await?;
            let admins = part.items.into_iter().filter(|member| member.role == MemberRole::Admin || member.user == tenant.owner);
            for member in admins {
                if !readers.contains(&member.email) {
                    readers.push(member.email);
                }
            }
            match part.next {
                Some(next) => page = PageRequest::first(PageRequest::MAX_LIMIT).after(Some(next)),
                None => return Ok(readers),
            }
        }
    }

    fn written(&self, tenant: &Tenant, notice: &Notice) -> Option<(String, crate::mail::Page)> {
        let Wording { plans, workspace_url, billing_url, plans_url, access, bills_usage, base: _ } = &self.wording;
        let name = words::plan_of(notice).unwrap_or_default();
        let plan = plans.iter().find(|plan| plan.name.as_str() == name).map_or(name, |plan| plan.title.as_str());
        let beyond = match plans.find(&tenant.plan).map_or(Beyond::Refused, |plan| plan.beyond) {
            Beyond::Refused => Surplus::Refused,
            Beyond::Served if *bills_usage => Surplus::Billed,
            Beyond::Served => Surplus::Served,
        };
        let url = workspace_url.replace("{subdomain}", tenant.subdomain.as_str());
        let about = About {
            workspace: tenant.name.as_str(),
            url: &url,
            billing_url,
            plans_url,
            grace: access.grace,
            ended: access.ended,
            first_plan: &plans.first().title,
            plan,
            beyond,
        };
        words::mail(notice, &about)
    }
}

#[async_trait]
impl Notifier for Notices {
    async fn notify(&self, tenant: TenantId, key: &str, notice: &Notice) -> PortResult<()> {
        let kind = words::kind(notice);
        let Some(post) = &self.post else {
            tracing::info!(tenant.id = %tenant, notice = kind, "SMTP_HOST is not set: a notice about billing is not mailed");
            return Ok(());
        };
        let unavailable = |error: StoreError| PortError::Unavailable(error.into());
        // One that is given up keeps its record and its people until it is purged: who signed up in vain hears of it.
        let Some(tenant) = self.tenants.find(tenant).await.map_err(unavailable)? else {
            tracing::info!(tenant.id = %tenant, notice = kind, "A notice about billing is for nobody: its workspace is gone");
            return Ok(());
        };
        let (subject, page) =
            self.written(&tenant, notice).ok_or_else(|| PortError::Refused("a notice that this version does not know".into()))?;
        let mut missed = None;
        for to in self.readers(&tenant).await.map_err(unavailable)? {
            let id = id(key, &to);
            if self.sent.lock().unwrap_or_else(PoisonError::into_inner).ids.contains(&id) {
                continue;
            }
            let list = Some(format!("billing.{}", self.wording.base));
            let letter = Letter { to, subject: subject.clone(), page: page.clone(), id: Some(id.clone()), list };
            match post.deliver(letter).await {
                Ok(Handed::Over) => {}
                // The others are told all the same, and this one is not tried for ever.
                Ok(Handed::ToNobody) => tracing::warn!(
                    tenant.id = %tenant.id,
                    notice = kind,
                    "The mail server does not know one of those who are to be told of billing"
                ),
                Err(error) => {
                    missed = Some(error);
                    continue;
                }
            }
            self.sent.lock().unwrap_or_else(PoisonError::into_inner).add(id);
        }
        missed.map_or(Ok(()), |error| Err(PortError::Unavailable(error.into())))
    }
}

/// What makes the mail of `key` to one address the same mail when it is sent again. Tells neither.
fn id(key: &str, to: &Email) -> String {
    let digest = Sha256::new().chain_update(key.len().to_be_bytes()).chain_update(key).chain_update(to.as_str()).finalize();
    digest[..16].iter().fold(String::from("billing."), |mut text, byte| {
        use std::fmt::Write as _;
        // Writing to a text does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests;
