//! DEBUG: what test suites need to provoke situations. Off unless `enable-debug-command` allows it.
//!
//! * It is no container in Redis's table, so its subcommands are not rows, and those that look at keys name them through
//!   [`Locks::KeysOfSubcommand`].
//! * DEBUG SLEEP stops the thread that runs it and nobody else: it holds no lock, and the monitor gives the worker's loop
//!   to another thread after about two milliseconds.
//! * What crashes, leaks or corrupts in Redis is not here.

mod values;

use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use super::call::{Call, is};
use super::error::CommandError;
use super::spec::flags::*;
use super::spec::{Command, CommandResult, Locks};
use crate::resp::{Protocol, Reply};
use crate::store::entry::Value;
use crate::store::object::Object;
use crate::util::glob::{self, Case};
use crate::util::log;

/// The family.
pub const COMMANDS: &[Command] = &[Command {
    name: "debug",
    since: "1.0.0",
    complexity: "Depends on subcommand.",
    group: "server",
    arity: -2,
    handler: debug,
    summary: "Provokes situations that tests need.",
    flags: ADMIN | NOSCRIPT | LOADING | STALE,
    locks: Locks::KeysOfSubcommand(&["digest-value", "listpack", "object", "sdslen"]),
    is_internal: true,
    ..Command::NONE
}];

/// Any number of words from so many on.
const OR_MORE: usize = 1 << 8;

