//! Runs the cases: starts both sides, loads them, and takes alternating measurements.
//!
//! * The two sides are measured in turn (A B A B …), so a machine that slows down slows both. The ratio reported is
//!   the median of the pairs' ratios, and the spread is half the distance between the lowest and the highest.
//! * Each side runs alone: the other one is idle, with its data loaded.
//! * Redis's rewrite of its append-only file is off while processor time is measured (its fork would land in a
//!   random run) and on, as by default, while insertion latency is measured.

use crate::cases::{CONNECTIONS, Case, Measure, Sides};
use crate::load::{Limit, Order, Outcome, Plan, run};
use crate::options::Options;
use crate::process::{Launch, Process};
use crate::workload::{FLOOR_REPLY, KEY_BYTES, Operation, VALUE_BYTES};
use std::time::Duration;

/// What one side showed in one run.
#[derive(Clone, Default)]
pub struct Sample {
    /// The load generator's side.
    pub outcome: Outcome,
    /// Nanoseconds of processor time of all threads of the server.
    pub cpu_ns: u64,
    /// Resident bytes that the load added.
    pub rss_added: u64,
}

impl Sample {
    /// Microseconds of processor time per request.
    pub fn cpu_us_per_request(&self) -> f64 {
        self.cpu_ns as f64 / 1000.0 / self.outcome.requests.max(1) as f64
    }

    /// Requests per second.
    pub fn rate(&self) -> f64 {
        self.outcome.requests as f64 / self.outcome.elapsed.as_secs_f64()
    }

    /// Resident bytes per key, over the key's and the value's own.
    pub fn overhead(&self) -> f64 {
        self.rss_added as f64 / self.outcome.requests.max(1) as f64 - (KEY_BYTES + VALUE_BYTES) as f64
    }
}

/// A case's runs: `(subject, baseline)` pairs in the order taken.
pub struct Finding {
    /// The case.
    pub case: Case,
    /// The names of the two sides.
    pub names: [&'static str; 2],
    /// The pairs.
    pub pairs: Vec<[Sample; 2]>,
}

impl Finding {
    /// The figure that the ratio compares, for one sample; lower is better.
    pub fn figure(&self, sample: &Sample) -> f64 {
        match self.case.measure {
            Measure::Cpu => sample.cpu_us_per_request(),
            Measure::Memory => sample.overhead(),
            Measure::Insert => sample.outcome.latency.max() as f64,
        }
    }

    /// The median of the pairs' ratios and half their spread.
    pub fn ratio(&self) -> (f64, f64) {
        let ratio = |pair: &[Sample; 2]| self.figure(&pair[0]) / self.figure(&pair[1]);
        let ratios: Vec<f64> = self.pairs.iter().map(ratio).collect();
        let spread =
            ratios.iter().copied().fold(f64::MIN, f64::max) - ratios.iter().copied().fold(f64::MAX, f64::min);
        (median(ratios), spread / 2.0)
    }

    /// The median of something over one side's runs.
    pub fn median_of(&self, side: usize, what: impl Fn(&Sample) -> f64) -> f64 {
        median(self.pairs.iter().map(|pair| what(&pair[side])).collect())
    }

    /// All latencies of one side.
    pub fn latency(&self, side: usize) -> crate::histogram::Histogram {
        let mut all = crate::histogram::Histogram::default();
        self.pairs.iter().for_each(|pair| all.merge(&pair[side].outcome.latency));
        all
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 }
}

/// Two running servers with the same data; kept while the next case wants the same.
struct Pair {
    sides: Sides,
    keys: u32,
    processes: [Process; 2],
    counters_loaded: bool,
}

/// Runs cases one after the other.
pub struct Bench<'a> {
    options: &'a Options,
    pair: Option<Pair>,
}

impl<'a> Bench<'a> {
    /// A bench that has started nothing yet.
    pub fn new(options: &'a Options) -> Self {
        Self { options, pair: None }
    }

