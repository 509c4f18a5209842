//! The IDENTITY file: who the dataset is. Written once, before the directory holds anything else of value.
//!
//! ```text
//!  0  magic "FKID"          4 bytes
//!  4  checksum              u32, CRC-32 of everything after it
//!  8  format version        u16, now 1
//! 10  zero                  6 bytes
//! 16  dataset id            u64
//! 24  hash secret           192 bytes
//! ```
//!
//! The order of creation is: the log's first segment, durable with its name; then this file, through a temporary
//! name. So an IDENTITY without a log is damage, and so is a log with records and no IDENTITY; neither is ever taken
//! for a new, empty dataset.

use std::path::Path;

use crate::checksum::crc_of;
use crate::coding::{take_array, take_u16, take_u32, take_u64};
use crate::error::Error;
use crate::fs::{Fs, Open, read_full, write_full};
use crate::log::segment;

const NAME: &str = "IDENTITY";
const TEMPORARY: &str = "IDENTITY.tmp";
const MAGIC: &[u8; 4] = b"FKID";
const VERSION: u16 = 1;
const FILE_BYTES: usize = 24 + SECRET_BYTES;
const SECRET_BYTES: usize = 192;

/// What sets a dataset apart from every other.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    /// A random number that every checksum of the log is seeded with.
    pub dataset_id: u64,
    /// The secret that keys are hashed with. It must not leak to clients.
    pub hash_secret: [u8; SECRET_BYTES],
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").field("dataset_id", &self.dataset_id).finish_non_exhaustive()
    }
}

impl Identity {
    /// Reads the identity of the dataset in `dir`, or makes a new dataset of a directory without one.
    pub(crate) fn load_or_create(fs: &dyn Fs, dir: &Path) -> Result<Self, Error> {
        let names = fs.list(dir).map_err(|e| Error::io("list", dir, e))?;
        if names.iter().any(|name| name == NAME) {
            return Self::load(fs, dir);
        }
        remove_unfinished(fs, dir, &names)?;
        let identity = Self::random(fs, dir)?;
        identity.create(fs, dir)?;
        Ok(identity)
    }

    fn random(fs: &dyn Fs, dir: &Path) -> Result<Self, Error> {
        let mut bytes = [0; 8 + SECRET_BYTES];
        fs.random(&mut bytes).map_err(|e| Error::io("draw random numbers for", dir, e))?;
        let (id, secret) = bytes.split_at(8);
        Ok(Self {
            dataset_id: u64::from_le_bytes(id.try_into().expect("eight bytes")),
            hash_secret: secret.try_into().expect("the rest is the secret"),
        })
    }

    /// Reads the identity of the dataset in `dir`; fails if there is none.
    pub(crate) fn load(fs: &dyn Fs, dir: &Path) -> Result<Self, Error> {
        let path = dir.join(NAME);
        let file = fs.open(&path, Open::Read).map_err(|e| Error::io("open", &path, e))?;
        // One byte more, so that a longer file does not pass.
        let mut bytes = [0; FILE_BYTES + 1];
        let read = read_full(&*file, &mut bytes, 0).map_err(|e| Error::io("read", &path, e))?;
        Self::decode(&bytes[..read]).map_err(|what| Error::corrupt(&path, 0, what))
    }

    /// Makes `dir`, in which there is none, a dataset with this identity and an empty log.
    pub(crate) fn create(&self, fs: &dyn Fs, dir: &Path) -> Result<(), Error> {
        segment::create_first(fs, dir, self.dataset_id)?;
        let temporary = dir.join(TEMPORARY);
        write_new(fs, &temporary, &self.encode())?;
        fs.rename(&temporary, &dir.join(NAME)).map_err(|e| Error::io("rename", &temporary, e))?;
        fs.sync_dir(dir).map_err(|e| Error::io("sync", dir, e))
    }

    fn encode(&self) -> [u8; FILE_BYTES] {
        let mut bytes = [0; FILE_BYTES];
        bytes[..4].copy_from_slice(MAGIC);
        bytes[8..10].copy_from_slice(&VERSION.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.dataset_id.to_le_bytes());
        bytes[24..].copy_from_slice(&self.hash_secret);
        let crc = crc_of([&bytes[8..]]);
        bytes[4..8].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Result<Self, &'static str> {
        const LENGTH: &str = "its length is wrong";
        if bytes.len() != FILE_BYTES {
            return Err(LENGTH);
        }
        let mut rest = bytes;
        let magic = take_array::<4>(&mut rest).ok_or(LENGTH)?;
        let crc = take_u32(&mut rest).ok_or(LENGTH)?;
        if magic != *MAGIC || crc != crc_of([rest]) {
            return Err("its checksum is wrong");
        }
        if take_u16(&mut rest).ok_or(LENGTH)? != VERSION {
            return Err("it was written by another version of the server");
        }
        take_array::<6>(&mut rest).ok_or(LENGTH)?;
        let dataset_id = take_u64(&mut rest).ok_or(LENGTH)?;
        Ok(Self { dataset_id, hash_secret: take_array(&mut rest).ok_or(LENGTH)? })
    }
}

/// Removes what a crash before the IDENTITY was complete can have left; refuses anything that it cannot have left.
fn remove_unfinished(fs: &dyn Fs, dir: &Path, names: &[String]) -> Result<(), Error> {
    let segments = segment::list(fs, dir)?;
    for &number in &segments {
        let path = segment::path(dir, number);
        let file = fs.open(&path, Open::Read).map_err(|e| Error::io("open", &path, e))?;
        let size = file.size().map_err(|e| Error::io("measure", &path, e))?;
        if number != segment::FIRST || size > segment::HEADER_BYTES as u64 {
            return Err(Error::corrupt(&dir.join(NAME), 0, "the directory has a log and no IDENTITY"));
        }
    }
    let mut unfinished: Vec<_> = segments.iter().map(|&number| segment::path(dir, number)).collect();
    if names.iter().any(|name| name == TEMPORARY) {
        unfinished.push(dir.join(TEMPORARY));
    }
    for path in &unfinished {
        fs.remove(path).map_err(|e| Error::io("remove", path, e))?;
    }
    Ok(())
}

fn write_new(fs: &dyn Fs, path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let file = fs.open(path, Open::CreateNew).map_err(|e| Error::io("create", path, e))?;
    write_full(&*file, bytes, 0).map_err(|e| Error::io("write", path, e))?;
    file.sync_data().map_err(|e| Error::io("sync", path, e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_with_any_byte_changed_or_missing_is_refused() {
        let identity = Identity { dataset_id: 77, hash_secret: std::array::from_fn(|i| i as u8) };
        let bytes = identity.encode();
        assert_eq!(Identity::decode(&bytes), Ok(identity));
        for at in 0..bytes.len() {
            let mut bytes = bytes;
            bytes[at] ^= 1;
            assert!(Identity::decode(&bytes).is_err(), "byte {at}");
            assert!(Identity::decode(&bytes[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn the_secret_is_not_printed() {
        let identity = Identity { dataset_id: 77, hash_secret: [123; SECRET_BYTES] };
        assert!(!format!("{identity:?}").contains("123"));
    }
}
