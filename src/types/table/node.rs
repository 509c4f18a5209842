//! The tree above the chunks.
//!
//! * A node divides its range of hashes by [`NODE_BITS`] bits. A slot has 2^(NODE_BITS − depth) of the 64 parts; slots stand
//!   in the order of their ranges, and `map` gives the slot of every part.
//! * Only a slot of a single part leads to another node.
//! * `total` is the sum of the slots, plus the node itself. Whoever changes a child tells its slot.

use std::sync::Arc;

use super::chunk::Chunk;
use super::entry::{Fields, Shape, tag_of};
use super::{DEPTH_MAX, Summary};

/// Bits of the hash that a node decides by.
const NODE_BITS: u32 = 6;
/// Parts of a node's range.
const PARTS: usize = 1 << NODE_BITS;

/// Where a key belongs.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) hash: u64,
    pub(super) seed: u64,
}

/// A node or a chunk.
pub(super) enum Child<S> {
    Chunk(Arc<Chunk<S>>),
    Node(Arc<Node<S>>),
}

pub(super) struct Node<S> {
    slots: Vec<Slot<S>>,
    map: [u8; PARTS],
    /// Bits of the hash that lead here.
    depth: u32,
    total: Summary,
}

struct Slot<S> {
    child: Child<S>,
    /// Of the node's bits, those that are the same for all of the slot's entries.
    bits: u32,
    summary: Summary,
}

impl<S> Clone for Child<S> {
    fn clone(&self) -> Self {
        match self {
            Self::Chunk(chunk) => Self::Chunk(Arc::clone(chunk)),
            Self::Node(node) => Self::Node(Arc::clone(node)),
        }
    }
}

impl<S> Clone for Slot<S> {
    fn clone(&self) -> Self {
        Self { child: self.child.clone(), ..*self }
    }
}

impl<S> Clone for Node<S> {
    fn clone(&self) -> Self {
        Self { slots: self.slots.clone(), ..*self }
    }
}

impl<S: Shape> Child<S> {
    /// Are both the same chunk, or the same node?
    pub(super) fn is_shared_with(&self, other: &Self) -> bool {
        match (self, other) {
            (Child::Chunk(a), Child::Chunk(b)) => Arc::ptr_eq(a, b),
            (Child::Node(a), Child::Node(b)) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }

    pub(super) fn empty() -> Self {
        Self::Chunk(Arc::new(Chunk::new()))
    }

    pub(super) fn summary(&self) -> Summary {
        match self {
            Self::Chunk(chunk) => chunk.summary(),
            Self::Node(node) => node.total,
        }
    }

    /// The chunk for `hash`, and its depth.
    pub(super) fn chunk_at(&self, hash: u64) -> (&Chunk<S>, u32) {
        let (mut child, mut depth) = (self, 0);
        loop {
            match child {
                Self::Chunk(chunk) => return (chunk, depth),
                Self::Node(node) => {
                    let slot = &node.slots[node.slot_of(hash)];
                    (child, depth) = (&slot.child, node.depth + slot.bits);
                }
            }
        }
    }

    /// [`Child::chunk_at`] for a root; the third is the first hash after the chunk's range, if there is one.
    pub(super) fn chunk_and_end(&self, hash: u64) -> (&Chunk<S>, u32, Option<u64>) {
        let (chunk, depth) = self.chunk_at(hash);
        (chunk, depth, (hash | u64::MAX >> depth).checked_add(1))
    }

    /// Changes the chunk for a place, for a root. The change is told the place's tag.
    pub(super) fn change<R>(&mut self, place: Place, change: impl FnOnce(&mut Chunk<S>, u16) -> R) -> R {
        let result = self.change_at(0, place, change);
        if self.is_over() {
            *self = self.grown(0, place.seed);
        }
        result
    }

    fn change_at<R>(&mut self, depth: u32, place: Place, change: impl FnOnce(&mut Chunk<S>, u16) -> R) -> R {
        let node = match self {
            Self::Chunk(chunk) => return change(Arc::make_mut(chunk), tag_of(place.hash, depth)),
            Self::Node(node) => Arc::make_mut(node),
        };
        let result = node.change(place, |child, depth| child.change_at(depth, place, change));
        if let [Slot { child: only @ Self::Chunk(_), .. }] = &node.slots[..] {
            // What is left of the node needs none.
            *self = only.clone();
        }
        result
    }

    /// The entry with this index in hash order.
    pub(super) fn nth(&self, mut index: usize) -> Option<(&[u8], S::Value<'_>)> {
        let mut child = self;
        loop {
            match child {
                Self::Chunk(chunk) => return (index < chunk.len()).then(|| chunk.entry(index)),
                Self::Node(node) => {
                    let mut slots = node.slots.iter();
                    child = loop {
                        let slot = slots.next()?;
                        if index < slot.summary.len {
                            break &slot.child;
                        }
                        index -= slot.summary.len;
                    };
                }
            }
        }
    }

    /// The memory of every node and chunk, for tests.
    #[cfg(test)]
    pub(super) fn for_each_part(&self, found: &mut impl FnMut(usize)) {
        found(match self {
            Self::Chunk(chunk) => chunk.summary().bytes,
            Self::Node(node) => node.own_bytes(),
        });
        if let Self::Node(node) = self {
            node.children().for_each(|child| child.for_each_part(found));
        }
    }

    fn is_over(&self) -> bool {
        matches!(self, Self::Chunk(chunk) if chunk.is_over())
    }

    /// A node in place of a chunk that is over.
    fn grown(&self, depth: u32, seed: u64) -> Self {
        let slot = Slot { child: self.clone(), bits: 0, summary: self.summary() };
        let mut node = Node { slots: vec![slot], map: [0; PARTS], depth, total: Summary::EMPTY };
        node.split(0, seed);
        node.sum_up();
        Self::Node(Arc::new(node))
    }
}

impl Child<Fields> {
    /// Adds the keys of entries that expire at `until_ms` or before, until there are `limit`.
    pub(super) fn collect_due(&self, until_ms: u64, limit: usize, keys: &mut Vec<Vec<u8>>) {
        match self {
            Self::Chunk(chunk) => chunk.collect_due(until_ms, limit, keys),
            Self::Node(node) => {
                for slot in node.slots.iter().filter(|slot| slot.summary.expire <= until_ms) {
                    if keys.len() < limit {
                        slot.child.collect_due(until_ms, limit, keys);
                    }
                }
            }
        }
    }
}

impl<S: Shape> Slot<S> {
    fn of(chunk: Chunk<S>, bits: u32) -> Self {
        let summary = chunk.summary();
        Self { child: Child::Chunk(Arc::new(chunk)), bits, summary }
    }
}

impl<S> Node<S> {
    /// Its children in hash order.
    pub(super) fn children(&self) -> impl Iterator<Item = &Child<S>> + use<'_, S> {
        self.slots.iter().map(|slot| &slot.child)
    }

