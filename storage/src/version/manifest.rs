//! The manifest: the durable log of edits.
//!
//! ```text
//! CURRENT, one line
//!   the manifest's name, a space, 8 hex digits: CRC-32 of the dataset id (8 bytes) and the name; a line feed
//!
//! MANIFEST-0000000001, header, 32 bytes
//!   0  magic "FKMF"        4 bytes
//!   4  checksum            u32, of bytes 8 to 32
//!   8  format version      u16, now 1
//!  10  zero                6 bytes
//!  16  dataset id          u64
//!  24  manifest number     u64
//! record, 24 bytes and an edit; records lie back to back up to the end
//!   0  magic "FKME"        4 bytes
//!   4  header checksum     u32, of bytes 8 to 24, seeded with dataset id, manifest number and offset in the file
//!   8  payload checksum    u32, of the edit's bytes
//!  12  previous            u32, the header checksum of the record before, 0 in the first
//!  16  payload length      u64, in bytes
//!  24  the edit            drawn in `edit.rs`
//! ```
//!
//! The first record makes the whole version out of an empty one. All integers are little-endian.
//!
//! Invariants:
//! * A record is written only when the one before is durable. So at most the last record is torn, and it was never
//!   acknowledged: it is cut off and reported. Anything else that cannot be read is damage: in the header, in the first
//!   record, or before some later record's header. Damage refuses to start. An edit without fields, a seal, is written
//!   at a start and a clean close so that the edit before it is covered, too.
//! * CURRENT names a manifest only when that is durable with its name. It is replaced by temporary file, sync, rename
//!   and directory sync, and the manifest before is removed only after that.
//! * A failure other than a full disk is final (D3). Whether the edit that failed is there is for the next start to see.
//! * [`read`] changes nothing on disk. A start deletes what nothing names only when what was read is durable: the last
//!   edit may have been read from a cache, and the one before it may need what the last one dropped.
//!
//! Who the dataset is stays in IDENTITY, which is older than any manifest and never changes: the manifest repeats the
//! dataset id to tell a stranger from damage, and never the secret. An IDENTITY without CURRENT is a dataset from
//! before its first manifest: no runs, everything in the log.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::VersionSet;
use super::edit::Edit;
use super::version::Version;
use crate::checksum::{Place, crc_at, crc_of};
use crate::coding::{take_array, take_u16, take_u32, take_u64};
use crate::error::Error;
use crate::fs::{File, Fs, Open, read_full, write_full};
use crate::run::{self, RunId};

const CURRENT: &str = "CURRENT";
const CURRENT_TEMPORARY: &str = "CURRENT.tmp";
const PREFIX: &str = "MANIFEST-";
/// What the names of unfinished files in the runs' directory end in.
const TEMPORARY_SUFFIX: &str = ".tmp";

const FILE_MAGIC: &[u8; 4] = b"FKMF";
const RECORD_MAGIC: &[u8; 4] = b"FKME";
const FORMAT_VERSION: u16 = 1;
const FILE_HEADER_BYTES: usize = 32;
const RECORD_HEADER_BYTES: usize = 24;
/// No manifest comes near this size; a file that does is not read into memory.
const FILE_BYTES_MAX: u64 = 1 << 28;

/// A record that a crash left unfinished, and that is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Torn {
    /// The manifest.
    pub path: PathBuf,
    /// Where the record begins.
    pub offset: u64,
    /// The bytes from there to the end of the file.
    pub bytes: u64,
    /// What is wrong with it.
    pub reason: &'static str,
}

/// What the manifest says, before anything is changed on disk.
pub struct Found {
    fs: Arc<dyn Fs>,
    dir: PathBuf,
    dataset_id: u64,
    /// The last version that was made durable.
    pub version: Arc<Version>,
    /// What was left out, if anything.
    pub torn: Option<Torn>,
    /// Files that nothing names: unfinished ones, runs of no version, older manifests. [`Found::start`] deletes them.
    pub stale: Vec<PathBuf>,
    /// Runs that the manifest names, and that are not there.
    missing: Vec<RunId>,
    end: Option<End>,
}

/// The end of the manifest that was read.
struct End {
    number: u64,
    file: Arc<dyn File>,
    /// The last whole record: it may have been read from a cache, and so must be written again.
    last_record: Vec<u8>,
    /// The offset behind it.
    offset: u64,
    previous: u32,
    sealed: bool,
}

