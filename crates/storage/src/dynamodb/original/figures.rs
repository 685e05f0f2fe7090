//! Figures of parameters and flags, added up over the shards.

use std::collections::BTreeMap;

use togglebox_core::Timestamp;
use togglebox_toggles::{FlagKey, ParameterKey};
use uuid::Uuid;

use super::fields::{Fields, Why};
use super::figure_key::{FlagPart, flag_part, not_understood, plus, start_of};
use super::finding::Notes;
use super::row::Row;
use crate::transfer::Record;
use crate::transfer::record::{FlagCountry, FlagDay, FlagStatistics, ParameterStatistics};

/// Attributes that repeat what the key says, or when something was counted last.
pub(super) const REPEATED: [&str; 9] =
    ["platform", "environment", "configKey", "parameterKey", "flagKey", "experimentKey", "variationKey", "metricId", "updatedAt"];

/// Reads rows with `read`, one at a time; what it refuses is left.
pub(super) fn each_row(rows: Vec<Row>, notes: &mut Notes, mut read: impl FnMut(Row, &mut Notes) -> Result<(), Why>) {
    for row in rows {
        let key = row.key();
        if let Err(why) = read(row, notes) {
            notes.left(key, why);
        }
    }
}

/// The later of two moments.
pub(super) fn later(last: &mut Option<Timestamp>, at: Option<Timestamp>) {
    *last = (*last).max(at);
}

/// A parameter's figures.
pub(super) fn parameter(environment: Uuid, key: &ParameterKey, rows: Vec<Row>, notes: &mut Notes) -> Vec<Record> {
    let (mut fetches, mut last, mut seen) = (0, None, None);
    each_row(rows, notes, |row, notes| {
        if row.sk.strip_prefix("STATS#CONFIG#") != Some(key.as_str()) {
            return Err(not_understood());
        }
        let name = row.key();
        let mut fields = Fields::of(row);
        fields.drop(&REPEATED);
        let count = fields.count("fetchCount")?;
        later(&mut last, fields.time("lastFetchedAt")?);
        fetches = plus(fetches, count);
        seen = Some(name);
        fields.tell_rest(notes);
        Ok(())
    });
    let Some(name) = seen else { return Vec::new() };
    let last_at = last_or(last, None, &name, notes);
    vec![ParameterStatistics { environment, key: key.clone(), fetches, last_at }.into()]
}

/// When something was counted last, or at least a day when it was.
fn last_or(last: Option<Timestamp>, day: Option<&String>, name: &str, notes: &mut Notes) -> Timestamp {
    last.unwrap_or_else(|| {
        let at = day.and_then(|day| start_of(day)).unwrap_or(Timestamp::EPOCH);
        notes.otherwise(name, format!("it does not tell when it was counted last; it is {at} now"));
        at
    })
}

#[derive(Debug, Default)]
struct Sides {
    a: u64,
    b: u64,
}

impl Sides {
    fn read(fields: &mut Fields) -> Result<Self, Why> {
        Ok(Self { a: fields.count("valueACount")?, b: fields.count("valueBCount")? })
    }

    fn add(&mut self, more: &Self) {
        self.a = plus(self.a, more.a);
        self.b = plus(self.b, more.b);
    }
}

/// A flag's figures. Countries that differ in case only are one here.
pub(super) fn flag(environment: Uuid, key: &FlagKey, rows: Vec<Row>, notes: &mut Notes) -> Vec<Record> {
    let (mut total, mut last) = (None::<(Sides, String)>, None);
    let (mut days, mut countries) = (BTreeMap::<String, Sides>::new(), BTreeMap::<String, Sides>::new());
    each_row(rows, notes, |row, notes| {
        let part = flag_part(&row, key.as_str()).ok_or_else(not_understood)?;
        let name = row.key();
        let mut fields = Fields::of(row);
        fields.drop(&REPEATED);
        let sides = Sides::read(&mut fields)?;
        match part {
            FlagPart::Total => {
                let all = fields.count("totalEvaluations")?;
                if all != plus(sides.a, sides.b) {
                    notes.otherwise(name.as_str(), format!("it counts {all} in all; it is the sum of both values now"));
                }
                later(&mut last, fields.time("lastEvaluatedAt")?);
                total.get_or_insert_with(|| (Sides::default(), name)).0.add(&sides);
            }
            FlagPart::Day(day) => {
                fields.same("date", &day)?;
                days.entry(day).or_default().add(&sides);
            }
            FlagPart::Country(country) => {
                fields.same("country", &country)?;
                countries.entry(country.to_uppercase()).or_default().add(&sides);
            }
        }
        fields.tell_rest(notes);
        Ok(())
    });
    let mut records = Vec::with_capacity(1 + days.len() + countries.len());
    if let Some((Sides { a, b }, name)) = total {
        let last_at = last_or(last, days.last_key_value().map(|(day, _)| day), &name, notes);
        records.push(FlagStatistics { environment, key: key.clone(), served_a: a, served_b: b, last_at }.into());
    }
    for (day, Sides { a, b }) in days {
        records.push(FlagDay { environment, key: key.clone(), day, served_a: a, served_b: b }.into());
    }
    for (country, Sides { a, b }) in countries {
        records.push(FlagCountry { environment, key: key.clone(), country, served_a: a, served_b: b }.into());
    }
    records
}
