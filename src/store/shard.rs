//! What one shard lock guards: a table per logical database, what the log last heard of the shard, and its part of a
//! checkpoint round.
//!
//! Databases are cheap while empty (an empty table owns no heap), so every shard simply has all of them, by index.
//! SWAPDB and FLUSHDB exchange whole [`Space`]s under all 64 locks, so the database → namespace map never differs between
//! two shards that a command can see.
//!
//! * A round's cut is the flip of the epoch. Whoever changes a shard calls [`Shard::enter`] before, which keeps the facts of
//!   the cut (namespaces and counts) when the epoch is new, and [`Shard::change`] for each entry, which captures the entry as
//!   it was at the cut if nobody has (capture before write, DESIGN §5).
//! * The old epoch's dirty bit of an entry stays until its round is over: the round's position in the shard says whether the
//!   entry was captured. So an entry of a round in progress can't leave RAM, and a failed round only has to rename bits (C2).
//! * A database flushed while a round still needs its keys is kept aside until the round has them.

use std::collections::BTreeMap;

use storage::{Counts, NamespaceId};

use super::arena::Handle;
use super::entry::{NewValue, Parity, State};
use super::image::{Image, Slice};
use super::interest::Interest;
use super::loading::Loading;
use super::object::Object;
use super::table::{Cooled, Mercy, Table};
use super::tracked::Tracked;
use super::{DbIndex, ShardId};
use crate::store::hash::KeyHasher;

/// One logical database's part of a shard.
pub struct Space {
    /// The namespace these keys belong to: given out once, never again, so that what a flushed database left on disk can
    /// be told apart.
    pub namespace: NamespaceId,
    /// The keys that are in RAM.
    pub table: Table,
    /// The keys that exist and are on disk only.
    pub cold: Counts,
}

impl Space {
    fn new(namespace: NamespaceId, id: ShardId, cold: Counts) -> Self {
        // Tables of different shards split their segments at different fill levels (the phase), so that the memory for
        // half-empty segments is the same at every dataset size instead of rising and falling for all shards at once.
        Space { namespace, table: Table::new(id.0), cold }
    }

    /// The keys that exist, wherever they are.
    pub fn counts(&self) -> Counts {
        Counts {
            keys: self.table.len() as u64 + self.cold.keys,
            expires: self.table.expires_len() as u64 + self.cold.expires,
        }
    }

    /// Adds what the disk says of a key of which RAM says nothing: its value, expiry and access information, or `None`.
    pub fn install(
        &mut self,
        hasher: &KeyHasher,
        hash: u64,
        key: &[u8],
        loaded: Option<(NewValue<'_>, Option<u64>, u32)>,
    ) -> Handle {
        if let Some((_, expire, _)) = &loaded {
            debug_assert!(self.cold.keys > 0, "a key on disk that is nowhere else is counted as cold");
            self.cold.keys = self.cold.keys.saturating_sub(1);
            self.cold.expires = self.cold.expires.saturating_sub(u64::from(expire.is_some()));
        }
        self.table.install(hasher, hash, key, loaded)
    }
}

/// What a database's part of a shard was at a cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpaceFacts {
    /// Its namespace.
    pub namespace: NamespaceId,
    /// Its keys.
    pub counts: Counts,
}

/// After every namespace.
const END: (NamespaceId, u64) = (NamespaceId(u32::MAX), u64::MAX);

/// A shard's part of the round in progress.
struct Round {
    /// The epoch that changes are made in.
    epoch: u64,
    /// The databases at the cut before this epoch.
    at_cut: Vec<SpaceFacts>,
    /// Entries of the old epoch before this namespace and hash are captured.
    progress: (NamespaceId, u64),
    /// Entries captured by writers ahead of the round, by namespace, hash and key.
    ahead: BTreeMap<(NamespaceId, u64, Box<[u8]>), Image>,
    /// Where their images are made.
    scratch: Vec<u8>,
    /// Databases that were flushed and are still to be captured.
    flushed: Vec<Space>,
}

