//! Lists, sets, hashes, sorted sets and streams: the payloads that Redis 7 writes, and those that its predecessors wrote.
//!
//! ```text
//! LIST_QUICKLIST_2     length, { length node }       1: the node is one element, a string; 2: a string, the bytes of a listpack
//! SET                  length, { string }
//! SET_INTSET           string: the bytes of an intset
//! SET_LISTPACK         string: the bytes of a listpack
//! HASH                 length, { string string }                     fields with their values
//! HASH_LISTPACK        string: the bytes of a listpack
//! HASH_METADATA        8 bytes first, length, { length string string }   `first` is the first expiry in unix milliseconds; a
//!                      field's expiry is before it, as the distance from `first` plus one, or 0 if it has none
//! HASH_LISTPACK_EX     8 bytes first or 0, string: the bytes of a listpack of fields, values and expiries
//! ZSET_2               length, { string double }                     from the highest to the lowest, 8 bytes little-endian
//! ZSET_LISTPACK        string: the bytes of a listpack
//! ```
//!
//! Streams are drawn in `stream`, and what is only read in `legacy`.
//!
//! * Small encodings are copied byte for byte, in and out. What comes in is checked by the type it belongs to.
//! * Forms that came with RDB version 11 or 12 are not written for an older version, if it can say the same: SET_LISTPACK,
//!   streams with active times. Expiries of fields it can't say. They are written all the same: a reader that does not know
//!   the form refuses the value, and one that knows it reads it whatever version is stated; either is better than to
//!   lose the expiries, or the whole file for the sake of one hash.

mod hash;
mod legacy;
mod list;
mod set;
pub(super) mod stream;
#[cfg(test)]
mod tests;
mod transcode;
mod ziplist;
mod zset;

use super::{Format, Malformed, Sink, Source, object_type};
use crate::types;
use crate::types::hash::Hash;
use crate::types::list::List;
use crate::types::set::Set;
use crate::types::stream::Stream;
use crate::types::zset::Zset;
pub(super) use transcode::rewrite;
pub use transcode::{NotPut, Rewritten};

/// A value that is not a string.
#[derive(Clone)]
pub enum Collection {
    /// A list.
    List(List),
    /// A set.
    Set(Set),
    /// A hash.
    Hash(Hash),
    /// A sorted set.
    Zset(Zset),
    /// A stream.
    Stream(Box<Stream>),
}

/// A [`Collection`] that lies elsewhere.
#[derive(Clone, Copy)]
pub enum CollectionRef<'a> {
    /// A list.
    List(&'a List),
    /// A set.
    Set(&'a Set),
    /// A hash.
    Hash(&'a Hash),
    /// A sorted set.
    Zset(&'a Zset),
    /// A stream.
    Stream(&'a Stream),
}

impl Collection {
    /// The value, to be written.
    pub fn as_ref(&self) -> CollectionRef<'_> {
        match self {
            Self::List(list) => CollectionRef::List(list),
            Self::Set(set) => CollectionRef::Set(set),
            Self::Hash(hash) => CollectionRef::Hash(hash),
            Self::Zset(zset) => CollectionRef::Zset(zset),
            Self::Stream(stream) => CollectionRef::Stream(stream),
        }
    }
}

impl std::fmt::Debug for Collection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let object_type = type_of(self.as_ref(), Format::EXACT);
        f.write_str(object_type::name(object_type).unwrap_or("collection"))
    }
}

/// Up to what values are small, as the configuration has it.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Of lists.
    pub list: types::list::Limits,
    /// Of sets.
    pub set: types::set::Limits,
    /// Of hashes.
    pub hash: types::hash::Limits,
    /// Of sorted sets.
    pub zset: types::zset::Limits,
}

/// Which encodings values get that are read.
#[derive(Clone, Copy, Debug)]
pub enum Encodings<'l> {
    /// Those they had when they were written; `hash_seed` is the dataset's for members.
    AsWritten {
        /// The seed.
        hash_seed: u64,
    },
    /// Those that Redis would give them.
    Within(&'l Limits),
}

