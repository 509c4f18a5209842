//! Released segments: which are needed, which are written again, and what their old bytes can and cannot do.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::errno::Errno;
use storage::fs::os::Os;
use storage::fs::sim::Sim;
use storage::log::Step;
use storage::recovery::{Report, Start};
use storage::{Engine, Epoch, Error, Lsn, Options, Status, SyncMode};

use crate::support::{DIR, Random, Session, replay, replay_from, small_options};
use crate::threads::{TempDir, start as start_threads};

/// A frame of the flow in bytes: header, one row, index, payload.
const FRAME_BYTES: u64 = 56 + 48 + 2 + 96;

fn options(mode: SyncMode) -> Options {
    // Five frames of the flow, and some room.
    Options { segment_bytes: 32 + 5 * FRAME_BYTES + 60, ..small_options(mode) }
}

/// A log of frames of one size, one record each, so that old frames lie where new ones will.
struct Flow {
    sim: Sim,
    session: Session,
    start: Start,
}

impl Flow {
    fn new(mode: SyncMode) -> Self {
        let sim = Sim::new(4);
        let (recovery, ..) = replay(&sim, options(mode)).unwrap();
        Self { session: Session::start(recovery).unwrap(), sim, start: Start::FIRST }
    }

    /// A log of 53 records whose last three segments are recycled ones; more spares are at hand.
    fn recycled(mode: SyncMode) -> Self {
        let mut flow = Self::new(mode);
        flow.frames(40);
        flow.session.steps.syncer.sync(false);
        flow.release();
        flow.frames(13);
        flow
    }

    fn frames(&mut self, count: u64) {
        for _ in 0..count {
            let lsn = self.session.append(1, 1, &[self.session.engine.last_lsn().0 as u8; 96]);
            assert_eq!(self.session.steps.writer.step(), Step::Wrote);
            if self.session.engine.sync_mode() == SyncMode::Always {
                self.session.steps.syncer.sync(false);
                assert_eq!(self.session.engine.durable_lsn(), lsn);
            }
        }
    }

    /// Releases what is not needed behind the last durable record.
    fn release(&mut self) {
        let lsn = self.session.engine.durable_lsn();
        self.start = Start { segment: self.session.engine.segment_of(lsn), lsn };
        self.session.engine.release_before(self.start.segment).unwrap();
    }

    fn replay(&self) -> Result<Report, Error> {
        replay_from(&self.sim, options(SyncMode::Always), self.start).map(|(.., report)| report)
    }

    fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        self.sim.paths().into_iter().map(|path| (path.clone(), self.sim.contents(&path).unwrap())).collect()
    }

    /// The live segments' numbers, paths and contents.
    fn live(&self) -> Vec<(u64, PathBuf, Vec<u8>)> {
        let last = self.session.engine.segment_of(self.session.engine.last_lsn());
        (self.start.segment..=last)
            .map(|number| (number, path(number), self.sim.contents(&path(number)).unwrap()))
            .collect()
    }
}

fn path(number: u64) -> PathBuf {
    Path::new(DIR).join(format!("log-{number:010}"))
}

/// Where the last frame of a segment ends, and whether an end mark follows.
fn end_of(bytes: &[u8]) -> (usize, bool) {
    let mark = bytes.windows(4).position(|window| window == b"FKND");
    (mark.unwrap_or(bytes.len()), mark.is_some())
}

fn replay_files(files: &[(PathBuf, Vec<u8>)], start: Start) -> Result<Report, Error> {
    let sim = Sim::new(6);
    files.iter().for_each(|(path, bytes)| sim.put(path, bytes));
    let outcome = replay_from(&sim, options(SyncMode::Always), start).map(|(.., report)| report);
    for (path, bytes) in files {
        assert_eq!(sim.contents(path).as_ref(), Some(bytes), "a replay changed a file");
    }
    outcome
}

