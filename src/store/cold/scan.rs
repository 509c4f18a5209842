//! SCAN over RAM and disk.
//!
//! A piece of the walk is a stretch of hash space. Where it ends is chosen so that neither RAM nor disk has more entries
//! there than were asked for: the disk's share is read first to find that out, then RAM, and then, when a round or a compaction
//! has made another version meanwhile, the disk's share again, for RAM must be read first.

use std::sync::Arc;

use storage::NamespaceId;

use super::super::keyspace::Keyspace;
use super::super::lock::ShardSet;
use super::super::scan::{Filter, Names, SLICE_KEYS, Slice, cursor_at, first_behind, position_of};
use super::super::{Db, DbIndex, ShardId, UnixMs};
use super::{Found, Known, Stretch};

/// Entries of a piece, at most about: a few milliseconds.
const PIECE_KEYS: u64 = 2048;

/// One call of SCAN.
pub struct ScanWalk {
    db: DbIndex,
    now: UnixMs,
    filter: Filter,
    from: Option<u64>,
    /// Keys still to be looked at.
    left: u64,
    scanned: Scanned,
}

/// What a call of SCAN found.
#[derive(Debug, Default)]
pub struct Scanned {
    /// The cursor to go on from; 0 at the end.
    pub cursor: u64,
    /// The keys.
    pub names: Names,
    /// The newest LSN that they depend on.
    pub depends_on: u64,
    /// Keys that were deleted because their time had passed.
    pub expired: u64,
}

/// What RAM has of a stretch.
struct Ram {
    slice: Slice,
    /// The position behind what was read; `None`: the end of the namespace.
    end: Option<u64>,
}

impl ScanWalk {
    /// A walk of the database from a cursor until about `count` keys have been looked at.
    pub fn new(db: DbIndex, now: UnixMs, cursor: u64, count: u64, filter: Filter) -> Self {
        let from = position_of(cursor);
        ScanWalk { db, now, filter, from, left: count.max(1), scanned: Scanned::default() }
    }

    /// Does a piece; gives the result after the last one.
    pub fn go_on(&mut self, keyspace: &Keyspace) -> Result<Option<Scanned>, String> {
        if let Some(from) = self.from {
            self.from = self.piece(keyspace, from)?;
        }
        match self.from {
            Some(_) if self.left > 0 => Ok(None),
            end => {
                self.scanned.cursor = end.map_or(0, cursor_at);
                Ok(Some(std::mem::take(&mut self.scanned)))
            }
        }
    }

    /// Does it all for an operation that holds all shards.
    pub fn finish(&mut self, db: &mut Db<'_>) -> Result<Scanned, String> {
        let keyspace = db.keyspace();
        while let Some(from) = self.from.filter(|_| self.left > 0) {
            let (count, namespace) = (self.left.min(PIECE_KEYS), db.namespace(ShardId::of(from)));
            let version = keyspace.image()?;
            let disk = Stretch::read(&version, namespace, from, None, count, &self.filter)?;
            let ram = Ram::read(db, namespace, from, disk.end, count, &self.filter);
            self.from = self.add(&disk, &ram);
        }
        self.scanned.cursor = self.from.map_or(0, cursor_at);
        Ok(std::mem::take(&mut self.scanned))
    }

    /// Looks at a stretch from `from` on. Returns where to go on.
    fn piece(&mut self, keyspace: &Keyspace, from: u64) -> Result<Option<u64>, String> {
        let count = self.left.min(PIECE_KEYS);
        let first = ShardId::of(from);
        let namespace = keyspace.locks().lock_one(first).shard(first).space(self.db).namespace;
        let version = keyspace.image()?;
        let mut disk = Stretch::read(&version, namespace, from, None, count, &self.filter)?;
        let (ram, depends_on, expired) = keyspace.operate(self.db, self.now, ShardSet::EMPTY, |db| {
            Ram::read(db, namespace, from, disk.end, count, &self.filter)
        });
        self.scanned.depends_on = self.scanned.depends_on.max(depends_on);
        self.scanned.expired += expired;
        let current = keyspace.image()?;
        if !Arc::ptr_eq(&current, &version) {
            disk = Stretch::read(&current, namespace, from, ram.end, u64::MAX, &self.filter)?;
        }
        Ok(self.add(&disk, &ram))
    }

    /// Adds what a stretch has. Returns where to go on.
    fn add(&mut self, disk: &Stretch, ram: &Ram) -> Option<u64> {
        let known = ram.slice.known.as_ref().expect("it was asked for");
        let is_here = |found: &Found| ram.end.is_none_or(|end| found.hash < end);
        let cold = disk.found.iter().filter(|found| is_here(found) && !known.has(found.hash, &found.name));
        let mut looked_at = ram.slice.visited;
        for found in cold {
            looked_at += 1;
            if !found.has_expired(self.now) {
                self.scanned.names.push(&found.name);
            }
        }
        ram.slice.names.iter().for_each(|name| self.scanned.names.push(name));
        self.left = self.left.saturating_sub(looked_at);
        ram.end
    }
}

impl Ram {
    /// Reads from `from` to before `until`, but no more than about `count` entries, and not beyond where the database is
    /// another one.
    fn read(
        db: &mut Db<'_>,
        namespace: NamespaceId,
        from: u64,
        until: Option<u64>,
        count: u64,
        filter: &Filter,
    ) -> Self {
        let mut ram = Ram { slice: Slice::default(), end: Some(from) };
        ram.slice.known = Some(Known::default());
        while let Some(at) = ram.end.filter(|&at| until.is_none_or(|until| at < until)) {
            let shard = ShardId::of(at);
            let left = count.saturating_sub(ram.slice.visited);
            let next = db.on_shard(shard, |db| match left > 0 && db.namespace(shard) == namespace {
                true => Some(db.scan_slice(shard, at, until, left.min(SLICE_KEYS), filter, &mut ram.slice)),
                false => None,
            });
            let Some(next) = next else { break };
            ram.end = next.or_else(|| first_behind(shard));
        }
        // The last step may have led beyond, but what it met there was left out.
        ram.end = ram.end.into_iter().chain(until).min();
        ram.slice.known.iter_mut().for_each(Known::sort);
        ram
    }
}
