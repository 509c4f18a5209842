//! The whole keyspace: the shards behind their locks, the hash, the log they write to, and where garbage goes. `figures` counts and
//! measures what it holds, `lines` knows who waits for keys.
//!
//! Invariants:
//! * L1: whoever holds a [`Locked`] set sees no half-done command; a command's effects reach the log while it holds them.
//! * The epoch is read once per operation, after all its locks are held, and goes into its log record (DESIGN §5).
//! * Namespace ids are given out once, under all locks.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use crossbeam_channel::Sender;
use storage::{Engine, Epoch, NamespaceId, Payload, Status, SyncMode, Version};

use super::apart::Apart;
use super::cache::Cache;
use super::hash::KeyHasher;
use super::lock::{Locked, ShardLocks, ShardSet, Wake};
use super::notify::Announce;
use super::object::Object;
use super::residence::Errand;
use super::shard::{Shard, SpaceFacts};
use super::table::{Depth, Table};
use super::tracked::Tracking;
use super::{DbIndex, SHARD_COUNT, ShardId};
use crate::config::values;
use crate::pubsub::Pubsub;
use crate::sys::Lines;

mod figures;
mod lines;

pub use figures::{DbCounts, Level};
pub use lines::ServeLater;

/// What a worker does not free itself: the drop thread does.
pub enum Garbage {
    /// A value too big to free while others wait.
    Object(Object),
    /// What FLUSHDB or FLUSHALL took out.
    Tables(Vec<Table>),
}

/// The engine's name of a sync mode.
pub fn sync_mode(mode: values::SyncMode) -> SyncMode {
    match mode {
        values::SyncMode::Always => SyncMode::Always,
        values::SyncMode::EverySecond => SyncMode::EverySecond,
        values::SyncMode::Never => SyncMode::Never,
    }
}

/// Up to so many keys, table and entries mostly stay in the second-level cache, and a prefetch costs more than it saves.
const CACHED_KEYS: usize = 8192;

/// Can the log take records?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogHealth {
    /// Yes.
    Good,
    /// The disk is full; yes again when there is room.
    Full,
    /// Never again in this process (D3).
    Failed,
}

/// A number that one shard's owner writes and others read, on a line of its own.
#[repr(align(128))]
#[derive(Default)]
struct Padded(AtomicU64);

/// The keyspace.
pub struct Keyspace {
    locks: ShardLocks,
    hasher: KeyHasher,
    member_seed: u64,
    log: OnceLock<Engine>,
    epoch: AtomicU64,
    namespaces: AtomicU64,
    databases: usize,
    /// Bytes per shard, published by operations while `maxmemory` is set.
    memory: Box<[Padded]>,
    limits_memory: AtomicBool,
    /// `notify-keyspace-events`.
    notifies: AtomicU16,
    /// Who is told what.
    pubsub: Arc<Pubsub>,
    /// Keys that clients have read and track, counted.
    pub tracking: Tracking,
    /// Tells others of what nobody asked for.
    pub(super) announcer: OnceLock<Announce>,
    /// The budget for what is kept in RAM (`memtable_size_mb`), and whether it is exceeded.
    pub(super) cache: Cache,
    exceeds_caches: AtomicBool,
    garbage: Sender<Garbage>,
    discarded: AtomicU64,
    /// May a key be on disk only?
    pub(super) has_cold: AtomicBool,
    /// The image that recovery starts from; afterwards the log's engine knows the current one.
    recovered: OnceLock<Arc<Version>>,
    /// Where errands to the disk go.
    pub(super) readers: OnceLock<Sender<Errand>>,
    /// Who does what takes long and needs no shard.
    pub(super) apart: Arc<Apart>,
    /// What belongs to the dataset and is no key, as of the last epochs that changed it. A leaf lock.
    attachment: Mutex<VecDeque<(u64, Arc<[u8]>)>>,
    /// Places in lines of clients that serving needs one more key for, in all shards.
    links: AtomicUsize,
    serve_later: OnceLock<ServeLater>,
}

