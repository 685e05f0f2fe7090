//! How the API behaves, as values. Where they come from is the server's business.

use crate::body::MAX_BYTES;

/// Which web pages may call the API.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Origins {
    /// Any. Answers then say `*`, and browsers send no cookies along (none are used).
    #[default]
    Any,
    /// These, as `https://app.example.com`. The one that asks is reflected.
    Only(Vec<String>),
}

/// How much memory large bodies (more than 64 KiB, as sent or unpacked) may take together while they arrive and are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyMemory {
    mib: u32,
}

impl BodyMemory {
    /// The largest body, as it is sent and as it is unpacked at once: with less it could never pass.
    pub const LEAST_MIB: u32 = 20;
    /// A tebibyte.
    pub const MOST_MIB: u32 = 1024 * 1024;

    /// This many mebibytes, from [`LEAST_MIB`](Self::LEAST_MIB) to [`MOST_MIB`](Self::MOST_MIB); `None` for any other number.
    pub const fn of_mib(mib: u32) -> Option<Self> {
        if Self::LEAST_MIB <= mib && mib <= Self::MOST_MIB { Some(Self { mib }) } else { None }
    }

    pub(crate) const fn kib(self) -> usize {
        self.mib as usize * 1024
    }
}

impl Default for BodyMemory {
    /// 256 MiB.
    fn default() -> Self {
        Self { mib: 256 }
    }
}

/// How the API behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiConfig {
    /// Whether the public reads and the ingestion of statistics need a credential. Management always does.
    pub authentication: bool,
    /// Which web pages may call.
    pub origins: Origins,
    /// Whether answers carry the security headers that an edge in front would otherwise add.
    pub security_headers: bool,
    /// Whether answers are compressed for clients that ask for it.
    pub compression: bool,
    /// How long browsers may reuse a read without asking again, in seconds. 0: never; they ask, and mostly get a 304.
    pub browser_max_age_s: u32,
    /// How long shared caches may, in seconds.
    pub shared_max_age_s: u32,
    /// How much memory large bodies may take together. What does not fit waits a moment, and then is refused with a 503.
    pub body_memory: BodyMemory,
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self {
            authentication: false,
            origins: Origins::Any,
            security_headers: true,
            compression: true,
            browser_max_age_s: 0,
            shared_max_age_s: 0,
            body_memory: BodyMemory::default(),
        }
    }
}

// What the least is made of may change.
const _: () = assert!(BodyMemory::LEAST_MIB as usize * 1024 * 1024 >= 2 * MAX_BYTES);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_body_always_fits() {
        assert!(BodyMemory::of_mib(BodyMemory::LEAST_MIB - 1).is_none() && BodyMemory::of_mib(0).is_none());
        assert!(BodyMemory::of_mib(BodyMemory::MOST_MIB + 1).is_none());
        assert_eq!(BodyMemory::of_mib(BodyMemory::LEAST_MIB).map(BodyMemory::kib), Some(2 * MAX_BYTES / 1024));
        assert_eq!(BodyMemory::of_mib(256), Some(BodyMemory::default()));
    }
}
