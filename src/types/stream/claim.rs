//! XCLAIM and XAUTOCLAIM: a consumer takes over what is pending for another one.
//!
//! What is pending but no longer in the stream can't be claimed; it stops being pending instead.

use super::block::Entry;
use super::entries::Entries;
use super::group::{ConsumerId, Group, Pending};
use super::id::StreamId;
use crate::util::time::UnixMs;

/// XAUTOCLAIM looks at so many pending entries for each that it may claim.
const ATTEMPTS_PER_COUNT: usize = 10;

/// Pending entries that are read at once.
const AHEAD_MAX: usize = 128;

/// The options of XCLAIM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// An entry delivered more recently stays where it is; zero takes any.
    pub min_idle_ms: u64,
    /// When the entry shall have been delivered, by `IDLE` or `TIME`; otherwise now. Not later than now.
    pub delivered: UnixMs,
    /// `RETRYCOUNT`: how often it shall have been delivered.
    pub deliveries: Option<u64>,
    /// `FORCE`: takes also what is pending for nobody.
    pub force: bool,
    /// `JUSTID`: does not count as a delivery.
    pub just_id: bool,
}

/// What became of an entry that was to be claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claimed {
    /// The consumer has it.
    Yes,
    /// It was not pending, or delivered too recently.
    No,
    /// It was pending and is no longer, as it is not in the stream.
    Gone,
}

/// The options of XAUTOCLAIM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AutoClaim {
    /// Where to begin.
    pub start: StreamId,
    /// How many entries are claimed, or found gone, at most.
    pub count: usize,
    /// As [`Claim::min_idle_ms`].
    pub min_idle_ms: u64,
    /// As [`Claim::just_id`].
    pub just_id: bool,
}

/// What XAUTOCLAIM replies besides the entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AutoClaimed {
    /// Where the next call begins; 0-0 if all was looked at.
    pub next: StreamId,
    /// What was pending and is no longer, as it is not in the stream.
    pub gone: Vec<StreamId>,
}

impl Group {
    /// Claims one entry for a consumer.
    pub fn claim(
        &mut self,
        entries: &Entries,
        consumer: ConsumerId,
        id: StreamId,
        claim: &Claim,
        now: UnixMs,
    ) -> Claimed {
        let pending = self.pending(id).copied();
        if entries.get(id).is_none() {
            return if self.acknowledge(id) { Claimed::Gone } else { Claimed::No };
        }
        let Some(mut pending) = pending.or(claim.force.then(|| Pending::fresh(now))) else {
            return Claimed::No;
        };
        if !pending.is_fresh() && idle_ms(&pending, now) < claim.min_idle_ms {
            return Claimed::No;
        }
        let counted = pending.deliveries.wrapping_add(u64::from(!claim.just_id));
        (pending.delivered, pending.deliveries) = (claim.delivered, claim.deliveries.unwrap_or(counted));
        self.own(id, consumer, pending);
        self.consumer_mut(consumer).active = now;
        Claimed::Yes
    }

    /// Claims entries in the order of their ids, each of which is given to `visit` as it then is pending.
    pub fn auto_claim(
        &mut self,
        entries: &Entries,
        consumer: ConsumerId,
        options: &AutoClaim,
        now: UnixMs,
        mut visit: impl FnMut(&Entry<'_>, &Pending),
    ) -> AutoClaimed {
        let mut gone = Vec::new();
        let mut count = options.count;
        let mut attempts = count.saturating_mul(ATTEMPTS_PER_COUNT);
        let mut ahead = Ahead { read: Vec::new().into_iter(), from: Some(options.start) };
        let mut next = ahead.next(self, attempts);
        while let Some((id, mut pending)) = next
            && count > 0
            && attempts > 0
        {
            attempts -= 1;
            if let Some(entry) = entries.get(id) {
                if idle_ms(&pending, now) >= options.min_idle_ms {
                    pending.delivered = now;
                    pending.deliveries = pending.deliveries.wrapping_add(u64::from(!options.just_id));
                    self.own(id, consumer, pending);
                    self.consumer_mut(consumer).active = now;
                    visit(&entry, &pending);
                    count -= 1;
                }
            } else {
                self.acknowledge(id);
                gone.push(id);
                count -= 1;
            }
            next = ahead.next(self, attempts);
        }
        AutoClaimed { next: next.map_or(StreamId::MIN, |(id, _)| id), gone }
    }
}

/// Pending entries that are claimed, one after the other. Some are read ahead; claiming one changes no later one.
struct Ahead {
    read: std::vec::IntoIter<(StreamId, Pending)>,
    /// Where to read on, unless the end was met.
    from: Option<StreamId>,
}

impl Ahead {
    /// The next one; `wanted` and one more may follow.
    fn next(&mut self, group: &Group, wanted: usize) -> Option<(StreamId, Pending)> {
        if let Some(next) = self.read.next() {
            return Some(next);
        }
        let room = wanted.clamp(1, AHEAD_MAX);
        let pending = group.pending_from(self.from.take()?).take(room);
        let read: Vec<_> = pending.map(|(id, pending)| (id, *pending)).collect();
        if read.len() == room {
            self.from = read.last().and_then(|(id, _)| id.next());
        }
        self.read = read.into_iter();
        self.read.next()
    }
}

fn idle_ms(pending: &Pending, now: UnixMs) -> u64 {
    now.0.saturating_sub(pending.delivered.0)
}
