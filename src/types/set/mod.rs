//! The set type.
//!
//! * Three encodings, as OBJECT ENCODING names them: `intset` while all members are integers and few, `listpack` while
//!   they are few and short, `hashtable` otherwise. They change when Redis's do, and never back, but for what SPOP leaves
//!   of a set that it nearly empties.
//! * The first two are Redis's bytes, so that DUMP is a copy. The third is a [`Table`], whose members are shared with
//!   frozen copies chunk by chunk.
//! * An intset's members come in ascending order and a listpack's in the order they were added; a table's order is that of
//!   their hashes.
//!
//! The operations on several sets are in [`algebra`].

pub mod algebra;
mod iter;
mod pop;

use std::collections::HashSet;

use super::Malformed;
use super::intset::Intset;
use super::listpack::{BYTES_MAX, Element, Listpack};
use super::table::{Members, Table};
use crate::util::number::{decimal_len, parse_i64};
use crate::util::random::Random;

pub use iter::Iter;
pub use pop::Popped;

/// More than an integer takes in a listpack.
const INTEGER_BYTES_MAX: usize = 12;
/// The most members of an intset, whatever its limit.
const INTSET_ENTRIES_MAX: usize = 1 << 30;
/// If one of so many members is wanted, they are found on a walk along all.
const WALK: usize = 16;

/// Up to what a set is small, and what a big one needs.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// `set-max-intset-entries`.
    pub intset_entries: usize,
    /// `set-max-listpack-entries`.
    pub listpack_entries: usize,
    /// `set-max-listpack-value`, in bytes.
    pub listpack_value: usize,
    /// The dataset's seed for the hashes of members.
    pub hash_seed: u64,
}

/// How a set is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// A sorted array of integers.
    Intset,
    /// A listpack of members.
    Listpack,
    /// A hash table.
    Hashtable,
}

impl Encoding {
    /// The name that OBJECT ENCODING replies with.
    pub fn name(self) -> &'static str {
        match self {
            Self::Intset => "intset",
            Self::Listpack => "listpack",
            Self::Hashtable => "hashtable",
        }
    }
}

/// A set.
#[derive(Clone)]
pub struct Set {
    repr: Repr,
}

#[derive(Clone)]
enum Repr {
    Intset(Intset),
    Listpack(Listpack),
    Table(Table<Members>),
}

impl Set {
    /// An empty set in the encoding for `count` members of which `first` is one.
    pub fn for_members(first: &[u8], count: usize, limits: &Limits) -> Self {
        let repr = if parse_i64(first).is_some() && count <= limits.intset_entries {
            Repr::Intset(Intset::new())
        } else if count <= limits.listpack_entries {
            Repr::Listpack(Listpack::new())
        } else {
            Repr::Table(Table::new(limits.hash_seed))
        };
        Self { repr }
    }

    /// An empty set for `count` members of a file, which come one by one.
    pub fn for_loading(count: usize, limits: &Limits) -> Self {
        let is_big = count > limits.intset_entries.min(INTSET_ENTRIES_MAX);
        let repr =
            if is_big { Repr::Table(Table::new(limits.hash_seed)) } else { Repr::Intset(Intset::new()) };
        Self { repr }
    }

    /// A set of the bytes of an intset from outside.
    pub fn from_intset(bytes: Vec<u8>, limits: &Limits) -> Result<Self, Malformed> {
        let intset = Intset::from_bytes(bytes)?;
        let over = intset.len() > limits.intset_entries;
        let mut set = Self { repr: Repr::Intset(intset) };
        if over {
            set.convert_to_table(limits);
        }
        Ok(set)
    }

    /// A set of the bytes of a listpack from outside. It must have members, and none of them twice.
    pub fn from_listpack(bytes: Vec<u8>, limits: &Limits) -> Result<Self, Malformed> {
        let listpack = Listpack::from_bytes(bytes)?;
        let mut seen = HashSet::new();
        if listpack.is_empty() || !listpack.iter().all(|member| seen.insert(member.to_vec())) {
            return Err(Malformed);
        }
        let mut set = Self { repr: Repr::Listpack(listpack) };
        if seen.len() > limits.listpack_entries {
            set.convert_to_table(limits);
        }
        Ok(set)
    }

