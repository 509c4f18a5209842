//! The server as a whole: TIME, SWAPDB, FLUSHDB, FLUSHALL, LASTSAVE, SHUTDOWN, DEBUG, MEMORY, LOLWUT.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::support::{Client, Server, Value, forgekv_only, wait_at_most, wait_for, warm_only};

fn unix_seconds() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64
}

#[test]
fn time_is_the_wall_clock_in_seconds_and_microseconds() {
    let server = Server::start();
    let mut client = server.connect();
    let parts: Vec<i64> = client.texts(&["TIME"]).iter().map(|text| text.parse().unwrap()).collect();
    assert_eq!(parts.len(), 2);
    assert!((parts[0] - unix_seconds()).abs() <= 2, "{parts:?}");
    assert!((0..1_000_000).contains(&parts[1]), "{parts:?}");
    assert_eq!(client.error(&["TIME", "x"]), "ERR wrong number of arguments for 'time' command");
}

#[test]
fn lastsave_is_a_unix_time_of_the_past() {
    let server = Server::start();
    let mut client = server.connect();
    let at = client.int(&["LASTSAVE"]);
    assert!(at > 1_500_000_000 && at <= unix_seconds() + 1, "{at}");
}

// ---- Databases

#[test]
fn swapdb_exchanges_two_databases() {
    let server = Server::start();
    let mut client = server.connect();
    client.ok(&["SET", "k", "zero"]);
    client.ok(&["SELECT", "1"]);
    client.ok(&["SET", "k", "one"]);
    client.ok(&["SET", "only", "one"]);
    client.ok(&["SWAPDB", "0", "1"]);
    assert_eq!(client.bulk(&["GET", "k"]), b"zero");
    client.null(&["GET", "only"]);
    client.ok(&["SELECT", "0"]);
    assert_eq!(client.bulk(&["GET", "k"]), b"one");
    client.ok(&["SWAPDB", "0", "0"]);
    assert_eq!(client.bulk(&["GET", "only"]), b"one");
}

#[test]
fn swapdb_refuses_what_is_no_database() {
    let server = Server::start();
    let mut client = server.connect();
    for (first, second, error) in [
        ("a", "1", "ERR invalid first DB index"),
        ("a", "b", "ERR invalid first DB index"),
        ("0", "b", "ERR invalid second DB index"),
        ("99999999999", "1", "ERR invalid first DB index"),
        ("0", "16", "ERR DB index is out of range"),
        ("-1", "0", "ERR DB index is out of range"),
    ] {
        assert_eq!(client.error(&["SWAPDB", first, second]), error, "{first} {second}");
    }
}

#[test]
fn flushdb_empties_one_database_and_flushall_all() {
    let server = Server::start();
    let mut client = server.connect();
    let fill = |client: &mut Client| {
        for db in ["1", "0"] {
            client.ok(&["SELECT", db]);
            client.ok(&["SET", "k", db]);
        }
    };
    for words in [&["FLUSHDB"][..], &["flushdb", "ASYNC"], &["FLUSHDB", "sync"]] {
        fill(&mut client);
        client.ok(words);
        client.null(&["GET", "k"]);
        client.ok(&["SELECT", "1"]);
        assert_eq!(client.bulk(&["GET", "k"]), b"1");
    }
    for words in [&["FLUSHALL"][..], &["flushall", "async"], &["FLUSHALL", "SYNC"]] {
        fill(&mut client);
        client.ok(words);
        client.null(&["GET", "k"]);
        client.ok(&["SELECT", "1"]);
        client.null(&["GET", "k"]);
    }
    client.ok(words_that_flush_nothing());
    for command in ["FLUSHDB", "FLUSHALL"] {
        assert_eq!(client.error(&[command, "x"]), "ERR syntax error");
        assert_eq!(client.error(&[command, "SYNC", "ASYNC"]), "ERR syntax error");
    }
}

/// A flush of what is empty already.
fn words_that_flush_nothing() -> &'static [&'static str] {
    &["FLUSHALL"]
}

