//! The table `redis` that scripts use.

use std::sync::atomic::Ordering;

use super::context::Context;
use super::convert::{push_error, push_reply};
use super::library;
use super::sha::sha1_hex;
use super::stack::{Answer, Body, Kind, Raise, Stack};
use crate::resp::{Argv, Protocol, Span};
use crate::util::general::push_general;

/// Functions of `redis`.
pub const FUNCTIONS: &[(&str, Body)] = &[
    ("call", call),
    ("pcall", pcall),
    ("log", log),
    ("sha1hex", sha1hex),
    ("error_reply", error_reply),
    ("status_reply", status_reply),
    ("setresp", setresp),
    ("set_repl", set_repl),
    ("replicate_commands", replicate_commands),
    ("breakpoint", breakpoint),
    ("debug", debug),
    ("acl_check_cmd", acl_check_cmd),
];

/// Those that only scripts have, not functions.
pub const OF_SCRIPTS: [&str; 3] = ["replicate_commands", "breakpoint", "debug"];

/// What a library may call while it is loaded.
pub const LOADING: &[(&str, Body)] = &[("register_function", library::register_function), ("log", log)];

/// Numbers of `redis`.
pub const NUMBERS: &[(&str, u32)] = &[
    ("LOG_DEBUG", 0),
    ("LOG_VERBOSE", 1),
    ("LOG_NOTICE", 2),
    ("LOG_WARNING", 3),
    ("REPL_NONE", 0),
    ("REPL_AOF", 1),
    ("REPL_SLAVE", 2),
    ("REPL_REPLICA", 2),
    ("REPL_ALL", 3),
];

/// Words and replies that are kept between commands take no more than this.
const KEPT_BYTES: usize = 64 * 1024;

/// Pushes an error as Redis words it: `ERR` in front.
fn raise(stack: Stack, text: &str) -> Raise {
    stack.push_table(0, 1);
    stack.push_bytes(b"ERR ");
    stack.push_bytes(text.as_bytes());
    stack.concat(2);
    stack.set_field(-2, "err");
    Raise::Top
}

fn call(stack: Stack, context: &mut Context) -> Answer {
    if run_command(stack, context) { Ok(1) } else { Err(Raise::Top) }
}

fn pcall(stack: Stack, context: &mut Context) -> Answer {
    if run_command(stack, context) || context.end.is_none() { Ok(1) } else { Err(Raise::Top) }
}

/// Runs the arguments as a command and pushes its reply. False: that is an error.
#[inline]
fn run_command(stack: Stack, context: &mut Context) -> bool {
    let Some(host) = context.host() else {
        raise(stack, "redis.call/pcall can only be called inside a script invocation");
        return false;
    };
    let count = stack.top();
    if count == 0 {
        raise(stack, "Please specify at least one argument for this redis lib call");
        return false;
    }
    if context.end.is_some() {
        raise(stack, "The script is stopped");
        return false;
    }
    if context.slot.killed.load(Ordering::Relaxed)
        && let Some(text) = context.tick()
    {
        stack.stop_soon();
        stack.push_bytes(text.as_bytes());
        return false;
    }
    if !take_words(stack, context, count) {
        raise(stack, "Lua redis lib command arguments must be strings or integers");
        return false;
    }
    context.replies.consume(context.replies.len());
    let argv = Argv::new(&context.words, &context.spans);
    if !host.call(argv, context.protocol, &mut context.replies) {
        context.end = Some(super::context::End::Stopped);
        raise(stack, "The script is stopped");
        return false;
    }
    if context.words.capacity() > KEPT_BYTES {
        context.words = Vec::new();
    }
    context.replies.gather(&mut context.whole);
    let reply = context.replies.contiguous(&context.whole);
    let is_error = reply.first() == Some(&b'-');
    push_reply(stack, reply);
    if is_error {
        // It has been counted, as the command's.
        stack.push_boolean(true);
        stack.set_field(-2, "ignore_error_stats_update");
    }
    if context.whole.capacity() > KEPT_BYTES {
        context.whole = Vec::new();
    }
    !is_error
}

/// Notes the arguments as the words of a command. False: one is neither a string nor a number.
#[inline]
fn take_words(stack: Stack, context: &mut Context, count: i32) -> bool {
    let Context { words, spans, .. } = context;
    words.clear();
    spans.clear();
    for position in 1..=count {
        let start = words.len();
        match stack.kind(position) {
            Kind::String => words.extend_from_slice(stack.bytes(position)),
            Kind::Number => push_number(words, stack.number(position)),
            _ => return false,
        }
        if words.len() > u32::MAX as usize {
            return false;
        }
        spans.push(Span::new(start, words.len()));
    }
    true
}

