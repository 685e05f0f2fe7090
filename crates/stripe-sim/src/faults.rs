//! Faults: what happens to requests instead of, before or after what they ask for.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

/// Before or after the request has had its effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Moment {
    /// Nothing has happened yet.
    Before,
    /// Everything has happened; only the answer is missing.
    After,
}

/// Which requests a fault is for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Matcher {
    /// Any if none. In capitals.
    pub method: Option<String>,
    /// Any if none; a prefix of the path, or a pattern of the whole path with `*` for anything.
    pub path: Option<String>,
}

impl Matcher {
    /// Every request.
    pub fn any() -> Self {
        Self::default()
    }

    /// Requests with this method whose path matches.
    pub fn new(method: &str, path: &str) -> Self {
        Self { method: Some(method.to_owned()), path: Some(path.to_owned()) }
    }

    pub(crate) fn matches(&self, method: &str, path: &str) -> bool {
        self.method.as_ref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(method))
            && self
                .path
                .as_ref()
                .is_none_or(|wanted| if wanted.contains('*') { glob(wanted, path) } else { path.starts_with(wanted.as_str()) })
    }
}

/// Whether `text` is `pattern` with something in place of every `*`.
pub(crate) fn glob(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((head, tail)) => text
            .strip_prefix(head)
            .is_some_and(|rest| (0..=rest.len()).filter(|&cut| rest.is_char_boundary(cut)).any(|cut| glob(tail, &rest[cut..]))),
    }
}

/// What happens to a request.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Effect {
    /// An error is answered.
    Status {
        /// 429, 500, 409, …
        status: u16,
        /// The `Stripe-Should-Retry` header.
        should_retry: Option<bool>,
        /// Whether what was asked for happens nevertheless.
        moment: Moment,
        /// Whether the error is stored under the idempotency key.
        stored: bool,
    },
    /// The connection ends without an answer.
    Drop(Moment),
    /// The request waits until it is released.
    Hold(Hold, Moment),
}

/// A fault for the next so many requests that match.
#[derive(Debug, Clone)]
pub struct Fault {
    pub(crate) matcher: Matcher,
    pub(crate) times: u32,
    pub(crate) effect: Effect,
}

impl Fault {
    /// An error before anything has happened: stored under the key if it is 500 or above, as the service does.
    pub fn status(matcher: Matcher, status: u16) -> Self {
        let effect = Effect::Status { status, should_retry: None, moment: Moment::Before, stored: status >= 500 };
        Self { matcher, times: 1, effect }
    }

    /// The connection ends without an answer.
    pub fn drop(matcher: Matcher, moment: Moment) -> Self {
        Self { matcher, times: 1, effect: Effect::Drop(moment) }
    }

    /// Any effect.
    pub fn new(matcher: Matcher, effect: Effect) -> Self {
        Self { matcher, times: 1, effect }
    }

    /// Not once but so many times.
    #[must_use]
    pub fn times(self, times: u32) -> Self {
        Self { times, ..self }
    }
}

/// Where requests wait.
#[derive(Debug, Clone)]
pub struct Hold {
    inner: Arc<Gate>,
}

#[derive(Debug)]
struct Gate {
    name: String,
    waiting: watch::Sender<usize>,
    open: watch::Sender<bool>,
}

impl Hold {
    pub(crate) fn new(name: &str) -> Self {
        let gate = Gate { name: name.to_owned(), waiting: watch::Sender::new(0), open: watch::Sender::new(false) };
        Self { inner: Arc::new(gate) }
    }

    /// How many wait now.
    pub fn waiting(&self) -> usize {
        *self.inner.waiting.borrow()
    }

    /// Until one waits.
    pub async fn arrived(&self) {
        // The sender lives as long as `self`.
        let _ = self.inner.waiting.subscribe().wait_for(|&waiting| waiting > 0).await;
    }

    /// Lets them all go, and later ones pass.
    pub fn release(&self) {
        self.inner.open.send_replace(true);
    }

    pub(crate) fn name(&self) -> &str {
        &self.inner.name
    }

    pub(crate) async fn pass(&self) {
        self.inner.waiting.send_modify(|waiting| *waiting += 1);
        let _ = self.inner.open.subscribe().wait_for(|&open| open).await;
        self.inner.waiting.send_modify(|waiting| *waiting -= 1);
    }
}

/// The faults that are in force.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    armed: Vec<Fault>,
    holds: Vec<Hold>,
}

impl Faults {
    pub(crate) fn arm(&mut self, fault: Fault) {
        if let Effect::Hold(hold, _) = &fault.effect {
            self.holds.push(hold.clone());
        }
        self.armed.push(fault);
    }

    pub(crate) fn hold(&self, name: &str) -> Option<&Hold> {
        self.holds.iter().rev().find(|hold| hold.name() == name)
    }

    /// The first fault for this request, used up by one.
    pub(crate) fn strike(&mut self, method: &str, path: &str) -> Option<Effect> {
        let index = self.armed.iter().position(|fault| fault.times > 0 && fault.matcher.matches(method, path))?;
        let fault = &mut self.armed[index];
        fault.times -= 1;
        let effect = fault.effect.clone();
        self.armed.retain(|fault| fault.times > 0);
        Some(effect)
    }

    /// Ends all, and lets go whoever waits.
    pub(crate) fn clear(&mut self) {
        self.armed.clear();
        self.holds.drain(..).for_each(|hold| hold.release());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_strikes_as_often_as_it_says() {
        let mut faults = Faults::default();
        faults.arm(Fault::status(Matcher::new("POST", "/v1/customers"), 500).times(2));
        assert!(faults.strike("GET", "/v1/customers").is_none());
        assert!(faults.strike("POST", "/v1/customers/cus_1").is_some());
        assert!(faults.strike("POST", "/v1/customers").is_some());
        assert!(faults.strike("POST", "/v1/customers").is_none());
    }

    #[test]
    fn stars_stand_for_anything() {
        let expire = Matcher::new("POST", "/v1/checkout/sessions/*/expire");
        assert!(expire.matches("POST", "/v1/checkout/sessions/cs_1/expire"));
        assert!(!expire.matches("POST", "/v1/checkout/sessions/cs_1"));
        assert!(glob("customer.*", "customer.created") && glob("*", "") && !glob("a*b", "ac"));
    }
}
