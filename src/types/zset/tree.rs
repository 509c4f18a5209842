//! The encoding of big sorted sets, which Redis calls skiplist: a counted B+tree of the elements in the order of (score,
//! member), and an index from members to leaves.
//!
//! ```text
//! spine ──► leaves by number ──► runs of (score, tag, member)
//! index: hash of a member ──► number of its leaf
//! ```
//!
//! * The members are in the leaves and nowhere else. Finding one by name is a probe of the index and a search for its tag in
//!   the leaf; finding one by score, by rank or by the order of members is a descent of the spine, and so is telling a rank.
//! * Whoever moves an element to another leaf tells the index: about one entry per insertion, since half a leaf moves whenever
//!   one is full. That is why an entry has not the score but the leaf: 8 bytes, and a scan in the order of hashes finds
//!   members. (A hash table of members and scores would take 26 bytes for a member of 10, as much as the leaves; this takes 9.)
//! * A clone shares everything and takes microseconds at any size. A write then copies the leaf and the nodes on the way to it.
//! * Many elements in a row are removed by taking their leaves out of the spine: that costs the same for any number. The leaves,
//!   with their entries of the index, are *left over*, and cleared little by little, by [`Tree::clear_some`] and by every
//!   write. Until then a member may be found in a leaf that the spine does not lead to: it is not there.
//! * Nothing here is longer than a few kibibytes but a long member, which has a leaf of its own: it is copied only when it is
//!   written.

use std::ops::Range;

use super::index::Index;
use super::leaf::{BYTES_MAX, Leaf, order};
use crate::types::slab::Slab;
use crate::types::spine::{self, Place, Spine};

/// Members longer than this get leaves of their own rather than move others.
const LONG: usize = BYTES_MAX / 4;

/// More elements in a row are not removed one by one.
const MANY: usize = 1024;

/// So many left-over elements does a write clear.
const CLEARED: usize = 4;

/// A key that separates two leaves: an element's score and as much of its member as is needed.
#[derive(Clone, Debug)]
struct Bound {
    score: f64,
    member: Box<[u8]>,
}

impl spine::Bound for Bound {
    fn heap_bytes(&self) -> usize {
        self.member.len()
    }
}

impl Bound {
    /// One that is never looked at.
    fn lowest() -> Bound {
        Bound { score: 0.0, member: Box::default() }
    }

    /// The shortest key above `low` and not above `high`.
    fn between(low: (f64, &[u8]), high: (f64, &[u8])) -> Bound {
        let len =
            if low.0 < high.0 { 0 } else { low.1.iter().zip(high.1).take_while(|(a, b)| a == b).count() + 1 };
        Bound { score: high.0, member: high.1[..len].into() }
    }

    fn key(&self) -> (f64, &[u8]) {
        (self.score, &self.member)
    }
}

/// Where an element is.
#[derive(Clone, Copy, Debug)]
struct Found {
    leaf: u32,
    at: usize,
}

/// See the module's doc.
#[derive(Clone, Debug)]
pub(super) struct Tree {
    spine: Spine<u32, Bound>,
    leaves: Slab<Leaf>,
    index: Index,
    /// What the leaves take.
    leaf_bytes: usize,
    /// What leads to left-over leaves.
    left_over: Vec<Spine<u32, Bound>>,
}

impl Tree {
    /// Without elements. The seed must be secret, so that clients can't choose members that collide, and the same for all
    /// sets of the dataset and for its life: cursors depend on it.
    pub(super) fn new(seed: u64) -> Self {
        let mut leaves = Slab::new();
        let leaf = Leaf::default();
        let leaf_bytes = leaf.memory_bytes();
        let spine = Spine::new(leaves.insert(leaf), Bound::lowest(), 0);
        Tree { spine, leaves, index: Index::new(seed), leaf_bytes, left_over: Vec::new() }
    }

    /// Are both clones of the same, and unchanged since?
    pub(super) fn is_shared_with(&self, other: &Self) -> bool {
        // Moving an element within its leaf does not change the spine.
        self.spine.is_shared_with(&other.spine) && self.leaves.is_shared_with(&other.leaves)
    }

    /// The number of elements.
    pub(super) fn len(&self) -> usize {
        self.spine.len()
    }

    /// Bytes allocated.
    pub(super) fn memory_bytes(&self) -> usize {
        let left_over = |spine: &Spine<u32, Bound>| size_of_val(spine) + spine.memory_bytes();
        self.leaf_bytes
            + self.leaves.memory_bytes()
            + self.spine.memory_bytes()
            + self.index.memory_bytes()
            + self.left_over.iter().map(left_over).sum::<usize>()
    }

