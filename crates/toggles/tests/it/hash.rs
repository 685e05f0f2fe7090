//! `tests/vectors/hash.json`.

use proptest::prelude::*;
use serde_json::Value;
use togglebox_toggles::{Bucket, Bucketing};

use crate::vectors::cases;

#[test]
fn every_recorded_hash_is_reproduced() {
    let cases = cases("hash");
    assert_eq!(cases.len(), 407);
    for case in &cases {
        let text = |name: &str| case[name].as_str().unwrap();
        let id = text("id");
        let scheme = Bucketing::Djb2Murmur3;
        match text("op") {
            "hashString" => {
                assert_eq!(Value::from(scheme.hash(text("input"))), case["hash"], "{id}");
                assert_eq!(Value::from(text("input").encode_utf16().count()), case["utf16Units"], "{id}");
            }
            "percentage" => {
                assert_eq!(Value::from(scheme.hash(text("combined"))), case["hash"], "{id}");
                let bucket = scheme.for_key(text("key")).bucket(text("userId"));
                assert_eq!(Value::from(bucket.get()), case["bucket"], "{id}");
                assert_eq!(Some(bucket.percentage()), case["percentage"].as_f64(), "{id}");
            }
            op => panic!("{id}: {op}"),
        }
    }
}

proptest! {
    /// Taking the key in beforehand, and the path for ASCII, change nothing.
    #[test]
    fn a_bucketer_continues_the_hash(key in "\\PC*", ascii in "[ -~]*", any in "\\PC*") {
        for user in [&ascii, &any] {
            let hash = Bucketing::Djb2Murmur3.hash(&format!("{key}:{user}"));
            prop_assert_eq!(Bucketing::Djb2Murmur3.for_key(&key).bucket(user).get(), hash % Bucket::COUNT);
        }
    }

    #[test]
    fn hashing_reads_utf16_units(text in any::<String>()) {
        let state = text.encode_utf16().fold(5381_u64, |state, unit| (state * 33 % (1 << 32)) ^ u64::from(unit));
        let mixed = (state ^ (state >> 16)) * 0x85EB_CA6B % (1 << 32);
        let mixed = (mixed ^ (mixed >> 13)) * 0xC2B2_AE35 % (1 << 32);
        prop_assert_eq!(u64::from(Bucketing::Djb2Murmur3.hash(&text)), mixed ^ (mixed >> 16));
    }
}
