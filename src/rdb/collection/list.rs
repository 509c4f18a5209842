//! Lists.

use super::{Encodings, damaged};
use crate::rdb::{Format, Malformed, Sink, Source, length, string};
use crate::types::list::{List, Part};

const PLAIN: u64 = 1;
const PACKED: u64 = 2;

const DAMAGED: &str = "list";

pub(super) fn put<S: Sink>(out: &mut S, list: &List, format: Format) -> Result<(), S::Error> {
    length::put(out, list.parts().count() as u64)?;
    list.parts().try_for_each(|part| {
        let (container, bytes) = match part {
            Part::Plain(value) => (PLAIN, value),
            Part::Packed(bytes) => (PACKED, bytes),
        };
        length::put(out, container)?;
        string::put(out, bytes, format.compression)
    })
}

/// `quicklist`: it is one however small it is.
pub(super) fn take<'a, S: Source<'a>>(
    source: &mut S,
    encodings: Encodings<'_>,
    quicklist: bool,
) -> Result<List, S::Error> {
    let mut nodes = Vec::new();
    for _ in 0..length::take(source)? {
        let container = length::take(source)?;
        if container != PLAIN && container != PACKED {
            return Err(Malformed::Value(DAMAGED).into());
        }
        nodes.push((container, string::take(source)?));
    }
    let parts = nodes.iter().map(|(container, bytes)| match *container {
        PLAIN => Part::Plain(bytes),
        _ => Part::Packed(bytes),
    });
    let limits = (!quicklist).then(|| encodings.list());
    Ok(List::from_parts(parts, limits).map_err(damaged(DAMAGED))?)
}
