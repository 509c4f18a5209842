//! What is written and not yet durable, and the step that makes it so.
//!
//! Invariants:
//! * The durable mark passes a record only after the data of its segment, of every segment before, and the names of
//!   all of them were synced.
//! * A sync that fails is the last one (D3). The system reports a lost write once for each open file; syncs take
//!   turns and look at the status first, so that no second sync can hear "all is well" about bytes that the first
//!   one lost.
//!
//! A segment stays open here until it was synced. With `Never`, that is until a checkpoint, `wait_durable` or
//! `close`.

use std::path::PathBuf;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::segments::SegmentFile;
use super::shared::Shared;
use crate::error::Error;
use crate::fs::Fs;
use crate::record::Lsn;

/// Knows what must be synced, and syncs it.
pub struct Syncer {
    shared: Arc<Shared>,
    fs: Arc<dyn Fs>,
    dir: PathBuf,
    /// Held while a sync runs. Taken before `unsynced`.
    turn: Mutex<()>,
    /// Guards the list of what to sync; held for moments only, so that writing goes on during a sync.
    unsynced: Mutex<Unsynced>,
}

struct Unsynced {
    /// Ascending; the last one is the segment being written.
    segments: Vec<Arc<SegmentFile>>,
    /// A segment was created or renamed since the directory was synced.
    names: bool,
    /// The last record of the last whole frame.
    written: Lsn,
}

/// A sync that has been decided on: it will make everything up to `written` durable.
pub struct Sync<'a> {
    syncer: &'a Syncer,
    segments: Vec<Arc<SegmentFile>>,
    names: bool,
    written: Lsn,
    _turn: MutexGuard<'a, ()>,
}

impl Syncer {
    /// Everything in `segment`, the current one, is durable up to the shared durable mark.
    pub fn new(shared: Arc<Shared>, fs: Arc<dyn Fs>, dir: PathBuf, segment: Arc<SegmentFile>) -> Self {
        let unsynced = Unsynced { segments: vec![segment], names: false, written: shared.written() };
        Self { shared, fs, dir, turn: Mutex::new(()), unsynced: Mutex::new(unsynced) }
    }

    /// A segment has got its name and will be written from now on.
    pub fn created(&self, segment: Arc<SegmentFile>) {
        let mut unsynced = self.lock();
        unsynced.segments.push(segment);
        unsynced.names = true;
    }

    /// A frame up to `cut` was written.
    pub fn wrote(&self, cut: Lsn) {
        self.lock().written = cut;
        self.shared.set_written(cut);
    }

    /// Decides what the next sync covers; `None` when there is nothing to sync or the log has failed. `force` syncs
    /// even if every record is durable: a frame without records is to be.
    pub fn begin(&self, force: bool) -> Option<Sync<'_>> {
        let turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        if self.shared.status().is_final() {
            return None;
        }
        let mut unsynced = self.lock();
        if unsynced.written == self.shared.durable() && !force {
            return None;
        }
        let names = std::mem::take(&mut unsynced.names);
        let segments = unsynced.segments.clone();
        Some(Sync { syncer: self, segments, names, written: unsynced.written, _turn: turn })
    }

    /// Makes everything written so far durable; a failure shows in the shared status.
    pub fn sync(&self, force: bool) {
        if let Some(sync) = self.begin(force) {
            sync.finish();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Unsynced> {
        self.unsynced.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sync<'_> {
    /// Runs the sync and moves the durable mark, or fails the log.
    pub fn finish(self) {
        let shared = &self.syncer.shared;
        let start = Instant::now();
        if let Err(error) = self.run() {
            shared.fail(error.to_string());
            return;
        }
        shared.counters.syncs.fetch_add(1, Relaxed);
        shared.counters.last_sync_us.store(start.elapsed().as_micros() as u64, Relaxed);
        // All but the last were complete when the sync began.
        self.syncer.lock().segments.drain(..self.segments.len() - 1);
        if self.written > shared.durable() {
            shared.set_durable(self.written);
        }
    }

    fn run(&self) -> Result<(), Error> {
        for segment in &self.segments {
            segment.file.sync_data().map_err(|e| Error::io("sync", &segment.path, e))?;
        }
        if self.names {
            let Syncer { fs, dir, .. } = self.syncer;
            fs.sync_dir(dir).map_err(|e| Error::io("sync", dir, e))?;
        }
        Ok(())
    }
}