#[test]
fn flushes_and_swaps_survive_a_restart() {
    if forgekv_only("the server is restarted") {
        return;
    }
    let mut server = Server::start();
    let mut client = server.connect();
    for db in ["2", "1", "0"] {
        client.ok(&["SELECT", db]);
        client.ok(&["SET", "k", db]);
    }
    client.ok(&["SWAPDB", "1", "2"]);
    client.ok(&["FLUSHDB"]);
    client.ok(&["SET", "after", "flush"]);
    server.stop();
    server.restart();
    let mut client = server.connect();
    client.null(&["GET", "k"]);
    assert_eq!(client.bulk(&["GET", "after"]), b"flush");
    client.ok(&["SELECT", "1"]);
    assert_eq!(client.bulk(&["GET", "k"]), b"2");
    client.ok(&["FLUSHALL"]);
    server.stop();
    server.restart();
    let mut client = server.connect();
    assert_eq!(client.text(&["INFO", "keyspace"]), "# Keyspace\r\n");
}

// ---- SHUTDOWN

#[test]
fn shutdown_closes_without_a_reply_and_keeps_the_data() {
    if forgekv_only("the server is stopped") {
        return;
    }
    let mut server = Server::start();
    for words in [&["SHUTDOWN"][..], &["SHUTDOWN", "NOSAVE"], &["shutdown", "save", "NOW", "force"]] {
        let mut client = server.connect();
        client.int(&["INCR", "shutdowns"]);
        client.send(words);
        assert_eq!(client.recv_until_closed(), b"", "{words:?}");
        assert!(server.wait_for_exit().success());
        server.restart();
    }
    assert_eq!(server.connect().bulk(&["GET", "shutdowns"]), b"3");
}

#[test]
fn shutdown_refuses_contradictions_and_has_nothing_to_abort() {
    let server = Server::start();
    let mut client = server.connect();
    for words in [&["nosave", "save"][..], &["abort", "now"], &["x"], &["save", "x"]] {
        let argv = [&["SHUTDOWN"], words].concat();
        assert_eq!(client.error(&argv), "ERR syntax error", "{words:?}");
    }
    assert_eq!(client.error(&["SHUTDOWN", "ABORT"]), "ERR No shutdown in progress.");
    assert_eq!(client.text(&["PING"]), "PONG");
}

// ---- DEBUG

/// A server that allows DEBUG; a server that already runs has to.
fn debuggable() -> Server {
    if std::env::var_os("FORGEKV_TEST_ADDR").is_some() {
        return Server::start();
    }
    Server::with_args(&["--enable-debug-command", "local", "--workers", "1"])
}

#[test]
fn debug_is_refused_unless_the_configuration_allows_it() {
    if forgekv_only("the server under test may allow it") || warm_only("every server allows DEBUG") {
        return;
    }
    let server = Server::start();
    let error = server.connect().error(&["DEBUG", "SLEEP", "0"]);
    let expected = "ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\", you can run it \
                    from a local connection, otherwise you need to set this option in the configuration file, and then \
                    restart the server.";
    assert_eq!(error, expected);
    assert_eq!(server.connect().error(&["DEBUG"]), "ERR wrong number of arguments for 'debug' command");
    let local = debuggable();
    local.connect().ok(&["DEBUG", "SLEEP", "0"]);
}

#[test]
fn debug_names_a_wrong_subcommand_or_number_of_words() {
    let server = debuggable();
    let mut client = server.connect();
    for words in [
        &["nonesuch"][..],
        &["SLEEP"],
        &["object"],
        &["object", "a", "b"],
        &["sdslen"],
        &["log"],
        &["help", "x"],
        &["error"],
    ] {
        let error = client.error(&[&["DEBUG"], words].concat());
        let expected = format!(
            "ERR unknown subcommand or wrong number of arguments for '{}'. Try DEBUG HELP.",
            words[0]
        );
        assert_eq!(error, expected);
    }
    let help = client.texts(&["DEBUG", "HELP"]);
    assert!(help.iter().any(|line| line.starts_with("SLEEP <seconds>")), "{help:?}");
}

