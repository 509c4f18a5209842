//! The families of commands that are compared: one file each, one row per form of a command.

pub mod bitmaps;
pub mod config;
pub mod foreign;
pub mod geo;
pub mod hashes;
pub mod hyperloglog;
pub mod keys;
pub mod limits;
pub mod lists;
pub mod pubsub;
pub mod scripting;
pub mod server;
pub mod sets;
pub mod sort;
pub mod streams;
pub mod strings;
pub mod transactions;
pub mod zsets;

use super::grammar::command_name;
use forgekv::commands::table::table;
use std::collections::BTreeSet;

/// A family: how its commands are written and how its values are read back.
pub struct Family {
    /// Its name for `FORGEKV_COMPAT_FAMILIES`.
    pub name: &'static str,
    /// Whether a server that lacks one of the commands fails the run.
    pub required: bool,
    /// Weight and synopsis; see `grammar`.
    pub forms: &'static [(usize, &'static str)],
    /// For each type of value (as TYPE names it), a command that reads all of a `KEY`.
    pub readers: &'static [(&'static str, &'static str)],
    /// Commands that undo, before the next sequence, what FLUSHALL does not.
    pub reset: &'static [&'static str],
}

/// All families.
pub const FAMILIES: &[&Family] = &[
    &strings::FAMILY,
    &bitmaps::FAMILY,
    &zsets::FAMILY,
    &geo::FAMILY,
    &lists::FAMILY,
    &sets::FAMILY,
    &sort::FAMILY,
    &hashes::FAMILY,
    &hyperloglog::FAMILY,
    &streams::FAMILY,
    &keys::FAMILY,
    &transactions::FAMILY,
    &pubsub::FAMILY,
    &scripting::FAMILY,
    &server::FAMILY,
    &config::FAMILY,
    &limits::FAMILY,
    &foreign::FAMILY,
];

impl Family {
    /// The names of its commands.
    pub fn command_names(&self) -> BTreeSet<String> {
        self.forms.iter().map(|(_, synopsis)| command_name(synopsis).to_owned()).collect()
    }
}

/// Commands that are in no family, and why.
const NOT_COMPARED: &[(&str, &[&str])] = &[
    ("Redis stands still for two minutes", &["pfselftest"]),
    (
        "Redis 7.0 does not have it",
        &[
            "backup",
            "hexpire",
            "hexpireat",
            "hexpiretime",
            "hgetdel",
            "hgetex",
            "hpersist",
            "hpexpire",
            "hpexpireat",
            "hpexpiretime",
            "hpttl",
            "hsetex",
            "httl",
            "waitaof",
            "zquery",
        ],
    ),
    ("its reply is about the server itself", &["debug", "info", "lolwut"]),
    ("it writes files or ends something", &["bgrewriteaof", "bgsave", "quit", "save", "shutdown"]),
    ("it connects to another server", &["migrate"]),
    ("it is RESTORE", &["restore-asking"]),
    (
        "it is answered several times, or when others do something: `events` listens",
        &["monitor", "psubscribe", "punsubscribe", "ssubscribe", "subscribe", "sunsubscribe", "unsubscribe"],
    ),
];

#[test]
fn every_command_is_compared_or_says_why_not() {
    let compared: BTreeSet<String> =
        FAMILIES.iter().flat_map(|family| family.command_names()).map(|name| name.to_lowercase()).collect();
    let excused: BTreeSet<&str> = NOT_COMPARED.iter().flat_map(|(_, names)| names.iter().copied()).collect();
    for row in table().rows().iter().filter(|row| row.parent.is_none()) {
        let (is_compared, is_excused) = (compared.contains(row.name()), excused.contains(row.name()));
        assert!(is_compared != is_excused, "{}: {is_compared} {is_excused}", row.name());
    }
}
