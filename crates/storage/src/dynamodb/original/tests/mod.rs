//! What rows become, whatever they say.

mod reading;

use std::io::Cursor;

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use togglebox_core::{TenantId, Timestamp};
use uuid::Uuid;

use super::contents::{AREAS, Area, figures};
use super::figure_key::Tier;
use super::finding::{Finding, Notes};
use super::row::Row;
use super::{OriginalTable, What, account, place};
use crate::transfer::{FORMAT, Header, Reader, Record, Writer};

const AT: &str = "2026-01-02T03:04:05.678Z";
const ENVIRONMENT: Uuid = Uuid::from_u128(7);

fn row(pk: &str, sk: &str, attributes: Value) -> Row {
    Row { pk: pk.to_owned(), sk: sk.to_owned(), attributes: object(attributes) }
}

fn object(value: Value) -> Map<String, Value> {
    let Value::Object(members) = value else { panic!("{value}") };
    members
}

fn flag(version: &str, active: bool, more: Value) -> Row {
    let mut attributes = json!({
        "platform": "web", "environment": "prod", "flagKey": "dark", "name": "Dark", "enabled": true, "flagType": "boolean",
        "valueA": true, "valueB": false, "targeting": { "countries": [], "forceIncludeUsers": [], "forceExcludeUsers": [] },
        "defaultValue": "B", "rolloutEnabled": false, "rolloutPercentageA": 100, "rolloutPercentageB": 0, "version": version,
        "isActive": active, "createdBy": "a@example.com", "createdAt": AT, "updatedAt": AT,
    });
    let attributes_of = attributes.as_object_mut().unwrap();
    if active {
        attributes_of.insert("GSI1PK".to_owned(), "PLATFORM#web#ENV#prod".into());
        attributes_of.insert("GSI1SK".to_owned(), "ACTIVE#FLAG#dark".into());
    }
    attributes_of.extend(object(more));
    row("PLATFORM#web#ENV#prod", &format!("FLAG#dark#V#{version}"), attributes)
}

fn parameter(version: &str, active: bool, value: Value) -> Row {
    let index = if active { json!("CONFIG#web#prod#ACTIVE") } else { Value::Null };
    let mut attributes = json!({
        "platform": "web", "environment": "prod", "parameterKey": "title", "version": version, "valueType": "string",
        "isActive": active, "createdBy": "a@example.com", "createdAt": AT, "GSI1PK": index,
    });
    attributes["defaultValue"] = value;
    row("CONFIG#web#prod", &format!("PARAM#title#V#{version}"), attributes)
}

fn experiment() -> Row {
    row(
        "PLATFORM#web#ENV#prod",
        "EXP#cta#V#1.0.0",
        json!({
            "experimentKey": "cta", "name": "CTA", "hypothesis": "h", "status": "running", "startedAt": AT,
            "variations": [{ "key": "control", "name": "Blue", "value": null, "isControl": true }, { "key": "green", "name": "Green" }],
            "controlVariation": "control",
            "trafficAllocation": [{ "variationKey": "control", "percentage": 50 }, { "variationKey": "green", "percentage": 50 }],
            "targeting": { "countries": [], "forceIncludeUsers": [], "forceExcludeUsers": [] },
            "primaryMetric":
                { "id": "m", "name": "M", "eventName": "m", "metricType": "conversion", "successDirection": "increase" },
            "confidenceLevel": 0.95, "version": "1.0.0", "isActive": true, "createdBy": "a@example.com", "createdAt": AT,
            "updatedAt": AT,
        }),
    )
}

fn user(more: Value) -> Row {
    let mut attributes = json!({
        "id": "2affbec7-e2d8-4fda-9ae9-b1aed40edabd", "name": "Vic", "email": "vic@example.com", "passwordHash": "$2b$10$x",
        "role": "viewer", "createdAt": AT, "updatedAt": AT, "GSI1PK": "USER_EMAIL#vic@example.com",
    });
    attributes.as_object_mut().unwrap().extend(object(more));
    row("USER#2affbec7-e2d8-4fda-9ae9-b1aed40edabd", "", attributes)
}

