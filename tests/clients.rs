//! CLIENT: names, lists, kills, pauses, reply modes.

use std::time::{Duration, Instant};

use crate::support::{Client, Server, Value, forgekv_only, wait_for};

/// The value of `name=` in a line of CLIENT LIST.
fn field<'a>(line: &'a str, name: &str) -> &'a str {
    let found = line.trim_end().split(' ').find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
    found.unwrap_or_else(|| panic!("no {name} in {line}"))
}

/// CLIENT LIST's line of one client, if it is there.
fn line_of(client: &mut Client, id: i64) -> Option<String> {
    let list = client.text(&["CLIENT", "LIST"]);
    list.lines().find(|line| field(line, "id") == id.to_string()).map(str::to_owned)
}

/// Waits until only so many clients are left: the one that waited for the server's start may still be going.
fn settle(client: &mut Client, clients: usize) {
    wait_for("earlier clients to go", || client.text(&["CLIENT", "LIST"]).lines().count() == clients);
}

fn id(client: &mut Client) -> i64 {
    client.int(&["CLIENT", "ID"])
}

#[test]
fn client_id_grows_with_every_connection() {
    let server = Server::start();
    let (mut first, mut second) = (server.connect(), server.connect());
    assert!(id(&mut first) < id(&mut second));
    assert_eq!(id(&mut first), id(&mut first));
}

#[test]
fn client_info_tells_where_the_connection_stands_now() {
    let server = Server::start();
    let mut client = server.connect();
    let replies = client.pipeline(&[
        vec!["SELECT", "5"],
        vec!["CLIENT", "SETNAME", "me"],
        vec!["CLIENT", "NO-EVICT", "ON"],
        vec!["CLIENT", "INFO"],
    ]);
    let line = String::from_utf8(replies[3].as_bytes().unwrap().to_vec()).unwrap();
    assert!(line.ends_with('\n') && line.lines().count() == 1, "{line:?}");
    assert_eq!(field(&line, "id"), id(&mut client).to_string());
    assert_eq!(field(&line, "addr"), client.local_addr().to_string());
    assert_eq!(field(&line, "laddr"), server.addr().to_string());
    assert_eq!(field(&line, "db"), "5");
    assert_eq!(field(&line, "name"), "me");
    assert_eq!(field(&line, "flags"), "e");
    assert_eq!(field(&line, "user"), "default");
    assert_eq!(field(&line, "cmd"), "client|info");
    assert_eq!(field(&line, "resp"), "2");
    assert_eq!(field(&line, "multi"), "-1");
    assert_eq!(field(&line, "redir"), "-1");
    client.hello(3);
    let reply = client.cmd(&["CLIENT", "INFO"]);
    assert!(matches!(reply, Value::Verbatim { format: [b't', b'x', b't'], .. }), "{reply:?}");
    assert_eq!(field(&String::from_utf8_lossy(reply.as_bytes().unwrap()), "resp"), "3");
}

#[test]
fn client_list_has_the_fields_of_redis_7_4_in_order() {
    if forgekv_only("7.2 and 7.4 added fields") {
        return;
    }
    let server = Server::start();
    let mut client = server.connect();
    let own = id(&mut client).to_string();
    let list = client.text(&["CLIENT", "LIST", "ID", &own]);
    let names: Vec<&str> = list.trim_end().split(' ').map(|word| word.split('=').next().unwrap()).collect();
    let expected = "id addr laddr fd name age idle flags db sub psub ssub multi watch qbuf qbuf-free argv-mem multi-mem rbs \
                    rbp obl oll omem tot-mem events cmd user redir resp lib-name lib-ver";
    assert_eq!(names.join(" "), expected);
}

#[test]
fn client_list_shows_what_the_others_did_last() {
    let server = Server::start();
    let (mut one, mut two) = (server.connect(), server.connect());
    let (first, second) = (id(&mut one), id(&mut two));
    two.ok(&["SELECT", "2"]);
    two.ok(&["SET", "key", "value"]);
    wait_for("the other worker to tell", || {
        line_of(&mut one, second).is_some_and(|line| field(&line, "cmd") == "set")
    });
    let line = line_of(&mut one, second).unwrap();
    assert_eq!((field(&line, "db"), field(&line, "flags")), ("2", "N"));
    assert_eq!(field(&line, "events"), "r");
    assert_eq!(field(&line_of(&mut one, first).unwrap(), "cmd"), "client|list");
}

