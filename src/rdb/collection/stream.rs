//! Streams.
//!
//! ```text
//! stream      length, { string id, string listpack }      blocks: the id has 16 bytes
//!             length                                      entries
//!             id                                          the last one; ids here are two lengths, ms and seq
//!             id, id, length                              first, greatest deleted, entries ever added; since version 2
//!             length, { group }
//! group       string                                      its name
//!             id, length                                  the last that it has read; entries read, since version 2
//!             length, { 16 bytes, 8 bytes, length }       pending: id, when it was delivered, how often
//!             length, { consumer }
//! consumer    string                                      its name
//!             8 bytes, 8 bytes                            when it was seen; when it was active, since version 3
//!             length, { 16 bytes }                        the ids of its pending entries
//! ```
//!
//! The 16 bytes of an id are big-endian; times have 8 bytes, little-endian, and −1 is "never".

use super::damaged;
use crate::rdb::{Format, Malformed, Sink, Source, length, object_type, string};
use crate::types::listpack::Listpack;
use crate::types::stream::{ConsumerId, Group, Stream, StreamId};
use crate::util::time::UnixMs;

const DAMAGED: &str = "stream";

/// The first version with active times.
pub(super) const ACTIVE_SINCE: u16 = 11;
/// A number or time that is not known.
const UNKNOWN: u64 = u64::MAX;

pub(super) fn type_of(format: Format) -> u8 {
    if format.version >= ACTIVE_SINCE {
        object_type::STREAM_LISTPACKS_3
    } else {
        object_type::STREAM_LISTPACKS_2
    }
}

pub(super) fn put<S: Sink>(out: &mut S, stream: &Stream, format: Format) -> Result<(), S::Error> {
    let entries = &stream.entries;
    length::put(out, entries.blocks().count() as u64)?;
    for (master, listpack) in entries.blocks() {
        string::put(out, &raw(master), format.compression)?;
        string::put(out, listpack.as_bytes(), format.compression)?;
    }
    length::put(out, entries.len() as u64)?;
    put_id(out, entries.last_id())?;
    put_id(out, entries.first_id())?;
    put_id(out, entries.max_deleted_id())?;
    length::put(out, entries.added())?;
    length::put(out, stream.groups.len() as u64)?;
    stream.groups.iter().try_for_each(|(name, group)| put_group(out, name, group, format))
}

fn put_group<S: Sink>(out: &mut S, name: &[u8], group: &Group, format: Format) -> Result<(), S::Error> {
    string::put(out, name, format.compression)?;
    put_id(out, group.last_id)?;
    length::put(out, group.entries_read.unwrap_or(UNKNOWN))?;
    length::put(out, group.pending_len() as u64)?;
    for (id, pending) in group.pending_between(StreamId::MIN, StreamId::MAX, None) {
        out.put(&raw(id))?;
        out.put(&pending.delivered.0.to_le_bytes())?;
        length::put(out, pending.deliveries)?;
    }
    length::put(out, group.consumers_len() as u64)?;
    group.consumers().try_for_each(|(id, consumer)| {
        string::put(out, consumer.name(), format.compression)?;
        out.put(&consumer.seen.0.to_le_bytes())?;
        if format.version >= ACTIVE_SINCE {
            out.put(&consumer.active().map_or(UNKNOWN, |at| at.0).to_le_bytes())?;
        }
        length::put(out, consumer.pending_len() as u64)?;
        group
            .pending_between(StreamId::MIN, StreamId::MAX, Some(id))
            .try_for_each(|(id, _)| out.put(&raw(id)))
    })
}

fn put_id<S: Sink>(out: &mut S, id: StreamId) -> Result<(), S::Error> {
    length::put(out, id.ms)?;
    length::put(out, id.seq)
}

fn raw(id: StreamId) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&id.ms.to_be_bytes());
    bytes[8..].copy_from_slice(&id.seq.to_be_bytes());
    bytes
}

