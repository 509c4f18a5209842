//! What operations on a big key cost while its shard is locked, told by what they ask of the allocator: whatever grows, is copied or is
//! freed with the size of the value shows there, on a machine of any speed.

use std::sync::Arc;

use storage::fs::os::Os;
use storage::merge::Entries;
use storage::{Lsn, Options, Position};

use super::*;
use crate::rdb::{Format, Sink, image};
use crate::store::keyspace::Garbage;
use crate::store::residence::Errand;
use crate::store::{Edited, Slot};
use crate::types::hash::{self, Hash};
use crate::types::list::{self, End, List};
use crate::types::set::{self, Set};
use crate::types::stream::{self, Bound, NewId, Stream, StreamId, Trim};
use crate::types::zset::{self, Flags, Zset};
use crate::util::allocations::{Work, counted};
use crate::util::file::tests::Scratch;

/// Enough that what costs something for each would show a hundredfold.
const ELEMENTS: usize = 60_000;
/// Enough to be told from what is freed at once.
const FEWER: usize = 20_000;
/// Elements between two rounds.
const BETWEEN_ROUNDS: usize = 7_000;
const KINDS: [&str; 5] = ["list", "set", "hash", "zset", "stream"];

/// What one operation may ask for: no element but a fixed number of chunks.
const BOUND: Work = Work { allocations: 100, longest: 64 << 10, bytes: 128 << 10, frees: 100 };

struct Case {
    keyspace: Keyspace,
    garbage: crossbeam_channel::Receiver<Garbage>,
    errands: crossbeam_channel::Receiver<Errand>,
    kind: usize,
    random: Random,
}

const BIG: &[u8] = b"big";

impl Case {
    fn new(kind: usize) -> Self {
        let (sender, garbage) = crossbeam_channel::unbounded();
        let hasher = KeyHasher::new([3; SECRET_LEN]);
        let keyspace = Keyspace::new(1, hasher, Box::new(|_| {}), sender);
        let (readers, errands) = crossbeam_channel::unbounded();
        keyspace.connect_readers(readers);
        Case { keyspace, garbage, errands, kind, random: Random::new(kind as u64) }
    }

    /// Does something with the key and tells what that cost, the commit included.
    fn operate<R>(&self, work: impl FnOnce(&mut Db<'_>, &Key<'_>, Option<Slot>) -> R) -> (R, Work) {
        let clock = AccessClock::lru(NOW);
        let mut workspace = Workspace::default();
        let locked = self.keyspace.locks().lock_set(ShardSet::ALL);
        let mut view = Db::new(&self.keyspace, locked, DbIndex(0), NOW, &clock, &mut workspace);
        let key = view.key(BIG);
        let slot = view.find(&key);
        counted(|| {
            let result = work(&mut view, &key, slot);
            view.commit(std::iter::empty(), DbIndex(0));
            result
        })
    }

