//! Leaf functions that know nothing of the server: numbers as text, arithmetic, patterns and quoting.
//!
//! Nothing here locks, reads the clock or touches a file, and nothing here imports another module of this crate.

pub mod glob;
pub mod long_double;
pub mod number;
pub mod words;
