//! Tests of whole RDB files: writer and reader against bytes that redis-server wrote, against each other, and the reader
//! against damage.

use std::borrow::Cow;
use std::io::{self, BufReader, Read, Write};

use super::object::Object;
use super::reader::{Cause, Entry, Item, ReadError, Reader};
use super::writer::{Header, Writer};
use super::{Access, Format, Limits, Malformed, crc64};
use crate::types::{hash, list, set, zset};
use crate::util::random::Random;

/// A file of redis-server 7.0.15: in database 0 `k` with an expiry; in database 3 an integer, a compressed string and a
/// raw "12".
const OF_REDIS: &[u8] = b"REDIS0010\xfa\x09redis-ver\x067.0.15\xfa\x0aredis-bits\xc0\x40\xfa\x05ctime\xc2\xe6\x0e\x01\x6b\
    \xfa\x08used-mem\xc2\x10\x38\x10\x00\xfa\x08aof-base\xc0\x00\xfe\x00\xfb\x01\x01\xfc\x7b\xd8\xc3\x2c\xbb\x03\x00\x00\
    \x00\x01k\x01v\xfe\x03\xfb\x03\x00\x00\x01n\xc0\x07\x00\x01z\xc3\x0a\x40\x50\x02aba\xe0\x42\x01\x01ab\x00\x03raw\xc0\
    \x0c\xff\x98\xea\x93\x04\xa1\x78\x5b\xde";

/// Redis's defaults.
const LIMITS: Limits = Limits {
    list: list::Limits { listpack_size: -2 },
    set: set::Limits { intset_entries: 512, listpack_entries: 128, listpack_value: 64, hash_seed: 7 },
    hash: hash::Limits { listpack_entries: 128, listpack_value: 64, hash_seed: 7 },
    zset: zset::Limits { listpack_entries: 128, listpack_value: 64, hash_seed: 7 },
};

fn string(bytes: &[u8]) -> Object<'static> {
    Object::String(Cow::Owned(bytes.to_vec()))
}

fn entry(db: u32, key: &[u8], object: Object<'static>, expire: Option<u64>) -> Item {
    Item::Entry(Entry { db, key: key.to_vec(), object, expire, access: Access::Unknown })
}

fn read(file: &[u8]) -> Result<Vec<Item>, ReadError> {
    Reader::new(file, LIMITS).collect()
}

/// A file of this body, sealed with the right checksum.
fn file(version: &str, body: &[u8]) -> Vec<u8> {
    let mut file = [version.as_bytes(), body, &[0xff]].concat();
    let crc = crc64::update(0, &file);
    file.extend_from_slice(&crc.to_le_bytes());
    file
}

#[track_caller]
fn assert_malformed(file: &[u8], expected: Malformed) {
    match read(file).map_err(|error| error.cause) {
        Err(Cause::Malformed(malformed)) => assert_eq!(malformed, expected),
        other => panic!("{other:?} instead of {expected:?}"),
    }
}

#[test]
fn a_file_of_redis_is_read() {
    let aux = |name: &str, value: &str| Item::Aux(name.into(), value.into());
    let items = [
        aux("redis-ver", "7.0.15"),
        aux("redis-bits", "64"),
        aux("ctime", "1795231462"),
        aux("used-mem", "1062928"),
        aux("aof-base", "0"),
        entry(0, b"k", string(b"v"), Some(4_102_444_800_123)),
        entry(3, b"n", Object::Int(7), None),
        entry(3, b"z", string(&b"ab".repeat(40)), None),
        entry(3, b"raw", Object::Int(12), None),
    ];
    assert_eq!(read(OF_REDIS).unwrap(), items);
}

#[test]
fn the_same_file_is_written() {
    let mut writer = Writer::new(Vec::new(), Format { version: 10, compression: false }, true).unwrap();
    let header = Header {
        redis_version: "7.0.15",
        created_s: 1_795_231_462,
        used_memory_bytes: 1_062_928,
        aof_base: false,
    };
    writer.header(&header).unwrap();
    writer.select_db(0, 1, 1).unwrap();
    writer.entry(b"k", string(b"v").as_ref(), Some(4_102_444_800_123), Access::Unknown).unwrap();
    writer.select_db(3, 3, 0).unwrap();
    writer.entry(b"n", Object::Int(7).as_ref(), None, Access::Unknown).unwrap();
    let written = writer.finish().unwrap();
    // What follows "n" in the file of Redis depends on its compressor.
    let until = OF_REDIS.windows(2).position(|pair| pair == b"\x01z").unwrap() - 1;
    assert_eq!(written[..until], OF_REDIS[..until]);
    assert_eq!(written[until..], file("", &OF_REDIS[..until])[until..]);
}

