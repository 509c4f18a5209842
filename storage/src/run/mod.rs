//! Runs: immutable files of sorted entries, `runs/<16 hex digits>.run`. This is the format, drawn once.
//!
//! ```text
//! file
//!   blocks      back to back, from byte 0; entries ascend by namespace, hash, key throughout the file
//!   filter      lines of 64 bytes, at least one (bits: `filter.rs`)
//!   index       32 bytes for each block
//!   footer      168 bytes
//!
//! block
//!   0  body length        u32, 0: the contents are the body; 2³² − 1: they are pieces of it, back to back; otherwise they are
//!                         LZ4 of a body of this length
//!   4  contents
//!      body length        u64, only behind pieces
//!      checksum           u32, of everything before it, seeded with dataset id, run id and offset in the file
//!
//! piece
//!   0  length             u32, of what follows the next field
//!   4  piece length       u32, 0: what follows is the piece; otherwise it is LZ4 of a piece of this length
//!   8  …
//!
//! body
//!      entries            back to back
//!      hashes             for each entry its hash minus the block's first hash, in `hash width` bytes
//!      ends               for each entry where it ends, counted from the body's beginning, in `end width` bytes
//!      tail, 20 bytes
//!        0  first hash    u64
//!        8  namespace     u32, of all of the block's entries
//!       12  entries       u32, at least 1
//!       16  hash width    u8, 0 to 8
//!       17  end width     u8, 1 to 8
//!       18  zero          u16
//!
//! entry
//!      head               varint, the key's length × 4, plus: 0 a value, 1 a tombstone, 2 a value that expires,
//!                         3 a value that is due before it expires
//!      due                varint, milliseconds since 1970; only of a value that is due
//!      expiry             varint, likewise; only of a value that expires, and of one that is due: 2⁶⁴ − 1 if it does not expire
//!      key
//!      value              up to the entry's end; empty for a tombstone
//!
//! index row
//!   0  namespace          u32, of the block's first entry
//!   4  zero               u32
//!   8  hash               u64, of the block's first entry
//!  16  offset             u64, of the block; it ends where the next one, or the filter, begins
//!  24  least expiry       u64, when the first of the block's entries expires or is due; 2⁶⁴ − 1 if none does
//!
//! footer
//!   0  magic "FKRN"       4 bytes
//!   4  checksum           u32, of bytes 8 to 168, seeded with dataset id, run id and offset in the file
//!   8  format version     u16, now 2
//!  10  zero               u16
//!  12  file checksum      u32, of everything before the footer, not seeded
//!  16  filter checksum    u32, seeded with dataset id, run id and offset in the file
//!  20  index checksum     u32, likewise
//!  24  dataset id         u64
//!  32  run id             u64
//!  40  entries            u64, at least 1
//!  48  tombstones         u64
//!  56  key bytes          u64, the sum of all keys' lengths
//!  64  value bytes        u64, likewise
//!  72  blocks             u64
//!  80  filter offset      u64, where the blocks end
//!  88  index offset       u64, where the filter ends
//!  96  first namespace    u32
//! 100  last namespace     u32
//! 104  first hash         u64
//! 112  last hash          u64
//! 120  first epoch        u64
//! 128  last epoch         u64
//! 136  greatest LSN       u64, whose effect the run may hold
//! 144  least expiry       u64, likewise of all entries
//! 152  zero               16 bytes
//! ```
//!
//! All integers are little-endian; varints are drawn in `coding.rs`. The tail and the checksum stand behind the entries, and
//! bodies over 32 KiB are in pieces, so that a value of any size is encoded and written bit by bit. Hashes and ends are
//! columns so that a block is searched without looking at its entries; a hash column costs about seven bytes an entry,
//! for hashes do not compress.
//!
//! Invariants:
//! * **One hash, one block**: entries of the same position never lie in two blocks. So one block answers a lookup, and
//!   index rows ascend strictly.
//! * A run has its final name only when all of it is durable, and it is never modified afterwards.
//! * Every byte is covered by a checksum that the read which meets it verifies, and then every length is verified
//!   before anything is allocated for it: damage is [`Error::Corrupt`], never a wrong entry and never a panic.
//! * An index and a footer are in memory as long as the run is open; a filter from [`Run::load_filter`] on.
//!
//! Runs know nothing of levels or versions, so they do not know when they are no longer needed, and never decide that a
//! key has expired. They are read with positioned reads, not mapped: a worker must not touch a page that may fault, and
//! an I/O error is an error, not a signal.
//!
//! Reading order: `block.rs`, `index.rs`, `filter.rs`, `footer.rs`, `builder.rs`, `reader.rs`, `stream.rs`.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::checksum::Place;
use crate::error::Error;
use crate::fs::Fs;

mod block;
mod builder;
mod filter;
mod footer;
mod index;
mod reader;
mod stream;

