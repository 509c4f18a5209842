//! A chunk: consecutive records of one shard, as an append buffer gathers them and as a frame carries them.
//!
//! A chunk is two byte strings. The *index* has one entry for each record, the *payload* has the records' bytes back
//! to back:
//!
//! ```text
//! entry:  varint  (LSN − the LSN before) << 1 | (1 if the epoch differs from the one before)
//!         varint  epoch − the epoch before              only if that bit is set
//!         varint  length of the payload in bytes
//! ```
//!
//! "The one before" is the previous record of the chunk, or the chunk's base for the first. Two strings and not one,
//! so that a payload is encoded in place before its length and LSN are known, and a walk over the LSNs (to split a
//! chunk at a cut) reads a few dense bytes and no payload. While they are gathered both are in pieces ([`Payload`]), and no
//! entry is in two of them.
//!
//! Invariants: LSNs rise strictly, epochs never fall.

use super::payload::Payload;
use crate::coding::{put_varint, take_varint};
use crate::record::{Epoch, Lsn};

/// A place between two records of a chunk: the coordinates of the record before it, and the bytes before it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Position {
    /// The LSN of the record before.
    pub lsn: Lsn,
    /// The epoch of the record before.
    pub epoch: Epoch,
    /// The number of records before.
    pub records: u64,
    /// The number of index bytes before.
    pub index: usize,
    /// The number of payload bytes before.
    pub payload: usize,
}

impl Position {
    /// The place behind the record whose entry is taken off the front of an index. `None`: the entry is malformed.
    fn take_entry(self, index: &mut &[u8]) -> Option<Self> {
        let length = index.len();
        let head = take_varint(index)?;
        if head < 2 {
            return None;
        }
        let rise = if head & 1 == 1 { take_varint(index)? } else { 0 };
        let payload = usize::try_from(take_varint(index)?).ok()?;
        Some(Self {
            lsn: Lsn(self.lsn.0.checked_add(head >> 1)?),
            epoch: Epoch(self.epoch.0.checked_add(rise)?),
            records: self.records + 1,
            index: self.index + length - index.len(),
            payload: self.payload.checked_add(payload)?,
        })
    }
}

/// The records that one buffer gathered between two drains.
#[derive(Debug, Default)]
pub struct Chunk {
    /// Before the first record.
    start: Position,
    /// After the last record.
    end: Position,
    pub(super) index: Payload,
    pub(super) payload: Payload,
    /// The entry that is being made.
    entry: Vec<u8>,
}

impl Chunk {
    /// Whether there is no record.
    pub fn is_empty(&self) -> bool {
        self.end.records == 0
    }

    /// Before the first record.
    pub fn start(&self) -> Position {
        self.start
    }

    /// After the last record.
    pub fn end(&self) -> Position {
        self.end
    }

    /// The size of everything in it.
    pub fn bytes(&self) -> usize {
        self.index.len() + self.payload.len()
    }

    /// Makes a record of the payload bytes appended since the last one.
    #[inline]
    pub fn push(&mut self, lsn: Lsn, epoch: Epoch) {
        if self.is_empty() {
            self.start = Position { lsn: Lsn(lsn.0 - 1), epoch, ..Position::default() };
            self.end = self.start;
        }
        debug_assert!(lsn > self.end.lsn, "LSNs of a shard must rise");
        let delta = (lsn.0 - self.end.lsn.0) << 1;
        self.entry.clear();
        if epoch == self.end.epoch {
            put_varint(&mut self.entry, delta);
        } else {
            assert!(epoch > self.end.epoch, "an epoch fell from {} to {}", self.end.epoch.0, epoch.0);
            put_varint(&mut self.entry, delta | 1);
            put_varint(&mut self.entry, epoch.0 - self.end.epoch.0);
        }
        put_varint(&mut self.entry, (self.payload.len() - self.end.payload) as u64);
        self.index.put_whole(&self.entry);
        self.end = Position {
            lsn,
            epoch,
            records: self.end.records + 1,
            index: self.index.len(),
            payload: self.payload.len(),
        };
    }

    /// The place after the last record at or before `cut`, looking from `from` on.
    pub fn split(&self, from: Position, cut: Lsn) -> Position {
        if self.end.lsn <= cut {
            return self.end;
        }
        let mut at = from;
        for mut entries in self.index.range(from.index, self.index.len()) {
            while !entries.is_empty() {
                let behind = at.take_entry(&mut entries).expect("a chunk in memory is well-formed");
                if behind.lsn > cut {
                    return at;
                }
                at = behind;
            }
        }
        at
    }

    /// Forgets the records and keeps some memory.
    pub fn clear(&mut self) {
        self.start = Position::default();
        self.end = Position::default();
        self.index.clear();
        self.payload.clear();
    }
}

/// One record of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Its place in the order.
    pub lsn: Lsn,
    /// Its epoch.
    pub epoch: Epoch,
    /// Its bytes.
    pub payload: &'a [u8],
}

