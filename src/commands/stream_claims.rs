//! What consumers have got and not acknowledged: XACK, XPENDING, XCLAIM and XAUTOCLAIM.

use super::call::{Call, is};
use super::error::CommandError;
use super::spec::flags::*;
use super::spec::key_flags::*;
use super::spec::{Arg, Command, CommandResult, KeySpec};
use super::stream_effects::{Position, Taken, Worker};
use super::streams::{STREAM, end_of, id_of, reply_entry, reply_id, start_of};
use crate::config::values::NotifyFlags;
use crate::resp::Reply;
use crate::store::{Slot, UnixMs};
use crate::types::stream::{AutoClaim, Claim, Claimed, Group, Stream, StreamId};
use crate::util::number::parse_i64;

/// The family.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "xack",
        complexity: "O(1) for each message ID processed.",
        arity: -4,
        handler: xack,
        summary: "Tells a group that entries need not be delivered again, and how many were pending.",
        flags: WRITE | FAST,
        args: &[Arg::key("key"), Arg::string("group"), Arg::string("ID").multiple()],
        ..STREAM
    },
    Command {
        name: "xpending",
        complexity: "O(N) with N being the number of elements returned, so asking for a small fixed number of entries per call is O(1). O(M), where M is the total number of entries scanned when used with the IDLE filter. When the command returns just the summary and the list of consumers is small, it runs in O(1) time; otherwise, an additional O(N) time for iterating every consumer.",
        arity: -3,
        handler: xpending,
        summary: "Tells what is pending in a group: how much, or entry by entry.",
        flags: READONLY,
        keys: &[KeySpec::at(1, RO | ACCESS)],
        tips: &["nondeterministic_output"],
        args: &[
            Arg::key("key"),
            Arg::string("group"),
            Arg::block(
                "filters",
                &[
                    Arg::integer("min-idle-time").token("IDLE").optional().since("6.2.0"),
                    Arg::string("start"),
                    Arg::string("end"),
                    Arg::integer("count"),
                    Arg::string("consumer").optional(),
                ],
            )
            .optional(),
        ],
        ..STREAM
    },
    Command {
        name: "xclaim",
        complexity: "O(log N) with N being the number of messages in the PEL of the consumer group.",
        arity: -6,
        handler: xclaim,
        summary: "Gives entries that are pending for other consumers of a group to one of them.",
        flags: WRITE | FAST,
        tips: &["nondeterministic_output"],
        args: &[
            Arg::key("key"),
            Arg::string("group"),
            Arg::string("consumer"),
            Arg::string("min-idle-time"),
            Arg::string("ID").multiple(),
            Arg::integer("ms").token("IDLE").optional(),
            Arg::unix_time("unix-time-milliseconds").token("TIME").optional(),
            Arg::integer("count").token("RETRYCOUNT").optional(),
            Arg::flag("force", "FORCE").optional(),
            Arg::flag("justid", "JUSTID").optional(),
            Arg::string("lastid").token("LASTID").optional(),
        ],
        ..STREAM
    },
    Command {
        name: "xautoclaim",
        since: "6.2.0",
        complexity: "O(1) if COUNT is small.",
        arity: -6,
        handler: xautoclaim,
        summary: "Gives what has been pending for long in a group to one of its consumers.",
        flags: WRITE | FAST,
        keys: &[KeySpec::at(1, RW | DELETE)],
        tips: &["nondeterministic_output"],
        args: &[
            Arg::key("key"),
            Arg::string("group"),
            Arg::string("consumer"),
            Arg::string("min-idle-time"),
            Arg::string("start"),
            Arg::integer("count").token("COUNT").optional(),
            Arg::flag("justid", "JUSTID").optional(),
        ],
        ..STREAM
    },
];

fn xack(call: &mut Call<'_>) -> CommandResult {
    let (key, name, ids) = (call.key(1), call.arg(2), call.argv.skip(3));
    let slot = call.db.read(&key);
    let group = match slot {
        Some(slot) => call.db.typed::<Stream>(slot)?.groups.get(name),
        None => None,
    };
    let (Some(slot), Some(_)) = (slot, group) else {
        call.reply.integer(0);
        return Ok(());
    };
    ids.iter().try_for_each(|word| id_of(word).map(|_| ()))?;
    let acknowledged = call.db.edit_quietly(&key, slot, |stream: &mut Stream| {
        let Some(mut group) = stream.groups.get_mut(name) else { return (0, 0) };
        let ids = ids.iter().filter_map(|word| StreamId::parse(word, 0));
        let acknowledged = ids.filter(|id| group.acknowledge(*id)).count();
        (acknowledged, acknowledged as u64)
    });
    call.reply.integer(acknowledged as i64);
    Ok(())
}

