//! The command table: every family's rows joined, numbered, and found by name.
//!
//! * Nothing else lists command names. A row's [`Row::id`] indexes the per-thread command statistics.
//! * Lookup ignores case and costs one multiplication and, nearly always, one comparison.

use std::sync::OnceLock;

use super::spec::key_flags::NOT_KEY;
use super::spec::{Begin, Command, Find, Locks, flags};
use super::{
    bitmaps, client, config, connection, counters, debug, dump, expire, functions, geo, hash_expiry, hashes,
    hyperloglog, info, introspect, keys, list_moves, list_pops, lists, lolwut, memory, migrate, pubsub,
    ranges, scan, scripting, server, set_algebra, sets, snapshot, sort, stream_claims, stream_groups,
    stream_info, stream_reading, streams, strings, zsets,
};
use crate::resp::Argv;
use crate::store::table::Depth;

/// The families, in the order of the documentation.
const FAMILIES: &[&[Command]] = &[
    strings::COMMANDS,
    counters::COMMANDS,
    ranges::COMMANDS,
    bitmaps::COMMANDS,
    zsets::COMMANDS,
    zsets::ranges::COMMANDS,
    zsets::removing::COMMANDS,
    zsets::popping::COMMANDS,
    zsets::combining::COMMANDS,
    zsets::sampling::COMMANDS,
    geo::COMMANDS,
    geo::search::COMMANDS,
    lists::COMMANDS,
    list_pops::COMMANDS,
    list_moves::COMMANDS,
    sort::COMMANDS,
    sets::COMMANDS,
    set_algebra::COMMANDS,
    hashes::COMMANDS,
    hash_expiry::COMMANDS,
    hyperloglog::COMMANDS,
    streams::COMMANDS,
    stream_reading::COMMANDS,
    stream_groups::COMMANDS,
    stream_claims::COMMANDS,
    stream_info::COMMANDS,
    keys::COMMANDS,
    expire::COMMANDS,
    dump::COMMANDS,
    migrate::COMMANDS,
    scan::COMMANDS,
    super::transactions::COMMANDS,
    super::wait::COMMANDS,
    connection::COMMANDS,
    client::COMMANDS,
    pubsub::COMMANDS,
    config::COMMANDS,
    introspect::COMMANDS,
    info::COMMANDS,
    memory::COMMANDS,
    server::COMMANDS,
    snapshot::COMMANDS,
    debug::COMMANDS,
    lolwut::COMMANDS,
    scripting::COMMANDS,
    functions::COMMANDS,
];

/// A command with what the server derives from its row once.
pub struct Row {
    /// Its number; index of its statistics.
    pub id: usize,
    /// The declaration.
    pub command: &'static Command,
    /// Its container's row, for a subcommand.
    pub parent: Option<usize>,
    /// Rows of its subcommands.
    pub subcommands: Vec<usize>,
    /// `get`, `config|get`.
    pub full_name: String,
    /// The argument that is its only key, when it has exactly one at a fixed place.
    pub only_key: Option<usize>,
    /// How far a lookup of its keys usually goes.
    pub depth: Depth,
    /// Does the name describe a write?
    pub is_write: bool,
    /// Do clients call it by another name than the declared one? (`rename-command`)
    pub is_renamed: bool,
}

impl Row {
    /// The full name: `get`, `config|get`.
    pub fn name(&self) -> &str {
        &self.full_name
    }

    /// The name that the log knows a command by: of a subcommand, its container's.
    pub fn declared_name(&self) -> &[u8] {
        self.full_name.split('|').next().unwrap_or_default().as_bytes()
    }

    /// The words of a call as the log has them, with the names of the table, so that it can be read back after
    /// `rename-command` has changed.
    #[cold]
    pub fn logged_words<'a>(&'a self, argv: Argv<'a>) -> Vec<&'a [u8]> {
        std::iter::once(self.declared_name()).chain(argv.iter().skip(1)).collect()
    }
}

