//! Runs and their merge: what the families share.

mod fault;
mod format;
mod measure;
mod model;
mod mutate;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use storage::fs::Fs;
use storage::fs::sim::Sim;
use storage::merge::Entries;
use storage::run::{
    BuildOptions, Builder, Compression, Content, Entry, NamespaceId, Position, RunDir, RunId, RunInfo, Span,
};
use storage::{Epoch, Error, Lsn};

use crate::support::{DIR, Random};

pub const DATASET_ID: u64 = 0x1122_3344_5566_7788;
pub const ID: RunId = RunId(0xab);
pub const SPAN: Span = Span { first_epoch: Epoch(3), last_epoch: Epoch(5), max_lsn: Lsn(1000) };
pub const RAW: BuildOptions = BuildOptions { entries_max: 100, compression: Compression::None };
pub const LZ4: BuildOptions = BuildOptions { entries_max: 100, compression: Compression::Lz4 };

/// What a run is to hold.
pub type Model = BTreeMap<(Position, Vec<u8>), Content<Vec<u8>>>;

pub fn runs(fs: impl Fs + 'static) -> RunDir {
    let runs = RunDir::new(Arc::new(fs), Path::new(DIR), DATASET_ID);
    runs.create().unwrap();
    runs
}

pub fn entry<'a>(row: (&'a (Position, Vec<u8>), &'a Content<Vec<u8>>)) -> Entry<'a> {
    let ((position, key), content) = row;
    Entry { position: *position, key, content: content.borrowed() }
}

pub fn build(
    runs: &RunDir,
    id: RunId,
    options: BuildOptions,
    model: &Model,
) -> Result<Option<RunInfo>, Error> {
    let mut builder = runs.build(id, options)?;
    for row in model {
        push(&mut builder, &entry(row))?;
    }
    Ok(builder.finish(SPAN)?.map(|built| *built.run.info()))
}

/// Pushes an entry: one that has more than a few bytes in parts of odd lengths.
fn push(builder: &mut Builder, entry: &Entry<'_>) -> Result<(), Error> {
    let Content::Value { bytes, expiry_ms, due_ms } = entry.content else { return builder.push(entry) };
    let step = match bytes.len() {
        0..180 => return builder.push(entry),
        length @ 180..1000 => length / 3,
        1000..30_000 => 31,
        _ => 40_001,
    };
    let (front, rest) = bytes.split_at(bytes.len() % 100);
    let begun = Entry { content: Content::Value { bytes: front, expiry_ms, due_ms }, ..*entry };
    let length = builder.push_long(&begun, |out| rest.chunks(step).try_for_each(|part| out.put(part)))?;
    assert_eq!(length, bytes.len() as u64);
    Ok(())
}

/// All that a source yields.
pub fn drain(mut source: impl Entries) -> Result<Model, Error> {
    let mut found = Model::new();
    while let Some(entry) = source.entry() {
        let ascends = found.last_key_value().is_none_or(|(last, _)| (last.0, &last.1[..]) < entry.order());
        assert!(ascends, "{} does not ascend", entry.position);
        found.insert((entry.position, entry.key.to_vec()), entry.content.copied());
        source.advance()?;
    }
    Ok(found)
}

/// Random entries: several namespaces, shared positions, tombstones, expiries, empty and big values.
pub fn random_model(random: &mut Random, entries: u64) -> Model {
    // Crowds at a few positions, some shared positions, or none.
    let spread = [4, 1000, u64::MAX][random.below(3) as usize];
    random_model_of(random, entries, spread)
}

/// Random entries with hashes below `spread`.
pub fn random_model_of(random: &mut Random, entries: u64, spread: u64) -> Model {
    let row = |random: &mut Random| {
        let namespace = [0, 1, 1, 1, 9, u32::MAX][random.below(6) as usize];
        let position = Position { namespace: NamespaceId(namespace), hash: random.next() % spread };
        let key = format!("key:{}", random.below(20)).into_bytes();
        let length = match random.below(60) {
            0 if random.one_in(4) => random.below(150_000),
            0 => random.below(30_000),
            1..10 => 0,
            _ => random.below(200),
        };
        let noise = random.one_in(2);
        let bytes = (0..length).map(|i| if noise { random.next() as u8 } else { i as u8 / 16 }).collect();
        let content = match random.below(7) {
            0 => Content::Tombstone,
            1 => Content::Value { bytes, expiry_ms: Some(random.next() >> random.below(64)), due_ms: None },
            2 => {
                let expiry_ms = random.one_in(2).then(|| random.next() >> 1);
                Content::Value { bytes, expiry_ms, due_ms: Some(random.next() >> random.below(64)) }
            }
            _ => Content::Value { bytes, expiry_ms: None, due_ms: None },
        };
        ((position, key[random.below(2) as usize * 4..].to_vec()), content)
    };
    (0..entries).map(|_| row(random)).collect()
}

/// A small run of several blocks and both forms of storing them, and what it holds.
pub fn small_run() -> (Sim, RunDir, Model) {
    let sim = Sim::new(5);
    let runs = runs(sim.clone());
    let mut random = Random(11);
    let mut model = Model::new();
    for i in 0..30_u64 {
        let position = Position { namespace: NamespaceId((i / 20) as u32), hash: i << 58 | i };
        let bytes = match i % 10 {
            3 => (0..300).map(|_| random.next() as u8).collect(),
            7 if i == 17 => vec![7; 70_000],
            7 => vec![7; 9000],
            _ => vec![i as u8; 40],
        };
        let content = match i % 6 {
            0 => Content::Tombstone,
            1 => Content::Value { bytes, expiry_ms: Some(1000 + i), due_ms: None },
            _ => Content::Value { bytes, expiry_ms: None, due_ms: None },
        };
        model.insert((position, format!("key:{i}").into_bytes()), content);
    }
    build(&runs, ID, LZ4, &model).unwrap();
    (sim, runs, model)
}
