//! Evaluating a flag, and assigning to an experiment, on the server.
//!
//! The figures are counted in memory and never hold an answer up. `track=false` leaves them alone: for tools that try things out.

use actix_web::http::Method;
use serde::Serialize;
use serde_json::Value;
use togglebox_auth::Permission;
use togglebox_toggles::input::EvaluationContext;
use togglebox_toggles::statistics::{Event, EventKind};
use togglebox_toggles::store::Subject;
use togglebox_toggles::{Assignment, FlagValue, NotAssigned, Scope, Side};
use utoipa::ToSchema;

use crate::call::{Call, ReadEnvironment};
use crate::error::{ApiError, Result};
use crate::query::Query;
use crate::reply::Reply;
use crate::route::{Access, Handler, Parameter, Route, handler};
use crate::schema::ContextBody;
use crate::view::flag_value;

const QUERY: &[Parameter] = &[
    Parameter { name: "userId", required: true, about: "For whom" },
    Parameter { name: "country", required: false, about: "Two letters" },
    Parameter { name: "language", required: false, about: "Two letters" },
    Parameter { name: "track", required: false, about: "`false`: do not count this evaluation" },
];
const TRACK: &[Parameter] = &[QUERY[3]];

/// What a user gets of a flag.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Evaluation<'a> {
    flag_key: &'a str,
    #[schema(value_type = Value)]
    #[serde(serialize_with = "flag_value")]
    value: &'a FlagValue,
    /// `A` or `B`.
    served_value: &'a str,
    /// For people.
    reason: &'a str,
    /// For programs.
    reason_code: &'a str,
    /// Whether A is served.
    enabled: bool,
    /// `A` or `B`.
    variant: &'a str,
}

/// A user's place in an experiment.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct AssignmentAnswer<'a> {
    experiment_key: &'a str,
    variation_key: &'a str,
    /// Any JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Value>, nullable = false)]
    value: Option<&'a Value>,
    is_control: bool,
    /// For people.
    reason: &'a str,
    /// For programs.
    reason_code: &'a str,
}

/// A user has no place in an experiment.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct NoAssignment<'a> {
    experiment_key: &'a str,
    /// `false`.
    assigned: bool,
    /// For people.
    reason: &'a str,
    /// For programs.
    reason_code: &'a str,
}

