//! Randomness as a dependency.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use uuid::Uuid;

/// Where random bytes come from. Nothing but [`OsEntropy`] asks the operating system.
pub trait Entropy: Send + Sync + fmt::Debug + 'static {
    /// Fills `bytes` with unpredictable values.
    fn fill(&self, bytes: &mut [u8]);
}

/// Conveniences over [`Entropy`].
pub trait EntropyExt: Entropy {
    /// `N` random bytes.
    fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }

    /// A random (version 4) UUID.
    fn uuid(&self) -> Uuid {
        uuid::Builder::from_random_bytes(self.bytes()).into_uuid()
    }

    /// `N` random bytes as lower-case hexadecimal text of `2 N` characters.
    fn hex<const N: usize>(&self) -> String {
        use fmt::Write as _;
        let mut text = String::with_capacity(2 * N);
        for byte in self.bytes::<N>() {
            write!(text, "{byte:02x}").expect("writing to a String cannot fail");
        }
        text
    }

    /// Between half of a pause and all of it, so that those who lost something together do not come back together.
    fn jittered(&self, pause: Duration) -> Duration {
        let [byte] = self.bytes();
        pause / 2 + pause / 2 * u32::from(byte) / 255
    }
}

impl<E: Entropy + ?Sized> EntropyExt for E {}

/// The operating system's generator.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsEntropy;

impl Entropy for OsEntropy {
    /// # Panics
    /// When the operating system has no randomness to give: nothing that needs a key could go on.
    fn fill(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("the operating system provides randomness");
    }
}

/// A repeatable sequence (SplitMix64). For tests only: anyone who knows the seed knows every value.
#[derive(Debug)]
pub struct SeededEntropy(AtomicU64);

impl SeededEntropy {
    /// The sequence that belongs to `seed`.
    pub const fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        const STEP: u64 = 0x9E37_79B9_7F4A_7C15;
        for chunk in bytes.chunks_mut(8) {
            let mut z = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            z ^= z >> 31;
            chunk.copy_from_slice(&z.to_le_bytes()[..chunk.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_seed_repeats_and_values_differ() {
        let (a, b) = (SeededEntropy::new(7), SeededEntropy::new(7));
        assert_eq!(a.uuid(), b.uuid());
        assert_ne!(a.uuid(), a.uuid());
        assert_eq!(a.hex::<16>().len(), 32);
        assert_eq!(a.uuid().get_version_num(), 4);
    }

    #[test]
    fn pauses_differ_and_stay_within_their_bounds() {
        let (entropy, pause) = (SeededEntropy::new(1), Duration::from_secs(5));
        let pauses: Vec<_> = (0..100).map(|_| entropy.jittered(pause)).collect();
        assert!(pauses.iter().all(|jittered| (pause / 2..=pause).contains(jittered)));
        assert!(pauses.iter().collect::<BTreeSet<_>>().len() > 50);
    }

    #[test]
    fn the_system_gives_distinct_values() {
        assert_ne!(OsEntropy.bytes::<32>(), OsEntropy.bytes::<32>());
    }
}
