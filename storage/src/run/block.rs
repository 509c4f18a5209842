//! Blocks: the unit that a run is read in. Drawn in [`super`].
//!
//! [`BlockBuilder`] makes one at a time, [`Block`] reads one, [`Long`] reads one that is too long to be held.
//!
//! * A block is about [`BLOCK_BYTES`] before compression. An entry that is longer makes a block of its own, of
//!   whatever length; so does a crowd of entries of the same position.
//! * A long body goes out in pieces while it is put together, and comes in piece by piece, so that writing a value of any
//!   length takes the memory of a piece, and reading one that of the body, or of a piece where that is enough.
//! * [`Block::decode`] checks everything once, the checksum first; what it returns can be read without errors.

use std::cmp::Ordering;

use super::{BlockRef, Content, Entry, NO_EXPIRY, NamespaceId, Position};
use crate::checksum::{Place, crc_at};
use crate::coding::{take_array, take_u16, take_u32, take_u64, take_varint};
use crate::error::Error;
use crate::memory;

use self::pieces::Pieces;

mod builder;
mod long;
mod pieces;
#[cfg(test)]
mod tests;

pub use builder::BlockBuilder;
pub(super) use long::{HELD_BYTES_MAX, Long};

/// What stands before a block's contents.
const HEADER_BYTES: usize = 4;
/// What stands behind them.
const CHECKSUM_BYTES: usize = 4;
/// What a block has besides its contents.
pub const FRAME_BYTES: usize = HEADER_BYTES + CHECKSUM_BYTES;
/// What follows the last piece of a long body before the checksum.
const LENGTH_BYTES: usize = 8;
/// What stands before a piece.
const PIECE_HEADER_BYTES: usize = 8;
/// In the place of a body's length: the contents are pieces.
const IN_PIECES: u32 = u32::MAX;
/// The longest body, or piece of one, that is in one piece.
pub const PIECE_BYTES: usize = 32 << 10;
/// No compression makes a byte of more bytes than so many.
const RATIO_MAX: u64 = 255;
/// The size of the body's tail.
const TAIL_BYTES: usize = 20;
/// A block takes no further entry once its body would pass this size.
const BLOCK_BYTES: usize = 8 << 10;
/// A buffer that grew beyond this for one big value is given back.
const KEPT_CAPACITY: usize = 1 << 20;

const VALUE: u64 = 0;
const TOMBSTONE: u64 = 1;
const EXPIRING: u64 = 2;
const DUE: u64 = 3;

const BAD_CHECKSUM: &str = "the checksum of a block is wrong";
const NONSENSE: &str = "a block that this server cannot have written";

/// Why there is no block.
#[derive(Debug)]
pub(super) enum Refused {
    /// It is damaged.
    Damaged(&'static str),
    /// It can't be read.
    Unread(Error),
}

impl From<&'static str> for Refused {
    fn from(what: &'static str) -> Self {
        Self::Damaged(what)
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self::Unread(error)
    }
}

/// A block in memory, checked.
pub struct Block {
    bytes: Vec<u8>,
    /// Where the body begins in `bytes`.
    body: usize,
    first: Position,
    entries: usize,
    hashes: Column,
    ends: Column,
}

/// Little-endian integers of equal width. At least eight bytes lie behind a column, so that any of its integers is read
/// with one load.
#[derive(Clone, Copy)]
struct Column {
    /// Where it begins in the block's bytes.
    start: usize,
    width: usize,
    mask: u64,
}

impl Column {
    fn new(start: usize, width: usize) -> Self {
        let mask = if width == 0 { 0 } else { u64::MAX >> (64 - 8 * width) };
        Self { start, width, mask }
    }

    fn at(self, bytes: &[u8], i: usize) -> u64 {
        let word = bytes[self.start + i * self.width..].first_chunk().expect("the tail lies behind a column");
        u64::from_le_bytes(*word) & self.mask
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        memory::release(std::mem::take(&mut self.bytes));
    }
}

