//! The handle on a table, and the calls that it makes.

use std::collections::{HashMap, VecDeque};
use std::error::Error;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use aws_config::Region;
use aws_config::retry::RetryConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::types::{
    AttributeValue, DeleteRequest, KeysAndAttributes, PutRequest, ReturnConsumedCapacity, Select, WriteRequest,
};
use togglebox_core::{EntropyExt as _, OsEntropy, StoreError, StoreErrorKind, StoreResult};
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::action::Action;
use super::capacity::Meter;
use super::error::{Crowded, Trouble, transaction_trouble, trouble};
use super::item::{Item, Value};
use super::key::{self, Key, PK, SK};
use super::patience::Patience;
use super::table::{self, Index};
use super::{Capacity, DynamoDbOptions};
use crate::aws;
use crate::home::Home;

pub(super) type BoxError = Box<dyn Error + Send + Sync>;

/// The most keys of one batch of reads, and the most items of one batch of writes: limits of the service.
pub(super) const BATCH_GET: usize = 100;
pub(super) const BATCH_WRITE: usize = 25;
/// The most bytes of a transaction, with some kept back for what the service counts besides.
const MAX_TRANSACTION: usize = 4 * 1024 * 1024 - 64 * 1024;
/// How many queues writers wait in.
const QUEUES: usize = 64;

/// Store ports over one DynamoDB table. A clone is another handle on the same connections.
///
/// Writers of one process to the same container queue up instead of getting into each other's way; those of different processes
/// find out by the container's revision, and the later one tries again.
///
/// Requests are made on the tokio runtime that the table was opened on, whichever the calls come from: their connections live there.
///
/// A call that is dropped before it returns has either done all of its work or nothing.
#[derive(Clone)]
pub struct DynamoDb {
    pub(super) client: Client,
    pub(super) home: Home,
    pub(super) table: Arc<str>,
    patience: Duration,
    queues: Arc<[Arc<Mutex<()>>]>,
    pub(super) meter: Arc<Meter>,
    /// Which of the writers for events this process counts under: by chance, so that those of others rarely meet it at an item.
    #[cfg(feature = "metering")]
    pub(super) counts_as: u8,
}

impl fmt::Debug for DynamoDb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynamoDb").field("table", &self.table).finish_non_exhaustive()
    }
}

/// Why a table could not be opened or made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Neither the options nor the environment name a region.
    #[error("no region is set: name one, or set AWS_REGION")]
    NoRegion,
    /// There is no such table.
    #[error("there is no table {table}: make it first")]
    NoTable {
        /// Its name.
        table: String,
    },
    /// The table is being made or deleted.
    #[error("the table {table} cannot be used yet")]
    NotActive {
        /// Its name.
        table: String,
    },
    /// There is a table, but with other keys.
    #[error("the table {table} is not one of ToggleBox: {what}")]
    WrongKeys {
        /// Its name.
        table: String,
        /// What is wrong.
        what: String,
    },
    /// The table is there, but a part of its settings could not be made.
    #[error("the table has no {what}")]
    Incomplete {
        /// Which.
        what: &'static str,
        /// Why.
        source: BoxError,
    },
    /// The service did not answer, or would not do it.
    #[error("DynamoDB did not do what was asked")]
    Refused(#[source] BoxError),
}

/// A client that makes each request once: trying again is our business, because only we know what is safe to repeat, and for how long
/// a port call may go on.
pub(super) async fn client(options: &DynamoDbOptions) -> Result<Client, OpenError> {
    let timeouts = aws::timeouts(options.attempt_timeout(), options.attempt_timeout());
    let mut loader = aws::loader(options.endpoint(), options.credentials(), timeouts, RetryConfig::disabled());
    if let Some(region) = options.region().or(options.endpoint().map(|_| aws::NOWHERE)) {
        loader = loader.region(Region::new(region.to_owned()));
    }
    let config = loader.load().await;
    if config.region().is_none() {
        return Err(OpenError::NoRegion);
    }
    Ok(Client::new(&config))
}

/// Makes a request that may be repeated until it is answered, for as long as there is patience.
pub(super) async fn repeat<T, E, R, F>(
    home: &Home,
    operation: &'static str,
    patience: &mut Patience,
    request: impl Fn() -> F,
) -> StoreResult<T>
where
    F: Future<Output = Result<T, SdkError<E, R>>> + Send + 'static,
    T: Send + 'static,
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    R: fmt::Debug + Send + Sync + 'static,
{
    loop {
        let error = match home.run(request()).await {
            Ok(Ok(output)) => return Ok(output),
            Ok(Err(error)) => error,
            Err(ended) => return Err(Trouble::Unusable.error(operation, ended)),
        };
        let trouble = trouble(&error);
        tracing::debug!(operation, ?trouble, code = error.code(), "A request failed");
        if !trouble.passes() || !patience.pause(trouble).await {
            return Err(trouble.error(operation, error));
        }
    }
}

