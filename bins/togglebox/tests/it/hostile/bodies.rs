//! Bodies that are not what they should be.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use super::{Expected, Operation, Scene};
use crate::client::{config, experiment, flag};

const MIB: usize = 1024 * 1024;
/// What any route takes at most.
const LARGEST: usize = 10 * MIB;
/// What routes of accounts take at most.
const LARGEST_OF_ACCOUNTS: usize = 64 * 1024;

const BAD_REQUEST: &[u16] = &[400, 401];
const TOO_LARGE: &[u16] = &[413, 401];
const UNSUPPORTED: &[u16] = &[415, 401];

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_document_is_refused_by_every_route_that_reads_one() {
    let scene = Scene::set().await;
    let nested = |open: &str, close: &str| format!("{}{}", open.repeat(10_000), close.repeat(10_000));
    let malformed: Vec<(&str, Vec<u8>)> = vec![
        ("cut off", br#"{"name":"#.to_vec()),
        ("cut off in a text", br#"{"name":"x"#.to_vec()),
        ("two documents", b"{}{}".to_vec()),
        ("a comma too many", br#"{"name":"x",}"#.to_vec()),
        ("single quotes", b"{'name':'x'}".to_vec()),
        ("a word", b"undefined".to_vec()),
        ("not a number", br#"{"name":NaN}"#.to_vec()),
        ("a byte order mark", b"\xef\xbb\xbf{}".to_vec()),
        ("a NUL", b"{\"name\":\"\0\"}".to_vec()),
        ("only NULs", vec![0; 64]),
        ("a number", b"5".to_vec()),
        ("a text", br#""name""#.to_vec()),
        ("null", b"null".to_vec()),
        ("not UTF-8", b"{\"name\":\"\xff\xfe\"}".to_vec()),
        ("half a character", b"{\"name\":\"\xc3\"}".to_vec()),
        ("half a surrogate pair", br#"{"name":"\ud800"}"#.to_vec()),
        ("a number without end", br#"{"name":1e999}"#.to_vec()),
        ("deep lists", nested("[", "]").into()),
        ("deep lists without end", "[".repeat(10_000).into()),
        ("deep objects", nested(r#"{"n":"#, "}").into()),
    ];
    let mut requests = Vec::new();
    for operation in scene.operations.iter().filter(|operation| operation.takes_a_body()) {
        let request = || scene.request(operation, operation.target());
        let mut add = |what: &str, expected, request| requests.push((format!("{}, {what}", operation.id), expected, request));
        for (what, body) in &malformed {
            add(what, Expected::Status(BAD_REQUEST), request().json(body.clone()));
        }
        add("deep inside a field", Expected::Status(BAD_REQUEST), request().json(format!(r#"{{"name":{}}}"#, nested("[", "]"))));
        for (what, header, value, expected) in [
            ("latin9", "content-type", "application/json; charset=iso-8859-15", UNSUPPORTED),
            ("UTF-16", "content-type", "application/json; charset=utf-16le", UNSUPPORTED),
            ("a form in latin9", "content-type", "application/x-www-form-urlencoded; charset=latin9", UNSUPPORTED),
        ] {
            add(what, Expected::Status(expected), request().header(header, value).body("{}"));
        }
        let json = || request().header("content-type", "application/json");
        for (coding, body, expected) in [
            ("gzip", b"not gzip".to_vec(), BAD_REQUEST),
            ("br", b"not brotli at all".to_vec(), BAD_REQUEST),
            ("deflate", b"not zlib".to_vec(), BAD_REQUEST),
            ("gzip", gzip(b"{}")[..10].to_vec(), BAD_REQUEST),
            ("gzip", gzip(br#"{"name":"#), BAD_REQUEST),
            ("zstd", b"{}".to_vec(), UNSUPPORTED),
            ("gzip, gzip", gzip(&gzip(b"{}")), UNSUPPORTED),
            ("\u{e9}", b"{}".to_vec(), UNSUPPORTED),
        ] {
            let request = json().header("content-encoding", coding).body(body);
            add(&format!("encoded as {coding}"), Expected::Status(expected), request);
        }
    }
    scene.send(requests).await;
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_large_is_refused_before_it_is_taken_in() {
    let scene = Scene::set().await;
    let bomb = gzip(&vec![b' '; 2 * LARGEST]);
    let small_bomb = gzip(&vec![b' '; 2 * LARGEST_OF_ACCOUNTS]);
    let mut requests = Vec::new();
    for operation in scene.operations.iter().filter(|operation| operation.takes_a_body()) {
        let json = || scene.request(operation, operation.target()).header("content-type", "application/json");
        let mut add = |what: &str, expected, request| requests.push((format!("{}, {what}", operation.id), expected, request));
        // Announced, of which only the beginning is sent.
        let announced = json().header("content-length", (LARGEST + 1).to_string()).body(vec![b' '; 1000]);
        add("a long body announced", Expected::Status(TOO_LARGE), announced);
        let huge = json().header("content-length", u64::MAX.to_string()).body(vec![b' '; 1000]);
        add("an absurd body announced", Expected::Status(&[400, 401, 413]), huge);
        let over = vec![b' '; LARGEST_OF_ACCOUNTS + 1];
        let mut chunked = format!("{:x}\r\n", over.len()).into_bytes();
        chunked.extend(&over);
        chunked.extend(b"\r\n0\r\n\r\n");
        let chunked = json().header("transfer-encoding", "chunked").body(chunked);
        if operation.is_about_accounts() {
            add("a long body", Expected::Status(TOO_LARGE), json().body(over));
            add("a long body in chunks", Expected::Status(TOO_LARGE), chunked);
            add("a small bomb", Expected::Status(TOO_LARGE), json().header("content-encoding", "gzip").body(small_bomb.clone()));
        } else {
            let unparsed = Expected::Status(BAD_REQUEST);
            add("blanks", unparsed.clone(), json().body(over));
            add("blanks in chunks", unparsed, chunked);
        }
    }
    // In full, and unpacked in full, for a few, because it takes its time.
    for id in ["createFlag", "ingestEvents", "login"] {
        let operation = scene.operations.iter().find(|operation| operation.id == id).expect("such a route");
        let json = || scene.request(operation, operation.target()).header("content-type", "application/json");
        requests.push((format!("{id}, all of it"), Expected::Status(TOO_LARGE), json().body(vec![b' '; LARGEST + 1])));
        let bomb = json().header("content-encoding", "gzip").body(bomb.clone());
        requests.push((format!("{id}, a bomb"), Expected::Status(TOO_LARGE), bomb));
        let mut chunked = format!("{:x}\r\n", LARGEST + 1).into_bytes();
        chunked.extend(vec![b' '; LARGEST + 1]);
        chunked.extend(b"\r\n0\r\n\r\n");
        requests.push((
            format!("{id}, all in one chunk"),
            Expected::Status(TOO_LARGE),
            json().header("transfer-encoding", "chunked").body(chunked),
        ));
    }
    scene.send(requests).await;
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn documents_of_another_shape_are_answered_as_described() {
    let scene = Scene::set().await;
    let long = "x".repeat(LARGEST_OF_ACCOUNTS - 100);
    let odd: Vec<(&str, String)> = vec![
        ("an empty object", "{}".into()),
        ("a list", "[]".into()),
        ("a list of lists", "[[],[[]]]".into()),
        ("a list of numbers", "[1,2,3]".into()),
        ("prototype", r#"{"__proto__":{"admin":true},"constructor":{"prototype":{"admin":true}},"toString":1}"#.into()),
        ("a repeated name", r#"{"name":"a","name":["b"],"name":3}"#.into()),
        ("an empty name", r#"{"":""}"#.into()),
        ("a NUL in a name", r#"{"na\u0000me":"\u0000"}"#.into()),
        ("a long text", format!(r#"{{"name":"{long}"}}"#)),
        ("a long name", format!(r#"{{"{long}":1}}"#)),
        ("many names", format!("{{{}}}", (0..2000).map(|n| format!(r#""k{n}":{n}"#)).collect::<Vec<_>>().join(","))),
        ("large numbers", r#"{"name":99999999999999999999999999,"percentage":-1e308,"limit":9223372036854775808}"#.into()),
        ("as deep as is read", format!(r#"{{"name":{}{}}}"#, "[".repeat(120), "]".repeat(120))),
    ];
    let mut requests = Vec::new();
    for operation in scene.operations.iter().filter(|operation| operation.takes_a_body()) {
        let request = || scene.request(operation, operation.target());
        let mut add = |what: &str, request| {
            requests.push((format!("{}, {what}", operation.id), Expected::Documented(operation.clone()), request));
        };
        for (what, body) in &odd {
            add(what, request().json(body.clone()));
        }
        for kind in [
            "text/plain",
            "application/xml",
            "multipart/form-data; boundary=x",
            "application/json5",
            "x",
            "",
            "application/json;;;=;charset",
        ] {
            add(&format!("as {kind}"), request().header("content-type", kind).body(r#"{"name":1}"#));
        }
        add("nothing at all", request());
        add("an empty body", request().json(""));
        for form in ["name=%zz&%=%ff", "a[b][c]=1&a[b]=2&a=3", "&&&===&", "name=\u{0}", "name=x&name=y"] {
            add("a form", request().header("content-type", "application/x-www-form-urlencoded").body(form));
        }
    }
    scene.send(requests).await;
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_field_stands_every_wrong_value() {
    let scene = Scene::set().await;
    let mut requests = Vec::new();
    let with_bodies: Vec<&Operation> =
        scene.operations.iter().filter(|operation| operation.takes_a_body() && !valid(&operation.id).is_null()).collect();
    for operation in &with_bodies {
        let body = valid(&operation.id);
        let mut places = Vec::new();
        collect(&body, String::new(), &mut places);
        for place in places {
            for wrong in WRONG {
                let mut body = body.clone();
                *body.pointer_mut(&place).expect("a place of the body") = json!(MARK);
                let text = body.to_string().replacen(&format!("\"{MARK}\""), wrong, 1);
                let request = scene.request(operation, operation.target()).json(text);
                requests.push((
                    format!("{}, {place} = {wrong:.40}", operation.id),
                    Expected::Documented((*operation).clone()),
                    request,
                ));
            }
        }
    }
    assert!(with_bodies.len() >= 32, "{}", with_bodies.len());
    scene.send(requests).await;
    scene.close().await;
}

const MARK: &str = "the place that is changed";

/// Texts of JSON values, at least one of which is wrong anywhere.
const WRONG: &[&str] = &[
    "null",
    "true",
    "-1",
    "1.5",
    "123456789012345678901234567890",
    "-1e300",
    r#""""#,
    r#""x""#,
    r#""\u0000\ud83d\ude00\u202e""#,
    "[]",
    "[null]",
    r#"{"__proto__":[]}"#,
];

/// Where there is something in a body: fields, and the first element of lists.
fn collect(value: &Value, place: String, places: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                collect(member, format!("{place}/{name}"), places);
            }
        }
        Value::Array(elements) => {
            if let Some(first) = elements.first() {
                collect(first, format!("{place}/0"), places);
            }
        }
        _ => {}
    }
    if !place.is_empty() {
        places.push(place);
    }
}

/// A body that the route takes; `null` when it reads none.
fn valid(operation: &str) -> Value {
    let at = "2026-01-02T03:04:05.678Z";
    match operation {
        "register" => json!({ "name": "Eve", "email": "eve@example.com", "password": "Hostile-Horse-1" }),
        "login" => json!({ "email": "eve@example.com", "password": "Hostile-Horse-1" }),
        "requestPasswordReset" => json!({ "email": "eve@example.com" }),
        "verifyPasswordReset" => json!({ "token": "0".repeat(64) }),
        "completePasswordReset" => json!({ "token": "0".repeat(64), "newPassword": "Hostile-Horse-2" }),
        "updateMe" => json!({ "name": "Admin" }),
        "changePassword" => json!({ "currentPassword": "wrong", "newPassword": "Hostile-Horse-2" }),
        "createUser" => json!({ "name": "Eve", "email": "eve@example.com", "password": "Hostile-Horse-1", "role": "viewer" }),
        "changeRole" | "changeRoleInternally" => json!({ "role": "viewer" }),
        "createApiKey" | "createApiKeyInternally" => {
            json!({ "name": "key", "permissions": ["config:read", "config:write"], "expiresAt": "2030-01-01T00:00:00Z" })
        }
        "createPlatform" => json!({ "name": "ios", "description": "phones" }),
        "createEnvironment" => json!({ "environment": "stage", "description": "before" }),
        "updatePlatform" | "updateEnvironment" => json!({ "description": "other" }),
        "createConfig" => json!({
            "parameterKey": "size", "valueType": "number", "defaultValue": "12", "description": "wide", "parameterGroup": "looks"
        }),
        "updateConfig" => {
            let mut body = config("title", "Other");
            body.as_object_mut().unwrap().extend([("description".into(), json!("d")), ("parameterGroup".into(), json!("g"))]);
            body
        }
        "rollBackConfig" | "rollBackFlag" => json!({ "version": "1" }),
        "createFlag" | "updateFlag" => {
            let mut body = flag(if operation == "createFlag" { "bright" } else { "dark" });
            let more = json!({
                "description": "d", "flagType": "string", "valueA": "a", "valueB": "b", "rolloutEnabled": true,
                "rolloutPercentageA": 30, "rolloutPercentageB": 70,
                "targeting": {
                    "countries": [{ "country": "DE", "serveValue": "A", "languages": [{ "language": "de", "serveValue": "B" }] }],
                    "forceIncludeUsers": ["u"], "forceExcludeUsers": ["v"],
                },
            });
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            body
        }
        "toggleFlag" => json!({ "enabled": true }),
        "rollOutFlag" => json!({ "rolloutEnabled": true, "rolloutPercentageA": 30, "rolloutPercentageB": 70 }),
        "createExperiment" | "updateExperiment" => {
            let mut body = experiment(if operation == "createExperiment" { "buy" } else { "cta" });
            let more = json!({
                "description": "d", "scheduledStartAt": at, "scheduledEndAt": "2036-01-02T03:04:05Z", "confidenceLevel": 0.9,
                "minimumDetectableEffect": 0.1, "minimumSampleSize": 100,
                "targeting": {
                    "countries": [{ "country": "DE", "languages": [{ "language": "de" }] }],
                    "forceIncludeUsers": ["u"], "forceExcludeUsers": ["v"],
                },
                "secondaryMetrics": [{
                    "id": "m", "name": "M", "eventName": "m", "metricType": "sum", "successDirection": "decrease", "valueProperty": "v"
                }],
            });
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            body
        }
        "shareExperimentTraffic" => json!({ "trafficAllocation": experiment("cta")["trafficAllocation"] }),
        "startExperiment" => json!({ "startedBy": "eve@example.com" }),
        "completeExperiment" => json!({ "completedBy": "eve@example.com", "winner": "green" }),
        "recordConversion" => json!({ "metricId": "click", "variationKey": "green", "userId": "u", "value": 2 }),
        "evaluateFlagInternally" | "assignExperimentInternally" => json!({ "userId": "u", "country": "DE", "language": "de" }),
        "purgeCache" => json!({ "platform": "web", "environment": "prod", "version": "1" }),
        "ingestEvents" => json!({ "events": [{
            "type": "conversion", "experimentKey": "cta", "metricId": "click", "metricName": "click", "variationKey": "green", "userId": "u",
            "value": 1, "key": "title", "clientId": "c", "flagKey": "dark", "country": "DE", "language": "de", "timestamp": at
        }] }),
        _ => Value::Null,
    }
}
