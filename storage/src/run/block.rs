//! Blocks: the unit that a run is read in. Drawn in [`super`].
//!
//! [`BlockBuilder`] makes one at a time, [`Block`] reads one.
//!
//! * A block is about [`BLOCK_BYTES`] before compression. An entry that is longer makes a block of its own, of
//!   whatever length; so does a crowd of entries of the same position.
//! * A long body goes out in pieces while it is put together, so that a value of any length takes one piece of memory.
//!   It is read back as a whole.
//! * [`Block::decode`] checks everything once, the checksum first; what it returns can be read without errors.

use std::cmp::Ordering;

use crc32fast::Hasher;

use super::{BlockRef, Compression, Content, Entry, NO_EXPIRY, NamespaceId, Position};
use crate::checksum::{Place, crc_at, seeded};
use crate::coding::{put_varint, take_array, take_u16, take_u32, take_u64, take_varint};
use crate::error::Error;
use crate::memory;

/// What stands before a block's contents.
const HEADER_BYTES: usize = 4;
/// What stands behind them.
const CHECKSUM_BYTES: usize = 4;
/// What a block has besides its contents.
pub const FRAME_BYTES: usize = HEADER_BYTES + CHECKSUM_BYTES;
/// In the place of a body's length: the contents are pieces.
const IN_PIECES: u32 = u32::MAX;
/// The longest body, or piece of one, that is in one piece.
pub const PIECE_BYTES: usize = 32 << 10;
/// No compression makes a byte of more bytes than so many.
const RATIO_MAX: usize = 255;
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

/// Gathers entries into a block.
pub struct BlockBuilder {
    /// The body; behind pieces that have gone out what follows them.
    body: Vec<u8>,
    /// What has gone out, if the body is long.
    gone: Option<Gone>,
    /// Each entry's hash, and where it ends in the body.
    rows: Vec<(u64, u64)>,
    namespace: NamespaceId,
    least_expiry_ms: u64,
    compressed: Vec<u8>,
}

/// The beginning of a block, which is not in memory any more.
struct Gone {
    /// Bytes of the body.
    body_bytes: u64,
    /// Of the bytes that went.
    crc: Hasher,
}

impl BlockBuilder {
    pub fn new() -> Self {
        Self {
            body: Vec::with_capacity(2 * BLOCK_BYTES),
            gone: None,
            rows: Vec::new(),
            namespace: NamespaceId(0),
            least_expiry_ms: NO_EXPIRY,
            compressed: Vec::new(),
        }
    }

    /// Whether `entry` is to go into this block and not begin the next.
    pub fn takes(&self, entry: &Entry<'_>) -> bool {
        // Ten bytes is what an entry usually takes in the columns and for its head.
        let columns = 10 * (self.rows.len() + 1);
        let grown = self.body.len() + entry.key.len() + entry.value_bytes() + columns + TAIL_BYTES;
        let has_room = grown <= BLOCK_BYTES && self.gone.is_none();
        (has_room && entry.position.namespace == self.namespace) || self.must_take(entry.position)
    }

    /// Whether an entry at `position`, however long, is to go into this block.
    pub fn must_take(&self, position: Position) -> bool {
        let Some(&(last_hash, _)) = self.rows.last() else { return true };
        position == Position { namespace: self.namespace, hash: last_hash }
    }

    /// Adds an entry that is not long; entries come in order.
    pub fn push(&mut self, entry: &Entry<'_>) {
        self.put_head(entry);
        self.body.extend_from_slice(entry.key);
        if let Content::Value { bytes, .. } = entry.content {
            self.body.extend_from_slice(bytes);
        }
        self.end_entry(entry.position.hash);
    }

