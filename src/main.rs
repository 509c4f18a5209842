//! The `forgekv` binary.
fn main() {}
