//! A block of entries: one listpack, laid out as Redis lays out the nodes of a stream.
//!
//! ```text
//! block      live | deleted | names | name … | 0 | entry …          (live and deleted count entries)
//! entry      flags | ms | seq |         value …                | elements      if it has the block's names
//!            flags | ms | seq | pairs | name | value | name …  | elements      otherwise
//! flags      1: deleted   2: it has the block's names
//! ms, seq    how far its id is from the block's master id, the id of the block's first entry
//! elements   of the entry, without this one, so that it can be found from its end; the 0 stands for "no entry"
//! ```
//!
//! * Names are those of the first entry: entries that look alike cost their values only.
//! * [`Open`] is a block that takes entries, [`Block`] one to be read, whichever it is, and [`BlockMut`] one to delete entries of.
//! * Deleting an entry sets its flag. A block goes when its last entry is deleted or trimmed away whole.
//! * [`Open::from_listpack`] checks all that is relied on here; live ids ascend. Deleted ones need not: old servers could go back.

use std::iter::FusedIterator;

use super::id::StreamId;
use crate::types::Malformed;
use crate::types::listpack::{self, BYTES_MAX, Element, Listpack, Position, Shared, View};

const DELETED: i64 = 1;
const SAME_NAMES: i64 = 2;
/// More than the bytes that a listpack adds to a string.
const ELEMENT_OVERHEAD: usize = 10;
/// More than the bytes of the numbers of a block and an entry.
const NUMBERS_OVERHEAD: usize = 128;

/// A block gets room for entries to come up to so many bytes in all: as many as it has by default.
const ROOM_MAX: usize = 4 << 10;

/// The elements of an entry of usual size.
const FEW: usize = 24;

/// When a block takes no more entries. Zero is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// `stream-node-max-bytes`
    pub node_max_bytes: usize,
    /// `stream-node-max-entries`; deleted ones count.
    pub node_max_entries: usize,
}

/// A block that takes entries, with its master id.
#[derive(Clone, Debug)]
pub(super) struct Open {
    master: StreamId,
    listpack: Listpack,
}

/// A block to be read, with its master id.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block<'a> {
    master: StreamId,
    listpack: View<'a>,
}

/// A block of which entries are deleted.
pub(super) struct BlockMut<'a> {
    master: StreamId,
    listpack: &'a mut dyn Replace,
}

/// A listpack whose elements can be replaced.
trait Replace {
    fn view(&self) -> View<'_>;
    fn replace(&mut self, position: Position, element: Element<'_>);
}

impl Replace for Listpack {
    fn view(&self) -> View<'_> {
        self.view()
    }

    fn replace(&mut self, position: Position, element: Element<'_>) {
        self.replace(position, element);
    }
}

impl Replace for Shared {
    fn view(&self) -> View<'_> {
        self.view()
    }

    fn replace(&mut self, position: Position, element: Element<'_>) {
        self.replace(position, element);
    }
}

/// What a block begins with.
#[derive(Clone, Copy, Debug)]
struct Head {
    live: usize,
    deleted: usize,
    names: usize,
    /// The first name, or the 0 if there is none.
    names_at: Position,
    /// The first entry.
    entries_at: Option<Position>,
}

/// An entry's place in its block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spot {
    pub(super) id: StreamId,
    flags: i64,
    flags_at: Position,
    /// The first value, or the first name if it has its own.
    data_at: Position,
    /// How many fields it has.
    fields: usize,
}

impl Spot {
    pub(super) fn is_live(&self) -> bool {
        self.flags & DELETED == 0
    }

    fn has_block_names(&self) -> bool {
        self.flags & SAME_NAMES != 0
    }
}

impl Open {
    /// A block for an entry, without it. `pairs` are names and values in turn.
    pub(super) fn new(master: StreamId, pairs: &[&[u8]]) -> Self {
        let names = pairs.iter().step_by(2);
        let numbers = [0, 0, names.len() as i64].map(Element::Int);
        let elements = numbers.into_iter().chain(names.map(|name| Element::new(name)));
        Self { master, listpack: Listpack::of(elements.chain([Element::Int(0)])) }
    }

    /// Takes a listpack from outside after checking it.
    pub(super) fn from_listpack(master: StreamId, listpack: Listpack) -> Result<Self, Malformed> {
        match is_valid(master, &listpack) {
            Some(true) => Ok(Self { master, listpack }),
            _ => Err(Malformed),
        }
    }

