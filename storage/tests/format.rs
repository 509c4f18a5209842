//! The bytes on disk, kept: a change here is a new format version.

use std::path::{Path, PathBuf};

use storage::fs::sim::Sim;
use storage::recovery::RecordRef;
use storage::{Epoch, Error, Lsn, SyncMode};

use crate::support::{DIR, Session, replay, small_options};

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

fn segment_path() -> PathBuf {
    Path::new(DIR).join("log-0000000001")
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
    let written = sim.contents(&segment_path()).unwrap();
    let text: Vec<String> =
        written.chunks(32).map(|line| line.iter().map(|b| format!("{b:02x}")).collect()).collect();
    assert_eq!(written, hex(SEGMENT), "\n{}", text.join("\n"));
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
