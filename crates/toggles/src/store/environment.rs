//! The port that snapshots are loaded through.

use std::fmt::Debug;

use async_trait::async_trait;
use togglebox_core::{Revision, StoreResult, TenantId, Timestamp};
use uuid::Uuid;

use crate::{Experiment, Flag, Parameter, Scope};

/// Everything that clients of an environment can get, at one revision.
#[derive(Clone, Debug, PartialEq)]
pub struct EnvironmentState {
    /// The environment's id: a re-created environment has another one.
    pub id: Uuid,
    /// Counts the writes inside the environment.
    pub revision: Revision,
    /// When the last of them happened; the environment's creation when there was none.
    pub changed_at: Timestamp,
    /// Every parameter (active version), by key.
    pub parameters: Vec<Parameter>,
    /// The active version of every flag, by key.
    pub flags: Vec<Flag>,
    /// Every experiment, by key.
    pub experiments: Vec<Experiment>,
}

/// Where snapshots are loaded from.
#[async_trait]
pub trait EnvironmentStore: Send + Sync + Debug + 'static {
    /// The whole environment at one revision; `None` when it does not exist.
    ///
    /// # Errors
    /// `Unavailable`, `Corrupt`.
    async fn load(&self, tenant: TenantId, scope: &Scope) -> StoreResult<Option<EnvironmentState>>;
}
