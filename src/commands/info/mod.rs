//! INFO: what the server knows of itself, in Redis's sections and under Redis's names.
//!
//! * Every field of Redis 7.4 is there, so that its tools find what they look for. A field about something that does not
//!   exist here (forks, replicas, modules) has the value that says so, mostly 0.
//! * `# Storage` and `# Workers` are our own sections; they are shown when they are asked for, and by `all`.
//! * It holds no lock while it writes; sums over shards and threads are taken one after the other.

mod memory;
mod persistence;
mod sections;
mod stats;

use std::fmt::{Display, Write};

use super::call::{Call, is};
use super::spec::flags::*;
use super::spec::{Arg, Command, CommandResult, category};
use crate::util::number::human_bytes;

/// The family.
pub const COMMANDS: &[Command] = &[Command {
    name: "info",
    since: "1.0.0",
    complexity: "O(1)",
    group: "server",
    arity: -1,
    handler: info,
    summary: "Returns information and statistics about the server.",
    flags: LOADING | STALE,
    categories: category::DANGEROUS,
    tips: &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
    args: &[Arg::string("section").optional().multiple()],
    ..Command::NONE
}];

struct Section {
    /// What clients ask for it by.
    names: &'static [&'static str],
    /// Shown when nothing is asked for.
    is_default: bool,
    title: &'static str,
    write: fn(&Call<'_>, &mut Page),
}

const fn section(
    names: &'static [&'static str],
    title: &'static str,
    write: fn(&Call<'_>, &mut Page),
) -> Section {
    Section { names, is_default: true, title, write }
}

const fn extra(
    names: &'static [&'static str],
    title: &'static str,
    write: fn(&Call<'_>, &mut Page),
) -> Section {
    Section { names, is_default: false, title, write }
}

/// The sections in the order in which they are shown.
const SECTIONS: &[Section] = &[
    section(&["server"], "Server", sections::server),
    section(&["clients"], "Clients", sections::clients),
    section(&["memory"], "Memory", memory::memory),
    section(&["persistence"], "Persistence", persistence::persistence),
    section(&["stats"], "Stats", stats::stats),
    section(&["replication"], "Replication", sections::replication),
    section(&["cpu"], "CPU", sections::cpu),
    section(&["modules", "module_list"], "Modules", |_, _| {}),
    extra(&["commandstats"], "Commandstats", stats::commandstats),
    section(&["errorstats"], "Errorstats", stats::errorstats),
    extra(&["latencystats"], "Latencystats", stats::latencystats),
    section(&["cluster"], "Cluster", |_, page| page.field("cluster_enabled", 0)),
    section(&["keyspace"], "Keyspace", sections::keyspace),
    extra(&["storage"], "Storage", persistence::storage),
    extra(&["workers"], "Workers", sections::workers),
];

/// The text of a reply.
#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    /// A line of text.
    fn line(&mut self, line: impl Display) {
        // Writing to a string cannot fail.
        let _ = write!(self.text, "{line}\r\n");
    }

    /// `name:value`
    fn field(&mut self, name: &str, value: impl Display) {
        self.line(format_args!("{name}:{value}"));
    }

    /// Several fields of numbers.
    fn fields(&mut self, fields: &[(&str, u64)]) {
        fields.iter().for_each(|(name, value)| self.field(name, value));
    }

    /// Fields of things that do not exist here.
    fn zeroes(&mut self, names: &[&str]) {
        names.iter().for_each(|name| self.field(name, 0));
    }

    /// A size as a number and for people.
    fn size(&mut self, name: &str, bytes: u64) {
        self.field(name, bytes);
        self.line(format_args!("{name}_human:{}", human_bytes(bytes)));
    }
}

fn info(call: &mut Call<'_>) -> CommandResult {
    let asked = call.argv.skip(1);
    let is_wanted = |section: &&Section| {
        let by_default = asked.is_empty() || asked.iter().any(|word| is(word, "default"));
        let is_named = |word: &[u8]| {
            is(word, "all") || is(word, "everything") || section.names.iter().any(|name| is(word, name))
        };
        (by_default && section.is_default) || asked.iter().any(is_named)
    };
    let mut page = Page::default();
    for section in SECTIONS.iter().filter(is_wanted) {
        if !page.text.is_empty() {
            page.line("");
        }
        page.line(format_args!("# {}", section.title));
        (section.write)(call, &mut page);
    }
    call.reply.verbatim("txt", page.text.as_bytes());
    Ok(())
}
