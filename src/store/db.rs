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
//! * The epoch is read once, when all locks are held (DESIGN §5).
//!
//! `lookup` finds keys, `change` changes them, `typed` does both for values that are no strings, `fields` has what is special about
//! hashes and `whole` what is done to databases. `tell` and `interest` note whom a change concerns, `part` is a command inside
//! another operation, `undo` takes one back, and `commit` ends it.

use std::collections::VecDeque;
use std::sync::Arc;

use storage::Payload;

use super::arena::Handle;
use super::effect::Before;
use super::entry::Value;
use super::evict::AccessClock;
use super::hash::KeyHasher;
use super::interest::NamedKey;
use super::keyspace::Keyspace;
use super::lock::{Locked, ShardSet};
use super::long::LongWords;
use super::notify::Event;
use super::object::Object;
use super::shard::Shard;
use super::table::{Depth, Entry, Table};
use super::{DbIndex, ShardId, UnixMs};
use crate::config::values::NotifyFlags;
use crate::sys::Lines;

mod change;
mod commit;
mod fields;
mod interest;
mod lookup;
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
    #[inline]
    fn of(value: Value<'a>) -> Result<Self, WrongType> {
        match value {
            Value::Int(number) => Ok(StringRef::Int(number)),
            Value::Bytes { bytes, .. } => Ok(StringRef::Bytes(bytes)),
            Value::Object(Object::String(bytes)) => Ok(StringRef::Shared(bytes)),
            Value::Object(_) => Err(WrongType),
        }
    }

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
    effects: Payload,
    /// Copies of the command's long words; whoever executes makes and takes them.
    pub long: LongWords,
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
    /// Do lookups note the access?
    touches: bool,
    /// Changes so far, as Redis counts them.
    dirty: u64,
    /// Has the operation said what to log, so that its own words are not?
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
            for depth in [Depth::Bucket, Depth::Entry] {
                let lines = keys().filter_map(|&hash| self.table(ShardId::of(hash)).lines_of(hash, depth));
                lines.for_each(Lines::prefetch);
            }
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

    /// Counts changes of a key's value, and tells whoever is interested in the key.
    #[inline]
    fn changed(&mut self, key: &Key<'_>, db: DbIndex, changes: u64) {
        self.dirty += changes;
        if changes > 0 {
            self.signal(db, key);
        }
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
        StringRef::of(self.value(slot))
    }

    /// When the key expires.
    #[inline]
    pub fn expire_at(&self, slot: Slot) -> Option<UnixMs> {
        self.entry(slot).expire_at().map(UnixMs)
    }
}