#[test]
fn the_death_of_the_process_leaves_a_recycled_segment_without_a_torn_tail() {
    for frames in 0..15 {
        let mut flow = Flow::recycled(SyncMode::Never);
        flow.frames(frames);
        let (_, _, last) = flow.live().pop().unwrap();
        let (end, marked) = end_of(&last);
        assert!(marked && (last.len() - end) as u64 % FRAME_BYTES < 9, "the old frames lie elsewhere");
        flow.sim.kill();
        let report = flow.replay().unwrap();
        assert_eq!((report.last, report.cut), (Lsn(53 + frames), None), "{frames} frames");
    }
}

#[test]
fn damage_in_a_recycled_segment_is_told_from_its_old_bytes() {
    let mut flow = Flow::recycled(SyncMode::Always);
    flow.session.steps.finish();
    let (files, live) = (flow.files(), flow.live());
    let whole = replay_files(&files, flow.start).unwrap();
    assert!(whole.cut.is_none() && live.len() > 2);
    let (mut refused, mut reported, mut old) = (0, 0, 0);
    for (number, path, bytes) in &live {
        let is_last = *number == live.last().unwrap().0;
        let (end, marked) = end_of(bytes);
        let behind_mark = if marked { end + 8 } else { end };
        // The last frame is the mark of the close, which nothing proves.
        let proven = if is_last { end - 56 } else { behind_mark };
        for at in 0..bytes.len() {
            let mut files = files.clone();
            files.iter_mut().find(|file| file.0 == *path).unwrap().1[at] ^= 0x20;
            let outcome = replay_files(&files, flow.start);
            if at < proven {
                assert!(matches!(outcome, Err(Error::Corrupt { .. })), "{number} byte {at}: {outcome:?}");
                refused += 1;
            } else if at < behind_mark {
                assert!(outcome.unwrap().cut.is_some(), "{number} byte {at}");
                reported += 1;
            } else {
                assert_eq!(outcome.unwrap(), whole, "{number} byte {at}");
                old += 1;
            }
        }
    }
    assert!(refused > 1000 && reported == 64 && old > 100, "{refused} {reported} {old}");
}

#[test]
fn an_old_end_mark_hides_no_durable_frame() {
    for mode in [SyncMode::Always, SyncMode::Never] {
        let mut flow = Flow::recycled(mode);
        flow.frames(3);
        let (_, path, before) = flow.live().pop().unwrap();
        flow.frames(3);
        let mut files = flow.files();
        let bytes = &mut files.iter_mut().find(|file| file.0 == path).unwrap().1;
        // The place where a frame begins is again what it was before that frame was written.
        let (mark, marked) = end_of(&before);
        assert!(marked && end_of(bytes).0 == mark + 3 * FRAME_BYTES as usize);
        bytes[mark..mark + 8].copy_from_slice(&before[mark..mark + 8]);
        let outcome = replay_files(&files, flow.start);
        if mode == SyncMode::Always {
            assert!(matches!(outcome, Err(Error::Corrupt { .. })), "{outcome:?}");
        } else {
            let cut = outcome.unwrap().cut.unwrap();
            assert_eq!((cut.offset, cut.reason), (mark as u64, "frames are lost behind an end mark"));
        }
    }
}

#[test]
fn a_replay_begins_where_it_is_told_and_misses_nothing() {
    let mut flow = Flow::new(SyncMode::Always);
    flow.frames(60);
    let first = flow.session.engine.segment_of(Lsn(0));
    assert_eq!((first, flow.session.engine.segment_of(Lsn(1))), (1, 1));
    flow.sim.kill();
    for lsn in 0..=60 {
        let segment = flow.session.engine.segment_of(Lsn(lsn));
        let start = Start { segment, lsn: Lsn(lsn) };
        let mut files = flow.files();
        // What lies before may be there, be missing, or be anything.
        files.retain_mut(|(file, bytes)| {
            let earlier = (1..segment).find(|&number| *file == path(number));
            bytes.truncate(if earlier.is_some() { 7 } else { usize::MAX });
            earlier.is_none_or(|number| number % 2 == 0)
        });
        assert_eq!(replay_files(&files, start).unwrap().last, Lsn(60));
        // A start behind the record that is needed, and a beginning that cannot be read.
        if lsn > 0 {
            let late = replay_files(&flow.files(), Start { segment: segment + 1, ..start });
            assert!(matches!(late, Err(Error::Corrupt { .. })), "{lsn}: {late:?}");
            files.iter_mut().find(|file| file.0 == path(segment)).unwrap().1.truncate(32);
            let damaged = replay_files(&files, start);
            assert!(matches!(damaged, Err(Error::Corrupt { .. })), "{lsn}: {damaged:?}");
        }
    }
}

