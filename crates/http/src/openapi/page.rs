//! The description as a page for people.
//!
//! One file of HTML, made from the document: no script and nothing to load, so that it works without a network, under the strictest
//! content security policy, and on a plain-HTTP host whose policy upgrades what pages load.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde_json::{Map, Value};

use crate::html::escape_html;

const STYLE: &str = include_str!("page.css");
const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// The page of a document that `document` made.
pub(crate) fn page(document: &Value) -> String {
    let mut page = Page { document, html: String::with_capacity(256 * 1024) };
    page.whole();
    page.html
}

struct Page<'d> {
    document: &'d Value,
    html: String,
}

/// An operation with its method and path.
struct Operation<'d> {
    method: &'static str,
    path: &'d str,
    value: &'d Value,
}

impl Operation<'_> {
    fn id(&self) -> &str {
        text(self.value, "operationId")
    }
}

impl Page<'_> {
    fn put(&mut self, html: std::fmt::Arguments<'_>) {
        self.html.write_fmt(html).expect("writing to a String cannot fail");
    }

    fn whole(&mut self) {
        let document = self.document;
        let info = &document["info"];
        let (title, version) = (escape_html(text(info, "title")), escape_html(text(info, "version")));
        self.put(format_args!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title} API</title>\n\
             <style>\n{STYLE}</style>\n</head>\n<body>\n"
        ));
        self.contents();
        self.put(format_args!("<main>\n<h1>{title} API <span class=\"faint\">{version}</span></h1>\n"));
        self.put(format_args!("<p>The same for programs: <a href=\"/openapi.json\">openapi.json</a> (OpenAPI 3.1).</p>\n"));
        self.paragraphs(text(info, "description"));
        self.credentials();
        for (name, about) in tags(document) {
            self.put(format_args!("<h2 id=\"{}\">{}</h2>\n<p>{}</p>\n", anchor(name), escape_html(name), prose(about)));
            for operation in operations(document, name) {
                self.operation(&operation);
            }
        }
        self.answers();
        self.put(format_args!("<h2 id=\"schemas\">Schemas</h2>\n"));
        for (name, schema) in members(&document["components"]["schemas"]) {
            self.schema(name, schema);
        }
        self.put(format_args!("</main>\n</body>\n</html>\n"));
    }

    fn contents(&mut self) {
        let document = self.document;
        self.put(format_args!("<nav>\n"));
        for (name, _) in tags(document) {
            self.put(format_args!("<a href=\"#{}\">{}</a>\n<ul>\n", anchor(name), escape_html(name)));
            for operation in operations(document, name) {
                let (id, summary) = (escape_html(operation.id()), escape_html(text(operation.value, "summary")));
                self.put(format_args!("<li><a href=\"#{id}\">{summary}</a></li>\n"));
            }
            self.put(format_args!("</ul>\n"));
        }
        self.put(format_args!("<a href=\"#answers\">Shared answers</a><br>\n<a href=\"#schemas\">Schemas</a>\n</nav>\n"));
    }

    /// Blank lines part paragraphs; lines that begin with a hyphen are a list.
    fn paragraphs(&mut self, text: &str) {
        for block in text.split("\n\n") {
            if block.starts_with("- ") {
                self.put(format_args!("<ul>\n"));
                for line in block.lines() {
                    self.put(format_args!("<li>{}</li>\n", prose(line.trim_start_matches("- "))));
                }
                self.put(format_args!("</ul>\n"));
            } else {
                self.put(format_args!("<p>{}</p>\n", prose(block)));
            }
        }
    }

    fn credentials(&mut self) {
        self.put(format_args!("<h2 id=\"credentials\">Credentials</h2>\n<table>\n"));
        for (_, scheme) in members(&self.document["components"]["securitySchemes"]) {
            let how = match text(scheme, "name") {
                "" => "Authorization: Bearer …".to_owned(),
                name => format!("{name}: …"),
            };
            self.row(&format!("<code>{}</code>", escape_html(&how)), &prose(text(scheme, "description")));
        }
        self.put(format_args!("</table>\n"));
    }

    fn operation(&mut self, operation: &Operation<'_>) {
        let (id, method, path) = (escape_html(operation.id()), operation.method.to_uppercase(), escape_html(operation.path));
        let (summary, description) = (text(operation.value, "summary"), text(operation.value, "description"));
        self.put(format_args!(
            "<section id=\"{id}\">\n<h3><span class=\"method\">{method}</span> <code>{path}</code></h3>\n\
             <p>{}. <span class=\"faint\">{}</span></p>\n",
            prose(summary),
            prose(description)
        ));
        let parameters = list(operation.value, "parameters");
        if !parameters.is_empty() {
            self.put(format_args!("<h4>Parameters</h4>\n<table>\n"));
            for parameter in parameters {
                let name = format!(
                    "<code>{}</code> <span class=\"faint\">{}</span>",
                    escape_html(text(parameter, "name")),
                    text(parameter, "in")
                );
                let needed = if parameter["required"] == true { " Required." } else { "" };
                let about = format!("{}.{needed}<br>{}", prose(text(parameter, "description")), kind(&parameter["schema"]));
                self.row(&name, &about);
            }
            self.put(format_args!("</table>\n"));
        }
        if let Some(schema) = content(&operation.value["requestBody"]) {
            self.put(format_args!("<h4>Body</h4>\n<p>{}</p>\n", kind(schema)));
        }
        self.put(format_args!("<h4>Answers</h4>\n<table>\n"));
        let (shared, own): (Vec<_>, Vec<_>) =
            members(&operation.value["responses"]).partition(|(_, answer)| answer.get("$ref").is_some());
        for (status, answer) in own {
            let shown = content(answer).map(shown).unwrap_or_default();
            self.row(
                &format!("<code>{}</code>", escape_html(status)),
                &format!("{}. {shown}", prose(text(answer, "description"))),
            );
        }
        let links = shared.iter().map(|(status, answer)| format!("<a href=\"#answer-{0}\">{status}</a>", referred(answer)));
        let links: Vec<String> = links.collect();
        if !links.is_empty() {
            self.row("As everywhere", &links.join(", "));
        }
        self.put(format_args!("</table>\n</section>\n"));
    }

    /// The answers that many operations share.
    fn answers(&mut self) {
        self.put(format_args!("<h2 id=\"answers\">Shared answers</h2>\n"));
        for (name, answer) in members(&self.document["components"]["responses"]) {
            let (name, about) = (escape_html(name), prose(text(answer, "description")));
            self.put(format_args!("<section id=\"answer-{name}\">\n<h3>{name}</h3>\n<p>{about}</p>\n<table>\n"));
            if let Some(schema) = content(answer) {
                self.row("Body", &kind(schema));
            }
            for (header, value) in members(&answer["headers"]) {
                self.row(&format!("<code>{}</code>", escape_html(header)), &prose(text(value, "description")));
            }
            self.put(format_args!("</table>\n</section>\n"));
        }
    }

    fn schema(&mut self, name: &str, schema: &Value) {
        let about = prose(text(schema, "description"));
        self.put(format_args!("<section id=\"schema-{0}\">\n<h3>{0}</h3>\n<p>{about}</p>\n", escape_html(name)));
        if members(&schema["properties"]).next().is_some() {
            self.properties(schema);
        } else {
            self.put(format_args!("<p>{}</p>\n", kind(schema)));
        }
        self.put(format_args!("</section>\n"));
    }

    fn properties(&mut self, schema: &Value) {
        let needed = |name: &str| list(schema, "required").iter().any(|required| required == name);
        self.put(format_args!("<table>\n"));
        let (first, rest): (Vec<_>, Vec<_>) = members(&schema["properties"]).partition(|(name, _)| needed(name));
        for (name, property) in first.into_iter().chain(rest) {
            let mark = if needed(name) { "" } else { " <span class=\"faint\">optional</span>" };
            let about = prose(text(property, "description"));
            let about = if about.is_empty() { kind(property) } else { format!("{about}<br>{}", kind(property)) };
            self.row(&format!("<code>{}</code>{mark}", escape_html(name)), &about);
        }
        self.put(format_args!("</table>\n"));
    }

    fn row(&mut self, left: &str, right: &str) {
        self.put(format_args!("<tr><td>{left}</td><td>{right}</td></tr>\n"));
    }
}

