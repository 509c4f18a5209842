//! A node of a quicklist: a listpack of elements, or one long element by itself.

use std::sync::Arc;

use super::Limits;
use crate::types::listpack::{self, Element, Listpack, Position};
use crate::util::number::parse_i64;

/// Bytes that an element takes in a listpack besides its text, as Redis estimates it.
const ELEMENT_OVERHEAD: usize = 8;

/// See the module's doc. A node has elements, unless the list has none.
#[derive(Clone, Debug)]
pub(super) enum Node {
    /// As many as the limits allow.
    Packed(Listpack),
    /// One that is too long for a listpack.
    Plain(Vec<u8>),
}

impl Node {
    /// A node of one element.
    pub(super) fn of(value: &[u8], limits: Limits) -> Self {
        if limits.is_long(value.len()) {
            Node::Plain(value.to_vec())
        } else {
            Node::Packed(Listpack::of([Element::new(value)]))
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Node::Packed(listpack) => listpack.len(),
            Node::Plain(_) => 1,
        }
    }

    /// The listpack for adding a value of `len` bytes, if it may be added.
    pub(super) fn room_for(&self, len: usize, limits: Limits) -> Option<&Listpack> {
        match self {
            Node::Packed(listpack) if !limits.is_long(len) => {
                let bytes = listpack.size_bytes() + len + ELEMENT_OVERHEAD;
                (!limits.is_exceeded(bytes, listpack.len() + 1)).then_some(listpack)
            }
            Node::Packed(_) | Node::Plain(_) => None,
        }
    }

    /// Inserts a value for which there is room.
    pub(super) fn insert(&mut self, at: usize, value: &[u8]) {
        let Node::Packed(listpack) = self else { unreachable!("a plain node has no room") };
        listpack.splice(listpack.seek(at as i64), 0, &[Element::new(value)]);
    }

    /// Puts a value in the place of another one; gives false and does nothing if this is no node for it.
    pub(super) fn replace(&mut self, at: usize, value: &[u8], limits: Limits) -> bool {
        match self {
            Node::Plain(old) if limits.is_long(value.len()) => {
                *old = value.to_vec();
                true
            }
            Node::Packed(listpack) if !limits.is_long(value.len()) => {
                let Some(position) = listpack.seek(at as i64) else { return false };
                let old_len = listpack.get(position).encoded_len();
                let bytes = listpack.size_bytes() - old_len + value.len() + ELEMENT_OVERHEAD;
                let fits = !limits.is_exceeded(bytes, listpack.len());
                if fits {
                    listpack.replace(position, Element::new(value));
                }
                fits
            }
            Node::Packed(_) | Node::Plain(_) => false,
        }
    }

    /// Removes `count` elements, but not all.
    pub(super) fn remove(&mut self, at: usize, count: usize) {
        let Node::Packed(listpack) = self else { unreachable!("a plain node has one element") };
        if let Some(position) = listpack.seek(at as i64) {
            listpack.remove_many(position, count);
        }
    }

    /// Removes the elements from `at` on, but not all, and gives them as a node.
    pub(super) fn split_off(&mut self, at: usize) -> Node {
        let Node::Packed(listpack) = self else { unreachable!("a plain node has one element") };
        let position = listpack.seek(at as i64).expect("a node is split between two elements");
        Node::Packed(listpack.split_off(position))
    }

    /// Whether both are listpacks whose elements fit into one.
    pub(super) fn can_join(&self, other: &Node, limits: Limits) -> bool {
        match (self, other) {
            (Node::Packed(a), Node::Packed(b)) => {
                !limits.is_exceeded(a.size_bytes() + b.size_bytes(), a.len() + b.len())
            }
            _ => false,
        }
    }

    /// Adds the elements of a node that can be joined.
    pub(super) fn append(&mut self, other: &Node) {
        match (self, other) {
            (Node::Packed(a), Node::Packed(b)) => a.append(b),
            _ => unreachable!("only listpacks can be joined"),
        }
    }

    pub(super) fn iter(&self) -> Iter<'_> {
        match self {
            Node::Packed(listpack) => Iter::Packed(listpack.iter()),
            Node::Plain(value) => Iter::Plain(Some(value)),
        }
    }

    /// Bytes allocated for a node behind `Arc`.
    pub(super) fn memory_bytes(&self) -> usize {
        const REFERENCE_COUNTS: usize = 2 * size_of::<usize>();
        let content = match self {
            Node::Packed(listpack) => listpack.memory_bytes(),
            Node::Plain(value) => value.capacity(),
        };
        REFERENCE_COUNTS + size_of::<Node>() + content
    }
}

/// A value that elements are compared with.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'a> {
    text: &'a [u8],
    integer: Option<i64>,
}

impl<'a> Wanted<'a> {
    pub(super) fn new(text: &'a [u8]) -> Self {
        Wanted { text, integer: parse_i64(text) }
    }

    pub(super) fn is(&self, element: Element<'_>) -> bool {
        match element {
            Element::Int(number) => self.integer == Some(number),
            Element::Bytes(text) => self.text == text,
        }
    }
}

/// Removes up to `count` of the elements of a listpack that are `wanted`, from its end if `reverse`; gives how many they were.
pub(super) fn remove_wanted(
    listpack: &mut Listpack,
    wanted: Wanted<'_>,
    count: usize,
    reverse: bool,
) -> usize {
    let mut removed = 0;
    let mut next = if reverse { listpack.last() } else { listpack.first() };
    while let Some(position) = next.filter(|_| removed < count) {
        let is_wanted = wanted.is(listpack.get(position));
        removed += usize::from(is_wanted);
        next = step(listpack, position, is_wanted, reverse);
    }
    removed
}

/// The position to look at after `position`, whose element is removed first if so wanted.
fn step(listpack: &mut Listpack, position: Position, remove: bool, reverse: bool) -> Option<Position> {
    let previous = if reverse { listpack.prev(position) } else { None };
    match (remove, reverse) {
        (true, true) => {
            listpack.remove(position);
            previous
        }
        (true, false) => listpack.remove(position),
        (false, true) => previous,
        (false, false) => listpack.next(position),
    }
}

/// The elements of a node, from either end.
#[derive(Clone)]
pub(super) enum Iter<'a> {
    Packed(listpack::Iter<'a>),
    Plain(Option<&'a Vec<u8>>),
}

impl<'a> Iterator for Iter<'a> {
    type Item = Element<'a>;

    fn next(&mut self) -> Option<Element<'a>> {
        match self {
            Iter::Packed(elements) => elements.next(),
            Iter::Plain(value) => value.take().map(|value| Element::Bytes(value)),
        }
    }
}

impl DoubleEndedIterator for Iter<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        match self {
            Iter::Packed(elements) => elements.next_back(),
            Iter::Plain(_) => self.next(),
        }
    }
}

/// Nodes are shared with frozen copies.
pub(super) type Handle = Arc<Node>;
