//! Publish/subscribe: who gets which message, in which order and shape.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::support::{Client, Rng, Server, ServerOptions, Value, forgekv_only, wait_for};

/// A server whose clients are spread over four workers.
fn start() -> Server {
    if std::env::var_os("FORGEKV_TEST_ADDR").is_some() {
        Server::start()
    } else {
        ServerOptions::default().args(&["--workers", "4"]).start()
    }
}

fn bulks(parts: &[&str]) -> Vec<Value> {
    parts.iter().map(Value::bulk).collect()
}

fn message(parts: &[&str]) -> Value {
    Value::Array(bulks(parts))
}

fn push(parts: &[&str]) -> Value {
    Value::Push(bulks(parts))
}

/// What SUBSCRIBE and its kin answer in RESP2.
fn confirmation(what: &str, name: &str, count: i64) -> Value {
    Value::Array(vec![Value::bulk(what), Value::bulk(name), Value::Int(count)])
}

fn as_push(value: Value) -> Value {
    match value {
        Value::Array(items) => Value::Push(items),
        other => other,
    }
}

fn resp3(addr: SocketAddr) -> Client {
    let mut client = Client::connect(addr);
    client.hello(3);
    client
}

#[test]
fn subscriptions_are_counted_and_messages_arrive() {
    let server = start();
    let (mut subscriber, mut publisher) = (server.connect(), server.connect());
    subscriber.send(&["SUBSCRIBE", "a", "b", "a"]);
    for (name, count) in [("a", 1), ("b", 2), ("a", 2)] {
        assert_eq!(subscriber.read(), confirmation("subscribe", name, count));
    }
    assert_eq!(subscriber.cmd(&["PSUBSCRIBE", "h?llo"]), confirmation("psubscribe", "h?llo", 3));
    assert_eq!(subscriber.cmd(&["SSUBSCRIBE", "shard"]), confirmation("ssubscribe", "shard", 1));
    assert_eq!(publisher.int(&["PUBLISH", "a", "one"]), 1);
    assert_eq!(publisher.int(&["PUBLISH", "hello", "two"]), 1);
    assert_eq!(publisher.int(&["PUBLISH", "shard", "nobody"]), 0);
    assert_eq!(publisher.int(&["SPUBLISH", "shard", "three"]), 1);
    assert_eq!(publisher.int(&["SPUBLISH", "a", "nobody"]), 0);
    assert_eq!(subscriber.read(), message(&["message", "a", "one"]));
    assert_eq!(subscriber.read(), message(&["pmessage", "h?llo", "hello", "two"]));
    assert_eq!(subscriber.read(), message(&["smessage", "shard", "three"]));
    assert_eq!(subscriber.cmd(&["UNSUBSCRIBE", "a", "nothing"]), confirmation("unsubscribe", "a", 2));
    assert_eq!(subscriber.read(), confirmation("unsubscribe", "nothing", 2));
    assert_eq!(publisher.int(&["PUBLISH", "a", "nobody"]), 0);
    assert_eq!(subscriber.cmd(&["UNSUBSCRIBE"]), confirmation("unsubscribe", "b", 1));
    assert_eq!(subscriber.cmd(&["PUNSUBSCRIBE"]), confirmation("punsubscribe", "h?llo", 0));
    let none = |what: &str| Value::Array(vec![Value::bulk(what), Value::NullBulk, Value::Int(0)]);
    assert_eq!(subscriber.cmd(&["UNSUBSCRIBE"]), none("unsubscribe"));
    assert_eq!(subscriber.cmd(&["PUNSUBSCRIBE"]), none("punsubscribe"));
    assert_eq!(subscriber.cmd(&["SUNSUBSCRIBE"]), confirmation("sunsubscribe", "shard", 0));
    assert_eq!(subscriber.cmd(&["SUNSUBSCRIBE"]), none("sunsubscribe"));
    assert_eq!(subscriber.cmd(&["PING"]), Value::simple("PONG"), "it has left the subscribed mode");
}

