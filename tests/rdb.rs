//! RDB files and DUMP payloads between this codec and redis-server: each must read what the other writes.
//!
//! Redis is the oracle here, not the server under test. Where it is not installed (`FORGEKV_REDIS` names another program)
//! the tests are skipped with a message; the formats are also held by golden bytes in `src/rdb/`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufReader, BufWriter};
use std::process::{Command, Stdio};

use forgekv::commands::limits;
use forgekv::config::Config;
use forgekv::rdb::reader::{Item, Reader};
use forgekv::rdb::writer::{Header, Writer};
use forgekv::rdb::{Access, Encodings, Format, Limits, Object, dump};

use crate::support::{Client, Rng, Server, ServerOptions, new_dir};

/// Far in the future, in unix milliseconds.
const EXPIRE_MS: u64 = 4_102_444_800_123;
const SEED: u64 = 0x7264_6200;
/// What Redis 7.0 reads.
const FORMATS: [Format; 2] =
    [Format { version: 10, compression: true }, Format { version: 10, compression: false }];

/// Redis's defaults.
pub fn limits() -> Limits {
    limits::all(&Config::default(), 7)
}

/// Redis, if it is installed.
pub fn oracle() -> Option<ServerOptions> {
    let program = std::env::var("FORGEKV_REDIS").unwrap_or_else(|_| "redis-server".to_owned());
    let version = Command::new(&program).arg("--version").stdout(Stdio::null()).status();
    if !version.is_ok_and(|status| status.success()) {
        eprintln!("skipped: {program} is not installed");
        return None;
    }
    Some(ServerOptions::default().program(program).args(&["--save", ""]))
}

/// Strings of every encoding and of lengths around every border, compressible and not.
fn strings() -> Vec<Vec<u8>> {
    let mut rng = Rng::new(SEED);
    let texts =
        ["", "0", "-1", "127", "128", "-129", "32768", "2147483647", "2147483648", "-9223372036854775808"];
    let mut strings: Vec<Vec<u8>> = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
    strings.extend(["007", "+1", "9223372036854775808", "\r\n\0"].map(|text| text.as_bytes().to_vec()));
    for len in [20, 21, 44, 45, 63, 64, 300, 16_383, 16_384, 70_000, 1_000_000] {
        strings.push(vec![b'a'; len]);
        strings.push(rng.bytes(len));
        // Words that come again at random distances.
        strings.push((0..len).map(|at| b"the quick brown fox"[(at / 7 * 5 + at % 7) % 19]).collect());
        let mut mixed = Vec::new();
        while mixed.len() < len {
            let part = rng.below(300) + 1;
            let from = rng.below(mixed.len() + 1);
            if rng.one_in(2) {
                mixed.extend_from_within(from..(from + part).min(mixed.len()));
            } else {
                mixed.extend(rng.bytes(part));
            }
        }
        mixed.truncate(len);
        strings.push(mixed);
    }
    strings
}

fn object_of(bytes: &[u8]) -> Object<'_> {
    let text = std::str::from_utf8(bytes).ok();
    match text
        .and_then(|text| text.parse::<i64>().ok())
        .filter(|number| number.to_string().as_bytes() == bytes)
    {
        Some(number) => Object::Int(number),
        None => Object::String(Cow::Borrowed(bytes)),
    }
}

fn select(client: &mut Client, db: usize) {
    client.ok(&["SELECT", &db.to_string()]);
}

/// The database that a string of the tests is in.
fn db_of(index: usize) -> usize {
    index % 3 * 4
}

#[test]
fn redis_loads_the_files_that_are_written() {
    let Some(oracle) = oracle() else { return };
    let strings = strings();
    for format in FORMATS {
        let dir = new_dir();
        let file = BufWriter::new(File::create(dir.join("dump.rdb")).unwrap());
        let mut writer = Writer::new(file, format, true).unwrap();
        let header = Header {
            redis_version: "7.4.1",
            created_s: 1_700_000_000,
            used_memory_bytes: 1 << 40,
            aof_base: false,
        };
        writer.header(&header).unwrap();
        for db in [0, 4, 8] {
            writer.select_db(db as u32, strings.len() as u64, 1).unwrap();
            for (index, bytes) in strings.iter().enumerate().filter(|(index, _)| db_of(*index) == db) {
                let expire = (index % 2 == 0).then_some(EXPIRE_MS + index as u64);
                let access = if index % 5 == 0 { Access::IdleSeconds(100_000) } else { Access::Unknown };
                writer
                    .entry(index.to_string().as_bytes(), object_of(bytes).as_ref(), expire, access)
                    .unwrap();
            }
        }
        writer.finish().unwrap().into_inner().unwrap().sync_all().unwrap();

        let redis = oracle.clone().dir(&dir).start();
        let mut client = redis.connect();
        for (index, bytes) in strings.iter().enumerate() {
            select(&mut client, db_of(index));
            let key = index.to_string();
            let expire = if index % 2 == 0 { (EXPIRE_MS + index as u64) as i64 } else { -1 };
            assert_eq!(client.int(&["PEXPIRETIME", &key]), expire);
            let idle = client.int(&["OBJECT", "IDLETIME", &key]);
            assert_eq!(idle >= 100_000, index % 5 == 0, "{key} is idle for {idle} s");
            let encoding = match object_of(bytes) {
                Object::Int(_) => "int",
                Object::String(_) if bytes.len() <= 44 => "embstr",
                Object::String(_) => "raw",
                Object::Collection(_) => "",
            };
            assert_eq!(client.text(&["OBJECT", "ENCODING", &key]), encoding, "{key}");
            assert_eq!(client.bulk(&["GET", &key]), *bytes, "string {key} of seed {SEED}, {format:?}");
        }
        let sizes = [0, 4, 8].map(|db| {
            select(&mut client, db);
            client.int(&["DBSIZE"])
        });
        assert_eq!(sizes.iter().sum::<i64>(), strings.len() as i64);
        drop(redis);
        fs::remove_dir_all(dir).unwrap();
    }
}

