//! The functions of `string` that look for patterns: Lua's own run in C without end when a pattern wants it, and nothing stops them.
//!
//! * Results and complaints are Lua 5.1's; the tests compare with its own functions.
//! * What `gsub` makes lies in one buffer for all calls that go on: a function that it calls may call it again, and appends
//!   behind what is there.

use memchr::memmem;

use super::context::Context;
use super::convert::cut;
use super::pattern::{Capture, Failure, Matcher};
use super::stack::{Answer, Body, Kind, Raise, Stack};

/// The functions.
pub const FUNCTIONS: &[(&str, Body)] =
    &[("find", find), ("match", find_captures), ("gmatch", gmatch), ("gfind", gmatch), ("gsub", gsub)];

/// A text with one of these bytes is a pattern.
const SPECIAL: &[u8] = b"^$*+?.([%-";

/// A buffer of this size is kept between runs.
const KEPT_BYTES: usize = 64 * 1024;

/// What scripts see when memory ends.
const NO_MEMORY: &[u8] = b"not enough memory";

/// Memory of the functions here.
#[derive(Default)]
pub struct Work {
    resumes: Vec<super::pattern::Resume>,
    /// What `gsub` and `table.concat` have made so far.
    pub(super) made: Vec<u8>,
}

impl Work {
    /// A run is over.
    #[inline]
    pub fn end_run(&mut self) {
        self.made.clear();
        if self.made.capacity() > KEPT_BYTES {
            self.made = Vec::new();
        }
        if self.resumes.capacity() > KEPT_BYTES {
            self.resumes = Vec::new();
        }
    }
}

/// An optional integer argument.
fn optional_integer(stack: Stack, argument: i32, default: i64) -> i64 {
    if matches!(stack.kind(argument), Kind::None | Kind::Nil) {
        return default;
    }
    cut(stack.check_number(argument))
}

/// Where a match that begins at `at` ends.
fn match_at(
    stack: Stack,
    context: &mut Context,
    matcher: &mut Matcher<'_>,
    at: usize,
) -> Result<Option<usize>, Raise> {
    // Out of the context for the time in which that looks after the run. Nothing raises here.
    let mut resumes = std::mem::take(&mut context.strings.resumes);
    let result = matcher.matches(at, &mut resumes, &mut || context.tick().is_none());
    context.strings.resumes = resumes;
    result.map_err(|failure| match failure {
        Failure::Pattern(text) => context.fail(text),
        Failure::Stopped => stop(stack, context),
    })
}

/// Ends the run, which [`Context::tick`] has said is to end.
#[cold]
pub(super) fn stop(stack: Stack, context: &mut Context) -> Raise {
    stack.stop_soon();
    stack.push_bytes(context.tick().unwrap_or_default().as_bytes());
    Raise::Top
}

fn find(stack: Stack, context: &mut Context) -> Answer {
    search(stack, context, true)
}

fn find_captures(stack: Stack, context: &mut Context) -> Answer {
    search(stack, context, false)
}

fn search(stack: Stack, context: &mut Context, is_find: bool) -> Answer {
    let (subject, pattern) = (stack.check_bytes(1), stack.check_bytes(2));
    let start = optional_integer(stack, 3, 1);
    let start = if start < 0 { start + subject.len() as i64 + 1 } else { start };
    let start = usize::try_from(start - 1).unwrap_or(0).min(subject.len());
    if is_find && (stack.is_true(4) || !is_special(pattern)) {
        match memmem::find(&subject[start..], pattern) {
            Some(at) => {
                stack.push_number((start + at + 1) as f64);
                stack.push_number((start + at + pattern.len()) as f64);
                return Ok(2);
            }
            None => {
                stack.push_nil();
                return Ok(1);
            }
        }
    }
    let (is_anchored, pattern) = anchored(pattern);
    let mut matcher = Matcher::new(subject, pattern);
    let last = if is_anchored { start } else { subject.len() };
    for at in start..=last {
        let Some(end) = match_at(stack, context, &mut matcher, at)? else { continue };
        if is_find {
            stack.push_number((at + 1) as f64);
            stack.push_number(end as f64);
            return Ok(push_captures(stack, context, &matcher, subject, None)? + 2);
        }
        return push_captures(stack, context, &matcher, subject, Some((at, end)));
    }
    stack.push_nil();
    Ok(1)
}

