//! SORT and SORT_RO: what is sorted and by what, what is returned, what is stored.

use crate::support::{Client, Rng, Server, Value, forgekv_only, is_cold, warm_only};

const WRONG_TYPE: &str = "WRONGTYPE Operation against a key holding the wrong kind of value";
const SYNTAX: &str = "ERR syntax error";
const NOT_INTEGER: &str = "ERR value is not an integer or out of range";
const NOT_SORTABLE: &str = "ERR One or more scores can't be converted into double";

/// How a key can hold elements: its type, the parameters that lead to an encoding, and the encoding (before 7.2, the second).
const HOLDERS: [(&str, &str, [&str; 2]); 7] = [
    ("list", "list-max-listpack-size -2", ["listpack", "quicklist"]),
    ("list", "list-max-listpack-size 2", ["quicklist", "quicklist"]),
    ("set", "set-max-intset-entries 512", ["intset", "intset"]),
    ("set", "set-max-intset-entries 0", ["listpack", "hashtable"]),
    ("set", "set-max-intset-entries 0 set-max-listpack-entries 0", ["hashtable", "hashtable"]),
    ("zset", "zset-max-listpack-entries 128", ["listpack", "listpack"]),
    ("zset", "zset-max-listpack-entries 0", ["skiplist", "skiplist"]),
];

const DEFAULTS: &str = "list-max-listpack-size -2 set-max-intset-entries 512 set-max-listpack-entries 128 zset-max-listpack-entries 128";

fn start() -> (Server, Client) {
    let server = Server::start();
    let mut client = server.connect();
    configure(&mut client, DEFAULTS);
    (server, client)
}

/// Sets parameters, but for those that came with 7.2 on a server that does not know them.
fn configure(client: &mut Client, parameters: &str) {
    for pair in parameters.split(' ').collect::<Vec<_>>().chunks(2) {
        let reply = client.cmd(&["CONFIG", "SET", pair[0], pair[1]]);
        assert!(reply == Value::simple("OK") || pair[0] == "set-max-listpack-entries", "{pair:?}: {reply:?}");
    }
}

/// Runs a test with the elements under `src`, once per type and encoding. Sorted sets have them in the order given.
fn per_holder(elements: &[&str], test: impl Fn(&mut Client, &str)) {
    for (kind, parameters, encodings) in HOLDERS {
        let are_integers = elements.iter().all(|element| element.parse::<i64>().is_ok());
        if encodings[0] == "intset" && !are_integers {
            continue;
        }
        let (_server, mut client) = start();
        configure(&mut client, parameters);
        fill(&mut client, kind, "src", elements);
        let encoding = client.text(&["OBJECT", "ENCODING", "src"]);
        eprintln!("{kind} {encoding}");
        assert!(encodings.contains(&encoding.as_str()), "{kind} is a {encoding}, not one of {encodings:?}");
        test(&mut client, kind);
        configure(&mut client, DEFAULTS);
    }
}

fn fill(client: &mut Client, kind: &str, key: &str, elements: &[&str]) {
    for (at, element) in elements.iter().enumerate() {
        match kind {
            "list" => client.int(&["RPUSH", key, element]),
            "set" => client.int(&["SADD", key, element]),
            _ => client.int(&["ZADD", key, &at.to_string(), element]),
        };
    }
}

/// A line of words, where `''` is the empty one.
fn words(line: &str) -> Vec<&str> {
    line.split(' ').map(|word| if word == "''" { "" } else { word }).collect()
}

#[track_caller]
fn check(client: &mut Client, line: &str, expected: &str) {
    assert_eq!(client.texts(&words(line)).join(" "), expected, "{line}");
}

#[track_caller]
fn check_errors(client: &mut Client, cases: &[(&str, &str)]) {
    for (line, error) in cases {
        assert_eq!(client.error(&words(line)), *error, "{line}");
    }
}

fn set_all(client: &mut Client, pairs: &[(&str, &str)]) {
    pairs.iter().for_each(|(key, value)| client.ok(&["SET", key, value]));
}

