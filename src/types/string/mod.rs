//! The string type: byte strings, and the strings of bits they can be seen as.
//!
//! * Every function works on byte slices or on a `Vec<u8>`. Where the bytes live (inline in an entry, behind an
//!   `Arc`, or as an integer) is the store's business.
//! * Arguments are what a client may send: any index, any offset, any length. Indexes are clamped as Redis clamps
//!   them. The few arguments that a caller must have bounded before calling are named in each function's
//!   documentation.

pub mod bitfield;
pub mod bits;
pub mod encoding;
pub mod lcs;
pub mod range;
