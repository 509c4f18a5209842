//! Which of a call's arguments are keys, by the rules of the command's key specs.
//!
//! The lock set of a command comes from here, so a spec that misses a key would let a handler touch a shard that it does
//! not hold; the lock refuses that with a panic, and the table's tests and the command tests look for it.

use super::spec::flags::TOUCHES_ARBITRARY_KEYS;
use super::spec::key_flags::{INCOMPLETE, NOT_KEY};
use super::spec::{Begin, Command, Elsewhere, Find, KeySpec, Locks};
use super::table::Row;
use crate::resp::Argv;
use crate::store::{DbIndex, Keyspace, ShardId, ShardSet};
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

/// As [`for_each`], without what only looks like a key (shard channels).
fn for_each_real(command: &Command, argv: Argv<'_>, mut visit: impl FnMut(KeyArgument)) {
    for_each(command, argv, |key| {
        if key.flags & NOT_KEY == 0 {
            visit(key);
        }
    });
}

fn visit_spec(spec: &KeySpec, argv: Argv<'_>, visit: &mut impl FnMut(KeyArgument)) -> bool {
    if let Find::Found(find) = spec.find {
        find(argv).into_iter().for_each(|position| visit(KeyArgument { position, flags: spec.flags }));
        return true;
    }
    let Some(begin) = begin_of(spec, argv) else { return true };
    let (first, last, step) = match spec.find {
        Find::Unknown | Find::Found(_) => return true,
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

/// The shards that a call must hold. Of a command with several keys, `hashes` gets each key's hash at its position among
/// the arguments, so that nothing is hashed twice; it is empty for others, and 0 stands where there is no key.
pub fn lock_set(row: &Row, argv: Argv<'_>, keyspace: &Keyspace, hashes: &mut Vec<u64>) -> ShardSet {
    hashes.clear();
    match row.command.locks {
        Locks::AllShards => return ShardSet::ALL,
        Locks::AllShardsIf(looks_further) if looks_further(argv) => return ShardSet::ALL,
        Locks::Keys | Locks::KeysFound(_) | Locks::AllShardsIf(_) => {}
        Locks::KeysOfSubcommand(words) => return keys_of_subcommand(words, argv, keyspace),
    }
    let mut set = ShardSet::EMPTY;
    let add = |position: usize| {
        let hash = keyspace.hasher().hash_of(argv.get(position));
        set = set.with(ShardId::of(hash));
        hashes.resize(argv.len(), 0);
        hashes[position] = hash;
    };
    for_each_locked(row, argv, add);
    set
}

/// Calls `visit` for each argument that is a key for the command itself.
fn for_each_locked(row: &Row, argv: Argv<'_>, mut visit: impl FnMut(usize)) {
    match row.command.locks {
        Locks::KeysFound(find) => find(argv, &mut visit),
        _ => for_each_real(row.command, argv, |key| visit(key.position)),
    }
}

/// The shards that a call must hold inside a transaction or a script: as [`lock_set`], and all of them for a command that
/// otherwise locks shards itself (SCAN, INFO) or looks for keys that it does not name (SORT).
pub fn nested_lock_set(row: &Row, argv: Argv<'_>, keyspace: &Keyspace) -> ShardSet {
    let command = row.command;
    if let Some(key) = row.only_key.and_then(|position| argv.try_get(position))
        && !command.has(TOUCHES_ARBITRARY_KEYS)
    {
        return ShardSet::one(ShardId::of(keyspace.hasher().hash_of(key)));
    }
    let names_no_key = command.keys.is_empty() && matches!(command.locks, Locks::Keys);
    let looks_at_shards = !NEEDS_NO_SHARD.contains(&command.group) && command.name != "time";
    if command.has(TOUCHES_ARBITRARY_KEYS) || names_no_key && looks_at_shards {
        return ShardSet::ALL;
    }
    lock_set(row, argv, keyspace, &mut Vec::new())
}

/// Groups whose commands without keys look at no shard.
const NEEDS_NO_SHARD: [&str; 3] = ["connection", "transactions", "pubsub"];

/// Calls `visit` for each key that the command will look for, with the database if that is not the selected one.
pub fn for_each_looked_up(row: &Row, argv: Argv<'_>, mut visit: impl FnMut(usize, Option<DbIndex>)) {
    for_each_locked(row, argv, |position| visit(position, None));
    if let Locks::KeysOfSubcommand(words) = row.command.locks
        && names_subcommand(words, argv)
    {
        (2..argv.len()).for_each(|position| visit(position, None));
    }
    if let Some(Elsewhere { key, database }) = row.command.elsewhere
        && let Some(word) = database(argv).and_then(|at| argv.try_get(at))
        && let Some(db) = parse_i64(word).and_then(|db| u32::try_from(db).ok())
        && key < argv.len()
    {
        visit(key, Some(DbIndex(db)));
    }
}

fn keys_of_subcommand(words: &[&str], argv: Argv<'_>, keyspace: &Keyspace) -> ShardSet {
    if !names_subcommand(words, argv) {
        return ShardSet::EMPTY;
    }
    let keys = argv.iter().skip(2);
    keys.fold(ShardSet::EMPTY, |set, key| set.with(ShardId::of(keyspace.hasher().hash_of(key))))
}

fn names_subcommand(words: &[&str], argv: Argv<'_>) -> bool {
    argv.try_get(1).is_some_and(|word| words.iter().any(|known| word.eq_ignore_ascii_case(known.as_bytes())))
}

/// The key positions as clients older than key specs know them: first, last (negative: from the end) and step, all 0
/// for a command that has no keys at fixed places.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyRange {
    /// The first key's argument.
    pub first: usize,
    /// The last one's.
    pub last: isize,
    /// From one to the next.
    pub step: usize,
    /// Are there keys that the range does not tell of? `COMMAND INFO` then shows `movablekeys`.
    pub is_incomplete: bool,
}

/// The range that describes the key specs, as Redis derives it: a single range spec as it is; of several, those that
/// follow one another with step 1.
pub fn key_range(command: &Command) -> KeyRange {
    let mut all = KeyRange::default();
    let mut previous_last = None;
    for spec in command.keys {
        all.is_incomplete |= spec.flags & INCOMPLETE != 0;
        let (Begin::Index(first), Find::Range { last, step, .. }) = (spec.begin, spec.find) else {
            all.is_incomplete = true;
            continue;
        };
        let follows = previous_last.is_none_or(|previous: isize| previous + 1 == first as isize);
        if command.keys.len() > 1 && (step != 1 || !follows) {
            all.is_incomplete = true;
            continue;
        }
        let last = if last >= 0 { first as isize + last } else { last };
        all.first = if all.first == 0 { first } else { all.first.min(first) };
        // As unsigned numbers, a last key counted from the end comes after every one counted from the start.
        all.last = (all.last as usize).max(last as usize) as isize;
        all.step = step;
        previous_last = Some(all.last);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::super::spec::key_flags::RO;
    use super::*;

    fn range_of(keys: &'static [KeySpec]) -> (usize, isize, usize, bool) {
        let range = key_range(&Command { keys, ..Command::NONE });
        (range.first, range.last, range.step, range.is_incomplete)
    }

    #[test]
    fn a_single_range_is_kept_whatever_its_step() {
        assert_eq!(range_of(&[]), (0, 0, 0, false));
        assert_eq!(range_of(&[const { KeySpec::at(1, RO) }]), (1, 1, 1, false));
        assert_eq!(range_of(&[const { KeySpec::range(1, -1, 2, RO) }]), (1, -1, 2, false));
    }

    #[test]
    fn ranges_that_follow_one_another_are_joined() {
        assert_eq!(range_of(&[const { KeySpec::at(1, RO) }, const { KeySpec::at(2, RO) }]), (1, 2, 1, false));
        assert_eq!(
            range_of(&[const { KeySpec::at(2, RO) }, const { KeySpec::range(3, -1, 1, RO) }]),
            (2, -1, 1, false)
        );
        assert_eq!(range_of(&[const { KeySpec::at(1, RO) }, const { KeySpec::at(3, RO) }]), (1, 1, 1, true));
    }

    #[test]
    fn what_no_range_describes_makes_the_keys_movable() {
        assert_eq!(range_of(&[const { KeySpec::counted(1, RO) }]), (0, 0, 0, true));
        assert_eq!(
            range_of(&[const { KeySpec::at(1, RO) }, const { KeySpec::unknown(RO) }]),
            (1, 1, 1, true)
        );
        assert_eq!(range_of(&[const { KeySpec::at(1, RO | INCOMPLETE) }]), (1, 1, 1, true));
    }
}