/// Either of the two.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "describes the answer; the two are serialised directly")]
enum AssignAnswer<'a> {
    Assigned(AssignmentAnswer<'a>),
    NotAssigned(NoAssignment<'a>),
}

pub(super) fn routes() -> Vec<Route> {
    let read = Access::Permission(Permission::ConfigRead);
    vec![
        Route::get(
            "/api/v1/platforms/{platform}/environments/{environment}/flags/{key}/evaluate",
            "evaluateFlag",
            Access::Conditional,
            Handler::Reads(evaluate_query),
        )
        .about("Says what a user gets of a flag")
        .query(QUERY)
        .uncached()
        .one::<Evaluation<'_>>()
        .errors(&[404, 422]),
        Route::post(
            "/api/v1/internal/platforms/{platform}/environments/{environment}/flags/{key}/evaluate",
            "evaluateFlagInternally",
            read,
            handler!(evaluate_body),
        )
        .about("Says what a user gets of a flag")
        .query(TRACK)
        .takes::<ContextBody>()
        .one::<Evaluation<'_>>()
        .errors(&[404]),
        Route::get(
            "/api/v1/platforms/{platform}/environments/{environment}/experiments/{key}/assign",
            "assignExperiment",
            Access::Conditional,
            Handler::Reads(assign_query),
        )
        .about("Says which variation of an experiment a user gets")
        .query(QUERY)
        .uncached()
        .one::<AssignAnswer<'_>>()
        .errors(&[404, 422]),
        Route::post(
            "/api/v1/internal/platforms/{platform}/environments/{environment}/experiments/{key}/assign",
            "assignExperimentInternally",
            read,
            handler!(assign_body),
        )
        .about("Says which variation of an experiment a user gets")
        .query(TRACK)
        .takes::<ContextBody>()
        .one::<AssignAnswer<'_>>()
        .errors(&[404]),
    ]
}

fn evaluate_query(call: &Call, environment: Option<&ReadEnvironment>) -> Result<Reply> {
    evaluate(call, &user(&call.query)?, environment)
}

async fn evaluate_body(call: Call) -> Result<Reply> {
    let context = EvaluationContext::read(call.body()).map_err(|issues| ApiError::validation(&issues))?;
    evaluate(&call, &context, call.environment().await?.as_ref())
}

fn assign_query(call: &Call, environment: Option<&ReadEnvironment>) -> Result<Reply> {
    assign(call, &user(&call.query)?, environment)
}

async fn assign_body(call: Call) -> Result<Reply> {
    let context = EvaluationContext::read(call.body()).map_err(|issues| ApiError::validation(&issues))?;
    assign(&call, &context, call.environment().await?.as_ref())
}

fn user(query: &Query) -> Result<EvaluationContext> {
    let texts = query.singles(["userId", "country", "language"]);
    if let Some(user) = texts.and_then(|[user_id, country, language]| EvaluationContext::of(user_id?, country, language)) {
        return Ok(user);
    }
    // What is wrong, and the words for it, are for the reader of documents to say.
    EvaluationContext::read(Some(&query.document())).map_err(|issues| ApiError::validation(&issues))
}

fn evaluate(call: &Call, user: &EvaluationContext, environment: Option<&ReadEnvironment>) -> Result<Reply> {
    let missing = || ApiError::not_found("Feature flag not found");
    let environment = environment.ok_or_else(missing)?;
    let flag = environment.value.snapshot().flag(call.param(2)).ok_or_else(missing)?;
    let outcome = flag.evaluate(&user.context());
    let answer = Evaluation {
        flag_key: flag.record().key.as_str(),
        value: outcome.value,
        served_value: outcome.side.as_str(),
        reason: outcome.reason.text(),
        reason_code: outcome.reason.code(),
        enabled: outcome.side == Side::A,
        variant: outcome.side.as_str(),
    };
    let reply = Reply::data(call.now, &answer).stale(environment.stale);
    let kind = || EventKind::FlagEvaluation {
        flag: flag.record().key.clone(),
        side: outcome.side,
        user: Subject::of(&user.user_id),
        country: user.country.clone(),
    };
    count(call, environment.value.scope(), kind);
    Ok(reply)
}

fn assign(call: &Call, user: &EvaluationContext, environment: Option<&ReadEnvironment>) -> Result<Reply> {
    let missing = || ApiError::not_found("Experiment not found");
    let environment = environment.ok_or_else(missing)?;
    let experiment = environment.value.snapshot().experiment(call.param(2)).ok_or_else(missing)?;
    let key = &experiment.record().key;
    let assignment = match experiment.assign(&user.context(), call.now) {
        Ok(assignment) => assignment,
        Err(reason) => {
            let answer = NoAssignment {
                experiment_key: key.as_str(),
                assigned: false,
                reason: NotAssigned::TEXT,
                reason_code: reason.code(),
            };
            return Ok(Reply::data(call.now, &answer).stale(environment.stale));
        }
    };
    let variation = assignment.variation;
    let answer = AssignmentAnswer {
        experiment_key: key.as_str(),
        variation_key: variation.key.as_str(),
        value: variation.value.as_ref(),
        is_control: variation.is_control,
        reason: Assignment::TEXT,
        reason_code: Assignment::CODE,
    };
    let reply = Reply::data(call.now, &answer).stale(environment.stale);
    let kind =
        || EventKind::Exposure { experiment: key.clone(), variation: variation.key.clone(), user: Subject::of(&user.user_id) };
    count(call, environment.value.scope(), kind);
    Ok(reply)
}

fn count(call: &Call, scope: &Scope, kind: impl FnOnce() -> EventKind) {
    // Who asks for the head only is served nothing.
    if call.query.get("track") != Some("false") && call.request.method() != Method::HEAD {
        call.api.recorder.record(call.tenant, scope, Event { at: call.now, kind: kind() }, call.now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_query_is_read_as_its_document_is(
            raw in "((userId|country|language|track)(=(|a|CH|de|fra|%F0%9F%98%80|%C3%A9+))?&?){0,5}",
        ) {
            let query = Query::parse(&raw).unwrap();
            let expected = EvaluationContext::read(Some(&query.document()));
            match (user(&query), expected) {
                (Ok(read), Ok(expected)) => prop_assert_eq!(read, expected),
                (Err(error), Err(issues)) => {
                    let expected = ApiError::validation(&issues);
                    prop_assert_eq!(error.body("", ""), expected.body("", ""));
                }
                (read, expected) => prop_assert!(false, "{:?} but {:?}", read, expected),
            }
        }
    }
}
