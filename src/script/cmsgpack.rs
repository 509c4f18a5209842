//! The library `cmsgpack`: MessagePack.

use super::context::Context;
use super::stack::{Answer, Body, Kind, Raise, Stack};

/// The library.
pub const FUNCTIONS: &[(&str, Body)] =
    &[("pack", pack), ("unpack", unpack), ("unpack_one", unpack_one), ("unpack_limit", unpack_limit)];

/// Tables inside tables beyond this become nil.
const PACK_DEPTH_MAX: usize = 16;
/// How deep unpacking goes.
const UNPACK_DEPTH_MAX: usize = 1000;

/// Sets what the library has besides functions.
pub fn add_values(stack: Stack) {
    for (name, text) in [
        ("_NAME", "cmsgpack"),
        ("_VERSION", "lua-cmsgpack 0.4.0"),
        ("_COPYRIGHT", "Copyright (C) 2012, Salvatore Sanfilippo"),
        ("_DESCRIPTION", "MessagePack C implementation for Lua"),
    ] {
        stack.push_bytes(text.as_bytes());
        stack.set_field(-2, name);
    }
}

fn pack(stack: Stack, context: &mut Context) -> Answer {
    let count = stack.top();
    if count == 0 {
        stack.complain(0, c"MessagePack pack needs input.");
    }
    context.buffer.clear();
    for argument in 1..=count {
        stack.push_copy(argument);
        pack_top(stack, &mut context.buffer, 0);
    }
    stack.push_bytes(&context.buffer);
    Ok(1)
}

/// Packs the value on top, and pops it.
fn pack_top(stack: Stack, out: &mut Vec<u8>, depth: usize) {
    match stack.kind(-1) {
        Kind::String => {
            let bytes = stack.bytes(-1);
            put_head(out, bytes.len(), [(31, 0xa0), (0xff, 0xd9)], 0xda);
            out.extend_from_slice(bytes);
        }
        Kind::Boolean => out.push(if stack.is_true(-1) { 0xc3 } else { 0xc2 }),
        Kind::Number => put_number(out, stack.number(-1)),
        Kind::Table if depth < PACK_DEPTH_MAX && stack.has_room(4) => pack_table(stack, out, depth),
        _ => out.push(0xc0),
    }
    stack.pop(1);
}

/// A length: in the first byte if it fits, else behind one of the heads for one, two or four bytes.
fn put_head(out: &mut Vec<u8>, length: usize, small: [(usize, u8); 2], two_bytes: u8) {
    let [(fits, base), (one_byte_max, one_byte)] = small;
    if length <= fits {
        out.push(base | length as u8);
    } else if length <= one_byte_max {
        out.extend_from_slice(&[one_byte, length as u8]);
    } else if length <= 0xffff {
        out.push(two_bytes);
        out.extend_from_slice(&(length as u16).to_be_bytes());
    } else {
        out.push(two_bytes + 1);
        out.extend_from_slice(&(length as u32).to_be_bytes());
    }
}

fn put_number(out: &mut Vec<u8>, number: f64) {
    const EXACT: f64 = (1u64 << 63) as f64;
    if number.fract() != 0.0 || !(-EXACT..EXACT).contains(&number) {
        let narrow = number as f32;
        if f64::from(narrow) == number {
            out.push(0xca);
            out.extend_from_slice(&narrow.to_bits().to_be_bytes());
        } else {
            out.push(0xcb);
            out.extend_from_slice(&number.to_bits().to_be_bytes());
        }
        return;
    }
    match number as i64 {
        n @ 0..=0x7f => out.push(n as u8),
        n @ 0x80..=0xff => out.extend_from_slice(&[0xcc, n as u8]),
        n @ 0x100..=0xffff => {
            out.push(0xcd);
            out.extend_from_slice(&(n as u16).to_be_bytes());
        }
        n @ 0x1_0000..=0xffff_ffff => {
            out.push(0xce);
            out.extend_from_slice(&(n as u32).to_be_bytes());
        }
        n @ 0x1_0000_0000.. => {
            out.push(0xcf);
            out.extend_from_slice(&n.to_be_bytes());
        }
        n @ -32..0 => out.push(n as u8),
        n @ -0x80..-32 => out.extend_from_slice(&[0xd0, n as u8]),
        n @ -0x8000..-0x80 => {
            out.push(0xd1);
            out.extend_from_slice(&(n as i16).to_be_bytes());
        }
        n @ -0x8000_0000..-0x8000 => {
            out.push(0xd2);
            out.extend_from_slice(&(n as i32).to_be_bytes());
        }
        n => {
            out.push(0xd3);
            out.extend_from_slice(&n.to_be_bytes());
        }
    }
}

