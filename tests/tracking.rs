//! Client-side caching: CLIENT TRACKING and the invalidations that follow.

use std::time::Duration;

use crate::support::{Client, Server, ServerOptions, Value, forgekv_only, is_cold, wait_for};

fn start() -> Server {
    if std::env::var_os("FORGEKV_TEST_ADDR").is_some() {
        Server::start()
    } else {
        ServerOptions::default().args(&["--workers", "4"]).start()
    }
}

fn resp3(server: &Server) -> Client {
    let mut client = server.connect();
    client.hello(3);
    client
}

fn keys(keys: &[&str]) -> Value {
    Value::Array(keys.iter().map(Value::bulk).collect())
}

fn invalidation(names: &[&str]) -> Value {
    Value::Push(vec![Value::bulk("invalidate"), keys(names)])
}

fn all_keys() -> Value {
    Value::Push(vec![Value::bulk("invalidate"), Value::Null])
}

#[track_caller]
fn expect_silence(client: &mut Client) {
    client.expect_silence(Duration::from_millis(50));
}

#[test]
fn a_client_is_told_once_that_a_key_it_read_has_changed() {
    let server = start();
    let (mut client, mut writer) = (resp3(&server), server.connect());
    client.ok(&["CLIENT", "TRACKING", "ON"]);
    client.ok(&["SET", "a", "1"]);
    client.cmd(&["GET", "a"]);
    client.cmd(&["GET", "missing"]);
    client.cmd(&["MGET", "b", "c"]);
    writer.ok(&["SET", "other", "1"]);
    writer.ok(&["SET", "a", "2"]);
    assert_eq!(client.read(), invalidation(&["a"]));
    writer.ok(&["SET", "a", "3"]);
    writer.ok(&["SET", "missing", "1"]);
    assert_eq!(client.read(), invalidation(&["missing"]));
    client.cmd(&["GET", "a"]);
    writer.int(&["EXPIRE", "a", "100"]);
    assert_eq!(client.read(), invalidation(&["a"]));
    client.cmd(&["GET", "a"]);
    writer.int(&["DEL", "a"]);
    assert_eq!(client.read(), invalidation(&["a"]));
    writer.ok(&["SELECT", "5"]);
    writer.ok(&["SET", "b", "of another database"]);
    assert_eq!(client.read(), invalidation(&["b"]));
    client.ok(&["CLIENT", "TRACKING", "OFF"]);
    writer.ok(&["SET", "c", "1"]);
    expect_silence(&mut client);
}

#[test]
fn a_bit_that_stays_as_it_is_tells_nobody_though_the_string_is_raw_then() {
    let server = start();
    let (mut client, mut writer) = (resp3(&server), server.connect());
    client.ok(&["CLIENT", "TRACKING", "ON"]);
    client.ok(&["SET", "number", "12"]);
    client.cmd(&["GET", "number"]);
    // '1' is 0011 0001.
    assert_eq!(writer.int(&["SETBIT", "number", "2", "1"]), 1);
    assert_eq!(writer.cmd(&["OBJECT", "ENCODING", "number"]), Value::bulk("raw"));
    expect_silence(&mut client);
    assert_eq!(writer.int(&["SETBIT", "number", "0", "1"]), 0);
    assert_eq!(client.read(), invalidation(&["number"]));
}

#[test]
fn a_clients_own_changes_count_unless_it_says_noloop() {
    let server = start();
    let mut client = resp3(&server);
    client.ok(&["CLIENT", "TRACKING", "ON"]);
    client.cmd(&["GET", "a"]);
    client.ok(&["SET", "a", "1"]);
    assert_eq!(client.read(), invalidation(&["a"]));
    client.cmd(&["GET", "a"]);
    client.ok(&["CLIENT", "TRACKING", "ON", "NOLOOP"]);
    client.ok(&["SET", "a", "2"]);
    expect_silence(&mut client);
    client.cmd(&["GET", "a"]);
    server.connect().ok(&["SET", "a", "3"]);
    assert_eq!(client.read(), invalidation(&["a"]));
}