#[test]
fn client_list_can_be_narrowed_by_type_and_id() {
    let server = Server::start();
    let (mut one, mut two) = (server.connect(), server.connect());
    let (first, second) = (id(&mut one).to_string(), id(&mut two).to_string());
    let ids =
        |list: String| -> Vec<String> { list.lines().map(|line| field(line, "id").to_owned()).collect() };
    assert_eq!(ids(one.text(&["CLIENT", "LIST", "ID", &second, "999999", &first])), [&*second, &*first]);
    assert_eq!(one.text(&["CLIENT", "LIST", "id", "999999"]), "");
    let normal = ids(one.text(&["CLIENT", "LIST", "TYPE", "normal"]));
    assert!(normal.contains(&first) && normal.contains(&second));
    for none in ["PUBSUB", "replica", "slave", "master"] {
        assert_eq!(one.text(&["CLIENT", "LIST", "TYPE", none]), "", "{none}");
    }
    for (argv, error) in [
        (&["CLIENT", "LIST", "TYPE", "odd"][..], "ERR Unknown client type 'odd'"),
        (&["CLIENT", "LIST", "ID", "x"], "ERR Invalid client ID"),
        (&["CLIENT", "LIST", "ID"], "ERR syntax error"),
        (&["CLIENT", "LIST", "TYPE", "normal", "x"], "ERR syntax error"),
        (&["CLIENT", "LIST", "WHAT"], "ERR syntax error"),
    ] {
        assert_eq!(one.error(argv), error);
    }
}

#[test]
fn client_setname_takes_what_keeps_the_list_readable() {
    let server = Server::start();
    let mut client = server.connect();
    client.null(&["CLIENT", "GETNAME"]);
    client.ok(&["CLIENT", "SETNAME", "a-~!"]);
    assert_eq!(client.bulk(&["CLIENT", "GETNAME"]), b"a-~!");
    for bad in ["a b", "a\nb", "a\r", "\u{e4}", "\0"] {
        assert_eq!(
            client.error(&["CLIENT", "SETNAME", bad]),
            "ERR Client names cannot contain spaces, newlines or special characters."
        );
    }
    assert_eq!(client.bulk(&["CLIENT", "GETNAME"]), b"a-~!");
    client.ok(&["CLIENT", "SETNAME", ""]);
    client.null(&["CLIENT", "GETNAME"]);
}

#[test]
fn client_setinfo_notes_the_library() {
    if forgekv_only("7.2 brought CLIENT SETINFO") {
        return;
    }
    let server = Server::start();
    let mut client = server.connect();
    client.ok(&["CLIENT", "SETINFO", "lib-name", "redis-py(x_v1)"]);
    client.ok(&["CLIENT", "SETINFO", "LIB-VER", "5.0.1"]);
    assert_eq!(
        client.error(&["CLIENT", "SETINFO", "Lib-Name", "a b"]),
        "ERR Lib-Name cannot contain spaces, newlines or special characters."
    );
    assert_eq!(client.error(&["CLIENT", "SETINFO", "lib-os", "x"]), "ERR Unrecognized option 'lib-os'");
    assert!(client.text(&["CLIENT", "INFO"]).ends_with(" lib-name=redis-py(x_v1) lib-ver=5.0.1\n"));
    client.cmd(&["RESET"]);
    assert!(client.text(&["CLIENT", "INFO"]).ends_with(" lib-name=redis-py(x_v1) lib-ver=5.0.1\n"));
    client.ok(&["CLIENT", "SETINFO", "lib-name", ""]);
    assert!(client.text(&["CLIENT", "INFO"]).contains(" lib-name= "));
}

