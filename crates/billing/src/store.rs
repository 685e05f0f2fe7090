//! What this crate needs of a store: documents with a version, written several at a time or not at all.
//!
//! Billing's rules are about few, small records that have to change together: an event is done *and* the account is at its next state
//! *and* a mail is on its way out, or none of it. So the port knows nothing of events, accounts or mails; it knows documents, and promises
//! what SQL and DynamoDB both can: a [commit](BillingStore::commit) of up to [`MOST_WRITES`] documents, each with the version that it was
//! read at, is one act.
//!
//! Every call may fail with `Unavailable`, every one that reads with `Corrupt`. After a commit that failed with `Unavailable` all of it
//! may be done, or nothing: whoever reads again sees which. A call that fails otherwise has changed nothing.

use std::collections::HashSet;
use std::fmt;
use std::fmt::Debug;

use async_trait::async_trait;
use togglebox_core::{Page, PageRequest, StoreError, StoreErrorKind, StoreResult, TenantId, Timestamp};

/// The most documents of one commit.
pub const MOST_WRITES: usize = 25;
/// The most documents of one read.
pub const MOST_READ: usize = 100;
/// The most that [`due`](BillingStore::due) and [`prune`](BillingStore::prune) are asked for.
pub const MOST_AT_ONCE: usize = 1000;
/// The most bytes of a document's body.
pub const MOST_BYTES: usize = 256 * 1024;
/// The most bytes of the bodies of one commit, together.
pub const MOST_COMMIT_BYTES: usize = 2 * 1024 * 1024;
/// The most bytes of a document's id.
pub const MOST_ID_BYTES: usize = 255;
/// The most bytes of the name of a list.
pub const MOST_LIST_BYTES: usize = 64;

/// What a document is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Shelf {
    /// What the payment service told, by the event's id.
    Event,
    /// What is to happen outside the store, by what it is about.
    Effect,
    /// A sign-up, by its id.
    SignUp,
    /// A subscription, by its id there.
    Subscription,
    /// A tenant's account, by the tenant's id.
    Account,
    /// What belongs to exactly one: a customer, a session. By `kind:id`.
    Claim,
    /// Something that a person has to decide.
    Conflict,
    /// Usage that is told to the payment service, by tenant and hour.
    Usage,
    /// Where regular work stands, by its name.
    Task,
}

impl Shelf {
    /// All there are.
    pub const ALL: [Self; 9] = [
        Self::Event,
        Self::Effect,
        Self::SignUp,
        Self::Subscription,
        Self::Account,
        Self::Claim,
        Self::Conflict,
        Self::Usage,
        Self::Task,
    ];

    /// Its word in stores.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Effect => "effect",
            Self::SignUp => "sign-up",
            Self::Subscription => "subscription",
            Self::Account => "account",
            Self::Claim => "claim",
            Self::Conflict => "conflict",
            Self::Usage => "usage",
            Self::Task => "task",
        }
    }

    /// The shelf that a word stands for.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|shelf| shelf.as_str() == word)
    }
}

impl fmt::Display for Shelf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where a document is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address {
    /// What it is about.
    pub shelf: Shelf,
    /// Which; 1 to [`MOST_ID_BYTES`] bytes.
    pub id: Box<str>,
}

impl Address {
    /// On this shelf, of this id.
    pub fn new(shelf: Shelf, id: impl Into<Box<str>>) -> Self {
        Self { shelf, id: id.into() }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.shelf, self.id)
    }
}

/// A document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// Where it is.
    pub address: Address,
    /// Whose it is, once that is known: what goes when the tenant is purged.
    pub tenant: Option<TenantId>,
    /// How often it was written; 1 is the first time.
    pub version: u64,
    /// The list of its shelf in which it stands; 1 to [`MOST_LIST_BYTES`] bytes. Changes with what it comes to: `waiting`, `done`, `dead`.
    pub list: Box<str>,
    /// By what its list is ordered and pruned.
    pub at: Timestamp,
    /// From when on somebody should look at it; `None` when nobody needs to.
    pub due: Option<Timestamp>,
    /// JSON; at most [`MOST_BYTES`].
    pub body: Box<str>,
}

/// A document as a commit leaves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// Writes it. Its `version` is the one that it has now, 0 when it is not there; it is one more afterwards.
    Put(Document),
    /// Removes it, if it has this version.
    Remove(Address, u64),
    /// Leaves it as it is, if it has this version (0: is not there). What the other writes rest on.
    Expect(Address, u64),
}

impl Write {
    /// Which document it is about, and the version that this has to have.
    pub fn expected(&self) -> (&Address, u64) {
        match self {
            Self::Put(document) => (&document.address, document.version),
            Self::Remove(address, version) | Self::Expect(address, version) => (address, *version),
        }
    }
}

