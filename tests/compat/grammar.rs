//! From a synopsis to commands: valid ones, edge cases and wrong ones.
//!
//! A synopsis is written with spaces between all tokens:
//!
//! | token | becomes |
//! |---|---|
//! | `WORD` | itself, now and then in another case |
//! | `word` | an argument of that sort, see `words` |
//! | `( a \| b )` | one of the alternatives; `( … )+` one to four times |
//! | `[ a ]` | `a` or nothing |
//! | `{ a ; b ; c }` | any of these, in any order, seldom one twice |
//!
//! One command in twelve is then spoiled: an argument dropped, doubled, inserted or replaced.

use super::families::Family;
use super::target::{Argv, PASSWORD, Sequence, cursor_of_scan, is};
use super::words::{self, Word};
use crate::support::Rng;

enum Node {
    Literal(&'static str),
    Word(Word),
    Choice { alternatives: Vec<Vec<Node>>, repeat: bool },
    Optional(Vec<Node>),
    Options(Vec<Vec<Node>>),
}

struct Form {
    weight: usize,
    nodes: Vec<Node>,
}

/// All forms of the families in use.
pub struct Grammar {
    forms: Vec<Form>,
    total: usize,
}

impl Grammar {
    /// Reads the families' tables, without the commands that `knows` refuses.
    pub fn new(families: &[&Family], knows: impl Fn(&str) -> bool) -> Self {
        let rows = families.iter().flat_map(|family| family.forms);
        let rows = rows.filter(|(_, synopsis)| knows(command_name(synopsis)));
        let forms: Vec<Form> = rows.map(|(weight, synopsis)| parse(*weight, synopsis)).collect();
        let total = forms.iter().map(|form| form.weight).sum();
        assert!(total > 0, "no family of this name has a command that the server knows");
        Self { forms, total }
    }

    /// A sequence of about `length` commands.
    pub fn sequence(&self, rng: &mut Rng, length: usize) -> Sequence {
        let protocol = if rng.one_in(2) { 2 } else { 3 };
        let count = 1 + rng.below(length.max(1) * 2 - 1);
        let mut sequence = Sequence { protocol, commands: (0..count).map(|_| self.command(rng)).collect() };
        if sequence.commands.iter().any(|argv| is(argv, 0, "MULTI")) {
            // What is refused when it is queued spoils the whole transaction.
            sequence.commands.retain(|argv| !is_newer_than_7_0(argv));
        }
        // A SCAN has to be followed from its beginning to its end, which needs its replies.
        let hidden = sequence.hides_replies() || sequence.commands.iter().any(|argv| is(argv, 0, "MULTI"));
        sequence.commands.retain(|argv| cursor_of_scan(argv).is_none() || !(hidden || starts_inside(argv)));
        // What chance takes is another member on each server.
        sequence.commands.retain(|argv| !(is(argv, 0, "SPOP") && takes_some(argv)));
        if sequence.commands.iter().any(|argv| is(argv, 0, "RESET")) {
            // How much a client that is not logged in any more may send and leave unread is no matter of one connection's
            // order: the server under test has read ahead.
            sequence.commands.retain(|argv| !is(argv, 2, "REQUIREPASS"));
        }
        // Since 7.2 HELLO logs in once, as the last of several AUTH says; 7.0 refuses it, and the protocol stays another.
        let is_login = |arg: &&Vec<u8>| arg.eq_ignore_ascii_case(b"AUTH");
        sequence.commands.retain(|argv| !(is(argv, 0, "HELLO") && argv.iter().filter(is_login).count() > 1));
        sequence.commands.retain(|argv| !(is(argv, 0, "CONFIG") && sets_what_outlives(argv)));
        sequence.commands.retain(|argv| !(is(argv, 0, "CLIENT") && is(argv, 1, "PAUSE") && pauses(argv)));
        sequence.commands.retain(|argv| !waits_long(argv));
        if sequence.commands.iter().any(leaves_an_error) {
            // Redis 7.0 keeps the error of the last number that was out of range, and takes it for one of the next that it sorts.
            sequence.commands.retain(|argv| !(is(argv, 0, "SORT") || is(argv, 0, "SORT_RO")));
        }
        // Redis 7.0 refuses these prefixes and goes on all the same: two replies.
        sequence.commands.retain(|argv| !has_later_overlapping_prefixes(argv));
        sequence
    }

