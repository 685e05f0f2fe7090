//! Every kind of figure.

use togglebox_core::{Clock as _, StoreError, StoreErrorKind, StoreResult, SystemClock};
use togglebox_toggles::Side;
use togglebox_toggles::statistics::Sketch;
use togglebox_toggles::store::{MAX_SUM, Subject};
use uuid::Uuid;

use super::super::super::item::{Attribute, Attributes, Draft, Item};
use super::super::super::key::{Key, Kind, SK};
use super::super::super::table::EXPIRES_AT;
use super::super::super::transfer::{DUMP, refusal};
use super::super::actions::{LAST_AT, SKETCH, SUM, WRITES, number};
use super::super::change::Counter;
use super::super::exact::Exact;
use super::super::hours::expiry;
use super::super::key::{COUNTRIES, DAYS, Figures, METRICS, SKETCHES};
use super::super::{read, remembered_until};
use super::figure::{Figure, Shelf};
use crate::transfer::record::{
    ExperimentConversion, ExperimentDay, ExperimentMetricDay, ExperimentStatistics, ExperimentSubject, FlagCountry, FlagDay,
    FlagStatistics, FlagUsers, ParameterClients, ParameterStatistics,
};

/// A key as a record has it.
fn name<T: TryFrom<String>>(key: &str, items: &[Item]) -> StoreResult<T> {
    T::try_from(key.to_owned()).map_err(|_| unreadable(items, SK, "what it is of has no such key"))
}

fn unreadable(items: &[Item], attribute: &'static str, why: &'static str) -> StoreError {
    let nothing = Item::new();
    Attributes::new(items.first().unwrap_or(&nothing), DUMP).unreadable(attribute, why)
}

/// What all items at one key say alike.
fn of<T: Attribute>(items: &[Item], attribute: &'static str) -> StoreResult<T> {
    let nothing = Item::new();
    Attributes::new(items.first().unwrap_or(&nothing), DUMP).get(attribute)
}

fn sort_key(items: &[Item]) -> StoreResult<String> {
    of(items, SK)
}

fn count(items: &[Item], counter: Counter) -> StoreResult<u64> {
    read::total(items, DUMP, counter)
}

fn last_at(items: &[Item]) -> StoreResult<togglebox_core::Timestamp> {
    read::last_at(items, DUMP)?.ok_or_else(|| unreadable(items, LAST_AT, "it is missing"))
}

fn counted(draft: Draft, counts: &[(Counter, u64)]) -> Draft {
    counts.iter().fold(draft, |draft, (counter, count)| draft.with(counter.attribute(), *count))
}

/// A sum is kept as digits. None larger than this can be counted here, or told by anybody.
fn summed(draft: Draft, sum: f64) -> StoreResult<Draft> {
    if !(-MAX_SUM..=MAX_SUM).contains(&sum) {
        return Err(refusal(StoreErrorKind::Refused("sum-is-bounded")));
    }
    let mut exact = Exact::default();
    exact.add(sum);
    Ok(exact.digits().fold(draft, |draft, (place, digit)| draft.with(&format!("{SUM}{place}"), number(digit))))
}

fn sum(items: &[Item]) -> StoreResult<f64> {
    let mut all = Exact::default();
    for item in items {
        all.merge(&read::digits(item, DUMP)?);
    }
    Ok(read::sum(&all))
}

/// An old sketch stays for a day all the same: the import is compared with its file, and the service would remove what has expired.
fn sketched(draft: Draft, hour: i64, sketch: &[u8]) -> StoreResult<Draft> {
    if Sketch::from_bytes(sketch).is_none() {
        return Err(refusal(StoreErrorKind::Refused("sketch")));
    }
    let expires_at = expiry(hour).max(remembered_until(SystemClock.now()));
    Ok(draft.with(SKETCH, sketch.to_vec()).with(WRITES, 1_u64).with(EXPIRES_AT, expires_at))
}

/// A sketch that nobody shares is told as it stands.
fn sketch(items: &[Item]) -> StoreResult<Vec<u8>> {
    let mut all: Option<Sketch> = None;
    for item in items {
        let bytes: Vec<u8> = Attributes::new(item, DUMP).get(SKETCH)?;
        let sketch = Sketch::from_bytes(&bytes).ok_or_else(|| unreadable(items, SKETCH, "not a distinct-count sketch"))?;
        match &mut all {
            None if items.len() == 1 => return Ok(bytes),
            None => all = Some(sketch),
            Some(all) => all.merge(&sketch),
        }
    }
    Ok(all.unwrap_or_default().to_bytes())
}

