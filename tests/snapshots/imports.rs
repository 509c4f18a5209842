//! What a start imports.
//!
//! A named pipe in the place of the file stops the server where a test wants it: it waits for somebody to write what it reads.

use std::fs::{self, File};
use std::io::Write;

use forgekv::rdb::writer::{Header, Writer};
use forgekv::rdb::{Access, Format, Object};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use super::{FILE, MARK, REASON, contents, info, number};
use crate::support::{Client, Rng, ServerOptions, forgekv_only, new_dir, wait_for};

const HEADER: Header<'_> =
    Header { redis_version: "7.4.1", created_s: 1_700_000_000, used_memory_bytes: 123_456, aof_base: false };

/// An RDB file with `keys` keys in each of two databases, of about 500 bytes, every fifth one with an expiry that has passed.
fn big_file(keys: usize) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), Format::default(), true).unwrap();
    writer.header(&HEADER).unwrap();
    for db in [2, 9] {
        writer.select_db(db, keys as u64, 0).unwrap();
        for n in 0..keys {
            let expire = (n % 5 == 0).then_some(1_700_000_000_000);
            let object = Object::String(value_of(n).into());
            writer.entry(format!("key:{n}").as_bytes(), object.as_ref(), expire, Access::Unknown).unwrap();
        }
    }
    writer.finish().unwrap()
}

fn value_of(n: usize) -> Vec<u8> {
    let mut value = format!("value {n} ").into_bytes();
    value.extend(Rng::new(n as u64).bytes(500));
    value
}

const KEYS: usize = 10_000;

#[track_caller]
fn assert_imported(client: &mut Client) {
    for db in ["2", "9"] {
        client.ok(&["SELECT", db]);
        assert_eq!(client.int(&["DBSIZE"]), (KEYS - KEYS / 5) as i64, "database {db}");
        for n in (0..KEYS).step_by(137) {
            let value = client.cmd(&["GET", &format!("key:{n}")]);
            let expected = (n % 5 != 0).then(|| value_of(n));
            assert_eq!(value.as_bytes(), expected.as_deref(), "key {n} of database {db}");
        }
    }
    client.ok(&["SELECT", "0"]);
}

#[test]
fn a_file_larger_than_the_budget_is_imported_once_and_left_alone() {
    if forgekv_only(REASON) {
        return;
    }
    let (dir, file) = (new_dir(), big_file(KEYS));
    fs::write(dir.join(FILE), &file).unwrap();
    let args = ["--memtable_size_mb", "2", "--wal_sync_mode", "always"];
    let mut server = ServerOptions::default().dir(&dir).args(&args).start();
    let mut client = server.connect();
    assert_imported(&mut client);
    assert_eq!(number(&mut client, "rdb_last_load_keys_loaded"), 2 * (KEYS - KEYS / 5) as i64);
    assert_eq!(number(&mut client, "rdb_last_load_keys_expired"), 2 * (KEYS / 5) as i64);
    assert!(info(&mut client, "storage")["cold_keys"].parse::<u64>().unwrap() > KEYS as u64);
    assert!(!dir.join(MARK).exists());
    let log = server.log();
    assert!(log.contains("version 7.4.1") && log.contains("DB loaded from"), "{log}");

    client.ok(&["FLUSHALL"]);
    client.ok(&["SET", "k", "1"]);
    for _ in 0..2 {
        server.restart();
        let mut client = server.connect();
        assert_eq!(client.texts(&["KEYS", "*"]), ["k"], "the file is not imported again");
        assert_eq!(number(&mut client, "rdb_last_load_keys_loaded"), 0);
    }
    assert!(fs::read(dir.join(FILE)).unwrap() == file);
    drop(server);
    fs::remove_dir_all(dir).unwrap();
}

