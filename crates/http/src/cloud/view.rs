//! What clients see of workspaces.

use std::collections::BTreeMap;

use serde::Serialize;
use togglebox_core::Timestamp;
use togglebox_metering::{Progress, Span};
use togglebox_multitenancy::{DomainClaim, DomainName, Invitation, Limited, Limits, Member, Plan, Tenant, Unpaid};
use utoipa::ToSchema;
use uuid::Uuid;

use super::metering::Metering;
use crate::view::UserView;

/// A workspace.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Workspace)]
#[serde(rename_all = "camelCase")]
pub(super) struct WorkspaceView<'a> {
    id: Uuid,
    name: &'a str,
    subdomain: &'a str,
    /// Where it is reached.
    url: String,
    /// Verified domains that lead to it too.
    domains: Vec<&'a str>,
    /// `active`, `past_due`, `suspended` or `deleted`.
    status: &'static str,
    /// What is restricted because it is not paid for: `reserved` (it was never paid for, and is not there yet), `read_only` (a payment was
    /// overdue for too long) or `closed` (it is not paid for any more).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    restriction: Option<&'static str>,
    /// Since when a payment has been overdue.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = DateTime, nullable = false)]
    past_due_since: Option<Timestamp>,
    /// Why it is suspended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    reason: Option<&'a str>,
    /// Until when it can be restored, if it is deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = DateTime, nullable = false)]
    restorable_until: Option<Timestamp>,
    plan: &'a str,
    /// The user whose it is.
    owner: Uuid,
    /// For `If-Match`.
    version: u64,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl<'a> WorkspaceView<'a> {
    pub(super) fn of(tenant: &'a Tenant, url: String) -> Self {
        Self {
            id: *tenant.id.as_uuid(),
            name: tenant.name.as_str(),
            subdomain: tenant.subdomain.as_str(),
            url,
            domains: tenant.domains.iter().map(DomainName::as_str).collect(),
            status: tenant.status().as_str(),
            restriction: tenant.standing.unpaid.map(Unpaid::as_str),
            past_due_since: tenant.standing.past_due_since,
            reason: tenant.standing.suspension.as_ref().map(|suspension| suspension.reason.as_str()),
            restorable_until: tenant.standing.deletion.as_ref().map(|deletion| deletion.restorable_until),
            plan: tenant.plan.as_str(),
            owner: tenant.owner,
            version: tenant.version.get(),
            created_at: tenant.created_at,
            updated_at: tenant.updated_at,
        }
    }
}

/// A workspace of the signed-in person.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OwnWorkspace)]
pub(super) struct OwnWorkspaceView<'a> {
    #[serde(flatten)]
    pub(super) workspace: WorkspaceView<'a>,
    /// What the person is there: `admin`, `developer` or `viewer`.
    pub(super) role: &'static str,
}

/// A person signed in at a workspace.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Entrance)]
pub(super) struct EntranceView<'a> {
    pub(super) user: UserView<'a>,
    /// For `Authorization: Bearer` on the workspace's host, and nowhere else.
    pub(super) token: &'a str,
    pub(super) workspace: WorkspaceView<'a>,
}

/// A member of a workspace.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Member)]
#[serde(rename_all = "camelCase")]
pub(super) struct MemberView<'a> {
    user_id: Uuid,
    email: &'a str,
    /// `admin`, `developer` or `viewer`.
    role: &'static str,
    /// For `If-Match`.
    version: u64,
    #[schema(value_type = String, format = DateTime)]
    joined_at: Timestamp,
}

impl<'a> From<&'a Member> for MemberView<'a> {
    fn from(member: &'a Member) -> Self {
        Self {
            user_id: member.user,
            email: member.email.as_str(),
            role: member.role.as_str(),
            version: member.version.get(),
            joined_at: member.joined_at,
        }
    }
}

/// An invitation that waits.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Invitation)]
#[serde(rename_all = "camelCase")]
pub(super) struct InvitationView<'a> {
    id: Uuid,
    email: &'a str,
    /// `admin`, `developer` or `viewer`.
    role: &'static str,
    invited_by: &'a str,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    sent_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
}