/// Side and hour of a sketch.
fn hour(items: &[Item]) -> StoreResult<(Option<Side>, i64)> {
    let sk = sort_key(items)?;
    let parts = sk.strip_prefix(SKETCHES).and_then(|rest| rest.split_once('#'));
    let (side, hour) = parts.ok_or_else(|| unreadable(items, SK, "it has no hour"))?;
    let hour = hour.parse().map_err(|_| unreadable(items, SK, "it does not end with an hour"))?;
    let side = match side {
        "" => None,
        side => Some(
            *[Side::A, Side::B]
                .iter()
                .find(|known| known.as_str() == side)
                .ok_or_else(|| unreadable(items, SK, "it has no such side"))?,
        ),
    };
    Ok((side, hour))
}

/// The subject that a sort key begins with.
fn subject(items: &[Item]) -> StoreResult<[u8; 16]> {
    let sk = sort_key(items)?;
    let digits = sk.get(..32).ok_or_else(|| unreadable(items, SK, "it has no subject"))?;
    let number = u128::from_str_radix(digits, 16).map_err(|_| unreadable(items, SK, "it does not begin with a subject"))?;
    Ok(number.to_be_bytes())
}

/// Says of a record of what it is, where it stands, and what its item holds.
macro_rules! figure {
    (
        $name:ident of $kind:ident on $shelf:expr,
        key |$at:ident, $figures:ident| $key:expr,
        draft |$from:ident, $draft:ident| $drafted:expr,
        read |$environment:ident, $of:ident, $items:ident| $read:expr
    ) => {
        impl Figure for $name {
            const KIND: Kind = Kind::$kind;
            const SHELF: Shelf = $shelf;

            fn of(&self) -> (Uuid, &str) {
                (self.environment, self.key.as_str())
            }

            fn key(&self, $figures: Figures) -> Key {
                let $at = self;
                $key
            }

            fn draft(&self, $draft: Draft) -> StoreResult<Draft> {
                let $from = self;
                $drafted
            }

            fn read($environment: Uuid, $of: &str, $items: &[Item]) -> StoreResult<Option<Self>> {
                $read
            }
        }
    };
}

figure!(
    ParameterStatistics of Parameter on Shelf::Total,
    key |_at, figures| figures.total(),
    draft |it, draft| Ok(counted(draft, &[(Counter::Fetches, it.fetches)]).with(LAST_AT, it.last_at)),
    read |environment, key, items| Ok(Some(Self {
        environment, key: name(key, items)?, fetches: count(items, Counter::Fetches)?, last_at: last_at(items)?,
    }))
);

figure!(
    ParameterClients of Parameter on Shelf::Counts(SKETCHES),
    key |it, figures| figures.sketch(None, it.hour),
    draft |it, draft| sketched(draft, it.hour, &it.sketch),
    read |environment, key, items| {
        let (_, hour) = hour(items)?;
        Ok(Some(Self { environment, key: name(key, items)?, hour, sketch: sketch(items)? }))
    }
);

figure!(
    FlagStatistics of Flag on Shelf::Total,
    key |_at, figures| figures.total(),
    draft |it, draft| Ok(served(draft, it.served_a, it.served_b).with(LAST_AT, it.last_at)),
    read |environment, key, items| {
        let (served_a, served_b) = (count(items, Counter::ServedA)?, count(items, Counter::ServedB)?);
        Ok(Some(Self { environment, key: name(key, items)?, served_a, served_b, last_at: last_at(items)? }))
    }
);

figure!(
    FlagDay of Flag on Shelf::Counts(DAYS),
    key |it, figures| figures.day(&it.day),
    draft |it, draft| Ok(served(draft, it.served_a, it.served_b).with("day", it.day.as_str())),
    read |environment, key, items| {
        let (served_a, served_b) = (count(items, Counter::ServedA)?, count(items, Counter::ServedB)?);
        Ok(Some(Self { environment, key: name(key, items)?, day: of(items, "day")?, served_a, served_b }))
    }
);