    /// Measures one case.
    pub fn measure(&mut self, case: &Case) -> Result<Finding, String> {
        let mut case = *case;
        if self.options.quick {
            case.keys = case.keys.min(100_000);
        }
        let pairs = match case.measure {
            Measure::Cpu => self.processor_time(&case)?,
            Measure::Memory => self.insertions(&case, 1, Duration::from_millis(500))?,
            Measure::Insert => {
                self.insertions(&case, if self.options.quick { 1 } else { 3 }, Duration::ZERO)?
            }
        };
        Ok(Finding { case, names: names(case.sides), pairs })
    }

    fn processor_time(&mut self, case: &Case) -> Result<Vec<[Sample; 2]>, String> {
        let (rounds, time) = if self.options.quick { (3, 300) } else { (5, 2000) };
        self.prepare(case)?;
        let pair = self.pair.as_mut().ok_or("the servers were not started")?;
        let plan = |side: usize, round: u64, time: u64| Plan {
            // A real server beside the floor gets real requests.
            operation: if case.sides == Sides::FloorRedis && side == 1 {
                Operation::Get
            } else {
                case.operation
            },
            pipeline: case.pipeline,
            connections: CONNECTIONS,
            keys: case.keys,
            order: Order::Random(round * 7919 + 1),
            limit: Limit::Time(Duration::from_millis(time)),
        };
        // The first run warms caches, branch predictors and the scheduler up, and is not counted.
        for (side, process) in pair.processes.iter().enumerate() {
            run(process.addr(), plan(side, 0, time / 4))?;
        }
        let counted_before = counter_sums(pair, case)?;
        let mut pairs = Vec::new();
        for round in 1..=rounds {
            let subject = sample(&pair.processes[0], plan(0, round, time))?;
            let baseline = sample(&pair.processes[1], plan(1, round, time))?;
            pairs.push([subject, baseline]);
        }
        let counted_after = counter_sums(pair, case)?;
        for side in 0..2 {
            let sent: u64 = pairs.iter().map(|pair| pair[side].outcome.requests).sum();
            if case.operation == Operation::Incr && counted_after[side] - counted_before[side] != sent {
                let counted = counted_after[side] - counted_before[side];
                return Err(format!("side {side} acknowledged {sent} increments and counted {counted}"));
            }
        }
        Ok(pairs)
    }

    /// Fresh servers, empty, filled with new keys.
    fn insertions(
        &mut self,
        case: &Case,
        rounds: usize,
        settle: Duration,
    ) -> Result<Vec<[Sample; 2]>, String> {
        self.pair = None;
        let rewrite = case.measure == Measure::Insert;
        let plan = insert_plan(Operation::Set, case.keys);
        let mut pairs = Vec::new();
        for _ in 0..rounds {
            let mut samples = Vec::new();
            for launch in self.launches(case.sides, rewrite) {
                let process = launch.start()?;
                let empty = process.rss().map_err(|error| error.to_string())?;
                let mut sample = sample(&process, plan)?;
                std::thread::sleep(settle);
                let full = process.rss().map_err(|error| error.to_string())?;
                sample.rss_added = full.saturating_sub(empty);
                samples.push(sample);
            }
            pairs.push(samples.try_into().map_err(|_| "a case has two sides")?);
        }
        Ok(pairs)
    }

    fn prepare(&mut self, case: &Case) -> Result<(), String> {
        let fits = |pair: &Pair| pair.sides == case.sides && pair.keys == case.keys;
        if !self.pair.as_ref().is_some_and(fits) {
            self.pair = None;
            let [subject, baseline] = self.launches(case.sides, false);
            let processes = [subject.start()?, baseline.start()?];
            let without_data = usize::from(case.sides == Sides::FloorRedis);
            for process in &processes[without_data..] {
                run(process.addr(), insert_plan(Operation::Set, case.keys))?;
            }
            self.pair = Some(Pair { sides: case.sides, keys: case.keys, processes, counters_loaded: false });
        }
        let pair = self.pair.as_mut().ok_or("the servers were not started")?;
        if case.operation == Operation::Incr && !pair.counters_loaded {
            for process in &pair.processes {
                run(process.addr(), insert_plan(Operation::ResetCounter, case.keys))?;
            }
            pair.counters_loaded = true;
        }
        Ok(())
    }

