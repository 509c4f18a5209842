//! Reading through a version: the newest run that knows a key decides.
//!
//! Invariants:
//! * [`Version::may_contain`] does no I/O, so a worker may ask it under a lock. [`Version::get_cached`] reads, but never
//!   waits for the disk, so a worker may ask it without one. Every other function here may read from the disk.
//! * What is read is checked, block by block: damage is an error, never another key's value.
//!
//! It deliberately keeps no blocks: the system's page cache has them.

use std::sync::Arc;

use super::version::{LEVELS, Version};
use crate::entry::{Content, Entry, Head, NamespaceId, Position};
use crate::error::Error;
use crate::merge::{Entries, KEEP_ALL, Merge, Source};
use crate::run::{self, RunDir, RunId};

impl Version {
    /// Opens all runs: reads their footers and indexes. For a version that was just read from the manifest.
    pub fn open_runs(&self, runs: &RunDir) -> Result<(), Error> {
        for run in self.runs() {
            let _opened_twice = run.file().reader.set(self.open_run(run.meta().id, runs)?);
        }
        Ok(())
    }

    /// Opens one run of this version.
    pub(crate) fn open_run(&self, id: RunId, runs: &RunDir) -> Result<Arc<run::Run>, Error> {
        const OTHER: &str = "it is not the run that the manifest describes";
        let run = runs.open_run(id)?;
        match self.run(id).is_some_and(|named| named.meta().agrees_with(run.info())) {
            true => Ok(run),
            false => Err(Error::corrupt(run.path(), 0, OTHER)),
        }
    }

    /// Reads the filters of all runs into memory, where they are not yet. Until then [`Version::may_contain`] goes by the
    /// runs' indexes alone.
    pub fn load_filters(&self) -> Result<(), Error> {
        self.runs().try_for_each(|run| run.reader().load_filter())
    }

    /// Whether the version may have an entry, tombstones included, of some key at `position`; `false` is certain.
    pub fn may_contain(&self, position: Position) -> bool {
        self.runs_at(position).any(|run| {
            let run = run.reader();
            run.may_contain(position.hash) && run.find(position).is_some()
        })
    }

    /// The latest state of a key in the version; `None` if no run knows it.
    pub fn get(&self, position: Position, key: &[u8]) -> Result<Option<Content<Vec<u8>>>, Error> {
        for run in self.runs_at(position) {
            if let Some(content) = run.reader().get(position, key)? {
                return Ok(Some(content));
            }
        }
        Ok(None)
    }

    /// As [`Version::get`], without waiting for the disk; the outer `None`: that would take it.
    pub fn get_cached(
        &self,
        position: Position,
        key: &[u8],
    ) -> Result<Option<Option<Content<Vec<u8>>>>, Error> {
        for run in self.runs_at(position) {
            match run.reader().get_cached(position, key)? {
                Some(None) => {}
                found_or_unknown => return Ok(found_or_unknown),
            }
        }
        Ok(Some(None))
    }

    /// The latest state of every key at or behind `from`, in order: tombstones are told, and dropped namespaces, too.
    /// Runs of deeper levels are opened as the scan reaches them.
    pub fn scan(self: &Arc<Self>, from: Position) -> Result<Scan, Error> {
        let mut chains = Vec::new();
        for level in 0..LEVELS as u8 {
            let all = 0..self.level(level).len();
            // The runs of level 0 overlap; those of a deeper level follow each other.
            let starts = if level == 0 { all.clone() } else { all.start..usize::from(!all.is_empty()) };
            for start in starts {
                let end = if level == 0 { start + 1 } else { all.end };
                let mut chain = Chain { version: self.clone(), level, next: start, end, scan: None };
                chain.enter(from)?;
                chains.push(chain);
            }
        }
        Merge::new(chains, KEEP_ALL)
    }
}

/// Goes through the entries of a version. It keeps the version's files.
pub type Scan = Merge<Chain, fn(NamespaceId) -> bool>;

/// Runs that follow each other in the order of keys, one after the other.
pub struct Chain {
    version: Arc<Version>,
    level: u8,
    /// The run behind the current one, by its place in the level.
    next: usize,
    /// Behind the last run of the chain.
    end: usize,
    /// The current run; `None` at the end.
    scan: Option<run::Scan>,
}

impl Chain {
    /// Goes on to the first entry at or behind `to` in the runs from `next` on.
    fn enter(&mut self, to: Position) -> Result<(), Error> {
        // After an error the chain is at its end, not at an entry it has passed.
        self.scan = None;
        let rest = &self.version.level(self.level)[self.next..self.end];
        self.next += rest.partition_point(|run| run.meta().last < to);
        if self.next < self.end {
            let scan = self.version.level(self.level)[self.next].reader().scan(to)?;
            self.next += 1;
            self.scan = Some(scan);
        }
        Ok(())
    }
}

impl Entries for Chain {
    fn entry(&self) -> Option<Entry<'_>> {
        self.scan.as_ref().and_then(run::Scan::entry)
    }
}

impl Source for Chain {
    fn head(&self) -> Option<Head<'_>> {
        self.scan.as_ref().and_then(run::Scan::head)
    }

    fn advance(&mut self) -> Result<(), Error> {
        let Some(scan) = &mut self.scan else { return Ok(()) };
        scan.advance()?;
        if scan.head().is_none() { self.enter(Position::MIN) } else { Ok(()) }
    }

    fn seek(&mut self, to: Position) -> Result<(), Error> {
        let Some(scan) = &mut self.scan else { return Ok(()) };
        scan.seek(to)?;
        if scan.head().is_none() { self.enter(to) } else { Ok(()) }
    }
}