#[test]
fn numbers_are_sorted_up_or_down_and_cut_to_a_range() {
    per_holder(&["10", "9", "-3", "100", "25", "0"], |client, _| {
        check(client, "SORT src", "-3 0 9 10 25 100");
        check(client, "SORT_RO src ASC", "-3 0 9 10 25 100");
        check(client, "SORT src DESC", "100 25 10 9 0 -3");
        check(client, "SORT src DESC ASC", "-3 0 9 10 25 100");
        check(client, "SORT src LIMIT 0 2", "-3 0");
        check(client, "SORT src LIMIT 2 2 DESC", "10 9");
        check(client, "SORT src LIMIT 4 100", "25 100");
        check(client, "SORT src LIMIT 6 1", "");
        check(client, "SORT src LIMIT 100 -1", "");
        check(client, "SORT src LIMIT -5 2", "-3 0");
        check(client, "SORT src LIMIT 3 -1", "10 25 100");
        check(client, "SORT src LIMIT 0 0", "");
        check(client, "SORT src LIMIT 9223372036854775807 9223372036854775807", "");
        check(client, "SORT src LIMIT 1 9223372036854775807", "0 9 10 25 100");
        check(client, "SORT src LIMIT 0 1 LIMIT 1 1", "0");
        check(client, "SORT src ALPHA", "-3 0 10 100 25 9");
        check(client, "SORT src ALPHA DESC", "9 25 100 10 0 -3");
    });
}

#[test]
fn texts_are_sorted_as_bytes_and_only_with_alpha() {
    per_holder(&["b", "a", "Z", "ab", "", "~", "10", "9"], |client, _| {
        check(client, "SORT src ALPHA", " 10 9 Z a ab b ~");
        check(client, "SORT src ALPHA DESC LIMIT 0 3", "~ b ab");
        check_errors(client, &[("SORT src", NOT_SORTABLE), ("SORT_RO src DESC LIMIT 0 1", NOT_SORTABLE)]);
        check_errors(client, &[("SORT src STORE dst", NOT_SORTABLE)]);
        assert_eq!(client.int(&["EXISTS", "dst"]), 0);
    });
}

#[test]
fn numbers_are_read_as_c_reads_them() {
    let (_server, mut client) = start();
    let numbers = ["1.5", "-0.25", "1e2", " 7", "0x10", "inf", "-inf", "+3", ".5", "", "1e-300"];
    client.int(&[&["RPUSH", "l"][..], &numbers].concat());
    check(&mut client, "SORT l", "-inf -0.25  1e-300 .5 1.5 +3  7 0x10 1e2 inf");
    for wrong in ["nan", "1x", "1 ", "1e400", "-1e400", "1e-400", "--1", "abc", "1,5"] {
        client.cmd(&["DEL", "w"]);
        client.int(&["RPUSH", "w", "1", wrong, "2"]);
        assert_eq!(client.error(&["SORT", "w"]), NOT_SORTABLE, "{wrong:?}");
        client.ok(&["SET", "weight_1", wrong]);
        client.cmd(&["DEL", "one"]);
        client.int(&["SADD", "one", "1"]);
        assert_eq!(client.error(&["SORT", "one", "BY", "weight_*"]), NOT_SORTABLE, "{wrong:?}");
    }
}

#[test]
fn equal_weights_leave_the_order_to_the_elements() {
    per_holder(&["d", "a", "c", "b"], |client, _| {
        set_all(client, &[("w_a", "1"), ("w_b", "1.0"), ("w_c", "0"), ("w_d", "1e0")]);
        check(client, "SORT src BY w_*", "c a b d");
        check(client, "SORT src BY w_* DESC", "d b a c");
    });
}

#[test]
fn weights_come_from_other_keys_and_a_missing_one_is_nothing() {
    per_holder(&["1", "2", "3", "4"], |client, _| {
        set_all(client, &[("w_1", "30"), ("w_2", "-5"), ("w_4", "7")]);
        check(client, "SORT src BY w_*", "2 3 4 1");
        check(client, "SORT src BY w_* DESC LIMIT 1 2", "4 3");
        check(client, "SORT src BY w_* ALPHA", "3 2 1 4");
        check(client, "SORT src BY w_* ALPHA DESC", "4 1 2 3");
        // A key of another type is nothing, too.
        client.int(&["RPUSH", "w_3", "x"]);
        check(client, "SORT src BY w_*", "2 3 4 1");
        set_all(client, &[("a_1_b", "2"), ("a_2_b", "1"), ("a_3_b", "4"), ("a_4_b", "3")]);
        check(client, "SORT src BY a_*_b", "2 1 4 3");
        check(client, "SORT src BY none_* DESC", "4 3 2 1");
        check(client, "SORT src BY none_*", "1 2 3 4");
        client.ok(&["SET", "w_2", "x"]);
        check_errors(client, &[("SORT src BY w_*", NOT_SORTABLE)]);
        // What the weights are does not matter to texts, nor what the elements are to weights.
        check(client, "SORT src BY w_* ALPHA", "3 1 4 2");
    });
}

