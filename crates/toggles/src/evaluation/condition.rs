//! Conditions over a context.

use super::{Attribute, AttributeValue, Context, TextMap};

/// A test of a context. An attribute that is absent, or of another type, fails a test of it (and so passes its negation).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Condition {
    /// Every one holds; true of none.
    All(Box<[Self]>),
    /// One of them holds; false of none.
    Any(Box<[Self]>),
    /// It does not hold.
    Not(Box<Self>),
    /// The text is one of these.
    OneOf(Attribute, TextMap<()>),
    /// The number is this or more.
    AtLeast(Attribute, f64),
    /// The boolean is true.
    Holds(Attribute),
}

impl Condition {
    /// Whether `context` passes.
    pub fn holds(&self, context: &Context<'_>) -> bool {
        match self {
            Self::All(conditions) => conditions.iter().all(|condition| condition.holds(context)),
            Self::Any(conditions) => conditions.iter().any(|condition| condition.holds(context)),
            Self::Not(condition) => !condition.holds(context),
            Self::OneOf(attribute, texts) => context.text(attribute).is_some_and(|text| texts.contains(text)),
            Self::AtLeast(attribute, bound) => {
                matches!(context.get(attribute), Some(AttributeValue::Number(number)) if number >= *bound)
            }
            Self::Holds(attribute) => context.get(attribute) == Some(AttributeValue::Boolean(true)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::Case;

    fn named(name: &str) -> Attribute {
        Attribute::Named(name.into())
    }

    #[test]
    fn each_test_reads_its_own_type() {
        let attributes = [
            ("plan", AttributeValue::Text("Pro")),
            ("age", AttributeValue::Number(30.0)),
            ("beta", AttributeValue::Boolean(true)),
        ];
        let context = Context::new("u").attributes(&attributes);
        let plan = |name: &str| Condition::OneOf(named(name), TextMap::set(Case::Lower, ["pro"]));
        assert!(plan("plan").holds(&context));
        assert!(!plan("age").holds(&context));
        assert!(!plan("gone").holds(&context));
        assert!(Condition::AtLeast(named("age"), 30.0).holds(&context));
        assert!(!Condition::AtLeast(named("age"), 30.1).holds(&context));
        assert!(!Condition::AtLeast(named("beta"), 0.0).holds(&context));
        assert!(Condition::Holds(named("beta")).holds(&context));
        assert!(!Condition::Holds(named("plan")).holds(&context));
    }

    #[test]
    fn conditions_combine() {
        let context = Context::new("u");
        let is = |user: &str| Condition::OneOf(Attribute::UserId, TextMap::set(Case::Exact, [user]));
        let not = |condition| Condition::Not(Box::new(condition));
        assert!(Condition::All([is("u"), not(is("v"))].into()).holds(&context));
        assert!(!Condition::All([is("u"), is("v")].into()).holds(&context));
        assert!(Condition::Any([is("v"), is("u")].into()).holds(&context));
        assert!(!Condition::Any([is("v"), not(is("u"))].into()).holds(&context));
        assert!(Condition::All([].into()).holds(&context));
        assert!(!Condition::Any([].into()).holds(&context));
        assert!(not(Condition::Holds(named("gone"))).holds(&context));
    }
}
