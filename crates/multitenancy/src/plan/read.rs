//! Reads limits out of documents, and says everything that is wrong with them.

use serde_json::Value;
use togglebox_core::input::{Issues, Patch, Reader};

use super::{Beyond, Limit, LimitOverrides, Limited, Limits, Plan, PlanName, QuotaPolicy};

/// The most that can be written down exactly, whatever reads it: 2⁵³ - 1.
const MOST: f64 = 9_007_199_254_740_991.0;

impl LimitOverrides {
    /// Reads `{"flags": 100, "members": null}`: a whole number of at least 1, `null` for no limit, absent for the plan's.
    ///
    /// Notes unknown members, zeroes and negative numbers, each with its path.
    pub fn read(reader: &Reader<'_>) -> Option<Self> {
        let object = reader.object()?;
        let before = reader.problems();
        let mut overrides = Self::NONE;
        for (word, _) in object {
            let place = reader.field(word);
            match Limited::parse(word) {
                Some(limited) => match place.nullable(limit) {
                    Some(Patch::Keep) | None => {}
                    Some(Patch::Clear) => overrides = overrides.with(limited, Some(Limit::Unlimited)),
                    Some(Patch::Set(limit)) => overrides = overrides.with(limited, Some(limit)),
                },
                None => place.issue(format!("Unknown limit. Expected {}", words())),
            }
        }
        (reader.problems() == before).then_some(overrides)
    }
}

fn limit(place: &Reader<'_>) -> Option<Limit> {
    let number = place.number().positive().max(MOST).whole()?;
    Limit::of(number)
}

fn words() -> String {
    Limited::ALL.map(Limited::as_str).join(", ")
}

/// The plans of a document, in its order.
pub(super) fn plans(root: &Reader<'_>) -> Result<Vec<Plan>, Issues> {
    let read = || {
        let object = root.object()?;
        for word in object.keys().filter(|word| *word != "plan") {
            root.field(word).issue("Unknown field. Expected plan");
        }
        let list = root.field("plan");
        list.at_least(1, "There must be a plan");
        let plans = list.each(plan)?;
        for (i, place) in list.array()?.iter().enumerate() {
            if plans[..i].iter().any(|earlier| plans.get(i).is_some_and(|plan| plan.name == earlier.name)) {
                place.field("name").issue(format!("There is another plan of the name {}", plans[i].name));
            }
        }
        Some(plans)
    };
    let plans = read();
    root.clone().finish(plans)
}

/// TOML has no `null`: what reads as one was `nan` or `inf`, and would be no limit.
fn no_odd_numbers(place: &Reader<'_>, limits: Option<&Value>) {
    match limits {
        Some(Value::Null) => place.issue("Expected object, received number"),
        Some(Value::Object(limits)) => {
            for (word, _) in limits.iter().filter(|(_, limit)| limit.is_null()) {
                place.field(word).issue("Expected number, received nan or infinity");
            }
        }
        _ => {}
    }
}

/// What a plan may have.
const FIELDS: [&str; 5] = ["name", "title", "limits", "requests_beyond", "requests_quota"];

fn plan(place: &Reader<'_>) -> Option<Plan> {
    for word in place.object()?.keys().filter(|word| !FIELDS.contains(&word.as_str())) {
        place.field(word).issue(format!("Unknown field. Expected {}", FIELDS.join(", ")));
    }
    let name = place.field("name");
    let name = name.text().get().and_then(|text| {
        let read = PlanName::new(text);
        if let Err(why) = &read {
            name.issue(why.to_string());
        }
        read.ok()
    });
    let title = place.field("title").text().min(1, "Title is required").max(100, "Title is too long").owned();
    let limits = place.field("limits");
    no_odd_numbers(&limits, place.object()?.get("limits"));
    let limits = limits.lenient(LimitOverrides::read);
    let limits = limits?.unwrap_or_default().over(&Limits::UNLIMITED);
    if limits.get(Limited::Burst) != Limit::Unlimited && limits.get(Limited::RequestsPerSecond) == Limit::Unlimited {
        place.field("limits").field("burst").issue("A burst needs requests_per_second");
        return None;
    }
    let words = [Beyond::Refused, Beyond::Served].map(|beyond| (beyond.as_str(), beyond));
    let beyond = place.field("requests_beyond").lenient(|place| place.one_of(&words))?.unwrap_or_default();
    let words = [QuotaPolicy::Soft, QuotaPolicy::Hard].map(|quota| (quota.as_str(), quota));
    let quota = place.field("requests_quota").lenient(|place| place.one_of(&words))?.unwrap_or_default();
    if quota == QuotaPolicy::Hard && beyond == Beyond::Served {
        place.field("requests_quota").issue("A hard quota needs requests_beyond to be refused");
        return None;
    }
    Some(Plan { name: name?, title: title?, limits, beyond, quota })
}
