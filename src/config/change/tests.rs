//! CONFIG GET and SET answer as Redis does; the texts were read off redis-server 7.0.

use super::*;
use crate::config::values::{NotifyFlags, OutputLimit, SavePoint, SyncMode};

fn set(config: &Config, pairs: &[(&str, &str)]) -> Result<Config, String> {
    let pairs: Vec<_> = pairs.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
    config.changed(&pairs, Asker::default()).map_err(|error| error.to_string())
}

fn refusal(name: &str, value: &str) -> String {
    let error = set(&Config::default(), &[(name, value)]).unwrap_err();
    let prefix = format!("CONFIG SET failed (possibly related to argument '{name}') - ");
    error.strip_prefix(&prefix).unwrap_or(&error).to_owned()
}

fn after(name: &str, value: &str) -> String {
    set(&Config::default(), &[(name, value)]).unwrap().value(name).unwrap()
}

#[test]
fn refused_values_have_the_texts_of_redis() {
    let cases = [
        ("port", "99999", "argument must be between 0 and 65535 inclusive"),
        ("port", "6380x", "argument couldn't be parsed into an integer"),
        ("timeout", "1k", "argument couldn't be parsed into an integer"),
        ("list-max-listpack-size", "99999999999999999999", "argument couldn't be parsed into an integer"),
        ("proto-max-bulk-len", "10", "argument must be between 1048576 and 9223372036854775807 inclusive"),
        ("maxmemory", "1gbb", "argument must be a memory value"),
        ("maxmemory", "-1", "argument must be a memory value"),
        ("maxmemory-clients", "-5", "argument must be a memory or percent value"),
        ("maxmemory-clients", "120%", "percentage argument must be less or equal to 100"),
        ("appendonly", "maybe", "argument must be 'yes' or 'no'"),
        ("appendfsync", "foo", "argument(s) must be one of the following: everysec, always, no"),
        ("wal_sync_mode", "foo", "argument(s) must be one of the following: always, everysecond, never"),
        ("acl-pubsub-default", "x", "argument(s) must be one of the following: allchannels, resetchannels"),
        ("daemonize", "maybe", "can't set immutable config"),
        ("dir", "/nonexistent", "can't set protected config"),
        ("dbfilename", "a/b", "can't set protected config"),
        ("save", "900", "Invalid save parameters"),
        ("save", "  900 1", "Invalid save parameters"),
        ("save", "0 1", "Invalid save parameters"),
        ("notify-keyspace-events", "foo", "Invalid event class character. Use 'Ag$lshzxeKEtmdn'."),
        ("oom-score-adj-values", "1 2", "wrong number of arguments"),
        ("bind", "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17", "Too many bind addresses specified."),
        (
            "latency-tracking-info-percentiles",
            "50 abc",
            "Invalid latency-tracking-info-percentiles parameters",
        ),
        (
            "latency-tracking-info-percentiles",
            "1e-400",
            "Invalid latency-tracking-info-percentiles parameters",
        ),
        ("latency-tracking-info-percentiles", "nan", "Invalid latency-tracking-info-percentiles parameters"),
        (
            "latency-tracking-info-percentiles",
            "1e400",
            "Invalid latency-tracking-info-percentiles parameters",
        ),
        (
            "latency-tracking-info-percentiles",
            "inf",
            "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]",
        ),
        ("proc-title-template", "{foo}", "template format is invalid or contains unknown variables"),
        (
            "cluster-announce-hostname",
            "a b",
            "Hostnames may only contain alphanumeric characters, hyphens or dots",
        ),
        (
            "shutdown-on-sigterm",
            "",
            "argument(s) must be one of the following: default, save, nosave, now, force",
        ),
        ("hz", "-1", "argument must be between 0 and 2147483647 inclusive"),
    ];
    for (name, value, expected) in cases {
        assert_eq!(refusal(name, value), expected, "{name} {value}");
    }
    let limits = "client-output-buffer-limit";
    assert_eq!(refusal(limits, "normal 1 2"), "Wrong number of arguments in buffer limit configuration.");
    assert_eq!(
        refusal(limits, "master 1 2 3"),
        "Invalid client class specified in buffer limit configuration."
    );
    let wrong_number = "Error in hard, soft or soft_seconds setting in buffer limit configuration.";
    assert_eq!(refusal(limits, "normal 1 2 -3"), wrong_number);
}

#[test]
fn unknown_parameters_and_lines_of_the_file_cannot_be_set() {
    for name in ["nosuch", "user", "rename-command", "include", "loadmodule"] {
        let expected = format!("Unknown option or number of arguments for CONFIG SET - '{name}'");
        assert_eq!(set(&Config::default(), &[("port", "1"), (name, "x")]).unwrap_err(), expected);
    }
}

#[test]
fn a_parameter_given_twice_is_refused_in_any_case() {
    let error = set(&Config::default(), &[("hz", "10"), ("HZ", "11")]).unwrap_err();
    assert_eq!(error, "CONFIG SET failed (possibly related to argument 'HZ') - duplicate parameter");
    let names = [("hash-max-listpack-entries", "10"), ("hash-max-ziplist-entries", "11")];
    assert_eq!(set(&Config::default(), &names).unwrap().limits.hash_max_listpack_entries, 11);
}

