//! Usage that goes through a queue.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use togglebox_core::testkit::{At, Fault, Faults, Faulty};
use togglebox_core::{EntropyExt as _, SeededEntropy, StoreError, StoreErrorKind, StoreResult, TenantId};
use togglebox_metering::queue::{Message, QueueConsumer, QueueSink, UsageQueue};
use togglebox_metering::store::{UsageLedger as _, UsageSink};
use togglebox_metering::testkit::{MemoryQueue, MemoryStore};
use togglebox_metering::{Cell, Minute, Series, WriterId};
use tokio::sync::oneshot;

use crate::support::{clock_at, directory, files, flusher, open, request, requests, store};

/// A queue that loses answers, gives things out twice and in any order, and fails.
#[derive(Debug)]
struct Unruly {
    draw: SeededEntropy,
    waiting: Mutex<Vec<Message>>,
}

impl Unruly {
    fn below(&self, limit: usize) -> usize {
        usize::try_from(u32::from_le_bytes(self.draw.bytes())).unwrap() % limit
    }

    fn fails(&self, one_in: usize) -> StoreResult<()> {
        if self.below(one_in) == 0 { Err(StoreError::new(StoreErrorKind::Unavailable, "usage_queue")) } else { Ok(()) }
    }
}

#[async_trait]
impl UsageQueue for Unruly {
    async fn send(&self, _line: WriterId, body: &str) -> StoreResult<()> {
        self.fails(6)?;
        let receipt = self.draw.uuid().to_string();
        self.waiting.lock().unwrap().push(Message { body: body.to_owned(), receipt });
        self.fails(6)
    }

    async fn receive(&self, most: usize) -> StoreResult<Vec<Message>> {
        self.fails(6)?;
        let waiting = self.waiting.lock().unwrap();
        let count = if waiting.is_empty() { 0 } else { most };
        Ok((0..count).map(|_| waiting[self.below(waiting.len())].clone()).collect())
    }

    async fn delete(&self, message: &Message) -> StoreResult<()> {
        self.fails(6)?;
        self.waiting.lock().unwrap().retain(|other| other.receipt != message.receipt);
        self.fails(6)
    }
}

#[tokio::test]
async fn however_a_queue_behaves_and_the_store_totals_are_exact() {
    for seed in 0..100 {
        let (place, clock, store) = (directory(), clock_at(1440), store());
        let queue = Arc::new(Unruly { draw: SeededEntropy::new(seed), waiting: Mutex::default() });
        let faults = Arc::new(Faults::none());
        let sink = Arc::new(Faulty::new(Arc::clone(&store), Arc::clone(&faults)));
        let consumer = QueueConsumer::new(Arc::<Unruly>::clone(&queue), sink);
        let recorder = open(place.path(), 512, &clock);
        let flusher = flusher(&recorder, Arc::new(QueueSink::new(Arc::<Unruly>::clone(&queue))));
        let mut counted = 0;
        for _ in 0..40 {
            match queue.below(5) {
                0 => faults.inject(At::any(), Fault::Before),
                1 => faults.inject(At::any(), Fault::After),
                2 => faults.inject(At::any(), Fault::Twice),
                _ => {}
            }
            request(&recorder, &["live", "read"], 3).unwrap();
            counted += 3;
            if queue.below(3) == 0 {
                clock.advance(std::time::Duration::from_mins(1));
            }
            // Whatever comes of them.
            drop(flusher.flush().await);
            drop(consumer.round().await);
        }
        while flusher.finish().await.is_err() {}
        while !queue.waiting.lock().unwrap().is_empty() {
            drop(consumer.round().await);
        }
        assert_eq!(store.total(), counted, "seed {seed}");
        assert_eq!(files(place.path()), [""; 0], "seed {seed}");
        assert_eq!(store.watermarks().await.unwrap(), [], "the writer has ended");
    }
}

