//! Runs the cases: starts both sides, loads them, and takes alternating measurements.
//!
//! * The two sides are measured in turn (A B, B A …), so a machine that slows down slows both, and on several pairs of
//!   freshly started and loaded processes, started in alternating order: where the kernel happens to put a
//!   process's memory changes its cache misses by more than ten per cent for as long as it lives.
//!   The ratio reported is the median of all ratios, and the spread is half the distance between the extremes.
//! * Each side runs alone: the other one is idle, with its data loaded. What a load leaves to be done, such as a checkpoint or the
//!   sync of a file, is waited for.
//! * Redis's rewrite of its append-only file and ForgeKV's checkpoints are off while processor time is measured (they would land in
//!   a random run, and cost what the run before has written) and on, as by default, while insertion latency is measured.

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

/// The middle one, or the mean of both.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 }
}

/// Two running servers with the same data: the subject and the baseline.
struct Pair {
    processes: [Process; 2],
    counters_loaded: bool,
}

/// How often and how long processor time is measured.
#[derive(Clone, Copy)]
struct Effort {
    process_pairs: u64,
    rounds: u64,
    run: Duration,
}

/// Runs cases.
pub struct Bench<'a> {
    options: &'a Options,
}

impl<'a> Bench<'a> {
    /// A bench with these options.
    pub fn new(options: &'a Options) -> Self {
        Self { options }
    }

    /// Measures cases that have sides, data set and measure in common, on the same processes.
    pub fn measure(&self, cases: &[&Case]) -> Result<Vec<Finding>, String> {
        let mut cases: Vec<Case> = cases.iter().map(|case| **case).collect();
        if self.options.quick {
            cases.iter_mut().for_each(|case| case.keys = case.keys.min(100_000));
        }
        let finding = |case: Case| Finding { case, names: names(case.sides), pairs: Vec::new() };
        let mut findings: Vec<Finding> = cases.into_iter().map(finding).collect();
        match findings[0].case.measure {
            Measure::Cpu => self.processor_time(&mut findings)?,
            Measure::Memory => self.insertions(&mut findings, 1, Duration::from_millis(500))?,
            Measure::Insert => {
                self.insertions(&mut findings, if self.options.quick { 1 } else { 3 }, Duration::ZERO)?;
            }
        }
        Ok(findings)
    }

    fn processor_time(&self, findings: &mut [Finding]) -> Result<(), String> {
        let effort = if self.options.quick {
            Effort { process_pairs: 3, rounds: 1, run: Duration::from_millis(250) }
        } else {
            Effort { process_pairs: 4, rounds: 2, run: Duration::from_millis(1500) }
        };
        for number in 0..effort.process_pairs {
            let mut pair = self.start_pair(&findings[0].case, number % 2 == 1)?;
            for finding in findings.iter_mut() {
                let case = finding.case;
                let seed = number * 1000;
                let pairs = pair.measure(&case, effort, seed);
                finding.pairs.extend(pairs.map_err(|error| format!("case {}: {error}", case.name))?);
            }
        }
        Ok(())
    }

    fn start_pair(&self, case: &Case, baseline_first: bool) -> Result<Pair, String> {
        let launches = self.launches(case.sides, false);
        let start = |side: usize| {
            let process = launches[side].start()?;
            let has_no_data = case.sides == Sides::FloorRedis && side == 0;
            for (operation, passes) in loads(case).iter().filter(|_| !has_no_data) {
                for pass in 0..*passes {
                    // Strings once each. Collections grow to different sizes: of one size they would all outgrow their memory at once.
                    let order =
                        if *operation == Operation::Set { Order::Sequential } else { Order::Random(pass) };
                    run(process.addr(), Plan { order, ..insert_plan(*operation, case.keys) })?;
                }
            }
            Ok::<Process, String>(process)
        };
        let processes = if baseline_first {
            let baseline = start(1)?;
            [start(0)?, baseline]
        } else {
            [start(0)?, start(1)?]
        };
        for process in &processes {
            process.wait_until_idle().map_err(|error| error.to_string())?;
        }
        Ok(Pair { processes, counters_loaded: false })
    }

