//! Rates and peaks: what INFO calls "instantaneous", from samples that the cron thread takes ten times a second.

use std::sync::Mutex;

/// Samples kept: 1.6 seconds' worth.
const SAMPLES: usize = 16;

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
    commands: Track,
    net_in: Track,
    net_out: Track,
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
    /// The largest memory seen, in bytes.
    pub peak_memory: u64,
}

impl Rates {
    /// Takes a sample of the running totals at `now_ms`.
    pub fn sample(&self, now_ms: u64, commands: u64, net_in: u64, net_out: u64, memory: u64) {
        let mut samples = self.0.lock().expect("no panic happens under this leaf lock");
        let elapsed_ms = now_ms.saturating_sub(samples.last_ms).max(1);
        let index = samples.index;
        samples.commands.sample(index, commands, elapsed_ms);
        samples.net_in.sample(index, net_in, elapsed_ms);
        samples.net_out.sample(index, net_out, elapsed_ms);
        samples.index = (index + 1) % SAMPLES;
        samples.last_ms = now_ms;
        samples.peak_memory = samples.peak_memory.max(memory);
    }

    /// The averages.
    pub fn read(&self) -> Reading {
        let samples = self.0.lock().expect("no panic happens under this leaf lock");
        Reading {
            commands: samples.commands.average(),
            net_in: samples.net_in.average(),
            net_out: samples.net_out.average(),
            peak_memory: samples.peak_memory,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_rate_is_reported_as_it_is() {
        let rates = Rates::default();
        for tick in 1..=17 {
            rates.sample(tick * 100, tick * 50, 0, 0, 10);
        }
        assert_eq!(rates.read().commands, 500);
        assert_eq!(rates.read().peak_memory, 10);
    }
}