#[test]
fn a_resp2_subscriber_may_do_little_else() {
    let server = start();
    let mut client = server.connect();
    assert_eq!(client.cmd(&["SSUBSCRIBE", "c"]), confirmation("ssubscribe", "c", 1));
    for (line, name) in [
        ("GET k", "get"),
        ("PUBLISH c x", "publish"),
        ("HELLO 3", "hello"),
        ("CONFIG GET port", "config|get"),
        ("PUBSUB CHANNELS", "pubsub|channels"),
    ] {
        let words: Vec<&str> = line.split(' ').collect();
        let expected = format!(
            "ERR Can't execute '{name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context"
        );
        assert_eq!(client.error(&words), expected, "{line}");
    }
    assert_eq!(client.error(&["GET"]), "ERR wrong number of arguments for 'get' command");
    assert_eq!(client.cmd(&["PING"]), message(&["pong", ""]));
    assert_eq!(client.cmd(&["PING", "hi"]), message(&["pong", "hi"]));
    assert_eq!(client.cmd(&["RESET"]), Value::simple("RESET"));
    client.ok(&["SET", "k", "v"]);
    let mut publisher = server.connect();
    assert_eq!(publisher.int(&["SPUBLISH", "c", "x"]), 0);
    assert_eq!(client.cmd(&["SUBSCRIBE", "c"]), confirmation("subscribe", "c", 1));
    assert_eq!(client.cmd(&["QUIT"]), Value::simple("OK"));
    client.recv_until_closed();
    wait_for("the subscription to end", || publisher.int(&["PUBLISH", "c", "x"]) == 0);
}

#[test]
fn a_resp3_subscriber_gets_pushes_among_its_replies() {
    let server = start();
    let (mut subscriber, mut publisher) = (resp3(server.addr()), server.connect());
    let subscribed = as_push(confirmation("subscribe", "c", 1));
    assert_eq!(subscriber.cmd(&["SUBSCRIBE", "c"]), subscribed);
    assert_eq!(publisher.int(&["PUBLISH", "c", "one"]), 1);
    assert_eq!(subscriber.read(), push(&["message", "c", "one"]));
    subscriber.ok(&["SET", "k", "v"]);
    assert_eq!(subscriber.cmd(&["PING"]), Value::simple("PONG"));
    assert_eq!(subscriber.cmd(&["PSUBSCRIBE", "c*"]), as_push(confirmation("psubscribe", "c*", 2)));
    assert_eq!(publisher.int(&["PUBLISH", "c", "two"]), 2);
    assert_eq!(subscriber.read(), push(&["message", "c", "two"]));
    assert_eq!(subscriber.read(), push(&["pmessage", "c*", "c", "two"]));
    let none = Value::Push(vec![Value::bulk("sunsubscribe"), Value::Null, Value::Int(0)]);
    assert_eq!(subscriber.cmd(&["SUNSUBSCRIBE"]), none);
}

#[test]
fn a_publishers_own_message_comes_behind_its_reply() {
    if forgekv_only("Redis 7.2+ does this; 7.0 sends the message first") {
        return;
    }
    let server = start();
    let mut client = resp3(server.addr());
    client.cmd(&["SUBSCRIBE", "c"]);
    client.cmd(&["PSUBSCRIBE", "*"]);
    let replies = client.pipeline(&[vec!["PUBLISH", "c", "one"], vec!["PING"]]);
    assert_eq!(replies, [Value::Int(2), push(&["message", "c", "one"])]);
    assert_eq!(client.read(), push(&["pmessage", "*", "c", "one"]));
    assert_eq!(client.read(), Value::simple("PONG"));
}

