//! What a command may do with the shards it has locked.
//!
//! * A key is looked up once, as a [`Slot`]; a slot is good until its key is changed through this [`Db`].
//! * Lookups delete a key whose time has passed before they answer (§8): the deletion becomes an effect of its own, ahead
//!   of the command's. While the log is replayed `now` is 0 and nothing expires.
//! * Every change counts in `dirty`; a command that changed something is logged, as it was called unless it said otherwise
//!   with [`Db::log_as`]. [`Db::commit`] does that while the locks are still held.
//! * Nothing here allocates for a reply or knows who asked.
//! * A command's keys are in RAM before it runs ([`residence`](super::residence)), so what a lookup does not find does not
//!   exist. A tombstone is not found.
//! * The epoch is read once, when all locks are held (DESIGN §5). `change` has what changes keys, `fields` what is special about
//!   hashes, `whole` what is done to databases.

use std::collections::VecDeque;
use std::sync::Arc;

use super::arena::Handle;
use super::effect::{self, Before};
use super::entry::Value;
use super::evict::AccessClock;
use super::hash::KeyHasher;
use super::interest::NamedKey;
use super::keyspace::{Garbage, Keyspace};
use super::lock::{Locked, ShardSet};
use super::notify::Event;
use super::object::Object;
use super::shard::Shard;
use super::table::{Depth, Entry, Table};
use super::{DbIndex, ShardId, UnixMs};
use crate::config::values::NotifyFlags;

mod change;
mod fields;
mod interest;
mod part;
mod tell;
mod typed;
mod undo;
mod whole;

pub use part::Part;
pub use typed::Edited;

/// A key with its hash.
#[derive(Clone, Copy, Debug)]
pub struct Key<'a> {
    /// The bytes.
    pub bytes: &'a [u8],
    /// Their hash.
    pub hash: u64,
}

impl Key<'_> {
    /// The shard it lives in.
    #[inline]
    pub fn shard(&self) -> ShardId {
        ShardId::of(self.hash)
    }
}

/// Where a key that exists was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    shard: ShardId,
    db: DbIndex,
    handle: Handle,
}

/// What happens to a key's time to live when its value is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// It stays.
    Keep,
    /// The key no longer expires.
    Clear,
    /// It expires at this time.
    At(UnixMs),
}

/// The key holds another type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrongType;

/// A string value.
#[derive(Clone, Copy)]
pub enum StringRef<'a> {
    /// Stored as an integer.
    Int(i64),
    /// Stored in the entry.
    Bytes(&'a [u8]),
    /// Stored apart; a reply may share it.
    Shared(&'a Arc<Vec<u8>>),
}

impl<'a> StringRef<'a> {
    /// The bytes; an integer's digits are written to `scratch`.
    #[inline]
    pub fn bytes<'b>(self, scratch: &'b mut itoa::Buffer) -> &'b [u8]
    where
        'a: 'b,
    {
        match self {
            StringRef::Int(number) => scratch.format(number).as_bytes(),
            StringRef::Bytes(bytes) => bytes,
            StringRef::Shared(bytes) => bytes,
        }
    }

    /// Length in bytes.
    pub fn len(self) -> usize {
        match self {
            StringRef::Int(number) => itoa::Buffer::new().format(number).len(),
            StringRef::Bytes(bytes) => bytes.len(),
            StringRef::Shared(bytes) => bytes.len(),
        }
    }

    /// Is it the empty string?
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }
}

/// What lookups and expiry count; a worker's own, published once per turn.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tallies {
    /// Reads that found their key.
    pub hits: u64,
    /// Reads that did not.
    pub misses: u64,
    /// Keys deleted because their time had passed.
    pub expired: u64,
    /// Fields of hashes deleted because their time had passed.
    pub expired_fields: u64,
    /// Changes of the dataset.
    pub dirty: u64,
}

/// Memory that one thread's operations use one after the other, so that none of them allocates for it. Empty between two.
#[derive(Default)]
pub struct Workspace {
    /// What is counted.
    pub tallies: Tallies,
    /// Effects that replace or precede the command's own words.
    effects: Vec<u8>,
    /// What to free once the locks are released.
    garbage: Vec<Object>,
    /// What subscribers are to be told once the locks are released; whoever executes takes it.
    pub events: Vec<Event>,
    /// Keys that have changed and that somebody waits for, in the order of their changes.
    ready: VecDeque<NamedKey>,
    /// The commands that were executed inside others, by number; whoever executes counts them.
    pub nested: Vec<u16>,
    /// What the operation is to be taken back to, if it can be.
    undo: undo::Undo,
}

