//! What a parameter's text stands for.
//!
//! Stored texts are read as the contract's clients see them: with the rules of JavaScript, leniently. New texts are held to a stricter
//! rule, [`fits`], so that what is written is what will be read.

use serde_json::Value;

use crate::{ParameterDefinition, ValueType, number};

impl ParameterDefinition {
    /// The typed value that clients get.
    pub fn typed_value(&self) -> Value {
        read(self.value_type, &self.default_value)
    }
}

/// The typed value of `text`.
///
/// - A string is the text itself, and a boolean is true for exactly `true`.
/// - A number is what JavaScript's `parseFloat` reads at the beginning of the text; `null` when there is none or it is infinite.
/// - JSON is read as `JSON.parse` does, every number as binary64; `null` when it does not parse. Unlike there, a number beyond the
///   range of binary64, a lone surrogate and a nesting of more than 128 levels do not parse.
///
/// Numbers come out as JavaScript shows them: without a fraction wherever they are whole and fit 64 bits.
pub fn read(value_type: ValueType, text: &str) -> Value {
    match value_type {
        ValueType::String => Value::String(text.to_owned()),
        ValueType::Boolean => Value::Bool(text == "true"),
        ValueType::Number => number::parse_float(text).and_then(number::from_f64).map_or(Value::Null, Value::Number),
        ValueType::Json => serde_json::from_str(text).map_or(Value::Null, with_binary64_numbers),
    }
}

/// Whether `text` may be written as a value of this type: a number is a finite JSON number and nothing else, a boolean is `true` or
/// `false`, JSON parses.
pub fn fits(value_type: ValueType, text: &str) -> bool {
    match value_type {
        ValueType::Number => {
            // JSON itself allows white space around.
            let bare = text.starts_with(|c: char| c == '-' || c.is_ascii_digit()) && text.ends_with(|c: char| c.is_ascii_digit());
            bare && serde_json::from_str::<serde_json::Number>(text).is_ok()
        }
        _ => fits_leniently(value_type, text),
    }
}

/// Whether `text` means something as a value of this type to the contract's clients: like [`fits`], but for a number it is enough that
/// the text begins with a finite one.
pub fn fits_leniently(value_type: ValueType, text: &str) -> bool {
    match value_type {
        ValueType::String => true,
        ValueType::Boolean => matches!(text, "true" | "false"),
        ValueType::Number => number::parse_float(text).is_some_and(f64::is_finite),
        ValueType::Json => serde_json::from_str::<Value>(text).is_ok(),
    }
}

/// The text that stands for `value`: for JSON `JSON.stringify`'s, for the other types `String`'s. [`read`] gives a value that fits the
/// type back.
pub fn write(value_type: ValueType, value: &Value) -> String {
    if value_type == ValueType::Json { number::to_json(value) } else { to_text(value) }
}

fn to_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null | Value::Bool(_) | Value::Number(_) => number::to_json(value),
        Value::Array(elements) => {
            let text = |element: &Value| if element.is_null() { String::new() } else { to_text(element) };
            elements.iter().map(text).collect::<Vec<_>>().join(",")
        }
        Value::Object(_) => "[object Object]".to_owned(),
    }
}

fn with_binary64_numbers(value: Value) -> Value {
    match value {
        Value::Number(n) => n.as_f64().and_then(number::from_f64).map_or(Value::Null, Value::Number),
        Value::Array(elements) => Value::Array(elements.into_iter().map(with_binary64_numbers).collect()),
        Value::Object(members) => {
            Value::Object(members.into_iter().map(|(name, value)| (name, with_binary64_numbers(value))).collect())
        }
        scalar => scalar,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_whole_numbers_may_be_written() {
        for good in ["0", "-7", "3.14", "1e3", "1E-2", "9007199254740993", "-0"] {
            assert!(fits(ValueType::Number, good), "{good}");
        }
        for lenient in [" 12 ", "12abc", "0x10", "1,000", ".5", "5.", "+5", "007", "1e", "12\n"] {
            assert!(!fits(ValueType::Number, lenient), "{lenient}");
            assert!(fits_leniently(ValueType::Number, lenient), "{lenient}");
        }
        for bad in ["", "abc", "NaN", "Infinity", "1e999", "--1", "-", "\"1\""] {
            assert!(!fits(ValueType::Number, bad), "{bad}");
            assert!(!fits_leniently(ValueType::Number, bad), "{bad}");
        }
    }

    #[test]
    fn other_types_are_strict_either_way() {
        for fits in [fits, fits_leniently] {
            assert!(fits(ValueType::String, ""));
            assert!(fits(ValueType::Boolean, "false"));
            assert!(!fits(ValueType::Boolean, "False"));
            assert!(fits(ValueType::Json, " {\"a\": [1]} "));
            assert!(!fits(ValueType::Json, "{a:1}"));
            assert!(!fits(ValueType::Json, &"[".repeat(10_000)));
        }
    }

    #[test]
    fn lists_are_joined() {
        assert_eq!(write(ValueType::String, &serde_json::json!([1, null, ["a", true]])), "1,,a,true");
    }

    proptest! {
        #[test]
        fn reading_never_panics_and_gives_the_type(text in "\\PC*|[-+.eE0-9 ]{0,12}|[\\[{\"0-9a:,}\\]]{0,12}") {
            prop_assert!(read(ValueType::String, &text).is_string());
            prop_assert!(read(ValueType::Boolean, &text).is_boolean());
            prop_assert_eq!(read(ValueType::Number, &text).is_number(), fits_leniently(ValueType::Number, &text));
            if fits(ValueType::Number, &text) {
                prop_assert_eq!(read(ValueType::Number, &text), read(ValueType::Json, &text));
            }
        }

        #[test]
        fn numbers_read_back(n in proptest::num::f64::NORMAL | proptest::num::f64::SUBNORMAL | proptest::num::f64::ZERO) {
            let value = Value::Number(number::from_f64(n).unwrap());
            for value_type in [ValueType::Number, ValueType::Json] {
                let text = write(value_type, &value);
                prop_assert!(fits(value_type, &text));
                prop_assert_eq!(read(value_type, &text).as_f64(), Some(n));
            }
        }
    }
}
