//! XREAD and XREADGROUP: what comes after an id, from several streams, waiting for it if asked to.
//!
//! * What is there is replied at once, of all streams; a client that waits is served from the stream that woke it.
//! * Ids are read twice rather than kept: all of them are checked before the first stream is replied.

use std::ops::Range;

use super::blocking::{Nothing, Serving, Wait};
use super::call::{Call, is};
use super::error::CommandError;
use super::spec::flags::*;
use super::spec::key_flags::*;
use super::spec::{Arg, Begin, Command, CommandResult, Find, KeySpec, Locks};
use super::stream_effects::{Position, Taken, Worker};
use super::streams::{STREAM, id_of, reply_entries, reply_entry, reply_id};
use crate::config::values::NotifyFlags;
use crate::resp::{Argv, Deferred, Protocol, Reply};
use crate::store::{Db, Key, Slot, UnixMs};
use crate::types::stream::{ConsumerId, Entries, Group, Stream, StreamId};
use crate::util::number::parse_i64;

const STREAMS: Arg =
    Arg::block("streams", &[Arg::key("key").multiple(), Arg::string("ID").multiple()]).token("STREAMS");

const fn streams_from(position: isize) -> KeySpec {
    KeySpec {
        begin: Begin::Keyword("STREAMS", position),
        find: Find::Range { last: -1, step: 1, limit: 2 },
        flags: RO | ACCESS,
        notes: "",
    }
}

/// The family.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "xread",
        complexity: "For each stream mentioned: O(N) with N being the number of elements being returned, it means that XREAD-ing with a fixed COUNT is O(1). Note that when the BLOCK option is used, XADD will pay O(M) time in order to serve the M clients blocked on the stream getting new data.",
        arity: -4,
        handler: xread,
        summary: "Returns the entries of several streams that come after an id, and waits for some if asked to.",
        flags: BLOCKING | READONLY,
        keys: &[streams_from(1)],
        locks: Locks::KeysFound(keys_of),
        args: &[
            Arg::integer("count").token("COUNT").optional(),
            Arg::integer("milliseconds").token("BLOCK").optional(),
            STREAMS,
        ],
        ..STREAM
    },
    Command {
        name: "xreadgroup",
        complexity: "For each stream mentioned: O(M) with M being the number of elements returned. If M is constant (e.g. always asking for the first 10 elements with COUNT), you can consider it O(1). On the other side when XREADGROUP blocks, XADD will pay the O(N) time in order to serve the N clients blocked on the stream getting new data.",
        arity: -7,
        handler: xreadgroup,
        summary: "Gives entries that no consumer of a group has got yet to one of them, or those again that it has yet to acknowledge.",
        flags: BLOCKING | WRITE,
        keys: &[streams_from(4)],
        locks: Locks::KeysFound(keys_of),
        args: &[
            Arg::block("group-block", &[Arg::string("group"), Arg::string("consumer")]).token("GROUP"),
            Arg::integer("count").token("COUNT").optional(),
            Arg::integer("milliseconds").token("BLOCK").optional(),
            Arg::flag("noack", "NOACK").optional(),
            STREAMS,
        ],
        ..STREAM
    },
];

/// The keys of either command: the first half of what follows STREAMS. None if the options before it are wrong.
fn keys_of(argv: Argv<'_>, visit: &mut dyn FnMut(usize)) {
    let mut at = 1;
    while let Some(word) = argv.try_get(at) {
        at += match () {
            () if is(word, "BLOCK") || is(word, "COUNT") => 2,
            () if is(word, "GROUP") => 3,
            () if is(word, "NOACK") => 1,
            () if is(word, "STREAMS") => {
                let keys = (argv.len() - at - 1) / 2;
                return (at + 1..at + 1 + keys).for_each(visit);
            }
            () => return,
        };
    }
}

/// The words of either command.
#[derive(Clone, Default)]
struct Options<'a> {
    /// Milliseconds to wait, 0 for ever; `None`: not at all.
    block_ms: Option<u64>,
    /// How many entries of each stream at most.
    count: usize,
    /// Group and consumer.
    group: Option<(&'a [u8], &'a [u8])>,
    noack: bool,
    /// The arguments that are keys.
    keys: Range<usize>,
}

