//! One version: the immutable set of runs, and the facts that hold together with exactly these runs.
//!
//! Invariants, checked by [`Version::apply`] for every version there is:
//! * Level 0 is ordered newest first. Two of its runs share no epoch or no position, so the order is never in doubt.
//! * The runs of a deeper level share no position, and are ordered by it.
//! * At one position a shallower level holds newer records than a deeper one. What the epochs can say about that is
//!   checked: a run of level 0 is newer than every deeper run that it overlaps.
//! * No run holds records of a round that was not committed.
//! * Every namespace that a run holds belongs to a database or is dropped; a namespace belongs to one database at most.
//! * A dropped namespace is remembered exactly as long as some run holds records of it.
//! * The cut and the numbers given out never go back.
//!
//! This file does no I/O: reading through a version is in `read`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use super::edit::Edit;
use super::{Graveyard, RunFile};
use crate::entry::{NamespaceId, PARTITIONS, Position};
use crate::record::{Epoch, Lsn};
use crate::run::{self, RunId};
use crate::version::RunMeta;

/// The number of levels.
pub const LEVELS: usize = 7;
/// The deepest level: nothing lies below it, so it holds no tombstones.
pub const LAST_LEVEL: u8 = LEVELS as u8 - 1;

/// Bounds far beyond any real run, so that sums of hostile numbers stay sums.
const SIZE_BYTES_MAX: u64 = 1 << 50;
const ID_MAX: u64 = 1 << 62;

/// Where the image ends and replay begins (C1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// The last committed round; 0 before the first. The runs hold the effect of exactly the records up to it.
    pub epoch: Epoch,
    /// Every record up to here is of this epoch or an earlier one. Behind it, replay looks at each record's epoch.
    pub lsn: Lsn,
    /// The first segment of the log that may hold records of a later epoch; earlier segments can go.
    pub segment: u64,
    /// The log was durable up to here when the cut was committed, and at least to [`Cut::lsn`]: every record whose effect
    /// the runs may hold.
    pub durable: Lsn,
}

impl Cut {
    /// Before the first round: everything is in the log.
    pub const START: Self = Self { epoch: Epoch(0), lsn: Lsn(0), segment: 1, durable: Lsn(0) };
}

/// What DBSIZE and INFO say about a part of a namespace, as of the cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// The keys that exist.
    pub keys: u64,
    /// Those of them that have an expiry; at most `keys`.
    pub expires: u64,
}

/// A run of a version. Whoever holds a clone keeps the run's file from being deleted.
#[derive(Debug, Clone)]
pub struct Run {
    meta: Arc<RunMeta>,
    file: Arc<RunFile>,
}

impl Run {
    /// What is known about the run.
    pub fn meta(&self) -> &RunMeta {
        &self.meta
    }

    /// The open run.
    ///
    /// # Panics
    /// If it was not opened: neither handed to [`VersionSet::commit`](super::VersionSet::commit) nor
    /// [opened](Version::open_runs) after the manifest was read.
    pub fn reader(&self) -> &Arc<run::Run> {
        self.file.reader.get().expect("the runs of a version in use are open")
    }

    pub(super) fn file(&self) -> &Arc<RunFile> {
        &self.file
    }
}

/// Why an edit does not fit a version, as a clause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidEdit(pub String);

impl fmt::Display for InvalidEdit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An immutable image of the dataset on disk.
#[derive(Debug, Clone)]
pub struct Version {
    levels: [Vec<Run>; LEVELS],
    cut: Cut,
    counts: BTreeMap<(NamespaceId, u8), Counts>,
    databases: BTreeMap<u32, NamespaceId>,
    dropped: BTreeSet<NamespaceId>,
    next_namespace: NamespaceId,
    next_run: RunId,
    attachment: Arc<[u8]>,
    graveyard: Arc<Graveyard>,
}

impl Default for Version {
    fn default() -> Self {
        Self {
            levels: Default::default(),
            cut: Cut::START,
            counts: BTreeMap::new(),
            databases: BTreeMap::new(),
            dropped: BTreeSet::new(),
            next_namespace: NamespaceId(0),
            next_run: RunId(1),
            attachment: Arc::default(),
            graveyard: Arc::default(),
        }
    }
}

/// Two versions are equal if they say the same, whoever holds their files.
impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.to_edit() == other.to_edit()
    }
}

