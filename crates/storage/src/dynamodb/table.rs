//! The table itself: its keys and its index, how it is made, and whether one that is there will do.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{BuildError, ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, PointInTimeRecoverySpecification,
    PointInTimeRecoveryStatus, Projection, ProjectionType, ProvisionedThroughput, ScalarAttributeType, TableDescription,
    TableStatus, TimeToLiveSpecification, TimeToLiveStatus,
};
use tokio::time::{Instant, sleep};

use super::DynamoDbOptions;
use super::key::{PK, SK};
use super::store::{BoxError, OpenError, client};

/// The attribute that holds when DynamoDB may delete an item by itself, in seconds since 1970. Housekeeping only: whoever reads an
/// item checks the time itself.
pub(super) const EXPIRES_AT: &str = "expires_at";

/// The index of what was deleted and is still to be swept away: sparse, since only such items have its keys.
pub(super) const GONE: Index = Index { name: "gone", partition: "gone", sort: "gone_at", sort_type: ScalarAttributeType::N };

/// Every index of the table.
const INDEXES: &[Index] = &[GONE];

/// A global secondary index. All attributes are projected.
#[derive(Clone, Debug)]
pub(super) struct Index {
    pub(super) name: &'static str,
    pub(super) partition: &'static str,
    pub(super) sort: &'static str,
    sort_type: ScalarAttributeType,
}

/// How a table pays for what it is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Billing {
    /// By request: nothing to plan, nothing to pay while nothing happens.
    #[default]
    OnDemand,
    /// By the hour, for so many units a second. To let the figures follow the load, register the table with Application Auto Scaling.
    Provisioned {
        /// Units of reading.
        read: u32,
        /// Units of writing.
        write: u32,
    },
}

/// How a table is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableOptions {
    billing: Billing,
    point_in_time_recovery: bool,
    tolerant: bool,
    patience: Duration,
}

impl Default for TableOptions {
    fn default() -> Self {
        Self { billing: Billing::OnDemand, point_in_time_recovery: true, tolerant: false, patience: Duration::from_mins(3) }
    }
}

impl TableOptions {
    /// How the table pays.
    #[must_use]
    pub const fn with_billing(mut self, billing: Billing) -> Self {
        self.billing = billing;
        self
    }

    /// Whether the table can be restored to any second of the last 35 days. It can, unless this says otherwise.
    #[must_use]
    pub const fn with_point_in_time_recovery(mut self, wanted: bool) -> Self {
        self.point_in_time_recovery = wanted;
        self
    }

    /// Whether a server that knows nothing of recovery or expiry will do. Meant for emulators; what is missing is told.
    #[must_use]
    pub const fn tolerant(mut self, tolerant: bool) -> Self {
        self.tolerant = tolerant;
        self
    }

    /// How long to wait until the table can be used.
    #[must_use]
    pub const fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }
}

/// What came of making a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableReport {
    /// Whether it was made now; otherwise it was there already, with the right keys.
    pub created: bool,
    /// What the server could not do, where [`TableOptions::tolerant`] allows it.
    pub missing: Vec<&'static str>,
}

/// Makes the table with its index, expiry and recovery, and waits until it can be used. Of a table that is there it checks the keys,
/// and switches on what is off; how it pays is left as it is.
///
/// # Errors
/// [`OpenError`]. It may be called again: it goes on where it stopped.
pub async fn create_table(options: &DynamoDbOptions, table: &TableOptions) -> Result<TableReport, OpenError> {
    let name = options.table();
    let client = client(options).await?;
    let deadline = Instant::now() + table.patience;
    let created = match description(&client, name).await {
        Err(OpenError::NoTable { .. }) => {
            create(&client, name, table.billing).await?;
            true
        }
        outcome => outcome.map(|_| false)?,
    };
    let description = active(&client, name, deadline).await?;
    check(name, &description)?;
    let mut report = TableReport { created, missing: Vec::new() };
    tolerate(table, &mut report, "time to live", expire(&client, name).await)?;
    if table.point_in_time_recovery {
        tolerate(table, &mut report, "point-in-time recovery", recover(&client, name, deadline).await)?;
    }
    Ok(report)
}

