//! The dataset's start and stop: image, replay, and the threads between RAM and disk.
//!
//! Start: the image's namespaces and counts (no key is read), the log behind it, an RDB file if there is nothing yet, then the
//! threads. Clients get `-LOADING` until that is done. Stop: the threads, a last round so that the next start has nothing to
//! replay, an RDB file if SHUTDOWN SAVE asked for one, the log.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded, unbounded};
use nix::sys::signal::Signal;
use storage::{Engine, Progress, Recovery, Status};

use super::spawn;
use crate::commands::replay::Replay;
use crate::commands::{ServerState, functions, limits};
use crate::config::Config;
use crate::net::seat::Seat;
use crate::stats::Stat;
use crate::store::cache::{Hands, Room};
use crate::store::checkpointer::Due;
use crate::store::evict::AccessClock;
use crate::store::snapshot::import::{Import, MARK};
use crate::store::snapshot::{Plan, export};
use crate::sys;
use crate::util::{file, log, time};

/// How often loading looks whether it is to end.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Replayed records between two looks at the cache.
const REPLAY_STEP: u64 = 4096;

/// The threads between RAM and disk.
pub struct DiskThreads {
    /// Ends the cache thread when it is dropped.
    cache_stop: Sender<()>,
    cache: JoinHandle<()>,
    checkpoint: JoinHandle<()>,
    snapshots: JoinHandle<()>,
}

/// Recovers the dataset and starts the threads. Clients get `-LOADING` until this returns.
pub fn start(
    state: &Arc<ServerState>,
    recovery: Recovery,
    seats: &[Arc<Seat>],
) -> Result<DiskThreads, String> {
    let config = state.config.snapshot();
    choose_budget(state, config.memtable_size_mb);
    if let Some(torn) = recovery.torn_edit() {
        log::warning(&format!("The end of the manifest was not whole and is cut off: {torn:?}"));
    }
    state.keyspace.adopt(recovery.version().clone())?;
    functions::recover(state)?;
    // What a save has left that a crash has ended.
    let _ = file::remove(&config.path(export::TEMPORARY));
    let patience = Patience::default();
    load(state, recovery, seats, &patience)?;
    import(state, &config, &patience)?;
    functions::recover(state)?;
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
    let saver = state.clone();
    let snapshots = spawn("forgekv-rdb", move || {
        sys::yield_to_others();
        saver.snapshots.run(&saver.keyspace, &saver.checkpointer, || plan(&saver));
    })?;
    state.loading.store(false, Ordering::Release);
    Ok(DiskThreads { cache_stop, cache, checkpoint, snapshots })
}

/// Sets the cache's budget, and says in the log what it is and why.
fn choose_budget(state: &ServerState, memtable_size_mb: u64) {
    let room = Room::find();
    state.keyspace.set_budget(room.budget_bytes(memtable_size_mb));
    match room.describe(memtable_size_mb) {
        (sentence, true) => log::warning(&sentence),
        (sentence, false) => log::notice(&sentence),
    }
}

/// See [`super::backup`].
pub fn backup(state: &Arc<ServerState>, recovery: Recovery, to: &Path) -> Result<u64, String> {
    let config = state.config.snapshot();
    if config.dir.join(MARK).exists() {
        return Err("An import has not ended: start the server, so that it imports the file again.".into());
    }
    state.keyspace.set_budget(Room::find().budget_bytes(config.memtable_size_mb));
    state.keyspace.adopt(recovery.version().clone())?;
    functions::recover(state)?;
    load(state, recovery, &[], &Patience::default())?;
    let engine = state.keyspace.log().expect("the log was opened");
    if engine.log_bytes_since_cut() > 0 {
        state.keyspace.checkpoint(engine).map_err(|error| error.to_string())?;
    }
    let version = engine.backup(to).map_err(|error| error.to_string())?;
    engine.close().map_err(|error| error.to_string())?;
    Ok(version.live_keys())
}

