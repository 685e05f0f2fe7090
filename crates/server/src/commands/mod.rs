//! What the command line does, as functions: text in, text out.

mod admin;
mod check;
mod demo;
#[cfg(feature = "dynamodb")]
mod table;
mod transfer;

pub use admin::{create_admin, set_password};
#[cfg(feature = "cloud")]
pub use admin::{create_operator, set_central_password};
pub use check::check;
#[cfg(feature = "cloud")]
pub use check::check_cloud;
pub use demo::demo;
#[cfg(feature = "dynamodb")]
pub use table::{TableRequest, create as create_table};
pub use transfer::{Import, exit_code, export, import};
#[cfg(feature = "dynamodb")]
pub use transfer::{OriginalExport, OriginalTableName, export_original};

use crate::node::Node;

/// Closes the store after a command. What the command did is done, and told, whatever the store says at its end.
async fn leave(node: &Node) {
    if let Err(error) = node.close().await {
        tracing::warn!("The store did not close as it should: {error:#}");
    }
}
