//! A response body, rendered once and kept in each coding that was asked for.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use crate::coding::{Coding, WORTH_BYTES};

/// Bodies up to this size are encoded where they are asked for; larger ones on a thread that may take its time.
pub(crate) const INLINE_BYTES: usize = 64 * 1024;

/// What bodies are unless they say otherwise.
const JSON: &str = "application/json; charset=utf-8";

/// A body in its codings.
#[derive(Debug)]
pub(crate) struct Rendered {
    content_type: &'static str,
    identity: Bytes,
    gzip: OnceLock<Bytes>,
    brotli: OnceLock<Bytes>,
}

impl Rendered {
    /// A JSON body.
    pub(crate) fn new(body: Vec<u8>) -> Arc<Self> {
        Self::of(JSON, body)
    }

    /// A body of this type.
    pub(crate) fn of(content_type: &'static str, body: impl Into<Bytes>) -> Arc<Self> {
        Arc::new(Self { content_type, identity: body.into(), gzip: OnceLock::new(), brotli: OnceLock::new() })
    }

    /// Its `Content-Type`.
    pub(crate) const fn content_type(&self) -> &'static str {
        self.content_type
    }

    /// The body in `wanted`, or as it is: when encoding would not be worth it, failed, or is still to be [made](Self::make).
    pub(crate) fn body(&self, wanted: Coding) -> (Bytes, Coding) {
        match self.slot(wanted).and_then(OnceLock::get) {
            Some(encoded) => (encoded.clone(), wanted),
            None => (self.identity.clone(), Coding::Identity),
        }
    }

    /// Whether `wanted` is there to be had, as far as it is worth having.
    pub(crate) fn is_made(&self, wanted: Coding) -> bool {
        self.slot(wanted).is_none_or(|slot| slot.get().is_some())
    }

    /// Makes the body in `wanted`, unless it is there or not worth it.
    pub(crate) async fn make(&self, wanted: Coding) {
        let Some(slot) = self.slot(wanted).filter(|slot| slot.get().is_none()) else { return };
        let encoded = if self.identity.len() <= INLINE_BYTES {
            wanted.encode(&self.identity).ok()
        } else {
            let identity = self.identity.clone();
            tokio::task::spawn_blocking(move || wanted.encode(&identity).ok()).await.ok().flatten()
        };
        if let Some(encoded) = encoded {
            slot.get_or_init(|| encoded.into());
        }
    }

    fn slot(&self, wanted: Coding) -> Option<&OnceLock<Bytes>> {
        let slot = match wanted {
            Coding::Identity => return None,
            Coding::Gzip => &self.gzip,
            Coding::Brotli => &self.brotli,
        };
        (self.identity.len() >= WORTH_BYTES).then_some(slot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_coding_is_made_once() {
        let rendered = Rendered::new(b"x".repeat(200_000));
        assert!(!rendered.is_made(Coding::Brotli));
        assert_eq!(rendered.body(Coding::Brotli).1, Coding::Identity, "until it is made");
        rendered.make(Coding::Brotli).await;
        let (first, coding) = rendered.body(Coding::Brotli);
        rendered.make(Coding::Brotli).await;
        assert_eq!(coding, Coding::Brotli);
        assert_eq!(first.as_ptr(), rendered.body(Coding::Brotli).0.as_ptr());
        let small = Rendered::new(b"x".repeat(100));
        assert!(small.is_made(Coding::Gzip));
        assert_eq!(small.body(Coding::Gzip).1, Coding::Identity);
    }
}
