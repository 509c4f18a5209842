//! The footer of a run: what it holds, and where its parts are. Drawn in [`super`].

use super::filter::LINE_BYTES;
use super::index::ROW_BYTES;
use super::{FORMAT_VERSION, NO_EXPIRY, NamespaceId, Position, RunId};
use crate::checksum::{Place, crc_at};
use crate::coding::{take_array, take_u16, take_u32, take_u64};
use crate::record::{Epoch, Lsn};

/// The size of a footer.
pub const FOOTER_BYTES: usize = 168;
const MAGIC: &[u8; 4] = b"FKRN";

/// The part of history that a run holds the effect of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The first checkpoint round in it.
    pub first_epoch: Epoch,
    /// The last one.
    pub last_epoch: Epoch,
    /// The last record whose effect may be in it.
    pub max_lsn: Lsn,
}

/// What a run holds. It never changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunInfo {
    /// Which run.
    pub id: RunId,
    /// The size of its file.
    pub size_bytes: u64,
    /// The number of entries, tombstones included; at least 1.
    pub entries: u64,
    /// The number of tombstones.
    pub tombstones: u64,
    /// The sum of the lengths of all keys.
    pub key_bytes: u64,
    /// The sum of the lengths of all values.
    pub value_bytes: u64,
    /// The number of blocks.
    pub blocks: u64,
    /// The position of the first entry.
    pub first: Position,
    /// The position of the last entry.
    pub last: Position,
    /// The part of history.
    pub span: Span,
    /// When the first entry expires or is due, in milliseconds since 1970, if any does.
    pub least_expiry_ms: Option<u64>,
}

/// Where the parts of a run are, and their checksums.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sections {
    pub filter_offset: u64,
    pub index_offset: u64,
    pub footer_offset: u64,
    pub filter_crc: u32,
    pub index_crc: u32,
    /// Of everything before the footer.
    pub file_crc: u32,
}

/// The footer's bytes.
pub fn encode(info: &RunInfo, sections: &Sections, dataset_id: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(FOOTER_BYTES);
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
    out.extend_from_slice(&[0; 2]);
    for crc in [sections.file_crc, sections.filter_crc, sections.index_crc] {
        out.extend_from_slice(&crc.to_le_bytes());
    }
    let counts = [info.entries, info.tombstones, info.key_bytes, info.value_bytes, info.blocks];
    let offsets = [sections.filter_offset, sections.index_offset];
    for field in [dataset_id, info.id.0].into_iter().chain(counts).chain(offsets) {
        out.extend_from_slice(&field.to_le_bytes());
    }
    for NamespaceId(namespace) in [info.first.namespace, info.last.namespace] {
        out.extend_from_slice(&namespace.to_le_bytes());
    }
    let Span { first_epoch, last_epoch, max_lsn } = info.span;
    let expiry = info.least_expiry_ms.unwrap_or(NO_EXPIRY);
    for field in [info.first.hash, info.last.hash, first_epoch.0, last_epoch.0, max_lsn.0, expiry, 0, 0] {
        out.extend_from_slice(&field.to_le_bytes());
    }
    let place = Place { dataset_id, segment: info.id.0, offset: sections.footer_offset };
    let crc = crc_at(place, &out[8..]);
    out[4..8].copy_from_slice(&crc.to_le_bytes());
    out
}

/// Reads the footer that lies at `place`.
pub fn decode(bytes: &[u8; FOOTER_BYTES], place: Place) -> Result<(RunInfo, Sections), String> {
    const DAMAGED: &str = "the footer's checksum is wrong";
    let mut rest = &bytes[8..];
    let crc = u32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]);
    let (info, sections, version, dataset_id) = fields(&mut rest, place.offset).ok_or(DAMAGED)?;
    // The checksum is that of the place the footer names: a whole footer elsewhere is a misplaced file, not damage.
    let named = Place { dataset_id, segment: info.id.0, ..place };
    if !bytes.starts_with(MAGIC) || crc != crc_at(named, &bytes[8..]) {
        return Err(DAMAGED.into());
    }
    if version != FORMAT_VERSION {
        return Err(format!("its format version is {version}, this server reads {FORMAT_VERSION}"));
    }
    if dataset_id != place.dataset_id {
        return Err("it belongs to another dataset than the IDENTITY file".into());
    }
    if info.id.0 != place.segment {
        return Err(format!("it is run {} under another name", info.id));
    }
    match make_sense(&info, &sections) {
        true => Ok((info, sections)),
        false => Err("a footer that this server cannot have written".into()),
    }
}