/// The entries that XPENDING is asked for.
struct Filter<'a> {
    min_idle_ms: u64,
    start: StreamId,
    end: StreamId,
    count: usize,
    consumer: Option<&'a [u8]>,
}

impl<'a> Filter<'a> {
    /// Reads `[IDLE ms] start end count [consumer]`. As in Redis, more words than that are ignored.
    fn read(call: &Call<'a>) -> Result<Option<Self>, CommandError> {
        let words = call.argv.len();
        if words == 3 {
            return Ok(None);
        }
        if !(6..=9).contains(&words) {
            return Err(CommandError::SYNTAX);
        }
        let (mut at, mut min_idle_ms) = (3, 0);
        if is(call.arg(3), "IDLE") {
            min_idle_ms = call.int(4)?.max(0) as u64;
            if words < 8 {
                return Err(CommandError::SYNTAX);
            }
            at = 5;
        }
        let count = call.int(at + 2)?.max(0) as usize;
        let (start, end) = (start_of(call.arg(at))?, end_of(call.arg(at + 1))?);
        Ok(Some(Filter { min_idle_ms, start, end, count, consumer: call.argv.try_get(at + 3) }))
    }
}

fn xpending(call: &mut Call<'_>) -> CommandResult {
    let filter = Filter::read(call)?;
    let (key, name, now) = (call.key(1), call.arg(2), call.db.now());
    let stream = call.db.read_typed::<Stream>(&key)?;
    let group = stream.and_then(|stream| stream.groups.get(name));
    let group = group.ok_or_else(|| CommandError::no_key_or_group(key.bytes, name))?;
    match filter {
        None => reply_summary(&mut call.reply, group),
        Some(filter) => reply_pending(&mut call.reply, group, &filter, now),
    }
    Ok(())
}

fn reply_summary(reply: &mut Reply<'_>, group: &Group) {
    reply.array(4);
    reply.integer(group.pending_len() as i64);
    let Some((first, last)) = group.pending_ends() else {
        reply.null();
        reply.null();
        reply.null_array();
        return;
    };
    reply_id(reply, first);
    reply_id(reply, last);
    let array = reply.begin();
    let mut len = 0;
    for (_, consumer) in group.consumers().filter(|(_, consumer)| consumer.pending_len() > 0) {
        reply.array(2);
        reply.bulk(consumer.name());
        reply.bulk_integer(consumer.pending_len() as i64);
        len += 1;
    }
    reply.end_array(array, len);
}

fn reply_pending(reply: &mut Reply<'_>, group: &Group, filter: &Filter<'_>, now: UnixMs) {
    let consumer = filter.consumer.map(|name| group.find(name));
    if consumer == Some(None) {
        return reply.array(0);
    }
    let array = reply.begin();
    let mut len = 0;
    let between = group.pending_between(filter.start, filter.end, consumer.flatten());
    let idle_ms = |delivered: UnixMs| now.0.saturating_sub(delivered.0);
    let idle = between.filter(|(_, pending)| idle_ms(pending.delivered) >= filter.min_idle_ms);
    for (id, pending) in idle.take(filter.count) {
        reply.array(4);
        reply_id(reply, id);
        reply.bulk(group.consumer(pending.consumer()).name());
        reply.integer(idle_ms(pending.delivered) as i64);
        reply.integer(pending.deliveries as i64);
        len += 1;
    }
    reply.end_array(array, len);
}

/// The words of XCLAIM behind the consumer's name.
#[derive(Default)]
struct Options {
    min_idle_ms: u64,
    ids: Vec<StreamId>,
    /// By IDLE or TIME.
    delivered_ms: Option<i64>,
    deliveries: Option<u64>,
    force: bool,
    just_id: bool,
    last_id: Option<StreamId>,
}