    /// One that took no more entries, and takes them again.
    pub(super) fn reopened(master: StreamId, listpack: &Shared) -> Self {
        Self { master, listpack: listpack.to_listpack() }
    }

    /// Its listpack, now that it takes no more entries.
    pub(super) fn closed(&self) -> Shared {
        Shared::from(&self.listpack)
    }

    pub(super) fn master(&self) -> StreamId {
        self.master
    }

    pub(super) fn block(&self) -> Block<'_> {
        Block { master: self.master, listpack: self.listpack.view() }
    }

    pub(super) fn block_mut(&mut self) -> BlockMut<'_> {
        BlockMut { master: self.master, listpack: &mut self.listpack }
    }

    /// Its memory, found without looking there.
    pub(super) fn raw_memory(&self) -> &[u8] {
        self.listpack.raw_memory()
    }

    /// Bytes of heap memory.
    pub(super) fn memory_bytes(&self) -> usize {
        self.listpack.memory_bytes()
    }

    /// Whether an entry with strings of `text_len` bytes in all, in `strings` strings, belongs into this block.
    pub(super) fn has_room(&self, text_len: usize, strings: usize, limits: &Limits) -> bool {
        let max_bytes = match limits.node_max_bytes {
            0 => BYTES_MAX,
            bytes => bytes.min(BYTES_MAX),
        };
        let head = self.block().head();
        self.listpack.size_bytes() + text_len < max_bytes
            && (limits.node_max_entries == 0 || head.live + head.deleted < limits.node_max_entries)
            && self.listpack.can_add(bytes_max(text_len, strings))
    }

    /// Makes room for so many bytes in all, as far as a block gets room.
    pub(super) fn reserve(&mut self, bytes: usize) {
        self.listpack.reserve(bytes.min(ROOM_MAX).saturating_sub(self.listpack.size_bytes()));
    }

    /// Adds an entry, whose id is above all others. There is room.
    pub(super) fn push(&mut self, id: StreamId, pairs: &[&[u8]]) {
        let head = self.block().head();
        let names = pairs.iter().step_by(2);
        let same = names.len() == head.names && {
            let own = self.listpack.iter_from(head.names_at);
            own.zip(names).all(|(own, name)| own.text(&mut itoa::Buffer::new()) == *name)
        };
        let (ms, seq) = id.minus(self.master);
        let (flags, own_names) = if same { (SAME_NAMES, None) } else { (0, Some(pairs.len() as i64 / 2)) };
        let numbers = [Some(flags), Some(ms), Some(seq), own_names].into_iter().flatten().map(Element::Int);
        let (skip, step) = if same { (1, 2) } else { (0, 1) };
        let texts = pairs.iter().skip(skip).step_by(step).map(|text| Element::new(text));
        let len = 3 + usize::from(!same) + texts.len();
        let elements = numbers.chain(texts).chain([Element::Int(len as i64)]);
        // Few elements need no memory of their own.
        let mut few = [Element::Int(0); FEW];
        if len < FEW {
            few.iter_mut().zip(elements).for_each(|(place, element)| *place = element);
            self.append(&few[..=len]);
        } else {
            self.append(&elements.collect::<Vec<_>>());
        }
        self.block_mut().set_counts(head.live + 1, head.deleted);
    }

    /// Adds elements. What has no room for them gets some for more: a stream is most often written to again, and moving a block that
    /// is in no cache costs more than an addition.
    fn append(&mut self, elements: &[Element<'_>]) {
        let added: usize = elements.iter().map(Element::encoded_len).sum();
        let size = self.listpack.size_bytes();
        if size + added > self.listpack.memory_bytes() {
            self.listpack.reserve(added + (size / 2).min(ROOM_MAX.saturating_sub(size + added)));
        }
        self.listpack.splice(None, 0, elements);
    }
}

impl<'a> BlockMut<'a> {
    /// A block that takes no more entries.
    pub(super) fn closed(master: StreamId, listpack: &'a mut Shared) -> Self {
        Self { master, listpack }
    }

    /// Deletes a live entry.
    pub(super) fn delete(&mut self, spot: &Spot) {
        self.mark_deleted(spot);
        self.count_deleted(1);
    }

