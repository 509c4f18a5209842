//! Union, intersection and difference of sorted sets, and of sets, whose members have the score 1.

use super::super::call::{Call, is};
use super::super::error::CommandError;
use super::super::limits;
use super::super::spec::flags::*;
use super::super::spec::key_flags::*;
use super::super::spec::{Arg, Command, CommandResult, KeySpec};
use super::{SORTED_SET, Shape, store};
use crate::store::object::Object;
use crate::store::{Db, Slot, WrongType};
use crate::types::set::Set;
use crate::types::zset::Zset;
use crate::types::zset::combine::{self, Aggregate, Input, Source};
use crate::util::double;
use crate::util::number::parse_i64;

const WEIGHTS: Arg = Arg::integer("weight").token("WEIGHTS").optional().multiple();
const AGGREGATE: Arg =
    Arg::oneof("aggregate", &[Arg::flag("sum", "SUM"), Arg::flag("min", "MIN"), Arg::flag("max", "MAX")])
        .token("AGGREGATE")
        .optional();

/// The commands that combine sets.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "zunion",
        since: "6.2.0",
        complexity: "O(N)+O(M*log(M))",
        arity: -3,
        handler: zunion,
        summary: "Returns the union of sorted sets.",
        flags: READONLY,
        keys: &[KeySpec::counted(1, RO | ACCESS)],
        args: &[
            Arg::integer("numkeys"),
            Arg::key("key").multiple(),
            WEIGHTS,
            AGGREGATE,
            Arg::flag("withscores", "WITHSCORES").optional(),
        ],
        ..SORTED_SET
    },
    Command {
        name: "zinter",
        since: "6.2.0",
        complexity: "O(N*K)+O(M*log(M))",
        arity: -3,
        handler: zinter,
        summary: "Returns the intersection of sorted sets.",
        flags: READONLY,
        keys: &[KeySpec::counted(1, RO | ACCESS)],
        args: &[
            Arg::integer("numkeys"),
            Arg::key("key").multiple(),
            WEIGHTS,
            AGGREGATE,
            Arg::flag("withscores", "WITHSCORES").optional(),
        ],
        ..SORTED_SET
    },
    Command {
        name: "zdiff",
        since: "6.2.0",
        complexity: "O(L + (N-K)log(N))",
        arity: -3,
        handler: zdiff,
        summary: "Returns what the first of several sorted sets has and no other one.",
        flags: READONLY,
        keys: &[KeySpec::counted(1, RO | ACCESS)],
        args: &[
            Arg::integer("numkeys"),
            Arg::key("key").multiple(),
            Arg::flag("withscores", "WITHSCORES").optional(),
        ],
        ..SORTED_SET
    },
    Command {
        name: "zunionstore",
        since: "2.0.0",
        complexity: "O(N)+O(M log(M))",
        arity: -4,
        handler: zunionstore,
        summary: "Stores the union of sorted sets.",
        flags: WRITE | DENYOOM,
        keys: &[KeySpec::at(1, OW | UPDATE), KeySpec::counted(2, RO | ACCESS)],
        args: &[
            Arg::key("destination"),
            Arg::integer("numkeys"),
            Arg::key_of("key", 1).multiple(),
            WEIGHTS,
            AGGREGATE,
        ],
        ..SORTED_SET
    },
    Command {
        name: "zinterstore",
        since: "2.0.0",
        complexity: "O(N*K)+O(M*log(M))",
        arity: -4,
        handler: zinterstore,
        summary: "Stores the intersection of sorted sets.",
        flags: WRITE | DENYOOM,
        keys: &[KeySpec::at(1, OW | UPDATE), KeySpec::counted(2, RO | ACCESS)],
        args: &[
            Arg::key("destination"),
            Arg::integer("numkeys"),
            Arg::key_of("key", 1).multiple(),
            WEIGHTS,
            AGGREGATE,
        ],
        ..SORTED_SET
    },
    Command {
        name: "zdiffstore",
        since: "6.2.0",
        complexity: "O(L + (N-K)log(N))",
        arity: -4,
        handler: zdiffstore,
        summary: "Stores what the first of several sorted sets has and no other one.",
        flags: WRITE | DENYOOM,
        keys: &[KeySpec::at(1, OW | UPDATE), KeySpec::counted(2, RO | ACCESS)],
        args: &[Arg::key("destination"), Arg::integer("numkeys"), Arg::key_of("key", 1).multiple()],
        ..SORTED_SET
    },
    Command {
        name: "zintercard",
        since: "7.0.0",
        complexity: "O(N*K)",
        arity: -3,
        handler: zintercard,
        summary: "Counts the members that all of several sorted sets have.",
        flags: READONLY,
        keys: &[KeySpec::counted(1, RO | ACCESS)],
        args: &[
            Arg::integer("numkeys"),
            Arg::key("key").multiple(),
            Arg::integer("limit").token("LIMIT").optional(),
        ],
        ..SORTED_SET
    },
];

