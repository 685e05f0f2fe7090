//! How single fields stand in a file.

use std::fmt::Write as _;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use togglebox_core::Revision;
use togglebox_toggles::statistics::Sketch;

/// The largest number that every engine keeps.
const MAX: u64 = i64::MAX.unsigned_abs();

/// Bytes as lower-case text.
pub(in super::super) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The bytes of a text of lower-case digits.
fn bytes(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let bytes = pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect();
    if rest.is_empty() { bytes } else { None }
}

/// A number that every engine keeps.
pub(super) fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let number = u64::deserialize(deserializer)?;
    if number <= MAX { Ok(number) } else { Err(D::Error::custom(format!("must be at most {MAX}"))) }
}

/// A revision that every engine keeps.
pub(super) fn revision<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Revision, D::Error> {
    count(deserializer).map(Revision::new)
}

/// A sum. Zero has one sign: engines keep only one.
pub(super) fn sum<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(f64::deserialize(deserializer)? + 0.0)
}

/// A UTC day, `YYYY-MM-DD`.
pub(super) fn day<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let day = String::deserialize(deserializer)?;
    // Read and written again, so that 31 February is none.
    let moment = format!("{day}T00:00:00Z").parse::<togglebox_core::Timestamp>();
    match moment {
        Ok(moment) if moment.day() == day => Ok(day),
        _ => Err(D::Error::custom("must be a day as 2026-01-31")),
    }
}

/// JSON of which `null` is not absence.
pub(super) fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// Bytes in lower-case hexadecimal.
pub(super) mod hex {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(in super::super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&super::hexadecimal(bytes))
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>, const N: usize>(deserializer: D) -> Result<[u8; N], D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = super::bytes(&text).and_then(|bytes| bytes.try_into().ok());
        bytes.ok_or_else(|| D::Error::custom(format!("must be {} digits of lower-case hexadecimal", 2 * N)))
    }
}

/// A distinct-count sketch: its bytes in lower-case hexadecimal.
pub(super) mod sketch {
    use serde::{Deserialize as _, Deserializer, de::Error as _};

    pub(in super::super) use super::hex::serialize;

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        let sketch = super::bytes(&text).filter(|bytes| super::Sketch::from_bytes(bytes).is_some());
        sketch.ok_or_else(|| D::Error::custom("must be a distinct-count sketch in lower-case hexadecimal"))
    }
}

/// An e-mail address.
pub(super) mod email {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};
    use togglebox_auth::Email;

    pub(in super::super) fn serialize<S: Serializer>(email: &Email, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(email.as_str())
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Email, D::Error> {
        Email::new(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// A password hash.
pub(super) mod password {
    use serde::{Deserialize as _, Deserializer, Serializer};
    use togglebox_auth::PasswordHash;

    pub(in super::super) fn serialize<S: Serializer>(hash: &PasswordHash, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(hash.expose())
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PasswordHash, D::Error> {
        String::deserialize(deserializer).map(PasswordHash::new)
    }
}

/// The hash of an API key.
pub(super) mod key_hash {
    use serde::{Deserializer, Serializer};
    use togglebox_auth::KeyHash;

    pub(in super::super) fn serialize<S: Serializer>(hash: &KeyHash, serializer: S) -> Result<S::Ok, S::Error> {
        super::hex::serialize(&hash.0, serializer)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<KeyHash, D::Error> {
        super::hex::deserialize(deserializer).map(KeyHash)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn bytes_read_back(given: Vec<u8>) {
            prop_assert_eq!(bytes(&hexadecimal(&given)), Some(given));
        }
    }

    #[test]
    fn only_whole_lower_case_bytes_are_read() {
        for bad in ["a", "AB", "0g", "0x", "é"] {
            assert_eq!(bytes(bad), None, "{bad}");
        }
    }

    #[test]
    fn days_are_days() {
        let read = |text: &str| day(&Value::from(text)).is_ok();
        assert!(read("2024-02-29"));
        for bad in ["2023-02-29", "2024-2-1", "2024-02-29T00:00:00Z", "", "tomorrow"] {
            assert!(!read(bad), "{bad}");
        }
    }

    #[test]
    fn numbers_that_an_engine_would_cut_are_refused() {
        assert_eq!(count(&Value::from(MAX)).unwrap(), MAX);
        assert!(count(&Value::from(MAX + 1)).is_err());
        assert!(sum(&Value::from(-0.0)).unwrap().is_sign_positive());
    }
}
