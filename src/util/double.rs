//! The text of a double as Redis 7.4 prints it: scores, `ZINCRBY`, `GEODIST`, RESP3 doubles. Reading is in [`parse()`].
//!
//! Clients compare these texts byte for byte (and Redis's own log replays them), so this module prints the very
//! digits that Redis prints, not merely some text that reads back as the same number. The rules, from the public
//! sources of Redis 7.4 (`d2string` in `util.c` and the bundled `fpconv` library):
//!
//! * `nan`, `inf`, `-inf`, `0` and `-0` are those words.
//! * A whole number of magnitude up to 2^62 is printed as a 64-bit integer: `1e18` is `1000000000000000000`.
//! * Everything else gets Grisu2's digits `d1 d2 … dn`, with the value `0.d1d2…dn × 10^(n+k)`, i.e. the integer
//!   `d1…dn` times `10^k`. Grisu2 (Loitsch, "Printing Floating-Point Numbers Quickly and Accurately with Integers",
//!   PLDI 2010) always reads back exactly; about one time in a thousand it has a digit more than the shortest text
//!   or a last digit that is not the closest. That is why a "shortest" printer such as Rust's or Ryu's will not do.
//!   Let `x = |n + k - 1|`, the size of the scientific exponent. Then
//!     - `k` from 0 to 7: a plain integer with `k` zeros behind the digits;
//!     - `k < 0` and (`k > -7` or `x < 4`): a decimal point, with zeros in front where needed: `0.000123`;
//!     - otherwise scientific: `d1.d2…dne±x`, the exponent without leading zeros: `1e-7`, `1.5e+300`, `1e+20`.
//!
//! It deliberately does not print `long double` (INCRBYFLOAT): that is fixed-point text of another width.

mod general;
mod parse;

pub use parse::{parse, parse_c, parse_lenient};

/// The longest text: sign, 17 digits, and up to eight zeros or a point and an exponent.
const TEXT_MAX: usize = 32;

/// The significands of 10^k, rounded to nearest, for k = −348, −340 … 340; the binary exponent follows from k.
#[rustfmt::skip]
const POWERS_OF_TEN: [u64; 87] = [
    0xfa8fd5a0081c0288, 0xbaaee17fa23ebf76, 0x8b16fb203055ac76, 0xcf42894a5dce35ea,
    0x9a6bb0aa55653b2d, 0xe61acf033d1a45df, 0xab70fe17c79ac6ca, 0xff77b1fcbebcdc4f,
    0xbe5691ef416bd60c, 0x8dd01fad907ffc3c, 0xd3515c2831559a83, 0x9d71ac8fada6c9b5,
    0xea9c227723ee8bcb, 0xaecc49914078536d, 0x823c12795db6ce57, 0xc21094364dfb5637,
    0x9096ea6f3848984f, 0xd77485cb25823ac7, 0xa086cfcd97bf97f4, 0xef340a98172aace5,
    0xb23867fb2a35b28e, 0x84c8d4dfd2c63f3b, 0xc5dd44271ad3cdba, 0x936b9fcebb25c996,
    0xdbac6c247d62a584, 0xa3ab66580d5fdaf6, 0xf3e2f893dec3f126, 0xb5b5ada8aaff80b8,
    0x87625f056c7c4a8b, 0xc9bcff6034c13053, 0x964e858c91ba2655, 0xdff9772470297ebd,
    0xa6dfbd9fb8e5b88f, 0xf8a95fcf88747d94, 0xb94470938fa89bcf, 0x8a08f0f8bf0f156b,
    0xcdb02555653131b6, 0x993fe2c6d07b7fac, 0xe45c10c42a2b3b06, 0xaa242499697392d3,
    0xfd87b5f28300ca0e, 0xbce5086492111aeb, 0x8cbccc096f5088cc, 0xd1b71758e219652c,
    0x9c40000000000000, 0xe8d4a51000000000, 0xad78ebc5ac620000, 0x813f3978f8940984,
    0xc097ce7bc90715b3, 0x8f7e32ce7bea5c70, 0xd5d238a4abe98068, 0x9f4f2726179a2245,
    0xed63a231d4c4fb27, 0xb0de65388cc8ada8, 0x83c7088e1aab65db, 0xc45d1df942711d9a,
    0x924d692ca61be758, 0xda01ee641a708dea, 0xa26da3999aef774a, 0xf209787bb47d6b85,
    0xb454e4a179dd1877, 0x865b86925b9bc5c2, 0xc83553c5c8965d3d, 0x952ab45cfa97a0b3,
    0xde469fbd99a05fe3, 0xa59bc234db398c25, 0xf6c69a72a3989f5c, 0xb7dcbf5354e9bece,
    0x88fcf317f22241e2, 0xcc20ce9bd35c78a5, 0x98165af37b2153df, 0xe2a0b5dc971f303a,
    0xa8d9d1535ce3b396, 0xfb9b7cd9a4a7443c, 0xbb764c4ca7a44410, 0x8bab8eefb6409c1a,
    0xd01fef10a657842c, 0x9b10a4e5e9913129, 0xe7109bfba19c0c9d, 0xac2820d9623bf429,
    0x80444b5e7aa7cf85, 0xbf21e44003acdd2d, 0x8e679c2f5e44ff8f, 0xd433179d9c8cb841,
    0x9e19db92b4e31ba9, 0xeb96bf6ebadf77d9, 0xaf87023b9bf0ee6b,
];

