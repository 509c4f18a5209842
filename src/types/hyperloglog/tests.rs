//! HyperLogLogs against the bytes and the estimates of Redis 7, and against forged ones.

use super::*;
use crate::util::random::Random;

/// `hll-sparse-max-bytes`, elements added, length of the value, FNV-1a of its bytes, and what PFCOUNT then replies.
/// Redis counts after every row, so the stale cache of a row holds the count of the row before.
const REDIS: [(usize, usize, usize, u64, u64); 32] = [
    (3000, 0, 18, 0x524b_c36d_036c_0579, 0),
    (3000, 1, 21, 0x5db2_e01c_3370_7b73, 1),
    (3000, 10, 48, 0xe921_8a38_986c_21dc, 10),
    (3000, 100, 285, 0x9cfd_c474_69f3_e036, 99),
    (3000, 300, 687, 0x26ac_ffd8_4944_6284, 301),
    (3000, 1000, 1897, 0x4a94_e0ba_b77b_78eb, 997),
    (3000, 2000, 12304, 0x21bb_b64c_0003_b311, 2004),
    (3000, 5000, 12304, 0x65bc_5e75_e7b2_3a5b, 5005),
    (3000, 20000, 12304, 0x8e72_a991_84eb_972f, 19986),
    (3000, 100_000, 12304, 0x6847_c0e1_a6b0_ca2d, 100_039),
    (0, 0, 18, 0x524b_c36d_036c_0579, 0),
    (0, 1, 12304, 0x0a72_9531_e698_93ca, 1),
    (0, 10, 12304, 0xb7f2_e125_ea89_3559, 10),
    (0, 100, 12304, 0xda4c_e100_5bcc_87a3, 99),
    (0, 300, 12304, 0xb866_a828_9651_f9e7, 301),
    (0, 1000, 12304, 0x00b1_4e42_1e05_8ba3, 997),
    (15000, 0, 18, 0x524b_c36d_036c_0579, 0),
    (15000, 1, 21, 0x5db2_e01c_3370_7b73, 1),
    (15000, 10, 48, 0xe921_8a38_986c_21dc, 10),
    (15000, 100, 285, 0x9cfd_c474_69f3_e036, 99),
    (15000, 300, 687, 0x26ac_ffd8_4944_6284, 301),
    (15000, 1000, 1897, 0x4a94_e0ba_b77b_78eb, 997),
    (15000, 2000, 3495, 0x8312_8a88_d151_5d9b, 2004),
    (15000, 5000, 7205, 0xa956_c70f_4ed1_9a1b, 5005),
    (15000, 20000, 13093, 0x7b3e_246e_f34e_8644, 19986),
    (15000, 100_000, 13619, 0x659c_4dee_0671_312e, 100_039),
    (64, 0, 18, 0x524b_c36d_036c_0579, 0),
    (64, 1, 21, 0x5db2_e01c_3370_7b73, 1),
    (64, 10, 48, 0xe921_8a38_986c_21dc, 10),
    (64, 100, 12304, 0xda4c_e100_5bcc_87a3, 99),
    (64, 300, 12304, 0xb866_a828_9651_f9e7, 301),
    (64, 1000, 12304, 0x00b1_4e42_1e05_8ba3, 997),
];

