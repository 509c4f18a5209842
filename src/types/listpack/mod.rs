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
//!   Room is kept at the end that grows (see `memory`).
//! * It does not know what the elements mean: pairs, tuples and their order belong to the types that use it.

mod element;
mod memory;
mod shared;
mod validate;

use std::fmt;
use std::iter::FusedIterator;

use super::Malformed;
use crate::util::number::parse_i64;

pub use element::Element;
pub use shared::Shared;

use element::{Decoded, backlen_width, decode, decode_backlen};
use memory::Memory;

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
#[derive(Clone)]
pub struct Listpack {
    memory: Memory,
}

impl Listpack {
    /// An empty listpack.
    pub fn new() -> Self {
        Self { memory: Memory::of(vec![HEADER_LEN as u8 + 1, 0, 0, 0, 0, 0, END]) }
    }

    /// Takes bytes from outside after checking all of them.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, Malformed> {
        validate::validate(&bytes)?;
        Ok(Self { memory: Memory::of(bytes) })
    }

    /// A listpack of these elements.
    pub fn of<'a>(elements: impl IntoIterator<Item = Element<'a>>) -> Self {
        let mut listpack = Self::new();
        elements.into_iter().for_each(|element| listpack.push_back(element));
        listpack
    }

    /// All its bytes, as DUMP holds them.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        self.memory.bytes()
    }

    /// The memory where they are, with room before them or not: found without looking there.
    #[inline]
    pub fn raw_memory(&self) -> &[u8] {
        self.memory.raw()
    }

    /// Its elements.
    #[inline]
    pub fn view(&self) -> View<'_> {
        View { bytes: self.as_bytes() }
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
        self.as_bytes()[HEADER_LEN] == END
    }

    /// Its length in bytes.
    pub fn size_bytes(&self) -> usize {
        self.memory.len()
    }

    /// Bytes of heap memory.
    pub fn memory_bytes(&self) -> usize {
        self.memory.capacity()
    }

    /// Whether `more` bytes can be added. Whoever adds elements of unbounded length asks first.
    pub fn can_add(&self, more: usize) -> bool {
        more <= BYTES_MAX.saturating_sub(self.size_bytes())
    }

    /// The first element's position.
    pub fn first(&self) -> Option<Position> {
        self.view().first()
    }

    /// The last element's position.
    pub fn last(&self) -> Option<Position> {
        self.view().last()
    }

    /// The position after `position`.
    #[inline]
    pub fn next(&self, position: Position) -> Option<Position> {
        self.view().next(position)
    }

    /// The position before `position`.
    pub fn prev(&self, position: Position) -> Option<Position> {
        self.view().prev(position)
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
        self.view().get(position)
    }

    /// The elements from the first to the last; it goes from both ends.
    pub fn iter(&self) -> Iter<'_> {
        self.view().iter()
    }

    /// The elements from `position` to the last.
    pub fn iter_from(&self, position: Position) -> Iter<'_> {
        self.view().iter_from(position)
    }

    /// The first element from `from` on that has the text `value`, looking at each `skip + 1`th only.
    pub fn find(&self, from: Position, value: &[u8], skip: usize) -> Option<Position> {
        let bytes = self.as_bytes();
        // Read at the first integer met: many listpacks have none.
        let mut integer: Option<Option<i64>> = None;
        let mut at = from.at();
        loop {
            let (element, end) = read(bytes, at);
            let is_it = match element {
                // Texts of one length mostly differ in their ends; only few are compared as a whole.
                Element::Bytes(text) => {
                    text.len() == value.len() && text.last() == value.last() && text == value
                }
                Element::Int(number) => *integer.get_or_insert_with(|| parse_i64(value)) == Some(number),
            };
            if is_it {
                return Some(Position(at as u32));
            }
            at = end;
            for _ in 0..skip {
                at = element_at(bytes, at)?.end_in(bytes);
            }
            element_at(bytes, at)?;
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
        element_at(self.as_bytes(), position.at())
    }

    /// Removes `removed` elements from `position` on, or as many as there are, and puts `elements` in their place; `None`
    /// is the end. `position` then is the first new element's. Bytes behind it are moved once.
    ///
    /// # Panics
    /// If the result has more than [`BYTES_MAX`] bytes.
    pub fn splice(&mut self, position: Option<Position>, removed: usize, elements: &[Element<'_>]) {
        let bytes = self.as_bytes();
        let start = position.map_or(self.end(), Position::at);
        let (mut gone, mut tail) = (0, start);
        while gone < removed && bytes[tail] != END {
            tail = Position(tail as u32).end_in(bytes);
            gone += 1;
        }
        let added = elements.iter().map(Element::encoded_len).sum();
        self.assert_can_add(added);
        self.memory.replace(start, tail, added);
        let bytes = self.memory.bytes_mut();
        elements.iter().fold(start, |at, element| element.encode(bytes, at));
        self.count_changed(gone, elements.len());
    }

    /// Removes the elements from `position` on and gives them as a listpack of their own.
    pub fn split_off(&mut self, position: Position) -> Listpack {
        let mut rest = Self::new();
        rest.append_bytes(&self.as_bytes()[position.at()..self.end()], self.iter_from(position).count());
        self.splice(Some(position), usize::MAX, &[]);
        rest
    }

    /// Adds all elements of `other` at the end, as they are encoded there.
    ///
    /// # Panics
    /// If the result has more than [`BYTES_MAX`] bytes.
    pub fn append(&mut self, other: &Listpack) {
        self.append_bytes(&other.as_bytes()[HEADER_LEN..other.end()], other.len());
    }

    /// Makes room for `more` bytes of elements at the end, if there is none.
    pub fn reserve(&mut self, more: usize) {
        self.memory.reserve(more);
    }

    /// Gives back memory that it does not need, as before it rests.
    pub fn shrink_to_fit(&mut self) {
        self.memory.shrink_to_fit();
    }

    fn append_bytes(&mut self, elements: &[u8], count: usize) {
        let end = self.end();
        self.assert_can_add(elements.len());
        self.memory.replace(end, end, elements.len());
        self.memory.bytes_mut()[end..end + elements.len()].copy_from_slice(elements);
        self.count_changed(0, count);
    }

    fn assert_can_add(&self, more: usize) {
        assert!(self.can_add(more), "callers ask whether a listpack can take so much");
    }

    fn header_count(&self) -> u16 {
        let bytes = self.as_bytes();
        u16::from_le_bytes([bytes[4], bytes[5]])
    }

    /// Keeps the header's count. Once unknown it stays unknown, as in Redis, until the listpack is empty.
    fn count_changed(&mut self, removed: usize, added: usize) {
        let count = match self.header_count() {
            _ if self.is_empty() => 0,
            COUNT_UNKNOWN => COUNT_UNKNOWN,
            count => u16::try_from(usize::from(count) - removed + added).unwrap_or(COUNT_UNKNOWN),
        };
        self.memory.bytes_mut()[4..HEADER_LEN].copy_from_slice(&count.to_le_bytes());
    }

    /// Where the last byte is.
    fn end(&self) -> usize {
        self.size_bytes() - 1
    }
}

/// The elements of a listpack, to be read, wherever its bytes lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View<'a> {
    bytes: &'a [u8],
}

