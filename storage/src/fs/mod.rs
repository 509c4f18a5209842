//! The file seam: every file operation of the engine goes through the traits here.
//!
//! [`os`] is the operating system; [`sim`] is a simulated disk that forgets what was not synced, fails at a chosen
//! operation and stops the world at a chosen operation. The engine is written against the weakest promises:
//!
//! * Written bytes are safe only after [`File::sync_data`] of that file; before that any subset of their 512-byte
//!   sectors may survive a power loss.
//! * A name that was created, renamed or removed is safe only after [`Fs::sync_dir`] of its directory.
//! * After a failed `sync_data` the bytes it covered may read back for as long as the machine runs and yet never
//!   reach the disk, and a second `sync_data` may report success.
//!
//! The traits deliberately have no cursor and no buffered mode: every read and write names its offset.

use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::Arc;

mod cached;
pub mod os;
pub mod sim;

/// How [`Fs::open`] opens a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Open {
    /// An existing file, for reading.
    Read,
    /// An existing file, for reading and writing.
    Write,
    /// A file that must not exist yet, for reading and writing.
    CreateNew,
}

/// Holds a file lock until it is dropped.
pub type LockGuard = Box<dyn Send + Sync>;

/// The operations on names.
pub trait Fs: Send + Sync {
    /// Creates `dir` and its parents where they are missing.
    fn create_dir(&self, dir: &Path) -> io::Result<()>;
    /// The names in `dir`, in no order; names that are not UTF-8 are left out.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;
    /// Opens a file.
    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn File>>;
    /// Renames a file within its directory, replacing `to`.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Gives a file a second name, `to`, which must not exist. `CrossesDevices` where that is another file system.
    fn link(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a name, and the file with its last one.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes the names in `dir` durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// Fills `bytes` with random ones, which nobody can guess: for what sets a dataset apart. It is here so that a simulated disk
    /// can draw them from its seed; without that no history on it would happen twice.
    fn random(&self, bytes: &mut [u8]) -> io::Result<()>;
    /// Takes the exclusive lock on `path`, creating the file; `WouldBlock` when another process or engine has it.
    fn lock(&self, path: &Path) -> io::Result<LockGuard>;
}

/// The operations on an open file.
pub trait File: Send + Sync {
    /// The file's size in bytes.
    fn size(&self) -> io::Result<u64>;
    /// Reads at `offset`; may read less than asked, and reads 0 bytes only at the end.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize>;
    /// As [`File::read_at`], but never waits for a disk: `WouldBlock` when that would take one, or when the file cannot tell.
    fn read_cached_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let _ = (buf, offset);
        Err(io::ErrorKind::WouldBlock.into())
    }
    /// Writes the pieces, one after the other, at `offset`; may write less than given. At most 1,024 pieces.
    fn write_at(&self, pieces: &[IoSlice<'_>], offset: u64) -> io::Result<usize>;
    /// Cuts the file, or extends it with zeros.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Makes the file's bytes and size durable (fdatasync).
    fn sync_data(&self) -> io::Result<()>;
}

/// Reads until `buf` is full or the file ends; the number of bytes read.
pub fn read_full(file: &dyn File, buf: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut done = 0;
    while done < buf.len() {
        match file.read_at(&mut buf[done..], offset + done as u64) {
            Ok(0) => break,
            Ok(n) => done += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(done)
}

/// Writes all of `bytes` at `offset`.
pub fn write_full(file: &dyn File, bytes: &[u8], offset: u64) -> io::Result<()> {
    let mut done = 0;
    while done < bytes.len() {
        match file.write_at(&[IoSlice::new(&bytes[done..])], offset + done as u64) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(n) => done += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}
