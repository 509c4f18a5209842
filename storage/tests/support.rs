//! What the families share: random numbers, a dataset on a simulated disk, and histories that meet trouble.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nix::errno::Errno;
use storage::engine::Steps;
use storage::fs::sim::{Lie, Sim};
use storage::log::{SHARDS, Step};
use storage::recovery::{Report, Start};
use storage::{Engine, Epoch, Error, Lsn, Options, Progress, Recovery, Status, SyncMode};

pub const DIR: &str = "/data";

/// How much bigger the random tests are to be than in a plain run: `FORGEKV_STRESS`, as for the server's suite.
pub fn stress_factor() -> u64 {
    std::env::var("FORGEKV_STRESS").ok().and_then(|factor| factor.parse().ok()).unwrap_or(1)
}

/// SplitMix64.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

/// A record as the model keeps it; its LSN is its index plus 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub shard: usize,
    pub epoch: Epoch,
    pub payload: Vec<u8>,
}

/// Small segments, so that histories have several.
pub fn small_options(sync_mode: SyncMode) -> Options {
    Options { sync_mode, segment_bytes: 3000, flush_interval: Duration::from_millis(1), ..Options::default() }
}

/// Locks, replays and hands out what was found; does not start.
pub fn replay(sim: &Sim, options: Options) -> Result<(Recovery, Vec<Record>, Report), Error> {
    let (recovery, before, records, report) = replay_from(sim, options, Start::FIRST)?;
    assert_eq!(before, 0, "the first record is missing");
    Ok((recovery, records, report))
}

/// The same for a log whose beginning was released; tells also how many records lie before the first one found.
pub fn replay_from(
    sim: &Sim,
    options: Options,
    start: Start,
) -> Result<(Recovery, usize, Vec<Record>, Report), Error> {
    let mut recovery = Engine::recover(Arc::new(sim.clone()), Path::new(DIR), options)?;
    let (mut before, mut records) = (start.lsn.0, Vec::new());
    let report = recovery.replay_from(start, |record| {
        if records.is_empty() {
            before = record.lsn.0 - 1;
        }
        assert_eq!(record.lsn.0, before + records.len() as u64 + 1, "replay skipped or repeated a record");
        let payload = record.payload.to_vec();
        records.push(Record { shard: record.shard, epoch: record.epoch, payload });
        Ok::<(), Error>(())
    })?;
    assert!(before <= start.lsn.0, "replay begins too late");
    assert_eq!(report.records, records.len() as u64);
    assert_eq!(report.last, Lsn(before + report.records));
    assert!(report.last >= start.lsn, "a durable record is missing");
    Ok((recovery, before as usize, records, report))
}

/// An engine without threads, and what it announced.
pub struct Session {
    pub engine: Engine,
    pub steps: Steps,
    pub announced: Arc<Mutex<Option<Progress>>>,
}

impl Session {
    pub fn start(recovery: Recovery) -> Result<Self, Error> {
        let announced = Arc::new(Mutex::new(None::<Progress>));
        let sink = announced.clone();
        let (engine, steps) = recovery.start_stepped(Box::new(move |progress: Progress| {
            let mut last = sink.lock().unwrap();
            if let Some(last) = *last {
                assert!(progress.durable >= last.durable && progress.written >= last.written);
            }
            assert!(progress.durable <= progress.written);
            *last = Some(progress);
        }))?;
        Ok(Self { engine, steps, announced })
    }

    pub fn open(sim: &Sim, mode: SyncMode) -> Self {
        let (recovery, _, _) = replay(sim, small_options(mode)).unwrap();
        Self::start(recovery).unwrap()
    }

    pub fn append(&self, shard: usize, epoch: u64, payload: &[u8]) -> Lsn {
        self.engine.append(shard, Epoch(epoch), |out| out.put(payload))
    }
}

/// What happens to a history.
#[derive(Debug, Clone, Copy)]
pub enum Trouble {
    /// Nothing but the ends of its sessions.
    None,
    /// The world stops at the nth operation.
    Crash(u64),
    /// The nth operation fails.
    Fail(u64, Errno),
}

/// A fault planted to see that the tests find it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Planted {
    None,
    /// The disk lies.
    Lie(Lie),
    /// The cut is taken after the buffers were drained: a frame of "what the drain found".
    LateCut,
    /// A release takes one segment more than the start allows.
    EarlyRelease,
    /// A start names a record that is not durable.
    EarlyStart,
}

