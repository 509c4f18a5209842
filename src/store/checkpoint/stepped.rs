//! A round in single steps, for tests that put something between any two of them: [`Keyspace::checkpoint`] on one thread, which
//! does not wait for the log but says that it would.

use storage::{Engine, Epoch, Error, Facts, Lsn, Round};

use super::{Cut, Keyspace, SETTLE_KEYS, Slice, Steps};

/// A round in progress.
pub struct Stepped<'e> {
    engine: &'e Engine,
    keyspace: &'e Keyspace,
    round: Option<Round<'e>>,
    epoch: u64,
    cut: Cut,
    stage: Stage,
}

enum Stage {
    Begun,
    Flipped,
    Capturing(Steps),
    /// What the log must be durable through.
    Waiting(Option<Lsn>),
    Settling(Steps, bool),
}

/// Where a round is after a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// There is more to do.
    More,
    /// Nothing can be done before the log is durable further.
    AwaitsLog,
    /// It has ended, and whether it was committed.
    Over(bool),
}

impl<'e> Stepped<'e> {
    /// Begins a round.
    pub fn begin(keyspace: &'e Keyspace, engine: &'e Engine) -> Result<Self, Error> {
        let round = engine.begin_round(keyspace.dirty_keys())?;
        Ok(Self { engine, keyspace, round: Some(round), epoch: 0, cut: Cut::default(), stage: Stage::Begun })
    }

    fn steps(&self) -> Steps {
        Steps::over(self.cut.databases.iter().map(|&(_, namespace)| namespace))
    }

    /// Does the next step. Captures and settlements are of one shard each.
    pub fn step(&mut self) -> Progress {
        match std::mem::replace(&mut self.stage, Stage::Waiting(None)) {
            Stage::Begun => {
                self.epoch = self.keyspace.flip();
                self.stage = Stage::Flipped;
            }
            Stage::Flipped => {
                self.cut = self.keyspace.visit();
                self.stage = Stage::Capturing(self.steps());
            }
            Stage::Capturing(steps) => self.capture(steps),
            Stage::Waiting(last) => return self.commit(last),
            Stage::Settling(mut steps, was_committed) => {
                let Some((id, namespace, from)) = steps.next() else {
                    self.keyspace.end_round();
                    return Progress::Over(was_committed);
                };
                let mut locked = self.keyspace.locks().lock_one(id);
                let shard = locked.shard_mut(id);
                let hasher = self.keyspace.hasher();
                steps.go_on(shard.settle(hasher, namespace, from, SETTLE_KEYS, was_committed));
                self.stage = Stage::Settling(steps, was_committed);
            }
        }
        Progress::More
    }

    fn capture(&mut self, mut steps: Steps) {
        let Some((id, namespace, from)) = steps.next() else { return };
        let mut slice = Slice::default();
        steps.go_on(self.keyspace.capture_step(id, namespace, from, &mut slice));
        let round = self.round.as_mut().expect("it is there until the commit");
        let pushed = super::build([(namespace, slice)].into_iter(), round, drop);
        self.stage = match pushed {
            Ok(_) => Stage::Capturing(steps),
            Err(_) => self.end(false),
        };
    }

    fn commit(&mut self, last: Option<Lsn>) -> Progress {
        let last_lsn = last.unwrap_or_else(|| self.engine.last_lsn());
        if self.engine.durable_lsn() < last_lsn && self.engine.status() == storage::Status::Healthy {
            self.stage = Stage::Waiting(Some(last_lsn));
            return Progress::AwaitsLog;
        }
        let facts = Facts {
            epoch: Epoch(self.epoch - 1),
            last_lsn,
            databases: self.cut.databases.clone(),
            counts: self.cut.counts.clone(),
            next_namespace: self.keyspace.next_namespace(),
            attachment: self.keyspace.attachment(self.epoch - 1),
        };
        let round = self.round.take().expect("a round is committed once");
        let was_committed = round.commit(facts).is_ok();
        self.stage = self.end(was_committed);
        Progress::More
    }

    fn end(&mut self, was_committed: bool) -> Stage {
        self.round = None;
        Stage::Settling(self.steps(), was_committed)
    }
}
