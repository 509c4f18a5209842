//! Values outside their entries: strings too big for a slot, and every value that is not a string.
//!
//! * A clone is a freeze: it shares the chunks of a big value, and whoever writes next copies the one that it touches
//!   (DESIGN §2). Small values are one listpack or intset and are copied.
//! * [`Typed`] is how a command asks for the type that it works on; there is no other way to a value of a certain type.

use std::fmt;
use std::sync::Arc;

use super::entry::Value;
use crate::rdb::{Collection, CollectionRef, ObjectRef};
use crate::sys::Lines;
use crate::types::hash::Hash;
use crate::types::list::List;
use crate::types::set::Set;
use crate::types::stream::Stream;
use crate::types::string::encoding::Encoding;
use crate::types::zset::Zset;

/// A value outside its entry.
#[derive(Clone)]
pub enum Object {
    /// A string over [`INLINE_MAX`](super::entry::INLINE_MAX) bytes. Shared, so that a reply can hold it without a copy.
    String(Arc<Vec<u8>>),
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

impl Object {
    /// Bytes of heap memory, counting shared ones in full. Kept, not counted: O(1).
    pub fn memory_bytes(&self) -> usize {
        match self {
            Self::String(bytes) => size_of::<Vec<u8>>() + 2 * size_of::<usize>() + bytes.capacity(),
            Self::List(list) => list.memory_bytes(),
            Self::Set(set) => set.memory_bytes(),
            Self::Hash(hash) => hash.memory_bytes(),
            Self::Zset(zset) => zset.memory_bytes(),
            Self::Stream(stream) => size_of::<Stream>() + stream.memory_bytes(),
        }
    }

    /// When something inside expires next, in unix milliseconds: a field of a hash.
    #[inline]
    pub fn next_expire(&self) -> Option<u64> {
        if let Self::Hash(hash) = self { hash.next_expire() } else { None }
    }

    /// The name of its type, as TYPE gives it.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::String(_) => "string",
            Self::List(_) => "list",
            Self::Set(_) => "set",
            Self::Hash(_) => "hash",
            Self::Zset(_) => "zset",
            Self::Stream(_) => "stream",
        }
    }

    /// The value, unless it is a string.
    pub fn collection(&self) -> Option<CollectionRef<'_>> {
        Some(match self {
            Self::String(_) => return None,
            Self::List(list) => CollectionRef::List(list),
            Self::Set(set) => CollectionRef::Set(set),
            Self::Hash(hash) => CollectionRef::Hash(hash),
            Self::Zset(zset) => CollectionRef::Zset(zset),
            Self::Stream(stream) => CollectionRef::Stream(stream),
        })
    }

    /// Is it a clone of the other or the other of it, unchanged since? Then both are equal. If not, they may be: small values and
    /// streams do not show it.
    pub fn is_shared_with(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::String(a), Self::String(b)) => Arc::ptr_eq(a, b),
            (Self::List(a), Self::List(b)) => a.is_shared_with(b),
            (Self::Set(a), Self::Set(b)) => a.is_shared_with(b),
            (Self::Hash(a), Self::Hash(b)) => a.is_shared_with(b),
            (Self::Zset(a), Self::Zset(b)) => a.is_shared_with(b),
            _ => false,
        }
    }

    /// Is it a few bytes in one piece, so that a clone copies all of it?
    pub fn is_small(&self) -> bool {
        self.small_memory().is_some()
    }

    /// The memory of a collection that is one piece of it.
    fn small_memory(&self) -> Option<&[u8]> {
        match self {
            Self::String(_) | Self::Stream(_) => None,
            Self::List(list) => list.small_memory(),
            Self::Set(set) => set.small_memory(),
            Self::Hash(hash) => hash.small_memory(),
            Self::Zset(zset) => zset.small_memory(),
        }
    }

    /// The lines of a collection that is one piece of memory, or of the root of a stream.
    #[inline]
    pub fn lines(&self) -> Option<Lines> {
        match self {
            Self::Stream(stream) => Some(Lines::of(&**stream)),
            _ => self.small_memory().map(Lines::of),
        }
    }

    /// The lines of the block of a stream that takes entries.
    #[inline]
    pub fn tail_lines(&self) -> Option<Lines> {
        if let Self::Stream(stream) = self { stream.entries.last_memory().map(Lines::of) } else { None }
    }

    /// The name of its encoding, as OBJECT ENCODING gives it.
    pub fn encoding(&self) -> &'static str {
        match self {
            Self::String(_) => Encoding::Raw.name(),
            Self::List(list) => list.encoding().name(),
            Self::Set(set) => set.encoding().name(),
            Self::Hash(hash) => hash.encoding().name(),
            Self::Zset(zset) => zset.encoding().name(),
            Self::Stream(_) => "stream",
        }
    }
}