/// The decimal exponent of the first entry of [`POWERS_OF_TEN`], and the distance of two entries.
const FIRST_POWER: i32 = -348;
const POWER_STEP: i32 = 8;

/// A scaled number `f × 2^e` has its point inside its 64 bits, with at most 32 bits in front of it.
const SCALED_EXPONENT_MIN: i32 = -60;
const SCALED_EXPONENT_MAX: i32 = -32;

/// The text of one double, held without an allocation.
#[derive(Clone, Copy, Debug)]
pub struct DoubleText {
    bytes: [u8; TEXT_MAX],
    len: usize,
}

impl DoubleText {
    /// Formats `value`.
    pub fn new(value: f64) -> Self {
        let mut text = DoubleText { bytes: [0; TEXT_MAX], len: 0 };
        if value.is_nan() {
            text.push(b"nan");
        } else if let Some(whole) = as_whole_number(value) {
            text.push(itoa::Buffer::new().format(whole).as_bytes());
        } else {
            if value.is_sign_negative() {
                text.push(b"-");
            }
            text.push_magnitude(value.abs());
        }
        text
    }

    /// The text.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    fn push_magnitude(&mut self, value: f64) {
        if value == 0.0 {
            return self.push(b"0");
        }
        if value.is_infinite() {
            return self.push(b"inf");
        }
        let (significand, k) = grisu2(value);
        let mut buffer = itoa::Buffer::new();
        self.push_decimal(buffer.format(significand).as_bytes(), k);
    }

    /// Lays out the integer `digits` times `10^k`: the switch-over rules of the module's doc.
    fn push_decimal(&mut self, digits: &[u8], k: i32) {
        let exponent = digits.len() as i32 + k - 1;
        if (0..8).contains(&k) {
            self.push(digits);
            self.push_zeros(k as usize);
        } else if k < 0 && (k > -7 || exponent.abs() < 4) {
            let before_point = digits.len() as i32 + k;
            if before_point > 0 {
                let (whole, fraction) = digits.split_at(before_point as usize);
                self.push(whole);
                self.push(b".");
                self.push(fraction);
            } else {
                self.push(b"0.");
                self.push_zeros(-before_point as usize);
                self.push(digits);
            }
        } else {
            self.push(&digits[..1]);
            if digits.len() > 1 {
                self.push(b".");
                self.push(&digits[1..]);
            }
            self.push(if exponent < 0 { b"e-" } else { b"e+" });
            self.push(itoa::Buffer::new().format(exponent.unsigned_abs()).as_bytes());
        }
    }

    fn push(&mut self, bytes: &[u8]) {
        self.bytes[self.len..self.len + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }

    fn push_zeros(&mut self, count: usize) {
        self.push(&b"0000000000"[..count]);
    }
}

/// The value as an integer, if it is one that Redis prints as such. Zero is left out for its sign's sake.
fn as_whole_number(value: f64) -> Option<i64> {
    const LIMIT: f64 = (i64::MAX / 2) as f64;
    let in_range = (-LIMIT..=LIMIT).contains(&value) && value != 0.0;
    let whole = value as i64;
    (in_range && whole as f64 == value).then_some(whole)
}

