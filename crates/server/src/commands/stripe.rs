//! What is configured at Stripe, and what billing has given up.

use std::fmt::{self, Write as _};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use togglebox_billing::objects::EventKind;
use togglebox_billing::{Billing, BillingError, BillingProvider, Meter, ProviderError, WebhookEndpoint, lists};
use togglebox_core::{Entropy, OsEntropy, PageRequest};

use super::leave;
use crate::cloud::billing::prices::{self, unauthorized};
use crate::cloud::billing::provider;
use crate::node::Node;
use crate::settings::{BillingSettings, CloudSettings, Settings};

/// Where webhooks are taken in.
const WEBHOOK_PATH: &str = "/api/v1/webhooks/stripe";

/// Something at Stripe is not as it must be.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct NotReady(String);

/// What a check has to say.
#[derive(Debug, Default)]
struct Report {
    good: Vec<String>,
    wrong: Vec<String>,
    /// What Stripe does not tell.
    unseen: Vec<String>,
}

impl Report {
    /// Of an answer that did not come.
    fn unanswered(&mut self, what: &str, error: &ProviderError) {
        self.wrong.push(match error {
            ProviderError::Unauthorized => unauthorized(what),
            error if error.is_temporary() => {
                format!("{what}: Stripe does not answer: look at https://status.stripe.com and at STRIPE_API_BASE, and try again")
            }
            error => format!("{what}: {error}"),
        });
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (word, lines) in [("ok", &self.good), ("wrong", &self.wrong), ("not seen", &self.unseen)] {
            for line in lines {
                writeln!(f, "  {word}: {line}")?;
            }
        }
        Ok(())
    }
}

fn configured(cloud: &CloudSettings) -> anyhow::Result<&BillingSettings> {
    cloud.billing.as_ref().context("nothing is charged: STRIPE_SECRET_KEY is not set")
}

/// Looks at everything that has to be set up at Stripe, and changes nothing. Asks no store. Shows no secret.
///
/// # Errors
/// Nothing is charged; something is missing or wrong: then the text says what, and what to do about each.
pub async fn stripe_check(cloud: &CloudSettings) -> anyhow::Result<String> {
    let settings = configured(cloud)?;
    let entropy: Arc<dyn Entropy> = Arc::new(OsEntropy);
    let provider = provider(settings, &entropy)?;
    let report = look(&provider, settings).await;
    if report.wrong.is_empty() {
        return Ok(format!("Stripe is set up.\n{report}"));
    }
    let count = report.wrong.len();
    Err(NotReady(format!("{count} thing{} at Stripe must be otherwise.\n{report}", if count == 1 { "" } else { "s" })).into())
}

async fn look(provider: &dyn BillingProvider, settings: &BillingSettings) -> Report {
    let mut report = Report::default();
    let prices::Findings { wrong, unanswered, found } = prices::check(provider, &settings.prices).await;
    if !found.is_empty() {
        report.good.push(format!("the key is accepted, in {} mode", prices::mode(provider.livemode())));
    }
    for (named, price) in &found {
        let is_wrong = wrong.iter().any(|problem| problem.starts_with(&format!("{}: {} ", named.variable, named.price)));
        if !is_wrong {
            let unit = price.unit.map_or_else(|| "in tiers".to_owned(), |unit| format!("{unit} of the smallest unit"));
            report.good.push(format!("{}: {} ({unit} of {})", named.variable, named.price, price.currency));
        }
    }
    report.wrong.extend(wrong);
    report.wrong.extend(
        unanswered
            .into_iter()
            .map(|variable| format!("{variable}: Stripe does not answer, or not so that it can be understood: try again")),
    );
    if settings.rules.prices.usage().is_some() {
        let of_price = found.iter().find(|(named, _)| settings.rules.prices.usage() == Some(&*named.price));
        look_at_meter(provider, settings, of_price.and_then(|(_, price)| price.meter.as_deref()), &mut report).await;
    }
    match provider.webhook_endpoints().await {
        Ok(endpoints) => look_at_endpoints(&endpoints, &settings.stripe.api_version, &mut report),
        Err(error) => report.unanswered("webhook endpoints", &error),
    }
    let urls = [
        ("BILLING_SUCCESS_URL", &settings.rules.checkout.success_url),
        ("BILLING_CANCEL_URL", &settings.rules.checkout.cancel_url),
        ("BILLING_PORTAL_RETURN_URL", &settings.rules.checkout.portal_return_url),
    ];
    for (variable, url) in urls.into_iter().filter(|(_, url)| provider.livemode() && !url.starts_with("https://")) {
        report.wrong.push(format!(
            "{variable} leads to {url}: with real money it has to be https. Set it, or APP_URL, which it comes from"
        ));
    }
    report.unseen.push(retries(settings.rules.access.grace));
    report
}

