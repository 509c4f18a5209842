//! What one key of ten million elements does to whoever works on it, and to everybody else.
//!
//! * `big-keys-list` and so on, one for each type: the round trips of one client that grows the key, sixteen requests at a time, alone and with checkpoints
//!   back to back; then what gets rid of a big key or looks at it: how long whoever asked waited, and how long at most a
//!   bystander did who reads another key meanwhile.
//! * Round trips are without the time that the server's worker and this program waited for a core: the machine's business is not
//!   the server's. Who waits for a lock is not taken off. What is left of the machine shows in the same number of PINGs.

use crate::histogram::Histogram;
use crate::options::Options;
use crate::process::{Launch, Process};
use crate::tiers::{beside, forgekv, redis};
use crate::workload::{Operation, Template};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

const KINDS: [(&str, &Operation); 5] = [
    ("list", &Operation::Lpush),
    ("set", &Operation::Sadd),
    ("hash", &Operation::Hset),
    ("zset", &Operation::Zadd),
    ("stream", &Operation::Xadd),
];
/// Requests of one round trip.
const BATCH: usize = 16;
/// How long bystanders are watched after the reply: memory is freed behind it.
const AFTERMATH: Duration = Duration::from_millis(300);

/// What is done to a big key: a name, what is asked before that takes no notice, and what is measured.
const DEEDS: [(&str, &str, &str); 8] = [
    ("OBJECT ENCODING", "", "OBJECT ENCODING big"),
    ("MEMORY USAGE", "", "MEMORY USAGE big"),
    ("DEL", "", "DEL big"),
    ("UNLINK", "", "UNLINK big"),
    ("SET over it", "", "SET big small"),
    ("RENAME over it", "SET small 1", "RENAME small big"),
    ("expiry", "", "PEXPIRE big 1"),
    ("FLUSHALL", "", "FLUSHALL"),
];

/// See the module.
pub fn scenario(options: &Options, kind: &str) -> Result<(), String> {
    let elements = if options.quick { 200_000 } else { 10_000_000 };
    let known = KINDS.iter().find(|(name, _)| *name == kind);
    let (_, operation) = known.ok_or_else(|| format!("{kind} is no kind of key"))?;
    for (name, launch) in [("forgekv", forgekv(options, &[])), ("redis", redis(options))] {
        one(elements, kind, operation, name, &launch)?;
    }
    Ok(())
}

fn one(
    elements: u32,
    kind: &str,
    operation: &'static Operation,
    name: &str,
    launch: &Launch,
) -> Result<(), String> {
    let process = launch.start()?;
    let mut grower = Grower::new(&process, operation)?;
    let idle = grower.ping(elements / 8)?;
    let alone = grower.grow(elements / 2)?;
    // Of Redis, a snapshot by a fork takes the place of checkpoints.
    let command = if name == "forgekv" { "BGREWRITEAOF" } else { "BGSAVE" };
    let saving = beside(&process, command, || grower.grow(elements / 2))?;
    println!("big-keys               {name:<10} {kind:<10} growth: {alone}");
    println!("{:22} {:<21} beside {command}: {saving}", "", "");
    println!("{:22} {:<21} PING: {idle}", "", "");
    let mut client = Client::new(process.addr())?;
    if kind == "stream" {
        report(&process, &mut client, "XINFO STREAM", "XINFO STREAM big")?;
    }
    for (what, before, words) in DEEDS {
        if client.ask("EXISTS big")? != ":1" || client.ask("TYPE big")? == "+string" {
            client.ask("DEL big")?;
            // Enough to see whether it is its size that counts.
            grower.grow(elements / 10)?;
        }
        if !before.is_empty() {
            client.ask(before)?;
        }
        report(&process, &mut client, what, words)?;
    }
    Ok(())
}

fn report(process: &Process, client: &mut Client, what: &str, words: &str) -> Result<(), String> {
    let (reply, own, others) = deed(process, client, words)?;
    if reply.starts_with('-') {
        return Err(format!("{words}: {reply}"));
    }
    println!("{:22} {what:<16} {:.2} ms, a bystander at most {:.2} ms", "", ms(own), ms(others));
    Ok(())
}

/// Does one thing; the reply, how long it took and how long a bystander waited at most, then and shortly after.
fn deed(process: &Process, client: &mut Client, words: &str) -> Result<(String, u64, u64), String> {
    let (over, worst) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut bystander = Client::new(process.addr())?;
    std::thread::scope(|scope| {
        let watching = scope.spawn(|| -> Result<(), String> {
            while !over.load(Ordering::Relaxed) {
                let asked = Instant::now();
                bystander.ask("GET another")?;
                worst.fetch_max(nanos(asked), Ordering::Relaxed);
                std::thread::sleep(Duration::from_micros(50));
            }
            Ok(())
        });
        std::thread::sleep(Duration::from_millis(5));
        let asked = Instant::now();
        let reply = client.ask(words);
        let own = nanos(asked);
        std::thread::sleep(AFTERMATH);
        over.store(true, Ordering::Relaxed);
        watching.join().unwrap_or_else(|_| Err("the bystander panicked".to_owned()))?;
        Ok((reply?, own, worst.load(Ordering::Relaxed)))
    })
}

fn nanos(since: Instant) -> u64 {
    since.elapsed().as_nanos() as u64
}

fn ms(nanos: u64) -> f64 {
    nanos as f64 / 1e6
}

