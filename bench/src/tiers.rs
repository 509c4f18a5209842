//! The disk's part: restarts, latency while checkpoints are made, datasets beyond RAM.
//!
//! These are scenarios with several figures each, not one figure of two sides; they print what they find.
//!
//! * `tiers-restart`: from the start of the process to the first value read, after a clean stop and after kill -9.
//! * `tiers-latency`: single requests of ten connections, in windows of some seconds: alone, with checkpoints back to back, with
//!   BGSAVE back to back, and again. Writes at random make that compaction has work in all of them.
//! * `tiers-cold`: a dataset ten times the budget: resident memory, hot keys with and without cold reads beside them.

use crate::load::{Limit, Order, Outcome, Plan, run};
use crate::measure::median;
use crate::options::Options;
use crate::process::{Launch, Process};
use crate::workload::Operation;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const CPUS: &str = "0,1";

/// ForgeKV with one worker.
pub fn forgekv(options: &Options, args: &[&str]) -> Launch {
    let args = ["--workers", "1"].iter().chain(args).map(|&word| word.to_owned()).collect();
    Launch { program: options.forgekv.clone(), mode: None, args, cpus: CPUS.to_owned() }
}

/// Redis with its log.
pub fn redis(options: &Options) -> Launch {
    let args = ["--save", "", "--appendonly", "yes", "--appendfsync", "everysec"];
    let args = args.map(str::to_owned).to_vec();
    Launch { program: options.redis.clone(), mode: None, args, cpus: CPUS.to_owned() }
}

fn plan(operation: Operation, keys: u32, order: Order, limit: Limit) -> Plan {
    Plan { operation, pipeline: 1, connections: 10, keys, order, limit }
}

fn fill(process: &Process, keys: u32) -> Result<Outcome, String> {
    let whole = plan(Operation::Set, keys, Order::Sequential, Limit::Keys(u64::from(keys)));
    run(process.addr(), Plan { pipeline: 16, connections: 50, ..whole })
}

/// See the module.
pub fn restart(options: &Options) -> Result<(), String> {
    let keys = if options.quick { 500_000 } else { 20_000_000 };
    for (name, launch) in [("forgekv", forgekv(options, &[])), ("redis", redis(options))] {
        let mut process = launch.start()?;
        fill(&process, keys)?;
        let stopped = Instant::now();
        process.stop()?;
        let stopping = stopped.elapsed();
        let clean = process.restart_until_read(&launch, keys)?;
        let some = plan(Operation::Set, keys, Order::Random(7), Limit::Keys(u64::from(keys / 20)));
        run(process.addr(), Plan { pipeline: 16, connections: 50, ..some })?;
        // What the default mode may lose is not what is measured.
        std::thread::sleep(Duration::from_secs(2));
        process.kill();
        let killed = process.restart_until_read(&launch, keys)?;
        println!(
            "tiers-restart          {name:<10} {keys} keys: stop {:.2} s, first read {:.3} s after it, {:.3} s after kill -9",
            stopping.as_secs_f64(),
            clean.as_secs_f64(),
            killed.as_secs_f64()
        );
    }
    Ok(())
}

/// Windows of each kind: what a machine does besides is spread over all of them.
const WINDOWS: usize = 5;

/// See the module.
pub fn latency(options: &Options) -> Result<(), String> {
    let (keys, seconds) = if options.quick { (200_000, 1) } else { (5_000_000, 3) };
    let own: &[_] = &[None, Some("BGREWRITEAOF"), Some("BGSAVE")];
    // Its rewrite of the log is a fork as well.
    let other: &[_] = &[None, Some("BGSAVE")];
    for (name, launch, commands) in
        [("forgekv", forgekv(options, &[]), own), ("redis", redis(options), other)]
    {
        let process = launch.start()?;
        fill(&process, keys)?;
        let resident = process.rss().map_err(|error| error.to_string())?;
        let mut windows: Vec<Vec<[Outcome; 2]>> = commands.iter().map(|_| Vec::new()).collect();
        let compacted = bytes_compacted(&process)?;
        for _ in 0..WINDOWS {
            for (command, windows) in commands.iter().zip(&mut windows) {
                windows.push(singles(&process, keys, seconds, *command)?);
            }
        }
        let compacted = bytes_compacted(&process)? - compacted;
        for (command, beside) in commands.iter().zip(&windows) {
            report(name, command.unwrap_or("alone"), beside, &windows[0]);
        }
        let after = process.rss().map_err(|error| error.to_string())?;
        println!(
            "{:22} {name:<10} resident {} MB, {} MB after it; {} MB were compacted meanwhile",
            "",
            resident >> 20,
            after >> 20,
            compacted >> 20
        );
    }
    Ok(())
}

