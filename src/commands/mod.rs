//! What a command is, the path that every request takes, and the handlers.
//!
//! * `spec` is the row type, `table` joins the families' rows, `dispatch` is the path of a request, `keyspecs` finds a
//!   command's keys, `call` is what a handler sees, `error` holds every error text, `state` what all threads share.
//! * One file per family: its table first, then the handlers in the table's order.
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
