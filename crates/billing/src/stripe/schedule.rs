//! Changes that are made when a period ends: a schedule of two phases, what is there until then and what comes after. With the second, the
//! subscription goes on by itself.

use serde_json::Value;
use togglebox_core::Timestamp;

use super::StripeProvider;
use super::form::{Form, seconds};
use super::wire::{Ask, digest, not_understood};
use crate::objects::{Item, ScheduledChange, Subscription};
use crate::price::Interval;
use crate::provider::{Change, Fetched, ProviderError, ProviderResult};

const SCHEDULES: &str = "/v1/subscription_schedules";

impl StripeProvider {
    pub(super) async fn next_phase(&self, id: &str) -> ProviderResult<Option<ScheduledChange>> {
        Ok(next_change(&self.read_schedule(id).await?))
    }

    pub(super) async fn change_later(&self, key: &str, change: &Change) -> ProviderResult<Fetched<Subscription>> {
        let Fetched { value: subscription, .. } = self.read_subscription(&change.subscription).await?;
        let interval = self.read_price(&change.price).await?.interval;
        let schedule = if let Some(id) = &subscription.schedule {
            self.read_schedule(id).await?
        } else {
            let form = Form::new().with("from_subscription", &change.subscription);
            self.wire.ask(Ask::post(SCHEDULES, form).key(&format!("{key}:schedule"))).await?.value
        };
        let id = schedule.get("id").and_then(Value::as_str).ok_or_else(|| not_understood("a schedule without an id"))?;
        let form = phases(&schedule, &subscription, change, interval)?;
        // What is sent follows from what was found: found otherwise, it is another request, and may not have the first one's key.
        let key = format!("{key}:phases:{}", &digest(form.encoded().as_bytes())[..16]);
        self.wire.ask(Ask::post(SCHEDULES, form).of(id, "")?.key(&key)).await?;
        self.read_subscription(&change.subscription).await
    }

    pub(super) async fn release(&self, key: &str, id: &str) -> ProviderResult<()> {
        let ask = Ask::post(SCHEDULES, Form::new()).of(id, "/release")?.key(key);
        match self.wire.ask(ask).await {
            Ok(_) => Ok(()),
            // There is no word for that there is nothing to release.
            Err(refused @ ProviderError::Refused { .. }) => {
                if is_in_force(&self.read_schedule(id).await?) {
                    Err(refused)
                } else {
                    Ok(())
                }
            }
            Err(error) => Err(error),
        }
    }

    async fn read_schedule(&self, id: &str) -> ProviderResult<Value> {
        Ok(self.wire.ask(Ask::get(SCHEDULES, Form::new()).of(id, "")?).await?.value)
    }
}

/// Whether it may still change something, as far as is known.
fn is_in_force(schedule: &Value) -> bool {
    !matches!(schedule.get("status").and_then(Value::as_str), Some("released" | "completed" | "canceled"))
}

fn second(value: &Value, field: &str) -> Option<i64> {
    value.get(field).and_then(Value::as_i64)
}

fn phase_list(schedule: &Value) -> impl Iterator<Item = &Value> {
    schedule.get("phases").and_then(Value::as_array).into_iter().flatten()
}

/// The phase that holds now: its start, and what is told of it.
fn current(schedule: &Value) -> Option<(i64, &Value)> {
    let start = second(schedule.get("current_phase")?, "start_date")?;
    Some((start, phase_list(schedule).find(|phase| second(phase, "start_date") == Some(start))?))
}

/// The id of something that may stand there itself.
fn id_of(value: &Value) -> Option<&str> {
    value.as_str().or_else(|| value.get("id")?.as_str()).filter(|id| !id.is_empty())
}

fn prices(phase: &Value) -> impl Iterator<Item = &str> {
    let items = phase.get("items").and_then(Value::as_array).into_iter().flatten();
    items.filter_map(|item| [item.get("price"), item.get("plan")].into_iter().flatten().find_map(id_of))
}

