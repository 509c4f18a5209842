//! A long block of one entry, of which only what a merge decides by is in memory: all but the value.
//!
//! * [`Long::open`] takes the key and the value's length from the block's ends, and knows nothing of the checksum, which
//!   covers the value, too. [`Long::copy`] reads all of the block, holds no more than a piece of it, and fails at the end if
//!   the checksum is wrong, or before if the ends are not those that were decided by.
//! * So whoever copies a value must throw the copy away if that fails, and an entry that is not copied must not be
//!   believed more than this: what lies at its position is a value of some key. A tombstone is therefore never opened here.

use super::pieces::Pieces;
use super::{BlockRef, Refused, TAIL_BYTES, Tail, take_head};
use crate::checksum::Place;
use crate::entry::{Content, Entry, Head, Position};
use crate::error::Error;

/// A value that is no longer is not worth being read twice.
pub const HELD_BYTES_MAX: u64 = 64 << 10;
/// What stands before a key takes at most so much.
const HEAD_BYTES_MAX: usize = 30;
/// What stands behind a value takes at most so much: where it ends, and the tail.
const BACK_BYTES_MAX: usize = 8 + TAIL_BYTES;
/// A look at a piece's length costs the disk about so much.
const LOOK_BYTES: u64 = 4 << 10;

const CHANGED: &str = "a block that is not the same each time it is read";

/// The one entry of a long block.
pub struct Long {
    position: Position,
    content: Content<()>,
    /// What stands before the value in the body, and where the key begins in it.
    front: Vec<u8>,
    key: usize,
    /// What stands behind the value.
    back: Vec<u8>,
    body_bytes: u64,
}

impl Long {
    /// Opens the block that `expected` promises at `place`, from which `read` reads anywhere. `None`: it is one to be read as a
    /// whole, because it has several entries, a short value, or something that makes no sense, of which a reading of the
    /// whole will find the reason.
    ///
    /// `pace` is told how many bytes that costs, every now and then, and its error is returned.
    pub fn open(
        place: Place,
        expected: &BlockRef,
        read: impl FnMut(&mut [u8], u64) -> Result<(), Error>,
        mut pace: impl FnMut(u64) -> Result<(), Error>,
    ) -> Result<Option<Self>, Refused> {
        let mut pieces = Pieces::begin(expected.length, place, read)?;
        let body_bytes = pieces.body_bytes();
        let (mut front, mut back) = (Vec::new(), Vec::new());
        let mut head = None;
        while let Some(piece) = pieces.next()? {
            let end = piece.start + piece.bytes as u64;
            if front.len() < HEAD_BYTES_MAX || head.is_some_and(|(_, _, value)| front.len() < value) {
                pace(piece.bytes as u64)?;
                pieces.read(&piece, &mut front)?;
                if head.is_none() && front.len() >= HEAD_BYTES_MAX {
                    head = begin(&front, body_bytes);
                    if head.is_none() {
                        return Ok(None);
                    }
                }
            } else if end + BACK_BYTES_MAX as u64 > body_bytes {
                pieces.read(&piece, &mut back)?;
            } else {
                pace(LOOK_BYTES)?;
                pieces.pass(&piece);
            }
        }
        let Some((content, key, value)) = head else { return Ok(None) };
        front.truncate(value);
        let opened = back_of(&back, body_bytes, expected.first).map(|back| Self {
            position: expected.first,
            content,
            front,
            key,
            back: back.to_vec(),
            body_bytes,
        });
        Ok(opened)
    }

    /// The entry, without the value.
    pub fn head(&self) -> Head<'_> {
        Entry { position: self.position, key: &self.front[self.key..], content: self.content }
    }

    /// Hands the value out, piece by piece. What it has handed out is of no use if it fails.
    pub fn copy(
        &self,
        place: Place,
        length: u64,
        read: impl FnMut(&mut [u8], u64) -> Result<(), Error>,
        mut out: impl FnMut(&[u8]) -> Result<(), Error>,
    ) -> Result<(), Refused> {
        let mut pieces = Pieces::begin(length, place, read)?;
        if pieces.body_bytes() != self.body_bytes {
            return Err(CHANGED.into());
        }
        let value = (self.front.len() as u64, self.body_bytes - self.back.len() as u64);
        let mut body = Vec::new();
        while let Some(piece) = pieces.next()? {
            body.clear();
            pieces.read(&piece, &mut body)?;
            let within = |at: u64| at.saturating_sub(piece.start).min(body.len() as u64) as usize;
            let (begins, ends) = (within(value.0), within(value.1));
            let behind = (piece.start + ends as u64).saturating_sub(value.1);
            if !is_at(&body[..begins], piece.start, &self.front) || !is_at(&body[ends..], behind, &self.back)
            {
                return Err(CHANGED.into());
            }
            out(&body[begins..ends])?;
        }
        pieces.verify()
    }
}

/// Whether `part` is what lies at `at` in `whole`.
fn is_at(part: &[u8], at: u64, whole: &[u8]) -> bool {
    part.is_empty() || whole.get(at as usize..).is_some_and(|rest| rest.starts_with(part))
}

/// The state of the entry that a body of `body_bytes` begins with, and where its key and its value begin; `None` unless it is a
/// long value.
fn begin(front: &[u8], body_bytes: u64) -> Option<(Content<()>, usize, usize)> {
    let mut rest = front;
    let (content, key_bytes) = take_head(&mut rest)?;
    let key = front.len() - rest.len();
    let value = key.checked_add(key_bytes)?;
    let is_long = body_bytes.checked_sub(value as u64)? > HELD_BYTES_MAX;
    (is_long && !content.is_tombstone()).then_some((content, key, value))
}

/// What stands behind the value, if `back`, the end of a body of `body_bytes`, says that it is the body of one entry.
fn back_of(back: &[u8], body_bytes: u64, first: Position) -> Option<&[u8]> {
    let (rest, tail) = back.split_last_chunk()?;
    let tail = Tail::parse(tail)?;
    if tail.first != first || tail.entries != 1 || tail.hash_width != 0 {
        return None;
    }
    let start = rest.len().checked_sub(tail.end_width)?;
    let mut end = [0; 8];
    end[..tail.end_width].copy_from_slice(&rest[start..]);
    let back = &back[start..];
    (u64::from_le_bytes(end) == body_bytes - back.len() as u64).then_some(back)
}
