//! Finding the members of a geospatial index that are inside an area: GEOSEARCH, and GEORADIUS before it.

use super::super::call::{Call, is};
use super::super::limits;
use super::super::spec::flags::*;
use super::super::spec::key_flags::*;
use super::super::spec::{Arg, Command, CommandResult, KeySpec, Locks};
use super::super::zsets::store;
use super::GEO;
use super::query::{Form, Query};
use crate::resp::Argv;
use crate::types::geo::{Area, Unit};
use crate::types::zset::Zset;

const UNIT: Arg = Arg::oneof(
    "unit",
    &[Arg::flag("m", "m"), Arg::flag("km", "km"), Arg::flag("ft", "ft"), Arg::flag("mi", "mi")],
);
const FROM: Arg = Arg::oneof(
    "from",
    &[
        Arg::string("member").token("FROMMEMBER"),
        Arg::block("fromlonlat", &[Arg::double("longitude"), Arg::double("latitude")]).token("FROMLONLAT"),
    ],
);
const BY: Arg = Arg::oneof(
    "by",
    &[
        Arg::block("circle", &[Arg::double("radius").token("BYRADIUS"), UNIT]),
        Arg::block("box", &[Arg::double("width").token("BYBOX"), Arg::double("height"), UNIT]),
    ],
);
const ORDER: Arg = Arg::oneof("order", &[Arg::flag("asc", "ASC"), Arg::flag("desc", "DESC")]).optional();
const COUNT: Arg =
    Arg::block("count-block", &[Arg::integer("count").token("COUNT"), Arg::flag("any", "ANY").optional()])
        .optional();
/// The same for commands that are older than its ANY.
const COUNT_OR_ANY: Arg = Arg::block(
    "count-block",
    &[Arg::integer("count").token("COUNT"), Arg::flag("any", "ANY").optional().since("6.2.0")],
)
.optional();
const WITHCOORD: Arg = Arg::flag("withcoord", "WITHCOORD").optional();
const WITHDIST: Arg = Arg::flag("withdist", "WITHDIST").optional();
const WITHHASH: Arg = Arg::flag("withhash", "WITHHASH").optional();
const STORE: Arg = Arg::oneof(
    "store",
    &[Arg::key_of("storekey", 1).token("STORE"), Arg::key_of("storedistkey", 2).token("STOREDIST")],
)
.optional();

/// The commands that search.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "geosearch",
        since: "6.2.0",
        complexity: "O(N+log(M))",
        arity: -7,
        handler: geosearch,
        summary: "Returns the members of a geospatial index that are inside a circle or a rectangle.",
        flags: READONLY,
        keys: &[KeySpec::at(1, RO | ACCESS)],
        args: &[Arg::key("key"), FROM, BY, ORDER, COUNT, WITHCOORD, WITHDIST, WITHHASH],
        ..GEO
    },
    Command {
        name: "geosearchstore",
        since: "6.2.0",
        complexity: "O(N+log(M))",
        arity: -8,
        handler: geosearchstore,
        summary: "Stores the members of a geospatial index that are inside a circle or a rectangle.",
        flags: WRITE | DENYOOM,
        keys: &[KeySpec::at(1, OW | UPDATE), KeySpec::at(2, RO | ACCESS)],
        args: &[
            Arg::key("destination"),
            Arg::key_of("source", 1),
            FROM,
            BY,
            ORDER,
            COUNT,
            Arg::flag("storedist", "STOREDIST").optional(),
        ],
        ..GEO
    },
    Command {
        name: "georadius",
        since: "3.2.0",
        complexity: "O(N+log(M))",
        arity: -6,
        handler: georadius,
        summary: "Returns or stores the members of a geospatial index within a distance of a position.",
        flags: WRITE | DENYOOM,
        keys: &[
            KeySpec::at(1, RO | ACCESS),
            KeySpec::keyword("STORE", 6, OW | UPDATE),
            KeySpec::keyword("STOREDIST", 6, OW | UPDATE),
        ],
        deprecated_since: "6.2.0",
        replaced_by: "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` argument",
        args: &[
            Arg::key("key"),
            Arg::double("longitude"),
            Arg::double("latitude"),
            Arg::double("radius"),
            UNIT,
            WITHCOORD,
            WITHDIST,
            WITHHASH,
            COUNT_OR_ANY,
            ORDER,
            STORE,
        ],
        locks: Locks::KeysFound(keys_of),
        ..GEO
    },
    Command {
        name: "georadius_ro",
        since: "3.2.10",
        complexity: "O(N+log(M))",
        arity: -6,
        handler: georadius_ro,
        summary: "Returns the members of a geospatial index within a distance of a position.",
        flags: READONLY,
        keys: &[KeySpec::at(1, RO | ACCESS)],
        deprecated_since: "6.2.0",
        replaced_by: "`GEOSEARCH` with the `BYRADIUS` argument",
        args: &[
            Arg::key("key"),
            Arg::double("longitude"),
            Arg::double("latitude"),
            Arg::double("radius"),
            UNIT,
            WITHCOORD,
            WITHDIST,
            WITHHASH,
            COUNT_OR_ANY,
            ORDER,
        ],
        ..GEO
    },
    Command {
        name: "georadiusbymember",
        since: "3.2.0",
        complexity: "O(N+log(M))",
        arity: -5,
        handler: georadiusbymember,
        summary: "Returns or stores the members of a geospatial index within a distance of a member.",
        flags: WRITE | DENYOOM,
        keys: &[
            KeySpec::at(1, RO | ACCESS),
            KeySpec::keyword("STORE", 5, OW | UPDATE),
            KeySpec::keyword("STOREDIST", 5, OW | UPDATE),
        ],
        deprecated_since: "6.2.0",
        replaced_by: "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` and `FROMMEMBER` arguments",
        args: &[
            Arg::key("key"),
            Arg::string("member"),
            Arg::double("radius"),
            UNIT,
            WITHCOORD,
            WITHDIST,
            WITHHASH,
            COUNT,
            ORDER,
            STORE,
        ],
        locks: Locks::KeysFound(keys_of),
        ..GEO
    },
    Command {
        name: "georadiusbymember_ro",
        since: "3.2.10",
        complexity: "O(N+log(M))",
        arity: -5,
        handler: georadiusbymember_ro,
        summary: "Returns the members of a geospatial index within a distance of a member.",
        flags: READONLY,
        keys: &[KeySpec::at(1, RO | ACCESS)],
        deprecated_since: "6.2.0",
        replaced_by: "`GEOSEARCH` with the `BYRADIUS` and `FROMMEMBER` arguments",
        args: &[
            Arg::key("key"),
            Arg::string("member"),
            Arg::double("radius"),
            UNIT,
            WITHCOORD,
            WITHDIST,
            WITHHASH,
            COUNT,
            ORDER,
        ],
        ..GEO
    },
];
fn geosearch(call: &mut Call<'_>) -> CommandResult {
    search(call, Form::Search { is_stored: false })
}

