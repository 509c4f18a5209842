//! What was pending for deleted consumers and still is in their group's list.
//!
//! * Deleting a consumer costs the same however much is pending for it: its list is kept here, and the group's list is cleared
//!   little by little, by [`Group::clear_some`] and by what changes the group.
//! * A pending entry is left over if its consumer is not one of the group's. Each is in the list of its consumer here, and nothing
//!   else is, so the lengths of these tell how many there are. Numbers of such consumers are not given to others.
//! * Whoever goes through a group's list while much of it is left over goes through the lists of its consumers instead, side by side
//!   ([`Group::merged_from`]). So no call does more work for what is left over than once what its consumers are.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;

use super::group::{ConsumerId, Group, Pending};
use super::id::StreamId;
use super::map::{Iter, Map};

/// See the module's documentation.
#[derive(Clone, Debug, Default)]
pub(super) struct LeftOver {
    /// None of these lists is empty.
    lists: Map<ConsumerId, Map<StreamId, ()>>,
    len: usize,
    /// What the lists take.
    list_bytes: usize,
}

impl LeftOver {
    /// The number of entries.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The consumer of the highest number.
    pub(super) fn last(&self) -> Option<&ConsumerId> {
        self.lists.last()
    }

    /// Bytes of heap memory.
    pub(super) fn memory_bytes(&self) -> usize {
        self.lists.memory_bytes() + self.list_bytes
    }

    /// Adds what is pending for a consumer that is deleted; not nothing.
    pub(super) fn add(&mut self, consumer: ConsumerId, ids: Map<StreamId, ()>) {
        self.len += ids.len();
        self.list_bytes += ids.memory_bytes();
        self.lists.insert(consumer, ids);
    }

    /// Removes an entry. False: its consumer was not deleted.
    pub(super) fn remove(&mut self, consumer: ConsumerId, id: StreamId) -> bool {
        if self.len == 0 {
            return false;
        }
        let Some(ids) = self.lists.get_mut(&consumer) else { return false };
        let (len, bytes) = (ids.len(), ids.memory_bytes());
        ids.remove(&id);
        self.len = self.len - len + ids.len();
        self.list_bytes = self.list_bytes - bytes + ids.memory_bytes();
        if ids.len() == 0 {
            self.lists.remove(&consumer);
        }
        true
    }

    /// The last entry of the last consumer.
    fn last_entry(&self) -> Option<(ConsumerId, StreamId)> {
        let consumer = *self.lists.last()?;
        Some((consumer, *self.lists.get(&consumer)?.last()?))
    }
}

impl Group {
    /// Is an entry of the group's list pending, and not left over?
    pub(super) fn is_pending(&self, pending: &Pending) -> bool {
        self.left_over.len() == 0
            || pending.consumer.is_none_or(|consumer| self.consumers.get(&consumer).is_some())
    }

    /// What is pending from an id on, ascending, out of the lists of the consumers.
    pub(super) fn merged_from(&self, start: StreamId) -> Merged<'_> {
        let lists = self.consumers.iter().filter_map(|(_, consumer)| {
            let mut rest = consumer.pending.iter_from(&start);
            rest.next().map(|(id, ())| List { id: *id, rest })
        });
        Merged { group: self, lists: lists.collect() }
    }

    /// Clears at most so many entries that are left over.
    pub(super) fn clear_some(&mut self, count: usize) {
        for _ in 0..count {
            let Some((consumer, id)) = self.left_over.last_entry() else { return };
            self.pending.remove(&id);
            self.left_over.remove(consumer, id);
        }
    }
}

/// See [`Group::merged_from`].
pub(super) struct Merged<'a> {
    group: &'a Group,
    lists: BinaryHeap<List<'a>>,
}

/// What is to come of a consumer's list. The greatest is the one that is next.
struct List<'a> {
    id: StreamId,
    rest: Iter<'a, StreamId, ()>,
}

impl<'a> Iterator for Merged<'a> {
    type Item = (StreamId, &'a Pending);

    fn next(&mut self) -> Option<Self::Item> {
        let mut list = self.lists.peek_mut()?;
        let id = list.id;
        match list.rest.next() {
            Some((next, ())) => list.id = *next,
            None => drop(PeekMut::pop(list)),
        }
        let pending = self.group.pending.get(&id);
        Some((id, pending.expect("the group's list has what the consumers' have")))
    }
}

impl Ord for List<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        other.id.cmp(&self.id)
    }
}

impl PartialOrd for List<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for List<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for List<'_> {}
