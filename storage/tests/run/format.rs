//! The bytes of a run, kept: a change here is a new format version.

use storage::fs::sim::Sim;
use storage::run::{Content, NamespaceId, Position};

use super::{ID, Model, RAW, build, drain, runs};

/// Two namespaces, a block each: a value, one that expires and a tombstone at one position; an empty key and value.
const STORED: &str = "
    0000000014616c7068616f6e651280d095ffbc316265746174776f1567616d6d
    610000000000000000dfcdab9078563412dfcdab907856341209171d10000000
    00000000000000000300000008010000c60a4ffa0000000000011032547698ba
    dcfe0700000001000000000100005049bf130000100000000000000000000000
    0000000000000000100120100000000000400000000800020002000000020000
    0014000000000080003201000000010000000000000000000000100000000000
    000000000000000000000068e5cf8b01000007000000000000001032547698ba
    dcfe5400000000000000ffffffffffffffff464b524e7cb12cd4020000009c2f
    07cf3e7bc238cc26b21d8877665544332211ab00000000000000040000000000
    000001000000000000000e000000000000000600000000000000020000000000
    00007200000000000000b2000000000000000000000007000000100000000000
    00001032547698badcfe03000000000000000500000000000000e80300000000
    00000068e5cf8b01000000000000000000000000000000000000
";

/// One block, compressed: `abcabcab` fifteen times. Compressors differ, so it is only read.
const COMPRESSED: &str = "
    930000009114616c70686161626303000f08005d367e10000100800100000000
    010000b4c4707800000000000000000000000000000000000000000000000000
    0000000000004000000000000200000000000200000000000000000000001200
    00000001000000000000000000000010000000000000000000000000000000ff
    ffffffffffffff464b524ee17a048002000000375d560c099ef2b6d281610388
    77665544332211ab000000000000000100000000000000000000000000000005
    0000000000000078000000000000000100000000000000270000000000000067
    0000000000000000000000000000001000000000000000100000000000000003
    000000000000000500000000000000e803000000000000ffffffffffffffff00
    000000000000000000000000000000
";

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn value(bytes: &[u8], expiry_ms: Option<u64>) -> Content<Vec<u8>> {
    Content::Value { bytes: bytes.to_vec(), expiry_ms, due_ms: None }
}

fn model() -> Model {
    let row = |namespace, hash, key: &[u8], content| {
        ((Position { namespace: NamespaceId(namespace), hash }, key.to_vec()), content)
    };
    Model::from([
        row(0, 0x10, b"alpha", value(b"one", None)),
        row(0, 0x1234_5678_90ab_cdef, b"beta", value(b"two", Some(1_700_000_000_000))),
        row(0, 0x1234_5678_90ab_cdef, b"gamma", Content::Tombstone),
        row(7, 0xfedc_ba98_7654_3210, b"", value(b"", None)),
    ])
}

fn read(bytes: &[u8]) -> Model {
    let sim = Sim::new(1);
    let runs = runs(sim.clone());
    sim.put(&runs.path(ID), bytes);
    let run = runs.open_run(ID).unwrap();
    run.verify().unwrap();
    drain(run.scan(Position::MIN).unwrap()).unwrap()
}

#[test]
fn a_run_is_written_as_it_always_was() {
    let sim = Sim::new(1);
    let runs = runs(sim.clone());
    build(&runs, ID, RAW, &model()).unwrap();
    let written = sim.contents(&runs.path(ID)).unwrap();
    let text: Vec<String> =
        written.chunks(32).map(|line| line.iter().map(|b| format!("{b:02x}")).collect()).collect();
    assert_eq!(written, hex(STORED), "\n{}", text.join("\n"));
}

#[test]
fn kept_runs_are_read() {
    assert_eq!(read(&hex(STORED)), model());
    let position = Position { namespace: NamespaceId(0), hash: 0x10 };
    let compressed = Model::from([((position, b"alpha".to_vec()), value(&b"abcabcab".repeat(15), None))]);
    assert_eq!(read(&hex(COMPRESSED)), compressed);
}
