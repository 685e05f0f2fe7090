//! `Stripe-Signature`: `t=<unix>,v1=<hex>`, one `v1` a secret.

use std::fmt::Write as _;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// The header for `body` sent at `now`. The key is the whole secret, with its `whsec_`.
pub(crate) fn header<'a>(secrets: impl IntoIterator<Item = &'a str>, now: i64, body: &[u8]) -> String {
    let mut header = format!("t={now}");
    for secret in secrets {
        header.push_str(",v1=");
        header.push_str(&sign(secret, now, body));
    }
    header
}

fn sign(secret: &str, now: i64, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes a key of any length");
    mac.update(now.to_string().as_bytes());
    mac.update(b".");
    mac.update(body);
    mac.finalize().into_bytes().iter().fold(String::new(), |mut hex, byte| {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_known_vectors_come_out() {
        let body = br#"{"id":"evt_test_webhook","object":"event"}"#;
        let (old, new) = (
            "b2f9b10da9728a9017c3b0069bf9c8b69cfb9e64f7c9ef50e321db1ae5a3787c",
            "7dee5bc5927378c7842a407b6c5a43b274e95f8b31517013b12d05315a96d335",
        );
        assert_eq!(header(["whsec_new", "whsec_old"], 1_492_774_577, body), format!("t=1492774577,v1={new},v1={old}"));
        let empty = "316b9ab98c15bfa039d243f3196acee619cf29749a91a634e6a8154e2f7b6727";
        assert_eq!(sign("whsec_test_secret", 1_700_000_000, b""), empty);
        let text = "{\"id\":\"evt_2\",\"name\":\"Zo\u{eb} \u{2603}\"}\n".as_bytes();
        let signed = "fd3045412b510536230bde379f580d39d7925cf8a9c4e59da1827d7e7a84663d";
        assert_eq!(sign("whsec_test_secret", 1_700_000_000, text), signed);
    }
}
