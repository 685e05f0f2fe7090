//! Reads untyped JSON and reports every problem at once.
//!
//! A [`Reader`] points at one place of a document. Asking it for a value of some type either gives the value or notes a problem with
//! the place's path; all readers of one document share one list of problems. Unknown members are ignored. `null` is not the same as
//! absent: only [`Reader::nullable`] accepts it.
//!
//! A problem is either of form (the wrong type, an unknown word, something missing) or of content (too long, too small, no e-mail
//! address). Rules that compare several members make sense only while the form is right: see [`Reader::is_well_formed`].
//!
//! The sentences are those that clients of the original API already see (its validator's English defaults).

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;

use serde_json::{Map, Value};

use crate::Timestamp;

/// One problem: where, and what is allowed there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    /// Dotted path from the document's root; empty for the document as a whole.
    pub path: String,
    /// What is wrong.
    pub message: String,
}

impl Issue {
    /// A problem of a place.
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into() }
    }
}

impl fmt::Display for Issue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

/// The most problems that are kept of one document: a small body can hold millions, and each is described by far more bytes than it has.
const MAX_ISSUES: usize = 1000;

/// The problems of one document, in the order in which they were found; the first thousand.
pub type Issues = Vec<Issue>;

/// What all readers of one document have found.
#[derive(Debug, Default)]
struct Findings {
    issues: RefCell<Issues>,
    malformed: Cell<bool>,
}

/// One place of a document.
#[derive(Clone, Debug)]
pub struct Reader<'v> {
    value: Option<&'v Value>,
    path: String,
    findings: Rc<Findings>,
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
        self.findings.issues.borrow().clone()
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
        self.findings.issues.borrow().is_empty()
    }

    /// Whether no problem of form was found yet, in the whole document. Problems of content may have been.
    pub fn is_well_formed(&self) -> bool {
        !self.findings.malformed.get()
    }

    /// How many problems were found so far, in the whole document.
    pub fn problems(&self) -> usize {
        self.findings.issues.borrow().len()
    }

    /// Notes a problem of this place's content.
    pub fn issue(&self, message: impl Into<String>) {
        let mut issues = self.findings.issues.borrow_mut();
        if issues.len() < MAX_ISSUES {
            issues.push(Issue::new(self.path.clone(), message));
        }
    }

    /// Notes a problem of this place's form.
    pub fn malformed(&self, message: impl Into<String>) {
        self.findings.malformed.set(true);
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
        Text { reader: self, value: self.typed("string", Value::as_str), sound: true }
    }

    /// `true` or `false`.
    pub fn boolean(&self) -> Option<bool> {
        self.typed("boolean", Value::as_bool)
    }

    /// A number, to be checked further.
    pub fn number(&self) -> Number<'_, 'v> {
        Number { reader: self, value: self.typed("number", Value::as_f64), sound: true }
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

/// A member of a partial update.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Patch<T> {
    /// Absent: leave it as it is.
    #[default]
    Keep,
    /// `null`: remove it.
    Clear,
    /// A new value.
    Set(T),
}

impl<T> Patch<T> {
    /// Applies itself to what is stored.
    pub fn apply(self, current: Option<T>) -> Option<T> {
        match self {
            Self::Keep => current,
            Self::Clear => None,
            Self::Set(value) => Some(value),
        }
    }
}

/// Text under inspection. Each check notes its own problem; [`get`](Self::get) gives the text only when all passed.
#[derive(Debug)]
#[must_use]
pub struct Text<'r, 'v> {
    reader: &'r Reader<'v>,
    value: Option<&'v str>,
    sound: bool,
}

impl<'v> Text<'_, 'v> {
    /// At least `units` UTF-16 code units, the unit in which the contract counts.
    pub fn min(self, units: usize, message: impl Into<String>) -> Self {
        self.check(|text| units == 0 || text.encode_utf16().nth(units - 1).is_some(), message)
    }

    /// At most `units` UTF-16 code units.
    pub fn max(self, units: usize, message: impl Into<String>) -> Self {
        self.check(|text| text.encode_utf16().nth(units).is_none(), message)
    }

    /// Exactly `units` UTF-16 code units.
    pub fn length(self, units: usize, message: impl Into<String>) -> Self {
        self.check(|text| text.encode_utf16().take(units + 1).count() == units, message)
    }

    /// Whatever `accepts` says.
    pub fn check(mut self, accepts: impl FnOnce(&str) -> bool, message: impl Into<String>) -> Self {
        if self.value.is_some_and(|text| !accepts(text)) {
            self.reader.issue(message);
            self.sound = false;
        }
        self
    }

    /// The text, when every check passed.
    pub fn get(self) -> Option<&'v str> {
        self.value.filter(|_| self.sound)
    }

    /// The text as an owned value, when every check passed.
    pub fn owned(self) -> Option<String> {
        self.get().map(str::to_owned)
    }
}