#[test]
fn client_no_evict_and_no_touch_are_switches() {
    let server = Server::start();
    let mut client = server.connect();
    client.ok(&["CLIENT", "NO-EVICT", "on"]);
    assert_eq!(field(&client.text(&["CLIENT", "INFO"]), "flags"), "e");
    client.ok(&["CLIENT", "NO-EVICT", "OFF"]);
    assert_eq!(field(&client.text(&["CLIENT", "INFO"]), "flags"), "N");
    assert_eq!(client.error(&["CLIENT", "NO-EVICT", "maybe"]), "ERR syntax error");
    if forgekv_only("7.2 brought CLIENT NO-TOUCH") {
        return;
    }
    client.ok(&["CLIENT", "NO-TOUCH", "ON"]);
    assert_eq!(field(&client.text(&["CLIENT", "INFO"]), "flags"), "T");
    client.ok(&["CLIENT", "NO-EVICT", "on"]);
    assert_eq!(field(&client.text(&["CLIENT", "INFO"]), "flags"), "eT");
    client.ok(&["CLIENT", "NO-TOUCH", "off"]);
    assert_eq!(client.error(&["CLIENT", "NO-TOUCH", "maybe"]), "ERR syntax error");
}

#[test]
fn client_kill_with_an_address_alone_is_the_old_form() {
    let server = Server::start();
    let (mut one, mut two) = (server.connect(), server.connect());
    id(&mut two);
    let address = two.local_addr().to_string();
    one.ok(&["CLIENT", "KILL", &address]);
    assert!(two.recv_until_closed().is_empty());
    assert_eq!(one.error(&["CLIENT", "KILL", &address]), "ERR No such client");
    let own = one.local_addr().to_string();
    one.ok(&["CLIENT", "KILL", &own]);
    assert!(one.recv_until_closed().is_empty(), "its own connection is closed after the answer");
}

#[test]
fn client_kill_closes_those_that_meet_all_conditions() {
    let server = Server::start();
    let mut admin = server.connect();
    settle(&mut admin, 1);
    let victim = || {
        let mut client = server.connect();
        let number = id(&mut client).to_string();
        (client, number)
    };
    let (local, user) = (server.addr().to_string(), "default");
    let (mut client, number) = victim();
    let peer = client.local_addr().to_string();
    for (name, wrong) in [("ADDR", "1.2.3.4:5"), ("LADDR", "1.2.3.4:5"), ("TYPE", "pubsub")] {
        assert_eq!(admin.int(&["CLIENT", "KILL", "ID", &number, name, wrong]), 0, "{name}");
    }
    let all =
        ["CLIENT", "KILL", "ID", &number, "ADDR", &peer, "LADDR", &local, "TYPE", "normal", "USER", user];
    assert_eq!(admin.int(&all), 1);
    assert!(client.recv_until_closed().is_empty());
    assert_eq!(admin.int(&all), 0, "it is gone");
    for (name, value) in [("ID", None), ("ADDR", Some(())), ("LADDR", Some(()))] {
        let (mut client, number) = victim();
        let peer = client.local_addr().to_string();
        let value = if value.is_none() {
            &number
        } else if name == "ADDR" {
            &peer
        } else {
            &local
        };
        assert_eq!(admin.int(&["client", "kill", name, value]), 1, "{name}");
        assert!(client.recv_until_closed().is_empty());
    }
    let ((mut one, _), (mut two, _)) = (victim(), victim());
    assert_eq!(admin.int(&["CLIENT", "KILL", "USER", user]), 2, "the caller is spared");
    assert!(one.recv_until_closed().is_empty() && two.recv_until_closed().is_empty());
    assert_eq!(admin.int(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]), 0);
}

#[test]
fn client_kill_answers_before_it_closes_its_own_connection() {
    let server = Server::start();
    let mut client = server.connect();
    let own = id(&mut client).to_string();
    assert_eq!(client.int(&["CLIENT", "KILL", "ID", &own]), 0);
    let replies = client.pipeline(&[vec!["CLIENT", "KILL", "ID", &own, "SKIPME", "no"]]);
    assert_eq!(replies, [Value::Int(1)]);
    assert!(client.recv_until_closed().is_empty());
}

