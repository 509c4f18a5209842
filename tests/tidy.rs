//! Rules about the source itself that the compiler does not know.
//!
//! * A module imports only what stands below it (the table in `MUST_NOT_IMPORT`).
//! * Every source file opens with its module documentation, stays under 1,000 lines and leaves nothing "to do".
//! * `unsafe` stays in a listed handful of files.
//!
//! Tests inside a file are bound by the same rules: a test that needs what its module may not import is in the wrong place.

use std::fs;
use std::path::{Path, PathBuf};

const MAX_LINES: usize = 1000;

/// A file or directory, and the modules of its own crate that it must not import.
const MUST_NOT_IMPORT: &[(&str, &[&str])] = &[
    ("src/net/", &["types", "store", "script"]),
    ("src/commands/", &["net"]),
    ("src/script/", &["commands", "net"]),
    ("src/client/", &["net", "commands"]),
    ("src/txn.rs", &["net", "commands"]),
    ("src/blocking.rs", &["net", "commands"]),
    ("src/pubsub/", &["net", "commands", "client", "store"]),
    ("src/acl/", &["net", "commands"]),
    ("src/stats/", &["net", "commands"]),
    ("src/store/", &["resp", "net", "commands"]),
    ("src/rdb/", &["store", "resp", "config", "client", "net", "commands"]),
    ("src/types/", &["store", "resp", "client", "net", "commands", "rdb"]),
    ("src/resp/", LEAF),
    ("src/config/", LEAF),
    ("src/util/", LEAF),
    ("src/sys.rs", LEAF),
    ("src/allocator.rs", LEAF),
    ("storage/src/log/", &["run", "compaction"]),
    ("storage/src/checkpoint.rs", &["compaction"]),
    ("storage/src/compaction/", &["engine", "log"]),
    ("storage/src/run/", &["version", "log", "compaction"]),
    (
        "storage/src/fs/",
        &["engine", "log", "run", "version", "compaction", "checkpoint", "snapshot", "record", "merge"],
    ),
];

/// What stands above the leaves of the server.
const LEAF: &[&str] = &[
    "server", "net", "commands", "script", "client", "txn", "blocking", "pubsub", "acl", "stats", "store",
    "types", "rdb",
];

/// Crates that only some directories may use.
const CRATE_USERS: &[(&str, &[&str])] = &[
    ("mio", &["src/net/", "src/server.rs", "bench/"]),
    ("storage", &["src/store/", "src/server.rs", "src/server/", "src/tools.rs"]),
];

/// The files that may contain `unsafe`, each for a reason given in the file.
const UNSAFE_FILES: &[&str] = &[
    "storage/src/fs/cached.rs",
    "src/main.rs",
    "src/allocator.rs",
    "src/allocator/ahead.rs",
    "src/allocator/arena.rs",
    "src/allocator/huge.rs",
    "src/allocator/transient.rs",
    "src/sys.rs",
    "src/store/lock.rs",
    "src/script/heap.rs",
    "src/script/stack.rs",
    "src/script/state.rs",
    "src/util/allocations.rs",
];

/// A module may also be one file: `src/resp.rs` is bound as `src/resp/` is.
fn is_under(file: &str, place: &str) -> bool {
    file.starts_with(place) || place.strip_suffix('/').is_some_and(|dir| file == format!("{dir}.rs"))
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every `.rs` file of the workspace, by its path from the root, with its text.
fn sources() -> Vec<(String, String)> {
    fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
        let Ok(entries) = fs::read_dir(dir) else { return };
        for path in entries.map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    ["src", "storage", "tests", "bench"].iter().for_each(|dir| walk(&root().join(dir), &mut found));
    found.sort();
    let relative = |path: &Path| path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
    found.iter().map(|path| (relative(path), fs::read_to_string(path).unwrap())).collect()
}

/// Lines of code: without comments.
fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let code = text.lines().map(|line| line.split("//").next().unwrap_or(""));
    code.enumerate().map(|(index, line)| (index + 1, line))
}

