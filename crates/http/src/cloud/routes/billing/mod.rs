//! What is about money.

mod operator;
pub(super) mod sign_up;
mod subscription;
mod webhook;

use crate::route::Route;

/// On a workspace's own host.
pub(super) fn routes() -> Vec<Route> {
    subscription::routes()
}

/// On the central host.
pub(super) fn central() -> Vec<Route> {
    [sign_up::routes(), webhook::routes(), operator::routes()].into_iter().flatten().collect()
}
