//! A leaf of the tree: a run of elements ordered by (score, member).
//!
//! * Scores, slots and the members' bytes are three vectors, so that a search by score reads nothing else, and so that an
//!   element takes 12 bytes and its member.
//! * A slot has 16 bits of the member's hash: the index says only in which leaf a member is.
//! * [`Leaf::has_room`] keeps members' starts within 16 bits: only the last member may be long, which then ends a leaf.

use std::cmp::Ordering;
use std::ops::Range;

use crate::types::tight;

/// The most elements of a leaf.
pub(super) const LEN_MAX: usize = 128;

/// The most bytes that the members of a leaf have together, unless there is only one.
pub(super) const BYTES_MAX: usize = 4096;

/// See the module's doc.
#[derive(Debug, Default)]
pub(super) struct Leaf {
    scores: Vec<f64>,
    slots: Vec<Slot>,
    bytes: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    /// Where the member begins. It ends where the next one begins.
    start: u16,
    tag: u16,
}

impl Clone for Leaf {
    fn clone(&self) -> Self {
        Leaf {
            scores: tight::clone(&self.scores),
            slots: tight::clone(&self.slots),
            bytes: tight::clone(&self.bytes),
        }
    }
}

/// How two elements are ordered. Scores are never NaN.
pub(super) fn order(a: (f64, &[u8]), b: (f64, &[u8])) -> Ordering {
    a.0.partial_cmp(&b.0).expect("no score is NaN").then_with(|| a.1.cmp(b.1))
}

impl Leaf {
    pub(super) fn len(&self) -> usize {
        self.scores.len()
    }

    pub(super) fn score(&self, at: usize) -> f64 {
        self.scores[at]
    }

    pub(super) fn member(&self, at: usize) -> &[u8] {
        &self.bytes[self.span(at..at + 1)]
    }

    /// The element with its score first, as it is ordered.
    pub(super) fn key(&self, at: usize) -> (f64, &[u8]) {
        (self.score(at), self.member(at))
    }

    /// The positions whose members may have this tag's hash.
    pub(super) fn tagged(&self, tag: u16) -> impl Iterator<Item = usize> {
        self.slots.iter().enumerate().filter(move |(_, slot)| slot.tag == tag).map(|(at, _)| at)
    }

    /// The position of a member whose hash has this tag.
    pub(super) fn find(&self, tag: u16, member: &[u8]) -> Option<usize> {
        self.tagged(tag).find(|&at| self.member(at) == member)
    }

    /// How many elements are before one of this score and member.
    pub(super) fn lower_bound(&self, score: f64, member: &[u8]) -> usize {
        let below = self.scores.partition_point(|&other| other < score);
        let ties = self.scores[below..].partition_point(|&other| other <= score);
        below + self.partition_point(below..below + ties, |_, other| other < member)
    }

