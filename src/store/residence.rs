//! Which keys a command needs that are on disk only, and bringing them into RAM.
//!
//! Three states of a key (DESIGN §7): in RAM, a tombstone in RAM, or nothing in RAM, and then the disk decides.
//!
//! * Before a command runs, all keys that its key specs name are in RAM, as entries or as tombstones, or they do not exist:
//!   [`Keyspace::request`] makes sure of that while the command's locks are held. So a handler never meets a cold key.
//! * When a database has no cold key in a shard, a miss is a miss: nothing but a counter is read.
//! * The version is read after the miss. While a key is [`Loading`](super::loading::Loading) no command changes it, so every
//!   later version says the same of it.
//! * What is looked for and not there leaves a clean tombstone: the command that comes again is not sent to the disk again.
//! * E1: loading changes no count, no expiry, no watch, no event.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crossbeam_channel::Sender;
use storage::{Content, NamespaceId, Position, memory};

use super::effect::Before;
use super::entry::NewValue;
use super::image::Loaded;
use super::keyspace::Keyspace;
use super::loading::Ticket;
use super::lock::{Locked, ShardSet};
use super::table::Presence;
use super::{Db, DbIndex, Key, ShardId, image};
use crate::rdb::Malformed;

/// Work for the threads that read from disk.
pub enum Errand {
    /// Read a key.
    Load(Wanted),
    /// Anything else that reads from disk.
    Run(Box<dyn FnOnce(&Keyspace) + Send>),
}

/// A key to be read.
pub struct Wanted {
    pub(super) namespace: NamespaceId,
    pub(super) hash: u64,
    pub(super) key: Box<[u8]>,
}

impl Keyspace {
    /// Connects the threads that read from disk, once.
    pub fn connect_readers(&self, readers: Sender<Errand>) {
        assert!(self.readers.set(readers).is_ok(), "the readers are connected once");
    }

    /// Sends an errand to the threads that read from disk. Before there are any, it is done here.
    pub fn send(&self, errand: Errand) {
        match self.readers.get() {
            Some(readers) => drop(readers.send(errand)),
            None => self.attend(errand),
        }
    }

    /// Does an errand: what those threads do all day.
    pub fn attend(&self, errand: Errand) {
        match errand {
            Errand::Load(wanted) => self.read(&wanted),
            Errand::Run(work) => work(self),
        }
    }

    /// May some key be on disk only?
    #[inline]
    pub fn has_cold(&self) -> bool {
        self.has_cold.load(Ordering::Relaxed)
    }

    /// Notes that keys are on disk only from now on.
    pub(super) fn set_has_cold(&self) {
        self.has_cold.store(true, Ordering::Relaxed);
    }

    /// Is the key neither in RAM nor certain not to be on disk? The caller holds its shard.
    pub fn is_missing(&self, locked: &Locked<'_>, db: DbIndex, key: &Key<'_>) -> bool {
        let shard = locked.shard(key.shard());
        let space = shard.space(db);
        // A key that is being read must not be changed, even one that turns out not to exist.
        let may_be_cold = space.cold.keys > 0 || !shard.loading.is_empty();
        if !may_be_cold || !matches!(space.table.look_up(key.hash, key.bytes), Presence::Unknown) {
            return false;
        }
        shard.loading.has(space.namespace, key)
            || self.version().is_some_and(|version| version.may_contain(position(space.namespace, key.hash)))
    }

    /// Puts the ticket in line for a key that is missing. The caller holds its shard, and [sends](Keyspace::send) what is returned,
    /// if anything, once it has let go of it.
    pub fn request(
        &self,
        locked: &mut Locked<'_>,
        db: DbIndex,
        key: &Key<'_>,
        ticket: &Arc<Ticket>,
    ) -> Option<Wanted> {
        let shard = locked.shard_mut(key.shard());
        let namespace = shard.space(db).namespace;
        let is_first = shard.loading.wait(namespace, key, ticket);
        is_first.then(|| Wanted { namespace, hash: key.hash, key: Box::from(key.bytes) })
    }

    /// Brings a key into RAM here and now: for recovery, when nobody else changes keys.
    pub fn load_now(&self, db: DbIndex, key: &Key<'_>) -> Result<(), String> {
        let locked = self.locks().lock_one(key.shard());
        if !self.is_missing(&locked, db, key) {
            return Ok(());
        }
        let namespace = locked.shard(key.shard()).space(db).namespace;
        drop(locked);
        self.fetch(&Wanted { namespace, hash: key.hash, key: Box::from(key.bytes) })
    }

    /// Takes the log's word for what a cold key is that is about to be overwritten, instead of reading it. For replay.
    pub fn assume(&self, db: DbIndex, key: &Key<'_>, before: Before) {
        let mut locked = self.locks().lock_one(key.shard());
        let space = locked.shard_mut(key.shard()).space_mut(db);
        let is_there = matches!(before, Before::Lasting | Before::Expiring);
        if !is_there || !matches!(space.table.look_up(key.hash, key.bytes), Presence::Unknown) {
            return;
        }
        let expire = (before == Before::Expiring).then_some(u64::MAX);
        space.install(self.hasher(), key.hash, key.bytes, Some((NewValue::Int(0), expire, 0)));
    }

    fn read(&self, wanted: &Wanted) {
        let found = self.look_up(wanted);
        self.hand_out(wanted, &found, |id| Some(self.locks().lock_one(id)));
        if let Ok(Content::Value { bytes, .. }) = found {
            memory::release(bytes);
        }
    }

