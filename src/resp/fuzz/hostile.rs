//! Hostile streams, and what Redis makes of each: the commands it runs before it hangs up, and the error it hangs up
//! with. The table was compared byte by byte with a redis-server 7.0; `FORGEKV_TEST_ADDR` compares it with another.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use super::{Outcome, ProtocolError, Random, assert_pieces_mean_the_same, read};
use crate::resp::{Limits, Output, Protocol, Reply};

use ProtocolError::{
    ExpectedDollar, InvalidBulkLength, InvalidMultibulkLength, TooBigBulkCount, TooBigInlineRequest,
    TooBigMultibulkCount, UnbalancedQuotes,
};

/// How a stream ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Everything was commands.
    Clean,
    /// In the middle of a command.
    Amid,
    /// The connection is closed with this error.
    Error(ProtocolError),
}
use End::{Amid, Clean, Error};

/// A stream, the commands in it (arguments joined by `|`), and its end.
type Case = (&'static [u8], &'static [&'static [u8]], End);

#[rustfmt::skip]
const CASES: &[Case] = &[
    // Counts.
    (b"*1\r\n$4\r\nPING\r\n", &[b"PING"], Clean),
    (b"*0\r\nPING\r\n", &[b"", b"PING"], Clean),
    (b"*-1\r\nPING\r\n", &[b"", b"PING"], Clean),
    (b"*-9223372036854775808\r\nPING\r\n", &[b"", b"PING"], Clean),
    (b"*-9223372036854775809\r\n", &[], Error(InvalidMultibulkLength)),
    (b"*2147483647\r\n", &[], Amid),
    (b"*2147483648\r\n", &[], Error(InvalidMultibulkLength)),
    (b"*9223372036854775807\r\n", &[], Error(InvalidMultibulkLength)),
    (b"*9223372036854775808\r\n", &[], Error(InvalidMultibulkLength)),
    (b"*99999999999999999999999999\r\n", &[], Error(InvalidMultibulkLength)),
    (b"*1048577\r\n", &[], Amid),
    (b"*\r\n", &[], Error(InvalidMultibulkLength)),
    (b"* 1\r\n", &[], Error(InvalidMultibulkLength)),
    (b"*1 \r\n", &[], Error(InvalidMultibulkLength)),
    (b"*+1\r\n", &[], Error(InvalidMultibulkLength)),
    (b"*01\r\n", &[], Error(InvalidMultibulkLength)),
    (b"*00\r\n", &[], Error(InvalidMultibulkLength)),
    (b"*-0\r\n", &[], Error(InvalidMultibulkLength)),
    (b"*-\r\n", &[], Error(InvalidMultibulkLength)),
    (b"*-a\r\n", &[], Error(InvalidMultibulkLength)),
    (b"*--1\r\n", &[], Error(InvalidMultibulkLength)),
    (b"*1a\r\n", &[], Error(InvalidMultibulkLength)),
    (b"*a\r\n", &[], Error(InvalidMultibulkLength)),
    (b"*0x1\r\n", &[], Error(InvalidMultibulkLength)),
    (b"*1.0\r\n", &[], Error(InvalidMultibulkLength)),
    (b"*\xff\r\n", &[], Error(InvalidMultibulkLength)),
    (b"**1\r\n", &[], Error(InvalidMultibulkLength)),
    (b"*1\n$4\nPING\n", &[], Amid),
    (b"*1\n$4\r\nPING\r\n", &[], Error(InvalidMultibulkLength)),
    (b"*1\r", &[], Amid),
    (b"*1", &[], Amid),
    (b"*", &[], Amid),
    (b"*1\0\r\n$4\r\nPING\r\n", &[], Amid),
    (b"*\0\r\n", &[], Amid),
    (b"*x\r", &[], Amid),
    (b"*x\r\r", &[], Error(InvalidMultibulkLength)),
    (b"*1\rX$4\rXPINGXX", &[b"PING"], Clean),
    (b"*1\r\r$4\r\rPING\r\r", &[b"PING"], Clean),
    (b"*1\r\0$4\r\0PING\0\0", &[b"PING"], Clean),
    // What starts an argument.
    (b"*1\r\n+4\r\nPING\r\n", &[], Error(ExpectedDollar(b'+'))),
    (b"*1\r\n4\r\nPING\r\n", &[], Error(ExpectedDollar(b'4'))),
    (b"*1\r\nPING\r\n", &[], Error(ExpectedDollar(b'P'))),
    (b"*1\r\n:4\r\n", &[], Error(ExpectedDollar(b':'))),
    (b"*1\r\n*1\r\n$4\r\nPING\r\n", &[], Error(ExpectedDollar(b'*'))),
    (b"*1\r\n\r\n", &[], Error(ExpectedDollar(b'\r'))),
    (b"*1\r\n\n\r\n", &[], Error(ExpectedDollar(b'\n'))),
    (b"*1\r\n \r\n", &[], Error(ExpectedDollar(b' '))),
    (b"*1\r\n'\r\n", &[], Error(ExpectedDollar(b'\''))),
    (b"*1\r\n%s\r\n", &[], Error(ExpectedDollar(b'%'))),
    (b"*1\r\n\xff\r\n", &[], Error(ExpectedDollar(0xff))),
    (b"*1\r\n\x01\r\n", &[], Error(ExpectedDollar(1))),
    (b"*1\r\n\0\r\n", &[], Amid),
    (b"*1\r\nx", &[], Amid),
    (b"*1\r\nx\r", &[], Amid),
    (b"*2\r\n$4\r\nPING\r\n+\r\n", &[], Error(ExpectedDollar(b'+'))),
    (b"*2\r\n$4\r\nPING\r\nPING\r\n", &[], Error(ExpectedDollar(b'P'))),
    // Lengths.
    (b"*1\r\n$\r\n", &[], Error(InvalidBulkLength)),
    (b"*1\r\n$-1\r\n", &[], Error(InvalidBulkLength)),
    (b"*1\r\n$-0\r\n", &[], Error(InvalidBulkLength)),
    (b"*1\r\n$+4\r\nPING\r\n", &[], Error(InvalidBulkLength)),
    (b"*1\r\n$04\r\nPING\r\n", &[], Error(InvalidBulkLength)),
    (b"*1\r\n$ 4\r\nPING\r\n", &[], Error(InvalidBulkLength)),
    (b"*1\r\n$4 \r\nPING\r\n", &[], Error(InvalidBulkLength)),
    (b"*1\r\n$4a\r\nPING\r\n", &[], Error(InvalidBulkLength)),
    (b"*1\r\n$0x4\r\nPING\r\n", &[], Error(InvalidBulkLength)),
    (b"*1\r\n$$4\r\nPING\r\n", &[], Error(InvalidBulkLength)),
    (b"*1\r\n$536870912\r\nx", &[], Amid),
    (b"*1\r\n$536870913\r\nx", &[], Error(InvalidBulkLength)),
    (b"*1\r\n$2147483648\r\n", &[], Error(InvalidBulkLength)),
    (b"*1\r\n$4294967296\r\n", &[], Error(InvalidBulkLength)),
    (b"*1\r\n$9223372036854775807\r\n", &[], Error(InvalidBulkLength)),
    (b"*1\r\n$18446744073709551616\r\n", &[], Error(InvalidBulkLength)),
    (b"*1\r\n$-9223372036854775808\r\n", &[], Error(InvalidBulkLength)),
    (b"*1\r\n$4\0\r\nPING\r\n", &[], Amid),
    (b"*1\r\n$4\nPING\r\n", &[], Error(InvalidBulkLength)),
    (b"*1\r\n$4", &[], Amid),
    (b"*1\r\n$4\r\nPIN", &[], Amid),
    (b"*1\r\n$4\r\nPING", &[], Amid),
    (b"*1\r\n$4\r\nPING\r", &[], Amid),
    (b"*1\r\n$0\r\n\r\n", &[b""], Clean),
    (b"*2\r\n$1\r\nx\r\n$0\r\n\r\n", &[b"x|"], Clean),
    // The two bytes behind an argument are not looked at, and a wrong length shifts what follows.
    (b"*1\r\n$4\r\nPINGxyPING\r\n", &[b"PING", b"PING"], Clean),
    (b"*1\r\n$3\r\nPING\r\nPING\r\n", &[b"PIN", b"", b"PING"], Clean),
    (b"*2\r\n$3\r\nPING\r\n$1\r\nx\r\n", &[], Error(ExpectedDollar(b'\n'))),
    (b"*2\r\n$5\r\nPING\r\n$1\r\nx\r\n", &[], Error(ExpectedDollar(b'1'))),
    (b"*2\r\n$1\r\nx\r\n$3\r\na\0b\r\n", &[b"x|a\0b"], Clean),
    (b"*2\r\n$1\r\nx\r\n$4\r\n\r\n\r\n\r\n", &[b"x|\r\n\r\n"], Clean),
    (b"*3\r\n$1\r\nx\r\n$2\r\n*1\r\n$1\r\n$\r\n", &[b"x|*1|$"], Clean),
    (b"*12\r\n$1\r\nx\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n$1\r\n4\r\n$1\r\n5\r\n$1\r\n6\r\n$1\r\n7\r\n$1\r\n8\r\n\
       $1\r\n9\r\n$1\r\na\r\n$1\r\nb\r\n", &[b"x|1|2|3|4|5|6|7|8|9|a|b"], Clean),
    (b"*1\r\n$4\r\nPING\r\n*1\r\n$4\r\nPING\r\n*1\r\n$x\r\n", &[b"PING", b"PING"], Error(InvalidBulkLength)),
    (b"*1\r\n$4\r\nPING\r\n*x\r\n*1\r\n$4\r\nPING\r\n", &[b"PING"], Error(InvalidMultibulkLength)),
    // Inline commands.
    (b"PING\r\n", &[b"PING"], Clean),
    (b"PING\n", &[b"PING"], Clean),
    (b"PING\r\r\n", &[b"PING"], Clean),
    (b"\r\n\n  \r\n\t\nPING\r\n", &[b"", b"", b"", b"", b"PING"], Clean),
    (b"PING", &[], Amid),
    (b"PING\r", &[], Amid),
    (b"PI\0NG\r\n", &[], Amid),
    (b"\0\r\n", &[], Amid),
    (b" PING \r\n", &[b"PING"], Clean),
    (b"\x0b\x0cPING\r\n", &[b"PING"], Clean),
    (b"x a\x0bb \x0cc\r\n", &[b"x|a\x0bb|c"], Clean),
    (b"x a\rb\r\n", &[b"x|a|b"], Clean),
    (b"x \"a b\" 'c d'\r\n", &[b"x|a b|c d"], Clean),
    (b"x a\"b c\"\r\n", &[b"x|ab c"], Clean),
    (b"x \"\" ''\r\n", &[b"x||"], Clean),
    (b"x \"\\x41\\x7e\\q\\\"\\\\\"\r\n", &[b"x|A~q\"\\"], Clean),
    (b"x \"\\xg1\\x4\"\r\n", &[b"x|xg1x4"], Clean),
    (b"x \"\\t\\b\\a\"\r\n", &[b"x|\t\x08\x07"], Clean),
    (b"x '\\'\\n\\\\ '\r\n", &[b"x|'\\n\\\\ "], Clean),
    (b"x 'a\\\\'\r\n", &[], Error(UnbalancedQuotes)),
    (b"x a\\nb \\x41\r\n", &[b"x|a\\nb|\\x41"], Clean),
    (b"x \"a\r\n", &[], Error(UnbalancedQuotes)),
    (b"x 'a\r\n", &[], Error(UnbalancedQuotes)),
    (b"x \"a\\\"\r\n", &[], Error(UnbalancedQuotes)),
    (b"x \"a\\\r\n", &[], Error(UnbalancedQuotes)),
    (b"x \"a\"b\r\n", &[], Error(UnbalancedQuotes)),
    (b"x 'a'b\r\n", &[], Error(UnbalancedQuotes)),
    (b"x 'a'\"b\"\r\n", &[], Error(UnbalancedQuotes)),
    (b"x \"a\"\x0bb\r\n", &[b"x|a|b"], Clean),
    (b"x '\r\nPING\r\n", &[], Error(UnbalancedQuotes)),
    (b"\"PING\"\r\n", &[b"PING"], Clean),
    (b"\"\"\r\n", &[b""], Clean),
    (b"$4\r\nPING\r\n", &[b"$4", b"PING"], Clean),
    (b"x *1\r\n*1\r\n$4\r\nPING\r\n", &[b"x|*1", b"PING"], Clean),
    (b"PING\r\n*1\r\n$4\r\nPING\r\nPING\r\n", &[b"PING", b"PING", b"PING"], Clean),
    (b"x \xff\xfe\x80\r\n", &[b"x|\xff\xfe\x80"], Clean),
];

/// Streams with a line that is too long to be spelled out.
fn long_cases() -> Vec<(Vec<u8>, End)> {
    let fill = |start: &[u8], byte: u8, len: usize, end: &[u8]| [start, &vec![byte; len], end].concat();
    vec![
        (fill(b"", b'a', 65_536, b""), Amid),
        (fill(b"", b'a', 65_537, b""), Error(TooBigInlineRequest)),
        (fill(b"", b'a', 100_000, b"\r\n"), Error(TooBigInlineRequest)),
        (fill(b"a\0\n", b'a', 65_536, b""), Error(TooBigInlineRequest)),
        (fill(b"*", b'1', 65_535, b""), Amid),
        (fill(b"*", b'1', 65_536, b""), Error(TooBigMultibulkCount)),
        (fill(b"*1\0\r\n", b'1', 65_536, b""), Error(TooBigMultibulkCount)),
        (fill(b"*", b'1', 60_000, b"\r\n"), Error(InvalidMultibulkLength)),
        (fill(b"*1\r\n", b'1', 65_536, b""), Amid),
        (fill(b"*1\r\n", b'1', 65_537, b""), Error(TooBigBulkCount)),
        (fill(b"*1\r\n$4\0\r\n", b'1', 65_537, b""), Error(TooBigBulkCount)),
        (fill(b"*1\r\n$", b'1', 60_000, b"\r\n"), Error(InvalidBulkLength)),
    ]
}

fn end_of(outcome: &Outcome) -> End {
    match outcome.error {
        Some(error) => Error(error),
        None if outcome.left == 0 => Clean,
        None => Amid,
    }
}

#[test]
fn hostile_streams_end_as_redis_ends_them_however_they_are_cut() {
    let mut random = Random(0x5eed_0f04);
    for &(stream, commands, end) in CASES {
        let outcome = read(stream, [stream.len()], &Limits::default());
        let joined: Vec<_> = outcome.commands.iter().map(|argv| argv.join(&b'|')).collect();
        assert_eq!(joined, commands, "{}", stream.escape_ascii());
        assert_eq!(end_of(&outcome), end, "{}", stream.escape_ascii());
        assert_pieces_mean_the_same(stream, &Limits::default(), &mut random);
    }
    for (stream, end) in long_cases() {
        for step in [stream.len(), 16 * 1024, 997] {
            let ends = (0..stream.len()).step_by(step).skip(1).chain([stream.len()]);
            let outcome = read(&stream, ends, &Limits::default());
            assert_eq!(end_of(&outcome), end, "{}…, {} bytes", stream[..9].escape_ascii(), stream.len());
        }
    }
}

/// The whole answer of a server to a stream behind which the client stops sending.
fn answer(address: &str, stream: &[u8]) -> Vec<u8> {
    let mut socket = TcpStream::connect(address).unwrap();
    // A server that has hung up already may refuse the rest; its answer is what counts.
    let _ = socket.write_all(stream).and_then(|()| socket.shutdown(Shutdown::Write));
    let mut answer = Vec::new();
    let _ = socket.read_to_end(&mut answer);
    answer
}

/// What Redis answers to the commands in the table: PING, and names it does not know, whose arguments it quotes.
fn expected_answer(outcome: &Outcome) -> Vec<u8> {
    let mut output = Output::new();
    let mut reply = Reply::new(&mut output, Protocol::Resp2);
    for argv in outcome.commands.iter().filter(|argv| !argv.is_empty()) {
        if argv[0] == b"PING" {
            reply.simple("PONG");
            continue;
        }
        // Redis formats with C strings: an argument ends at its first NUL.
        let text = |argument: &Vec<u8>| argument.split(|&byte| byte == 0).next().unwrap_or_default().to_vec();
        let quoted: Vec<u8> =
            argv[1..].iter().flat_map(|argument| [b"'", &text(argument)[..], b"' "].concat()).collect();
        let name = text(&argv[0]);
        reply.error(
            [&b"ERR unknown command '"[..], &name, b"', with args beginning with: ", &quoted].concat(),
        );
    }
    if let Some(error) = outcome.error {
        reply.error(error.text());
    }
    std::mem::take(output.bytes_mut())
}

#[test]
#[ignore = "needs a server at FORGEKV_TEST_ADDR, such as 127.0.0.1:6379"]
fn a_server_answers_hostile_streams_as_the_table_says() {
    let address = std::env::var("FORGEKV_TEST_ADDR").unwrap();
    let streams = CASES.iter().map(|case| case.0.to_vec()).chain(long_cases().into_iter().map(|case| case.0));
    for stream in streams {
        let outcome = read(&stream, [stream.len()], &Limits::default());
        let (expected, got) = (expected_answer(&outcome), answer(&address, &stream));
        assert_eq!(
            got.escape_ascii().to_string(),
            expected.escape_ascii().to_string(),
            "{}",
            stream[..stream.len().min(80)].escape_ascii()
        );
    }
}
