//! Counters, kept per thread and summed when somebody asks.
//!
//! * A thread stores to its own [`ThreadStats`] only, so nothing that is written per command is shared between workers.
//! * CONFIG RESETSTAT does not touch a running thread's counters: it remembers the sums of that moment and subtracts them.

pub mod latency;
pub mod rates;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use latency::{Distribution, Histogram};

/// A counter with one writer.
#[derive(Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Zero.
    pub const fn new() -> Self {
        Counter(AtomicU64::new(0))
    }

    /// Adds; only the owning thread may.
    #[inline]
    pub fn add(&self, amount: u64) {
        // Not fetch_add: there is one writer, and a plain store costs no locked instruction.
        self.0.store(self.0.load(Ordering::Relaxed) + amount, Ordering::Relaxed);
    }

    /// The value so far.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What is counted per command.
#[derive(Default)]
pub struct CommandCounters {
    /// Executions.
    pub calls: Counter,
    /// Time, in nanoseconds. Measured per batch and shared out evenly among its commands: exact for a command that comes
    /// alone, an average inside a pipeline.
    pub nanos: Counter,
    /// Calls refused before the handler ran.
    pub rejected: Counter,
    /// Calls whose handler answered an error.
    pub failed: Counter,
    /// Times, while `latency-tracking` is on.
    latency: OnceLock<Box<Histogram>>,
}

/// Which scalar is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "named as INFO names them")]
#[repr(usize)]
pub enum Stat {
    CommandsProcessed,
    NetInput,
    NetOutput,
    Hits,
    Misses,
    ExpiredKeys,
    ExpiredFields,
    EvictedKeys,
    Dirty,
    ConnectionsReceived,
    RejectedConnections,
    ReadsProcessed,
    WritesProcessed,
    QueryBufferLimit,
    OutputBufferLimit,
    ErrorReplies,
    Deferred,
    Handoffs,
    LoopCycles,
}

const STATS: usize = Stat::LoopCycles as usize + 1;

/// One thread's counters.
#[repr(align(128))]
pub struct ThreadStats {
    scalars: [Counter; STATS],
    /// By [`Row::id`](crate::commands::table::Row::id).
    pub commands: Box<[CommandCounters]>,
    /// Error replies by code. Only this thread and a reader of INFO lock it.
    errors: Mutex<BTreeMap<String, u64>>,
}

/// Distinct error codes kept; a client can make up any number of them only through scripts, but the bound is Redis's.
const ERROR_CODES_MAX: usize = 128;

impl ThreadStats {
    /// Adds to a scalar; only the owning thread may.
    #[inline]
    pub fn add(&self, stat: Stat, amount: u64) {
        self.scalars[stat as usize].add(amount);
    }

    /// Counts a turn's commands, `executed` in their order, and shares `nanos` out among them.
    pub fn add_turn(&self, executed: &[u16], nanos: u64, tracks_latency: bool) {
        let average = nanos / executed.len().max(1) as u64;
        let bucket = latency::bucket_of(average);
        for run in executed.chunk_by(|a, b| a == b) {
            let (counters, times) = (&self.commands[usize::from(run[0])], run.len() as u64);
            counters.calls.add(times);
            counters.nanos.add(average * times);
            if tracks_latency {
                counters.latency.get_or_init(Box::default).add(bucket, times);
            }
        }
        self.add(Stat::CommandsProcessed, executed.len() as u64);
    }

    /// Counts an error reply by its code.
    pub fn count_error(&self, code: &str) {
        self.add(Stat::ErrorReplies, 1);
        let mut errors = self.errors.lock().expect("no panic happens under this leaf lock");
        if let Some(count) = errors.get_mut(code) {
            *count += 1;
        } else if errors.len() < ERROR_CODES_MAX {
            errors.insert(code.to_owned(), 1);
        }
    }
}

/// Sums over all threads.
#[derive(Clone, Debug, Default)]
pub struct Sums {
    scalars: [u64; STATS],
    /// Per command: calls, nanoseconds, rejected, failed.
    pub commands: Vec<[u64; 4]>,
    /// Per error code.
    pub errors: BTreeMap<String, u64>,
}

impl Sums {
    /// One scalar.
    pub fn get(&self, stat: Stat) -> u64 {
        self.scalars[stat as usize]
    }

    /// Time spent executing commands, in nanoseconds.
    pub fn busy_nanos(&self) -> u64 {
        self.commands.iter().map(|[_, nanos, ..]| nanos).sum()
    }

    fn subtract(&mut self, baseline: &Sums) {
        for (sum, base) in self.scalars.iter_mut().zip(baseline.scalars) {
            *sum = sum.saturating_sub(base);
        }
        for (sums, bases) in self.commands.iter_mut().zip(&baseline.commands) {
            for (sum, base) in sums.iter_mut().zip(bases) {
                *sum = sum.saturating_sub(*base);
            }
        }
        for (code, base) in &baseline.errors {
            if let Some(sum) = self.errors.get_mut(code) {
                *sum = sum.saturating_sub(*base);
            }
        }
        self.errors.retain(|_, count| *count > 0);
    }
}

