//! The library `bit`: operations on the lowest 32 bits of numbers, with signed results.

use super::context::Context;
use super::stack::{Answer, Body, Kind, Stack};

/// The library.
pub const FUNCTIONS: &[(&str, Body)] = &[
    ("tobit", tobit),
    ("bnot", bnot),
    ("band", band),
    ("bor", bor),
    ("bxor", bxor),
    ("lshift", lshift),
    ("rshift", rshift),
    ("arshift", arshift),
    ("rol", rol),
    ("ror", ror),
    ("bswap", bswap),
    ("tohex", tohex),
];

/// The 32 bits of an argument: rounded to even, modulo 2³².
fn bits(stack: Stack, argument: i32) -> u32 {
    // Adding this moves the units to the lowest bit of the fraction.
    const SHIFT: f64 = 6_755_399_441_055_744.0;
    (stack.check_number(argument) + SHIFT).to_bits() as u32
}

fn answer(stack: Stack, bits: u32) -> Answer {
    stack.push_number(f64::from(bits as i32));
    Ok(1)
}

fn tobit(stack: Stack, _: &mut Context) -> Answer {
    answer(stack, bits(stack, 1))
}

fn bnot(stack: Stack, _: &mut Context) -> Answer {
    answer(stack, !bits(stack, 1))
}

fn fold(stack: Stack, combine: fn(u32, u32) -> u32) -> Answer {
    let mut all = bits(stack, 1);
    for argument in 2..=stack.top() {
        all = combine(all, bits(stack, argument));
    }
    answer(stack, all)
}

fn band(stack: Stack, _: &mut Context) -> Answer {
    fold(stack, |a, b| a & b)
}

fn bor(stack: Stack, _: &mut Context) -> Answer {
    fold(stack, |a, b| a | b)
}

fn bxor(stack: Stack, _: &mut Context) -> Answer {
    fold(stack, |a, b| a ^ b)
}

fn shift(stack: Stack, operation: fn(u32, u32) -> u32) -> Answer {
    let value = bits(stack, 1);
    answer(stack, operation(value, bits(stack, 2) & 31))
}

fn lshift(stack: Stack, _: &mut Context) -> Answer {
    shift(stack, |value, by| value << by)
}

fn rshift(stack: Stack, _: &mut Context) -> Answer {
    shift(stack, |value, by| value >> by)
}

fn arshift(stack: Stack, _: &mut Context) -> Answer {
    shift(stack, |value, by| ((value as i32) >> by) as u32)
}

fn rol(stack: Stack, _: &mut Context) -> Answer {
    shift(stack, u32::rotate_left)
}

fn ror(stack: Stack, _: &mut Context) -> Answer {
    shift(stack, u32::rotate_right)
}

fn bswap(stack: Stack, _: &mut Context) -> Answer {
    answer(stack, bits(stack, 1).swap_bytes())
}

fn tohex(stack: Stack, _: &mut Context) -> Answer {
    let value = bits(stack, 1);
    let width = if stack.kind(2) == Kind::None { 8 } else { bits(stack, 2) as i32 };
    let digits: &[u8; 16] = if width < 0 { b"0123456789ABCDEF" } else { b"0123456789abcdef" };
    let width = width.unsigned_abs().min(8) as usize;
    let text: [u8; 8] = std::array::from_fn(|at| digits[(value >> (28 - 4 * at) & 15) as usize]);
    stack.push_bytes(&text[8 - width..]);
    Ok(1)
}