#[test]
fn client_kill_reaches_the_clients_of_every_worker() {
    if forgekv_only("the number of workers is ours") {
        return;
    }
    let server = Server::with_args(&["--workers", "3"]);
    let mut admin = server.connect();
    let mut others: Vec<Client> = (0..6).map(|_| server.connect()).collect();
    settle(&mut admin, 7);
    assert_eq!(admin.int(&["CLIENT", "KILL", "TYPE", "NORMAL"]), 6);
    assert_eq!(admin.text(&["CLIENT", "LIST"]).lines().count(), 1, "a killed client is not listed any more");
    assert_eq!(admin.int(&["CLIENT", "KILL", "TYPE", "NORMAL"]), 0, "nor killed twice");
    for client in &mut others {
        assert!(client.recv_until_closed().is_empty());
    }
}

#[test]
fn client_kill_takes_the_old_only_when_asked_to() {
    if forgekv_only("7.4 brought MAXAGE") {
        return;
    }
    let server = Server::start();
    let (mut admin, mut old) = (server.connect(), server.connect());
    let number = id(&mut old);
    wait_for("a second to pass", || {
        field(&line_of(&mut admin, number).unwrap(), "age").parse::<u64>().unwrap() >= 1
    });
    let mut young = server.connect();
    id(&mut young);
    assert_eq!(admin.int(&["CLIENT", "KILL", "MAXAGE", "100"]), 0);
    assert_eq!(admin.int(&["CLIENT", "KILL", "MAXAGE", "1"]), 1);
    assert!(old.recv_until_closed().is_empty());
    assert_eq!(young.cmd(&["PING"]), Value::simple("PONG"));
    assert_eq!(
        admin.error(&["CLIENT", "KILL", "MAXAGE", "x"]),
        "ERR maxage is not an integer or out of range"
    );
    assert_eq!(admin.error(&["CLIENT", "KILL", "MAXAGE", "0"]), "ERR maxage should be greater than 0");
}

#[test]
fn client_kill_checks_all_conditions_before_it_closes_anybody() {
    let server = Server::start();
    let (mut client, mut other) = (server.connect(), server.connect());
    let number = id(&mut other).to_string();
    for (argv, error) in [
        (&["ID", "0"][..], "ERR client-id should be greater than 0"),
        (&["ID", "x"], "ERR client-id should be greater than 0"),
        (&["ID", &number, "TYPE"], "ERR syntax error"),
        (&["ID", &number, "TYPE", "odd"], "ERR Unknown client type 'odd'"),
        (&["ID", &number, "USER", "bob"], "ERR No such user 'bob'"),
        (&["ID", &number, "SKIPME", "maybe"], "ERR syntax error"),
        (&["ID", &number, "WHAT", "x"], "ERR syntax error"),
        (&["1.2.3.4:5"], "ERR No such client"),
    ] {
        assert_eq!(client.error(&[&["CLIENT", "KILL"], argv].concat()), error, "{argv:?}");
    }
    assert_eq!(client.error(&["CLIENT", "KILL"]), "ERR wrong number of arguments for 'client|kill' command");
    assert_eq!(other.cmd(&["PING"]), Value::simple("PONG"));
}

#[test]
fn client_reply_off_silences_everything_until_on() {
    let server = Server::start();
    let mut client = server.connect();
    client.send_raw(
        b"CLIENT REPLY OFF\r\nSET key 1\r\nNONESUCH\r\nGET\r\nCLIENT REPLY SKIP\r\nPING\r\nCLIENT REPLY ON\r\nGET key\r\n",
    );
    assert_eq!(client.read(), Value::simple("OK"));
    assert_eq!(client.read(), Value::bulk("1"));
    client.send_raw(b"CLIENT REPLY OFF\r\nPING\r\nRESET\r\nPING\r\n");
    assert_eq!(client.read(), Value::simple("RESET"));
    assert_eq!(client.read(), Value::simple("PONG"));
    assert_eq!(client.error(&["CLIENT", "REPLY", "MAYBE"]), "ERR syntax error");
}