#[test]
fn a_set_of_parameters_changes_together_or_not_at_all() {
    let config = Config::default();
    let error = set(&config, &[("hz", "12"), ("port", "99999"), ("timeout", "5")]).unwrap_err();
    assert!(error.contains("related to argument 'port'"), "{error}");
    assert_eq!((config.hz, config.timeout), (10, 0));
    let changed = set(&config, &[("hz", "12"), ("port", "9"), ("timeout", "5")]).unwrap();
    assert_eq!((changed.hz, changed.port, changed.timeout), (12, 9, 5));
}

#[test]
fn values_are_shown_in_their_canonical_form() {
    for (name, value, expected) in [
        ("appendfsync", "ALWAYS", "always"),
        ("maxmemory", "1gB", "1073741824"),
        ("maxmemory-clients", "10%", "10%"),
        ("hz", "1000", "500"),
        ("hz", "0", "1"),
        ("save", "900 1 300 10", "900 1 300 10"),
        ("save", "", ""),
        ("notify-keyspace-events", "KEA", "AKE"),
        ("notify-keyspace-events", "gKx", "gxK"),
        ("notify-keyspace-events", "Kg$lshzxetd", "AK"),
        ("shutdown-on-sigterm", "force save", "save force"),
        ("shutdown-on-sigint", "default now", "now"),
        ("latency-tracking-info-percentiles", "99.123456789 50 1e1", "99.123457 50 10"),
    ] {
        assert_eq!(after(name, value), expected, "{name} {value}");
    }
}

#[test]
fn typed_fields_follow_their_texts() {
    let limits = ("client-output-buffer-limit", "normal 1mb 2mb 3 replica 1 1 1");
    let pairs =
        [limits, ("save", "900 1 300 10"), ("notify-keyspace-events", "Kx"), ("appendfsync", "always")];
    let config = set(&Config::default(), &pairs).unwrap();
    let normal = OutputLimit { hard_bytes: 1 << 20, soft_bytes: 2 << 20, soft_seconds: 3 };
    assert_eq!(config.client_output_buffer_limit.normal, normal);
    assert_eq!(config.client_output_buffer_limit.pubsub.hard_bytes, 32 << 20);
    let expected = [SavePoint { seconds: 900, changes: 1 }, SavePoint { seconds: 300, changes: 10 }];
    assert_eq!(config.save, expected);
    assert!(config.notify_keyspace_events.contains(NotifyFlags::EXPIRED));
    assert!(!config.notify_keyspace_events.contains(NotifyFlags::EVICTED));
    assert_eq!(config.wal_sync_mode, SyncMode::Always);
}

#[test]
fn both_spellings_of_the_sync_mode_are_settable_and_agree() {
    for (name, value) in [("appendfsync", "no"), ("wal_sync_mode", "never"), ("wal-sync-mode", "NO")] {
        let config = set(&Config::default(), &[(name, value)]).unwrap();
        assert_eq!(config.value("wal_sync_mode").unwrap(), "never");
        assert_eq!(config.value("appendfsync").unwrap(), "no");
    }
    assert_eq!(after("wal_sync_mode", "everysec"), "everysecond");
}

#[test]
fn appendonly_no_means_never_unless_a_mode_was_given() {
    let config = set(&Config::default(), &[("appendonly", "no")]).unwrap();
    assert_eq!(config.wal_sync_mode, SyncMode::Never);
    assert_eq!(set(&config, &[("appendonly", "yes")]).unwrap().wal_sync_mode, SyncMode::EverySecond);
    let config = set(&Config::default(), &[("appendfsync", "always"), ("appendonly", "no")]).unwrap();
    assert_eq!(config.wal_sync_mode, SyncMode::Always);
}

#[test]
fn get_answers_patterns_without_duplicates() {
    let config = Config::default();
    let names =
        |patterns: &[&[u8]]| config.get(patterns).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    assert_eq!(config.get(&[b"save"]), [("save".to_owned(), "3600 1 300 100 60 10000".to_owned())]);
    assert_eq!(config.get(&[b"appendonly"]), [("appendonly".to_owned(), "yes".to_owned())]);
    assert_eq!(names(&[b"HZ", b"h?", b"hz"]), ["HZ"]);
    assert_eq!(names(&[b"nosuch", b"user", b"include", b"\xff"]), Vec::<String>::new());
    assert_eq!(names(&[b"list-max-*"]), ["list-max-listpack-size", "list-max-ziplist-size"]);
    assert_eq!(names(&[b"io-threads", b"server_threads"]).len(), 1);
}

#[test]
fn a_protected_parameter_needs_permission() {
    let words = ["local"];
    let mut config = Config::default();
    config.assign(table::find("enable-protected-configs").unwrap(), &words, true).unwrap();
    let pairs: &[(&[u8], &[u8])] = &[(b"dbfilename", b"x.rdb")];
    assert_eq!(config.changed(pairs, Asker { local: true }).unwrap().value("dbfilename").unwrap(), "x.rdb");
    let error = config.changed(pairs, Asker { local: false }).unwrap_err();
    assert!(error.to_string().ends_with("can't set protected config"), "{error}");
}

#[test]
fn bytes_that_are_not_text_are_refused() {
    let error = Config::default().changed(&[(b"requirepass", b"\xff")], Asker::default()).unwrap_err();
    assert!(error.to_string().ends_with(NOT_UTF8), "{error}");
}