impl Version {
    /// The runs of a level: of level 0 newest first, of a deeper one by position. Empty for a level that is none.
    pub fn level(&self, level: u8) -> &[Run] {
        self.levels.get(usize::from(level)).map_or(&[], |runs| runs)
    }

    /// Every run: level by level, newest records first at each position.
    pub fn runs(&self) -> impl Iterator<Item = &Run> {
        self.levels.iter().flatten()
    }

    /// The run with this number.
    pub fn run(&self, id: RunId) -> Option<&Run> {
        self.runs().find(|run| run.meta.id == id)
    }

    /// The runs whose ranges hold `position`, newest records first: the first one that has a key has its latest state.
    pub fn runs_at(&self, position: Position) -> impl Iterator<Item = &Run> {
        self.runs_within(position, position)
    }

    /// The runs whose ranges meet `first..=last`, level by level.
    pub fn runs_within(&self, first: Position, last: Position) -> impl Iterator<Item = &Run> {
        (0..LEVELS as u8).flat_map(move |level| self.level_within(level, first, last))
    }

    /// The runs of one level whose ranges meet `first..=last`, in the level's order.
    pub fn level_within(&self, level: u8, first: Position, last: Position) -> impl Iterator<Item = &Run> {
        let runs = self.level(level);
        let sorted = level > 0;
        let start = if sorted { runs.partition_point(|run| run.meta.last < first) } else { 0 };
        runs[start..]
            .iter()
            .take_while(move |run| !sorted || run.meta.first <= last)
            .filter(move |run| run.meta.first <= last && first <= run.meta.last)
    }

    /// Where the image ends and replay begins.
    pub fn cut(&self) -> Cut {
        self.cut
    }

    /// The live counts of a [partition](Position::partition) of a namespace, as of the cut.
    pub fn counts(&self, namespace: NamespaceId, partition: u8) -> Counts {
        self.counts.get(&(namespace, partition)).copied().unwrap_or_default()
    }

    /// All live counts that are not zero, as of the cut, by namespace and partition.
    pub fn all_counts(&self) -> &BTreeMap<(NamespaceId, u8), Counts> {
        &self.counts
    }

    /// The keys of all databases, as of the cut.
    pub fn live_keys(&self) -> u64 {
        self.counts.values().fold(0, |sum, counts| sum.saturating_add(counts.keys))
    }

    /// The databases that have a namespace, by index, as of the cut.
    pub fn databases(&self) -> &BTreeMap<u32, NamespaceId> {
        &self.databases
    }

    /// The dropped namespaces that runs still hold records of.
    pub fn dropped(&self) -> &BTreeSet<NamespaceId> {
        &self.dropped
    }

    /// The first namespace that was never given out, as of the cut.
    pub fn next_namespace(&self) -> NamespaceId {
        self.next_namespace
    }

    /// The first run number above all that were ever in a version.
    pub fn next_run(&self) -> RunId {
        self.next_run
    }

    /// What belongs to the dataset and is no key, as of the cut. Only the caller knows what it means.
    pub fn attachment(&self) -> &Arc<[u8]> {
        &self.attachment
    }

    pub(super) fn graveyard(&self) -> &Arc<Graveyard> {
        &self.graveyard
    }

    /// The edit that makes this version out of an empty one.
    pub fn to_edit(&self) -> Edit {
        Edit {
            remove: Vec::new(),
            add: self.runs().map(|run| (*run.meta).clone()).collect(),
            cut: Some(self.cut),
            counts: self.counts.iter().map(|(&part, &counts)| (part, counts)).collect(),
            databases: self.databases.iter().map(|(&index, &namespace)| (index, Some(namespace))).collect(),
            drop: self.dropped.iter().copied().collect(),
            next_namespace: Some(self.next_namespace),
            next_run: Some(self.next_run),
            attachment: Some(self.attachment.clone()).filter(|attachment| !attachment.is_empty()),
        }
    }

    /// The version after `edit`; this one is unchanged. An error if the edit contradicts this version or itself, or
    /// if its outcome would break an invariant.
    pub fn apply(&self, edit: &Edit) -> Result<Self, InvalidEdit> {
        let mut next = self.clone();
        next.apply_runs(edit)?;
        next.apply_numbers(edit)?;
        next.apply_namespaces(edit)?;
        next.check_level0()?;
        next.check_deep_levels()?;
        next.check_namespaces()?;
        Ok(next)
    }

