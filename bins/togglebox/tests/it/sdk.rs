//! The official SDKs' eight calls, as they make them.

use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::client::{Client, INTERNAL, PUBLIC, config, experiment, flag, make_environment, make_key, start_with_admin};
use crate::evaluation::{User, served_side, variation};
use crate::javascript::{Sdk, furnish};
use crate::server::{Launch, Server};

async fn furnished(settings: &[(&str, &str)]) -> (Server, Client, Sdk) {
    let (server, admin) = start_with_admin(Launch::new().set_all(settings)).await;
    make_environment(&admin).await;
    let (key, ..) = make_key(&admin, &["config:read"]).await;
    let client = key.by_name("flags.localtest", &server);
    (server, admin, Sdk { client })
}

#[tokio::test]
async fn the_eight_calls_are_answered_whether_authentication_is_on_or_off() {
    for (authentication, with_key) in [("false", false), ("false", true), ("true", true)] {
        let (_server, admin, sdk) = furnished(&[("ENABLE_AUTHENTICATION", authentication)]).await;
        let sdk = if with_key { sdk } else { Sdk { client: sdk.client.anonymous() } };
        furnish(&admin).await;
        sdk.makes_all_calls().await;
    }
}

#[tokio::test]
async fn without_a_key_only_health_is_open_when_authentication_is_on() {
    let (_server, _, sdk) = furnished(&[("ENABLE_AUTHENTICATION", "true")]).await;
    for client in [sdk.client.anonymous(), sdk.client.key("tbx_live_0000000000000000000000000000000000000000000")] {
        let sdk = Sdk { client };
        sdk.get("/health").await;
        sdk.get("/api/v1/health").await;
        for path in ["configs", "flags", "flags/x", "experiments", "experiments/x"] {
            let refused = sdk.call(Method::GET, &format!("{PUBLIC}/{path}"), None).await.unwrap_err();
            assert_eq!(refused.code(401), "UNAUTHORIZED", "{path}");
            assert_eq!(refused.json()["success"], false);
        }
        let body = json!({ "events": [] });
        let refused = sdk.call(Method::POST, &format!("{PUBLIC}/stats/events"), Some(&body)).await.unwrap_err();
        assert_eq!(refused.code(401), "UNAUTHORIZED");
    }
}

#[tokio::test]
async fn every_route_and_any_other_path_answers_a_preflight() {
    let server = Server::with(&[("ENABLE_AUTHENTICATION", "true")]).await;
    let client = Client::new(&server);
    let document = client.get("/openapi.json").await.expect(200).json();
    let paths = document["paths"].as_object().expect("paths");
    assert!(paths.len() >= 60, "{} paths", paths.len());
    let known = paths.keys().map(|path| path.replace(['{', '}'], "").replace('\\', ""));
    for path in known.chain(["/health".to_owned(), "/nowhere/at/all".to_owned(), "/api/v1/nope".to_owned()]) {
        let headers = [
            ("origin", "https://shop.example"),
            ("access-control-request-method", "GET"),
            ("access-control-request-headers", "content-type,x-api-key"),
        ];
        let reply = client.send(Method::OPTIONS, &path, None, &headers).await;
        assert!((200..300).contains(&reply.status), "{path}: {}", reply.status);
        assert_eq!(reply.header("access-control-allow-origin"), Some("*"), "{path}");
        let allowed = reply.header("access-control-allow-headers").unwrap_or_default().to_ascii_lowercase();
        assert!(allowed.contains("content-type") && allowed.contains("x-api-key"), "{path}: {allowed}");
        let methods = reply.header("access-control-allow-methods").unwrap_or_default();
        assert!(["GET", "POST", "PUT", "PATCH", "DELETE"].iter().all(|method| methods.contains(method)), "{path}: {methods}");
        assert_eq!(reply.header("access-control-max-age"), Some("86400"), "{path}");
    }
}