type Handler = fn(&mut Call<'_>) -> CommandResult;

/// Subcommands: the name, the words of a call ([`OR_MORE`] may be added), the usage, what it does, the handler.
const SUBCOMMANDS: &[(&str, usize, &str, &str, Handler)] = &[
    (
        "cold",
        3,
        "COLD <0|1>",
        "Let every key leave RAM as soon as it is on disk (1), or only when RAM is needed (0).",
        cold,
    ),
    (
        "digest",
        2,
        "DIGEST",
        "Reply a digest of the whole dataset: the same for the same keys and values, on any server.",
        values::digest,
    ),
    (
        "digest-value",
        2 + OR_MORE,
        "DIGEST-VALUE <key> [<key> ...]",
        "Reply a digest of each value.",
        values::digest_value,
    ),
    ("error", 3, "ERROR <string>", "Reply <string> as an error, as it is.", error),
    ("help", 2, "HELP", "Print this help.", help),
    (
        "listpack",
        3,
        "LISTPACK <key>",
        "Write the elements of a listpack to the server's log.",
        values::listpack,
    ),
    ("log", 3, "LOG <message>", "Write <message> to the server's log.", write_log),
    ("object", 3, "OBJECT <key>", "Show how the value of <key> is kept.", values::object),
    (
        "protocol",
        3,
        "PROTOCOL <string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false>",
        "Reply a test value of that type.",
        protocol,
    ),
    (
        "reload",
        2 + OR_MORE,
        "RELOAD [NOSAVE] [NOFLUSH] [MERGE]",
        "Make a checkpoint (not with NOSAVE) and let all that is on disk leave RAM, to be loaded again.",
        values::reload,
    ),
    ("sdslen", 3, "SDSLEN <key>", "Show the lengths of <key> and of its value, a string.", sdslen),
    (
        "set-active-expire",
        3,
        "SET-ACTIVE-EXPIRE <0|1>",
        "Stop (0) or resume (1) removing expired keys that nobody accesses.",
        set_active_expire,
    ),
    (
        "sleep",
        3,
        "SLEEP <seconds>",
        "Keep this connection's command running for <seconds>, a decimal.",
        sleep,
    ),
    (
        "stringmatch-len",
        4,
        "STRINGMATCH-LEN <pattern> <string>",
        "Reply 1 if the glob-style <pattern> matches <string>, otherwise 0.",
        stringmatch,
    ),
];

fn debug(call: &mut Call<'_>) -> CommandResult {
    if !call.config.enable_debug_command.allows(call.client.info.endpoint.is_local) {
        return Err(CommandError::disabled("DEBUG", "enable-debug-command"));
    }
    let word = call.arg(1);
    let fits = |words: usize| match words.checked_sub(OR_MORE) {
        Some(least) => call.argv.len() >= least,
        None => call.argv.len() == words,
    };
    let found = SUBCOMMANDS.iter().find(|(name, words, ..)| is(word, name) && fits(*words));
    match found {
        Some((.., handler)) => handler(call),
        None => Err(CommandError::subcommand_syntax("debug", word)),
    }
}

fn help(call: &mut Call<'_>) -> CommandResult {
    call.reply.array(1 + 2 * SUBCOMMANDS.len());
    call.reply.simple("DEBUG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:");
    for (_, _, usage, summary, _) in SUBCOMMANDS {
        call.reply.simple(usage);
        call.reply.simple(&format!("    {summary}"));
    }
    Ok(())
}

fn error(call: &mut Call<'_>) -> CommandResult {
    call.reply.error(call.arg(2));
    Ok(())
}

fn write_log(call: &mut Call<'_>) -> CommandResult {
    let message = String::from_utf8_lossy(call.arg(2));
    // One message is one line, whatever a client puts into it.
    let message: String = message.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    log::warning(&format!("DEBUG LOG: {message}"));
    call.reply.ok();
    Ok(())
}

fn set_active_expire(call: &mut Call<'_>) -> CommandResult {
    let is_on = leading_number(call.arg(2)) != 0.0;
    call.state.active_expire.store(is_on, Ordering::Relaxed);
    call.reply.ok();
    Ok(())
}

fn cold(call: &mut Call<'_>) -> CommandResult {
    call.state.keyspace.keep_nothing(leading_number(call.arg(2)) != 0.0);
    call.reply.ok();
    Ok(())
}

fn stringmatch(call: &mut Call<'_>) -> CommandResult {
    let matches = glob::matches(call.arg(2), call.arg(3), Case::Sensitive);
    call.reply.integer(i64::from(matches));
    Ok(())
}

/// The longest sleep: a day.
const SLEEP_SECONDS_MAX: f64 = 86_400.0;

fn sleep(call: &mut Call<'_>) -> CommandResult {
    let seconds = leading_number(call.arg(2)).clamp(0.0, SLEEP_SECONDS_MAX);
    thread::sleep(Duration::from_secs_f64(seconds));
    call.client.took_long = true;
    call.reply.ok();
    Ok(())
}

/// The number that a text begins with, 0 when there is none: what C's `strtod` makes of usual input.
fn leading_number(text: &[u8]) -> f64 {
    let text = String::from_utf8_lossy(text);
    let text = text.trim_start();
    let is_part = |byte: &u8| byte.is_ascii_digit() || b"+-.eE".contains(byte);
    let mut length = text.bytes().take_while(is_part).count();
    while length > 0 {
        match text[..length].parse::<f64>() {
            Ok(number) => return number,
            Err(_) => length -= 1,
        }
    }
    0.0
}

fn sdslen(call: &mut Call<'_>) -> CommandResult {
    let slot = values::find(call)?;
    let entry = call.db.entry(slot);
    let (length, capacity) = match entry.value() {
        Value::Int(_) => return Err(CommandError::NOT_AN_SDS),
        Value::Bytes { bytes, .. } => (bytes.len(), bytes.len()),
        Value::Object(Object::String(bytes)) => (bytes.len(), bytes.capacity()),
        Value::Object(_) => return Err(CommandError::NOT_AN_SDS),
    };
    let (key, memory) = (entry.key().len(), entry.memory_bytes());
    let text = format!(
        "key_sds_len:{key}, key_sds_avail:0, key_zmalloc: {key}, val_sds_len:{length}, val_sds_avail:{}, \
         val_zmalloc: {}",
        capacity - length,
        memory.saturating_sub(key),
    );
    call.reply.simple(&text);
    Ok(())
}

/// The double of DEBUG PROTOCOL.
#[expect(clippy::approx_constant, reason = "Redis's test value is three digits, not pi")]
const TEST_DOUBLE: f64 = 3.141;

fn protocol(call: &mut Call<'_>) -> CommandResult {
    let is_resp2 = call.protocol() == Protocol::Resp2;
    let (kind, reply) = (call.arg(2), &mut call.reply);
    match kind.to_ascii_lowercase().as_slice() {
        b"string" => reply.bulk(b"Hello World"),
        b"integer" => reply.integer(12345),
        b"double" => reply.double(TEST_DOUBLE),
        b"bignum" => reply.big_number(b"1234567999999999999999999999999999999"),
        b"null" => reply.null(),
        b"array" => {
            reply.array(3);
            (0..3).for_each(|number| reply.integer(number));
        }
        b"set" => {
            reply.set(3);
            (0..3).for_each(|number| reply.integer(number));
        }
        b"map" => {
            reply.map(3);
            write_flags(reply, 3);
        }
        b"attrib" => {
            if reply.attribute(1) {
                reply.bulk(b"key-popularity");
                reply.array(2);
                reply.bulk(b"key:123");
                reply.integer(90);
            }
            reply.bulk(b"Some real reply following the attribute");
        }
        b"push" if is_resp2 => return Err(CommandError::RESP2_UNSUPPORTED),
        b"push" => {
            reply.push(2);
            reply.bulk(b"server-cpu-usage");
            reply.integer(42);
            // A push is no reply, so the command still owes one.
            reply.bulk(b"Some real reply following the push reply");
        }
        b"verbatim" => reply.verbatim("txt", b"This is a verbatim\nstring"),
        b"true" => reply.boolean(true),
        b"false" => reply.boolean(false),
        _ => return Err(CommandError::PROTOCOL_TYPE),
    }
    Ok(())
}

/// Writes `count` pairs of a number and whether it is odd.
fn write_flags(reply: &mut Reply<'_>, count: i64) {
    for number in 0..count {
        reply.integer(number);
        reply.boolean(number == 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_ends_where_the_text_goes_on() {
        for (text, number) in [
            ("1", 1.0),
            (" 0.25", 0.25),
            ("1e2x", 100.0),
            ("1e", 1.0),
            ("-3", -3.0),
            ("x", 0.0),
            ("", 0.0),
            ("inf", 0.0),
        ] {
            assert_eq!(leading_number(text.as_bytes()), number, "{text:?}");
        }
    }
}
