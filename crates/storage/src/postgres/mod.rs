//! PostgreSQL 15 or later: one database for many nodes.
//!
//! # The schema
//!
//! The tables are those of SQLite (see `crate::sqlite`), with constraints of the same names, and `audit_log.sequence` as an identity.
//! Every key and every index begins with the tenant, but for those that find tenants, or are for all of them. Documents are `text`, not `jsonb`: they must read back byte for byte. Texts compare
//! by their bytes (`COLLATE "C"`), and U+0000, which the server does not know, is stored as two other characters. The database must be
//! of encoding UTF-8. The statements that make it are in `migrations/`; they run when a node starts, in one transaction and under an
//! advisory lock, so that nodes may start together.
//!
//! # Tenants
//!
//! Besides the condition in every statement there is row-level security: every table has the policy
//! `tenant = nullif(current_setting('togglebox.tenant', true), '')::uuid`, `FORCE`d, so that it binds the tables' owner, too. Statements
//! run as a role without log-in that owns nothing ([`PostgresOptions::with_role`]). A transaction begins with one message that names
//! role, time-out and tenant for itself alone, and takes its locks; what runs without a tenant sees nothing and can add nothing.
//!
//! With the feature `tenancy` some statements look for a tenant, or tell of all: which one a name leads to, what has changed in the
//! register, who gave a subdomain up last. They run under a second setting of the transaction, `togglebox.register = on`, and no other
//! statement does. For it there are policies of their own: `register_looks` (`SELECT`) on `tenants`, `members`, `domain_claims`,
//! `given_up_subdomains` and `register_changes`, `register_prunes` (`DELETE`) on the last. So the setting shows these tables, lets the
//! sequence of changes be pruned, and changes nothing else of any tenant; invitations, flags, accounts it does not show at all. In a
//! write of a tenant it is on only while the counter is raised and a wanted subdomain is looked for. The counter, `register`, is the one
//! table that is nobody's: it has `register_looks` and `register_counts` (`UPDATE`), and is not there without the setting. That a
//! subdomain and a verified domain lead to one tenant only is kept by unique indexes, which know the rows of all.
//!
//! With the feature `billing` nodes bill all tenants, and keep what is of none yet: statements of that kind run under
//! `togglebox.billing = on`, and `billing_keeps` lets them have `billing_documents`, nothing else. A commit takes an advisory lock for each
//! address that it names, in the order of their numbers, with its first message.
//!
//! What is counted of several tenants is added in one transaction, which lists them in `togglebox.counting`: `counting_adds` lets it have
//! the tables of statistics of these tenants, and `counting_looks` (`SELECT`) see which parameters, flags and experiments they have.
//!
//! The user of the address needs: `CREATE` on the schema (it owns the tables), and either `CREATEROLE` or a role that is there and
//! granted to it. If neither is so, [`Postgres::open`] says what an administrator has to run.
//!
//! # Writes
//!
//! `READ COMMITTED`, one after the other within a tenant: each takes the tenant's advisory lock with its first message. Batches of
//! statistics and last-used times share that lock, and take another one, so that they come one after the other, too. A transaction with
//! batches of several tenants waits for the first lock of one of them, and then takes what it gets: batches of a tenant in which somebody
//! is writing are left for the next one. Tenants do not wait for each other, except for such a transaction, and for the writes to the
//! register: those hold the row of its counter, after the tenant's lock, until they commit.
//! Reads of several statements are `REPEATABLE READ`; no read waits for a write. A deadlock or a failed serialisation,
//! which can only come from statements that are not this program's, is tried again a few times. A connection that turns out dead when a
//! transaction begins is replaced; one that dies later makes the call `Unavailable`, since nobody knows how far it came. So does a server
//! that hangs, a second after its time for a statement is over; the connection is given up.
//!
//! # Behind a pooler
//!
//! `PgBouncer` with `pool_mode = session` works: both conformance suites pass behind version 1.18. With `pool_mode = transaction` it must
//! carry prepared statements over (1.21 or later, `max_prepared_statements` above zero; earlier ones fail), and the user of the address
//! must be this program's alone. Transactions are made for it, each with all that it needs, but this has not been tried. [`NotifyBus`]
//! needs the server itself, or session pooling.

mod bus;
mod connection;
mod engine;
mod error;
mod migrations;
mod options;
mod role;
mod text;

#[cfg(test)]
mod tests;

pub use bus::NotifyBus;
pub use connection::{OpenError, Postgres};
pub use options::{InvalidUrl, PostgresOptions};
