//! Integers as text: the strict reading that decides whether a value is an integer, the lax reading of cursors,
//! and memory sizes.
//!
//! * [`parse_i64`] accepts exactly the texts that printing an `i64` can produce, so a value that it accepts can be
//!   kept as an integer and printed again without a difference.
//! * Nothing here allocates, except for the text that [`human_bytes`] returns.

/// The longest decimal text of an `i64` or a `u64`, in bytes: `-9223372036854775808`, `18446744073709551615`.
pub const INTEGER_TEXT_MAX: usize = 20;

/// What a unit after a memory size multiplies it by.
const MEMORY_UNITS: [(&[u8], u64); 8] = [
    (b"", 1),
    (b"b", 1),
    (b"k", 1_000),
    (b"kb", 1 << 10),
    (b"m", 1_000_000),
    (b"mb", 1 << 20),
    (b"g", 1_000_000_000),
    (b"gb", 1 << 30),
];

/// Reads the canonical decimal text of an `i64`.
///
/// There is one accepted text per number: no spaces, no `+`, no leading zeros, no `-0`. Everything else is `None`,
/// and so is a number out of range. Long texts and texts that do not begin as a number are refused at once, because
/// this runs for every string that is written.
pub fn parse_i64(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'0'] => return Some(0),
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    if !matches!(digits.first(), Some(b'1'..=b'9')) || digits.len() > 19 {
        return None;
    }
    // Nineteen digits are at most 9,999,999,999,999,999,999, which a u64 holds.
    let mut magnitude = 0u64;
    for &byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        magnitude = magnitude * 10 + u64::from(digit);
    }
    if negative { 0i64.checked_sub_unsigned(magnitude) } else { i64::try_from(magnitude).ok() }
}

/// Reads an unsigned number as Redis reads stream ids and the cursors of SCAN.
///
/// What [`parse_i64`] accepts is taken, unless it is negative. Any other text is read as C's `strtoull` reads it:
/// spaces before the number, a sign and leading zeros are accepted, a minus sign negates modulo 2⁶⁴, and the text
/// ends at the first NUL. `None` is "not a number", "trailing bytes" or "out of range".
pub fn parse_u64(text: &[u8]) -> Option<u64> {
    let end = text.iter().position(|&byte| byte == 0).unwrap_or(text.len());
    let text = &text[..end];
    if let Some(number) = parse_i64(text) {
        return u64::try_from(number).ok();
    }
    let start = text.iter().position(|&byte| !is_c_space(byte))?;
    let (negative, digits) = match &text[start..] {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    let magnitude = parse_digits(digits)?;
    Some(if negative { magnitude.wrapping_neg() } else { magnitude })
}

/// Reads a size in bytes as `redis.conf` writes it: a whole number and an optional unit, of any case.
///
/// `b` is 1, `k` is 1,000 and `kb` is 1,024; likewise `m`, `mb`, `g` and `gb`. A missing number is zero, as in
/// Redis. A size of 2⁶⁴ bytes or more is refused, where Redis silently wraps around.
pub fn parse_memory(text: &[u8]) -> Option<u64> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, unit) = text.split_at(digits);
    let (_, multiplier) = MEMORY_UNITS.iter().find(|(name, _)| unit.eq_ignore_ascii_case(name))?;
    let number = if number.is_empty() { 0 } else { parse_digits(number)? };
    number.checked_mul(*multiplier)
}

/// A size in bytes as INFO shows it to people: `0B`, `1023B`, `1.05M`.
pub fn human_bytes(size_bytes: u64) -> String {
    const UNITS: [char; 5] = ['K', 'M', 'G', 'T', 'P'];
    if !(1 << 10..1 << 60).contains(&size_bytes) {
        return format!("{size_bytes}B");
    }
    let step = size_bytes.ilog2() / 10;
    let scaled = size_bytes as f64 / (1u64 << (10 * step)) as f64;
    format!("{scaled:.2}{}", UNITS[step as usize - 1])
}

/// The length of the decimal text of `number`, in bytes, sign included.
pub fn decimal_len(number: i64) -> usize {
    usize::from(number < 0) + decimal_len_unsigned(number.unsigned_abs())
}

/// The number of decimal digits of `number`; zero has one.
pub fn decimal_len_unsigned(number: u64) -> usize {
    number.checked_ilog10().map_or(1, |log| log as usize + 1)
}

/// Whether C's `isspace` holds for `byte` in the "C" locale: `is_ascii_whitespace` and the vertical tab.
pub(super) fn is_c_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

