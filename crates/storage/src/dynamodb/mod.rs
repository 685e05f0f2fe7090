//! DynamoDB: one table for everything.
//!
//! # The table
//!
//! Keys are `PK` and `SK`, both texts; every partition begins with the tenant, `T#<tenant>#…`, but those of the register of all tenants,
//! the installation's lists of usage and the documents of billing, which begin with `REG`. Below, *inc* is an **incarnation**: the id of the audit record of
//! something's creation. What is deleted and made again has another one, and with it other keys for all that is inside it, even where its
//! name and its id are the old ones.
//!
//! | item | `PK` | `SK` | attributes |
//! | --- | --- | --- | --- |
//! | directory | `T#t#DIR` | `META` | `rev`, `digest`; `importing` until an import is complete |
//! | platform | `T#t#DIR` | `P#<name>` | `id`, `incarnation`, `name`, `description`, `created_by`, `created_at`, `rev` |
//! | environment | `T#t#DIR` | `E#<platform>#<name>` | as a platform; `owner` (the platform's *inc*), `contents` (revision), `contents_digest`, `changed_at`, `parameters`, `flags`, `experiments` (how many), `hold` |
//! | creations under a quota | `T#t#QUOTA` | `META` | `rev` (how many there were) |
//! | parameter | `T#t#ENV#<env inc>` | `P#<key>` | the active version, `latest_version`, `incarnation`, `rev` |
//! | flag | `T#t#ENV#<env inc>` | `F#<key>` | the active version, `incarnation`, `rev` |
//! | experiment | `T#t#ENV#<env inc>` | `E#<key>` | all of it, `incarnation`, `rev` |
//! | version of a parameter | `T#t#ENV#<env inc>#P#<key>#<inc>` | 20 digits | `schema`, `document`, `created_by`, `created_at` |
//! | earlier version of a flag | `T#t#ENV#<env inc>#F#<key>#<inc>` | 20 digits | the item of the flag as it stood |
//! | audit record | `T#t#AUDIT#ID#<id>` | `META` | the record, `rev`; `order` where its entries do not stand by `rev` |
//! | part of a large one | `T#t#AUDIT#ID#<id>` | `before#000`, `after#000` … | `text` |
//! | entry of an audit list | `T#t#AUDIT`, `T#t#AUDIT#<PET>#<hash>` | `<time>#<rev>#<id>` | `id`, `at`, `rev` |
//! | note of what was deleted | `T#t#GONE` | `<inc>` | `what`, `gone`, `gone_at`, and what leads to it |
//!
//! While a tenant is being imported, a parameter or flag may be a `draft` (see the module `transfer`).
//!
//! The items of users, keys, sessions and resets are in the module `accounts`, those of statistics in the module `statistics`, those of
//! rate limits in the module `limits`, those of tenants and their people in the module `tenancy` (with the feature of that name), those of
//! usage in the module `usage` (with the feature `metering`), what billing keeps in the module `billing` (with the feature of that name).
//!
//! The index `gone` (`gone`, one of eight texts; `gone_at`, milliseconds) holds the notes alone, for [`DynamoDb::sweep`]. `expires_at`
//! (seconds) is the attribute by which DynamoDB may remove items by itself; nothing relies on it. Times are milliseconds since 1970,
//! ids texts, documents JSON texts beside the number of their `schema`. `docs/STORAGE.md` says what each operation costs, and why the
//! keys are as they are.
//!
//! # A write
//!
//! Read, with consistent reads: the container (the directory, or an environment) with its revision *r*, the record, and whether the audit
//! record is there already: then answer as then. Decide. Do everything in one transaction: the container to *r* + 1 if it is still at *r*,
//! the record if it is still at the revision that was read (or absent, when it is new), the audit record if its id is new, its entries
//! in the lists. When the transaction is cancelled, or its outcome unknown, wait a random while and begin again with reading. So there is
//! one way out of every trouble, and no answer is given from anything but what stands.
//!
//! # A list at one revision
//!
//! A query is no transaction. So a container keeps, beside its revision, a digest of the revisions of its records; records that add up to
//! it are those of that revision, others are read again. A reader that keeps failing asks writers for a pause (`hold`), which they
//! grant for half a second by their own clock; nothing depends on it but time.
//!
//! # What is not promised
//!
//! [`revisions`](togglebox_toggles::store::DirectoryStore::revisions) tells the revisions of contents each at a moment of its own within
//! the call. An environment's item outlives its platform until it is swept away; a write that had found the platform there may still
//! get into it, unseen by anybody: it then was made just before the platform was deleted.

mod accounts;
mod action;
mod audit;
#[cfg(feature = "billing")]
mod billing;
mod capacity;
mod digest;
mod directory;
mod environments;
mod error;
mod experiments;
mod flags;
mod gone;
mod item;
mod key;
mod limits;
mod options;
mod original;
mod parameters;
mod patience;
mod place;
mod quota;
mod record;
#[cfg(feature = "tenancy")]
mod remains;
mod statistics;
mod store;
mod sweep;
mod table;
#[cfg(feature = "tenancy")]
mod tenancy;
mod transfer;
#[cfg(feature = "metering")]
mod usage;
mod write;

#[cfg(test)]
mod tests;

pub use capacity::Capacity;
pub use limits::{DynamoDbLimits, DynamoDbLimitsOptions};
pub use options::DynamoDbOptions;
pub use original::{Finding, NoSuchTable, Original, OriginalTable, OriginalTables, ReadError, Sink, Survey, What};
pub use store::{DynamoDb, OpenError};
pub use sweep::Swept;
pub use table::{Billing, TableOptions, TableReport, create_table};
