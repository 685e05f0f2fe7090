//! Writes a file.

use std::io::{self, Write};

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::line::{Frame, Header, Trailer};
use super::record::fields::hexadecimal;
use super::{Contents, Record};

/// A file being written: a header, a record a line, and a trailer that says that this was all.
#[derive(Debug)]
pub struct Writer<W> {
    output: W,
    hash: Sha256,
    line: Vec<u8>,
    contents: Contents,
}

impl<W: Write> Writer<W> {
    /// Writes the header.
    ///
    /// # Errors
    /// The output's.
    pub fn begin(output: W, header: &Header) -> io::Result<Self> {
        let mut writer = Self { output, hash: Sha256::new(), line: Vec::new(), contents: Contents::new() };
        writer.write(&Frame::Header(header.clone()))?;
        Ok(writer)
    }

    /// Writes a record.
    ///
    /// # Errors
    /// The output's.
    pub fn record(&mut self, record: &Record) -> io::Result<()> {
        self.contents.add(record)?;
        self.write(record)
    }

    /// Writes the trailer; gives the output back, and what was written.
    ///
    /// # Errors
    /// The output's.
    pub fn finish(mut self) -> io::Result<(W, Contents)> {
        let sha256 = hexadecimal(&self.hash.clone().finalize());
        self.write(&Frame::Trailer(Trailer { records: self.contents.total(), sha256 }))?;
        self.output.flush()?;
        Ok((self.output, self.contents))
    }

    /// Where it is written to: what gathers there can be taken out between two records.
    pub const fn output(&mut self) -> &mut W {
        &mut self.output
    }

    /// What was written so far.
    pub const fn contents(&self) -> &Contents {
        &self.contents
    }

    fn write(&mut self, value: &impl Serialize) -> io::Result<()> {
        self.line.clear();
        serde_json::to_writer(&mut self.line, value)?;
        self.line.push(b'\n');
        self.hash.update(&self.line);
        self.output.write_all(&self.line)
    }
}
