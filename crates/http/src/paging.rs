//! Which part of a list a client asks for, and how the answer says what is left.
//!
//! Lists are held in memory, in key order. A token names the last key of the page before, so pages neither skip nor repeat an item
//! when others come and go. It is signed, and bound to its list: a token from elsewhere is refused.

use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use sha2::Sha256;
use togglebox_core::{Cursor, TenantId};

use crate::error::Result;
use crate::etag::EntityTag;
use crate::failure;
use crate::query::Query;

/// Signs and checks page tokens. Nodes of one installation share the key.
#[derive(Clone)]
pub struct PageTokens {
    key: [u8; 32],
    /// Keys that signed before: their tokens are taken, no more are made.
    previous: Vec<[u8; 32]>,
    mark: u64,
}

impl std::fmt::Debug for PageTokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PageTokens(redacted)")
    }
}

impl PageTokens {
    const TAG_BYTES: usize = 12;

    /// Tokens under this key.
    pub fn new(key: [u8; 32]) -> Self {
        let mark = hmac(&key, b"togglebox page tokens' mark");
        Self { key, previous: Vec::new(), mark: u64::from_be_bytes(std::array::from_fn(|at| mark[at])) }
    }

    /// Tokens under keys of their own, made from secrets that also serve other ends: what one key signs, no other one takes. Tokens
    /// that were signed under one of `previous` stay good.
    pub fn derived(secret: &SecretString, previous: &[SecretString]) -> Self {
        let key = |secret: &SecretString| hmac(secret.expose_secret().as_bytes(), b"togglebox page tokens");
        Self { previous: previous.iter().map(key).collect(), ..Self::new(key(secret)) }
    }

    fn mac(key: &[u8; 32], tenant: TenantId, list: &str, last: &str) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
        for part in [tenant.as_uuid().as_bytes().as_slice(), list.as_bytes(), last.as_bytes()] {
            mac.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }

    fn issue(&self, tenant: TenantId, list: &str, last: &str) -> String {
        let mut bytes = Self::mac(&self.key, tenant, list, last)[..Self::TAG_BYTES].to_vec();
        bytes.extend_from_slice(last.as_bytes());
        encode_hex(&bytes)
    }

    fn open(&self, tenant: TenantId, list: &str, token: &str) -> Result<String> {
        let bytes = decode_hex(token).ok_or_else(failure::page_token)?;
        let (tag, last) = bytes.split_at_checked(Self::TAG_BYTES).ok_or_else(failure::page_token)?;
        let last = std::str::from_utf8(last).map_err(|_| failure::page_token())?;
        // What the tag protects is a position, not a secret; comparing it early-out gives nothing away worth having.
        let signed = |key| Self::mac(key, tenant, list, last)[..Self::TAG_BYTES] == *tag;
        let good = signed(&self.key) || self.previous.iter().any(signed);
        if good { Ok(last.to_owned()) } else { Err(failure::page_token()) }
    }
}

fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.chain_update(message).finalize().into_bytes().into()
}

fn encode_hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a String cannot fail");
        text
    })
}

/// Small letters only, as [`encode_hex`] writes them: so a token has one spelling, and one that was altered is not taken.
fn decode_hex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}

/// The list that is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct List<'a> {
    pub(crate) tenant: TenantId,
    /// Unique name of the list, as `flags:web/prod`.
    pub(crate) name: &'a str,
    pub(crate) tokens: &'a PageTokens,
}

/// `limit` and `offset`, read as the contract reads them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) limit: usize,
    pub(crate) offset: usize,
}

impl Window {
    pub(crate) const DEFAULT_LIMIT: usize = 20;
    pub(crate) const MAX_LIMIT: usize = 100;

    /// `limit` clamped to 1..=100 (20 when absent or not a number), `offset` at least 0.
    pub(crate) fn read(query: &Query<'_>) -> Self {
        let number = |name: &str| query.get(name).and_then(leading_integer);
        let limit = number("limit").map_or(Self::DEFAULT_LIMIT, |n| n.clamp(1, Self::MAX_LIMIT));
        Self { limit, offset: number("offset").unwrap_or(0) }
    }
}

/// How JavaScript's `parseInt` reads a count: leading digits; nothing for text and for negative numbers.
fn leading_integer(text: &str) -> Option<usize> {
    let text = text.trim_start();
    let digits = text.strip_prefix('+').unwrap_or(text);
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    if end == 0 { None } else { Some(digits[..end].parse().unwrap_or(usize::MAX)) }
}

/// What `meta` says of a page by number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NumberedMeta {
    page: usize,
    per_page: usize,
    total: usize,
    total_pages: usize,
    has_next: bool,
    has_prev: bool,
    /// Where the next page begins, for `nextToken`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next_token: Option<String>,
}

/// What `meta` says of a page by token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TokenMeta {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next_token: Option<String>,
    has_more: bool,
    total: usize,
}

/// `meta` of lists of platforms, environments and parameters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(untagged)]
pub(crate) enum PlaceMeta {
    Numbered(NumberedMeta),
    Token(TokenMeta),
}

