//! How a table is reached.

use std::fmt;
use std::time::Duration;

/// How a table is reached. What is not set is looked up where the AWS SDK looks: environment variables, the shared configuration
/// files, the roles of containers and machines.
#[derive(Clone, PartialEq, Eq)]
pub struct DynamoDbOptions {
    table: String,
    region: Option<String>,
    endpoint: Option<String>,
    credentials: Option<(String, String)>,
    patience: Duration,
    attempt_timeout: Duration,
}

impl DynamoDbOptions {
    /// The table called `table`.
    pub fn new(table: impl Into<String>) -> Self {
        Self {
            table: table.into(),
            region: None,
            endpoint: None,
            credentials: None,
            patience: Duration::from_secs(5),
            attempt_timeout: Duration::from_secs(2),
        }
    }

    /// The region, as `eu-central-1`.
    #[must_use]
    pub fn with_region(mut self, region: impl Into<String>) -> Self {
        self.region = Some(region.into());
        self
    }

    /// Another address than the region's own: `https://host` or `http://host:port`, for VPC endpoints and servers that speak the
    /// protocol. A region is then not needed.
    #[must_use]
    pub fn with_endpoint(mut self, endpoint: impl Into<String>) -> Self {
        self.endpoint = Some(endpoint.into());
        self
    }

    /// A fixed access key. In production leave it out: the SDK finds keys that expire and renews them.
    #[must_use]
    pub fn with_credentials(mut self, access_key_id: impl Into<String>, secret_access_key: impl Into<String>) -> Self {
        self.credentials = Some((access_key_id.into(), secret_access_key.into()));
        self
    }

    /// How long one port call tries, repetitions and waits included, before it answers `Unavailable`.
    #[must_use]
    pub const fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// How long a single request may take.
    #[must_use]
    pub const fn with_attempt_timeout(mut self, timeout: Duration) -> Self {
        self.attempt_timeout = timeout;
        self
    }

    /// The table's name.
    pub fn table(&self) -> &str {
        &self.table
    }

    pub(super) fn region(&self) -> Option<&str> {
        self.region.as_deref()
    }

    pub(super) fn endpoint(&self) -> Option<&str> {
        self.endpoint.as_deref()
    }

    pub(super) fn credentials(&self) -> Option<(&str, &str)> {
        self.credentials.as_ref().map(|(id, secret)| (id.as_str(), secret.as_str()))
    }

    pub(super) const fn patience(&self) -> Duration {
        self.patience
    }

    pub(super) const fn attempt_timeout(&self) -> Duration {
        self.attempt_timeout
    }
}

impl fmt::Debug for DynamoDbOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynamoDbOptions")
            .field("table", &self.table)
            .field("region", &self.region)
            .field("endpoint", &self.endpoint)
            .field("patience", &self.patience)
            .field("attempt_timeout", &self.attempt_timeout)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_shown() {
        let options = DynamoDbOptions::new("togglebox").with_credentials("id-1", "hunter2");
        assert!(!format!("{options:?}").contains("hunter2"));
        assert!(!format!("{options:?}").contains("id-1"));
    }
}
