//! Which runs to merge next: a pure function of a version and of the jobs that are running.
//!
//! # Shape
//! Levels 1 to 6 are leveled, and their targets hang from the last level's size S: S, S/F, S/F², … (F: `fanout`), down
//! to the first that is at most `base_bytes`. That level is the *base*; those above it stay empty, and level 0, as
//! checkpoints write it, is merged straight into the base. A level that holds more than its target gives one run after
//! the other to the level below, the run that costs least for what it brings.
//!
//! # Cost
//! With n levels from the base to the last, n = ⌈log_F(S / base_bytes)⌉ + 1:
//! * *write*: a byte is rewritten about (F/2 + 1) times on each level below the base, and (level 0 + base) / level 0 times
//!   on its way into the base. With F = 8 and n = 3 about 12 times, if level 0 is about as big as the base when merged.
//! * *space*: what is shadowed in the last level is at most what lies above it. Bytes above it are at most
//!   S/F + S/F² + … = S/(F − 1), and level 0; but small records may shadow big ones, so sizes are not relied on. The live
//!   counts are exact, so the number of shadowed records is, too: whenever the runs are bigger than `space_percent` of the
//!   live keys at the mean size of a record, data is moved down whatever the targets say. With nothing above the last
//!   level nothing is shadowed. What remains is skew: if shadowed records are far bigger than the mean, the estimate is
//!   low by that much, until the levels' own turnover reaches them.
//! * *read*: fewer than `level0_runs` runs of level 0, and one of each level; the filters make that about one block.
//! * *runs*: a level's runs are `run_bytes` or a `runs_per_level`th of the level, whichever is more; adjacent small ones are
//!   merged when there are more than twice as many, plus [`SPARE_RUNS`].
//!
//! # Invariants
//! * A choice takes all runs of the output level that its other inputs overlap, and no run of a job that is running; jobs
//!   with one output level have disjoint ranges; a job from level 0 takes all of it, so there is one at a time, and goes
//!   no deeper than the first level that has a run. So jobs run in parallel, and at one position newer records never pass
//!   below older ones.
//! * Tombstones are dropped only where no deeper level has a run. Dropped namespaces go with whatever merge meets them.
//! * Every choice moves data down, drops records or joins runs: without new rounds, picking ends.
//!
//! It deliberately knows no time: keys expire by commands, and rates are the pool's business; [`backlog`] is all it says.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use crate::entry::{NamespaceId, Position};
use crate::record::Epoch;
use crate::run::RunId;
use crate::version::RunMeta;
use crate::version::{Edit, LAST_LEVEL, LEVELS, Run, Version};

/// How many more runs a settled level may have than twice what its size asks for.
pub const SPARE_RUNS: u64 = 8;
/// About what a tombstone takes in a run, to tell the size of the other records.
const TOMBSTONE_BYTES: u64 = 32;

/// The shape that compaction keeps.
#[derive(Debug, Clone)]
pub struct Options {
    /// Level 0 is merged when it has so many runs.
    pub level0_runs: usize,
    /// With so many runs in level 0, the pressure is 1.
    pub level0_runs_max: usize,
    /// How much bigger a level is than the one above.
    pub fanout: u64,
    /// The most that the base level holds. Best about what `level0_runs` rounds write.
    pub base_bytes: u64,
    /// The size that a run should have at least.
    pub run_bytes: u64,
    /// The number of runs above which a level's runs grow with it instead.
    pub runs_per_level: u64,
    /// The size of the runs, as a percentage of what is live, above which data is moved down.
    pub space_percent: u64,
    /// A run with so many percent of dropped namespaces' records is rewritten.
    pub dead_percent: u64,
    /// With more dropped namespaces than this, runs are rewritten to be rid of them.
    pub dropped_max: usize,
    /// The most parts of one job.
    pub parts: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            level0_runs: 4,
            level0_runs_max: 20,
            fanout: 8,
            base_bytes: 256 << 20,
            run_bytes: 64 << 20,
            runs_per_level: 128,
            space_percent: 135,
            dead_percent: 25,
            dropped_max: 64,
            parts: 4,
        }
    }
}

