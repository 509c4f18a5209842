//! SORT and SORT_RO.
//!
//! * BY and GET look for keys that no argument names: the command then holds all shards, and has such keys brought into RAM before
//!   it goes on ([`Call::reach`]). So it works in three steps, each of which may run several times: read the weights and sort, find out
//!   which elements are wanted and what GET needs for them, and only then reply or store, which waits for nothing.
//! * What is looked up is counted at the end, so that it counts once.
//! * STORE is logged as the list that it makes, not as the SORT: replaying needs none of the keys that patterns reach.

use super::call::{Call, is};
use super::error::CommandError;
use super::limits;
use super::spec::flags::*;
use super::spec::key_flags::*;
use super::spec::{Arg, Command, CommandResult, KeySpec, Locks, category};
use crate::config::values::NotifyFlags;
use crate::resp::Argv;
use crate::store::db::Slot;
use crate::store::entry::Value;
use crate::store::object::Object;
use crate::store::{Db, Key};
use crate::types::list::{End, List};
use crate::types::listpack::Element;
use crate::types::set::Set;
use crate::types::sort::{Item, Pattern, Weight, sort as put_in_order};
use crate::types::zset::Zset;
use crate::util::double;
use crate::util::number::parse_i64;

const SORT: Command = Command {
    group: "generic",
    complexity: "O(N+M*log(M)) with N being the number of elements sorted and M that of elements returned",
    arity: -2,
    categories: category::SET | category::SORTEDSET | category::LIST | category::DANGEROUS,
    locks: Locks::AllShardsIf(looks_further),
    ..Command::NONE
};

const KEY: KeySpec = KeySpec::at(1, RO | ACCESS);

const PATTERNS: KeySpec = KeySpec::unknown(RO | ACCESS).notes(
    "For the optional BY/GET keyword. It is marked 'unknown' because the key names derive from the content of the key we sort",
);

const BY: Arg = Arg::pattern("by-pattern").of_spec(1).token("BY").optional();
const LIMIT: Arg =
    Arg::block("limit", &[Arg::integer("offset"), Arg::integer("count")]).token("LIMIT").optional();
const GET: Arg = Arg::pattern("get-pattern").of_spec(1).token("GET").optional().multiple_token();
const ORDER: Arg = Arg::oneof("order", &[Arg::flag("asc", "ASC"), Arg::flag("desc", "DESC")]).optional();
const SORTING: Arg = Arg::flag("sorting", "ALPHA").optional();

/// The family.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "sort",
        handler: sort,
        summary: "Sorts the elements of a list, a set or a sorted set, and returns or stores them.",
        flags: WRITE | DENYOOM | TOUCHES_ARBITRARY_KEYS,
        keys: &[
            KEY,
            PATTERNS,
            KeySpec::found(stored_key, OW | UPDATE).notes(
                "For the optional STORE keyword. It is marked 'unknown' because the keyword can appear anywhere in the argument array",
            ),
        ],
        args: &[
            Arg::key("key"),
            BY,
            LIMIT,
            GET,
            ORDER,
            SORTING,
            Arg::key_of("destination", 2).token("STORE").optional(),
        ],
        ..SORT
    },
    Command {
        name: "sort_ro",
        since: "7.0.0",
        handler: sort_ro,
        summary: "Sorts the elements of a list, a set or a sorted set, and returns them.",
        flags: READONLY | TOUCHES_ARBITRARY_KEYS,
        keys: &[KEY, PATTERNS],
        args: &[Arg::key("key"), BY, LIMIT, GET, ORDER, SORTING],
        ..SORT
    },
];

/// What the words behind the key say.
#[derive(Default)]
struct Options<'a> {
    by: Option<Pattern<'a>>,
    /// Some BY had no `*`: nothing is sorted.
    unsorted: bool,
    gets: Vec<Pattern<'a>>,
    limit: Option<(i64, i64)>,
    descending: bool,
    alpha: bool,
    store: Option<usize>,
}