    /// The score of a member.
    pub(super) fn score(&self, member: &[u8]) -> Option<f64> {
        self.find(self.index.hash(member), member).map(|found| self.leaves.get(found.leaf).score(found.at))
    }

    /// The rank of a member, from the lowest, and its score.
    pub(super) fn rank(&self, member: &[u8]) -> Option<(usize, f64)> {
        let found = self.find(self.index.hash(member), member)?;
        let score = self.leaves.get(found.leaf).score(found.at);
        Some((self.spine.rank(&self.place((score, member))) + found.at, score))
    }

    /// How many elements are those for which `is_before` holds. It must hold for the first ones in order, and for no others.
    pub(super) fn partition_point(&self, mut is_before: impl FnMut(f64, &[u8]) -> bool) -> usize {
        let place = self.spine.find_by(|bound| is_before(bound.score, &bound.member));
        let leaf = self.leaf(&place);
        self.spine.rank(&place) + leaf.partition_point(0..leaf.len(), is_before)
    }

    /// Adds a member that is not there.
    pub(super) fn insert(&mut self, member: &[u8], score: f64) {
        self.clear_some(CLEARED);
        let hash = self.index.hash(member);
        debug_assert!(self.find(hash, member).is_none(), "the member is new");
        loop {
            let place = self.place((score, member));
            let leaf = self.leaf(&place);
            let at = leaf.lower_bound(score, member);
            if leaf.has_room(member.len()) {
                let number = *self.spine.edit(&place, 1);
                self.edit(number, |leaf| leaf.insert(at, score, tag(hash), member));
                return self.index.insert(hash, number);
            }
            self.make_room(&place, at, (score, member));
        }
    }

    /// Changes the score of a member, which must be there, to another one.
    pub(super) fn rescore(&mut self, member: &[u8], score: f64) {
        self.clear_some(CLEARED);
        let hash = self.index.hash(member);
        let found = self.find(hash, member).expect("the member is there");
        let leaf = self.leaves.get(found.leaf);
        let mut to = leaf.lower_bound(score, member);
        // An element that stays between two others of its leaf changes neither spine nor index.
        if 0 < to && to < leaf.len() {
            to -= usize::from(found.at < to);
            self.edit(found.leaf, |leaf| leaf.move_within(found.at, to, score));
        } else {
            self.remove_found(hash, found, member);
            self.insert(member, score);
        }
    }

    /// Removes a member and gives the score it had.
    pub(super) fn remove(&mut self, member: &[u8]) -> Option<f64> {
        self.clear_some(CLEARED);
        let hash = self.index.hash(member);
        let found = self.find(hash, member)?;
        Some(self.remove_found(hash, found, member))
    }

    /// Removes the elements of these ranks, which must exist.
    pub(super) fn remove_ranks(&mut self, mut ranks: Range<usize>) {
        self.clear_some(CLEARED);
        if ranks.len() > MANY {
            ranks.end -= self.take_leaves(ranks.clone());
        }
        let mut left = ranks.len();
        while left > 0 {
            let (place, start) = self.spine.find_rank(ranks.start);
            let number = *self.spine.handle(&place);
            let leaf = self.leaves.get(number);
            let range = start..leaf.len().min(start + left);
            left -= range.len();
            for at in range.clone() {
                self.index.remove(self.index.hash(leaf.member(at)), number);
            }
            self.drain(&place, range);
        }
    }

    /// Takes the leaves whose elements all have these ranks out of the spine, and gives the number of elements.
    fn take_leaves(&mut self, ranks: Range<usize>) -> usize {
        let (place, at) = self.spine.find_rank(ranks.start);
        // What is removed ends behind that leaf, as it is more than a leaf has.
        let first = if at == 0 { ranks.start } else { ranks.start - at + self.leaf(&place).len() };
        let end = (ranks.end < self.len()).then(|| self.spine.find_rank(ranks.end).0);
        let tail = end.map(|end| self.spine.split_off(&end));
        let place = self.spine.find_rank(first).0;
        let taken = match (place == Place::FIRST, tail) {
            (false, tail) => {
                let taken = self.spine.split_off(&place);
                tail.into_iter().for_each(|tail| self.spine.append(tail));
                taken
            }
            (true, Some(tail)) => std::mem::replace(&mut self.spine, tail),
            (true, None) => {
                let empty = self.add_leaf(Leaf::default());
                std::mem::replace(&mut self.spine, Spine::new(empty, Bound::lowest(), 0))
            }
        };
        let count = taken.len();
        self.left_over.push(taken);
        count
    }

    /// Are there left-over elements?
    pub(super) fn has_left_over(&self) -> bool {
        !self.left_over.is_empty()
    }

