//! CONFIG and configuration files.

use std::fs;
use std::path::Path;
use std::process::Command;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::{Client, Server, ServerOptions, Value, forgekv_only, new_dir, wait_for};

/// CONFIG GET of one parameter.
#[track_caller]
fn get(client: &mut Client, name: &str) -> String {
    let pair = client.texts(&["CONFIG", "GET", name]);
    assert_eq!(pair.len(), 2, "CONFIG GET {name}: {pair:?}");
    pair[1].clone()
}

#[test]
fn config_get_answers_every_pattern_once() {
    let server = Server::start();
    let mut client = server.connect();
    let names = |words: &[String]| -> Vec<String> {
        let mut names: Vec<String> = words.chunks(2).map(|pair| pair[0].clone()).collect();
        names.sort();
        names
    };
    let found = client.texts(&["CONFIG", "GET", "slowlog-*", "TimeOut", "timeout", "nonesuch", "time?ut"]);
    assert_eq!(names(&found), ["TimeOut", "slowlog-log-slower-than", "slowlog-max-len"]);
    assert!(client.texts(&["CONFIG", "GET", "nonesuch"]).is_empty());
    assert!(client.texts(&["CONFIG", "GET", "*"]).len() > 200);
    assert_eq!(client.error(&["CONFIG", "GET"]), "ERR wrong number of arguments for 'config|get' command");
    client.hello(3);
    let map = client.cmd(&["CONFIG", "GET", "timeout"]);
    assert_eq!(map, Value::Map(vec![(Value::bulk("timeout"), Value::bulk("0"))]));
    assert_eq!(client.cmd(&["CONFIG", "GET", "nonesuch"]), Value::Map(Vec::new()));
}

#[test]
fn users_that_would_guard_the_server_refuse_the_start_wherever_they_are_named() {
    if forgekv_only("Redis has users") {
        return;
    }
    let dir = new_dir();
    let put = |name: &str, content: String| {
        fs::write(dir.join(name), content).unwrap();
        dir.join(name)
    };
    let inner = put("inner.conf", "user alice on >hunter2 ~* &* +@all\n".to_owned());
    let outer = put("outer.conf", format!("include {}\n", inner.display()));
    let no_users = "There are no users here but 'default'";
    for (options, reason) in [
        (ServerOptions::default().config_file(&outer), no_users),
        (ServerOptions::default().args(&["--user", "alice", "on", ">hunter2", "+@all"]), no_users),
        (ServerOptions::default().args(&["--user default off"]), no_users),
        (ServerOptions::default().args(&["--aclfile", "users.acl"]), "'aclfile' names 'users.acl'"),
        (
            ServerOptions::default().args(&["--user", "default", "on", ">hunter2", "~*", "&*", "+@all"]),
            "Set 'requirepass'",
        ),
    ] {
        let log = options.start_expecting_failure();
        assert!(log.contains(reason) && !log.contains("hunter2"), "{log}");
    }
    // As CONFIG REWRITE of Redis writes it where there is a password.
    let redis = "requirepass \"sesame\"\nuser default on sanitize-payload #5fd924625f6ab16a ~* &* +@all\n";
    let server = ServerOptions::default().config_file(put("redis.conf", redis.to_owned())).start();
    assert!(server.log().contains("'user' is accepted for compatibility and has no effect"));
    assert_eq!(server.connect().error(&["GET", "k"]), "NOAUTH Authentication required.");
    drop(server);
    fs::remove_dir_all(dir).unwrap();
}

