//! Expiry of what is on disk only: keys are deleted soon after their time although nobody asks for them, and so are fields of
//! hashes.
//!
//! * Every block on disk knows when the first of its entries expires, or is due: something inside the value expires.
//!   [`DueBlocks`] orders the blocks by that, run by run, so a sweep reads only blocks with something due. Of a block that was
//!   read it remembers the first such time still to come: it is not read again before that.
//! * An entry of a block counts only when it is the latest state of its key: no newer run knows the key, RAM says nothing of
//!   it, and the version is still the current one, all of which is looked at while the key's shard is held. Otherwise the key
//!   is the business of the newer entry, or of the sweep of RAM.
//! * A hash with a field that is due is brought into RAM, where its fields are deleted like those of any other
//!   (`Db::wake`).
//! * Keys are deleted through the command path: a DEL in the log, exact counts, a tombstone for the next round.
//! * Work is bounded: some blocks at a time, some keys per lock hold. Time is an argument.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use storage::run::{Block, Run, RunId};
use storage::{Entry, NamespaceId, Position, Version};

use super::super::keyspace::Keyspace;
use super::super::lock::ShardSet;
use super::super::sweep::Swept;
use super::super::table::Presence;
use super::super::{Db, DbIndex, Key, UnixMs, image};
use super::{Found, sentence, unintelligible};

/// Keys deleted per lock hold: some tens of microseconds.
const SLICE_KEYS: usize = 64;
/// A block that can't be read is tried again after so many milliseconds.
const DAMAGED_MS: u64 = 60_000;

/// The blocks of the current version's runs that hold keys which expire, the earliest first.
#[derive(Default)]
pub struct DueBlocks {
    runs: BTreeMap<RunId, BinaryHeap<Reverse<(u64, usize)>>>,
}

/// The sweep of a server: one at a time, in pieces.
#[derive(Default)]
pub struct ColdExpiry {
    /// What the sweep that runs takes and gives back. A leaf lock.
    due: Mutex<DueBlocks>,
    is_running: AtomicBool,
    /// Keys and fields deleted since [`ColdExpiry::take_swept`].
    keys: AtomicU64,
    fields: AtomicU64,
}

impl ColdExpiry {
    /// Begins a sweep. False: one is running.
    pub fn begin(&self) -> bool {
        !self.is_running.swap(true, Ordering::Acquire)
    }

    /// Ends the sweep.
    pub fn end(&self) {
        self.is_running.store(false, Ordering::Release);
    }

    /// Does a piece of the sweep: at most so many blocks. True: there is more to do. The sentence says why a block can't be
    /// read; the others are none the worse for it.
    pub fn sweep(&self, keyspace: &Keyspace, now: UnixMs, blocks_max: usize) -> Result<bool, String> {
        let mut due = std::mem::take(&mut *self.blocks());
        let mut swept = Swept::default();
        let result = keyspace.sweep_cold(&mut due, now, blocks_max, &mut swept);
        self.keys.fetch_add(swept.keys, Ordering::Relaxed);
        self.fields.fetch_add(swept.fields, Ordering::Relaxed);
        *self.blocks() = due;
        result
    }

    fn blocks(&self) -> MutexGuard<'_, DueBlocks> {
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How much was deleted since the last call.
    pub fn take_swept(&self) -> Swept {
        Swept { keys: self.keys.swap(0, Ordering::Relaxed), fields: self.fields.swap(0, Ordering::Relaxed) }
    }
}

impl DueBlocks {
    /// Forgets the runs that the version has not, and learns of those that are new.
    fn follow(&mut self, version: &Version) {
        self.runs.retain(|&id, _| version.run(id).is_some());
        for run in version.runs() {
            self.runs.entry(run.meta().id).or_insert_with(|| {
                let run = run.reader();
                let blocks = (0..run.blocks()).map(|number| run.block(number));
                blocks.filter_map(|block| Some(Reverse((block.least_expiry_ms?, block.number)))).collect()
            });
        }
    }

    /// A block with something that expired before `now`. It is forgotten until it is put back.
    fn take(&mut self, now: UnixMs) -> Option<(RunId, usize)> {
        self.runs.iter_mut().find_map(|(&id, blocks)| {
            let &Reverse((_, number)) = blocks.peek().filter(|Reverse((due, _))| *due < now.0)?;
            blocks.pop();
            Some((id, number))
        })
    }

    /// Is there a block with something that expired before `now`?
    fn has_any(&self, now: UnixMs) -> bool {
        self.runs.values().any(|blocks| blocks.peek().is_some_and(|Reverse((due, _))| *due < now.0))
    }

    /// Puts a block back, due at a time.
    fn put_back(&mut self, id: RunId, number: usize, due_ms: u64) {
        if let Some(blocks) = self.runs.get_mut(&id) {
            blocks.push(Reverse((due_ms, number)));
        }
    }
}

impl Keyspace {
    /// Deletes keys on disk whose time has passed by `now`, in at most `blocks_max` blocks, and counts them. True: there are
    /// more blocks to read.
    fn sweep_cold(
        &self,
        due: &mut DueBlocks,
        now: UnixMs,
        blocks_max: usize,
        swept: &mut Swept,
    ) -> Result<bool, String> {
        let Some(version) = self.version() else { return Ok(false) };
        due.follow(&version);
        // What could not be settled waits for the next sweep.
        let (mut again, mut result) = (Vec::new(), Ok(()));
        for _ in 0..blocks_max {
            let Some((id, number)) = due.take(now) else { break };
            match self.sweep_block(&version, id, number, now, swept) {
                Ok(None) => {}
                Ok(Some(next)) if next < now.0 => again.push((id, number, next)),
                Ok(Some(next)) => due.put_back(id, number, next),
                Err(sentence) => {
                    due.put_back(id, number, now.0 + DAMAGED_MS);
                    result = Err(sentence);
                }
            }
        }
        let has_more = due.has_any(now);
        again.into_iter().for_each(|(id, number, next)| due.put_back(id, number, next));
        result.map(|()| has_more)
    }