fn tags(document: &Value) -> impl Iterator<Item = (&str, &str)> {
    list(document, "tags").iter().map(|tag| (text(tag, "name"), text(tag, "description")))
}

fn operations<'d>(document: &'d Value, tag: &str) -> Vec<Operation<'d>> {
    let all = members(&document["paths"]).flat_map(|(path, item)| {
        METHODS.into_iter().filter_map(move |method| Some(Operation { method, path, value: item.get(method)? }))
    });
    all.filter(|operation| list(operation.value, "tags").iter().any(|name| name == tag)).collect()
}

/// The schema of a body.
fn content(value: &Value) -> Option<&Value> {
    members(&value["content"]).next().map(|(_, content)| &content["schema"])
}

/// A body, its envelope taken off.
fn shown(schema: &Value) -> String {
    let parts = ["data", "meta", "message"].into_iter().filter_map(|name| {
        let required = list(schema, "required").iter().any(|required| required == name);
        required.then(|| format!("<code>{name}</code>: {}", kind(&schema["properties"][name])))
    });
    let parts: Vec<String> = parts.collect();
    if parts.is_empty() { kind(schema) } else { parts.join(", ") }
}

/// What a schema stands for, in a few words, with its rules.
fn kind(schema: &Value) -> String {
    if schema.get("$ref").is_some() {
        return format!("<a href=\"#schema-{0}\">{0}</a>", referred(schema));
    }
    for (combination, word) in [("oneOf", " or "), ("anyOf", " or "), ("allOf", " and ")] {
        if let Some(parts) = schema[combination].as_array() {
            return parts.iter().map(kind).collect::<Vec<_>>().join(word);
        }
    }
    let words = match &schema["type"] {
        _ if schema["enum"].is_array() => list(schema, "enum")
            .iter()
            .map(|word| format!("<code>{}</code>", escape_html(&word.to_string())))
            .collect::<Vec<_>>()
            .join(" or "),
        Value::Array(types) => {
            types.iter().filter_map(Value::as_str).map(|one| typed(one, schema)).collect::<Vec<_>>().join(" or ")
        }
        Value::String(one) => typed(one, schema),
        _ => "any JSON".to_owned(),
    };
    let rules = rules(schema);
    if rules.is_empty() { words } else { format!("{words} <span class=\"faint\">({rules})</span>") }
}

