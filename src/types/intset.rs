//! Intset: a sorted array of integers, byte for byte as Redis keeps it.
//!
//! ```text
//! intset   width in bytes: 2, 4 or 8 (4, little-endian) | members (4, little-endian) | member …
//! ```
//!
//! * Members are signed, little-endian, ascending, without duplicates, and all of the same width: that of the widest
//!   that was ever added. It does not become narrower when that one is removed.
//! * [`Intset::from_bytes`] is the one way in for bytes from outside, and it checks all of them.
//! * It has no limit of its own below that of the format; the set converts long before.

use std::cmp::Ordering;
use std::fmt;

use super::Malformed;
use crate::util::capacity::{give_back, reserve};

/// Bytes before the first member.
const HEADER_LEN: usize = 8;

/// An intset.
#[derive(Clone, PartialEq, Eq)]
pub struct Intset {
    bytes: Vec<u8>,
}

impl Intset {
    /// An empty intset.
    pub fn new() -> Self {
        Self { bytes: vec![2, 0, 0, 0, 0, 0, 0, 0] }
    }

    /// Takes bytes from outside after checking all of them. Redis does not accept an empty intset either.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, Malformed> {
        let &[w, 0, 0, 0, a, b, c, d, ref members @ ..] = &bytes[..] else { return Err(Malformed) };
        let len = u32::from_le_bytes([a, b, c, d]) as usize;
        if !matches!(w, 2 | 4 | 8) || len == 0 || len.checked_mul(usize::from(w)) != Some(members.len()) {
            return Err(Malformed);
        }
        let intset = Self { bytes };
        let ascends = intset.iter().is_sorted_by(|a, b| a < b);
        if ascends { Ok(intset) } else { Err(Malformed) }
    }

    /// All its bytes, as DUMP holds them.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Number of members.
    pub fn len(&self) -> usize {
        (self.bytes.len() - HEADER_LEN) / self.width()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.bytes.len() == HEADER_LEN
    }

    /// Bytes of heap memory.
    pub fn memory_bytes(&self) -> usize {
        self.bytes.capacity()
    }

    /// The member with this index, in ascending order.
    pub fn get(&self, index: usize) -> Option<i64> {
        (index < self.len()).then(|| self.at(index))
    }

    /// The members in ascending order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = i64> + ExactSizeIterator + Clone + use<'_> {
        (0..self.len()).map(|index| self.at(index))
    }

    /// Whether `member` is there.
    pub fn contains(&self, member: i64) -> bool {
        self.find(member).is_ok()
    }

    /// Adds a member. `false`: it is there already.
    pub fn insert(&mut self, member: i64) -> bool {
        let Err(index) = self.find(member) else { return false };
        self.widen(width_of(member));
        let width = self.width();
        let at = HEADER_LEN + index * width;
        let old_len = self.bytes.len();
        reserve(&mut self.bytes, width);
        self.bytes.resize(old_len + width, 0);
        self.bytes.copy_within(at..old_len, at + width);
        self.bytes[at..at + width].copy_from_slice(&member.to_le_bytes()[..width]);
        self.write_len();
        true
    }

    /// Removes a member. `false`: it is not there.
    pub fn remove(&mut self, member: i64) -> bool {
        let Ok(index) = self.find(member) else { return false };
        let width = self.width();
        let at = HEADER_LEN + index * width;
        self.bytes.drain(at..at + width);
        give_back(&mut self.bytes);
        self.write_len();
        true
    }

    fn width(&self) -> usize {
        usize::from(self.bytes[0])
    }

    fn at(&self, index: usize) -> i64 {
        let width = self.width();
        let start = HEADER_LEN + index * width;
        let member = &self.bytes[start..start + width];
        match *member {
            [a, b] => i64::from(i16::from_le_bytes([a, b])),
            [a, b, c, d] => i64::from(i32::from_le_bytes([a, b, c, d])),
            _ => i64::from_le_bytes(member.try_into().expect("the widest members have eight bytes")),
        }
    }

    /// The index of `member`, or else the one that it gets.
    fn find(&self, member: i64) -> Result<usize, usize> {
        let len = self.len();
        // Appending in order is common, and a member too wide to be there is at one of the ends.
        match len.checked_sub(1).map(|last| member.cmp(&self.at(last))) {
            None | Some(Ordering::Greater) => return Err(len),
            Some(Ordering::Equal) => return Ok(len - 1),
            Some(Ordering::Less) => {}
        }
        let (mut low, mut high) = (0, len);
        while low < high {
            let middle = low.midpoint(high);
            match self.at(middle).cmp(&member) {
                Ordering::Less => low = middle + 1,
                Ordering::Greater => high = middle,
                Ordering::Equal => return Ok(middle),
            }
        }
        Err(low)
    }

    /// Gives all members this width, if theirs is lower.
    fn widen(&mut self, width: usize) {
        if width <= self.width() {
            return;
        }
        let len = self.len();
        let mut bytes = Vec::new();
        reserve(&mut bytes, HEADER_LEN + (len + 1) * width);
        bytes.extend_from_slice(&(width as u32).to_le_bytes());
        bytes.extend_from_slice(&self.bytes[4..HEADER_LEN]);
        self.iter().for_each(|member| bytes.extend_from_slice(&member.to_le_bytes()[..width]));
        self.bytes = bytes;
    }

    fn write_len(&mut self) {
        let len = self.len() as u32;
        self.bytes[4..HEADER_LEN].copy_from_slice(&len.to_le_bytes());
    }
}