impl<'a> Options<'a> {
    fn read(call: &Call<'a>, is_group: bool) -> Result<Self, CommandError> {
        let mut options = Options { count: usize::MAX, ..Options::default() };
        let mut words = call.words(1);
        while let Some(word) = words.next() {
            let left = words.left();
            match () {
                () if is(word, "BLOCK") && left > 0 => {
                    options.block_ms = Some(block_ms(call, words.value()?)?)
                }
                () if is(word, "COUNT") && left > 0 => {
                    let count = words.int()?;
                    options.count = if count > 0 { count as usize } else { usize::MAX };
                }
                () if is(word, "STREAMS") && left > 0 => {
                    if !left.is_multiple_of(2) {
                        return Err(CommandError::unbalanced_streams(call.command.name()));
                    }
                    let first = words.position();
                    options.keys = first..first + left / 2;
                    break;
                }
                () if is(word, "GROUP") && left >= 2 => {
                    if !is_group {
                        return Err(CommandError::XREAD_GROUP);
                    }
                    options.group = Some((words.value()?, words.value()?));
                }
                () if is(word, "NOACK") => {
                    if !is_group {
                        return Err(CommandError::XREAD_NOACK);
                    }
                    options.noack = true;
                }
                () => return Err(CommandError::SYNTAX),
            }
        }
        if options.keys.is_empty() {
            return Err(CommandError::SYNTAX);
        }
        if is_group && options.group.is_none() {
            return Err(CommandError::XREADGROUP_NO_GROUP);
        }
        Ok(options)
    }

    /// The word with the id for the key at `position`.
    fn id(&self, call: &Call<'a>, position: usize) -> &'a [u8] {
        call.arg(position + self.keys.len())
    }
}

/// The argument of BLOCK.
fn block_ms(call: &Call<'_>, word: &[u8]) -> Result<u64, CommandError> {
    let ms = parse_i64(word).ok_or(CommandError::TIMEOUT_NOT_INTEGER)?;
    if ms.checked_add(call.now.0 as i64).is_none() {
        return Err(CommandError::TIMEOUT_OUT_OF_RANGE);
    }
    u64::try_from(ms).map_err(|_| CommandError::TIMEOUT_NEGATIVE)
}

fn xread(call: &mut Call<'_>) -> CommandResult {
    let options = Options::read(call, false)?;
    for position in options.keys.clone() {
        let (key, id) = (call.key(position), options.id(call, position));
        id_after(call.db.read_typed(&key)?, id)?;
    }
    let mut replies = Replies::default();
    for position in options.keys.clone() {
        let (key, id) = (call.key(position), options.id(call, position));
        if let Some(stream) = call.db.read_typed(&key)? {
            let after = id_after(Some(stream), id)?;
            replies.write_after(&mut call.reply, key.bytes, stream, after, options.count);
        }
    }
    if replies.end(&mut call.reply) {
        return Ok(());
    }
    let Some(block_ms) = options.block_ms else {
        call.reply.null_array();
        return Ok(());
    };
    let mut wanted = Vec::with_capacity(options.keys.len());
    for position in options.keys.clone() {
        let (key, id) = (call.key(position), options.id(call, position));
        let slot = call.db.find(&key);
        let stream = slot.map(|slot| call.db.typed(slot)).transpose()?;
        wanted.push((key.bytes.to_vec(), id_after(stream, id)?));
    }
    let count = options.count;
    call.block_on(Wait {
        keys: options.keys,
        timeout_ms: (block_ms > 0).then_some(block_ms),
        nothing: Nothing::NullArray,
        also: None,
        serve: Box::new(move |serving| {
            let key = serving.key;
            let mut replies = Replies::default();
            // It has been counted that there is nothing.
            if let Some(slot) = serving.db.find_typed::<Stream>(&key)?
                && let Some((_, after)) = wanted.iter().find(|(name, _)| name == key.bytes)
            {
                let stream = serving.db.typed(slot)?;
                replies.write_after(serving.reply, key.bytes, stream, *after, count);
            }
            Ok(replies.end(serving.reply))
        }),
    })
}

/// The id after which XREAD is to read a stream, by the word that was given for it.
fn id_after(stream: Option<&Stream>, word: &[u8]) -> Result<StreamId, CommandError> {
    let last = stream.map_or(StreamId::MIN, |stream| stream.entries.last_id());
    match word {
        b"$" => Ok(last),
        // Before the last entry that is left; of a stream without any, what comes next.
        b"+" => Ok(stream.and_then(|stream| stream.entries.top_id()?.prev()).unwrap_or(last)),
        b">" => Err(CommandError::XREAD_NEW),
        word => id_of(word),
    }
}

/// The streams of one reply.
#[derive(Default)]
struct Replies {
    all: Option<Deferred>,
    len: usize,
}

impl Replies {
    /// Begins with a stream; an array of entries must follow.
    fn start(&mut self, reply: &mut Reply<'_>, key: &[u8]) {
        if self.all.is_none() {
            self.all = Some(reply.begin());
        }
        self.len += 1;
        if reply.protocol() == Protocol::Resp2 {
            reply.array(2);
        }
        reply.bulk(key);
    }

