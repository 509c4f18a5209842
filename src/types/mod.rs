//! What the values of keys are and what can be done to them.
//!
//! * Everything is pure: no locks, no I/O, and time is an argument.
//! * Nothing here knows of commands, replies or the keyspace. Failures are small enums; `commands` gives them
//!   their texts.

pub mod geo;
pub mod hash;
pub mod hyperloglog;
pub mod intset;
pub mod list;
pub mod listpack;
pub mod set;
mod slab;
pub mod sort;
mod spine;
pub mod stream;
pub mod string;
pub mod table;
mod tight;
pub mod zset;

/// Bytes from outside that are not what they should be: a RESTORE payload, an RDB file, a replica's full sync.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;
