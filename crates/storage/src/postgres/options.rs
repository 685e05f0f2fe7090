//! How a database is reached.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;

/// How a database is reached and used.
#[derive(Clone)]
pub struct PostgresOptions {
    connect: PgConnectOptions,
    role: String,
    max_connections: u32,
    acquire_timeout: Duration,
    statement_timeout: Duration,
}

/// An address that is none.
#[derive(Debug, thiserror::Error)]
#[error("the address of the database cannot be read: it looks like postgres://user:password@host:5432/name?sslmode=verify-full")]
pub struct InvalidUrl(#[source] sqlx::Error);

impl PostgresOptions {
    /// The role that statements run as, unless another is chosen.
    pub const DEFAULT_ROLE: &str = "togglebox_app";

    /// The database at `url`, `postgres://user:password@host:port/name`. `?sslmode=` is one of `disable`, `allow`, `prefer` (the default:
    /// encrypted if the server can), `require`, `verify-ca` and `verify-full`; the last two check the certificate, with the authorities
    /// in `?sslrootcert=FILE` if given. What the address leaves out the driver takes from libpq's variables (`PGUSER`, `PGPASSWORD` …).
    ///
    /// # Errors
    /// [`InvalidUrl`]. Its text and its causes do not repeat the address.
    pub fn new(url: &str) -> Result<Self, InvalidUrl> {
        let connect = PgConnectOptions::from_str(url).map_err(InvalidUrl)?;
        let connect = match connect.get_application_name() {
            Some(_) => connect,
            None => connect.application_name("togglebox"),
        };
        Ok(Self {
            // Since version 12 floating-point texts are exact without the last setting, which some poolers refuse.
            connect: connect.statement_cache_capacity(256).extra_float_digits(None),
            role: Self::DEFAULT_ROLE.to_owned(),
            max_connections: 10,
            acquire_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(10),
        })
    }

    /// The role that statements run as. It owns nothing, so that row-level security holds for it. Made when it is missing.
    #[must_use]
    pub fn with_role(mut self, role: impl Into<String>) -> Self {
        self.role = role.into();
        self
    }

    /// How many connections may be open at once; at least one.
    #[must_use]
    pub fn with_max_connections(mut self, connections: u32) -> Self {
        self.max_connections = connections.max(1);
        self
    }

    /// How long a call waits for a connection before it answers `Unavailable`.
    #[must_use]
    pub const fn with_acquire_timeout(mut self, timeout: Duration) -> Self {
        self.acquire_timeout = timeout;
        self
    }

    /// How long the server works on one statement, or lets it wait for others, before it gives up and the call answers `Unavailable`.
    /// At least a millisecond. A server that has not answered a second later is taken for gone: its connection is given up. The server
    /// does the same with a node that says nothing for so long in the middle of a transaction.
    #[must_use]
    pub fn with_statement_timeout(mut self, timeout: Duration) -> Self {
        self.statement_timeout = timeout.max(Duration::from_millis(1));
        self
    }

    pub(super) const fn connect(&self) -> &PgConnectOptions {
        &self.connect
    }

    pub(super) fn role(&self) -> &str {
        &self.role
    }

    pub(super) const fn max_connections(&self) -> u32 {
        self.max_connections
    }

    pub(super) const fn acquire_timeout(&self) -> Duration {
        self.acquire_timeout
    }

    pub(super) const fn statement_timeout(&self) -> Duration {
        self.statement_timeout
    }
}

/// Without the password.
impl fmt::Debug for PostgresOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresOptions")
            .field("host", &self.connect.get_host())
            .field("port", &self.connect.get_port())
            .field("user", &self.connect.get_username())
            .field("database", &self.connect.get_database())
            .field("role", &self.role)
            .field("max_connections", &self.max_connections)
            .field("acquire_timeout", &self.acquire_timeout)
            .field("statement_timeout", &self.statement_timeout)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use super::*;

    #[test]
    fn the_password_is_not_shown() {
        let options = PostgresOptions::new("postgres://ann:hunter2@db.example.com:5433/flags").unwrap();
        let shown = format!("{options:?}");
        assert!(shown.contains("db.example.com") && shown.contains("5433") && shown.contains("ann"), "{shown}");
        assert!(!shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn a_broken_address_is_told_without_repeating_it() {
        for url in ["postgres://ann:hunter2@db:99999/flags", "hunter2", "postgres://ann:hunter2@db/flags?sslmode=perhaps"] {
            let error = PostgresOptions::new(url).unwrap_err();
            let cause = error.source().map(ToString::to_string).unwrap_or_default();
            assert!(!format!("{error}{cause}{error:?}").contains("hunter2"), "{error:?}");
        }
    }

    #[test]
    fn limits_of_nothing_are_raised_to_one() {
        let options = PostgresOptions::new("postgres://localhost/flags").unwrap();
        let options = options.with_max_connections(0).with_statement_timeout(Duration::ZERO);
        assert_eq!((options.max_connections(), options.statement_timeout()), (1, Duration::from_millis(1)));
        assert_eq!(options.connect().get_application_name(), Some("togglebox"));
    }
}
