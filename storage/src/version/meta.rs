//! What the manifest keeps of a run: the facts that choosing what to read and what to merge needs.

use crate::entry::Position;
use crate::record::Epoch;
use crate::run::{Built, NamespaceShare, RunId, RunInfo};

/// What is known about a run without opening its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunMeta {
    /// Its number.
    pub id: RunId,
    /// Its level: 0 as checkpoints write it, deeper as compaction moves it.
    pub level: u8,
    /// The size of its file.
    pub size_bytes: u64,
    /// The position of its first record.
    pub first: Position,
    /// The position of its last record.
    pub last: Position,
    /// The oldest and the newest checkpoint round whose records it holds.
    pub epochs: (Epoch, Epoch),
    /// What it holds of each namespace, ascending; the first and the last are those of `first` and `last`.
    pub shares: Vec<NamespaceShare>,
}

impl RunMeta {
    /// The facts of a run that is to enter `level`.
    pub fn new(built: &Built, level: u8) -> Self {
        let &RunInfo { id, size_bytes, first, last, span, .. } = built.run.info();
        let epochs = (span.first_epoch, span.last_epoch);
        Self { id, level, size_bytes, first, last, epochs, shares: built.shares.clone() }
    }

    /// Whether the run's own footer says the same.
    pub fn agrees_with(&self, info: &RunInfo) -> bool {
        let epochs = (info.span.first_epoch, info.span.last_epoch);
        (self.id, self.size_bytes, self.first, self.last, self.epochs)
            == (info.id, info.size_bytes, info.first, info.last, epochs)
            && (self.records(), self.tombstones()) == (info.entries, info.tombstones)
    }

    /// The number of records, tombstones included.
    pub fn records(&self) -> u64 {
        self.shares.iter().map(|share| share.records).sum()
    }

    /// The number of tombstones.
    pub fn tombstones(&self) -> u64 {
        self.shares.iter().map(|share| share.tombstones).sum()
    }

    /// Whether some position lies in both runs' ranges.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }
}
