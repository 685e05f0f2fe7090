//! The original's tables and their names.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// A table of the original that things are taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum OriginalTable {
    /// Accounts.
    Users,
    /// API keys.
    ApiKeys,
    /// Platforms.
    Platforms,
    /// Environments.
    Environments,
    /// Parameters, a row for each version.
    RemoteConfigs,
    /// Flags, a row for each version.
    Flags,
    /// Experiments.
    Experiments,
    /// All figures.
    Stats,
}

impl OriginalTable {
    /// Every table, in the order in which they are looked at.
    pub const ALL: [Self; 8] = [
        Self::Users,
        Self::ApiKeys,
        Self::Platforms,
        Self::Environments,
        Self::RemoteConfigs,
        Self::Flags,
        Self::Experiments,
        Self::Stats,
    ];

    /// The tables that are not looked at: what is in them ends with the move, or was never used.
    pub const LEFT: [&str; 3] = ["password-resets", "usage", "configs"];

    /// Its name without the prefix and `togglebox-`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Users => "users",
            Self::ApiKeys => "api-keys",
            Self::Platforms => "platforms",
            Self::Environments => "environments",
            Self::RemoteConfigs => "remote-configs",
            Self::Flags => "flags",
            Self::Experiments => "experiments",
            Self::Stats => "stats",
        }
    }
}

impl fmt::Display for OriginalTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that names no table of the original.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the tables are users, api-keys, platforms, environments, remote-configs, flags, experiments and stats")]
pub struct NoSuchTable;

impl FromStr for OriginalTable {
    type Err = NoSuchTable;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|table| table.as_str() == text).ok_or(NoSuchTable)
    }
}

/// What the original's tables are called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OriginalTables {
    prefix: String,
    named: BTreeMap<OriginalTable, String>,
}

impl OriginalTables {
    /// `{prefix}togglebox-users` and so on: the original's `TABLE_PREFIX`, which may be empty.
    pub fn with_prefix(prefix: impl Into<String>) -> Self {
        Self { prefix: prefix.into(), named: BTreeMap::new() }
    }

    /// Another whole name for one of them, as the original's `DYNAMODB_USERS_TABLE` gives it.
    #[must_use]
    pub fn named(mut self, table: OriginalTable, name: impl Into<String>) -> Self {
        self.named.insert(table, name.into());
        self
    }

    /// The whole name of a table.
    pub fn name(&self, table: OriginalTable) -> String {
        self.named.get(&table).cloned().unwrap_or_else(|| format!("{}togglebox-{table}", self.prefix))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_the_prefix_unless_they_are_given() {
        let tables = OriginalTables::with_prefix("prod-").named(OriginalTable::Users, "people");
        assert_eq!(tables.name(OriginalTable::RemoteConfigs), "prod-togglebox-remote-configs");
        assert_eq!(tables.name(OriginalTable::Users), "people");
        assert_eq!(OriginalTables::default().name(OriginalTable::Stats), "togglebox-stats");
        for table in OriginalTable::ALL {
            assert_eq!(table.as_str().parse(), Ok(table));
        }
        assert_eq!("usage".parse::<OriginalTable>(), Err(NoSuchTable));
    }
}
