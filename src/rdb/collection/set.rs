//! Sets.

use super::damaged;
use crate::rdb::{Format, Malformed, Sink, Source, length, object_type, string};
use crate::types::set::{Encoding, Limits, Set};

const DAMAGED: &str = "set";

/// The first version with SET_LISTPACK.
pub(super) const LISTPACK_SINCE: u16 = 11;

pub(super) fn type_of(set: &Set, format: Format) -> u8 {
    match set.encoding() {
        Encoding::Intset => object_type::SET_INTSET,
        Encoding::Listpack if format.version >= LISTPACK_SINCE => object_type::SET_LISTPACK,
        Encoding::Listpack | Encoding::Hashtable => object_type::SET,
    }
}

pub(super) fn put<S: Sink>(out: &mut S, set: &Set, format: Format) -> Result<(), S::Error> {
    if type_of(set, format) != object_type::SET
        && let Some(bytes) = set.small_bytes()
    {
        return string::put(out, bytes, format.compression);
    }
    length::put(out, set.len() as u64)?;
    let mut buffer = itoa::Buffer::new();
    set.iter().try_for_each(|member| string::put(out, member.text(&mut buffer), format.compression))
}

pub(super) fn take<'a, S: Source<'a>>(source: &mut S, limits: Limits) -> Result<Set, S::Error> {
    let len = length::take(source)?;
    let mut set = Set::for_loading(usize::try_from(len).unwrap_or(usize::MAX), &limits);
    for _ in 0..len {
        if !set.add(&string::take(source)?, &limits) {
            return Err(Malformed::Value(DAMAGED).into());
        }
    }
    if set.is_empty() { Err(Malformed::Value(DAMAGED).into()) } else { Ok(set) }
}

pub(super) fn take_intset<'a, S: Source<'a>>(source: &mut S, limits: Limits) -> Result<Set, S::Error> {
    let bytes = string::take(source)?.into_owned();
    Ok(Set::from_intset(bytes, &limits).map_err(damaged(DAMAGED))?)
}

pub(super) fn take_listpack<'a, S: Source<'a>>(source: &mut S, limits: Limits) -> Result<Set, S::Error> {
    let bytes = string::take(source)?.into_owned();
    Ok(Set::from_listpack(bytes, &limits).map_err(damaged(DAMAGED))?)
}
