//! Requests on the wire: limits, errors, pipelines, fuzz.

use std::io;

use crate::support::Rng;
use crate::support::Server;
use crate::support::Value;
use crate::support::{Client, encode};
use crate::support::{forgekv_only, stress_factor};

/// Sends raw bytes and reads until the server closes the connection.
fn closed_with(server: &Server, request: &[u8]) -> String {
    let mut client = server.connect();
    client.send_raw(request);
    String::from_utf8_lossy(&client.recv_until_closed()).into_owned()
}

#[test]
fn broken_requests_get_redis_errors_and_a_closed_connection() {
    let server = Server::start();
    let too_big_inline = [b'a'; 70_000];
    let cases: &[(&[u8], &str)] = &[
        (b"*3000000000\r\n", "invalid multibulk length"),
        (b"*abc\r\n", "invalid multibulk length"),
        (b"*1\r\nxGET\r\n", "expected '$', got 'x'"),
        (b"*1\r\n:3\r\n", "expected '$', got ':'"),
        (b"*1\r\n$-1\r\n", "invalid bulk length"),
        (b"*1\r\n$99999999999\r\n", "invalid bulk length"),
        (b"*1\r\n$abc\r\n", "invalid bulk length"),
        (b"SET \"unbalanced\r\n", "unbalanced quotes in request"),
        (b"SET 'a'b\r\n", "unbalanced quotes in request"),
        (&too_big_inline, "too big inline request"),
    ];
    for (request, text) in cases {
        let shown = String::from_utf8_lossy(&request[..request.len().min(30)]).into_owned();
        assert_eq!(closed_with(&server, request), format!("-ERR Protocol error: {text}\r\n"), "{shown}");
    }
    server.connect().ok(&["SET", "still", "alive"]);
}

#[test]
fn before_authentication_only_small_requests_are_read() {
    if forgekv_only("the server is started with a password") {
        return;
    }
    let server = Server::with_args(&["--requirepass", "secret"]);
    assert_eq!(
        closed_with(&server, b"*11\r\n$4\r\nPING\r\n"),
        "-ERR Protocol error: unauthenticated multibulk length\r\n"
    );
    assert_eq!(
        closed_with(&server, b"*2\r\n$4\r\nPING\r\n$20000\r\n"),
        "-ERR Protocol error: unauthenticated bulk length\r\n"
    );
}

#[test]
fn commands_before_a_broken_one_are_answered() {
    let server = Server::start();
    let reply = closed_with(&server, b"PING\r\n*1\r\n$4\r\nPING\r\n*1\r\n!\r\n");
    assert_eq!(reply, "+PONG\r\n+PONG\r\n-ERR Protocol error: expected '$', got '!'\r\n");
}

#[test]
fn inline_commands_are_words_with_quotes() {
    let server = Server::start();
    let mut client = server.connect();
    client.send_raw(b"SET \"a key\" 'it\\'s'\r\nGET \"a\\x20key\"\n\r\n  PING  \r\n");
    assert_eq!(client.read(), Value::simple("OK"));
    assert_eq!(client.read(), Value::bulk("it's"));
    assert_eq!(client.read(), Value::simple("PONG"));
}

#[test]
fn empty_commands_are_not_answered() {
    let server = Server::start();
    let mut client = server.connect();
    client.send_raw(b"*0\r\n*-1\r\n\r\n*1\r\n$4\r\nPING\r\n");
    assert_eq!(client.read(), Value::simple("PONG"));
}

#[test]
fn a_request_may_arrive_in_any_pieces() {
    let server = Server::start();
    let mut client = server.connect();
    let mut request = encode(&["SET", "pieces", "some value\r\nwith lines"]);
    request.extend(encode(&["GET", "pieces"]));
    for cut in 1..request.len() {
        client.send_raw(&request[..cut]);
        // Without a pause the kernel would often join the pieces; a reply to PING on another connection is one.
        if cut % 7 == 0 {
            server.connect().cmd(&["PING"]);
        }
        client.send_raw(&request[cut..]);
        assert_eq!(client.read(), Value::simple("OK"), "cut at {cut}");
        assert_eq!(client.read(), Value::bulk("some value\r\nwith lines"), "cut at {cut}");
    }
}

#[test]
fn a_request_may_arrive_byte_by_byte() {
    let server = Server::start();
    let mut client = server.connect();
    for byte in encode(&["SET", "byte", "by byte"]) {
        client.send_raw(&[byte]);
    }
    assert_eq!(client.read(), Value::simple("OK"));
}