fn tolerate(
    table: &TableOptions,
    report: &mut TableReport,
    what: &'static str,
    outcome: Result<(), BoxError>,
) -> Result<(), OpenError> {
    match outcome {
        Err(_) if table.tolerant => report.missing.push(what),
        Err(source) => return Err(OpenError::Incomplete { what, source }),
        Ok(()) => {}
    }
    Ok(())
}

async fn create(client: &Client, name: &str, billing: Billing) -> Result<(), OpenError> {
    let throughput = match billing {
        Billing::OnDemand => None,
        Billing::Provisioned { read, write } => Some((read, write)),
    };
    let request = (|| {
        let throughput = throughput.map(|(read, write)| {
            let units = ProvisionedThroughput::builder().read_capacity_units(read.into());
            units.write_capacity_units(write.into()).build()
        });
        let throughput = throughput.transpose()?;
        let mode = if throughput.is_some() { BillingMode::Provisioned } else { BillingMode::PayPerRequest };
        let mut request =
            client.create_table().table_name(name).billing_mode(mode).set_provisioned_throughput(throughput.clone());
        request = request.set_key_schema(Some(keys(PK, SK)?));
        for (name, kind) in attributes() {
            let attribute = AttributeDefinition::builder().attribute_name(name).attribute_type(kind).build()?;
            request = request.attribute_definitions(attribute);
        }
        for index in INDEXES {
            let all = Projection::builder().projection_type(ProjectionType::All).build();
            let index = GlobalSecondaryIndex::builder()
                .index_name(index.name)
                .set_key_schema(Some(keys(index.partition, index.sort)?))
                .projection(all)
                .set_provisioned_throughput(throughput.clone());
            request = request.global_secondary_indexes(index.build()?);
        }
        Ok::<_, BuildError>(request)
    })();
    let request = request.map_err(|source| OpenError::Refused(source.into()))?;
    match request.send().await {
        Ok(_) => Ok(()),
        // Another program is about the same: the table will be there.
        Err(error) if error.code() == Some("ResourceInUseException") => Ok(()),
        Err(error) => Err(refused(error)),
    }
}

fn keys(partition: &str, sort: &str) -> Result<Vec<KeySchemaElement>, BuildError> {
    let key = |name: &str, kind| KeySchemaElement::builder().attribute_name(name).key_type(kind).build();
    Ok(vec![key(partition, KeyType::Hash)?, key(sort, KeyType::Range)?])
}

/// Every attribute that is part of a key, with its type.
fn attributes() -> Vec<(&'static str, ScalarAttributeType)> {
    let mut attributes = vec![(PK, ScalarAttributeType::S), (SK, ScalarAttributeType::S)];
    for index in INDEXES {
        attributes.push((index.partition, ScalarAttributeType::S));
        attributes.push((index.sort, index.sort_type.clone()));
    }
    attributes
}

/// What the service says of a table.
pub(super) async fn description(client: &Client, name: &str) -> Result<TableDescription, OpenError> {
    let no_table = || OpenError::NoTable { table: name.to_owned() };
    match client.describe_table().table_name(name).send().await {
        Ok(output) => output.table.ok_or_else(no_table),
        Err(error) if error.code() == Some("ResourceNotFoundException") => Err(no_table()),
        Err(error) => Err(refused(error)),
    }
}

/// Waits until the table and its indexes can be used.
async fn active(client: &Client, name: &str, deadline: Instant) -> Result<TableDescription, OpenError> {
    const PAUSE: Duration = Duration::from_secs(1);
    loop {
        match description(client, name).await {
            Ok(table) if is_active(&table) => return Ok(table),
            // The service may not have heard of its own table yet.
            Ok(_) | Err(OpenError::NoTable { .. }) => {}
            Err(error) => return Err(error),
        }
        if Instant::now() + PAUSE >= deadline {
            return Err(OpenError::NotActive { table: name.to_owned() });
        }
        sleep(PAUSE).await;
    }
}

/// While an index or a setting changes, the table is `UPDATING` and works.
pub(super) fn is_active(table: &TableDescription) -> bool {
    matches!(table.table_status(), Some(TableStatus::Active | TableStatus::Updating))
}