#[test]
fn client_reply_off_does_not_silence_messages() {
    let server = start();
    let (mut subscriber, mut publisher) = (resp3(server.addr()), server.connect());
    subscriber.send(&["CLIENT", "REPLY", "OFF"]);
    subscriber.send(&["PING"]);
    assert_eq!(subscriber.cmd(&["SUBSCRIBE", "c"]), as_push(confirmation("subscribe", "c", 1)));
    assert_eq!(publisher.int(&["PUBLISH", "c", "x"]), 1);
    assert_eq!(subscriber.read(), push(&["message", "c", "x"]));
    subscriber.ok(&["CLIENT", "REPLY", "ON"]);
    // A confirmation does not take the place of the reply that is skipped, but the skip is over.
    let mut client = server.connect();
    client.send(&["CLIENT", "REPLY", "SKIP"]);
    assert_eq!(client.cmd(&["UNSUBSCRIBE", "c"]), confirmation("unsubscribe", "c", 0));
    assert_eq!(client.cmd(&["PING"]), Value::simple("PONG"));
}

#[test]
fn what_client_reply_suppresses_of_a_transaction_is_each_commands_own_reply() {
    let server = start();
    for (lines, expected) in [
        (
            "CLIENT REPLY OFF|MULTI|SET k v|SUBSCRIBE c|UNSUBSCRIBE|GET k|EXEC",
            "subscribe c 1|unsubscribe c 0",
        ),
        ("CLIENT REPLY OFF|MULTI|PING|CLIENT REPLY ON|SET k v|EXEC", "OK|OK"),
        ("CLIENT REPLY OFF|MULTI|CLIENT REPLY ON|SET k v|CLIENT REPLY OFF|GET k|EXEC|PING", "OK|OK"),
        ("CLIENT REPLY OFF|MULTI|NOSUCH|EXEC", ""),
    ] {
        let mut client = resp3(server.addr());
        lines.split('|').for_each(|line| client.send(&line.split(' ').collect::<Vec<_>>()));
        for text in expected.split('|').filter(|text| !text.is_empty()) {
            let expected = match text.split(' ').collect::<Vec<_>>()[..] {
                [what, name, count] => as_push(confirmation(what, name, count.parse().unwrap())),
                _ => Value::simple(text),
            };
            assert_eq!(client.read(), expected, "{lines}");
        }
        client.ok(&["CLIENT", "REPLY", "ON"]);
    }
    // As in Redis the header was sent before the transaction switches replies off.
    let mut client = server.connect();
    client.ok(&["MULTI"]);
    for line in ["PING", "CLIENT REPLY OFF", "SUBSCRIBE c", "UNSUBSCRIBE c", "PING", "CLIENT REPLY ON"] {
        assert_eq!(client.cmd(&line.split(' ').collect::<Vec<_>>()), Value::simple("QUEUED"));
    }
    client.send(&["EXEC"]);
    assert_eq!(client.recv_raw(4), b"*6\r\n");
    assert_eq!(client.read(), Value::simple("PONG"));
    assert_eq!(client.read(), confirmation("subscribe", "c", 1));
    assert_eq!(client.read(), confirmation("unsubscribe", "c", 0));
    assert_eq!(client.read(), Value::simple("OK"));
    assert_eq!(client.cmd(&["PING"]), Value::simple("PONG"));
}

