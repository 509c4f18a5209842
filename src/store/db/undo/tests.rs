//! Random operations, taken back: the dataset is what it was.

use super::super::{Db, Expiry, Key, Workspace};
use crate::store::entry::{NewValue, Value};
use crate::store::evict::AccessClock;
use crate::store::hash::{KeyHasher, SECRET_LEN};
use crate::store::object::Object;
use crate::store::{DbIndex, Keyspace, ShardSet, UnixMs};
use crate::types::list::{End, Limits, List};
use crate::util::random::Random;

const KEYS: usize = 24;
const NOW: UnixMs = UnixMs(1_000_000);

fn name(number: usize) -> Vec<u8> {
    format!("key:{number}").into_bytes()
}

/// Everything that can be seen of two databases.
fn see(keyspace: &Keyspace) -> Vec<String> {
    let (access, mut work) = (AccessClock::lru(NOW), Workspace::default());
    let mut seen = Vec::new();
    for index in 0..2 {
        let locked = keyspace.locks().lock_set(ShardSet::ALL);
        let mut db = Db::new(keyspace, locked, DbIndex(index), UnixMs(0), &access, &mut work);
        seen.push(format!("{} keys", db.len()));
        for number in 0..KEYS {
            let name = name(number);
            let key = db.key(&name);
            let Some(slot) = db.peek(&key) else { continue };
            let value = match db.value(slot) {
                Value::Object(Object::List(list)) => {
                    let items: Vec<String> =
                        list.iter(0..list.len()).map(|item| format!("{item:?}")).collect();
                    items.join(",")
                }
                Value::Object(Object::String(bytes)) => format!("{bytes:?}"),
                other => format!("{other:?}"),
            };
            seen.push(format!("{index} {number} {value} {:?}", db.expire_at(slot)));
        }
    }
    seen
}

fn change(db: &mut Db<'_>, random: &mut Random) {
    db.select(DbIndex(random.below(2) as u32));
    let (first, second) = (name(random.below(KEYS)), name(random.below(KEYS)));
    let (key, other) = (db.key(&first), db.key(&second));
    let slot = db.find(&key);
    let long = vec![random.below(256) as u8; 300 + random.below(3000)];
    match random.below(9) {
        0 => _ = db.set(&key, slot, NewValue::Int(random.below(1000) as i64), Expiry::Keep),
        1 => _ = db.set(&key, slot, NewValue::Bytes(b"short", false), Expiry::Clear),
        2 => _ = db.set(&key, slot, NewValue::Bytes(&long, false), Expiry::At(UnixMs(NOW.0 + 5000))),
        3 => drop(db.edit_string(&key, slot, |buffer| {
            buffer.push(b'x');
            ((), 1)
        })),
        4 => slot.into_iter().for_each(|slot| db.remove(&key, slot)),
        5 => _ = slot.map(|slot| db.set_expire(&key, slot, Some(UnixMs(NOW.0 + 77)))),
        6 => push(db, &key, &long),
        7 => {
            let target = db.find(&other);
            if let Some(slot) = slot.filter(|_| first != second) {
                db.rename(&key, slot, &other, target);
            }
        }
        _ => _ = slot.map(|slot| db.set_expire(&key, slot, None)),
    }
}

fn push(db: &mut Db<'_>, key: &Key<'_>, item: &[u8]) {
    let Ok(slot) = db.find_typed::<List>(key) else { return };
    let limits = Limits { listpack_size: 128 };
    db.edit_or_create(key, slot, List::new, |list| {
        list.push(End::Right, std::iter::once(item), limits);
        ((), 1)
    });
}

#[test]
fn what_is_taken_back_leaves_no_trace() {
    let (garbage, _) = crossbeam_channel::unbounded();
    let keyspace = Keyspace::new(2, KeyHasher::new([7; SECRET_LEN]), Box::new(|_| {}), garbage);
    let (access, mut random, mut work) = (AccessClock::lru(NOW), Random::new(5), Workspace::default());
    for round in 0..2000 {
        let before = see(&keyspace);
        let locked = keyspace.locks().lock_set(ShardSet::ALL);
        let mut db = Db::new(&keyspace, locked, DbIndex(0), NOW, &access, &mut work);
        db.allow_taking_back();
        for _ in 0..random.below(12) {
            change(&mut db, &mut random);
        }
        let stays = round % 3 == 0;
        if stays {
            db.keep_changes()
        } else {
            db.take_back()
        }
        let dirty = db.dirty();
        db.commit(std::iter::empty(), DbIndex(0));
        if !stays {
            assert_eq!(dirty, 0);
            assert_eq!(see(&keyspace), before, "round {round}");
        }
    }
}
