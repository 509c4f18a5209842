//! Random runs against a `BTreeMap`: lookups, scans, blocks, merges.

use std::collections::BTreeSet;
use std::sync::Arc;

use storage::Error;
use storage::fs::os::Os;
use storage::fs::sim::Sim;
use storage::merge::{Entries, KEEP_ALL, Merge, Retention, Source};
use storage::run::{BuildOptions, Compression, Content, NamespaceId, Position, RunDir, RunId, Stream};

use super::{DATASET_ID, ID, LZ4, Model, RAW, SPAN, build, drain, random_model, random_model_of, runs};
use crate::support::Random;
use crate::threads::TempDir;

fn positions(random: &mut Random, model: &Model) -> Vec<Position> {
    let mut positions: Vec<_> = model.keys().map(|(position, _)| *position).collect();
    for i in 0..positions.len() {
        let Position { namespace, hash } = positions[i];
        positions.push(Position { namespace, hash: hash.wrapping_add(1) });
        positions.push(Position { namespace: NamespaceId(namespace.0.wrapping_sub(1)), hash });
    }
    positions.push(Position { namespace: NamespaceId(5), hash: random.next() });
    positions
}

#[test]
fn a_run_holds_what_was_put_into_it_and_nothing_else() {
    for seed in 0..60 {
        let mut random = Random(seed);
        let runs = runs(Sim::new(seed));
        let entries = 1 + random.below(700);
        let model = random_model(&mut random, entries);
        let compression = if random.one_in(2) { Compression::None } else { Compression::Lz4 };
        let options = BuildOptions { entries_max: random.below(2000), compression };
        let info = build(&runs, ID, options, &model).unwrap().unwrap();
        let run = runs.open_run(ID).unwrap();

        assert_eq!(*run.info(), info, "seed {seed}");
        assert_eq!(info.entries, model.len() as u64);
        assert_eq!(info.tombstones, model.values().filter(|content| content.is_tombstone()).count() as u64);
        assert_eq!(info.key_bytes, model.keys().map(|(_, key)| key.len() as u64).sum::<u64>());
        assert_eq!(Some(info.first), model.keys().next().map(|key| key.0));
        assert_eq!(Some(info.last), model.keys().next_back().map(|key| key.0));
        assert_eq!(info.least_expiry_ms, model.values().filter_map(Content::wakes_ms).min());
        assert_eq!(info.span, SPAN);

        assert!(drain(run.scan(Position::MIN).unwrap()).unwrap() == model, "seed {seed}: a scan");
        if random.one_in(2) {
            run.load_filter().unwrap();
            assert!(run.memory_bytes() > 24 * info.blocks);
        }
        for position in positions(&mut random, &model) {
            for key in [&b"key:7"[..], b"7", b""] {
                let expected = model.get(&(position, key.to_vec()));
                assert_eq!(run.get(position, key).unwrap().as_ref(), expected, "seed {seed}: {position}");
            }
        }
        for ((position, key), content) in &model {
            assert_eq!(run.get(*position, key).unwrap().as_ref(), Some(content), "seed {seed}: {position}");
        }
        run.verify().unwrap();
    }
}

#[test]
fn a_scan_begins_at_or_behind_where_it_is_told_to() {
    for seed in 100..120 {
        let mut random = Random(seed);
        let runs = runs(Sim::new(seed));
        let model = random_model(&mut random, 300);
        build(&runs, ID, LZ4, &model).unwrap();
        let run = runs.open_run(ID).unwrap();
        let mut sought = run.scan(Position::MIN).unwrap();
        let mut furthest = Position::MIN;
        let positions = positions(&mut random, &model);
        for _ in 0..60 {
            let from = positions[random.below(positions.len() as u64) as usize];
            let expected: Model = model
                .range((from, Vec::new())..)
                .map(|(key, content)| (key.clone(), content.clone()))
                .collect();
            assert!(drain(run.scan(from).unwrap()).unwrap() == expected, "seed {seed}: from {from}");

            furthest = furthest.max(from);
            sought.seek(from).unwrap();
            let next = model.range((furthest, Vec::new())..).next().map(|(key, _)| key.0);
            assert_eq!(sought.entry().map(|entry| entry.position), next, "seed {seed}: {from}");
        }
    }
}

