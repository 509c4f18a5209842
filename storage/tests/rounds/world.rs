//! A server in small: operations under shard locks, the log thread and the checkpoint thread, one step at a time in random
//! order, on one engine. It follows the protocol of DESIGN §4 and §5 as the store has to.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use storage::compaction::Compactor;
use storage::compaction::pool::Task;
use storage::engine::Steps;
use storage::log::Step;
use storage::{Engine, Entry, Epoch, Facts, Lsn, NamespaceId, Round, Status, SyncMode};

use super::Planted;
use super::model::{Key, Op, SHARDS, SLOTS, State, content_of, position, shard_of};
use crate::support::Random;

/// What is there of a session besides the engine.
pub struct World<'a> {
    pub random: &'a mut Random,
    pub planted: Planted,
    pub mode: SyncMode,
    pub state: State,
    pub epoch: u64,
    /// Everything that was appended, in order; the first is LSN 1.
    pub history: &'a mut Vec<Op>,
    /// Keys changed since they were captured, by the parity of the epoch that changed them.
    pub dirty: [BTreeSet<Key>; 2],
    /// Whether somebody holds a shard's lock.
    locked: [bool; SHARDS.len()],
    /// The epoch that taking a shard's lock makes visible.
    view: [u64; SHARDS.len()],
    /// The last LSN when the round in progress began.
    begun: Lsn,
    /// What a round in progress has captured.
    captured: Option<BTreeMap<Key, Option<u64>>>,
    /// Each shard's facts, as of the cut of the round in progress, once somebody has seen the new epoch there.
    at_cut: [Option<Facts>; SHARDS.len()],
    pub rounds: Rounds,
}

/// How rounds have ended, and how many jobs of compaction were committed beside them.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rounds {
    pub committed: u64,
    pub failed: u64,
    pub given_up: u64,
    pub compactions: u64,
}

/// A worker in the middle of an operation.
struct Worker {
    op: Op,
    phase: usize,
    /// The latest epoch it must know of.
    seen: u64,
    epoch: u64,
}

/// The checkpoint thread.
enum Checkpointer {
    Idle(u64),
    Flip,
    /// Captures the shard with this index.
    Capture(usize),
    /// Waits until the log is durable up to here.
    Wait(Lsn),
    /// Adds entries: how many are added.
    Push(Lsn, usize),
}

impl<'a> World<'a> {
    pub fn new(
        random: &'a mut Random,
        planted: Planted,
        mode: SyncMode,
        state: State,
        epoch: u64,
        history: &'a mut Vec<Op>,
    ) -> Self {
        Self {
            random,
            planted,
            mode,
            state,
            epoch,
            history,
            dirty: Default::default(),
            locked: [false; SHARDS.len()],
            view: [epoch; SHARDS.len()],
            begun: Lsn(0),
            captured: None,
            at_cut: Default::default(),
            rounds: Rounds::default(),
        }
    }

    /// Runs `steps` steps, or until the engine or the world stops.
    pub fn run(&mut self, engine: &Engine, log: &mut Steps, steps: u64, mut listen: impl FnMut()) {
        let mut workers: Vec<Worker> = (0..3).map(|_| self.worker()).collect();
        let mut checkpointer = Checkpointer::Idle(self.random.below(40));
        let mut round = None;
        let mut tasks = Vec::new();
        for _ in 0..steps {
            match self.random.below(6) {
                0 => self.log(log, self.waits_for_log(&checkpointer)),
                1 => checkpointer = self.checkpoint(engine, checkpointer, &mut round),
                2 => self.compact(&log.compactor, &mut tasks),
                nth => {
                    let worker = &mut workers[nth as usize - 3];
                    if self.work(engine, worker) {
                        *worker = self.worker();
                    }
                }
            }
            listen();
            if engine.status().is_final() {
                return;
            }
        }
    }

    fn place(&mut self) -> (u8, u8) {
        (self.random.below(2) as u8, self.random.below(SLOTS.into()) as u8)
    }

    fn worker(&mut self) -> Worker {
        let (x, mut y) = (self.place(), self.place());
        if x == y {
            y.1 = (y.1 + 1) % SLOTS;
        }
        let op = match self.random.below(60) {
            0 => Op::Flush(x.0),
            1 => Op::SwapDatabases,
            2..10 => Op::Del(x),
            10..20 => Op::CopyAdd(x, y),
            20..28 => Op::Rename(x, y),
            28..36 => Op::Swap(x, y),
            _ => Op::Incr(x),
        };
        Worker { op, phase: 0, seen: 0, epoch: self.epoch }
    }

