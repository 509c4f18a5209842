//! Plain files beside the dataset: the configuration, the pid file, ACL files, snapshots.
//!
//! * [`replace`] is atomic and durable: a reader, or a restart after a power cut, sees the whole old content
//!   or the whole new one. So is a [`Draft`], for what is too big to be held in memory.
//! * What is read is bounded by the caller's limit before it is allocated for.
//!
//! The dataset never comes through here: its files belong to the storage engine, which can be run on a
//! simulator.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::util::glob::{self, Case};

/// How many files one glob pattern may name.
const EXPANSION_MAX: usize = 4096;

/// Bytes read from a stream at once.
const STREAM_BUFFER_BYTES: usize = 256 * 1024;

/// How many replacements this process has begun.
static REPLACEMENTS: AtomicU32 = AtomicU32::new(0);

/// Reads a whole file of at most `limit_bytes`; a longer one is an error of kind `FileTooLarge`.
pub fn read(path: &Path, limit_bytes: u64) -> io::Result<Vec<u8>> {
    #[expect(clippy::disallowed_methods, reason = "this is the module for files that are not the dataset's")]
    let file = File::open(path)?;
    read_from(file, limit_bytes)
}

/// Reads an open stream to its end, with the bound of [`read`].
pub fn read_from(stream: impl Read, limit_bytes: u64) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    stream.take(limit_bytes.saturating_add(1)).read_to_end(&mut content)?;
    if content.len() as u64 > limit_bytes {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(content)
}

/// Replaces a file by a temporary one beside it: written, synced, renamed over it, and the directory synced.
/// A symbolic link stays a link (its target is replaced) and the permissions of an existing file are kept; a
/// new file is readable by its owner only, because it may hold passwords.
pub fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    let directory = directory_of(&target);
    let Some(name) = target.file_name() else {
        return Err(io::ErrorKind::InvalidFilename.into());
    };
    let mut temporary_name = name.to_os_string();
    // Two replacements at once must not share a temporary file, or one could rename the other's half.
    let number = REPLACEMENTS.fetch_add(1, Ordering::Relaxed);
    temporary_name.push(format!(".{}-{number}.tmp", std::process::id()));
    let temporary = directory.join(temporary_name);

    let result = write_synced(&temporary, &target, content).and_then(|()| rename(&temporary, &target));
    if result.is_err() {
        // The first error is the one worth telling; a leftover temporary file does no harm.
        let _ = remove(&temporary);
        return result;
    }
    sync_directory(directory)
}

fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn sync_directory(directory: &Path) -> io::Result<()> {
    #[expect(clippy::disallowed_methods, reason = "a name is durable only once its directory is synced")]
    File::open(directory)?.sync_all()
}

/// A file in the making, written as a stream. Nobody sees it under its name before it is [published](Draft::publish);
/// one that is dropped before leaves nothing behind, and one that a crash interrupts leaves what the next one replaces.
pub struct Draft {
    file: File,
    temporary: PathBuf,
    sync_every: Option<u64>,
    unsynced: u64,
    is_published: bool,
}

impl Draft {
    /// Begins one under the name `temporary`. Only one at a time may bear it. With `sync_every` it is synced whenever so
    /// many bytes were written, so that the sync at the end is not one long burst.
    pub fn begin(temporary: &Path, sync_every: Option<u64>) -> io::Result<Self> {
        let file = File::options().write(true).create(true).truncate(true).open(temporary)?;
        Ok(Self { file, temporary: temporary.to_path_buf(), sync_every, unsynced: 0, is_published: false })
    }

    /// Makes it durable as `path`, in the same directory.
    pub fn publish(mut self, path: &Path) -> io::Result<()> {
        self.file.sync_all()?;
        rename(&self.temporary, path)?;
        self.is_published = true;
        sync_directory(directory_of(path))
    }
}

impl Write for Draft {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.unsynced += written as u64;
        if self.sync_every.is_some_and(|every| self.unsynced >= every) {
            self.file.sync_data()?;
            self.unsynced = 0;
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.is_published {
            // What stays behind is replaced by the next draft.
            let _ = remove(&self.temporary);
        }
    }
}

/// Opens a file to be read as a stream, and says how many bytes it has.
pub fn open_stream(path: &Path) -> io::Result<(BufReader<File>, u64)> {
    #[expect(clippy::disallowed_methods, reason = "this is the module for files that are not the dataset's")]
    let file = File::open(path)?;
    let size_bytes = file.metadata()?.len();
    Ok((BufReader::with_capacity(STREAM_BUFFER_BYTES, file), size_bytes))
}

/// How many bytes a file has; 0 if there is none, or nobody may look.
pub fn size_bytes(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |metadata| metadata.len())
}

/// Opens a file to append to, creating it if need be.
pub fn append(path: &Path) -> io::Result<File> {
    File::options().append(true).create(true).open(path)
}

/// Removes a file so that it stays removed after a power cut.
pub fn remove_durably(path: &Path) -> io::Result<()> {
    remove(path)?;
    sync_directory(directory_of(path))
}

/// Removes a file.
pub fn remove(path: &Path) -> io::Result<()> {
    #[expect(clippy::disallowed_methods, reason = "this is the module for files that are not the dataset's")]
    fs::remove_file(path)
}

/// The absolute path of an existing directory; a path that names something else is `NotADirectory`.
pub fn existing_directory(path: &Path) -> io::Result<PathBuf> {
    if path.as_os_str().is_empty() {
        return Err(io::ErrorKind::NotFound.into());
    }
    let absolute = fs::canonicalize(path)?;
    if fs::metadata(&absolute)?.is_dir() { Ok(absolute) } else { Err(io::ErrorKind::NotADirectory.into()) }
}

