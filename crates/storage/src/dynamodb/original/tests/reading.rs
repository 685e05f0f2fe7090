//! How tables are read, over answers written down.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::super::groups::Groups;
use super::super::pages::Pages;
use super::super::row::Row;
use super::super::{Original, OriginalTable, OriginalTables, ReadError};
use crate::dynamodb::tests::{asked, client_answering, ok, refusal};
use crate::transfer::{Kind, Record};

fn item(pk: &str, sk: &str) -> Value {
    json!({ "PK": { "S": pk }, "SK": { "S": sk } })
}

/// A page of a partition, and whether more follow.
fn page(pk: &str, keys: &[&str], more: bool) -> (u16, Value) {
    let items: Vec<Value> = keys.iter().map(|sk| item(pk, sk)).collect();
    let mut page = json!({ "Items": items, "Count": items.len() });
    if more {
        page["LastEvaluatedKey"] = items[items.len() - 1].clone();
    }
    ok(page)
}

fn first_letter(row: &Row) -> Option<&str> {
    row.sk.get(..1).filter(|letter| *letter != "?")
}

async fn all(mut groups: Groups) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    loop {
        let group = groups.next(first_letter).await.unwrap();
        if group.is_empty() {
            return found;
        }
        found.push(group.into_iter().map(|row| row.sk).collect());
    }
}

#[tokio::test]
async fn what_belongs_together_is_found_across_pages_and_partitions() {
    let (client, replay) = client_answering([
        page("p0", &["a1", "b2"], true),
        page("p1", &["b1", "c1"], false),
        // Of what is refused after it was filtered, a page may hold nothing.
        ok(json!({ "Items": [], "Count": 0, "LastEvaluatedKey": item("p0", "b2") })),
        page("p0", &["b3", "?x", "?y"], false),
    ]);
    let pages = ["p0", "p1"].map(|key| Pages::partition(client.clone(), "t".to_owned(), key.to_owned(), "S"));
    let groups = all(Groups::of(pages)).await;
    // A row that is about nothing stands alone; those here come as the server told them.
    assert_eq!(groups, [&["a1"][..], &["b1", "b2", "b3"], &["?x"], &["?y"], &["c1"]]);
    let asked = asked(&replay);
    assert!(asked.iter().all(|(operation, body)| operation == "Query" && body["ConsistentRead"] == true));
    assert_eq!(asked[2].1["ExclusiveStartKey"], item("p0", "b2"));
    assert_eq!(asked[0].1["ExpressionAttributeValues"], json!({ ":p": { "S": "p0" }, ":s": { "S": "S" } }));
}

#[tokio::test(start_paused = true)]
async fn a_table_that_is_short_of_units_is_waited_for() {
    let throttled = || refusal(400, "ProvisionedThroughputExceededException");
    let (client, replay) = client_answering([throttled(), throttled(), page("p", &["a"], false)]);
    let mut pages = Pages::whole(client, "t".to_owned());
    assert_eq!(pages.next().await.unwrap().map(|rows| rows.len()), Some(1));
    assert!(pages.next().await.unwrap().is_none());
    assert_eq!(asked(&replay).len(), 3);
    let (client, _) = client_answering([refusal(400, "AccessDeniedException")]);
    assert!(Pages::whole(client, "t".to_owned()).next().await.is_err());
}

const PLACE: &str = "PLATFORM#web#ENV#prod";

fn flag(name: &str) -> Value {
    let text = |text: &str| json!({ "S": text });
    json!({
        "PK": text(PLACE), "SK": text("FLAG#dark#V#1.0.0"), "GSI1PK": text(PLACE), "name": text(name),
        "createdAt": text(super::AT), "updatedAt": text(super::AT),
    })
}

/// The answers to a look at one environment with one flag, and to the two looks that tell of it.
fn looks(later_names: [&str; 2]) -> Vec<(u16, Value)> {
    let items = |items: &[Value]| ok(json!({ "Items": items, "Count": items.len() }));
    let at = json!({ "S": super::AT });
    let platform =
        json!({ "PK": { "S": "PLATFORM#web" }, "id": { "S": "94394835-f73d-4117-81aa-8dce8be847a4" }, "createdAt": at });
    let environment = json!({ "PK": { "S": "PLATFORM#web" }, "SK": { "S": "ENV#prod" }, "createdAt": at });
    let [head, versions] = later_names.map(|name| items(&[flag(name)]));
    vec![items(&[platform]), items(&[environment]), items(&[item(PLACE, "")]), items(&[flag("Dark")]), head, versions]
}

async fn told(answers: Vec<(u16, Value)>) -> Result<Vec<Record>, ReadError> {
    let (client, _) = client_answering(answers);
    let there = [OriginalTable::Platforms, OriginalTable::Environments, OriginalTable::Flags];
    let missing: BTreeSet<OriginalTable> = OriginalTable::ALL.into_iter().filter(|table| !there.contains(table)).collect();
    let original = Original { client, tables: OriginalTables::default(), missing };
    let mut findings = Vec::new();
    let survey = original.survey(&mut |finding| findings.push(finding)).await.unwrap();
    assert_eq!((findings.len(), survey.losses()), (5, 5), "the tables that are not there: {findings:?}");
    let mut records = Vec::new();
    original
        .records(&survey, &mut |record| {
            records.push(record);
            Ok(())
        })
        .await?;
    Ok(records)
}

#[tokio::test]
async fn records_come_in_the_order_of_their_kinds_with_revisions_that_fit() {
    let records = told(looks(["Dark", "Dark"])).await.unwrap();
    let kinds: Vec<Kind> = records.iter().map(Record::kind).collect();
    assert_eq!(kinds, [Kind::Tenant, Kind::Platform, Kind::Environment, Kind::Flag, Kind::FlagVersion]);
    super::check(&records);
    let [
        Record::Tenant(tenant),
        Record::Platform(platform),
        Record::Environment(environment),
        Record::Flag(flag),
        Record::FlagVersion(version),
    ] = &records[..]
    else {
        panic!("{records:?}")
    };
    assert!(platform.revision < environment.revision && environment.revision == tenant.directory);
    assert!(version.revision <= environment.contents_revision);
    assert_eq!((flag.environment, version.environment), (environment.id, environment.id));
    assert_eq!(environment.changed_at.to_string(), super::AT);
}

#[tokio::test]
async fn tables_that_change_between_the_looks_are_told() {
    for names in [["Darker", "Dark"], ["Dark", "Darker"]] {
        let error = told(looks(names)).await.unwrap_err();
        assert!(matches!(error, ReadError::Changed(OriginalTable::Flags)), "{error}");
    }
}
