//! The connection: PING, ECHO, SELECT, AUTH, HELLO, QUIT, RESET, and commands under other names.

use crate::support::{Client, Server, Value, forgekv_only};

const WRONG_PASS: &str = "WRONGPASS invalid username-password pair or user is disabled.";
const NO_AUTH: &str = "NOAUTH Authentication required.";

/// The value of one field of HELLO's map.
fn field(greeting: &Value, name: &str) -> Value {
    let pairs = greeting.pairs().unwrap();
    let found = pairs.into_iter().find(|(key, _)| key.as_bytes() == Some(name.as_bytes()));
    found.unwrap_or_else(|| panic!("HELLO has no {name}: {greeting:?}")).1
}

#[test]
fn ping_and_echo_answer_what_they_are_given() {
    let server = Server::start();
    let mut client = server.connect();
    assert_eq!(client.cmd(&["PING"]), Value::simple("PONG"));
    assert_eq!(client.cmd(&["ping", "a b"]), Value::bulk("a b"));
    assert_eq!(client.error(&["PING", "a", "b"]), "ERR wrong number of arguments for 'ping' command");
    assert_eq!(client.cmd(&["ECHO", "a\r\nb"]), Value::bulk("a\r\nb"));
    assert_eq!(client.error(&["ECHO"]), "ERR wrong number of arguments for 'echo' command");
}

#[test]
fn select_chooses_a_database_and_refuses_what_is_none() {
    let server = Server::start();
    let mut client = server.connect();
    client.ok(&["SET", "key", "in 0"]);
    client.ok(&["SELECT", "15"]);
    client.null(&["GET", "key"]);
    client.ok(&["SET", "key", "in 15"]);
    for (index, error) in [
        ("16", "ERR DB index is out of range"),
        ("-1", "ERR DB index is out of range"),
        ("x", "ERR value is not an integer or out of range"),
        ("2147483648", "ERR value is out of range, value must between -2147483648 and 2147483647"),
        ("99999999999999999999", "ERR value is not an integer or out of range"),
    ] {
        assert_eq!(client.error(&["SELECT", index]), error);
    }
    assert_eq!(client.bulk(&["GET", "key"]), b"in 15", "a refused SELECT changes nothing");
    client.ok(&["SELECT", "0"]);
    assert_eq!(client.bulk(&["GET", "key"]), b"in 0");
    let replies =
        client.pipeline(&[vec!["SELECT", "15"], vec!["GET", "key"], vec!["SELECT", "0"], vec!["GET", "key"]]);
    assert_eq!(replies[1], Value::bulk("in 15"), "SELECT holds within a pipeline");
    assert_eq!(replies[3], Value::bulk("in 0"));
}

#[test]
fn hello_chooses_the_protocol_and_tells_about_the_server() {
    let server = Server::start();
    let mut client = server.connect();
    let greeting = client.cmd(&["HELLO"]);
    assert!(matches!(greeting, Value::Array(_)), "without a version the protocol stays");
    assert_eq!(field(&greeting, "proto"), Value::Int(2));
    let greeting = client.cmd(&["HELLO", "3"]);
    assert!(matches!(greeting, Value::Map(_)), "the answer is in the new protocol already");
    let names: Vec<_> = greeting.pairs().unwrap().into_iter().map(|(name, _)| name).collect();
    let expected = ["server", "version", "proto", "id", "mode", "role", "modules"];
    assert_eq!(names, expected.map(Value::bulk));
    assert_eq!(field(&greeting, "server"), Value::bulk("redis"));
    assert_eq!(field(&greeting, "proto"), Value::Int(3));
    assert_eq!(field(&greeting, "mode"), Value::bulk("standalone"));
    assert_eq!(field(&greeting, "role"), Value::bulk("master"));
    assert_eq!(field(&greeting, "modules"), Value::Array(Vec::new()));
    assert_eq!(field(&greeting, "id"), Value::Int(client.int(&["CLIENT", "ID"])));
    assert_eq!(client.cmd(&["GET", "nothing"]), Value::Null);
    assert!(matches!(client.cmd(&["HELLO", "2"]), Value::Array(_)));
    assert_eq!(client.cmd(&["GET", "nothing"]), Value::NullBulk);
}

#[test]
fn hello_tells_the_version_whose_behaviour_the_server_has() {
    if forgekv_only("another server tells its own version") {
        return;
    }
    let server = Server::start();
    let mut client = server.connect();
    assert_eq!(field(&client.cmd(&["HELLO"]), "version"), Value::bulk("7.4.1"));
}

