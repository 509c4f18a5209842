//! The clocks. Nothing else reads them: elsewhere time is an argument.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct UnixMs(pub u64);

/// The wall clock in milliseconds.
#[inline]
pub fn now() -> UnixMs {
    UnixMs(now_micros() / 1000)
}

/// The wall clock in microseconds.
#[expect(clippy::disallowed_methods, reason = "this is the file that reads the clock")]
pub fn now_micros() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64)
}

/// A reading of the monotonic clock.
#[derive(Clone, Copy, Debug)]
pub struct Monotonic(Instant);

impl Monotonic {
    /// Now.
    #[inline]
    pub fn now() -> Self {
        Monotonic(Instant::now())
    }

    /// Nanoseconds from an earlier reading to this one.
    #[inline]
    pub fn nanos_since(self, earlier: Monotonic) -> u64 {
        self.0.saturating_duration_since(earlier.0).as_nanos() as u64
    }

    /// Time since.
    pub fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}