/// The name at the end of a reference.
fn referred(value: &Value) -> Cow<'_, str> {
    escape_html(text(value, "$ref").rsplit('/').next().unwrap_or_default())
}

fn typed(name: &str, schema: &Value) -> String {
    if name == "array" { format!("list of {}", kind(&schema["items"])) } else { escape_html(name).into_owned() }
}

fn rules(schema: &Value) -> String {
    let rules = [
        ("format", ""),
        ("pattern", "as "),
        ("minLength", "length from "),
        ("maxLength", "length to "),
        ("minimum", "from "),
        ("maximum", "to "),
        ("minItems", "at least "),
        ("maxItems", "at most "),
    ];
    let told = rules.into_iter().filter_map(|(name, word)| match &schema[name] {
        Value::Null => None,
        Value::String(rule) => Some(format!("{word}<code>{}</code>", escape_html(rule))),
        rule => Some(format!("{word}{rule}")),
    });
    told.collect::<Vec<_>>().join(", ")
}

fn members(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter).map(|(name, value)| (name.as_str(), value))
}

fn list<'d>(value: &'d Value, name: &str) -> &'d [Value] {
    value.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn text<'d>(value: &'d Value, name: &str) -> &'d str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn anchor(name: &str) -> String {
    format!("area-{}", name.to_lowercase().replace(|c: char| !c.is_ascii_alphanumeric(), "-"))
}

/// Text as HTML: what stands between backticks as code.
fn prose(text: &str) -> String {
    let mut html = String::with_capacity(text.len() + 16);
    for (index, part) in text.split('`').enumerate() {
        if index % 2 == 1 {
            html.push_str("<code>");
            html.push_str(&escape_html(part));
            html.push_str("</code>");
        } else {
            html.push_str(&escape_html(part));
        }
    }
    html
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn text_of_the_document_cannot_become_markup() {
        let evil = "<script>alert('x')</script> & \"y\"";
        let document = json!({
            "info": { "title": evil, "version": evil, "description": evil },
            "tags": [{ "name": "T", "description": evil }],
            "paths": { evil: { "get": {
                "operationId": evil, "tags": ["T"], "summary": evil, "description": evil,
                "parameters": [{ "name": evil, "in": "query", "description": evil, "schema": { "enum": [evil], "pattern": evil } }],
                "responses": { "200": { "description": evil } },
            } } },
            "components": { "schemas": { evil: { "type": "object", "properties": { evil: { "type": evil, "description": evil } } } } },
        });
        let html = page(&document);
        assert!(!html.contains("<script"), "{html}");
        assert!(!html.contains("& "), "{html}");
        assert_eq!(html.matches("&lt;script&gt;").count(), html.matches("&lt;/script&gt;").count());
    }

    #[test]
    fn code_is_marked() {
        assert_eq!(prose("a `b<c` d `e`"), "a <code>b&lt;c</code> d <code>e</code>");
    }
}
