//! Sorted sets in both encodings against a model, and the rules of their commands.

use std::collections::BTreeMap;

use super::combine::{Aggregate, Input, difference, intersection, intersection_len, union};
use super::leaf::order;
use super::range::{index_ranks, limit_ranks};
use super::*;
use crate::types::set::{self, Set};

const LIMITS: Limits = Limits { listpack_entries: 128, listpack_value: 64, hash_seed: 9 };
/// Everything is a tree.
const NO_LISTPACK: Limits = Limits { listpack_entries: 0, listpack_value: 0, hash_seed: 9 };
const SET_LIMITS: set::Limits =
    set::Limits { intset_entries: 512, listpack_entries: 128, listpack_value: 64, hash_seed: 9 };
const BOTH: [Limits; 2] = [LIMITS, NO_LISTPACK];
const PLAIN: Flags = Flags { nx: false, xx: false, gt: false, lt: false, incr: false };

fn zset(limits: &Limits, elements: &[(&str, f64)]) -> Zset {
    let mut zset = Zset::new();
    for &(member, score) in elements {
        zset.add(member.as_bytes(), score, PLAIN, limits).unwrap();
    }
    zset
}

fn list(zset: &Zset, ranks: Range<usize>) -> Vec<(String, f64)> {
    let text = |member: Element<'_>| String::from_utf8(member.to_vec()).unwrap();
    zset.iter(ranks).map(|(member, score)| (text(member), score)).collect()
}

fn all(zset: &Zset) -> Vec<(String, f64)> {
    list(zset, 0..zset.len())
}

fn names(zset: &Zset, ranks: Range<usize>) -> String {
    list(zset, ranks).into_iter().map(|(member, _)| member).collect::<Vec<_>>().join(" ")
}

