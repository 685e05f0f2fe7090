//! Numbers as JavaScript reads and shows them (ECMA-262: `parseFloat`, `Number::toString`).

use std::io;

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};
use serde_json::{Number, Value};

/// The number at the beginning of `text`, after white space. May be infinite.
pub(crate) fn parse_float(text: &str) -> Option<f64> {
    let text = text.trim_start_matches(is_white_space);
    let (sign, unsigned) = match text.as_bytes().first() {
        Some(b'-') => (-1.0, &text[1..]),
        Some(b'+') => (1.0, &text[1..]),
        _ => (1.0, text),
    };
    if unsigned.starts_with("Infinity") {
        return Some(sign * f64::INFINITY);
    }
    let whole = digits(unsigned);
    let fraction = unsigned[whole..].strip_prefix('.').map(digits);
    if whole + fraction.unwrap_or(0) == 0 {
        return None;
    }
    let mut end = whole + fraction.map_or(0, |count| count + 1);
    if let Some(exponent) = unsigned[end..].strip_prefix(['e', 'E']) {
        let signless = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        let count = digits(signless);
        if count > 0 {
            end += 1 + (exponent.len() - signless.len()) + count;
        }
    }
    unsigned[..end].parse::<f64>().ok().map(|number| sign * number)
}

fn digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

/// ECMA-262's white space and line terminators. Unicode counts U+0085 in and U+FEFF out.
fn is_white_space(c: char) -> bool {
    (c.is_whitespace() && c != '\u{85}') || c == '\u{FEFF}'
}

/// The JSON number that JavaScript would send for `number`: an integer wherever it is whole and fits 64 bits, with the shortest digits
/// that mean the same binary64 (2^60 is 1152921504606847000). `None` for what is not finite.
pub(crate) fn from_f64(number: f64) -> Option<Number> {
    if number.fract() == 0.0 && number.abs() < 1e20 {
        let digits = number.to_string();
        if let Ok(whole) = digits.parse::<i64>() {
            return Some(whole.into());
        }
        if let Ok(whole) = digits.parse::<u64>() {
            return Some(whole.into());
        }
    }
    Number::from_f64(number)
}

/// `JSON.stringify(value)`.
pub(crate) fn to_json(value: &Value) -> String {
    let mut bytes = Vec::new();
    let written = value.serialize(&mut Serializer::with_formatter(&mut bytes, JavaScript));
    // A `Value` has text for keys, writing to memory cannot fail, and serde_json writes UTF-8.
    debug_assert!(written.is_ok(), "a value can be written");
    String::from_utf8(bytes).unwrap_or_default()
}

/// Compact JSON with JavaScript's numbers.
struct JavaScript;

impl Formatter for JavaScript {
    fn write_f64<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        writer.write_all(shown(value).as_bytes())
    }

    #[expect(clippy::cast_precision_loss, reason = "JavaScript has only binary64")]
    fn write_i64<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: i64) -> io::Result<()> {
        self.write_f64(writer, value as f64)
    }

    #[expect(clippy::cast_precision_loss, reason = "JavaScript has only binary64")]
    fn write_u64<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: u64) -> io::Result<()> {
        self.write_f64(writer, value as f64)
    }
}

/// `Number::toString` in base 10, for finite numbers.
fn shown(number: f64) -> String {
    if number == 0.0 {
        return "0".to_owned();
    }
    // Rust's shortest digits are ECMA-262's; only the layout differs.
    let scientific = format!("{:e}", number.abs());
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let digits = mantissa.replace('.', "");
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let sign = if number < 0.0 { "-" } else { "" };
    let zeros = |count: i32| "0".repeat(usize::try_from(count).unwrap_or(0));
    let count = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    // Where the point stands, counted from the first digit.
    let point = exponent + 1;
    match point {
        _ if (count..=21).contains(&point) => format!("{sign}{digits}{}", zeros(point - count)),
        1..=21 => {
            let (whole, fraction) = digits.split_at(usize::try_from(point).unwrap_or(0));
            format!("{sign}{whole}.{fraction}")
        }
        -5..=0 => format!("{sign}0.{}{digits}", zeros(-point)),
        _ => format!("{sign}{mantissa}e{exponent:+}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_is_ecmascripts() {
        assert_eq!(parse_float("\u{FEFF}\u{A0}\u{2028}\t 5"), Some(5.0));
        assert_eq!(parse_float("\u{85}5"), None);
    }

    #[test]
    fn the_longest_number_counts() {
        for (text, number) in [
            ("1e5", 1e5),
            ("1e+", 1.0),
            ("1e-2x", 0.01),
            ("1.5.5", 1.5),
            ("-.5e1", -5.0),
            ("5.e1", 50.0),
            ("-Infinityx", f64::NEG_INFINITY),
        ] {
            assert_eq!(parse_float(text), Some(number), "{text}");
        }
        for text in [".", "-", "+", "e5", ".e5", "infinity", "", "é"] {
            assert_eq!(parse_float(text), None, "{text}");
        }
    }

    #[test]
    fn numbers_are_shown_as_javascript_shows_them() {
        for (number, text) in [
            (0.0, "0"),
            (-0.0, "0"),
            (100.0, "100"),
            (-1.5, "-1.5"),
            (123_456.789, "123456.789"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (1.5e300, "1.5e+300"),
            (0.000_001, "0.000001"),
            (0.000_000_1, "1e-7"),
            (1.25e-7, "1.25e-7"),
            (5e-324, "5e-324"),
            (12_345_678_901_234_567_890.0, "12345678901234567000"),
        ] {
            assert_eq!(shown(number), text);
        }
    }

    #[test]
    fn whole_numbers_have_no_fraction() {
        for (number, text) in [
            (100.0, "100"),
            (-0.0, "0"),
            (0.5, "0.5"),
            (1_152_921_504_606_846_976.0, "1152921504606847000"),
            (-1_152_921_504_606_846_976.0, "-1152921504606847000"),
            (12_345_678_901_234_567_890.0, "12345678901234567000"),
        ] {
            assert_eq!(from_f64(number).unwrap().to_string(), text);
        }
        assert_eq!(from_f64(f64::NAN), None);
        assert_eq!(from_f64(f64::INFINITY), None);
    }
}
