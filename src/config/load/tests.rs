//! Files load as in Redis, errors name their place, and no bytes panic.

use super::*;
use crate::config::values::{LogLevel, SyncMode};
use crate::util::file::tests::Scratch;

/// The directives of the file that Redis 7 ships, with every spelling a distribution adds.
const REDIS_CONF: &str = include_str!("redis-7.conf");

fn load_file(path: &Path) -> Result<Loaded, String> {
    let mut loader = Loader::default();
    loader.main_file(path).and_then(|()| loader.finish()).map_err(|error| error.to_string())
}

fn load(text: &str) -> Result<Loaded, String> {
    let mut loader = Loader::default();
    let result = loader.text(&Origin::Stdin, text.as_bytes(), 0).and_then(|()| loader.finish());
    result.map_err(|error| error.to_string())
}

#[test]
fn the_configuration_file_of_redis_loads() {
    let scratch = Scratch::new();
    let text = REDIS_CONF.replace("dir ./", &format!("dir {}", scratch.0.display()));
    let loaded = load_file(&scratch.put("redis.conf", &text)).unwrap();
    assert_eq!(loaded.config.bind, ["127.0.0.1", "-::1"]);
    assert_eq!(loaded.config.loglevel, LogLevel::Notice);
    assert_eq!(loaded.config.dir, scratch.0);
    let mentions = |name: &str| loaded.notices.iter().filter(|notice| notice.contains(name)).count();
    assert_eq!(mentions("aof-load-truncated"), 1);
    assert_eq!(mentions("appendonly no"), 1, "{:?}", loaded.notices);
    // The file gives appendfsync too, so that `appendonly no` leaves it alone.
    assert_eq!(loaded.config.wal_sync_mode, SyncMode::EverySecond);
}

#[test]
fn the_installed_file_of_redis_loads_where_there_is_one() {
    let Ok(content) = file::read(Path::new("/etc/redis/redis.conf"), FILE_BYTES_MAX) else { return };
    let scratch = Scratch::new();
    let content = String::from_utf8(content).unwrap();
    let content = content.replace("\ndir /var/lib/redis", &format!("\ndir {}", scratch.0.display()));
    let loaded = load_file(&scratch.put("redis.conf", &content));
    assert!(loaded.is_ok(), "{loaded:?}");
}

#[test]
fn names_take_any_case_and_comments_and_quotes_are_understood() {
    let loaded = load("# c\n  PORT 7001\r\n\n\trequirepass \"a b\\x41\"\nmasterauth 'x y'\n").unwrap();
    assert_eq!(loaded.config.port, 7001);
    assert_eq!(loaded.config.requirepass, "a bA");
    assert_eq!(loaded.config.value("masterauth").unwrap(), "x y");
}

#[test]
fn lines_of_a_list_add_up_and_replace_the_default() {
    let loaded = load("save 900 1\nsave 300 10\n").unwrap();
    assert_eq!(loaded.config.value("save").unwrap(), "900 1 300 10");
    assert_eq!(load("save 900 1\nsave \"\"\nsave 5 5\n").unwrap().config.value("save").unwrap(), "5 5");
    assert_eq!(load("save \"900 1 300 10\"\n").unwrap().config.save.len(), 2);
    let limits = "client-output-buffer-limit normal 1 2 3\nclient-output-buffer-limit replica 1mb 0 0\n";
    let shown = load(limits).unwrap().config.value("client-output-buffer-limit").unwrap();
    assert_eq!(shown, "normal 1 2 3 slave 1048576 0 0 pubsub 33554432 8388608 60");
}

#[test]
fn renames_are_kept_for_the_command_table() {
    let loaded = load("rename-command FLUSHALL \"\"\n").unwrap();
    assert_eq!(loaded.config.renamed_commands, [("FLUSHALL".to_owned(), String::new())]);
}

#[test]
fn a_user_that_nobody_will_check_refuses_the_load_and_keeps_its_password() {
    let scratch = Scratch::new();
    let users = scratch.put("users.conf", "user default on nopass ~* &* +@all\nuser alice on >hunter2 ~*\n");
    let place =
        format!("at line 2 of '{}'\n>>> 'user (not shown)'\nThere are no users here", users.display());
    for text in [format!("include {}\n", users.display()), "port 0\nuser alice on >hunter2 ~*\n".to_owned()] {
        let error = load(&text).unwrap_err();
        assert!(
            error.contains(&place) || error.contains("at line 2 of standard input\n>>> 'user (not"),
            "{error}"
        );
        assert!(!error.contains("hunter2"), "{error}");
    }
    assert!(load("user default on #00 ~* &* +@all\n").unwrap_err().ends_with("Set 'requirepass'."));
    // A line that leaves everything as it is stands, also before the password that it is about.
    for text in ["user default on nopass ~* &* +@all\n", "user default on #00 ~* &* +@all\nrequirepass a\n"] {
        let loaded = load(text).unwrap();
        assert!(
            loaded.notices[0].starts_with("'user' is accepted for compatibility"),
            "{:?}",
            loaded.notices
        );
    }
}

#[test]
fn a_file_of_users_refuses_the_load_unless_a_later_line_names_none() {
    let error = load("aclfile users.acl\nrequirepass a\n").unwrap_err();
    assert!(error.starts_with("Fatal error in the configuration: 'aclfile' names 'users.acl'"), "{error}");
    assert!(load("aclfile users.acl\naclfile \"\"\n").is_ok());
}

