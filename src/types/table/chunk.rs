//! A chunk: the entries of one range of hashes.
//!
//! * `tags` are the 16 bits of each hash after those that lead to the chunk, ascending; `offsets` say where each entry
//!   is in `data`, which has no order. Entries with equal tags stand side by side in any order.
//! * A hash is spread evenly, so the place of a tag is guessed from its value and found a few steps away.
//! * Removed and outgrown entries leave garbage in `data`, which is swept before it is more than about a fifth.
//! * `expire` is exactly the first expiry of the entries.

use std::marker::PhantomData;
use std::sync::Arc;

use super::entry::{Fields, LongStrings, Reader, Shape, Writer, read_field_head, tag_of, write_field_head};
use super::{CHUNK_BYTES, CHUNK_ENTRIES, Summary, hash_of};
use crate::util::capacity::{capacity_for, give_back, reserve};

/// Garbage that is left alone.
const GARBAGE_MIN: usize = 256;
/// Steps from the guessed place after which the place is searched for.
const STEPS_MAX: usize = 64;

pub(super) struct Chunk<S> {
    tags: Vec<u16>,
    offsets: Vec<u32>,
    data: Vec<u8>,
    garbage: usize,
    long: LongStrings,
    expire: u64,
    shape: PhantomData<fn() -> S>,
}

impl<S> Clone for Chunk<S> {
    fn clone(&self) -> Self {
        Self {
            tags: self.tags.clone(),
            offsets: self.offsets.clone(),
            data: self.data.clone(),
            long: self.long.clone(),
            ..*self
        }
    }
}

