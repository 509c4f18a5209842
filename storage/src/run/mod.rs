//! Runs: immutable sorted files, `runs/<16 hex digits>.run`.
//!
//! This file holds what the rest of the engine knows about a run without opening it: its number, its file's name, and
//! the facts that the manifest keeps about it. Records are ordered by [`Position`], then by key; several keys may share
//! a position, and records of one position are never spread over two runs of one level.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::record::Epoch;

/// The directory of the runs, inside the dataset's.
pub const DIR: &str = "runs";

/// A namespace: the contents of one logical database between two flushes. Never used again once dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct NamespaceId(pub u32);

/// The number of a run, from 1 on. A greater number was begun later, which says nothing about whose records are newer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct RunId(pub u64);

impl RunId {
    /// The name of the run's file in [`DIR`].
    pub fn file_name(self) -> String {
        format!("{:016x}.run", self.0)
    }

    /// The path of the run's file in the dataset's directory `dir`.
    pub fn path(self, dir: &Path) -> PathBuf {
        dir.join(DIR).join(self.file_name())
    }

    /// The run whose file has this name; `None` for any other file.
    pub fn of_file_name(name: &str) -> Option<Self> {
        let id = Self(u64::from_str_radix(name.strip_suffix(".run")?, 16).ok()?);
        (id.file_name() == name).then_some(id)
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_exact_names_are_runs() {
        assert_eq!(RunId(0xbeef).file_name(), "000000000000beef.run");
        assert_eq!(RunId::of_file_name("000000000000beef.run"), Some(RunId(0xbeef)));
        let foreign =
            ["beef.run", "000000000000BEEF.run", "000000000000beef.tmp", "+00000000000beef.run", ".run"];
        for name in foreign {
            assert_eq!(RunId::of_file_name(name), None, "{name}");
        }
    }
}