    fn slot_of(&self, hash: u64) -> usize {
        usize::from(self.map[(hash << self.depth >> (u64::BITS - NODE_BITS)) as usize])
    }
}

impl<S: Shape> Node<S> {
    /// Changes the child for a place, and splits or merges what it leaves too big or too small.
    fn change<R>(&mut self, place: Place, change: impl FnOnce(&mut Child<S>, u32) -> R) -> R {
        let index = self.slot_of(place.hash);
        let slot = &mut self.slots[index];
        let result = change(&mut slot.child, self.depth + slot.bits);
        let old = std::mem::replace(&mut slot.summary, slot.child.summary());
        if self.split_while_over(index, place.seed) || self.merge_while_small(index, place.seed) {
            self.sum_up();
        } else {
            self.child_changed(old, self.slots[index].summary);
        }
        result
    }

    /// `total` after a child changed but the slots did not.
    fn child_changed(&mut self, old: Summary, new: Summary) {
        self.total.len = self.total.len - old.len + new.len;
        self.total.bytes = self.total.bytes - old.bytes + new.bytes;
        if new.expire <= self.total.expire {
            self.total.expire = new.expire;
        } else if old.expire == self.total.expire {
            let expires = self.slots.iter().map(|slot| slot.summary.expire);
            self.total.expire = expires.min().unwrap_or(u64::MAX);
        }
    }

    /// The memory of the node without its children.
    fn own_bytes(&self) -> usize {
        let counts = 2 * size_of::<usize>();
        counts + size_of::<Self>() + self.slots.capacity() * size_of::<Slot<S>>()
    }

    /// `total` and `map` after the slots changed.
    fn sum_up(&mut self) {
        let start = Summary { bytes: self.own_bytes(), ..Summary::EMPTY };
        self.total = self.slots.iter().fold(start, |total, slot| total.plus(slot.summary));
        let mut part = 0;
        for (index, slot) in self.slots.iter().enumerate() {
            let parts = PARTS >> slot.bits;
            self.map[part..part + parts].fill(index as u8);
            part += parts;
        }
    }

    /// Splits the slot at `index` until none of what comes of it is over. `true`: the slots changed.
    fn split_while_over(&mut self, index: usize, seed: u64) -> bool {
        let over = self.slots[index].child.is_over() && self.depth + self.slots[index].bits < DEPTH_MAX;
        if over {
            self.split(index, seed);
        }
        over
    }

    fn split(&mut self, index: usize, seed: u64) {
        let slot = &mut self.slots[index];
        let depth = self.depth + slot.bits;
        let Child::Chunk(chunk) = &slot.child else { return };
        if slot.bits == NODE_BITS {
            slot.child = slot.child.grown(depth, seed);
            slot.summary = slot.child.summary();
            return;
        }
        let bits = slot.bits + 1;
        let (low, high) = chunk.split(depth, seed);
        self.slots[index] = Slot::of(low, bits);
        self.slots.reserve_exact(1);
        self.slots.insert(index + 1, Slot::of(high, bits));
        // Long entries that all go to one side may leave it over.
        self.split_while_over(index + 1, seed);
        self.split_while_over(index, seed);
    }

    /// Merges the slot at `index` with its neighbour while both are small. `true`: the slots changed.
    fn merge_while_small(&mut self, index: usize, seed: u64) -> bool {
        let Some((low, slot)) = self.merged(index, seed) else { return false };
        self.slots[low] = slot;
        self.slots.remove(low + 1);
        self.merge_while_small(low, seed);
        self.slots.shrink_to_fit();
        true
    }

    /// What becomes of the slot at `index` and the one with the other half of its range, if they should be one; with the
    /// index of the lower of them.
    fn merged(&self, index: usize, seed: u64) -> Option<(usize, Slot<S>)> {
        let Slot { child: Child::Chunk(chunk), bits, .. } = &self.slots[index] else { return None };
        if *bits == 0 || !chunk.is_small() {
            return None;
        }
        let before: usize = self.slots[..index].iter().map(|slot| PARTS >> slot.bits).sum();
        let is_high = before & (PARTS >> bits) != 0;
        let low = index - usize::from(is_high);
        match self.slots.get(low..low + 2)? {
            [
                Slot { child: Child::Chunk(a), bits: a_bits, .. },
                Slot { child: Child::Chunk(b), bits: b_bits, .. },
            ] if a_bits == b_bits && a.can_merge(b) => {
                let chunk = Chunk::merge(a, b, self.depth + bits, seed);
                Some((low, Slot::of(chunk, bits - 1)))
            }
            _ => None,
        }
    }
}
