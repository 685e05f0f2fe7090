//! Reads a file.

use std::io::{self, BufRead, Read as _};

use sha2::{Digest, Sha256};

use super::line::{self, Frame, Header, Trailer};
use super::record::fields::hexadecimal;
use super::{Contents, FORMAT, Fault, Kind, Problem, Record};

/// The most bytes of a line. The largest record is an audit record with what was before and after; no request is larger than a part of it.
const MAX_LINE: usize = 32 << 20;

/// A record and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Counted from 1, which is the header.
    pub number: u64,
    /// How many bytes long the line is.
    pub bytes: usize,
    /// What stands there.
    pub record: Record,
}

/// What a file that was read to its end holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The trailer's checksum: what tells one file from another.
    pub sha256: String,
    /// The records.
    pub contents: Contents,
}

/// A file being read, a line at a time.
#[derive(Debug)]
pub struct Reader<R> {
    input: R,
    hash: Sha256,
    line: Vec<u8>,
    number: u64,
    after: Option<Kind>,
    contents: Contents,
    trailer: Option<String>,
}

impl<R: BufRead> Reader<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// The file does not begin with one, or is of a newer format.
    pub fn begin(input: R) -> Result<(Header, Self), Problem> {
        let mut reader = Self {
            input,
            hash: Sha256::new(),
            line: Vec::new(),
            number: 0,
            after: None,
            contents: Contents::new(),
            trailer: None,
        };
        let header = reader.header().map_err(|fault| reader.problem(fault))?;
        Ok((header, reader))
    }

    fn header(&mut self) -> Result<Header, Fault> {
        if !self.read_line()? {
            return Err(Fault::NoHeader);
        }
        // The format first: the rest of a newer header may read otherwise.
        let known: serde_json::Value = serde_json::from_slice(&self.line).map_err(|_| Fault::NoHeader)?;
        let format = known.pointer("/header/format").and_then(serde_json::Value::as_u64).ok_or(Fault::NoHeader)?;
        if format > FORMAT {
            return Err(Fault::FromTheFuture(format));
        }
        let Frame::Header(header) = line::parse(&self.line)? else { return Err(Fault::NoHeader) };
        self.hash.update(&self.line);
        Ok(header)
    }

    /// The next record; `None` after the last, once the trailer has confirmed the whole file.
    ///
    /// # Errors
    /// What is wrong, and in which line. Nothing more can be read then.
    pub fn next_record(&mut self) -> Result<Option<Line>, Problem> {
        self.record().map_err(|fault| self.problem(fault))
    }

    /// What the file holds; `None` until [`next_record`](Self::next_record) has answered `None`.
    pub fn summary(&self) -> Option<Summary> {
        self.trailer.as_ref().map(|sha256| Summary { sha256: sha256.clone(), contents: self.contents.clone() })
    }

    /// What was read so far.
    pub const fn contents(&self) -> &Contents {
        &self.contents
    }

    fn record(&mut self) -> Result<Option<Line>, Fault> {
        if self.trailer.is_some() {
            return Ok(None);
        }
        if !self.read_line()? {
            // The line that is missing.
            self.number += 1;
            return Err(Fault::CutOff);
        }
        if is_trailer(&self.line) {
            self.trailer()?;
            return Ok(None);
        }
        if !self.line.ends_with(b"\n") {
            return Err(Fault::CutOff);
        }
        let record: Record = line::parse(&self.line)?;
        line::lose_nothing(&self.line, &record)?;
        record.check()?;
        let found = record.kind();
        if let Some(after) = self.after.filter(|after| *after > found) {
            return Err(Fault::Order { found, after });
        }
        self.after = Some(found);
        self.hash.update(&self.line);
        self.contents.add(&record).map_err(|error| Fault::Unreadable(error.into()))?;
        Ok(Some(Line { number: self.number, bytes: self.line.len(), record }))
    }

    fn trailer(&mut self) -> Result<(), Fault> {
        let Frame::Trailer(Trailer { records, sha256 }) = line::parse(&self.line)? else { return Err(Fault::CutOff) };
        // The checksum first: a file that was damaged may count anything.
        if hexadecimal(&self.hash.clone().finalize()) != sha256 {
            return Err(Fault::Checksum);
        }
        let found = self.contents.total();
        if found != records {
            return Err(Fault::Count { told: records, found });
        }
        if self.read_line()? {
            return Err(Fault::AfterTrailer);
        }
        self.trailer = Some(sha256);
        Ok(())
    }

    /// Reads the next line with its end; `false` at the end of the file.
    fn read_line(&mut self) -> Result<bool, Fault> {
        self.line.clear();
        let mut bounded = (&mut self.input).take(MAX_LINE as u64 + 1);
        match bounded.read_until(b'\n', &mut self.line) {
            Ok(0) => return Ok(false),
            Ok(_) => self.number += 1,
            Err(error) => {
                self.number += 1;
                // What gzip says of a file that ends too soon.
                return Err(if error.kind() == io::ErrorKind::UnexpectedEof { Fault::CutOff } else { Fault::Unreadable(error) });
            }
        }
        if self.line.len() > MAX_LINE { Err(Fault::TooLong(MAX_LINE)) } else { Ok(true) }
    }

    const fn problem(&self, fault: Fault) -> Problem {
        Problem { line: if self.number == 0 { 1 } else { self.number }, fault }
    }
}

/// Whether the one field of a line's object is a trailer, however it is spaced.
fn is_trailer(line: &[u8]) -> bool {
    let object = line.trim_ascii_start().strip_prefix(b"{");
    object.is_some_and(|fields| fields.trim_ascii_start().starts_with(b"\"trailer\""))
}