    /// Clears at most so many left-over elements.
    pub(super) fn clear_some(&mut self, mut count: usize) {
        while count > 0
            && let Some(spine) = self.left_over.last_mut()
        {
            let place = spine.last();
            let number = *spine.handle(&place);
            let leaf = self.leaves.get(number);
            let range = leaf.len().saturating_sub(count)..leaf.len();
            for at in range.clone() {
                self.index.remove(self.index.hash(leaf.member(at)), number);
            }
            count -= range.len();
            if range.start > 0 {
                self.edit(number, |leaf| leaf.drain(range));
                continue;
            }
            if spine.is_single() {
                self.left_over.pop();
            } else {
                spine.remove(&place);
            }
            self.remove_leaf(number);
        }
    }

    /// The elements of these ranks, which must exist, in order; it goes from both ends.
    pub(super) fn iter(&self, ranks: Range<usize>) -> Iter<'_> {
        assert!(ranks.end <= self.len(), "ranks are below the number of elements");
        Iter { tree: self, ranks, front: None, back: None }
    }

    /// Shows elements to `found`, from a cursor on and at least `count` of them, and gives the next cursor; 0 is the first
    /// one, and as the result the end. What is there from the first call to the last is shown, whatever comes and goes.
    pub(super) fn scan(&self, cursor: u64, count: usize, mut found: impl FnMut(&[u8], f64)) -> u64 {
        let Ok(start) = u32::try_from(cursor) else { return 0 };
        let mut shown = 0;
        let mut last = start;
        for (hash, number) in self.index.entries_from(start) {
            // Members of one hash are shown by one call.
            if shown >= count && hash != last {
                return u64::from(hash);
            }
            last = hash;
            let leaf = self.leaves.get(number);
            for at in leaf.tagged(tag(hash)) {
                let (score, member) = leaf.key(at);
                if self.index.hash(member) == hash && self.has((score, member), number) {
                    found(member, score);
                    shown += 1;
                }
            }
        }
        0
    }

    fn place(&self, key: (f64, &[u8])) -> Place {
        self.spine.find_by(|bound| order(bound.key(), key).is_le())
    }

    fn leaf(&self, place: &Place) -> &Leaf {
        self.leaves.get(*self.spine.handle(place))
    }

    fn find(&self, hash: u32, member: &[u8]) -> Option<Found> {
        let found = |number| {
            let leaf = self.leaves.get(number);
            let at = leaf.find(tag(hash), member)?;
            self.has(leaf.key(at), number).then_some(Found { leaf: number, at })
        };
        self.index.leaves_of(hash).find_map(found)
    }

    /// Is the element in that leaf there, and not left over?
    fn has(&self, key: (f64, &[u8]), leaf: u32) -> bool {
        self.left_over.is_empty() || *self.spine.handle(&self.place(key)) == leaf
    }

    fn edit(&mut self, number: u32, change: impl FnOnce(&mut Leaf)) {
        let leaf = self.leaves.get_mut(number);
        let before = leaf.memory_bytes();
        change(leaf);
        self.leaf_bytes = self.leaf_bytes - before + leaf.memory_bytes();
    }

    fn add_leaf(&mut self, leaf: Leaf) -> u32 {
        self.leaf_bytes += leaf.memory_bytes();
        self.leaves.insert(leaf)
    }

    fn remove_leaf(&mut self, number: u32) -> std::sync::Arc<Leaf> {
        let leaf = self.leaves.remove(number);
        self.leaf_bytes -= leaf.memory_bytes();
        leaf
    }

    /// Parts the leaf at `place`, in which an element of this key belongs at position `at`, so that there is more room for it.
    fn make_room(&mut self, place: &Place, at: usize, key: (f64, &[u8])) {
        let leaf = self.leaf(place);
        let len = leaf.len();
        let is_at_edge =
            at == len && self.spine.next(place).is_none() || at == 0 && self.spine.previous(place).is_none();
        // Sets that grow at an end get full leaves, and long members move nothing.
        let point = if is_at_edge || len == 1 || key.1.len() > LONG { at } else { leaf.middle() };
        let low = if point == 0 { key } else { leaf.key(point - 1) };
        let high = if point == len { key } else { leaf.key(point) };
        let bound = Bound::between(low, high);
        let number = *self.spine.handle(place);
        if point == 0 {
            let before = self.add_leaf(Leaf::default());
            *self.spine.edit(place, -(len as isize)) = before;
            return self.spine.insert_after(place, bound, number, len);
        }
        let mut right = Leaf::default();
        if point < len {
            self.edit(number, |leaf| right = leaf.split_off(point));
        }
        let count = right.len();
        self.spine.edit(place, -(count as isize));
        let right = self.add_leaf(right);
        self.spine.insert_after(place, bound, right, count);
        self.relocate(right, number, right);
    }

    /// Tells the index that the elements of `leaf` have moved.
    fn relocate(&mut self, leaf: u32, from: u32, to: u32) {
        let leaf = self.leaves.get(leaf);
        for at in 0..leaf.len() {
            self.index.relocate(self.index.hash(leaf.member(at)), from, to);
        }
    }

    fn remove_found(&mut self, hash: u32, found: Found, member: &[u8]) -> f64 {
        let score = self.leaves.get(found.leaf).score(found.at);
        let place = self.place((score, member));
        self.index.remove(hash, found.leaf);
        self.drain(&place, found.at..found.at + 1);
        score
    }

    /// Removes elements from the leaf at `place`, which the index has forgotten, and the leaf if it is then of no use.
    fn drain(&mut self, place: &Place, range: Range<usize>) {
        let number = *self.spine.edit(place, -(range.len() as isize));
        let len = self.leaves.get(number).len();
        if range.len() == len && self.spine.len() > 0 {
            self.spine.remove(place);
            self.remove_leaf(number);
            return;
        }
        self.edit(number, |leaf| leaf.drain(range));
        if self.leaves.get(number).is_sparse() {
            let (previous, next) = (self.spine.previous(place), self.spine.next(place));
            let neighbours = [previous.map(|left| (left, *place)), next.map(|right| (*place, right))];
            let fitting = neighbours
                .into_iter()
                .flatten()
                .find(|(left, right)| self.leaf(left).has_room_for_all(self.leaf(right)));
            if let Some((left, right)) = fitting {
                self.join(&left, &right);
            }
        }
    }

    /// Joins two neighbours. The one with more elements keeps its number.
    fn join(&mut self, left: &Place, right: &Place) {
        let (a, b) = (*self.spine.handle(left), *self.spine.handle(right));
        let count = self.leaves.get(b).len();
        let (kept, moved) = if self.leaves.get(a).len() >= count { (a, b) } else { (b, a) };
        self.relocate(moved, moved, kept);
        let moved = self.remove_leaf(moved);
        self.edit(kept, |leaf| {
            if kept == a {
                leaf.append(&moved);
            } else {
                let right = std::mem::replace(leaf, Leaf::clone(&moved));
                leaf.append(&right);
            }
        });
        *self.spine.edit(left, count as isize) = kept;
        self.spine.edit(right, -(count as isize));
        self.spine.remove(right);
    }

    fn cursor(&self, rank: usize) -> Cursor<'_> {
        let (place, at) = self.spine.find_rank(rank);
        Cursor { place, leaf: self.leaf(&place), at }
    }
}

