//! Replies as Lua values, and Lua values as replies.
//!
//! | reply | Lua | | Lua | RESP2 | RESP3 |
//! |---|---|---|---|---|---|
//! | integer | number | | number | integer, cut | the same |
//! | bulk | string | | string | bulk | the same |
//! | status, error | `{ok=…}`, `{err=…}` | | `{ok=…}`, `{err=…}` | status, error | the same |
//! | null (RESP3 null) | false (nil) | | nil; false | null | null; false |
//! | boolean | boolean | | true | 1 | true |
//! | double, big number | `{double=…}`, `{big_number=…}` | | the same | bulk | double, big number |
//! | map, set | `{map={…}}`, `{set={x=true}}` | | the same | array | map, set |
//! | verbatim | `{verbatim_string={format=…,string=…}}` | | the same | bulk | verbatim |
//!
//! Frames here may be skipped by an error of Lua (see [`stack`](super::stack)): they own nothing.

use memchr::memmem;

use super::stack::{Kind, Stack};
use crate::resp::{Protocol, Reply};
use crate::util::number::parse_i64;

/// The fields that make a table something else than an array, in the order in which they are looked for.
const MARKS: [&str; 7] = ["err", "ok", "double", "map", "set", "big_number", "verbatim_string"];

/// Places of Lua's stack beyond which no further table is replied: a table may hold itself, and each level takes some of the
/// thread's stack, too, which ends before Lua's does.
const PLACES_MAX: i32 = 1000;

/// Pushes a reply as Lua sees it. Returns how many bytes it took. It comes from a command, so it is well-formed.
pub fn push_reply(stack: Stack, reply: &[u8]) -> usize {
    if !stack.has_room(4) {
        stack.push_nil();
        return reply.len();
    }
    if let [b'$', length @ b'0'..=b'9', b'\r', b'\n', text @ ..] = reply {
        // Most replies are short texts.
        let length = usize::from(length - b'0').min(text.len());
        stack.push_bytes(&text[..length]);
        return (4 + length + 2).min(reply.len());
    }
    let end = memmem::find(reply, b"\r\n").unwrap_or(reply.len());
    let (line, next) = (&reply[1.min(end)..end], (end + 2).min(reply.len()));
    match reply.first() {
        Some(b':') => {
            stack.push_number(parse_i64(line).unwrap_or(0) as f64);
            next
        }
        Some(b'$') => push_bulk(stack, reply, line, next),
        Some(b'+') => push_field_table(stack, "ok", line, next),
        Some(b'-') => {
            push_error(stack, line);
            next
        }
        Some(b'*' | b'>') => push_array(stack, reply, line, next),
        Some(b'%') => push_pairs(stack, "map", reply, count(line), next),
        Some(b'~') => push_set(stack, reply, count(line), next),
        Some(b'#') => {
            stack.push_boolean(line == b"t");
            next
        }
        Some(b',') => {
            stack.push_table(0, 1);
            stack.push_number(crate::util::double::parse(line).unwrap_or(0.0));
            stack.set_field(-2, "double");
            next
        }
        Some(b'(') => push_field_table(stack, "big_number", line, next),
        Some(b'=') => push_verbatim(stack, reply, line, next),
        Some(b'|') => {
            let end = push_pairs(stack, "map", reply, count(line), next);
            stack.pop(1);
            end + push_reply(stack, &reply[end..])
        }
        _ => {
            stack.push_nil();
            next
        }
    }
}

fn count(line: &[u8]) -> usize {
    parse_i64(line).and_then(|count| usize::try_from(count).ok()).unwrap_or(0)
}

fn push_bulk(stack: Stack, reply: &[u8], line: &[u8], next: usize) -> usize {
    if line.first() == Some(&b'-') {
        stack.push_boolean(false);
        return next;
    }
    let end = (next + count(line)).min(reply.len());
    stack.push_bytes(&reply[next..end]);
    (end + 2).min(reply.len())
}

fn push_field_table(stack: Stack, field: &str, line: &[u8], next: usize) -> usize {
    stack.push_table(0, 1);
    stack.push_bytes(line);
    stack.set_field(-2, field);
    next
}

/// Pushes `{err=text}`.
pub fn push_error(stack: Stack, text: &[u8]) {
    stack.push_table(0, 1);
    stack.push_bytes(text);
    stack.set_field(-2, "err");
}

fn push_array(stack: Stack, reply: &[u8], line: &[u8], mut next: usize) -> usize {
    if line.first() == Some(&b'-') {
        stack.push_boolean(false);
        return next;
    }
    let count = count(line);
    stack.push_table(count, 0);
    for position in 1..=count {
        next += push_reply(stack, &reply[next..]);
        stack.set_element(-2, position as i32);
    }
    next
}

fn push_pairs(stack: Stack, field: &str, reply: &[u8], count: usize, mut next: usize) -> usize {
    stack.push_table(0, 1);
    stack.push_table(0, count);
    for _ in 0..count {
        next += push_reply(stack, &reply[next..]);
        next += push_reply(stack, &reply[next..]);
        stack.set_pair(-3);
    }
    stack.set_field(-2, field);
    next
}

