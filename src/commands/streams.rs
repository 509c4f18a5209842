//! Streams: adding, reading a range, deleting and trimming entries.
//!
//! * The log has the id that an entry got, and the length or the id down to which approximate trimming came; so replaying depends
//!   on no clock and on no limit of blocks.

use super::call::{Call, is};
use super::error::CommandError;
use super::limits;
use super::spec::flags::*;
use super::spec::key_flags::*;
use super::spec::{Arg, Command, CommandResult, KeySpec, category};
use crate::config::values::NotifyFlags;
use crate::resp::Reply;
use crate::store::object::Object;
use crate::types::stream::{
    AddError, Bound, BoundError, Entries, Entry, Limits, NewId, Stream, StreamId, Trim, Trimmed,
};
use crate::util::number::parse_i64;

pub(super) const STREAM: Command = Command {
    since: "5.0.0",
    group: "stream",
    categories: category::STREAM,
    keys: &[KeySpec::at(1, RW | UPDATE)],
    ..Command::NONE
};

const TRIM: &[Arg] = &[
    Arg::oneof("strategy", &[Arg::flag("maxlen", "MAXLEN"), Arg::flag("minid", "MINID").since("6.2.0")]),
    Arg::oneof("operator", &[Arg::flag("equal", "="), Arg::flag("approximately", "~")]).optional(),
    Arg::string("threshold"),
    Arg::integer("count").token("LIMIT").optional().since("6.2.0"),
];

const COUNT: Arg = Arg::integer("count").token("COUNT").optional();

/// The family.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "xadd",
        complexity: "O(1) when adding a new entry, O(N) when trimming where N being the number of entries evicted.",
        arity: -5,
        handler: xadd,
        summary: "Adds an entry to the end of a stream, and may trim its beginning.",
        flags: WRITE | DENYOOM | FAST,
        keys: &[KeySpec::at(1, RW | UPDATE)
            .notes("UPDATE instead of INSERT because of the optional trimming feature")],
        tips: &["nondeterministic_output"],
        args: &[
            Arg::key("key"),
            Arg::flag("nomkstream", "NOMKSTREAM").optional().since("6.2.0"),
            Arg::block("trim", TRIM).optional(),
            Arg::oneof("id-selector", &[Arg::flag("auto-id", "*"), Arg::string("id")]),
            Arg::block("data", &[Arg::string("field"), Arg::string("value")]).multiple(),
        ],
        ..STREAM
    },
    Command {
        name: "xlen",
        complexity: "O(1)",
        arity: 2,
        handler: xlen,
        summary: "Tells how many entries a stream has.",
        flags: READONLY | FAST,
        keys: &[KeySpec::at(1, RO)],
        args: &[Arg::key("key")],
        ..STREAM
    },
    Command {
        name: "xrange",
        complexity: "O(N) with N being the number of elements being returned. If N is constant (e.g. always asking for the first 10 elements with COUNT), you can consider it O(1).",
        arity: -4,
        handler: xrange,
        summary: "Returns the entries whose ids are in an interval.",
        flags: READONLY,
        keys: &[KeySpec::at(1, RO | ACCESS)],
        args: &[Arg::key("key"), Arg::string("start"), Arg::string("end"), COUNT],
        ..STREAM
    },
    Command {
        name: "xrevrange",
        complexity: "O(N) with N being the number of elements returned. If N is constant (e.g. always asking for the first 10 elements with COUNT), you can consider it O(1).",
        arity: -4,
        handler: xrevrange,
        summary: "Returns the entries whose ids are in an interval, the last one first.",
        flags: READONLY,
        keys: &[KeySpec::at(1, RO | ACCESS)],
        args: &[Arg::key("key"), Arg::string("end"), Arg::string("start"), COUNT],
        ..STREAM
    },
    Command {
        name: "xdel",
        complexity: "O(1) for each single item to delete in the stream, regardless of the stream size.",
        arity: -3,
        handler: xdel,
        summary: "Deletes entries by their ids and tells how many there were.",
        flags: WRITE | FAST,
        keys: &[KeySpec::at(1, RW | DELETE)],
        args: &[Arg::key("key"), Arg::string("ID").multiple()],
        ..STREAM
    },
    Command {
        name: "xtrim",
        complexity: "O(N), with N being the number of evicted entries. Constant times are very small however, since entries are organized in macro nodes containing multiple entries that can be released with a single deallocation.",
        arity: -4,
        handler: xtrim,
        summary: "Deletes entries from the beginning of a stream.",
        flags: WRITE,
        keys: &[KeySpec::at(1, RW | DELETE)],
        tips: &["nondeterministic_output"],
        args: &[Arg::key("key"), Arg::block("trim", TRIM)],
        ..STREAM
    },
    Command {
        name: "xsetid",
        complexity: "O(1)",
        arity: -3,
        handler: xsetid,
        summary: "Sets the last id of a stream, which the next one must exceed. For the server itself.",
        flags: WRITE | DENYOOM | FAST,
        args: &[
            Arg::key("key"),
            Arg::string("last-id"),
            Arg::integer("entries-added").token("ENTRIESADDED").optional().since("7.0.0"),
            Arg::string("max-deleted-id").token("MAXDELETEDID").optional().since("7.0.0"),
        ],
        ..STREAM
    },
];

