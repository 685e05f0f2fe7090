//! From columns to values.

use std::error::Error;
use std::fmt::Write as _;

use serde::de::DeserializeOwned;
use togglebox_auth::{Email, PasswordHash, Role};
use togglebox_core::{Revision, StoreError, StoreErrorKind, StoreResult, Timestamp};
use togglebox_toggles::{
    EnvironmentName, ExperimentKey, ExperimentStatus, FlagKey, ParameterKey, PlatformName, Side, VariationKey,
};
use uuid::Uuid;

use super::engine::Row;
use super::error::Unreadable;

pub(super) type CellResult<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// The shape that documents are written in. Raised when a document changes so that old readers would misread it.
pub(super) const DOCUMENT_SCHEMA: i64 = 1;

/// A row of which it is known where it comes from, so that an error can say what is broken.
pub(super) struct Cells<'r, R> {
    row: &'r R,
    operation: &'static str,
    table: &'static str,
    key: &'static str,
}

impl<'r, R: Row> Cells<'r, R> {
    /// `key` is the column that tells rows of `table` apart in an error.
    pub(super) const fn new(row: &'r R, operation: &'static str, table: &'static str, key: &'static str) -> Self {
        Self { row, operation, table, key }
    }

    /// The value of a column.
    pub(super) fn get<T: Cell>(&self, column: &'static str) -> StoreResult<T> {
        T::read(self.row, column).map_err(|source| self.unreadable(column, source))
    }

    /// A column of JSON.
    pub(super) fn json<T: DeserializeOwned>(&self, column: &'static str) -> StoreResult<T> {
        let text: String = self.get(column)?;
        serde_json::from_str(&text).map_err(|source| self.unreadable(column, source))
    }

    /// A column of JSON or nothing.
    pub(super) fn optional_json<T: DeserializeOwned>(&self, column: &'static str) -> StoreResult<Option<T>> {
        let text: Option<String> = self.get(column)?;
        text.map(|text| serde_json::from_str(&text)).transpose().map_err(|source| self.unreadable(column, source))
    }

    /// The columns `schema` and `document`.
    pub(super) fn document<T: DeserializeOwned>(&self) -> StoreResult<T> {
        match self.get("schema")? {
            DOCUMENT_SCHEMA => self.json("document"),
            other => Err(self.unreadable("schema", format!("shape {other} is not known to this version of the program"))),
        }
    }

    pub(super) fn unreadable(&self, column: &'static str, source: impl Into<Box<dyn Error + Send + Sync>>) -> StoreError {
        let unreadable = Unreadable { table: self.table, key: self.key_text(), column, source: source.into() };
        StoreError::new(StoreErrorKind::Corrupt, self.operation).caused_by(unreadable)
    }

    /// Whatever stands in the key column, for people.
    fn key_text(&self) -> String {
        if let Ok(text) = self.row.text(self.key) {
            return text;
        }
        if let Ok(id) = self.row.uuid(self.key) {
            return id.as_simple().to_string();
        }
        self.row.blob(self.key).unwrap_or_default().iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }
}

/// What a column can hold.
pub(super) trait Cell: Sized {
    fn read(row: &impl Row, column: &str) -> CellResult<Self>;
}

impl<T: Cell> Cell for Option<T> {
    fn read(row: &impl Row, column: &str) -> CellResult<Self> {
        if row.is_null(column)? { Ok(None) } else { T::read(row, column).map(Some) }
    }
}

impl Cell for i64 {
    fn read(row: &impl Row, column: &str) -> CellResult<Self> {
        Ok(row.int(column)?)
    }
}

impl Cell for f64 {
    fn read(row: &impl Row, column: &str) -> CellResult<Self> {
        Ok(row.float(column)?)
    }
}

impl Cell for u64 {
    fn read(row: &impl Row, column: &str) -> CellResult<Self> {
        Ok(i64::read(row, column)?.try_into()?)
    }
}

impl Cell for u32 {
    fn read(row: &impl Row, column: &str) -> CellResult<Self> {
        Ok(i64::read(row, column)?.try_into()?)
    }
}

impl Cell for bool {
    fn read(row: &impl Row, column: &str) -> CellResult<Self> {
        Ok(i64::read(row, column)? != 0)
    }
}

impl Cell for String {
    fn read(row: &impl Row, column: &str) -> CellResult<Self> {
        Ok(row.text(column)?)
    }
}

impl Cell for Vec<u8> {
    fn read(row: &impl Row, column: &str) -> CellResult<Self> {
        Ok(row.blob(column)?.to_vec())
    }
}

impl<const N: usize> Cell for [u8; N] {
    fn read(row: &impl Row, column: &str) -> CellResult<Self> {
        Ok(row.blob(column)?.try_into()?)
    }
}

impl Cell for Uuid {
    fn read(row: &impl Row, column: &str) -> CellResult<Self> {
        Ok(row.uuid(column)?)
    }
}

impl Cell for togglebox_core::TenantId {
    fn read(row: &impl Row, column: &str) -> CellResult<Self> {
        Uuid::read(row, column).map(Self::from_uuid)
    }
}

impl Cell for Timestamp {
    fn read(row: &impl Row, column: &str) -> CellResult<Self> {
        Ok(Self::from_ms(i64::read(row, column)?))
    }
}

impl Cell for Revision {
    fn read(row: &impl Row, column: &str) -> CellResult<Self> {
        Ok(Self::new(u64::read(row, column)?))
    }
}

impl Cell for Email {
    fn read(row: &impl Row, column: &str) -> CellResult<Self> {
        Ok(Self::new(&row.text(column)?)?)
    }
}

impl Cell for PasswordHash {
    fn read(row: &impl Row, column: &str) -> CellResult<Self> {
        Ok(Self::new(row.text(column)?))
    }
}

impl Cell for Role {
    fn read(row: &impl Row, column: &str) -> CellResult<Self> {
        word(&row.text(column)?, &Self::WORDS)
    }
}

impl Cell for ExperimentStatus {
    fn read(row: &impl Row, column: &str) -> CellResult<Self> {
        word(&row.text(column)?, &Self::WORDS)
    }
}

impl Cell for Side {
    fn read(row: &impl Row, column: &str) -> CellResult<Self> {
        word(&row.text(column)?, &Self::WORDS)
    }
}

pub(super) fn word<T: Copy>(text: &str, words: &[(&str, T)]) -> CellResult<T> {
    let known = words.iter().find(|(word, _)| *word == text);
    known.map(|(_, value)| *value).ok_or_else(|| format!("the word {text:?} is not known").into())
}

macro_rules! names {
    ($($name:ty),*) => {$(
        impl Cell for $name {
            fn read(row: &impl Row, column: &str) -> CellResult<Self> {
                Ok(Self::new(&row.text(column)?)?)
            }
        }
    )*};
}

names!(PlatformName, EnvironmentName, ParameterKey, FlagKey, ExperimentKey, VariationKey);
