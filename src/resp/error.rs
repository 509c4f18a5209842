//! What can be wrong with a request's framing, with the texts that Redis 7.4 answers before it closes the connection.

use std::borrow::Cow;

use nom::error::{ErrorKind, FromExternalError, ParseError};

/// A request that cannot be read. The connection gets the text as an error reply and is closed, because where the
/// next command starts is not known any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProtocolError {
    /// `*` and then 64 KiB without a line end.
    TooBigMultibulkCount,
    /// A number of arguments that is no number or exceeds `i32::MAX`.
    InvalidMultibulkLength,
    /// More than ten arguments before AUTH.
    UnauthenticatedMultibulkLength,
    /// `$` and then 64 KiB without a line end.
    TooBigBulkCount,
    /// Something else where an argument should start.
    ExpectedDollar(u8),
    /// An argument's length that is no number, is negative or exceeds `proto-max-bulk-len`.
    InvalidBulkLength,
    /// An argument over 16 KiB before AUTH.
    UnauthenticatedBulkLength,
    /// An inline command of 64 KiB without a line end.
    TooBigInlineRequest,
    /// An inline command with an open quote, or text right behind a closing one.
    UnbalancedQuotes,
    /// A command of 4 GiB or more, which spans of 32 bits cannot describe. Redis has no such text: it drops a client
    /// at `client-query-buffer-limit`, 1 GiB by default, and so does the network layer here.
    TooBigCommand,
}

impl ProtocolError {
    /// The error reply's text, without the leading `-` and the line end. It may hold any byte, even a line end,
    /// because it quotes the client: [`Reply::error`](super::Reply::error) makes it one line.
    pub fn text(self) -> Cow<'static, [u8]> {
        let text: &'static str = match self {
            Self::TooBigMultibulkCount => "ERR Protocol error: too big mbulk count string",
            Self::InvalidMultibulkLength => "ERR Protocol error: invalid multibulk length",
            Self::UnauthenticatedMultibulkLength => "ERR Protocol error: unauthenticated multibulk length",
            Self::TooBigBulkCount => "ERR Protocol error: too big bulk count string",
            Self::ExpectedDollar(got) => {
                return Cow::Owned([b"ERR Protocol error: expected '$', got '", &[got][..], b"'"].concat());
            }
            Self::InvalidBulkLength => "ERR Protocol error: invalid bulk length",
            Self::UnauthenticatedBulkLength => "ERR Protocol error: unauthenticated bulk length",
            Self::TooBigInlineRequest => "ERR Protocol error: too big inline request",
            Self::UnbalancedQuotes => "ERR Protocol error: unbalanced quotes in request",
            Self::TooBigCommand => "ERR Protocol error: too big request",
        };
        Cow::Borrowed(text.as_bytes())
    }
}

impl std::fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.text()))
    }
}

impl std::error::Error for ProtocolError {}

/// Lets a leaf parser refuse a line it has read with one of our errors.
impl<I> FromExternalError<I, ProtocolError> for ProtocolError {
    fn from_external_error(_: I, _: ErrorKind, error: ProtocolError) -> Self {
        error
    }
}

/// nom asks every error type for this. The leaves are built so that only their own checks can refuse (a streaming
/// `take` asks for more bytes, it never fails), so the choice of variant is never seen.
impl<I> ParseError<I> for ProtocolError {
    fn from_error_kind(_: I, _: ErrorKind) -> Self {
        Self::InvalidMultibulkLength
    }

    fn append(_: I, _: ErrorKind, other: Self) -> Self {
        other
    }
}
