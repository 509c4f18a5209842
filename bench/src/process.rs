//! A server under measurement: started on a private port and directory, pinned, and read through `/proc`.
//!
//! * CPU time is what the scheduler charged to all threads, in nanoseconds (`/proc/PID/task/*/schedstat`). Threads that
//!   ended in between are in no schedstat; `/proc/PID/stat` counts them in ticks of 10 ms, so the larger of the two
//!   is used when they disagree by more than the tick's error.
//! * The process is killed and its directory removed when the value is dropped.

use std::collections::HashMap;
use std::fs;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

const START_TIMEOUT: Duration = Duration::from_secs(20);

/// Which program to start, and how.
#[derive(Clone, Debug)]
pub struct Launch {
    /// The executable.
    pub program: PathBuf,
    /// Its first argument when it is one of our own modes; a Redis server takes `--bind` and `--dir` instead.
    pub mode: Option<&'static str>,
    /// Arguments after the port.
    pub args: Vec<String>,
    /// The CPUs it may run on, in `taskset -c` notation.
    pub cpus: String,
}

/// A running server.
pub struct Process {
    child: Child,
    dir: PathBuf,
    addr: SocketAddr,
}

/// Processor time of all threads at one moment.
#[derive(Clone, Debug, Default)]
pub struct CpuTime {
    threads_ns: HashMap<u32, u64>,
    process_ns: u64,
}

impl CpuTime {
    /// Nanoseconds spent since `earlier`.
    pub fn since(&self, earlier: &Self) -> u64 {
        let thread =
            |(tid, ns): (&u32, &u64)| ns - earlier.threads_ns.get(tid).copied().unwrap_or(0).min(*ns);
        let threads: u64 = self.threads_ns.iter().map(thread).sum();
        let process = self.process_ns.saturating_sub(earlier.process_ns);
        let tick_error = 40_000_000;
        if process > threads + threads / 20 + tick_error { process } else { threads }
    }
}

impl Launch {
    /// Starts the server and waits until it answers PING.
    pub fn start(&self) -> Result<Process, String> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("forgekv-bench-{}-{number}", std::process::id()));
        let mut process = self.spawn(dir)?;
        process.wait_until_ready()?;
        Ok(process)
    }

    /// Starts the server on a directory.
    fn spawn(&self, dir: PathBuf) -> Result<Process, String> {
        let fail = |error: io::Error| format!("cannot start {}: {error}", self.program.display());
        fs::create_dir_all(&dir).map_err(fail)?;
        let log = fs::File::create(dir.join("server.log")).map_err(fail)?;
        let port = free_port().map_err(fail)?;
        let mut command = Command::new(if has_taskset() { Path::new("taskset") } else { &self.program });
        if has_taskset() {
            command.args(["-c", &self.cpus]).arg(&self.program);
        }
        match self.mode {
            Some(mode) => command.args([mode]),
            None => command.args(["--bind", "127.0.0.1", "--dir"]).arg(&dir),
        };
        command.args(["--port", &port.to_string()]).args(&self.args);
        command.stdin(Stdio::null()).stdout(log.try_clone().map_err(fail)?).stderr(log);
        let child = command.spawn().map_err(fail)?;
        Ok(Process { child, dir, addr: SocketAddr::from((Ipv4Addr::LOCALHOST, port)) })
    }
}

impl Process {
    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Ends the process at once, as kill -9 does.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Asks the process to stop and waits until it has.
    pub fn stop(&mut self) -> Result<(), String> {
        let fail = |error: io::Error| format!("cannot stop the server: {error}");
        Command::new("kill").arg(self.child.id().to_string()).status().map_err(fail)?;
        self.child.wait().map_err(fail)?;
        Ok(())
    }

