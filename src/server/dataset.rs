//! The dataset's start and stop: image, replay, and the threads between RAM and disk.
//!
//! Start: the image's namespaces and counts (no key is read), the log behind it, then the threads. Clients get `-LOADING` until
//! the log has been replayed. Stop: the threads, a last round so that the next start has nothing to replay, the log.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded, unbounded};
use storage::{Engine, Progress, Recovery, Status};

use super::spawn;
use crate::commands::ServerState;
use crate::commands::replay::Replay;
use crate::config::Config;
use crate::net::worker::Seat;
use crate::store::cache::{self, Hand};
use crate::store::checkpointer::Due;
use crate::util::{log, time};

/// Replayed records between two looks at the cache.
const REPLAY_STEP: u64 = 4096;

/// The threads between RAM and disk.
pub struct DiskThreads {
    /// Ends the cache thread when it is dropped.
    cache_stop: Sender<()>,
    cache: JoinHandle<()>,
    checkpoint: JoinHandle<()>,
}

/// Recovers the dataset and starts the threads. Clients get `-LOADING` until this returns.
pub fn start(
    state: &Arc<ServerState>,
    recovery: Recovery,
    seats: &[Arc<Seat>],
) -> Result<DiskThreads, String> {
    let config = state.config.snapshot();
    state.keyspace.set_budget(cache::budget_bytes(config.memtable_size_mb));
    if let Some(torn) = recovery.torn_edit() {
        log::warning(&format!("The end of the manifest was not whole and is cut off: {torn:?}"));
    }
    state.keyspace.adopt(recovery.version().clone())?;
    load(state, recovery, seats)?;
    let (errands_sender, errands) = unbounded();
    for n in 0..config.disk_threads {
        let (state, errands) = (state.clone(), errands.clone());
        // Not joined: it lives as long as somebody may need the disk.
        spawn(&format!("forgekv-io-{n}"), move || {
            errands.iter().for_each(|errand| state.keyspace.attend(errand))
        })?;
    }
    state.keyspace.connect_readers(errands_sender);
    let (cache_stop, stopped) = bounded(0);
    let cache_state = state.clone();
    let cache = spawn("forgekv-cache", move || keep_budget(&cache_state, &stopped))?;
    let rounds = state.clone();
    let checkpoint = spawn("forgekv-checkpoint", move || {
        rounds.checkpointer.run(&rounds.keyspace, || due(&rounds.config.snapshot()));
    })?;
    state.loading.store(false, Ordering::Release);
    Ok(DiskThreads { cache_stop, cache, checkpoint })
}

impl DiskThreads {
    /// Ends the threads, makes a last round and closes the log. Nobody else may be using the dataset any more.
    pub fn stop(self, state: &ServerState) -> Result<(), String> {
        drop(self.cache_stop);
        state.checkpointer.stop();
        for thread in [self.cache, self.checkpoint] {
            if thread.join().is_err() {
                log::warning("A thread between RAM and disk had panicked.");
            }
        }
        let Some(engine) = state.keyspace.log() else { return Ok(()) };
        // Without it the next start replays the log, and nothing is lost.
        if engine.log_bytes_since_cut() > 0
            && let Err(error) = state.keyspace.checkpoint(engine)
        {
            log::warning(&format!("The last checkpoint could not be made: {error}"));
        }
        engine.close().map_err(|error| format!("The log could not be closed cleanly: {error}"))
    }
}

fn due(config: &Config) -> Due {
    Due {
        log_bytes: config.checkpoint_log_mb << 20,
        points: config.save.iter().map(|point| (point.seconds, point.changes)).collect(),
    }
}

fn keep_budget(state: &ServerState, stopped: &Receiver<()>) {
    let (mut hand, mut pause) = (Hand::default(), Duration::ZERO);
    while stopped.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
        let needs = state.keyspace.keep_budget(&mut hand);
        if needs.round {
            state.checkpointer.ask();
        }
        pause = needs.look_after;
    }
}

/// Replays the log and opens it for new records.
fn load(state: &Arc<ServerState>, mut recovery: Recovery, seats: &[Arc<Seat>]) -> Result<(), String> {
    let began = time::Monotonic::now();
    let mut replay = Replay::new(state, time::now());
    let (mut hand, mut replayed) = (Hand::default(), 0u64);
    let report = recovery
        .replay(|record| {
            replayed += 1;
            if replayed.is_multiple_of(REPLAY_STEP) {
                // What it needs cannot be had yet: rounds begin when the log is open.
                state.keyspace.keep_budget(&mut hand);
            }
            let said = replay.apply(record.payload);
            said.map_err(|what| {
                LoadError(format!("Record {} of the log can't be replayed: {what}.", record.lsn.0))
            })
        })
        .map_err(|LoadError(sentence)| sentence)?;
    if let Some(cut) = &report.cut {
        log::warning(&format!("The end of the log was not whole and is cut off: {cut:?}"));
    }
    log::notice(&format!(
        "DB loaded from the log: {} records, {} bytes, behind an image of {} keys, {:.3} seconds",
        report.records,
        report.bytes,
        recovery.version().live_keys(),
        began.elapsed().as_secs_f64()
    ));
    state.keyspace.resume(report.epoch);
    let seats = seats.to_vec();
    let engine = recovery
        .start(Box::new(move |progress: Progress| {
            if progress.status == Status::Failed {
                log::warning("Writing the log failed, so nothing can be promised any more: the server stops (see above).");
                std::process::exit(1);
            }
            for seat in &seats {
                seat.mailbox.durable_moved();
            }
        }))
        .map_err(|error| error.to_string())?;
    attach(state, engine);
    Ok(())
}

fn attach(state: &ServerState, engine: Engine) {
    state.keyspace.attach_log(engine);
    // CONFIG SET may have changed the mode while the log was replayed.
    state.keyspace.set_sync_mode(state.config.snapshot().wal_sync_mode);
}

struct LoadError(String);

impl From<storage::Error> for LoadError {
    fn from(error: storage::Error) -> Self {
        LoadError(error.to_string())
    }
}
