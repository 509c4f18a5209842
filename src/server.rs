//! Builds the server, runs it, takes it apart: the one file that sees everything.
//!
//! Start: configuration, limits, lock and identity of the data directory, listeners, workers (which answer `-LOADING`), replay,
//! log threads, cron. Stop, on SIGTERM, SIGINT or SHUTDOWN: acceptor, workers, cron, then the log, which syncs everything.
//!
//! Whatever cannot start says so in one sentence and gives a non-zero exit.

use std::net::IpAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use mio::{Poll, Waker};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::unistd::Pid;
use storage::fs::os::Os;
use storage::{Engine, Progress, Recovery, Status};

use crate::client::{Pause, Registry};
use crate::commands::replay::Replay;
use crate::commands::state::ShutdownOptions;
use crate::commands::table::table;
use crate::commands::{Executor, ServerState};
use crate::config::{Config, ConfigCell, Loaded, values};
use crate::net::acceptor::Acceptor;
use crate::net::connection::Kit;
use crate::net::listener::{self, Endpoints, Listener};
use crate::net::mailbox::{Mail, Mailbox};
use crate::net::monitor::Monitor;
use crate::net::worker::{self, Core, Seat, WAKER};
use crate::stats::rates::Rates;
use crate::stats::{Stat, Stats};
use crate::store::hash::KeyHasher;
use crate::store::keyspace::Garbage;
use crate::store::{Keyspace, Waiter};
use crate::sys;
use crate::util::{file, log, time};

/// Descriptors that are not clients': the log, listeners, polls, the terminal.
const RESERVED_DESCRIPTORS: u64 = 32;
/// Active expiry and the rest of the cron's work.
const CRON_TICK: Duration = Duration::from_millis(50);
/// Keys that one cron tick may expire.
const EXPIRE_PER_TICK: usize = 100_000;

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

struct Server {
    state: Arc<ServerState>,
    seats: Vec<Arc<Seat>>,
    monitor: Arc<Monitor>,
    acceptor_waker: Waker,
    /// Says that a worker has stopped.
    stopped: Receiver<u32>,
    /// Ends the cron thread when it is dropped.
    cron_stop: Sender<()>,
    threads: Vec<JoinHandle<()>>,
    signals: SigSet,
    pidfile: String,
}

fn start(loaded: Loaded) -> Result<Server, String> {
    let Loaded { config, notices } = loaded;
    begin_log(&config)?;
    for notice in notices {
        log::notice(&notice);
    }
    let config = within_limits(config);
    if config.daemonize {
        nix::unistd::daemon(true, false).map_err(|error| format!("Can't daemonize: {error}"))?;
    }
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
    log::notice(&format!(
        "ForgeKV {} (Redis {} compatible), pid {}, {workers} workers",
        env!("CARGO_PKG_VERSION"),
        crate::REDIS_VERSION,
        std::process::id()
    ));
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
    threads.push(spawn("forgekv-drop", move || garbage.iter().for_each(drop))?);
    let acceptor_waker = start_acceptor(listeners, &seats, &state, &mut threads)?;
    let watched = seats.clone();
    let watcher = monitor.clone();
    threads.push(spawn("forgekv-monitor", move || watcher.watch(&watched))?);

    load(&state, recovery, &seats)?;
    let (cron_stop, cron_stopped) = bounded(0);
    let (cron_state, cron_seats) = (state.clone(), seats.clone());
    threads.push(spawn("forgekv-cron", move || cron(&cron_state, &cron_seats, &cron_stopped))?);
    announce(&state);
    Ok(Server { state, seats, monitor, acceptor_waker, stopped, cron_stop, threads, signals, pidfile })
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
        drop(self.cron_stop);
        self.monitor.stop();
        let closed = self.state.keyspace.log().map_or(Ok(()), Engine::close);
        if !self.pidfile.is_empty() {
            let _ = file::remove(self.pidfile.as_ref());
        }
        closed.map_err(|error| format!("The log could not be closed cleanly: {error}"))?;
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

/// Raises the limit of open files to what `maxclients` needs, or lowers `maxclients` to what is possible, as Redis does.
fn within_limits(mut config: Config) -> Config {
    let wanted = u64::from(config.maxclients) + RESERVED_DESCRIPTORS;
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return config };
    if soft >= wanted {
        return config;
    }
    let raised = setrlimit(Resource::RLIMIT_NOFILE, wanted, hard.max(wanted)).is_ok();
    let limit = if raised {
        wanted
    } else {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, wanted.min(hard), hard);
        wanted.min(hard)
    };
    let possible = limit.saturating_sub(RESERVED_DESCRIPTORS).max(1) as u32;
    if possible < config.maxclients {
        log::warning(&format!(
            "You requested maxclients of {} requiring at least {wanted} max file descriptors. The server can't set \
             maximum open files to {wanted}: maxclients has been reduced to {possible}.",
            config.maxclients
        ));
        config.set_maxclients(possible);
    }
    config
}

