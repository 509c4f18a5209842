//! Moving an element from list to list: LMOVE and RPOPLPUSH, and the same for clients that wait.

use super::blocking::{Nothing, Serving, Wait};
use super::call::Call;
use super::error::CommandError;
use super::limits;
use super::list_pops::{ENDS, popped, read_end};
use super::lists::{LIST, push_event};
use super::spec::flags::*;
use super::spec::key_flags::*;
use super::spec::{Arg, Command, CommandResult, KeySpec};
use crate::config::values::NotifyFlags;
use crate::resp::Reply;
use crate::store::{Db, Key};
use crate::types::list::{End, Limits, List};

/// What these have in common.
const MOVE: Command = Command {
    flags: WRITE | DENYOOM,
    keys: &[KeySpec::at(1, RW | ACCESS | DELETE), KeySpec::at(2, RW | INSERT)],
    ..LIST
};

/// The family.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "lmove",
        since: "6.2.0",
        arity: 5,
        handler: lmove,
        summary: "Moves an element from an end of one list to an end of another, and returns it.",
        args: &[
            Arg::key("source"),
            Arg::key_of("destination", 1),
            Arg::oneof("wherefrom", ENDS),
            Arg::oneof("whereto", ENDS),
        ],
        ..MOVE
    },
    Command {
        name: "rpoplpush",
        since: "1.2.0",
        arity: 3,
        handler: rpoplpush,
        summary: "Moves the last element of a list to the front of another, and returns it.",
        deprecated_since: "6.2.0",
        replaced_by: "`LMOVE` with the `RIGHT` and `LEFT` arguments",
        args: &[Arg::key("source"), Arg::key_of("destination", 1)],
        ..MOVE
    },
    Command {
        name: "blmove",
        since: "6.2.0",
        arity: 6,
        handler: blmove,
        summary: "Moves an element from an end of one list to an end of another, and waits for it if need be.",
        flags: WRITE | DENYOOM | BLOCKING,
        args: &[
            Arg::key("source"),
            Arg::key_of("destination", 1),
            Arg::oneof("wherefrom", ENDS),
            Arg::oneof("whereto", ENDS),
            Arg::double("timeout"),
        ],
        ..MOVE
    },
    Command {
        name: "brpoplpush",
        since: "2.2.0",
        arity: 4,
        handler: brpoplpush,
        summary: "Moves the last element of a list to the front of another, and waits for it if need be.",
        flags: WRITE | DENYOOM | BLOCKING,
        deprecated_since: "6.2.0",
        replaced_by: "`BLMOVE` with the `RIGHT` and `LEFT` arguments",
        args: &[Arg::key("source"), Arg::key_of("destination", 1), Arg::double("timeout")],
        ..MOVE
    },
];

/// Out of which end of the source, and in at which of the destination.
#[derive(Clone, Copy)]
struct Ends {
    from: End,
    to: End,
}

impl Ends {
    const RIGHT_TO_LEFT: Ends = Ends { from: End::Right, to: End::Left };

    fn read(call: &Call<'_>) -> Result<Self, CommandError> {
        Ok(Ends { from: read_end(call.arg(3))?, to: read_end(call.arg(4))? })
    }
}

fn lmove(call: &mut Call<'_>) -> CommandResult {
    let ends = Ends::read(call)?;
    move_now(call, ends)
}

fn rpoplpush(call: &mut Call<'_>) -> CommandResult {
    move_now(call, Ends::RIGHT_TO_LEFT)
}

fn move_now(call: &mut Call<'_>, ends: Ends) -> CommandResult {
    let (source, destination) = (call.key(1), call.key(2));
    let limits = limits::list(call.config);
    match shift(&mut call.db, &source, &destination, (ends, limits), &mut call.reply)? {
        Shifted::NoSource => call.reply.null(),
        Shifted::WrongDestination => return Err(CommandError::WRONG_TYPE),
        Shifted::Yes => {}
    }
    Ok(())
}

fn blmove(call: &mut Call<'_>) -> CommandResult {
    let ends = Ends::read(call)?;
    wait_and_move(call, ends, 5)
}

fn brpoplpush(call: &mut Call<'_>) -> CommandResult {
    wait_and_move(call, Ends::RIGHT_TO_LEFT, 3)
}

fn wait_and_move(call: &mut Call<'_>, ends: Ends, timeout_at: usize) -> CommandResult {
    let timeout_ms = call.timeout_ms(timeout_at)?;
    let destination: Box<[u8]> = call.arg(2).into();
    let serve = move |serving: &mut Serving<'_, '_, '_>| {
        let (source, destination) = (serving.key, serving.db.key(&destination));
        let limits = limits::list(serving.config);
        match shift(serving.db, &source, &destination, (ends, limits), serving.reply)? {
            Shifted::NoSource => return Ok(false),
            // That of the source would mean that there is nothing yet; this is the answer.
            Shifted::WrongDestination => serving.reply.error(CommandError::WRONG_TYPE.bytes()),
            Shifted::Yes => {
                let (from, to) = (end_word(ends.from), end_word(ends.to));
                serving.db.log_as(&[b"lmove", source.bytes, destination.bytes, from, to]);
            }
        }
        Ok(true)
    };
    call.block_on(Wait {
        keys: 1..2,
        timeout_ms,
        nothing: Nothing::Null,
        also: Some(2),
        serve: Box::new(serve),
    })
}

fn end_word(end: End) -> &'static [u8] {
    if end == End::Left { b"LEFT" } else { b"RIGHT" }
}

enum Shifted {
    Yes,
    NoSource,
    WrongDestination,
}

/// Moves an element and replies with it.
fn shift(
    db: &mut Db<'_>,
    source: &Key<'_>,
    destination: &Key<'_>,
    (Ends { from, to }, limits): (Ends, Limits),
    reply: &mut Reply<'_>,
) -> Result<Shifted, CommandError> {
    let Some(slot) = db.find_typed::<List>(source)? else { return Ok(Shifted::NoSource) };
    if source.bytes == destination.bytes {
        let edited = db.edit::<List, _>(source, slot, |list| {
            let moved = list.rotate(from, to, limits);
            moved.iter().for_each(|element| reply.bulk(element));
            ((), 1)
        });
        db.notify(NotifyFlags::LIST, push_event(to), source.bytes);
        popped(db, source, from, &edited);
        return Ok(Shifted::Yes);
    }
    let Ok(target) = db.find_typed::<List>(destination) else { return Ok(Shifted::WrongDestination) };
    let edited = db.edit::<List, _>(source, slot, |list| (list.pop(from, limits), 1));
    if let Some(element) = &edited.result {
        reply.bulk(element);
        db.edit_or_create(destination, target, List::new, |list| {
            list.push(to, std::iter::once(element.as_slice()), limits);
            ((), 1)
        });
    }
    // Redis tells of the push first.
    db.notify(NotifyFlags::LIST, push_event(to), destination.bytes);
    popped(db, source, from, &edited);
    Ok(Shifted::Yes)
}