/// Epochs of attachments that are kept: the one before a round's cut, and those after it.
const ATTACHMENTS: usize = 3;

impl Keyspace {
    /// An empty keyspace of `databases` databases. `wake` is called for connections that waited for a shard, `garbage`
    /// takes what the drop thread frees.
    pub fn new(databases: usize, hasher: KeyHasher, wake: Wake, garbage: Sender<Garbage>) -> Self {
        Keyspace {
            locks: ShardLocks::new(|id| Shard::new(id, databases), wake),
            member_seed: hasher.member_seed(),
            hasher,
            log: OnceLock::new(),
            epoch: AtomicU64::new(1),
            namespaces: AtomicU64::new(databases as u64),
            databases,
            memory: (0..SHARD_COUNT).map(|_| Padded::default()).collect(),
            limits_memory: AtomicBool::new(false),
            notifies: AtomicU16::new(0),
            pubsub: Arc::default(),
            tracking: Tracking::default(),
            announcer: OnceLock::new(),
            cache: Cache::default(),
            exceeds_caches: AtomicBool::new(false),
            garbage,
            discarded: AtomicU64::new(0),
            has_cold: AtomicBool::new(false),
            recovered: OnceLock::new(),
            readers: OnceLock::new(),
            apart: Arc::default(),
            attachment: Mutex::default(),
            links: AtomicUsize::new(0),
            serve_later: OnceLock::new(),
        }
    }

    /// Changes what belongs to the dataset and is no key (function libraries) for an operation of this epoch that holds all
    /// shards. Every checkpoint has it as it was at the cut.
    pub fn attach(&self, epoch: u64, bytes: Arc<[u8]>) {
        let mut kept = self.attachment.lock().expect("no panic happens under this leaf lock");
        if kept.back().is_some_and(|&(last, _)| last == epoch) {
            kept.pop_back();
        }
        kept.push_back((epoch, bytes));
        if kept.len() > ATTACHMENTS {
            kept.pop_front();
        }
    }

    /// The attachment as it was at the end of `epoch`.
    pub fn attachment(&self, epoch: u64) -> Arc<[u8]> {
        let kept = self.attachment.lock().expect("no panic happens under this leaf lock");
        kept.iter().rev().find(|&&(of, _)| of <= epoch).map(|(_, bytes)| bytes.clone()).unwrap_or_default()
    }

    /// Turns the accounting that `maxmemory` needs on or off.
    pub fn set_limits_memory(&self, on: bool, held: Option<&Locked<'_>>) {
        self.limits_memory.store(on, Ordering::Relaxed);
        if on {
            self.visit_shards(held, |id, shard| self.publish_memory(id, shard.load().bytes));
        }
    }

    /// Shows every shard, one after the other: those of `held` if the caller holds all, else each is locked for the moment.
    fn visit_shards(&self, held: Option<&Locked<'_>>, mut look: impl FnMut(ShardId, &Shard)) {
        for id in ShardSet::ALL.iter() {
            match held {
                Some(locked) => look(id, locked.shard(id)),
                None => look(id, self.locks.lock_one(id).shard(id)),
            }
        }
    }

    /// Changes when records are made durable; nothing happens before the log is attached.
    pub fn set_sync_mode(&self, mode: values::SyncMode) {
        if let Some(log) = self.log.get() {
            log.set_sync_mode(sync_mode(mode));
        }
    }

    /// Is `maxmemory` set?
    #[inline]
    pub fn limits_memory(&self) -> bool {
        self.limits_memory.load(Ordering::Relaxed)
    }

    /// Sets which classes of events operations note.
    pub fn set_notifies(&self, classes: values::NotifyFlags) {
        self.notifies.store(classes.bits(), Ordering::Relaxed);
    }

    /// Which classes of events operations note.
    #[inline]
    pub fn notifies(&self) -> values::NotifyFlags {
        values::NotifyFlags::from_bits(self.notifies.load(Ordering::Relaxed))
    }

    /// Who is told what.
    #[inline]
    pub fn pubsub(&self) -> &Arc<Pubsub> {
        &self.pubsub
    }

