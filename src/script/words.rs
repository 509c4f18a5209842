//! KEYS and ARGV.
//!
//! * Functions are given tables of their own. Those of scripts are globals, and nothing that a script makes outlives its run: it can
//!   change no global, no library, no metatable that others see, and its own function has no upvalues. So nobody can hold a table of
//!   an earlier run, and one that is still as it was made is filled with the next run's words. All others are made anew.

use super::context::Context;
use super::sandbox;
use super::stack::Stack;
use crate::resp::Argv;

/// Tables with up to so many words are used again.
const REUSED: usize = 8;

/// As long as they hold no more bytes than this.
const REUSED_BYTES: usize = 4096;

/// The globals of scripts that hold words.
#[derive(Clone, Copy, Debug)]
pub enum Global {
    /// `KEYS`
    Keys = 0,
    /// `ARGV`
    Args = 1,
}

/// The tables of one global.
#[derive(Clone, Copy, Default)]
pub struct Tables {
    /// That of each number of words, in the registry; 0: there is none.
    made: [i32; REUSED + 1],
    /// The one that is the global now; 0: another one.
    current: i32,
}

/// Pushes a new table of words.
pub fn push(stack: Stack, words: Argv<'_>) {
    stack.push_table(words.len(), 0);
    fill(stack, words);
}

fn fill(stack: Stack, words: Argv<'_>) -> usize {
    let mut bytes = 0;
    for position in 0..words.len() {
        let word = words.get(position);
        bytes += word.len();
        stack.push_bytes(word);
        stack.set_element(-2, position as i32 + 1);
    }
    bytes
}

/// Sets a global of scripts.
pub fn set(stack: Stack, context: &mut Context, global: Global, words: Argv<'_>) {
    let count = words.len();
    let made = context.tables[global as usize].made.get(count).copied().unwrap_or(0);
    if made != 0 {
        stack.push_kept(made);
        if stack.is_plain(count) {
            let bytes = fill(stack, words);
            if context.tables[global as usize].current != made {
                set_world(stack, context, global);
            }
            note(stack, context, global, made, (count, bytes));
            return stack.pop(1);
        }
        stack.pop(1);
        forget(stack, context, global, count);
    }
    stack.push_table(count, 0);
    let bytes = fill(stack, words);
    set_world(stack, context, global);
    let made = if count <= REUSED && bytes <= REUSED_BYTES {
        stack.push_copy(-1);
        stack.keep()
    } else {
        0
    };
    note(stack, context, global, made, (count, bytes));
    stack.pop(1);
}

/// Makes the table on top the global.
fn set_world(stack: Stack, context: &mut Context, global: Global) {
    context.tables[global as usize].current = 0;
    sandbox::push_world(stack, context);
    stack.push_copy(-2);
    let name = match global {
        Global::Keys => "KEYS",
        Global::Args => "ARGV",
    };
    stack.set_field(-2, name);
    stack.pop(1);
}

#[inline]
fn note(stack: Stack, context: &mut Context, global: Global, made: i32, (count, bytes): (usize, usize)) {
    let tables = &mut context.tables[global as usize];
    tables.current = made;
    if made != 0 {
        tables.made[count] = made;
    }
    if bytes > REUSED_BYTES {
        forget(stack, context, global, count);
    }
}

fn forget(stack: Stack, context: &mut Context, global: Global, count: usize) {
    let tables = &mut context.tables[global as usize];
    if let Some(made) = tables.made.get_mut(count)
        && *made != 0
    {
        if tables.current == *made {
            tables.current = 0;
        }
        stack.release(std::mem::take(made));
    }
}

/// Lets go of all tables, so that what they hold is garbage when the next run begins.
pub fn forget_all(stack: Stack, context: &mut Context) {
    for global in [Global::Keys, Global::Args] {
        (0..=REUSED).for_each(|count| forget(stack, context, global, count));
    }
}