#[test]
fn a_position_lies_in_the_one_block_that_is_found_for_it() {
    let mut random = Random(7);
    let runs = runs(Sim::new(7));
    let model = random_model_of(&mut random, 4000, 3000);
    build(&runs, ID, RAW, &model).unwrap();
    let run = runs.open_run(ID).unwrap();
    assert!(run.blocks() > 20, "{}", run.blocks());
    let mut seen = BTreeSet::new();
    for number in 0..run.blocks() {
        let place = run.block(number);
        let block = run.read_block(&place).unwrap();
        assert_eq!(place.least_expiry_ms, block.entries().filter_map(|e| e.content.wakes_ms()).min());
        for position in block.entries().map(|entry| entry.position).collect::<BTreeSet<_>>() {
            assert!(seen.insert(position), "{position} lies in two blocks");
            assert_eq!(run.find(position), Some(place));
        }
    }
}

#[test]
fn big_values_make_big_blocks() {
    let sim = Sim::new(1);
    let runs = runs(sim);
    let big =
        |byte: u8, length: usize| Content::Value { bytes: vec![byte; length], expiry_ms: None, due_ms: None };
    let mut random = Random(1);
    let noise: Vec<u8> = (0..3_000_000).map(|_| random.next() as u8).collect();
    let model: Model = [
        (0, big(1, 10)),
        (1, big(2, 3_000_000)),
        (2, big(3, 10)),
        (3, big(4, 17 << 20)),
        (4, Content::Value { bytes: noise, expiry_ms: None, due_ms: None }),
    ]
    .into_iter()
    .map(|(hash, content)| ((Position { namespace: NamespaceId(0), hash }, b"key".to_vec()), content))
    .collect();
    let info = build(&runs, ID, LZ4, &model).unwrap().unwrap();
    assert_eq!(info.blocks, 5);
    let run = runs.open_run(ID).unwrap();
    let length = |number| run.block(number).length;
    assert!(length(1) < 30_000 && length(3) < 180_000, "equal bytes are compressed, however many there are");
    assert!((3_000_000..3_001_000).contains(&length(4)), "noise is stored as it is");
    assert!(drain(run.scan(Position::MIN).unwrap()).unwrap() == model);
    run.verify().unwrap();
}

#[test]
fn the_newest_run_decides_and_dead_entries_are_dropped() {
    for seed in 200..230 {
        let mut random = Random(seed);
        let runs = runs(Sim::new(seed));
        let mut expected = Model::new();
        let mut open = Vec::new();
        for id in 0..1 + random.below(6) {
            let entries = 1 + random.below(400);
            let model = random_model(&mut random, entries);
            build(&runs, RunId(id), LZ4, &model).unwrap();
            expected.extend(model);
            open.insert(0, runs.open_run(RunId(id)).unwrap());
        }
        let scans = || open.iter().map(|run| run.scan(Position::MIN).unwrap()).collect::<Vec<_>>();
        assert!(drain(Merge::new(scans(), KEEP_ALL).unwrap()).unwrap() == expected, "seed {seed}");

        let retention = Retention { tombstones: false, is_live: |namespace| namespace != NamespaceId(1) };
        let compacted = drain(Merge::new(scans(), retention).unwrap()).unwrap();
        expected
            .retain(|(position, _), content| position.namespace != NamespaceId(1) && !content.is_tombstone());
        assert!(compacted == expected, "seed {seed}");
    }
}

/// Writes what is left of a merge as a job does.
fn write(
    mut merge: Merge<Stream<impl FnMut(u64) -> Result<(), Error>>, impl Fn(NamespaceId) -> bool>,
    options: BuildOptions,
) -> Model {
    let mut builder = runs(Sim::new(1)).build(ID, options).unwrap();
    while merge.head().is_some() {
        merge.current().unwrap().copy_to(&mut builder).unwrap();
        merge.advance().unwrap();
    }
    let Some(built) = builder.finish(SPAN).unwrap() else { return Model::new() };
    built.run.verify().unwrap();
    drain(built.run.scan(Position::MIN).unwrap()).unwrap()
}

