//! Geospatial indexes. What is searched is searched once in a listpack and once in a skiplist.

use crate::support::{Client, Server, Value, forgekv_only};

const WRONG_TYPE: &str = "WRONGTYPE Operation against a key holding the wrong kind of value";
const SYNTAX: &str = "ERR syntax error";
const NOT_FLOAT: &str = "ERR value is not a valid float";
const UNIT: &str = "ERR unsupported unit provided. please use M, KM, FT, MI";
const MEMBER: &str = "ERR could not decode requested zset member";

/// Runs a test with sorted sets in one encoding, then in the other one.
fn each_encoding(test: impl Fn(&mut Client)) {
    for (encoding, entries) in [("listpack", "128"), ("skiplist", "0")] {
        let server = Server::start();
        let mut client = server.connect();
        client.ok(&["CONFIG", "SET", "zset-max-listpack-entries", entries]);
        add_sicily(&mut client);
        assert_eq!(client.text(&["OBJECT", "ENCODING", "Sicily"]), encoding);
        test(&mut client);
    }
}

/// The example of the manual, and a member on the other side.
fn add_sicily(client: &mut Client) {
    let line = "GEOADD Sicily 13.361389 38.115556 Palermo 15.087269 37.502669 Catania 12.758489 38.788135 edge1 \
                17.241510 38.788135 edge2";
    assert_eq!(client.int(&words(line)), 4);
}

fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
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

/// Commands whose reply is an array of members, with spaces between them.
#[track_caller]
fn check_texts(client: &mut Client, cases: &[(&str, &str)]) {
    for (line, expected) in cases {
        assert_eq!(client.texts(&words(line)).join(" "), *expected, "{line}");
    }
}

#[test]
fn geoadd_counts_new_members_and_with_ch_moved_ones_too() {
    each_encoding(|client| {
        check(
            client,
            &[
                ("GEOADD Sicily 13.361389 38.115556 Palermo", ":0"),
                ("GEOADD Sicily CH 13.5 38 Palermo 14 38 new", ":2"),
                ("GEOADD Sicily NX CH 1 1 Palermo", ":0"),
                ("GEOADD Sicily XX CH 13.361389 38.115556 Palermo 1 1 none", ":1"),
                ("ZSCORE Sicily Palermo", "\"3479099956230698\""),
                ("ZCARD Sicily", ":5"),
                ("GEOADD none XX 1 1 a", ":0"),
                ("EXISTS none", ":0"),
            ],
        );
    });
}

#[test]
fn geoadd_refuses_what_is_not_on_the_map() {
    let server = Server::start();
    let mut client = server.connect();
    client.ok(&["SET", "s", "x"]);
    check_errors(
        &mut client,
        &[
            ("GEOADD g 1 1", "ERR wrong number of arguments for 'geoadd' command"),
            ("GEOADD g 181 0 a", "ERR invalid longitude,latitude pair 181.000000,0.000000"),
            ("GEOADD g 0 -85.06 a", "ERR invalid longitude,latitude pair 0.000000,-85.060000"),
            ("GEOADD g inf 0 a", "ERR invalid longitude,latitude pair inf,0.000000"),
            ("GEOADD g 1 1 a 200 1 b", "ERR invalid longitude,latitude pair 200.000000,1.000000"),
            ("GEOADD g x 1 a", NOT_FLOAT),
            ("GEOADD g 1 nan a", NOT_FLOAT),
            ("GEOADD g 1 1 a 2", SYNTAX),
            ("GEOADD g NX XX 1 1 a", SYNTAX),
            ("GEOADD g NX CH NX", SYNTAX),
            ("GEOADD s 1 1 a", WRONG_TYPE),
            ("GEOADD s x 1 a", NOT_FLOAT),
        ],
    );
    assert_eq!(client.int(&["EXISTS", "g"]), 0);
}

