//! The plans that there are.

use togglebox_core::input::{Issues, Reader};

use super::{LimitOverrides, Limits, Plan, PlanName, QuotaPolicy, read};

/// A text that is no catalogue of plans.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCatalogue {
    /// It is not TOML, or a key stands twice in one table. The message shows the line.
    #[error("the plans are not TOML: {0}")]
    Syntax(String),
    /// Something in it is not as it must be; everything that is wrong.
    #[error("the plans are not in order: {}", told(.0))]
    Content(Issues),
}

fn told(issues: &Issues) -> String {
    issues.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// The plans that there are, from the least to the most. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanCatalogue(Vec<Plan>);

/// What [`PlanCatalogue::default`] reads; also a sample to begin from.
const BUILT_IN: &str = include_str!("default.toml");

impl Default for PlanCatalogue {
    /// `free`, `pro` and `enterprise`: see `default.toml` beside this file, which is [`PlanCatalogue::SAMPLE`].
    ///
    /// # Panics
    /// Never: a test reads it.
    fn default() -> Self {
        Self::from_toml(BUILT_IN).expect("the built-in plans are in order")
    }
}

impl PlanCatalogue {
    /// The built-in catalogue as text, with comments.
    pub const SAMPLE: &str = BUILT_IN;

    /// Reads a catalogue:
    ///
    /// ```
    /// use togglebox_multitenancy::{Limited, PlanCatalogue};
    ///
    /// let plans = PlanCatalogue::from_toml(r#"
    ///     [[plan]]
    ///     name = "team"
    ///     title = "Team"
    ///     limits = { flags = 200, requests_per_second = 50, burst = 100 }
    /// "#)?;
    /// let team = plans.find(&"team".parse()?).unwrap();
    /// assert_eq!(team.limits.get(Limited::Flags).get(), Some(200));
    /// assert_eq!(team.limits.get(Limited::Members).get(), None, "what is not named is unlimited");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// Strict: unknown fields, names that stand twice, and limits that are zero, negative, `nan` or `inf` are refused.
    ///
    /// # Errors
    /// [`InvalidCatalogue`].
    pub fn from_toml(text: &str) -> Result<Self, InvalidCatalogue> {
        let document: serde_json::Value = toml::from_str(text).map_err(|error| InvalidCatalogue::Syntax(error.to_string()))?;
        read::plans(&Reader::new(Some(&document))).map(Self).map_err(InvalidCatalogue::Content)
    }

    /// The plan of this name.
    pub fn find(&self, name: &PlanName) -> Option<&Plan> {
        self.0.iter().find(|plan| plan.name == *name)
    }

    /// The first plan: what a new tenant gets unless it asks for another.
    pub fn first(&self) -> &Plan {
        &self.0[0]
    }

    /// Every plan, from the least to the most.
    pub fn iter(&self) -> impl Iterator<Item = &Plan> {
        self.0.iter()
    }

    /// How exactly the requests of a tenant of this plan are kept to what is included.
    pub fn quota_policy(&self, plan: &PlanName) -> QuotaPolicy {
        self.find(plan).map_or_else(QuotaPolicy::default, |plan| plan.quota)
    }

    /// The limits of a tenant of this plan with these overrides; `None` when there is no such plan (any more).
    pub fn limits(&self, plan: &PlanName, overrides: &LimitOverrides) -> Option<Limits> {
        Some(overrides.over(&self.find(plan)?.limits))
    }
}

#[cfg(test)]
mod tests;
