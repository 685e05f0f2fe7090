//! Flags: the contract's order of rules.

use std::fmt;
use std::sync::Arc;

use super::{Attribute, Case, Condition, Context, Outcome, Rule, Rules, Split, TextMap};
use crate::{Bucketing, CountryRule, Flag, FlagDefinition, FlagValue, Side};

/// A flag, ready to be evaluated.
#[derive(Clone, Debug)]
pub struct CompiledFlag {
    record: Flag,
    rules: Rules<Verdict>,
}

type Verdict = (Outcome<Side>, FlagReason);

impl CompiledFlag {
    /// Compiles a flag as it is stored. Always possible: values of a wrong type are served as they are, and percentages outside of 0
    /// to 100 mean nobody or everybody.
    pub fn compile(record: Flag) -> Self {
        let rules = compile(record.key.as_str(), &record.definition);
        Self { record, rules }
    }

    /// The flag as it is stored.
    pub const fn record(&self) -> &Flag {
        &self.record
    }

    /// Which value `context` gets, and why.
    pub fn evaluate(&self, context: &Context<'_>) -> FlagOutcome<'_> {
        let (outcome, reason) = self.rules.decide(context);
        let side = outcome.choose(context.user_id());
        let value = match side {
            Side::A => &self.record.definition.value_a,
            Side::B => &self.record.definition.value_b,
        };
        FlagOutcome { value, side, reason: *reason }
    }
}

/// What somebody gets of a flag.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FlagOutcome<'f> {
    /// The value.
    pub value: &'f FlagValue,
    /// Which of the two it is.
    pub side: Side,
    /// Why.
    pub reason: FlagReason,
}

/// Why somebody gets what they get.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FlagReason {
    /// The flag is off. Serves B, whatever the default.
    Disabled,
    /// The user is on the list of those who get B.
    ForceExcluded,
    /// The user is on the list of those who get A.
    ForceIncluded,
    /// A country's rule for the language.
    CountryLanguageMatch,
    /// A country's rule.
    CountryMatch,
    /// The user's bucket.
    RolloutPercentage,
    /// Nothing else applied.
    Default,
}

impl FlagReason {
    /// A stable code, for programs.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Disabled => "FLAG_DISABLED",
            Self::ForceExcluded => "FORCE_EXCLUDED",
            Self::ForceIncluded => "FORCE_INCLUDED",
            Self::CountryLanguageMatch => "COUNTRY_LANGUAGE_MATCH",
            Self::CountryMatch => "COUNTRY_MATCH",
            Self::RolloutPercentage => "ROLLOUT_PERCENTAGE",
            Self::Default => "DEFAULT",
        }
    }

    /// The sentence that the contract puts on the wire. That of a disabled flag is not quite true: B is served, not the default.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Disabled => "Flag is disabled - serving default value",
            Self::ForceExcluded => "User is in force exclude list - serving valueB",
            Self::ForceIncluded => "User is in force include list - serving valueA",
            Self::CountryLanguageMatch => "Matched country and language targeting",
            Self::CountryMatch => "Matched country targeting",
            Self::RolloutPercentage => "Assigned via percentage rollout",
            Self::Default => "No targeting matched - serving default value",
        }
    }
}

impl fmt::Display for FlagReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

fn compile(key: &str, definition: &FlagDefinition) -> Rules<Verdict> {
    if !definition.enabled {
        return Rules::always((Outcome::Fixed(Side::B), FlagReason::Disabled));
    }
    let targeting = &definition.targeting;
    let mut rules = Vec::new();
    for (users, side, reason) in [
        (&targeting.force_exclude_users, Side::B, FlagReason::ForceExcluded),
        (&targeting.force_include_users, Side::A, FlagReason::ForceIncluded),
    ] {
        if !users.is_empty() {
            let listed = Condition::OneOf(Attribute::UserId, TextMap::set(Case::Exact, users));
            rules.push(Rule::When(listed, (Outcome::Fixed(side), reason)));
        }
    }
    if !targeting.countries.is_empty() {
        let cases = targeting.countries.iter().map(|rule| (&rule.country, within_country(rule)));
        rules.push(Rule::Switch(Attribute::Country, TextMap::new(Case::Upper, cases)));
    }
    let otherwise = if definition.rollout_enabled {
        let bucketer = Bucketing::default().for_key(key);
        let split = Split::new(bucketer, [(definition.rollout_percentage_a, Side::A)], Side::B);
        (Outcome::Split(Arc::new(split)), FlagReason::RolloutPercentage)
    } else {
        (Outcome::Fixed(definition.default_value), FlagReason::Default)
    };
    Rules::new(rules, otherwise)
}

/// What follows once the country matched: a flag's country always decides, the rollout is not asked any more.
fn within_country(rule: &CountryRule) -> Rules<Verdict> {
    let languages = rule.languages.as_deref().unwrap_or_default();
    let cases = languages.iter().map(|rule| {
        let verdict = (Outcome::Fixed(rule.serve_value), FlagReason::CountryLanguageMatch);
        (&rule.language, Rules::always(verdict))
    });
    let switch = (!languages.is_empty()).then(|| Rule::Switch(Attribute::Language, TextMap::new(Case::Lower, cases)));
    Rules::new(Vec::from_iter(switch), (Outcome::Fixed(rule.serve_value), FlagReason::CountryMatch))
}
