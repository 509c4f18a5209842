//! Which of a call's arguments are keys, by the rules of the command's key specs.
//!
//! The lock set of a command comes from here, so a spec that misses a key would let a handler touch a shard that it does
//! not hold; the lock refuses that with a panic, and the table's tests and the command tests look for it.

use super::spec::{Begin, Command, Find, KeySpec, Locks};
use super::table::Row;
use crate::resp::Argv;
use crate::store::{Keyspace, ShardId, ShardSet};
use crate::util::number::parse_i64;

/// A key argument: its position and the flags of the spec that named it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyArgument {
    /// Index into the arguments, the command's name being 0.
    pub position: usize,
    /// `key_flags`.
    pub flags: u16,
}

/// Calls `visit` for each key argument in the order of the specs. False: the arguments do not fit a spec (a bad key count).
pub fn for_each(command: &Command, argv: Argv<'_>, mut visit: impl FnMut(KeyArgument)) -> bool {
    let mut fits = true;
    for spec in command.keys {
        fits &= visit_spec(spec, argv, &mut visit);
    }
    fits
}

fn visit_spec(spec: &KeySpec, argv: Argv<'_>, visit: &mut impl FnMut(KeyArgument)) -> bool {
    let Some(begin) = begin_of(spec, argv) else { return true };
    let (first, last, step) = match spec.find {
        Find::Unknown => return true,
        Find::Range { last, step, limit } => {
            let last = if last >= 0 {
                begin + last as usize
            } else {
                let end = argv.len().saturating_sub(last.unsigned_abs());
                if limit > 1 { begin + (end + 1).saturating_sub(begin) / limit - 1 } else { end }
            };
            (begin, last, step)
        }
        Find::KeyCount { number, first, step } => {
            let count = argv.try_get(begin + number).and_then(parse_i64);
            let Some(count) = count.filter(|&count| count > 0) else { return false };
            let Ok(count) = usize::try_from(count) else { return false };
            let first = begin + first;
            if count > argv.len() {
                return false;
            }
            (first, first + (count - 1) * step, step)
        }
    };
    if first >= argv.len() {
        return false;
    }
    for position in (first..=last.min(argv.len() - 1)).step_by(step.max(1)) {
        visit(KeyArgument { position, flags: spec.flags });
    }
    last < argv.len()
}

fn begin_of(spec: &KeySpec, argv: Argv<'_>) -> Option<usize> {
    match spec.begin {
        Begin::Index(position) => Some(position),
        Begin::Unknown => None,
        Begin::Keyword(word, from) => {
            let is_word = |&at: &usize| argv.get(at).eq_ignore_ascii_case(word.as_bytes());
            let at = if from >= 0 {
                (from as usize..argv.len()).find(is_word)
            } else {
                let start = argv.len().saturating_sub(from.unsigned_abs());
                (1..=start.min(argv.len().saturating_sub(1))).rev().find(is_word)
            };
            at.map(|at| at + 1)
        }
    }
}

/// The shards that a call must hold.
#[inline]
pub fn lock_set(row: &Row, argv: Argv<'_>, first_hash: Option<u64>, keyspace: &Keyspace) -> ShardSet {
    if let (Some(_), Some(hash)) = (row.only_key, first_hash) {
        return ShardSet::one(ShardId::of(hash));
    }
    if row.command.locks == Locks::AllShards {
        return ShardSet::ALL;
    }
    let mut set = ShardSet::EMPTY;
    for_each(row.command, argv, |key| {
        let hash = keyspace.hasher().hash_of(argv.get(key.position));
        set = set.with(ShardId::of(hash));
    });
    set
}