impl DiskThreads {
    /// Ends the threads, makes a last round and closes the log. Nobody else may be using the dataset any more.
    pub fn stop(self, state: &ServerState) -> Result<(), String> {
        drop(self.cache_stop);
        let options = state.shutdown_options.get().copied().unwrap_or_default();
        if options.nosave && state.scripting.running.busy_kind().is_some() {
            // A script holds shards, for ever perhaps, and these threads may wait for one. What it has done is not in the log,
            // so it has not happened.
            return state.keyspace.log().map_or(Ok(()), close);
        }
        // First what waits for rounds, then what makes them.
        state.snapshots.stop();
        join(self.snapshots);
        state.checkpointer.stop();
        join(self.cache);
        join(self.checkpoint);
        let Some(engine) = state.keyspace.log() else { return Ok(()) };
        // Without it the next start replays the log, and nothing is lost.
        if !options.nosave
            && engine.log_bytes_since_cut() > 0
            && let Err(error) = state.keyspace.checkpoint(engine)
        {
            log::warning(&format!("The last checkpoint could not be made: {error}"));
        }
        let saved =
            if options.save { state.snapshots.save_at_stop(&state.keyspace, &plan(state)) } else { Ok(()) };
        close(engine).and(saved.map_err(|sentence| format!("Saving the DB failed: {sentence}")))
    }
}

fn close(engine: &Engine) -> Result<(), String> {
    engine.close().map_err(|error| format!("The log could not be closed cleanly: {error}"))
}

fn join(thread: JoinHandle<()>) {
    if thread.join().is_err() {
        log::warning("A thread between RAM and disk had panicked.");
    }
}

/// How to save now.
fn plan(state: &ServerState) -> Plan {
    let config = state.config.snapshot();
    Plan {
        path: config.path(&config.dbfilename),
        options: export::Options::of(&config, time::now(), state.memory(None).used()),
        changes: state.stats.totals().get(Stat::Dirty),
    }
}

/// Looks now and then whether the process is told to stop while it loads: nobody waits for signals yet.
struct Patience(Cell<time::Monotonic>);

impl Default for Patience {
    fn default() -> Self {
        Patience(Cell::new(time::Monotonic::now()))
    }
}

impl Patience {
    /// Ends the process if it was told to stop. Loading has changed nothing that the next start would miss.
    fn look(&self) {
        if self.0.get().elapsed() < LOOK_EVERY {
            return;
        }
        self.0.set(time::Monotonic::now());
        if [Signal::SIGTERM, Signal::SIGINT].into_iter().any(sys::is_signal_pending) {
            log::warning("Received a signal to stop while loading, exiting now.");
            std::process::exit(0);
        }
    }
}

fn import(state: &ServerState, config: &Config, patience: &Patience) -> Result<(), String> {
    let now = time::now();
    let imported = Import {
        dir: &config.dir,
        path: config.path(&config.dbfilename),
        append_only: append_only(config),
        keyspace: &state.keyspace,
        engine: state.keyspace.log().expect("the log was opened"),
        limits: limits::all(config, state.keyspace.member_seed()),
        clock: AccessClock::of(config, now, 0.0),
        now,
        libraries: &|codes| functions::check(state, codes),
        progress: &state.load,
        pause: &|| patience.look(),
    }
    .run();
    // What was not logged was not counted, either.
    state.keyspace.set_limits_memory(state.keyspace.limits_memory(), None);
    imported
}

/// Where Redis has the list of its append-only files, and where it had its only one before 7.0.
fn append_only(config: &Config) -> [PathBuf; 2] {
    let [dir, name] = ["appenddirname", "appendfilename"].map(|name| config.value(name).unwrap_or_default());
    [config.path(&dir).join(format!("{name}.manifest")), config.path(&name)]
}

fn due(config: &Config) -> Due {
    Due {
        log_bytes: config.checkpoint_log_mb << 20,
        points: config.save.iter().map(|point| (point.seconds, point.changes)).collect(),
    }
}

fn keep_budget(state: &ServerState, stopped: &Receiver<()>) {
    let (mut hands, mut pause) = (Hands::default(), Duration::ZERO);
    while stopped.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
        let needs = state.keyspace.keep_budget(&mut hands);
        if needs.round {
            state.checkpointer.ask();
        }
        pause = needs.look_after;
    }
}

/// Replays the log and opens it for new records.
fn load(
    state: &Arc<ServerState>,
    mut recovery: Recovery,
    seats: &[Arc<Seat>],
    patience: &Patience,
) -> Result<(), String> {
    let began = time::Monotonic::now();
    state.load.began_s.store(time::now().0 / 1000, Ordering::Relaxed);
    let mut replay = Replay::new(state, time::now());
    let (mut hands, mut replayed) = (Hands::default(), 0u64);
    let report = recovery
        .replay(|record| {
            replayed += 1;
            state.load.loaded_bytes.fetch_add(record.payload.len() as u64, Ordering::Relaxed);
            if replayed.is_multiple_of(REPLAY_STEP) {
                patience.look();
                // What it needs cannot be had yet: rounds begin when the log is open.
                state.keyspace.keep_budget(&mut hands);
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
