//! Compaction: merges runs, so that reads and the disk stay small.
//!
//! * `picker`: which runs to merge next, as a pure function of a version.

pub mod picker;
