//! The reply bytes of one connection that have been produced and not yet been sent.
//!
//! Small replies are appended to one growable buffer. A big value is not copied: the stream refers to it, at its place
//! between two bytes of the buffer, until it has been sent.
//!
//! ```text
//! buffer   |sent…|unsent bytes …|more bytes …|
//!                ^ head         ^ splice 0: value[range] is sent here
//! ```
//!
//! Invariants:
//! * The stream is a sequence of bytes with absolute positions from 0; `position()` only grows (but for `rollback`),
//!   so the network layer can hold back everything behind a position until it may be shown.
//! * Splices are in stream order, none of them empty, and never in front of `head`.
//! * In steady state nothing is allocated: the buffer is reused. What one big reply made it grow to is given back as
//!   soon as that has been sent; what is merely above the small size that every connection may keep, once several
//!   replies in a row have not needed it, or by `trim`.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::ops::Range;
use std::sync::Arc;

/// Capacity that a connection keeps for ever.
const KEPT: usize = 16 * 1024;

/// Capacity above which the buffer is given back the moment it is empty. Between the two it must have gone unused.
const KEPT_WHILE_BUSY: usize = 256 * 1024;

/// After so many times of running empty without using more than [`KEPT`], a bigger buffer is given back.
const IDLE_DRAINS: u8 = 64;

/// Sent bytes at the buffer's start are moved out of the way when there are at least this many, and more than unsent
/// ones, so that moving costs less than sending did.
const COMPACT_MIN: usize = 64 * 1024;

/// A value that is sent from where it is.
#[derive(Debug)]
struct Splice {
    /// Where in the buffer it is inserted.
    at: usize,
    value: Arc<Vec<u8>>,
    range: Range<usize>,
}

/// See the module's doc.
#[derive(Debug, Default)]
pub struct Output {
    buffer: Vec<u8>,
    /// How much of `buffer` has been sent.
    head: usize,
    splices: VecDeque<Splice>,
    /// Unsent bytes in `splices`.
    spliced: usize,
    /// Position in the stream of the first unsent byte.
    sent: u64,
    /// How often in a row the output ran empty without having needed more than [`KEPT`].
    idle_drains: u8,
}

/// A place in an output to come back to with [`Output::rollback`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Mark {
    buffer_len: usize,
    splices: usize,
    sent: u64,
}

/// A place in an output to which bytes will be moved later.
#[derive(Debug)]
#[must_use]
pub(super) struct Gap {
    at: usize,
    splices: usize,
}

