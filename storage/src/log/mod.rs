//! The one ordered log.
//!
//! * `buffer`: the 64 append buffers and the LSN counter; the only part that workers touch.
//! * `payload`: bytes in pieces, as a buffer gathers them.
//! * `chunk`: the records that one buffer gathered, and how they are encoded.
//! * `frame`: the on-disk format, drawn; headers and the merge of a frame's chunks back into one order.
//! * `segment`: the files the frames lie in: names and headers.
//! * `segments`: which of them there are; releasing and recycling.
//! * `writer`: a cut, a drain, a frame, a write.
//! * `sync`: what is written and not yet durable, and the durable mark.
//! * `shared`: the marks and switches that threads read without a lock.
//! * `reader`: replay and the torn-tail rule.
//! * `tail`: makes the end of the log fit to append to, before anyone is served.
//!
//! Invariants: D1 (a frame is a prefix of history) is kept by `buffer` and `writer`, D2 (the durable mark) by `sync`
//! and `reader`, D3 (a failed sync is final) by `sync` and `writer`.

pub(crate) mod buffer;
pub(crate) mod chunk;
pub(crate) mod frame;
pub(crate) mod payload;
pub(crate) mod reader;
pub(crate) mod segment;
pub(crate) mod segments;
pub(crate) mod shared;
pub(crate) mod sync;
pub(crate) mod tail;
pub(crate) mod writer;

pub use payload::Payload;
pub use shared::{OnProgress, Progress, Stats, Status};
pub use sync::{Sync, Syncer};
pub use writer::{Step, Writer};

/// The number of shards, and so of append buffers.
pub const SHARDS: usize = 64;