/// Where a finished operation left its shards.
#[derive(Clone, Copy, Debug, Default)]
pub struct Committed {
    /// The newest LSN that any shard it held depends on: what its reply may not overtake in `wal_sync_mode always`.
    pub depends_on: u64,
    /// The LSN of what it changed; 0: it changed nothing.
    pub lsn: u64,
}

/// The keyspace as one operation sees it.
pub struct Db<'a> {
    keyspace: &'a Keyspace,
    locked: Locked<'a>,
    index: DbIndex,
    now: UnixMs,
    /// The epoch that the operation belongs to.
    epoch: u64,
    access: &'a AccessClock,
    touches: bool,
    dirty: u64,
    rewritten: bool,
    /// What the first write of a value replaced, and how many there were.
    before: Before,
    writes: u32,
    /// The newest LSN that `on_shard` met in shards that are no longer held.
    depends_on: u64,
    /// The classes of events that are noted.
    notifies: NotifyFlags,
    /// Are there clients who track keys?
    tracks: bool,
    work: &'a mut Workspace,
}

/// Arguments looked ahead at once: more lines than the first-level cache takes would push each other out.
const PREFETCH_AHEAD: usize = 64;
/// Values from this size on are freed by the drop thread.
const GARBAGE_BYTES: usize = 64 * 1024;

/// The classes of events that somebody wants to know. Of what the log or a file tells again everybody has been told.
#[inline]
fn notified(keyspace: &Keyspace, now: UnixMs) -> NotifyFlags {
    if now.0 == 0 { NotifyFlags::default() } else { keyspace.notifies() }
}

impl<'a> Db<'a> {
    /// The view of an operation at `now` in database `index`, holding `locked`.
    #[inline]
    pub fn new(
        keyspace: &'a Keyspace,
        locked: Locked<'a>,
        index: DbIndex,
        now: UnixMs,
        access: &'a AccessClock,
        work: &'a mut Workspace,
    ) -> Self {
        Db {
            keyspace,
            locked,
            index,
            now,
            epoch: keyspace.epoch(),
            access,
            touches: true,
            dirty: 0,
            rewritten: false,
            before: Before::Unsaid,
            writes: 0,
            depends_on: 0,
            notifies: notified(keyspace, now),
            tracks: keyspace.pubsub().prefixes.trackers() > 0,
            work,
        }
    }

    /// The selected database.
    #[inline]
    pub fn index(&self) -> DbIndex {
        self.index
    }

    /// Works in another database from here on (COPY, MOVE). Slots found before stay good.
    pub fn select(&mut self, index: DbIndex) {
        self.index = index;
    }

    /// How many databases there are.
    pub fn databases(&self) -> usize {
        self.keyspace.databases()
    }

    /// The operation's time; 0 while the log is replayed.
    #[inline]
    pub fn now(&self) -> UnixMs {
        self.now
    }

    /// Lookups leave the access time and frequency of keys alone from here on (CLIENT NO-TOUCH, OBJECT, TYPE, TTL).
    #[inline]
    pub fn stop_touching(&mut self) {
        self.touches = false;
    }

