//! Sets against a `BTreeSet` in every encoding and across the limits, and the encodings that Redis would have.

use std::collections::{BTreeSet, HashMap};

use super::*;

const LIMITS: Limits =
    Limits { intset_entries: 512, listpack_entries: 128, listpack_value: 64, hash_seed: 42 };

fn of<T: AsRef<[u8]>>(members: impl IntoIterator<Item = T>) -> Set {
    let mut members = members.into_iter().peekable();
    let mut set = Set::for_members(members.peek().map_or(b"", |member| member.as_ref()), 0, &LIMITS);
    for member in members {
        set.add(member.as_ref(), &LIMITS);
    }
    set
}

fn integers(range: std::ops::Range<i64>) -> Set {
    of(range.map(|n| n.to_string()))
}

fn words(range: std::ops::Range<i64>) -> Set {
    of(range.map(|n| format!("word:{n}")))
}

fn members(set: &Set) -> Vec<Vec<u8>> {
    set.iter().map(|member| member.to_vec()).collect()
}

fn sorted(members: impl IntoIterator<Item = Vec<u8>>) -> Vec<Vec<u8>> {
    let mut members: Vec<_> = members.into_iter().collect();
    members.sort();
    members
}

#[test]
fn encodings_change_where_those_of_redis_change() {
    assert_eq!(integers(0..512).encoding().name(), "intset");
    assert_eq!(integers(0..513).encoding().name(), "hashtable");
    assert_eq!(words(0..128).encoding().name(), "listpack");
    assert_eq!(words(0..129).encoding().name(), "hashtable");

    let mut set = integers(0..127);
    assert!(set.add(b"word", &LIMITS));
    assert_eq!((set.encoding(), set.len()), (Encoding::Listpack, 128));
    let mut set = integers(0..128);
    assert!(set.add(b"word", &LIMITS));
    assert_eq!((set.encoding(), set.len()), (Encoding::Hashtable, 129));

    let mut set = words(0..3);
    assert!(set.add(&[b'x'; 64], &LIMITS));
    assert_eq!(set.encoding(), Encoding::Listpack);
    assert!(set.add(&[b'x'; 65], &LIMITS));
    assert_eq!(set.encoding(), Encoding::Hashtable);
    let mut set = integers(0..3);
    assert!(set.add(&[b'x'; 65], &LIMITS));
    assert_eq!(set.encoding(), Encoding::Hashtable);

    let short = Limits { listpack_value: 5, ..LIMITS };
    let mut set = integers(-100_000..-99_999);
    assert!(set.add(b"word", &short), "the text of an integer is too long for a listpack");
    assert_eq!(set.encoding(), Encoding::Hashtable);
}

#[test]
fn an_encoding_is_not_taken_back_when_members_go() {
    for mut set in [integers(0..600), words(0..200)] {
        members(&set).iter().skip(1).for_each(|member| assert!(set.remove(member)));
        assert_eq!((set.len(), set.encoding()), (1, Encoding::Hashtable));
    }
    let mut set = of(["1", "a"]);
    assert!(set.remove(b"a"));
    assert_eq!(set.encoding(), Encoding::Listpack);
}

#[test]
fn the_first_encoding_follows_the_first_member_and_the_count() {
    let encoding = |first: &str, count| Set::for_members(first.as_bytes(), count, &LIMITS).encoding();
    assert_eq!(encoding("1", 512), Encoding::Intset);
    assert_eq!(encoding("1", 513), Encoding::Hashtable);
    assert_eq!(encoding("a", 128), Encoding::Listpack);
    assert_eq!(encoding("a", 129), Encoding::Hashtable);
    let mut set = integers(0..3);
    set.prepare(512, &LIMITS);
    assert_eq!(set.encoding(), Encoding::Intset);
    set.prepare(513, &LIMITS);
    assert_eq!((set.encoding(), set.len()), (Encoding::Hashtable, 3));
}