    /// How it is kept.
    pub fn encoding(&self) -> Encoding {
        match self.repr {
            Repr::Intset(_) => Encoding::Intset,
            Repr::Listpack(_) => Encoding::Listpack,
            Repr::Table(_) => Encoding::Hashtable,
        }
    }

    /// The bytes of the intset or listpack that it is, as DUMP holds them.
    pub fn small_bytes(&self) -> Option<&[u8]> {
        match &self.repr {
            Repr::Intset(intset) => Some(intset.as_bytes()),
            Repr::Listpack(listpack) => Some(listpack.as_bytes()),
            Repr::Table(_) => None,
        }
    }

    /// The memory where those are, found without looking there.
    pub fn small_memory(&self) -> Option<&[u8]> {
        match &self.repr {
            Repr::Intset(intset) => Some(intset.as_bytes()),
            Repr::Listpack(listpack) => Some(listpack.raw_memory()),
            Repr::Table(_) => None,
        }
    }

    /// Number of members.
    pub fn len(&self) -> usize {
        match &self.repr {
            Repr::Intset(intset) => intset.len(),
            Repr::Listpack(listpack) => listpack.len(),
            Repr::Table(table) => table.len(),
        }
    }

    /// Whether it has none. Such a set's key is to be deleted.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of heap memory.
    pub fn memory_bytes(&self) -> usize {
        match &self.repr {
            Repr::Intset(intset) => intset.memory_bytes(),
            Repr::Listpack(listpack) => listpack.memory_bytes(),
            Repr::Table(table) => table.memory_bytes(),
        }
    }

    /// A copy of this moment: of a table in constant time, else of the few bytes.
    pub fn freeze(&self) -> Self {
        self.clone()
    }

    /// Is it big, and a frozen copy of the other or the other of it, unchanged since? Then it has the same elements; if not, it
    /// may have them.
    pub fn is_shared_with(&self, other: &Self) -> bool {
        matches!((&self.repr, &other.repr), (Repr::Table(a), Repr::Table(b)) if a.is_shared_with(b))
    }

    /// Is it a table, and would a set of so many members be one whatever these are? Then one may be made of the other.
    fn is_big_with(&self, len: usize, limits: &Limits) -> bool {
        matches!(self.repr, Repr::Table(_)) && len > limits.intset_entries.max(limits.listpack_entries)
    }

    /// Whether `member` is there.
    pub fn contains(&self, member: &[u8]) -> bool {
        match &self.repr {
            Repr::Intset(intset) => parse_i64(member).is_some_and(|number| intset.contains(number)),
            Repr::Listpack(listpack) => {
                listpack.first().is_some_and(|first| listpack.find(first, member, 0).is_some())
            }
            Repr::Table(table) => table.contains(member),
        }
    }

    /// [`Set::contains`] for a member of another set.
    pub fn contains_element(&self, member: Element<'_>) -> bool {
        match (&self.repr, member) {
            (Repr::Intset(intset), Element::Int(number)) => intset.contains(number),
            _ => self.contains(member.text(&mut itoa::Buffer::new())),
        }
    }

    /// Converts it before `count` members are added at once, if so many are too many for its encoding.
    pub fn prepare(&mut self, count: usize, limits: &Limits) {
        let count_max = match self.repr {
            Repr::Intset(_) => limits.intset_entries,
            Repr::Listpack(_) => limits.listpack_entries,
            Repr::Table(_) => return,
        };
        if count > count_max {
            self.convert_to_table(limits);
        }
    }

    /// Adds a member. `false`: it is there already.
    pub fn add(&mut self, member: &[u8], limits: &Limits) -> bool {
        match &mut self.repr {
            Repr::Intset(intset) => match parse_i64(member) {
                Some(number) => {
                    let added = intset.insert(number);
                    if added && intset.len() > limits.intset_entries.min(INTSET_ENTRIES_MAX) {
                        self.convert_to_table(limits);
                    }
                    return added;
                }
                None => self.leave_intset(member, limits),
            },
            Repr::Listpack(listpack) => {
                if listpack.first().is_some_and(|first| listpack.find(first, member, 0).is_some()) {
                    return false;
                }
                if listpack.len() >= limits.listpack_entries
                    || member.len() > limits.listpack_value
                    || !listpack.can_add(member.len() + INTEGER_BYTES_MAX)
                {
                    self.convert_to_table(limits);
                }
            }
            Repr::Table(_) => {}
        }
        match &mut self.repr {
            Repr::Table(table) => return table.insert(member, ()),
            Repr::Listpack(listpack) => listpack.push_back(Element::new(member)),
            Repr::Intset(_) => unreachable!("a set with a member that is no integer is no intset"),
        }
        true
    }

