//! The text of a double as C's `%.{n}g` prints it: numbers of scripts, which clients compare byte for byte.

use std::io::Write;

/// Appends `value` with at most `precision` significant digits, without trailing zeros.
pub fn push_general(out: &mut Vec<u8>, value: f64, precision: usize) {
    if value.is_nan() {
        // glibc shows the sign of a NaN; 0/0 on x86 has it set.
        out.extend_from_slice(if value.is_sign_negative() { b"-nan" } else { b"nan" });
        return;
    }
    if value.is_infinite() {
        out.extend_from_slice(if value < 0.0 { b"-inf" } else { b"inf" });
        return;
    }
    let start = out.len();
    let digits = precision.max(1) - 1;
    // Writing to a vector cannot fail.
    let _ = write!(out, "{value:.digits$e}");
    let at = out[start..].iter().rposition(|&byte| byte == b'e').map_or(out.len(), |at| start + at);
    let exponent: i32 =
        std::str::from_utf8(&out[at + 1..]).ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    if exponent < -4 || exponent > digits as i32 {
        out.truncate(at);
        trim_zeros(out, start);
        let _ = write!(out, "e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.unsigned_abs());
    } else {
        out.truncate(start);
        let decimals = (digits as i32 - exponent) as usize;
        let _ = write!(out, "{value:.decimals$}");
        trim_zeros(out, start);
    }
}

fn trim_zeros(out: &mut Vec<u8>, start: usize) {
    if !out[start..].contains(&b'.') {
        return;
    }
    while out.last() == Some(&b'0') {
        out.pop();
    }
    if out.last() == Some(&b'.') {
        out.pop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(value: f64, precision: usize, text: &str) {
        let mut out = b"x".to_vec();
        push_general(&mut out, value, precision);
        assert_eq!(String::from_utf8_lossy(&out[1..]), text);
    }

    #[test]
    fn numbers_look_as_in_c() {
        check(0.1, 17, "0.10000000000000001");
        check(3.3, 14, "3.3");
        check(0.0, 14, "0");
        check(-0.0, 14, "-0");
        check(1e15, 17, "1000000000000000");
        check(1e15, 14, "1e+15");
        check(1e100, 17, "1e+100");
        check(123456789012345.0, 14, "1.2345678901234e+14");
        check(0.0001, 14, "0.0001");
        check(0.00001, 14, "1e-05");
        check(100.0, 3, "100");
        check(99.99, 3, "100");
        check(999.9, 3, "1e+03");
        check(2.5, 1, "2");
        check(f64::INFINITY, 14, "inf");
        check(-f64::NAN, 14, "-nan");
    }
}
