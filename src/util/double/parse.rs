//! Texts to doubles, as C's `strtod` reads them: scores, their ranges, weights, coordinates.
//!
//! Decimal digits are rounded by the standard library, hexadecimal ones (`0x1.8p3`) here.

use crate::util::number::parse_i64;

/// The digits of a hexadecimal exponent beyond which more don't matter.
const EXPONENT_LIMIT: i64 = 100_000;

/// Reads a number as Redis's `getDoubleFromObject` does: a whole text that is a number in range.
///
/// Spaces, trailing bytes and NaNs are `None`, and so are numbers that would become infinite or zero by rounding.
pub fn parse(text: &[u8]) -> Option<f64> {
    // Most scores are integers, and those of up to fifteen digits are doubles, too.
    if text.len() <= 15
        && let Some(whole) = parse_i64(text)
    {
        return Some(whole as f64);
    }
    let scanned = scan(text);
    let is_whole =
        !text.is_empty() && scanned.len == text.len() && !super::super::number::is_c_space(text[0]);
    (is_whole && scanned.in_range && !scanned.value.is_nan()).then_some(scanned.value)
}

/// Reads a number as Redis reads the ends of score ranges: spaces may be in front, an empty text is zero, numbers out of range
/// are infinite or zero, and a NUL ends the text. Trailing bytes and NaNs are `None`.
pub fn parse_lenient(text: &[u8]) -> Option<f64> {
    let end = text.iter().position(|&byte| byte == 0).unwrap_or(text.len());
    let scanned = scan(&text[..end]);
    (scanned.len == end && !scanned.value.is_nan()).then_some(scanned.value)
}

/// Reads a number as SORT does: as [`parse_lenient`], but numbers that would become infinite or zero by rounding are `None`, too.
pub fn parse_c(text: &[u8]) -> Option<f64> {
    let end = text.iter().position(|&byte| byte == 0).unwrap_or(text.len());
    let scanned = scan(&text[..end]);
    (scanned.len == end && scanned.in_range && !scanned.value.is_nan()).then_some(scanned.value)
}

/// What a text begins with.
struct Scanned {
    value: f64,
    /// How many bytes are the number with the spaces before it; zero if there is none.
    len: usize,
    /// Whether the number was not rounded to infinity or zero.
    in_range: bool,
}

fn scan(text: &[u8]) -> Scanned {
    let spaces = text.iter().take_while(|&&byte| super::super::number::is_c_space(byte)).count();
    let sign = usize::from(matches!(text.get(spaces), Some(b'-' | b'+')));
    let digits = &text[spaces + sign..];
    let word = |word: &[u8]| digits.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
    let (magnitude, len, in_range) = if word(b"infinity") {
        (f64::INFINITY, 8, true)
    } else if word(b"inf") {
        (f64::INFINITY, 3, true)
    } else if word(b"nan") {
        (f64::NAN, 3, true)
    } else if let Some((value, len, is_zero)) = scan_hexadecimal(digits).or_else(|| scan_decimal(digits)) {
        (value, len, value.is_finite() && (value != 0.0 || is_zero))
    } else {
        return Scanned { value: 0.0, len: 0, in_range: true };
    };
    let value = if sign == 1 && text[spaces] == b'-' { -magnitude } else { magnitude };
    Scanned { value, len: spaces + sign + len, in_range }
}

/// The value, its length, and whether all its digits are zeros.
fn scan_decimal(text: &[u8]) -> Option<(f64, usize, bool)> {
    let (mantissa, is_zero) = scan_mantissa(text, |byte| byte.is_ascii_digit(), b'0')?;
    let len = mantissa + scan_exponent(&text[mantissa..], b'e').map_or(0, |(_, len)| len);
    let text = std::str::from_utf8(&text[..len]).ok()?;
    // Whatever was scanned is a number to the standard library too.
    Some((text.parse().ok()?, len, is_zero))
}

fn scan_hexadecimal(text: &[u8]) -> Option<(f64, usize, bool)> {
    let [b'0', b'x' | b'X', digits @ ..] = text else { return None };
    let (mantissa, is_zero) = scan_mantissa(digits, |byte| byte.is_ascii_hexdigit(), b'0')?;
    let (mut bits, mut exponent, mut sticky, mut after_point) = (0u64, 0i64, false, false);
    for &byte in &digits[..mantissa] {
        let Some(digit) = char::from(byte).to_digit(16) else {
            after_point = true;
            continue;
        };
        if bits >> 60 == 0 {
            bits = bits << 4 | u64::from(digit);
            exponent -= if after_point { 4 } else { 0 };
        } else {
            sticky |= digit != 0;
            exponent += if after_point { 0 } else { 4 };
        }
    }
    let (power, len) = scan_exponent(&digits[mantissa..], b'p').unwrap_or((0, 0));
    Some((round(bits, exponent + power, sticky), 2 + mantissa + len, is_zero))
}