/// Reads the manifest of dataset `dataset_id` in `dir`, and lists what nothing names.
///
/// Fails with `Corrupt` where durable bytes are damaged, or where a file that must be there is missing.
pub fn read(fs: Arc<dyn Fs>, dir: &Path, dataset_id: u64) -> Result<Found, Error> {
    let found = look(fs, dir, dataset_id)?;
    match found.missing.first() {
        Some(missing) => {
            Err(Error::corrupt(&missing.path(dir), 0, "the manifest names it, and it is missing"))
        }
        None => Ok(found),
    }
}

/// Like [`read`], for whoever goes on when runs are missing.
pub(crate) fn look(fs: Arc<dyn Fs>, dir: &Path, dataset_id: u64) -> Result<Found, Error> {
    let names = fs.list(dir).map_err(|e| Error::io("list", dir, e))?;
    let runs = list_runs(&*fs, dir)?;
    let (version, torn, end) = match names.iter().any(|name| name == CURRENT) {
        true => load(&*fs, dir, dataset_id)?,
        false => {
            check_never_started(&*fs, dir, dataset_id, &names, &runs)?;
            (Version::default(), None, None)
        }
    };
    let present: BTreeSet<RunId> = runs.iter().filter_map(|name| RunId::of_file_name(name)).collect();
    let named: BTreeSet<RunId> = version.runs().map(|run| run.meta().id).collect();
    let missing = named.difference(&present).copied().collect();
    let unfinished = |name: &&String| name.ends_with(TEMPORARY_SUFFIX);
    let current = end.as_ref().map(|end| end.number);
    let mut stale: Vec<PathBuf> = Vec::new();
    stale.extend(names.iter().filter(|name| *name == CURRENT_TEMPORARY).map(|name| dir.join(name)));
    let manifests = names.iter().filter_map(|name| number_of(name));
    stale.extend(manifests.filter(|&number| Some(number) != current).map(|number| path_of(dir, number)));
    stale.extend(present.difference(&named).map(|id| id.path(dir)));
    stale.extend(runs.iter().filter(unfinished).map(|name| dir.join(run::DIR).join(name)));
    stale.sort_unstable();
    let dir = dir.to_path_buf();
    Ok(Found { fs, dir, dataset_id, version: Arc::new(version), torn, stale, missing, end })
}

/// Writes the first manifest of a directory that has none: `version` is all that it says.
pub(crate) fn write(fs: Arc<dyn Fs>, dir: &Path, dataset_id: u64, version: &Version) -> Result<(), Error> {
    Manifest::create(fs, dir.to_path_buf(), dataset_id, 0, 1, version).map(drop)
}

impl Found {
    /// Has the directory say `version` instead of what was read.
    pub(crate) fn replace(self, version: &Version) -> Result<(), Error> {
        let number = self.end.map_or(1, |end| end.number + 1);
        Manifest::create(self.fs, self.dir, self.dataset_id, 0, number, version).map(drop)
    }

    /// Makes durable what was read, deletes what nothing names, and goes on from there. The manifest is written anew
    /// whenever it has grown by `rotate_bytes`.
    ///
    /// A full disk is no obstacle, except to the very first start.
    pub fn start(self, rotate_bytes: u64) -> Result<VersionSet, Error> {
        let Self { fs, dir, dataset_id, version, stale, end, .. } = self;
        let runs = dir.join(run::DIR);
        fs.create_dir(&runs).map_err(|e| Error::io("create", &runs, e))?;
        let mut manifest = match end {
            Some(end) => Manifest::settle(fs.clone(), dir, dataset_id, rotate_bytes, end)?,
            None => Manifest::create(fs.clone(), dir, dataset_id, rotate_bytes, 1, &version)?,
        };
        // Only now: until the last edit is durable, a power loss may bring back the version before it.
        for path in stale.iter().filter(|path| *path != manifest.path()) {
            match fs.remove(path) {
                // An unfinished CURRENT, of which a new one has been made.
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                removed => removed.map_err(|e| Error::io("remove", path, e))?,
            }
        }
        // Their numbers are given out again: an old file must not be deleted late, when a new one has its name.
        fs.sync_dir(&runs).map_err(|e| Error::io("sync", &runs, e))?;
        match manifest.seal() {
            Err(Error::Io { .. }) | Ok(()) => Ok(VersionSet::new(version, manifest)),
            Err(error) => Err(error),
        }
    }
}

