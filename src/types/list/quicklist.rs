//! The encoding of big lists: nodes of listpacks and of single long elements, below a [`Spine`] that counts them.
//!
//! * An element is found by its index in the time of a descent and of a walk through one listpack.
//! * Nodes are split when an insertion finds no room, and joined with their neighbours then. Removals never join nodes:
//!   whether a list is a listpack again depends on how many nodes it has, and Redis leaves them alone.
//! * Many nodes at an end are removed by parting the spine, and given to whoever has the time to free them. The nodes of the
//!   smaller part are looked at once, to tell what they take: about fifty nanoseconds each.
//! * A clone is one reference; a writer copies the node it touches and the spine above it.

use std::ops::Range;
use std::sync::Arc;

use super::Limits;
use super::node::{self, Handle, Node, Wanted, remove_wanted};
use crate::types::listpack::{Element, Listpack};
use crate::types::spine::{Place, Spine};

/// More elements at an end are removed at once.
const MANY: usize = 4096;

/// See the module's doc.
#[derive(Clone, Debug)]
pub(super) struct Quicklist {
    spine: Spine<Handle, ()>,
    /// What the nodes take.
    pub(super) node_bytes: usize,
}

impl Quicklist {
    /// Of one node.
    pub(super) fn new(node: Node) -> Self {
        let (count, node_bytes) = (node.len(), node.memory_bytes());
        Quicklist { spine: Spine::new(Arc::new(node), (), count), node_bytes }
    }

    /// Are both clones of the same, and unchanged since?
    pub(super) fn is_shared_with(&self, other: &Self) -> bool {
        self.spine.is_shared_with(&other.spine)
    }

    pub(super) fn len(&self) -> usize {
        self.spine.len()
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.node_bytes + self.spine.memory_bytes()
    }

    /// The listpack of the only node, if there is but one and it is one.
    pub(super) fn single(&self) -> Option<&Listpack> {
        match (self.spine.is_single(), self.node(&Place::FIRST)) {
            (true, Node::Packed(listpack)) => Some(listpack),
            _ => None,
        }
    }

    pub(super) fn nodes(&self) -> impl Iterator<Item = &Node> {
        let places = std::iter::successors(Some(Place::FIRST), |place| self.spine.next(place));
        places.map(|place| self.node(&place))
    }

    /// Adds a node at the end, as from a file.
    pub(super) fn push_node(&mut self, node: Node) {
        let last = self.spine.last();
        self.add_node(&last, node, false);
    }

