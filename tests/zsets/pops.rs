//! Members that are popped, or drawn by chance.

use super::{NOT_INTEGER, SYNTAX, check, check_errors, each_encoding, run, start};
use crate::support::forgekv_only;

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
