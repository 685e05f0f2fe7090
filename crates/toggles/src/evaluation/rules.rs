//! Ordered rules.

use super::{Attribute, Condition, Context, TextMap};

/// Rules in order: the first that applies decides, and when none does, `otherwise`.
#[derive(Clone, Debug)]
pub struct Rules<V> {
    rules: Box<[Rule<V>]>,
    otherwise: V,
}

/// One rule.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Rule<V> {
    /// Applies when the condition holds.
    When(Condition, V),
    /// Applies when the attribute's text is one of these, and then leaves the decision to that text's own rules. The same as a rule
    /// for each text, but in one look-up.
    Switch(Attribute, TextMap<Rules<V>>),
}

impl<V> Rules<V> {
    /// `rules` in order, then `otherwise`.
    pub fn new(rules: impl Into<Box<[Rule<V>]>>, otherwise: V) -> Self {
        Self { rules: rules.into(), otherwise }
    }

    /// The same for everybody.
    pub fn always(verdict: V) -> Self {
        Self::new([], verdict)
    }

    /// What follows for `context`.
    pub fn decide(&self, context: &Context<'_>) -> &V {
        for rule in &self.rules {
            match rule {
                Rule::When(condition, verdict) if condition.holds(context) => return verdict,
                Rule::When(..) => {}
                Rule::Switch(attribute, cases) => {
                    if let Some(rules) = context.text(attribute).and_then(|text| cases.get(text)) {
                        return rules.decide(context);
                    }
                }
            }
        }
        &self.otherwise
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::Case;

    #[test]
    fn the_first_that_applies_decides() {
        let user = |id: &str| Condition::OneOf(Attribute::UserId, TextMap::set(Case::Exact, [id]));
        let french = Rules::new([Rule::When(user("late"), "late french")], "french");
        let rules = Rules::new(
            [
                Rule::When(user("early"), "early"),
                Rule::Switch(Attribute::Language, TextMap::new(Case::Lower, [("fr", french)])),
                Rule::When(user("late"), "late"),
            ],
            "anyone",
        );
        let decide = |user, language| *rules.decide(&Context::new(user).language(language));
        assert_eq!(decide("early", Some("FR")), "early");
        assert_eq!(decide("late", Some("FR")), "late french");
        assert_eq!(decide("u", Some("FR")), "french");
        assert_eq!(decide("late", Some("de")), "late");
        assert_eq!(decide("late", None), "late");
        assert_eq!(decide("u", None), "anyone");
    }
}
