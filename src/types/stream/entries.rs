//! The entries of a stream: adding, reading, deleting, and what is remembered of those that are gone.
//!
//! * Blocks are in the order of their master ids, which ascend; a live entry's id is at least its block's master and below the next
//!   one's.
//! * `last_id` is at least every live id, and only grows by adding. `first_id` is the first live id, or 0-0.
//! * A block may be without live entries: trimming by id leaves it if its last entry was deleted before and its id is high enough.
//! * The number of entries ever added and the greatest id ever deleted serve to tell how far a group lags behind.

use std::iter::FusedIterator;

use super::block::{Entry, Limits, Open, Spot, Spots, SpotsRev, bytes_max};
use super::blocks::{At, Blocks};
use super::group::Group;
use super::id::{NewId, StreamId};
use super::radix;
use crate::types::Malformed;
use crate::types::listpack::{BYTES_MAX, Listpack, View};
use crate::util::time::UnixMs;

/// Why an entry can't be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddError {
    /// `ERR The stream has exhausted the last possible ID, unable to add more items`
    Exhausted,
    /// `ERR The ID specified in XADD is equal or smaller than the target stream top item`
    NotGreater,
    /// `ERR Elements are too large to be stored`
    TooLarge,
}

/// Why XSETID is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetIdError {
    /// `ERR The ID specified in XSETID is smaller than current max_deleted_entry_id`
    BelowMaxDeleted,
    /// `ERR The ID specified in XSETID is smaller than the target stream top item`
    BelowTop,
    /// `ERR The entries_added specified in XSETID is smaller than the target stream length`
    AddedBelowLen,
}

/// So many blocks are removed one by one before it is cheaper to part the tree and to count what stays.
const FEW_BLOCKS: usize = 32;

/// The entries of a stream; see the module's documentation.
#[derive(Clone, Debug, Default)]
pub struct Entries {
    blocks: Blocks,
    /// What Redis's tree of the blocks has beside its root.
    radix_nodes: usize,
    first_id: StreamId,
    last_id: StreamId,
    max_deleted_id: StreamId,
    added: u64,
}

impl Entries {
    /// The number of entries.
    pub fn len(&self) -> usize {
        self.blocks.live()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The id of the first entry; 0-0 if there is none.
    pub fn first_id(&self) -> StreamId {
        self.first_id
    }

    /// The last id that was given to an entry, or set.
    pub fn last_id(&self) -> StreamId {
        self.last_id
    }

    /// The greatest id that was deleted, but not those trimmed; 0-0 at first.
    pub fn max_deleted_id(&self) -> StreamId {
        self.max_deleted_id
    }

    /// The number of entries ever added.
    pub fn added(&self) -> u64 {
        self.added
    }

    /// Bytes of heap memory.
    pub fn memory_bytes(&self) -> usize {
        self.blocks.memory_bytes()
    }

    /// The id that a new entry gets.
    ///
    /// # Errors
    /// [`AddError::Exhausted`], or [`AddError::NotGreater`] than the last one.
    pub fn next_id(&self, new: NewId, now: UnixMs) -> Result<StreamId, AddError> {
        let last = self.last_id;
        let after_last = last.next().ok_or(AddError::Exhausted)?;
        let id = match new {
            NewId::Auto if now.0 > last.ms => StreamId { ms: now.0, seq: 0 },
            NewId::Auto => after_last,
            NewId::Ms(ms) if ms == last.ms => {
                StreamId { ms, seq: last.seq.checked_add(1).ok_or(AddError::NotGreater)? }
            }
            NewId::Ms(ms) => StreamId { ms, seq: 0 },
            NewId::Exact(id) => id,
        };
        if id > last { Ok(id) } else { Err(AddError::NotGreater) }
    }

    /// Adds an entry whose id [`Entries::next_id`] gave. `pairs` are names and values in turn.
    ///
    /// # Errors
    /// [`AddError::TooLarge`]; nothing changes.
    pub fn add(&mut self, id: StreamId, pairs: &[&[u8]], limits: &Limits) -> Result<(), AddError> {
        assert!(id > self.last_id && pairs.len().is_multiple_of(2), "callers ask for the id, and count");
        let text_len: usize = pairs.iter().map(|text| text.len()).sum();
        // A block of its own may have the names twice.
        if bytes_max(2 * text_len, 2 * pairs.len()) > BYTES_MAX {
            return Err(AddError::TooLarge);
        }
        if !self.blocks.has_room(text_len, pairs.len(), limits) {
            self.push_block(Open::new(id, pairs));
        }
        self.blocks.push_entry(id, pairs);
        self.added = self.added.wrapping_add(1);
        self.last_id = id;
        if self.len() == 1 {
            self.first_id = id;
        }
        Ok(())
    }

    /// The entry with this id.
    pub fn get(&self, id: StreamId) -> Option<Entry<'_>> {
        self.range(id, id).next()
    }

