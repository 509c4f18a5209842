//! How fast compaction reads: a token bucket that the threads of a pool share.
//!
//! * Whoever takes from an overdrawn bucket waits; whoever finds it even takes all that is asked for, and so overdraws it.
//!   So a request of any size is granted, and the mean is the rate.
//! * A change of the rate and a close end every wait at once.
//!
//! The bucket is told the time; only the limiter, which sleeps, reads the clock. Its lock is a leaf.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::error::Error;

/// What a bucket saves up at most while nobody takes: so many seconds' worth.
const BURST_SECONDS: f64 = 0.05;
/// No wait is longer, whatever the rate.
const WAIT_MAX: Duration = Duration::from_secs(1);

/// A shared bound on bytes a second.
pub struct Limiter {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    bucket: Bucket,
    closed: bool,
}

impl Limiter {
    /// A limiter of `bytes_per_second`, which may be infinite.
    pub fn new(bytes_per_second: f64) -> Self {
        let bucket = Bucket::new(bytes_per_second, Instant::now());
        Self { state: Mutex::new(State { bucket, closed: false }), changed: Condvar::new() }
    }

    /// Takes `bytes`, after a wait if need be. Fails with `Closed` once the limiter is closed.
    pub fn take(&self, bytes: u64) -> Result<(), Error> {
        let mut state = self.lock();
        loop {
            if state.closed {
                return Err(Error::Closed);
            }
            let Err(wait) = state.bucket.take(bytes, Instant::now()) else { return Ok(()) };
            let waited = self.changed.wait_timeout(state, wait.min(WAIT_MAX));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Changes the rate, also of those who wait.
    pub fn set_rate(&self, bytes_per_second: f64) {
        self.lock().bucket.set_rate(bytes_per_second, Instant::now());
        self.changed.notify_all();
    }

    /// Ends every wait, now and later.
    pub fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Bucket {
    bytes_per_second: f64,
    /// Negative while overdrawn.
    available: f64,
    refilled: Instant,
}

impl Bucket {
    fn new(bytes_per_second: f64, now: Instant) -> Self {
        Self { bytes_per_second, available: 0.0, refilled: now }
    }

    /// Takes `bytes`, or says how long to wait before it is worth asking again.
    fn take(&mut self, bytes: u64, now: Instant) -> Result<(), Duration> {
        self.refill(now);
        if self.available >= 0.0 {
            self.available -= bytes as f64;
            return Ok(());
        }
        Err(Duration::try_from_secs_f64(-self.available / self.bytes_per_second).unwrap_or(Duration::MAX))
    }

    fn set_rate(&mut self, bytes_per_second: f64, now: Instant) {
        self.refill(now);
        self.bytes_per_second = bytes_per_second;
    }

    fn refill(&mut self, now: Instant) {
        let seconds = now.saturating_duration_since(self.refilled).as_secs_f64();
        self.refilled = now.max(self.refilled);
        if self.bytes_per_second == f64::INFINITY {
            self.available = 0.0;
            return;
        }
        let most = self.bytes_per_second * BURST_SECONDS;
        self.available = (self.available + seconds * self.bytes_per_second).min(most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes pieces for `seconds`, waiting as told: the sum.
    fn take_for(bucket: &mut Bucket, now: &mut Instant, seconds: f64, piece: u64) -> f64 {
        let end = *now + Duration::from_secs_f64(seconds);
        let mut sum = 0.0;
        while *now < end {
            match bucket.take(piece, *now) {
                Ok(()) => sum += piece as f64,
                Err(wait) => *now += wait.max(Duration::from_micros(1)),
            }
        }
        sum
    }

    #[test]
    fn the_mean_is_the_rate_whatever_the_pieces() {
        for piece in [100, 7_000, 900_000] {
            let mut now = Instant::now();
            let mut bucket = Bucket::new(1e6, now);
            let sum = take_for(&mut bucket, &mut now, 10.0, piece);
            assert!((sum - 1e7).abs() < 1.1e6, "{sum} bytes in ten seconds, {piece} at a time");
        }
    }

    #[test]
    fn idle_time_is_not_saved_up() {
        let mut now = Instant::now();
        let mut bucket = Bucket::new(1e6, now);
        now += Duration::from_secs(3600);
        let sum = take_for(&mut bucket, &mut now, 1.0, 1000);
        assert!(sum < 1.2e6, "{sum} bytes in the second after an hour");
    }

    #[test]
    fn an_infinite_rate_never_waits_and_forgives_what_was_overdrawn() {
        let now = Instant::now();
        let mut bucket = Bucket::new(10.0, now);
        assert!(bucket.take(1_000_000, now).is_ok());
        assert!(bucket.take(1, now).unwrap_err() > Duration::from_secs(1000));
        bucket.set_rate(f64::INFINITY, now);
        assert!((0..100).all(|_| bucket.take(u64::MAX, now).is_ok()));
        bucket.set_rate(10.0, now);
        assert!(bucket.take(1_000_000, now).is_ok());
        assert!(bucket.take(1, now).is_err(), "the rate does not hold again");
    }

    #[test]
    fn a_close_ends_a_wait() {
        let limiter = Limiter::new(1.0);
        limiter.take(1 << 40).unwrap();
        let begun = Instant::now();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| limiter.take(1));
            limiter.close();
            assert!(matches!(waiting.join().unwrap(), Err(Error::Closed)));
        });
        assert!(matches!(limiter.take(0), Err(Error::Closed)));
        assert!(begun.elapsed() < Duration::from_secs(60));
    }

    #[test]
    fn a_higher_rate_ends_a_wait() {
        let limiter = Limiter::new(1e-9);
        limiter.take(1 << 40).unwrap();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| limiter.take(1));
            limiter.set_rate(f64::INFINITY);
            assert!(waiting.join().unwrap().is_ok());
        });
    }
}
