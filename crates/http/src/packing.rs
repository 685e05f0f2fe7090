//! Compressed bodies, unpacked in steps: what may become large is known before it is.

use std::io::Read;

use actix_web::http::header::{CONTENT_ENCODING, HeaderMap};
use bytes::{Buf as _, Bytes};

use crate::budget::Part;
use crate::error::{ApiError, Code, Result};

/// How a body is compressed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Packing {
    Gzip,
    Deflate,
    Brotli,
}

/// How the body under these headers is compressed; `None`: not at all.
pub(crate) fn packing(headers: &HeaderMap) -> Result<Option<Packing>> {
    let coding = headers.get(CONTENT_ENCODING).map(|value| value.to_str().unwrap_or("?").trim().to_ascii_lowercase());
    match coding.as_deref() {
        None | Some("" | "identity") => Ok(None),
        Some("gzip" | "x-gzip") => Ok(Some(Packing::Gzip)),
        Some("deflate") => Ok(Some(Packing::Deflate)),
        Some("br") => Ok(Some(Packing::Brotli)),
        Some(_) => {
            Err(ApiError::new(Code::UnsupportedMediaType, "unsupported content encoding: use gzip, deflate, br or identity"))
        }
    }
}

/// A body as far as it is unpacked.
pub(crate) struct Unpacking {
    decoder: Box<dyn Read + Send>,
    plain: Vec<u8>,
    /// Of the packed bytes, and of what is made of them.
    part: Part,
}

impl Unpacking {
    pub(crate) fn of(packing: Packing, bytes: Bytes, part: Part) -> Self {
        let packed = bytes.reader();
        let decoder: Box<dyn Read + Send> = match packing {
            Packing::Gzip => Box::new(flate2::read::MultiGzDecoder::new(packed)),
            Packing::Deflate => Box::new(flate2::read::ZlibDecoder::new(packed)),
            Packing::Brotli => Box::new(brotli::Decompressor::new(packed, 4096)),
        };
        Self { decoder, plain: Vec::new(), part }
    }

    /// Makes room for `bytes`, packed and plain together.
    pub(crate) async fn make_room(&mut self, bytes: usize) -> Result<()> {
        self.part.grow(bytes).await
    }

    /// Unpacks up to `most` bytes in all, and says whether that was the whole.
    pub(crate) fn go_on(&mut self, most: usize) -> Result<bool> {
        // One more than wanted: it tells whether there is more.
        let wanted = (most + 1).saturating_sub(self.plain.len());
        // No more than what there is room for; pages that are not written to take no memory.
        self.plain.reserve_exact(wanted);
        let unpacked = (&mut self.decoder).take(u64::try_from(wanted).unwrap_or(u64::MAX)).read_to_end(&mut self.plain);
        unpacked.map_err(|_| ApiError::new(Code::BadRequest, "The body does not match its Content-Encoding"))?;
        Ok(self.plain.len() <= most)
    }

    /// What is unpacked so far.
    pub(crate) fn plain(&self) -> &[u8] {
        &self.plain
    }
}
