//! The index of a run: where each block begins, in the file and in the order of keys. Drawn in [`super`].
//!
//! It stays in memory, 24 bytes a block. Hashes are evenly spread, so a lookup guesses by proportion and looks at a few
//! rows near the guess, whatever their number.

use super::block::FRAME_BYTES;
use super::{NO_EXPIRY, NamespaceId, Position};
use crate::coding::{take_u32, take_u64};

/// The size of a row on disk.
pub const ROW_BYTES: usize = 32;
/// A range this short is searched without another guess.
const GUESSED_ROWS_MIN: usize = 16;

/// A block that is still on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockRef {
    /// Its number in the run, from 0.
    pub number: usize,
    /// The position of its first entry.
    pub first: Position,
    /// Where it begins in the file.
    pub offset: u64,
    /// How long it is in the file, in bytes.
    pub length: u64,
    /// When the first of its entries expires or is due, in milliseconds since 1970, if any does.
    pub least_expiry_ms: Option<u64>,
}

/// All blocks of a run, in order.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Index {
    /// Each namespace, and its first block.
    namespaces: Vec<(NamespaceId, usize)>,
    /// Each block's first hash; they ascend within a namespace.
    hashes: Vec<u64>,
    /// Where each block begins, and where the last one ends once that is known.
    offsets: Vec<u64>,
    /// When each block's first entry expires or is due.
    expiries: Vec<u64>,
}

impl Index {
    /// Adds a block behind those before it.
    pub fn push(&mut self, first: Position, offset: u64, least_expiry_ms: u64) {
        if self.namespaces.last().is_none_or(|last| last.0 != first.namespace) {
            self.namespaces.push((first.namespace, self.hashes.len()));
        }
        self.hashes.push(first.hash);
        self.offsets.push(offset);
        self.expiries.push(least_expiry_ms);
    }

    /// Says where the last block ends; only then is [`Index::block`] of use.
    pub fn end_at(&mut self, end: u64) {
        self.offsets.push(end);
    }

    /// The number of blocks.
    pub fn len(&self) -> usize {
        self.hashes.len()
    }

    /// What the index takes in memory, in bytes.
    pub fn size_bytes(&self) -> u64 {
        3 * size_of::<u64>() as u64 * self.len() as u64
    }

    /// A row as it is on disk.
    pub fn row(&self, number: usize) -> [u8; ROW_BYTES] {
        let mut row = [0; ROW_BYTES];
        row[..4].copy_from_slice(&self.namespace(number).0.to_le_bytes());
        for (i, field) in
            [self.hashes[number], self.offsets[number], self.expiries[number]].iter().enumerate()
        {
            row[8 * (i + 1)..][..8].copy_from_slice(&field.to_le_bytes());
        }
        row
    }

    /// Reads the rows of blocks that end at `end`; `None` if they make no sense.
    pub fn decode(mut bytes: &[u8], end: u64) -> Option<Self> {
        let mut index = Self::default();
        let mut before: Option<(Position, u64)> = None;
        while !bytes.is_empty() {
            let namespace = NamespaceId(take_u32(&mut bytes)?);
            let zero = take_u32(&mut bytes)?;
            let first = Position { namespace, hash: take_u64(&mut bytes)? };
            let (offset, expiry) = (take_u64(&mut bytes)?, take_u64(&mut bytes)?);
            let follows = match before {
                None => offset == 0,
                Some((position, begin)) => first > position && long_enough(begin, offset),
            };
            if zero != 0 || !follows {
                return None;
            }
            before = Some((first, offset));
            index.push(first, offset, expiry);
        }
        index.end_at(end);
        before.is_some_and(|(_, offset)| long_enough(offset, end)).then_some(index)
    }

    /// The block with this number.
    pub fn block(&self, number: usize) -> BlockRef {
        let offset = self.offsets[number];
        BlockRef {
            number,
            first: Position { namespace: self.namespace(number), hash: self.hashes[number] },
            offset,
            length: self.offsets[number + 1] - offset,
            least_expiry_ms: Some(self.expiries[number]).filter(|&expiry| expiry != NO_EXPIRY),
        }
    }

    /// The one block that may hold entries of `position`, if any.
    pub fn find(&self, position: Position) -> Option<usize> {
        self.search(position).ok()
    }

    /// The first block that may hold an entry at or behind `position`; [`Index::len`] if there is none.
    pub fn seek(&self, position: Position) -> usize {
        self.search(position).unwrap_or_else(|next| next)
    }

    /// The last block that begins at or before `position` in its namespace; otherwise the first one behind it.
    fn search(&self, position: Position) -> Result<usize, usize> {
        let at = self.namespaces.partition_point(|&(namespace, _)| namespace < position.namespace);
        let Some(&(namespace, start)) = self.namespaces.get(at) else { return Err(self.len()) };
        if namespace != position.namespace {
            return Err(start);
        }
        let end = self.namespaces.get(at + 1).map_or(self.len(), |&(_, next)| next);
        match last_at_most(&self.hashes[start..end], position.hash) {
            Some(found) => Ok(start + found),
            None => Err(start),
        }
    }

    fn namespace(&self, number: usize) -> NamespaceId {
        let behind = self.namespaces.partition_point(|&(_, first)| first <= number);
        self.namespaces[behind - 1].0
    }
}

fn long_enough(begin: u64, end: u64) -> bool {
    end.checked_sub(begin).is_some_and(|length| length > FRAME_BYTES as u64)
}