#[test]
fn small_encodings_have_the_order_of_redis() {
    assert_eq!(members(&of(["3", "1", "2"])), [b"1", b"2", b"3"]);
    assert_eq!(members(&of(["c", "3", "a", "1"])), [b"c", b"3", b"a", b"1"]);
    let mut set = of(["3", "1"]);
    assert!(set.add(b"b", &LIMITS) && set.add(b"2", &LIMITS));
    assert_eq!(members(&set), [b"1", b"3", b"b", b"2"]);
    assert_eq!(set.small_bytes().unwrap(), b"\x10\0\0\0\x04\0\x01\x01\x03\x01\x81b\x02\x02\x01\xff");
    assert_eq!(of(["1"]).small_bytes().unwrap(), b"\x02\0\0\0\x01\0\0\0\x01\0");
}

#[test]
fn random_operations_do_to_a_set_what_they_do_to_a_btreeset() {
    for seed in 0..24 {
        println!("seed {seed}");
        let mut random = Random::new(seed);
        // Ranges of integers and words that stay in an encoding or leave it.
        let range = [20, 100, 700, 3_000][seed as usize % 4];
        let only_integers = seed % 8 < 4;
        let (mut set, mut model) = (Set::for_members(b"1", 0, &LIMITS), BTreeSet::new());
        for round in 0..3_000 {
            let number = random.below(range).to_string();
            let member = if only_integers || random.below(2) == 0 { number } else { format!("w{number}") };
            let member = member.into_bytes();
            if random.below(10) < if round < 2_000 { 8 } else { 3 } {
                assert_eq!(set.add(&member, &LIMITS), model.insert(member.clone()));
            } else {
                assert_eq!(set.remove(&member), model.remove(&member));
            }
            assert_eq!(set.contains(&member), model.contains(&member));
            assert_eq!(set.contains_element(Element::new(&member)), model.contains(&member));
            assert_eq!(set.len(), model.len());
        }
        assert!(sorted(members(&set)).iter().eq(model.iter()));
        if let Some(bytes) = set.small_bytes().filter(|_| !model.is_empty()) {
            let copy = match set.encoding() {
                Encoding::Intset => Set::from_intset(bytes.to_vec(), &LIMITS),
                _ => Set::from_listpack(bytes.to_vec(), &LIMITS),
            };
            assert_eq!(members(&copy.unwrap()), members(&set));
        }
    }
}

#[test]
fn bytes_from_outside_are_checked_and_converted() {
    let listpack = |members: &[&str]| {
        Listpack::of(members.iter().map(|member| Element::Bytes(member.as_bytes()))).as_bytes().to_vec()
    };
    assert!(Set::from_listpack(listpack(&["a", "b"]), &LIMITS).is_ok());
    assert!(Set::from_listpack(listpack(&["a", "b", "a"]), &LIMITS).is_err());
    assert!(Set::from_listpack(listpack(&[]), &LIMITS).is_err());
    let twice = Listpack::of([Element::Int(5), Element::Bytes(b"5")]).as_bytes().to_vec();
    assert!(Set::from_listpack(twice, &LIMITS).is_err(), "an integer and its text are one member");
    assert!(Set::from_intset(Vec::new(), &LIMITS).is_err());

    let tight = Limits { intset_entries: 2, listpack_entries: 2, ..LIMITS };
    let set = Set::from_listpack(listpack(&["a", "b", "7"]), &tight).unwrap();
    assert_eq!((set.encoding(), set.contains(b"7")), (Encoding::Hashtable, true));
    let bytes = integers(0..3).small_bytes().unwrap().to_vec();
    assert_eq!(Set::from_intset(bytes, &tight).unwrap().encoding(), Encoding::Hashtable);
}

