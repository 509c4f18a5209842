//! What a command is, the path that every request takes, and the handlers.
//!
//! * What a command is: `spec` is the row type, `table` joins the families' rows, `keyspecs` finds a command's keys.
//! * The path: `dispatch` takes every request from its words to its record in the log; `residence` has its keys in RAM before,
//!   `outbox` tells others of it afterwards, `hotness` says whether prefetching pays. `nested` runs commands inside transactions and
//!   scripts, `replay` those of the log.
//! * What handlers use: `call` is what one sees of a request, `blocking` lets its client wait, `error` holds every error text, `limits`
//!   the sizes of encodings, `state` what all threads share.
//! * Everything else is a family: its table first, then the handlers in the table's order.
//! * A handler never checks arity and never takes a lock; dispatch has done both.

pub mod bitmaps;
pub mod blocking;
pub mod call;
pub mod client;
pub mod config;
pub mod connection;
pub mod counters;
pub mod debug;
pub mod dispatch;
pub mod dump;
pub mod elements;
pub mod error;
pub mod expire;
pub mod functions;
pub mod geo;
pub mod hash_expiry;
pub mod hashes;
pub mod help;
mod hotness;
pub mod hyperloglog;
pub mod info;
pub mod introspect;
pub mod keys;
pub mod keyspecs;
pub mod limits;
pub mod list_moves;
pub mod list_pops;
pub mod lists;
pub mod lolwut;
pub mod memory;
pub mod migrate;
pub mod nested;
pub mod outbox;
pub mod pubsub;
pub mod ranges;
pub mod replay;
mod residence;
pub mod scan;
pub mod scripting;
pub mod server;
pub mod set_algebra;
pub mod sets;
pub mod snapshot;
pub mod sort;
pub mod spec;
pub mod state;
pub mod stream_claims;
mod stream_effects;
pub mod stream_groups;
pub mod stream_info;
pub mod stream_reading;
pub mod streams;
pub mod strings;
pub mod table;
pub mod tracking;
pub mod transactions;
pub mod wait;
pub mod zsets;

pub use crate::store::table::Depth;
pub use dispatch::{BusyShard, Executor, Outcome};
pub use error::CommandError;
pub use state::ServerState;
