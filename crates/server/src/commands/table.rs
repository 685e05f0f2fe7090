//! Makes the table of DynamoDB.

use anyhow::{Context as _, bail};
use togglebox_storage::dynamodb::{Billing, TableOptions, create_table};

use crate::settings::{DatabaseSettings, Settings};
use crate::stores::dynamodb_options;

/// What a table is to be like besides its keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableRequest {
    /// Units of reading and writing a second, paid by the hour; without them each request is paid for.
    pub provisioned: Option<(u32, u32)>,
    /// Whether the table can be restored to any second of the last 35 days.
    pub recovery: bool,
}

/// Makes the table that the settings name, or checks and completes the one that is there.
///
/// # Errors
/// The settings name no table, it cannot be reached, or what is there is another kind of table.
pub async fn create(settings: &Settings, request: &TableRequest) -> anyhow::Result<String> {
    let DatabaseSettings::DynamoDb(database) = &settings.database else {
        bail!("there is no table to make: DB_TYPE is not dynamodb");
    };
    let billing = request.provisioned.map_or(Billing::OnDemand, |(read, write)| Billing::Provisioned { read, write });
    // Another server than Amazon's need not know of everything, and says so.
    let options = TableOptions::default()
        .with_billing(billing)
        .with_point_in_time_recovery(request.recovery)
        .tolerant(database.endpoint.is_some());
    let report = create_table(&dynamodb_options(database), &options).await;
    let report = report.with_context(|| format!("cannot make the {}", settings.database))?;
    let made = if report.created { "is made" } else { "was there already, and has the right keys" };
    let mut text = format!("The {} {made}.\n", settings.database);
    for missing in report.missing {
        text.push_str("This server does not know ");
        text.push_str(missing);
        text.push_str(".\n");
    }
    Ok(text)
}
