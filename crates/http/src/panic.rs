//! Handlers that panic: an error like any other for the client, a line in the log for us.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use futures_util::FutureExt as _;
use tracing::Span;

use crate::error::{ApiError, Result};
use crate::visit::Visit;

/// What `answer` gives of a visit; an error when it panics. The line is written in the request's `span`, which is made only then, and so
/// carries its id.
///
/// What a handler leaves behind half done is what any failing handler may: stores are written in transactions, and locks are taken
/// over from whoever panicked under them.
pub(crate) fn caught<T>(visit: &mut Visit, span: impl FnOnce(&Visit) -> Span, answer: impl FnOnce(&mut Visit) -> T) -> Result<T> {
    let answered = catch_unwind(AssertUnwindSafe(|| answer(visit)));
    answered.map_err(|panic| span(visit).in_scope(|| internal(&*panic)))
}

/// Like [`caught`], for what waits, in the span that it waits in.
pub(crate) async fn caught_while_waiting<T>(answer: impl Future<Output = T>) -> Result<T> {
    AssertUnwindSafe(answer).catch_unwind().await.map_err(|panic| internal(&*panic))
}

fn internal(panic: &(dyn Any + Send)) -> ApiError {
    // A panic's message is a text, in one of two types; anything else says nothing that could be shown.
    let message = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    tracing::error!(panic = message.unwrap_or("no message"), "A handler panicked");
    ApiError::internal()
}