#[test]
fn pubsub_tells_who_is_subscribed_to_what() {
    let server = start();
    let (mut one, mut two, mut client) = (server.connect(), resp3(server.addr()), server.connect());
    one.cmd(&["SUBSCRIBE", "news.it"]);
    one.cmd(&["PSUBSCRIBE", "news.*"]);
    two.cmd(&["SUBSCRIBE", "news.it"]);
    two.cmd(&["SUBSCRIBE", "other"]);
    two.cmd(&["PSUBSCRIBE", "news.*"]);
    two.cmd(&["SSUBSCRIBE", "shard"]);
    let sorted = |mut names: Vec<String>| {
        names.sort();
        names
    };
    assert_eq!(sorted(client.texts(&["PUBSUB", "CHANNELS"])), ["news.it", "other"]);
    assert_eq!(client.texts(&["PUBSUB", "CHANNELS", "news*"]), ["news.it"]);
    assert_eq!(client.texts(&["PUBSUB", "SHARDCHANNELS"]), ["shard"]);
    assert_eq!(client.texts(&["PUBSUB", "SHARDCHANNELS", "x*"]), [""; 0]);
    assert_eq!(client.int(&["PUBSUB", "NUMPAT"]), 1);
    let counts = client.cmd(&["PUBSUB", "NUMSUB", "news.it", "none"]);
    let expected = vec![Value::bulk("news.it"), Value::Int(2), Value::bulk("none"), Value::Int(0)];
    assert_eq!(counts, Value::Array(expected));
    assert_eq!(client.cmd(&["PUBSUB", "NUMSUB"]), Value::Array(vec![]));
    let counts = client.cmd(&["PUBSUB", "SHARDNUMSUB", "shard", "news.it"]);
    let expected = vec![Value::bulk("shard"), Value::Int(1), Value::bulk("news.it"), Value::Int(0)];
    assert_eq!(counts, Value::Array(expected));
    let info = client.text(&["INFO", "stats"]);
    for line in ["pubsub_channels:2\r\n", "pubsub_patterns:1\r\n", "pubsubshard_channels:1\r\n"] {
        assert!(info.contains(line), "{line}");
    }
    for (line, error) in [
        ("PUBSUB", "ERR wrong number of arguments for 'pubsub' command"),
        (
            "PUBSUB CHANNELS a b",
            "ERR unknown subcommand or wrong number of arguments for 'CHANNELS'. Try PUBSUB HELP.",
        ),
        ("PUBSUB NUMPAT a", "ERR wrong number of arguments for 'pubsub|numpat' command"),
        ("PUBSUB NONE", "ERR unknown subcommand 'NONE'. Try PUBSUB HELP."),
        ("SUBSCRIBE", "ERR wrong number of arguments for 'subscribe' command"),
        ("PUBLISH c", "ERR wrong number of arguments for 'publish' command"),
    ] {
        assert_eq!(client.error(&line.split(' ').collect::<Vec<_>>()), error, "{line}");
    }
}

#[test]
fn client_list_shows_subscribers() {
    let server = start();
    let (mut subscriber, mut client) = (resp3(server.addr()), server.connect());
    let id = subscriber.int(&["CLIENT", "ID"]).to_string();
    subscriber.cmd(&["SUBSCRIBE", "a"]);
    subscriber.cmd(&["PSUBSCRIBE", "b*"]);
    subscriber.send(&["PSUBSCRIBE", "c*"]);
    subscriber.read();
    let line = client.text(&["CLIENT", "LIST", "ID", &id]);
    assert!(line.contains(" flags=P ") && line.contains(" sub=1 psub=2 "), "{line}");
    assert!(client.text(&["CLIENT", "LIST", "TYPE", "pubsub"]).contains(&format!("id={id} ")));
    assert!(!client.text(&["CLIENT", "LIST", "TYPE", "normal"]).contains(&format!("id={id} ")));
    assert_eq!(client.int(&["CLIENT", "KILL", "TYPE", "pubsub"]), 1);
    subscriber.recv_until_closed();
    wait_for("the subscriptions to end", || client.int(&["PUBSUB", "NUMPAT"]) == 0);
    assert_eq!(client.int(&["PUBLISH", "a", "x"]), 0);
}

#[test]
fn big_messages_arrive_whole_in_both_protocols() {
    let server = start();
    let (mut two, mut three, mut publisher) = (server.connect(), resp3(server.addr()), server.connect());
    two.cmd(&["SUBSCRIBE", "c"]);
    three.cmd(&["SUBSCRIBE", "c"]);
    let text = "x".repeat(300_000);
    for n in 0..20 {
        let text = format!("{n}{text}");
        assert_eq!(publisher.int(&["PUBLISH", "c", &text]), 2);
        assert_eq!(two.read(), message(&["message", "c", &text]));
        assert_eq!(three.read(), push(&["message", "c", &text]));
    }
}

