//! Listpack: a sequence of strings and integers in one run of bytes, byte for byte as Redis keeps it.
//!
//! ```text
//! listpack   total bytes (4, little-endian) | elements (2, little-endian; 65535: count them) | element … | FF
//! element    head | data | backlen
//!
//! head       0xxxxxxx                   an integer from 0 to 127
//!            10xxxxxx                   a string of x bytes
//!            110xxxxx +1                an integer of 13 bits, signed, high bits first
//!            1110xxxx +1                a string of x bytes, 12 bits, high bits first
//!            F0 +4                      a string, its length little-endian
//!            F1 +2, F2 +3, F3 +4, F4 +8 a signed integer, little-endian
//! backlen    bytes of head and data, 7 bits a byte, high bits first; all bytes but the first have their high bit set
//! ```
//!
//! * A string that is the canonical text of an `i64` is stored as an integer, and both are stored in the shortest form. Other
//!   forms are read too: what came from outside keeps its bytes.
//! * [`Listpack::from_bytes`] is the one way in for bytes from outside, and it checks all of them. Everything else
//!   trusts the lengths it meets; slices are still bounds-checked.
//! * The capacity grows by the allocator's classes, which are those of Redis's: a listpack takes as much memory as there.
//! * It does not know what the elements mean: pairs, tuples and their order belong to the types that use it.

mod element;
mod validate;

use std::fmt;
use std::iter::FusedIterator;

use super::Malformed;
use crate::util::capacity::{give_back, reserve};
use crate::util::number::parse_i64;

pub use element::Element;

use element::{Decoded, backlen_width, decode, decode_backlen};

/// Bytes before the first element.
const HEADER_LEN: usize = 6;
/// The byte after the last element.
const END: u8 = 0xFF;
/// The count in the header that stands for "not known": there are at least so many, or once were.
const COUNT_UNKNOWN: u16 = u16::MAX;
/// The most bytes that a listpack may have: Redis converts or splits before.
pub const BYTES_MAX: usize = 1 << 30;

/// Where an element begins. It holds until the listpack changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position(u32);

impl Position {
    fn at(self) -> usize {
        self.0 as usize
    }
}

/// A listpack.
#[derive(Clone, PartialEq, Eq)]
pub struct Listpack {
    bytes: Vec<u8>,
}

impl Listpack {
    /// An empty listpack.
    pub fn new() -> Self {
        Self { bytes: vec![HEADER_LEN as u8 + 1, 0, 0, 0, 0, 0, END] }
    }

