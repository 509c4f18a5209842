//! Hostile bytes: a log that was flipped, cut, shuffled or made up is refused, or cut off and reported. It never
//! panics and never yields a record that was not appended.

use std::path::{Path, PathBuf};

use storage::fs::sim::Sim;
use storage::recovery::Report;
use storage::{Error, Lsn, SyncMode};

use crate::support::{DIR, Random, Record, Session, replay, small_options};

/// A closed log of several frames and segments: its files and its records. The manifest is left out, as in a directory
/// from before there was one: its own mutations are in `manifest`.
fn dataset(mode: SyncMode) -> (Vec<(PathBuf, Vec<u8>)>, Vec<Record>) {
    let sim = Sim::new(5);
    let mut session = Session::open(&sim, mode);
    let mut random = Random(9);
    for round in 0..14 {
        for _ in 0..1 + random.below(4) {
            let payload = vec![round as u8; random.below(200) as usize];
            session.append(random.below(64) as usize, 1 + round / 3, &payload);
        }
        session.steps.writer.step();
        if mode == SyncMode::Always {
            session.steps.syncer.sync(false);
        }
    }
    if mode == SyncMode::Always {
        session.steps.finish();
    }
    let files: Vec<_> =
        sim.paths().into_iter().map(|path| (path.clone(), sim.contents(&path).unwrap())).collect();
    let is_log = |path: &Path| path.ends_with("IDENTITY") || path.to_string_lossy().contains("/log-");
    let files: Vec<_> = files.into_iter().filter(|(path, _)| is_log(path)).collect();
    sim.kill();
    let (_, records, _) = replay(&sim, small_options(mode)).unwrap();
    assert!(files.len() > 2, "the dataset is to have several segments");
    (files, records)
}

fn open(files: &[(PathBuf, Vec<u8>)]) -> Result<(Vec<Record>, Report), Error> {
    let sim = Sim::new(6);
    for (path, bytes) in files {
        sim.put(path, bytes);
    }
    let (recovery, records, report) = replay(&sim, small_options(SyncMode::Always))?;
    let session = Session::start(recovery)?;
    // A log that opens can be appended to, and then reads well.
    session.append(1, 1000, b"after");
    let Session { engine, mut steps, .. } = session;
    steps.finish();
    engine.close()?;
    let (_, again, clean) = replay(&sim, small_options(SyncMode::Always))?;
    assert_eq!(again[..records.len()], records);
    assert_eq!(again.len(), records.len() + 1);
    assert_eq!(clean.cut, None);
    Ok((records, report))
}

/// Opens changed files: an error, or a prefix. Whether anything was noticed.
fn noticed(files: &[(PathBuf, Vec<u8>)], expected: &[Record], what: &str) -> bool {
    match open(files) {
        Err(Error::Corrupt { .. }) => true,
        Err(other) => panic!("{what}: {other}"),
        Ok((records, report)) => {
            assert_eq!(records[..], expected[..records.len()], "{what}: a wrong record");
            report.cut.is_some()
        }
    }
}

#[test]
fn any_flipped_byte_is_noticed() {
    for mode in [SyncMode::Always, SyncMode::Never] {
        let (files, records) = dataset(mode);
        for file in 0..files.len() {
            for at in 0..files[file].1.len() {
                let mut files = files.clone();
                files[file].1[at] ^= 1 << (at % 8);
                let what = format!("{} byte {at}", files[file].0.display());
                assert!(noticed(&files, &records, &what), "{what} was not noticed");
            }
        }
    }
}

#[test]
fn damage_to_durable_records_refuses_to_start_and_changes_nothing() {
    let (files, records) = dataset(SyncMode::Always);
    for file in 1..files.len() {
        // The last frame is the mark of the close; everything before it is known to be durable.
        let end = files[file].1.len() - if file + 1 == files.len() { 56 } else { 0 };
        for at in 0..end {
            let mut files = files.clone();
            files[file].1[at] ^= 0x80;
            let sim = Sim::new(6);
            files.iter().for_each(|(path, bytes)| sim.put(path, bytes));
            let error = replay(&sim, small_options(SyncMode::Always)).err();
            assert!(matches!(error, Some(Error::Corrupt { .. })), "{} byte {at}", files[file].0.display());
            for (path, bytes) in &files {
                assert_eq!(sim.contents(path).as_ref(), Some(bytes), "a refused start changed a file");
            }
        }
    }
    assert!(!records.is_empty());
}

