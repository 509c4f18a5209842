//! How long commands take: one histogram per command and thread.
//!
//! * A bucket is an eighth of a power of two, so a percentile is at most 12.5 % above the truth. A histogram has 2 KiB and
//!   is made when its thread first executes the command.
//! * Times are averages over a turn (see [`CommandCounters::nanos`](super::CommandCounters)): a turn adds once per run of
//!   equal commands, never reads a clock for it, and so costs a pipelined command next to nothing.

use super::Counter;

/// Bits of the time, after its highest, that choose the bucket.
const SUB_BITS: u32 = 3;
/// Buckets per power of two.
const SUB: usize = 1 << SUB_BITS;
/// Times of 2^35 ns (34 seconds) and more share the last bucket.
const EXPONENT_MAX: u32 = 34;
/// Buckets.
const BUCKETS: usize = (EXPONENT_MAX - SUB_BITS + 2) as usize * SUB;

/// The bucket of a time. Times below 8 ns have one each.
pub fn bucket_of(nanos: u64) -> usize {
    if nanos < SUB as u64 {
        return nanos as usize;
    }
    let exponent = nanos.ilog2();
    if exponent > EXPONENT_MAX {
        return BUCKETS - 1;
    }
    let sub = (nanos >> (exponent - SUB_BITS)) as usize & (SUB - 1);
    (exponent - SUB_BITS + 1) as usize * SUB + sub
}

/// The longest time of a bucket, in nanoseconds.
pub fn bucket_nanos_max(bucket: usize) -> u64 {
    if bucket < SUB {
        return bucket as u64;
    }
    let shift = (bucket / SUB - 1) as u32;
    (((SUB + bucket % SUB) as u64 + 1) << shift) - 1
}

/// One thread's times of one command.
pub struct Histogram([Counter; BUCKETS]);

impl Histogram {
    /// An empty one.
    pub fn new() -> Self {
        Histogram([const { Counter::new() }; BUCKETS])
    }

    /// Counts `times` executions of the time that `bucket` stands for; only the owning thread may.
    pub fn add(&self, bucket: usize, times: u64) {
        self.0[bucket].add(times);
    }
}

impl Default for Histogram {
    fn default() -> Self {
        Self::new()
    }
}

/// Times of one command, summed over threads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Distribution([u64; BUCKETS]);

impl Default for Distribution {
    fn default() -> Self {
        Distribution([0; BUCKETS])
    }
}

impl Distribution {
    /// Adds a thread's times.
    pub fn add(&mut self, histogram: &Histogram) {
        self.0.iter_mut().zip(&histogram.0).for_each(|(sum, counter)| *sum += counter.get());
    }

    /// Takes away what was there before.
    pub fn subtract(&mut self, baseline: &Distribution) {
        self.0.iter_mut().zip(baseline.0).for_each(|(sum, base)| *sum = sum.saturating_sub(base));
    }

    /// Executions counted.
    pub fn count(&self) -> u64 {
        self.0.iter().sum()
    }

    /// The time, in nanoseconds, that `percent` of the executions (0 to 100) did not exceed; 0 when there are none.
    pub fn percentile_nanos(&self, percent: f64) -> u64 {
        let rank = ((percent / 100.0 * self.count() as f64).ceil() as u64).max(1);
        let mut seen = 0;
        let bucket = self.0.iter().position(|&count| {
            seen += count;
            seen >= rank
        });
        bucket.map_or(0, bucket_nanos_max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_is_within_an_eighth_below_its_buckets_longest() {
        let mut previous = 0;
        for shift in 0..35 {
            for nanos in [1u64 << shift, (1 << shift) + 1, (1 << shift) * 3 / 2, (2 << shift) - 1] {
                let longest = bucket_nanos_max(bucket_of(nanos));
                assert!(nanos <= longest && longest <= nanos + nanos / 8, "{nanos}: {longest}");
            }
            assert!(bucket_of(1 << shift) > previous || shift == 0);
            previous = bucket_of(1 << shift);
        }
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn percentiles_are_of_all_threads_and_since_the_baseline() {
        let (a, b) = (Histogram::new(), Histogram::new());
        a.add(bucket_of(1_000), 10);
        let mut baseline = Distribution::default();
        baseline.add(&a);
        a.add(bucket_of(1_000), 90);
        b.add(bucket_of(1_000_000), 10);
        let mut all = Distribution::default();
        assert_eq!(all.percentile_nanos(50.0), 0);
        all.add(&a);
        all.add(&b);
        all.subtract(&baseline);
        assert_eq!(all.count(), 100);
        assert_eq!(all.percentile_nanos(0.0), 1023);
        assert_eq!(all.percentile_nanos(90.0), 1023);
        assert!((1_000_000..1_125_000).contains(&all.percentile_nanos(90.1)));
        assert!((1_000_000..1_125_000).contains(&all.percentile_nanos(100.0)));
    }
}
