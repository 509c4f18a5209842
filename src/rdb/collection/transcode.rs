//! From one format to another without making a value of it: a run's image becomes part of a file.

use super::{Collection, put_payload, set, stream, type_of};
use crate::rdb::{Encodings, Format, Malformed, Source, length, object_type, string};

/// Copies an object whose type is known and whose payload `from` begins with, as it was put in [`Format::EXACT`].
pub(in crate::rdb) fn transcode(
    object_type: u8,
    from: &mut &[u8],
    format: Format,
    out: &mut Vec<u8>,
) -> Result<(), Malformed> {
    let is_newer = match object_type {
        object_type::SET_LISTPACK => format.version < set::LISTPACK_SINCE,
        object_type::STREAM_LISTPACKS_3 => format.version < stream::ACTIVE_SINCE,
        // What none of its fields makes use of is not written for an older version.
        object_type::HASH_LISTPACK_EX => format.version < Format::EXACT.version,
        _ => false,
    };
    if is_newer {
        // Small, all of them: listpacks, and the blocks of a stream. So there is nothing to hash.
        let value = super::take(object_type, from, Encodings::AsWritten { hash_seed: 0 })?;
        return put_anew(&value, format, out);
    }
    out.push(object_type);
    let mut copy = Copy { from, out, compression: format.compression };
    match object_type {
        object_type::SET_INTSET
        | object_type::SET_LISTPACK
        | object_type::HASH_LISTPACK
        | object_type::ZSET_LISTPACK => copy.string(),
        object_type::HASH_LISTPACK_EX => {
            copy.bytes::<8>()?;
            copy.string()
        }
        object_type::SET => copy.each(|copy| copy.string()),
        object_type::HASH => copy.each(|copy| copy.strings(2)),
        object_type::ZSET_2 => copy.each(|copy| {
            copy.string()?;
            copy.bytes::<8>()
        }),
        object_type::LIST_QUICKLIST_2 => copy.each(|copy| {
            copy.length()?;
            copy.string()
        }),
        object_type::HASH_METADATA => {
            copy.bytes::<8>()?;
            copy.each(|copy| {
                copy.length()?;
                copy.strings(2)
            })
        }
        object_type::STREAM_LISTPACKS_3 => {
            copy.each(|copy| copy.strings(2))?;
            // The rest has nothing that compression is worth trying for.
            copy.out.extend_from_slice(copy.from);
            *copy.from = &[];
            Ok(())
        }
        other => Err(Malformed::Type(other)),
    }
}

fn put_anew(value: &Collection, format: Format, out: &mut Vec<u8>) -> Result<(), Malformed> {
    out.push(type_of(value.as_ref(), format));
    let Ok(()) = put_payload(out, value.as_ref(), format);
    Ok(())
}

struct Copy<'c, 'f> {
    from: &'c mut &'f [u8],
    out: &'c mut Vec<u8>,
    compression: bool,
}

impl Copy<'_, '_> {
    fn length(&mut self) -> Result<u64, Malformed> {
        let len = length::take(self.from)?;
        let Ok(()) = length::put(self.out, len);
        Ok(len)
    }

    fn string(&mut self) -> Result<(), Malformed> {
        let Ok(()) = string::put(self.out, &string::take(self.from)?, self.compression);
        Ok(())
    }

    fn strings(&mut self, count: usize) -> Result<(), Malformed> {
        (0..count).try_for_each(|_| self.string())
    }

    fn bytes<const N: usize>(&mut self) -> Result<(), Malformed> {
        let bytes: [u8; N] = self.from.array()?;
        self.out.extend_from_slice(&bytes);
        Ok(())
    }

    /// A length, and so many parts.
    fn each(&mut self, mut part: impl FnMut(&mut Self) -> Result<(), Malformed>) -> Result<(), Malformed> {
        let len = self.length()?;
        (0..len).try_for_each(|_| part(self))
    }
}