#[test]
fn positions_distances_and_geohashes_are_told() {
    each_encoding(|client| {
        check(
            client,
            &[
                ("GEOPOS Sicily Palermo none", "[[\"13.36138933897018433\", \"38.11555639549629859\"], *-1]"),
                ("GEOPOS none a b", "[*-1, *-1]"),
                ("GEOPOS Sicily", "[]"),
                ("GEODIST Sicily Palermo Catania", "\"166274.1516\""),
                ("GEODIST Sicily Palermo Catania KM", "\"166.2742\""),
                ("GEODIST Sicily Palermo Catania mi", "\"103.3182\""),
                ("GEODIST Sicily Palermo Catania ft", "\"545518.8700\""),
                ("GEODIST Sicily Palermo Palermo", "\"0.0000\""),
                ("GEODIST Sicily Palermo none", "$-1"),
                ("GEODIST none a b", "$-1"),
                ("GEOHASH Sicily Palermo Catania none", "[\"sqc8b49rny0\", \"sqdtr74hyu0\", $-1]"),
                ("GEOHASH none a", "[$-1]"),
                ("GEOHASH Sicily", "[]"),
            ],
        );
        client.ok(&["SET", "s", "x"]);
        check_errors(
            client,
            &[
                ("GEODIST Sicily Palermo Catania x", UNIT),
                ("GEODIST Sicily Palermo Catania m m", SYNTAX),
                ("GEODIST s a b x", UNIT),
                ("GEODIST s a b", WRONG_TYPE),
                ("GEOPOS s a", WRONG_TYPE),
                ("GEOHASH s a", WRONG_TYPE),
            ],
        );
        client.hello(3);
        check(
            client,
            &[
                ("GEOPOS Sicily Palermo none", "[[,13.36138933897018433, ,38.11555639549629859], _]"),
                ("GEODIST Sicily Palermo Catania", "\"166274.1516\""),
                ("GEODIST Sicily Palermo none", "_"),
            ],
        );
    });
}

#[test]
fn a_search_finds_what_is_inside_a_circle_or_a_rectangle() {
    each_encoding(|client| {
        check_texts(
            client,
            &[
                ("GEOSEARCH Sicily FROMLONLAT 15 37 BYRADIUS 200 km ASC", "Catania Palermo"),
                ("GEOSEARCH Sicily FROMLONLAT 15 37 BYRADIUS 200 km DESC", "Palermo Catania"),
                ("GEOSEARCH Sicily FROMLONLAT 15 37 BYBOX 400 400 km ASC", "Catania Palermo edge2 edge1"),
                ("GEOSEARCH Sicily BYBOX 400 400 km FROMLONLAT 15 37 DESC COUNT 1", "edge1"),
                ("GEOSEARCH Sicily FROMMEMBER Palermo BYRADIUS 100 km ASC", "Palermo edge1"),
                ("GEOSEARCH Sicily FROMLONLAT 15 37 BYBOX 400 400 km COUNT 3", "Catania Palermo edge2"),
                ("GEOSEARCH Sicily FROMLONLAT 0 0 BYRADIUS 1 m", ""),
                ("GEOSEARCH Sicily FROMMEMBER Palermo BYRADIUS 0 m", "Palermo"),
                ("GEOSEARCH none FROMMEMBER a BYRADIUS 1 m", ""),
                ("GEORADIUS Sicily 15 37 200 km ASC", "Catania Palermo"),
                ("GEORADIUS_RO Sicily 15 37 200 km DESC", "Palermo Catania"),
                ("GEORADIUSBYMEMBER Sicily Palermo 100000 m ASC", "Palermo edge1"),
                ("GEORADIUSBYMEMBER_RO Sicily Palermo 100 km COUNT 1", "Palermo"),
                ("GEORADIUSBYMEMBER none a 100 km", ""),
                ("GEORADIUS none 15 37 200 km", ""),
            ],
        );
        let any = client.texts(&words("GEOSEARCH Sicily FROMLONLAT 15 37 BYBOX 400 400 km COUNT 2 ANY"));
        assert_eq!(any.len(), 2, "{any:?}");
    });
}

#[test]
fn a_search_can_tell_distance_position_and_score() {
    each_encoding(|client| {
        let catania = "[\"Catania\", \"56.4413\", :3479447370796909, [\"15.08726745843887329\", \"37.50266842333162032\"]]";
        check(
            client,
            &[
                ("GEORADIUS Sicily 15 37 100 km WITHCOORD WITHHASH WITHDIST", &format!("[{catania}]")),
                ("GEORADIUS Sicily 15 37 100 km WITHDIST", "[[\"Catania\", \"56.4413\"]]"),
                (
                    "GEOSEARCH Sicily FROMLONLAT 15 37 BYRADIUS 100 km WITHHASH",
                    "[[\"Catania\", :3479447370796909]]",
                ),
                (
                    "GEOSEARCH Sicily FROMLONLAT 15 37 BYRADIUS 35.1 mi WITHDIST",
                    "[[\"Catania\", \"35.0711\"]]",
                ),
            ],
        );
        client.hello(3);
        check(
            client,
            &[(
                "GEORADIUS Sicily 15 37 100 km WITHCOORD WITHDIST",
                "[[\"Catania\", \"56.4413\", [,15.08726745843887329, ,37.50266842333162032]]]",
            )],
        );
    });
}