/// The last of ascending, evenly spread `hashes` that is not above `hash`.
fn last_at_most(hashes: &[u64], hash: u64) -> Option<usize> {
    if *hashes.first()? > hash {
        return None;
    }
    let (mut low, mut high) = (0, hashes.len() - 1);
    if hashes[high] <= hash {
        return Some(high);
    }
    // From here on hashes[low] <= hash < hashes[high].
    while high - low > GUESSED_ROWS_MIN {
        let span = high - low;
        let share = (hash - hashes[low]) as f64 / (hashes[high] - hashes[low]) as f64;
        let guess = low + (share * span as f64) as usize;
        // Evenly spread hashes deviate by about the root of their number. If these do, the range shrinks to that.
        let reach = span.isqrt();
        let left = guess.saturating_sub(reach).max(low);
        let right = (guess + reach).min(high);
        if hashes[left] > hash {
            high = left;
        } else if hashes[right] <= hash {
            low = right;
        } else {
            (low, high) = (left, right);
        }
        // If they do not, halving bounds the work.
        let middle = low.midpoint(high);
        match hashes[middle] <= hash {
            true => low = middle,
            false => high = middle,
        }
    }
    Some(low + hashes[low..high].partition_point(|&h| h <= hash) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(namespace: u32, hash: u64) -> Position {
        Position { namespace: NamespaceId(namespace), hash }
    }

    fn index(positions: &[Position]) -> Index {
        let mut index = Index::default();
        for (i, &position) in positions.iter().enumerate() {
            index.push(position, 100 * i as u64, NO_EXPIRY - i as u64);
        }
        index
    }

    fn encode(index: &Index) -> Vec<u8> {
        (0..index.len()).flat_map(|number| index.row(number)).collect()
    }

    #[test]
    fn an_index_comes_back_and_knows_its_blocks() {
        let index = index(&[at(1, 5), at(1, 6), at(7, 0)]);
        let read = Index::decode(&encode(&index), 250).unwrap();
        let last = BlockRef {
            number: 2,
            first: at(7, 0),
            offset: 200,
            length: 50,
            least_expiry_ms: Some(NO_EXPIRY - 2),
        };
        assert_eq!(read.block(2), last);
        assert_eq!((read.block(0).first, read.block(0).length), (at(1, 5), 100));
        assert_eq!(read.block(0).least_expiry_ms, None);
        assert_eq!(read.offsets, [0, 100, 200, 250]);
    }

    #[test]
    fn an_index_that_makes_no_sense_is_refused() {
        let bytes = encode(&index(&[at(1, 5), at(1, 6)]));
        assert!(Index::decode(&bytes, 200).is_some());
        assert!(Index::decode(&bytes, 108).is_none(), "a block of no contents");
        assert!(Index::decode(&bytes, 50).is_none(), "a block that ends before it begins");
        assert!(Index::decode(&bytes[..40], 200).is_none(), "a cut row");
        assert!(Index::decode(&[], 200).is_none(), "no blocks");
        assert!(Index::decode(&encode(&index(&[at(1, 5), at(1, 5)])), 200).is_none(), "a position twice");
        assert!(
            Index::decode(&encode(&index(&[at(2, 5), at(1, 6)])), 200).is_none(),
            "namespaces out of order"
        );
        for (at, what) in [(4, "not zero"), (16, "an offset that is not 0"), (49, "an offset beyond the end")]
        {
            let mut bytes = bytes.clone();
            bytes[at] ^= 1;
            assert!(Index::decode(&bytes, 200).is_none(), "{what}");
        }
    }

    #[test]
    fn a_position_is_found_in_the_block_that_begins_at_or_before_it() {
        let index = index(&[at(1, 5), at(1, 9), at(4, 3), at(4, 8)]);
        let cases = [
            (at(0, 7), None, 0),
            (at(1, 4), None, 0),
            (at(1, 5), Some(0), 0),
            (at(1, 8), Some(0), 0),
            (at(1, 9), Some(1), 1),
            (at(1, u64::MAX), Some(1), 1),
            (at(3, 9), None, 2),
            (at(4, 2), None, 2),
            (at(4, 7), Some(2), 2),
            (at(4, u64::MAX), Some(3), 3),
            (at(5, 0), None, 4),
        ];
        for (position, found, sought) in cases {
            assert_eq!((index.find(position), index.seek(position)), (found, sought), "{position}");
        }
    }

    #[test]
    fn guessing_finds_what_counting_finds_however_hashes_are_spread() {
        let even: Vec<u64> = (0..5000_u64).map(|i| i.wrapping_mul(0x9e37_79b9_7f4a_7c15)).collect();
        let skewed: Vec<u64> = (0..3000_u64).map(|i| i * i * i).chain([u64::MAX / 2, u64::MAX]).collect();
        let dense: Vec<u64> = (u64::MAX - 2000..=u64::MAX).collect();
        for mut hashes in [even, skewed, dense, vec![7], vec![0, u64::MAX]] {
            hashes.sort_unstable();
            let near = hashes.iter().flat_map(|&h| [h.saturating_sub(1), h, h.saturating_add(1)]);
            for hash in near.chain([0, u64::MAX, u64::MAX / 3]) {
                let counted = hashes.partition_point(|&h| h <= hash).checked_sub(1);
                assert_eq!(last_at_most(&hashes, hash), counted, "{hash:x} of {}", hashes.len());
            }
        }
    }
}
