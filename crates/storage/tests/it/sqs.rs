//! Usage through a queue of Amazon's protocol, on ministack.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::{BehaviorVersion, Config, Credentials, Region};
use aws_sdk_sqs::types::QueueAttributeName;
use togglebox_core::{Clock, EntropyExt as _, ManualClock, OsEntropy, StoreErrorKind, TenantId};
use togglebox_metering::queue::{QueueConsumer, QueueSink, UsageQueue as _};
use togglebox_metering::store::{UsageLedger as _, UsageSink as _};
use togglebox_metering::testkit::MemoryStore;
use togglebox_metering::{
    Cell, Flusher, FlusherOptions, Meter, Meters, Minute, Recorder, RecorderOptions, Series, Usage, WriterId,
};
use togglebox_storage::sqs::{SqsOpenError, SqsOptions, SqsQueue};

use crate::told::variable;

/// How a new queue is reached; `None` where there is no server.
async fn queue(kind: &str, visibility_s: u32) -> Option<SqsOptions> {
    let endpoint = variable("TOGGLEBOX_TEST_MINISTACK")?;
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(&endpoint)
        .credentials_provider(Credentials::new("test", "test", None, None, "test"));
    let request = Client::from_conf(config.build()).create_queue().queue_name(format!("usage-{}{kind}", OsEntropy.hex::<8>()));
    let mut request = request.attributes(QueueAttributeName::VisibilityTimeout, visibility_s.to_string());
    if kind == ".fifo" {
        request = request.attributes(QueueAttributeName::FifoQueue, "true");
    }
    let url = request.send().await.unwrap().queue_url.unwrap();
    // Messages are there at once, or there are none.
    Some(SqsOptions::new(url).with_endpoint(endpoint).with_credentials("test", "test").with_wait(Duration::ZERO))
}

fn cell(minute: u32, total: u64) -> Cell {
    let series = Series::plain("api.requests".parse().unwrap());
    Cell { tenant: TenantId::DEFAULT, series, minute: Minute::from_number(minute), writer: WriterId::from_u128(1 << 80), total }
}

#[tokio::test]
async fn what_nodes_count_comes_to_the_store_through_either_kind_of_queue() {
    for kind in ["", ".fifo"] {
        let Some(options) = queue(kind, 30).await else { return };
        let queue = Arc::new(SqsQueue::open(&options).await.unwrap());
        let (store, clock) = (Arc::new(MemoryStore::new()), Arc::new(ManualClock::new(Minute::from_number(60).start())));
        let meter = "api.requests".parse().unwrap();
        let (mut nodes, mut folders) = (Vec::new(), Vec::new());
        for _ in 0..2 {
            let folder = tempfile::tempdir().unwrap();
            let options = RecorderOptions::in_directory(folder.path()).with_slots(64);
            let meters = Meters::new([Meter::new("api.requests", []).unwrap()]).unwrap();
            let time: Arc<dyn Clock> = Arc::<ManualClock>::clone(&clock);
            let recorder = Arc::new(Recorder::open(meters, options, time, Arc::new(OsEntropy)).unwrap());
            let sink = Arc::new(QueueSink::new(Arc::<SqsQueue>::clone(&queue)));
            nodes.push((Arc::clone(&recorder), Flusher::new(recorder, sink, FlusherOptions::default())));
            folders.push(folder);
        }
        for _ in 0..5 {
            for (recorder, flusher) in &nodes {
                recorder.record(&Usage { tenant: TenantId::DEFAULT, meter, values: &[] }, 7).unwrap();
                flusher.flush().await.unwrap();
            }
            clock.advance(Duration::from_mins(1));
        }
        for (_, flusher) in &nodes {
            flusher.finish().await.unwrap();
        }
        // Two take it out at once.
        let consumers = [(); 2].map(|()| QueueConsumer::new(Arc::<SqsQueue>::clone(&queue), Arc::<MemoryStore>::clone(&store)));
        while store.total() < 70 {
            let (one, two) = tokio::join!(consumers[0].round(), consumers[1].round());
            assert!(one.is_ok() && two.is_ok(), "{one:?} {two:?}");
        }
        while consumers[0].round().await.unwrap() > 0 {}
        assert_eq!((store.total(), store.watermarks().await.unwrap()), (70, vec![]), "{kind}");
    }
}

#[tokio::test]
async fn a_message_comes_until_it_is_deleted() {
    let Some(options) = queue("", 0).await else { return };
    let queue = Arc::new(SqsQueue::open(&options).await.unwrap());
    QueueSink::new(Arc::<SqsQueue>::clone(&queue)).merge_cells(&[cell(60, 5)]).await.unwrap();
    let first = queue.receive(10).await.unwrap();
    let second = queue.receive(10).await.unwrap();
    assert_eq!((first.len(), &second[0].body), (1, &first[0].body));
    let store = Arc::new(MemoryStore::new());
    let consumer = QueueConsumer::new(Arc::<SqsQueue>::clone(&queue), Arc::<MemoryStore>::clone(&store));
    assert_eq!(consumer.round().await.unwrap(), 1);
    assert_eq!(queue.receive(10).await.unwrap(), []);
    assert_eq!(store.total(), 5);
}

#[tokio::test]
async fn a_line_of_a_fifo_queue_keeps_its_order() {
    let Some(options) = queue(".fifo", 30).await else { return };
    let queue = SqsQueue::open(&options).await.unwrap();
    let line = WriterId::from_u128(7);
    for n in 0..10 {
        queue.send(line, &format!("message {n}")).await.unwrap();
        // Repeated, because its answer was lost.
        queue.send(line, &format!("message {n}")).await.unwrap();
    }
    let mut given = Vec::new();
    loop {
        let part = queue.receive(10).await.unwrap();
        if part.is_empty() {
            break;
        }
        for message in part {
            queue.delete(&message).await.unwrap();
            given.push(message.body);
        }
    }
    assert_eq!(given, (0..10).map(|n| format!("message {n}")).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_is_no_queue_is_told_when_it_is_opened_and_a_server_that_is_gone_later() {
    let Some(options) = queue("", 30).await else { return };
    let Some(endpoint) = variable("TOGGLEBOX_TEST_MINISTACK") else { return };
    let wrong =
        SqsOptions::new(format!("{endpoint}/000000000000/nobodys")).with_endpoint(&endpoint).with_credentials("test", "test");
    let refused = SqsQueue::open(&wrong).await.unwrap_err();
    assert!(matches!(&refused, SqsOpenError::Refused { url, .. } if url.ends_with("/nobodys")), "{refused:?}");
    let queue = SqsQueue::open(&options).await.unwrap();
    let gone = togglebox_metering::queue::Message { body: String::new(), receipt: "none of its own".to_owned() };
    let deleted = queue.delete(&gone).await;
    assert!(deleted.is_ok() || deleted.is_err_and(|error| *error.kind() == StoreErrorKind::Unavailable));
}