/// The joined table.
pub struct Table {
    rows: Vec<Row>,
    /// What clients call commands.
    called: Names,
    /// What the table and the log call them; absent when both are the same.
    declared: Option<Names>,
}

static TABLE: OnceLock<Table> = OnceLock::new();

/// The table, built at its first use.
pub fn table() -> &'static Table {
    TABLE.get_or_init(|| {
        Table::build(&[]).unwrap_or_else(|refusal| unreachable!("nothing is renamed: {refusal}"))
    })
}

/// `rename-command`: builds the table with other names for some commands, or without them where the new name is empty.
/// Must come before the first use of [`table`]. The error is the reason, in Redis's words.
pub fn rename_commands(renames: &[(String, String)]) -> Result<(), String> {
    let built = Table::build(renames)?;
    assert!(TABLE.set(built).is_ok(), "commands are renamed before anybody looks one up");
    Ok(())
}

impl Table {
    fn build(renames: &[(String, String)]) -> Result<Self, String> {
        let mut rows = Vec::new();
        for command in FAMILIES.iter().copied().flatten() {
            add(&mut rows, command, None);
        }
        let top = rows.iter().filter(|row| row.parent.is_none());
        let mut names: Vec<(String, usize)> = top.map(|row| (row.full_name.clone(), row.id)).collect();
        let declared = Names::new(&names);
        for (old, new) in renames {
            let (old, new) = (old.to_ascii_lowercase(), new.to_ascii_lowercase());
            let at =
                names.iter().position(|(name, _)| *name == old).ok_or("No such command in rename-command")?;
            let (_, id) = names.remove(at);
            rows[id].is_renamed = true;
            rows[id].subcommands.clone().into_iter().for_each(|child| rows[child].is_renamed = true);
            if new.is_empty() {
                continue;
            }
            if names.iter().any(|(name, _)| *name == new) {
                return Err("Target command name already exists".to_owned());
            }
            names.push((new, id));
        }
        let (called, declared) = match renames {
            [] => (declared, None),
            _ => (Names::new(&names), Some(declared)),
        };
        Ok(Table { rows, called, declared })
    }

    /// A top-level command by the name that clients call it, in any case.
    #[inline]
    pub fn find(&self, name: &[u8]) -> Option<&Row> {
        self.called.find(name).and_then(|id| self.rows.get(id))
    }

    /// A top-level command by its declared name, in any case.
    #[inline]
    pub fn declared(&self, name: &[u8]) -> Option<&Row> {
        self.declared.as_ref().unwrap_or(&self.called).find(name).and_then(|id| self.rows.get(id))
    }

    /// A subcommand of `row`, in any case.
    pub fn subcommand(&self, row: &Row, name: &[u8]) -> Option<&Row> {
        let children = row.subcommands.iter().map(|&id| &self.rows[id]);
        children.into_iter().find(|child| child.command.name.as_bytes().eq_ignore_ascii_case(name))
    }

    /// A row by its number.
    pub fn row(&self, id: usize) -> Option<&Row> {
        self.rows.get(id)
    }

    /// All rows, subcommands after their containers.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }
}

fn add(rows: &mut Vec<Row>, command: &'static Command, parent: Option<usize>) -> usize {
    let id = rows.len();
    let full_name = match parent {
        Some(parent) => format!("{}|{}", rows[parent].full_name, command.name),
        None => command.name.to_owned(),
    };
    let (is_write, only_key) = (command.has(flags::WRITE), only_key(command));
    let subcommands = Vec::new();
    let depth = match command.group {
        "string" | "bitmap" | "hyperloglog" | "generic" => Depth::Entry,
        "stream" => Depth::Tail,
        _ => Depth::Elements,
    };
    rows.push(Row {
        id,
        command,
        parent,
        subcommands,
        full_name,
        only_key,
        depth,
        is_write,
        is_renamed: false,
    });
    for subcommand in command.subcommands {
        let child = add(rows, subcommand, Some(id));
        rows[id].subcommands.push(child);
    }
    id
}

/// Names of top-level commands, to find their rows by.
struct Names {
    /// By hash: open addressing, a power of two of slots, at most a quarter full.
    slots: Vec<u16>,
    names: Vec<Name>,
}