    /// Connects who tells others of expiry and eviction, once.
    pub fn connect_announcer(&self, announce: Announce) {
        assert!(self.announcer.set(announce).is_ok(), "the announcer is connected once");
    }

    /// The shard locks.
    #[inline]
    pub fn locks(&self) -> &ShardLocks {
        &self.locks
    }

    /// The key hash.
    #[inline]
    pub fn hasher(&self) -> &KeyHasher {
        &self.hasher
    }

    /// The seed for the hashes of members and fields inside values.
    #[inline]
    pub fn member_seed(&self) -> u64 {
        self.member_seed
    }

    /// How many logical databases there are.
    pub fn databases(&self) -> usize {
        self.databases
    }

    /// Connects the log, once, when replay is over: from here on every change is recorded.
    pub fn attach_log(&self, engine: Engine) {
        assert!(self.log.set(engine).is_ok(), "the log is attached once");
    }

    /// The log; `None` while the dataset is being loaded.
    #[inline]
    pub fn log(&self) -> Option<&Engine> {
        self.log.get()
    }

    /// Can the log take records?
    pub fn log_health(&self) -> LogHealth {
        match self.log.get().map(Engine::status) {
            None | Some(Status::Healthy) => LogHealth::Good,
            Some(Status::Full) => LogHealth::Full,
            Some(Status::ReadOnly | Status::Failed) => LogHealth::Failed,
        }
    }

    /// Have more bytes been logged than the log thread could write so far, beyond its bound?
    #[inline]
    pub fn is_log_behind(&self) -> bool {
        self.log.get().is_some_and(Engine::is_backlogged)
    }

    /// Must a reply that depends on `lsn` be held back? In `wal_sync_mode always`, until the record is durable.
    #[inline]
    pub fn holds_back(&self, lsn: u64) -> bool {
        let Some(log) = self.log.get() else { return false };
        log.sync_mode() == SyncMode::Always && log.durable_lsn().0 < lsn
    }

    /// Records up to here survive a power loss.
    pub fn durable_lsn(&self) -> u64 {
        self.log.get().map_or(0, |log| log.durable_lsn().0)
    }

    /// Appends one record for an operation that holds `locked`, and notes its LSN in every shard it holds. Returns the LSN.
    #[inline]
    pub fn record(&self, locked: &mut Locked<'_>, epoch: u64, encode: impl FnOnce(&mut Payload)) -> u64 {
        let Some(log) = self.log.get() else { return 0 };
        let set = locked.set();
        let first = set.first().expect("an operation that changed something holds a shard");
        let lsn = log.append(usize::from(first.0), Epoch(epoch), encode);
        for id in set.iter() {
            locked.shard_mut(id).last_lsn = lsn.0;
        }
        lsn.0
    }

    /// A namespace id that was never used.
    pub fn new_namespace(&self) -> NamespaceId {
        NamespaceId(self.namespaces.fetch_add(1, Ordering::Relaxed) as u32)
    }

    /// The current epoch. An operation reads it once, after all its locks are held.
    #[inline]
    pub fn epoch(&self) -> u64 {
        // Relaxed: whoever holds a lock that the round has held since the flip sees the flip, and nobody else needs to.
        self.epoch.load(Ordering::Relaxed)
    }

    /// The first namespace id that was not given out yet.
    pub(super) fn next_namespace(&self) -> NamespaceId {
        NamespaceId(self.namespaces.load(Ordering::Relaxed) as u32)
    }

