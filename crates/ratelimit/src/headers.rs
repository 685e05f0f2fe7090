//! What a client is told of its limits.
//!
//! [`Dialect::Draft`] is draft-ietf-httpapi-ratelimit-headers-08 and later: two lists of RFC 9651.
//!
//! ```text
//! RateLimit-Policy: "tenant";q=100;w=10, "key";q=20;w=2
//! RateLimit: "tenant";r=37;t=4
//! ```
//!
//! `q` is the burst and `w` the seconds in which it comes back, so that `q / w` is the sustained rate, or a little less. `r` is what could
//! pass now and `t` the time in which so much comes back: `r / t` never invites to more than the sustained rate either.

use std::time::Duration;

use smallvec::SmallVec;

use crate::decision::{Decision, LimitReport, Outcome, Pass};
use crate::policy::Mode;
use crate::quota::Quota;

/// How limits are told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Dialect {
    /// Not at all.
    None,
    /// `X-RateLimit-Limit`, `-Remaining` and `-Reset`; the last in seconds from now until everything has come back.
    Legacy,
    /// `RateLimit-Policy` and `RateLimit`.
    #[default]
    Draft,
}

/// Which limits are told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Told {
    /// The one that is nearest to denying.
    #[default]
    Binding,
    /// All of them.
    All,
}

