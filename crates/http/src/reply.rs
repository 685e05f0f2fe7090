//! What a handler answers with.

use std::sync::Arc;

use actix_web::http::StatusCode;
use serde::Serialize;
use togglebox_core::Timestamp;

#[cfg(feature = "cloud")]
use crate::download::Download;
use crate::etag::EntityTag;
use crate::serving::Rendered;

/// Who may keep an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caching {
    /// The contract says nothing: no header.
    Silent,
    /// Nobody.
    Never,
    /// Anyone who may read it, if they ask again each time (or as long as the configuration allows).
    Revalidate,
}

/// A body.
#[derive(Debug)]
pub(crate) enum Content {
    Empty,
    /// JSON made for this answer.
    Json(Vec<u8>),
    /// What is kept in memory.
    Rendered(Arc<Rendered>),
    /// What is told as it comes.
    #[cfg(feature = "cloud")]
    Download(Download),
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) content: Content,
    pub(crate) tag: Option<EntityTag>,
    pub(crate) stale: bool,
    pub(crate) retry_after_s: Option<u64>,
}

impl Reply {
    pub(crate) const fn new(status: StatusCode, content: Content) -> Self {
        Self { status, content, tag: None, stale: false, retry_after_s: None }
    }

    /// 200 with `data`.
    pub(crate) fn data(now: Timestamp, data: &impl Serialize) -> Self {
        Self::json(StatusCode::OK, envelope(Some(data), None, None::<&()>, now))
    }

    /// 201 with `data`.
    pub(crate) fn created(now: Timestamp, data: &impl Serialize) -> Self {
        Self::json(StatusCode::CREATED, envelope(Some(data), None, None::<&()>, now))
    }

    /// 200 with `data` and `meta`.
    pub(crate) fn list(now: Timestamp, data: &impl Serialize, meta: &impl Serialize) -> Self {
        Self::json(StatusCode::OK, envelope(Some(data), None, Some(meta), now))
    }

    /// 200 with a message and no data.
    pub(crate) fn message(now: Timestamp, message: &str) -> Self {
        Self::json(StatusCode::OK, envelope(None::<&()>, Some(message), None::<&()>, now))
    }

    /// The same with another status.
    #[cfg(feature = "cloud")]
    pub(crate) fn status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    /// 204.
    pub(crate) const fn no_content() -> Self {
        Self::new(StatusCode::NO_CONTENT, Content::Empty)
    }

    /// 200 with what is kept in memory.
    pub(crate) fn rendered(body: &Arc<Rendered>) -> Self {
        Self::new(StatusCode::OK, Content::Rendered(Arc::clone(body)))
    }

    /// 200 with a file.
    #[cfg(feature = "cloud")]
    pub(crate) const fn download(file: Download) -> Self {
        Self::new(StatusCode::OK, Content::Download(file))
    }

    pub(crate) const fn json(status: StatusCode, body: Vec<u8>) -> Self {
        Self::new(status, Content::Json(body))
    }

    /// Names the state that this answer shows: makes it answer conditional requests.
    #[must_use]
    pub(crate) const fn tagged(mut self, tag: EntityTag) -> Self {
        self.tag = Some(tag);
        self
    }

    /// Like [`tagged`](Self::tagged), when the state is known.
    #[must_use]
    pub(crate) const fn tagged_if(mut self, tag: Option<EntityTag>) -> Self {
        self.tag = tag;
        self
    }

    /// Says when to ask again.
    #[must_use]
    pub(crate) const fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }

    /// Says that the node knows of something newer.
    #[must_use]
    pub(crate) const fn stale(mut self, stale: bool) -> Self {
        self.stale = stale;
        self
    }
}

/// The envelope of every success.
pub(crate) fn envelope(
    data: Option<&impl Serialize>,
    message: Option<&str>,
    meta: Option<&impl Serialize>,
    timestamp: Timestamp,
) -> Vec<u8> {
    #[derive(Serialize)]
    struct Envelope<'a, D, M> {
        success: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        data: Option<&'a D>,
        #[serde(skip_serializing_if = "Option::is_none")]
        message: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        meta: Option<&'a M>,
        timestamp: Timestamp,
    }
    let envelope = Envelope { success: true, data, message, meta, timestamp };
    // Most answers fit; without a size they would grow in steps.
    let mut body = Vec::with_capacity(512);
    serde_json::to_writer(&mut body, &envelope).expect("views hold nothing that JSON cannot say");
    body
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn the_envelope_leaves_out_what_is_not_there() {
        let read = |bytes: Vec<u8>| serde_json::from_slice::<Value>(&bytes).unwrap();
        let at = Timestamp::EPOCH;
        assert_eq!(
            read(envelope(Some(&[1]), None, None::<&()>, at)),
            json!({ "success": true, "data": [1], "timestamp": "1970-01-01T00:00:00.000Z" })
        );
        assert_eq!(
            read(envelope(None::<&()>, Some("done"), None::<&()>, at)),
            json!({ "success": true, "message": "done", "timestamp": "1970-01-01T00:00:00.000Z" })
        );
    }
}