impl<S: Shape> Chunk<S> {
    pub(super) fn new() -> Self {
        Self {
            tags: Vec::new(),
            offsets: Vec::new(),
            data: Vec::new(),
            garbage: 0,
            long: LongStrings::default(),
            expire: u64::MAX,
            shape: PhantomData,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.tags.len()
    }

    pub(super) fn summary(&self) -> Summary {
        let counts = 2 * size_of::<usize>();
        let index = self.tags.capacity() * size_of::<u16>() + self.offsets.capacity() * size_of::<u32>();
        let bytes = counts + size_of::<Self>() + index + self.data.capacity() + self.long.memory_bytes();
        Summary { len: self.len(), bytes, expire: self.expire }
    }

    /// Whether it should split.
    pub(super) fn is_over(&self) -> bool {
        self.len() > CHUNK_ENTRIES || (self.used() > CHUNK_BYTES && self.len() > 1)
    }

    /// Whether it may be merged with another: half of what makes chunks split, so that they don't do both in turn.
    pub(super) fn is_small(&self) -> bool {
        self.len() <= CHUNK_ENTRIES / 2 && self.used() <= CHUNK_BYTES / 2
    }

    /// Whether it and `other` should be one chunk.
    pub(super) fn can_merge(&self, other: &Self) -> bool {
        self.len() + other.len() <= CHUNK_ENTRIES / 2 && self.used() + other.used() <= CHUNK_BYTES / 2
    }

    pub(super) fn tag(&self, index: usize) -> u16 {
        self.tags[index]
    }

    /// The key and value with this index.
    pub(super) fn entry(&self, index: usize) -> (&[u8], S::Value<'_>) {
        let mut reader = self.reader(index);
        (reader.key(), S::read(&mut reader))
    }

    pub(super) fn key(&self, index: usize) -> &[u8] {
        self.reader(index).key()
    }

    /// The first index with this tag or a higher one.
    pub(super) fn lower_bound(&self, tag: u16) -> usize {
        let guess = (usize::from(tag) * self.len()) >> 16;
        let (below, above) = self.tags.split_at(guess);
        let down = below.iter().rev().take(STEPS_MAX).take_while(|&&other| other >= tag).count();
        if down == STEPS_MAX {
            return below.partition_point(|&other| other < tag);
        }
        if down > 0 {
            return guess - down;
        }
        let up = above.iter().take(STEPS_MAX).take_while(|&&other| other < tag).count();
        if up == STEPS_MAX { guess + above.partition_point(|&other| other < tag) } else { guess + up }
    }

    /// The index of `key`, or else the one that it gets.
    pub(super) fn find(&self, tag: u16, key: &[u8]) -> Result<usize, usize> {
        let mut index = self.lower_bound(tag);
        while self.tags.get(index) == Some(&tag) {
            if self.key(index) == key {
                return Ok(index);
            }
            index += 1;
        }
        Err(index)
    }

    /// Puts `value` under `key`. `true`: the key is new.
    pub(super) fn insert(&mut self, tag: u16, key: &[u8], value: S::Value<'_>) -> bool {
        match self.find(tag, key) {
            Ok(index) => {
                let (old_len, old_expire) = self.release(index);
                self.write_over(index, old_len, |writer| Self::write(writer, key, value));
                self.expire_changed(old_expire, S::expire(value));
                false
            }
            Err(index) => {
                self.push(index, tag, |writer| Self::write(writer, key, value));
                self.expire = self.expire.min(S::expire(value));
                true
            }
        }
    }

    /// Removes `key`, if it is there.
    pub(super) fn remove(&mut self, tag: u16, key: &[u8]) -> bool {
        let Ok(index) = self.find(tag, key) else { return false };
        let (len, expire) = self.release(index);
        self.tags.remove(index);
        self.offsets.remove(index);
        self.garbage += len;
        self.expire_changed(expire, u64::MAX);
        self.sweep_if_needed();
        give_back(&mut self.tags);
        give_back(&mut self.offsets);
        true
    }

    /// Both halves by the highest bit of the tags. `depth` is this chunk's.
    pub(super) fn split(&self, depth: u32, seed: u64) -> (Self, Self) {
        let middle = self.tags.partition_point(|&tag| tag < 0x8000);
        let half =
            |range: std::ops::Range<usize>| Self::gather(range.map(|index| (self, index)), depth + 1, seed);
        (half(0..middle), half(middle..self.len()))
    }

    /// One chunk of two neighbours; `depth` is that of both.
    pub(super) fn merge(low: &Self, high: &Self, depth: u32, seed: u64) -> Self {
        let of = |chunk| (0..Self::len(chunk)).map(move |index| (chunk, index));
        Self::gather(of(low).chain(of(high)), depth - 1, seed)
    }

    /// A chunk at `depth` of entries of others, without garbage.
    fn gather<'a>(entries: impl Iterator<Item = (&'a Self, usize)>, depth: u32, seed: u64) -> Self {
        let tag = |chunk: &Self, index| tag_of(hash_of(seed, chunk.key(index)), depth);
        let mut sorted: Vec<_> = entries.map(|(chunk, index)| (tag(chunk, index), chunk, index)).collect();
        sorted.sort_unstable_by_key(|(tag, ..)| *tag);
        let mut gathered = Self::new();
        let bytes = sorted.iter().map(|(_, chunk, index)| chunk.entry_len(*index)).sum();
        gathered.tags.reserve_exact(capacity_for(sorted.len() + 1));
        gathered.offsets.reserve_exact(capacity_for(sorted.len() + 1));
        gathered.data.reserve_exact(capacity_for(bytes));
        for (tag, chunk, index) in sorted {
            gathered.tags.push(tag);
            gathered.copy_entry(chunk, index);
        }
        gathered
    }

    /// Bytes of entries that are not garbage.
    fn used(&self) -> usize {
        self.data.len() - self.garbage
    }

    fn reader(&self, index: usize) -> Reader<'_> {
        let at = self.offsets[index] as usize;
        Reader { data: &self.data, long: &self.long, at, references: [None; 2] }
    }

    fn entry_len(&self, index: usize) -> usize {
        let mut reader = self.reader(index);
        let start = reader.at;
        reader.key();
        S::read(&mut reader);
        reader.at - start
    }

    /// Copies an entry of another chunk behind the data, and what it refers to.
    fn copy_entry(&mut self, from: &Self, index: usize) {
        let mut reader = from.reader(index);
        let start = reader.at;
        reader.key();
        let value = S::read(&mut reader);
        let offset = self.data.len();
        self.data.extend_from_slice(&from.data[start..reader.at]);
        for at in reader.references.into_iter().flatten() {
            let copied = self.long.add(from.long.get(reference_at(&from.data, at)).clone());
            self.data[offset + at - start..][..4].copy_from_slice(&copied.to_le_bytes());
        }
        self.offsets.push(offset as u32);
        self.expire = self.expire.min(S::expire(value));
    }

    fn write(writer: &mut Writer<'_>, key: &[u8], value: S::Value<'_>) {
        writer.varint(key.len());
        writer.bytes(key);
        S::write(value, writer);
    }

    /// Writes an entry behind the data and gives its place.
    fn append(&mut self, write: impl FnOnce(&mut Writer<'_>)) -> usize {
        let offset = self.data.len();
        write(&mut Writer { data: &mut self.data, long: &mut self.long });
        offset
    }

    /// Adds an entry at `index`.
    fn push(&mut self, index: usize, tag: u16, write: impl FnOnce(&mut Writer<'_>)) {
        let offset = self.append(write);
        reserve(&mut self.tags, 1);
        reserve(&mut self.offsets, 1);
        self.tags.insert(index, tag);
        self.offsets.insert(index, offset as u32);
    }

    /// Writes an entry in place of one that had `old_len` bytes and is released: in the same place if it is as long.
    fn write_over(&mut self, index: usize, old_len: usize, write: impl FnOnce(&mut Writer<'_>)) {
        let offset = self.append(write);
        if self.data.len() - offset == old_len {
            self.data.copy_within(offset.., self.offsets[index] as usize);
            self.data.truncate(offset);
        } else {
            self.offsets[index] = offset as u32;
            self.garbage += old_len;
            self.sweep_if_needed();
        }
    }

    /// Lets go of the long strings of an entry that is about to be garbage. Gives its length and expiry.
    fn release(&mut self, index: usize) -> (usize, u64) {
        let mut reader = self.reader(index);
        let start = reader.at;
        reader.key();
        let expire = S::expire(S::read(&mut reader));
        let (len, references) = (reader.at - start, reader.references);
        for at in references.into_iter().flatten() {
            self.long.remove(reference_at(&self.data, at));
        }
        (len, expire)
    }

    fn expire_changed(&mut self, old: u64, new: u64) {
        if new <= self.expire {
            self.expire = new;
        } else if old == self.expire {
            let expires = (0..self.len()).map(|index| S::expire(self.entry(index).1));
            self.expire = expires.min().unwrap_or(u64::MAX);
        }
    }

    /// Writes the entries anew, in order, if there is much garbage between them.
    fn sweep_if_needed(&mut self) {
        if self.garbage <= GARBAGE_MIN + self.data.len() / 8 {
            return;
        }
        let mut data = Vec::with_capacity(capacity_for(self.used()));
        for index in 0..self.len() {
            let (start, len) = (self.offsets[index] as usize, self.entry_len(index));
            self.offsets[index] = data.len() as u32;
            data.extend_from_slice(&self.data[start..start + len]);
        }
        (self.data, self.garbage) = (data, 0);
    }
}

impl Chunk<Fields> {
    /// Gives an entry another expiry, without touching its value: it may be long. `false`: it is not there.
    pub(super) fn set_expire(&mut self, tag: u16, key: &[u8], expire: Option<u64>) -> bool {
        let Ok(index) = self.find(tag, key) else { return false };
        let mut reader = self.reader(index);
        let start = reader.at;
        reader.key();
        let head = reader.at;
        let (value_len, old) = read_field_head(&mut reader);
        let value = reader.at;
        reader.bytes(value_len);
        let end = reader.at;
        let entry = self.data[start..end].to_vec();
        self.write_over(index, end - start, |writer| {
            writer.put(&entry[..head - start]);
            write_field_head(writer, value_len, expire);
            writer.put(&entry[value - start..]);
        });
        self.expire_changed(old.unwrap_or(u64::MAX), expire.unwrap_or(u64::MAX));
        true
    }

    /// Adds the keys that expire at `until_ms` or before, until there are `limit`.
    pub(super) fn collect_due(&self, until_ms: u64, limit: usize, keys: &mut Vec<Vec<u8>>) {
        for index in 0..self.len() {
            let (key, field) = self.entry(index);
            if keys.len() < limit && field.expire.is_some_and(|expire| expire <= until_ms) {
                keys.push(key.to_vec());
            }
        }
    }
}

/// The index of a long string that is written at `at`.
fn reference_at(data: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(data[at..at + 4].try_into().expect("the range has four bytes"))
}

const _: () = assert!(size_of::<Option<Arc<[u8]>>>() == 16, "a long string takes two words");