/// Walks a chunk's records. Trusts nothing.
#[derive(Debug)]
pub struct Cursor<'a> {
    at: Position,
    index: &'a [u8],
    payload: &'a [u8],
}

impl<'a> Cursor<'a> {
    /// A cursor before the first record of the two strings; `before` says what is the record before.
    pub fn new(before: Position, index: &'a [u8], payload: &'a [u8]) -> Self {
        Self { at: before, index, payload }
    }

    /// The next record, `None` after the last.
    pub fn next(&mut self) -> Result<Option<Entry<'a>>, &'static str> {
        if self.index.is_empty() {
            return match self.payload {
                [] => Ok(None),
                _ => Err("a chunk has bytes that belong to no record"),
            };
        }
        self.read_entry().map(Some).ok_or("a chunk has a malformed record")
    }

    fn read_entry(&mut self) -> Option<Entry<'a>> {
        let behind = self.at.take_entry(&mut self.index)?;
        let (payload, rest) = self.payload.split_at_checked(behind.payload - self.at.payload)?;
        (self.at, self.payload) = (behind, rest);
        Some(Entry { lsn: behind.lsn, epoch: behind.epoch, payload })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(records: &[(u64, u64, &[u8])]) -> Chunk {
        let mut chunk = Chunk::default();
        for &(lsn, epoch, payload) in records {
            chunk.payload.put(payload);
            chunk.push(Lsn(lsn), Epoch(epoch));
        }
        chunk
    }

    /// Index and payload.
    fn bytes(chunk: &Chunk) -> (Vec<u8>, Vec<u8>) {
        let all = |payload: &Payload| payload.pieces().collect::<Vec<_>>().concat();
        (all(&chunk.index), all(&chunk.payload))
    }

    fn read(before: Position, index: &[u8], payload: &[u8]) -> Vec<(u64, u64, Vec<u8>)> {
        let mut cursor = Cursor::new(before, index, payload);
        std::iter::from_fn(|| cursor.next().unwrap())
            .map(|e| (e.lsn.0, e.epoch.0, e.payload.to_vec()))
            .collect()
    }

    const RECORDS: &[(u64, u64, &[u8])] =
        &[(7, 3, b"a"), (8, 3, b""), (500, 3, b"ccc"), (501, 9, b"d"), (70_000, 10, b"ee")];

    #[test]
    fn records_come_back_from_every_split() {
        let chunk = chunk(RECORDS);
        let (index, payload) = bytes(&chunk);
        for cut in 0..=70_001 {
            let at = chunk.split(chunk.start(), Lsn(cut));
            let expected = RECORDS.iter().filter(|r| r.0 <= cut).count();
            assert_eq!(at.records, expected as u64);
            if [6, 7, 8, 499, 500, 501, 69_999, 70_000].contains(&cut) {
                let mut all = read(chunk.start(), &index[..at.index], &payload[..at.payload]);
                all.extend(read(at, &index[at.index..], &payload[at.payload..]));
                let expected: Vec<_> = RECORDS.iter().map(|r| (r.0, r.1, r.2.to_vec())).collect();
                assert_eq!(all, expected, "cut {cut}");
            }
        }
    }

    #[test]
    fn a_cut_or_changed_chunk_is_an_error_or_other_records_and_never_a_panic() {
        let chunk = chunk(RECORDS);
        let (index, payload) = bytes(&chunk);
        for at in 0..index.len() {
            for value in 0..=255 {
                let mut index = index.clone();
                index[at] = value;
                let mut cursor = Cursor::new(chunk.start(), &index, &payload);
                while let Ok(Some(_)) = cursor.next() {}
            }
            let mut cursor = Cursor::new(chunk.start(), &index[..at], &payload);
            let failed = std::iter::from_fn(|| cursor.next().transpose()).any(|entry| entry.is_err());
            assert!(failed, "a chunk cut at {at} was read");
        }
    }

    #[test]
    fn many_records_are_split_wherever_pieces_end() {
        let records: Vec<_> = (1..=20_000).map(|lsn| (lsn, lsn / 5_000, &b"a record"[..])).collect();
        let chunk = chunk(&records);
        let (index, payload) = bytes(&chunk);
        for cut in (0..=20_000).step_by(99) {
            let at = chunk.split(chunk.start(), Lsn(cut));
            assert_eq!((at.records, at.payload as u64), (cut, 8 * cut));
            assert_eq!(read(at, &index[at.index..], &payload[at.payload..]).len() as u64, 20_000 - cut);
        }
    }

    #[test]
    fn a_cleared_chunk_is_empty_and_as_good_as_new() {
        let mut chunk = chunk(&[(1, 1, &[0; 100_000])]);
        chunk.clear();
        assert!(chunk.is_empty() && chunk.bytes() == 0);
        chunk.payload.put(b"next");
        chunk.push(Lsn(9), Epoch(2));
        let (index, payload) = bytes(&chunk);
        assert_eq!(read(chunk.start(), &index, &payload), [(9, 2, b"next".to_vec())]);
    }
}
