//! Who wants to know of changes of keys, by shard: WATCH, and clients that wait for keys.
//!
//! * Every change of a key that a command could see goes through [`Db::signal`](super::Db), which looks here while the
//!   shard is held. As long as nobody is interested in any key of the shard, that costs one load.
//! * [`Interest`] is guarded by the shard's lock. A watcher's flag and a waiting client's [state](Blocked) are atomics,
//!   because their owners look at them without that lock.
//! * A watcher notes whether its key existed when it began. That stays true until the flag is set, so FLUSHALL knows without
//!   a look at the disk which watchers it touches.
//! * Clients that wait for one key stand in line in the order in which they came. One that waits for several keys stands in
//!   several lines; whoever takes it out of one first has [claimed](Blocked::claim) it, so it is served once. It may stand in
//!   lines for a while after it has been served or has gone: whoever meets it there removes it.

use std::any::Any;
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{DbIndex, Key, ShardId};

/// A key by name, in a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedKey {
    /// The database.
    pub db: DbIndex,
    /// The key's hash.
    pub hash: u64,
    /// The key.
    pub bytes: Box<[u8]>,
}

impl NamedKey {
    /// The name of a key.
    pub fn of(db: DbIndex, key: &Key<'_>) -> Self {
        NamedKey { db, hash: key.hash, bytes: Box::from(key.bytes) }
    }

    /// The key.
    pub fn key(&self) -> Key<'_> {
        Key { bytes: &self.bytes, hash: self.hash }
    }

    /// The shard it lives in.
    pub fn shard(&self) -> ShardId {
        ShardId::of(self.hash)
    }
}

const WAITING: u8 = 0;
const CLAIMED: u8 = 1;
const OVER: u8 = 2;

/// A client that waits for keys.
///
/// ```text
/// WAITING ──claim──► CLAIMED ──serve──► OVER        whoever changes a key, with the key's shard held
///    ▲ │                │ there was nothing
///    │ └──end──► OVER   │                           timeout, CLIENT UNBLOCK, the client's end
///    └──────────────────┘
/// ```
///
/// A claim lasts as long as one attempt to serve, some microseconds. Who else wants the client meanwhile waits for the attempt's
/// end: to pass over it could lose the element that it is waiting for. Who has a claim waits for nobody, so that ends.
pub struct Blocked {
    state: AtomicU8,
    /// What it waits for.
    pub keys: Vec<NamedKey>,
    /// One more key that serving uses.
    pub also: Option<NamedKey>,
    /// How many lines it stands in.
    lines: AtomicUsize,
    /// How it is served, which only commands know. Locked by who has the claim.
    want: Mutex<Box<dyn Any + Send>>,
}

impl Blocked {
    /// A client that begins to wait.
    pub fn new(keys: Vec<NamedKey>, also: Option<NamedKey>, want: Box<dyn Any + Send>) -> Arc<Self> {
        let (state, lines) = (AtomicU8::new(WAITING), AtomicUsize::new(0));
        Arc::new(Blocked { state, keys, also, lines, want: Mutex::new(want) })
    }

    /// From waiting to something else. False: it does not wait any more.
    fn leave_waiting(&self, next: u8) -> bool {
        loop {
            match self.state.compare_exchange(WAITING, next, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return true,
                Err(CLAIMED) => std::thread::yield_now(),
                Err(_) => return false,
            }
        }
    }

    /// Claims the client to serve it; [`Blocked::served`] or [`Blocked::unclaim`] must follow. False: it does not wait any more.
    pub fn claim(&self) -> bool {
        self.leave_waiting(CLAIMED)
    }

    /// It goes on waiting: there was nothing for it.
    pub fn unclaim(&self) {
        self.state.store(WAITING, Ordering::Release);
    }

    /// It has been served.
    pub fn served(&self) {
        self.state.store(OVER, Ordering::Release);
    }

    /// Ends the wait without anything: nobody serves the client any more. False: it has been served, or was ended before.
    pub fn end(&self) -> bool {
        self.leave_waiting(OVER)
    }

    /// Does it still wait?
    pub fn is_waiting(&self) -> bool {
        self.state.load(Ordering::Acquire) != OVER
    }

    /// Does it stand in any line?
    pub fn is_in_line(&self) -> bool {
        self.lines.load(Ordering::Acquire) > 0
    }

    /// How it is served.
    pub fn want(&self) -> MutexGuard<'_, Box<dyn Any + Send>> {
        self.want.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Watcher {
    changed: Arc<AtomicBool>,
    /// Did the key exist when it began to watch?
    key_exists: bool,
}

/// Everybody who is interested in one key.
struct Party {
    db: DbIndex,
    key: Box<[u8]>,
    watchers: Vec<Watcher>,
    line: VecDeque<Arc<Blocked>>,
}

impl Party {
    fn is(&self, db: DbIndex, key: &[u8]) -> bool {
        self.db == db && *self.key == *key
    }

    fn is_empty(&self) -> bool {
        self.watchers.is_empty() && self.line.is_empty()
    }
}

/// The clients interested in keys of one shard.
#[derive(Default)]
pub struct Interest {
    by_hash: HashMap<u64, Vec<Party>>,
    /// Places in lines of clients that serving needs one more key for.
    linked: usize,
}

/// How many keys somebody is interested in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InterestCounts {
    /// Keys that somebody watches.
    pub watched: u64,
    /// Keys that somebody waits for.
    pub awaited: u64,
}