    /// The entries from `start` to `end`, both included, ascending.
    pub fn range(&self, start: StreamId, end: StreamId) -> Range<'_> {
        let blocks = &self.blocks;
        let inside = blocks.find(start).map(|at| Inside { blocks, at, spots: blocks.get(at).spots() });
        Range { inside, start, end }
    }

    /// The entries from `end` to `start`, both included, descending.
    pub fn range_rev(&self, end: StreamId, start: StreamId) -> RangeRev<'_> {
        let blocks = &self.blocks;
        let inside = blocks.find(end).map(|at| Inside { blocks, at, spots: blocks.get(at).spots_rev() });
        RangeRev { inside, start, end }
    }

    /// Deletes an entry and says whether there was one.
    pub fn delete(&mut self, id: StreamId) -> bool {
        let mut range = self.range(id, id);
        let Some((at, spot)) = range.next_spot() else { return false };
        if self.blocks.get(at).live() == 1 {
            self.remove_block(at);
        } else {
            self.blocks.delete(at, &spot);
        }
        self.max_deleted_id = self.max_deleted_id.max(id);
        if id == self.first_id || self.is_empty() {
            self.find_first_id();
        }
        true
    }

    /// XSETID: sets the last id, and the number of entries ever added and the greatest deleted id if given.
    ///
    /// # Errors
    /// See [`SetIdError`]. The caller has compared `id` with `max_deleted` and refused if it is smaller:
    /// `ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id`.
    pub fn set_last_id(
        &mut self,
        id: StreamId,
        added: Option<u64>,
        max_deleted: Option<StreamId>,
    ) -> Result<(), SetIdError> {
        if id < self.max_deleted_id {
            return Err(SetIdError::BelowMaxDeleted);
        }
        if self.top_id().is_some_and(|top| id < top) {
            return Err(SetIdError::BelowTop);
        }
        if added.is_some_and(|added| added < self.len() as u64) {
            return Err(SetIdError::AddedBelowLen);
        }
        self.last_id = id;
        self.added = added.unwrap_or(self.added);
        // 0-0 is as good as none.
        self.max_deleted_id = max_deleted.filter(|id| *id > StreamId::MIN).unwrap_or(self.max_deleted_id);
        Ok(())
    }

    /// How many entries a group has yet to read; `None` if deletions make that uncertain.
    pub fn lag(&self, group: &Group) -> Option<i64> {
        if self.added == 0 || self.is_empty() {
            return Some(0);
        }
        let read = match group.entries_read {
            Some(read) if !self.has_deleted_from(group.last_id) => Some(read),
            _ => self.added_until(group.last_id),
        };
        Some(self.added.wrapping_sub(read?) as i64)
    }

    /// Whether an id not below `id` was deleted while entries remain before it.
    pub(super) fn has_deleted_from(&self, id: StreamId) -> bool {
        let max = self.max_deleted_id;
        !self.is_empty() && max > StreamId::MIN && self.first_id <= max && id <= max
    }

    /// How many entries had been added when this id was the last, as far as it can be known.
    pub fn added_until(&self, id: StreamId) -> Option<u64> {
        if self.added == 0 {
            return Some(0);
        }
        if self.is_empty() && id <= self.last_id {
            return Some(self.added);
        }
        if id > StreamId::MIN && id < self.max_deleted_id || id > self.last_id {
            return None;
        }
        if id == self.last_id {
            return Some(self.added);
        }
        let is_whole = self.max_deleted_id == StreamId::MIN || self.max_deleted_id < self.first_id;
        let before = self.added.wrapping_sub(self.len() as u64);
        match id.cmp(&self.first_id) {
            std::cmp::Ordering::Less if is_whole => Some(before),
            std::cmp::Ordering::Equal if is_whole => Some(before + 1),
            _ => None,
        }
    }

    /// The first id in the first block, be it deleted: after trimming approximately by id, trimming exactly to this id does the same.
    pub fn edge_id(&self) -> Option<StreamId> {
        self.blocks.get(self.blocks.first()?).spots().next().map(|spot| spot.id)
    }

    /// `radix-tree-keys` of XINFO: the number of blocks.
    pub fn radix_tree_keys(&self) -> usize {
        self.blocks.len()
    }

    /// `radix-tree-nodes` of XINFO: what Redis's tree of the same blocks has.
    pub fn radix_tree_nodes(&self) -> usize {
        1 + self.radix_nodes
    }

    /// All blocks with their master ids, ascending, as DUMP holds them.
    pub fn blocks(&self) -> impl Iterator<Item = (StreamId, View<'_>)> {
        let places = std::iter::successors(self.blocks.first(), |at| self.blocks.next(*at));
        places.map(|at| self.blocks.get(at)).map(|block| (block.master(), block.listpack()))
    }

    /// The memory of the last block, found without looking there.
    pub fn last_memory(&self) -> Option<&[u8]> {
        self.blocks.open().map(Open::raw_memory)
    }

    /// Adds a block from outside after checking it. Afterwards comes [`Entries::load_counters`].
    ///
    /// # Errors
    /// [`Malformed`] if it is not a block, or not above those loaded before.
    pub fn load_block(&mut self, master: StreamId, mut listpack: Listpack) -> Result<(), Malformed> {
        let last = self.blocks.open().map(Open::master);
        if last.max(self.top_id()).is_some_and(|below| master <= below) {
            return Err(Malformed);
        }
        listpack.shrink_to_fit();
        self.push_block(Open::from_listpack(master, listpack)?);
        Ok(())
    }

    /// Sets what is known of a stream from outside besides its blocks. Older formats don't have the last two: then `None` is the
    /// number of entries, and 0-0.
    ///
    /// # Errors
    /// [`Malformed`] if the last id is below an entry's.
    pub fn load_counters(
        &mut self,
        last_id: StreamId,
        max_deleted_id: StreamId,
        added: Option<u64>,
    ) -> Result<(), Malformed> {
        if self.top_id().is_some_and(|top| top > last_id) {
            return Err(Malformed);
        }
        (self.last_id, self.max_deleted_id) = (last_id, max_deleted_id);
        self.added = added.unwrap_or(self.len() as u64);
        self.find_first_id();
        Ok(())
    }

    /// The id of the last entry that is not deleted: there is something to read after an id only if it is greater.
    pub fn top_id(&self) -> Option<StreamId> {
        self.range_rev(StreamId::MAX, StreamId::MIN).next().map(|entry| entry.id)
    }

    pub(super) fn find_first_id(&mut self) {
        let first = self.range(StreamId::MIN, StreamId::MAX).next();
        self.first_id = first.map_or(StreamId::MIN, |entry| entry.id);
    }

    /// The blocks, for what goes by whole ones.
    pub(super) fn blocks_ref(&self) -> &Blocks {
        &self.blocks
    }

    /// Removes the blocks before the one of this master, or all, and gives them if they were many.
    pub(super) fn remove_blocks(&mut self, until: Option<StreamId>) -> Option<Entries> {
        for _ in 0..FEW_BLOCKS {
            match self.blocks.first() {
                Some(at) if Some(self.blocks.master(at)) != until => self.remove_block(at),
                _ => return None,
            }
        }
        let at = until.and_then(|id| self.blocks.find(id));
        if at.is_some() && at == self.blocks.first() {
            return None;
        }
        let mut nodes = radix::Count::default();
        let blocks = self.blocks.split_before(at, |master| nodes.add(master));
        self.radix_nodes = nodes.finish();
        Some(Entries { blocks, ..Entries::default() })
    }

    /// Deletes entries of the first block until `is_enough` says so of the number deleted and the next id, and gives their number.
    pub(super) fn delete_first_until(&mut self, is_enough: impl Fn(usize, StreamId) -> bool) -> usize {
        let Some(at) = self.blocks.first() else { return 0 };
        // Most often nothing goes; then the block is not touched, or a frozen one would be copied.
        if self.blocks.get(at).spots().next().is_none_or(|first| is_enough(0, first.id)) {
            return 0;
        }
        self.blocks.delete_until(at, is_enough)
    }

    fn remove_block(&mut self, at: At) {
        let master = self.blocks.master(at);
        self.blocks.remove(at);
        self.radix_nodes -= self.radix_nodes_of(master);
    }

    fn push_block(&mut self, block: Open) {
        self.radix_nodes += self.radix_nodes_of(block.master());
        self.blocks.push(block);
    }

    /// What Redis's tree has more with a block that is not there than without.
    fn radix_nodes_of(&self, master: StreamId) -> usize {
        let blocks = &self.blocks;
        let until = |id| blocks.find(id).map(|at| blocks.master(at)).filter(|master| *master <= id);
        let from = |id| {
            let at = blocks.find(id)?;
            if blocks.master(at) >= id { Some(at) } else { blocks.next(at) }.map(|at| blocks.master(at))
        };
        radix::nodes_of(master, until, from)
    }
}

