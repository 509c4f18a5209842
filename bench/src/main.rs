//! Measures forgekv beside redis-server, in one run on one machine.
//!
//! Reading order: `cases` (what is measured), `measure` (how), `load` (the clients), `workload` (requests and checked
//! replies), `process` (the servers), `report`; `tiers`, `collections` and `big_keys` (scenarios). The server is pinned to CPU 0 and the clients to another, so
//! neither takes time from the other; the figure to compare is processor time per request, which no slow client
//! can distort.
//!
//! * A wrong reply fails the run; the figures are of correct work only.
//! * Latencies are of whole batches: with a pipeline of 16, from the write of 16 requests to the last of 16 replies.
//!
//! Deliberately absent: open-loop load. Latency here is for comparison under the same load, not a service level.

mod big_keys;
mod cases;
mod collections;
mod floor;
mod histogram;
mod load;
mod measure;
mod options;
mod process;
mod report;
mod tiers;
mod workload;

use options::{Options, USAGE};
use std::process::ExitCode;

/// What plays a scenario and prints what it finds.
type Scenario = fn(&Options) -> Result<(), String>;

/// Several figures each, not one figure of two sides.
const SCENARIOS: &[(&str, Scenario)] = &[
    ("tiers-restart", tiers::restart),
    ("tiers-latency", tiers::latency),
    ("tiers-cold", tiers::cold),
    ("collections-memory", collections::memory),
    ("collections-big", collections::big),
    ("big-keys-list", |options| big_keys::scenario(options, "list")),
    ("big-keys-set", |options| big_keys::scenario(options, "set")),
    ("big-keys-hash", |options| big_keys::scenario(options, "hash")),
    ("big-keys-zset", |options| big_keys::scenario(options, "zset")),
    ("big-keys-stream", |options| big_keys::scenario(options, "stream")),
];

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let done = match args.first().map(String::as_str) {
        Some("floor") => measure::serve_floor(&args[1..]),
        Some("--help" | "-h") => {
            println!("{USAGE}");
            Ok(())
        }
        _ => Options::parse(&args).and_then(|options| bench(&options)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("forgekv-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn bench(options: &Options) -> Result<(), String> {
    let selected: Vec<_> = cases::CASES.iter().filter(|case| options.selects(case.name)).collect();
    let scenarios: Vec<_> = SCENARIOS.iter().filter(|(name, _)| options.selects(name)).collect();
    if options.list {
        selected.iter().for_each(|case| println!("{}", case.name));
        scenarios.iter().for_each(|(name, _)| println!("{name}"));
        return Ok(());
    }
    if selected.is_empty() && scenarios.is_empty() {
        return Err(format!("no case begins with {:?}; see --list", options.only));
    }
    let cpus = std::thread::available_parallelism().map_or(1, |count| count.get());
    println!("forgekv: {}\nredis:   {}", options.forgekv.display(), options.redis.display());
    if cpus < 2 || !process::has_taskset() {
        println!("note: {cpus} CPU and taskset missing or useless: servers and clients share, expect noise");
    } else {
        process::pin_self(if cpus > 2 { "2" } else { "1" });
    }
    for (_, scenario) in scenarios {
        scenario(options)?;
    }
    if selected.is_empty() {
        return Ok(());
    }
    println!("\n{}", report::HEADER.trim_end());
    let bench = measure::Bench::new(options);
    let mut findings = Vec::new();
    let alike =
        |a: &&cases::Case, b: &&cases::Case| (a.sides, a.measure, a.keys) == (b.sides, b.measure, b.keys);
    for group in selected.chunk_by(alike) {
        for finding in bench.measure(group)? {
            print!("{}", report::text(&finding));
            findings.push(finding);
        }
    }
    if let Some(path) = &options.json {
        let write = std::fs::write(path, report::json(&findings));
        write.map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    }
    Ok(())
}
