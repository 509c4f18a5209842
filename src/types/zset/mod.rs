//! The sorted set type: members with scores, in the order of (score, member).
//!
//! * A set begins as a listpack and becomes a counted B+tree, which Redis calls skiplist, when it has more elements or a
//!   longer member than its [`Limits`]. It never goes back.
//! * Whatever elements a command is about, it names them by their ranks ([`range`]), which are half-open ranges from the
//!   lowest element on.
//! * Members are given as listpack elements: those of a listpack may be integers.
//! * No score is NaN: callers parse with [`crate::util::double::parse`], and [`Zset::add`] refuses to make one.

mod add;
pub mod combine;
mod index;
mod leaf;
pub mod range;
mod small;
mod tree;

use std::ops::Range;

use super::Malformed;
use super::listpack::{Element, Listpack};
use crate::util::random::Random;

pub use add::{Added, Flags, NotANumber};

use range::{LexRange, ScoreRange};
use small::Small;
use tree::Tree;

/// Up to what a sorted set is small, and what a big one needs.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// `zset-max-listpack-entries`.
    pub listpack_entries: usize,
    /// `zset-max-listpack-value`, in bytes.
    pub listpack_value: usize,
    /// The dataset's seed for the hashes of members.
    pub hash_seed: u64,
}

/// How a sorted set is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// A listpack of members and scores.
    Listpack,
    /// A counted tree and an index of its members.
    Skiplist,
}

impl Encoding {
    /// The name that OBJECT ENCODING replies with.
    pub fn name(self) -> &'static str {
        match self {
            Encoding::Listpack => "listpack",
            Encoding::Skiplist => "skiplist",
        }
    }
}

/// A sorted set.
#[derive(Clone, Debug)]
pub struct Zset(Repr);

#[derive(Clone, Debug)]
enum Repr {
    Small(Small),
    // On the heap, so that a small set is small.
    Tree(Box<Tree>),
}

impl Zset {
    /// Without elements.
    pub fn new() -> Self {
        Zset(Repr::Small(Small::default()))
    }

    /// An empty set in the encoding for `count` members of which `first` is the first one.
    pub fn for_members(first: &[u8], count: usize, limits: &Limits) -> Self {
        let mut zset = Zset::new();
        if count > limits.listpack_entries || first.len() > limits.listpack_value {
            zset.convert(limits);
        }
        zset
    }

    /// A set of the bytes of a listpack from outside. They must be pairs of different members and scores, in order, and there
    /// must be some.
    pub fn from_listpack(bytes: Vec<u8>, limits: &Limits) -> Result<Self, Malformed> {
        let small = Small::from_listpack(Listpack::from_bytes(bytes)?)?;
        if small.len() == 0 {
            return Err(Malformed);
        }
        let exceeds = small.len() > limits.listpack_entries;
        let mut zset = Zset(Repr::Small(small));
        if exceeds {
            zset.convert(limits);
        }
        Ok(zset)
    }

    /// The bytes of the listpack that it is, as DUMP holds them.
    pub fn small_bytes(&self) -> Option<&[u8]> {
        match &self.0 {
            Repr::Small(small) => Some(small.as_bytes()),
            Repr::Tree(_) => None,
        }
    }

    /// The memory where those are, found without looking there.
    pub fn small_memory(&self) -> Option<&[u8]> {
        match &self.0 {
            Repr::Small(small) => Some(small.raw_memory()),
            Repr::Tree(_) => None,
        }
    }

    /// How it is kept.
    pub fn encoding(&self) -> Encoding {
        match &self.0 {
            Repr::Small(_) => Encoding::Listpack,
            Repr::Tree(_) => Encoding::Skiplist,
        }
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        match &self.0 {
            Repr::Small(small) => small.len(),
            Repr::Tree(tree) => tree.len(),
        }
    }

    /// Whether there are none. Such a set's key is to be deleted.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes allocated. What clones share is counted for each.
    pub fn memory_bytes(&self) -> usize {
        match &self.0 {
            Repr::Small(small) => small.memory_bytes(),
            Repr::Tree(tree) => size_of::<Tree>() + tree.memory_bytes(),
        }
    }

    /// A copy of this moment: of a tree in about a microsecond, else of the few bytes.
    pub fn freeze(&self) -> Self {
        self.clone()
    }

    /// Is it big, and a frozen copy of the other or the other of it, unchanged since? Then it has the same elements; if not, it
    /// may have them.
    pub fn is_shared_with(&self, other: &Self) -> bool {
        matches!((&self.0, &other.0), (Repr::Tree(a), Repr::Tree(b)) if a.is_shared_with(b))
    }