impl<'a> From<&'a Invitation> for InvitationView<'a> {
    fn from(invitation: &'a Invitation) -> Self {
        Self {
            id: invitation.id,
            email: invitation.email.as_str(),
            role: invitation.role.as_str(),
            invited_by: &invitation.invited_by,
            created_at: invitation.created_at,
            sent_at: invitation.sent_at,
            expires_at: invitation.expires_at,
        }
    }
}

/// An invitation that was made or sent anew.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SentInvitation)]
pub(super) struct SentInvitationView<'a> {
    #[serde(flatten)]
    pub(super) invitation: InvitationView<'a>,
    /// Whether it was mailed.
    pub(super) mailed: bool,
    /// Where it was not, what the invited person needs: hand it over in another way. It is not shown again.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) token: Option<&'a str>,
}

/// What somebody is invited to.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = InvitationOffer)]
#[serde(rename_all = "camelCase")]
pub(super) struct OfferView<'a> {
    pub(super) workspace_name: &'a str,
    pub(super) subdomain: &'a str,
    pub(super) email: &'a str,
    /// `admin`, `developer` or `viewer`.
    pub(super) role: &'static str,
    pub(super) invited_by: &'a str,
    #[schema(value_type = String, format = DateTime)]
    pub(super) expires_at: Timestamp,
}

/// A domain that a workspace claims.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DomainClaim)]
#[serde(rename_all = "camelCase")]
pub(super) struct DomainView<'a> {
    domain: &'a str,
    /// Since when it leads to the workspace; `null` before.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    verified_at: Option<Timestamp>,
    /// When the record of a verified domain was last looked for again; `null` before. It is looked for each day.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    checked_at: Option<Timestamp>,
    /// How often in a row it was not there. At the fourth time the domain is not verified any more.
    misses: u32,
    /// The name of the TXT record that shows whose it is.
    record_name: String,
    /// What that record must hold.
    record_value: String,
    #[schema(value_type = String, format = DateTime)]
    claimed_at: Timestamp,
}

impl<'a> From<&'a DomainClaim> for DomainView<'a> {
    fn from(claim: &'a DomainClaim) -> Self {
        Self {
            domain: claim.domain.as_str(),
            verified_at: claim.verified_at,
            checked_at: claim.checked_at,
            misses: claim.misses,
            record_name: claim.record_name(),
            record_value: claim.record_value(),
            claimed_at: claim.claimed_at,
        }
    }
}

/// A plan.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Plan)]
#[serde(rename_all = "camelCase")]
pub(super) struct PlanView<'a> {
    name: &'a str,
    title: &'a str,
    /// The most of each kind; `null` is no limit.
    limits: BTreeMap<&'static str, Option<u64>>,
    /// What becomes of requests beyond `requests_per_month`: `refused` or `served`.
    requests_beyond: &'static str,
    /// How exactly they are refused: `soft` or `hard`.
    requests_quota: &'static str,
}

impl<'a> From<&'a Plan> for PlanView<'a> {
    fn from(plan: &'a Plan) -> Self {
        Self {
            name: plan.name.as_str(),
            title: plan.title.as_str(),
            limits: limits(&plan.limits),
            requests_beyond: plan.beyond.as_str(),
            requests_quota: plan.quota.as_str(),
        }
    }
}

/// What a workspace may have.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WorkspaceLimits)]
pub(super) struct LimitsView<'a> {
    pub(super) plan: &'a str,
    /// The most of each kind; `null` is no limit.
    pub(super) limits: BTreeMap<&'static str, Option<u64>>,
}

/// By the words of the wire.
pub(super) fn limits(limits: &Limits) -> BTreeMap<&'static str, Option<u64>> {
    Limited::ALL.into_iter().map(|limited| (limited.as_str(), limits.get(limited).get())).collect()
}

/// A domain that leads to a workspace.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ServedDomain)]
pub(super) struct ServedDomainView<'a> {
    pub(super) domain: &'a str,
}

/// Whether a subdomain can be had.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SubdomainAvailability)]
pub(super) struct AvailabilityView<'a> {
    pub(super) subdomain: &'a str,
    pub(super) available: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) reason: Option<String>,
}

/// From one moment on, until before another.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UsageSpan)]
pub(super) struct SpanView {
    #[schema(value_type = String, format = DateTime)]
    from: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    until: Timestamp,
}

