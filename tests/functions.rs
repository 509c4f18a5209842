//! Function libraries: FUNCTION, FCALL and FCALL_RO.

use std::fs;
use std::path::Path;

use crate::support::{Client, Server, ServerOptions, forgekv_only, new_dir};

const LIBRARY: &str = "#!lua name=lib\nredis.register_function('f', function(keys, args) return {keys[1], args[1]} end)\n\
                       redis.register_function{function_name='set', callback=function(keys, args) return redis.call('set', \
                       keys[1], args[1]) end}\nredis.register_function{function_name='get', callback=function(keys) return \
                       redis.call('get', keys[1]) end, flags={'no-writes'}}";

fn start() -> (Server, Client) {
    let server = Server::start();
    let mut client = server.connect();
    client.ok(&["FUNCTION", "FLUSH"]);
    (server, client)
}

#[test]
fn functions_run_with_keys_and_arguments() {
    let (_server, mut client) = start();
    assert_eq!(client.text(&["FUNCTION", "LOAD", LIBRARY]), "lib");
    assert_eq!(client.texts(&["FCALL", "f", "1", "k", "a"]), ["k", "a"]);
    client.ok(&["FCALL", "set", "1", "k", "v"]);
    assert_eq!(client.text(&["FCALL_RO", "get", "1", "k"]), "v");
    let refused = "ERR Can not execute a script with write flag using *_ro command.";
    assert_eq!(client.error(&["FCALL_RO", "set", "1", "k", "v"]), refused);
    assert_eq!(client.error(&["FCALL", "nope", "0"]), "ERR Function not found");
    assert_eq!(client.error(&["FUNCTION", "LIST", "a\r\nb\n"]), "ERR Unknown argument a  b ");
    assert_eq!(client.error(&["FCALL", "f", "x"]), "ERR Bad number of keys provided");
}

#[test]
fn info_tells_what_libraries_take_apart_from_scripts() {
    let (_server, mut client) = start();
    let memory = |client: &mut Client| {
        let info = client.text(&["INFO", "memory"]);
        ["vm_eval", "vm_functions", "vm_total"].map(|name| {
            let line = info.lines().find_map(|line| line.strip_prefix(&format!("used_memory_{name}:")));
            line.unwrap().parse::<u64>().unwrap()
        })
    };
    let before = memory(&mut client);
    let comment = "x".repeat(200_000);
    let library = format!(
        "#!lua name=lib\nlocal text = '{comment}'\nredis.register_function('f', function() return #text end)"
    );
    client.cmd(&["FUNCTION", "LOAD", &library]);
    assert_eq!(client.int(&["FCALL", "f", "0"]), 200_000);
    let [scripts, functions, total] = memory(&mut client);
    assert_eq!(scripts + functions, total);
    assert!(functions > 200_000 && before[1] < 200_000, "{before:?}, then {functions}");
    assert!(scripts < 200_000, "{scripts}");
    client.ok(&["FUNCTION", "FLUSH"]);
    assert_eq!(client.error(&["FCALL", "f", "0"]), "ERR Function not found");
    assert!(memory(&mut client)[1] < functions / 2, "{functions}");
}

#[test]
fn libraries_are_replaced_deleted_and_flushed() {
    let (_server, mut client) = start();
    client.cmd(&["FUNCTION", "LOAD", LIBRARY]);
    assert_eq!(client.error(&["FUNCTION", "LOAD", LIBRARY]), "ERR Library 'lib' already exists");
    let other = "#!lua name=other\nredis.register_function('f', function() end)";
    assert_eq!(client.error(&["FUNCTION", "LOAD", other]), "ERR Function f already exists");
    let newer = "#!lua name=lib\nredis.register_function('g', function() return 2 end)";
    assert_eq!(client.text(&["FUNCTION", "LOAD", "REPLACE", newer]), "lib");
    assert_eq!(client.int(&["FCALL", "g", "0"]), 2);
    assert_eq!(client.error(&["FCALL", "f", "0"]), "ERR Function not found");
    client.ok(&["FUNCTION", "DELETE", "lib"]);
    assert_eq!(client.error(&["FUNCTION", "DELETE", "lib"]), "ERR Library not found");
    assert_eq!(client.array(&["FUNCTION", "LIST"]), []);
}

