//! Lua scripts: EVAL and its kin, SCRIPT, and what runs beside them.

use std::time::{Duration, Instant};

use crate::support::{Client, Server, ServerOptions, Value, forgekv_only, wait_for};

fn start() -> (Server, Client) {
    let server = Server::start();
    let mut client = server.connect();
    client.ok(&["SCRIPT", "FLUSH"]);
    (server, client)
}

fn eval(client: &mut Client, script: &str) -> Value {
    client.cmd(&["EVAL", script, "0"])
}

#[test]
fn a_script_gets_keys_and_arguments_and_runs_commands() {
    let (_server, mut client) = start();
    let script = "redis.call('set', KEYS[1], ARGV[1]) return {KEYS[1], redis.call('get', KEYS[1]), #ARGV}";
    let reply = client.array(&["EVAL", script, "1", "k", "v", "w"]);
    assert_eq!(reply, [Value::bulk("k"), Value::bulk("v"), Value::Int(2)]);
    assert_eq!(client.text(&["GET", "k"]), "v");
    assert_eq!(
        eval(&mut client, "return redis.call('nosuch')").as_error().unwrap().split(" script:").next(),
        Some("ERR Unknown Redis command called from script")
    );
}

#[test]
fn the_number_of_keys_is_checked() {
    let (_server, mut client) = start();
    for (count, error) in [
        ("x", "ERR value is not an integer or out of range"),
        ("2", "ERR Number of keys can't be greater than number of args"),
        ("-1", "ERR Number of keys can't be negative"),
    ] {
        assert_eq!(client.error(&["EVAL", "return 1", count, "a"]), error);
    }
}

#[test]
fn a_script_is_known_by_its_sha_until_it_is_flushed() {
    let (_server, mut client) = start();
    const NO_SCRIPT: &str = "NOSCRIPT No matching script. Please use EVAL.";
    let sha = client.text(&["SCRIPT", "LOAD", "return ARGV[1]"]);
    assert_eq!(client.text(&["EVALSHA", &sha, "0", "x"]), "x");
    assert_eq!(client.text(&["EVALSHA", &sha.to_uppercase(), "0", "y"]), "y");
    assert_eq!(client.array(&["SCRIPT", "EXISTS", &sha, "nope"]), [Value::Int(1), Value::Int(0)]);
    client.ok(&["SCRIPT", "FLUSH", "SYNC"]);
    assert_eq!(client.error(&["EVALSHA", &sha, "0"]), NO_SCRIPT);
    assert_eq!(client.error(&["EVALSHA", "nope", "x"]), NO_SCRIPT);
    assert_eq!(client.error(&["SCRIPT", "FLUSH", "x"]), "ERR SCRIPT FLUSH only support SYNC|ASYNC option");
}

#[test]
fn errors_name_script_and_line_and_do_not_undo() {
    let (_server, mut client) = start();
    client.cmd(&["DEL", "k"]);
    let error = client.error(&["EVAL", "redis.call('set', KEYS[1], 1)\nerror('oops')", "1", "k"]);
    let sha = client.text(&["SCRIPT", "LOAD", "redis.call('set', KEYS[1], 1)\nerror('oops')"]);
    assert_eq!(error, format!("ERR user_script:2: oops script: {sha}, on @user_script:2."));
    assert_eq!(client.text(&["GET", "k"]), "1");
    let error = client.error(&["EVAL", "return (", "0"]);
    assert_eq!(
        error,
        "ERR Error compiling script (new function): user_script:1: unexpected symbol near '<eof>'"
    );
}

#[test]
fn read_only_scripts_do_not_write() {
    let (_server, mut client) = start();
    client.cmd(&["DEL", "k"]);
    let write = "return redis.call('set', KEYS[1], 1)";
    let refused = "ERR Write commands are not allowed from read-only scripts.";
    assert!(client.error(&["EVAL_RO", write, "1", "k"]).starts_with(refused));
    let flagged = format!("#!lua flags=no-writes\n{write}");
    assert!(client.error(&["EVAL", &flagged, "1", "k"]).starts_with(refused));
    let unflagged = format!("#!lua\n{write}");
    let error = client.error(&["EVAL_RO", &unflagged, "1", "k"]);
    assert_eq!(error, "ERR Can not execute a script with write flag using *_ro command.");
    client.ok(&["EVAL", &unflagged, "1", "k"]);
    assert_eq!(client.text(&["EVAL_RO", "return redis.call('get', KEYS[1])", "1", "k"]), "1");
}

