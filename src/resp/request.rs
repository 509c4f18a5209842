//! The request parser: finds the next command at the start of the received bytes.
//!
//! Arguments of multibulk requests are spans of the input, never copies; nothing is allocated for a command beyond
//! eight bytes for each argument that has arrived. A command that has not arrived completely is resumed where it
//! stopped, so a million arguments in small pieces cost one pass in all.
//!
//! Nearly every request is `*N` with one digit and bulks of up to 999 bytes, complete in the input. That shape is read
//! by [`RequestParser::parse`] itself with a handful of predictable branches. Whatever else turns up (longer numbers,
//! the input's end, an error) is left to `resume`, which drives the nom leaves of [`header`](super::header) from that
//! very position and alone knows limits and errors.
//!
//! Invariants:
//! * Between two calls the parser's state is a position in the command's bytes, not a copy of them: the caller passes
//!   the same bytes, and more, until it gets `Complete` or an error.
//! * The verdict depends on the bytes and the limits, never on how they were cut into pieces.
//!
//! It deliberately does not bound a command's total size: that is the network layer's `client-query-buffer-limit`.

use std::mem;

use super::header::{bulk, bulk_header, inline_line, multibulk_header, searched};
use super::inline::split_arguments;
use super::{Argv, ProtocolError, Span};

/// What a client may send before AUTH: this many arguments of this many bytes.
const UNAUTHENTICATED_ARGUMENTS_MAX: i64 = 10;
const UNAUTHENTICATED_BULK_MAX: i64 = 16 * 1024;

/// Buffers that a rare big command has grown beyond this many elements are given back once it is complete.
const SPANS_KEPT: usize = 64;
const TEXT_KEPT: usize = 1024;

/// Input beyond this is not looked at, so that every position fits a [`Span`].
const COMMAND_MAX: usize = u32::MAX as usize;

/// Bounds that depend on configuration and on the client's state.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The longest argument, in bytes: `proto-max-bulk-len`, which the configuration keeps at 1 MiB or more.
    /// Arguments of less than 1,000 bytes are accepted whatever it says. `u64::MAX` for a link from the primary.
    pub proto_max_bulk_len: u64,
    /// Whether the client may run commands: no password is needed, or it has been given.
    pub authenticated: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { proto_max_bulk_len: 512 * 1024 * 1024, authenticated: true }
    }
}

/// Whether the input holds a whole command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// The command is the first `consumed` bytes of the input.
    Complete {
        /// How many bytes to drop before the next call.
        consumed: usize,
    },
    /// The command goes on behind the input.
    Incomplete {
        /// At least so many more bytes are needed, one or more: the missing rest of the argument being received, so
        /// that a big one can be given its buffer at once. The client announced it; reserve with care.
        need: usize,
    },
}

/// Where one connection's current command stands.
#[derive(Debug, Default)]
pub struct RequestParser {
    /// Arguments still to come; 0 between two commands.
    remaining: u32,
    /// Where in the command the next header starts, or the bytes of the argument whose header has been read.
    position: usize,
    /// The length of the argument whose header has been read.
    bulk_len: Option<usize>,
    /// How many bytes of the unfinished line at `position` have been searched for its end.
    searched: usize,
    /// The arguments that have arrived of an unfinished command.
    spans: Vec<Span>,
    /// The unescaped arguments of the last command, if it was an inline one.
    text: Vec<u8>,
    inline: bool,
}

impl RequestParser {
    /// A parser at the start of a command.
    pub fn new() -> Self {
        Self::default()
    }