/// Random entries with some long values among them, some of which have a position for themselves.
fn random_model_with_long(random: &mut Random, entries: u64) -> Model {
    let mut model = random_model(random, entries);
    for _ in 0..random.below(5) {
        let namespace = NamespaceId([0, 1, u32::MAX][random.below(3) as usize]);
        let hash = [0, 3, 77, u64::MAX][random.below(4) as usize];
        let length = [65_400, 65_600, 98_304, 130_000][random.below(4) as usize] + random.below(200);
        let noise = random.one_in(2);
        let bytes = (0..length).map(|i| if noise { random.next() as u8 } else { (i >> 9) as u8 }).collect();
        let (expiry_ms, due_ms) = (random.one_in(2).then_some(5), random.one_in(2).then_some(1 << 40));
        let content = Content::Value { bytes, expiry_ms, due_ms };
        let key = vec![b'k'; [1, 100, 40_000][random.below(3) as usize]];
        let content = if random.one_in(4) { Content::Tombstone } else { content };
        model.insert((Position { namespace, hash }, key), content);
    }
    model
}

#[test]
fn what_streams_copy_is_what_scans_find() {
    for seed in 300..340 {
        let mut random = Random(seed);
        let runs = runs(Sim::new(seed));
        let (mut expected, mut open) = (Model::new(), Vec::new());
        for id in 0..1 + random.below(4) {
            let entries = 1 + random.below(100);
            let model = random_model_with_long(&mut random, entries);
            build(&runs, RunId(id), if random.one_in(2) { LZ4 } else { RAW }, &model).unwrap();
            expected.extend(model);
            open.insert(0, runs.open_run(RunId(id)).unwrap());
        }
        let some = positions(&mut random, &expected);
        for drops in [false, true] {
            let mut ends = [0, 1].map(|_| some[random.below(some.len() as u64) as usize]);
            ends.sort_unstable();
            let [first, last] = if random.one_in(2) { ends } else { [Position::MIN, Position::MAX] };
            let streams = open.iter().map(|run| run.stream(first..=last, |_| Ok(())).unwrap()).collect();
            let retention =
                Retention { tombstones: !drops, is_live: |namespace| !drops || namespace != NamespaceId(1) };
            let options = if random.one_in(2) { LZ4 } else { RAW };
            let found = write(Merge::new(streams, retention).unwrap(), options);
            let mut expected = expected.clone();
            expected.retain(|(position, _), content| {
                let goes = drops && (position.namespace == NamespaceId(1) || content.is_tombstone());
                (first..=last).contains(position) && !goes
            });
            assert!(found == expected, "seed {seed}: {first} to {last}, {drops}");
        }
        let mut stream = open[0].stream(Position::MIN..=Position::MAX, |_| Ok(())).unwrap();
        let mut scan = open[0].scan(Position::MIN).unwrap();
        for _ in 0..20 {
            let to = some[random.below(some.len() as u64) as usize];
            stream.seek(to).unwrap();
            scan.seek(to).unwrap();
            assert_eq!(stream.head(), scan.head(), "seed {seed}: {to}");
        }
    }
}

#[test]
fn a_stream_ends_with_the_error_of_its_pace_wherever_that_comes() {
    let runs = runs(Sim::new(3));
    let bytes: Vec<u8> = (0..200_000_u32).map(|i| i as u8).collect();
    let content = Content::Value { bytes, expiry_ms: None, due_ms: None };
    let position = |hash| Position { namespace: NamespaceId(0), hash };
    let model: Model = [(1, Content::Tombstone), (2, content), (3, Content::Tombstone)]
        .into_iter()
        .map(|(hash, content)| ((position(hash), b"key".to_vec()), content))
        .collect();
    build(&runs, ID, RAW, &model).unwrap();
    let run = runs.open_run(ID).unwrap();
    let copy = |allowed: u64| {
        let mut left = allowed;
        let to = self::runs(Sim::new(4));
        let mut builder = to.build(ID, RAW)?;
        let mut stream = run.stream(Position::MIN..=Position::MAX, |bytes| {
            assert!(bytes <= 32 << 10, "{bytes} at once");
            left = left.checked_sub(1).ok_or(Error::Closed)?;
            Ok(())
        })?;
        while stream.head().is_some() {
            stream.copy_to(&mut builder)?;
            stream.advance()?;
        }
        drain(builder.finish(SPAN)?.unwrap().run.scan(Position::MIN)?)
    };
    let refused = (0..100).take_while(|&allowed| matches!(copy(allowed), Err(Error::Closed))).count();
    assert!((14..30).contains(&refused), "{refused} visits");
    assert!(copy(100).unwrap() == model);
}

