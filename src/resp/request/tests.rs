//! Tests of the module above.

use std::hint::black_box;
use std::time::Instant;

use super::*;
use crate::resp::header::LINE_MAX;

/// Parses one command that must be complete: its arguments and its length in bytes.
fn complete(input: &[u8]) -> (Vec<Vec<u8>>, usize) {
    let (mut parser, mut spans) = (RequestParser::new(), Vec::new());
    match parser.parse(input, &Limits::default(), &mut spans) {
        Ok(Parsed::Complete { consumed }) => {
            (parser.argv(input, &spans).iter().map(<[u8]>::to_vec).collect(), consumed)
        }
        other => panic!("{other:?} for {}", input.escape_ascii()),
    }
}

fn parse_with(limits: Limits, input: &[u8]) -> Result<Parsed, ProtocolError> {
    RequestParser::new().parse(input, &limits, &mut Vec::new())
}

fn parse(input: &[u8]) -> Result<Parsed, ProtocolError> {
    parse_with(Limits::default(), input)
}

#[test]
fn multibulk_commands_are_spans_of_the_input() {
    assert_eq!(complete(b"*1\r\n$4\r\nPING\r\n*1"), (vec![b"PING".to_vec()], 14));
    assert_eq!(
        complete(b"*3\r\n$3\r\nSET\r\n$0\r\n\r\n$10\r\n0123\r\n6789\r\n"),
        (vec![b"SET".to_vec(), vec![], b"0123\r\n6789".to_vec()], 36)
    );
    for len in [9, 10, 99, 100, 999, 1000, 9999, 10_000, 100_000] {
        let value = vec![b'v'; len];
        let input = [format!("*2\r\n$4\r\nECHO\r\n${len}\r\n").as_bytes(), &value[..], &b"\r\n"[..]].concat();
        assert_eq!(complete(&input), (vec![b"ECHO".to_vec(), value], input.len()));
    }
    for count in [1, 9, 10, 11, 100, 5000] {
        let input = [format!("*{count}\r\n").as_bytes(), &b"$1\r\nx\r\n".repeat(count)[..]].concat();
        assert_eq!(complete(&input), (vec![b"x".to_vec(); count], input.len()));
    }
}

#[test]
fn empty_commands_have_no_arguments() {
    for input in [&b"*0\r\n"[..], b"*-1\r\n", b"*-9223372036854775808\r\n", b"\r\n", b"\n", b"  \t \r\n"] {
        assert_eq!(complete(input), (vec![], input.len()));
    }
}

#[test]
fn inline_commands_are_unquoted_into_the_parsers_own_bytes() {
    let words = vec![b"set".to_vec(), b"a b".to_vec(), b"\n\xff".to_vec()];
    assert_eq!(complete(b"set \"a b\" \"\\n\\xff\"\r\nPING\r\n"), (words.clone(), 20));
    assert_eq!(complete(b"set 'a b' \"\\n\\xff\"\n"), (words, 19));
}

#[test]
fn commands_of_both_kinds_follow_one_another_in_one_parser() {
    let (mut parser, mut spans, limits) = (RequestParser::new(), Vec::new(), Limits::default());
    let commands: [(&[u8], &[u8], bool); 5] = [
        (b"*1\r\n$4\r\nPING\r\n", b"PING", false),
        (b"ping\r\n", b"ping", true),
        (b"*1\r\n$4\r\nPONG\r\n", b"PONG", false),
        (b"'a'\n", b"a", true),
        (b"*01\r\n", b"", false),
    ];
    for (input, name, inline) in &commands[..4] {
        for arrived in 1..input.len() {
            let parsed = parser.parse(&input[..arrived], &limits, &mut spans);
            assert!(matches!(parsed, Ok(Parsed::Incomplete { .. })) && spans.is_empty());
        }
        assert_eq!(parser.parse(input, &limits, &mut spans), Ok(Parsed::Complete { consumed: input.len() }));
        assert_eq!(parser.argv(input, &spans).get(0), *name);
        assert_eq!((parser.is_inline(), parser.is_amid_command()), (*inline, false));
        spans.clear();
    }
    assert!(parser.parse(commands[4].0, &limits, &mut spans).is_err());
}

