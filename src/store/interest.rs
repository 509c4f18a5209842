//! Who wants to know of changes of keys, by shard: what WATCH, blocked clients and client-side caching have in common.
//!
//! * Every change of a key that a command could see goes through [`Db::signal`](super::Db), which looks here while the
//!   shard is held. As long as nobody is interested in any key of the shard, that costs one load.

/// The clients interested in keys of one shard.
#[derive(Default)]
pub struct Interest {}

impl Interest {
    /// Is nobody interested in any key?
    #[inline]
    pub fn is_empty(&self) -> bool {
        true
    }
}