/// Which sort keys are wanted.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Wanted {
    /// All.
    #[default]
    All,
    /// Those that begin like this.
    Prefix(String),
    /// Those before this one.
    Below(Value),
    /// Those from the first to the last.
    #[cfg(feature = "metering")]
    Between(String, String),
}

/// A part of a partition, in the order of its sort keys.
#[derive(Clone, Debug, Default)]
pub(super) struct Range {
    pub(super) partition: String,
    pub(super) wanted: Wanted,
    /// Only what comes after this sort key, which need not be there.
    pub(super) after: Option<String>,
    /// From the last to the first.
    pub(super) descending: bool,
    /// At most so many items.
    pub(super) limit: Option<usize>,
    /// Of an index, which lags behind the table.
    pub(super) index: Option<&'static Index>,
}

impl Range {
    /// A whole partition.
    pub(super) fn all(partition: String) -> Self {
        Self { partition, ..Self::default() }
    }

    /// The key after which reading begins.
    fn start(&self) -> Option<Item> {
        self.after.as_ref().map(|sk| Key::new(self.partition.as_str(), sk.as_str()).item())
    }

    /// The attributes that are partition and sort key, and the condition on them.
    fn condition(&self) -> (&'static str, &'static str, &'static str, Vec<(&'static str, AttributeValue)>) {
        let (partition, sort) = self.index.map_or((PK, SK), |index| (index.partition, index.sort));
        let text = |text: &String| AttributeValue::S(text.clone());
        match &self.wanted {
            Wanted::All => (partition, sort, "#p = :p", Vec::new()),
            Wanted::Prefix(prefix) => (partition, sort, "#p = :p AND begins_with(#s, :s)", vec![(":s", text(prefix))]),
            Wanted::Below(end) => (partition, sort, "#p = :p AND #s < :s", vec![(":s", end.0.clone())]),
            #[cfg(feature = "metering")]
            Wanted::Between(first, last) => {
                (partition, sort, "#p = :p AND #s BETWEEN :s AND :t", vec![(":s", text(first)), (":t", text(last))])
            }
        }
    }
}