figure!(
    FlagCountry of Flag on Shelf::Counts(COUNTRIES),
    key |it, figures| figures.country(&it.country),
    draft |it, draft| Ok(served(draft, it.served_a, it.served_b).with("country", it.country.as_str())),
    read |environment, key, items| {
        let (served_a, served_b) = (count(items, Counter::ServedA)?, count(items, Counter::ServedB)?);
        Ok(Some(Self { environment, key: name(key, items)?, country: of(items, "country")?, served_a, served_b }))
    }
);

figure!(
    FlagUsers of Flag on Shelf::Alone(SKETCHES),
    key |it, figures| figures.sketch(Some(it.side), it.hour),
    draft |it, draft| sketched(draft, it.hour, &it.sketch),
    read |environment, key, items| {
        let (side, hour) = hour(items)?;
        let side = side.ok_or_else(|| unreadable(items, SK, "it has no side"))?;
        Ok(Some(Self { environment, key: name(key, items)?, side, hour, sketch: sketch(items)? }))
    }
);

figure!(
    ExperimentStatistics of Experiment on Shelf::Total,
    key |_at, figures| figures.total(),
    draft |it, draft| Ok(draft.with(LAST_AT, it.last_at)),
    read |environment, key, items| Ok(Some(Self { environment, key: name(key, items)?, last_at: last_at(items)? }))
);

figure!(
    ExperimentDay of Experiment on Shelf::Counts(DAYS),
    key |it, figures| figures.variation_day(&it.day, &it.variation),
    draft |it, draft| {
        let counts =
            [(Counter::Exposures, it.exposures), (Counter::NewUsers, it.new_users), (Counter::Conversions, it.conversions)];
        Ok(counted(draft, &counts).with("day", it.day.as_str()).with("variation", it.variation.as_str()))
    },
    read |environment, key, items| Ok(Some(Self {
        environment,
        key: name(key, items)?,
        variation: of(items, "variation")?,
        day: of(items, "day")?,
        exposures: count(items, Counter::Exposures)?,
        new_users: count(items, Counter::NewUsers)?,
        conversions: count(items, Counter::Conversions)?,
    }))
);

figure!(
    ExperimentMetricDay of Experiment on Shelf::Counts(METRICS),
    key |it, figures| figures.metric_day(&it.day, &it.variation, &it.metric),
    draft |it, draft| {
        let draft = counted(draft, &[(Counter::Conversions, it.conversions)]).with("day", it.day.as_str());
        summed(draft.with("variation", it.variation.as_str()).with("metric", it.metric.as_str()), it.total)
    },
    read |environment, key, items| Ok(Some(Self {
        environment,
        key: name(key, items)?,
        variation: of(items, "variation")?,
        metric: of(items, "metric")?,
        day: of(items, "day")?,
        conversions: count(items, Counter::Conversions)?,
        total: sum(items)?,
    }))
);

figure!(
    ExperimentSubject of Experiment on Shelf::Subjects,
    key |it, figures| figures.exposure(&Subject(it.subject), &it.variation),
    draft |it, draft| Ok(draft.with("variation", it.variation.as_str()).with("day", it.first_day.as_str())),
    read |environment, key, items| {
        if items.iter().any(|item| item.contains_key("metric")) {
            return Ok(None);
        }
        let (variation, first_day) = (of(items, "variation")?, of(items, "day")?);
        Ok(Some(Self { environment, key: name(key, items)?, variation, subject: subject(items)?, first_day }))
    }
);

figure!(
    ExperimentConversion of Experiment on Shelf::Subjects,
    key |it, figures| figures.conversions(&Subject(it.subject), &it.variation, &it.metric),
    draft |it, draft| {
        let draft = counted(draft, &[(Counter::Conversions, it.conversions), (Counter::Values, it.valued)]);
        summed(draft.with("variation", it.variation.as_str()).with("metric", it.metric.as_str()), it.total)
    },
    read |environment, key, items| {
        if !items.iter().any(|item| item.contains_key("metric")) {
            return Ok(None);
        }
        Ok(Some(Self {
            environment,
            key: name(key, items)?,
            variation: of(items, "variation")?,
            metric: of(items, "metric")?,
            subject: subject(items)?,
            conversions: count(items, Counter::Conversions)?,
            valued: count(items, Counter::Values)?,
            total: sum(items)?,
        }))
    }
);

fn served(draft: Draft, a: u64, b: u64) -> Draft {
    counted(draft, &[(Counter::ServedA, a), (Counter::ServedB, b)])
}
