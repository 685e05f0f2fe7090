use super::*;
use crate::settings::{CloudSettings, Problems};

/// What is needed, and no more.
const ENOUGH: [(&str, &str); 4] = [
    ("BASE_DOMAIN", "example.com"),
    ("STRIPE_SECRET_KEY", "sk_test_hunter2"),
    ("STRIPE_WEBHOOK_SECRET", "whsec_hunter2"),
    ("STRIPE_PRICE_PRO_MONTHLY", "price_pm"),
];

fn read(pairs: &[(&str, &str)]) -> Result<Option<BillingSettings>, Problems> {
    CloudSettings::read(&pairs.iter().copied().collect()).map(|(_, cloud)| cloud.billing)
}

/// With what is needed, unless it is set otherwise.
fn with(pairs: &[(&str, &str)]) -> Result<BillingSettings, String> {
    let settings = read(&[&ENOUGH, pairs].concat());
    settings.map(Option::unwrap).map_err(|problems| problems.to_string())
}

#[test]
fn nothing_is_charged_without_a_key() {
    assert!(read(&ENOUGH[..1]).unwrap().is_none());
}

#[test]
fn a_key_a_secret_and_a_price_are_a_whole_configuration() {
    let BillingSettings { stripe, rules, prices } = with(&[]).unwrap();
    assert!(!stripe.livemode() && stripe.api_base == StripeOptions::API_BASE && stripe.api_version == StripeOptions::API_VERSION);
    assert_eq!(stripe.meter_event_name, "togglebox_api_requests");
    assert_eq!((rules.access, rules.undo_second), (AccessRules::default(), false));
    assert_eq!(rules.access.grace, Duration::from_hours(7 * 24));
    let checkout = &rules.checkout;
    assert_eq!(&*checkout.success_url, "http://localhost:3000/billing/success?session_id={CHECKOUT_SESSION_ID}");
    assert_eq!(
        (&*checkout.cancel_url, &*checkout.portal_return_url),
        ("http://localhost:3000/billing/cancel", "http://localhost:3000/billing")
    );
    assert_eq!((checkout.trial_days, checkout.lifetime), (None, Duration::from_hours(1)));
    assert_eq!(checkout.options, CheckoutOptions::default());
    assert_eq!(prices.len(), 1);
    assert_eq!((rules.prices.usage(), rules.prices.sells("pro"), rules.prices.sells("enterprise")), (None, true, false));
}