#[test]
fn random_operations_agree_with_a_model_across_the_encodings() {
    for (seed, limits) in [(1, LIMITS), (2, NO_LISTPACK), (3, Limits { listpack_entries: 1_000, ..LIMITS })] {
        println!("seed {seed}");
        let mut random = Random::new(seed);
        let mut zset = Zset::new();
        let mut model: BTreeMap<Vec<u8>, f64> = BTreeMap::new();
        for round in 0..3_000 {
            let n = random.below(300);
            // Integers and other strings, so that a listpack has both.
            let member = if n.is_multiple_of(2) { format!("{n}") } else { format!("m{n}") }.into_bytes();
            // Never −0, which a listpack does not keep.
            let score = [n as f64 % 7.0, random.fraction(), 1e19, f64::INFINITY, -3.5][random.below(5)];
            if random.below(3) > 0 {
                let old = model.insert(member.clone(), score);
                let expected = match old {
                    None => Added::New(score),
                    Some(old) if old == score => Added::Same(score),
                    Some(_) => Added::Changed(score),
                };
                assert_eq!(zset.add(&member, score, PLAIN, &limits), Ok(expected));
            } else {
                assert_eq!(zset.remove(&member), model.remove(&member));
            }
            if round % 61 == 0 {
                let mut sorted: Vec<(Vec<u8>, f64)> = model.clone().into_iter().collect();
                sorted.sort_by(|a, b| order((a.1, &a.0), (b.1, &b.0)));
                let pairs = |(member, score): (Element<'_>, f64)| (member.to_vec(), score);
                assert_eq!(zset.iter(0..zset.len()).map(pairs).collect::<Vec<_>>(), sorted);
                let range = sorted.len() / 3..sorted.len() / 2;
                let backwards: Vec<_> = zset.iter(range.clone()).rev().map(pairs).collect();
                assert!(backwards.iter().rev().eq(&sorted[range]));
                for (rank, (member, score)) in sorted.iter().enumerate() {
                    assert_eq!(zset.rank(member, false), Some((rank, *score)));
                    assert_eq!(zset.rank(member, true), Some((sorted.len() - 1 - rank, *score)));
                    assert_eq!(pairs(zset.element(rank)), (member.clone(), *score));
                }
                let mut scanned = Vec::new();
                assert_eq!(
                    zset.scan(0, usize::MAX, |member, score| scanned.push((member.to_vec(), score))),
                    0
                );
                scanned.sort_by(|a, b| order((a.1, &a.0), (b.1, &b.0)));
                assert_eq!(scanned, sorted);
            }
        }
        assert_eq!(
            zset.encoding().name(),
            if limits.listpack_entries == 1_000 { "listpack" } else { "skiplist" }
        );
        let len = zset.len();
        zset.remove_ranks(10..len);
        assert_eq!(zset.len(), 10);
    }
}

#[test]
fn a_listpack_becomes_a_skiplist_above_its_limits_and_stays_one() {
    let limits = Limits { listpack_entries: 3, listpack_value: 5, hash_seed: 0 };
    let mut set = zset(&limits, &[("a", 1.0), ("b", 2.0), ("12345", 3.0)]);
    assert_eq!(set.encoding().name(), "listpack");
    set.add(b"a", 9.0, PLAIN, &limits).unwrap();
    assert_eq!(set.encoding().name(), "listpack");
    set.add(b"c", 4.0, PLAIN, &limits).unwrap();
    assert_eq!((set.encoding().name(), set.small_bytes()), ("skiplist", None));
    assert_eq!(names(&set, 0..4), "b 12345 c a");
    set.remove_ranks(0..4);
    assert_eq!((set.encoding().name(), set.is_empty()), ("skiplist", true));
    assert_eq!(zset(&limits, &[("123456", 1.0)]).encoding().name(), "skiplist");
    assert_eq!(Zset::for_members(b"12345", 3, &limits).encoding().name(), "listpack");
    assert_eq!(Zset::for_members(b"12345", 4, &limits).encoding().name(), "skiplist");
    assert_eq!(Zset::for_members(b"123456", 3, &limits).encoding().name(), "skiplist");
    let mut set = zset(&limits, &[("a", 1.0)]);
    set.prepare(3, &limits);
    assert_eq!(set.encoding().name(), "listpack");
    set.prepare(4, &limits);
    assert_eq!((set.encoding().name(), all(&set)), ("skiplist", vec![("a".into(), 1.0)]));
}

#[test]
fn the_listpack_is_redis_s() {
    let set = zset(&LIMITS, &[("b", 1.5), ("d", -0.0), ("17", 1e19), ("e", 4e15), ("f", -3.0)]);
    // What DUMP says between its type and its footer.
    let mut expected = b"\x30\0\0\0\x0a\0\x81f\x02\xdf\xfd\x02\x81d\x02\x00\x01\x81b\x02\x831.5\x04".to_vec();
    expected.extend_from_slice(b"\x81e\x02\xf4\0\0\x1a\x93\xfa\x35\x0e\0\x09\x11\x01\x851e+19\x06\xff");
    assert_eq!(set.small_bytes().unwrap(), expected);
    let read = Zset::from_listpack(expected, &LIMITS).unwrap();
    assert_eq!(all(&read), all(&set));
    assert_eq!(set.score(b"17"), Some(1e19));
    let few = Limits { listpack_entries: 3, ..LIMITS };
    let pairs = set.small_bytes().unwrap().to_vec();
    assert_eq!(Zset::from_listpack(pairs, &few).unwrap().encoding().name(), "skiplist");
}

#[test]
fn a_listpack_from_outside_must_be_pairs_in_order() {
    let parse = |texts: &[&str]| {
        let pairs = Listpack::of(texts.iter().map(|text| Element::new(text.as_bytes())));
        Zset::from_listpack(pairs.as_bytes().to_vec(), &LIMITS).map(|set| set.len())
    };
    assert_eq!(parse(&[]), Err(Malformed), "a key has elements");
    assert_eq!(parse(&["a", "1", "b", "1", "c", "1.5", "d", "inf"]), Ok(4));
    for wrong in [
        &["a"][..],
        &["a", "1", "b"],
        &["a", "x"],
        &["a", ""],
        &["a", "nan"],
        &["b", "1", "a", "1"],
        &["a", "2", "b", "1"],
        &["a", "1", "a", "1"],
        &["a", "1", "b", "2", "a", "3"],
    ] {
        assert_eq!(parse(wrong), Err(Malformed), "{wrong:?}");
    }
}

#[test]
fn flags_of_add_decide_as_in_redis() {
    for limits in BOTH {
        let mut set = zset(&limits, &[("a", 5.0)]);
        let mut add = |member: &str, score, flags| set.add(member.as_bytes(), score, flags, &limits);
        assert_eq!(add("b", 1.0, Flags { xx: true, ..PLAIN }), Ok(Added::Refused));
        assert_eq!(add("a", 1.0, Flags { nx: true, ..PLAIN }), Ok(Added::Refused));
        assert_eq!(add("b", 1.0, Flags { nx: true, ..PLAIN }), Ok(Added::New(1.0)));
        assert_eq!(add("b", 2.0, Flags { xx: true, ..PLAIN }), Ok(Added::Changed(2.0)));
        assert_eq!(add("a", 4.0, Flags { gt: true, ..PLAIN }), Ok(Added::Refused));
        assert_eq!(add("a", 5.0, Flags { gt: true, ..PLAIN }), Ok(Added::Refused));
        assert_eq!(add("a", 6.0, Flags { gt: true, ..PLAIN }), Ok(Added::Changed(6.0)));
        assert_eq!(add("a", 7.0, Flags { lt: true, ..PLAIN }), Ok(Added::Refused));
        assert_eq!(add("a", 5.0, Flags { lt: true, xx: true, ..PLAIN }), Ok(Added::Changed(5.0)));
        assert_eq!(add("c", 5.0, Flags { gt: true, ..PLAIN }), Ok(Added::New(5.0)));
        assert_eq!(add("a", 5.0, PLAIN), Ok(Added::Same(5.0)));
        assert_eq!(add("a", 2.5, Flags { incr: true, ..PLAIN }).unwrap().score(), Some(7.5));
        assert_eq!(add("a", -1.0, Flags { incr: true, gt: true, ..PLAIN }).unwrap().score(), None);
        assert_eq!(add("d", 3.0, Flags { incr: true, ..PLAIN }), Ok(Added::New(3.0)));
        assert_eq!(add("d", f64::INFINITY, PLAIN), Ok(Added::Changed(f64::INFINITY)));
        assert_eq!(add("d", f64::NEG_INFINITY, Flags { incr: true, ..PLAIN }), Err(NotANumber));
        assert_eq!(set.score(b"d"), Some(f64::INFINITY));
        assert!(set.load(b"e", 1.0, &limits) && !set.load(b"e", 1.0, &limits));
    }
}

#[test]
fn ranges_by_score_and_by_member_are_ranks() {
    for limits in BOTH {
        let set = zset(&limits, &[("a", 1.0), ("b", 2.0), ("c", 2.0), ("d", 3.0), ("e", f64::INFINITY)]);
        let scores = |min: &str, max: &str| {
            names(&set, set.score_ranks(&ScoreRange::parse(min.as_bytes(), max.as_bytes()).unwrap()))
        };
        assert_eq!(scores("-inf", "+inf"), "a b c d e");
        assert_eq!(scores("2", "3"), "b c d");
        assert_eq!(scores("(2", "(3"), "");
        assert_eq!(scores("(1", "2"), "b c");
        assert_eq!(scores("3", "2"), "");
        assert_eq!(scores("4", "5"), "");
        assert_eq!(scores("(3", "inf"), "e");
        assert_eq!(scores("inf", "(inf"), "");
        let ranks = limit_ranks(index_ranks(0, -2, true, set.len()), 1, 2, true);
        assert_eq!(names(&set, ranks), "c d");

        let set = zset(&limits, &["", "a", "aa", "b", "c"].map(|member| (member, 0.0)));
        let members =
            |min: &str, max: &str| set.lex_ranks(&LexRange::parse(min.as_bytes(), max.as_bytes()).unwrap());
        assert_eq!(members("-", "+"), 0..5);
        assert_eq!(members("[a", "(b"), 1..3);
        assert_eq!(members("(a", "[b"), 2..4);
        assert_eq!(members("[", "["), 0..1);
        assert!(
            members("[b", "[a").is_empty() && members("+", "-").is_empty() && members("(c", "+").is_empty()
        );
    }
}

#[test]
fn lex_ranges_over_different_scores_find_something_or_nothing() {
    let mut random = Random::new(4);
    for limits in BOTH {
        let mut set = Zset::new();
        for n in 0..2_000 {
            set.add(format!("{}", n * 7919 % 2_000).as_bytes(), random.fraction(), PLAIN, &limits).unwrap();
        }
        for _ in 0..1_000 {
            let (min, max) = (format!("[{}", random.below(3_000)), format!("({}", random.below(3_000)));
            let ranks = set.lex_ranks(&LexRange::parse(min.as_bytes(), max.as_bytes()).unwrap());
            assert_eq!(set.iter(ranks.clone()).count(), ranks.len());
        }
    }
}

#[test]
fn random_elements_are_fair_and_different() {
    for limits in BOTH {
        let elements: Vec<(String, f64)> = (0..20).map(|n| (format!("m{n}"), f64::from(n))).collect();
        let elements: Vec<(&str, f64)> =
            elements.iter().map(|(member, score)| (member.as_str(), *score)).collect();
        let set = zset(&limits, &elements);
        let seed = 6;
        println!("seed {seed}");
        let mut random = Random::new(seed);
        let mut hits = [0; 20];
        for _ in 0..4_000 {
            hits[set.random(&mut random).unwrap().1 as usize] += 1;
            let chosen: Vec<f64> = set.sample(5, &mut random).iter().map(|&(_, score)| score).collect();
            assert!(chosen.len() == 5 && chosen.is_sorted_by(|a, b| a < b));
            chosen.iter().for_each(|&score| hits[score as usize] += 1);
        }
        assert!(hits.iter().all(|hits| (1_000..1_400).contains(hits)), "{hits:?}");
        assert_eq!(set.sample(100, &mut random).len(), 20);
        assert!(Zset::new().random(&mut random).is_none());
    }
}

#[test]
fn combinations_follow_redis_s_arithmetic() {
    let infinity = f64::INFINITY;
    for limits in BOTH {
        let a = zset(&limits, &[("x", 1.0), ("y", 2.0), ("i", infinity)]);
        let b = zset(&limits, &[("y", 10.0), ("z", 20.0), ("i", -infinity), ("w", 0.0)]);
        let (plain_a, plain_b) = (Input::new(Some(&a)), Input::new(Some(&b)));
        let missing = Input::new(None);
        let combined = |set: Zset| {
            assert_eq!(
                set.encoding().name(),
                if limits.listpack_entries == 0 { "skiplist" } else { "listpack" }
            );
            all(&set)
                .into_iter()
                .map(|(member, score)| format!("{member}={score}"))
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(
            combined(union(&[plain_a, plain_b, missing], Aggregate::Sum, &limits)),
            "i=0 w=0 x=1 y=12 z=20"
        );
        let weighted = [Input { weight: 2.0, ..plain_a }, Input { weight: 0.0, ..plain_b }];
        assert_eq!(combined(union(&weighted, Aggregate::Max, &limits)), "w=0 z=0 x=2 y=4 i=inf");
        assert_eq!(combined(union(&weighted, Aggregate::Min, &limits)), "i=0 w=0 y=0 z=0 x=2");
        assert_eq!(combined(intersection(&[plain_a, plain_b], Aggregate::Sum, &limits)), "i=0 y=12");
        assert_eq!(combined(intersection(&[plain_a, plain_b], Aggregate::Min, &limits)), "i=-inf y=2");
        assert_eq!(combined(intersection(&[plain_a, plain_a], Aggregate::Sum, &limits)), "x=2 y=4 i=inf");
        assert!(intersection(&[plain_a, missing], Aggregate::Sum, &limits).is_empty());
        assert_eq!(combined(difference(&[plain_a, plain_b, missing], &limits)), "x=1");
        assert_eq!(combined(difference(&[plain_a], &limits)), "x=1 y=2 i=inf");
        assert!(difference(&[missing, plain_a], &limits).is_empty());
        assert!(difference(&[plain_a, plain_a], &limits).is_empty());
        let mut set = Set::for_members(b"x", 1, &SET_LIMITS);
        assert!(["x", "w", "7"].iter().all(|member| set.add(member.as_bytes(), &SET_LIMITS)));
        let scores_of_one = Input::new(Some(&set));
        assert_eq!(
            combined(union(&[plain_a, scores_of_one], Aggregate::Sum, &limits)),
            "7=1 w=1 x=2 y=2 i=inf"
        );
        assert_eq!(combined(intersection(&[plain_b, scores_of_one], Aggregate::Max, &limits)), "w=1");
        assert_eq!(combined(difference(&[scores_of_one, plain_a], &limits)), "7=1 w=1");
        let len = |limit| intersection_len(&[plain_a, plain_b], limit);
        assert_eq!((len(usize::MAX), len(1), intersection_len(&[plain_a, missing], 9)), (2, 1, 0));
    }
}

#[test]
fn a_small_set_takes_no_more_than_its_listpack() {
    let set = zset(&LIMITS, &[("member:1", 1.0), ("member:2", 2.0)]);
    assert!(set.memory_bytes() <= set.small_bytes().unwrap().len().next_multiple_of(16));
    assert!(size_of::<Zset>() <= 32, "{}", size_of::<Zset>());
}

#[test]
fn what_is_made_of_most_of_a_big_set_is_a_clone_that_is_changed_and_leaves_the_set_alone() {
    let numbered = |range: Range<usize>, score: fn(usize) -> f64| {
        let mut zset = Zset::new();
        range.for_each(|n| zset.insert(format!("member:{n}").as_bytes(), score(n), &LIMITS));
        zset
    };
    let big = numbered(0..5_000, |n| n as f64);
    let others = [
        numbered(0..0, |n| n as f64),
        numbered(4_990..5_010, |n| 3.5 * n as f64),
        numbered(2_000..7_000, |n| -(n as f64)),
        numbered(0..5_000, |_| f64::NEG_INFINITY),
    ];
    let before = all(&big);
    let scores = |zset: &Zset| all(zset).into_iter().collect::<BTreeMap<_, _>>();
    let clones = [
        big.part(0..5_000, &LIMITS),
        union(&[Input::new(None), Input::new(Some(&big))], Aggregate::Min, &LIMITS),
        intersection(&[Input::new(Some(&big))], Aggregate::Max, &LIMITS),
        difference(&[Input::new(Some(&big)), Input::new(None)], &LIMITS),
    ];
    assert!(clones.iter().all(|clone| clone.is_shared_with(&big)));
    let doubled = union(&[Input { source: Some(&big), weight: 2.0 }], Aggregate::Sum, &LIMITS);
    assert_eq!(doubled.score(b"member:4999"), Some(9_998.0));
    for other in &others {
        let (a, b) = (Input::new(Some(&big)), Input::new(Some(other)));
        let mut expected = scores(&big);
        scores(other).into_iter().for_each(|(member, score)| *expected.entry(member).or_default() += score);
        for inputs in [[a, b], [b, a]] {
            assert_eq!(scores(&union(&inputs, Aggregate::Sum, &LIMITS)), expected);
        }
        let mut expected = scores(&big);
        expected.retain(|member, _| other.score(member.as_bytes()).is_none());
        let left = difference(&[a, b], &LIMITS);
        assert_eq!(scores(&left), expected);
        assert_eq!(left.encoding() == Encoding::Listpack, expected.is_empty());
    }
    for ranks in [0..4_000, 1_000..5_000, 1..4_999, 10..2_000, 4_000..5_000, 0..128, 0..129] {
        let part = big.part(ranks.clone(), &LIMITS);
        assert_eq!(all(&part), before[ranks.clone()]);
        assert_eq!(part.encoding() == Encoding::Listpack, ranks.len() <= 128);
    }
    assert!(all(&big) == before && !big.has_left_over());
    // Of a tree that has lost most of its elements a small set is made.
    let mut sparse = numbered(0..700, |n| n as f64);
    sparse.remove_ranks(5..700);
    assert_eq!(
        (sparse.encoding(), sparse.part(0..5, &LIMITS).encoding()),
        (Encoding::Skiplist, Encoding::Listpack)
    );
    let sparse = [Input::new(Some(&sparse as &dyn combine::Source))];
    assert_eq!(union(&sparse, Aggregate::Sum, &LIMITS).encoding(), Encoding::Listpack);
    assert_eq!(intersection(&sparse, Aggregate::Sum, &LIMITS).encoding(), Encoding::Listpack);
    assert_eq!(difference(&sparse, &LIMITS).encoding(), Encoding::Listpack);
}

#[test]
fn a_combination_keeps_the_sign_of_zero_if_it_becomes_a_tree_and_only_then() {
    let long = "m".repeat(65);
    let short = zset(&LIMITS, &[("a", 0.0), ("b", 0.0)]);
    let mixed = zset(&LIMITS, &[("a", 0.0), (&long, 0.0)]);
    for (source, encoding, is_negative) in
        [(&short, Encoding::Listpack, false), (&mixed, Encoding::Skiplist, true)]
    {
        let input = Input { source: Some(source), weight: -1.0 };
        let results = [
            union(&[input, input], Aggregate::Sum, &LIMITS),
            intersection(&[input], Aggregate::Sum, &LIMITS),
        ];
        for result in results {
            assert_eq!(result.encoding(), encoding);
            let signs = result.iter(0..2).map(|(_, score)| score == 0.0 && score.is_sign_negative());
            assert_eq!(signs.collect::<Vec<_>>(), [is_negative; 2]);
        }
    }
}