#[test]
fn undeclared_keys_work_and_count_once() {
    let (_server, mut client) = start();
    client.cmd(&["DEL", "a", "b", "c", "d"]);
    // The key that it declares has been changed when it meets the first that it does not.
    let script = "redis.call('incr', KEYS[1]) redis.call('append', KEYS[1], 'x') redis.call('rpush', 'b', 1, 2) \
                  redis.call('expire', KEYS[1], 100) redis.call('del', 'c') return redis.call('incr', 'd')";
    client.ok(&["SET", "c", "old"]);
    for round in 1..=3 {
        client.cmd(&["DEL", "a"]);
        assert_eq!(client.int(&["EVAL", script, "1", "a"]), round);
        assert_eq!(client.text(&["GET", "a"]), "1x");
        assert_eq!(client.int(&["LLEN", "b"]), 2 * round);
    }
    assert_eq!(client.int(&["EXISTS", "c"]), 0);
}

#[test]
fn a_script_is_atomic_whatever_keys_it_touches() {
    let (server, mut client) = start();
    client.ok(&["MSET", "x", "1000", "y", "0"]);
    let rounds = 300;
    std::thread::scope(|scope| {
        for (from, to) in [("x", "y"), ("y", "x")] {
            let mut client = server.connect();
            scope.spawn(move || {
                let script = "redis.call('decr', KEYS[1]) return redis.call('incr', ARGV[1])";
                for _ in 0..rounds {
                    assert!(client.cmd(&["EVAL", script, "1", from, to]).as_int().is_some());
                }
            });
        }
        let mut client = server.connect();
        scope.spawn(move || {
            for _ in 0..rounds {
                let both = client.texts(&["MGET", "x", "y"]);
                let sum: i64 = both.iter().map(|text| text.parse::<i64>().unwrap()).sum();
                assert_eq!(sum, 1000);
            }
        });
    });
    assert_eq!(client.texts(&["MGET", "x", "y"]), ["1000", "0"]);
}

#[test]
fn what_a_script_wrote_survives_a_restart_as_a_whole() {
    if forgekv_only("restarts the server") {
        return;
    }
    let mut server = Server::with_args(&["--wal_sync_mode", "always"]);
    let mut client = server.connect();
    let script = "for i = 1, 50 do redis.call('set', 'key:' .. i, i) end return redis.call('incrbyfloat', KEYS[1], 1.5)";
    client.cmd(&["EVAL", script, "1", "f"]);
    server.stop();
    server.restart();
    let mut client = server.connect();
    assert_eq!(client.int(&["DBSIZE"]), 51);
    assert_eq!(client.text(&["GET", "f"]), "1.5");
    assert_eq!(client.text(&["GET", "key:50"]), "50");
}

#[test]
fn a_script_selects_a_database_for_itself() {
    let (_server, mut client) = start();
    client.cmd(&["DEL", "only-in-5"]);
    eval(&mut client, "redis.call('select', 5) return redis.call('set', 'only-in-5', 1)");
    assert_eq!(client.int(&["EXISTS", "only-in-5"]), 0);
    client.ok(&["SELECT", "5"]);
    assert_eq!(client.int(&["DEL", "only-in-5"]), 1);
}

#[test]
fn a_busy_script_is_killed_and_holds_up_only_its_own_keys() {
    if forgekv_only("Redis serves nobody meanwhile") {
        return;
    }
    let server = ServerOptions::default().args(&["--busy-reply-threshold", "50", "--workers", "2"]).start();
    let (mut client, mut other) = (server.connect(), server.connect());
    client.send(&["EVAL", "while true do redis.call('get', KEYS[1]) end", "1", "held"]);
    let busy = "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.";
    wait_for("the script to be busy", || {
        other.cmd(&["GET", "held"]).as_error().is_some_and(|error| error == busy)
    });
    let free =
        (0..).map(|n| format!("free{n}")).find(|key| other.cmd(&["SET", key, "1"]).as_error().is_none());
    assert!(free.is_some());
    assert_eq!(other.error(&["FUNCTION", "KILL"]), busy);
    other.ok(&["SCRIPT", "KILL"]);
    let error = client.read().as_error().unwrap();
    assert!(
        error.starts_with("ERR Error running script")
            || error.contains("Script killed by user with SCRIPT KILL"),
        "{error}"
    );
    assert!(other.cmd(&["GET", "held"]).is_null());
    assert_eq!(other.error(&["SCRIPT", "KILL"]), "NOTBUSY No scripts in execution right now.");
}

