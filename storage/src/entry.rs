//! Entries: what a run, or a round of a checkpoint, says of one key.
//!
//! A *record* is a change in the log; an *entry* is the state of a key at a cut. Entries are ordered by position
//! (namespace, hash) and then by key; the same key has the same hash wherever it is written.

use std::fmt;

/// How many parts a namespace is counted in. The server's shards are the same parts.
pub const PARTITIONS: usize = 64;

/// A namespace: the contents of one logical database between two flushes. Never used again once dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct NamespaceId(pub u32);

impl fmt::Display for NamespaceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A place in the order of keys. Several keys may share one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The namespace that the key belongs to.
    pub namespace: NamespaceId,
    /// The key's hash.
    pub hash: u64,
}

impl Position {
    /// Before, or at, every entry.
    pub const MIN: Self = Self { namespace: NamespaceId(0), hash: 0 };
    /// Behind, or at, every entry.
    pub const MAX: Self = Self { namespace: NamespaceId(u32::MAX), hash: u64::MAX };

    /// The first position of the next namespace, `None` behind the last.
    pub fn next_namespace(self) -> Option<Self> {
        Some(Self { namespace: NamespaceId(self.namespace.0.checked_add(1)?), hash: 0 })
    }

    /// The part of its namespace that the position lies in: the top 6 bits of the hash, below [`PARTITIONS`].
    pub fn partition(self) -> u8 {
        (self.hash >> 58) as u8
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{:016x}", self.namespace, self.hash)
    }
}

/// The state of a key. `B` is how its value's bytes are held; what they mean is not the engine's business.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content<B> {
    /// The key has a value.
    Value {
        /// The encoded value.
        bytes: B,
        /// When the key expires, in milliseconds since 1970, if ever. The engine itself expires nothing.
        expiry_ms: Option<u64>,
        /// When something else is to be done about the value, if that is before the key expires: a time that only the owner
        /// of the value knows the meaning of.
        due_ms: Option<u64>,
    },
    /// The key was deleted; what older runs say of it no longer holds.
    Tombstone,
}

impl<B> Content<B> {
    /// Whether the key was deleted.
    pub fn is_tombstone(&self) -> bool {
        matches!(self, Self::Tombstone)
    }

    /// When somebody has to look at the key, if ever: when it expires or is due.
    pub fn wakes_ms(&self) -> Option<u64> {
        match self {
            Self::Value { expiry_ms, due_ms, .. } => expiry_ms.iter().chain(due_ms).min().copied(),
            Self::Tombstone => None,
        }
    }

    /// When the key expires, if ever.
    pub fn expiry_ms(&self) -> Option<u64> {
        match self {
            Self::Value { expiry_ms, .. } => *expiry_ms,
            Self::Tombstone => None,
        }
    }

    /// The same with other bytes.
    pub fn with_bytes<C>(&self, bytes: C) -> Content<C> {
        match *self {
            Self::Value { expiry_ms, due_ms, .. } => Content::Value { bytes, expiry_ms, due_ms },
            Self::Tombstone => Content::Tombstone,
        }
    }
}

impl Content<Vec<u8>> {
    /// The same, without a copy.
    pub fn borrowed(&self) -> Content<&[u8]> {
        match *self {
            Self::Value { ref bytes, expiry_ms, due_ms } => Content::Value { bytes, expiry_ms, due_ms },
            Self::Tombstone => Content::Tombstone,
        }
    }
}

impl Content<&[u8]> {
    /// A copy that outlives the block.
    pub fn copied(&self) -> Content<Vec<u8>> {
        match *self {
            Self::Value { bytes, expiry_ms, due_ms } => {
                Content::Value { bytes: bytes.to_vec(), expiry_ms, due_ms }
            }
            Self::Tombstone => Content::Tombstone,
        }
    }
}

/// An entry, borrowed from where it lies. `B` is how its value's bytes are held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a, B = &'a [u8]> {
    /// The key's place in the order.
    pub position: Position,
    /// The key.
    pub key: &'a [u8],
    /// The key's state.
    pub content: Content<B>,
}

/// An entry without its value's bytes: what a merge decides by.
pub type Head<'a> = Entry<'a, ()>;

impl<'a, B> Entry<'a, B> {
    /// What entries are sorted by; equal for entries of the same key only.
    pub fn order(&self) -> (Position, &'a [u8]) {
        (self.position, self.key)
    }

    /// The entry without its value's bytes.
    pub fn head(&self) -> Head<'a> {
        Entry { position: self.position, key: self.key, content: self.content.with_bytes(()) }
    }
}

impl Entry<'_> {
    /// The length of the value, 0 for a tombstone.
    pub fn value_bytes(&self) -> usize {
        match self.content {
            Content::Value { bytes, .. } => bytes.len(),
            Content::Tombstone => 0,
        }
    }
}