/// A word that must be an id; without a number within the millisecond it is the first of it.
pub(super) fn id_of(word: &[u8]) -> Result<StreamId, CommandError> {
    StreamId::parse(word, 0).ok_or(CommandError::STREAM_ID)
}

/// A word that is where an interval starts.
pub(super) fn start_of(word: &[u8]) -> Result<StreamId, CommandError> {
    StreamId::parse_start(word).map_err(|error| match error {
        BoundError::Invalid => CommandError::STREAM_ID,
        BoundError::Empty => CommandError::STREAM_START,
    })
}

/// A word that is where an interval ends.
pub(super) fn end_of(word: &[u8]) -> Result<StreamId, CommandError> {
    StreamId::parse_end(word).map_err(|error| match error {
        BoundError::Invalid => CommandError::STREAM_ID,
        BoundError::Empty => CommandError::STREAM_END,
    })
}

/// Replies with an id.
pub(super) fn reply_id(reply: &mut Reply<'_>, id: StreamId) {
    reply.bulk(id.text().as_bytes());
}

/// Replies with an entry: its id, and its fields in one array.
pub(super) fn reply_entry(reply: &mut Reply<'_>, entry: &Entry<'_>) {
    reply.array(2);
    reply_id(reply, entry.id);
    let fields = entry.fields();
    reply.array(2 * fields.len());
    let mut digits = itoa::Buffer::new();
    for (name, value) in fields {
        reply.bulk(name.text(&mut digits));
        reply.bulk(value.text(&mut digits));
    }
}

/// Replies with an array of entries.
pub(super) fn reply_entries<'e>(reply: &mut Reply<'_>, entries: impl Iterator<Item = Entry<'e>>) {
    let array = reply.begin();
    let mut len = 0;
    for entry in entries {
        reply_entry(reply, &entry);
        len += 1;
    }
    reply.end_array(array, len);
}

/// The options of XADD and XTRIM.
#[derive(Default)]
struct Options {
    no_mkstream: bool,
    bound: Option<Bound>,
    is_approximate: bool,
    /// The word with the bound; the one before it may be an operator.
    bound_at: usize,
    limit: Option<u64>,
    /// The word behind the options.
    end: usize,
    /// XADD's id.
    id: Option<NewId>,
}

