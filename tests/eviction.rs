//! `maxmemory`: the limit holds with every policy, and what the policies delete is gone for good.

use crate::support::{Client, Server, forgekv_only, wait_for, warm_only};

const POLICIES: [&str; 7] = [
    "allkeys-lru",
    "allkeys-lfu",
    "allkeys-random",
    "volatile-lru",
    "volatile-lfu",
    "volatile-random",
    "volatile-ttl",
];

const LIMIT_BYTES: usize = 4 << 20;
const OOM: &str = "OOM command not allowed when used memory > 'maxmemory'.";
const WHY: &str = "the server needs its own arguments";

fn server(policy: &str) -> Server {
    Server::with_args(&["--maxmemory", &LIMIT_BYTES.to_string(), "--maxmemory-policy", policy])
}

/// Writes keys that expire far in the future.
fn fill(client: &mut Client, keys: std::ops::Range<usize>, value_bytes: usize) {
    for n in keys {
        let (name, value) = (format!("key:{n}"), "v".repeat(value_bytes));
        client.ok(&["SET", &name, &value]);
        client.int(&["EXPIRE", &name, &(1_000_000 + n).to_string()]);
    }
}

#[test]
fn every_policy_keeps_the_dataset_at_its_limit() {
    if forgekv_only(WHY) || warm_only("maxmemory bounds what is in RAM") {
        return;
    }
    for policy in POLICIES {
        for value_bytes in [1_000, 20_000] {
            let server = server(policy);
            let mut client = server.connect();
            fill(&mut client, 0..3 * LIMIT_BYTES / value_bytes, value_bytes);
            let held = client.int(&["DBSIZE"]) as usize * value_bytes;
            assert!(held <= LIMIT_BYTES + value_bytes, "{policy}: {held} bytes of values");
            assert!(held >= LIMIT_BYTES * 7 / 10, "{policy}: only {held} bytes of values are left");
        }
    }
}

#[test]
fn one_big_value_makes_room_for_itself() {
    if forgekv_only(WHY) || warm_only("maxmemory bounds what is in RAM") {
        return;
    }
    let server = server("volatile-ttl");
    let mut client = server.connect();
    fill(&mut client, 0..5_000, 1_000);
    let before = client.int(&["DBSIZE"]);
    client.ok(&["SET", "big", &"b".repeat(LIMIT_BYTES / 2)]);
    client.ok(&["SET", "next", "1"]);
    let after = client.int(&["DBSIZE"]);
    assert!(after < before * 6 / 10, "{before} keys, and {after} beside a value of half the limit");
    client.ok(&["SET", "big", &"b".repeat(LIMIT_BYTES / 4)]);
    for n in 0..2_000 {
        client.int(&["APPEND", "big", &format!("{n:01000}")]);
    }
    assert!(client.int(&["DBSIZE"]) < after, "a value that grows in place takes the room of others");
}

#[test]
fn keys_in_use_outlive_the_others() {
    if forgekv_only(WHY) || warm_only("maxmemory bounds what is in RAM") {
        return;
    }
    let server = server("allkeys-lru");
    let mut client = server.connect();
    fill(&mut client, 0..2_000, 1_000);
    wait_for("the clock of access to go on", || client.int(&["OBJECT", "IDLETIME", "key:0"]) >= 2);
    let used: Vec<String> = (0..2_000).step_by(10).map(|n| format!("key:{n}")).collect();
    for name in &used {
        assert_eq!(client.int(&["TOUCH", name]), 1);
    }
    fill(&mut client, 10_000..12_500, 1_000);
    assert!((3_000..4_200).contains(&client.int(&["DBSIZE"])), "some of them had to go");
    let alive = used.iter().filter(|name| client.int(&["EXISTS", name]) == 1).count();
    assert!(alive >= used.len() * 9 / 10, "{alive} of {} keys in use are left", used.len());
}