impl Encodings<'_> {
    /// How many elements and bytes are small, for a form that is `small` or not, if nothing else is said.
    fn written(small: bool) -> usize {
        if small { usize::MAX } else { 0 }
    }

    fn list(self) -> types::list::Limits {
        match self {
            Self::AsWritten { .. } => types::list::Limits { listpack_size: i64::MAX },
            Self::Within(limits) => limits.list,
        }
    }

    fn set(self, small: bool) -> types::set::Limits {
        let max = Self::written(small);
        match self {
            Self::AsWritten { hash_seed } => types::set::Limits {
                intset_entries: max,
                listpack_entries: max,
                listpack_value: max,
                hash_seed,
            },
            Self::Within(limits) => limits.set,
        }
    }

    fn hash(self, small: bool) -> types::hash::Limits {
        let max = Self::written(small);
        match self {
            Self::AsWritten { hash_seed } => {
                types::hash::Limits { listpack_entries: max, listpack_value: max, hash_seed }
            }
            Self::Within(limits) => limits.hash,
        }
    }

    fn zset(self, small: bool) -> types::zset::Limits {
        let max = Self::written(small);
        match self {
            Self::AsWritten { hash_seed } => {
                types::zset::Limits { listpack_entries: max, listpack_value: max, hash_seed }
            }
            Self::Within(limits) => limits.zset,
        }
    }
}

/// The type byte of a value.
pub(super) fn type_of(value: CollectionRef<'_>, format: Format) -> u8 {
    match value {
        CollectionRef::List(_) => object_type::LIST_QUICKLIST_2,
        CollectionRef::Set(set) => set::type_of(set, format),
        CollectionRef::Hash(hash) => hash::type_of(hash, format),
        CollectionRef::Zset(zset) => zset::type_of(zset),
        CollectionRef::Stream(_) => stream::type_of(format),
    }
}

/// Puts what follows the type byte.
pub(super) fn put_payload<S: Sink>(
    out: &mut S,
    value: CollectionRef<'_>,
    format: Format,
) -> Result<(), S::Error> {
    match value {
        CollectionRef::List(list) => list::put(out, list, format),
        CollectionRef::Set(set) => set::put(out, set, format),
        CollectionRef::Hash(hash) => hash::put(out, hash, format),
        CollectionRef::Zset(zset) => zset::put(out, zset, format),
        CollectionRef::Stream(stream) => stream::put(out, stream, format),
    }
}

/// Takes the payload of a value of the given type.
pub(super) fn take<'a, S: Source<'a>>(
    object_type: u8,
    source: &mut S,
    encodings: Encodings<'_>,
) -> Result<Collection, S::Error> {
    Ok(match object_type {
        object_type::LIST_QUICKLIST_2 => Collection::List(list::take(source, encodings, false)?),
        object_type::SET => Collection::Set(set::take(source, encodings.set(false))?),
        object_type::SET_INTSET => Collection::Set(set::take_intset(source, encodings.set(true))?),
        object_type::SET_LISTPACK => Collection::Set(set::take_listpack(source, encodings.set(true))?),
        object_type::HASH => Collection::Hash(hash::take(source, encodings.hash(false))?),
        object_type::HASH_METADATA => Collection::Hash(hash::take_metadata(source, encodings.hash(false))?),
        object_type::HASH_LISTPACK => Collection::Hash(hash::take_listpack(source, encodings.hash(true))?),
        object_type::HASH_LISTPACK_EX => {
            Collection::Hash(hash::take_listpack_ex(source, encodings.hash(true))?)
        }
        object_type::ZSET_2 => Collection::Zset(zset::take(source, encodings.zset(false))?),
        object_type::ZSET_LISTPACK => Collection::Zset(zset::take_listpack(source, encodings.zset(true))?),
        object_type::STREAM_LISTPACKS | object_type::STREAM_LISTPACKS_2 | object_type::STREAM_LISTPACKS_3 => {
            Collection::Stream(Box::new(stream::take(object_type, source)?))
        }
        other => return legacy::take(other, source, encodings),
    })
}

/// Takes a list that an image holds: whether it is a quicklist is known.
pub(super) fn take_list_as<'a, S: Source<'a>>(
    source: &mut S,
    hash_seed: u64,
    quicklist: bool,
) -> Result<List, S::Error> {
    list::take(source, Encodings::AsWritten { hash_seed }, quicklist)
}

/// What a type refused, for the message.
fn damaged(what: &'static str) -> impl Fn(types::Malformed) -> Malformed {
    move |_| Malformed::Value(what)
}
