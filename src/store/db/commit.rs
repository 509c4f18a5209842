//! The end of an operation, and what the log is told of it.

use std::sync::Arc;

use super::{Committed, Db, Workspace};
use crate::store::DbIndex;
use crate::store::effect::{self, Before};
use crate::store::keyspace::Garbage;

/// Values from this size on are freed by the drop thread.
const GARBAGE_BYTES: usize = 64 * 1024;

impl Db<'_> {
    /// Logs these words instead of the command as it was called. May be called several times: the effects are one record.
    pub fn log_as(&mut self, argv: &[&[u8]]) {
        self.log_words(argv.iter().copied());
    }

    /// As [`Db::log_as`], for words that are not together in memory.
    pub fn log_words<'v>(&mut self, words: impl ExactSizeIterator<Item = &'v [u8]>) {
        self.rewritten = true;
        let before = self.said();
        effect::put(&mut self.work.effects, self.index, before, words, &self.work.long);
    }

    /// What the log is told of the state before.
    #[inline]
    pub(super) fn said(&self) -> Before {
        if self.writes == 1 { self.before } else { Before::Unsaid }
    }

    /// Nothing that this operation changes is logged. For an import, whose changes are durable when its last round is.
    pub fn keep_unlogged(&mut self) {
        self.rewritten = true;
    }

    /// Changes what belongs to the dataset and is no key. Needs all shards.
    pub fn attach(&mut self, bytes: Arc<[u8]>) {
        self.keyspace.attach(self.epoch, bytes);
    }

    /// Counts changes of what is no key, or more changes than the one that was counted when a key was replaced.
    pub fn note_changes(&mut self, count: u64) {
        self.dirty += count;
    }

    /// How many changes the operation has made so far.
    pub fn dirty(&self) -> u64 {
        self.dirty
    }

    /// Ends the operation: what it changed is logged (`verbatim` is the command as it was called), the locks are released,
    /// and big garbage goes to the drop thread. Clients that wait for keys which it has changed, and that whoever executes it has
    /// not served, are served on another thread: only background work leaves any, and it only deletes.
    #[inline]
    pub fn commit<'v>(
        &mut self,
        verbatim: impl ExactSizeIterator<Item = &'v [u8]>,
        db: DbIndex,
    ) -> Committed {
        let as_called = self.dirty > 0 && !self.rewritten;
        let mut lsn = 0;
        if as_called || !self.work.effects.is_empty() {
            lsn = self.log(as_called.then_some(verbatim), db);
        }
        let held = self.locked.set().iter().map(|id| self.locked.shard(id).last_lsn).max().unwrap_or(0);
        self.locked.release();
        if !self.work.garbage.is_empty() {
            self.drop_garbage();
        }
        if self.has_ready() {
            self.keyspace.serve_later(self.work.ready.drain(..).collect());
        }
        Committed { depends_on: held.max(self.depends_on), lsn }
    }

    /// Logs what the operation changed: the effects that it named, and its words if those are what it did.
    #[inline(never)]
    fn log<'v>(&mut self, verbatim: Option<impl ExactSizeIterator<Item = &'v [u8]>>, db: DbIndex) -> u64 {
        self.work.tallies.dirty += self.dirty;
        let before = self.said();
        let Workspace { effects, long, .. } = &mut *self.work;
        let lsn = self.keyspace.record(&mut self.locked, self.epoch, |out| {
            out.append(effects);
            if let Some(words) = verbatim {
                effect::put(out, db, before, words, long);
            }
        });
        self.work.effects.clear();
        self.publish();
        lsn
    }

    /// Frees what was taken out, or leaves it to the drop thread if that takes long.
    #[cold]
    fn drop_garbage(&mut self) {
        for object in self.work.garbage.drain(..) {
            if object.memory_bytes() >= GARBAGE_BYTES {
                self.keyspace.discard(Garbage::Object(object));
            }
        }
    }

    /// Publishes what the shards that were changed take in RAM, if `maxmemory` needs to know.
    fn publish(&mut self) {
        if self.keyspace.limits_memory() {
            for id in self.locked.set().iter() {
                self.keyspace.publish_memory(id, self.locked.shard(id).load().bytes);
            }
        }
    }
}