/// The manifest, open for more edits.
pub(super) struct Manifest {
    fs: Arc<dyn Fs>,
    dir: PathBuf,
    dataset_id: u64,
    number: u64,
    path: PathBuf,
    file: Arc<dyn File>,
    /// Where the next record goes.
    offset: u64,
    previous: u32,
    /// Whether the last record is a seal.
    sealed: bool,
    rotate_bytes: u64,
    /// The size beyond which the manifest is written anew.
    rotate_at: u64,
    /// The first failure, after which nothing is written any more.
    failed: Option<String>,
}

impl Manifest {
    /// Makes a manifest that was read fit to append to. The same bytes go to the same place: that tears nothing.
    fn settle(
        fs: Arc<dyn Fs>,
        dir: PathBuf,
        dataset_id: u64,
        rotate_bytes: u64,
        end: End,
    ) -> Result<Self, Error> {
        let End { number, file, last_record, offset, previous, sealed } = end;
        let path = path_of(&dir, number);
        file.set_len(offset).map_err(|e| Error::io("truncate", &path, e))?;
        let start = offset - last_record.len() as u64;
        write_full(&*file, &last_record, start).map_err(|e| Error::io("write", &path, e))?;
        file.sync_data().map_err(|e| Error::io("sync", &path, e))?;
        fs.sync_dir(&dir).map_err(|e| Error::io("sync", &dir, e))?;
        let rotate_at = offset.max(rotate_bytes);
        Ok(Self {
            fs,
            dir,
            dataset_id,
            number,
            path,
            file,
            offset,
            previous,
            sealed,
            rotate_bytes,
            rotate_at,
            failed: None,
        })
    }

    /// Writes manifest `number` with all of `version` as its one record, and has CURRENT name it.
    fn create(
        fs: Arc<dyn Fs>,
        dir: PathBuf,
        dataset_id: u64,
        rotate_bytes: u64,
        number: u64,
        version: &Version,
    ) -> Result<Self, Error> {
        let (bytes, previous) = whole(dataset_id, number, version);
        let path = path_of(&dir, number);
        let temporary = dir.join(CURRENT_TEMPORARY);
        let sync_dir = || fs.sync_dir(&dir).map_err(|e| Error::io("sync", &dir, e));
        let file = write_new(&*fs, &path, &bytes)?;
        sync_dir()?;
        write_new(&*fs, &temporary, current_line(dataset_id, number).as_bytes())?;
        fs.rename(&temporary, &dir.join(CURRENT)).map_err(|e| Error::io("rename", &temporary, e))?;
        sync_dir()?;
        let offset = bytes.len() as u64;
        let rotate_at = offset + rotate_bytes;
        let sealed = false;
        Ok(Self {
            fs,
            dir,
            dataset_id,
            number,
            path,
            file,
            offset,
            previous,
            sealed,
            rotate_bytes,
            rotate_at,
            failed: None,
        })
    }

    /// The manifest's path.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes `edit` durable; `next` is the version after it. See [`VersionSet::commit`] for what a failure means.
    pub(super) fn append(&mut self, edit: &Edit, next: &Version) -> Result<(), Error> {
        self.check()?;
        if self.offset >= self.rotate_at {
            match self.rotate(next) {
                Ok(()) => return Ok(()),
                // No room for a second manifest; there may be some for one more record.
                Err(error) if is_full(&error) => self.rotate_at = self.offset + self.rotate_bytes,
                Err(error) => return Err(self.fail(error.to_string())),
            }
        }
        self.append_record(edit)
    }

    /// Covers the last edit with a record behind it, unless it is covered.
    pub(super) fn seal(&mut self) -> Result<(), Error> {
        self.check()?;
        if self.sealed { Ok(()) } else { self.append_record(&Edit::default()) }
    }

    /// Ends the manifest's service: every later call fails with this error.
    pub(super) fn fail(&mut self, cause: String) -> Error {
        Error::Poisoned { cause: self.failed.get_or_insert(cause).clone() }
    }

    fn check(&self) -> Result<(), Error> {
        match &self.failed {
            Some(cause) => Err(Error::Poisoned { cause: cause.clone() }),
            None => Ok(()),
        }
    }