impl Block {
    /// Checks the bytes that lie at `place`, and opens the block that `expected` promises there.
    pub(super) fn decode(stored: Vec<u8>, place: Place, expected: &BlockRef) -> Result<Self, Refused> {
        let Some((checked, crc)) = stored.split_last_chunk().filter(|(checked, _)| !checked.is_empty())
        else {
            return Err("a block without a header".into());
        };
        if u32::from_le_bytes(*crc) != crc_at(place, checked) {
            return Err(BAD_CHECKSUM.into());
        }
        let mut contents = checked;
        let (bytes, body) = match take_u32(&mut contents).ok_or(NONSENSE)? {
            0 => (without_checksum(stored), HEADER_BYTES),
            IN_PIECES => {
                let read = |into: &mut [u8], at: u64| {
                    into.copy_from_slice(&stored[at as usize..][..into.len()]);
                    Ok(())
                };
                (join(stored.len() as u64, place, read)?, 0)
            }
            body_bytes => (decompress(contents, body_bytes as usize).ok_or(NONSENSE)?, 0),
        };
        Self::checked(bytes, body, expected)
    }

    /// As [`Block::decode`], of a long block, which `read` reads from anywhere in it.
    pub(super) fn decode_long(
        place: Place,
        expected: &BlockRef,
        read: impl FnMut(&mut [u8], u64) -> Result<(), Error>,
    ) -> Result<Self, Refused> {
        Self::checked(join(expected.length, place, read)?, 0, expected)
    }

    fn checked(bytes: Vec<u8>, body: usize, expected: &BlockRef) -> Result<Self, Refused> {
        let block = Self::open(bytes, body).ok_or(NONSENSE)?;
        block.check_entries().ok_or(NONSENSE)?;
        match block.first == expected.first {
            true => Ok(block),
            false => Err("a block begins elsewhere than its index says".into()),
        }
    }

    /// Finds the columns; their contents are not checked yet.
    fn open(bytes: Vec<u8>, body: usize) -> Option<Self> {
        let tail_start = bytes.len().checked_sub(TAIL_BYTES).filter(|&start| start >= body)?;
        let Tail { first, entries, hash_width, end_width } = Tail::parse(bytes[tail_start..].first_chunk()?)?;
        let ends = tail_start.checked_sub(entries.checked_mul(end_width)?)?;
        let hashes = ends.checked_sub(entries.checked_mul(hash_width)?).filter(|&start| start >= body)?;
        let (hashes, ends) = (Column::new(hashes, hash_width), Column::new(ends, end_width));
        Some(Self { bytes, body, first, entries, hashes, ends })
    }

    /// Checks that every entry can be read, and their order.
    fn check_entries(&self) -> Option<()> {
        let mut before: Option<(Position, &[u8])> = None;
        for i in 0..self.entries {
            let entry = self.parse(i)?;
            if before.is_some_and(|before| before >= entry.order()) {
                return None;
            }
            before = Some(entry.order());
        }
        let starts_and_ends = self.hashes.at(&self.bytes, 0) == 0
            && self.ends.at(&self.bytes, self.entries - 1) == (self.hashes.start - self.body) as u64;
        starts_and_ends.then_some(())
    }

