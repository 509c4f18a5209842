//! Builds the server, runs it, takes it apart: the one file that sees everything.
//!
//! Start: configuration, limits, lock and identity of the data directory, listeners, workers (which answer `-LOADING`), replay
//! or import, log threads, cron. Stop, on SIGTERM, SIGINT or SHUTDOWN: acceptor, workers, cron, then the log, which syncs everything.
//!
//! Whatever cannot start says so in one sentence and gives a non-zero exit.

use std::net::IpAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded, select, tick, unbounded};
use mio::{Poll, Waker};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::unistd::Pid;
use storage::fs::os::Os;
use storage::{Engine, Recovery};

use crate::allocator::{self, Ahead, Huge, Surplus};
use crate::client::{Pause, Registry};
use crate::commands::outbox;
use crate::commands::table::{rename_commands, table};
use crate::commands::{Executor, ServerState, blocking};
use crate::config::{Config, ConfigCell, Loaded};
use crate::net::acceptor::Acceptor;
use crate::net::connection::Kit;
use crate::net::listener::{self, Endpoints, Listener};
use crate::net::mailbox::{Mail, Mailbox};
use crate::net::monitor::Monitor;
use crate::net::seat::Seat;
use crate::net::worker::{self, Core, WAKER};
use crate::stats::rates::Rates;
use crate::stats::{Stat, Stats};
use crate::store::checkpointer::Checkpointer;
use crate::store::cold::expire::ColdExpiry;
use crate::store::evict::{AccessClock, Evictor, Limit};
use crate::store::hash::KeyHasher;
use crate::store::keyspace::{self, Garbage};
use crate::store::residence::Errand;
use crate::store::snapshot::{Snapshots, import};
use crate::store::{Keyspace, Waiter};
use crate::sys;
use crate::util::random::Random;
use crate::util::supervisor::Supervisor;
use crate::util::{file, log, time};

mod dataset;
#[cfg(test)]
mod simulated;

use dataset::DiskThreads;

/// The file that every dataset has.
const IDENTITY: &str = "IDENTITY";
/// The longest time between two rounds of the cron thread, whatever `hz` says: a due key goes within a tenth of a second.
const CRON_TICK_MAX_MS: u64 = 50;
/// How often the drop thread looks for memory that nobody takes again.
const SURPLUS_LOOKS: Duration = Duration::from_secs(1);
/// Between two looks of the memory thread while workers take memory, and at most otherwise.
const MEMORY_GROWING: Duration = Duration::from_millis(5);
const MEMORY_IDLE: Duration = Duration::from_millis(100);
/// How often the cron thread samples the rates.
const SAMPLE_MS: u64 = 100;
/// How often it has expired keys looked for that are on disk only.
const COLD_EXPIRY_MS: u64 = 250;
/// Blocks that are read for that before others who need the disk have their turn: some milliseconds.
const COLD_EXPIRY_BLOCKS: usize = 32;
/// How often it has idle clients looked for.
const IDLE_MS: u64 = 1000;
/// Keys that one cron tick may expire.
const EXPIRE_PER_TICK: usize = 100_000;
/// Keys that one cron tick may evict.
const EVICT_PER_TICK: u64 = 10_000;

/// Runs a server until it is told to stop. The exit code says whether it stopped cleanly.
pub fn run(loaded: Loaded) -> ExitCode {
    match start(loaded).and_then(Server::serve) {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => {
            log::warning(&sentence);
            ExitCode::FAILURE
        }
    }
}

/// Makes a backup in the directory `to` of the dataset that the configuration names and no server has open. Its log is
/// replayed as by a start, and a checkpoint is made if there is something in it. Returns how many keys the backup has.
pub fn backup(config: Config, to: &Path) -> Result<u64, String> {
    if !config.dir.join(IDENTITY).exists() {
        return Err(format!("{} holds no dataset.", config.dir.display()));
    }
    let recovery = Engine::recover(Arc::new(Os), &config.dir, log_options(&config))
        .map_err(|error| error.to_string())?;
    // Without a drop thread, garbage is freed where it arises.
    let (garbage, _) = unbounded();
    let state = Arc::new(build_state(config, &recovery, &[], garbage));
    dataset::backup(&state, recovery, to)
}

