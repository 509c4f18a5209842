//! ZSCAN.

use super::{NOT_INTEGER, SYNTAX, check, check_errors, each_encoding, limit, run, start};
use crate::support::{Client, Value, forgekv_only};

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