/// What the phase after the current one has that the current one has not.
fn next_change(schedule: &Value) -> Option<ScheduledChange> {
    if !is_in_force(schedule) {
        return None;
    }
    let (start, now) = current(schedule)?;
    let starts = |phase: &Value| second(phase, "start_date").filter(|other| *other > start);
    let (at, next) = phase_list(schedule).filter_map(|phase| Some((starts(phase)?, phase))).min_by_key(|(at, _)| *at)?;
    let price = prices(next).find(|price| prices(now).all(|held| held != *price))?;
    Some(ScheduledChange { price: price.into(), at: Timestamp::from_ms(at.checked_mul(1000)?) })
}

/// Both phases. The current one stays what it is: what is not sent with it would be gone.
fn phases(schedule: &Value, subscription: &Subscription, change: &Change, interval: Option<Interval>) -> ProviderResult<Form> {
    let item = subscription.items.iter().find(|item| item.id == change.item);
    let item = item.ok_or_else(|| ProviderError::Missing(change.item.clone()))?;
    let end = item.period_end.ok_or_else(|| not_understood("a subscription item without a period"))?;
    let (start, now) = current(schedule).ok_or_else(|| not_understood("a schedule without a current phase"))?;
    let mut form = Form::new()
        .with("end_behavior", "release")
        .with("proration_behavior", "none")
        .with("phases[0][start_date]", start)
        .with("phases[0][end_date]", seconds(end))
        .with_some("phases[0][trial_end]", second(now, "trial_end"))
        .with("phases[1][proration_behavior]", "none")
        // The schedule lets go after one period of the new price: by then there is nothing more to change.
        .with("phases[1][duration][interval]", if interval == Some(Interval::Yearly) { "year" } else { "month" })
        .with("phases[1][duration][interval_count]", 1);
    for phase in 0..2 {
        for (place, held) in subscription.items.iter().enumerate() {
            let price = if phase == 1 && held.id == change.item { &change.price } else { &held.price };
            form.add(format!("phases[{phase}][items][{place}][price]"), price);
            form = form.with_some(format!("phases[{phase}][items][{place}][quantity]"), quantity(held));
        }
        form = kept(form, phase, now);
    }
    Ok(form)
}

/// What is billed by use has no quantity.
fn quantity(item: &Item) -> Option<u64> {
    if item.metered { None } else { Some(item.quantity.unwrap_or(1)) }
}