/// What is to be done with a choice's inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// They hold nothing that is live: they only leave the version.
    Remove,
    /// The one input changes its level, and its file stays.
    Move,
    /// They are merged into new runs.
    Merge,
}

/// A range of positions of a job, to be merged by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// The first position.
    pub first: Position,
    /// The last position, included.
    pub last: Position,
    /// Whether there is nothing below that a tombstone could hide.
    pub drops_tombstones: bool,
}

/// A job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// What is to be done.
    pub action: Action,
    /// The runs that leave, newest records first at each position.
    pub inputs: Vec<RunId>,
    /// The level of the runs that come.
    pub output_level: u8,
    /// The sum of the inputs' sizes.
    pub bytes: u64,
    /// The size of the runs to be written. A position's records are never spread over two runs.
    pub run_bytes: u64,
    /// The epochs of the runs that come.
    pub epochs: (Epoch, Epoch),
    /// The ranges to be merged, in order; they may be merged in parallel. Empty unless merged.
    pub parts: Vec<Part>,
    first: Position,
    last: Position,
}

impl Choice {
    /// The edit that commits the job, with the runs that a merge has written.
    pub fn edit(&self, version: &Version, outputs: Vec<RunMeta>) -> Edit {
        let moved =
            |id: &RunId| Some(RunMeta { level: self.output_level, ..version.run(*id)?.meta().clone() });
        let add = match self.action {
            Action::Remove => Vec::new(),
            Action::Move => self.inputs.iter().filter_map(moved).collect(),
            Action::Merge => outputs,
        };
        Edit { remove: self.inputs.clone(), add, ..Edit::default() }
    }
}

/// The next job, if there is one that goes with those `running`; `None` and nothing running says that all is settled.
pub fn pick(version: &Version, running: &[Choice], options: &Options) -> Option<Choice> {
    Picker::new(version, running, options).pick()
}

/// How far compaction is behind.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Backlog {
    /// 0 is not at all; at 1 writes should stop, so they slow down smoothly before.
    pub pressure: f64,
    /// About the bytes to be written until no level is beyond its target.
    pub debt_bytes: u64,
}

/// How far compaction of `version` is behind.
pub fn backlog(version: &Version, options: &Options) -> Backlog {
    let picker = Picker::new(version, &[], options);
    let debt_bytes = picker.debt_bytes();
    Backlog { pressure: picker.pressure(debt_bytes), debt_bytes: debt_bytes as u64 }
}

struct Picker<'a> {
    version: &'a Version,
    running: &'a [Choice],
    options: &'a Options,
    busy: BTreeSet<RunId>,
    bytes: [u64; LEVELS],
    /// Of the levels from the base on; 0 above.
    targets: [u64; LEVELS],
    base: u8,
}

impl<'a> Picker<'a> {
    fn new(version: &'a Version, running: &'a [Choice], options: &'a Options) -> Self {
        let level_bytes = |level: usize| sum(version.level(level as u8), |run| run.size_bytes);
        let bytes: [u64; LEVELS] = std::array::from_fn(level_bytes);
        let mut targets = [0; LEVELS];
        let mut base = LAST_LEVEL;
        let mut target = bytes[1..].iter().copied().max().unwrap_or(0);
        targets[usize::from(base)] = target;
        while target > options.base_bytes && base > 1 {
            target /= options.fanout.max(2);
            base -= 1;
            targets[usize::from(base)] = target;
        }
        let busy = running.iter().flat_map(|choice| choice.inputs.iter().copied()).collect();
        Self { version, running, options, busy, bytes, targets, base }
    }

    fn pick(&self) -> Option<Choice> {
        self.dead_runs()
            .or_else(|| self.overfull_level())
            .or_else(|| self.mostly_dead_run())
            .or_else(|| self.wasted_space())
            .or_else(|| self.many_dropped_namespaces())
            .or_else(|| self.small_runs())
    }