#[test]
fn spares_are_few_and_gone_after_a_start() {
    let mut flow = Flow::new(SyncMode::Always);
    let files =
        |flow: &Flow| flow.files().iter().filter(|file| file.0.to_string_lossy().contains("/log-")).count();
    flow.frames(5 * 100);
    assert_eq!(files(&flow), 100);
    flow.release();
    assert_eq!(files(&flow), 1 + 16, "the most spares there are");
    flow.frames(5 * 4);
    assert_eq!(files(&flow), 1 + 16, "spares are used before a file is made");
    flow.release();
    assert_eq!(files(&flow), 1 + 4, "as many as were used since the last release");
    flow.session.engine.release_before(u64::MAX).unwrap();
    assert_eq!(files(&flow), 1 + 2, "the fewest spares there are, and the segment being written");

    // A frame too long for a segment makes a long file, which is no spare.
    flow.session.append(1, 1, &[1; 5000]);
    flow.frames(1);
    let long = flow.session.engine.segment_of(flow.session.engine.last_lsn());
    flow.frames(1);
    flow.release();
    assert_eq!(flow.sim.contents(&path(long)), None);
    let lengths: Vec<usize> = flow.files().iter().map(|file| file.1.len()).collect();
    assert!(lengths.iter().all(|&len| len < 2000), "{lengths:?}");

    let (log_bytes, live) = (flow.session.engine.stats().log.log_bytes, flow.live());
    flow.session.engine.close().unwrap();
    let (recovery, ..) = replay_from(&flow.sim, options(SyncMode::Always), flow.start).unwrap();
    let session = Session::start(recovery).unwrap();
    assert_eq!(files(&flow), live.len());
    assert_eq!(session.engine.stats().log.log_bytes, log_bytes);
}

#[test]
fn a_spare_that_someone_has_removed_is_not_missed() {
    let mut flow = Flow::recycled(SyncMode::Always);
    let live = flow.live();
    for number in 1..flow.start.segment {
        flow.sim.take(&path(number));
    }
    flow.frames(20);
    flow.sim.power_loss();
    let report = flow.replay().unwrap();
    assert_eq!(report.last, Lsn(73));
    assert!(!live.is_empty());
}

#[test]
fn spares_are_written_again_on_a_full_disk() {
    let mut flow = Flow::recycled(SyncMode::Always);
    flow.release();
    let used: usize = flow.files().iter().map(|file| file.1.len()).sum();
    // Old frames filled their segments to the last byte, so the end marks need room.
    flow.sim.set_capacity(Some(used as u64 + 2 * 8));
    flow.frames(12);
    assert_eq!(flow.session.engine.status(), Status::Healthy);
}