    /// Begins the next epoch, which is returned.
    pub(super) fn flip(&self) -> u64 {
        self.epoch.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// What is on disk.
    pub fn version(&self) -> Option<Arc<Version>> {
        self.log.get().map(Engine::version).or_else(|| self.recovered.get().cloned())
    }

    /// Is there anything on disk but the log?
    pub fn has_image(&self) -> bool {
        self.version().is_some_and(|version| version.runs().next().is_some())
    }

    /// Makes the keyspace what an image on disk says; its keys are on disk only. For recovery, before replay. Refuses an image
    /// with more databases than there are.
    pub fn adopt(&self, version: Arc<Version>) -> Result<(), String> {
        let beyond = version.databases().range(self.databases as u32..);
        for (index, &namespace) in beyond {
            if (0..SHARD_COUNT as u8).any(|part| version.counts(namespace, part).keys > 0) {
                return Err(format!("Database {index} has keys: `databases` must be higher than that."));
            }
        }
        let epoch = version.cut().epoch.0 + 1;
        self.epoch.store(epoch, Ordering::Relaxed);
        self.namespaces.fetch_max(u64::from(version.next_namespace().0), Ordering::Relaxed);
        let known = |db| version.databases().get(&db).copied();
        let namespaces: Vec<NamespaceId> =
            (0..self.databases as u32).map(|db| known(db).unwrap_or_else(|| self.new_namespace())).collect();
        for id in ShardSet::ALL.iter() {
            let mut locked = self.locks.lock_one(id);
            let facts = namespaces
                .iter()
                .map(|&namespace| SpaceFacts { namespace, counts: version.counts(namespace, id.0) });
            locked.shard_mut(id).adopt(epoch, facts);
        }
        self.attach(0, version.attachment().clone());
        if version.live_keys() > 0 {
            self.set_has_cold();
        }
        assert!(self.recovered.set(version).is_ok(), "an image is adopted once");
        Ok(())
    }

    /// Goes on after a replay that met records up to `last`: in an epoch that is not before them, and of the same parity as
    /// the one that the replay marked its changes with.
    pub fn resume(&self, last: Epoch) {
        let begun = self.epoch();
        let epoch = begun.max(last.0 + (last.0 ^ begun) % 2);
        self.epoch.store(epoch, Ordering::Relaxed);
        for id in ShardSet::ALL.iter() {
            self.locks.lock_one(id).shard_mut(id).resume(epoch);
        }
    }

    /// Hands garbage to the drop thread, or drops it here when that thread is gone.
    pub fn discard(&self, garbage: Garbage) {
        self.discarded.fetch_add(1, Ordering::Relaxed);
        drop(self.garbage.send(garbage));
    }

    /// Big objects and flushed databases: how many wait for the drop thread, and how many it has freed.
    pub fn garbage(&self) -> (u64, u64) {
        let waiting = self.garbage.len() as u64;
        (waiting, self.discarded.load(Ordering::Relaxed).saturating_sub(waiting))
    }

    /// Publishes how many bytes a shard's entries take.
    #[inline]
    pub fn publish_memory(&self, id: ShardId, bytes: u64) {
        self.memory[usize::from(id.0)].0.store(bytes, Ordering::Relaxed);
    }

    /// Bytes that all entries take, as last published by each shard.
    pub fn memory_used(&self) -> u64 {
        self.memory.iter().map(|shard| shard.0.load(Ordering::Relaxed)).sum()
    }

    /// Makes a backup of what the last round has committed in a directory that is missing or empty. Returns how many keys it
    /// has.
    pub fn back_up(&self, dir: &Path) -> Result<u64, String> {
        let log = self.log.get().ok_or("The log is not open.")?;
        log.backup(dir).map(|version| version.live_keys()).map_err(|error| error.to_string())
    }

    /// Is the keyspace so large that lookups wait for memory, and prefetching pays? As of the last sweep.
    #[inline]
    pub fn exceeds_caches(&self) -> bool {
        self.exceeds_caches.load(Ordering::Relaxed)
    }

    /// Notes how many keys a sweep has seen.
    pub(super) fn note_size(&self, keys: usize) {
        self.exceeds_caches.store(keys > CACHED_KEYS, Ordering::Relaxed);
    }

    /// The lines of a part of what a lookup of this hash will probably read. `None` as well when the shard is busy.
    #[inline]
    pub fn lines_of(&self, db: DbIndex, hash: u64, depth: Depth) -> Option<Lines> {
        let id = ShardId::of(hash);
        self.locks.try_lock_now(id)?.shard(id).table(db).lines_of(hash, depth)
    }
}