/// Whether the keys of a table are ours.
pub(super) fn check(name: &str, table: &TableDescription) -> Result<(), OpenError> {
    let wrong = |what: String| OpenError::WrongKeys { table: name.to_owned(), what };
    let types = table.attribute_definitions();
    let typed = |attribute: &str, kind: &ScalarAttributeType| {
        types.iter().any(|known| known.attribute_name() == attribute && known.attribute_type() == kind)
    };
    let fits = |schema: &[KeySchemaElement], partition: &str, sort: &str| {
        let named = |kind: &KeyType| schema.iter().find(|key| key.key_type() == kind).map(KeySchemaElement::attribute_name);
        named(&KeyType::Hash) == Some(partition) && named(&KeyType::Range) == Some(sort)
    };
    if !fits(table.key_schema(), PK, SK) || !typed(PK, &ScalarAttributeType::S) || !typed(SK, &ScalarAttributeType::S) {
        return Err(wrong(format!("its keys must be {PK} and {SK}, both of type S")));
    }
    for wanted in INDEXES {
        let found = table.global_secondary_indexes().iter().find(|index| index.index_name() == Some(wanted.name));
        let found = found.ok_or_else(|| wrong(format!("it has no index {}", wanted.name)))?;
        if !fits(found.key_schema(), wanted.partition, wanted.sort) || !typed(wanted.sort, &wanted.sort_type) {
            return Err(wrong(format!("the keys of its index {} must be {} and {}", wanted.name, wanted.partition, wanted.sort)));
        }
    }
    Ok(())
}

async fn expire(client: &Client, name: &str) -> Result<(), BoxError> {
    let known = client.describe_time_to_live().table_name(name).send().await?;
    let status = known.time_to_live_description().and_then(|known| known.time_to_live_status());
    if matches!(status, Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling)) {
        return Ok(());
    }
    let specification = TimeToLiveSpecification::builder().enabled(true).attribute_name(EXPIRES_AT).build()?;
    client.update_time_to_live().table_name(name).time_to_live_specification(specification).send().await?;
    Ok(())
}

async fn recover(client: &Client, name: &str, deadline: Instant) -> Result<(), BoxError> {
    const PAUSE: Duration = Duration::from_secs(2);
    loop {
        let known = client.describe_continuous_backups().table_name(name).send().await?;
        let known = known.continuous_backups_description().and_then(|known| known.point_in_time_recovery_description());
        if known.and_then(|known| known.point_in_time_recovery_status()) == Some(&PointInTimeRecoveryStatus::Enabled) {
            return Ok(());
        }
        let specification = PointInTimeRecoverySpecification::builder().point_in_time_recovery_enabled(true).build()?;
        let update = client.update_continuous_backups().table_name(name).point_in_time_recovery_specification(specification);
        match update.send().await {
            Ok(_) => return Ok(()),
            // A new table's backups are switched on by the service first.
            Err(error) if error.code() == Some("ContinuousBackupsUnavailableException") && Instant::now() + PAUSE < deadline => {
                sleep(PAUSE).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

fn refused<E, R>(error: SdkError<E, R>) -> OpenError
where
    E: std::error::Error + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    OpenError::Refused(error.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(sort: &str, index: bool) -> TableDescription {
        let mut table = TableDescription::builder().set_key_schema(Some(keys(PK, sort).unwrap()));
        for (name, kind) in attributes() {
            let attribute = AttributeDefinition::builder().attribute_name(name).attribute_type(kind).build().unwrap();
            table = table.attribute_definitions(attribute);
        }
        for known in INDEXES.iter().filter(|_| index) {
            let keys = keys(known.partition, known.sort).unwrap();
            let known = aws_sdk_dynamodb::types::GlobalSecondaryIndexDescription::builder().index_name(known.name);
            table = table.global_secondary_indexes(known.set_key_schema(Some(keys)).build());
        }
        table.build()
    }

    #[test]
    fn a_table_of_another_program_is_refused() {
        assert!(check("t", &table(SK, true)).is_ok());
        let error = check("t", &table("sk", true)).unwrap_err();
        assert_eq!(error.to_string(), "the table t is not one of ToggleBox: its keys must be PK and SK, both of type S");
        let error = check("t", &table(SK, false)).unwrap_err();
        assert_eq!(error.to_string(), "the table t is not one of ToggleBox: it has no index gone");
    }
}
