//! HyperLogLog: PFADD, PFCOUNT, PFMERGE, PFDEBUG, PFSELFTEST.

use crate::streams::{check, reply, start, start_durable};
use crate::support::{Client, forgekv_only};

const NOT_AN_HLL: &str = "-WRONGTYPE Key is not a valid HyperLogLog string value.";
const CORRUPT: &str = "-INVALIDOBJ Corrupted HLL object detected";

/// Adds the elements `from..to`.
fn add(client: &mut Client, key: &str, elements: std::ops::Range<usize>) {
    for from in elements.clone().step_by(500) {
        let mut words = vec!["PFADD".to_owned(), key.to_owned()];
        words.extend((from..elements.end.min(from + 500)).map(|n| format!("e{n}")));
        client.int(&words);
    }
}

#[test]
fn pfadd_tells_whether_anything_changed() {
    let (_server, mut client) = start();
    check(
        &mut client,
        &[
            ("PFADD h", ":1"),
            ("PFADD h", ":0"),
            ("PFCOUNT h", ":0"),
            ("PFADD h a b c", ":1"),
            ("PFADD h a b c", ":0"),
            ("PFADD h d a", ":1"),
            ("PFCOUNT h", ":4"),
            ("PFCOUNT missing", ":0"),
            ("TYPE h", "+string"),
            ("OBJECT ENCODING h", r#""raw""#),
        ],
    );
}

#[test]
fn a_count_is_kept_in_the_value_until_it_is_stale() {
    let (_server, mut client) = start();
    client.int(&["PFADD", "h", "a", "b"]);
    let cache = |client: &mut Client| client.bulk(&["GET", "h"])[8..16].to_vec();
    assert_eq!(cache(&mut client)[7], 0x80);
    assert_eq!(client.int(&["PFCOUNT", "h"]), 2);
    assert_eq!(cache(&mut client), 2u64.to_le_bytes());
    assert_eq!(client.int(&["PFADD", "h", "a"]), 0);
    assert_eq!(cache(&mut client), 2u64.to_le_bytes());
    assert_eq!(client.int(&["PFADD", "h", "c"]), 1);
    assert_eq!(cache(&mut client)[7], 0x80);
    // What is kept is believed.
    client.int(&["SETRANGE", "h", "8", "\u{7}\0\0\0\0\0\0\0"]);
    assert_eq!(client.int(&["PFCOUNT", "h"]), 7);
    assert_eq!(client.int(&["PFCOUNT", "h", "missing"]), 3);
}

#[test]
fn estimates_are_close_in_both_encodings() {
    let (_server, mut client) = start();
    for (count, encoding) in [(100, "+sparse"), (1_000, "+sparse"), (20_000, "+dense")] {
        client.cmd(&["DEL", "h"]);
        add(&mut client, "h", 0..count);
        assert_eq!(reply(&mut client, "PFDEBUG ENCODING h"), encoding, "{count}");
        let estimate = client.int(&["PFCOUNT", "h"]);
        assert!((estimate - count as i64).abs() * 50 <= count as i64, "{estimate} of {count}");
    }
    assert_eq!(client.int(&["STRLEN", "h"]), 12_304);
}

#[test]
fn one_turns_dense_where_the_configuration_says() {
    let (_server, mut client) = start();
    client.ok(&["CONFIG", "SET", "hll-sparse-max-bytes", "30"]);
    client.int(&["PFADD", "h", "a"]);
    assert_eq!(reply(&mut client, "PFDEBUG ENCODING h"), "+sparse");
    add(&mut client, "h", 0..20);
    assert_eq!(reply(&mut client, "PFDEBUG ENCODING h"), "+dense");
    client.ok(&["CONFIG", "SET", "hll-sparse-max-bytes", "3000"]);
    check(
        &mut client,
        &[
            ("PFADD t a", ":1"),
            ("PFDEBUG DECODE t", r#""Z:12711 v:2,1 Z:3672""#),
            ("PFDEBUG TODENSE t", ":1"),
            ("PFDEBUG TODENSE t", ":0"),
            ("PFDEBUG DECODE t", "-ERR HLL encoding is not sparse"),
            ("PFCOUNT t", ":1"),
        ],
    );
}

#[test]
fn pfmerge_and_pfcount_of_many_are_the_union() {
    let (_server, mut client) = start();
    add(&mut client, "a", 0..300);
    add(&mut client, "b", 200..500);
    add(&mut client, "dense", 0..10);
    client.int(&["PFDEBUG", "TODENSE", "dense"]);
    let union = client.int(&["PFCOUNT", "a", "b", "missing"]);
    assert!((490..=510).contains(&union), "{union}");
    client.ok(&["PFMERGE", "c", "a", "b"]);
    assert_eq!(client.int(&["PFCOUNT", "c"]), union);
    assert_eq!(reply(&mut client, "PFDEBUG ENCODING c"), "+sparse");
    client.ok(&["PFMERGE", "a", "dense", "missing"]);
    assert_eq!(reply(&mut client, "PFDEBUG ENCODING a"), "+dense");
    client.ok(&["PFMERGE", "empty"]);
    assert_eq!(client.int(&["PFCOUNT", "empty"]), 0);
    client.ok(&["PFMERGE", "b", "b"]);
    let own = client.int(&["PFCOUNT", "b"]);
    assert!((295..=305).contains(&own), "{own}");
}

#[test]
fn what_is_no_hyperloglog_is_refused() {
    let (_server, mut client) = start();
    check(
        &mut client,
        &[
            ("SET text v", "+OK"),
            ("SET number 12", "+OK"),
            ("PFADD good a", ":1"),
            ("PFADD text a", NOT_AN_HLL),
            ("PFADD number a", NOT_AN_HLL),
            ("PFCOUNT text", NOT_AN_HLL),
            ("PFCOUNT good number", NOT_AN_HLL),
            ("PFMERGE good text", NOT_AN_HLL),
            ("PFMERGE text good", NOT_AN_HLL),
            ("PFDEBUG GETREG text", NOT_AN_HLL),
            ("PFDEBUG GETREG missing", "-ERR The specified key does not exist"),
            ("PFDEBUG NOSUCH good", "-ERR Unknown PFDEBUG subcommand 'NOSUCH'"),
            ("PFDEBUG GETREG", "-ERR wrong number of arguments for 'pfdebug' command"),
        ],
    );
}

#[test]
fn a_corrupt_one_is_an_error_and_stays_as_it_is_after_a_restart() {
    if forgekv_only("what is compared is how ForgeKV's log is replayed") {
        return;
    }
    let (mut server, mut client) = start_durable();
    // Its registers end after a quarter.
    let corrupt = b"HYLL\x01\0\0\0\0\0\0\0\0\0\0\x80\x4f\xff";
    client.ok(&[b"SET", &b"h"[..], corrupt]);
    for line in ["PFCOUNT h", "PFCOUNT h missing", "PFMERGE t h", "PFDEBUG TODENSE h", "PFDEBUG GETREG h"] {
        assert_eq!(reply(&mut client, line), CORRUPT, "{line}");
    }
    let mut words = vec!["PFADD".to_owned(), "h".to_owned()];
    words.extend((0..50).map(|n| format!("e{n}")));
    assert_eq!(client.error(&words), CORRUPT[1..]);
    let before = client.bulk(&["GET", "h"]);
    server.restart();
    assert_eq!(server.connect().bulk(&["GET", "h"]), before);
}

#[test]
fn registers_are_shown_and_the_self_test_passes() {
    let (_server, mut client) = start();
    client.int(&["PFADD", "h", "a"]);
    let registers = client.array(&["PFDEBUG", "GETREG", "h"]);
    assert_eq!(registers.len(), 16_384);
    assert_eq!(registers.iter().filter(|register| register.as_int() != Some(0)).count(), 1);
    // Looking turns it dense.
    assert_eq!(reply(&mut client, "PFDEBUG ENCODING h"), "+dense");
    if !forgekv_only("Redis tests for a minute") {
        client.ok(&["PFSELFTEST"]);
    }
}

#[test]
fn a_restart_brings_back_counts_that_were_kept() {
    if forgekv_only("what is compared is how ForgeKV's log is replayed") {
        return;
    }
    let (mut server, mut client) = start_durable();
    add(&mut client, "a", 0..100);
    add(&mut client, "b", 0..10_000);
    client.ok(&["PFMERGE", "c", "a"]);
    client.int(&["PFCOUNT", "a"]);
    client.int(&["PFCOUNT", "b"]);
    let before = ["a", "b", "c"].map(|key| client.bulk(&["GET", key]));
    server.restart();
    let mut client = server.connect();
    assert_eq!(["a", "b", "c"].map(|key| client.bulk(&["GET", key])), before);
}
