//! Trimming: XTRIM, and XADD with MAXLEN or MINID.

use super::entries::Entries;
use super::id::StreamId;

/// `LIMIT` of approximate trimming if blocks have no number of entries.
const LIMIT_DEFAULT: u64 = 10_000;
/// The greatest default of `LIMIT`.
const LIMIT_MAX: u64 = 1_000_000;
/// The blocks that approximate trimming removes at most unless `LIMIT` is given.
const LIMIT_BLOCKS: u64 = 100;

/// What stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// `MAXLEN`: so many entries.
    Len(u64),
    /// `MINID`: entries from this id on.
    Id(StreamId),
}

/// How to trim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trim {
    /// What stays.
    pub bound: Bound,
    /// `~`: only whole blocks go.
    pub is_approximate: bool,
    /// The entries that go at most, in whole blocks; zero is no limit. Exact trimming has none, but a caller that
    /// must not take long can trim approximately, and limited, until nothing goes, and then exactly.
    pub limit: u64,
}

impl Trim {
    /// The limit of approximate trimming without `LIMIT`, given `stream-node-max-entries`.
    pub fn default_limit(node_max_entries: usize) -> u64 {
        match (node_max_entries as u64).saturating_mul(LIMIT_BLOCKS) {
            0 => LIMIT_DEFAULT,
            limit => limit.min(LIMIT_MAX),
        }
    }
}

impl Entries {
    /// Removes entries from the beginning and gives their number.
    pub fn trim(&mut self, trim: &Trim) -> u64 {
        let mut removed = 0;
        while let Some((place, block)) = self.first_block() {
            let (len, live) = (self.len() as u64, block.live() as u64);
            if trim.limit > 0 && removed + live > trim.limit {
                break;
            }
            let is_all = match trim.bound {
                Bound::Len(max) if len <= max => break,
                Bound::Len(max) => len - live >= max,
                Bound::Id(min) => block.spots_rev().next().is_none_or(|last| last.id < min),
            };
            if is_all {
                self.remove_block(&place);
                removed += live;
                continue;
            }
            if !trim.is_approximate {
                removed += self.trim_first_block(trim.bound);
            }
            break;
        }
        if removed > 0 || self.is_empty() {
            self.find_first_id();
        }
        removed
    }

    /// Removes entries of the first block, of which some stay, and gives their number.
    fn trim_first_block(&mut self, bound: Bound) -> u64 {
        let Some((place, block)) = self.first_block() else { return 0 };
        let excess = match bound {
            Bound::Len(max) => self.len() - max as usize,
            Bound::Id(_) => usize::MAX,
        };
        let is_enough = |deleted, id| match bound {
            Bound::Len(_) => deleted == excess,
            Bound::Id(min) => id >= min,
        };
        // Most often nothing goes; then the block is not touched, or a frozen one would be copied.
        if block.spots().next().is_none_or(|first| is_enough(0, first.id)) {
            return 0;
        }
        let deleted = self.edit(&place, 0, |block| block.delete_until(is_enough));
        self.edit(&place, -(deleted as isize), |_| ());
        deleted as u64
    }
}