    fn append_record(&mut self, edit: &Edit) -> Result<(), Error> {
        let place = Place { dataset_id: self.dataset_id, segment: self.number, offset: self.offset };
        let (bytes, crc) = record(place, self.previous, &edit.encode());
        if let Err(source) = write_full(&*self.file, &bytes, self.offset) {
            let error = Error::io("write", &self.path, source);
            if !is_full(&error) {
                return Err(self.fail(error.to_string()));
            }
            // What was written is not whole, and the next record overwrites it; this only gives the room back.
            let _best_effort = self.file.set_len(self.offset);
            return Err(error);
        }
        if let Err(source) = self.file.sync_data() {
            return Err(self.fail(Error::io("sync", &self.path, source).to_string()));
        }
        self.offset += bytes.len() as u64;
        self.previous = crc;
        self.sealed = edit.is_seal();
        Ok(())
    }

    /// Goes on in a new manifest that begins with `version`.
    fn rotate(&mut self, version: &Version) -> Result<(), Error> {
        let number = self.number + 1;
        let (fs, dir) = (self.fs.clone(), self.dir.clone());
        let created = Self::create(fs, dir, self.dataset_id, self.rotate_bytes, number, version);
        let unneeded = match &created {
            Ok(_) => vec![self.path.clone()],
            Err(error) if is_full(error) => {
                vec![path_of(&self.dir, number), self.dir.join(CURRENT_TEMPORARY)]
            }
            Err(_) => Vec::new(),
        };
        for path in unneeded {
            // What stays is deleted at the next start, or by the next rotation that needs the name.
            let _best_effort = self.fs.remove(&path);
        }
        *self = created?;
        Ok(())
    }
}

/// Whether the disk is full and nothing else is wrong. A sync that finds no room has failed like any other.
fn is_full(error: &Error) -> bool {
    let Error::Io { op, source, .. } = error else { return false };
    *op != "sync" && matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// A durable file with these bytes, under a name that is not yet durable. What had the name is left from a crash.
fn write_new(fs: &dyn Fs, path: &Path, bytes: &[u8]) -> Result<Arc<dyn File>, Error> {
    let file = match fs.open(path, Open::CreateNew) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
            fs.remove(path).map_err(|e| Error::io("remove", path, e))?;
            fs.open(path, Open::CreateNew)
        }
        opened => opened,
    };
    let file = file.map_err(|e| Error::io("create", path, e))?;
    write_full(&*file, bytes, 0).map_err(|e| Error::io("write", path, e))?;
    file.sync_data().map_err(|e| Error::io("sync", path, e))?;
    Ok(file)
}

fn path_of(dir: &Path, number: u64) -> PathBuf {
    dir.join(name_of(number))
}

fn name_of(number: u64) -> String {
    format!("{PREFIX}{number:010}")
}

/// The number in a manifest's name; `None` for any other name.
fn number_of(name: &str) -> Option<u64> {
    let number = name.strip_prefix(PREFIX)?.parse().ok()?;
    (name == name_of(number)).then_some(number)
}

fn current_line(dataset_id: u64, number: u64) -> String {
    let name = name_of(number);
    let crc = crc_of([&dataset_id.to_le_bytes()[..], name.as_bytes()]);
    format!("{name} {crc:08x}\n")
}

fn file_header(dataset_id: u64, number: u64) -> [u8; FILE_HEADER_BYTES] {
    let mut bytes = [0; FILE_HEADER_BYTES];
    bytes[..4].copy_from_slice(FILE_MAGIC);
    bytes[8..10].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
    bytes[16..24].copy_from_slice(&dataset_id.to_le_bytes());
    bytes[24..32].copy_from_slice(&number.to_le_bytes());
    let crc = crc_of([&bytes[8..]]);
    bytes[4..8].copy_from_slice(&crc.to_le_bytes());
    bytes
}

/// A record's bytes and its header's checksum.
fn record(place: Place, previous: u32, payload: &[u8]) -> (Vec<u8>, u32) {
    let mut bytes = vec![0; RECORD_HEADER_BYTES];
    bytes[..4].copy_from_slice(RECORD_MAGIC);
    bytes[8..12].copy_from_slice(&crc_of([payload]).to_le_bytes());
    bytes[12..16].copy_from_slice(&previous.to_le_bytes());
    bytes[16..24].copy_from_slice(&(payload.len() as u64).to_le_bytes());
    let crc = crc_at(place, &bytes[8..]);
    bytes[4..8].copy_from_slice(&crc.to_le_bytes());
    bytes.extend_from_slice(payload);
    (bytes, crc)
}

