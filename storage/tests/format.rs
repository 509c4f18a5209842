//! The bytes on disk, kept: a change here is a new format version.

use std::path::{Path, PathBuf};

use storage::fs::sim::Sim;
use storage::recovery::{RecordRef, Start};
use storage::{Epoch, Error, Lsn, Options, SyncMode};

use crate::support::{DIR, Session, replay, replay_from, small_options};

/// Dataset id 0x1122334455667788, the secret all 0xAB.
fn identity() -> Vec<u8> {
    let mut bytes = hex("464b4944 99999999 0100 000000000000 8877665544332211");
    bytes.extend_from_slice(&[0xab; 192]);
    let crc = crc32fast::hash(&bytes[8..]);
    bytes[4..8].copy_from_slice(&crc.to_le_bytes());
    bytes
}

/// The first segment with one frame of three records and a mark.
const SEGMENT: &str = "
    464b5347448e062a010000000000000088776655443322110100000000000000
    464b4652a385461e7dcf16c90000000001000200000000007300000000000000
    0100000000000000030000000000000000000000000000000300000000000000
    0000000000000000010000000000000002000000000000000500000000000000
    0c000000000000003f0000000000000001000000000000000100000000000000
    0100000000000000020000000000000000000000000000000207050305534554
    2061203144454c20610200464b465272369ec900000000a385461e0100000000
    0000000000000000000000040000000000000003000000000000000300000000
    000000
";

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// The third segment, which was the first one before: one frame, an end mark, and bytes of the first one's frame.
const RECYCLED: &str = "
    464b5347f6abdbed010000000000000088776655443322110300000000000000
    464b4652b616962d7558e82bfee4345101000100000000003700000000000000
    0300000000000000030000000000000002000000000000000300000000000000
    0200000000000000010000000000000001000000000000000200000000000000
    0500000000000000020544454c2061464b4e44074f4f24383930313233343536
    37383930
";

fn segment_path() -> PathBuf {
    Path::new(DIR).join("log-0000000001")
}

fn assert_bytes(path: &Path, sim: &Sim, expected: &str) {
    let written = sim.contents(path).unwrap();
    let text: Vec<String> =
        written.chunks(32).map(|line| line.iter().map(|b| format!("{b:02x}")).collect()).collect();
    assert_eq!(written, hex(expected), "\n{}", text.join("\n"));
}

#[test]
fn a_log_is_written_as_it_always_was() {
    let sim = Sim::new(1);
    sim.put(&Path::new(DIR).join("IDENTITY"), &identity());
    sim.put(&segment_path(), &hex(SEGMENT)[..32]);
    let mut session = Session::open(&sim, SyncMode::Always);
    session.append(3, 1, b"SET a 1");
    session.append(63, 1, b"");
    session.append(3, 4, b"DEL a");
    session.steps.finish();
    assert_bytes(&segment_path(), &sim, SEGMENT);
}

#[test]
fn a_recycled_segment_is_written_as_it_always_was_and_read() {
    let sim = Sim::new(1);
    sim.put(&Path::new(DIR).join("IDENTITY"), &identity());
    sim.put(&segment_path(), &hex(SEGMENT)[..32]);
    let options = Options { segment_bytes: 180, ..small_options(SyncMode::Always) };
    let mut session = Session::start(replay(&sim, options).unwrap().0).unwrap();
    for payload in ["SET a 12345678901234567890", "SET b 2", "DEL a"] {
        let lsn = session.append(3, 1, payload.as_bytes());
        session.steps.writer.step();
        session.steps.syncer.sync(false);
        session.engine.release_before(session.engine.segment_of(lsn)).unwrap();
    }
    assert_eq!(sim.contents(&segment_path()), None);
    assert_bytes(&Path::new(DIR).join("log-0000000003"), &sim, RECYCLED);
    sim.kill();
    let start = Start { segment: 3, lsn: Lsn(3) };
    let (_, before, records, report) = replay_from(&sim, small_options(SyncMode::Always), start).unwrap();
    assert_eq!((before, records[0].payload.as_slice(), report.cut), (2, &b"DEL a"[..], None));
}

#[test]
fn a_kept_log_is_read() {
    let sim = Sim::new(1);
    sim.put(&Path::new(DIR).join("IDENTITY"), &identity());
    sim.put(&segment_path(), &hex(SEGMENT));
    let (mut recovery, _, report) = replay(&sim, small_options(SyncMode::Always)).unwrap();
    assert_eq!(recovery.identity().dataset_id, 0x1122_3344_5566_7788);
    assert_eq!(recovery.identity().hash_secret, [0xab; 192]);
    assert_eq!((report.durable, report.last, report.cut), (Lsn(3), Lsn(3), None));
    let mut found = Vec::new();
    recovery
        .replay(|record: RecordRef<'_>| {
            found.push((record.lsn.0, record.epoch, record.shard, record.payload.to_vec()));
            Ok::<(), Error>(())
        })
        .unwrap();
    let expected = [
        (1, Epoch(1), 3, b"SET a 1".to_vec()),
        (2, Epoch(1), 63, Vec::new()),
        (3, Epoch(4), 3, b"DEL a".to_vec()),
    ];
    assert_eq!(found, expected);
}
