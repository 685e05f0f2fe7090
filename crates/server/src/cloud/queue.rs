//! The queue through which usage goes to the store, where there is one.

use std::sync::Arc;

use togglebox_metering::queue::UsageQueue;

use crate::settings::CloudSettings;

/// Opens the queue that the settings name.
///
/// # Errors
/// There is no such queue, or it cannot be used.
pub(crate) async fn open(cloud: &CloudSettings) -> anyhow::Result<Option<Arc<dyn UsageQueue>>> {
    let Some(url) = cloud.usage_queue.as_ref().filter(|_| cloud.metering) else { return Ok(None) };
    open_at(url, cloud.sqs_endpoint.as_deref()).await.map(Some)
}

#[cfg(feature = "sqs")]
async fn open_at(url: &str, endpoint: Option<&str>) -> anyhow::Result<Arc<dyn UsageQueue>> {
    use anyhow::Context as _;
    use togglebox_storage::sqs::{SqsOptions, SqsQueue};

    let options = SqsOptions::new(url);
    let options = match endpoint {
        Some(endpoint) => options.with_endpoint(endpoint),
        None => options,
    };
    Ok(Arc::new(SqsQueue::open(&options).await.context("USAGE_QUEUE")?))
}

#[cfg(not(feature = "sqs"))]
#[expect(clippy::unused_async, reason = "with queues it has to be waited for")]
async fn open_at(_url: &str, _endpoint: Option<&str>) -> anyhow::Result<Arc<dyn UsageQueue>> {
    anyhow::bail!("USAGE_QUEUE: {}", crate::stores::not_built("queues"))
}
