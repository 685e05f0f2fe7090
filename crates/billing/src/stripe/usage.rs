//! Usage that is billed: telling it, and what was understood of it.

use std::sync::PoisonError;

use serde_json::Value;
use togglebox_core::Timestamp;

use super::StripeProvider;
use super::answer::is_refused;
use super::form::{Form, seconds};
use super::wire::{Ask, digest, not_understood};
use crate::provider::{Meter, ProviderError, ProviderResult, UsageReport, UsageSummary};

const METERS: &str = "/v1/billing/meters";
const HOUR: i64 = 3600;
/// The most characters of an identifier.
const MAX_IDENTIFIER: usize = 100;

impl StripeProvider {
    /// The meter is to have the names of its payload that it has when none are given.
    pub(super) async fn report(&self, report: &UsageReport) -> ProviderResult<()> {
        let identifier = if report.identifier.len() <= MAX_IDENTIFIER {
            report.identifier.clone()
        } else {
            digest(report.identifier.as_bytes())
        };
        let form = Form::new()
            .with("event_name", &self.meter_event_name)
            .with("identifier", &identifier)
            .with("timestamp", seconds(report.at))
            .with("payload[stripe_customer_id]", &report.customer)
            .with("payload[value]", report.value);
        match self.wire.ask(Ask::post("/v1/billing/meter_events", form).key(&format!("usage:{identifier}"))).await {
            Ok(_) => Ok(()),
            // It has this one already.
            Err(error) if is_refused(&error, "duplicate_meter_event") => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Hour by hour, the earliest first; the hours in which the ends lie are whole ones too.
    pub(super) async fn summaries(&self, customer: &str, from: Timestamp, until: Timestamp) -> ProviderResult<Vec<UsageSummary>> {
        let start = seconds(from).div_euclid(HOUR) * HOUR;
        let last_ms = until.as_ms().saturating_sub(1);
        let end = (last_ms.div_euclid(HOUR * 1000) + 1) * HOUR;
        if from >= until {
            return Ok(Vec::new());
        }
        let meter = self.meter_id().await?;
        let form = Form::new()
            .with("customer", customer)
            .with("start_time", start)
            .with("end_time", end)
            .with("value_grouping_window", "hour");
        // Ids of meters come from the list of them.
        let all = self.all(&format!("{METERS}/{meter}/event_summaries"), &form).await?;
        let read = |value| summary(value).ok_or_else(|| not_understood("a summary of usage without a span or a whole value"));
        let mut summaries = all.iter().map(read).collect::<ProviderResult<Vec<_>>>()?;
        summaries.retain(|summary| summary.value > 0);
        summaries.sort_by_key(|summary| summary.start);
        Ok(summaries)
    }

    /// By name; of several, the one that takes usage in.
    pub(super) async fn find_meter(&self) -> ProviderResult<Option<Meter>> {
        let all = self.all(METERS, &Form::new()).await?;
        let named = all.iter().filter_map(meter).filter(|meter| meter.event_name == self.meter_event_name);
        // Of equals `min_by_key` takes the first, which is the newest.
        let found = named.min_by_key(|meter| !meter.active);
        *self.meter.lock().unwrap_or_else(PoisonError::into_inner) = found.as_ref().map(|meter| meter.id.clone());
        Ok(found)
    }

    async fn meter_id(&self) -> ProviderResult<Box<str>> {
        let known = self.meter.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(id) = known {
            return Ok(id);
        }
        let found = self.find_meter().await?;
        found.map(|meter| meter.id).ok_or_else(|| ProviderError::Missing(format!("a meter for {}", self.meter_event_name).into()))
    }
}

fn meter(value: &Value) -> Option<Meter> {
    let text = |field: &str| value.get(field).and_then(Value::as_str);
    Some(Meter {
        id: text("id")?.into(),
        event_name: text("event_name")?.into(),
        active: text("status") == Some("active"),
        formula: value.pointer("/default_aggregation/formula").and_then(Value::as_str).unwrap_or_default().into(),
        window: text("event_time_window").map(Into::into),
    })
}

fn summary(value: &Value) -> Option<UsageSummary> {
    let moment = |field: &str| Some(Timestamp::from_ms(value.get(field)?.as_i64()?.checked_mul(1000)?));
    Some(UsageSummary { start: moment("start_time")?, end: moment("end_time")?, value: whole(value.get("aggregated_value")?)? })
}

/// A number that is told as a decimal one, though there are no parts of what is counted.
fn whole(value: &Value) -> Option<u64> {
    /// Up to here every whole number has a float of its own.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    value.as_u64().or_else(|| {
        let number = value.as_f64().filter(|number| (0.0..=EXACT).contains(number) && number.fract() == 0.0)?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole, and within what both can tell")]
        Some(number as u64)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_whole_numbers_are_counts() {
        for (told, count) in
            [(json!(25), Some(25)), (json!(25.0), Some(25)), (json!(0), Some(0)), (json!(u64::MAX), Some(u64::MAX))]
        {
            assert_eq!(whole(&told), count, "{told}");
        }
        for bad in [json!(2.5), json!(-1), json!(-1.0), json!("25"), json!(null), json!(1e300)] {
            assert_eq!(whole(&bad), None, "{bad}");
        }
    }

    #[test]
    fn meters_are_read() {
        let told = json!({
            "id": "mtr_1", "event_name": "requests", "status": "inactive", "default_aggregation": {"formula": "sum"},
            "event_time_window": "hour",
        });
        let meter = meter(&told).unwrap();
        assert!(!meter.active);
        assert_eq!((&*meter.formula, meter.window.as_deref()), ("sum", Some("hour")));
    }
}
