//! Hostile bytes: a run that was flipped or cut is refused by the read that meets the damage. It never panics and never
//! yields an entry that was not put in.

use std::path::Path;
use std::sync::Arc;

use storage::Error;
use storage::fs::sim::Sim;
use storage::merge::Source;
use storage::run::{Content, NamespaceId, Position, Run, RunDir, RunId};

use super::{ID, LZ4, Model, SPAN, build, drain, runs, small_run};
use crate::support::{DIR, Random};

fn kept() -> (Vec<u8>, Model) {
    let (sim, runs, model) = small_run();
    (sim.contents(&runs.path(ID)).unwrap(), model)
}

fn with(bytes: &[u8]) -> (Sim, RunDir) {
    let sim = Sim::new(6);
    let runs = runs(sim.clone());
    sim.put(&runs.path(ID), bytes);
    (sim, runs)
}

fn is_corrupt<T>(result: Result<T, Error>, what: &str) -> bool {
    match result {
        Ok(_) => false,
        Err(Error::Corrupt { .. }) => true,
        Err(other) => panic!("{what}: {other}"),
    }
}

/// Reads everything there is to read; whether damage was met. What was read before must be right.
fn meets_damage(bytes: &[u8], model: &Model, what: &str) -> bool {
    let (_, runs) = with(bytes);
    let run = match runs.open_run(ID) {
        Ok(run) => run,
        Err(Error::Corrupt { .. }) => return true,
        Err(other) => panic!("{what}: {other}"),
    };
    let mut met = is_corrupt(run.load_filter(), what);
    for ((position, key), content) in model {
        match run.get(*position, key) {
            Ok(found) => assert_eq!(found.as_ref(), Some(content), "{what}: a wrong entry"),
            error => met |= is_corrupt(error, what),
        }
    }
    match drain_from_start(&run) {
        Ok(found) => assert!(found == *model, "{what}: a scan"),
        error => met |= is_corrupt(error, what),
    }
    match copy(&run) {
        Ok(found) => assert!(found == *model, "{what}: a copy"),
        error => met |= is_corrupt(error, what),
    }
    assert_eq!(is_corrupt(run.verify(), what), met, "{what}: verify");
    met
}

fn drain_from_start(run: &Arc<Run>) -> Result<Model, Error> {
    drain(run.scan(Position::MIN)?)
}

/// What a merge of this run alone would make of it.
fn copy(run: &Arc<Run>) -> Result<Model, Error> {
    let to = runs(Sim::new(7));
    let mut builder = to.build(ID, LZ4)?;
    let mut stream = run.stream(Position::MIN..=Position::MAX, |_| Ok(()))?;
    while stream.head().is_some() {
        stream.copy_to(&mut builder)?;
        stream.advance()?;
    }
    drain_from_start(&builder.finish(SPAN)?.unwrap().run)
}

#[test]
fn any_flipped_byte_is_met() {
    let (bytes, model) = kept();
    assert!(!meets_damage(&bytes, &model, "unchanged"));
    assert!(bytes.len() < 4000, "{}", bytes.len());
    for at in 0..bytes.len() {
        let mut bytes = bytes.clone();
        bytes[at] ^= 1 << (at % 8);
        let what = format!("byte {at}");
        assert!(meets_damage(&bytes, &model, &what), "{what} was not noticed");
    }
}

#[test]
fn damage_of_a_long_value_is_met_wherever_it_is() {
    let mut random = Random(4);
    let noise: Vec<u8> = (0..300_000).map(|_| random.next() as u8).collect();
    let position = Position { namespace: NamespaceId(0), hash: 9 };
    let content = Content::Value { bytes: noise, expiry_ms: None, due_ms: None };
    let model = Model::from([((position, b"long".to_vec()), content)]);
    let sim = Sim::new(5);
    build(&runs(sim.clone()), ID, LZ4, &model).unwrap();
    let bytes = sim.contents(&runs(sim.clone()).path(ID)).unwrap();
    assert!(!meets_damage(&bytes, &model, "unchanged"));
    let piece = 8 + (32 << 10);
    // The header, those of the first two pieces, and what follows the last one.
    let block_end = with(&bytes).1.open_run(ID).unwrap().block(0).length as usize;
    let places = (0..14).chain(4 + piece..14 + piece).chain(block_end - 40..block_end);
    for at in places.chain((0..40).map(|_| random.below(block_end as u64) as usize)) {
        for flip in [1, 0x80] {
            let mut bytes = bytes.clone();
            bytes[at] ^= flip;
            assert!(meets_damage(&bytes, &model, "flipped"), "byte {at} was not noticed");
        }
    }
}

#[test]
fn any_cut_is_met_and_so_are_bytes_behind_the_end() {
    let (bytes, model) = kept();
    for end in 0..bytes.len() {
        assert!(meets_damage(&bytes[..end], &model, "cut"), "a cut at {end} was not noticed");
    }
    for more in [&[0][..], &[0; 512], &bytes] {
        let longer = [&bytes, more].concat();
        assert!(meets_damage(&longer, &model, "longer"), "{} more bytes were not noticed", more.len());
    }
}

#[test]
fn a_block_in_another_blocks_place_does_not_pass() {
    let (bytes, model) = kept();
    let (_, runs) = with(&bytes);
    let run = runs.open_run(ID).unwrap();
    let blocks: Vec<_> = (0..run.blocks()).map(|number| run.block(number)).collect();
    let stored = |i: usize| &bytes[blocks[i].offset as usize..][..blocks[i].length as usize];
    let mut tried = 0;
    for (i, from) in blocks.iter().enumerate() {
        for to in blocks.iter().filter(|to| to.length == from.length && to.offset != from.offset) {
            let mut bytes = bytes.clone();
            bytes[to.offset as usize..][..to.length as usize].copy_from_slice(stored(i));
            assert!(meets_damage(&bytes, &model, "moved"), "block {i} at {}", to.offset);
            tried += 1;
        }
    }
    assert!(tried > 0, "no two blocks are of one length");
}

#[test]
fn a_run_under_another_name_or_of_another_dataset_is_refused() {
    let (bytes, _) = kept();
    let (sim, runs) = with(&bytes);
    let renamed = RunId(0xac);
    sim.put(&runs.path(renamed), &bytes);
    let error = runs.open_run(renamed).err().unwrap().to_string();
    assert!(error.contains("it is run 00000000000000ab under another name"), "{error}");
    let foreign = RunDir::new(Arc::new(sim), Path::new(DIR), 1);
    let error = foreign.open_run(ID).err().unwrap().to_string();
    assert!(error.contains("another dataset"), "{error}");
}

#[test]
fn random_damage_never_yields_a_wrong_entry() {
    let (whole, model) = kept();
    for seed in 0..300 {
        let mut random = Random(seed);
        let mut bytes = whole.clone();
        for _ in 0..1 + random.below(4) {
            let start = random.below(bytes.len() as u64) as usize;
            let length = (1 + random.below(64) as usize).min(bytes.len() - start);
            bytes[start..start + length].iter_mut().for_each(|byte| *byte = !*byte);
        }
        // Two changes of the same bytes may undo each other.
        let changed = bytes != whole;
        assert_eq!(meets_damage(&bytes, &model, &format!("seed {seed}")), changed, "seed {seed}");
    }
}