    /// One step of an operation; whether it is done.
    fn work(&mut self, engine: &Engine, worker: &mut Worker) -> bool {
        let shards = worker.op.shards();
        let all = shards.len();
        match worker.phase {
            phase if phase < all => {
                let shard = shards[phase];
                if self.locked[shard] {
                    return false;
                }
                self.locked[shard] = true;
                worker.seen = worker.seen.max(self.view[shard]);
            }
            phase if phase == all => self.choose_epoch(worker, &shards),
            phase if phase == all + 1 => self.capture_before_write(worker),
            phase if phase == all + 2 => self.write(worker),
            phase if phase == all + 3 => {
                let lsn = engine.append(SHARDS[shards[0]], Epoch(worker.epoch), |out| {
                    out.put(&worker.op.encode());
                });
                self.history.push(worker.op);
                assert_eq!(lsn, Lsn(self.history.len() as u64));
            }
            phase => {
                let shard = shards[phase - all - 4];
                self.view[shard] = self.view[shard].max(worker.seen);
                self.locked[shard] = false;
                if phase == 2 * all + 3 {
                    return true;
                }
            }
        }
        worker.phase += 1;
        false
    }

    /// The epoch may be read as stale as the memory model allows: no older than what the locks made visible.
    fn choose_epoch(&mut self, worker: &mut Worker, shards: &[usize]) {
        if self.planted != Planted::EpochBeforeLocks {
            let lag = self.random.below(self.epoch - worker.seen + 1);
            worker.epoch = self.epoch - lag;
        }
        worker.seen = worker.seen.max(worker.epoch);
        if worker.epoch == self.epoch {
            shards.iter().for_each(|&shard| self.enter(shard));
        }
    }

    /// Keeps a shard's facts before the new epoch changes them.
    fn enter(&mut self, shard: usize) {
        if self.captured.is_some() {
            self.at_cut[shard].get_or_insert_with(|| Facts {
                counts: self.state.shard_counts(shard),
                ..self.state.facts()
            });
        }
    }

    fn capture_before_write(&mut self, worker: &Worker) {
        let old = &mut self.dirty[(worker.epoch as usize + 1) % 2];
        let Some(captured) = self.captured.as_mut().filter(|_| worker.epoch == self.epoch) else { return };
        for key in self.state.touched(worker.op) {
            if self.planted != Planted::NoPreimage && old.remove(&key) {
                captured.insert(key, self.state.keys.get(&key).copied());
            }
        }
    }

    fn write(&mut self, worker: &Worker) {
        let before = self.state.clone();
        self.state.apply(worker.op);
        for key in before.touched(worker.op) {
            if before.keys.get(&key) != self.state.keys.get(&key) {
                self.dirty[worker.epoch as usize % 2].insert(key);
            }
        }
        self.forget_the_dead();
    }

    /// Nothing of a dropped namespace is dirty.
    fn forget_the_dead(&mut self) {
        let state = &self.state;
        self.dirty.iter_mut().for_each(|dirty| dirty.retain(|key| state.is_live(key.0)));
    }

    fn waits_for_log(&self, checkpointer: &Checkpointer) -> bool {
        match checkpointer {
            Checkpointer::Flip => self.planted == Planted::NoLogRule,
            Checkpointer::Wait(_) | Checkpointer::Push(..) => self.planted != Planted::NoLogRule,
            _ => false,
        }
    }

    /// A step of the log thread, and the syncs that the mode asks for.
    fn log(&mut self, log: &mut Steps, is_wanted: bool) {
        let step = log.writer.step();
        let sync = match self.mode {
            SyncMode::Always => step == Step::Wrote,
            SyncMode::EverySecond => self.random.one_in(6),
            SyncMode::Never => false,
        };
        if sync || is_wanted {
            log.syncer.sync(false);
        }
    }

    /// Begins or does a task of compaction, of which two are under way at once.
    fn compact(&mut self, compactor: &Compactor, tasks: &mut Vec<Task>) {
        if tasks.len() < 2 {
            tasks.extend(compactor.next(Instant::now()));
        }
        if !tasks.is_empty() && self.random.one_in(2) {
            compactor.run(tasks.remove(self.random.below(tasks.len() as u64) as usize));
        }
    }

