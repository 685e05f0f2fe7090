//! Making and opening tables.

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType, TimeToLiveStatus,
};
use togglebox_storage::DynamoDb;
use togglebox_storage::dynamodb::{Billing, OpenError, TableOptions, create_table};

use super::on_every_server;
use super::server::Server;

on_every_server! {
    a_table_is_made_once
    what_is_no_table_of_ours_is_not_opened
    a_table_may_pay_by_the_hour
}

async fn a_table_is_made_once(server: Server) {
    let (options, table) = (server.options(), TableOptions::default().tolerant(true));
    let (one, two) = tokio::join!(create_table(&options, &table), create_table(&options, &table));
    let (one, two) = (one.unwrap(), two.unwrap());
    assert!(one.created || two.created);
    let again = create_table(&options, &table).await.unwrap();
    assert!(!again.created);
    DynamoDb::open(&options).await.unwrap();
    let ttl = server.client().describe_time_to_live().table_name(options.table()).send().await.unwrap();
    let ttl = ttl.time_to_live_description.unwrap();
    assert_eq!(ttl.attribute_name(), Some("expires_at"));
    assert_eq!(ttl.time_to_live_status(), Some(&TimeToLiveStatus::Enabled));
}

async fn what_is_no_table_of_ours_is_not_opened(server: Server) {
    let options = server.options();
    let error = DynamoDb::open(&options).await.unwrap_err();
    assert!(matches!(&error, OpenError::NoTable { table } if table == options.table()), "{error}");

    let key = KeySchemaElement::builder().attribute_name("id").key_type(KeyType::Hash).build().unwrap();
    let attribute = AttributeDefinition::builder().attribute_name("id").attribute_type(ScalarAttributeType::S).build().unwrap();
    let make = server.client().create_table().table_name(options.table()).billing_mode(BillingMode::PayPerRequest);
    make.key_schema(key).attribute_definitions(attribute).send().await.unwrap();
    for outcome in
        [DynamoDb::open(&options).await.map(|_| ()), create_table(&options, &TableOptions::default()).await.map(|_| ())]
    {
        let error = outcome.unwrap_err();
        assert!(matches!(&error, OpenError::WrongKeys { .. }), "{error}");
    }
}

async fn a_table_may_pay_by_the_hour(server: Server) {
    let (options, billing) = (server.options(), Billing::Provisioned { read: 7, write: 3 });
    create_table(&options, &TableOptions::default().with_billing(billing).tolerant(true)).await.unwrap();
    let table = server.client().describe_table().table_name(options.table()).send().await.unwrap().table.unwrap();
    let units = table.provisioned_throughput.unwrap();
    assert_eq!((units.read_capacity_units(), units.write_capacity_units()), (Some(7), Some(3)));
    DynamoDb::open(&options).await.unwrap();
}
