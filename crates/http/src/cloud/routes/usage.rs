//! What a workspace has used.

use std::collections::BTreeMap;

use togglebox_core::Timestamp;
use togglebox_core::input::Issue;
use togglebox_metering::store::{Bucket, InvalidQuery, UsageQuery};
use togglebox_metering::{Grain, Labels, Minute, Period, Span, forecast};
use togglebox_multitenancy::{Allowance, Tenant};

use super::super::allowance::period;
use super::super::failure::tenancy;
use super::super::metering::{DIMENSIONS, METERS, Metering, REQUESTS};
use super::super::services::CloudServices;
use super::super::view::{MeterView, SpanView, UsageBucketView, UsageSeriesView, UsageView};
use crate::call::Call;
use crate::error::{ApiError, Code, Result};
use crate::failure;
use crate::reply::{Content, Reply};
use crate::route::{Access, Parameter, Route, handler};
use crate::serving::Rendered;

const CSV: &str = "text/csv; charset=utf-8";

pub(super) const METER: Parameter =
    Parameter { name: "meter", required: false, about: "Of what: `api.requests` (without), `api.not_modified`, `api.bytes`" };

const SERIES: &[Parameter] = &[
    METER,
    Parameter { name: "grain", required: false, about: "By `minute`, `hour` (without) or `day`, in UTC" },
    Parameter { name: "from", required: false, about: "The first moment, RFC 3339; without, the beginning of the current month" },
    Parameter { name: "until", required: false, about: "The moment after the last; without, the end of the current hour or day" },
    Parameter { name: "by", required: false, about: "Split by `environment`, `key` or `operation`" },
    Parameter { name: "environment", required: false, about: "Only of this environment, `platform/environment`" },
    Parameter { name: "key", required: false, about: "Only of the API key with this id (32 hexadecimal digits)" },
    Parameter {
        name: "operation",
        required: false,
        about: "Only `config`, `evaluation`, `assignment`, `statistics` or `management`",
    },
    Parameter { name: "format", required: false, about: "`json` (without) or `csv`" },
];

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/api/v1/usage", "getUsage", Access::User, handler!(usage))
            .about("Shows what the workspace has used of what its plan includes, in the current period of its subscription, or without one in the current month (UTC)")
            .uncached()
            .one::<UsageView<'_>>(),
        Route::get("/api/v1/usage/series", "getUsageSeries", Access::User, handler!(series))
            .about("Shows what the workspace has used by minute, hour or day, at most 1500 of them; also as CSV")
            .uncached()
            .query(SERIES)
            .one::<UsageSeriesView<'_>>()
            .errors(&[422]),
    ]
}

pub(super) fn metering(call: &Call) -> Result<&Metering> {
    let metering = call.cloud()?.metering.as_deref();
    metering.ok_or_else(|| ApiError::new(Code::NotFound, "Usage is not metered here"))
}

async fn usage(call: Call) -> Result<Reply> {
    let metering = metering(&call)?;
    metering.settle().await;
    let services = call.cloud()?;
    let tenant = services.tenancy.tenant(call.tenant).await.map_err(tenancy)?;
    let requests = allowance(services, &tenant).map(|allowance| allowance.at(call.now));
    let now = minute_of(call.now);
    // To the unit what is refused beyond, told of and billed.
    let period = requests.as_ref().map_or(Period::MONTH, period).span(now);
    let mut meters = BTreeMap::new();
    for name in METERS {
        let mut split: BTreeMap<&str, BTreeMap<String, u64>> = BTreeMap::new();
        for dimension in DIMENSIONS {
            let of_dimension = split.entry(dimension).or_default();
            for query in covering(name, period)? {
                let buckets = metering.store().series(call.tenant, &query.by(dimension)).await.map_err(failure::store)?;
                for bucket in buckets {
                    let total = of_dimension.entry(bucket.value.map_or_else(String::new, String::from)).or_default();
                    *total = total.saturating_add(bucket.total);
                }
            }
        }
        // Each series has each dimension, so that each split has everything.
        let used =
            split.get(DIMENSIONS[0]).map_or(0, |totals| totals.values().fold(0, |sum: u64, total| sum.saturating_add(*total)));
        let limit = requests.filter(|_| name == REQUESTS).and_then(|requests| requests.included);
        meters.insert(name, MeterView { used, limit, forecast: forecast(used, period, now), by: split });
    }
    let view = UsageView { plan: tenant.plan.as_str(), period: SpanView::of(period), meters };
    Ok(Reply::data(call.now, &view))
}

/// How many requests a workspace may make; one whose plan is not in the catalogue any more says nothing.
pub(super) fn allowance(services: &CloudServices, tenant: &Tenant) -> Option<Allowance> {
    services.settings.plans.allowance(tenant)
}

fn covering(meter: &str, span: Span) -> Result<Vec<UsageQuery>> {
    let meter = meter.parse().map_err(|_| ApiError::internal())?;
    UsageQuery::covering(meter, span).map_err(|_| ApiError::internal())
}

pub(super) fn query(meter: &str, span: Span, grain: Grain) -> Result<UsageQuery> {
    let meter = meter.parse().map_err(|_| ApiError::internal())?;
    UsageQuery::new(meter, span, grain).map_err(|_| ApiError::internal())
}

