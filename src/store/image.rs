//! A key's state as a run on disk holds it.
//!
//! Images are taken under the shard's lock, and must be cheap there: small values are encoded at once, big ones are shared
//! and encoded later, bit by bit on their way to the run: no buffer holds all of a long one.

use std::sync::Arc;

use storage::{Content, Error, ValueWriter};

use super::entry::{INLINE_MAX, NewValue, Value};
use super::object::Object;
use super::table::Entry;
use crate::allocator::Transient;
use crate::rdb::image::{self as codec, ImageValue};
use crate::rdb::{Malformed, Sink};
use crate::types::string::encoding::EMBSTR_MAX;

/// A shared value that takes more memory is encoded bit by bit, where it is written to.
const LONG_BYTES: usize = 32 << 10;

/// A key's state at one moment.
#[derive(Debug)]
pub struct Image {
    times: Times,
    value: Frozen,
}

/// When somebody has to look at a key, in unix milliseconds.
#[derive(Clone, Copy, Debug, Default)]
struct Times {
    /// When it expires.
    expire: Option<u64>,
    /// When something inside its value does, if that is before.
    due: Option<u64>,
}

impl Times {
    fn of(entry: Entry<'_>) -> Self {
        let expire = entry.expire_at();
        Times { expire, due: entry.inner_due().filter(|&due| expire.is_none_or(|expire| due < expire)) }
    }
}

#[derive(Debug)]
enum Frozen {
    Tombstone,
    Encoded(Transient),
    /// With the access information.
    Shared(u32, Object),
}

impl Image {
    /// The image of an entry. `scratch` is where it is made.
    pub(super) fn of(entry: Entry<'_>, scratch: &mut Vec<u8>) -> Self {
        if entry.is_tombstone() {
            return Image { times: Times::default(), value: Frozen::Tombstone };
        }
        let access = entry.access();
        let value = match entry.value() {
            Value::Object(object) if !object.is_small() => Frozen::Shared(access, object.clone()),
            value => {
                scratch.clear();
                let Ok(()) = encode(scratch, access, value);
                Frozen::Encoded(Transient::copy(scratch))
            }
        };
        Image { times: Times::of(entry), value }
    }
}

fn encode<S: Sink>(out: &mut S, access: u32, value: Value<'_>) -> Result<(), S::Error> {
    match value {
        Value::Int(number) => codec::put_int(out, access, number),
        Value::Bytes { bytes, raw } => codec::put_string(out, access, raw, bytes),
        Value::Object(Object::String(bytes)) => {
            // Objects are raw whatever their length; of long strings that goes without saying.
            codec::put_string(out, access, bytes.len() <= EMBSTR_MAX, bytes)
        }
        Value::Object(object) => {
            let value = object.collection().expect("strings were met above");
            codec::put_collection(out, access, value)
        }
    }
}

/// A value that is too long to be encoded at once.
pub struct LongValue<'a> {
    access: u32,
    object: &'a Object,
}

impl LongValue<'_> {
    /// Puts its image.
    pub fn put<S: Sink>(&self, out: &mut S) -> Result<(), S::Error> {
        encode(out, self.access, Value::Object(self.object))
    }
}

impl Sink for ValueWriter<'_> {
    type Error = Error;

    #[inline]
    fn put(&mut self, bytes: &[u8]) -> Result<(), Error> {
        ValueWriter::put(self, bytes)
    }
}

/// What a table takes of a key that was read: value, expiry and access information; `None`: it does not exist.
pub type Loaded<'a> = Option<(NewValue<'a>, Option<u64>, u32)>;

/// Makes of what a run holds what a table takes: value, expiry and access information; `None` for a tombstone. `scratch` is
/// where bytes lie that had to be decoded, and `hash_seed` the dataset's for members of collections.
pub fn decode<'a>(
    content: &'a Content<Vec<u8>>,
    hash_seed: u64,
    scratch: &'a mut Vec<u8>,
) -> Result<Loaded<'a>, Malformed> {
    let Content::Value { bytes, expiry_ms, .. } = content else { return Ok(None) };
    let image = codec::take(bytes, hash_seed)?;
    let value = match image.value {
        ImageValue::Int(number) => NewValue::Int(number),
        // Allocated here, and not under the shard's lock.
        ImageValue::Bytes { bytes, .. } if bytes.len() > INLINE_MAX => {
            NewValue::Shared(Arc::new(bytes.into_owned()))
        }
        ImageValue::Bytes { bytes, raw } => {
            scratch.clear();
            scratch.extend_from_slice(&bytes);
            NewValue::Bytes(scratch, raw)
        }
        ImageValue::Collection(value) => NewValue::Object(value.into()),
    };
    Ok(Some((value, *expiry_ms, image.access)))
}

