//! What the values of keys are and what can be done to them.
//!
//! * Everything is pure: no locks, no I/O, and time is an argument.
//! * Nothing here knows of commands, replies or the keyspace. Failures are small enums; `commands` gives them
//!   their texts.

pub mod geo;
pub mod hyperloglog;
pub mod listpack;
pub mod sample;
pub mod slab;
pub mod spine;
pub mod stream;
pub mod string;
pub mod tight;
pub mod zset;
