//! The shard locks: who may touch which of the 64 shards.
//!
//! * A `ShardLock` guards one [`Shard`]. Order: shards ascending (L2); [`ShardLocks::try_lock`] is the only way to take
//!   several and it goes upwards. After them come the log-buffer locks, then leaf locks.
//! * A worker never sleeps on a shard: it spins briefly, then leaves a [`Waiter`] on the lock's deferred queue, puts the
//!   *connection* aside and goes on with others (L3). Whoever unlocks wakes all waiters of that lock.
//! * No wake-up is lost: a waiter is queued before the lock word says "held, with waiters", that word changes only from
//!   "held", and the unlocking swap reads it. If the lock was freed meanwhile, the waiter is told to try again at once.
//! * Background threads ([`ShardLocks::lock_one`]) spin, then sleep; they hold a lock for a slice at a time, and leave it
//!   alone for a moment when somebody waited for it ([`Locked::give_way`]). Without that a thread that locks a shard again and
//!   again keeps everybody else out of it: who was put aside needs longer to come back than it does.
//!
//! This is a lock of our own, and one of the few files with `unsafe`, because no ready one lets the *unlocker* run the
//! deferred queue without a second atomic operation and a full fence per command on the uncontended path.

use std::cell::UnsafeCell;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::shard::Shard;
use super::{SHARD_COUNT, ShardId};

const FREE: u32 = 0;
const HELD: u32 = 1;
const HELD_WITH_WAITERS: u32 = 2;

/// Spins before a connection is put aside: a few microseconds, longer than any single-key command holds a shard.
const SPINS: u32 = 400;

/// How long background work leaves a shard alone that somebody waited for: a worker wakes up and runs a few commands.
const WAY: Duration = Duration::from_micros(50);

/// A set of shards, one bit each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct ShardSet(pub u64);

impl ShardSet {
    /// No shard.
    pub const EMPTY: ShardSet = ShardSet(0);
    /// Every shard.
    pub const ALL: ShardSet = ShardSet(u64::MAX);

    /// The set of one shard.
    #[inline]
    pub const fn one(id: ShardId) -> Self {
        ShardSet(1 << id.0)
    }

    /// This set with one more.
    #[inline]
    #[must_use]
    pub const fn with(self, id: ShardId) -> Self {
        ShardSet(self.0 | 1 << id.0)
    }

    /// Both sets together.
    #[inline]
    #[must_use]
    pub const fn union(self, other: ShardSet) -> Self {
        ShardSet(self.0 | other.0)
    }

    /// Are all of its shards in the other set?
    #[inline]
    pub const fn is_subset_of(self, other: ShardSet) -> bool {
        self.0 & !other.0 == 0
    }

    /// Is the shard in it?
    #[inline]
    pub const fn contains(self, id: ShardId) -> bool {
        self.0 >> id.0 & 1 == 1
    }

    /// The lowest shard.
    #[inline]
    pub const fn first(self) -> Option<ShardId> {
        if self.0 == 0 { None } else { Some(ShardId(self.0.trailing_zeros() as u8)) }
    }

    /// Ascending.
    pub fn iter(self) -> impl Iterator<Item = ShardId> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let id = ShardSet(rest).first()?;
            rest &= rest - 1;
            Some(id)
        })
    }
}

/// Who to wake when a shard is free again: a connection of a worker, as the network layer numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiter {
    /// The worker.
    pub worker: u32,
    /// Its connection.
    pub connection: u64,
}

/// Wakes a waiter. Called with no lock held.
pub type Wake = Box<dyn Fn(Waiter) + Send + Sync>;

/// One shard behind its lock, on cache lines of its own.
#[repr(align(128))]
struct ShardLock {
    /// [`FREE`], [`HELD`] or [`HELD_WITH_WAITERS`].
    word: AtomicU32,
    data: UnsafeCell<Shard>,
    /// Connections waiting for this shard. A leaf lock.
    deferred: Mutex<Vec<Waiter>>,
}

/// All shards with their locks.
pub struct ShardLocks {
    locks: Box<[ShardLock]>,
    wake: Wake,
}

// SAFETY:
// 1. A `Shard` is reached only through `Locked::shard`/`shard_mut`, which hold the shard's word in a held state.
// 2. Only the thread that moved the word from FREE to HELD (Acquire) holds it until its `Locked` is dropped (Release),
//    so accesses of two threads are ordered by the word.
// 3. `Shard` owns its data and is `Send`, so handing it from thread to thread is sound.
#[expect(unsafe_code, reason = "the lock that guards the shards")]
unsafe impl Sync for ShardLocks where Shard: Send {}

impl ShardLocks {
    /// Builds the 64 locks around fresh shards.
    pub fn new(make: impl Fn(ShardId) -> Shard, wake: Wake) -> Self {
        let locks = (0..SHARD_COUNT as u8)
            .map(|id| ShardLock {
                word: AtomicU32::new(FREE),
                data: UnsafeCell::new(make(ShardId(id))),
                deferred: Mutex::new(Vec::new()),
            })
            .collect();
        ShardLocks { locks, wake }
    }