/// A manifest that holds `version` and nothing else, and the checksum of its record's header.
fn whole(dataset_id: u64, number: u64, version: &Version) -> (Vec<u8>, u32) {
    let mut bytes = file_header(dataset_id, number).to_vec();
    let place = Place { dataset_id, segment: number, offset: bytes.len() as u64 };
    let (first, crc) = record(place, 0, &version.to_edit().encode());
    bytes.extend_from_slice(&first);
    (bytes, crc)
}

/// The names in the runs' directory, which may not exist yet.
fn list_runs(fs: &dyn Fs, dir: &Path) -> Result<Vec<String>, Error> {
    let runs = dir.join(run::DIR);
    match fs.list(&runs) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        listed => listed.map_err(|e| Error::io("list", &runs, e)),
    }
}

/// Refuses a directory without CURRENT that holds what only a start with one can have left.
fn check_never_started(
    fs: &dyn Fs,
    dir: &Path,
    dataset_id: u64,
    names: &[String],
    runs: &[String],
) -> Result<(), Error> {
    let corrupt = |what: &str| Err(Error::corrupt(&dir.join(CURRENT), 0, what));
    if runs.iter().any(|name| RunId::of_file_name(name).is_some()) {
        return corrupt("it is missing, and the directory has runs");
    }
    let unfinished_bytes = whole(dataset_id, 1, &Version::default()).0.len() as u64;
    for number in names.iter().filter_map(|name| number_of(name)) {
        let path = path_of(dir, number);
        let file = fs.open(&path, Open::Read).map_err(|e| Error::io("open", &path, e))?;
        let size = file.size().map_err(|e| Error::io("measure", &path, e))?;
        if number != 1 || size > unfinished_bytes {
            return corrupt("it is missing, and the directory has a manifest");
        }
    }
    Ok(())
}

type Loaded = (Version, Option<Torn>, Option<End>);

/// Reads the manifest that CURRENT names.
fn load(fs: &dyn Fs, dir: &Path, dataset_id: u64) -> Result<Loaded, Error> {
    let number = read_current(fs, dir, dataset_id)?;
    let path = path_of(dir, number);
    let file = match fs.open(&path, Open::Write) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            return Err(Error::corrupt(&path, 0, "CURRENT names it, and it is missing"));
        }
        opened => opened.map_err(|e| Error::io("open", &path, e))?,
    };
    let size = file.size().map_err(|e| Error::io("measure", &path, e))?;
    if size > FILE_BYTES_MAX {
        return Err(Error::corrupt(&path, FILE_BYTES_MAX, "it is longer than any manifest"));
    }
    let mut bytes = vec![0; size as usize];
    let read = read_full(&*file, &mut bytes, 0).map_err(|e| Error::io("read", &path, e))?;
    bytes.truncate(read);

    check_file_header(&bytes, dataset_id, number).map_err(|what| Error::corrupt(&path, 0, what))?;
    let mut reader = Reader { bytes: &bytes, dataset_id, number, offset: FILE_HEADER_BYTES, previous: 0 };
    let mut version = Version::default();
    let (mut last, mut sealed, mut torn) = (FILE_HEADER_BYTES, false, None);
    // The first record must be there, even where the file ends before it.
    while reader.offset < bytes.len() || reader.offset == FILE_HEADER_BYTES {
        let offset = reader.offset;
        let corrupt = |what: String| Error::corrupt(&path, offset as u64, what);
        match reader.next() {
            Ok(payload) => {
                let edit = Edit::decode(payload).map_err(|what| corrupt(what.into()))?;
                version = version.apply(&edit).map_err(|misfit| corrupt(misfit.to_string()))?;
                (last, sealed) = (offset, edit.is_seal());
            }
            Err(reason) if offset == FILE_HEADER_BYTES || reader.is_followed() => {
                return Err(corrupt(reason.into()));
            }
            Err(reason) => {
                let left = (bytes.len() - offset) as u64;
                torn = Some(Torn { path: path.clone(), offset: offset as u64, bytes: left, reason });
                break;
            }
        }
    }
    let last_record = bytes[last..reader.offset].to_vec();
    let (offset, previous) = (reader.offset as u64, reader.previous);
    Ok((version, torn, Some(End { number, file, last_record, offset, previous, sealed })))
}

