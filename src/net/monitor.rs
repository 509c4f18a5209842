//! Keeps every worker's loop going while one of its commands runs long (L3).
//!
//! * While workers are busy the monitor looks at each seat every 1.5 ms. When it sees one turn at two looks in a row, it asks
//!   what the thread does: if it waits for something, or has run on through another look, the monitor takes the core and
//!   gives it to a spare thread. A thread that merely waits for a core to run on keeps its box: another would wait as well.
//! * Without turns it falls asleep; the first turn rouses it. So an idle server makes no wake-ups for this.
//! * Spare threads are made when needed and kept; the thread that finished late becomes one.
//! * A core never waits for a thread: a spare is claimed, or started, before the core is taken, and claims are counted by
//!   who sends. So two workers that are stuck at the same look do not count on the same spare.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, Thread};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, unbounded};

use super::connection::Kit;
use super::seat::Seat;
use super::worker::{self, Core};
use crate::commands::{Executor, ServerState};
use crate::sys;

/// Between two looks.
const LOOK: Duration = Duration::from_micros(1500);
/// Running so long between two looks is running on.
const RAN_ON_NANOS: u64 = 1_000_000;
/// Looks without any turn before the monitor sleeps.
const PATIENCE: u32 = 50;
/// The longest sleep: bounds how late a stuck turn is noticed if the rousing turn and the falling asleep cross.
const SLEEP: Duration = Duration::from_millis(100);

/// What was seen of a worker at the last look.
#[derive(Clone, Copy, Debug, Default)]
struct Sighting {
    turns: u64,
    /// How long its thread had run, when the turn was first seen again.
    ran_nanos: Option<u64>,
}

impl Sighting {
    /// Decides about a turn that has been seen before.
    fn is_stuck(&mut self, seat: &Seat) -> bool {
        let Some(usage) = sys::thread_usage(seat.thread()) else { return true };
        match self.ran_nanos {
            _ if !usage.is_runnable => true,
            Some(before) => usage.ran_nanos.saturating_sub(before) >= RAN_ON_NANOS,
            None => {
                self.ran_nanos = Some(usage.ran_nanos);
                false
            }
        }
    }
}

/// What the monitor shares with the workers.
pub struct Monitor {
    asleep: AtomicBool,
    thread: std::sync::OnceLock<Thread>,
    /// Spare threads that no core has been promised to.
    unclaimed_spares: AtomicUsize,
    cores: (Sender<Box<Core>>, Receiver<Box<Core>>),
    state: Arc<ServerState>,
    stopping: AtomicBool,
}

impl Monitor {
    /// A monitor that does not run yet.
    pub fn new(state: Arc<ServerState>) -> Self {
        Monitor {
            asleep: AtomicBool::new(false),
            thread: std::sync::OnceLock::new(),
            unclaimed_spares: AtomicUsize::new(0),
            cores: unbounded(),
            state,
            stopping: AtomicBool::new(false),
        }
    }

    /// What all threads share.
    pub fn state(&self) -> &Arc<ServerState> {
        &self.state
    }

    /// A worker is about to execute: wakes the monitor if it sleeps.
    #[inline]
    pub fn rouse(&self) {
        if self.asleep.load(Ordering::Relaxed) && self.asleep.swap(false, Ordering::Relaxed) {
            self.unpark();
        }
    }

    fn unpark(&self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }

    /// Ends [`Monitor::watch`]. Spare threads end with the process.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        self.unpark();
    }

    /// Watches the seats until [`Monitor::stop`]; the monitor thread's main function.
    pub fn watch(self: &Arc<Self>, seats: &[Arc<Seat>]) {
        // Only this thread sets it.
        let _ = self.thread.set(thread::current());
        let mut seen: Vec<Sighting> = vec![Sighting::default(); seats.len()];
        let mut quiet = 0;
        while !self.stopping.load(Ordering::Acquire) {
            thread::sleep(LOOK);
            let mut any = false;
            for (seat, seen) in seats.iter().zip(&mut seen) {
                let turns = seat.turns();
                if turns != seen.turns {
                    *seen = Sighting { turns, ran_nanos: None };
                    any = true;
                } else if seat.is_lent() {
                    any = true;
                    if seen.is_stuck(seat) {
                        self.relieve(seat);
                    }
                }
            }
            quiet = if any { 0 } else { quiet + 1 };
            if quiet >= PATIENCE {
                self.asleep.store(true, Ordering::Relaxed);
                thread::park_timeout(SLEEP);
                self.asleep.store(false, Ordering::Relaxed);
            }
        }
    }

    /// Gives a stuck worker's core to a spare thread.
    fn relieve(self: &Arc<Self>, seat: &Seat) {
        if !self.claim_spare() {
            let monitor = self.clone();
            let name = format!("forgekv-spare-{}", seat.index);
            if thread::Builder::new().name(name).spawn(move || monitor.serve_as_spare()).is_err() {
                // Without another thread the worker's other clients wait for the long command, as they would in Redis.
                return;
            }
        }
        match seat.take() {
            // The channel lives as long as the monitor.
            Some(core) => drop(self.cores.0.send(core)),
            // The turn has just ended: the spare is free for another.
            None => self.offer_spare(),
        }
    }

    fn claim_spare(&self) -> bool {
        let claim = |spares: usize| spares.checked_sub(1);
        self.unclaimed_spares.fetch_update(Ordering::AcqRel, Ordering::Acquire, claim).is_ok()
    }

    fn offer_spare(&self) {
        self.unclaimed_spares.fetch_add(1, Ordering::AcqRel);
    }

    /// The main function of a spare thread that was started for a core.
    fn serve_as_spare(&self) {
        let mut kit = Kit::new(Executor::new(self.state.clone()));
        self.await_core(&mut kit);
    }

    /// What a thread does that has lost its core: it serves others, again and again, until a worker that it serves stops.
    pub fn spare(&self, kit: &mut Kit) {
        self.offer_spare();
        self.await_core(kit);
    }

    fn await_core(&self, kit: &mut Kit) {
        while let Ok(core) = self.cores.1.recv() {
            if worker::run(core, kit, self) {
                return;
            }
            self.offer_spare();
        }
    }
}
