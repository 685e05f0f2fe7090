//! What is told of things that cannot be taken as they are.

use std::fmt;

use super::OriginalTable;

/// Something in the original's tables that is not taken, or taken otherwise than it stands there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Where it stands.
    pub table: OriginalTable,
    /// Its key: the partition key and, after a space, what there is of the sort key. Empty for the table as a whole.
    pub key: String,
    /// What is the matter.
    pub what: What,
}

/// What is the matter with something in the original's tables.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum What {
    /// It cannot be taken. Why.
    Left(String),
    /// It is taken, but not this attribute of it: there is no place for it.
    Attribute {
        /// Its name, or its path.
        name: String,
        /// How many things have it; the key is that of the first.
        times: u64,
    },
    /// It is taken, with a difference. Which.
    Otherwise(String),
}

impl Finding {
    /// Whether something is lost.
    pub const fn is_loss(&self) -> bool {
        matches!(self.what, What::Left(_) | What::Attribute { .. })
    }
}

/// One line for people.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { table, key, what } = self;
        let verdict = if self.is_loss() { "cannot be taken" } else { "taken otherwise" };
        write!(f, "{verdict}: {table}")?;
        if !key.is_empty() {
            write!(f, " {key}")?;
        }
        match what {
            What::Left(why) | What::Otherwise(why) => write!(f, ": {why}"),
            What::Attribute { name, times: 1 } => write!(f, ": there is no place for its attribute {name}"),
            What::Attribute { name, times } => {
                write!(f, ": there is no place for its attribute {name}, and that of {} more", times - 1)
            }
        }
    }
}

/// Findings in one table, collected.
#[derive(Debug)]
pub(super) struct Notes {
    table: OriginalTable,
    findings: Vec<Finding>,
}

impl Notes {
    pub(super) const fn of(table: OriginalTable) -> Self {
        Self { table, findings: Vec::new() }
    }

    pub(super) fn left(&mut self, key: impl Into<String>, why: impl Into<String>) {
        self.add(key.into(), What::Left(why.into()));
    }

    pub(super) fn attribute(&mut self, key: impl Into<String>, name: impl Into<String>) {
        self.add(key.into(), What::Attribute { name: name.into(), times: 1 });
    }

    pub(super) fn otherwise(&mut self, key: impl Into<String>, what: impl Into<String>) {
        self.add(key.into(), What::Otherwise(what.into()));
    }

    fn add(&mut self, key: String, what: What) {
        self.findings.push(Finding { table: self.table, key, what });
    }

    pub(super) fn into_findings(self) -> Vec<Finding> {
        self.findings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_one_line() {
        let told = |key: &str, what| Finding { table: OriginalTable::Flags, key: key.to_owned(), what }.to_string();
        assert_eq!(told("PK SK", What::Left("no".to_owned())), "cannot be taken: flags PK SK: no");
        assert_eq!(told("", What::Left("no".to_owned())), "cannot be taken: flags: no");
        let attribute = |times| What::Attribute { name: "x".to_owned(), times };
        assert_eq!(told("K", attribute(1)), "cannot be taken: flags K: there is no place for its attribute x");
        assert!(told("K", attribute(3)).ends_with("attribute x, and that of 2 more"));
        assert_eq!(told("K", What::Otherwise("so".to_owned())), "taken otherwise: flags K: so");
    }
}
