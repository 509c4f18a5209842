//! Sorted sets. What has to do with the encoding runs once as a listpack and once as a skiplist.

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

// ----- ZADD, ZINCRBY -----

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

// ----- Members -----

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

// ----- Ranges -----

#[test]
fn ranges_of_ranks_count_from_both_ends() {
    each_encoding(|client| {
        run(client, "ZADD z 1 a 2 b 3 c 4 d 5 e");
        check_texts(
            client,
            &[
                ("ZRANGE z 0 -1", "a b c d e"),
                ("ZRANGE z 1 2", "b c"),
                ("ZRANGE z -2 100", "d e"),
                ("ZRANGE z -100 0", "a"),
                ("ZRANGE z 3 1", ""),
                ("ZRANGE z 5 9", ""),
                ("ZRANGE z 0 1 REV", "e d"),
                ("ZRANGE z 0 1 rev withscores", "e 5 d 4"),
                ("ZREVRANGE z 1 2 WITHSCORES", "d 4 c 3"),
                ("ZRANGE z 0 -1 LIMIT 1 -1", "a b c d e"),
                ("ZRANGE none 0 -1", ""),
            ],
        );
    });
}

#[test]
fn ranges_of_scores_may_leave_their_ends_out() {
    each_encoding(|client| {
        run(client, "ZADD z -inf a 1 b 2 c 3 d 3 e inf f");
        check_texts(
            client,
            &[
                ("ZRANGEBYSCORE z -inf +inf", "a b c d e f"),
                ("ZRANGEBYSCORE z 1 3", "b c d e"),
                ("ZRANGEBYSCORE z (1 3", "c d e"),
                ("ZRANGEBYSCORE z (1 (3", "c"),
                ("ZRANGEBYSCORE z (-inf (inf", "b c d e"),
                ("ZRANGEBYSCORE z 3 1", ""),
                ("ZRANGEBYSCORE z 1 inf LIMIT 1 2", "c d"),
                ("ZRANGEBYSCORE z 1 inf LIMIT 1 -1 WITHSCORES", "c 2 d 3 e 3 f inf"),
                ("ZRANGEBYSCORE z 1 inf LIMIT -1 2", ""),
                ("ZRANGEBYSCORE z 1 inf LIMIT 0 0", ""),
                ("ZREVRANGEBYSCORE z 3 (1", "e d c"),
                ("ZREVRANGEBYSCORE z inf 1 LIMIT 1 2", "e d"),
                ("ZRANGE z (1 3 BYSCORE", "c d e"),
                ("ZRANGE z 3 (1 BYSCORE REV LIMIT 1 1 WITHSCORES", "d 3"),
            ],
        );
        check(
            client,
            &[
                ("ZCOUNT z -inf inf", ":6"),
                ("ZCOUNT z (1 3", ":3"),
                ("ZCOUNT z 4 5", ":0"),
                ("ZCOUNT none 0 1", ":0"),
            ],
        );
    });
}

