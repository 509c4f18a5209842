//! Tests of the module above.

use super::*;

const BYTES_MAX: u64 = 512 << 20;

fn parsed(line: &str) -> Result<Vec<Operation>, BitfieldError> {
    let args: Vec<&str> = line.split_whitespace().collect();
    parse(&args, BYTES_MAX)
}

/// Executes a line of operations and returns the replies.
fn run(value: &mut Vec<u8>, line: &str) -> Vec<Option<i64>> {
    execute(value, &parsed(line).unwrap()).replies
}

#[test]
fn arguments_are_refused_with_the_error_redis_has() {
    use BitfieldError::*;
    let cases = [
        ("get", Syntax),
        ("get u8", Syntax),
        ("set u8 0", Syntax),
        ("incrby u8 0", Syntax),
        ("overflow", Syntax),
        ("put u8 0 1", Syntax),
        ("get u8 0 1", Syntax),
        ("get u64 0", InvalidType),
        ("get i65 0", InvalidType),
        ("get i0 0", InvalidType),
        ("get u-1 0", InvalidType),
        ("get U8 0", InvalidType),
        ("get u08 0", InvalidType),
        ("get x x", InvalidType),
        ("get u8 -1", InvalidOffset),
        ("get u8 #-1", InvalidOffset),
        ("get u8 #", InvalidOffset),
        ("get u8 0x", InvalidOffset),
        ("get u8 4294967296", InvalidOffset),
        ("get u8 #536870912", InvalidOffset),
        ("get i64 #9223372036854775807", InvalidOffset),
        ("get i64 #288230376151711744", InvalidOffset),
        ("set u8 0 x", InvalidValue),
        ("incrby u8 0 1.5", InvalidValue),
        ("set u8 -1 x", InvalidOffset),
        ("overflow none", InvalidOverflow),
        ("get u8 0 overflow sat set u8 0 9223372036854775808", InvalidValue),
    ];
    for (line, error) in cases {
        assert_eq!(parsed(line), Err(error), "{line}");
    }
}

#[test]
fn arguments_are_parsed_in_any_case_and_overflow_holds_from_there_on() {
    let operations =
        parsed("GET i64 #2 Overflow SAT set u63 4294967295 -1 OVERFLOW fail IncrBy i1 0 5").unwrap();
    let field = |signed, bits| FieldType { signed, bits };
    let expected = [
        Operation { field: field(true, 64), offset: 128, action: Action::Get },
        Operation { field: field(false, 63), offset: 4294967295, action: Action::Set(-1, Overflow::Sat) },
        Operation { field: field(true, 1), offset: 0, action: Action::IncrBy(5, Overflow::Fail) },
    ];
    assert_eq!(operations, expected);
    assert_eq!(required_len(&operations), (512 << 20) + 8);
    assert!(parsed("").unwrap().is_empty());
}

#[test]
fn bitfield_ro_takes_only_get() {
    let read = |line: &str| parse_read_only(&line.split(' ').collect::<Vec<_>>(), BYTES_MAX);
    assert_eq!(read("get u8 0 overflow sat get u8 #1").unwrap().len(), 2);
    assert_eq!(read("get u8 0 set u8 0 1"), Err(BitfieldError::ReadOnly));
    assert_eq!(read("set u8 0 1 get u99 0"), Err(BitfieldError::InvalidType));
}

#[test]
fn the_manuals_examples_work() {
    let mut value = Vec::new();
    assert_eq!(run(&mut value, "incrby i5 100 1 get u4 0"), [Some(1), Some(0)]);
    assert_eq!(value.len(), 14);
    let mut value = Vec::new();
    let line = "incrby u2 100 1 overflow sat incrby u2 102 1";
    let replies: Vec<_> = (0..4).map(|_| run(&mut value, line)).collect();
    assert_eq!(replies, [[Some(1), Some(1)], [Some(2), Some(2)], [Some(3), Some(3)], [Some(0), Some(3)]]);
    assert_eq!(run(&mut value, "overflow fail incrby u2 102 1"), [None]);
}

#[test]
fn set_replies_with_the_old_value_and_incrby_with_the_new_one() {
    let mut value = Vec::new();
    assert_eq!(run(&mut value, "set i8 #0 -100 set i8 #0 101 get i8 #0"), [Some(0), Some(-100), Some(101)]);
    assert_eq!(run(&mut value, "incrby i8 0 27 incrby i8 0 -1"), [Some(-128), Some(127)]);
    assert_eq!(run(&mut value, "overflow sat incrby i8 0 100 incrby i8 0 -1000"), [Some(127), Some(-128)]);
    assert_eq!(
        run(&mut value, "overflow fail incrby i8 0 -1 set i8 0 128 set i8 0 127"),
        [None, None, Some(-128)]
    );
}