#[test]
fn a_client_is_told_in_order_of_very_many_keys_that_it_changes_itself() {
    let server = start();
    let mut client = resp3(&server);
    client.ok(&["CLIENT", "TRACKING", "ON"]);
    let names: Vec<String> = (0..100_000).map(|n| format!("k{n}")).collect();
    let words = |name: &'static str| -> Vec<&str> {
        std::iter::once(name).chain(names.iter().map(String::as_str)).collect()
    };
    let pairs: Vec<&str> =
        std::iter::once("MSET").chain(names.iter().flat_map(|name| [&**name, "v"])).collect();
    client.ok(&pairs);
    client.cmd(&words("MGET"));
    client.send(&words("DEL"));
    let (mut deleted, mut told) = (None, Vec::new());
    while deleted.is_none() || told.len() < names.len() {
        match client.read() {
            Value::Int(count) => deleted = Some(count),
            Value::Push(parts) => told.push(parts[1].clone()),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(deleted, Some(names.len() as i64));
    assert!(told.iter().zip(&names).all(|(key, name)| *key == keys(&[name])));
    expect_silence(&mut client);
}

#[test]
fn expiry_flush_and_rename_invalidate() {
    let server = start();
    let (mut client, mut writer) = (resp3(&server), server.connect());
    client.ok(&["CLIENT", "TRACKING", "ON"]);
    writer.ok(&["SET", "a", "1", "PX", "30"]);
    client.cmd(&["GET", "a"]);
    assert_eq!(client.read(), invalidation(&["a"]));
    writer.ok(&["SET", "b", "1"]);
    client.cmd(&["MGET", "b", "c"]);
    writer.ok(&["RENAME", "b", "c"]);
    let mut both = [client.read(), client.read()];
    both.sort();
    assert_eq!(both, [invalidation(&["b"]), invalidation(&["c"])]);
    client.cmd(&["GET", "c"]);
    writer.ok(&["FLUSHDB"]);
    assert_eq!(client.read(), all_keys());
    writer.ok(&["SET", "c", "forgotten"]);
    expect_silence(&mut client);
    writer.ok(&["SET", "c", "1"]);
    writer.ok(&["SELECT", "1"]);
    writer.ok(&["SET", "c", "1"]);
    client.ok(&["FLUSHALL"]);
    assert_eq!(client.read(), all_keys());
    expect_silence(&mut client);
}

#[test]
fn eviction_and_the_tables_limit_invalidate() {
    if forgekv_only("the limits fit ForgeKV") {
        return;
    }
    let args = [
        "--workers",
        "4",
        "--maxmemory-policy",
        "allkeys-lru",
        "--maxmemory",
        "1mb",
        "--tracking-table-max-keys",
    ];
    let server = ServerOptions::default().args(&args).args(&["100"]).start();
    let (mut client, mut writer) = (resp3(&server), server.connect());
    client.ok(&["CLIENT", "TRACKING", "ON"]);
    for n in 0..300 {
        client.send(&["GET", &format!("key:{n}")]);
    }
    // Invalidations come among the replies.
    let (mut replies, mut evictions) = (0, 0);
    while replies < 300 || evictions < 200 {
        match client.read() {
            Value::Push(_) => evictions += 1,
            _ => replies += 1,
        }
    }
    let total = |writer: &mut Client| {
        let info = writer.text(&["INFO", "stats"]);
        let line = info.lines().find(|line| line.starts_with("tracking_total_keys:")).unwrap();
        line.rsplit_once(':').unwrap().1.parse::<u64>().unwrap()
    };
    wait_for("the table to be within its limit", || total(&mut writer) <= 100);
    if is_cold() {
        // Keys that are on disk only do not count to maxmemory.
        return;
    }
    let mut other = resp3(&server);
    other.ok(&["CLIENT", "TRACKING", "ON"]);
    other.cmd(&["GET", "first"]);
    writer.ok(&["SET", "first", &"x".repeat(1000)]);
    assert_eq!(other.read(), invalidation(&["first"]));
    other.cmd(&["GET", "first"]);
    // Within one tick of the clock that LRU goes by any key may be the one: the chance to stay through so many is 1 in a million.
    for n in 0..12_000 {
        writer.ok(&["SET", &format!("fill:{n}"), &"x".repeat(1000)]);
    }
    assert_eq!(other.read(), invalidation(&["first"]));
}

#[test]
fn caching_says_what_is_tracked_with_optin_and_optout() {
    let server = start();
    let (mut client, mut writer) = (resp3(&server), server.connect());
    client.ok(&["CLIENT", "TRACKING", "ON", "OPTIN"]);
    client.cmd(&["GET", "a"]);
    client.ok(&["CLIENT", "CACHING", "YES"]);
    client.cmd(&["GET", "b"]);
    client.cmd(&["GET", "c"]);
    client.ok(&["CLIENT", "CACHING", "YES"]);
    client.cmd(&["CLIENT", "ID"]);
    client.cmd(&["GET", "d"]);
    writer.ok(&["MSET", "a", "1", "b", "1", "c", "1", "d", "1"]);
    assert_eq!([client.read(), client.read()], [invalidation(&["b"]), invalidation(&["d"])]);
    client.ok(&["CLIENT", "TRACKING", "OFF"]);
    client.ok(&["CLIENT", "TRACKING", "ON", "OPTOUT"]);
    client.ok(&["CLIENT", "CACHING", "NO"]);
    client.cmd(&["GET", "a"]);
    client.cmd(&["GET", "b"]);
    writer.ok(&["MSET", "a", "1", "b", "1"]);
    assert_eq!(client.read(), invalidation(&["b"]));
    expect_silence(&mut client);
}

#[test]
fn broadcasts_tell_of_every_key_with_a_prefix() {
    let server = start();
    let (mut client, mut all, mut writer) = (resp3(&server), resp3(&server), server.connect());
    client.ok(&["CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "user:", "PREFIX", "object:"]);
    all.ok(&["CLIENT", "TRACKING", "ON", "BCAST", "NOLOOP"]);
    writer.ok(&["SET", "user:1", "v"]);
    assert_eq!(client.read(), invalidation(&["user:1"]));
    assert_eq!(all.read(), invalidation(&["user:1"]));
    writer.ok(&["MSET", "user:2", "v", "other", "v", "user:1", "v", "user:2", "w", "object:1", "v"]);
    let mut both = [client.read(), client.read()];
    both.sort();
    assert_eq!(both, [invalidation(&["object:1"]), invalidation(&["user:1", "user:2"])]);
    assert_eq!(all.read(), invalidation(&["object:1", "other", "user:1", "user:2"]));
    all.ok(&["SET", "mine", "v"]);
    all.ok(&["SET", "user:3", "v"]);
    expect_silence(&mut all);
    assert_eq!(client.read(), invalidation(&["user:3"]));
    let info = writer.text(&["INFO", "stats"]);
    assert!(info.contains("tracking_total_prefixes:3\r\n") && info.contains("tracking_total_keys:0\r\n"));
    client.ok(&["CLIENT", "TRACKING", "OFF"]);
    drop(all);
    wait_for("the prefixes to go", || {
        writer.text(&["INFO", "stats"]).contains("tracking_total_prefixes:0\r\n")
    });
    assert!(writer.text(&["INFO", "clients"]).contains("tracking_clients:0\r\n"));
}

#[test]
fn a_resp2_client_has_invalidations_redirected_to_a_subscriber() {
    let server = start();
    let (mut client, mut target, mut writer) = (server.connect(), server.connect(), server.connect());
    let id = target.int(&["CLIENT", "ID"]).to_string();
    target.cmd(&["SUBSCRIBE", "__redis__:invalidate"]);
    client.ok(&["CLIENT", "TRACKING", "ON", "REDIRECT", &id]);
    assert_eq!(client.int(&["CLIENT", "GETREDIR"]).to_string(), id);
    client.cmd(&["GET", "a"]);
    writer.ok(&["SET", "a", "1"]);
    let on_channel =
        |value| Value::Array(vec![Value::bulk("message"), Value::bulk("__redis__:invalidate"), value]);
    assert_eq!(target.read(), on_channel(keys(&["a"])));
    writer.ok(&["FLUSHALL"]);
    assert_eq!(target.read(), on_channel(Value::NullBulk));
    // Without a redirection RESP2 has no place for them.
    client.ok(&["CLIENT", "TRACKING", "OFF"]);
    client.ok(&["CLIENT", "TRACKING", "ON"]);
    client.cmd(&["GET", "a"]);
    writer.ok(&["SET", "a", "1"]);
    expect_silence(&mut client);
    expect_silence(&mut target);
}

#[test]
fn that_all_keys_are_gone_is_told_elsewhere_in_the_protocol_of_the_client_that_tracks() {
    let server = start();
    let mut writer = server.connect();
    for (tracks_in, target_reads) in [(2, 2), (2, 3), (3, 2), (3, 3)] {
        let (mut client, mut target) = (server.connect(), server.connect());
        client.hello(tracks_in);
        target.hello(target_reads);
        let id = target.int(&["CLIENT", "ID"]).to_string();
        target.cmd(&["SUBSCRIBE", "__redis__:invalidate"]);
        client.ok(&["CLIENT", "TRACKING", "ON", "REDIRECT", &id]);
        let mut is_told = |protocol: u8| {
            let null = if protocol == 2 { "$-1\r\n" } else { "_\r\n" };
            let text = match target_reads {
                2 => format!("*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n{null}"),
                _ => format!(">2\r\n$10\r\ninvalidate\r\n{null}"),
            };
            let told = target.recv_raw(text.len());
            assert_eq!(String::from_utf8_lossy(&told), text, "{tracks_in} tells {target_reads}");
        };
        writer.ok(&["FLUSHALL"]);
        is_told(tracks_in);
        client.ok(&["FLUSHDB"]);
        is_told(tracks_in);
        let other = 5 - tracks_in;
        client.hello(other);
        writer.ok(&["FLUSHALL"]);
        is_told(other);
    }
}

#[test]
fn a_broken_redirection_is_told() {
    let server = start();
    let (mut client, mut target, mut writer) = (resp3(&server), resp3(&server), server.connect());
    let id = target.int(&["CLIENT", "ID"]);
    client.ok(&["CLIENT", "TRACKING", "ON", "REDIRECT", &id.to_string()]);
    client.cmd(&["GET", "a"]);
    writer.ok(&["SET", "a", "1"]);
    assert_eq!(target.read(), invalidation(&["a"]));
    assert_eq!(target.cmd(&["QUIT"]), Value::simple("OK"));
    target.recv_until_closed();
    client.cmd(&["GET", "a"]);
    writer.ok(&["SET", "a", "1"]);
    let broken = Value::Push(vec![Value::bulk("tracking-redir-broken"), Value::Int(id)]);
    assert_eq!(client.read(), broken);
    let info = client.cmd(&["CLIENT", "TRACKINGINFO"]);
    let flags = Value::Set(vec![Value::bulk("on"), Value::bulk("broken_redirect")]);
    assert_eq!(info.pairs().unwrap()[0].1, flags);
    assert!(client.text(&["CLIENT", "INFO"]).contains(" flags=tR "));
}

#[test]
fn trackinginfo_and_client_info_show_the_options() {
    let server = start();
    let (mut client, mut two) = (resp3(&server), server.connect());
    let info = |flags: &[&str], redirect: i64, prefixes: &[&str]| {
        Value::Map(vec![
            (Value::bulk("flags"), Value::Set(flags.iter().map(Value::bulk).collect())),
            (Value::bulk("redirect"), Value::Int(redirect)),
            (Value::bulk("prefixes"), keys(prefixes)),
        ])
    };
    let show = ["CLIENT", "TRACKINGINFO"];
    assert_eq!(client.cmd(&show), info(&["off"], -1, &[]));
    assert_eq!(client.int(&["CLIENT", "GETREDIR"]), -1);
    client.ok(&["CLIENT", "TRACKING", "ON"]);
    assert_eq!(client.cmd(&show), info(&["on"], 0, &[]));
    assert_eq!(client.int(&["CLIENT", "GETREDIR"]), 0);
    let line = client.text(&["CLIENT", "INFO"]);
    assert!(line.contains(" flags=t ") && line.contains(" redir=0 "), "{line}");
    client.ok(&["CLIENT", "TRACKING", "ON", "OPTIN", "NOLOOP"]);
    assert_eq!(client.cmd(&show), info(&["on", "optin", "noloop"], 0, &[]));
    client.ok(&["CLIENT", "CACHING", "YES"]);
    assert_eq!(client.cmd(&show), info(&["on", "optin", "caching-yes", "noloop"], 0, &[]));
    client.ok(&["CLIENT", "TRACKING", "OFF"]);
    client.ok(&["CLIENT", "TRACKING", "ON", "OPTOUT"]);
    client.ok(&["CLIENT", "CACHING", "NO"]);
    assert_eq!(client.cmd(&show), info(&["on", "optout", "caching-no"], 0, &[]));
    client.ok(&["CLIENT", "TRACKING", "OFF"]);
    client.ok(&["CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "b", "PREFIX", "a"]);
    client.ok(&["CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "c"]);
    assert_eq!(client.cmd(&show), info(&["on", "bcast"], 0, &["a", "b", "c"]));
    assert!(client.text(&["CLIENT", "INFO"]).contains(" flags=tB "));
    let flat = vec![
        Value::bulk("flags"),
        keys(&["off"]),
        Value::bulk("redirect"),
        Value::Int(-1),
        Value::bulk("prefixes"),
        Value::Array(vec![]),
    ];
    assert_eq!(two.cmd(&show), Value::Array(flat));
    assert_eq!(client.cmd(&["RESET"]), Value::simple("RESET"));
    assert_eq!(client.int(&["CLIENT", "GETREDIR"]), -1);
}

#[test]
fn options_that_do_not_fit_are_refused() {
    let server = start();
    let mut client = resp3(&server);
    let check = |client: &mut Client, line: &str, error: &str| {
        let words: Vec<&str> = ["CLIENT"].into_iter().chain(line.split(' ')).collect();
        assert_eq!(client.error(&words), format!("ERR {error}"), "{line}");
    };
    let own = client.int(&["CLIENT", "ID"]);
    let caching = "CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled";
    let mode = "before disabling tracking for this client, and then re-enabling it with a different mode.";
    for (line, error) in [
        ("TRACKING", "wrong number of arguments for 'client|tracking' command"),
        ("TRACKING maybe", "syntax error"),
        ("TRACKING ON WHAT", "syntax error"),
        ("TRACKING ON REDIRECT", "syntax error"),
        ("TRACKING ON PREFIX", "syntax error"),
        ("TRACKING ON REDIRECT x", "value is not an integer or out of range"),
        ("TRACKING ON REDIRECT 999999999", "The client ID you want redirect to does not exist"),
        ("TRACKING ON REDIRECT -1", "The client ID you want redirect to does not exist"),
        (
            &format!("TRACKING ON REDIRECT {own} REDIRECT {own}"),
            "A client can only redirect to a single other client",
        ),
        ("TRACKING ON PREFIX a", "PREFIX option requires BCAST mode to be enabled"),
        ("TRACKING ON BCAST OPTIN", "OPTIN and OPTOUT are not compatible with BCAST"),
        ("TRACKING ON OPTIN OPTOUT", "You can't specify both OPTIN mode and OPTOUT mode"),
        ("CACHING YES", caching),
        ("CACHING what", caching),
        (
            "TRACKING ON BCAST PREFIX a PREFIX ab",
            "Prefix 'a' overlaps with another provided prefix 'ab'. Prefixes for a single client must not overlap.",
        ),
    ] {
        check(&mut client, line, error);
    }
    client.ok(&["CLIENT", "TRACKING", "ON", "OPTIN"]);
    check(&mut client, "TRACKING ON OPTOUT", &format!("You can't switch OPTIN/OPTOUT mode {mode}"));
    check(&mut client, "TRACKING ON BCAST", &format!("You can't switch BCAST mode on/off {mode}"));
    check(
        &mut client,
        "CACHING NO",
        "CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.",
    );
    check(&mut client, "CACHING what", "syntax error");
    client.ok(&["CLIENT", "TRACKING", "OFF"]);
    client.ok(&["CLIENT", "TRACKING", "ON"]);
    check(
        &mut client,
        "CACHING YES",
        "CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.",
    );
    client.ok(&["CLIENT", "TRACKING", "OFF"]);
    client.ok(&["CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "user:"]);
    check(
        &mut client,
        "TRACKING ON BCAST PREFIX us",
        "Prefix 'us' overlaps with an existing prefix 'user:'. Prefixes for a single client must not overlap.",
    );
}

/// The read and the change of a key race; a cache that follows the invalidations must never keep an old value.
#[test]
fn a_cache_that_follows_the_invalidations_is_never_stale_in_the_end() {
    let server = start();
    let addr = server.addr();
    let names: Vec<String> = (0..8).map(|n| format!("key:{n}")).collect();
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for writer in 0..2 {
            let (names, stop) = (&names, &stop);
            scope.spawn(move || {
                let mut client = Client::connect(addr);
                for n in 0..1_500 {
                    client.ok(&["SET", &names[n % names.len()], &format!("{writer}:{n}")]);
                }
                stop.store(true, std::sync::atomic::Ordering::Relaxed);
            });
        }
        for _ in 0..3 {
            let (names, stop) = (&names, &stop);
            scope.spawn(move || {
                let mut client = Client::connect(addr);
                client.hello(3);
                client.ok(&["CLIENT", "TRACKING", "ON"]);
                let mut cache = std::collections::HashMap::<String, Value>::new();
                let drop_from = |cache: &mut std::collections::HashMap<String, Value>, pushed: &Value| {
                    for key in pushed.items().unwrap()[1].items().unwrap() {
                        cache.remove(std::str::from_utf8(key.as_bytes().unwrap()).unwrap());
                    }
                };
                let mut at = 0;
                while !stop.load(std::sync::atomic::Ordering::Relaxed) || at % names.len() > 0 {
                    let name = &names[at % names.len()];
                    at += 1;
                    if cache.contains_key(name) {
                        client.send(&["PING"]);
                    } else {
                        client.send(&["GET", name]);
                    }
                    loop {
                        match client.read() {
                            pushed @ Value::Push(_) => drop_from(&mut cache, &pushed),
                            reply @ Value::Bulk(_) => {
                                cache.insert(name.clone(), reply);
                                break;
                            }
                            _ => break,
                        }
                    }
                }
                // Every change has been answered to its writer, so what is to come is on its way.
                std::thread::sleep(Duration::from_millis(100));
                client.send(&["PING"]);
                while let pushed @ Value::Push(_) = client.read() {
                    drop_from(&mut cache, &pushed);
                }
                let mut reader = Client::connect(addr);
                for (name, value) in &cache {
                    assert_eq!(reader.cmd(&["GET", name]), *value, "{name}");
                }
            });
        }
    });
}

#[test]
fn reads_of_every_family_are_tracked() {
    let server = start();
    let (mut client, mut writer) = (resp3(&server), server.connect());
    client.ok(&["CLIENT", "TRACKING", "ON"]);
    let reads = [
        "GET k",
        "STRLEN k",
        "GETRANGE k 0 1",
        "BITCOUNT k",
        "BITFIELD_RO k GET u8 0",
        "LCS k other",
        "MGET other k",
        "LLEN k",
        "LRANGE k 0 1",
        "LPOS k x",
        "SCARD k",
        "SMEMBERS k",
        "SINTER other k",
        "SINTERCARD 2 other k",
        "HGETALL k",
        "HGET k f",
        "HSCAN k 0",
        "ZCARD k",
        "ZRANGE k 0 1",
        "ZUNION 2 other k",
        "ZDIFF 2 k other",
        "XLEN k",
        "XRANGE k - +",
        "XREAD COUNT 1 STREAMS other k 0 0",
        "XINFO STREAM k",
        "GEODIST k a b",
        "GEOSEARCH k FROMLONLAT 1 1 BYRADIUS 1 m",
        "EXISTS other k",
        "TYPE k",
        "TTL k",
        "DUMP k",
        "OBJECT ENCODING k",
        "SORT_RO k",
        "MEMORY USAGE k",
        "PFCOUNT other k",
    ];
    for line in reads {
        client.cmd(&line.split(' ').collect::<Vec<_>>());
        writer.ok(&["SET", "k", "v"]);
        assert_eq!(client.read(), invalidation(&["k"]), "{line}");
        writer.int(&["DEL", "k"]);
    }
    // Of what a command writes it is told as well, if it read it before, but not because of the write.
    client.cmd(&["INCR", "k"]);
    writer.int(&["INCR", "k"]);
    expect_silence(&mut client);
}

#[test]
fn transactions_and_scripts_track_what_they_read_and_invalidate_what_they_write() {
    let server = start();
    let (mut client, mut writer) = (resp3(&server), server.connect());
    client.ok(&["CLIENT", "TRACKING", "ON"]);
    client.ok(&["MULTI"]);
    client.cmd(&["GET", "a"]);
    client.cmd(&["LRANGE", "b", "0", "-1"]);
    client.array(&["EXEC"]);
    client.cmd(&["EVAL", "redis.call('get', KEYS[1]) return redis.call('smembers', KEYS[2])", "2", "c", "d"]);
    writer.ok(&["MULTI"]);
    writer.cmd(&["SET", "a", "1"]);
    writer.cmd(&["RPUSH", "b", "1"]);
    writer.array(&["EXEC"]);
    assert_eq!(client.read(), invalidation(&["a"]));
    assert_eq!(client.read(), invalidation(&["b"]));
    let script = "redis.call('set', KEYS[1], 1) redis.call('sadd', ARGV[1], 1) return 1";
    writer.cmd(&["EVAL", script, "1", "c", "d"]);
    // A script that names not all of its keys may be begun twice; who reads hears of both keys in any case.
    let mut heard = std::collections::BTreeSet::new();
    while heard.len() < 2 {
        heard.insert(client.read());
    }
    assert_eq!(heard, [invalidation(&["c"]), invalidation(&["d"])].into());
    // Broadcasts of a transaction are one message.
    client.ok(&["CLIENT", "TRACKING", "OFF"]);
    client.ok(&["CLIENT", "TRACKING", "ON", "BCAST"]);
    writer.ok(&["MULTI"]);
    writer.cmd(&["SET", "y", "1"]);
    writer.cmd(&["SET", "x", "1"]);
    writer.array(&["EXEC"]);
    assert_eq!(client.read(), invalidation(&["x", "y"]));
    // Tracking that begins inside a transaction counts for what comes behind it there.
    client.ok(&["CLIENT", "TRACKING", "OFF"]);
    client.ok(&["MULTI"]);
    client.cmd(&["CLIENT", "TRACKING", "ON"]);
    client.cmd(&["GET", "k"]);
    client.cmd(&["SET", "k", "1"]);
    client.array(&["EXEC"]);
    assert_eq!(client.read(), invalidation(&["k"]));
}

#[test]
fn what_a_client_waited_for_is_tracked_once_it_has_it() {
    if forgekv_only("since 7.2 the command is executed again") {
        return;
    }
    let server = start();
    let (mut client, mut writer) = (resp3(&server), server.connect());
    client.ok(&["CLIENT", "TRACKING", "ON"]);
    client.send(&["XREAD", "BLOCK", "0", "STREAMS", "x", "$"]);
    wait_for("it to wait", || writer.text(&["INFO", "clients"]).contains("blocked_clients:1\r\n"));
    writer.text(&["XADD", "x", "1-1", "f", "v"]);
    let mut both = [client.read(), client.read()];
    both.sort();
    assert!(both.contains(&invalidation(&["x"])), "{both:?}");
    writer.text(&["XADD", "x", "1-2", "f", "v"]);
    assert_eq!(client.read(), invalidation(&["x"]));
}

#[test]
fn what_was_flushed_while_nobody_tracked_is_not_told_of_later() {
    let server = Server::start();
    let (mut client, mut other) = (server.connect(), server.connect());
    client.hello(3);
    client.ok(&["CLIENT", "TRACKING", "ON"]);
    client.null(&["GET", "k"]);
    client.ok(&["CLIENT", "TRACKING", "OFF"]);
    other.ok(&["FLUSHALL"]);
    client.ok(&["CLIENT", "TRACKING", "ON"]);
    other.ok(&["SET", "k", "v"]);
    assert_eq!(client.text(&["PING"]), "PONG");
}