#[test]
fn an_import_that_a_crash_ends_begins_again() {
    if forgekv_only(REASON) {
        return;
    }
    let (dir, file) = (new_dir(), big_file(KEYS));
    let (path, half) = (dir.join(FILE), file.len() / 2);
    let options = ServerOptions::default().dir(&dir).args(&["--memtable_size_mb", "1"]).while_loading();
    mkfifo(&path, Mode::S_IRWXU).unwrap();
    let mut server = options.clone().start();
    let mut pipe = File::options().write(true).open(&path).unwrap();
    pipe.write_all(&file[..half]).unwrap();
    let mut client = server.connect();
    wait_for("half of the file", || number(&mut client, "loading_loaded_bytes") > half as i64 * 9 / 10);
    assert!(fs::read_dir(dir.join("runs")).unwrap().count() > 0, "what had no room in RAM is on disk");
    server.kill_9();
    drop(pipe);
    assert!(dir.join(MARK).exists());

    // Without the file there is nothing: half a dataset is none.
    fs::remove_file(&path).unwrap();
    let mut server = ServerOptions::default().dir(&dir).start();
    assert_eq!(contents(&mut server.connect()).len(), 0);
    assert!(!dir.join(MARK).exists());
    server.kill_9();
    // And with it, all.
    fs::remove_dir_all(&dir).unwrap();
    fs::create_dir(&dir).unwrap();
    mkfifo(&path, Mode::S_IRWXU).unwrap();
    let mut server = options.start();
    let mut pipe = File::options().write(true).open(&path).unwrap();
    pipe.write_all(&file[..half]).unwrap();
    let mut client = server.connect();
    wait_for("half of the file", || number(&mut client, "loading_loaded_bytes") > half as i64 * 9 / 10);
    server.kill_9();
    fs::remove_file(&path).unwrap();
    fs::write(&path, &file).unwrap();
    let mut server = ServerOptions::default().dir(&dir).args(&["--memtable_size_mb", "1"]).start();
    assert_imported(&mut server.connect());
    server.restart();
    assert_imported(&mut server.connect());
    drop(server);
    fs::remove_dir_all(dir).unwrap();
}

#[test]
fn while_a_file_is_imported_info_tells_how_far_and_commands_are_refused() {
    if forgekv_only(REASON) {
        return;
    }
    let (dir, file) = (new_dir(), big_file(1000));
    let path = dir.join(FILE);
    mkfifo(&path, Mode::S_IRWXU).unwrap();
    let server = ServerOptions::default().dir(&dir).while_loading().start();
    let mut client = server.connect();
    let mut pipe = File::options().write(true).open(&path).unwrap();
    assert_eq!(client.error(&["GET", "k"]), "LOADING Redis is loading the dataset in memory");
    assert_eq!(client.error(&["SAVE"]), "LOADING Redis is loading the dataset in memory");
    pipe.write_all(&file[..file.len() / 2]).unwrap();
    wait_for("keys", || number(&mut client, "rdb_last_load_keys_loaded") > 0);
    let fields = info(&mut client, "persistence");
    let now: i64 = client.texts(&["TIME"])[0].parse().unwrap();
    assert_eq!(fields["loading"], "1");
    assert!((now - 60..=now).contains(&fields["loading_start_time"].parse().unwrap()), "{fields:?}");
    assert_eq!(fields["loading_rdb_used_mem"], "123456");
    for name in ["loading_total_bytes", "loading_loaded_perc", "loading_eta_seconds"] {
        assert!(fields[name].parse::<f64>().unwrap() >= 0.0, "{name}");
    }
    pipe.write_all(&file[file.len() / 2..]).unwrap();
    drop(pipe);
    wait_for("the end", || number(&mut client, "loading") == 0);
    assert!(!info(&mut client, "persistence").contains_key("loading_start_time"));
    client.ok(&["SELECT", "9"]);
    assert_eq!(client.int(&["DBSIZE"]), 800);
    drop(server);
    fs::remove_dir_all(dir).unwrap();
}

#[test]
fn a_server_that_imports_can_be_stopped() {
    if forgekv_only(REASON) {
        return;
    }
    let (dir, file) = (new_dir(), big_file(KEYS));
    let path = dir.join(FILE);
    mkfifo(&path, Mode::S_IRWXU).unwrap();
    let mut server = ServerOptions::default().dir(&dir).while_loading().start();
    let mut pipe = File::options().write(true).open(&path).unwrap();
    let mut client = server.connect();
    client.send(&["SHUTDOWN", "SAVE"]);
    // It looks every tenth of a second, if there is something to do.
    let mut written = 0;
    wait_for("the server to stop", || {
        let end = (written + (64 << 10)).min(file.len() - 1);
        let _ = pipe.write_all(&file[written..end]);
        written = end;
        !server.is_running()
    });
    assert!(server.wait_for_exit().success());
    assert!(dir.join(MARK).exists(), "the next start begins again");
    fs::remove_dir_all(dir).unwrap();
}