fn fields(rest: &mut &[u8], footer_offset: u64) -> Option<(RunInfo, Sections, u16, u64)> {
    let (version, _zero) = (take_u16(rest)?, take_u16(rest)?);
    let (file_crc, filter_crc, index_crc) = (take_u32(rest)?, take_u32(rest)?, take_u32(rest)?);
    let (dataset_id, id) = (take_u64(rest)?, RunId(take_u64(rest)?));
    let (entries, tombstones) = (take_u64(rest)?, take_u64(rest)?);
    let (key_bytes, value_bytes, blocks) = (take_u64(rest)?, take_u64(rest)?, take_u64(rest)?);
    let (filter_offset, index_offset) = (take_u64(rest)?, take_u64(rest)?);
    let namespaces = (NamespaceId(take_u32(rest)?), NamespaceId(take_u32(rest)?));
    let first = Position { namespace: namespaces.0, hash: take_u64(rest)? };
    let last = Position { namespace: namespaces.1, hash: take_u64(rest)? };
    let (first_epoch, last_epoch) = (Epoch(take_u64(rest)?), Epoch(take_u64(rest)?));
    let max_lsn = Lsn(take_u64(rest)?);
    let least_expiry_ms = Some(take_u64(rest)?).filter(|&expiry| expiry != NO_EXPIRY);
    take_array::<16>(rest)?;
    let info = RunInfo {
        id,
        size_bytes: footer_offset + FOOTER_BYTES as u64,
        entries,
        tombstones,
        key_bytes,
        value_bytes,
        blocks,
        first,
        last,
        span: Span { first_epoch, last_epoch, max_lsn },
        least_expiry_ms,
    };
    let sections = Sections { filter_offset, index_offset, footer_offset, filter_crc, index_crc, file_crc };
    Some((info, sections, version, dataset_id))
}

/// Whether the parts lie one behind the other, so that no length read from here exceeds the file's.
fn make_sense(info: &RunInfo, sections: &Sections) -> bool {
    let filter = sections.index_offset.checked_sub(sections.filter_offset);
    let index = sections.footer_offset.checked_sub(sections.index_offset);
    filter.is_some_and(|bytes| bytes > 0 && bytes % LINE_BYTES as u64 == 0)
        && index.is_some_and(|bytes| Some(bytes) == info.blocks.checked_mul(ROW_BYTES as u64))
        && info.blocks > 0
        && info.entries >= info.blocks
        && info.tombstones <= info.entries
        && info.first <= info.last
        && info.span.first_epoch <= info.span.last_epoch
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place = Place { dataset_id: 3, segment: 4, offset: 1000 + 128 + 64 };

    fn footer() -> (RunInfo, Sections) {
        let info = RunInfo {
            id: RunId(4),
            size_bytes: PLACE.offset + FOOTER_BYTES as u64,
            entries: 9,
            tombstones: 2,
            key_bytes: 80,
            value_bytes: 700,
            blocks: 2,
            first: Position { namespace: NamespaceId(0), hash: 77 },
            last: Position { namespace: NamespaceId(3), hash: 5 },
            span: Span { first_epoch: Epoch(6), last_epoch: Epoch(8), max_lsn: Lsn(500) },
            least_expiry_ms: Some(1234),
        };
        let sections = Sections {
            filter_offset: 1000,
            index_offset: 1128,
            footer_offset: PLACE.offset,
            filter_crc: 1,
            index_crc: 2,
            file_crc: 3,
        };
        (info, sections)
    }

    fn bytes((info, sections): &(RunInfo, Sections), dataset_id: u64) -> [u8; FOOTER_BYTES] {
        encode(info, sections, dataset_id).try_into().unwrap()
    }

    #[test]
    fn a_footer_comes_back_and_a_changed_one_is_refused() {
        let bytes = bytes(&footer(), 3);
        assert_eq!(decode(&bytes, PLACE), Ok(footer()));
        for bit in 0..FOOTER_BYTES * 8 {
            let mut bytes = bytes;
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&bytes, PLACE).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_footer_says_whose_it_is() {
        let refused = |bytes, place| decode(&bytes, place).unwrap_err();
        assert!(refused(bytes(&footer(), 9), PLACE).contains("another dataset"));
        assert!(refused(bytes(&footer(), 3), Place { segment: 5, ..PLACE }).contains("run 0000000000000004"));
        assert!(refused(bytes(&footer(), 3), Place { offset: 1, ..PLACE }).contains("checksum"));
        let mut newer = bytes(&footer(), 3);
        newer[8] = 3;
        let crc = crc_at(PLACE, &newer[8..]);
        newer[4..8].copy_from_slice(&crc.to_le_bytes());
        assert!(refused(newer, PLACE).contains("format version is 3"));
    }

    #[test]
    fn parts_that_do_not_fit_the_file_are_refused_whatever_the_checksum() {
        let (info, sections) = footer();
        let nonsense = [
            (info, Sections { filter_offset: 1129, ..sections }),
            (info, Sections { filter_offset: 1001, ..sections }),
            (info, Sections { index_offset: 1000, ..sections }),
            (info, Sections { index_offset: 1064, ..sections }),
            (RunInfo { blocks: 3, ..info }, sections),
            (RunInfo { blocks: 1 << 59, ..info }, sections),
            (RunInfo { tombstones: 10, ..info }, sections),
            (RunInfo { first: Position { namespace: NamespaceId(4), hash: 0 }, ..info }, sections),
        ];
        for footer in nonsense {
            let refused = decode(&bytes(&footer, 3), PLACE).unwrap_err();
            assert!(refused.contains("cannot have written"), "{footer:?}: {refused}");
        }
    }
}
