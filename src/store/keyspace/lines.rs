//! Who watches keys and who waits for them, as far as more than one shard is concerned. What one shard knows of it is in
//! [`interest`](crate::store::interest).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::Keyspace;
use crate::store::interest::{Blocked, InterestCounts, NamedKey};
use crate::store::lock::{Locked, ShardSet};
use crate::store::residence::Errand;
use crate::store::shard::Shard;

/// Serves clients that wait for keys which have changed; called on any thread, with no lock held.
pub type ServeLater = Box<dyn Fn(Vec<NamedKey>) + Send + Sync>;

impl Keyspace {
    /// Connects who serves clients whose keys were changed by background work, once.
    pub fn connect_serve_later(&self, serve: ServeLater) {
        assert!(self.serve_later.set(serve).is_ok(), "who serves is connected once");
    }

    /// Has the clients served that wait for these keys, which background work has changed.
    #[cold]
    pub(in crate::store) fn serve_later(&self, keys: Vec<NamedKey>) {
        if let Some(serve) = self.serve_later.get() {
            serve(keys);
        }
    }

    /// A client comes to stand in one more line, or (`change` is −1) in one less.
    pub(in crate::store) fn count_links(&self, blocked: &Blocked, change: isize) {
        if blocked.also.is_some() {
            // Guarded by the lock of the line's shard, as far as those need to know who hold it.
            self.links.fetch_add(change as usize, Ordering::Relaxed);
        }
    }

    /// Does any client wait for a key of which serving needs another key? Exact for the shards that the caller holds.
    #[inline]
    pub fn has_links(&self) -> bool {
        self.links.load(Ordering::Relaxed) > 0
    }

    /// The shards that an operation needs which holds some: those, and those of all keys that serving clients who wait for keys
    /// of them needs (BLMOVE's destination), and so on, since what is served may make a further key ready.
    pub fn with_links(&self, locked: &Locked<'_>) -> ShardSet {
        let held = locked.set();
        let links = held.iter().flat_map(|id| locked.shard(id).interest.links());
        links.fold(held, |set, key| set.with(key.shard()))
    }

    /// The further keys that serving clients of the held shards may need.
    pub fn links(&self, locked: &Locked<'_>) -> Vec<NamedKey> {
        locked.set().iter().flat_map(|id| locked.shard(id).interest.links()).cloned().collect()
    }

    /// Ends the interest of a client that watched keys. Waits for no lock: what is busy is done on another thread.
    pub fn unwatch(&self, keys: Vec<NamedKey>, changed: &Arc<AtomicBool>) {
        let changed = changed.clone();
        self.on_each(keys, move |_, shard, key| shard.interest.unwatch(key.db, &key.key(), &changed));
    }

    /// Takes a client out of the lines that it still stands in. Waits for no lock, as [`Keyspace::unwatch`].
    pub fn leave_lines(&self, blocked: &Arc<Blocked>) {
        if !blocked.is_in_line() {
            return;
        }
        let gone = blocked.clone();
        self.on_each(blocked.keys.clone(), move |keyspace, shard, key| {
            if shard.interest.stop_waiting(key.db, &key.key(), &gone) {
                keyspace.count_links(&gone, -1);
            }
        });
    }

    /// Does something with the shard of each key: at once where it is free, on another thread where it is not.
    fn on_each(
        &self,
        mut keys: Vec<NamedKey>,
        work: impl Fn(&Keyspace, &mut Shard, &NamedKey) + Send + 'static,
    ) {
        keys.retain(|key| match self.locks.try_lock_now(key.shard()) {
            Some(mut locked) => {
                work(self, locked.shard_mut(key.shard()), key);
                false
            }
            None => true,
        });
        if !keys.is_empty() {
            self.send(Errand::Run(Box::new(move |keyspace| {
                for key in &keys {
                    work(keyspace, keyspace.locks.lock_one(key.shard()).shard_mut(key.shard()), key);
                }
            })));
        }
    }

    /// How many keys clients are interested in.
    pub fn interest(&self, held: Option<&Locked<'_>>) -> InterestCounts {
        let mut sum = InterestCounts::default();
        self.visit_shards(held, |_, shard| {
            let counts = shard.interest.counts();
            sum.watched += counts.watched;
            sum.awaited += counts.awaited;
        });
        sum
    }
}
