//! Looking at keys that are on disk only, all but looking one up: the walk of SCAN, KEYS, RANDOMKEY, and expiry.
//!
//! ```text
//! RAM       entries and tombstones: what they say counts
//! version   every other key, as the newest run that knows it says
//! ```
//!
//! * Whoever needs an answer of several moments reads RAM first and takes the version afterwards: a key that was not in RAM
//!   then is in every version from then on, unless it is deleted meanwhile. Whoever holds all shards may take it at once.
//! * A key is on disk only for certain as long as its shard is held, RAM says nothing of it, nobody is reading it, and the
//!   version in hand is the current one (`is_cold` and `is_current` below).
//! * Nothing here brings a value into RAM, and nothing waits for the disk while it holds a shard (L2). It is done on the
//!   threads that read from disk, in pieces of some milliseconds ([`Promise::work_off`](super::loading::Promise::work_off)).
//! * Keys past their time are passed over; who deletes them does it through the command path.

use std::sync::Arc;

use storage::merge::{Entries, Source};
use storage::{Content, NamespaceId, Version};

use super::db::Workspace;
use super::evict::AccessClock;
use super::keyspace::Keyspace;
use super::lock::{Locked, ShardSet};
use super::residence::position;
use super::scan::Filter;
use super::table::{Presence, SCAN_GRANULE};
use super::{Db, DbIndex, Key, UnixMs, image};

mod draw;
pub mod expire;
mod keys;
mod scan;
#[cfg(test)]
mod tests;

pub use draw::Draw;
pub use keys::KeysWalk;
pub use scan::{ScanWalk, Scanned};

/// Which keys of a stretch of hash space RAM says something of. What is pushed is found once it is sorted.
#[derive(Default)]
pub struct Known {
    bytes: Vec<u8>,
    /// The hash, and where the name lies.
    names: Vec<(u64, usize, usize)>,
}

impl Known {
    /// Adds a key.
    pub fn push(&mut self, hash: u64, name: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(name);
        self.names.push((hash, start, self.bytes.len()));
    }

    /// To be called after the last [`Known::push`].
    pub fn sort(&mut self) {
        self.names.sort_unstable();
    }

    /// Was the key added?
    pub fn has(&self, hash: u64, name: &[u8]) -> bool {
        let first = self.names.partition_point(|known| known.0 < hash);
        let same_hash = self.names[first..].iter().take_while(|known| known.0 == hash);
        same_hash.into_iter().any(|&(_, start, end)| self.bytes[start..end] == *name)
    }
}

/// A key that a version has.
#[derive(Debug)]
struct Found {
    hash: u64,
    name: Box<[u8]>,
    expire: Option<UnixMs>,
}

impl Found {
    fn key(&self) -> Key<'_> {
        Key { bytes: &self.name, hash: self.hash }
    }

    /// Has its time passed?
    fn has_expired(&self, now: UnixMs) -> bool {
        self.expire.is_some_and(|at| at < now)
    }
}

/// What a version says of a stretch of a namespace's hash space.
struct Stretch {
    /// The keys that exist and that the filter passes.
    found: Vec<Found>,
    /// The position behind it, a multiple of [`SCAN_GRANULE`]; `None`: nothing lies behind it.
    end: Option<u64>,
}

impl Stretch {
    /// Reads from `from` to before `until`, but no more than about `count` entries.
    fn read(
        version: &Arc<Version>,
        namespace: NamespaceId,
        from: u64,
        until: Option<u64>,
        count: u64,
        filter: &Filter,
    ) -> Result<Self, String> {
        let mut stretch = Stretch { found: Vec::new(), end: until };
        let mut scan = version.scan(position(namespace, from)).map_err(sentence)?;
        let mut read = 0;
        while let Some(entry) = scan.entry() {
            let hash = entry.position.hash;
            if entry.position.namespace != namespace || stretch.end.is_some_and(|end| hash >= end) {
                break;
            }
            read += 1;
            if read == count {
                // Keys of one granule stay together: a cursor can't stand between them.
                let last = hash | (SCAN_GRANULE - 1);
                stretch.end = last.checked_add(1).into_iter().chain(stretch.end).min();
            }
            if let Content::Value { bytes, expiry_ms, .. } = entry.content
                && filter.selects(entry.key)
                && (filter.kind.is_none() || filter.wants(image::type_name(bytes).map_err(unintelligible)?))
            {
                let expire = expiry_ms.map(UnixMs);
                stretch.found.push(Found { hash, name: Box::from(entry.key), expire });
            }
            scan.advance().map_err(sentence)?;
        }
        Ok(stretch)
    }
}

impl Keyspace {
    /// Is the key on disk only? The caller holds its shard. What a version says of the key is its latest state, if that
    /// [is current](Keyspace::is_current) now.
    fn is_cold(&self, locked: &Locked<'_>, namespace: NamespaceId, key: &Key<'_>) -> bool {
        let shard = locked.shard(key.shard());
        let says_nothing = shard
            .space_of(namespace)
            .is_some_and(|space| matches!(space.table.look_up(key.hash, key.bytes), Presence::Unknown));
        says_nothing && !shard.loading.has(namespace, key)
    }

    /// Is it the current version?
    fn is_current(&self, version: &Arc<Version>) -> bool {
        self.version().is_some_and(|current| Arc::ptr_eq(&current, version))
    }

    /// The version that there is when keys are on disk only.
    fn image(&self) -> Result<Arc<Version>, String> {
        self.version().ok_or_else(|| "There is no image on disk.".to_owned())
    }

    /// Runs an operation of its own, which locks what it needs ([`Db::on_shard`]). Returns what its result depends on, too, and
    /// how many keys it found expired and deleted.
    fn operate<R>(
        &self,
        db: DbIndex,
        now: UnixMs,
        set: ShardSet,
        work: impl FnOnce(&mut Db<'_>) -> R,
    ) -> (R, u64, u64) {
        let (clock, mut workspace) = (AccessClock::lru(now), Workspace::default());
        let locked = self.locks().lock_set(set);
        let mut view = Db::new(self, locked, db, now, &clock, &mut workspace);
        let result = work(&mut view);
        let committed = view.commit(std::iter::empty(), db);
        drop(view);
        self.announce(&mut workspace, committed.depends_on);
        (result, committed.depends_on, workspace.tallies.expired)
    }
}

fn sentence(error: storage::Error) -> String {
    error.to_string()
}

fn unintelligible(what: crate::rdb::Malformed) -> String {
    format!("A value on disk can't be understood: {what}")
}
