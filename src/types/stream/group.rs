//! Consumer groups: what they have read, and what their consumers have not acknowledged.
//!
//! * The group's pending entries list has every pending entry, with its consumer; each consumer's list has the ids of its own. Both always
//!   agree, because only [`Group::own`] and [`Group::disown`] change them.
//! * What was pending for a consumer that was deleted may be *left over* in the group's list for a while; see `left_over`. Nobody is
//!   shown it.
//! * Consumers have numbers, which pending entries refer to. The list of names leads to them, in the order in which XINFO shows them.
//! * Names are any bytes.

use std::borrow::Borrow;
use std::num::NonZeroU64;
use std::sync::Arc;

use super::block::Entry;
use super::entries::Entries;
use super::id::StreamId;
use super::left_over::LeftOver;
use super::map::Map;
use crate::types::{Malformed, spine};
use crate::util::time::UnixMs;

/// The name of a group or a consumer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name(Arc<[u8]>);

impl spine::Bound for Name {
    fn heap_bytes(&self) -> usize {
        2 * size_of::<usize>() + self.0.len()
    }
}

impl Borrow<[u8]> for Name {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl From<&[u8]> for Name {
    fn from(name: &[u8]) -> Self {
        Self(name.into())
    }
}

/// The groups of a stream, by name.
#[derive(Clone, Debug, Default)]
pub struct Groups {
    groups: Map<Name, Group>,
    /// Kept, because every change of a stream asks for its memory, and there may be thousands.
    sums: Sums,
}

/// What all groups have together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sums {
    /// Bytes that they take.
    bytes: usize,
    /// Pending entries that are left over.
    left_over: usize,
}

impl Sums {
    fn of(group: &Group) -> Self {
        Self { bytes: group.memory_bytes(), left_over: group.left_over.len() }
    }

    fn plus(self, other: Self) -> Self {
        Self { bytes: self.bytes + other.bytes, left_over: self.left_over + other.left_over }
    }

    fn minus(self, other: Self) -> Self {
        Self { bytes: self.bytes - other.bytes, left_over: self.left_over - other.left_over }
    }
}

/// A group that is being changed.
pub struct GroupMut<'a> {
    group: &'a mut Group,
    /// What all groups have but this.
    others: Sums,
    sums: &'a mut Sums,
}

impl std::ops::Deref for GroupMut<'_> {
    type Target = Group;

    fn deref(&self) -> &Group {
        self.group
    }
}

impl std::ops::DerefMut for GroupMut<'_> {
    fn deref_mut(&mut self) -> &mut Group {
        self.group
    }
}

impl Drop for GroupMut<'_> {
    fn drop(&mut self) {
        *self.sums = self.others.plus(Sums::of(self.group));
    }
}

impl Groups {
    /// The number of groups.
    pub fn len(&self) -> usize {
        self.groups.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The group of this name.
    pub fn get(&self, name: &[u8]) -> Option<&Group> {
        self.groups.get(name)
    }

    /// The group of this name, to be changed.
    pub fn get_mut(&mut self, name: &[u8]) -> Option<GroupMut<'_>> {
        let Self { groups, sums } = self;
        let group = groups.get_mut(name)?;
        Some(GroupMut { others: sums.minus(Sums::of(group)), group, sums })
    }

    /// Creates a group that has read up to `last_id`. `None`: there is one of this name,
    /// `BUSYGROUP Consumer Group name already exists`.
    pub fn create(
        &mut self,
        name: &[u8],
        last_id: StreamId,
        entries_read: Option<u64>,
    ) -> Option<GroupMut<'_>> {
        if self.get(name).is_some() {
            return None;
        }
        let group = Group { last_id, entries_read, ..Group::default() };
        self.sums = self.sums.plus(Sums::of(&group));
        self.groups.insert(name.into(), group);
        self.get_mut(name)
    }

    /// Removes a group, and gives it alone. Dropping it takes a while if much is pending.
    pub fn remove(&mut self, name: &[u8]) -> Option<Groups> {
        let group = self.groups.remove(name)?;
        self.sums = self.sums.minus(Sums::of(&group));
        Some(Self::of_one(name, group))
    }

    fn of_one(name: &[u8], group: Group) -> Self {
        let (sums, mut groups) = (Sums::of(&group), Map::default());
        groups.insert(name.into(), group);
        Groups { groups, sums }
    }

    /// All groups with their names, in the order of these.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &Group)> {
        self.groups.iter().map(|(name, group)| (name.borrow(), group))
    }

    /// Bytes of heap memory.
    pub fn memory_bytes(&self) -> usize {
        self.groups.memory_bytes() + self.sums.bytes
    }

    /// Do they still take memory for what was pending for deleted consumers?
    pub fn has_left_over(&self) -> bool {
        self.sums.left_over > 0
    }

    /// Clears the memory of so many such entries, in one group. That is no change.
    pub fn clear_some(&mut self, count: usize) {
        let name = self.groups.iter().find(|(_, group)| group.left_over.len() > 0);
        let name = name.map(|(name, _)| name.clone());
        if let Some(mut group) = name.and_then(|name| self.get_mut(name.borrow())) {
            group.clear_some(count);
        }
    }
}

