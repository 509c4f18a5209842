//! One checkpoint round: the dataset at one cut becomes an image on disk, and nobody is stopped for it (DESIGN §5).
//!
//! 1. Flip: the epoch moves on. Operations that hold their locks already are before the cut, all later ones behind it.
//! 2. Visit: every shard is told once, so that its facts of the cut are kept, and so that no operation which comes after can
//!    still take the old epoch.
//! 3. Capture: namespace by namespace and shard by shard, in the order of runs, in short slices. What a writer changes
//!    before it was captured, the writer captures ([`Shard::change`](super::shard::Shard::change)). The thread that takes the
//!    locks only copies; a second one, which holds none and so may run after everybody else, makes the run of it.
//! 4. Commit: the engine makes run, log and manifest durable, in this order, and publishes the version.
//! 5. Settle: the entries that were captured are clean; after a failure they are dirty again, in the new epoch.
//!
//! * **C1** Manifest, runs of round r and log records of epochs behind r, in LSN order, are the exact dataset.
//! * **C2** A round that fails changes nothing but the epoch's number.
//! * One round at a time: the checkpoint thread's, or that of whoever stops the server after it.

use std::collections::BTreeSet;
use std::thread;

use crossbeam_channel::bounded;
use storage::{Counts, Engine, Entry, Epoch, Error, Facts, NamespaceId, Round};

use super::entry::Parity;
use super::image::Slice;
use super::keyspace::{Garbage, Keyspace};
use super::object::Object;
use super::residence::position;
use super::{SHARD_BITS, SHARD_COUNT, ShardId, ShardSet};
use crate::sys;

#[cfg(test)]
pub mod stepped;
#[cfg(test)]
mod tests;

/// Entries captured per lock hold: about ten microseconds.
const SLICE_KEYS: usize = 48;
/// Entries settled per lock hold.
const SETTLE_KEYS: usize = 128;
/// Slices captured ahead of the thread that makes the run. So few, because its work is also the pause in which others get
/// the shard.
const SLICES_AHEAD: usize = 4;

/// What a round did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Captured {
    /// Keys captured, deleted ones included.
    pub keys: u64,
    /// Bytes of keys and values.
    pub bytes: u64,
}

/// The dataset's facts at a cut.
#[derive(Default)]
struct Cut {
    databases: Vec<(u32, NamespaceId)>,
    counts: Vec<((NamespaceId, u8), Counts)>,
}

impl Keyspace {
    /// Runs a round. The caller sees to it that there is one at a time.
    pub fn checkpoint(&self, engine: &Engine) -> Result<Captured, Error> {
        let mut round = engine.begin_round(self.dirty_keys())?;
        let epoch = self.flip();
        let cut = self.visit();
        let result = self.capture_beside(&cut, &mut round).and_then(|captured| {
            let facts = Facts {
                epoch: Epoch(epoch - 1),
                last_lsn: engine.last_lsn(),
                databases: cut.databases.clone(),
                counts: cut.counts.clone(),
                next_namespace: self.next_namespace(),
                attachment: self.attachment(epoch - 1),
            };
            round.commit(facts).map(|_version| captured)
        });
        self.settle(&cut, result.is_ok());
        result
    }

    /// Entries that are dirty now.
    pub fn dirty_keys(&self) -> u64 {
        let parity = Parity::of(self.epoch());
        let dirty = |id: ShardId| {
            let locked = self.locks().lock_one(id);
            let shard = locked.shard(id);
            (0..self.databases() as u32)
                .map(|db| shard.table(super::DbIndex(db)).dirty(parity))
                .sum::<usize>()
        };
        ShardSet::ALL.iter().map(dirty).sum::<usize>() as u64
    }

    fn visit(&self) -> Cut {
        let epoch = self.epoch();
        let mut cut = Cut::default();
        for id in ShardSet::ALL.iter() {
            let mut locked = self.locks().lock_one(id);
            let shard = locked.shard_mut(id);
            shard.enter(epoch);
            if cut.databases.is_empty() {
                let namespaces = shard.at_cut().iter().map(|facts| facts.namespace);
                cut.databases = (0..).zip(namespaces).collect();
            }
            let counted = shard.at_cut().iter().filter(|facts| facts.counts != Counts::default());
            cut.counts.extend(counted.map(|facts| ((facts.namespace, id.0), facts.counts)));
        }
        cut
    }

