//! The engine as its users see it: append, marks, versions, close; and the threads that do the work.
//!
//! * `forgekv-log` writes frames: at once with [`SyncMode::Always`], where it also syncs each, otherwise every
//!   `flush_interval`. With nothing to write it sleeps until an append wakes it; an idle engine uses no CPU.
//! * `forgekv-log-sync` syncs once a second with [`SyncMode::EverySecond`], and in every mode when someone waits for a
//!   record to be durable; frames go on being written meanwhile.
//! * `forgekv-filters` reads the filters of the runs that a start has found, and ends.
//! * `forgekv-compact-N` merge runs: [`compaction`].
//!
//! Rounds are in [`checkpoint`](crate::checkpoint), on a thread of the caller's.
//!
//! Invariants: an engine that was closed or dropped has joined its threads; everything appended before a `close` that
//! returned `Ok` is durable.
//!
//! The engine does not decide what a full disk or a failed sync means for clients: it says so in its status.

use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::compaction::{self, Compactor, Pool};
use crate::error::Error;
use crate::fs::{Fs, LockGuard};
use crate::identity::Identity;
use crate::log::payload::Payload;
use crate::log::shared::{self, Shared, Status};
use crate::log::sync::Syncer;
use crate::log::writer::{Step, Writer};
use crate::options::{Options, SyncMode};
use crate::record::{Epoch, Lsn};
use crate::recovery::Recovery;
use crate::run::RunDir;
use crate::version::{Version, VersionSet};

/// How long to wait for room on a full disk before trying again.
const RETRY_INTERVAL: Duration = Duration::from_millis(100);
/// The time between two syncs with [`SyncMode::EverySecond`].
const SYNC_INTERVAL: Duration = Duration::from_secs(1);

/// An open dataset. Shared by reference among all threads.
pub struct Engine {
    shared: Arc<Shared>,
    images: Images,
    /// The threads and the directory's lock, until the engine is closed. Guards the close itself, too.
    running: Mutex<Option<Running>>,
}

/// The versions and their files.
pub(crate) struct Images {
    pub fs: Arc<dyn Fs>,
    pub identity: Identity,
    pub versions: Arc<VersionSet>,
    pub runs: RunDir,
    pub compactor: Arc<Compactor>,
    /// Whether a round is in progress.
    pub round: AtomicBool,
    /// Rounds committed since the start.
    pub rounds: AtomicU64,
    /// The bytes of the log that a start has found, from where replay begins.
    pub replayed_bytes: u64,
    /// How many of the bytes counted by [`Engine::log_bytes`] lay before the last committed cut.
    pub log_bytes_at_cut: AtomicU64,
}

/// Counters for INFO.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Those of the log.
    pub log: shared::Stats,
    /// Checkpoint rounds committed since the start.
    pub rounds: u64,
    /// The runs of the current version.
    pub runs: u64,
    /// The sum of their sizes, in bytes.
    pub run_bytes: u64,
}

struct Running {
    threads: Vec<JoinHandle<()>>,
    compaction: Option<Pool>,
    _lock: LockGuard,
}

impl Engine {
    /// Locks `dir`, creating it if need be, and reads or makes the dataset's identity. Replay and start follow.
    pub fn recover(fs: Arc<dyn Fs>, dir: &Path, options: Options) -> Result<Recovery, Error> {
        Recovery::open(fs, dir, options)
    }

