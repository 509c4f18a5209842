//! Compaction as it runs: the threads, what they do next, and how fast.
//!
//! * [`Compactor`] knows the running jobs and hands out [`Task`]s: a part of a job, or files to remove. It has no thread,
//!   so that tests do the work one task at a time.
//! * [`Pool`] is the threads `forgekv-compact-N` that do these tasks, and sleep when there are none.
//!
//! # Invariants
//! * A job is picked from the version that is current under the work lock, and leaves the list of running jobs after its
//!   edit is published. So a choice is always made with everything known that runs or has just ended.
//! * A job is committed by one edit, or all that it wrote is removed. After a commit that failed with `Poisoned` nothing is
//!   removed: only the next start can tell which version is the durable one.
//! * The pressure that is published is that of the newest version that was poked for.
//!
//! # Failures
//! A failed job rests, twice as long each time, and until then nobody touches its inputs: for the picker it is running. Other
//! jobs go on. A merge on a full disk holds up all merges instead, because they need room before they give any back, and
//! nothing else: dead runs go. The failure is in [`Stats::last_error`] until it is overcome. `Poisoned` ends the pool's
//! service.
//!
//! # Rate
//! The limiter's rate is such that what is to be done takes ten seconds, at least
//! [`Options::bytes_per_second_min`]; it grows without bound as the pressure nears one half, so that compaction has all it
//! can use long before writes are slowed down noticeably.
//!
//! The work lock is taken with no other lock held; under it only the locks of the version set's current version and of the
//! limiter are taken, and no I/O is done. Nothing here knows why versions change: whoever changes one calls
//! [`Compactor::poke`].

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::job::{Job, Tools};
use super::limiter::Limiter;
use super::picker::{self, Action, Choice};
use crate::error::Error;
use crate::run::{Built, Compression, RunDir, RunId};
use crate::version::{RunMeta, Version, VersionSet};

/// The rate is such that all that is to be done would take so long.
const SETTLE_SECONDS: f64 = 10.0;
/// How long a job rests after its first failure.
const REST: Duration = Duration::from_secs(2);
/// How often the rest is doubled at most.
const REST_DOUBLINGS: u32 = 5;
/// While somebody still holds runs that have left the version, they are looked for so often.
const LINGER: Duration = Duration::from_secs(1);

/// The tunables of a pool.
#[derive(Debug, Clone)]
pub struct Options {
    /// The shape to keep.
    pub shape: picker::Options,
    /// The number of threads.
    pub threads: usize,
    /// The rate, in bytes read a second, when there is little to do.
    pub bytes_per_second_min: u64,
    /// What each thread does first: the place to lower its priority.
    pub on_start: fn(),
}

impl Default for Options {
    fn default() -> Self {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        Self {
            shape: picker::Options::default(),
            threads: (cores / 4).clamp(1, 4),
            bytes_per_second_min: 16 << 20,
            on_start: || {},
        }
    }
}

/// What compaction is doing, for INFO.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Stats {
    /// Jobs that are being carried out.
    pub running_jobs: u64,
    /// Jobs that were committed.
    pub jobs: u64,
    /// Bytes read, before compression, and 4 KiB for each look at a piece that is passed over; counted in steps of 64 KiB an input.
    pub bytes_read: u64,
    /// Bytes of the runs written.
    pub bytes_written: u64,
    /// About the bytes to be written until the runs have the shape they should have.
    pub debt_bytes: u64,
    /// See [`Compactor::pressure`].
    pub pressure: f64,
    /// The last failure, as a sentence, until it is overcome.
    pub last_error: Option<String>,
}

/// What a thread does next.
pub struct Task(Kind);

enum Kind {
    Remove(Vec<RunId>),
    /// A job without parts: there is nothing to do but to commit it.
    Commit(Arc<Job>),
    Part(Arc<Job>, usize),
}

/// Called once if a commit fails for good, with the reason as a sentence.
pub type OnPoisoned = Box<dyn Fn(&str) + Send + Sync>;

/// What is to be done next, and what is known of what is being done.
pub struct Compactor {
    tools: Tools,
    options: Options,
    on_poisoned: OnPoisoned,
    work: Mutex<Work>,
    wake: Condvar,
    /// The bits of an `f64`.
    pressure: AtomicU64,
}