/// For how long a payment that failed is tried again is a setting of the dashboard that no request shows.
fn retries(grace: Duration) -> String {
    let days = grace.as_secs().div_ceil(24 * 3600);
    format!(
        "for how long Stripe tries a failed payment again (Settings, Billing, Revenue recovery; two weeks unless it was changed): BILLING_GRACE \
         lets a workspace go on for {days} days, and should not be shorter"
    )
}

async fn look_at_meter(provider: &dyn BillingProvider, settings: &BillingSettings, of_price: Option<&str>, report: &mut Report) {
    let name = &settings.stripe.meter_event_name;
    let meter = match provider.meter().await {
        Ok(Some(meter)) => meter,
        Ok(None) => {
            report.wrong.push(format!(
                "STRIPE_METER_EVENT_NAME: there is no meter for {name}: make one with this event name, the formula sum, hourly pre-aggregation \
                 (event_time_window=hour), and the names of the payload left as they are"
            ));
            return;
        }
        Err(error) => return report.unanswered("meters", &error),
    };
    let problems = meter_problems(&meter, of_price);
    if problems.is_empty() {
        report.good.push(format!("the meter {} for {name}", meter.id));
    }
    report.wrong.extend(problems.into_iter().map(|problem| format!("the meter {} for {name} {problem}", meter.id)));
}

fn meter_problems(meter: &Meter, of_price: Option<&str>) -> Vec<String> {
    let mut problems = Vec::new();
    if !meter.active {
        problems.push("is not active: reactivate it".to_owned());
    }
    // An hour that is told again replaces what was told of it, by the window; a bill is the sum of the hours. `last` would be the last hour.
    if &*meter.formula != "sum" {
        problems.push(format!("has the formula {}, and must have sum: make another one, and name it", meter.formula));
    }
    if meter.window.as_deref() != Some("hour") {
        let window = meter.window.as_deref().unwrap_or("none");
        problems.push(format!(
            "has the event_time_window {window}, and must have hour, so that what is told again replaces what was told: make another one, and \
             name it"
        ));
    }
    if let Some(of_price) = of_price.filter(|of_price| *of_price != &*meter.id) {
        problems.push(format!(
            "is not the one that STRIPE_PRICE_API_REQUESTS bills by ({of_price}): make a price of this meter, or name that one"
        ));
    }
    problems
}

fn look_at_endpoints(endpoints: &[WebhookEndpoint], version: &str, report: &mut Report) {
    let ours: Vec<_> = endpoints.iter().filter(|endpoint| is_ours(&endpoint.url)).collect();
    if ours.is_empty() {
        let events: Vec<_> = EventKind::ALL.iter().map(|kind| kind.as_str()).collect();
        report.wrong.push(format!(
            "there is no webhook endpoint whose URL ends in {WEBHOOK_PATH}: make one with the API version {version} for {}",
            events.join(", ")
        ));
        return;
    }
    let mut problems = Vec::new();
    for endpoint in ours {
        let found = endpoint_problems(endpoint, version);
        if found.is_empty() {
            report.good.push(format!("the webhook endpoint {} ({})", endpoint.id, endpoint.url));
            return;
        }
        problems.extend(
            found.into_iter().map(|problem| format!("the webhook endpoint {} ({}) {problem}", endpoint.id, endpoint.url)),
        );
    }
    report.wrong.extend(problems);
}

fn is_ours(url: &str) -> bool {
    url.split(['?', '#']).next().unwrap_or(url).ends_with(WEBHOOK_PATH)
}

