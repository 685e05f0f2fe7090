//! Content codings: which one a client wants, and making it.

use std::io::{self, Write as _};

use flate2::Compression;
use flate2::write::GzEncoder;

/// Bodies below this size are sent as they are: a packet holds them anyway.
pub(crate) const WORTH_BYTES: usize = 1024;

/// A content coding that we speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    Identity,
    Gzip,
    Brotli,
}

impl Coding {
    /// The token of `Content-Encoding`; empty for none.
    pub(crate) const fn token(self) -> &'static str {
        match self {
            Self::Identity => "",
            Self::Gzip => "gzip",
            Self::Brotli => "br",
        }
    }

    /// The best coding that an `Accept-Encoding` header allows (RFC 9110 §12.5.3): of equal weights brotli, then gzip.
    pub(crate) fn negotiate(accept: Option<&str>) -> Self {
        let Some(accept) = accept else { return Self::Identity };
        let (mut gzip, mut brotli, mut identity, mut any) = (None, None, None, None);
        for item in accept.split(',') {
            let mut parts = item.split(';');
            let token = parts.next().unwrap_or("").trim();
            let weight =
                parts.filter_map(|part| part.trim().strip_prefix("q=")).find_map(|q| q.trim().parse::<f32>().ok()).unwrap_or(1.0);
            let slot = match token {
                t if t.eq_ignore_ascii_case("gzip") || t.eq_ignore_ascii_case("x-gzip") => &mut gzip,
                t if t.eq_ignore_ascii_case("br") => &mut brotli,
                t if t.eq_ignore_ascii_case("identity") => &mut identity,
                "*" => &mut any,
                _ => continue,
            };
            *slot = Some(weight);
        }
        let weight = |own: Option<f32>| own.or(any).unwrap_or(0.0);
        let (gzip, brotli, identity) = (weight(gzip), weight(brotli), identity.unwrap_or(0.0));
        if brotli > 0.0 && brotli >= gzip && brotli >= identity {
            Self::Brotli
        } else if gzip > 0.0 && gzip >= identity {
            Self::Gzip
        } else {
            Self::Identity
        }
    }

    /// `bytes` in this coding.
    ///
    /// # Errors
    /// Never in practice: the sink is memory.
    pub(crate) fn encode(self, bytes: &[u8]) -> io::Result<Vec<u8>> {
        match self {
            Self::Identity => Ok(bytes.to_vec()),
            Self::Gzip => {
                let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 4), Compression::default());
                encoder.write_all(bytes)?;
                encoder.finish()
            }
            Self::Brotli => {
                let mut encoded = Vec::with_capacity(bytes.len() / 4);
                // Quality 5: near the best ratio for JSON at a fraction of the time; a window of 2^22 bytes.
                let mut encoder = brotli::CompressorWriter::new(&mut encoded, 4096, 5, 22);
                encoder.write_all(bytes)?;
                encoder.flush()?;
                drop(encoder);
                Ok(encoded)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;

    #[test]
    fn the_best_allowed_coding_is_chosen() {
        let cases = [
            (None, Coding::Identity),
            (Some(""), Coding::Identity),
            (Some("gzip"), Coding::Gzip),
            (Some("gzip, deflate, br"), Coding::Brotli),
            (Some("br;q=0, gzip;q=0.5"), Coding::Gzip),
            (Some("deflate;q=0.5, identity"), Coding::Identity),
            (Some("*"), Coding::Brotli),
            (Some("*;q=0"), Coding::Identity),
            (Some("gzip;q=0.2, identity;q=0.9"), Coding::Identity),
            (Some("GZIP;q=nonsense"), Coding::Gzip),
        ];
        for (accept, expected) in cases {
            assert_eq!(Coding::negotiate(accept), expected, "{accept:?}");
        }
    }

    #[test]
    fn what_is_encoded_decodes() {
        let text = "flag ".repeat(1000).into_bytes();
        let mut plain = Vec::new();
        flate2::read::GzDecoder::new(&*Coding::Gzip.encode(&text).unwrap()).read_to_end(&mut plain).unwrap();
        assert_eq!(plain, text);
        let mut plain = Vec::new();
        let encoded = Coding::Brotli.encode(&text).unwrap();
        brotli::Decompressor::new(&*encoded, 4096).read_to_end(&mut plain).unwrap();
        assert_eq!(plain, text);
        assert!(encoded.len() < text.len() / 10);
    }
}