#[test]
fn a_search_can_be_stored_with_scores_or_distances() {
    each_encoding(|client| {
        check(
            client,
            &[
                ("GEOSEARCHSTORE d Sicily FROMLONLAT 15 37 BYBOX 400 400 km COUNT 3", ":3"),
                ("ZSCORE d Palermo", "\"3479099956230698\""),
                ("ZCARD d", ":3"),
                ("GEOSEARCHSTORE d Sicily FROMLONLAT 15 37 BYRADIUS 200 km ASC STOREDIST", ":2"),
            ],
        );
        let distance: f64 = client.text(&["ZSCORE", "d", "Catania"]).parse().unwrap();
        assert!((distance - 56.4413).abs() < 0.0001, "{distance}");
        check(
            client,
            &[
                ("GEORADIUS Sicily 15 37 200 km STORE d", ":2"),
                ("ZSCORE d Palermo", "\"3479099956230698\""),
                ("GEORADIUSBYMEMBER Sicily Palermo 100 km STOREDIST d", ":2"),
                ("ZRANK d Palermo", ":0"),
                ("GEORADIUS Sicily 0 0 1 km STORE d", ":0"),
                ("EXISTS d", ":0"),
                ("GEORADIUS Sicily 15 37 200 km STORE d", ":2"),
                ("GEOSEARCHSTORE d none FROMMEMBER a BYRADIUS 1 m", ":0"),
                ("EXISTS d", ":0"),
                ("GEOSEARCHSTORE Sicily Sicily FROMLONLAT 15 37 BYRADIUS 200 km", ":2"),
                ("ZCARD Sicily", ":2"),
            ],
        );
    });
}

#[test]
fn the_last_of_several_store_options_counts() {
    each_encoding(|client| {
        check(
            client,
            &[
                ("GEORADIUS Sicily 15 37 200 km STORE a STORE b STORE c", ":2"),
                ("EXISTS a b", ":0"),
                ("ZCARD c", ":2"),
                ("GEORADIUS Sicily 15 37 200 km STOREDIST STORE STORE d", ":2"),
                ("ZCARD d", ":2"),
                ("EXISTS STORE", ":0"),
                ("GEORADIUSBYMEMBER Sicily Palermo 100 km STORE a STOREDIST e", ":2"),
                ("ZCARD e", ":2"),
                ("ZSCORE e Palermo", "\"0\""),
            ],
        );
    });
}

