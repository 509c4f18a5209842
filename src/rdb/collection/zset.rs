//! Sorted sets.

use super::damaged;
use crate::rdb::{Format, Malformed, Sink, Source, length, object_type, string};
use crate::types::zset::{Limits, Zset};

pub(super) const DAMAGED: &str = "sorted set";

pub(super) fn type_of(zset: &Zset) -> u8 {
    if zset.small_bytes().is_some() { object_type::ZSET_LISTPACK } else { object_type::ZSET_2 }
}

pub(super) fn put<S: Sink>(out: &mut S, zset: &Zset, format: Format) -> Result<(), S::Error> {
    if let Some(bytes) = zset.small_bytes() {
        return string::put(out, bytes, format.compression);
    }
    length::put(out, zset.len() as u64)?;
    let mut buffer = itoa::Buffer::new();
    zset.iter(0..zset.len()).rev().try_for_each(|(member, score)| {
        string::put(out, member.text(&mut buffer), format.compression)?;
        out.put(&score.to_le_bytes())
    })
}

pub(super) fn take<'a, S: Source<'a>>(source: &mut S, limits: Limits) -> Result<Zset, S::Error> {
    take_scored(source, limits, |source| Ok(f64::from_le_bytes(source.array()?)))
}

/// Takes members with scores in a form that `score` takes.
pub(super) fn take_scored<'a, S: Source<'a>>(
    source: &mut S,
    limits: Limits,
    score: impl Fn(&mut S) -> Result<f64, S::Error>,
) -> Result<Zset, S::Error> {
    let len = length::take(source)?;
    let mut zset = Zset::for_members(b"", usize::try_from(len).unwrap_or(usize::MAX), &limits);
    for _ in 0..len {
        let member = string::take(source)?;
        let score = score(source)?;
        if score.is_nan() || !zset.load(&member, score, &limits) {
            return Err(Malformed::Value(DAMAGED).into());
        }
    }
    if zset.is_empty() { Err(Malformed::Value(DAMAGED).into()) } else { Ok(zset) }
}

pub(super) fn take_listpack<'a, S: Source<'a>>(source: &mut S, limits: Limits) -> Result<Zset, S::Error> {
    let bytes = string::take(source)?.into_owned();
    Ok(Zset::from_listpack(bytes, &limits).map_err(damaged(DAMAGED))?)
}
