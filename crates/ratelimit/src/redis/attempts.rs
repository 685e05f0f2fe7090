//! A call, from its first attempt to its answer.
//!
//! It is sent again only after an answer which says that nothing was done. Where there is no answer, nobody knows, and it fails.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{ErrorKind, RedisError, RedisResult, ServerErrorKind, Value};
use tokio::time::error::Elapsed;
use tokio::time::{sleep, timeout};

use super::cluster::Cluster;
use super::map::{Address, redirection};
use super::node::{Lent, Node};
use super::script::{By, Call};

/// How often a call follows an answer at once; then it makes a pause, and begins anew by the map. Its time is the limit.
const MOST_HOPS: usize = 5;

/// The pause after an attempt that came at a bad time; it doubles with each.
const FIRST_PAUSE: Duration = Duration::from_millis(1);

/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_millis(4);

/// Where limits are kept.
pub(super) enum Servers {
    One(Arc<Node>),
    Cluster(Cluster),
}

/// Why a call has failed. Whether it was carried out is unknown where it was [`Late`](Self::Late) or a connection was lost.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("there is no connection to Redis at {0}")]
    Away(String),
    #[error("nobody is known to serve slot {0} of the Redis cluster")]
    Unserved(u16),
    #[error("Redis has not answered in time")]
    Late(#[from] Elapsed),
    #[error("this server is a node of a cluster: its address must begin with redis-cluster:// or rediss-cluster://")]
    OfCluster,
    #[error(transparent)]
    Redis(#[from] RedisError),
}

/// Where a call goes that the map does not lead there.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Lead {
    address: Address,
    /// The node does not serve the slot yet, and answers only those who say that they were sent.
    asking: bool,
    /// Keys that are not there are made first.
    filling: bool,
}

/// What to do after an answer that is an error.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    /// Nothing was done: send the text of the script.
    Text,
    /// Nothing was done: send it there.
    To { address: Address, asking: bool },
    /// Nothing was done: keys of the slot are on two nodes at present.
    Split,
    /// Nothing was done: this is not the time.
    Later,
    /// Nothing was done: this is not the server for writes any more.
    Elsewhere,
    /// It is not known whether anything was done, or it would be the same again.
    Give,
}

impl Servers {
    /// Carries out a call on the limits of one slot.
    pub(super) async fn run(&self, call: &Call, slot: u16, limit: Duration) -> Result<Value, Failure> {
        let outcome = timeout(limit, self.attempts(call, slot)).await.unwrap_or_else(|elapsed| Err(elapsed.into()));
        if let (Err(_), Self::Cluster(cluster)) = (&outcome, self) {
            cluster.has_changed(None);
        }
        outcome
    }

