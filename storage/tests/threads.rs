//! The engine as it runs: real threads, real files.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use storage::fs::os::Os;
use storage::log::SHARDS;
use storage::{Engine, Epoch, Error, Lsn, Options, Status, SyncMode};

/// A directory of its own that goes with the test.
pub struct TempDir(pub PathBuf);

impl TempDir {
    pub fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!("forgekv-storage-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        Self(std::env::temp_dir().join(name))
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _best_effort = std::fs::remove_dir_all(&self.0);
    }
}

pub fn start(dir: &Path, options: Options) -> Engine {
    let recovery = Engine::recover(Arc::new(Os), dir, options).unwrap();
    recovery.start(Box::new(|_| {})).unwrap()
}

fn options(sync_mode: SyncMode) -> Options {
    Options { sync_mode, segment_bytes: 200_000, ..Options::default() }
}

pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < deadline, "{what} did not happen");
        std::thread::yield_now();
    }
}

/// Payload: thread, the thread's own count, the shard's own count.
fn payload(thread: u64, count: u64, in_shard: u64) -> Vec<u8> {
    [thread, count, in_shard].iter().flat_map(|n| n.to_le_bytes()).collect()
}

/// Four threads append, each under the shards' locks; the LSN of each record and the thread's order must agree.
fn append_from_many_threads(engine: &Engine, per_thread: u64) {
    let shards: Vec<Mutex<u64>> = (0..SHARDS).map(|_| Mutex::new(0)).collect();
    std::thread::scope(|scope| {
        for thread in 0..4_u64 {
            let shards = &shards;
            scope.spawn(move || {
                let mut last = Lsn(0);
                for count in 0..per_thread {
                    let shard = (count * 7 + thread * 13) as usize % if count % 2 == 0 { SHARDS } else { 2 };
                    let mut in_shard = shards[shard].lock().unwrap();
                    let bytes = payload(thread, count, *in_shard);
                    let lsn = engine.append(shard, Epoch(1), |out| out.put(&bytes));
                    *in_shard += 1;
                    drop(in_shard);
                    assert!(lsn > last, "a thread's later record got an earlier place");
                    last = lsn;
                }
            });
        }
    });
}

#[test]
fn many_appenders_leave_one_order_that_agrees_with_each_of_theirs() {
    for mode in [SyncMode::Always, SyncMode::EverySecond, SyncMode::Never] {
        let dir = TempDir::new();
        let engine = start(&dir.0, options(mode));
        append_from_many_threads(&engine, 5_000);
        assert_eq!(engine.last_lsn(), Lsn(20_000));
        engine.close().unwrap();
        assert_eq!(engine.durable_lsn(), Lsn(20_000));

        let mut recovery = Engine::recover(Arc::new(Os), &dir.0, options(mode)).unwrap();
        let (mut by_thread, mut by_shard, mut next) = ([0; 4], [0; SHARDS], 1);
        let report = recovery
            .replay(|record| {
                assert_eq!(record.lsn, Lsn(next));
                next += 1;
                let fields: Vec<u64> =
                    record.payload.chunks(8).map(|n| u64::from_le_bytes(n.try_into().unwrap())).collect();
                assert_eq!(fields[1], by_thread[fields[0] as usize], "a thread's order was broken");
                by_thread[fields[0] as usize] += 1;
                assert_eq!(fields[2], by_shard[record.shard], "a shard's order was broken");
                by_shard[record.shard] += 1;
                Ok::<(), Error>(())
            })
            .unwrap();
        assert_eq!((report.records, report.cut), (20_000, None));
        assert_eq!(report.durable, Lsn(20_000), "a clean close says that everything is durable");
    }
}

#[test]
fn every_mode_reaches_its_marks_without_being_asked() {
    for mode in [SyncMode::Always, SyncMode::EverySecond] {
        let dir = TempDir::new();
        let engine = start(&dir.0, options(mode));
        for _ in 0..3 {
            let lsn = engine.append(5, Epoch(1), |out| out.put(b"record"));
            wait_until("writing", || engine.written_lsn() >= lsn);
            wait_until("syncing", || engine.durable_lsn() >= lsn);
        }
        assert_eq!(engine.status(), Status::Healthy);
        assert!(engine.stats().log.syncs >= 3);
        assert_eq!(engine.pending_bytes(), 0);
    }
}

#[test]
fn waiting_for_durability_syncs_in_every_mode() {
    let dir = TempDir::new();
    let engine = start(&dir.0, options(SyncMode::Never));
    let lsn = engine.append(5, Epoch(1), |out| out.put(b"record"));
    wait_until("writing", || engine.written_lsn() >= lsn);
    assert_eq!(engine.durable_lsn(), Lsn(0));
    assert!(engine.wait_durable(lsn, Duration::from_secs(10)).unwrap());
    assert!(!engine.wait_durable(lsn.next(), Duration::from_millis(20)).unwrap(), "there is no such record");
    engine.set_sync_mode(SyncMode::Always);
    let lsn = engine.append(6, Epoch(1), |out| out.put(b"record"));
    wait_until("syncing", || engine.durable_lsn() >= lsn);
    engine.close().unwrap();
    assert!(matches!(engine.close(), Err(Error::Closed)));
}

#[test]
fn the_real_lock_keeps_a_second_engine_out() {
    let dir = TempDir::new();
    let engine = start(&dir.0, options(SyncMode::Never));
    let second = Engine::recover(Arc::new(Os), &dir.0, Options::default()).err().unwrap();
    assert!(matches!(second, Error::Locked { .. }), "{second}");
    drop(engine);
    start(&dir.0, options(SyncMode::Never)).close().unwrap();
}
