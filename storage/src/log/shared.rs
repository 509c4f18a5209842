//! What the engine's threads and its callers share: the buffers, the marks, the switches.
//!
//! Invariants:
//! * `durable ≤ written ≤ last LSN`, and none of them ever falls.
//! * A final status (`ReadOnly`, `Failed`) never changes again (D3).
//! * An appender that leaves a record behind wakes a log thread that sleeps for want of work, and makes no system
//!   call otherwise.

use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64};
use std::sync::{Condvar, Mutex, OnceLock, PoisonError};
use std::thread::Thread;
use std::time::{Duration, Instant};

use super::buffer::Buffers;
use super::segments::Segments;
use crate::error::Error;
use crate::options::{OnFailure, Options, SyncMode};
use crate::record::Lsn;

/// Whether the log takes records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Status {
    /// It does.
    Healthy = 0,
    /// The disk is full. Records wait in memory and are written as soon as there is room; take no more until then.
    Full = 1,
    /// A write or sync failed for good, and reads may go on.
    ReadOnly = 2,
    /// A write or sync failed for good, and the process should stop.
    Failed = 3,
}

impl Status {
    /// Whether only a restart can change it.
    pub fn is_final(self) -> bool {
        matches!(self, Self::ReadOnly | Self::Failed)
    }

    fn from_u8(value: u8) -> Self {
        match value {
            0 => Self::Healthy,
            1 => Self::Full,
            2 => Self::ReadOnly,
            _ => Self::Failed,
        }
    }
}

/// How far the log has come; given to the `on_progress` callback whenever part of it changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Records up to here are with the system: they survive the death of the process.
    pub written: Lsn,
    /// Records up to here are on the disk.
    pub durable: Lsn,
    /// Whether the log takes records.
    pub status: Status,
}

/// Called by the log's threads; must not block, and must not call back into the engine other than to read.
pub type OnProgress = Box<dyn Fn(Progress) + Send + Sync>;

/// Counters for INFO.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Frames written since start.
    pub frames: u64,
    /// Bytes written since start.
    pub bytes_written: u64,
    /// Syncs since start.
    pub syncs: u64,
    /// How long the last sync took, in microseconds.
    pub last_sync_us: u64,
    /// The size of the log that a replay would have to read; spare segments are left out.
    pub log_bytes: u64,
}

/// The counters behind [`Stats`].
#[derive(Default)]
pub struct Counters {
    pub frames: AtomicU64,
    pub bytes_written: AtomicU64,
    pub syncs: AtomicU64,
    pub last_sync_us: AtomicU64,
    pub log_bytes: AtomicU64,
}

/// A thread that sleeps until there is work.
#[derive(Default)]
#[repr(align(128))]
pub struct Sleeper {
    asleep: AtomicBool,
    thread: OnceLock<Thread>,
}

impl Sleeper {
    /// Makes the calling thread the one that sleeps here.
    pub fn adopt_current_thread(&self) {
        let _already_adopted = self.thread.set(std::thread::current());
    }

    /// Sleeps unless `has_work`. The flag is up before `has_work` looks, and whoever makes work makes it before it
    /// looks at the flag; all four are sequentially consistent, so one of the two sees the other.
    pub fn sleep_unless(&self, has_work: impl FnOnce() -> bool) {
        self.asleep.store(true, SeqCst);
        if !has_work() {
            std::thread::park();
        }
        self.asleep.store(false, SeqCst);
    }

    /// Wakes the thread if it sleeps for want of work: one load when it does not.
    #[inline]
    pub fn wake(&self) {
        if self.asleep.load(SeqCst) {
            self.wake_sleeping();
        }
    }

    #[cold]
    fn wake_sleeping(&self) {
        if self.asleep.swap(false, SeqCst) {
            self.interrupt();
        }
    }

    /// Wakes the thread even from a timed sleep.
    pub fn interrupt(&self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }
}

/// The shared state.
pub struct Shared {
    pub buffers: Buffers,
    pub segments: Segments,
    pub log_sleeper: Sleeper,
    pub sync_sleeper: Sleeper,
    pub counters: Counters,
    pub options: Options,
    mode: AtomicU8,
    status: AtomicU8,
    closing: AtomicBool,
    written: AtomicU64,
    durable: AtomicU64,
    /// Someone waits until this is durable, whatever the mode.
    wanted: AtomicU64,
    failure: OnceLock<String>,
    /// Guards nothing; goes with `moved`. A leaf in the lock order.
    waiting: Mutex<()>,
    /// The durable mark, the status or `closing` changed.
    moved: Condvar,
    on_progress: OnProgress,
}

