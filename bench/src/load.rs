//! The load generator: one thread, one epoll set, a closed loop on every connection.
//!
//! * Each connection sends one batch of `pipeline` requests in one write and sends the next when the last reply of the
//!   batch has been checked. The latency recorded is the batch's, from before the write to after the last reply.
//! * Nothing is allocated while the clock runs.
//!
//! It does not offer a fixed rate: the figures to compare are processor time per operation, and latency under
//! the same number of clients.

use crate::histogram::Histogram;
use crate::workload::{Operation, Template};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// A server that says nothing for this long has failed.
const SILENCE: Duration = Duration::from_secs(30);

/// How keys are chosen.
#[derive(Clone, Copy, Debug)]
pub enum Order {
    /// 0, 1, 2 …
    Sequential,
    /// Uniformly at random, from this seed.
    Random(u64),
}

/// When to stop.
#[derive(Clone, Copy, Debug)]
pub enum Limit {
    /// After so many keys.
    Keys(u64),
    /// After so long.
    Time(Duration),
}

/// One run.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// What is asked.
    pub operation: Operation,
    /// Requests in one write.
    pub pipeline: usize,
    /// Connections at once.
    pub connections: usize,
    /// Key numbers are in `0..keys`.
    pub keys: u32,
    /// How they are chosen.
    pub order: Order,
    /// When to stop.
    pub limit: Limit,
}

/// What a run measured.
#[derive(Clone, Default)]
pub struct Outcome {
    /// Requests answered correctly.
    pub requests: u64,
    /// From the first write to the last reply.
    pub elapsed: Duration,
    /// Batch latencies in nanoseconds.
    pub latency: Histogram,
    /// The sum of all numbers replied.
    pub sum: u64,
}

struct Connection {
    stream: TcpStream,
    output: Vec<u8>,
    written: usize,
    input: Vec<u8>,
    filled: usize,
    checked: usize,
    keys: Vec<u32>,
    answered: usize,
    sent_at: Instant,
    busy: bool,
}

struct Generator {
    plan: Plan,
    template: Template,
    keys: KeySource,
    deadline: Option<Instant>,
}

struct KeySource {
    order: Order,
    bound: u32,
    taken: u64,
}

/// Runs a plan against a server; any wrong reply is an error.
pub fn run(addr: SocketAddr, plan: Plan) -> Result<Outcome, String> {
    let io = |error: io::Error| format!("the load generator: {error}");
    let mut poll = Poll::new().map_err(io)?;
    let mut generator = Generator::new(plan);
    let mut connections = Vec::with_capacity(plan.connections);
    for index in 0..plan.connections {
        let mut stream = connect(addr).map_err(io)?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        poll.registry().register(&mut stream, Token(index), interest).map_err(io)?;
        connections.push(Connection::new(stream, &plan, &generator.template));
    }
    let mut outcome = Outcome::default();
    let mut events = Events::with_capacity(plan.connections * 2);
    let start = Instant::now();
    if let Limit::Time(time) = plan.limit {
        generator.deadline = Some(start + time);
    }
    let mut busy = 0;
    for connection in &mut connections {
        busy += usize::from(connection.send_batch(&mut generator, start).map_err(io)?);
    }
    while busy > 0 {
        poll.poll(&mut events, Some(SILENCE)).map_err(io)?;
        if events.is_empty() {
            return Err(stalled(&connections));
        }
        for event in &events {
            let connection = &mut connections[event.token().0];
            if connection.busy && !connection.turn(&mut generator, &mut outcome)? {
                busy -= 1;
            }
        }
    }
    outcome.elapsed = start.elapsed();
    Ok(outcome)
}

fn connect(addr: SocketAddr) -> io::Result<TcpStream> {
    let stream = std::net::TcpStream::connect(addr)?;
    stream.set_nodelay(true)?;
    stream.set_nonblocking(true)?;
    Ok(TcpStream::from_std(stream))
}

fn stalled(connections: &[Connection]) -> String {
    let waiting = connections.iter().filter(|connection| connection.busy);
    let partial = waiting.clone().map(|c| c.input[c.checked..c.filled].escape_ascii().to_string());
    let shown = partial.clone().find(|text| !text.is_empty()).unwrap_or_default();
    format!("no reply for {SILENCE:?} on {} connections; last bytes \"{shown}\"", waiting.count())
}

