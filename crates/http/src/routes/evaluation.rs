//! Evaluating a flag, and assigning to an experiment, on the server.
//!
//! The figures are counted in memory and never hold an answer up. `track=false` leaves them alone: for tools that try things out.

use actix_web::http::Method;
use serde::Serialize;
use serde_json::Value;
use togglebox_auth::Permission;
use togglebox_toggles::evaluation::Attribute;
use togglebox_toggles::input::EvaluationContext;
use togglebox_toggles::statistics::Occurrence;
use togglebox_toggles::store::Subject;
use togglebox_toggles::{Assignment, Context, FlagValue, NotAssigned, Scope, Side};
use utoipa::ToSchema;

use crate::call::{Call, Read, ReadEnvironment};
use crate::error::{ApiError, Result};
use crate::query::Query;
use crate::reply::Reply;
use crate::route::{Access, Handler, Parameter, Route, RouteClass, handler};
use crate::schema::ContextBody;
use crate::serving::Fresh;
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
        .class(RouteClass::Evaluation)
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
        .class(RouteClass::Evaluation)
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
        .class(RouteClass::Evaluation)
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
        .class(RouteClass::Evaluation)
        .about("Says which variation of an experiment a user gets")
        .query(TRACK)
        .takes::<ContextBody>()
        .one::<AssignAnswer<'_>>()
        .errors(&[404]),
    ]
}

fn evaluate_query(call: &Read<'_>, environment: Option<ReadEnvironment<'_>>) -> Result<Reply> {
    for_user(call.query, |user| evaluate(call, user, environment))
}

async fn evaluate_body(call: Call) -> Result<Reply> {
    let context = EvaluationContext::read(call.body()).map_err(|issues| ApiError::validation(&issues))?;
    let environment = call.environment().await?;
    evaluate(&call.read(), context.context(), environment.as_ref().map(Fresh::borrowed))
}

fn assign_query(call: &Read<'_>, environment: Option<ReadEnvironment<'_>>) -> Result<Reply> {
    for_user(call.query, |user| assign(call, user, environment))
}

async fn assign_body(call: Call) -> Result<Reply> {
    let context = EvaluationContext::read(call.body()).map_err(|issues| ApiError::validation(&issues))?;
    let environment = call.environment().await?;
    assign(&call.read(), context.context(), environment.as_ref().map(Fresh::borrowed))
}

/// Does something for the user that a query names.
fn for_user<R>(query: &Query<'_>, act: impl FnOnce(Context<'_>) -> Result<R>) -> Result<R> {
    let texts = query.singles(["userId", "country", "language"]);
    if let Some(user) = texts.and_then(|[user_id, country, language]| EvaluationContext::of(user_id?, country, language)) {
        return act(user);
    }
    // What is wrong, and the words for it, are for the reader of documents to say.
    let user = EvaluationContext::read(Some(&query.document())).map_err(|issues| ApiError::validation(&issues))?;
    act(user.context())
}

fn evaluate(call: &Read<'_>, user: Context<'_>, environment: Option<ReadEnvironment<'_>>) -> Result<Reply> {
    let missing = || ApiError::not_found("Feature flag not found");
    let environment = environment.ok_or_else(missing)?;
    let flag = environment.value.snapshot().flag(call.param(2)).ok_or_else(missing)?;
    let outcome = flag.evaluate(&user);
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
    count(call, environment.value.scope(), || Occurrence::FlagEvaluation {
        flag: &flag.record().key,
        side: outcome.side,
        user: Subject::of(user.user_id()),
        country: user.text(&Attribute::Country),
    });
    Ok(reply)
}

fn assign(call: &Read<'_>, user: Context<'_>, environment: Option<ReadEnvironment<'_>>) -> Result<Reply> {
    let missing = || ApiError::not_found("Experiment not found");
    let environment = environment.ok_or_else(missing)?;
    let experiment = environment.value.snapshot().experiment(call.param(2)).ok_or_else(missing)?;
    let key = &experiment.record().key;
    let assignment = match experiment.assign(&user, call.now) {
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
    count(call, environment.value.scope(), || Occurrence::Exposure {
        experiment: key,
        variation: &variation.key,
        user: Subject::of(user.user_id()),
    });
    Ok(reply)
}

fn count<'a>(call: &Read<'_>, scope: &Scope, occurrence: impl FnOnce() -> Occurrence<'a>) {
    // Who asks for the head only is served nothing.
    if call.query.get("track") != Some("false") && call.method != Method::HEAD {
        call.api.recorder.count(call.tenant, scope, occurrence(), call.now);
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
            let read = for_user(&query, |user| Ok(format!("{user:?}")));
            match (read, EvaluationContext::read(Some(&query.document()))) {
                (Ok(read), Ok(expected)) => prop_assert_eq!(read, format!("{:?}", expected.context())),
                (Err(error), Err(issues)) => {
                    let expected = ApiError::validation(&issues);
                    prop_assert_eq!(error.body("", ""), expected.body("", ""));
                }
                (read, expected) => prop_assert!(false, "{:?} but {:?}", read, expected),
            }
        }
    }
}
