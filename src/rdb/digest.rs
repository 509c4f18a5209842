//! Digests of values by Redis's algorithm: two servers that hold the same give the same, whatever the encodings.
//!
//! ```text
//! xor(d, x)   d ^= SHA1(x)
//! mix(d, x)   xor(d, x), then d = SHA1(d)
//! value       mix the type's number (0 string, 1 list, 2 set, 3 zset, 4 hash, 6 stream; 4 bytes, big-endian), then
//!   string    mix it
//!   list      mix each element
//!   set       xor each member
//!   zset      of each element, from zeros: mix the member, mix the score's text; xor the 20 bytes
//!   hash      of each field, from zeros: mix it, mix its value, xor "!!hexpire!!" if it expires; xor the 20 bytes
//!   stream    of each entry: mix "ms.seq", mix each name and value
//!             xor "!!expire!!" if the key expires
//! dataset     of each database: mix its number (4 bytes, big-endian), and xor for each key the 20 bytes of,
//!             from zeros: mix the key, then the value as above
//! ```
//!
//! Scores have the text that clients see, as since 7.2; servers before write some with more digits.

use sha1::{Digest as _, Sha1};

use super::{CollectionRef, ObjectRef};
use crate::types::stream::StreamId;
use crate::util::double::DoubleText;

/// A digest in the making; zeros at first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Digest([u8; 20]);

impl Digest {
    /// Its 40 hexadecimal digits.
    pub fn hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Notes that a database begins.
    pub fn database(&mut self, number: u32) {
        self.mix(&number.to_be_bytes());
    }

    /// Adds a key with its value. The order of keys does not matter.
    pub fn entry(&mut self, key: &[u8], value: ObjectRef<'_>, expires: bool) {
        let mut digest = Self::default();
        digest.mix(key);
        digest.value(value, expires);
        self.xor(&digest.0);
    }

    /// Adds a value.
    pub fn value(&mut self, value: ObjectRef<'_>, expires: bool) {
        self.mix(&number_of(value).to_be_bytes());
        match value {
            ObjectRef::Int(number) => self.mix(itoa::Buffer::new().format(number).as_bytes()),
            ObjectRef::String(bytes) => self.mix(bytes),
            ObjectRef::Collection(value) => self.collection(value),
        }
        if expires {
            self.xor(b"!!expire!!");
        }
    }

    fn collection(&mut self, value: CollectionRef<'_>) {
        let (mut first, mut second) = (itoa::Buffer::new(), itoa::Buffer::new());
        match value {
            CollectionRef::List(list) => {
                list.iter(0..list.len()).for_each(|element| self.mix(element.text(&mut first)));
            }
            CollectionRef::Set(set) => set.iter().for_each(|member| self.xor(member.text(&mut first))),
            CollectionRef::Hash(hash) => hash.iter().for_each(|entry| {
                let mut digest = Self::default();
                digest.mix(entry.field.text(&mut first));
                digest.mix(entry.value.text(&mut second));
                if entry.expire.is_some() {
                    digest.xor(b"!!hexpire!!");
                }
                self.xor(&digest.0);
            }),
            CollectionRef::Zset(zset) => zset.iter(0..zset.len()).for_each(|(member, score)| {
                let mut digest = Self::default();
                digest.mix(member.text(&mut first));
                digest.mix(DoubleText::new(score).as_bytes());
                self.xor(&digest.0);
            }),
            CollectionRef::Stream(stream) => {
                for entry in stream.entries.range(StreamId::MIN, StreamId::MAX) {
                    self.mix(format!("{}.{}", entry.id.ms, entry.id.seq).as_bytes());
                    for (name, value) in entry.fields() {
                        self.mix(name.text(&mut first));
                        self.mix(value.text(&mut second));
                    }
                }
            }
        }
    }

    fn xor(&mut self, bytes: &[u8]) {
        let hash = Sha1::digest(bytes);
        self.0.iter_mut().zip(hash).for_each(|(byte, other)| *byte ^= other);
    }

    fn mix(&mut self, bytes: &[u8]) {
        self.xor(bytes);
        self.0 = Sha1::digest(self.0).into();
    }
}

fn number_of(value: ObjectRef<'_>) -> u32 {
    match value {
        ObjectRef::Int(_) | ObjectRef::String(_) => 0,
        ObjectRef::Collection(CollectionRef::List(_)) => 1,
        ObjectRef::Collection(CollectionRef::Set(_)) => 2,
        ObjectRef::Collection(CollectionRef::Zset(_)) => 3,
        ObjectRef::Collection(CollectionRef::Hash(_)) => 4,
        ObjectRef::Collection(CollectionRef::Stream(_)) => 6,
    }
}