/// What became of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a commit that came too late has done nothing"]
pub enum Committed {
    /// All of it is done.
    Done,
    /// Nothing was done: one of the documents has another version by now, or is there, or is not there any more.
    Stale,
}

/// Where billing keeps its documents.
///
/// Every adapter keeps the promises of these methods; `testkit` (the feature) checks them.
#[async_trait]
pub trait BillingStore: Send + Sync + Debug + 'static {
    /// Documents by their addresses, in their order; at most [`MOST_READ`], and one may be asked for twice. Each as the last commit left it
    /// that had returned before, or a later one.
    ///
    /// # Errors
    /// `LimitReached`.
    async fn get(&self, addresses: &[Address]) -> StoreResult<Vec<Option<Document>>>;

    /// Does all these writes as one act, if every document still has the version that its write names. At most [`MOST_WRITES`], of different
    /// documents, with at most [`MOST_COMMIT_BYTES`] of bodies; none is done at once. What is removed and written again begins with version 1.
    ///
    /// # Errors
    /// `LimitReached` for too many, `TooLarge` for a body or all of them together, `Refused` for an address twice (`address-twice`), or an id
    /// or a list that is too long or empty (`id-length`, `list-length`): [`check_writes`].
    async fn commit(&self, writes: &[Write]) -> StoreResult<Committed>;

    /// Documents of a shelf that were due at `now` or before, those that have been due the longest first, with the same moment in the order of
    /// their ids' bytes; at most `limit` (1 to [`MOST_AT_ONCE`]). May miss what was committed at this very moment, never what was before a second ago.
    ///
    /// # Errors
    /// `Unavailable`, `Corrupt`.
    async fn due(&self, shelf: Shelf, now: Timestamp, limit: usize) -> StoreResult<Vec<Document>>;

    /// The documents of a list, the newest (`at`) first; with the same `at` in the descending order of their ids' bytes.
    ///
    /// # Errors
    /// `InvalidCursor`.
    async fn list(&self, shelf: Shelf, list: &str, page: &PageRequest) -> StoreResult<Page<Document>>;

    /// A tenant's documents of a shelf, in the order of their ids' bytes.
    ///
    /// # Errors
    /// `InvalidCursor`.
    async fn of(&self, tenant: TenantId, shelf: Shelf, page: &PageRequest) -> StoreResult<Page<Document>>;

    /// Removes documents of a list whose `at` is before `before`, at most `limit` (1 to [`MOST_AT_ONCE`]); says how many. Fewer than
    /// `limit` means that none are left. One that was changed meanwhile stays.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn prune(&self, shelf: Shelf, list: &str, before: Timestamp, limit: usize) -> StoreResult<usize>;
}

/// Whether so many documents may be read at once. For adapters: every one of them begins a [`get`](BillingStore::get) with it.
///
/// # Errors
/// `LimitReached`.
pub fn check_addresses(addresses: &[Address], operation: &'static str) -> StoreResult<()> {
    if addresses.len() > MOST_READ {
        return Err(StoreError::new(StoreErrorKind::LimitReached { limit: MOST_READ }, operation));
    }
    Ok(())
}

/// Whether a commit is within its bounds. For adapters: every one of them begins a [`commit`](BillingStore::commit) with it.
///
/// # Errors
/// Those of [`commit`](BillingStore::commit) that do not depend on what is stored.
pub fn check_writes(writes: &[Write], operation: &'static str) -> StoreResult<()> {
    let refused = |kind| Err(StoreError::new(kind, operation));
    if writes.len() > MOST_WRITES {
        return refused(StoreErrorKind::LimitReached { limit: MOST_WRITES });
    }
    let (mut addresses, mut bytes) = (HashSet::with_capacity(writes.len()), 0);
    for write in writes {
        let (address, _) = write.expected();
        if !(1..=MOST_ID_BYTES).contains(&address.id.len()) {
            return refused(StoreErrorKind::Refused(ID_LENGTH));
        }
        if !addresses.insert(address) {
            return refused(StoreErrorKind::Refused(ADDRESS_TWICE));
        }
        let Write::Put(document) = write else { continue };
        if !(1..=MOST_LIST_BYTES).contains(&document.list.len()) {
            return refused(StoreErrorKind::Refused(LIST_LENGTH));
        }
        if document.body.len() > MOST_BYTES {
            return refused(StoreErrorKind::TooLarge { limit: MOST_BYTES });
        }
        bytes += document.body.len();
    }
    if bytes > MOST_COMMIT_BYTES {
        return refused(StoreErrorKind::TooLarge { limit: MOST_COMMIT_BYTES });
    }
    Ok(())
}

/// An address stands twice in one commit; the name in [`Refused`](togglebox_core::StoreErrorKind::Refused).
pub const ADDRESS_TWICE: &str = "address-twice";
/// An id is empty or too long.
pub const ID_LENGTH: &str = "id-length";
/// The name of a list is empty or too long.
pub const LIST_LENGTH: &str = "list-length";
