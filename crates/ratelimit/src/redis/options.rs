//! Which Redis, or which cluster of it.

use std::fmt;
use std::time::Duration;

use redis::{Client, ConnectionAddr, IntoConnectionInfo as _, ProtocolVersion, RedisResult};

/// How long a call may take, unless [told otherwise](RedisOptions::with_timeout).
const TIMEOUT: Duration = Duration::from_millis(20);

/// A text that does not say where limits are kept. It does not repeat the text, which may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RedisOptionsError {
    /// Neither one server nor a cluster.
    #[error("it must begin with redis://, rediss://, redis-cluster:// or rediss-cluster://")]
    Scheme,
    /// An address that is none. They are counted from one.
    #[error("address {0} is none: it should look like host:6379, after user:password@ where there is a password")]
    Address(usize),
    /// A list where one server is meant.
    #[error("there is more than one address: nodes of a cluster stand after redis-cluster:// or rediss-cluster://")]
    Many,
    /// Clusters have no databases but the first.
    #[error("a cluster has database 0 only")]
    Database,
    /// Certificates that nobody checks would be worse than none: they look safe.
    #[error("certificates are always checked: #insecure is not taken")]
    Unchecked,
    /// Braces say which part of a key decides where it is.
    #[error("the prefix must not have braces")]
    Prefix,
}

/// How a [`RedisStore`](super::RedisStore) reaches its servers. `Debug` shows the addresses, and no secret.
#[derive(Clone)]
pub struct RedisOptions {
    /// At least one.
    seeds: Vec<Client>,
    cluster: bool,
    prefix: String,
    timeout: Duration,
}

impl RedisOptions {
    /// From one of
    ///
    /// - `redis://[[user]:password@]host[:port][/database]`: one server;
    /// - `redis-cluster://[[user]:password@]host[:port],host[:port],…`: a cluster, of which any nodes are named; the others are found;
    /// - `rediss://…`, `rediss-cluster://…`: the same over TLS, with the system's certificates (`SSL_CERT_FILE` names others).
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(url: &str) -> Result<Self, RedisOptionsError> {
        let (scheme, rest) = url.split_once("://").ok_or(RedisOptionsError::Scheme)?;
        let (scheme, cluster) = match scheme {
            "redis" | "rediss" => (scheme, false),
            "redis-cluster" => ("redis", true),
            "rediss-cluster" => ("rediss", true),
            _ => return Err(RedisOptionsError::Scheme),
        };
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let (credentials, hosts) = authority.split_at(authority.rfind('@').map_or(0, |at| at + 1));
        if !cluster && hosts.contains(',') {
            return Err(RedisOptionsError::Many);
        }
        let seed = |(number, host): (usize, &str)| {
            let text = format!("{scheme}://{credentials}{host}{path}");
            let none = |_| RedisOptionsError::Address(number + 1);
            let info = text.into_connection_info().map_err(none)?;
            match info.addr() {
                ConnectionAddr::TcpTls { insecure: true, .. } => Err(RedisOptionsError::Unchecked),
                _ if cluster && info.redis_settings().db() != 0 => Err(RedisOptionsError::Database),
                _ => {
                    // With version 3 the driver tells when a connection has ended, and not only the next call that wants it.
                    let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3).set_skip_set_lib_name();
                    Client::open(info.set_redis_settings(settings)).map_err(none)
                }
            }
        };
        let seeds = hosts.split(',').enumerate().map(seed).collect::<Result<_, _>>()?;
        Ok(Self { seeds, cluster, prefix: String::new(), timeout: TIMEOUT })
    }

    /// Lets all keys begin with `prefix` and a colon. Installations that share a server have one each.
    ///
    /// # Errors
    /// [`RedisOptionsError::Prefix`].
    pub fn with_prefix(mut self, prefix: &str) -> Result<Self, RedisOptionsError> {
        if prefix.contains(['{', '}']) {
            return Err(RedisOptionsError::Prefix);
        }
        self.prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}:") };
        Ok(self)
    }

    /// Lets a call take this long, whatever it has to wait for, instead of 20 ms.
    #[must_use]
    pub const fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Whether the addresses are those of a cluster.
    pub const fn is_cluster(&self) -> bool {
        self.cluster
    }

    /// How long a call may take.
    pub const fn timeout(&self) -> Duration {
        self.timeout
    }

    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    pub(super) fn seeds(&self) -> &[Client] {
        &self.seeds
    }

    pub(super) fn first(&self) -> &Client {
        // A list that is split has at least one part.
        &self.seeds[0]
    }

    /// A client of another node, which wants the same credentials.
    pub(super) fn client(&self, host: &str, port: u16) -> RedisResult<Client> {
        let like = self.first().get_connection_info();
        let address = match like.addr() {
            ConnectionAddr::TcpTls { tls_params, .. } => {
                let tls_params = tls_params.clone();
                ConnectionAddr::TcpTls { host: host.to_owned(), port, insecure: false, tls_params }
            }
            _ => ConnectionAddr::Tcp(host.to_owned(), port),
        };
        Client::open(like.clone().set_addr(address))
    }
}