/// One random history: sessions of appends, frames, syncs and releases, ended by a close, a kill or a power loss.
pub struct History {
    seed: u64,
    sim: Sim,
    random: Random,
    mode: SyncMode,
    planted: Planted,
    segment_bytes: u64,
    /// What a manifest would say: where the image ends and replay begins.
    start: Start,
    epoch: u64,
    records: Vec<Record>,
    /// Records up to here must be recovered if the power fails.
    durable: u64,
    /// Records up to here must be recovered now.
    floor: u64,
}

impl History {
    /// Runs the history of `seed`, and returns the number of operations; an error says what promise was broken.
    pub fn run(seed: u64, trouble: Trouble, planted: Planted) -> Result<u64, String> {
        let mut random = Random(seed);
        let sim = Sim::new(seed ^ 0xabcd);
        if let Planted::Lie(lie) = planted {
            sim.lie(lie);
        }
        match trouble {
            Trouble::None => {}
            Trouble::Crash(nth) => sim.crash_at(nth),
            Trouble::Fail(nth, errno) => sim.fail_at(nth, errno),
        }
        let mode = match random.below(3) {
            0 => SyncMode::Always,
            1 => SyncMode::EverySecond,
            _ => SyncMode::Never,
        };
        let mut history = Self {
            seed,
            sim,
            mode,
            planted,
            segment_bytes: [300, 1000, 3000][random.below(3) as usize],
            start: Start::FIRST,
            epoch: 1,
            records: Vec::new(),
            durable: 0,
            floor: 0,
            random,
        };
        let sessions = 1 + history.random.below(3);
        for _ in 0..sessions {
            history.session()?;
        }
        let operations = history.sim.operations();
        history.reopen_twice()?;
        Ok(operations)
    }

    /// Opens, works, ends.
    fn session(&mut self) -> Result<(), String> {
        let mut session = self.open()?;
        let rounds_max = if self.random.one_in(4) { 30 } else { 8 };
        let rounds = 1 + self.random.below(rounds_max);
        for _ in 0..rounds {
            self.round(&mut session)?;
            if session.engine.status().is_final() || self.sim.crashed() {
                return self.die();
            }
        }
        match self.random.below(3) {
            0 => self.close(session),
            _ => self.die(),
        }
    }

    fn close(&mut self, mut session: Session) -> Result<(), String> {
        session.steps.finish();
        if session.engine.status() == Status::Full {
            session.steps.finish();
        }
        self.listen(&session)?;
        if session.engine.status().is_final() || self.sim.crashed() {
            return self.die();
        }
        session.engine.close().map_err(|e| format!("close: {e}"))?;
        self.ensure(self.durable == self.records.len() as u64, "a closed log is not durable")
    }

    /// The end of the process, or of the machine.
    fn die(&mut self) -> Result<(), String> {
        if self.random.one_in(3) {
            self.sim.kill();
        } else {
            self.sim.power_loss();
            self.floor = self.durable;
        }
        if self.random.one_in(3) {
            let nth = self.random.below(40);
            self.sim.crash_at(nth);
        }
        Ok(())
    }

    /// Recovers and checks, as often as trouble demands.
    fn open(&mut self) -> Result<Session, String> {
        for _ in 0..5 {
            let options = Options { segment_bytes: self.segment_bytes, ..small_options(self.mode) };
            let opened = replay_from(&self.sim, options, self.start).and_then(
                |(recovery, before, records, report)| {
                    Session::start(recovery).map(|session| (session, before, records, report))
                },
            );
            match opened {
                Ok((session, before, records, report)) => {
                    self.check(before, &records, &report)?;
                    self.records.truncate(before + records.len());
                    self.durable = self.records.len() as u64;
                    self.floor = self.durable;
                    return Ok(session);
                }
                Err(error @ Error::Corrupt { .. }) => return Err(format!("seed {}: {error}", self.seed)),
                Err(_) if self.sim.crashed() => {
                    self.sim.power_loss();
                    self.floor = self.durable;
                }
                // An injected failure while starting: the process would be started again.
                Err(_) => self.sim.kill(),
            }
        }
        Err(format!("seed {}: cannot be opened", self.seed))
    }

