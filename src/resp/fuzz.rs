//! Tests of the request parser with streams nobody meant to send: a table of hostile ones whose outcome is known from
//! Redis, and random ones that must mean the same in pieces as at once.

mod hostile;

use super::{Limits, Parsed, ProtocolError, RequestParser, Span};

/// What a stream amounts to: its commands, and how it ends.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    commands: Vec<Vec<Vec<u8>>>,
    error: Option<ProtocolError>,
    /// Bytes behind the last complete command, if there was no error.
    left: usize,
}

/// Feeds `stream` in pieces that end at `ends` (ascending, the last one the stream's length).
fn read(stream: &[u8], ends: impl IntoIterator<Item = usize>, limits: &Limits) -> Outcome {
    let (mut parser, mut spans, mut start) = (RequestParser::new(), Vec::<Span>::new(), 0);
    let mut outcome = Outcome { commands: Vec::new(), error: None, left: 0 };
    for end in ends {
        while start < end {
            let input = &stream[start..end];
            match parser.parse(input, limits, &mut spans) {
                Ok(Parsed::Complete { consumed }) => {
                    assert!((1..=input.len()).contains(&consumed), "a command is made of received bytes");
                    let argv = parser.argv(input, &spans);
                    outcome.commands.push(argv.iter().map(<[u8]>::to_vec).collect());
                    spans.clear();
                    start += consumed;
                }
                Ok(Parsed::Incomplete { need }) => {
                    assert!(need > 0 && spans.is_empty());
                    break;
                }
                Err(error) => {
                    assert!(spans.is_empty());
                    outcome.error = Some(error);
                    return outcome;
                }
            }
            let bound = 64 * size_of::<Span>() + 2 * stream.len() + 1024;
            assert!(parser.memory() <= bound, "memory follows what has arrived");
        }
    }
    outcome.left = stream.len() - start;
    outcome
}

/// xorshift: a random number below `bound`.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % bound
    }

    fn one_in(&mut self, chances: usize) -> bool {
        self.below(chances) == 0
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.below(256) as u8).collect()
    }
}

/// A stream of valid commands of every shape.
fn valid_stream(random: &mut Random) -> Vec<u8> {
    let mut stream = Vec::new();
    for _ in 0..1 + random.below(6) {
        match random.below(8) {
            0 => stream.extend_from_slice(b"\r\n"),
            1 => stream.extend_from_slice(b"*0\r\n"),
            2 => stream.extend_from_slice(b"set \"a\\x41\\n\" 'it\\'s'  b\r\n"),
            _ => {
                let count = if random.one_in(10) { random.below(40) } else { 1 + random.below(4) };
                stream.extend_from_slice(format!("*{count}\r\n").as_bytes());
                for _ in 0..count {
                    let len = if random.one_in(30) { random.below(3000) } else { random.below(20) };
                    stream.extend_from_slice(format!("${len}\r\n").as_bytes());
                    stream.extend_from_slice(&random.bytes(len));
                    stream.extend_from_slice(b"\r\n");
                }
            }
        }
    }
    stream
}

/// Damages a stream: flips, inserts, removes, repeats, or drops in a byte that means something.
fn mutate(stream: &mut Vec<u8>, random: &mut Random) {
    const MEANINGFUL: &[u8] = b"*$\r\n\0-+0123456789\"'\\x ";
    for _ in 0..1 + random.below(4) {
        if stream.is_empty() {
            return;
        }
        let at = random.below(stream.len());
        match random.below(6) {
            0 => stream[at] ^= 1 << random.below(8),
            1 => stream[at] = MEANINGFUL[random.below(MEANINGFUL.len())],
            2 => stream.insert(at, MEANINGFUL[random.below(MEANINGFUL.len())]),
            3 => drop(stream.remove(at)),
            4 => stream.truncate(at),
            _ => {
                let end = stream.len().min(at + random.below(30));
                stream.extend_from_within(at..end);
            }
        }
    }
}

/// Compares a stream read at once with the same stream in single bytes, cut in two everywhere (or, if it is long, at
/// many places), and cut at random.
fn assert_pieces_mean_the_same(stream: &[u8], limits: &Limits, random: &mut Random) {
    let whole = read(stream, [stream.len()], limits);
    assert_eq!(read(stream, 1..=stream.len(), limits), whole, "in single bytes: {}", stream.escape_ascii());
    let step = 1 + stream.len() / 100;
    for cut in (0..stream.len()).step_by(step) {
        let outcome = read(stream, [cut, stream.len()], limits);
        assert_eq!(outcome, whole, "cut at {cut}: {}", stream.escape_ascii());
    }
    for _ in 0..3 {
        let mut ends: Vec<_> = (0..random.below(8)).map(|_| random.below(stream.len() + 1)).collect();
        ends.sort_unstable();
        ends.push(stream.len());
        assert_eq!(read(stream, ends, limits), whole, "cut at random: {}", stream.escape_ascii());
    }
}

#[test]
fn valid_streams_mean_the_same_in_pieces() {
    let mut random = Random(0x5eed_0f01);
    println!("seed {:#x}", random.0);
    for _ in 0..300 {
        let stream = valid_stream(&mut random);
        assert_eq!(read(&stream, [stream.len()], &Limits::default()).error, None);
        assert_pieces_mean_the_same(&stream, &Limits::default(), &mut random);
    }
}

#[test]
fn damaged_streams_mean_the_same_in_pieces_and_never_panic() {
    let mut random = Random(0x5eed_0f02);
    println!("seed {:#x}", random.0);
    let mut errors = 0;
    for round in 0..1500 {
        let mut stream = valid_stream(&mut random);
        mutate(&mut stream, &mut random);
        let limits = Limits { authenticated: round % 3 != 0, ..Limits::default() };
        assert_pieces_mean_the_same(&stream, &limits, &mut random);
        errors += usize::from(read(&stream, [stream.len()], &limits).error.is_some());
    }
    assert!(errors > 100, "the damage is felt: {errors} errors");
}

#[test]
fn random_bytes_never_panic() {
    let mut random = Random(0x5eed_0f03);
    println!("seed {:#x}", random.0);
    for _ in 0..2000 {
        let len = random.below(200);
        let mut stream = random.bytes(len);
        if random.one_in(2) {
            stream.splice(..0, *b"*3\r\n$");
        }
        assert_pieces_mean_the_same(&stream, &Limits::default(), &mut random);
    }
}
