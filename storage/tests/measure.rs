//! Measurements, not tests: `cargo test --release -p forgekv-storage measure -- --ignored --nocapture`.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use storage::{Engine, Epoch, Options, SyncMode};

use crate::threads::{TempDir, start};

const RECORDS: u64 = 2_000_000;

/// CPU time of the process's thread with this name, in nanoseconds: in all, and in the kernel.
#[expect(clippy::disallowed_methods, reason = "/proc is no file of the dataset")]
fn thread_cpu_ns(name: &str) -> (u64, u64) {
    let field = |text: String, at: usize| text.split(' ').nth(at).unwrap().trim().parse::<u64>().unwrap();
    for task in std::fs::read_dir("/proc/self/task").unwrap() {
        let path = task.unwrap().path();
        let read = |file: &str| std::fs::read_to_string(path.join(file)).unwrap();
        if read("comm").trim() == name {
            // System time is counted in ticks of a hundredth of a second.
            return (field(read("schedstat"), 0), field(read("stat"), 14) * 10_000_000);
        }
    }
    (0, 0)
}

/// Records that a thread appends before it rests, as a worker does between two turns of its loop.
const BATCH: u64 = 200;

/// Each thread appends to shards of its own, as workers do on average; nanoseconds per append, the rests left out.
fn append(engine: &Engine, threads: u64, rest: Duration) -> f64 {
    let busy_ns: u64 = std::thread::scope(|scope| {
        let run = |thread: u64| {
            let payload = [b'x'; 100];
            let mut busy = Duration::ZERO;
            for batch in 0..RECORDS / threads / BATCH {
                let start = Instant::now();
                for i in 0..BATCH {
                    let hash = (batch * BATCH + i).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                    let shard = (hash >> 59) * 2 + thread % 2;
                    engine.append(shard as usize, Epoch(1), |out| out.put(&payload));
                }
                busy += start.elapsed();
                let rested = Instant::now();
                while rested.elapsed() < rest || engine.is_backlogged() {
                    std::hint::spin_loop();
                }
            }
            busy.as_nanos() as u64
        };
        let running: Vec<_> = (0..threads).map(|thread| scope.spawn(move || run(thread))).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    busy_ns as f64 / RECORDS as f64
}

/// Runs `work` beside a thread that releases the log behind it, as checkpoints do, whenever it has grown by so much.
fn with_releases<T>(engine: &Engine, every_bytes: u64, work: impl FnOnce() -> T) -> T {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(5));
                if engine.stats().log.log_bytes > every_bytes {
                    let lsn = engine.written_lsn();
                    engine.wait_durable(lsn, Duration::from_secs(60)).unwrap();
                    engine.release_before(engine.segment_of(lsn)).unwrap();
                }
            }
        });
        let result = work();
        done.store(true, Ordering::Relaxed);
        result
    })
}

/// What the log thread costs when it overwrites recycled segments, and when it grows new ones.
#[test]
#[ignore = "a measurement"]
fn recycled_segments_against_new_ones() {
    for (mode, rest) in [
        (SyncMode::Never, 200),
        (SyncMode::EverySecond, 200),
        (SyncMode::EverySecond, 0),
        (SyncMode::Always, 200),
    ] {
        for recycle in [false, true, false, true] {
            let dir = TempDir::new();
            let options = Options { sync_mode: mode, segment_bytes: 16 << 20, ..Options::default() };
            let engine = start(&dir.0, options);
            let run = || append(&engine, 1, Duration::from_micros(rest));
            let every_bytes = if recycle { 64 << 20 } else { u64::MAX };
            // The first pass makes the segments that the second one writes again.
            with_releases(&engine, every_bytes, run);
            let (before, begun, synced) =
                (thread_cpu_ns("forgekv-log"), Instant::now(), engine.stats().log.syncs);
            with_releases(&engine, every_bytes, run);
            let (after, elapsed) = (thread_cpu_ns("forgekv-log"), begun.elapsed());
            println!(
                "{mode:?}, {}: {:.2} M/s; log thread {} ns CPU per record, {} in the kernel; {} syncs, the last took {} us",
                if recycle { "recycled" } else { "new" },
                RECORDS as f64 / elapsed.as_secs_f64() / 1e6,
                (after.0 - before.0) / RECORDS,
                (after.1 - before.1) / RECORDS,
                engine.stats().log.syncs - synced,
                engine.stats().log.last_sync_us,
            );
        }
    }
}

#[test]
#[ignore = "a measurement"]
fn nanoseconds_per_append() {
    let paced = Duration::from_micros(200);
    for (mode, threads, rest) in [
        (SyncMode::Never, 1, paced),
        (SyncMode::Never, 2, paced),
        (SyncMode::EverySecond, 1, paced),
        (SyncMode::EverySecond, 2, paced),
        (SyncMode::Always, 2, paced),
        (SyncMode::EverySecond, 1, Duration::ZERO),
    ] {
        let dir = TempDir::new();
        let engine = start(&dir.0, Options { sync_mode: mode, ..Options::default() });
        let begun = Instant::now();
        let ns = append(&engine, threads, rest);
        let rate = RECORDS as f64 / begun.elapsed().as_secs_f64() / 1e6;
        engine.wait_durable(engine.last_lsn(), Duration::from_secs(60)).unwrap();
        let (cpu, kernel) = thread_cpu_ns("forgekv-log");
        let (cpu, kernel) = (cpu / RECORDS, kernel / RECORDS);
        let stats = engine.stats().log;
        println!(
            "{mode:?}, {threads} threads, {rate:.2} M/s: {ns:.0} ns per append; log thread {cpu} ns CPU per record, {kernel} in the kernel; \
             {} frames, {} syncs, {:.0} MB",
            stats.frames,
            stats.syncs,
            stats.bytes_written as f64 / 1e6,
        );
        let all_threads = || thread_cpu_ns("forgekv-log").0 + thread_cpu_ns("forgekv-log-syn").0;
        let before = all_threads();
        std::thread::sleep(Duration::from_secs(1));
        println!("    idle for a second: {} ns CPU", all_threads() - before);
        assert_eq!(engine.durable_lsn(), engine.last_lsn());
    }
}
