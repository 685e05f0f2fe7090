//! `tests/vectors/configs.json`.

use togglebox_toggles::{ValueType, VersionPart, bump_version, value};

use crate::vectors::cases;

#[test]
fn every_recorded_value_is_reproduced() {
    let cases = cases("configs");
    assert_eq!(cases.len(), 95);
    for case in &cases {
        let text = |name: &str| case[name].as_str().unwrap();
        let value_type = || serde_json::from_value::<ValueType>(case["valueType"].clone()).unwrap();
        let given = match text("op") {
            "parse" => value::read(value_type(), text("stored")),
            "serialise" => value::write(value_type(), &case["value"]).into(),
            "bumpVersion" => bump_version(text("version"), part(text("part"))).into(),
            op => panic!("{op}"),
        };
        // `1` is not equal to `1.0` here.
        assert_eq!(given, case["expected"], "{}", text("id"));
    }
}

fn part(word: &str) -> VersionPart {
    match word {
        "major" => VersionPart::Major,
        "minor" => VersionPart::Minor,
        "patch" => VersionPart::Patch,
        _ => panic!("{word}"),
    }
}
