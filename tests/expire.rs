//! EXPIRE, PEXPIRE, EXPIREAT and PEXPIREAT with their options; TTL, PTTL, EXPIRETIME, PEXPIRETIME; PERSIST; and that
//! expired keys are gone, whoever looks.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::support::{Client, Server, forgekv_only, wait_for, warm_only};

/// A time far away, as EXPIREAT and its like take it, in milliseconds: the year 3026.
const FAR_MS: i64 = 33_333_333_333_333;

fn client() -> (Server, Client) {
    let server = Server::start();
    let client = server.connect();
    (server, client)
}

fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64
}

/// What each of the four commands takes to let a key expire at `when_ms`.
fn argument(name: &str, when_ms: i64) -> String {
    match name {
        "EXPIRE" => (when_ms - now_ms()) / 1000,
        "PEXPIRE" => when_ms - now_ms(),
        "EXPIREAT" => when_ms / 1000,
        _ => when_ms,
    }
    .to_string()
}

const SETTERS: [&str; 4] = ["EXPIRE", "PEXPIRE", "EXPIREAT", "PEXPIREAT"];

#[test]
fn every_setter_sets_the_time_it_was_given() {
    let (_server, mut client) = client();
    for name in SETTERS {
        client.ok(&["SET", "a", "1"]);
        let when_ms = now_ms() + 100_000;
        assert_eq!(client.int(&[name, "a", &argument(name, when_ms)]), 1);
        let told_ms = client.int(&["PEXPIRETIME", "a"]);
        assert!((told_ms - when_ms).abs() < 3_000, "{name}: {told_ms} is not {when_ms}");
        assert_eq!(client.bulk(&["GET", "a"]), b"1");
        assert_eq!(client.int(&[name, "missing", "100"]), 0);
    }
}

#[test]
fn the_time_to_live_is_told_in_four_ways() {
    let (_server, mut client) = client();
    client.ok(&["SET", "a", "1"]);
    for name in ["TTL", "PTTL", "EXPIRETIME", "PEXPIRETIME"] {
        assert_eq!(client.int(&[name, "missing"]), -2);
        assert_eq!(client.int(&[name, "a"]), -1);
    }
    client.int(&["PEXPIREAT", "a", &(FAR_MS + 499).to_string()]);
    assert_eq!(client.int(&["PEXPIRETIME", "a"]), FAR_MS + 499);
    assert_eq!(client.int(&["EXPIRETIME", "a"]), (FAR_MS + 499 + 500) / 1000, "seconds are rounded");
    client.int(&["PEXPIRE", "a", "100499"]);
    assert!((100_000..=100_499).contains(&client.int(&["PTTL", "a"])));
    assert_eq!(client.int(&["TTL", "a"]), 100);
    client.int(&["PEXPIRE", "a", "100999"]);
    assert_eq!(client.int(&["TTL", "a"]), 101, "seconds are rounded");
}

#[test]
fn a_time_in_the_past_deletes_the_key() {
    let (_server, mut client) = client();
    for name in SETTERS {
        for past in ["0", "-1", "-9223372036854775"] {
            client.ok(&["SET", "a", "1"]);
            assert_eq!(client.int(&[name, "a", past]), 1);
            assert_eq!(client.int(&["EXISTS", "a"]), 0, "{name} {past}");
        }
    }
    for (name, past) in [("EXPIREAT", now_ms() / 1000 - 1), ("PEXPIREAT", now_ms() - 1)] {
        client.ok(&["SET", "a", "1"]);
        assert_eq!(client.int(&[name, "a", &past.to_string()]), 1);
        assert_eq!(client.int(&["DBSIZE"]), 0, "{name}");
    }
}

#[test]
fn times_beyond_the_calendar_are_refused() {
    let (_server, mut client) = client();
    client.ok(&["SET", "a", "1"]);
    let (max, min) = (i64::MAX.to_string(), i64::MIN.to_string());
    for (name, amount) in [
        ("EXPIRE", &max),
        ("EXPIRE", &min),
        ("EXPIRE", &(i64::MAX / 1000).to_string()),
        ("PEXPIRE", &max),
        ("EXPIREAT", &max),
        ("EXPIREAT", &min),
    ] {
        let error = format!("ERR invalid expire time in '{}' command", name.to_lowercase());
        assert_eq!(client.error(&[name, "a", amount]), error, "{amount}");
        assert_eq!(client.error(&[name, "missing", amount]), error, "{amount}");
    }
    assert_eq!(client.int(&["TTL", "a"]), -1);
    assert_eq!(client.int(&["PEXPIREAT", "a", &max]), 1);
    assert_eq!(client.int(&["PEXPIRETIME", "a"]), i64::MAX);
    assert_eq!(client.int(&["EXPIRETIME", "a"]), i64::MAX / 1000 + 1);
    assert_eq!(client.int(&["PEXPIRE", "a", &min]), 1);
    assert_eq!(client.int(&["EXISTS", "a"]), 0);
}

