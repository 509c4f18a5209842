//! COMMAND: what the server says about its commands, all of it read from the command table.
//!
//! * `info` writes a row as COMMAND INFO shows it, `docs` as COMMAND DOCS does; this file has the table and the rest.
//! * Rows come in the table's order. Redis gives them in the order of a hash table, so no client relies on one.

mod docs;
mod info;

use super::call::{Call, Words, is};
use super::error::CommandError;
use super::help::help_row;
use super::keyspecs::{self, KeyArgument};
use super::spec::flags::*;
use super::spec::key_flags::{self, *};
use super::spec::{Arg, Command, CommandResult, category};
use super::table::{Row, table};
use crate::resp::Argv;
use crate::util::glob::{self, Case};

const SERVER: Command =
    Command { group: "server", flags: LOADING | STALE, categories: category::CONNECTION, ..Command::NONE };

/// The family.
pub const COMMANDS: &[Command] = &[Command {
    name: "command",
    since: "2.8.13",
    complexity: "O(N) where N is the total number of commands.",
    arity: -1,
    handler: command,
    summary: "Describes all commands.",
    tips: &["nondeterministic_output_order"],
    subcommands: SUBCOMMANDS,
    ..SERVER
}];

const SUBCOMMANDS: &[Command] = &[
    Command {
        name: "count",
        since: "2.8.13",
        arity: 2,
        handler: count,
        summary: "Returns how many commands the server has, subcommands not counted.",
        ..SERVER
    },
    Command {
        name: "docs",
        since: "7.0.0",
        complexity: "O(N) where N is the number of commands asked for.",
        arity: -2,
        handler: docs,
        summary: "Returns the documentation of the named commands, or of all.",
        tips: &["nondeterministic_output_order"],
        args: &[Arg::string("command-name").optional().multiple()],
        ..SERVER
    },
    Command {
        name: "getkeys",
        since: "2.8.13",
        complexity: "O(N) where N is the number of arguments of the command.",
        arity: -3,
        handler: getkeys,
        summary: "Returns the arguments of a whole command that are keys.",
        args: &[Arg::string("command"), Arg::string("arg").optional().multiple()],
        ..SERVER
    },
    Command {
        name: "getkeysandflags",
        since: "7.0.0",
        complexity: "O(N) where N is the number of arguments of the command.",
        arity: -3,
        handler: getkeysandflags,
        summary: "Returns the arguments of a whole command that are keys, and how it uses each.",
        args: &[Arg::string("command"), Arg::string("arg").optional().multiple()],
        ..SERVER
    },
    help_row("5.0.0", SERVER),
    Command {
        name: "info",
        since: "2.8.13",
        complexity: "O(N) where N is the number of commands asked for.",
        arity: -2,
        handler: info,
        summary: "Describes the named commands, or all.",
        tips: &["nondeterministic_output_order"],
        args: &[Arg::string("command-name").optional().multiple()],
        ..SERVER
    },
    Command {
        name: "list",
        since: "7.0.0",
        complexity: "O(N) where N is the total number of commands.",
        arity: -2,
        handler: list,
        summary: "Returns the names of the commands, filtered by module, ACL category or pattern.",
        tips: &["nondeterministic_output_order"],
        args: &[Arg::oneof(
            "filterby",
            &[
                Arg::string("module-name").token("MODULE"),
                Arg::string("category").token("ACLCAT"),
                Arg::pattern("pattern").token("PATTERN"),
            ],
        )
        .token("FILTERBY")
        .optional()],
        ..SERVER
    },
];

/// The rows that are not subcommands.
fn top_level() -> impl Iterator<Item = &'static Row> {
    table().rows().iter().filter(|row| row.parent.is_none())
}

/// A row by its full name, `get` or `config|get`, in any case.
fn find(full_name: &[u8]) -> Option<&'static Row> {
    match full_name.iter().position(|&byte| byte == b'|') {
        None => table().find(full_name),
        Some(bar) => table().subcommand(table().find(&full_name[..bar])?, &full_name[bar + 1..]),
    }
}

fn command(call: &mut Call<'_>) -> CommandResult {
    if let Some(word) = call.argv.try_get(1) {
        return Err(CommandError::unknown_subcommand(call.command.name(), word));
    }
    call.reply.array(top_level().count());
    top_level().for_each(|row| info::write(&mut call.reply, row));
    Ok(())
}

fn count(call: &mut Call<'_>) -> CommandResult {
    call.reply.integer(top_level().count() as i64);
    Ok(())
}

fn info(call: &mut Call<'_>) -> CommandResult {
    let names = call.argv.skip(2);
    if names.is_empty() {
        call.reply.array(top_level().count());
        top_level().for_each(|row| info::write(&mut call.reply, row));
        return Ok(());
    }
    call.reply.array(names.len());
    for name in names.iter() {
        match find(name) {
            Some(row) => info::write(&mut call.reply, row),
            None => call.reply.null(),
        }
    }
    Ok(())
}

fn docs(call: &mut Call<'_>) -> CommandResult {
    let names = call.argv.skip(2);
    let rows: Vec<&Row> = match names.is_empty() {
        true => top_level().collect(),
        false => names.iter().filter_map(find).collect(),
    };
    call.reply.map(rows.len());
    rows.into_iter().for_each(|row| docs::write(&mut call.reply, row));
    Ok(())
}

