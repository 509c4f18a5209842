//! A measurement, not a test: `cargo test --release -p forgekv-storage compaction::measure -- --ignored --nocapture`.

use std::sync::Arc;
use std::time::Instant;

use storage::compaction::pool::Options;
use storage::fs::os::Os;
use storage::run::Compression;

use super::{Round, Store};
use crate::run::Model;
use crate::support::Random;
use crate::threads::TempDir;

const KEYS: u64 = 500_000;

#[test]
#[ignore = "a measurement"]
fn speed_of_a_merge() {
    for (compression, noise) in
        [(Compression::None, true), (Compression::Lz4, true), (Compression::Lz4, false)]
    {
        let dir = TempDir::new();
        let store = Store::open(Arc::new(Os), &dir.0).unwrap();
        store.commit_round(&Round::flush(0), &Model::new()).unwrap();
        let mut random = Random(1);
        for _ in 0..4 {
            let version = store.set.current();
            let byte = |random: &mut Random| if noise { random.next() as u8 } else { 7 };
            let value = |random: &mut Random| Some((0..100).map(|_| byte(random)).collect());
            let rows = (0..KEYS).map(|_| (random.below(4 * KEYS), value(&mut random))).collect::<Vec<_>>();
            let round = Round::of(&version, 0, rows.into_iter());
            let truth = round.apply(&version, &Model::new());
            store.commit_round(&round, &truth).unwrap();
        }
        let options = Options { bytes_per_second_min: u64::MAX, ..Options::default() };
        let compactor = store.compactor(compression, options);
        let (stored, begun) = (store.bytes(), Instant::now());
        while let Some(task) = compactor.next(Instant::now()) {
            compactor.run(task);
        }
        let (stats, seconds) = (compactor.stats(), begun.elapsed().as_secs_f64());
        println!(
            "{compression:?}, {} values: {} jobs in {seconds:.2} s: {:.0} MB/s of entries read, {:.0} MB/s written; \
             {} MB before, {} MB after",
            if noise { "random" } else { "equal" },
            stats.jobs,
            stats.bytes_read as f64 / seconds / 1e6,
            stats.bytes_written as f64 / seconds / 1e6,
            stored / 1_000_000,
            store.bytes() / 1_000_000,
        );
    }
}
