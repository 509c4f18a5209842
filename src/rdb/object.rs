//! Objects: what a key holds, as a type byte and a payload.

use std::borrow::Cow;

use super::collection::{self, Collection, CollectionRef, Encodings};
use super::{Format, Sink, Source, object_type, string};
use crate::types::string::encoding::int_encodable;

/// What a key holds.
#[derive(Clone, Debug)]
pub enum Object<'a> {
    /// A string that is the canonical text of an integer.
    Int(i64),
    /// Any other string.
    String(Cow<'a, [u8]>),
    /// Anything else.
    Collection(Collection),
}

/// An [`Object`] that lies elsewhere.
#[derive(Clone, Copy)]
pub enum ObjectRef<'a> {
    /// A string that is the canonical text of an integer.
    Int(i64),
    /// Any other string.
    String(&'a [u8]),
    /// Anything else.
    Collection(CollectionRef<'a>),
}

impl Object<'_> {
    /// The object, to be written.
    pub fn as_ref(&self) -> ObjectRef<'_> {
        match self {
            Self::Int(number) => ObjectRef::Int(*number),
            Self::String(bytes) => ObjectRef::String(bytes),
            Self::Collection(value) => ObjectRef::Collection(value.as_ref()),
        }
    }
}

/// Equal objects are written alike.
impl PartialEq for Object<'_> {
    fn eq(&self, other: &Self) -> bool {
        let bytes = |object: &Self| {
            let mut out = Vec::new();
            let Ok(()) = put(&mut out, object.as_ref(), Format::EXACT);
            (matches!(object, Self::Int(_)), out)
        };
        bytes(self) == bytes(other)
    }
}

/// Puts an object: type byte and payload.
pub fn put<S: Sink>(out: &mut S, object: ObjectRef<'_>, format: Format) -> Result<(), S::Error> {
    out.put(&[type_of(object, format)])?;
    put_payload(out, object, format)
}

/// The type byte of an object.
pub(super) fn type_of(object: ObjectRef<'_>, format: Format) -> u8 {
    match object {
        ObjectRef::Int(_) | ObjectRef::String(_) => object_type::STRING,
        ObjectRef::Collection(value) => collection::type_of(value, format),
    }
}

/// Puts what follows the type byte.
pub(super) fn put_payload<S: Sink>(
    out: &mut S,
    object: ObjectRef<'_>,
    format: Format,
) -> Result<(), S::Error> {
    match object {
        ObjectRef::Int(number) => string::put_int(out, number),
        ObjectRef::String(bytes) => string::put(out, bytes, format.compression),
        ObjectRef::Collection(value) => collection::put_payload(out, value, format),
    }
}

/// Takes the payload of an object of the given type. As in Redis, the encoding of strings is chosen afresh: one that is the
/// canonical text of an integer is one, however it was written.
pub fn take<'a, S: Source<'a>>(
    object_type: u8,
    source: &mut S,
    encodings: Encodings<'_>,
) -> Result<Object<'a>, S::Error> {
    match object_type {
        object_type::STRING => Ok(match string::take_encoded(source)? {
            string::Encoded::Int(number) => Object::Int(number.into()),
            string::Encoded::Bytes(bytes) => match int_encodable(&bytes) {
                Some(number) => Object::Int(number),
                None => Object::String(bytes),
            },
        }),
        other => collection::take(other, source, encodings).map(Object::Collection),
    }
}