    /// Deletes what has expired in one block. Returns when it is due again.
    fn sweep_block(
        &self,
        version: &Arc<Version>,
        id: RunId,
        number: usize,
        now: UnixMs,
        swept: &mut Swept,
    ) -> Result<Option<u64>, String> {
        let Some(run) = version.run(id).map(|run| run.reader()) else { return Ok(None) };
        let block = run.read_block(&run.block(number)).map_err(sentence)?;
        let mut next = block.entries().filter_map(|e| e.content.wakes_ms()).filter(|&at| at >= now.0).min();
        let latest = self.latest_due(version, run, &block, now)?;
        for keys in latest.chunks(SLICE_KEYS) {
            // All of a block are of one namespace and close together; still, each shard has a lock of its own.
            for keys in keys.chunk_by(|a, b| a.1.key().shard() == b.1.key().shard()) {
                if !self.delete_due(version, keys, now, &mut swept.keys) {
                    next = Some(0);
                }
            }
        }
        for entry in block.entries() {
            let has_expired = entry.content.expiry_ms().is_some_and(|at| at < now.0);
            let is_due = !has_expired && entry.content.wakes_ms().is_some_and(|at| at < now.0);
            if !is_due || is_shadowed(version, run, entry.position, entry.key)? {
                continue;
            }
            match self.wake(version, &entry, now)? {
                Some(fields) => swept.fields += fields as u64,
                None => next = Some(0),
            }
        }
        Ok(next)
    }

    /// Deletes what has expired inside the value of an entry that is the latest of its key in the version. Tells how many
    /// fields; `None`: it has to be looked at again.
    fn wake(&self, version: &Arc<Version>, entry: &Entry<'_>, now: UnixMs) -> Result<Option<usize>, String> {
        let (content, mut scratch) = (entry.content.copied(), Vec::new());
        let loaded = image::decode(&content, self.member_seed(), &mut scratch).map_err(unintelligible)?;
        let Some(loaded) = loaded else { return Ok(Some(0)) };
        let Position { namespace, hash } = entry.position;
        let key = Key { bytes: entry.key, hash };
        let (woken, ..) = self.operate(DbIndex(0), now, ShardSet::one(key.shard()), |db| {
            if self.is_current(version) { db.wake(namespace, &key, loaded) } else { None }
        });
        Ok(woken)
    }

    /// The entries of a block that have expired and are the latest of their keys in the version.
    fn latest_due(
        &self,
        version: &Version,
        run: &Run,
        block: &Block,
        now: UnixMs,
    ) -> Result<Vec<(NamespaceId, Found)>, String> {
        let mut latest = Vec::new();
        for entry in block.entries() {
            let Some(at) = entry.content.expiry_ms().filter(|&at| at < now.0) else { continue };
            if !is_shadowed(version, run, entry.position, entry.key)? {
                let Position { namespace, hash } = entry.position;
                let found = Found { hash, name: Box::from(entry.key), expire: Some(UnixMs(at)) };
                latest.push((namespace, found));
            }
        }
        Ok(latest)
    }

    /// Deletes those of the keys, all of one shard, that are on disk only. False: some key has to be looked at again.
    fn delete_due(
        &self,
        version: &Arc<Version>,
        keys: &[(NamespaceId, Found)],
        now: UnixMs,
        expired: &mut u64,
    ) -> bool {
        let Some((_, first)) = keys.first() else { return true };
        let set = ShardSet::one(first.key().shard());
        let (all_settled, _, deleted) = self.operate(DbIndex(0), now, set, |db| {
            self.is_current(version)
                && keys.iter().fold(true, |all, (namespace, key)| db.settle_due(*namespace, key) && all)
        });
        *expired += deleted;
        all_settled
    }
}

impl Db<'_> {
    /// Deletes a key whose time has passed if it is on disk only. False: it has to be looked at again.
    fn settle_due(&mut self, namespace: NamespaceId, found: &Found) -> bool {
        let (key, now) = (found.key(), self.now());
        let shard = self.shard(key.shard());
        let Some(index) = shard.index_of(namespace) else { return true };
        match shard.table(index).look_up(key.hash, key.bytes) {
            Presence::Tombstone(_) => true,
            // It may leave RAM before the sweep of RAM has come to it.
            Presence::Live(entry) => entry.expire_at().is_none_or(|at| at >= now.0),
            Presence::Unknown if shard.loading.has(namespace, &key) => false,
            Presence::Unknown => {
                self.select(index);
                self.delete_expired_cold(&key, found.expire.expect("it has expired"));
                true
            }
        }
    }
}

/// Does a newer run know the key?
fn is_shadowed(version: &Version, run: &Run, position: Position, key: &[u8]) -> Result<bool, String> {
    for newer in version.runs_at(position).map(|run| run.reader()) {
        if newer.info().id == run.info().id {
            return Ok(false);
        }
        if newer.get(position, key).map_err(sentence)?.is_some() {
            return Ok(true);
        }
    }
    Ok(true)
}
