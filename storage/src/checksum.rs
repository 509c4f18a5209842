//! CRC-32 seeded with the place it protects, so that right bytes in the wrong place do not pass.

use crc32fast::Hasher;

/// A place on disk: which dataset, which file, which byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The dataset's random id.
    pub dataset_id: u64,
    /// The number of the log's segment, or of the run.
    pub segment: u64,
    /// The offset in the file.
    pub offset: u64,
}

/// The checksum of `bytes` at `place`.
pub fn crc_at(place: Place, bytes: &[u8]) -> u32 {
    let mut hasher = seeded(place);
    hasher.update(bytes);
    hasher.finalize()
}

/// A checksum at `place` that has seen no bytes yet, for what is too long to be in memory at once.
pub fn seeded(place: Place) -> Hasher {
    let mut hasher = Hasher::new();
    for part in [place.dataset_id, place.segment, place.offset] {
        hasher.update(&part.to_le_bytes());
    }
    hasher
}

/// The checksum of `pieces`, one after the other.
pub fn crc_of<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> u32 {
    let mut hasher = Hasher::new();
    for piece in pieces {
        hasher.update(piece);
    }
    hasher.finalize()
}