/// What a shard, or all of them, take in RAM.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Bytes of entries and of what finds them.
    pub bytes: u64,
    /// Entries, tombstones included.
    pub entries: u64,
    /// Those of them that can't leave before a round has captured them.
    pub dirty: u64,
    /// Keys that are on disk only.
    pub cold: u64,
}

impl Load {
    /// About what the dirty entries take.
    pub fn dirty_bytes(&self) -> u64 {
        (u128::from(self.bytes) * u128::from(self.dirty) / u128::from(self.entries.max(1))) as u64
    }
}

/// The contents of one shard.
pub struct Shard {
    id: ShardId,
    spaces: Vec<Space>,
    /// The LSN of the last log record that changed this shard; what a read of it depends on in `wal_sync_mode always`.
    pub last_lsn: u64,
    /// Keys that are being read from disk, and who waits for them.
    pub loading: Loading,
    /// Who wants to know of changes.
    pub interest: Interest,
    /// Which keys clients have read and track.
    pub tracked: Tracked,
    round: Round,
}

impl Shard {
    /// An empty shard with `databases` databases.
    pub fn new(id: ShardId, databases: usize) -> Self {
        let spaces =
            (0..databases as u32).map(|db| Space::new(NamespaceId(db), id, Counts::default())).collect();
        let round = Round {
            epoch: 1,
            at_cut: Vec::new(),
            progress: END,
            ahead: BTreeMap::new(),
            scratch: Vec::new(),
            flushed: Vec::new(),
        };
        Shard {
            id,
            spaces,
            last_lsn: 0,
            loading: Loading::default(),
            interest: Interest::default(),
            tracked: Tracked::default(),
            round,
        }
    }

    /// Makes the shard what an image on disk says: these namespaces, with all their keys cold, and changes from `epoch` on.
    /// For recovery.
    pub fn adopt(&mut self, epoch: u64, databases: impl Iterator<Item = SpaceFacts>) {
        self.spaces = databases.map(|facts| Space::new(facts.namespace, self.id, facts.counts)).collect();
        self.round.epoch = epoch;
    }

    /// Goes on in `epoch`, of the same parity as before, when the log has been replayed.
    pub fn resume(&mut self, epoch: u64) {
        debug_assert_eq!(Parity::of(epoch), Parity::of(self.round.epoch));
        self.round.epoch = epoch;
    }

    /// How many databases there are.
    pub fn databases(&self) -> usize {
        self.spaces.len()
    }

    /// A database's part.
    #[inline]
    pub fn space(&self, db: DbIndex) -> &Space {
        &self.spaces[db.0 as usize]
    }

    /// A database's part, to change.
    #[inline]
    pub fn space_mut(&mut self, db: DbIndex) -> &mut Space {
        &mut self.spaces[db.0 as usize]
    }

    /// The database that has a namespace.
    pub fn space_of(&self, namespace: NamespaceId) -> Option<&Space> {
        self.spaces.iter().find(|space| space.namespace == namespace)
    }

    /// The database that has a namespace, to change.
    pub fn space_of_mut(&mut self, namespace: NamespaceId) -> Option<&mut Space> {
        self.spaces.iter_mut().find(|space| space.namespace == namespace)
    }

    /// The index of the database that has a namespace.
    pub fn index_of(&self, namespace: NamespaceId) -> Option<DbIndex> {
        self.spaces.iter().position(|space| space.namespace == namespace).map(|at| DbIndex(at as u32))
    }

    /// A database's table.
    #[inline]
    pub fn table(&self, db: DbIndex) -> &Table {
        &self.space(db).table
    }

    /// A database's table, to change.
    #[inline]
    pub fn table_mut(&mut self, db: DbIndex) -> &mut Table {
        &mut self.space_mut(db).table
    }

    /// Keys in RAM, of all databases.
    pub fn resident(&self) -> usize {
        self.spaces.iter().map(|space| space.table.len()).sum()
    }

    /// What the shard takes in RAM.
    pub fn load(&self) -> Load {
        let cold = self.spaces.iter().map(|space| space.cold.keys).sum();
        let mut load = Load { cold, ..Load::default() };
        for Space { table, .. } in self.spaces.iter().chain(&self.round.flushed) {
            load.bytes += table.used_bytes() as u64;
            load.entries += (table.len() + table.tombstones()) as u64;
            // An entry that is dirty in both epochs counts twice: it can't leave before two rounds are over.
            load.dirty += (table.dirty(Parity::of(0)) + table.dirty(Parity::of(1))) as u64;
        }
        load
    }

