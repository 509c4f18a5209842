//! Putting a block together.

use crc32fast::Hasher;

use super::{
    BLOCK_BYTES, DUE, EXPIRING, IN_PIECES, KEPT_CAPACITY, PIECE_BYTES, TAIL_BYTES, TOMBSTONE, VALUE,
};
use crate::checksum::{Place, seeded};
use crate::coding::put_varint;
use crate::error::Error;
use crate::memory;
use crate::run::{Compression, Content, Entry, NO_EXPIRY, NamespaceId, Position};

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
            let mut gone = self.gone.take().expect("a piece has just gone");
            let length = gone.body_bytes.to_le_bytes();
            gone.crc.update(&length);
            out(&length)?;
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