impl Interest {
    /// Is nobody interested in any key?
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.by_hash.is_empty()
    }

    fn party(&self, db: DbIndex, key: &Key<'_>) -> Option<&Party> {
        self.by_hash.get(&key.hash)?.iter().find(|party| party.is(db, key.bytes))
    }

    fn party_mut(&mut self, db: DbIndex, key: &Key<'_>) -> Option<&mut Party> {
        self.by_hash.get_mut(&key.hash)?.iter_mut().find(|party| party.is(db, key.bytes))
    }

    fn join(&mut self, db: DbIndex, key: &Key<'_>) -> &mut Party {
        let same_hash = self.by_hash.entry(key.hash).or_default();
        let at = same_hash.iter().position(|party| party.is(db, key.bytes)).unwrap_or_else(|| {
            let key = Box::from(key.bytes);
            same_hash.push(Party { db, key, watchers: Vec::new(), line: VecDeque::new() });
            same_hash.len() - 1
        });
        &mut same_hash[at]
    }

    /// Forgets a key that nobody is interested in any more.
    fn tidy(&mut self, db: DbIndex, key: &Key<'_>) {
        let Some(same_hash) = self.by_hash.get_mut(&key.hash) else { return };
        same_hash.retain(|party| !(party.is(db, key.bytes) && party.is_empty()));
        if same_hash.is_empty() {
            self.by_hash.remove(&key.hash);
        }
        if self.by_hash.is_empty() {
            // What many clients made it grow to.
            self.by_hash = HashMap::new();
        }
    }

    // ----- WATCH -----

    /// Has the flag set when the key changes from now on.
    pub fn watch(&mut self, db: DbIndex, key: &Key<'_>, changed: &Arc<AtomicBool>, key_exists: bool) {
        self.join(db, key).watchers.push(Watcher { changed: changed.clone(), key_exists });
    }

    /// Ends that.
    pub fn unwatch(&mut self, db: DbIndex, key: &Key<'_>, changed: &Arc<AtomicBool>) {
        if let Some(party) = self.party_mut(db, key) {
            party.watchers.retain(|watcher| !Arc::ptr_eq(&watcher.changed, changed));
        }
        self.tidy(db, key);
    }

    /// A key has changed: tells those who watch it, and says whether somebody waits for it.
    pub fn changed(&mut self, db: DbIndex, key: &Key<'_>) -> bool {
        let Some(party) = self.party_mut(db, key) else { return false };
        party.watchers.iter().for_each(|watcher| watcher.changed.store(true, Ordering::Release));
        !party.line.is_empty()
    }

    // ----- waiting -----

    /// Puts a client at the end of the line for a key.
    pub fn wait(&mut self, db: DbIndex, key: &Key<'_>, blocked: &Arc<Blocked>) {
        self.linked += usize::from(blocked.also.is_some());
        blocked.lines.fetch_add(1, Ordering::AcqRel);
        self.join(db, key).line.push_back(blocked.clone());
    }

    /// Takes a client out of the line for a key. False: it was not there.
    pub fn stop_waiting(&mut self, db: DbIndex, key: &Key<'_>, blocked: &Arc<Blocked>) -> bool {
        let Some(party) = self.party_mut(db, key) else { return false };
        let Some(at) = party.line.iter().position(|other| Arc::ptr_eq(other, blocked)) else { return false };
        party.line.remove(at);
        blocked.lines.fetch_sub(1, Ordering::AcqRel);
        self.linked -= usize::from(blocked.also.is_some());
        self.tidy(db, key);
        true
    }

    /// Number `nth` in the line for a key.
    pub fn in_line(&self, db: DbIndex, key: &Key<'_>, nth: usize) -> Option<Arc<Blocked>> {
        self.party(db, key)?.line.get(nth).cloned()
    }

    /// The further keys that serving clients of this shard needs.
    pub fn links(&self) -> impl Iterator<Item = &NamedKey> {
        let any = (self.linked > 0).then(|| self.by_hash.values());
        let lines = any.into_iter().flatten().flatten().flat_map(|party| &party.line);
        lines.filter_map(|blocked| blocked.also.as_ref())
    }

    // ----- whole databases -----

    /// The keys of a database that somebody is interested in: whether it is watched, and whether it is awaited.
    pub fn keys_of(&self, db: DbIndex) -> impl Iterator<Item = (NamedKey, bool, bool)> {
        self.by_hash.iter().flat_map(move |(&hash, parties)| {
            parties.iter().filter(move |party| party.db == db).map(move |party| {
                let key = NamedKey { db, hash, bytes: party.key.clone() };
                (key, !party.watchers.is_empty(), !party.line.is_empty())
            })
        })
    }

    /// A database is emptied: tells those who watch keys that existed, and returns the keys that somebody waits for.
    pub fn emptied(&mut self, db: DbIndex) -> Vec<NamedKey> {
        let parties = self.by_hash.values().flatten().filter(|party| party.db == db);
        let existing = parties.flat_map(|party| &party.watchers).filter(|watcher| watcher.key_exists);
        existing.for_each(|watcher| watcher.changed.store(true, Ordering::Release));
        self.keys_of(db).filter(|(_, _, is_awaited)| *is_awaited).map(|(key, ..)| key).collect()
    }

    /// A key is put in the place of another database's key, which `exists` or not: tells those who watch it, unless there was
    /// none and is none.
    pub fn exchanged(&mut self, key: &NamedKey, exists: bool) {
        let watchers = self.party(key.db, &key.key()).into_iter().flat_map(|party| &party.watchers);
        let touched = watchers.filter(|watcher| exists || watcher.key_exists);
        touched.for_each(|watcher| watcher.changed.store(true, Ordering::Release));
    }

    /// How many keys somebody is interested in.
    pub fn counts(&self) -> InterestCounts {
        let mut counts = InterestCounts::default();
        for party in self.by_hash.values().flatten() {
            counts.watched += u64::from(!party.watchers.is_empty());
            counts.awaited += u64::from(party.line.iter().any(|blocked| blocked.is_waiting()));
        }
        counts
    }
}
