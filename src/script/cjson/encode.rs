//! Writing JSON.

use super::{DEPTH_MAX, Invalid, Settings, fail};
use crate::script::context::Context;
use crate::script::stack::{Answer, Kind, Stack};
use crate::util::general::push_general;

/// Why a value has no JSON.
enum Fault {
    /// This type, for this reason.
    Value(&'static str, &'static str),
    /// So many levels are too many.
    Depth(i32),
}

/// A buffer that one big value made grow is given back.
const KEPT_BYTES: usize = 64 * 1024;

/// `cjson.encode`
pub fn encode(stack: Stack, context: &mut Context) -> Answer {
    if stack.top() != 1 {
        stack.complain(1, c"expected 1 argument");
    }
    let settings = context.cjson;
    context.buffer.clear();
    if context.buffer.capacity() > KEPT_BYTES {
        context.buffer = Vec::new();
    }
    match put(stack, &settings, &mut context.buffer, 0) {
        Ok(()) => {
            stack.push_bytes(&context.buffer);
            Ok(1)
        }
        Err(Fault::Value(kind, reason)) => {
            Err(fail(context, &[b"Cannot serialise ", kind.as_bytes(), b": ", reason.as_bytes()]))
        }
        Err(Fault::Depth(depth)) => {
            let mut text = itoa::Buffer::new();
            let depth = text.format(depth).as_bytes();
            Err(fail(context, &[b"Cannot serialise, excessive nesting (", depth, b")"]))
        }
    }
}

/// Writes the value on top, which stays there.
fn put(stack: Stack, settings: &Settings, out: &mut Vec<u8>, depth: i32) -> Result<(), Fault> {
    match stack.kind(-1) {
        Kind::String => put_string(out, stack.bytes(-1)),
        Kind::Number => put_number(stack, settings, out, -1)?,
        Kind::Boolean => out.extend_from_slice(if stack.is_true(-1) { b"true" } else { b"false" }),
        Kind::Nil => out.extend_from_slice(b"null"),
        Kind::Pointer if stack.address(-1) == 0 => out.extend_from_slice(b"null"),
        Kind::Table => {
            let depth = depth + 1;
            if depth > settings.encode_depth.min(DEPTH_MAX) || !stack.has_room(4) {
                return Err(Fault::Depth(depth));
            }
            match array_length(stack, settings)? {
                Some(length) => put_array(stack, settings, out, depth, length)?,
                None => put_object(stack, settings, out, depth)?,
            }
        }
        _ => return Err(Fault::Value(stack.type_name(-1), "type not supported")),
    }
    Ok(())
}

/// The length of the table on top if it is an array. An empty table is none.
fn array_length(stack: Stack, settings: &Settings) -> Result<Option<i32>, Fault> {
    let (mut max, mut items) = (0.0f64, 0.0f64);
    stack.push_nil();
    while stack.next(-2) {
        stack.pop(1);
        let number = if stack.kind(-1) == Kind::Number { stack.number(-1) } else { 0.0 };
        if number < 1.0 || number.fract() != 0.0 || number > f64::from(i32::MAX) {
            stack.pop(1);
            return Ok(None);
        }
        max = max.max(number);
        items += 1.0;
    }
    let ratio = f64::from(settings.sparse_ratio);
    if ratio > 0.0 && max > items * ratio && max > f64::from(settings.sparse_safe) {
        if settings.sparse_convert {
            return Ok(None);
        }
        return Err(Fault::Value("table", "excessively sparse array"));
    }
    Ok((max > 0.0).then_some(max as i32))
}

fn put_array(
    stack: Stack,
    settings: &Settings,
    out: &mut Vec<u8>,
    depth: i32,
    length: i32,
) -> Result<(), Fault> {
    out.push(b'[');
    for position in 1..=length {
        if position > 1 {
            out.push(b',');
        }
        stack.push_element(-1, position);
        put(stack, settings, out, depth)?;
        stack.pop(1);
    }
    out.push(b']');
    Ok(())
}

fn put_object(stack: Stack, settings: &Settings, out: &mut Vec<u8>, depth: i32) -> Result<(), Fault> {
    out.push(b'{');
    let mut is_first = true;
    stack.push_nil();
    while stack.next(-2) {
        if !is_first {
            out.push(b',');
        }
        is_first = false;
        match stack.kind(-2) {
            Kind::Number => {
                out.push(b'"');
                put_number(stack, settings, out, -2)?;
                out.push(b'"');
            }
            Kind::String => put_string(out, stack.bytes(-2)),
            _ => return Err(Fault::Value(stack.type_name(-2), "table key must be a number or string")),
        }
        out.push(b':');
        put(stack, settings, out, depth)?;
        stack.pop(1);
    }
    out.push(b'}');
    Ok(())
}

fn put_number(stack: Stack, settings: &Settings, out: &mut Vec<u8>, index: i32) -> Result<(), Fault> {
    let number = stack.number(index);
    if !number.is_finite() {
        match settings.encode_invalid {
            Invalid::Off => return Err(Fault::Value("number", "must not be NaN or Inf")),
            Invalid::On if number.is_nan() => out.extend_from_slice(b"nan"),
            Invalid::On => push_general(out, number, 14),
            Invalid::Null => out.extend_from_slice(b"null"),
        }
        return Ok(());
    }
    push_general(out, number, settings.precision as usize);
    Ok(())
}

fn put_string(out: &mut Vec<u8>, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    for &byte in bytes {
        match byte {
            b'"' | b'\\' | b'/' => out.extend_from_slice(&[b'\\', byte]),
            8 => out.extend_from_slice(b"\\b"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\n' => out.extend_from_slice(b"\\n"),
            12 => out.extend_from_slice(b"\\f"),
            b'\r' => out.extend_from_slice(b"\\r"),
            0..32 | 127 => {
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
            }
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}
