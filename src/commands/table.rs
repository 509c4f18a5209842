//! The command table: every family's rows joined, numbered, and found by name.
//!
//! * Nothing else lists command names. A row's [`Row::id`] indexes the per-thread command statistics.
//! * Lookup ignores case and costs one multiplication and, nearly always, one comparison.

use std::sync::OnceLock;

use super::spec::{Begin, Command, Find, Locks, flags};
use super::{
    bitmaps, client, config, connection, counters, expire, introspect, keys, memory, ranges, scan, server,
    strings,
};

/// The families, in the order of the documentation.
const FAMILIES: &[&[Command]] = &[
    strings::COMMANDS,
    counters::COMMANDS,
    ranges::COMMANDS,
    bitmaps::COMMANDS,
    keys::COMMANDS,
    expire::COMMANDS,
    scan::COMMANDS,
    connection::COMMANDS,
    client::COMMANDS,
    config::COMMANDS,
    introspect::COMMANDS,
    memory::COMMANDS,
    server::COMMANDS,
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
    /// Does the name describe a write?
    pub is_write: bool,
}

impl Row {
    /// The full name: `get`, `config|get`.
    pub fn name(&self) -> &str {
        &self.full_name
    }
}

/// The joined table.
pub struct Table {
    rows: Vec<Row>,
    /// Top-level rows by folded name: open addressing, a power of two of slots, at most a quarter full.
    slots: Vec<u16>,
}

const EMPTY: u16 = u16::MAX;

/// The table, built at its first use.
pub fn table() -> &'static Table {
    static TABLE: OnceLock<Table> = OnceLock::new();
    TABLE.get_or_init(Table::build)
}

impl Table {
    fn build() -> Self {
        let mut table = Table { rows: Vec::new(), slots: Vec::new() };
        for command in FAMILIES.iter().copied().flatten() {
            table.add(command, None);
        }
        let top: Vec<usize> =
            table.rows.iter().filter(|row| row.parent.is_none()).map(|row| row.id).collect();
        table.slots = vec![EMPTY; (top.len() * 4).next_power_of_two()];
        for id in top {
            let mut slot = table.slot_of(table.rows[id].command.name.as_bytes());
            while table.slots[slot] != EMPTY {
                slot = (slot + 1) & (table.slots.len() - 1);
            }
            table.slots[slot] = id as u16;
        }
        table
    }

    fn add(&mut self, command: &'static Command, parent: Option<usize>) -> usize {
        let id = self.rows.len();
        let full_name = match parent {
            Some(parent) => format!("{}|{}", self.rows[parent].full_name, command.name),
            None => command.name.to_owned(),
        };
        let is_write = command.has(flags::WRITE);
        let only_key = only_key(command);
        self.rows.push(Row { id, command, parent, subcommands: Vec::new(), full_name, only_key, is_write });
        for subcommand in command.subcommands {
            let child = self.add(subcommand, Some(id));
            self.rows[id].subcommands.push(child);
        }
        id
    }

    #[inline]
    fn slot_of(&self, name: &[u8]) -> usize {
        // The first eight bytes and the length tell nearly all names apart; folding sets the lower-case bit.
        let mut head = [0u8; 8];
        let length = name.len().min(8);
        head[..length].copy_from_slice(&name[..length]);
        let folded = u64::from_le_bytes(head) | 0x2020_2020_2020_2020;
        let mixed = (folded ^ (name.len() as u64) << 56).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed >> 40) as usize & (self.slots.len() - 1)
    }

    /// A top-level command by name, in any case.
    #[inline]
    pub fn find(&self, name: &[u8]) -> Option<&Row> {
        let mut slot = self.slot_of(name);
        loop {
            let row = self.rows.get(usize::from(self.slots[slot]))?;
            if row.command.name.as_bytes().eq_ignore_ascii_case(name) {
                return Some(row);
            }
            slot = (slot + 1) & (self.slots.len() - 1);
        }
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

/// The only key of a command that has exactly one, at a fixed argument.
fn only_key(command: &Command) -> Option<usize> {
    match (command.keys, command.locks) {
        ([spec], Locks::Keys) => match (spec.begin, spec.find) {
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
    fn no_command_both_writes_and_only_reads() {
        for row in table().rows() {
            let both = row.command.has(flags::WRITE) && row.command.has(flags::READONLY);
            assert!(!both, "{}", row.full_name);
        }
    }

    #[test]
    fn a_write_names_a_writable_key_or_is_known_not_to() {
        use super::super::spec::key_flags::{OW, RM, RW};
        let keyless = ["flushdb", "flushall", "swapdb"];
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
    fn every_summary_is_a_sentence() {
        for row in table().rows() {
            let summary = row.command.summary;
            assert!(summary.ends_with('.') && summary.len() > 5, "{}: {summary:?}", row.full_name);
        }
    }
}
