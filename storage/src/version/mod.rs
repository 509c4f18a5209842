//! Versions: which runs are the dataset, and since when.
//!
//! * `version`: one immutable set of runs with its facts, and what makes it valid.
//! * `edit`: the step from one version to the next, and its bytes (drawn there).
//! * `manifest`: the durable log of edits, and the file that names it (drawn there).
//! * `read`: reading through a version: opening its runs, one key, everything in order.
//! * this file: the current version, the switch to the next, and when a run's file is no longer needed.
//!
//! Invariants:
//! * A version is current only after its edit is durable. A commit that fails changes nothing (C2), unless it fails
//!   with `Poisoned`: then only the next start can tell whether the edit is durable, and its runs must not be deleted.
//! * Commits are one after the other; each edit is applied to the version that is current then.
//! * A run is reported by [`VersionSet::take_unused`] once, and only when it has left the current version and nobody
//!   holds a version, or a run of a version, that has it.
//!
//! Locks: the manifest's lock is held while it syncs, so only the checkpoint and compaction threads may commit, with
//! no other lock held. The lock of the current version and that of the unused runs are leaves, held for a pointer's
//! copy or swap; letting go of a version does no I/O, so a worker may do it under its shard's lock.
//!
//! It deliberately deletes no file: a checkpoint or a compaction does, when nobody waits for it.

use std::path::PathBuf;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

mod edit;
mod manifest;
mod meta;
mod read;
#[expect(clippy::module_inception, reason = "the type that the module is about has a file of its own")]
mod version;

pub use edit::Edit;
pub use manifest::{Found, Torn, read};
pub(crate) use manifest::{look, write};
pub use meta::RunMeta;
pub use read::Scan;
pub use version::{Counts, Cut, InvalidEdit, LAST_LEVEL, LEVELS, Run, Version};

use crate::error::Error;
use crate::run::{self, RunId};
use manifest::Manifest;

/// The current version and its manifest. Shared by reference among all threads.
pub struct VersionSet {
    manifest: Mutex<Manifest>,
    current: RwLock<Arc<Version>>,
    next_run: AtomicU64,
    graveyard: Arc<Graveyard>,
}

impl VersionSet {
    fn new(version: Arc<Version>, manifest: Manifest) -> Self {
        Self {
            manifest: Mutex::new(manifest),
            next_run: AtomicU64::new(version.next_run().0),
            graveyard: version.graveyard().clone(),
            current: RwLock::new(version),
        }
    }

    /// The current version. It, and the files of its runs, stay for as long as it is held: a snapshot is nothing else.
    pub fn current(&self) -> Arc<Version> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A number for a new run. Numbers of runs that never enter a version are used again after a restart, which
    /// deletes their files first.
    pub fn begin_run(&self) -> RunId {
        RunId(self.next_run.fetch_add(1, Relaxed))
    }

    /// Makes `edit` durable and the version after it current. `built` are the runs it adds, which are durable already.
    ///
    /// Fails with `Io` if the disk is full: nothing has changed, and the same edit may be tried again. Any other
    /// failure is `Poisoned` and final (D3); so is an edit that does not fit, because whoever made it has lost track
    /// of what is on the disk.
    pub fn commit(&self, edit: &Edit, built: &[Arc<run::Run>]) -> Result<Arc<Version>, Error> {
        let mut manifest = self.manifest.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.current();
        let next = match before.apply(edit) {
            Ok(next) => Arc::new(next),
            Err(misfit) => return Err(manifest.fail(format!("An edit does not fit its version: {misfit}."))),
        };
        for run in built {
            let added = next.run(run.info().id).expect("a run that was built for an edit is added by it");
            let _moved = added.file().reader.set(run.clone());
        }
        manifest.append(edit, &next)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = next.clone();
        // Marked while `before` still holds them, so that the last holder, whoever it is, sees the mark.
        let gone = edit.remove.iter().filter(|&&id| next.run(id).is_none());
        for run in gone.filter_map(|&id| before.run(id)) {
            run.file().obsolete.store(true, Relaxed);
        }
        Ok(next)
    }

    /// The runs that nobody needs any more: their files can be deleted. Each is told once; what is told and not
    /// deleted before a crash is deleted at the next start.
    ///
    /// It closes their files, and is meant for a thread that nobody waits for.
    pub fn take_unused(&self) -> Vec<RunId> {
        let unused = std::mem::take(&mut *self.graveyard.lock());
        unused.into_iter().map(|(id, _closed)| id).collect()
    }

    /// Says in the manifest that its last edit is durable, so that its loss would be noticed. For a clean close.
    pub fn seal(&self) -> Result<(), Error> {
        let mut manifest = self.manifest.lock().unwrap_or_else(PoisonError::into_inner);
        manifest.seal()
    }

    /// The manifest's path, for messages.
    pub fn manifest_path(&self) -> PathBuf {
        self.manifest.lock().unwrap_or_else(PoisonError::into_inner).path().to_path_buf()
    }
}

/// Where the last holder of an obsolete run leaves its number; and its reader, because closing a file and freeing a
/// big filter take time that a worker does not have.
#[derive(Debug, Default)]
struct Graveyard {
    unused: Mutex<Vec<(RunId, Option<Arc<run::Run>>)>>,
}

impl Graveyard {
    fn lock(&self) -> MutexGuard<'_, Vec<(RunId, Option<Arc<run::Run>>)>> {
        self.unused.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The claim on a run's file, shared by all versions that have the run, at whatever level.
#[derive(Debug)]
struct RunFile {
    id: RunId,
    /// Set before the first version that has the run is published.
    reader: OnceLock<Arc<run::Run>>,
    /// Whether the run has left the current version. Without it the last holder leaves the file alone: the process
    /// ends, or the run never entered a version.
    obsolete: AtomicBool,
    graveyard: Arc<Graveyard>,
}

impl RunFile {
    fn new(id: RunId, graveyard: Arc<Graveyard>) -> Self {
        Self { id, reader: OnceLock::new(), obsolete: AtomicBool::new(false), graveyard }
    }
}

impl Drop for RunFile {
    fn drop(&mut self) {
        if self.obsolete.load(Relaxed) {
            self.graveyard.lock().push((self.id, self.reader.take()));
        }
    }
}

#[cfg(test)]
mod tests;