#[test]
fn an_append_only_file_of_redis_beside_no_dataset_refuses_to_start_and_says_what_to_do() {
    if forgekv_only(REASON) {
        return;
    }
    let named = ["--appenddirname", "logs", "--appendfilename", "all"];
    for (file, args) in [
        ("appendonlydir/appendonly.aof.manifest", &[][..]),
        ("appendonly.aof", &[]),
        ("logs/all.manifest", &named),
        ("all", &named),
    ] {
        let dir = new_dir();
        let path = dir.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "file appendonly.aof.1.base.rdb seq 1 type b\n").unwrap();
        // An RDB file beside it may be older. Twice: the first attempt must not leave something that looks like a dataset.
        fs::write(dir.join(FILE), big_file(500)).unwrap();
        for _ in 0..2 {
            let log = ServerOptions::default().dir(&dir).args(args).start_expecting_failure();
            assert!(log.contains(&format!("{} is an append-only file of Redis", path.display())), "{log}");
            assert!(log.contains("Let Redis write an RDB file (SAVE)"), "{log}");
        }
        fs::rename(&path, dir.join("kept")).unwrap();
        let server = ServerOptions::default().dir(&dir).args(args).start();
        let mut client = server.connect();
        client.ok(&["SELECT", "2"]);
        assert_eq!(client.int(&["DBSIZE"]), 400, "{file}");
        drop(server);
        // Beside a dataset it is what was left behind.
        fs::rename(dir.join("kept"), &path).unwrap();
        drop(ServerOptions::default().dir(&dir).args(args).start());
        fs::remove_dir_all(dir).unwrap();
    }
    let dir = new_dir();
    fs::write(dir.join("appendonly.aof"), "").unwrap();
    drop(ServerOptions::default().dir(&dir).start());
    fs::remove_dir_all(dir).unwrap();
}

#[test]
fn a_file_that_cannot_be_imported_refuses_to_start_and_says_why() {
    if forgekv_only(REASON) {
        return;
    }
    let good = big_file(500);
    let mut damaged = good.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 0x10;
    let mut module = b"REDIS0011\x07\x08a module".to_vec();
    module.extend([0; 100]);
    let mut writer = Writer::new(Vec::new(), Format::default(), true).unwrap();
    writer.select_db(16, 1, 0).unwrap();
    writer.entry(b"k", Object::Int(1).as_ref(), None, Access::Unknown).unwrap();
    let beyond = writer.finish().unwrap();
    let mut writer = Writer::new(Vec::new(), Format::default(), true).unwrap();
    (0..2).for_each(|n| writer.entry(b"twice", Object::Int(n).as_ref(), None, Access::Unknown).unwrap());
    let twice = writer.finish().unwrap();
    let mut writer = Writer::new(Vec::new(), Format::default(), true).unwrap();
    writer.function(b"#!lua name=lib\n").unwrap();
    let functions = writer.finish().unwrap();
    let cases: [(&str, &[u8]); 7] = [
        ("the checksum is", &damaged),
        ("the data is cut off", &good[..good.len() - 100]),
        ("this is no RDB file", b"hello, world"),
        ("in the key \"a module\": objects of type 7 (module value) cannot be read", &module),
        ("it has keys in database 16: `databases` must be higher than that", &beyond),
        ("the key \"twice\" is there twice", &twice),
        ("can't be imported: the function libraries: ", &functions),
    ];
    for (what, bytes) in cases {
        let dir = new_dir();
        let path = dir.join(FILE);
        fs::write(&path, bytes).unwrap();
        // Twice: the first attempt must not leave something that looks like a dataset.
        for _ in 0..2 {
            let log = ServerOptions::default().dir(&dir).start_expecting_failure();
            assert!(log.contains(what) && log.contains(path.to_str().unwrap()), "{what}:\n{log}");
        }
        fs::write(&path, &good).unwrap();
        let server = ServerOptions::default().dir(&dir).start();
        let mut client = server.connect();
        client.ok(&["SELECT", "2"]);
        assert_eq!(client.int(&["DBSIZE"]), 400, "{what}");
        drop(server);
        fs::remove_dir_all(dir).unwrap();
    }
}
