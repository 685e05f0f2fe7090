//! Bucketing: which share of the users somebody belongs to.
//!
//! The same key and user give the same bucket on every machine and in every language; `tests/vectors/hash.json` pins it.

/// A named way to turn a key and a user into a bucket.
///
/// Changing a scheme would move users, so schemes are only ever added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Bucketing {
    /// The contract's: DJB2 (its xor form) and MurmurHash3's 32-bit finaliser over the UTF-16 code units of `key:user`,
    /// modulo 10 000.
    #[default]
    Djb2Murmur3,
}

impl Bucketing {
    /// The scheme's hash of any text.
    pub fn hash(self, text: &str) -> u32 {
        match self {
            Self::Djb2Murmur3 => finish(absorb(DJB2_START, text)),
        }
    }

    /// The scheme for one key, ready for users.
    pub fn for_key(self, key: &str) -> Bucketer {
        match self {
            Self::Djb2Murmur3 => Bucketer { scheme: self, state: absorb(absorb(DJB2_START, key), ":") },
        }
    }
}

/// One of 10 000 equal shares of the users.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bucket(u32);

impl Bucket {
    /// How many there are.
    pub const COUNT: u32 = 10_000;

    /// Its number, `0..10_000`.
    pub const fn get(self) -> u32 {
        self.0
    }

    /// Where it begins, in percent: 0.00 to 99.99.
    ///
    /// Compare this with a threshold, strictly below. `bucket < threshold * 100` is not the same test in binary floating point:
    /// 1.1 * 100 is above 110.
    pub fn percentage(self) -> f64 {
        f64::from(self.0) / 100.0
    }
}

/// A bucketing scheme that has taken in a key, so that each user costs only the user's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucketer {
    scheme: Bucketing,
    state: u32,
}

impl Bucketer {
    /// The bucket of a user.
    pub fn bucket(self, user_id: &str) -> Bucket {
        match self.scheme {
            Bucketing::Djb2Murmur3 => Bucket(finish(absorb(self.state, user_id)) % Bucket::COUNT),
        }
    }
}

/// D. J. Bernstein's start value.
const DJB2_START: u32 = 5381;

/// `state * 33 ^ unit` for each UTF-16 code unit, modulo 2^32.
fn absorb(state: u32, text: &str) -> u32 {
    let step = |state: u32, unit: u32| state.wrapping_mul(33) ^ unit;
    if text.is_ascii() {
        text.bytes().fold(state, |state, byte| step(state, u32::from(byte)))
    } else {
        text.encode_utf16().fold(state, |state, unit| step(state, u32::from(unit)))
    }
}

/// MurmurHash3's `fmix32` (A. Appleby, public domain).
const fn finish(mut hash: u32) -> u32 {
    hash ^= hash >> 16;
    hash = hash.wrapping_mul(0x85EB_CA6B);
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(0xC2B2_AE35);
    hash ^ (hash >> 16)
}