    fn launches(&self, sides: Sides, rewrite: bool) -> [Launch; 2] {
        let forgekv = |workers: u32, cpus: &str| server(&self.options.forgekv, workers, cpus, rewrite);
        let redis = || server(&self.options.redis, 1, "0", rewrite);
        match sides {
            Sides::ForgekvRedis => [forgekv(1, "0"), redis()],
            Sides::TwoWorkersOne => [forgekv(2, "0,1"), forgekv(1, "0,1")],
            Sides::FloorRedis => [floor(), redis()],
        }
    }
}

fn names(sides: Sides) -> [&'static str; 2] {
    match sides {
        Sides::ForgekvRedis => ["forgekv", "redis"],
        Sides::TwoWorkersOne => ["2 workers", "1 worker"],
        Sides::FloorRedis => ["floor", "redis"],
    }
}

fn server(program: &std::path::Path, workers: u32, cpus: &str, rewrite: bool) -> Launch {
    let is_redis = program.file_name().is_some_and(|name| name.to_string_lossy().starts_with("redis"));
    let mut args: Vec<String> = Vec::new();
    if is_redis {
        args.extend(["--save", "", "--appendonly", "yes", "--appendfsync", "everysec"].map(String::from));
        if !rewrite {
            args.extend(["--auto-aof-rewrite-percentage", "0"].map(String::from));
        }
    } else {
        args.extend(["--workers".to_owned(), workers.to_string()]);
    }
    Launch { program: program.to_path_buf(), mode: None, args, cpus: cpus.to_owned() }
}

fn floor() -> Launch {
    let size = Operation::FloorGet.template().bytes.len();
    Launch {
        program: std::env::current_exe().unwrap_or_else(|_| "forgekv-bench".into()),
        mode: Some("floor"),
        args: vec!["--request-bytes".to_owned(), size.to_string()],
        cpus: "0".to_owned(),
    }
}

/// Serves the floor: `floor --port P --request-bytes N`.
pub fn serve_floor(args: &[String]) -> Result<(), String> {
    match args {
        [port_flag, port, size_flag, size] if port_flag == "--port" && size_flag == "--request-bytes" => {
            let port = port.parse().map_err(|_| "the port is not a number")?;
            let size =
                size.parse().ok().filter(|&size| size > 0).ok_or("the size is not a number above zero")?;
            crate::floor::serve(port, size, &FLOOR_REPLY).map_err(|error| error.to_string())
        }
        _ => Err("usage: forgekv-bench floor --port P --request-bytes N".to_owned()),
    }
}

fn insert_plan(operation: Operation, keys: u32) -> Plan {
    Plan {
        operation,
        pipeline: 16,
        connections: CONNECTIONS,
        keys,
        order: Order::Sequential,
        limit: Limit::Keys(u64::from(keys)),
    }
}

fn sample(process: &Process, plan: Plan) -> Result<Sample, String> {
    let fail = |error: std::io::Error| format!("cannot read /proc: {error}");
    let before = process.cpu().map_err(fail)?;
    let outcome = run(process.addr(), plan)?;
    let after = process.cpu().map_err(fail)?;
    Ok(Sample { outcome, cpu_ns: after.since(&before), rss_added: 0 })
}

/// The sum of all counters of each side, for the case that increments them.
fn counter_sums(pair: &Pair, case: &Case) -> Result<[u64; 2], String> {
    let mut sums = [0, 0];
    if case.operation == Operation::Incr {
        for (sum, process) in sums.iter_mut().zip(&pair.processes) {
            *sum = run(process.addr(), insert_plan(Operation::ReadCounter, case.keys))?.sum;
        }
    }
    Ok(sums)
}