impl From<Collection> for Object {
    fn from(value: Collection) -> Self {
        match value {
            Collection::List(list) => Self::List(list),
            Collection::Set(set) => Self::Set(set),
            Collection::Hash(hash) => Self::Hash(hash),
            Collection::Zset(zset) => Self::Zset(zset),
            Collection::Stream(stream) => Self::Stream(stream),
        }
    }
}

/// A value as it is written for others.
impl<'a> From<Value<'a>> for ObjectRef<'a> {
    fn from(value: Value<'a>) -> Self {
        match value {
            Value::Int(number) => Self::Int(number),
            Value::Bytes { bytes, .. } => Self::String(bytes),
            Value::Object(Object::String(bytes)) => Self::String(bytes),
            Value::Object(object) => Self::Collection(object.collection().expect("strings were met above")),
        }
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}, {} bytes)", self.type_name(), self.encoding(), self.memory_bytes())
    }
}

/// A type of values that are kept as objects.
pub trait Typed: Sized {
    /// The value, if it is of this type.
    fn of(object: &Object) -> Option<&Self>;

    /// The value to change, if it is of this type.
    fn of_mut(object: &mut Object) -> Option<&mut Self>;

    /// The value as an object.
    fn into_object(self) -> Object;

    /// Does a key with this value not exist? An empty stream does.
    fn is_nothing(&self) -> bool;
}

impl Typed for List {
    fn of(object: &Object) -> Option<&Self> {
        if let Object::List(value) = object { Some(value) } else { None }
    }

    fn of_mut(object: &mut Object) -> Option<&mut Self> {
        if let Object::List(value) = object { Some(value) } else { None }
    }

    fn into_object(self) -> Object {
        Object::List(self)
    }

    fn is_nothing(&self) -> bool {
        self.is_empty()
    }
}

impl Typed for Set {
    fn of(object: &Object) -> Option<&Self> {
        if let Object::Set(value) = object { Some(value) } else { None }
    }

    fn of_mut(object: &mut Object) -> Option<&mut Self> {
        if let Object::Set(value) = object { Some(value) } else { None }
    }

    fn into_object(self) -> Object {
        Object::Set(self)
    }

    fn is_nothing(&self) -> bool {
        self.is_empty()
    }
}

impl Typed for Hash {
    fn of(object: &Object) -> Option<&Self> {
        if let Object::Hash(value) = object { Some(value) } else { None }
    }

    fn of_mut(object: &mut Object) -> Option<&mut Self> {
        if let Object::Hash(value) = object { Some(value) } else { None }
    }

    fn into_object(self) -> Object {
        Object::Hash(self)
    }

    fn is_nothing(&self) -> bool {
        self.is_empty()
    }
}

impl Typed for Zset {
    fn of(object: &Object) -> Option<&Self> {
        if let Object::Zset(value) = object { Some(value) } else { None }
    }

    fn of_mut(object: &mut Object) -> Option<&mut Self> {
        if let Object::Zset(value) = object { Some(value) } else { None }
    }

    fn into_object(self) -> Object {
        Object::Zset(self)
    }

    fn is_nothing(&self) -> bool {
        self.is_empty()
    }
}

impl Typed for Stream {
    fn of(object: &Object) -> Option<&Self> {
        if let Object::Stream(value) = object { Some(value) } else { None }
    }

    fn of_mut(object: &mut Object) -> Option<&mut Self> {
        if let Object::Stream(value) = object { Some(value) } else { None }
    }

    fn into_object(self) -> Object {
        Object::Stream(Box::new(self))
    }

    fn is_nothing(&self) -> bool {
        false
    }
}