#[test]
fn every_part_is_taken_or_skipped() {
    let module = b"\xf7\x81\x01\x02\x03\x04\x05\x06\x07\x08\x02\x02\x01\x05\x02\x40\x41\x03abcd\x0400000000\x05\x03xyz\0";
    let body = [
        &b"\xf5\x04code"[..],
        module,
        b"\xfe\x40\x50\xfb\x40\x50\x00\xf4\x01\x02\x03",
        b"\xfd\x02\x00\x00\x00\x00\x01a\x01A",
        b"\xf8\x40\xff\x00\x01b\x01B",
        b"\xfc\xff\xff\xff\xff\xff\xff\xff\xff\xf9\x07\x00\x01c\x01C",
        b"\xfc\xfe\xff\xff\xff\xff\xff\xff\xff\x00\x01d\x01D",
    ]
    .concat();
    let with = |access, item| match item {
        Item::Entry(entry) => Item::Entry(Entry { access, ..entry }),
        other => other,
    };
    let items = [
        Item::Function(b"code".to_vec()),
        entry(80, b"a", string(b"A"), Some(2000)),
        with(Access::IdleSeconds(255), entry(80, b"b", string(b"B"), None)),
        with(Access::Frequency(7), entry(80, b"c", string(b"C"), None)),
        entry(80, b"d", string(b"D"), Some(0)),
    ];
    for version in ["REDIS0012", "REDIS0005", "VALKEY080"] {
        assert_eq!(read(&file(version, &body)).unwrap(), items, "{version}");
    }
}

#[test]
fn only_known_versions_are_read_and_the_first_four_have_no_checksum() {
    for (magic, version) in
        [("REDIS0000", 0), ("REDIS0013", 13), ("REDIS0080", 80), ("VALKEY011", 11), ("VALKEY081", 81)]
    {
        let error = read(&file(magic, b"")).unwrap_err();
        assert!(matches!(error.cause, Cause::Version(found) if found == version), "{magic}: {error}");
    }
    for magic in ["REDIS00x2", "redis0009", "VALKEY+11", "RIDES0009"] {
        let error = read(&file(magic, b"")).unwrap_err();
        assert!(matches!(error.cause, Cause::NotRdb), "{magic}: {error}");
    }
    assert_eq!(read(b"REDIS0004\x00\x01a\x01b\xff").unwrap(), [entry(0, b"a", string(b"b"), None)]);
    assert_malformed(b"REDIS0005\x00\x01a\x01b\xff", Malformed::CutOff);
}

#[test]
fn a_checksum_is_compared_unless_it_is_zero() {
    let mut changed = OF_REDIS.to_vec();
    *changed.last_mut().unwrap() ^= 1;
    let error = read(&changed).unwrap_err();
    assert_eq!(
        error.to_string(),
        "at byte 142: the checksum is de5b78a10493ea98 and should be df5b78a10493ea98"
    );
    let end = changed.len() - 8;
    changed[end..].fill(0);
    assert_eq!(read(&changed).unwrap(), read(OF_REDIS).unwrap());
}

#[test]
fn what_cannot_be_read_is_named_with_its_key() {
    let error = read(&file("REDIS0011", b"\x00\x01a\x01b\x07\x06list\xff\"\x01\x02")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "at byte 22, in the key \"list\\xff\\\"\": objects of type 7 (module value) cannot be read"
    );
    assert_malformed(&file("REDIS0011", b"\x08\x01a"), Malformed::Type(8));
    assert_malformed(&file("REDIS0010", b"\xf6\x00"), Malformed::FunctionPreGa);
    assert_malformed(&file("REDIS0010", b"\xf7\x01\x02\x02\x09"), Malformed::ModuleOpcode(9));
    assert_malformed(&file("REDIS0010", b"\xfe\x81\0\0\0\x01\0\0\0\0"), Malformed::Number(1 << 32));
}

#[test]
fn bytes_behind_the_file_stay_where_they_are() {
    let stream = [OF_REDIS, b"*1\r\n"].concat();
    let mut rest = BufReader::with_capacity(7, &stream[..]);
    assert_eq!(Reader::new(&mut rest, LIMITS).filter_map(Result::ok).count(), 9);
    let mut behind = Vec::new();
    rest.read_to_end(&mut behind).unwrap();
    assert_eq!(behind, b"*1\r\n");
}

