//! What is moved: one record for each thing that must survive.
//!
//! Each record stands by itself: what lives in an environment names the environment's id, what belongs to a parameter, flag or
//! experiment its key besides. Revisions and times are those of the source.

mod accounts;
mod audit;
pub(super) mod fields;
mod figures;
mod places;
mod toggles;

use std::fmt;

use serde::{Deserialize, Serialize};
use togglebox_auth::PasswordHash;

pub use self::accounts::{ApiKey, User};
pub use self::audit::Audit;
pub use self::figures::{
    ExperimentConversion, ExperimentDay, ExperimentMetricDay, ExperimentStatistics, ExperimentSubject, FlagCountry, FlagDay,
    FlagStatistics, FlagUsers, ParameterClients, ParameterStatistics,
};
pub use self::places::{Environment, Platform, Tenant};
pub use self::toggles::{Experiment, Flag, FlagVersion, Parameter, ParameterVersion};
use super::Fault;

macro_rules! records {
    ($($(#[$doc:meta])* $name:ident = $word:literal,)*) => {
        /// One record: in a file, an object with one field, whose name is the kind.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = "camelCase")]
        #[non_exhaustive]
        #[expect(clippy::large_enum_variant, reason = "no more than a batch of them is ever held")]
        pub enum Record {
            $($(#[$doc])* $name($name),)*
        }

        /// What a record is, in the order in which records are moved: parents first.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Kind {
            $($(#[$doc])* $name,)*
        }

        impl Kind {
            /// Every kind, in order.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// Its name in a file.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }
        }

        impl Record {
            /// What it is.
            pub const fn kind(&self) -> Kind {
                match self { $(Self::$name(_) => Kind::$name,)* }
            }
        }

        $(impl From<$name> for Record {
            fn from(record: $name) -> Self {
                Self::$name(record)
            }
        })*
    };
}

records! {
    /// How far the tenant has counted.
    Tenant = "tenant",
    /// A platform.
    Platform = "platform",
    /// An environment.
    Environment = "environment",
    /// A parameter's head.
    Parameter = "parameter",
    /// A version of a parameter.
    ParameterVersion = "parameterVersion",
    /// A flag's head.
    Flag = "flag",
    /// A version of a flag.
    FlagVersion = "flagVersion",
    /// An experiment.
    Experiment = "experiment",
    /// An account.
    User = "user",
    /// An API key.
    ApiKey = "apiKey",
    /// Fetches of a parameter.
    ParameterStatistics = "parameterStatistics",
    /// Who fetched a parameter in an hour.
    ParameterClients = "parameterClients",
    /// Evaluations of a flag.
    FlagStatistics = "flagStatistics",
    /// Evaluations of a flag on a day.
    FlagDay = "flagDay",
    /// Evaluations of a flag for a country.
    FlagCountry = "flagCountry",
    /// Who got a value of a flag in an hour.
    FlagUsers = "flagUsers",
    /// An experiment's last event.
    ExperimentStatistics = "experimentStatistics",
    /// A variation's traffic on a day.
    ExperimentDay = "experimentDay",
    /// A metric's conversions of a variation on a day.
    ExperimentMetricDay = "experimentMetricDay",
    /// Who saw a variation.
    ExperimentSubject = "experimentSubject",
    /// What a subject added to a metric.
    ExperimentConversion = "experimentConversion",
    /// A change.
    Audit = "audit",
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Record {
    /// The record as those may have it whose tenant it is, where the installation is somebody else's: an account without its password's
    /// hash. `None` for API keys. Whoever knows one of their keys could try with its hash which secret the installation hashes with, and
    /// under another secret none of them is good.
    #[must_use]
    pub fn without_secrets(self) -> Option<Self> {
        match self {
            Self::User(user) => Some(Self::User(User { password: PasswordHash::none(), ..user })),
            Self::ApiKey(_) => None,
            Self::Tenant(_)
            | Self::Platform(_)
            | Self::Environment(_)
            | Self::Parameter(_)
            | Self::ParameterVersion(_)
            | Self::Flag(_)
            | Self::FlagVersion(_)
            | Self::Experiment(_)
            | Self::ParameterStatistics(_)
            | Self::ParameterClients(_)
            | Self::FlagStatistics(_)
            | Self::FlagDay(_)
            | Self::FlagCountry(_)
            | Self::FlagUsers(_)
            | Self::ExperimentStatistics(_)
            | Self::ExperimentDay(_)
            | Self::ExperimentMetricDay(_)
            | Self::ExperimentSubject(_)
            | Self::ExperimentConversion(_)
            | Self::Audit(_) => Some(self),
        }
    }

    /// Checks what one field alone does not show.
    pub(super) fn check(&self) -> Result<(), Fault> {
        let wrong = |path: &str, detail: &str| {
            let path = format!("{}.{path}: ", self.kind());
            Err(Fault::Malformed { path, detail: detail.to_owned() })
        };
        match self {
            Self::Parameter(parameter) if !(1..=parameter.latest).contains(&parameter.active) => {
                wrong("active", "must be from 1 to the latest version")
            }
            Self::ParameterVersion(version) if version.version == 0 => wrong("version", "must be at least 1"),
            _ => Ok(()),
        }
    }
}