    /// Writes what a stream has after an id, if it has anything.
    fn write_after(
        &mut self,
        reply: &mut Reply<'_>,
        key: &[u8],
        stream: &Stream,
        after: StreamId,
        count: usize,
    ) {
        let Some(first) = after.next() else { return };
        if stream.entries.top_id().is_some_and(|top| top > after) {
            self.start(reply, key);
            reply_entries(reply, stream.entries.range(first, StreamId::MAX).take(count));
        }
    }

    /// Ends the reply; false: there was nothing.
    fn end(self, reply: &mut Reply<'_>) -> bool {
        let Some(all) = self.all else { return false };
        match reply.protocol() {
            Protocol::Resp2 => reply.end_array(all, self.len),
            Protocol::Resp3 => reply.end_map(all, self.len),
        }
        true
    }
}

/// A consumer that reads.
#[derive(Clone, Copy)]
struct Reader<'r> {
    group: &'r [u8],
    consumer: &'r [u8],
    count: usize,
    noack: bool,
}

fn xreadgroup(call: &mut Call<'_>) -> CommandResult {
    let options = Options::read(call, true)?;
    let (group, consumer) = options.group.ok_or(CommandError::XREADGROUP_NO_GROUP)?;
    let reader = Reader { group, consumer, count: options.count, noack: options.noack };
    for position in options.keys.clone() {
        let key = call.key(position);
        let stream = call.db.read_typed::<Stream>(&key)?;
        if stream.is_none_or(|stream| stream.groups.get(group).is_none()) {
            return Err(CommandError::no_group_to_read(key.bytes, group));
        }
        pending_after(options.id(call, position))?;
    }
    let mut replies = Replies::default();
    for position in options.keys.clone() {
        let (key, after) = (call.key(position), pending_after(options.id(call, position))?);
        let slot = call.db.read(&key).ok_or_else(|| CommandError::no_group_to_read(key.bytes, group))?;
        reader.read(&mut call.db, (&key, slot), after, &mut call.reply, &mut replies);
    }
    if replies.end(&mut call.reply) {
        return Ok(());
    }
    let Some(block_ms) = options.block_ms else {
        call.reply.null_array();
        return Ok(());
    };
    let (group, consumer) = (group.to_vec(), consumer.to_vec());
    let Reader { count, noack, .. } = reader;
    call.block_on(Wait {
        keys: options.keys,
        timeout_ms: (block_ms > 0).then_some(block_ms),
        nothing: Nothing::NullArray,
        also: None,
        serve: Box::new(move |serving| {
            Reader { group: &group, consumer: &consumer, count, noack }.serve(serving)
        }),
    })
}

/// What XREADGROUP is to read: `None` is what is new to the group; else what is pending for the consumer after this id.
fn pending_after(word: &[u8]) -> Result<Option<StreamId>, CommandError> {
    match word {
        b"$" => Err(CommandError::XREADGROUP_LAST),
        b"+" => Err(CommandError::XREADGROUP_TOP),
        b">" => Ok(None),
        // In Redis, too, nothing comes after the last id there is, and it stands for what is new.
        word => Ok(Some(id_of(word)?).filter(|id| *id != StreamId::MAX)),
    }
}

