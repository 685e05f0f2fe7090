//! Moves everything from one store to another by way of a file.

mod export;
mod files;
mod import;
mod journal;
mod keys;
#[cfg(feature = "dynamodb")]
mod original;
mod progress;
#[cfg(feature = "cloud")]
mod workspace;

use std::fmt::Write as _;

use togglebox_storage::transfer::{Contents, Problem};

pub use self::export::export;
pub use self::import::{Import, import};
#[cfg(feature = "dynamodb")]
pub use self::original::{OriginalExport, OriginalTableName, export_original};
#[cfg(feature = "cloud")]
pub use self::workspace::workspace_export;

/// What a file that cannot be used, or tables that cannot be taken whole, ends with: `EX_DATAERR` of `sysexits.h`.
const BAD_FILE: u8 = 65;
/// What a place that is taken ends with: `EX_CANTCREAT` of `sysexits.h`.
const TAKEN: u8 = 73;

/// A place that is not free to be written to.
#[derive(Debug, thiserror::Error)]
enum Taken {
    #[error("there is a file {0} already: nothing was written")]
    File(String),
    #[error("the store {0} is not empty: an import needs an empty one. Nothing was written")]
    Store(String),
}

/// How a program ends after this error.
pub(super) fn exit_code(error: &anyhow::Error) -> Option<u8> {
    error.chain().find_map(|cause| {
        if cause.is::<Problem>() || is_lossy(cause) {
            return Some(BAD_FILE);
        }
        cause.is::<Taken>().then_some(TAKEN)
    })
}

/// Whether something of the original's would be lost.
#[cfg(feature = "dynamodb")]
fn is_lossy(cause: &(dyn std::error::Error + 'static)) -> bool {
    cause.is::<original::Lossy>()
}

/// Nothing of the original's is read in this build.
#[cfg(not(feature = "dynamodb"))]
const fn is_lossy(_cause: &(dyn std::error::Error + 'static)) -> bool {
    false
}

/// The records of each kind, a line each.
fn listed(contents: &Contents) -> String {
    contents.counts().iter().fold(String::new(), |mut text, (kind, count)| {
        let _ = writeln!(text, "  {kind}: {count}");
        text
    })
}
