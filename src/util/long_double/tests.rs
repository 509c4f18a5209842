//! Tests of the module above.

use super::*;

/// The text of the sum of two texts, or `refused`.
fn sum(left: &[u8], right: &[u8]) -> String {
    match (LongDouble::parse(left), LongDouble::parse(right)) {
        (Some(left), Some(right)) => text(left + right),
        _ => "refused".to_owned(),
    }
}

fn text(number: LongDouble) -> String {
    let mut text = Vec::new();
    number.push_text(&mut text);
    String::from_utf8(text).unwrap()
}

fn is_number(text: impl AsRef<[u8]>) -> bool {
    LongDouble::parse(text.as_ref()).is_some()
}

#[test]
fn sums_are_those_of_the_x87_unit() {
    let vectors = include_str!("vectors.txt").lines().filter(|line| !line.starts_with('#'));
    let mut count = 0;
    for line in vectors {
        let fields: Vec<&str> = line.split(' ').collect();
        assert_eq!(sum(fields[0].as_bytes(), fields[1].as_bytes()), fields[2], "{line}");
        count += 1;
    }
    assert!(count > 400);
}

#[test]
fn sums_of_short_decimals_look_exact() {
    assert_eq!(sum(b"10.50", b"0.1"), "10.6");
    assert_eq!(sum(b"0.1", b"0.2"), "0.3");
    assert_eq!(sum(b"5.0e3", b"2.0e2"), "5200");
    assert_eq!(sum(b"1", b"-1"), "0");
    assert_eq!(sum(b"-0", b"-0"), "0");
    assert_eq!(sum(b"-0.000000000000000001", b"0"), "0");
}

#[test]
fn spaces_trailing_bytes_and_fragments_are_refused() {
    let refused: &[&[u8]] = &[
        b"", b" ", b" 1", b"1 ", b"\t1", b"1\0", b"+", b"-", b".", b"1e", b"1e+", b"e1", b"1..2", b"1.2.3",
        b"--1", b"0x", b"0x.", b"0x1p", b"0x1p+", b"0x1e+1", b"nan", b"-nan", b"nan(0)", b"infi", b"1f",
        b"1,5", b"\xff",
    ];
    for text in refused {
        assert!(!is_number(text), "{:?}", String::from_utf8_lossy(text));
    }
}

#[test]
fn numbers_out_of_range_are_refused_and_infinity_is_not_finite() {
    for refused in
        ["1e4933", "1e999999999999", "-0x1p16384", "1e-4951", "1e-999999999999", "0x1p-999999999999"]
    {
        assert!(!is_number(refused), "{refused}");
    }
    for zero in ["0e999999999999", "0x0p99999", "0.000e-99999", "-0"] {
        assert_eq!(sum(zero.as_bytes(), b"0"), "0", "{zero}");
    }
    let infinity = LongDouble::parse(b"-Inf").unwrap();
    assert!(!infinity.is_finite());
    assert!(!(infinity + LongDouble::from(1)).is_finite());
    assert_eq!(sum(b"-INFINITY", b"-inf"), "-inf");
    assert_eq!(sum(b"inf", b"-inf"), "nan");
    let greatest = LongDouble::parse(b"0x1.fffffffffffffffep16383").unwrap();
    assert!(greatest.is_finite());
    assert!(!(greatest + greatest).is_finite());
}

#[test]
fn integers_convert_without_loss() {
    for number in [0, 1, -1, 1 << 53, (1 << 53) + 1, i64::MAX, i64::MIN] {
        assert_eq!(text(LongDouble::from(number)), number.to_string());
        assert_eq!(LongDouble::parse(number.to_string().as_bytes()), Some(LongDouble::from(number)));
    }
}

#[test]
fn the_greatest_number_has_the_longest_text_and_it_reads_back() {
    let greatest = LongDouble::parse(b"-0x1.fffffffffffffffep16383").unwrap();
    let shown = text(greatest);
    assert_eq!(shown.len(), 1 + 4933);
    assert!(
        shown.starts_with("-118973149535723176502126385303097020516906332229462420044032373389173700552297")
    );
    assert_eq!(LongDouble::parse(shown.as_bytes()), Some(greatest));
}

#[test]
fn texts_are_bounded_by_redis_buffer() {
    let mut long = vec![b'0'; TEXT_MAX - 1];
    assert!(is_number(&long));
    long.push(b'0');
    assert!(!is_number(&long));
    assert!(!is_number(vec![b'1'; 100_000]));
    assert!(!is_number([b"1e".as_slice(), &[b'9'; 100_000]].concat()));
}

#[test]
fn one_digit_at_the_far_end_decides_a_tie() {
    // 2⁶⁴ + 1 lies halfway between two numbers; the even one is below.
    let tie = "18446744073709551617";
    assert_eq!(sum(tie.as_bytes(), b"0"), "18446744073709551616");
    let above = format!("{tie}.{}1", "0".repeat(5000));
    assert_eq!(sum(above.as_bytes(), b"0"), "18446744073709551618");
    let long = format!("1{}e-{}", "0".repeat(5000), 5000);
    assert_eq!(sum(long.as_bytes(), b"1"), "2");
}
