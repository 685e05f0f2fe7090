//! Whether a configured secret is one.

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

/// A secret that must not be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the secret {0}")]
pub struct WeakSecret(pub &'static str);

/// The fewest bytes of a secret: as many as the hash has that it is used with (RFC 7518 §3.2).
const MIN_BYTES: usize = 32;

/// Fewer different characters than this make no random text: 32 random hexadecimal digits have fewer in one of 10⁶ cases.
const MIN_DISTINCT: usize = 8;

/// SHA-256 of values that are published as samples, and therefore known to everyone.
const PUBLISHED: [[u8; 32]; 1] = [[
    0x3e, 0x41, 0x23, 0xa9, 0x96, 0x94, 0xd9, 0xa7, 0x30, 0x7f, 0x06, 0x72, 0x96, 0x2a, 0x40, 0x3c, 0xfc, 0x02, 0xb8, 0x14, 0x32,
    0x35, 0x0a, 0xbe, 0x00, 0x7a, 0x72, 0x83, 0x73, 0x3a, 0xf4, 0x73,
]];

/// Words that stand in for a secret, in lower case.
const STAND_INS: [&str; 4] = ["example", "default", "placeholder", "1234567890"];

/// The same, of two parts with at most one character between them.
const STAND_IN_PAIRS: [(&str, &str); 4] = [("your", "secret"), ("change", "this"), ("replace", "me"), ("test", "secret")];

/// What is wrong with a secret, as the end of a sentence that begins with "the secret"; `None` when nothing is.
///
/// Refuses what the original server refuses at its start, values that were published as samples, and texts of few different
/// characters.
pub fn weakness(secret: &str) -> Option<&'static str> {
    let lower = secret.to_lowercase();
    let mut distinct: Vec<char> = secret.chars().collect();
    distinct.sort_unstable();
    distinct.dedup();
    if secret.len() < MIN_BYTES {
        Some("is shorter than 32 bytes")
    } else if lower.split_once('<').is_some_and(|(_, rest)| rest.find('>').is_some_and(|at| at > 0)) {
        Some("is a placeholder in angle brackets")
    } else if STAND_INS.iter().any(|word| lower.contains(word)) || STAND_IN_PAIRS.iter().any(|pair| has_pair(&lower, *pair)) {
        Some("is a stand-in and no secret")
    } else if is_published(secret, &PUBLISHED) {
        Some("is a published sample")
    } else if distinct.len() < MIN_DISTINCT {
        Some("is made of too few different characters")
    } else {
        None
    }
}

fn is_published(secret: &str, digests: &[[u8; 32]]) -> bool {
    digests.contains(&Sha256::digest(secret.trim()).into())
}

/// Whether `first` is followed by `second`, with at most one character between them.
fn has_pair(text: &str, (first, second): (&str, &str)) -> bool {
    text.match_indices(first).any(|(at, _)| {
        let rest = &text[at + first.len()..];
        let mut after = rest.chars();
        after.next();
        rest.starts_with(second) || after.as_str().starts_with(second)
    })
}

/// The secret's bytes, when it has no [`weakness`].
pub(crate) fn sound(secret: &SecretString) -> Result<&[u8], WeakSecret> {
    let text = secret.expose_secret();
    weakness(text).map_or(Ok(text.as_bytes()), |why| Err(WeakSecret(why)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn stand_ins_are_refused() {
        for weak in [
            "short",
            "<put your own long value in here please>",
            "your-secret-0f9c2b7a5d8e4613a7b9c0d1e2f3",
            "yoursecret-0f9c2b7a5d8e4613a7b9c0d1e2f3",
            "CHANGE_THIS-0f9c2b7a5d8e4613a7b9c0d1e2f3",
            "replaceme-0f9c2b7a5d8e4613a7b9c0d1e2f345",
            "Test Secret 0f9c2b7a5d8e4613a7b9c0d1e2f3",
            "an-EXAMPLE-0f9c2b7a5d8e4613a7b9c0d1e2f34",
            "1234567890-0f9c2b7a5d8e4613a7b9c0d1e2f345",
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "abababababababababababababababababababab",
        ] {
            assert!(weakness(weak).is_some(), "{weak}");
        }
        assert_eq!(weakness("0f9c2b7a5d8e4613a7b9c0d1e2f345a6"), None);
        assert_eq!(weakness("your own secret, with words between: fine"), None);
    }

    #[test]
    fn a_published_sample_is_known_by_its_digest() {
        let digest: [u8; 32] = Sha256::digest("0f9c2b7a5d8e4613a7b9c0d1e2f345a6").into();
        assert!(is_published(" 0f9c2b7a5d8e4613a7b9c0d1e2f345a6\n", &[digest]));
        assert!(!is_published("0f9c2b7a5d8e4613a7b9c0d1e2f345a6", &PUBLISHED));
    }

    proptest! {
        #[test]
        fn any_text_is_judged_without_panic(text in "\\PC{0,64}") {
            let _ = weakness(&text);
        }

        #[test]
        fn random_hexadecimal_secrets_pass(bytes in any::<[u8; 32]>()) {
            use std::fmt::Write as _;
            let mut text = String::new();
            for byte in bytes {
                write!(text, "{byte:02x}").unwrap();
            }
            let distinct: std::collections::HashSet<char> = text.chars().collect();
            prop_assume!(distinct.len() >= MIN_DISTINCT && !text.contains("1234567890"));
            prop_assert_eq!(weakness(&text), None);
        }
    }
}
