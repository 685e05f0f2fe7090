//! Who gets what: pure, total and deterministic.
//!
//! There is one core. [`Rules`] are read in order over a [`Context`]; the first that applies says what follows, and something always
//! follows. What is served is an [`Outcome`]: one thing for everybody, or a [`Split`] by weight under a named
//! [`Bucketing`](crate::Bucketing) scheme. Flags and experiments are two front ends: each compiles its definition into such rules
//! once, and only looks things up from then on. A richer model (more values, segments, attributes) is another front end:
//!
//! ```
//! use std::sync::Arc;
//!
//! use togglebox_toggles::evaluation::{Attribute, Case, Condition, Outcome, Rule, Rules, Split, TextMap};
//! use togglebox_toggles::{AttributeValue, Bucketing, Context};
//!
//! let half = Split::new(Bucketing::default().for_key("checkout"), [(50.0, "new")], "old");
//! let staff = Condition::OneOf(Attribute::Named("plan".into()), TextMap::set(Case::Lower, ["staff"]));
//! let rules = Rules::new([Rule::When(staff, Outcome::Fixed("new"))], Outcome::Split(Arc::new(half)));
//!
//! let attributes = [("plan", AttributeValue::Text("Staff"))];
//! let context = Context::new("user-1").attributes(&attributes);
//! assert_eq!(rules.decide(&context).choose(context.user_id()), "new");
//! ```

mod condition;
mod context;
mod experiment;
mod flag;
mod outcome;
mod rules;
mod schedule;
mod text;

pub use condition::Condition;
pub use context::{Attribute, AttributeValue, Context};
pub use experiment::{Assignment, CompiledExperiment, NotAssigned};
pub use flag::{CompiledFlag, FlagOutcome, FlagReason};
pub use outcome::{Outcome, Split};
pub use rules::{Rule, Rules};
pub use text::{Case, TextMap};
