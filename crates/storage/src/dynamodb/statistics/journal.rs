//! Batches that are too large for one transaction.
//!
//! Their changes are written down first, cut into transactions, in pieces that an item can hold. The item of the batch, written with
//! the last piece, makes the batch happen: from then on every send of it, and the sweeper, only goes on with what is written down.
//! Each transaction moves the item's `next` on by one, so that each is made once, whoever makes it. What is left of a sender that
//! stopped before that item was written are pieces that nobody will read; they expire.

use sha2::{Digest as _, Sha256};
use togglebox_core::{StoreError, StoreErrorKind, StoreResult, TenantId, Timestamp};
use uuid::Uuid;

use super::super::DynamoDb;
use super::super::action::{Action, Condition};
use super::super::gone::Gone;
use super::super::item::{Attributes, Draft, Item};
use super::super::key::{Key, hex};
use super::super::patience::Patience;
use super::super::store::{Range, Wanted};
use super::super::table::EXPIRES_AT;
use super::OPERATION;
use super::apply::Mark;
use super::change::Chunk;
use super::key::{batch, piece};
use super::{remembered_until, seconds};

/// Bytes of a piece.
const PIECE: usize = 300 * 1024;
/// So many pieces fit into one transaction.
const PIECES: usize = 10;
/// For how long a batch that was begun can be brought to its end, in seconds. A sweep within that time does it.
const KEPT_SECONDS: i64 = 7 * 24 * 3_600;

/// How far a batch has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// All of it is counted.
    Done,
    /// It is written down, in so many pieces; the transactions before `next` are made.
    Open { digest: String, pieces: u64, next: u64, at: Timestamp },
}

impl Progress {
    pub(super) const DONE: &str = "done";
    const OPEN: &str = "open";

    /// What the item of a batch says.
    pub(super) fn of(item: &Item) -> StoreResult<Self> {
        let attributes = Attributes::new(item, OPERATION);
        match attributes.get::<String>("state")?.as_str() {
            Self::DONE => Ok(Self::Done),
            Self::OPEN => Ok(Self::Open {
                digest: attributes.get("digest")?,
                pieces: attributes.get("pieces")?,
                next: attributes.get("next")?,
                at: attributes.get("at")?,
            }),
            other => Err(attributes.unreadable("state", format!("the word {other:?} is not known"))),
        }
    }
}

/// The transaction that a batch waits for; `None` when it waits for none.
pub(super) fn next_of(item: Option<&Item>) -> StoreResult<Option<u64>> {
    Ok(item.map(Progress::of).transpose()?.and_then(|progress| match progress {
        Progress::Open { next, .. } => Some(next),
        Progress::Done => None,
    }))
}

/// What is written down.
struct Journal {
    digest: String,
    pieces: Vec<Vec<u8>>,
}

impl Journal {
    fn of(chunks: &[Chunk]) -> StoreResult<Self> {
        let text = serde_json::to_vec(chunks);
        let text = text.map_err(|error| StoreError::new(StoreErrorKind::Refused("document"), OPERATION).caused_by(error))?;
        Ok(Self { digest: hex(&Sha256::digest(&text)[..16]), pieces: text.chunks(PIECE).map(<[u8]>::to_vec).collect() })
    }
}

