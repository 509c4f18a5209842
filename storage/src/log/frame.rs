//! The frame: the unit that the log writes, syncs, reads and cuts off. It is drawn here and nowhere else.
//!
//! A frame holds exactly the records after the frame before it, up to its cut: a prefix of history stays a prefix of
//! history when whole frames are cut off its end. All integers are little-endian.
//!
//! ```text
//! header, 56 bytes
//!   0  magic "FKFR"        4 bytes
//!   4  header checksum     u32, of bytes 8 to 56, seeded with dataset id, segment number and offset in the file
//!   8  payload checksum    u32, of everything after the header
//!  12  previous            u32, the header checksum of the frame before, 0 in the log's first frame
//!  16  format version      u16, now 1
//!  18  chunks              u16, at most 128
//!  20  zero                u32
//!  24  payload length      u64, in bytes, of everything after the header
//!  32  first LSN           u64, the cut of the frame before, plus 1
//!  40  cut                 u64, the last LSN; first LSN − 1 if the frame has no record
//!  48  durable mark        u64, records up to here were durable when the frame was built; below the first LSN
//! table, 48 bytes for each chunk
//!   0  shard               u32, 0 to 63
//!   4  zero                u32
//!   8  LSN before          u64, to which the chunk's first entry adds
//!  16  epoch before        u64, likewise
//!  24  records             u64
//!  32  index length        u64, in bytes
//!  40  payload length      u64, in bytes
//! chunks, in the table's order: index, payload (drawn in `chunk.rs`)
//! end mark, 8 bytes, behind the last frame of a recycled segment; the next frame overwrites it
//!   0  magic "FKND"        4 bytes
//!   4  checksum            u32, of the magic, seeded like a header's with the place of the mark
//! ```
//!
//! A recycled segment goes on behind its last frame with bytes of its earlier lives. None of them passes for a frame,
//! because the number of the segment is part of every checksum. The end mark says more: that this is where the writer
//! stopped, and not where a frame was torn. It is written together with the frame before it, and proves nothing: a
//! power loss can bring back the mark that the next frame has overwritten.
//!
//! Two checksums, because a header alone is evidence: the durable mark of a frame whose payload was torn still says
//! what must be there. It also makes the search for frames behind damage linear: a candidate costs 56 bytes.
//! `previous` chains the frames, so that a frame that was cut off cannot come back to life behind a new frame of
//! the same length and record count, even if the disk undoes the cut.
//!
//! A chunk table may name a shard twice (what was left over from the drain before, then this drain's records); the
//! LSNs alone order the records.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::SHARDS;
use super::chunk::{Cursor, Entry, Position};
use super::segment::FORMAT_VERSION;
use crate::checksum::{Place, crc_at};
use crate::coding::{take_array, take_u16, take_u32, take_u64};
use crate::record::{Epoch, Lsn, RecordRef};

/// The size of a frame's header.
pub const HEADER_BYTES: usize = 56;
/// The size of one chunk's row in the table.
pub const ROW_BYTES: usize = 48;
/// The most chunks in a frame: each shard's leftover and drain.
pub const CHUNKS_MAX: usize = 2 * SHARDS;
/// The first bytes of a frame.
pub const MAGIC: &[u8; 4] = b"FKFR";
/// The size of an end mark.
pub const END_MARK_BYTES: usize = 8;
const END_MAGIC: &[u8; 4] = b"FKND";

/// The end mark at `place`.
pub fn end_mark(place: Place) -> [u8; END_MARK_BYTES] {
    let mut bytes = [0; END_MARK_BYTES];
    bytes[..4].copy_from_slice(END_MAGIC);
    bytes[4..].copy_from_slice(&crc_at(place, END_MAGIC).to_le_bytes());
    bytes
}

/// A frame's header, without what follows from its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The checksum of everything after the header.
    pub payload_crc: u32,
    /// The header checksum of the frame before.
    pub previous: u32,
    /// The number of chunks.
    pub chunks: u16,
    /// The length of everything after the header.
    pub payload_bytes: u64,
    /// The first LSN.
    pub first: Lsn,
    /// The last LSN.
    pub cut: Lsn,
    /// What was durable when the frame was built.
    pub durable: Lsn,
}

