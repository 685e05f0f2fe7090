//! From values to attributes and back.

use std::collections::HashMap;
use std::error::Error;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use serde::Serialize;
use serde::de::DeserializeOwned;
use togglebox_core::{Revision, StoreError, StoreErrorKind, StoreResult, Timestamp};
use togglebox_toggles::{EnvironmentName, ExperimentKey, ExperimentStatus, FlagKey, ParameterKey, PlatformName, VariationKey};
use uuid::Uuid;

use super::error::Unreadable;
use super::key::Key;

/// The attributes of an item, by name.
pub(super) type Item = HashMap<String, AttributeValue>;

type AttributeResult<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// The shape that documents are written in. Raised when a document changes so that old readers would misread it.
pub(super) const DOCUMENT_SCHEMA: u64 = 1;

/// The most bytes of an item. DynamoDB takes 409,600; what is kept back lets a version that fits alone also fit beside the attributes
/// of its record.
pub(super) const MAX_ITEM: usize = 400 * 1024 - 4 * 1024;

/// An item in the making.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Draft(Item);

impl Draft {
    pub(super) fn new(key: &Key) -> Self {
        Self(key.item())
    }

    /// Adds an attribute.
    pub(super) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.insert(name.to_owned(), value.into().0);
        self
    }

    /// Adds attributes.
    pub(super) fn with_all(self, attributes: impl IntoIterator<Item = (&'static str, Value)>) -> Self {
        attributes.into_iter().fold(self, |draft, (name, value)| draft.with(name, value))
    }

    /// Adds an attribute unless it is absent.
    pub(super) fn maybe(self, name: &str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// Adds the attributes `schema` and `document`.
    pub(super) fn document(self, operation: &'static str, value: &impl Serialize) -> StoreResult<Self> {
        Ok(self.with("schema", DOCUMENT_SCHEMA).with("document", json(operation, value)?))
    }

    /// The item, unless it is larger than a record may be.
    pub(super) fn finish(self, operation: &'static str) -> StoreResult<Item> {
        if size_of(&self.0) > MAX_ITEM {
            return Err(StoreError::new(StoreErrorKind::TooLarge { limit: MAX_ITEM }, operation));
        }
        Ok(self.0)
    }
}

/// JSON text. Nothing that is stored has a map with other keys than texts, so this fails only on a programming error, which is
/// reported rather than hidden.
pub(super) fn json(operation: &'static str, value: &impl Serialize) -> StoreResult<String> {
    serde_json::to_string(value).map_err(|error| StoreError::new(StoreErrorKind::Refused("document"), operation).caused_by(error))
}

/// The JSON text of a value that may be absent.
pub(super) fn optional_json(operation: &'static str, value: Option<&impl Serialize>) -> StoreResult<Option<String>> {
    value.map(|value| json(operation, value)).transpose()
}

/// Bytes of an item as DynamoDB counts them: names and values; a number takes a byte for two digits and one more.
pub(super) fn size_of(item: &Item) -> usize {
    item.iter().map(|(name, value)| name.len() + value_size(value)).sum()
}

pub(super) fn value_size(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::N(number) => number.len().div_ceil(2) + 1,
        AttributeValue::B(bytes) => bytes.as_ref().len(),
        AttributeValue::L(values) => 3 + values.iter().map(|value| 1 + value_size(value)).sum::<usize>(),
        AttributeValue::M(values) => 3 + values.len() + size_of(values),
        AttributeValue::Ss(texts) => texts.iter().map(String::len).sum(),
        AttributeValue::Ns(numbers) => numbers.iter().map(|number| number.len().div_ceil(2) + 1).sum(),
        AttributeValue::Bs(values) => values.iter().map(|bytes| bytes.as_ref().len()).sum(),
        _ => 1,
    }
}

/// What an attribute or a part of an expression can be made of.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Value(pub(super) AttributeValue);

macro_rules! values {
    ($($from:ty => |$value:ident| $made:expr;)*) => {$(
        impl From<$from> for Value {
            fn from($value: $from) -> Self {
                Self($made)
            }
        }
    )*};
}

values! {
    &str => |text| AttributeValue::S(text.to_owned());
    String => |text| AttributeValue::S(text);
    u64 => |number| AttributeValue::N(number.to_string());
    i64 => |number| AttributeValue::N(number.to_string());
    bool => |flag| AttributeValue::Bool(flag);
    Vec<u8> => |bytes| AttributeValue::B(Blob::new(bytes));
    Uuid => |id| AttributeValue::S(id.to_string());
    Timestamp => |at| AttributeValue::N(at.as_ms().to_string());
    Revision => |revision| AttributeValue::N(revision.get().to_string());
}

/// An item of which it is known what it was read for, so that an error can say what is broken.
pub(super) struct Attributes<'i> {
    item: &'i Item,
    operation: &'static str,
}

impl<'i> Attributes<'i> {
    pub(super) const fn new(item: &'i Item, operation: &'static str) -> Self {
        Self { item, operation }
    }

    /// The value of an attribute.
    pub(super) fn get<T: Attribute>(&self, name: &'static str) -> StoreResult<T> {
        let value = self.item.get(name).ok_or_else(|| self.unreadable(name, "it is missing"))?;
        T::read(value).map_err(|source| self.unreadable(name, source))
    }

    /// The value of an attribute that may be absent.
    pub(super) fn maybe<T: Attribute>(&self, name: &'static str) -> StoreResult<Option<T>> {
        self.item.get(name).map(T::read).transpose().map_err(|source| self.unreadable(name, source))
    }

    /// An attribute of JSON.
    pub(super) fn json<T: DeserializeOwned>(&self, name: &'static str) -> StoreResult<T> {
        let text: String = self.get(name)?;
        serde_json::from_str(&text).map_err(|source| self.unreadable(name, source))
    }

