//! Texts as PostgreSQL keeps them: it knows every character but U+0000, which clients may send all the same.
//!
//! U+0000 is stored as U+0001 and `0`, U+0001 as U+0001 and `1`. Equal texts stay equal and different ones different, so that keys and
//! conditions hold; texts without these two characters, which are all that people write, are stored as they are.

const ESCAPE: char = '\u{1}';

/// A text as it is stored.
pub(super) fn stored(text: String) -> String {
    if !text.contains(['\0', ESCAPE]) {
        return text;
    }
    let mut stored = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        match character {
            '\0' => stored.extend([ESCAPE, '0']),
            ESCAPE => stored.extend([ESCAPE, '1']),
            other => stored.push(other),
        }
    }
    stored
}

/// A text as it was given.
pub(super) fn given(stored: String) -> String {
    if !stored.contains(ESCAPE) {
        return stored;
    }
    let mut given = String::with_capacity(stored.len());
    let mut rest = stored.as_str();
    while let Some((before, after)) = rest.split_once(ESCAPE) {
        given.push_str(before);
        // Anything else was not written by `stored`: it stays as it is.
        let (character, length) = match after.chars().next() {
            Some('0') => ('\0', 1),
            Some('1') => (ESCAPE, 1),
            _ => (ESCAPE, 0),
        };
        given.push(character);
        rest = &after[length..];
    }
    given.push_str(rest);
    given
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_text_reads_back(text in "[\u{0}\u{1}01ab\u{10FFFF}]*|.*") {
            let kept = stored(text.clone());
            prop_assert!(!kept.contains('\0'));
            prop_assert_eq!(given(kept), text);
        }

        #[test]
        fn different_texts_stay_different(a in "[\u{0}\u{1}01]{0,6}", b in "[\u{0}\u{1}01]{0,6}") {
            prop_assert_eq!(stored(a.clone()) == stored(b.clone()), a == b);
        }

        #[test]
        fn what_another_program_has_written_is_read(text in "[\u{1}012]*") {
            given(text);
        }
    }
}
