//! The infrastructure code of `docs/deploy` describes the table that the program makes. (`cargo xtask deploy-check` compares template
//! and module with each other.)

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::str::FromStr;

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection, ProjectionType,
    ScalarAttributeType,
};
use serde_json::Value;
use togglebox_storage::DynamoDb;
use togglebox_storage::dynamodb::{TableOptions, create_table};

use super::on_every_server;
use super::server::Server;

on_every_server! {
    the_template_describes_the_table_that_is_made
    a_table_of_the_template_will_do
}

/// Names with the kinds or types that they go with.
type Named = BTreeMap<String, String>;

/// What must be the same of a table, however it was made.
#[derive(Debug, Default, PartialEq, Eq)]
struct Shape {
    attributes: Named,
    keys: Named,
    /// Keys and projection of each index.
    indexes: BTreeMap<String, (Named, String)>,
    expiry: String,
}

async fn the_template_describes_the_table_that_is_made(server: Server) {
    let options = server.made().await;
    assert_eq!(described(&template()), shape(server, options.table()).await);
}

async fn a_table_of_the_template_will_do(server: Server) {
    let (table, options) = (template(), server.options());
    let mut make = server.client().create_table().table_name(options.table()).billing_mode(BillingMode::PayPerRequest);
    for (name, kind) in pairs(&table["AttributeDefinitions"], "AttributeName", "AttributeType") {
        let kind = ScalarAttributeType::from_str(&kind).unwrap();
        make =
            make.attribute_definitions(AttributeDefinition::builder().attribute_name(name).attribute_type(kind).build().unwrap());
    }
    make = make.set_key_schema(Some(keys(&table)));
    for index in table["GlobalSecondaryIndexes"].as_array().unwrap() {
        let projection = ProjectionType::from(text(&index["Projection"]["ProjectionType"]).as_str());
        let projection = Projection::builder().projection_type(projection).build();
        let index = GlobalSecondaryIndex::builder().index_name(text(&index["IndexName"])).set_key_schema(Some(keys(index)));
        make = make.global_secondary_indexes(index.projection(projection).build().unwrap());
    }
    make.send().await.unwrap();

    DynamoDb::open(&options).await.unwrap();
    let report = create_table(&options, &TableOptions::default().tolerant(true)).await.unwrap();
    assert!(!report.created, "the program took the table for none of its own");
    assert_eq!(described(&table), shape(server, options.table()).await);
}

/// The properties of the table in the template.
fn template() -> Value {
    let template: Value = serde_json::from_str(include_str!("../../../../../docs/deploy/cloudformation.json")).unwrap();
    template["Resources"]["Table"]["Properties"].clone()
}

fn described(table: &Value) -> Shape {
    let indexes = table["GlobalSecondaryIndexes"].as_array().unwrap().iter().map(|index| {
        let keys = pairs(&index["KeySchema"], "AttributeName", "KeyType");
        (text(&index["IndexName"]), (keys, text(&index["Projection"]["ProjectionType"])))
    });
    assert_eq!(table["TimeToLiveSpecification"]["Enabled"], true);
    Shape {
        attributes: pairs(&table["AttributeDefinitions"], "AttributeName", "AttributeType"),
        keys: pairs(&table["KeySchema"], "AttributeName", "KeyType"),
        indexes: indexes.collect(),
        expiry: text(&table["TimeToLiveSpecification"]["AttributeName"]),
    }
}