#[test]
fn a_refused_line_is_shown_without_secrets() {
    let error = load("requirepass hunter2 hunter2\n").unwrap_err();
    assert!(error.contains(">>> 'requirepass (not shown)'\nwrong number of arguments"), "{error}");
    let error = load("masterauth \"hunter2\n").unwrap_err();
    assert!(!error.contains("hunter2"), "{error}");
}

#[test]
fn refused_lines_name_their_place_and_reason() {
    for (text, line, reason) in [
        ("port 1\n# c\nport \"abc\n", 3, "Unbalanced quotes in configuration line"),
        ("foo bar\n", 1, "Bad directive or wrong number of arguments"),
        ("port 1 2\n", 1, "wrong number of arguments"),
        ("port 0 # comment\n", 1, "wrong number of arguments"),
        ("save 900\n", 1, "Invalid save parameters"),
        ("hz 1\ndir \"\"\n", 2, "No such file or directory"),
        ("slaveof a\n", 1, "wrong number of arguments"),
        ("include\n", 1, "Bad directive or wrong number of arguments"),
        ("rename-command get\n", 1, "Bad directive or wrong number of arguments"),
    ] {
        let error = load(text).unwrap_err();
        assert!(error.contains(&format!("at line {line} of standard input\n>>> '")), "{error}");
        assert!(error.ends_with(reason), "{text:?}: {error}");
    }
}

#[test]
fn an_error_in_an_included_file_names_that_file() {
    let scratch = Scratch::new();
    let inner = scratch.put("inner.conf", "hz 10\nfoo bar\n");
    let outer = scratch.put("outer.conf", &format!("port 1\ninclude {}\n", inner.display()));
    let error = load_file(&outer).unwrap_err();
    assert!(error.contains(&format!("at line 2 of '{}'\n>>> 'foo bar'", inner.display())), "{error}");
}

#[test]
fn includes_take_globs_in_order_and_a_glob_may_match_nothing() {
    let scratch = Scratch::new();
    scratch.put("10.inc", "hz 20\nport 1\n");
    scratch.put("20.inc", "hz 30\n");
    let dir = scratch.0.display();
    let loaded = load(&format!("include {dir}/*.inc\ninclude {dir}/*.none\n")).unwrap();
    assert_eq!((loaded.config.hz, loaded.config.port), (30, 1));
    let error = load(&format!("include {dir}/missing.conf\n")).unwrap_err();
    assert!(error.starts_with("Fatal error, can't open config file '"), "{error}");
}

#[test]
fn includes_that_never_end_are_refused() {
    let scratch = Scratch::new();
    let path = scratch.0.join("loop.conf");
    scratch.put("loop.conf", &format!("include {0}\ninclude {0}\n", path.display()));
    let error = load_file(&path).unwrap_err();
    assert!(error.ends_with("Includes are nested more than 16 deep"), "{error}");
}

#[test]
fn a_directive_without_effect_is_said_once_with_its_reason() {
    let loaded = load("tls-port 7000\ncluster-enabled yes\ntls-port 7001\naof-load-truncated yes\n").unwrap();
    assert_eq!(loaded.notices.len(), 3, "{:?}", loaded.notices);
    assert!(loaded.notices[0].starts_with("'tls-port' is accepted"), "{:?}", loaded.notices);
    assert_eq!(loaded.config.value("tls-port").unwrap(), "7001");
    assert!(load("port 1\n").unwrap().notices.is_empty());
}

#[test]
fn appendonly_no_is_explained() {
    let loaded = load("appendonly no\n").unwrap();
    assert_eq!(loaded.config.wal_sync_mode, SyncMode::Never);
    assert_eq!(loaded.notices.len(), 1);
    assert!(loaded.notices[0].contains("wal_sync_mode is 'never'"), "{:?}", loaded.notices);
}

#[test]
fn random_lines_never_panic() {
    let mut seed = 0x5eed_0001_u64;
    println!("seed {seed:#x}");
    let mut random = move |bound: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed % bound as u64).unwrap()
    };
    let values = [
        "",
        "yes",
        "no",
        "-1",
        "0",
        "1",
        "99999999999999999999",
        "1gb",
        "50%",
        "\"",
        "'",
        "\\x",
        "é",
        "a b",
        "normal",
        "\"normal 1 2 3\"",
        "always",
        "\"\"",
        "{title",
        "{}",
        "A",
        "%",
        "\"900 1\"",
        "\u{0}",
        "127.0.0.1",
    ];
    let mut accepted = 0;
    for _ in 0..20_000 {
        let row = &table::all()[random(table::all().len())];
        let name = row.names().nth(random(1 + row.aliases.len())).unwrap_or(row.name);
        let mut line = if name == "include" { "port".to_owned() } else { name.to_owned() };
        for _ in 0..random(4) {
            line.push(' ');
            line.push_str(values[random(values.len())]);
        }
        let mut bytes = line.into_bytes();
        if random(4) == 0 {
            let at = random(bytes.len());
            bytes[at] = u8::try_from(random(256)).unwrap();
        }
        let mut loader = Loader::default();
        let result = loader.text(&Origin::Stdin, &bytes, 0);
        accepted += usize::from(result.is_ok());
        let _ = loader.config.rewritten(&bytes, None);
    }
    assert!(accepted > 1000, "only {accepted} lines were valid");
}
