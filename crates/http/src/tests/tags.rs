//! Equal tags mean equal bytes, whenever and wherever they are asked for.

use std::time::Duration;

use super::rig::{Answer, INTERNAL, Plan, Rig};
use crate::paging::PageTokens;
use crate::reply::Caching;
use crate::routes::table;

/// Every way to ask for a part of a list.
const PARTS: [&str; 9] = [
    "",
    "limit=2",
    "limit=2&offset=1",
    "page=2&perPage=2",
    "nextToken=",
    "nextToken=&limit=2",
    "status=draft",
    "status=draft&limit=1",
    "perPage=100",
];

/// Paths of everything that may be kept, and of what carries a tag though it may not; with each way to ask for a part.
fn paths() -> Vec<String> {
    let tagged = |caching: Caching| matches!(caching, Caching::Revalidate | Caching::Never);
    let reads = table().into_iter().filter(|route| route.method == "GET" && tagged(route.caching));
    let mut paths = Vec::new();
    for route in reads {
        let path = ["{platform}", "{environment}", "{key}"].iter().zip(["web", "prod", "c"]);
        let path = path.fold(route.path.to_owned(), |path, (name, value)| path.replace(name, value));
        let parts: &[&str] = if route.query.is_empty() { &[""] } else { &PARTS };
        paths.extend(parts.iter().map(|part| format!("{path}?{part}")));
    }
    paths
}

async fn look(rig: &Rig, path: &str) -> Answer {
    let answer = rig.get(path).await;
    assert!(!answer.status.is_server_error(), "{path}");
    answer
}

#[actix_web::test]
async fn what_may_be_kept_has_a_tag() {
    let rig = Rig::new().await;
    rig.furnish().await;
    let routes = table().into_iter().filter(|route| route.caching == Caching::Revalidate);
    let mut seen = 0;
    for route in routes {
        let path = route.path.replace("{platform}", "web").replace("{environment}", "prod").replace("{key}", "c");
        assert!(look(&rig, &path).await.expect(200).header("etag").is_some(), "{path}");
        seen += 1;
    }
    assert!(seen >= 12, "only {seen}");
}

#[actix_web::test]
async fn equal_tags_mean_equal_bytes_at_any_time() {
    let rig = Rig::new().await;
    rig.furnish().await;
    let mut tagged = 0;
    for path in paths() {
        let first = look(&rig, &path).await;
        rig.clock.advance(Duration::from_secs(61));
        let second = look(&rig, &path).await;
        assert_eq!(first.header("etag"), second.header("etag"), "{path}");
        if first.header("etag").is_some() {
            tagged += 1;
            assert_eq!(String::from_utf8_lossy(&first.body), String::from_utf8_lossy(&second.body), "{path}");
        }
    }
    assert!(tagged > 50, "only {tagged}");
}

#[actix_web::test]
async fn equal_tags_mean_equal_bytes_on_every_node() {
    let one = Rig::new().await;
    one.furnish().await;
    let two = one.beside(Plan { page_tokens: PageTokens::new([8; 32]), ..Plan::default() }).await;
    two.clock.advance(Duration::from_hours(5));
    let mut different = 0;
    for path in paths() {
        let (first, second) = (look(&one, &path).await, look(&two, &path).await);
        if first.header("etag").is_none() {
            continue;
        }
        if first.header("etag") == second.header("etag") {
            assert_eq!(String::from_utf8_lossy(&first.body), String::from_utf8_lossy(&second.body), "{path}");
        } else {
            different += 1;
            let text = String::from_utf8_lossy(&first.body).into_owned();
            assert!(text.contains("nextToken") || text.contains("nextCursor"), "{path} differs without a reason: {text}");
        }
    }
    assert!(different > 0, "pages that go on name tokens of their node");
}

#[actix_web::test]
async fn every_change_of_a_record_changes_its_tag_and_its_time() {
    let rig = Rig::new().await;
    rig.furnish().await;
    let path = format!("{}/flags/c", super::rig::PUBLIC);
    let before = rig.get(&path).await;
    rig.clock.advance(Duration::from_secs(5));
    let toggle = serde_json::json!({ "enabled": false });
    let toggled = rig.send(actix_web::http::Method::PATCH, &format!("{INTERNAL}/flags/c/toggle"), Some(toggle), &[]).await;
    toggled.expect(200);
    let after = rig.get(&path).await;
    assert_ne!(before.header("etag"), after.header("etag"));
    assert_eq!(after.header("etag"), toggled.header("etag"));
    assert!(before.json()["timestamp"].as_str() < after.json()["timestamp"].as_str());
}