/// The number that one or more digits make, leading zeros allowed.
fn parse_digits(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |number, &byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_integers_are_read() {
        for number in [0, 1, -1, 9, 10, -10, 1 << 40, i64::MAX, i64::MAX - 1, i64::MIN, i64::MIN + 1] {
            assert_eq!(parse_i64(number.to_string().as_bytes()), Some(number));
        }
    }

    #[test]
    fn other_spellings_of_integers_are_refused() {
        let refused: &[&[u8]] = &[
            b"",
            b"-",
            b"+1",
            b"-0",
            b"00",
            b"01",
            b"-01",
            b" 1",
            b"1 ",
            b"1\0",
            b"1.0",
            b"0x1",
            b"1e3",
            b"--1",
            b"9223372036854775808",
            b"-9223372036854775809",
            b"9999999999999999999",
            b"10000000000000000000",
            b"18446744073709551616",
            b"-18446744073709551615",
            b"1/",
            b"1:",
        ];
        for text in refused {
            assert_eq!(parse_i64(text), None, "{text:?}");
        }
        assert_eq!(parse_i64(&[b'1'; 100_000]), None);
    }

    #[test]
    fn unsigned_numbers_are_read_like_strtoull() {
        let read: &[(&[u8], Option<u64>)] = &[
            (b"0", Some(0)),
            (b"18446744073709551615", Some(u64::MAX)),
            (b"18446744073709551616", None),
            (b"9223372036854775808", Some(1 << 63)),
            (b"", None),
            (b" ", None),
            (b"+", None),
            (b"-", None),
            (b"-1", None),
            (b"-0", Some(0)),
            (b"-01", Some(u64::MAX)),
            (b" -1", Some(u64::MAX)),
            (b"-9223372036854775809", Some((1 << 63) - 1)),
            (b"-18446744073709551616", None),
            (b"+7", Some(7)),
            (b"007", Some(7)),
            (b"\x0b\t7", Some(7)),
            (b"7 ", None),
            (b"7x", None),
            (b"7\0x", Some(7)),
            (b"\0", None),
            (b"00000000000000000000000000000000001", Some(1)),
        ];
        for (text, number) in read {
            assert_eq!(parse_u64(text), *number, "{text:?}");
        }
    }

    #[test]
    fn memory_sizes_have_decimal_and_binary_units() {
        let read: &[(&[u8], Option<u64>)] = &[
            (b"0", Some(0)),
            (b"100", Some(100)),
            (b"5b", Some(5)),
            (b"1k", Some(1_000)),
            (b"1KB", Some(1_024)),
            (b"100mb", Some(100 << 20)),
            (b"2M", Some(2_000_000)),
            (b"1g", Some(1_000_000_000)),
            (b"1Gb", Some(1 << 30)),
            (b"010", Some(10)),
            (b"", Some(0)),
            (b"kb", Some(0)),
            (b"-1", None),
            (b"+1", None),
            (b" 1", None),
            (b"1 kb", None),
            (b"1tb", None),
            (b"1.5gb", None),
            (b"18446744073709551615", Some(u64::MAX)),
            (b"18446744073709551616", None),
            (b"17179869184gb", None),
        ];
        for (text, size) in read {
            assert_eq!(parse_memory(text), *size, "{:?}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn sizes_for_people_have_two_decimals() {
        let shown = [
            (0, "0B"),
            (1023, "1023B"),
            (1024, "1.00K"),
            (1_048_575, "1024.00K"),
            (1_101_004, "1.05M"),
            (3 << 30, "3.00G"),
            (5 << 39, "2.50T"),
            (1 << 50, "1.00P"),
            (1 << 60, "1152921504606846976B"),
        ];
        for (size, text) in shown {
            assert_eq!(human_bytes(size), text);
        }
    }

    #[test]
    fn decimal_len_is_the_length_of_the_text() {
        let mut numbers = vec![0, i64::MIN, i64::MAX];
        for power in 0..19 {
            let number = 10i64.pow(power);
            numbers.extend([number, number - 1, -number, 1 - number]);
        }
        for number in numbers {
            assert_eq!(decimal_len(number), number.to_string().len(), "{number}");
        }
        assert_eq!(decimal_len_unsigned(u64::MAX), INTEGER_TEXT_MAX);
        assert_eq!(decimal_len(i64::MIN), INTEGER_TEXT_MAX);
    }
}