    /// The score of a member.
    pub fn score(&self, member: &[u8]) -> Option<f64> {
        match &self.0 {
            Repr::Small(small) => small.find(member).map(|found| found.score),
            Repr::Tree(tree) => tree.score(member),
        }
    }

    /// The rank of a member and its score. If `reverse`, the highest element has rank 0.
    pub fn rank(&self, member: &[u8], reverse: bool) -> Option<(usize, f64)> {
        let (rank, score) = match &self.0 {
            Repr::Small(small) => small.find(member).map(|found| (small.rank(&found), found.score)),
            Repr::Tree(tree) => tree.rank(member),
        }?;
        Some((if reverse { self.len() - 1 - rank } else { rank }, score))
    }

    /// The ranks of the elements with these scores.
    pub fn score_ranks(&self, range: &ScoreRange) -> Range<usize> {
        self.ranks_where(|score, _| range.is_after(score), |score, _| !range.is_before(score))
    }

    /// The ranks of these members, all scores being equal.
    pub fn lex_ranks(&self, range: &LexRange<'_>) -> Range<usize> {
        self.ranks_where(|_, member| range.is_after(member), |_, member| !range.is_before(member))
    }

    /// How many elements come before (score, member), be that an element or not.
    pub fn seek(&self, score: f64, member: &[u8]) -> usize {
        let is_before = |s: f64, m: &[u8]| leaf::order((s, m), (score, member)).is_lt();
        match &self.0 {
            Repr::Small(small) => small.partition_point(is_before),
            Repr::Tree(tree) => tree.partition_point(is_before),
        }
    }

    /// A set of the elements of these ranks, which must exist.
    pub fn part(&self, ranks: Range<usize>, limits: &Limits) -> Zset {
        // Of most of a big one the rest is taken from a clone, which may then have left-over elements.
        if self.is_big_with(ranks.len(), limits) && ranks.len() > self.len() / 2 {
            let mut part = self.freeze();
            part.remove_ranks(ranks.end..self.len());
            part.remove_ranks(0..ranks.start);
            return part;
        }
        let mut part = Zset::for_members(b"", ranks.len(), limits);
        let mut buffer = itoa::Buffer::new();
        self.iter(ranks).for_each(|(member, score)| part.insert(member.text(&mut buffer), score, limits));
        part
    }

    /// Is it a tree, and would a set of so many elements be one whatever these are? Then one may be made of the other.
    fn is_big_with(&self, len: usize, limits: &Limits) -> bool {
        matches!(self.0, Repr::Tree(_)) && len > limits.listpack_entries
    }