#[test]
fn a_dump_restores() {
    let (_server, mut client) = start();
    client.cmd(&["FUNCTION", "LOAD", LIBRARY]);
    let dump = client.bulk(&["FUNCTION", "DUMP"]);
    let again = client.error(&[b"FUNCTION", &b"RESTORE"[..], &dump]);
    assert_eq!(again, "ERR Library lib already exists");
    client.ok(&[b"FUNCTION", &b"RESTORE"[..], &dump, b"REPLACE"]);
    client.ok(&["FUNCTION", "FLUSH"]);
    client.ok(&[b"FUNCTION", &b"RESTORE"[..], &dump, b"FLUSH"]);
    assert_eq!(client.texts(&["FCALL", "f", "1", "k", "a"]), ["k", "a"]);
    let bad = client.error(&["FUNCTION", "RESTORE", "bad"]);
    assert_eq!(bad, "ERR DUMP payload version or checksum are wrong");
}

#[test]
fn a_library_is_in_the_log_when_its_loading_is_acknowledged() {
    if forgekv_only("kills the server") {
        return;
    }
    let mut server = ServerOptions::default().args(&["--wal_sync_mode", "always"]).start();
    server.connect().cmd(&["FUNCTION", "LOAD", LIBRARY]);
    server.kill_9();
    server.restart();
    assert_eq!(server.connect().texts(&["FCALL", "f", "1", "k", "a"]), ["k", "a"]);
}

#[test]
fn libraries_survive_restarts_and_checkpoints() {
    if forgekv_only("restarts the server") {
        return;
    }
    let (mut server, mut client) = start();
    client.cmd(&["FUNCTION", "LOAD", LIBRARY]);
    // A clean stop makes a checkpoint, after which the log is not needed.
    for _ in 0..2 {
        server.stop();
        server.restart();
        let mut client = server.connect();
        assert_eq!(client.texts(&["FCALL", "f", "1", "k", "a"]), ["k", "a"]);
        assert_eq!(client.array(&["FUNCTION", "LIST"]).len(), 1);
    }
    let mut client = server.connect();
    client.ok(&["FUNCTION", "DELETE", "lib"]);
    server.stop();
    server.restart();
    let mut client = server.connect();
    assert_eq!(client.array(&["FUNCTION", "LIST"]), []);
}

#[test]
fn a_function_has_its_name_in_any_case_and_not_all_that_scripts_have() {
    let (_server, mut client) = start();
    let library = "#!lua name=lib\nredis.register_function('Fn', function() return redis.breakpoint end)";
    client.cmd(&["FUNCTION", "LOAD", library]);
    client.null(&["FCALL", "fN", "0"]);
    let other = "#!lua name=other\nredis.register_function('FN', function() end)";
    assert_eq!(client.error(&["FUNCTION", "LOAD", other]), "ERR Function FN already exists");
    assert_eq!(
        client.cmd(&["EVAL", "return redis.breakpoint()", "0"]),
        client.cmd(&["EVAL", "return false", "0"])
    );
}

#[test]
fn rdb_files_have_the_libraries() {
    if forgekv_only("starts servers on files of others") {
        return;
    }
    let server = Server::with_args(&["--rdb-version", "10"]);
    let mut client = server.connect();
    client.cmd(&["FUNCTION", "LOAD", LIBRARY]);
    let long =
        format!("#!lua name=long\nredis.register_function('l', function() return '{}' end)", "x".repeat(500));
    client.cmd(&["FUNCTION", "LOAD", &long]);
    client.ok(&["SET", "k", "v"]);
    client.ok(&["SAVE"]);
    let loads = |options: ServerOptions, file: &Path| {
        let dir = new_dir();
        fs::copy(file, dir.join("dump.rdb")).unwrap();
        let mut server = options.dir(&dir).start();
        for round in 0..2 {
            let mut client = server.connect();
            assert_eq!(client.text(&["FCALL_RO", "get", "1", "k"]), "v", "round {round}");
            assert_eq!(client.bulk(&["FCALL", "l", "0"]).len(), 500, "round {round}");
            client.ok(&["SAVE"]);
            server.restart();
        }
        dir
    };
    let dir = loads(ServerOptions::default(), &server.dir().join("dump.rdb"));
    fs::remove_dir_all(&dir).unwrap();
    let program = std::env::var("FORGEKV_REDIS").unwrap_or_else(|_| "redis-server".to_owned());
    if std::process::Command::new(&program).arg("--version").output().is_err() {
        eprintln!("not compared with redis-server: it is not installed");
        return;
    }
    let redis = ServerOptions::default().program(program).args(&["--save", ""]);
    let redis_dir = loads(redis, &server.dir().join("dump.rdb"));
    let dir = loads(ServerOptions::default(), &redis_dir.join("dump.rdb"));
    fs::remove_dir_all(redis_dir).unwrap();
    fs::remove_dir_all(dir).unwrap();
}
