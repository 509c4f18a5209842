//! The blocks of a stream in the order of their masters: the last one, which takes entries, and those before it, which are full.
//!
//! * The last block is right here: adding needs no tree, and a stream of few entries has none.
//! * Full blocks lie in a counted tree, without room: with 32 bytes for each block, and 40 in the tree. Their bounds are their masters, all
//!   of them, the first one's, too.
//! * A clone shares the full blocks, and copies the last one: 4 KiB by default, and as much as the limits of blocks allow. Whoever wrote next
//!   would have copied it in any case.
//! * If there is a block, there is a last one; but what [`Blocks::split_before`] gives may have full ones only.

use super::block::{Block, BlockMut, Limits, Open, Spot};
use super::id::StreamId;
use crate::types::listpack::Shared;
use crate::types::spine::{Place, Spine};

/// See the module's doc.
#[derive(Clone, Debug, Default)]
pub(super) struct Blocks {
    last: Option<Last>,
    full: Option<Spine<Shared, StreamId>>,
    /// What the full ones take, beside the tree.
    full_bytes: usize,
    /// How many are full.
    full_len: usize,
}

#[derive(Clone, Debug)]
struct Last {
    block: Open,
    /// Its live entries, which it knows, too: but it may be in no cache.
    live: usize,
}

/// Where a block is. It holds until a block is added or removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct At(Option<Place>);

impl At {
    const LAST: Self = Self(None);
}

impl Blocks {
    /// The number of blocks.
    pub(super) fn len(&self) -> usize {
        self.full_len + usize::from(self.last.is_some())
    }

    /// The number of entries.
    pub(super) fn live(&self) -> usize {
        self.live_before_last() + self.last.as_ref().map_or(0, |last| last.live)
    }

    /// Bytes of heap memory.
    pub(super) fn memory_bytes(&self) -> usize {
        let last = self.last.as_ref().map_or(0, |last| last.block.memory_bytes());
        last + self.full_bytes + self.full.as_ref().map_or(0, Spine::memory_bytes)
    }

    /// The last block.
    pub(super) fn open(&self) -> Option<&Open> {
        self.last.as_ref().map(|last| &last.block)
    }

    /// Where the first block is.
    pub(super) fn first(&self) -> Option<At> {
        self.full.as_ref().map(|full| At(Some(full.first()))).or(self.last())
    }

    /// Where the last block is.
    pub(super) fn last(&self) -> Option<At> {
        self.last.as_ref().map(|_| At::LAST)
    }

    /// The last block whose master is not above `id`, or the first.
    pub(super) fn find(&self, id: StreamId) -> Option<At> {
        match (&self.full, self.open()?) {
            (Some(full), last) if last.master() > id => Some(At(Some(full.find_by(|master| *master <= id)))),
            _ => Some(At::LAST),
        }
    }

    /// The block of the entry at `rank`, and the entry's position among the live ones in it.
    pub(super) fn find_rank(&self, rank: usize) -> (At, usize) {
        match &self.full {
            Some(full) if rank < full.len() => {
                let (place, at) = full.find_rank(rank);
                (At(Some(place)), at)
            }
            _ => (At::LAST, rank - self.live_before_last()),
        }
    }

    /// How many entries are in the blocks before.
    pub(super) fn rank(&self, at: At) -> usize {
        match (at.0, &self.full) {
            (Some(place), Some(full)) => full.rank(&place),
            _ => self.live_before_last(),
        }
    }

    /// The block after this one.
    pub(super) fn next(&self, at: At) -> Option<At> {
        let place = at.0?;
        let next = self.full().next(&place);
        next.map(|place| At(Some(place))).or(self.last())
    }

    /// The block before this one.
    pub(super) fn previous(&self, at: At) -> Option<At> {
        let full = self.full.as_ref()?;
        let place = at.0.map_or(Some(full.last()), |place| full.previous(&place))?;
        Some(At(Some(place)))
    }