    /// Deletes live entries from the first on, until `is_enough` says so of the number deleted and the next id, and gives their number.
    pub(super) fn delete_until(&mut self, is_enough: impl Fn(usize, StreamId) -> bool) -> usize {
        let mut deleted = 0;
        let mut next = self.block().head().entries_at;
        while let Some(at) = next {
            let block = self.block();
            let spot = block.spot(&block.head(), at);
            if is_enough(deleted, spot.id) {
                break;
            }
            next = block.after(&spot);
            if spot.is_live() {
                let size = self.size_bytes();
                self.mark_deleted(&spot);
                deleted += 1;
                // Flags of an unusual form became shorter, and positions no longer hold.
                if self.size_bytes() != size {
                    next = self.block().head().entries_at;
                }
            }
        }
        self.count_deleted(deleted);
        deleted
    }

    fn block(&self) -> Block<'_> {
        Block { master: self.master, listpack: self.listpack.view() }
    }

    fn size_bytes(&self) -> usize {
        self.listpack.view().as_bytes().len()
    }

    fn mark_deleted(&mut self, spot: &Spot) {
        self.listpack.replace(spot.flags_at, Element::Int(spot.flags | DELETED));
    }

    fn count_deleted(&mut self, count: usize) {
        let head = self.block().head();
        self.set_counts(head.live - count, head.deleted + count);
    }

    fn set_counts(&mut self, live: usize, deleted: usize) {
        let mut at = self.listpack.view().first().expect(CHECKED);
        for count in [live, deleted] {
            if self.block().int(at) != count as i64 {
                self.listpack.replace(at, Element::Int(count as i64));
            }
            at = self.listpack.view().next(at).expect(CHECKED);
        }
    }
}

impl<'a> Block<'a> {
    /// A block that takes no more entries.
    pub(super) fn closed(master: StreamId, listpack: &'a Shared) -> Self {
        Self { master, listpack: listpack.view() }
    }

    pub(super) fn master(self) -> StreamId {
        self.master
    }

    pub(super) fn listpack(self) -> View<'a> {
        self.listpack
    }

    /// How many entries are not deleted.
    pub(super) fn live(self) -> usize {
        self.listpack.first().map_or(0, |first| self.int(first) as usize)
    }

    /// The places of all entries, ascending.
    pub(super) fn spots(self) -> Spots<'a> {
        let head = self.head();
        Spots { block: self, head, next: head.entries_at }
    }

    /// The places of all entries, descending.
    pub(super) fn spots_rev(self) -> SpotsRev<'a> {
        SpotsRev { block: self, head: self.head(), end: self.listpack.last() }
    }

    fn head(self) -> Head {
        let listpack = self.listpack;
        let mut at = listpack.first().expect(CHECKED);
        let mut number = || {
            let number = self.int(at) as usize;
            at = listpack.next(at).expect(CHECKED);
            number
        };
        let (live, deleted, names) = (number(), number(), number());
        let end = self.skip(at, names);
        Head { live, deleted, names, names_at: at, entries_at: listpack.next(end) }
    }

    fn spot(self, head: &Head, flags_at: Position) -> Spot {
        let listpack = self.listpack;
        let mut at = flags_at;
        let mut number = || {
            let number = self.int(at);
            at = listpack.next(at).expect(CHECKED);
            number
        };
        let (flags, ms, seq) = (number(), number(), number());
        let fields = if flags & SAME_NAMES == 0 { number() as usize } else { head.names };
        Spot { id: self.master.plus(ms, seq), flags, flags_at, data_at: at, fields }
    }

    /// The entry after this one.
    fn after(self, spot: &Spot) -> Option<Position> {
        let elements = if spot.has_block_names() { spot.fields } else { 2 * spot.fields };
        self.listpack.next(self.skip(spot.data_at, elements))
    }

    fn entry(self, head: &Head, spot: &Spot) -> Entry<'a> {
        let names = spot.has_block_names().then(|| self.listpack.iter_from(head.names_at));
        let data = self.listpack.iter_from(spot.data_at);
        Entry { id: spot.id, fields: Fields { names, data, len: spot.fields } }
    }

    fn skip(self, at: Position, elements: usize) -> Position {
        (0..elements).fold(at, |at, _| self.listpack.next(at).expect(CHECKED))
    }

    fn int(self, at: Position) -> i64 {
        self.listpack.get(at).integer().expect(CHECKED)
    }
}

const CHECKED: &str = "blocks are written or checked here";

/// The bytes that a block can be expected to have at most for an entry; see [`Open::has_room`].
pub(super) fn bytes_max(text_len: usize, strings: usize) -> usize {
    text_len + strings * ELEMENT_OVERHEAD + NUMBERS_OVERHEAD
}

