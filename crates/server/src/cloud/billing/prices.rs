//! Whether the prices at Stripe are what they are configured as.

use std::collections::BTreeMap;
use std::fmt;

use futures_util::{StreamExt as _, stream};
use togglebox_billing::objects::Price;
use togglebox_billing::{BillingProvider, Interval, ProviderError};

use crate::settings::{NamedPrice, PricedThing};

/// Prices that are asked for at a time.
const AT_ONCE: usize = 8;

/// Prices that are not what they are configured as.
#[derive(Debug)]
pub(crate) struct WrongPrices(pub(crate) Vec<String>);

impl fmt::Display for WrongPrices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("what Stripe has is not what is configured; `togglebox-cloud stripe check` says more:")?;
        self.0.iter().try_for_each(|problem| write!(f, "\n  - {problem}"))
    }
}

impl std::error::Error for WrongPrices {}

/// What was found out.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// What is wrong, each with the name of its variable.
    pub(crate) wrong: Vec<String>,
    /// Variables of whose price Stripe did not say anything.
    pub(crate) unanswered: Vec<String>,
    /// What it has, in the order of the settings.
    pub(crate) found: Vec<(NamedPrice, Price)>,
}

/// Asks for each of `prices`.
pub(crate) async fn check(provider: &dyn BillingProvider, prices: &[NamedPrice]) -> Findings {
    let ask = |named: &NamedPrice| {
        let named = named.clone();
        async move {
            let answer = provider.price(&named.price).await;
            (named, answer)
        }
    };
    let answers: Vec<_> = stream::iter(prices.iter().map(ask)).buffered(AT_ONCE).collect().await;
    let (mode, mut findings) = (mode(provider.livemode()), Findings::default());
    for (NamedPrice { variable, price: id, of }, answer) in answers {
        match answer {
            Ok(price) => {
                let problems = problems(&price, &of, provider.livemode());
                findings.wrong.extend(problems.into_iter().map(|problem| format!("{variable}: {id} {problem}")));
                findings.found.push((NamedPrice { variable, price: id, of }, price));
            }
            Err(ProviderError::Missing(_)) => findings.wrong.push(format!(
                "{variable}: there is no price {id} in {mode} mode: make it there, or name one that is there (those of the other mode are \
                 others)"
            )),
            Err(ProviderError::Unauthorized) => {
                let problem = unauthorized("prices");
                if !findings.wrong.contains(&problem) {
                    findings.wrong.push(problem);
                }
            }
            Err(ProviderError::Refused { code, .. }) => findings.wrong.push(format!("{variable}: Stripe refuses to tell of {id} ({code})")),
            // Not there, or something else that answers in its place.
            Err(_) => findings.unanswered.push(variable),
        }
    }
    findings.wrong.extend(currencies(&findings.found));
    findings
}

/// What to do about a key that is not good for something.
pub(crate) fn unauthorized(what: &str) -> String {
    format!(
        "STRIPE_SECRET_KEY: Stripe does not accept it for reading {what}: name a key that is in use; a restricted one (rk_…) needs the \
         right to read them"
    )
}

pub(crate) const fn mode(livemode: bool) -> &'static str {
    if livemode { "live" } else { "test" }
}

/// What is wrong with one price, to be read after its id.
fn problems(price: &Price, of: &PricedThing, livemode: bool) -> Vec<String> {
    let mut problems = Vec::new();
    if price.livemode != livemode {
        problems.push(format!(
            "is of {} mode, and the key of {} mode: name one of the key's",
            mode(price.livemode),
            mode(livemode)
        ));
    }
    let is_sold = !matches!(of, PricedThing::Plan { is_sold: false, .. });
    if is_sold && !price.active {
        problems.push("is not active: nobody can buy by it. Activate it, or name another one first".to_owned());
    }
    let often = |interval: Option<Interval>| interval.map_or("neither monthly nor yearly", Interval::as_str);
    match of {
        PricedThing::Plan { interval, .. } => {
            if price.interval != Some(*interval) {
                problems.push(format!("is billed {}, and must be {interval}", often(price.interval)));
            }
            if price.metered {
                problems.push("is metered: a plan is paid for however much is used".to_owned());
            }
        }
        PricedThing::Usage => {
            if !price.metered {
                problems.push("is not metered: usage cannot be billed by it".to_owned());
            }
            if price.unit.is_none() {
                problems
                    .push("has tiers: what is included is taken off already, so all of what is told has one price".to_owned());
            }
            if price.interval != Some(Interval::Monthly) {
                problems.push(format!("is billed {}, and must be monthly, as what plans include", often(price.interval)));
            }
        }
    }
    problems
}