#[test]
fn every_subscriber_gets_each_publishers_messages_in_order() {
    let server = start();
    let (addr, publishers, messages) = (server.addr(), 4, 2_000);
    let subscribers: Vec<Client> = (0..12)
        .map(|n| {
            let mut client = if n % 2 == 0 { Client::connect(addr) } else { resp3(addr) };
            client.cmd(&[if n % 3 == 0 { "PSUBSCRIBE" } else { "SUBSCRIBE" }, "chan"]);
            client
        })
        .collect();
    std::thread::scope(|scope| {
        for publisher in 0..publishers {
            scope.spawn(move || {
                let mut client = Client::connect(addr);
                for batch in (0..messages).collect::<Vec<_>>().chunks(50) {
                    let words =
                        |n: &i32| vec!["PUBLISH".to_owned(), "chan".to_owned(), format!("{publisher}:{n}")];
                    let replies = client.pipeline(&batch.iter().map(words).collect::<Vec<_>>());
                    assert!(replies.iter().all(|reply| *reply == Value::Int(12)), "{replies:?}");
                }
            });
        }
        for mut subscriber in subscribers {
            scope.spawn(move || {
                let mut next = vec![0; publishers];
                for _ in 0..publishers * messages as usize {
                    let value = subscriber.read();
                    let text = value.items().and_then(|items| items.last()).and_then(Value::as_bytes);
                    let text = std::str::from_utf8(text.unwrap()).unwrap();
                    let (publisher, n) = text.split_once(':').unwrap();
                    let publisher: usize = publisher.parse().unwrap();
                    assert_eq!(n.parse::<i32>().unwrap(), next[publisher], "of publisher {publisher}");
                    next[publisher] += 1;
                }
                assert_eq!(next, vec![messages; publishers]);
            });
        }
    });
}

/// A message that is under way when a RESP2 client unsubscribes would stand among its replies.
#[test]
fn no_message_comes_after_the_confirmation_that_a_subscription_ended() {
    let server = start();
    let addr = server.addr();
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut client = Client::connect(addr);
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    client.pipeline(&vec![vec!["PUBLISH", "c", "text"]; 20]);
                }
            });
        }
        let mut rng = Rng::new(7);
        let mut clients: Vec<Client> = (0..4).map(|_| Client::connect(addr)).collect();
        for round in 0..400 {
            let client = rng.pick(&[0, 1, 2, 3]);
            let client = &mut clients[*client];
            assert_eq!(client.cmd(&["SUBSCRIBE", "c"]), confirmation("subscribe", "c", 1), "{round}");
            client.send(&["UNSUBSCRIBE", "c"]);
            while client.read() != confirmation("unsubscribe", "c", 0) {}
            assert_eq!(client.text(&["ECHO", "reply"]), "reply", "{round}");
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}

#[test]
fn a_subscriber_that_does_not_read_is_cut_and_the_others_are_served() {
    let server = start();
    let mut publisher = server.connect();
    publisher.ok(&["CONFIG", "SET", "client-output-buffer-limit", "pubsub 1mb 0 0"]);
    let (mut slow, mut good) = (server.connect(), server.connect());
    slow.cmd(&["SUBSCRIBE", "c"]);
    good.cmd(&["SUBSCRIBE", "c"]);
    let text = "x".repeat(100_000);
    let mut sent = 0;
    wait_for("the slow subscriber to be cut", || {
        let receivers = publisher.int(&["PUBLISH", "c", &text]);
        assert_eq!(good.read(), message(&["message", "c", &text]));
        sent += 1;
        assert!(sent < 2_000, "200 MB wait for a client that may have 1 MB");
        receivers == 1
    });
    let info = publisher.text(&["INFO", "stats"]);
    let line = info.lines().find(|line| line.starts_with("client_output_buffer_limit_disconnections:"));
    assert!(line.is_none_or(|line| !line.ends_with(":0")), "{line:?}");
    publisher.ok(&["CONFIG", "SET", "client-output-buffer-limit", "pubsub 32mb 8mb 60"]);
    slow.set_timeout(Duration::from_secs(20));
    slow.recv_until_closed();
}