    async fn attempts(&self, call: &Call, slot: u16) -> Result<Value, Failure> {
        let (mut by, mut lead, mut pause, mut hops) = (By::Name, None::<Lead>, FIRST_PAUSE, 0);
        loop {
            let (host, node) = self.place(lead.as_ref(), slot).await?;
            let lent = node.lend().await.ok_or_else(|| Failure::Away(node.server().to_owned()))?;
            let error = match send(lent, call, by, lead.as_ref()).await {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            match (next(&error, &host), self, lead.take()) {
                (Next::Give, ..) => return Err(error.into()),
                (Next::Text, ..) if by == By::Text => return Err(error.into()),
                (Next::Text, _, stays) => (by, lead) = (By::Text, stays),
                (Next::To { .. }, Self::One(_), _) => return Err(Failure::OfCluster),
                (Next::To { address, asking }, Self::Cluster(cluster), _) => {
                    if !asking {
                        cluster.has_changed(Some(&address));
                    }
                    (by, lead) = (By::Name, Some(Lead { address, asking, filling: false }));
                }
                (Next::Split, _, Some(before)) if before.asking && !before.filling => {
                    lead = Some(Lead { filling: true, ..before });
                }
                (Next::Elsewhere, Self::One(node), _) => {
                    node.renew();
                    hops = MOST_HOPS;
                }
                (Next::Elsewhere | Next::Later, Self::Cluster(cluster), _) => {
                    cluster.has_changed(None);
                    hops = MOST_HOPS;
                }
                (Next::Split | Next::Later, ..) => hops = MOST_HOPS,
            }
            if hops < MOST_HOPS {
                hops += 1;
            } else {
                (hops, lead) = (0, None);
                sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }

    /// Where a call goes: the host's name and the node.
    async fn place(&self, lead: Option<&Lead>, slot: u16) -> Result<(String, Arc<Node>), Failure> {
        match (self, lead) {
            (Self::One(node), _) => Ok((String::new(), Arc::clone(node))),
            (Self::Cluster(cluster), Some(Lead { address, .. })) => {
                let node = cluster.led_to(address).ok_or(Failure::Unserved(slot))?;
                Ok((address.0.clone(), node))
            }
            (Self::Cluster(cluster), None) => {
                let ((host, _), node) = cluster.master(slot).await.ok_or(Failure::Unserved(slot))?;
                Ok((host, node))
            }
        }
    }
}

/// Until it is answered, an answer is awaited: who drops this meanwhile, because it takes too long, doubts the connection.
struct Awaited<'n>(Option<Lent<'n>>);

impl Drop for Awaited<'_> {
    fn drop(&mut self) {
        if let Some(lent) = &self.0 {
            lent.doubt();
        }
    }
}

async fn send(lent: Lent<'_>, call: &Call, by: By, lead: Option<&Lead>) -> RedisResult<Value> {
    let mut connection = lent.connection.clone();
    let mut awaited = Awaited(Some(lent));
    let outcome = match lead.filter(|lead| lead.asking) {
        None => call.command(by).query_async::<Value>(&mut connection).await,
        Some(lead) => ask(&mut connection, call, by, lead.filling).await,
    };
    // An answer in words clears the connection of doubt, whatever it says.
    if outcome.as_ref().map_or_else(|error| matches!(error.kind(), ErrorKind::Server(_) | ErrorKind::Extension), |_| true) {
        awaited.0 = None;
    }
    outcome
}

/// A call to a node that is to serve the slot soon.
///
/// Such a node carries out a call of several keys only when all of them are there, and a new limit's is not. But it is led to only when
/// the node that still serves the slot has none of them, and that one makes none any more. So those that are missing are made here, as
/// full buckets, which tell nothing that their absence would not tell.
async fn ask(connection: &mut MultiplexedConnection, call: &Call, by: By, filling: bool) -> RedisResult<Value> {
    let mut pipeline = redis::pipe();
    if filling {
        for key in &call.keys {
            pipeline.cmd("ASKING").cmd("SET").arg(key).arg(0).arg("PX").arg(1000).arg("NX");
        }
    }
    pipeline.cmd("ASKING").add_command(call.command(by));
    let mut answers = connection.send_packed_commands(&pipeline, 0, pipeline.len()).await?;
    // There are as many answers as commands.
    answers.pop().unwrap_or(Value::Nil).extract_error()
}

/// What an error says about what was done.
fn next(error: &RedisError, asked: &str) -> Next {
    let to = |asking| match error.redirect_node().and_then(|(address, _)| redirection(address, asked)) {
        Some(address) => Next::To { address, asking },
        None => Next::Give,
    };
    match error.kind() {
        ErrorKind::Server(ServerErrorKind::NoScript) => Next::Text,
        ErrorKind::Server(ServerErrorKind::Moved) => to(false),
        ErrorKind::Server(ServerErrorKind::Ask) => to(true),
        ErrorKind::Server(ServerErrorKind::TryAgain) => Next::Split,
        ErrorKind::Server(ServerErrorKind::BusyLoading | ServerErrorKind::ClusterDown | ServerErrorKind::MasterDown) => {
            Next::Later
        }
        ErrorKind::Server(ServerErrorKind::ReadOnly) => Next::Elsewhere,
        // Redis 6 puts the word into the text of an error of the script.
        ErrorKind::Server(ServerErrorKind::ResponseError)
            if error.detail().is_some_and(|detail| detail.contains("-READONLY ")) =>
        {
            Next::Elsewhere
        }
        // Another script takes its time.
        ErrorKind::Extension if error.code() == Some("BUSY") => Next::Later,
        _ => Next::Give,
    }
}

impl Failure {
    /// For the source of a store's error.
    pub(super) fn boxed(self) -> Box<dyn Error + Send + Sync> {
        Box::new(self)
    }
}

#[cfg(test)]
mod tests {
    use redis::parse_redis_value;

    use super::*;

    fn after(answer: &str) -> Next {
        let value = parse_redis_value(format!("-{answer}\r\n").as_bytes()).unwrap();
        next(&value.extract_error().unwrap_err(), "asked")
    }

    #[test]
    fn only_what_was_not_done_is_sent_again() {
        let at = |host: &str, asking| Next::To { address: (host.to_owned(), 7001), asking };
        for (answer, expected) in [
            ("NOSCRIPT No matching script. Please use EVAL.", Next::Text),
            ("MOVED 3999 10.0.0.1:7001", at("10.0.0.1", false)),
            ("ASK 3999 10.0.0.1:7001", at("10.0.0.1", true)),
            ("ASK 3999 :7001", at("asked", true)),
            ("MOVED 3999", Next::Give),
            ("TRYAGAIN Multiple keys request during rehashing of slot", Next::Split),
            ("CLUSTERDOWN Hash slot not served", Next::Later),
            ("LOADING Redis is loading the dataset in memory", Next::Later),
            ("MASTERDOWN Link with MASTER is down", Next::Later),
            ("BUSY Redis is busy running a script.", Next::Later),
            ("READONLY You can't write against a read only replica.", Next::Elsewhere),
            (
                "ERR Error running script (call to f_0): @user_script:1: -READONLY You can't write against a read only replica.",
                Next::Elsewhere,
            ),
            ("CROSSSLOT Keys in request don't hash to the same slot", Next::Give),
            ("OOM command not allowed when used memory > 'maxmemory'.", Next::Give),
            ("NOPERM this user has no permissions", Next::Give),
            ("ERR Error running script", Next::Give),
        ] {
            assert_eq!(after(answer), expected, "{answer}");
        }
        let dropped = RedisError::from(std::io::Error::from(std::io::ErrorKind::BrokenPipe));
        assert_eq!(next(&dropped, "asked"), Next::Give);
    }
}