pub(super) fn minute_of(at: Timestamp) -> Minute {
    Minute::of(at).unwrap_or(Minute::EPOCH)
}

/// The meter that is asked after.
pub(super) fn meter_of(call: &Call) -> Result<&'static str> {
    let mut issues = Vec::new();
    let meter = one_of(call, "meter", &METERS, &mut issues);
    if issues.is_empty() { Ok(meter.unwrap_or(REQUESTS)) } else { Err(ApiError::field_validation(issues)) }
}

/// A parameter that has one of these values, or none.
fn one_of(call: &Call, name: &str, allowed: &[&'static str], issues: &mut Vec<Issue>) -> Option<&'static str> {
    let text = given(call, name)?;
    let known = allowed.iter().find(|word| **word == text).copied();
    if known.is_none() {
        issues.push(Issue::new(name, format!("must be one of {}", allowed.join(", "))));
    }
    known
}

/// What a series is asked for, checked.
struct Asked {
    meter: &'static str,
    grain: Grain,
    query: UsageQuery,
    as_csv: bool,
}

const GRAINS: [(&str, Grain); 3] = [("minute", Grain::Minute), ("hour", Grain::Hour), ("day", Grain::Day)];

/// A parameter with a value.
fn given<'c>(call: &'c Call, name: &str) -> Option<&'c str> {
    call.query.get(name).filter(|text| !text.is_empty())
}

impl Asked {
    fn read(call: &Call) -> Result<Self> {
        let mut issues = Vec::new();
        let mut one_of = |name: &str, allowed: &[&'static str]| one_of(call, name, allowed, &mut issues);
        let meter = one_of("meter", &METERS).unwrap_or(REQUESTS);
        let grain = one_of("grain", &GRAINS.map(|(word, _)| word)).unwrap_or("hour");
        let by = one_of("by", &DIMENSIONS);
        let as_csv = one_of("format", &["json", "csv"]) == Some("csv");
        let grain = GRAINS.iter().find(|(word, _)| *word == grain).map_or(Grain::Hour, |(_, grain)| *grain);
        let now = minute_of(call.now);
        let mut moment = |name: &str, otherwise: Minute| {
            let Some(text) = given(call, name) else { return otherwise };
            let minute = text.parse().ok().and_then(|at| Minute::of(at).ok().filter(|minute| minute.start() == at));
            minute.unwrap_or_else(|| {
                issues.push(Issue::new(name, "must be a whole minute in RFC 3339, such as 2026-11-01T00:00:00Z"));
                otherwise
            })
        };
        let from = moment("from", Period::MONTH.span(now).from());
        let until = moment("until", now.floor(grain).plus(grain.minutes()));
        let mut only = Vec::new();
        for name in DIMENSIONS {
            if let Some(value) = given(call, name) {
                match Labels::new([(name, value)]) {
                    Ok(_) => only.push((name, value)),
                    Err(error) => issues.push(Issue::new(name, error.to_string())),
                }
            }
        }
        let only = Labels::new(only).map_err(|error| issues.push(Issue::new("", error.to_string())));
        let span = Span::new(from, until).map_err(|_| issues.push(Issue::new("until", "must be later than from")));
        let query = span.and_then(|span| {
            let meter = meter.parse().map_err(|_| issues.push(Issue::new("meter", "is no meter")))?;
            UsageQuery::new(meter, span, grain).map_err(|error| {
                let place = if error == InvalidQuery::TooLong { "until" } else { "from" };
                issues.push(Issue::new(place, error.to_string()));
            })
        });
        match (query, only) {
            (Ok(query), Ok(only)) if issues.is_empty() => {
                let query = query.only(only);
                let query = by.map_or(query.clone(), |dimension| query.by(dimension));
                Ok(Self { meter, grain, query, as_csv })
            }
            _ => Err(ApiError::field_validation(issues)),
        }
    }
}

async fn series(call: Call) -> Result<Reply> {
    let metering = metering(&call)?;
    let Asked { meter, grain, query, as_csv } = Asked::read(&call)?;
    metering.settle().await;
    let buckets = metering.store().series(call.tenant, &query).await.map_err(failure::store)?;
    if as_csv {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let failed = |_| ApiError::internal();
        writer.write_record(["start", "meter", "value", "total"]).map_err(failed)?;
        for bucket in &buckets {
            let (start, total) = (bucket.start.start().to_string(), bucket.total.to_string());
            writer
                .write_record([start.as_str(), meter, bucket.value.as_deref().unwrap_or(""), total.as_str()])
                .map_err(failed)?;
        }
        let body = writer.into_inner().map_err(|_| ApiError::internal())?;
        return Ok(Reply::new(actix_web::http::StatusCode::OK, Content::Rendered(Rendered::of(CSV, body))));
    }
    let word = GRAINS.iter().find(|(_, known)| *known == grain).map_or("", |(word, _)| *word);
    let shown = buckets.iter().map(|bucket| UsageBucketView {
        start: bucket.start.start(),
        value: bucket.value.as_deref(),
        total: bucket.total,
    });
    let total = Bucket::sum(&buckets);
    let view = UsageSeriesView { meter, grain: word, span: SpanView::of(query.span()), total, buckets: shown.collect() };
    Ok(Reply::data(call.now, &view))
}