/// The files that a glob pattern names, sorted within each directory. A pattern without a wildcard names
/// itself, whether it exists or not. A wildcard does not match a name's leading dot.
pub fn expand(pattern: &Path) -> io::Result<Vec<PathBuf>> {
    let has_wildcard = |part: &[u8]| part.iter().any(|byte| matches!(byte, b'*' | b'?' | b'['));
    if !has_wildcard(pattern.as_os_str().as_encoded_bytes()) {
        return Ok(vec![pattern.to_path_buf()]);
    }
    let mut found = vec![PathBuf::new()];
    for component in pattern.components() {
        let part = component.as_os_str().as_encoded_bytes();
        if !matches!(component, Component::Normal(_)) || !has_wildcard(part) {
            found.iter_mut().for_each(|path| path.push(component));
            continue;
        }
        let mut next = Vec::new();
        for directory in &found {
            next.extend(matching_entries(directory, part));
            if next.len() > EXPANSION_MAX {
                return Err(io::Error::other("the pattern names too many files"));
            }
        }
        found = next;
    }
    found.retain(|path| path.exists());
    Ok(found)
}

fn matching_entries(directory: &Path, pattern: &[u8]) -> Vec<PathBuf> {
    let listed = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    // A directory that cannot be read matches nothing, as in a shell.
    let Ok(entries) = fs::read_dir(listed) else { return Vec::new() };
    let mut found: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.file_name()))
        .filter(|name| {
            let name = name.as_encoded_bytes();
            (name[0] != b'.' || pattern[0] == b'.') && glob::matches(pattern, name, Case::Sensitive)
        })
        .map(|name| directory.join(name))
        .collect();
    found.sort_unstable();
    found
}

fn write_synced(temporary: &Path, target: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(temporary)?;
    if let Ok(existing) = fs::metadata(target) {
        file.set_permissions(fs::Permissions::from_mode(existing.permissions().mode() & 0o7777))?;
    }
    file.write_all(content)?;
    file.sync_all()
}

fn rename(from: &Path, to: &Path) -> io::Result<()> {
    #[expect(clippy::disallowed_methods, reason = "the atomic step of `replace`")]
    fs::rename(from, to)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A directory of its own for one test, removed at its end.
    pub(crate) struct Scratch(pub PathBuf);

    impl Scratch {
        pub(crate) fn new() -> Self {
            static NEXT: AtomicU32 = AtomicU32::new(0);
            let name =
                format!("forgekv-test-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
            let path = std::env::temp_dir().join(name);
            fs::create_dir_all(&path).unwrap();
            Self(fs::canonicalize(path).unwrap())
        }

        pub(crate) fn put(&self, name: &str, content: &str) -> PathBuf {
            let path = self.0.join(name);
            replace(&path, content.as_bytes()).unwrap();
            path
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn replace_keeps_permissions_and_links_and_leaves_nothing_behind() {
        let scratch = Scratch::new();
        let path = scratch.put("a.conf", "old");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let link = scratch.0.join("link.conf");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        replace(&link, b"new").unwrap();
        assert_eq!(read(&path, 100).unwrap(), b"new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(fs::read_dir(&scratch.0).unwrap().count(), 2);
    }

    #[test]
    fn a_draft_is_seen_when_it_is_published_and_leaves_nothing_otherwise() {
        let scratch = Scratch::new();
        let (path, temporary) = (scratch.put("a", "old"), scratch.0.join("draft"));
        scratch.put("draft", "left by a crash, and longer than what comes");
        let mut draft = Draft::begin(&temporary, Some(2)).unwrap();
        draft.write_all(b"new").unwrap();
        assert_eq!(read(&path, 100).unwrap(), b"old");
        draft.publish(&path).unwrap();
        assert_eq!(read(&path, 100).unwrap(), b"new");
        drop(Draft::begin(&temporary, None).unwrap());
        assert!(Draft::begin(&temporary, None).unwrap().publish(&scratch.0.join("missing/a")).is_err());
        assert_eq!(fs::read_dir(&scratch.0).unwrap().count(), 1);
        remove_durably(&path).unwrap();
        assert_eq!(fs::read_dir(&scratch.0).unwrap().count(), 0);
    }

    #[test]
    fn a_failed_replace_changes_nothing() {
        let scratch = Scratch::new();
        fs::create_dir(scratch.0.join("directory")).unwrap();
        assert!(replace(&scratch.0.join("directory"), b"x").is_err());
        assert!(replace(&scratch.0.join("missing/file"), b"x").is_err());
        assert_eq!(fs::read_dir(&scratch.0).unwrap().count(), 1);
    }

    #[test]
    fn a_file_over_the_limit_is_refused() {
        let scratch = Scratch::new();
        let path = scratch.put("a", "12345");
        assert_eq!(read(&path, 5).unwrap(), b"12345");
        assert_eq!(read(&path, 4).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    }

    #[test]
    fn globs_expand_sorted_and_skip_hidden_files() {
        let scratch = Scratch::new();
        let (b, a) = (scratch.put("b.conf", ""), scratch.put("a.conf", ""));
        scratch.put(".c.conf", "");
        assert_eq!(expand(&scratch.0.join("*.conf")).unwrap(), [a, b]);
        assert_eq!(expand(&scratch.0.join("*.nothing")).unwrap(), Vec::<PathBuf>::new());
        assert_eq!(expand(Path::new("missing")).unwrap(), [PathBuf::from("missing")]);
    }
}