impl Options {
    /// Reads the options that begin with the third word, and XADD's id.
    fn read(call: &Call<'_>, has_id: bool) -> Result<Self, CommandError> {
        let mut options = Options::default();
        let mut at = 2;
        while let Some(word) = call.argv.try_get(at) {
            let left = call.argv.len() - at - 1;
            match () {
                () if has_id && word == b"*" => {
                    options.id = Some(NewId::Auto);
                    break;
                }
                () if left > 0 && (is(word, "MAXLEN") || is(word, "MINID")) => {
                    at = options.read_bound(call, at, is(word, "MAXLEN"))?;
                }
                () if left > 0 && is(word, "LIMIT") => {
                    at += 1;
                    let limit = u64::try_from(call.int(at)?).map_err(|_| CommandError::TRIM_LIMIT)?;
                    options.limit = Some(limit);
                }
                () if has_id && is(word, "NOMKSTREAM") => options.no_mkstream = true,
                () if has_id => {
                    options.id = Some(NewId::parse(word).ok_or(CommandError::STREAM_ID)?);
                    break;
                }
                () => return Err(CommandError::SYNTAX),
            }
            at += 1;
        }
        options.end = at;
        if options.bound.is_none() {
            if options.limit.is_some_and(|limit| limit > 0) {
                return Err(CommandError::TRIM_LIMIT_ALONE);
            }
            if !has_id {
                return Err(CommandError::XTRIM_ALONE);
            }
        }
        let is_replayed = call.db.now().0 == 0;
        if options.limit.is_some() && !options.is_approximate && !is_replayed {
            return Err(CommandError::TRIM_LIMIT_EXACT);
        }
        Ok(options)
    }

    /// Reads `MAXLEN` or `MINID`, the word at `at`, and says where its bound is.
    fn read_bound(&mut self, call: &Call<'_>, at: usize, is_len: bool) -> Result<usize, CommandError> {
        if self.bound.is_some() {
            return Err(CommandError::TRIM_TWICE);
        }
        let operator = call.argv.try_get(at + 2).map_or(&b""[..], |_| call.arg(at + 1));
        self.is_approximate = operator == b"~";
        self.bound_at = at + if operator == b"~" || operator == b"=" { 2 } else { 1 };
        let word = call.arg(self.bound_at);
        self.bound = Some(if is_len {
            let len = parse_i64(word).ok_or(CommandError::NOT_INTEGER)?;
            Bound::Len(u64::try_from(len).map_err(|_| CommandError::TRIM_MAXLEN)?)
        } else {
            Bound::Id(id_of(word)?)
        });
        Ok(self.bound_at)
    }

    fn trim(&self, limits: &Limits) -> Option<Trim> {
        let limit = match self.limit {
            _ if !self.is_approximate => 0,
            Some(limit) => limit,
            None => Trim::default_limit(limits.node_max_entries),
        };
        Some(Trim { bound: self.bound?, is_approximate: self.is_approximate, limit })
    }
}

/// Words of a command that are logged in another form.
#[derive(Default)]
struct Rewrite {
    /// The word with the id, and the id it became.
    id: Option<(usize, StreamId)>,
    /// The word with the bound of approximate trimming, behind its operator, and the bound of exact trimming to the same result.
    bound: Option<(usize, Bound)>,
}

impl Rewrite {
    /// Trimming with these options left `entries`.
    fn trimmed(&mut self, options: &Options, entries: &Entries) {
        let bound = match options.bound.filter(|_| options.is_approximate) {
            Some(Bound::Len(_)) => Some(Bound::Len(entries.len() as u64)),
            Some(Bound::Id(_)) => entries.edge_id().map(Bound::Id),
            None => None,
        };
        self.bound = bound.map(|bound| (options.bound_at, bound));
    }

    fn log(&self, call: &mut Call<'_>) {
        if self.id.is_none() && self.bound.is_none() {
            return;
        }
        let id = self.id.map(|(at, id)| (at, id.text()));
        let mut digits = itoa::Buffer::new();
        let edge;
        let bound = match self.bound {
            None => None,
            Some((at, Bound::Len(len))) => Some((at, digits.format(len).as_bytes())),
            Some((at, Bound::Id(id))) => {
                edge = id.text();
                Some((at, edge.as_bytes()))
            }
        };
        call.db.log_words(call.argv.iter().enumerate().map(|(at, word)| match (&id, bound) {
            (Some((id_at, id)), _) if *id_at == at => id.as_bytes(),
            (_, Some((bound_at, text))) if bound_at == at => text,
            (_, Some((bound_at, _))) if bound_at == at + 1 => b"=",
            _ => word,
        }));
    }
}