    /// An attribute of JSON that may be absent.
    pub(super) fn optional_json<T: DeserializeOwned>(&self, name: &'static str) -> StoreResult<Option<T>> {
        if self.item.contains_key(name) { self.json(name).map(Some) } else { Ok(None) }
    }

    /// The attributes `schema` and `document`.
    pub(super) fn document<T: DeserializeOwned>(&self) -> StoreResult<T> {
        match self.get("schema")? {
            DOCUMENT_SCHEMA => self.json("document"),
            other => Err(self.unreadable("schema", format!("shape {other} is not known to this version of the program"))),
        }
    }

    pub(super) fn unreadable(&self, attribute: &'static str, source: impl Into<Box<dyn Error + Send + Sync>>) -> StoreError {
        let item = Key::of(self.item).map_or_else(|| "without a key".to_owned(), |key| key.to_string());
        let unreadable = Unreadable { item, attribute, source: source.into() };
        StoreError::new(StoreErrorKind::Corrupt, self.operation).caused_by(unreadable)
    }
}

/// What an attribute can hold.
pub(super) trait Attribute: Sized {
    fn read(value: &AttributeValue) -> AttributeResult<Self>;
}

fn text(value: &AttributeValue) -> AttributeResult<&str> {
    Ok(value.as_s().map_err(|_| "it is not a text")?)
}

fn number(value: &AttributeValue) -> AttributeResult<&str> {
    Ok(value.as_n().map_err(|_| "it is not a number")?)
}

macro_rules! attributes {
    ($($to:ty => |$value:ident| $read:expr;)*) => {$(
        impl Attribute for $to {
            fn read($value: &AttributeValue) -> AttributeResult<Self> {
                Ok($read)
            }
        }
    )*};
}

attributes! {
    String => |value| text(value)?.to_owned();
    u64 => |value| number(value)?.parse()?;
    i64 => |value| number(value)?.parse()?;
    bool => |value| *value.as_bool().map_err(|_| "it is neither true nor false")?;
    Vec<u8> => |value| value.as_b().map_err(|_| "it is not binary")?.as_ref().to_vec();
    Uuid => |value| Self::parse_str(text(value)?)?;
    Timestamp => |value| Self::from_ms(i64::read(value)?);
    Revision => |value| Self::new(u64::read(value)?);
    PlatformName => |value| Self::new(text(value)?)?;
    EnvironmentName => |value| Self::new(text(value)?)?;
    ParameterKey => |value| Self::new(text(value)?)?;
    FlagKey => |value| Self::new(text(value)?)?;
    ExperimentKey => |value| Self::new(text(value)?)?;
    VariationKey => |value| Self::new(text(value)?)?;
    ExperimentStatus => |value| word(text(value)?, &Self::WORDS)?;
}

/// The value that a word stands for.
pub(super) fn word<T: Copy>(text: &str, words: &[(&str, T)]) -> AttributeResult<T> {
    let known = words.iter().find(|(word, _)| *word == text);
    known.map(|(_, value)| *value).ok_or_else(|| format!("the word {text:?} is not known").into())
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use proptest::prelude::*;

    use super::*;

    fn key() -> Key {
        Key::new("T#1#DIR", "P#web")
    }

    fn reads_back<T: Attribute + Into<Value> + Clone + PartialEq + Debug>(value: &T) {
        let item = Draft::new(&key()).with("it", value.clone()).finish("test").unwrap();
        assert_eq!(Attributes::new(&item, "test").get::<T>("it").unwrap(), *value);
    }

    proptest! {
        #[test]
        fn values_read_back(text in ".*", whole: u64, signed: i64, id: u128, flag: bool, bytes: Vec<u8>) {
            reads_back(&text);
            reads_back(&whole);
            reads_back(&signed);
            reads_back(&Uuid::from_u128(id));
            reads_back(&flag);
            reads_back(&bytes);
            reads_back(&Timestamp::from_ms(signed));
            reads_back(&Revision::new(whole));
        }
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let item = Draft::new(&key()).with("number", "text").with("schema", 9_u64).finish("flags.find").unwrap();
        let attributes = Attributes::new(&item, "flags.find");
        for (error, attribute) in [
            (attributes.get::<u64>("number").unwrap_err(), "number"),
            (attributes.get::<u64>("absent").unwrap_err(), "absent"),
            (attributes.document::<u64>().unwrap_err(), "schema"),
        ] {
            assert_eq!(*error.kind(), StoreErrorKind::Corrupt);
            let source = error.source().unwrap();
            assert_eq!(source.to_string(), format!("attribute {attribute} of item T#1#DIR / P#web cannot be read"));
            assert!(source.source().is_some());
        }
        assert_eq!(attributes.maybe::<u64>("absent").unwrap(), None);
    }

    #[test]
    fn an_item_that_is_too_large_is_refused() {
        let of = |bytes: usize| Draft(Item::from([("document".to_owned(), AttributeValue::S("x".repeat(bytes)))]));
        assert!(of(MAX_ITEM - "document".len()).finish("flags.create").is_ok());
        let error = of(MAX_ITEM - "document".len() + 1).finish("flags.create").unwrap_err();
        assert_eq!(*error.kind(), StoreErrorKind::TooLarge { limit: MAX_ITEM });
    }

    #[test]
    fn sizes_are_counted_as_documented() {
        let item = Draft::new(&Key::new("ab", "c")).with("n", 12_345_u64).with("b", true).with("\u{e9}", "\u{1f600}").0;
        assert_eq!(size_of(&item), (2 + 2) + (2 + 1) + (1 + 4) + (1 + 1) + (2 + 4));
    }
}
