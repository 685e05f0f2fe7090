//! Request parameters: form-encoded, nested with brackets.
//!
//! A handler takes out what it knows; what is left at the end was unknown.

use indexmap::IndexMap;

use crate::error::{ApiError, ApiResult};

#[derive(Debug, Clone, PartialEq, Eq)]
enum Node {
    Text(String),
    Map(IndexMap<String, Node>),
}

/// Parameters, or a branch of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Form {
    /// Where this branch hangs, for error messages.
    prefix: String,
    nodes: IndexMap<String, Node>,
}

/// The pairs of an object's `metadata`, in order. An empty value removes.
pub(crate) type Pairs = IndexMap<String, String>;

impl Form {
    /// Reads a query or a body.
    pub(crate) fn parse(encoded: &[u8]) -> ApiResult<Self> {
        let mut form = Self::default();
        for (key, value) in form_urlencoded::parse(encoded) {
            insert(&mut form.nodes, &segments(&key)?, &value)
                .ok_or_else(|| ApiError::parameter(key, "Invalid parameter nesting"))?;
        }
        Ok(form)
    }

    fn name(&self, key: &str) -> String {
        if self.prefix.is_empty() { key.to_owned() } else { format!("{}[{key}]", self.prefix) }
    }

    fn wrong(&self, key: &str, what: &str) -> ApiError {
        ApiError::parameter(self.name(key), format!("Invalid {what}: {key}"))
    }

    /// An error about one of these parameters.
    pub(crate) fn error(&self, key: &str, message: impl Into<String>) -> ApiError {
        ApiError::parameter(self.name(key), message)
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.nodes.contains_key(key)
    }

    pub(crate) fn text(&mut self, key: &str) -> ApiResult<Option<String>> {
        match self.nodes.shift_remove(key) {
            None => Ok(None),
            Some(Node::Text(text)) => Ok(Some(text)),
            Some(Node::Map(_)) => Err(self.wrong(key, "string")),
        }
    }

    pub(crate) fn required(&mut self, key: &str) -> ApiResult<String> {
        self.text(key)?.filter(|text| !text.is_empty()).ok_or_else(|| ApiError::required(self.name(key)))
    }

    pub(crate) fn integer(&mut self, key: &str) -> ApiResult<Option<i64>> {
        let Some(text) = self.text(key)? else { return Ok(None) };
        text.parse().map(Some).map_err(|_| self.wrong(key, "integer"))
    }

    pub(crate) fn boolean(&mut self, key: &str) -> ApiResult<Option<bool>> {
        match self.text(key)?.as_deref() {
            None => Ok(None),
            Some("true" | "1") => Ok(Some(true)),
            Some("false" | "0") => Ok(Some(false)),
            Some(_) => Err(self.wrong(key, "boolean")),
        }
    }

