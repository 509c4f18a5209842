//! The index against what all entries say, after every step of a random history.

use std::collections::BTreeMap;

use super::super::{Entry, NewValue, State, Table};
use crate::store::hash::KeyHasher;
use crate::store::object::Object;
use crate::types::hash::{Condition, Expiry, Hash, Limits};
use crate::util::random::Random;

const LIMITS: Limits = Limits { listpack_entries: 3, listpack_value: 64, hash_seed: 1 };
/// All of the hash but the shard's bits: every key is of shard 0.
const ONE_SHARD: u64 = u64::MAX >> crate::store::SHARD_BITS;

/// A hash of a few fields, some of which may expire; or something else now and then.
fn value(random: &mut Random) -> NewValue<'static> {
    match random.below(4) {
        0 => NewValue::Int(random.next() as i64),
        1 => NewValue::Bytes(&[b'x'; 300][..random.below(300)], false),
        _ => {
            let mut hash = Hash::new();
            for field in 0..1 + random.below(6) as u8 {
                let expiry = if random.below(3) == 0 {
                    Expiry::At(1 + random.below(50) as u64)
                } else {
                    Expiry::Clear
                };
                hash.set(&[field], b"value", expiry, &LIMITS);
            }
            NewValue::Object(Object::Hash(hash))
        }
    }
}

fn change(random: &mut Random, object: &mut Object) {
    let Object::Hash(hash) = object else { return };
    let field = [random.below(6) as u8];
    match random.below(4) {
        0 => _ = hash.expire(&field, 1 + random.below(50) as u64, Condition::Always, 0),
        1 => _ = hash.persist(&field, 0),
        2 => _ = hash.take_expired(random.below(50) as u64, 2),
        _ => _ = hash.set(&field, b"other", Expiry::Clear, &LIMITS),
    }
}

#[track_caller]
fn check(table: &Table) {
    let mut due = BTreeMap::new();
    for handle in table.iter() {
        if let Some(at) = table.entry(handle).inner_due() {
            due.insert((at, handle), ());
        }
    }
    assert_eq!(table.inner_expires_len(), due.len());
    let first = due.first_key_value().map(|(&(at, handle), ())| (at, handle));
    assert_eq!(table.next_inner_due(), first.map(|(at, _)| at));
    if let Some((at, handle)) = first {
        assert_eq!(table.first_inner_due(at), Some(handle));
        assert_eq!(table.first_inner_due(at - 1), None);
    }
}

#[test]
fn what_expires_inside_values_is_known_whatever_happens_to_them() {
    let hasher = KeyHasher::masked(ONE_SHARD);
    let (mut random, mut table) = (Random::new(5), Table::new(3));
    for step in 0..20_000 {
        let key = format!("key:{}", random.below(60));
        let hash = hasher.hash_of(key.as_bytes());
        let expire = if random.below(2) == 0 { Some(random.next() >> random.below(40)) } else { None };
        let tombstone = table.find_tombstone(hash, key.as_bytes());
        let entry = table.find_entry(hash, key.as_bytes()).as_ref().map(Entry::handle);
        match (entry, tombstone) {
            (None, None) => {
                _ = table.insert(&hasher, hash, key.as_bytes(), value(&mut random), (expire, 0, State::NEW));
            }
            (None, Some(tombstone)) => {
                _ = table.revive(hash, tombstone, value(&mut random), expire, 0);
            }
            (Some(handle), _) => match random.below(6) {
                0 => _ = table.set_value(hash, handle, value(&mut random)),
                1 => _ = table.set_expire(hash, handle, expire),
                2 => _ = table.remove(&hasher, hash, handle),
                3 => _ = table.bury(hash, handle),
                _ => _ = table.edit_object(handle, |object| change(&mut random, object)),
            },
        }
        if step % 7 == 0 {
            check(&table);
        }
    }
    assert!(table.inner_expires_len() > 0, "the history leaves something to expire");
}
