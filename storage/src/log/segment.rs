//! Segments: the files that hold the frames, `log-0000000001`, `log-0000000002`, … without gaps from the first one
//! that a replay needs. Which one that is, the manifest knows; segments below it are waste.
//!
//! ```text
//!  0  magic "FKSG"          4 bytes
//!  4  checksum              u32, of bytes 8 to 32, seeded with dataset, segment number and offset 0
//!  8  format version        u16, now 1
//! 10  zero                  6 bytes
//! 16  dataset id            u64
//! 24  segment number        u64
//! 32  the first frame; frames lie back to back up to the end of the file, or up to an end mark (drawn in `frame.rs`)
//! ```
//!
//! The header exists to tell a foreign dataset or a newer format (both refuse to start) from damage. In a recycled
//! segment it also marks the beginning of a new life: before it is on the disk, the segment's old number shows.

use std::path::{Path, PathBuf};

use crate::checksum::{Place, crc_at};
use crate::coding::{take_array, take_u16, take_u32, take_u64};
use crate::error::Error;
use crate::fs::{Fs, Open, write_full};

/// The size of a segment's header, and so the offset of its first frame.
pub const HEADER_BYTES: usize = 32;
/// The number of the log's first segment.
pub const FIRST: u64 = 1;
/// The version of segments and frames.
pub const FORMAT_VERSION: u16 = 1;

const MAGIC: &[u8; 4] = b"FKSG";
const PREFIX: &str = "log-";

/// The path of a segment.
pub fn path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{PREFIX}{number:010}"))
}

/// The number in a segment's file name; `None` for any other file.
fn number(name: &str) -> Option<u64> {
    let digits = name.strip_prefix(PREFIX)?;
    let well_formed = digits.len() >= 10 && digits.bytes().all(|b| b.is_ascii_digit());
    let number = digits.parse().ok().filter(|_| well_formed)?;
    (name == format!("{PREFIX}{number:010}")).then_some(number)
}

/// The numbers of all segments in `dir`, ascending.
pub fn list(fs: &dyn Fs, dir: &Path) -> Result<Vec<u64>, Error> {
    let names = fs.list(dir).map_err(|e| Error::io("list", dir, e))?;
    let mut numbers: Vec<u64> = names.iter().filter_map(|name| number(name)).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

/// Begins a log where there is none: its first segment, durable with its name.
pub fn create_first(fs: &dyn Fs, dir: &Path, dataset_id: u64) -> Result<(), Error> {
    let path = path(dir, FIRST);
    let file = fs.open(&path, Open::CreateNew).map_err(|e| Error::io("create", &path, e))?;
    write_full(&*file, &header(dataset_id, FIRST), 0).map_err(|e| Error::io("write", &path, e))?;
    file.sync_data().map_err(|e| Error::io("sync", &path, e))?;
    fs.sync_dir(dir).map_err(|e| Error::io("sync", dir, e))
}

/// Removes all segments in `dir`, durably.
pub fn remove_all(fs: &dyn Fs, dir: &Path) -> Result<(), Error> {
    for number in list(fs, dir)? {
        let path = path(dir, number);
        fs.remove(&path).map_err(|e| Error::io("remove", &path, e))?;
    }
    fs.sync_dir(dir).map_err(|e| Error::io("sync", dir, e))
}

/// A segment's header.
pub fn header(dataset_id: u64, number: u64) -> [u8; HEADER_BYTES] {
    let mut bytes = [0; HEADER_BYTES];
    bytes[..4].copy_from_slice(MAGIC);
    bytes[8..10].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
    bytes[16..24].copy_from_slice(&dataset_id.to_le_bytes());
    bytes[24..32].copy_from_slice(&number.to_le_bytes());
    let crc = crc_at(Place { dataset_id, segment: number, offset: 0 }, &bytes[8..]);
    bytes[4..8].copy_from_slice(&crc.to_le_bytes());
    bytes
}

/// What a segment's first bytes turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub enum Header {
    /// The header of this segment.
    Right,
    /// A whole header, but not one to go on with: the reason.
    Foreign(String),
    /// No header: torn or damaged.
    Damaged,
}

/// Checks the header of segment `expected` of dataset `dataset_id`.
pub fn check(bytes: &[u8; HEADER_BYTES], dataset_id: u64, expected: u64) -> Header {
    let mut rest = &bytes[..];
    let fields = (|| {
        let magic = take_array::<4>(&mut rest)?;
        let crc = take_u32(&mut rest)?;
        let version = take_u16(&mut rest)?;
        take_array::<6>(&mut rest)?;
        Some((magic, crc, version, take_u64(&mut rest)?, take_u64(&mut rest)?))
    })();
    let Some((magic, crc, version, dataset, number)) = fields else { return Header::Damaged };
    let place = Place { dataset_id: dataset, segment: number, offset: 0 };
    if magic != *MAGIC || crc != crc_at(place, &bytes[8..]) {
        return Header::Damaged;
    }
    if version != FORMAT_VERSION {
        return Header::Foreign(format!(
            "its format version is {version}, this server reads {FORMAT_VERSION}"
        ));
    }
    if dataset != dataset_id {
        return Header::Foreign("it belongs to another dataset than the IDENTITY file".into());
    }
    match number == expected {
        true => Header::Right,
        // A recycled segment under its new name before its new header reached the disk.
        false => Header::Damaged,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_exact_names_are_segments() {
        assert_eq!(number("log-0000000001"), Some(1));
        assert_eq!(number("log-12345678901"), Some(12_345_678_901));
        for foreign in ["log-1", "log-00000000001", "log-+000000001", "log-0000000001.bak", "LOCK", "log-"] {
            assert_eq!(number(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn a_header_is_told_from_damage_and_from_strangers() {
        let bytes = header(5, 9);
        assert_eq!(check(&bytes, 5, 9), Header::Right);
        assert_eq!(check(&bytes, 5, 10), Header::Damaged);
        assert!(matches!(check(&bytes, 6, 9), Header::Foreign(_)));
        for at in 0..HEADER_BYTES {
            let mut bytes = bytes;
            bytes[at] ^= 0x10;
            assert_eq!(check(&bytes, 5, 9), Header::Damaged, "byte {at}");
        }
        let mut newer = bytes;
        newer[8] = 2;
        let crc = crc_at(Place { dataset_id: 5, segment: 9, offset: 0 }, &newer[8..]);
        newer[4..8].copy_from_slice(&crc.to_le_bytes());
        assert!(matches!(check(&newer, 5, 9), Header::Foreign(_)));
    }
}
