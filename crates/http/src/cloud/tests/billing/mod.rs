//! What workspaces pay, over Stripe as it is simulated.

mod operator;
mod shop;
mod sign_up;
mod subscription;
mod webhook;
