//! The pieces of a long body, as they come from the file.
//!
//! Nothing that they yield is checked before [`Pieces::verify`], which needs all of them to have been read; lengths are, so
//! that no piece is longer than it may be and none reaches beyond the block.

use crc32fast::Hasher;

use super::{
    BAD_CHECKSUM, CHECKSUM_BYTES, HEADER_BYTES, IN_PIECES, LENGTH_BYTES, NONSENSE, PIECE_BYTES,
    PIECE_HEADER_BYTES, RATIO_MAX, Refused, decompress_into,
};
use crate::checksum::{Place, seeded};
use crate::coding::take_u32;
use crate::error::Error;

/// What follows the last piece.
const TRAILER_BYTES: usize = LENGTH_BYTES + CHECKSUM_BYTES;

/// Goes through the pieces of a block, from which `R` reads anywhere.
pub struct Pieces<R> {
    read: R,
    /// Where the next piece begins in the block, and where they end.
    at: u64,
    end: u64,
    /// The length of the body, and of what has come of it, read or passed over.
    body_bytes: u64,
    came: u64,
    crc: Hasher,
    checksum: [u8; CHECKSUM_BYTES],
    /// A piece as it is stored.
    stored: Vec<u8>,
}

/// A piece that is still in the file.
pub struct Piece {
    /// Where it begins in the body.
    pub start: u64,
    /// Its length in the body.
    pub bytes: usize,
    /// How long it is as it is stored, and whether it is compressed.
    stored: usize,
    is_compressed: bool,
}

impl<R: FnMut(&mut [u8], u64) -> Result<(), Error>> Pieces<R> {
    /// Begins with a block of `length` bytes that lies at `place`.
    pub fn begin(length: u64, place: Place, mut read: R) -> Result<Self, Refused> {
        let end =
            length.checked_sub((HEADER_BYTES + TRAILER_BYTES) as u64).ok_or(NONSENSE)? + HEADER_BYTES as u64;
        let (mut header, mut trailer) = ([0; HEADER_BYTES], [0; TRAILER_BYTES]);
        read(&mut header, 0)?;
        read(&mut trailer, end)?;
        let (body_bytes, checksum) = trailer.split_first_chunk().expect("it has these two");
        let body_bytes = u64::from_le_bytes(*body_bytes);
        if u32::from_le_bytes(header) != IN_PIECES || body_bytes > length.saturating_mul(RATIO_MAX) {
            return Err(NONSENSE.into());
        }
        let mut crc = seeded(place);
        crc.update(&header);
        let checksum = *checksum.first_chunk().expect("a trailer ends with a checksum");
        let stored = vec![0; PIECE_BYTES];
        Ok(Self { read, at: HEADER_BYTES as u64, end, body_bytes, came: 0, crc, checksum, stored })
    }

    /// The length of the body, as the block says.
    pub fn body_bytes(&self) -> u64 {
        self.body_bytes
    }

    /// The next piece, `None` behind the last; it is to be read or passed over.
    pub fn next(&mut self) -> Result<Option<Piece>, Refused> {
        if self.at == self.end {
            return Ok(None);
        }
        let mut header = [0; PIECE_HEADER_BYTES];
        if self.end - self.at < PIECE_HEADER_BYTES as u64 {
            return Err(NONSENSE.into());
        }
        (self.read)(&mut header, self.at)?;
        self.at += PIECE_HEADER_BYTES as u64;
        self.crc.update(&header);
        let (stored, bytes) = lengths(&header).ok_or(NONSENSE)?;
        let is_compressed = bytes > 0;
        let piece = Piece {
            start: self.came,
            bytes: if is_compressed { bytes } else { stored },
            stored,
            is_compressed,
        };
        if stored as u64 > self.end - self.at || piece.bytes as u64 > self.body_bytes - self.came {
            return Err(NONSENSE.into());
        }
        Ok(Some(piece))
    }

    /// Adds a piece, which [`Pieces::next`] has just given, to the end of `to`.
    pub fn read(&mut self, piece: &Piece, to: &mut Vec<u8>) -> Result<(), Refused> {
        let stored = &mut self.stored[..piece.stored];
        (self.read)(stored, self.at)?;
        self.crc.update(stored);
        if piece.is_compressed {
            let start = to.len();
            to.resize(start + piece.bytes, 0);
            decompress_into(stored, &mut to[start..]).ok_or(NONSENSE)?;
        } else {
            to.extend_from_slice(stored);
        }
        self.pass(piece);
        Ok(())
    }

    /// Leaves a piece, which [`Pieces::next`] has just given, where it is. Then there is nothing to verify.
    pub fn pass(&mut self, piece: &Piece) {
        self.at += piece.stored as u64;
        self.came += piece.bytes as u64;
    }

    /// Checks what was read, which must be all of the pieces.
    pub fn verify(mut self) -> Result<(), Refused> {
        self.crc.update(&self.body_bytes.to_le_bytes());
        match (self.checksum == self.crc.finalize().to_le_bytes(), self.came == self.body_bytes) {
            (true, true) => Ok(()),
            (false, _) => Err(BAD_CHECKSUM.into()),
            (true, false) => Err(NONSENSE.into()),
        }
    }
}

/// How long a piece is as it is stored, and how long it was before compression; 0: it is stored as it was.
fn lengths(mut header: &[u8]) -> Option<(usize, usize)> {
    let (stored, len) = (take_u32(&mut header)? as usize, take_u32(&mut header)? as usize);
    (stored.max(len) <= PIECE_BYTES).then_some((stored, len))
}
