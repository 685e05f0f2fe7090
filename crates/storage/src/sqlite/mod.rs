//! SQLite: the database inside the process.
//!
//! # The schema
//!
//! Every table begins with the tenant; so do its key and its indexes. (`audit_log` begins with the number that orders its rows; `register`
//! is of no tenant, and what finds tenants has indexes that do not begin with one.)
//! Tables are `STRICT`, constraints have names, foreign keys are on. Times are milliseconds since 1970 UTC, ids and hashes blobs,
//! counters 64-bit integers that stop at their end rather than turn over. The statements that make it are in `migrations/`.
//!
//! | table | holds | goes with |
//! | --- | --- | --- |
//! | `tenant_revisions` | how far a tenant's directory and accounts have counted | |
//! | `platforms` | platforms by name | `tenant_revisions` |
//! | `environments` | environments by id; names are unique within the platform; the revision of the contents | `platforms` |
//! | `parameters`, `parameter_versions` | the active and the latest version; immutable versions | `environments` |
//! | `flags`, `flag_versions` | the latest version; versions, of which one is active (a partial unique index sees to it) | `environments` |
//! | `experiments` | experiments | `environments` |
//! | `audit_log` | every change; refers to nothing, so that it outlives what it describes | |
//! | `users` | accounts; addresses are unique without regard to case | `tenant_revisions` |
//! | `api_keys`, `sessions`, `password_resets` | what users sign in with | `users` |
//! | `attempts` | failed sign-ins by address, with or without an account | |
//! | `statistics_batches` | ids of the batches of the last day | |
//! | `parameter_statistics`, `parameter_clients` | fetches; a sketch of the clients per hour | `parameters` |
//! | `flag_statistics`, `flag_days`, `flag_countries`, `flag_users` | evaluations; a sketch of the users per hour and side | `flags` |
//! | `experiment_statistics`, `experiment_days`, `experiment_metric_days` | exposures and conversions per day | `experiments` |
//! | `experiment_subjects`, `experiment_conversions` | who saw a variation; what each of them did | `experiments` |
//! | `register`, `register_changes` | how far the register of all tenants has counted, one row; what each number was given for | |
//! | `tenants` | tenants; a subdomain leads to one that is not purged (a partial unique index sees to it) | |
//! | `given_up_subdomains` | until when nobody else gets a subdomain; outlives the tenant | |
//! | `domain_claims` | claimed domains; one tenant can have a domain verified (likewise) | stays until they are dropped: `tenants` |
//! | `members`, `invitations` | who belongs to a tenant, who is invited | likewise |
//!
//! The last five lines stay empty where only one tenant is served. They are there all the same, so that the cloud's program can take such
//! a database over.
//!
//! What a parameter, flag or experiment says is one JSON `document`, beside the number of its `schema`. A document that is of an
//! unknown schema, or cannot be read, is `Corrupt`, and the error's source names table, key and column.
//!
//! The statements of the stores are in `crate::sql`, and shared with other engines.

mod connection;
mod engine;
mod error;
mod migrations;
mod options;

#[cfg(test)]
mod tests;

pub use connection::{OpenError, Sqlite};
pub use options::{Durability, SqliteOptions};