/// The length of digits with at most one point among them and at least one digit, and whether all are `zero`.
fn scan_mantissa(text: &[u8], is_digit: impl Fn(u8) -> bool, zero: u8) -> Option<(usize, bool)> {
    let (mut digits, mut points, mut is_zero) = (0, 0, true);
    for &byte in text {
        if is_digit(byte) {
            digits += 1;
            is_zero &= byte == zero;
        } else if byte == b'.' && points == 0 {
            points = 1;
        } else {
            break;
        }
    }
    (digits > 0).then_some((digits + points, is_zero))
}

/// The exponent that `text` begins with, and its length. `None`: what follows is no exponent.
fn scan_exponent(text: &[u8], mark: u8) -> Option<(i64, usize)> {
    let (&first, rest) = text.split_first()?;
    if !first.eq_ignore_ascii_case(&mark) {
        return None;
    }
    let sign = usize::from(matches!(rest.first(), Some(b'-' | b'+')));
    let digits = rest[sign..].iter().take_while(|byte| byte.is_ascii_digit());
    let (mut exponent, mut len) = (0, 0);
    for byte in digits {
        exponent = (exponent * 10 + i64::from(byte - b'0')).min(EXPONENT_LIMIT);
        len += 1;
    }
    let exponent = if rest.first() == Some(&b'-') { -exponent } else { exponent };
    (len > 0).then_some((exponent, 1 + sign + len))
}

/// `bits × 2^exponent`, and a little more if `sticky`, as the nearest double; the even one of two.
fn round(bits: u64, exponent: i64, sticky: bool) -> f64 {
    const EXPONENT_MIN: i64 = -1022;
    const FRACTION_BITS: i64 = 52;
    if bits == 0 {
        return 0.0;
    }
    let zeros = bits.leading_zeros();
    let bits = bits << zeros;
    let exponent = exponent - i64::from(zeros) + 63;
    if exponent > 1023 {
        return f64::INFINITY;
    }
    let kept = FRACTION_BITS + 1 - (EXPONENT_MIN - exponent).max(0);
    if kept < 0 {
        return 0.0;
    }
    let dropped = 64 - kept;
    let whole = (u128::from(bits) >> dropped) as u64;
    let rest = u128::from(bits) << 1 & ((2 << dropped) - 1) | u128::from(sticky);
    let half = 1u128 << dropped;
    let up = rest > half || rest == half && whole & 1 == 1;
    // A carry out of the fraction is the next exponent's zero.
    let biased = (exponent.max(EXPONENT_MIN) - EXPONENT_MIN) as u64;
    f64::from_bits((biased << FRACTION_BITS) + whole + u64::from(up))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimal_and_hexadecimal_numbers_are_read() {
        let cases: [(&str, f64); 24] = [
            ("0", 0.0),
            ("-0", -0.0),
            ("1.5", 1.5),
            ("+.5", 0.5),
            ("5.", 5.0),
            ("-1e3", -1000.0),
            ("1E+2", 100.0),
            ("0x10", 16.0),
            ("0X1.8p3", 12.0),
            ("-0x.8P-1", -0.25),
            ("0x1p-1074", 5e-324),
            ("0x1.8p-1074", 1e-323),
            ("0x1p1023", 8.98846567431158e307),
            ("0x1.00000000000008p0", 1.0),
            ("0x1.00000000000018p0", 1.000_000_000_000_000_4),
            ("0x1.000000000000080000000000001p0", 1.000_000_000_000_000_2),
            ("0x1.fffffffffffffp1023", f64::MAX),
            ("inf", f64::INFINITY),
            ("-Infinity", f64::NEG_INFINITY),
            ("+INF", f64::INFINITY),
            ("9007199254740993", 9_007_199_254_740_992.0),
            ("2.2250738585072014e-308", f64::MIN_POSITIVE),
            ("1e-320", 1e-320),
            ("0e99999999999999", 0.0),
        ];
        for (text, expected) in cases {
            let value = parse(text.as_bytes()).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(value.to_bits(), expected.to_bits(), "{text}");
            assert_eq!(parse_lenient(text.as_bytes()), Some(expected), "{text}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        let refused = [
            "",
            " 1",
            "1 ",
            "a",
            ".",
            "-",
            "+",
            "--1",
            "1e",
            "1e+",
            "0x",
            "0x.",
            "0x1p",
            "0xg",
            "1.2.3",
            "nan",
            "-nan",
            "infi",
            "1\0",
            "1e400",
            "-1e400",
            "1e-400",
            "0x1p1024",
            "0x1p-1076",
            "1_000",
            "in",
            "é",
        ];
        for text in refused {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn ends_of_ranges_are_read_more_leniently() {
        for (text, expected) in [
            ("", 0.0),
            ("  1", 1.0),
            ("1\0x", 1.0),
            ("1e400", f64::INFINITY),
            ("-1e400", f64::NEG_INFINITY),
            ("1e-400", 0.0),
        ] {
            assert_eq!(parse_lenient(text.as_bytes()), Some(expected), "{text}");
        }
        for text in ["nan", "a", "1 ", " ", "-", "1e", "--1"] {
            assert_eq!(parse_lenient(text.as_bytes()), None, "{text}");
        }
    }
}