    /// Parses one command at the start of `input`. After `Incomplete` the next call gets the same bytes and more.
    ///
    /// On `Complete`, the arguments' spans were appended to `argv`, to be read through [`argv`](Self::argv); none for an
    /// empty command (`*0`, a blank line), which gets no reply. Otherwise `argv` is as it was. After an error the
    /// connection is of no more use: where the next command starts is unknown.
    #[inline]
    pub fn parse(
        &mut self,
        input: &[u8],
        limits: &Limits,
        argv: &mut Vec<Span>,
    ) -> Result<Parsed, ProtocolError> {
        let first = argv.len();
        let input = &input[..input.len().min(COMMAND_MAX)];
        if self.remaining == 0
            && let Some([b'*', count @ b'1'..=b'9', b'\r', _]) = input.first_chunk::<4>()
        {
            self.inline = false;
            self.searched = 0;
            let mut remaining = u32::from(count - b'0');
            let mut position = 4;
            while let Some((span, behind)) = short_bulk(input, position) {
                argv.push(span);
                position = behind;
                remaining -= 1;
                if remaining == 0 {
                    return Ok(Parsed::Complete { consumed: position });
                }
            }
            (self.remaining, self.position) = (remaining, position);
        }
        self.resume(input, limits, argv, first)
    }

    /// The arguments of the command that [`parse`](Self::parse) has completed last.
    #[inline]
    pub fn argv<'a>(&'a self, input: &'a [u8], spans: &'a [Span]) -> Argv<'a> {
        Argv::new(if self.inline { &self.text } else { input }, spans)
    }

    /// Whether the command completed last was an inline one. Its arguments live in the parser until the next call of
    /// [`parse`](Self::parse): a caller that parses a batch ahead of executing it ends the batch here.
    #[inline]
    pub fn is_inline(&self) -> bool {
        self.inline
    }

    /// Whether part of a command has been read.
    #[inline]
    pub fn is_amid_command(&self) -> bool {
        self.remaining > 0 || self.searched > 0
    }

    /// Heap bytes held.
    pub fn memory(&self) -> usize {
        self.spans.capacity() * size_of::<Span>() + self.text.capacity()
    }

    /// Forgets a half-read command and gives all memory back, for a connection that starts over.
    pub fn reset(&mut self) {
        *self = Self::default();
    }

    /// Goes on from wherever the command stands, whose spans in `argv` start at `first`, and leaves the state behind for the
    /// next call if it has to stop.
    #[inline(never)]
    fn resume(
        &mut self,
        input: &[u8],
        limits: &Limits,
        argv: &mut Vec<Span>,
        first: usize,
    ) -> Result<Parsed, ProtocolError> {
        move_spans(&mut self.spans, 0, argv);
        let step = match input.first() {
            None => Err(nom::Err::Incomplete(nom::Needed::new(1))),
            Some(b'*') => self.multibulk(input, limits, argv),
            Some(_) => self.inline(input, argv),
        };
        match step {
            Ok(()) => {
                let consumed = mem::take(&mut self.position);
                self.spans.shrink_to(SPANS_KEPT);
                Ok(Parsed::Complete { consumed })
            }
            Err(nom::Err::Incomplete(_)) if input.len() == COMMAND_MAX => Err(ProtocolError::TooBigCommand),
            Err(nom::Err::Incomplete(needed)) => {
                move_spans(argv, first, &mut self.spans);
                let need = if let nom::Needed::Size(size) = needed { size.get() } else { 1 };
                Ok(Parsed::Incomplete { need })
            }
            Err(nom::Err::Error(error) | nom::Err::Failure(error)) => {
                argv.truncate(first);
                Err(error)
            }
        }
    }

    fn multibulk(&mut self, input: &[u8], limits: &Limits, argv: &mut Vec<Span>) -> Step {
        if self.remaining == 0 {
            self.inline = false;
            let header = multibulk_header(input, self.searched);
            let (rest, count) = header.inspect_err(|_| self.searched = searched(input, self.searched))?;
            self.position = input.len() - rest.len();
            self.searched = 0;
            self.remaining = argument_count(count, limits).map_err(nom::Err::Failure)?;
        }
        while self.remaining > 0 {
            if self.bulk_len.is_none()
                && let Some((span, behind)) = short_bulk(input, self.position)
            {
                argv.push(span);
                self.position = behind;
            } else {
                argv.push(self.argument(input, limits)?);
            }
            self.searched = 0;
            self.remaining -= 1;
        }
        Ok(())
    }

    /// One argument of any length.
    fn argument(&mut self, input: &[u8], limits: &Limits) -> Result<Span, Stop> {
        let len = match self.bulk_len {
            Some(len) => len,
            None => {
                let line = input.get(self.position..).unwrap_or_default();
                let header = bulk_header(line, self.searched);
                let (rest, len) = header.inspect_err(|_| self.searched = searched(line, self.searched))?;
                let len = bulk_length(len, limits).map_err(nom::Err::Failure)?;
                self.position = input.len() - rest.len();
                self.bulk_len = Some(len);
                len
            }
        };
        bulk(input.get(self.position..).unwrap_or_default(), len)?;
        let span = Span::new(self.position, self.position + len);
        self.position += len + 2;
        self.bulk_len = None;
        Ok(span)
    }

    fn inline(&mut self, input: &[u8], argv: &mut Vec<Span>) -> Step {
        self.text.clear();
        self.text.shrink_to(TEXT_KEPT);
        let (rest, line) = inline_line(input, self.searched)
            .inspect_err(|_| self.searched = searched(input, self.searched))?;
        split_arguments(line, &mut self.text, argv).map_err(nom::Err::Failure)?;
        self.position = input.len() - rest.len();
        self.searched = 0;
        self.inline = true;
        Ok(())
    }
}