/// What can be bought together must be in one currency.
fn currencies(found: &[(NamedPrice, Price)]) -> Option<String> {
    let mut by_currency: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (named, price) in found.iter().filter(|(named, _)| !matches!(named.of, PricedThing::Plan { is_sold: false, .. })) {
        by_currency.entry(price.currency.to_string()).or_default().push(&named.variable);
    }
    (by_currency.len() > 1).then(|| {
        let told: Vec<String> =
            by_currency.iter().map(|(currency, names)| format!("{} in {currency}", names.join(", "))).collect();
        format!("prices must all be in one currency: {}", told.join("; "))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const MONTHLY: PricedThing = PricedThing::Plan { interval: Interval::Monthly, is_sold: true };
    const NO_MORE_SOLD: PricedThing = PricedThing::Plan { interval: Interval::Monthly, is_sold: false };

    fn price(changes: &[(&str, Value)]) -> Price {
        let mut value = json!({
            "id": "price_1", "active": true, "currency": "usd", "livemode": false, "unit_amount": 2000,
            "recurring": {"interval": "month", "interval_count": 1, "usage_type": "licensed"},
        });
        for (pointer, changed) in changes {
            *value.pointer_mut(pointer).unwrap() = changed.clone();
        }
        Price::read(&value).unwrap()
    }

    #[test]
    fn a_price_is_what_its_variable_says() {
        assert!(problems(&price(&[]), &MONTHLY, false).is_empty());
        let metered = [("/recurring/usage_type", json!("metered"))];
        assert!(problems(&price(&metered), &PricedThing::Usage, false).is_empty());
        let inactive = [("/active", json!(false))];
        assert!(problems(&price(&inactive), &NO_MORE_SOLD, false).is_empty(), "who has it keeps it");
        let yearly = [("/recurring/interval", json!("year"))];
        for (changes, of, livemode, told) in [
            (&[][..], &MONTHLY, true, "is of test mode, and the key of live mode"),
            (&[("/livemode", json!(true))], &MONTHLY, false, "is of live mode, and the key of test mode"),
            (&inactive, &MONTHLY, false, "is not active"),
            (&yearly, &MONTHLY, false, "is billed yearly, and must be monthly"),
            (&yearly, &NO_MORE_SOLD, false, "is billed yearly, and must be monthly"),
            (&[("/recurring/interval_count", json!(3))], &MONTHLY, false, "is billed neither monthly nor yearly"),
            (&[("/recurring", Value::Null)], &MONTHLY, false, "is billed neither monthly nor yearly"),
            (&metered, &MONTHLY, false, "is metered"),
            (&[], &PricedThing::Usage, false, "is not metered"),
            (&[("/unit_amount", Value::Null), metered[0].clone()], &PricedThing::Usage, false, "has tiers"),
            (
                &[("/recurring/interval", json!("year")), metered[0].clone()],
                &PricedThing::Usage,
                false,
                "must be monthly, as what",
            ),
        ] {
            let found = problems(&price(changes), of, livemode);
            assert!(found.len() == 1 && found[0].contains(told), "{told}: {found:?}");
        }
    }

    #[test]
    fn what_is_sold_is_in_one_currency() {
        let named =
            |variable: &str, of: &PricedThing| NamedPrice { variable: variable.to_owned(), price: "p".into(), of: of.clone() };
        let euros = || price(&[("/currency", json!("eur"))]);
        let earlier = vec![(named("A", &MONTHLY), price(&[])), (named("B", &NO_MORE_SOLD), euros())];
        assert_eq!(currencies(&earlier), None, "an earlier price may be in an earlier currency");
        let mixed = vec![(named("A", &MONTHLY), price(&[])), (named("B", &PricedThing::Usage), euros())];
        assert_eq!(currencies(&mixed).unwrap(), "prices must all be in one currency: B in eur; A in usd");
    }
}