impl KeySource {
    fn next(&mut self) -> u32 {
        self.taken += 1;
        match self.order {
            Order::Sequential => ((self.taken - 1) % u64::from(self.bound)) as u32,
            Order::Random(seed) => {
                let mut z = seed.wrapping_add(self.taken.wrapping_mul(0x9e37_79b9_7f4a_7c15));
                z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
                (((z >> 32) * u64::from(self.bound)) >> 32) as u32
            }
        }
    }
}

impl Generator {
    fn new(plan: Plan) -> Self {
        let keys = KeySource { order: plan.order, bound: plan.keys, taken: 0 };
        Self { plan, template: plan.operation.template(), keys, deadline: None }
    }

    /// Requests of the next batch; zero when the run is over.
    fn next_batch(&self, now: Instant) -> usize {
        match (self.plan.limit, self.deadline) {
            (Limit::Keys(keys), _) => {
                let left = keys.saturating_sub(self.keys.taken).div_ceil(self.plan.operation.keys() as u64);
                self.plan.pipeline.min(left as usize)
            }
            (Limit::Time(_), Some(deadline)) if now >= deadline => 0,
            _ => self.plan.pipeline,
        }
    }
}

impl Connection {
    fn new(stream: TcpStream, plan: &Plan, template: &Template) -> Self {
        Self {
            stream,
            output: template.bytes.repeat(plan.pipeline),
            written: 0,
            input: vec![0; plan.operation.reply_bytes_max() * plan.pipeline + 4096],
            filled: 0,
            checked: 0,
            keys: Vec::with_capacity(plan.pipeline),
            answered: 0,
            sent_at: Instant::now(),
            busy: false,
        }
    }

    /// Builds and sends the next batch; false when there is none.
    fn send_batch(&mut self, generator: &mut Generator, now: Instant) -> io::Result<bool> {
        let count = generator.next_batch(now);
        let size = generator.template.bytes.len();
        self.output.truncate(size * count);
        self.keys.clear();
        for request in self.output.chunks_exact_mut(size) {
            let mut last = 0;
            generator.template.patch(request, || {
                last = generator.keys.next();
                last
            });
            self.keys.push(last);
        }
        (self.written, self.filled, self.checked, self.answered) = (0, 0, 0, 0);
        self.sent_at = now;
        self.busy = count > 0;
        self.flush()?;
        Ok(self.busy)
    }

    fn flush(&mut self) -> io::Result<()> {
        while self.written < self.output.len() {
            match self.stream.write(&self.output[self.written..]) {
                Ok(count) => self.written += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Does what the socket allows; false when this connection has finished.
    fn turn(&mut self, generator: &mut Generator, outcome: &mut Outcome) -> Result<bool, String> {
        let io = |error: io::Error| format!("the connection broke: {error}");
        self.flush().map_err(io)?;
        loop {
            match self.stream.read(&mut self.input[self.filled..]) {
                Ok(0) => return Err("the server closed the connection".to_owned()),
                Ok(count) => self.filled += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(io(error)),
            }
            self.check(generator.plan.operation, outcome)?;
            if self.answered < self.keys.len() {
                continue;
            }
            if self.checked < self.filled {
                return Err("the server sent more replies than there were requests".to_owned());
            }
            let now = Instant::now();
            outcome.latency.record(now.duration_since(self.sent_at).as_nanos() as u64);
            // The next batch's replies raise a new edge, so there is no need to read until the socket blocks.
            return self.send_batch(generator, now).map_err(io);
        }
    }

    fn check(&mut self, operation: Operation, outcome: &mut Outcome) -> Result<(), String> {
        while self.answered < self.keys.len() {
            let rest = &self.input[self.checked..self.filled];
            let Some((bytes, number)) = operation.check(rest, self.keys[self.answered])? else { break };
            self.checked += bytes;
            self.answered += 1;
            outcome.requests += 1;
            outcome.sum += number;
        }
        Ok(())
    }
}
