//! Statements and what is bound to them.

use std::borrow::Cow;

use togglebox_core::{Revision, TenantId, Timestamp};
use uuid::Uuid;

/// A statement with its parameters `$1`, `$2` and so on. Its text is made of fixed words only.
#[derive(Debug)]
pub struct Statement {
    pub(crate) sql: Cow<'static, str>,
    pub(crate) arguments: Vec<Argument>,
}

impl Statement {
    pub(crate) fn new(sql: impl Into<Cow<'static, str>>) -> Self {
        Self { sql: sql.into(), arguments: Vec::new() }
    }

    /// Binds the next parameter.
    #[must_use]
    pub(crate) fn bind(mut self, value: impl Into<Argument>) -> Self {
        self.arguments.push(value.into());
        self
    }
}

/// A bound value. Also nothing has a type: engines that are strict ask for it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Argument {
    Int(Option<i64>),
    Float(Option<f64>),
    Text(Option<String>),
    Blob(Option<Vec<u8>>),
    Uuid(Option<Uuid>),
}

macro_rules! arguments {
    ($($value:ident: $type:ty => $variant:ident($bound:expr)),* $(,)?) => {$(
        impl From<$type> for Argument {
            fn from($value: $type) -> Self {
                Self::$variant(Some($bound))
            }
        }

        impl From<Option<$type>> for Argument {
            fn from(value: Option<$type>) -> Self {
                Self::$variant(value.map(|$value| $bound))
            }
        }
    )*};
}

arguments! {
    value: i64 => Int(value),
    value: u32 => Int(i64::from(value)),
    // The engines' integers end at `i64::MAX`, which no count reaches.
    value: u64 => Int(i64::try_from(value).unwrap_or(i64::MAX)),
    value: Timestamp => Int(value.as_ms()),
    value: f64 => Float(value),
    value: String => Text(value),
    value: &str => Text(value.to_owned()),
    value: Vec<u8> => Blob(value),
    value: &[u8] => Blob(value.to_vec()),
    value: Uuid => Uuid(value),
    value: TenantId => Uuid(*value.as_uuid()),
}

impl From<Revision> for Argument {
    fn from(value: Revision) -> Self {
        value.get().into()
    }
}
