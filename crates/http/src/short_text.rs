//! Short texts that are put together without a formatter: every answer carries a few.

use actix_web::http::header::HeaderValue;

/// A text of at most `N` bytes of ASCII, on the stack.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ShortText<const N: usize> {
    bytes: [u8; N],
    length: usize,
}

impl<const N: usize> ShortText<N> {
    pub(crate) const fn new() -> Self {
        Self { bytes: [0; N], length: 0 }
    }

    /// Appends what there is room for. Callers choose `N` so that this is everything; tests of theirs see to it.
    pub(crate) fn push(&mut self, text: &[u8]) {
        let room = &mut self.bytes[self.length..];
        let taken = text.len().min(room.len());
        room[..taken].copy_from_slice(&text[..taken]);
        self.length += taken;
    }

    /// Appends a number in decimal.
    pub(crate) fn push_number(&mut self, mut number: u64) {
        let mut digits = [0; 20];
        let mut first = digits.len();
        loop {
            first -= 1;
            digits[first] = digit(number % 10);
            number /= 10;
            if number == 0 {
                break;
            }
        }
        self.push(&digits[first..]);
    }

    /// Appends sixteen hexadecimal digits.
    pub(crate) fn push_hexadecimal(&mut self, number: u64) {
        let digits: [u8; 16] = std::array::from_fn(|place| digit(number >> (60 - 4 * place) & 0xF));
        self.push(&digits);
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    /// As a header's value.
    ///
    /// # Panics
    /// When something else than visible ASCII was pushed: callers push digits, letters and punctuation.
    pub(crate) fn header(&self) -> HeaderValue {
        HeaderValue::from_bytes(self.as_bytes()).expect("visible ASCII is header text")
    }
}

/// Of a number below sixteen.
fn digit(number: u64) -> u8 {
    b"0123456789abcdef"[usize::try_from(number).unwrap_or(0) % 16]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_read_as_the_formatter_writes_them(number: u64) {
            let mut text = ShortText::<64>::new();
            text.push_number(number);
            text.push(b".");
            text.push_hexadecimal(number);
            let expected = format!("{number}.{number:016x}");
            prop_assert_eq!(text.as_bytes(), expected.as_bytes());
            prop_assert!(text.header() == expected.as_str());
        }
    }

    #[test]
    fn what_has_no_room_is_left_out() {
        let mut text = ShortText::<4>::new();
        text.push(b"abc");
        text.push_number(123);
        text.push(b"x");
        assert_eq!(text.as_bytes(), b"abc1");
    }
}