impl SpanView {
    pub(super) fn of(span: Span) -> Self {
        Self { from: span.from().start(), until: span.until().start() }
    }
}

/// What a workspace has used in a period.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Usage)]
pub(super) struct UsageView<'a> {
    pub(super) plan: &'a str,
    pub(super) period: SpanView,
    /// By meter.
    pub(super) meters: BTreeMap<&'static str, MeterView<'a>>,
}

/// What was used of one meter.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MeterUsage)]
pub(super) struct MeterView<'a> {
    pub(super) used: u64,
    /// How much the plan includes; `null` where it does not say.
    #[schema(required)]
    pub(super) limit: Option<u64>,
    /// What it comes to at the end of the period, if it goes on like this; `null` while it is too early to tell.
    #[schema(required)]
    pub(super) forecast: Option<u64>,
    /// The same, split by `environment`, `key` and `operation`.
    pub(super) by: BTreeMap<&'a str, BTreeMap<String, u64>>,
}

/// What the operator sees of usage.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UsageOverview)]
#[serde(rename_all = "camelCase")]
pub(super) struct UsageOverviewView<'a> {
    pub(super) meter: &'a str,
    pub(super) period: SpanView,
    /// Of all workspaces together, at least: what was counted since the last roll-ups, an hour or two ago, may be missing.
    pub(super) total: u64,
    /// Before this moment, everything that was counted is in the store.
    #[schema(value_type = String, format = DateTime)]
    pub(super) sealed_until: Timestamp,
    /// Nodes of which nothing was heard for a quarter of an hour, and which may have counted something that is missing.
    pub(super) lost_writers: u64,
    /// Those that have used the most, the greatest first.
    pub(super) workspaces: Vec<WorkspaceUsageView<'a>>,
    pub(super) node: NodeMeteringView,
}

/// What a workspace has used, for the operator.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WorkspaceUsage)]
pub(super) struct WorkspaceUsageView<'a> {
    pub(super) id: Uuid,
    pub(super) subdomain: &'a str,
    pub(super) plan: &'a str,
    pub(super) used: u64,
    /// How much the plan includes; `null` where it does not say.
    #[schema(required)]
    pub(super) limit: Option<u64>,
    /// What it comes to at the end of the period, if it goes on like this; `null` while it is too early to tell.
    #[schema(required)]
    pub(super) forecast: Option<u64>,
}

/// How far a node's metering is.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = NodeMetering)]
#[serde(rename_all = "camelCase")]
pub(super) struct NodeMeteringView {
    /// Answers that could not be counted since the node's start: its disk was full, or failed.
    missed: u64,
    /// For how many milliseconds the store has not had everything that the node counted; `null` where each answer waits for the store.
    #[schema(required)]
    flush_lag_ms: Option<u64>,
    /// How much of the file of counts is taken, from 0 to 1: at a half the next one is begun.
    #[schema(required)]
    slab_fill: Option<f64>,
    /// Earlier files that are not sent to their end.
    #[schema(required)]
    files_waiting: Option<u64>,
}

impl NodeMeteringView {
    pub(super) fn of(metering: &Metering, now: Timestamp) -> Self {
        let progress = metering.progress();
        let lag = |progress: Progress| u64::try_from(now.since(progress.sent_at).as_millis()).unwrap_or(u64::MAX);
        Self {
            missed: metering.missed(),
            flush_lag_ms: progress.map(lag),
            slab_fill: progress.map(|progress| progress.fill.ratio()),
            files_waiting: progress.map(|progress| progress.fill.retired as u64),
        }
    }
}

/// Usage over time.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UsageSeries)]
pub(super) struct UsageSeriesView<'a> {
    pub(super) meter: &'a str,
    /// `minute`, `hour` or `day`.
    pub(super) grain: &'a str,
    pub(super) span: SpanView,
    /// Of all buckets together.
    pub(super) total: u64,
    /// Those in which something was used.
    pub(super) buckets: Vec<UsageBucketView<'a>>,
}

/// What was used in a minute, an hour or a day.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UsageBucket)]
pub(super) struct UsageBucketView<'a> {
    #[schema(value_type = String, format = DateTime)]
    pub(super) start: Timestamp,
    /// Of what it is split by, if it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) value: Option<&'a str>,
    pub(super) total: u64,
}
