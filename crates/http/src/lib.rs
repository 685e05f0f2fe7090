#![doc = include_str!("../README.md")]

mod api;
mod body;
mod budget;
mod call;
#[cfg(feature = "cloud")]
pub mod cloud;
mod coding;
mod config;
mod dispatch;
#[cfg(feature = "cloud")]
mod download;
mod error;
mod etag;
mod failure;
mod gate;
mod headers;
mod html;
mod idempotency;
pub mod limiting;
#[cfg(feature = "metering")]
pub mod metered;
mod openapi;
mod packing;
mod paging;
mod panic;
mod query;
mod reply;
mod request_id;
mod route;
mod router;
mod routes;
mod schema;
mod serving;
mod short_text;
#[cfg(test)]
mod tests;
mod view;
mod visit;

pub use api::{Api, ApiPorts, ApiServices};
pub use config::{ApiConfig, BodyMemory, Origins};
pub use error::Code;
pub use html::escape_html;
pub use limiting::ApiLimits;
pub use paging::PageTokens;
pub use serving::Memory;
