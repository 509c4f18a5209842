//! Measurements, not tests: `cargo test --release -p forgekv-storage measure -- --ignored --nocapture`.

use std::time::Instant;

use storage::{Engine, Epoch, Options, SyncMode};

use crate::threads::{TempDir, start};

const RECORDS: u64 = 4_000_000;

/// CPU time of the process's thread with this name, in nanoseconds.
#[expect(clippy::disallowed_methods, reason = "/proc is no file of the dataset")]
fn thread_cpu_ns(name: &str) -> u64 {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    tasks
        .filter_map(|task| {
            let path = task.ok()?.path();
            let comm = std::fs::read_to_string(path.join("comm")).ok()?;
            let stat = std::fs::read_to_string(path.join("schedstat")).ok()?;
            (comm.trim() == name).then(|| stat.split(' ').next()?.parse::<u64>().ok())?
        })
        .sum()
}

/// Each thread appends to shards of its own, as workers do on average.
fn append(engine: &Engine, threads: u64) -> f64 {
    let start = Instant::now();
    std::thread::scope(|scope| {
        for thread in 0..threads {
            scope.spawn(move || {
                let payload = [b'x'; 100];
                for i in 0..RECORDS / threads {
                    let shard = (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 59) * 2 + thread % 2;
                    engine.append(shard as usize, Epoch(1), |out| out.extend_from_slice(&payload));
                    if i % 1024 == 0 {
                        while engine.is_backlogged() {
                            std::thread::yield_now();
                        }
                    }
                }
            });
        }
    });
    start.elapsed().as_nanos() as f64 * threads as f64 / RECORDS as f64
}

#[test]
#[ignore = "a measurement"]
fn nanoseconds_per_append() {
    for mode in [SyncMode::Never, SyncMode::EverySecond, SyncMode::Always] {
        for threads in [1, 2] {
            let dir = TempDir::new();
            let engine = start(&dir.0, Options { sync_mode: mode, ..Options::default() });
            let ns = append(&engine, threads);
            let written = Instant::now();
            engine.wait_durable(engine.last_lsn(), std::time::Duration::from_secs(60)).unwrap();
            let drained = written.elapsed();
            let cpu = thread_cpu_ns("forgekv-log");
            let stats = engine.stats();
            println!(
                "{mode:?}, {threads} threads: {ns:.0} ns per append; log thread {:.0} ns CPU per record; {} frames, \
                 {} syncs, {:.0} MB, rest durable after {drained:?}",
                cpu as f64 / RECORDS as f64,
                stats.frames,
                stats.syncs,
                stats.bytes_written as f64 / 1e6,
            );
            let before = thread_cpu_ns("forgekv-log") + thread_cpu_ns("forgekv-log-syn");
            std::thread::sleep(std::time::Duration::from_secs(1));
            let after = thread_cpu_ns("forgekv-log") + thread_cpu_ns("forgekv-log-syn");
            println!("    idle for a second: {} ns CPU", after - before);
            assert!(engine.durable_lsn() == engine.last_lsn());
        }
    }
}