#[test]
fn config_set_changes_all_or_nothing() {
    let server = Server::start();
    let mut client = server.connect();
    client.ok(&["CONFIG", "SET", "timeout", "7", "SLOWLOG-max-len", "5", "maxmemory", "1gb"]);
    assert_eq!(get(&mut client, "timeout"), "7");
    assert_eq!(get(&mut client, "slowlog-max-len"), "5");
    assert_eq!(get(&mut client, "maxmemory"), "1073741824");
    let failed = |name: &str, reason: &str| {
        format!("ERR CONFIG SET failed (possibly related to argument '{name}') - {reason}")
    };
    for (pairs, error) in [
        (&["timeout", "8", "maxmemory", "much"][..], failed("maxmemory", "argument must be a memory value")),
        (&["timeout", "8", "timeout", "9"], failed("timeout", "duplicate parameter")),
        (&["timeout", "8", "databases", "3"], failed("databases", "can't set immutable config")),
        (&["timeout", "x"], failed("timeout", "argument couldn't be parsed into an integer")),
        // A refused value is reported under the table's spelling, a refused parameter under the one given.
        (&["TimeOut", "x"], failed("timeout", "argument couldn't be parsed into an integer")),
        (&["MAXMEMORY", "much"], failed("maxmemory", "argument must be a memory value")),
        (&["DataBases", "3"], failed("DataBases", "can't set immutable config")),
        (&["timeout", "8", "TIMEOUT", "9"], failed("TIMEOUT", "duplicate parameter")),
        (
            &["appendfsync", "later"],
            failed("appendfsync", "argument(s) must be one of the following: everysec, always, no"),
        ),
        (
            &["timeout", "8", "nonesuch", "1"],
            "ERR Unknown option or number of arguments for CONFIG SET - 'nonesuch'".to_owned(),
        ),
        (&["timeout", "8", "maxmemory"], "ERR syntax error".to_owned()),
    ] {
        assert_eq!(client.error(&[&["CONFIG", "SET"], pairs].concat()), error, "{pairs:?}");
    }
    assert_eq!(
        client.error(&["CONFIG", "SET", "timeout"]),
        "ERR wrong number of arguments for 'config|set' command"
    );
    assert_eq!(get(&mut client, "timeout"), "7");
    client.ok(&["CONFIG", "SET", "timeout", "0", "slowlog-max-len", "128", "maxmemory", "0"]);
}

#[test]
fn a_value_that_is_not_text_is_refused_as_any_other_bad_value() {
    let server = Server::start();
    let mut client = server.connect();
    for (name, reason) in [
        ("maxmemory", "argument must be a memory value"),
        ("timeout", "argument couldn't be parsed into an integer"),
        ("lazyfree-lazy-expire", "argument must be 'yes' or 'no'"),
        ("appendfsync", "argument(s) must be one of the following: everysec, always, no"),
    ] {
        let error = client.cmd(&[b"CONFIG".as_slice(), b"SET", name.as_bytes(), b"1\xff"]);
        let text = format!("ERR CONFIG SET failed (possibly related to argument '{name}') - {reason}");
        assert_eq!(error.as_error().as_deref(), Some(text.as_str()));
    }
    let unknown = b"ERR Unknown option or number of arguments for CONFIG SET - '\x85v'".to_vec();
    assert_eq!(client.cmd(&[b"CONFIG".as_slice(), b"SET", b"\x85v\x00w", b"1"]), Value::Error(unknown));
    client.ok(&["CONFIG", "SET", "maxmemory", "1gb\0mb", "maxmemory-policy", "allkeys-lru\0"]);
    assert_eq!(get(&mut client, "maxmemory-policy"), "allkeys-lru", "words and sizes end at a NUL");
    client.ok(&["CONFIG", "SET", "maxmemory", "0", "maxmemory-policy", "noeviction"]);
}

#[test]
fn config_set_holds_for_what_stands_behind_it_in_the_pipeline() {
    let server = Server::start();
    let mut client = server.connect();
    client.ok(&["SET", "other", "something to exceed a byte with"]);
    let replies = client.pipeline(&[
        vec!["CONFIG", "SET", "maxmemory", "1", "maxmemory-policy", "noeviction"],
        vec!["SET", "key", "value"],
        vec!["CONFIG", "GET", "maxmemory"],
        vec!["CONFIG", "SET", "maxmemory", "0"],
        vec!["SET", "key", "value"],
    ]);
    let refusal = "OOM command not allowed when used memory > 'maxmemory'.";
    assert_eq!(replies[1], Value::Error(refusal.into()));
    assert_eq!(replies[2], Value::Array(vec![Value::bulk("maxmemory"), Value::bulk("1")]));
    assert_eq!(replies[4], Value::simple("OK"));
}

#[test]
fn maxclients_cannot_exceed_what_the_system_allows() {
    let server = Server::start();
    let mut client = server.connect();
    let old = get(&mut client, "maxclients");
    let error = client.error(&["CONFIG", "SET", "maxclients", "20000000"]);
    let text = "ERR CONFIG SET failed (possibly related to argument 'maxclients') - The operating system is not able to \
                handle the specified number of clients, try with ";
    let possible = error.strip_prefix(text).unwrap_or_else(|| panic!("{error}"));
    assert!(possible.parse::<u32>().unwrap() >= 1);
    assert_eq!(get(&mut client, "maxclients"), old);
    client.ok(&["CONFIG", "SET", "maxclients", "50"]);
    assert_eq!(get(&mut client, "maxclients"), "50");
    client.ok(&["CONFIG", "SET", "maxclients", &old]);
}

