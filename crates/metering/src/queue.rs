//! Usage through a queue: nodes put in what they have counted, and whoever takes it out brings it to the store.
//!
//! A queue may give a message twice, late, and out of order, and nothing comes of it: a message holds totals, and merging takes the greater.
//! Only one thing depends on the order: a watermark that overtakes totals of its writer says that they are in the store while they are still
//! in the queue. Hours are then added up without them, and once more when they come. So let the messages of a [line](UsageQueue::send) keep
//! their order where the queue can do that.
//!
//! What a node has put in is the queue's to keep: it is removed from the node's own files. Have the queue keep messages for as long as the
//! consumers might be away, and less than minutes are kept in the store.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::{Either, select};
use serde::{Deserialize, Serialize};
use togglebox_core::{StoreError, StoreErrorKind, StoreResult, TenantId, Timestamp};
use tokio::sync::Mutex;
use tokio::time::timeout;
use tracing::{error, warn};
use uuid::Uuid;

use crate::store::{MergeReport, UsageSink, check_cells, tell_late};
use crate::{Cell, Labels, MeterId, Minute, Series, Watermark, WriterId};

/// The most cells of a message. With the longest labels it has 200 KB: Amazon SQS takes 256.
pub const MOST_CELLS_OF_MESSAGE: usize = 400;

/// How long a consumer pauses after something went wrong.
const PAUSE: Duration = Duration::from_secs(1);

/// A queue, of whatever kind.
#[async_trait]
pub trait UsageQueue: Send + Sync + Debug + 'static {
    /// Puts a message in. Once this has returned, the message will be given out, at least once. Messages of the same line are to be given
    /// out in the order in which they were put in, if the queue can do that.
    ///
    /// # Errors
    /// `Unavailable`: it may be in or not. Repeating is safe.
    async fn send(&self, line: WriterId, body: &str) -> StoreResult<()>;

    /// Gives out at most `most` (1 to 10) messages; waits a while for one if there is none. A message that is not
    /// [deleted](Self::delete) within a time that the queue knows is given out again.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn receive(&self, most: usize) -> StoreResult<Vec<Message>>;

    /// Nobody needs a message any more.
    ///
    /// # Errors
    /// `Unavailable`: it may be given out again.
    async fn delete(&self, message: &Message) -> StoreResult<()>;
}

/// What a queue has given out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// What was put in.
    pub body: String,
    /// What the queue knows this giving out by.
    pub receipt: String,
}

/// A message that is none of ours, or of a version that is not known.
#[derive(Debug, thiserror::Error)]
#[error("it is no message of usage that can be read")]
pub struct UnreadableMessage(#[source] Box<dyn std::error::Error + Send + Sync>);

/// As it is written. Another version has another number, and is left to those who know it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    usage: Version,
    /// 32 hexadecimal digits.
    writer: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    cells: Vec<Entry>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    watermark: Option<Mark>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
struct Version;

impl From<Version> for u8 {
    fn from(Version: Version) -> Self {
        1
    }
}

impl TryFrom<u8> for Version {
    type Error = String;

    fn try_from(number: u8) -> Result<Self, Self::Error> {
        if number == 1 { Ok(Self) } else { Err(format!("version {number} is not known")) }
    }
}

/// Tenant, meter, labels, minute, total.
#[derive(Debug, Serialize, Deserialize)]
struct Entry(Uuid, String, String, u32, u64);

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Mark {
    /// Minutes since 1970.
    upto: u32,
    seen_at_ms: i64,
    ended: bool,
}

impl Entry {
    fn of(cell: &Cell) -> Self {
        let Series { meter, labels } = &cell.series;
        Self(*cell.tenant.as_uuid(), meter.to_string(), labels.as_str().to_owned(), cell.minute.number(), cell.total)
    }

    fn cell(self, writer: WriterId) -> Result<Cell, Box<dyn std::error::Error + Send + Sync>> {
        let Self(tenant, meter, labels, minute, total) = self;
        let series = Series { meter: meter.parse::<MeterId>()?, labels: Labels::parse(&labels)? };
        Ok(Cell { tenant: TenantId::from_uuid(tenant), series, minute: Minute::from_number(minute), writer, total })
    }
}

/// What a message says.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    cells: Vec<Cell>,
    watermark: Option<Watermark>,
}

