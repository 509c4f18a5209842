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
}

/// One request's bytes and the places where digits go.
pub struct Template {
    /// The request for key number 0.
    pub bytes: Vec<u8>,
    /// Offsets of the key numbers; a value that follows its key repeats the number.
    fields: Vec<Field>,
}

struct Field {
    key: Range<usize>,
    value: Option<Range<usize>>,
}

impl Operation {
    /// Keys named by one request.
    pub fn keys(self) -> usize {
        if self == Self::Mset { MSET_KEYS } else { 1 }
    }

    /// The request's template.
    pub fn template(self) -> Template {
        let (name, prefix, value) = match self {
            Self::Get | Self::FloorGet => ("GET", "key:", None),
            Self::Set => ("SET", "key:", Some(value_of_zero())),
            Self::Mset => ("MSET", "key:", Some(value_of_zero())),
            Self::Incr => ("INCR", "ctr:", None),
            Self::ReadCounter => ("GET", "ctr:", None),
            Self::ResetCounter => ("SET", "ctr:", Some(b"0".to_vec())),
        };
        let arguments = self.keys() * (1 + usize::from(value.is_some()));
        let mut bytes = format!("*{}\r\n${}\r\n{name}\r\n", arguments + 1, name.len()).into_bytes();
        let mut fields = Vec::new();
        for _ in 0..self.keys() {
            bytes.extend_from_slice(format!("${KEY_BYTES}\r\n{prefix}").as_bytes());
            let key = bytes.len()..bytes.len() + DIGITS;
            bytes.extend_from_slice(&[b'0'; DIGITS]);
            bytes.extend_from_slice(b"\r\n");
            let mut field = Field { key, value: None };
            if let Some(value) = &value {
                bytes.extend_from_slice(format!("${}\r\n", value.len()).as_bytes());
                if value.len() == VALUE_BYTES {
                    field.value = Some(bytes.len()..bytes.len() + DIGITS);
                }
                bytes.extend_from_slice(value);
                bytes.extend_from_slice(b"\r\n");
            }
            fields.push(field);
        }
        Template { bytes, fields }
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
            Self::Incr => number_after(input, b':', 0),
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
    /// Writes one key number per key into a copy of the template.
    pub fn patch(&self, request: &mut [u8], mut next_key: impl FnMut() -> u32) {
        for field in &self.fields {
            let key = next_key();
            write_digits(&mut request[field.key.clone()], key);
            if let Some(value) = &field.value {
                write_digits(&mut request[value.clone()], key);
            }
        }
    }
}

fn value_of_zero() -> Vec<u8> {
    [[b'0'; DIGITS].as_slice(), FILLER.as_slice()].concat()
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
