//! Clearing what big values keep of elements that were removed at once, on the threads that read from disk: of sorted sets, and of
//! consumer groups of streams.
//!
//! * It is no change of the dataset: nothing is captured, marked as dirty, logged or told.
//! * The shard is held for some tens of microseconds at a time, and others have their turn in between.
//! * A value that gets under another name is cleared there, too; where it was, there is nothing to clear.

use super::keyspace::Keyspace;
use super::object::Object;
use super::residence::{Errand, Wanted};
use super::table::Presence;
use super::{Db, Key, ShardId, Slot};
use crate::store::entry::Value;

/// Elements cleared per lock hold.
const SLICE_ELEMENTS: usize = 128;

fn has_left_over(object: &Object) -> bool {
    match object {
        Object::Zset(zset) => zset.has_left_over(),
        Object::Stream(stream) => stream.has_left_over(),
        Object::String(_) | Object::List(_) | Object::Set(_) | Object::Hash(_) => false,
    }
}

fn clear_some(object: &mut Object, count: usize) {
    match object {
        Object::Zset(zset) => zset.clear_some(count),
        Object::Stream(stream) => stream.clear_some(count),
        Object::String(_) | Object::List(_) | Object::Set(_) | Object::Hash(_) => {}
    }
}

impl Keyspace {
    /// Clears some of what is left over in a key. True: there is more.
    fn clear_slice(&self, wanted: &Wanted) -> bool {
        let id = ShardId::of(wanted.hash);
        let mut locked = self.locks().lock_one(id);
        let Some(space) = locked.shard_mut(id).space_of_mut(wanted.namespace) else { return false };
        let Presence::Live(entry) = space.table.look_up(wanted.hash, &wanted.key) else { return false };
        let handle = entry.handle();
        let cleared = space.table.edit_object(handle, |object| {
            clear_some(object, SLICE_ELEMENTS);
            has_left_over(object)
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
    /// Has others clear what a value of the selected database still takes for elements that were removed from it. During replay
    /// there are none yet, but nobody waits for the shard either.
    pub fn clear_later(&mut self, key: &Key<'_>, slot: Slot) {
        if !matches!(self.value(slot), Value::Object(object) if has_left_over(object)) {
            return;
        }
        let namespace = self.shard(key.shard()).space(self.index()).namespace;
        let wanted = Wanted { namespace, hash: key.hash, key: Box::from(key.bytes) };
        match self.keyspace().readers.get() {
            Some(readers) => {
                drop(readers.send(Errand::Run(Box::new(move |keyspace| clear(keyspace, wanted)))));
            }
            None => self.tidy(slot, |object| {
                while has_left_over(object) {
                    clear_some(object, SLICE_ELEMENTS);
                }
            }),
        }
    }
}