#[test]
fn random_files_come_back_whatever_the_buffers() {
    let seed = Random::seeded().next();
    println!("seed {seed}");
    let mut random = Random::new(seed);
    for round in 0..60 {
        let format = Format { version: 10 + random.below(3) as u16, compression: random.below(2) == 0 };
        let (mut writer, mut items) =
            (Writer::new(Vec::new(), format, random.below(2) == 0).unwrap(), Vec::new());
        for number in 0..random.below(100) as u32 {
            let db = number / 10;
            writer.select_db(db, random.next(), random.next()).unwrap();
            let object = match random.below(3) {
                0 => Object::Int(random.next() as i64 >> random.below(64)),
                1 => string(&vec![b'r'; random.below(300_000) / (1 + 99 * usize::from(round % 10 > 0))]),
                _ => string(
                    &(0..1 + random.below(200)).map(|_| random.next() as u8 | 0x80).collect::<Vec<_>>(),
                ),
            };
            let expire = (random.below(2) == 0).then(|| random.next() >> 1);
            let access = match random.below(3) {
                0 => Access::Unknown,
                1 => Access::IdleSeconds(random.next() >> random.below(64)),
                _ => Access::Frequency(random.next() as u8),
            };
            let key = number.to_string().into_bytes();
            writer.entry(&key, object.as_ref(), expire, access).unwrap();
            items.push(Item::Entry(Entry { db, key, object, expire, access }));
        }
        let file = writer.finish().unwrap();
        let buffered = BufReader::with_capacity(1 + random.below(9000), &file[..]);
        assert_eq!(
            Reader::new(buffered, LIMITS).collect::<Result<Vec<_>, _>>().unwrap(),
            items,
            "seed {seed}"
        );
    }
}

#[test]
fn mutated_files_are_errors_or_files_and_never_more_than_their_bytes_can_say() {
    let seed = Random::seeded().next();
    println!("seed {seed}");
    let mut random = Random::new(seed);
    for _ in 0..20_000 {
        let mut mutated = OF_REDIS.to_vec();
        for _ in 0..1 + random.below(4) {
            let at = random.below(mutated.len());
            match random.below(4) {
                0 => mutated[at] ^= 1 << random.below(8),
                1 => mutated[at] = random.next() as u8,
                2 => mutated.truncate(at + 1),
                _ => drop(mutated.splice(at..at, [0x81, 0x7f, 0xff].into_iter().take(1 + random.below(3)))),
            }
        }
        // Half of them with the right checksum, which an enemy can compute.
        if random.below(2) == 0 && mutated.len() > 8 {
            mutated.truncate(mutated.len() - 8);
            let crc = crc64::update(0, &mutated);
            mutated.extend_from_slice(&crc.to_le_bytes());
        }
        let mut bytes = 0;
        for item in Reader::new(&mutated[..], LIMITS).flatten() {
            bytes += match item {
                Item::Aux(name, value) => name.capacity() + value.capacity(),
                Item::Function(code) => code.capacity(),
                Item::Entry(Entry { key, object: Object::String(Cow::Owned(value)), .. }) => {
                    key.capacity() + value.capacity()
                }
                Item::Entry(Entry { key, .. }) => key.capacity(),
            };
        }
        assert!(bytes <= 100 * mutated.len(), "{bytes} bytes from {}; seed {seed}", mutated.len());
    }
}

#[test]
fn every_cut_of_a_file_is_an_error() {
    for cut in 0..OF_REDIS.len() {
        assert_malformed(&OF_REDIS[..cut], Malformed::CutOff);
    }
}

/// A disk that is full after so many bytes, and has room again after it has said so.
struct FullOnce(usize, Vec<u8>);

impl Write for FullOnce {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let len = bytes.len().min(self.0 - self.1.len());
        if len == 0 {
            self.0 = usize::MAX;
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.1.extend_from_slice(&bytes[..len]);
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn nothing_is_written_after_an_error() {
    let mut disk = FullOnce(100_000, Vec::new());
    let mut writer = Writer::new(&mut disk, Format { version: 11, compression: false }, true).unwrap();
    let big = string(&[b'v'; 90_000]);
    writer.entry(b"a", big.as_ref(), None, Access::Unknown).unwrap();
    let error = writer.entry(b"b", big.as_ref(), None, Access::Unknown).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    assert!(writer.entry(b"c", big.as_ref(), None, Access::Unknown).is_err());
    assert!(writer.finish().is_err());
    assert_eq!(disk.1.len(), 100_000);
}