/// Grisu2: for a positive finite `value`, digits as an integer and the power of ten they are scaled by.
fn grisu2(value: f64) -> (u64, i32) {
    const HIDDEN_BIT: u64 = 1 << 52;
    let bits = value.to_bits();
    let biased_exponent = (bits >> 52) as i32;
    let fraction = bits & (HIDDEN_BIT - 1);
    let (f, e) = if biased_exponent == 0 {
        (fraction, -1074)
    } else {
        (fraction | HIDDEN_BIT, biased_exponent - 1075)
    };

    // The value and the bounds of what rounds to it, aligned to the same exponent with the upper bound's top bit
    // set. Below a power of two the doubles are twice as dense, so the lower bound is half as far away.
    let shift = f.leading_zeros() as i32;
    let exponent = e - shift;
    let lower_step = if f == HIDDEN_BIT { 2 } else { 1 };
    let middle = f << shift;
    let upper = ((f << 1) + 1) << (shift - 1);
    let lower = ((f << lower_step) - 1) << (shift - lower_step);

    let (power, power_exponent, k) = power_for(exponent);
    let scale = |significand: u64| ((u128::from(significand) * u128::from(power) + (1 << 63)) >> 64) as u64;
    // Each product is off by at most one unit: shrink the interval so that whatever is inside reads back exactly.
    let (upper, lower, middle) = (scale(upper) - 1, scale(lower) + 1, scale(middle));
    let (digits, dropped) =
        generate_digits(upper, upper - lower, upper - middle, -(exponent + power_exponent + 64));
    (digits, dropped - k)
}

/// The cached power of ten (significand, binary exponent, decimal exponent) that scales `f × 2^exponent` into the
/// range digit generation needs. Where two fit, the starting guess decides which is taken, and the digits with it.
fn power_for(exponent: i32) -> (u64, i32, i32) {
    let guess = (f64::from(-(exponent + POWERS_OF_TEN.len() as i32)) * std::f64::consts::LOG10_2) as i32;
    let mut k = FIRST_POWER + (guess - FIRST_POWER) / POWER_STEP * POWER_STEP;
    loop {
        // floor(k × log2(10)), exact for every k of the table.
        let power_exponent = ((k * 217_706) >> 16) - 63;
        let scaled = exponent + power_exponent + 64;
        if scaled < SCALED_EXPONENT_MIN {
            k += POWER_STEP;
        } else if scaled > SCALED_EXPONENT_MAX {
            k -= POWER_STEP;
        } else {
            return (POWERS_OF_TEN[((k - FIRST_POWER) / POWER_STEP) as usize], power_exponent, k);
        }
    }
}

/// The fewest leading digits of `upper` that stay within `delta` below it, then stepped down towards the value, which
/// is `distance` below `upper`. All three have `point` bits behind the binary point. Returns the digits as an
/// integer and how many decimal places were dropped behind them (negative: places behind the point).
fn generate_digits(upper: u64, mut delta: u64, mut distance: u64, point: i32) -> (u64, i32) {
    let one = 1u64 << point;
    let whole = upper >> point;
    let mut fraction = upper & (one - 1);

    // Digits in front of the point, from the billions down.
    let mut unit = 1_000_000_000u64;
    for places in (0..10).rev() {
        let digits = whole / unit;
        let rest = ((whole % unit) << point) + fraction;
        if rest <= delta {
            return (step_down(digits, rest, unit << point, delta, distance), places);
        }
        unit /= 10;
    }
    // Digits behind it. `delta` and `distance` grow in step with the fraction and stop before they could overflow:
    // the loop ends as soon as `delta` exceeds a fraction of at most 60 bits, and `distance <= delta`.
    let mut digits = whole;
    let mut places = 0;
    loop {
        fraction *= 10;
        delta *= 10;
        distance *= 10;
        places -= 1;
        digits = digits * 10 + (fraction >> point);
        fraction &= one - 1;
        if fraction < delta {
            return (step_down(digits, fraction, one, delta, distance), places);
        }
    }
}