/// What is made of the inputs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Operation {
    Union,
    Intersection,
    Difference,
    /// The number of elements of the intersection.
    Count,
}

/// What was asked for.
struct Query {
    operation: Operation,
    /// The inputs in their order; `None` is a key that does not exist.
    slots: Vec<Option<Slot>>,
    /// As many, or none: all are 1.
    weights: Vec<f64>,
    aggregate: Aggregate,
    with_scores: bool,
    is_stored: bool,
    /// The most elements that are counted.
    limit: usize,
}

impl Query {
    /// Reads `numkeys key …` from argument `numkeys` on, and the options; looks the keys up.
    fn parse(
        call: &mut Call<'_>,
        numkeys: usize,
        operation: Operation,
        is_stored: bool,
    ) -> Result<Self, CommandError> {
        let count = parse_i64(call.arg(numkeys)).ok_or(CommandError::NOT_INTEGER)?;
        if count < 1 {
            return Err(CommandError::no_input_key(call.command.name()));
        }
        let first = numkeys + 1;
        let count = usize::try_from(count).ok().filter(|&count| count <= call.argv.len() - first);
        let count = count.ok_or(CommandError::SYNTAX)?;
        let mut slots = Vec::with_capacity(count);
        for position in first..first + count {
            let key = call.key(position);
            let slot = call.db.read(&key);
            slot.map(|slot| source(&call.db, slot).map(|_| ())).transpose()?;
            slots.push(slot);
        }
        let (weights, aggregate) = (Vec::new(), Aggregate::Sum);
        let mut query =
            Query { operation, slots, weights, aggregate, with_scores: false, is_stored, limit: usize::MAX };
        query.read_options(call, first + count)?;
        Ok(query)
    }

    fn read_options(&mut self, call: &Call<'_>, first: usize) -> CommandResult {
        let has_scores = matches!(self.operation, Operation::Union | Operation::Intersection);
        let counts = self.operation == Operation::Count;
        let keys = self.slots.len();
        let mut words = call.words(first);
        while let Some(word) = words.next() {
            match () {
                () if has_scores && words.left() >= keys && is(word, "WEIGHTS") => {
                    self.weights.clear();
                    for _ in 0..keys {
                        let weight = double::parse(words.value()?);
                        self.weights.push(weight.ok_or(CommandError::WEIGHT_NOT_FLOAT)?);
                    }
                }
                () if has_scores && words.left() >= 1 && is(word, "AGGREGATE") => {
                    self.aggregate = aggregate_of(words.value()?).ok_or(CommandError::SYNTAX)?;
                }
                () if !self.is_stored && !counts && is(word, "WITHSCORES") => self.with_scores = true,
                () if counts && words.left() >= 1 && is(word, "LIMIT") => {
                    let limit = parse_i64(words.value()?).and_then(|limit| usize::try_from(limit).ok());
                    let limit = limit.ok_or(CommandError::LIMIT_NEGATIVE)?;
                    self.limit = if limit == 0 { usize::MAX } else { limit };
                }
                () => return Err(CommandError::SYNTAX),
            }
        }
        Ok(())
    }

