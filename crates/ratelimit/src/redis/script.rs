//! The script, what it is told and what it answers.

use std::sync::LazyLock;

use redis::{Cmd, FromRedisValue as _, RedisError, Script, Value};
use togglebox_core::{StoreError, StoreErrorKind, StoreResult};

use crate::batch::{Batch, Limit, PerLimit, Reply};
use crate::gcra::Tat;
use crate::span::Span;

/// The text that a server runs. It names its version, since servers and nodes of two versions meet while a deployment rolls.
pub(super) const TEXT: &str = include_str!("script.lua");

/// What the server calls the text.
static NAME: LazyLock<String> = LazyLock::new(|| Script::new(TEXT).get_hash().to_owned());

/// Above all that it is compared with: what would be more is as much as this.
const MOST: Span = Span { us: (1 << 53) - 1, part: 0 };

/// What the script is to do.
#[derive(Clone, Copy, Debug)]
pub(super) enum Mode {
    Consume,
    Peek,
    Charge,
    /// So many times at the most.
    Grant(u32),
    /// What was charged at this moment of the server's clock, in microseconds.
    Refund(u64),
}

/// Whose clock the script goes by.
#[derive(Clone, Copy, Debug)]
pub(super) enum Time {
    /// The server's own.
    Server,
    /// A test's, in microseconds. Keys outlive their use by far, for a test's time and the server's have nothing to do with each other.
    #[cfg(feature = "testkit")]
    Test(u64),
}

/// How the script is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    Name,
    /// For a server that does not know it yet, and will then.
    Text,
}

/// One run of the script.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) keys: PerLimit<String>,
    /// What belongs to the mode.
    number: u64,
    /// What the script is told of the limits.
    packed: Vec<u8>,
    mode: Mode,
    time: Time,
}

impl Call {
    pub(super) fn new(mode: Mode, batch: &Batch, prefix: &str, time: Time) -> Self {
        let (tag, limits) = (batch.tag(), batch.limits());
        let key = |limit: &Limit| format!("{prefix}rl:2:{{{tag}}}:{}:{}", limit.policy(), limit.slot());
        let number = match mode {
            Mode::Consume | Mode::Peek | Mode::Charge => 0,
            Mode::Grant(asked) => asked.into(),
            Mode::Refund(charged_at_us) => charged_at_us,
        };
        let mut packed = Vec::with_capacity(7 * limits.len() * size_of::<f64>());
        for limit in limits {
            let quota = limit.quota();
            let (cost, tolerance) = (quota.span(limit.cost().into()).min(MOST), quota.tolerance());
            pack(&mut packed, [cost.us, cost.part.into(), tolerance.us, tolerance.part.into(), quota.fractions().into()]);
        }
        if limits.iter().any(|limit| limit.quota().debt() > 0) {
            for Span { us, part } in limits.iter().map(|limit| limit.quota().horizon()) {
                pack(&mut packed, [us, part.into()]);
            }
        }
        Self { keys: limits.iter().map(key).collect(), number, packed, mode, time }
    }

    pub(super) fn command(&self, by: By) -> Cmd {
        let mut command = match by {
            By::Name => redis::cmd("EVALSHA"),
            By::Text => redis::cmd("EVAL"),
        };
        command.arg(if by == By::Name { &NAME } else { TEXT }).arg(self.keys.len()).arg(self.keys.as_slice());
        command.arg(match self.mode {
            Mode::Consume => "consume",
            Mode::Peek => "peek",
            Mode::Charge => "charge",
            Mode::Grant(_) => "grant",
            Mode::Refund(_) => "refund",
        });
        command.arg(self.number).arg(self.packed.as_slice());
        match self.time {
            Time::Server => {}
            #[cfg(feature = "testkit")]
            Time::Test(now_us) => {
                command.arg(now_us).arg(3_600_000);
            }
        }
        command
    }

