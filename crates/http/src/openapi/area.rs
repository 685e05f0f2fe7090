//! The parts that the API is shown in.

use utoipa::openapi::Tag;
use utoipa::openapi::tag::TagBuilder;

/// A part of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Area {
    Configs,
    Flags,
    Experiments,
    Evaluation,
    Statistics,
    Platforms,
    Environments,
    Authentication,
    Users,
    ApiKeys,
    Caches,
    Audit,
    Workspaces,
    Billing,
    Members,
    Operator,
    Service,
}

impl Area {
    pub(super) const ALL: &'static [Self] = &[
        Self::Configs,
        Self::Flags,
        Self::Experiments,
        Self::Evaluation,
        Self::Statistics,
        Self::Platforms,
        Self::Environments,
        Self::Authentication,
        Self::Users,
        Self::ApiKeys,
        Self::Caches,
        Self::Audit,
        Self::Workspaces,
        Self::Billing,
        Self::Members,
        Self::Operator,
        Self::Service,
    ];

    /// The area of a path. Within an environment, what is done counts more than what it is done to.
    pub(super) fn of(path: &str) -> Self {
        let has = |word: &str| path.split('/').any(|segment| segment == word);
        let order = [
            ("admin", Self::Operator),
            ("billing", Self::Billing),
            ("webhooks", Self::Billing),
            ("members", Self::Members),
            ("invitations", Self::Members),
            ("workspace", Self::Workspaces),
            ("workspaces", Self::Workspaces),
            ("onboarding", Self::Workspaces),
            ("plans", Self::Workspaces),
            ("cache", Self::Caches),
            ("audit", Self::Audit),
            ("auth", Self::Authentication),
            ("users", Self::Users),
            ("api-keys", Self::ApiKeys),
            ("evaluate", Self::Evaluation),
            ("assign", Self::Evaluation),
            ("stats", Self::Statistics),
            ("results", Self::Statistics),
            ("conversions", Self::Statistics),
            ("configs", Self::Configs),
            ("flags", Self::Flags),
            ("experiments", Self::Experiments),
            ("environments", Self::Environments),
            ("platforms", Self::Platforms),
        ];
        order.into_iter().find(|(word, _)| has(word)).map_or(Self::Service, |(_, area)| area)
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Configs => "Configs",
            Self::Flags => "Flags",
            Self::Experiments => "Experiments",
            Self::Evaluation => "Evaluation",
            Self::Statistics => "Statistics",
            Self::Platforms => "Platforms",
            Self::Environments => "Environments",
            Self::Authentication => "Authentication",
            Self::Users => "Users",
            Self::ApiKeys => "API keys",
            Self::Caches => "Caches",
            Self::Audit => "Audit",
            Self::Workspaces => "Workspaces",
            Self::Billing => "Billing",
            Self::Members => "Members",
            Self::Operator => "Operator",
            Self::Service => "Service",
        }
    }

    const fn about(self) -> &'static str {
        match self {
            Self::Configs => "Typed parameters that clients read at run time, with their versions.",
            Self::Flags => "Feature flags with two values, targeting and rollout.",
            Self::Experiments => "Experiments, from draft to archive.",
            Self::Evaluation => "What a user gets of a flag or an experiment.",
            Self::Statistics => "Events in, figures out.",
            Self::Platforms => "The products that environments belong to.",
            Self::Environments => "The places that configs, flags and experiments live in.",
            Self::Authentication => "Registering, signing in, and lost passwords.",
            Self::Users => "One's own account, and those of others.",
            Self::ApiKeys => "Keys for programs.",
            Self::Caches => "Purging caches in front of the API.",
            Self::Audit => "Who did what.",
            Self::Workspaces => "Making workspaces, entering them, and what belongs to one: names, domains, plan.",
            Self::Billing => "What a workspace pays, and what tells us of payments.",
            Self::Members => "Who belongs to a workspace, and who is invited.",
            Self::Operator => "For those who run the service.",
            Self::Service => "Whether the service works, and this description.",
        }
    }

    pub(super) fn tag(self) -> Tag {
        TagBuilder::new().name(self.name()).description(Some(self.about())).build()
    }
}