/// The name of the type of a value on disk, as TYPE gives it.
pub fn type_name(bytes: &[u8]) -> Result<&'static str, Malformed> {
    codec::kind(bytes)
}

/// Keys of one shard and namespace, captured in one lock hold: flat, so that capturing allocates next to nothing.
#[derive(Default)]
pub struct Slice {
    bytes: Vec<u8>,
    items: Vec<Item>,
    /// What was shared and is done with.
    used: Vec<Object>,
}

struct Item {
    hash: u64,
    /// The key is `bytes[key.0..key.1]`.
    key: (usize, usize),
    times: Times,
    value: ItemValue,
}

enum ItemValue {
    Tombstone,
    /// In `bytes`, from the key's end to here.
    Encoded(usize),
    Apart(Transient),
    Shared(u32, Object),
}

impl Slice {
    /// A slice with room for so many keys and bytes.
    pub fn with_room(keys: usize, bytes: usize) -> Self {
        Slice {
            bytes: Vec::with_capacity(bytes + bytes / 2),
            items: Vec::with_capacity(keys + keys / 2),
            used: Vec::new(),
        }
    }

    /// Bytes of its keys and small values.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Captures an entry.
    pub(super) fn push(&mut self, hash: u64, entry: Entry<'_>) {
        let key = self.put_key(entry.key());
        let (times, value) = if entry.is_tombstone() {
            (Times::default(), ItemValue::Tombstone)
        } else if let Value::Object(object) = entry.value()
            && !object.is_small()
        {
            (Times::of(entry), ItemValue::Shared(entry.access(), object.clone()))
        } else {
            let Ok(()) = encode(&mut self.bytes, entry.access(), entry.value());
            (Times::of(entry), ItemValue::Encoded(self.bytes.len()))
        };
        self.items.push(Item { hash, key, times, value });
    }

    /// Adds what was captured before.
    pub(super) fn push_image(&mut self, hash: u64, key: &[u8], image: Image) {
        let key = self.put_key(key);
        let value = match image.value {
            Frozen::Tombstone => ItemValue::Tombstone,
            Frozen::Encoded(bytes) => ItemValue::Apart(bytes),
            Frozen::Shared(access, object) => ItemValue::Shared(access, object),
        };
        self.items.push(Item { hash, key, times: image.times, value });
    }

    fn put_key(&mut self, key: &[u8]) -> (usize, usize) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(key);
        (start, self.bytes.len())
    }

    /// Number of keys.
    pub fn keys(&self) -> usize {
        self.items.len()
    }

    /// What was shared of values that were handed out: to be dropped by who has the time.
    pub fn take_used(&mut self) -> impl Iterator<Item = Object> {
        std::mem::take(&mut self.used).into_iter()
    }

    /// Hands out hash, key and content of each in the order of runs, and forgets them. Of a long value the content has no
    /// bytes: the image is what comes with it. An error of `each` ends it.
    pub fn drain<E>(
        &mut self,
        mut each: impl FnMut(u64, &[u8], Content<&[u8]>, Option<LongValue<'_>>) -> Result<(), E>,
    ) -> Result<(), E> {
        let Self { bytes, items, used } = self;
        items.sort_unstable_by_key(|item| (item.hash, &bytes[item.key.0..item.key.1]));
        let mut scratch = Vec::new();
        let result = items.drain(..).try_for_each(|Item { hash, key, times, value }| {
            let mut long = None;
            let content = match &value {
                ItemValue::Tombstone => None,
                ItemValue::Encoded(end) => Some(&bytes[key.1..*end]),
                ItemValue::Apart(bytes) => Some(&bytes[..]),
                ItemValue::Shared(access, object) => {
                    let value = LongValue { access: *access, object };
                    scratch.clear();
                    if object.memory_bytes() > LONG_BYTES {
                        long = Some(value);
                    } else {
                        let Ok(()) = value.put(&mut scratch);
                    }
                    Some(&scratch[..])
                }
            };
            let Times { expire: expiry_ms, due: due_ms } = times;
            let content =
                content.map_or(Content::Tombstone, |bytes| Content::Value { bytes, expiry_ms, due_ms });
            let result = each(hash, &bytes[key.0..key.1], content, long);
            if let ItemValue::Shared(_, object) = value {
                used.push(object);
            }
            result
        });
        self.items.clear();
        self.bytes.clear();
        result
    }
}