/// `meta` of lists of flags and experiments. The request's parameter is called `nextToken` all the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CursorMeta {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next_cursor: Option<String>,
    has_more: bool,
}

impl CursorMeta {
    /// Of a page after which the list goes on at `next`.
    pub(crate) const fn of(next: Option<String>) -> Self {
        Self { has_more: next.is_some(), next_cursor: next }
    }
}

/// What `meta` says of a page, as far as the page's tag depends on it.
pub(crate) trait Meta {
    /// Whether it names a token, and so depends on the key that signed it.
    fn names_a_token(&self) -> bool;
}

impl Meta for PlaceMeta {
    fn names_a_token(&self) -> bool {
        match self {
            Self::Numbered(meta) => meta.next_token.is_some(),
            Self::Token(meta) => meta.next_token.is_some(),
        }
    }
}

impl Meta for CursorMeta {
    fn names_a_token(&self) -> bool {
        self.next_cursor.is_some()
    }
}

impl List<'_> {
    /// The tag of a page of this list, of a state with the tag `whole`. A page that names a token has a tag of its own under each key,
    /// so that nobody is told that a page with a token from another key is still good.
    pub(crate) fn tag(self, whole: EntityTag, meta: &impl Meta) -> EntityTag {
        if meta.names_a_token() { whole.marked(self.tokens.mark) } else { whole }
    }

    /// The token of a position that only a store understands.
    pub(crate) fn seal(self, cursor: &Cursor) -> String {
        self.tokens.issue(self.tenant, self.name, cursor.as_str())
    }

    /// The position that a token of this list names.
    pub(crate) fn unseal(self, token: &str) -> Result<Cursor> {
        self.tokens.open(self.tenant, self.name, token).map(Cursor::new)
    }

    /// The part of `items` (in key order) that a list of platforms, environments or parameters answers with: everything without a
    /// paging parameter, a page by token when `nextToken` is there (even empty), else a page by number or offset.
    pub(crate) fn places<'i, T>(
        self,
        items: &'i [T],
        key: impl Fn(&T) -> &str,
        query: &Query<'_>,
    ) -> Result<(&'i [T], PlaceMeta)> {
        let total = items.len();
        if let Some(token) = query.get("nextToken") {
            let limit = if query.has("limit") || !query.has("perPage") { Window::read(query).limit } else { per_page(query) };
            let (page, next_token) = self.after(items, &key, token, limit)?;
            return Ok((page, PlaceMeta::Token(TokenMeta { has_more: next_token.is_some(), next_token, total })));
        }
        let by_offset = query.has("limit") || query.has("offset");
        let window = if by_offset {
            Window::read(query)
        } else if query.has("page") || query.has("perPage") {
            let limit = per_page(query);
            let page = query.get("page").and_then(leading_integer).unwrap_or(1).max(1);
            Window { limit, offset: (page - 1).saturating_mul(limit) }
        } else {
            Window { limit: total.max(1), offset: 0 }
        };
        let start = window.offset.min(total);
        let end = start.saturating_add(window.limit).min(total);
        let page = &items[start..end];
        let has_next = end < total;
        let next_token = page.last().filter(|_| has_next).map(|last| self.tokens.issue(self.tenant, self.name, key(last)));
        let meta = NumberedMeta {
            page: window.offset / window.limit + 1,
            per_page: window.limit,
            total,
            total_pages: total.div_ceil(window.limit),
            has_next,
            has_prev: start > 0,
            next_token,
        };
        Ok((page, PlaceMeta::Numbered(meta)))
    }

    /// The part of `items` (in key order) that a list of flags or experiments answers with: everything without a paging parameter.
    pub(crate) fn entries<'i, T>(
        self,
        items: &'i [T],
        key: impl Fn(&T) -> &str,
        query: &Query<'_>,
    ) -> Result<(&'i [T], CursorMeta)> {
        if !self.is_paged(query) {
            return Ok((items, CursorMeta::of(None)));
        }
        let token = query.get("nextToken").unwrap_or("");
        let limit = if query.has("limit") || !query.has("perPage") { Window::read(query).limit } else { per_page(query) };
        let (page, next_cursor) = self.after(items, &key, token, limit)?;
        Ok((page, CursorMeta::of(next_cursor)))
    }

    /// Whether a page of flags or experiments is asked for, rather than all of them. An empty token does not count.
    #[expect(clippy::unused_self, reason = "reads as a question about the list")]
    pub(crate) fn is_paged(self, query: &Query<'_>) -> bool {
        ["nextToken", "page", "perPage", "limit", "offset"].iter().any(|name| query.has(name))
    }

    fn after<'i, T>(
        self,
        items: &'i [T],
        key: &impl Fn(&T) -> &str,
        token: &str,
        limit: usize,
    ) -> Result<(&'i [T], Option<String>)> {
        let start = if token.is_empty() {
            0
        } else {
            let last = self.tokens.open(self.tenant, self.name, token)?;
            items.partition_point(|item| key(item) <= last.as_str())
        };
        let end = start.saturating_add(limit).min(items.len());
        let page = &items[start..end];
        let more = end < items.len();
        let next = page.last().filter(|_| more).map(|last| self.tokens.issue(self.tenant, self.name, key(last)));
        Ok((page, next))
    }
}