#[derive(Default)]
struct Work {
    running: Vec<Running>,
    resting: Vec<Resting>,
    /// Runs that have left the version and were not removed yet.
    leaving: u64,
    jobs: u64,
    last_error: Option<String>,
    /// Nothing is begun any more.
    ended: bool,
}

struct Running {
    job: Arc<Job>,
    /// Parts that somebody has begun, and parts that were ended.
    begun: usize,
    ended: usize,
    outputs: Vec<Built>,
    error: Option<Error>,
}

/// A job that failed.
struct Resting {
    choice: Choice,
    failures: u32,
    until: Instant,
    disk_is_full: bool,
}

impl Compactor {
    /// A compactor of `set`, whose runs lie in `runs`; the runs that it writes are compressed if `compression` says so.
    pub fn new(
        set: Arc<VersionSet>,
        runs: RunDir,
        compression: Compression,
        options: Options,
        on_poisoned: OnPoisoned,
    ) -> Self {
        let tools = Tools {
            set,
            runs,
            compression,
            limiter: Limiter::new(f64::INFINITY),
            bytes_read: AtomicU64::new(0),
            bytes_written: AtomicU64::new(0),
        };
        let (work, wake, pressure) = (Mutex::default(), Condvar::new(), AtomicU64::new(0));
        let compactor = Self { tools, options, on_poisoned, work, wake, pressure };
        compactor.poke();
        compactor
    }

    /// To be called after each change of the current version: pressure and rate follow it, and sleeping threads look whether
    /// there is work. It does no I/O.
    pub fn poke(&self) {
        self.refresh(&self.lock());
        self.wake.notify_all();
    }

    /// How far compaction is behind, as of the last poke: 0 is not at all; writers slow down as it rises. From 1 on they
    /// should be as slow as they may ever be: a damaged run can keep it there until an operator helps.
    pub fn pressure(&self) -> f64 {
        f64::from_bits(self.pressure.load(Relaxed))
    }

    /// What compaction is doing.
    pub fn stats(&self) -> Stats {
        let backlog = picker::backlog(&self.tools.set.current(), &self.options.shape);
        let work = self.lock();
        Stats {
            running_jobs: work.running.len() as u64,
            jobs: work.jobs,
            bytes_read: self.tools.bytes_read.load(Relaxed),
            bytes_written: self.tools.bytes_written.load(Relaxed),
            debt_bytes: backlog.debt_bytes,
            pressure: self.pressure(),
            last_error: work.last_error.clone(),
        }
    }

    /// The next task, if there is one at `now`. It must be handed to [`Compactor::run`].
    pub fn next(&self, now: Instant) -> Option<Task> {
        self.unused().or_else(|| self.next_of_job(&mut self.lock(), now))
    }

    /// Does a task.
    pub fn run(&self, task: Task) {
        self.run_by(task, Instant::now);
    }

    /// Does a task by a clock of the caller's choice: what failed rests from when it ends.
    pub fn run_by(&self, task: Task, clock: impl Fn() -> Instant) {
        match task.0 {
            Kind::Remove(runs) => self.remove(&runs),
            Kind::Commit(job) => self.end(&job, Vec::new(), None, clock),
            Kind::Part(job, part) => {
                let mut outputs = Vec::new();
                let merged = job.merge(part, &self.tools, &mut outputs);
                self.end_part(&job, outputs, merged, clock);
            }
        }
    }

    /// Begins nothing more, and ends what is being merged soon. What a job has written is removed: at once if none of
    /// its tasks is in work, otherwise when they have ended, or by a second call after that.
    pub fn stop(&self) {
        let mut work = self.lock();
        work.ended = true;
        self.tools.limiter.close();
        self.wake.notify_all();
        let left: Vec<Running> =
            work.running.extract_if(.., |running| running.begun == running.ended).collect();
        drop(work);
        left.iter().for_each(|running| self.discard(&running.outputs));
    }

    /// Waits for the next task; `None` at the end.
    fn wait(&self) -> Option<Task> {
        loop {
            if let Some(task) = self.unused() {
                return Some(task);
            }
            let mut work = self.lock();
            if work.ended {
                return None;
            }
            let now = Instant::now();
            if let Some(task) = self.next_of_job(&mut work, now) {
                return Some(task);
            }
            let resting = work.resting.iter().filter(|resting| resting.until > now);
            let rests = resting.map(|resting| resting.until - now);
            let linger = (work.leaving > 0).then_some(LINGER);
            match rests.chain(linger).min() {
                Some(wait) => drop(self.wake.wait_timeout(work, wait)),
                None => drop(self.wake.wait(work)),
            }
        }
    }