    /// The elements of these ranks, which must exist, in order; from both ends.
    pub fn iter(&self, ranks: Range<usize>) -> Iter<'_> {
        assert!(ranks.is_empty() || ranks.end <= self.len(), "ranks are below the number of elements");
        match &self.0 {
            Repr::Small(small) => Iter(IterRepr::Small(small.iter(ranks))),
            Repr::Tree(tree) => Iter(IterRepr::Tree(tree.iter(ranks))),
        }
    }

    /// The element of that rank, which must exist.
    pub fn element(&self, rank: usize) -> (Element<'_>, f64) {
        self.iter(rank..rank + 1).next().expect("the rank is below the number of elements")
    }

    /// `count` different elements by chance, in order, or all if there are no more.
    pub fn sample(&self, count: usize, random: &mut Random) -> Vec<(Element<'_>, f64)> {
        let chosen = random.distinct(count, self.len());
        if matches!(self.0, Repr::Tree(_)) {
            return chosen.into_iter().map(|rank| self.element(rank)).collect();
        }
        let mut chosen = chosen.into_iter().peekable();
        let elements = self.iter(0..self.len()).enumerate();
        elements.filter_map(|(rank, element)| chosen.next_if_eq(&rank).map(|_| element)).collect()
    }

    /// An element by chance; each is as likely.
    pub fn random(&self, random: &mut Random) -> Option<(Element<'_>, f64)> {
        (!self.is_empty()).then(|| self.element(random.below(self.len())))
    }

    /// Shows elements to `found`, from a cursor on and at least `count` of them (all of a listpack), and gives the next cursor;
    /// 0 is the first, and as the result the end. What is there from the first call to the last is shown, whatever comes
    /// and goes and whatever scores change.
    pub fn scan(&self, cursor: u64, count: usize, mut found: impl FnMut(Element<'_>, f64)) -> u64 {
        match &self.0 {
            Repr::Small(small) => {
                small.iter(0..small.len()).for_each(|(member, score)| found(member, score));
                0
            }
            Repr::Tree(tree) => {
                tree.scan(cursor, count, |member, score| found(Element::Bytes(member), score))
            }
        }
    }

    /// Removes a member and gives the score it had.
    pub fn remove(&mut self, member: &[u8]) -> Option<f64> {
        match &mut self.0 {
            Repr::Small(small) => {
                let found = small.find(member)?;
                small.remove(&found);
                Some(found.score)
            }
            Repr::Tree(tree) => tree.remove(member),
        }
    }

    /// Removes the elements of these ranks, which must exist. Of many, most take their memory until [`Zset::clear_some`] and the
    /// writes that follow have cleared it.
    pub fn remove_ranks(&mut self, ranks: Range<usize>) {
        assert!(ranks.is_empty() || ranks.end <= self.len(), "ranks are below the number of elements");
        match &mut self.0 {
            _ if ranks.is_empty() => {}
            Repr::Small(small) => small.remove_ranks(ranks),
            Repr::Tree(tree) => tree.remove_ranks(ranks),
        }
    }

    /// Does it still take memory for elements that were removed?
    pub fn has_left_over(&self) -> bool {
        matches!(&self.0, Repr::Tree(tree) if tree.has_left_over())
    }

    /// Clears the memory of so many elements that were removed. That is no change.
    pub fn clear_some(&mut self, count: usize) {
        if let Repr::Tree(tree) = &mut self.0 {
            tree.clear_some(count);
        }
    }

    /// Adds a member that is not there.
    fn insert(&mut self, member: &[u8], score: f64, limits: &Limits) {
        if let Repr::Small(small) = &self.0 {
            let fits = small.len() < limits.listpack_entries
                && member.len() <= limits.listpack_value
                && small.can_add(member.len());
            if !fits {
                self.convert(limits);
            }
        }
        match &mut self.0 {
            Repr::Small(small) => small.insert(member, score),
            Repr::Tree(tree) => tree.insert(member, score),
        }
    }

    /// Changes the score of a member, which must be there, to another one.
    fn rescore(&mut self, member: &[u8], score: f64) {
        match &mut self.0 {
            Repr::Small(small) => {
                let found = small.find(member).expect("the member is there");
                small.rescore(&found, member, score);
            }
            Repr::Tree(tree) => tree.rescore(member, score),
        }
    }

    /// As a listpack, if that may be.
    fn into_small(self, limits: &Limits) -> Zset {
        let mut elements = self.iter(0..self.len());
        let is_due = matches!(self.0, Repr::Tree(_))
            && self.len() <= limits.listpack_entries
            && elements.all(|(member, _)| member.text_len() <= limits.listpack_value);
        if is_due { self.part(0..self.len(), limits) } else { self }
    }

    /// Makes a tree of a listpack.
    fn convert(&mut self, limits: &Limits) {
        if let Repr::Small(small) = &self.0 {
            let mut tree = Tree::new(limits.hash_seed);
            let mut buffer = itoa::Buffer::new();
            small
                .iter(0..small.len())
                .for_each(|(member, score)| tree.insert(member.text(&mut buffer), score));
            self.0 = Repr::Tree(Box::new(tree));
        }
    }

    /// The ranks from the first element that is not `before` to the first after it that is not `within`.
    fn ranks_where(
        &self,
        before: impl FnMut(f64, &[u8]) -> bool,
        within: impl FnMut(f64, &[u8]) -> bool,
    ) -> Range<usize> {
        let (start, end) = match &self.0 {
            Repr::Small(small) => (small.partition_point(before), small.partition_point(within)),
            Repr::Tree(tree) => (tree.partition_point(before), tree.partition_point(within)),
        };
        start..end.max(start)
    }
}

impl Default for Zset {
    fn default() -> Self {
        Self::new()
    }
}

/// See [`Zset::iter`].
#[derive(Clone)]
pub struct Iter<'a>(IterRepr<'a>);

#[derive(Clone)]
enum IterRepr<'a> {
    Small(small::Iter<'a>),
    Tree(tree::Iter<'a>),
}

impl<'a> Iterator for Iter<'a> {
    type Item = (Element<'a>, f64);

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            IterRepr::Small(pairs) => pairs.next(),
            IterRepr::Tree(elements) => {
                elements.next().map(|(member, score)| (Element::Bytes(member), score))
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match &self.0 {
            IterRepr::Small(pairs) => pairs.size_hint(),
            IterRepr::Tree(elements) => elements.size_hint(),
        }
    }
}

impl DoubleEndedIterator for Iter<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            IterRepr::Small(pairs) => pairs.next_back(),
            IterRepr::Tree(elements) => {
                elements.next_back().map(|(member, score)| (Element::Bytes(member), score))
            }
        }
    }
}

impl ExactSizeIterator for Iter<'_> {}

#[cfg(test)]
mod tests;