/// What the current phase has besides its prices, as far as a page to pay on can have brought it about: discounts and tax.
fn kept(mut form: Form, phase: usize, now: &Value) -> Form {
    let list = |field: &str| now.get(field).and_then(Value::as_array).into_iter().flatten();
    for (place, discount) in list("discounts").enumerate() {
        let named = ["discount", "promotion_code", "coupon"];
        if let Some((field, id)) = named.iter().find_map(|field| Some((*field, id_of(discount.get(field)?)?))) {
            form.add(format!("phases[{phase}][discounts][{place}][{field}]"), id);
        }
    }
    for (place, rate) in list("default_tax_rates").filter_map(id_of).enumerate() {
        form.add(format!("phases[{phase}][default_tax_rates][{place}]"), rate);
    }
    let taxed = now.pointer("/automatic_tax/enabled").and_then(Value::as_bool).filter(|enabled| *enabled);
    form.with_some(format!("phases[{phase}][automatic_tax][enabled]"), taxed)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn subscription() -> Subscription {
        let value = json!({
            "id": "sub_1", "customer": "cus_1", "status": "active",
            "items": {"data": [
                {"id": "si_1", "price": {"id": "price_big", "recurring": {"interval": "month"}}, "quantity": 1,
                 "current_period_start": 100, "current_period_end": 200},
                {"id": "si_2", "price": {"id": "price_use", "recurring": {"interval": "month", "usage_type": "metered"}},
                 "current_period_start": 100, "current_period_end": 200},
            ]},
        });
        Subscription::read(&value).unwrap()
    }

    fn change() -> Change {
        Change {
            subscription: "sub_1".into(),
            customer: "cus_1".into(),
            item: "si_1".into(),
            price: "price_small".into(),
            proration_date: Timestamp::EPOCH,
        }
    }

    fn sent(schedule: &Value) -> Vec<(String, String)> {
        let form = phases(schedule, &subscription(), &change(), Some(Interval::Yearly)).unwrap();
        form_urlencoded::parse(form.encoded().as_bytes()).into_owned().collect()
    }

    #[test]
    fn the_current_phase_keeps_what_it_has() {
        let schedule = json!({
            "id": "sub_sched_1", "status": "active", "current_phase": {"start_date": 100, "end_date": 200},
            "phases": [{
                "start_date": 100, "end_date": 200, "trial_end": 200, "items": [{"price": "price_big", "quantity": 1}],
                "discounts": [{"coupon": null, "discount": null, "promotion_code": {"id": "promo_1"}}, {"coupon": "co_1"}],
                "default_tax_rates": [{"id": "txr_1"}], "automatic_tax": {"enabled": true},
            }],
        });
        let sent = sent(&schedule);
        let both = |name: &str, value: &str| {
            for phase in 0..2 {
                let pair = (format!("phases[{phase}]{name}"), value.to_owned());
                assert!(sent.contains(&pair), "{pair:?}");
            }
        };
        both("[discounts][0][promotion_code]", "promo_1");
        both("[discounts][1][coupon]", "co_1");
        both("[default_tax_rates][0]", "txr_1");
        both("[automatic_tax][enabled]", "true");
        both("[items][1][price]", "price_use");
        both("[items][0][quantity]", "1");
        let has = |name: &str, value: &str| assert!(sent.contains(&(name.to_owned(), value.to_owned())), "{name}");
        has("phases[0][trial_end]", "200");
        has("phases[0][start_date]", "100");
        has("phases[0][end_date]", "200");
        has("phases[0][items][0][price]", "price_big");
        has("phases[1][items][0][price]", "price_small");
        has("phases[1][duration][interval]", "year");
        has("end_behavior", "release");
        assert!(!sent.iter().any(|(name, _)| name.contains("[items][1][quantity]")), "what is billed by use has no quantity");
    }

    #[test]
    fn the_next_change_is_what_the_current_phase_has_not() {
        let mut schedule = json!({
            "status": "active", "current_phase": {"start_date": 100, "end_date": 200},
            "phases": [
                {"start_date": 50, "items": [{"price": "price_old"}]},
                {"start_date": 100, "items": [{"price": {"id": "price_big"}}, {"price": "price_use"}]},
                {"start_date": 300, "items": [{"price": "price_far"}]},
                {"start_date": 200, "items": [{"price": "price_use"}, {"price": "price_small"}]},
            ],
        });
        let found = next_change(&schedule).unwrap();
        assert_eq!((&*found.price, found.at.as_ms()), ("price_small", 200_000));
        schedule["current_phase"]["start_date"] = json!(300);
        assert_eq!(next_change(&schedule), None, "the last phase has begun");
        schedule["current_phase"]["start_date"] = json!(100);
        for over in ["released", "completed", "canceled"] {
            schedule["status"] = json!(over);
            assert_eq!(next_change(&schedule), None, "{over}");
        }
        for odd in [json!({}), json!(null), json!({"status": "active", "phases": 7, "current_phase": "x"})] {
            assert_eq!(next_change(&odd), None);
        }
    }

    #[test]
    fn without_a_period_or_a_phase_nothing_is_sent() {
        let schedule = json!({"current_phase": {"start_date": 100}, "phases": [{"start_date": 100}]});
        let other = Change { item: "si_9".into(), ..change() };
        assert!(matches!(phases(&schedule, &subscription(), &other, None), Err(ProviderError::Missing(_))));
        assert!(matches!(phases(&json!({}), &subscription(), &change(), None), Err(ProviderError::NotUnderstood(_))));
        let mut open = subscription();
        open.items[0].period_end = None;
        assert!(matches!(phases(&schedule, &open, &change(), None), Err(ProviderError::NotUnderstood(_))));
    }
}