    /// Runs of dropped namespaces and nothing else.
    fn dead_runs(&self) -> Option<Choice> {
        let is_dead = |run: &&Run| self.is_free(run) && self.dead_records(run) == run.meta().records();
        let dead: Vec<&Run> = self.version.runs().filter(is_dead).collect();
        let level = dead.first()?.meta().level;
        Some(Choice { parts: Vec::new(), ..self.choice(Action::Remove, dead, level)? })
    }

    /// The level that is the furthest beyond its target and can be helped.
    fn overfull_level(&self) -> Option<Choice> {
        let mut scores: Vec<(u64, u8)> = (0..LAST_LEVEL).map(|level| (self.score(level), level)).collect();
        scores.sort_unstable_by_key(|&(score, level)| (Reverse(score), level));
        scores.into_iter().filter(|&(score, _)| score >= 1000).find_map(|(_, level)| self.down(level))
    }

    /// Thousandths of what the level should hold at most.
    fn score(&self, level: u8) -> u64 {
        let free = || self.version.level(level).iter().filter(|run| self.is_free(run));
        if level == 0 {
            return (free().count() * 1000 / self.options.level0_runs.max(1)) as u64;
        }
        let bytes = free().fold(0_u64, |sum, run| sum.saturating_add(run.meta().size_bytes));
        match self.targets[usize::from(level)] {
            0 if bytes > 0 => u64::MAX,
            // A level is full only beyond its target, so that one that is exactly right rests.
            target => bytes.saturating_sub(1).saturating_mul(1000) / target.max(1),
        }
    }

    /// A run that consists of dropped namespaces for a good part.
    fn mostly_dead_run(&self) -> Option<Choice> {
        let percent = |run: &Run| self.dead_records(run).saturating_mul(100) / run.meta().records().max(1);
        let mut dead: Vec<(u64, &Run)> = self.version.runs().map(|run| (percent(run), run)).collect();
        dead.retain(|&(percent, _)| percent >= self.options.dead_percent.max(1));
        self.rewrite_first(dead)
    }

    /// Moves data down while more is stored than the live keys ask for.
    fn wasted_space(&self) -> Option<Choice> {
        let limit = self.live_bytes().saturating_mul(self.options.space_percent) / 100;
        if sum_bytes(&self.bytes) <= limit {
            return None;
        }
        let deepest_first = (0..LAST_LEVEL).rev().find_map(|level| self.down(level));
        deepest_first.or_else(|| {
            let dead = self.version.runs().map(|run| (self.dead_records(run), run));
            self.rewrite_first(dead.filter(|&(records, _)| records > 0).collect())
        })
    }

    /// The live keys of the last round at the mean size of a record.
    fn live_bytes(&self) -> u64 {
        let records = self.version.runs().fold(0_u64, |sum, run| sum.saturating_add(run.meta().records()));
        let tombstones =
            self.version.runs().fold(0_u64, |sum, run| sum.saturating_add(run.meta().tombstones()));
        let bytes = sum_bytes(&self.bytes).saturating_sub(tombstones.saturating_mul(TOMBSTONE_BYTES));
        let values = u128::from(records - tombstones.min(records)).max(1);
        let live = u128::from(bytes) * u128::from(self.version.live_keys()) / values;
        u64::try_from(live).unwrap_or(u64::MAX)
    }

    fn many_dropped_namespaces(&self) -> Option<Choice> {
        if self.version.dropped().len() <= self.options.dropped_max {
            return None;
        }
        let dead =
            |run: &Run| run.meta().shares.iter().filter(|share| self.is_dropped(share.namespace)).count();
        let runs = self.version.runs().map(|run| (dead(run) as u64, run));
        self.rewrite_first(runs.filter(|&(shares, _)| shares > 0).collect())
    }

    /// Rewrites one of these runs: the greatest number first.
    fn rewrite_first(&self, mut runs: Vec<(u64, &Run)>) -> Option<Choice> {
        runs.sort_unstable_by_key(|&(number, _)| Reverse(number));
        runs.into_iter().find_map(|(_, run)| self.rewrite(run))
    }

