//! The world of a script: which globals it has, and that it can change none of them.
//!
//! * What a script sees as a table of ours (`_G`, `redis`, `string`, …) is a stand-in without content of its own: its metatable
//!   finds fields in the table behind it and refuses changes. Functions that pass metatables by (`rawset`, `table.insert`, …) look whether they
//!   are given a stand-in. The tables behind are out of reach.
//! * Nothing of Lua's is left that reaches files, the process, bytecode or the debugger, or that turns garbage collection off.

use super::context::{Context, Protected};
use super::random::Lrand48;
use super::stack::{Answer, Body, Check, Kind, Raise, Stack};
use super::state::State;
use super::{api, bit, cjson, cmsgpack, strings, structs, tables};
use crate::util::time::Monotonic;

/// Lua's own globals that scripts keep.
const KEPT: &[&str] = &[
    "assert",
    "collectgarbage",
    "coroutine",
    "error",
    "gcinfo",
    "getmetatable",
    "ipairs",
    "load",
    "loadstring",
    "math",
    "next",
    "pairs",
    "pcall",
    "rawequal",
    "rawget",
    "rawset",
    "select",
    "setmetatable",
    "string",
    "table",
    "tonumber",
    "tostring",
    "type",
    "unpack",
    "xpcall",
    "_VERSION",
    "_G",
];

/// Tables that are read-only, besides `_G`.
const TABLES: &[&str] =
    &["redis", "string", "table", "math", "coroutine", "os", "cjson", "cmsgpack", "struct", "bit"];

/// Functions of Lua that look at their arguments first: the table that has them, their name, and the look.
const GUARDED: &[(&str, &str, Check)] = &[
    ("_G", "next", read),
    ("_G", "rawget", read),
    ("_G", "rawset", change),
    ("_G", "setmetatable", change),
    ("_G", "getmetatable", show_metatable),
    ("_G", "loadstring", refuse_bytecode),
    ("_G", "collectgarbage", keep_collecting),
    ("table", "insert", change),
    ("table", "remove", change),
    ("table", "setn", change),
    ("string", "rep", strings::check_repetition),
];

/// `load` reads pieces until there is none, as Lua's does, and then is `loadstring`.
const LOAD: &[u8] = b"local loadstring, concat, error, type = ...
return function(reader, name)
  local pieces, count = {}, 0
  while true do
    local piece = reader()
    if piece == nil or piece == '' then break end
    if type(piece) ~= 'string' then error('reader function must return a string') end
    count = count + 1
    pieces[count] = piece
  end
  return loadstring(concat(pieces), name or '=(load)')
end";

/// Builds the world in an empty state. Called once, inside [`State::run`].
pub fn build(stack: Stack, context: &mut Context) -> Answer {
    State::open_libraries(stack);
    stack.push_table(0, 64);
    let world = stack.top();
    for name in KEPT {
        stack.push_globals();
        stack.push_field(-1, name);
        stack.set_field(world, name);
        stack.pop(1);
    }
    add_libraries(stack, world);
    for (table, name, check) in GUARDED {
        if *table == "_G" {
            stack.push_copy(world)
        } else {
            stack.push_field(world, table)
        }
        stack.push_field(-1, name);
        stack.guard_top(*check);
        stack.set_field(-2, name);
        stack.pop(1);
    }
    stack.push_field(world, "next");
    stack.push_globals();
    stack.push_field(-1, "next");
    stack.replace(-2);
    stack.push_body(pairs, 2);
    stack.set_field(world, "pairs");
    stack.push_body(pcall, 0);
    stack.set_field(world, "pcall");
    add_load(stack, world);
    protect_all(stack, context, world);
    add_function_worlds(stack, context, world);
    Ok(0)
}

