//! Writes a version as an RDB file: what BGSAVE, SAVE and SHUTDOWN SAVE leave behind.
//!
//! * It has the function libraries, too.
//! * The version is pinned, so the file is the dataset at one cut, whatever is written meanwhile.
//! * No shard is locked, and memory is bounded by the block with the largest value.
//! * Values go from a run's block to the file, part by part: they are decoded only as far as their encoding in a file differs.
//! * The file appears under its name when all of it is on disk. Until then, and after any failure, the old one stays.
//! * Uses of keys are as of the time each was captured: reading a key writes nothing.

use std::fmt;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use storage::merge::{Entries, Source};
use storage::{Content, Error, NamespaceId, Position, Version};

use crate::config::Config;
use crate::rdb::writer::{Header, Writer};
use crate::rdb::{Access, Format, Malformed, NotPut, functions, image};
use crate::store::evict::{self, AccessClock};
use crate::store::{SHARD_COUNT, UnixMs};
use crate::util::file::Draft;

/// The name of a file in the making, in the directory of the one it will be.
pub const TEMPORARY: &str = "temp-save.rdb";
/// Bytes between two syncs of a file in the making.
const SYNC_EVERY: u64 = 4 << 20;

/// How a file is written.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The version of the file, and whether strings are compressed.
    pub format: Format,
    /// Whether it ends with a checksum.
    pub checksum: bool,
    /// Whether it is synced now and then while it is written.
    pub is_synced_early: bool,
    /// What the file says of the use of keys; `None`: nothing.
    pub uses: Option<AccessClock>,
    /// When it was begun.
    pub began: UnixMs,
    /// Memory in use then.
    pub used_memory_bytes: u64,
}

impl Options {
    /// Those that the configuration asks for. As in Redis, uses are written for the policies that look at them.
    pub fn of(config: &Config, began: UnixMs, used_memory_bytes: u64) -> Self {
        let policy = config.maxmemory_policy;
        let uses = evict::is_lru(policy) || evict::is_lfu(policy);
        Options {
            format: Format { version: config.rdb_version, compression: config.rdbcompression },
            checksum: config.rdbchecksum,
            is_synced_early: config.rdb_save_incremental_fsync,
            uses: uses.then(|| AccessClock::of(config, began, 0.0)),
            began,
            used_memory_bytes,
        }
    }
}

/// How far a file is. Written by whoever writes it, read and stopped by others.
#[derive(Debug, Default)]
pub struct Progress {
    keys: AtomicU64,
    keys_total: AtomicU64,
    is_cancelled: AtomicBool,
}

impl Progress {
    /// Keys written, and keys to be written in all.
    pub fn keys(&self) -> (u64, u64) {
        (self.keys.load(Ordering::Relaxed), self.keys_total.load(Ordering::Relaxed))
    }

    /// Ends the writing: it fails soon, and so do all later ones.
    pub fn cancel(&self) {
        self.is_cancelled.store(true, Ordering::Relaxed);
    }

    fn begin(&self, keys_total: u64) {
        self.keys.store(0, Ordering::Relaxed);
        self.keys_total.store(keys_total, Ordering::Relaxed);
    }
}

/// Why there is no file.
#[derive(Debug)]
pub enum Failure {
    /// The version can't be read.
    Version(Error),
    /// The file can't be written.
    Io(io::Error),
    /// A value in the version is not one.
    Value(Vec<u8>, Malformed),
    /// A database has another number of keys than the version says.
    Count {
        /// The database.
        db: u32,
        /// Keys found.
        found: u64,
        /// Keys that the version says there are.
        expected: u64,
    },
    /// Nobody wants it any more.
    Cancelled,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Version(error) => error.fmt(f),
            Failure::Io(error) => write!(f, "The file can't be written: {error}."),
            Failure::Value(key, what) => {
                write!(f, "The value of the key \"{}\" can't be understood: {what}.", key.escape_ascii())
            }
            Failure::Count { db, found, expected } => {
                write!(f, "Database {db} has {found} keys on disk and should have {expected}.")
            }
            Failure::Cancelled => f.write_str("The server stops."),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Version(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Failure::Io(error)
    }
}

/// Writes `version` as the file `path`.
pub fn write_file(
    version: &Arc<Version>,
    path: &Path,
    options: &Options,
    progress: &Progress,
) -> Result<(), Failure> {
    let draft = Draft::begin(&path.with_file_name(TEMPORARY), options.is_synced_early.then_some(SYNC_EVERY))?;
    write(version, draft, options, progress)?.publish(path)?;
    Ok(())
}

/// Writes `version` to `out`, which is given back.
pub fn write<W: Write>(
    version: &Arc<Version>,
    out: W,
    options: &Options,
    progress: &Progress,
) -> Result<W, Failure> {
    progress.begin(version.live_keys());
    let mut writer = Writer::new(out, options.format, options.checksum)?;
    writer.header(&Header {
        redis_version: crate::REDIS_VERSION,
        created_s: options.began.0 / 1000,
        used_memory_bytes: options.used_memory_bytes,
        aof_base: false,
    })?;
    let libraries = functions::codes(version.attachment())
        .map_err(|what| io::Error::other(format!("the function libraries on disk: {what}")))?;
    libraries.iter().try_for_each(|code| writer.function(code))?;
    for (&db, &namespace) in version.databases() {
        write_database(version, db, namespace, &mut writer, options, progress)?;
    }
    Ok(writer.finish()?)
}

fn write_database<W: Write>(
    version: &Arc<Version>,
    db: u32,
    namespace: NamespaceId,
    writer: &mut Writer<W>,
    options: &Options,
    progress: &Progress,
) -> Result<(), Failure> {
    let parts = || (0..SHARD_COUNT as u8).map(|part| version.counts(namespace, part));
    let (expected, expires) = (parts().map(|part| part.keys).sum(), parts().map(|part| part.expires).sum());
    if expected == 0 {
        return Ok(());
    }
    writer.select_db(db, expected, expires)?;
    let (mut scan, mut found) = (version.scan(Position { namespace, hash: 0 })?, 0);
    while let Some(entry) = scan.entry().filter(|entry| entry.position.namespace == namespace) {
        if progress.is_cancelled.load(Ordering::Relaxed) {
            return Err(Failure::Cancelled);
        }
        if let Content::Value { bytes, expiry_ms, .. } = entry.content {
            let unintelligible = |what| Failure::Value(entry.key.to_vec(), what);
            let (access, object) = image::to_object(bytes, options.format).map_err(unintelligible)?;
            let access = options.uses.map_or(Access::Unknown, |clock| clock.saved(access));
            writer.rewritten(entry.key, &object, expiry_ms, access).map_err(|why| match why {
                NotPut::Malformed(what) => unintelligible(what),
                NotPut::Sink(error) => Failure::Io(error),
            })?;
            found += 1;
            progress.keys.fetch_add(1, Ordering::Relaxed);
        }
        scan.advance()?;
    }
    // A file that lacks keys must not replace one that has them.
    if found == expected { Ok(()) } else { Err(Failure::Count { db, found, expected }) }
}
