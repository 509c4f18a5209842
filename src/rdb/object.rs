//! Objects: what a key holds, as a type byte and a payload.

use std::borrow::Cow;

use super::{Format, Malformed, Sink, Source, object_type, string};
use crate::types::string::encoding::int_encodable;

/// What a key holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Object<'a> {
    /// A string that is the canonical text of an integer.
    Int(i64),
    /// Any other string.
    String(Cow<'a, [u8]>),
}

/// Puts an object: type byte and payload.
pub fn put<S: Sink>(out: &mut S, object: &Object<'_>, format: Format) -> Result<(), S::Error> {
    out.put(&[type_of(object)])?;
    put_payload(out, object, format)
}

/// The type byte of an object.
pub(super) fn type_of(object: &Object<'_>) -> u8 {
    match object {
        Object::Int(_) | Object::String(_) => object_type::STRING,
    }
}

/// Puts what follows the type byte.
pub(super) fn put_payload<S: Sink>(out: &mut S, object: &Object<'_>, format: Format) -> Result<(), S::Error> {
    match object {
        Object::Int(number) => string::put_int(out, *number).map(|_| ()),
        Object::String(bytes) => string::put(out, bytes, format.compression),
    }
}

/// Takes the payload of an object of the given type. As in Redis, the encoding is chosen afresh: a string that is the
/// canonical text of an integer is one, however it was written.
pub fn take<'a, S: Source<'a>>(object_type: u8, source: &mut S) -> Result<Object<'a>, S::Error> {
    match object_type {
        object_type::STRING => Ok(match string::take_encoded(source)? {
            string::Encoded::Int(number) => Object::Int(number.into()),
            string::Encoded::Bytes(bytes) => match int_encodable(&bytes) {
                Some(number) => Object::Int(number),
                None => Object::String(bytes),
            },
        }),
        other => Err(Malformed::Type(other).into()),
    }
}
