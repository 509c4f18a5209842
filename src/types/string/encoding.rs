//! Encoding.
/// tmp
pub fn int_encodable(b: &[u8]) -> Option<i64> { if b.len() > 20 { None } else { crate::util::number::parse_i64(b) } }
