//! `redis.register_function`, which a library calls while it is loaded.

use super::context::Context;
use super::flags;
use super::function::is_name;
use super::stack::{Answer, Kind, Raise, Stack};

/// A function that a library has registered.
#[derive(Debug)]
pub struct Registered {
    /// Its name.
    pub name: Vec<u8>,
    /// What it says of itself.
    pub description: Option<Vec<u8>>,
    /// [`flags`]
    pub flags: u32,
    /// The function, in the registry.
    pub function: i32,
}

fn raise(stack: Stack, text: &str) -> Raise {
    stack.push_table(0, 1);
    stack.push_bytes(b"ERR ");
    stack.push_bytes(text.as_bytes());
    stack.concat(2);
    stack.set_field(-2, "err");
    Raise::Top
}

/// `redis.register_function(name, callback)` or `redis.register_function{function_name=…, callback=…, …}`
pub fn register_function(stack: Stack, context: &mut Context) -> Answer {
    let is_loading = context.job().is_some_and(|job| job.host.is_none() && !job.is_script);
    if !is_loading {
        return Err(raise(stack, "redis.register_function can only be called on FUNCTION LOAD command"));
    }
    // From here on: 1 the name, 2 the callback, 3 the description or nil.
    let flags = match stack.top() {
        1 => named_arguments(stack)?,
        2 => {
            if !matches!(stack.kind(1), Kind::String | Kind::Number) {
                return Err(raise(stack, "first argument to redis.register_function must be a string"));
            }
            if stack.kind(2) != Kind::Function {
                return Err(raise(stack, "second argument to redis.register_function must be a function"));
            }
            stack.push_nil();
            0
        }
        _ => return Err(raise(stack, "wrong number of arguments to redis.register_function")),
    };
    if !is_name(stack.bytes(1)) {
        let text = "Library names can only contain letters, numbers, or underscores(_) and must be at least one \
                    character long";
        return Err(raise(stack, text));
    }
    let Some(job) = context.job() else { return Ok(0) };
    if job.registered.iter().any(|other| other.name == stack.bytes(1)) {
        return Err(raise(stack, "Function already exists in the library"));
    }
    stack.push_copy(2);
    let function = stack.keep();
    // Nothing raises from here on.
    let description = matches!(stack.kind(3), Kind::String | Kind::Number).then(|| stack.bytes(3).to_vec());
    job.registered.push(Registered { name: stack.bytes(1).to_vec(), description, flags, function });
    Ok(0)
}

/// Puts the fields of the table at 1 where positional arguments would be, and returns the flags.
fn named_arguments(stack: Stack) -> Result<u32, Raise> {
    if stack.kind(1) != Kind::Table {
        let text = "calling redis.register_function with a single argument is only applicable to Lua table \
                    (representing named arguments).";
        return Err(raise(stack, text));
    }
    // 1 the arguments, 2 the name, 3 the callback, 4 the description; 5 and 6 a key and its value.
    stack.push_nil();
    stack.push_nil();
    stack.push_nil();
    let mut all = 0;
    stack.push_nil();
    while stack.next(1) {
        match stack.kind(5) {
            Kind::String => {}
            Kind::Number => return Err(raise(stack, "unknown argument given to redis.register_function")),
            _ => {
                return Err(raise(
                    stack,
                    "named argument key given to redis.register_function is not a string",
                ));
            }
        }
        let is_string = matches!(stack.kind(6), Kind::String | Kind::Number);
        match stack.bytes(5) {
            b"function_name" if is_string => {
                stack.push_copy(6);
                stack.replace(2);
            }
            b"function_name" => {
                return Err(raise(
                    stack,
                    "function_name argument given to redis.register_function must be a string",
                ));
            }
            b"description" if is_string => {
                stack.push_copy(6);
                stack.replace(4);
            }
            b"description" => {
                return Err(raise(
                    stack,
                    "description argument given to redis.register_function must be a string",
                ));
            }
            b"callback" if stack.kind(6) == Kind::Function => {
                stack.push_copy(6);
                stack.replace(3);
            }
            b"callback" => {
                return Err(raise(
                    stack,
                    "callback argument given to redis.register_function must be a function",
                ));
            }
            b"flags" => all = read_flags(stack)?,
            _ => return Err(raise(stack, "unknown argument given to redis.register_function")),
        }
        stack.pop(1);
    }
    if stack.kind(2) == Kind::Nil {
        return Err(raise(stack, "redis.register_function must get a function name argument"));
    }
    if stack.kind(3) == Kind::Nil {
        return Err(raise(stack, "redis.register_function must get a callback argument"));
    }
    // Over the arguments, which are not needed any more.
    for place in 1..=3 {
        stack.push_copy(place + 1);
        stack.replace(place);
    }
    stack.set_top(3);
    Ok(all)
}

/// The flags in the table at 6.
fn read_flags(stack: Stack) -> Result<u32, Raise> {
    if stack.kind(6) != Kind::Table {
        let text = "flags argument to redis.register_function must be a table representing function flags";
        return Err(raise(stack, text));
    }
    let mut all = 0;
    for position in 1.. {
        stack.push_element(6, position);
        match stack.kind(-1) {
            Kind::Nil => break,
            Kind::String => match flags::named(stack.bytes(-1)) {
                Some(flag) => all |= flag,
                None => return Err(raise(stack, "unknown flag given")),
            },
            _ => return Err(raise(stack, "unknown flag given")),
        }
        stack.pop(1);
    }
    stack.pop(1);
    Ok(all)
}