const EMPTY: u16 = u16::MAX;

/// The name of a row, in lower case.
struct Name {
    text: Box<[u8]>,
    /// The text, [`folded`].
    folded: u64,
    /// Does nothing else of its length fold like it, but itself in other case? Two bytes that fold to a letter are that letter.
    is_plain: bool,
    row: u16,
}

impl Name {
    fn new(text: &str, row: usize) -> Self {
        let text: Box<[u8]> = text.as_bytes().into();
        let is_plain = text.len() <= 8 && text.iter().all(u8::is_ascii_lowercase);
        Name { folded: folded(&text), text, is_plain, row: row as u16 }
    }
}

/// The first eight bytes of a name in lower case, so far as they are letters: bit 5 is set in each.
#[inline]
fn folded(name: &[u8]) -> u64 {
    let head = if let Some(head) = name.first_chunk() {
        u64::from_le_bytes(*head)
    } else if let (Some(head), Some(tail)) = (name.first_chunk(), name.last_chunk()) {
        // They overlap, which with its length tells as much.
        u64::from(u32::from_le_bytes(*head)) | u64::from(u32::from_le_bytes(*tail)) << 32
    } else {
        let byte = |at| name.get(at).map_or(0, |&byte| u64::from(byte));
        byte(0) | byte(1) << 8 | byte(2) << 16
    };
    head | 0x2020_2020_2020_2020
}

impl Names {
    fn new(names: &[(String, usize)]) -> Self {
        let mut built =
            Names { slots: vec![EMPTY; (names.len() * 4).next_power_of_two()], names: Vec::new() };
        for (text, row) in names {
            let name = Name::new(text, *row);
            let mut slot = built.slot_of(name.folded, text.len());
            while built.slots[slot] != EMPTY {
                slot = (slot + 1) & (built.slots.len() - 1);
            }
            built.slots[slot] = built.names.len() as u16;
            built.names.push(name);
        }
        built
    }

    /// The first eight bytes and the length tell nearly all names apart.
    #[inline]
    fn slot_of(&self, folded: u64, len: usize) -> usize {
        let mixed = (folded ^ (len as u64) << 56).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed >> 40) as usize & (self.slots.len() - 1)
    }

    #[inline]
    fn find(&self, name: &[u8]) -> Option<usize> {
        let folded = folded(name);
        let slot = self.slot_of(folded, name.len());
        let known = self.names.get(usize::from(self.slots[slot]))?;
        if known.is_plain && known.folded == folded && known.text.len() == name.len() {
            return Some(usize::from(known.row));
        }
        self.find_from(slot, name)
    }

    /// Looks in one slot after the other, and at all bytes.
    #[inline(never)]
    fn find_from(&self, mut slot: usize, name: &[u8]) -> Option<usize> {
        loop {
            let known = self.names.get(usize::from(self.slots[slot]))?;
            if known.text.eq_ignore_ascii_case(name) {
                return Some(usize::from(known.row));
            }
            slot = (slot + 1) & (self.slots.len() - 1);
        }
    }
}