fn fnv(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

fn add_range(hll: &mut Vec<u8>, range: std::ops::Range<usize>, max_bytes: usize) {
    for number in range {
        add(hll, format!("element:{number}").as_bytes(), max_bytes).unwrap();
    }
    invalidate(hll);
}

fn of(range: std::ops::Range<usize>) -> Vec<u8> {
    let mut hll = new();
    add_range(&mut hll, range, 3000);
    hll
}

fn merge(mut target: Vec<u8>, sources: &[&[u8]], max_bytes: usize) -> Vec<u8> {
    let mut union = Union::new();
    union.add(&target).unwrap();
    sources.iter().for_each(|source| union.add(source).unwrap());
    union.store(&mut target, max_bytes).unwrap();
    invalidate(&mut target);
    target
}

#[test]
fn bytes_and_counts_are_those_of_redis() {
    let (mut hll, mut added) = (new(), 0);
    for (max_bytes, elements, len, digest, estimate) in REDIS {
        if elements == 0 {
            (hll, added) = (new(), 0);
        }
        add_range(&mut hll, added..elements, max_bytes);
        added = elements;
        assert_eq!((hll.len(), fnv(&hll)), (len, digest), "{max_bytes} {elements}");
        assert_eq!(cached_count(&hll), None);
        assert_eq!(count(&hll), Ok(estimate));
        set_cached_count(&mut hll, estimate);
        assert_eq!(cached_count(&hll), Some(estimate));
    }
}

#[test]
fn merges_leave_the_bytes_of_redis() {
    let (a, b, c, d) = (of(0..200), of(100..500), of(0..20000), of(10..30));
    let cases = [
        (merge(new(), &[&a, &b], 3000), 1050, 0x78db_6725_0c4f_c8c0),
        (merge(a.clone(), &[&b, &d], 3000), 1050, 0x78db_6725_0c4f_c8c0),
        (merge(new(), &[&a, &c], 3000), 12304, 0x50d6_b0a9_6d37_3a57),
        (merge(d, &[&a, &b], 3000), 1050, 0x78db_6725_0c4f_c8c0),
        (merge(new(), &[&a], 3000), 505, 0x04ca_d08d_5e6c_97dd),
        (merge(new(), &[], 3000), 18, 0x524b_c36d_036c_0579),
    ];
    for (hll, len, digest) in cases {
        assert_eq!((hll.len(), fnv(&hll)), (len, digest));
    }
    let mut union = Union::new();
    [&a, &b].into_iter().for_each(|hll| union.add(hll).unwrap());
    assert_eq!(union.count(), 502);
    union.add(&c).unwrap();
    assert_eq!(union.count(), 19986);
}

#[test]
fn a_new_one_is_sparse_and_known_to_be_empty() {
    let hll = new();
    assert_eq!(encoding(&hll), Some(Encoding::Sparse));
    assert_eq!((cached_count(&hll), count(&hll)), (Some(0), Ok(0)));
    assert_eq!(decode(&hll).as_deref(), Some("Z:16384"));
    assert_eq!(
        decode(&of(0..3)).as_deref(),
        Some("Z:1167 v:1,1 Z:4297 v:1,1 Z:2856 v:1,1 Z:8061"),
        "as Redis decodes the same elements"
    );
}

#[test]
fn adding_again_changes_nothing() {
    for max_bytes in [0, 3000] {
        let mut hll = of(0..500);
        let before = hll.clone();
        for number in 0..500 {
            assert_eq!(add(&mut hll, format!("element:{number}").as_bytes(), max_bytes), Ok(false));
        }
        assert_eq!(hll, before);
    }
}

#[test]
fn turning_dense_keeps_registers_and_cache() {
    let mut hll = of(0..700);
    set_cached_count(&mut hll, 42);
    let before = registers(&hll).unwrap();
    assert_eq!(to_dense(&mut hll), Ok(true));
    assert_eq!((encoding(&hll), cached_count(&hll)), (Some(Encoding::Dense), Some(42)));
    assert_eq!(registers(&hll).unwrap(), before);
    assert_eq!((to_dense(&mut hll), decode(&hll)), (Ok(false), None));
}

#[test]
fn random_registers_are_held_by_both_encodings_and_by_ascending_merges() {
    for seed in 0..20 {
        println!("seed {seed}");
        let mut random = Random::new(seed);
        let mut model = vec![0u8; REGISTERS];
        let (mut sparse, mut dense, base) = (new(), new(), random.below(REGISTERS - 64));
        to_dense(&mut dense).unwrap();
        for _ in 0..600 {
            // Half of them close together, so that runs of values are made, split and joined.
            let near = base + random.below(64);
            let index = if random.below(2) == 0 { near } else { random.below(REGISTERS) };
            let value = 1 + random.below(4) as u8;
            let higher = model[index] < value;
            model[index] = model[index].max(value);
            for hll in [&mut sparse, &mut dense] {
                let changed = set(hll, &mut sparse::Cursor::default(), index, value, usize::MAX);
                assert_eq!(changed, Ok(higher));
            }
        }
        assert_eq!(*registers(&sparse).unwrap(), *model);
        assert_eq!(*registers(&dense).unwrap(), *model);
        assert_eq!(count(&sparse), count(&dense));
        assert_eq!(cursors_make_no_difference(&model, &sparse), Ok(()));
    }
}

/// Sets registers in ascending order, with one cursor for all and with a new one each.
fn cursors_make_no_difference(model: &[u8], start: &[u8]) -> Result<(), Corrupt> {
    let (mut kept, mut fresh, mut cursor) = (start.to_vec(), start.to_vec(), sparse::Cursor::default());
    for (index, &value) in model.iter().enumerate().filter(|(index, value)| index % 3 > 0 || **value > 1) {
        let value = value + (index % 2) as u8 + 1;
        set(&mut kept, &mut cursor, index, value, usize::MAX)?;
        set(&mut fresh, &mut sparse::Cursor::default(), index, value, usize::MAX)?;
        assert_eq!(kept.len(), fresh.len());
        if index > 2000 {
            break;
        }
    }
    assert_eq!(kept, fresh);
    Ok(())
}

#[test]
fn a_register_above_32_turns_it_dense() {
    let mut hll = of(0..10);
    let mut cursor = sparse::Cursor::default();
    assert_eq!(set(&mut hll, &mut cursor, 5, 32, 3000), Ok(true));
    assert_eq!(encoding(&hll), Some(Encoding::Sparse));
    assert_eq!(set(&mut hll, &mut cursor, 6, 33, 3000), Ok(true));
    assert_eq!(encoding(&hll), Some(Encoding::Dense));
    assert_eq!(registers(&hll).unwrap()[5..7], [32, 33]);
}

#[test]
fn other_strings_are_not_hyperloglogs() {
    let dense = of(0..20000);
    let mut unknown = dense.clone();
    unknown[ENCODING_AT] = 2;
    let cases: [&[u8]; 6] =
        [b"", b"HYLL", b"HYLL\x01\0\0\0\0\0\0\0\0\0\0", &unknown, &dense[1..], &dense[..DENSE_LEN - 1]];
    for string in cases {
        assert_eq!(encoding(string), None);
    }
    assert_eq!(encoding(b"HYLL\x01\0\0\0\0\0\0\0\0\0\0\0"), Some(Encoding::Sparse), "but corrupt");
}

#[test]
fn runs_that_do_not_add_up_are_corrupt() {
    let forged: [&[u8]; 6] =
        [b"", &[0x7F], &[0x7F, 0xFE], &[0x7F, 0xFF, 0x00], &[0x7F, 0xFF, 0x80], &[0x3F; 300]];
    for runs in forged {
        let mut hll = [&new()[..HEADER_LEN], runs].concat();
        assert_eq!(encoding(&hll), Some(Encoding::Sparse));
        assert_eq!(count(&hll), Err(Corrupt), "{runs:x?}");
        assert_eq!(registers(&hll), Err(Corrupt));
        assert_eq!(Union::new().store(&mut hll.clone(), 3000), Ok(()));
        let before = hll.clone();
        assert_eq!(to_dense(&mut hll), Err(Corrupt));
        assert_eq!(hll, before);
        assert!(decode(&hll).is_some());
    }
    let mut short = [&new()[..HEADER_LEN], &[0x00]].concat();
    assert_eq!(add(&mut short, b"element", 3000), Err(Corrupt));
}

#[test]
fn damaged_bytes_never_panic() {
    let seed = 0xD15EA5E;
    println!("seed {seed:#x}");
    let mut random = Random::new(seed);
    let whole = of(0..400);
    let mut accepted = 0;
    for _ in 0..3_000 {
        let mut hll = whole.clone();
        for _ in 0..=random.below(3) {
            let at = random.below(hll.len());
            match random.below(3) {
                0 => hll[at] = random.next() as u8,
                1 => hll.truncate(at.max(HEADER_LEN)),
                _ => hll.insert(at, random.next() as u8),
            }
        }
        if encoding(&hll).is_none() {
            continue;
        }
        accepted += 1;
        let (counted, found) = (count(&hll).is_ok(), registers(&hll).is_ok());
        assert_eq!(counted, found);
        let added = add(&mut hll, &random.next().to_le_bytes(), 700);
        assert!(!counted || added.is_ok());
        assert!(decode(&hll).is_some() || encoding(&hll) == Some(Encoding::Dense));
    }
    assert!(accepted > 1_000, "{accepted}");
}

#[test]
fn a_dense_one_has_what_adding_would_not_change() {
    let mut hll = of(0..20000);
    for n in 19_000..21_000_u64 {
        let element = n.to_le_bytes();
        let has = has(&hll, &element);
        assert_eq!(add(&mut hll, &element, 3000), Ok(!has), "{n}");
    }
    assert!(!has(&new(), b"a"));
}

#[test]
fn forged_dense_registers_have_the_count_that_redis_gives() {
    let mut hll = of(0..20000);
    hll[HEADER_LEN..].fill(0xFF);
    assert_eq!(count(&hll).map(|count| count as i64), Ok(i64::MIN));
    hll[HEADER_LEN..].fill(0);
    assert_eq!(count(&hll), Ok(0));
}

#[test]
fn the_self_test_passes() {
    let seed = 7;
    println!("seed {seed}");
    assert_eq!(self_test(&mut Random::new(seed)), Ok(()));
}