#[test]
fn client_reply_skip_silences_the_next_command() {
    let server = Server::start();
    let mut client = server.connect();
    client.send_raw(b"CLIENT REPLY SKIP\r\nECHO a\r\nECHO b\r\n");
    assert_eq!(client.read(), Value::bulk("b"));
    client.send_raw(b"CLIENT REPLY SKIP\r\nCLIENT REPLY SKIP\r\nECHO a\r\nECHO b\r\n");
    assert_eq!(client.read(), Value::bulk("b"));
    client.send_raw(b"CLIENT REPLY SKIP\r\nCLIENT REPLY ON\r\nECHO a\r\n");
    assert_eq!(client.read(), Value::simple("OK"), "ON is answered even where a reply was to be left out");
    assert_eq!(client.read(), Value::bulk("a"));
    client.send_raw(b"CLIENT REPLY SKIP\r\nRESET\r\nECHO a\r\n");
    assert_eq!(client.read(), Value::bulk("a"), "RESET is passed over as well");
    client.send_raw(b"CLIENT REPLY SKIP\r\nNONESUCH\r\nECHO a\r\n");
    assert_eq!(client.read(), Value::bulk("a"));
    client.send_raw(b"CLIENT REPLY SKIP\r\n");
    client.send_raw(b"ECHO a\r\n");
    client.expect_silence(Duration::from_millis(20));
    assert_eq!(client.cmd(&["ECHO", "b"]), Value::bulk("b"));
}

#[test]
fn client_pause_all_holds_everybody_back_until_its_end() {
    let server = Server::start();
    let (mut one, mut two) = (server.connect(), server.connect());
    id(&mut two);
    let began = Instant::now();
    one.ok(&["CLIENT", "PAUSE", "150"]);
    two.send(&["PING"]);
    one.send(&["PING"]);
    assert_eq!(two.read(), Value::simple("PONG"));
    let waited = began.elapsed();
    assert!(waited >= Duration::from_millis(140), "it answered after {waited:?}");
    assert!(waited < Duration::from_secs(5), "it answered after {waited:?}");
    assert_eq!(one.read(), Value::simple("PONG"), "the caller waits as well");
    let began = Instant::now();
    let replies = one.pipeline(&[vec!["CLIENT", "PAUSE", "100", "ALL"], vec!["PING"], vec!["PING"]]);
    assert_eq!(replies[1..], [Value::simple("PONG"), Value::simple("PONG")]);
    assert!(began.elapsed() >= Duration::from_millis(90), "a pause holds within its pipeline");
}

#[test]
fn client_pause_write_holds_writes_and_lets_reads_through() {
    let server = Server::start();
    let (mut one, mut two, mut three) = (server.connect(), server.connect(), server.connect());
    one.ok(&["SET", "key", "old"]);
    one.ok(&["CLIENT", "PAUSE", "60000", "WRITE"]);
    two.send(&["SET", "key", "new"]);
    three.ok(&["CLIENT", "SETNAME", "me"]);
    two.expect_silence(Duration::from_millis(30));
    assert_eq!(three.bulk(&["GET", "key"]), b"old");
    one.ok(&["CLIENT", "UNPAUSE"]);
    assert_eq!(two.read(), Value::simple("OK"), "UNPAUSE lets it go on at once");
    assert_eq!(three.bulk(&["GET", "key"]), b"new");
}

#[test]
fn client_pause_is_lifted_for_clients_of_every_worker() {
    if forgekv_only("Redis holds UNPAUSE itself back, too; here an operator is never locked out") {
        return;
    }
    let server = Server::with_args(&["--workers", "3"]);
    let mut admin = server.connect();
    let mut others: Vec<Client> = (0..6).map(|_| server.connect()).collect();
    admin.ok(&["CLIENT", "PAUSE", "9223372036854", "ALL"]);
    others.iter_mut().for_each(|client| client.send(&["PING"]));
    others[5].expect_silence(Duration::from_millis(30));
    admin.ok(&["CLIENT", "UNPAUSE"]);
    for client in &mut others {
        assert_eq!(client.read(), Value::simple("PONG"));
    }
}

