//! A backup: the image of the last committed round, in a directory of its own that a server can be started on.
//!
//! Runs never change, so the backup shares their files by hard links, whatever the dataset's size; on another file system
//! they are copied. Its log is empty, and numbered anew.
//!
//! Invariants: the manifest is the last thing that a backup gets, so an unfinished one is refused by a start, and never
//! taken for a smaller dataset. When [`Engine::backup`] returns `Ok`, all of it is durable.
//!
//! It deliberately runs no round: whoever wants the newest state runs one before. What a failure leaves behind stays there.

use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::engine::Engine;
use crate::error::Error;
use crate::fs::{Fs, Open, read_full, write_full};
use crate::run::RunDir;
use crate::version::{self, Cut, Edit, Version};

/// How much is copied at once where a file cannot be linked.
const PIECE_BYTES: usize = 1 << 20;

impl Engine {
    /// Makes a backup of the current version in `dir`, which must be missing or empty, and returns that version.
    pub fn backup(&self, dir: &Path) -> Result<Arc<Version>, Error> {
        let images = self.images();
        let fs = &images.fs;
        fs.create_dir(dir).map_err(|e| Error::io("create", dir, e))?;
        let names = fs.list(dir).map_err(|e| Error::io("list", dir, e))?;
        if !names.is_empty() {
            return Err(Error::io("make a backup in", dir, io::ErrorKind::DirectoryNotEmpty.into()));
        }
        let version = self.version();
        let runs = RunDir::new(fs.clone(), dir, images.identity.dataset_id);
        runs.create()?;
        for run in version.runs() {
            let id = run.meta().id;
            link_or_copy(&**fs, &images.runs.path(id), &runs.path(id))?;
        }
        runs.sync()?;
        images.identity.create(&**fs, dir)?;
        // The log begins anew, and so do its numbers.
        let whole = Edit { cut: Some(Cut { epoch: version.cut().epoch, ..Cut::START }), ..version.to_edit() };
        let copy = Version::default().apply(&whole).expect("a version is what its own edit makes");
        version::write(fs.clone(), dir, images.identity.dataset_id, &copy)?;
        Ok(version)
    }
}

fn link_or_copy(fs: &dyn Fs, from: &Path, to: &Path) -> Result<(), Error> {
    match fs.link(from, to) {
        Err(e) if e.kind() == io::ErrorKind::CrossesDevices => copy(fs, from, to),
        linked => linked.map_err(|e| Error::io("link", to, e)),
    }
}

/// A durable copy of a file that does not change.
fn copy(fs: &dyn Fs, from: &Path, to: &Path) -> Result<(), Error> {
    let source = fs.open(from, Open::Read).map_err(|e| Error::io("open", from, e))?;
    let target = fs.open(to, Open::CreateNew).map_err(|e| Error::io("create", to, e))?;
    let mut piece = vec![0; PIECE_BYTES];
    let mut offset = 0;
    loop {
        let read = read_full(&*source, &mut piece, offset).map_err(|e| Error::io("read", from, e))?;
        write_full(&*target, &piece[..read], offset).map_err(|e| Error::io("write", to, e))?;
        offset += read as u64;
        if read < piece.len() {
            return target.sync_data().map_err(|e| Error::io("sync", to, e));
        }
    }
}