    /// Fresh servers, empty, filled with new keys.
    fn insertions(&self, findings: &mut [Finding], rounds: usize, settle: Duration) -> Result<(), String> {
        let fail = |error: std::io::Error| error.to_string();
        for finding in findings {
            let plan = insert_plan(Operation::Set, finding.case.keys);
            for _ in 0..rounds {
                let mut samples = [Sample::default(), Sample::default()];
                let launches = self.launches(finding.case.sides, finding.case.measure == Measure::Insert);
                for (slot, launch) in samples.iter_mut().zip(launches) {
                    let process = launch.start()?;
                    let empty = process.rss().map_err(fail)?;
                    *slot = sample(&process, plan)?;
                    std::thread::sleep(settle);
                    slot.rss_added = process.rss().map_err(fail)?.saturating_sub(empty);
                }
                finding.pairs.push(samples);
            }
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

impl Pair {
    fn measure(&mut self, case: &Case, effort: Effort, seed: u64) -> Result<Vec<[Sample; 2]>, String> {
        let plan = |side: usize, round: u64, time: Duration| Plan {
            // A real server beside the floor gets real requests.
            operation: if case.sides == Sides::FloorRedis && side == 1 {
                Operation::Get
            } else {
                case.operation
            },
            pipeline: case.pipeline,
            connections: CONNECTIONS,
            keys: case.keys,
            order: Order::Random((seed + round) * 7919 + 1),
            limit: Limit::Time(time),
        };
        self.load_counters(case)?;
        // The first run warms caches, branch predictors and the scheduler up, and is not counted.
        for (side, process) in self.processes.iter().enumerate() {
            run(process.addr(), plan(side, 0, effort.run / 4))?;
        }
        let counted_before = self.counter_sums(case)?;
        let mut pairs = Vec::new();
        for round in 1..=effort.rounds {
            let mut pair = [Sample::default(), Sample::default()];
            let first = ((seed / 1000 + round) % 2) as usize;
            for side in [first, 1 - first] {
                pair[side] = sample(&self.processes[side], plan(side, round, effort.run))?;
            }
            pairs.push(pair);
        }
        let counted_after = self.counter_sums(case)?;
        for side in 0..2 {
            let sent: u64 = pairs.iter().map(|pair| pair[side].outcome.requests).sum();
            let counted = counted_after[side] - counted_before[side];
            if case.operation == Operation::Incr && counted != sent {
                return Err(format!("side {side} acknowledged {sent} increments and counted {counted}"));
            }
        }
        Ok(pairs)
    }

    fn load_counters(&mut self, case: &Case) -> Result<(), String> {
        if case.operation == Operation::Incr && !self.counters_loaded {
            for process in &self.processes {
                run(process.addr(), insert_plan(Operation::ResetCounter, case.keys))?;
            }
            self.counters_loaded = true;
        }
        Ok(())
    }

    /// The sum of all counters of each side, for the case that increments them.
    fn counter_sums(&self, case: &Case) -> Result<[u64; 2], String> {
        let mut sums = [0, 0];
        if case.operation == Operation::Incr {
            for (sum, process) in sums.iter_mut().zip(&self.processes) {
                *sum = run(process.addr(), insert_plan(Operation::ReadCounter, case.keys))?.sum;
            }
        }
        Ok(sums)
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
        if !rewrite {
            args.extend(["--save", "", "--checkpoint_log_mb", "65536"].map(String::from));
        }
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

/// What is loaded before a case's data set is measured: operations over all keys, and how often.
fn loads(case: &Case) -> &'static [(Operation, u64)] {
    match (case.operation, case.keys) {
        // A hundred elements at least, and as many as a run has time to pop.
        (Operation::Lrange | Operation::Zrange, _) => &[(Operation::Lpush, 200), (Operation::Zadd, 600)],
        (
            Operation::Lpush
            | Operation::Rpop
            | Operation::Sadd
            | Operation::Hset
            | Operation::Zadd
            | Operation::Xadd,
            _,
        ) => &[(Operation::Lpush, 30)],
        _ => &[(Operation::Set, 1)],
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