#[test]
fn fields_of_hashes_are_weights_and_values() {
    per_holder(&["x", "y", "z"], |client, _| {
        client.int(&["HSET", "h_x", "w", "3", "name", "ex"]);
        client.int(&["HSET", "h_y", "w", "1", "name", ""]);
        client.int(&["HSET", "h_z", "w", "2"]);
        check(client, "SORT src BY h_*->w", "y z x");
        check(client, "SORT src BY h_*->w GET # GET h_*->name DESC", "x ex z (nil) y ");
        check(client, "SORT src ALPHA GET h_*->none", "(nil) (nil) (nil)");
        // Not a hash, no hash, no field.
        client.ok(&["SET", "s_x", "5"]);
        check(client, "SORT src ALPHA GET s_*->w GET s_*", "(nil) 5 (nil) (nil) (nil) (nil)");
        check(client, "SORT src ALPHA GET h_*", "(nil) (nil) (nil)");
        // An arrow without a field behind it is part of the name, and so is one before the star.
        client.ok(&["SET", "p_x->", "arrow"]);
        client.ok(&["SET", "q->_x", "before"]);
        check(client, "SORT src ALPHA GET p_*-> GET q->_*", "arrow before (nil) (nil) (nil) (nil)");
        // The field is all that follows, and a star in it is a star.
        client.int(&["HSET", "h_x_e", "a->b*", "rest"]);
        check(client, "SORT src ALPHA GET h_*_e->a->b*", "rest (nil) (nil)");
    });
}

#[test]
fn what_is_returned_can_be_several_things_for_each_element() {
    per_holder(&["3", "1", "2"], |client, _| {
        set_all(client, &[("v_1", "one"), ("v_2", ""), ("v_4", "four")]);
        check(client, "SORT src GET v_*", "one  (nil)");
        check(client, "SORT src GET # GET v_* GET #", "1 one 1 2  2 3 (nil) 3");
        check(client, "SORT src GET constant", "(nil) (nil) (nil)");
        check(client, "SORT src GET #x", "(nil) (nil) (nil)");
        check(client, "SORT src BY none_* GET v_* LIMIT 1 1", "");
        client.ok(&["SET", "n_1", "12345"]);
        check(client, "SORT src GET n_* LIMIT 0 1", "12345");
        client.hello(3);
        let reply = client.array(&["SORT", "src", "GET", "v_*"]);
        assert_eq!(reply, [Value::bulk("one"), Value::bulk(""), Value::Null]);
        client.hello(2);
        let reply = client.array(&["SORT", "src", "GET", "v_*"]);
        assert_eq!(reply, [Value::bulk("one"), Value::bulk(""), Value::NullBulk]);
    });
}

#[test]
fn a_pattern_without_a_star_leaves_the_order_as_it_is() {
    per_holder(&["c", "a", "d", "b"], |client, kind| {
        if kind == "set" {
            let mut members = client.texts(&words("SORT src BY nosort"));
            assert_eq!(members.len(), 4);
            members.sort();
            assert_eq!(members, ["a", "b", "c", "d"]);
            assert_eq!(client.texts(&words("SORT src BY nosort LIMIT 1 2")).len(), 2);
            return;
        }
        check(client, "SORT src BY nosort", "c a d b");
        check(client, "SORT src BY nosort DESC", "b d a c");
        check(client, "SORT src BY # GET #", "c a d b");
        check(client, "SORT src BY nosort LIMIT 1 2", "a d");
        check(client, "SORT src BY nosort DESC LIMIT 1 2", "d a");
        check(client, "SORT src BY nosort LIMIT 3 100", "b");
        check(client, "SORT src BY nosort LIMIT 4 1", "");
        // One of them is enough, wherever it stands.
        check(client, "SORT src BY nosort BY w_*", "c a d b");
        check(client, "SORT src BY w_* BY nosort ALPHA", "c a d b");
        client.ok(&["SET", "v_d", "dee"]);
        check(client, "SORT src BY nosort GET v_* LIMIT 2 2", "dee (nil)");
        assert_eq!(client.int(&words("SORT src BY nosort STORE dst")), 4);
        check(client, "LRANGE dst 0 -1", "c a d b");
    });
}

