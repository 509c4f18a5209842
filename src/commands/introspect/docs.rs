//! A row as COMMAND DOCS shows it: a map under the command's name. The history of options is left out.

use super::super::spec::{Arg, ArgKind};
use super::super::table::{Row, table};
use super::info::write_flag_names;
use crate::resp::Reply;

/// Writes the name of a command and the map that documents it.
pub fn write(reply: &mut Reply<'_>, row: &Row) {
    let command = row.command;
    reply.bulk(row.name().as_bytes());
    let map = reply.begin();
    let mut pairs = 0;
    let texts = [
        ("summary", command.summary),
        ("since", command.since),
        ("group", command.group),
        ("complexity", command.complexity),
    ];
    pairs += write_texts(reply, &texts);
    let is_deprecated = !command.deprecated_since.is_empty();
    if is_deprecated || command.is_internal {
        let words = [(is_deprecated, "deprecated"), (command.is_internal, "syscmd")];
        reply.bulk(b"doc_flags");
        write_flag_names(reply, words.iter().filter(|(on, _)| *on).map(|(_, word)| *word));
        pairs += 1;
    }
    pairs += write_texts(
        reply,
        &[("deprecated_since", command.deprecated_since), ("replaced_by", command.replaced_by)],
    );
    if !command.args.is_empty() {
        write_args(reply, command.args);
        pairs += 1;
    }
    if !row.subcommands.is_empty() {
        reply.bulk(b"subcommands");
        reply.map(row.subcommands.len());
        row.subcommands.iter().filter_map(|&id| table().row(id)).for_each(|row| write(reply, row));
        pairs += 1;
    }
    reply.end_map(map, pairs);
}

/// Writes the pairs whose text is not empty; returns how many.
fn write_texts(reply: &mut Reply<'_>, texts: &[(&str, &str)]) -> usize {
    let given = texts.iter().filter(|(_, text)| !text.is_empty());
    given.clone().for_each(|(name, text)| {
        reply.bulk(name.as_bytes());
        reply.bulk(text.as_bytes());
    });
    given.count()
}

fn write_args(reply: &mut Reply<'_>, args: &[Arg]) {
    reply.bulk(b"arguments");
    reply.array(args.len());
    args.iter().for_each(|arg| write_arg(reply, arg));
}

fn write_arg(reply: &mut Reply<'_>, arg: &Arg) {
    let map = reply.begin();
    let has_parts = matches!(arg.kind, ArgKind::OneOf | ArgKind::Block);
    let display_text = if has_parts { "" } else { arg.name };
    let mut pairs =
        write_texts(reply, &[("name", arg.name), ("type", arg.kind.name()), ("display_text", display_text)]);
    if arg.kind == ArgKind::Key {
        reply.bulk(b"key_spec_index");
        reply.integer(arg.key_spec_index as i64);
        pairs += 1;
    }
    pairs += write_texts(reply, &[("token", arg.token), ("since", arg.since)]);
    let flags = [
        (arg.is_optional, "optional"),
        (arg.is_multiple, "multiple"),
        (arg.is_multiple_token, "multiple_token"),
    ];
    if flags.iter().any(|(on, _)| *on) {
        reply.bulk(b"flags");
        write_flag_names(reply, flags.iter().filter(|(on, _)| *on).map(|(_, word)| *word));
        pairs += 1;
    }
    if has_parts {
        write_args(reply, arg.args);
        pairs += 1;
    }
    reply.end_map(map, pairs);
}