impl Shared {
    /// The state of a log whose records up to `last` are durable.
    pub fn new(options: Options, last: Lsn, segments: Segments, on_progress: OnProgress) -> Self {
        Self {
            buffers: Buffers::new(last),
            segments,
            log_sleeper: Sleeper::default(),
            sync_sleeper: Sleeper::default(),
            counters: Counters::default(),
            mode: AtomicU8::new(options.sync_mode as u8),
            options,
            status: AtomicU8::new(Status::Healthy as u8),
            closing: AtomicBool::new(false),
            written: AtomicU64::new(last.0),
            durable: AtomicU64::new(last.0),
            wanted: AtomicU64::new(0),
            failure: OnceLock::new(),
            waiting: Mutex::new(()),
            moved: Condvar::new(),
            on_progress,
        }
    }

    pub fn mode(&self) -> SyncMode {
        SyncMode::from_u8(self.mode.load(SeqCst))
    }

    pub fn set_mode(&self, mode: SyncMode) {
        self.mode.store(mode as u8, SeqCst);
        self.log_sleeper.interrupt();
        self.sync_sleeper.interrupt();
    }

    #[inline]
    pub fn status(&self) -> Status {
        Status::from_u8(self.status.load(SeqCst))
    }

    #[inline]
    pub fn written(&self) -> Lsn {
        Lsn(self.written.load(SeqCst))
    }

    #[inline]
    pub fn durable(&self) -> Lsn {
        Lsn(self.durable.load(SeqCst))
    }

    pub fn is_closing(&self) -> bool {
        self.closing.load(SeqCst)
    }

    pub fn close(&self) {
        self.closing.store(true, SeqCst);
        self.notify();
        self.log_sleeper.interrupt();
        self.sync_sleeper.interrupt();
    }

    /// Whether written records must be synced now, whatever the mode.
    pub fn sync_is_wanted(&self) -> bool {
        self.wanted.load(SeqCst) > self.durable().0 && self.written() > self.durable()
    }

    pub fn set_written(&self, lsn: Lsn) {
        self.written.store(lsn.0, SeqCst);
        self.report();
    }

    pub fn set_durable(&self, lsn: Lsn) {
        self.durable.store(lsn.0, SeqCst);
        self.notify();
        self.report();
    }

    /// Enters or leaves `Full`; a final status stays.
    pub fn set_full(&self, full: bool) {
        let (from, to) = match full {
            true => (Status::Healthy, Status::Full),
            false => (Status::Full, Status::Healthy),
        };
        if self.status.compare_exchange(from as u8, to as u8, SeqCst, SeqCst).is_ok() {
            self.report();
        }
    }

    /// The log is over (D3). The first cause is kept.
    pub fn fail(&self, cause: String) {
        if self.failure.set(cause).is_err() {
            return;
        }
        let status = match self.options.on_failure {
            OnFailure::Stop => Status::Failed,
            OnFailure::ReadOnly => Status::ReadOnly,
        };
        self.status.store(status as u8, SeqCst);
        self.notify();
        self.report();
    }

    /// An error once the status is final.
    pub fn check(&self) -> Result<(), Error> {
        match self.failure.get() {
            Some(cause) => Err(Error::Poisoned { cause: cause.clone() }),
            None => Ok(()),
        }
    }

    /// See [`Engine::wait_durable`](crate::Engine::wait_durable).
    pub fn wait_durable(&self, lsn: Lsn, timeout: Duration) -> Result<bool, Error> {
        if self.durable() >= lsn {
            return Ok(true);
        }
        self.wanted.fetch_max(lsn.0, SeqCst);
        // If the record is not written yet, the log thread passes the wish on once it is.
        self.sync_sleeper.interrupt();
        let deadline = Instant::now() + timeout;
        let mut guard = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        while self.durable() < lsn {
            self.check()?;
            if self.is_closing() {
                return Err(Error::Closed);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(false);
            }
            guard = self.moved.wait_timeout(guard, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        Ok(true)
    }

    /// See [`Engine::release_before`](crate::Engine::release_before).
    pub fn release_before(&self, segment: u64) -> Result<(), Error> {
        let (bytes, outcome) = self.segments.release_before(segment);
        self.counters.log_bytes.fetch_sub(bytes, Relaxed);
        outcome
    }

    pub fn stats(&self) -> Stats {
        let counters = &self.counters;
        Stats {
            frames: counters.frames.load(Relaxed),
            bytes_written: counters.bytes_written.load(Relaxed),
            syncs: counters.syncs.load(Relaxed),
            last_sync_us: counters.last_sync_us.load(Relaxed),
            log_bytes: counters.log_bytes.load(Relaxed),
        }
    }

    fn notify(&self) {
        // Taking the lock keeps the news from falling between a waiter's look and its sleep.
        drop(self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        self.moved.notify_all();
    }

    fn report(&self) {
        (self.on_progress)(Progress {
            written: self.written(),
            durable: self.durable(),
            status: self.status(),
        });
    }
}