impl Options {
    fn read(call: &Call<'_>) -> Result<Self, CommandError> {
        let min_idle = parse_i64(call.arg(4)).ok_or(CommandError::XCLAIM_MIN_IDLE)?;
        let mut options = Options { min_idle_ms: min_idle.max(0) as u64, ..Options::default() };
        // What is no id is an option, and so is all behind it.
        options.ids.extend(call.argv.skip(5).iter().map_while(|word| StreamId::parse(word, 0)));
        let mut words = call.words(5 + options.ids.len());
        while let Some(word) = words.next() {
            let has_value = words.left() > 0;
            let mut number = |error| words.value().and_then(|word| parse_i64(word).ok_or(error));
            match () {
                () if is(word, "FORCE") => options.force = true,
                () if is(word, "JUSTID") => options.just_id = true,
                () if is(word, "IDLE") && has_value => {
                    let idle_ms = number(CommandError::XCLAIM_IDLE)?;
                    options.delivered_ms = Some((call.db.now().0 as i64).wrapping_sub(idle_ms));
                }
                () if is(word, "TIME") && has_value => {
                    options.delivered_ms = Some(number(CommandError::XCLAIM_TIME)?);
                }
                () if is(word, "RETRYCOUNT") && has_value => {
                    options.deliveries = u64::try_from(number(CommandError::XCLAIM_RETRY_COUNT)?).ok();
                }
                () if is(word, "LASTID") && has_value => options.last_id = Some(id_of(words.value()?)?),
                () => return Err(CommandError::xclaim_option(word)),
            }
        }
        Ok(options)
    }

    /// When it happens and when the entries shall have been delivered, a time in the past. A replayed claim happened when it
    /// says.
    fn times(&self, now: UnixMs) -> (UnixMs, UnixMs) {
        let given = self.delivered_ms.and_then(|ms| u64::try_from(ms).ok()).map(UnixMs);
        match given {
            Some(given) if now.0 == 0 => (given, given),
            given => (now, given.filter(|given| *given <= now).unwrap_or(now)),
        }
    }
}

/// The stream and the group that a claim names, which must exist.
fn group_slot(call: &mut Call<'_>) -> Result<Slot, CommandError> {
    let (key, name) = (call.key(1), call.arg(2));
    if let Some(slot) = call.db.read(&key)
        && call.db.typed::<Stream>(slot)?.groups.get(name).is_some()
    {
        return Ok(slot);
    }
    Err(CommandError::no_key_or_group(key.bytes, name))
}

/// What a claim did.
#[derive(Default)]
struct Done {
    has_created: bool,
    has_moved_on: bool,
    taken: Vec<Taken>,
    gone: Vec<StreamId>,
}

impl Done {
    fn changes(&self) -> u64 {
        (self.taken.len() + self.gone.len()) as u64
            + u64::from(self.has_created)
            + u64::from(self.has_moved_on)
    }
}

fn xclaim(call: &mut Call<'_>) -> CommandResult {
    let slot = group_slot(call)?;
    let options = Options::read(call)?;
    let (key, name, consumer) = (call.key(1), call.arg(2), call.arg(3));
    let now = call.db.now();
    let (happened, delivered) = options.times(now);
    let Options { min_idle_ms, deliveries, force, just_id, .. } = options;
    let claim = Claim { min_idle_ms, delivered, deliveries, force, just_id };
    let reply = &mut call.reply;
    let (done, position) = call.db.edit_quietly(&key, slot, |stream: &mut Stream| {
        let Stream { entries, groups } = stream;
        let mut group = groups.get_mut(name).expect("the group was looked up");
        let mut done = Done::default();
        if let Some(last) = options.last_id.filter(|last| *last > group.last_id) {
            group.last_id = last;
            done.has_moved_on = true;
        }
        let id;
        (id, done.has_created) = group.visit(consumer, happened);
        let active_before = group.consumer(id).active();
        let array = reply.begin();
        for entry_id in &options.ids {
            match group.claim(entries, id, *entry_id, &claim, happened) {
                Claimed::No => {}
                Claimed::Gone => done.gone.push(*entry_id),
                Claimed::Yes => {
                    let deliveries = group.pending(*entry_id).map_or(0, |pending| pending.deliveries);
                    done.taken.push(Taken { id: *entry_id, deliveries });
                    match entries.get(*entry_id).filter(|_| !just_id) {
                        Some(entry) => reply_entry(reply, &entry),
                        None => reply_id(reply, *entry_id),
                    }
                }
            }
        }
        reply.end_array(array, done.taken.len());
        // A replayed claim dates its consumer as `stream_effects` says.
        if now.0 == 0 {
            let active = options.last_id.map(|_| happened).or(active_before);
            group.date(id, happened, active);
        }
        let changes = done.changes();
        ((done, Position::of(&group)), changes)
    });
    let worker = Worker { key: key.bytes, group: name, consumer };
    log(call, &worker, &done, delivered, position);
    Ok(())
}

