//! One reply, of any type of RESP2 or RESP3.
//!
//! * Reading is strict: a number that is not written the one canonical way, a missing CRLF or an unknown type
//!   byte is an error. So two values are equal exactly when their bytes are.
//! * Doubles and big numbers keep their text; the three nulls (`$-1`, `*-1`, `_`) are three values.
//!
//! Streamed strings and aggregates (`$?`, `*?`) are not read: no Redis server sends them.

use std::fmt;
use std::io::{self, BufRead, Read};

/// A reply. `Debug` prints it the way a person would write it down.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    Simple(Vec<u8>),
    Error(Vec<u8>),
    Int(i64),
    Bulk(Vec<u8>),
    /// RESP2's null bulk string, `$-1`.
    NullBulk,
    /// RESP2's null array, `*-1`.
    NullArray,
    /// RESP3's null, `_`.
    Null,
    Array(Vec<Value>),
    Map(Vec<(Value, Value)>),
    Set(Vec<Value>),
    Push(Vec<Value>),
    Double(String),
    Bool(bool),
    BigNumber(String),
    BulkError(Vec<u8>),
    Verbatim {
        format: [u8; 3],
        text: Vec<u8>,
    },
    /// A value with attributes sent before it.
    Attributed(Vec<(Value, Value)>, Box<Value>),
}

/// No reply of a test is larger; a larger length is a broken server, not a reason to allocate.
const MAX_LEN: i64 = 1 << 30;

impl Value {
    pub fn bulk(bytes: impl AsRef<[u8]>) -> Self {
        Self::Bulk(bytes.as_ref().to_vec())
    }

    pub fn simple(text: &str) -> Self {
        Self::Simple(text.as_bytes().to_vec())
    }

    /// Any of the three nulls.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::NullBulk | Self::NullArray | Self::Null)
    }

    /// The bytes of a string of any kind.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Simple(bytes) | Self::Bulk(bytes) | Self::Verbatim { text: bytes, .. } => Some(bytes),
            _ => None,
        }
    }

    pub fn as_int(&self) -> Option<i64> {
        if let Self::Int(n) = self { Some(*n) } else { None }
    }

    /// The text of an error of either kind.
    pub fn as_error(&self) -> Option<String> {
        match self {
            Self::Error(text) | Self::BulkError(text) => Some(String::from_utf8_lossy(text).into_owned()),
            _ => None,
        }
    }

    /// The members of an array, a set or a push.
    pub fn items(&self) -> Option<&[Value]> {
        match self {
            Self::Array(items) | Self::Set(items) | Self::Push(items) => Some(items),
            _ => None,
        }
    }

    /// The pairs of a map, or of the flat array that stands for one in RESP2.
    pub fn pairs(&self) -> Option<Vec<(Value, Value)>> {
        match self {
            Self::Map(pairs) => Some(pairs.clone()),
            Self::Array(items) if items.len() % 2 == 0 => {
                Some(items.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect())
            }
            _ => None,
        }
    }
}

/// Reads one value, with whatever attributes stand before it.
pub fn read_value(input: &mut impl BufRead) -> io::Result<Value> {
    let line = read_line(input)?;
    let Some((&kind, rest)) = line.split_first() else { return Err(malformed("an empty line")) };
    match kind {
        b'+' => Ok(Value::Simple(rest.to_vec())),
        b'-' => Ok(Value::Error(rest.to_vec())),
        b':' => Ok(Value::Int(number(rest)?)),
        b'$' if rest == b"-1" => Ok(Value::NullBulk),
        b'*' if rest == b"-1" => Ok(Value::NullArray),
        b'_' if rest.is_empty() => Ok(Value::Null),
        b'$' => Ok(Value::Bulk(read_blob(input, rest)?)),
        b'!' => Ok(Value::BulkError(read_blob(input, rest)?)),
        b'=' => {
            let blob = read_blob(input, rest)?;
            match blob.split_at_checked(4) {
                Some((&[a, b, c, b':'], text)) => {
                    Ok(Value::Verbatim { format: [a, b, c], text: text.to_vec() })
                }
                _ => Err(malformed("a verbatim string without a format")),
            }
        }
        b',' => Ok(Value::Double(text(rest)?)),
        b'(' => Ok(Value::BigNumber(text(rest)?)),
        b'#' if rest == b"t" => Ok(Value::Bool(true)),
        b'#' if rest == b"f" => Ok(Value::Bool(false)),
        b'*' => Ok(Value::Array(read_items(input, rest)?)),
        b'~' => Ok(Value::Set(read_items(input, rest)?)),
        b'>' => Ok(Value::Push(read_items(input, rest)?)),
        b'%' => Ok(Value::Map(read_pairs(input, rest)?)),
        b'|' => {
            let attributes = read_pairs(input, rest)?;
            Ok(Value::Attributed(attributes, Box::new(read_value(input)?)))
        }
        _ => Err(malformed(&format!("the line {:?}", line.escape_ascii().to_string()))),
    }
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the reply is malformed: {what}"))
}

