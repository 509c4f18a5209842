//! Imports an RDB file into an empty dataset, at the server's start.
//!
//! ```text
//! mark durable → keys into RAM, rounds as the budget asks for them → last round → mark gone, durable → clients
//! ```
//!
//! * All or nothing: while the mark ([`MARK`]) is there the dataset is that of an import that did not end. The next start
//!   throws it away and imports again. When the mark is gone, a round has made everything durable.
//! * Nothing is logged: the rounds hold all of it, and no client is served before the last one.
//! * A file is imported only if the dataset has never held anything, so it is imported once. It is left alone.
//! * An append-only file of Redis is not read. Beside a dataset that has never held anything it stops the start: who moves in with
//!   it would find the server empty, or with an older state.
//! * RAM stays inside the budget. Keys that have expired are dropped, as Redis does.

use std::io::{self, BufRead};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use storage::Engine;

use crate::rdb::reader::{Entry, Item, Reader};
use crate::rdb::{Limits, functions};
use crate::store::cache::Hands;
use crate::store::db::Workspace;
use crate::store::evict::AccessClock;
use crate::store::{Db, DbIndex, Expiry, Key, Keyspace, ShardSet, UnixMs};
use crate::util::time::Monotonic;
use crate::util::{file, log};

/// The file in the data directory that says that an import has begun and not ended.
pub const MARK: &str = "IMPORTING";
const MARK_TEXT: &str =
    "An RDB file is being imported, and what the directory holds besides is not complete.\n";

/// After so many keys, or so many bytes of the file, the budget is looked at.
const STEP_KEYS: u64 = 256;
const STEP_BYTES: u64 = 1 << 20;
/// How often an import waits for room before it goes on all the same.
const WAITS_MAX: u32 = 32;
/// How often the log says how far the import is.
const REPORT_EVERY: Duration = Duration::from_secs(5);

/// How far loading is; what INFO's `loading_*` and `rdb_last_load_*` tell.
#[derive(Debug, Default)]
pub struct Progress {
    /// When it began, in unix seconds.
    pub began_s: AtomicU64,
    /// Bytes to be loaded; 0: not known.
    pub total_bytes: AtomicU64,
    /// Bytes loaded.
    pub loaded_bytes: AtomicU64,
    /// The memory that the file says its keys took.
    pub used_memory_bytes: AtomicU64,
    /// Keys of a file that were loaded.
    pub keys_loaded: AtomicU64,
    /// Keys of a file that had expired.
    pub keys_expired: AtomicU64,
}

/// Looks at the codes of function libraries.
pub type Check<'a> = dyn Fn(&[Vec<u8>]) -> Result<(), String> + 'a;

/// What to import, and how.
pub struct Import<'a> {
    /// The data directory.
    pub dir: &'a Path,
    /// The file, which need not exist.
    pub path: PathBuf,
    /// Where Redis would have an append-only file.
    pub append_only: [PathBuf; 2],
    /// The dataset's.
    pub keyspace: &'a Keyspace,
    /// Whose log is attached to the keyspace.
    pub engine: &'a Engine,
    /// Up to what values are small.
    pub limits: Limits,
    /// How uses are recorded.
    pub clock: AccessClock,
    /// Keys that expired before are dropped.
    pub now: UnixMs,
    /// Whether the file's function libraries, by their codes, are good ones; the error is a sentence.
    pub libraries: &'a Check<'a>,
    /// What is told of it.
    pub progress: &'a Progress,
    /// Called every few milliseconds of work; for whoever may have to end the process.
    pub pause: &'a dyn Fn(),
}

