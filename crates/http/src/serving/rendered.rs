//! A response body, rendered once and kept in each coding that was asked for.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use crate::coding::{Coding, WORTH_BYTES};

/// Bodies up to this size are encoded where they are asked for; larger ones on a thread that may take its time.
const INLINE_BYTES: usize = 64 * 1024;

/// A body in its codings.
#[derive(Debug)]
pub(crate) struct Rendered {
    identity: Bytes,
    gzip: OnceLock<Bytes>,
    brotli: OnceLock<Bytes>,
}

impl Rendered {
    pub(crate) fn new(body: Vec<u8>) -> Arc<Self> {
        Arc::new(Self { identity: body.into(), gzip: OnceLock::new(), brotli: OnceLock::new() })
    }

    /// The body in `wanted`, or in fewer words: as it is, when encoding would not be worth it or fails.
    pub(crate) async fn body(self: &Arc<Self>, wanted: Coding) -> (Bytes, Coding) {
        let slot = match wanted {
            Coding::Gzip if self.identity.len() >= WORTH_BYTES => &self.gzip,
            Coding::Brotli if self.identity.len() >= WORTH_BYTES => &self.brotli,
            _ => return (self.identity.clone(), Coding::Identity),
        };
        if let Some(encoded) = slot.get() {
            return (encoded.clone(), wanted);
        }
        let encoded = if self.identity.len() <= INLINE_BYTES {
            wanted.encode(&self.identity).ok()
        } else {
            let identity = self.identity.clone();
            tokio::task::spawn_blocking(move || wanted.encode(&identity).ok()).await.ok().flatten()
        };
        match encoded {
            Some(encoded) => (slot.get_or_init(|| encoded.into()).clone(), wanted),
            None => (self.identity.clone(), Coding::Identity),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_coding_is_made_once() {
        let rendered = Rendered::new(b"x".repeat(200_000));
        let (first, coding) = rendered.body(Coding::Brotli).await;
        let (again, _) = rendered.body(Coding::Brotli).await;
        assert_eq!(coding, Coding::Brotli);
        assert_eq!(first.as_ptr(), again.as_ptr());
        let small = Rendered::new(b"x".repeat(100));
        assert_eq!(small.body(Coding::Gzip).await.1, Coding::Identity);
    }
}