/// What a leaf keeps of a hash.
fn tag(hash: u32) -> u16 {
    hash as u16
}

/// An element's position, or the one after the last.
#[derive(Clone, Debug)]
struct Cursor<'a> {
    place: Place,
    leaf: &'a Leaf,
    at: usize,
}

impl<'a> Cursor<'a> {
    fn element(&self) -> (&'a [u8], f64) {
        (self.leaf.member(self.at), self.leaf.score(self.at))
    }
}

/// See [`Tree::iter`].
#[derive(Clone, Debug)]
pub(super) struct Iter<'a> {
    tree: &'a Tree,
    ranks: Range<usize>,
    /// Where the next element is from either end; unknown until it is asked for.
    front: Option<Cursor<'a>>,
    back: Option<Cursor<'a>>,
}

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a [u8], f64);

    fn next(&mut self) -> Option<Self::Item> {
        let rank = self.ranks.next()?;
        let cursor = self.front.get_or_insert_with(|| self.tree.cursor(rank));
        let element = cursor.element();
        cursor.at += 1;
        if cursor.at == cursor.leaf.len()
            && let Some(place) = self.tree.spine.next(&cursor.place)
        {
            *cursor = Cursor { place, leaf: self.tree.leaf(&place), at: 0 };
        }
        Some(element)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.ranks.size_hint()
    }
}

impl DoubleEndedIterator for Iter<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        let rank = self.ranks.next_back()?;
        let cursor = self.back.get_or_insert_with(|| self.tree.cursor(rank));
        let element = cursor.element();
        if cursor.at > 0 {
            cursor.at -= 1;
        } else if let Some(place) = self.tree.spine.previous(&cursor.place) {
            let leaf = self.tree.leaf(&place);
            *cursor = Cursor { place, leaf, at: leaf.len() - 1 };
        }
        Some(element)
    }
}

impl ExactSizeIterator for Iter<'_> {}

#[cfg(test)]
mod bench;
#[cfg(test)]
mod tests;
