//! Parts of an operation: commands inside a transaction or a script, and what is done for clients that waited.
//!
//! * A part sees what the operation has locked, and nothing of it is released before the operation is over. What a part changed
//!   is staged, so the operation's commit makes one log record of all parts, in their order.
//! * Every part has its own `dirty`, and says for itself what its write replaced.

use super::{Before, Db, notified};
use crate::store::DbIndex;
use crate::store::effect;
use crate::store::lock::{Lent, Locked};

/// What a part gives back when it is over.
#[must_use = "the operation can't go on without its locks"]
pub struct Part {
    lent: Lent,
    dirty: u64,
    depends_on: u64,
}

impl Part {
    /// How much the part has changed.
    pub fn dirty(&self) -> u64 {
        self.dirty
    }
}

impl<'a> Db<'a> {
    /// Begins a part that works in database `index`; [`Db::rejoin`] ends it. Only what parts say is logged from here on.
    pub fn part(&mut self, index: DbIndex, touches: bool) -> Db<'_> {
        self.rewritten = true;
        Db {
            keyspace: self.keyspace,
            locked: self.locked.lend(),
            index,
            now: self.now,
            epoch: self.epoch,
            access: self.access,
            touches,
            dirty: 0,
            rewritten: false,
            before: Before::Unsaid,
            writes: 0,
            depends_on: 0,
            // A command before it may have changed them.
            notifies: notified(self.keyspace, self.now),
            tracks: self.keyspace.pubsub().prefixes.trackers() > 0,
            work: &mut *self.work,
        }
    }

    /// Ends this part: what it changed is staged, as `verbatim` in `db` unless the part said otherwise.
    pub fn end_part<'v>(mut self, verbatim: impl ExactSizeIterator<Item = &'v [u8]>, db: DbIndex) -> Part {
        self.stage(verbatim, db);
        Part { dirty: self.dirty, depends_on: self.depends_on, lent: self.locked.give_back() }
    }

    /// Goes on after a part.
    pub fn rejoin(&mut self, part: Part) {
        self.locked.take_back(part.lent);
        self.dirty += part.dirty;
        self.depends_on = self.depends_on.max(part.depends_on);
    }

    /// Stages what was changed so far, as `verbatim` in `db` unless something else was logged, and begins anew to say what is
    /// replaced: what comes now is logged behind it.
    pub fn stage<'v>(&mut self, verbatim: impl ExactSizeIterator<Item = &'v [u8]>, db: DbIndex) {
        if self.dirty > 0 && !self.rewritten {
            let before = self.said();
            effect::put(&mut self.work.effects, db, before, verbatim, &self.work.long);
        }
        self.rewritten = true;
        (self.writes, self.before) = (0, Before::Unsaid);
    }

    /// Counts a command that was executed inside another one.
    pub fn note_nested(&mut self, command: usize) {
        self.work.nested.push(command as u16);
    }

    /// All shards, if they are held, for what looks at shards one after the other and otherwise locks them itself.
    pub fn held(&self) -> Option<&Locked<'a>> {
        match self.locked.set() {
            crate::store::lock::ShardSet::EMPTY => None,
            set => {
                debug_assert_eq!(
                    set,
                    crate::store::lock::ShardSet::ALL,
                    "who holds some shards can't lock others"
                );
                Some(&self.locked)
            }
        }
    }
}