#[test]
fn a_deep_pipeline_is_answered_in_order() {
    let server = Server::start();
    let mut client = server.connect();
    let depth = 20_000;
    let commands: Vec<Vec<String>> = (0..depth)
        .map(|i| match i % 3 {
            0 => vec!["SET".into(), format!("key{i}"), format!("value{i}")],
            1 => vec!["GET".into(), format!("key{}", i - 1)],
            _ => vec!["INCR".into(), "counter".into()],
        })
        .collect();
    let replies = client.pipeline(&commands);
    for (i, reply) in replies.iter().enumerate() {
        let wanted = match i % 3 {
            0 => Value::simple("OK"),
            1 => Value::bulk(format!("value{}", i - 1)),
            _ => Value::Int((i / 3 + 1) as i64),
        };
        assert_eq!(*reply, wanted, "reply {i}");
    }
}

#[test]
fn big_values_go_in_and_come_out_whole() {
    let server = Server::start();
    let mut client = server.connect();
    for size in [0, 1, 4095, 4096, 16 << 10, 100_000, 1 << 20, 24 << 20] {
        let value: Vec<u8> = (0..size).map(|i: usize| (i * 31 % 251) as u8).collect();
        client.ok(&[b"SET".as_slice(), b"big", &value]);
        assert!(client.bulk(&["GET", "big"]) == value, "{size} bytes");
    }
}

#[test]
fn an_announced_length_beyond_the_limit_is_refused() {
    if forgekv_only("the server is started with a lower limit") {
        return;
    }
    let server = Server::with_args(&["--proto-max-bulk-len", "1mb"]);
    let reply = closed_with(&server, b"*2\r\n$3\r\nGET\r\n$1048577\r\n");
    assert_eq!(reply, "-ERR Protocol error: invalid bulk length\r\n");
    server.connect().ok(&["SET".as_bytes(), b"k", &vec![0; 1_048_576]]);
}

#[test]
fn unknown_commands_are_quoted_back() {
    let server = Server::start();
    let mut client = server.connect();
    assert_eq!(
        client.error(&["NOSUCH", "a", "b c"]),
        "ERR unknown command 'NOSUCH', with args beginning with: 'a' 'b c' "
    );
    assert_eq!(client.error(&["GET"]), "ERR wrong number of arguments for 'get' command");
    let long = "x".repeat(300);
    let error = client.error(&[long.as_str(), long.as_str(), "y"]);
    assert_eq!(
        error,
        format!("ERR unknown command '{0}', with args beginning with: '{0}' ", "x".repeat(128))
    );
    assert!(client.error(&["NO\r\nSUCH"]).starts_with("ERR unknown command 'NO  SUCH'"));
}

/// Mutated streams: whatever comes, the server answers or closes, and goes on serving others.
#[test]
fn mutated_streams_never_hurt_the_server() {
    let seed = std::env::var("FORGEKV_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(7);
    eprintln!("FORGEKV_SEED={seed}");
    let server = Server::start();
    let mut rng = Rng::new(seed);
    for round in 0..400 * stress_factor() {
        let mut stream = Vec::new();
        for _ in 0..rng.below(6) + 1 {
            let key = format!("k{}", rng.below(5));
            let command: Vec<&str> = match rng.below(5) {
                0 => vec!["SET", &key, "value"],
                1 => vec!["GET", &key],
                2 => vec!["MSET", &key, "1", "other", "2"],
                3 => vec!["PING", "message"],
                _ => vec!["INCR", &key],
            };
            stream.extend(encode(&command));
        }
        for _ in 0..rng.below(4) {
            let at = rng.below(stream.len());
            match rng.below(4) {
                0 => stream[at] = rng.next() as u8,
                1 => drop(stream.remove(at)),
                2 => stream.insert(at, b"$*\r\n-0123456789\"'"[rng.below(17)]),
                _ => stream.truncate(at.max(1)),
            }
        }
        let mut client = server.connect();
        client.set_timeout(std::time::Duration::from_millis(20));
        if client.try_send_raw(&stream).is_ok() {
            read_some(&mut client);
        }
        if round % 50 == 0 {
            assert_eq!(server.connect().cmd(&["PING"]), Value::simple("PONG"), "after round {round}");
        }
    }
    assert_eq!(server.connect().cmd(&["PING"]), Value::simple("PONG"));
}

/// Reads what comes until nothing does; every reply must be well formed.
fn read_some(client: &mut Client) {
    for _ in 0..20 {
        match client.try_read() {
            Ok(_) => {}
            Err(error) => {
                assert_ne!(error.kind(), io::ErrorKind::InvalidData, "a malformed reply: {error}");
                return;
            }
        }
    }
}
