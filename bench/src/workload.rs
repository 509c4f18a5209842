//! What the clients ask and what they must be answered.
//!
//! * Keys are 16 bytes, `key:%012d` (counters `ctr:%012d`), values 64 bytes that begin with their key's digits, so
//!   a reply proves which key it came from.
//! * Every request of an operation has the same length: it is copied from a template and only digits are patched.
//! * Every reply is checked. An error, a missing key or another key's value fails the run.

use std::ops::Range;

/// Bytes of a key.
pub const KEY_BYTES: usize = 16;
/// Bytes of a value.
pub const VALUE_BYTES: usize = 64;
/// Keys written by one MSET.
pub const MSET_KEYS: usize = 10;

const DIGITS: usize = 12;
const FILLER: [u8; VALUE_BYTES - DIGITS] = *b":the-rest-of-a-value-is-always-these-fifty-two-bytes";

/// The reply of the bare loop to a GET: what a server sends for key number 0.
pub const FLOOR_REPLY: [u8; 7 + VALUE_BYTES] =
    *b"$64\r\n000000000000:the-rest-of-a-value-is-always-these-fifty-two-bytes\r\n";

/// One kind of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Reads a value that was loaded before.
    Get,
    /// Writes the value that belongs to the key.
    Set,
    /// Increments a counter.
    Incr,
    /// Writes ten keys.
    Mset,
    /// Sets a counter to zero.
    ResetCounter,
    /// Reads a counter; the outcome's sum adds up what it says.
    ReadCounter,
    /// A GET that is answered by the floor's constant.
    FloorGet,
    /// Pushes the value that belongs to the key to the key's list.
    Lpush,
    /// Pops from the key's list, which may be empty.
    Rpop,
    /// Reads a hundred elements of the key's list.
    Lrange,
    /// Adds a member to the key's set.
    Sadd,
    /// Sets a field of the key's hash.
    Hset,
    /// Adds a member to the key's sorted set.
    Zadd,
    /// Reads a hundred members of the key's sorted set.
    Zrange,
    /// Adds an entry to the key's stream.
    Xadd,
    /// As the six above that add, to one single key.
    Big(&'static Operation),
}