/// What the server says of a table.
async fn shape(server: Server, name: &str) -> Shape {
    let client = server.client();
    let table = client.describe_table().table_name(name).send().await.unwrap().table.unwrap();
    let expiry = client.describe_time_to_live().table_name(name).send().await.unwrap().time_to_live_description.unwrap();
    let keys = |schema: &[KeySchemaElement]| -> Named {
        schema.iter().map(|key| (key.attribute_name().to_owned(), key.key_type().to_string())).collect()
    };
    let attributes = table.attribute_definitions().iter();
    let indexes = table.global_secondary_indexes().iter().map(|index| {
        let projection = index.projection().and_then(Projection::projection_type).unwrap().to_string();
        (index.index_name().unwrap().to_owned(), (keys(index.key_schema()), projection))
    });
    Shape {
        attributes: attributes.map(|known| (known.attribute_name().to_owned(), known.attribute_type().to_string())).collect(),
        keys: keys(table.key_schema()),
        indexes: indexes.collect(),
        expiry: expiry.attribute_name().unwrap().to_owned(),
    }
}

fn keys(of: &Value) -> Vec<KeySchemaElement> {
    let mut keys: Vec<_> = pairs(&of["KeySchema"], "AttributeName", "KeyType")
        .into_iter()
        .map(|(name, kind)| {
            KeySchemaElement::builder().attribute_name(name).key_type(KeyType::from(kind.as_str())).build().unwrap()
        })
        .collect();
    // The service wants the partition key first.
    keys.sort_by_key(|key| key.key_type() != &KeyType::Hash);
    keys
}

fn pairs(list: &Value, name: &str, kind: &str) -> Named {
    list.as_array().unwrap().iter().map(|entry| (text(&entry[name]), text(&entry[kind]))).collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("not a text: {value}")).to_owned()
}

/// No server for tests refuses a call for want of leave, so the calls themselves are looked up in the source.
#[test]
fn nodes_may_do_what_the_program_calls_and_no_more() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/dynamodb");
    let (mut of_nodes, mut of_making, mut of_cloud) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "rs") {
            let calls = if path.ends_with("table.rs") {
                &mut of_making
            } else if path.ends_with("remains.rs") {
                &mut of_cloud
            } else {
                &mut of_nodes
            };
            calls.extend(calls_in(&std::fs::read_to_string(&path).unwrap()));
        }
    }
    assert!(of_nodes.contains("query") && of_making.contains("create_table"), "the calls were not found");

    // A node looks at the table before it opens it; a transaction needs leave for each of its kinds of actions.
    let transaction = ["ConditionCheckItem", "DeleteItem", "PutItem", "UpdateItem"].map(str::to_owned);
    let mut expected: BTreeSet<_> =
        of_nodes.iter().filter(|call| *call != "transact_write_items").map(|call| camel(call)).chain(transaction).collect();
    expected.insert("DescribeTable".to_owned());
    assert_eq!(allowed(include_str!("../../../../../docs/deploy/iam/node.json")), expected);

    // What the open-source program never does.
    assert!(of_cloud.is_disjoint(&of_nodes));
    let expected = of_cloud.iter().map(|call| camel(call)).collect();
    assert_eq!(allowed(include_str!("../../../../../docs/deploy/iam/cloud.json")), expected);

    let expected = of_making.iter().map(|call| camel(call)).collect();
    assert_eq!(allowed(include_str!("../../../../../docs/deploy/iam/table-create.json")), expected);
}

/// What is called on the driver's client.
fn calls_in(source: &str) -> BTreeSet<String> {
    let source: String = source.split_whitespace().collect();
    let calls = source.split("client.").skip(1).filter_map(|rest| rest.split_once("()"));
    let is_name = |call: &str| call.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    calls.map(|(call, _)| call.to_owned()).filter(|call| is_name(call)).collect()
}

/// The actions of DynamoDB that a policy allows.
fn allowed(policy: &str) -> BTreeSet<String> {
    let policy: Value = serde_json::from_str(policy).unwrap();
    let statements = policy["Statement"].as_array().unwrap().iter();
    let actions = statements.flat_map(|statement| statement["Action"].as_array().unwrap());
    actions.map(|action| text(action).strip_prefix("dynamodb:").unwrap().to_owned()).collect()
}

/// `get_item` as policies write it: `GetItem`.
fn camel(call: &str) -> String {
    call.split('_').map(|word| word[..1].to_ascii_uppercase() + &word[1..]).collect()
}