#[test]
fn debug_object_shows_encoding_and_length() {
    let server = debuggable();
    let mut client = server.connect();
    assert_eq!(client.error(&["DEBUG", "OBJECT", "missing"]), "ERR no such key");
    for (value, parts) in [
        ("hello", "encoding:embstr serializedlength:6"),
        ("12345", "encoding:int serializedlength:3"),
        ("100000", "encoding:int serializedlength:5"),
    ] {
        client.ok(&["SET", "k", value]);
        let text = client.text(&["debug", "object", "k"]);
        assert!(text.starts_with("Value at:0x") && text.contains(" refcount:"), "{text}");
        assert!(
            text.contains(parts) && text.contains(" lru:") && text.contains(" lru_seconds_idle:0"),
            "{text}"
        );
    }
    client.ok(&["SET", "k", &"ab1".repeat(50)]);
    assert!(client.text(&["DEBUG", "OBJECT", "k"]).contains("encoding:raw"));
}

#[test]
fn debug_sdslen_shows_the_lengths_of_key_and_string() {
    let server = debuggable();
    let mut client = server.connect();
    client.ok(&["SET", "key", "hello"]);
    let text = client.text(&["DEBUG", "SDSLEN", "key"]);
    assert!(text.starts_with("key_sds_len:3, key_sds_avail:0, key_zmalloc: "), "{text}");
    assert!(text.contains(", val_sds_len:5, val_sds_avail:0, val_zmalloc: "), "{text}");
    client.ok(&["SET", "key", "12"]);
    assert_eq!(client.error(&["DEBUG", "SDSLEN", "key"]), "ERR Not an sds encoded string.");
    assert_eq!(client.error(&["DEBUG", "SDSLEN", "missing"]), "ERR no such key");
}

#[test]
fn debug_error_replies_its_text_and_log_writes_one_line() {
    let server = debuggable();
    let mut client = server.connect();
    assert_eq!(client.error(&["DEBUG", "ERROR", "MYCODE some text"]), "MYCODE some text");
    assert_eq!(client.error(&["DEBUG", "ERROR", "a\nb"]), "a b");
    client.ok(&["DEBUG", "LOG", "a message\nof one line"]);
    if !forgekv_only("the log is another server's") {
        assert!(server.log().contains("DEBUG LOG: a message of one line\n"));
    }
}

#[test]
fn debug_protocol_shows_every_type() {
    let server = debuggable();
    let mut client = server.connect();
    let show = |client: &mut Client| {
        let show_one = |kind| format!("{:?}", client.cmd(&["DEBUG", "PROTOCOL", kind]));
        let kinds = "string integer double bignum null array set map attrib verbatim true false";
        kinds.split(' ').map(show_one).collect::<Vec<_>>()
    };
    let resp2 = show(&mut client);
    assert_eq!(resp2[0], "\"Hello World\"");
    assert_eq!(resp2[1..5], [":12345", "\"3.141\"", "\"1234567999999999999999999999999999999\"", "$-1"]);
    assert_eq!(resp2[5..8], ["[:0, :1, :2]", "[:0, :1, :2]", "[:0, :0, :1, :1, :2, :0]"]);
    assert_eq!(resp2[9..], ["\"This is a verbatim\\nstring\"", ":1", ":0"]);
    assert_eq!(client.error(&["DEBUG", "PROTOCOL", "push"]), "ERR RESP2 is not supported by this command");
    client.hello(3);
    let resp3 = show(&mut client);
    assert_eq!(resp3[2..5], [",3.141", "(1234567999999999999999999999999999999", "_"]);
    assert_eq!(resp3[5..8], ["[:0, :1, :2]", "{:0, :1, :2}", "{:0: #false, :1: #true, :2: #false}"]);
    assert!(resp3[8].starts_with("|{\"key-popularity\": "), "{}", resp3[8]);
    assert_eq!(resp3[9..], ["=txt:\"This is a verbatim\\nstring\"", "#true", "#false"]);
    let push = client.cmd(&["DEBUG", "PROTOCOL", "push"]);
    assert_eq!(format!("{push:?}"), ">[\"server-cpu-usage\", :42]");
    assert_eq!(client.read(), Value::bulk("Some real reply following the push reply"));
    let error = client.error(&["DEBUG", "PROTOCOL", "x"]);
    assert!(
        error.starts_with("ERR Wrong protocol type name. Please use one of the following: string|integer|"),
        "{error}"
    );
}

