//! What is left of a workspace.

use std::fmt::Write as _;

use anyhow::Context as _;
use togglebox_core::TenantId;
use uuid::Uuid;

use super::leave;
use crate::node::Node;
use crate::settings::{CloudSettings, Settings};

/// What a workspace of which something is there ends with: `EX_TEMPFAIL` of `sysexits.h`.
pub(super) const SOMETHING_LEFT: u8 = 75;

/// Something of a workspace is in the store.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct SomethingLeft(String);

/// Counts what there is of a workspace, by kind; says so where there is nothing. It reads all that the store has of it, and in DynamoDB the
/// whole table.
///
/// # Errors
/// The id is none; the store cannot be read. Where something is there, the list of it is the error.
pub async fn workspace_left(settings: &Settings, cloud: &CloudSettings, id: &str) -> anyhow::Result<String> {
    let id: Uuid = id.parse().with_context(|| format!("{id:?} is not the id of a workspace"))?;
    let node = Node::open_cloud_for_a_command(settings, cloud).await?;
    let counted = node.left(TenantId::from_uuid(id)).await;
    leave(&node).await;
    let left = counted.context("what is left could not be counted")?;
    if left.is_nothing() {
        return Ok(format!("Nothing is left of the workspace {id}\n"));
    }
    let standing = if left.is_known { "has its record" } else { "does not know it" };
    let mut list = format!("There are {} records of the workspace {id}, and the register {standing}", left.total());
    for (kind, count) in &left.counts {
        let _ = write!(list, "\n  {kind}: {count}");
    }
    Err(SomethingLeft(list).into())
}
