//! What the manifest keeps of a run: the facts that the rest of the engine needs without opening its file.
//!
//! [`Position`] is [`entry::Position`](crate::entry::Position) with the namespace as a type of its own.

use crate::record::Epoch;
use crate::run::RunId;

/// A namespace: the contents of one logical database between two flushes. Never used again once dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct NamespaceId(pub u32);

/// A place in the order of all records: namespace, then hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The namespace.
    pub namespace: NamespaceId,
    /// The key's hash.
    pub hash: u64,
}

impl Position {
    /// Before every record.
    pub const MIN: Self = Self { namespace: NamespaceId(0), hash: 0 };
    /// After every record.
    pub const MAX: Self = Self { namespace: NamespaceId(u32::MAX), hash: u64::MAX };
}

/// How much of a run belongs to one namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NamespaceShare {
    /// The namespace.
    pub namespace: NamespaceId,
    /// Its records, tombstones included; at least 1.
    pub records: u64,
    /// Its tombstones.
    pub tombstones: u64,
}

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