/// A consumer of a group. Numbers are the group's own and change with nothing but RESTORE and the like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConsumerId(NonZeroU64);

impl spine::Bound for ConsumerId {}

/// A group; see the module's documentation.
#[derive(Clone, Debug, Default)]
pub struct Group {
    /// The last id that was delivered, or set.
    pub last_id: StreamId,
    /// How many entries had been added up to `last_id`, if it is known.
    pub entries_read: Option<u64>,
    pub(super) pending: Map<StreamId, Pending>,
    pub(super) consumers: Map<ConsumerId, Consumer>,
    names: Map<Name, ConsumerId>,
    pub(super) left_over: LeftOver,
    /// What the lists of the consumers take.
    owned_bytes: usize,
}

/// An entry that was delivered and not acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pending {
    /// When it was delivered last.
    pub delivered: UnixMs,
    /// How often it was delivered.
    pub deliveries: u64,
    /// To whom. `None` only while a group is being loaded.
    pub(super) consumer: Option<ConsumerId>,
}

impl Pending {
    /// To whom it was delivered.
    ///
    /// # Panics
    /// If the group was not loaded completely.
    pub fn consumer(&self) -> ConsumerId {
        self.consumer.expect("loading ends with a check that every pending entry has a consumer")
    }
}

/// A deleted consumer that has no more pending entries leaves nothing over. Most of the tests' have but few.
const FEW: usize = if cfg!(test) { 1 } else { 64 };

/// So many pending entries that are left over does a change clear.
const CLEARED: usize = 4;

/// A time that stands for none.
const NEVER: UnixMs = UnixMs(u64::MAX);

/// One of those who share the entries of a group.
#[derive(Clone, Debug)]
pub struct Consumer {
    name: Name,
    /// When it last tried to read or to claim.
    pub seen: UnixMs,
    /// When it last got an entry, or [`NEVER`].
    pub(super) active: UnixMs,
    pub(super) pending: Map<StreamId, ()>,
}

impl Consumer {
    /// Its name.
    pub fn name(&self) -> &[u8] {
        self.name.borrow()
    }

    /// When it last got an entry, if ever.
    pub fn active(&self) -> Option<UnixMs> {
        (self.active != NEVER).then_some(self.active)
    }

    /// The number of its pending entries.
    pub fn pending_len(&self) -> usize {
        self.pending.len()
    }
}

impl Group {
    /// The consumer of this name.
    pub fn find(&self, name: &[u8]) -> Option<ConsumerId> {
        self.names.get(name).copied()
    }

    /// A consumer that [`Group::find`] or a pending entry gave.
    pub fn consumer(&self, id: ConsumerId) -> &Consumer {
        self.consumers.get(&id).expect("consumers are named by their group, and while they live")
    }

    /// The number of consumers.
    pub fn consumers_len(&self) -> usize {
        self.consumers.len()
    }

    /// All consumers, in the order of their names.
    pub fn consumers(&self) -> impl Iterator<Item = (ConsumerId, &Consumer)> {
        self.names.iter().map(|(_, id)| (*id, self.consumer(*id)))
    }

    /// Creates a consumer; `None` if there is one of this name.
    pub fn create(&mut self, name: &[u8], now: UnixMs) -> Option<ConsumerId> {
        self.load_consumer(name, now, None)
    }

    /// The consumer of this name, who tries to read or to claim now, and whether it had to be created.
    pub fn visit(&mut self, name: &[u8], now: UnixMs) -> (ConsumerId, bool) {
        match self.find(name) {
            Some(id) => {
                self.consumer_mut(id).seen = now;
                (id, false)
            }
            None => (self.create(name, now).expect("it was not found"), true),
        }
    }

    /// Sets when a consumer last tried to read or to claim, and when it last got an entry, if ever.
    pub fn date(&mut self, consumer: ConsumerId, seen: UnixMs, active: Option<UnixMs>) {
        let consumer = self.consumer_mut(consumer);
        consumer.seen = seen;
        consumer.active = active.unwrap_or(NEVER);
    }

