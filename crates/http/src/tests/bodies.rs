//! What routes make of bodies, as the route table has it.

use serde_json::json;

use super::rig::Rig;
use crate::openapi;
use crate::routes::table;

#[actix_web::test]
async fn a_missing_body_is_a_mistake_where_the_description_says_so() {
    let rig = Rig::new().await;
    rig.furnish().await;
    let document = openapi::document(&table(), "1");
    let mut optional = 0;
    for route in table().into_iter().filter(|route| route.body.is_some()) {
        let described = &document["paths"][route.path][route.method.as_str().to_lowercase()]["requestBody"];
        // Absent means no, too.
        assert_eq!(described["required"] == json!(true), route.body_required, "{}", route.id);
        let values = [("{platform}", "web"), ("{environment}", "prod"), ("{key}", "c"), ("{id}", "x")];
        let path = values.iter().fold(route.path.to_owned(), |path, (name, value)| path.replace(name, value));
        let answer = rig.send(route.method, &path, None, &[]).await;
        let is_refused = matches!(answer.status.as_u16(), 400 | 422);
        assert_eq!(is_refused, route.body_required, "{}: {}", route.id, answer.status);
        if !route.body_required {
            answer.expect(200);
            optional += 1;
        }
    }
    assert!(optional == 3, "{optional}");
}