/// Functions see what scripts see, but for KEYS and ARGV, which they are given, and some of `redis`. A library sees next to nothing while it is loaded.
fn add_function_worlds(stack: Stack, context: &mut Context, world: i32) {
    stack.push_table(0, 64);
    let functions = stack.top();
    stack.push_nil();
    while stack.next(world) {
        stack.push_copy(-2);
        stack.insert(-2);
        stack.set_pair(functions);
    }
    stack.push_table(0, api::FUNCTIONS.len() + 12);
    for &(name, body) in api::FUNCTIONS.iter().filter(|(name, _)| !api::OF_SCRIPTS.contains(name)) {
        stack.push_body(body, 0);
        stack.set_field(-2, name);
    }
    add_constants(stack);
    push_stand_in(stack, context, None);
    stack.set_field(functions, "redis");
    push_stand_in(stack, context, Some(missing_global));
    stack.push_copy(-1);
    let behind = context.protected[context.protected.len() - 1].table;
    stack.push_kept(behind);
    stack.insert(-2);
    stack.set_field(-2, "_G");
    context.function_world = stack.keep();
    stack.pop(1);

    stack.push_table(0, 1);
    stack.push_table(0, 16);
    for &(name, body) in api::LOADING {
        stack.push_body(body, 0);
        stack.set_field(-2, name);
    }
    add_constants(stack);
    push_stand_in(stack, context, Some(missing_global));
    stack.set_field(-2, "redis");
    stack.push_table(0, 1);
    stack.push_body(missing_global, 0);
    stack.set_field(-2, "__index");
    stack.set_metatable(-2);
    context.loading_world = stack.keep();
}

/// Gives the library's function on top globals of its own: those of loading until [`open_world`].
pub fn close_world(stack: Stack, context: &Context) -> i32 {
    stack.push_table(0, 0);
    stack.push_table(0, 3);
    stack.push_kept(context.loading_world);
    stack.set_field(-2, "__index");
    stack.push_body(refuse_change, 0);
    stack.set_field(-2, "__newindex");
    stack.push_boolean(false);
    stack.set_field(-2, "__metatable");
    stack.push_copy(-1);
    let metatable = stack.keep();
    stack.set_metatable(-2);
    stack.set_environment(-2);
    metatable
}

/// The library is loaded: its functions see the world of functions.
pub fn open_world(stack: Stack, context: &Context, metatable: i32) {
    stack.push_kept(metatable);
    stack.push_kept(context.function_world);
    stack.set_field(-2, "__index");
    stack.pop(1);
}

fn add_constants(stack: Stack) {
    for &(name, number) in api::NUMBERS {
        stack.push_number(f64::from(number));
        stack.set_field(-2, name);
    }
    stack.push_bytes(crate::REDIS_VERSION.as_bytes());
    stack.set_field(-2, "REDIS_VERSION");
    stack.push_number(f64::from(version_number()));
    stack.set_field(-2, "REDIS_VERSION_NUM");
}

fn add_libraries(stack: Stack, world: i32) {
    let libraries = [
        ("redis", api::FUNCTIONS),
        ("cjson", cjson::FUNCTIONS),
        ("cmsgpack", cmsgpack::FUNCTIONS),
        ("struct", structs::FUNCTIONS),
        ("bit", bit::FUNCTIONS),
        ("os", &[("clock", clock as Body)]),
    ];
    for (name, functions) in libraries {
        stack.push_table(0, functions.len() + 12);
        for &(function, body) in functions {
            stack.push_body(body, 0);
            stack.set_field(-2, function);
        }
        stack.set_field(world, name);
    }
    stack.push_field(world, "redis");
    add_constants(stack);
    stack.pop(1);
    let ours: [(&str, &[(&str, Body)]); 3] = [
        ("math", &[("random", random), ("randomseed", randomseed)]),
        ("string", strings::FUNCTIONS),
        ("table", tables::FUNCTIONS),
    ];
    for (name, functions) in ours {
        stack.push_field(world, name);
        for &(function, body) in functions {
            stack.push_body(body, 0);
            stack.set_field(-2, function);
        }
        stack.pop(1);
    }
    stack.push_field(world, "cjson");
    cjson::add_values(stack);
    stack.pop(1);
    stack.push_field(world, "cmsgpack");
    cmsgpack::add_values(stack);
    stack.pop(1);
}

