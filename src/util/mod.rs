//! Leaf functions that know nothing of the rest of the server.

pub mod double;
