//! Events that clients report.

use serde_json::Value;
use togglebox_core::Timestamp;
use togglebox_core::input::{Issues, Reader, datetime};

use super::at_most_a_key;
use crate::statistics::{Event, EventKind};
use crate::store::Subject;
use crate::{InvalidName, Side};

/// The largest size of a value: sums of squares of billions of them stay finite.
const MAX_VALUE: f64 = 1e100;
/// How many rejected events a refusal of a whole batch describes.
const MAX_DESCRIBED: usize = 100;

/// Events, each of which stands or falls by itself.
///
/// Besides what the contract says, this takes what all of its clients send: timestamps with a numeric offset, `null` in place of an
/// absent optional member, `metricName` for `metricId`, and batches of more than a hundred.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EventBatch {
    /// What is to be counted. Whether the keys exist is the caller's to check.
    pub accepted: Vec<AcceptedEvent>,
    /// Indices of well-formed events that name something that cannot exist, such as a flag with an empty key. The contract accepts
    /// them like those of unknown keys, and there is nothing to count.
    pub unmatched: Vec<usize>,
    /// What is malformed.
    pub rejected: Vec<RejectedEvent>,
}

/// An event, and where it stood in its batch.
#[derive(Clone, Debug, PartialEq)]
pub struct AcceptedEvent {
    /// From zero.
    pub index: usize,
    /// What happened, when by the client's clock.
    pub event: Event,
}

/// A malformed event's problems.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectedEvent {
    /// From zero.
    pub index: usize,
    /// What is wrong, with paths from the batch's root (`events.3.userId`).
    pub issues: Issues,
}

impl EventBatch {
    /// The most events in a batch.
    pub const MAX_EVENTS: usize = 10_000;

    /// Reads `{events: [..]}`.
    ///
    /// # Errors
    /// There is no such list, it is empty or too long, or none of its events is well-formed. Then the problems of the first hundred
    /// are told.
    pub fn read(document: Option<&Value>) -> Result<Self, Issues> {
        let root = Reader::new(document);
        let Some(events) = root.object().and_then(|_| events(&root.field("events"))) else {
            return root.finish(None);
        };
        let mut batch = Self::default();
        for (index, place) in events.into_iter().enumerate() {
            let place = place.alone();
            let read = read(&place);
            match place.finish(read) {
                Ok(Ok(event)) => batch.accepted.push(AcceptedEvent { index, event }),
                Ok(Err(_)) => batch.unmatched.push(index),
                Err(issues) => batch.rejected.push(RejectedEvent { index, issues }),
            }
        }
        if batch.accepted.is_empty() && batch.unmatched.is_empty() {
            return Err(batch.rejected.into_iter().take(MAX_DESCRIBED).flat_map(|event| event.issues).collect());
        }
        Ok(batch)
    }

    /// How many events are well-formed.
    pub fn processed(&self) -> usize {
        self.accepted.len() + self.unmatched.len()
    }
}

fn events<'v>(place: &Reader<'v>) -> Option<Vec<Reader<'v>>> {
    let length = place.raw().and_then(Value::as_array).map(Vec::len);
    if length.is_some_and(|length| length > EventBatch::MAX_EVENTS) {
        // Not looked at any further: the list may be as long as the largest body allows.
        place.issue(format!("Array must contain at most {} element(s)", EventBatch::MAX_EVENTS));
        return None;
    }
    place.at_least(1, "Array must contain at least 1 element(s)");
    place.array().filter(|events| !events.is_empty())
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    ConfigFetch,
    FlagEvaluation,
    Exposure,
    Conversion,
}

impl Kind {
    const WORDS: [(&'static str, Self); 4] = [
        ("config_fetch", Self::ConfigFetch),
        ("flag_evaluation", Self::FlagEvaluation),
        ("experiment_exposure", Self::Exposure),
        ("conversion", Self::Conversion),
    ];
}

/// What happened, unless it names something that cannot exist.
type Named<T> = Result<T, InvalidName>;

fn read(place: &Reader<'_>) -> Option<Named<Event>> {
    place.object()?;
    let kind = place.field("type").tag(&Kind::WORDS)?;
    let at = moment(&place.field("timestamp"));
    let kind = match kind {
        Kind::ConfigFetch => config_fetch(place),
        Kind::FlagEvaluation => flag_evaluation(place),
        Kind::Exposure => exposure(place),
        Kind::Conversion => conversion(place),
    };
    let (at, kind) = (at?, kind?);
    Some(kind.map(|kind| Event { at, kind }))
}

fn config_fetch(event: &Reader<'_>) -> Option<Named<EventKind>> {
    let key = text(&event.field("key"));
    let client = event.field("clientId").lenient(text);
    let (key, client) = (key?, client?.map(|client| Subject::of(&client)));
    Some(key.parse().map(|key| EventKind::ConfigFetch { key, client }))
}

fn flag_evaluation(event: &Reader<'_>) -> Option<Named<EventKind>> {
    let flag = text(&event.field("flagKey"));
    let side = event.field("value").one_of(&Side::WORDS);
    let user = text(&event.field("userId"));
    let country = event.field("country").lenient(text);
    let (language, client) = (event.field("language").lenient(text), event.field("clientId").lenient(text));
    language.and(client)?;
    let (flag, side, user, country) = (flag?, side?, Subject::of(&user?), country?.filter(|country| !country.is_empty()));
    Some(flag.parse().map(|flag| EventKind::FlagEvaluation { flag, side, user, country }))
}

fn exposure(event: &Reader<'_>) -> Option<Named<EventKind>> {
    let experiment = text(&event.field("experimentKey"));
    let variation = text(&event.field("variationKey"));
    let user = text(&event.field("userId"));
    event.field("clientId").lenient(text)?;
    let (experiment, variation, user) = (experiment?, variation?, Subject::of(&user?));
    Some((|| Ok(EventKind::Exposure { experiment: experiment.parse()?, variation: variation.parse()?, user }))())
}

fn conversion(event: &Reader<'_>) -> Option<Named<EventKind>> {
    let experiment = text(&event.field("experimentKey"));
    let named_otherwise = event.field("metricId").raw().is_none_or(Value::is_null) && !event.field("metricName").is_absent();
    let metric = text(&event.field(if named_otherwise { "metricName" } else { "metricId" }));
    let variation = text(&event.field("variationKey"));
    let user = text(&event.field("userId"));
    let value = event.field("value").lenient(value);
    event.field("clientId").lenient(text)?;
    let (experiment, metric, variation, user, value) = (experiment?, metric?, variation?, Subject::of(&user?), value?);
    let named = || {
        let (experiment, variation) = (experiment.parse()?, variation.parse()?);
        Ok(EventKind::Conversion { experiment, metric, variation, user, value })
    };
    Some(named())
}

fn moment(place: &Reader<'_>) -> Option<Timestamp> {
    place.text().check(|text| datetime(text).is_some(), "Invalid datetime").get().and_then(datetime)
}

/// An id, key or country. Its length bounds what a reporter can make the server keep.
fn text(place: &Reader<'_>) -> Option<String> {
    at_most_a_key(place.text()).owned()
}

fn value(place: &Reader<'_>) -> Option<f64> {
    let value = place.number().get()?;
    if value.abs() > MAX_VALUE {
        place.issue("Number must be between -1e100 and 1e100");
        return None;
    }
    Some(value)
}
