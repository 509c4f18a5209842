//! What an entry of a chunk looks like.
//!
//! ```text
//! Members   string key
//! Scores    string key | 8 bytes, the score
//! Fields    string key | varint: twice the value's length, +1 if it expires | 6 bytes, expiry if so | value
//!
//! string    varint: length | bytes
//! bytes     the bytes; those of over INLINE_MAX are an index into the chunk's long strings, 4 bytes
//! varint    7 bits a byte, low bits first, the high bit says that more follow
//! ```
//!
//! Numbers are little-endian. Expiries are unix milliseconds below 2⁴⁸, as Redis bounds those of fields.

use std::sync::Arc;

use super::INLINE_MAX;
use crate::util::capacity::reserve;

/// What the entries of a table hold besides their key.
pub trait Shape: 'static {
    /// The value of an entry.
    type Value<'a>: Copy;

    /// Writes a value behind its key.
    fn write(value: Self::Value<'_>, writer: &mut Writer<'_>);

    /// Reads what [`Shape::write`] wrote.
    fn read<'a>(reader: &mut Reader<'a>) -> Self::Value<'a>;

    /// When the entry expires; `u64::MAX` is never.
    fn expire(_value: Self::Value<'_>) -> u64 {
        u64::MAX
    }
}

/// Members without a value: sets.
pub struct Members;

impl Shape for Members {
    type Value<'a> = ();

    fn write((): (), _writer: &mut Writer<'_>) {}

    fn read<'a>(_reader: &mut Reader<'a>) {}
}

/// Members with a score: sorted sets.
pub struct Scores;

impl Shape for Scores {
    type Value<'a> = f64;

    fn write(score: f64, writer: &mut Writer<'_>) {
        writer.put(&score.to_le_bytes());
    }

    fn read<'a>(reader: &mut Reader<'a>) -> f64 {
        f64::from_le_bytes(reader.array())
    }
}

/// Fields with a value: hashes.
pub struct Fields;

/// The value of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// The value.
    pub value: &'a [u8],
    /// When it expires, in unix milliseconds.
    pub expire: Option<u64>,
}

impl Shape for Fields {
    type Value<'a> = Field<'a>;

    fn write(field: Field<'_>, writer: &mut Writer<'_>) {
        write_field_head(writer, field.value.len(), field.expire);
        writer.bytes(field.value);
    }

    fn read<'a>(reader: &mut Reader<'a>) -> Field<'a> {
        let (len, expire) = read_field_head(reader);
        Field { value: reader.bytes(len), expire }
    }

    fn expire(field: Field<'_>) -> u64 {
        field.expire.unwrap_or(u64::MAX)
    }
}

pub(super) fn write_field_head(writer: &mut Writer<'_>, len: usize, expire: Option<u64>) {
    writer.varint(len << 1 | usize::from(expire.is_some()));
    if let Some(expire) = expire {
        writer.put(&expire.to_le_bytes()[..6]);
    }
}

/// The length of the value and the expiry.
pub(super) fn read_field_head(reader: &mut Reader<'_>) -> (usize, Option<u64>) {
    let head = reader.varint();
    let expire = (head & 1 != 0).then(|| {
        let [a, b, c, d, e, f] = reader.array();
        u64::from_le_bytes([a, b, c, d, e, f, 0, 0])
    });
    (head >> 1, expire)
}

/// The 16 bits of a hash that order the entries of a chunk at this depth.
pub(super) fn tag_of(hash: u64, depth: u32) -> u16 {
    (hash << depth >> 48) as u16
}

/// A chunk's strings that are too long for its bytes. Places are used again.
#[derive(Clone, Default)]
pub(super) struct LongStrings {
    strings: Vec<Option<Arc<[u8]>>>,
    bytes: usize,
}

impl LongStrings {
    pub(super) fn get(&self, index: u32) -> &Arc<[u8]> {
        self.strings[index as usize].as_ref().expect("entries refer to strings that are kept")
    }

    pub(super) fn add(&mut self, string: Arc<[u8]>) -> u32 {
        self.bytes += Self::memory_of(&string);
        let free = self.strings.iter().position(Option::is_none);
        let index = free.unwrap_or(self.strings.len());
        if free.is_none() {
            reserve(&mut self.strings, 1);
            self.strings.push(None);
        }
        self.strings[index] = Some(string);
        index as u32
    }

    pub(super) fn remove(&mut self, index: u32) {
        if let Some(string) = self.strings[index as usize].take() {
            self.bytes -= Self::memory_of(&string);
        }
        while self.strings.last().is_some_and(Option::is_none) {
            self.strings.pop();
        }
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.strings.capacity() * size_of::<Option<Arc<[u8]>>>() + self.bytes
    }

    /// The string and the two counts of its `Arc`.
    fn memory_of(string: &Arc<[u8]>) -> usize {
        string.len() + 2 * size_of::<usize>()
    }
}

/// Appends the parts of an entry to a chunk's bytes.
pub struct Writer<'a> {
    pub(super) data: &'a mut Vec<u8>,
    pub(super) long: &'a mut LongStrings,
}

impl Writer<'_> {
    pub(super) fn put(&mut self, bytes: &[u8]) {
        reserve(self.data, bytes.len());
        self.data.extend_from_slice(bytes);
    }

    pub(super) fn varint(&mut self, mut number: usize) {
        while number >= 0x80 {
            self.put(&[number as u8 | 0x80]);
            number >>= 7;
        }
        self.put(&[number as u8]);
    }

    /// Bytes whose length is written already.
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        if bytes.len() <= INLINE_MAX {
            return self.put(bytes);
        }
        let index = self.long.add(bytes.into());
        self.put(&index.to_le_bytes());
    }
}

/// Reads the parts of an entry, and notes where it refers to long strings.
pub struct Reader<'a> {
    pub(super) data: &'a [u8],
    pub(super) long: &'a LongStrings,
    pub(super) at: usize,
    /// Where the indexes of the key and of the value are, if they are long.
    pub(super) references: [Option<usize>; 2],
}

impl<'a> Reader<'a> {
    pub(super) fn varint(&mut self) -> usize {
        let (mut number, mut shift) = (0, 0);
        loop {
            let byte = usize::from(self.data[self.at]);
            self.at += 1;
            number |= (byte & 0x7F) << shift;
            shift += 7;
            if byte < 0x80 {
                return number;
            }
        }
    }

    pub(super) fn array<const N: usize>(&mut self) -> [u8; N] {
        let array = self.data[self.at..self.at + N].try_into().expect("the range has N bytes");
        self.at += N;
        array
    }

    pub(super) fn bytes(&mut self, len: usize) -> &'a [u8] {
        if len <= INLINE_MAX {
            let bytes = &self.data[self.at..self.at + len];
            self.at += len;
            return bytes;
        }
        let [first, second] = &mut self.references;
        *(if first.is_none() { first } else { second }) = Some(self.at);
        let index = u32::from_le_bytes(self.array());
        self.long.get(index)
    }

    pub(super) fn key(&mut self) -> &'a [u8] {
        let len = self.varint();
        self.bytes(len)
    }
}