    /// Hashes a key.
    #[inline]
    pub fn key<'k>(&self, bytes: &'k [u8]) -> Key<'k> {
        Key { bytes, hash: self.keyspace.hasher().hash_of(bytes) }
    }

    /// The seed for the hashes of members and fields inside values.
    pub fn member_seed(&self) -> u64 {
        self.keyspace.member_seed()
    }

    /// The keyspace as a whole.
    pub(super) fn keyspace(&self) -> &'a Keyspace {
        self.keyspace
    }

    pub(super) fn hasher(&self) -> &'a KeyHasher {
        self.keyspace.hasher()
    }

    /// Begins to fetch what the lookups of these keys will read: first all buckets, then all entries, so that the waits for
    /// memory overlap. A 0 stands for no key.
    pub fn prefetch(&self, hashes: &[u64]) {
        for batch in hashes.chunks(PREFETCH_AHEAD) {
            let keys = || batch.iter().filter(|&&hash| hash != 0);
            keys().for_each(|&hash| self.table(ShardId::of(hash)).prefetch(hash, Depth::Bucket));
            keys().for_each(|&hash| self.table(ShardId::of(hash)).prefetch(hash, Depth::Entry));
        }
    }

    /// The shards this operation holds.
    pub fn locked_set(&self) -> ShardSet {
        self.locked.set()
    }

    pub(super) fn locked(&self) -> &Locked<'a> {
        &self.locked
    }

    pub(super) fn locked_mut(&mut self) -> &mut Locked<'a> {
        &mut self.locked
    }

    pub(super) fn shard(&self, id: ShardId) -> &Shard {
        self.locked.shard(id)
    }

    #[inline]
    pub(super) fn table(&self, shard: ShardId) -> &Table {
        self.locked.shard(shard).table(self.index)
    }

    /// Runs `work` on an operation that holds `shard`: this one if it does, otherwise one of its own, which locks just that
    /// shard, logs its effects and is over before this returns. Only for operations that hold all shards or none (L2), and
    /// that need not see the keyspace at one moment.
    pub(super) fn on_shard<R>(&mut self, shard: ShardId, work: impl FnOnce(&mut Db<'_>) -> R) -> R {
        if self.locked.set().contains(shard) {
            return work(self);
        }
        assert_eq!(self.locked.set(), ShardSet::EMPTY, "a shard is locked out of order");
        let locked = self.keyspace.locks().lock_one(shard);
        let mut part = Db::new(self.keyspace, locked, self.index, self.now, self.access, self.work);
        let result = work(&mut part);
        let committed = part.commit(std::iter::empty(), self.index);
        self.depends_on = self.depends_on.max(committed.depends_on);
        result
    }

    /// Adds what another operation did for this one: what the reply depends on, and the expired keys that it deleted.
    pub fn include(&mut self, depends_on: u64, expired: u64) {
        self.depends_on = self.depends_on.max(depends_on);
        self.work.tallies.expired += expired;
    }

    #[inline]
    fn table_of(&mut self, slot: Slot) -> &mut Table {
        self.locked.shard_mut(slot.shard).table_mut(slot.db)
    }

    /// Changes how a value is kept and not what it is, so that it is no change of the dataset.
    pub(super) fn tidy(&mut self, slot: Slot, tidy: impl FnOnce(&mut Object)) {
        self.table_of(slot).edit_object(slot.handle, tidy);
    }

    // ----- lookups -----

    /// Finds a key for a command that writes: expired keys are deleted first, hits and misses are not counted.
    #[inline]
    pub fn find(&mut self, key: &Key<'_>) -> Option<Slot> {
        self.look_up(key, self.touches)
    }

    /// Finds a key for a command that reads: as [`Db::find`], and the hit or miss is counted.
    #[inline]
    pub fn read(&mut self, key: &Key<'_>) -> Option<Slot> {
        let slot = self.look_up(key, self.touches);
        self.count(key, slot)
    }

    /// Finds a key for a command that asks about it and does not use it (TTL, TYPE, EXISTS, OBJECT): as [`Db::read`], but
    /// the access time and frequency stay.
    pub fn peek(&mut self, key: &Key<'_>) -> Option<Slot> {
        let slot = self.look_up(key, false);
        self.count(key, slot)
    }

    /// Finds a key as [`Db::peek`] does, and a miss is no event (OBJECT).
    pub fn inspect(&mut self, key: &Key<'_>) -> Option<Slot> {
        let slot = self.look_up(key, false);
        self.work.tallies.hits += u64::from(slot.is_some());
        self.work.tallies.misses += u64::from(slot.is_none());
        slot
    }

    /// Finds a key as [`Db::read`] does, and notes the access even for a client that asked not to (TOUCH).
    pub fn touch(&mut self, key: &Key<'_>) -> Option<Slot> {
        let slot = self.look_up(key, true);
        self.count(key, slot)
    }

    #[inline]
    fn look_up(&mut self, key: &Key<'_>, touches: bool) -> Option<Slot> {
        let shard = key.shard();
        let entry = self.table(shard).find_entry(key.hash, key.bytes)?;
        let handle = entry.handle();
        let slot = Slot { shard, db: self.index, handle };
        let (expired, access, state) = (self.has_expired(entry), entry.access(), entry.state());
        if expired {
            self.delete_expired(key, slot);
            return None;
        }
        if touches {
            let touched = self.access.touch(access);
            if touched != access {
                self.table_of(slot).set_access(handle, touched);
            }
        }
        // What was loaded for this command need not stay for it any longer, whatever it asks.
        if state.is_fresh() || touches && !state.is_used() {
            self.table_of(slot).touch(handle);
        }
        Some(slot)
    }

    /// Counts changes of a key's value, and tells whoever is interested in the key.
    #[inline]
    fn changed(&mut self, key: &Key<'_>, db: DbIndex, changes: u64) {
        self.dirty += changes;
        if changes > 0 {
            self.signal(db, key);
        }
    }

    /// Counts reads of keys that were found with [`Db::find`], because it was not certain then that they would not be repeated.
    /// Of those that were not found, `missed` are for subscribers.
    pub fn count_reads(&mut self, hits: u64, misses: u64, missed: &[Vec<u8>]) {
        self.work.tallies.hits += hits;
        self.work.tallies.misses += misses;
        missed.iter().for_each(|key| self.notify(NotifyFlags::KEY_MISS, "keymiss", key));
    }

    #[inline]
    fn count(&mut self, key: &Key<'_>, slot: Option<Slot>) -> Option<Slot> {
        match slot {
            Some(_) => self.work.tallies.hits += 1,
            None => {
                self.work.tallies.misses += 1;
                self.notify(NotifyFlags::KEY_MISS, "keymiss", key.bytes);
            }
        }
        slot
    }

    /// Has the key's time passed?
    #[inline]
    pub(super) fn has_expired(&self, entry: Entry<'_>) -> bool {
        entry.expire_at().is_some_and(|at| at < self.now.0)
    }

    /// Deletes a key whose time has passed and logs the deletion.
    #[cold]
    pub fn delete_expired(&mut self, key: &Key<'_>, slot: Slot) {
        self.take_out(slot, key);
        self.work.tallies.expired += 1;
        let index = slot.db;
        self.notify(NotifyFlags::EXPIRED, "expired", key.bytes);
        effect::put(&mut self.work.effects, index, Before::Unsaid, [&b"DEL"[..], key.bytes].into_iter());
    }

    /// Deletes one key of the selected database in `shard` whose time has passed. False: there is none.
    pub fn delete_one_due(&mut self, shard: ShardId) -> bool {
        let (db, due_before) = (self.index, self.now.0.saturating_sub(1));
        let Some(handle) = self.table(shard).first_due(due_before) else { return false };
        let slot = Slot { shard, db, handle };
        let bytes = self.entry(slot).key().to_vec();
        let key = self.key(&bytes);
        self.delete_expired(&key, slot);
        true
    }

    /// A random key of `shard` in the selected database, for eviction: its bytes, access bits and expiry. `earliest` asks
    /// for the one that expires first instead.
    pub fn sample(&self, shard: ShardId, random: u64, earliest: bool) -> Option<(&[u8], u32, Option<u64>)> {
        let table = self.table(shard);
        let handle = if earliest { table.first_due(u64::MAX) } else { table.random(random) }?;
        let entry = table.entry(handle);
        Some((entry.key(), entry.access(), entry.expire_at()))
    }

    /// The entry of a slot.
    #[inline]
    pub fn entry(&self, slot: Slot) -> Entry<'_> {
        self.locked.shard(slot.shard).table(slot.db).entry(slot.handle)
    }

    /// The value of a slot.
    #[inline]
    pub fn value(&self, slot: Slot) -> Value<'_> {
        self.entry(slot).value()
    }

    /// The string in a slot.
    #[inline]
    pub fn string(&self, slot: Slot) -> Result<StringRef<'_>, WrongType> {
        match self.value(slot) {
            Value::Int(number) => Ok(StringRef::Int(number)),
            Value::Bytes { bytes, .. } => Ok(StringRef::Bytes(bytes)),
            Value::Object(Object::String(bytes)) => Ok(StringRef::Shared(bytes)),
            Value::Object(_) => Err(WrongType),
        }
    }

    /// Reads a string key: [`Db::read`], then [`Db::string`].
    #[inline]
    pub fn read_string(&mut self, key: &Key<'_>) -> Result<Option<StringRef<'_>>, WrongType> {
        match self.read(key) {
            Some(slot) => self.string(slot).map(Some),
            None => Ok(None),
        }
    }

    /// When the key expires.
    #[inline]
    pub fn expire_at(&self, slot: Slot) -> Option<UnixMs> {
        self.entry(slot).expire_at().map(UnixMs)
    }

    // ----- the log -----

    /// Logs these words instead of the command as it was called. May be called several times: the effects are one record.
    pub fn log_as(&mut self, argv: &[&[u8]]) {
        self.log_words(argv.iter().copied());
    }

    /// As [`Db::log_as`], for words that are not together in memory.
    pub fn log_words<'v>(&mut self, words: impl ExactSizeIterator<Item = &'v [u8]>) {
        self.rewritten = true;
        let before = self.said();
        effect::put(&mut self.work.effects, self.index, before, words);
    }

    /// What the log is told of the state before.
    #[inline]
    fn said(&self) -> Before {
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

    /// Did the operation change anything yet?
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
            self.work.tallies.dirty += self.dirty;
            let (effects, before) = (&self.work.effects, self.said());
            lsn = self.keyspace.record(&mut self.locked, self.epoch, |out| {
                out.extend_from_slice(effects);
                if as_called {
                    effect::put(out, db, before, verbatim);
                }
            });
            self.work.effects.clear();
            self.publish();
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

    #[cold]
    fn drop_garbage(&mut self) {
        for object in self.work.garbage.drain(..) {
            if object.memory_bytes() >= GARBAGE_BYTES {
                self.keyspace.discard(Garbage::Object(object));
            }
        }
    }

    fn publish(&mut self) {
        if self.keyspace.limits_memory() {
            for id in self.locked.set().iter() {
                self.keyspace.publish_memory(id, self.locked.shard(id).load().bytes);
            }
        }
    }
}
