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

/// What was trimmed.
#[derive(Debug, Default)]
#[must_use = "many blocks are freed where there is time for it"]
pub struct Trimmed {
    /// The number of entries.
    pub count: u64,
    /// Their blocks, if they were many. Nothing but freeing is to be done with them.
    pub gone: Option<Entries>,
}

impl Entries {
    /// Removes entries from the beginning. Of what goes only the last block and a few of the others are looked at.
    pub fn trim(&mut self, trim: &Trim) -> Trimmed {
        let before = self.len();
        if matches!(trim.bound, Bound::Len(max) if before as u64 <= max) {
            return Trimmed::default();
        }
        let stays = self.first_block_that_stays(trim);
        let gone = self.remove_blocks(stays);
        let mut count = (before - self.len()) as u64;
        if !trim.is_approximate && self.may_part(trim, count) {
            count += self.trim_first_block(trim.bound);
        }
        if count > 0 || self.is_empty() {
            self.find_first_id();
        }
        Trimmed { count, gone }
    }

    /// The master of the first block that does not go whole.
    fn first_block_that_stays(&self, trim: &Trim) -> Option<StreamId> {
        let blocks = self.blocks_ref();
        let first = blocks.first()?;
        let (at, is_all) = match trim.bound {
            Bound::Len(max) => {
                let last = self.len().checked_sub(max as usize)?.checked_sub(1)?;
                let (at, position) = blocks.find_rank(last);
                (at, position + 1 == blocks.get(at).live())
            }
            Bound::Id(min) => {
                let at = blocks.find(min)?;
                (at, blocks.get(at).spots_rev().next().is_none_or(|last| last.id < min))
            }
        };
        let mut stays = if is_all { blocks.next(at) } else { Some(at) };
        if trim.limit > 0 && stays != Some(first) {
            let going = stays.map_or(blocks.live(), |stays| blocks.rank(stays));
            let limit = trim.limit as usize;
            if going > limit {
                stays = Some(blocks.find_rank(limit).0);
            }
        }
        stays.map(|stays| blocks.master(stays))
    }

    /// Whether entries of the first block, which has some that stay, are to go after so many others.
    fn may_part(&self, trim: &Trim, removed: u64) -> bool {
        let is_excess = match trim.bound {
            Bound::Len(max) => self.len() as u64 > max,
            Bound::Id(_) => true,
        };
        let blocks = self.blocks_ref();
        let live = blocks.first().map_or(0, |first| blocks.get(first).live() as u64);
        is_excess && (trim.limit == 0 || removed + live <= trim.limit)
    }

    /// Removes entries of the first block, of which some stay, and gives their number.
    fn trim_first_block(&mut self, bound: Bound) -> u64 {
        let excess = match bound {
            Bound::Len(max) => self.len() - max as usize,
            Bound::Id(_) => usize::MAX,
        };
        let is_enough = |deleted, id| match bound {
            Bound::Len(_) => deleted == excess,
            Bound::Id(min) => id >= min,
        };
        self.delete_first_until(is_enough) as u64
    }
}