#[test]
fn a_paused_client_can_be_killed() {
    if forgekv_only("Redis holds the client that would kill back, too, unless only writes are paused") {
        return;
    }
    let server = Server::with_args(&["--workers", "2"]);
    let (mut admin, mut other) = (server.connect(), server.connect());
    let number = id(&mut other).to_string();
    admin.ok(&["CLIENT", "PAUSE", "60000", "WRITE"]);
    other.send(&["SET", "key", "value"]);
    other.expect_silence(Duration::from_millis(20));
    assert_eq!(admin.int(&["CLIENT", "KILL", "ID", &number]), 1);
    assert!(other.recv_until_closed().is_empty());
    admin.ok(&["CLIENT", "UNPAUSE"]);
    admin.null(&["GET", "key"]);
}

#[test]
fn client_pause_checks_its_arguments() {
    let server = Server::start();
    let mut client = server.connect();
    for (argv, error) in [
        (&["x"][..], "ERR timeout is not an integer or out of range"),
        (&["-1"], "ERR timeout is negative"),
        (&["1", "SOME"], "ERR CLIENT PAUSE mode must be WRITE or ALL"),
        (
            &["1", "ALL", "x"],
            "ERR unknown subcommand or wrong number of arguments for 'PAUSE'. Try CLIENT HELP.",
        ),
    ] {
        assert_eq!(client.error(&[&["CLIENT", "PAUSE"], argv].concat()), error, "{argv:?}");
    }
    client.ok(&["CLIENT", "PAUSE", "0"]);
    assert_eq!(client.cmd(&["PING"]), Value::simple("PONG"));
    if forgekv_only("7.2 refuses an end beyond the end of time") {
        return;
    }
    assert_eq!(client.error(&["CLIENT", "PAUSE", "9223372036854775807"]), "ERR timeout is out of range");
}

#[test]
fn client_unblock_and_getredir_answer_for_clients_that_wait_and_track_nothing() {
    let server = Server::start();
    let mut client = server.connect();
    let own = id(&mut client).to_string();
    assert_eq!(client.int(&["CLIENT", "UNBLOCK", &own]), 0);
    assert_eq!(client.int(&["CLIENT", "UNBLOCK", "999999", "TIMEOUT"]), 0);
    assert_eq!(client.int(&["CLIENT", "UNBLOCK", "999999", "error"]), 0);
    assert_eq!(
        client.error(&["CLIENT", "UNBLOCK", "1", "WHY"]),
        "ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR"
    );
    assert_eq!(client.error(&["CLIENT", "UNBLOCK", "x"]), "ERR value is not an integer or out of range");
    assert_eq!(
        client.error(&["CLIENT", "UNBLOCK", "1", "ERROR", "x"]),
        "ERR unknown subcommand or wrong number of arguments for 'UNBLOCK'. Try CLIENT HELP."
    );
    assert_eq!(client.int(&["CLIENT", "GETREDIR"]), -1);
}

#[test]
fn client_help_lists_every_subcommand() {
    let server = Server::start();
    let mut client = server.connect();
    let lines = client.texts(&["CLIENT", "HELP"]);
    assert_eq!(lines[0], "CLIENT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:");
    assert_eq!(lines[lines.len() - 2..], ["HELP", "    Prints this help."]);
    for name in ["ID", "INFO", "LIST", "KILL", "PAUSE", "UNPAUSE", "REPLY", "SETNAME", "GETNAME", "UNBLOCK"] {
        assert!(lines.iter().any(|line| line.split(' ').next() == Some(name)), "{name}");
    }
    assert_eq!(client.error(&["CLIENT", "WHAT"]), "ERR unknown subcommand 'WHAT'. Try CLIENT HELP.");
    assert_eq!(client.error(&["CLIENT"]), "ERR wrong number of arguments for 'client' command");
    assert_eq!(client.error(&["CLIENT", "ID", "x"]), "ERR wrong number of arguments for 'client|id' command");
}
