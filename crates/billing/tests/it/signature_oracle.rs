//! Whether our verifier takes what Stripe's own library takes: the official Python one, asked about the same headers.

use std::collections::BTreeMap;
use std::env;
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::thread;

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::json;
use sha2::Sha256;
use togglebox_billing::{Verifier, WebhookSecret};
use togglebox_core::{EntropyExt as _, SeededEntropy, Timestamp};

const CASES: usize = 100_000;
const NOW: i64 = 1_800_000_000;
const TOLERANCE: i64 = 300;
const SECRETS: [&str; 3] = ["whsec_current", "whsec_previous", "whsec_never_ours"];

/// Reads one case a line and writes `1` or `0` for each: whether any of the secrets takes it.
const ORACLE: &str = r#"
import json, sys
import stripe._webhook as webhook
from stripe import WebhookSignature
assert __import__("stripe").VERSION == "16.1.0", "another version of the oracle"
answers = []
class Clock:
    def time(self):
        return self.now
webhook.time = Clock()
for line in sys.stdin.buffer.read().decode("utf-8").split("\n")[:-1]:
    case = json.loads(line)
    webhook.time.now = case["now"]
    taken = False
    for secret in case["secrets"]:
        try:
            taken = taken or WebhookSignature.verify_header(case["body"].encode("utf-8"), case["header"], secret, tolerance=300)
        except Exception:
            pass
    answers.append("1" if taken else "0")
sys.stdout.write("".join(answers))
"#;

/// The interpreter that has the library, and localstripe; `None` means that the test is to be skipped. In CI nothing is.
#[expect(clippy::print_stderr, reason = "whoever runs the tests is to know what was left out")]
pub(crate) fn interpreter() -> Option<String> {
    const NAME: &str = "TOGGLEBOX_TEST_STRIPE_PYTHON";
    let python = env::var_os(NAME).map(|value| value.into_string().expect("text"));
    if python.is_none() {
        assert!(env::var_os("CI").is_none(), "{NAME} is not set: run the tests with `cargo xtask test`");
        eprintln!("skipped: {NAME} is not set; it names a Python that has stripe 16.1.0 and localstripe 1.15.10");
    }
    python
}

struct Case {
    header: String,
    body: String,
    secrets: Vec<&'static str>,
}

struct Dice(SeededEntropy);

impl Dice {
    fn below(&self, bound: usize) -> usize {
        usize::try_from(u64::from_le_bytes(self.0.bytes()) % bound as u64).unwrap()
    }