    /// Starts the server again on the same directory; the time until a key that is there can be read.
    pub fn restart_until_read(&mut self, launch: &Launch, keys: u32) -> Result<Duration, String> {
        let began = Instant::now();
        let mut next = launch.spawn(self.dir.clone())?;
        // The directory goes with the newer one.
        std::mem::swap(self, &mut next);
        next.dir = PathBuf::new();
        let question = format!("GET key:{:012}", keys / 2);
        while began.elapsed() < Duration::from_secs(300) {
            if self.ask(&question).is_ok_and(|reply| reply.starts_with('$') && !reply.starts_with("$-")) {
                return Ok(began.elapsed());
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Err(format!("the server does not come back:\n{}", self.log()))
    }

    /// Asks one thing in words without blanks; the first part of the answer as it comes.
    pub fn ask(&self, words: &str) -> Result<String, String> {
        let asked = || -> io::Result<String> {
            let mut stream = TcpStream::connect_timeout(&self.addr, Duration::from_secs(1))?;
            stream.set_read_timeout(Some(Duration::from_secs(30)))?;
            stream.write_all(format!("{words}\r\n").as_bytes())?;
            let mut reply = vec![0; 16 << 10];
            let length = stream.read(&mut reply)?;
            Ok(String::from_utf8_lossy(&reply[..length]).into_owned())
        };
        asked().map_err(|error| format!("{words}: {error}"))
    }

    /// Processor time so far.
    pub fn cpu(&self) -> io::Result<CpuTime> {
        let proc = PathBuf::from(format!("/proc/{}", self.child.id()));
        let mut time = CpuTime::default();
        for task in fs::read_dir(proc.join("task"))? {
            let task = task?;
            let Some(tid) = task.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            // A thread may end between the listing and the read.
            let Ok(text) = fs::read_to_string(task.path().join("schedstat")) else { continue };
            let ns = text.split(' ').next().and_then(|ns| ns.parse().ok()).unwrap_or(0);
            time.threads_ns.insert(tid, ns);
        }
        let stat = fs::read_to_string(proc.join("stat"))?;
        let fields = stat.rsplit(')').next().unwrap_or("").split_whitespace();
        let ticks: u64 = fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
        time.process_ns = ticks * 10_000_000;
        Ok(time)
    }

    /// The file that says how long the thread that executes commands has run and waited for a core.
    pub fn schedstat_of_worker(&self) -> io::Result<PathBuf> {
        let tasks = PathBuf::from(format!("/proc/{}/task", self.child.id()));
        for task in fs::read_dir(&tasks)? {
            let task = task?.path();
            if fs::read_to_string(task.join("comm"))?.starts_with("forgekv-worker") {
                return Ok(task.join("schedstat"));
            }
        }
        // Redis executes in its first thread.
        Ok(tasks.join(self.child.id().to_string()).join("schedstat"))
    }

    /// Waits until the process has nothing to do any more that is worth a tenth of a core: a checkpoint, or files to close. For
    /// half a minute at most.
    pub fn wait_until_idle(&self) -> io::Result<()> {
        const LOOK: Duration = Duration::from_millis(500);
        for _ in 0..60 {
            let before = self.cpu()?;
            std::thread::sleep(LOOK);
            if u128::from(self.cpu()?.since(&before)) < LOOK.as_nanos() / 10 {
                break;
            }
        }
        Ok(())
    }

    /// Resident memory in bytes (VmRSS).
    pub fn rss(&self) -> io::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib =
            line.and_then(|rest| rest.split_whitespace().next()).and_then(|kib| kib.parse::<u64>().ok());
        Ok(kib.ok_or_else(|| io::Error::other("no VmRSS line"))? * 1024)
    }

    fn wait_until_ready(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("the server exited with {status}:\n{}", self.log()));
            }
            if ping(self.addr).is_ok() {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(format!("the server does not answer PING:\n{}", self.log()));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.dir.join("server.log")).unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if !self.dir.as_os_str().is_empty() {
            let _ = fs::remove_dir_all(&self.dir);
        }
    }
}

/// Moves every thread of this process to the given CPUs; does nothing where `taskset` is missing.
pub fn pin_self(cpus: &str) {
    if has_taskset() {
        let pid = std::process::id().to_string();
        let _ = Command::new("taskset").args(["-a", "-p", "-c", cpus, &pid]).stdout(Stdio::null()).status();
    }
}

/// Whether processes can be pinned here.
pub fn has_taskset() -> bool {
    ["/usr/bin/taskset", "/bin/taskset"].iter().any(|path| Path::new(path).exists())
}

fn ping(addr: SocketAddr) -> io::Result<()> {
    let mut stream = TcpStream::connect_timeout(&addr, Duration::from_secs(1))?;
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    stream.write_all(b"*1\r\n$4\r\nPING\r\n")?;
    let mut reply = [0; 7];
    stream.read_exact(&mut reply)?;
    if reply == *b"+PONG\r\n" { Ok(()) } else { Err(io::Error::other("not PONG")) }
}

/// A free port below the kernel's ephemeral range, so that no client's own port can take it in between.
fn free_port() -> io::Result<u16> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    for _ in 0..1000 {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = 12_000 + ((std::process::id() * 31 + step) % 6_000) as u16;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    Err(io::Error::other("no free port"))
}
