//! Sorted sets. What has to do with the encoding runs once as a listpack and once as a skiplist.

mod combining;
mod pops;
mod ranges;
mod scans;

use crate::support::{Client, Server, Value, forgekv_only};

const WRONG_TYPE: &str = "WRONGTYPE Operation against a key holding the wrong kind of value";
const SYNTAX: &str = "ERR syntax error";
const NOT_INTEGER: &str = "ERR value is not an integer or out of range";
const NOT_FLOAT: &str = "ERR value is not a valid float";
const NOT_SCORES: &str = "ERR min or max is not a float";
const NOT_MEMBERS: &str = "ERR min or max not valid string range item";

fn start() -> (Server, Client) {
    let server = Server::start();
    let mut client = server.connect();
    limit(&mut client, 128);
    (server, client)
}

fn limit(client: &mut Client, entries: usize) {
    client.ok(&["CONFIG", "SET", "zset-max-listpack-entries", &entries.to_string()]);
}

/// Runs a test with every sorted set in one encoding, then in the other one.
fn each_encoding(test: impl Fn(&mut Client)) {
    for (encoding, entries) in [("listpack", 128), ("skiplist", 0)] {
        let (_server, mut client) = start();
        limit(&mut client, entries);
        run(&mut client, "ZADD probe 1 a");
        assert_eq!(client.text(&["OBJECT", "ENCODING", "probe"]), encoding);
        client.int(&["DEL", "probe"]);
        test(&mut client);
    }
}

fn words(line: &str) -> Vec<&str> {
    line.split(' ').map(|word| if word == "''" { "" } else { word }).collect()
}

#[track_caller]
fn run(client: &mut Client, line: &str) -> Value {
    let reply = client.cmd(&words(line));
    assert!(reply.as_error().is_none(), "{line}: {reply:?}");
    reply
}

/// What commands reply, written as the suite shows values.
#[track_caller]
fn check(client: &mut Client, cases: &[(&str, &str)]) {
    for (line, expected) in cases {
        assert_eq!(format!("{:?}", client.cmd(&words(line))), *expected, "{line}");
    }
}

#[track_caller]
fn check_errors(client: &mut Client, cases: &[(&str, &str)]) {
    for (line, error) in cases {
        assert_eq!(client.error(&words(line)), *error, "{line}");
    }
}

/// Commands whose reply is an array of members, or members and scores, with spaces between them.
#[track_caller]
fn check_texts(client: &mut Client, cases: &[(&str, &str)]) {
    for (line, expected) in cases {
        assert_eq!(client.texts(&words(line)).join(" "), *expected, "{line}");
    }
}

#[test]
fn zadd_counts_new_members_and_with_ch_changed_ones_too() {
    each_encoding(|client| {
        check(
            client,
            &[
                ("ZADD z 1 a 2 b", ":2"),
                ("ZADD z 1 a 3 b 4 c", ":1"),
                ("ZADD z CH 1 a 4 b 5 c 6 d", ":3"),
                ("ZADD z 1 x 2 x 3 x", ":1"),
                ("ZSCORE z x", "\"3\""),
                ("ZCARD z", ":5"),
            ],
        );
        check_texts(client, &[("ZRANGE z 0 -1 WITHSCORES", "a 1 x 3 b 4 c 5 d 6")]);
    });
}

#[test]
fn zadd_nx_xx_gt_and_lt_are_conditions() {
    each_encoding(|client| {
        check(
            client,
            &[
                ("ZADD z XX 1 a", ":0"),
                ("EXISTS z", ":0"),
                ("ZADD z NX 5 a 5 b", ":2"),
                ("ZADD z NX CH 7 a 7 c", ":1"),
                ("ZADD z XX CH 6 a 6 new", ":1"),
                ("ZADD z GT CH 5 a 9 b 1 d", ":2"),
                ("ZADD z LT CH 5 a 10 b 8 e", ":2"),
                ("ZADD z gt xx ch 6 a 100 none", ":1"),
            ],
        );
        check_texts(client, &[("ZRANGE z 0 -1 WITHSCORES", "d 1 a 6 c 7 e 8 b 9")]);
    });
}