    /// Exchanges two databases.
    pub fn swap(&mut self, a: DbIndex, b: DbIndex) {
        self.spaces.swap(a.0 as usize, b.0 as usize);
    }

    /// Puts an empty database under a new namespace in the place of one. Returns the old table, to be dropped elsewhere,
    /// unless the round in progress still needs it.
    pub fn replace(&mut self, db: DbIndex, namespace: NamespaceId) -> Option<Table> {
        let empty = Space::new(namespace, self.id, Counts::default());
        let old = std::mem::replace(self.space_mut(db), empty);
        if self.round.progress == END {
            return Some(old.table);
        }
        self.round.flushed.push(old);
        None
    }
}

/// The part of checkpoints.
impl Shard {
    /// Begins changes in `epoch`: the first call of an epoch keeps what the shard was at the cut before it.
    #[inline]
    pub fn enter(&mut self, epoch: u64) {
        if self.round.epoch < epoch {
            self.begin_epoch(epoch);
        }
    }

    #[cold]
    fn begin_epoch(&mut self, epoch: u64) {
        self.round.at_cut = self
            .spaces
            .iter()
            .map(|space| SpaceFacts { namespace: space.namespace, counts: space.counts() })
            .collect();
        self.round.epoch = epoch;
        self.round.progress = (NamespaceId(0), 0);
    }

    /// The databases as they were at the cut before the current epoch.
    pub fn at_cut(&self) -> &[SpaceFacts] {
        &self.round.at_cut
    }

    /// To be called before the entry at `handle` is changed, after [`Shard::enter`]: captures it if the round in progress has
    /// not, and marks it as dirty in the current epoch.
    #[inline]
    pub fn change(&mut self, db: DbIndex, hash: u64, handle: Handle) {
        let parity = Parity::of(self.round.epoch);
        if !self.spaces[db.0 as usize].table.state(handle).is_dirty_only(parity) {
            self.mark(db, hash, handle, parity);
        }
    }

    /// The first change of an entry in an epoch.
    #[inline(never)]
    fn mark(&mut self, db: DbIndex, hash: u64, handle: Handle, parity: Parity) {
        if self.needs_capture(db, hash, handle) {
            self.capture_ahead(db, hash, handle);
        }
        let table = &mut self.spaces[db.0 as usize].table;
        let state = table.state(handle);
        table.set_state(hash, handle, state.with_dirty(parity));
    }

    /// Would the round in progress need the entry as it is, if it were changed now? To be asked after [`Shard::enter`].
    pub fn needs_capture(&self, db: DbIndex, hash: u64, handle: Handle) -> bool {
        let space = &self.spaces[db.0 as usize];
        let is_of_the_round = space.table.state(handle).is_dirty(Parity::of(self.round.epoch).other());
        is_of_the_round && (space.namespace, hash) >= self.round.progress
    }

    /// The state of an entry that is added now, after [`Shard::enter`].
    #[inline]
    pub fn added(&self) -> State {
        State::NEW.with_dirty(Parity::of(self.round.epoch))
    }

    #[cold]
    fn capture_ahead(&mut self, db: DbIndex, hash: u64, handle: Handle) {
        let old = Parity::of(self.round.epoch).other();
        let space = &mut self.spaces[db.0 as usize];
        let entry = space.table.entry(handle);
        let key = (space.namespace, hash, Box::from(entry.key()));
        self.round.ahead.insert(key, Image::of(entry, &mut self.round.scratch));
        let state = entry.state().without_dirty(old).with_on_disk();
        space.table.set_state(hash, handle, state);
    }

