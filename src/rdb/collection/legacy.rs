//! Payloads that Redis no longer writes, and reads.
//!
//! ```text
//! LIST               length, { string }
//! LIST_ZIPLIST       string: the bytes of a ziplist
//! LIST_QUICKLIST     length, { string: the bytes of a ziplist }
//! ZSET               length, { string score }     FF −inf, FE inf, FD nan; else the length of a text, and the text
//! ZSET_ZIPLIST       string: the bytes of a ziplist
//! HASH_ZIPLIST       string: the bytes of a ziplist
//! HASH_ZIPMAP        string: the bytes of a zipmap
//! ```

use super::{Collection, Encodings, damaged, hash, ziplist, zset};
use crate::rdb::{Malformed, Source, length, object_type, string};
use crate::types::list::{End, List, Part};
use crate::types::zset::Zset;
use crate::util::double;

const DAMAGED_LIST: &str = "list";

pub(super) fn take<'a, S: Source<'a>>(
    object_type: u8,
    source: &mut S,
    encodings: Encodings<'_>,
) -> Result<Collection, S::Error> {
    Ok(match object_type {
        object_type::LIST => Collection::List(take_list(source, encodings)?),
        object_type::LIST_ZIPLIST => Collection::List(take_ziplists(source, encodings, 1)?),
        object_type::LIST_QUICKLIST => {
            let len = length::take(source)?;
            Collection::List(take_ziplists(source, encodings, len)?)
        }
        object_type::ZSET => Collection::Zset(zset::take_scored(source, encodings.zset(false), take_score)?),
        object_type::ZSET_ZIPLIST => {
            let bytes = ziplist::to_listpack(&string::take(source)?)?.as_bytes().to_vec();
            let zset = Zset::from_listpack(bytes, &encodings.zset(true));
            Collection::Zset(zset.map_err(damaged(zset::DAMAGED))?)
        }
        object_type::HASH_ZIPLIST => {
            let listpack = ziplist::to_listpack(&string::take(source)?)?;
            let hash =
                crate::types::hash::Hash::from_listpack(listpack.as_bytes().to_vec(), &encodings.hash(true));
            Collection::Hash(hash.map_err(damaged("hash"))?)
        }
        object_type::HASH_ZIPMAP => {
            let bytes = string::take(source)?;
            let pairs = ziplist::of_zipmap(&bytes)?;
            Collection::Hash(hash::of_pairs(pairs.into_iter(), encodings.hash(true))?)
        }
        other => return Err(Malformed::Type(other).into()),
    })
}

fn take_list<'a, S: Source<'a>>(source: &mut S, encodings: Encodings<'_>) -> Result<List, S::Error> {
    let mut list = List::new();
    for _ in 0..length::take(source)? {
        let element = string::take(source)?;
        list.push(End::Right, std::iter::once(element.as_ref()), encodings.list());
    }
    if list.is_empty() { Err(Malformed::Value(DAMAGED_LIST).into()) } else { Ok(list) }
}

fn take_ziplists<'a, S: Source<'a>>(
    source: &mut S,
    encodings: Encodings<'_>,
    count: u64,
) -> Result<List, S::Error> {
    let mut nodes = Vec::new();
    for _ in 0..count {
        nodes.push(ziplist::to_listpack(&string::take(source)?)?);
    }
    let parts = nodes.iter().map(|listpack| Part::Packed(listpack.as_bytes()));
    Ok(List::from_parts(parts, Some(encodings.list())).map_err(damaged(DAMAGED_LIST))?)
}

fn take_score<'a, S: Source<'a>>(source: &mut S) -> Result<f64, S::Error> {
    let [len] = source.array()?;
    match len {
        255 => Ok(f64::NEG_INFINITY),
        254 => Ok(f64::INFINITY),
        253 => Ok(f64::NAN),
        len => {
            let text = source.bytes(len.into())?;
            Ok(double::parse(&text).ok_or(Malformed::Value(zset::DAMAGED))?)
        }
    }
}
