//! Which Redis, and which channel on it.

use std::fmt;
use std::time::Duration;

use redis::{Client, ConnectionAddr, IntoConnectionInfo as _};

use super::PUBLISH_TIMEOUT;

/// A text that is not the address of a Redis. It does not repeat the text, which may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the address is not one of a Redis: it should look like redis://host:6379 or rediss://user:password@host:6379")]
pub struct RedisUrlError;

/// How a [`RedisBus`](super::RedisBus) reaches the others. `Debug` shows the host and the channel, and no secret.
#[derive(Clone)]
pub struct RedisBusOptions {
    client: Client,
    prefix: String,
    publish_timeout: Duration,
}

impl RedisBusOptions {
    /// The Redis at this address (`redis://` or, with TLS, `rediss://`), with the prefix `togglebox`.
    ///
    /// # Errors
    /// It is no such address.
    pub fn new(url: &str) -> Result<Self, RedisUrlError> {
        let info = url.into_connection_info().map_err(|_| RedisUrlError)?;
        // Certificates that nobody checks would be worse than none: they look safe.
        if matches!(info.addr(), ConnectionAddr::TcpTls { insecure: true, .. }) {
            return Err(RedisUrlError);
        }
        let client = Client::open(info).map_err(|_| RedisUrlError)?;
        Ok(Self { client, prefix: "togglebox".to_owned(), publish_timeout: PUBLISH_TIMEOUT })
    }

    /// Uses the channel `{prefix}:changes`. Nodes hear each other when theirs is the same.
    #[must_use]
    pub fn with_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Lets a write wait this long for Redis, instead of [`PUBLISH_TIMEOUT`].
    #[must_use]
    pub const fn with_publish_timeout(mut self, timeout: Duration) -> Self {
        self.publish_timeout = timeout;
        self
    }

    pub(super) const fn publish_timeout(&self) -> Duration {
        self.publish_timeout
    }

    pub(super) const fn client(&self) -> &Client {
        &self.client
    }

    /// Where it is, without the credentials.
    pub(super) fn server(&self) -> String {
        self.client.get_connection_info().addr().to_string()
    }

    pub(super) fn channel(&self) -> String {
        format!("{}:changes", self.prefix)
    }
}

impl fmt::Debug for RedisBusOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisBusOptions")
            .field("server", &self.server())
            .field("channel", &self.channel())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_a_redis_are_taken() {
        for good in ["redis://localhost", "redis://:pw@[::1]:7000/2", "rediss://user:pw@cache.example.com:6380"] {
            assert!(RedisBusOptions::new(good).is_ok(), "{good}");
        }
        for bad in ["", "localhost:6379", "postgres://localhost", "redis://", "redis://host:port", "redis://host/database"] {
            assert_eq!(RedisBusOptions::new(bad).unwrap_err(), RedisUrlError, "{bad}");
        }
        let unchecked = RedisBusOptions::new("rediss://host/#insecure");
        assert_eq!(unchecked.unwrap_err(), RedisUrlError, "a certificate that is not checked");
    }

    #[test]
    fn nothing_shows_a_secret() {
        let options = RedisBusOptions::new("rediss://anna:hunter2@cache.example.com:6380/3").unwrap().with_prefix("blue");
        let shown = format!("{options:?}");
        assert!(shown.contains("cache.example.com:6380") && shown.contains("blue:changes"), "{shown}");
        assert!(!shown.contains("anna") && !shown.contains("hunter2"), "{shown}");
        let refused = RedisBusOptions::new("redis://anna:hunter2@host:port").unwrap_err();
        assert!(!format!("{refused} {refused:?}").contains("hunter2"));
    }
}