    /// Adds an element, at the end or anywhere, short or long.
    fn add(&mut self, n: usize) -> Work {
        let seed = self.keyspace.member_seed();
        let number = if n.is_multiple_of(2) { n } else { self.random.below(1 << 30) };
        let length = if self.random.below(2_000) == 0 { 3_000 } else { 4 + self.random.below(24) };
        let text = format!("{number:0>length$}").into_bytes();
        let kind = self.kind;
        let added = |view: &mut Db<'_>, key: &Key<'_>, slot| match kind {
            0 => view.edit_or_create(key, slot, List::new, |list| {
                let limits = list::Limits { listpack_size: -2 };
                list.push(
                    if n.is_multiple_of(2) { End::Left } else { End::Right },
                    std::iter::once(&text[..]),
                    limits,
                );
                ((), 1)
            }),
            1 => {
                let limits = set::Limits {
                    intset_entries: 8,
                    listpack_entries: 8,
                    listpack_value: 64,
                    hash_seed: seed,
                };
                let empty = || Set::for_members(b"a", 1, &limits);
                view.edit_or_create(key, slot, empty, |set| (_ = set.add(&text, &limits), 1));
            }
            2 => view.edit_or_create(key, slot, Hash::new, |hash| {
                let limits = hash::Limits { listpack_entries: 8, listpack_value: 64, hash_seed: seed };
                (_ = hash.set(&text, &text, hash::Expiry::Clear, &limits), 1)
            }),
            3 => view.edit_or_create(key, slot, Zset::new, |zset| {
                let limits = zset::Limits { listpack_entries: 8, listpack_value: 64, hash_seed: seed };
                (_ = zset.add(&text, number as f64, Flags::default(), &limits), 1)
            }),
            _ => view.edit_or_create(key, slot, Stream::default, |stream| {
                let limits = stream::Limits { node_max_bytes: 4096, node_max_entries: 100 };
                let id = stream.entries.next_id(NewId::Auto, UnixMs(n as u64)).unwrap();
                stream.entries.add(id, &[b"name", &text], &limits).unwrap();
                if stream.groups.is_empty() {
                    stream.groups.create(b"group", StreamId::MIN, None);
                }
                let mut group = stream.groups.get_mut(b"group").unwrap();
                let (consumer, _) = group.visit(if n.is_multiple_of(2) { b"alice" } else { b"bob" }, NOW);
                group.read_new(&stream.entries, consumer, 1, false, NOW, |_| {});
                ((), 1)
            }),
        };
        self.operate(added).1
    }

    /// Makes a big value of the key; its bytes.
    fn grow(&mut self) -> usize {
        self.operate(|view, key, slot| slot.map(|slot| view.remove(key, slot)));
        (0..FEWER).for_each(|n| _ = self.add(n));
        let bytes = self.operate(|view, _, slot| value_of(view, slot.unwrap()).memory_bytes()).0;
        assert!(bytes > 2 * BOUND.bytes, "{bytes}");
        bytes
    }

    /// What is waiting to be freed.
    fn garbage_bytes(&self) -> usize {
        let bytes = |garbage| match garbage {
            Garbage::Object(object) => object.memory_bytes(),
            Garbage::Tables(tables) => tables.iter().map(|table| table.used_bytes()).sum(),
        };
        self.garbage.try_iter().map(bytes).sum()
    }
}

fn value_of<'v>(view: &'v Db<'_>, slot: Slot) -> &'v Object {
    match view.value(slot) {
        Value::Object(object) => object,
        _ => panic!("a big value is an object"),
    }
}

fn assert_cheap(what: &str, kind: usize, work: Work) {
    println!("{:<7} {what}: {work:?}", KINDS[kind]);
    assert_eq!(work.or_worse(BOUND), BOUND, "{what} of a {}", KINDS[kind]);
}

#[test]
fn growth_and_captures_of_a_big_value_cost_the_same_at_any_size() {
    for kind in 0..KINDS.len() {
        let mut case = Case::new(kind);
        let (mut worst, mut capture, mut frozen) = (Work::default(), Work::default(), 0);
        for n in 0..ELEMENTS {
            worst = worst.or_worse(case.add(n));
            if n % BETWEEN_ROUNDS > 0 {
                continue;
            }
            // The first write behind the cut captures the value before the round does, in every other round.
            case.keyspace.flip();
            let cut = case.keyspace.visit();
            if n.is_multiple_of(2 * BETWEEN_ROUNDS) {
                worst = worst.or_worse(case.add(n + 1));
            }
            let mut steps = Steps::over(namespaces(&cut));
            let mut slices = Vec::new();
            while let Some((id, namespace, from)) = steps.next() {
                let mut slice = Slice::with_room(SLICE_KEYS, 0);
                let step = || case.keyspace.capture_step(id, namespace, from, &mut slice);
                let (next, work) = counted(step);
                steps.go_on(next);
                capture = capture.or_worse(work);
                frozen += slice.keys();
                slices.push(slice);
            }
            worst = worst.or_worse(case.add(n + 2)).or_worse(case.add(n + 3));
            case.keyspace.settle(&cut, !n.is_multiple_of(3));
        }
        assert!(frozen >= ELEMENTS / BETWEEN_ROUNDS, "{frozen}");
        assert_cheap("growth", kind, worst);
        assert_cheap("capture", kind, capture);
    }
}

