//! Amazon SQS as the queue that usage goes through between nodes and the store.
//!
//! Take a FIFO queue: it keeps the order of what one process puts in, so that hours are added up once. A standard queue works, too; see
//! [`togglebox_metering::queue`] for what comes of disorder. Let it keep messages for as long as consumers may be away
//! (`MessageRetentionPeriod`: less than the seven days for which minutes are kept), give a consumer half a minute or more for ten messages
//! (`VisibilityTimeout`), and have what was given out a hundred times in vain put aside (`RedrivePolicy` with a `maxReceiveCount` of 100):
//! a message that cannot be read holds up those behind it in a FIFO queue. One queue is for one database: its consumers drop the usage of
//! tenants that they do not know.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_config::Region;
use aws_config::meta::region::RegionProviderChain;
use aws_config::retry::RetryConfig;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::QueueAttributeName;
use sha2::{Digest as _, Sha256};
use togglebox_core::{StoreError, StoreErrorKind, StoreResult};
use togglebox_metering::WriterId;
use togglebox_metering::queue::{Message, UsageQueue};

use crate::aws;
use crate::hex::hex;
use crate::home::Home;

/// How long one request may take, besides the time that the service waits for messages.
const ATTEMPT: Duration = Duration::from_secs(5);
/// How often one is made: each of them may be repeated.
const ATTEMPTS: u32 = 3;
/// The longest that the service waits.
const LONGEST_WAIT: Duration = Duration::from_secs(20);

/// How a queue is reached. What is not set is looked up where the AWS SDK looks: environment variables, the shared configuration files, the
/// roles of containers and machines.
#[derive(Clone, PartialEq, Eq)]
pub struct SqsOptions {
    url: String,
    endpoint: Option<String>,
    credentials: Option<(String, String)>,
    wait: Duration,
}

impl SqsOptions {
    /// The queue at `url`, as `https://sqs.eu-central-1.amazonaws.com/123456789012/usage.fifo`: it says the region, and whether it is FIFO.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), endpoint: None, credentials: None, wait: LONGEST_WAIT }
    }

    /// Another address than the region's own: `https://host` or `http://host:port`, for VPC endpoints and servers that speak the protocol.
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

    /// How long the service waits for a message where there is none, in whole seconds: 20, which is also the most.
    #[must_use]
    pub fn with_wait(mut self, wait: Duration) -> Self {
        self.wait = wait.min(LONGEST_WAIT);
        self
    }

    /// The region that the URL names, as that of Amazon's does: `https://sqs.<region>.…`.
    fn region(&self) -> Option<&str> {
        let (_, rest) = self.url.split_once("://")?;
        let host = rest.split(['/', ':']).next()?;
        host.strip_prefix("sqs.")?.split('.').next().filter(|region| !region.is_empty())
    }
}

impl fmt::Debug for SqsOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqsOptions").field("url", &self.url).field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// Why a queue could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SqsOpenError {
    /// Neither the URL nor the environment names a region.
    #[error("no region is set: the URL of the queue names none; set AWS_REGION")]
    NoRegion,
    /// There is no such queue, or it may not be used, or the service did not answer.
    #[error("the queue {url} cannot be used")]
    Refused {
        /// Where it should be.
        url: String,
        /// Why.
        source: Box<dyn Error + Send + Sync>,
    },
}

/// A queue of Amazon SQS, or of a server that speaks its protocol. Requests are made on the tokio runtime that it was opened on.
#[derive(Clone)]
pub struct SqsQueue {
    client: Client,
    home: Home,
    url: Arc<str>,
    is_fifo: bool,
    wait_s: i32,
    /// What is different for a request that waits for messages.
    waiting: aws_sdk_sqs::config::Builder,
}

impl fmt::Debug for SqsQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqsQueue").field("url", &self.url).finish_non_exhaustive()
    }
}

