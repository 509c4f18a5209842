//! Lists in both encodings against a vector, and where they convert.

use super::*;
use crate::util::random::Random;

const DEFAULT: Limits = Limits { listpack_size: -2 };

fn list(values: &[&str], limits: Limits) -> List {
    let mut list = List::new();
    push(&mut list, End::Right, values, limits);
    list
}

fn push(list: &mut List, end: End, values: &[&str], limits: Limits) {
    list.push(end, values.iter().map(|value| value.as_bytes()), limits);
}

fn texts(list: &List) -> String {
    let texts = list.iter(0..list.len()).map(|element| String::from_utf8(element.to_vec()).unwrap());
    texts.collect::<Vec<_>>().join(" ")
}

impl List {
    /// Everything that must hold of the nodes.
    fn check(&self) {
        let Repr::Quicklist(quicklist) = &self.0 else { return };
        let nodes: Vec<&Node> = quicklist.nodes().collect();
        assert_eq!(nodes.iter().map(|node| node.len()).sum::<usize>(), self.len());
        assert!(nodes.len() == 1 || nodes.iter().all(|node| node.len() > 0));
        assert_eq!(quicklist.node_bytes, nodes.iter().map(|node| node.memory_bytes()).sum());
    }

    fn node_count(&self) -> usize {
        self.parts().count()
    }
}

/// Integers, short and long strings, some of them equal.
fn value(random: &mut Random) -> Vec<u8> {
    match random.below(40) {
        0 => vec![b'x'; 5_000 + random.below(5_000)],
        1 => vec![b'y'; 300],
        n if n < 20 => format!("{}", random.below(50) as i64 - 10).into_bytes(),
        _ => format!("value:{}", random.below(100)).into_bytes(),
    }
}

/// A list and what it must be.
struct Pair {
    list: List,
    model: Vec<Vec<u8>>,
    limits: Limits,
}

impl Pair {
    fn operate(&mut self, operation: usize, random: &mut Random) {
        let Pair { list, model, limits } = self;
        let (limits, value) = (*limits, value(random));
        let index = random.below(model.len() + 2) as i64 - 1;
        match operation {
            0..3 => {
                list.push(End::Right, [&value[..], b"17"].into_iter(), limits);
                model.extend([value, b"17".to_vec()]);
            }
            3 => {
                list.push(End::Left, [&value[..], b"zz"].into_iter(), limits);
                model.splice(0..0, [b"zz".to_vec(), value]);
            }
            4..6 => {
                let pivot = model.get(index as usize).cloned().unwrap_or(b"none".to_vec());
                let after = random.below(2);
                let place = model.iter().position(|other| *other == pivot);
                assert_eq!(list.insert(&pivot, after == 1, &value, limits), place.is_some());
                place.into_iter().for_each(|place| model.insert(place + after, value.clone()));
            }
            6..8 => {
                let at = if index < 0 { model.len() as i64 + index } else { index };
                let old = usize::try_from(at).ok().and_then(|at| model.get_mut(at));
                assert_eq!(list.set(index, &value, limits), old.is_some());
                old.into_iter().for_each(|old| *old = value.clone());
            }
            8 => assert_eq!(list.pop(End::Left, limits), (!model.is_empty()).then(|| model.remove(0))),
            9 => assert_eq!(list.pop(End::Right, limits), model.pop()),
            10..12 => {
                let wanted = model.get(index as usize).cloned().unwrap_or(value);
                self.remove(&wanted, random.below(5) as i64 - 2);
            }
            12 => {
                let start = random.below(model.len() + 1);
                let end = model.len().min(start + random.below(20));
                model.drain(start..end);
                list.remove_range(start..end, limits);
            }
            _ => {
                let kept = list.range(random.below(4) as i64, -1 - random.below(4) as i64);
                *model = model[kept.clone()].to_vec();
                list.trim(kept, limits);
            }
        }
    }