/// Is it more than a text to look for? What is behind a zero byte does not count.
fn is_special(pattern: &[u8]) -> bool {
    pattern.iter().take_while(|&&byte| byte != 0).any(|byte| SPECIAL.contains(byte))
}

fn anchored(pattern: &[u8]) -> (bool, &[u8]) {
    match pattern.strip_prefix(b"^") {
        Some(rest) => (true, rest),
        None => (false, pattern),
    }
}

/// Pushes what was captured, or, if there is no capture, the whole match if that is wanted.
fn push_captures(
    stack: Stack,
    context: &mut Context,
    matcher: &Matcher<'_>,
    subject: &[u8],
    whole: Option<(usize, usize)>,
) -> Answer {
    let count = matcher.captures().len();
    if !stack.has_room(count as i32 + 1) {
        return Err(context.fail("stack overflow (too many captures)"));
    }
    match whole {
        Some((start, end)) if count == 0 => {
            stack.push_bytes(&subject[start..end]);
            Ok(1)
        }
        _ => {
            for capture in matcher.captures() {
                push_capture(stack, context, subject, *capture)?;
            }
            Ok(count as i32)
        }
    }
}

fn push_capture(stack: Stack, context: &mut Context, subject: &[u8], capture: Capture) -> Result<(), Raise> {
    match capture {
        Capture::Open(_) => return Err(context.fail("unfinished capture")),
        Capture::Position(at) => stack.push_number((at + 1) as f64),
        Capture::Span(start, end) => stack.push_bytes(&subject[start..end]),
    }
    Ok(())
}

fn gmatch(stack: Stack, _context: &mut Context) -> Answer {
    stack.check_bytes(1);
    stack.check_bytes(2);
    stack.set_top(2);
    stack.push_number(0.0);
    stack.push_body(next_match, 3);
    Ok(1)
}

/// What `gmatch` returns; its upvalues are the subject, the pattern and where to look from.
fn next_match(stack: Stack, context: &mut Context) -> Answer {
    const FROM: i32 = Stack::upvalue(4);
    let (subject, pattern) = (stack.bytes(Stack::upvalue(2)), stack.bytes(Stack::upvalue(3)));
    let mut matcher = Matcher::new(subject, pattern);
    for at in stack.number(FROM) as usize..=subject.len() {
        let Some(end) = match_at(stack, context, &mut matcher, at)? else { continue };
        stack.push_number((if end == at { end + 1 } else { end }) as f64);
        stack.replace(FROM);
        return push_captures(stack, context, &matcher, subject, Some((at, end)));
    }
    Ok(0)
}

fn gsub(stack: Stack, context: &mut Context) -> Answer {
    let (subject, pattern) = (stack.check_bytes(1), stack.check_bytes(2));
    let kind = stack.kind(3);
    // As C's `int`.
    let limit = optional_integer(stack, 4, subject.len() as i64 + 1) as i32;
    let (is_anchored, pattern) = anchored(pattern);
    if !matches!(kind, Kind::Number | Kind::String | Kind::Function | Kind::Table) {
        stack.complain(3, c"string/function/table expected");
    }
    let mut matcher = Matcher::new(subject, pattern);
    let begin = context.strings.made.len();
    let (mut at, mut count) = (0, 0);
    while count < limit {
        let end = match_at(stack, context, &mut matcher, at)?;
        if let Some(end) = end {
            count += 1;
            replace(stack, context, &matcher, (subject, at, end))?;
        }
        match end {
            Some(end) if end > at => at = end,
            _ if at < subject.len() => {
                append(stack, context, &subject[at..=at])?;
                at += 1;
            }
            _ => break,
        }
        if is_anchored {
            break;
        }
    }
    append(stack, context, &subject[at..])?;
    stack.push_bytes(&context.strings.made[begin..]);
    context.strings.made.truncate(begin);
    stack.push_number(f64::from(count));
    Ok(2)
}