#[derive(Clone, Debug)]
struct Inside<'a, S> {
    blocks: &'a Blocks,
    at: At,
    spots: S,
}

/// See [`Entries::range`].
#[derive(Clone, Debug)]
pub struct Range<'a> {
    inside: Option<Inside<'a, Spots<'a>>>,
    start: StreamId,
    end: StreamId,
}

impl Range<'_> {
    /// The place of the next entry.
    fn next_spot(&mut self) -> Option<(At, Spot)> {
        loop {
            let inside = self.inside.as_mut()?;
            let Some(spot) = inside.spots.find(|spot| spot.is_live() && spot.id >= self.start) else {
                match inside.blocks.next(inside.at) {
                    Some(at) => (inside.at, inside.spots) = (at, inside.blocks.get(at).spots()),
                    None => self.inside = None,
                }
                continue;
            };
            if spot.id <= self.end {
                return Some((inside.at, spot));
            }
            self.inside = None;
        }
    }
}

impl<'a> Iterator for Range<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        let (_, spot) = self.next_spot()?;
        Some(self.inside.as_ref()?.spots.entry(&spot))
    }
}

impl FusedIterator for Range<'_> {}

/// See [`Entries::range_rev`].
#[derive(Clone, Debug)]
pub struct RangeRev<'a> {
    inside: Option<Inside<'a, SpotsRev<'a>>>,
    start: StreamId,
    end: StreamId,
}

impl<'a> Iterator for RangeRev<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        loop {
            let inside = self.inside.as_mut()?;
            let Some(spot) = inside.spots.find(|spot| spot.is_live() && spot.id <= self.end) else {
                match inside.blocks.previous(inside.at) {
                    Some(at) => (inside.at, inside.spots) = (at, inside.blocks.get(at).spots_rev()),
                    None => self.inside = None,
                }
                continue;
            };
            if spot.id >= self.start {
                return Some(inside.spots.entry(&spot));
            }
            self.inside = None;
        }
    }
}

impl FusedIterator for RangeRev<'_> {}