#[tokio::test]
async fn a_consumer_that_dies_leaves_its_messages_to_the_next() {
    let (queue, store) = (Arc::new(MemoryQueue::new()), store());
    let sink = QueueSink::new(Arc::<MemoryQueue>::clone(&queue));
    let cell = |minute, total| {
        let series = Series::plain(requests());
        Cell {
            tenant: TenantId::DEFAULT,
            series,
            minute: Minute::from_number(minute),
            writer: WriterId::from_u128(1 << 80),
            total,
        }
    };
    let cells: Vec<Cell> = (0..1000).map(|n| cell(n, 1)).collect();
    assert_eq!(sink.merge_cells(&cells).await.unwrap().news, 1000);
    assert_eq!(queue.len(), 3, "a message has 400 cells at most");
    assert_eq!(queue.receive(10).await.unwrap().len(), 3);
    let consumer = QueueConsumer::new(Arc::<MemoryQueue>::clone(&queue), Arc::<MemoryStore>::clone(&store));
    assert_eq!(consumer.round().await.unwrap(), 0, "somebody has them");
    queue.lapse();
    assert_eq!(consumer.round().await.unwrap(), 3);
    assert_eq!((store.total(), queue.is_empty()), (1000, true));
    let refused = sink.merge_cells(&vec![cell(1, 1); 1001]).await.unwrap_err();
    assert_eq!(refused.kind(), &StoreErrorKind::LimitReached { limit: 1000 });
}

#[tokio::test]
async fn what_cannot_be_read_stays_in_the_queue_and_keeps_nothing_else_from_the_store() {
    let (queue, store) = (Arc::new(MemoryQueue::new()), store());
    queue.send(WriterId::from_u128(1), r#"{"usage":2,"writer":"ab"}"#).await.unwrap();
    let sink = QueueSink::new(Arc::<MemoryQueue>::clone(&queue));
    let series = Series::plain(requests());
    let writer = WriterId::from_u128(1 << 80);
    let cell = Cell { tenant: TenantId::DEFAULT, series, minute: Minute::from_number(7), writer, total: 5 };
    sink.merge_cells(&[cell]).await.unwrap();
    let consumer = QueueConsumer::new(Arc::<MemoryQueue>::clone(&queue), Arc::<MemoryStore>::clone(&store));
    assert_eq!(consumer.round().await.unwrap(), 1);
    assert_eq!((store.total(), queue.len()), (5, 1));
}

#[tokio::test(start_paused = true)]
async fn a_consumer_goes_on_after_trouble_until_it_is_stopped() {
    let (queue, store, faults) = (Arc::new(MemoryQueue::new()), store(), Arc::new(Faults::none()));
    faults.inject(At::operation("usage_sink.merge_cells"), Fault::Before);
    let series = Series::plain(requests());
    let writer = WriterId::from_u128(1 << 80);
    let cell = Cell { tenant: TenantId::DEFAULT, series, minute: Minute::from_number(7), writer, total: 5 };
    QueueSink::new(Arc::<MemoryQueue>::clone(&queue)).merge_cells(&[cell]).await.unwrap();
    let sink = Arc::new(Faulty::new(Arc::clone(&store), faults));
    let waits = Arc::new(Waits(Arc::clone(&queue)));
    let (stop, stopped) = oneshot::channel::<()>();
    let run = tokio::spawn(async move { QueueConsumer::new(waits, sink).run(async { drop(stopped.await) }).await });
    while store.total() < 5 {
        queue.lapse();
        tokio::time::advance(std::time::Duration::from_millis(100)).await;
    }
    stop.send(()).unwrap();
    run.await.unwrap();
}

/// Waits where there is nothing, as a queue does.
#[derive(Debug)]
struct Waits(Arc<MemoryQueue>);

#[async_trait]
impl UsageQueue for Waits {
    async fn send(&self, line: WriterId, body: &str) -> StoreResult<()> {
        self.0.send(line, body).await
    }

    async fn receive(&self, most: usize) -> StoreResult<Vec<Message>> {
        let given = self.0.receive(most).await?;
        if given.is_empty() {
            tokio::time::sleep(std::time::Duration::from_secs(20)).await;
        }
        Ok(given)
    }

    async fn delete(&self, message: &Message) -> StoreResult<()> {
        self.0.delete(message).await
    }
}