    /// What the script says: how many times the batch has passed, and the reply.
    pub(super) fn answer(&self, value: Value, operation: &'static str) -> StoreResult<(u32, Reply)> {
        let odd =
            |why: Box<dyn std::error::Error + Send + Sync>| StoreError::new(StoreErrorKind::Corrupt, operation).caused_by(why);
        let numbers = Vec::<u64>::from_redis_value(value).map_err(|error| odd(RedisError::from(error).into()))?;
        let [now_us, times, before @ ..] = numbers.as_slice() else { return Err(odd("the script's answer is too short".into())) };
        let (pairs, rest) = before.as_chunks::<2>();
        if pairs.len() != self.keys.len() || !rest.is_empty() {
            return Err(odd("the script's answer is not about the limits that it was asked for".into()));
        }
        let tat = |[us, part]: &[u64; 2]| Ok(Tat::new(*us, u32::try_from(*part).map_err(|error| odd(error.into()))?));
        let before = pairs.iter().map(tat).collect::<StoreResult<PerLimit<Tat>>>()?;
        let times = u32::try_from(*times).map_err(|error| odd(error.into()))?;
        let passed = times > 0;
        let charged = match self.mode {
            Mode::Consume | Mode::Grant(_) => passed,
            Mode::Charge => true,
            Mode::Peek | Mode::Refund(_) => false,
        };
        Ok((times, Reply { now_us: *now_us, passed, charged, before }))
    }
}

/// Numbers as the script reads them.
#[expect(clippy::cast_precision_loss, reason = "below 2^53, or larger than anything that they are compared with")]
fn pack<const N: usize>(packed: &mut Vec<u8>, numbers: [u64; N]) {
    packed.extend(numbers.into_iter().flat_map(|number| (number as f64).to_le_bytes()));
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use togglebox_core::TenantId;

    use super::*;
    use crate::{Digest, Quota, Tag};

    const TAG: Tag = Tag::Tenant(TenantId::DEFAULT);

    fn batch() -> Batch {
        let quota = Quota::rate(7, Duration::from_secs(1)).burst(3).unwrap().with_debt(1).unwrap();
        Batch::one(TAG, Limit::new("key".parse().unwrap(), Digest::of([b"k".as_slice()]), quota, 2).unwrap())
    }

    fn words(command: &Cmd) -> Vec<Vec<u8>> {
        let word = |argument: redis::Arg<&[u8]>| match argument {
            redis::Arg::Simple(bytes) => bytes.to_vec(),
            other => panic!("{other:?}"),
        };
        command.args_iter().map(word).collect()
    }

    /// Whoever changes the text gives it another version, and sees to it that either version reads the other one's values.
    #[test]
    fn the_text_is_the_one_that_this_version_names() {
        assert!(TEXT.starts_with("-- ToggleBox, limits in Redis: script 2, values 2.\n"));
        assert_eq!(*NAME, "e967acf7ab76123f9875226791dd6fbd6f0520c3");
    }

    #[test]
    fn a_call_is_told_in_packed_numbers() {
        let call = Call::new(Mode::Grant(5), &batch(), "blue:", Time::Server);
        let digest = Digest::of([b"k".as_slice()]);
        let key = format!("blue:rl:2:{{t:00000000000000000000000000000000}}:key:{digest}");
        let numbers = [285_714, 2, 428_571, 3, 7, 571_428, 4].map(|number| f64::from(number).to_le_bytes()).concat();
        let mut expected = ["EVALSHA", NAME.as_str(), "1", &key, "grant", "5"].map(|word| word.as_bytes().to_vec()).to_vec();
        expected.push(numbers);
        assert_eq!(words(&call.command(By::Name)), expected);
        expected.splice(..2, ["EVAL", TEXT].map(|word| word.as_bytes().to_vec()));
        assert_eq!(words(&call.command(By::Text)), expected);
    }

    #[test]
    fn answers_are_understood_or_refused() {
        let integers = |numbers: &[i64]| Value::Array(numbers.iter().copied().map(Value::Int).collect());
        let call = Call::new(Mode::Grant(5), &batch(), "", Time::Server);
        let (times, reply) = call.answer(integers(&[9, 2, 10, 3]), "limits.grant").unwrap();
        assert_eq!((times, reply.now_us, reply.passed, reply.charged), (2, 9, true, true));
        assert_eq!(reply.before.as_slice(), [Tat::new(10, 3)]);
        for odd in [integers(&[9]), integers(&[9, 0]), integers(&[9, 0, 1]), integers(&[9, 0, 1, -1]), Value::Okay] {
            let error = call.answer(odd.clone(), "limits.grant").unwrap_err();
            assert_eq!(error.kind(), &StoreErrorKind::Corrupt, "{odd:?}");
        }
    }
}