#[test]
fn zadd_options_that_exclude_each_other_are_errors() {
    let (_server, mut client) = start();
    check_errors(
        &mut client,
        &[
            ("ZADD z", "ERR wrong number of arguments for 'zadd' command"),
            ("ZADD z 1", "ERR wrong number of arguments for 'zadd' command"),
            ("ZADD z NX XX 1 a", "ERR XX and NX options at the same time are not compatible"),
            ("ZADD z NX GT 1 a", "ERR GT, LT, and/or NX options at the same time are not compatible"),
            ("ZADD z NX LT 1 a", "ERR GT, LT, and/or NX options at the same time are not compatible"),
            ("ZADD z LT GT 1 a", "ERR GT, LT, and/or NX options at the same time are not compatible"),
            ("ZADD z INCR 1 a 2 b", "ERR INCR option supports a single increment-element pair"),
            ("ZADD z 1 a 2", SYNTAX),
            ("ZADD z NX CH", SYNTAX),
            ("ZADD z x a", NOT_FLOAT),
            ("ZADD z nan a", NOT_FLOAT),
            ("ZADD z 1 a '' b", NOT_FLOAT),
            ("ZADD z 1 a 1e400 b", NOT_FLOAT),
            ("ZINCRBY z x a", NOT_FLOAT),
            ("ZINCRBY z NX a", SYNTAX),
            ("ZINCRBY z 1", "ERR wrong number of arguments for 'zincrby' command"),
        ],
    );
    assert_eq!(client.int(&["EXISTS", "z"]), 0);
}

#[test]
fn an_increment_replies_with_the_score_or_null() {
    each_encoding(|client| {
        check(
            client,
            &[
                ("ZINCRBY z 2.5 a", "\"2.5\""),
                ("ZINCRBY z -0.25 a", "\"2.25\""),
                ("ZADD z INCR 1 a", "\"3.25\""),
                ("ZADD z INCR NX 1 a", "$-1"),
                ("ZADD z INCR XX 1 b", "$-1"),
                ("ZADD z INCR GT -1 a", "$-1"),
                ("ZADD z INCR LT -1 a", "\"2.25\""),
                ("ZINCRBY z inf a", "\"inf\""),
                ("ZSCORE z a", "\"inf\""),
            ],
        );
        check_errors(client, &[("ZINCRBY z -inf a", "ERR resulting score is not a number (NaN)")]);
        client.hello(3);
        check(
            client,
            &[
                ("ZINCRBY z 1 b", ",1"),
                ("ZADD z INCR XX 1 none", "_"),
                ("ZADD z INCR 0.5 b", ",1.5"),
                ("ZSCORE z b", ",1.5"),
                ("ZSCORE z none", "_"),
                ("ZSCORE z a", ",inf"),
                ("ZMSCORE z b none", "[,1.5, _]"),
            ],
        );
    });
}

#[test]
fn scores_are_printed_as_the_shortest_text() {
    if forgekv_only("before 7.2 Redis prints 17 digits") {
        return;
    }
    each_encoding(|client| {
        let scores = [
            ("0.1", "0.1"),
            ("3.14", "3.14"),
            ("1e20", "1e+20"),
            ("0.000001", "0.000001"),
            ("1e-7", "1e-7"),
            ("123456789012345678", "123456789012345680"),
            ("0x10", "16"),
            ("-inf", "-inf"),
            ("+Infinity", "inf"),
            ("1.7976931348623157e308", "1.7976931348623157e+308"),
        ];
        for (given, shown) in scores {
            run(client, &format!("ZADD z {given} m"));
            assert_eq!(client.text(&["ZSCORE", "z", "m"]), shown, "{given}");
        }
        run(client, "ZADD y 0.1 a");
        assert_eq!(client.text(&["ZINCRBY", "y", "0.2", "a"]), "0.30000000000000004");
    });
}

