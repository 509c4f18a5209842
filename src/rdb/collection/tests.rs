//! Values of every type and encoding, written and read again: as images, which are exact, and as objects of every version.

use super::*;
use crate::rdb::image::{self, ImageValue};
use crate::rdb::object::{self, Object, ObjectRef};
use crate::types::hash::Expiry;
use crate::types::list::End;
use crate::types::listpack::Element;
use crate::types::stream::{self as stream_type, NewId, StreamId};
use crate::types::zset::Flags;
use crate::types::{hash as hash_type, list as list_type, set as set_type, zset as zset_type};
use crate::util::random::Random;
use crate::util::time::UnixMs;

const SEED: u64 = 7;

fn limits(small: usize) -> Limits {
    let (entries, value) = (small, 64);
    Limits {
        list: list_type::Limits { listpack_size: small as i64 },
        set: set_type::Limits {
            intset_entries: 4 * entries,
            listpack_entries: entries,
            listpack_value: value,
            hash_seed: SEED,
        },
        hash: hash_type::Limits { listpack_entries: entries, listpack_value: value, hash_seed: SEED },
        zset: zset_type::Limits { listpack_entries: entries, listpack_value: value, hash_seed: SEED },
    }
}

fn text(random: &mut Random) -> Vec<u8> {
    match random.below(6) {
        0 => random.below(100).to_string().into_bytes(),
        1 => (random.next() as i64 >> random.below(64)).to_string().into_bytes(),
        2 => vec![b'a' + random.below(26) as u8; random.below(60)],
        3 => vec![random.next() as u8; random.below(300)],
        _ => (0..random.below(40)).map(|_| random.next() as u8).collect(),
    }
}

fn list(random: &mut Random, limits: &Limits) -> List {
    let mut list = List::new();
    for _ in 0..1 + random.below(60) {
        let end = if random.below(3) == 0 { End::Left } else { End::Right };
        list.push(end, std::iter::once(&text(random)[..]), limits.list);
    }
    // A quicklist of one small node is what pops leave.
    let left = 1 + random.below(list.len());
    list.remove_range(left..list.len(), limits.list);
    list
}

fn set(random: &mut Random, limits: &Limits) -> Set {
    let integers = random.below(2) == 0;
    let mut set = Set::for_members(if integers { b"1" } else { b"a" }, 1, &limits.set);
    for _ in 0..1 + random.below(60) {
        let member = match integers {
            true => random.below(1000).to_string().into_bytes(),
            false => text(random),
        };
        set.add(&member, &limits.set);
    }
    set
}

fn hash(random: &mut Random, limits: &Limits) -> Hash {
    let mut hash = Hash::new();
    let expiring = random.below(2) == 0;
    for _ in 0..1 + random.below(40) {
        let expiry = match expiring && random.below(2) == 0 {
            true => Expiry::At(1 + random.below(1 << 40) as u64),
            false => Expiry::Clear,
        };
        hash.set(&text(random), &text(random), expiry, &limits.hash);
    }
    if expiring && random.below(3) == 0 {
        // A listpackex of which no field expires.
        let fields: Vec<_> = hash.iter().map(|entry| entry.field.to_vec()).collect();
        for field in fields {
            hash.persist(&field, 0);
        }
    }
    hash
}

fn zset(random: &mut Random, limits: &Limits) -> Zset {
    let mut zset = Zset::new();
    for _ in 0..1 + random.below(40) {
        let score = match random.below(5) {
            0 => f64::INFINITY,
            1 => f64::NEG_INFINITY,
            2 => random.next() as i32 as f64 / 7.0,
            _ => random.below(10) as f64,
        };
        zset.add(&text(random), score, Flags::default(), &limits.zset).unwrap();
    }
    zset
}

fn stream(random: &mut Random) -> Stream {
    let mut stream = Stream::default();
    let limits = stream_type::Limits { node_max_bytes: 4096, node_max_entries: 1 + random.below(20) };
    for _ in 0..random.below(60) {
        let ms = stream.entries.last_id().ms + random.below(3) as u64;
        let id = stream.entries.next_id(NewId::Ms(ms), UnixMs(0)).unwrap_or(StreamId { ms: ms + 1, seq: 0 });
        let names = [&b"name"[..], b"17", b"other"];
        let values: Vec<_> = (0..1 + random.below(3)).map(|_| text(random)).collect();
        let pairs: Vec<&[u8]> = values.iter().zip(names).flat_map(|(value, name)| [name, value]).collect();
        stream.entries.add(id, &pairs, &limits).unwrap();
        if random.below(4) == 0 {
            stream.entries.delete(id);
        }
    }
    for name in [&b"g"[..], b"12", b"\xff\0"].iter().take(random.below(4)) {
        let read = (random.below(2) == 0).then(|| random.below(100) as u64);
        let mut group = stream.groups.create(name, StreamId::MIN, read).unwrap();
        for name in [&b"alice"[..], b"bob", b"3"] {
            let now = UnixMs(1000 + random.below(1000) as u64);
            let (consumer, _) = group.visit(name, now);
            let noack = random.below(4) == 0;
            group.read_new(&stream.entries, consumer, random.below(10), noack, now, |_| {});
        }
    }
    stream
}

