//! Hashes against a `BTreeMap` in every encoding and across the limits, and what Redis does with fields that expire.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::*;

const LIMITS: Limits = Limits { listpack_entries: 128, listpack_value: 64, hash_seed: 7 };
const NOW: u64 = 1_000_000;

fn of<'a>(fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> Hash {
    let mut hash = Hash::new();
    for (field, value) in fields {
        hash.set(field.as_bytes(), value.as_bytes(), Expiry::Clear, &LIMITS);
    }
    hash
}

fn numbered(count: usize) -> Hash {
    let mut hash = Hash::new();
    for n in 0..count {
        hash.set(format!("f{n}").as_bytes(), format!("v{n}").as_bytes(), Expiry::Clear, &LIMITS);
    }
    hash
}

/// A hash of `count` fields in each encoding that it can have.
fn in_each_encoding(count: usize) -> Vec<Hash> {
    let (small, mut big) = (numbered(count), numbered(count));
    let mut triples = numbered(count);
    triples.expire(b"none", NOW + 1, Condition::Always, NOW);
    big.convert_to_table(&LIMITS);
    vec![small, triples, big]
}

fn text_of(element: Element<'_>) -> String {
    String::from_utf8(element.to_vec()).unwrap()
}

/// `field=value@expiry` for every field, in order.
fn shown(hash: &Hash) -> String {
    let show = |entry: Entry<'_>| {
        let expire = entry.expire.map_or(String::new(), |expire| format!("@{expire}"));
        format!("{}={}{expire}", text_of(entry.field), text_of(entry.value))
    };
    hash.iter().map(show).collect::<Vec<_>>().join(" ")
}

fn value(hash: &Hash, field: &str, now: u64) -> Option<String> {
    hash.get(field.as_bytes(), now).map(|entry| text_of(entry.value))
}

#[test]
fn encodings_change_where_those_of_redis_change() {
    assert_eq!(numbered(128).encoding().name(), "listpack");
    assert_eq!(numbered(129).encoding().name(), "hashtable");
    for (field, value, expected) in [(64, 64, "listpack"), (65, 1, "hashtable"), (1, 65, "hashtable")] {
        let mut hash = numbered(3);
        hash.set(&vec![b'x'; field], &vec![b'y'; value], Expiry::Clear, &LIMITS);
        assert_eq!(hash.encoding().name(), expected);
    }
    let mut hash = numbered(3);
    assert_eq!(hash.expire(b"none", NOW + 5, Condition::Always, NOW), Expired::NoField);
    assert_eq!(hash.encoding().name(), "listpackex", "the attempt is enough");
    for n in 0..200 {
        hash.set(format!("g{n}").as_bytes(), b"", Expiry::Clear, &LIMITS);
    }
    assert_eq!(hash.encoding(), Encoding::Hashtable);
    for n in 0..200 {
        assert!(hash.remove(format!("g{n}").as_bytes()));
    }
    assert_eq!((hash.encoding(), hash.len()), (Encoding::Hashtable, 3));
}

#[test]
fn arguments_are_looked_at_before_any_is_set() {
    let texts = |count: usize, len: usize| vec![vec![b'a'; len]; count];
    for (count, len, expected) in [(256, 64, "listpack"), (258, 1, "hashtable"), (2, 65, "hashtable")] {
        let (mut hash, texts) = (numbered(1), texts(count, len));
        hash.prepare(texts.iter().map(Vec::as_slice), &LIMITS);
        assert_eq!((hash.encoding().name(), hash.len()), (expected, 1));
    }
}

#[test]
fn a_listpack_keeps_the_order_of_redis() {
    let mut hash = of([("b", "1"), ("a", "x"), ("c", "3")]);
    hash.set(b"a", b"y", Expiry::Clear, &LIMITS);
    assert_eq!(shown(&hash), "b=1 a=y c=3");
    assert_eq!(
        hash.small_bytes().unwrap(),
        b"\x17\0\0\0\x06\0\x81b\x02\x01\x01\x81a\x02\x81y\x02\x81c\x02\x03\x01\xff"
    );
    assert!(hash.remove(b"b") && !hash.remove(b"b"));
    assert_eq!(shown(&hash), "a=y c=3");
}