#[test]
fn a_set_is_sorted_after_all_when_its_order_would_be_stored_or_seen_by_a_script() {
    per_holder(&["5", "40", "3", "12"], |client, kind| {
        if kind != "set" {
            return;
        }
        assert_eq!(client.int(&words("SORT src BY nosort STORE dst")), 4);
        check(client, "LRANGE dst 0 -1", "12 3 40 5");
        assert_eq!(client.int(&words("SORT src BY nosort DESC LIMIT 0 2 STORE dst")), 2);
        check(client, "LRANGE dst 0 -1", "5 40");
        let script = "return redis.call('sort', KEYS[1], 'by', 'nosort')";
        assert_eq!(client.texts(&["EVAL", script, "1", "src"]), ["12", "3", "40", "5"]);
        let script = "return redis.call('sort_ro', KEYS[1], 'by', 'x', 'limit', 1, 2)";
        assert_eq!(client.texts(&["EVAL", script, "1", "src"]), ["3", "40"]);
    });
}

#[test]
fn the_result_is_stored_as_a_list_in_the_place_of_whatever_was_there() {
    per_holder(&["3", "1", "2"], |client, _| {
        set_all(client, &[("v_1", "one"), ("v_2", "two")]);
        client.ok(&["SET", "dst", "x", "EX", "1000"]);
        assert_eq!(client.int(&words("SORT src DESC STORE dst")), 3);
        check(client, "LRANGE dst 0 -1", "3 2 1");
        assert_eq!(client.text(&["TYPE", "dst"]), "list");
        assert_eq!(client.int(&["TTL", "dst"]), -1);
        assert_eq!(client.int(&words("SORT src GET # GET v_* STORE dst")), 6);
        check(client, "LRANGE dst 0 -1", "1 one 2 two 3 ");
        assert_eq!(client.int(&words("SORT src STORE first STORE dst LIMIT 0 1")), 1);
        check(client, "LRANGE dst 0 -1", "1");
        assert_eq!(client.int(&["EXISTS", "first"]), 0);
        // The source is no less good as a destination.
        assert_eq!(client.int(&words("SORT src DESC STORE src")), 3);
        check(client, "LRANGE src 0 -1", "3 2 1");
        assert_eq!(client.int(&words("SORT src LIMIT 5 1 STORE src")), 0);
        assert_eq!(client.int(&["EXISTS", "src"]), 0);
    });
}

#[test]
fn nothing_to_store_deletes_the_destination() {
    let (_server, mut client) = start();
    client.ok(&["SET", "dst", "x"]);
    assert_eq!(client.int(&words("SORT none STORE dst")), 0);
    assert_eq!(client.int(&["EXISTS", "dst"]), 0);
    assert_eq!(client.int(&words("SORT none STORE dst")), 0);
    assert_eq!(client.array(&["SORT", "none"]), []);
    assert_eq!(client.array(&words("SORT_RO none BY w_* GET # ALPHA")), []);
    client.int(&["RPUSH", "l", "1"]);
    client.int(&["SADD", "dst", "x"]);
    assert_eq!(client.int(&words("SORT l LIMIT 1 1 STORE dst")), 0);
    assert_eq!(client.int(&["EXISTS", "dst"]), 0);
}