    fn one<'a, T: ?Sized>(&self, of: &[&'a T]) -> &'a T {
        of[self.below(of.len())]
    }

    fn chance(&self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

fn sign(secret: &str, seconds: i64, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(format!("{seconds}.{body}").as_bytes());
    mac.finalize().into_bytes().iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// A header as it should be, and then up to three things that happen to it.
fn case(dice: &Dice) -> Case {
    let body = dice.one(&[r#"{"id":"evt_1"}"#, "", "{\"name\":\"Zoë ☃\"}\n", " {} "]).to_owned();
    let shift = [0, 0, 0, -1, -299, -300, -301, -86_400, 299, 300, 301, 86_400][dice.below(12)];
    let seconds = NOW + shift;
    let mut parts = vec![format!("t={seconds}")];
    for _ in 0..=dice.below(3) {
        let secret = dice.one(&SECRETS);
        let scheme = dice.one(&["v1", "v1", "v1", "v0", "v2"]);
        parts.push(format!("{scheme}={}", sign(secret, seconds, &body)));
    }
    let secrets = match dice.below(4) {
        0 => vec![SECRETS[0], SECRETS[1]],
        1 => vec![SECRETS[1]],
        _ => vec![SECRETS[0]],
    };
    for _ in 0..dice.below(4) {
        mutate_parts(&mut parts, dice);
    }
    let mut header = parts.join(",");
    if dice.chance(30) {
        mutate_text(&mut header, dice);
    }
    let body = if dice.chance(5) { format!("{body} ") } else { body };
    Case { header, body, secrets }
}

fn mutate_parts(parts: &mut Vec<String>, dice: &Dice) {
    if parts.is_empty() {
        return;
    }
    let (one, other) = (dice.below(parts.len()), dice.below(parts.len()));
    match dice.below(16) {
        0 => parts.swap(one, other),
        1 => parts.insert(one, parts[other].clone()),
        2 => drop(parts.remove(one)),
        3 => parts[one] = parts[one].to_uppercase(),
        4 => parts[one].insert(0, ' '),
        5 => parts[one].push(' '),
        6 => parts[one] = parts[one].replacen('=', "= ", 1),
        7 => {
            let kept = dice.below(parts[one].chars().count() + 1);
            parts[one] = parts[one].chars().take(kept).collect();
        }
        8 => {
            let odd = ["", "nonsense", "=", "a=b", "a=b=c", "v1", "t", "v1=", "t=", "V1=00", "T=1"];
            parts.insert(one, dice.one(&odd).to_owned());
        }
        9 => parts[one].push('0'),
        10 => parts[one] = parts[one].replacen("t=", dice.one(&["t=0", "t=+", "t=-", "t= ", "t=1_", "t=1", "t=\u{0661}"]), 1),
        11 => parts[one].push_str(dice.one(&["=", "=x", ".0", "e0", "\u{e9}"])),
        12 => parts[one] = parts[one].replacen("v1", dice.one(&["v0", "v2", "v11", "v", "V1"]), 1),
        13 => parts[one] = parts[one].replacen("v0", "v1", 1),
        14 => parts.insert(one, format!("t={}", NOW + i64::try_from(dice.below(3)).unwrap() - 1)),
        _ => {
            for _ in 0..dice.below(20) {
                parts.insert(one, format!("v1={}", "0".repeat(64)));
            }
        }
    }
}

fn mutate_text(header: &mut String, dice: &Dice) {
    let chars: Vec<char> = header.chars().collect();
    if chars.is_empty() {
        return;
    }
    let place = dice.below(chars.len());
    let other = ['0', 'f', 'F', ',', '=', ' ', '\t', 't', 'v', '1', '_', '+', '\u{e9}', '\u{0661}'][dice.below(14)];
    let mut changed = chars;
    match dice.below(4) {
        0 => changed[place] = other,
        1 => changed.insert(place, other),
        2 => drop(changed.remove(place)),
        _ => changed.truncate(place),
    }
    *header = changed.into_iter().collect();
}

/// In what we differ on purpose, and which of the two takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Difference {
    /// Theirs takes any time that is not too long ago.
    Future,
    /// Theirs takes the first of two times.
    TwoTimes,
    /// Theirs reads a time as Python reads numbers: with a sign, spaces, `_`, digits of other scripts.
    PythonNumber,
    /// Theirs leaves out what stands behind a second `=`.
    SecondEquals,
    /// Theirs looks at any number of signatures, ours at sixteen.
    ManySignatures,
    /// Theirs stumbles over a `t` or `v1` that has no `=`; for ours that is a part like any other that it does not know. The rest of the header
    /// is good: ours takes it.
    BareName,
    /// Theirs cannot compare a signature that is no ASCII, and takes nothing then; for ours it is one that does not fit.
    NotAscii,
}

fn difference(header: &str, ours: bool) -> Option<Difference> {
    let parts: Vec<&str> = header.split(',').collect();
    if ours {
        if parts.iter().any(|part| part.starts_with("v1=") && !part.is_ascii()) {
            return Some(Difference::NotAscii);
        }
        return parts.iter().any(|part| ["t", "v1"].contains(part)).then_some(Difference::BareName);
    }
    let times: Vec<&str> = parts.iter().filter_map(|part| part.strip_prefix("t=")).collect();
    let first = times.first()?;
    if times.len() > 1 {
        return Some(Difference::TwoTimes);
    }
    if !first.bytes().all(|byte| byte.is_ascii_digit() || byte == b'=') {
        return Some(Difference::PythonNumber);
    }
    if parts.iter().any(|part| part.matches('=').count() > 1) {
        return Some(Difference::SecondEquals);
    }
    if parts.iter().filter(|part| part.starts_with("v1=")).count() > 16 {
        return Some(Difference::ManySignatures);
    }
    first.parse::<i64>().is_ok_and(|seconds| seconds > NOW + TOLERANCE).then_some(Difference::Future)
}

fn ask(python: &str, cases: &[Case]) -> Vec<bool> {
    let lines = cases.iter().fold(String::new(), |mut lines, case| {
        writeln!(lines, "{}", json!({"header": case.header, "body": case.body, "secrets": case.secrets, "now": NOW})).unwrap();
        lines
    });
    let mut child = Command::new(python)
        .args(["-c", ORACLE])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the interpreter runs");
    let mut stdin = child.stdin.take().unwrap();
    let writer = thread::spawn(move || stdin.write_all(lines.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success(), "the oracle failed");
    output.stdout.iter().map(|answer| *answer == b'1').collect()
}

#[test]
fn the_official_library_agrees() {
    let Some(python) = interpreter() else { return };
    let dice = Dice(SeededEntropy::new(0x5712_19e5));
    let cases: Vec<Case> = (0..CASES).map(|_| case(&dice)).collect();
    let answers = ask(&python, &cases);
    assert_eq!(answers.len(), cases.len());
    let (mut taken, mut differences) = (0, BTreeMap::new());
    for (case, theirs) in cases.iter().zip(answers) {
        let secrets = case.secrets.iter().map(|secret| WebhookSecret::new(secret).unwrap()).collect();
        let verifier = Verifier::new(secrets, Verifier::TOLERANCE).unwrap();
        let ours = verifier.verify(&case.header, case.body.as_bytes(), Timestamp::from_ms(NOW * 1000)).is_ok();
        taken += usize::from(ours);
        if ours != theirs {
            let difference = difference(&case.header, ours);
            let (header, secrets) = (&case.header, &case.secrets);
            let difference =
                difference.unwrap_or_else(|| panic!("ours: {ours}, theirs: {theirs}, of {header:?} with {secrets:?}"));
            *differences.entry(difference).or_insert(0) += 1;
        }
    }
    assert!((CASES / 10..CASES * 9 / 10).contains(&taken), "{taken} of {CASES} were taken: too few of one kind to tell anything");
    assert!(differences.contains_key(&Difference::Future) && differences.contains_key(&Difference::TwoTimes), "{differences:?}");
    println!("{CASES} headers, {taken} taken by ours; differences, all of them wanted: {differences:?}");
}