#[test]
fn a_listpackex_is_ordered_by_expiry() {
    let mut hash = of([("a", "1"), ("b", "2"), ("c", "3"), ("d", "4")]);
    let mut expire = |field: &str, at| {
        assert_eq!(hash.expire(field.as_bytes(), NOW + at, Condition::Always, NOW), Expired::Set);
        shown(&hash)
    };
    assert_eq!(expire("c", 50), "c=3@1000050 a=1 b=2 d=4");
    assert_eq!(expire("a", 90), "c=3@1000050 a=1@1000090 b=2 d=4");
    assert_eq!(expire("d", 50), "d=4@1000050 c=3@1000050 a=1@1000090 b=2");
    assert_eq!(expire("d", 99), "c=3@1000050 a=1@1000090 d=4@1000099 b=2");
    assert_eq!(hash.persist(b"c", NOW), Some(true));
    assert_eq!(hash.persist(b"c", NOW), Some(false));
    assert_eq!(hash.persist(b"x", NOW), None);
    assert_eq!(shown(&hash), "a=1@1000090 d=4@1000099 b=2 c=3");
    // A value that is set loses its expiry, and the place that goes with it.
    assert!(!hash.set(b"a", b"new", Expiry::Clear, &LIMITS));
    assert!(!hash.set(b"d", b"5", Expiry::Keep, &LIMITS));
    assert!(hash.set(b"e", b"6", Expiry::At(NOW + 1), &LIMITS));
    assert_eq!(shown(&hash), "e=6@1000001 d=5@1000099 b=2 c=3 a=new");
    let copy = Hash::from_listpack_ex(hash.small_bytes().unwrap().to_vec(), &LIMITS).unwrap();
    assert_eq!(shown(&copy), shown(&hash));
}

#[test]
fn conditions_are_those_of_hexpire_in_every_encoding() {
    use Condition::{Gt, Lt, Nx, Xx};
    for mut hash in in_each_encoding(4) {
        let mut expire =
            |field: &str, at: u64, condition| hash.expire(field.as_bytes(), NOW + at, condition, NOW);
        assert_eq!(expire("none", 10, Nx), Expired::NoField);
        assert_eq!(expire("f1", 10, Xx), Expired::NotMet);
        assert_eq!(expire("f1", 10, Gt), Expired::NotMet);
        assert_eq!(expire("f1", 10, Nx), Expired::Set);
        assert_eq!(expire("f1", 20, Nx), Expired::NotMet);
        assert_eq!(expire("f1", 10, Gt), Expired::NotMet);
        assert_eq!(expire("f1", 20, Gt), Expired::Set);
        assert_eq!(expire("f1", 20, Lt), Expired::NotMet);
        assert_eq!(expire("f1", 15, Lt), Expired::Set);
        assert_eq!(expire("f1", 30, Xx), Expired::Set);
        assert_eq!(expire("f2", 30, Lt), Expired::Set, "no expiry is later than any");
        assert_eq!(expire("f3", 0, Nx), Expired::Removed);
        assert_eq!(expire("f3", 9, Nx), Expired::NoField);
        assert_eq!(hash.get(b"f1", NOW).unwrap().expire, Some(NOW + 30));
        assert_eq!((hash.len(), hash.next_expire()), (3, Some(NOW + 30)));
    }
}

#[test]
fn expired_fields_are_not_read_and_are_taken_away() {
    for mut hash in in_each_encoding(40) {
        for n in 0..30u64 {
            hash.expire(format!("f{n}").as_bytes(), NOW + n + 1, Condition::Always, NOW);
        }
        let later = NOW + 21;
        assert_eq!(value(&hash, "f20", later).unwrap(), "v20", "at its very time it is there");
        assert_eq!(value(&hash, "f19", later), None);
        assert_eq!((hash.live(later).count(), hash.len()), (20, 40));
        assert_eq!(hash.persist(b"f0", later), None);
        assert_eq!(hash.expire(b"f0", later + 9, Condition::Always, later), Expired::NoField);
        let mut random = Random::new(3);
        for _ in 0..200 {
            assert!(hash.random(later, &mut random).unwrap().is_live(later));
        }
        assert_eq!(hash.sample(100, later, &mut random).len(), 20);
        let mut scanned = 0;
        assert_eq!(hash.scan(0, 1_000, later, |_| scanned += 1), 0);
        assert_eq!(scanned, 20);

        assert!(hash.take_expired(NOW, 100).is_empty());
        assert_eq!(hash.take_expired(later, 5).len(), 5);
        assert_eq!(hash.take_expired(later, 100).len(), 15);
        assert!(hash.take_expired(later, 100).is_empty());
        assert_eq!((hash.len(), hash.next_expire()), (20, Some(NOW + 21)));
        assert_eq!(hash.take_expired(u64::MAX, 100).len(), 10);
        assert_eq!((hash.len(), hash.next_expire()), (10, None));
    }
}