#[test]
fn a_busy_script_that_has_written_is_not_killed() {
    if forgekv_only("Redis serves nobody meanwhile") {
        return;
    }
    let server = ServerOptions::default().args(&["--busy-reply-threshold", "50"]).start();
    let (mut client, mut other) = (server.connect(), server.connect());
    let script = "redis.call('set', KEYS[1], 1) local n = 0 while n < 1e8 do n = n + 1 end return n";
    client.send(&["EVAL", script, "1", "held"]);
    let began = Instant::now();
    wait_for("the script to be busy", || {
        let error = other.cmd(&["SCRIPT", "KILL"]).as_error();
        error.is_some_and(|error| error.starts_with("UNKILLABLE"))
            || began.elapsed() > Duration::from_secs(20)
    });
    client.set_timeout(Duration::from_secs(60));
    assert_eq!(client.read(), Value::Int(100_000_000));
    assert_eq!(other.text(&["GET", "held"]), "1");
}

#[test]
fn hostile_scripts_end_in_an_error_with_the_server_healthy() {
    let (_server, mut client) = start();
    client.set_timeout(Duration::from_secs(60));
    for script in [
        // Memory.
        "local t = {} for i = 1, 1e9 do t[i] = {} end",
        "local s = 'x' while true do s = s .. s end",
        "return #string.rep('x', 2000000000)",
        "return #string.format('%99999d', 1)",
        "return unpack({}, 1, 1e8)",
        // Depth.
        "local function f() return f() + 1 end return f()",
        "local function f(s) return (s:gsub('.', f)) end return f('x')",
        "return loadstring(('('):rep(1e6))()",
        "local t = setmetatable({}, {}) getmetatable(t).__index = function(t, k) return t[k] end return t.x",
        "return cjson.decode(('['):rep(100000))",
        "local t = {} t[1] = t return cjson.encode(t)",
        // Coroutines.
        "local function f() coroutine.wrap(f)() end f()",
        "coroutine.yield(1)",
        // Errors that are no texts, and the world.
        "error(setmetatable({}, {__tostring = function() while true do end end, __index = error}))",
        "error({err = {}})",
        "error(nil)",
        "setmetatable(_G, {__index = function() end})",
        "getmetatable(_G).__index = nil return x",
        "return loadstring(string.dump(function() end))()",
        "return struct.pack('>' .. ('I16'):rep(1e5))",
    ] {
        assert!(eval(&mut client, script).as_error().is_some(), "{script}");
        assert_eq!(eval(&mut client, "return 1"), Value::Int(1));
    }
}

#[test]
fn a_reply_that_holds_itself_ends() {
    let server = Server::start();
    for (script, protocol) in [
        ("local t = {} t[1] = t return t", 2),
        ("local t = {} t.map = {a = t} return t", 3),
        ("local t = {} t.set = {[t] = true} return t", 3),
        ("local t = {} for i = 1, 100000 do t = {t} end return t", 2),
    ] {
        let mut client = server.connect();
        client.hello(protocol);
        client.send(&["EVAL", script, "0"]);
        // Byte by byte: the reply is deeper than a reader that calls itself likes.
        let (mut reply, end) = (Vec::new(), b"-ERR reached lua stack limit\r\n");
        while !reply.ends_with(end) {
            reply.extend(client.recv_raw(1));
            assert!(reply.len() < 1 << 20, "{script}");
        }
        assert_eq!(eval(&mut server.connect(), "return 1"), Value::Int(1));
    }
}

#[test]
fn replies_of_resp3_are_converted_both_ways() {
    let (_server, mut client) = start();
    client.cmd(&["DEL", "h"]);
    client.cmd(&["HSET", "h", "f", "v"]);
    client.hello(3);
    let script = "redis.setresp(3) return redis.call('hgetall', KEYS[1]).map.f";
    assert_eq!(client.text(&["EVAL", script, "1", "h"]), "v");
    let pairs = client.cmd(&["EVAL", "return {map={a=1}}", "0"]).pairs();
    assert_eq!(pairs, Some(vec![(Value::bulk("a"), Value::Int(1))]));
    assert_eq!(eval(&mut client, "return {double=1.5}"), Value::Double("1.5".to_owned()));
}