impl<'a> Options<'a> {
    fn read(argv: Argv<'a>, may_store: bool) -> Result<Self, CommandError> {
        let mut options = Options::default();
        let mut at = 2;
        while let Some(word) = argv.try_get(at) {
            let left = argv.len() - at - 1;
            let argument = |offset: usize| argv.get(at + offset);
            at += match () {
                () if is(word, "ASC") => {
                    options.descending = false;
                    1
                }
                () if is(word, "DESC") => {
                    options.descending = true;
                    1
                }
                () if is(word, "ALPHA") => {
                    options.alpha = true;
                    1
                }
                () if is(word, "LIMIT") && left >= 2 => {
                    let number = |word| parse_i64(word).ok_or(CommandError::NOT_INTEGER);
                    options.limit = Some((number(argument(1))?, number(argument(2))?));
                    3
                }
                () if is(word, "STORE") && may_store && left >= 1 => {
                    options.store = Some(at + 1);
                    2
                }
                () if is(word, "BY") && left >= 1 => {
                    let pattern = Pattern::new(argument(1));
                    options.by = Some(pattern);
                    options.unsorted |= !matches!(pattern, Pattern::Key { .. });
                    2
                }
                () if is(word, "GET") && left >= 1 => {
                    options.gets.push(Pattern::new(argument(1)));
                    2
                }
                () => return Err(CommandError::SYNTAX),
            };
        }
        Ok(options)
    }
}

/// The key of the last STORE. It is found among words that are wrong, too.
fn stored_key(argv: Argv<'_>) -> Option<usize> {
    let (mut found, mut at) = (None, 2);
    while let Some(word) = argv.try_get(at) {
        at += match () {
            () if is(word, "LIMIT") => 3,
            () if is(word, "BY") || is(word, "GET") => 2,
            () if is(word, "STORE") && at + 1 < argv.len() => {
                found = Some(at + 1);
                2
            }
            () => 1,
        };
    }
    found
}

/// Do patterns make keys?
fn looks_further(argv: Argv<'_>) -> bool {
    let is_key = |pattern: &Pattern<'_>| matches!(pattern, Pattern::Key { .. });
    Options::read(argv, true).is_ok_and(|options| options.by.iter().chain(&options.gets).any(is_key))
}

fn sort(call: &mut Call<'_>) -> CommandResult {
    let options = Options::read(call.argv, true)?;
    run(call, options)
}

fn sort_ro(call: &mut Call<'_>) -> CommandResult {
    let options = Options::read(call.argv, false)?;
    run(call, options)
}

/// What is sorted, as it was at the beginning.
enum Source {
    List(List),
    Set(Set),
    Zset(Zset),
}

impl Source {
    fn of(object: &Object) -> Option<Self> {
        match object {
            Object::List(list) => Some(Source::List(list.freeze())),
            Object::Set(set) => Some(Source::Set(set.freeze())),
            Object::Zset(zset) => Some(Source::Zset(zset.freeze())),
            _ => None,
        }
    }

    fn len(&self) -> usize {
        match self {
            Source::List(list) => list.len(),
            Source::Set(set) => set.len(),
            Source::Zset(zset) => zset.len(),
        }
    }

    /// Its elements in its own order, or in the opposite one: so many, after so many are passed over.
    fn elements(&self, backwards: bool, skip: usize, count: usize) -> Vec<Element<'_>> {
        let end = (skip + count).min(self.len());
        let range = if backwards { self.len() - end..self.len() - skip } else { skip..end };
        let mut elements: Vec<Element<'_>> = match self {
            Source::List(list) => list.iter(range).collect(),
            Source::Set(set) => return set.iter().skip(skip).take(count).collect(),
            Source::Zset(zset) => zset.iter(range).map(|(member, _)| member).collect(),
        };
        if backwards {
            elements.reverse();
        }
        elements
    }
}