impl Told {
    fn read(text: &str) -> Result<Self, UnreadableMessage> {
        let read = || {
            let Body { usage: Version, writer, cells, watermark } = serde_json::from_str(text)?;
            let writer = WriterId::from_u128(u128::from_str_radix(&writer, 16)?);
            let cells = cells.into_iter().map(|entry| entry.cell(writer)).collect::<Result<Vec<_>, _>>()?;
            // What no store takes would be in the way for ever.
            check_cells(&cells, "usage_queue.read")?;
            let watermark = watermark.map(|Mark { upto, seen_at_ms, ended }| {
                let (upto, seen_at) = (Minute::from_number(upto), Timestamp::from_ms(seen_at_ms));
                Watermark { writer, upto, seen_at, ended }
            });
            Ok(Self { cells, watermark })
        };
        read().map_err(UnreadableMessage)
    }
}

/// Puts what nodes have counted into a queue.
#[derive(Debug)]
pub struct QueueSink(Arc<dyn UsageQueue>);

impl QueueSink {
    /// Into this queue.
    pub fn new(queue: Arc<dyn UsageQueue>) -> Self {
        Self(queue)
    }

    async fn put(&self, body: &Body, line: WriterId, operation: &'static str) -> StoreResult<()> {
        let text = serde_json::to_string(body);
        let text = text.map_err(|error| StoreError::new(StoreErrorKind::Corrupt, operation).caused_by(error))?;
        self.0.send(line, &text).await
    }
}

/// Says that everything is news: what the store has is not known here.
#[async_trait]
impl UsageSink for QueueSink {
    async fn merge_cells(&self, cells: &[Cell]) -> StoreResult<MergeReport> {
        const OPERATION: &str = "usage_sink.merge_cells";
        check_cells(cells, OPERATION)?;
        let mut writers: BTreeMap<WriterId, Vec<&Cell>> = BTreeMap::new();
        for cell in cells {
            writers.entry(cell.writer).or_default().push(cell);
        }
        for (writer, cells) in writers {
            for part in cells.chunks(MOST_CELLS_OF_MESSAGE) {
                let cells = part.iter().map(|cell| Entry::of(cell)).collect();
                let body = Body { usage: Version, writer: writer.to_string(), cells, watermark: None };
                self.put(&body, writer, OPERATION).await?;
            }
        }
        Ok(MergeReport { news: cells.len(), ..MergeReport::default() })
    }

    async fn advance_watermark(&self, watermark: &Watermark) -> StoreResult<()> {
        let Watermark { writer, upto, seen_at, ended } = *watermark;
        let mark = Mark { upto: upto.number(), seen_at_ms: seen_at.as_ms(), ended };
        let body = Body { usage: Version, writer: writer.to_string(), cells: Vec::new(), watermark: Some(mark) };
        self.put(&body, writer, "usage_sink.advance_watermark").await
    }
}

/// Takes messages out of a queue, and brings what they say to the store. Any number of them may do so at once.
///
/// A message is deleted once the store has what it says. One that cannot be read is told in the log and left: the queue gives it out again,
/// and puts it aside if it is told to do that after some times (a dead-letter queue).
#[derive(Debug)]
pub struct QueueConsumer {
    queue: Arc<dyn UsageQueue>,
    sink: Arc<dyn UsageSink>,
    /// What the store did not take. Nothing else is taken out before it does, so that a queue does not give messages up (see `RedrivePolicy`
    /// of Amazon SQS) that only the store keeps waiting.
    stuck: Mutex<Option<Told>>,
}

impl QueueConsumer {
    /// Messages that are taken out together.
    const TOGETHER: usize = 10;

    /// From `queue` to `sink`.
    pub fn new(queue: Arc<dyn UsageQueue>, sink: Arc<dyn UsageSink>) -> Self {
        Self { queue, sink, stuck: Mutex::default() }
    }

    /// Takes some messages out; says how many were brought to the store. When there are none it waits as long as the queue does.
    ///
    /// # Errors
    /// Those of the queue and of the store. What was not deleted comes again; until the store takes what it did not take, nothing else is
    /// taken out.
    pub async fn round(&self) -> StoreResult<usize> {
        let mut stuck = self.stuck.lock().await;
        if let Some(told) = &*stuck {
            self.bring(told).await?;
            *stuck = None;
        }
        let mut done = 0;
        for message in self.queue.receive(Self::TOGETHER).await? {
            match Told::read(&message.body) {
                Ok(told) => {
                    if let Err(error) = self.bring(&told).await {
                        // Its message comes again, and then says nothing new.
                        *stuck = Some(told);
                        return Err(error);
                    }
                    self.queue.delete(&message).await?;
                    done += 1;
                }
                Err(unreadable) => {
                    let bytes = message.body.len();
                    error!(
                        error = &unreadable as &dyn std::error::Error,
                        bytes, "A message of usage cannot be read; it is left in the queue"
                    );
                }
            }
        }
        Ok(done)
    }