#[test]
fn errors_come_in_the_order_of_the_words_and_before_the_type() {
    let (_server, mut client) = start();
    client.ok(&["SET", "s", "1"]);
    client.int(&["HSET", "h", "f", "1"]);
    client.text(&["XADD", "x", "1-1", "f", "1"]);
    check_errors(
        &mut client,
        &[
            ("SORT", "ERR wrong number of arguments for 'sort' command"),
            ("SORT_RO", "ERR wrong number of arguments for 'sort_ro' command"),
            ("SORT s", WRONG_TYPE),
            ("SORT h", WRONG_TYPE),
            ("SORT x", WRONG_TYPE),
            ("SORT s BY nosort STORE dst", WRONG_TYPE),
            ("SORT_RO s", WRONG_TYPE),
            ("SORT s junk", SYNTAX),
            ("SORT s BY", SYNTAX),
            ("SORT s GET", SYNTAX),
            ("SORT s STORE", SYNTAX),
            ("SORT s LIMIT", SYNTAX),
            ("SORT s LIMIT 1", SYNTAX),
            ("SORT s LIMIT a 1", NOT_INTEGER),
            ("SORT s LIMIT 1 a", NOT_INTEGER),
            ("SORT s LIMIT 1 9223372036854775808", NOT_INTEGER),
            ("SORT s LIMIT a 1 junk", NOT_INTEGER),
            ("SORT s junk LIMIT a 1", SYNTAX),
            ("SORT s ''", SYNTAX),
            ("SORT_RO s STORE dst", SYNTAX),
            ("SORT_RO none STORE dst", SYNTAX),
        ],
    );
}

#[test]
fn the_keys_of_the_arguments_are_found_wherever_store_stands() {
    let (_server, mut client) = start();
    let keys = |client: &mut Client, line: &str| {
        client.texts(&[&["COMMAND", "GETKEYS"][..], &words(line)].concat()).join(" ")
    };
    assert_eq!(keys(&mut client, "SORT a STORE b"), "a b");
    assert_eq!(keys(&mut client, "SORT a LIMIT 0 1 BY w_* GET STORE GET # DESC STORE b ALPHA"), "a b");
    assert_eq!(keys(&mut client, "SORT a STORE b STORE c"), "a c");
    assert_eq!(keys(&mut client, "SORT a BY STORE GET x"), "a");
    assert_eq!(keys(&mut client, "SORT a STORE b junk"), "a b");
    assert_eq!(keys(&mut client, "SORT_RO a BY w_* GET v_*"), "a");
}

#[test]
fn storing_wakes_those_who_wait_and_dirties_those_who_watch() {
    let (server, mut client) = start();
    client.int(&["RPUSH", "l", "2", "1"]);
    let mut waiting = server.connect();
    waiting.send(&["BLPOP", "dst", "10"]);
    crate::support::wait_for("the client to wait", || {
        client.text(&["INFO", "clients"]).contains("blocked_clients:1\r\n")
    });
    assert_eq!(client.int(&["SORT", "l", "STORE", "dst"]), 2);
    assert_eq!(waiting.read(), Value::Array(vec![Value::bulk("dst"), Value::bulk("1")]));
    check(&mut client, "LRANGE dst 0 -1", "2");
    waiting.ok(&["WATCH", "dst"]);
    assert_eq!(client.int(&["SORT", "l", "DESC", "STORE", "dst"]), 2);
    waiting.ok(&["MULTI"]);
    assert_eq!(waiting.cmd(&["PING"]), Value::simple("QUEUED"));
    waiting.null(&["EXEC"]);
}

#[test]
fn it_works_in_transactions_and_scripts_whatever_keys_it_reaches() {
    let (_server, mut client) = start();
    client.int(&["SADD", "s", "a", "b", "c"]);
    set_all(&mut client, &[("w_a", "3"), ("w_b", "2"), ("w_c", "1"), ("v_b", "bee")]);
    client.ok(&["MULTI"]);
    for line in
        ["SORT s BY w_*", "SET w_a 0", "SORT s BY w_* GET v_* GET #", "SORT s BY w_* STORE dst", "SORT s"]
    {
        assert_eq!(client.cmd(&words(line)), Value::simple("QUEUED"));
    }
    let bulks = |texts: &[&str]| Value::Array(texts.iter().map(Value::bulk).collect());
    let replies = client.array(&["EXEC"]);
    assert_eq!(replies[0], bulks(&["c", "b", "a"]));
    let null = Value::NullBulk;
    let bulk = Value::bulk;
    let expected = vec![null.clone(), bulk("a"), null, bulk("c"), bulk("bee"), bulk("b")];
    assert_eq!(replies[2], Value::Array(expected));
    assert_eq!(replies[3], Value::Int(3));
    assert_eq!(replies[4].as_error().as_deref(), Some(NOT_SORTABLE));
    check(&mut client, "LRANGE dst 0 -1", "a c b");
    for keys in ["0", "1"] {
        let script = "return redis.call('sort', 's', 'by', 'w_*', 'get', 'v_*', 'get', '#', 'desc')";
        let reply = client.texts(&["EVAL", script, keys, "s"]);
        assert_eq!(reply, ["bee", "b", "(nil)", "c", "(nil)", "a"]);
        let script =
            "redis.call('set', 'w_b', '-1') return redis.call('sort', 's', 'by', 'w_*', 'store', 'to')";
        assert_eq!(client.int(&["EVAL", script, keys, "s"]), 3);
        check(&mut client, "LRANGE to 0 -1", "b a c");
        client.ok(&["SET", "w_b", "2"]);
    }
    let script = "return redis.call('sort', 's', 'by', 'w_*', 'store', 'to')";
    let error = client.error(&["EVAL_RO", script, "0"]);
    assert!(error.starts_with("ERR Write commands are not allowed from read-only scripts."), "{error}");
}

