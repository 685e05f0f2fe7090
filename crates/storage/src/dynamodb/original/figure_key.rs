//! What a row of figures is about: its sort key, taken apart.

use serde_json::Value;
use togglebox_core::Timestamp;

use super::fields::{MAX_COUNT, Why};
use super::row::Row;

/// What has figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Tier {
    Parameter,
    Flag,
    Experiment,
}

impl Tier {
    /// How the sort keys of its rows begin.
    pub(super) const fn prefix(self) -> &'static str {
        match self {
            Self::Parameter => "STATS#CONFIG#",
            Self::Flag => "STATS#FLAG#",
            Self::Experiment => "STATS#EXP#",
        }
    }
}

/// The thing that a row is about. Sound keys have no `#`, whatever stands behind one.
pub(super) fn subject(sk: &str) -> Option<(Tier, &str)> {
    [Tier::Parameter, Tier::Flag, Tier::Experiment].into_iter().find_map(|tier| {
        let rest = sk.strip_prefix(tier.prefix())?;
        Some((tier, rest.split_once('#').map_or(rest, |(key, _)| key)))
    })
}

/// What rows about the same thing have in common.
pub(super) fn thing(row: &Row) -> Option<&str> {
    let (tier, key) = subject(&row.sk)?;
    row.sk.get(..tier.prefix().len() + key.len())
}

/// A part of a flag's figures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum FlagPart {
    Total,
    Day(String),
    Country(String),
}

pub(super) fn flag_part(row: &Row, key: &str) -> Option<FlagPart> {
    let rest = row.sk.strip_prefix(Tier::Flag.prefix())?.strip_prefix(key)?;
    match (rest, rest.strip_prefix("#DATE#"), rest.strip_prefix("#COUNTRY#")) {
        ("", _, _) => Some(FlagPart::Total),
        (_, Some(date), _) => day(date).map(FlagPart::Day),
        (_, _, Some(country)) => Some(FlagPart::Country(country.to_owned())),
        _ => None,
    }
}

/// A part of an experiment's figures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ExperimentPart {
    Total,
    Day(String),
    Metric(String),
    MetricDay(String, String),
}

/// The variation and the part. The id of a metric may be any text, also one that looks like a part of a key: whether a day follows it, the
/// attribute tells.
pub(super) fn experiment_part<'r>(row: &'r Row, key: &str) -> Option<(&'r str, ExperimentPart)> {
    let rest = row.sk.strip_prefix(Tier::Experiment.prefix())?.strip_prefix(key)?.strip_prefix("#VAR#")?;
    let Some((variation, rest)) = rest.split_once('#') else { return Some((rest, ExperimentPart::Total)) };
    if let Some(date) = rest.strip_prefix("DATE#") {
        return Some((variation, ExperimentPart::Day(day(date)?)));
    }
    let metric = rest.strip_prefix("METRIC#")?;
    let date = row.attributes.get("date").and_then(Value::as_str);
    let part = match date.and_then(|date| Some((metric.strip_suffix(date)?.strip_suffix("#DATE#")?, date))) {
        Some((metric, date)) => ExperimentPart::MetricDay(metric.to_owned(), day(date)?),
        None => ExperimentPart::Metric(metric.to_owned()),
    };
    Some((variation, part))
}

/// A UTC day, if it is one.
pub(super) fn day(text: &str) -> Option<String> {
    start_of(text).map(Timestamp::day).filter(|day| day == text)
}

/// When a day begins.
pub(super) fn start_of(day: &str) -> Option<Timestamp> {
    format!("{day}T00:00:00Z").parse().ok()
}

/// Two counts together, as far as one can be kept.
pub(super) fn plus(count: u64, more: u64) -> u64 {
    count.saturating_add(more).min(MAX_COUNT)
}

/// Why a row is left whose key says nothing.
pub(super) fn not_understood() -> Why {
    "its key is none of a row of figures".to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::*;

    fn row(sk: &str, date: Option<&str>) -> Row {
        let attributes = date.map(|date| ("date".to_owned(), json!(date))).into_iter().collect::<Map<_, _>>();
        Row { pk: String::new(), sk: sk.to_owned(), attributes }
    }

    #[test]
    fn keys_come_apart() {
        assert_eq!(subject("STATS#CONFIG#title"), Some((Tier::Parameter, "title")));
        assert_eq!(subject("STATS#FLAG#a#DATE#2026-01-01"), Some((Tier::Flag, "a")));
        assert_eq!(subject("STATS#EXP#a#VAR#b"), Some((Tier::Experiment, "a")));
        assert_eq!(subject("OTHER"), None);
        assert_eq!(thing(&row("STATS#EXP#a#VAR#b", None)), Some("STATS#EXP#a"));
        assert_ne!(thing(&row("STATS#CONFIG#a", None)), thing(&row("STATS#EXP#a#VAR#b", None)), "other things with the same key");
        let flag = |sk: &str| flag_part(&row(sk, None), "a");
        assert_eq!(flag("STATS#FLAG#a"), Some(FlagPart::Total));
        assert_eq!(flag("STATS#FLAG#a#DATE#2026-01-01"), Some(FlagPart::Day("2026-01-01".to_owned())));
        assert_eq!(flag("STATS#FLAG#a#DATE#2026-02-30"), None);
        assert_eq!(flag("STATS#FLAG#a#COUNTRY#us"), Some(FlagPart::Country("us".to_owned())));
        assert_eq!(flag("STATS#FLAG#a#OTHER"), None);
    }

    #[test]
    fn a_metric_may_be_called_anything() {
        let part = |sk: &str, date| {
            let row = row(sk, date);
            experiment_part(&row, "a").map(|(variation, part)| (variation.to_owned(), part))
        };
        let (b, d) = ("b".to_owned(), "2026-01-01".to_owned());
        assert_eq!(part("STATS#EXP#a#VAR#b", None), Some((b.clone(), ExperimentPart::Total)));
        assert_eq!(
            part("STATS#EXP#a#VAR#b#DATE#2026-01-01", Some("2026-01-01")),
            Some((b.clone(), ExperimentPart::Day(d.clone())))
        );
        let metric = "m#DATE#2026-01-01";
        assert_eq!(
            part("STATS#EXP#a#VAR#b#METRIC#m#DATE#2026-01-01", Some("2026-01-01")),
            Some((b.clone(), ExperimentPart::MetricDay("m".to_owned(), d)))
        );
        assert_eq!(
            part("STATS#EXP#a#VAR#b#METRIC#m#DATE#2026-01-01", None),
            Some((b, ExperimentPart::Metric(metric.to_owned())))
        );
        assert_eq!(part("STATS#EXP#a", None), None);
    }
}