#[test]
fn a_hash_whose_fields_have_all_expired_has_no_random_field() {
    for mut hash in in_each_encoding(100) {
        for n in 0..100 {
            let at = if n == 50 { NOW + 9 } else { NOW + 1 };
            hash.expire(format!("f{n}").as_bytes(), at, Condition::Always, NOW);
        }
        let mut random = Random::new(1);
        assert_eq!(text_of(hash.random(NOW + 5, &mut random).unwrap().field), "f50");
        assert_eq!(hash.random(NOW + 10, &mut random), None);
        assert!(hash.sample(3, NOW + 10, &mut random).is_empty());
    }
    assert_eq!(Hash::new().random(NOW, &mut Random::new(1)), None);
}

#[test]
fn increments_keep_the_expiry_and_refuse_what_redis_refuses() {
    for mut hash in in_each_encoding(3) {
        let mut add = |field: &str, amount| hash.increment(field.as_bytes(), amount, NOW, &LIMITS);
        assert_eq!(add("n", 5), Ok(5));
        assert_eq!(add("n", -7), Ok(-2));
        assert_eq!(add("f1", 1), Err(IncrementError::NotNumber));
        assert_eq!(add("n", i64::MIN), Err(IncrementError::Overflow));
        hash.expire(b"n", NOW + 10, Condition::Always, NOW);
        assert_eq!(hash.increment(b"n", 3, NOW, &LIMITS), Ok(1));
        assert_eq!(hash.get(b"n", NOW).unwrap().expire, Some(NOW + 10));
        assert_eq!(hash.increment(b"n", 3, NOW + 11, &LIMITS), Ok(3), "an expired one counts as missing");
        assert_eq!(hash.get(b"n", NOW + 11).unwrap().expire, None);

        let number = |text: &str| LongDouble::parse(text.as_bytes()).unwrap();
        assert_eq!(hash.increment_float(b"n", number("0.5"), NOW, &LIMITS).unwrap(), b"3.5");
        assert_eq!(hash.increment_float(b"n", number("1.5"), NOW, &LIMITS).unwrap(), b"5");
        assert_eq!(hash.increment(b"n", 1, NOW, &LIMITS), Ok(6));
        assert_eq!(hash.increment_float(b"f1", number("1"), NOW, &LIMITS), Err(IncrementError::NotNumber));
        let infinite = hash.increment_float(b"n", number("inf"), NOW, &LIMITS);
        assert_eq!(infinite, Err(IncrementError::Overflow));
    }
}

#[test]
fn random_operations_do_to_a_hash_what_they_do_to_a_map() {
    for seed in 0..24 {
        println!("seed {seed}");
        let mut random = Random::new(seed);
        let range = [20, 150, 2_000][seed as usize % 3];
        // Every other hash has fields that expire.
        let expires = seed % 2 == 0;
        let (mut hash, mut model) = (Hash::new(), BTreeMap::<Vec<u8>, (Vec<u8>, Option<u64>)>::new());
        for round in 0..3_000 {
            let field = format!("f{}", random.below(range)).into_bytes();
            let value = vec![b'v'; random.below(if round > 2_500 { 80 } else { 20 })];
            let at = expires.then(|| NOW + 1 + random.below(1_000) as u64);
            match random.below(6) {
                0 if expires => {
                    let expected = model.get_mut(&field).map(|old| old.1 = at);
                    let done = hash.expire(&field, at.unwrap(), Condition::Always, NOW);
                    assert_eq!(done == Expired::Set, expected.is_some());
                }
                1 => assert_eq!(hash.remove(&field), model.remove(&field).is_some()),
                2 => {
                    let old = model.get(&field).and_then(|old| old.1);
                    let new = hash.set(&field, &value, Expiry::Keep, &LIMITS);
                    assert_eq!(new, model.insert(field.clone(), (value, old)).is_none());
                }
                3 if expires => {
                    hash.set(&field, &value, Expiry::At(at.unwrap()), &LIMITS);
                    model.insert(field.clone(), (value, at));
                }
                _ => {
                    let new = hash.set(&field, &value, Expiry::Clear, &LIMITS);
                    assert_eq!(new, model.insert(field.clone(), (value, None)).is_none());
                }
            }
            let stored = hash.get(&field, NOW).map(|entry| (entry.value.to_vec(), entry.expire));
            assert_eq!(stored.as_ref(), model.get(&field));
            assert_eq!(hash.len(), model.len());
            assert_eq!(hash.next_expire(), model.values().filter_map(|field| field.1).min());
        }
        let all: BTreeMap<_, _> =
            hash.iter().map(|entry| (entry.field.to_vec(), (entry.value.to_vec(), entry.expire))).collect();
        assert_eq!(all, model);
    }
}

