//! MEMORY: what a key takes, and where the server's memory goes.
//!
//! The numbers are the store's own accounting, to which the allocator's rounding is not known.

use super::call::{Call, Words, is};
use super::error::CommandError;
use super::help::help_row;
use super::spec::flags::*;
use super::spec::key_flags::RO;
use super::spec::{Arg, Command, CommandResult, KeySpec};
use super::state::MemoryUse;
use crate::resp::Reply;
use crate::{allocator, sys};

const SERVER: Command = Command { group: "server", ..Command::NONE };

/// The family.
pub const COMMANDS: &[Command] = &[Command {
    name: "memory",
    since: "4.0.0",
    complexity: "Depends on subcommand.",
    arity: -2,
    summary: "Tells what uses the memory.",
    subcommands: SUBCOMMANDS,
    ..SERVER
}];

const SPECIAL: &[&str] = &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"];

const SUBCOMMANDS: &[Command] = &[
    Command {
        name: "doctor",
        since: "4.0.0",
        arity: 2,
        handler: doctor,
        summary: "Looks for signs of trouble and describes them.",
        tips: SPECIAL,
        ..SERVER
    },
    help_row("4.0.0", SERVER),
    Command {
        name: "malloc-stats",
        since: "4.0.0",
        complexity: "Depends on how much memory is allocated, could be slow",
        arity: 2,
        handler: malloc_stats,
        summary: "Returns the allocator's own report.",
        tips: SPECIAL,
        ..SERVER
    },
    Command {
        name: "purge",
        since: "4.0.0",
        complexity: "Depends on how much memory is allocated, could be slow",
        arity: 2,
        handler: purge,
        summary: "Asks the allocator to give free memory back.",
        tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
        ..SERVER
    },
    Command {
        name: "stats",
        since: "4.0.0",
        arity: 2,
        handler: stats,
        summary: "Returns where the memory goes.",
        tips: SPECIAL,
        ..SERVER
    },
    Command {
        name: "usage",
        since: "4.0.0",
        complexity: "O(N) where N is the number of samples.",
        arity: -3,
        handler: usage,
        summary: "Estimates the bytes that a key and its value take.",
        flags: READONLY,
        keys: &[KeySpec::at(2, RO)],
        args: &[Arg::key("key"), Arg::integer("count").token("SAMPLES").optional()],
        ..SERVER
    },
];

fn usage(call: &mut Call<'_>) -> CommandResult {
    check_samples(call.words(3))?;
    let key = call.key(2);
    call.db.stop_touching();
    match call.db.find(&key) {
        Some(slot) => call.reply.integer(call.db.entry(slot).memory_bytes() as i64),
        None => call.reply.null(),
    }
    Ok(())
}

/// Checks `SAMPLES n`. The size of every value is known without taking samples.
fn check_samples(mut words: Words<'_>) -> CommandResult {
    while let Some(word) = words.next() {
        if !is(word, "samples") || words.int()? < 0 {
            return Err(CommandError::SYNTAX);
        }
    }
    Ok(())
}

/// Below this a report would only describe the empty server.
const DOCTOR_MIN_BYTES: u64 = 5 * 1024 * 1024;

fn doctor(call: &mut Call<'_>) -> CommandResult {
    let memory = call.state.memory(call.db.held());
    let peak = call.state.rates.sample_memory(memory.used());
    let report = diagnose(memory, peak, sys::resident_bytes(), call.state.clients.len() as u64);
    call.reply.verbatim("txt", report.as_bytes());
    Ok(())
}

fn diagnose(memory: MemoryUse, peak: u64, resident: u64, clients: u64) -> String {
    let used = memory.used();
    if used < DOCTOR_MIN_BYTES {
        return "Hi Sam, this instance holds too little data for a diagnosis. Come back when it holds more.\n".to_owned();
    }
    let mut findings = Vec::new();
    if peak > used + used / 2 {
        findings.push("Peak: at its peak the dataset took over half as much again as now, and the process may still hold that memory. It is used again as the dataset grows.");
    }
    if resident > used + used / 2 {
        findings.push("Resident memory: the process holds over half as much again as the dataset needs. After large deletions that is normal, because a page is given back only when it is empty.");
    }
    if memory.clients / clients.max(1) > 200 * 1024 {
        findings.push("Clients: their buffers take over 200 KiB each on average. Look for large replies, or readers that do not keep up, with CLIENT LIST.");
    }
    if findings.is_empty() {
        return "Hi Sam, nothing is wrong with the memory of this instance.\n".to_owned();
    }
    let mut report = "Sam, this is worth a look:\n".to_owned();
    findings.into_iter().for_each(|finding| report.push_str(&format!("\n * {finding}\n")));
    report
}

fn malloc_stats(call: &mut Call<'_>) -> CommandResult {
    call.reply.verbatim("txt", &allocator::report());
    Ok(())
}

