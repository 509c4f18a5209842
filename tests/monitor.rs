//! MONITOR: every command of every client, as Redis writes it down.

use crate::support::{Client, Server, ServerOptions, Value, forgekv_only, wait_for};

fn start() -> Server {
    if std::env::var_os("FORGEKV_TEST_ADDR").is_some() {
        Server::start()
    } else {
        ServerOptions::default().args(&["--workers", "4"]).start()
    }
}

/// The next line without its time: `[db address] words`.
#[track_caller]
fn next(monitor: &mut Client) -> String {
    let value = monitor.read();
    let Value::Simple(line) = &value else { panic!("no line: {value:?}") };
    let line = String::from_utf8(line.clone()).unwrap();
    let (time, rest) = line.split_once(' ').unwrap();
    let (seconds, micros) = time.split_once('.').unwrap();
    assert!(seconds.parse::<u64>().unwrap() > 1_600_000_000 && micros.len() == 6, "{line}");
    rest.to_owned()
}

#[test]
fn a_monitor_sees_every_command_with_its_database_and_address() {
    let server = start();
    let (mut monitor, mut client) = (server.connect(), server.connect());
    let address = client.local_addr();
    monitor.ok(&["MONITOR"]);
    client.ok(&["SET", "k", "v"]);
    client.send(&[&b"ECHO"[..], b"a \"q\" \\ \r\n\t\x07\x08\x00\xff"]);
    client.read();
    client.ok(&["SELECT", "3"]);
    client.cmd(&["get", "k"]);
    assert!(client.error(&["INCR"]).starts_with("ERR wrong number"));
    assert!(client.error(&["NOSUCH", "x"]).starts_with("ERR unknown command"));
    client.ok(&["SET", "k", "text"]);
    assert_eq!(client.error(&["INCR", "k"]), "ERR value is not an integer or out of range");
    client.ok(&["CONFIG", "SET", "maxmemory-samples", "5"]);
    client.cmd(&["DBSIZE"]);
    for (db, words) in [
        (0, r#""SET" "k" "v""#),
        (0, r#""ECHO" "a \"q\" \\ \r\n\t\a\b\x00\xff""#),
        (3, r#""SELECT" "3""#),
        (3, r#""get" "k""#),
        (3, r#""SET" "k" "text""#),
        (3, r#""INCR" "k""#),
        (3, r#""DBSIZE""#),
    ] {
        assert_eq!(next(&mut monitor), format!("[{db} {address}] {words}"));
    }
}

#[test]
fn passwords_are_not_shown() {
    let server = start();
    let (mut monitor, mut client) = (server.connect(), server.connect());
    let address = client.local_addr();
    monitor.ok(&["MONITOR"]);
    client.error(&["AUTH", "secret"]);
    client.error(&["AUTH", "user", "secret"]);
    client.cmd(&["HELLO", "2", "AUTH", "user", "secret"]);
    client.cmd(&["MIGRATE", "127.0.0.1", "1", "none", "0", "10", "COPY", "AUTH2", "user", "secret"]);
    client.cmd(&["PING"]);
    for words in [
        r#""AUTH" "(redacted)""#,
        r#""AUTH" "(redacted)" "(redacted)""#,
        r#""HELLO" "2" "AUTH" "(redacted)" "(redacted)""#,
        r#""MIGRATE" "127.0.0.1" "1" "none" "0" "10" "COPY" "AUTH2" "(redacted)" "(redacted)""#,
        r#""PING""#,
    ] {
        assert_eq!(next(&mut monitor), format!("[0 {address}] {words}"));
    }
}

#[test]
fn each_clients_commands_are_seen_in_order_by_every_monitor() {
    let server = start();
    let addr = server.addr();
    let monitors: Vec<Client> = (0..5)
        .map(|_| {
            let mut monitor = Client::connect(addr);
            monitor.ok(&["MONITOR"]);
            monitor
        })
        .collect();
    let (clients, commands) = (4, 500);
    std::thread::scope(|scope| {
        for client in 0..clients {
            scope.spawn(move || {
                let mut connection = Client::connect(addr);
                let words = |n: i32| vec!["ECHO".to_owned(), format!("{client}:{n}")];
                for batch in (0..commands).collect::<Vec<_>>().chunks(20) {
                    connection.pipeline(&batch.iter().map(|&n| words(n)).collect::<Vec<_>>());
                }
            });
        }
        for mut monitor in monitors {
            scope.spawn(move || {
                let mut seen = vec![0; clients as usize];
                while seen.iter().any(|&n| n < commands) {
                    let line = next(&mut monitor);
                    let Some((_, text)) = line.split_once("\"ECHO\" \"") else { continue };
                    let (client, n) = text.trim_end_matches('"').split_once(':').unwrap();
                    let client: usize = client.parse().unwrap();
                    assert_eq!(n.parse::<i32>().unwrap(), seen[client], "of client {client}");
                    seen[client] += 1;
                }
            });
        }
    });
}

#[test]
fn a_monitor_sees_its_own_commands_behind_their_replies() {
    let server = start();
    let mut monitor = server.connect();
    let address = monitor.local_addr();
    monitor.ok(&["MONITOR"]);
    assert_eq!(monitor.cmd(&["PING"]), Value::simple("PONG"));
    assert_eq!(next(&mut monitor), format!("[0 {address}] \"PING\""));
    // A second MONITOR is not even answered.
    monitor.send(&["MONITOR"]);
    assert_eq!(monitor.text(&["ECHO", "x"]), "x");
    assert_eq!(next(&mut monitor), format!("[0 {address}] \"ECHO\" \"x\""));
    assert!(monitor.text(&["CLIENT", "INFO"]).contains(" flags=O "));
    next(&mut monitor);
    for line in [&["GET", "k"][..], &["SET", "k", "v"], &["PUBLISH", "c", "x"], &["EVAL", "return 1", "0"]] {
        let refused = Value::Error(b"ERR Replica can't interact with the keyspace".to_vec());
        assert_eq!(monitor.cmd(line), refused, "{line:?}");
    }
    assert_eq!(monitor.cmd(&["RESET"]), Value::simple("RESET"));
    let mut client = server.connect();
    client.ok(&["SET", "k", "v"]);
    assert_eq!(monitor.cmd(&["PING"]), Value::simple("PONG"), "it is a monitor no longer");
}

#[test]
fn a_monitor_that_does_not_read_is_cut_by_the_limit_of_its_class() {
    if forgekv_only("the limit is set for this server") {
        return;
    }
    let limit = ["--workers", "4", "--client-output-buffer-limit", "normal", "1mb", "0", "0"];
    let server = ServerOptions::default().args(&limit).start();
    let (mut slow, mut client) = (server.connect(), server.connect());
    slow.ok(&["MONITOR"]);
    let text = "x".repeat(50_000);
    wait_for("the monitor to be cut", || {
        client.ok(&["SET", "k", &text]);
        !client.text(&["CLIENT", "LIST"]).contains(" flags=O ")
    });
}
