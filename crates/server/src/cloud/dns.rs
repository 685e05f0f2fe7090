//! Looks TXT records up.

#[cfg(test)]
mod knot;
#[cfg(test)]
mod tests;

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use async_trait::async_trait;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use togglebox_multitenancy::{LookUpError, TxtResolver};
use tokio::time::timeout;

/// How long a name server is waited for, and how often it is asked.
const PATIENCE: Duration = Duration::from_secs(2);
const ATTEMPTS: u32 = 2;

/// A name server, asked anew each time: what it said before may have been said too early.
pub(super) struct Dns {
    resolver: TokioResolver,
    /// How long all servers and ways together are waited for: somebody waits for the answer.
    most: Duration,
}

impl fmt::Debug for Dns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dns").finish_non_exhaustive()
    }
}

impl Dns {
    /// Asks `server`, or those that the system is configured with.
    ///
    /// # Errors
    /// The system's configuration cannot be read.
    pub(super) fn new(server: Option<SocketAddr>) -> anyhow::Result<Self> {
        Self::with_patience(server, PATIENCE)
    }

    /// Like [`new`](Self::new), and waits so long for each answer, and twice as long for all.
    fn with_patience(server: Option<SocketAddr>, patience: Duration) -> anyhow::Result<Self> {
        let mut builder = match server {
            Some(address) => {
                let on_port = |mut connection: ConnectionConfig| {
                    connection.port = address.port();
                    connection
                };
                let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(on_port).into();
                let server = NameServerConfig::new(address.ip(), true, connections);
                let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
                TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
            }
            None => TokioResolver::builder_tokio().context("the system's name servers are not known: set DNS_SERVER")?,
        };
        let options = builder.options_mut();
        (options.timeout, options.attempts, options.cache_size) = (patience, ATTEMPTS as usize, 0);
        Ok(Self { resolver: builder.build().context("names cannot be looked up")?, most: patience * ATTEMPTS })
    }
}

#[async_trait]
impl TxtResolver for Dns {
    async fn txt(&self, name: &str) -> Result<Vec<String>, LookUpError> {
        // With the dot at its end it is looked up as it is, and not below the system's own domain.
        let look_up = self.resolver.txt_lookup(format!("{}.", name.trim_end_matches('.')));
        let found = match timeout(self.most, look_up).await {
            Ok(Ok(found)) => found,
            Ok(Err(error)) if says_no(&error) => return Ok(Vec::new()),
            Ok(Err(error)) => return Err(LookUpError::new(error)),
            Err(late) => return Err(LookUpError::new(late)),
        };
        Ok(found.answers().iter().filter_map(|record| text(&record.data)).collect())
    }
}

/// Whether there are no such records. A server that only says whom to ask instead does not know.
fn says_no(error: &NetError) -> bool {
    let NetError::Dns(DnsError::NoRecordsFound(none)) = error else { return false };
    let is_referral = none.response_code == ResponseCode::NoError && none.ns.is_some() && none.soa.is_none();
    !is_referral
}

/// The text of a record: its parts are one (RFC 7208 §3.3 says so of one kind of them, and everybody does it).
fn text(data: &hickory_resolver::proto::rr::RData) -> Option<String> {
    let hickory_resolver::proto::rr::RData::TXT(txt) = data else { return None };
    String::from_utf8(txt.txt_data.concat()).ok()
}
