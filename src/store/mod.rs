//! The keyspace in RAM: tables of entries, in hash order.
//!
//! Read `table` first; it stands on `segment` (handles in hash order), `entry` (one key and value as bytes), `arena`
//! (memory for entries), `expire` (who is due), `hash`, and `slots` (arrays that grow by chunks).

pub mod arena;
pub mod entry;
pub mod expire;
pub mod hash;
pub mod segment;
pub mod slots;
pub mod table;
