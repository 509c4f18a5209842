//! Leaf functions that know nothing of the rest of the server.

#[cfg(test)]
pub mod allocations;
pub mod capacity;
pub mod cgroup;
pub mod double;
pub mod file;
pub mod general;
pub mod glob;
pub mod log;
pub mod long_double;
pub mod number;
pub mod random;
pub mod secret;
pub mod supervisor;
pub mod time;
pub mod words;
