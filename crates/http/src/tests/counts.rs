//! What is counted, and what is not.

use actix_web::http::Method;
use serde_json::json;

use super::rig::{INTERNAL, PUBLIC, Rig};
use crate::serving::INLINE_BYTES;

async fn evaluations(rig: &Rig, flag: &str) -> u64 {
    let figures = rig.get(&format!("{INTERNAL}/flags/{flag}/stats")).await;
    figures.expect(200).json()["data"]["totalEvaluations"].as_u64().unwrap()
}

async fn exposures(rig: &Rig, experiment: &str) -> u64 {
    let figures = rig.get(&format!("{INTERNAL}/experiments/{experiment}/stats")).await;
    let body = figures.expect(200).json();
    let variations = body["data"]["variations"].as_array().cloned().unwrap_or_default();
    variations.iter().map(|variation| variation["participants"].as_u64().unwrap_or_default()).sum()
}

#[actix_web::test]
async fn an_evaluation_counts_once_and_a_look_at_its_head_does_not() {
    let rig = Rig::new().await;
    rig.furnish().await;
    rig.post(&format!("{INTERNAL}/experiments/c/start"), json!({ "startedBy": "ann@example.com" })).await.expect(200);
    let evaluate = format!("{PUBLIC}/flags/c/evaluate?userId=u");
    let assign = format!("{PUBLIC}/experiments/c/assign?userId=u");
    // First while nothing is in memory, then while everything is.
    for round in 1..3 {
        for path in [&evaluate, &assign] {
            for _ in 0..3 {
                let head = rig.send(Method::HEAD, path, None, &[]).await;
                head.expect(200);
            }
        }
        assert_eq!((evaluations(&rig, "c").await, exposures(&rig, "c").await), (round - 1, u64::from(round > 1)));
        rig.get(&evaluate).await.expect(200);
        rig.get(&assign).await.expect(200);
        rig.get(&format!("{evaluate}&track=false")).await.expect(200);
        rig.get(&format!("{assign}&track=false")).await.expect(200);
        assert_eq!((evaluations(&rig, "c").await, exposures(&rig, "c").await), (round, 1), "participants are users");
    }
}

#[actix_web::test]
async fn an_answer_that_is_encoded_aside_counts_once() {
    let rig = Rig::new().await;
    rig.furnish().await;
    let value = "v".repeat(2 * INLINE_BYTES);
    let flag = json!({
        "flagKey": "large", "name": "l", "enabled": true, "flagType": "string", "valueA": value, "valueB": "", "defaultValue": "A",
    });
    rig.post(&format!("{INTERNAL}/flags"), flag).await.expect(201);
    let path = format!("{PUBLIC}/flags/large/evaluate?userId=u");
    for (n, coding) in (1..).zip(["br", "gzip", "identity", "br", "gzip"]) {
        let answer = rig.send(Method::GET, &path, None, &[("accept-encoding", coding)]).await;
        assert_eq!(answer.expect(200).header("content-encoding").unwrap_or("identity"), coding);
        assert_eq!(evaluations(&rig, "large").await, n, "{coding}");
    }
}