/// Words that XADD takes without allocating.
const FEW: usize = 32;

fn xadd(call: &mut Call<'_>) -> CommandResult {
    let options = Options::read(call, true)?;
    let pairs = call.argv.skip(options.end + 1);
    let Some(new) = options.id.filter(|_| !pairs.is_empty() && pairs.len().is_multiple_of(2)) else {
        return Err(CommandError::arity("xadd"));
    };
    if new == NewId::Exact(StreamId::MIN) {
        return Err(CommandError::XADD_ZERO);
    }
    let mut few = [&b""[..]; FEW];
    let mut many = Vec::new();
    let texts = if pairs.len() <= FEW {
        few.iter_mut().zip(pairs.iter()).for_each(|(text, word)| *text = word);
        &few[..pairs.len()]
    } else {
        many.extend(pairs.iter());
        &many
    };
    add(call, &options, new, texts)
}

fn add(call: &mut Call<'_>, options: &Options, new: NewId, pairs: &[&[u8]]) -> CommandResult {
    let key = call.key(1);
    let slot = call.db.find_typed::<Stream>(&key)?;
    let now = call.db.now();
    let id = match slot {
        Some(slot) => call.db.typed::<Stream>(slot)?.entries.next_id(new, now)?,
        None if options.no_mkstream => {
            call.reply.null();
            return Ok(());
        }
        None => Entries::default().next_id(new, now)?,
    };
    let limits = limits::stream(call.config);
    let mut rewrite = Rewrite::default();
    if !matches!(new, NewId::Exact(_)) {
        rewrite.id = Some((options.end, id));
    }
    let mut append = |entries: &mut Entries| -> Result<Trimmed, AddError> {
        entries.add(id, pairs, &limits)?;
        let trimmed = options.trim(&limits).map(|trim| entries.trim(&trim)).unwrap_or_default();
        rewrite.trimmed(options, entries);
        Ok(trimmed)
    };
    let trimmed = if let Some(slot) = slot {
        let edited = call.db.edit(&key, slot, |stream: &mut Stream| {
            let trimmed = append(&mut stream.entries);
            let changes = u64::from(trimmed.is_ok());
            (trimmed, changes)
        });
        edited.result?
    } else {
        let mut stream = Stream::default();
        let trimmed = append(&mut stream.entries)?;
        call.db.create(&key, stream, 1);
        trimmed
    };
    rewrite.log(call);
    call.db.notify(NotifyFlags::STREAM, "xadd", key.bytes);
    if trimmed.count > 0 {
        call.db.notify(NotifyFlags::STREAM, "xtrim", key.bytes);
    }
    free(call, trimmed);
    reply_id(&mut call.reply, id);
    Ok(())
}

fn xlen(call: &mut Call<'_>) -> CommandResult {
    let key = call.key(1);
    let len = call.db.read_typed::<Stream>(&key)?.map_or(0, |stream| stream.entries.len());
    call.reply.integer(len as i64);
    Ok(())
}

fn xrange(call: &mut Call<'_>) -> CommandResult {
    let (start, end) = (start_of(call.arg(2))?, end_of(call.arg(3)));
    range(call, start, end?, false)
}

fn xrevrange(call: &mut Call<'_>) -> CommandResult {
    let (start, end) = (start_of(call.arg(3))?, end_of(call.arg(2)));
    range(call, start, end?, true)
}

