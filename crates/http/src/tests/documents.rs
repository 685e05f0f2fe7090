//! The pages for people and programs.

use super::rig::Rig;
use crate::coding::Coding;

#[actix_web::test]
async fn what_never_changes_is_encoded_once() {
    let rig = Rig::new().await;
    for path in ["/docs", "/openapi.json"] {
        let plain = rig.get(path).await;
        assert!(plain.expect(200).header("content-encoding").is_none());
        for coding in [Coding::Gzip, Coding::Brotli] {
            let asked = async || rig.send("GET".parse().unwrap(), path, None, &[("accept-encoding", coding.token())]).await;
            let encoded = asked().await;
            assert_eq!(encoded.header("content-encoding"), Some(coding.token()), "{path}");
            assert_eq!(encoded.header("content-type"), plain.header("content-type"), "{path}");
            assert!(encoded.body.len() < plain.body.len() / 3, "{path}");
            assert_eq!(asked().await.body, encoded.body, "{path}");
        }
    }
    let page = crate::routes::page();
    assert!(page.is_made(Coding::Gzip) && page.is_made(Coding::Brotli), "kept, not made anew");
    assert_eq!(page.body(Coding::Gzip).0.as_ptr(), page.body(Coding::Gzip).0.as_ptr());
}

#[actix_web::test]
async fn the_root_leads_people_on() {
    let rig = Rig::new().await;
    let page = rig.send("GET".parse().unwrap(), "/", None, &[("accept", "text/html")]).await;
    assert_eq!(page.expect(200).header("content-type"), Some("text/html; charset=utf-8"));
    rig.get("/").await.expect(404);
}
