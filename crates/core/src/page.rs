//! Lists by opaque cursor.

use std::fmt;

/// Where a list goes on. Opaque: only the store that made it can read it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cursor(String);

impl Cursor {
    /// Wraps a store's own text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The store's own text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which part of a list is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageRequest {
    limit: usize,
    after: Option<Cursor>,
}

impl PageRequest {
    /// The most items that one page may hold.
    pub const MAX_LIMIT: usize = 1000;

    /// The first `limit` items, at least 1 and at most [`Self::MAX_LIMIT`].
    pub fn first(limit: usize) -> Self {
        Self { limit: limit.clamp(1, Self::MAX_LIMIT), after: None }
    }

    /// The page that begins where `cursor` points.
    #[must_use]
    pub fn after(mut self, cursor: Option<Cursor>) -> Self {
        self.after = cursor;
        self
    }

    /// The most items wanted.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Where the page begins; `None` is the start of the list.
    pub fn cursor(&self) -> Option<&Cursor> {
        self.after.as_ref()
    }
}

/// Part of a list, and where the rest begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The items, in the list's order.
    pub items: Vec<T>,
    /// Present exactly when more items follow.
    pub next: Option<Cursor>,
}

impl<T> Page<T> {
    /// A page with nothing on it and nothing after it.
    pub const fn empty() -> Self {
        Self { items: Vec::new(), next: None }
    }
}