pub(super) fn take<'a, S: Source<'a>>(object_type: u8, source: &mut S) -> Result<Stream, S::Error> {
    let mut stream = Stream::default();
    let entries = &mut stream.entries;
    for _ in 0..length::take(source)? {
        let master = string::take(source)?;
        let master = master.as_ref().try_into().map_err(|_| Malformed::Value(DAMAGED))?;
        let listpack = Listpack::from_bytes(string::take(source)?.into_owned()).map_err(damaged(DAMAGED))?;
        entries.load_block(of_raw(master), listpack).map_err(damaged(DAMAGED))?;
    }
    let len = length::take(source)?;
    if len != entries.len() as u64 {
        return Err(Malformed::Value(DAMAGED).into());
    }
    let last = take_id(source)?;
    let (mut max_deleted, mut added) = (StreamId::MIN, None);
    if object_type != object_type::STREAM_LISTPACKS {
        // The first id follows from the blocks.
        take_id(source)?;
        max_deleted = take_id(source)?;
        added = Some(length::take(source)?);
    }
    entries.load_counters(last, max_deleted, added).map_err(damaged(DAMAGED))?;
    for _ in 0..length::take(source)? {
        let name = string::take(source)?;
        let last_id = take_id(source)?;
        let entries_read = match object_type {
            object_type::STREAM_LISTPACKS => stream.entries.added_until(last_id),
            _ => Some(length::take(source)?).filter(|&read| read != UNKNOWN),
        };
        let group = stream.groups.create(&name, last_id, entries_read);
        let mut group = group.ok_or(Malformed::Value(DAMAGED))?;
        take_group(object_type, source, &mut group)?;
    }
    Ok(stream)
}

/// Takes what is pending in a group, and its consumers.
fn take_group<'a, S: Source<'a>>(object_type: u8, source: &mut S, group: &mut Group) -> Result<(), S::Error> {
    for _ in 0..length::take(source)? {
        let id = of_raw(&source.array()?);
        let delivered = UnixMs(u64::from_le_bytes(source.array()?));
        group.load_pending(id, delivered, length::take(source)?).map_err(damaged(DAMAGED))?;
    }
    for _ in 0..length::take(source)? {
        let name = string::take(source)?;
        let seen = UnixMs(u64::from_le_bytes(source.array()?));
        let active = match object_type {
            object_type::STREAM_LISTPACKS_3 => {
                Some(u64::from_le_bytes(source.array()?)).filter(|&at| at != UNKNOWN).map(UnixMs)
            }
            // Nothing better is known.
            _ => Some(seen),
        };
        let consumer = group.load_consumer(&name, seen, active).ok_or(Malformed::Value(DAMAGED))?;
        take_owned(source, group, consumer)?;
    }
    if group.is_complete() { Ok(()) } else { Err(Malformed::Value(DAMAGED).into()) }
}

fn take_owned<'a, S: Source<'a>>(
    source: &mut S,
    group: &mut Group,
    consumer: ConsumerId,
) -> Result<(), S::Error> {
    for _ in 0..length::take(source)? {
        let id = of_raw(&source.array()?);
        group.load_owned(consumer, id).map_err(damaged(DAMAGED))?;
    }
    Ok(())
}

fn take_id<'a, S: Source<'a>>(source: &mut S) -> Result<StreamId, S::Error> {
    Ok(StreamId { ms: length::take(source)?, seq: length::take(source)? })
}

fn of_raw(bytes: &[u8; 16]) -> StreamId {
    let bits = u128::from_be_bytes(*bytes);
    StreamId { ms: (bits >> 64) as u64, seq: bits as u64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_the_bytes_that_redis_gives_them() {
        let id = StreamId { ms: 0x0102_0304_0506_0708, seq: 9 };
        let bytes = [1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0, 0, 0, 0, 9];
        assert_eq!(raw(id), bytes);
        assert_eq!(of_raw(&bytes), id);
    }
}
