//! From a directory to an engine: lock, identity, replay, settle, start.
//!
//! Invariants:
//! * At most one engine has a directory: the lock file is locked from [`Engine::recover`] until the engine is closed.
//! * Replay changes nothing on disk; only a start that is going to succeed cuts a torn tail off.
//! * **C1** Replay hands out the records of epochs after the image's, and no others.
//! * The manifest is settled before the log: a version that was read from a cache must be durable before what it makes
//!   superfluous goes.
//! * No record is served that is not durable: [`Recovery::start`] settles the log before the engine exists.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64};

use crate::compaction::Compactor;
use crate::engine::{Engine, Images, Steps};
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
use crate::run::RunDir;
use crate::version::{self, Cut, Version};

const LOCK: &str = "LOCK";

/// A directory that is locked and not yet served from.
pub struct Recovery {
    fs: Arc<dyn Fs>,
    dir: PathBuf,
    options: Options,
    lock: LockGuard,
    identity: Identity,
    runs: RunDir,
    manifest: version::Found,
    found: Option<Found>,
}

impl Recovery {
    pub(crate) fn open(fs: Arc<dyn Fs>, dir: &Path, options: Options) -> Result<Self, Error> {
        fs.create_dir(dir).map_err(|e| Error::io("create", dir, e))?;
        let lock = lock(&*fs, dir)?;
        let identity = Identity::load_or_create(&*fs, dir)?;
        let manifest = version::read(fs.clone(), dir, identity.dataset_id)?;
        let runs = RunDir::new(fs.clone(), dir, identity.dataset_id);
        manifest.version.open_runs(&runs)?;
        Ok(Self { fs, dir: dir.to_path_buf(), options, lock, identity, runs, manifest, found: None })
    }

    /// Who the dataset is.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The image that replay builds upon.
    pub fn version(&self) -> &Arc<Version> {
        &self.manifest.version
    }

    /// What a crash left unfinished in the manifest, if anything; it is left out.
    pub fn torn_edit(&self) -> Option<&version::Torn> {
        self.manifest.torn.as_ref()
    }

    /// Hands every record that is not in the image to `each`, in LSN order, and reports what was read. An error of `each`
    /// ends the replay. Records may have been handed out before damage is found; the dataset is good only if this returns `Ok`.
    pub fn replay<E: From<Error>>(
        &mut self,
        each: impl FnMut(RecordRef<'_>) -> Result<(), E>,
    ) -> Result<Report, E> {
        let start = start_of(self.manifest.version.cut());
        self.replay_from(start, each)
    }

    /// Like [`Recovery::replay`] from another start, for tests of the log by itself.
    pub fn replay_from<E: From<Error>>(
        &mut self,
        start: Start,
        each: impl FnMut(RecordRef<'_>) -> Result<(), E>,
    ) -> Result<Report, E> {
        let image = self.manifest.version.cut();
        let found = read_log(&*self.fs, &self.dir, self.identity.dataset_id, start, image, each)?;
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
        let Self { fs, dir, options, lock, identity, runs, manifest, found } = self;
        let found = found.expect("replay has just found the end");
        let versions = Arc::new(manifest.start(options.manifest_bytes)?);
        tail::settle(&*fs, &dir, &found)?;
        let segments = Segments::new(fs.clone(), dir.clone(), options.segment_bytes, found.segments);
        let shared = Arc::new(Shared::new(options, found.end.last, segments, on_progress));
        shared.counters.log_bytes.store(found.log_bytes, Relaxed);
        let dataset_id = identity.dataset_id;
        let poisoned = shared.clone();
        let compactor = Arc::new(Compactor::new(
            versions.clone(),
            runs.clone(),
            shared.options.compression,
            shared.options.compaction.clone(),
            Box::new(move |cause| poisoned.fail(cause.into())),
        ));
        let images = Images {
            fs: fs.clone(),
            identity,
            versions,
            runs,
            compactor: compactor.clone(),
            round: AtomicBool::new(false),
            rounds: AtomicU64::new(0),
            replayed_bytes: found.log_bytes,
            log_bytes_at_cut: AtomicU64::new(0),
        };
        let file = found.end.file.clone();
        let syncer = Arc::new(Syncer::new(shared.clone(), fs, dir, file));
        let writer = Writer::new(shared.clone(), syncer.clone(), dataset_id, found.end);
        Ok((Engine::new(shared, images, lock), Steps { writer, syncer, compactor }))
    }
}

/// Locks a dataset's directory.
pub(crate) fn lock(fs: &dyn Fs, dir: &Path) -> Result<LockGuard, Error> {
    let path = dir.join(LOCK);
    fs.lock(&path).map_err(|e| match e.kind() {
        io::ErrorKind::WouldBlock => Error::Locked { path },
        _ => Error::io("lock", &path, e),
    })
}

/// Where the log behind an image begins.
pub(crate) fn start_of(image: Cut) -> Start {
    Start { segment: image.segment, lsn: image.lsn }
}

/// Reads the log behind `image`, and hands out the records that are not in it.
pub(crate) fn read_log<E: From<Error>>(
    fs: &dyn Fs,
    dir: &Path,
    dataset_id: u64,
    start: Start,
    image: Cut,
    mut each: impl FnMut(RecordRef<'_>) -> Result<(), E>,
) -> Result<Found, E> {
    let mut skipped = 0;
    let later = |record: RecordRef<'_>| {
        if record.epoch > image.epoch {
            return each(record);
        }
        skipped += 1;
        Ok(())
    };
    let mut found = reader::replay(fs, dir, dataset_id, start, later)?;
    let report = &mut found.report;
    report.records -= skipped;
    report.epoch = report.epoch.max(image.epoch);
    if report.last < image.durable {
        let what = format!(
            "the log ends with record {}, and records up to {} were durable when the image was made",
            report.last, image.durable
        );
        return Err(Error::corrupt(&found.end.file.path, found.end.offset, what).into());
    }
    Ok(found)
}
