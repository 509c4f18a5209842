//! The RDB encoding of values: what runs on disk, DUMP and RESTORE, RDB files and full syncs have in common.
//!
//! ```text
//! length    00xxxxxx                      6 bits
//!           01xxxxxx b                    14 bits, big-endian
//!           10000000 b b b b              32 bits, big-endian
//!           10000001 b b b b b b b b      64 bits, big-endian
//! string    length, bytes
//!           11000000 b                    an integer of  8 bits: its decimal text
//!           11000001 b b                  an integer of 16 bits, little-endian
//!           11000010 b b b b              an integer of 32 bits, little-endian
//!           11000011 length length bytes  compressed with LZF: compressed length, length, compressed bytes
//! object    type byte (see `object_type`), payload; the payload of a string object is one string
//! ```
//!
//! * Pure functions over bytes: no locks, no files, no clock. Parts are taken from a [`Source`], which is a byte slice or
//!   anything that can be read.
//! * Whatever the bytes are, reading them gives a value or an error. A length is compared with what is left before memory
//!   is asked for; where what is left is unknown, memory grows only with the bytes that arrive.
//! * What is written can be read by Redis 7.0 and later, as far as the version asked for goes.
//!
//! Reading order: [`string`], [`object`], [`collection`], then what wraps objects: [`image`], [`dump`], [`writer`] and [`reader`].

pub mod collection;
pub mod crc64;
pub mod digest;
pub mod dump;
pub mod functions;
pub mod image;
mod length;
pub mod lzf;
pub mod object;
pub mod object_type;
mod opcode;
pub mod reader;
mod seam;
pub mod string;
#[cfg(test)]
mod tests;
pub mod writer;

use std::fmt;

pub use collection::{Collection, CollectionRef, Encodings, Limits, NotPut, Rewritten};
pub use object::{Object, ObjectRef};
pub use seam::{Sink, Source};

/// The latest RDB version that is read: that of Redis 7.4.
pub const VERSION_MAX: u16 = 12;

/// How objects are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    /// The RDB version, 10 to 12: 10 is read by Redis 7.0, 11 by 7.2 and Valkey, 12 by 7.4.
    pub version: u16,
    /// Whether strings are compressed.
    pub compression: bool,
}

impl Format {
    /// What says everything, for images and comparisons.
    pub const EXACT: Self = Self { version: VERSION_MAX, compression: false };
}

impl Default for Format {
    fn default() -> Self {
        Self { version: 11, compression: true }
    }
}

/// What a file says about the use of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Access {
    /// Nothing.
    #[default]
    Unknown,
    /// For how many seconds it has not been used.
    IdleSeconds(u64),
    /// Its LFU counter.
    Frequency(u8),
}

/// Why bytes are not what they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// The bytes end before what they announce.
    CutOff,
    /// Bytes follow the end.
    Trailing,
    /// No length begins with this byte.
    Length(u8),
    /// No encoding of strings has this number.
    StringEncoding(u8),
    /// A compressed string does not decompress to the length it announces, or to one that memory has no room for.
    Compression,
    /// An image has flags that mean nothing, or do not fit its value.
    ImageFlags(u8),
    /// The type of an object is unknown, or known and not readable.
    Type(u8),
    /// Data of a module has a part with this opcode, which has no known length.
    ModuleOpcode(u64),
    /// Functions in the form of a release candidate of 7.0.
    FunctionPreGa,
    /// A number that does not fit where it stands.
    Number(u64),
    /// A value of this kind is not what it should be: parts that contradict each other, none at all, or one twice.
    Value(&'static str),
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::CutOff => f.write_str("the data is cut off"),
            Self::Trailing => f.write_str("bytes follow the end of the data"),
            Self::Length(byte) => write!(f, "no length begins with the byte {byte:#04x}"),
            Self::StringEncoding(number) => write!(f, "strings have no encoding {number}"),
            Self::Compression => f.write_str("a compressed string is damaged"),
            Self::ImageFlags(flags) => write!(f, "the flags {flags:#04x} do not fit the value"),
            Self::Type(number) => match object_type::name(number) {
                Some(name) => write!(f, "objects of type {number} ({name}) cannot be read"),
                None => write!(f, "there are no objects of type {number}"),
            },
            Self::ModuleOpcode(number) => write!(f, "data of a module has the unknown opcode {number}"),
            Self::FunctionPreGa => f.write_str("functions of a 7.0 release candidate cannot be read"),
            Self::Number(number) => write!(f, "the number {number} is too large"),
            Self::Value(kind) => write!(f, "a {kind} is damaged"),
        }
    }
}

impl std::error::Error for Malformed {}