#[test]
fn hello_takes_all_of_its_options_or_changes_nothing() {
    let server = Server::start();
    let mut client = server.connect();
    for (argv, error) in [
        (&["HELLO", "4"][..], "NOPROTO unsupported protocol version"),
        (&["HELLO", "1"], "NOPROTO unsupported protocol version"),
        (&["HELLO", "x"], "ERR Protocol version is not an integer or out of range"),
        (&["HELLO", "3", "WHAT"], "ERR Syntax error in HELLO option 'WHAT'"),
        (&["HELLO", "3", "AUTH", "default"], "ERR Syntax error in HELLO option 'AUTH'"),
        (&["HELLO", "3", "SETNAME"], "ERR Syntax error in HELLO option 'SETNAME'"),
        (
            &["HELLO", "3", "SETNAME", "a b"],
            "ERR Client names cannot contain spaces, newlines or special characters.",
        ),
        (&["HELLO", "3", "SETNAME", "me", "AUTH", "nobody", "x"], WRONG_PASS),
    ] {
        assert_eq!(client.error(argv), error);
    }
    assert_eq!(client.cmd(&["GET", "nothing"]), Value::NullBulk);
    if !forgekv_only("7.0 takes the name before it looks at the password") {
        client.null(&["CLIENT", "GETNAME"]);
    }
    client.cmd(&["HELLO", "3", "AUTH", "default", "any", "SETNAME", "me"]);
    assert_eq!(client.bulk(&["CLIENT", "GETNAME"]), b"me");
    assert_eq!(client.cmd(&["GET", "nothing"]), Value::Null);
}

#[test]
fn without_a_password_auth_with_one_argument_is_an_error_and_with_a_user_it_is_not() {
    let server = Server::start();
    let mut client = server.connect();
    assert_eq!(
        client.error(&["AUTH", "x"]),
        "ERR AUTH <password> called without any password configured for the default user. Are you sure your \
         configuration is correct?"
    );
    client.ok(&["AUTH", "default", "anything"]);
    assert_eq!(client.error(&["AUTH", "nobody", "x"]), WRONG_PASS);
    assert_eq!(client.error(&["AUTH", "a", "b", "c"]), "ERR syntax error");
    assert_eq!(client.error(&["AUTH"]), "ERR wrong number of arguments for 'auth' command");
}

#[test]
fn with_a_password_a_new_connection_must_log_in() {
    let server = Server::start();
    let mut admin = server.connect();
    admin.ok(&["CONFIG", "SET", "requirepass", "sesame"]);
    let mut client = server.connect();
    assert_eq!(client.error(&["GET", "key"]), NO_AUTH);
    assert_eq!(client.error(&["PING"]), NO_AUTH);
    assert_eq!(client.error(&["GET"]), "ERR wrong number of arguments for 'get' command");
    assert_eq!(
        client.error(&["NONESUCH"]),
        "ERR unknown command 'NONESUCH', with args beginning with: ",
        "what is no command is told to anybody"
    );
    assert_eq!(client.error(&["CONFIG", "NONESUCH"]), "ERR unknown subcommand 'NONESUCH'. Try CONFIG HELP.");
    assert_eq!(
        client.error(&["COMMAND", "NONESUCH"]),
        "ERR unknown subcommand 'NONESUCH'. Try COMMAND HELP."
    );
    assert_eq!(client.error(&["CONFIG", "GET", "*"]), NO_AUTH);
    assert_eq!(client.error(&["COMMAND"]), NO_AUTH);
    assert!(client.error(&["HELLO", "3"]).starts_with("NOAUTH HELLO must be called with the client already"));
    assert_eq!(client.error(&["HELLO", "3", "AUTH", "default", "wrong"]), WRONG_PASS);
    for wrong in ["", "Sesame", "sesam", "sesames", "sesamesesame"] {
        assert_eq!(client.error(&["AUTH", wrong]), WRONG_PASS);
    }
    assert_eq!(client.error(&["AUTH", "nobody", "sesame"]), WRONG_PASS);
    assert_eq!(client.error(&["GET", "key"]), NO_AUTH, "a wrong password does not help");
    client.ok(&["AUTH", "sesame"]);
    client.null(&["GET", "key"]);
    assert_eq!(client.error(&["AUTH", "wrong"]), WRONG_PASS);
    client.null(&["GET", "key"]);
    assert_eq!(client.cmd(&["RESET"]), Value::simple("RESET"));
    assert_eq!(client.error(&["GET", "key"]), NO_AUTH, "RESET logs out");
    client.ok(&["AUTH", "default", "sesame"]);
    client.null(&["GET", "key"]);

    let mut other = server.connect();
    assert!(matches!(other.cmd(&["HELLO", "3", "AUTH", "default", "sesame"]), Value::Map(_)));
    assert_eq!(other.cmd(&["GET", "key"]), Value::Null);
    let mut third = server.connect();
    third.ok(&["QUIT"]);
    assert!(third.recv_until_closed().is_empty());
    admin.ok(&["CONFIG", "SET", "requirepass", ""]);
}

#[test]
fn connections_stay_logged_in_when_the_password_changes() {
    let server = Server::start();
    let mut admin = server.connect();
    admin.ok(&["CONFIG", "SET", "requirepass", "one"]);
    admin.ok(&["SET", "key", "value"]);
    let (mut outside, mut inside) = (server.connect(), server.connect());
    inside.ok(&["AUTH", "one"]);
    admin.ok(&["CONFIG", "SET", "requirepass", "two"]);
    assert_eq!(inside.bulk(&["GET", "key"]), b"value");
    assert_eq!(outside.error(&["AUTH", "one"]), WRONG_PASS);
    assert_eq!(outside.error(&["GET", "key"]), NO_AUTH);
    admin.ok(&["CONFIG", "SET", "requirepass", ""]);
    assert_eq!(outside.bulk(&["GET", "key"]), b"value", "nobody needs what is no longer asked for");
}

