//! Walking a table in hash order: at once, or in steps with a cursor.
//!
//! A cursor is the high 53 bits of a hash. The entries of a chunk are ordered by at most 52 of them, so every boundary
//! between entries of different tags is a cursor.

use super::chunk::Chunk;
use super::entry::{Shape, tag_of};
use super::node::Child;
use super::{DEPTH_MAX, hash_of};

/// Bits of a hash below those of a cursor.
const CURSOR_SHIFT: u32 = 11;
/// Every cursor is below this.
pub const CURSOR_END: u64 = 1 << (u64::BITS - CURSOR_SHIFT);
/// Chunks that a step looks at when they are empty.
const EMPTY_CHUNKS_MAX: usize = 64;

const _: () = assert!(DEPTH_MAX + u16::BITS + CURSOR_SHIFT < u64::BITS, "a tag's boundary is a cursor");

/// The steps of [`super::Table::scan`].
pub(super) fn scan<S: Shape>(
    root: &Child<S>,
    seed: u64,
    cursor: u64,
    count: usize,
    mut found: impl FnMut(&[u8], S::Value<'_>),
) -> u64 {
    if cursor >= CURSOR_END {
        return 0;
    }
    let (mut position, mut left, mut empty) = (cursor << CURSOR_SHIFT, count.max(1), 0);
    loop {
        let (chunk, depth, end) = root.chunk_and_end(position);
        let mut index = chunk.lower_bound(tag_of(position, depth));
        while index < chunk.len() && left > 0 {
            let tag = chunk.tag(index);
            // Entries with the same tag have no order that lasts, so they go together.
            while index < chunk.len() && chunk.tag(index) == tag {
                let (key, value) = chunk.entry(index);
                // Before the chunk was merged, some may have been passed already.
                if hash_of(seed, key) >= position {
                    found(key, value);
                    left = left.saturating_sub(1);
                }
                index += 1;
            }
            if index < chunk.len() {
                position = start_of(position, depth, chunk.tag(index));
            }
        }
        if index < chunk.len() {
            return position >> CURSOR_SHIFT;
        }
        empty += usize::from(chunk.len() == 0);
        match end {
            None => return 0,
            Some(end) if left == 0 || empty > EMPTY_CHUNKS_MAX => return end >> CURSOR_SHIFT,
            Some(end) => position = end,
        }
    }
}

/// The first hash with this tag in the chunk of `position`.
fn start_of(position: u64, depth: u32, tag: u16) -> u64 {
    position & !(u64::MAX >> depth) | u64::from(tag) << 48 >> depth
}

/// All entries of a table, in hash order.
pub struct Iter<'a, S> {
    /// What comes after the current chunk, next last.
    pending: Vec<&'a Child<S>>,
    chunk: Option<&'a Chunk<S>>,
    index: usize,
}

impl<'a, S: Shape> Iter<'a, S> {
    pub(super) fn new(root: &'a Child<S>) -> Self {
        Self { pending: vec![root], chunk: None, index: 0 }
    }
}

impl<'a, S: Shape> Iterator for Iter<'a, S> {
    type Item = (&'a [u8], S::Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(chunk) = self.chunk.filter(|chunk| self.index < chunk.len()) {
                self.index += 1;
                return Some(chunk.entry(self.index - 1));
            }
            match self.pending.pop()? {
                Child::Chunk(chunk) => (self.chunk, self.index) = (Some(&**chunk), 0),
                Child::Node(node) => {
                    let start = self.pending.len();
                    self.pending.extend(node.children());
                    self.pending[start..].reverse();
                }
            }
        }
    }
}
