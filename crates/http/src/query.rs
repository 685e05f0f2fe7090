//! Query strings.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use serde_json::Value;

use crate::body::fields;
use crate::error::{ApiError, Code, Result};

/// The parameters of a query string, decoded, in order. What needs no decoding is borrowed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Query<'q> {
    pairs: Vec<(Cow<'q, str>, Cow<'q, str>)>,
}

impl<'q> Query<'q> {
    /// Reads a raw query string.
    ///
    /// # Errors
    /// `InvalidUrl` when an escape is broken or does not decode to UTF-8.
    pub(crate) fn parse(raw: &'q str) -> Result<Self> {
        let pairs = raw.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((decode_plus(name)?, decode_plus(value)?))
        });
        Ok(Self { pairs: pairs.collect::<Result<_>>()? })
    }

    /// The same, kept.
    pub(crate) fn into_owned(self) -> Query<'static> {
        let owned = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        Query { pairs: self.pairs.into_iter().map(|(name, value)| (owned(name), owned(value))).collect() }
    }

    /// The first value of `name`.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(known, _)| known == name).map(|(_, value)| &**value)
    }

    /// Whether `name` is there with a value.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| !value.is_empty())
    }

    /// The values of `names`; `None` when any of them comes more than once.
    pub(crate) fn singles<const N: usize>(&self, names: [&str; N]) -> Option<[Option<&str>; N]> {
        let mut singles = [None; N];
        for (name, value) in &self.pairs {
            if let Some(index) = names.iter().position(|known| known == name)
                && singles[index].replace(&**value).is_some()
            {
                return None;
            }
        }
        Some(singles)
    }

    /// The parameters as a document.
    pub(crate) fn document(&self) -> Value {
        fields(self.pairs.iter().map(|(name, value)| (name, &**value)))
    }
}

fn decode_plus(raw: &str) -> Result<Cow<'_, str>> {
    if !raw.contains('+') {
        return decode(raw);
    }
    decode(&raw.replace('+', " ")).map(|decoded| Cow::Owned(decoded.into_owned()))
}

/// Decodes a percent-encoded part of a URL.
///
/// # Errors
/// `InvalidUrl` when an escape is broken or does not decode to UTF-8.
pub(crate) fn decode(raw: &str) -> Result<Cow<'_, str>> {
    if !raw.contains('%') {
        return Ok(Cow::Borrowed(raw));
    }
    let bytes = raw.as_bytes();
    let whole = |at: usize| bytes.get(at + 1..at + 3).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit));
    let sound = bytes.iter().enumerate().all(|(at, byte)| *byte != b'%' || whole(at));
    let decoded = percent_decode_str(raw).decode_utf8().ok().filter(|_| sound);
    decoded.ok_or_else(|| ApiError::new(Code::InvalidUrl, format!("Failed to decode '{raw}'")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn parameters_decode() {
        let query = Query::parse("userId=%C3%A9l%C3%A8ve+1&country=&x&userId=b").unwrap();
        assert_eq!(query.get("userId"), Some("élève 1"));
        assert!(!query.has("country") && !query.has("gone"));
        assert_eq!(query.document(), json!({ "userId": ["élève 1", "b"], "country": "", "x": "" }));
    }

    #[test]
    fn broken_escapes_are_refused() {
        for raw in ["a=%zz", "a=%", "a=%4", "%ff=1", "a=%c3%28"] {
            assert_eq!(Query::parse(raw).unwrap_err().code(), Code::InvalidUrl, "{raw}");
        }
        assert_eq!(Query::parse("a=%25").unwrap().get("a"), Some("%"));
    }

    proptest! {
        #[test]
        fn any_text_is_read(raw in "\\PC{0,80}") {
            let _ = Query::parse(&raw);
        }
    }
}