#[test]
fn what_it_reads_is_counted_once() {
    if warm_only("loading counts no reads, but fills would be many") {
        return;
    }
    let (_server, mut client) = start();
    client.int(&["RPUSH", "l", "1", "2", "3"]);
    set_all(&mut client, &[("w_1", "3"), ("w_2", "2"), ("v_3", "x")]);
    client.ok(&["CONFIG", "RESETSTAT"]);
    assert_eq!(client.texts(&words("SORT l BY w_* GET v_* GET #")).len(), 6);
    let info = client.text(&["INFO", "stats"]);
    let stat = |name: &str| {
        let line = info.lines().find_map(|line| line.strip_prefix(&format!("{name}:")));
        line.and_then(|number| number.parse::<u64>().ok()).expect("INFO has it")
    };
    assert_eq!((stat("keyspace_hits"), stat("keyspace_misses")), (1 + 2 + 1, 1 + 2));
}

#[test]
fn keys_that_have_expired_are_not_reached() {
    let (_server, mut client) = start();
    client.int(&["RPUSH", "l", "1", "2"]);
    client.ok(&["SET", "w_1", "5", "PX", "1"]);
    client.ok(&["SET", "v_1", "x", "PX", "1"]);
    crate::support::wait_for("the keys to expire", || client.int(&["EXISTS", "w_1", "v_1"]) == 0);
    check(&mut client, "SORT l BY w_* GET v_* GET #", "(nil) 1 (nil) 2");
}

#[test]
fn what_was_stored_is_there_after_a_restart_although_the_keys_it_came_from_are_not() {
    if forgekv_only("it restarts the server") {
        return;
    }
    let mut server = Server::with_args(&["--wal_sync_mode", "always", "--enable-debug-command", "local"]);
    let mut client = server.connect();
    client.int(&["SADD", "s", "a", "b", "c"]);
    set_all(&mut client, &[("w_a", "3"), ("w_b", "2"), ("w_c", "1"), ("v_b", "bee")]);
    assert_eq!(client.int(&words("SORT s BY w_* GET v_* GET # STORE one")), 6);
    assert_eq!(client.int(&words("SORT s BY nosort STORE two")), 3);
    client.ok(&["SET", "three", "x"]);
    assert_eq!(client.int(&words("SORT none STORE three")), 0);
    client.ok(&["MULTI"]);
    client.cmd(&words("SORT s BY w_* DESC STORE four"));
    client.cmd(&words("RPUSH four end"));
    client.array(&["EXEC"]);
    client.int(&["DEL", "s", "w_a", "w_b", "w_c", "v_b"]);
    let long: Vec<String> = (0..1000).map(|number: u32| (number * 7919 % 1000).to_string()).collect();
    client.int(&[&["RPUSH".to_owned(), "long".to_owned()][..], &long].concat());
    assert_eq!(client.int(&words("SORT long STORE sorted")), 1000);
    let digests = |client: &mut Client| client.texts(&words("DEBUG DIGEST-VALUE one two three four sorted"));
    let before = digests(&mut client);
    drop(client);
    server.restart();
    let mut client = server.connect();
    check(&mut client, "LRANGE one 0 -1", " c bee b  a");
    check(&mut client, "LRANGE two 0 -1", "a b c");
    check(&mut client, "LRANGE four 0 -1", "a b c end");
    assert_eq!(client.int(&["EXISTS", "three", "s"]), 0);
    let expected: Vec<String> = (0..1000).map(|number| number.to_string()).collect();
    assert_eq!(client.texts(&["LRANGE", "sorted", "0", "-1"]), expected);
    assert_eq!(digests(&mut client), before);
}