fn pack_table(stack: Stack, out: &mut Vec<u8>, depth: usize) {
    if let Some(length) = array_length(stack) {
        put_head(out, length, [(15, 0x90), (0, 0)], 0xdc);
        for position in 1..=length {
            stack.push_element(-1, position as i32);
            pack_top(stack, out, depth + 1);
        }
        return;
    }
    let mut length = 0;
    stack.push_nil();
    while stack.next(-2) {
        stack.pop(1);
        length += 1;
    }
    put_head(out, length, [(15, 0x80), (0, 0)], 0xde);
    stack.push_nil();
    while stack.next(-2) {
        stack.push_copy(-2);
        pack_top(stack, out, depth + 1);
        pack_top(stack, out, depth + 1);
    }
}

/// The length of the table on top if its keys are 1 … n.
fn array_length(stack: Stack) -> Option<usize> {
    let (top, mut count, mut max) = (stack.top(), 0usize, 0.0f64);
    stack.push_nil();
    while stack.next(-2) {
        stack.pop(1);
        let number = if stack.kind(-1) == Kind::Number { stack.number(-1) } else { 0.0 };
        if number <= 0.0 || number.fract() != 0.0 || number > f64::from(i32::MAX) {
            stack.set_top(top);
            return None;
        }
        max = max.max(number);
        count += 1;
    }
    (max == count as f64).then_some(count)
}

fn unpack(stack: Stack, context: &mut Context) -> Answer {
    unpack_some(stack, context, None, 0)
}

fn unpack_one(stack: Stack, context: &mut Context) -> Answer {
    let offset = optional_integer(stack, 2);
    unpack_some(stack, context, Some(1), offset)
}

fn unpack_limit(stack: Stack, context: &mut Context) -> Answer {
    let limit = stack.check_number(2) as i64;
    let offset = optional_integer(stack, 3);
    if limit == 0 && offset == 0 {
        return unpack_some(stack, context, None, 0);
    }
    unpack_some(stack, context, Some(limit), offset)
}

fn optional_integer(stack: Stack, argument: i32) -> i64 {
    if matches!(stack.kind(argument), Kind::None | Kind::Nil) {
        0
    } else {
        stack.check_number(argument) as i64
    }
}

/// Why bytes are no MessagePack.
enum Fault {
    Missing,
    Bad,
    Deep,
}

fn unpack_some(stack: Stack, context: &mut Context, limit: Option<i64>, offset: i64) -> Answer {
    let bytes = stack.check_bytes(1);
    if offset < 0 || limit.is_some_and(|limit| limit < 0) {
        return Err(with_numbers(
            context,
            "Invalid request to unpack with offset of ",
            offset,
            " and limit of ",
            bytes.len(),
        ));
    }
    if offset as usize > bytes.len() {
        return Err(with_numbers(
            context,
            "Start offset ",
            offset,
            " greater than input length ",
            bytes.len(),
        ));
    }
    // The text stays in its place: only what is above counts as results.
    stack.set_top(1);
    let mut rest = &bytes[offset as usize..];
    let mut count = 0;
    while !rest.is_empty() && limit.is_none_or(|limit| count < limit) {
        match push_value(stack, &mut rest, 0) {
            Ok(()) => count += 1,
            Err(Fault::Missing) => return Err(context.fail("Missing bytes in input.")),
            Err(Fault::Bad) => return Err(context.fail("Bad data format in input.")),
            Err(Fault::Deep) => {
                let text = "stack overflow (too many return values at once; use unpack_one or unpack_limit instead.)";
                return Err(context.fail(text));
            }
        }
    }
    if limit.is_some() {
        let next = if rest.is_empty() { -1.0 } else { (bytes.len() - rest.len()) as f64 };
        stack.push_number(next);
        stack.insert(2);
        count += 1;
    }
    Ok(count as i32)
}

