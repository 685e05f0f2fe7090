//! A workspace as a file that `togglebox import` takes.
//!
//! What its people may have, and nothing else: no hash of a password, no key, no sign-in, nothing of the register, and of its guests those
//! who are its members; one of the operator's people who looks in is a guest, too.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use actix_web::web::Bytes;
use async_trait::async_trait;
use togglebox_core::{Clock, PageRequest, StoreError, StoreErrorKind, StoreResult, TenantId};
use togglebox_http::cloud::{Export, ExportSource};
use togglebox_multitenancy::store::MemberStore;
use togglebox_storage::transfer::{Contents, Dump, FORMAT, Header, Kind, Record, Transfer, Writer};
use uuid::Uuid;

const OPERATION: &str = "workspace.export";

/// Bytes that are written before they are passed on, about.
const PAGE_BYTES: usize = 256 * 1024;

/// The most records that are asked for at once.
const PAGE: usize = 100;

/// Members that are read at once.
const MEMBERS: usize = 200;

/// Of a workspace that was written to meanwhile, some would be there in parts.
#[derive(Debug, thiserror::Error)]
#[error("the workspace was changed while it was read: export it again")]
struct Changed;

/// Where workspaces are exported from.
#[derive(Clone, Debug)]
pub(crate) struct Workspaces {
    store: Arc<dyn Transfer>,
    members: Arc<dyn MemberStore>,
    clock: Arc<dyn Clock>,
}

impl Workspaces {
    pub(crate) const fn new(store: Arc<dyn Transfer>, members: Arc<dyn MemberStore>, clock: Arc<dyn Clock>) -> Self {
        Self { store, members, clock }
    }

    /// Begins a file.
    ///
    /// # Errors
    /// `Unavailable`, `Corrupt`.
    pub(crate) async fn file(&self, tenant: TenantId) -> StoreResult<WorkspaceFile> {
        // First: a dump may hold the only connection that there is.
        let members = self.members(tenant).await?;
        let dump = self.store.dump(tenant).await?;
        let header = Header {
            format: FORMAT,
            product: format!("togglebox-cloud {}", env!("CARGO_PKG_VERSION")),
            tenant,
            engine: self.store.engine().to_owned(),
            at: self.clock.now(),
            // Tells nothing without keys, and would let whoever guesses the secret know.
            key_secret: None,
        };
        let writer = Writer::begin(Vec::new(), &header).map_err(unwritten)?;
        let is_of_one_moment = dump.is_of_one_moment();
        Ok(WorkspaceFile {
            store: Arc::clone(&self.store),
            tenant,
            members,
            stage: Stage::Records(dump, writer),
            places: (!is_of_one_moment).then(Contents::new),
            page: 1,
        })
    }

    async fn members(&self, tenant: TenantId) -> StoreResult<BTreeSet<Uuid>> {
        let (mut members, mut page) = (BTreeSet::new(), PageRequest::first(MEMBERS));
        loop {
            let part = self.members.list(tenant, &page).await?;
            members.extend(part.items.iter().map(|member| member.user));
            match part.next {
                Some(next) => page = PageRequest::first(MEMBERS).after(Some(next)),
                None => return Ok(members),
            }
        }
    }
}

#[async_trait]
impl ExportSource for Workspaces {
    async fn begin(&self, tenant: TenantId) -> StoreResult<Box<dyn Export>> {
        Ok(Box::new(self.file(tenant).await?))
    }
}

/// A file that is being written.
pub(crate) struct WorkspaceFile {
    store: Arc<dyn Transfer>,
    tenant: TenantId,
    members: BTreeSet<Uuid>,
    stage: Stage,
    /// What says how far everything has counted, as it was told: where a dump is not of one moment.
    places: Option<Contents>,
    /// How many records to ask for.
    page: usize,
}

enum Stage {
    Records(Box<dyn Dump>, Writer<Vec<u8>>),
    /// The trailer is written, and was all.
    Over(Contents),
    /// It went wrong.
    Broken,
}

