//! Measurements, not tests: `cargo test --release -p forgekv-storage run::measure -- --ignored --nocapture`.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use storage::fs::os::Os;
use storage::merge::{Entries, KEEP_ALL, Merge};
use storage::run::{
    BuildOptions, Builder, Compression, Content, Entry, NamespaceId, Position, Run, RunDir, RunId,
};

use super::{DATASET_ID, SPAN};
use crate::support::Random;
use crate::threads::TempDir;

const ENTRIES: u64 = 1_000_000;

/// Evenly spread hashes, ascending.
fn position(i: u64) -> Position {
    let step = u64::MAX / ENTRIES;
    Position { namespace: NamespaceId(0), hash: i * step + i.wrapping_mul(0x9e37_79b9_7f4a_7c15) % step }
}

/// In the order of their hashes keys come in no order.
fn key(i: u64) -> [u8; 16] {
    let digits = format!("key:{:012}", i.wrapping_mul(0x9e37_79b9_7f4a_7c15) % 1_000_000_000_000);
    digits.as_bytes().try_into().unwrap()
}

fn push(builder: &mut Builder, i: u64, value: &[u8]) {
    let content = Content::Value { bytes: value, expiry_ms: None, due_ms: None };
    builder.push(&Entry { position: position(i), key: &key(i), content }).unwrap();
}

fn ns_each(begun: Instant, n: u64) -> f64 {
    begun.elapsed().as_nanos() as f64 / n as f64
}

fn build(runs: &RunDir, id: RunId, compression: Compression, noise: bool) -> (Arc<Run>, String) {
    let options = BuildOptions { entries_max: ENTRIES, compression };
    let mut random = Random(1);
    let mut values = vec![b'x'; 64 * 1024];
    if noise {
        values.iter_mut().for_each(|byte| *byte = random.next() as u8);
    }
    let begun = Instant::now();
    let mut builder = runs.build(id, options).unwrap();
    for i in 0..ENTRIES {
        push(&mut builder, i, &values[(i * 64 % 65_000) as usize..][..64]);
    }
    let pushed = begun.elapsed().as_secs_f64();
    let run = builder.finish(SPAN).unwrap().unwrap().run;
    let info = run.info();
    let whole = begun.elapsed().as_secs_f64();
    let payload = (info.key_bytes + info.value_bytes) as f64;
    let report = format!(
        "{compression:?}, {} values: {:.1} bytes an entry over key and value, {} blocks; \
         {:.0} MB/s until the last push, {:.0} MB/s with the final sync",
        if noise { "random" } else { "equal" },
        (info.size_bytes as f64 - payload) / ENTRIES as f64,
        info.blocks,
        payload / pushed / 1e6,
        payload / whole / 1e6,
    );
    (runs.open_run(id).unwrap(), report)
}

fn lookups(run: &Arc<Run>) -> String {
    let mut random = Random(2);
    const LOOKUPS: u64 = 300_000;
    let begun = Instant::now();
    run.load_filter().unwrap();
    let loaded = begun.elapsed();
    let begun = Instant::now();
    for _ in 0..LOOKUPS {
        black_box(run.find(position(random.below(ENTRIES))));
    }
    let find = ns_each(begun, LOOKUPS);
    let begun = Instant::now();
    for _ in 0..LOOKUPS {
        let i = random.below(ENTRIES);
        assert!(run.get(position(i), &key(i)).unwrap().is_some());
    }
    let get = ns_each(begun, LOOKUPS);
    let begun = Instant::now();
    let passed = (0..LOOKUPS * 10).filter(|_| run.may_contain(random.next())).count();
    let ask = ns_each(begun, LOOKUPS * 10);
    format!(
        "    get {get:.0} ns, find {find:.0} ns, filter {ask:.1} ns, {:.3} % pass, loaded in {:.1} ms; \
         {:.2} bytes an entry in memory",
        passed as f64 / (LOOKUPS * 10) as f64 * 100.0,
        loaded.as_secs_f64() * 1e3,
        run.memory_bytes() as f64 / ENTRIES as f64,
    )
}

fn drain(mut source: impl Entries) -> u64 {
    let mut entries = 0;
    while let Some(entry) = source.entry() {
        black_box(entry.key);
        entries += 1;
        source.advance().unwrap();
    }
    entries
}

#[test]
#[ignore = "a measurement"]
fn size_and_speed_of_a_run() {
    let dir = TempDir::new();
    let runs = RunDir::new(Arc::new(Os), &dir.0, DATASET_ID);
    runs.create().unwrap();
    let forms = [(Compression::None, true), (Compression::Lz4, true), (Compression::Lz4, false)];
    for (i, (compression, noise)) in forms.into_iter().enumerate() {
        let (run, report) = build(&runs, RunId(i as u64), compression, noise);
        println!("{report}\n{}", lookups(&run));
        let begun = Instant::now();
        assert_eq!(drain(run.scan(Position::MIN).unwrap()), ENTRIES);
        let scan = ns_each(begun, ENTRIES);
        let begun = Instant::now();
        run.verify().unwrap();
        println!("    scan {scan:.0} ns an entry, verify {:.0} ns", ns_each(begun, ENTRIES));
    }
    let scans = (0..3).map(|id| runs.open_run(RunId(id)).unwrap().scan(Position::MIN).unwrap()).collect();
    let begun = Instant::now();
    assert_eq!(drain(Merge::new(scans, KEEP_ALL).unwrap()), ENTRIES);
    println!("merge of the three: {:.0} ns an entry read", ns_each(begun, 3 * ENTRIES));
}