impl SqsQueue {
    /// Opens a queue that is there.
    ///
    /// # Errors
    /// [`SqsOpenError`].
    pub async fn open(options: &SqsOptions) -> Result<Self, SqsOpenError> {
        let retries = RetryConfig::standard().with_max_attempts(ATTEMPTS);
        let credentials = options.credentials.as_ref().map(|(id, secret)| (id.as_str(), secret.as_str()));
        let mut loader = aws::loader(options.endpoint.as_deref(), credentials, aws::timeouts(ATTEMPT, ATTEMPT), retries);
        if let Some(region) = options.region() {
            loader = loader.region(Region::new(region.to_owned()));
        } else if options.endpoint.is_some() {
            loader = loader.region(RegionProviderChain::default_provider().or_else(aws::NOWHERE));
        }
        let config = loader.load().await;
        if config.region().is_none() {
            return Err(SqsOpenError::NoRegion);
        }
        let client = Client::new(&config);
        let look = client.get_queue_attributes().queue_url(&options.url).attribute_names(QueueAttributeName::VisibilityTimeout);
        let refused = |error| SqsOpenError::Refused { url: options.url.clone(), source: error };
        look.send().await.map_err(|error| refused(Box::new(error)))?;
        Ok(Self {
            client,
            home: Home::here(),
            url: options.url.as_str().into(),
            // A name that ends so is that of a FIFO queue, and of no other.
            is_fifo: options.url.rsplit('.').next() == Some("fifo"),
            wait_s: i32::try_from(options.wait.as_secs()).unwrap_or(0),
            waiting: aws_sdk_sqs::Config::builder().timeout_config(aws::timeouts(ATTEMPT, ATTEMPT + options.wait)),
        })
    }

    async fn ask<T, X>(
        &self,
        operation: &'static str,
        request: impl Future<Output = Result<T, X>> + Send + 'static,
    ) -> StoreResult<T>
    where
        T: Send + 'static,
        X: Error + Send + Sync + 'static,
    {
        let failed = || StoreError::new(StoreErrorKind::Unavailable, operation);
        match self.home.run(request).await {
            Ok(Ok(output)) => Ok(output),
            Ok(Err(error)) => Err(failed().caused_by(error)),
            Err(ended) => Err(failed().caused_by(ended)),
        }
    }
}

#[async_trait]
impl UsageQueue for SqsQueue {
    async fn send(&self, line: WriterId, body: &str) -> StoreResult<()> {
        let mut request = self.client.send_message().queue_url(&*self.url).message_body(body);
        if self.is_fifo {
            // The same message within five minutes is the same: it says the same.
            let known_by = hex(&Sha256::digest(body));
            request = request.message_group_id(line.to_string()).message_deduplication_id(known_by);
        }
        self.ask("usage_queue.send", request.send()).await.map(drop)
    }

    async fn receive(&self, most: usize) -> StoreResult<Vec<Message>> {
        let most = i32::try_from(most.clamp(1, 10)).unwrap_or(1);
        let request = self.client.receive_message().queue_url(&*self.url);
        let request = request.max_number_of_messages(most).wait_time_seconds(self.wait_s);
        let request = request.customize().config_override(self.waiting.clone());
        let output = self.ask("usage_queue.receive", request.send()).await?;
        let given = output.messages.unwrap_or_default().into_iter();
        // One without a receipt could never be deleted, and one without a body says nothing.
        Ok(given.filter_map(|message| Some(Message { body: message.body?, receipt: message.receipt_handle? })).collect())
    }

    async fn delete(&self, message: &Message) -> StoreResult<()> {
        let request = self.client.delete_message().queue_url(&*self.url).receipt_handle(&message.receipt);
        self.ask("usage_queue.delete", request.send()).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_names_the_region() {
        let region = |url: &str| SqsOptions::new(url).region().map(str::to_owned);
        assert_eq!(region("https://sqs.eu-central-1.amazonaws.com/123456789012/usage.fifo").as_deref(), Some("eu-central-1"));
        assert_eq!(region("https://sqs.cn-north-1.amazonaws.com.cn/1/usage").as_deref(), Some("cn-north-1"));
        for url in ["http://127.0.0.1:4566/000000000000/usage", "http://sqs", "https://sqs./1/usage", "usage", ""] {
            assert_eq!(region(url), None, "{url}");
        }
    }

    #[test]
    fn a_secret_is_not_shown() {
        let shown = format!("{:?}", SqsOptions::new("http://queue").with_credentials("id-1", "hunter2"));
        assert!(!shown.contains("hunter2") && !shown.contains("id-1"), "{shown}");
    }
}