fn range(call: &mut Call<'_>, start: StreamId, end: StreamId, is_reversed: bool) -> CommandResult {
    let mut words = call.words(4);
    let mut count = None;
    while let Some(word) = words.next() {
        if !is(word, "COUNT") || words.left() == 0 {
            return Err(CommandError::SYNTAX);
        }
        count = Some(words.int()?.max(0) as usize);
    }
    let key = call.key(1);
    let Some(stream) = call.db.read_typed::<Stream>(&key)? else {
        call.reply.array(0);
        return Ok(());
    };
    if count == Some(0) {
        call.reply.null_array();
        return Ok(());
    }
    let count = count.unwrap_or(usize::MAX);
    match is_reversed {
        false => reply_entries(&mut call.reply, stream.entries.range(start, end).take(count)),
        true => reply_entries(&mut call.reply, stream.entries.range_rev(end, start).take(count)),
    }
    Ok(())
}

fn xdel(call: &mut Call<'_>) -> CommandResult {
    let key = call.key(1);
    let Some(slot) = call.db.find_typed::<Stream>(&key)? else {
        call.reply.integer(0);
        return Ok(());
    };
    let ids = call.argv.skip(2);
    ids.iter().try_for_each(|word| id_of(word).map(|_| ()))?;
    let mut deleted = 0;
    call.db.edit(&key, slot, |stream: &mut Stream| {
        let ids = ids.iter().filter_map(|word| StreamId::parse(word, 0));
        deleted = ids.filter(|id| stream.entries.delete(*id)).count() as u64;
        ((), deleted)
    });
    if deleted > 0 {
        call.db.notify(NotifyFlags::STREAM, "xdel", key.bytes);
    }
    call.reply.integer(deleted as i64);
    Ok(())
}

fn xtrim(call: &mut Call<'_>) -> CommandResult {
    let options = Options::read(call, false)?;
    let key = call.key(1);
    let (slot, trim) = (call.db.find_typed::<Stream>(&key)?, options.trim(&limits::stream(call.config)));
    let mut rewrite = Rewrite::default();
    let mut trimmed = Trimmed::default();
    if let (Some(slot), Some(trim)) = (slot, trim) {
        call.db.edit(&key, slot, |stream: &mut Stream| {
            trimmed = stream.entries.trim(&trim);
            rewrite.trimmed(&options, &stream.entries);
            ((), trimmed.count)
        });
    }
    if trimmed.count > 0 {
        rewrite.log(call);
        call.db.notify(NotifyFlags::STREAM, "xtrim", key.bytes);
    }
    call.reply.integer(trimmed.count as i64);
    free(call, trimmed);
    Ok(())
}

/// Leaves many trimmed blocks to others.
fn free(call: &mut Call<'_>, trimmed: Trimmed) {
    if let Some(entries) = trimmed.gone {
        call.db.discard(Object::Stream(Box::new(Stream { entries, ..Stream::default() })));
    }
}

fn xsetid(call: &mut Call<'_>) -> CommandResult {
    let id = id_of(call.arg(2))?;
    let (mut added, mut max_deleted) = (None, None);
    let mut words = call.words(3);
    while let Some(word) = words.next() {
        if words.left() == 0 {
            return Err(CommandError::SYNTAX);
        }
        if is(word, "ENTRIESADDED") {
            added = Some(u64::try_from(words.int()?).map_err(|_| CommandError::XSETID_ADDED)?);
        } else if is(word, "MAXDELETEDID") {
            let given = id_of(words.value()?)?;
            if id < given {
                return Err(CommandError::XSETID_BELOW_GIVEN);
            }
            max_deleted = Some(given);
        } else {
            return Err(CommandError::SYNTAX);
        }
    }
    let key = call.key(1);
    let slot = call.db.find_typed::<Stream>(&key)?.ok_or(CommandError::NO_SUCH_KEY)?;
    let edited = call.db.edit(&key, slot, |stream: &mut Stream| {
        let result = stream.entries.set_last_id(id, added, max_deleted);
        (result, u64::from(result.is_ok()))
    });
    edited.result?;
    call.db.notify(NotifyFlags::STREAM, "xsetid", key.bytes);
    call.reply.ok();
    Ok(())
}