    pub(crate) fn new(shared: Arc<Shared>, images: Images, lock: LockGuard) -> Self {
        let running = Running { threads: Vec::new(), compaction: None, _lock: lock };
        Self { shared, images, running: Mutex::new(Some(running)) }
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    pub(crate) fn images(&self) -> &Images {
        &self.images
    }

    /// Appends one record and returns its place in the order. To be called while the shard's lock is held, which makes
    /// the order of the log the order of the changes; `epoch` was read under that lock.
    ///
    /// `encode` appends the record's bytes to what it is given; what is there already is none of its business. It takes one
    /// uncontended lock and one shared counter, allocates nothing in steady state and never more than a piece, and makes no
    /// system call except to wake a log thread that has nothing to do.
    ///
    /// Once the status is final or the engine is closed, the record is numbered and goes nowhere.
    ///
    /// # Panics
    /// If `shard` is not below 64, or `epoch` is below that of an earlier record of this shard.
    #[inline]
    pub fn append(&self, shard: usize, epoch: Epoch, encode: impl FnOnce(&mut Payload)) -> Lsn {
        let lsn = self.shared.buffers.append(shard, epoch, encode);
        self.shared.log_sleeper.wake();
        lsn
    }

    /// The last LSN given out.
    #[inline]
    pub fn last_lsn(&self) -> Lsn {
        self.shared.buffers.last_lsn()
    }

    /// Records up to here are with the system: they survive the death of the process.
    #[inline]
    pub fn written_lsn(&self) -> Lsn {
        self.shared.written()
    }

    /// Records up to here are on the disk.
    #[inline]
    pub fn durable_lsn(&self) -> Lsn {
        self.shared.durable()
    }

    /// Whether the log takes records.
    #[inline]
    pub fn status(&self) -> Status {
        self.shared.status()
    }

    /// Why the status is final, as a sentence; `None` if it is not.
    pub fn failure(&self) -> Option<String> {
        self.shared.check().err().map(|error| error.to_string())
    }

    /// Unwritten bytes in memory; may miss up to 64 KiB for each shard.
    #[inline]
    pub fn pending_bytes(&self) -> u64 {
        self.shared.buffers.pending_bytes()
    }

    /// Whether more bytes are unwritten than the options allow: time to stop reading from clients that write.
    #[inline]
    pub fn is_backlogged(&self) -> bool {
        self.pending_bytes() > self.shared.options.buffer_limit_bytes
    }

    /// When records are made durable.
    pub fn sync_mode(&self) -> SyncMode {
        self.shared.mode()
    }

    /// Changes when records are made durable, from the next frame on.
    pub fn set_sync_mode(&self, mode: SyncMode) {
        self.shared.set_mode(mode);
    }

    /// The current version: an image of the dataset at the cut of the last committed round. It stays as it is, and its
    /// files stay, for as long as it is held.
    pub fn version(&self) -> Arc<Version> {
        self.images.versions.current()
    }

    /// The bytes of the log behind the cut of the last committed round: what a start would have to replay.
    pub fn log_bytes_since_cut(&self) -> u64 {
        self.log_bytes() - self.images.log_bytes_at_cut.load(Relaxed)
    }

    /// The bytes that the log has grown by since a time before the start.
    pub(crate) fn log_bytes(&self) -> u64 {
        self.images.replayed_bytes + self.shared.counters.bytes_written.load(Relaxed)
    }

    /// Counters for INFO.
    pub fn stats(&self) -> Stats {
        let version = self.version();
        Stats {
            log: self.shared.stats(),
            rounds: self.images.rounds.load(Relaxed),
            runs: version.runs().count() as u64,
            run_bytes: version.runs().map(|run| run.meta().size_bytes).sum(),
        }
    }

    /// How far compaction is behind; see [`Compactor::pressure`]. It costs one load.
    #[inline]
    pub fn pressure(&self) -> f64 {
        self.images.compactor.pressure()
    }

    /// What compaction is doing, for INFO.
    pub fn compaction_stats(&self) -> compaction::Stats {
        self.images.compactor.stats()
    }

    /// Has the records up to `lsn` synced, whatever the mode, and waits until they are; `false` if that takes longer
    /// than `timeout`. Fails with `Poisoned` or `Closed` if it can never be.
    pub fn wait_durable(&self, lsn: Lsn, timeout: Duration) -> Result<bool, Error> {
        self.shared.wait_durable(lsn, timeout)
    }

    /// The segment at which a replay of the records after `lsn`, a durable one, has to begin: the `segment` of its
    /// [`Start`](crate::recovery::Start).
    pub fn segment_of(&self, lsn: Lsn) -> u64 {
        self.shared.segments.segment_of(lsn)
    }

    /// Says that no replay will ever begin below `segment`: the segments there are written again or removed. The start
    /// that says so must be durable. A file that cannot be removed is an error and no harm: the next start removes it.
    pub fn release_before(&self, segment: u64) -> Result<(), Error> {
        self.shared.release_before(segment)
    }

    /// Writes and syncs everything, ends the threads and unlocks the directory. `Ok` says that every record appended
    /// before is durable. A round is not part of it: whoever wants one runs it before. A second close fails with `Closed`.
    pub fn close(&self) -> Result<(), Error> {
        let mut guard = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let running = guard.take().ok_or(Error::Closed)?;
        // Before the manifest is sealed. The merges that are abandoned take no time.
        drop(running.compaction);
        self.shared.close();
        for thread in running.threads {
            if thread.join().is_err() {
                self.shared.fail("a thread of the log panicked.".into());
            }
        }
        self.shared.check()?;
        match self.images.versions.seal() {
            // There is no room to say that all is well; it is all the same.
            Ok(()) | Err(Error::Io { .. }) => {}
            Err(error) => return Err(error),
        }
        match self.durable_lsn() == self.last_lsn() {
            true => Ok(()),
            false => {
                let lost = self.last_lsn().0 - self.durable_lsn().0;
                Err(Error::Poisoned { cause: format!("There was no room to write the last {lost} records.") })
            }
        }
    }

    pub(crate) fn spawn(&self, steps: Steps) -> Result<(), Error> {
        let Steps { writer, syncer, compactor } = steps;
        let spawn = |name: &str, run: Box<dyn FnOnce() + Send>| {
            let name = name.to_owned();
            let thread = thread::Builder::new().name(name.clone()).spawn(run);
            thread.map_err(|e| Error::io("start the thread", Path::new(&name), e))
        };
        let mut guard = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let running = guard.as_mut().ok_or(Error::Closed)?;
        let (shared, sync) = (self.shared.clone(), syncer.clone());
        let log = LogThread { shared: self.shared.clone(), syncer, writer };
        running.threads.push(spawn("forgekv-log", Box::new(move || log.run()))?);
        let run_sync = Box::new(move || SyncThread { shared, syncer: sync }.run());
        running.threads.push(spawn("forgekv-log-sync", run_sync)?);
        let (version, shared) = (self.version(), self.shared.clone());
        let load = move || {
            // Filters only save reads. One that cannot be read is met again by whoever reads its run.
            let mut runs = version.runs().take_while(|_| !shared.is_closing());
            let _met_again = runs.try_for_each(|run| run.reader().load_filter());
        };
        running.threads.push(spawn("forgekv-filters", Box::new(load))?);
        running.compaction = Some(Pool::start(compactor)?);
        Ok(())
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // The owner who cares about the outcome has called `close`.
        let _outcome = self.close();
    }
}

/// Fails the log when its thread panics, so that nobody waits for a mark that will not move.
struct PanicGuard(Arc<Shared>);

impl Drop for PanicGuard {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.fail("a thread of the log panicked.".into());
        }
    }
}