    /// Adjacent runs that are one run's worth, of a level that has too many.
    fn small_runs(&self) -> Option<Choice> {
        (1..=LAST_LEVEL).find_map(|level| {
            let runs = self.version.level(level);
            let run_bytes = self.run_bytes(self.bytes[usize::from(level)]);
            let enough = 2 * self.bytes[usize::from(level)].div_ceil(run_bytes) + SPARE_RUNS;
            if runs.len() as u64 <= enough {
                return None;
            }
            let pairs = 0..runs.len() - 1;
            let bytes = |from: usize, to: usize| sum(&runs[from..to], |run| run.size_bytes);
            let from = pairs.min_by_key(|&at| bytes(at, at + 2))?;
            let longer = (from + 2..=runs.len()).take_while(|&to| bytes(from, to) <= run_bytes);
            let to = longer.last().unwrap_or(from + 2);
            self.choice(Action::Merge, runs[from..to].iter().collect(), level)
        })
    }

    /// Merges a run of `level` with what it overlaps below: of level 0 all runs, of a deeper level the run that costs
    /// least for what it brings.
    fn down(&self, level: u8) -> Option<Choice> {
        if level == 0 {
            return self.down_from_level0();
        }
        let mut candidates: Vec<(f64, &Run)> = self
            .version
            .level(level)
            .iter()
            .filter(|run| self.is_free(run))
            .map(|run| (self.cost(run), run))
            .collect();
        candidates.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        candidates.into_iter().find_map(|(_, run)| {
            let meta = run.meta();
            let below: Vec<&Run> = self.version.level_within(level + 1, meta.first, meta.last).collect();
            if below.is_empty() && self.can_move(run, level + 1) {
                return self.choice(Action::Move, vec![run], level + 1);
            }
            let (first, last) = hull(below.iter().copied().chain([run]));
            // Runs of this level that lie between the ones below cost nothing more.
            let inside = |run: &&Run| first <= run.meta().first && run.meta().last <= last;
            let mut inputs: Vec<&Run> =
                self.version.level_within(level, first, last).filter(inside).collect();
            inputs.retain(|run| self.is_free(run));
            inputs.extend(below);
            self.choice(Action::Merge, inputs, level + 1)
        })
    }

    /// Bytes to be written for a byte that leaves the level; a tombstone leaves with what it hides.
    fn cost(&self, run: &Run) -> f64 {
        let meta = run.meta();
        let below = self.version.level_within(meta.level + 1, meta.first, meta.last);
        let below = below.fold(0_u64, |sum, run| sum.saturating_add(run.meta().size_bytes));
        let mean = meta.size_bytes as f64 / meta.records().max(1) as f64;
        let gain = meta.size_bytes as f64 + mean * meta.tombstones() as f64;
        below.saturating_add(meta.size_bytes) as f64 / gain.max(1.0)
    }

    fn down_from_level0(&self) -> Option<Choice> {
        let runs: Vec<&Run> = self.version.level(0).iter().collect();
        if runs.is_empty() {
            return None;
        }
        // Never past a level that holds older records than these, and newer ones than the base.
        let occupied = (1..LAST_LEVEL).find(|&level| !self.version.level(level).is_empty());
        let level = occupied.map_or(self.base, |level| level.min(self.base));
        let (first, last) = hull(runs.iter().copied());
        let overlaps = |below: &&Run| runs.iter().any(|run| run.meta().overlaps(below.meta()));
        let below: Vec<&Run> = self.version.level_within(level, first, last).filter(overlaps).collect();
        if let ([run], []) = (&runs[..], &below[..])
            && self.can_move(run, level)
            && self.version.level_within(level, first, last).next().is_none()
        {
            return self.choice(Action::Move, vec![run], level);
        }
        // With runs in a gap between those of level 0, outputs that span the gap would overlap them.
        let (first, last) = hull(runs.iter().copied().chain(below));
        let below = self.version.level_within(level, first, last);
        let inputs = runs.iter().copied().chain(below).collect();
        self.choice(Action::Merge, inputs, level)
    }