    fn checkpoint<'e>(
        &mut self,
        engine: &'e Engine,
        checkpointer: Checkpointer,
        round: &mut Option<Round<'e>>,
    ) -> Checkpointer {
        // Not before every shard was visited: until then an operation may still be of the old epoch.
        let late = matches!(checkpointer, Checkpointer::Wait(_) | Checkpointer::Push(..));
        if late && self.random.one_in(60) {
            self.rounds.given_up += 1;
            return self.fail(round);
        }
        match checkpointer {
            Checkpointer::Idle(0) => {
                self.begun = engine.last_lsn();
                *round = engine.begin_round(self.random.below(20)).ok();
                match round {
                    Some(_) => Checkpointer::Flip,
                    None => self.fail(round),
                }
            }
            Checkpointer::Idle(left) => Checkpointer::Idle(left - 1),
            Checkpointer::Flip if self.planted == Planted::NoLogRule && engine.durable_lsn() < self.begun => {
                Checkpointer::Flip
            }
            Checkpointer::Flip => {
                self.captured = Some(BTreeMap::new());
                self.epoch += 1;
                Checkpointer::Capture(0)
            }
            Checkpointer::Capture(shard) if shard == SHARDS.len() => match self.planted {
                Planted::NoLogRule => Checkpointer::Wait(self.begun),
                _ => Checkpointer::Wait(engine.last_lsn()),
            },
            Checkpointer::Capture(shard) => self.capture(shard),
            Checkpointer::Wait(last) => match engine.status() {
                Status::Healthy if engine.durable_lsn() < last => Checkpointer::Wait(last),
                _ => Checkpointer::Push(last, 0),
            },
            Checkpointer::Push(last, pushed) => self.push(engine, round, last, pushed),
        }
    }

    /// A slice: a key or two of a shard, under its lock.
    fn capture(&mut self, shard: usize) -> Checkpointer {
        if self.locked[shard] {
            return Checkpointer::Capture(shard);
        }
        self.enter(shard);
        self.view[shard] = self.epoch;
        let old = &mut self.dirty[(self.epoch as usize + 1) % 2];
        let captured = self.captured.as_mut().expect("a round is in progress");
        let mut left = old.iter().copied().filter(|key| shard_of(key.1) == shard);
        let Some(key) = left.next() else { return Checkpointer::Capture(shard + 1) };
        old.remove(&key);
        captured.insert(key, self.state.keys.get(&key).copied());
        Checkpointer::Capture(shard)
    }

    /// Adds the next entry in order, or commits behind the last.
    fn push(
        &mut self,
        engine: &Engine,
        round: &mut Option<Round<'_>>,
        last: Lsn,
        pushed: usize,
    ) -> Checkpointer {
        let captured = self.captured.as_ref().expect("a round is in progress");
        let facts = self.at_cut[0].clone().expect("every shard was captured");
        let is_live = |namespace: NamespaceId| facts.databases.iter().any(|&(_, live)| live == namespace);
        let mut entries: Vec<(Key, Option<u64>)> =
            captured.iter().map(|(&key, &value)| (key, value)).collect();
        entries.retain(|(key, _)| is_live(key.0));
        entries.sort_by_key(|&(key, _)| position(key));
        if let Some(&(key, value)) = entries.get(pushed) {
            let content = content_of(value);
            let entry = Entry { position: position(key), key: &[key.1], content: content.borrowed() };
            let builder = round.as_mut().expect("a round is in progress");
            return match builder.push(&entry) {
                Ok(()) => Checkpointer::Push(last, pushed + 1),
                Err(_) => self.fail_counted(round),
            };
        }
        if engine.status() == Status::Healthy && engine.durable_lsn() < last {
            // There was no room in the log, and now there is. A commit would wait for a thread that this is not.
            return Checkpointer::Push(last, pushed);
        }
        let counts = self.at_cut.iter().flatten().flat_map(|facts| facts.counts.clone()).collect();
        let epoch = Epoch(self.epoch - 1);
        match round.take().expect("a round is in progress").commit(Facts {
            epoch,
            last_lsn: last,
            counts,
            ..facts
        }) {
            Ok(version) => {
                assert_eq!(version.cut().epoch, epoch);
                self.rounds.committed += 1;
                self.captured = None;
                self.at_cut = Default::default();
                Checkpointer::Idle(self.random.below(30))
            }
            Err(_) => self.fail_counted(round),
        }
    }

    fn fail_counted(&mut self, round: &mut Option<Round<'_>>) -> Checkpointer {
        self.rounds.failed += 1;
        self.fail(round)
    }

    /// The round's keys are dirty again, in the current epoch.
    fn fail(&mut self, round: &mut Option<Round<'_>>) -> Checkpointer {
        *round = None;
        let captured = self.captured.take().unwrap_or_default();
        let old = std::mem::take(&mut self.dirty[(self.epoch as usize + 1) % 2]);
        self.dirty[self.epoch as usize % 2].extend(captured.into_keys().chain(old));
        self.at_cut = Default::default();
        self.forget_the_dead();
        Checkpointer::Idle(self.random.below(30))
    }
}