struct LogThread {
    shared: Arc<Shared>,
    syncer: Arc<Syncer>,
    writer: Writer,
}

impl LogThread {
    fn run(mut self) {
        let _guard = PanicGuard(self.shared.clone());
        self.shared.log_sleeper.adopt_current_thread();
        let _mark = self.writer.write_mark();
        while !self.shared.is_closing() {
            let step = self.writer.step();
            let always = self.shared.mode() == SyncMode::Always;
            if always {
                self.syncer.sync(false);
            } else if self.shared.sync_is_wanted() {
                // Not here: what is appended meanwhile would die with the process.
                self.shared.sync_sleeper.interrupt();
            }
            match step {
                Step::Wrote if always => {}
                Step::Wrote => {
                    self.shared.sync_sleeper.wake();
                    thread::park_timeout(self.shared.options.flush_interval);
                }
                Step::Full => thread::park_timeout(RETRY_INTERVAL),
                Step::Nothing | Step::Failed => {
                    let sleeper = &self.shared.log_sleeper;
                    sleeper.sleep_unless(|| self.writer.has_work() || self.shared.is_closing());
                }
            }
        }
        finish(&mut self.writer, &self.syncer);
    }
}

/// Writes and syncs what is left, and a mark that says so.
fn finish(writer: &mut Writer, syncer: &Syncer) {
    while writer.step() == Step::Wrote {}
    syncer.sync(false);
    if writer.write_mark() == Step::Wrote {
        syncer.sync(true);
    }
}

struct SyncThread {
    shared: Arc<Shared>,
    syncer: Arc<Syncer>,
}

impl SyncThread {
    fn run(self) {
        let _guard = PanicGuard(self.shared.clone());
        self.shared.sync_sleeper.adopt_current_thread();
        let mut next = Instant::now() + SYNC_INTERVAL;
        while !self.shared.is_closing() {
            if !self.has_work() {
                self.shared.sync_sleeper.sleep_unless(|| self.has_work() || self.shared.is_closing());
                continue;
            }
            let now = Instant::now();
            if now < next && !self.shared.sync_is_wanted() {
                thread::park_timeout(next - now);
                continue;
            }
            next = now + SYNC_INTERVAL;
            self.syncer.sync(false);
        }
    }

    fn has_work(&self) -> bool {
        let shared = &self.shared;
        let is_due = shared.mode() == SyncMode::EverySecond && shared.written() > shared.durable();
        (is_due || shared.sync_is_wanted()) && !shared.status().is_final()
    }
}

/// The work of the engine's threads, for tests to do one step at a time. The two halves may run beside each other.
pub struct Steps {
    /// What `forgekv-log` does.
    pub writer: Writer,
    /// What `forgekv-log-sync` does, and `forgekv-log` with [`SyncMode::Always`].
    pub syncer: Arc<Syncer>,
    /// What `forgekv-compact-N` do.
    pub compactor: Arc<Compactor>,
}

impl Steps {
    /// What the log thread does when the engine closes.
    pub fn finish(&mut self) {
        finish(&mut self.writer, &self.syncer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::sim::Sim;

    #[test]
    fn frames_are_written_while_someone_waits_for_a_sync() {
        for sync_mode in [SyncMode::EverySecond, SyncMode::Never] {
            let options = Options { sync_mode, ..Options::default() };
            let recovery = Engine::recover(Arc::new(Sim::new(1)), Path::new("/data"), options).unwrap();
            let (engine, steps) = recovery.start_stepped(Box::new(|_| {})).unwrap();
            let syncer = steps.syncer.clone();
            let long_sync = syncer.begin(true).unwrap();
            engine.spawn(steps).unwrap();

            let append = || engine.append(0, Epoch(1), |out| out.push(7));
            assert!(!engine.wait_durable(append(), Duration::from_millis(20)).unwrap());
            let last = append();
            let deadline = Instant::now() + Duration::from_secs(10);
            while engine.written_lsn() < last {
                assert!(Instant::now() < deadline, "{sync_mode:?}: a sync holds frames up");
                thread::yield_now();
            }
            long_sync.finish();
            assert!(engine.wait_durable(last, Duration::from_secs(10)).unwrap());
            engine.close().unwrap();
        }
    }
}