/// A value, by chance of every type and encoding.
fn value(random: &mut Random) -> Collection {
    let limits = limits(16);
    match random.below(5) {
        0 => Collection::List(list(random, &limits)),
        1 => Collection::Set(set(random, &limits)),
        2 => Collection::Hash(hash(random, &limits)),
        3 => Collection::Zset(zset(random, &limits)),
        _ => Collection::Stream(Box::new(stream(random))),
    }
}

/// All that can be seen of a value: its encoding, its parts, and their order, except that of a table.
fn seen(value: &Collection) -> (&'static str, Vec<Vec<u8>>) {
    let texts = |elements: &mut dyn Iterator<Item = Element<'_>>| elements.map(|e| e.to_vec()).collect();
    match value {
        Collection::List(list) => (list.encoding().name(), texts(&mut list.iter(0..list.len()))),
        Collection::Set(set) => (set.encoding().name(), texts(&mut set.iter())),
        Collection::Hash(hash) => {
            let fields = hash.iter().map(|entry| {
                let (field, value) = (entry.field.to_vec(), entry.value.to_vec());
                format!("{field:?} {value:?} {:?}", entry.expire).into_bytes()
            });
            (hash.encoding().name(), fields.collect())
        }
        Collection::Zset(zset) => {
            let elements = zset.iter(0..zset.len());
            let elements =
                elements.map(|(member, score)| format!("{:?} {score}", member.to_vec()).into_bytes());
            (zset.encoding().name(), elements.collect())
        }
        Collection::Stream(stream) => ("stream", seen_of_stream(stream)),
    }
}

fn seen_of_stream(stream: &Stream) -> Vec<Vec<u8>> {
    let entries = &stream.entries;
    let (first, last, deleted) = (entries.first_id(), entries.last_id(), entries.max_deleted_id());
    let mut seen = vec![format!("{first} {last} {deleted} {} {}", entries.len(), entries.added())];
    seen.extend(entries.blocks().map(|(master, block)| format!("{master} {:?}", block.as_bytes())));
    for (name, group) in stream.groups.iter() {
        seen.push(format!("{name:?} {} {:?}", group.last_id, group.entries_read));
        for (id, consumer) in group.consumers() {
            let (name, seen_at, active) = (consumer.name(), consumer.seen, consumer.active());
            seen.push(format!("{name:?} {seen_at:?} {active:?} {}", consumer.pending_len()));
            let pending = group.pending_between(StreamId::MIN, StreamId::MAX, Some(id));
            seen.extend(
                pending.map(|(id, pending)| format!("{id} {:?} {}", pending.delivered, pending.deliveries)),
            );
        }
    }
    seen.into_iter().map(String::into_bytes).collect()
}

/// The encodings that a test has met.
fn assert_all_met(met: &mut Vec<(&'static str, &'static str)>) {
    met.sort_unstable();
    met.dedup();
    let all = [
        ("hash", "hashtable"),
        ("hash", "listpack"),
        ("hash", "listpackex"),
        ("list", "listpack"),
        ("list", "quicklist"),
        ("set", "hashtable"),
        ("set", "intset"),
        ("set", "listpack"),
        ("stream", "stream"),
        ("zset", "listpack"),
        ("zset", "skiplist"),
    ];
    assert_eq!(met[..], all);
}

fn seeded() -> (Random, u64) {
    let seed = Random::seeded().next();
    println!("seed {seed}");
    (Random::new(seed), seed)
}

#[test]
fn an_image_brings_back_exactly_what_it_was_taken_of() {
    let (mut random, _) = seeded();
    let mut met = Vec::new();
    for _ in 0..2_000 {
        let value = value(&mut random);
        let mut bytes = Vec::new();
        let Ok(()) = image::put_collection(&mut bytes, 5, value.as_ref());
        let image = image::take(&bytes, SEED).unwrap();
        let ImageValue::Collection(again) = image.value else { panic!("a collection") };
        assert!(seen(&again) == seen(&value), "{value:?} {again:?}");
        let mut again_bytes = Vec::new();
        let Ok(()) = image::put_collection(&mut again_bytes, 5, again.as_ref());
        assert!(again_bytes == bytes, "{value:?}");
        met.push((image::kind(&bytes).unwrap(), seen(&value).0));
    }
    assert_all_met(&mut met);
}