fn endpoint_problems(endpoint: &WebhookEndpoint, version: &str) -> Vec<String> {
    let mut problems = Vec::new();
    if !endpoint.enabled {
        problems.push("is disabled: enable it".to_owned());
    }
    let hears = |word: &str| endpoint.events.iter().any(|event| **event == *"*" || **event == *word);
    let missing: Vec<_> = EventKind::ALL.iter().map(|kind| kind.as_str()).filter(|word| !hears(word)).collect();
    if !missing.is_empty() {
        problems.push(format!("does not hear of {}: add them to its events", missing.join(", ")));
    }
    if endpoint.api_version.as_deref() != Some(version) {
        let has = endpoint.api_version.as_deref().unwrap_or("the account's");
        problems
            .push(format!("has the API version {has}, and must have {version}: make it anew with that (it cannot be changed)"));
    }
    problems
}

/// What is to be tried again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Requeue {
    /// One event, by its id; or one thing to be done, by its key.
    One(String),
    /// All that was given up.
    AllDead,
}

/// Has what billing has given up tried again: by whichever node looks next.
///
/// # Errors
/// Nothing is charged; there is no such thing, or it was not given up; the store cannot be read or written.
pub async fn stripe_requeue(settings: &Settings, cloud: &CloudSettings, which: &Requeue) -> anyhow::Result<String> {
    configured(cloud)?;
    let node = Node::open_cloud_for_a_command(settings, cloud).await?;
    let done = match node.till() {
        Some(till) => requeue(till.billing(), which).await,
        None => bail!("nothing is charged"),
    };
    leave(&node).await;
    done
}

async fn requeue(billing: &Billing, which: &Requeue) -> anyhow::Result<String> {
    match which {
        Requeue::One(id) => {
            let done = match billing.requeue_event(id).await {
                Err(BillingError::NotFound) => billing.requeue_effect(id).await,
                done => done,
            };
            match done {
                Ok(()) => Ok(format!("{id} is tried again")),
                Err(BillingError::NotFound) => bail!("billing knows nothing of {id}"),
                Err(BillingError::NothingToChange) => bail!("{id} was not given up"),
                Err(error) => Err(error).with_context(|| format!("{id} could not be put back")),
            }
        }
        Requeue::AllDead => {
            let (events, effects) = (all_events(billing).await?, all_effects(billing).await?);
            let mut text = String::new();
            for (count, what) in [(events, "event"), (effects, "thing to be done")] {
                let (what, end) = what.split_once(' ').map_or((what, String::new()), |(what, rest)| (what, format!(" {rest}")));
                // Writing to a text does not fail.
                let _ = writeln!(text, "{count} {what}{}{end}", if count == 1 { "" } else { "s" });
            }
            Ok(format!("Tried again are:\n{text}"))
        }
    }
}

/// The ids are read to the end first: what is put back leaves the list.
async fn all_events(billing: &Billing) -> anyhow::Result<usize> {
    let (mut ids, mut page) = (Vec::new(), PageRequest::first(PageRequest::MAX_LIMIT));
    loop {
        let found = billing.events(lists::DEAD, &page).await.context("what was given up cannot be read")?;
        ids.extend(found.items.into_iter().map(|event| event.id));
        match found.next {
            Some(next) => page = PageRequest::first(PageRequest::MAX_LIMIT).after(Some(next)),
            None => break,
        }
    }
    let mut count = 0;
    for id in ids {
        count += usize::from(put_back(&id, billing.requeue_event(&id).await)?);
    }
    Ok(count)
}

async fn all_effects(billing: &Billing) -> anyhow::Result<usize> {
    let (mut keys, mut page) = (Vec::new(), PageRequest::first(PageRequest::MAX_LIMIT));
    loop {
        let found = billing.effects(lists::DEAD, &page).await.context("what was given up cannot be read")?;
        keys.extend(found.items.into_iter().map(|effect| effect.key));
        match found.next {
            Some(next) => page = PageRequest::first(PageRequest::MAX_LIMIT).after(Some(next)),
            None => break,
        }
    }
    let mut count = 0;
    for key in keys {
        count += usize::from(put_back(&key, billing.requeue_effect(&key).await)?);
    }
    Ok(count)
}

/// Whether it was put back; not when somebody else was faster.
fn put_back(id: &str, done: togglebox_billing::Result<()>) -> anyhow::Result<bool> {
    match done {
        Ok(()) => Ok(true),
        Err(BillingError::NotFound | BillingError::NothingToChange | BillingError::Busy) => Ok(false),
        Err(error) => Err(error).with_context(|| format!("{id} could not be put back")),
    }
}

#[cfg(test)]
mod tests;
