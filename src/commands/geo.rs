//! Geospatial indexes: sorted sets whose scores are positions.
//!
//! Here are the commands about single members; [`search`] finds those inside an area.

use super::call::{Call, is};
use super::error::CommandError;
use super::spec::flags::*;
use super::spec::key_flags::*;
use super::spec::{Arg, Command, CommandResult, KeySpec, category};
use super::zsets::add_elements;
use crate::resp::Reply;
use crate::types::geo::{self, Point, Unit};
use crate::types::zset::{Flags, Zset};
use crate::util::double;

mod query;
pub mod search;

/// What every command of the group shares.
const GEO: Command = Command { group: "geo", categories: category::GEO, ..Command::NONE };

/// The commands about single members.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "geoadd",
        since: "3.2.0",
        complexity: "O(log(N))",
        arity: -5,
        handler: geoadd,
        summary: "Adds positions to a geospatial index, which is a sorted set.",
        flags: WRITE | DENYOOM,
        keys: &[KeySpec::at(1, RW | UPDATE)],
        args: &[
            Arg::key("key"),
            Arg::oneof("condition", &[Arg::flag("nx", "NX"), Arg::flag("xx", "XX")])
                .optional()
                .since("6.2.0"),
            Arg::flag("change", "CH").optional().since("6.2.0"),
            Arg::block("data", &[Arg::double("longitude"), Arg::double("latitude"), Arg::string("member")])
                .multiple(),
        ],
        ..GEO
    },
    Command {
        name: "geopos",
        since: "3.2.0",
        complexity: "O(N)",
        arity: -2,
        handler: geopos,
        summary: "Tells the positions of members of a geospatial index.",
        flags: READONLY,
        keys: &[KeySpec::at(1, RO | ACCESS)],
        args: &[Arg::key("key"), Arg::string("member").optional().multiple()],
        ..GEO
    },
    Command {
        name: "geodist",
        since: "3.2.0",
        complexity: "O(log(N))",
        arity: -4,
        handler: geodist,
        summary: "Tells the distance between two members of a geospatial index.",
        flags: READONLY,
        keys: &[KeySpec::at(1, RO | ACCESS)],
        args: &[
            Arg::key("key"),
            Arg::string("member1"),
            Arg::string("member2"),
            Arg::oneof(
                "unit",
                &[Arg::flag("m", "m"), Arg::flag("km", "km"), Arg::flag("ft", "ft"), Arg::flag("mi", "mi")],
            )
            .optional(),
        ],
        ..GEO
    },
    Command {
        name: "geohash",
        since: "3.2.0",
        complexity: "O(log(N))",
        arity: -2,
        handler: geohash,
        summary: "Tells the positions of members of a geospatial index as standard geohashes.",
        flags: READONLY,
        keys: &[KeySpec::at(1, RO | ACCESS)],
        args: &[Arg::key("key"), Arg::string("member").optional().multiple()],
        ..GEO
    },
];

/// A longitude and a latitude.
fn point(longitude: &[u8], latitude: &[u8]) -> Result<Point, CommandError> {
    let longitude = double::parse(longitude).ok_or(CommandError::NOT_FLOAT)?;
    let latitude = double::parse(latitude).ok_or(CommandError::NOT_FLOAT)?;
    Point::new(longitude, latitude).ok_or_else(|| CommandError::coordinates(longitude, latitude))
}

fn unit(word: &[u8]) -> Result<Unit, CommandError> {
    Unit::parse(word).ok_or(CommandError::GEO_UNIT)
}

fn reply_point(reply: &mut Reply<'_>, point: Point) {
    reply.array(2);
    for degrees in [point.longitude(), point.latitude()] {
        let mut text = Vec::with_capacity(32);
        geo::push_coordinate(&mut text, degrees);
        reply.double_text(&text);
    }
}

/// A distance, already divided by its unit.
fn reply_distance(reply: &mut Reply<'_>, distance: f64) {
    let mut text = Vec::with_capacity(32);
    geo::push_distance(&mut text, distance);
    reply.bulk(&text);
}

fn geoadd(call: &mut Call<'_>) -> CommandResult {
    let (mut flags, mut first, mut counts_changes) = (Flags::default(), 2, false);
    while let Some(word) = call.argv.try_get(first) {
        match () {
            () if is(word, "NX") => flags.nx = true,
            () if is(word, "XX") => flags.xx = true,
            () if is(word, "CH") => counts_changes = true,
            () => break,
        }
        first += 1;
    }
    let words = call.argv.len() - first;
    if words == 0 || !words.is_multiple_of(3) || flags.nx && flags.xx {
        return Err(CommandError::SYNTAX);
    }
    let mut elements = Vec::with_capacity(words / 3);
    for at in (first..call.argv.len()).step_by(3) {
        let point = point(call.arg(at), call.arg(at + 1))?;
        elements.push((point.score(), call.arg(at + 2)));
    }
    let done = add_elements(call, elements.into_iter(), flags)?;
    call.reply.integer((if counts_changes { done.added + done.changed } else { done.added }) as i64);
    Ok(())
}

fn geopos(call: &mut Call<'_>) -> CommandResult {
    let (key, argv) = (call.key(1), call.argv);
    let zset = call.db.read_typed::<Zset>(&key)?;
    call.reply.array(argv.len() - 2);
    for member in argv.iter().skip(2) {
        match zset.and_then(|zset| zset.score(member)) {
            Some(score) => reply_point(&mut call.reply, Point::of_score(score)),
            None => call.reply.null_array(),
        }
    }
    Ok(())
}

fn geodist(call: &mut Call<'_>) -> CommandResult {
    let unit = match call.argv.len() {
        4 => Unit::M,
        5 => unit(call.arg(4))?,
        _ => return Err(CommandError::SYNTAX),
    };
    let (key, from, to) = (call.key(1), call.arg(2), call.arg(3));
    let zset = call.db.read_typed::<Zset>(&key)?;
    match zset.and_then(|zset| Some((zset.score(from)?, zset.score(to)?))) {
        Some((from, to)) => {
            let metres = Point::of_score(from).distance_m(Point::of_score(to));
            reply_distance(&mut call.reply, metres / unit.metres());
        }
        None => call.reply.null(),
    }
    Ok(())
}

fn geohash(call: &mut Call<'_>) -> CommandResult {
    let (key, argv) = (call.key(1), call.argv);
    let zset = call.db.read_typed::<Zset>(&key)?;
    call.reply.array(argv.len() - 2);
    for member in argv.iter().skip(2) {
        match zset.and_then(|zset| zset.score(member)) {
            Some(score) => call.reply.bulk(&Point::of_score(score).geohash()),
            None => call.reply.null(),
        }
    }
    Ok(())
}