/// The only key of a command that has exactly one, at a fixed argument.
fn only_key(command: &Command) -> Option<usize> {
    match (command.keys, command.locks) {
        ([spec], Locks::Keys) if spec.flags & NOT_KEY == 0 => match (spec.begin, spec.find) {
            (Begin::Index(position), Find::Range { last: 0, .. }) => Some(position),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_unique_and_lower_case() {
        let mut seen = HashSet::new();
        for row in table().rows() {
            assert_eq!(row.full_name, row.full_name.to_lowercase());
            assert!(seen.insert(row.full_name.clone()), "{} is declared twice", row.full_name);
        }
    }

    #[test]
    fn every_name_is_found_in_any_case() {
        for row in table().rows().iter().filter(|row| row.parent.is_none()) {
            let found = table().find(row.command.name.to_uppercase().as_bytes());
            assert_eq!(found.map(|found| found.id), Some(row.id), "{}", row.full_name);
        }
        assert!(table().find(b"nonesuch").is_none());
        assert!(table().find(b"").is_none());
    }

    #[test]
    fn what_is_no_name_in_any_case_is_not_found() {
        // Each name with one byte changed, whatever the change is.
        for row in table().rows().iter().filter(|row| row.parent.is_none()) {
            let name = row.command.name.as_bytes();
            for (at, byte) in (0..name.len()).flat_map(|at| (0..=u8::MAX).map(move |byte| (at, byte))) {
                let mut other = name.to_vec();
                other[at] = byte;
                let found = table().find(&other).map(|found| found.command.name.as_bytes());
                let is_right = |found: &[u8]| found.eq_ignore_ascii_case(&other);
                assert!(found.is_none_or(is_right), "{:?}", other.escape_ascii().to_string());
            }
        }
    }

    #[test]
    fn renamed_commands_have_only_their_new_name_for_clients_and_the_old_one_for_the_log() {
        let pair = |old: &str, new: &str| (old.to_owned(), new.to_owned());
        let table = Table::build(&[pair("GET", "Fetch"), pair("set", ""), pair("echo", "get")]).unwrap();
        let name = |row: Option<&Row>| row.map(|row| row.full_name.clone());
        assert_eq!(name(table.find(b"FETCH")), Some("get".to_owned()));
        assert_eq!(name(table.find(b"get")), Some("echo".to_owned()));
        assert_eq!(name(table.find(b"set")), None);
        assert_eq!(name(table.find(b"echo")), None);
        assert_eq!(name(table.declared(b"SET")), Some("set".to_owned()));
        assert_eq!(name(table.declared(b"get")), Some("get".to_owned()));
        assert_eq!(name(table.declared(b"fetch")), None);
        assert!(table.find(b"ping").is_some_and(|row| !row.is_renamed));
    }

    #[test]
    fn a_rename_of_nothing_or_onto_another_command_is_refused() {
        let refusal = |old: &str, new: &str| Table::build(&[(old.to_owned(), new.to_owned())]).err();
        assert_eq!(refusal("nonesuch", "x").as_deref(), Some("No such command in rename-command"));
        assert_eq!(refusal("get", "set").as_deref(), Some("Target command name already exists"));
        assert_eq!(refusal("get", "GET"), None);
    }

    #[test]
    fn no_command_both_writes_and_only_reads() {
        for row in table().rows() {
            let both = row.command.has(flags::WRITE) && row.command.has(flags::READONLY);
            assert!(!both, "{}", row.full_name);
        }
    }

    #[test]
    fn a_write_names_a_writable_key_or_is_known_not_to() {
        use super::super::spec::key_flags::{OW, RM, RW};
        let keyless = [
            "flushdb",
            "flushall",
            "swapdb",
            // To Redis, reading by a group only reads the stream.
            "xreadgroup",
            "function|delete",
            "function|flush",
            "function|load",
            "function|restore",
        ];
        for row in table().rows().iter().filter(|row| row.is_write) {
            let writable = row.command.keys.iter().any(|spec| spec.flags & (RW | OW | RM) != 0);
            assert!(writable || keyless.contains(&row.name()), "{}", row.full_name);
        }
    }

    #[test]
    fn key_positions_fit_the_arity() {
        for row in table().rows() {
            let words = row.command.arity.unsigned_abs() as usize;
            if let Some(key) = row.only_key {
                assert!(key < words, "{}", row.full_name);
            }
        }
    }

    #[test]
    fn a_deprecated_command_says_what_replaces_it() {
        for row in table().rows() {
            let command = row.command;
            assert_eq!(
                command.deprecated_since.is_empty(),
                command.replaced_by.is_empty(),
                "{}",
                row.full_name
            );
        }
    }

    #[test]
    fn every_summary_is_a_sentence() {
        for row in table().rows() {
            let summary = row.command.summary;
            assert!(summary.ends_with('.') && summary.len() > 5, "{}: {summary:?}", row.full_name);
        }
    }
}
