//! Figures of experiments, added up over the shards.
//!
//! Here the days are what is kept, and a total is their sum; the original keeps both, writes them one after the other, and may have
//! lost one of two. What only a total knows therefore goes to the day of its last exposure, so that the totals stay what they were.

use std::collections::BTreeMap;

use togglebox_core::Timestamp;
use togglebox_toggles::store::Subject;
use togglebox_toggles::{ExperimentKey, VariationKey};
use uuid::Uuid;

use super::fields::{Fields, Why};
use super::figure_key::{ExperimentPart, experiment_part, not_understood, plus, start_of};
use super::figures::{REPEATED, each_row, later};
use super::finding::Notes;
use super::row::Row;
use crate::transfer::Record;
use crate::transfer::record::{ExperimentDay, ExperimentMetricDay, ExperimentStatistics, ExperimentSubject};

#[derive(Debug, Default)]
struct Variation {
    /// As the total tells it.
    exposures: u64,
    last: Option<Timestamp>,
    days: BTreeMap<String, Day>,
    /// With the first day, where one is known, and whether the total knows of them.
    subjects: BTreeMap<[u8; 16], (Option<String>, bool)>,
    metrics: BTreeMap<String, Metric>,
}

#[derive(Debug, Default)]
struct Day {
    exposures: u64,
    new_users: u64,
    conversions: u64,
}

#[derive(Debug, Default)]
struct Metric {
    /// As the total tells it.
    conversions: u64,
    days: BTreeMap<String, (u64, f64)>,
}

/// An experiment's figures.
pub(super) fn experiment(environment: Uuid, key: &ExperimentKey, rows: Vec<Row>, notes: &mut Notes) -> Vec<Record> {
    let mut variations = BTreeMap::<VariationKey, Variation>::new();
    let name = rows.first().map(|row| format!("{} STATS#EXP#{key}", row.pk)).unwrap_or_default();
    each_row(rows, notes, |row, notes| {
        let (variation, part) = experiment_part(&row, key.as_str()).ok_or_else(not_understood)?;
        let variation = VariationKey::new(variation).map_err(|why| why.to_string())?;
        let mut fields = Fields::of(row);
        fields.drop(&REPEATED);
        variations.entry(variation).or_default().add(part, &mut fields, notes)?;
        fields.tell_rest(notes);
        Ok(())
    });
    if variations.is_empty() {
        return Vec::new();
    }
    let mut last = None;
    let mut records = Vec::new();
    for (variation, figures) in variations {
        later(&mut last, figures.last);
        later(&mut last, figures.days.last_key_value().and_then(|(day, _)| start_of(day)));
        let name = format!("{name}#VAR#{variation}");
        figures.into_records(environment, key, &variation, &name, notes, &mut records);
    }
    let last_at = last.unwrap_or(Timestamp::EPOCH);
    records.push(ExperimentStatistics { environment, key: key.clone(), last_at }.into());
    records
}

impl Variation {
    fn add(&mut self, part: ExperimentPart, fields: &mut Fields, notes: &mut Notes) -> Result<(), Why> {
        match part {
            ExperimentPart::Total => {
                let (views, exposures) = (fields.count("views")?, fields.count("exposures")?);
                // Written together; the first is what the original shows.
                if views != exposures {
                    notes.otherwise(
                        fields.key(),
                        format!("it counts {views} views and {exposures} exposures: the former it is now"),
                    );
                }
                let (users, last) = (fields.texts("uniqueUserIds")?, fields.time("lastExposureAt")?);
                self.exposures = plus(self.exposures, views);
                later(&mut self.last, last);
                for user in users {
                    self.subjects.entry(Subject::of(&user).0).or_default().1 = true;
                }
            }
            ExperimentPart::Day(day) => {
                fields.same("date", &day)?;
                let (views, conversions) = (fields.count("views")?, fields.count("conversions")?);
                for user in fields.texts("uniqueUserIds")? {
                    let first = &mut self.subjects.entry(Subject::of(&user).0).or_default().0;
                    if first.as_ref().is_none_or(|first| *first > day) {
                        *first = Some(day.clone());
                    }
                }
                let counted = self.days.entry(day).or_default();
                counted.exposures = plus(counted.exposures, views);
                counted.conversions = plus(counted.conversions, conversions);
            }
            ExperimentPart::Metric(metric) => {
                let (conversions, _) = metric_row(fields, notes)?;
                let metric = self.metrics.entry(metric).or_default();
                metric.conversions = plus(metric.conversions, conversions);
            }
            ExperimentPart::MetricDay(metric, day) => {
                fields.same("date", &day)?;
                let (conversions, sum) = metric_row(fields, notes)?;
                let counted = self.metrics.entry(metric).or_default().days.entry(day).or_default();
                *counted = (plus(counted.0, conversions), counted.1 + sum);
            }
        }
        Ok(())
    }