    /// Writes a run again to be rid of what is dead in it.
    fn rewrite(&self, run: &Run) -> Option<Choice> {
        match run.meta().level {
            0 => self.down(0),
            level => self.choice(Action::Merge, vec![run], level),
        }
    }

    /// Whether a run can go to `level`, where it overlaps nothing, as it is.
    fn can_move(&self, run: &Run, level: u8) -> bool {
        let meta = run.meta();
        let tombstones_may_stay = level < LAST_LEVEL || meta.tombstones() == 0;
        let run_bytes = self.run_bytes(self.bytes[usize::from(level)].saturating_add(meta.size_bytes));
        tombstones_may_stay && self.dead_records(run) == 0 && meta.size_bytes <= 2 * run_bytes
    }

    /// The job, unless one that is running forbids it.
    fn choice(&self, action: Action, inputs: Vec<&Run>, output_level: u8) -> Option<Choice> {
        if inputs.iter().any(|run| !self.is_free(run)) {
            return None;
        }
        let (first, last) = hull(inputs.iter().copied());
        let collides = |other: &&Choice| {
            other.output_level == output_level && first <= other.last && other.first <= last
        };
        // A job's outputs may span gaps between its inputs, into which another job may have brought runs since.
        if action != Action::Remove && self.running.iter().any(|other| collides(&other)) {
            return None;
        }
        let bytes = sum(inputs.iter().copied(), |run| run.size_bytes);
        let epochs = inputs.iter().map(|run| run.meta().epochs);
        let run_bytes = self.run_bytes(self.bytes[usize::from(output_level)].max(bytes));
        let count = (bytes / run_bytes).clamp(1, self.options.parts.max(1));
        let part_bytes = bytes / count;
        // Runs of even size: a full run and a small rest is what makes levels fall into pieces.
        let runs = (part_bytes + run_bytes / 2).div_euclid(run_bytes).max(1);
        let parts =
            if action == Action::Merge { self.parts(&inputs, count, output_level) } else { Vec::new() };
        Some(Choice {
            action,
            inputs: inputs.iter().map(|run| run.meta().id).collect(),
            output_level,
            bytes,
            run_bytes: part_bytes.div_ceil(runs) + run_bytes / 16,
            epochs: epochs.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))?,
            parts,
            first,
            last,
        })
    }

    /// Cuts the inputs' range into `count` parts of about as many bytes each, taking hashes to be evenly spread.
    fn parts(&self, inputs: &[&Run], count: u64, output_level: u8) -> Vec<Part> {
        let (first, last) = hull(inputs.iter().copied());
        let slices: Vec<Slice> = inputs.iter().flat_map(|run| slices_of(run.meta())).collect();
        let total = slices.iter().map(|slice| slice.bytes).sum::<f64>();
        let before = |key: u128| slices.iter().map(|slice| slice.bytes_up_to(key)).sum::<f64>();
        let mut ends: Vec<u128> = (1..count)
            .map(|nth| {
                let goal = total * nth as f64 / count as f64;
                let (mut low, mut high) = (key_of(first), key_of(last));
                while low < high {
                    let middle = low + (high - low) / 2;
                    if before(middle) < goal { low = middle + 1 } else { high = middle }
                }
                low
            })
            .filter(|&end| end < key_of(last))
            .collect();
        ends.dedup();
        ends.push(key_of(last));
        let mut next = key_of(first);
        let part = |end: u128| {
            let (first, last) = (position_of(next), position_of(end));
            next = end + 1;
            let mut deeper = (output_level + 1..LEVELS as u8)
                .flat_map(|level| self.version.level_within(level, first, last));
            Part { first, last, drops_tombstones: output_level > 0 && deeper.next().is_none() }
        };
        ends.into_iter().map(part).collect()
    }

    /// The size of a run in a level of `level_bytes`.
    fn run_bytes(&self, level_bytes: u64) -> u64 {
        (level_bytes / self.options.runs_per_level.max(1)).max(self.options.run_bytes).max(1)
    }

    fn is_free(&self, run: &Run) -> bool {
        !self.busy.contains(&run.meta().id)
    }

    fn is_dropped(&self, namespace: NamespaceId) -> bool {
        self.version.dropped().contains(&namespace)
    }

    fn dead_records(&self, run: &Run) -> u64 {
        let dead = run.meta().shares.iter().filter(|share| self.is_dropped(share.namespace));
        dead.map(|share| share.records).sum()
    }

    fn pressure(&self, debt_bytes: f64) -> f64 {
        let Options { level0_runs, level0_runs_max, .. } = *self.options;
        let level0 = self.version.level(0);
        let room = level0_runs_max.saturating_sub(level0_runs).max(1);
        let by_count = level0.len().saturating_sub(level0_runs) as f64 / room as f64;
        let biggest = level0.iter().map(|run| run.meta().size_bytes).max().unwrap_or(0);
        let allowed = [
            self.options.base_bytes.saturating_mul(self.options.fanout),
            sum_bytes(&self.bytes[1..]).saturating_mul(2),
            biggest.saturating_mul(level0_runs_max as u64),
        ];
        let allowed = allowed.into_iter().max().unwrap_or(0).max(1);
        // Up to half of what is allowed is the ordinary ebb and flow.
        let by_debt = debt_bytes / allowed as f64 * 2.0 - 1.0;
        by_count.max(by_debt).max(0.0)
    }

    fn debt_bytes(&self) -> f64 {
        let bytes = self.bytes.map(|bytes| bytes as f64);
        let due = self.version.level(0).len() >= self.options.level0_runs;
        let mut carried = if due { bytes[0] } else { 0.0 };
        let mut debt = if due { bytes[0] + bytes[usize::from(self.base)] } else { 0.0 };
        for level in 1..usize::from(LAST_LEVEL) {
            let carried_in = if level < usize::from(self.base) { 0.0 } else { carried };
            let excess = (bytes[level] + carried_in - self.targets[level] as f64).max(0.0);
            let ratio = bytes[level + 1] / bytes[level].max(1.0);
            debt += excess * (1.0 + ratio.min(self.options.fanout as f64));
            if level >= usize::from(self.base) {
                carried = excess;
            }
        }
        debt
    }
}

