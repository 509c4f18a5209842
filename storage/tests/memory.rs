//! What a merge costs, whatever the values' length. A binary of its own, for one test at a time: the memory is the process's.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails; helpers are tests, too")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use storage::compaction::pool::{Compactor, Options};
use storage::fs::os::Os;
use storage::fs::{Fs, Open, read_full, write_full};
use storage::run::{BuildOptions, Built, Compression, RunDir, Span};
use storage::version::{self, Cut, Edit, RunMeta, VersionSet};
use storage::{Content, Entry, Epoch, Lsn, NamespaceId, Position};

const DATASET_ID: u64 = 0x1122_3344_5566_7788;
const NAMESPACE: NamespaceId = NamespaceId(1);
const LONG: &[u8] = b"long";
const SMALL_ENTRIES: u64 = 2_000;
const MIB: u64 = 1 << 20;

/// A dataset in a directory of its own, which goes with it.
struct Dataset {
    dir: PathBuf,
    set: Arc<VersionSet>,
    runs: RunDir,
}

impl Drop for Dataset {
    fn drop(&mut self) {
        for file in Os.list(&self.dir.join(storage::run::DIR)).unwrap_or_default() {
            let _best_effort = Os.remove(&self.dir.join(storage::run::DIR).join(file));
        }
    }
}

impl Dataset {
    fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("forgekv-memory-{name}-{}", std::process::id()));
        Os.create_dir(&dir).unwrap();
        let runs = RunDir::new(Arc::new(Os), &dir, DATASET_ID);
        runs.create().unwrap();
        let set = Arc::new(version::read(Arc::new(Os), &dir, DATASET_ID).unwrap().start(4000).unwrap());
        let first = Edit {
            next_namespace: Some(NamespaceId(NAMESPACE.0 + 1)),
            databases: vec![(0, Some(NAMESPACE))],
            ..Edit::default()
        };
        set.commit(&first, &[]).unwrap();
        Self { dir, set, runs }
    }

    /// A run with a value of `bytes` bytes between small ones. Half of each piece is `noise`, so that it shrinks.
    fn add_run(&self, bytes: u64, compression: Compression) {
        let mut builder = self
            .runs
            .build(self.set.begin_run(), BuildOptions { entries_max: SMALL_ENTRIES + 1, compression })
            .unwrap();
        let epoch = Epoch(self.set.current().cut().epoch.0 + 1);
        let mut random = epoch.0;
        for i in 0..=SMALL_ENTRIES {
            let position = Position { namespace: NAMESPACE, hash: i << 50 };
            let small = Content::Value { bytes: &[7; 100][..], expiry_ms: None, due_ms: None };
            let key = format!("key:{i}");
            if i != SMALL_ENTRIES / 2 {
                builder.push(&Entry { position, key: key.as_bytes(), content: small }).unwrap();
                continue;
            }
            let content = Content::Value { bytes: &[][..], expiry_ms: Some(1), due_ms: None };
            let put = |out: &mut storage::ValueWriter<'_>| {
                let mut part = [0; 4096];
                (0..bytes / part.len() as u64).try_for_each(|_| {
                    for word in part[..2048].chunks_exact_mut(8) {
                        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(99);
                        word.copy_from_slice(&random.to_be_bytes());
                    }
                    out.put(&part)
                })
            };
            builder.push_long(&Entry { position, key: LONG, content }, put).unwrap();
        }
        let span = Span { first_epoch: epoch, last_epoch: epoch, max_lsn: Lsn(epoch.0) };
        let built: Built = builder.finish(span).unwrap().unwrap();
        let cut = Cut { epoch, lsn: Lsn(epoch.0), durable: Lsn(epoch.0), ..self.set.current().cut() };
        let edit = Edit { cut: Some(cut), add: vec![RunMeta::new(&built, 0)], ..Edit::default() };
        self.set.commit(&edit, &[built.run]).unwrap();
    }

    /// Does all there is to do: the number of jobs.
    fn compact(&self, compression: Compression) -> u64 {
        let options = Options { bytes_per_second_min: u64::MAX, ..Options::default() };
        let compactor =
            Compactor::new(self.set.clone(), self.runs.clone(), compression, options, Box::new(|_| {}));
        while let Some(task) = compactor.next(Instant::now()) {
            compactor.run(task);
        }
        let stats = compactor.stats();
        assert_eq!(stats.last_error, None);
        stats.jobs
    }
}

/// Forgets the high-water mark: the memory that there is now.
fn begin_watching() -> u64 {
    let file = Os.open(Path::new("/proc/self/clear_refs"), Open::Write).unwrap();
    write_full(&*file, b"5", 0).unwrap();
    memory("VmRSS")
}

/// Memory of the process, in bytes.
fn memory(name: &str) -> u64 {
    line("/proc/self/status", name) << 10
}

/// The bytes that the process has asked the system to read so far.
fn bytes_read() -> u64 {
    line("/proc/self/io", "rchar")
}

/// The number in the line of a file that begins with `name`.
fn line(path: &str, name: &str) -> u64 {
    let file = Os.open(Path::new(path), Open::Read).unwrap();
    let mut bytes = vec![0; 8 << 10];
    let read = read_full(&*file, &mut bytes, 0).unwrap();
    let text = String::from_utf8_lossy(&bytes[..read]).into_owned();
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap()
}

/// What a merge took.
struct Cost {
    memory_bytes: u64,
    read_bytes: u64,
    seconds: f64,
}

/// Merges four runs that each have a value of `bytes` bytes of one key.
fn merge_four(bytes: u64, compression: Compression) -> Cost {
    let dataset = Dataset::new(&format!("{compression:?}-{bytes}"));
    (0..4).for_each(|_| dataset.add_run(bytes, compression));
    let (begun, memory_before) = (Instant::now(), begin_watching());
    let read_before = bytes_read();
    let jobs = dataset.compact(compression);
    let cost = Cost {
        memory_bytes: memory("VmHWM").saturating_sub(memory_before),
        read_bytes: bytes_read() - read_before,
        seconds: begun.elapsed().as_secs_f64(),
    };
    assert!(jobs > 0, "nothing was merged");
    let version = dataset.set.current();
    assert_eq!(version.runs().map(|run| run.reader().info().entries).sum::<u64>(), SMALL_ENTRIES + 1);
    version.runs().for_each(|run| run.reader().verify().unwrap());
    cost
}

#[test]
fn a_merge_of_long_values_takes_the_memory_of_short_ones_and_reads_only_what_is_kept() {
    for compression in [Compression::None, Compression::Lz4] {
        let cost = merge_four(32 * MIB, compression);
        assert!(cost.memory_bytes < 8 * MIB, "{compression:?}: {} bytes", cost.memory_bytes);
        assert!(cost.read_bytes < 40 * MIB, "{compression:?}: {} bytes were read", cost.read_bytes);
    }
}

#[test]
#[ignore = "a measurement: cargo test --release -p forgekv-storage --test memory -- --ignored --nocapture"]
fn cost_of_a_merge_of_values_of_200_mib() {
    for compression in [Compression::None, Compression::Lz4] {
        let Cost { memory_bytes, read_bytes, seconds } = merge_four(200 * MIB, compression);
        let (memory, read) = (memory_bytes >> 10, read_bytes / MIB);
        println!("{compression:?}, four runs: {memory} KiB of memory, {read} MiB read, {seconds:.2} s");
    }
}