fn api_key() -> Row {
    row(
        "APIKEY#e5090086-a9b5-4534-ac60-35df405bad8b",
        "",
        json!({
            "userId": "2affbec7-e2d8-4fda-9ae9-b1aed40edabd", "name": "CI", "keyHash": "ab".repeat(32), "keyPrefix": "tbx_live",
            "keyLast4": "cf9b", "permissions": ["config:read"], "expiresAt": AT, "lastUsedAt": null, "createdAt": AT,
        }),
    )
}

fn taken(area: Area, rows: Vec<Row>) -> (Vec<Record>, Vec<Finding>) {
    let mut notes = Notes::of(area.table());
    let records = area.records(ENVIRONMENT, rows, &mut notes);
    (records, notes.into_findings())
}

fn counted(tier: Tier, key: &str, rows: Vec<Row>) -> (Vec<Record>, Vec<Finding>) {
    let mut notes = Notes::of(OriginalTable::Stats);
    let records = figures(ENVIRONMENT, tier, key, rows, &mut notes);
    (records, notes.into_findings())
}

fn told(findings: &[Finding]) -> Vec<String> {
    findings.iter().map(Finding::to_string).collect()
}

/// Whether a file of these records is sound: that is what makes them ours.
fn check(records: &[Record]) {
    let header = Header {
        format: FORMAT,
        product: String::new(),
        tenant: TenantId::DEFAULT,
        engine: String::new(),
        at: Timestamp::EPOCH,
        key_secret: None,
    };
    let mut records = records.to_vec();
    records.sort_by_key(Record::kind);
    let mut writer = Writer::begin(Vec::new(), &header).unwrap();
    for record in &records {
        writer.record(record).unwrap();
    }
    let (_, mut reader) = Reader::begin(Cursor::new(writer.finish().unwrap().0)).unwrap();
    for record in &records {
        assert_eq!(reader.next_record().unwrap().unwrap().record, *record);
    }
}

#[test]
fn sound_rows_leave_nothing_to_tell() {
    let figures_of_flag = row(
        "STATS#web#prod#SHARD#1",
        "STATS#FLAG#dark",
        json!({ "totalEvaluations": 3, "valueACount": 2, "valueBCount": 1, "lastEvaluatedAt": AT }),
    );
    for (records, findings) in [
        taken(Area::Parameters, vec![parameter("1", false, json!("a")), parameter("2", true, json!("b"))]),
        taken(Area::Flags, vec![flag("1.0.0", false, json!({})), flag("1.0.1", true, json!({}))]),
        taken(Area::Experiments, vec![experiment()]),
        counted(Tier::Flag, "dark", vec![figures_of_flag]),
    ] {
        assert_eq!(told(&findings), [""; 0]);
        assert!(!records.is_empty());
        check(&records);
    }
    let mut notes = Notes::of(OriginalTable::Users);
    assert!(account::user(user(json!({ "GSI2PK": "USER#ALL", "GSI3SK": "USER#1" })), &mut notes).is_some());
    assert!(account::api_key(api_key(), &mut notes).is_some());
    assert_eq!(told(&notes.into_findings()), [""; 0]);
}

#[test]
fn versions_that_are_none_are_left_and_the_others_stay() {
    let (records, findings) = taken(
        Area::Flags,
        vec![flag("1.0.0", true, json!({})), flag("2.0.0", false, json!({})), flag("1.0.10", false, json!({ "name": 5 }))],
    );
    check(&records);
    assert_eq!(records.len(), 2);
    assert_eq!(
        told(&findings),
        [
            "cannot be taken: flags PLATFORM#web#ENV#prod FLAG#dark#V#2.0.0: its version is not of the form 1.0.n",
            "cannot be taken: flags PLATFORM#web#ENV#prod FLAG#dark#V#1.0.10: its name: invalid type: integer `5`, expected a string",
        ]
    );
    for version in ["0", "01", "x", "", "-1", "9223372036854775808"] {
        let (records, findings) =
            taken(Area::Parameters, vec![parameter("1", true, json!("a")), parameter(version, false, json!("b"))]);
        assert_eq!((records.len(), findings.len()), (2, 1), "{version}");
    }
}

