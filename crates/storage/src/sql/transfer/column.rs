//! What a field of a record is in a column.

use serde_json::Value;
use togglebox_auth::{Email, KeyHash, PasswordHash, Role};
use togglebox_core::{Actor, Revision, StoreResult, Timestamp};
use togglebox_toggles::{
    EnvironmentName, ExperimentDefinition, ExperimentKey, ExperimentStatus, FlagDefinition, FlagKey, ParameterDefinition,
    ParameterKey, PlatformName, Side, VariationKey,
};
use uuid::Uuid;

use super::super::cells::Cells;
use super::super::engine::Row;
use super::super::statement::Argument;

/// A value of one column.
pub(super) trait Column: Sized {
    /// Reads it.
    fn read<R: Row>(cells: &Cells<'_, R>, column: &'static str) -> StoreResult<Self>;
    /// As it is bound.
    fn argument(&self) -> serde_json::Result<Argument>;
}

macro_rules! plain {
    ($($type:ty: $value:ident => $bound:expr),* $(,)?) => {$(
        impl Column for $type {
            fn read<R: Row>(cells: &Cells<'_, R>, column: &'static str) -> StoreResult<Self> {
                cells.get(column)
            }

            fn argument(&self) -> serde_json::Result<Argument> {
                let $value = self;
                Ok(Argument::from($bound))
            }
        }
    )*};
}

plain! {
    u64: value => *value,
    i64: value => *value,
    f64: value => *value,
    bool: value => i64::from(*value),
    String: value => value.as_str(),
    Vec<u8>: value => value.as_slice(),
    [u8; 16]: value => value.as_slice(),
    Uuid: value => *value,
    Timestamp: value => *value,
    Revision: value => *value,
    Email: value => value.as_str(),
    PasswordHash: value => value.expose(),
    Role: value => value.as_str(),
    Side: value => value.as_str(),
    ExperimentStatus: value => value.as_str(),
    PlatformName: value => value.as_str(),
    EnvironmentName: value => value.as_str(),
    ParameterKey: value => value.as_str(),
    FlagKey: value => value.as_str(),
    ExperimentKey: value => value.as_str(),
    VariationKey: value => value.as_str(),
    Option<String>: value => value.as_deref(),
    Option<Timestamp>: value => *value,
    Option<VariationKey>: value => value.as_ref().map(VariationKey::as_str),
}

impl Column for KeyHash {
    fn read<R: Row>(cells: &Cells<'_, R>, column: &'static str) -> StoreResult<Self> {
        cells.get(column).map(Self)
    }

    fn argument(&self) -> serde_json::Result<Argument> {
        Ok(Argument::from(self.0.as_slice()))
    }
}

macro_rules! json {
    ($($type:ty),*) => {$(
        impl Column for $type {
            fn read<R: Row>(cells: &Cells<'_, R>, column: &'static str) -> StoreResult<Self> {
                cells.json(column)
            }

            fn argument(&self) -> serde_json::Result<Argument> {
                serde_json::to_string(self).map(Argument::from)
            }
        }
    )*};
}

json!(Actor, Vec<String>);

macro_rules! optional_json {
    ($($type:ty),*) => {$(
        impl Column for Option<$type> {
            fn read<R: Row>(cells: &Cells<'_, R>, column: &'static str) -> StoreResult<Self> {
                cells.optional_json(column)
            }

            fn argument(&self) -> serde_json::Result<Argument> {
                let text = self.as_ref().map(serde_json::to_string).transpose()?;
                Ok(Argument::from(text))
            }
        }
    )*};
}

optional_json!(Actor, Value);

/// The columns `document` and `schema` together: a shape that is not known is refused.
macro_rules! documents {
    ($($type:ty),*) => {$(
        impl Column for $type {
            fn read<R: Row>(cells: &Cells<'_, R>, _column: &'static str) -> StoreResult<Self> {
                cells.document()
            }

            fn argument(&self) -> serde_json::Result<Argument> {
                serde_json::to_string(self).map(Argument::from)
            }
        }
    )*};
}

documents!(ParameterDefinition, FlagDefinition, ExperimentDefinition);
