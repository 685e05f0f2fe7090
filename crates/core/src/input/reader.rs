//! One place of a document, and the values that can be read from it.

use std::rc::Rc;

use serde_json::{Map, Value};

use super::issue::{Findings, Issue, Issues};
use super::{Number, Patch, Text};

/// One place of a document.
#[derive(Clone, Debug)]
pub struct Reader<'v> {
    value: Option<&'v Value>,
    path: String,
    findings: Rc<Findings>,
}

/// Reads a document that must be an object. One that is none has that one problem.
///
/// # Errors
/// Its problems.
pub fn read_object<T>(document: Option<&Value>, read: impl FnOnce(&Reader<'_>) -> Option<T>) -> Result<T, Issues> {
    let root = Reader::new(document);
    let value = root.object().is_some().then(|| read(&root)).flatten();
    root.finish(value)
}

impl<'v> Reader<'v> {
    /// The root of a document; `None` when there is no document at all.
    pub fn new(document: Option<&'v Value>) -> Self {
        Self { value: document, path: String::new(), findings: Rc::default() }
    }

    /// The same place with a list of problems of its own: for parts of a document that stand or fall by themselves.
    #[must_use]
    pub fn alone(&self) -> Self {
        Self { value: self.value, path: self.path.clone(), findings: Rc::default() }
    }

    /// The problems found so far by all readers of this document.
    pub fn into_issues(self) -> Issues {
        self.findings.all()
    }

    /// `value` when it was read and the whole document has no problem, else the problems.
    ///
    /// # Errors
    /// The problems.
    pub fn finish<T>(self, value: Option<T>) -> Result<T, Issues> {
        let issues = self.into_issues();
        match value {
            Some(value) if issues.is_empty() => Ok(value),
            // A reader that gave no value has noted why; this keeps a slip from looking like success.
            _ if issues.is_empty() => Err(vec![Issue::new("", "Invalid input")]),
            _ => Err(issues),
        }
    }

    /// Whether no problem was found yet, in the whole document.
    pub fn is_clean(&self) -> bool {
        self.findings.count() == 0
    }

    /// Whether no problem of form was found yet, in the whole document. Problems of content may have been.
    pub fn is_well_formed(&self) -> bool {
        !self.findings.is_malformed()
    }

    /// How many problems were found so far, in the whole document.
    pub fn problems(&self) -> usize {
        self.findings.count()
    }

    /// Notes a problem of this place's content.
    pub fn issue(&self, message: impl Into<String>) {
        self.findings.note(|| Issue::new(self.path.clone(), message));
    }

    /// Notes a problem of this place's form.
    pub fn malformed(&self, message: impl Into<String>) {
        self.findings.mark_malformed();
        self.issue(message);
    }

    /// Whether nothing stands here.
    pub fn is_absent(&self) -> bool {
        self.value.is_none()
    }

    /// What stands here, unread.
    pub fn raw(&self) -> Option<&'v Value> {
        self.value
    }

    /// The path of this place.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The member called `name`. Of anything but an object, an absent place.
    #[must_use]
    pub fn field(&self, name: &str) -> Self {
        let value = self.value.and_then(Value::as_object).and_then(|object| object.get(name));
        self.child(value, name)
    }

    /// Reads with `read` unless nothing stands here. The outer `None` means a problem, the inner one absence.
    pub fn optional<T>(&self, read: impl FnOnce(&Self) -> Option<T>) -> Option<Option<T>> {
        if self.is_absent() { Some(None) } else { read(self).map(Some) }
    }

    /// Like [`optional`](Self::optional), and takes `null` for absence too.
    pub fn lenient<T>(&self, read: impl FnOnce(&Self) -> Option<T>) -> Option<Option<T>> {
        if self.value.is_none_or(Value::is_null) { Some(None) } else { read(self).map(Some) }
    }

    /// For partial updates: absent, `null`, or a value.
    pub fn nullable<T>(&self, read: impl FnOnce(&Self) -> Option<T>) -> Option<Patch<T>> {
        match self.value {
            None => Some(Patch::Keep),
            Some(Value::Null) => Some(Patch::Clear),
            Some(_) => read(self).map(Patch::Set),
        }
    }

    /// An object.
    pub fn object(&self) -> Option<&'v Map<String, Value>> {
        self.typed("object", Value::as_object)
    }

    /// Text, to be checked further.
    pub fn text(&self) -> Text<'_, 'v> {
        Text::new(self, self.typed("string", Value::as_str))
    }

    /// `true` or `false`.
    pub fn boolean(&self) -> Option<bool> {
        self.typed("boolean", Value::as_bool)
    }

    /// A number, to be checked further.
    pub fn number(&self) -> Number<'_, 'v> {
        Number::new(self, self.typed("number", Value::as_f64))
    }

    /// The elements of an array.
    pub fn array(&self) -> Option<Vec<Self>> {
        Some(self.elements()?.collect())
    }

    fn elements<'r>(&'r self) -> Option<impl Iterator<Item = Self> + use<'r, 'v>> {
        let elements = self.typed("array", Value::as_array)?;
        Some(elements.iter().enumerate().map(|(i, value)| self.child(Some(value), &i.to_string())))
    }

    /// The elements of an array, each read with `read`; `None` when it is no array or an element has a problem.
    pub fn each<T>(&self, mut read: impl FnMut(&Self) -> Option<T>) -> Option<Vec<T>> {
        // Every element gets its say, but after the first problem none is kept.
        let mut values = Some(Vec::new());
        for element in self.elements()? {
            match read(&element) {
                Some(value) => {
                    if let Some(values) = &mut values {
                        values.push(value);
                    }
                }
                None => values = None,
            }
        }
        values
    }

    /// Like [`each`](Self::each), of an array with at most `count` elements. A longer one is not looked at any further: it may be as long
    /// as the largest document.
    pub fn each_of_at_most<T>(&self, count: usize, read: impl FnMut(&Self) -> Option<T>) -> Option<Vec<T>> {
        if self.value.and_then(Value::as_array).is_some_and(|elements| elements.len() > count) {
            self.issue(format!("Array must contain at most {count} element(s)"));
            return None;
        }
        self.each(read)
    }

    /// Notes `message` when an array with fewer than `count` elements stands here.
    pub fn at_least(&self, count: usize, message: impl Into<String>) {
        if self.value.and_then(Value::as_array).is_some_and(|elements| elements.len() < count) {
            self.issue(message);
        }
    }

    /// One of a closed set of words that say how to read the rest of an object.
    pub fn tag<T: Copy>(&self, allowed: &[(&str, T)]) -> Option<T> {
        let text = self.value.and_then(Value::as_str);
        let found = allowed.iter().find(|(word, _)| Some(*word) == text).map(|(_, value)| *value);
        if found.is_none() {
            self.malformed(format!("Invalid discriminator value. Expected {}", quoted(allowed)));
        }
        found
    }

    /// One of a closed set of words.
    pub fn one_of<T: Copy>(&self, allowed: &[(&str, T)]) -> Option<T> {
        let text = self.typed(&quoted(allowed), Value::as_str)?;
        let found = allowed.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        if found.is_none() {
            self.malformed(format!("Invalid enum value. Expected {}, received '{text}'", quoted(allowed)));
        }
        found
    }

    fn child(&self, value: Option<&'v Value>, name: &str) -> Self {
        let path = if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) };
        Self { value, path, findings: Rc::clone(&self.findings) }
    }

    fn typed<T>(&self, expected: &str, get: impl FnOnce(&'v Value) -> Option<T>) -> Option<T> {
        let Some(value) = self.value else {
            self.malformed("Required");
            return None;
        };
        let read = get(value);
        if read.is_none() {
            self.malformed(format!("Expected {expected}, received {}", type_name(value)));
        }
        read
    }
}

fn quoted<T>(allowed: &[(&str, T)]) -> String {
    let words: Vec<String> = allowed.iter().map(|(word, _)| format!("'{word}'")).collect();
    words.join(" | ")
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