#[test]
fn noeviction_refuses_what_takes_memory_and_nothing_else() {
    if forgekv_only(WHY) || warm_only("maxmemory bounds what is in RAM") {
        return;
    }
    let server = server("noeviction");
    let mut client = server.connect();
    let mut stored = 0;
    let value = "v".repeat(1_000);
    let refusal = loop {
        let reply = client.cmd(&["SET", &format!("key:{stored}"), &value]);
        match reply.as_error() {
            Some(error) => break error,
            None => stored += 1,
        }
        assert!(stored < 10_000, "the limit never came");
    };
    assert_eq!(refusal, OOM);
    assert!((3_000..4_200).contains(&stored), "{stored} values fit");
    assert_eq!(client.int(&["DBSIZE"]), stored);
    assert_eq!(client.error(&["SET", "key:0", "v"]), OOM, "even a smaller value, as in Redis");
    assert_eq!(client.error(&["COPY", "key:0", "copy"]), OOM);
    assert_eq!(client.error(&["INCR", "counter"]), OOM);
    assert_eq!(client.bulk(&["GET", "key:0"]), value.as_bytes());
    assert_eq!(client.int(&["EXPIRE", "key:0", "100"]), 1);
    client.ok(&["RENAME", "key:0", "other"]);
    for n in 1..100 {
        assert_eq!(client.int(&["DEL", &format!("key:{n}")]), 1);
    }
    client.ok(&["SET", "key:1", "v"]);
}

#[test]
fn volatile_policies_refuse_when_nothing_expires() {
    if forgekv_only(WHY) || warm_only("maxmemory bounds what is in RAM") {
        return;
    }
    let server = server("volatile-lru");
    let mut client = server.connect();
    let value = "v".repeat(1_000);
    let refused = (0..10_000).find_map(|n| client.cmd(&["SET", &format!("key:{n}"), &value]).as_error());
    assert_eq!(refused.as_deref(), Some(OOM));
    let stored = client.int(&["DBSIZE"]);
    // More than one, because the dataset may be over its limit by as much as the last value took.
    let volatile: Vec<String> = (7..12).map(|n| format!("key:{n}")).collect();
    for key in &volatile {
        assert_eq!(client.int(&["EXPIRE", key, "1000"]), 1);
    }
    client.ok(&["SET", "new", &value]);
    let left = volatile.iter().filter(|key| client.int(&["EXISTS", key]) == 1).count() as i64;
    assert!(left < 5, "keys that expire made room");
    assert_eq!(client.int(&["DBSIZE"]), stored + 1 - (5 - left), "only they did");
}

#[test]
fn writers_side_by_side_keep_the_limit() {
    if forgekv_only(WHY) || warm_only("maxmemory bounds what is in RAM") {
        return;
    }
    let server = server("allkeys-random");
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let mut client = server.connect();
            scope.spawn(move || {
                for n in 0..3_000 {
                    client.ok(&["SET", &format!("{thread}:{n}"), &"v".repeat(2_000)]);
                    // While another holds every shard, eviction waits and does not report that memory is full.
                    if n % 50 == 0 {
                        client.array(&["KEYS", "nothing"]);
                    }
                }
            });
        }
    });
    let held = server.connect().int(&["DBSIZE"]) as usize * 2_000;
    assert!((LIMIT_BYTES * 7 / 10..LIMIT_BYTES + 10_000).contains(&held), "{held} bytes of values");
}

#[test]
fn a_limit_that_is_lowered_takes_effect_while_nobody_writes() {
    if forgekv_only("Redis counts its own buffers, which are larger than this")
        || warm_only("maxmemory bounds what is in RAM")
    {
        return;
    }
    let server = Server::start();
    let mut client = server.connect();
    fill(&mut client, 0..8_000, 1_000);
    client.ok(&["CONFIG", "SET", "maxmemory-policy", "volatile-ttl", "maxmemory", &LIMIT_BYTES.to_string()]);
    wait_for("the keys to go", || client.int(&["DBSIZE"]) < 4_200);
    assert!(client.int(&["DBSIZE"]) > 3_000);
    let early = (0..1_000).filter(|n| client.int(&["EXISTS", &format!("key:{n}")]) == 1).count();
    assert!(early < 50, "{early} of the thousand keys that expire first are left");
    client.ok(&["CONFIG", "SET", "maxmemory", "0"]);
    let before = client.int(&["DBSIZE"]);
    fill(&mut client, 10_000..15_000, 1_000);
    assert_eq!(client.int(&["DBSIZE"]), before + 5_000);
}

#[test]
fn evicted_keys_stay_gone_after_a_restart() {
    if forgekv_only(WHY) || warm_only("maxmemory bounds what is in RAM") {
        return;
    }
    let mut server = server("allkeys-lru");
    let mut client = server.connect();
    fill(&mut client, 0..6_000, 1_000);
    let mut before = client.texts(&["KEYS", "*"]);
    assert!(before.len() < 5_000);
    assert!(server.stop().success());
    server.restart();
    let mut after = server.connect().texts(&["KEYS", "*"]);
    before.sort();
    after.sort();
    assert_eq!(after, before);
}
