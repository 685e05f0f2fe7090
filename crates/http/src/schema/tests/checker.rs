//! Whether a document fits a schema: the part of JSON Schema that our descriptions use.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};

use regex_lite::Regex;
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// A schema with those that it refers to.
pub(super) struct Checker {
    root: Value,
    named: BTreeMap<String, Value>,
    patterns: RefCell<HashMap<String, Regex>>,
}

impl Checker {
    pub(super) fn of<T: ToSchema>() -> Self {
        let json = |schema| serde_json::to_value(schema).unwrap();
        let mut others = Vec::new();
        T::schemas(&mut others);
        let named = others.into_iter().map(|(name, schema)| (name, json(schema))).collect();
        Self { root: json(T::schema()), named, patterns: RefCell::default() }
    }

    pub(super) fn accepts(&self, document: &Value) -> bool {
        self.fits(self.root.as_object().unwrap(), document)
    }

    fn fits(&self, schema: &Map<String, Value>, value: &Value) -> bool {
        schema.iter().all(|(keyword, rule)| self.holds(schema, keyword, rule, value))
    }

    fn matches(&self, pattern: &str, text: &str) -> bool {
        let mut patterns = self.patterns.borrow_mut();
        patterns.entry(pattern.to_owned()).or_insert_with(|| Regex::new(pattern).unwrap()).is_match(text)
    }

    fn any(&self, rule: &Value, value: &Value) -> bool {
        self.fits(rule.as_object().unwrap(), value)
    }

    /// Whether a keyword's rule holds. A keyword that is not known here fails the test rather than passing unseen.
    fn holds(&self, schema: &Map<String, Value>, keyword: &str, rule: &Value, value: &Value) -> bool {
        let length = || value.as_str().map(|text| text.encode_utf16().count());
        let items = || value.as_array().map(Vec::len);
        let bound = || usize::try_from(rule.as_u64().unwrap()).unwrap();
        match keyword {
            "description" | "title" | "format" | "example" | "examples" => true,
            "$ref" => {
                let name = rule.as_str().unwrap().rsplit('/').next().unwrap();
                self.any(&self.named[name], value)
            }
            "type" => match rule {
                Value::Array(types) => types.iter().any(|one| is(one.as_str().unwrap(), value)),
                one => is(one.as_str().unwrap(), value),
            },
            "enum" => rule.as_array().unwrap().contains(value),
            "minLength" => length().is_none_or(|length| length >= bound()),
            "maxLength" => length().is_none_or(|length| length <= bound()),
            "pattern" => value.as_str().is_none_or(|text| self.matches(rule.as_str().unwrap(), text)),
            "minimum" => value.as_f64().is_none_or(|n| n >= rule.as_f64().unwrap()),
            "maximum" => value.as_f64().is_none_or(|n| n <= rule.as_f64().unwrap()),
            "minItems" => items().is_none_or(|count| count >= bound()),
            "maxItems" => items().is_none_or(|count| count <= bound()),
            "items" => value.as_array().is_none_or(|items| items.iter().all(|item| self.any(rule, item))),
            "required" => {
                let names: Vec<&str> = rule.as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
                value.as_object().is_none_or(|object| names.iter().all(|name| object.contains_key(*name)))
            }
            "properties" => value.as_object().is_none_or(|object| {
                let rules = rule.as_object().unwrap();
                object.iter().all(|(name, member)| rules.get(name).is_none_or(|rule| self.any(rule, member)))
            }),
            "oneOf" => rule.as_array().unwrap().iter().filter(|rule| self.any(rule, value)).count() == 1,
            "allOf" => rule.as_array().unwrap().iter().all(|rule| self.any(rule, value)),
            _ => panic!("no test knows the keyword {keyword} of {schema:?}"),
        }
    }
}

fn is(name: &str, value: &Value) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "number" => value.is_number(),
        "integer" => value.as_f64().is_some_and(|n| n.fract() == 0.0),
        _ => panic!("no test knows the type {name}"),
    }
}