#[test]
fn versions_are_numbers_also_beyond_nine() {
    let versions = ["1", "10", "2"].map(|version| parameter(version, version == "10", json!(version)));
    let (records, findings) = taken(Area::Parameters, versions.to_vec());
    assert_eq!(told(&findings), [""; 0]);
    let Record::Parameter(head) = &records[0] else { panic!("{records:?}") };
    assert_eq!((head.active, head.latest), (10, 10));
}

#[test]
fn what_has_no_place_is_told_with_its_path() {
    let targeting = json!({ "countries": [{ "country": "DE", "serveValue": "A", "city": "Ulm" }] });
    let (records, findings) =
        taken(Area::Flags, vec![flag("1.0.0", true, json!({ "targeting": targeting, "colour": "red", "empty": null }))]);
    check(&records);
    for name in ["targeting.countries[0].city", "colour"] {
        assert!(findings.iter().any(|finding| finding.what == What::Attribute { name: name.to_owned(), times: 1 }), "{name}");
    }
    assert_eq!(findings.len(), 2);
}

#[test]
fn texts_that_stand_for_something_are_read() {
    let targeting = r#"{"countries":[],"forceIncludeUsers":["u"],"forceExcludeUsers":[]}"#;
    let more = json!({ "targeting": targeting, "rolloutPercentageA": "33.3", "enabled": "true" });
    let (records, findings) = taken(Area::Flags, vec![flag("1.0.0", true, more)]);
    assert_eq!(told(&findings), [""; 0]);
    let Record::FlagVersion(version) = &records[1] else { panic!("{records:?}") };
    assert_eq!(version.definition.targeting.force_include_users, ["u"]);
    assert!((version.definition.rollout_percentage_a - 33.3).abs() < f64::EPSILON && version.definition.enabled);
    let (records, findings) = taken(Area::Parameters, vec![parameter("1", true, json!({ "a": [1] }))]);
    let Record::ParameterVersion(version) = &records[1] else { panic!("{records:?}") };
    assert_eq!(version.definition.default_value, r#"{"a":[1]}"#);
    assert!(!findings[0].is_loss(), "{findings:?}");
}

#[test]
fn ids_that_are_none_are_derived_and_the_same_each_time() {
    let platform = || row("PLATFORM#web", "", json!({ "name": "web", "id": "seven", "createdAt": AT }));
    let mut notes = Notes::of(OriginalTable::Platforms);
    let one = place::platform(platform(), &account::People::default(), &mut notes).unwrap();
    let other = place::platform(platform(), &account::People::default(), &mut notes).unwrap();
    assert_eq!(one.id, other.id);
    assert!(notes.into_findings().iter().all(|finding| !finding.is_loss()));
}

#[test]
fn the_older_of_two_accounts_with_one_address_stays() {
    let twin = |id: &str, email: &str, at: &str| {
        let mut notes = Notes::of(OriginalTable::Users);
        let mut row = user(json!({ "id": id, "email": email, "createdAt": at }));
        row.pk = format!("USER#{id}");
        account::user(row, &mut notes).unwrap()
    };
    let old = twin("00000000-0000-4000-8000-000000000002", "Ann@example.com", "2025-01-01T00:00:00Z");
    let new = twin("00000000-0000-4000-8000-000000000001", "ann@example.com", "2026-01-01T00:00:00Z");
    for order in [[&old, &new], [&new, &old]] {
        let (mut people, mut notes) = (account::People::default(), Notes::of(OriginalTable::Users));
        for user in order {
            people.add(&format!("USER#{}", user.id), user, &mut notes);
        }
        assert!(people.has(&old) && !people.has(&new) && !people.contains(new.id));
        assert_eq!(
            notes.into_findings().iter().map(|finding| finding.key.as_str()).collect::<Vec<_>>(),
            [format!("USER#{}", new.id)]
        );
    }
}

fn exposure(shard: u32, part: &str, attributes: Value) -> Row {
    row(&format!("STATS#web#prod#SHARD#{shard}"), &format!("STATS#EXP#cta#VAR#green{part}"), attributes)
}

#[test]
fn days_add_up_to_the_totals_that_the_original_showed() {
    let (records, findings) = counted(
        Tier::Experiment,
        "cta",
        vec![
            exposure(0, "", json!({ "views": 7, "exposures": 7, "uniqueUserIds": ["a", "b", "c"], "lastExposureAt": AT })),
            exposure(
                0,
                "#DATE#2026-01-01",
                json!({ "views": 2, "uniqueUserIds": ["a", "b"], "conversions": 1, "date": "2026-01-01" }),
            ),
            exposure(0, "#DATE#2026-01-02", json!({ "views": 4, "uniqueUserIds": ["b", "d"], "date": "2026-01-02" })),
            exposure(3, "#METRIC#m", json!({ "conversions": 1, "sampleSize": 1, "count": 1, "sumValue": 9.95 })),
            exposure(
                3,
                "#METRIC#m#DATE#2026-01-01",
                json!({ "conversions": 1, "sampleSize": 1, "count": 1, "sumValue": 9.95, "date": "2026-01-01" }),
            ),
        ],
    );
    check(&records);
    let days = records.iter().filter_map(|record| match record {
        Record::ExperimentDay(day) => Some((day.day.as_str(), day.exposures, day.new_users, day.conversions)),
        _ => None,
    });
    assert_eq!(days.collect::<Vec<_>>(), [("2026-01-01", 2, 2, 1), ("2026-01-02", 5, 2, 0)]);
    assert_eq!(records.iter().filter(|record| matches!(record, Record::ExperimentSubject(_))).count(), 4);
    let metrics = records.iter().filter(|record| matches!(record, Record::ExperimentMetricDay(day) if day.conversions == 1));
    assert_eq!(metrics.count(), 1);
    assert_eq!(findings.len(), 3, "one exposure and one user of no day, one user of no total: {findings:?}");
    assert!(findings.iter().all(|finding| !finding.is_loss()));
}

/// Anything that JSON can say.
fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,12}|[0-9-]{4}-[01][0-9]-[0-3][0-9]|\\{\\}|\\[\\]|[0-9]{1,20}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map("[a-zA-Z]{1,8}|key|country|percentage", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// A sound row with some of its attributes replaced or missing, and perhaps with another key.
fn spoilt(row: Row) -> impl Strategy<Value = Row> {
    let names: Vec<String> = row.attributes.keys().cloned().collect();
    let changes = prop::collection::vec((0..names.len(), prop::option::of(anything())), 0..5);
    (changes, prop::option::weighted(0.2, "[A-Z]{0,6}#?\\PC{0,12}")).prop_map(move |(changes, sk)| {
        let mut row = row.clone();
        for (n, value) in changes {
            match value {
                Some(value) => row.attributes.insert(names[n].clone(), value),
                None => row.attributes.shift_remove(&names[n]),
            };
        }
        row.sk.push_str(&sk.unwrap_or_default());
        row
    })
}

fn spoilt_figures() -> impl Strategy<Value = Row> {
    let attributes = json!({
        "views": 1, "exposures": 1, "uniqueUserIds": ["a"], "lastExposureAt": AT, "date": "2026-01-01", "conversions": 1,
        "sampleSize": 1, "count": 1, "sumValue": 1.5, "valueACount": 1, "valueBCount": 1, "totalEvaluations": 2, "country": "DE",
    });
    let part = "(#VAR#green)?(#DATE#2026-0[0-9]-0[0-9]|#COUNTRY#\\PC{0,3}|#METRIC#m|#METRIC#m#DATE#2026-01-01)?";
    (spoilt(row("STATS#web#prod#SHARD#0", "", attributes)), part).prop_map(|(row, part)| {
        let sk = format!("STATS#FLAG#cta{part}");
        Row { sk, ..row }
    })
}

proptest! {
    #[test]
    fn whatever_rows_say_the_records_are_sound_and_nothing_goes_untold(
        parameters in prop::collection::vec(prop::sample::select(vec!["1", "2", "10"]).prop_flat_map(|version| spoilt(parameter(version, version == "2", json!("v")))), 0..4),
        flags in prop::collection::vec(prop::sample::select(vec!["1.0.0", "1.0.2"]).prop_flat_map(|version| spoilt(flag(version, version == "1.0.0", json!({})))), 0..4),
        experiment in spoilt(experiment()),
        user in spoilt(user(json!({}))),
        key in spoilt(api_key()),
    ) {
        for (area, rows) in AREAS.into_iter().zip([parameters, flags, vec![experiment]]) {
            // As they come: by key, and each key once.
            let mut rows = rows;
            rows.sort_by(|one, other| one.sk.cmp(&other.sk));
            rows.dedup_by(|one, other| one.sk == other.sk);
            for group in rows.chunk_by(|one, other| area.subject()(one).is_some() && area.subject()(one) == area.subject()(other)) {
                let (records, findings) = taken(area, group.to_vec());
                check(&records);
                let told = findings.iter().filter(|finding| matches!(finding.what, What::Left(_))).count();
                let versions = records.len().saturating_sub(usize::from(area != Area::Experiments));
                prop_assert!(versions == group.len() || told > 0, "{:?} {:?}", records, findings);
            }
        }
        let mut notes = Notes::of(OriginalTable::Users);
        let user = account::user(user, &mut notes);
        let key = account::api_key(key, &mut notes);
        let left = notes.into_findings().into_iter().filter(|finding| matches!(finding.what, What::Left(_))).count();
        prop_assert_eq!(left, usize::from(user.is_none()) + usize::from(key.is_none()));
        check(&user.map(Record::from).into_iter().chain(key.map(Record::from)).collect::<Vec<_>>());
    }

    #[test]
    fn whatever_figures_say_the_records_are_sound(rows in prop::collection::vec(spoilt_figures(), 0..6)) {
        for (tier, prefix) in [(Tier::Flag, "STATS#FLAG#"), (Tier::Experiment, "STATS#EXP#"), (Tier::Parameter, "STATS#CONFIG#")] {
            let rows = rows.iter().map(|row| Row { sk: row.sk.replacen("STATS#FLAG#", prefix, 1), ..row.clone() }).collect();
            check(&counted(tier, "cta", rows).0);
        }
    }

    #[test]
    fn shards_and_cases_of_a_country_are_summed(counts in prop::collection::vec((0..10_u32, any::<bool>(), 0..1000_u64, 0..1000_u64), 1..20)) {
        let rows = counts.iter().enumerate().flat_map(|(n, (shard, lower, a, b))| {
            let country = if *lower { "de" } else { "DE" };
            let pk = format!("STATS#web#prod#SHARD#{shard}");
            let attributes = |more: (&str, Value)| {
                let mut attributes = json!({ "valueACount": a, "valueBCount": b });
                attributes[more.0] = more.1;
                attributes
            };
            let mut total = attributes(("totalEvaluations", json!(a + b)));
            total["lastEvaluatedAt"] = Timestamp::from_ms(i64::try_from(n).unwrap()).to_string().into();
            [
                row(&pk, "STATS#FLAG#dark", total),
                row(&pk, "STATS#FLAG#dark#DATE#2026-01-01", attributes(("date", json!("2026-01-01")))),
                row(&pk, &format!("STATS#FLAG#dark#COUNTRY#{country}"), attributes(("country", json!(country)))),
            ]
        });
        let (records, findings) = counted(Tier::Flag, "dark", rows.collect());
        prop_assert_eq!(told(&findings), [""; 0]);
        let (a, b) = counts.iter().fold((0, 0), |(sum_a, sum_b), (_, _, a, b)| (sum_a + a, sum_b + b));
        let (environment, key) = (ENVIRONMENT, "dark".parse::<togglebox_toggles::FlagKey>().unwrap());
        let last_at = Timestamp::from_ms(i64::try_from(counts.len() - 1).unwrap());
        prop_assert_eq!(records, [
            Record::from(crate::transfer::record::FlagStatistics { environment, key: key.clone(), served_a: a, served_b: b, last_at }),
            crate::transfer::record::FlagDay { environment, key: key.clone(), day: "2026-01-01".to_owned(), served_a: a, served_b: b }.into(),
            crate::transfer::record::FlagCountry { environment, key, country: "DE".to_owned(), served_a: a, served_b: b }.into(),
        ]);
    }
}