fn purge(call: &mut Call<'_>) -> CommandResult {
    allocator::purge();
    call.reply.ok();
    Ok(())
}

fn stats(call: &mut Call<'_>) -> CommandResult {
    let memory = call.state.memory(call.db.held());
    let (used, resident) = (memory.used(), sys::resident_bytes());
    let peak = call.state.rates.sample_memory(used);
    let counts = call.state.keyspace.counts(call.db.held());
    let keys: u64 = counts.iter().map(|db| db.keys as u64).sum();
    let active = memory.entry_pages + memory.overhead();
    let mut map = StatsMap::begin(&mut call.reply);
    map.integers(&[
        ("peak.allocated", peak),
        ("total.allocated", used),
        ("startup.allocated", 0),
        ("replication.backlog", 0),
        ("clients.slaves", 0),
        ("clients.normal", memory.clients),
        ("cluster.links", 0),
        ("aof.buffer", memory.log_buffers),
        ("lua.caches", 0),
        ("functions.caches", 0),
        ("script.VMs", 0),
        ("overhead.db.hashtable.lut", memory.index),
        ("overhead.db.hashtable.rehashing", 0),
        ("db.dict.rehashing.count", 0),
        ("overhead.total", memory.overhead()),
        ("keys.count", keys),
        ("keys.bytes-per-key", used.checked_div(keys).unwrap_or(0)),
        ("dataset.bytes", memory.entries),
    ]);
    map.double("dataset.percentage", percent(memory.entries, used));
    map.double("peak.percentage", percent(used, peak));
    map.integers(&[
        ("allocator.allocated", used),
        ("allocator.active", active),
        ("allocator.resident", resident),
        ("allocator.muzzy", 0),
    ]);
    map.ratio("allocator-fragmentation", active, used);
    map.ratio("allocator-rss", resident, active);
    map.ratio("rss-overhead", resident, resident);
    map.double("fragmentation", ratio(resident, used));
    map.integer("fragmentation.bytes", difference(resident, used));
    map.end();
    Ok(())
}

/// A map whose pairs are counted as they are written.
struct StatsMap<'r, 'o> {
    reply: &'r mut Reply<'o>,
    header: crate::resp::Deferred,
    pairs: usize,
}

impl<'r, 'o> StatsMap<'r, 'o> {
    fn begin(reply: &'r mut Reply<'o>) -> Self {
        let header = reply.begin();
        StatsMap { reply, header, pairs: 0 }
    }

    fn name(&mut self, name: &str) {
        self.reply.bulk(name.as_bytes());
        self.pairs += 1;
    }

    fn integer(&mut self, name: &str, value: i64) {
        self.name(name);
        self.reply.integer(value);
    }

    fn integers(&mut self, pairs: &[(&str, u64)]) {
        pairs.iter().for_each(|&(name, value)| self.integer(name, value as i64));
    }

    fn double(&mut self, name: &str, value: f64) {
        self.name(name);
        self.reply.double(value);
    }

    /// `NAME.ratio` and `NAME.bytes` of what is held over what is needed.
    fn ratio(&mut self, name: &str, held: u64, needed: u64) {
        self.double(&format!("{name}.ratio"), ratio(held, needed));
        self.integer(&format!("{name}.bytes"), difference(held, needed));
    }

    fn end(self) {
        self.reply.end_map(self.header, self.pairs);
    }
}

/// `part` of `whole` in percent; 0 of nothing.
pub fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 * 100.0 / whole as f64 }
}

/// How many times `needed` is held; 0 when nothing is needed.
pub fn ratio(held: u64, needed: u64) -> f64 {
    if needed == 0 { 0.0 } else { held as f64 / needed as f64 }
}

/// What is held beyond what is needed; may be negative.
pub fn difference(held: u64, needed: u64) -> i64 {
    held as i64 - needed as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn the_doctor_names_what_is_out_of_proportion_and_nothing_else() {
        let memory = MemoryUse { entries: 100 * MIB, ..MemoryUse::default() };
        let words = |memory, peak, resident, clients| {
            let report = diagnose(memory, peak, resident, clients);
            ["too little", "nothing is wrong", "Peak:", "Resident memory:", "Clients:"]
                .map(|word| report.contains(word))
        };
        assert_eq!(words(MemoryUse::default(), 0, MIB, 1), [true, false, false, false, false]);
        assert_eq!(words(memory, 100 * MIB, 110 * MIB, 1), [false, true, false, false, false]);
        assert_eq!(words(memory, 200 * MIB, 110 * MIB, 1), [false, false, true, false, false]);
        assert_eq!(words(memory, 100 * MIB, 160 * MIB, 1), [false, false, false, true, false]);
        let with_clients = MemoryUse { clients: MIB, ..memory };
        assert_eq!(words(with_clients, 100 * MIB, 110 * MIB, 5), [false, false, false, false, true]);
        assert_eq!(words(with_clients, 100 * MIB, 110 * MIB, 6), [false, true, false, false, false]);
    }
}