#[test]
fn the_files_that_redis_writes_are_read() {
    let Some(oracle) = oracle() else { return };
    let strings = strings();
    for compression in ["yes", "no"] {
        let redis = oracle.clone().args(&["--rdbcompression", compression]).start();
        let mut client = redis.connect();
        let mut expected = BTreeMap::new();
        for (index, bytes) in strings.iter().enumerate() {
            select(&mut client, db_of(index));
            let key = index.to_string();
            client.ok(&[b"SET", key.as_bytes(), bytes]);
            let expire = (index % 2 == 0).then_some(EXPIRE_MS + index as u64);
            if let Some(ms) = expire {
                assert_eq!(client.int(&["PEXPIREAT", &key, &ms.to_string()]), 1);
            }
            expected.insert((db_of(index) as u32, key.into_bytes()), (object_of(bytes), expire));
        }
        let items = saved(&redis, &mut client);
        assert!(items.contains(&Item::Aux("redis-bits".into(), "64".into())), "{:?}", &items[..3]);
        let entries = items
            .into_iter()
            .filter_map(|item| if let Item::Entry(entry) = item { Some(entry) } else { None });
        let found: BTreeMap<_, _> =
            entries.map(|entry| ((entry.db, entry.key), (entry.object, entry.expire))).collect();
        assert_eq!(found.len(), expected.len());
        for (key, value) in expected {
            assert!(found[&key] == value, "key {key:?} of seed {SEED} with compression {compression}");
        }
    }
}

#[test]
fn functions_idle_times_and_frequencies_of_redis_are_read() {
    let Some(oracle) = oracle() else { return };
    let library = "#!lua name=lib\nredis.register_function('f', function() return 1 end)";
    for (policy, restored) in [("allkeys-lru", ["IDLETIME", "1000"]), ("allkeys-lfu", ["FREQ", "200"])] {
        let redis = oracle.clone().args(&["--maxmemory-policy", policy]).start();
        let mut client = redis.connect();
        assert_eq!(client.text(&["FUNCTION", "LOAD", library]), "lib");
        let payload = dump::payload(Object::Int(1).as_ref(), FORMATS[0]);
        let [option, value] = restored.map(str::as_bytes);
        client.ok(&[&b"RESTORE"[..], b"k", b"0", &payload, option, value]);
        let items = saved(&redis, &mut client);
        assert!(items.contains(&Item::Function(library.into())), "{items:?}");
        let Some(Item::Entry(entry)) = items.last() else { panic!("{items:?}") };
        match entry.access {
            Access::IdleSeconds(seconds) => assert!(option == b"IDLETIME" && (1000..1010).contains(&seconds)),
            Access::Frequency(counter) => assert!(option == b"FREQ" && counter == 200),
            Access::Unknown => panic!("{entry:?}"),
        }
    }
}

#[test]
fn payloads_of_dump_go_both_ways() {
    let Some(oracle) = oracle() else { return };
    let redis = oracle.start();
    let mut client = redis.connect();
    for bytes in strings() {
        for format in FORMATS {
            let payload = dump::payload(object_of(&bytes).as_ref(), format);
            client.ok(&[&b"RESTORE"[..], b"k", b"0", &payload, b"REPLACE"]);
            assert!(client.bulk(&["GET", "k"]) == bytes, "{} bytes, seed {SEED}, {format:?}", bytes.len());
        }
        let payload = client.bulk(&["DUMP", "k"]);
        assert!(
            dump::take(&payload, Encodings::Within(&limits())) == Ok(object_of(&bytes)),
            "{} bytes, seed {SEED}",
            bytes.len()
        );
    }
}

/// What the file holds that the server saves.
fn saved(redis: &Server, client: &mut Client) -> Vec<Item> {
    client.ok(&["SAVE"]);
    let file = BufReader::new(File::open(redis.dir().join("dump.rdb")).unwrap());
    Reader::new(file, limits()).map(|item| item.unwrap_or_else(|error| panic!("{error}"))).collect()
}