#[test]
fn a_busy_script_that_has_written_ends_with_the_server_only_and_leaves_nothing() {
    if forgekv_only("restarts the server") {
        return;
    }
    let mut server = ServerOptions::default().args(&["--busy-reply-threshold", "50"]).start();
    let (mut client, mut other) = (server.connect(), server.connect());
    client.ok(&["SET", "before", "1"]);
    client.send(&[
        "EVAL",
        "redis.call('set', KEYS[1], 1) while true do redis.call('get', KEYS[1]) end",
        "1",
        "half",
    ]);
    wait_for("the script to be busy", || {
        other.cmd(&["SCRIPT", "KILL"]).as_error().is_some_and(|error| error.starts_with("UNKILLABLE"))
    });
    let busy = "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.";
    assert_eq!(other.error(&["SHUTDOWN"]), busy);
    assert_eq!(other.error(&["SHUTDOWN", "SAVE"]), busy);
    other.send(&["SHUTDOWN", "NOSAVE"]);
    assert!(server.wait_for_exit().success());
    server.restart();
    let mut client = server.connect();
    assert_eq!(client.texts(&["MGET", "before", "half"]), ["1", "(nil)"]);
}

#[test]
fn info_counts_scripts_functions_and_their_memory() {
    if forgekv_only("Redis has 7.4's fields from 7.4 on") {
        return;
    }
    let (_server, mut client) = start();
    let script = "return 1";
    client.cmd(&["EVAL", script, "0"]);
    client.cmd(&[
        "FUNCTION",
        "LOAD",
        "#!lua name=counted\nredis.register_function('f', function() return 1 end)",
    ]);
    let info = client.text(&["INFO", "memory"]);
    let number = |name: &str| -> u64 {
        let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.unwrap_or_else(|| panic!("{name} is not in {info}")).parse().unwrap()
    };
    assert_eq!(number("number_of_cached_scripts"), 1);
    assert_eq!(number("used_memory_scripts_eval"), script.len() as u64);
    assert_eq!((number("number_of_libraries"), number("number_of_functions")), (1, 1));
    assert!(number("used_memory_functions") > 50 && number("used_memory_lua") > 10_000, "{info}");
}

#[test]
fn a_search_or_a_long_string_that_takes_for_ever_is_killed() {
    if forgekv_only("Redis looks at SCRIPT KILL between instructions only, and each of these is one") {
        return;
    }
    let server = ServerOptions::default().args(&["--busy-reply-threshold", "20"]).start();
    let (mut client, mut other) = (server.connect(), server.connect());
    for search in [
        "return string.find(string.rep('a', 1e5), '.-.-.-.-b')",
        "return (string.rep('a', 1e5):gsub('.*.*.*.*b', ''))",
        "while true do pcall(string.match, string.rep('a', 1e5), '(.-)(.-)(.-)%1%2%3b') end",
        "for word in string.rep('a', 1e5):gmatch('a-a-a-a-b') do end",
        "while true do string.rep('a', 1e8) end",
        "local s = string.rep('a', 1e8) while true do local t = s .. 'b' end",
        "local s = string.rep('a', 1e8) while true do pcall(s.upper, s) end",
        "coroutine.wrap(function() pcall(string.find, string.rep('a', 1e5), '.-.-.-.-b') while true do end end)()",
    ] {
        client.send(&["EVAL", search, "0"]);
        wait_for("the script to be busy", || other.cmd(&["SCRIPT", "KILL"]).as_error().is_none());
        let error = client.read().as_error().unwrap();
        assert!(error.contains("Script killed by user with SCRIPT KILL"), "{search}: {error}");
        assert_eq!(eval(&mut client, "return 1"), Value::Int(1));
    }
}

#[test]
fn nothing_is_repeated_at_once() {
    let (_server, mut client) = start();
    if forgekv_only("Redis takes seconds") {
        return;
    }
    let began = Instant::now();
    assert_eq!(
        eval(&mut client, "return {string.rep('', 2^31 - 1), (''):rep(1e9)}"),
        Value::Array(vec![Value::bulk(""), Value::bulk("")])
    );
    assert!(eval(&mut client, "return #string.rep('x', 2^31 - 1)").as_error().is_some());
    assert!(began.elapsed() < Duration::from_secs(2));
}