#[test]
fn broken_requests_are_refused_with_their_own_error() {
    let long = |start: &[u8]| [start, &vec![b'1'; LINE_MAX][..]].concat();
    let cases = [
        (b"*\r\n".to_vec(), ProtocolError::InvalidMultibulkLength),
        (b"*x\r\n".to_vec(), ProtocolError::InvalidMultibulkLength),
        (b"*01\r\n".to_vec(), ProtocolError::InvalidMultibulkLength),
        (b"*2147483648\r\n".to_vec(), ProtocolError::InvalidMultibulkLength),
        (b"*1\r\n+4\r\n".to_vec(), ProtocolError::ExpectedDollar(b'+')),
        (b"*1\r\n\r\n".to_vec(), ProtocolError::ExpectedDollar(b'\r')),
        (b"*2\r\n$1\r\na\r\n*1\r\n".to_vec(), ProtocolError::ExpectedDollar(b'*')),
        (b"*1\r\n$\r\n".to_vec(), ProtocolError::InvalidBulkLength),
        (b"*1\r\n$-1\r\n".to_vec(), ProtocolError::InvalidBulkLength),
        (b"*1\r\n$00\r\n".to_vec(), ProtocolError::InvalidBulkLength),
        (b"*1\r\n$536870913\r\n".to_vec(), ProtocolError::InvalidBulkLength),
        (b"*1\r\n$9223372036854775807\r\n".to_vec(), ProtocolError::InvalidBulkLength),
        (b"get 'a\r\n".to_vec(), ProtocolError::UnbalancedQuotes),
        (long(b"*"), ProtocolError::TooBigMultibulkCount),
        (long(b"*1\r\n$"), ProtocolError::TooBigBulkCount),
        (long(b"+"), ProtocolError::TooBigInlineRequest),
    ];
    for (input, error) in cases {
        assert_eq!(parse(&input), Err(error), "{}", input[..input.len().min(40)].escape_ascii());
        assert!(error.text().starts_with(b"ERR Protocol error: "));
    }
    let quoted = ProtocolError::ExpectedDollar(0xff).text().into_owned();
    assert_eq!(quoted, b"ERR Protocol error: expected '$', got '\xff'");
}

#[test]
fn a_line_may_end_at_the_64th_kibibyte_and_no_later() {
    let mut line = vec![b' '; LINE_MAX];
    assert_eq!(parse(&line), Ok(Parsed::Incomplete { need: 1 }));
    line.push(b'\n');
    assert_eq!(parse(&line), Ok(Parsed::Complete { consumed: LINE_MAX + 1 }));
    line.insert(0, b' ');
    assert_eq!(parse(&line), Err(ProtocolError::TooBigInlineRequest));
}

#[test]
fn clients_without_a_password_may_send_little() {
    let limits = Limits { authenticated: false, ..Limits::default() };
    let unauthenticated = |input: &[u8]| parse_with(limits, input);
    assert_eq!(unauthenticated(b"*11\r\n"), Err(ProtocolError::UnauthenticatedMultibulkLength));
    assert_eq!(unauthenticated(b"*1\r\n$16385\r\n"), Err(ProtocolError::UnauthenticatedBulkLength));
    assert_eq!(unauthenticated(b"*10\r\n$16384\r\n"), Ok(Parsed::Incomplete { need: 16_386 }));
    assert_eq!(unauthenticated(b"*2\r\n$4\r\nAUTH\r\n$1\r\nx\r\n"), Ok(Parsed::Complete { consumed: 21 }));
}

#[test]
fn the_need_of_a_big_argument_is_its_missing_rest() {
    let input = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$536870912\r\nabc";
    assert_eq!(parse(input), Ok(Parsed::Incomplete { need: 536_870_911 }));
    let unlimited = Limits { proto_max_bulk_len: u64::MAX, ..Limits::default() };
    assert_eq!(
        parse_with(unlimited, b"*1\r\n$9223372036854775807\r\n"),
        Ok(Parsed::Incomplete { need: COMMAND_MAX + 2 })
    );
}

#[test]
fn a_command_is_appended_to_those_before_it_whole_or_not_at_all() {
    let input = b"*2\r\n$3\r\nGET\r\n$1\r\nx\r\n";
    let (mut parser, limits) = (RequestParser::new(), Limits::default());
    let before = vec![Span::new(7, 9); 3];
    let mut spans = before.clone();
    for arrived in 1..input.len() {
        parser.parse(&input[..arrived], &limits, &mut spans).unwrap();
        assert_eq!(spans, before);
    }
    assert_eq!(parser.parse(input, &limits, &mut spans), Ok(Parsed::Complete { consumed: input.len() }));
    assert_eq!(spans[..3], before);
    assert_eq!(spans[3..], [Span::new(8, 11), Span::new(17, 18)]);
    spans.truncate(3);
    assert!(parser.parse(b"*2\r\n$1\r\nx\r\n$x\r\n", &limits, &mut spans).is_err());
    assert_eq!(spans, before);
}

