//! What was exchanged, without what is private: no key, no id, no address of mail or web, nothing of a person, an account or a card.

use std::collections::BTreeMap;

use anyhow::Result;
use serde_json::{Map, Value, json};

use super::relay::Exchange;

const GONE: &str = "scrubbed";

/// Fields whose values are of a person, an account or a card, or open something, wherever they stand.
const PRIVATE: [&str; 34] = [
    "account_country",
    "account_name",
    "account_tax_ids",
    "bank",
    "brand",
    "city",
    "client_secret",
    "country",
    "description",
    "display_brand",
    "email",
    "exp_month",
    "exp_year",
    "fingerprint",
    "funding",
    "iin",
    "invoice_prefix",
    "ip_address",
    "issuer",
    "last4",
    "line1",
    "line2",
    "name",
    "network",
    "number",
    "phone",
    "postal_code",
    "receipt_number",
    "regulated_status",
    "secret",
    "state",
    "statement_descriptor",
    "support_phone",
    "url",
];

/// All of it as a text of JSON.
pub(super) fn exchanges(all: &[Exchange]) -> Result<String> {
    let mut scrub = Scrub::default();
    let told: Vec<Value> = all.iter().map(|one| scrub.exchange(one)).collect();
    Ok(format!("{}\n", serde_json::to_string_pretty(&told)?))
}

/// Ids are exchanged for others, the same for the same, so that what belongs together can be seen.
#[derive(Debug, Default)]
struct Scrub {
    names: BTreeMap<String, String>,
    counts: BTreeMap<String, usize>,
}

impl Scrub {
    fn exchange(&mut self, one: &Exchange) -> Value {
        let mut form = Map::new();
        for (key, value) in &one.form {
            // `items[0][price]` is about a price.
            let field = key.rsplit('[').map(|part| part.trim_end_matches(']')).find(|part| !part.is_empty()).unwrap_or(key);
            let value = self.field(field, &json!(value));
            form.insert(self.text(key), value);
        }
        json!({
            "request": { "method": one.method, "path": self.text(&one.path), "headers": self.headers(&one.asked), "form": form },
            "answer": { "status": one.status, "headers": self.headers(&one.answered), "body": self.value(&one.body) },
        })
    }

    fn headers(&mut self, headers: &[(String, String)]) -> Value {
        headers.iter().map(|(name, value)| (name.clone(), json!(self.text(value)))).collect::<Map<_, _>>().into()
    }

    fn value(&mut self, value: &Value) -> Value {
        match value {
            Value::Object(fields) => {
                fields.iter().map(|(name, value)| (self.text(name), self.field(name, value))).collect::<Map<_, _>>().into()
            }
            Value::Array(values) => values.iter().map(|value| self.value(value)).collect(),
            Value::String(text) => json!(self.text(text)),
            other => other.clone(),
        }
    }

    fn field(&mut self, name: &str, value: &Value) -> Value {
        let is_private =
            PRIVATE.binary_search(&name).is_ok() || ["_email", "_url", "_pdf", "_phone"].iter().any(|end| name.ends_with(end));
        match value {
            Value::String(_) if is_private => json!(GONE),
            Value::Number(_) if is_private => json!(0),
            other => self.value(other),
        }
    }

    /// Ids within a text are exchanged; what has an address or a secret in it is gone.
    fn text(&mut self, text: &str) -> String {
        let is_private = ["@", "://", "sk_", "rk_", "pk_", "whsec_", "_secret_"].iter().any(|mark| text.contains(mark));
        if is_private {
            return GONE.to_owned();
        }
        let mut told = String::new();
        let mut rest = text;
        while !rest.is_empty() {
            let is_word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
            let end = rest.find(|letter| !is_word(letter)).unwrap_or(rest.len());
            let (word, other) = rest.split_at(end);
            told.push_str(&self.word(word));
            let next = other.find(is_word).unwrap_or(other.len());
            told.push_str(&other[..next]);
            rest = &other[next..];
        }
        told
    }

    fn word(&mut self, word: &str) -> String {
        let Some((prefix, tail)) = word.rsplit_once('_').filter(|(prefix, tail)| is_id(prefix, tail)) else {
            return word.to_owned();
        };
        let _ = tail;
        let counts = &mut self.counts;
        let named = self.names.entry(word.to_owned()).or_insert_with(|| {
            let count = counts.entry(prefix.to_owned()).or_default();
            *count += 1;
            format!("{prefix}_{count}")
        });
        named.clone()
    }
}

/// `cus` and `QXg1o8vcGmoR32`, and not `payment` and `method`.
fn is_id(prefix: &str, tail: &str) -> bool {
    let is_made = tail.bytes().any(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase());
    tail.len() >= 8 && is_made && prefix.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

#[test]
fn the_private_fields_are_in_order() {
    assert!(PRIVATE.is_sorted());
}

#[test]
fn what_is_private_is_gone_and_what_belongs_together_is_seen() {
    let body = json!({
        "id": "cus_QXg1o8vcGmoR32", "object": "customer", "email": "ada@example.com", "balance": 0, "name": null, "created": 1_700_000_000,
        "latest_invoice": {"id": "in_1PgafmB7WZ01zgkW", "hosted_invoice_url": "https://invoice.stripe.com/i/x", "customer": "cus_QXg1o8vcGmoR32"},
        "card": {"last4": "4242", "exp_year": 2030, "status": "payment_method"},
        "metadata": {"note": "ask ada@example.com"}, "client_secret": "pi_1PgafmB7WZ01zgkW_secret_abc",
    });
    let pairs = |pairs: &[(&str, &str)]| pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let one = Exchange {
        method: "POST".to_owned(),
        path: "/v1/customers/cus_QXg1o8vcGmoR32".to_owned(),
        form: pairs(&[("email", "ada@example.com"), ("items[0][price]", "price_1PgafmB7WZ01zgkW6dKueIc5"), ("return_url", "x")]),
        asked: pairs(&[("idempotency-key", "live:1700000000:plan")]),
        status: 200,
        answered: pairs(&[("idempotent-replayed", "true")]),
        body,
    };
    let told: Value = serde_json::from_str(&exchanges(&[one]).unwrap()).unwrap();
    let expected = json!([{
        "request": {
            "method": "POST", "path": "/v1/customers/cus_1", "headers": {"idempotency-key": "live:1700000000:plan"},
            "form": {"email": "scrubbed", "items[0][price]": "price_1", "return_url": "scrubbed"},
        },
        "answer": {"status": 200, "headers": {"idempotent-replayed": "true"}, "body": {
            "id": "cus_1", "object": "customer", "email": "scrubbed", "balance": 0, "name": null, "created": 1_700_000_000,
            "latest_invoice": {"id": "in_1", "hosted_invoice_url": "scrubbed", "customer": "cus_1"},
            "card": {"last4": "scrubbed", "exp_year": 0, "status": "payment_method"},
            "metadata": {"note": "scrubbed"}, "client_secret": "scrubbed",
        }},
    }]);
    assert_eq!(told, expected);
}
