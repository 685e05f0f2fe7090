//! Workspaces on their way out: one export of each at a time, as fast as whoever asked for it reads, and no faster.
//!
//! An export holds a connection to the store from its first record to its last. So there are few at once, one whose reader stops is
//! ended, and while a reader is slow the store is told now and then that somebody is still there.

use std::collections::BTreeSet;
use std::error::Error as StdError;
use std::fmt::{self, Debug};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::{Either, select};
use togglebox_core::{StoreError, StoreResult, TenantId};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tracing::Instrument as _;

use crate::download::{Piece, Pieces};
use crate::error::{ApiError, Code, Result};
use crate::failure;

/// Exports that a node has under way at once: each holds a connection to the store, of which a node may have ten.
const AT_ONCE: usize = 2;

/// When to come back if there are too many.
const RETRY_AFTER_S: u64 = 30;

/// Bytes of a piece.
const PIECE: usize = 64 * 1024;

/// Pieces that wait for their reader.
const AHEAD: usize = 2;

/// How often the store is told that it goes on.
const STAY: Duration = Duration::from_secs(1);

/// How often in a row before a reader that takes no piece meanwhile is given up.
const STAYS: u32 = 30;

/// How long an export may take. Meanwhile a database keeps what is deleted.
const LONGEST: Duration = Duration::from_hours(1);

/// Where workspaces are taken from.
#[async_trait]
pub trait ExportSource: Send + Sync + Debug + 'static {
    /// Begins to write all that a workspace may have of its own into a file.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn begin(&self, tenant: TenantId) -> StoreResult<Box<dyn Export>>;
}

/// A file that is being written. Dropped at any time, it leaves nothing behind.
#[async_trait]
pub trait Export: Send {
    /// The next bytes, some at least; `None` at the end.
    ///
    /// # Errors
    /// The file cannot be brought to its end: another one has to be begun.
    async fn next(&mut self) -> StoreResult<Option<Bytes>>;

    /// Says that it goes on. Called every second while nobody asks for more.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    async fn stay(&mut self) -> StoreResult<()>;
}

/// The exports of a node.
#[derive(Debug)]
pub struct Exports {
    source: Arc<dyn ExportSource>,
    under_way: Mutex<BTreeSet<TenantId>>,
}

/// The right to export a workspace. Given back when dropped.
#[derive(Debug)]
pub(super) struct Turn {
    exports: Arc<Exports>,
    tenant: TenantId,
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.exports.under_way().remove(&self.tenant);
    }
}

impl Exports {
    /// From this source.
    pub fn new(source: Arc<dyn ExportSource>) -> Self {
        Self { source, under_way: Mutex::default() }
    }

    /// # Errors
    /// `ExportRunning` when this node exports the workspace already, `Busy` when it exports too many others.
    pub(super) fn turn(self: &Arc<Self>, tenant: TenantId) -> Result<Turn> {
        let mut under_way = self.under_way();
        if under_way.contains(&tenant) {
            let message = "An export of this workspace is under way: wait until it has ended, or end it";
            return Err(ApiError::new(Code::ExportRunning, message));
        }
        if under_way.len() >= AT_ONCE {
            let message = "Too many exports are under way at once: repeat the request a little later";
            return Err(ApiError::new(Code::Busy, message).retry_after(RETRY_AFTER_S));
        }
        under_way.insert(tenant);
        drop(under_way);
        Ok(Turn { exports: Arc::clone(self), tenant })
    }

    /// Begins an export: what goes wrong before its first bytes is an answer of its own.
    pub(super) async fn begin(&self, turn: Turn) -> Result<Pieces> {
        let mut export = self.source.begin(turn.tenant).await.map_err(failure::store)?;
        let first = export.next().await.map_err(failure::store)?;
        let (to, from) = mpsc::channel(AHEAD);
        tokio::spawn(tell(turn, export, first, to).in_current_span());
        Ok(Pieces::new(from))
    }

    fn under_way(&self) -> MutexGuard<'_, BTreeSet<TenantId>> {
        // A set is whole at any time.
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why an export did not come to its end.
#[derive(Debug)]
enum Broken {
    /// Its reader went away.
    Left,
    /// Its reader takes nothing.
    Stalled,
    /// It took too long.
    TooLong,
    /// The store failed.
    Store(StoreError),
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Left => "its reader went away",
            Self::Stalled => "its reader stopped reading",
            Self::TooLong => "it took too long",
            Self::Store(_) => "the store failed",
        })
    }
}

impl StdError for Broken {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Store(error) => Some(error),
            Self::Left | Self::Stalled | Self::TooLong => None,
        }
    }
}

/// Brings an export to its end, or cuts it off.
async fn tell(turn: Turn, mut export: Box<dyn Export>, first: Option<Bytes>, to: mpsc::Sender<Piece>) {
    let told = timeout(LONGEST, pass_on(&mut *export, first, &to)).await.unwrap_or(Err(Broken::TooLong));
    let tenant = turn.tenant;
    drop(export);
    // Before the end is told: whoever has heard of it may begin the next.
    drop(turn);
    match told {
        Ok(bytes) => {
            tracing::info!(%tenant, bytes, "Exported workspace {tenant}");
            // A reader that takes all but this has all.
            let _ = timeout(STAY * STAYS, to.send(Piece::End)).await;
        }
        Err(error) => {
            let error = &error as &dyn StdError;
            tracing::warn!(%tenant, error, "An export of workspace {tenant} was cut off");
        }
    }
}

/// Passes all on, piece by piece; says how many bytes that were.
async fn pass_on(export: &mut dyn Export, first: Option<Bytes>, to: &mpsc::Sender<Piece>) -> Result<u64, Broken> {
    let (mut next, mut told) = (first, 0);
    while let Some(mut bytes) = next {
        told += bytes.len() as u64;
        while !bytes.is_empty() {
            let room = room(export, to).await?;
            room.send(Piece::Bytes(bytes.split_to(bytes.len().min(PIECE))));
        }
        next = match select(export.next(), pin!(to.closed())).await {
            Either::Left((next, _)) => next.map_err(Broken::Store)?,
            Either::Right(((), _)) => return Err(Broken::Left),
        };
    }
    Ok(told)
}

/// Waits until there is room for one more piece.
async fn room<'t>(export: &mut dyn Export, to: &'t mpsc::Sender<Piece>) -> Result<mpsc::Permit<'t, Piece>, Broken> {
    let mut room = pin!(to.reserve());
    for _ in 0..STAYS {
        match timeout(STAY, &mut room).await {
            Ok(room) => return room.map_err(|_| Broken::Left),
            Err(_) => export.stay().await.map_err(Broken::Store)?,
        }
    }
    Err(Broken::Stalled)
}

#[cfg(test)]
mod tests;
