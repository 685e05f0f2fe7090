//! Experiments: who takes part, and in which variation.

use std::fmt;
use std::sync::Arc;

use togglebox_core::Timestamp;

use super::schedule::{Phase, Schedule};
use super::{Attribute, Case, Condition, Context, Outcome, Rule, Rules, Split, TextMap};
use crate::{Bucketing, Experiment, ExperimentDefinition, ExperimentStatus, TargetedCountry, Variation};

/// An experiment, ready to assign users.
#[derive(Clone, Debug)]
pub struct CompiledExperiment {
    record: Experiment,
    schedule: Schedule,
    rules: Rules<Verdict>,
}

/// The index of a variation, or why there is none.
type Verdict = Result<Outcome<usize>, NotAssigned>;

impl CompiledExperiment {
    /// Compiles an experiment as it is stored. Always possible: a share of an unknown variation falls to the last one, as does what
    /// the shares leave over.
    pub fn compile(record: Experiment) -> Self {
        let definition = &record.definition;
        let schedule = Schedule::read(definition.scheduled_start_at.as_deref(), definition.scheduled_end_at.as_deref());
        let rules = compile(record.key.as_str(), definition);
        Self { record, schedule, rules }
    }

    /// The experiment as it is stored.
    pub const fn record(&self) -> &Experiment {
        &self.record
    }

    /// The variation of `context`.
    ///
    /// # Errors
    /// Why there is none.
    pub fn assign(&self, context: &Context<'_>, now: Timestamp) -> Result<Assignment<'_>, NotAssigned> {
        if self.record.status != ExperimentStatus::Running {
            return Err(NotAssigned::NotRunning);
        }
        match self.schedule.phase(now) {
            Phase::Before => return Err(NotAssigned::NotStartedYet),
            Phase::After => return Err(NotAssigned::Ended),
            Phase::During => {}
        }
        let index = self.rules.decide(context).as_ref().map_err(|reason| *reason)?.choose(context.user_id());
        let variation = self.record.definition.variations.get(index).ok_or(NotAssigned::NoVariations)?;
        Ok(Assignment { variation })
    }
}

/// A user's place in an experiment.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Assignment<'e> {
    /// The variation.
    pub variation: &'e Variation,
}

impl Assignment<'_> {
    /// Why, for programs.
    pub const CODE: &'static str = "HASH_ASSIGNMENT";
    /// The sentence that the contract puts on the wire.
    pub const TEXT: &'static str = "Assigned via consistent hash";
}

/// Why a user is not in an experiment. The contract's sentence does not tell; the code does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NotAssigned {
    /// It is a draft, paused, completed or archived.
    NotRunning,
    /// Its schedule begins later.
    NotStartedYet,
    /// Its schedule is over.
    Ended,
    /// The user is on the list of those who never take part.
    ForceExcluded,
    /// The user's country is unknown, or not one of the experiment's.
    CountryNotTargeted,
    /// The user's language is unknown, or not one of the country's.
    LanguageNotTargeted,
    /// There is nothing to be assigned to.
    NoVariations,
}

impl NotAssigned {
    /// The sentence that the contract puts on the wire, whatever the reason.
    pub const TEXT: &'static str = "User not eligible for experiment";

    /// A stable code, for programs.
    pub const fn code(self) -> &'static str {
        match self {
            Self::NotRunning => "NOT_RUNNING",
            Self::NotStartedYet => "NOT_STARTED_YET",
            Self::Ended => "ENDED",
            Self::ForceExcluded => "FORCE_EXCLUDED",
            Self::CountryNotTargeted => "COUNTRY_NOT_TARGETED",
            Self::LanguageNotTargeted => "LANGUAGE_NOT_TARGETED",
            Self::NoVariations => "NO_VARIATIONS",
        }
    }
}

impl fmt::Display for NotAssigned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

fn compile(key: &str, definition: &ExperimentDefinition) -> Rules<Verdict> {
    let targeting = &definition.targeting;
    let takes_part = split(key, definition);
    let mut rules = Vec::new();
    for (users, verdict) in [
        (&targeting.force_exclude_users, Err(NotAssigned::ForceExcluded)),
        // Included users pass the gate of countries, nothing else.
        (&targeting.force_include_users, takes_part.clone()),
    ] {
        if !users.is_empty() {
            rules.push(Rule::When(Condition::OneOf(Attribute::UserId, TextMap::set(Case::Exact, users)), verdict));
        }
    }
    if targeting.countries.is_empty() {
        return Rules::new(rules, takes_part);
    }
    let cases = targeting.countries.iter().map(|country| (&country.country, within_country(country, &takes_part)));
    rules.push(Rule::Switch(Attribute::Country, TextMap::new(Case::Upper, cases)));
    Rules::new(rules, Err(NotAssigned::CountryNotTargeted))
}

fn within_country(country: &TargetedCountry, takes_part: &Verdict) -> Rules<Verdict> {
    let languages = country.languages.as_deref().unwrap_or_default();
    if languages.is_empty() {
        return Rules::always(takes_part.clone());
    }
    let spoken = TextMap::set(Case::Lower, languages.iter().map(|language| &language.language));
    let rule = Rule::When(Condition::OneOf(Attribute::Language, spoken), takes_part.clone());
    Rules::new([rule], Err(NotAssigned::LanguageNotTargeted))
}

fn split(key: &str, definition: &ExperimentDefinition) -> Verdict {
    let variations = &definition.variations;
    let last = variations.len().checked_sub(1).ok_or(NotAssigned::NoVariations)?;
    let shares = definition.traffic_allocation.iter().map(|share| {
        let index = variations.iter().position(|variation| variation.key == share.variation_key);
        (share.percentage, index.unwrap_or(last))
    });
    Ok(Outcome::Split(Arc::new(Split::new(Bucketing::default().for_key(key), shares, last))))
}