    fn word(&self, id: ShardId) -> &AtomicU32 {
        &self.locks[usize::from(id.0)].word
    }

    #[inline]
    fn try_acquire(&self, id: ShardId) -> bool {
        self.word(id).compare_exchange(FREE, HELD, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    fn spin_acquire(&self, id: ShardId) -> bool {
        for _ in 0..SPINS {
            if self.word(id).load(Ordering::Relaxed) == FREE && self.try_acquire(id) {
                return true;
            }
            std::hint::spin_loop();
        }
        false
    }

    /// Locks every shard of the set, ascending. When one stays busy, nothing stays locked and its id is returned:
    /// [`ShardLocks::defer`] on it, or try again.
    #[inline]
    pub fn try_lock(&self, set: ShardSet) -> Result<Locked<'_>, ShardId> {
        let mut locked = Locked { locks: self, set: ShardSet::EMPTY };
        let mut rest = set.0;
        while let Some(id) = ShardSet(rest).first() {
            if !self.try_acquire(id) && !self.spin_acquire(id) {
                return Err(id);
            }
            locked.set = locked.set.with(id);
            rest &= rest - 1;
        }
        Ok(locked)
    }

    /// Locks one shard only if it is free right now.
    #[inline]
    pub fn try_lock_now(&self, id: ShardId) -> Option<Locked<'_>> {
        self.try_acquire(id).then(|| Locked { locks: self, set: ShardSet::one(id) })
    }

    /// Wakes a connection that waits for something else than a shard.
    pub fn wake(&self, waiter: Waiter) {
        (self.wake)(waiter);
    }

    /// Queues a waiter on a busy shard. False: the shard was freed meanwhile, nobody will wake the waiter, try again now.
    pub fn defer(&self, id: ShardId, waiter: Waiter) -> bool {
        let lock = &self.locks[usize::from(id.0)];
        let mut deferred = lock.deferred.lock().expect("no panic happens under this leaf lock");
        match lock.word.compare_exchange(HELD, HELD_WITH_WAITERS, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) | Err(HELD_WITH_WAITERS) => {
                // The unlocker takes the queue under the mutex that is held here, so it will see this waiter.
                deferred.push(waiter);
                true
            }
            Err(_) => false,
        }
    }

    /// Wakes all who wait for shards of a set that the caller holds, and goes on holding: there is something new for them to hear.
    pub fn wake_waiting(&self, set: ShardSet) {
        set.iter().for_each(|id| self.wake_deferred(id));
    }

    /// Locks one shard, waiting as long as it takes. For background threads and the walk of SCAN, never for a command.
    pub fn lock_one(&self, id: ShardId) -> Locked<'_> {
        self.lock_set(ShardSet::one(id))
    }

    /// Locks a set, waiting as long as it takes. For background threads and recovery.
    pub fn lock_set(&self, set: ShardSet) -> Locked<'_> {
        let mut pause = Duration::from_micros(20);
        loop {
            match self.try_lock(set) {
                Ok(locked) => return locked,
                Err(_) => {
                    std::thread::sleep(pause);
                    pause = (pause * 2).min(Duration::from_millis(1));
                }
            }
        }
    }

    /// Unlocks, and says whether somebody had waited.
    #[inline]
    fn release(&self, id: ShardId) -> bool {
        let is_awaited = self.word(id).swap(FREE, Ordering::Release) == HELD_WITH_WAITERS;
        if is_awaited {
            self.wake_deferred(id);
        }
        is_awaited
    }

    #[cold]
    fn wake_deferred(&self, id: ShardId) {
        let mut deferred =
            self.locks[usize::from(id.0)].deferred.lock().expect("no panic under this leaf lock");
        let waiters = std::mem::take(&mut *deferred);
        drop(deferred);
        for waiter in waiters {
            (self.wake)(waiter);
        }
    }
}

/// Locks on their way back to who lent them.
#[must_use = "the shards stay locked for ever if nobody takes them back"]
pub struct Lent(ShardSet);

/// Some locked shards; unlocks them when dropped.
pub struct Locked<'a> {
    locks: &'a ShardLocks,
    set: ShardSet,
}

