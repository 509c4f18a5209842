//! The list type.
//!
//! * Two encodings, as OBJECT ENCODING names them: `listpack` while the list is no more than one node, `quicklist` otherwise.
//!   Unlike other types a list goes back: when what is removed leaves one listpack of half a node or less. Conversions
//!   happen where Redis 7.4 has them.
//! * Indexes that come from clients are signed, and count from the end if negative; ranges of indexes are half-open and must
//!   exist: [`List::range`] makes them.
//! * `list-compress-depth` is for the configuration only: nodes are not compressed in memory. Cold ones leave it instead.

mod node;
mod quicklist;

use std::ops::Range;

use super::Malformed;
use super::listpack::{self, Element, Listpack};

use node::{Node, Wanted, remove_wanted};
use quicklist::Quicklist;

/// The most bytes of a node whose limit is a number of elements.
const COUNTED_BYTES_MAX: usize = 8192;

/// Up to what a node is one.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// `list-max-listpack-size`: a number of elements, or −1 to −5 for 4, 8, 16, 32 or 64 KiB.
    pub listpack_size: i64,
}

impl Limits {
    /// The most bytes and the most elements; one of them is no limit.
    fn of_node(self) -> (usize, usize) {
        match usize::try_from(self.listpack_size) {
            Ok(count) => (usize::MAX, count.max(1)),
            Err(_) => (4096 << (-1 - self.listpack_size.max(-5)), usize::MAX),
        }
    }

    /// Whether so many bytes or elements are too many for a node.
    fn is_exceeded(self, bytes: usize, count: usize) -> bool {
        let (bytes_max, count_max) = self.of_node();
        bytes > bytes_max.min(if count_max == usize::MAX { usize::MAX } else { COUNTED_BYTES_MAX })
            || count > count_max
    }

    /// Whether a value of this length is a node by itself.
    fn is_long(self, len: usize) -> bool {
        self.is_exceeded(len, 0)
    }
}

/// How a list is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// One listpack.
    Listpack,
    /// Nodes of listpacks and long elements.
    Quicklist,
}

impl Encoding {
    /// The name that OBJECT ENCODING replies with.
    pub fn name(self) -> &'static str {
        match self {
            Encoding::Listpack => "listpack",
            Encoding::Quicklist => "quicklist",
        }
    }
}

/// An end of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Where LPUSH pushes.
    Left,
    /// Where RPUSH pushes.
    Right,
}