#[test]
fn bytes_from_outside_are_checked_and_converted() {
    let bytes = |elements: &[Element<'_>]| Listpack::of(elements.iter().copied()).as_bytes().to_vec();
    let (a, b) = (Element::Bytes(b"a"), Element::Bytes(b"b"));
    let int = Element::Int;
    assert!(Hash::from_listpack(bytes(&[a, b, b, a]), &LIMITS).is_ok());
    for elements in [&[][..], &[a], &[a, b, a, b], &[int(1), a, Element::Bytes(b"1"), b]] {
        assert!(Hash::from_listpack(bytes(elements), &LIMITS).is_err(), "{elements:?}");
    }
    assert!(Hash::from_listpack_ex(bytes(&[a, b, int(5), b, a, int(5)]), &LIMITS).is_ok());
    let max = EXPIRE_MAX as i64;
    assert!(Hash::from_listpack_ex(bytes(&[a, b, int(max), b, a, int(0)]), &LIMITS).is_ok());
    for elements in [
        &[][..],
        &[a, b],
        &[a, b, int(-1)],
        &[a, b, int(max + 1)],
        &[a, b, a],
        &[a, b, int(5), b, a, int(4)],
        &[a, b, int(0), b, a, int(4)],
        &[a, b, int(5), a, a, int(6)],
    ] {
        assert!(Hash::from_listpack_ex(bytes(elements), &LIMITS).is_err(), "{elements:?}");
    }
    let tight = Limits { listpack_entries: 1, ..LIMITS };
    let hash = Hash::from_listpack_ex(bytes(&[a, b, int(5), b, a, int(0)]), &tight).unwrap();
    assert_eq!((hash.encoding(), hash.next_expire()), (Encoding::Hashtable, Some(5)));
}

#[test]
fn fields_are_scanned_and_drawn_fairly_in_every_encoding() {
    for hash in in_each_encoding(100).into_iter().chain([numbered(700)]) {
        let (mut cursor, mut found) = (0, HashSet::new());
        loop {
            cursor = hash.scan(cursor, 10, NOW, |entry| assert!(found.insert(entry.field.to_vec())));
            if cursor == 0 {
                break;
            }
        }
        assert_eq!(found.len(), hash.len());
        let (mut random, mut drawn, mut sampled) = (Random::new(9), HashMap::new(), HashMap::new());
        for _ in 0..hash.len() * 100 {
            let entry = hash.random(NOW, &mut random).unwrap();
            *drawn.entry(entry.field.to_vec()).or_insert(0u32) += 1;
        }
        for _ in 0..1_000 {
            for entry in hash.sample(hash.len() / 10, NOW, &mut random) {
                *sampled.entry(entry.field.to_vec()).or_insert(0u32) += 1;
            }
        }
        for counts in [drawn, sampled] {
            assert_eq!(counts.len(), hash.len());
            assert!(counts.values().all(|count| (50..150).contains(count)), "{counts:?}");
        }
    }
}

#[test]
fn a_frozen_hash_stays_as_it_was() {
    for mut hash in in_each_encoding(60) {
        let (frozen, before) = (hash.freeze(), shown(&hash));
        hash.set(b"f1", b"other", Expiry::Clear, &LIMITS);
        hash.expire(b"f2", NOW + 1, Condition::Always, NOW);
        hash.remove(b"f3");
        assert_eq!(shown(&frozen), before);
        assert_ne!(shown(&hash), before);
    }
}