    fn remove(&mut self, wanted: &[u8], count: i64) {
        let mut left = if count == 0 { usize::MAX } else { count.unsigned_abs() as usize };
        let before = self.model.len();
        let mut keep = |other: &Vec<u8>| {
            let remove = other == wanted && left > 0;
            left -= usize::from(remove);
            !remove
        };
        if count < 0 {
            self.model.reverse();
            self.model.retain(&mut keep);
            self.model.reverse();
        } else {
            self.model.retain(&mut keep);
        }
        assert_eq!(self.list.remove(count, wanted, self.limits), before - self.model.len());
    }

    fn check(&self) {
        let Pair { list, model, .. } = self;
        list.check();
        assert!(values(list).eq(model.iter().cloned()));
        let range = model.len() / 4..model.len() / 2;
        let backwards = list.iter(range.clone()).rev().map(|element| element.to_vec());
        assert!(backwards.eq(model[range].iter().rev().cloned()));
        for index in -3..model.len() as i64 + 2 {
            let at = if index < 0 { model.len() as i64 + index } else { index };
            let expected = usize::try_from(at).ok().and_then(|at| model.get(at).cloned());
            assert_eq!(list.get(index).map(|element| element.to_vec()), expected);
        }
        if !model.is_empty() {
            let again = List::from_parts(list.parts(), Some(self.limits)).unwrap();
            assert!(values(&again).eq(model.iter().cloned()));
        }
    }
}

fn values(list: &List) -> impl Iterator<Item = Vec<u8>> {
    list.iter(0..list.len()).map(|element| element.to_vec())
}

#[test]
fn random_operations_agree_with_a_vector() {
    for (seed, listpack_size) in [(1, -1), (2, -2), (3, -5), (4, 1), (5, 0), (6, 7), (7, 128), (8, i64::MIN)]
    {
        println!("seed {seed}");
        let mut random = Random::new(seed);
        let mut pair = Pair { list: List::new(), model: Vec::new(), limits: Limits { listpack_size } };
        let mut frozen: Option<(List, Vec<Vec<u8>>)> = None;
        for round in 0..2_500 {
            let grows = round % 1_000 < 600;
            pair.operate(random.below(if grows { 8 } else { 14 }), &mut random);
            assert_eq!(pair.list.len(), pair.model.len());
            if round % 83 == 0 {
                pair.check();
                let last = frozen.replace((pair.list.freeze(), pair.model.clone()));
                last.into_iter().for_each(|(list, model)| assert!(values(&list).eq(model)));
            }
        }
        pair.list.trim(0..0, pair.limits);
        assert!(pair.list.is_empty() && pair.list.memory_bytes() < 400);
    }
}

#[test]
fn a_listpack_becomes_a_quicklist_when_a_node_s_limit_is_exceeded() {
    let three = Limits { listpack_size: 3 };
    let mut short = list(&["a", "b", "c"], three);
    assert_eq!(short.encoding().name(), "listpack");
    push(&mut short, End::Left, &["d"], three);
    assert_eq!((short.encoding().name(), texts(&short).as_str()), ("quicklist", "d a b c"));
    // What is added is counted before it is added, and counts even if it isn't.
    assert_eq!(list(&["a", "b", "c", "d"], three).encoding(), Encoding::Quicklist);
    let mut short = list(&["a", "b", "c"], three);
    assert!(!short.insert(b"none", true, b"x", three));
    assert_eq!((short.encoding(), short.len()), (Encoding::Quicklist, 3));
    // The bytes of a listpack with nothing but its header are 7.
    for (listpack_size, bytes) in
        [(-1, 4096), (-2, 8192), (-3, 16384), (-4, 32768), (-5, 65536), (-9, 65536), (9, 8192)]
    {
        let limits = Limits { listpack_size };
        let fits = "x".repeat(bytes - 7);
        assert_eq!(list(&[&fits], limits).encoding(), Encoding::Listpack, "{listpack_size}");
        let exceeds = "x".repeat(bytes - 6);
        assert_eq!(list(&[&exceeds], limits).encoding(), Encoding::Quicklist, "{listpack_size}");
    }
}

