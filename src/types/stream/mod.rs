//! The stream type: entries in the order of their ids, and the groups of consumers that read them.
//!
//! * [`Entries`] are kept in blocks, byte for byte Redis's nodes, and only ever added at the end and removed.
//! * A [`Group`] knows how far it has read and which entries its [`Consumer`]s have yet to acknowledge. It refers to entries by id
//!   only: an entry may be gone while it is still pending.
//! * All big parts are chunks of bounded size behind `Arc`. A clone is a freeze: a few references, whatever the size, and a copy of
//!   the one block that takes entries; a writer then copies what else it touches, once.
//! * Time is an argument, and so are the limits of blocks.

mod block;
mod blocks;
mod claim;
mod entries;
mod group;
mod id;
mod left_over;
mod map;
mod radix;
mod trim;

pub use block::{Entry, Fields, Limits};
pub use claim::{AutoClaim, AutoClaimed, Claim, Claimed};
pub use entries::{AddError, Entries, Range, RangeRev, SetIdError};
pub use group::{Consumer, ConsumerId, Group, GroupMut, Groups, Pending};
pub use id::{BoundError, IdText, NewId, StreamId};
pub use trim::{Bound, Trim, Trimmed};

/// A stream. Its parts are apart, because reading by a group changes the group while it reads entries.
#[derive(Clone, Debug, Default)]
pub struct Stream {
    /// What was added and not removed.
    pub entries: Entries,
    /// Who reads it.
    pub groups: Groups,
}

impl Stream {
    /// Bytes of heap memory.
    pub fn memory_bytes(&self) -> usize {
        self.entries.memory_bytes() + self.groups.memory_bytes()
    }

    /// Does it still take memory for what was pending for deleted consumers?
    pub fn has_left_over(&self) -> bool {
        self.groups.has_left_over()
    }

    /// Clears the memory of so many such entries. That is no change.
    pub fn clear_some(&mut self, count: usize) {
        self.groups.clear_some(count);
    }
}

#[cfg(test)]
mod tests;