    /// Captures on this thread and makes the run on another.
    fn capture_beside(&self, cut: &Cut, round: &mut Round<'_>) -> Result<Captured, Error> {
        let (sender, captured) = bounded(SLICES_AHEAD);
        thread::scope(|scope| {
            let builder = thread::Builder::new().name("forgekv-build".to_owned());
            let builder = builder.spawn_scoped(scope, || {
                sys::yield_to_others();
                build(captured.iter(), round, |object| self.discard(Garbage::Object(object)))
            });
            let builder = builder.map_err(|error| Error::Io {
                op: "start the thread",
                path: "forgekv-build".into(),
                source: error,
            })?;
            // The builder hangs up when it has failed; why it tells at the end.
            self.capture(cut, |slice| sender.send(slice).is_ok());
            drop(sender);
            builder.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Captures everything and hands it on, slice by slice, until `hand_on` says that nobody wants more.
    fn capture(&self, cut: &Cut, mut hand_on: impl FnMut((NamespaceId, Slice)) -> bool) {
        let mut steps = Steps::over(cut.databases.iter().map(|&(_, namespace)| namespace));
        let mut room = 0;
        while let Some((id, namespace, from)) = steps.next() {
            // Room is made here, and not under the lock.
            let mut slice = Slice::with_room(SLICE_KEYS, room);
            steps.go_on(self.capture_step(id, namespace, from, &mut slice));
            room = slice.bytes();
            if slice.keys() > 0 && !hand_on((namespace, slice)) {
                return;
            }
        }
    }

    fn capture_step(&self, id: ShardId, namespace: NamespaceId, from: u64, slice: &mut Slice) -> Option<u64> {
        let mut locked = self.locks().lock_one(id);
        let next = locked.shard_mut(id).capture(self.hasher(), namespace, from, SLICE_KEYS, slice);
        locked.give_way();
        next
    }

    fn settle(&self, cut: &Cut, was_committed: bool) {
        let mut steps = Steps::over(cut.databases.iter().map(|&(_, namespace)| namespace));
        while let Some((id, namespace, from)) = steps.next() {
            let mut locked = self.locks().lock_one(id);
            let shard = locked.shard_mut(id);
            steps.go_on(shard.settle(self.hasher(), namespace, from, SETTLE_KEYS, was_committed));
            locked.give_way();
        }
        self.end_round();
    }

    fn end_round(&self) {
        for id in ShardSet::ALL.iter() {
            let (flushed, ahead) = self.locks().lock_one(id).shard_mut(id).end_round();
            drop(ahead);
            if !flushed.is_empty() {
                self.discard(Garbage::Tables(flushed));
            }
        }
    }
}

/// Pushes what was captured. What was shared for it goes to who frees what is big: this thread lets others go before it, also
/// while it holds what they need of the allocator.
fn build(
    slices: impl Iterator<Item = (NamespaceId, Slice)>,
    round: &mut Round<'_>,
    mut discard: impl FnMut(Object),
) -> Result<Captured, Error> {
    let mut captured = Captured::default();
    for (namespace, mut slice) in slices {
        captured.keys += slice.keys() as u64;
        slice.drain(|hash, key, content, long| {
            let entry = Entry { position: position(namespace, hash), key, content };
            let length = match long {
                Some(value) => round.push_long(&entry, |out| value.put(out))?,
                None => round.push(&entry).map(|()| entry.value_bytes() as u64)?,
            };
            captured.bytes += key.len() as u64 + length;
            Ok(())
        })?;
        slice.take_used().for_each(&mut discard);
    }
    Ok(captured)
}

/// Goes over namespaces and shards in the order of runs.
struct Steps {
    namespaces: Vec<NamespaceId>,
    /// The namespace, the shard and the hash to go on with.
    at: usize,
    shard: u8,
    from: Option<u64>,
}

impl Steps {
    fn over(namespaces: impl Iterator<Item = NamespaceId>) -> Self {
        let ordered: BTreeSet<NamespaceId> = namespaces.collect();
        Steps { namespaces: ordered.into_iter().collect(), at: 0, shard: 0, from: None }
    }

    /// What the next step is of; `None` at the end.
    fn next(&self) -> Option<(ShardId, NamespaceId, u64)> {
        let (namespace, id) = (*self.namespaces.get(self.at)?, ShardId(self.shard));
        Some((id, namespace, self.from.unwrap_or_else(|| first_hash(id))))
    }

    /// The step was done, and this is where to go on in its shard, if there is more.
    fn go_on(&mut self, next: Option<u64>) {
        self.from = next;
        if next.is_some() {
            return;
        }
        self.shard += 1;
        if usize::from(self.shard) == SHARD_COUNT {
            (self.at, self.shard) = (self.at + 1, 0);
        }
    }
}

/// The lowest hash of a shard.
pub(super) const fn first_hash(id: ShardId) -> u64 {
    (id.0 as u64) << (u64::BITS - SHARD_BITS)
}
