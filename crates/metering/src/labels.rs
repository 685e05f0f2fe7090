//! What the counts of one meter are told apart by.

use std::fmt;
use std::sync::Arc;

/// The most dimensions of a meter.
pub(crate) const MOST_DIMENSIONS: usize = 4;
/// The most bytes of a value.
const MOST_VALUE_BYTES: usize = 64;
const MOST_NAME_BYTES: usize = 16;

pub(crate) fn is_dimension(name: &str) -> bool {
    name.len() <= MOST_NAME_BYTES
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
}

/// A value, without the rule about [`Labels::OTHER`].
fn is_value(value: &str) -> bool {
    (1..=MOST_VALUE_BYTES).contains(&value.len()) && !value.contains(|c: char| c.is_control() || c == ',' || c == '=')
}

/// Labels that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidLabels {
    /// The name of a dimension.
    #[error("a dimension is 1 to 16 of a-z, 0-9 and '_', and begins with a letter; {0:?} is not")]
    Name(String),
    /// The value of a dimension.
    #[error(
        "the value of a dimension is 1 to 64 bytes without control characters, ',' and '=', and does not begin with '~': {0:?} is not"
    )]
    Value(String),
    /// A dimension is named twice, or there are too many.
    #[error("there are at most {MOST_DIMENSIONS} dimensions, each named once")]
    Dimensions,
    /// All of them together.
    #[error("labels take at most {} bytes together", Labels::MOST_BYTES)]
    TooLong,
    /// A text that is not written as labels are.
    #[error("labels are written name=value, with ',' between them and in the order of names")]
    Text,
}

/// Names of dimensions and their values: `environment=live,operation=read`.
///
/// There is one way to write the same labels, so the text is what they are compared, ordered and stored by. Clones share it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Labels(Arc<str>);

impl Labels {
    /// The most bytes of the text.
    pub const MOST_BYTES: usize = 200;

    /// The value under which is counted what would be one series too many.
    pub const OTHER: &str = "~other";

    /// No dimension at all.
    pub fn none() -> Self {
        Self(Arc::from(""))
    }

    /// These names and values, in any order.
    ///
    /// # Errors
    /// [`InvalidLabels`].
    pub fn new<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, InvalidLabels> {
        let pairs: Vec<_> = pairs.into_iter().collect();
        match pairs.iter().find(|(_, value)| value.starts_with('~')) {
            Some((_, value)) => Err(InvalidLabels::Value(shortened(value))),
            None => Self::join(pairs),
        }
    }

    /// All of these dimensions with the value [`OTHER`](Self::OTHER).
    ///
    /// # Errors
    /// [`InvalidLabels`].
    pub fn other<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, InvalidLabels> {
        Self::join(names.into_iter().map(|name| (name, Self::OTHER)).collect())
    }

    /// Reads the text back.
    ///
    /// # Errors
    /// [`InvalidLabels`], also for a text that says the same in another way.
    pub fn parse(text: &str) -> Result<Self, InvalidLabels> {
        if text.is_empty() {
            return Ok(Self::none());
        }
        if text.len() > Self::MOST_BYTES {
            return Err(InvalidLabels::TooLong);
        }
        let pairs: Option<Vec<_>> = text.split(',').map(|pair| pair.split_once('=')).collect();
        let labels = Self::join(pairs.ok_or(InvalidLabels::Text)?)?;
        if labels.as_str() != text || labels.pairs().any(|(_, value)| value.starts_with('~') && value != Self::OTHER) {
            return Err(InvalidLabels::Text);
        }
        Ok(labels)
    }

    fn join(mut pairs: Vec<(&str, &str)>) -> Result<Self, InvalidLabels> {
        pairs.sort_unstable();
        if pairs.len() > MOST_DIMENSIONS || pairs.windows(2).any(|two| two[0].0 == two[1].0) {
            return Err(InvalidLabels::Dimensions);
        }
        let mut text = String::new();
        for (name, value) in pairs {
            if !is_dimension(name) {
                return Err(InvalidLabels::Name(shortened(name)));
            }
            if !is_value(value) {
                return Err(InvalidLabels::Value(shortened(value)));
            }
            let comma = if text.is_empty() { "" } else { "," };
            text.extend([comma, name, "=", value]);
        }
        if text.len() > Self::MOST_BYTES { Err(InvalidLabels::TooLong) } else { Ok(Self(text.into())) }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Names and values, in the order of names.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.split(',').filter_map(|pair| pair.split_once('='))
    }

    /// The value of a dimension.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.pairs().find_map(|(known, value)| (known == name).then_some(value))
    }

    /// Whether each of `wanted` is among them.
    pub fn have(&self, wanted: &Self) -> bool {
        wanted.pairs().all(|(name, value)| self.get(name) == Some(value))
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(80).collect()
}

impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Labels({})", &self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_order_of_dimensions_does_not_matter() {
        let labels = Labels::new([("operation", "read"), ("environment", "live")]).unwrap();
        assert_eq!(labels.as_str(), "environment=live,operation=read");
        assert_eq!(labels, Labels::new([("environment", "live"), ("operation", "read")]).unwrap());
        assert_eq!(labels.get("operation"), Some("read"));
        assert!(labels.have(&Labels::new([("environment", "live")]).unwrap()) && labels.have(&Labels::none()));
        assert!(!labels.have(&Labels::new([("environment", "test")]).unwrap()));
    }

    #[test]
    fn what_would_be_read_as_something_else_is_refused() {
        fn value(value: &str) -> Result<Labels, InvalidLabels> {
            Labels::new([("a", value)])
        }
        for wrong in ["", "a,b", "a=b", "a\nb", "~other", &"x".repeat(65)] {
            assert!(matches!(value(wrong), Err(InvalidLabels::Value(_))), "{wrong}");
        }
        assert_eq!(Labels::new([("a", "1"), ("a", "2")]), Err(InvalidLabels::Dimensions));
        assert_eq!(Labels::new(["a", "b", "c", "d", "e"].map(|name| (name, "1"))), Err(InvalidLabels::Dimensions));
        let long = "x".repeat(64);
        assert_eq!(Labels::new(["a", "b", "c", "d"].map(|name| (name, long.as_str()))), Err(InvalidLabels::TooLong));
        assert_eq!(Labels::new([("A", "1")]), Err(InvalidLabels::Name("A".into())));
        assert!(value("ünïcödé 😀").is_ok());
    }

    #[test]
    fn only_the_one_text_reads_back() {
        for wrong in ["a", "a=1,", ",a=1", "b=1,a=1", "a=1,a=1", "a=", "=1", "a=1=2", "a=~else"] {
            assert!(Labels::parse(wrong).is_err(), "{wrong}");
        }
        let other = Labels::other(["key", "environment"]).unwrap();
        assert_eq!(Labels::parse(other.as_str()).unwrap(), other);
    }

    proptest! {
        #[test]
        fn every_text_is_read_as_it_is_or_not_at_all(text in ".{0,40}|[a-c=,~]{0,12}") {
            if let Ok(labels) = Labels::parse(&text) {
                prop_assert_eq!(labels.as_str(), text);
            }
        }

        #[test]
        fn labels_read_back(pairs in prop::collection::btree_map("[a-z][a-z0-9_]{0,6}", "[ -+\\--<>-}\u{a1}-\u{ff}]{1,20}", 0..=4)) {
            let labels = Labels::new(pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()))).unwrap();
            prop_assert_eq!(Labels::parse(labels.as_str()).unwrap(), labels.clone());
            let read: Vec<_> = labels.pairs().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
            prop_assert_eq!(read, pairs.into_iter().collect::<Vec<_>>());
        }
    }
}
