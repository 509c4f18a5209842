//! Going through a run as a merge does: what is long is not in memory, and what is not kept is not read.
//!
//! * The value of a long block is copied from the run into the one being built, a piece at a time. Blocks of several
//!   entries, of which one is long, are rare (their keys share a hash) and are held as a whole, as a lookup does.
//! * A block whose entry is copied has its checksum verified before [`Stream::copy_to`] returns. A long value that is passed
//!   over, because a newer one hides it or its namespace is gone, is not looked at, so damage of it is not noticed: there is no
//!   better end for it than the merge. What hides it was verified, or is going to be before anything comes of the merge.
//! * `pace` is told of every piece of work before or after it is done, and ends it with an error.

use std::ops::RangeInclusive;
use std::sync::Arc;

use super::block::{self, HELD_BYTES_MAX, Long};
use super::reader::read_exact;
use super::{Block, BlockRef, Builder, Entry, Position, Run};
use crate::entry::Head;
use crate::error::Error;
use crate::merge::Source;

/// Goes through those of a run's entries that lie in a range.
pub struct Stream<P> {
    run: Arc<Run>,
    last: Position,
    /// The block behind the current one.
    next: usize,
    at: At,
    /// Told of bytes of bodies, as they are before compression.
    pace: P,
}

/// Where a stream stands.
enum At {
    End,
    /// At an entry of a block.
    Held(Block, usize),
    Long(Long, BlockRef),
}

impl Run {
    /// The entries in a range, as a merge goes through them. `pace` is told how many bytes were read, before compression, at
    /// least every few pieces of 32 KiB; its error ends the stream.
    pub fn stream<P: FnMut(u64) -> Result<(), Error>>(
        self: &Arc<Self>,
        range: RangeInclusive<Position>,
        pace: P,
    ) -> Result<Stream<P>, Error> {
        let (first, last) = range.into_inner();
        let mut stream = Stream { run: self.clone(), last, next: self.index.seek(first), at: At::End, pace };
        stream.enter(first)?;
        Ok(stream)
    }

    fn open_long(
        &self,
        block: &BlockRef,
        pace: impl FnMut(u64) -> Result<(), Error>,
    ) -> Result<Option<Long>, Error> {
        let opened =
            Long::open(self.runs.place(self.info.id, block.offset), block, self.reads_of(block), pace);
        opened.map_err(|refused| self.block_error(block, refused))
    }

    fn copy_long(
        &self,
        long: &Long,
        block: &BlockRef,
        out: impl FnMut(&[u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let place = self.runs.place(self.info.id, block.offset);
        let copied = long.copy(place, block.length, self.reads_of(block), out);
        copied.map_err(|refused| self.block_error(block, refused))
    }
}

impl<P: FnMut(u64) -> Result<(), Error>> Stream<P> {
    /// Adds the entry it stands at to a run, which is of no use if that fails.
    pub fn copy_to(&mut self, builder: &mut Builder) -> Result<(), Error> {
        let Self { run, at, pace, .. } = self;
        match at {
            At::End => Ok(()),
            At::Held(block, i) => builder.push(&block.entry(*i)),
            At::Long(long, block) => {
                let Entry { position, key, content } = long.head();
                let begun = Entry { position, key, content: content.with_bytes(&[][..]) };
                let copied = builder.push_long(&begun, |value| {
                    run.copy_long(long, block, |part| {
                        pace(part.len() as u64)?;
                        value.put(part)
                    })
                });
                copied.map(|_length| ())
            }
        }
    }

    /// Goes to the first entry at or behind `to`, from the next block on.
    fn enter(&mut self, to: Position) -> Result<(), Error> {
        self.load_next()?;
        let is_before = match &mut self.at {
            At::End => false,
            At::Held(block, i) => {
                *i = block.seek(to);
                *i == block.len()
            }
            At::Long(long, _) => long.head().position < to,
        };
        // The block behind it begins at `to` or behind it.
        if is_before { self.load_next() } else { Ok(()) }
    }

    fn load_next(&mut self) -> Result<(), Error> {
        // After an error the stream is at its end, not at an entry it has passed.
        self.at = At::End;
        if self.next < self.run.blocks() {
            let block = self.run.block(self.next);
            if block.first <= self.last {
                self.at = self.load(block)?;
                self.next += 1;
            }
        }
        Ok(())
    }

    fn load(&mut self, block: BlockRef) -> Result<At, Error> {
        let Self { run, pace, .. } = self;
        // Compressed, a long body may be short.
        let stored = match usize::try_from(block.length) {
            Ok(length) if block.length <= HELD_BYTES_MAX => {
                let mut stored = vec![0; length];
                read_exact(&*run.file, &run.path, &mut stored, block.offset)?;
                Some(stored)
            }
            _ => None,
        };
        if stored.as_ref().is_none_or(|stored| block::is_in_pieces(stored))
            && let Some(long) = run.open_long(&block, &mut *pace)?
        {
            return Ok(At::Long(long, block));
        }
        let held = match stored {
            Some(stored) => run.decode_block(&block, stored)?,
            None => run.read_block(&block)?,
        };
        pace(held.body_bytes())?;
        Ok(At::Held(held, 0))
    }
}

impl<P: FnMut(u64) -> Result<(), Error>> Source for Stream<P> {
    fn head(&self) -> Option<Head<'_>> {
        let head = match &self.at {
            At::End => return None,
            At::Held(block, i) => block.entry(*i).head(),
            At::Long(long, _) => long.head(),
        };
        // Without this end a merge that drops what it meets would read on into what is another's.
        Some(head).filter(|head| head.position <= self.last)
    }

    fn advance(&mut self) -> Result<(), Error> {
        if let At::Held(block, i) = &mut self.at {
            *i += 1;
            if *i < block.len() {
                return Ok(());
            }
        }
        if matches!(self.at, At::End) { Ok(()) } else { self.load_next() }
    }

    fn seek(&mut self, to: Position) -> Result<(), Error> {
        if self.head().is_none_or(|head| head.position >= to) {
            return Ok(());
        }
        if let At::Held(block, i) = &mut self.at {
            *i = block.seek(to);
            if *i < block.len() {
                return Ok(());
            }
        }
        self.next = self.run.index.seek(to).max(self.next);
        self.enter(to)
    }
}