#[test]
fn a_subscriber_over_the_soft_limit_is_cut_after_its_time_though_nothing_more_is_said() {
    let server = start();
    let mut publisher = server.connect();
    let mut slow: Vec<Client> = (0..4).map(|_| server.connect()).collect();
    slow.iter_mut().for_each(|client| _ = client.cmd(&["SUBSCRIBE", "c"]));
    // The limit holds for workers, too, whose clients have not sent anything since.
    publisher.ok(&["CONFIG", "SET", "client-output-buffer-limit", "pubsub 0 1mb 1"]);
    let text = "x".repeat(1 << 20);
    for _ in 0..30 {
        publisher.int(&["PUBLISH", "c", &text]);
    }
    wait_for("the slow subscribers to be cut", || publisher.array(&["PUBSUB", "CHANNELS"]).is_empty());
    publisher.ok(&["CONFIG", "SET", "client-output-buffer-limit", "pubsub 32mb 8mb 60"]);
}

#[test]
fn subscribers_are_never_idle() {
    let server = start();
    let mut client = server.connect();
    client.cmd(&["SUBSCRIBE", "c"]);
    let mut other = resp3(server.addr());
    other.ok(&["CONFIG", "SET", "timeout", "1"]);
    other.cmd(&["SUBSCRIBE", "d"]);
    let mut idle = server.connect();
    idle.set_timeout(Duration::from_secs(10));
    idle.recv_until_closed();
    other.ok(&["CONFIG", "SET", "timeout", "0"]);
    assert_eq!(other.int(&["PUBLISH", "c", "still here"]), 1);
    assert_eq!(client.read(), message(&["message", "c", "still here"]));
}

#[test]
fn transactions_and_scripts_publish_when_they_are_over_and_in_order() {
    let server = start();
    let (mut subscriber, mut client) = (server.connect(), server.connect());
    subscriber.cmd(&["SUBSCRIBE", "c"]);
    client.ok(&["MULTI"]);
    for line in [&["PUBLISH", "c", "1"][..], &["SET", "k", "v"], &["PUBLISH", "c", "2"], &["GET", "k"]] {
        client.cmd(line);
    }
    subscriber.expect_silence(Duration::from_millis(30));
    let expected = [Value::Int(1), Value::simple("OK"), Value::Int(1), Value::bulk("v")];
    assert_eq!(client.array(&["EXEC"]), expected);
    let script =
        "for n = 3, 5 do redis.call('publish', KEYS[1], n) end return redis.call('spublish', 'c', 'x')";
    assert_eq!(client.int(&["EVAL", script, "1", "c"]), 0);
    // It would have to be told to replicas, so it counts as a write.
    let refused = client.error(&["EVAL_RO", "return redis.call('publish', 'c', 'no')", "0"]);
    assert!(refused.starts_with("ERR Write commands are not allowed from read-only scripts"), "{refused}");
    for n in 1..=5 {
        assert_eq!(subscriber.read(), message(&["message", "c", &n.to_string()]));
    }
    let refused = client.error(&["EVAL", "return redis.call('subscribe', 'c')", "0"]);
    assert!(refused.starts_with("ERR This Redis command is not allowed from script"), "{refused}");
}

