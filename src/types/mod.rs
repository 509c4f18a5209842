//! Data types.
pub mod string;
