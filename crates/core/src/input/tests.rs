use serde_json::json;

use super::issue::MAX_ISSUES;
use super::{Patch, Reader};

fn messages(reader: Reader<'_>) -> Vec<String> {
    reader.into_issues().iter().map(ToString::to_string).collect()
}

#[test]
fn every_problem_is_told_with_its_path() {
    let body = json!({ "a": 5, "list": [{ "n": 101 }, { "n": "x" }], "role": "root", "none": null });
    let root = Reader::new(Some(&body));
    assert!(root.field("a").text().get().is_none());
    assert!(root.field("list").each(|e| e.field("n").number().max(100.0).get()).is_none());
    assert!(root.field("role").one_of(&[("admin", 1), ("viewer", 2)]).is_none());
    assert!(root.field("none").boolean().is_none());
    assert!(root.field("gone").boolean().is_none());
    assert_eq!(
        messages(root),
        [
            "a: Expected string, received number",
            "list.0.n: Number must be less than or equal to 100",
            "list.1.n: Expected number, received string",
            "role: Invalid enum value. Expected 'admin' | 'viewer', received 'root'",
            "none: Expected boolean, received null",
            "gone: Required",
        ]
    );
}

#[test]
fn no_document_is_one_problem_without_a_path() {
    let root = Reader::new(None);
    assert!(root.object().is_none());
    assert_eq!(messages(root), [": Required"]);
}

#[test]
fn absent_null_and_value_differ() {
    let body = json!({ "null": null, "text": "x" });
    let root = Reader::new(Some(&body));
    let read = |name: &str| root.field(name).nullable(|r| r.text().get());
    assert_eq!(read("gone"), Some(Patch::Keep));
    assert_eq!(read("null"), Some(Patch::Clear));
    assert_eq!(read("text"), Some(Patch::Set("x")));
    assert_eq!(root.field("null").lenient(|r| r.text().get()), Some(None));
    assert_eq!(root.field("null").optional(|r| r.text().get()), None);
}

#[test]
fn lengths_count_utf16_units() {
    let body = json!("😀");
    let root = Reader::new(Some(&body));
    assert!(root.text().length(2, "two").get().is_some());
    assert!(root.text().max(1, "one at most").get().is_none());
    assert!(root.text().min(3, "three at least").get().is_none());
}

#[test]
fn a_lost_value_is_never_success() {
    let body = json!({});
    assert!(Reader::new(Some(&body)).finish::<()>(None).is_err());
}

#[test]
fn form_and_content_are_told_apart() {
    let body = json!({ "short": "", "word": "x", "list": [1] });
    let root = Reader::new(Some(&body));
    assert!(root.field("short").text().min(1, "too short").get().is_none());
    root.field("list").at_least(2, "too few");
    root.field("word").at_least(2, "not a list, so not its business");
    assert!(root.is_well_formed());
    assert!(root.field("word").one_of(&[("y", ())]).is_none());
    assert!(!root.is_well_formed());
    assert_eq!(root.problems(), 3);
}

#[test]
fn a_part_read_alone_keeps_its_problems_to_itself() {
    let body = json!({ "part": { "type": "z" } });
    let root = Reader::new(Some(&body));
    let part = root.field("part").alone();
    assert!(part.field("type").tag(&[("a", 1), ("b", 2)]).is_none());
    assert_eq!(messages(part), ["part.type: Invalid discriminator value. Expected 'a' | 'b'"]);
    assert!(root.is_clean() && root.is_well_formed());
}

#[test]
fn a_document_full_of_problems_is_refused_with_the_first_of_them() {
    let body = json!(vec![0; 5000]);
    let root = Reader::new(Some(&body));
    let read = root.each(|element| element.text().owned());
    let issues = root.finish(read).unwrap_err();
    assert_eq!(issues.len(), MAX_ISSUES);
    assert_eq!(issues[MAX_ISSUES - 1].path, "999");
}

#[test]
fn whole_numbers() {
    let read = |value: serde_json::Value| Reader::new(Some(&value)).number().whole();
    assert_eq!(read(json!(12)), Some(12));
    assert_eq!(read(json!(1e3)), Some(1000));
    assert_eq!(read(json!(-0.0)), Some(0));
    assert_eq!(read(json!(9_007_199_254_740_991_u64)), Some(9_007_199_254_740_991));
    for bad in [json!(1.5), json!(-1), json!(1e300), json!("1")] {
        assert_eq!(read(bad.clone()), None, "{bad}");
    }
}