impl Locked<'_> {
    /// Which shards are held.
    #[inline]
    pub fn set(&self) -> ShardSet {
        self.set
    }

    /// A held shard. Panics when it is not held: a command whose key specs miss a key.
    #[inline]
    #[expect(unsafe_code, reason = "the lock that guards the shards")]
    pub fn shard(&self, id: ShardId) -> &Shard {
        assert!(self.set.contains(id), "shard {} is used without its lock", id.0);
        // SAFETY: 1. the bit in `set` means that this value holds the shard's word; 2. `&self` allows only shared access.
        unsafe { &*self.locks.locks[usize::from(id.0)].data.get() }
    }

    /// A held shard, to change.
    #[inline]
    #[expect(unsafe_code, reason = "the lock that guards the shards")]
    pub fn shard_mut(&mut self, id: ShardId) -> &mut Shard {
        assert!(self.set.contains(id), "shard {} is used without its lock", id.0);
        // SAFETY: 1. the bit in `set` means that this value holds the shard's word; 2. `&mut self` makes the access unique.
        unsafe { &mut *self.locks.locks[usize::from(id.0)].data.get() }
    }
}

impl Locked<'_> {
    /// Hands all locks over: this value holds none until they are [taken back](Locked::take_back).
    pub fn lend(&mut self) -> Locked<'_> {
        Locked { locks: self.locks, set: std::mem::take(&mut self.set) }
    }

    /// Ends the life of a value without unlocking anything: whoever lent it takes the locks back.
    pub fn give_back(mut self) -> Lent {
        Lent(std::mem::take(&mut self.set))
    }

    /// Takes back what was lent.
    pub fn take_back(&mut self, lent: Lent) {
        debug_assert_eq!(
            self.set,
            ShardSet::EMPTY,
            "what was lent comes back before anything else is locked"
        );
        self.set = lent.0;
    }

    /// Unlocks all of them at the end of a slice of background work, which may go on with the same shard at once: whoever
    /// was woken by that is given the time to come before it.
    pub fn give_way(mut self) {
        let awaited = std::mem::take(&mut self.set).iter().filter(|&id| self.locks.release(id)).count();
        if awaited > 0 {
            std::thread::sleep(WAY);
        }
    }

    /// Unlocks all of them now; the set is empty afterwards.
    #[inline]
    pub fn release(&mut self) {
        for id in std::mem::take(&mut self.set).iter() {
            let _is_awaited = self.locks.release(id);
        }
    }
}

impl Drop for Locked<'_> {
    #[inline]
    fn drop(&mut self) {
        self.release();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicU64;

    use super::*;

    fn locks(woken: Arc<AtomicU64>) -> ShardLocks {
        ShardLocks::new(
            |id| Shard::new(id, 1),
            Box::new(move |_| {
                woken.fetch_add(1, Ordering::SeqCst);
            }),
        )
    }

    #[test]
    fn a_set_is_locked_whole_or_not_at_all() {
        let locks = locks(Arc::default());
        let held = locks.try_lock(ShardSet::one(ShardId(5))).map_err(|id| id.0).unwrap();
        let wanted = ShardSet::one(ShardId(3)).with(ShardId(5)).with(ShardId(9));
        assert_eq!(locks.try_lock(wanted).err(), Some(ShardId(5)));
        assert!(locks.try_lock_now(ShardId(3)).is_some(), "shard 3 must not stay locked after the failure");
        drop(held);
        let all = locks.try_lock(wanted).map_err(|id| id.0).unwrap();
        assert_eq!(all.set().iter().map(|id| id.0).collect::<Vec<_>>(), [3, 5, 9]);
    }

    #[test]
    #[should_panic(expected = "shard 2 is used without its lock")]
    fn a_shard_outside_the_set_cannot_be_reached() {
        let locks = locks(Arc::default());
        let locked = locks.lock_one(ShardId(1));
        locked.shard(ShardId(2));
    }

    #[test]
    fn every_deferred_waiter_is_woken_or_told_to_retry() {
        let woken = Arc::new(AtomicU64::new(0));
        let locks = locks(woken.clone());
        let queued = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for worker in 0..3u32 {
                let (locks, queued) = (&locks, &queued);
                scope.spawn(move || {
                    for connection in 0..20_000u64 {
                        match locks.try_lock_now(ShardId(7)) {
                            Some(locked) => drop(locked),
                            None => {
                                if locks.defer(ShardId(7), Waiter { worker, connection }) {
                                    queued.fetch_add(1, Ordering::SeqCst);
                                }
                            }
                        }
                    }
                });
            }
        });
        assert_eq!(woken.load(Ordering::SeqCst), queued.load(Ordering::SeqCst));
    }

    #[test]
    fn two_threads_never_hold_one_shard() {
        let locks = locks(Arc::default());
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    for _ in 0..20_000 {
                        let mut locked = locks.lock_set(ShardSet::one(ShardId(0)).with(ShardId(63)));
                        locked.shard_mut(ShardId(0)).last_lsn += 1;
                        locked.shard_mut(ShardId(63)).last_lsn += 1;
                    }
                });
            }
        });
        let locked = locks.lock_set(ShardSet::ALL);
        assert_eq!(locked.shard(ShardId(0)).last_lsn, 40_000);
        assert_eq!(locked.shard(ShardId(63)).last_lsn, 40_000);
    }
}
