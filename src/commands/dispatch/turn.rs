//! The time of an executing thread: rounds, turns, and what a turn counts.
//!
//! * A turn is some commands of one connection, a round the turns between two polls. The clock is read once a round; turns move
//!   the time on by what they took, so that a command costs no look at the clock.

use super::Executor;
use crate::stats::Stat;
use crate::store::UnixMs;
use crate::store::evict::AccessClock;
use crate::util::time;

/// Positions whose hashes a thread keeps room for between turns.
const HASHES_KEPT: usize = 4096;

impl Executor {
    /// Begins a round of turns: the only place where the wall clock is read. Turns move the time on by what they took,
    /// which they measure anyway.
    pub fn begin_round(&mut self) {
        self.begin_round_at(time::now());
    }

    /// Begins a round at a time of the caller's choice.
    pub fn begin_round_at(&mut self, now: UnixMs) {
        self.now = now;
        self.round_began = (self.now, time::Monotonic::now());
        self.turn_began = self.round_began.1;
    }

    /// When the last turn of this round ended, or when the round began.
    pub fn turn_ended(&self) -> time::Monotonic {
        self.turn_began
    }

    /// Begins a turn: the configuration stays what it is now, but for what the turn's commands change.
    pub fn begin_turn(&mut self) {
        self.refresh_config();
    }

    /// Looks at the configuration. A thread may have had no turn for long.
    pub fn refresh_config(&mut self) {
        self.config.refresh();
        self.access = AccessClock::of(&self.config, self.now, self.random.fraction());
    }

    /// Ends a turn: publishes what it counted.
    pub fn end_turn(&mut self) {
        self.outbox.send(&self.state);
        self.hashes.clear();
        self.hashes.shrink_to(HASHES_KEPT);
        // Commands inside transactions and scripts have their share of the turn's time like all others.
        self.executed.append(&mut self.work.nested);
        if !self.executed.is_empty() {
            let (wall, monotonic) = self.round_began;
            let now = time::Monotonic::now();
            self.stats.add_turn(
                &self.executed,
                now.nanos_since(self.turn_began),
                self.config.latency_tracking,
            );
            self.now = UnixMs(wall.0 + now.nanos_since(monotonic) / 1_000_000);
            self.turn_began = now;
            self.executed.clear();
        }
        let tallies = std::mem::take(&mut self.work.tallies);
        self.stats.add(Stat::Hits, tallies.hits);
        self.stats.add(Stat::Misses, tallies.misses);
        self.stats.add(Stat::ExpiredKeys, tallies.expired);
        self.stats.add(Stat::ExpiredFields, tallies.expired_fields);
        self.stats.add(Stat::Dirty, tallies.dirty);
    }
}