impl fmt::Debug for RedisOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let servers: Vec<_> = self.seeds.iter().map(|seed| seed.get_connection_info().addr().to_string()).collect();
        f.debug_struct("RedisOptions")
            .field("servers", &servers)
            .field("cluster", &self.cluster)
            .field("prefix", &self.prefix)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn servers(url: &str) -> Vec<String> {
        RedisOptions::parse(url).unwrap().seeds.iter().map(|seed| seed.get_connection_info().addr().to_string()).collect()
    }

    #[test]
    fn addresses_are_taken_apart() {
        assert_eq!(servers("redis://localhost"), ["localhost:6379"]);
        assert_eq!(servers("rediss://user:p%40ss@cache.example.com:6380/3"), ["cache.example.com:6380"]);
        assert_eq!(servers("redis-cluster://[::1]:7000,b:7001,c"), ["::1:7000", "b:7001", "c:6379"]);
        let options = RedisOptions::parse("rediss-cluster://:pa,ss@a:1,b:2/").unwrap();
        assert!(options.is_cluster());
        for seed in options.seeds().iter().map(Client::get_connection_info) {
            assert_eq!(seed.redis_settings().password(), Some("pa,ss"));
            assert!(matches!(seed.addr(), ConnectionAddr::TcpTls { insecure: false, .. }));
        }
        let other = options.client("c", 3).unwrap();
        assert!(
            matches!(other.get_connection_info().addr(), ConnectionAddr::TcpTls { host, port: 3, insecure: false, .. } if host == "c")
        );
        assert_eq!(other.get_connection_info().redis_settings().password(), Some("pa,ss"));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (url, expected) in [
            ("", RedisOptionsError::Scheme),
            ("localhost:6379", RedisOptionsError::Scheme),
            ("postgres://localhost", RedisOptionsError::Scheme),
            ("redis://", RedisOptionsError::Address(1)),
            ("redis://a:1,b:2", RedisOptionsError::Many),
            ("redis://host:port", RedisOptionsError::Address(1)),
            ("redis://host/database", RedisOptionsError::Address(1)),
            ("redis-cluster://a:1,b:port", RedisOptionsError::Address(2)),
            ("redis-cluster://a:1,", RedisOptionsError::Address(2)),
            ("redis-cluster://a:1,b:2/3", RedisOptionsError::Database),
            ("rediss://host/#insecure", RedisOptionsError::Unchecked),
        ] {
            assert_eq!(RedisOptions::parse(url).unwrap_err(), expected, "{url}");
        }
        let options = RedisOptions::parse("redis://localhost").unwrap();
        assert_eq!(options.clone().with_prefix("a{b").unwrap_err(), RedisOptionsError::Prefix);
        assert_eq!(options.clone().with_prefix("blue").unwrap().prefix(), "blue:");
        assert_eq!(options.with_prefix("").unwrap().prefix(), "");
    }

    #[test]
    fn nothing_shows_a_secret() {
        let options = RedisOptions::parse("rediss-cluster://anna:hunter2@a:6380,b:6380").unwrap();
        let shown = format!("{options:?}");
        assert!(shown.contains("a:6380") && shown.contains("b:6380"), "{shown}");
        assert!(!shown.contains("anna") && !shown.contains("hunter2"), "{shown}");
        let refused = RedisOptions::parse("redis://anna:hunter2@host:port").unwrap_err();
        assert!(!format!("{refused} {refused:?}").contains("hunter2"));
    }
}