/// One client that adds elements to the key.
struct Grower {
    stream: TcpStream,
    operation: Operation,
    template: Template,
    /// Numbers given out so far.
    taken: u64,
    /// How long the threads have waited for a core.
    waits: Vec<File>,
}

/// Round trips.
#[derive(Default)]
struct Trips(Histogram);

impl std::fmt::Display for Trips {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let at = |q| ms(self.0.quantile(q));
        write!(f, "p99.9 {:.2}, p99.99 {:.2}, worst {:.2} ms", at(0.999), at(0.9999), ms(self.0.max()))
    }
}

impl Grower {
    fn new(process: &Process, operation: &'static Operation) -> Result<Self, String> {
        let fail = |error: io::Error| format!("the growing client: {error}");
        let stream = TcpStream::connect(process.addr()).map_err(fail)?;
        stream.set_nodelay(true).map_err(fail)?;
        let own = "/proc/thread-self/schedstat".into();
        let paths = [process.schedstat_of_worker().map_err(fail)?, own];
        let waits = paths.iter().map(File::open).collect::<io::Result<_>>().map_err(fail)?;
        let operation = Operation::Big(operation);
        Ok(Self { stream, operation, template: operation.template(), taken: 0, waits })
    }

    /// Adds so many elements.
    fn grow(&mut self, elements: u32) -> Result<Trips, String> {
        let mut requests = self.template.bytes.repeat(BATCH);
        let (mut input, mut trips) = (vec![0; 64 << 10], Trips::default());
        for batch in 0..elements / BATCH as u32 {
            for request in requests.chunks_exact_mut(self.template.bytes.len()) {
                self.template.patch(request, || {
                    self.taken += 1;
                    // In turn at the end of what is ordered, and anywhere.
                    if batch % 2 == 0 { self.taken as u32 } else { scattered(self.taken) }
                });
            }
            trips.0.record(self.trip(&requests, |grower| grower.take_replies(&mut input))?);
        }
        Ok(trips)
    }

    /// Asks so often whether the server is there.
    fn ping(&mut self, times: u32) -> Result<Trips, String> {
        let (mut pongs, mut trips) = ([0; BATCH * b"+PONG\r\n".len()], Trips::default());
        for _ in 0..times / BATCH as u32 {
            let answered = |grower: &mut Self| {
                grower.stream.read_exact(&mut pongs).map_err(|error| format!("PING: {error}"))
            };
            trips.0.record(self.trip(&b"PING\r\n".repeat(BATCH), answered)?);
        }
        Ok(trips)
    }

    /// Nanoseconds from requests to replies, without waits for a core.
    fn trip(
        &mut self,
        requests: &[u8],
        take: impl FnOnce(&mut Self) -> Result<(), String>,
    ) -> Result<u64, String> {
        let waited = self.waited();
        let sent = Instant::now();
        self.stream.write_all(requests).map_err(|error| error.to_string())?;
        take(self)?;
        Ok(nanos(sent).saturating_sub(self.waited() - waited))
    }

    fn take_replies(&mut self, input: &mut [u8]) -> Result<(), String> {
        let (mut filled, mut checked, mut left) = (0, 0, BATCH);
        while left > 0 {
            match self.operation.check(&input[checked..filled], 0)? {
                Some((bytes, _)) => (checked, left) = (checked + bytes, left - 1),
                None => {
                    let count = self.stream.read(&mut input[filled..]).map_err(|error| error.to_string())?;
                    if count == 0 {
                        return Err("the server closed the connection".to_owned());
                    }
                    filled += count;
                }
            }
        }
        Ok(())
    }

    /// Nanoseconds that the server's worker and this thread have waited for a core.
    fn waited(&self) -> u64 {
        self.waits.iter().map(waited).sum()
    }
}

/// The second number of a schedstat.
fn waited(file: &File) -> u64 {
    let mut text = [0; 96];
    let length = file.read_at(&mut text, 0).unwrap_or(0);
    let words = String::from_utf8_lossy(&text[..length]);
    words.split_whitespace().nth(1).and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// A number that seems drawn.
fn scattered(number: u64) -> u32 {
    let mut z = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (z >> 32) as u32
}

/// A client that asks one thing at a time.
struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    fn new(addr: SocketAddr) -> Result<Self, String> {
        let connected = TcpStream::connect(addr).and_then(|stream| {
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(Duration::from_secs(60)))?;
            Ok(stream)
        });
        connected.map(|stream| Self { stream: BufReader::new(stream) }).map_err(|error| error.to_string())
    }

    /// Asks in words without blanks inside; the first line of the reply.
    fn ask(&mut self, words: &str) -> Result<String, String> {
        let asked = self.stream.get_mut().write_all(format!("{words}\r\n").as_bytes());
        asked.and_then(|()| self.take()).map_err(|error| format!("{words}: {error}"))
    }

    fn take(&mut self) -> io::Result<String> {
        let mut first = String::new();
        self.stream.read_line(&mut first)?;
        let first = first.trim_end().to_owned();
        let count = first.get(1..).and_then(|count| count.parse::<i64>().ok()).unwrap_or(0);
        match first.as_bytes().first() {
            Some(b'$') if count >= 0 => {
                let mut bulk = vec![0; count as usize + 2];
                self.stream.read_exact(&mut bulk)?;
            }
            Some(b'*') => {
                for _ in 0..count {
                    self.take()?;
                }
            }
            Some(_) => {}
            None => return Err(io::ErrorKind::UnexpectedEof.into()),
        }
        Ok(first)
    }
}
