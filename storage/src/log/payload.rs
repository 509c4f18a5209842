//! Bytes in pieces: what an append buffer gathers, and how a record is handed to it.
//!
//! A buffer is appended to while a shard is locked, and when the disk is slow for a moment it holds megabytes. So it never grows as
//! one string, which would copy all of them each time; and what is long already comes as it is, shared with whoever has it.
//!
//! * Own pieces are of [`PIECE_BYTES`] at most, and that is the most that is asked of the allocator at once.
//! * Appended bytes stay where they are until they are written: no append costs more than its own bytes and a piece.
//! * What [`Payload::put_whole`] appends is in one piece, so that an entry of an index can be read from a slice.

use std::sync::Arc;

/// The most bytes in one piece of our own. Small, because its memory may be new, and comes page by page then.
pub(super) const PIECE_BYTES: usize = 16 << 10;

/// Bytes in pieces.
#[derive(Debug, Default)]
pub struct Payload {
    /// What is in front of the tail.
    pieces: Vec<Piece>,
    /// Their bytes.
    before: usize,
    tail: Vec<u8>,
}

#[derive(Debug)]
enum Piece {
    Own(Vec<u8>),
    Shared(Arc<Vec<u8>>),
}

impl Piece {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Own(bytes) => bytes,
            Self::Shared(bytes) => bytes,
        }
    }
}

impl Payload {
    /// How many bytes there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.before + self.tail.len()
    }

    /// Are there none?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends bytes.
    #[inline]
    pub fn put(&mut self, bytes: &[u8]) {
        if bytes.len() <= self.room() {
            self.tail.extend_from_slice(bytes);
        } else {
            self.put_across(bytes);
        }
    }

    /// Appends a byte.
    #[inline]
    pub fn push(&mut self, byte: u8) {
        if self.room() == 0 {
            self.end_piece();
        }
        self.tail.push(byte);
    }

    /// Appends a few bytes, all in one piece.
    #[inline]
    pub(super) fn put_whole(&mut self, bytes: &[u8]) {
        debug_assert!(bytes.len() <= PIECE_BYTES, "no piece is so long");
        if bytes.len() > self.room() {
            self.end_piece();
        }
        self.tail.extend_from_slice(bytes);
    }

    /// Appends bytes without a copy. They must not be few: each such call makes a piece.
    pub fn put_shared(&mut self, bytes: Arc<Vec<u8>>) {
        self.end_piece();
        self.before += bytes.len();
        self.pieces.push(Piece::Shared(bytes));
    }

    /// Appends all of another one, piece by piece.
    pub fn append(&mut self, other: &mut Self) {
        if other.pieces.is_empty() {
            self.put(&other.tail);
            other.tail.clear();
            return;
        }
        self.end_piece();
        self.before += std::mem::take(&mut other.before);
        self.pieces.append(&mut other.pieces);
        self.put(&other.tail);
        other.tail.clear();
    }

    /// Bytes that the tail may still take.
    #[inline]
    fn room(&self) -> usize {
        PIECE_BYTES - self.tail.len()
    }

    #[cold]
    fn put_across(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(self.room()));
            self.tail.extend_from_slice(now);
            bytes = later;
            if self.room() == 0 {
                self.end_piece();
            }
        }
    }

    #[cold]
    fn end_piece(&mut self) {
        if self.tail.is_empty() {
            return;
        }
        // Whoever has filled one will probably fill the next.
        let next = Vec::with_capacity(PIECE_BYTES);
        let tail = std::mem::replace(&mut self.tail, next);
        self.before += tail.len();
        self.pieces.push(Piece::Own(tail));
    }

    /// Cuts off what is behind the first `len` bytes, which end in a piece of our own or between two.
    pub fn truncate(&mut self, len: usize) {
        while len < self.before {
            let Some(piece) = self.pieces.pop() else { break };
            self.before -= piece.bytes().len();
            self.tail = match piece {
                Piece::Own(bytes) => bytes,
                Piece::Shared(_) => Vec::new(),
            };
        }
        self.tail.truncate(len.saturating_sub(self.before));
    }

    /// All bytes, piece by piece.
    pub fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        self.pieces.iter().map(Piece::bytes).chain([&self.tail[..]])
    }

    /// The bytes of a range, piece by piece.
    pub(super) fn range(&self, from: usize, to: usize) -> impl Iterator<Item = &[u8]> {
        let mut start = 0;
        self.pieces().filter_map(move |piece| {
            let (begin, end) = (start, start + piece.len());
            start = end;
            let part = from.max(begin)..to.min(end);
            (part.start < part.end).then(|| &piece[part.start - begin..part.end - begin])
        })
    }

    /// Forgets the bytes and keeps a piece's memory.
    pub fn clear(&mut self) {
        self.pieces = Vec::new();
        self.before = 0;
        self.tail.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(payload: &Payload) -> Vec<u8> {
        payload.pieces().collect::<Vec<_>>().concat()
    }

    fn numbered(len: usize) -> Vec<u8> {
        (0..len).map(|n| (n / 7) as u8).collect()
    }

    #[test]
    fn bytes_come_back_as_they_were_put_and_none_is_moved() {
        let (mut payload, mut expected) = (Payload::default(), Vec::new());
        for len in (0..2_000).chain([PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 5 * PIECE_BYTES]) {
            payload.put(&numbered(len));
            payload.push(len as u8);
            expected.extend(numbered(len));
            expected.push(len as u8);
        }
        let first = payload.range(0, 1).next().unwrap().as_ptr();
        let shared = Arc::new(numbered(100_000));
        payload.put_shared(shared.clone());
        payload.put(b"behind it");
        expected.extend_from_slice(&shared);
        expected.extend_from_slice(b"behind it");
        assert_eq!(payload.range(0, 1).next().unwrap().as_ptr(), first);
        assert!(payload.pieces().any(|piece| piece.as_ptr() == shared.as_ptr()));
        assert_eq!((payload.len(), all(&payload)), (expected.len(), expected.clone()));
        for (from, to) in [(0, 0), (3, 20_000), (16_383, 16_385), (payload.len() - 12, payload.len())] {
            assert_eq!(payload.range(from, to).collect::<Vec<_>>().concat(), &expected[from..to]);
        }
        assert!(payload.range(0, payload.len() - shared.len()).all(|piece| piece.len() <= PIECE_BYTES));
        let mut other = Payload::default();
        other.put(b"before");
        other.append(&mut payload);
        assert_eq!(all(&other), [&b"before"[..], &expected].concat());
        assert!(payload.is_empty());
    }

    #[test]
    fn what_is_put_whole_is_in_one_piece() {
        let mut payload = Payload::default();
        (0..5_000).for_each(|_| payload.put_whole(b"1234567"));
        assert_eq!(payload.len(), 35_000);
        assert!(payload.range(0, payload.len()).all(|piece| piece.len().is_multiple_of(7)));
    }

    #[test]
    fn what_is_cut_off_leaves_what_was_before() {
        let mut payload = Payload::default();
        payload.put(&numbered(3 * PIECE_BYTES + 5));
        let kept = payload.len();
        payload.put(&numbered(2 * PIECE_BYTES));
        payload.put_shared(Arc::new(vec![1; 100]));
        payload.put(b"more");
        payload.truncate(kept);
        assert_eq!(all(&payload), numbered(kept));
        payload.put(b"again");
        assert_eq!(payload.len(), kept + 5);
        payload.truncate(0);
        assert!(payload.is_empty());
        payload.put(b"x");
        assert_eq!(all(&payload), b"x");
    }
}