/// Moves the spans from `first` on to the end of others. A command that comes in many pieces is alone in its buffers when it
/// goes on: they change places then, so that a million spans are not copied with each piece.
fn move_spans(from: &mut Vec<Span>, first: usize, to: &mut Vec<Span>) {
    if first == 0 && to.is_empty() {
        mem::swap(from, to);
    } else {
        to.extend(from.drain(first..));
    }
}

/// Why the slow path stops: more bytes are needed, or the request is broken.
type Stop = nom::Err<ProtocolError>;
type Step = Result<(), Stop>;

/// A whole argument at `position` whose length has one to three digits, and the position behind it. None says only
/// that this is something for the leaves of the grammar.
#[inline(always)]
fn short_bulk(input: &[u8], position: usize) -> Option<(Span, usize)> {
    // The shortest bulk is `$0`, four line-end bytes and nothing else: six bytes are there if the bulk is whole.
    let &[b'$', first, second, third, fourth, _] = input.get(position..)?.first_chunk::<6>()? else {
        return None;
    };
    let (mut len, mut start) = (usize::from(first.wrapping_sub(b'0')), position + 4);
    if len > 9 {
        return None;
    }
    if second != b'\r' {
        let digit = usize::from(second.wrapping_sub(b'0'));
        if digit > 9 || len == 0 {
            return None;
        }
        (len, start) = (len * 10 + digit, position + 5);
        if third != b'\r' {
            let digit = usize::from(third.wrapping_sub(b'0'));
            if digit > 9 || fourth != b'\r' {
                return None;
            }
            (len, start) = (len * 10 + digit, position + 6);
        }
    }
    let end = start + len;
    (end + 2 <= input.len()).then(|| (Span::new(start, end), end + 2))
}

/// Checks an announced number of arguments. Zero and less are empty commands.
fn argument_count(count: i64, limits: &Limits) -> Result<u32, ProtocolError> {
    if count > i64::from(i32::MAX) {
        Err(ProtocolError::InvalidMultibulkLength)
    } else if count > UNAUTHENTICATED_ARGUMENTS_MAX && !limits.authenticated {
        Err(ProtocolError::UnauthenticatedMultibulkLength)
    } else {
        Ok(u32::try_from(count).unwrap_or(0))
    }
}

/// Checks an announced argument length. One that no span can describe passes here as "a lot", and is refused when
/// that much has arrived.
fn bulk_length(len: i64, limits: &Limits) -> Result<usize, ProtocolError> {
    match u64::try_from(len) {
        Ok(size) if size > limits.proto_max_bulk_len => Err(ProtocolError::InvalidBulkLength),
        Ok(_) if len > UNAUTHENTICATED_BULK_MAX && !limits.authenticated => {
            Err(ProtocolError::UnauthenticatedBulkLength)
        }
        Ok(size) => Ok(size.min(COMMAND_MAX as u64) as usize),
        Err(_) => Err(ProtocolError::InvalidBulkLength),
    }
}

#[cfg(test)]
mod tests;