#[test]
fn debug_set_active_expire_and_stringmatch_len() {
    let server = debuggable();
    let mut client = server.connect();
    client.ok(&["DEBUG", "SET-ACTIVE-EXPIRE", "0"]);
    client.ok(&["DEBUG", "SET-ACTIVE-EXPIRE", "1"]);
    if !forgekv_only("Redis 7.0 has no STRINGMATCH-LEN") {
        assert_eq!(client.int(&["DEBUG", "STRINGMATCH-LEN", "a*c", "abbc"]), 1);
        assert_eq!(client.int(&["DEBUG", "STRINGMATCH-LEN", "a*c", "abb"]), 0);
    }
}

/// The longest of `count` PINGs.
fn slowest_ping(client: &mut Client, count: usize) -> Duration {
    let ping = |_| {
        let began = Instant::now();
        assert_eq!(client.text(&["PING"]), "PONG");
        began.elapsed()
    };
    (0..count).map(ping).max().unwrap()
}

#[test]
fn a_sleeping_command_holds_up_nobody_else_of_its_worker() {
    if forgekv_only("Redis sleeps as a whole") {
        return;
    }
    let server = debuggable();
    let mut bystander = server.connect();
    bystander.text(&["PING"]);
    for sleepers in [1, 5] {
        let mut clients: Vec<Client> = (0..sleepers).map(|_| server.connect()).collect();
        let began = Instant::now();
        for (index, client) in clients.iter_mut().enumerate() {
            let key = format!("sleeper:{sleepers}:{index}");
            client.send(&["SET", &key, "before"]);
            client.send(&["DEBUG", "SLEEP", "1"]);
            client.send(&["GET", &key]);
            client.send(&["SET", &key, "after"]);
            client.send(&["GET", &key]);
        }
        while began.elapsed() < Duration::from_millis(900) {
            let slowest = slowest_ping(&mut bystander, 20);
            assert!(slowest < Duration::from_millis(500), "{sleepers} sleepers: {slowest:?}");
            assert!(bystander.text(&["INFO", "clients"]).contains("connected_clients"));
        }
        for client in &mut clients {
            let replies: Vec<Value> = (0..5).map(|_| client.read()).collect();
            let ok = Value::simple("OK");
            assert_eq!(replies, [ok.clone(), ok.clone(), Value::bulk("before"), ok, Value::bulk("after")]);
        }
        assert!(began.elapsed() >= Duration::from_secs(1));
        assert!(
            began.elapsed() < Duration::from_secs(4),
            "they sleep at the same time: {:?}",
            began.elapsed()
        );
        // The connections are back at their worker.
        clients.iter_mut().for_each(|client| assert_eq!(client.text(&["PING"]), "PONG"));
    }
    let text = bystander.text(&["INFO", "workers"]);
    let handoffs = text.lines().find_map(|line| line.strip_prefix("loop_handoffs:")).unwrap();
    assert!(handoffs.parse::<u64>().unwrap() >= 6, "{text}");
}

#[test]
fn replies_of_a_round_do_not_wait_for_its_long_command() {
    if forgekv_only("Redis sleeps as a whole") {
        return;
    }
    let server = debuggable();
    let (mut quick, mut sleeper) = (server.connect(), server.connect());
    for _ in 0..20 {
        // Both arrive while the worker is held up by the third, so that one poll brings them.
        let mut first = server.connect();
        first.send(&["DEBUG", "SLEEP", "0.002"]);
        let began = Instant::now();
        quick.send(&["PING"]);
        sleeper.send(&["DEBUG", "SLEEP", "0.3"]);
        assert_eq!(quick.read(), Value::simple("PONG"));
        let took = began.elapsed();
        assert!(took < Duration::from_millis(200), "the reply waited for the sleeper: {took:?}");
        assert_eq!(sleeper.read(), Value::simple("OK"));
    }
}

#[test]
fn all_workers_may_be_stuck_at_once() {
    if forgekv_only("Redis sleeps as a whole") {
        return;
    }
    let server = Server::with_args(&["--enable-debug-command", "yes", "--workers", "4"]);
    let mut bystanders: Vec<Client> = (0..4).map(|_| server.connect()).collect();
    for _ in 0..5 {
        let mut sleepers: Vec<Client> = (0..8).map(|_| server.connect()).collect();
        sleepers.iter_mut().for_each(|client| client.send(&["DEBUG", "SLEEP", "0.6"]));
        for client in &mut bystanders {
            let slowest = slowest_ping(client, 10);
            assert!(slowest < Duration::from_millis(450), "{slowest:?}");
        }
        sleepers.iter_mut().for_each(|client| assert_eq!(client.read(), Value::simple("OK")));
    }
}