#[test]
fn a_long_member_or_many_members_make_a_skiplist() {
    let (_server, mut client) = start();
    client.ok(&["CONFIG", "SET", "zset-max-listpack-value", "64"]);
    let long = "m".repeat(65);
    run(&mut client, &format!("ZADD z 1 {}", &long[1..]));
    check(&mut client, &[("OBJECT ENCODING z", "\"listpack\"")]);
    run(&mut client, &format!("ZADD z 1 {long}"));
    check(&mut client, &[("OBJECT ENCODING z", "\"skiplist\""), ("ZCARD z", ":2")]);
    run(&mut client, &format!("ZREM z {long}"));
    check(&mut client, &[("OBJECT ENCODING z", "\"skiplist\"")]);
    for member in 0..129 {
        let encoding = client.cmd(&["OBJECT", "ENCODING", "y"]);
        assert!(encoding.is_null() || encoding == Value::bulk("listpack"), "{member} members: {encoding:?}");
        run(&mut client, &format!("ZADD y {member} m{member}"));
    }
    check(&mut client, &[("OBJECT ENCODING y", "\"skiplist\""), ("ZRANK y m128", ":128")]);
}

#[test]
fn zrem_removes_and_takes_an_empty_key_away() {
    each_encoding(|client| {
        run(client, "ZADD z 1 a 2 b 3 c");
        check(
            client,
            &[
                ("ZREM z b none b", ":1"),
                ("ZREM none a", ":0"),
                ("ZCARD z", ":2"),
                ("ZREM z a c a", ":2"),
                ("EXISTS z", ":0"),
                ("ZCARD z", ":0"),
            ],
        );
    });
}

#[test]
fn scores_of_members_are_told_and_null_without_them() {
    each_encoding(|client| {
        run(client, "ZADD z 1 a -2.5 b");
        check(
            client,
            &[
                ("ZSCORE z b", "\"-2.5\""),
                ("ZSCORE z none", "$-1"),
                ("ZSCORE none a", "$-1"),
                ("ZMSCORE z a none b", "[\"1\", $-1, \"-2.5\"]"),
                ("ZMSCORE none a b", "[$-1, $-1]"),
            ],
        );
    });
}

#[test]
fn ranks_are_counted_from_either_end() {
    each_encoding(|client| {
        run(client, "ZADD z 1 a 2 b 2 c 3 d");
        check(
            client,
            &[
                ("ZRANK z a", ":0"),
                ("ZRANK z c", ":2"),
                ("ZREVRANK z c", ":1"),
                ("ZREVRANK z d", ":0"),
                ("ZRANK z none", "$-1"),
                ("ZRANK none a", "$-1"),
            ],
        );
    });
}

#[test]
fn a_rank_with_its_score_is_an_array() {
    if forgekv_only("WITHSCORE is an option since 7.2") {
        return;
    }
    each_encoding(|client| {
        run(client, "ZADD z 1 a 2.5 b");
        check(
            client,
            &[
                ("ZRANK z b WITHSCORE", "[:1, \"2.5\"]"),
                ("ZREVRANK z b withscore", "[:0, \"2.5\"]"),
                ("ZRANK z none WITHSCORE", "*-1"),
                ("ZREVRANK none b WITHSCORE", "*-1"),
            ],
        );
        check_errors(
            client,
            &[
                ("ZRANK z a WITHSCORES", SYNTAX),
                ("ZRANK z a WITHSCORE x", "ERR wrong number of arguments for 'zrank' command"),
                ("ZREVRANK z", "ERR wrong number of arguments for 'zrevrank' command"),
            ],
        );
        client.hello(3);
        check(client, &[("ZRANK z b WITHSCORE", "[:1, ,2.5]"), ("ZRANK z none WITHSCORE", "_")]);
    });
}