/// What was looked up, to be counted when it is certain that it is not looked up again.
#[derive(Default)]
struct Lookups {
    hits: u64,
    misses: u64,
    /// The keys that were not found, if somebody wants to know.
    missed: Vec<Vec<u8>>,
    /// Keys are written here.
    buffer: Vec<u8>,
}

impl Lookups {
    fn find(&mut self, db: &mut Db<'_>, key: &Key<'_>) -> Option<Slot> {
        let slot = db.find(key);
        match slot {
            Some(_) => self.hits += 1,
            None => {
                self.misses += 1;
                if db.notifies(NotifyFlags::KEY_MISS) {
                    self.missed.push(key.bytes.to_vec());
                }
            }
        }
        slot
    }

    /// Counts what was looked up, and tells of what was missed.
    fn publish(self, db: &mut Db<'_>) {
        db.count_reads(self.hits, self.misses, &self.missed);
    }

    /// What a pattern means for an element.
    fn look_up<R>(
        &mut self,
        db: &mut Db<'_>,
        pattern: &Pattern<'_>,
        element: Element<'_>,
        found: impl FnOnce(Option<&[u8]>) -> R,
    ) -> R {
        let mut digits = itoa::Buffer::new();
        let Pattern::Key { field, .. } = pattern else {
            return found((*pattern == Pattern::Element).then(|| element.text(&mut digits)));
        };
        let mut buffer = std::mem::take(&mut self.buffer);
        let bytes = pattern.key(element, &mut buffer).expect("the pattern makes keys");
        let key = db.key(bytes);
        let slot = self.find(db, &key);
        let result = match (slot, field) {
            (None, _) => found(None),
            (Some(slot), None) => found(db.string(slot).ok().map(|text| text.bytes(&mut digits))),
            (Some(_), Some(field)) => {
                let now = db.now().0;
                let hash = db.find_hash(&key).ok().flatten();
                let hash = hash.and_then(|slot| db.typed::<crate::types::hash::Hash>(slot).ok());
                let entry = hash.and_then(|hash| hash.get(field, now));
                found(entry.as_ref().map(|entry| entry.value.text(&mut digits)))
            }
        };
        self.buffer = buffer;
        result
    }
}

fn run(call: &mut Call<'_>, mut options: Options<'_>) -> CommandResult {
    let key = call.key(1);
    let mut lookups = Lookups::default();
    let slot = lookups.find(&mut call.db, &key);
    let source = match slot.map(|slot| call.db.value(slot)) {
        None => Source::List(List::new()),
        Some(Value::Object(object)) => Source::of(object).ok_or(CommandError::WRONG_TYPE)?,
        Some(_) => return Err(CommandError::WRONG_TYPE),
    };
    if options.unsorted && matches!(source, Source::Set(_)) && (options.store.is_some() || call.is_nested) {
        // What is stored, or what a script goes on with, must not depend on the order that a set happens to have.
        (options.unsorted, options.alpha, options.by) = (false, true, None);
    }
    let (skip, count) = options.limit.map_or((0, usize::MAX), |(skip, count)| {
        (usize::try_from(skip).unwrap_or(0), usize::try_from(count).unwrap_or(usize::MAX))
    });
    let (skip, count) = (skip.min(source.len()), count.min(source.len()));
    let wanted = if options.unsorted {
        source.elements(options.descending, skip, count)
    } else {
        let all = source.elements(false, 0, source.len());
        let mut items = weigh(call, &options, all, &mut lookups)?;
        put_in_order(&mut items, options.descending);
        items.into_iter().skip(skip).take(count).map(|item| item.element).collect()
    };
    call.reach(|visit| {
        let mut buffer = Vec::new();
        for pattern in &options.gets {
            wanted
                .iter()
                .for_each(|&element| pattern.key(element, &mut buffer).into_iter().for_each(&mut *visit));
        }
    })?;
    match options.store {
        Some(position) => store(call, position, &wanted, &options.gets, lookups),
        None => reply(call, &wanted, &options.gets, lookups),
    }
    Ok(())
}

