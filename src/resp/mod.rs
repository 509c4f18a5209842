//! The Redis protocol (RESP2 and RESP3) as bytes: requests in, replies out. No sockets, no clock, no commands.
//!
//! * [`request`] finds the next command in received bytes; arguments are spans, not copies.
//! * [`reply`] writes replies in the client's protocol version, [`output`] holds them until they are sent.
//!
//! Invariants:
//! * Input is hostile. No bytes make this module panic, and a length that was only announced allocates nothing.
//! * How the bytes were cut into pieces on the way never changes what they mean.
//! * Texts and limits are Redis 7.4's, byte for byte.
//!
//! The wire format of a request, where `N` and `L` are decimal numbers as [`header`] reads them:
//!
//! ```text
//! multibulk   *N CRLF  ( $L CRLF  L bytes  CRLF ) × N
//! inline      words separated by blanks, quoted as in `inline`, ended by LF or CRLF
//! ```

pub mod argv;
pub mod error;
pub mod header;
pub mod inline;
pub mod output;
pub mod reply;
pub mod request;

#[cfg(test)]
mod fuzz;

pub use argv::{Argv, Span};
pub use error::ProtocolError;
pub use output::{Mark, Output};
pub use reply::{Deferred, Protocol, Reply, SPLICE_MIN};
pub use request::{Limits, Parsed, RequestParser};
