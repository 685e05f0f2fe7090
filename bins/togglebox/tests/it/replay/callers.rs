//! Whom the recorded requests come from, and the texts of earlier answers that they carry.

use std::collections::BTreeMap;

use jsonwebtoken::{EncodingKey, Header};
use serde_json::{Value, json};

use super::recording::Exchange;
use super::stage::{API_KEY_SECRET, JWT_SECRET};

/// Texts that our server gave, in place of those that the recorded one gave.
#[derive(Debug, Default)]
pub(crate) struct Callers {
    /// By the name that the recording has for it.
    named: BTreeMap<String, String>,
    /// By the recorded text, with its name.
    recorded: BTreeMap<String, String>,
}

/// 2100-01-01.
const FAR: i64 = 4_102_444_800;
/// 2020-09-13.
const LONG_AGO: i64 = 1_600_000_000;

impl Callers {
    pub(crate) fn name(&mut self, name: &str, recorded: &str, ours: &str) {
        self.recorded.insert(recorded.to_owned(), name.to_owned());
        self.rename(name, ours);
    }

    /// Gives `name` another text; requests that carry the recorded text get it too.
    pub(crate) fn rename(&mut self, name: &str, ours: &str) {
        self.named.insert(name.to_owned(), ours.to_owned());
    }

    /// Keeps what the recording kept of an answer, from our answer.
    pub(crate) fn learn(&mut self, exchange: &Exchange, ours: &Value) {
        for (name, path) in &exchange.response.saves {
            let pointer = format!("/{}", path.replace('.', "/"));
            let text = |body: &Value| body.pointer(&pointer).and_then(Value::as_str).map(str::to_owned);
            let recorded = text(&exchange.response.body).unwrap_or_else(|| panic!("{}: {name} was recorded", exchange.id));
            // Where we give none, the exchange itself shows it; what needs the text then says so.
            if let Some(ours) = text(ours) {
                self.name(name, &recorded, &ours);
            }
        }
    }

    /// `text` with our texts instead of names in `${}` and instead of recorded texts.
    pub(crate) fn translate(&self, text: &str) -> String {
        let named = self.named.iter().fold(text.to_owned(), |text, (name, ours)| text.replace(&format!("${{{name}}}"), ours));
        self.recorded.iter().fold(named, |text, (recorded, name)| text.replace(recorded, &self.named[name]))
    }

    /// The credential of `caller`, as a header; none for strangers.
    pub(crate) fn credential(&self, caller: &str) -> (&'static str, String) {
        let known = |name: &str| self.named.get(name).cloned().unwrap_or_else(|| panic!("{name} is not known yet"));
        match caller {
            "admin" | "viewer" | "dev" => ("authorization", format!("Bearer {}", known(&format!("tok_{caller}")))),
            "seedkey" | "admkey" | "devkey" => ("x-api-key", known(caller)),
            "expired" => ("authorization", format!("Bearer {}", user_token(LONG_AGO))),
            "ghost" => ("authorization", format!("Bearer {}", user_token(FAR))),
            "signedkey" => ("x-api-key", signed_key()),
            other => panic!("nobody knows {other}"),
        }
    }
}

/// A token of the original's kind, of a user that does not exist.
fn user_token(expires: i64) -> String {
    let id = "00000000-0000-4000-8000-000000000000";
    signed(JWT_SECRET, &json!({ "id": id, "email": "ghost@example.com", "role": "admin", "exp": expires }))
}

/// A key of the original's second kind.
fn signed_key() -> String {
    let permissions = ["config:read", "config:write"];
    signed(API_KEY_SECRET, &json!({ "id": "api-key-00ff", "name": "signed", "permissions": permissions, "exp": FAR }))
}

fn signed(secret: &str, claims: &Value) -> String {
    let mut claims = claims.clone();
    claims["iat"] = (LONG_AGO - 3600).into();
    claims["iss"] = "config-service".into();
    claims["aud"] = "config-service-api".into();
    jsonwebtoken::encode(&Header::default(), &claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap()
}