impl Import<'_> {
    /// Imports the file if there is one and `is_new` says that the dataset has never held anything, or if an earlier import
    /// did not end. An error is a sentence, and the dataset must not be served then.
    pub fn run(&self) -> Result<(), String> {
        let mark = self.dir.join(MARK);
        let was_interrupted = exists(&mark)?;
        let has_file = exists(&self.path)?;
        if !was_interrupted {
            if !self.is_new() {
                return Ok(());
            }
            self.refuse_append_only()?;
            if !has_file {
                return Ok(());
            }
        }
        if was_interrupted {
            log::warning("The last import of an RDB file did not end; what it has left is thrown away.");
            self.empty();
        }
        if has_file {
            file::replace(&mark, MARK_TEXT.as_bytes())
                .map_err(|error| format!("{} can't be written: {error}.", mark.display()))?;
            self.load().map_err(|what| format!("{} can't be imported: {what}.", self.path.display()))?;
        }
        // Also when there is nothing to import any more: without the mark nobody would empty it again.
        self.round()?;
        file::remove_durably(&mark).map_err(|error| format!("{} can't be removed: {error}.", mark.display()))
    }

    /// Has the dataset never held anything?
    fn is_new(&self) -> bool {
        self.engine.version().cut().epoch.0 == 0 && self.engine.last_lsn().0 == 0
    }

    /// An error if there is an append-only file that holds something.
    fn refuse_append_only(&self) -> Result<(), String> {
        for path in &self.append_only {
            // An empty one is that of an empty dataset.
            if exists(path)? && file::size_bytes(path) > 0 {
                return Err(format!(
                    "{} is an append-only file of Redis, which can't be read here, and there is no dataset of ForgeKV beside \
                     it: the server would start without what the file holds. Let Redis write an RDB file (SAVE), and start \
                     on a directory that holds only that. Where the file is not wanted, move it away.",
                    path.display()
                ));
            }
        }
        Ok(())
    }

    fn empty(&self) {
        let (mut work, locked) = (Workspace::default(), self.keyspace.locks().lock_set(ShardSet::ALL));
        let mut db = Db::new(self.keyspace, locked, DbIndex(0), UnixMs(0), &self.clock, &mut work);
        db.keep_unlogged();
        (0..self.keyspace.databases() as u32).for_each(|index| db.flush(DbIndex(index)));
        db.commit(std::iter::empty(), DbIndex(0));
    }

    fn round(&self) -> Result<(), String> {
        self.keyspace.checkpoint(self.engine).map(|_captured| ()).map_err(|error| error.to_string())
    }

    fn load(&self) -> Result<(), String> {
        let began = Monotonic::now();
        let (stream, size_bytes) = file::open_stream(&self.path).map_err(|error| error.to_string())?;
        self.progress.total_bytes.store(size_bytes, Ordering::Relaxed);
        self.progress.loaded_bytes.store(0, Ordering::Relaxed);
        log::notice(&format!("Importing {}, {size_bytes} bytes", self.path.display()));
        self.read(stream)?;
        log::notice(&format!(
            "DB loaded from {}: {} keys, {} that had expired, {:.3} seconds",
            self.path.display(),
            self.progress.keys_loaded.load(Ordering::Relaxed),
            self.progress.keys_expired.load(Ordering::Relaxed),
            began.elapsed().as_secs_f64()
        ));
        Ok(())
    }

    fn read(&self, stream: impl BufRead) -> Result<(), String> {
        let mut reader = Reader::new(stream, self.limits);
        let (mut work, mut hands) = (Workspace::default(), Hands::default());
        let (mut keys, mut next_bytes, mut reported) = (0, 0, Monotonic::now());
        let mut libraries = Vec::new();
        while let Some(item) = reader.next() {
            match item.map_err(|error| error.to_string())? {
                Item::Aux(name, value) => self.note(&name, &value),
                Item::Function(code) => libraries.push(code),
                Item::Entry(entry) => self.put(entry, &mut work)?,
            }
            keys += 1;
            if keys % STEP_KEYS != 0 && reader.offset() < next_bytes {
                continue;
            }
            next_bytes = reader.offset() + STEP_BYTES;
            self.progress.loaded_bytes.store(reader.offset(), Ordering::Relaxed);
            self.make_room(&mut hands)?;
            (self.pause)();
            if reported.elapsed() >= REPORT_EVERY {
                reported = Monotonic::now();
                self.report();
            }
        }
        self.put_libraries(&libraries)
    }

    /// Puts the libraries into the dataset; who runs functions reads them from there.
    fn put_libraries(&self, codes: &[Vec<u8>]) -> Result<(), String> {
        (self.libraries)(codes)?;
        let body = functions::body(codes.iter().map(Vec::as_slice));
        let (mut work, locked) = (Workspace::default(), self.keyspace.locks().lock_set(ShardSet::ALL));
        let mut db = Db::new(self.keyspace, locked, DbIndex(0), UnixMs(0), &self.clock, &mut work);
        db.keep_unlogged();
        db.attach(body.into());
        db.commit(std::iter::empty(), DbIndex(0));
        Ok(())
    }

    /// Keeps RAM inside the budget, and waits for the compaction of what was written, as commands do.
    fn make_room(&self, hands: &mut Hands) -> Result<(), String> {
        for _ in 0..WAITS_MAX {
            let needs = self.keyspace.keep_budget(hands);
            if needs.round {
                self.round()?;
            }
            if !self.keyspace.is_crowded() {
                break;
            }
            std::thread::sleep(needs.look_after);
        }
        Ok(())
    }

    fn note(&self, name: &[u8], value: &[u8]) {
        let text = String::from_utf8_lossy(value);
        match name {
            b"redis-ver" | b"valkey-ver" => log::notice(&format!("The file was written by version {text}")),
            b"used-mem" => {
                self.progress.used_memory_bytes.store(text.parse().unwrap_or(0), Ordering::Relaxed);
            }
            _ => {}
        }
    }

    fn report(&self) {
        let progress = self.progress;
        let (loaded, total) =
            (progress.loaded_bytes.load(Ordering::Relaxed), progress.total_bytes.load(Ordering::Relaxed));
        let keys = progress.keys_loaded.load(Ordering::Relaxed);
        log::notice(&format!("Importing: {loaded} of {total} bytes, {keys} keys"));
    }

    fn put(&self, entry: Entry, work: &mut Workspace) -> Result<(), String> {
        let Entry { db, key: bytes, object, expire, access } = entry;
        if expire.is_some_and(|at| at < self.now.0) {
            self.progress.keys_expired.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        }
        if db as usize >= self.keyspace.databases() {
            return Err(format!("it has keys in database {db}: `databases` must be higher than that"));
        }
        let key = Key { bytes: &bytes, hash: self.keyspace.hasher().hash_of(&bytes) };
        // So that a key which is there twice is met even if the first one has left RAM.
        self.keyspace.load_now(DbIndex(db), &key)?;
        let locked = self.keyspace.locks().lock_one(key.shard());
        let mut place = Db::new(self.keyspace, locked, DbIndex(db), UnixMs(0), &self.clock, work);
        place.keep_unlogged();
        if place.find(&key).is_some() {
            return Err(format!("the key \"{}\" is there twice", bytes.escape_ascii()));
        }
        let expiry = expire.map_or(Expiry::Clear, |at| Expiry::At(UnixMs(at)));
        let slot = place.set_object(&key, None, object, expiry);
        place.set_access(slot, self.clock.restored(access));
        place.commit(std::iter::empty(), DbIndex(db));
        self.progress.keys_loaded.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

fn exists(path: &Path) -> Result<bool, String> {
    let looked: io::Result<bool> = path.try_exists();
    looked.map_err(|error| format!("{} can't be looked at: {error}.", path.display()))
}