#[test]
fn objects_of_every_version_are_read_with_the_encodings_that_the_limits_give() {
    let (mut random, _) = seeded();
    let mut met = Vec::new();
    for round in 0..2_000 {
        let format = Format { version: 10 + round % 3, compression: random.below(2) == 0 };
        let value = value(&mut random);
        let mut bytes = Vec::new();
        let Ok(()) = object::put(&mut bytes, ObjectRef::Collection(value.as_ref()), format);
        let mut rest = &bytes[1..];
        let limits = limits(16);
        let again = take(bytes[0], &mut rest, Encodings::Within(&limits)).unwrap();
        assert!(rest.is_empty());
        let (mut before, mut after) = (seen(&value), seen(&again));
        met.push((object_type::kind(bytes[0]).unwrap(), after.0));
        match &value {
            // It became one by an element that is gone, or a command that a reader can't know of.
            Collection::List(_) | Collection::Set(_) => {}
            Collection::Hash(hash) if format.version < 12 && hash.next_expire().is_none() => {}
            Collection::Stream(_) if format.version == 10 => {
                // Active times are lost.
                continue;
            }
            _ => assert_eq!(after.0, before.0),
        }
        if !matches!(value, Collection::List(_)) {
            before.1.sort();
            after.1.sort();
        }
        assert!(after.1 == before.1, "{value:?} {again:?}");
    }
    assert_all_met(&mut met);
}

#[test]
fn an_image_becomes_part_of_a_file_as_its_value_would() {
    let (mut random, _) = seeded();
    for round in 0..1_500 {
        let format = Format { version: 10 + round % 3, compression: random.below(2) == 0 };
        let value = value(&mut random);
        let (mut bytes, mut copied, mut put) = (Vec::new(), Vec::new(), Vec::new());
        let Ok(()) = image::put_collection(&mut bytes, 0x12_3456, value.as_ref());
        let (access, object) = image::to_object(&bytes, format).unwrap();
        assert_eq!(access, 0x12_3456);
        copied.push(object.object_type(format));
        object.put_payload(&mut copied, format).unwrap();
        let object = Object::Collection(value);
        let Ok(()) = object::put(&mut put, object.as_ref(), format);
        assert!(copied == put, "{object:?} {format:?}");
    }
}

#[test]
fn what_an_older_version_can_say_is_said_in_its_words() {
    let limits = limits(16);
    let type_in =
        |value: &Collection, version| type_of(value.as_ref(), Format { version, compression: false });
    let mut small = Set::for_members(b"a", 1, &limits.set);
    small.add(b"a", &limits.set);
    let small = Collection::Set(small);
    assert_eq!(
        [10, 11].map(|version| type_in(&small, version)),
        [object_type::SET, object_type::SET_LISTPACK]
    );
    let stream = Collection::Stream(Box::default());
    let types = [object_type::STREAM_LISTPACKS_2, object_type::STREAM_LISTPACKS_3];
    assert_eq!([10, 11].map(|version| type_in(&stream, version)), types);
    let mut hash = Hash::new();
    hash.set(b"f", b"v", Expiry::At(1), &limits.hash);
    let ex = object_type::HASH_LISTPACK_EX;
    assert_eq!([10, 12].map(|version| type_in(&Collection::Hash(hash.clone()), version)), [ex, ex]);
    hash.persist(b"f", 0);
    let types = [object_type::HASH_LISTPACK, ex];
    assert_eq!([11, 12].map(|version| type_in(&Collection::Hash(hash.clone()), version)), types);
}

#[test]
fn mutated_values_are_refused_or_are_values() {
    let (mut random, seed) = seeded();
    let (mut refused, mut taken) = (0, 0);
    for _ in 0..4_000 {
        let value = value(&mut random);
        let mut bytes = Vec::new();
        let Ok(()) = image::put_collection(&mut bytes, 0, value.as_ref());
        for _ in 0..1 + random.below(3) {
            // The header of an image, and its first lengths, are the most interesting.
            let end = if random.below(2) == 0 { bytes.len().min(24) } else { bytes.len() };
            let at = 4 + random.below(end - 4);
            match random.below(4) {
                0 => bytes[at] ^= 1 << random.below(8),
                1 => bytes[at] = random.next() as u8,
                2 => bytes.truncate(at.max(5)),
                _ => drop(bytes.splice(at..at, [0x81, 0x7f, 0xff].into_iter().take(1 + random.below(3)))),
            }
        }
        match image::take(&bytes, SEED) {
            Err(_) => refused += 1,
            Ok(image) => {
                // Whatever it is, it can be written, and is the same when it is read again.
                let mut again = Vec::new();
                if let ImageValue::Collection(value) = image.value {
                    seen(&value);
                    let Ok(()) = image::put_collection(&mut again, 0, value.as_ref());
                    assert!(image::take(&again, SEED).is_ok(), "seed {seed}");
                }
                taken += 1;
            }
        }
        let limits = limits(16);
        let _ = take(bytes[4], &mut &bytes[5..], Encodings::Within(&limits));
        let format = Format { version: 10, compression: true };
        if let Ok((_, object)) = image::to_object(&bytes, format) {
            let _ = object.put_payload(&mut Vec::new(), format);
        }
    }
    assert!(refused > 400 && taken > 400, "{refused} refused, {taken} taken");
}