#[test]
fn scanning_gives_small_sets_whole_and_big_ones_in_steps() {
    let mut found = 0;
    assert_eq!(words(0..100).scan(0, 10, |_| found += 1), 0);
    assert_eq!(found, 100);
    let set = words(0..2_000);
    let (mut cursor, mut found) = (0, BTreeSet::new());
    loop {
        cursor = set.scan(cursor, 10, |member| assert!(found.insert(member.to_vec())));
        if cursor == 0 {
            break;
        }
    }
    assert_eq!(found.len(), 2_000);
}

#[test]
fn random_members_are_fair_in_every_encoding() {
    for set in [integers(0..50), words(0..50), words(0..600)] {
        let mut random = Random::new(7);
        let (mut single, mut sampled) = (HashMap::new(), HashMap::new());
        for _ in 0..set.len() * 100 {
            *single.entry(set.random(&mut random).unwrap().to_vec()).or_insert(0usize) += 1;
        }
        for _ in 0..1_000 {
            for member in set.sample(set.len() / 10, &mut random) {
                *sampled.entry(member.to_vec()).or_insert(0usize) += 1;
            }
        }
        for counts in [single, sampled] {
            assert_eq!(counts.len(), set.len());
            assert!(counts.values().all(|&count| (50..150).contains(&count)), "{counts:?}");
        }
        assert_eq!(sorted(set.sample(1_000, &mut random).iter().map(Element::to_vec)), sorted(members(&set)));
    }
}

#[test]
fn popping_takes_members_away_and_leaves_the_rest() {
    for make in [|| integers(0..100), || words(0..100), || words(0..1_000)] {
        let all = make();
        for count in [0, 1, 10, 50, 84, 90, 99, 100, 5_000] {
            let (mut set, mut random) = (make(), Random::new(count as u64));
            let popped = set.pop(count, &LIMITS, &mut random);
            assert_eq!(popped.len(), count.min(all.len()));
            assert_eq!(set.len(), all.len() - popped.len());
            let popped = popped.members().into_iter().map(<[u8]>::to_vec);
            let both = sorted(popped.chain(members(&set)));
            assert_eq!(both, sorted(members(&all)), "each is on one side");
        }
    }
}

#[test]
fn what_is_left_of_a_set_nearly_popped_empty_is_small_again() {
    let mut random = Random::new(1);
    let mut set = words(0..1_000);
    set.pop(833, &LIMITS, &mut random);
    assert_eq!(set.encoding(), Encoding::Hashtable, "a fifth of what is popped is not so little");
    let mut set = words(0..600);
    set.pop(500, &LIMITS, &mut random);
    assert_eq!((set.encoding(), set.len()), (Encoding::Listpack, 100));
    let mut set = integers(0..600);
    set.pop(590, &LIMITS, &mut random);
    assert_eq!(set.encoding(), Encoding::Listpack, "a table's members are strings");
}

mod algebra_tests {
    use super::super::algebra::*;
    use super::*;