fn with_numbers(context: &mut Context, first: &str, number: i64, second: &str, length: usize) -> Raise {
    let Context { message, .. } = context;
    message.clear();
    message.extend_from_slice(first.as_bytes());
    message.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
    message.extend_from_slice(second.as_bytes());
    message.extend_from_slice(itoa::Buffer::new().format(length).as_bytes());
    message.push(b'.');
    Raise::Here
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Result<&'a [u8], Fault> {
    let (taken, left) = rest.split_at_checked(count).ok_or(Fault::Missing)?;
    *rest = left;
    Ok(taken)
}

fn take_number(rest: &mut &[u8], bytes: usize) -> Result<u64, Fault> {
    Ok(take(rest, bytes)?.iter().fold(0, |number, &byte| number << 8 | u64::from(byte)))
}

fn push_value(stack: Stack, rest: &mut &[u8], depth: usize) -> Result<(), Fault> {
    if depth > UNPACK_DEPTH_MAX || !stack.has_room(4) {
        return Err(Fault::Deep);
    }
    let head = take(rest, 1)?[0];
    match head {
        0x00..=0x7f => stack.push_number(f64::from(head)),
        0xe0..=0xff => stack.push_number(f64::from(head as i8)),
        0xc0 => stack.push_nil(),
        0xc2 | 0xc3 => stack.push_boolean(head == 0xc3),
        0xca => stack.push_number(f64::from(f32::from_bits(take_number(rest, 4)? as u32))),
        0xcb => stack.push_number(f64::from_bits(take_number(rest, 8)?)),
        0xcc..=0xcf => stack.push_number(take_number(rest, 1 << (head - 0xcc))? as f64),
        0xd0 => stack.push_number(f64::from(take_number(rest, 1)? as i8)),
        0xd1 => stack.push_number(f64::from(take_number(rest, 2)? as i16)),
        0xd2 => stack.push_number(f64::from(take_number(rest, 4)? as i32)),
        0xd3 => stack.push_number(take_number(rest, 8)? as i64 as f64),
        0xa0..=0xbf => stack.push_bytes(take(rest, usize::from(head & 31))?),
        0xd9..=0xdb | 0xc4..=0xc6 => {
            let width = 1 << (if head >= 0xd9 { head - 0xd9 } else { head - 0xc4 });
            let length = take_number(rest, width)? as usize;
            stack.push_bytes(take(rest, length)?);
        }
        0x90..=0x9f => push_array(stack, rest, u64::from(head & 15), depth)?,
        0xdc | 0xdd => {
            let length = take_number(rest, 2 << (head - 0xdc))?;
            push_array(stack, rest, length, depth)?;
        }
        0x80..=0x8f => push_map(stack, rest, u64::from(head & 15), depth)?,
        0xde | 0xdf => {
            let length = take_number(rest, 2 << (head - 0xde))?;
            push_map(stack, rest, length, depth)?;
        }
        _ => return Err(Fault::Bad),
    }
    Ok(())
}

fn push_array(stack: Stack, rest: &mut &[u8], length: u64, depth: usize) -> Result<(), Fault> {
    stack.push_table(0, 0);
    for position in 1..=length {
        push_value(stack, rest, depth + 1)?;
        stack.set_element(-2, position as i32);
    }
    Ok(())
}

fn push_map(stack: Stack, rest: &mut &[u8], length: u64, depth: usize) -> Result<(), Fault> {
    stack.push_table(0, 0);
    for _ in 0..length {
        push_value(stack, rest, depth + 1)?;
        push_value(stack, rest, depth + 1)?;
        stack.set_pair(-3);
    }
    Ok(())
}
