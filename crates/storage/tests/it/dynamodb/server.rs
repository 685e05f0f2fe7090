//! A table per test, on a server that speaks DynamoDB's protocol.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Config, Credentials, Region};
use aws_sdk_dynamodb::types::TimeToLiveSpecification;
use togglebox_auth::testkit::AuthStores;
use togglebox_core::{EntropyExt, OsEntropy};
use togglebox_storage::dynamodb::{DynamoDb, DynamoDbOptions, TableOptions, create_table};
use togglebox_toggles::testkit::ToggleStores;

use crate::told::variable;

/// A server that tests may find in the environment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Server {
    variable: &'static str,
}

pub(crate) const DYNOXIDE: Server = Server { variable: "TOGGLEBOX_TEST_DYNAMODB" };
pub(crate) const MINISTACK: Server = Server { variable: "TOGGLEBOX_TEST_MINISTACK" };

impl Server {
    /// Whether there is such a server. Where `CI` is set there must be one.
    pub(crate) fn is_there(self) -> bool {
        self.endpoint().is_some()
    }

    fn endpoint(self) -> Option<String> {
        variable(self.variable)
    }

    /// How a table of its own is reached; nobody has made it yet.
    pub(crate) fn options(self) -> DynamoDbOptions {
        // One of the servers does one thing after the other, and all tests share it: where the machine is busy it lets one wait.
        const PATIENT: Duration = Duration::from_secs(30);
        let endpoint = self.endpoint().unwrap();
        let options = DynamoDbOptions::new(format!("test-{}", OsEntropy.hex::<8>())).with_endpoint(endpoint);
        options.with_credentials("test", "test").with_attempt_timeout(PATIENT).with_patience(PATIENT)
    }

    /// How a new table is reached, which is as the program makes it.
    pub(crate) async fn made(self) -> DynamoDbOptions {
        let options = self.options();
        let report = create_table(&options, &TableOptions::default().tolerant(true)).await.unwrap();
        assert!(report.created);
        options
    }

    /// A handle on a new table that nothing expires from, and how to get another: the times of tests are of a day that is long over, and a
    /// server that removes what has expired would make them depend on the real clock.
    pub(crate) async fn table(self) -> (DynamoDb, DynamoDbOptions) {
        let options = self.made().await;
        let off = TimeToLiveSpecification::builder().enabled(false).attribute_name("expires_at").build().unwrap();
        let request = self.client().update_time_to_live().table_name(options.table()).time_to_live_specification(off);
        request.send().await.unwrap();
        (DynamoDb::open(&options).await.unwrap(), options)
    }

    /// The ports of accounts over a new table.
    pub(crate) async fn accounts(self) -> AuthStores {
        AuthStores::over(&Arc::new(self.table().await.0))
    }

    /// A client of the same server, for looking behind the store.
    pub(crate) fn client(self) -> Client {
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .endpoint_url(self.endpoint().unwrap())
            .credentials_provider(Credentials::new("test", "test", None, None, "test"));
        Client::from_conf(config.build())
    }

    /// How many items a table holds, those of the audit log left out.
    pub(crate) async fn count(self, table: &str) -> usize {
        self.count_where(table, |pk| !pk.contains("#AUDIT")).await
    }

    /// How many items a table holds.
    pub(crate) async fn count_all(self, table: &str) -> usize {
        self.count_where(table, |_| true).await
    }

    /// Removes every item of a small table.
    pub(crate) async fn empty(self, table: &str) {
        let client = self.client();
        for mut item in client.scan().table_name(table).consistent_read(true).send().await.unwrap().items.unwrap() {
            item.retain(|name, _| name == "PK" || name == "SK");
            client.delete_item().table_name(table).set_key(Some(item)).send().await.unwrap();
        }
    }

    async fn count_where(self, table: &str, counts: impl Fn(&str) -> bool) -> usize {
        let (client, mut start, mut count) = (self.client(), None, 0);
        loop {
            let scan = client.scan().table_name(table).consistent_read(true).set_exclusive_start_key(start);
            let page = scan.send().await.unwrap();
            count += page.items().iter().filter(|item| counts(item["PK"].as_s().unwrap())).count();
            start = page.last_evaluated_key;
            if start.is_none() {
                return count;
            }
        }
    }

    /// The ports over a new table.
    pub(crate) async fn stores(self) -> ToggleStores {
        toggle_stores(&self.table().await.0)
    }
}

/// The ports of `store`.
pub(crate) fn toggle_stores(store: &DynamoDb) -> ToggleStores {
    ToggleStores::over(&Arc::new(store.clone()))
}