#[test]
fn resp3_nests_members_and_scores() {
    each_encoding(|client| {
        run(client, "ZADD z 1 a 2.5 b");
        client.hello(3);
        check(
            client,
            &[
                ("ZRANGE z 0 -1", "[\"a\", \"b\"]"),
                ("ZRANGE z 0 -1 WITHSCORES", "[[\"a\", ,1], [\"b\", ,2.5]]"),
                ("ZRANGEBYSCORE z 2 3 WITHSCORES", "[[\"b\", ,2.5]]"),
                ("ZUNION 1 z WITHSCORES", "[[\"a\", ,1], [\"b\", ,2.5]]"),
                ("ZPOPMIN z", "[\"a\", ,1]"),
                ("ZRANDMEMBER z 5 WITHSCORES", "[[\"b\", ,2.5]]"),
                ("ZPOPMIN z 1", "[[\"b\", ,2.5]]"),
                ("ZPOPMIN z", "[]"),
            ],
        );
    });
}

#[test]
fn commands_on_another_type_are_wrongtype() {
    let (_server, mut client) = start();
    client.ok(&["SET", "s", "x"]);
    for line in [
        "ZADD s 1 a",
        "ZINCRBY s 1 a",
        "ZREM s a",
        "ZSCORE s a",
        "ZMSCORE s a",
        "ZCARD s",
        "ZRANK s a",
        "ZREVRANK s a",
        "ZREVRANGE s 0 1",
        "ZRANGEBYSCORE s 0 1",
        "ZREVRANGEBYSCORE s 1 0",
        "ZRANGEBYLEX s - +",
        "ZREVRANGEBYLEX s + -",
        "ZPOPMIN s",
        "ZPOPMAX s 0",
        "ZMPOP 1 s MIN",
        "BZPOPMIN s 1",
        "BZPOPMAX s 1",
        "BZMPOP 1 1 s MIN",
        "ZUNION 1 s",
        "ZINTER 2 none s",
        "ZDIFF 1 s",
        "ZUNIONSTORE d 1 s",
        "ZINTERSTORE d 1 s",
        "ZDIFFSTORE d 1 s",
        "ZINTERCARD 1 s",
        "ZRANDMEMBER s",
        "ZRANDMEMBER s 2",
        "ZSCAN s 0",
    ] {
        assert_eq!(client.error(&words(line)), WRONG_TYPE, "{line}");
    }
}

#[test]
fn what_the_log_says_makes_the_same_sets_again() {
    if forgekv_only("the server is killed and started again") {
        return;
    }
    for entries in ["128", "0"] {
        let mut server =
            Server::with_args(&["--zset-max-listpack-entries", entries, "--wal_sync_mode", "always"]);
        let mut client = server.connect();
        for line in [
            "ZADD z 0.1 a 0.2 b 3 c 4 d 5 e 6 f",
            "ZINCRBY z 0.2 a",
            "ZADD z INCR 1e-17 b",
            "ZADD z INCR GT -1 b",
            "ZPOPMIN z",
            "ZPOPMAX z 2",
            "ZMPOP 2 none z MAX",
            "ZADD y 1 a 2 b 3 c 4 d 5 e",
            "BZPOPMIN none y 0",
            "BZMPOP 0 1 y MAX COUNT 2",
            "ZREMRANGEBYRANK y 0 0",
            "ZADD gone 1 a",
            "ZREM gone a",
            "ZUNIONSTORE u 2 z y WEIGHTS 0.3 3",
            "ZRANGESTORE r u 0 0",
        ] {
            run(&mut client, line);
        }
        let read = |client: &mut Client| -> Vec<String> {
            let keys = ["z", "y", "u", "r", "gone"];
            keys.iter()
                .map(|key| format!("{:?}", run(client, &format!("ZRANGE {key} 0 -1 WITHSCORES"))))
                .collect()
        };
        let before = read(&mut client);
        assert_eq!(before[0], "[\"a\", \"0.30000000000000004\", \"c\", \"3\"]", "{before:?}");
        server.kill_9();
        server.restart();
        assert_eq!(read(&mut server.connect()), before);
    }
}