    fn into_records(
        mut self,
        environment: Uuid,
        key: &ExperimentKey,
        variation: &VariationKey,
        name: &str,
        notes: &mut Notes,
        records: &mut Vec<Record>,
    ) {
        self.settle(name, notes);
        let (key, variation) = (|| key.clone(), || variation.clone());
        for (day, Day { exposures, new_users, conversions }) in self.days {
            let day = ExperimentDay { environment, key: key(), variation: variation(), day, exposures, new_users, conversions };
            records.push(day.into());
        }
        for (metric, figures) in self.metrics {
            let days = figures.days.values().fold(0, |sum, (conversions, _)| plus(sum, *conversions));
            if days != figures.conversions {
                let what = format!("its total counts {} conversions, its days {days}: the days it is now", figures.conversions);
                notes.otherwise(format!("{name}#METRIC#{metric}"), what);
            }
            for (day, (conversions, total)) in figures.days {
                let metric = metric.clone();
                let day =
                    ExperimentMetricDay { environment, key: key(), variation: variation(), metric, day, conversions, total };
                records.push(day.into());
            }
        }
        for (subject, (first_day, _)) in self.subjects {
            // Settled above.
            let first_day = first_day.unwrap_or_default();
            records.push(ExperimentSubject { environment, key: key(), variation: variation(), subject, first_day }.into());
        }
    }

    /// Lets the days add up to the totals.
    fn settle(&mut self, name: &str, notes: &mut Notes) {
        let known = self.days.last_key_value().map(|(day, _)| day.clone());
        let day = self.last.map(Timestamp::day).or(known).unwrap_or_else(|| Timestamp::EPOCH.day());
        let counted = self.days.values().fold(0, |sum, day| plus(sum, day.exposures));
        if counted > self.exposures {
            let what = format!("its total counts {} exposures, its days {counted}: the days it is now", self.exposures);
            notes.otherwise(name, what);
        } else if counted < self.exposures {
            let more = self.exposures - counted;
            notes.otherwise(name, format!("{more} exposures of its total are those of no day: they are those of {day} now"));
            let day = self.days.entry(day.clone()).or_default();
            day.exposures = plus(day.exposures, more);
        }
        let (mut dayless, mut unknown) = (0_u64, 0_u64);
        for (first_day, in_total) in self.subjects.values_mut() {
            dayless += u64::from(first_day.is_none());
            unknown += u64::from(!*in_total);
            let first_day = first_day.get_or_insert_with(|| day.clone());
            let new = &mut self.days.entry(first_day.clone()).or_default().new_users;
            *new = plus(*new, 1);
        }
        if dayless > 0 {
            notes.otherwise(name, format!("{dayless} users of its total are those of no day: they are those of {day} now"));
        }
        if unknown > 0 {
            notes.otherwise(name, format!("{unknown} users of its days are missing from its total: they count now"));
        }
    }
}

/// Conversions and the sum of their values. The original counts samples and values with every conversion.
fn metric_row(fields: &mut Fields, notes: &mut Notes) -> Result<(u64, f64), Why> {
    let conversions = fields.count("conversions")?;
    let (samples, count, sum) = (fields.count("sampleSize")?, fields.count("count")?, fields.sum("sumValue")?);
    if samples != conversions || count != conversions {
        let what = format!("it counts {conversions} conversions, {samples} samples and {count} events: the first it is now");
        notes.otherwise(fields.key(), what);
    }
    Ok((conversions, sum))
}