#[test]
fn a_power_loss_amid_recycling_brings_no_old_record_back() {
    // A name may be old and the contents new, or the other way round, and any sector either.
    let (mut torn, mut whole) = (0, 0);
    for seed in 0..200 {
        let mut random = Random(seed);
        let mut flow = Flow::new(SyncMode::Never);
        for _ in 0..5 {
            flow.frames(random.below(20));
            flow.session.steps.syncer.sync(false);
            flow.release();
            flow.frames(random.below(20));
            let promised = flow.session.engine.durable_lsn()..=flow.session.engine.written_lsn();
            flow.sim.power_loss();
            let (recovery, before, records, report) =
                replay_from(&flow.sim, options(SyncMode::Never), flow.start).unwrap();
            assert!(promised.contains(&report.last), "seed {seed}: {promised:?} {report:?}");
            for (at, record) in records.iter().enumerate() {
                assert_eq!(record.payload, [(before + at) as u8; 96], "seed {seed}");
            }
            *if report.cut.is_some() { &mut torn } else { &mut whole } += 1;
            flow.session = Session::start(recovery).unwrap();
        }
    }
    println!("{torn} torn, {whole} whole");
    assert!(torn > 100 && whole > 100, "{torn} {whole}");
}

/// A sync fails, the process dies, the next one reads a frame that ends with a sector, its end mark in the next sector,
/// and the segment behind it; then the power fails. How many records were served, and how many were kept.
fn serve_what_a_failed_sync_left(seed: u64) -> (u64, u64) {
    let options = Options { segment_bytes: 1030, ..small_options(SyncMode::Always) };
    let sim = Sim::new(seed);
    let mut session = Session::start(replay(&sim, options.clone()).unwrap().0).unwrap();
    let frames = |session: &mut Session, count: u8| {
        for _ in 0..count {
            // A frame of 248 bytes (a length above 127 takes two); four of them and a segment's header fill two sectors.
            let lsn = session.append(1, 1, &[7; 141]);
            while session.engine.written_lsn() < lsn {
                session.steps.writer.step();
            }
        }
    };
    frames(&mut session, 8);
    session.steps.syncer.sync(false);
    let start = Start { segment: session.engine.segment_of(Lsn(8)), lsn: Lsn(8) };
    session.engine.release_before(start.segment).unwrap();
    frames(&mut session, 5);
    sim.fail_at(seed % 3, Errno::EIO);
    session.steps.syncer.sync(false);
    sim.kill();
    let (recovery, .., served) = replay_from(&sim, options.clone(), start).unwrap();
    let _session = Session::start(recovery).unwrap();
    sim.power_loss();
    let (.., kept) = replay_from(&sim, options, start).unwrap();
    (served.last.0, kept.last.0)
}

#[test]
fn the_end_marks_that_a_failed_sync_left_are_written_again_with_their_frames() {
    for seed in 0..100 {
        assert_eq!(serve_what_a_failed_sync_left(seed), (13, 13), "seed {seed}");
    }
}

#[test]
fn releases_go_on_beside_the_threads() {
    let dir = TempDir::new();
    let options =
        Options { segment_bytes: 20_000, flush_interval: Duration::from_micros(100), ..Options::default() };
    let engine = start_threads(&dir.0, options.clone());
    let done = AtomicBool::new(false);
    let mut start = Start::FIRST;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for count in 0..8_000_u64 {
                engine.append(count as usize % 64, Epoch(1), |out| out.put(&[count as u8; 100]));
                while engine.last_lsn().0 - engine.durable_lsn().0 > 100 {
                    std::thread::yield_now();
                }
            }
            done.store(true, Ordering::SeqCst);
        });
        while !done.load(Ordering::SeqCst) {
            let lsn = engine.written_lsn();
            assert!(engine.wait_durable(lsn, Duration::from_secs(10)).unwrap());
            start = Start { segment: engine.segment_of(lsn), lsn };
            engine.release_before(start.segment).unwrap();
        }
    });
    engine.close().unwrap();
    assert!(start.segment > 20, "{start:?}");
    let mut recovery = Engine::recover(Arc::new(Os), &dir.0, options).unwrap();
    let mut next = None;
    let report = recovery
        .replay_from(start, |record| {
            assert_eq!(record.lsn, next.unwrap_or(record.lsn));
            next = Some(record.lsn.next());
            Ok::<(), Error>(())
        })
        .unwrap();
    assert_eq!((report.last, report.durable, report.cut), (Lsn(8_000), Lsn(8_000), None));
}