#[test]
fn amounts_and_options_are_checked() {
    let (_server, mut client) = client();
    client.ok(&["SET", "a", "1"]);
    for name in SETTERS {
        for amount in ["x", "1.5", "", "9223372036854775808", " 1"] {
            assert_eq!(client.error(&[name, "a", amount]), "ERR value is not an integer or out of range");
        }
        let arity = format!("ERR wrong number of arguments for '{}' command", name.to_lowercase());
        assert_eq!(client.error(&[name, "a"]), arity);
        assert_eq!(client.error(&[name, "a", "x", "NX", "foo"]), "ERR Unsupported option foo");
        for options in [["NX", "XX"], ["NX", "GT"], ["lt", "nx"]] {
            assert_eq!(
                client.error(&[name, "a", "100", options[0], options[1]]),
                "ERR NX and XX, GT or LT options at the same time are not compatible"
            );
        }
        assert_eq!(
            client.error(&[name, "a", "100", "XX", "GT", "LT"]),
            "ERR GT and LT options at the same time are not compatible"
        );
    }
    assert_eq!(client.int(&["TTL", "a"]), -1);
}

/// Whether a setter with these options changes a key that expires at `current`.
#[track_caller]
fn check_condition(
    client: &mut Client,
    options: &[&str],
    current: Option<i64>,
    when_ms: i64,
    expected: bool,
) {
    for name in SETTERS {
        client.ok(&["SET", "a", "1"]);
        if let Some(at_ms) = current {
            client.int(&["PEXPIREAT", "a", &at_ms.to_string()]);
        }
        let argument = argument(name, when_ms);
        let argv = [&[name, "a", &argument], options].concat();
        assert_eq!(client.int(&argv), i64::from(expected), "{argv:?} with {current:?}");
        let told_ms = client.int(&["PEXPIRETIME", "a"]);
        match current {
            Some(at_ms) if !expected => assert_eq!(told_ms, at_ms, "{argv:?}"),
            None if !expected => assert_eq!(told_ms, -1, "{argv:?}"),
            _ => assert!((told_ms - when_ms).abs() < 3_000, "{argv:?}: {told_ms}"),
        }
    }
}

#[test]
fn nx_and_xx_ask_whether_there_is_a_time() {
    let (_server, mut client) = client();
    check_condition(&mut client, &["NX"], None, FAR_MS, true);
    check_condition(&mut client, &["NX"], Some(FAR_MS), FAR_MS + 100_000, false);
    check_condition(&mut client, &["XX"], None, FAR_MS, false);
    check_condition(&mut client, &["xx"], Some(FAR_MS), FAR_MS + 100_000, true);
}

#[test]
fn gt_and_lt_compare_with_the_time_there_is() {
    let (_server, mut client) = client();
    for (options, later, earlier) in
        [(&["GT"][..], true, false), (&["lt"], false, true), (&["XX", "GT"], true, false)]
    {
        check_condition(&mut client, options, Some(FAR_MS), FAR_MS + 100_000, later);
        check_condition(&mut client, options, Some(FAR_MS), FAR_MS - 100_000, earlier);
    }
    // A key without a time lasts longer than any other.
    check_condition(&mut client, &["GT"], None, FAR_MS, false);
    check_condition(&mut client, &["LT"], None, FAR_MS, true);
    check_condition(&mut client, &["XX", "LT"], None, FAR_MS, false);
    client.ok(&["SET", "a", "1"]);
    client.int(&["PEXPIREAT", "a", &FAR_MS.to_string()]);
    for option in ["GT", "LT"] {
        assert_eq!(client.int(&["PEXPIREAT", "a", &FAR_MS.to_string(), option]), 0, "{option} the same time");
    }
}

#[test]
fn a_condition_holds_a_time_in_the_past_back() {
    let (_server, mut client) = client();
    client.ok(&["SET", "a", "1"]);
    assert_eq!(client.int(&["EXPIRE", "a", "-1", "XX"]), 0);
    assert_eq!(client.int(&["EXPIRE", "a", "-1", "GT"]), 0);
    assert_eq!(client.int(&["EXISTS", "a"]), 1);
    assert_eq!(client.int(&["EXPIRE", "a", "-1", "LT"]), 1);
    assert_eq!(client.int(&["EXISTS", "a"]), 0);
}

#[test]
fn persist_takes_the_time_away() {
    let (_server, mut client) = client();
    assert_eq!(client.int(&["PERSIST", "a"]), 0);
    client.ok(&["SET", "a", "1"]);
    assert_eq!(client.int(&["PERSIST", "a"]), 0);
    client.int(&["EXPIRE", "a", "100"]);
    assert_eq!(client.int(&["PERSIST", "a"]), 1);
    assert_eq!(client.int(&["TTL", "a"]), -1);
    assert_eq!(client.int(&["PERSIST", "a"]), 0);
    assert_eq!(client.bulk(&["GET", "a"]), b"1");
}

