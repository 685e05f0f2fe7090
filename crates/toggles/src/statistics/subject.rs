//! Users and clients without their names.

use sha2::{Digest as _, Sha256};

use crate::store::Subject;

impl Subject {
    /// The subject behind a user's or client's id: the first 16 bytes of its SHA-256.
    pub fn of(id: &str) -> Self {
        let digest = Sha256::digest(id.as_bytes());
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        Self(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_first_half_of_the_sha_256() {
        // FIPS 180-2, appendix B.1: SHA-256 of "abc" begins ba7816bf 8f01cfea 414140de 5dae2223.
        let expected = 0xba78_16bf_8f01_cfea_4141_40de_5dae_2223_u128;
        assert_eq!(Subject::of("abc"), Subject(expected.to_be_bytes()));
        assert_ne!(Subject::of(""), Subject::of(" "));
    }
}