/// A number under inspection, like [`Text`].
#[derive(Debug)]
#[must_use]
pub struct Number<'r, 'v> {
    reader: &'r Reader<'v>,
    value: Option<f64>,
    sound: bool,
}

impl Number<'_, '_> {
    /// At least `bound`.
    pub fn min(self, bound: f64) -> Self {
        self.check(|n| n >= bound, || format!("Number must be greater than or equal to {bound}"))
    }

    /// At most `bound`.
    pub fn max(self, bound: f64) -> Self {
        self.check(|n| n <= bound, || format!("Number must be less than or equal to {bound}"))
    }

    /// More than zero.
    pub fn positive(self) -> Self {
        self.check(|n| n > 0.0, || "Number must be greater than 0".to_owned())
    }

    /// A whole number.
    pub fn integer(self) -> Self {
        self.check(|n| n.fract() == 0.0, || "Expected integer, received float".to_owned())
    }

    /// The number, when every check passed.
    pub fn get(self) -> Option<f64> {
        self.value.filter(|_| self.sound)
    }

    /// The number as a whole one, 0 to 2^53 - 1 (the largest that no reader of JSON rounds), when every check passed.
    pub fn whole(self) -> Option<u64> {
        let number = self.integer();
        let number = if number.sound { number.min(0.0).max(9_007_199_254_740_991.0) } else { number };
        // Without a fraction and in range, so its decimal text is digits only.
        number.get().and_then(|n| n.abs().to_string().parse().ok())
    }

    fn check(mut self, accepts: impl FnOnce(f64) -> bool, message: impl FnOnce() -> String) -> Self {
        if self.value.is_some_and(|n| !accepts(n)) {
            self.reader.issue(message());
            self.sound = false;
        }
        self
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

/// Whether `text` is a date and time as the contract writes it: `YYYY-MM-DDTHH:mm[:ss[.fraction]]Z` on a real calendar day.
pub fn is_utc_datetime(text: &str) -> bool {
    text.strip_suffix('Z').is_some_and(is_local_datetime)
}

/// Like [`is_utc_datetime`], and takes a numeric offset (`+02:00`) in place of `Z` too.
pub fn is_offset_datetime(text: &str) -> bool {
    if is_utc_datetime(text) {
        return true;
    }
    let Some(at) = text.len().checked_sub(6) else { return false };
    let (Some(local), Some(offset)) = (text.get(..at), text.get(at..)) else { return false };
    let offset = offset.as_bytes();
    matches!(offset[0], b'+' | b'-')
        && offset[3] == b':'
        && number(&offset[1..3]).is_some_and(|hours| hours < 24)
        && number(&offset[4..6]).is_some_and(|minutes| minutes < 60)
        && is_local_datetime(local)
}

/// The moment that `text` names, if [`is_offset_datetime`] takes it. Digits beyond the millisecond are dropped.
pub fn datetime(text: &str) -> Option<Timestamp> {
    if !is_offset_datetime(text) {
        return None;
    }
    // The contract lets seconds be left out; RFC 3339 does not.
    match (text.get(..16), text.get(16..)) {
        (Some(minutes), Some(offset)) if !offset.starts_with(':') => format!("{minutes}:00{offset}").parse().ok(),
        _ => text.parse().ok(),
    }
}

fn is_local_datetime(text: &str) -> bool {
    let bytes = text.as_bytes();
    if bytes.len() < 16 || bytes[4] != b'-' || bytes[7] != b'-' || bytes[10] != b'T' || bytes[13] != b':' {
        return false;
    }
    let part = |range: std::ops::Range<usize>| bytes.get(range).and_then(number);
    let (Some(year), Some(month), Some(day), Some(hour), Some(minute)) =
        (part(0..4), part(5..7), part(8..10), part(11..13), part(14..16))
    else {
        return false;
    };
    let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + u32::from(leap),
        _ => return false,
    };
    let seconds = match &bytes[16..] {
        [] => true,
        [b':', rest @ ..] => match rest {
            [a, b] => number(&[*a, *b]).is_some_and(|s| s < 60),
            [a, b, b'.', fraction @ ..] => {
                number(&[*a, *b]).is_some_and(|s| s < 60) && !fraction.is_empty() && fraction.iter().all(u8::is_ascii_digit)
            }
            _ => false,
        },
        _ => false,
    };
    seconds && (1..=days).contains(&day) && hour < 24 && minute < 60
}

fn number(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |n, byte| byte.is_ascii_digit().then(|| n * 10 + u32::from(byte - b'0')))
}