    /// Takes bytes from outside after checking all of them.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, Malformed> {
        validate::validate(&bytes)?;
        Ok(Self { bytes })
    }

    /// A listpack of these elements.
    pub fn of<'a>(elements: impl IntoIterator<Item = Element<'a>>) -> Self {
        let mut listpack = Self::new();
        elements.into_iter().for_each(|element| listpack.push_back(element));
        listpack
    }

    /// All its bytes, as DUMP holds them.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How many elements it has. Above 65534 it counts them.
    pub fn len(&self) -> usize {
        match self.header_count() {
            COUNT_UNKNOWN => self.iter().count(),
            count => usize::from(count),
        }
    }

    /// Whether it has no elements.
    pub fn is_empty(&self) -> bool {
        self.bytes[HEADER_LEN] == END
    }

    /// Its length in bytes.
    pub fn size_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Bytes of heap memory.
    pub fn memory_bytes(&self) -> usize {
        self.bytes.capacity()
    }

    /// Whether `more` bytes can be added. Whoever adds elements of unbounded length asks first.
    pub fn can_add(&self, more: usize) -> bool {
        more <= BYTES_MAX.saturating_sub(self.bytes.len())
    }

    /// The first element's position.
    pub fn first(&self) -> Option<Position> {
        self.element_at(HEADER_LEN)
    }

    /// The last element's position.
    pub fn last(&self) -> Option<Position> {
        self.element_before(self.end())
    }

    /// The position after `position`.
    #[inline]
    pub fn next(&self, position: Position) -> Option<Position> {
        self.element_at(self.end_of(position))
    }

    /// The position before `position`.
    pub fn prev(&self, position: Position) -> Option<Position> {
        self.element_before(position.at())
    }

    /// The position of the element with this index; negative ones count from the end, from −1. It walks from the
    /// nearer end.
    pub fn seek(&self, index: i64) -> Option<Position> {
        let len = self.len() as i64;
        let index = if index < 0 { index.saturating_add(len) } else { index };
        if !(0..len).contains(&index) {
            return None;
        }
        if index <= len / 2 {
            (0..index).try_fold(self.first()?, |position, _| self.next(position))
        } else {
            (index + 1..len).try_fold(self.last()?, |position, _| self.prev(position))
        }
    }

    /// The element at `position`.
    #[inline]
    pub fn get(&self, position: Position) -> Element<'_> {
        self.decode(position.at()).element
    }

    /// The elements from the first to the last; it goes from both ends.
    pub fn iter(&self) -> Iter<'_> {
        Iter { listpack: self, front: HEADER_LEN, back: self.end() }
    }

    /// The elements from `position` to the last.
    pub fn iter_from(&self, position: Position) -> Iter<'_> {
        Iter { listpack: self, front: position.at(), back: self.end() }
    }

    /// The first element from `from` on that has the text `value`, looking at each `skip + 1`th only.
    pub fn find(&self, from: Position, value: &[u8], skip: usize) -> Option<Position> {
        // Read at the first integer met: many listpacks have none.
        let mut integer: Option<Option<i64>> = None;
        let mut position = from;
        loop {
            let found = match self.get(position) {
                // Texts of one length mostly differ in their ends; only few are compared as a whole.
                Element::Bytes(bytes) => {
                    bytes.len() == value.len() && bytes.last() == value.last() && bytes == value
                }
                Element::Int(number) => *integer.get_or_insert_with(|| parse_i64(value)) == Some(number),
            };
            if found {
                return Some(position);
            }
            for _ in 0..=skip {
                position = self.next(position)?;
            }
        }
    }

    /// Adds an element at the end.
    pub fn push_back(&mut self, element: Element<'_>) {
        self.splice(None, 0, &[element]);
    }

    /// Adds an element at the beginning.
    pub fn push_front(&mut self, element: Element<'_>) {
        self.splice(self.first(), 0, &[element]);
    }

    /// Adds an element before `position`, which is then the new element's.
    pub fn insert_before(&mut self, position: Position, element: Element<'_>) {
        self.splice(Some(position), 0, &[element]);
    }

    /// Adds an element after `position`, which still holds.
    pub fn insert_after(&mut self, position: Position, element: Element<'_>) {
        self.splice(self.next(position), 0, &[element]);
    }

    /// Replaces the element at `position`, which still holds.
    pub fn replace(&mut self, position: Position, element: Element<'_>) {
        self.splice(Some(position), 1, &[element]);
    }

    /// Removes the element at `position` and gives the position of the one after it.
    pub fn remove(&mut self, position: Position) -> Option<Position> {
        self.remove_many(position, 1)
    }

    /// Removes `count` elements from `position` on, or as many as there are, and gives the position of the one after them.
    pub fn remove_many(&mut self, position: Position, count: usize) -> Option<Position> {
        self.splice(Some(position), count, &[]);
        self.element_at(position.at())
    }

    /// Removes `removed` elements from `position` on, or as many as there are, and puts `elements` in their place; `None`
    /// is the end. `position` then is the first new element's. Bytes behind it are moved once.
    ///
    /// # Panics
    /// If the result has more than [`BYTES_MAX`] bytes.
    pub fn splice(&mut self, position: Option<Position>, removed: usize, elements: &[Element<'_>]) {
        let start = position.map_or(self.end(), Position::at);
        let (mut gone, mut tail) = (0, start);
        while gone < removed && self.bytes[tail] != END {
            tail = self.end_of(Position(tail as u32));
            gone += 1;
        }
        let added: usize = elements.iter().map(Element::encoded_len).sum();
        let old_len = self.bytes.len();
        let new_len = old_len - (tail - start) + added;
        assert!(new_len <= BYTES_MAX.max(old_len), "callers ask whether a listpack can take so much");
        if new_len > old_len {
            reserve(&mut self.bytes, new_len - old_len);
            self.bytes.resize(new_len, 0);
        }
        self.bytes.copy_within(tail..old_len, start + added);
        self.bytes.truncate(new_len);
        let mut at = start;
        for element in elements {
            at = element.encode(&mut self.bytes, at);
        }
        self.bytes[..4].copy_from_slice(&(new_len as u32).to_le_bytes());
        self.count_changed(gone, elements.len());
        give_back(&mut self.bytes);
    }

    /// Removes the elements from `position` on and gives them as a listpack of their own.
    pub fn split_off(&mut self, position: Position) -> Listpack {
        let mut rest = Self::new();
        rest.append_bytes(&self.bytes[position.at()..self.end()], self.iter_from(position).count());
        self.splice(Some(position), usize::MAX, &[]);
        rest
    }

    /// Adds all elements of `other` at the end, as they are encoded there.
    ///
    /// # Panics
    /// If the result has more than [`BYTES_MAX`] bytes.
    pub fn append(&mut self, other: &Listpack) {
        self.append_bytes(&other.bytes[HEADER_LEN..other.end()], other.len());
    }

    /// Gives back memory that it does not need, as before it rests.
    pub fn shrink_to_fit(&mut self) {
        self.bytes.shrink_to_fit();
    }

    fn append_bytes(&mut self, elements: &[u8], count: usize) {
        let new_len = self.bytes.len() + elements.len();
        assert!(new_len <= BYTES_MAX, "callers ask whether a listpack can take so much");
        reserve(&mut self.bytes, elements.len());
        self.bytes.pop();
        self.bytes.extend_from_slice(elements);
        self.bytes.push(END);
        self.bytes[..4].copy_from_slice(&(new_len as u32).to_le_bytes());
        self.count_changed(0, count);
    }

    fn header_count(&self) -> u16 {
        u16::from_le_bytes([self.bytes[4], self.bytes[5]])
    }

    /// Keeps the header's count. Once unknown it stays unknown, as in Redis, until the listpack is empty.
    fn count_changed(&mut self, removed: usize, added: usize) {
        let count = match self.header_count() {
            _ if self.is_empty() => 0,
            COUNT_UNKNOWN => COUNT_UNKNOWN,
            count => u16::try_from(usize::from(count) - removed + added).unwrap_or(COUNT_UNKNOWN),
        };
        self.bytes[4..HEADER_LEN].copy_from_slice(&count.to_le_bytes());
    }

    /// Where the last byte is.
    fn end(&self) -> usize {
        self.bytes.len() - 1
    }

    #[inline]
    fn decode(&self, at: usize) -> Decoded<'_> {
        decode(&self.bytes, at).expect("positions are those of elements, which were written or checked here")
    }

    /// Where the element at `position` ends, with its backlen.
    #[inline]
    fn end_of(&self, position: Position) -> usize {
        let len = self.decode(position.at()).len;
        position.at() + len + backlen_width(len)
    }

    #[inline]
    fn element_at(&self, at: usize) -> Option<Position> {
        (self.bytes[at] != END).then_some(Position(at as u32))
    }

    /// The position of the element that ends at `end`.
    fn element_before(&self, end: usize) -> Option<Position> {
        if end <= HEADER_LEN {
            return None;
        }
        let len = decode_backlen(&self.bytes[..end]);
        Some(Position((end - len - backlen_width(len)) as u32))
    }
}

impl Default for Listpack {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Listpack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<'a> IntoIterator for &'a Listpack {
    type Item = Element<'a>;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

/// The elements of a listpack, from either end.
#[derive(Clone)]
pub struct Iter<'a> {
    listpack: &'a Listpack,
    front: usize,
    back: usize,
}

impl<'a> Iter<'a> {
    /// The position of the element that [`Iterator::next`] gives.
    pub fn position(&self) -> Option<Position> {
        (self.front < self.back).then_some(Position(self.front as u32))
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = Element<'a>;

    #[inline]
    fn next(&mut self) -> Option<Element<'a>> {
        if self.front >= self.back {
            return None;
        }
        let Decoded { element, len } = self.listpack.decode(self.front);
        self.front += len + backlen_width(len);
        Some(element)
    }
}

impl DoubleEndedIterator for Iter<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        if self.front >= self.back {
            return None;
        }
        let position = self.listpack.element_before(self.back)?;
        self.back = position.at();
        Some(self.listpack.get(position))
    }
}

impl FusedIterator for Iter<'_> {}

#[cfg(test)]
mod tests;