/// The modules of this crate that a line names as `crate::name`, also inside `use crate::{a::b, c};`.
fn imported(line: &str) -> Vec<&str> {
    let mut names = Vec::new();
    for (at, _) in line.match_indices("crate::") {
        let rest = &line[at + "crate::".len()..];
        let group = rest.strip_prefix('{');
        let mut depth = 0;
        let parts = group.unwrap_or(rest).split(|c| {
            depth += i32::from(c == '{') - i32::from(c == '}');
            depth == 0 && c == ','
        });
        for part in parts {
            let part = part.trim_start();
            let end = part.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(part.len());
            names.push(&part[..end]);
            if group.is_none() {
                break;
            }
        }
    }
    names
}

fn assert_none(complaints: Vec<String>) {
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

#[test]
fn modules_import_only_what_stands_below_them() {
    let mut complaints = Vec::new();
    for (file, text) in sources() {
        // An import may span lines; joining them keeps `use crate::{` and its members together.
        let statements: String = code_lines(&text).map(|(_, line)| line.trim().to_owned() + " ").collect();
        let names: Vec<&str> = statements.split(';').flat_map(imported).collect();
        for (_, forbidden) in MUST_NOT_IMPORT.iter().filter(|(place, _)| is_under(&file, place)) {
            let wrong = names.iter().filter(|name| forbidden.contains(name));
            complaints
                .extend(wrong.map(|name| format!("{file} imports crate::{name}, which stands above it")));
        }
        for (krate, users) in CRATE_USERS.iter().filter(|_| file.starts_with("src/")) {
            let uses = code_lines(&text).any(|(_, line)| {
                let line = line.trim_start().trim_start_matches("pub ");
                line.starts_with(&format!("use {krate}::")) || line.starts_with(&format!("use {krate};"))
            });
            if uses && !users.iter().any(|place| is_under(&file, place)) {
                complaints.push(format!("{file} uses the crate {krate}; only {users:?} may"));
            }
        }
    }
    assert_none(complaints);
}

#[test]
fn every_file_is_documented_and_of_a_readable_size() {
    let mut complaints = Vec::new();
    for (file, text) in sources() {
        if !text.starts_with("//!") {
            complaints.push(format!("{file} does not begin with its module documentation"));
        }
        let lines = text.lines().count();
        if lines >= MAX_LINES {
            complaints.push(format!("{file} has {lines} lines; split it"));
        }
    }
    assert_none(complaints);
}

#[test]
fn nothing_is_left_to_do() {
    // Written in two parts, so that this file does not contain them.
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X:")];
    let mut complaints = Vec::new();
    for (file, text) in sources() {
        for (number, line) in text.lines().enumerate() {
            if marks.iter().any(|mark| line.contains(mark)) {
                complaints.push(format!("{file}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    assert_none(complaints);
}

#[test]
fn unsafe_code_stays_in_the_listed_files() {
    let mut complaints = Vec::new();
    let keyword = concat!("uns", "afe");
    for (file, text) in sources().iter().filter(|(file, _)| !UNSAFE_FILES.contains(&file.as_str())) {
        for (number, line) in code_lines(text) {
            let mut words = line.split(|c: char| !c.is_alphanumeric() && c != '_');
            if words.any(|word| word == keyword) && !line.contains('"') {
                complaints.push(format!("{file}:{number}: {}", line.trim()));
            }
        }
    }
    assert_none(complaints);
}

#[test]
fn imports_are_recognised_in_every_form() {
    assert_eq!(imported("use crate::store::Shard"), ["store"]);
    assert_eq!(imported("use crate::{resp::{Reader, Writer}, net}"), ["resp", "net"]);
    assert_eq!(imported("let x = crate::commands::run(crate::types::A)"), ["commands", "types"]);
    assert_eq!(imported("use std::io"), [""; 0]);
    assert!(is_under("src/resp.rs", "src/resp/") && is_under("src/resp/reader.rs", "src/resp/"));
    assert!(!is_under("src/response.rs", "src/resp/"));
}
