//! The entries of a stream: adding, reading, deleting, and what is remembered of those that are gone.
//!
//! * Blocks lie in a counted tree by their master ids; the number of live entries is the tree's. Masters ascend, and a live entry's
//!   id is at least its block's master and below the next one's.
//! * `last_id` is at least every live id, and only grows by adding. `first_id` is the first live id, or 0-0.
//! * A block may be without live entries: trimming by id leaves it if its last entry was deleted before and its id is high enough.
//! * The number of entries ever added and the greatest id ever deleted serve to tell how far a group lags behind.

use std::iter::FusedIterator;
use std::ops::Deref;
use std::sync::Arc;

use super::block::{Block, Entry, Limits, Spot, Spots, SpotsRev, bytes_max};
use super::group::Group;
use super::id::{NewId, StreamId};
use super::radix;
use crate::types::Malformed;
use crate::types::listpack::{BYTES_MAX, Listpack};
use crate::types::spine::{Place, Spine};
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

/// The blocks by their masters, which also are the bounds of all of them.
pub(super) type Blocks = Spine<Handle, StreamId>;

/// A block, and what it takes: many are counted without a look at each.
#[derive(Clone, Debug)]
pub(super) struct Handle {
    block: Arc<Block>,
    bytes: u32,
}

impl Handle {
    fn new(block: Block) -> Self {
        let bytes = block.memory_bytes() as u32;
        Self { block: Arc::new(block), bytes }
    }
}

impl Deref for Handle {
    type Target = Block;

    fn deref(&self) -> &Block {
        &self.block
    }
}

