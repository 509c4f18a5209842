//! Members that are taken away by chance: SPOP.
//!
//! Nothing is allocated, or freed, for each of many members.

use super::{Limits, Repr, Set};
use crate::types::intset::Intset;
use crate::types::listpack::{Element, Listpack};
use crate::types::table::{Members, Table};
use crate::util::random::Random;

/// A new set is made of what is left when this many times as much is taken.
const POP_MOST: usize = 5;

/// What was taken from a set.
pub struct Popped {
    len: usize,
    kept: Kept,
}

enum Kept {
    /// The members one behind the other, and where each of them ends.
    Texts { bytes: Vec<u8>, ends: Vec<usize> },
    /// The set as it was, and which members of it are left, ascending.
    Rest { was: Table<Members>, left: Vec<usize> },
}

impl Popped {
    /// Nothing.
    pub fn nothing() -> Self {
        Self { len: 0, kept: Kept::Texts { bytes: Vec::new(), ends: Vec::new() } }
    }

    fn texts<'a>(members: impl Iterator<Item = Element<'a>>) -> Self {
        let (mut bytes, mut ends, mut buffer) = (Vec::new(), Vec::new(), itoa::Buffer::new());
        for member in members {
            bytes.extend_from_slice(member.text(&mut buffer));
            ends.push(bytes.len());
        }
        Self { len: ends.len(), kept: Kept::Texts { bytes, ends } }
    }

    /// The number of members.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Them.
    pub fn members(&self) -> Vec<&[u8]> {
        match &self.kept {
            Kept::Texts { bytes, ends } => {
                let starts = std::iter::once(0).chain(ends.iter().copied());
                starts.zip(ends).map(|(start, &end)| &bytes[start..end]).collect()
            }
            Kept::Rest { was, left } => {
                let (mut left, mut popped) = (left.iter().peekable(), Vec::with_capacity(self.len));
                let members = was.iter().enumerate();
                popped.extend(
                    members.filter(|(at, _)| left.next_if_eq(&at).is_none()).map(|(_, (member, ()))| member),
                );
                popped
            }
        }
    }

    /// What is to be freed where nobody waits for it.
    pub fn into_garbage(self) -> Option<Set> {
        match self.kept {
            Kept::Texts { .. } => None,
            Kept::Rest { was, .. } => Some(Set { repr: Repr::Table(was) }),
        }
    }
}

impl Set {
    /// Removes up to `count` members by chance and gives them.
    pub fn pop(&mut self, count: usize, limits: &Limits, random: &mut Random) -> Popped {
        let left = self.len().saturating_sub(count);
        if left.saturating_mul(POP_MOST) <= count {
            return self.pop_most(left, limits, random);
        }
        let popped = Popped::texts(self.sample(count, random).into_iter());
        for member in popped.members() {
            self.remove(member);
        }
        popped
    }

    /// Removes all but `left` members. What is left is a new set, as small as it can be.
    fn pop_most(&mut self, left: usize, limits: &Limits, random: &mut Random) -> Popped {
        let left = random.distinct(left, self.len());
        let kept = self.at(&left);
        let repr = match kept.first() {
            Some(Element::Int(_)) => Repr::Intset(Intset::new()),
            Some(Element::Bytes(_)) | None => Repr::Listpack(Listpack::new()),
        };
        let mut rest = Self { repr };
        let mut buffer = itoa::Buffer::new();
        for member in &kept {
            rest.add(member.text(&mut buffer), limits);
        }
        if let Repr::Table(_) = &self.repr {
            let len = self.len() - rest.len();
            let was = std::mem::replace(self, rest);
            let Repr::Table(was) = was.repr else { unreachable!("it was a table a moment ago") };
            return Popped { len, kept: Kept::Rest { was, left } };
        }
        let popped = Popped::texts(self.iter().filter(|member| !rest.contains_element(*member)));
        *self = rest;
        popped
    }
}
