//! Entity tags, and the conditions that clients make of them.
//!
//! A tag names a state, not a body: `"{container}.{revision}"`, where the container is the first half of its id in hexadecimal, so
//! that an environment that was deleted and made again never answers with an old tag. Lists and maps carry the environment's revision, a single
//! record its own, which is what `If-Match` takes.

use actix_web::http::header::HeaderValue;
use togglebox_core::Revision;
use uuid::Uuid;

use crate::coding::Coding;
use crate::short_text::ShortText;

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
        self.text(coding).header()
    }

    /// Sixteen hexadecimal digits, twenty decimal ones, a coding and some punctuation.
    fn text(self, coding: &str) -> ShortText<64> {
        let mut text = ShortText::new();
        text.push(b"\"");
        text.push_hexadecimal(self.container);
        text.push(b".");
        text.push_number(self.revision.get());
        if !coding.is_empty() {
            text.push(b"-");
            text.push(coding.as_bytes());
        }
        text.push(b"\"");
        text
    }

    /// The tag of a body that depends on one thing more than the state, which `mark` stands for.
    #[must_use]
    pub(crate) const fn marked(self, mark: u64) -> Self {
        Self { container: self.container ^ mark, ..self }
    }

    /// Whether an `If-None-Match` names this state, and in which coding: in `wanted` if it names several, for that is the body that
    /// the client would get.
    pub(crate) fn is_in(self, if_none_match: &str, wanted: Coding) -> Option<Coding> {
        // Most clients ask with the one tag that they were given.
        if self.text(wanted.token()).as_bytes() == if_none_match.as_bytes() {
            return Some(wanted);
        }
        if if_none_match.trim() == "*" {
            return Some(Coding::Identity);
        }
        let tags = if_none_match.split(',').filter_map(|tag| Self::parse(tag.trim()));
        let codings = tags.filter(|(tag, _)| *tag == self).map(|(_, coding)| coding);
        codings.reduce(|first, coding| if coding == wanted { coding } else { first })
    }

    /// Whether it names a state of the container with this id.
    pub(crate) fn is_of(self, container: Uuid) -> bool {
        self.container == container.as_u64_pair().0
    }

    fn parse(tag: &str) -> Option<(Self, Coding)> {
        let text = tag.strip_prefix("W/").unwrap_or(tag).strip_prefix('"')?.strip_suffix('"')?;
        let (state, coding) = text.split_once('-').unwrap_or((text, ""));
        let coding = [Coding::Identity, Coding::Gzip, Coding::Brotli].into_iter().find(|known| known.token() == coding)?;
        let (container, revision) = state.split_once('.')?;
        let container = u64::from_str_radix(container, 16).ok()?;
        Some((Self { container, revision: Revision::new(revision.parse().ok()?) }, coding))
    }
}

/// What an `If-Match` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Precondition {
    /// No header, or `*`: whatever is there.
    None,
    /// This state.
    State(EntityTag),
    /// This revision, in whatever container.
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
    if let Some((tag, _)) = EntityTag::parse(text) {
        return Precondition::State(tag);
    }
    match text.strip_prefix("W/").unwrap_or(text).trim_matches('"').parse() {
        Ok(revision) => Precondition::Revision(Revision::new(revision)),
        Err(_) => Precondition::Malformed,
    }
}

impl Precondition {
    /// The revision that a record in `container` must have; `None` for any. `Err` when the header cannot be read. A state of another
    /// container (one that was deleted and made again, say) is one that no record in this one is in.
    pub(crate) fn within(self, container: Option<Uuid>) -> Result<Option<Revision>, Malformed> {
        match self {
            Self::None => Ok(None),
            Self::State(tag) if container.is_some_and(|id| !tag.is_of(id)) => Ok(Some(UNREACHED)),
            Self::State(tag) => Ok(Some(tag.revision)),
            Self::Revision(revision) => Ok(Some(revision)),
            Self::Malformed => Err(Malformed),
        }
    }
}

/// The header cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// What is stored has been written at least once.
const UNREACHED: Revision = Revision::new(0);

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
        let held = |tag: EntityTag, text: &str| tag.is_in(text, Coding::Brotli);
        assert_eq!(held(tag(7), served.to_str().unwrap()), Some(Coding::Gzip));
        assert_eq!(held(tag(7), "\"x\", W/\"000000000000abcd.7\""), Some(Coding::Identity));
        let several = "\"000000000000abcd.7\", \"000000000000abcd.7-br\", \"000000000000abcd.7-gzip\"";
        assert_eq!(held(tag(7), several), Some(Coding::Brotli));
        assert!(held(tag(7), "*").is_some());
        assert!(held(tag(8), served.to_str().unwrap()).is_none());
        assert!(held(tag(7), "").is_none() && held(tag(7), "\"000000000000abcd.7-zstd\"").is_none());
    }

    #[test]
    fn if_match_takes_a_tag_or_a_number() {
        let read = |text: &str| if_match(Some(&HeaderValue::from_str(text).unwrap()));
        assert_eq!(read("\"000000000000abcd.7-br\""), Precondition::State(tag(7)));
        assert_eq!(read("\"7\""), Precondition::Revision(Revision::new(7)));
        assert_eq!(read("7"), Precondition::Revision(Revision::new(7)));
        assert_eq!(read("*"), Precondition::None);
        assert_eq!(read("\"abc\""), Precondition::Malformed);
        assert_eq!(read("\"000000000000abcd.7-gzip\", \"000000000000abcd.8\""), Precondition::Malformed);
        assert_eq!(if_match(None), Precondition::None);
    }

    #[test]
    fn a_state_of_another_container_is_none_of_this_one() {
        let read = |text: &str| if_match(Some(&HeaderValue::from_str(text).unwrap()));
        let (own, other) = (Uuid::from_u128(0xABCD << 64), Uuid::from_u128(0xABCE << 64));
        let asked = read("\"000000000000abcd.7\"");
        assert_eq!(asked.within(Some(own)), Ok(Some(Revision::new(7))));
        assert_eq!(asked.within(Some(other)), Ok(Some(UNREACHED)));
        assert_eq!(asked.within(None), Ok(Some(Revision::new(7))));
        assert_eq!(read("7").within(Some(other)), Ok(Some(Revision::new(7))));
        assert_eq!(read("x").within(Some(own)), Err(Malformed));
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "\\PC{0,60}") {
            let _ = tag(1).is_in(&text, Coding::Identity);
        }

        #[test]
        fn tags_read_back(container: u64, revision: u64) {
            let tag = EntityTag { container, revision: Revision::new(revision) };
            prop_assert_eq!(EntityTag::parse(tag.value("").to_str().unwrap()), Some((tag, Coding::Identity)));
        }
    }
}