fn log_options(config: &Config) -> storage::Options {
    storage::Options {
        sync_mode: sync_mode(config.wal_sync_mode),
        segment_bytes: u64::from(config.wal_segment_mb) << 20,
        ..storage::Options::default()
    }
}

/// The engine's name of a sync mode.
pub fn sync_mode(mode: values::SyncMode) -> storage::SyncMode {
    match mode {
        values::SyncMode::Always => storage::SyncMode::Always,
        values::SyncMode::EverySecond => storage::SyncMode::EverySecond,
        values::SyncMode::Never => storage::SyncMode::Never,
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
    keyspace.set_limits_memory(config.maxmemory > 0);
    let clients = Registry::default();
    let readers = seats.to_vec();
    clients.connect(Box::new(move |worker, notice| {
        for seat in readers.iter().filter(|seat| worker.is_none_or(|worker| worker == seat.index)) {
            seat.mailbox.post(Mail::Notice(notice));
        }
    }));
    let now = time::now();
    ServerState {
        keyspace,
        tcp_port: config.port,
        config: ConfigCell::new(config),
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
        last_save: AtomicU64::new(now.0 / 1000),
        shutdown: Box::new(|options: ShutdownOptions| {
            log::warning(&format!("User requested shutdown ({options:?})..."));
            // The main thread waits for exactly this signal.
            let _ = kill(Pid::this(), Signal::SIGTERM);
        }),
    }
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

/// Replays the log and opens it for new records. Clients get `-LOADING` until this returns.
fn load(state: &Arc<ServerState>, mut recovery: Recovery, seats: &[Arc<Seat>]) -> Result<(), String> {
    let began = time::Monotonic::now();
    let mut replay = Replay::new(state, time::now());
    let report = recovery
        .replay(|record| {
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
        "DB loaded from the log: {} records, {} bytes, {:.3} seconds",
        report.records,
        report.bytes,
        began.elapsed().as_secs_f64()
    ));
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
    state.keyspace.attach_log(engine);
    state.loading.store(false, Ordering::Release);
    Ok(())
}

struct LoadError(String);

impl From<storage::Error> for LoadError {
    fn from(error: storage::Error) -> Self {
        LoadError(error.to_string())
    }
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

/// The cron thread: active expiry at every tick, samples ten times a second, idle clients once a second.
fn cron(state: &ServerState, seats: &[Arc<Seat>], stopped: &Receiver<()>) {
    let stats = state.stats.register();
    let mut tick = 0u64;
    loop {
        match stopped.recv_timeout(CRON_TICK) {
            Err(crossbeam_channel::RecvTimeoutError::Timeout) => {}
            _ => return,
        }
        tick += 1;
        if state.active_expire.load(Ordering::Relaxed) && !state.is_paused_for_expiry() {
            let (expired, _) = state.keyspace.sweep(time::now(), EXPIRE_PER_TICK);
            stats.add(Stat::ExpiredKeys, expired);
        }
        if tick.is_multiple_of(2) {
            state.rates.sample(time::now().0, &state.stats.totals());
        }
        if tick.is_multiple_of(20) {
            state.rates.sample_memory(state.memory().used());
        }
        if tick.is_multiple_of(20) && state.config.snapshot().timeout > 0 {
            seats.iter().for_each(|seat| seat.mailbox.post(Mail::Tick));
        }
    }
}
