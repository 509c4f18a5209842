//! Ranges of ranks, scores and members: read, stored and removed.

use super::{
    NOT_FLOAT, NOT_INTEGER, NOT_MEMBERS, NOT_SCORES, SYNTAX, WRONG_TYPE, check, check_errors, check_texts,
    each_encoding, run, start, words,
};
use crate::support::{forgekv_only, wait_for};

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

#[test]
fn most_of_a_big_sorted_set_goes_at_once_and_may_come_again() {
    let (_server, mut client) = start();
    for (line, removed) in [
        ("ZREMRANGEBYRANK z 100 5899", 5_800),
        ("ZREMRANGEBYSCORE z -inf (5900", 5_900),
        ("ZREMRANGEBYSCORE z 100 +inf", 5_900),
        ("ZREMRANGEBYRANK z 1 -2", 5_998),
    ] {
        run(&mut client, "DEL z");
        let pairs: Vec<String> = (0..6_000).flat_map(|n| [n.to_string(), format!("member:{n}")]).collect();
        let add: Vec<&str> = ["ZADD", "z"].into_iter().chain(pairs.iter().map(String::as_str)).collect();
        client.cmd(&add);
        let (low, high) = if removed == 5_998 { (0, 5_999) } else { (50, 5_950) };
        let bytes = client.int(&["MEMORY", "USAGE", "z"]);
        let mut there = |n: i64| client.cmd(&["ZSCORE", "z", &format!("member:{n}")]).as_bytes().is_some();
        assert!(there(low) && there(high) && there(3_000));
        assert_eq!(client.int(&words(line)), removed, "{line}");
        assert_eq!(client.int(&["ZCARD", "z"]), 6_000 - removed);
        assert_eq!(client.texts(&["ZRANGE", "z", "0", "-1"]).len() as i64, 6_000 - removed);
        check(
            &mut client,
            &[
                ("ZSCORE z member:3000", "$-1"),
                ("ZRANK z member:3000", "$-1"),
                ("ZREM z member:3000 member:3001", ":0"),
                ("ZADD z 7 member:3000", ":1"),
                ("ZINCRBY z 2 member:3001", "\"2\""),
                ("ZADD z 8 member:3000", ":0"),
                ("ZSCORE z member:3000", "\"8\""),
            ],
        );
        assert_eq!(client.texts(&["ZRANGE", "z", "0", "-1"]).len() as i64, 6_002 - removed);
        let scanned = client.cmd(&["ZSCAN", "z", "0", "COUNT", "100000"]);
        let shown = scanned.items().and_then(|parts| parts[1].items()).map_or(0, <[_]>::len);
        assert_eq!(shown as i64, 2 * (6_002 - removed));
        wait_for("the memory to be cleared", || client.int(&["MEMORY", "USAGE", "z"]) < bytes / 4);
    }
}