/// `0x00MMmmpp`
fn version_number() -> u32 {
    crate::REDIS_VERSION.split('.').fold(0, |number, part| number << 8 | part.parse::<u32>().unwrap_or(0))
}

fn add_load(stack: Stack, world: i32) {
    if !stack.load(LOAD, c"=load") {
        return stack.pop(1);
    }
    stack.push_field(world, "loadstring");
    stack.push_field(world, "table");
    stack.push_field(-1, "concat");
    stack.replace(-2);
    stack.push_field(world, "error");
    stack.push_field(world, "type");
    stack.call(4, 1);
    stack.push_body(load, 1);
    stack.set_field(world, "load");
}

fn load(stack: Stack, _context: &mut Context) -> Answer {
    stack.check_function(1);
    stack.set_top(2);
    stack.push_copy(Stack::upvalue(2));
    stack.insert(1);
    stack.call(2, 2);
    Ok(2)
}

/// Lua's, but an error that is a table with a text is only the text: what scripts compared with before errors were tables. And a
/// run that has to end is not held up.
fn pcall(stack: Stack, context: &mut Context) -> Answer {
    stack.check_any(1);
    let is_done = stack.try_call_all(stack.top() - 1);
    if !is_done && context.end.is_some() {
        return Err(Raise::Top);
    }
    if !stack.has_room(1) {
        return Err(context.fail("stack overflow"));
    }
    if !is_done && stack.kind(-1) == Kind::Table {
        stack.push_field(-1, "err");
        if matches!(stack.kind(-1), Kind::String | Kind::Number) {
            stack.replace(-2);
        } else {
            stack.pop(1);
        }
    }
    stack.push_boolean(is_done);
    stack.insert(1);
    Ok(stack.top())
}

/// Puts stand-ins in the place of all our tables, and makes the last one the globals.
fn protect_all(stack: Stack, context: &mut Context, world: i32) {
    for name in TABLES {
        stack.push_field(world, name);
        push_stand_in(stack, context, None);
        if *name == "string" {
            // What scripts may see of the metatable of strings, whose own index is the table behind.
            stack.push_table(0, 1);
            stack.push_copy(-2);
            stack.set_field(-2, "__index");
            push_stand_in(stack, context, None);
            context.string_metatable = stack.keep();
        }
        stack.set_field(world, name);
    }
    stack.push_copy(world);
    push_stand_in(stack, context, Some(missing_global));
    stack.push_copy(-1);
    stack.set_field(world, "_G");
    stack.set_globals();
    context.world = context.protected[context.protected.len() - 1];
}

/// Replaces the table on top by a stand-in for it.
fn push_stand_in(stack: Stack, context: &mut Context, missing: Option<Body>) {
    let table = stack.top();
    if let Some(missing) = missing {
        stack.push_table(0, 1);
        stack.push_body(missing, 0);
        stack.set_field(-2, "__index");
        stack.set_metatable(table);
    }
    stack.push_table(0, 0);
    stack.push_table(0, 3);
    stack.push_copy(table);
    stack.set_field(-2, "__index");
    stack.push_body(refuse_change, 0);
    stack.set_field(-2, "__newindex");
    stack.push_boolean(false);
    stack.set_field(-2, "__metatable");
    stack.set_metatable(-2);
    let address = stack.address(-1);
    stack.push_copy(table);
    let kept = stack.keep();
    context.protected.push(Protected { address, table: kept });
    stack.replace(table);
}

/// Pushes the table behind the world of scripts.
pub fn push_world(stack: Stack, context: &Context) {
    stack.push_kept(context.world.table);
}

fn protected(stack: Stack, context: &Context, index: i32) -> Option<Protected> {
    if stack.kind(index) != Kind::Table {
        return None;
    }
    let address = stack.address(index);
    context.protected.iter().find(|protected| protected.address == address).copied()
}

fn refuse_change(_stack: Stack, context: &mut Context) -> Answer {
    Err(context.fail("Attempt to modify a readonly table"))
}