fn per_page(query: &Query<'_>) -> usize {
    query.get("perPage").and_then(leading_integer).map_or(Window::DEFAULT_LIMIT, |n| n.clamp(1, Window::MAX_LIMIT))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;
    use proptest::prelude::*;
    use serde_json::json;

    fn query(text: &str) -> Query<'_> {
        Query::parse(text).unwrap()
    }

    fn list<'a>(tokens: &'a PageTokens, name: &'a str) -> List<'a> {
        List { tenant: TenantId::DEFAULT, name, tokens }
    }

    #[test]
    fn without_a_parameter_everything_is_answered() {
        let tokens = PageTokens::new([7; 32]);
        let items: Vec<String> = (100..350).map(|n| n.to_string()).collect();
        let (page, meta) = list(&tokens, "l").places(&items, |s| s, &query("")).unwrap();
        assert_eq!(page.len(), 250);
        assert_eq!(serde_json::to_value(meta).unwrap()["total"], 250);
        let (page, meta) = list(&tokens, "l").entries(&items, |s| s, &query("nextToken=")).unwrap();
        assert_eq!((page.len(), serde_json::to_value(meta).unwrap()), (250, json!({ "hasMore": false })));
    }

    #[test]
    fn pages_by_number_tell_the_whole() {
        let tokens = PageTokens::new([7; 32]);
        let items = ["a", "b", "c"];
        let (page, meta) = list(&tokens, "l").places(&items, |s| s, &query("page=2&perPage=2")).unwrap();
        assert_eq!(page, ["c"]);
        let expected = json!({ "page": 2, "perPage": 2, "total": 3, "totalPages": 2, "hasNext": false, "hasPrev": true });
        assert_eq!(serde_json::to_value(meta).unwrap(), expected);
        let (page, _) = list(&tokens, "l").places(&items, |s| s, &query("limit=0&offset=1")).unwrap();
        assert_eq!(page, ["b"]);
        let (page, _) = list(&tokens, "l").places(&items, |s| s, &query("page=99999999999999999999")).unwrap();
        assert!(page.is_empty());
    }

    #[test]
    fn a_token_is_bound_to_its_list() {
        let tokens = PageTokens::new([7; 32]);
        let token = tokens.issue(TenantId::DEFAULT, "flags:web/prod", "b");
        assert_eq!(tokens.open(TenantId::DEFAULT, "flags:web/prod", &token).unwrap(), "b");
        for (other, list, text) in [
            (TenantId::DEFAULT, "flags:web/dev", token.as_str()),
            (TenantId::from_uuid(uuid::Uuid::from_u128(1)), "flags:web/prod", token.as_str()),
            (TenantId::DEFAULT, "flags:web/prod", &token[2..]),
            (TenantId::DEFAULT, "flags:web/prod", "zzz"),
            (TenantId::DEFAULT, "flags:web/prod", "%"),
            (TenantId::DEFAULT, "flags:web/prod", "ab"),
        ] {
            assert_eq!(tokens.open(other, list, text).unwrap_err().code(), Code::InvalidPageToken);
        }
    }

    proptest! {
        #[test]
        fn an_altered_token_is_refused(last in ".{1,20}", list in ".{0,20}", tenant: u128) {
            let (tokens, tenant) = (PageTokens::new([7; 32]), TenantId::from_uuid(uuid::Uuid::from_u128(tenant)));
            let token = tokens.issue(tenant, &list, &last);
            prop_assert_eq!(tokens.open(tenant, &list, &token).unwrap(), last);
            let shorter = (0..token.len()).map(|length| token[..length].to_owned());
            let flipped = (0..8 * token.len()).filter_map(|bit| {
                let mut bytes = token.clone().into_bytes();
                bytes[bit / 8] ^= 1 << (bit % 8);
                String::from_utf8(bytes).ok()
            });
            for altered in shorter.chain(flipped) {
                let refused = tokens.open(tenant, &list, &altered).map_err(|error| error.code());
                prop_assert_eq!(refused, Err(Code::InvalidPageToken), "{}", altered);
            }
            let longer = format!("{list}:");
            let elsewhere = TenantId::from_uuid(uuid::Uuid::from_u128(!tenant.as_uuid().as_u128()));
            prop_assert!(tokens.open(elsewhere, &list, &token).is_err());
            prop_assert!(tokens.open(tenant, &longer, &token).is_err());
        }

        #[test]
        fn pages_by_token_cover_the_list_once(count in 0usize..60, limit in 1usize..20) {
            let tokens = PageTokens::new([7; 32]);
            let items: Vec<String> = (0..count).map(|n| format!("{n:03}")).collect();
            let (mut seen, mut token) = (Vec::new(), String::new());
            loop {
                let asked = format!("limit={limit}&nextToken={token}");
                let (page, meta) = list(&tokens, "l").entries(&items, |s| s, &query(&asked)).unwrap();
                seen.extend(page.iter().cloned());
                match meta.next_cursor {
                    Some(next) => token = next,
                    None => break,
                }
            }
            prop_assert_eq!(seen, items);
        }
    }
}