    /// Removes a member. `false`: it is not there.
    pub fn remove(&mut self, member: &[u8]) -> bool {
        match &mut self.repr {
            Repr::Intset(intset) => parse_i64(member).is_some_and(|number| intset.remove(number)),
            Repr::Listpack(listpack) => {
                let found = listpack.first().and_then(|first| listpack.find(first, member, 0));
                found.map(|position| listpack.remove(position)).is_some()
            }
            Repr::Table(table) => table.remove(member),
        }
    }

    /// All members.
    pub fn iter(&self) -> Iter<'_> {
        match &self.repr {
            Repr::Intset(intset) => Iter::intset(intset),
            Repr::Listpack(listpack) => Iter::listpack(listpack),
            Repr::Table(table) => Iter::table(table),
        }
    }

    /// A step of SSCAN: hands out about `count` members from `cursor` on and returns the next cursor. Small sets are handed
    /// out whole, whatever the cursor. The promises are those of [`Table::scan`].
    pub fn scan(&self, cursor: u64, count: usize, mut found: impl FnMut(Element<'_>)) -> u64 {
        if let Repr::Table(table) = &self.repr {
            return table.scan(cursor, count, |member, ()| found(Element::Bytes(member)));
        }
        self.iter().for_each(found);
        0
    }

    /// A member by chance; each is as likely.
    pub fn random(&self, random: &mut Random) -> Option<Element<'_>> {
        self.len().checked_sub(1).and_then(|last| self.nth(random.below(last + 1)))
    }

    /// `count` different members by chance, or all if there are no more. Their order is not random.
    pub fn sample(&self, count: usize, random: &mut Random) -> Vec<Element<'_>> {
        self.at(&random.distinct(count, self.len()))
    }

    /// The members with these indices, which ascend and are below the number of members.
    fn at(&self, chosen: &[usize]) -> Vec<Element<'_>> {
        if matches!(self.repr, Repr::Listpack(_)) || chosen.len() > self.len() / WALK {
            let mut chosen = chosen.iter().peekable();
            let members = self.iter().enumerate();
            return members.filter_map(|(at, member)| chosen.next_if_eq(&&at).map(|_| member)).collect();
        }
        chosen.iter().filter_map(|&index| self.nth(index)).collect()
    }

    fn nth(&self, index: usize) -> Option<Element<'_>> {
        match &self.repr {
            Repr::Intset(intset) => intset.get(index).map(Element::Int),
            Repr::Listpack(listpack) => listpack.seek(index as i64).map(|position| listpack.get(position)),
            Repr::Table(table) => table.nth(index).map(|(member, ())| Element::Bytes(member)),
        }
    }

    /// Converts an intset to what can hold `member`, which is no integer.
    fn leave_intset(&mut self, member: &[u8], limits: &Limits) {
        let Repr::Intset(intset) = &self.repr else { return };
        let last = intset.len().saturating_sub(1);
        let widest = [0, last].iter().filter_map(|&index| intset.get(index)).map(decimal_len).max();
        let fits = intset.len() < limits.listpack_entries
            && member.len() <= limits.listpack_value
            && widest.unwrap_or(0) <= limits.listpack_value
            && intset.len().saturating_mul(INTEGER_BYTES_MAX) <= BYTES_MAX / 2
            && member.len() <= BYTES_MAX / 2;
        if fits {
            self.repr = Repr::Listpack(Listpack::of(intset.iter().map(Element::Int)));
        } else {
            self.convert_to_table(limits);
        }
    }

    fn convert_to_table(&mut self, limits: &Limits) {
        let mut table = Table::new(limits.hash_seed);
        let mut buffer = itoa::Buffer::new();
        for member in self.iter() {
            table.insert(member.text(&mut buffer), ());
        }
        self.repr = Repr::Table(table);
    }
}

#[cfg(test)]
mod tests;