#[test]
fn what_cannot_change_at_run_time_says_so() {
    if forgekv_only("Redis listens anew") {
        return;
    }
    let server = Server::start();
    let mut client = server.connect();
    let port = get(&mut client, "port");
    client.ok(&["CONFIG", "SET", "port", &port, "bind", "127.0.0.1"]);
    for (name, value) in [("port", "1"), ("bind", "127.0.0.1 ::1")] {
        let error = client.error(&["CONFIG", "SET", name, value]);
        let text = format!("ERR CONFIG SET failed (possibly related to argument '{name}') - ");
        assert!(error.starts_with(&text) && error.ends_with("can't change while the server runs"), "{error}");
    }
    assert_eq!(get(&mut client, "port"), port);
}

#[test]
fn the_sync_mode_changes_while_the_server_runs() {
    if forgekv_only("wal_sync_mode is ours") {
        return;
    }
    let mut server = Server::with_args(&["--appendfsync", "no"]);
    let mut client = server.connect();
    assert_eq!(get(&mut client, "wal_sync_mode"), "never");
    for (word, mode) in [("everysec", "everysecond"), ("always", "always")] {
        client.ok(&["CONFIG", "SET", "appendfsync", word]);
        assert_eq!(get(&mut client, "wal_sync_mode"), mode);
        assert_eq!(get(&mut client, "appendfsync"), word);
        client.ok(&["SET", word, "value"]);
    }
    server.restart();
    assert_eq!(server.connect().bulk(&["GET", "always"]), b"value");
}

#[test]
fn the_log_level_changes_while_the_server_runs() {
    if forgekv_only("it reads the server's log") {
        return;
    }
    let dir = new_dir();
    let file = dir.join("forgekv.conf");
    fs::write(&file, "timeout 0\n").unwrap();
    let server = ServerOptions::default().config_file(&file).start();
    let mut client = server.connect();
    let written = |server: &Server| server.log().matches("CONFIG REWRITE executed with success").count();
    client.ok(&["CONFIG", "SET", "loglevel", "warning"]);
    client.ok(&["CONFIG", "REWRITE"]);
    assert_eq!(written(&server), 0);
    client.ok(&["CONFIG", "SET", "loglevel", "notice"]);
    client.ok(&["CONFIG", "REWRITE"]);
    assert_eq!(written(&server), 1);
    fs::remove_dir_all(dir).unwrap();
}

#[test]
fn every_parameter_takes_its_own_value() {
    if forgekv_only("a parameter of another server may not take its own value") {
        return;
    }
    let server = Server::start();
    let mut client = server.connect();
    let all = client.texts(&["CONFIG", "GET", "*"]);
    assert!(all.len() > 200);
    for pair in all.chunks(2) {
        let reply = client.cmd(&["CONFIG", "SET", &pair[0], &pair[1]]);
        let refusal = reply.as_error().unwrap_or_default();
        let fixed = refusal.ends_with("can't set immutable config")
            || refusal.ends_with("can't set protected config");
        assert!(reply == Value::simple("OK") || fixed, "{pair:?}: {reply:?}");
    }
    assert_eq!(client.texts(&["CONFIG", "GET", "*"]), all);
}

#[test]
fn config_resetstat_is_answered() {
    let server = Server::start();
    let mut client = server.connect();
    client.ok(&["CONFIG", "RESETSTAT"]);
    assert_eq!(
        client.error(&["CONFIG", "RESETSTAT", "x"]),
        "ERR wrong number of arguments for 'config|resetstat' command"
    );
}

#[test]
fn without_a_file_there_is_nothing_to_rewrite() {
    let server = Server::start();
    let mut client = server.connect();
    assert_eq!(client.error(&["CONFIG", "REWRITE"]), "ERR The server is running without a config file");
}