    fn check(&self, before: usize, found: &[Record], report: &Report) -> Result<(), String> {
        let n = before + found.len();
        self.ensure(n as u64 >= self.floor, &format!("{n} records recovered, {} promised", self.floor))?;
        self.ensure(n <= self.records.len(), "records recovered that were never appended")?;
        self.ensure(found == &self.records[before..n], "a recovered record is not what was appended")?;
        self.ensure(report.durable <= report.last, "a durable mark beyond the end")
    }

    fn ensure(&self, holds: bool, what: &str) -> Result<(), String> {
        if holds { Ok(()) } else { Err(format!("seed {} ({:?}): {what}", self.seed, self.mode)) }
    }

    fn append(&mut self, session: &Session) {
        let random = &mut self.random;
        if random.one_in(30) {
            self.epoch += 1 + random.below(3);
        }
        let shard = if random.one_in(2) { random.below(3) } else { random.below(SHARDS as u64) } as usize;
        let len = if random.one_in(10) { random.below(1500) } else { random.below(60) };
        let payload: Vec<u8> = (0..len).map(|_| random.next() as u8).collect();
        let lsn = session.append(shard, self.epoch, &payload);
        self.records.push(Record { shard, epoch: Epoch(self.epoch), payload });
        assert_eq!(lsn, Lsn(self.records.len() as u64));
    }

    /// Appends, a frame, and the syncs that the mode asks for.
    fn round(&mut self, session: &mut Session) -> Result<(), String> {
        for _ in 0..self.random.below(6) {
            self.append(session);
        }
        self.frame(session);
        self.listen(session)?;
        let syncer = session.steps.syncer.clone();
        match self.mode {
            SyncMode::Always => syncer.sync(false),
            SyncMode::EverySecond if self.random.one_in(3) => {
                let sync = syncer.begin(false);
                if self.random.one_in(2) {
                    self.append(session);
                    self.frame(session);
                }
                if let Some(sync) = sync {
                    sync.finish();
                }
            }
            SyncMode::EverySecond | SyncMode::Never => {}
        }
        if self.random.one_in(12) {
            session.steps.writer.write_mark();
        }
        self.listen(session)?;
        if self.random.one_in(3) {
            self.release(session);
        }
        self.listen(session)
    }

    /// What a checkpoint does: it has the log synced now and then, and releases what its image makes superfluous.
    fn release(&mut self, session: &Session) {
        if self.random.one_in(2) {
            session.steps.syncer.sync(false);
        }
        let engine = &session.engine;
        let durable = match self.planted {
            Planted::EarlyStart => engine.last_lsn(),
            _ => engine.durable_lsn(),
        };
        let behind = if self.random.one_in(2) { 0 } else { self.random.below(20) };
        let lsn = Lsn(durable.0.saturating_sub(behind)).max(self.start.lsn);
        self.start = Start { segment: engine.segment_of(lsn), lsn };
        // Now and then the process dies in between, and later releases make up for it.
        if !self.random.one_in(5) {
            let more = u64::from(self.planted == Planted::EarlyRelease);
            let _a_rest_is_removed_later = engine.release_before(self.start.segment + more);
        }
    }

    /// One step of the log thread, with appends going on beside it.
    fn frame(&mut self, session: &mut Session) {
        if self.planted != Planted::LateCut {
            session.steps.writer.take_cut();
        }
        for shard in 0..SHARDS {
            session.steps.writer.drain(shard);
            if self.random.one_in(20) {
                self.append(session);
            }
        }
        if self.planted == Planted::LateCut {
            session.steps.writer.take_cut();
        }
        let step = session.steps.writer.write();
        assert_eq!(step == Step::Failed, session.engine.status().is_final());
    }

    /// Takes note of what the engine has promised.
    fn listen(&mut self, session: &Session) -> Result<(), String> {
        let Some(progress) = *session.announced.lock().unwrap() else { return Ok(()) };
        self.durable = self.durable.max(progress.durable.0);
        self.floor = self.floor.max(progress.written.0);
        self.ensure(self.floor <= self.records.len() as u64, "more was written than appended")
    }

    /// What was served once is there again, whatever happens in between.
    fn reopen_twice(&mut self) -> Result<(), String> {
        let first = self.open()?;
        drop(first);
        self.sim.power_loss();
        self.floor = self.durable;
        let before = self.records.len();
        self.open()?;
        self.ensure(self.records.len() == before, "a second recovery found something else")
    }
}
