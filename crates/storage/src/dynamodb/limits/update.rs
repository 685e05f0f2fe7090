//! From a change to the words of DynamoDB.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

use super::super::table::EXPIRES_AT;
use super::plan::Change;
use super::shelf::{Kept, SPILL, parts_name, ticks, ticks_name};
use super::step::{Entry, Step};

/// An `UpdateItem` but for its key.
#[derive(Debug, Default)]
pub(super) struct Expressions {
    pub(super) condition: Vec<String>,
    set: Vec<String>,
    remove: Vec<String>,
    pub(super) names: HashMap<String, String>,
    pub(super) values: HashMap<String, AttributeValue>,
}

impl Change {
    pub(super) fn express(&self, entries: &[Entry]) -> Expressions {
        let mut words = Expressions::default();
        for (number, step) in &self.steps {
            words.step(&entries[*number], *step, self.alone_at_us);
        }
        for slot in &self.absent {
            let name = words.name(ticks_name(*slot));
            words.condition.push(format!("attribute_not_exists({name})"));
        }
        for (slot, kept) in &self.purge {
            let (name, parts) = (words.name(ticks_name(*slot)), words.name(parts_name(*slot)));
            let now = words.value(ticks(self.now.surely_past(), kept.parts));
            let as_seen = words.parts_are(&parts, kept.parts);
            words.condition.push(format!("{as_seen} AND {name} < {now}"));
            words.remove.extend([name, parts]);
        }
        if let Some((seen, until)) = self.spill {
            let name = words.name(SPILL.to_owned());
            let as_seen = match seen {
                Some(seen) => format!("{name} = {}", words.value(seen.into())),
                None => format!("attribute_not_exists({name})"),
            };
            words.condition.push(as_seen);
            let until = words.value(until.into());
            words.set.push(format!("{name} = {until}"));
        }
        if let Some(until) = self.expires_s {
            let (name, until) = (words.name(EXPIRES_AT.to_owned()), words.value(until.into()));
            words.condition.push(format!("(attribute_not_exists({name}) OR {name} <= {until})"));
            words.set.push(format!("{name} = {until}"));
        }
        words
    }
}

impl Expressions {
    pub(super) fn update(&self) -> String {
        let mut clauses = Vec::new();
        if !self.set.is_empty() {
            clauses.push(format!("SET {}", self.set.join(", ")));
        }
        if !self.remove.is_empty() {
            clauses.push(format!("REMOVE {}", self.remove.join(", ")));
        }
        clauses.join(" ")
    }

    fn step(&mut self, entry: &Entry, step: Step, alone_at_us: Option<u64>) {
        let own = entry.quota.interval_us().1;
        let (name, parts) = (self.name(ticks_name(entry.slot)), self.name(parts_name(entry.slot)));
        let (condition, to) = match step {
            Step::Add { from, upto, by } => {
                let (from, upto, by) = (self.value(from), self.value(upto), self.value(by));
                let there = format!("{} AND {name} BETWEEN {from} AND {upto}", self.parts_are(&parts, own));
                (self.new_or(&name, &there, alone_at_us), format!("if_not_exists({name}, {from}) + {by}"))
            }
            Step::Restart { below, to } => {
                let (below, to) = (self.value(below), self.value(to));
                let there = format!("{} AND {name} < {below}", self.parts_are(&parts, own));
                (self.new_or(&name, &there, alone_at_us), to)
            }
            Step::Exactly { seen, to } => {
                let (ticks, to) = (self.value(seen.ticks), self.value(to));
                (format!("{} AND {name} = {ticks}", self.parts_are(&parts, seen.parts)), to)
            }
            Step::Cap { above, to } => {
                let (above, to) = (self.value(above), self.value(to));
                (format!("{} AND {name} > {above} AND {name} <= {to}", self.parts_are(&parts, own)), to)
            }
            Step::Give { from, upto, by } => {
                let (from, upto, by) = (self.value(from), self.value(upto), self.value(by));
                (format!("{} AND {name} BETWEEN {from} AND {upto}", self.parts_are(&parts, own)), format!("{name} - {by}"))
            }
            Step::Drain { below, to } => {
                let (below, to) = (self.value(below), self.value(to));
                (format!("{} AND {name} >= {to} AND {name} < {below}", self.parts_are(&parts, own)), to)
            }
        };
        self.condition.push(condition);
        self.set.push(format!("{name} = {to}"));
        match (own, step) {
            (1, Step::Exactly { seen: Kept { parts: 1, .. }, .. }) => {}
            (1, Step::Exactly { .. }) => self.remove.push(parts),
            (1, _) => {}
            (own, _) => {
                let own = self.value(own.into());
                self.set.push(format!("{parts} = {own}"));
            }
        }
    }

