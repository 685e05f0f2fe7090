//! Events that clients report.
//!
//! They are counted in memory and written behind. Each stands or falls by itself: what is malformed is told, what names nothing that
//! exists is dropped and told, and the rest counts. A sender that may repeat itself after a lost answer gives the batch an
//! `Idempotency-Key`.

use serde::Serialize;
use togglebox_toggles::Snapshot;
use togglebox_toggles::input::{EventBatch, RejectedEvent};
use togglebox_toggles::statistics::EventKind;
use utoipa::ToSchema;

use crate::call::Call;
use crate::error::{ApiError, Code, Result};
use crate::reply::Reply;
use crate::route::{Access, Route, RouteClass, handler};
use crate::schema::EventsBody;

/// How many problems an answer tells.
const MAX_TOLD: usize = 100;

/// What became of a batch.
#[derive(Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Ingested {
    /// Well-formed events.
    processed: usize,
    /// Those of them that were not counted, for there is no such parameter, flag, experiment, variation or metric.
    #[serde(skip_serializing_if = "is_zero")]
    dropped: usize,
    /// Malformed events.
    #[serde(skip_serializing_if = "is_zero")]
    rejected: usize,
    /// The malformed ones, the first hundred.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Rejection>,
}

/// A malformed event.
#[derive(Debug, Serialize, ToSchema)]
struct Rejection {
    /// Its place in the batch, from zero.
    index: usize,
    /// What is wrong, as `path: message`.
    reason: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde calls")]
const fn is_zero(n: &usize) -> bool {
    *n == 0
}

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::post(
            "/api/v1/platforms/{platform}/environments/{environment}/stats/events",
            "ingestEvents",
            Access::Conditional,
            handler!(ingest),
        )
        .class(RouteClass::Statistics)
        .about("Takes events in, 1 to 10,000 at once")
        .takes::<EventsBody>()
        .one::<Ingested>(),
    ]
}

async fn ingest(call: Call) -> Result<Reply> {
    let batch = EventBatch::read(call.body()).map_err(|issues| ApiError::validation(&issues))?;
    let mut answer = Ingested {
        processed: batch.processed(),
        dropped: batch.unmatched.len(),
        rejected: batch.rejected.len(),
        errors: batch.rejected.iter().take(MAX_TOLD).map(Into::into).collect(),
    };
    let environment = call.environment().await?;
    if let Some(key) = call.headers().get("idempotency-key") {
        let key = key
            .to_str()
            .ok()
            .filter(|key| (1..=128).contains(&key.len()))
            .ok_or_else(|| ApiError::new(Code::BadRequest, "Idempotency-Key must be 1 to 128 printable ASCII characters"))?;
        let place = format!("{}\n{}\n{}\n{key}", call.tenant, call.param(0), call.param(1));
        if !call.api.batches.admit(&place, call.now) {
            return Ok(Reply::data(call.now, &answer));
        }
    }
    match environment {
        None => answer.dropped = answer.processed,
        Some(environment) => {
            let (scope, snapshot) = (environment.value.scope(), environment.value.snapshot());
            for accepted in batch.accepted {
                if exists(snapshot, &accepted.event.kind) {
                    call.api.recorder.record(call.tenant, scope, &accepted.event, call.now);
                } else {
                    answer.dropped += 1;
                }
            }
        }
    }
    Ok(Reply::data(call.now, &answer))
}

/// Whether an event is about something that there is. Anybody may report, so this bounds what reports can make the server keep.
fn exists(snapshot: &Snapshot, event: &EventKind) -> bool {
    let variation = |experiment: &str, variation: &str| {
        snapshot
            .experiment(experiment)
            .map(|found| &found.record().definition)
            .filter(|definition| definition.variations.iter().any(|known| known.key.as_str() == variation))
    };
    match event {
        EventKind::ConfigFetch { key, .. } => snapshot.parameter(key.as_str()).is_some(),
        EventKind::FlagEvaluation { flag, .. } => snapshot.flag(flag.as_str()).is_some(),
        EventKind::Exposure { experiment, variation: key, .. } => variation(experiment.as_str(), key.as_str()).is_some(),
        EventKind::Conversion { experiment, variation: key, metric, .. } => {
            variation(experiment.as_str(), key.as_str()).is_some_and(|definition| definition.metrics().any(|m| m.id == *metric))
        }
        _ => false,
    }
}

impl From<&RejectedEvent> for Rejection {
    fn from(rejected: &RejectedEvent) -> Self {
        let reasons: Vec<String> = rejected.issues.iter().map(ToString::to_string).collect();
        Self { index: rejected.index, reason: reasons.join("; ") }
    }
}