struct Server {
    state: Arc<ServerState>,
    seats: Vec<Arc<Seat>>,
    monitor: Arc<Monitor>,
    acceptor_waker: Waker,
    /// Says that a worker has stopped.
    stopped: Receiver<u32>,
    /// Ends the cron and the memory thread when it is dropped.
    chores_stop: Sender<()>,
    disk: DiskThreads,
    threads: Vec<JoinHandle<()>>,
    signals: SigSet,
    pidfile: String,
    supervisor: Supervisor,
}

/// What must happen before there are threads and files: the log, the commands' names, limits, the background.
fn prepare(loaded: Loaded) -> Result<(Config, Supervisor), String> {
    let Loaded { config, notices } = loaded;
    begin_log(&config)?;
    for notice in notices {
        log::notice(&notice);
    }
    rename_commands(&config.renamed_commands)
        .map_err(|reason| format!("Fatal error, rename-command in the configuration: {reason}"))?;
    let config = within_limits(config);
    let supervisor = Supervisor::find(config.supervised, |name| std::env::var_os(name));
    // A supervisor watches the process it started.
    if config.daemonize && !supervisor.is_present() {
        nix::unistd::daemon(true, false).map_err(|error| format!("Can't daemonize: {error}"))?;
    }
    Ok((config, supervisor))
}

fn start(loaded: Loaded) -> Result<Server, String> {
    allocator::begin();
    let (config, supervisor) = prepare(loaded)?;
    // Blocked before any thread exists, so that only `serve` receives them.
    let signals: SigSet = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP].into_iter().collect();
    signals.thread_block().map_err(|error| format!("Can't block signals: {error}"))?;

    let recovery = Engine::recover(Arc::new(Os), &config.dir, log_options(&config))
        .map_err(|error| error.to_string())?;
    let listeners = listener::open(&Endpoints {
        bind: &config.bind,
        port: config.port,
        unix_path: &config.unixsocket,
        unix_mode: config.unixsocketperm,
        backlog: config.tcp_backlog,
    })?;
    let pidfile = write_pidfile(&config)?;
    let workers = worker_count(&config);
    let (seats, polls) = seats(workers)?;
    let (garbage_sender, garbage) = unbounded();
    let state = Arc::new(build_state(config, &recovery, &seats, garbage_sender));
    serve_in_background(&state);
    log::notice(&format!(
        "ForgeKV {} (Redis {} compatible), pid {}, {workers} workers",
        env!("CARGO_PKG_VERSION"),
        crate::REDIS_VERSION,
        std::process::id()
    ));
    connect_announcer(&state);
    let monitor = Arc::new(Monitor::new(state.clone()));
    let (stopped_sender, stopped) = bounded(workers);
    let mut threads = Vec::new();
    let affinity = state.config.snapshot().server_thread_affinity;
    for ((poll, mail), seat) in polls.into_iter().zip(&seats) {
        let core = Core::new(poll, mail, seat.clone(), state.clone(), stopped_sender.clone());
        let (monitor, index) = (monitor.clone(), seat.index);
        // Not joined: a worker may end its life on a spare thread. `stopped` tells.
        spawn(&format!("forgekv-worker-{index}"), move || {
            if affinity {
                sys::pin_to_core(index as usize);
            }
            let mut kit = Kit::new(Executor::new(monitor.state().clone()));
            if !worker::run(core, &mut kit, &monitor) {
                monitor.spare(&mut kit);
            }
        })?;
    }
    threads.push(spawn("forgekv-drop", move || free(&garbage))?);
    let acceptor_waker = start_acceptor(listeners, &seats, &state, &mut threads)?;
    let watched = seats.clone();
    let watcher = monitor.clone();
    threads.push(spawn("forgekv-monitor", move || watcher.watch(&watched))?);

    let disk = dataset::start(&state, recovery, &seats)?;
    let (chores_stop, cron_stopped) = bounded(0);
    let memory_stopped = cron_stopped.clone();
    let (cron_state, cron_seats) = (state.clone(), seats.clone());
    threads.push(spawn("forgekv-cron", move || cron(&cron_state, &cron_seats, &cron_stopped))?);
    threads.push(spawn("forgekv-memory", move || prepare_memory(&memory_stopped))?);
    announce(&state);
    supervisor.ready();
    Ok(Server {
        state,
        seats,
        monitor,
        acceptor_waker,
        stopped,
        chores_stop,
        disk,
        threads,
        signals,
        pidfile,
        supervisor,
    })
}

