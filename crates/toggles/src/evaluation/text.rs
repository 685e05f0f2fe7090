//! Looking texts up, with and without regard to case.

use std::borrow::Cow;
use std::collections::HashMap;

/// How texts are made alike before they are compared: Unicode's default mappings in full, independent of any locale.
///
/// The contract compares countries in upper case and languages in lower case. The two differ outside ASCII: `ſe` equals `SE` in upper
/// case only, the Kelvin sign equals `k` in lower case only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    /// As they are.
    Exact,
    /// In upper case; may lengthen (`ß` becomes `SS`).
    Upper,
    /// In lower case.
    Lower,
}

impl Case {
    /// ASCII texts up to this length are folded without allocating.
    const SHORT: usize = 32;

    fn fold(self, text: &str) -> Cow<'_, str> {
        match self {
            Self::Exact => Cow::Borrowed(text),
            Self::Upper => Cow::Owned(text.to_uppercase()),
            Self::Lower => Cow::Owned(text.to_lowercase()),
        }
    }

    /// Calls `look_up` with the bytes of the folded `text`.
    fn with_folded<R>(self, text: &str, look_up: impl FnOnce(&[u8]) -> R) -> R {
        if self == Self::Exact {
            return look_up(text.as_bytes());
        }
        let mut buffer = [0; Self::SHORT];
        match buffer.get_mut(..text.len()) {
            Some(short) if text.is_ascii() => {
                short.copy_from_slice(text.as_bytes());
                match self {
                    Self::Upper => short.make_ascii_uppercase(),
                    _ => short.make_ascii_lowercase(),
                }
                look_up(short)
            }
            _ => look_up(self.fold(text).as_bytes()),
        }
    }
}

/// Values by text. Looking one up takes the same time however many there are.
#[derive(Clone, Debug)]
pub struct TextMap<T> {
    case: Case,
    entries: HashMap<Box<[u8]>, T>,
}

impl<T> TextMap<T> {
    /// Takes `entries`; of those that are equal under `case`, the first.
    pub fn new<S: AsRef<str>>(case: Case, entries: impl IntoIterator<Item = (S, T)>) -> Self {
        let mut map = HashMap::new();
        for (text, value) in entries {
            map.entry(case.fold(text.as_ref()).as_bytes().into()).or_insert(value);
        }
        Self { case, entries: map }
    }

    /// The value of `text`.
    pub fn get(&self, text: &str) -> Option<&T> {
        self.case.with_folded(text, |folded| self.entries.get(folded))
    }

    /// Whether `text` is there.
    pub fn contains(&self, text: &str) -> bool {
        self.get(text).is_some()
    }

    /// Whether nothing is there.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl TextMap<()> {
    /// A set of texts.
    pub fn set<S: AsRef<str>>(case: Case, texts: impl IntoIterator<Item = S>) -> Self {
        Self::new(case, texts.into_iter().map(|text| (text, ())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_first_of_equals_counts() {
        let map = TextMap::new(Case::Upper, [("us", 1), ("US", 2), ("ß", 3)]);
        assert_eq!(map.get("Us"), Some(&1));
        assert_eq!(map.get("ss"), Some(&3));
        assert_eq!(map.get(" us"), None);
        assert!(TextMap::set(Case::Exact, [""; 0]).is_empty());
    }

    proptest! {
        /// Both paths of the look-up, short ASCII and everything else, agree with the standard library.
        #[test]
        fn folding_is_unicodes(kept in "\\PC{0,40}", asked in "\\PC{0,40}", ascii in "[ -~]{0,40}") {
            for (kept, asked) in [(&kept, &asked), (&kept, &kept), (&ascii, &ascii.to_uppercase()), (&ascii, &asked)] {
                let in_case = |case| TextMap::set(case, [kept]).contains(asked);
                prop_assert_eq!(in_case(Case::Exact), kept == asked);
                prop_assert_eq!(in_case(Case::Upper), kept.to_uppercase() == asked.to_uppercase());
                prop_assert_eq!(in_case(Case::Lower), kept.to_lowercase() == asked.to_lowercase());
            }
        }
    }
}
