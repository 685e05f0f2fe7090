use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::{Beyond, Limit, Limited};

fn problems(text: &str) -> Vec<String> {
    match PlanCatalogue::from_toml(text) {
        Err(InvalidCatalogue::Content(issues)) => issues.iter().map(ToString::to_string).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_built_in_plans_rise() {
    let plans = PlanCatalogue::default();
    let names: Vec<_> = plans.iter().map(|plan| plan.name.as_str()).collect();
    assert_eq!(names, ["free", "pro", "enterprise"]);
    assert_eq!(plans.first().name.as_str(), "free");
    let figure = |plan: &Plan, limited| plan.limits.get(limited).get().unwrap_or(u64::MAX);
    for (less, more) in plans.iter().zip(plans.iter().skip(1)) {
        for limited in Limited::ALL {
            assert!(figure(less, limited) < figure(more, limited), "{limited} from {} to {}", less.name, more.name);
        }
    }
    let free = plans.limits(&"free".parse().unwrap(), &LimitOverrides::NONE).unwrap();
    assert!(Limited::ALL.iter().all(|limited| free.get(*limited) != Limit::Unlimited));
    assert_eq!(plans.limits(&"gone".parse().unwrap(), &LimitOverrides::NONE), None);
    let beyond: Vec<_> = plans.iter().map(|plan| plan.beyond).collect();
    assert_eq!(beyond, [Beyond::Refused, Beyond::Served, Beyond::Refused]);
    assert!(plans.iter().all(|plan| plan.quota == QuotaPolicy::Soft));
}

#[test]
fn every_slip_is_told_with_its_place() {
    let cases = [
        ("", vec!["plan: Required"]),
        ("plan = []", vec!["plan: There must be a plan"]),
        ("plan = 1", vec!["plan: Expected array, received number"]),
        ("[[plan]]\nname = \"a\"\ntitle = \"A\"\n[[plans]]", vec!["plans: Unknown field. Expected plan"]),
        (
            "[[plan]]\nname = \"a\"\ntitle = \"A\"\nprice = 3",
            vec!["plan.0.price: Unknown field. Expected name, title, limits, requests_beyond, requests_quota"],
        ),
        ("[[plan]]\ntitle = \"A\"", vec!["plan.0.name: Required"]),
        ("[[plan]]\nname = \"a\"", vec!["plan.0.title: Required"]),
        (
            "[[plan]]\nname = \"a\"\ntitle = \"A\"\n[[plan]]\nname = \"a\"\ntitle = \"B\"",
            vec!["plan.1.name: There is another plan of the name a"],
        ),
        (
            "[[plan]]\nname = \"a\"\ntitle = \"A\"\nlimits = { flags = 0, members = -1 }",
            vec!["plan.0.limits.flags: Number must be greater than 0", "plan.0.limits.members: Number must be greater than 0"],
        ),
        (
            "[[plan]]\nname = \"a\"\ntitle = \"A\"\nlimits = { flags = 1.5, members = \"3\" }",
            vec![
                "plan.0.limits.flags: Expected integer, received float",
                "plan.0.limits.members: Expected number, received string",
            ],
        ),
        (
            "[[plan]]\nname = \"a\"\ntitle = \"A\"\nrequests_beyond = \"billed\"",
            vec!["plan.0.requests_beyond: Invalid enum value. Expected 'refused' | 'served', received 'billed'"],
        ),
        (
            "[[plan]]\nname = \"a\"\ntitle = \"A\"\nrequests_quota = \"strict\"",
            vec!["plan.0.requests_quota: Invalid enum value. Expected 'soft' | 'hard', received 'strict'"],
        ),
        (
            "[[plan]]\nname = \"a\"\ntitle = \"A\"\nrequests_quota = \"hard\"\nrequests_beyond = \"served\"",
            vec!["plan.0.requests_quota: A hard quota needs requests_beyond to be refused"],
        ),
        (
            "[[plan]]\nname = \"a\"\ntitle = \"A\"\nlimits = { burst = 5 }",
            vec!["plan.0.limits.burst: A burst needs requests_per_second"],
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(problems(text), expected, "{text}");
    }
    let unknown = problems("[[plan]]\nname = \"a\"\ntitle = \"A\"\nlimits = { flag = 5 }");
    assert!(unknown[0].starts_with("plan.0.limits.flag: Unknown limit. Expected platforms, environments,"), "{unknown:?}");
    let named = problems("[[plan]]\nname = \"A plan\"\ntitle = \"A\"");
    assert!(named[0].starts_with("plan.0.name: plan must have 1 to 32 of"), "{named:?}");
    let too_much = problems("[[plan]]\nname = \"a\"\ntitle = \"A\"\nlimits = { flags = 9007199254740992 }");
    assert!(too_much[0].starts_with("plan.0.limits.flags: Number must be less than or equal to"), "{too_much:?}");
}

/// They are TOML, and JSON has no word for them but `null`: which would be no limit at all.
#[test]
fn what_is_no_finite_number_is_no_limit() {
    for odd in ["nan", "inf", "-inf"] {
        let told = problems(&format!("[[plan]]\nname = \"a\"\ntitle = \"A\"\nlimits = {{ flags = {odd} }}"));
        assert_eq!(told, ["plan.0.limits.flags: Expected number, received nan or infinity"], "{odd}");
        let told = problems(&format!("[[plan]]\nname = \"a\"\ntitle = \"A\"\nlimits = {odd}"));
        assert_eq!(told, ["plan.0.limits: Expected object, received number"], "{odd}");
    }
}

#[test]
fn a_field_that_stands_twice_is_no_toml() {
    let twice = "[[plan]]\nname = \"a\"\ntitle = \"A\"\n[plan.limits]\nflags = 1\nflags = 2";
    let Err(InvalidCatalogue::Syntax(why)) = PlanCatalogue::from_toml(twice) else { panic!("it was read") };
    assert!(why.contains("line 6") && why.contains("flags"), "{why}");
}

#[test]
fn overrides_tell_null_from_absent() {
    let document = json!({ "flags": 7, "members": null });
    let reader = Reader::new(Some(&document));
    let overrides = LimitOverrides::read(&reader).unwrap();
    let limits = PlanCatalogue::default().limits(&"free".parse().unwrap(), &overrides).unwrap();
    assert_eq!(limits.get(Limited::Flags).get(), Some(7));
    assert_eq!(limits.get(Limited::Members), Limit::Unlimited);
    assert_eq!(limits.get(Limited::Configs).get(), Some(100));

    let document = json!({ "flags": 0, "seats": 3 });
    let reader = Reader::new(Some(&document));
    assert_eq!(LimitOverrides::read(&reader), None);
    let issues: Vec<_> = reader.into_issues().into_iter().map(|issue| issue.path).collect();
    assert_eq!(issues, ["flags", "seats"]);
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,80}") {
        let _ = PlanCatalogue::from_toml(&text);
    }

    /// What is written down is what holds.
    #[test]
    fn limits_read_back(numbers in prop::collection::vec(prop::option::of(1_u64..1 << 53), Limited::ALL.len())) {
        use std::fmt::Write as _;
        prop_assume!(numbers[Limited::Burst as usize].is_none() || numbers[Limited::RequestsPerSecond as usize].is_some());
        let mut text = "[[plan]]\nname = \"a\"\ntitle = \"A\"\n[plan.limits]\n".to_owned();
        for (limited, number) in Limited::ALL.iter().zip(&numbers) {
            if let Some(number) = number {
                writeln!(text, "{limited} = {number}").unwrap();
            }
        }
        let plans = PlanCatalogue::from_toml(&text).unwrap();
        for (limited, number) in Limited::ALL.iter().zip(numbers) {
            prop_assert_eq!(plans.first().limits.get(*limited).get(), number);
        }
    }
}