impl Output {
    /// An empty output at position 0. Allocates nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// The buffer to append reply bytes to. Nothing else may be done to it.
    #[inline]
    pub fn bytes_mut(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    /// Appends a copy of `bytes`.
    #[inline]
    pub fn extend(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Appends `value[range]` without copying it. Panics if the range is not inside the value.
    pub fn splice(&mut self, value: Arc<Vec<u8>>, range: Range<usize>) {
        assert!(range.start <= range.end && range.end <= value.len(), "a splice lies inside its value");
        if !range.is_empty() {
            self.spliced += range.len();
            self.splices.push_back(Splice { at: self.buffer.len(), value, range });
        }
    }

    /// Unsent bytes.
    #[inline]
    pub fn len(&self) -> usize {
        self.buffer.len() - self.head + self.spliced
    }

    /// Whether everything has been sent.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes produced since the connection began: the position behind the last byte.
    #[inline]
    pub fn position(&self) -> u64 {
        self.sent + self.len() as u64
    }

    /// Bytes sent since the connection began: the position of the first unsent byte.
    #[inline]
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// Bytes of memory held for this connection's sake. Values that are only referred to count in full, as they do
    /// for `client-output-buffer-limit`, because a slow client is what keeps them alive.
    pub fn memory(&self) -> usize {
        self.buffer.capacity() + self.splices.capacity() * size_of::<Splice>() + self.spliced
    }

    /// Fills `slices` with the first unsent bytes, `limit_bytes` at most, and returns how many slices were filled.
    pub fn io_slices<'a>(&'a self, limit_bytes: usize, slices: &mut [IoSlice<'a>]) -> usize {
        if self.splices.is_empty()
            && let Some(slice) = slices.first_mut()
        {
            let bytes = &self.buffer[self.head..];
            let bytes = &bytes[..bytes.len().min(limit_bytes)];
            *slice = IoSlice::new(bytes);
            return usize::from(!bytes.is_empty());
        }
        let mut left = limit_bytes;
        let mut count = 0;
        for piece in self.pieces() {
            if left == 0 || count == slices.len() {
                break;
            }
            let piece = &piece[..piece.len().min(left)];
            left -= piece.len();
            slices[count] = IoSlice::new(piece);
            count += 1;
        }
        count
    }

    /// As [`io_slices`](Self::io_slices), but nothing from `position` on: what is behind it must not be sent yet.
    pub fn io_slices_until<'a>(&'a self, position: u64, slices: &mut [IoSlice<'a>]) -> usize {
        let sendable = position.saturating_sub(self.sent);
        self.io_slices(usize::try_from(sendable).unwrap_or(usize::MAX), slices)
    }

    /// Copies the unsent bytes to `whole` when they are in several pieces; [`Output::contiguous`] reads them then.
    pub fn gather(&self, whole: &mut Vec<u8>) {
        whole.clear();
        if !self.splices.is_empty() {
            self.pieces().for_each(|piece| whole.extend_from_slice(piece));
        }
    }

    /// The unsent bytes in one piece, after [`Output::gather`].
    pub fn contiguous<'a>(&'a self, whole: &'a [u8]) -> &'a [u8] {
        if self.splices.is_empty() { &self.buffer[self.head..] } else { whole }
    }

    /// Drops the first `count` bytes, which have been sent. Panics if there are not that many.
    pub fn consume(&mut self, count: usize) {
        assert!(count <= self.len(), "only produced bytes can have been sent");
        self.sent += count as u64;
        if self.splices.is_empty() {
            self.head += count;
        } else {
            self.consume_spliced(count);
        }
        if self.is_empty() {
            self.drained();
        } else if self.head >= COMPACT_MIN && self.head > self.buffer.len() - self.head {
            self.compact();
        }
    }

    /// Takes all unsent bytes, in one piece.
    pub fn take(&mut self) -> Vec<u8> {
        let bytes = self.pieces().flatten().copied().collect();
        self.consume(self.len());
        bytes
    }

    /// Remembers the current end.
    pub fn mark(&self) -> Mark {
        Mark { buffer_len: self.buffer.len(), splices: self.splices.len(), sent: self.sent }
    }

    /// Takes back everything appended since `mark` (`CLIENT REPLY OFF`). Panics if bytes have been sent since.
    pub fn rollback(&mut self, mark: Mark) {
        assert_eq!(mark.sent, self.sent, "nothing is sent between a mark and its rollback");
        self.buffer.truncate(mark.buffer_len);
        self.spliced -= self.splices.drain(mark.splices..).map(|splice| splice.range.len()).sum::<usize>();
    }

    /// Gives back all memory that unsent bytes do not need, for a connection that has been quiet.
    pub fn trim(&mut self) {
        if self.is_empty() {
            self.buffer = Vec::new();
            self.head = 0;
        } else {
            self.compact();
            self.buffer.shrink_to_fit();
        }
        self.splices.shrink_to_fit();
    }

    /// A place at the current end.
    pub(super) fn gap(&self) -> Gap {
        Gap { at: self.buffer.len(), splices: self.splices.len() }
    }

    /// Moves the bytes appended behind `from` to a place noted earlier. What was between the two moves up, and gaps
    /// noted there are void.
    pub(super) fn move_to(&mut self, gap: Gap, from: Gap) {
        let moved = self.buffer.len() - from.at;
        self.buffer[gap.at..].rotate_right(moved);
        for splice in self.splices.range_mut(gap.splices..from.splices) {
            splice.at += moved;
        }
    }

    /// The unsent bytes as pieces in stream order, none of them empty.
    fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(self.head).chain(self.splices.iter().map(|splice| splice.at));
        let stretches = starts.enumerate().flat_map(|(index, start)| {
            let splice = self.splices.get(index);
            let end = splice.map_or(self.buffer.len(), |splice| splice.at);
            let value = splice.map_or(&[][..], |splice| &splice.value[splice.range.clone()]);
            [&self.buffer[start..end], value]
        });
        stretches.filter(|piece| !piece.is_empty())
    }

    fn consume_spliced(&mut self, count: usize) {
        let mut left = count;
        while left > 0 {
            let Some(splice) = self.splices.front_mut() else {
                self.head += left;
                return;
            };
            let before = (splice.at - self.head).min(left);
            self.head += before;
            left -= before;
            let taken = splice.range.len().min(left);
            splice.range.start += taken;
            self.spliced -= taken;
            left -= taken;
            if splice.range.is_empty() {
                self.splices.pop_front();
            }
        }
    }

    /// Everything has been sent: starts the buffer over, smaller if it was bigger than this connection needs.
    fn drained(&mut self) {
        let used = self.buffer.len();
        self.buffer.clear();
        self.head = 0;
        let capacity = self.buffer.capacity();
        self.idle_drains = if capacity <= KEPT || used > KEPT { 0 } else { self.idle_drains + 1 };
        if capacity > KEPT_WHILE_BUSY || self.idle_drains >= IDLE_DRAINS {
            self.buffer = Vec::new();
            self.idle_drains = 0;
        }
        self.splices.shrink_to(KEPT / size_of::<Splice>());
    }

    /// Moves the unsent bytes to the buffer's start.
    fn compact(&mut self) {
        self.buffer.drain(..self.head);
        for splice in &mut self.splices {
            splice.at -= self.head;
        }
        self.head = 0;
    }
}

#[cfg(test)]
mod tests;
