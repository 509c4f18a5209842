//! A job: a choice of the picker, carried out part by part.
//!
//! * The parts share nothing but the inputs, so that any number of threads may merge them at once.
//! * A part writes runs that are durable and that no version names. Whoever runs the job commits all of them with one
//!   edit, or removes them; what a crash leaves is removed at the next start.
//! * What is dropped follows from the version that the job was chosen for: a namespace that is dropped later goes with a
//!   later job.
//! * All that is read is paid for at the limiter, so a merge stops soon after the limiter was closed or the job abandoned,
//!   also in the middle of a long value.
//! * Long values go from run to run piece by piece, and those that are not kept are not read: a part takes the memory of a
//!   few blocks for each input and of what a builder has, whatever is in them.
//!
//! It never looks at the current version, and decides nothing: what to merge and where to, the choice says.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use super::limiter::Limiter;
use super::picker::{Choice, Part};
use crate::entry::NamespaceId;
use crate::error::Error;
use crate::merge::{Merge, Retention, Source};
use crate::record::Lsn;
use crate::run::{self, BuildOptions, Built, Compression, RunDir, Span, Stream};
use crate::version::{Run, Version, VersionSet};

/// How many bytes are read between two visits to the limiter.
const STEP_BYTES: u64 = 64 << 10;

/// What jobs are carried out with.
pub(super) struct Tools {
    pub set: Arc<VersionSet>,
    pub runs: RunDir,
    pub compression: Compression,
    pub limiter: Limiter,
    /// Bytes that were read of the runs' blocks, before compression.
    pub bytes_read: AtomicU64,
    /// Bytes of runs that were completed.
    pub bytes_written: AtomicU64,
}

/// A choice, and what its merge needs of the version that it was made for.
pub(super) struct Job {
    pub choice: Choice,
    /// Newest entries first at each position. They keep the files from being removed.
    inputs: Vec<Run>,
    dropped: BTreeSet<NamespaceId>,
    span: Span,
    /// The most entries that one output is expected to have.
    entries_max: u64,
    abandoned: AtomicBool,
}

impl Job {
    /// The job of `choice`, which was made for `version`.
    pub fn new(choice: Choice, version: &Version) -> Self {
        let run = |id| version.run(id).expect("a choice takes the runs of its version").clone();
        let inputs: Vec<Run> = choice.inputs.iter().map(|&id| run(id)).collect();
        let records: u64 = inputs.iter().map(|run| run.meta().records()).sum();
        // Entries are of different sizes in different places; folding a filter made too big costs less than one too small.
        let share = 2 * u128::from(choice.run_bytes) * u128::from(records) / u128::from(choice.bytes.max(1));
        let entries_max = records.min(u64::try_from(share).unwrap_or(u64::MAX)) + 1;
        let max_lsn = inputs.iter().map(|run| run.reader().info().span.max_lsn).max().unwrap_or(Lsn(0));
        let span = Span { first_epoch: choice.epochs.0, last_epoch: choice.epochs.1, max_lsn };
        let dropped = version.dropped().clone();
        Self { choice, inputs, dropped, span, entries_max, abandoned: AtomicBool::new(false) }
    }

    /// Ends the merges of all parts soon.
    pub fn abandon(&self) {
        self.abandoned.store(true, Relaxed);
    }

    /// Merges one part. `outputs` gets every run that was completed, also of a merge that fails.
    pub fn merge(&self, part: usize, tools: &Tools, outputs: &mut Vec<Built>) -> Result<(), Error> {
        let part = self.choice.parts[part];
        let meets = |run: &&Run| run.meta().first <= part.last && part.first <= run.meta().last;
        let sources = self.inputs.iter().filter(meets).map(|run| self.open(run.reader(), &part, tools));
        let sources = sources.collect::<Result<Vec<_>, Error>>()?;
        let is_live = |namespace| !self.dropped.contains(&namespace);
        let mut merge = Merge::new(sources, Retention { tombstones: !part.drops_tombstones, is_live })?;
        while merge.position().is_some() {
            outputs.push(self.write_run(&mut merge, tools)?);
        }
        Ok(())
    }

    /// Writes entries up to the size of a run, but never half a position.
    fn write_run<P, L>(&self, merge: &mut Merge<Stream<P>, L>, tools: &Tools) -> Result<Built, Error>
    where
        P: FnMut(u64) -> Result<(), Error>,
        L: Fn(NamespaceId) -> bool,
    {
        let options = BuildOptions { entries_max: self.entries_max, compression: tools.compression };
        let mut builder = tools.runs.build(tools.set.begin_run(), options)?;
        let mut last = None;
        while let Some(position) = merge.position() {
            if builder.size_bytes() >= self.choice.run_bytes && last != Some(position) {
                break;
            }
            merge.current().map_or(Ok(()), |stream| stream.copy_to(&mut builder))?;
            last = Some(position);
            merge.advance()?;
        }
        let built = builder.finish(self.span)?.expect("a run is begun for an entry");
        tools.bytes_written.fetch_add(built.run.info().size_bytes, Relaxed);
        Ok(built)
    }

    /// The entries of a run that belong to a part.
    fn open<'a>(
        &'a self,
        run: &Arc<run::Run>,
        part: &Part,
        tools: &'a Tools,
    ) -> Result<Stream<impl FnMut(u64) -> Result<(), Error> + 'a>, Error> {
        self.pay(0, tools)?;
        let mut unpaid = 0;
        run.stream(part.first..=part.last, move |bytes| {
            unpaid += bytes;
            if unpaid < STEP_BYTES { Ok(()) } else { self.pay(std::mem::take(&mut unpaid), tools) }
        })
    }

    /// Pays for bytes that were read.
    fn pay(&self, bytes: u64, tools: &Tools) -> Result<(), Error> {
        if self.abandoned.load(Relaxed) {
            return Err(Error::Closed);
        }
        tools.bytes_read.fetch_add(bytes, Relaxed);
        tools.limiter.take(bytes)
    }
}