    fn collected<'a>(found: impl Iterator<Item = Element<'a>>) -> Vec<Vec<u8>> {
        found.map(|member| member.to_vec()).collect()
    }

    fn model(set: &Set) -> BTreeSet<Vec<u8>> {
        set.iter().map(|member| member.to_vec()).collect()
    }

    #[test]
    fn results_are_those_of_std_sets_in_all_encodings() {
        let sets =
            [integers(0..40), integers(20..700), words(0..50), words(30..400), of(["1", "word:31", "x"])];
        for (a, b) in sets.iter().flat_map(|a| sets.iter().map(move |b| (a, b))) {
            for c in &sets {
                let (ma, mb, mc) = (model(a), model(b), model(c));
                let or: BTreeSet<_> = ma.iter().chain(&mb).chain(&mc).cloned().collect();
                let and: Vec<_> = ma.iter().filter(|&m| mb.contains(m) && mc.contains(m)).cloned().collect();
                let minus: Vec<_> =
                    ma.iter().filter(|&m| !mb.contains(m) && !mc.contains(m)).cloned().collect();
                assert!(sorted(collected(union(&[a, b, c]))).iter().eq(or.iter()));
                assert_eq!(sorted(collected(intersection(&[a, b, c]))), and);
                assert_eq!(sorted(collected(difference(a, &[b, c]))), minus);
                assert_eq!(stored_union(&[a, b, c], &LIMITS).len(), or.len());
                assert_eq!(stored_intersection(&[a, b, c], &LIMITS).len(), and.len());
                assert_eq!(stored_difference(a, &[b, c], &LIMITS).len(), minus.len());
            }
        }
        assert_eq!(intersection(&[]).count() + union(&[]).count(), 0);
        assert_eq!(intersection(&[&sets[1], &sets[1]]).take(3).count(), 3, "as SINTERCARD with a limit");
    }

    #[test]
    fn what_is_stored_of_a_big_set_is_a_clone_that_is_changed_and_leaves_the_set_alone() {
        let (big, few, other) = (words(0..2_000), words(1_990..2_010), words(1_000..3_000));
        let before = model(&big);
        for set in [
            stored_union(&[&big], &LIMITS),
            stored_union(&[&big, &big], &LIMITS),
            stored_intersection(&[&big], &LIMITS),
            stored_difference(&big, &[], &LIMITS),
        ] {
            assert!(set.is_shared_with(&big));
        }
        for (a, b) in [(&big, &few), (&few, &big), (&big, &other), (&big, &integers(0..700))] {
            let (or, minus) = (stored_union(&[a, b], &LIMITS), stored_difference(a, &[b], &LIMITS));
            assert!(model(&or).iter().eq(model(a).union(&model(b))));
            assert!(model(&minus).iter().eq(model(a).difference(&model(b))));
            assert_eq!(or.encoding(), Encoding::Hashtable);
            let is_small = minus.len() <= LIMITS.listpack_entries;
            assert_eq!(minus.encoding() == Encoding::Listpack, is_small, "{}", minus.len());
        }
        assert!(model(&big) == before);
        // Of a table that has lost most of its members a small set is stored.
        let mut sparse = words(0..700);
        (5..700).for_each(|n| assert!(sparse.remove(format!("word:{n}").as_bytes())));
        assert_eq!(sparse.encoding(), Encoding::Hashtable);
        assert_eq!(stored_union(&[&sparse], &LIMITS).encoding(), Encoding::Listpack);
        assert_eq!(stored_intersection(&[&sparse], &LIMITS).encoding(), Encoding::Listpack);
        assert_eq!(stored_difference(&sparse, &[], &LIMITS).encoding(), Encoding::Listpack);
    }

    #[test]
    fn a_union_of_intsets_ascends() {
        let found = collected(union(&[&of(["5", "1"]), &of(["3", "1", "-2"])]));
        assert_eq!(found, [&b"-2"[..], b"1", b"3", b"5"]);
    }

    #[test]
    fn stored_results_have_the_encoding_of_redis() {
        let (few, many) = (integers(0..10), integers(5..700));
        assert_eq!(stored_intersection(&[&few, &many], &LIMITS).encoding(), Encoding::Intset);
        let mixed = of(["6", "7", "a"]);
        let result = stored_intersection(&[&mixed, &many], &LIMITS);
        assert_eq!((result.encoding(), result.len()), (Encoding::Intset, 2));
        assert_eq!(stored_intersection(&[&mixed, &mixed], &LIMITS).encoding(), Encoding::Listpack);
        let result = stored_intersection(&[&many, &integers(0..900)], &LIMITS);
        assert_eq!((result.encoding(), result.len()), (Encoding::Hashtable, 695));
        assert_eq!(stored_union(&[&few, &integers(100..200)], &LIMITS).encoding(), Encoding::Intset);
        assert_eq!(stored_union(&[&few, &mixed], &LIMITS).encoding(), Encoding::Listpack);
        assert_eq!(stored_difference(&mixed, &[&few], &LIMITS).encoding(), Encoding::Listpack);
        assert_eq!(stored_difference(&few, &[&mixed], &LIMITS).encoding(), Encoding::Intset);
    }
}