#[test]
fn keys_on_disk_are_reached_too() {
    if forgekv_only("only there keys leave RAM") || is_cold() {
        return;
    }
    let server =
        Server::with_args(&["--enable-debug-command", "local", "--memtable_size_mb", "8", "--workers", "2"]);
    let mut client = server.connect();
    client.ok(&["DEBUG", "COLD", "1"]);
    let mut rng = Rng::new(7);
    let mut weights: Vec<usize> = (0..300).collect();
    rng.shuffle(&mut weights);
    for (element, weight) in weights.iter().enumerate() {
        client.int(&["SADD", "s", &format!("e{element}")]);
        client.ok(&["SET", &format!("w_e{element}"), &weight.to_string()]);
        client.int(&["HSET", &format!("h_e{element}"), "f", &format!("v{weight}")]);
    }
    let expected: Vec<String> = (0..300).map(|weight| format!("v{weight}")).collect();
    for round in 0..3 {
        client.ok(&["DEBUG", "RELOAD"]);
        let line = words("SORT s BY w_* GET h_*->f");
        assert_eq!(client.texts(&line), expected, "round {round}");
        client.ok(&["DEBUG", "RELOAD"]);
        assert_eq!(client.int(&words("SORT s BY w_* GET h_*->f STORE dst")), 300);
        assert_eq!(client.texts(&["LRANGE", "dst", "0", "-1"]), expected, "round {round}");
        client.ok(&["DEBUG", "RELOAD"]);
        client.ok(&["MULTI"]);
        client.cmd(&line);
        let replies = client.array(&["EXEC"]);
        assert_eq!(replies[0].items().map(<[Value]>::len), Some(300));
        client.ok(&["DEBUG", "RELOAD"]);
        let script = "return redis.call('sort', 's', 'by', 'w_*', 'get', 'h_*->f')";
        assert_eq!(client.texts(&["EVAL", script, "0"]), expected, "round {round}");
    }
}

#[test]
fn subscribers_hear_of_what_was_stored_deleted_and_missed() {
    let (server, mut client) = start();
    let mut listener = server.connect();
    client.ok(&["CONFIG", "SET", "notify-keyspace-events", "EAm"]);
    listener.cmd(&["PSUBSCRIBE", "__key*__:*"]);
    let mut events = |client: &mut Client, line: &str| {
        client.cmd(&words(line));
        client.cmd(&["PUBLISH", "__keymark__:end", ""]);
        let mut events = Vec::new();
        loop {
            let message = listener.read();
            let items = message.items().expect("a message");
            let text = |at: usize| String::from_utf8_lossy(items[at].as_bytes().unwrap()).into_owned();
            if text(2).starts_with("__keymark__") {
                return events.join(", ");
            }
            events.push(format!("{} {}", text(2).trim_start_matches("__keyevent@0__:"), text(3)));
        }
    };
    client.int(&["RPUSH", "l", "1", "2"]);
    client.ok(&["SET", "w_1", "5"]);
    events(&mut client, "PING");
    assert_eq!(events(&mut client, "SORT l STORE dst"), "sortstore dst");
    assert_eq!(events(&mut client, "SORT l DESC STORE dst"), "sortstore dst");
    assert_eq!(events(&mut client, "SORT l LIMIT 5 1 STORE dst"), "del dst");
    assert_eq!(events(&mut client, "SORT l LIMIT 5 1 STORE dst"), "");
    assert_eq!(events(&mut client, "SORT none STORE l"), "keymiss none, del l");
    client.int(&["RPUSH", "l", "1", "2"]);
    assert_eq!(
        events(&mut client, "SORT l BY w_* GET v_*"),
        "rpush l, keymiss w_2, keymiss v_2, keymiss v_1"
    );
    client.ok(&["CONFIG", "SET", "notify-keyspace-events", ""]);
}