/// A part of a list as DUMP writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part<'a> {
    /// The bytes of a listpack.
    Packed(&'a [u8]),
    /// One long element.
    Plain(&'a [u8]),
}

/// What LPOS looks for.
#[derive(Clone, Copy, Debug)]
pub struct Search {
    /// The first match that counts, from 1; negative ones count from the end. Not 0.
    pub rank: i64,
    /// How many matches are wanted.
    pub count: usize,
    /// How many elements are compared.
    pub max_len: usize,
}

/// A list.
#[derive(Clone, Debug)]
pub struct List(Repr);

#[derive(Clone, Debug)]
enum Repr {
    Listpack(Listpack),
    Quicklist(Quicklist),
}

impl List {
    /// The memory of a list that is one listpack, found without looking there.
    pub fn small_memory(&self) -> Option<&[u8]> {
        match &self.0 {
            Repr::Listpack(listpack) => Some(listpack.raw_memory()),
            Repr::Quicklist(_) => None,
        }
    }

    /// Without elements.
    pub fn new() -> Self {
        List(Repr::Listpack(Listpack::new()))
    }

    /// A list of parts from outside. There must be elements. Without `limits` it is a quicklist, however small it is.
    pub fn from_parts<'a>(
        parts: impl IntoIterator<Item = Part<'a>>,
        limits: Option<Limits>,
    ) -> Result<Self, Malformed> {
        let mut list = Quicklist::new(Node::Packed(Listpack::new()));
        for part in parts {
            match part {
                Part::Plain(value) => list.push_node(Node::Plain(value.to_vec())),
                Part::Packed(bytes) => {
                    let listpack = Listpack::from_bytes(bytes.to_vec())?;
                    if !listpack.is_empty() {
                        list.push_node(Node::Packed(listpack));
                    }
                }
            }
        }
        if list.len() == 0 {
            return Err(Malformed);
        }
        let mut list = List(Repr::Quicklist(list));
        if let Some(limits) = limits {
            list.try_listpack(limits, 1);
        }
        Ok(list)
    }

    /// The parts that DUMP writes, in order.
    pub fn parts(&self) -> impl Iterator<Item = Part<'_>> {
        let (listpack, quicklist) = match &self.0 {
            Repr::Listpack(listpack) => (Some(Part::Packed(listpack.as_bytes())), None),
            Repr::Quicklist(quicklist) => (None, Some(quicklist)),
        };
        let nodes = quicklist.into_iter().flat_map(Quicklist::nodes).map(|node| match node {
            Node::Packed(listpack) => Part::Packed(listpack.as_bytes()),
            Node::Plain(value) => Part::Plain(value),
        });
        listpack.into_iter().chain(nodes)
    }

    /// How it is kept.
    pub fn encoding(&self) -> Encoding {
        match &self.0 {
            Repr::Listpack(_) => Encoding::Listpack,
            Repr::Quicklist(_) => Encoding::Quicklist,
        }
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        match &self.0 {
            Repr::Listpack(listpack) => listpack.len(),
            Repr::Quicklist(quicklist) => quicklist.len(),
        }
    }

    /// Whether it has none. Such a list's key is to be deleted.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of heap memory. What frozen copies share is counted in each.
    pub fn memory_bytes(&self) -> usize {
        match &self.0 {
            Repr::Listpack(listpack) => listpack.memory_bytes(),
            Repr::Quicklist(quicklist) => quicklist.memory_bytes(),
        }
    }

    /// A copy of this moment: of a quicklist in constant time, else of the few bytes.
    pub fn freeze(&self) -> Self {
        self.clone()
    }

    /// Is it big, and a frozen copy of the other or the other of it, unchanged since? Then it has the same elements; if not, it
    /// may have them.
    pub fn is_shared_with(&self, other: &Self) -> bool {
        matches!((&self.0, &other.0), (Repr::Quicklist(a), Repr::Quicklist(b)) if a.is_shared_with(b))
    }

    /// The indexes from `start` to `end`, both included and clamped to what exists.
    pub fn range(&self, start: i64, end: i64) -> Range<usize> {
        let len = self.len() as i64;
        let from_end = |index: i64| if index < 0 { index.saturating_add(len) } else { index };
        let (start, end) = (from_end(start).max(0), from_end(end).min(len - 1));
        if start > end { 0..0 } else { start as usize..end as usize + 1 }
    }

    /// The indexes of the outermost `count` elements at an end, or of all if there are fewer.
    pub fn end_range(&self, end: End, count: usize) -> Range<usize> {
        let len = self.len();
        match end {
            End::Left => 0..count.min(len),
            End::Right => len.saturating_sub(count)..len,
        }
    }

    /// The element at an index.
    pub fn get(&self, index: i64) -> Option<Element<'_>> {
        let index = self.index(index)?;
        match &self.0 {
            Repr::Listpack(listpack) => Some(listpack.get(listpack.seek(index as i64)?)),
            Repr::Quicklist(quicklist) => quicklist.get(index),
        }
    }

    /// The elements at these indexes, from both ends.
    pub fn iter(&self, range: Range<usize>) -> Iter<'_> {
        assert!(range.is_empty() || range.end <= self.len(), "indexes are below the number of elements");
        match &self.0 {
            Repr::Listpack(listpack) => {
                let mut elements = listpack.iter();
                if !range.is_empty() {
                    range.start.checked_sub(1).and_then(|last| elements.nth(last));
                    (listpack.len() - range.end).checked_sub(1).and_then(|last| elements.nth_back(last));
                }
                Iter(IterRepr::Listpack(elements, range.len()))
            }
            Repr::Quicklist(quicklist) => Iter(IterRepr::Quicklist(quicklist.iter(range))),
        }
    }

    /// The indexes of the elements that are `value`, in the order they are found in.
    pub fn positions(&self, value: &[u8], search: Search) -> Vec<usize> {
        let wanted = Wanted::new(value);
        let passed = usize::try_from(search.rank.unsigned_abs()).unwrap_or(usize::MAX).saturating_sub(1);
        let len = self.len();
        let elements = self.iter(0..len);
        let found = |(index, element)| wanted.is(element).then_some(index);
        if search.rank < 0 {
            let from_end = elements.rev().take(search.max_len).enumerate().filter_map(found);
            from_end.map(|index| len - 1 - index).skip(passed).take(search.count).collect()
        } else {
            let from_start = elements.take(search.max_len).enumerate().filter_map(found);
            from_start.skip(passed).take(search.count).collect()
        }
    }

    /// Pushes values, one after the other.
    pub fn push<'a>(&mut self, end: End, values: impl Iterator<Item = &'a [u8]> + Clone, limits: Limits) {
        let lens = values.clone().map(<[u8]>::len);
        let (count, bytes) = lens.fold((0, 0), |(count, bytes), len| (count + 1, bytes + len));
        self.prepare(count, bytes, limits);
        values.for_each(|value| {
            let index = if end == End::Left { 0 } else { self.len() };
            self.insert_at(index, value, limits);
        });
    }

    /// Removes the element at an end and gives it.
    pub fn pop(&mut self, end: End, limits: Limits) -> Option<Vec<u8>> {
        let index = if end == End::Left { 0 } else { self.len().checked_sub(1)? };
        let value = self.get(index as i64)?.to_vec();
        _ = self.remove_range(index..index + 1, limits);
        Some(value)
    }

    /// Moves the element at one end to an end, and gives it. The list is converted when all is done, as if it had not been
    /// shorter in between.
    pub fn rotate(&mut self, from: End, to: End, limits: Limits) -> Option<Vec<u8>> {
        let range = self.end_range(from, 1);
        let value = self.get(range.start as i64)?.to_vec();
        _ = self.remove_indexes(range);
        self.push(to, std::iter::once(value.as_slice()), limits);
        self.try_listpack(limits, 2);
        Some(value)
    }

    /// Inserts a value before or after the first element that is `pivot`. False: there is none.
    pub fn insert(&mut self, pivot: &[u8], after: bool, value: &[u8], limits: Limits) -> bool {
        // Redis can't convert while it looks for the pivot, so it does before.
        self.prepare(1, value.len(), limits);
        let wanted = Wanted::new(pivot);
        let Some(index) = self.iter(0..self.len()).position(|element| wanted.is(element)) else {
            return false;
        };
        self.insert_at(index + usize::from(after), value, limits);
        true
    }

    /// Replaces the element at an index. False: there is none.
    pub fn set(&mut self, index: i64, value: &[u8], limits: Limits) -> bool {
        self.prepare(1, value.len(), limits);
        let Some(index) = self.index(index) else { return false };
        match &mut self.0 {
            Repr::Listpack(listpack) => {
                if let Some(position) = listpack.seek(index as i64) {
                    listpack.replace(position, Element::new(value));
                }
            }
            Repr::Quicklist(quicklist) => quicklist.replace(index, value, limits),
        }
        self.try_listpack(limits, 2);
        true
    }

    /// LREM: removes elements that are `value` and gives how many. A positive `count` are removed from the left, a negative
    /// one from the right; zero is all.
    pub fn remove(&mut self, count: i64, value: &[u8], limits: Limits) -> usize {
        let (wanted, reverse) = (Wanted::new(value), count < 0);
        let most = match count {
            0 => usize::MAX,
            count => usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX),
        };
        let removed = match &mut self.0 {
            Repr::Listpack(listpack) => remove_wanted(listpack, wanted, most, reverse),
            Repr::Quicklist(quicklist) => quicklist.remove_wanted(wanted, most, reverse),
        };
        if removed > 0 {
            self.try_listpack(limits, 2);
        }
        removed
    }

    /// Removes the elements at these indexes: LPOP with a count, LMPOP. Many at an end go at once and are given, to be freed
    /// where there is time for it.
    pub fn remove_range(&mut self, range: Range<usize>, limits: Limits) -> Option<List> {
        let gone = self.remove_indexes(range);
        self.try_listpack(limits, 2);
        gone
    }

    /// LTRIM: removes the elements at all other indexes. What goes is given as by [`List::remove_range`].
    pub fn trim(&mut self, kept: Range<usize>, limits: Limits) -> [Option<List>; 2] {
        let behind = self.remove_indexes(kept.end..self.len());
        let before = self.remove_indexes(0..kept.start);
        self.try_listpack(limits, 2);
        [before, behind]
    }

    /// The index that a signed one means, if there is an element.
    fn index(&self, index: i64) -> Option<usize> {
        let len = self.len();
        let index = if index < 0 { index.checked_add(len as i64)? } else { index };
        usize::try_from(index).ok().filter(|&index| index < len)
    }

    /// Before `count` elements of so many `bytes` are added: makes a quicklist if they may be too much for one node.
    fn prepare(&mut self, count: usize, bytes: usize, limits: Limits) {
        if let Repr::Listpack(listpack) = &mut self.0
            && limits.is_exceeded(listpack.size_bytes() + bytes, listpack.len() + count)
        {
            let node = Node::Packed(std::mem::take(listpack));
            self.0 = Repr::Quicklist(Quicklist::new(node));
        }
    }

    /// Makes a listpack of a quicklist of one node, if that is not more than one part in `fraction` of a node's limits.
    fn try_listpack(&mut self, limits: Limits, fraction: usize) {
        if let Repr::Quicklist(quicklist) = &self.0
            && let Some(listpack) = quicklist.single()
        {
            let (bytes_max, count_max) = limits.of_node();
            if listpack.size_bytes() <= bytes_max / fraction && listpack.len() <= count_max / fraction {
                self.0 = Repr::Listpack(listpack.clone());
            }
        }
    }

    fn insert_at(&mut self, index: usize, value: &[u8], limits: Limits) {
        match &mut self.0 {
            Repr::Listpack(listpack) => {
                listpack.splice(listpack.seek(index as i64), 0, &[Element::new(value)]);
            }
            Repr::Quicklist(quicklist) => quicklist.insert(index, value, limits),
        }
    }

    fn remove_indexes(&mut self, range: Range<usize>) -> Option<List> {
        match &mut self.0 {
            _ if range.is_empty() => None,
            Repr::Listpack(listpack) => {
                if let Some(position) = listpack.seek(range.start as i64) {
                    listpack.remove_many(position, range.len());
                }
                None
            }
            Repr::Quicklist(quicklist) => {
                quicklist.remove_range(range).map(|gone| List(Repr::Quicklist(gone)))
            }
        }
    }
}

impl Default for List {
    fn default() -> Self {
        Self::new()
    }
}

/// See [`List::iter`].
#[derive(Clone)]
pub struct Iter<'a>(IterRepr<'a>);

#[derive(Clone)]
enum IterRepr<'a> {
    /// With the number of elements left.
    Listpack(listpack::Iter<'a>, usize),
    Quicklist(quicklist::Iter<'a>),
}

impl<'a> Iterator for Iter<'a> {
    type Item = Element<'a>;

    fn next(&mut self) -> Option<Element<'a>> {
        match &mut self.0 {
            IterRepr::Listpack(elements, left) => {
                *left = left.checked_sub(1)?;
                elements.next()
            }
            IterRepr::Quicklist(elements) => elements.next(),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match &self.0 {
            IterRepr::Listpack(_, left) => (*left, Some(*left)),
            IterRepr::Quicklist(elements) => elements.size_hint(),
        }
    }
}

impl DoubleEndedIterator for Iter<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            IterRepr::Listpack(elements, left) => {
                *left = left.checked_sub(1)?;
                elements.next_back()
            }
            IterRepr::Quicklist(elements) => elements.next_back(),
        }
    }
}

impl ExactSizeIterator for Iter<'_> {}

#[cfg(test)]
mod tests;
