//! What a service that charges has to be told.

use std::time::Duration;

use secrecy::SecretString;
use togglebox_billing::stripe::StripeOptions;
use togglebox_billing::{
    AccessRules, CheckoutOptions, CheckoutSettings, Ended, Interval, InvalidPrices, PlanPrice, PriceList, Verifier, WebhookSecret,
};
use togglebox_multitenancy::{Plan, PlanCatalogue};

use super::names::{Setting, plain, secret};
use super::read::{Texts, boolean, duration, number, word};
use super::values::url;

/// What the names of prices begin with.
const PRICES: &str = "STRIPE_PRICE_";

/// The price of usage: it has no plan and no interval in its name.
const USAGE_PRICE: &str = "STRIPE_PRICE_API_REQUESTS";

/// Secrets of the webhook endpoint, at the most: a new one, the one before it, and some for whoever has several endpoints.
const MOST_SECRETS: usize = 5;

/// What a page can be paid for: Stripe takes these two, counted by its own clock from when it hears of it.
const LIFETIMES: (Duration, Duration) = (Duration::from_mins(30), Duration::from_hours(24));

/// What is asked for instead: a minute away from both.
const SAFE_LIFETIMES: (Duration, Duration) = (Duration::from_mins(31), Duration::from_mins(24 * 60 - 1));

/// A part of `docs/CLOUD_CONFIG.md` is made from this table.
pub(super) const BILLING: &[Setting] = &[
    secret(
        "STRIPE_SECRET_KEY",
        "nothing is charged",
        "Key of Stripe's API: `sk_test_…`, `sk_live_…`, or a restricted one with `rk_`. With it, `STRIPE_WEBHOOK_SECRET` and a price of a \
         plan are needed, too; without it, no other setting of billing may be there. See [STRIPE.md](STRIPE.md).",
    ),
    secret(
        "STRIPE_WEBHOOK_SECRET",
        "",
        "What Stripe signs webhooks with, `whsec_…`. While it is being replaced: the new one and the one before, separated by commas.",
    ),
    plain(
        "STRIPE_PUBLISHABLE_KEY",
        "",
        "Kept for configurations of the original: `pk_test_…` or `pk_live_…`, which must be of the same mode as `STRIPE_SECRET_KEY`. Payments \
         are made on pages of Stripe's, which need none.",
    ),
    plain(
        "STRIPE_PRICE_<PLAN>_<INTERVAL>",
        "the plan is not sold like that",
        "Ids of prices at Stripe, `price_…`, for each plan of the catalogue but the first and for `MONTHLY` and `YEARLY`: \
         `STRIPE_PRICE_PRO_MONTHLY`, `STRIPE_PRICE_PRO_YEARLY`, `STRIPE_PRICE_ENTERPRISE_MONTHLY`, `STRIPE_PRICE_ENTERPRISE_YEARLY` with the \
         built-in ones; a hyphen in a plan's name is a `_` here. Of several, separated by commas, the first is sold, and the others are \
         recognised: whoever bought by them keeps them.",
    ),
    plain(
        USAGE_PRICE,
        "requests beyond a plan cost nothing",
        "Id of the metered price of one request beyond those that a plan with `requests_beyond = \"served\"` includes in a month. Needs `METERING`.",
    ),
    plain(
        "STRIPE_METER_EVENT_NAME",
        "`togglebox_api_requests`",
        "The `event_name` of the meter at Stripe that these requests are told to.",
    ),
    plain("STRIPE_API_BASE", "`https://api.stripe.com`", "Where Stripe's API is, for tests: without TLS only on this machine."),
    plain(
        "STRIPE_API_VERSION",
        "the one that this version was written for",
        "In which shape Stripe is to answer. The webhook endpoint is to have the same.",
    ),
    plain(
        "BILLING_GRACE",
        "`7d`",
        "How long a workspace goes on as before when a payment is overdue, `1s` to `90d`; then it is read-only until it is paid.",
    ),
    plain(
        "BILLING_ENDED",
        "`free`",
        "What becomes of a workspace whose subscription has ended: `free` (it goes on with the first plan), or `closed` until it subscribes again.",
    ),
    plain(
        "BILLING_UNDO_SECOND",
        "`false`",
        "`true`: a second subscription that was bought for the same workspace is ended and paid back at once. `false`: it waits for the \
         operator's decision.",
    ),
    plain("BILLING_TRIAL_DAYS", "no trial", "For how many days a new workspace tries a plan before it pays, 1 to 730."),
    plain(
        "BILLING_CHECKOUT_LIFETIME",
        "`1h`",
        "How long somebody who signs up has for the page on which they pay, `30m` to `24h`; so long their subdomain is kept.",
    ),
    plain(
        "BILLING_SUCCESS_URL",
        "`APP_URL/billing/success?session_id={CHECKOUT_SESSION_ID}`",
        "Where people come back to after paying; Stripe replaces `{CHECKOUT_SESSION_ID}`.",
    ),
    plain("BILLING_CANCEL_URL", "`APP_URL/billing/cancel`", "Where they come back to without paying."),
    plain("BILLING_PORTAL_RETURN_URL", "`APP_URL/billing`", "Where they come back to from Stripe's customer portal."),
    plain("BILLING_PROMOTION_CODES", "`false`", "Whether codes of promotions are taken on the page on which people pay."),
    plain(
        "BILLING_AUTOMATIC_TAX",
        "`false`",
        "Whether Stripe works tax out; it has to be set up there, and may ask people for their address.",
    ),
];

