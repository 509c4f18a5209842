//! Active expiry: deletes keys soon after their time, on the cron thread, through the command path.
//!
//! Keys, and fields of hashes. The expiry indexes are ordered by time, so nothing is found by luck: a sweep looks at the earliest key
//! of each table and stops at the first that is not due. Work per lock hold is bounded, so no worker waits long for the shard.

use super::db::Workspace;
use super::evict::AccessClock;
use super::keyspace::Keyspace;
use super::lock::ShardSet;
use super::{Db, DbIndex, ShardId, UnixMs};

/// Keys and fields deleted per lock hold: some tens of microseconds.
const SLICE_KEYS: usize = 64;

/// What a sweep has deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Keys.
    pub keys: u64,
    /// Fields of hashes.
    pub fields: u64,
}

impl Keyspace {
    /// Deletes keys and fields whose time has passed by `now`, at most about `limit` of them. Returns how many went, and
    /// whether more are due.
    pub fn sweep(&self, now: UnixMs, limit: usize) -> (Swept, bool) {
        let (mut swept, mut more, mut keys) = (Swept::default(), false, 0);
        for id in ShardSet::ALL.iter() {
            keys += self.locks().lock_one(id).shard(id).resident();
            loop {
                let (gone, left) = self.sweep_slice(id, now);
                swept.keys += gone.keys;
                swept.fields += gone.fields;
                if !left {
                    break;
                }
                if swept.keys + swept.fields >= limit as u64 {
                    more = true;
                    break;
                }
            }
        }
        self.note_size(keys);
        (swept, more)
    }

    /// One lock hold on one shard.
    fn sweep_slice(&self, id: ShardId, now: UnixMs) -> (Swept, bool) {
        let mut work = Workspace::default();
        let locked = self.locks().lock_one(id);
        let access = AccessClock::lru(now);
        let mut db = Db::new(self, locked, DbIndex(0), now, &access, &mut work);
        let mut budget = SLICE_KEYS;
        for index in 0..self.databases() as u32 {
            db.select(DbIndex(index));
            while budget > 0 && db.delete_one_due(id) {
                budget -= 1;
            }
            while budget > 0 {
                match db.delete_due_fields(id, budget) {
                    0 => break,
                    gone => budget -= gone,
                }
            }
        }
        let committed = db.commit(std::iter::empty(), DbIndex(0));
        drop(db);
        self.announce(&mut work, committed.depends_on);
        (Swept { keys: work.tallies.expired, fields: work.tallies.expired_fields }, budget == 0)
    }
}