    /// One of a few words.
    pub(crate) fn word(&mut self, key: &str, words: &[&'static str]) -> ApiResult<Option<&'static str>> {
        let Some(text) = self.text(key)? else { return Ok(None) };
        let found = words.iter().find(|word| **word == text);
        found.copied().map(Some).ok_or_else(|| self.error(key, format!("Invalid {key}: must be one of {}", words.join(", "))))
    }

    /// A branch; empty when it is not there. Its own leftovers count only when it is [finished](Self::finish).
    pub(crate) fn branch(&mut self, key: &str) -> ApiResult<Self> {
        let prefix = self.name(key);
        match self.nodes.shift_remove(key) {
            None => Ok(Self { prefix, nodes: IndexMap::new() }),
            Some(Node::Text(text)) if text.is_empty() => Ok(Self { prefix, nodes: IndexMap::new() }),
            Some(Node::Map(nodes)) => Ok(Self { prefix, nodes }),
            Some(Node::Text(_)) => Err(self.wrong(key, "object")),
        }
    }

    /// The branches of an array, by index.
    pub(crate) fn branches(&mut self, key: &str) -> ApiResult<Vec<Self>> {
        let mut all = self.branch(key)?;
        let keys: Vec<String> = all.nodes.keys().cloned().collect();
        keys.iter().map(|key| all.branch(key)).collect()
    }

    /// The values of an array of strings.
    pub(crate) fn texts(&mut self, key: &str) -> ApiResult<Vec<String>> {
        if let Some(Node::Text(text)) = self.nodes.get(key) {
            let text = text.clone();
            self.nodes.shift_remove(key);
            return Ok(if text.is_empty() { Vec::new() } else { vec![text] });
        }
        let mut all = self.branch(key)?;
        let keys: Vec<String> = all.nodes.keys().cloned().collect();
        keys.iter().map(|key| Ok(all.text(key)?.unwrap_or_default())).collect()
    }

    /// All pairs of a branch, as `metadata` and a meter event's `payload` have them.
    pub(crate) fn pairs(&mut self, key: &str) -> ApiResult<Pairs> {
        let mut all = self.branch(key)?;
        let keys: Vec<String> = all.nodes.keys().cloned().collect();
        keys.into_iter().map(|key| Ok((key.clone(), all.text(&key)?.unwrap_or_default()))).collect()
    }

    /// Parameters that are accepted and change nothing here.
    pub(crate) fn ignore(&mut self, keys: &[&str]) {
        for key in keys {
            self.nodes.shift_remove(*key);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// An error if anything is left.
    pub(crate) fn finish(self) -> ApiResult<()> {
        match self.nodes.keys().next() {
            Some(key) => Err(ApiError::unknown_parameter(self.name(key))),
            None => Ok(()),
        }
    }
}

/// Changes metadata as an update does.
pub(crate) fn merge(metadata: &mut Pairs, changes: Pairs) {
    for (key, value) in changes {
        if value.is_empty() {
            metadata.shift_remove(&key);
        } else {
            metadata.insert(key, value);
        }
    }
}

/// `a[b][0]` is `a`, `b`, `0`.
fn segments(key: &str) -> ApiResult<Vec<&str>> {
    let Some((first, rest)) = key.split_once('[') else { return Ok(vec![key]) };
    let malformed = || ApiError::parameter(key, "Malformed parameter name");
    let rest = rest.strip_suffix(']').ok_or_else(malformed)?;
    Ok(std::iter::once(first).chain(rest.split("][")).collect())
}

fn insert(nodes: &mut IndexMap<String, Node>, path: &[&str], value: &str) -> Option<()> {
    let (first, rest) = path.split_first()?;
    // An empty index appends.
    let key = if first.is_empty() { nodes.len().to_string() } else { (*first).to_owned() };
    if rest.is_empty() {
        nodes.insert(key, Node::Text(value.to_owned()));
        return Some(());
    }
    match nodes.entry(key).or_insert_with(|| Node::Map(IndexMap::new())) {
        Node::Map(inner) => insert(inner, rest, value),
        Node::Text(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_nest_and_empty_ones_append() {
        let mut form =
            Form::parse(b"items[0][price]=p&items[0][quantity]=2&expand[]=a&expand[]=b&metadata[k]=v%20w&x=true").unwrap();
        let mut items = form.branches("items").unwrap();
        assert_eq!(items[0].text("price").unwrap().as_deref(), Some("p"));
        assert_eq!(items[0].integer("quantity").unwrap(), Some(2));
        assert_eq!(form.texts("expand").unwrap(), ["a", "b"]);
        assert_eq!(form.pairs("metadata").unwrap()["k"], "v w");
        assert_eq!(form.boolean("x").unwrap(), Some(true));
        form.finish().unwrap();
    }

    #[test]
    fn what_is_left_is_named_with_its_brackets() {
        let mut form = Form::parse(b"a[b]=1").unwrap();
        assert_eq!(form.branch("a").unwrap().finish(), Err(ApiError::unknown_parameter("a[b]")));
        assert_eq!(Form::parse(b"z=1").unwrap().finish(), Err(ApiError::unknown_parameter("z")));
    }

    #[test]
    fn a_name_that_is_text_and_object_at_once_is_refused() {
        assert!(Form::parse(b"a=1&a[b]=2").is_err());
        assert!(Form::parse(b"a[b=2").is_err());
    }
}
