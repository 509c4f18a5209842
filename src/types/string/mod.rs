//! Strings.
pub mod encoding;