#[tokio::test]
async fn everything_comes_in_one_answer_with_full_records() {
    let (_server, admin, sdk) = furnished(&[]).await;
    for n in 0..130 {
        admin.post(&format!("{INTERNAL}/flags"), flag(&format!("flag-{n:03}"))).await.expect(201);
        admin.post(&format!("{INTERNAL}/experiments"), experiment(&format!("exp-{n:03}"))).await.expect(201);
    }
    let flags = sdk.get(&format!("{PUBLIC}/flags")).await["data"].clone();
    assert_eq!(flags.as_array().map(Vec::len), Some(130));
    for flag in flags.as_array().unwrap() {
        for name in ["flagKey", "name", "createdAt", "updatedAt", "defaultValue", "version", "platform", "environment"] {
            assert!(flag[name].is_string(), "{name} of {flag}");
        }
        assert!(flag["enabled"].is_boolean() && !flag["valueA"].is_null() && !flag["valueB"].is_null(), "{flag}");
        assert!(flag["rolloutPercentageA"].is_number() && flag["rolloutPercentageB"].is_number(), "{flag}");
        for name in ["countries", "forceIncludeUsers", "forceExcludeUsers"] {
            assert!(flag["targeting"][name].is_array(), "{name} of {flag}");
        }
        assert!(flag["createdAt"].as_str().unwrap().ends_with('Z'));
    }
    let experiments = sdk.get(&format!("{PUBLIC}/experiments")).await["data"].clone();
    assert_eq!(experiments.as_array().map(Vec::len), Some(130));
    for experiment in experiments.as_array().unwrap() {
        for name in ["experimentKey", "name", "hypothesis", "status", "controlVariation", "createdAt", "updatedAt"] {
            assert!(experiment[name].is_string(), "{name} of {experiment}");
        }
        for name in ["countries", "forceIncludeUsers", "forceExcludeUsers"] {
            assert!(experiment["targeting"][name].is_array(), "{name} of {experiment}");
        }
        assert!(experiment["primaryMetric"].is_object() && experiment["trafficAllocation"].is_array(), "{experiment}");
        for variation in experiment["variations"].as_array().unwrap() {
            assert!(
                variation["key"].is_string() && variation["name"].is_string() && !variation["value"].is_null(),
                "{variation}"
            );
        }
    }
}

