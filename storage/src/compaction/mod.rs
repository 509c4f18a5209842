//! Compaction: merges runs, so that reads and the disk stay small.
//!
//! * `picker`: which runs to merge next, as a pure function of a version.
//! * `job`: the merge of one choice, part by part.
//! * `limiter`: how fast.
//! * `pool`: the threads that do it, what they do next, and what becomes of failures.

mod job;
mod limiter;
pub mod picker;
pub mod pool;

pub use pool::{Compactor, Pool, Stats};
