//! Values in chunks, changed while a round captures them: one step of a random history.

use crate::rdb::digest::Digest;
use crate::rdb::{CollectionRef, Format, ObjectRef, object};
use crate::store::object::Object;
use crate::store::{Db, Key, Slot};
use crate::types::hash::{self, Expiry, Hash};
use crate::types::list::{self, End, List};
use crate::types::set::{self, Set};
use crate::types::stream::{self, Bound, NewId, Stream, StreamId, Trim};
use crate::types::zset::{self, Flags, Zset};
use crate::util::random::Random;
use crate::util::time::UnixMs;

/// Members that are added at once now and then: more than a chunk holds.
const MANY: usize = 600;
/// Members that a value has at most, or the histories take too long.
const MOST: usize = 1_500;

/// Changes a value of the type that `kind` says, or creates it.
pub(super) fn change(view: &mut Db<'_>, key: &Key<'_>, slot: Option<Slot>, kind: usize, random: &mut Random) {
    let seed = view.member_seed();
    let count = if random.below(12) == 0 { MANY } else { 1 + random.below(6) };
    let is_removal = random.below(5) < 2;
    match kind % 5 {
        0 => view.edit_or_create(key, slot, List::new, |list| {
            let limits = list::Limits { listpack_size: 16 };
            if is_removal || list.len() > MOST {
                let start = random.below(list.len() + 1);
                list.remove_range(start..list.len().min(start + count), limits);
            }
            for _ in 0..count {
                let end = if random.below(2) == 0 { End::Left } else { End::Right };
                list.push(end, std::iter::once(&text(random)[..]), limits);
            }
            ((), 1)
        }),
        1 => {
            let limits =
                set::Limits { intset_entries: 4, listpack_entries: 8, listpack_value: 64, hash_seed: seed };
            view.edit_or_create(
                key,
                slot,
                || Set::for_members(b"1", 1, &limits),
                |set| {
                    if is_removal || set.len() > MOST {
                        set.pop(count, &limits, random);
                    }
                    (0..count).for_each(|_| _ = set.add(&text(random), &limits));
                    ((), 1)
                },
            );
        }
        2 => view.edit_or_create(key, slot, Hash::new, |hash| {
            let limits = hash::Limits { listpack_entries: 8, listpack_value: 64, hash_seed: seed };
            if is_removal || hash.len() > MOST {
                let gone = hash.sample(count, 0, random);
                let gone: Vec<_> = gone.iter().map(|entry| entry.field.to_vec()).collect();
                gone.iter().for_each(|field| _ = hash.remove(field));
            }
            for _ in 0..count {
                let expiry = match random.below(4) {
                    0 => Expiry::At(1 + random.below(1 << 30) as u64),
                    _ => Expiry::Clear,
                };
                hash.set(&text(random), &text(random), expiry, &limits);
            }
            ((), 1)
        }),
        3 => view.edit_or_create(key, slot, Zset::new, |zset| {
            let limits = zset::Limits { listpack_entries: 8, listpack_value: 64, hash_seed: seed };
            if is_removal || zset.len() > MOST {
                let start = random.below(zset.len() + 1);
                zset.remove_ranks(start..zset.len().min(start + count));
            }
            for _ in 0..count {
                let score = random.below(1_000) as f64 / 8.0;
                zset.add(&text(random), score, Flags::default(), &limits).unwrap();
            }
            ((), 1)
        }),
        _ => view.edit_or_create(key, slot, Stream::default, |stream| {
            change_stream(stream, count, is_removal, random);
            ((), 1)
        }),
    }
}

fn change_stream(stream: &mut Stream, count: usize, is_removal: bool, random: &mut Random) {
    let limits = stream::Limits { node_max_bytes: 4096, node_max_entries: 20 };
    let now = UnixMs(random.below(1 << 30) as u64);
    if is_removal || stream.entries.len() > MOST {
        let bound = Bound::Len(stream.entries.len().saturating_sub(count) as u64);
        _ = stream.entries.trim(&Trim { bound, is_approximate: false, limit: 0 });
    }
    for _ in 0..count {
        let id = stream.entries.next_id(NewId::Auto, now).unwrap();
        stream.entries.add(id, &[b"name", &text(random)], &limits).unwrap();
    }
    if stream.groups.is_empty() {
        stream.groups.create(b"group", StreamId::MIN, None);
    }
    let mut group = stream.groups.get_mut(b"group").unwrap();
    let (consumer, _) = group.visit(if random.below(2) == 0 { b"alice" } else { b"bob" }, now);
    group.read_new(&stream.entries, consumer, count, false, now, |_| {});
    if let Some((first, _)) = group.pending_ends() {
        group.acknowledge(first);
    }
}

fn text(random: &mut Random) -> Vec<u8> {
    match random.below(3) {
        0 => random.below(5_000).to_string().into_bytes(),
        1 => vec![b'a' + random.below(26) as u8; random.below(40)],
        _ => format!("member {}", random.below(5_000)).into_bytes(),
    }
}

/// All that a value is, in short.
pub(super) fn show(object: &Object) -> String {
    let Some(value) = object.collection() else { return String::new() };
    let mut digest = Digest::default();
    digest.value(ObjectRef::Collection(value), false);
    let rest = match value {
        // A digest says nothing of groups, nor of blocks.
        CollectionRef::Stream(_) => {
            let mut bytes = Vec::new();
            let Ok(()) = object::put(&mut bytes, ObjectRef::Collection(value), Format::EXACT);
            digest.value(ObjectRef::String(&bytes), false);
            0
        }
        // Nor of when fields expire.
        CollectionRef::Hash(hash) => hash.iter().filter_map(|entry| entry.expire).sum(),
        _ => 0,
    };
    format!("{} {rest}", digest.hex())
}