#[test]
fn everything_can_be_said() {
    let settings = with(&[
        ("STRIPE_SECRET_KEY", "rk_live_1"),
        ("STRIPE_WEBHOOK_SECRET", "whsec_new, whsec_old"),
        ("STRIPE_PUBLISHABLE_KEY", "pk_live_1"),
        ("STRIPE_PRICE_ENTERPRISE_YEARLY", "price_ey"),
        ("STRIPE_PRICE_PRO_YEARLY", "price_py"),
        ("STRIPE_PRICE_PRO_MONTHLY", "price_pm2, price_pm1"),
        ("STRIPE_PRICE_API_REQUESTS", "price_u"),
        ("STRIPE_METER_EVENT_NAME", "requests"),
        ("STRIPE_API_BASE", "http://127.0.0.1:1/"),
        ("STRIPE_API_VERSION", "2026-06-24.dahlia"),
        ("BILLING_GRACE", "3d"),
        ("BILLING_ENDED", "closed"),
        ("BILLING_UNDO_SECOND", "true"),
        ("BILLING_TRIAL_DAYS", "14"),
        ("BILLING_CHECKOUT_LIFETIME", "30m"),
        ("BILLING_SUCCESS_URL", "https://example.com/ok"),
        ("BILLING_CANCEL_URL", "https://example.com/no"),
        ("BILLING_PORTAL_RETURN_URL", "https://example.com/back"),
        ("BILLING_PROMOTION_CODES", "true"),
        ("BILLING_AUTOMATIC_TAX", "true"),
    ]);
    let BillingSettings { stripe, rules, prices } = settings.clone().unwrap();
    assert!(stripe.livemode() && stripe.meter_event_name == "requests" && stripe.api_version == "2026-06-24.dahlia");
    assert_eq!(stripe.api_base, "http://127.0.0.1:1");
    assert_eq!(rules.access, AccessRules { grace: Duration::from_hours(72), ended: Ended::Closed });
    assert!(rules.undo_second && rules.checkout.options.promotion_codes && rules.checkout.options.automatic_tax);
    // Half an hour by Stripe's clock, which begins later.
    assert_eq!((rules.checkout.trial_days, rules.checkout.lifetime), (Some(14), Duration::from_mins(31)));
    let found: Vec<_> = prices.iter().map(|named| (named.variable.as_str(), &*named.price, named.of.clone())).collect();
    let plan = |interval, is_sold| PricedThing::Plan { interval, is_sold };
    assert_eq!(
        found,
        [
            ("STRIPE_PRICE_PRO_MONTHLY", "price_pm2", plan(Interval::Monthly, true)),
            ("STRIPE_PRICE_PRO_MONTHLY", "price_pm1", plan(Interval::Monthly, false)),
            ("STRIPE_PRICE_PRO_YEARLY", "price_py", plan(Interval::Yearly, true)),
            ("STRIPE_PRICE_ENTERPRISE_YEARLY", "price_ey", plan(Interval::Yearly, true)),
            ("STRIPE_PRICE_API_REQUESTS", "price_u", PricedThing::Usage),
        ]
    );
    assert_eq!(&*rules.prices.sold("pro", Interval::Monthly).unwrap().price, "price_pm2");
    assert_eq!(rules.prices.usage(), Some("price_u"));
    assert!(rules.prices.rank("enterprise", Interval::Yearly) > rules.prices.rank("pro", Interval::Yearly));
    assert_eq!(
        settings.unwrap().to_string(),
        "Stripe, live mode, sells pro monthly, pro yearly, enterprise yearly; usage beyond a plan is billed"
    );
}

#[test]
fn half_a_configuration_is_refused_by_its_names() {
    for (pair, name) in [
        (("STRIPE_WEBHOOK_SECRET", "whsec_1"), "STRIPE_WEBHOOK_SECRET"),
        (("STRIPE_PRICE_PRO_MONTHLY", "price_1"), "STRIPE_PRICE_PRO_MONTHLY"),
        (("BILLING_GRACE", "3d"), "BILLING_GRACE"),
    ] {
        let problems = read(&[ENOUGH[0], pair]).unwrap_err().to_string();
        assert!(problems.contains(&format!("STRIPE_SECRET_KEY must be set: {name} mean nothing")), "{problems}");
    }
    let problems = read(&ENOUGH[..2]).unwrap_err().to_string();
    assert!(problems.contains("STRIPE_WEBHOOK_SECRET must be set"), "{problems}");
    assert!(problems.contains("STRIPE_PRICE_<PLAN>_<INTERVAL> must be set"), "{problems}");
}

