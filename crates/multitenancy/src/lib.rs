#![doc = include_str!("../README.md")]

pub mod host;
mod key;
pub mod locate;
pub mod resolve;

pub use host::{Host, HostError, HostRules};
pub use key::{HostKey, HostRef};
pub use locate::{LocateError, Located, Locating, Named};
pub use resolve::{
    Changes, Claims, Held, Notice, ResolveError, ResolveOptions, Resolved, Resolver, Source, TenantChanges, TenantSource,
    Versioned,
};