pub use block::Block;
pub use builder::{BuildOptions, Builder, Built, Compression, NamespaceShare, ValueWriter};
pub use footer::{RunInfo, Span};
pub use index::BlockRef;
pub use reader::{Run, Scan};
pub use stream::Stream;

pub use crate::entry::{Content, Entry, NamespaceId, Position};

/// The version of the format drawn above.
const FORMAT_VERSION: u16 = 2;
/// What stands for "no entry expires".
const NO_EXPIRY: u64 = u64::MAX;

/// The directory of the runs, inside the dataset's.
pub const DIR: &str = "runs";
const SUFFIX: &str = ".run";
/// What a damaged run's name gets behind it when a repair has left the run out.
const ASIDE_SUFFIX: &str = ".damaged";
const TEMPORARY_SUFFIX: &str = ".run.tmp";

/// A run's number, never given twice in a dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(pub u64);

impl RunId {
    /// The run's file name.
    pub fn file_name(self) -> String {
        format!("{self}{SUFFIX}")
    }

    /// The path of the run's file in the dataset's directory `dir`.
    pub fn path(self, dir: &Path) -> PathBuf {
        dir.join(DIR).join(self.file_name())
    }

    /// The run that bears a file name; `None` for any other name.
    pub fn of_file_name(name: &str) -> Option<Self> {
        let digits = name.strip_suffix(SUFFIX)?;
        let id = Self(u64::from_str_radix(digits, 16).ok()?);
        // Neither upper case nor a sign nor fewer digits.
        (id.file_name() == name).then_some(id)
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Where a dataset's runs are.
#[derive(Clone)]
pub struct RunDir {
    fs: Arc<dyn Fs>,
    dir: PathBuf,
    dataset_id: u64,
}

impl RunDir {
    /// The runs of the dataset in `dataset_dir`, in a directory of their own. Nothing is changed on disk.
    pub fn new(fs: Arc<dyn Fs>, dataset_dir: &Path, dataset_id: u64) -> Self {
        Self { fs, dir: dataset_dir.join(DIR), dataset_id }
    }

    /// Creates the directory if it is missing.
    pub fn create(&self) -> Result<(), Error> {
        self.fs.create_dir(&self.dir).map_err(|e| Error::io("create", &self.dir, e))
    }

    /// Makes the names of the runs durable.
    pub fn sync(&self) -> Result<(), Error> {
        self.fs.sync_dir(&self.dir).map_err(|e| Error::io("sync", &self.dir, e))
    }

    /// The path of a run.
    pub fn path(&self, id: RunId) -> PathBuf {
        self.dir.join(id.file_name())
    }

    /// Removes a run's file. Who has the run open can go on reading it.
    ///
    /// A file that stays behind, because this fails or because a power loss brings its name back, is removed at the
    /// next start: no version names it.
    pub fn remove(&self, id: RunId) -> Result<(), Error> {
        let path = self.path(id);
        self.fs.remove(&path).map_err(|e| Error::io("remove", &path, e))
    }

    /// Gives a run's file a name that makes it no run, and that stays: the new path, `None` if there is no such file.
    pub(crate) fn set_aside(&self, id: RunId) -> Result<Option<PathBuf>, Error> {
        let (path, aside) = (self.path(id), self.dir.join(format!("{id}{SUFFIX}{ASIDE_SUFFIX}")));
        match self.fs.rename(&path, &aside) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            renamed => renamed.map(|()| Some(aside)).map_err(|e| Error::io("rename", &path, e)),
        }
    }

    /// Begins a run. No file may have the run's name.
    pub fn build(&self, id: RunId, options: BuildOptions) -> Result<Builder, Error> {
        Builder::new(self, id, options)
    }

    /// Opens a run: reads its footer and its index.
    pub fn open_run(&self, id: RunId) -> Result<Arc<Run>, Error> {
        Run::open(self, id).map(Arc::new)
    }

    fn temporary_path(&self, id: RunId) -> PathBuf {
        self.dir.join(format!("{id}{TEMPORARY_SUFFIX}"))
    }

    fn place(&self, id: RunId, offset: u64) -> Place {
        Place { dataset_id: self.dataset_id, segment: id.0, offset }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_exact_names_are_runs() {
        let id = RunId(0x00ab_cdef_0123_4567);
        assert_eq!(id.file_name(), "00abcdef01234567.run");
        assert_eq!(RunId::of_file_name("00abcdef01234567.run"), Some(id));
        assert_eq!(RunId::of_file_name("ffffffffffffffff.run"), Some(RunId(u64::MAX)));
        for foreign in [
            "00ABCDEF01234567.run",
            "abcdef01234567.run",
            "+0abcdef01234567.run",
            "000abcdef01234567.run",
            "00abcdef01234567.run.tmp",
            "00abcdef01234567",
            ".run",
        ] {
            assert_eq!(RunId::of_file_name(foreign), None, "{foreign}");
        }
    }
}
