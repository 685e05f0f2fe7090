//! Entity tags, and the conditions that clients make of them.
//!
//! A tag names a state, not a body: `"{container}.{revision}"`, where the container is the first half of its id in hexadecimal, so
//! that an environment that was deleted and made again never answers with an old tag. Lists and maps carry the environment's revision, a single
//! record its own, which is what `If-Match` takes.

use std::fmt::Write as _;

use actix_web::http::header::HeaderValue;
use togglebox_core::Revision;
use uuid::Uuid;

/// The state that a tag names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EntityTag {
    container: u64,
    revision: Revision,
}

impl EntityTag {
    /// A state of the container with this id.
    pub(crate) fn new(container: Uuid, revision: Revision) -> Self {
        Self { container: container.as_u64_pair().0, revision }
    }

    /// The tag of the representation with the given content coding (empty for none): byte for byte another body, so another strong
    /// tag.
    pub(crate) fn value(self, coding: &str) -> HeaderValue {
        let mut text = String::with_capacity(48);
        write!(text, "\"{:016x}.{}", self.container, self.revision).expect("writing to a String cannot fail");
        if !coding.is_empty() {
            text.push('-');
            text.push_str(coding);
        }
        text.push('"');
        HeaderValue::try_from(text).expect("hexadecimal digits, digits and letters are header text")
    }

    /// Whether an `If-None-Match` names this state, in whatever coding.
    pub(crate) fn is_in(self, if_none_match: &str) -> bool {
        if if_none_match.trim() == "*" {
            return true;
        }
        if_none_match.split(',').filter_map(|tag| Self::parse(tag.trim())).any(|tag| tag == self)
    }

    fn parse(tag: &str) -> Option<Self> {
        let text = tag.strip_prefix("W/").unwrap_or(tag).strip_prefix('"')?.strip_suffix('"')?;
        let text = text.split_once('-').map_or(text, |(state, _)| state);
        let (container, revision) = text.split_once('.')?;
        let container = u64::from_str_radix(container, 16).ok()?;
        Some(Self { container, revision: Revision::new(revision.parse().ok()?) })
    }
}

/// What an `If-Match` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Precondition {
    /// No header, or `*`: whatever is there.
    None,
    /// This revision.
    Revision(Revision),
    /// Not a tag of ours.
    Malformed,
}

/// Reads an `If-Match` header: a tag as it was served (or its bare revision number), or `*`.
pub(crate) fn if_match(header: Option<&HeaderValue>) -> Precondition {
    let Some(text) = header.map(|value| value.to_str().unwrap_or("").trim()) else { return Precondition::None };
    if text == "*" {
        return Precondition::None;
    }
    let bare = text.strip_prefix("W/").unwrap_or(text).trim_matches('"').parse().ok().map(Revision::new);
    match EntityTag::parse(text).map(|tag| tag.revision).or(bare) {
        Some(revision) => Precondition::Revision(revision),
        None => Precondition::Malformed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tag(revision: u64) -> EntityTag {
        EntityTag::new(Uuid::from_u128(0xABCD << 64), Revision::new(revision))
    }

    #[test]
    fn a_tag_matches_its_state_in_every_coding() {
        let served = tag(7).value("gzip");
        assert_eq!(served, "\"000000000000abcd.7-gzip\"");
        assert!(tag(7).is_in(served.to_str().unwrap()));
        assert!(tag(7).is_in("\"x\", W/\"000000000000abcd.7\""));
        assert!(tag(7).is_in("*"));
        assert!(!tag(8).is_in(served.to_str().unwrap()));
        assert!(!tag(7).is_in(""));
    }

    #[test]
    fn if_match_takes_a_tag_or_a_number() {
        let read = |text: &str| if_match(Some(&HeaderValue::from_str(text).unwrap()));
        assert_eq!(read("\"000000000000abcd.7-br\""), Precondition::Revision(Revision::new(7)));
        assert_eq!(read("\"7\""), Precondition::Revision(Revision::new(7)));
        assert_eq!(read("7"), Precondition::Revision(Revision::new(7)));
        assert_eq!(read("*"), Precondition::None);
        assert_eq!(read("\"abc\""), Precondition::Malformed);
        assert_eq!(if_match(None), Precondition::None);
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "\\PC{0,60}") {
            let _ = tag(1).is_in(&text);
        }

        #[test]
        fn tags_read_back(container: u64, revision: u64) {
            let tag = EntityTag { container, revision: Revision::new(revision) };
            prop_assert_eq!(EntityTag::parse(tag.value("").to_str().unwrap()), Some(tag));
        }
    }
}