#[test]
fn errors_of_searches_come_in_redis_order() {
    each_encoding(|client| {
        client.ok(&["SET", "s", "x"]);
        let count = "ERR COUNT must be > 0";
        let any = "ERR the ANY argument requires COUNT argument";
        let radius = "ERR need numeric radius";
        let store =
            "ERR STORE option in GEORADIUS is not compatible with WITHDIST, WITHHASH and WITHCOORD options";
        let search = "ERR GEOSEARCHSTORE is not compatible with WITHDIST, WITHHASH and WITHCOORD options";
        check_errors(
            client,
            &[
                ("GEORADIUS s x 1 1 km", WRONG_TYPE),
                ("GEORADIUSBYMEMBER s a 1 km", WRONG_TYPE),
                ("GEOSEARCH s FROMMEMBER a BYRADIUS 1 m", WRONG_TYPE),
                ("GEOSEARCHSTORE d s FROMMEMBER a BYRADIUS 1 m", WRONG_TYPE),
                ("GEORADIUS Sicily 200 1 1 km", "ERR invalid longitude,latitude pair 200.000000,1.000000"),
                ("GEORADIUS Sicily x 1 1 km", NOT_FLOAT),
                ("GEORADIUS Sicily 1 1 x km", radius),
                ("GEORADIUS Sicily 1 1 -1 km", "ERR radius cannot be negative"),
                ("GEORADIUS Sicily 1 1 1 parsec", UNIT),
                ("GEORADIUS Sicily 1 1 1 km COUNT 0", count),
                ("GEORADIUS Sicily 1 1 1 km COUNT x", "ERR value is not an integer or out of range"),
                ("GEORADIUS Sicily 1 1 1 km COUNT", SYNTAX),
                ("GEORADIUS Sicily 1 1 1 km ANY", any),
                ("GEORADIUS Sicily 1 1 1 km STORE d WITHDIST", store),
                ("GEORADIUS_RO Sicily 1 1 1 km STORE d", SYNTAX),
                ("GEORADIUSBYMEMBER_RO Sicily Palermo 1 km STOREDIST d", SYNTAX),
                ("GEORADIUSBYMEMBER Sicily none 1 km", MEMBER),
                ("GEOSEARCH Sicily FROMMEMBER none BYRADIUS 1 m", MEMBER),
                ("GEOSEARCH Sicily FROMMEMBER Palermo FROMLONLAT 1 1 BYRADIUS 1 m", SYNTAX),
                ("GEOSEARCH Sicily FROMMEMBER Palermo BYRADIUS 1 m BYBOX 1 1 m", SYNTAX),
                ("GEOSEARCH Sicily FROMMEMBER Palermo BYBOX x 1 m", "ERR need numeric width"),
                ("GEOSEARCH Sicily FROMMEMBER Palermo BYBOX 1 x m", "ERR need numeric height"),
                (
                    "GEOSEARCH Sicily FROMMEMBER Palermo BYBOX 1 -1 m",
                    "ERR height or width cannot be negative",
                ),
                (
                    "geoSearch Sicily BYRADIUS 1 m ASC ASC ASC",
                    "ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for geoSearch",
                ),
                (
                    "GEOSEARCH none FROMMEMBER a ASC ASC ASC",
                    "ERR exactly one of BYRADIUS and BYBOX can be specified for GEOSEARCH",
                ),
                ("GEOSEARCH Sicily FROMMEMBER Palermo BYRADIUS 1 m STOREDIST", SYNTAX),
                ("GEOSEARCH Sicily FROMMEMBER Palermo BYRADIUS 1 m STORE d", SYNTAX),
                ("GEOSEARCHSTORE d Sicily FROMMEMBER Palermo BYRADIUS 1 m WITHHASH", search),
                ("GEOSEARCHSTORE d none FROMMEMBER a BYRADIUS 1 m ANY", any),
            ],
        );
    });
}

#[test]
fn a_search_over_the_date_line_and_of_the_whole_earth_finds_all() {
    let server = Server::start();
    let mut client = server.connect();
    client.cmd(&words("GEOADD g 179.9 0 east -179.9 0 west 0 80 north 0 -80 south"));
    check_texts(&mut client, &[("GEOSEARCH g FROMMEMBER east BYRADIUS 100 km ASC", "east west")]);
    let mut all = client.texts(&words("GEOSEARCH g FROMLONLAT 0 0 BYRADIUS 1e300 km"));
    all.sort();
    all.dedup();
    assert_eq!(all, ["east", "north", "south", "west"]);
}

#[test]
fn a_stored_search_of_the_whole_earth_has_every_member_once() {
    if forgekv_only("Redis stops when a member is found twice") {
        return;
    }
    let server = Server::start();
    let mut client = server.connect();
    client.cmd(&words("GEOADD g 179.9 0 east -179.9 0 west 0 80 north 0 -80 south"));
    let stored = client.int(&words("GEOSEARCHSTORE d g FROMLONLAT 0 0 BYRADIUS 1e300 km"));
    assert_eq!((stored, client.int(&["ZCARD", "d"])), (4, 4));
}

#[test]
fn an_index_comes_back_from_the_log() {
    if forgekv_only("the server is killed and started again") {
        return;
    }
    let mut server = Server::with_args(&["--wal_sync_mode", "always"]);
    let mut client = server.connect();
    add_sicily(&mut client);
    client.cmd(&words("GEORADIUS Sicily 15 37 200 km STOREDIST d"));
    client.cmd(&words("GEOSEARCHSTORE e Sicily FROMLONLAT 15 37 BYBOX 400 400 km COUNT 2 ANY"));
    let read = |client: &mut Client| -> Vec<Value> {
        ["Sicily", "d", "e"].map(|key| client.cmd(&["ZRANGE", key, "0", "-1", "WITHSCORES"])).to_vec()
    };
    let before = read(&mut client);
    assert!(before.iter().all(|value| value.items().is_some_and(|items| !items.is_empty())), "{before:?}");
    server.kill_9();
    server.restart();
    assert_eq!(read(&mut server.connect()), before);
}
