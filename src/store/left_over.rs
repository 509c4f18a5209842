//! Clearing what big sorted sets keep of elements that were removed at once, on the threads that read from disk.
//!
//! * It is no change of the dataset: nothing is captured, marked as dirty, logged or told.
//! * The shard is held for some tens of microseconds at a time, and others have their turn in between.
//! * A key that has got another name meanwhile is not followed: its writes clear it.

use super::keyspace::Keyspace;
use super::object::Object;
use super::residence::{Errand, Wanted};
use super::table::Presence;
use super::{Db, Key, ShardId, Slot};
use crate::store::entry::Value;

/// Elements cleared per lock hold.
const SLICE_ELEMENTS: usize = 128;

impl Keyspace {
    /// Clears some of what is left over in a key. True: there is more.
    fn clear_slice(&self, wanted: &Wanted) -> bool {
        let id = ShardId::of(wanted.hash);
        let mut locked = self.locks().lock_one(id);
        let Some(space) = locked.shard_mut(id).space_of_mut(wanted.namespace) else { return false };
        let Presence::Live(entry) = space.table.look_up(wanted.hash, &wanted.key) else { return false };
        let handle = entry.handle();
        let cleared = space.table.edit_object(handle, |object| match object {
            Object::Zset(zset) => {
                zset.clear_some(SLICE_ELEMENTS);
                zset.has_left_over()
            }
            _ => false,
        });
        cleared == Some(true)
    }
}

/// Clears all of it, slice by slice.
fn clear(keyspace: &Keyspace, wanted: Wanted) {
    if keyspace.clear_slice(&wanted) {
        keyspace.send(Errand::Run(Box::new(move |keyspace| clear(keyspace, wanted))));
    }
}

impl Db<'_> {
    /// Has others clear what a sorted set of the selected database still takes for elements that were removed from it. During replay there are none yet.
    pub fn clear_later(&self, key: &Key<'_>, slot: Slot) {
        let has_left_over =
            matches!(self.value(slot), Value::Object(Object::Zset(zset)) if zset.has_left_over());
        if let Some(readers) = self.keyspace().readers.get()
            && has_left_over
        {
            let namespace = self.shard(key.shard()).space(self.index()).namespace;
            let wanted = Wanted { namespace, hash: key.hash, key: Box::from(key.bytes) };
            drop(readers.send(Errand::Run(Box::new(move |keyspace| clear(keyspace, wanted)))));
        }
    }
}
