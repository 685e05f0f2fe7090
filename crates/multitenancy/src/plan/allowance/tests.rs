use togglebox_core::{Revision, TenantId};
use uuid::Uuid;

use super::*;
use crate::{Billing, Standing, TenantName, UsagePeriod};

const PLANS: &str = r#"
[[plan]]
name = "free"
title = "Free"
limits = { requests_per_month = 10 }
[[plan]]
name = "team"
title = "Team"
limits = { requests_per_month = 100 }
[[plan]]
name = "pro"
title = "Pro"
requests_beyond = "served"
limits = { requests_per_month = 1000 }
[[plan]]
name = "boundless"
title = "Boundless"
"#;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn tenant(plan: &str, plans: Option<&[&str]>, subscription: bool) -> Tenant {
    let usage = plans.map(|plans| UsagePeriod {
        from: at("2026-01-31T11:00:00Z"),
        until: at("2026-02-28T11:00:00Z"),
        plans: plans.iter().map(|plan| plan.parse().unwrap()).collect(),
    });
    let subscription = subscription.then(|| "sub_1".to_owned());
    Tenant {
        id: TenantId::DEFAULT,
        name: TenantName::new("Acme").unwrap(),
        subdomain: "acme".parse().unwrap(),
        renames: Vec::new(),
        domains: Vec::new(),
        owner: Uuid::nil(),
        standing: Standing::default(),
        plan: plan.parse().unwrap(),
        overrides: LimitOverrides::NONE,
        billing: Billing { subscription, usage, ..Billing::default() },
        version: Revision::ZERO,
        created_at: Timestamp::EPOCH,
        updated_at: Timestamp::EPOCH,
    }
}

fn requests(tenant: &Tenant, now: &str) -> Requests {
    PlanCatalogue::from_toml(PLANS).unwrap().allowance(tenant).unwrap().at(at(now))
}

#[test]
fn who_has_no_subscription_has_months_of_the_calendar() {
    let of = requests(&tenant("free", None, false), "2026-02-10T00:00:00Z");
    assert_eq!(of, Requests { included: Some(10), period: None, beyond: Beyond::Refused });
}

#[test]
fn the_most_that_any_plan_of_the_period_includes_counts_until_its_end() {
    let (from, until) = (at("2026-01-31T11:00:00Z"), at("2026-02-28T11:00:00Z"));
    let within = "2026-02-28T10:59:59.999Z";
    for (plan, plans, included, beyond) in [
        ("team", &["pro", "team"][..], Some(1000), Beyond::Refused),
        ("pro", &["team", "pro"], Some(1000), Beyond::Served),
        ("team", &["boundless", "team"], None, Beyond::Refused),
        ("team", &["gone", "team"], Some(100), Beyond::Refused),
        // Given by hand: what is paid for is not all that counts.
        ("team", &["free"], Some(100), Beyond::Refused),
    ] {
        let of = requests(&tenant(plan, Some(plans), true), within);
        assert_eq!(of, Requests { included, period: Some((from, until)), beyond }, "{plan} after {plans:?}");
    }
    // From then on only what is there counts, also when nobody has told of the next period yet.
    let of = requests(&tenant("team", Some(&["pro", "team"]), true), "2026-02-28T11:00:00Z");
    let next = (until, at("2026-03-28T11:00:00Z"));
    assert_eq!(of, Requests { included: Some(100), period: Some(next), beyond: Beyond::Refused });
}

#[test]
fn after_the_last_period_come_months_of_the_calendar() {
    let ended = tenant("free", Some(&[]), false);
    assert!(requests(&ended, "2026-02-28T10:59:00Z").period.is_some());
    assert_eq!(requests(&ended, "2026-02-28T11:00:00Z").period, None);
}

#[test]
fn limits_of_its_own_count_where_what_is_beyond_is_refused() {
    let own = LimitOverrides::NONE.with(Limited::RequestsPerMonth, Limit::of(5000));
    let included = |plan: &str| {
        let tenant = Tenant { overrides: own, ..tenant(plan, None, true) };
        requests(&tenant, "2026-02-10T00:00:00Z").included
    };
    assert_eq!((included("team"), included("pro")), (Some(5000), Some(1000)), "a bill goes by the plan");
    // A bill is of a whole period.
    for (plan, plans, most) in [
        ("team", &["pro", "team"][..], 1000),
        ("pro", &["team", "pro"], 1000),
        ("team", &["pro"], 1000),
        ("team", &["free", "team"], 5000),
        ("team", &["gone", "team"], 5000),
    ] {
        let tenant = Tenant { overrides: own, ..tenant(plan, Some(plans), true) };
        assert_eq!(requests(&tenant, "2026-02-10T00:00:00Z").included, Some(most), "{plan} after {plans:?}");
        let next = if plan == "pro" { 1000 } else { 5000 };
        assert_eq!(requests(&tenant, "2026-03-10T00:00:00Z").included, Some(next), "{plan} in a period of its own");
    }
    let unknown = tenant("gone", None, false);
    assert_eq!(PlanCatalogue::from_toml(PLANS).unwrap().allowance(&unknown), None);
}