/// What COMMAND LIST keeps.
enum Filter<'a> {
    All,
    /// There are no modules, so nothing is a module's.
    Module,
    Category(u32),
    Pattern(&'a [u8]),
}

impl Filter<'_> {
    fn keeps(&self, row: &Row) -> bool {
        match self {
            Filter::All => true,
            Filter::Module => false,
            Filter::Category(category) => row.command.all_categories() & category != 0,
            Filter::Pattern(pattern) => glob::matches(pattern, row.name().as_bytes(), Case::Insensitive),
        }
    }
}

fn list(call: &mut Call<'_>) -> CommandResult {
    let filter = filter(call.words(2))?;
    let names = call.reply.begin();
    let mut length = 0;
    for row in table().rows().iter().filter(|row| filter.keeps(row)) {
        call.reply.bulk(row.name().as_bytes());
        length += 1;
    }
    call.reply.end_array(names, length);
    Ok(())
}

fn filter(mut words: Words<'_>) -> Result<Filter<'_>, CommandError> {
    let Some(word) = words.next() else { return Ok(Filter::All) };
    if !is(word, "filterby") || words.left() != 2 {
        return Err(CommandError::SYNTAX);
    }
    let (kind, value) = (words.value()?, words.value()?);
    if is(kind, "module") {
        Ok(Filter::Module)
    } else if is(kind, "aclcat") {
        let bit = category::NAMES.iter().position(|name| is(value, name));
        Ok(Filter::Category(bit.map_or(0, |bit| 1 << bit)))
    } else if is(kind, "pattern") {
        Ok(Filter::Pattern(value))
    } else {
        Err(CommandError::SYNTAX)
    }
}

fn getkeys(call: &mut Call<'_>) -> CommandResult {
    let (argv, keys) = keys_of(call.argv.skip(2))?;
    call.reply.array(keys.len());
    for key in keys {
        call.reply.bulk(argv.get(key.position));
    }
    Ok(())
}

fn getkeysandflags(call: &mut Call<'_>) -> CommandResult {
    let (argv, keys) = keys_of(call.argv.skip(2))?;
    call.reply.array(keys.len());
    for key in keys {
        call.reply.array(2);
        call.reply.bulk(argv.get(key.position));
        info::write_flag_names(&mut call.reply, key_flag_names(key.flags));
    }
    Ok(())
}

fn key_flag_names(flags: u16) -> impl Iterator<Item = &'static str> + Clone {
    key_flags::NAMES.iter().enumerate().filter(move |(bit, _)| flags & 1 << bit != 0).map(|(_, name)| *name)
}

/// The keys of a whole command, with the flags that these arguments give them.
fn keys_of(argv: Argv<'_>) -> Result<(Argv<'_>, Vec<KeyArgument>), CommandError> {
    let row = row_of(argv).ok_or(CommandError::INVALID_COMMAND_SPECIFIED)?;
    if !row.command.keys.iter().any(|spec| spec.flags & NOT_KEY == 0) {
        return Err(CommandError::NO_KEY_ARGUMENTS);
    }
    if !row.command.accepts(argv.len()) {
        return Err(CommandError::INVALID_ARGUMENTS);
    }
    let mut keys = Vec::new();
    let fits = keyspecs::for_each(row.command, argv, |key| {
        if key.flags & NOT_KEY == 0 {
            keys.push(KeyArgument { flags: flags_in(row, argv, key.flags), ..key });
        }
    });
    if fits && !keys.is_empty() {
        return Ok((argv, keys));
    }
    match row.command.has(NO_MANDATORY_KEYS) {
        true => Ok((argv, Vec::new())),
        false => Err(CommandError::INVALID_KEY_ARGUMENTS),
    }
}

/// The row that would be called; none for a subcommand that does not exist.
fn row_of(argv: Argv<'_>) -> Option<&'static Row> {
    let row = table().find(argv.try_get(0)?)?;
    match argv.try_get(1) {
        Some(word) if !row.subcommands.is_empty() => table().subcommand(row, word),
        _ => Some(row),
    }
}

/// The flags of a key whose spec says that they depend on the arguments: SET reads the old value only with GET, BITFIELD
/// writes only with SET or INCRBY.
fn flags_in(row: &Row, argv: Argv<'_>, flags: u16) -> u16 {
    let reads = match row.name() {
        "set" => argv.skip(3).iter().any(|word| is(word, "get")),
        "bitfield" => match bitfield_writes(argv) {
            true => true,
            false => return RO | ACCESS,
        },
        _ => return flags,
    };
    if reads { RW | ACCESS | UPDATE } else { OW | UPDATE }
}

fn bitfield_writes(argv: Argv<'_>) -> bool {
    let mut at = 2;
    while let Some(word) = argv.try_get(at) {
        let is_write = is(word, "set") || is(word, "incrby");
        if is_write && at + 3 < argv.len() {
            return true;
        }
        at += if is(word, "get") { 3 } else { 1 + usize::from(is(word, "overflow")) };
    }
    false
}