    /// The runs that have left the version and that nobody holds any more.
    fn unused(&self) -> Option<Task> {
        // Not under the work lock: this closes files.
        let unused = self.tools.set.take_unused();
        let mut work = self.lock();
        work.leaving = work.leaving.saturating_sub(unused.len() as u64);
        (!unused.is_empty()).then_some(Task(Kind::Remove(unused)))
    }

    fn next_of_job(&self, work: &mut Work, now: Instant) -> Option<Task> {
        if work.ended {
            return None;
        }
        if let Some(running) = work.running.iter_mut().find(|running| running.has_parts_left()) {
            return Some(running.begin_part());
        }
        let version = self.tools.set.current();
        let choice = self.pick(work, &version, now)?;
        let job = Arc::new(Job::new(choice, &version));
        let mut running = Running { job: job.clone(), begun: 0, ended: 0, outputs: Vec::new(), error: None };
        let task = if running.has_parts_left() { running.begin_part() } else { Task(Kind::Commit(job)) };
        work.running.push(running);
        self.refresh(work);
        Some(task)
    }

    fn pick(&self, work: &Work, version: &Version, now: Instant) -> Option<Choice> {
        let resting: Vec<&Resting> = work.resting.iter().filter(|resting| resting.until > now).collect();
        let busy = resting.iter().filter(|resting| !resting.waits_for_room()).map(|resting| &resting.choice);
        let running = work.running.iter().map(|running| &running.job.choice);
        let busy: Vec<Choice> = running.chain(busy).cloned().collect();
        let choice = picker::pick(version, &busy, &self.options.shape)?;
        let no_room =
            choice.action == Action::Merge && resting.iter().any(|resting| resting.waits_for_room());
        (!no_room).then_some(choice)
    }

    fn end_part(
        &self,
        job: &Arc<Job>,
        outputs: Vec<Built>,
        merged: Result<(), Error>,
        clock: impl Fn() -> Instant,
    ) {
        let mut work = self.lock();
        let of_job = |running: &&mut Running| Arc::ptr_eq(&running.job, job);
        let running = work.running.iter_mut().find(of_job).expect("a job with a part in work is running");
        running.ended += 1;
        running.outputs.extend(outputs);
        if let Err(error) = merged {
            job.abandon();
            running.error.get_or_insert(error);
        }
        if running.ended < running.begun || running.has_parts_left() {
            return;
        }
        let (outputs, error) = (std::mem::take(&mut running.outputs), running.error.take());
        drop(work);
        self.end(job, outputs, error, clock);
    }

    /// Commits a job whose parts have ended, or removes what it wrote.
    fn end(&self, job: &Arc<Job>, outputs: Vec<Built>, error: Option<Error>, clock: impl Fn() -> Instant) {
        let ended = match error {
            None => self.commit(&job.choice, &outputs),
            Some(error) => Err(error),
        };
        match &ended {
            Ok(_) => {}
            Err(Error::Poisoned { cause }) => (self.on_poisoned)(cause),
            Err(_) => self.discard(&outputs),
        }
        let mut work = self.lock();
        work.running.retain(|running| !Arc::ptr_eq(&running.job, job));
        match ended {
            Ok(removed) => work.succeed(&job.choice, removed),
            Err(error) => work.fail(&job.choice, &error, clock()),
        }
        self.refresh(&work);
        self.wake.notify_all();
    }

    /// Commits a choice: the number of runs that leave with it.
    fn commit(&self, choice: &Choice, outputs: &[Built]) -> Result<u64, Error> {
        let metas = outputs.iter().map(|built| RunMeta::new(built, choice.output_level)).collect();
        let edit = choice.edit(&self.tools.set.current(), metas);
        let runs: Vec<_> = outputs.iter().map(|built| built.run.clone()).collect();
        self.tools.set.commit(&edit, &runs)?;
        Ok(if choice.action == Action::Move { 0 } else { choice.inputs.len() as u64 })
    }

    /// Removes what a job has written and nobody will read.
    fn discard(&self, outputs: &[Built]) {
        let runs: Vec<RunId> = outputs.iter().map(|built| built.run.info().id).collect();
        self.remove(&runs);
    }