    /// How many elements of `range` are those for which `is_before` holds: the first ones.
    pub(super) fn partition_point(
        &self,
        range: Range<usize>,
        mut is_before: impl FnMut(f64, &[u8]) -> bool,
    ) -> usize {
        let Range { start, end } = range;
        let (mut low, mut high) = (start, end);
        while low < high {
            let middle = low.midpoint(high);
            if is_before(self.score(middle), self.member(middle)) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low - start
    }

    /// Whether a member of `len` bytes can be inserted.
    pub(super) fn has_room(&self, len: usize) -> bool {
        self.len() == 0 || self.len() < LEN_MAX && self.bytes.len().saturating_add(len) <= BYTES_MAX
    }

    /// Whether another leaf's elements fit in well: not so tightly that the next insertion would part them again.
    pub(super) fn has_room_for_all(&self, other: &Leaf) -> bool {
        self.len() + other.len() <= LEN_MAX * 3 / 4
            && self.bytes.len() + other.bytes.len() <= BYTES_MAX * 3 / 4
    }

    /// Whether it should be joined with another one, if one has room.
    pub(super) fn is_sparse(&self) -> bool {
        self.len() < LEN_MAX / 4 && self.bytes.len() < BYTES_MAX / 4
    }

    /// Where to part it so that both halves have about the same weight; with two elements or more neither is empty.
    pub(super) fn middle(&self) -> usize {
        const ELEMENT: usize = BYTES_MAX / LEN_MAX;
        let half = (self.bytes.len() + self.len() * ELEMENT) / 2;
        let weight = |at: usize, slot: &Slot| usize::from(slot.start) + at * ELEMENT;
        let (mut low, mut high) = (1, self.len().saturating_sub(1).max(1));
        while low < high {
            let at = low.midpoint(high);
            if weight(at, &self.slots[at]) < half {
                low = at + 1;
            } else {
                high = at;
            }
        }
        low
    }

    /// Inserts an element for which there is room.
    pub(super) fn insert(&mut self, at: usize, score: f64, tag: u16, member: &[u8]) {
        let start = self.start(at);
        tight::insert(&mut self.scores, at, score, LEN_MAX);
        self.slots[at..].iter_mut().for_each(|slot| slot.start += member.len() as u16);
        tight::insert(&mut self.slots, at, Slot { start: start as u16, tag }, LEN_MAX);
        tight::reserve(&mut self.bytes, member.len());
        let tail = self.bytes.len();
        self.bytes.extend_from_slice(member);
        self.bytes.copy_within(start..tail, start + member.len());
        self.bytes[start..start + member.len()].copy_from_slice(member);
    }

    /// Gives the element at `from` another score, with which it belongs at position `to` (counted without it).
    pub(super) fn move_within(&mut self, from: usize, to: usize, score: f64) {
        let (span, slot) = (self.span(from..from + 1), self.slots[from]);
        let len = span.len();
        let start;
        if from < to {
            start = self.start(to + 1) - len;
            self.bytes[span.start..start + len].rotate_left(len);
            self.scores.copy_within(from + 1..=to, from);
            self.slots.copy_within(from + 1..=to, from);
            self.slots[from..to].iter_mut().for_each(|slot| slot.start -= len as u16);
        } else {
            start = self.start(to);
            self.bytes[start..span.end].rotate_right(len);
            self.scores.copy_within(to..from, to + 1);
            self.slots.copy_within(to..from, to + 1);
            self.slots[to + 1..=from].iter_mut().for_each(|slot| slot.start += len as u16);
        }
        self.scores[to] = score;
        self.slots[to] = Slot { start: start as u16, ..slot };
    }

    /// Removes elements.
    pub(super) fn drain(&mut self, range: Range<usize>) {
        let span = self.span(range.clone());
        self.slots[range.end..].iter_mut().for_each(|slot| slot.start -= span.len() as u16);
        self.bytes.drain(span);
        self.scores.drain(range.clone());
        self.slots.drain(range);
        self.release();
    }

    /// Removes the elements from `at` on and gives them.
    pub(super) fn split_off(&mut self, at: usize) -> Leaf {
        let start = self.start(at);
        let mut right = Leaf {
            scores: self.scores.split_off(at),
            slots: self.slots.split_off(at),
            bytes: self.bytes.split_off(start),
        };
        right.slots.iter_mut().for_each(|slot| slot.start -= start as u16);
        self.release();
        right
    }

    /// Adds the elements of `other`, which are all behind.
    pub(super) fn append(&mut self, other: &Leaf) {
        let start = self.bytes.len() as u16;
        tight::reserve(&mut self.scores, other.len());
        self.scores.extend_from_slice(&other.scores);
        tight::reserve(&mut self.slots, other.len());
        self.slots.extend(other.slots.iter().map(|slot| Slot { start: slot.start + start, ..*slot }));
        tight::reserve(&mut self.bytes, other.bytes.len());
        self.bytes.extend_from_slice(&other.bytes);
    }

    /// Bytes allocated, those of the leaf itself included.
    pub(super) fn memory_bytes(&self) -> usize {
        size_of::<Self>()
            + self.scores.capacity() * size_of::<f64>()
            + self.slots.capacity() * size_of::<Slot>()
            + self.bytes.capacity()
    }

    fn release(&mut self) {
        tight::release(&mut self.scores);
        tight::release(&mut self.slots);
        tight::release(&mut self.bytes);
    }

    /// Where the member at `at` begins, or would begin.
    fn start(&self, at: usize) -> usize {
        self.slots.get(at).map_or(self.bytes.len(), |slot| usize::from(slot.start))
    }

    fn span(&self, range: Range<usize>) -> Range<usize> {
        self.start(range.start)..self.start(range.end)
    }
}