fn geosearchstore(call: &mut Call<'_>) -> CommandResult {
    search(call, Form::Search { is_stored: true })
}

fn georadius(call: &mut Call<'_>) -> CommandResult {
    search(call, Form::Radius { by_member: false, can_store: true })
}

fn georadius_ro(call: &mut Call<'_>) -> CommandResult {
    search(call, Form::Radius { by_member: false, can_store: false })
}

fn georadiusbymember(call: &mut Call<'_>) -> CommandResult {
    search(call, Form::Radius { by_member: true, can_store: true })
}

fn georadiusbymember_ro(call: &mut Call<'_>) -> CommandResult {
    search(call, Form::Radius { by_member: true, can_store: false })
}

fn search(call: &mut Call<'_>, form: Form) -> CommandResult {
    let key = call.key(form.key());
    let slot = call.db.read(&key);
    if let Some(slot) = slot {
        call.db.typed::<Zset>(slot)?;
    }
    let query = Query::parse(call, form, slot)?;
    let limits = limits::zset(call.config, &call.db);
    let zset = slot.map(|slot| call.db.typed::<Zset>(slot)).transpose()?;
    let (found, unit) = match (zset, query.centre, query.shape) {
        (Some(zset), Some(centre), Some((shape, unit))) => {
            (query.find(zset, &Area { centre, shape, unit }), unit)
        }
        _ => (Vec::new(), Unit::M),
    };
    let Some(destination) = query.destination else {
        query.reply(&mut call.reply, &found, unit);
        return Ok(());
    };
    let result = query.stored(&found, unit, &limits);
    let destination = call.db.key(destination);
    let is_search = matches!(form, Form::Search { .. });
    store(call, &destination, result, if is_search { "geosearchstore" } else { "georadiusstore" });
    Ok(())
}

/// The key that GEORADIUS reads, and the one that it stores in.
fn keys_of(argv: Argv<'_>, visit: &mut dyn FnMut(usize)) {
    if argv.len() > 1 {
        visit(1);
    }
    stored_key(argv).into_iter().for_each(visit);
}

/// The key that GEORADIUS stores in: that of the last of its options, which need not be the first that a key spec finds.
fn stored_key(argv: Argv<'_>) -> Option<usize> {
    let (mut at, mut key) = (5, None);
    while at + 1 < argv.len() {
        if is(argv.get(at), "STORE") || is(argv.get(at), "STOREDIST") {
            at += 1;
            key = Some(at);
        }
        at += 1;
    }
    key
}
