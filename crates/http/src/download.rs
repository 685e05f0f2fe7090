//! Files that are told as they come: whoever makes them is a few pieces ahead of whoever reads them, and waits.

use std::error::Error as StdError;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use actix_web::HttpResponse;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, HeaderValue};
use bytes::Bytes;
use tokio::sync::mpsc;

/// A file on its way to a client.
#[derive(Debug)]
pub(crate) struct Download {
    pub(crate) content_type: &'static str,
    /// What it is to be called: ASCII letters, digits, `-` and `.`.
    pub(crate) name: String,
    /// What is in it; `None` where only the head was asked for.
    pub(crate) pieces: Option<Pieces>,
}

/// A part of a file.
#[derive(Debug)]
pub(crate) enum Piece {
    /// The next bytes.
    Bytes(Bytes),
    /// There are no more. Without it the file is cut off, and its reader is told so.
    End,
}

/// The pieces of a file, in order.
#[derive(Debug)]
pub(crate) struct Pieces {
    from: mpsc::Receiver<Piece>,
    ended: bool,
}

/// Whoever told a file has stopped in the middle of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CutOff;

impl fmt::Display for CutOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the file ended too early: the connection is cut, so that its reader notices")
    }
}

impl StdError for CutOff {}

impl Download {
    pub(crate) fn into_response(self, status: StatusCode) -> HttpResponse {
        let Self { content_type, name, pieces } = self;
        let body = pieces.map_or_else(|| BoxBody::new(()), BoxBody::new);
        let mut response = HttpResponse::with_body(status, body);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        let disposition = HeaderValue::try_from(format!("attachment; filename=\"{name}\""));
        headers.insert(CONTENT_DISPOSITION, disposition.unwrap_or_else(|_| HeaderValue::from_static("attachment")));
        response
    }
}

impl Pieces {
    /// Those that come from the other end.
    pub(crate) const fn new(from: mpsc::Receiver<Piece>) -> Self {
        Self { from, ended: false }
    }
}

impl MessageBody for Pieces {
    type Error = CutOff;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, CutOff>>> {
        let pieces = self.get_mut();
        if pieces.ended {
            return Poll::Ready(None);
        }
        let piece = ready!(pieces.from.poll_recv(context));
        pieces.ended = !matches!(piece, Some(Piece::Bytes(_)));
        Poll::Ready(match piece {
            Some(Piece::Bytes(bytes)) => Some(Ok(bytes)),
            Some(Piece::End) => None,
            None => Some(Err(CutOff)),
        })
    }
}
