//! Rates and peaks: what INFO calls "instantaneous", from samples that the cron thread takes ten times a second.

use std::sync::Mutex;

use super::{Stat, Sums};

/// Samples kept: 1.6 seconds' worth.
const SAMPLES: usize = 16;
/// What is sampled, in the order of [`Reading`]'s fields.
const TRACKS: usize = 5;

#[derive(Clone, Copy, Debug, Default)]
struct Track {
    last_value: u64,
    per_second: [u64; SAMPLES],
}

impl Track {
    fn sample(&mut self, index: usize, value: u64, elapsed_ms: u64) {
        self.per_second[index] = value.saturating_sub(self.last_value) * 1000 / elapsed_ms;
        self.last_value = value;
    }

    fn average(&self) -> u64 {
        self.per_second.iter().sum::<u64>() / SAMPLES as u64
    }
}

#[derive(Default)]
struct Samples {
    last_ms: u64,
    index: usize,
    tracks: [Track; TRACKS],
    peak_memory: u64,
}

/// The rates of the last 1.6 seconds.
#[derive(Default)]
pub struct Rates(Mutex<Samples>);

/// One reading of the rates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Commands a second.
    pub commands: u64,
    /// Bytes received a second.
    pub net_in: u64,
    /// Bytes sent a second.
    pub net_out: u64,
    /// Rounds of all workers' loops a second.
    pub loop_cycles: u64,
    /// Nanoseconds a second that workers spent on commands.
    pub busy_nanos: u64,
}

impl Rates {
    /// Takes a sample of the running totals at `now_ms`.
    pub fn sample(&self, now_ms: u64, totals: &Sums) {
        let scalars = [Stat::CommandsProcessed, Stat::NetInput, Stat::NetOutput, Stat::LoopCycles];
        let [commands, net_in, net_out, loop_cycles] = scalars.map(|stat| totals.get(stat));
        let values = [commands, net_in, net_out, loop_cycles, totals.busy_nanos()];
        let mut samples = self.0.lock().expect("no panic happens under this leaf lock");
        let elapsed_ms = now_ms.saturating_sub(samples.last_ms).max(1);
        let index = samples.index;
        for (track, value) in samples.tracks.iter_mut().zip(values) {
            track.sample(index, value, elapsed_ms);
        }
        samples.index = (index + 1) % SAMPLES;
        samples.last_ms = now_ms;
    }

    /// Notes how much memory is in use, in bytes; returns the most that ever was.
    pub fn sample_memory(&self, used: u64) -> u64 {
        let mut samples = self.0.lock().expect("no panic happens under this leaf lock");
        samples.peak_memory = samples.peak_memory.max(used);
        samples.peak_memory
    }

    /// The averages.
    pub fn read(&self) -> Reading {
        let samples = self.0.lock().expect("no panic happens under this leaf lock");
        let [commands, net_in, net_out, loop_cycles, busy_nanos] =
            samples.tracks.map(|track| track.average());
        Reading { commands, net_in, net_out, loop_cycles, busy_nanos }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Stats;
    use super::*;

    #[test]
    fn a_steady_rate_is_reported_as_it_is() {
        let (rates, stats) = (Rates::default(), Stats::new(1));
        let thread = stats.register();
        for tick in 1..=17 {
            thread.add_turn(&[0; 50], 5_000, false);
            thread.add(Stat::NetInput, 7);
            rates.sample(tick * 100, &stats.totals());
        }
        let expected = Reading { commands: 500, net_in: 70, busy_nanos: 50_000, ..Reading::default() };
        assert_eq!(rates.read(), expected);
    }

    #[test]
    fn the_peak_of_memory_stays() {
        let rates = Rates::default();
        assert_eq!(rates.sample_memory(10), 10);
        assert_eq!(rates.sample_memory(7), 10);
    }
}