/// What a configured price is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PricedThing {
    /// A plan.
    Plan {
        /// How often it is billed.
        interval: Interval,
        /// Whether it is sold by this price: otherwise it was.
        is_sold: bool,
    },
    /// A request.
    Usage,
}

/// A price, and the variable that names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedPrice {
    /// As `STRIPE_PRICE_PRO_MONTHLY`.
    pub variable: String,
    /// `price_…`.
    pub price: Box<str>,
    /// What it is of.
    pub of: PricedThing,
}

/// Checked values.
#[derive(Clone, Debug)]
pub struct BillingSettings {
    /// How Stripe is reached.
    pub stripe: StripeOptions,
    /// The rules.
    pub rules: togglebox_billing::BillingSettings,
    /// All prices, in the order of plans.
    pub prices: Vec<NamedPrice>,
}

impl BillingSettings {
    /// What is to be billed by usage has this name.
    pub const METER: &str = "togglebox_api_requests";

    /// `None` where nothing is charged, or where it cannot be said what; what is wrong is among the problems.
    pub(super) fn from_texts(texts: &mut Texts, app_url: &str, plans: &PlanCatalogue, metering: bool) -> Option<Self> {
        let Some(key) = texts.get("STRIPE_SECRET_KEY").map(|key| SecretString::from(key.to_owned())) else {
            let given = given(texts);
            if !given.is_empty() {
                texts.problems.add(format!("STRIPE_SECRET_KEY must be set: {} mean nothing without it", given.join(", ")));
            }
            return None;
        };
        let stripe = stripe(texts, key);
        publishable_key(texts, stripe.livemode());
        let verifier = verifier(texts);
        let prices = prices(texts, plans);
        if texts.get(USAGE_PRICE).is_some() && !metering {
            texts.problems.add(format!("{USAGE_PRICE} needs METERING=true: otherwise there is no usage to be billed"));
        }
        let access = AccessRules {
            grace: texts.read(
                "BILLING_GRACE",
                AccessRules::default().grace,
                duration(Duration::from_secs(1), Duration::from_hours(90 * 24)),
            ),
            ended: texts.read("BILLING_ENDED", Ended::Free, word(&[("free", Ended::Free), ("closed", Ended::Closed)])),
        };
        let (checkout, undo_second) = (checkout(texts, app_url), texts.read("BILLING_UNDO_SECOND", false, boolean));
        let (prices, named) = prices?;
        let rules = togglebox_billing::BillingSettings {
            prices,
            access,
            verifier: verifier?,
            checkout,
            undo_second,
            lease: togglebox_billing::BillingSettings::LEASE,
            attempts: togglebox_billing::BillingSettings::ATTEMPTS,
        };
        Some(Self { stripe, rules, prices: named })
    }
}

/// The settings of billing that are there, the key apart.
fn given(texts: &Texts) -> Vec<String> {
    let single = BILLING.iter().filter(|setting| setting.family().is_none() && setting.name != "STRIPE_SECRET_KEY");
    let single = single.map(|setting| setting.name).filter(|name| texts.get(name).is_some()).map(str::to_owned);
    single.chain(texts.family(PRICES).into_iter().map(|(name, _)| name)).collect()
}