/// A number as an argument: whole ones as integers.
fn push_number(words: &mut Vec<u8>, number: f64) {
    const EXACT: f64 = (1u64 << 52) as f64;
    if number.fract() == 0.0 && number.abs() < EXACT && !(number == 0.0 && number.is_sign_negative()) {
        words.extend_from_slice(itoa::Buffer::new().format(number as i64).as_bytes());
    } else {
        push_general(words, number, 17);
    }
}

/// Only text may go into the server's log.
fn log(stack: Stack, context: &mut Context) -> Answer {
    let count = stack.top();
    if count < 2 {
        return Err(raise(stack, "redis.log() requires two arguments or more."));
    }
    if !stack.is_numeric(1) {
        return Err(raise(stack, "First argument must be a number (log level)."));
    }
    let level = stack.number(1);
    if !(0.0..=3.0).contains(&level) {
        return Err(raise(stack, "Invalid debug level."));
    }
    context.buffer.clear();
    for position in 2..=count {
        if matches!(stack.kind(position), Kind::String | Kind::Number) {
            if position > 2 {
                context.buffer.push(b' ');
            }
            context.buffer.extend_from_slice(stack.bytes(position));
        }
    }
    super::log_line(level as u8, &context.buffer);
    Ok(0)
}

fn sha1hex(stack: Stack, _context: &mut Context) -> Answer {
    if stack.top() != 1 {
        return Err(raise(stack, "wrong number of arguments"));
    }
    let hex = sha1_hex(stack.bytes(1));
    stack.push_bytes(&hex);
    Ok(1)
}

fn error_reply(stack: Stack, context: &mut Context) -> Answer {
    if stack.top() != 1 || stack.kind(-1) != Kind::String {
        raise(stack, "wrong number or type of arguments");
        return Ok(1);
    }
    context.buffer.clear();
    let text = stack.bytes(1);
    let text = text.strip_prefix(b"-").unwrap_or(text);
    if !text.contains(&b' ') {
        context.buffer.extend_from_slice(b"ERR ");
    }
    context.buffer.extend_from_slice(text);
    let end = context.buffer.iter().rposition(|byte| !matches!(byte, b'\r' | b'\n')).map_or(0, |at| at + 1);
    context.buffer.truncate(end);
    for byte in &mut context.buffer {
        if matches!(byte, b'\r' | b'\n') {
            *byte = b' ';
        }
    }
    push_error(stack, &context.buffer);
    Ok(1)
}

fn status_reply(stack: Stack, _context: &mut Context) -> Answer {
    if stack.top() != 1 || stack.kind(-1) != Kind::String {
        raise(stack, "wrong number or type of arguments");
        return Ok(1);
    }
    stack.push_table(0, 1);
    stack.push_copy(1);
    stack.set_field(-2, "ok");
    Ok(1)
}

fn setresp(stack: Stack, context: &mut Context) -> Answer {
    if context.host().is_none() {
        return Err(raise(stack, "redis.setresp can only be called inside a script invocation"));
    }
    if stack.top() != 1 {
        return Err(raise(stack, "redis.setresp() requires one argument."));
    }
    context.protocol = match stack.number(1) as i64 {
        2 => Protocol::Resp2,
        3 => Protocol::Resp3,
        _ => return Err(raise(stack, "RESP version must be 2 or 3.")),
    };
    Ok(0)
}

/// Changes cannot be kept out of the log: it is what the dataset is made of again after a crash. So the argument is checked,
/// and that is all.
fn set_repl(stack: Stack, context: &mut Context) -> Answer {
    if context.host().is_none() {
        return Err(raise(stack, "redis.set_repl can only be called inside a script invocation"));
    }
    if stack.top() != 1 {
        return Err(raise(stack, "redis.set_repl() requires two arguments."));
    }
    let flags = stack.number(1) as i64;
    if flags & !3 != 0 {
        let text = "Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.";
        return Err(raise(stack, text));
    }
    Ok(0)
}

fn replicate_commands(stack: Stack, _context: &mut Context) -> Answer {
    stack.push_boolean(true);
    Ok(1)
}

/// There is no debugger, so none is active.
fn breakpoint(stack: Stack, _context: &mut Context) -> Answer {
    stack.push_boolean(false);
    Ok(1)
}

fn debug(_stack: Stack, _context: &mut Context) -> Answer {
    Ok(0)
}

fn acl_check_cmd(stack: Stack, context: &mut Context) -> Answer {
    let Some(host) = context.host() else {
        return Err(raise(stack, "redis.acl_check_cmd can only be called inside a script invocation"));
    };
    let count = stack.top();
    if count == 0 {
        return Err(raise(stack, "Please specify at least one argument for this redis lib call"));
    }
    if !take_words(stack, context, count) {
        return Err(raise(stack, "redis.acl_check_cmd() command arguments must be strings or integers"));
    }
    match host.may_run(Argv::new(&context.words, &context.spans)) {
        Some(may) => stack.push_boolean(may),
        None => return Err(raise(stack, "Invalid command passed to redis.acl_check_cmd()")),
    }
    Ok(1)
}
