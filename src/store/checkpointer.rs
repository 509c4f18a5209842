//! When rounds are made: the checkpoint thread's desk.
//!
//! * One thread runs rounds, one after the other: when somebody asks for one, when the log behind the last cut has grown, and
//!   when a `save` point is reached. The server's last round, at its stop, comes after that thread has ended.
//! * A round that fails is tried again after a pause (C2 makes that safe); what fails for good shows in the engine's status.
//! * Whoever asks is told about a round that began after the asking. A command asks with
//!   [`Promise::keep`](super::loading::Promise::keep).

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::checkpoint::Captured;
use super::keyspace::Keyspace;
use crate::util::time::Monotonic;

/// How often the thread looks whether a round is due.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// The pause after a round that failed.
const PAUSE: Duration = Duration::from_secs(1);

/// Told how a round ended: with its sentence when it failed.
pub type Then = Box<dyn FnOnce(&Keyspace, Result<Captured, String>) + Send>;

/// What the rounds have done so far.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// Rounds that were committed.
    pub committed: u64,
    /// Rounds that failed.
    pub failed: u64,
    /// How the last one failed, if it did.
    pub failure: Option<String>,
    /// What the last committed one captured.
    pub last: Captured,
    /// How long it took, in milliseconds.
    pub last_ms: u64,
    /// Is one being made?
    pub is_running: bool,
}

/// When a round is due without anybody asking.
#[derive(Clone, Debug, Default)]
pub struct Due {
    /// Bytes of log behind the last cut.
    pub log_bytes: u64,
    /// Seconds since the last round and records logged since: both must be reached.
    pub points: Vec<(u64, u64)>,
}

#[derive(Default)]
struct Desk {
    wanted: bool,
    then: Vec<Then>,
    is_stopping: bool,
    history: History,
}

/// The desk of the thread that makes checkpoints: what is asked of it, and what it has done.
#[derive(Default)]
pub struct Checkpointer {
    desk: Mutex<Desk>,
    called: Condvar,
}

impl Checkpointer {
    /// Asks for a round soon.
    pub fn ask(&self) {
        self.lock().wanted = true;
        self.called.notify_one();
    }

    /// Asks for a round, and to be told when it has ended.
    pub fn ask_then(&self, then: Then) {
        let mut desk = self.lock();
        desk.wanted = true;
        desk.then.push(then);
        self.called.notify_one();
    }

    /// Ends the thread once its round is over.
    pub fn stop(&self) {
        self.lock().is_stopping = true;
        self.called.notify_one();
    }

    /// What was done so far.
    pub fn history(&self) -> History {
        self.lock().history.clone()
    }

    /// The thread's life. `due` says what makes a round due.
    pub fn run(&self, keyspace: &Keyspace, due: impl Fn() -> Due) {
        let mut last = Last::now(keyspace);
        while let Some(then) = self.wait(|| last.is_due(keyspace, &due())) {
            let began = Monotonic::now();
            let told = keyspace.log().ok_or_else(|| "The log is not open.".to_owned());
            let result =
                told.and_then(|engine| keyspace.checkpoint(engine).map_err(|error| error.to_string()));
            last = Last::now(keyspace);
            self.note(&result, began);
            then.into_iter().for_each(|then| then(keyspace, result.clone()));
            if result.is_err() {
                let desk = self.lock();
                drop(self.called.wait_timeout_while(desk, PAUSE, |desk| !desk.is_stopping));
            }
        }
    }

    /// Waits until a round is wanted; `None`: the thread is to end.
    fn wait(&self, is_due: impl Fn() -> bool) -> Option<Vec<Then>> {
        loop {
            let desk = self.lock();
            let (mut desk, _) = self
                .called
                .wait_timeout_while(desk, LOOK_EVERY, |desk| !desk.wanted && !desk.is_stopping)
                .unwrap_or_else(PoisonError::into_inner);
            if desk.is_stopping {
                return None;
            }
            if desk.wanted {
                desk.wanted = false;
                desk.history.is_running = true;
                return Some(std::mem::take(&mut desk.then));
            }
            drop(desk);
            if is_due() {
                self.lock().wanted = true;
            }
        }
    }

    fn note(&self, result: &Result<Captured, String>, began: Monotonic) {
        let history = &mut self.lock().history;
        history.is_running = false;
        match result {
            Ok(captured) => {
                history.committed += 1;
                history.failure = None;
                history.last = *captured;
                history.last_ms = began.elapsed().as_millis() as u64;
            }
            Err(sentence) => {
                history.failed += 1;
                history.failure = Some(sentence.clone());
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// When the last round ended.
struct Last {
    at: Monotonic,
    lsn: u64,
}

impl Last {
    fn now(keyspace: &Keyspace) -> Self {
        Last { at: Monotonic::now(), lsn: keyspace.log().map_or(0, |log| log.last_lsn().0) }
    }

    fn is_due(&self, keyspace: &Keyspace, due: &Due) -> bool {
        let Some(log) = keyspace.log() else { return false };
        let (seconds, records) = (self.at.elapsed().as_secs(), log.last_lsn().0 - self.lsn);
        let reached = |&(after, changes): &(u64, u64)| seconds >= after && records >= changes.max(1);
        log.log_bytes_since_cut() >= due.log_bytes || due.points.iter().any(reached)
    }
}