    /// Removes a consumer with what is pending for it, and says how much that was; `None` if there is none of this name. What need
    /// not be freed here is given as a group: the consumer's own list, and the group's if nothing else is pending. Else much of it is
    /// left over until [`Groups::clear_some`] and the changes that follow have cleared it.
    pub fn remove(&mut self, name: &[u8]) -> Option<(usize, Groups)> {
        let id = self.names.remove(name)?;
        let mut consumer = self.consumers.remove(&id).expect("names lead to consumers");
        let len = consumer.pending_len();
        let owned_bytes = consumer.pending.memory_bytes();
        self.owned_bytes -= owned_bytes;
        let mut gone = Group { owned_bytes, ..Group::default() };
        if len == self.pending_len() {
            gone.pending = std::mem::take(&mut self.pending);
            gone.left_over = std::mem::take(&mut self.left_over);
        } else if len > FEW {
            gone.owned_bytes = 0;
            self.left_over.add(id, std::mem::take(&mut consumer.pending));
        } else {
            consumer.pending.iter().for_each(|(id, ())| _ = self.pending.remove(id));
        }
        gone.consumers.insert(id, consumer);
        Some((len, Groups::of_one(name, gone)))
    }

    /// The number of pending entries.
    pub fn pending_len(&self) -> usize {
        self.pending.len() - self.left_over.len()
    }

    /// The first and the last pending id.
    pub fn pending_ends(&self) -> Option<(StreamId, StreamId)> {
        if self.left_over.len() == 0 {
            return Some((*self.pending.first()?, *self.pending.last()?));
        }
        // There may be much left over at the ends.
        let lists = || self.consumers.iter().map(|(_, consumer)| &consumer.pending);
        Some((*lists().filter_map(Map::first).min()?, *lists().filter_map(Map::last).max()?))
    }

    /// A pending entry.
    pub fn pending(&self, id: StreamId) -> Option<&Pending> {
        self.pending.get(&id).filter(|pending| self.is_pending(pending))
    }

    /// The pending entries from `start` to `end`, both included, ascending: all, or those of one consumer.
    pub fn pending_between(
        &self,
        start: StreamId,
        end: StreamId,
        consumer: Option<ConsumerId>,
    ) -> impl Iterator<Item = (StreamId, &Pending)> {
        let all = consumer.is_none().then(|| self.pending_from(start));
        let own = consumer.map(|id| {
            let ids = self.consumer(id).pending.iter_from(&start);
            ids.filter_map(|(id, ())| Some((*id, self.pending.get(id)?)))
        });
        let both = all.into_iter().flatten().chain(own.into_iter().flatten());
        both.take_while(move |(id, _)| *id <= end)
    }

    /// The pending entries from `start` on, ascending.
    pub(super) fn pending_from(&self, start: StreamId) -> impl Iterator<Item = (StreamId, &Pending)> {
        // Of much that is left over there may be more before an entry than a call may step over.
        let is_merged = self.left_over.len() > self.consumers.len();
        let all = (!is_merged).then(|| self.pending.iter_from(&start).map(|(id, pending)| (*id, pending)));
        let all = all.into_iter().flatten().filter(|(_, pending)| self.is_pending(pending));
        all.chain(is_merged.then(|| self.merged_from(start)).into_iter().flatten())
    }