    fn command(&self, rng: &mut Rng) -> Argv {
        let mut at = rng.below(self.total);
        for form in &self.forms {
            if at < form.weight {
                let mut argv = Vec::new();
                form.nodes.iter().for_each(|node| node.write(rng, &mut argv));
                if rng.one_in(12) {
                    spoil(rng, &mut argv);
                }
                return argv;
            }
            at -= form.weight;
        }
        unreachable!("the weights add up to the total")
    }
}

/// Whether a SCAN begins at a cursor that means another place on each server.
fn starts_inside(argv: &Argv) -> bool {
    let cursor = cursor_of_scan(argv)
        .and_then(|at| argv.get(at))
        .and_then(|cursor| std::str::from_utf8(cursor).ok())
        .unwrap_or("");
    cursor.trim_start_matches(['+', '-']).parse::<u64>().is_ok_and(|position| position != 0)
}

/// Whether a SPOP may take some members and leave others.
fn takes_some(argv: &Argv) -> bool {
    match argv.get(2).and_then(|count| std::str::from_utf8(count).ok()).map(str::parse::<i64>) {
        Some(Ok(count)) => (1..1000).contains(&count),
        Some(Err(_)) => false,
        None => true,
    }
}

/// Whether a CONFIG sets what must not be set: a `maxmemory` that is near, since the memory used is the server's own; bulk
/// strings that take gigabytes; a password that the next sequence does not know; a size over 64 bits, which Redis cuts and
/// the server under test refuses.
fn sets_what_outlives(argv: &Argv) -> bool {
    argv.windows(2).any(|pair| {
        let digits: Vec<u8> = pair[1].iter().copied().filter(u8::is_ascii_digit).collect();
        let number = std::str::from_utf8(&digits).unwrap_or("").parse::<u64>();
        let number = match number {
            Err(_) if digits.len() > 19 => return true,
            number => number.unwrap_or(0),
        };
        match pair[0].to_ascii_lowercase().as_slice() {
            b"maxmemory" => (1..1 << 33).contains(&number),
            b"proto-max-bulk-len" => number > 512 << 20,
            b"requirepass" => !(pair[1].is_empty() || pair[1] == PASSWORD.as_bytes()),
            _ => false,
        }
    })
}

/// Whether a CLIENT PAUSE holds everything up, the next sequence too.
fn pauses(argv: &Argv) -> bool {
    argv.get(2).is_some_and(|timeout| timeout != b"0" && timeout.iter().all(u8::is_ascii_digit))
}

/// Whether a command could hold the sequence up: one that waits, with a valid time that is long or for ever.
fn waits_long(argv: &Argv) -> bool {
    let timeout = match argv[0].to_ascii_uppercase().as_slice() {
        b"BLMPOP" | b"BZMPOP" => argv.get(1),
        b"BLPOP" | b"BRPOP" | b"BLMOVE" | b"BRPOPLPUSH" | b"BZPOPMIN" | b"BZPOPMAX" => argv.last(),
        b"WAIT" => return argv.get(1).is_some_and(|replicas| !replicas.starts_with(b"0")),
        b"XREAD" | b"XREADGROUP" => {
            let at = argv.iter().position(|arg| arg.eq_ignore_ascii_case(b"BLOCK"));
            return at.is_some_and(|at| argv.get(at + 1).is_none_or(|ms| ms != b"1"));
        }
        _ => return false,
    };
    let text = String::from_utf8_lossy(timeout.map_or(&[][..], Vec::as_slice)).to_lowercase();
    // A hexadecimal number is one, too.
    text.starts_with("0x") || text.parse::<f64>().is_ok_and(|seconds| seconds == 0.0 || seconds >= 0.01)
}

/// Whether 7.0 refuses a command for its number of arguments, or because it does not know it, which is right since 7.2.
fn is_newer_than_7_0(argv: &Argv) -> bool {
    let is_rank = is(argv, 0, "ZRANK") || is(argv, 0, "ZREVRANK");
    let is_of_client = is(argv, 1, "SETINFO") || is(argv, 1, "NO-TOUCH");
    let looks_for_keys = is(argv, 1, "GETKEYS") || is(argv, 1, "GETKEYSANDFLAGS");
    is_rank && argv.len() != 3
        || is(argv, 0, "CLIENT") && is_of_client
        || is(argv, 0, "COMMAND") && looks_for_keys && argv.len() < 4
}

/// Whether a command may name a number that is out of range: one that no double is near to; of a stream's id or a cursor, one
/// of more than 64 bits.
fn leaves_an_error(argv: &Argv) -> bool {
    let is_beyond_doubles = |arg: &Vec<u8>| arg.ends_with(b"e400") || arg.ends_with(b"e-400");
    let reads_positions = argv[0].to_ascii_uppercase().starts_with(b"X") || cursor_of_scan(argv).is_some();
    argv.iter().any(|arg| is_beyond_doubles(arg) || reads_positions && is_beyond_64_bits(arg))
}

/// Whether it is, or holds between other signs, an integer of more than 64 bits.
fn is_beyond_64_bits(arg: &[u8]) -> bool {
    let mut numbers = arg.split(|byte| !byte.is_ascii_digit()).filter(|number| !number.is_empty());
    numbers.any(|number| std::str::from_utf8(number).is_ok_and(|number| number.parse::<u64>().is_err()))
}

/// Whether it is a CLIENT TRACKING whose prefixes overlap, but none of them the first.
fn has_later_overlapping_prefixes(argv: &Argv) -> bool {
    if !(is(argv, 0, "CLIENT") && is(argv, 1, "TRACKING")) {
        return false;
    }
    let mut words = argv.iter();
    let mut prefixes = Vec::new();
    while words.by_ref().any(|word| word.eq_ignore_ascii_case(b"PREFIX")) {
        prefixes.extend(words.next());
    }
    let overlap = |a: &[u8], b: &[u8]| a.starts_with(b) || b.starts_with(a);
    let Some((first, later)) = prefixes.split_first() else { return false };
    let is_among_later =
        |(at, one): (usize, &&Vec<u8>)| later[at + 1..].iter().any(|other| overlap(one, other));
    !later.iter().any(|other| overlap(first, other)) && later.iter().enumerate().any(is_among_later)
}

/// The command that a synopsis describes.
pub fn command_name(synopsis: &'static str) -> &'static str {
    synopsis.split(' ').next().unwrap_or(synopsis)
}

/// Makes a command wrong, most of the time. Its name stays, so that no other command than the chosen ones runs.
fn spoil(rng: &mut Rng, argv: &mut Argv) {
    let at = 1 + rng.below(argv.len());
    match rng.below(4) {
        0 if at < argv.len() => drop(argv.remove(at)),
        1 if at < argv.len() => argv.insert(at, argv[at].clone()),
        2 if at < argv.len() => argv[at] = words::junk(rng),
        _ => argv.insert(at, words::junk(rng)),
    }
}

#[test]
fn only_what_redis_cannot_answer_once_is_left_out() {
    let argv = |line: &str| line.split(' ').map(|word| word.as_bytes().to_vec()).collect::<Argv>();
    for (line, leaves) in [
        ("ZADD k 1e400 m", true),
        ("XPENDING k g 18446744073709551616-0 + 10", true),
        ("XRANGE k (7-18446744073709551616 +", true),
        ("xrange k 18446744073709551615-18446744073709551615 +", false),
        ("HSCAN k 18446744073709551616", true),
        ("SET k 18446744073709551616", false),
    ] {
        assert_eq!(leaves_an_error(&argv(line)), leaves, "{line}");
    }
    for (line, overlap) in [
        ("CLIENT TRACKING ON BCAST PREFIX b PREFIX a prefix aa", true),
        ("CLIENT TRACKING ON BCAST PREFIX a PREFIX b PREFIX a PREFIX bb", false),
        ("CLIENT TRACKING ON BCAST PREFIX a PREFIX a", false),
        ("CLIENT TRACKING ON BCAST PREFIX a PREFIX b PREFIX", false),
        ("CLIENT TRACKING ON BCAST PREFIX PREFIX PREFIX b PREFIX c", false),
        ("CLIENT TRACKINGINFO PREFIX b PREFIX a PREFIX a", false),
    ] {
        assert_eq!(has_later_overlapping_prefixes(&argv(line)), overlap, "{line}");
    }
}

impl Node {
    fn write(&self, rng: &mut Rng, argv: &mut Argv) {
        let write_all = |nodes: &[Node], rng: &mut Rng, argv: &mut Argv| {
            nodes.iter().for_each(|node| node.write(rng, argv));
        };
        match self {
            Self::Literal(text) => argv.push(literal(rng, text)),
            Self::Word(word) => argv.push(word(rng)),
            Self::Choice { alternatives, repeat } => {
                let times = if *repeat { 1 + rng.below(4) } else { 1 };
                for _ in 0..times {
                    let chosen = rng.below(alternatives.len());
                    write_all(&alternatives[chosen], rng, argv);
                }
            }
            Self::Optional(nodes) => {
                if rng.one_in(2) {
                    write_all(nodes, rng, argv);
                }
            }
            Self::Options(options) => {
                let count = *rng.pick(&[0, 0, 0, 1, 1, 1, 1, 2, 2, 3]);
                let mut order: Vec<usize> = (0..options.len()).collect();
                rng.shuffle(&mut order);
                order.truncate(count);
                if rng.one_in(30) {
                    order.extend(order.clone());
                }
                order.into_iter().for_each(|option| write_all(&options[option], rng, argv));
            }
        }
    }
}

/// A keyword in upper case, sometimes lower or mixed.
fn literal(rng: &mut Rng, text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    match rng.below(8) {
        0 => bytes.make_ascii_lowercase(),
        1 => bytes.iter_mut().filter(|_| rng.one_in(2)).for_each(|byte| byte.make_ascii_lowercase()),
        _ => {}
    }
    bytes
}

fn parse(weight: usize, synopsis: &'static str) -> Form {
    let mut tokens = synopsis.split(' ');
    let (nodes, end) = sequence(&mut tokens, synopsis);
    assert!(end.is_none(), "unbalanced {end:?} in the synopsis {synopsis:?}");
    Form { weight, nodes }
}

type Tokens = std::str::Split<'static, char>;

/// Nodes up to a separator or a closing bracket, and which one it was.
fn sequence(tokens: &mut Tokens, synopsis: &str) -> (Vec<Node>, Option<&'static str>) {
    let mut nodes = Vec::new();
    while let Some(token) = tokens.next() {
        match token {
            ")" | ")+" | "]" | "}" | "|" | ";" => return (nodes, Some(token)),
            "(" => {
                let (alternatives, end) = group(tokens, synopsis, "|");
                assert!(end.starts_with(')'), "`(` ends with {end} in {synopsis:?}");
                nodes.push(Node::Choice { alternatives, repeat: end == ")+" });
            }
            "{" => {
                let (options, end) = group(tokens, synopsis, ";");
                assert_eq!(end, "}", "{synopsis:?}");
                nodes.push(Node::Options(options));
            }
            "[" => {
                let (inner, end) = sequence(tokens, synopsis);
                assert_eq!(end, Some("]"), "{synopsis:?}");
                nodes.push(Node::Optional(inner));
            }
            _ if token.bytes().any(|byte| byte.is_ascii_lowercase()) => {
                let word = words::find(token);
                nodes.push(Node::Word(
                    word.unwrap_or_else(|| panic!("no word {token:?}, used in {synopsis:?}")),
                ));
            }
            _ => nodes.push(Node::Literal(token)),
        }
    }
    (nodes, None)
}

fn group(tokens: &mut Tokens, synopsis: &str, separator: &str) -> (Vec<Vec<Node>>, &'static str) {
    let mut parts = Vec::new();
    loop {
        let (nodes, end) = sequence(tokens, synopsis);
        parts.push(nodes);
        match end {
            Some(end) if end == separator => {}
            Some(end) => return (parts, end),
            None => panic!("an open bracket in {synopsis:?}"),
        }
    }
}
