//! What is counted: a closed set that the embedding service gives once, at its start.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use crate::labels::{MOST_DIMENSIONS, is_dimension};

/// A meter that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidMeter {
    /// Its name.
    #[error("a meter is 1 to 31 of a-z, 0-9, '_' and '.', and begins with a letter; {0:?} is not")]
    Name(String),
    /// The name of a dimension.
    #[error("a dimension is 1 to 16 of a-z, 0-9 and '_', and begins with a letter; {0:?} is not")]
    Dimension(String),
    /// Two dimensions of one name, or too many.
    #[error("a meter has at most {MOST_DIMENSIONS} dimensions, each of a name of its own")]
    Dimensions,
    /// Two meters of one name.
    #[error("there is more than one meter {0}")]
    Twice(MeterId),
}

/// The name of a meter, such as `api.requests`. It lies in the value itself, so that copying and comparing one allocates nothing.
#[derive(Clone, Copy, Eq, PartialOrd, Ord)]
pub struct MeterId {
    /// Filled up with zeros, so that the order is that of the text; the last byte is the length.
    bytes: [u8; Self::MOST_BYTES + 1],
}

impl MeterId {
    /// The longest that a name may be.
    pub const MOST_BYTES: usize = 31;

    /// The name.
    pub fn as_str(&self) -> &str {
        let length = usize::from(self.bytes[Self::MOST_BYTES]);
        self.bytes.get(..length).and_then(|text| std::str::from_utf8(text).ok()).unwrap_or_default()
    }

    /// The same bytes as two numbers, which a processor compares at once: meters are compared at every increment.
    const fn halves(&self) -> [u128; 2] {
        let (halves, _) = self.bytes.as_chunks::<16>();
        [u128::from_ne_bytes(halves[0]), u128::from_ne_bytes(halves[1])]
    }
}

impl PartialEq for MeterId {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        let ([one, two], [other_one, other_two]) = (self.halves(), other.halves());
        one == other_one && two == other_two
    }
}

impl Hash for MeterId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.halves().hash(state);
    }
}

impl FromStr for MeterId {
    type Err = InvalidMeter;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidMeter::Name(name.chars().take(64).collect());
        let fits = name.starts_with(|first: char| first.is_ascii_lowercase())
            && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.'));
        let mut bytes = [0; Self::MOST_BYTES + 1];
        let (text, [last]) = bytes.split_at_mut(Self::MOST_BYTES) else { return Err(invalid()) };
        match (text.get_mut(..name.len()), u8::try_from(name.len())) {
            (Some(place), Ok(length)) if fits => {
                place.copy_from_slice(name.as_bytes());
                *last = length;
                Ok(Self { bytes })
            }
            _ => Err(invalid()),
        }
    }
}

impl fmt::Display for MeterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for MeterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MeterId({self})")
    }
}

/// A meter: something of which there can only come more, and what it is told apart by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meter {
    id: MeterId,
    dimensions: Vec<Box<str>>,
}

impl Meter {
    /// A meter with these dimensions, at most four.
    ///
    /// # Errors
    /// [`InvalidMeter`].
    pub fn new<'a>(name: &str, dimensions: impl IntoIterator<Item = &'a str>) -> Result<Self, InvalidMeter> {
        let id = name.parse()?;
        let mut kept: Vec<Box<str>> = Vec::new();
        for dimension in dimensions {
            if !is_dimension(dimension) {
                return Err(InvalidMeter::Dimension(dimension.chars().take(64).collect()));
            }
            if kept.len() == MOST_DIMENSIONS || kept.iter().any(|known| **known == *dimension) {
                return Err(InvalidMeter::Dimensions);
            }
            kept.push(dimension.into());
        }
        Ok(Self { id, dimensions: kept })
    }

    /// Its name.
    pub const fn id(&self) -> MeterId {
        self.id
    }

    /// What it is told apart by, in the order in which values are given.
    pub fn dimensions(&self) -> impl ExactSizeIterator<Item = &str> {
        self.dimensions.iter().map(|dimension| &**dimension)
    }
}

/// All meters of a service.
#[derive(Clone, Debug, Default)]
pub struct Meters(Vec<Meter>);

impl Meters {
    /// These, and no others.
    ///
    /// # Errors
    /// [`InvalidMeter::Twice`].
    pub fn new(meters: impl IntoIterator<Item = Meter>) -> Result<Self, InvalidMeter> {
        let mut meters: Vec<Meter> = meters.into_iter().collect();
        meters.sort_by_key(Meter::id);
        match meters.windows(2).find(|pair| pair[0].id == pair[1].id) {
            Some(pair) => Err(InvalidMeter::Twice(pair[0].id)),
            None => Ok(Self(meters)),
        }
    }

    /// The one of this name.
    pub fn get(&self, meter: MeterId) -> Option<&Meter> {
        self.place(meter).and_then(|place| self.0.get(place))
    }

    /// Where it is among all of them.
    pub(crate) fn place(&self, meter: MeterId) -> Option<usize> {
        self.0.iter().position(|known| known.id == meter)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Meter> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_short_and_plain() {
        assert_eq!("api.requests".parse::<MeterId>().unwrap().as_str(), "api.requests");
        let longest = "a".repeat(31);
        assert_eq!(longest.parse::<MeterId>().unwrap().to_string(), longest);
        for wrong in ["", "Api", "1a", ".a", "a b", "a-b", "ä", &"a".repeat(32), &"a".repeat(300)] {
            assert!(wrong.parse::<MeterId>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn names_are_in_the_order_of_their_text() {
        let mut names = ["b", "a.b", "a", "ab", "a0"].map(|name| name.parse::<MeterId>().unwrap());
        names.sort();
        assert_eq!(names.map(|name| name.to_string()), ["a", "a.b", "a0", "ab", "b"]);
    }

    #[test]
    fn a_meter_has_few_dimensions_of_different_names() {
        assert_eq!(Meter::new("m", ["a", "a"]), Err(InvalidMeter::Dimensions));
        assert_eq!(Meter::new("m", ["a", "b", "c", "d", "e"]), Err(InvalidMeter::Dimensions));
        assert_eq!(Meter::new("m", ["A"]), Err(InvalidMeter::Dimension("A".into())));
        assert_eq!(Meter::new("m", ["b", "a"]).unwrap().dimensions().collect::<Vec<_>>(), ["b", "a"]);
    }

    #[test]
    fn a_set_of_meters_has_each_once() {
        let meter = |name| Meter::new(name, []).unwrap();
        let id = |name: &str| name.parse::<MeterId>().unwrap();
        assert_eq!(Meters::new([meter("a"), meter("b"), meter("a")]).unwrap_err(), InvalidMeter::Twice(id("a")));
        let meters = Meters::new([meter("b"), meter("a")]).unwrap();
        assert_eq!(meters.get(id("a")).map(Meter::id), Some(id("a")));
        assert!(meters.get(id("c")).is_none());
    }
}