/// Why bytes are not a frame's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoHeader {
    /// They do not begin with the magic.
    Magic,
    /// Their checksum is wrong for their place.
    Checksum,
    /// The checksum is right and the contents make no sense: another version, or a broken writer.
    Nonsense,
}

impl Header {
    /// The header's bytes and its checksum.
    pub fn encode(&self, place: Place) -> ([u8; HEADER_BYTES], u32) {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..4].copy_from_slice(MAGIC);
        bytes[8..12].copy_from_slice(&self.payload_crc.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.previous.to_le_bytes());
        bytes[16..18].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
        bytes[18..20].copy_from_slice(&self.chunks.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.payload_bytes.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.first.0.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.cut.0.to_le_bytes());
        bytes[48..56].copy_from_slice(&self.durable.0.to_le_bytes());
        let crc = crc_at(place, &bytes[8..]);
        bytes[4..8].copy_from_slice(&crc.to_le_bytes());
        (bytes, crc)
    }

    /// Reads a header at `place`: the header and its checksum.
    pub fn decode(bytes: &[u8; HEADER_BYTES], place: Place) -> Result<(Self, u32), NoHeader> {
        if !bytes.starts_with(MAGIC) {
            return Err(NoHeader::Magic);
        }
        let mut rest = &bytes[4..];
        let crc = take_u32(&mut rest).ok_or(NoHeader::Checksum)?;
        if crc != crc_at(place, &bytes[8..]) {
            return Err(NoHeader::Checksum);
        }
        Self::fields(rest).map(|header| (header, crc)).ok_or(NoHeader::Nonsense)
    }

    fn fields(mut rest: &[u8]) -> Option<Self> {
        let rest = &mut rest;
        let (payload_crc, previous) = (take_u32(rest)?, take_u32(rest)?);
        let (version, chunks) = (take_u16(rest)?, take_u16(rest)?);
        take_array::<4>(rest)?;
        let payload_bytes = take_u64(rest)?;
        let (first, cut, durable) = (Lsn(take_u64(rest)?), Lsn(take_u64(rest)?), Lsn(take_u64(rest)?));
        let sensible = version == FORMAT_VERSION
            && usize::from(chunks) <= CHUNKS_MAX
            && payload_bytes >= u64::from(chunks) * ROW_BYTES as u64
            && durable < first
            && cut < Lsn(u64::MAX)
            && cut.next() >= first;
        sensible.then_some(Self { payload_crc, previous, chunks, payload_bytes, first, cut, durable })
    }
}

/// A row of a frame's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// The shard.
    pub shard: usize,
    /// The LSN before the first record.
    pub lsn: Lsn,
    /// The epoch before the first record.
    pub epoch: Epoch,
    /// The number of records.
    pub records: u64,
    /// The length of the index.
    pub index_bytes: u64,
    /// The length of the payload.
    pub payload_bytes: u64,
}

impl Row {
    /// Appends the row.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&(self.shard as u64).to_le_bytes());
        for field in [self.lsn.0, self.epoch.0, self.records, self.index_bytes, self.payload_bytes] {
            out.extend_from_slice(&field.to_le_bytes());
        }
    }

    fn take(bytes: &mut &[u8]) -> Option<Self> {
        let shard = usize::try_from(take_u64(bytes)?).ok().filter(|&shard| shard < SHARDS)?;
        let (lsn, epoch) = (Lsn(take_u64(bytes)?), Epoch(take_u64(bytes)?));
        let (records, index_bytes) = (take_u64(bytes)?, take_u64(bytes)?);
        Some(Self { shard, lsn, epoch, records, index_bytes, payload_bytes: take_u64(bytes)? })
    }
}