/// The elements with what they are sorted by.
fn weigh<'e>(
    call: &mut Call<'_>,
    options: &Options<'_>,
    elements: Vec<Element<'e>>,
    lookups: &mut Lookups,
) -> Result<Vec<Item<'e>>, CommandError> {
    let number = |text: &[u8]| double::parse_c(text).ok_or(CommandError::NOT_SORTABLE);
    let Some(by) = options.by else {
        let own = |element: Element<'e>| {
            let weight = match element {
                _ if options.alpha => Weight::Own,
                Element::Int(integer) => Weight::Number(integer as f64),
                Element::Bytes(text) => Weight::Number(number(text)?),
            };
            Ok(Item { element, weight })
        };
        return elements.into_iter().map(own).collect();
    };
    call.reach(|visit| {
        let mut buffer = Vec::new();
        elements.iter().for_each(|&element| by.key(element, &mut buffer).into_iter().for_each(&mut *visit));
    })?;
    let weight = |found: Option<&[u8]>| match found {
        text if options.alpha => Ok(Weight::Text(text.map(Box::from))),
        Some(text) => number(text).map(Weight::Number),
        None => Ok(Weight::Number(0.0)),
    };
    let mut weighed = |element| {
        let weight = lookups.look_up(&mut call.db, &by, element, weight)?;
        Ok(Item { element, weight })
    };
    elements.into_iter().map(&mut weighed).collect()
}

fn reply(call: &mut Call<'_>, wanted: &[Element<'_>], gets: &[Pattern<'_>], mut lookups: Lookups) {
    call.reply.array(wanted.len() * gets.len().max(1));
    for &element in wanted {
        if gets.is_empty() {
            call.reply.bulk(element.text(&mut itoa::Buffer::new()));
        }
        for pattern in gets {
            let reply = &mut call.reply;
            lookups.look_up(&mut call.db, pattern, element, |found| match found {
                Some(text) => reply.bulk(text),
                None => reply.null(),
            });
        }
    }
    lookups.publish(&mut call.db);
}

/// Elements that are pushed together when a list is stored, here and when the log is replayed: so both make the same nodes.
const STORED_TOGETHER: usize = 64;

fn store(
    call: &mut Call<'_>,
    position: usize,
    wanted: &[Element<'_>],
    gets: &[Pattern<'_>],
    mut lookups: Lookups,
) {
    let mut values = Vec::with_capacity(wanted.len() * gets.len().max(1));
    for &element in wanted {
        if gets.is_empty() {
            values.push(element.to_vec());
        }
        for pattern in gets {
            let value = lookups.look_up(&mut call.db, pattern, element, |found| found.map(<[u8]>::to_vec));
            values.push(value.unwrap_or_default());
        }
    }
    lookups.publish(&mut call.db);
    let key = call.key(position);
    let limits = limits::list(call.config);
    let mut list = List::new();
    for together in values.chunks(STORED_TOGETHER) {
        list.push(End::Right, together.iter().map(Vec::as_slice), limits);
    }
    let existed = call.db.find(&key).is_some();
    log(&mut call.db, &key, existed, &values);
    if call.db.replace(&key, list) {
        call.db.note_changes(values.len() as u64 - 1);
        call.db.notify(NotifyFlags::LIST, "sortstore", key.bytes);
    } else if existed {
        call.db.notify(NotifyFlags::GENERIC, "del", key.bytes);
    }
    call.reply.integer(values.len() as i64);
}

/// Logs that the key has these elements and nothing else.
fn log(db: &mut Db<'_>, key: &Key<'_>, existed: bool, values: &[Vec<u8>]) {
    if existed {
        db.log_as(&[b"DEL", key.bytes]);
    }
    for together in values.chunks(STORED_TOGETHER) {
        let mut words: Vec<&[u8]> = vec![b"RPUSH", key.bytes];
        words.extend(together.iter().map(Vec::as_slice));
        db.log_as(&words);
    }
}