#[test]
fn what_config_rewrite_wrote_is_there_after_a_restart() {
    if forgekv_only("it starts servers of its own") {
        return;
    }
    let dir = new_dir();
    let file = dir.join("forgekv.conf");
    fs::write(&file, "# mine\ntimeout 5\nmaxmemory 100mb\n# rest\n").unwrap();
    let mut server = ServerOptions::default().config_file(&file).start();
    let mut client = server.connect();
    assert_eq!(get(&mut client, "timeout"), "5");
    client.ok(&[
        "CONFIG",
        "SET",
        "timeout",
        "77",
        "requirepass",
        "a \"b\"",
        "maxmemory-policy",
        "allkeys-lru",
    ]);
    client.ok(&["CONFIG", "SET", "save", "60 5 30 2"]);
    client.ok(&["CONFIG", "REWRITE"]);
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.starts_with("# mine\ntimeout 77\nmaxmemory 100mb\n# rest\n"), "{text}");
    client.ok(&["CONFIG", "REWRITE"]);
    assert_eq!(fs::read_to_string(&file).unwrap(), text, "rewriting again changes nothing");
    server.kill_9();
    // The harness asks a server that has a password for a PONG in vain: start it by hand.
    fs::write(&file, text.replace("requirepass", "# requirepass")).unwrap();
    server.restart();
    let mut client = server.connect();
    assert!(text.contains("requirepass \"a \\\"b\\\"\"\n"), "{text}");
    assert_eq!(get(&mut client, "timeout"), "77");
    assert_eq!(get(&mut client, "maxmemory-policy"), "allkeys-lru");
    assert_eq!(get(&mut client, "maxmemory"), "104857600");
    assert_eq!(get(&mut client, "save"), "60 5 30 2");
    fs::remove_dir_all(dir).unwrap();
}

#[test]
fn a_file_that_cannot_be_rewritten_is_an_error_with_its_reason() {
    if forgekv_only("it starts servers of its own") {
        return;
    }
    let dir = new_dir();
    let file = dir.join("forgekv.conf");
    fs::write(&file, "timeout 5\n").unwrap();
    let server = ServerOptions::default().config_file(&file).start();
    fs::remove_dir_all(dir).unwrap();
    let error = server.connect().error(&["CONFIG", "REWRITE"]);
    assert_eq!(error, "ERR Rewriting config file: No such file or directory");
}

#[test]
fn a_distributions_redis_conf_starts_the_server_unchanged() {
    let file = Path::new("/etc/redis/redis.conf");
    if forgekv_only("it starts servers of its own") || fs::read(file).is_err() {
        return;
    }
    // Only what would write outside of the test's directory, or leave it without a process to wait for, is replaced.
    let args = ["--daemonize", "no", "--logfile", "", "--pidfile", ""];
    let server = ServerOptions::default().config_file(file).args(&args).start();
    let mut client = server.connect();
    client.ok(&["SET", "key", "value"]);
    assert_eq!(get(&mut client, "appendonly"), "no");
    assert_eq!(get(&mut client, "tcp-backlog"), "511");
    assert!(!server.log().contains("FATAL"), "{}", server.log());
}

#[test]
fn daemonize_leaves_a_server_behind_and_a_pidfile_that_names_it() {
    if forgekv_only("it starts servers of its own") {
        return;
    }
    let dir = new_dir();
    let (pidfile, socket) = (dir.join("pid"), dir.join("socket"));
    let status = Command::new(env!("CARGO_BIN_EXE_forgekv"))
        .args(["--daemonize", "yes", "--port", "0", "--dir"])
        .arg(&dir)
        .arg("--pidfile")
        .arg(&pidfile)
        .arg("--unixsocket")
        .arg(&socket)
        .arg("--logfile")
        .arg(dir.join("log"))
        .status()
        .unwrap();
    assert!(status.success());
    wait_for("the pidfile", || fs::read_to_string(&pidfile).is_ok_and(|text| text.ends_with('\n')));
    let pid: i32 = fs::read_to_string(&pidfile).unwrap().trim().parse().unwrap();
    wait_for("the server", || std::os::unix::net::UnixStream::connect(&socket).is_ok());
    kill(Pid::from_raw(pid), Signal::SIGTERM).unwrap();
    wait_for("the server to end", || !pidfile.exists());
    wait_for("the process to end", || kill(Pid::from_raw(pid), None).is_err());
    fs::remove_dir_all(dir).unwrap();
}

#[test]
fn config_help_lists_every_subcommand() {
    let server = Server::start();
    let mut client = server.connect();
    let lines = client.texts(&["CONFIG", "HELP"]);
    assert_eq!(lines[0], "CONFIG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:");
    for name in ["GET", "SET", "RESETSTAT", "REWRITE", "HELP"] {
        assert!(lines.iter().any(|line| line.split(' ').next() == Some(name)), "{name}");
    }
    assert_eq!(client.error(&["CONFIG", "WHAT"]), "ERR unknown subcommand 'WHAT'. Try CONFIG HELP.");
    assert_eq!(client.error(&["CONFIG"]), "ERR wrong number of arguments for 'config' command");
}
