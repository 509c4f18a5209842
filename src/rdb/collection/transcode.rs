//! From one format to another without making a value of it: a run's image becomes part of a file.

use super::{set, stream};
use crate::rdb::object::{self, Object};
use crate::rdb::{Encodings, Format, Malformed, Sink, Source, length, object_type, string};

/// An object that was put in [`Format::EXACT`], to be put in another one.
#[derive(Debug)]
pub enum Rewritten<'a> {
    /// The other format has another form for it: a value is made of it. Small, all of them, but streams for Redis 7.0.
    Anew(Object<'a>),
    /// Its type and payload: it is copied part by part.
    Copied(u8, &'a [u8]),
}

/// Why an object was not put.
#[derive(Debug, PartialEq, Eq)]
pub enum NotPut<E> {
    /// It is none.
    Malformed(Malformed),
    /// It can't be put there.
    Sink(E),
}

impl<E> From<Malformed> for NotPut<E> {
    fn from(what: Malformed) -> Self {
        NotPut::Malformed(what)
    }
}

/// The way in which a payload is put in `format`.
pub(in crate::rdb) fn rewrite(
    object_type: u8,
    payload: &[u8],
    format: Format,
) -> Result<Rewritten<'_>, Malformed> {
    let is_newer = match object_type {
        object_type::SET_LISTPACK => format.version < set::LISTPACK_SINCE,
        object_type::STREAM_LISTPACKS_3 => format.version < stream::ACTIVE_SINCE,
        // What none of its fields makes use of is not written for an older version.
        object_type::HASH_LISTPACK_EX => format.version < Format::EXACT.version,
        _ => false,
    };
    if !is_newer {
        return Ok(Rewritten::Copied(object_type, payload));
    }
    // There is nothing to hash: they are listpacks, and the blocks of a stream.
    let mut rest = payload;
    let value = super::take(object_type, &mut rest, Encodings::AsWritten { hash_seed: 0 })?;
    if rest.is_empty() { Ok(Rewritten::Anew(Object::Collection(value))) } else { Err(Malformed::Trailing) }
}

impl Rewritten<'_> {
    /// The type byte.
    pub fn object_type(&self, format: Format) -> u8 {
        match self {
            Self::Anew(object) => object::type_of(object.as_ref(), format),
            Self::Copied(object_type, _) => *object_type,
        }
    }

    /// Puts what follows the type byte.
    pub fn put_payload<S: Sink>(&self, out: &mut S, format: Format) -> Result<(), NotPut<S::Error>> {
        match self {
            Self::Anew(object) => object::put_payload(out, object.as_ref(), format).map_err(NotPut::Sink),
            &Self::Copied(object_type, mut from) => {
                copy(object_type, &mut Copy { from: &mut from, out, compression: format.compression })?;
                if from.is_empty() { Ok(()) } else { Err(Malformed::Trailing.into()) }
            }
        }
    }
}

fn copy<S: Sink>(object_type: u8, copy: &mut Copy<'_, '_, S>) -> Result<(), NotPut<S::Error>> {
    match object_type {
        object_type::SET_INTSET
        | object_type::SET_LISTPACK
        | object_type::HASH_LISTPACK
        | object_type::ZSET_LISTPACK => copy.string(),
        object_type::HASH_LISTPACK_EX => {
            copy.bytes::<8>()?;
            copy.string()
        }
        object_type::SET => copy.each(|copy| copy.string()),
        object_type::HASH => copy.each(|copy| copy.strings(2)),
        object_type::ZSET_2 => copy.each(|copy| {
            copy.string()?;
            copy.bytes::<8>()
        }),
        object_type::LIST_QUICKLIST_2 => copy.each(|copy| {
            copy.length()?;
            copy.string()
        }),
        object_type::HASH_METADATA => {
            copy.bytes::<8>()?;
            copy.each(|copy| {
                copy.length()?;
                copy.strings(2)
            })
        }
        object_type::STREAM_LISTPACKS_3 => {
            copy.each(|copy| copy.strings(2))?;
            // The rest has nothing that compression is worth trying for.
            let rest = std::mem::take(copy.from);
            copy.put(rest)
        }
        other => Err(Malformed::Type(other).into()),
    }
}

struct Copy<'c, 'f, S> {
    from: &'c mut &'f [u8],
    out: &'c mut S,
    compression: bool,
}

impl<S: Sink> Copy<'_, '_, S> {
    fn put(&mut self, bytes: &[u8]) -> Result<(), NotPut<S::Error>> {
        self.out.put(bytes).map_err(NotPut::Sink)
    }

    fn length(&mut self) -> Result<u64, NotPut<S::Error>> {
        let len = length::take(self.from)?;
        length::put(self.out, len).map_err(NotPut::Sink)?;
        Ok(len)
    }

    fn string(&mut self) -> Result<(), NotPut<S::Error>> {
        let string = string::take(self.from)?;
        string::put(self.out, &string, self.compression).map_err(NotPut::Sink)
    }

    fn strings(&mut self, count: usize) -> Result<(), NotPut<S::Error>> {
        (0..count).try_for_each(|_| self.string())
    }

    fn bytes<const N: usize>(&mut self) -> Result<(), NotPut<S::Error>> {
        let bytes: [u8; N] = self.from.array()?;
        self.put(&bytes)
    }

    /// A length, and so many parts.
    fn each(
        &mut self,
        mut part: impl FnMut(&mut Self) -> Result<(), NotPut<S::Error>>,
    ) -> Result<(), NotPut<S::Error>> {
        let len = self.length()?;
        (0..len).try_for_each(|_| part(self))
    }
}