/// A header: its name in lower case, and its value, which is ASCII.
pub type Header = (&'static str, String);

/// The names of all headers that [`of`] may give: what pages of other origins must be allowed to read, beside `Retry-After`.
pub const NAMES: [&str; 6] =
    ["ratelimit-policy", "ratelimit", "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset", "x-ratelimit-warning"];

/// The headers of an answer to a request that was decided like this. Without those of a wait: see [`retry_after_s`].
pub fn of(decision: &Decision, dialect: Dialect, told: Told, warn_below: f64) -> SmallVec<[Header; 3]> {
    let mut headers = SmallVec::new();
    let all = decision.limits().iter().filter(|limit| limit.mode == Mode::Enforce);
    let limits: SmallVec<[&LimitReport; 4]> = match (dialect, told) {
        (Dialect::None, _) => SmallVec::new(),
        (Dialect::Draft, Told::All) => all.collect(),
        (Dialect::Draft, Told::Binding) | (Dialect::Legacy, _) => decision.binding().into_iter().collect(),
    };
    tell(&mut headers, &limits, decision.outcome(), dialect);
    let warnings: SmallVec<[_; 4]> = decision.warnings(warn_below).collect();
    if let Some((first, others)) = warnings.split_first() {
        let text = others.iter().fold(first.to_string(), |text, name| text + ", " + name.as_str());
        headers.push(("x-ratelimit-warning", text));
    }
    headers
}

/// The headers of an answer to a request that passed.
pub fn of_pass(pass: &Pass<'_>, dialect: Dialect) -> SmallVec<[Header; 3]> {
    let mut headers = SmallVec::new();
    if dialect != Dialect::None
        && let Some(limit) = pass.limit()
    {
        tell(&mut headers, &[&limit], Outcome::Allowed, dialect);
    }
    headers
}

/// What `RateLimit-Policy` says of a limit. It stays the same as long as the policy's name and quota do.
pub fn policy_of(limit: &LimitReport) -> String {
    list(&[limit], policy)
}

/// Appends what `RateLimit` says of a limit after a request that passed.
pub fn tell_standing(text: &mut String, limit: &LimitReport) {
    standing(text, limit, Outcome::Allowed);
}

fn tell(headers: &mut SmallVec<[Header; 3]>, limits: &[&LimitReport], outcome: Outcome, dialect: Dialect) {
    let [first, ..] = limits else { return };
    match dialect {
        Dialect::None => {}
        Dialect::Legacy => {
            let reading = first.standing.reading;
            headers.push(("x-ratelimit-limit", first.quota.burst().to_string()));
            headers.push(("x-ratelimit-remaining", reading.remaining.to_string()));
            headers.push(("x-ratelimit-reset", ceil_s(reading.reset_after).to_string()));
        }
        Dialect::Draft => {
            headers.push(("ratelimit-policy", list(limits, policy)));
            headers.push(("ratelimit", list(limits, |text, limit| standing(text, limit, outcome))));
        }
    }
}

/// What `Retry-After` says: whole seconds, at least one, rounded up, and up to three in a hundred more, so that those who were sent away
/// together do not come back together. `spread` is any random byte.
pub fn retry_after_s(wait: Duration, spread: u8) -> u64 {
    let ms = wait.as_millis().saturating_add(u128::from(!wait.subsec_nanos().is_multiple_of(1_000_000)));
    let more = ms.saturating_mul(3 * u128::from(spread)) / (100 * 255);
    u64::try_from(ms.saturating_add(more).div_ceil(1000)).unwrap_or(u64::MAX).max(1)
}

fn list(limits: &[&LimitReport], write: impl Fn(&mut String, &LimitReport)) -> String {
    let mut text = String::with_capacity(limits.len() * 48);
    for limit in limits {
        if !text.is_empty() {
            text.push_str(", ");
        }
        write(&mut text, limit);
    }
    text
}

fn policy(text: &mut String, limit: &LimitReport) {
    let (units, seconds) = rate(&limit.quota);
    item(text, limit, (";q=", units), (";w=", seconds));
}

fn standing(text: &mut String, limit: &LimitReport, outcome: Outcome) {
    let (left, quota) = (limit.standing.reading.remaining, &limit.quota);
    let seconds = if left == 0 {
        // One comes back when the bucket is a unit short of its burst away from full.
        let short = quota.full_after().saturating_sub(quota.interval());
        ceil_s(limit.standing.reading.reset_after.saturating_sub(short))
    } else {
        ceil_s(quota.interval().saturating_mul(u32::try_from(left).unwrap_or(u32::MAX)))
    };
    let seconds = match outcome {
        Outcome::Denied { retry_after, .. } => seconds.min(ceil_s(retry_after)),
        _ => seconds,
    };
    item(text, limit, (";r=", left), (";t=", seconds.max(1)));
}

/// A policy and two of its figures. A name is letters, digits and hyphens.
fn item(text: &mut String, limit: &LimitReport, one: (&str, u64), other: (&str, u64)) {
    text.push('"');
    text.push_str(limit.policy.as_str());
    text.push('"');
    for (name, figure) in [one, other] {
        text.push_str(name);
        // These stand in nearly every answer, and formatting takes several times as long.
        text.push_str(itoa::Buffer::new().format(figure));
    }
}

/// The largest integer that RFC 9651 has.
const LARGEST: u64 = 999_999_999_999_999;

/// Units and whole seconds whose ratio is the sustained rate or a little less.
fn rate(quota: &Quota) -> (u64, u64) {
    let full = quota.full_after();
    if full >= Duration::from_secs(1) {
        return (quota.burst().into(), ceil_s(full));
    }
    let (whole, fractions) = quota.interval_us();
    let in_a_second = u128::from(fractions) * 1_000_000 / u128::from(whole);
    (u64::try_from(in_a_second).map_or(LARGEST, |units| units.min(LARGEST)), 1)
}

fn ceil_s(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Standing;
    use crate::decision::Source;
    use crate::gcra::Reading;
    use proptest::prelude::*;
    use sfv::{FieldType as _, List, ListEntry, Parser};

    fn quota(limit: u32, period_ms: u64, burst: u32) -> Quota {
        Quota::rate(limit, Duration::from_millis(period_ms)).burst(burst).unwrap()
    }

    fn report(name: &str, quota: Quota, remaining: u64, reset_ms: u64, retry_ms: u64, mode: Mode) -> LimitReport {
        let reading = Reading { remaining, reset_after: Duration::from_millis(reset_ms) };
        let retry_after = Duration::from_millis(retry_ms);
        let standing = Standing { passed: retry_ms == 0, reading, retry_after };
        LimitReport { policy: name.parse().unwrap(), quota, mode, standing }
    }

    fn decision(limits: &[LimitReport]) -> Decision {
        let denied = limits.iter().find(|limit| !limit.standing.passed && limit.mode == Mode::Enforce);
        let outcome = denied
            .map_or(Outcome::Allowed, |limit| Outcome::Denied { policy: limit.policy, retry_after: limit.standing.retry_after });
        let limits = limits.iter().copied().collect();
        Decision { outcome, source: Source::Store, limits, taken: SmallVec::new() }
    }

    fn headers(limits: &[LimitReport], dialect: Dialect, told: Told) -> Vec<String> {
        of(&decision(limits), dialect, told, 0.2).into_iter().map(|(name, value)| format!("{name}: {value}")).collect()
    }

    #[test]
    fn the_draft_tells_the_nearest_limit_or_all() {
        let limits = [
            report("tenant", quota(10, 1000, 100), 37, 6300, 0, Mode::Enforce),
            report("key", quota(10, 1000, 20), 19, 100, 0, Mode::Enforce),
        ];
        assert_eq!(
            headers(&limits, Dialect::Draft, Told::Binding),
            [r#"ratelimit-policy: "tenant";q=100;w=10"#, r#"ratelimit: "tenant";r=37;t=4"#]
        );
        assert_eq!(
            headers(&limits, Dialect::Draft, Told::All),
            [r#"ratelimit-policy: "tenant";q=100;w=10, "key";q=20;w=2"#, r#"ratelimit: "tenant";r=37;t=4, "key";r=19;t=2"#]
        );
        assert!(headers(&limits, Dialect::None, Told::All).is_empty());
    }

    #[test]
    fn what_is_used_up_tells_when_one_comes_back() {
        let limits = [report("login", quota(5, 60_000, 5), 0, 59_000, 11_000, Mode::Enforce)];
        assert_eq!(
            headers(&limits, Dialect::Draft, Told::Binding),
            [r#"ratelimit-policy: "login";q=5;w=60"#, r#"ratelimit: "login";r=0;t=11"#]
        );
        // Three are left, and ten were asked for: the wait is for ten, and `t` no longer than it.
        let limits = [report("p", quota(1, 10_000, 10), 3, 70_000, 20_000, Mode::Enforce)];
        assert_eq!(headers(&limits, Dialect::Draft, Told::Binding)[1], r#"ratelimit: "p";r=3;t=20"#);
    }

    #[test]
    fn a_bucket_of_less_than_a_second_is_told_by_the_second() {
        let limits = [report("p", quota(1000, 1000, 50), 50, 0, 0, Mode::Enforce)];
        assert_eq!(
            headers(&limits, Dialect::Draft, Told::Binding),
            [r#"ratelimit-policy: "p";q=1000;w=1"#, r#"ratelimit: "p";r=50;t=1"#]
        );
    }

    #[test]
    fn the_older_headers_tell_seconds_from_now() {
        let limits = [report("p", quota(1, 1000, 60), 12, 47_001, 0, Mode::Enforce)];
        assert_eq!(
            headers(&limits, Dialect::Legacy, Told::All),
            ["x-ratelimit-limit: 60", "x-ratelimit-remaining: 12", "x-ratelimit-reset: 48"]
        );
    }

    #[test]
    fn a_policy_that_warns_is_named_and_nothing_else() {
        let low = quota(1, 1000, 10);
        let limits = [
            report("a", low, 1, 9000, 0, Mode::Warn),
            report("b", low, 0, 10_000, 1000, Mode::Warn),
            report("c", low, 9, 1000, 0, Mode::Warn),
            report("d", low, 0, 10_000, 1000, Mode::Shadow),
        ];
        assert_eq!(headers(&limits, Dialect::Draft, Told::All), ["x-ratelimit-warning: a, b"]);
    }

    #[test]
    fn waits_are_whole_seconds_and_spread() {
        assert_eq!(retry_after_s(Duration::ZERO, 0), 1);
        assert_eq!(retry_after_s(Duration::from_nanos(1), 0), 1);
        assert_eq!(retry_after_s(Duration::from_millis(1001), 0), 2);
        assert_eq!(retry_after_s(Duration::from_secs(100), 0), 100);
        assert_eq!(retry_after_s(Duration::from_secs(100), 255), 103);
        assert_eq!(retry_after_s(Duration::MAX, 255), u64::MAX);
    }

    #[test]
    fn the_parts_are_those_of_the_whole() {
        let limit = report("tenant", quota(10, 1000, 100), 37, 6300, 0, Mode::Enforce);
        let whole = of(&decision(&[limit]), Dialect::Draft, Told::All, 0.2);
        let mut standing = String::new();
        tell_standing(&mut standing, &limit);
        assert_eq!([&whole[0].1, &whole[1].1], [&policy_of(&limit), &standing]);
    }

    #[test]
    fn every_header_is_named() {
        let limits =
            [report("a", quota(1, 1000, 10), 5, 5000, 0, Mode::Enforce), report("b", quota(1, 1000, 10), 0, 5000, 1, Mode::Warn)];
        for dialect in [Dialect::Draft, Dialect::Legacy] {
            for (name, _) in of(&decision(&limits), dialect, Told::All, 0.2) {
                assert!(NAMES.contains(&name), "{name}");
            }
        }
    }

    /// Names and parameters of a list, as a parser reads it that is not ours.
    fn read(header: &str) -> Vec<(String, Vec<(String, i64)>)> {
        let list: List = Parser::new(header).parse().unwrap();
        assert_eq!(list.serialize().unwrap(), header, "written as the standard wants it");
        let entry = |entry: ListEntry| {
            let ListEntry::Item(item) = entry else { panic!("no inner lists: {header}") };
            let number = |value: &sfv::BareItem| i64::from(value.as_integer().unwrap());
            let parameters = item.params.iter().map(|(name, value)| (name.as_str().to_owned(), number(value))).collect();
            (item.bare_item.as_string().unwrap().as_str().to_owned(), parameters)
        };
        list.into_iter().map(entry).collect()
    }

    prop_compose! {
        fn any_report()(
            limit in prop_oneof![1..1000_u32, any::<u32>().prop_map(|limit| limit.max(1))],
            period_us in prop_oneof![1..10_u64, 1..1_000_000_u64, 1..100_000_000_000_u64],
            burst in prop_oneof![1..1000_u32, any::<u32>().prop_map(|burst| burst.max(1))],
            part in 0.0..=1.0_f64,
            name in "[a-z][a-z0-9-]{0,20}[a-z0-9]",
        ) -> LimitReport {
            let asked = Quota::rate(limit, Duration::from_micros(period_us)).burst(burst);
            let quota = asked.unwrap_or_else(|_| quota(limit.min(1000), 1000, burst.min(1000)));
            let reset_after = quota.full_after().mul_f64(part);
            let missing = reset_after.as_micros().div_ceil(quota.interval().as_micros().max(1));
            let remaining = u64::from(burst).saturating_sub(u64::try_from(missing).unwrap());
            let standing = Standing { passed: true, reading: Reading { remaining, reset_after }, retry_after: Duration::ZERO };
            LimitReport { policy: name.parse().unwrap(), quota, mode: Mode::Enforce, standing }
        }
    }

    proptest! {
        #[test]
        fn headers_are_structured_fields_and_say_what_is(limits in prop::collection::vec(any_report(), 1..8)) {
            let headers = of(&decision(&limits), Dialect::Draft, Told::All, 0.2);
            let [policies, standings] = [0, 1].map(|number: usize| read(&headers[number].1));
            prop_assert_eq!((policies.len(), standings.len()), (limits.len(), limits.len()));
            for ((limit, (policy, rate)), (standing, left)) in limits.iter().zip(policies).zip(standings) {
                prop_assert_eq!(limit.policy.as_str(), &policy);
                prop_assert_eq!(&policy, &standing);
                let [(q, units), (w, seconds)] = &rate[..] else { panic!("{rate:?}") };
                prop_assert_eq!((q.as_str(), w.as_str()), ("q", "w"));
                let [(r, units_left), (t, wait)] = &left[..] else { panic!("{left:?}") };
                prop_assert_eq!((r.as_str(), t.as_str()), ("r", "t"));
                prop_assert!(*seconds >= 1 && *wait >= 1);
                prop_assert_eq!(*units_left, i64::try_from(limit.standing.reading.remaining).unwrap());
                // Never more than the sustained rate: q / w ≤ 1 / T, with T in units of 1 / fractions µs.
                let (whole, fractions) = limit.quota.interval_us();
                let told = i128::from(*units) * i128::from(whole);
                prop_assert!(told <= i128::from(*seconds) * 1_000_000 * i128::from(fractions), "{units} in {seconds} s");
            }
        }
    }
}
