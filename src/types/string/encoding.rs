//! How a string is kept, as OBJECT ENCODING shows it.
//!
//! The encoding is decided when a whole value is written. Commands that change a value in place (APPEND, SETRANGE,
//! SETBIT) leave it `raw` whatever its length, which is the store's to remember.

use crate::util::number::{INTEGER_TEXT_MAX, parse_i64};

/// The longest value that is `embstr`, in bytes.
pub const EMBSTR_MAX: usize = 44;

/// The encodings of strings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// The canonical text of an `i64`.
    Int,
    /// A short value beside its key.
    Embstr,
    /// A long value, or one that was changed in place.
    Raw,
}

impl Encoding {
    /// The encoding of `value` when it is written whole.
    pub fn of(value: &[u8]) -> Encoding {
        if int_encodable(value).is_some() {
            Encoding::Int
        } else if value.len() <= EMBSTR_MAX {
            Encoding::Embstr
        } else {
            Encoding::Raw
        }
    }

    /// The name that OBJECT ENCODING replies with.
    pub fn name(self) -> &'static str {
        match self {
            Encoding::Int => "int",
            Encoding::Embstr => "embstr",
            Encoding::Raw => "raw",
        }
    }
}

/// The integer that `value` is kept as, if it is the canonical text of one: printing it gives `value` again.
pub fn int_encodable(value: &[u8]) -> Option<i64> {
    if value.len() > INTEGER_TEXT_MAX { None } else { parse_i64(value) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_integers_are_int() {
        for value in ["0", "-1", "12345", "9223372036854775807", "-9223372036854775808"] {
            assert_eq!(Encoding::of(value.as_bytes()).name(), "int");
            assert_eq!(int_encodable(value.as_bytes()).unwrap().to_string(), value);
        }
    }

    #[test]
    fn other_values_are_embstr_up_to_44_bytes() {
        for value in ["", "01", "+1", "1 ", "9223372036854775808", "-0", "1.0"] {
            assert_eq!(Encoding::of(value.as_bytes()).name(), "embstr", "{value}");
        }
        assert_eq!(Encoding::of(&[b'1'; EMBSTR_MAX]), Encoding::Embstr);
        assert_eq!(Encoding::of(&[b'1'; EMBSTR_MAX + 1]).name(), "raw");
    }
}
