//! What can be wrong with a file.

use std::io;

use super::{FORMAT, Kind};

/// What is wrong with a file, and where.
#[derive(Debug, thiserror::Error)]
#[error("line {line}: {fault}")]
pub struct Problem {
    /// Counted from 1.
    pub line: u64,
    /// What is wrong there.
    pub fault: Fault,
}

/// What can be wrong with a line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The medium failed.
    #[error("the file cannot be read: {0}")]
    Unreadable(io::Error),
    /// More than any record has.
    #[error("the line has more than {0} bytes")]
    TooLong(usize),
    /// Not what a line of its place says.
    #[error("{path}{detail}")]
    Malformed {
        /// Where in the line, as `flag.key`, with a colon and a space; empty for the line as a whole.
        path: String,
        /// What is wrong there.
        detail: String,
    },
    /// A field that would be lost.
    #[error("{0}: there is no such field")]
    Unknown(String),
    /// A header that is not the first line, or none there.
    #[error("this is not a ToggleBox export: the first line must be a header")]
    NoHeader,
    /// A file that a newer version has written.
    #[error("the file has format {0}, but this version of the program reads only up to {FORMAT}: use the newer version")]
    FromTheFuture(u64),
    /// Kinds have an order.
    #[error("a record of kind {found} stands after one of kind {after}: parents must come before what belongs to them")]
    Order {
        /// What stands here.
        found: Kind,
        /// What stood before.
        after: Kind,
    },
    /// The file ends before its trailer.
    #[error("the file is cut off: the trailer is missing")]
    CutOff,
    /// Something follows the trailer.
    #[error("something stands after the trailer")]
    AfterTrailer,
    /// The trailer counts other than the lines do.
    #[error("the trailer tells of {told} records, but there are {found}")]
    Count {
        /// In the trailer.
        told: u64,
        /// In the file.
        found: u64,
    },
    /// What stands in the file is not what was written.
    #[error("the checksum does not match: the file was altered or damaged")]
    Checksum,
}