    pub(super) fn get(&self, index: usize) -> Option<Element<'_>> {
        let (place, at) = self.spine.find_rank(index);
        let node = self.node(&place);
        let after = node.len().checked_sub(at + 1)?;
        if after < at { node.iter().nth_back(after) } else { node.iter().nth(at) }
    }

    /// Inserts a value before the element at `index`, or at the end.
    pub(super) fn insert(&mut self, index: usize, value: &[u8], limits: Limits) {
        loop {
            let (place, at) = self.spine.find_rank(index);
            let node = self.node(&place);
            let len = node.len();
            if node.room_for(value.len(), limits).is_some() {
                return self.edit(&place, 1, |node| node.insert(at, value));
            }
            if 0 < at && at < len {
                self.split(&place, at, limits);
                continue;
            }
            let previous = self.spine.previous(&place).filter(|_| at == 0);
            if let Some(previous) = previous
                && let Some(listpack) = self.node(&previous).room_for(value.len(), limits)
            {
                let end = listpack.len();
                return self.edit(&previous, 1, |node| node.insert(end, value));
            }
            return self.add_node(&place, Node::of(value, limits), at == 0);
        }
    }

    /// Replaces the element at `index`, which must exist.
    pub(super) fn replace(&mut self, index: usize, value: &[u8], limits: Limits) {
        let (place, at) = self.spine.find_rank(index);
        let mut is_replaced = false;
        self.edit(&place, 0, |node| is_replaced = node.replace(at, value, limits));
        if !is_replaced {
            self.remove_one_by_one(index..index + 1);
            self.insert(index, value, limits);
        }
    }

    /// Removes the elements at these indexes, which must exist, and gives nodes of them if they were many at an end.
    pub(super) fn remove_range(&mut self, mut range: Range<usize>) -> Option<Quicklist> {
        let mut gone = None;
        if range.len() > MANY && range.start == 0 {
            let place = self.spine.find_rank(range.end).0;
            gone = self.split_off(&place).map(|kept| std::mem::replace(self, kept));
            range.end -= gone.as_ref().map_or(0, Self::len);
        } else if range.len() > MANY && range.end == self.len() {
            let (place, at) = self.spine.find_rank(range.start);
            let place = if at == 0 { Some(place) } else { self.spine.next(&place) };
            gone = place.and_then(|place| self.split_off(&place));
            range.end = self.len();
        }
        self.remove_one_by_one(range);
        gone
    }

    /// Removes the nodes from the one at `place` on and gives them. `None`: it is the first.
    fn split_off(&mut self, place: &Place) -> Option<Quicklist> {
        if *place == Place::FIRST {
            return None;
        }
        let spine = self.spine.split_off(place);
        let fewer = if spine.len() < self.spine.len() { &spine } else { &self.spine };
        let mut fewer_bytes = 0;
        fewer.visit(|(), node| fewer_bytes += node.memory_bytes());
        let bytes = if spine.len() < self.spine.len() { fewer_bytes } else { self.node_bytes - fewer_bytes };
        self.node_bytes -= bytes;
        Some(Quicklist { spine, node_bytes: bytes })
    }

    fn remove_one_by_one(&mut self, range: Range<usize>) {
        let mut left = range.len();
        while left > 0 {
            let (place, at) = self.spine.find_rank(range.start);
            let len = self.node(&place).len();
            let count = left.min(len - at);
            if count == len {
                self.remove_node(&place);
            } else {
                self.edit(&place, -(count as isize), |node| node.remove(at, count));
            }
            left -= count;
        }
    }

    /// Removes up to `count` elements that are `wanted`, from the end if `reverse`; gives how many they were.
    pub(super) fn remove_wanted(&mut self, wanted: Wanted<'_>, count: usize, reverse: bool) -> usize {
        let mut removed = 0;
        // Nodes have elements, so each is found by its first one, or if `reverse` by its last.
        let (mut passed, len) = (0, self.len());
        while passed < len && removed < count {
            let index = if reverse { len - passed - 1 } else { passed - removed };
            let (place, _) = self.spine.find_rank(index);
            let node = self.node(&place);
            let before = node.len();
            passed += before;
            let in_node = node.iter().filter(|element| wanted.is(*element)).count().min(count - removed);
            if in_node == before {
                self.remove_node(&place);
            } else if in_node > 0 {
                self.edit(&place, -(in_node as isize), |node| {
                    let Node::Packed(listpack) = node else { unreachable!("a plain node has one element") };
                    remove_wanted(listpack, wanted, in_node, reverse);
                });
            }
            removed += in_node;
        }
        removed
    }

    /// The elements at these indexes, which must exist.
    pub(super) fn iter(&self, range: Range<usize>) -> Iter<'_> {
        Iter { list: self, range, front: None, back: None }
    }

    fn node(&self, place: &Place) -> &Node {
        self.spine.handle(place)
    }

    /// Changes a node, to which `delta` elements are added.
    fn edit(&mut self, place: &Place, delta: isize, change: impl FnOnce(&mut Node)) {
        let handle = self.spine.edit(place, delta);
        // A copy of a shared node may take less than the node.
        let before = handle.memory_bytes();
        change(Arc::make_mut(handle));
        self.node_bytes = self.node_bytes - before + handle.memory_bytes();
    }

    /// Adds a node before or after the one at `place`, or in its place if the list has no elements.
    fn add_node(&mut self, place: &Place, node: Node, before: bool) {
        let count = node.len();
        self.node_bytes += node.memory_bytes();
        let mut handle = Arc::new(node);
        if self.len() == 0 {
            self.node_bytes -= self.node(place).memory_bytes();
            *self.spine.edit(place, count as isize) = handle;
            return;
        }
        let mut added = count;
        if before {
            // The new one takes the place, and the old one is added after it.
            added = self.node(place).len();
            let delta = count as isize - added as isize;
            handle = std::mem::replace(self.spine.edit(place, delta), handle);
        }
        self.spine.insert_after(place, (), handle, added);
    }

    /// Removes a node, or empties it if it is the only one.
    fn remove_node(&mut self, place: &Place) {
        let bytes = self.node(place).memory_bytes();
        if self.spine.is_single() {
            let empty = Node::Packed(Listpack::new());
            self.node_bytes = self.node_bytes - bytes + empty.memory_bytes();
            let len = self.len() as isize;
            *self.spine.edit(place, -len) = Arc::new(empty);
        } else {
            self.node_bytes -= bytes;
            self.spine.remove(place);
        }
    }

    /// Splits a node in two, which are joined with the nodes around them if they fit.
    fn split(&mut self, place: &Place, at: usize, limits: Limits) {
        let mut right = None;
        let count = self.node(place).len() - at;
        self.edit(place, -(count as isize), |node| right = Some(node.split_off(at)));
        let right = right.expect("the node was edited");
        let first = self.spine.rank(place);
        self.add_node(place, right, false);
        let right = self.spine.find_rank(first + at).0;
        if let Some(next) = self.spine.next(&right) {
            self.join(&right, &next, limits);
        }
        let left = self.spine.find_rank(first).0;
        if let Some(previous) = self.spine.previous(&left) {
            self.join(&previous, &left, limits);
        }
    }

    fn join(&mut self, left: &Place, right: &Place, limits: Limits) {
        let other = Arc::clone(self.spine.handle(right));
        if !self.node(left).can_join(&other, limits) {
            return;
        }
        let count = other.len() as isize;
        self.edit(left, count, |node| node.append(&other));
        self.spine.edit(right, -count);
        self.remove_node(right);
    }
}

