//! Paths, queries, methods and headers that are not what they should be.

use super::probe::Request;
use super::{Expected, Scene};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn odd_paths_and_queries_are_answered_as_described() {
    let scene = Scene::set().await;
    let long = "a".repeat(6_000);
    let places = [
        "%00",
        "%2F",
        "%2e%2e%2f",
        "..",
        "%F0%9F%92%A5",
        "__proto__",
        "constructor",
        "%25zz",
        "a'%20OR%20'1'='1",
        "-1",
        "0",
        "NaN",
        "{key}",
        "%C2%A0",
        &long,
    ];
    let broken_places = ["%zz", "%", "%4", "%ff", "%c3%28", "a%"];
    let queries = [
        "userId=a&userId=b".to_owned(),
        "limit=99999999999999999999&offset=-1&page=0&perPage=-5".into(),
        "limit=1e9&offset=1.5&page=NaN&perPage=&days=abc&maxItems=1".into(),
        "nextToken=garbage".into(),
        "nextToken=%00%01%02&limit=5".into(),
        "userId=u&country=XXX&language=%00&status=%F0%9F%92%A5&role=__proto__&expectedRatios=NaN,,inf,-1".into(),
        "userId=&country=&language=&track=maybe&global=true&platform[]=a".into(),
        "&&&===&=&%3D".into(),
        format!("userId={long}"),
        (0..600).map(|n| format!("k{n}={n}")).collect::<Vec<_>>().join("&"),
    ];
    let broken_queries = ["userId=%zz", "%ff=1", "userId=u&x=%", "limit=%c3%28"];
    let mut requests = Vec::new();
    for operation in &scene.operations {
        let mut add = |what: &str, expected: Expected, target: String| {
            let request = scene.request(operation, target);
            let request = if operation.takes_a_body() { request.json("{}") } else { request };
            requests.push((format!("{}, {what:.60}", operation.id), expected, request));
        };
        let documented = || Expected::Documented(operation.clone());
        if operation.path.contains('{') {
            for place in places {
                // Two dots are a place like any other here, and a path may lead to another route, or to none.
                add(
                    place,
                    Expected::Status(&[200, 201, 204, 400, 404, 409, 422]),
                    operation.target_with(|_, _| place.to_owned()),
                );
                add(
                    place,
                    documented(),
                    operation.target_with(|name, value| if name == "platform" { value.to_owned() } else { place.to_owned() }),
                );
            }
            for place in broken_places {
                add(place, Expected::Status(&[400]), operation.target_with(|_, value| format!("{value}{place}")));
            }
        }
        for query in &queries {
            add(query, documented(), format!("{}?{query}", operation.target()));
        }
        for query in broken_queries {
            add(query, Expected::Status(&[400]), format!("{}?{query}", operation.target()));
        }
    }
    // The sessions of these routes end with the first call.
    for (what, expected, _) in &mut requests {
        if what.starts_with("logout,") || what.starts_with("refresh,") {
            *expected = Expected::Status(&[200, 400, 401]);
        }
    }
    scene.send(requests).await;
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn methods_that_a_path_does_not_have_are_not_found() {
    let scene = Scene::set().await;
    let mut requests = Vec::new();
    let paths: std::collections::BTreeSet<&String> = scene.operations.iter().map(|operation| &operation.path).collect();
    for path in paths {
        let served: Vec<&str> =
            scene.operations.iter().filter(|other| other.path == **path).map(|other| other.method.as_str()).collect();
        let operation = scene.operations.iter().find(|operation| operation.path == **path).expect("it is there");
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "QUERY", "TRACE", "PROPFIND", "LINK", "get", "B-R_E.W!"] {
            // A path may be another route's for this method: `/users/me` is a user like any other to DELETE.
            if !served.contains(&method) {
                let request =
                    Request::new(method, operation.target()).header("authorization", format!("Bearer {}", scene.credential));
                let request = if operation.target().contains("/users/") { request.json("{}") } else { request };
                requests.push((format!("{method} {path}"), Expected::Status(&[404]), request));
            }
        }
        let get = served.contains(&"GET");
        let head = Request::new("HEAD", operation.target()).header("authorization", format!("Bearer {}", scene.credential));
        requests.push((format!("HEAD {path}"), Expected::Status(if get { &[200, 404, 422] } else { &[404] }), head));
        requests.push((format!("OPTIONS {path}"), Expected::Status(&[204]), Request::new("OPTIONS", operation.target())));
    }
    scene.send(requests).await;
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn odd_headers_are_answered_as_described() {
    let scene = Scene::set().await;
    let long = "x".repeat(8_000);
    let headers: Vec<(&str, Vec<u8>)> = vec![
        ("if-match", b"garbage".to_vec()),
        ("if-match", b"\"\xff\"".to_vec()),
        ("if-match", b"\"0.18446744073709551616\"".to_vec()),
        ("if-match", b"W/\"ffffffffffffffff.18446744073709551615\"".to_vec()),
        ("if-none-match", b"\"".to_vec()),
        ("if-none-match", b"*, \"\xe9\",,,W/".to_vec()),
        ("accept-encoding", b"gzip;q=NaN, br;q=-1, *;q=1e999, ;;;".to_vec()),
        ("accept", b"\xff/\xff".to_vec()),
        ("x-request-id", b"\xff\x80 a\tb".to_vec()),
        ("x-request-id", long.clone().into()),
        ("idempotency-key", b"\xe9".to_vec()),
        ("idempotency-key", long.clone().into()),
        ("origin", b"null\xff".to_vec()),
        ("range", b"bytes=0-,5-1,-".to_vec()),
        ("expect", b"something".to_vec()),
        ("cookie", long.clone().into()),
        ("x-forwarded-for", b"'; DROP TABLE users; --".to_vec()),
        ("content-type", b"\xff\xfe".to_vec()),
        ("x-api-key", b"tbx_live_\xff".to_vec()),
        ("te", b"trailers, \xff".to_vec()),
    ];
    let credentials: Vec<(&str, Vec<u8>)> = vec![
        ("authorization", b"".to_vec()),
        ("authorization", b"Bearer".to_vec()),
        ("authorization", b"Bearer ".to_vec()),
        ("authorization", b"Bearer \xff.\xff.\xff".to_vec()),
        ("authorization", b"Bearer eyJhbGciOiJub25lIn0.e30.".to_vec()),
        ("authorization", b"Basic YWRtaW46YWRtaW4=".to_vec()),
        ("authorization", format!("Bearer {long}").into()),
        ("x-api-key", b"".to_vec()),
        ("x-api-key", b"\xff".to_vec()),
        ("x-api-key", long.into()),
    ];
    let mut requests = Vec::new();
    for operation in &scene.operations {
        let finish = |request: Request| if operation.takes_a_body() { request.json("{}") } else { request };
        for (name, value) in &headers {
            let request = scene.request(operation, operation.target()).header(name, value);
            let request = if *name == "content-type" { request } else { finish(request) };
            let expected = match operation.id.as_str() {
                "logout" | "refresh" => Expected::Status(&[200, 400, 401, 417]),
                _ if *name == "expect" => Expected::Status(&[200, 201, 204, 400, 401, 404, 409, 417, 422]),
                _ => Expected::Documented(operation.clone()),
            };
            requests.push((format!("{} with {name}", operation.id), expected, request));
        }
        for (name, value) in &credentials {
            let request = finish(Request::new(&operation.method, operation.target()).header(name, value));
            requests.push((format!("{} with {name}", operation.id), Expected::Documented(operation.clone()), request));
        }
    }
    scene.send(requests).await;
    scene.close().await;
}
