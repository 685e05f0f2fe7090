//! Events that clients report.

use std::borrow::Cow;

use utoipa::openapi::{OneOfBuilder, Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::value::{EventText, EventValue, FilledText, Moment, Nothing, Side};

/// Events. Each stands or falls by itself; the batch is refused only when all of them are malformed.
#[derive(ToSchema)]
pub(crate) struct EventsBody {
    #[schema(min_items = 1, max_items = 10000)]
    events: Vec<Event>,
}

/// One event, by its `type`.
struct Event;

/// A schema and those that it refers to.
fn collect<T: ToSchema>(schemas: &mut Vec<(String, RefOr<Schema>)>) {
    schemas.push((T::name().into_owned(), T::schema()));
    T::schemas(schemas);
}

impl PartialSchema for Event {
    fn schema() -> RefOr<Schema> {
        let mut kinds = OneOfBuilder::new().description(Some("One event, by its `type`."));
        for kind in [ConfigFetch::name(), FlagEvaluation::name(), Exposure::name(), Conversion::name(), NamedConversion::name()] {
            kinds = kinds.item(Ref::from_schema_name(kind));
        }
        kinds.into()
    }
}

impl ToSchema for Event {
    fn name() -> Cow<'static, str> {
        "Event".into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        for collect in [collect::<ConfigFetch>, collect::<FlagEvaluation>, collect::<Exposure>, collect::<Conversion>] {
            collect(schemas);
        }
        collect::<NamedConversion>(schemas);
    }
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
enum ConfigFetchType {
    ConfigFetch,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
enum FlagEvaluationType {
    FlagEvaluation,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
enum ExposureType {
    ExperimentExposure,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
enum ConversionType {
    Conversion,
}

/// A parameter was fetched.
#[derive(ToSchema)]
#[schema(as = ConfigFetchEvent, rename_all = "camelCase")]
struct ConfigFetch {
    #[schema(inline)]
    r#type: ConfigFetchType,
    timestamp: Moment,
    /// The parameter's key.
    key: EventText,
    /// Who asked, for counting distinct clients.
    client_id: Option<EventText>,
}

/// A flag was evaluated.
#[derive(ToSchema)]
#[schema(as = FlagEvaluationEvent, rename_all = "camelCase")]
struct FlagEvaluation {
    #[schema(inline)]
    r#type: FlagEvaluationType,
    timestamp: Moment,
    flag_key: EventText,
    /// Which value was served.
    value: Side,
    user_id: EventText,
    country: Option<EventText>,
    language: Option<EventText>,
    client_id: Option<EventText>,
}

/// A user saw a variation.
#[derive(ToSchema)]
#[schema(as = ExperimentExposureEvent, rename_all = "camelCase")]
struct Exposure {
    #[schema(inline)]
    r#type: ExposureType,
    timestamp: Moment,
    experiment_key: EventText,
    variation_key: EventText,
    user_id: EventText,
    client_id: Option<EventText>,
}

/// A user did what a metric counts.
#[derive(ToSchema)]
#[schema(as = ConversionEvent, rename_all = "camelCase")]
struct Conversion {
    #[schema(inline)]
    r#type: ConversionType,
    timestamp: Moment,
    experiment_key: EventText,
    metric_id: EventText,
    variation_key: EventText,
    user_id: EventText,
    value: Option<EventValue>,
    client_id: Option<EventText>,
}

/// A user did what a metric counts; the metric by its older member.
#[derive(ToSchema)]
#[schema(as = NamedConversionEvent, rename_all = "camelCase")]
struct NamedConversion {
    #[schema(inline)]
    r#type: ConversionType,
    timestamp: Moment,
    experiment_key: EventText,
    /// The metric's id.
    metric_name: EventText,
    #[schema(inline, nullable = false)]
    metric_id: Option<Nothing>,
    variation_key: EventText,
    user_id: EventText,
    value: Option<EventValue>,
    client_id: Option<EventText>,
}

/// A conversion, reported by itself.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(crate) struct ConversionBody {
    /// The metric's id.
    metric_id: FilledText,
    variation_key: FilledText,
    user_id: FilledText,
    /// What it was worth.
    #[schema(nullable = false)]
    value: Option<f64>,
}
