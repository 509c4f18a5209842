//! Which segments there are: the live ones, which a replay may need, and the spares, which are written again.
//!
//! A checkpoint that has been committed releases the segments before its cut. A released segment keeps its name and its
//! contents and becomes a spare; the next segment that is created is a spare under its new name. Overwriting a file is
//! cheaper than growing one: its pages are in the cache, its blocks are allocated, and a sync has no new size to record.
//!
//! Invariants:
//! * A file's number only rises, so nothing that an earlier life has left in it passes for a frame of its new life.
//!   Therefore spares do not outlive the process: a power loss can undo a renaming and keep what was written after it,
//!   and then a file holds frames of a higher number than its name says. A start removes all spares.
//! * Nothing releases the segment being written.
//! * A renaming is as unsafe as a creation until the directory was synced; the syncer is told of both.
//!
//! Segments are not made ahead of need: with a spare at hand, that would save the log thread two system calls in 64 MiB.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::segment;
use crate::error::Error;
use crate::fs::{File, Fs, Open};
use crate::record::Lsn;

/// The least number of spares worth keeping, and the most: 1 GiB of default segments.
const SPARES: std::ops::RangeInclusive<usize> = 2..=16;

/// An open segment.
pub struct SegmentFile {
    pub path: PathBuf,
    pub file: Arc<dyn File>,
    /// Whether bytes of an earlier life may lie behind the last frame, so that it needs an end mark.
    pub recycled: bool,
}

/// A segment that a replay may need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Live {
    pub number: u64,
    /// The first LSN that it holds or could hold; of the first live segment, any LSN not above that.
    pub first: Lsn,
    /// Up to the end of its last frame; 0 while it is being written.
    pub bytes: u64,
}

/// The segments of an open log. Thread-safe.
pub struct Segments {
    fs: Arc<dyn Fs>,
    dir: PathBuf,
    /// A spare is at most this long.
    segment_bytes: u64,
    /// Held for moments, with no file operation under it; a leaf in the lock order.
    lists: Mutex<Lists>,
}

struct Lists {
    /// Ascending, never empty; the last one is being written.
    live: VecDeque<Live>,
    /// Ascending; the last one was written most recently and is the likeliest to be in the page cache.
    spares: Vec<u64>,
    /// How many segments were created since the last release: about what the log will need until the next one.
    created: usize,
}

impl Segments {
    /// The segments that a replay has found, ascending; the last one is being written. There is at least one.
    pub fn new(fs: Arc<dyn Fs>, dir: PathBuf, segment_bytes: u64, live: Vec<Live>) -> Self {
        let lists = Lists { live: live.into(), spares: Vec::new(), created: 0 };
        Self { fs, dir, segment_bytes, lists: Mutex::new(lists) }
    }

    /// Makes segment `number` of a spare, or creates it. Its first frame begins with the record `first`; the segment
    /// before it has ended and is `bytes_before` long.
    pub fn create(&self, number: u64, first: Lsn, bytes_before: u64) -> Result<Arc<SegmentFile>, Error> {
        let path = segment::path(&self.dir, number);
        let file = match self.recycle(&path)? {
            Some(file) => SegmentFile { path, file, recycled: true },
            None => {
                let file = self.fs.open(&path, Open::CreateNew).map_err(|e| Error::io("create", &path, e))?;
                SegmentFile { path, file, recycled: false }
            }
        };
        let mut lists = self.lock();
        lists.created += 1;
        lists.live.back_mut().expect("a log has a segment").bytes = bytes_before;
        lists.live.push_back(Live { number, first, bytes: 0 });
        Ok(Arc::new(file))
    }

    /// The first segment that a replay of the records after `lsn` needs, if `lsn` is durable: the one that holds `lsn`
    /// itself, so that the replay can tell a log that ends at `lsn` from one whose beginning is damaged.
    pub fn segment_of(&self, lsn: Lsn) -> u64 {
        let lists = self.lock();
        let behind = lists.live.partition_point(|live| live.first <= lsn);
        lists.live[behind.saturating_sub(1)].number
    }

    /// Says that no replay will need a segment below `segment`: how many bytes of the log that were, and whether the
    /// files that are not wanted as spares could be removed.
    pub fn release_before(&self, segment: u64) -> (u64, Result<(), Error>) {
        let (mut bytes, mut surplus) = (0, Vec::new());
        {
            let mut guard = self.lock();
            let Lists { live, spares, created } = &mut *guard;
            while live.len() > 1
                && let Some(released) = live.pop_front_if(|first| first.number < segment)
            {
                bytes += released.bytes;
                // One long frame is no reason to hold on to a long file.
                let keep = released.bytes <= self.segment_bytes;
                if keep { &mut *spares } else { &mut surplus }.push(released.number);
            }
            let wanted = std::mem::take(created).clamp(*SPARES.start(), *SPARES.end());
            let excess = spares.len().saturating_sub(wanted);
            surplus.extend(spares.drain(..excess));
        }
        let mut outcome = Ok(());
        for number in surplus {
            let path = segment::path(&self.dir, number);
            if let Err(error) = self.fs.remove(&path) {
                outcome = Err(Error::io("remove", &path, error));
            }
        }
        (bytes, outcome)
    }

    /// Gives a spare the name `path`; `None` if there is none.
    fn recycle(&self, path: &Path) -> Result<Option<Arc<dyn File>>, Error> {
        loop {
            let Some(spare) = self.lock().spares.pop() else { return Ok(None) };
            let old = segment::path(&self.dir, spare);
            // Opened first, so that a failure leaves the spare what it was.
            let opened = self.fs.open(&old, Open::Write);
            match opened.and_then(|file| self.fs.rename(&old, path).map(|()| file)) {
                Ok(file) => return Ok(Some(file)),
                // Someone has tidied up; no record is lost with a spare.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    self.lock().spares.push(spare);
                    return Err(Error::io("rename", &old, error));
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Lists> {
        self.lists.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