    /// The block at a place.
    pub(super) fn get(&self, at: At) -> Block<'_> {
        match at.0 {
            Some(place) => {
                let (master, listpack) = self.full().chunk(&place);
                Block::closed(*master, listpack)
            }
            None => self.open().expect(PLACE).block(),
        }
    }

    /// The master of the block at a place, which is not looked at.
    pub(super) fn master(&self, at: At) -> StreamId {
        at.0.map_or_else(|| self.open().expect(PLACE).master(), |place| *self.full().chunk(&place).0)
    }

    /// Whether an entry with strings of `text_len` bytes in all, in `strings` strings, belongs into the last block.
    pub(super) fn has_room(&self, text_len: usize, strings: usize, limits: &Limits) -> bool {
        self.open().is_some_and(|last| last.has_room(text_len, strings, limits))
    }

    /// Adds an entry, whose id is above all others, to the last block. There is one, and it has room.
    pub(super) fn push_entry(&mut self, id: StreamId, pairs: &[&[u8]]) {
        let last = self.last.as_mut().expect(PLACE);
        last.block.push(id, pairs);
        last.live += 1;
    }

    /// Adds a block, whose master is above all others.
    pub(super) fn push(&mut self, mut block: Open) {
        if let Some(last) = &self.last {
            let closed = last.block.closed();
            // What has filled a block most often goes on: with half of it there are few moves, and little is idle.
            block.reserve(closed.size_bytes() / 2);
            let (master, live) = (last.block.master(), last.live);
            self.full_bytes += closed.memory_bytes();
            self.full_len += 1;
            match &mut self.full {
                None => self.full = Some(Spine::new(closed, master, live)),
                Some(full) => full.insert_after(&full.last(), master, closed, live),
            }
        }
        self.last = Some(Last { live: block.block().live(), block });
    }

    /// Deletes a live entry of the block at a place.
    pub(super) fn delete(&mut self, at: At, spot: &Spot) {
        self.delete_some(at, |block| {
            block.delete(spot);
            1
        });
    }

    /// Deletes live entries of the block at a place, as [`BlockMut::delete_until`] does.
    pub(super) fn delete_until(&mut self, at: At, is_enough: impl Fn(usize, StreamId) -> bool) -> usize {
        self.delete_some(at, |block| block.delete_until(is_enough))
    }

    /// Deletes entries of the block at a place, as many as `delete` says.
    fn delete_some(&mut self, at: At, delete: impl FnOnce(&mut BlockMut<'_>) -> usize) -> usize {
        let Some(place) = at.0 else {
            let last = self.last.as_mut().expect(PLACE);
            let deleted = delete(&mut last.block.block_mut());
            last.live -= deleted;
            return deleted;
        };
        let full = self.full.as_mut().expect(PLACE);
        let master = *full.chunk(&place).0;
        let listpack = full.edit(&place, 0);
        let before = listpack.memory_bytes();
        let deleted = delete(&mut BlockMut::closed(master, listpack));
        self.full_bytes = self.full_bytes - before + listpack.memory_bytes();
        full.edit(&place, -(deleted as isize));
        deleted
    }

    /// Removes a block.
    pub(super) fn remove(&mut self, at: At) {
        match at.0 {
            Some(place) => {
                self.take_full(&place);
            }
            None => {
                self.last = self.full.as_ref().map(Spine::last).map(|place| {
                    let live = self.live_before_last() - self.full().rank(&place);
                    let (master, listpack) = self.take_full(&place);
                    Last { block: Open::reopened(master, &listpack), live }
                });
            }
        }
    }

    /// Parts the blocks before the one at `at`, or all, and gives them. None of them is looked at, but the masters of those that stay are shown.
    pub(super) fn split_before(&mut self, at: Option<At>, mut show: impl FnMut(StreamId)) -> Self {
        let Some(at) = at else { return std::mem::take(self) };
        let kept = at.0.zip(self.full.as_mut()).map(|(place, full)| full.split_off(&place));
        let full = std::mem::replace(&mut self.full, kept);
        let (mut bytes, mut len) = (0, 0);
        if let Some(kept) = &self.full {
            kept.visit(|master, listpack| {
                show(*master);
                bytes += listpack.memory_bytes();
                len += 1;
            });
        }
        self.open().map(Open::master).into_iter().for_each(show);
        let gone =
            Self { last: None, full, full_bytes: self.full_bytes - bytes, full_len: self.full_len - len };
        (self.full_bytes, self.full_len) = (bytes, len);
        gone
    }

    /// What [`Blocks::memory_bytes`] keeps, counted.
    #[cfg(test)]
    pub(super) fn recounted_bytes(&self) -> usize {
        let mut bytes = self.open().map_or(0, Open::memory_bytes);
        if let Some(full) = &self.full {
            bytes += full.memory_bytes();
            full.visit(|_, listpack| bytes += listpack.memory_bytes());
        }
        bytes
    }

    /// Takes a full block out of the tree.
    fn take_full(&mut self, place: &Place) -> (StreamId, Shared) {
        let full = self.full.as_mut().expect(PLACE);
        let (&master, listpack) = full.chunk(place);
        let listpack = if self.full_len == 1 {
            let listpack = listpack.clone();
            self.full = None;
            listpack
        } else {
            full.remove(place)
        };
        self.full_bytes -= listpack.memory_bytes();
        self.full_len -= 1;
        (master, listpack)
    }

    fn live_before_last(&self) -> usize {
        self.full.as_ref().map_or(0, Spine::len)
    }

    fn full(&self) -> &Spine<Shared, StreamId> {
        self.full.as_ref().expect(PLACE)
    }
}

const PLACE: &str = "a place is in the blocks";