fn stripe(texts: &mut Texts, key: SecretString) -> StripeOptions {
    let mut options = StripeOptions::new(key, texts.get("STRIPE_METER_EVENT_NAME").unwrap_or(BillingSettings::METER));
    if let Some(base) = texts.get("STRIPE_API_BASE") {
        base.trim_end_matches('/').clone_into(&mut options.api_base);
    }
    if let Some(version) = texts.get("STRIPE_API_VERSION") {
        version.clone_into(&mut options.api_version);
    }
    for problem in options.problems() {
        let variable = match problem.field {
            "secret_key" => "STRIPE_SECRET_KEY",
            "api_base" => "STRIPE_API_BASE",
            "api_version" => "STRIPE_API_VERSION",
            "meter_event_name" => "STRIPE_METER_EVENT_NAME",
            other => other,
        };
        texts.problems.add(format!("{variable} {}", problem.problem));
    }
    options
}

fn publishable_key(texts: &mut Texts, livemode: bool) {
    let mode = |text: &str| {
        let is_key = |prefix| text.strip_prefix(prefix).is_some_and(|rest: &str| !rest.is_empty());
        if is_key("pk_live_") {
            Ok(true)
        } else if is_key("pk_test_") {
            Ok(false)
        } else {
            Err("a key that begins with pk_test_ or pk_live_".to_owned())
        }
    };
    let public = texts.read("STRIPE_PUBLISHABLE_KEY", livemode, mode);
    if public != livemode {
        texts.problems.add("STRIPE_PUBLISHABLE_KEY and STRIPE_SECRET_KEY must be of the same mode, both test or both live");
    }
}

fn verifier(texts: &mut Texts) -> Option<Verifier> {
    let secrets = |text: &str| {
        let secret = |text: &str| {
            let is_secret = text.strip_prefix("whsec_").is_some_and(|rest| !rest.is_empty());
            let is_secret = is_secret && text.bytes().all(|byte| byte.is_ascii_graphic());
            is_secret.then(|| WebhookSecret::new(text)).flatten()
        };
        let secrets: Option<Vec<WebhookSecret>> = text.split(',').map(|text| secret(text.trim())).collect();
        let secrets = secrets.filter(|secrets| secrets.len() <= MOST_SECRETS);
        secrets
            .and_then(|secrets| Verifier::new(secrets, Verifier::TOLERANCE).ok())
            .map(Some)
            .ok_or_else(|| format!("secrets of the webhook endpoint, each whsec_…, separated by commas, at most {MOST_SECRETS}"))
    };
    if texts.get("STRIPE_WEBHOOK_SECRET").is_none() {
        texts.problems.add("STRIPE_WEBHOOK_SECRET must be set beside STRIPE_SECRET_KEY: without it, nobody hears of payments");
        return None;
    }
    texts.read("STRIPE_WEBHOOK_SECRET", None, secrets)
}

/// Ids, separated by commas.
fn ids(text: &str) -> Result<Vec<Box<str>>, String> {
    let is_id = |id: &&str| {
        (1..=255).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
    };
    let ids: Vec<&str> = text.split(',').map(str::trim).collect();
    if ids.iter().all(is_id) {
        Ok(ids.into_iter().map(Into::into).collect())
    } else {
        Err("ids of prices such as price_1Abc, separated by commas".to_owned())
    }
}

/// The name of the variable of a plan's prices.
fn variable(plan: &Plan, interval: Interval) -> String {
    let word = |text: &str| text.replace('-', "_").to_ascii_uppercase();
    format!("{PRICES}{}_{}", word(plan.name.as_str()), word(interval.as_str()))
}