/// All threads' counters.
pub struct Stats {
    commands: usize,
    threads: Mutex<Vec<Arc<ThreadStats>>>,
    baseline: Mutex<Sums>,
    /// The distributions at the last reset, by command.
    latency_baseline: Mutex<BTreeMap<usize, Distribution>>,
}

impl Stats {
    /// For a table of `commands` rows.
    pub fn new(commands: usize) -> Self {
        Stats {
            commands,
            threads: Mutex::default(),
            baseline: Mutex::default(),
            latency_baseline: Mutex::default(),
        }
    }

    /// Counters for one more thread.
    pub fn register(&self) -> Arc<ThreadStats> {
        let stats = Arc::new(ThreadStats {
            scalars: Default::default(),
            commands: (0..self.commands).map(|_| CommandCounters::default()).collect(),
            errors: Mutex::default(),
        });
        self.threads.lock().expect("no panic happens under this leaf lock").push(stats.clone());
        stats
    }

    /// Sums since the last reset.
    pub fn sums(&self) -> Sums {
        let mut sums = self.totals();
        sums.subtract(&self.baseline.lock().expect("no panic happens under this leaf lock"));
        sums
    }

    /// Sums since the start.
    pub fn totals(&self) -> Sums {
        let mut sums = Sums { commands: vec![[0; 4]; self.commands], ..Sums::default() };
        for thread in self.threads.lock().expect("no panic happens under this leaf lock").iter() {
            for (sum, counter) in sums.scalars.iter_mut().zip(&thread.scalars) {
                *sum += counter.get();
            }
            for (sum, counters) in sums.commands.iter_mut().zip(&thread.commands) {
                let values = [&counters.calls, &counters.nanos, &counters.rejected, &counters.failed];
                for (sum, counter) in sum.iter_mut().zip(values) {
                    *sum += counter.get();
                }
            }
            for (code, count) in thread.errors.lock().expect("no panic happens under this leaf lock").iter() {
                *sums.errors.entry(code.clone()).or_default() += count;
            }
        }
        sums
    }

    /// The times of one command since the last reset; `None` when there are none.
    pub fn latency(&self, command: usize) -> Option<Distribution> {
        let mut all = self.total_latency(command)?;
        if let Some(baseline) =
            self.latency_baseline.lock().expect("no panic happens under this leaf lock").get(&command)
        {
            all.subtract(baseline);
        }
        (all.count() > 0).then_some(all)
    }

    fn total_latency(&self, command: usize) -> Option<Distribution> {
        let threads = self.threads.lock().expect("no panic happens under this leaf lock");
        let mut histograms =
            threads.iter().filter_map(|thread| thread.commands[command].latency.get()).peekable();
        histograms.peek()?;
        let mut all = Distribution::default();
        histograms.for_each(|histogram| all.add(histogram));
        Some(all)
    }

    /// CONFIG RESETSTAT.
    pub fn reset(&self) {
        *self.baseline.lock().expect("no panic happens under this leaf lock") = self.totals();
        let latency =
            (0..self.commands).filter_map(|command| Some((command, self.total_latency(command)?))).collect();
        *self.latency_baseline.lock().expect("no panic happens under this leaf lock") = latency;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reset_subtracts_and_later_counts_show() {
        let stats = Stats::new(3);
        let (a, b) = (stats.register(), stats.register());
        a.add(Stat::Hits, 5);
        b.add(Stat::Hits, 7);
        b.commands[2].calls.add(4);
        b.count_error("ERR");
        assert_eq!(stats.sums().get(Stat::Hits), 12);
        stats.reset();
        a.add(Stat::Hits, 1);
        let sums = stats.sums();
        assert_eq!(sums.get(Stat::Hits), 1);
        assert_eq!(sums.commands[2], [0; 4]);
        assert!(sums.errors.is_empty());
    }

    #[test]
    fn a_turn_is_shared_out_among_its_commands() {
        let stats = Stats::new(3);
        let thread = stats.register();
        thread.add_turn(&[2, 2, 1, 2], 4_000, true);
        thread.add_turn(&[1], 7, false);
        thread.add_turn(&[], 100, true);
        let sums = stats.sums();
        assert_eq!(sums.commands, [[0; 4], [2, 1_007, 0, 0], [3, 3_000, 0, 0]]);
        assert_eq!(sums.get(Stat::CommandsProcessed), 5);
        assert_eq!(stats.latency(0), None);
        assert_eq!(stats.latency(1).map(|times| times.count()), Some(1));
        assert_eq!(
            stats.latency(2).map(|times| (times.count(), times.percentile_nanos(50.0))),
            Some((3, 1_023))
        );
        stats.reset();
        assert_eq!(stats.latency(2), None);
        thread.add_turn(&[2], 10, true);
        assert_eq!(
            stats.latency(2).map(|times| (times.count(), times.percentile_nanos(99.0))),
            Some((1, 10))
        );
    }
}