/// Reads a frame's records in LSN order, and verifies that they are all there and no others.
pub struct Records<'a> {
    chunks: Vec<Open<'a>>,
    /// The chunks that have a record left, by its LSN.
    heap: BinaryHeap<Reverse<(Lsn, usize)>>,
    next: Lsn,
    cut: Lsn,
}

/// A chunk being read.
struct Open<'a> {
    shard: usize,
    cursor: Cursor<'a>,
    head: Entry<'a>,
}

impl<'a> Records<'a> {
    /// Opens a frame whose payload has passed its checksum.
    pub fn new(header: &Header, payload: &'a [u8]) -> Result<Self, &'static str> {
        const BAD_TABLE: &str = "a frame's table does not fit its contents";
        let table_bytes = usize::from(header.chunks) * ROW_BYTES;
        let (mut table, mut rest) = payload.split_at_checked(table_bytes).ok_or(BAD_TABLE)?;
        let mut records =
            Self { chunks: Vec::new(), heap: BinaryHeap::new(), next: header.first, cut: header.cut };
        let mut count = 0_u64;
        for _ in 0..header.chunks {
            let row = Row::take(&mut table).ok_or(BAD_TABLE)?;
            count = count.checked_add(row.records).ok_or(BAD_TABLE)?;
            let (index, payload) = take_chunk(&mut rest, &row).ok_or(BAD_TABLE)?;
            let before = Position { lsn: row.lsn, epoch: row.epoch, ..Position::default() };
            let mut cursor = Cursor::new(before, index, payload);
            if let Some(head) = cursor.next()? {
                records.heap.push(Reverse((head.lsn, records.chunks.len())));
                records.chunks.push(Open { shard: row.shard, cursor, head });
            }
        }
        match rest {
            [] if count == header.cut.next().0 - header.first.0 => Ok(records),
            _ => Err(BAD_TABLE),
        }
    }

    /// The next record in LSN order, `None` after the cut.
    pub fn next(&mut self) -> Result<Option<RecordRef<'a>>, &'static str> {
        let Some(Reverse((lsn, at))) = self.heap.pop() else {
            return match self.next == self.cut.next() {
                true => Ok(None),
                false => Err("a frame ends before its cut"),
            };
        };
        if lsn != self.next || lsn > self.cut {
            return Err("a frame has a gap or a record twice");
        }
        self.next = lsn.next();
        let chunk = &mut self.chunks[at];
        let Entry { epoch, payload, .. } = chunk.head;
        if let Some(head) = chunk.cursor.next()? {
            chunk.head = head;
            self.heap.push(Reverse((head.lsn, at)));
        }
        Ok(Some(RecordRef { lsn, epoch, shard: chunk.shard, payload }))
    }
}

fn take_chunk<'a>(bytes: &mut &'a [u8], row: &Row) -> Option<(&'a [u8], &'a [u8])> {
    let (index, rest) = bytes.split_at_checked(usize::try_from(row.index_bytes).ok()?)?;
    let (payload, rest) = rest.split_at_checked(usize::try_from(row.payload_bytes).ok()?)?;
    *bytes = rest;
    Some((index, payload))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::chunk::Chunk;

    const PLACE: Place = Place { dataset_id: 3, segment: 4, offset: 5000 };

    fn header() -> Header {
        Header {
            payload_crc: 1,
            previous: 2,
            chunks: 3,
            payload_bytes: 400,
            first: Lsn(6),
            cut: Lsn(9),
            durable: Lsn(5),
        }
    }

    #[test]
    fn a_header_passes_at_its_own_place_only() {
        let (bytes, crc) = header().encode(PLACE);
        assert_eq!(Header::decode(&bytes, PLACE), Ok((header(), crc)));
        for elsewhere in
            [Place { dataset_id: 4, ..PLACE }, Place { segment: 5, ..PLACE }, Place { offset: 5001, ..PLACE }]
        {
            assert_eq!(Header::decode(&bytes, elsewhere), Err(NoHeader::Checksum), "{elsewhere:?}");
        }
    }

    #[test]
    fn a_header_with_any_bit_flipped_does_not_pass() {
        let (bytes, _) = header().encode(PLACE);
        for bit in 0..HEADER_BYTES * 8 {
            let mut bytes = bytes;
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(Header::decode(&bytes, PLACE).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_header_that_makes_no_sense_is_refused_whatever_its_checksum() {
        let nonsense = [
            Header { chunks: CHUNKS_MAX as u16 + 1, payload_bytes: 1 << 20, ..header() },
            Header { payload_bytes: 3 * ROW_BYTES as u64 - 1, ..header() },
            Header { durable: Lsn(6), ..header() },
            Header { cut: Lsn(4), ..header() },
            Header { cut: Lsn(u64::MAX), ..header() },
        ];
        for header in nonsense {
            assert_eq!(Header::decode(&header.encode(PLACE).0, PLACE), Err(NoHeader::Nonsense), "{header:?}");
        }
    }

    /// A frame's payload with the given (shard, LSNs) chunks.
    fn payload(chunks: &[(usize, &[u64])]) -> Vec<u8> {
        let (mut table, mut bodies) = (Vec::new(), Vec::new());
        for (shard, lsns) in chunks {
            let mut chunk = Chunk::default();
            for lsn in *lsns {
                chunk.payload.put(format!("record {lsn}").as_bytes());
                chunk.push(Lsn(*lsn), Epoch(lsn / 4));
            }
            let row = Row {
                shard: *shard,
                lsn: chunk.start().lsn,
                epoch: chunk.start().epoch,
                records: lsns.len() as u64,
                index_bytes: chunk.index.len() as u64,
                payload_bytes: chunk.payload.len() as u64,
            };
            row.encode(&mut table);
            chunk
                .index
                .pieces()
                .chain(chunk.payload.pieces())
                .for_each(|piece| bodies.extend_from_slice(piece));
        }
        table.extend_from_slice(&bodies);
        table
    }

    fn read(chunks: &[(usize, &[u64])], payload: &[u8]) -> Result<Vec<(u64, usize)>, &'static str> {
        let header = Header {
            chunks: chunks.len() as u16,
            payload_bytes: payload.len() as u64,
            first: Lsn(6),
            cut: Lsn(11),
            ..header()
        };
        let mut records = Records::new(&header, payload)?;
        let mut found = Vec::new();
        while let Some(record) = records.next()? {
            assert_eq!(record.payload, format!("record {}", record.lsn).as_bytes());
            assert_eq!(record.epoch, Epoch(record.lsn.0 / 4));
            found.push((record.lsn.0, record.shard));
        }
        Ok(found)
    }

    #[test]
    fn chunks_merge_into_one_order() {
        let chunks: &[(usize, &[u64])] = &[(9, &[7]), (63, &[8, 11]), (0, &[6, 9]), (9, &[10])];
        let expected = vec![(6, 0), (7, 9), (8, 63), (9, 0), (10, 9), (11, 63)];
        assert_eq!(read(chunks, &payload(chunks)), Ok(expected));
    }

    #[test]
    fn a_frame_with_a_gap_a_double_or_a_stranger_is_refused() {
        let cases: &[&[(usize, &[u64])]] = &[
            &[(0, &[6, 7, 8, 9, 10])],
            &[(0, &[7, 8, 9, 10, 11])],
            &[(0, &[6, 7, 9, 10, 11])],
            &[(0, &[6, 7, 8]), (1, &[8, 9, 10, 11])],
            &[(0, &[6, 7, 8]), (1, &[9, 10, 11, 12])],
            &[(64, &[6, 7, 8, 9, 10, 11])],
        ];
        for chunks in cases {
            assert!(read(chunks, &payload(chunks)).is_err(), "{chunks:?}");
        }
        let chunks: &[(usize, &[u64])] = &[(0, &[6, 7, 8, 9, 10, 11])];
        let whole = payload(chunks);
        assert!(read(chunks, &whole).is_ok());
        for len in 0..whole.len() {
            assert!(read(chunks, &whole[..len]).is_err(), "cut at {len}");
        }
    }
}