fn push_set(stack: Stack, reply: &[u8], count: usize, mut next: usize) -> usize {
    stack.push_table(0, 1);
    stack.push_table(0, count);
    for _ in 0..count {
        next += push_reply(stack, &reply[next..]);
        stack.push_boolean(true);
        stack.set_pair(-3);
    }
    stack.set_field(-2, "set");
    next
}

fn push_verbatim(stack: Stack, reply: &[u8], line: &[u8], next: usize) -> usize {
    let end = (next + count(line)).min(reply.len());
    let text = &reply[next..end];
    stack.push_table(0, 1);
    stack.push_table(0, 2);
    stack.push_bytes(text.get(..3).unwrap_or_default());
    stack.set_field(-2, "format");
    stack.push_bytes(text.get(4..).unwrap_or_default());
    stack.set_field(-2, "string");
    stack.set_field(-2, "verbatim_string");
    (end + 2).min(reply.len())
}

/// Writes the value on top as a reply, and pops it.
///
/// Booleans are what they are only for a script that speaks RESP3 itself (`speaks`).
pub fn reply_with_top(stack: Stack, reply: &mut Reply<'_>, speaks: Protocol) {
    if stack.top() > PLACES_MAX || !stack.has_room(4) {
        reply.error("ERR reached lua stack limit");
        return stack.pop(1);
    }
    match stack.kind(-1) {
        Kind::String => reply.bulk(stack.bytes(-1)),
        Kind::Number => reply.integer(cut(stack.number(-1))),
        Kind::Boolean => match (speaks, stack.is_true(-1)) {
            (Protocol::Resp3, value) => reply.boolean(value),
            (Protocol::Resp2, true) => reply.integer(1),
            (Protocol::Resp2, false) => reply.null(),
        },
        Kind::Table => reply_with_table(stack, reply, speaks),
        _ => reply.null(),
    }
    stack.pop(1);
}

/// A number as the integer that C makes of it on this kind of machine.
pub fn cut(number: f64) -> i64 {
    const LIMIT: f64 = (1u64 << 63) as f64;
    if (-LIMIT..LIMIT).contains(&number) { number as i64 } else { i64::MIN }
}

fn reply_with_table(stack: Stack, reply: &mut Reply<'_>, speaks: Protocol) {
    // Most tables are arrays, and an array has an element 1 or no field at all.
    for mark in MARKS {
        stack.push_field(-1, mark);
        let is_done = match (mark, stack.kind(-1)) {
            ("err", Kind::String) => {
                reply.error(stack.bytes(-1));
                true
            }
            ("ok", Kind::String) => {
                reply.status(stack.bytes(-1));
                true
            }
            ("double", Kind::Number) => {
                reply.double(stack.number(-1));
                true
            }
            ("map", Kind::Table) => {
                reply_with_pairs(stack, reply, speaks);
                true
            }
            ("set", Kind::Table) => {
                reply_with_set(stack, reply, speaks);
                true
            }
            ("big_number", Kind::String) => {
                let is_end = |byte: u8| byte == b'\r' || byte == b'\n';
                let in_a_line = |&byte: &u8| if is_end(byte) { b' ' } else { byte };
                reply.big_number(&stack.bytes(-1).iter().map(in_a_line).collect::<Vec<u8>>());
                true
            }
            ("verbatim_string", Kind::Table) => reply_with_verbatim(stack, reply),
            _ => false,
        };
        stack.pop(1);
        if is_done {
            return;
        }
    }
    let mut count = 0;
    loop {
        stack.push_element(-1, count + 1);
        let is_end = stack.kind(-1) == Kind::Nil;
        stack.pop(1);
        if is_end {
            break;
        }
        count += 1;
    }
    reply.array(count as usize);
    for position in 1..=count {
        stack.push_element(-1, position);
        reply_with_top(stack, reply, speaks);
    }
}

fn entries(stack: Stack) -> usize {
    let mut count = 0;
    stack.push_nil();
    while stack.next(-2) {
        stack.pop(1);
        count += 1;
    }
    count
}

fn reply_with_pairs(stack: Stack, reply: &mut Reply<'_>, speaks: Protocol) {
    reply.map(entries(stack));
    stack.push_nil();
    while stack.next(-2) {
        // A copy of the key: replying pops it, and may turn a number into text in its place.
        stack.push_copy(-2);
        reply_with_top(stack, reply, speaks);
        reply_with_top(stack, reply, speaks);
    }
}

fn reply_with_set(stack: Stack, reply: &mut Reply<'_>, speaks: Protocol) {
    reply.set(entries(stack));
    stack.push_nil();
    while stack.next(-2) {
        stack.pop(1);
        stack.push_copy(-1);
        reply_with_top(stack, reply, speaks);
    }
}

fn reply_with_verbatim(stack: Stack, reply: &mut Reply<'_>) -> bool {
    stack.push_field(-1, "format");
    stack.push_field(-2, "string");
    let is_whole = stack.kind(-1) == Kind::String && stack.kind(-2) == Kind::String;
    if is_whole {
        let format = stack.bytes(-2);
        let format: [u8; 3] = std::array::from_fn(|at| format.get(at).copied().unwrap_or(b' '));
        reply.verbatim(std::str::from_utf8(&format).unwrap_or("txt"), stack.bytes(-1));
    }
    stack.pop(2);
    is_whole
}
