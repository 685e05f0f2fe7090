//! E-mail addresses as the contract accepts them.

/// Whether `text` is an e-mail address as the contract accepts it: an ASCII local part of letters, digits and `_ ' + - .` without
/// leading, trailing or doubled dots, and a domain of at least two labels whose last has two or more letters.
pub fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let local_ok = !local.is_empty()
        && !local.starts_with('.')
        && !local.ends_with(['.', '\''])
        && !local.contains("..")
        && local.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'\'' | b'+' | b'-' | b'.'));
    let labels: Vec<&str> = domain.split('.').collect();
    let label_ok = |label: &&str| {
        !label.is_empty() && !label.starts_with('-') && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let top_ok = labels.last().is_some_and(|top| top.len() >= 2 && top.bytes().all(|b| b.is_ascii_alphabetic()));
    local_ok && labels.len() >= 2 && labels.iter().all(label_ok) && top_ok
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn emails() {
        for good in ["a@b.co", "a.b+c'd_e-f@x-y.example.com", "A1@EXAMPLE.COM"] {
            assert!(is_email(good), "{good}");
        }
        for bad in
            [".a@b.co", "a..b@c.co", "a@b", "a@b.c", "a@b_c.co", "ä@b.co", "a b@c.co", "a@[127.0.0.1]", "a@b.co ", "@b.co", ""]
        {
            assert!(!is_email(bad), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_checked_without_panic(text in "\\PC*") {
            let _ = is_email(&text);
        }
    }
}
