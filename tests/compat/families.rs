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
pub mod server;
pub mod sets;
pub mod sort;
pub mod streams;
pub mod strings;
pub mod zsets;

use super::grammar::command_name;
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
    &pubsub::FAMILY,
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