    fn apply_runs(&mut self, edit: &Edit) -> Result<(), InvalidEdit> {
        let mut removed = BTreeMap::new();
        let leaving: BTreeSet<RunId> = edit.remove.iter().copied().collect();
        for level in &mut self.levels {
            removed.extend(
                level.extract_if(.., |run| leaving.contains(&run.meta.id)).map(|run| (run.meta.id, run)),
            );
        }
        if let Some(unknown) = edit.remove.iter().find(|id| !removed.contains_key(id)) {
            return invalid(format!("it removes run {unknown}, which is not there"));
        }
        if removed.len() != edit.remove.len() {
            return invalid("it removes a run twice".into());
        }
        let mut known: BTreeSet<RunId> = self.runs().map(|run| run.meta.id).collect();
        for meta in &edit.add {
            check_meta(meta)?;
            if !known.insert(meta.id) {
                return invalid(format!("it adds run {}, which is there", meta.id));
            }
            let file = match removed.get(&meta.id) {
                None => Arc::new(RunFile::new(meta.id, self.graveyard.clone())),
                Some(moved) if (RunMeta { level: meta.level, ..(*moved.meta).clone() }) == *meta => {
                    moved.file.clone()
                }
                Some(_) => return invalid(format!("it changes more than the level of run {}", meta.id)),
            };
            self.next_run = self.next_run.max(RunId(meta.id.0 + 1));
            self.levels[usize::from(meta.level)].push(Run { meta: Arc::new(meta.clone()), file });
        }
        let (level0, deep) = self.levels.split_at_mut(1);
        level0[0].sort_unstable_by_key(|run| std::cmp::Reverse((run.meta.epochs.1, run.meta.id)));
        deep.iter_mut().for_each(|level| level.sort_unstable_by_key(|run| run.meta.first));
        Ok(())
    }

    fn apply_numbers(&mut self, edit: &Edit) -> Result<(), InvalidEdit> {
        if let Some(cut) = edit.cut {
            let Cut { epoch, lsn, segment, durable } = self.cut;
            let falls = cut.epoch < epoch || cut.lsn < lsn || cut.segment < segment || cut.durable < durable;
            if falls || cut.durable < cut.lsn {
                return invalid(
                    "its cut lies before the one that was committed, or behind what was durable".into(),
                );
            }
            self.cut = cut;
        }
        if let Some(attachment) = &edit.attachment {
            self.attachment = attachment.clone();
        }
        if let Some(next) = edit.next_run {
            if next < self.next_run || next.0 > ID_MAX {
                return invalid("its next run number was given out already, or is out of bounds".into());
            }
            self.next_run = next;
        }
        if let Some(next) = edit.next_namespace {
            if next < self.next_namespace {
                return invalid("its next namespace was given out already".into());
            }
            self.next_namespace = next;
        }
        match self.runs().find(|run| run.meta.epochs.1 > self.cut.epoch) {
            Some(run) => invalid(format!("run {} is of an epoch that is not committed", run.meta.id)),
            None => Ok(()),
        }
    }

    fn apply_namespaces(&mut self, edit: &Edit) -> Result<(), InvalidEdit> {
        let before = self.databases.clone();
        for &(index, namespace) in &edit.databases {
            match namespace {
                Some(namespace) => _ = self.databases.insert(index, namespace),
                None => _ = self.databases.remove(&index),
            }
        }
        self.dropped.extend(&edit.drop);
        for &(part @ (namespace, partition), counts) in &edit.counts {
            if usize::from(partition) >= PARTITIONS {
                return invalid(format!("namespace {namespace} has no partition {partition}"));
            }
            if counts.expires > counts.keys {
                return invalid(format!("namespace {namespace} has more expires than keys"));
            }
            self.counts.insert(part, counts);
        }
        let live: BTreeSet<NamespaceId> = self.databases.values().copied().collect();
        if live.len() != self.databases.len() {
            return invalid("two databases have one namespace".into());
        }
        let given_out = |namespace: &&NamespaceId| **namespace < self.next_namespace;
        if let Some(early) = live.iter().chain(&self.dropped).find(|namespace| !given_out(namespace)) {
            return invalid(format!("namespace {} was never given out", early.0));
        }
        if let Some(both) = self.dropped.intersection(&live).next() {
            return invalid(format!("namespace {} is dropped, and a database has it", both.0));
        }
        let lost = |namespace: &&NamespaceId| !live.contains(namespace) && !self.dropped.contains(namespace);
        if let Some(lost) = before.values().find(lost) {
            return invalid(format!("namespace {} has no database any more, and is not dropped", lost.0));
        }
        self.counts.retain(|(namespace, _), counts| {
            !self.dropped.contains(namespace) && *counts != Counts::default()
        });
        match self.counts.keys().find(|(namespace, _)| !live.contains(namespace)) {
            Some((stray, _)) => invalid(format!("namespace {stray} has counts and no database")),
            None => Ok(()),
        }
    }

