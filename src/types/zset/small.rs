//! The encoding of small sorted sets: a listpack of members and scores, in the order of (score, member).
//!
//! A whole score is an integer of the listpack and any other one the text that clients see, as in Redis; so −0 becomes 0.

use std::ops::Range;

use super::leaf::order;
use crate::types::Malformed;
use crate::types::listpack::{self, Element, Listpack, Position};
use crate::util::double::{self, DoubleText};

/// See the module's doc.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Small {
    pairs: Listpack,
}

/// Where an element is.
pub(super) struct Found {
    position: Position,
    pub(super) score: f64,
}

impl Small {
    /// Takes pairs that came from outside.
    pub(super) fn from_listpack(pairs: Listpack) -> Result<Self, Malformed> {
        let mut last: Option<(f64, Vec<u8>)> = None;
        let mut elements = pairs.iter();
        while let Some(member) = elements.next() {
            let score = elements.next().and_then(parse_score).ok_or(Malformed)?;
            let member = member.to_vec();
            if last.is_some_and(|last| order((last.0, &last.1), (score, &member)).is_ge()) {
                return Err(Malformed);
            }
            last = Some((score, member));
        }
        let small = Small { pairs };
        // What is in order can still have a member twice, with different scores.
        let mut members: Vec<Vec<u8>> =
            small.iter(0..small.len()).map(|(member, _)| member.to_vec()).collect();
        members.sort_unstable();
        let is_distinct = members.windows(2).all(|pair| pair[0] != pair[1]);
        if is_distinct { Ok(small) } else { Err(Malformed) }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.pairs.as_bytes()
    }

    pub(super) fn raw_memory(&self) -> &[u8] {
        self.pairs.raw_memory()
    }

    pub(super) fn len(&self) -> usize {
        self.pairs.len() / 2
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.pairs.memory_bytes()
    }

    /// Whether there is room in a listpack for a member of this length.
    pub(super) fn can_add(&self, member_len: usize) -> bool {
        /// Bytes that a score and the lengths take at most.
        const REST: usize = 64;
        self.pairs.can_add(member_len.saturating_add(REST))
    }

    pub(super) fn find(&self, member: &[u8]) -> Option<Found> {
        let position = self.pairs.find(self.pairs.first()?, member, 1)?;
        Some(Found { position, score: self.score_at(position) })
    }

    /// The rank of an element that was found.
    pub(super) fn rank(&self, found: &Found) -> usize {
        self.len() - self.pairs.iter_from(found.position).count() / 2
    }

    /// The elements of these ranks.
    pub(super) fn iter(&self, ranks: Range<usize>) -> Iter<'_> {
        let mut elements = self.pairs.iter();
        if !ranks.is_empty() {
            let pass = |pairs: usize| (2 * pairs).checked_sub(1);
            pass(ranks.start).and_then(|last| elements.nth(last));
            pass(self.len() - ranks.end).and_then(|last| elements.nth_back(last));
        }
        Iter { elements, left: ranks.len() }
    }

    /// How many elements in order are those for which `is_before` holds, up to the first for which it does not.
    pub(super) fn partition_point(&self, mut is_before: impl FnMut(f64, &[u8]) -> bool) -> usize {
        let mut buffer = itoa::Buffer::new();
        self.iter(0..self.len())
            .take_while(|(member, score)| is_before(*score, member.text(&mut buffer)))
            .count()
    }

    /// Adds a member that is not there.
    pub(super) fn insert(&mut self, member: &[u8], score: f64) {
        let place = self.place(member, score);
        self.pairs.splice(place, 0, &[Element::new(member), score_element(score, &DoubleText::new(score))]);
    }

    /// Gives an element that was found another score.
    pub(super) fn rescore(&mut self, found: &Found, member: &[u8], score: f64) {
        self.remove(found);
        self.insert(member, score);
    }

    /// Where an element belongs; `None` is the end.
    fn place(&self, member: &[u8], score: f64) -> Option<Position> {
        // Many sets grow at the end.
        if parse_score(self.pairs.get(self.pairs.last()?)).is_some_and(|last| last < score) {
            return None;
        }
        let mut buffer = itoa::Buffer::new();
        let mut elements = self.pairs.iter();
        loop {
            let position = elements.position()?;
            let (other_member, other) = (elements.next()?, elements.next().and_then(parse_score)?);
            // Members are looked at where scores say nothing.
            if other > score || other == score && other_member.text(&mut buffer) > member {
                return Some(position);
            }
        }
    }

    pub(super) fn remove(&mut self, found: &Found) {
        self.pairs.remove_many(found.position, 2);
    }

    pub(super) fn remove_ranks(&mut self, ranks: Range<usize>) {
        if let Some(position) = self.pairs.seek(2 * ranks.start as i64) {
            self.pairs.remove_many(position, 2 * ranks.len());
        }
    }

    fn score_at(&self, member: Position) -> f64 {
        let score = self.pairs.next(member).expect("every member has a score");
        parse_score(self.pairs.get(score)).expect("scores were written or checked here")
    }
}

/// The score that an element is.
fn parse_score(element: Element<'_>) -> Option<f64> {
    match element {
        Element::Int(score) => Some(score as f64),
        // Out of range is no reason to refuse what another server has written.
        Element::Bytes(text) if !text.is_empty() => double::parse_lenient(text),
        Element::Bytes(_) => None,
    }
}

/// The element that a score is. `text` is its text.
fn score_element(score: f64, text: &DoubleText) -> Element<'_> {
    // Zero has no sign here, which its text would have.
    if score == 0.0 { Element::Int(0) } else { Element::new(text.as_bytes()) }
}

/// Pairs from either end.
#[derive(Clone)]
pub(super) struct Iter<'a> {
    elements: listpack::Iter<'a>,
    left: usize,
}

impl<'a> Iterator for Iter<'a> {
    type Item = (Element<'a>, f64);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let member = self.elements.next()?;
        Some((member, parse_score(self.elements.next()?)?))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl DoubleEndedIterator for Iter<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let score = parse_score(self.elements.next_back()?)?;
        Some((self.elements.next_back()?, score))
    }
}