#[test]
fn ranges_of_members_need_a_sign_at_each_end() {
    each_encoding(|client| {
        run(client, "ZADD z 0 a 0 b 0 bb 0 c 0 '' 0 10");
        check_texts(
            client,
            &[
                ("ZRANGEBYLEX z - +", " 10 a b bb c"),
                ("ZRANGEBYLEX z [b (c", "b bb"),
                ("ZRANGEBYLEX z (b +", "bb c"),
                ("ZRANGEBYLEX z - [1", ""),
                ("ZRANGEBYLEX z + -", ""),
                ("ZRANGEBYLEX z [a + LIMIT 1 2", "b bb"),
                ("ZREVRANGEBYLEX z [bb [a", "bb b a"),
                ("ZREVRANGEBYLEX z + - LIMIT 0 2", "c bb"),
                ("ZRANGE z [b [c BYLEX", "b bb c"),
                ("ZRANGE z [c [b REV BYLEX LIMIT 1 -1", "bb b"),
            ],
        );
        check(
            client,
            &[("ZLEXCOUNT z - +", ":6"), ("ZLEXCOUNT z (a [c", ":3"), ("ZLEXCOUNT none - +", ":0")],
        );
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
fn errors_of_ranges_come_in_redis_order() {
    let (_server, mut client) = start();
    client.ok(&["SET", "s", "x"]);
    let limit = "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX";
    let lex = "ERR syntax error, WITHSCORES not supported in combination with BYLEX";
    check_errors(
        &mut client,
        &[
            ("ZRANGE s a b", NOT_INTEGER),
            ("ZRANGE s 0 1 x", SYNTAX),
            ("ZRANGE s 0 1", WRONG_TYPE),
            ("ZRANGE s 0 1 BYSCORE BYLEX", SYNTAX),
            ("ZRANGE s 0 1 REV REV", SYNTAX),
            ("ZRANGE s 0 1 LIMIT 0 1", limit),
            ("ZRANGE s 0 1 LIMIT a 1", NOT_INTEGER),
            ("ZRANGE s 0 1 LIMIT 0", SYNTAX),
            ("ZRANGE s - + BYLEX WITHSCORES", lex),
            ("ZRANGE s 0 1 BYLEX", NOT_MEMBERS),
            ("ZRANGE s x 1 BYSCORE", NOT_SCORES),
            ("ZREVRANGE s 0 1 REV", SYNTAX),
            ("ZREVRANGE s 0 1 BYSCORE", SYNTAX),
            ("ZRANGEBYLEX s - + WITHSCORES", lex),
            ("ZRANGEBYSCORE s nan 1", NOT_SCORES),
            ("ZCOUNT s x 1", NOT_SCORES),
            ("ZCOUNT s 0 1", WRONG_TYPE),
            ("ZLEXCOUNT s a b", NOT_MEMBERS),
            ("ZRANGESTORE d s 0 1 WITHSCORES", SYNTAX),
            ("ZRANGESTORE d s 0 1", WRONG_TYPE),
            ("ZREMRANGEBYRANK s a 1", NOT_INTEGER),
            ("ZREMRANGEBYRANK s 0 1", WRONG_TYPE),
            ("ZREMRANGEBYSCORE s x 1", NOT_SCORES),
            ("ZREMRANGEBYLEX s x y", NOT_MEMBERS),
        ],
    );
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
fn zrangestore_replaces_the_destination_or_deletes_it() {
    each_encoding(|client| {
        run(client, "ZADD z 1 a 2 b 3 c");
        run(client, "SET d x EX 100");
        check(client, &[("ZRANGESTORE d z 0 1 REV", ":2"), ("TTL d", ":-1")]);
        check_texts(client, &[("ZRANGE d 0 -1 WITHSCORES", "b 2 c 3")]);
        check(
            client,
            &[
                ("ZRANGESTORE z z (1 +inf BYSCORE LIMIT 1 1", ":1"),
                ("ZSCORE z c", "\"3\""),
                ("ZCARD z", ":1"),
                ("ZRANGESTORE d z 5 6", ":0"),
                ("EXISTS d", ":0"),
                ("ZRANGESTORE z none 0 -1", ":0"),
                ("EXISTS z", ":0"),
            ],
        );
    });
}

#[test]
fn removed_ranges_are_counted_and_an_empty_key_goes() {
    each_encoding(|client| {
        run(client, "ZADD z 0 a 0 b 0 c 0 d 5 e 6 f 7 g");
        check(
            client,
            &[
                ("ZREMRANGEBYRANK z -1 -1", ":1"),
                ("ZREMRANGEBYRANK z 9 10", ":0"),
                ("ZREMRANGEBYSCORE z (5 inf", ":1"),
                ("ZREMRANGEBYLEX z [a (c", ":2"),
                ("ZCARD z", ":3"),
                ("ZREMRANGEBYSCORE z -inf +inf", ":3"),
                ("EXISTS z", ":0"),
                ("ZREMRANGEBYLEX z - +", ":0"),
            ],
        );
    });
}

#[test]
fn zquery_begins_at_a_score_and_member() {
    if forgekv_only("ZQUERY is a command of its own") {
        return;
    }
    each_encoding(|client| {
        run(client, "ZADD z 1 a 1 b 2 c 3 d");
        check_texts(
            client,
            &[
                ("ZQUERY z 1 '' 0 10", "a 1 b 1 c 2 d 3"),
                ("ZQUERY z 1 b 0 10", "b 1 c 2 d 3"),
                ("ZQUERY z 1 bb 0 1", "c 2"),
                ("ZQUERY z 1 '' 1 2", "b 1 c 2"),
                ("ZQUERY z -inf '' 0 -1", "a 1 b 1 c 2 d 3"),
                ("ZQUERY z 3 e 0 -1", ""),
                ("ZQUERY z 1 '' 0 0", ""),
                ("ZQUERY z 1 '' -1 5", ""),
                ("ZQUERY none 1 '' 0 10", ""),
            ],
        );
        check_errors(
            client,
            &[
                ("ZQUERY z x '' 0 10", NOT_FLOAT),
                ("ZQUERY z 1 '' x 10", NOT_INTEGER),
                ("ZQUERY z 1 '' 0", "ERR wrong number of arguments for 'zquery' command"),
            ],
        );
        client.ok(&["SET", "s", "x"]);
        check_errors(client, &[("ZQUERY s 1 '' 0 10", WRONG_TYPE)]);
    });
}

// ----- Popping -----

#[test]
fn popped_members_come_from_the_asked_end() {
    each_encoding(|client| {
        run(client, "ZADD z 1 a 2 b 3 c 4 d 5 e");
        check(
            client,
            &[
                ("ZPOPMIN z", "[\"a\", \"1\"]"),
                ("ZPOPMAX z 2", "[\"e\", \"5\", \"d\", \"4\"]"),
                ("ZPOPMIN z 0", "[]"),
                ("ZPOPMIN none", "[]"),
                ("ZPOPMAX none 3", "[]"),
                ("ZPOPMIN z 100", "[\"b\", \"2\", \"c\", \"3\"]"),
                ("EXISTS z", ":0"),
            ],
        );
        let positive = "ERR value is out of range, must be positive";
        check_errors(
            client,
            &[("ZPOPMIN z -1", positive), ("ZPOPMIN z x", positive), ("ZPOPMAX z 1 2", SYNTAX)],
        );
    });
}

#[test]
fn zmpop_takes_from_the_first_key_that_has_members() {
    each_encoding(|client| {
        run(client, "ZADD y 1 a 2 b 3 c");
        run(client, "ZADD z 9 x");
        check(
            client,
            &[
                ("ZMPOP 3 none y z MIN", "[\"y\", [[\"a\", \"1\"]]]"),
                ("ZMPOP 2 y z MAX COUNT 10", "[\"y\", [[\"c\", \"3\"], [\"b\", \"2\"]]]"),
                ("ZMPOP 2 y z max count 1", "[\"z\", [[\"x\", \"9\"]]]"),
                ("ZMPOP 2 y z MIN", "*-1"),
                ("EXISTS y z", ":0"),
            ],
        );
        check_errors(
            client,
            &[
                ("ZMPOP 0 z MIN", "ERR numkeys should be greater than 0"),
                ("ZMPOP x z MIN", "ERR numkeys should be greater than 0"),
                ("ZMPOP 2 z MIN", SYNTAX),
                ("ZMPOP 9223372036854775807 z MIN", SYNTAX),
                ("ZMPOP 1 z MIDDLE", SYNTAX),
                ("ZMPOP 1 z MIN COUNT 0", "ERR count should be greater than 0"),
                ("ZMPOP 1 z MIN COUNT", SYNTAX),
                ("ZMPOP 1 z MIN COUNT 1 COUNT 1", SYNTAX),
                ("ZMPOP 1 z", "ERR wrong number of arguments for 'zmpop' command"),
            ],
        );
    });
}

#[test]
fn a_pop_that_may_wait_takes_what_is_there_at_once() {
    each_encoding(|client| {
        run(client, "ZADD z 1 a 2 b 3 c 4 d");
        check(
            client,
            &[
                ("BZPOPMIN none z 0", "[\"z\", \"a\", \"1\"]"),
                ("BZPOPMAX none z 0.5", "[\"z\", \"d\", \"4\"]"),
                ("BZMPOP 1 2 none z MAX", "[\"z\", [[\"c\", \"3\"]]]"),
                ("BZMPOP 0 1 z MIN COUNT 5", "[\"z\", [[\"b\", \"2\"]]]"),
                ("BZPOPMIN z 0.01", "*-1"),
                ("BZMPOP 0.01 1 z MIN", "*-1"),
            ],
        );
        check_errors(
            client,
            &[
                ("BZPOPMIN z x", "ERR timeout is not a float or out of range"),
                ("BZPOPMAX z -1", "ERR timeout is negative"),
                ("BZMPOP x 1 z MIDDLE", SYNTAX),
                ("BZMPOP x 1 z MIN", "ERR timeout is not a float or out of range"),
                ("BZMPOP 1 0 z MIN", "ERR numkeys should be greater than 0"),
            ],
        );
        client.hello(3);
        run(client, "ZADD z 1.5 a 2 b");
        check(
            client,
            &[("BZPOPMIN z 0", "[\"z\", \"a\", ,1.5]"), ("BZMPOP 0 1 z MIN", "[\"z\", [[\"b\", ,2]]]")],
        );
    });
}

// ----- Combining -----

#[test]
fn union_intersection_and_difference_combine_scores() {
    each_encoding(|client| {
        run(client, "ZADD x 1 a 2 b 3 c");
        run(client, "ZADD y 10 b 20 c 30 d");
        check_texts(
            client,
            &[
                ("ZUNION 2 x y", "a b c d"),
                ("ZUNION 2 x y WITHSCORES", "a 1 b 12 c 23 d 30"),
                ("ZUNION 2 x y WEIGHTS 2 0.5 WITHSCORES", "a 2 b 9 d 15 c 16"),
                ("ZUNION 3 x y none AGGREGATE MAX WITHSCORES", "a 1 b 10 c 20 d 30"),
                ("ZINTER 2 x y WITHSCORES", "b 12 c 23"),
                ("ZINTER 2 x y AGGREGATE MIN WEIGHTS 1 -1 WITHSCORES", "c -20 b -10"),
                ("ZINTER 2 x x WITHSCORES", "a 2 b 4 c 6"),
                ("ZINTER 2 x none", ""),
                ("ZDIFF 2 x y WITHSCORES", "a 1"),
                ("ZDIFF 2 none x", ""),
                ("ZDIFF 1 x", "a b c"),
            ],
        );
        check(
            client,
            &[
                ("ZINTERCARD 2 x y", ":2"),
                ("ZINTERCARD 2 x y LIMIT 1", ":1"),
                ("ZINTERCARD 2 x y LIMIT 0", ":2"),
                ("ZINTERCARD 2 x none", ":0"),
            ],
        );
    });
}

#[test]
fn a_set_is_an_input_whose_scores_are_one() {
    each_encoding(|client| {
        run(client, "ZADD x 1 a 2 b");
        run(client, "SADD s b c 5");
        check_texts(
            client,
            &[
                ("ZUNION 2 x s WITHSCORES", "5 1 a 1 c 1 b 3"),
                ("ZINTER 2 s x WEIGHTS 10 1 WITHSCORES", "b 12"),
                ("ZDIFF 2 x s", "a"),
            ],
        );
        check(client, &[("ZUNIONSTORE s 2 x s", ":4"), ("TYPE s", "+zset"), ("ZINTERCARD 2 x s", ":2")]);
    });
}

#[test]
fn infinities_that_cancel_out_are_zero() {
    each_encoding(|client| {
        run(client, "ZADD x inf a 0 b");
        run(client, "ZADD y -inf a inf b");
        check_texts(
            client,
            &[
                ("ZUNION 2 x y WITHSCORES", "a 0 b inf"),
                ("ZUNION 1 x WEIGHTS 0 WITHSCORES", "a 0 b 0"),
                ("ZINTER 2 x y WEIGHTS inf 1 WITHSCORES", "a 0 b inf"),
            ],
        );
    });
}

#[test]
fn stored_results_replace_the_destination_or_delete_it() {
    each_encoding(|client| {
        run(client, "ZADD x 1 a 2 b");
        run(client, "ZADD y 10 b 20 c");
        run(client, "SET d x EX 100");
        check(client, &[("ZUNIONSTORE d 2 x y", ":3"), ("TTL d", ":-1")]);
        check_texts(client, &[("ZRANGE d 0 -1 WITHSCORES", "a 1 b 12 c 20")]);
        check(client, &[("ZINTERSTORE x 2 x y AGGREGATE MAX", ":1")]);
        check_texts(client, &[("ZRANGE x 0 -1 WITHSCORES", "b 10")]);
        check(
            client,
            &[
                ("ZDIFFSTORE d 2 d y", ":1"),
                ("ZDIFFSTORE d 2 d d", ":0"),
                ("EXISTS d", ":0"),
                ("ZINTERSTORE y 2 y none", ":0"),
                ("EXISTS y", ":0"),
            ],
        );
    });
}

#[test]
fn errors_of_combinations_come_in_redis_order() {
    let (_server, mut client) = start();
    client.ok(&["SET", "s", "x"]);
    check_errors(
        &mut client,
        &[
            ("ZUNION x a", NOT_INTEGER),
            ("ZUNION 0 a", "ERR at least 1 input key is needed for 'zunion' command"),
            ("ZINTERSTORE d -1 a", "ERR at least 1 input key is needed for 'zinterstore' command"),
            ("ZINTERCARD 0 a", "ERR at least 1 input key is needed for 'zintercard' command"),
            ("ZUNION 2 a", SYNTAX),
            ("ZUNION 9223372036854775807 a", SYNTAX),
            ("ZUNION 1 s NONSENSE", WRONG_TYPE),
            ("ZUNION 1 a WEIGHTS", SYNTAX),
            ("ZUNION 1 a WEIGHTS x", "ERR weight value is not a float"),
            ("ZUNION 2 a b WEIGHTS 1", SYNTAX),
            ("ZUNION 1 a AGGREGATE AVG", SYNTAX),
            ("ZUNIONSTORE d 1 a WITHSCORES", SYNTAX),
            ("ZDIFF 1 a WEIGHTS 1", SYNTAX),
            ("ZDIFF 1 a AGGREGATE SUM", SYNTAX),
            ("ZINTERCARD 1 a LIMIT -1", "ERR LIMIT can't be negative"),
            ("ZINTERCARD 1 a LIMIT x", "ERR LIMIT can't be negative"),
            ("ZINTERCARD 1 a WITHSCORES", SYNTAX),
            ("ZINTER 1 a LIMIT 1", SYNTAX),
        ],
    );
}

// ----- By chance, and little by little -----

#[test]
fn zrandmember_draws_members_of_the_set() {
    each_encoding(|client| {
        run(client, "ZADD z 1 a 2 b 3 c");
        let member = client.text(&["ZRANDMEMBER", "z"]);
        assert!(["a", "b", "c"].contains(&member.as_str()), "{member}");
        let mut two = client.texts(&["ZRANDMEMBER", "z", "2"]);
        two.dedup();
        assert_eq!(two.len(), 2);
        let mut all = client.texts(&["ZRANDMEMBER", "z", "10"]);
        all.sort();
        assert_eq!(all, ["a", "b", "c"]);
        let drawn = client.texts(&["ZRANDMEMBER", "z", "-50", "WITHSCORES"]);
        assert_eq!(drawn.len(), 100);
        let is_element = |pair: &[String]| {
            [["a", "1"], ["b", "2"], ["c", "3"]].contains(&[pair[0].as_str(), pair[1].as_str()])
        };
        assert!(drawn.chunks(2).all(is_element), "{drawn:?}");
        let seen = |member: &str| drawn.iter().any(|text| text == member);
        assert!(seen("a") && seen("b") && seen("c"), "50 draws miss one of three: {drawn:?}");
        check(
            client,
            &[
                ("ZRANDMEMBER none", "$-1"),
                ("ZRANDMEMBER none 2", "[]"),
                ("ZRANDMEMBER z 0", "[]"),
                ("ZRANDMEMBER z 0 WITHSCORES", "[]"),
            ],
        );
        let range =
            "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807";
        check_errors(
            client,
            &[
                ("ZRANDMEMBER z x", NOT_INTEGER),
                ("ZRANDMEMBER z 1 x", SYNTAX),
                ("ZRANDMEMBER z 1 WITHSCORES x", SYNTAX),
                ("ZRANDMEMBER z -9223372036854775808", range),
                ("ZRANDMEMBER z -9223372036854775807 WITHSCORES", "ERR value is out of range"),
            ],
        );
    });
}

#[test]
fn a_count_of_repetitions_is_bounded() {
    if forgekv_only("Redis fills its memory") {
        return;
    }
    let (_server, mut client) = start();
    run(&mut client, "ZADD z 1 a");
    check_errors(&mut client, &[("ZRANDMEMBER z -9223372036854775807", "ERR value is out of range")]);
}

/// Goes through a sorted set as ZSCAN does, and gives members and scores, in order and each once.
fn scan(client: &mut Client, key: &str, options: &str) -> Vec<(String, String)> {
    let (mut cursor, mut all) = ("0".to_owned(), Vec::new());
    loop {
        let reply = run(client, format!("ZSCAN {key} {cursor} {options}").trim_end());
        let [next, elements] = reply.items().unwrap() else { panic!("{reply:?}") };
        let text = |value: &Value| String::from_utf8(value.as_bytes().unwrap().to_vec()).unwrap();
        let elements: Vec<String> = elements.items().unwrap().iter().map(text).collect();
        all.extend(elements.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())));
        cursor = text(next);
        if cursor == "0" {
            all.sort();
            all.dedup();
            return all;
        }
    }
}

#[test]
fn zscan_shows_every_element_of_a_set_of_any_size() {
    each_encoding(|client| {
        for count in [1, 100, 1500] {
            for first in (0..count).step_by(50) {
                let members = (first..count.min(first + 50)).map(|number| format!(" {number} m{number}"));
                run(client, &format!("ZADD z{}", members.collect::<String>()));
            }
            let mut expected: Vec<_> =
                (0..count).map(|number| (format!("m{number}"), number.to_string())).collect();
            expected.sort();
            assert_eq!(scan(client, "z", ""), expected);
            assert_eq!(scan(client, "z", "COUNT 1000"), expected);
            let tens = expected.iter().filter(|(member, _)| member.len() == 3 && member.ends_with('0'));
            assert_eq!(scan(client, "z", "MATCH m?0 COUNT 100"), tens.cloned().collect::<Vec<_>>());
        }
    });
}

#[test]
fn errors_of_zscan_come_in_redis_order() {
    let (_server, mut client) = start();
    run(&mut client, "ZADD z 1 a");
    check(&mut client, &[("ZSCAN none 0 NONSENSE", "[\"0\", []]"), ("ZSCAN z 0 MATCH b*", "[\"0\", []]")]);
    check_errors(
        &mut client,
        &[
            ("ZSCAN none x", "ERR invalid cursor"),
            ("ZSCAN z 0 COUNT 0", SYNTAX),
            ("ZSCAN z 0 COUNT x", NOT_INTEGER),
            ("ZSCAN z 0 MATCH", SYNTAX),
            ("ZSCAN z 0 NONSENSE", SYNTAX),
        ],
    );
}

#[test]
fn scores_of_a_scan_are_those_of_the_encoding() {
    if forgekv_only("before 7.2 both encodings have 17 digits") {
        return;
    }
    let (_server, mut client) = start();
    run(&mut client, "ZADD z 0.1 a");
    check(&mut client, &[("ZSCAN z 0", "[\"0\", [\"a\", \"0.1\"]]")]);
    limit(&mut client, 0);
    run(&mut client, "ZADD z 1e-5 b");
    assert_eq!(
        scan(&mut client, "z", ""),
        [("a", "0.10000000000000001"), ("b", "1.0000000000000001e-05")]
            .map(|(member, score)| (member.to_owned(), score.to_owned()))
    );
    client.hello(3);
    run(&mut client, "ZREM z b");
    check(&mut client, &[("ZSCAN z 0", "[\"0\", [\"a\", \"0.10000000000000001\"]]")]);
}

// ----- Log and disk -----

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
