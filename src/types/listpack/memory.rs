//! The memory of a listpack: its bytes, with room to grow at either end.
//!
//! ```text
//! memory    length of the listpack (4, little-endian) … | listpack | spare
//!           gap                                          |          |
//! ```
//!
//! * Lists grow and shrink at both ends. With all room behind the last byte each LPUSH would move the whole listpack,
//!   and reading and writing a kilobyte that is in no cache costs more than the rest of the command. So what is moved
//!   is the shorter part, and a listpack that grows at one end gets all its room there.
//! * A listpack begins with its length. The memory does so, too: without a gap the two are the same four bytes, and gaps
//!   of one to three bytes, where they would overlap, are not made. So nothing else needs to be kept.
//! * A listpack takes no more memory than one without gaps: room is what the allocator's class has left.

use super::HEADER_LEN;
use crate::util::capacity::{capacity_for, reserve};

/// Bytes of the length.
const LENGTH: usize = size_of::<u32>();

/// See the module's doc.
pub(super) struct Memory(Vec<u8>);

impl Memory {
    /// The bytes of a listpack, or what has at least its first four, which are the number of them all.
    pub(super) fn of(bytes: Vec<u8>) -> Self {
        debug_assert_eq!(length(&bytes), bytes.len());
        Self(bytes)
    }

    /// The listpack's bytes.
    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0[self.gap()..]
    }

    /// The same, to be changed. The length is not.
    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        let gap = self.gap();
        &mut self.0[gap..]
    }

    /// What it holds from its lowest address on, whether listpack or not: reads nothing.
    #[inline]
    pub(super) fn raw(&self) -> &[u8] {
        &self.0
    }

    /// How long the listpack is.
    #[inline]
    pub(super) fn len(&self) -> usize {
        length(&self.0)
    }

    /// Bytes allocated.
    pub(super) fn capacity(&self) -> usize {
        self.0.capacity()
    }

    /// Puts `added` bytes, which are then to be written, in the place of those from `start` to `tail`; `start` is behind
    /// the header.
    pub(super) fn replace(&mut self, start: usize, tail: usize, added: usize) {
        let len = self.len() - (tail - start) + added;
        // What grows may have been given room.
        let is_wasteful =
            len < self.len() && len < self.capacity() / 2 && capacity_for(len) < self.capacity();
        match self.gap_for(start, tail, len) {
            Some(gap) if !is_wasteful => self.arrange(start, tail, added, gap),
            _ => self.rebuild(start, tail, added, len),
        }
        let gap = self.0.len() - len;
        for at in [gap, 0] {
            self.0[at..at + LENGTH].copy_from_slice(&(len as u32).to_le_bytes());
        }
    }

    /// Makes room for `more` bytes behind the last one.
    pub(super) fn reserve(&mut self, more: usize) {
        reserve(&mut self.0, more);
    }

    /// Gives back what room there is.
    pub(super) fn shrink_to_fit(&mut self) {
        let end = self.len() - 1;
        self.arrange(end, end, 0, 0);
        self.0.shrink_to_fit();
    }

    #[inline]
    fn gap(&self) -> usize {
        self.0.len() - self.len()
    }

    /// How much room to leave in front when the listpack will have `len` bytes; `None` if there is not enough memory.
    fn gap_for(&self, start: usize, tail: usize, len: usize) -> Option<usize> {
        let room = self.capacity().checked_sub(len)?;
        let (gap, old_len) = (self.gap(), self.len());
        let (head, rest) = (start, old_len - tail);
        let is_first = start == HEADER_LEN && rest > head;
        // What is behind the place stays where it is, or else what is before it.
        let moving_head = (gap + old_len).checked_sub(len).filter(|&gap| gap <= room);
        let moving_rest = Some(gap).filter(|&gap| gap <= room);
        let (near, far) = if head < rest { (moving_head, moving_rest) } else { (moving_rest, moving_head) };
        let is_last = rest == 1;
        let best = match near {
            Some(gap) => gap,
            // An end takes all room there is.
            None if is_first => room,
            None if is_last => 0,
            None => far.unwrap_or(if head < rest { room } else { 0 }),
        };
        Some(allowed(best, if is_first { room } else { 0 }))
    }

    /// Moves what is before `start` and what is from `tail` on to where they belong.
    fn arrange(&mut self, start: usize, tail: usize, added: usize, gap: usize) {
        let (old_gap, old_end) = (self.gap(), self.0.len());
        let rest = gap + start + added;
        let end = rest + old_end - (old_gap + tail);
        if end > old_end {
            self.0.resize(end, 0);
        }
        let is_rest_first = rest > old_gap + tail;
        if is_rest_first {
            self.0.copy_within(old_gap + tail..old_end, rest);
        }
        if gap != old_gap {
            self.0.copy_within(old_gap..old_gap + start, gap);
        }
        if !is_rest_first && rest != old_gap + tail {
            self.0.copy_within(old_gap + tail..old_end, rest);
        }
        self.0.truncate(end);
    }

    /// The same in new memory of the class for `len` bytes, with what room there is at the end that grows.
    fn rebuild(&mut self, start: usize, tail: usize, added: usize, len: usize) {
        let capacity = capacity_for(len);
        let grows_in_front = start < self.len() - tail;
        let gap = if grows_in_front { allowed(capacity - len, 0) } else { 0 };
        let mut memory = Vec::with_capacity(capacity);
        let old = self.bytes();
        memory.resize(gap, 0);
        memory.extend_from_slice(&old[..start]);
        memory.resize(gap + start + added, 0);
        memory.extend_from_slice(&old[tail..]);
        self.0 = memory;
    }
}

impl Clone for Memory {
    /// Without room.
    fn clone(&self) -> Self {
        Self(self.bytes().to_vec())
    }
}

/// A gap of this size if that may be, else one of four bytes if there is so much room, else none.
fn allowed(gap: usize, room: usize) -> usize {
    match gap {
        1..LENGTH if room >= LENGTH => LENGTH,
        1..LENGTH => 0,
        gap => gap,
    }
}

/// The number that bytes begin with.
#[inline]
fn length(bytes: &[u8]) -> usize {
    let first = bytes.first_chunk().expect("a listpack has a header");
    u32::from_le_bytes(*first) as usize
}