    /// XREADGROUP with `>`: gives at most `count` entries after the last delivered one to `visit`, and makes them pending unless
    /// `noack`. Says how many.
    pub fn read_new(
        &mut self,
        entries: &Entries,
        consumer: ConsumerId,
        count: usize,
        noack: bool,
        now: UnixMs,
        mut visit: impl FnMut(&Entry<'_>),
    ) -> usize {
        let Some(start) = self.last_id.next() else { return 0 };
        let mut delivered = 0;
        for entry in entries.range(start, StreamId::MAX).take(count) {
            let is_known = self.last_id >= entries.first_id() && !entries.has_deleted_from(self.last_id);
            self.entries_read = match self.entries_read {
                Some(read) if is_known => Some(read.wrapping_add(1)),
                _ if entries.added() > 0 => entries.added_until(entry.id),
                read => read,
            };
            self.last_id = entry.id;
            if !noack {
                // It may be pending for another one if the group was set back.
                self.own(entry.id, consumer, Pending::fresh(now));
            }
            visit(&entry);
            delivered += 1;
        }
        if delivered > 0 && !noack {
            self.consumer_mut(consumer).active = now;
        }
        delivered
    }

    /// XREADGROUP with an id: gives at most `count` entries from `start` on that are pending for the consumer to `visit`, again. An entry
    /// that is gone is `None`, and is not counted as delivered. Says how many.
    pub fn read_pending(
        &mut self,
        entries: &Entries,
        consumer: ConsumerId,
        start: StreamId,
        count: usize,
        now: UnixMs,
        mut visit: impl FnMut(StreamId, Option<&Entry<'_>>),
    ) -> usize {
        let consumer = self.consumers.get(&consumer).expect("consumers are named by their group");
        let mut delivered = 0;
        for (id, ()) in consumer.pending.iter_from(&start).take(count) {
            let entry = entries.get(*id);
            if entry.is_some()
                && let Some(pending) = self.pending.get_mut(id)
            {
                pending.delivered = now;
                pending.deliveries = pending.deliveries.wrapping_add(1);
            }
            visit(*id, entry.as_ref());
            delivered += 1;
        }
        delivered
    }

    /// XACK: says whether the entry was pending.
    pub fn acknowledge(&mut self, id: StreamId) -> bool {
        self.clear_some(CLEARED);
        let Some(pending) = self.pending(id).copied() else { return false };
        self.pending.remove(&id);
        self.disown(id, pending.consumer);
        true
    }

    /// Adds a pending entry from outside, to be followed by its consumer.
    ///
    /// # Errors
    /// [`Malformed`] if there is one of this id.
    pub fn load_pending(
        &mut self,
        id: StreamId,
        delivered: UnixMs,
        deliveries: u64,
    ) -> Result<(), Malformed> {
        let pending = Pending { delivered, deliveries, consumer: None };
        self.pending.insert(id, pending).map_or(Ok(()), |_| Err(Malformed))
    }

    /// Adds a consumer from outside; `None` if there is one of this name.
    pub fn load_consumer(&mut self, name: &[u8], seen: UnixMs, active: Option<UnixMs>) -> Option<ConsumerId> {
        if self.find(name).is_some() {
            return None;
        }
        let name = Name::from(name);
        let last = self.consumers.last().max(self.left_over.last()).map(|last| last.0);
        let id = ConsumerId(last.map_or(NonZeroU64::MIN, |last| last.saturating_add(1)));
        self.names.insert(name.clone(), id);
        let active = active.unwrap_or(NEVER);
        self.consumers.insert(id, Consumer { name, seen, active, pending: Map::default() });
        Some(id)
    }

    /// Gives a pending entry from outside to its consumer.
    ///
    /// # Errors
    /// [`Malformed`] if the entry is not pending, or has a consumer.
    pub fn load_owned(&mut self, consumer: ConsumerId, id: StreamId) -> Result<(), Malformed> {
        let pending = *self.pending.get(&id).filter(|pending| pending.consumer.is_none()).ok_or(Malformed)?;
        self.own(id, consumer, pending);
        Ok(())
    }

    /// Whether every pending entry has a consumer. A group from outside must be asked, and dropped if not.
    pub fn is_complete(&self) -> bool {
        self.pending.iter().all(|(_, pending)| pending.consumer.is_some())
    }

    /// Bytes of heap memory.
    pub fn memory_bytes(&self) -> usize {
        self.pending.memory_bytes()
            + self.consumers.memory_bytes()
            + self.names.memory_bytes()
            + self.left_over.memory_bytes()
            + self.owned_bytes
    }

    /// Makes an entry pending as `pending` says, for this consumer and for no other.
    pub(super) fn own(&mut self, id: StreamId, consumer: ConsumerId, pending: Pending) {
        self.clear_some(CLEARED);
        let pending = Pending { consumer: Some(consumer), ..pending };
        let before = self.pending.insert(id, pending).and_then(|before| before.consumer);
        if before == Some(consumer) {
            return;
        }
        self.disown(id, before);
        self.change_owned(consumer, |ids| ids.insert(id, ()));
    }

    /// Makes an entry no longer pending for its consumer.
    pub(super) fn disown(&mut self, id: StreamId, consumer: Option<ConsumerId>) {
        if let Some(consumer) = consumer
            && !self.left_over.remove(consumer, id)
        {
            self.change_owned(consumer, |ids| ids.remove(&id));
        }
    }

    pub(super) fn consumer_mut(&mut self, id: ConsumerId) -> &mut Consumer {
        self.consumers.get_mut(&id).expect("consumers are named by their group, and while they live")
    }

    fn change_owned<R>(
        &mut self,
        consumer: ConsumerId,
        change: impl FnOnce(&mut Map<StreamId, ()>) -> R,
    ) -> R {
        let ids = &mut self.consumer_mut(consumer).pending;
        let before = ids.memory_bytes();
        let result = change(ids);
        let after = ids.memory_bytes();
        self.owned_bytes = self.owned_bytes - before + after;
        result
    }
}

impl Pending {
    /// What a consumer gets that was never pending, before its delivery is noted.
    pub(super) fn fresh(now: UnixMs) -> Self {
        Self { delivered: now, deliveries: 1, consumer: None }
    }

    pub(super) fn is_fresh(&self) -> bool {
        self.consumer.is_none()
    }
}