/// Counts bytes and forgets them.
struct Length(usize);

impl Sink for Length {
    type Error = Infallible;

    fn put(&mut self, bytes: &[u8]) -> Result<(), Infallible> {
        self.0 += bytes.len();
        Ok(())
    }
}

/// The most memory that a round or a file asks for at once to write a big value, a megabyte or a gigabyte.
const PIECE: usize = 64 << 10;

/// What reading a value asks for beside the value.
const READ_BESIDE: usize = 300 << 10;

#[test]
fn a_big_value_is_written_in_pieces_and_is_the_same_on_disk() {
    let scratch = Scratch::new();
    let recovery = Engine::recover(Arc::new(Os), &scratch.0, Options::default()).unwrap();
    let engine = recovery.start(Box::new(|_| {})).unwrap();
    for (kind, name) in KINDS.into_iter().enumerate() {
        let mut case = Case::new(kind);
        case.grow();
        let mut expected = Vec::new();
        let object = case.operate(|view, _, slot| value_of(view, slot.unwrap()).clone()).0;
        let Ok(()) = image::put_collection(&mut expected, 0, object.collection().unwrap());
        assert!(expected.len() > 5 * PIECE, "{} bytes would show", expected.len());

        let mut round = engine.begin_round(1).unwrap();
        case.keyspace.flip();
        let cut = case.keyspace.visit();
        let mut steps = Steps::over(namespaces(&cut));
        let mut slices = Vec::new();
        while let Some((id, namespace, from)) = steps.next() {
            let mut slice = Slice::with_room(SLICE_KEYS, 0);
            steps.go_on(case.keyspace.capture_step(id, namespace, from, &mut slice));
            slices.push((namespace, slice));
        }
        let (built, work) = counted(|| build(slices.into_iter(), &mut round, std::mem::forget));
        println!("{:<7} write: {work:?}", name);
        assert!(work.longest <= PIECE && work.bytes < expected.len(), "{work:?} of {}", expected.len());
        assert_eq!(built.unwrap().bytes, (BIG.len() + expected.len()) as u64);

        let facts = Facts {
            epoch: Epoch(kind as u64 + 1),
            last_lsn: Lsn(0),
            databases: cut.databases.clone(),
            counts: cut.counts.clone(),
            next_namespace: case.keyspace.next_namespace(),
            attachment: Arc::from([]),
        };
        let version = round.commit(facts).unwrap();
        let scan = version.scan(Position::MIN).unwrap();
        let Some(Entry { content: Content::Value { bytes, .. }, .. }) = scan.entry() else { panic!() };
        assert!(bytes[0] == expected[0] && bytes[4..] == expected[4..], "{}", name);

        let place = scan.entry().unwrap().position;
        let (found, work) = counted(|| version.get(place, BIG).unwrap().unwrap());
        println!("{name:<7} read: {work:?} of {}", expected.len());
        assert!(found.borrowed() == scan.entry().unwrap().content);
        assert!(work.bytes < expected.len() + READ_BESIDE, "{work:?} of {}", expected.len());

        let mut length = Length(0);
        let format = Format::default();
        let export = || image::to_object(bytes, format).unwrap().1.put_payload(&mut length, format).unwrap();
        let ((), work) = counted(export);
        println!("{:<7} export: {work:?}", name);
        assert!(work.longest <= PIECE && length.0 > 2 * PIECE, "{work:?} of {}", length.0);
    }
    engine.close().unwrap();
}