/// Whether a listpack is a block. `None` is also "no".
fn is_valid(master: StreamId, listpack: &Listpack) -> Option<bool> {
    let mut elements = listpack.iter();
    let skip = |elements: &mut listpack::Iter<'_>, count: i64| (0..count).all(|_| elements.next().is_some());
    let [live, deleted, names] = numbers(&mut elements)?;
    let names_fit = names >= 0 && skip(&mut elements, names);
    if !names_fit || numbers(&mut elements)? != [0] {
        return None;
    }
    let (mut found, mut last) = ([0, 0], None);
    while elements.clone().next().is_some() {
        let [flags, ms, seq] = numbers(&mut elements)?;
        let mut count = 3 + names;
        if flags & SAME_NAMES == 0 {
            let [fields] = numbers(&mut elements)?;
            // Checked before it is doubled: there are not so many elements.
            count = 4 + 2 * Some(fields).filter(|fields| (0..=BYTES_MAX as i64).contains(fields))?;
        }
        let data = if flags & SAME_NAMES == 0 { count - 4 } else { names };
        if !skip(&mut elements, data) || numbers(&mut elements)? != [count] {
            return None;
        }
        found[(flags & DELETED) as usize] += 1;
        if flags & DELETED == 0 {
            let id = master.plus(ms, seq);
            if last.is_some_and(|last| id <= last) || id < master {
                return None;
            }
            last = Some(id);
        }
    }
    Some(found == [live, deleted] && live.checked_add(deleted)? > 0)
}

/// The next elements, if they are numbers.
fn numbers<const N: usize>(elements: &mut listpack::Iter<'_>) -> Option<[i64; N]> {
    let mut numbers = [0; N];
    for number in &mut numbers {
        *number = elements.next()?.integer()?;
    }
    Some(numbers)
}

/// See [`Block::spots`].
#[derive(Clone, Debug)]
pub(super) struct Spots<'a> {
    block: Block<'a>,
    head: Head,
    next: Option<Position>,
}

impl<'a> Spots<'a> {
    /// The entry at a place that this gave.
    pub(super) fn entry(&self, spot: &Spot) -> Entry<'a> {
        self.block.entry(&self.head, spot)
    }
}

impl Iterator for Spots<'_> {
    type Item = Spot;

    fn next(&mut self) -> Option<Spot> {
        let spot = self.block.spot(&self.head, self.next?);
        self.next = self.block.after(&spot);
        Some(spot)
    }
}

/// See [`Block::spots_rev`].
#[derive(Clone, Debug)]
pub(super) struct SpotsRev<'a> {
    block: Block<'a>,
    head: Head,
    /// The last element of the next entry, or the 0 before the first entry.
    end: Option<Position>,
}

impl<'a> SpotsRev<'a> {
    /// The entry at a place that this gave.
    pub(super) fn entry(&self, spot: &Spot) -> Entry<'a> {
        self.block.entry(&self.head, spot)
    }
}

impl Iterator for SpotsRev<'_> {
    type Item = Spot;

    fn next(&mut self) -> Option<Spot> {
        let listpack = self.block.listpack;
        let end = self.end?;
        let elements = self.block.int(end);
        if elements == 0 {
            return None;
        }
        let flags_at = (0..elements).fold(end, |at, _| listpack.prev(at).expect(CHECKED));
        self.end = listpack.prev(flags_at);
        Some(self.block.spot(&self.head, flags_at))
    }
}

/// An entry.
#[derive(Clone, Debug)]
pub struct Entry<'a> {
    /// Its id.
    pub id: StreamId,
    fields: Fields<'a>,
}

impl<'a> Entry<'a> {
    /// Its fields, names with values, in the order in which they were given.
    pub fn fields(&self) -> Fields<'a> {
        self.fields.clone()
    }
}

/// The fields of an entry.
#[derive(Clone)]
pub struct Fields<'a> {
    /// Those of the block, if the entry has none of its own.
    names: Option<listpack::Iter<'a>>,
    data: listpack::Iter<'a>,
    len: usize,
}

impl<'a> Iterator for Fields<'a> {
    type Item = (Element<'a>, Element<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        self.len = self.len.checked_sub(1)?;
        let name = self.names.as_mut().unwrap_or(&mut self.data).next()?;
        Some((name, self.data.next()?))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.len, Some(self.len))
    }
}

impl ExactSizeIterator for Fields<'_> {}

impl FusedIterator for Fields<'_> {}

impl std::fmt::Debug for Fields<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(self.clone()).finish()
    }
}
