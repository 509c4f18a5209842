//! What an operation notes for others: see [`notify`](crate::store::notify).

use std::sync::Arc;

use super::{Db, Key};
use crate::config::values::NotifyFlags;
use crate::pubsub::{Parcel, Tracker};
use crate::store::ShardId;
use crate::store::notify::Event;
use crate::store::tracked::Known;

impl Db<'_> {
    /// Notes an event for subscribers, if they asked for its class.
    #[inline]
    pub fn notify(&mut self, class: NotifyFlags, name: &'static str, key: &[u8]) {
        if self.notifies.contains(class) {
            self.note_event(name, key);
        }
    }

    /// Did subscribers ask for events of this class?
    pub fn notifies(&self, class: NotifyFlags) -> bool {
        self.notifies.contains(class)
    }

    #[cold]
    fn note_event(&mut self, name: &'static str, key: &[u8]) {
        let wanted = self.notifies;
        self.work.events.push(Event::Key { wanted, name, db: self.index, key: key.into() });
    }

    /// What the operation has noted so far.
    pub fn events_mut(&mut self) -> &mut [Event] {
        &mut self.work.events
    }

    /// Notes messages to subscribers, to be sent when the locks are released.
    pub fn announce(&mut self, parcels: Vec<Parcel>) {
        if !parcels.is_empty() {
            self.work.events.push(Event::Parcels(parcels));
        }
    }

    /// The client of `tracker` is told of the next change of the key.
    pub fn track(&mut self, key: &Key<'_>, tracker: &Arc<Tracker>) {
        let (keys, items) = self.locked.shard_mut(key.shard()).tracked.add(key, tracker);
        self.keyspace.tracking.add(i64::from(keys), i64::from(items));
    }

    /// Forgets who tracks one of the keys of a held shard; they are told as if it had changed. False: there is none.
    pub fn untrack_one(&mut self, shard: ShardId, random: u64) -> bool {
        let Some(Known { key, trackers }) = self.locked.shard_mut(shard).tracked.take_any(random) else {
            return false;
        };
        self.keyspace.tracking.add(-1, -(trackers.len() as i64));
        self.work.events.push(Event::Changed { key, trackers });
        true
    }

    /// A key is not what it was, and somebody tracks keys.
    #[cold]
    pub(in crate::store) fn tell_trackers(&mut self, key: &Key<'_>) {
        let trackers = self.locked.shard_mut(key.shard()).tracked.take(key);
        if !trackers.is_empty() {
            self.keyspace.tracking.add(-1, -(trackers.len() as i64));
        }
        if !trackers.is_empty() || !self.keyspace.pubsub().prefixes.is_empty() {
            self.work.events.push(Event::Changed { key: key.bytes.into(), trackers });
        }
    }

    /// All keys of a database are gone, or of all databases. Redis does not tell databases apart here, either.
    pub fn note_flushed(&mut self) {
        // Keys can be known although nobody tracks any just now; who begins again must not hear of them.
        if self.tracks || self.keyspace.tracking.keys() > 0 {
            self.tell_all_trackers();
        }
    }

    #[cold]
    fn tell_all_trackers(&mut self) {
        let mut all = Vec::new();
        for id in self.locked.set().iter() {
            all.push(std::mem::take(&mut self.locked.shard_mut(id).tracked));
        }
        let (keys, items) =
            all.iter().fold((0, 0), |sum, tracked| (sum.0 + tracked.keys, sum.1 + tracked.items));
        self.keyspace.tracking.add(-(keys as i64), -(items as i64));
        self.work.events.push(Event::Flushed(all));
    }
}
