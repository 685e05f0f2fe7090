//! The objects, and how each is rendered.

pub(crate) mod catalog;
pub(crate) mod checkout;
pub(crate) mod customer;
pub(crate) mod event;
pub(crate) mod invoice;
pub(crate) mod meter;
pub(crate) mod payment;
pub(crate) mod schedule;
pub(crate) mod subscription;