#[test]
fn subscribe_may_be_part_of_a_transaction_and_ssubscribe_may_not() {
    let server = start();
    let (mut client, mut publisher) = (server.connect(), server.connect());
    client.ok(&["MULTI"]);
    for line in
        [&["SUBSCRIBE", "c", "d"][..], &["PSUBSCRIBE", "x*"], &["SSUBSCRIBE", "s"], &["UNSUBSCRIBE", "d"]]
    {
        assert_eq!(client.cmd(line), Value::simple("QUEUED"));
    }
    client.send(&["EXEC"]);
    assert_eq!(client.recv_raw(4), b"*4\r\n");
    assert_eq!(client.read(), confirmation("subscribe", "c", 1));
    assert_eq!(client.read(), confirmation("subscribe", "d", 2));
    assert_eq!(client.read(), confirmation("psubscribe", "x*", 3));
    let refused = "ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client";
    assert_eq!(client.read().as_error().as_deref(), Some(refused));
    assert_eq!(client.read(), confirmation("unsubscribe", "d", 2));
    assert_eq!(publisher.int(&["PUBLISH", "c", "x"]), 1);
    assert_eq!(client.read(), message(&["message", "c", "x"]));
}

#[test]
fn a_reset_ends_everything_that_a_client_listens_to() {
    let server = start();
    let (mut client, mut other) = (resp3(server.addr()), server.connect());
    client.cmd(&["SUBSCRIBE", "c"]);
    client.cmd(&["PSUBSCRIBE", "*"]);
    client.cmd(&["SSUBSCRIBE", "s"]);
    client.ok(&["CLIENT", "TRACKING", "ON"]);
    client.cmd(&["GET", "k"]);
    assert_eq!(client.cmd(&["RESET"]), Value::simple("RESET"));
    other.ok(&["SET", "k", "v"]);
    assert_eq!((other.int(&["PUBLISH", "c", "x"]), other.int(&["SPUBLISH", "s", "x"])), (0, 0));
    assert_eq!(client.cmd(&["GET", "k"]), Value::bulk("v"));
    assert_eq!(client.int(&["CLIENT", "GETREDIR"]), -1);
    let line = client.text(&["CLIENT", "INFO"]);
    assert!(line.contains(" sub=0 psub=0 ssub=0 ") && line.contains(" flags=N "), "{line}");
    assert!(other.text(&["INFO", "clients"]).contains("tracking_clients:0\r\n"));
}

#[test]
fn what_comes_while_a_client_executes_comes_behind_its_replies_and_only_if_it_still_wants_it() {
    if forgekv_only("Redis executes nothing else meanwhile") {
        return;
    }
    let args = ["--workers", "4", "--enable-debug-command", "yes"];
    let server = ServerOptions::default().args(&args).start();
    let (mut client, mut publisher) = (resp3(server.addr()), server.connect());
    client.cmd(&["SUBSCRIBE", "c"]);
    client.cmd(&["SUBSCRIBE", "d"]);
    client.send_raw(
        b"*3\r\n$5\r\nDEBUG\r\n$5\r\nSLEEP\r\n$3\r\n0.3\r\n*2\r\n$11\r\nUNSUBSCRIBE\r\n$1\r\nc\r\n",
    );
    let began = Instant::now();
    let mut sent = 0;
    while began.elapsed() < Duration::from_millis(150) {
        publisher.int(&["PUBLISH", "c", "lost"]);
        publisher.int(&["PUBLISH", "d", &sent.to_string()]);
        sent += 1;
    }
    // The first may have come before the client began.
    let mut read = 0;
    let mut is_over = false;
    while read < sent {
        match client.read() {
            Value::Simple(text) => assert_eq!(text, b"OK"),
            value if value == as_push(confirmation("unsubscribe", "c", 1)) => is_over = true,
            value if value == push(&["message", "c", "lost"]) => assert!(!is_over, "after {read}"),
            value => {
                assert_eq!(value, push(&["message", "d", &read.to_string()]));
                read += 1;
            }
        }
    }
    assert!(is_over);
}