/// What gets rid of a big value.
type Deed = fn(&mut Db<'_>, &Key<'_>, Slot);

const DEEDS: [(&str, Deed); 6] = [
    ("deletion", |view, key, slot| view.remove(key, slot)),
    ("a string over it", |view, key, slot| {
        view.set(key, Some(slot), NewValue::Int(1), Expiry::Clear);
    }),
    ("another key renamed over it", |view, key, slot| {
        let small = view.key(b"small");
        let source = view.set(&small, None, NewValue::Bytes(b"text", false), Expiry::Clear);
        view.rename(&small, source, key, Some(slot));
    }),
    ("renaming it", |view, key, slot| {
        let other = view.key(b"other");
        view.rename(key, slot, &other, None);
        let slot = view.find(&other).unwrap();
        view.remove(&other, slot);
    }),
    ("expiry", |view, key, slot| {
        view.set_expire(key, slot, Some(UnixMs(1)));
        assert_eq!(view.find(key), None);
    }),
    ("a flush", |view, _, _| view.flush(DbIndex(0))),
];

#[test]
fn whatever_gets_rid_of_a_big_value_leaves_freeing_it_to_others() {
    for kind in 0..KINDS.len() {
        let mut case = Case::new(kind);
        for (what, deed) in DEEDS {
            let bytes = case.grow();
            let (_, work) = case.operate(|view, key, slot| deed(view, key, slot.unwrap()));
            assert_cheap(what, kind, work);
            assert!(case.garbage_bytes() >= bytes, "{what}: others get all of it");
        }
    }
}

/// Takes most or all but a bit out of a big value, and leaves it to others.
type Taking = fn(&mut Db<'_>, &Key<'_>, Slot);

fn trim(view: &mut Db<'_>, key: &Key<'_>, slot: Slot, bound: Bound) {
    let trim = Trim { bound, is_approximate: false, limit: 0 };
    let edited = view.edit(key, slot, |stream: &mut Stream| (stream.entries.trim(&trim).gone, 1));
    let entries = edited.result.unwrap();
    view.discard(Object::Stream(Box::new(Stream { entries, ..Stream::default() })));
}

fn keep(view: &mut Db<'_>, key: &Key<'_>, slot: Slot, part: fn(&List) -> std::ops::Range<usize>) {
    let limits = list::Limits { listpack_size: -2 };
    let edited = view.edit(key, slot, |list: &mut List| (list.trim(part(list), limits), 1));
    edited.result.into_iter().flatten().for_each(|gone| view.discard(Object::List(gone)));
}

fn remove(view: &mut Db<'_>, key: &Key<'_>, slot: Slot, ranks: fn(&Zset) -> std::ops::Range<usize>) {
    view.edit(key, slot, |zset: &mut Zset| (zset.remove_ranks(ranks(zset)), 1));
    view.clear_later(key, slot);
}

const TAKINGS: [(usize, &str, Taking); 7] = [
    (0, "the end but a bit", |view, key, slot| keep(view, key, slot, |_| 0..777)),
    (0, "the beginning but a bit", |view, key, slot| {
        keep(view, key, slot, |list| list.len() - 777..list.len())
    }),
    (0, "all around a bit", |view, key, slot| {
        keep(view, key, slot, |list| list.len() / 2..list.len() / 2 + 3)
    }),
    (3, "all ranks but some", |view, key, slot| remove(view, key, slot, |zset| 10..zset.len() - 777)),
    (3, "the lower ranks", |view, key, slot| remove(view, key, slot, |zset| 0..zset.len() - 777)),
    (4, "all but the last entries", |view, key, slot| trim(view, key, slot, Bound::Len(777))),
    (4, "all entries up to an id", |view, key, slot| {
        let id = StreamId { ms: FEWER as u64 - 777, seq: 0 };
        trim(view, key, slot, Bound::Id(id));
    }),
];