#[test]
fn a_shutdown_does_not_wait_for_a_sleeper() {
    if forgekv_only("the server is stopped") {
        return;
    }
    let mut server = debuggable();
    let mut sleeper = server.connect();
    sleeper.send(&["DEBUG", "SLEEP", "60"]);
    let mut client = server.connect();
    client.ok(&["SET", "k", "v"]);
    client.send(&["SHUTDOWN"]);
    assert!(server.wait_for_exit().success());
    server.restart();
    assert_eq!(server.connect().bulk(&["GET", "k"]), b"v");
}

#[test]
fn time_goes_on_behind_a_sleep_in_a_pipeline() {
    let server = debuggable();
    let mut client = server.connect();
    let seconds = |value: &Value| flat_number(&value.items().unwrap()[0]);
    let replies = client.pipeline(&[vec!["TIME"], vec!["DEBUG", "SLEEP", "1.1"], vec!["TIME"]]);
    assert!(seconds(&replies[2]) > seconds(&replies[0]), "{replies:?}");
    if forgekv_only("Redis's LRU clock moves with its cron") {
        return;
    }
    client.ok(&["SET", "k", "v"]);
    let idle = client.pipeline(&[vec!["DEBUG", "SLEEP", "2.1"], vec!["DEBUG", "OBJECT", "k"]]);
    let text = String::from_utf8_lossy(idle[1].as_bytes().unwrap()).into_owned();
    let idle: u64 = text.rsplit(':').next().unwrap().parse().unwrap();
    assert!((2..4).contains(&idle), "{text}");
}

fn flat_number(value: &Value) -> i64 {
    String::from_utf8_lossy(value.as_bytes().unwrap()).parse().unwrap()
}

// ---- MEMORY

#[test]
fn memory_usage_grows_with_the_value() {
    let server = Server::start();
    let mut client = server.connect();
    client.null(&["MEMORY", "USAGE", "missing"]);
    client.ok(&["SET", "k", "v"]);
    let small = client.int(&["MEMORY", "USAGE", "k"]);
    assert!((2..200).contains(&small), "{small}");
    client.ok(&["SET", "k", &"x".repeat(10_000)]);
    let big = client.int(&["memory", "usage", "k", "SAMPLES", "0"]);
    assert!((10_000..20_000).contains(&big), "{big}");
    for (words, error) in [
        (&["SAMPLES"][..], "ERR syntax error"),
        (&["SAMPLES", "-1"], "ERR syntax error"),
        (&["x", "1"], "ERR syntax error"),
        (&["SAMPLES", "x"], "ERR value is not an integer or out of range"),
    ] {
        assert_eq!(client.error(&[&["MEMORY", "USAGE", "k"], words].concat()), error, "{words:?}");
    }
}

#[test]
fn memory_stats_is_a_map_of_numbers() {
    let server = Server::start();
    let mut client = server.connect();
    client.ok(&["SET", "k", "v"]);
    let pairs = client.cmd(&["MEMORY", "STATS"]).pairs().unwrap();
    let value = |name: &str| {
        let found = pairs.iter().find(|(key, _)| key.as_bytes() == Some(name.as_bytes()));
        found.unwrap_or_else(|| panic!("no {name}")).1.clone()
    };
    assert_eq!(value("keys.count"), Value::Int(1));
    for name in [
        "peak.allocated",
        "total.allocated",
        "clients.normal",
        "overhead.total",
        "dataset.bytes",
        "allocator.resident",
    ] {
        assert!(value(name).as_int().is_some(), "{name}");
    }
    for name in ["dataset.percentage", "peak.percentage", "fragmentation", "allocator-fragmentation.ratio"] {
        let text = value(name).as_bytes().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).unwrap();
        assert!(text.parse::<f64>().is_ok(), "{name}: {text}");
    }
    client.hello(3);
    match client.cmd(&["MEMORY", "STATS"]) {
        Value::Map(pairs) => assert!(pairs.iter().any(|(_, value)| matches!(value, Value::Double(_)))),
        other => panic!("{other:?}"),
    }
}