    fn inputs<'a>(&self, db: &'a Db<'_>) -> Result<Vec<Input<'a>>, CommandError> {
        let mut inputs = Vec::with_capacity(self.slots.len());
        for (index, slot) in self.slots.iter().enumerate() {
            let source = slot.map(|slot| source(db, slot)).transpose()?;
            inputs.push(Input { source, weight: self.weights.get(index).copied().unwrap_or(1.0) });
        }
        Ok(inputs)
    }

    fn combine(&self, call: &Call<'_>) -> Result<Zset, CommandError> {
        let inputs = self.inputs(&call.db)?;
        let mut limits = limits::zset(call.config, &call.db);
        if !self.is_stored {
            // In a listpack −0 would be 0, and the reply shows it.
            limits.listpack_entries = 0;
        }
        Ok(match self.operation {
            Operation::Union => combine::union(&inputs, self.aggregate, &limits),
            Operation::Intersection | Operation::Count => {
                combine::intersection(&inputs, self.aggregate, &limits)
            }
            Operation::Difference => combine::difference(&inputs, &limits),
        })
    }
}

fn aggregate_of(word: &[u8]) -> Option<Aggregate> {
    match () {
        () if is(word, "SUM") => Some(Aggregate::Sum),
        () if is(word, "MIN") => Some(Aggregate::Min),
        () if is(word, "MAX") => Some(Aggregate::Max),
        () => None,
    }
}

/// The sorted set or set in a slot.
fn source<'a>(db: &'a Db<'_>, slot: Slot) -> Result<&'a dyn Source, WrongType> {
    match db.typed::<Zset>(slot) {
        Ok(zset) => Ok(zset),
        Err(WrongType) => db.typed::<Set>(slot).map(|set| set as &dyn Source),
    }
}

fn zunion(call: &mut Call<'_>) -> CommandResult {
    reply_combined(call, Operation::Union)
}

fn zinter(call: &mut Call<'_>) -> CommandResult {
    reply_combined(call, Operation::Intersection)
}

fn zdiff(call: &mut Call<'_>) -> CommandResult {
    reply_combined(call, Operation::Difference)
}

fn reply_combined(call: &mut Call<'_>, operation: Operation) -> CommandResult {
    let query = Query::parse(call, 1, operation, false)?;
    let result = query.combine(call)?;
    let shape = Shape::of(query.with_scores, call.reply.protocol());
    shape.begin(&mut call.reply, result.len());
    for (member, score) in result.iter(0..result.len()) {
        shape.element(&mut call.reply, member, score);
    }
    call.db.discard(Object::Zset(result));
    Ok(())
}

fn zunionstore(call: &mut Call<'_>) -> CommandResult {
    store_combined(call, Operation::Union, "zunionstore")
}

fn zinterstore(call: &mut Call<'_>) -> CommandResult {
    store_combined(call, Operation::Intersection, "zinterstore")
}

fn zdiffstore(call: &mut Call<'_>) -> CommandResult {
    store_combined(call, Operation::Difference, "zdiffstore")
}

fn store_combined(call: &mut Call<'_>, operation: Operation, event: &'static str) -> CommandResult {
    let query = Query::parse(call, 2, operation, true)?;
    let result = query.combine(call)?;
    let destination = call.key(1);
    store(call, &destination, result, event);
    Ok(())
}

fn zintercard(call: &mut Call<'_>) -> CommandResult {
    let query = Query::parse(call, 1, Operation::Count, false)?;
    let count = combine::intersection_len(&query.inputs(&call.db)?, query.limit);
    call.reply.integer(count as i64);
    Ok(())
}