/// What a run holds of one namespace, as if evenly spread.
struct Slice {
    first: u128,
    last: u128,
    bytes: f64,
}

impl Slice {
    fn bytes_up_to(&self, key: u128) -> f64 {
        if key < self.first {
            return 0.0;
        }
        let part = (key.min(self.last) - self.first) as f64 + 1.0;
        self.bytes * part / ((self.last - self.first) as f64 + 1.0)
    }
}

fn slices_of(meta: &RunMeta) -> impl Iterator<Item = Slice> {
    let per_record = meta.size_bytes as f64 / meta.records().max(1) as f64;
    meta.shares.iter().map(move |share| {
        let whole = |hash| key_of(Position { namespace: share.namespace, hash });
        let first = whole(0).max(key_of(meta.first));
        let last = whole(u64::MAX).min(key_of(meta.last));
        Slice { first, last, bytes: per_record * share.records as f64 }
    })
}

fn key_of(position: Position) -> u128 {
    u128::from(position.namespace.0) << 64 | u128::from(position.hash)
}

fn position_of(key: u128) -> Position {
    Position { namespace: NamespaceId((key >> 64) as u32), hash: key as u64 }
}

/// The range from the first position of all `runs` to their last.
fn hull<'a>(runs: impl Iterator<Item = &'a Run>) -> (Position, Position) {
    runs.fold((Position::MAX, Position::MIN), |(first, last), run| {
        (first.min(run.meta().first), last.max(run.meta().last))
    })
}

fn sum<'a>(runs: impl IntoIterator<Item = &'a Run>, of: impl Fn(&RunMeta) -> u64) -> u64 {
    runs.into_iter().fold(0, |sum, run| sum.saturating_add(of(run.meta())))
}

fn sum_bytes(bytes: &[u64]) -> u64 {
    bytes.iter().fold(0, |sum, &bytes| sum.saturating_add(bytes))
}

#[cfg(test)]
mod tests;