#[test]
fn announcing_much_allocates_nothing() {
    let (mut parser, mut spans) = (RequestParser::new(), Vec::new());
    let limits = Limits::default();
    let parsed = parser.parse(b"*2147483647\r\n$536870912\r\nabc", &limits, &mut spans).unwrap();
    assert!(matches!(parsed, Parsed::Incomplete { .. }));
    assert_eq!((parser.memory(), spans.capacity()), (0, 0));
    assert!(parser.is_amid_command());
    parser.reset();
    assert!(!parser.is_amid_command());
}

#[test]
fn a_million_arguments_in_pieces_cost_one_pass() {
    const ARGUMENT: &[u8] = b"$1\r\nx\r\n";
    let header = b"*1000000\r\n";
    let input = [header, &ARGUMENT.repeat(1_000_000)[..]].concat();
    let (mut parser, mut spans, limits) = (RequestParser::new(), Vec::new(), Limits::default());
    let mut arrived = 0;
    let consumed = loop {
        arrived = input.len().min(arrived + 16 * 1024);
        match parser.parse(&input[..arrived], &limits, &mut spans).unwrap() {
            Parsed::Complete { consumed } => break consumed,
            Parsed::Incomplete { .. } => {
                // Everything but the last argument is done with: the next call starts behind it.
                assert!(arrived - parser.position < ARGUMENT.len());
                assert_eq!(parser.spans.len(), (arrived - header.len()) / ARGUMENT.len());
                assert!(parser.memory() <= 2 * arrived.next_power_of_two());
            }
        }
    };
    assert_eq!(consumed, input.len());
    assert!(parser.memory() <= SPANS_KEPT * size_of::<Span>(), "the spans' memory is given back");
    let first = header.len() + 4;
    let expected =
        (0..1_000_000).map(|n| Span::new(first + n * ARGUMENT.len(), first + n * ARGUMENT.len() + 1));
    assert!(spans.iter().copied().eq(expected));
}

#[test]
fn a_long_line_in_single_bytes_is_searched_once() {
    let input = vec![b'1'; LINE_MAX + 1];
    for marker in [b'*', b'x'] {
        let input = [&[marker], &input[1..]].concat();
        let mut parser = RequestParser::new();
        for arrived in 1..LINE_MAX {
            let parsed = parser.parse(&input[..arrived], &Limits::default(), &mut Vec::new());
            assert_eq!(parsed, Ok(Parsed::Incomplete { need: 1 }));
            assert_eq!(parser.searched, arrived - 1);
        }
        assert!(parser.parse(&input, &Limits::default(), &mut Vec::new()).is_err());
    }
}

#[test]
#[ignore = "a measurement: run in release with --nocapture"]
fn nanoseconds_per_command() {
    let value = "v".repeat(64);
    let cases = [
        ("PING", "*1\r\n$4\r\nPING\r\n".to_string()),
        ("GET", "*2\r\n$3\r\nGET\r\n$16\r\nkey:000000000001\r\n".to_string()),
        ("SET 64", format!("*3\r\n$3\r\nSET\r\n$16\r\nkey:000000000001\r\n$64\r\n{value}\r\n")),
        ("SET 512", format!("*3\r\n$3\r\nSET\r\n$16\r\nkey:000000000001\r\n$512\r\n{}\r\n", value.repeat(8))),
        (
            "SET 1024",
            format!("*3\r\n$3\r\nSET\r\n$16\r\nkey:000000000001\r\n$1024\r\n{}\r\n", value.repeat(16)),
        ),
        ("MSET of 21 arguments", format!("*21\r\n$4\r\nMSET\r\n{}", "$3\r\nkey\r\n".repeat(20))),
        ("PING inline", "PING\r\n".to_string()),
    ];
    for (name, command) in cases {
        const BATCH: usize = 64;
        const ROUNDS: usize = 20_000;
        let input = command.repeat(BATCH);
        let (mut parser, mut spans, limits) = (RequestParser::new(), Vec::new(), Limits::default());
        let mut best = f64::INFINITY;
        for _ in 0..5 {
            let start = Instant::now();
            for _ in 0..ROUNDS {
                let mut rest = black_box(input.as_bytes());
                while !rest.is_empty() {
                    match parser.parse(rest, &limits, &mut spans).unwrap() {
                        Parsed::Complete { consumed } => rest = &rest[consumed..],
                        Parsed::Incomplete { .. } => unreachable!(),
                    }
                    black_box(parser.argv(rest, &spans).len());
                    spans.clear();
                }
            }
            best = best.min(start.elapsed().as_secs_f64() * 1e9 / (ROUNDS * BATCH) as f64);
        }
        println!("{name}: {best:.1} ns a command");
        assert!(best.is_finite());
    }
}