#[test]
fn a_quicklist_becomes_a_listpack_at_half_a_node_s_limit() {
    let limits = Limits { listpack_size: 8 };
    let values: Vec<String> = (0..12).map(|n| n.to_string()).collect();
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    let mut long = list(&values, limits);
    assert_eq!(long.node_count(), 2);
    for left in (0..12).rev() {
        long.pop(End::Right, limits).unwrap();
        let expected = if left > 4 { "quicklist" } else { "listpack" };
        assert_eq!((long.encoding().name(), long.len()), (expected, left));
    }
    // One node is not enough if it is a long element, or more than half a node.
    let mut long = list(&["x"], DEFAULT);
    push(&mut long, End::Right, &[&"y".repeat(9_000)], DEFAULT);
    assert!(matches!(long.parts().collect::<Vec<_>>()[..], [Part::Packed(_), Part::Plain(_)]));
    long.pop(End::Left, DEFAULT);
    assert_eq!((long.encoding(), long.len()), (Encoding::Quicklist, 1));
    assert!(long.set(0, b"short", DEFAULT));
    assert_eq!((long.encoding(), texts(&long).as_str()), (Encoding::Listpack, "short"));
    // LREM and LTRIM convert too.
    let mut removed = list(&values, limits);
    assert_eq!(removed.remove(0, b"3", limits), 1);
    assert_eq!(removed.encoding(), Encoding::Quicklist);
    removed.trim(1..4, limits);
    assert_eq!((removed.encoding(), texts(&removed).as_str()), (Encoding::Listpack, "1 2 4"));
    // What is read from a file may fill the node.
    let parts = list(&values[..7], limits);
    assert_eq!(List::from_parts(parts.parts(), Some(limits)).unwrap().encoding(), Encoding::Listpack);
}

#[test]
fn many_elements_at_an_end_go_at_once_and_nothing_else_changes() {
    for (seed, listpack_size) in [(1, -1), (2, 1), (3, 7), (4, 128)] {
        println!("seed {seed}");
        let limits = Limits { listpack_size };
        let mut random = Random::new(seed);
        let mut pair = Pair { list: List::new(), model: Vec::new(), limits };
        let mut given = 0;
        for round in 0..60 {
            let more: Vec<Vec<u8>> = (0..random.below(12_000)).map(|_| value(&mut random)).collect();
            pair.list.push(End::Right, more.iter().map(Vec::as_slice), limits);
            pair.model.extend(more);
            let (frozen, model) = (pair.list.freeze(), pair.model.clone());
            let len = model.len();
            let gone = match round % 4 {
                // Everything but a few, from an end that is within a node or not.
                0 => vec![pair.list.remove_range(0..len - len.min(random.below(300)), limits)],
                1 => vec![pair.list.remove_range(random.below(len + 1)..len, limits)],
                2 => vec![pair.list.remove_range(0..random.below(len + 1), limits)],
                _ => {
                    let start = random.below(len + 1);
                    pair.list.trim(start..start + random.below(len - start + 1), limits).into()
                }
            };
            let (first, kept) = (pair.list.iter(0..pair.list.len()).next(), pair.list.len());
            let start = match round % 4 {
                0 | 2 => len - kept,
                1 => 0,
                _ => (0..=len - kept)
                    .find(|&at| {
                        pair.list.iter(0..kept).map(|e| e.to_vec()).eq(model[at..at + kept].iter().cloned())
                    })
                    .unwrap(),
            };
            assert_eq!(first.is_none(), kept == 0);
            pair.model = model[start..start + kept].to_vec();
            pair.list.check();
            assert!(values(&pair.list).eq(pair.model.iter().cloned()));
            for list in gone.into_iter().flatten() {
                list.check();
                given += list.len();
                assert!(!list.is_empty() && values(&list).all(|value| model.contains(&value)));
            }
            frozen.check();
            assert!(values(&frozen).eq(model));
        }
        assert!(given > 50_000, "{given}");
    }
}