#[test]
fn what_is_cut_off_a_big_value_costs_nothing_for_each_and_is_freed_by_others() {
    for (kind, what, take) in TAKINGS {
        let mut case = Case::new(kind);
        let bytes = case.grow();
        let (_, work) = case.operate(|view, key, slot| take(view, key, slot.unwrap()));
        assert_cheap(what, kind, work);
        let given = case.garbage_bytes();
        if kind != 3 {
            // A stream's groups stay, and take most.
            assert!(given >= bytes / 5, "{what}: {given} bytes of {bytes}");
            continue;
        }
        // The elements of a sorted set are in its index, too: both are cleared bit by bit.
        assert!(given == 0 && case.errands.len() == 1, "{what}: {given} bytes");
        let mut worst = Work::default();
        while let Ok(errand) = case.errands.try_recv() {
            worst = worst.or_worse(counted(|| case.keyspace.attend(errand)).1);
        }
        let (left, _) = case.operate(|view, _, slot| value_of(view, slot.unwrap()).memory_bytes());
        let bound = Work { frees: 1000, ..BOUND };
        assert!(worst.or_worse(bound) == bound && left < bytes / 5, "{worst:?}, {left} of {bytes} bytes");
    }
}

#[test]
fn a_group_that_is_destroyed_leaves_what_is_pending_to_others() {
    let mut case = Case::new(4);
    case.grow();
    let bytes = |view: &mut Db<'_>, slot: Option<Slot>| {
        view.typed::<Stream>(slot.unwrap()).unwrap().groups.memory_bytes()
    };
    let before = case.operate(|view, _, slot| bytes(view, slot)).0;
    assert!(before > 2 * BOUND.bytes);
    let (after, work) = case.operate(|view, key, slot| {
        let gone = view.edit(key, slot.unwrap(), |stream: &mut Stream| (stream.groups.remove(b"group"), 1));
        let groups = gone.result.unwrap();
        view.discard(Object::Stream(Box::new(Stream { groups, ..Stream::default() })));
        bytes(view, slot)
    });
    assert_cheap("the end of a group", 4, work);
    assert!(after == 0 && case.garbage_bytes() >= before);
}

#[test]
fn a_consumer_that_has_all_that_is_pending_leaves_it_to_others() {
    let mut case = Case::new(4);
    case.grow();
    let remove = |case: &Case, name: &'static [u8]| {
        case.operate(|view, key, slot| {
            let edited = view.edit(key, slot.unwrap(), |stream: &mut Stream| {
                (stream.groups.get_mut(b"group").unwrap().remove(name).unwrap(), 1)
            });
            let (len, groups) = edited.result;
            view.discard(Object::Stream(Box::new(Stream { groups, ..Stream::default() })));
            len
        })
    };
    assert_eq!(remove(&case, b"alice").0, FEWER / 2);
    case.garbage_bytes();
    let (len, work) = remove(&case, b"bob");
    assert_eq!(len, FEWER / 2);
    assert_cheap("the end of a consumer", 4, work);
    let given = case.garbage_bytes();
    assert!(given > len * 50, "{given}");
    let left = case.operate(|view, _, slot| {
        let stream = view.typed::<Stream>(slot.unwrap()).unwrap();
        (stream.groups.get(b"group").unwrap().pending_len(), stream.groups.memory_bytes())
    });
    assert!(left.0.0 == 0 && left.0.1 < 2_000, "{left:?}");
}

/// Does all that is left to others, and tells the worst of it.
fn attend_all(case: &Case) -> Work {
    let mut worst = Work::default();
    while let Ok(errand) = case.errands.try_recv() {
        worst = worst.or_worse(counted(|| case.keyspace.attend(errand)).1);
    }
    worst
}

