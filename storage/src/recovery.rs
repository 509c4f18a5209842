//! From a directory to an engine: lock, identity, replay, settle, start.
//!
//! Invariants:
//! * At most one engine has a directory: the lock file is locked from [`Engine::recover`] until the engine is closed.
//! * Replay changes nothing on disk; only a start that is going to succeed cuts a torn tail off.
//! * No record is served that is not durable: [`Recovery::start`] settles the log before the engine exists.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::engine::{Engine, Steps};
use crate::error::Error;
use crate::fs::{Fs, LockGuard};
pub use crate::identity::Identity;
use crate::log::reader::{self, Found};
pub use crate::log::reader::{CutTail, Report, Start};
use crate::log::segments::Segments;
use crate::log::shared::{OnProgress, Shared};
use crate::log::sync::Syncer;
use crate::log::tail;
use crate::log::writer::Writer;
use crate::options::Options;
pub use crate::record::RecordRef;

const LOCK: &str = "LOCK";

/// A directory that is locked and not yet served from.
pub struct Recovery {
    fs: Arc<dyn Fs>,
    dir: PathBuf,
    options: Options,
    lock: LockGuard,
    identity: Identity,
    found: Option<Found>,
}

impl Recovery {
    pub(crate) fn open(fs: Arc<dyn Fs>, dir: &Path, options: Options) -> Result<Self, Error> {
        fs.create_dir(dir).map_err(|e| Error::io("create", dir, e))?;
        let path = dir.join(LOCK);
        let lock = fs.lock(&path).map_err(|e| match e.kind() {
            io::ErrorKind::WouldBlock => Error::Locked { path },
            _ => Error::io("lock", &path, e),
        })?;
        let identity = Identity::load_or_create(&*fs, dir)?;
        Ok(Self { fs, dir: dir.to_path_buf(), options, lock, identity, found: None })
    }

    /// Who the dataset is.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Hands every record of the log to `each`, in LSN order, and reports what was read. An error of `each` ends the
    /// replay. Records may have been handed out before damage is found; the dataset is good only if this returns `Ok`.
    pub fn replay<E: From<Error>>(
        &mut self,
        each: impl FnMut(RecordRef<'_>) -> Result<(), E>,
    ) -> Result<Report, E> {
        self.replay_from(Start::FIRST, each)
    }

    /// Like [`Recovery::replay`], for a log whose beginning was released: begins at the segment that `start` names, so
    /// that the first records may lie before `start.lsn`.
    pub fn replay_from<E: From<Error>>(
        &mut self,
        start: Start,
        each: impl FnMut(RecordRef<'_>) -> Result<(), E>,
    ) -> Result<Report, E> {
        let found = reader::replay(&*self.fs, &self.dir, self.identity.dataset_id, start, each)?;
        let report = found.report.clone();
        self.found = Some(found);
        Ok(report)
    }

    /// Makes what was replayed durable, starts the threads and begins to take records. `on_progress` is called by the
    /// log's threads whenever a mark or the status moves; it must not block. Without a `replay` before, the log is
    /// read and its records are dropped.
    pub fn start(self, on_progress: OnProgress) -> Result<Engine, Error> {
        let (engine, steps) = self.start_stepped(on_progress)?;
        engine.spawn(steps)?;
        Ok(engine)
    }

    /// Like [`Recovery::start`] without threads: the caller does their work, one step at a time. For tests, which can
    /// so stop the world between any two operations.
    pub fn start_stepped(mut self, on_progress: OnProgress) -> Result<(Engine, Steps), Error> {
        if self.found.is_none() {
            self.replay(|_| Ok::<(), Error>(()))?;
        }
        let Self { fs, dir, options, lock, identity, found } = self;
        let found = found.expect("replay has just found the end");
        tail::settle(&*fs, &dir, &found)?;
        let segments = Segments::new(fs.clone(), dir.clone(), options.segment_bytes, found.segments);
        let shared = Arc::new(Shared::new(options, found.end.last, segments, on_progress));
        shared.counters.log_bytes.store(found.log_bytes, std::sync::atomic::Ordering::Relaxed);
        let file = found.end.file.clone();
        let syncer = Arc::new(Syncer::new(shared.clone(), fs, dir, file));
        let writer = Writer::new(shared.clone(), syncer.clone(), identity.dataset_id, found.end);
        Ok((Engine::new(shared, lock), Steps { writer, syncer }))
    }
}