#[test]
fn a_password_holds_for_what_stands_behind_it_in_the_pipeline() {
    let server = Server::start();
    let mut client = server.connect();
    let replies = client.pipeline(&[
        vec!["CONFIG", "SET", "requirepass", "sesame"],
        vec!["AUTH", "wrong"],
        vec!["AUTH", "sesame"],
        vec!["RESET"],
        vec!["GET", "key"],
        vec!["AUTH", "sesame"],
        vec!["GET", "key"],
        vec!["CONFIG", "SET", "requirepass", ""],
    ]);
    let expected = [
        Value::simple("OK"),
        Value::Error(WRONG_PASS.into()),
        Value::simple("OK"),
        Value::simple("RESET"),
        Value::Error(NO_AUTH.into()),
        Value::simple("OK"),
        Value::NullBulk,
        Value::simple("OK"),
    ];
    assert_eq!(replies, expected);
}

#[test]
fn a_password_holds_for_every_connection_that_comes_after_it() {
    if forgekv_only("the number of workers is ours") {
        return;
    }
    let server = Server::with_args(&["--workers", "4"]);
    let mut admin = server.connect();
    admin.ok(&["CONFIG", "SET", "requirepass", "sesame"]);
    for number in 0..8 {
        assert_eq!(server.connect().error(&["GET", "key"]), NO_AUTH, "connection {number}");
    }
}

#[test]
fn quit_is_answered_and_nothing_behind_it_is_done() {
    let server = Server::start();
    let mut client = server.connect();
    client.send_raw(b"SET before 1\r\nQUIT now\r\nSET after 1\r\n");
    assert_eq!(client.recv_until_closed(), b"+OK\r\n+OK\r\n");
    let mut client = server.connect();
    assert_eq!(client.bulk(&["GET", "before"]), b"1");
    client.null(&["GET", "after"]);
}

#[test]
fn reset_makes_a_connection_what_a_new_one_is() {
    let server = Server::start();
    let mut client = server.connect();
    client.ok(&["SET", "key", "in 0"]);
    client.hello(3);
    client.ok(&["SELECT", "3"]);
    client.ok(&["CLIENT", "SETNAME", "me"]);
    if !forgekv_only("7.2 made RESET turn NO-EVICT off") {
        client.ok(&["CLIENT", "NO-EVICT", "on"]);
    }
    assert_eq!(client.cmd(&["RESET"]), Value::simple("RESET"));
    assert_eq!(client.cmd(&["CLIENT", "GETNAME"]), Value::NullBulk);
    assert_eq!(client.bulk(&["GET", "key"]), b"in 0");
    assert!(client.text(&["CLIENT", "INFO"]).contains(" flags=N db=0 "));
    assert_eq!(client.error(&["RESET", "all"]), "ERR wrong number of arguments for 'reset' command");
}

#[test]
fn renamed_commands_answer_to_their_new_name_only() {
    if forgekv_only("a running server's commands can't be renamed") {
        return;
    }
    let args = ["--rename-command", "SET", "put", "--rename-command", "GET", "\"\""];
    let mut server = Server::with_args(&args);
    let mut client = server.connect();
    client.ok(&["PUT", "key", "value"]);
    for gone in ["set", "GET"] {
        assert!(client.error(&[gone, "key", "v"]).starts_with(&format!("ERR unknown command '{gone}'")));
    }
    client.ok(&["put", "key", "again"]);
    drop(client);
    assert!(server.stop().success());
    let dir = server.dir().to_owned();
    let plain = crate::support::ServerOptions::default().dir(dir).start();
    assert_eq!(
        plain.connect().bulk(&["GET", "key"]),
        b"again",
        "what was logged under another name is read back under the old one"
    );
}

#[test]
fn a_rename_that_makes_no_sense_stops_the_start() {
    if forgekv_only("it starts servers of its own") {
        return;
    }
    let refusal = |old: &str, new: &str| {
        let args = ["--rename-command", old, new];
        crate::support::ServerOptions::default().args(&args).start_expecting_failure()
    };
    assert!(refusal("nonesuch", "x").contains("No such command in rename-command"));
    assert!(refusal("get", "set").contains("Target command name already exists"));
}

#[test]
fn a_client_that_logs_in_late_can_use_a_long_pipeline() {
    let server = Server::start();
    let mut admin = server.connect();
    admin.ok(&["CONFIG", "SET", "requirepass", "sesame"]);
    let mut client: Client = server.connect();
    let mut commands = vec![vec!["GET", "key"], vec!["AUTH", "sesame"]];
    commands.extend((0..100).map(|_| vec!["ECHO", "x"]));
    let replies = client.pipeline(&commands);
    assert_eq!(replies[0], Value::Error(NO_AUTH.into()));
    assert!(replies[2..].iter().all(|reply| *reply == Value::bulk("x")));
    admin.ok(&["CONFIG", "SET", "requirepass", ""]);
}