impl DynamoDb {
    /// Writes a batch down. Afterwards there is an item of the batch, ours or another sender's.
    pub(super) async fn write_down(
        &self,
        patience: &mut Patience,
        tenant: TenantId,
        id: Uuid,
        at: Timestamp,
        chunks: &[Chunk],
    ) -> StoreResult<()> {
        let Journal { digest, pieces } = Journal::of(chunks)?;
        let count = pieces.len();
        let expires_at = seconds(at).saturating_add(KEPT_SECONDS);
        let mut actions = Vec::new();
        for (number, bytes) in pieces.into_iter().enumerate() {
            let item = Draft::new(&piece(tenant, id, &digest, number)).with("bytes", bytes).with(EXPIRES_AT, expires_at);
            actions.push(Action::Put { item: item.finish(OPERATION)?, when: Condition::none() });
        }
        let head = Draft::new(&batch(tenant, id))
            .with("state", Progress::OPEN)
            .with("digest", digest)
            .with("pieces", count as u64)
            .with("next", 0_u64)
            .with("at", at)
            .finish(OPERATION)?;
        let rest = actions.split_off(count.saturating_sub(1) / PIECES * PIECES);
        let mut groups: Vec<Vec<Action>> = actions.chunks(PIECES).map(<[Action]>::to_vec).collect();
        let head = Action::Put { item: head, when: Condition::absent() };
        groups.push(rest.into_iter().chain([head, Gone::Batch { incarnation: id }.note(OPERATION, tenant, at)?]).collect());
        for group in groups {
            while !self.commit(OPERATION, patience, group.clone()).await? {
                if self.get(OPERATION, patience, &batch(tenant, id)).await?.is_some() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Brings a batch that is written down to its end, and removes what was written down. Does nothing where there is none.
    pub(in super::super) async fn finish_batch(&self, patience: &mut Patience, tenant: TenantId, id: Uuid) -> StoreResult<()> {
        let key = batch(tenant, id);
        let mut read: Option<Vec<Chunk>> = None;
        loop {
            let Some(item) = self.get(OPERATION, patience, &key).await? else { break };
            let Progress::Open { digest, pieces, next, at } = Progress::of(&item)? else { break };
            if read.is_none() {
                read = self.written_down(patience, tenant, id, &digest, pieces).await?;
            }
            // They are removed only when all is done.
            let Some(chunks) = &read else { continue };
            let unreadable = || Attributes::new(&item, OPERATION).unreadable("next", "there are not so many transactions");
            let mut number = usize::try_from(next).map_err(|_| unreadable())?;
            while let Some(chunk) = chunks.get(number) {
                let last = number + 1 == chunks.len();
                let expires_at = last.then(|| remembered_until(at));
                let mark = Mark::Step { batch: key.clone(), number: number as u64, expires_at };
                if !self.make(patience, chunk, &mark).await? {
                    break;
                }
                number += 1;
            }
            if number >= chunks.len() && next >= chunks.len() as u64 {
                return Err(unreadable());
            }
        }
        self.clear_journal(patience, tenant, id).await
    }

    /// What is written down; `None` when the batch was brought to its end meanwhile.
    async fn written_down(
        &self,
        patience: &mut Patience,
        tenant: TenantId,
        id: Uuid,
        digest: &str,
        pieces: u64,
    ) -> StoreResult<Option<Vec<Chunk>>> {
        let keys: Vec<Key> = (0..pieces).filter_map(|n| Some(piece(tenant, id, digest, usize::try_from(n).ok()?))).collect();
        let items = self.get_all(OPERATION, patience, keys.iter().cloned()).await?;
        let mut text = Vec::new();
        for key in &keys {
            let Some(item) = items.get(key) else {
                let stands = self.get(OPERATION, patience, &batch(tenant, id)).await?;
                let is_open = next_of(stands.as_ref())?.is_some();
                let lost = || Attributes::new(&key.item(), OPERATION).unreadable("bytes", "it is missing");
                return if is_open { Err(lost()) } else { Ok(None) };
            };
            text.extend(Attributes::new(item, OPERATION).get::<Vec<u8>>("bytes")?);
        }
        let chunks = serde_json::from_slice(&text);
        chunks.map(Some).map_err(|error| Attributes::new(&batch(tenant, id).item(), OPERATION).unreadable("digest", error))
    }

    /// Removes every piece of a batch, also those of a sender that came too late, and the sweeper's note.
    async fn clear_journal(&self, patience: &mut Patience, tenant: TenantId, id: Uuid) -> StoreResult<()> {
        let range = Range { wanted: Wanted::Prefix("J#".to_owned()), ..Range::all(batch(tenant, id).pk) };
        let pieces = self.query(OPERATION, patience, range).await?;
        let keys = pieces.iter().filter_map(Key::of).chain([Gone::Batch { incarnation: id }.key(tenant)]);
        self.remove(OPERATION, patience, keys).await
    }
}

/// Whole numbers that JSON readers take for fractions, as text.
pub(super) mod whole_numbers {
    use std::collections::BTreeMap;

    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(in super::super) fn serialize<S: Serializer>(digits: &BTreeMap<i8, i128>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(digits.iter().map(|(place, digit)| (place, digit.to_string())))
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<i8, i128>, D::Error> {
        let texts = BTreeMap::<i8, String>::deserialize(deserializer)?;
        texts.into_iter().map(|(place, digit)| Ok((place, digit.parse().map_err(D::Error::custom)?))).collect()
    }
}

/// Bytes as hexadecimal text.
pub(super) mod bytes {
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};

    use super::hex;

    pub(in super::super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex(bytes))
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        let byte = |pair: &[u8; 2]| {
            let text = std::str::from_utf8(pair).map_err(D::Error::custom)?;
            u8::from_str_radix(text, 16).map_err(D::Error::custom)
        };
        if rest.is_empty() { pairs.iter().map(byte).collect() } else { Err(D::Error::custom("an odd number of digits")) }
    }
}