#[test]
fn an_absent_hash_is_excluded_without_a_read_once_the_filter_is_loaded() {
    let sim = Sim::new(1);
    let runs = runs(sim.clone());
    let mut random = Random(5);
    let content = Content::Value { bytes: b"value".to_vec(), expiry_ms: None, due_ms: None };
    let key =
        |random: &mut Random| (Position { namespace: NamespaceId(0), hash: random.next() }, b"key".to_vec());
    let model: Model = (0..2000).map(|_| (key(&mut random), content.clone())).collect();
    build(&runs, ID, BuildOptions { entries_max: 10_000, ..LZ4 }, &model).unwrap();
    let run = runs.open_run(ID).unwrap();
    assert!((0..1000).all(|_| run.may_contain(random.next())), "an unloaded filter excludes nothing");
    run.load_filter().unwrap();
    let before = sim.operations();
    let passed = (0..2000).filter(|_| run.may_contain(random.next())).count();
    assert!(passed < 40, "{passed} of 2000 absent hashes passed");
    run.load_filter().unwrap();
    assert_eq!(sim.operations(), before);
}

#[test]
fn a_run_can_be_read_when_its_file_is_removed() {
    let (sim, runs, model) = super::small_run();
    let scan = runs.open_run(ID).unwrap().scan(Position::MIN).unwrap();
    runs.remove(ID).unwrap();
    assert_eq!(sim.paths().len(), 0);
    assert_eq!(drain(scan).unwrap(), model);
}

#[test]
fn a_run_that_was_just_built_is_the_run_that_is_opened() {
    let runs = runs(Sim::new(1));
    let model = random_model_of(&mut Random(3), 2000, u64::MAX);
    let mut builder = runs.build(ID, LZ4).unwrap();
    model.iter().try_for_each(|row| builder.push(&super::entry(row))).unwrap();
    let built = builder.finish(SPAN).unwrap().unwrap();
    assert_eq!(drain(built.run.scan(Position::MIN).unwrap()).unwrap(), model);
    let opened = runs.open_run(ID).unwrap();
    opened.load_filter().unwrap();
    assert_eq!((built.run.info(), built.run.memory_bytes()), (opened.info(), opened.memory_bytes()));
    let hashes =
        |run: &storage::run::Run| (0..5000).map(|hash| run.may_contain(hash << 50)).collect::<Vec<_>>();
    assert_eq!(hashes(&built.run), hashes(&opened));
    for share in &built.shares {
        let rows = || model.iter().filter(|((position, _), _)| position.namespace == share.namespace);
        let tombstones = rows().filter(|(_, content)| content.is_tombstone()).count() as u64;
        assert_eq!((share.records, share.tombstones), (rows().count() as u64, tombstones));
    }
    assert!(built.shares.is_sorted_by(|a, b| a.namespace < b.namespace));
    assert!(storage::version::RunMeta::new(&built, 0).agrees_with(opened.info()));
}

#[test]
fn a_run_without_entries_is_not_made() {
    let sim = Sim::new(1);
    let runs = runs(sim.clone());
    assert_eq!(build(&runs, ID, LZ4, &Model::new()).unwrap(), None);
    assert_eq!(sim.paths().len(), 0);
}

#[test]
fn a_run_is_never_replaced() {
    let (_, runs, model) = super::small_run();
    let error = runs.build(ID, LZ4).err().unwrap();
    assert!(matches!(error, Error::Io { op: "create", .. }), "{error}");
    assert_eq!(drain(runs.open_run(ID).unwrap().scan(Position::MIN).unwrap()).unwrap(), model);
}

#[test]
#[should_panic(expected = "entries must come in order")]
fn entries_out_of_order_are_refused() {
    let runs = runs(Sim::new(1));
    let model = super::small_run().2;
    let mut builder = runs.build(ID, LZ4).unwrap();
    for row in model.iter().rev() {
        builder.push(&super::entry(row)).unwrap();
    }
}

#[test]
fn a_run_is_read_by_many_threads_at_once() {
    let dir = TempDir::new();
    let runs = RunDir::new(Arc::new(Os), &dir.0, DATASET_ID);
    runs.create().unwrap();
    let model = random_model_of(&mut Random(8), 2000, u64::MAX);
    build(&runs, ID, LZ4, &model).unwrap();
    let run = runs.open_run(ID).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (run, model) = (run.clone(), &model);
            scope.spawn(move || {
                for ((position, key), content) in model.iter().skip(thread * 400) {
                    run.load_filter().unwrap();
                    assert_eq!(run.get(*position, key).unwrap().as_ref(), Some(content));
                }
            });
        }
    });
}
