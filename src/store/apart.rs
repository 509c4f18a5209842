//! Threads for work that takes long and needs no shard: copies of long strings, encoding and decoding of big values.
//!
//! * There are [`THREADS_MAX`] at most, whatever clients ask for: what comes while all are busy waits in line, and with it the
//!   client, but no thread. Each such work may take as much memory as the value that it is about.
//! * A thread ends when nothing is in line.
//! * Work that waits for others, as MIGRATE does for another server, is not done here, or it would hold up the rest.

use std::cell::Cell;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

/// The most threads.
pub const THREADS_MAX: usize = 4;

/// Work to be done once.
pub type Job = Box<dyn FnOnce() + Send>;

/// The threads that do such work, and what waits for them.
#[derive(Default)]
pub struct Apart(Mutex<State>);

/// A leaf lock guards it.
#[derive(Default)]
struct State {
    threads: usize,
    line: VecDeque<Job>,
}

impl Apart {
    /// Has a job done. It is given back if no thread can be started and there is none.
    pub fn run(self: &Arc<Self>, job: Job) -> Result<(), Job> {
        let mut state = self.state();
        state.line.push_back(job);
        if state.threads == THREADS_MAX {
            return Ok(());
        }
        state.threads += 1;
        drop(state);
        let seat = Seat { apart: self.clone(), is_left: Cell::new(false) };
        let started = thread::Builder::new().name("forgekv-apart".to_owned()).spawn(move || seat.work());
        if started.is_ok() {
            return Ok(());
        }
        // The seat that could not be taken is free again.
        let mut state = self.state();
        let job = if state.threads == 0 { state.line.pop_back() } else { None };
        job.map_or(Ok(()), Err)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a thread has for as long as it runs.
struct Seat {
    apart: Arc<Apart>,
    /// It was given up under the lock that said that nothing is in line.
    is_left: Cell<bool>,
}

impl Seat {
    fn work(self) {
        while let Some(job) = self.next() {
            job();
        }
    }

    fn next(&self) -> Option<Job> {
        let mut state = self.apart.state();
        let job = state.line.pop_front();
        if job.is_none() {
            self.is_left.set(true);
            state.threads -= 1;
        }
        job
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        // The thread was not started, or its work has panicked.
        if !self.is_left.get() {
            self.apart.state().threads -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossbeam_channel::{bounded, unbounded};

    #[test]
    fn work_that_finds_all_threads_busy_waits_in_line() {
        let apart = Arc::new(Apart::default());
        let (started, starts) = unbounded();
        let (go, gate) = bounded::<()>(0);
        let jobs = 3 * THREADS_MAX;
        for n in 0..jobs {
            let (started, gate) = (started.clone(), gate.clone());
            let job = move || {
                started.send(n).unwrap();
                gate.recv().unwrap();
            };
            assert!(apart.run(Box::new(job)).is_ok());
        }
        let mut seen: Vec<usize> = (0..THREADS_MAX).map(|_| starts.recv().unwrap()).collect();
        assert_eq!(apart.state().threads, THREADS_MAX);
        assert_eq!(apart.state().line.len(), jobs - THREADS_MAX);
        assert!(starts.is_empty(), "no more are done at once");
        for _ in THREADS_MAX..jobs {
            go.send(()).unwrap();
            seen.push(starts.recv().unwrap());
        }
        (0..THREADS_MAX).for_each(|_| go.send(()).unwrap());
        seen.sort_unstable();
        assert_eq!(seen, (0..jobs).collect::<Vec<_>>());
        while apart.state().threads > 0 {
            thread::yield_now();
        }
        // A thread that panics leaves its seat.
        let (done, ends) = unbounded();
        assert!(apart.run(Box::new(|| panic!("planned"))).is_ok());
        assert!(apart.run(Box::new(move || done.send(()).unwrap())).is_ok());
        ends.recv().unwrap();
        while apart.state().threads > 0 {
            thread::yield_now();
        }
        assert!(apart.state().line.is_empty());
    }
}
