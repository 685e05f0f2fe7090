//! What is wrong with a document.

use std::cell::{Cell, RefCell};
use std::fmt;

/// One problem: where, and what is allowed there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    /// Dotted path from the document's root; empty for the document as a whole.
    pub path: String,
    /// What is wrong.
    pub message: String,
}

impl Issue {
    /// A problem of a place.
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into() }
    }
}

impl fmt::Display for Issue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

/// The most problems that are kept of one document: a small body can hold millions, and each is described by far more bytes than it has.
pub(super) const MAX_ISSUES: usize = 1000;

/// The problems of one document, in the order in which they were found; the first thousand.
pub type Issues = Vec<Issue>;

/// What all readers of one document have found.
#[derive(Debug, Default)]
pub(super) struct Findings {
    issues: RefCell<Issues>,
    malformed: Cell<bool>,
}

impl Findings {
    /// Keeps a problem of content, unless there are too many already.
    pub(super) fn note(&self, issue: impl FnOnce() -> Issue) {
        let mut issues = self.issues.borrow_mut();
        if issues.len() < MAX_ISSUES {
            issues.push(issue());
        }
    }

    /// Remembers that a problem was one of form.
    pub(super) fn mark_malformed(&self) {
        self.malformed.set(true);
    }

    pub(super) fn is_malformed(&self) -> bool {
        self.malformed.get()
    }

    pub(super) fn count(&self) -> usize {
        self.issues.borrow().len()
    }

    pub(super) fn all(&self) -> Issues {
        self.issues.borrow().clone()
    }
}