/// Lowers the last digit while that stays inside the interval and comes closer to the value. `rest` is how far below
/// `upper` the digits are, `unit` what the last digit counts.
fn step_down(mut digits: u64, mut rest: u64, unit: u64, delta: u64, distance: u64) -> u64 {
    while rest < distance
        && delta - rest >= unit
        && (rest + unit < distance || distance - rest > rest + unit - distance)
    {
        digits -= 1;
        rest += unit;
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: f64) -> String {
        String::from_utf8(DoubleText::new(value).as_bytes().to_vec()).unwrap()
    }

    /// xorshift64*: enough for picking bit patterns.
    fn next(state: &mut u64) -> u64 {
        *state ^= *state >> 12;
        *state ^= *state << 25;
        *state ^= *state >> 27;
        state.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    #[test]
    fn words_and_zeros_are_printed_as_words() {
        assert_eq!(text(f64::NAN), "nan");
        assert_eq!(text(-f64::NAN), "nan");
        assert_eq!(text(f64::INFINITY), "inf");
        assert_eq!(text(f64::NEG_INFINITY), "-inf");
        assert_eq!(text(0.0), "0");
        assert_eq!(text(-0.0), "-0");
    }

    #[test]
    fn whole_numbers_are_integers_up_to_two_to_the_62() {
        assert_eq!(text(3.0), "3");
        assert_eq!(text(-17.0), "-17");
        assert_eq!(text(1e18), "1000000000000000000");
        assert_eq!(text(4_611_686_018_427_387_904.0), "4611686018427387904");
        assert_eq!(text(4_611_686_018_427_388_928.0), "4611686018427389000");
        assert_eq!(text(9_007_199_254_740_993.0), "9007199254740992");
    }

    #[test]
    fn the_layout_switches_over_where_redis_does() {
        let cases = [
            (0.1, "0.1"),
            (1.5, "1.5"),
            (-2.25, "-2.25"),
            (3.456_789_012_345_679, "3.456789012345679"),
            (0.000_001, "0.000001"),
            (0.000_000_1, "1e-7"),
            (0.000_123, "0.000123"),
            (0.000_123_4, "1.234e-4"),
            (13_007.941_133_222_272, "1.3007941133222272e+4"),
            (0.000_012_34, "1.234e-5"),
            (0.001_234_567_89, "0.00123456789"),
            (1e19, "1e+19"),
            (1e20, "1e+20"),
            (1e21, "1e+21"),
            (1.234_567e20, "1.234567e+20"),
            (1.234_567_890_123_456_7e23, "123456789012345670000000"),
            (1.234_567_890_123_456_7e24, "1.2345678901234568e+24"),
            (1.5e300, "1.5e+300"),
            (-1.5e-300, "-1.5e-300"),
            (1e100, "1e+100"),
            (5e-324, "5e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
            (f64::MIN_POSITIVE, "2.2250738585072014e-308"),
            (0.1 + 0.2, "0.30000000000000004"),
        ];
        for (value, expected) in cases {
            assert_eq!(text(value), expected, "{value:e}");
        }
    }

    #[test]
    fn every_text_reads_back_as_the_same_number() {
        let mut state = 0x9e37_79b9_7f4a_7c15;
        println!("seed {state:#x}");
        for _ in 0..200_000 {
            let value = f64::from_bits(next(&mut state));
            if value.is_finite() {
                assert_eq!(text(value).parse::<f64>().unwrap().to_bits(), value.to_bits(), "{value:e}");
            }
        }
        // Neighbours of every power of two, where the interval is lopsided, and all the small subnormals.
        for biased in 0..2047u64 {
            for bits in [(biased << 52).saturating_sub(1), biased << 52, (biased << 52) + 1] {
                let value = f64::from_bits(bits);
                assert_eq!(text(value).parse::<f64>().unwrap().to_bits(), bits, "{bits:#x}");
            }
        }
        for bits in 0..2_000 {
            assert_eq!(text(f64::from_bits(bits)).parse::<f64>().unwrap().to_bits(), bits);
        }
    }

    #[test]
    fn digits_are_grisu2s_even_where_a_shorter_text_reads_back() {
        assert_eq!(text(3.522_101_828_684_135e-133), "3.5221018286841346e-133");
        assert_eq!(text(f64::from_bits(0x24a0_0000_0000_0001)), "2.8176814629473077e-132");
    }

    #[test]
    #[ignore = "needs a file of `<bits in hex> <text>` lines from another implementation: FORGEKV_DOUBLES"]
    fn texts_equal_those_of_a_reference_file() {
        let path = std::env::var_os("FORGEKV_DOUBLES").unwrap();
        #[expect(clippy::disallowed_methods, reason = "a developer's file, not the dataset's")]
        let lines = std::fs::read_to_string(path).unwrap();
        for line in lines.lines() {
            let (bits, expected) = line.split_once(' ').unwrap();
            let value = f64::from_bits(u64::from_str_radix(bits, 16).unwrap());
            assert_eq!(text(value), expected, "{bits}");
        }
    }
}
