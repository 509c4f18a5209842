//! Hashes.

use super::damaged;
use crate::rdb::{Format, Malformed, Sink, Source, length, object_type, string};
use crate::types::hash::{EXPIRE_MAX, Encoding, Expiry, Hash, Limits};
use crate::types::listpack::{Element, Listpack};

const DAMAGED: &str = "hash";

/// The first version with expiries of fields.
const EXPIRIES_SINCE: u16 = 12;

pub(super) fn type_of(hash: &Hash, format: Format) -> u8 {
    let expires = hash.next_expire().is_some();
    match hash.encoding() {
        Encoding::ListpackEx if expires || format.version >= EXPIRIES_SINCE => object_type::HASH_LISTPACK_EX,
        Encoding::Listpack | Encoding::ListpackEx => object_type::HASH_LISTPACK,
        Encoding::Hashtable if expires => object_type::HASH_METADATA,
        Encoding::Hashtable => object_type::HASH,
    }
}

pub(super) fn put<S: Sink>(out: &mut S, hash: &Hash, format: Format) -> Result<(), S::Error> {
    let first = hash.next_expire();
    match (type_of(hash, format), hash.small_bytes()) {
        (object_type::HASH_LISTPACK, _) if hash.encoding() == Encoding::ListpackEx => {
            // No field expires, so that the pairs are all there is.
            let pairs = Listpack::of(hash.iter().flat_map(|entry| [entry.field, entry.value]));
            string::put(out, pairs.as_bytes(), format.compression)
        }
        (object_type::HASH_LISTPACK, Some(bytes)) => string::put(out, bytes, format.compression),
        (object_type::HASH_LISTPACK_EX, Some(bytes)) => {
            out.put(&first.unwrap_or(0).to_le_bytes())?;
            string::put(out, bytes, format.compression)
        }
        _ => put_fields(out, hash, first, format),
    }
}

fn put_fields<S: Sink>(out: &mut S, hash: &Hash, first: Option<u64>, format: Format) -> Result<(), S::Error> {
    if let Some(first) = first {
        out.put(&first.to_le_bytes())?;
    }
    length::put(out, hash.len() as u64)?;
    let mut buffer = itoa::Buffer::new();
    hash.iter().try_for_each(|entry| {
        if let Some(first) = first {
            length::put(out, entry.expire.map_or(0, |expire| expire - first + 1))?;
        }
        string::put(out, entry.field.text(&mut buffer), format.compression)?;
        string::put(out, entry.value.text(&mut buffer), format.compression)
    })
}

pub(super) fn take<'a, S: Source<'a>>(source: &mut S, limits: Limits) -> Result<Hash, S::Error> {
    take_fields(source, limits, None)
}

pub(super) fn take_metadata<'a, S: Source<'a>>(source: &mut S, limits: Limits) -> Result<Hash, S::Error> {
    let first = u64::from_le_bytes(source.array()?);
    take_fields(source, limits, Some(first))
}

fn take_fields<'a, S: Source<'a>>(
    source: &mut S,
    limits: Limits,
    first: Option<u64>,
) -> Result<Hash, S::Error> {
    let len = length::take(source)?;
    let mut hash = Hash::new();
    if len > limits.listpack_entries as u64 {
        hash.become_table(&limits);
    }
    for _ in 0..len {
        let expire = match first {
            Some(first) => take_expire(source, first)?,
            None => None,
        };
        let (field, value) = (string::take(source)?, string::take(source)?);
        let expiry = expire.map_or(Expiry::Clear, Expiry::At);
        if !hash.set(&field, &value, expiry, &limits) {
            return Err(Malformed::Value(DAMAGED).into());
        }
    }
    if hash.is_empty() { Err(Malformed::Value(DAMAGED).into()) } else { Ok(hash) }
}

/// Takes the expiry of a field, as its distance from the first one.
fn take_expire<'a, S: Source<'a>>(source: &mut S, first: u64) -> Result<Option<u64>, S::Error> {
    let Some(after) = length::take(source)?.checked_sub(1) else { return Ok(None) };
    match first.checked_add(after) {
        Some(expire @ 1..=EXPIRE_MAX) => Ok(Some(expire)),
        _ => Err(Malformed::Value(DAMAGED).into()),
    }
}

pub(super) fn take_listpack<'a, S: Source<'a>>(source: &mut S, limits: Limits) -> Result<Hash, S::Error> {
    let bytes = string::take(source)?.into_owned();
    Ok(Hash::from_listpack(bytes, &limits).map_err(damaged(DAMAGED))?)
}

pub(super) fn take_listpack_ex<'a, S: Source<'a>>(source: &mut S, limits: Limits) -> Result<Hash, S::Error> {
    // What it says of the first expiry, the listpack says too.
    let _first: [u8; 8] = source.array()?;
    let bytes = string::take(source)?.into_owned();
    Ok(Hash::from_listpack_ex(bytes, &limits).map_err(damaged(DAMAGED))?)
}

/// A hash of pairs that an older form held.
pub(super) fn of_pairs<'e>(
    pairs: impl Iterator<Item = (Element<'e>, Element<'e>)>,
    limits: Limits,
) -> Result<Hash, Malformed> {
    let mut hash = Hash::new();
    let (mut field_text, mut value_text) = (itoa::Buffer::new(), itoa::Buffer::new());
    for (field, value) in pairs {
        if !hash.set(field.text(&mut field_text), value.text(&mut value_text), Expiry::Clear, &limits) {
            return Err(Malformed::Value(DAMAGED));
        }
    }
    if hash.is_empty() { Err(Malformed::Value(DAMAGED)) } else { Ok(hash) }
}