    /// Does at once what an [`Errand::Load`] asks for, if it takes neither the disk nor a wait: the page cache has it, and the
    /// shard is free. False: nothing has happened. The caller holds no lock.
    pub fn read_cached(&self, wanted: &Wanted) -> bool {
        let place = position(wanted.namespace, wanted.hash);
        let found = self.version().map(|version| version.get_cached(place, &wanted.key));
        // Whatever goes wrong goes wrong again for the thread that may wait.
        let Some(Ok(Some(found))) = found else { return false };
        let found = Ok(found.unwrap_or(Content::Tombstone));
        self.hand_out(wanted, &found, |id| self.locks().try_lock(ShardSet::one(id)).ok())
    }

    /// Installs what was found of a key, and tells whoever waits for it. False: the shard could not be had.
    fn hand_out<'l>(
        &'l self,
        wanted: &Wanted,
        found: &Result<Content<Vec<u8>>, String>,
        lock: impl FnOnce(ShardId) -> Option<Locked<'l>>,
    ) -> bool {
        let mut scratch = Vec::new();
        let decoded = found.as_ref().map_err(String::clone);
        let decoded = decoded.and_then(|content| {
            image::decode(content, self.member_seed(), &mut scratch).map_err(unintelligible)
        });
        let key = Key { bytes: &wanted.key, hash: wanted.hash };
        let Some(mut locked) = lock(key.shard()) else { return false };
        // What was not needed is freed at the end.
        let installed = decoded.map(|loaded| self.put(&mut locked, wanted, loaded));
        let tickets = locked.shard_mut(key.shard()).loading.done(wanted.namespace, &key);
        drop(locked);
        for ticket in tickets {
            if let Err(sentence) = &installed {
                ticket.fail(sentence);
            }
            self.punch(&ticket);
        }
        true
    }

    /// Something that a ticket waits for is there; wakes the command if it was the last.
    pub fn punch(&self, ticket: &Ticket) {
        if ticket.arrived() {
            self.locks().wake(ticket.waiter());
        }
    }

    /// What the current version says of a key.
    fn look_up(&self, wanted: &Wanted) -> Result<Content<Vec<u8>>, String> {
        let version = self.version().ok_or("There is no image on disk.")?;
        let found = version.get(position(wanted.namespace, wanted.hash), &wanted.key);
        found.map(|found| found.unwrap_or(Content::Tombstone)).map_err(|error| error.to_string())
    }

    /// Reads a key and installs what the disk says.
    fn fetch(&self, wanted: &Wanted) -> Result<(), String> {
        self.install(wanted, &self.look_up(wanted)?)
    }

    /// Installs what the disk says of a key.
    pub(super) fn install(&self, wanted: &Wanted, content: &Content<Vec<u8>>) -> Result<(), String> {
        let mut scratch = Vec::new();
        let loaded = image::decode(content, self.member_seed(), &mut scratch).map_err(unintelligible)?;
        let mut locked = self.locks().lock_one(ShardId::of(wanted.hash));
        let unused = self.put(&mut locked, wanted, loaded);
        drop(locked);
        drop(unused);
        Ok(())
    }

    /// Installs a value that was read, unless somebody has changed the key meanwhile or its database is gone. Then it is given
    /// back: freeing a big one takes long, and the shard is held.
    pub(super) fn put<'v>(&self, locked: &mut Locked<'_>, wanted: &Wanted, loaded: Loaded<'v>) -> Loaded<'v> {
        let Wanted { namespace, hash, key } = wanted;
        let id = ShardId::of(*hash);
        let shard = locked.shard_mut(id);
        let is_old = shard.loading.is_overtaken(*namespace, &Key { bytes: key, hash: *hash });
        let Some(space) = shard.space_of_mut(*namespace) else { return loaded };
        if is_old || !matches!(space.table.look_up(*hash, key), Presence::Unknown) {
            return loaded;
        }
        space.install(self.hasher(), *hash, key, loaded);
        if self.limits_memory() {
            self.publish_memory(id, shard.load().bytes);
        }
        None
    }
}

impl Db<'_> {
    /// Puts the ticket that `ticket` gives in line for a key of the selected database, if that is missing. What is returned is to
    /// be sent when the locks are released.
    pub fn request(&mut self, key: &Key<'_>, ticket: impl FnOnce() -> Arc<Ticket>) -> Option<Wanted> {
        let (keyspace, index) = (self.keyspace(), self.index());
        if !keyspace.is_missing(self.locked(), index, key) {
            return None;
        }
        keyspace.request(self.locked_mut(), index, key, &ticket())
    }

    /// Brings a key of a database into RAM while its shard is held: for keys that nobody could name before the locks were taken
    /// (those a script computes). Everything else is loaded before, because this reads the disk under a lock, against L2.
    pub fn bring_in(&mut self, db: DbIndex, key: &Key<'_>) -> Result<(), String> {
        let keyspace = self.keyspace();
        if !keyspace.is_missing(self.locked(), db, key) {
            return Ok(());
        }
        let namespace = self.shard(key.shard()).space(db).namespace;
        let version = keyspace.version().ok_or("There is no image on disk.")?;
        let found =
            version.get(position(namespace, key.hash), key.bytes).map_err(|error| error.to_string())?;
        let content = found.unwrap_or(Content::Tombstone);
        let mut scratch = Vec::new();
        let loaded = image::decode(&content, keyspace.member_seed(), &mut scratch).map_err(unintelligible)?;
        let shard = self.locked_mut().shard_mut(key.shard());
        shard.loading.overtake(namespace, key);
        shard.space_mut(db).install(keyspace.hasher(), key.hash, key.bytes, loaded);
        Ok(())
    }
}

fn unintelligible(what: Malformed) -> String {
    format!("A value on disk can't be understood: {what}")
}

/// A key's place in the order of runs.
pub(super) fn position(namespace: NamespaceId, hash: u64) -> Position {
    Position { namespace, hash }
}