/// The number of the manifest that CURRENT names.
fn read_current(fs: &dyn Fs, dir: &Path, dataset_id: u64) -> Result<u64, Error> {
    let path = dir.join(CURRENT);
    let file = fs.open(&path, Open::Read).map_err(|e| Error::io("open", &path, e))?;
    let mut bytes = [0; 64];
    let read = read_full(&*file, &mut bytes, 0).map_err(|e| Error::io("read", &path, e))?;
    let line = std::str::from_utf8(&bytes[..read]).ok();
    let number = line.and_then(|line| number_of(line.split(' ').next()?));
    number
        .filter(|&number| line == Some(&current_line(dataset_id, number)))
        .ok_or_else(|| Error::corrupt(&path, 0, "it does not name a manifest of this dataset"))
}

fn check_file_header(bytes: &[u8], dataset_id: u64, number: u64) -> Result<(), String> {
    let mut rest = bytes.get(..FILE_HEADER_BYTES).ok_or("it ends inside its header")?;
    let fields = (|| {
        let magic = take_array::<4>(&mut rest)?;
        let whole = take_u32(&mut rest)? == crc_of([rest]);
        let version = take_u16(&mut rest)?;
        take_array::<6>(&mut rest)?;
        (magic == *FILE_MAGIC && whole).then_some((version, take_u64(&mut rest)?, take_u64(&mut rest)?))
    })();
    let (version, dataset, own_number) = fields.ok_or("its header is damaged")?;
    if version != FORMAT_VERSION {
        return Err(format!("its format version is {version}, this server reads {FORMAT_VERSION}"));
    }
    if dataset != dataset_id {
        return Err("it belongs to another dataset than the IDENTITY file".into());
    }
    if own_number != number {
        return Err(format!("it is manifest {own_number} under another name"));
    }
    Ok(())
}

/// Walks over the records of a manifest.
struct Reader<'a> {
    bytes: &'a [u8],
    dataset_id: u64,
    number: u64,
    /// Where the next record begins.
    offset: usize,
    /// The header checksum of the record before.
    previous: u32,
}

impl<'a> Reader<'a> {
    /// The edit's bytes in the next record, and moves behind it; or says why there is no record.
    fn next(&mut self) -> Result<&'a [u8], &'static str> {
        let (crc, payload_crc, previous, length) = self.header_at(self.offset)?;
        if previous != self.previous {
            return Err("a record does not continue the one before it");
        }
        let rest = &self.bytes[self.offset + RECORD_HEADER_BYTES..];
        let payload = usize::try_from(length).ok().and_then(|length| rest.get(..length));
        let payload = payload.ok_or("the file ends inside a record")?;
        if crc_of([payload]) != payload_crc {
            return Err("the checksum of a record's contents is wrong");
        }
        self.previous = crc;
        self.offset += RECORD_HEADER_BYTES + payload.len();
        Ok(payload)
    }

    /// Checksum, payload checksum, previous and payload length of the header at `offset`.
    fn header_at(&self, offset: usize) -> Result<(u32, u32, u32, u64), &'static str> {
        const ENDS: &str = "the file ends inside a record's header";
        let bytes = self.bytes.get(offset..offset + RECORD_HEADER_BYTES).ok_or(ENDS)?;
        let mut rest = bytes;
        if take_array(&mut rest).ok_or(ENDS)? != *RECORD_MAGIC {
            return Err("there is no record");
        }
        let crc = take_u32(&mut rest).ok_or(ENDS)?;
        let place = Place { dataset_id: self.dataset_id, segment: self.number, offset: offset as u64 };
        if crc != crc_at(place, rest) {
            return Err("the checksum of a record's header is wrong");
        }
        let (payload_crc, previous) = (take_u32(&mut rest).ok_or(ENDS)?, take_u32(&mut rest).ok_or(ENDS)?);
        Ok((crc, payload_crc, previous, take_u64(&mut rest).ok_or(ENDS)?))
    }

    /// Whether some record was begun behind the one that cannot be read: then that one was durable.
    fn is_followed(&self) -> bool {
        (self.offset + 1..self.bytes.len()).any(|offset| self.header_at(offset).is_ok())
    }
}
