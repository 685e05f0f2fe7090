//! Where lists go on, as the numbers that cursors are made of.

#[cfg(feature = "tenancy")]
use togglebox_core::TenantId;
#[cfg(feature = "tenancy")]
use togglebox_multitenancy::Subdomain;
#[cfg(feature = "tenancy")]
use uuid::Uuid;

/// The bytes of a subdomain's place: the longest has one less.
#[cfg(feature = "tenancy")]
const LABEL: usize = 64;

/// The halves of an id.
#[cfg(feature = "tenancy")]
pub(crate) fn of_id(id: &Uuid) -> [i64; 2] {
    let (high, low) = id.as_u64_pair();
    [high.cast_signed(), low.cast_signed()]
}

/// The id of these halves.
#[cfg(feature = "tenancy")]
pub(crate) fn id([high, low]: [i64; 2]) -> Uuid {
    Uuid::from_u64_pair(high.cast_unsigned(), low.cast_unsigned())
}

/// A moment, then an id.
#[cfg(feature = "tenancy")]
pub(crate) fn of_moment(at: i64, by: &Uuid) -> [i64; 3] {
    let [high, low] = of_id(by);
    [at, high, low]
}

/// A subdomain with zeros behind it, then a tenant's id.
#[cfg(feature = "tenancy")]
pub(crate) fn of_subdomain(subdomain: &Subdomain, tenant: TenantId) -> [i64; 10] {
    let mut bytes = [0; LABEL];
    let text = subdomain.as_str().as_bytes();
    bytes[..text.len()].copy_from_slice(text);
    let mut position = [0; 10];
    let (numbers, _) = bytes.as_chunks::<8>();
    for (number, bytes) in position.iter_mut().zip(numbers) {
        *number = i64::from_be_bytes(*bytes);
    }
    position[8..].copy_from_slice(&of_id(tenant.as_uuid()));
    position
}

/// What [`of_subdomain`] was given, as texts and ids are bound; `None` when nothing was.
#[cfg(feature = "tenancy")]
pub(crate) fn subdomain(position: [i64; 10]) -> Option<(String, Uuid)> {
    let bytes: Vec<u8> = position[..8].iter().flat_map(|number| number.to_be_bytes()).take_while(|byte| *byte != 0).collect();
    let [.., high, low] = position;
    Some((String::from_utf8(bytes).ok()?, id([high, low])))
}

/// The bytes of a text's place: more than the longest has.
#[cfg(feature = "billing")]
const TEXT: usize = 256;

/// A moment, then how long a text is, then the text with zeros behind it.
#[cfg(feature = "billing")]
pub(crate) fn of_moment_and_text(at: i64, text: &str) -> [i64; 34] {
    let mut bytes = [0; TEXT];
    let length = text.len().min(TEXT);
    bytes[..length].copy_from_slice(&text.as_bytes()[..length]);
    let mut position = [0; 34];
    (position[0], position[1]) = (at, i64::try_from(length).unwrap_or(0));
    let (numbers, _) = bytes.as_chunks::<8>();
    for (number, bytes) in position[2..].iter_mut().zip(numbers) {
        *number = i64::from_be_bytes(*bytes);
    }
    position
}

/// What [`of_moment_and_text`] was given.
#[cfg(feature = "billing")]
pub(crate) fn moment_and_text(position: &[i64; 34]) -> (i64, String) {
    let mut bytes: Vec<u8> = position[2..].iter().flat_map(|number| number.to_be_bytes()).collect();
    bytes.truncate(usize::try_from(position[1]).unwrap_or(0));
    (position[0], String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[cfg(feature = "billing")]
    proptest! {
        #[test]
        fn moments_and_texts_read_back(at: i64, text in ".{0,60}|[\u{0}a]{0,255}") {
            prop_assert_eq!(moment_and_text(&of_moment_and_text(at, &text)), (at, text));
        }

        #[test]
        fn any_numbers_are_a_text(position: [i64; 34]) {
            moment_and_text(&position);
        }
    }

    #[cfg(feature = "tenancy")]
    proptest! {
        #[test]
        fn places_read_back(label in "[a-z0-9]{3,63}", tenant: u128, at: i64) {
            let tenant = Uuid::from_u128(tenant);
            let position = of_subdomain(&label.parse().unwrap(), TenantId::from_uuid(tenant));
            prop_assert_eq!(subdomain(position), Some((label, tenant)));
            prop_assert_eq!(id(of_id(&tenant)), tenant);
            let [kept, high, low] = of_moment(at, &tenant);
            prop_assert_eq!((kept, id([high, low])), (at, tenant));
        }

        #[test]
        fn any_numbers_are_read_without_panic(position: [i64; 10]) {
            subdomain(position);
        }
    }
}