    async fn bring(&self, told: &Told) -> StoreResult<()> {
        if !told.cells.is_empty() {
            let report = self.sink.merge_cells(&told.cells).await?;
            tell_late(&told.cells, &report);
        }
        match &told.watermark {
            Some(watermark) => self.sink.advance_watermark(watermark).await,
            None => Ok(()),
        }
    }

    /// Takes messages out until `stop`. A message that is under way then comes again.
    pub async fn run(&self, stop: impl Future<Output = ()>) {
        let mut stop = pin!(stop);
        loop {
            let round = pin!(self.round());
            match select(&mut stop, round).await {
                Either::Left(_) => return,
                Either::Right((Ok(_), _)) => {}
                Either::Right((Err(error), _)) => {
                    metrics::counter!("metering_queue_failures_total").increment(1);
                    warn!(
                        error = &error as &dyn std::error::Error,
                        "Usage in the queue was not brought to the store; tried again soon"
                    );
                    if timeout(PAUSE, &mut stop).await.is_ok() {
                        return;
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cell(tenant: u128, minute: u32, writer: u128, total: u64, value: &str) -> Cell {
        let series = Series { meter: "api.requests".parse().unwrap(), labels: Labels::new([("key", value)]).unwrap() };
        let tenant = TenantId::from_uuid(Uuid::from_u128(tenant));
        Cell { tenant, series, minute: Minute::from_number(minute), writer: WriterId::from_u128(writer), total }
    }

    #[test]
    fn a_message_is_written_as_documented() {
        let body = Body {
            usage: Version,
            writer: WriterId::from_u128(0xab_cdef).to_string(),
            cells: vec![Entry::of(&cell(7, 60, 0xab_cdef, 5, "site"))],
            watermark: None,
        };
        let text = serde_json::to_string(&body).unwrap();
        assert_eq!(
            text,
            r#"{"usage":1,"writer":"00000000000000000000000000abcdef","cells":[["00000000-0000-0000-0000-000000000007","api.requests","key=site",60,5]]}"#
        );
        assert_eq!(Told::read(&text).unwrap(), Told { cells: vec![cell(7, 60, 0xab_cdef, 5, "site")], watermark: None });
    }

    #[test]
    fn what_is_no_message_of_this_version_is_not_taken_for_one() {
        for text in [
            "",
            "{}",
            r#"{"usage":2,"writer":"ab"}"#,
            r#"{"usage":1,"writer":"no writer"}"#,
            r#"{"usage":1,"writer":"ab","other":1}"#,
            r#"{"usage":1,"writer":"ab","cells":[["00000000-0000-0000-0000-000000000007","","",60,5]]}"#,
            // A writer of the store's own, and a total that is too large.
            r#"{"usage":1,"writer":"01","cells":[["00000000-0000-0000-0000-000000000007","a","",60,5]]}"#,
            r#"{"usage":1,"writer":"abcdef","cells":[["00000000-0000-0000-0000-000000000007","a","",60,18446744073709551615]]}"#,
        ] {
            assert!(Told::read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_message_with_the_longest_labels_has_room() {
        // What JSON writes with two characters.
        let value = "\\".repeat(62);
        let labels = Labels::new(["a", "b", "c"].map(|name| (name, value.as_str()))).unwrap();
        assert!(labels.as_str().len() > Labels::MOST_BYTES - 10);
        let series = Series { meter: "m".repeat(MeterId::MOST_BYTES).parse().unwrap(), labels };
        let long = Cell { series, ..cell(u128::MAX, u32::MAX, 1, Cell::MOST, "x") };
        let cells = vec![long; MOST_CELLS_OF_MESSAGE];
        let body = Body { usage: Version, writer: "0".repeat(32), cells: cells.iter().map(Entry::of).collect(), watermark: None };
        assert!(serde_json::to_string(&body).unwrap().len() < 256 * 1024);
    }

    proptest! {
        #[test]
        fn messages_read_back(tenant: u128, minute: u32, writer in 65_536..u128::MAX, total in 0..=Cell::MOST, value in "[ -+\\--<>-}]{1,40}", at: i32, ended: bool) {
            let cell = cell(tenant, minute, writer, total, &value);
            let mark = Mark { upto: minute, seen_at_ms: i64::from(at), ended };
            let body = Body {
                usage: Version, writer: cell.writer.to_string(), cells: vec![Entry::of(&cell)], watermark: Some(mark),
            };
            let told = Told::read(&serde_json::to_string(&body).unwrap()).unwrap();
            let watermark = Watermark {
                writer: cell.writer, upto: Minute::from_number(minute), seen_at: Timestamp::from_ms(at.into()), ended,
            };
            prop_assert_eq!(told, Told { cells: vec![cell], watermark: Some(watermark) });
        }
    }
}