    fn parse(&self, i: usize) -> Option<Entry<'_>> {
        let hash = self.first.hash.checked_add(self.hashes.at(&self.bytes, i))?;
        let position = Position { hash, ..self.first };
        let start = if i == 0 { 0 } else { usize::try_from(self.ends.at(&self.bytes, i - 1)).ok()? };
        let end = usize::try_from(self.ends.at(&self.bytes, i)).ok()?;
        let mut rest = self.bytes[self.body..self.hashes.start].get(start..end)?;
        let (content, key_bytes) = take_head(&mut rest)?;
        let (key, bytes) = rest.split_at_checked(key_bytes)?;
        if content.is_tombstone() && !bytes.is_empty() {
            return None;
        }
        Some(Entry { position, key, content: content.with_bytes(bytes) })
    }

    /// The length of the body.
    pub fn body_bytes(&self) -> u64 {
        (self.bytes.len() - self.body) as u64
    }

    /// The number of entries, at least 1.
    #[expect(clippy::len_without_is_empty, reason = "a block is never empty")]
    pub fn len(&self) -> usize {
        self.entries
    }

    /// The `i`th entry, of those below [`Block::len`].
    pub fn entry(&self, i: usize) -> Entry<'_> {
        assert!(i < self.entries, "a block has {} entries, not {i}", self.entries);
        self.parse(i).expect("decode has checked every entry")
    }

    /// All entries, in order.
    pub fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        (0..self.entries).map(|i| self.entry(i))
    }

    /// What the block says of a key, if anything.
    pub fn get(&self, position: Position, key: &[u8]) -> Option<Content<&[u8]>> {
        (self.seek(position)..self.entries)
            .map(|i| self.entry(i))
            .take_while(|entry| entry.position == position)
            .find(|entry| entry.key == key)
            .map(|entry| entry.content)
    }

    /// What the block says of a key, if anything. A long value keeps its memory.
    pub fn take(mut self, position: Position, key: &[u8]) -> Option<Content<Vec<u8>>> {
        let content = self.get(position, key)?;
        let Content::Value { bytes, expiry_ms, due_ms } = content else { return Some(Content::Tombstone) };
        if bytes.len() <= PIECE_BYTES {
            return Some(content.copied());
        }
        let start = bytes.as_ptr() as usize - self.bytes.as_ptr() as usize;
        let end = start + bytes.len();
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.truncate(end);
        bytes.drain(..start);
        Some(Content::Value { bytes, expiry_ms, due_ms })
    }

    /// The first entry at or behind `position`; [`Block::len`] if there is none.
    pub fn seek(&self, position: Position) -> usize {
        match position.namespace.cmp(&self.first.namespace) {
            Ordering::Less => 0,
            Ordering::Equal => {
                position.hash.checked_sub(self.first.hash).map_or(0, |d| self.first_at_least(d))
            }
            Ordering::Greater => self.entries,
        }
    }

    /// The first entry whose hash is `delta` or more beyond the first hash.
    fn first_at_least(&self, delta: u64) -> usize {
        let (mut low, mut high) = (0, self.entries);
        while low < high {
            let middle = low.midpoint(high);
            match self.hashes.at(&self.bytes, middle) < delta {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        low
    }
}

/// What a body ends with.
struct Tail {
    first: Position,
    entries: usize,
    hash_width: usize,
    end_width: usize,
}

impl Tail {
    fn parse(tail: &[u8; TAIL_BYTES]) -> Option<Self> {
        let mut tail = &tail[..];
        let hash = take_u64(&mut tail)?;
        let first = Position { namespace: NamespaceId(take_u32(&mut tail)?), hash };
        let entries = take_u32(&mut tail)? as usize;
        let [hash_width, end_width] = take_array::<2>(&mut tail)?.map(usize::from);
        let is_sensible = entries > 0 && hash_width <= 8 && (1..=8).contains(&end_width);
        (is_sensible && take_u16(&mut tail)? == 0).then_some(Self { first, entries, hash_width, end_width })
    }
}

/// Takes what stands before an entry's key: the entry's state, but for the value, and the key's length.
fn take_head(bytes: &mut &[u8]) -> Option<(Content<()>, usize)> {
    let head = take_varint(bytes)?;
    let kind = head & 3;
    let due_ms = if kind == DUE { Some(take_varint(bytes)?) } else { None };
    let expiry_ms = match kind {
        EXPIRING => Some(take_varint(bytes)?),
        DUE => Some(take_varint(bytes)?).filter(|&expiry| expiry != NO_EXPIRY),
        _ => None,
    };
    let content = match kind {
        TOMBSTONE => Content::Tombstone,
        _ => Content::Value { bytes: (), expiry_ms, due_ms },
    };
    Some((content, usize::try_from(head >> 2).ok()?))
}

/// Whether a stored block says that its body is in pieces.
pub(super) fn is_in_pieces(stored: &[u8]) -> bool {
    stored.starts_with(&IN_PIECES.to_le_bytes())
}

fn without_checksum(mut stored: Vec<u8>) -> Vec<u8> {
    stored.truncate(stored.len() - CHECKSUM_BYTES);
    stored
}

fn decompress(contents: &[u8], body_bytes: usize) -> Option<Vec<u8>> {
    let mut body = vec![0; Some(body_bytes).filter(|&length| length <= PIECE_BYTES)?];
    decompress_into(contents, &mut body)?;
    Some(body)
}

fn decompress_into(contents: &[u8], body: &mut [u8]) -> Option<()> {
    let length = lz4_flex::block::decompress_into(contents, body).ok()?;
    (length == body.len()).then_some(())
}

/// The body of a block in pieces, which has `length` bytes and which `read` reads from anywhere in it.
fn join(
    length: u64,
    place: Place,
    read: impl FnMut(&mut [u8], u64) -> Result<(), Error>,
) -> Result<Vec<u8>, Refused> {
    let mut pieces = Pieces::begin(length, place, read)?;
    let mut body = Vec::new();
    let body_bytes = usize::try_from(pieces.body_bytes()).map_err(|_| NONSENSE)?;
    body.try_reserve_exact(body_bytes).map_err(|_| "a block that is too long for memory")?;
    while let Some(piece) = pieces.next()? {
        pieces.read(&piece, &mut body)?;
    }
    pieces.verify()?;
    Ok(body)
}