#[tokio::test]
async fn numbers_are_written_as_javascript_writes_them() {
    let (_server, admin, sdk) = furnished(&[]).await;
    for (key, kind, value) in [
        ("whole", "number", "100.0"),
        ("fraction", "number", "0.25"),
        ("large", "number", "1e21"),
        ("on", "boolean", "true"),
        ("items", "json", r#"{"a":[1,2.5,null]}"#),
    ] {
        let body = json!({ "parameterKey": key, "valueType": kind, "defaultValue": value });
        admin.post(&format!("{INTERNAL}/configs"), body).await.expect(201);
    }
    let body = json!({ "flagKey": "size", "name": "Size", "flagType": "number", "valueA": 100.0, "valueB": 2.5 });
    admin.post(&format!("{INTERNAL}/flags"), body).await.expect(201);

    let text = sdk.client.get(&format!("{PUBLIC}/configs")).await.text();
    for expected in [r#""whole":100}"#, r#""fraction":0.25"#, r#""large":1e+21"#, r#""on":true"#, r#""items":{"a":[1,2.5,null]}"#]
    {
        assert!(text.contains(expected), "{expected} in {text}");
    }
    let text = sdk.client.get(&format!("{PUBLIC}/flags")).await.text();
    for expected in [r#""valueA":100,"#, r#""valueB":2.5,"#, r#""rolloutPercentageA":100,"#, r#""rolloutPercentageB":0,"#] {
        assert!(text.contains(expected), "{expected} in {text}");
    }
}

#[tokio::test]
async fn clients_that_evaluate_by_themselves_agree_with_the_server() {
    let (_server, admin, sdk) = furnished(&[]).await;
    let targeting = json!({
        "countries": [
            { "country": "DE", "serveValue": "A", "languages": [{ "language": "fr", "serveValue": "B" }] },
            { "country": "fr", "serveValue": "B" },
        ],
        "forceIncludeUsers": ["user-1", "élève"],
        "forceExcludeUsers": ["user-2"],
    });
    for (key, change) in [
        ("plain", json!({})),
        ("off", json!({ "enabled": false })),
        ("rollout", json!({ "rolloutEnabled": true, "rolloutPercentageA": 33.3, "rolloutPercentageB": 66.7 })),
        ("targeted", json!({ "targeting": targeting, "defaultValue": "B" })),
        ("both", json!({ "targeting": targeting, "rolloutEnabled": true, "rolloutPercentageA": 50, "rolloutPercentageB": 50 })),
    ] {
        let mut body = flag(key);
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        admin.post(&format!("{INTERNAL}/flags"), body).await.expect(201);
    }
    let gate = json!({
        "countries": [{ "country": "DE", "languages": [{ "language": "de" }] }, { "country": "US" }],
        "forceIncludeUsers": ["user-1"],
        "forceExcludeUsers": ["user-2"],
    });
    for (key, targeting) in [("open", json!({})), ("gated", gate)] {
        let mut body = experiment(key);
        body["targeting"] = targeting;
        body["trafficAllocation"][0]["percentage"] = json!(33.4);
        body["trafficAllocation"][1]["percentage"] = json!(66.6);
        admin.post(&format!("{INTERNAL}/experiments"), body).await.expect(201);
        let body = json!({ "startedBy": "ann@example.com" });
        admin.post(&format!("{INTERNAL}/experiments/{key}/start"), body).await.expect(200);
    }

    let flags = sdk.get(&format!("{PUBLIC}/flags")).await["data"].clone();
    let experiments = sdk.get(&format!("{PUBLIC}/experiments")).await["data"].clone();
    let places = [
        (None, None),
        (Some("DE"), None),
        (Some("de"), Some("FR")),
        (Some("de"), Some("DE")),
        (Some("FR"), None),
        (Some("US"), None),
    ];
    for (n, (country, language)) in (0..24).flat_map(|n| places.map(|place| (n, place))) {
        let id = if n == 0 { "élève".to_owned() } else { format!("user-{n}") };
        let user = User { id: &id, country, language };
        let mut query = format!("userId={}&track=false", id.replace('é', "%C3%A9").replace('è', "%C3%A8"));
        for (name, value) in [("country", country), ("language", language)] {
            query.extend(value.map(|value| format!("&{name}={value}")));
        }
        for flag in flags.as_array().unwrap() {
            let key = flag["flagKey"].as_str().unwrap();
            let answer = sdk.client.get(&format!("{PUBLIC}/flags/{key}/evaluate?{query}")).await.data(200);
            let side = served_side(flag, user);
            assert_eq!(answer["servedValue"], side, "{key} for {user:?}");
            assert_eq!(answer["value"], flag[if side == "A" { "valueA" } else { "valueB" }], "{key} for {user:?}");
        }
        for experiment in experiments.as_array().unwrap() {
            let key = experiment["experimentKey"].as_str().unwrap();
            let answer = sdk.client.get(&format!("{PUBLIC}/experiments/{key}/assign?{query}")).await.data(200);
            assert_eq!(answer["variationKey"].as_str(), variation(experiment, user).as_deref(), "{key} for {user:?}");
        }
    }
}

#[tokio::test]
async fn a_thousand_events_in_one_post_are_counted_and_survive_a_restart() {
    let (server, admin, sdk) = furnished(&[]).await;
    admin.post(&format!("{INTERNAL}/configs"), config("title", "Shop")).await.expect(201);
    admin.post(&format!("{INTERNAL}/flags"), flag("dark")).await.expect(201);
    admin.post(&format!("{INTERNAL}/experiments"), experiment("cta")).await.expect(201);

    let at = "2026-01-02T03:04:05.678Z";
    let events = (0..1000).map(|n| {
        let user = format!("user-{}", n % 100);
        match n % 4 {
            0 => json!({ "type": "config_fetch", "key": "title", "timestamp": at }),
            1 => json!({ "type": "flag_evaluation", "flagKey": "dark", "value": if n % 8 == 1 { "A" } else { "B" },
                         "userId": user, "country": "DE", "timestamp": at, "somethingNew": [1] }),
            2 => json!({ "type": "experiment_exposure", "experimentKey": "cta", "variationKey": "green", "userId": user, "timestamp": at }),
            _ => json!({ "type": "conversion", "experimentKey": "cta", "metricId": "click", "variationKey": "green",
                         "userId": user, "value": 2.5, "timestamp": at }),
        }
    });
    let answer = sdk.flush(events.collect()).await;
    assert_eq!((&answer["success"], &answer["data"]), (&json!(true), &json!({ "processed": 1000 })), "{answer}");

    let figures = async |admin: &Client| {
        let get = async |path: &str| admin.get(&format!("{INTERNAL}/{path}")).await.data(200);
        let configs = get("configs/title/stats").await;
        let flags = get("flags/dark/stats").await;
        let countries = get("flags/dark/stats/by-country").await;
        let experiments = get("experiments/cta/stats").await;
        assert_eq!(configs["fetchCount"], 250);
        assert_eq!([&flags["totalEvaluations"], &flags["valueACount"], &flags["valueBCount"]], [250, 125, 125]);
        assert_eq!(countries, json!([{ "country": "DE", "valueACount": 125, "valueBCount": 125, "totalEvaluations": 250 }]));
        let green = experiments["variations"].as_array().unwrap().iter().find(|variation| variation["variationKey"] == "green");
        let green = green.unwrap_or_else(|| panic!("{experiments}"));
        assert_eq!([&green["exposures"], &green["participants"]], [250, 25], "{green}");
        [configs, flags, experiments]
    };
    let before = figures(&admin).await;
    let launch = server.launch().clone();
    let ended = server.stop().await;
    assert!(ended.status.success(), "{}", ended.log);
    let server = launch.start().await;
    let after = figures(&admin.at(&server)).await;
    assert_eq!(before, after);
}

#[tokio::test]
async fn events_as_the_php_sdk_shapes_them_are_counted() {
    let (_server, admin, sdk) = furnished(&[]).await;
    admin.post(&format!("{INTERNAL}/flags"), flag("dark")).await.expect(201);
    admin.post(&format!("{INTERNAL}/experiments"), experiment("cta")).await.expect(201);
    let at = "2026-11-22T13:38:20+00:00";
    let events = vec![
        json!({ "type": "flag_evaluation", "flagKey": "dark", "value": "A", "userId": "u", "country": null, "language": null, "timestamp": at }),
        json!({ "type": "experiment_exposure", "experimentKey": "cta", "variationKey": "control", "userId": "u", "timestamp": at }),
        json!({ "type": "conversion", "experimentKey": "cta", "metricName": "click", "variationKey": "control", "userId": "u", "value": null, "timestamp": at }),
    ];
    let answer = sdk.flush(events).await;
    assert_eq!(answer["data"], json!({ "processed": 3 }));
    assert_eq!(admin.get(&format!("{INTERNAL}/flags/dark/stats")).await.data(200)["valueACount"], 1);
    let figures = admin.get(&format!("{INTERNAL}/experiments/cta/stats")).await.data(200).to_string();
    assert!(figures.contains(r#""conversions":1"#), "{figures}");
}

#[tokio::test]
async fn one_bad_event_does_not_lose_the_rest() {
    let (_server, admin, sdk) = furnished(&[]).await;
    admin.post(&format!("{INTERNAL}/configs"), config("title", "Shop")).await.expect(201);
    let good = json!({ "type": "config_fetch", "key": "title", "timestamp": "2026-01-02T03:04:05Z" });
    let answer = sdk.flush(vec![good.clone(), json!({ "type": "config_fetch", "key": 5 }), good]).await;
    assert_eq!([&answer["data"]["processed"], &answer["data"]["rejected"]], [2, 1], "{answer}");
    assert_eq!(answer["data"]["errors"][0]["index"], 1);
    assert_eq!(admin.get(&format!("{INTERNAL}/configs/title/stats")).await.data(200)["fetchCount"], 2);
}

#[tokio::test]
async fn a_client_that_has_the_newest_is_told_so_until_something_changes() {
    for authentication in ["false", "true"] {
        let (_server, admin, sdk) = furnished(&[("ENABLE_AUTHENTICATION", authentication)]).await;
        admin.post(&format!("{INTERNAL}/flags"), flag("dark")).await.expect(201);
        let paths = ["configs", "flags", "flags/dark", "experiments"].map(|path| format!("{PUBLIC}/{path}"));
        let mut tags = Vec::new();
        for path in &paths {
            let reply = sdk.client.get(path).await;
            let tag = reply.expect(200).header("etag").unwrap_or_else(|| panic!("no tag on {path}")).to_owned();
            assert!(tag.starts_with('"'), "a strong tag: {tag}");
            let again = sdk.client.send(Method::GET, path, None, &[("if-none-match", &tag)]).await;
            assert_eq!((again.status, again.bytes.len()), (304, 0), "{path}");
            let caching = reply.header("cache-control").unwrap_or_default();
            assert!(caching.contains("no-cache"), "{path}: {caching}");
            assert_eq!(caching.contains("private"), authentication == "true", "{path}: {caching}");
            tags.push(tag);
        }
        admin.patch(&format!("{INTERNAL}/flags/dark/toggle"), json!({ "enabled": false })).await.expect(200);
        for (path, tag) in paths.iter().zip(&tags) {
            let reply = sdk.client.send(Method::GET, path, None, &[("if-none-match", tag)]).await;
            assert_eq!(reply.status, 200, "{path}");
            assert_ne!(reply.header("etag"), Some(tag.as_str()), "{path}");
        }
    }
}

#[tokio::test]
async fn a_client_gets_through_on_its_fourth_attempt() {
    let (server, admin, sdk) = furnished(&[]).await;
    admin.post(&format!("{INTERNAL}/configs"), config("title", "Shop")).await.expect(201);

    let front = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let in_front = front.local_addr().unwrap();
    let behind = server.address();
    let troubles = tokio::spawn(async move {
        for trouble in [
            "",
            "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nhi",
        ] {
            let (mut client, _) = front.accept().await.unwrap();
            let mut head = [0; 4096];
            let _ = client.read(&mut head).await.unwrap();
            client.write_all(trouble.as_bytes()).await.unwrap();
        }
        let (mut client, _) = front.accept().await.unwrap();
        let mut server = TcpStream::connect(behind).await.unwrap();
        let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
    });
    let through = Sdk { client: sdk.client.through(in_front) };
    assert_eq!(through.get(&format!("{PUBLIC}/configs")).await["data"], json!({ "title": "Shop" }));
    drop(through);
    troubles.await.unwrap();
}
