//! The table and `forgekv.conf` hold together, and every row keeps its own promises.

use std::collections::{HashMap, HashSet};

use super::*;
use crate::config::{Asker, Config};

const EXAMPLE: &str = include_str!("../../../forgekv.conf");

/// Every parameter that CONFIG GET * of Redis 7.4 lists, with its default there, less the TLS ones of a build
/// without.
const REDIS: &str = include_str!("redis-7.4.txt");

/// Parameters whose default differs from Redis's, with the reason.
const OWN_DEFAULTS: [(&str, &str); 2] =
    [("appendonly", "the log is always written"), ("io-threads", "0 is one worker for each core")];

#[test]
fn names_are_unique_and_lower_case() {
    let mut seen = HashSet::new();
    for name in all().iter().flat_map(Directive::names) {
        assert_eq!(name, name.to_ascii_lowercase());
        assert!(seen.insert(name.replace('_', "-")) || name.contains("cpulist"), "{name} is listed twice");
    }
}

#[test]
fn documentation_is_a_sentence_and_a_reason_is_its_end() {
    for row in all() {
        assert!(!row.doc.is_empty(), "{}", row.name);
        assert_eq!(row.doc.ends_with('.'), row.applies, "{}", row.name);
    }
}

#[test]
fn every_default_is_canonical() {
    for row in all().iter().filter(|row| row.is_parameter() && row.name != "dir") {
        let words: Vec<&str> = match row.several {
            true => row.default.split(' ').collect(),
            false => vec![row.default],
        };
        let past = Past { text: row.default, append: false };
        assert_eq!(row.canonical(row.name, &words, past).as_deref(), Ok(row.default), "{}", row.name);
    }
}

#[test]
fn what_get_shows_set_takes_for_every_mutable_row() {
    let config = Config::default();
    for row in all().iter().filter(|row| row.is_parameter() && row.mutable && !row.protected) {
        for value in samples(row) {
            for name in row.names() {
                let shown = row.shown(name, &value);
                let pairs: &[(&[u8], &[u8])] = &[(name.as_bytes(), shown.as_bytes())];
                let changed = config.changed(pairs, Asker::default());
                let changed = changed.unwrap_or_else(|error| panic!("{name} {shown}: {error}"));
                assert_eq!(changed.value(name).as_deref(), Some(shown.as_str()), "{name}");
            }
        }
    }
}

/// The default, and the bounds where there are some.
fn samples(row: &Directive) -> Vec<String> {
    let mut values = vec![row.default.to_owned()];
    match row.kind {
        Kind::Bool => values.extend(["yes".to_owned(), "no".to_owned()]),
        Kind::Int(min, max) | Kind::Clamped(min, max) => values.extend([min.to_string(), max.to_string()]),
        Kind::Memory(min, max) => values.extend([min.to_string(), max.to_string()]),
        Kind::Choice(known) => values.extend(known.iter().map(|word| (*word).to_owned())),
        _ => {}
    }
    values
}

#[test]
fn a_number_at_its_bound_reaches_its_field() {
    let pairs: &[(&[u8], &[u8])] = &[
        (b"maxclients", b"4294967295"),
        (b"maxmemory", b"18446744073709551615"),
        (b"list-max-listpack-size", b"-2147483648"),
        (b"timeout", b"2147483647"),
    ];
    let config = Config::default().changed(pairs, Asker::default()).unwrap();
    assert_eq!(config.maxclients, u32::MAX);
    assert_eq!(config.maxmemory, u64::MAX);
    assert_eq!(config.limits.list_max_listpack_size, i32::MIN);
    assert_eq!(config.timeout, i32::MAX as u32);
}

#[test]
fn every_word_of_a_choice_is_a_value_of_its_own() {
    let row = |name: &str| all()[find(name).unwrap().index];
    for name in ["maxmemory-policy", "loglevel", "supervised", "wal_sync_mode", "enable-debug-command"] {
        let row = row(name);
        let Kind::Choice(known) = row.kind else { panic!("{name} is not a choice") };
        let mut fields = HashSet::new();
        for word in known {
            let mut values = Values::default();
            row.decode.unwrap()(&mut values, word);
            let all = (values.maxmemory_policy, values.loglevel, values.supervised, values.wal_sync_mode);
            fields.insert(format!("{all:?} {:?}", values.enable_debug_command));
        }
        assert_eq!(fields.len(), known.len(), "{name}");
    }
}

#[test]
fn every_parameter_of_redis_is_here_with_its_default() {
    let config = Config::default();
    for line in REDIS.lines().filter(|line| !line.starts_with('#')) {
        let (name, default) = line.split_once('\t').unwrap_or((line, ""));
        let value = config.value(name);
        if OWN_DEFAULTS.iter().any(|(own, _)| *own == name) {
            assert!(value.is_some_and(|value| value != default), "{name}");
        } else {
            assert_eq!(value.as_deref(), Some(default), "{name}");
        }
    }
}

/// The directives of `forgekv.conf`: name to the values of its lines, live or commented out as `# name
/// value`.
fn example_lines() -> HashMap<String, Vec<Vec<String>>> {
    let mut found: HashMap<String, Vec<Vec<String>>> = HashMap::new();
    for line in EXAMPLE.lines() {
        // Prose is `# Text`, a directive that is commented out has no space: `#name value`.
        let line = line.strip_prefix('#').unwrap_or(line);
        if line.is_empty() || line.starts_with([' ', '#']) {
            continue;
        }
        let words = crate::util::words::split(line.as_bytes()).unwrap_or_else(|| panic!("{line}"));
        let mut words = words.into_iter().map(|word| String::from_utf8(word).unwrap());
        found.entry(words.next().unwrap()).or_default().push(words.collect());
    }
    found
}

#[test]
fn the_example_file_shows_every_applicable_directive_with_its_default() {
    let lines = example_lines();
    for row in all().iter().filter(|row| row.applies) {
        let Some(lines) = lines.get(row.name) else { panic!("forgekv.conf lacks {}", row.name) };
        // A shipped file binds the loopback addresses and stays where it is started, as Redis's does.
        if !row.is_parameter() || ["bind", "dir"].contains(&row.name) {
            continue;
        }
        let mut config = Config::default();
        for words in lines {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            config
                .assign(find(row.name).unwrap(), &words, true)
                .unwrap_or_else(|error| panic!("{}: {error}", row.name));
        }
        assert_eq!(config.value(row.name).as_deref(), Some(row.default), "{}", row.name);
    }
    for name in lines.keys() {
        let row = find(name).unwrap_or_else(|| panic!("forgekv.conf has {name}, the table has not"));
        assert!(all()[row.index].applies, "forgekv.conf teaches {name}, which has no effect");
    }
}