#[test]
fn sixty_four_bits_wrap_and_saturate() {
    let mut value = Vec::new();
    let line = "set i64 3 9223372036854775807 incrby i64 3 1 overflow sat incrby i64 3 -1 get i64 3";
    assert_eq!(run(&mut value, line), [Some(0), Some(i64::MIN), Some(i64::MIN), Some(i64::MIN)]);
    assert_eq!(value.len(), 9);
    let line = "overflow sat set u63 3 -1 incrby u63 3 1 incrby u63 3 -9223372036854775808";
    assert_eq!(run(&mut value, line), [Some(1 << 62), Some(i64::MAX), Some(0)]);
}

#[test]
fn saturating_set_has_redis_oddities() {
    let mut value = Vec::new();
    let line = "overflow sat set u8 0 -1 get u8 0 set i8 0 -9223372036854775808 get i8 0 \
                set i8 0 -9223372036854775681 get i8 0 set i8 0 -9223372036854775680 get i8 0";
    let replies = run(&mut value, line);
    let after: Vec<_> = replies.into_iter().skip(1).step_by(2).collect();
    assert_eq!(after, [Some(255), Some(127), Some(127), Some(-128)]);
}

#[test]
fn reading_beyond_the_end_reads_zeros_and_does_not_grow() {
    let operations = parsed("get u8 4 get u8 8 get i64 1 get u63 4294967295").unwrap();
    let expected = [Some(0xf0), Some(0), Some(-1 << 57), Some(0)];
    assert_eq!(read(&[0xff], &operations), expected);
    let mut value = vec![0xff];
    assert_eq!(execute(&mut value, &operations), Outcome { replies: expected.to_vec(), changes: 0 });
    assert_eq!(value, [0xff]);
}

#[test]
fn only_writes_that_change_the_string_are_changes() {
    let mut value = vec![0; 2];
    let changes = |value: &mut Vec<u8>, line: &str| execute(value, &parsed(line).unwrap()).changes;
    assert_eq!(changes(&mut value, "set u8 0 0 get u8 0 incrby u8 8 0"), 0);
    assert_eq!(changes(&mut value, "set u8 0 1 set u8 0 1 incrby u8 0 1"), 2);
    assert_eq!(changes(&mut value, "set u8 16 0"), 1);
    assert_eq!(changes(&mut value, "overflow fail set u8 24 256"), 0);
    assert_eq!(value.len(), 4);
}

#[test]
fn fields_agree_with_bits_set_one_by_one() {
    let seed = 0xb17f_1e1d_5eed_0001_u64;
    println!("seed {seed:#x}");
    let mut state = seed;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut value = vec![0u8; 40];
    for _ in 0..20_000 {
        let signed = next() % 2 == 0;
        let bits = 1 + (next() % if signed { 64 } else { 63 }) as u32;
        let offset = next() % 256;
        let wanted = next().cast_signed() >> (next() % 64);
        let field = FieldType { signed, bits };
        let old = read(&value, &[Operation { field, offset, action: Action::Get }])[0].unwrap();
        let mut expected = value.clone();
        let bit =
            |bytes: &[u8], index: u64| i128::from(crate::types::string::bits::bit(bytes, offset + index));
        let mut value_before = if signed { -bit(&value, 0) } else { bit(&value, 0) };
        for index in 1..u64::from(bits) {
            value_before = value_before * 2 + bit(&value, index);
        }
        assert_eq!(i128::from(old), value_before, "{field:?} {offset}");

        for index in 0..bits {
            let bit = wanted >> (bits - 1 - index) & 1 == 1;
            crate::types::string::bits::set_bit(&mut expected, offset + u64::from(index), bit);
        }
        let action = Action::Set(wanted, Overflow::Wrap);
        let replies = execute(&mut value, &[Operation { field, offset, action }]).replies;
        assert_eq!((replies, &value), (vec![Some(old)], &expected), "{field:?} {offset} {wanted}");
    }
}

#[test]
fn narrow_fields_overflow_as_wide_arithmetic_says() {
    for bits in 1..=6u32 {
        for signed in [true, false] {
            let field = FieldType { signed, bits };
            let (min, max) =
                if signed { (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) } else { (0, (1 << bits) - 1) };
            for old in min..=max {
                for increment in -200..200i64 {
                    let sum = old + increment;
                    let fits = (min..=max).contains(&sum);
                    let wrapped = (sum - min).rem_euclid(1 << bits) + min;
                    let expected = [
                        (Overflow::Wrap, Some(wrapped)),
                        (Overflow::Sat, Some(sum.clamp(min, max))),
                        (Overflow::Fail, fits.then_some(sum)),
                    ];
                    for (overflow, expected) in expected {
                        let set = Action::Set(old, Overflow::Fail);
                        let incr = Action::IncrBy(increment, overflow);
                        let operations = [set, incr].map(|action| Operation { field, offset: 5, action });
                        let replies = execute(&mut Vec::new(), &operations).replies;
                        assert_eq!(replies[1], expected, "{field:?} {old} {increment} {overflow:?}");
                    }
                }
            }
        }
    }
}
