//! Whether a server is fit for limits, by what it says of itself.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::store::Warning;

/// The oldest version that will do.
const OLDEST: (u32, u32, &str) = (6, 2, "6.2");

/// Clocks that are further apart are worth a word: a failover may lead to a server whose clock is as far off as that.
const APART: Duration = Duration::from_secs(1);

/// What a server has said.
#[derive(Clone, Debug, Default)]
pub(super) struct Said {
    /// The answer to `INFO`.
    pub(super) info: String,
    /// The save points; `None` where that is not to be known.
    pub(super) save: Option<String>,
    /// The answer to `CLUSTER INFO` of a node of a cluster.
    pub(super) cluster: Option<String>,
    /// By how much its clock is ahead.
    pub(super) ahead_us: i64,
}

/// What an operator should change.
pub(super) fn warnings(said: &Said) -> Vec<Warning> {
    let info = fields(&said.info);
    let field = |name| info.get(name).copied();
    let mut warnings = Vec::new();
    if let Some(found) = field("redis_version")
        && is_too_old(found)
    {
        warnings.push(Warning::TooOld { found: found.to_owned(), needed: OLDEST.2 });
    }
    if let Some(policy) = field("maxmemory_policy")
        && !matches!(policy, "noeviction" | "volatile-ttl")
    {
        warnings.push(Warning::Evicts(policy.to_owned()));
    }
    if let Some(evicted @ 1..) = field("evicted_keys").and_then(|number| number.parse().ok()) {
        warnings.push(Warning::Evicted(evicted));
    }
    if field("aof_enabled") == Some("0") && said.save.as_deref() == Some("") {
        warnings.push(Warning::NotPersisted);
    }
    if let Some(state) = said.cluster.as_deref().and_then(|info| fields(info).get("cluster_state").copied())
        && state != "ok"
    {
        warnings.push(Warning::ClusterBroken(state.to_owned()));
    }
    let apart = Duration::from_micros(said.ahead_us.unsigned_abs());
    if apart > APART {
        warnings.push(Warning::ClockApart(u64::try_from(apart.as_millis()).unwrap_or(u64::MAX)));
    }
    warnings
}

/// Lines of `name:value`.
fn fields(info: &str) -> BTreeMap<&str, &str> {
    info.lines().filter_map(|line| line.trim_end().split_once(':')).collect()
}

/// What cannot be read is not complained of.
fn is_too_old(version: &str) -> bool {
    let mut parts = version.split('.').map_while(|part| part.parse::<u32>().ok());
    parts.next().is_some_and(|major| (major, parts.next().unwrap_or(0)) < (OLDEST.0, OLDEST.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(info: &str) -> Said {
        Said { info: info.replace('\n', "\r\n"), save: Some("3600 1".to_owned()), ..Said::default() }
    }

    #[test]
    fn a_server_that_is_fit_is_not_complained_of() {
        let fit = "# Server\nredis_version:7.0.15\n\n# Memory\nmaxmemory_policy:noeviction\nevicted_keys:0\naof_enabled:0\n";
        assert_eq!(warnings(&said(fit)), []);
        assert_eq!(warnings(&Said { cluster: Some("cluster_state:ok\r\n".to_owned()), ahead_us: -900_000, ..said(fit) }), []);
        assert_eq!(warnings(&Said { save: None, ..said(fit) }), [], "not known");
        assert_eq!(warnings(&Said { save: Some(String::new()), ..said("aof_enabled:1") }), []);
        assert_eq!(warnings(&said("redis_version:unheard of")), []);
    }

    #[test]
    fn each_flaw_is_named() {
        for (info, expected) in [
            ("redis_version:6.0.16", Warning::TooOld { found: "6.0.16".to_owned(), needed: "6.2" }),
            ("redis_version:5", Warning::TooOld { found: "5".to_owned(), needed: "6.2" }),
            ("maxmemory_policy:allkeys-lru", Warning::Evicts("allkeys-lru".to_owned())),
            ("maxmemory_policy:volatile-lru", Warning::Evicts("volatile-lru".to_owned())),
            ("evicted_keys:7", Warning::Evicted(7)),
        ] {
            assert_eq!(warnings(&said(info)), [expected]);
        }
        assert_eq!(warnings(&Said { save: Some(String::new()), ..said("aof_enabled:0") }), [Warning::NotPersisted]);
        let broken = Said { cluster: Some("cluster_state:fail\r\n".to_owned()), ..said("") };
        assert_eq!(warnings(&broken), [Warning::ClusterBroken("fail".to_owned())]);
        assert_eq!(warnings(&Said { ahead_us: -1_500_000, ..said("") }), [Warning::ClockApart(1500)]);
    }
}