/// See [`Quicklist::iter`].
#[derive(Clone)]
pub(super) struct Iter<'a> {
    list: &'a Quicklist,
    range: Range<usize>,
    /// Where the next element is from either end; unknown until it is asked for.
    front: Option<Cursor<'a>>,
    back: Option<Cursor<'a>>,
}

#[derive(Clone)]
struct Cursor<'a> {
    place: Place,
    elements: node::Iter<'a>,
}

impl<'a> Iterator for Iter<'a> {
    type Item = Element<'a>;

    fn next(&mut self) -> Option<Element<'a>> {
        let index = self.range.next()?;
        let list = self.list;
        let cursor = self.front.get_or_insert_with(|| {
            let (place, at) = list.spine.find_rank(index);
            let mut elements = list.node(&place).iter();
            at.checked_sub(1).and_then(|last| elements.nth(last));
            Cursor { place, elements }
        });
        loop {
            if let Some(element) = cursor.elements.next() {
                return Some(element);
            }
            let place = list.spine.next(&cursor.place)?;
            *cursor = Cursor { place, elements: list.node(&place).iter() };
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.range.size_hint()
    }
}

impl DoubleEndedIterator for Iter<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        let index = self.range.next_back()?;
        let list = self.list;
        let cursor = self.back.get_or_insert_with(|| {
            let (place, at) = list.spine.find_rank(index);
            let node = list.node(&place);
            let mut elements = node.iter();
            (node.len() - 1 - at).checked_sub(1).and_then(|last| elements.nth_back(last));
            Cursor { place, elements }
        });
        loop {
            if let Some(element) = cursor.elements.next_back() {
                return Some(element);
            }
            let place = list.spine.previous(&cursor.place)?;
            *cursor = Cursor { place, elements: list.node(&place).iter() };
        }
    }
}