impl<'a> View<'a> {
    /// All its bytes, as DUMP holds them.
    pub fn as_bytes(self) -> &'a [u8] {
        self.bytes
    }

    /// The first element's position.
    #[inline]
    pub fn first(self) -> Option<Position> {
        element_at(self.bytes, HEADER_LEN)
    }

    /// The last element's position.
    #[inline]
    pub fn last(self) -> Option<Position> {
        element_before(self.bytes, self.bytes.len() - 1)
    }

    /// The position after `position`.
    #[inline]
    pub fn next(self, position: Position) -> Option<Position> {
        element_at(self.bytes, position.end_in(self.bytes))
    }

    /// The position before `position`.
    #[inline]
    pub fn prev(self, position: Position) -> Option<Position> {
        element_before(self.bytes, position.at())
    }

    /// The element at `position`.
    #[inline]
    pub fn get(self, position: Position) -> Element<'a> {
        decoded(self.bytes, position.at()).element
    }

    /// The elements from the first to the last; it goes from both ends.
    #[inline]
    pub fn iter(self) -> Iter<'a> {
        Iter { bytes: self.bytes, front: HEADER_LEN, back: self.bytes.len() - 1 }
    }

    /// The elements from `position` to the last.
    #[inline]
    pub fn iter_from(self, position: Position) -> Iter<'a> {
        Iter { front: position.at(), ..self.iter() }
    }
}

impl Position {
    /// Where its element ends, with its backlen.
    #[inline]
    fn end_in(self, bytes: &[u8]) -> usize {
        read(bytes, self.at()).1
    }
}

/// The element at `at`, and where it ends, with its backlen. Always inlined: walks spend their time here.
#[inline(always)]
fn read(bytes: &[u8], at: usize) -> (Element<'_>, usize) {
    let head = bytes[at];
    if head < 0x80 {
        return (Element::Int(i64::from(head)), at + 2);
    }
    if head < 0xC0 {
        let (start, end) = (at + 1, at + 1 + usize::from(head & 0x3F));
        return (Element::Bytes(&bytes[start..end]), end + 1);
    }
    if head & 0xF0 == 0xE0 {
        let len = usize::from(head & 0x0F) << 8 | usize::from(bytes[at + 1]);
        let (start, end) = (at + 2, at + 2 + len);
        return (Element::Bytes(&bytes[start..end]), end + backlen_width(2 + len));
    }
    read_other(bytes, at)
}

/// [`read`] of longer integers and very long strings.
#[inline(never)]
fn read_other(bytes: &[u8], at: usize) -> (Element<'_>, usize) {
    let Decoded { element, len } = decoded(bytes, at);
    (element, at + len + backlen_width(len))
}

#[inline]
fn decoded(bytes: &[u8], at: usize) -> Decoded<'_> {
    decode(bytes, at).expect("positions are those of elements, which were written or checked here")
}

#[inline]
fn element_at(bytes: &[u8], at: usize) -> Option<Position> {
    (bytes[at] != END).then_some(Position(at as u32))
}

/// The position of the element that ends at `end`.
fn element_before(bytes: &[u8], end: usize) -> Option<Position> {
    if end <= HEADER_LEN {
        return None;
    }
    let len = decode_backlen(&bytes[..end]);
    Some(Position((end - len - backlen_width(len)) as u32))
}

impl PartialEq for Listpack {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Listpack {}

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
    bytes: &'a [u8],
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
        let (element, end) = read(self.bytes, self.front);
        self.front = end;
        Some(element)
    }
}

impl DoubleEndedIterator for Iter<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        if self.front >= self.back {
            return None;
        }
        self.back = element_before(self.bytes, self.back)?.at();
        Some(decoded(self.bytes, self.back).element)
    }
}

impl FusedIterator for Iter<'_> {}

#[cfg(test)]
mod tests;
