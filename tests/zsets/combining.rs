//! Unions, intersections and differences.

use super::{NOT_INTEGER, SYNTAX, WRONG_TYPE, check, check_errors, check_texts, each_encoding, run, start};

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