    /// Begins an entry with what stands before its key.
    pub fn put_head(&mut self, entry: &Entry<'_>) {
        if self.rows.is_empty() {
            self.namespace = entry.position.namespace;
        }
        let kind = match entry.content {
            Content::Value { due_ms: Some(_), .. } => DUE,
            Content::Value { expiry_ms: Some(_), .. } => EXPIRING,
            Content::Value { .. } => VALUE,
            Content::Tombstone => TOMBSTONE,
        };
        put_varint(&mut self.body, (entry.key.len() as u64) << 2 | kind);
        if let Content::Value { due_ms: Some(due_ms), expiry_ms, .. } = entry.content {
            put_varint(&mut self.body, due_ms);
            put_varint(&mut self.body, expiry_ms.unwrap_or(NO_EXPIRY));
        } else if let Some(expiry_ms) = entry.content.expiry_ms() {
            put_varint(&mut self.body, expiry_ms);
        }
        self.least_expiry_ms = self.least_expiry_ms.min(entry.content.wakes_ms().unwrap_or(NO_EXPIRY));
    }

    /// Adds to the entry that was begun what a piece has room for; what it has no room for is given back.
    #[inline]
    pub fn fill<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        let room = PIECE_BYTES.saturating_sub(self.body.len());
        let (front, rest) = bytes.split_at(room.min(bytes.len()));
        self.body.extend_from_slice(front);
        rest
    }

    /// Ends the entry that was begun.
    pub fn end_entry(&mut self, hash: u64) {
        let gone = self.gone.as_ref().map_or(0, |gone| gone.body_bytes);
        self.rows.push((hash, gone + self.body.len() as u64));
    }

    /// Sends what there is of the body out, in pieces. The block goes to `place`.
    pub fn put_pieces(
        &mut self,
        place: Place,
        compression: Compression,
        mut out: impl FnMut(&[u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut gone = match self.gone.take() {
            Some(gone) => gone,
            None => {
                let header = IN_PIECES.to_le_bytes();
                let mut crc = seeded(place);
                crc.update(&header);
                out(&header)?;
                Gone { body_bytes: 0, crc }
            }
        };
        gone.body_bytes += self.body.len() as u64;
        for piece in self.body.chunks(PIECE_BYTES) {
            let is_smaller = compress(piece, compression, &mut self.compressed);
            let (stored, length) = if is_smaller { (&self.compressed[..], piece.len()) } else { (piece, 0) };
            for part in [&(stored.len() as u32).to_le_bytes(), &(length as u32).to_le_bytes(), stored] {
                gone.crc.update(part);
                out(part)?;
            }
        }
        self.body.clear();
        self.gone = Some(gone);
        Ok(())
    }

    /// The first entry's position, and the least time at which an entry expires or is due.
    pub fn summary(&self) -> (Position, u64) {
        let hash = self.rows.first().expect("a block has an entry").0;
        (Position { namespace: self.namespace, hash }, self.least_expiry_ms)
    }

    /// Completes the block, which goes to `place`.
    pub fn seal(
        &mut self,
        place: Place,
        compression: Compression,
        mut out: impl FnMut(&[u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.put_columns();
        if self.gone.is_some() || self.body.len() > PIECE_BYTES {
            self.put_pieces(place, compression, &mut out)?;
            let gone = self.gone.take().expect("a piece has just gone");
            return out(&gone.crc.finalize().to_le_bytes());
        }
        let (header, contents) = match compress(&self.body, compression, &mut self.compressed) {
            true => (self.body.len() as u32, &self.compressed),
            false => (0, &self.body),
        };
        let mut crc = seeded(place);
        crc.update(&header.to_le_bytes());
        crc.update(contents);
        out(&header.to_le_bytes())?;
        out(contents)?;
        out(&crc.finalize().to_le_bytes())
    }

    /// Makes room for the next block.
    pub fn clear(&mut self) {
        for buffer in [&mut self.body, &mut self.compressed] {
            buffer.clear();
            memory::shrink(buffer, KEPT_CAPACITY);
        }
        self.gone = None;
        self.rows.clear();
        self.least_expiry_ms = NO_EXPIRY;
    }

    fn put_columns(&mut self) {
        let &(first, _) = self.rows.first().expect("a block has an entry");
        let &(last, end) = self.rows.last().expect("a block has an entry");
        let (hash_width, end_width) = (width_of(last - first), width_of(end).max(1));
        for (hash, _) in &self.rows {
            self.body.extend_from_slice(&(hash - first).to_le_bytes()[..hash_width]);
        }
        for (_, end) in &self.rows {
            self.body.extend_from_slice(&end.to_le_bytes()[..end_width]);
        }
        let entries = u32::try_from(self.rows.len()).expect("fewer keys share a hash than would fill memory");
        self.body.extend_from_slice(&first.to_le_bytes());
        self.body.extend_from_slice(&self.namespace.0.to_le_bytes());
        self.body.extend_from_slice(&entries.to_le_bytes());
        self.body.extend_from_slice(&[hash_width as u8, end_width as u8, 0, 0]);
    }
}

/// Compresses up to [`PIECE_BYTES`] into `compressed`; whether they are to be stored so. They must shrink by an eighth to be
/// worth a decompression at every read.
fn compress(bytes: &[u8], compression: Compression, compressed: &mut Vec<u8>) -> bool {
    if compression == Compression::None {
        return false;
    }
    compressed.resize(lz4_flex::block::get_maximum_output_size(bytes.len()), 0);
    let Ok(length) = lz4_flex::block::compress_into(bytes, compressed) else { return false };
    compressed.truncate(length);
    length < bytes.len() - bytes.len() / 8
}

/// The number of bytes that hold `value`.
fn width_of(value: u64) -> usize {
    (u64::BITS - value.leading_zeros()).div_ceil(8) as usize
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
    pub(super) fn decode(stored: Vec<u8>, place: Place, expected: &BlockRef) -> Result<Self, &'static str> {
        const NONSENSE: &str = "a block that this server cannot have written";
        let Some((checked, crc)) = stored.split_last_chunk().filter(|(checked, _)| !checked.is_empty())
        else {
            return Err("a block without a header");
        };
        if u32::from_le_bytes(*crc) != crc_at(place, checked) {
            return Err("the checksum of a block is wrong");
        }
        let mut contents = checked;
        let (bytes, body) = match take_u32(&mut contents).ok_or(NONSENSE)? {
            0 => (without_checksum(stored), HEADER_BYTES),
            IN_PIECES => (join(contents).ok_or(NONSENSE)?, 0),
            body_bytes => (decompress(contents, body_bytes as usize).ok_or(NONSENSE)?, 0),
        };
        let block = Self::open(bytes, body).ok_or(NONSENSE)?;
        block.check_entries().ok_or(NONSENSE)?;
        match block.first == expected.first {
            true => Ok(block),
            false => Err("a block begins elsewhere than its index says"),
        }
    }

    /// Finds the columns; their contents are not checked yet.
    fn open(bytes: Vec<u8>, body: usize) -> Option<Self> {
        let tail_start = bytes.len().checked_sub(TAIL_BYTES).filter(|&start| start >= body)?;
        let mut tail = &bytes[tail_start..];
        let first_hash = take_u64(&mut tail)?;
        let first = Position { namespace: NamespaceId(take_u32(&mut tail)?), hash: first_hash };
        let entries = take_u32(&mut tail)? as usize;
        let [hash_width, end_width] = take_array::<2>(&mut tail)?.map(usize::from);
        let sensible = entries > 0 && hash_width <= 8 && (1..=8).contains(&end_width);
        if !sensible || take_u16(&mut tail)? != 0 {
            return None;
        }
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
        let head = take_varint(&mut rest)?;
        let kind = head & 3;
        let due_ms = if kind == DUE { Some(take_varint(&mut rest)?) } else { None };
        let expiry_ms = match kind {
            EXPIRING => Some(take_varint(&mut rest)?),
            DUE => Some(take_varint(&mut rest)?).filter(|&expiry| expiry != NO_EXPIRY),
            _ => None,
        };
        let (key, bytes) = rest.split_at_checked(usize::try_from(head >> 2).ok()?)?;
        let content = match kind {
            VALUE | EXPIRING | DUE => Content::Value { bytes, expiry_ms, due_ms },
            TOMBSTONE if bytes.is_empty() => Content::Tombstone,
            _ => return None,
        };
        Some(Entry { position, key, content })
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

/// The body whose pieces these are.
fn join(pieces: &[u8]) -> Option<Vec<u8>> {
    let (mut length, mut rest) = (0, pieces);
    while !rest.is_empty() {
        let (piece, piece_bytes) = take_piece(&mut rest)?;
        length += piece_bytes.unwrap_or(piece.len());
    }
    let (mut body, mut rest) = (vec![0; length], pieces);
    let mut room = &mut body[..];
    while !rest.is_empty() {
        let (piece, piece_bytes) = take_piece(&mut rest)?;
        let (now, later) = room.split_at_mut(piece_bytes.unwrap_or(piece.len()));
        match piece_bytes {
            Some(_) => decompress_into(piece, now)?,
            None => now.copy_from_slice(piece),
        }
        room = later;
    }
    Some(body)
}

/// Takes a piece as it is stored, and how long it was before compression, if it is compressed. Neither is longer than what
/// follows from the bytes that are there.
fn take_piece<'b>(rest: &mut &'b [u8]) -> Option<(&'b [u8], Option<usize>)> {
    let (stored, length) = (take_u32(rest)? as usize, take_u32(rest)? as usize);
    let (piece, behind) = rest.split_at_checked(stored)?;
    *rest = behind;
    let sensible = length <= PIECE_BYTES.min(stored.saturating_mul(RATIO_MAX));
    sensible.then_some((piece, Some(length).filter(|&length| length > 0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place = Place { dataset_id: 3, segment: 4, offset: 5000 };

    fn value<'a>(hash: u64, key: &'a [u8], bytes: &'a [u8], expiry_ms: Option<u64>) -> Entry<'a> {
        let content = Content::Value { bytes, expiry_ms, due_ms: None };
        Entry { position: Position { namespace: NamespaceId(7), hash }, key, content }
    }

    fn sealed(entries: &[Entry<'_>], compression: Compression) -> Vec<u8> {
        let mut builder = BlockBuilder::new();
        entries.iter().for_each(|entry| builder.push(entry));
        let mut stored = Vec::new();
        let put = |bytes: &[u8]| {
            stored.extend_from_slice(bytes);
            Ok(())
        };
        builder.seal(PLACE, compression, put).unwrap();
        stored
    }

    fn decode(stored: &[u8], place: Place, hash: u64) -> Result<Block, &'static str> {
        let first = Position { namespace: NamespaceId(7), hash };
        let expected = BlockRef { number: 0, first, offset: 0, length: 0, least_expiry_ms: None };
        Block::decode(stored.to_vec(), place, &expected)
    }

    /// Three values, one that expires and a crowd at one position, and a tombstone.
    fn entries(long: &[u8]) -> [Entry<'_>; 5] {
        let tombstone = Entry { content: Content::Tombstone, ..value(u64::MAX, b"gone", b"", None) };
        [
            value(10, b"a", b"1", None),
            value(500, b"", b"", Some(1_700_000_000_000)),
            value(500, b"b", long, Some(u64::MAX - 1)),
            value(500, b"c", b"3", None),
            tombstone,
        ]
    }

    #[test]
    fn a_block_comes_back_and_finds_its_entries() {
        let long = vec![b'x'; 70_000];
        for (compression, stored_max) in [(Compression::None, 80_000), (Compression::Lz4, 1000)] {
            let entries = entries(&long);
            let stored = sealed(&entries, compression);
            assert!(stored.len() < stored_max, "{}", stored.len());
            let block = decode(&stored, PLACE, 10).unwrap();
            assert_eq!(block.entries().collect::<Vec<_>>(), entries);
            for entry in &entries {
                assert_eq!(block.get(entry.position, entry.key), Some(entry.content));
                assert_eq!(block.get(entry.position, b"absent"), None);
                assert_eq!(
                    block.get(Position { namespace: NamespaceId(6), ..entry.position }, entry.key),
                    None
                );
            }
            let at = |namespace, hash| block.seek(Position { namespace: NamespaceId(namespace), hash });
            assert_eq!([at(7, 0), at(7, 10), at(7, 11), at(7, 500), at(7, 501)], [0, 0, 1, 1, 4]);
            assert_eq!([at(6, u64::MAX), at(7, u64::MAX), at(8, 0)], [0, 4, 5]);
        }
    }

    #[test]
    fn what_does_not_shrink_is_stored_as_it_is() {
        let mut noise = vec![0; 6000];
        let mut state = 1_u64;
        for byte in &mut noise {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            *byte = (state >> 56) as u8;
        }
        let entries = [value(1, b"k", &noise, None)];
        assert_eq!(sealed(&entries, Compression::Lz4), sealed(&entries, Compression::None));
    }

    #[test]
    fn a_block_passes_at_its_own_place_only() {
        let stored = sealed(&entries(b"2"), Compression::Lz4);
        assert!(decode(&stored, PLACE, 10).is_ok());
        let elsewhere =
            [Place { dataset_id: 4, ..PLACE }, Place { segment: 5, ..PLACE }, Place { offset: 1, ..PLACE }];
        for place in elsewhere {
            assert_eq!(
                decode(&stored, place, 10).err(),
                Some("the checksum of a block is wrong"),
                "{place:?}"
            );
        }
        assert!(decode(&stored, PLACE, 11).is_err(), "a block that begins elsewhere than the index says");
    }

    #[test]
    fn a_big_entry_and_a_crowd_at_one_position_have_blocks_of_their_own() {
        let big = vec![0; BLOCK_BYTES];
        let mut builder = BlockBuilder::new();
        assert!(builder.takes(&value(1, b"k", &big, None)), "an empty block takes everything");
        builder.push(&value(1, b"k", b"", None));
        assert!(builder.takes(&value(2, b"k", &big[..7000], None)));
        assert!(!builder.takes(&value(2, b"k", &big, None)));
        assert!(builder.takes(&value(1, b"l", &big, None)), "a position must not lie in two blocks");
        let elsewhere = Position { namespace: NamespaceId(8), hash: 1 };
        assert!(!builder.takes(&Entry { position: elsewhere, ..value(1, b"l", b"", None) }));
    }

    fn reseal(stored: &mut [u8]) {
        let (checked, crc) = stored.split_last_chunk_mut().unwrap();
        *crc = crc_at(PLACE, checked).to_le_bytes();
    }

    /// A broken writer, or a forger: the checksum is right and the contents are not.
    #[test]
    fn nonsense_with_a_right_checksum_is_refused_or_readable() {
        let long = vec![b'x'; 70_000];
        for (compression, length) in
            [(Compression::None, 300), (Compression::Lz4, 300), (Compression::Lz4, 70_000)]
        {
            let stored = sealed(&entries(&long[..length]), compression);
            let mut refused = 0;
            for at in 0..stored.len() - CHECKSUM_BYTES {
                for flip in [1, 0x80, 0xff] {
                    let mut stored = stored.clone();
                    stored[at] ^= flip;
                    reseal(&mut stored);
                    match decode(&stored, PLACE, 10) {
                        Ok(block) => assert_eq!(block.entries().count(), block.len()),
                        Err(_) => refused += 1,
                    }
                }
            }
            for end in CHECKSUM_BYTES..stored.len() {
                let mut stored = stored[..end].to_vec();
                reseal(&mut stored);
                assert!(decode(&stored, PLACE, 10).is_err(), "cut at {end}");
            }
            assert!(refused > 50, "{refused}");
        }
    }
}
