//! What was recorded from the original server: two runs of the same requests, over DynamoDB and over SQL.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value, json};

/// Which database the original ran on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Backend {
    Dynamodb,
    Sql,
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dynamodb => "dynamodb",
            Self::Sql => "sql",
        })
    }
}

/// One request and what the original answered.
#[derive(Debug, Deserialize)]
pub(crate) struct Exchange {
    pub(crate) id: String,
    pub(crate) server: Value,
    pub(crate) request: Request,
    pub(crate) response: Response,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    /// The path with `${name}` where a text from an earlier answer stands.
    pub(crate) path_template: Option<String>,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) auth_as: Option<String>,
    body: Option<Value>,
    body_text: Option<String>,
    body_template: Option<String>,
    body_note: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) body: Value,
    /// What later requests use: a name, and the dotted path of the text in the body.
    #[serde(default)]
    pub(crate) saves: BTreeMap<String, String>,
}

impl Request {
    /// The body as it was sent, before texts from earlier answers are put in.
    pub(crate) fn body(&self) -> Option<String> {
        let described = self.body_note.as_deref().map(|note| match note {
            "parameterKey \"big\", string defaultValue of 10001 x" => {
                json!({ "parameterKey": "big", "valueType": "string", "defaultValue": "x".repeat(10_001) }).to_string()
            }
            "101 equal config_fetch events" => fetches(101),
            "100 equal config_fetch events, key \"title\"" => fetches(100),
            "JSON of 10485772 bytes, over the 10 MB limit" => {
                json!({ "x": "x".repeat(10_485_772 - r#"{"x":""}"#.len()) }).to_string()
            }
            other => panic!("nobody knows how to make this body: {other}"),
        });
        let written = self.body_template.clone().or_else(|| self.body_text.clone());
        described.or(written).or_else(|| self.body.as_ref().map(Value::to_string))
    }
}

fn fetches(count: usize) -> String {
    let event = json!({ "type": "config_fetch", "key": "title", "timestamp": "2025-01-01T00:00:00.000Z" });
    json!({ "events": vec![event; count] }).to_string()
}

/// One run.
#[derive(Debug)]
pub(crate) struct Recording {
    pub(crate) backend: Backend,
    pub(crate) exchanges: Vec<Exchange>,
}

impl Recording {
    pub(crate) fn read(backend: Backend) -> Self {
        let name = match backend {
            Backend::Dynamodb => "transcripts.jsonl",
            Backend::Sql => "transcripts-sql.jsonl",
        };
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name);
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let exchanges: Vec<Exchange> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(exchanges.len(), 426, "{name} is whole");
        Self { backend, exchanges }
    }

    pub(crate) fn find(&self, id: &str) -> Option<&Exchange> {
        self.exchanges.iter().find(|exchange| exchange.id == id)
    }

    /// The objects in the `data` of the answer to `id`.
    pub(crate) fn listed(&self, id: &str) -> Vec<Map<String, Value>> {
        let answer = &self.find(id).unwrap_or_else(|| panic!("{id} was recorded")).response.body;
        answer["data"].as_array().unwrap().iter().map(|item| item.as_object().unwrap().clone()).collect()
    }
}