    fn check_level0(&self) -> Result<(), InvalidEdit> {
        let runs = self.level(0);
        for (at, newer) in runs.iter().enumerate() {
            let newer = newer.meta();
            let unclear = runs[at + 1..]
                .iter()
                .map(Run::meta)
                .find(|older| older.epochs.1 >= newer.epochs.0 && older.overlaps(newer));
            if let Some(older) = unclear {
                return invalid(format!("runs {} and {} overlap, and neither is newer", newer.id, older.id));
            }
            let deep = self.runs_within(newer.first, newer.last).map(Run::meta).filter(|run| run.level > 0);
            if let Some(deep) = deep.into_iter().find(|deep| deep.epochs.1 >= newer.epochs.0) {
                return invalid(format!("run {} lies below run {} and is not older", deep.id, newer.id));
            }
        }
        Ok(())
    }

    fn check_deep_levels(&self) -> Result<(), InvalidEdit> {
        for level in &self.levels[1..] {
            if let Some(pair) = level.windows(2).find(|pair| pair[0].meta.last >= pair[1].meta.first) {
                let [a, b] = [pair[0].meta.id, pair[1].meta.id];
                return invalid(format!("runs {a} and {b} of level {} overlap", pair[0].meta.level));
            }
        }
        match self.level(LAST_LEVEL).iter().find(|run| run.meta.tombstones() > 0) {
            Some(run) => invalid(format!("run {} of the last level has tombstones", run.meta.id)),
            None => Ok(()),
        }
    }

    /// Checks what the runs hold against what is live, and forgets the dropped namespaces that are reclaimed.
    fn check_namespaces(&mut self) -> Result<(), InvalidEdit> {
        let live: BTreeSet<NamespaceId> = self.databases.values().copied().collect();
        let held: BTreeSet<NamespaceId> =
            self.runs().flat_map(|run| &run.meta.shares).map(|share| share.namespace).collect();
        if let Some(stray) = held.iter().find(|held| !live.contains(held) && !self.dropped.contains(held)) {
            return invalid(format!("a run holds namespace {}, which nobody knows", stray.0));
        }
        self.dropped.retain(|namespace| held.contains(namespace));
        Ok(())
    }
}

fn invalid<T>(what: String) -> Result<T, InvalidEdit> {
    Err(InvalidEdit(what))
}

/// Checks a run's facts against each other.
fn check_meta(meta: &RunMeta) -> Result<(), InvalidEdit> {
    let ends = (meta.shares.first(), meta.shares.last());
    let named = match ends {
        (Some(first), Some(last)) => {
            first.namespace == meta.first.namespace && last.namespace == meta.last.namespace
        }
        _ => false,
    };
    let ascending = meta.shares.windows(2).all(|pair| pair[0].namespace < pair[1].namespace);
    let counted = meta.shares.iter().all(|share| share.records > 0 && share.tombstones <= share.records);
    let records = meta.shares.iter().try_fold(0_u64, |sum, share| sum.checked_add(share.records));
    let right = usize::from(meta.level) < LEVELS
        && (1..ID_MAX).contains(&meta.id.0)
        && meta.first <= meta.last
        && meta.epochs.0 <= meta.epochs.1
        && meta.size_bytes <= SIZE_BYTES_MAX
        // Every record takes a byte at least.
        && records.is_some_and(|records| records <= meta.size_bytes)
        && named
        && ascending
        && counted;
    match right {
        true => Ok(()),
        false => invalid(format!("the facts of run {} contradict each other or are out of bounds", meta.id)),
    }
}

#[cfg(test)]
mod tests;