#[test]
fn malformed_parts_are_refused() {
    assert_eq!(List::from_parts([], Some(DEFAULT)).err(), Some(Malformed));
    let empty = Listpack::new();
    assert_eq!(List::from_parts([Part::Packed(empty.as_bytes())], Some(DEFAULT)).err(), Some(Malformed));
    assert_eq!(List::from_parts([Part::Packed(b"junk")], Some(DEFAULT)).err(), Some(Malformed));
    let parts = [Part::Packed(empty.as_bytes()), Part::Plain(b"x")];
    assert_eq!(List::from_parts(parts, Some(DEFAULT)).unwrap().len(), 1);
}

#[test]
fn ranges_are_clamped() {
    let list = list(&["a", "b", "c", "d", "e"], DEFAULT);
    for (start, end, expected) in
        [(0, -1, 0..5), (1, 2, 1..3), (-2, 9, 3..5), (-9, 0, 0..1), (3, 2, 0..0), (5, 9, 0..0), (0, -6, 0..0)]
    {
        assert_eq!(list.range(start, end), expected, "{start} {end}");
    }
    assert_eq!(list.range(i64::MIN, i64::MAX), 0..5);
    assert_eq!(List::new().range(0, -1), 0..0);
    assert!(list.get(i64::MIN).is_none() && list.get(i64::MAX).is_none());
}

#[test]
fn positions_are_found_from_either_end() {
    for limits in [DEFAULT, Limits { listpack_size: 2 }] {
        let list = list(&["a", "b", "1", "a", "a", "1", "c"], limits);
        let find = |value: &str, rank, count, max_len| {
            list.positions(value.as_bytes(), Search { rank, count, max_len })
        };
        let all = usize::MAX;
        assert_eq!(find("a", 1, 1, all), [0]);
        assert_eq!(find("a", 1, all, all), [0, 3, 4]);
        assert_eq!(find("a", -1, all, all), [4, 3, 0]);
        assert_eq!(find("a", 2, 1, all), [3]);
        assert_eq!(find("a", -2, 5, all), [3, 0]);
        assert_eq!(find("a", 1, all, 4), [0, 3]);
        assert_eq!(find("a", -1, all, 3), [4]);
        assert_eq!(find("1", 1, all, all), [2, 5]);
        assert_eq!(find("01", 1, all, all), [0; 0]);
        assert_eq!(find("a", i64::MIN, all, all), [0; 0]);
        assert_eq!(find("a", 1, all, 0), [0; 0]);
    }
}

#[test]
fn insertions_in_the_middle_keep_nodes_filled() {
    let mut list = List::new();
    for n in 0..20_000 {
        push(&mut list, End::Right, &[&n.to_string()], DEFAULT);
    }
    let full = list.node_count();
    let Repr::Quicklist(quicklist) = &mut list.0 else { panic!("the list is long") };
    let mut random = Random::new(8);
    for n in 0..20_000 {
        quicklist.insert(random.below(quicklist.len()), format!("{n}").as_bytes(), DEFAULT);
    }
    list.check();
    assert_eq!(list.len(), 40_000);
    assert!(list.node_count() < full * 2 * 2, "{} after {full}", list.node_count());
    let bytes: usize = list.iter(0..40_000).map(|element| element.encoded_len()).sum();
    let overhead = list.memory_bytes() as f64 / bytes as f64;
    println!("{:.2} bytes of memory a byte of listpack, {} nodes", overhead, list.node_count());
    // The allocator's classes are a quarter apart.
    assert!(overhead < 1.25, "{overhead}");
}