#[test]
fn every_problem_is_told_at_once_and_no_secret_is() {
    let problems = with(&[
        ("STRIPE_SECRET_KEY", "hunter2"),
        ("STRIPE_WEBHOOK_SECRET", "whsec_1,hunter2"),
        ("STRIPE_PUBLISHABLE_KEY", "hunter2"),
        ("STRIPE_PRICE_PRO_MONTHLY", "price 1"),
        ("STRIPE_PRICE_PRO_YEARLY", "price_1"),
        ("STRIPE_PRICE_ENTERPRISE_YEARLY", "price_1"),
        ("STRIPE_PRICE_FREE_MONTHLY", "price_2"),
        ("STRIPE_PRICE_PRO_WEEKLY", "price_3"),
        ("STRIPE_PRICE_API_REQUESTS", "price_4,price_5"),
        ("STRIPE_METER_EVENT_NAME", &"x".repeat(200)),
        ("STRIPE_API_BASE", "http://elsewhere.test"),
        ("STRIPE_API_VERSION", "a b"),
        ("BILLING_GRACE", "7"),
        ("BILLING_ENDED", "gone"),
        ("BILLING_UNDO_SECOND", "yes"),
        ("BILLING_TRIAL_DAYS", "0"),
        ("BILLING_CHECKOUT_LIFETIME", "29m"),
        ("BILLING_SUCCESS_URL", "example.com"),
        ("BILLING_CANCEL_URL", "example.com"),
        ("BILLING_PORTAL_RETURN_URL", "example.com"),
        ("BILLING_PROMOTION_CODES", "1"),
        ("BILLING_AUTOMATIC_TAX", "1"),
        ("PORT", "99999"),
    ]);
    let problems = problems.unwrap_err();
    for told in [
        "STRIPE_SECRET_KEY must begin with sk_test_",
        "STRIPE_WEBHOOK_SECRET must be secrets of the webhook endpoint",
        "STRIPE_PUBLISHABLE_KEY must be a key",
        "STRIPE_PRICE_PRO_MONTHLY must be ids of prices",
        "STRIPE_PRICE_PRO_YEARLY, STRIPE_PRICE_ENTERPRISE_YEARLY: price price_1 is named more than once",
        "STRIPE_PRICE_FREE_MONTHLY cannot be: the plan free costs nothing",
        "STRIPE_PRICE_PRO_WEEKLY is of no plan: there can be STRIPE_PRICE_PRO_MONTHLY",
        "STRIPE_PRICE_API_REQUESTS must be one id",
        "STRIPE_METER_EVENT_NAME must have",
        "STRIPE_API_BASE must be https",
        "STRIPE_API_VERSION must be",
        "PORT must be",
    ] {
        assert!(problems.contains(told), "{told} is missing in {problems}");
    }
    assert!(!problems.contains("hunter"), "{problems}");
    let names = BILLING.iter().filter(|setting| setting.name.starts_with("BILLING_")).map(|setting| setting.name);
    for name in names {
        assert!(problems.contains(&format!("{name} must be")), "{name} is missing in {problems}");
    }
}

#[test]
fn keys_of_two_modes_are_refused() {
    for (public, secret) in [("pk_live_1", "sk_test_1"), ("pk_test_1", "rk_live_1")] {
        let problems = with(&[("STRIPE_PUBLISHABLE_KEY", public), ("STRIPE_SECRET_KEY", secret)]).unwrap_err();
        assert!(problems.contains("must be of the same mode"), "{problems}");
    }
}

#[test]
fn usage_is_billed_only_where_it_is_counted() {
    let problems = with(&[("STRIPE_PRICE_API_REQUESTS", "price_u"), ("METERING", "false")]).unwrap_err();
    assert!(problems.contains("STRIPE_PRICE_API_REQUESTS needs METERING=true"), "{problems}");
}

#[test]
fn any_plan_of_the_catalogue_has_its_variables() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("plans.toml");
    let plan = |name: &str| format!("[[plan]]\nname = \"{name}\"\ntitle = \"A plan\"\n");
    std::fs::write(&file, ["none", "for-teams", "for_all"].map(plan).concat()).unwrap();
    let file = ("PLANS_FILE", file.to_str().unwrap());
    let settings = read(&[&ENOUGH[..3], &[file, ("STRIPE_PRICE_FOR_TEAMS_YEARLY", "price_1")]].concat()).unwrap().unwrap();
    assert!(settings.rules.prices.sold("for-teams", Interval::Yearly).is_some());
    let problems = with(&[file]).unwrap_err();
    assert!(problems.contains("STRIPE_PRICE_PRO_MONTHLY is of no plan"), "{problems}");
}

#[test]
fn prices_stand_in_a_file_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("box.toml");
    let text = "base_domain = \"example.com\"\nstripe_secret_key = \"sk_test_1\"\nstripe_webhook_secret = \"whsec_1\"\n\
                stripe_price_pro_monthly = \"price_1\"\n";
    std::fs::write(&path, text).unwrap();
    let settings = read(&[("TOGGLEBOX_CONFIG", path.to_str().unwrap())]).unwrap().unwrap();
    assert!(settings.rules.prices.sells("pro"));
    std::fs::write(&path, format!("{text}stripe_pricing = \"x\"\n")).unwrap();
    let problems = read(&[("TOGGLEBOX_CONFIG", path.to_str().unwrap())]).unwrap_err().to_string();
    assert!(problems.contains("there is no setting stripe_pricing"), "{problems}");
}