/// The entries of a stream; see the module's documentation.
#[derive(Clone, Debug, Default)]
pub struct Entries {
    /// `None` if there is no block.
    blocks: Option<Blocks>,
    /// What the blocks take.
    bytes: usize,
    /// The number of blocks.
    blocks_len: usize,
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
        self.blocks.as_ref().map_or(0, Spine::len)
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
        self.bytes + self.blocks.as_ref().map_or(0, Spine::memory_bytes)
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
        let tail = self.blocks.as_ref().map(|blocks| (blocks.last(), blocks));
        let is_tail_open = tail
            .map(|(place, blocks)| (place, blocks.handle(&place).has_room(text_len, pairs.len(), limits)));
        if let Some((place, true)) = is_tail_open {
            self.edit(&place, 1, |block| block.push(id, pairs));
        } else {
            if let Some((place, false)) = is_tail_open {
                self.edit(&place, 0, Block::shrink);
            }
            let mut block = Block::new(id, pairs);
            block.push(id, pairs);
            self.push_block(block);
        }
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
        let inside = self.blocks.as_ref().map(|blocks| {
            let place = blocks.find_by(|master| *master <= start);
            Inside { blocks, place, spots: blocks.handle(&place).spots() }
        });
        Range { inside, start, end }
    }

    /// The entries from `end` to `start`, both included, descending.
    pub fn range_rev(&self, end: StreamId, start: StreamId) -> RangeRev<'_> {
        let inside = self.blocks.as_ref().map(|blocks| {
            let place = blocks.find_by(|master| *master <= end);
            Inside { blocks, place, spots: blocks.handle(&place).spots_rev() }
        });
        RangeRev { inside, start, end }
    }

    /// Deletes an entry and says whether there was one.
    pub fn delete(&mut self, id: StreamId) -> bool {
        let mut range = self.range(id, id);
        let Some((place, spot)) = range.next_spot() else { return false };
        let is_last = range.inside.is_some_and(|inside| inside.blocks.handle(&inside.place).live() == 1);
        if is_last {
            self.remove_block(&place);
        } else {
            self.edit(&place, -1, |block| block.delete(&spot));
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
        let blocks = self.blocks.as_ref()?;
        blocks.handle(&blocks.first()).spots().next().map(|spot| spot.id)
    }

    /// `radix-tree-keys` of XINFO: the number of blocks.
    pub fn radix_tree_keys(&self) -> usize {
        self.blocks_len
    }

    /// `radix-tree-nodes` of XINFO: what Redis's tree of the same blocks has.
    pub fn radix_tree_nodes(&self) -> usize {
        1 + self.radix_nodes
    }

    /// All blocks with their master ids, ascending, as DUMP holds them.
    pub fn blocks(&self) -> impl Iterator<Item = (StreamId, &Listpack)> {
        let spine = self.blocks.as_ref();
        let places = std::iter::successors(spine.map(Spine::first), move |place| spine?.next(place));
        places.filter_map(move |place| {
            let block = spine?.handle(&place);
            Some((block.master(), block.listpack()))
        })
    }

    /// Adds a block from outside after checking it. Afterwards comes [`Entries::load_counters`].
    ///
    /// # Errors
    /// [`Malformed`] if it is not a block, or not above those loaded before.
    pub fn load_block(&mut self, master: StreamId, listpack: Listpack) -> Result<(), Malformed> {
        let is_above = match &self.blocks {
            None => true,
            Some(blocks) => {
                let last = blocks.handle(&blocks.last()).master();
                master > last && self.top_id().is_none_or(|top| master > top)
            }
        };
        if !is_above {
            return Err(Malformed);
        }
        let mut block = Block::from_listpack(master, listpack)?;
        block.shrink();
        self.push_block(block);
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

    /// The first block.
    pub(super) fn first_block(&self) -> Option<(Place, &Block)> {
        let blocks = self.blocks.as_ref()?;
        let place = blocks.first();
        Some((place, blocks.handle(&place)))
    }

    /// Changes a block, whose number of live entries changes by `delta`, and keeps account.
    pub(super) fn edit<R>(&mut self, place: &Place, delta: isize, change: impl FnOnce(&mut Block) -> R) -> R {
        let blocks = self.blocks.as_mut().expect("a place is in the blocks");
        let handle = blocks.edit(place, delta);
        let block = Arc::make_mut(&mut handle.block);
        let before = handle.bytes;
        let result = change(block);
        handle.bytes = block.memory_bytes() as u32;
        self.bytes = self.bytes - before as usize + handle.bytes as usize;
        result
    }

    /// The blocks.
    pub(super) fn spine(&self) -> Option<&Blocks> {
        self.blocks.as_ref()
    }

    /// Removes the blocks before the one of this master, or all, and gives them if they were many.
    pub(super) fn remove_blocks(&mut self, until: Option<StreamId>) -> Option<Entries> {
        for _ in 0..FEW_BLOCKS {
            match self.first_block() {
                Some((place, block)) if Some(block.master()) != until => self.remove_block(&place),
                _ => return None,
            }
        }
        let place =
            until.zip(self.blocks.as_ref()).map(|(id, blocks)| blocks.find_by(|master| *master <= id));
        (place != Some(Place::FIRST)).then(|| self.remove_blocks_before(place.as_ref()))
    }

    /// Removes the blocks before the one at `place`, or all, and gives them. None of them is looked at, but the bounds of those
    /// that stay are.
    fn remove_blocks_before(&mut self, place: Option<&Place>) -> Entries {
        let kept = place.zip(self.blocks.as_mut()).map(|(place, blocks)| blocks.split_off(place));
        let gone = std::mem::replace(&mut self.blocks, kept);
        let bytes = std::mem::take(&mut self.bytes);
        self.blocks_len = 0;
        let mut nodes = radix::Count::default();
        if let Some(kept) = &self.blocks {
            kept.visit(|master, handle| {
                nodes.add(*master);
                self.bytes += handle.bytes as usize;
                self.blocks_len += 1;
            });
        }
        self.radix_nodes = nodes.finish();
        Entries { blocks: gone, bytes: bytes - self.bytes, ..Entries::default() }
    }

    fn remove_block(&mut self, place: &Place) {
        let blocks = self.blocks.as_mut().expect("a place is in the blocks");
        let master = blocks.handle(place).master();
        self.bytes -= blocks.handle(place).memory_bytes();
        if blocks.is_single() {
            self.blocks = None;
        } else {
            blocks.remove(place);
        }
        self.blocks_len -= 1;
        self.radix_nodes -= self.radix_nodes_of(master);
    }

    /// What Redis's tree has more with a block that is not there than without.
    fn radix_nodes_of(&self, master: StreamId) -> usize {
        let blocks = self.blocks.as_ref();
        let around = |id| blocks.map(|blocks| (blocks, blocks.find_by(|master| *master <= id)));
        let until = |id| {
            let (blocks, place) = around(id)?;
            Some(blocks.handle(&place).master()).filter(|master| *master <= id)
        };
        let from = |id| {
            let (blocks, place) = around(id)?;
            let master = blocks.handle(&place).master();
            if master >= id { Some(master) } else { Some(blocks.handle(&blocks.next(&place)?).master()) }
        };
        radix::nodes_of(master, until, from)
    }

    fn push_block(&mut self, block: Block) {
        self.bytes += block.memory_bytes();
        let (master, live) = (block.master(), block.live());
        self.blocks_len += 1;
        self.radix_nodes += self.radix_nodes_of(master);
        match &mut self.blocks {
            None => self.blocks = Some(Spine::new(Handle::new(block), master, live)),
            Some(blocks) => {
                let last = blocks.last();
                blocks.insert_after(&last, master, Handle::new(block), live);
            }
        }
    }
}

#[derive(Clone, Debug)]
struct Inside<'a, S> {
    blocks: &'a Blocks,
    place: Place,
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
    fn next_spot(&mut self) -> Option<(Place, Spot)> {
        loop {
            let inside = self.inside.as_mut()?;
            let Some(spot) = inside.spots.find(|spot| spot.is_live() && spot.id >= self.start) else {
                match inside.blocks.next(&inside.place) {
                    Some(place) => {
                        (inside.place, inside.spots) = (place, inside.blocks.handle(&place).spots())
                    }
                    None => self.inside = None,
                }
                continue;
            };
            if spot.id <= self.end {
                return Some((inside.place, spot));
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
                match inside.blocks.previous(&inside.place) {
                    Some(place) => {
                        (inside.place, inside.spots) = (place, inside.blocks.handle(&place).spots_rev());
                    }
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