#[test]
fn memory_doctor_malloc_stats_purge_and_help_answer() {
    let server = Server::start();
    let mut client = server.connect();
    assert!(client.text(&["MEMORY", "DOCTOR"]).starts_with("Hi Sam"));
    assert!(client.text(&["MEMORY", "MALLOC-STATS"]).contains("jemalloc"));
    client.ok(&["MEMORY", "PURGE"]);
    assert_eq!(
        client.texts(&["MEMORY", "HELP"])[0],
        "MEMORY <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"
    );
    assert_eq!(client.error(&["MEMORY"]), "ERR wrong number of arguments for 'memory' command");
    assert_eq!(client.error(&["MEMORY", "x"]), "ERR unknown subcommand 'x'. Try MEMORY HELP.");
    assert_eq!(
        client.error(&["MEMORY", "STATS", "x"]),
        "ERR wrong number of arguments for 'memory|stats' command"
    );
}

fn resident(client: &mut Client) -> i64 {
    let info = client.text(&["INFO", "memory"]);
    info.lines().find_map(|line| line.strip_prefix("used_memory_rss:")).unwrap().parse().unwrap()
}

/// Takes 60 MiB and frees them; how much was resident before that.
fn take_and_free(client: &mut Client) -> i64 {
    for index in 0..60 {
        client.ok(&["SET", &format!("big:{index}"), &"x".repeat(1 << 20)]);
    }
    let full = resident(client);
    client.ok(&["FLUSHALL", "SYNC"]);
    full
}

#[test]
fn memory_purge_gives_free_memory_back() {
    if forgekv_only("Redis may have its allocator's threads do so before") || warm_only("values leave RAM") {
        return;
    }
    let server = Server::start();
    let mut client = server.connect();
    let full = take_and_free(&mut client);
    // Other threads free what is big, and the log may still hold some of it.
    wait_for("the memory comes back", || {
        client.ok(&["MEMORY", "PURGE"]);
        resident(&mut client) < full - (40 << 20)
    });
}

#[test]
fn memory_that_stays_free_is_given_back_and_by_no_worker() {
    if forgekv_only("about its allocator") || warm_only("values leave RAM") {
        return;
    }
    let server = Server::start();
    let mut client = server.connect();
    let full = take_and_free(&mut client);
    let settings = client.text(&["MEMORY", "MALLOC-STATS"]);
    assert!(settings.contains("opt.dirty_decay_ms: -1"), "{settings}");
    wait_at_most(30, "the memory comes back", || resident(&mut client) < full - (40 << 20));
}

#[test]
fn memory_is_supplied_ahead_of_a_collection_that_grows() {
    if forgekv_only("looks at the server's threads") || warm_only("keys that leave RAM give memory back") {
        return;
    }
    let server = Server::with_args(&["--workers", "1"]);
    let mut client = server.connect();
    let blank = "x".repeat(1000);
    // The minor faults of the thread that prepares memory: of a page each.
    let faults = || -> u64 {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", server.pid())).unwrap();
        // Some threads end meanwhile.
        let stats = tasks.filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("stat")).ok());
        let fields = stats
            .filter_map(|stat| Some(stat.split_once("(forgekv-memory) ")?.1.split(' ').nth(7)?.to_owned()));
        fields.map(|faults| faults.parse::<u64>().unwrap()).sum()
    };
    let before = faults();
    // 20 MB a round. The other tests want the cores, too.
    for _ in 0..30 {
        for _ in 0..1_000 {
            let push = ["RPUSH", "big"].into_iter().chain([&blank[..]; 20]);
            client.int(&push.collect::<Vec<_>>());
        }
        if faults() - before >= 1_000 {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("{} faults ahead of 600 MB", faults() - before);
}

// ---- LOLWUT

#[test]
fn lolwut_ends_with_the_version() {
    let server = Server::start();
    let mut client = server.connect();
    for words in [
        &["LOLWUT"][..],
        &["lolwut", "version", "5"],
        &["LOLWUT", "VERSION", "6", "40", "20"],
        &["LOLWUT", "x"],
    ] {
        let text = client.text(words);
        let last = text.trim_end().rsplit("Redis ver. ").next().unwrap().to_owned();
        assert!(last.split('.').count() == 3 && last.starts_with('7'), "{words:?}: {text}");
    }
    assert_eq!(client.error(&["LOLWUT", "VERSION", "x"]), "ERR value is not an integer or out of range");
}