/// Whether `text` is an e-mail address as the contract accepts it: an ASCII local part of letters, digits and `_ ' + - .` without
/// leading, trailing or doubled dots, and a domain of at least two labels whose last has two or more letters.
pub fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let local_ok = !local.is_empty()
        && !local.starts_with('.')
        && !local.ends_with(['.', '\''])
        && !local.contains("..")
        && local.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'\'' | b'+' | b'-' | b'.'));
    let labels: Vec<&str> = domain.split('.').collect();
    let label_ok = |label: &&str| {
        !label.is_empty() && !label.starts_with('-') && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let top_ok = labels.last().is_some_and(|top| top.len() >= 2 && top.bytes().all(|b| b.is_ascii_alphabetic()));
    local_ok && labels.len() >= 2 && labels.iter().all(label_ok) && top_ok
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn messages(reader: Reader<'_>) -> Vec<String> {
        reader.into_issues().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_problem_is_told_with_its_path() {
        let body = json!({ "a": 5, "list": [{ "n": 101 }, { "n": "x" }], "role": "root", "none": null });
        let root = Reader::new(Some(&body));
        assert!(root.field("a").text().get().is_none());
        assert!(root.field("list").each(|e| e.field("n").number().max(100.0).get()).is_none());
        assert!(root.field("role").one_of(&[("admin", 1), ("viewer", 2)]).is_none());
        assert!(root.field("none").boolean().is_none());
        assert!(root.field("gone").boolean().is_none());
        assert_eq!(
            messages(root),
            [
                "a: Expected string, received number",
                "list.0.n: Number must be less than or equal to 100",
                "list.1.n: Expected number, received string",
                "role: Invalid enum value. Expected 'admin' | 'viewer', received 'root'",
                "none: Expected boolean, received null",
                "gone: Required",
            ]
        );
    }

    #[test]
    fn no_document_is_one_problem_without_a_path() {
        let root = Reader::new(None);
        assert!(root.object().is_none());
        assert_eq!(messages(root), [": Required"]);
    }

    #[test]
    fn absent_null_and_value_differ() {
        let body = json!({ "null": null, "text": "x" });
        let root = Reader::new(Some(&body));
        let read = |name: &str| root.field(name).nullable(|r| r.text().get());
        assert_eq!(read("gone"), Some(Patch::Keep));
        assert_eq!(read("null"), Some(Patch::Clear));
        assert_eq!(read("text"), Some(Patch::Set("x")));
        assert_eq!(root.field("null").lenient(|r| r.text().get()), Some(None));
        assert_eq!(root.field("null").optional(|r| r.text().get()), None);
    }

    #[test]
    fn lengths_count_utf16_units() {
        let body = json!("😀");
        let root = Reader::new(Some(&body));
        assert!(root.text().length(2, "two").get().is_some());
        assert!(root.text().max(1, "one at most").get().is_none());
        assert!(root.text().min(3, "three at least").get().is_none());
    }

    #[test]
    fn a_lost_value_is_never_success() {
        let body = json!({});
        assert!(Reader::new(Some(&body)).finish::<()>(None).is_err());
    }

    #[test]
    fn form_and_content_are_told_apart() {
        let body = json!({ "short": "", "word": "x", "list": [1] });
        let root = Reader::new(Some(&body));
        assert!(root.field("short").text().min(1, "too short").get().is_none());
        root.field("list").at_least(2, "too few");
        root.field("word").at_least(2, "not a list, so not its business");
        assert!(root.is_well_formed());
        assert!(root.field("word").one_of(&[("y", ())]).is_none());
        assert!(!root.is_well_formed());
        assert_eq!(root.problems(), 3);
    }

    #[test]
    fn a_part_read_alone_keeps_its_problems_to_itself() {
        let body = json!({ "part": { "type": "z" } });
        let root = Reader::new(Some(&body));
        let part = root.field("part").alone();
        assert!(part.field("type").tag(&[("a", 1), ("b", 2)]).is_none());
        assert_eq!(messages(part), ["part.type: Invalid discriminator value. Expected 'a' | 'b'"]);
        assert!(root.is_clean() && root.is_well_formed());
    }

    #[test]
    fn a_document_full_of_problems_is_refused_with_the_first_of_them() {
        let body = json!(vec![0; 5000]);
        let root = Reader::new(Some(&body));
        let read = root.each(|element| element.text().owned());
        let issues = root.finish(read).unwrap_err();
        assert_eq!(issues.len(), MAX_ISSUES);
        assert_eq!(issues[MAX_ISSUES - 1].path, "999");
    }

    #[test]
    fn whole_numbers() {
        let read = |value: serde_json::Value| Reader::new(Some(&value)).number().whole();
        assert_eq!(read(json!(12)), Some(12));
        assert_eq!(read(json!(1e3)), Some(1000));
        assert_eq!(read(json!(-0.0)), Some(0));
        assert_eq!(read(json!(9_007_199_254_740_991_u64)), Some(9_007_199_254_740_991));
        for bad in [json!(1.5), json!(-1), json!(1e300), json!("1")] {
            assert_eq!(read(bad.clone()), None, "{bad}");
        }
    }

    #[test]
    fn moments_with_and_without_seconds_and_offsets() {
        let ms = |text: &str| datetime(text).map(Timestamp::as_ms);
        assert_eq!(ms("1970-01-01T00:01Z"), Some(60_000));
        assert_eq!(ms("1970-01-01T01:00+01:00"), Some(0));
        assert_eq!(ms("1970-01-01T00:00:01.23456789012Z"), Some(1234));
        assert_eq!(ms("1969-12-31T22:00:00-02:00"), Some(0));
        assert_eq!(ms("1970-01-01"), None);
        assert_eq!(ms("1970-01-01T00:00:00"), None);
    }

    #[test]
    fn datetimes() {
        for good in ["2025-01-01T00:00Z", "2025-01-01T00:00:00Z", "2024-02-29T23:59:59.123456789Z"] {
            assert!(is_utc_datetime(good), "{good}");
        }
        for bad in [
            "2025-01-01",
            "2025-02-29T00:00:00Z",
            "2025-01-01T00:00:60Z",
            "2025-01-01t00:00:00Z",
            "2025-01-01T00:00:00z",
            "2025-01-01T00:00:00",
            "2025-01-01T00:00:00+00:00",
            "2025-01-01T00:00:00.Z",
            "",
            "Z",
            "2025-01-01T24:00:00Z",
        ] {
            assert!(!is_utc_datetime(bad), "{bad}");
        }
        assert!(is_offset_datetime("2026-11-22T13:38:20+00:00"));
        assert!(!is_offset_datetime("2026-11-22T13:38:20+0000"));
        assert!(!is_offset_datetime("2026-11-22T13:38:20+24:00"));
    }

    #[test]
    fn emails() {
        for good in ["a@b.co", "a.b+c'd_e-f@x-y.example.com", "A1@EXAMPLE.COM"] {
            assert!(is_email(good), "{good}");
        }
        for bad in
            [".a@b.co", "a..b@c.co", "a@b", "a@b.c", "a@b_c.co", "ä@b.co", "a b@c.co", "a@[127.0.0.1]", "a@b.co ", "@b.co", ""]
        {
            assert!(!is_email(bad), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn text_checks_never_panic(text in "\\PC*") {
            let _ = (is_utc_datetime(&text), is_offset_datetime(&text), is_email(&text));
        }

        #[test]
        fn every_text_that_passes_as_a_datetime_names_a_moment(
            year in 0..10_000_u32, month in 1..13_u32, day in 1..32_u32, hour in 0..24_u32, minute in 0..60_u32,
            seconds in "(:[0-5][0-9](\\.[0-9]{1,12})?)?", offset in "Z|[+-][01][0-9]:[0-5][0-9]",
        ) {
            let text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}{seconds}{offset}");
            prop_assert_eq!(is_offset_datetime(&text), datetime(&text).is_some(), "{}", text);
        }
    }
}