    /// That it is there and so, or is new to where it may be.
    fn new_or(&mut self, name: &str, there: &str, alone_at_us: Option<u64>) -> String {
        let Some(now_us) = alone_at_us else { return format!("(attribute_not_exists({name}) OR {there})") };
        let (spill, now) = (self.name(SPILL.to_owned()), self.value(now_us.into()));
        format!("(attribute_not_exists({name}) AND (attribute_not_exists({spill}) OR {spill} < {now}) OR {there})")
    }

    fn parts_are(&mut self, name: &str, parts: u32) -> String {
        if parts == 1 {
            return format!("attribute_not_exists({name})");
        }
        format!("{name} = {}", self.value(parts.into()))
    }

    fn name(&mut self, name: String) -> String {
        // Slots are digits, so these are words already.
        let placeholder = format!("#{name}");
        self.names.insert(placeholder.clone(), name);
        placeholder
    }

    fn value(&mut self, value: u128) -> String {
        let number = AttributeValue::N(value.to_string());
        // A moment stands in many places.
        if let Some((placeholder, _)) = self.values.iter().find(|(_, known)| **known == number) {
            return placeholder.clone();
        }
        let placeholder = format!(":v{}", self.values.len());
        self.values.insert(placeholder.clone(), number);
        placeholder
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use togglebox_ratelimit::{Digest, Quota};

    use super::*;

    fn entry(limit: u32) -> Entry {
        let quota = Quota::rate(limit, Duration::from_secs(3)).burst(10).unwrap();
        Entry { slot: Digest::of([limit.to_le_bytes().as_slice()]), quota, cost: 1 }
    }

    /// The expressions of one step, with the names of the limit made short.
    fn express(entry: &Entry, step: Step, alone_at_us: Option<u64>) -> (String, String) {
        let words = Change { steps: vec![(0, step)], alone_at_us, ..Change::default() }.express(std::slice::from_ref(entry));
        let (ticks, parts) = (format!("#{}", ticks_name(entry.slot)), format!("#{}", parts_name(entry.slot)));
        let short = |text: &str| text.replace(&ticks, "#t").replace(&parts, "#d");
        (short(&words.condition.join(" AND ")), short(&words.update()))
    }

    #[test]
    fn a_limit_is_taken_from_in_one_write() {
        let add = Step::Add { from: 100, upto: 190, by: 10 };
        let (condition, update) = express(&entry(3), add, Some(100));
        assert_eq!(
            condition,
            "(attribute_not_exists(#t) AND (attribute_not_exists(#spill) OR #spill < :v0) OR \
             attribute_not_exists(#d) AND #t BETWEEN :v0 AND :v1)"
        );
        assert_eq!(update, "SET #t = if_not_exists(#t, :v0) + :v2");
        // With fractions of microseconds, in an item of its own.
        let (condition, update) = express(&entry(7), add, None);
        assert_eq!(condition, "(attribute_not_exists(#t) OR #d = :v3 AND #t BETWEEN :v0 AND :v1)");
        assert_eq!(update, "SET #t = if_not_exists(#t, :v0) + :v2, #d = :v3");
    }

    #[test]
    fn what_another_quota_wrote_is_replaced_just_as_it_was_seen() {
        let step = Step::Exactly { seen: Kept { ticks: 700, parts: 7 }, to: 101 };
        let (condition, update) = express(&entry(3), step, Some(100));
        assert_eq!(condition, "#d = :v2 AND #t = :v0");
        assert_eq!(update, "SET #t = :v1 REMOVE #d");
    }
}