fn read_line(input: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    input.read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed the connection"));
    }
    if !line.ends_with(b"\r\n") {
        return Err(malformed("a line that does not end in CRLF"));
    }
    line.truncate(line.len() - 2);
    Ok(line)
}

fn number(digits: &[u8]) -> io::Result<i64> {
    let text = text(digits)?;
    match text.parse::<i64>() {
        Ok(n) if n.to_string() == text => Ok(n),
        _ => Err(malformed(&format!("the number {text:?}"))),
    }
}

fn text(bytes: &[u8]) -> io::Result<String> {
    String::from_utf8(bytes.to_vec()).map_err(|_| malformed("a number that is not text"))
}

fn length(digits: &[u8]) -> io::Result<usize> {
    match number(digits)? {
        n @ 0..=MAX_LEN => Ok(n as usize),
        n => Err(malformed(&format!("the length {n}"))),
    }
}

fn read_blob(input: &mut impl BufRead, digits: &[u8]) -> io::Result<Vec<u8>> {
    let len = length(digits)?;
    let mut blob = Vec::new();
    input.take(len as u64 + 2).read_to_end(&mut blob)?;
    if blob.len() < len + 2 {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed the connection"));
    }
    if !blob.ends_with(b"\r\n") {
        return Err(malformed("a string longer than its length"));
    }
    blob.truncate(len);
    Ok(blob)
}

fn read_items(input: &mut impl BufRead, digits: &[u8]) -> io::Result<Vec<Value>> {
    (0..length(digits)?).map(|_| read_value(input)).collect()
}

fn read_pairs(input: &mut impl BufRead, digits: &[u8]) -> io::Result<Vec<(Value, Value)>> {
    (0..length(digits)?).map(|_| Ok((read_value(input)?, read_value(input)?))).collect()
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Simple(text) => write!(f, "+{}", text.escape_ascii()),
            Self::Error(text) => write!(f, "-{}", text.escape_ascii()),
            Self::Int(n) => write!(f, ":{n}"),
            Self::Bulk(bytes) => write!(f, "\"{}\"", bytes.escape_ascii()),
            Self::NullBulk => f.write_str("$-1"),
            Self::NullArray => f.write_str("*-1"),
            Self::Null => f.write_str("_"),
            Self::Array(items) => f.debug_list().entries(items).finish(),
            Self::Set(items) => f.debug_set().entries(items).finish(),
            Self::Push(items) => f.write_str(">").and_then(|()| f.debug_list().entries(items).finish()),
            Self::Map(pairs) => f.debug_map().entries(pairs.iter().map(|(k, v)| (k, v))).finish(),
            Self::Double(text) => write!(f, ",{text}"),
            Self::Bool(value) => write!(f, "#{value}"),
            Self::BigNumber(text) => write!(f, "({text}"),
            Self::BulkError(text) => write!(f, "!{}", text.escape_ascii()),
            Self::Verbatim { format, text } => {
                write!(f, "={}:\"{}\"", format.escape_ascii(), text.escape_ascii())
            }
            Self::Attributed(pairs, value) => {
                f.write_str("|")?;
                f.debug_map().entries(pairs.iter().map(|(k, v)| (k, v))).finish()?;
                write!(f, " {value:?}")
            }
        }
    }
}

#[test]
fn every_reply_type_is_read_and_nothing_else() {
    let read = |text: &str| read_value(&mut text.as_bytes());
    let cases = [
        ("+OK\r\n", "+OK"),
        ("-ERR no\r\n", "-ERR no"),
        (":-7\r\n", ":-7"),
        ("$3\r\na\r\n\r\n", "\"a\\r\\n\""),
        ("$-1\r\n", "$-1"),
        ("*-1\r\n", "*-1"),
        ("_\r\n", "_"),
        ("*2\r\n:1\r\n*0\r\n", "[:1, []]"),
        ("%1\r\n+k\r\n#t\r\n", "{+k: #true}"),
        ("~1\r\n,1.5\r\n", "{,1.5}"),
        (">1\r\n+x\r\n", ">[+x]"),
        ("(123456789012345678901\r\n", "(123456789012345678901"),
        ("!5\r\nERR x\r\n", "!ERR x"),
        ("=5\r\ntxt:a\r\n", "=txt:\"a\""),
        ("|1\r\n+ttl\r\n:1\r\n$1\r\nv\r\n", "|{+ttl: :1} \"v\""),
    ];
    for (bytes, shown) in cases {
        assert_eq!(format!("{:?}", read(bytes).unwrap()), shown, "{bytes:?}");
    }
    for bytes in
        [":07\r\n", ":+7\r\n", "$2\r\nabc\r\n", "+OK\n", "?\r\n", "$-2\r\n", "=2\r\nab\r\n", "#x\r\n"]
    {
        assert_eq!(read(bytes).unwrap_err().kind(), io::ErrorKind::InvalidData, "{bytes:?}");
    }
    assert_eq!(read("$5\r\nab").unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
}
