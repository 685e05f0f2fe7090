//! What lists ask and tell.

use std::collections::HashMap;

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::route::Parameter;

/// The query of lists. Without any of these a list is answered as a whole.
pub(crate) const PAGES: &[Parameter] = &[
    Parameter { name: "limit", required: false, about: "At most this many, 1 to 100" },
    Parameter { name: "offset", required: false, about: "How many to leave out, where pages have numbers" },
    Parameter { name: "page", required: false, about: "Which page, from 1, where pages have numbers" },
    Parameter { name: "perPage", required: false, about: "How many a page holds, 1 to 100; 20 without" },
    Parameter { name: "nextToken", required: false, about: "Where the page before ended; empty for the first page" },
];

/// How many there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Count {
    pub(crate) count: usize,
}

/// `meta` of a list of versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct HistoryMeta {
    /// How many versions there are.
    pub(crate) total: usize,
}

/// `meta` of the list of users.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct UserListMeta {
    /// How many users there are.
    pub(crate) total: u64,
    /// How many a page holds.
    pub(crate) limit: u64,
    /// How many were left out.
    pub(crate) offset: u64,
}

/// Values by key, each of its parameter's type.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes the answer; the map is rendered directly")]
pub(crate) struct Values(HashMap<String, Value>);