fn prices(texts: &mut Texts, catalogue: &PlanCatalogue) -> Option<(PriceList, Vec<NamedPrice>)> {
    let mut given = texts.family(PRICES);
    let (mut plans, mut named, mut problems) = (Vec::new(), Vec::new(), Vec::new());
    for plan in catalogue.iter() {
        for interval in [Interval::Monthly, Interval::Yearly] {
            let variable = variable(plan, interval);
            let Some(place) = given.iter().position(|(name, _)| *name == variable) else { continue };
            let (_, text) = given.swap_remove(place);
            if plan.name == catalogue.first().name {
                problems.push(format!("{variable} cannot be: the plan {} costs nothing, since it is the first one", plan.name));
                continue;
            }
            match ids(&text) {
                Ok(ids) => {
                    for (place, price) in ids.into_iter().enumerate() {
                        let of = PricedThing::Plan { interval, is_sold: place == 0 };
                        plans.push(PlanPrice { plan: plan.name.as_str().into(), interval, price: price.clone() });
                        named.push(NamedPrice { variable: variable.clone(), price, of });
                    }
                }
                Err(allowed) => problems.push(format!("{variable} must be {allowed}")),
            }
        }
    }
    if !given.is_empty() {
        let sold = catalogue.iter().filter(|plan| plan.name != catalogue.first().name);
        let names: Vec<String> =
            sold.flat_map(|plan| [Interval::Monthly, Interval::Yearly].map(|interval| variable(plan, interval))).collect();
        given.sort();
        for (name, _) in given {
            problems.push(format!(
                "{name} is of no plan: there can be {}",
                [&names[..], &[USAGE_PRICE.to_owned()]].concat().join(", ")
            ));
        }
    }
    let usage = texts.read(USAGE_PRICE, None, |text| match ids(text)?.as_slice() {
        [price] => Ok(Some(price.clone())),
        _ => Err("one id of a price".to_owned()),
    });
    named.extend(usage.iter().map(|price| NamedPrice {
        variable: USAGE_PRICE.to_owned(),
        price: price.clone(),
        of: PricedThing::Usage,
    }));
    if plans.is_empty() && problems.is_empty() {
        problems.push(format!(
            "{PRICES}<PLAN>_<INTERVAL> must be set for a plan beside STRIPE_SECRET_KEY: otherwise nothing is sold"
        ));
    }
    let list = match PriceList::new(plans, usage) {
        Ok(list) => Some(list),
        Err(error) => {
            let names = match &error {
                InvalidPrices::Twice(price) => {
                    named.iter().filter(|named| named.price == *price).map(|named| named.variable.as_str()).collect()
                }
                _ => vec![PRICES],
            };
            problems.push(format!("{}: {error}", names.join(", ")));
            None
        }
    };
    for problem in problems {
        texts.problems.add(problem);
    }
    list.map(|list| (list, named))
}

fn checkout(texts: &mut Texts, app_url: &str) -> CheckoutSettings {
    let trial_days = texts.read("BILLING_TRIAL_DAYS", None, |text| number(1..=730)(text).map(|days| u32::try_from(days).ok()));
    let lifetime = texts.read("BILLING_CHECKOUT_LIFETIME", Duration::from_hours(1), duration(LIFETIMES.0, LIFETIMES.1));
    let mut place = |name, path: &str| texts.read(name, format!("{app_url}/billing{path}"), url).into_boxed_str();
    let success_url = place("BILLING_SUCCESS_URL", "/success?session_id={CHECKOUT_SESSION_ID}");
    let (cancel_url, portal_return_url) = (place("BILLING_CANCEL_URL", "/cancel"), place("BILLING_PORTAL_RETURN_URL", ""));
    CheckoutSettings {
        success_url,
        cancel_url,
        portal_return_url,
        trial_days,
        // Its clock is another than ours, and it hears of a page later than we count.
        lifetime: lifetime.clamp(SAFE_LIFETIMES.0, SAFE_LIFETIMES.1),
        options: CheckoutOptions {
            promotion_codes: texts.read("BILLING_PROMOTION_CODES", false, boolean),
            automatic_tax: texts.read("BILLING_AUTOMATIC_TAX", false, boolean),
        },
    }
}

/// As operators read it: shows no secret.
impl std::fmt::Display for BillingSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mode = if self.stripe.livemode() { "live" } else { "test" };
        let sold =
            self.rules.prices.plans().iter().filter(|price| {
                self.rules.prices.sold(&price.plan, price.interval).is_some_and(|sold| sold.price == price.price)
            });
        let sold: Vec<String> = sold.map(|price| format!("{} {}", price.plan, price.interval)).collect();
        let usage = if self.rules.prices.usage().is_some() { "; usage beyond a plan is billed" } else { "" };
        write!(f, "Stripe, {mode} mode, sells {}{usage}", sold.join(", "))
    }
}

#[cfg(test)]
mod tests;
