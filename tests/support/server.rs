//! A server process that belongs to one test.
//!
//! * It has its own directory and port, answers PING before `start` returns, and is gone when dropped.
//! * When the test fails, the end of its log is printed and its directory is kept.
//! * Ports are taken below the kernel's ephemeral range, so that no client's own port is in the way; a port that
//!   somebody else took in between makes the start try the next one.
//!
//! With `FORGEKV_TEST_COLD` every server runs with a tiny cache and DEBUG COLD, so that nearly every access finds its key on
//! disk only.
//!
//! With `FORGEKV_TEST_ADDR` nothing is started: `Server` stands for the one that runs there, emptied, and a lock
//! lets one test at a time use it.

use super::client::Client;
use super::value::Value;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::cell::Cell;
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

const START_TIMEOUT: Duration = Duration::from_secs(10);
const LOG_TAIL_LINES: usize = 40;

static EXTERNAL: Mutex<()> = Mutex::new(());
static NEXT: AtomicU32 = AtomicU32::new(0);

thread_local! {
    static HOLDS_EXTERNAL: Cell<bool> = const { Cell::new(false) };
}

/// The address of the server under test, when it is one that already runs.
fn external_addr() -> Option<SocketAddr> {
    let text = std::env::var("FORGEKV_TEST_ADDR").ok()?;
    let addr = text.to_socket_addrs().ok().and_then(|mut addrs| addrs.next());
    Some(addr.unwrap_or_else(|| panic!("FORGEKV_TEST_ADDR={text} is not host:port")))
}

/// True when the test must be skipped because the server under test is another one: a test that only ForgeKV can
/// pass begins with `if forgekv_only("the reason") { return; }`. These reasons are the README's list of differences.
#[must_use]
pub fn forgekv_only(reason: &str) -> bool {
    let skip = external_addr().is_some();
    if skip {
        eprintln!("skipped: only ForgeKV does this: {reason}");
    }
    skip
}

/// Does every server let its keys leave RAM at once, so that nearly every access finds its key on disk only?
/// `FORGEKV_TEST_COLD`.
pub fn is_cold() -> bool {
    std::env::var_os("FORGEKV_TEST_COLD").is_some()
}

/// True when the test must be skipped because its server keeps nothing in RAM: a test of what is in RAM begins with
/// `if warm_only("the reason") { return; }`.
#[must_use]
pub fn warm_only(reason: &str) -> bool {
    if is_cold() {
        eprintln!("skipped: not with everything on disk: {reason}");
    }
    is_cold()
}

/// How to start a server.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    program: PathBuf,
    config_file: Option<PathBuf>,
    args: Vec<String>,
    dir: Option<PathBuf>,
    while_loading: bool,
}

impl Default for ServerOptions {
    fn default() -> Self {
        let program = std::env::var_os("FORGEKV_BIN").unwrap_or_else(|| env!("CARGO_BIN_EXE_forgekv").into());
        Self { program: program.into(), config_file: None, args: Vec::new(), dir: None, while_loading: false }
    }
}

impl ServerOptions {
    /// Another program than the one under test, for instance `redis-server`.
    pub fn program(mut self, program: impl Into<PathBuf>) -> Self {
        self.program = program.into();
        self
    }