impl Default for Intset {
    fn default() -> Self {
        Self::new()
    }
}

impl FromIterator<i64> for Intset {
    fn from_iter<I: IntoIterator<Item = i64>>(members: I) -> Self {
        let mut intset = Self::new();
        for member in members {
            intset.insert(member);
        }
        intset
    }
}

impl fmt::Debug for Intset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// Bytes that a member needs.
fn width_of(member: i64) -> usize {
    if i16::try_from(member).is_ok() {
        2
    } else if i32::try_from(member).is_ok() {
        4
    } else {
        8
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::util::random::Random;

    fn of(members: impl IntoIterator<Item = i64>) -> Intset {
        members.into_iter().collect()
    }

    #[test]
    fn bytes_are_those_of_redis() {
        assert_eq!(of([3, 1, -2, 1]).as_bytes(), b"\x02\0\0\0\x03\0\0\0\xfe\xff\x01\0\x03\0");
        let wide = b"\x04\0\0\0\x02\0\0\0\x01\0\0\0\0\0\x01\0";
        assert_eq!(of([65_536, 1]).as_bytes(), wide);
        let widest = b"\x08\0\0\0\x02\0\0\0\0\0\0\0\0\0\0\x80\x01\0\0\0\0\0\0\0";
        let mut intset = of([i64::MIN, 1]);
        assert_eq!(intset.as_bytes(), widest);
        assert!(intset.remove(i64::MIN));
        assert_eq!(intset.as_bytes(), b"\x08\0\0\0\x01\0\0\0\x01\0\0\0\0\0\0\0", "it stays wide");
    }

    #[test]
    fn random_operations_do_to_an_intset_what_they_do_to_a_set() {
        for seed in 0..40 {
            println!("seed {seed}");
            let mut random = Random::new(seed);
            let (mut intset, mut model) = (Intset::new(), BTreeSet::new());
            for _ in 0..600 {
                // Half of the seeds use few numbers, so that they are met again.
                let bits = if seed % 2 == 0 { 58 } else { random.below(64) };
                let member = (random.next() as i64) >> bits;
                if random.below(3) > 0 {
                    assert_eq!(intset.insert(member), model.insert(member));
                } else {
                    assert_eq!(intset.remove(member), model.remove(&member));
                }
                assert_eq!(intset.contains(member), model.contains(&member));
                assert_eq!(intset.len(), model.len());
            }
            assert!(intset.iter().eq(model.iter().copied()));
            assert!(intset.iter().rev().eq(model.iter().rev().copied()));
            assert_eq!(intset.get(0), model.first().copied());
            assert_eq!(intset.get(model.len()), None);
            assert_eq!(Intset::from_bytes(intset.as_bytes().to_vec()), Ok(intset));
        }
    }

    #[test]
    fn memory_is_tight_and_given_back() {
        let mut intset = of(0..10_000);
        assert!(intset.memory_bytes() < 22_600, "{}", intset.memory_bytes());
        (5..10_000).for_each(|member| assert!(intset.remove(member)));
        assert!(intset.memory_bytes() <= 64);
    }

    #[test]
    fn malformed_bytes_are_refused() {
        let cases: [&[u8]; 10] = [
            b"",
            b"\x02\0\0\0\0\0\0",
            b"\x02\0\0\0\0\0\0\0",
            b"\x03\0\0\0\x01\0\0\0\x01\0\x01",
            b"\x02\x01\0\0\x01\0\0\0\x01\0",
            b"\x02\0\0\0\x02\0\0\0\x01\0",
            b"\x02\0\0\0\x01\0\0\0\x01\0\x02\0",
            b"\x02\0\0\0\x02\0\0\0\x01\0\x01\0",
            b"\x02\0\0\0\x02\0\0\0\x02\0\x01\0",
            b"\x08\0\0\0\xff\xff\xff\xff\x01\0\0\0\0\0\0\0",
        ];
        for case in cases {
            assert_eq!(Intset::from_bytes(case.to_vec()), Err(Malformed), "{}", case.escape_ascii());
        }
        assert!(Intset::from_bytes(b"\x02\0\0\0\x02\0\0\0\xff\xff\x01\0".to_vec()).is_ok());
    }
}