#[test]
fn overwriting_a_key_takes_its_time_away_and_changing_it_does_not() {
    let (_server, mut client) = client();
    client.ok(&["SET", "a", "1"]);
    client.int(&["EXPIRE", "a", "100"]);
    client.int(&["INCR", "a"]);
    client.int(&["APPEND", "a", "x"]);
    assert_eq!(client.int(&["TTL", "a"]), 100);
    client.ok(&["SET", "a", "1"]);
    assert_eq!(client.int(&["TTL", "a"]), -1);
}

#[test]
fn an_expired_key_is_gone_for_every_command() {
    let (_server, mut client) = client();
    for argv in [
        &["GET", "a"][..],
        &["EXISTS", "a"],
        &["TTL", "a"],
        &["TYPE", "a"],
        &["OBJECT", "ENCODING", "a"],
        &["DEL", "a"],
        &["TOUCH", "a"],
        &["EXPIRE", "a", "100"],
        &["PERSIST", "a"],
        &["COPY", "a", "b"],
        &["MOVE", "a", "1"],
        &["KEYS", "*"],
        &["SCAN", "0", "COUNT", "100"],
        &["RANDOMKEY"],
        &["RENAME", "a", "b"],
    ] {
        let expected = format!("{:?}", client.cmd(argv));
        client.ok(&["SET", "a", "1"]);
        client.int(&["PEXPIRE", "a", "1"]);
        // Whichever of the two removes it, the command under test or active expiry, it must not be seen.
        wait_for("a millisecond", || client.array(&["KEYS", "a"]).is_empty());
        assert_eq!(format!("{:?}", client.cmd(argv)), expected, "{argv:?}");
    }
}

#[test]
fn an_expired_key_goes_by_itself_among_many_that_have_not() {
    if forgekv_only("Redis finds expired keys by sampling, which takes seconds here")
        || warm_only("a key that is on disk only may take a second")
    {
        return;
    }
    const OTHERS: i64 = 100_000;
    let (_server, mut client) = client();
    for start in (0..OTHERS).step_by(5_000) {
        let commands: Vec<Vec<String>> = (start..start + 5_000)
            .flat_map(|n| {
                let (key, at) = (format!("key:{n}"), (FAR_MS + n).to_string());
                [vec!["SET".to_owned(), key.clone(), "v".to_owned()], vec!["PEXPIREAT".to_owned(), key, at]]
            })
            .collect();
        client.pipeline(&commands);
    }
    assert_eq!(client.int(&["DBSIZE"]), OTHERS);
    let mut slowest = Duration::ZERO;
    for _ in 0..5 {
        client.ok(&["SET", "soon", "v"]);
        client.int(&["PEXPIRE", "soon", "20"]);
        let began = std::time::Instant::now();
        wait_for("active expiry", || client.int(&["DBSIZE"]) == OTHERS);
        slowest = slowest.max(began.elapsed());
    }
    // 20 ms to live, at most 50 ms to the next tick; the rest is for a machine that does other things too.
    assert!(slowest < Duration::from_millis(1000), "it took {slowest:?}");
}

#[test]
fn times_and_what_expired_survive_a_restart() {
    if forgekv_only("it restarts its server") {
        return;
    }
    let mut server = Server::start();
    let mut client = server.connect();
    for key in ["relative", "absolute", "persistent", "past", "short", "again"] {
        client.ok(&["SET", key, "1"]);
    }
    client.int(&["EXPIRE", "relative", "100"]);
    client.int(&["PEXPIREAT", "absolute", &FAR_MS.to_string()]);
    client.int(&["EXPIRE", "persistent", "100"]);
    client.int(&["PERSIST", "persistent"]);
    client.int(&["EXPIRE", "past", "-5"]);
    client.int(&["PEXPIRE", "short", "10"]);
    client.int(&["PEXPIRE", "again", "10"]);
    wait_for("both to expire", || client.int(&["DBSIZE"]) == 3);
    client.ok(&["SET", "again", "2"]);
    let relative_ms = client.int(&["PEXPIRETIME", "relative"]);
    assert!(server.stop().success());
    server.restart();
    let mut client = server.connect();
    assert_eq!(client.int(&["PEXPIRETIME", "relative"]), relative_ms);
    assert_eq!(client.int(&["PEXPIRETIME", "absolute"]), FAR_MS);
    assert_eq!(client.int(&["TTL", "persistent"]), -1);
    assert_eq!(client.bulk(&["GET", "again"]), b"2");
    assert_eq!(client.int(&["TTL", "again"]), -1);
    assert_eq!(client.int(&["DBSIZE"]), 4);
}

#[test]
fn a_key_whose_time_passes_while_the_server_is_down_is_not_served() {
    if forgekv_only("it restarts its server") {
        return;
    }
    let mut server = Server::start();
    let mut client = server.connect();
    client.ok(&["SET", "a", "1"]);
    client.ok(&["SET", "b", "1"]);
    let at_ms = now_ms() + 300;
    client.int(&["PEXPIREAT", "a", &at_ms.to_string()]);
    assert!(server.stop().success());
    wait_for("its time", || now_ms() > at_ms);
    server.restart();
    let mut client = server.connect();
    client.null(&["GET", "a"]);
    assert_eq!(client.int(&["DBSIZE"]), 1);
}