fn missing_global(stack: Stack, context: &mut Context) -> Answer {
    let Context { message, .. } = context;
    message.clear();
    message.extend_from_slice(b"Script attempted to access nonexistent global variable '");
    stack.push_copy(2);
    message.extend_from_slice(stack.bytes(-1));
    message.push(b'\'');
    Err(Raise::Here)
}

/// Refuses to change a table if it is a stand-in.
pub fn refuse_stand_in(stack: Stack, context: &mut Context, argument: i32) -> Result<(), Raise> {
    if protected(stack, context, argument).is_none() {
        return Ok(());
    }
    // Lua's own refusal inside a C function names no line.
    stack.push_bytes(b"Attempt to modify a readonly table");
    Err(Raise::Top)
}

fn change(stack: Stack, context: &mut Context) -> Result<Option<i32>, Raise> {
    refuse_stand_in(stack, context, 1).map(|()| None)
}

/// Reads the table behind in the place of the stand-in.
fn read(stack: Stack, context: &mut Context) -> Result<Option<i32>, Raise> {
    if let Some(protected) = protected(stack, context, 1) {
        stack.push_kept(protected.table);
        stack.replace(1);
    }
    Ok(None)
}

fn show_metatable(stack: Stack, context: &mut Context) -> Result<Option<i32>, Raise> {
    if stack.kind(1) == Kind::String {
        stack.push_kept(context.string_metatable);
        return Ok(Some(1));
    }
    let Some(found) = protected(stack, context, 1) else { return Ok(None) };
    // A script may know that looking up a global can fail, and how; it cannot change that.
    if found.address == context.world.address {
        stack.push_table(0, 1);
        stack.push_body(missing_global, 0);
        stack.set_field(-2, "__index");
    } else {
        stack.push_nil();
    }
    Ok(Some(1))
}

fn refuse_bytecode(stack: Stack, _context: &mut Context) -> Result<Option<i32>, Raise> {
    if stack.kind(1) != Kind::String || stack.bytes(1).first() != Some(&0x1b) {
        return Ok(None);
    }
    stack.push_nil();
    stack.push_bytes(b"bytecode is no text: unexpected symbol near 'char(27)'");
    Ok(Some(2))
}

fn keep_collecting(stack: Stack, _context: &mut Context) -> Result<Option<i32>, Raise> {
    if stack.kind(1) == Kind::String && !matches!(stack.bytes(1), b"collect" | b"count" | b"step") {
        stack.push_number(0.0);
        return Ok(Some(1));
    }
    Ok(None)
}

/// Ordinary tables are walked by Lua's own `next`, stand-ins by the guarded one.
fn pairs(stack: Stack, context: &mut Context) -> Answer {
    stack.check_table(1);
    let is_protected = protected(stack, context, 1).is_some();
    stack.push_copy(Stack::upvalue(if is_protected { 2 } else { 3 }));
    stack.push_copy(1);
    stack.push_nil();
    Ok(3)
}

fn clock(stack: Stack, _context: &mut Context) -> Answer {
    thread_local! {
        static BEGAN: Monotonic = Monotonic::now();
    }
    stack.push_number(BEGAN.with(|began| began.elapsed()).as_secs_f64());
    Ok(1)
}

fn random(stack: Stack, context: &mut Context) -> Answer {
    let fraction = context.random.fraction();
    match stack.top() {
        0 => stack.push_number(fraction),
        1 => {
            let upper = stack.check_number(1).trunc();
            if upper < 1.0 {
                stack.complain(1, c"interval is empty");
            }
            stack.push_number((fraction * upper).floor() + 1.0);
        }
        2 => {
            let (lower, upper) = (stack.check_number(1).trunc(), stack.check_number(2).trunc());
            if lower > upper {
                stack.complain(2, c"interval is empty");
            }
            stack.push_number((fraction * (upper - lower + 1.0)).floor() + lower);
        }
        _ => return Err(context.fail("wrong number of arguments")),
    }
    Ok(1)
}

fn randomseed(stack: Stack, context: &mut Context) -> Answer {
    let seed = stack.check_number(1);
    context.random = Lrand48::new(seed as i64 as i32);
    Ok(0)
}
