//! Listpacks against Redis's own bytes, against a `Vec` under random edits, and against hostile bytes.

use super::*;
use crate::util::random::Random;

const INTEGERS: [i64; 22] = [
    0,
    127,
    128,
    -1,
    4095,
    -4096,
    4096,
    -4097,
    32_767,
    -32_768,
    32_768,
    -32_769,
    8_388_607,
    -8_388_608,
    8_388_608,
    -8_388_609,
    2_147_483_647,
    -2_147_483_648,
    2_147_483_648,
    -2_147_483_649,
    i64::MAX,
    i64::MIN,
];

/// What Redis 7 makes of [`INTEGERS`] and the strings in the test below, up to the string of 63 bytes.
const REDIS_ELEMENTS: &str = "0001 7f01 c08002 dfff02 cfff02 d00002 f1001003 f1ffef03 f1ff7f03 f1008003 f200800004 f2ff7fff04 \
     f2ffff7f04 f200008004 f30000800005 f3ffff7fff05 f3ffffff7f05 f30000008005 f4000000800000000009 f4ffffff7fffffffff09 \
     f4ffffffffffffff7f09 f4000000000000008009 9339323233333732303336383534373735383038 14 8001 816102 bf";

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        text.bytes().filter_map(|c| char::from(c).to_digit(16)).map(|digit| digit as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

fn texts(listpack: &Listpack) -> Vec<Vec<u8>> {
    listpack.iter().map(|element| element.to_vec()).collect()
}

/// What must hold of every listpack, whatever made it.
fn check(listpack: &Listpack) {
    let copy = Listpack::from_bytes(listpack.as_bytes().to_vec()).expect("a listpack is valid");
    assert_eq!(copy.iter().count(), listpack.len());
    let mut backwards = texts(listpack);
    backwards.reverse();
    assert!(listpack.iter().rev().map(|element| element.to_vec()).eq(backwards));
    assert!(listpack.memory_bytes() <= listpack.size_bytes().max(16) * 2 + 64);
}

#[test]
fn bytes_are_those_of_redis() {
    let (x, y) = ([b'x'; 63], [b'y'; 64]);
    let strings: [&[u8]; 8] = [b"9223372036854775808", b"", b"a", &x, &y, b"-0", b"01", b"+1"];
    let mut listpack = Listpack::new();
    for number in INTEGERS {
        listpack.push_back(Element::new(number.to_string().as_bytes()));
    }
    strings.iter().for_each(|text| listpack.push_back(Element::new(text)));
    let mut expected = unhex("250100001e00");
    expected.extend(unhex(REDIS_ELEMENTS));
    expected.extend(x);
    expected.extend(unhex("40 e040"));
    expected.extend(y);
    expected.extend(unhex("42 822d3003 82303103 822b3103 ff"));
    assert_eq!(listpack.as_bytes(), expected);
    check(&listpack);
}

#[test]
fn long_strings_have_the_heads_and_backlens_of_redis() {
    let cases = [
        (124, "e07c", "7e"),
        (125, "e07d", "7f"),
        (126, "e07e", "0180"),
        (4095, "efff", "2081"),
        (4096, "f000100000", "2085"),
        (16_377, "f0f93f0000", "7ffe"),
        (16_378, "f0fa3f0000", "00ffff"),
        (16_379, "f0fb3f0000", "018080"),
        (2_097_145, "f0f9ff1f00", "7ffffe"),
        (2_097_146, "f0faff1f00", "00ffffff"),
        (2_097_147, "f0fbff1f00", "01808080"),
    ];
    for (len, head, backlen) in cases {
        let data = vec![b'b'; len];
        let listpack = Listpack::of([Element::new(b"f"), Element::new(&data)]);
        let (head, backlen) = (unhex(head), unhex(backlen));
        assert_eq!(listpack.as_bytes()[9..9 + head.len()], head, "{len}");
        assert!(listpack.as_bytes().ends_with(&[&backlen[..], &[END]].concat()), "{len}");
        assert_eq!(listpack.get(listpack.last().unwrap()), Element::Bytes(&data));
        check(&listpack);
    }
}

#[test]
fn every_integer_class_round_trips() {
    for number in INTEGERS {
        let listpack = Listpack::of([number.into(), Element::Bytes(b"after")]);
        assert_eq!(listpack.get(listpack.first().unwrap()), Element::Int(number));
        assert_eq!(listpack.iter().next_back(), Some(Element::Bytes(b"after")));
    }
}

#[test]
fn seeking_counts_from_both_ends() {
    let listpack = Listpack::of((0..10).map(Element::Int));
    for index in -10..10i64 {
        let found = listpack.get(listpack.seek(index).unwrap());
        assert_eq!(found, Element::Int(index.rem_euclid(10)), "{index}");
    }
    for index in [10, -11, i64::MIN, i64::MAX] {
        assert_eq!(listpack.seek(index), None);
    }
    assert_eq!(Listpack::new().seek(0), None);
}

#[test]
fn find_looks_at_texts_and_skips_values() {
    let listpack = Listpack::of(["a", "1", "1", "b"].map(|text| Element::new(text.as_bytes())));
    let first = listpack.first().unwrap();
    assert_eq!(listpack.find(first, b"1", 0), listpack.seek(1));
    assert_eq!(listpack.find(first, b"1", 1), listpack.seek(2));
    assert_eq!(listpack.find(first, b"b", 1), None);
    assert_eq!(listpack.find(first, b"01", 0), None);
    assert_eq!(listpack.find(listpack.seek(2).unwrap(), b"1", 0), listpack.seek(2));
}

#[test]
fn find_sees_numbers_that_came_as_strings_or_in_a_long_form() {
    // "5" as a string, then 5 in eight bytes.
    let listpack = Listpack::from_bytes(unhex("14000000 0200 813502 f4050000000000000009 ff")).unwrap();
    let first = listpack.first().unwrap();
    assert_eq!(listpack.find(first, b"5", 0), Some(first));
    assert_eq!(listpack.find(listpack.last().unwrap(), b"5", 0), listpack.last());
    assert_eq!(listpack.get(first).integer(), Some(5));
}

#[test]
fn random_edits_do_to_a_listpack_what_they_do_to_a_vec() {
    for seed in 0..60 {
        println!("seed {seed}");
        let mut random = Random::new(seed);
        let (mut listpack, mut model) = (Listpack::new(), Vec::<Vec<u8>>::new());
        for _ in 0..400 {
            edit(&mut random, &mut listpack, &mut model);
            assert_eq!(listpack.len(), model.len());
        }
        assert_eq!(texts(&listpack), model);
        check(&listpack);
    }
}

fn random_text(random: &mut Random) -> Vec<u8> {
    match random.below(8) {
        0..3 => ((random.next() as i64) >> random.below(64)).to_string().into_bytes(),
        3 => vec![b'm'; 60 + random.below(10)],
        4 if random.below(10) == 0 => vec![b'l'; 4090 + random.below(10)],
        _ => vec![b's'; random.below(20)],
    }
}

fn edit(random: &mut Random, listpack: &mut Listpack, model: &mut Vec<Vec<u8>>) {
    let text = random_text(random);
    let element = Element::new(&text);
    if model.is_empty() {
        listpack.push_back(element);
        return model.push(text);
    }
    let index = random.below(model.len());
    let position = listpack.seek(index as i64).unwrap();
    match random.below(10) {
        0 => (listpack.push_front(element), model.insert(0, text)).1,
        1 => (listpack.push_back(element), model.push(text)).1,
        2 => (listpack.insert_before(position, element), model.insert(index, text)).1,
        3 => (listpack.insert_after(position, element), model.insert(index + 1, text)).1,
        4 => (listpack.replace(position, element), model[index] = text).1,
        5 | 6 => {
            let next = listpack.remove(position);
            model.remove(index);
            assert_eq!(next.map(|next| listpack.get(next).to_vec()).as_ref(), model.get(index));
        }
        7 => {
            let end = model.len().min(index + 3);
            listpack.splice(Some(position), 3, &[element, element]);
            model.splice(index..end, [text.clone(), text]);
        }
        8 => {
            let rest = listpack.split_off(position);
            assert_eq!(texts(&rest), model[index..]);
            check(&rest);
            listpack.append(&rest);
        }
        _ => assert_eq!(listpack.find(listpack.first().unwrap(), &model[index], 0), {
            let first = model.iter().position(|text| *text == model[index]).unwrap();
            listpack.seek(first as i64)
        }),
    }
}

#[test]
fn more_elements_than_the_header_counts_are_counted() {
    let mut listpack = Listpack::of((0..65_534).map(|n| Element::Int(n % 100)));
    assert_eq!(listpack.as_bytes()[4..6], [0xFE, 0xFF]);
    listpack.push_back(Element::Int(7));
    listpack.push_back(Element::Int(8));
    assert_eq!(listpack.as_bytes()[4..6], [0xFF, 0xFF]);
    assert_eq!(listpack.len(), 65_536);
    assert_eq!(listpack.get(listpack.seek(-2).unwrap()), Element::Int(7));
    assert!(Listpack::from_bytes(listpack.as_bytes().to_vec()).is_ok());
    listpack.remove_many(listpack.first().unwrap(), usize::MAX);
    assert_eq!(listpack, Listpack::new());
}

#[test]
fn memory_is_given_back_and_never_above_redis() {
    let mut listpack = Listpack::new();
    let class = |bytes: usize| match bytes {
        0..=128 => bytes.next_multiple_of(16),
        _ => bytes.next_multiple_of(bytes.next_power_of_two() / 8),
    };
    for n in 0..3_000 {
        listpack.push_back(Element::Int(n));
        assert!(listpack.memory_bytes() <= class(listpack.size_bytes()).max(16), "{n}");
    }
    listpack.remove_many(listpack.seek(10).unwrap(), 2_990);
    assert!(listpack.memory_bytes() <= 64);
    check(&listpack);
}

#[test]
fn malformed_bytes_are_refused() {
    let cases = [
        "",
        "ff",
        "06000000 0000",
        "07000000 0000 00",
        "08000000 0000 ff",
        "07000000 0100 ff",
        "09000000 0000 0101 ff",
        "09000000 0200 0101 ff",
        "09000000 0100 0102 ff",
        "09000000 0100 8101 ff",
        "08000000 0100 01 ff",
        "09000000 0100 f501 ff",
        "09000000 0100 ff01 ff",
        "0c000000 0100 f0ffffffff ff",
        "0c000000 0100 f4ffffffff ff",
        "0a000000 0100 01 8001 ff",
    ];
    for case in cases {
        assert_eq!(Listpack::from_bytes(unhex(case)), Err(Malformed), "{case}");
    }
    assert!(Listpack::from_bytes(unhex("09000000 ffff 0101 ff")).is_ok(), "the count may be unknown");
}

#[test]
fn damaged_bytes_are_refused_or_safe_to_use() {
    let seed = 0x5EED;
    println!("seed {seed}");
    let mut random = Random::new(seed);
    let mut survived = 0;
    for _ in 0..20_000 {
        let count = random.below(12);
        let values: Vec<Vec<u8>> = (0..count).map(|_| random_text(&mut random)).collect();
        let mut bytes = Listpack::of(values.iter().map(|text| Element::new(text))).as_bytes().to_vec();
        for _ in 0..=random.below(3) {
            let at = random.below(bytes.len());
            match random.below(3) {
                0 => bytes[at] = random.next() as u8,
                1 => bytes[at] ^= 1 << random.below(8),
                _ => bytes.truncate(at.max(1)),
            }
        }
        let Ok(mut listpack) = Listpack::from_bytes(bytes) else { continue };
        survived += 1;
        check(&listpack);
        if let Some(position) = listpack.seek(-1) {
            listpack.replace(position, Element::Bytes(b"replaced"));
            listpack.remove(position);
        }
        check(&listpack);
    }
    assert!(survived > 100, "some changes are harmless: {survived}");
}

#[test]
fn an_end_that_grows_or_shrinks_moves_nothing_for_most_of_its_elements() {
    let text = [b'x'; 30];
    for front in [true, false] {
        let mut listpack = Listpack::new();
        let push = |listpack: &mut Listpack| match front {
            true => listpack.push_front(Element::Bytes(&text)),
            false => listpack.push_back(Element::Bytes(&text)),
        };
        let (mut moves, mut other_end) = (0, 0);
        for _ in 0..2_000 {
            push(&mut listpack);
            let bytes = listpack.as_bytes().as_ptr_range();
            let end = if front { bytes.end } else { bytes.start } as usize;
            moves += usize::from(std::mem::replace(&mut other_end, end) != end);
        }
        assert!(moves < 60, "{moves} moves growing, front: {front}");
        check(&listpack);
        // A queue: what comes in at one end leaves at the other.
        listpack.remove_many(listpack.seek(300).unwrap(), 1_690);
        listpack.shrink_to_fit();
        moves = 0;
        for _ in 0..2_000 {
            let grows_at = |listpack: &Listpack| {
                let bytes = listpack.as_bytes().as_ptr_range();
                if front { bytes.start as usize } else { bytes.end as usize }
            };
            let before = grows_at(&listpack);
            push(&mut listpack);
            moves += usize::from(grows_at(&listpack).abs_diff(before) != 32);
            listpack.remove(if front { listpack.last() } else { listpack.first() }.unwrap());
        }
        assert!(moves < 400, "{moves} moves of a queue, front: {front}");
        check(&listpack);
    }
}

#[test]
fn a_shared_listpack_is_changed_in_place_unless_it_has_copies_or_must_grow() {
    let listpack = Listpack::of([Element::Int(1), Element::Bytes(b"text"), Element::Int(127)]);
    let second = listpack.seek(1).unwrap();
    let mut shared = Shared::from(&listpack);
    let address = shared.view().as_bytes().as_ptr();
    shared.replace(second, Element::Bytes(b"same"));
    assert_eq!(shared.view().as_bytes().as_ptr(), address);
    let copy = shared.clone();
    assert_eq!(copy.view().as_bytes().as_ptr(), address);
    shared.replace(second, Element::Bytes(b"late"));
    assert_eq!(copy.view().get(second), Element::Bytes(b"same"));
    for element in [Element::Bytes(b"a longer one"), Element::Bytes(b""), Element::Int(i64::MIN)] {
        shared.replace(second, element);
        let listpack = shared.to_listpack();
        assert!(listpack.iter().eq([Element::Int(1), element, Element::Int(127)]));
        assert_eq!(
            (listpack.as_bytes(), listpack.size_bytes()),
            (shared.view().as_bytes(), shared.size_bytes())
        );
        check(&listpack);
    }
}

#[test]
fn room_that_was_asked_for_is_used_and_stays_until_something_goes() {
    let mut listpack = Listpack::new();
    listpack.reserve(4_000);
    let address = listpack.as_bytes().as_ptr();
    for _ in 0..100 {
        listpack.push_back(Element::Bytes(&[b'x'; 30]));
    }
    assert_eq!(listpack.as_bytes().as_ptr(), address);
    listpack.remove_many(listpack.seek(10).unwrap(), 90);
    assert!(listpack.memory_bytes() < 500, "{}", listpack.memory_bytes());
    check(&listpack);
}
