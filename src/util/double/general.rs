//! Doubles as C's `%.17g` prints them: what ZSCAN shows of scores in a skiplist.
//!
//! 17 significant digits without zeros at the end, and a scientific exponent below −4 and from 17 on.

use std::io::Write;

use super::{DoubleText, TEXT_MAX};

/// Significant digits.
const DIGITS: i32 = 17;

impl DoubleText {
    /// Formats `value` with 17 significant digits.
    pub fn general(value: f64) -> Self {
        if !value.is_finite() || value == 0.0 {
            return DoubleText::new(value);
        }
        // `-d.dddddddddddddddde-ddd`
        let mut buffer = [0; TEXT_MAX];
        let mut rest = &mut buffer[..];
        write!(rest, "{:.16e}", value.abs()).expect("the digits, a point and an exponent fit");
        let len = TEXT_MAX - rest.len();
        let mark = buffer[..len].iter().position(|&byte| byte == b'e').expect("there is an exponent");
        let exponent = exponent_of(&buffer[mark + 1..len]);
        let mut digits = [b'0'; DIGITS as usize];
        digits[0] = buffer[0];
        digits[1..].copy_from_slice(&buffer[2..mark]);
        let significant = digits.iter().rposition(|&digit| digit != b'0').map_or(1, |last| last + 1);

        let mut text = DoubleText { bytes: [0; TEXT_MAX], len: 0 };
        if value.is_sign_negative() {
            text.push(b"-");
        }
        text.push_general(&digits[..significant], exponent);
        text
    }

    fn push_general(&mut self, digits: &[u8], exponent: i32) {
        match exponent {
            -4..0 => {
                self.push(b"0.");
                self.push_zeros((-exponent - 1) as usize);
                self.push(digits);
            }
            0..DIGITS => {
                let whole = exponent as usize + 1;
                self.push(&digits[..whole.min(digits.len())]);
                if whole < digits.len() {
                    self.push(b".");
                    self.push(&digits[whole..]);
                }
                (digits.len()..whole).for_each(|_| self.push(b"0"));
            }
            _ => {
                self.push(&digits[..1]);
                if digits.len() > 1 {
                    self.push(b".");
                    self.push(&digits[1..]);
                }
                self.push(if exponent < 0 { b"e-" } else { b"e+" });
                if exponent.abs() < 10 {
                    self.push(b"0");
                }
                self.push(itoa::Buffer::new().format(exponent.unsigned_abs()).as_bytes());
            }
        }
    }
}

/// The number that one to three digits with a sign are.
fn exponent_of(text: &[u8]) -> i32 {
    let (sign, digits) = if text[0] == b'-' { (-1, &text[1..]) } else { (1, text) };
    sign * digits.iter().fold(0, |number, digit| number * 10 + i32::from(digit - b'0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_those_of_c() {
        let cases = [
            (0.1, "0.10000000000000001"),
            (3.3, "3.2999999999999998"),
            (1e20, "1e+20"),
            (1e16, "10000000000000000"),
            (1e17, "1e+17"),
            (123_456_789_012.0, "123456789012"),
            (1e-5, "1.0000000000000001e-05"),
            (0.0001, "0.0001"),
            (-0.000_123_456_789_012_345_67, "-0.00012345678901234567"),
            (1.5, "1.5"),
            (-1.5e300, "-1.5000000000000001e+300"),
            (5e-324, "4.9406564584124654e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
            (-0.0, "-0"),
            (0.0, "0"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
            (100.25, "100.25"),
        ];
        for (value, expected) in cases {
            assert_eq!(DoubleText::general(value).as_bytes(), expected.as_bytes(), "{value:e}");
        }
    }
}
