//! Cursors that fit one list only.

use sha2::{Digest, Sha256};
use togglebox_core::{Cursor, StoreError, StoreErrorKind, StoreResult, TenantId};

/// Bytes of the seal.
const SEAL: usize = 8;

/// A list, told apart from every other by its tenant, its name and what it is restricted to.
///
/// A cursor is a position and a seal over both list and position, in hexadecimal. The seal tells mistakes (a cursor of another list,
/// a cut-off text), not malice: whoever forges one moves about in a list that is theirs to read anyway.
pub(crate) struct List<'a> {
    operation: &'static str,
    tenant: TenantId,
    parts: &'a [Option<&'a str>],
}

impl<'a> List<'a> {
    pub(crate) const fn new(operation: &'static str, tenant: TenantId, parts: &'a [Option<&'a str>]) -> Self {
        Self { operation, tenant, parts }
    }

    /// The cursor of the item at `position`.
    pub(crate) fn cursor<const N: usize>(&self, position: [i64; N]) -> Cursor {
        use std::fmt::Write as _;
        let mut text = String::with_capacity(2 * (SEAL + 8 * N));
        let position_bytes = position.iter().flat_map(|number| number.to_be_bytes());
        for byte in self.seal(&position).into_iter().chain(position_bytes) {
            let _ = write!(text, "{byte:02x}");
        }
        Cursor::new(text)
    }

    /// The position that a cursor of this list names.
    pub(crate) fn position<const N: usize>(&self, cursor: &Cursor) -> StoreResult<[i64; N]> {
        self.parse(cursor.as_str()).ok_or_else(|| StoreError::new(StoreErrorKind::InvalidCursor, self.operation))
    }

    fn parse<const N: usize>(&self, text: &str) -> Option<[i64; N]> {
        let (_, rest) = text.split_at_checked(2 * SEAL)?;
        if rest.len() != 16 * N {
            return None;
        }
        let mut position = [0; N];
        for (i, number) in position.iter_mut().enumerate() {
            *number = u64::from_str_radix(rest.get(16 * i..16 * (i + 1))?, 16).ok()?.cast_signed();
        }
        // Compared as text: so there is one spelling of each cursor.
        (self.cursor(position).as_str() == text).then_some(position)
    }

    fn seal(&self, position: &[i64]) -> [u8; SEAL] {
        let mut hash = Sha256::new();
        hash.update(self.operation);
        hash.update(self.tenant.as_uuid().as_bytes());
        for part in self.parts {
            // Length first: no two lists of parts read the same.
            hash.update(part.map_or(u64::MAX, |part| part.len() as u64).to_be_bytes());
            hash.update(part.unwrap_or_default());
        }
        for number in position {
            hash.update(number.to_be_bytes());
        }
        let mut seal = [0; SEAL];
        seal.copy_from_slice(&hash.finalize()[..SEAL]);
        seal
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn list<'a>(parts: &'a [Option<&'a str>]) -> List<'a> {
        List::new("flags.versions", TenantId::DEFAULT, parts)
    }

    proptest! {
        #[test]
        fn positions_read_back(a: i64, b: i64, part in ".*") {
            let parts = [Some(part.as_str()), None];
            let cursor = list(&parts).cursor([a, b]);
            prop_assert_eq!(list(&parts).position::<2>(&cursor).unwrap(), [a, b]);
        }

        #[test]
        fn an_altered_cursor_is_refused_wherever_it_was_altered(position: [i64; 2], tenant: u128, part in proptest::option::of(".*")) {
            let (tenant, parts) = (TenantId::from_uuid(uuid::Uuid::from_u128(tenant)), [part.as_deref(), None]);
            let list = List::new("audit.list", tenant, &parts);
            let cursor = list.cursor(position);
            let cut = (0..cursor.as_str().len()).map(|length| cursor.as_str()[..length].to_owned());
            let flipped = (0..8 * cursor.as_str().len()).filter_map(|bit| {
                let mut bytes = cursor.as_str().to_owned().into_bytes();
                bytes[bit / 8] ^= 1 << (bit % 8);
                String::from_utf8(bytes).ok()
            });
            for altered in cut.chain(flipped) {
                let error = list.position::<2>(&Cursor::new(altered)).unwrap_err();
                prop_assert_eq!(error.kind(), &StoreErrorKind::InvalidCursor);
            }
            let elsewhere = TenantId::from_uuid(uuid::Uuid::from_u128(!tenant.as_uuid().as_u128()));
            prop_assert!(List::new("audit.list", elsewhere, &parts).position::<2>(&cursor).is_err());
            prop_assert!(List::new("audit.list", tenant, &[None, part.as_deref(), None]).position::<2>(&cursor).is_err());
        }

        #[test]
        fn another_text_is_refused(text in "\\PC*") {
            prop_assert!(list(&[]).position::<1>(&Cursor::new(text)).is_err());
        }
    }

    #[test]
    fn a_cursor_fits_its_own_list_only() {
        let cursor = list(&[Some("ab"), Some("c")]).cursor([7]);
        let other_tenant = TenantId::from_uuid(uuid::Uuid::from_u128(1));
        assert!(list(&[Some("a"), Some("bc")]).position::<1>(&cursor).is_err());
        assert!(list(&[Some("ab"), None]).position::<1>(&cursor).is_err());
        assert!(List::new("flags.versions", other_tenant, &[Some("ab"), Some("c")]).position::<1>(&cursor).is_err());
        assert!(List::new("audit.list", TenantId::DEFAULT, &[Some("ab"), Some("c")]).position::<1>(&cursor).is_err());
        assert!(list(&[Some("ab"), Some("c")]).position::<2>(&cursor).is_err());
        let error = list(&[]).position::<1>(&cursor).unwrap_err();
        assert_eq!(*error.kind(), StoreErrorKind::InvalidCursor);
    }

    #[test]
    fn an_altered_cursor_is_refused() {
        let cursor = list(&[]).cursor([7]);
        let altered = cursor.as_str().replace('7', "8");
        assert_ne!(altered, cursor.as_str());
        assert!(list(&[]).position::<1>(&Cursor::new(altered)).is_err());
        assert!(list(&[]).position::<1>(&Cursor::new(cursor.as_str().to_uppercase())).is_err());
    }

    #[test]
    fn a_position_has_one_spelling() {
        let text = list(&[]).cursor([0xab]).as_str().to_owned();
        let (seal, position) = text.split_at(2 * SEAL);
        for other in [position.to_uppercase(), position.replacen('0', "+", 1)] {
            assert!(list(&[]).position::<1>(&Cursor::new(format!("{seal}{other}"))).is_err(), "{other}");
        }
    }
}