/// Logs a claim of entries that were delivered at `delivered` from then on.
fn log(call: &mut Call<'_>, worker: &Worker<'_>, done: &Done, delivered: UnixMs, position: Position) {
    let now = call.db.now();
    let db = &mut call.db;
    if done.has_created {
        db.notify(NotifyFlags::STREAM, "xgroup-createconsumer", worker.key);
    }
    if done.changes() == 0 {
        return;
    }
    worker.log_gone(db, &done.gone);
    worker.log_taken(db, &done.taken, delivered, Some(position.last_id));
    if done.has_moved_on && done.taken.is_empty() {
        worker.log_position(db, position);
    }
    if done.taken.is_empty() || delivered != now {
        worker.log_visit(db, now, (!done.taken.is_empty()).then_some(position.last_id));
    }
}

/// `COUNT` of XAUTOCLAIM without the option.
const COUNT_DEFAULT: usize = 100;
/// The greatest `COUNT`: so many ids fit a C `long`.
const COUNT_MAX: i64 = i64::MAX / 16;

/// The words of XAUTOCLAIM behind the consumer's name.
fn read_auto_claim(call: &Call<'_>) -> Result<AutoClaim, CommandError> {
    let min_idle = parse_i64(call.arg(4)).ok_or(CommandError::XAUTOCLAIM_MIN_IDLE)?;
    let (min_idle_ms, start) = (min_idle.max(0) as u64, start_of(call.arg(5))?);
    let mut options = AutoClaim { start, count: COUNT_DEFAULT, min_idle_ms, just_id: false };
    let mut words = call.words(6);
    while let Some(word) = words.next() {
        if is(word, "COUNT") && words.left() > 0 {
            let count = parse_i64(words.value()?).filter(|count| (1..=COUNT_MAX).contains(count));
            options.count = count.ok_or(CommandError::XAUTOCLAIM_COUNT)? as usize;
        } else if is(word, "JUSTID") {
            options.just_id = true;
        } else {
            return Err(CommandError::SYNTAX);
        }
    }
    Ok(options)
}

fn xautoclaim(call: &mut Call<'_>) -> CommandResult {
    let options = read_auto_claim(call)?;
    let slot = group_slot(call)?;
    let (key, name, consumer) = (call.key(1), call.arg(2), call.arg(3));
    let now = call.db.now();
    let reply = &mut call.reply;
    let (done, position) = call.db.edit_quietly(&key, slot, |stream: &mut Stream| {
        let Stream { entries, groups } = stream;
        let mut group = groups.get_mut(name).expect("the group was looked up");
        let (id, has_created) = group.visit(consumer, now);
        let mut done = Done { has_created, ..Done::default() };
        let claimed = group.auto_claim(entries, id, &options, now, |entry, pending| {
            done.taken.push(Taken { id: entry.id, deliveries: pending.deliveries });
        });
        done.gone = claimed.gone;
        reply.array(3);
        reply_id(reply, claimed.next);
        reply.array(done.taken.len());
        for taken in &done.taken {
            match entries.get(taken.id).filter(|_| !options.just_id) {
                Some(entry) => reply_entry(reply, &entry),
                None => reply_id(reply, taken.id),
            }
        }
        reply.array(done.gone.len());
        done.gone.iter().for_each(|id| reply_id(reply, *id));
        let changes = done.changes();
        ((done, Position::of(&group)), changes)
    });
    let worker = Worker { key: key.bytes, group: name, consumer };
    log(call, &worker, &done, now, position);
    Ok(())
}