/// What became of a group while a consumer read.
struct Read {
    has_created: bool,
    /// What became pending, or was read again.
    taken: Vec<Taken>,
    /// How far the group has read, if it has read on.
    position: Option<Position>,
}

impl Reader<'_> {
    /// Serves a client that waits, once something is new to the group.
    fn serve(&self, serving: &mut Serving<'_, '_, '_>) -> Result<bool, CommandError> {
        let key = serving.key;
        let slot =
            serving.db.read(&key).ok_or_else(|| CommandError::no_group_to_read(key.bytes, self.group))?;
        // Unlike XREAD it does not wait for the key to become a stream again: its group is gone.
        let stream = serving.db.typed::<Stream>(slot).map_err(|_| CommandError::wrong_type_now())?;
        let Some(group) = stream.groups.get(self.group) else {
            return Err(CommandError::no_group_to_read(key.bytes, self.group));
        };
        if !has_new(&stream.entries, group) {
            return Ok(false);
        }
        let mut replies = Replies::default();
        self.read(serving.db, (&key, slot), None, serving.reply, &mut replies);
        Ok(replies.end(serving.reply))
    }

    /// Reads from a stream that has the group, and replies with what there is.
    fn read(
        &self,
        db: &mut Db<'_>,
        (key, slot): (&Key<'_>, Slot),
        after: Option<StreamId>,
        reply: &mut Reply<'_>,
        replies: &mut Replies,
    ) {
        let now = db.now();
        let read = db.edit_quietly(key, slot, |stream: &mut Stream| {
            let Stream { entries, groups } = stream;
            let mut group = groups.get_mut(self.group).expect("the group was looked up");
            let (consumer, has_created) = group.visit(self.consumer, now);
            let mut read = Read { has_created, taken: Vec::new(), position: None };
            if let Some(after) = after {
                replies.start(reply, key.bytes);
                read.taken = self.read_pending(entries, &mut group, consumer, after, reply, now);
            } else if has_new(entries, &group) {
                replies.start(reply, key.bytes);
                let array = reply.begin();
                let len = group.read_new(entries, consumer, self.count, self.noack, now, |entry| {
                    reply_entry(reply, entry);
                    if !self.noack {
                        read.taken.push(Taken { id: entry.id, deliveries: 1 });
                    }
                });
                reply.end_array(array, len);
                read.position = Some(Position::of(&group));
            }
            let changes = read.taken.len() as u64 + u64::from(read.position.is_some());
            (read, changes + u64::from(has_created))
        });
        self.log(db, key.bytes, &read, now);
    }

    /// Reads again what is pending for the consumer. What is no longer in the stream is a null.
    fn read_pending(
        &self,
        entries: &Entries,
        group: &mut Group,
        consumer: ConsumerId,
        after: StreamId,
        reply: &mut Reply<'_>,
        now: UnixMs,
    ) -> Vec<Taken> {
        let mut taken = Vec::new();
        let array = reply.begin();
        let start = after.next().unwrap_or(StreamId::MAX);
        let len = group.read_pending(entries, consumer, start, self.count, now, |id, entry| match entry {
            Some(entry) => {
                reply_entry(reply, entry);
                taken.push(Taken { id, deliveries: 0 });
            }
            None => {
                reply.array(2);
                reply_id(reply, id);
                reply.null_array();
            }
        });
        reply.end_array(array, len);
        for entry in &mut taken {
            entry.deliveries = group.pending(entry.id).map_or(0, |pending| pending.deliveries);
        }
        taken
    }

    fn log(&self, db: &mut Db<'_>, key: &[u8], read: &Read, now: UnixMs) {
        let worker = Worker { key, group: self.group, consumer: self.consumer };
        if read.has_created {
            db.notify(NotifyFlags::STREAM, "xgroup-createconsumer", key);
        }
        worker.log_taken(db, &read.taken, now, read.position.map(|position| position.last_id));
        if let Some(position) = read.position {
            worker.log_position(db, position);
        }
        let is_dated = !read.taken.is_empty();
        if !is_dated && (read.has_created || read.position.is_some()) {
            worker.log_visit(db, now, None);
        }
    }
}

/// Has the stream anything that the group has yet to read?
fn has_new(entries: &Entries, group: &Group) -> bool {
    entries.top_id().is_some_and(|top| top > group.last_id)
}