impl Server {
    /// Waits for the signal to stop, and stops.
    fn serve(self) -> Result<(), String> {
        loop {
            match self.signals.wait() {
                Ok(Signal::SIGHUP) => {}
                Ok(signal) => {
                    log::warning(&format!("Received {}, shutting down...", signal.as_str()));
                    break;
                }
                Err(error) => return Err(format!("Can't wait for signals: {error}")),
            }
        }
        self.stop()
    }

    fn stop(self) -> Result<(), String> {
        self.supervisor.stopping();
        let _ = self.acceptor_waker.wake();
        for seat in &self.seats {
            seat.mailbox.post(Mail::Stop);
        }
        for _ in &self.seats {
            // A worker that is stuck in a command must not keep the log from being synced.
            if self.stopped.recv_timeout(Duration::from_secs(5)).is_err() {
                log::warning("A worker is still busy; its command is not waited for.");
            }
        }
        drop(self.chores_stop);
        self.monitor.stop();
        let closed = self.disk.stop(&self.state);
        if !self.pidfile.is_empty() {
            let _ = file::remove(self.pidfile.as_ref());
        }
        closed?;
        log::warning("ForgeKV is now ready to exit, bye bye...");
        // The other threads hold nothing that outlives the process; the drop thread may be freeing gigabytes.
        drop(self.threads);
        Ok(())
    }
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, String> {
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(body)
        .map_err(|error| format!("Can't start thread {name}: {error}"))
}

fn begin_log(config: &Config) -> Result<(), String> {
    log::set_level(config.loglevel);
    if !config.logfile.is_empty() {
        let path = config.path(&config.logfile);
        let opened = file::append(&path)
            .map_err(|error| format!("Can't open the log file {}: {error}", path.display()))?;
        log::set_file(Some(opened));
    }
    Ok(())
}

/// Lowers `maxclients` to what the limit of open files allows, as Redis does.
fn within_limits(mut config: Config) -> Config {
    let (wanted, possible) = (config.maxclients, sys::clients_possible(config.maxclients));
    if possible < wanted {
        log::warning(&format!(
            "You requested maxclients of {wanted}, for which the limit of open files is too low and cannot be raised: \
             maxclients has been reduced to {possible}."
        ));
        config.set_maxclients(possible);
    }
    config
}

fn log_options(config: &Config) -> storage::Options {
    storage::Options {
        sync_mode: keyspace::sync_mode(config.wal_sync_mode),
        segment_bytes: u64::from(config.wal_segment_mb) << 20,
        compaction: storage::compaction::pool::Options {
            on_start: sys::yield_to_others,
            ..Default::default()
        },
        ..storage::Options::default()
    }
}

fn write_pidfile(config: &Config) -> Result<String, String> {
    let path = match (config.pidfile.as_str(), config.daemonize) {
        ("", true) => "/var/run/forgekv.pid",
        (path, _) => path,
    };
    if !path.is_empty()
        && file::replace(path.as_ref(), format!("{}\n", std::process::id()).as_bytes()).is_err()
    {
        log::warning(&format!("Failed to write PID file {path}"));
        return Ok(String::new());
    }
    Ok(path.to_owned())
}

fn worker_count(config: &Config) -> usize {
    match config.workers {
        0 => thread::available_parallelism().map_or(1, usize::from),
        workers => workers as usize,
    }
}

type WorkerParts = (Poll, Receiver<Mail>);

fn seats(workers: usize) -> Result<(Vec<Arc<Seat>>, Vec<WorkerParts>), String> {
    let (mut seats, mut parts) = (Vec::new(), Vec::new());
    for index in 0..workers as u32 {
        let poll = Poll::new().map_err(|error| format!("Can't make a poll: {error}"))?;
        let waker =
            Waker::new(poll.registry(), WAKER).map_err(|error| format!("Can't make a waker: {error}"))?;
        let (mailbox, mail) = Mailbox::new(waker);
        seats.push(Arc::new(Seat::new(index, mailbox)));
        parts.push((poll, mail));
    }
    Ok((seats, parts))
}

/// Connects who serves clients that wait for keys which background work changes: the threads that read from disk, which may
/// wait for locks.
fn serve_in_background(state: &Arc<ServerState>) {
    let weak = Arc::downgrade(state);
    state.keyspace.connect_serve_later(Box::new(move |keys| {
        let Some(state) = weak.upgrade() else { return };
        let all = state.clone();
        let serve = move |_: &Keyspace| blocking::serve_later(&all, keys);
        state.keyspace.send(Errand::Run(Box::new(serve)));
    }));
}

fn build_state(
    config: Config,
    recovery: &Recovery,
    seats: &[Arc<Seat>],
    garbage: Sender<Garbage>,
) -> ServerState {
    let hasher = KeyHasher::new(recovery.identity().hash_secret);
    let wakers = seats.to_vec();
    let wake = Box::new(move |waiter: Waiter| {
        wakers[waiter.worker as usize].mailbox.post(Mail::Resume(waiter.connection));
    });
    let keyspace = Keyspace::new(config.databases as usize, hasher, wake, garbage);
    keyspace.set_limits_memory(config.maxmemory > 0, None);
    keyspace.set_notifies(config.notify_keyspace_events);
    let clients = Registry::default();
    let readers = seats.to_vec();
    clients.connect(Box::new(move |worker, notice| {
        for seat in readers.iter().filter(|seat| worker.is_none_or(|worker| worker == seat.index)) {
            seat.mailbox.post(Mail::Notice(notice.clone()));
        }
    }));
    let mailboxes = seats.to_vec();
    keyspace.pubsub().office.connect(
        seats.len(),
        Box::new(move |worker, parcels| mailboxes[worker as usize].mailbox.post(Mail::Parcels(parcels))),
    );
    let now = time::now();
    ServerState {
        keyspace,
        checkpointer: Checkpointer::default(),
        snapshots: Snapshots::default(),
        load: import::Progress::default(),
        tcp_port: config.port,
        config: ConfigCell::new(config),
        scripting: Arc::default(),
        clients,
        pause: Pause::default(),
        stats: Stats::new(table().rows().len()),
        rates: Rates::default(),
        workers: seats.len(),
        started: now,
        run_id: run_id(),
        executable: std::env::current_exe().map(|path| path.display().to_string()).unwrap_or_default(),
        loading: AtomicBool::new(true),
        active_expire: AtomicBool::new(true),
        cold_expiry: ColdExpiry::default(),
        shutdown_options: OnceLock::new(),
        shutdown: Box::new(|| {
            log::warning("User requested shutdown...");
            // The main thread waits for exactly this signal.
            let _ = kill(Pid::this(), Signal::SIGTERM);
        }),
    }
}

/// Expiry and eviction happen without a client: who tells others of them.
fn connect_announcer(state: &Arc<ServerState>) {
    let known = Arc::downgrade(state);
    state.keyspace.connect_announcer(Box::new(move |events, depends_on| {
        if let Some(state) = known.upgrade() {
            outbox::announce(&state.keyspace, events, depends_on);
        }
    }));
}

fn run_id() -> String {
    let mut bytes = [0u8; 20];
    // Without entropy the id is constant, which only makes two such servers look alike to a replica.
    let _ = getrandom::fill(&mut bytes);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn start_acceptor(
    listeners: Vec<Listener>,
    seats: &[Arc<Seat>],
    state: &Arc<ServerState>,
    threads: &mut Vec<JoinHandle<()>>,
) -> Result<Waker, String> {
    let poll = Poll::new().map_err(|error| format!("Can't make a poll: {error}"))?;
    let waker = Waker::new(poll.registry(), WAKER).map_err(|error| format!("Can't make a waker: {error}"))?;
    let acceptor = Acceptor::new(poll, listeners, seats.to_vec(), state.clone())
        .map_err(|error| format!("Can't poll the listeners: {error}"))?;
    threads.push(spawn("forgekv-acceptor", move || acceptor.run())?);
    Ok(waker)
}

fn announce(state: &ServerState) {
    let config = state.config.snapshot();
    if config.port != 0 {
        log::notice(&format!("The server is now ready to accept connections on port {}", config.port));
    }
    if !config.unixsocket.is_empty() {
        log::notice(&format!("The server is now ready to accept connections at {}", config.unixsocket));
    }
    let is_local =
        |word: &String| word.trim_start_matches('-').parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    if config.requirepass.is_empty() && !config.protected_mode && !config.bind.iter().all(is_local) {
        log::warning(
            "Anybody who can reach this server can use it: no password is set and protected-mode is off.",
        );
    }
}

/// Deletes expired keys that are on disk only, a few blocks at a time, on the threads that read from disk.
fn sweep_cold(state: Arc<ServerState>) {
    let all = state.clone();
    let piece = move |keyspace: &Keyspace| {
        // The pause may have begun while the errand waited for its turn.
        let may_expire = state.active_expire.load(Ordering::Relaxed) && !state.is_paused_for_expiry();
        match may_expire.then(|| state.cold_expiry.sweep(keyspace, time::now(), COLD_EXPIRY_BLOCKS)) {
            Some(Ok(true)) => return sweep_cold(state),
            Some(Err(sentence)) => {
                log::warning(&format!("Expired keys on disk can't be deleted: {sentence}"))
            }
            _ => {}
        }
        state.cold_expiry.end();
    };
    all.keyspace.send(Errand::Run(Box::new(piece)));
}

/// The drop thread: frees what is big, and gives memory back that stays free.
fn free(garbage: &Receiver<Garbage>) {
    let (looks, mut surplus) = (tick(SURPLUS_LOOKS), Surplus::default());
    loop {
        select! {
            recv(garbage) -> garbage => match garbage {
                Ok(garbage) => drop(garbage),
                Err(_) => return,
            },
            recv(looks) -> _ => surplus.give_back(),
        }
    }
}

/// The memory thread: has memory supplied before workers touch it, while they take more, joins what they have freed, and makes
/// huge pages of what stays. It does not go behind them: where it is late, they do the same work themselves, with a shard locked.
fn prepare_memory(stopped: &Receiver<()>) {
    let (mut ahead, mut huge) = (Ahead::new(), Huge::new(Instant::now()));
    let (mut growth, mut joined) = (MEMORY_IDLE, Instant::now());
    let mut pause = MEMORY_IDLE;
    while stopped.recv_timeout(pause).is_err_and(|end| end.is_timeout()) {
        let is_growing = ahead.fill();
        growth = if is_growing { MEMORY_GROWING } else { (growth * 2).min(MEMORY_IDLE) };
        if joined.elapsed() >= MEMORY_IDLE {
            allocator::join_free();
            joined = Instant::now();
        }
        pause = huge.step(Instant::now(), growth < MEMORY_IDLE).min(growth);
    }
}

/// The cron thread: active expiry at every round, `hz` rounds a second or more; samples and idle clients now and then.
fn cron(state: &Arc<ServerState>, seats: &[Arc<Seat>], stopped: &Receiver<()>) {
    let stats = state.stats.register();
    let mut evictor = Evictor::new(Random::seeded());
    let mut elapsed_ms = 0u64;
    loop {
        let config = state.config.snapshot();
        let tick_ms = (1000 / u64::from(config.hz.max(1))).clamp(1, CRON_TICK_MAX_MS);
        match stopped.recv_timeout(Duration::from_millis(tick_ms)) {
            Err(crossbeam_channel::RecvTimeoutError::Timeout) => {}
            _ => return,
        }
        let before_ms = elapsed_ms;
        elapsed_ms += tick_ms;
        let is_due = |every_ms: u64| elapsed_ms / every_ms != before_ms / every_ms;
        if state.active_expire.load(Ordering::Relaxed) && !state.is_paused_for_expiry() {
            let (swept, _) = state.keyspace.sweep(time::now(), EXPIRE_PER_TICK);
            stats.add(Stat::ExpiredKeys, swept.keys);
            stats.add(Stat::ExpiredFields, swept.fields);
            if is_due(COLD_EXPIRY_MS) && state.keyspace.has_cold() && state.cold_expiry.begin() {
                sweep_cold(state.clone());
            }
        }
        let swept = state.cold_expiry.take_swept();
        stats.add(Stat::ExpiredKeys, swept.keys);
        stats.add(Stat::ExpiredFields, swept.fields);
        if !state.is_paused_for_expiry() {
            // Writers make room for themselves; this is for a limit that was lowered while nobody writes.
            let (now, limit) = (time::now(), Limit::of(&config));
            let clock = AccessClock::of(&config, now, 0.0);
            let evicted = evictor.make_room(&state.keyspace, limit, clock, now, EVICT_PER_TICK);
            stats.add(Stat::EvictedKeys, evicted.keys);
        }
        if is_due(SAMPLE_MS) {
            state.keyspace.limit_tracked(config.tracking_table_max_keys as u64, true);
            state.rates.sample(time::now().0, &state.stats.totals());
        }
        if is_due(IDLE_MS) {
            state.rates.sample_memory(state.memory(None).used());
        }
        if is_due(IDLE_MS) && (config.timeout > 0 || state.keyspace.pubsub().has_listeners()) {
            seats.iter().for_each(|seat| seat.mailbox.post(Mail::Tick));
        }
    }
}