/// Appends to what is being made, which together with Lua's memory must not exceed what that may be.
#[inline]
pub(super) fn append(stack: Stack, context: &mut Context, bytes: &[u8]) -> Result<(), Raise> {
    let made = &mut context.strings.made;
    if made.capacity() - made.len() < bytes.len() && made.len() + bytes.len() > stack.memory_left() {
        stack.push_bytes(NO_MEMORY);
        return Err(Raise::Top);
    }
    made.extend_from_slice(bytes);
    Ok(())
}

/// Appends what replaces a match.
fn replace(
    stack: Stack,
    context: &mut Context,
    matcher: &Matcher<'_>,
    (subject, start, end): (&[u8], usize, usize),
) -> Result<(), Raise> {
    let whole = (start, end);
    match stack.kind(3) {
        Kind::Function => {
            let made = context.strings.made.len();
            stack.push_copy(3);
            let arguments = push_captures(stack, context, matcher, subject, Some(whole))?;
            stack.call(arguments, 1);
            // An error that the function caught may have left something.
            context.strings.made.truncate(made);
        }
        Kind::Table => {
            let made = context.strings.made.len();
            push_first(stack, context, matcher, (subject, whole))?;
            stack.take_value(3);
            context.strings.made.truncate(made);
        }
        _ => return expand(stack, context, matcher, (subject, whole)),
    }
    match stack.kind(-1) {
        Kind::String | Kind::Number => append(stack, context, stack.bytes(-1))?,
        _ if !stack.is_true(-1) => append(stack, context, &subject[start..end])?,
        _ => {
            let Context { message, .. } = context;
            message.clear();
            message.extend_from_slice(b"invalid replacement value (a ");
            message.extend_from_slice(stack.type_name(-1).as_bytes());
            message.push(b')');
            return Err(Raise::Here);
        }
    }
    stack.pop(1);
    Ok(())
}

/// Pushes the first capture, or the whole match.
fn push_first(
    stack: Stack,
    context: &mut Context,
    matcher: &Matcher<'_>,
    (subject, (start, end)): (&[u8], (usize, usize)),
) -> Result<(), Raise> {
    let whole = Capture::Span(start, end);
    push_capture(stack, context, subject, matcher.captures().first().copied().unwrap_or(whole))
}

/// Appends the replacement text, in which `%` and a digit is a capture, or the whole match.
fn expand(
    stack: Stack,
    context: &mut Context,
    matcher: &Matcher<'_>,
    (subject, (start, end)): (&[u8], (usize, usize)),
) -> Result<(), Raise> {
    let mut rest = stack.bytes(3);
    while let Some(at) = memchr::memchr(b'%', rest) {
        append(stack, context, &rest[..at])?;
        // Lua's strings end with a zero byte, which is what a lone `%` at the end is.
        let escaped = rest.get(at + 1).copied().unwrap_or(0);
        rest = rest.get(at + 2..).unwrap_or_default();
        let number = match escaped {
            b'0' => None,
            b'1'..=b'9' => Some(usize::from(escaped - b'1')),
            other => {
                append(stack, context, &[other])?;
                continue;
            }
        };
        let captures = matcher.captures();
        match number {
            Some(0) if captures.is_empty() => append(stack, context, &subject[start..end])?,
            None => append(stack, context, &subject[start..end])?,
            Some(number) => {
                let capture = captures.get(number).copied();
                let capture = capture.ok_or_else(|| context.fail("invalid capture index"))?;
                push_capture(stack, context, subject, capture)?;
                append(stack, context, stack.bytes(-1))?;
                stack.pop(1);
            }
        }
    }
    append(stack, context, rest)
}

/// Whether `string.rep` would do nothing for long, or more than memory can hold.
pub fn check_repetition(stack: Stack, _context: &mut Context) -> Result<Option<i32>, Raise> {
    if !matches!(stack.kind(1), Kind::String | Kind::Number) || !stack.is_numeric(2) {
        return Ok(None);
    }
    let count = usize::try_from(cut(stack.number(2)) as i32).unwrap_or(0);
    let length = stack.bytes(1).len();
    if length == 0 {
        stack.push_bytes(b"");
        return Ok(Some(1));
    }
    if length.saturating_mul(count) > stack.memory_left() {
        stack.push_bytes(NO_MEMORY);
        return Err(Raise::Top);
    }
    Ok(None)
}

#[cfg(test)]
mod tests;