/// A word of a request.
enum Word {
    /// As it is.
    Fixed(&'static str),
    /// A prefix and the next number.
    Next(&'static str),
    /// The next number alone, where the server reads one.
    Number,
    /// The value that belongs to the number before.
    Value,
}

/// One request's bytes and the places where digits go.
pub struct Template {
    /// The request for number 0.
    pub bytes: Vec<u8>,
    /// Where numbers go, and whether it is the same as the one before.
    fields: Vec<(Range<usize>, bool)>,
}

impl Operation {
    /// Numbers that one request takes.
    pub fn keys(self) -> usize {
        let words = self.words();
        words.iter().filter(|word| matches!(word, Word::Next(_) | Word::Number)).count()
    }

    fn words(self) -> Vec<Word> {
        use Word::{Fixed, Next, Number, Value};
        match self {
            Self::Get | Self::FloorGet => vec![Fixed("GET"), Next("key:")],
            Self::Set => vec![Fixed("SET"), Next("key:"), Value],
            Self::Mset => {
                let pairs = (0..MSET_KEYS).flat_map(|_| [Next("key:"), Value]);
                std::iter::once(Fixed("MSET")).chain(pairs).collect()
            }
            Self::Incr => vec![Fixed("INCR"), Next("ctr:")],
            Self::ReadCounter => vec![Fixed("GET"), Next("ctr:")],
            Self::ResetCounter => vec![Fixed("SET"), Next("ctr:"), Fixed("0")],
            Self::Lpush => vec![Fixed("LPUSH"), Next("lst:"), Value],
            Self::Rpop => vec![Fixed("RPOP"), Next("lst:")],
            Self::Lrange => vec![Fixed("LRANGE"), Next("lst:"), Fixed("0"), Fixed("99")],
            Self::Sadd => vec![Fixed("SADD"), Next("set:"), Next("mem:")],
            Self::Hset => vec![Fixed("HSET"), Next("hsh:"), Next("fld:"), Value],
            Self::Zadd => vec![Fixed("ZADD"), Next("zst:"), Number, Next("mem:")],
            Self::Zrange => vec![Fixed("ZRANGE"), Next("zst:"), Fixed("0"), Fixed("99")],
            Self::Xadd => vec![Fixed("XADD"), Next("str:"), Fixed("*"), Fixed("field"), Value],
            Self::Big(operation) => {
                let mut words = operation.words();
                words[1] = Fixed("big");
                if let Self::Lpush | Self::Xadd = operation {
                    let last = words.len() - 1;
                    words[last] = Next("val:");
                }
                words
            }
        }
    }

    /// The request's template.
    pub fn template(self) -> Template {
        let words = self.words();
        let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
        let mut fields = Vec::new();
        for word in words {
            let (prefix, digits, rest) = match word {
                Word::Fixed(text) => (text, None, &[][..]),
                Word::Next(prefix) => (prefix, Some(false), &[][..]),
                Word::Number => ("", Some(false), &[][..]),
                Word::Value => ("", Some(true), &FILLER[..]),
            };
            let count = if digits.is_some() { DIGITS } else { 0 };
            bytes.extend_from_slice(format!("${}\r\n{prefix}", prefix.len() + count + rest.len()).as_bytes());
            if let Some(is_same) = digits {
                fields.push((bytes.len()..bytes.len() + DIGITS, is_same));
                bytes.extend_from_slice(&[b'0'; DIGITS]);
            }
            bytes.extend_from_slice(rest);
            bytes.extend_from_slice(b"\r\n");
        }
        Template { bytes, fields }
    }

    /// More bytes than one reply has.
    pub fn reply_bytes_max(self) -> usize {
        if let Self::Lrange | Self::Zrange = self { 100 * (VALUE_BYTES + 16) } else { 128 }
    }

    /// Checks the reply at the start of `input` to the request for `key`. `Ok(None)`: it is not complete yet;
    /// `Ok(Some((bytes, number)))`: it is right, that long, and says `number` if it is a number.
    pub fn check(self, input: &[u8], key: u32) -> Result<Option<(usize, u64)>, String> {
        match self {
            Self::Set | Self::Mset | Self::ResetCounter => expect(input, b"+OK\r\n"),
            Self::Get => {
                let mut expected = FLOOR_REPLY;
                write_digits(&mut expected[5..5 + DIGITS], key);
                expect(input, &expected)
            }
            Self::FloorGet => expect(input, &FLOOR_REPLY),
            Self::Incr | Self::Lpush | Self::Sadd | Self::Hset | Self::Zadd => number_after(input, b':', 0),
            Self::Rpop | Self::Xadd => whole(input, b"$"),
            Self::Lrange | Self::Zrange => whole(input, b"*100\r\n"),
            Self::Big(operation) => operation.check(input, key),
            Self::ReadCounter => {
                let Some(header) = input.windows(2).position(|pair| pair == b"\r\n") else {
                    return if input.len() < 16 { Ok(None) } else { Err(unexpected(input)) };
                };
                if input[0] != b'$' || input.starts_with(b"$-") {
                    return Err(unexpected(input));
                }
                number_after(input, b'$', header + 2)
            }
        }
    }
}

impl Template {
    /// Writes numbers into a copy of the template.
    pub fn patch(&self, request: &mut [u8], mut next: impl FnMut() -> u32) {
        let mut number = 0;
        for (field, is_same) in &self.fields {
            if !is_same {
                number = next();
            }
            write_digits(&mut request[field.clone()], number);
        }
    }
}

/// The length of a reply that begins with `begin`: a bulk string or an array of them.
fn whole(input: &[u8], begin: &[u8]) -> Result<Option<(usize, u64)>, String> {
    let common = begin.len().min(input.len());
    if input[..common] != begin[..common] {
        return Err(unexpected(input));
    }
    let (mut at, mut left) = (0, 1u64);
    while left > 0 {
        let rest = &input[at..];
        let Some(end) = rest.iter().take(24).position(|&byte| byte == b'\n') else {
            return if rest.len() < 24 { Ok(None) } else { Err(unexpected(rest)) };
        };
        let text = std::str::from_utf8(&rest[1..end - 1]).map_err(|_| unexpected(rest))?;
        let count: i64 = text.parse().map_err(|_| unexpected(rest))?;
        at += end + 1;
        match rest[0] {
            b'$' if count >= 0 => at += count as usize + 2,
            b'$' => {}
            b'*' => left += count.max(0) as u64,
            _ => return Err(unexpected(rest)),
        }
        if at > input.len() {
            return Ok(None);
        }
        left -= 1;
    }
    Ok(Some((at, 0)))
}

/// Key numbers are below 10^10, so the first two digits stay zero.
fn write_digits(field: &mut [u8], mut number: u32) {
    for digit in field[2..].iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

fn expect(input: &[u8], expected: &[u8]) -> Result<Option<(usize, u64)>, String> {
    if input.len() >= expected.len() {
        if input[..expected.len()] == *expected {
            return Ok(Some((expected.len(), 0)));
        }
        return Err(unexpected(input));
    }
    if expected.starts_with(input) { Ok(None) } else { Err(unexpected(input)) }
}

/// Reads digits up to CRLF from `start` on; the reply's first byte must be `kind`.
fn number_after(input: &[u8], kind: u8, start: usize) -> Result<Option<(usize, u64)>, String> {
    let start = if kind == b':' { start + 1 } else { start };
    match input.first() {
        None => return Ok(None),
        Some(&first) if first != kind => return Err(unexpected(input)),
        Some(_) => {}
    }
    let mut number = 0u64;
    for (index, &byte) in input.iter().enumerate().skip(start) {
        match byte {
            b'0'..=b'9' => number = number.wrapping_mul(10).wrapping_add(u64::from(byte - b'0')),
            b'\r' if index > start => {
                return Ok((input.len() > index + 1).then_some((index + 2, number)));
            }
            _ => return Err(unexpected(input)),
        }
    }
    Ok(None)
}

fn unexpected(input: &[u8]) -> String {
    format!("unexpected reply: \"{}\"", input[..input.len().min(100)].escape_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_names_its_key_and_its_value_repeats_it() {
        let template = Operation::Set.template();
        let mut request = template.bytes.clone();
        template.patch(&mut request, || 987);
        template.patch(&mut request, || 1_234_567);
        let expected = format!(
            "*3\r\n$3\r\nSET\r\n$16\r\nkey:000001234567\r\n$64\r\n000001234567{}\r\n",
            String::from_utf8_lossy(&FILLER)
        );
        assert_eq!(String::from_utf8_lossy(&request), expected);
    }

    #[test]
    fn an_array_is_complete_with_its_last_element() {
        let reply = [&b"*100\r\n"[..], &b"$3\r\nabc\r\n".repeat(100)].concat();
        assert_eq!(Operation::Lrange.check(&reply, 0), Ok(Some((reply.len(), 0))));
        for cut in 0..reply.len() {
            assert_eq!(Operation::Lrange.check(&reply[..cut], 0), Ok(None));
        }
        assert!(Operation::Lrange.check(b"*99\r\n", 0).is_err());
        assert_eq!(Operation::Rpop.check(b"$-1\r\n", 0), Ok(Some((5, 0))));
        assert!(Operation::Rpop.check(b"-WRONGTYPE\r\n", 0).is_err());
    }

    #[test]
    fn another_keys_value_an_error_and_a_missing_key_are_refused() {
        let reply = FLOOR_REPLY;
        assert_eq!(Operation::Get.check(&reply, 0), Ok(Some((71, 0))));
        assert_eq!(Operation::Get.check(&reply[..70], 0), Ok(None));
        assert!(Operation::Get.check(&reply, 1).is_err());
        assert!(Operation::Get.check(b"$-1\r\n", 0).is_err());
        assert!(Operation::Set.check(b"-ERR no\r\n", 0).is_err());
        assert_eq!(Operation::Incr.check(b":120\r\n:1", 0), Ok(Some((6, 120))));
        assert_eq!(Operation::Incr.check(b":12\r", 0), Ok(None));
        assert!(Operation::Incr.check(b":-1\r\n", 0).is_err());
        assert_eq!(Operation::ReadCounter.check(b"$2\r\n17\r\n", 0), Ok(Some((8, 17))));
        assert_eq!(Operation::ReadCounter.check(b"$2\r\n17", 0), Ok(None));
        assert!(Operation::ReadCounter.check(b"$-1\r\n", 0).is_err());
    }
}
