//! The process's environment as a value.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fmt;

/// Environment variables, collected from pairs of name and value.
///
/// What has a name that is no UTF-8 is left out: no name of ours is like that. Of a value that is no UTF-8 only its being there is kept:
/// it matters to those who ask for this name, and to nobody else.
#[derive(Clone, Default)]
pub struct Environment {
    texts: BTreeMap<String, String>,
    garbled: BTreeSet<String>,
}

impl Environment {
    /// Names another database than the environment does.
    pub fn set_database_url(&mut self, url: &str) {
        for name in ["DATABASE_URL", "DB_TYPE"] {
            self.texts.remove(name);
            self.garbled.remove(name);
        }
        self.texts.insert("DATABASE_URL".to_owned(), url.to_owned());
    }

    /// The value of `name`, unless it is absent, blank or no text. Without white space around it.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.texts.get(name).map(|text| text.trim()).filter(|text| !text.is_empty())
    }

    /// The names of all variables that begin with `prefix` and have something to say.
    pub(super) fn names_with(&self, prefix: &str) -> impl Iterator<Item = &str> {
        let texts = self.texts.iter().filter(|(_, text)| !text.trim().is_empty()).map(|(name, _)| name);
        texts.chain(&self.garbled).map(String::as_str).filter(move |name| name.starts_with(prefix))
    }

    /// Whether `name` has a value that is no text.
    pub(super) fn is_garbled(&self, name: &str) -> bool {
        self.garbled.contains(name)
    }
}

/// Names only: any value may be a secret.
impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.texts.keys()).entries(&self.garbled).finish()
    }
}

impl<N: Into<OsString>, V: Into<OsString>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(variables: I) -> Self {
        let mut environment = Self::default();
        for (name, value) in variables {
            match (name.into().into_string(), value.into().into_string()) {
                (Ok(name), Ok(value)) => drop(environment.texts.insert(name, value)),
                (Ok(name), Err(_)) => drop(environment.garbled.insert(name)),
                (Err(_), _) => {}
            }
        }
        environment
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_is_shown() {
        let environment: Environment = [("JWT_SECRET", "hunter2")].into_iter().collect();
        assert_eq!(format!("{environment:?}"), r#"{"JWT_SECRET"}"#);
        assert_eq!(environment.get("JWT_SECRET"), Some("hunter2"));
    }

    #[test]
    fn blank_is_absent() {
        let environment: Environment = [("A", " "), ("B", ""), ("C", " c ")].into_iter().collect();
        assert_eq!([environment.get("A"), environment.get("B"), environment.get("C")], [None, None, Some("c")]);
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_text_is_remembered_by_its_name_only() {
        use std::os::unix::ffi::OsStringExt as _;
        let bad = || OsString::from_vec(vec![b'x', 0xff]);
        let environment: Environment = [(OsString::from("HOST"), bad()), (bad(), OsString::from("v"))].into_iter().collect();
        assert!(environment.is_garbled("HOST") && environment.get("HOST").is_none());
        assert_eq!(format!("{environment:?}"), r#"{"HOST"}"#);
    }
}