impl DynamoDb {
    /// Opens a table that [`create_table`](super::create_table) or an administrator made.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn open(options: &DynamoDbOptions) -> Result<Self, OpenError> {
        let client = client(options).await?;
        let description = table::description(&client, options.table()).await?;
        if !table::is_active(&description) {
            return Err(OpenError::NotActive { table: options.table().to_owned() });
        }
        table::check(options.table(), &description)?;
        Ok(Self::over(client, options.table(), options.patience()))
    }

    /// A handle on a table that nobody has looked at. Requests are made on the runtime that this is called on.
    pub(super) fn over(client: Client, table: &str, patience: Duration) -> Self {
        let queues = (0..QUEUES).map(|_| Arc::default()).collect();
        Self {
            client,
            home: Home::here(),
            table: table.into(),
            patience,
            queues,
            meter: Arc::default(),
            #[cfg(feature = "metering")]
            counts_as: OsEntropy.bytes::<1>()[0] % super::usage::EVENT_WRITERS,
        }
    }

    /// What this handle and its clones have cost so far.
    pub fn capacity(&self) -> Capacity {
        self.meter.total()
    }

    pub(super) fn patience(&self) -> Patience {
        Patience::new(self.patience)
    }

    /// For work that nobody waits in front of, and that may well be throttled.
    pub(super) fn long_patience(&self) -> Patience {
        Patience::new(self.patience.saturating_mul(12))
    }

    /// Waits behind other writers of this process to the same container.
    pub(super) async fn queue(
        &self,
        operation: &'static str,
        container: &Key,
        patience: &Patience,
    ) -> StoreResult<OwnedMutexGuard<()>> {
        let mut hasher = DefaultHasher::new();
        container.hash(&mut hasher);
        let place = usize::try_from(hasher.finish() % QUEUES as u64).unwrap_or(0);
        let turn = Arc::clone(&self.queues[place]).lock_owned();
        tokio::time::timeout_at(patience.deadline(), turn).await.map_err(|_| Trouble::Contended.error(operation, Crowded))
    }

    /// One item as it stands now.
    pub(super) async fn get(&self, operation: &'static str, patience: &mut Patience, key: &Key) -> StoreResult<Option<Item>> {
        let request = || {
            let get = self.client.get_item().table_name(&*self.table).set_key(Some(key.item())).consistent_read(true);
            get.return_consumed_capacity(ReturnConsumedCapacity::Total).send()
        };
        let output = repeat(&self.home, operation, patience, request).await?;
        self.meter.read(output.consumed_capacity());
        Ok(output.item)
    }

    /// Several items as they stand now, each at its own moment. What is not there is left out.
    pub(super) async fn get_all(
        &self,
        operation: &'static str,
        patience: &mut Patience,
        keys: impl IntoIterator<Item = Key>,
    ) -> StoreResult<HashMap<Key, Item>> {
        let mut wanted: VecDeque<Item> = keys.into_iter().map(|key| key.item()).collect();
        let mut found = HashMap::with_capacity(wanted.len());
        while !wanted.is_empty() {
            let batch: Vec<Item> = wanted.drain(..wanted.len().min(BATCH_GET)).collect();
            let asked = batch.len();
            let batch = KeysAndAttributes::builder().set_keys(Some(batch)).consistent_read(true).build();
            let batch = batch.map_err(|error| Trouble::Rejected.error(operation, error))?;
            let request = || {
                let get = self.client.batch_get_item().request_items(&*self.table, batch.clone());
                get.return_consumed_capacity(ReturnConsumedCapacity::Total).send()
            };
            let output = repeat(&self.home, operation, patience, request).await?;
            self.meter.read(output.consumed_capacity());
            for item in output.responses.into_iter().flat_map(HashMap::into_values).flatten() {
                // What has no key was not asked for.
                if let Some(key) = Key::of(&item) {
                    found.insert(key, item);
                }
            }
            let left: Vec<Item> =
                output.unprocessed_keys.into_iter().flat_map(HashMap::into_values).flat_map(|keys| keys.keys).collect();
            // A batch that is too large for one answer comes in parts; one of which nothing was answered was throttled.
            if left.len() == asked && !patience.pause(Trouble::Later).await {
                return Err(StoreError::new(StoreErrorKind::Unavailable, operation));
            }
            wanted.extend(left);
        }
        Ok(found)
    }

    /// Items of a partition, all pages of them: as they stand now, each at its own moment.
    pub(super) async fn query(&self, operation: &'static str, patience: &mut Patience, range: Range) -> StoreResult<Vec<Item>> {
        let mut items = Vec::new();
        let mut start = range.start();
        loop {
            let left = range.limit.map(|limit| limit.saturating_sub(items.len()));
            let (more, end) = self.query_once(operation, patience, &range, start, left).await?;
            items.extend(more);
            start = end;
            if start.is_none() || range.limit.is_some_and(|limit| items.len() >= limit) {
                return Ok(items);
            }
        }
    }

    /// The next items of a partition, at most 1 MB of them and at most the range's limit; and after which sort key to go on, if there may
    /// be more.
    pub(super) async fn page(
        &self,
        operation: &'static str,
        patience: &mut Patience,
        range: &Range,
    ) -> StoreResult<(Vec<Item>, Option<String>)> {
        let (items, end) = self.query_once(operation, patience, range, range.start(), range.limit).await?;
        Ok((items, end.as_ref().and_then(Key::of).map(|key| key.sk)))
    }

    /// One request for items of a partition; and the key to go on from.
    async fn query_once(
        &self,
        operation: &'static str,
        patience: &mut Patience,
        range: &Range,
        start: Option<Item>,
        limit: Option<usize>,
    ) -> StoreResult<(Vec<Item>, Option<Item>)> {
        let (partition, sort, condition, bounds) = range.condition();
        let request = || {
            let query = self.client.query().table_name(&*self.table).select(Select::AllAttributes);
            let mut query = query
                .set_index_name(range.index.map(|index| index.name.to_owned()))
                .consistent_read(range.index.is_none())
                .key_condition_expression(condition)
                .expression_attribute_names("#p", partition)
                .expression_attribute_values(":p", AttributeValue::S(range.partition.clone()));
            for (name, bound) in &bounds {
                query = query.expression_attribute_names("#s", sort).expression_attribute_values(*name, bound.clone());
            }
            query
                .scan_index_forward(!range.descending)
                .set_limit(limit.map(|limit| i32::try_from(limit).unwrap_or(i32::MAX)))
                .set_exclusive_start_key(start.clone())
                .return_consumed_capacity(ReturnConsumedCapacity::Total)
                .send()
        };
        let output = repeat(&self.home, operation, patience, request).await?;
        self.meter.read(output.consumed_capacity());
        Ok((output.items.unwrap_or_default(), output.last_evaluated_key))
    }

    /// Does all of a transaction or nothing, once. `Err(Ok(_))` is something that may pass, after which what stands has to be read
    /// again; `Err(Err(_))` is final.
    pub(super) async fn transact(
        &self,
        operation: &'static str,
        token: String,
        actions: Vec<Action>,
    ) -> Result<(), Result<(Trouble, BoxError), StoreError>> {
        if actions.iter().map(Action::size).sum::<usize>() > MAX_TRANSACTION {
            return Err(Err(StoreError::new(StoreErrorKind::TooLarge { limit: MAX_TRANSACTION }, operation)));
        }
        let actions: Result<Vec<_>, _> = actions.into_iter().map(|action| action.build(&self.table)).collect();
        let actions = actions.map_err(|error| Err(Trouble::Rejected.error(operation, error)))?;
        // The service keeps the tokens of an account together, whichever table they were for.
        let token = key::token(&[self.table.as_bytes(), token.as_bytes()]);
        let request = self.client.transact_write_items().set_transact_items(Some(actions)).client_request_token(token);
        match self.home.run(request.return_consumed_capacity(ReturnConsumedCapacity::Total).send()).await {
            Ok(Ok(output)) => {
                self.meter.write(output.consumed_capacity());
                Ok(())
            }
            Err(ended) => Err(Err(Trouble::Unusable.error(operation, ended))),
            Ok(Err(error)) => {
                let trouble = transaction_trouble(&error);
                tracing::debug!(operation, ?trouble, code = error.code(), "A transaction failed");
                if trouble.passes() { Err(Ok((trouble, error.into()))) } else { Err(Err(trouble.error(operation, error))) }
            }
        }
    }

    /// Makes a transaction whose conditions hold only as long as it was not made. False when what was read may no longer stand, or
    /// when it is not known whether it was made: then what stands has to be read again.
    pub(super) async fn commit(
        &self,
        operation: &'static str,
        patience: &mut Patience,
        actions: Vec<Action>,
    ) -> StoreResult<bool> {
        // So its token has nothing left to tell.
        let token = key::token(&[OsEntropy.bytes::<16>().as_slice()]);
        match self.transact(operation, token, actions).await {
            Ok(()) => Ok(true),
            Err(Ok((trouble, source))) => {
                let again = patience.pause(trouble).await;
                if again { Ok(false) } else { Err(StoreError::new(StoreErrorKind::Unavailable, operation).caused_by(source)) }
            }
            Err(Err(error)) => Err(error),
        }
    }

    /// Removes items, whatever they say. May be repeated.
    pub(super) async fn remove(
        &self,
        operation: &'static str,
        patience: &mut Patience,
        keys: impl IntoIterator<Item = Key>,
    ) -> StoreResult<()> {
        let mut wanted = VecDeque::new();
        for key in keys {
            let delete = DeleteRequest::builder().set_key(Some(key.item())).build();
            let delete = delete.map_err(|error| Trouble::Rejected.error(operation, error))?;
            wanted.push_back(WriteRequest::builder().delete_request(delete).build());
        }
        self.write_each(operation, patience, wanted).await
    }

    /// Writes whole items, each once, whatever stood there. May be repeated.
    pub(super) async fn put(
        &self,
        operation: &'static str,
        patience: &mut Patience,
        items: impl IntoIterator<Item = Item>,
    ) -> StoreResult<()> {
        let mut wanted = VecDeque::new();
        for item in items {
            let put = PutRequest::builder().set_item(Some(item)).build();
            let put = put.map_err(|error| Trouble::Rejected.error(operation, error))?;
            wanted.push_back(WriteRequest::builder().put_request(put).build());
        }
        self.write_each(operation, patience, wanted).await
    }

    /// Makes writes that have no conditions, in any order.
    async fn write_each(
        &self,
        operation: &'static str,
        patience: &mut Patience,
        mut wanted: VecDeque<WriteRequest>,
    ) -> StoreResult<()> {
        while !wanted.is_empty() {
            let batch: Vec<WriteRequest> = wanted.drain(..wanted.len().min(BATCH_WRITE)).collect();
            let request = || {
                let write = self.client.batch_write_item().request_items(&*self.table, batch.clone());
                write.return_consumed_capacity(ReturnConsumedCapacity::Total).send()
            };
            let output = repeat(&self.home, operation, patience, request).await?;
            self.meter.write(output.consumed_capacity());
            let left: Vec<WriteRequest> = output.unprocessed_items.into_iter().flat_map(HashMap::into_values).flatten().collect();
            // What was left was throttled.
            if !left.is_empty() && !patience.pause(Trouble::Later).await {
                return Err(StoreError::new(StoreErrorKind::Unavailable, operation));
            }
            wanted.extend(left);
        }
        Ok(())
    }
}
