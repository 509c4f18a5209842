//! A row as COMMAND INFO shows it: ten elements, of which the last is the subcommands in the same form.

use super::super::keyspecs::key_range;
use super::super::spec::{Begin, Find, KeySpec, category, flags};
use super::super::table::{Row, table};
use super::key_flag_names;
use crate::resp::Reply;

/// Writes the array of a command.
pub fn write(reply: &mut Reply<'_>, row: &Row) {
    let command = row.command;
    let range = key_range(command);
    let shown = command.flags | if range.is_incomplete { flags::MOVABLE_KEYS } else { 0 };
    reply.array(10);
    reply.bulk(row.name().as_bytes());
    reply.integer(i64::from(command.arity));
    write_flag_names(reply, flags::NAMES.iter().filter(|(flag, _)| shown & flag != 0).map(|(_, name)| *name));
    reply.integer(range.first as i64);
    reply.integer(range.last as i64);
    reply.integer(range.step as i64);
    write_categories(reply, command.all_categories());
    reply.set(command.tips.len());
    command.tips.iter().for_each(|tip| reply.bulk(tip.as_bytes()));
    reply.set(command.keys.len());
    command.keys.iter().for_each(|spec| write_key_spec(reply, spec));
    // An empty collection is a set here and a full one an array: so Redis writes it.
    if row.subcommands.is_empty() {
        return reply.set(0);
    }
    reply.array(row.subcommands.len());
    for subcommand in row.subcommands.iter().filter_map(|&id| table().row(id)) {
        write(reply, subcommand);
    }
}

/// Writes a set of statuses.
pub fn write_flag_names<'a>(reply: &mut Reply<'_>, names: impl Iterator<Item = &'a str> + Clone) {
    reply.set(names.clone().count());
    names.for_each(|name| reply.simple(name));
}

fn write_categories(reply: &mut Reply<'_>, categories: u32) {
    let has = |bit: &usize| categories & 1 << bit != 0;
    reply.set(categories.count_ones() as usize);
    for bit in (0..category::NAMES.len()).filter(has) {
        reply.simple(&format!("@{}", category::NAMES[bit]));
    }
}

fn write_key_spec(reply: &mut Reply<'_>, spec: &KeySpec) {
    reply.map(if spec.notes.is_empty() { 3 } else { 4 });
    if !spec.notes.is_empty() {
        reply.bulk(b"notes");
        reply.bulk(spec.notes.as_bytes());
    }
    reply.bulk(b"flags");
    write_flag_names(reply, key_flag_names(spec.flags));
    reply.bulk(b"begin_search");
    match spec.begin {
        Begin::Index(position) => write_part(reply, "index", &[("index", position as i64)]),
        Begin::Unknown => write_part(reply, "unknown", &[]),
        Begin::Keyword(word, from) => {
            begin_part(reply, "keyword", 2);
            reply.bulk(b"keyword");
            reply.bulk(word.as_bytes());
            reply.bulk(b"startfrom");
            reply.integer(from as i64);
        }
    }
    reply.bulk(b"find_keys");
    match spec.find {
        Find::Range { last, step, limit } => {
            let parts = [("lastkey", last as i64), ("keystep", step as i64), ("limit", limit as i64)];
            write_part(reply, "range", &parts);
        }
        Find::KeyCount { number, first, step } => {
            let parts = [("keynumidx", number as i64), ("firstkey", first as i64), ("keystep", step as i64)];
            write_part(reply, "keynum", &parts);
        }
        Find::Unknown | Find::Found(_) => write_part(reply, "unknown", &[]),
    }
}

/// Writes a `type` and its `spec` of integers.
fn write_part(reply: &mut Reply<'_>, kind: &str, parts: &[(&str, i64)]) {
    begin_part(reply, kind, parts.len());
    for (name, value) in parts {
        reply.bulk(name.as_bytes());
        reply.integer(*value);
    }
}

/// Writes a `type` and begins its `spec`.
fn begin_part(reply: &mut Reply<'_>, kind: &str, pairs: usize) {
    reply.map(2);
    reply.bulk(b"type");
    reply.bulk(kind.as_bytes());
    reply.bulk(b"spec");
    reply.map(pairs);
}
