//! The library `cjson`: JSON as lua-cjson 2.1 writes and reads it.
//!
//! The settings that its functions change hold until the end of the script.

mod decode;
mod encode;

use super::context::Context;
use super::stack::{Answer, Body, Kind, Raise, Stack};

/// The library.
pub const FUNCTIONS: &[(&str, Body)] = &[
    ("encode", encode::encode),
    ("decode", decode::decode),
    ("encode_sparse_array", encode_sparse_array),
    ("encode_max_depth", encode_max_depth),
    ("decode_max_depth", decode_max_depth),
    ("encode_number_precision", encode_number_precision),
    ("encode_keep_buffer", encode_keep_buffer),
    ("encode_invalid_numbers", encode_invalid_numbers),
    ("decode_invalid_numbers", decode_invalid_numbers),
    ("new", new),
];

/// Deeper than this nothing goes, whatever the settings say: every level takes a piece of the thread's stack.
const DEPTH_MAX: i32 = 2000;

/// What becomes of numbers that JSON does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invalid {
    /// An error.
    Off = 0,
    /// Their text.
    On = 1,
    /// null
    Null = 2,
}

/// What its functions set.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Sparse arrays become objects instead of errors.
    sparse_convert: bool,
    /// Arrays with more than so many places per element are sparse; 0: none are.
    sparse_ratio: i32,
    /// Arrays up to this length never are.
    sparse_safe: i32,
    encode_depth: i32,
    decode_depth: i32,
    precision: i32,
    keep_buffer: bool,
    encode_invalid: Invalid,
    decode_invalid: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            sparse_convert: false,
            sparse_ratio: 2,
            sparse_safe: 10,
            encode_depth: 1000,
            decode_depth: 1000,
            precision: 14,
            keep_buffer: true,
            encode_invalid: Invalid::Off,
            decode_invalid: true,
        }
    }
}

/// Sets what the library has besides functions.
pub fn add_values(stack: Stack) {
    stack.push_bytes(b"cjson");
    stack.set_field(-2, "_NAME");
    stack.push_bytes(b"2.1.0");
    stack.set_field(-2, "_VERSION");
    stack.push_null_pointer();
    stack.set_field(-2, "null");
}

/// Checks that there are no more arguments than this, and makes them so many.
fn arguments(stack: Stack, count: i32) {
    if stack.top() > count {
        stack.complain(count + 1, c"found too many arguments");
    }
    stack.set_top(count);
}

/// An optional integer argument between two bounds; its value afterwards is pushed.
fn integer_option(stack: Stack, context: &mut Context, argument: i32, value: i32, range: (i32, i32)) -> i32 {
    let mut value = value;
    if stack.kind(argument) != Kind::Nil {
        let wanted = stack.check_number(argument);
        if wanted < f64::from(range.0) || wanted > f64::from(range.1) {
            let text = &mut context.buffer;
            text.clear();
            text.extend_from_slice(b"expected integer between ");
            text.extend_from_slice(itoa::Buffer::new().format(range.0).as_bytes());
            text.extend_from_slice(b" and ");
            text.extend_from_slice(itoa::Buffer::new().format(range.1).as_bytes());
            stack.complain_about(1, text);
        }
        value = wanted as i32;
    }
    stack.push_number(f64::from(value));
    value
}

/// An optional choice: a boolean, or one of the words; its value afterwards is pushed.
fn choice(stack: Stack, context: &mut Context, argument: i32, value: usize, words: &[&str]) -> usize {
    let mut value = value;
    match stack.kind(argument) {
        Kind::Nil => {}
        Kind::Boolean => value = usize::from(stack.is_true(argument)),
        _ => {
            let word = stack.check_bytes(argument);
            match words.iter().position(|known| known.as_bytes() == word) {
                Some(found) => value = found,
                None => {
                    let text = &mut context.buffer;
                    text.clear();
                    text.extend_from_slice(b"invalid option '");
                    text.extend_from_slice(word);
                    text.push(b'\'');
                    stack.complain_about(argument, text);
                }
            }
        }
    }
    match (value, words.get(value)) {
        (2.., Some(word)) => stack.push_bytes(word.as_bytes()),
        _ => stack.push_boolean(value == 1),
    }
    value
}

fn encode_sparse_array(stack: Stack, context: &mut Context) -> Answer {
    arguments(stack, 3);
    let set = context.cjson;
    context.cjson.sparse_convert = choice(stack, context, 1, usize::from(set.sparse_convert), &[]) == 1;
    context.cjson.sparse_ratio = integer_option(stack, context, 2, set.sparse_ratio, (0, i32::MAX));
    context.cjson.sparse_safe = integer_option(stack, context, 3, set.sparse_safe, (0, i32::MAX));
    Ok(3)
}

fn encode_max_depth(stack: Stack, context: &mut Context) -> Answer {
    arguments(stack, 1);
    context.cjson.encode_depth = integer_option(stack, context, 1, context.cjson.encode_depth, (1, i32::MAX));
    Ok(1)
}

fn decode_max_depth(stack: Stack, context: &mut Context) -> Answer {
    arguments(stack, 1);
    context.cjson.decode_depth = integer_option(stack, context, 1, context.cjson.decode_depth, (1, i32::MAX));
    Ok(1)
}

fn encode_number_precision(stack: Stack, context: &mut Context) -> Answer {
    arguments(stack, 1);
    context.cjson.precision = integer_option(stack, context, 1, context.cjson.precision, (1, 14));
    Ok(1)
}

/// The buffer is kept between calls, and bounded, in any case.
fn encode_keep_buffer(stack: Stack, context: &mut Context) -> Answer {
    arguments(stack, 1);
    context.cjson.keep_buffer = choice(stack, context, 1, usize::from(context.cjson.keep_buffer), &[]) == 1;
    Ok(1)
}

fn encode_invalid_numbers(stack: Stack, context: &mut Context) -> Answer {
    arguments(stack, 1);
    let old = context.cjson.encode_invalid as usize;
    let new = choice(stack, context, 1, old, &["off", "on", "null"]);
    context.cjson.encode_invalid = [Invalid::Off, Invalid::On, Invalid::Null][new];
    Ok(1)
}

fn decode_invalid_numbers(stack: Stack, context: &mut Context) -> Answer {
    arguments(stack, 1);
    context.cjson.decode_invalid =
        choice(stack, context, 1, usize::from(context.cjson.decode_invalid), &["off", "on"]) == 1;
    Ok(1)
}

/// A library of its own. The settings are those of the script all the same.
fn new(stack: Stack, _context: &mut Context) -> Answer {
    stack.push_table(0, FUNCTIONS.len() + 3);
    for &(name, body) in FUNCTIONS {
        stack.push_body(body, 0);
        stack.set_field(-2, name);
    }
    add_values(stack);
    Ok(1)
}

/// The error of a text with numbers and words in it.
fn fail(context: &mut Context, parts: &[&[u8]]) -> Raise {
    context.message.clear();
    parts.iter().for_each(|part| context.message.extend_from_slice(part));
    Raise::Here
}