    /// A configuration file, which the port, the directory and the arguments come after.
    pub fn config_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.config_file = Some(path.into());
        self
    }

    /// Arguments after the port and the directory, e.g. `["--appendonly", "yes"]`.
    pub fn args<S: AsRef<str>>(mut self, args: &[S]) -> Self {
        self.args.extend(args.iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// A data directory that the caller owns; it is not removed.
    pub fn dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.dir = Some(dir.into());
        self
    }

    /// An answer that the dataset is being loaded is an answer.
    pub fn while_loading(mut self) -> Self {
        self.while_loading = true;
        self
    }

    fn is_forgekv(&self) -> bool {
        self.program.ends_with("forgekv")
    }

    /// Starts the server and waits until it answers.
    #[track_caller]
    pub fn start(self) -> Server {
        self.try_start().unwrap_or_else(|error| panic!("{error}"))
    }

    /// `start`, where a failure is a text with the end of the log.
    pub fn try_start(self) -> Result<Server, String> {
        let owns_dir = self.dir.is_none();
        let dir = self.dir.clone().unwrap_or_else(new_dir);
        let mut server = Server {
            options: self,
            process: None,
            dir,
            owns_dir,
            addr: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            external: None,
        };
        server.spawn()?;
        Ok(server)
    }

    /// Starts the server and returns what it wrote before it exited; panics if it serves instead.
    #[track_caller]
    pub fn start_expecting_failure(self) -> String {
        let dir = self.dir.clone().unwrap_or_else(new_dir);
        let log = dir.join("server.log");
        let mut child = self.command(&dir, free_port(), &log).spawn().expect("the program can be started");
        let deadline = Instant::now() + START_TIMEOUT;
        let status = loop {
            match child.try_wait().expect("a child can be waited for") {
                Some(status) => break status,
                None if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(5)),
                None => {
                    let _ = child.kill();
                    let _ = child.wait();
                    panic!("the server started although it should refuse; its log:\n{}", read_log(&log));
                }
            }
        };
        let text = read_log(&log);
        assert!(!status.success(), "the server refused to start, but exited with success; its log:\n{text}");
        if self.dir.is_none() {
            let _ = fs::remove_dir_all(&dir);
        }
        text
    }

    fn command(&self, dir: &Path, port: u16, log: &Path) -> Command {
        let log = File::options().create(true).append(true).open(log).expect("the log can be opened");
        let mut command = Command::new(&self.program);
        command
            .args(&self.config_file)
            .args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--dir"])
            .arg(dir);
        if is_cold() && self.is_forgekv() {
            // Before the test's own, which may say otherwise.
            command.args(["--memtable_size_mb", "8", "--enable-debug-command", "local"]);
        }
        command.args(&self.args).stdin(Stdio::null());
        command.stdout(log.try_clone().expect("a file can be cloned")).stderr(log);
        command
    }
}

/// A running server; see the module's doc.
pub struct Server {
    options: ServerOptions,
    process: Option<Child>,
    dir: PathBuf,
    owns_dir: bool,
    addr: SocketAddr,
    external: Option<MutexGuard<'static, ()>>,
}

impl Server {
    /// The server under test with its defaults.
    #[track_caller]
    pub fn start() -> Self {
        match external_addr() {
            Some(addr) => Self::attach(addr),
            None => ServerOptions::default().start(),
        }
    }

    /// The server under test with more arguments; only a server of our own can have them.
    #[track_caller]
    pub fn with_args(args: &[&str]) -> Self {
        assert!(external_addr().is_none(), "a test that needs its own server is marked forgekv_only");
        ServerOptions::default().args(args).start()
    }

    #[track_caller]
    fn attach(addr: SocketAddr) -> Self {
        assert!(!HOLDS_EXTERNAL.get(), "a test that needs two servers is marked forgekv_only");
        let guard = EXTERNAL.lock().unwrap_or_else(PoisonError::into_inner);
        HOLDS_EXTERNAL.set(true);
        Client::connect(addr).ok(&["FLUSHALL"]);
        let options = ServerOptions::default();
        Self { options, process: None, dir: PathBuf::new(), owns_dir: false, addr, external: Some(guard) }
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The data directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The process id; panics for a server that this test did not start.
    #[track_caller]
    pub fn pid(&self) -> u32 {
        self.process.as_ref().expect("the test started this server and it was not stopped").id()
    }

    #[track_caller]
    pub fn connect(&self) -> Client {
        Client::connect(self.addr)
    }

    /// Everything the server has written to its standard output and error.
    pub fn log(&self) -> String {
        read_log(&self.log_path())
    }

    fn log_path(&self) -> PathBuf {
        self.dir.join("server.log")
    }

    /// True while the process runs.
    pub fn is_running(&mut self) -> bool {
        self.process.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// Ends the process as a power switch would: SIGKILL.
    pub fn kill_9(&mut self) {
        if let Some(mut child) = self.process.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Sends a signal.
    #[track_caller]
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid() as i32), signal).expect("the server's process exists");
    }

    /// Asks the process to stop (SIGTERM) and waits for it.
    #[track_caller]
    pub fn stop(&mut self) -> ExitStatus {
        self.signal(Signal::SIGTERM);
        self.wait_for_exit()
    }