    /// Captures the entries of one namespace from `from` on, about `count` of them, into `slice`, as they were at the cut.
    /// Returns where to go on.
    pub fn capture(
        &mut self,
        hasher: &KeyHasher,
        namespace: NamespaceId,
        from: u64,
        count: usize,
        slice: &mut Slice,
    ) -> Option<u64> {
        let old = Parity::of(self.round.epoch).other();
        let (mut next, mut found) = (Some(from), Vec::new());
        let mut all = self.spaces.iter_mut().chain(&mut self.round.flushed);
        match all.find(|space| space.namespace == namespace) {
            None => next = None,
            Some(space) => {
                for _ in 0..CAPTURE_STEPS {
                    let Some(position) = next.filter(|_| found.len() < count) else { break };
                    next = space.table.scan_dirty(hasher, position, old, |hash, entry| {
                        found.push((hash, entry.handle()));
                        slice.push(hash, entry);
                    });
                }
                for (hash, handle) in found {
                    let state = space.table.state(handle);
                    space.table.set_state(hash, handle, state.with_on_disk());
                }
            }
        }
        self.round.progress = next.map_or((NamespaceId(namespace.0 + 1), 0), |next| (namespace, next));
        self.take_ahead(namespace, next, slice);
        next
    }

    /// Hands over what writers have captured up to `next` in a namespace.
    fn take_ahead(&mut self, namespace: NamespaceId, next: Option<u64>, slice: &mut Slice) {
        while let Some(first) = self.round.ahead.first_entry() {
            let &(of, hash, _) = first.key();
            if of != namespace || next.is_some_and(|next| hash >= next) {
                break;
            }
            let ((_, hash, key), image) = first.remove_entry();
            slice.push_image(hash, &key, image);
        }
    }

    /// Ends the round for entries of one namespace from `from` on, about `count` of them: when it was committed they are clean,
    /// otherwise they are dirty in the current epoch (C2). Returns where to go on.
    pub fn settle(
        &mut self,
        hasher: &KeyHasher,
        namespace: NamespaceId,
        from: u64,
        count: usize,
        was_committed: bool,
    ) -> Option<u64> {
        let new = Parity::of(self.round.epoch);
        let old = new.other();
        self.round.progress = END;
        let table = &mut self.space_of_mut(namespace)?.table;
        let mut next = Some(from);
        let goal = table.dirty(old).saturating_sub(count);
        while let Some(position) = next.filter(|_| table.dirty(old) > goal) {
            next = table.settle(hasher, position, old, |state| {
                let state = state.without_dirty(old);
                if was_committed { state } else { state.with_dirty(new) }
            });
        }
        next.filter(|_| table.dirty(old) > 0)
    }

    /// Ends the round for the shard, after every database was settled. Returns the tables that were kept for it, and what writers
    /// have captured for a round that failed: both may be big, and are freed without the lock.
    pub fn end_round(&mut self) -> (Vec<Table>, impl Sized + use<>) {
        let old = Parity::of(self.round.epoch).other();
        self.round.progress = END;
        self.spaces.iter_mut().for_each(|space| space.table.is_settled(old));
        self.round.scratch = Vec::new();
        let tables = self.round.flushed.drain(..).map(|space| space.table).collect();
        (tables, std::mem::take(&mut self.round.ahead))
    }

    /// Lets the clock hand pass one bucket of a database from `from` on. Returns where to go on.
    pub fn cool(
        &mut self,
        hasher: &KeyHasher,
        db: DbIndex,
        from: u64,
        mercy: Mercy,
        cooled: &mut Cooled,
    ) -> Option<u64> {
        let space = self.space_mut(db);
        let (keys, expires) = (cooled.keys, cooled.expires);
        let next = space.table.cool(hasher, from, mercy, cooled);
        space.cold.keys += (cooled.keys - keys) as u64;
        space.cold.expires += (cooled.expires - expires) as u64;
        next
    }

    /// Deletes a key: its entry goes, or becomes a tombstone when the disk may have the key. Returns what was its value.
    #[inline]
    pub fn delete(&mut self, hasher: &KeyHasher, db: DbIndex, hash: u64, handle: Handle) -> Option<Object> {
        self.change(db, hash, handle);
        let table = self.table_mut(db);
        if table.state(handle).is_on_disk() {
            table.bury(hash, handle).1
        } else {
            table.remove(hasher, hash, handle)
        }
    }
}

/// Buckets that one step of a capture looks at, at most.
const CAPTURE_STEPS: usize = 32;