#[test]
fn a_consumer_that_has_half_of_what_is_pending_leaves_it_to_others_and_nobody_sees_it() {
    let mut case = Case::new(4);
    case.grow();
    let (bytes, work) = case.operate(|view, key, slot| {
        let bytes = view.typed::<Stream>(slot.unwrap()).unwrap().groups.memory_bytes();
        let edited = view.edit_quietly(key, slot.unwrap(), |stream: &mut Stream| {
            (stream.groups.get_mut(b"group").unwrap().remove(b"alice").unwrap().0, 1)
        });
        view.clear_later(key, slot.unwrap());
        assert_eq!(edited, FEWER / 2);
        bytes
    });
    assert_cheap("the end of one of two consumers", 4, work);
    assert_eq!(case.errands.len(), 1);
    let pending = |case: &Case| {
        case.operate(|view, _, slot| {
            let group = view.typed::<Stream>(slot.unwrap()).unwrap().groups.get(b"group").unwrap();
            let ids = group.pending_between(StreamId::MIN, StreamId::MAX, None);
            let ids: Vec<_> = ids.map(|(id, _)| id).collect();
            assert_eq!((ids.len(), group.pending_ends()), (FEWER / 2, Some((ids[0], ids[ids.len() - 1]))));
            assert_eq!((group.pending_len(), group.pending(StreamId { ms: 0, seq: 0 })), (ids.len(), None));
            ids
        })
    };
    let before = pending(&case).0;
    let worst = attend_all(&case);
    let bound = Work { allocations: 1000, frees: 1000, ..BOUND };
    assert!(worst.or_worse(bound) == bound, "{worst:?}");
    assert!(pending(&case).0 == before, "clearing is no change");
    let left = case.operate(|view, _, slot| {
        let stream = view.typed::<Stream>(slot.unwrap()).unwrap();
        (stream.has_left_over(), stream.groups.memory_bytes())
    });
    assert!(!left.0.0 && left.0.1 < bytes * 2 / 3, "{left:?} of {bytes}");
}

#[test]
fn what_is_left_over_is_cleared_under_another_name_and_in_a_copy_too() {
    for is_copy in [false, true] {
        let mut case = Case::new(3);
        let bytes = case.grow();
        case.operate(|view, key, slot| remove(view, key, slot.unwrap(), |zset| 10..zset.len() - 777));
        case.operate(|view, key, slot| {
            let other = view.key(b"other");
            match (slot.unwrap(), is_copy) {
                (slot, true) => _ = view.copy(slot, &other, None),
                (slot, false) => view.rename(key, slot, &other, None),
            }
        });
        attend_all(&case);
        let (left, _) = case.operate(|view, _, _| {
            let other = view.key(b"other");
            let slot = view.find(&other).unwrap();
            assert_eq!(view.typed::<Zset>(slot).unwrap().len(), 787);
            value_of(view, slot).memory_bytes()
        });
        assert!(left < bytes / 5, "{left} of {bytes} bytes");
    }
}

