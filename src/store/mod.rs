//! The keyspace: 64 locked shards, each with one hash-ordered table per logical database.
//!
//! * Commands reach it through [`Db`], which holds the locks of the shards that the command may touch (L1).
//! * `lock` owns the lock protocol, `shard` what one lock guards, `keyspace` the whole, `db` what a command may do with it,
//!   `effect` what the log is told, `long` what both would copy; `table`, `segment`, `arena`, `entry` and `expire` are the single-owner structures below.
//! * Between RAM and disk: `checkpoint` makes rounds when `checkpointer` says so, `image` is a value on disk, `cache` lets
//!   clean entries leave RAM, `residence` brings them back before a command runs, and `loading` knows who waits for them.
//! * Only the command path changes logical state; `sweep` (active expiry), `cold::expire` and `evict` go through it too.
//! * `scan` looks through RAM, `cold` through RAM and disk.
//! * This module knows nothing of RESP, clients or commands, and it alone uses the `storage` crate.

pub mod apart;
mod arena;
pub mod cache;
pub mod checkpoint;
pub mod checkpointer;
pub mod cold;
pub mod db;
pub mod digest;
pub mod effect;
pub mod entry;
pub mod evict;
pub mod expire;
pub mod hash;
pub mod image;
pub mod interest;
pub mod keyspace;
mod left_over;
pub mod loading;
pub mod lock;
pub mod long;
pub mod notify;
pub mod object;
pub mod residence;
pub mod scan;
mod segment;
pub mod shard;
mod slots;
pub mod snapshot;
pub mod sweep;
pub mod table;
pub mod tracked;

pub use db::{Db, Edited, Expiry, Key, Slot, StringRef, WrongType};
pub use keyspace::Keyspace;
pub use lock::{ShardSet, Waiter};

pub use crate::util::time::UnixMs;

/// Bits of the hash that choose the shard.
pub const SHARD_BITS: u32 = 6;
/// Number of shards.
pub const SHARD_COUNT: usize = 1 << SHARD_BITS;

/// A shard's number, below [`SHARD_COUNT`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ShardId(pub u8);

impl ShardId {
    /// The shard of a key's hash: its top bits.
    #[inline]
    pub const fn of(hash: u64) -> Self {
        ShardId((hash >> (64 - SHARD_BITS)) as u8)
    }
}

/// A logical database as clients number them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub struct DbIndex(pub u32);

#[cfg(test)]
mod tests {
    use super::ShardId;

    #[test]
    fn a_shard_is_the_top_bits() {
        assert_eq!(ShardId::of(u64::MAX), ShardId(63));
        assert_eq!(ShardId::of(1 << 58), ShardId(1));
        assert_eq!(ShardId::of((1 << 58) - 1), ShardId(0));
    }
}