    /// Removes files. What stays is removed at the next start.
    fn remove(&self, runs: &[RunId]) {
        for &run in runs {
            if let Err(error) = self.tools.runs.remove(run) {
                self.lock().last_error = Some(error.to_string());
            }
        }
    }

    /// Publishes the pressure, and sets the rate.
    fn refresh(&self, work: &Work) {
        let version = self.tools.set.current();
        let picker::Backlog { pressure, debt_bytes } = picker::backlog(&version, &self.options.shape);
        self.pressure.store(pressure.to_bits(), Relaxed);
        let running: u64 = work.running.iter().map(|running| running.job.choice.bytes).sum();
        let floor = self.options.bytes_per_second_min;
        self.tools.limiter.set_rate(rate(debt_bytes.max(running), pressure, floor));
    }

    fn lock(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Work {
    fn succeed(&mut self, choice: &Choice, removed: u64) {
        self.jobs += 1;
        // Only jobs make runs leave, so no job rests for longer than its inputs last.
        self.leaving += removed;
        self.resting.retain(|resting| !resting.shares_a_run_with(choice));
        if self.resting.is_empty() {
            self.last_error = None;
        }
    }

    fn fail(&mut self, choice: &Choice, error: &Error, now: Instant) {
        if matches!(error, Error::Closed) {
            return;
        }
        self.last_error = Some(error.to_string());
        if matches!(error, Error::Poisoned { .. }) {
            self.ended = true;
            return;
        }
        let before = self.resting.extract_if(.., |resting| resting.shares_a_run_with(choice));
        let failures = 1 + before.map(|resting| resting.failures).max().unwrap_or(0);
        let until = now + REST * (1 << (failures - 1).min(REST_DOUBLINGS));
        let disk_is_full = is_full(error);
        self.resting.push(Resting { choice: choice.clone(), failures, until, disk_is_full });
    }
}

impl Running {
    fn has_parts_left(&self) -> bool {
        self.error.is_none() && self.begun < self.job.choice.parts.len()
    }

    fn begin_part(&mut self) -> Task {
        let part = self.begun;
        self.begun += 1;
        Task(Kind::Part(self.job.clone(), part))
    }
}

impl Resting {
    /// Whether it is no obstacle to jobs that write nothing.
    fn waits_for_room(&self) -> bool {
        self.disk_is_full && self.choice.action == Action::Merge
    }

    fn shares_a_run_with(&self, choice: &Choice) -> bool {
        self.choice.inputs.iter().any(|input| choice.inputs.contains(input))
    }
}

fn is_full(error: &Error) -> bool {
    let Error::Io { source, .. } = error else { return false };
    matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Bytes a second, with `bytes` to be done.
fn rate(bytes: u64, pressure: f64, floor: u64) -> f64 {
    let even = (bytes as f64 / SETTLE_SECONDS).max(floor as f64);
    // Division by zero is infinity, as it should be.
    even / (1.0 - 2.0 * pressure).max(0.0)
}

/// The threads of compaction.
pub struct Pool {
    compactor: Arc<Compactor>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Pool {
    /// Starts to do the tasks of `compactor`.
    pub fn start(compactor: Arc<Compactor>) -> Result<Self, Error> {
        let pool = Self { compactor, threads: Mutex::default() };
        for nth in 0..pool.compactor.options.threads {
            let (name, compactor) = (format!("forgekv-compact-{nth}"), pool.compactor.clone());
            let work = move || {
                (compactor.options.on_start)();
                while let Some(task) = compactor.wait() {
                    compactor.run(task);
                }
            };
            let thread = thread::Builder::new().name(name.clone()).spawn(work);
            let thread = thread.map_err(|e| Error::io("start the thread", Path::new(&name), e))?;
            pool.lock_threads().push(thread);
        }
        Ok(pool)
    }

    /// Ends the compactor and the threads. What they were merging is abandoned, and its files are removed. A second stop
    /// does nothing.
    pub fn stop(&self) {
        self.compactor.stop();
        let threads = std::mem::take(&mut *self.lock_threads());
        for thread in threads {
            if thread.join().is_err() {
                self.compactor.lock().last_error = Some("A thread of compaction panicked.".into());
            }
        }
        self.compactor.stop();
    }

    fn lock_threads(&self) -> MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.stop();
    }
}