#[test]
fn a_long_string_that_a_round_needs_is_edited_without_a_copy_under_the_lock() {
    const LENGTH: usize = 2 << 20;
    let case = Case::new(0);
    let text = || NewValue::Shared(Arc::new(vec![b'x'; LENGTH]));
    case.operate(|view, key, slot| view.set(key, slot, text(), Expiry::Clear));
    let edit = |case: &Case| {
        case.operate(|view, key, slot| {
            view.edit_string(key, slot, |string| (string[0] += 1, 1)).unwrap();
        })
    };
    assert!(
        case.operate(|view, key, slot| view.moving_string(key, slot.unwrap(), LENGTH / 2, LENGTH))
            .0
            .is_none()
    );
    assert!(edit(&case).1.longest < PIECE, "nobody shares it");

    case.keyspace.flip();
    let cut = case.keyspace.visit();
    let (shared, work) =
        case.operate(|view, key, slot| view.moving_string(key, slot.unwrap(), LENGTH / 2, LENGTH));
    let shared = shared.expect("the round needs it as it was");
    assert_eq!(work.or_worse(BOUND), BOUND);
    let id = ShardId::of(case.keyspace.hasher().hash_of(BIG));
    let is_dirty = || {
        let locked = case.keyspace.locks().lock_one(id);
        locked.shard(id).table(DbIndex(0)).dirty(Parity::of(case.keyspace.epoch())) > 0
    };
    assert!(!is_dirty(), "the edit may yet fail");
    let copy = Arc::new(shared.to_vec());
    let (_, work) = case.operate(|view, key, slot| view.exchange_string(key, slot.unwrap(), copy));
    assert_eq!(work.or_worse(BOUND), BOUND);
    assert!(is_dirty());
    let (_, work) = edit(&case);
    assert_eq!(work.or_worse(BOUND), BOUND, "it is edited where it is");

    let first = case.operate(|view, _, slot| match value_of(view, slot.unwrap()) {
        Object::String(bytes) => bytes[0],
        _ => panic!("a string"),
    });
    assert_eq!((first.0, shared[0], shared.len()), (b'z', b'y', LENGTH));
    case.keyspace.settle(&cut, true);
    drop(shared);
    assert!(case.garbage_bytes() >= LENGTH, "what the round shares no more is freed by others");
}

#[test]
fn a_value_that_comes_from_disk_too_late_is_not_freed_under_the_lock() {
    for (kind, name) in KINDS.into_iter().enumerate() {
        let mut case = Case::new(kind);
        case.grow();
        let object = case.operate(|view, _, slot| value_of(view, slot.unwrap()).clone()).0;
        case.operate(|view, key, slot| _ = view.set(key, slot, NewValue::Int(1), Expiry::Clear));
        case.garbage_bytes();
        // Nobody else has the value any more.
        let hash = case.keyspace.hasher().hash_of(BIG);
        let id = ShardId::of(hash);
        let namespace = case.keyspace.locks().lock_one(id).shard(id).space(DbIndex(0)).namespace;
        let mut loaded = Some((NewValue::Object(object), None, 0));
        // The key was written meanwhile, or its database flushed.
        for namespace in [namespace, NamespaceId(77)] {
            let wanted = Wanted { namespace, hash, key: Box::from(BIG) };
            let mut locked = case.keyspace.locks().lock_one(id);
            let (unused, work) = counted(|| case.keyspace.put(&mut locked, &wanted, loaded.take()));
            assert_cheap("a late load", kind, work);
            assert!(unused.is_some(), "{}", name);
            loaded = unused;
        }
    }
}

#[test]
fn what_a_script_took_apart_and_a_failed_round_kept_is_freed_by_others() {
    let mut case = Case::new(0);
    let bytes = case.grow();
    let limits = list::Limits { listpack_size: -2 };
    case.operate(|view, key, slot| {
        view.allow_taking_back();
        let Edited { is_gone, .. } = view.edit(key, slot.unwrap(), |list: &mut List| {
            list.remove_range(0..list.len(), limits);
            ((), 1)
        });
        assert!(is_gone);
        let ((), work) = counted(|| view.keep_changes());
        assert!(work.frees < 10, "{work:?}");
    });
    assert!(case.garbage_bytes() >= bytes);

    let bytes = case.grow();
    case.keyspace.flip();
    let cut = case.keyspace.visit();
    case.operate(|view, key, slot| view.remove(key, slot.unwrap()));
    assert!(case.garbage_bytes() >= bytes, "it is shared with the round");
    let mut most = 0;
    for id in ShardSet::ALL.iter() {
        let mut locked = case.keyspace.locks().lock_one(id);
        let (kept, work) = counted(|| locked.shard_mut(id).end_round());
        most = most.max(work.frees);
        drop(locked);
        let (_, work) = counted(|| drop(kept));
        most = most.max(work.frees.saturating_sub(100_000));
    }
    assert!(most < 10, "{most} pieces freed under the lock");
    drop(cut);
}