/// Bytes that compaction has read so far; none of a server that has no such thing.
fn bytes_compacted(process: &Process) -> Result<u64, String> {
    let info = process.ask("INFO storage")?;
    let count = info.lines().find_map(|line| line.strip_prefix("compaction_bytes_read:"));
    Ok(count.and_then(|count| count.trim().parse().ok()).unwrap_or(0))
}

/// Reads and writes of single keys for a while, with a command given again and again beside them.
fn singles(
    process: &Process,
    keys: u32,
    seconds: u64,
    command: Option<&str>,
) -> Result<[Outcome; 2], String> {
    let limit = Limit::Time(Duration::from_secs(seconds));
    let ask = |operation, seed| run(process.addr(), plan(operation, keys, Order::Random(seed), limit));
    let both = || ask(Operation::Get, 1).and_then(|get| Ok([get, ask(Operation::Set, 2)?]));
    match command {
        Some(command) => beside(process, command, both),
        None => both(),
    }
}

/// Does something while a command is given again and again.
pub fn beside<R>(process: &Process, command: &str, work: impl FnOnce() -> R) -> R {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                let _busy_is_fine = process.ask(command);
                std::thread::sleep(Duration::from_millis(50));
            }
        });
        let result = work();
        over.store(true, Ordering::Relaxed);
        result
    })
}

/// The medians of the windows, and how often the p99.9 alone the p99.9 is.
fn report(name: &str, what: &str, windows: &[[Outcome; 2]], alone: &[[Outcome; 2]]) {
    let us = |windows: &[[Outcome; 2]], kind: usize, q: f64| {
        median(windows.iter().map(|window| window[kind].latency.quantile(q) as f64 / 1000.0).collect())
    };
    let kind = |kind: usize| {
        let [p50, p99, p999] = [0.5, 0.99, 0.999].map(|q| us(windows, kind, q));
        format!("p50 {p50:.0} p99 {p99:.0} p99.9 {p999:.0} us ({:.2}x)", p999 / us(alone, kind, 0.999))
    };
    println!("tiers-latency          {name:<10} {what:<12} GET {}, SET {}", kind(0), kind(1));
}

/// See the module.
pub fn cold(options: &Options) -> Result<(), String> {
    let (keys, hot, budget, seconds) =
        if options.quick { (500_000, 5_000, 8, 1) } else { (25_000_000, 100_000, 256, 8) };
    let budget_text = budget.to_string();
    let process = forgekv(options, &["--memtable_size_mb", &budget_text]).start()?;
    let filled = fill(&process, keys)?;
    let resident = || process.rss().map(|bytes| bytes >> 20).map_err(|error| error.to_string());
    println!(
        "tiers-cold             forgekv    {keys} keys, budget {budget} MB: loaded at {:.0} kreq/s, resident {} MB, DBSIZE {}",
        filled.requests as f64 / filled.elapsed.as_secs_f64() / 1000.0,
        resident()?,
        process.ask("DBSIZE")?.trim()
    );
    let limit = Limit::Time(Duration::from_secs(seconds));
    let of_hot = |seed| run(process.addr(), plan(Operation::Get, hot, Order::Random(seed), limit));
    of_hot(1)?;
    let alone = of_hot(2)?;
    let (busy, cold) = std::thread::scope(|scope| {
        let cold = scope.spawn(|| run(process.addr(), plan(Operation::Get, keys, Order::Random(3), limit)));
        let busy = of_hot(4);
        (busy, cold.join().unwrap_or_else(|_| Err("the cold reader panicked".to_owned())))
    });
    let (busy, cold) = (busy?, cold?);
    let us = |outcome: &Outcome, q: f64| outcome.latency.quantile(q) as f64 / 1000.0;
    println!(
        "{:22} hot keys alone p50 {:.0} p99 {:.0} us; beside cold reads p50 {:.0} p99 {:.0} us; cold reads {:.1} kreq/s, p50 {:.0} p99 {:.0} us; resident {} MB, DBSIZE {}",
        "",
        us(&alone, 0.5),
        us(&alone, 0.99),
        us(&busy, 0.5),
        us(&busy, 0.99),
        cold.requests as f64 / cold.elapsed.as_secs_f64() / 1000.0,
        us(&cold, 0.5),
        us(&cold, 0.99),
        resident()?,
        process.ask("DBSIZE")?.trim()
    );
    Ok(())
}