    /// Waits until the process has ended by itself; panics after ten seconds.
    #[track_caller]
    pub fn wait_for_exit(&mut self) -> ExitStatus {
        let mut child = self.process.take().expect("the test started this server and it was not stopped");
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            if let Some(status) = child.try_wait().expect("a child can be waited for") {
                return status;
            }
            if Instant::now() >= deadline {
                let _ = child.kill();
                let _ = child.wait();
                panic!("the server did not stop; its log:\n{}", self.log());
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Starts it again on the same directory, after `kill_9` if it still runs.
    #[track_caller]
    pub fn restart(&mut self) {
        self.kill_9();
        self.spawn().unwrap_or_else(|error| panic!("{error}"));
    }

    fn spawn(&mut self) -> Result<(), String> {
        assert!(self.external.is_none(), "a test that restarts its server is marked forgekv_only");
        let log = self.log_path();
        for _ in 0..5 {
            let old_len = fs::metadata(&log).map_or(0, |meta| meta.len()) as usize;
            let port = free_port();
            self.addr = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            let program = self.options.program.display().to_string();
            let child = self.options.command(&self.dir, port, &log).spawn();
            self.process = Some(child.map_err(|error| format!("cannot start {program}: {error}"))?);
            match self.wait_until_ready() {
                Ok(()) => {
                    self.keep_nothing_in_ram();
                    return Ok(());
                }
                Err(error) => {
                    self.kill_9();
                    let text = self.log();
                    if !text.get(old_len..).unwrap_or("").to_lowercase().contains("in use") {
                        return Err(format!("{program} {error}; its log:\n{}", tail(&text)));
                    }
                }
            }
        }
        Err("five ports in a row were taken".to_owned())
    }

    /// With `FORGEKV_TEST_COLD`: DEBUG COLD 1.
    fn keep_nothing_in_ram(&self) {
        if !is_cold() || !self.options.is_forgekv() {
            return;
        }
        let mut client = Client::connect(self.addr);
        let password = self.options.args.iter().skip_while(|arg| *arg != "--requirepass").nth(1);
        if let Some(password) = password {
            client.cmd(&["AUTH", password]);
        }
        let reply = client.cmd(&["DEBUG", "COLD", "1"]);
        if reply != Value::simple("OK") {
            eprintln!("this server keeps its keys in RAM: {reply:?}");
        }
    }

    /// Waits until our own process answers; `-LOADING` is not an answer, unless the options say so; `-NOAUTH` is.
    fn wait_until_ready(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + START_TIMEOUT;
        while Instant::now() < deadline {
            let answer = Client::try_connect(self.addr).and_then(|mut client| client.try_cmd(&["PING"]));
            if !self.is_running() {
                return Err("exited at once".to_owned());
            }
            match answer {
                Ok(reply)
                    if self.options.while_loading
                        || !reply.as_error().is_some_and(|error| error.starts_with("LOADING")) =>
                {
                    return Ok(());
                }
                _ => std::thread::sleep(Duration::from_millis(3)),
            }
        }
        Err("did not answer PING within ten seconds".to_owned())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.external.is_some() {
            HOLDS_EXTERNAL.set(false);
            return;
        }
        self.kill_9();
        if std::thread::panicking() {
            let dir = self.dir.display();
            eprintln!("the server's directory is kept: {dir}; the end of its log:\n{}", tail(&self.log()));
        } else if self.owns_dir {
            let _ = fs::remove_dir_all(&self.dir);
        }
    }
}

fn read_log(path: &Path) -> String {
    fs::read(path).map_or_else(|_| String::new(), |bytes| String::from_utf8_lossy(&bytes).into_owned())
}

fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LOG_TAIL_LINES)..].join("\n")
}

/// A new empty directory for one test.
pub fn new_dir() -> PathBuf {
    let name = format!("forgekv-test-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let dir = std::env::temp_dir().join(name);
    fs::create_dir_all(&dir).unwrap_or_else(|error| panic!("cannot create {}: {error}", dir.display()));
    dir
}

/// A port that nobody listens on at this moment.
fn free_port() -> u16 {
    const FIRST: u32 = 20_000;
    const COUNT: u32 = 12_000;
    for _ in 0..COUNT {
        // Processes start at different places, so that two suites side by side seldom meet.
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = (FIRST + (std::process::id() * 37 + step) % COUNT) as u16;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
    panic!("no free port between {FIRST} and {}", FIRST + COUNT);
}

#[test]
fn a_program_that_exits_is_a_failure_and_not_a_server() {
    let options = || ServerOptions::default().program("/bin/false");
    assert_eq!(options().start_expecting_failure(), "");
    let error = options().try_start().err().expect("the program exits at once");
    assert!(error.contains("exited at once"), "{error}");
}
