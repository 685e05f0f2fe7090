//! What the command line does, as functions: text in, text out.

mod admin;
mod check;
mod demo;
#[cfg(feature = "cloud")]
mod stripe;
#[cfg(feature = "dynamodb")]
mod table;
mod transfer;
#[cfg(feature = "cloud")]
mod workspace;

pub use admin::{create_admin, set_password};
#[cfg(feature = "cloud")]
pub use admin::{create_operator, set_central_password};
pub use check::check;
#[cfg(feature = "cloud")]
pub use check::check_cloud;
pub use demo::demo;
#[cfg(feature = "cloud")]
pub use stripe::{Requeue, stripe_check, stripe_requeue};
#[cfg(feature = "dynamodb")]
pub use table::{TableRequest, create as create_table};
#[cfg(feature = "cloud")]
pub use transfer::workspace_export;
pub use transfer::{Import, export, import};
#[cfg(feature = "dynamodb")]
pub use transfer::{OriginalExport, OriginalTableName, export_original};
#[cfg(feature = "cloud")]
pub use workspace::workspace_left;

use crate::node::Node;

/// Closes the store after a command. What the command did is done, and told, whatever the store says at its end.
async fn leave(node: &Node) {
    if let Err(error) = node.close().await {
        tracing::warn!("The store did not close as it should: {error:#}");
    }
}

/// What a configuration that turns out to be wrong ends with, as one that is wrong at first sight: `EX_USAGE` of `sysexits.h`.
#[cfg(feature = "cloud")]
const BAD_CONFIGURATION: u8 = 64;

/// How a program ends after this error.
pub fn exit_code(error: &anyhow::Error) -> Option<u8> {
    #[cfg(feature = "cloud")]
    if error.is::<workspace::SomethingLeft>() {
        return Some(workspace::SOMETHING_LEFT);
    }
    #[cfg(feature = "cloud")]
    if error.is::<crate::cloud::billing::WrongPrices>() {
        return Some(BAD_CONFIGURATION);
    }
    transfer::exit_code(error)
}
