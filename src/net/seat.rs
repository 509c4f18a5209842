//! Where a worker's core waits while its thread executes a turn, and how others reach the worker.

use std::sync::Mutex;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};

use super::mailbox::Mailbox;
use super::worker::Core;

/// One worker's seat: its core while a turn is executed, and its mailbox.
pub struct Seat {
    /// The worker's number.
    pub index: u32,
    /// Its mailbox.
    pub mailbox: Mailbox,
    core: Mutex<Option<Box<Core>>>,
    /// Turns begun so far.
    turns: AtomicU64,
    /// The thread that executes its turn.
    thread: AtomicI32,
}

impl Seat {
    /// A worker's seat, empty until its thread lends the core.
    pub fn new(index: u32, mailbox: Mailbox) -> Self {
        Seat { index, mailbox, core: Mutex::new(None), turns: AtomicU64::new(0), thread: AtomicI32::new(0) }
    }

    /// The thread is about to execute a turn: whoever takes the core meanwhile goes on with the loop.
    pub fn lend(&self, core: Box<Core>, thread: i32) {
        // At every turn: a thread that comes back late may find the core that its successor has lent, and takes it.
        self.thread.store(thread, Ordering::Relaxed);
        *self.core.lock().expect("no panic happens under this leaf lock") = Some(core);
        self.turns.store(self.turns.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    /// Takes the core, if it is there: its thread after a turn, or the monitor when the turn takes long.
    pub fn take(&self) -> Option<Box<Core>> {
        self.core.lock().expect("no panic happens under this leaf lock").take()
    }

    /// Is a turn being executed right now?
    pub fn is_lent(&self) -> bool {
        self.core.lock().expect("no panic happens under this leaf lock").is_some()
    }

    /// The thread that executes its turn.
    pub fn thread(&self) -> i32 {
        self.thread.load(Ordering::Relaxed)
    }

    /// Counts turns, so that the monitor sees which one it looks at.
    pub fn turns(&self) -> u64 {
        self.turns.load(Ordering::Relaxed)
    }
}
