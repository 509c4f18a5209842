//! What elements of collections cost, and what big collections do to others.
//!
//! * `collections-memory`: resident bytes an element, of one big key and of many small ones, when free memory has been given back.
//! * `collections-big`: the worst batch while one key grows to millions of elements, alone and with checkpoints back to back,
//!   and how long its deletion holds up whoever asked for it.

use crate::load::{Limit, Order, Outcome, Plan, run};
use crate::options::Options;
use crate::process::Launch;
use crate::tiers::{beside, forgekv, redis};
use crate::workload::Operation;
use std::time::{Duration, Instant};

const KINDS: [(&str, Operation, Operation); 5] = [
    ("list", Operation::Lpush, Operation::Big(&Operation::Lpush)),
    ("set", Operation::Sadd, Operation::Big(&Operation::Sadd)),
    ("hash", Operation::Hset, Operation::Big(&Operation::Hset)),
    ("sorted set", Operation::Zadd, Operation::Big(&Operation::Zadd)),
    ("stream", Operation::Xadd, Operation::Big(&Operation::Xadd)),
];

/// Log buffers and the like come and go.
const SETTLE: Duration = Duration::from_secs(3);

fn plan(operation: Operation, elements: u32, keys: u32, order: Order) -> Plan {
    let limit = Limit::Keys(u64::from(elements) * operation.keys() as u64);
    Plan { operation, pipeline: 16, connections: 50, keys, order, limit }
}

fn sides(options: &Options) -> [(&'static str, Launch); 2] {
    [("forgekv", forgekv(options, &[])), ("redis", redis(options))]
}

/// Resident bytes an element.
pub fn memory(options: &Options) -> Result<(), String> {
    let elements: u32 = if options.quick { 200_000 } else { 2_000_000 };
    for (kind, small, big) in KINDS {
        for (name, launch) in sides(options) {
            let cost = |operation, keys, order| {
                let process = launch.start()?;
                let rss = || {
                    std::thread::sleep(SETTLE);
                    // Both keep what growth has left for a while; that is no element's.
                    process.ask("MEMORY PURGE")?;
                    process.rss().map_err(|error| error.to_string())
                };
                // With other keys there first, buffers and the first of every kind of page are not counted.
                run(process.addr(), plan(Operation::Set, elements / 10, u32::MAX, Order::Sequential))?;
                let before = rss()?;
                run(process.addr(), plan(operation, elements, keys, order))?;
                Ok::<f64, String>((rss()?.saturating_sub(before)) as f64 / f64::from(elements))
            };
            let one = cost(big, u32::MAX, Order::Sequential)?;
            let many = cost(small, elements / 10, Order::Random(5))?;
            println!(
                "collections-memory     {name:<10} {kind:<10} {one:.1} bytes an element of a big one, {many:.1} of small ones"
            );
        }
    }
    Ok(())
}

/// Growth and deletion of one big key.
pub fn big(options: &Options) -> Result<(), String> {
    let elements: u32 = if options.quick { 500_000 } else { 10_000_000 };
    for (kind, _, operation) in KINDS {
        for (name, launch) in sides(options) {
            let process = launch.start()?;
            let grow = |order| run(process.addr(), plan(operation, elements / 2, u32::MAX, order));
            let alone = grow(Order::Sequential)?;
            // Of Redis, a snapshot by a fork takes the place of checkpoints.
            let command = if name == "forgekv" { "BGREWRITEAOF" } else { "BGSAVE" };
            let saving = beside(&process, command, || grow(Order::Random(9)))?;
            let asked = Instant::now();
            process.ask("UNLINK big")?;
            let gone = asked.elapsed();
            println!(
                "collections-big        {name:<10} {kind:<10} worst batch {}, beside {command} {}; UNLINK {:.2} ms",
                worst(&alone),
                worst(&saving),
                gone.as_secs_f64() * 1000.0
            );
        }
    }
    Ok(())
}

fn worst(outcome: &Outcome) -> String {
    let ms = |ns: u64| ns as f64 / 1e6;
    format!("{:.1} ms (p99.9 {:.1})", ms(outcome.latency.max()), ms(outcome.latency.quantile(0.999)))
}