#[test]
fn a_log_cut_anywhere_is_a_prefix_or_refused() {
    for mode in [SyncMode::Always, SyncMode::Never] {
        let (files, records) = dataset(mode);
        let (mut quiet, mut loud) = (0, 0);
        for file in 0..files.len() {
            for len in 0..files[file].1.len() {
                let mut files = files.clone();
                files[file].1.truncate(len);
                match noticed(&files, &records, &format!("{} cut to {len}", files[file].0.display())) {
                    true => loud += 1,
                    // Cut between two frames of the last segment: nothing tells that there was more.
                    false => quiet += 1,
                }
            }
        }
        assert!(quiet < 15 && loud > 1000, "{mode:?}: {quiet} cuts unnoticed, {loud} noticed");
    }
}

#[test]
fn missing_swapped_and_foreign_segments_are_noticed() {
    let (files, records) = dataset(SyncMode::Always);
    for missing in 0..files.len() - 1 {
        let mut files = files.clone();
        files.remove(missing);
        assert!(noticed(&files, &records, "a missing file"), "{missing}");
    }
    let mut swapped = files.clone();
    let second = swapped[2].1.clone();
    swapped[2].1 = std::mem::replace(&mut swapped[1].1, second);
    assert!(noticed(&swapped, &records, "swapped segments"));

    // Another dataset's IDENTITY must not make this log look like one big torn tail.
    let other = Sim::new(8);
    Session::open(&other, SyncMode::Always).engine.close().unwrap();
    let mut foreign = files.clone();
    foreign[0].1 = other.contents(&foreign[0].0).unwrap();
    let error = open(&foreign).unwrap_err().to_string();
    assert!(error.contains("another dataset"), "{error}");

    let mut extra = files;
    extra.push((Path::new(DIR).join("notes.txt"), b"keep me".to_vec()));
    let (found, report) = open(&extra).unwrap();
    assert_eq!((found.len(), report.cut), (records.len(), None));
}

#[test]
fn garbage_behind_the_log_is_cut_off_and_reported() {
    let (files, records) = dataset(SyncMode::Always);
    let mut random = Random(11);
    for round in 0..300 {
        let mut files = files.clone();
        let mut garbage: Vec<u8> = (0..1 + random.below(3000)).map(|_| random.next() as u8).collect();
        match round % 3 {
            0 => garbage.fill(0),
            // Beginnings of frames, as a client could have stored them.
            1 => garbage.chunks_exact_mut(8).for_each(|chunk| chunk[..4].copy_from_slice(b"FKFR")),
            _ => {}
        }
        let last = files.last_mut().unwrap();
        last.1.extend_from_slice(&garbage);
        let (found, report) = open(&files).unwrap();
        assert_eq!(found, records);
        let cut = report.cut.expect("garbage was not reported");
        assert_eq!(cut.bytes, garbage.len() as u64);
        assert_eq!(report.durable, Lsn(records.len() as u64));
    }
}

#[test]
fn a_frame_that_was_cut_off_cannot_follow_a_new_frame_of_the_same_shape() {
    let fresh = Sim::new(1);
    Session::open(&fresh, SyncMode::Never);
    let segment = Path::new(DIR).join("log-0000000001");
    let write = |payloads: &[&[u8]]| {
        let sim = Sim::new(1);
        fresh.paths().iter().for_each(|path| sim.put(path, &fresh.contents(path).unwrap()));
        let mut session = Session::open(&sim, SyncMode::Never);
        for payload in payloads {
            session.append(1, 1, payload);
            session.steps.writer.step();
        }
        (sim.contents(&segment).unwrap(), sim)
    };
    let (cut_off, _) = write(&[b"lost", b"ghost"]);
    let (mut bytes, sim) = write(&[b"new!"]);
    sim.kill();
    bytes.extend_from_slice(&cut_off[bytes.len()..]);
    sim.put(&segment, &bytes);
    let (_, records, report) = replay(&sim, small_options(SyncMode::Never)).unwrap();
    assert_eq!(records.iter().map(|record| &record.payload[..]).collect::<Vec<_>>(), [b"new!"]);
    assert_eq!(report.cut.unwrap().reason, "a frame does not continue the one before it");
}

#[test]
fn a_frame_replayed_at_another_place_does_not_pass() {
    let (files, records) = dataset(SyncMode::Always);
    let last = files.last().unwrap().1.clone();
    for from in (0..last.len()).step_by(7) {
        let mut files = files.clone();
        files.last_mut().unwrap().1.extend_from_slice(&last[from..]);
        let (found, report) = open(&files).unwrap();
        assert_eq!(found, records);
        assert!(report.cut.is_some());
    }
}