/// The value of a payload without its footer, by Redis's default limits.
fn taken(bytes: &[u8]) -> Result<(&'static str, Vec<Vec<u8>>), Malformed> {
    let limits = limits(128);
    let mut rest = &bytes[1..];
    let value = take(bytes[0], &mut rest, Encodings::Within(&limits))?;
    assert!(rest.is_empty());
    let (encoding, parts) = seen(&value);
    Ok((encoding, parts))
}

fn texts(parts: &[&str]) -> Vec<Vec<u8>> {
    parts.iter().map(|part| part.as_bytes().to_vec()).collect()
}

#[test]
fn what_redis_wrote_before_is_read() {
    let ziplist = b"\x11\x11\0\0\0\x0e\0\0\0\x02\0\0\x02ab\x04\xf8\xff";
    let list = Ok(("listpack", texts(&["ab", "7"])));
    assert_eq!(taken(b"\x01\x02\x02ab\xc0\x07"), list, "LIST");
    assert_eq!(taken(&[&b"\x0a"[..], ziplist].concat()), list, "LIST_ZIPLIST");
    assert_eq!(taken(&[&b"\x0e\x01"[..], ziplist].concat()), list, "LIST_QUICKLIST");
    let hash = Ok(("listpack", texts(&["[97, 98] [55] None"])));
    assert_eq!(taken(&[&b"\x0d"[..], ziplist].concat()), hash, "HASH_ZIPLIST");
    assert_eq!(taken(b"\x09\x08\x01\x02ab\x01\x007\xff"), hash, "HASH_ZIPMAP");
    let zset = Ok(("listpack", texts(&["[97, 98] 7"])));
    assert_eq!(taken(&[&b"\x0c"[..], ziplist].concat()), zset, "ZSET_ZIPLIST");
    assert_eq!(taken(b"\x03\x01\x02ab\x017"), zset, "ZSET");
    let infinite = taken(b"\x03\x03\x01a\xff\x01b\xfe\x01c\x040.25").unwrap().1;
    assert_eq!(infinite, texts(&["[97] -inf", "[99] 0.25", "[98] inf"]));
    assert_eq!(taken(b"\x03\x01\x01a\xfd"), Err(Malformed::Value("sorted set")), "not a number");
}

#[test]
fn nothing_and_what_is_there_twice_are_refused() {
    let cases: [(&[u8], &str); 14] = [
        (b"\x01\0", "list"),
        (b"\x12\0", "list"),
        (b"\x12\x01\x02\x07\x07\0\0\0\0\0\xff", "list"),
        (b"\x12\x01\x03\x01a", "list"),
        (b"\x02\0", "set"),
        (b"\x02\x02\x01a\x01a", "set"),
        (b"\x04\0", "hash"),
        (b"\x04\x02\x01a\x01a\x01a\x01b", "hash"),
        (b"\x18\0\0\0\0\0\0\0\0\x01\x01\x01a\x01b", "hash"),
        (b"\x18\xff\xff\xff\xff\xff\xff\xff\xff\x01\x02\x01a\x01b", "hash"),
        (b"\x05\0", "sorted set"),
        (b"\x05\x01\x01a\0\0\0\0\0\0\xf8\x7f", "sorted set"),
        (b"\x0c\x0b\x0b\0\0\0\x0a\0\0\0\0\0\xff", "sorted set"),
        (b"\x15\0\x01\0\0\0\0\0\0\0\0", "stream"),
    ];
    for (bytes, kind) in cases {
        assert_eq!(taken(bytes), Err(Malformed::Value(kind)), "{}", bytes.escape_ascii());
    }
    assert_eq!(
        taken(b"\x13\0\0\0\0\0\0\0\0\0\0").map(|value| value.0),
        Ok("stream"),
        "an empty stream is one"
    );
}