impl WorkspaceFile {
    /// What was written, once that is all.
    pub(crate) const fn contents(&self) -> Option<&Contents> {
        match &self.stage {
            Stage::Over(contents) => Some(contents),
            Stage::Records(..) | Stage::Broken => None,
        }
    }

    /// How many records were written so far.
    pub(crate) fn records(&self) -> u64 {
        match &self.stage {
            Stage::Records(_, writer) => writer.contents().total(),
            Stage::Over(contents) => contents.total(),
            Stage::Broken => 0,
        }
    }

    /// Writes the next records.
    async fn write_on(&mut self) -> StoreResult<Option<Vec<u8>>> {
        let (mut dump, mut writer) = match std::mem::replace(&mut self.stage, Stage::Broken) {
            Stage::Records(dump, writer) => (dump, writer),
            Stage::Over(contents) => {
                self.stage = Stage::Over(contents);
                return Ok(None);
            }
            Stage::Broken => return Err(StoreError::new(StoreErrorKind::Unavailable, OPERATION)),
        };
        while writer.output().len() < PAGE_BYTES {
            let before = writer.output().len();
            let records = dump.next(self.page).await?;
            if records.is_empty() {
                drop(dump);
                self.expect_unchanged().await?;
                let (bytes, contents) = writer.finish().map_err(unwritten)?;
                self.stage = Stage::Over(contents);
                return Ok(Some(bytes));
            }
            for record in records {
                if let Some(places) = self.places.as_mut().filter(|_| is_place(record.kind())) {
                    places.add(&record).map_err(io::Error::from).map_err(unwritten)?;
                }
                if let Some(record) = self.shared(record) {
                    writer.record(&record).map_err(unwritten)?;
                }
            }
            self.page = page_after(self.page, writer.output().len() - before);
        }
        let bytes = std::mem::take(writer.output());
        self.stage = Stage::Records(dump, writer);
        Ok(Some(bytes))
    }

    /// The record as the workspace's people may have it.
    fn shared(&self, record: Record) -> Option<Record> {
        match &record {
            Record::User(user) if !self.members.contains(&user.id) => None,
            _ => record.without_secrets(),
        }
    }

    /// Whether everything has counted as far as it had at the beginning, where an engine has no view of one moment: then nothing was made,
    /// changed or deleted meanwhile, and whatever is in the file belongs together. Figures go on; nothing hangs on them.
    async fn expect_unchanged(&mut self) -> StoreResult<()> {
        let Some(told) = &self.places else { return Ok(()) };
        let (mut dump, mut now) = (self.store.dump(self.tenant).await?, Contents::new());
        loop {
            let records = dump.next(PAGE).await?;
            for record in records.iter().filter(|record| is_place(record.kind())) {
                now.add(record).map_err(io::Error::from).map_err(unwritten)?;
            }
            if records.last().is_none_or(|record| !is_place(record.kind())) {
                break;
            }
        }
        if now == *told { Ok(()) } else { Err(StoreError::new(StoreErrorKind::Unavailable, OPERATION).caused_by(Changed)) }
    }
}

#[async_trait]
impl Export for WorkspaceFile {
    async fn next(&mut self) -> StoreResult<Option<Bytes>> {
        Ok(self.write_on().await?.map(Bytes::from))
    }

    async fn stay(&mut self) -> StoreResult<()> {
        match &mut self.stage {
            Stage::Records(dump, _) => dump.stay().await,
            Stage::Over(_) | Stage::Broken => Ok(()),
        }
    }
}

/// Whether a record says how far something has counted.
fn is_place(kind: Kind) -> bool {
    kind <= Kind::Environment
}

/// How many records to ask for after `page` of them made so many bytes: twice as many at most, and fewer where they are large, so that what
/// is held stays small.
fn page_after(page: usize, bytes: usize) -> usize {
    let each = (bytes / page).max(1);
    (PAGE_BYTES / each).clamp(1, PAGE.min(2 * page))
}

/// As it is written to memory, only a programming error makes this fail.
fn unwritten(error: io::Error) -> StoreError {
    StoreError::new(StoreErrorKind::Corrupt, OPERATION).caused_by(error)
}

#[cfg(test)]
mod tests;
