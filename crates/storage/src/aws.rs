//! How services of Amazon's are reached, and servers that speak their protocols.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, ConfigLoader};
#[cfg(feature = "dynamodb")]
use aws_sdk_dynamodb::config::Credentials;
#[cfg(not(feature = "dynamodb"))]
use aws_sdk_sqs::config::Credentials;

/// The region that requests are signed for to a server of one's own, which is in none.
pub(crate) const NOWHERE: &str = "us-east-1";

/// How long it may take to connect, and to be answered once.
pub(crate) fn timeouts(connect: Duration, attempt: Duration) -> TimeoutConfig {
    TimeoutConfig::builder().connect_timeout(connect).operation_attempt_timeout(attempt).build()
}

/// What is not given is looked up where the SDK looks. The region is the caller's to name.
pub(crate) fn loader(
    endpoint: Option<&str>,
    credentials: Option<(&str, &str)>,
    timeouts: TimeoutConfig,
    retries: RetryConfig,
) -> ConfigLoader {
    let mut loader = aws_config::defaults(BehaviorVersion::latest()).timeout_config(timeouts).retry_config(retries);
    if let Some(endpoint) = endpoint {
        loader = loader.endpoint_url(endpoint);
    }
    if let Some((id, secret)) = credentials {
        loader = loader.credentials_provider(Credentials::new(id, secret, None, None, "options"));
    }
    loader
}
