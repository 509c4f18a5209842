//! A simulated disk: deterministic for a seed, and as forgetful as a real one is allowed to be.
//!
//! * Bytes live in a page cache until [`File::sync_data`]. [`Sim::power_loss`] keeps any subset of the unsynced
//!   512-byte sectors and any size between the old and the new one; what was not kept reads as before, or as zeros.
//! * Names live in a cache of their own until [`Fs::sync_dir`]; a power loss keeps any subset of the unsynced
//!   creations, renames and removals.
//! * A `sync_data` that fails leaves its sectors readable but clean: they are lost at the next power loss although
//!   a later sync succeeds. (Linux does that.)
//! * Writes are short now and then.
//! * Every operation counts. [`Sim::crash_at`] stops the world at the nth: that operation is done or not done, fails,
//!   and so does every later one until [`Sim::power_loss`] or [`Sim::kill`]. [`Sim::fail_at`] fails one operation.
//!
//! [`Sim::lie`] plants a fault: a promise that the disk pretends to keep. A crash test that stays green with a lie
//! tests nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::errno::Errno;

use super::{File, Fs, LockGuard, Open};

const SECTOR: usize = 512;

/// A planted fault: the disk says yes and does nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lie {
    /// `sync_dir` does nothing.
    SyncDir,
    /// `sync_data` does nothing.
    SyncData,
    /// `set_len` does nothing.
    SetLen,
    /// A write of the bytes that are there already does not make them dirty.
    SameBytes,
}

/// The simulated disk; clones are the same disk.
#[derive(Clone)]
pub struct Sim {
    state: Arc<Mutex<State>>,
}

struct State {
    random: u64,
    files: Vec<Inode>,
    names: BTreeMap<PathBuf, usize>,
    names_on_disk: BTreeMap<PathBuf, usize>,
    unsynced_names: Vec<NameChange>,
    locks: BTreeSet<PathBuf>,
    /// Handles of an earlier life of the machine or process are dead.
    life: u64,
    operations: u64,
    crash_at: Option<u64>,
    crashed: bool,
    failures: BTreeMap<u64, Errno>,
    capacity_bytes: Option<u64>,
    read_only: bool,
    lies: BTreeSet<Lie>,
}

#[derive(Default)]
struct Inode {
    cache: Vec<u8>,
    disk: Vec<u8>,
    dirty: BTreeSet<usize>,
}

#[derive(Clone)]
enum NameChange {
    Link(PathBuf, usize),
    Unlink(PathBuf),
    Rename(PathBuf, PathBuf, usize),
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<PathBuf, usize>) {
        match self {
            Self::Link(path, inode) => _ = names.insert(path.clone(), *inode),
            Self::Unlink(path) => _ = names.remove(path),
            Self::Rename(from, to, inode) => {
                names.remove(from);
                names.insert(to.clone(), *inode);
            }
        }
    }

    fn is_in(&self, dir: &Path) -> bool {
        let (Self::Link(path, _) | Self::Unlink(path) | Self::Rename(_, path, _)) = self;
        path.parent() == Some(dir)
    }
}

impl Sim {
    /// An empty disk whose every choice follows from `seed`.
    pub fn new(seed: u64) -> Self {
        let state = State {
            random: seed,
            files: Vec::new(),
            names: BTreeMap::new(),
            names_on_disk: BTreeMap::new(),
            unsynced_names: Vec::new(),
            locks: BTreeSet::new(),
            life: 0,
            operations: 0,
            crash_at: None,
            crashed: false,
            failures: BTreeMap::new(),
            capacity_bytes: None,
            read_only: false,
            lies: BTreeSet::new(),
        };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// Stops the world at the `nth` operation from now (0 is the next one).
    pub fn crash_at(&self, nth: u64) {
        let mut state = self.lock_state();
        state.crash_at = Some(state.operations + nth);
    }

    /// Fails the `nth` operation from now with `errno`.
    pub fn fail_at(&self, nth: u64, errno: Errno) {
        let mut state = self.lock_state();
        let at = state.operations + nth;
        state.failures.insert(at, errno);
    }

    /// Limits the sum of all file sizes; a write beyond it is short, then fails with ENOSPC.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.lock_state().capacity_bytes = bytes;
    }

    /// Makes every change fail with EROFS.
    pub fn set_read_only(&self, read_only: bool) {
        self.lock_state().read_only = read_only;
    }

    /// Plants a fault.
    pub fn lie(&self, lie: Lie) {
        self.lock_state().lies.insert(lie);
    }

    /// The number of operations so far.
    pub fn operations(&self) -> u64 {
        self.lock_state().operations
    }

    /// Whether the world has stopped.
    pub fn crashed(&self) -> bool {
        self.lock_state().crashed
    }

    /// The process dies, the machine lives: handles and locks are gone, the page cache stays.
    pub fn kill(&self) {
        let mut state = self.lock_state();
        state.life += 1;
        state.locks.clear();
        state.crash_at = None;
        state.crashed = false;
        state.failures.clear();
    }

    /// The power fails: what was not synced survives in part.
    pub fn power_loss(&self) {
        self.kill();
        let mut guard = self.lock_state();
        let state = &mut *guard;
        // Everything lost, everything kept, or each change by its own coin.
        let odds = state.choose(4);
        let keeps = |state: &mut State| match odds {
            0 => false,
            1 => true,
            _ => state.choose(2) == 0,
        };
        for change in std::mem::take(&mut state.unsynced_names) {
            if keeps(state) {
                change.apply(&mut state.names_on_disk);
            }
        }
        state.names = state.names_on_disk.clone();
        for i in 0..state.files.len() {
            let mut inode = std::mem::take(&mut state.files[i]);
            let sizes = [inode.disk.len(), inode.cache.len()];
            let (low, high) = (sizes[0].min(sizes[1]), sizes[0].max(sizes[1]));
            let size = match odds {
                0 => inode.disk.len(),
                1 => inode.cache.len(),
                _ => match state.choose(3) {
                    0 => inode.disk.len(),
                    1 => inode.cache.len(),
                    _ => low + state.choose((high - low) as u64 + 1) as usize,
                },
            };
            for sector in std::mem::take(&mut inode.dirty) {
                if keeps(state) {
                    inode.write_back(sector);
                }
            }
            inode.disk.resize(size, 0);
            inode.cache = inode.disk.clone();
            state.files[i] = inode;
        }
    }

    /// What reading `path` would give, or `None` where there is no such file.
    pub fn contents(&self, path: &Path) -> Option<Vec<u8>> {
        let state = self.lock_state();
        state.names.get(path).map(|&i| state.files[i].cache.clone())
    }

    /// Puts a file there as if it had always been there.
    pub fn put(&self, path: &Path, bytes: &[u8]) {
        let mut state = self.lock_state();
        let inode = state.files.len();
        state.files.push(Inode { cache: bytes.to_vec(), disk: bytes.to_vec(), dirty: BTreeSet::new() });
        state.names.insert(path.to_path_buf(), inode);
        state.names_on_disk.insert(path.to_path_buf(), inode);
    }

    /// Removes a file as if it had never been there.
    pub fn take(&self, path: &Path) {
        let mut state = self.lock_state();
        state.names.remove(path);
        state.names_on_disk.remove(path);
    }

    /// Every path, in order.
    pub fn paths(&self) -> Vec<PathBuf> {
        self.lock_state().names.keys().cloned().collect()
    }

    fn lock_state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts one operation and runs it, unless it is to fail.
    fn operate<T>(&self, changes: bool, run: impl FnOnce(&mut State) -> io::Result<T>) -> io::Result<T> {
        let mut guard = self.lock_state();
        let state = &mut *guard;
        let now = state.operations;
        state.operations += 1;
        let stopped = || Err(io::Error::other("the simulated machine has stopped"));
        if state.crashed {
            return stopped();
        }
        if state.crash_at.is_some_and(|at| now >= at) {
            state.crashed = true;
            if state.choose(2) == 0 {
                let _done_and_not_told = run(state);
            }
            return stopped();
        }
        if let Some(errno) = state.failures.remove(&now) {
            return Err(errno.into());
        }
        if changes && state.read_only {
            return Err(Errno::EROFS.into());
        }
        run(state)
    }
}

impl State {
    /// SplitMix64.
    fn next(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn choose(&mut self, below: u64) -> u64 {
        self.next() % below
    }

    fn find(&self, path: &Path) -> io::Result<usize> {
        self.names.get(path).copied().ok_or_else(|| Errno::ENOENT.into())
    }

    fn change_name(&mut self, change: NameChange) {
        change.apply(&mut self.names);
        self.unsynced_names.push(change);
    }

    /// How many more bytes fit.
    fn room(&self) -> u64 {
        let files: BTreeSet<usize> = self.names.values().copied().collect();
        let used: u64 = files.into_iter().map(|i| self.files[i].cache.len() as u64).sum();
        self.capacity_bytes.map_or(u64::MAX, |capacity| capacity.saturating_sub(used))
    }
}

impl Inode {
    /// Copies one sector from the cache to the disk.
    fn write_back(&mut self, sector: usize) {
        let start = sector * SECTOR;
        let end = (start + SECTOR).min(self.cache.len());
        if start >= end {
            // Cut off in the cache: the disk forgets it, too.
            let len = self.disk.len();
            if start < len {
                self.disk[start..len.min(start + SECTOR)].fill(0);
            }
            return;
        }
        if self.disk.len() < end {
            self.disk.resize(end, 0);
        }
        self.disk[start..end].copy_from_slice(&self.cache[start..end]);
    }

    fn mark_dirty(&mut self, from: usize, to: usize) {
        if from < to {
            self.dirty.extend(from / SECTOR..=(to - 1) / SECTOR);
        }
    }
}

impl Fs for Sim {
    fn create_dir(&self, _dir: &Path) -> io::Result<()> {
        self.operate(false, |_| Ok(()))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.operate(false, |state| {
            let names = state.names.keys().filter(|path| path.parent() == Some(dir));
            Ok(names.filter_map(|path| Some(path.file_name()?.to_str()?.to_owned())).collect())
        })
    }

    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn File>> {
        let (inode, life) = self.operate(how != Open::Read, |state| {
            if how != Open::CreateNew {
                return Ok((state.find(path)?, state.life));
            }
            if state.names.contains_key(path) {
                return Err(Errno::EEXIST.into());
            }
            if state.room() == 0 {
                return Err(Errno::ENOSPC.into());
            }
            let inode = state.files.len();
            state.files.push(Inode::default());
            state.change_name(NameChange::Link(path.to_path_buf(), inode));
            Ok((inode, state.life))
        })?;
        Ok(Arc::new(SimFile { sim: self.clone(), inode, life, writable: how != Open::Read }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.operate(true, |state| {
            let inode = state.find(from)?;
            state.change_name(NameChange::Rename(from.to_path_buf(), to.to_path_buf(), inode));
            Ok(())
        })
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.operate(true, |state| {
            let inode = state.find(from)?;
            if state.names.contains_key(to) {
                return Err(Errno::EEXIST.into());
            }
            state.change_name(NameChange::Link(to.to_path_buf(), inode));
            Ok(())
        })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.operate(true, |state| {
            state.find(path)?;
            state.change_name(NameChange::Unlink(path.to_path_buf()));
            Ok(())
        })
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.operate(false, |state| {
            if state.lies.contains(&Lie::SyncDir) {
                return Ok(());
            }
            for change in state.unsynced_names.extract_if(.., |change| change.is_in(dir)) {
                change.apply(&mut state.names_on_disk);
            }
            Ok(())
        })
    }

    fn random(&self, bytes: &mut [u8]) -> io::Result<()> {
        let mut state = self.lock_state();
        for part in bytes.chunks_mut(8) {
            part.copy_from_slice(&state.next().to_le_bytes()[..part.len()]);
        }
        Ok(())
    }

    fn lock(&self, path: &Path) -> io::Result<LockGuard> {
        let life = self.operate(true, |state| match state.locks.insert(path.to_path_buf()) {
            true => Ok(state.life),
            false => Err(io::ErrorKind::WouldBlock.into()),
        })?;
        Ok(Box::new(SimLock { sim: self.clone(), path: path.to_path_buf(), life }))
    }
}

struct SimLock {
    sim: Sim,
    path: PathBuf,
    life: u64,
}

impl Drop for SimLock {
    fn drop(&mut self) {
        let mut state = self.sim.lock_state();
        if state.life == self.life {
            state.locks.remove(&self.path);
        }
    }
}

struct SimFile {
    sim: Sim,
    inode: usize,
    life: u64,
    writable: bool,
}

impl SimFile {
    fn operate<T>(&self, changes: bool, run: impl FnOnce(&mut State) -> io::Result<T>) -> io::Result<T> {
        if changes && !self.writable {
            return Err(Errno::EBADF.into());
        }
        self.sim.operate(changes, |state| {
            if state.life != self.life {
                return Err(io::Error::other("a handle of a process that has died"));
            }
            run(state)
        })
    }

    fn fail_sync(&self) {
        let mut guard = self.sim.lock_state();
        let state = &mut *guard;
        if state.crashed || state.life != self.life {
            return;
        }
        for sector in std::mem::take(&mut state.files[self.inode].dirty) {
            if state.choose(2) == 0 {
                state.files[self.inode].write_back(sector);
            }
        }
    }
}

impl File for SimFile {
    fn size(&self) -> io::Result<u64> {
        self.operate(false, |state| Ok(state.files[self.inode].cache.len() as u64))
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.operate(false, |state| {
            let cache = &state.files[self.inode].cache;
            let start = usize::try_from(offset).unwrap_or(usize::MAX).min(cache.len());
            let n = buf.len().min(cache.len() - start);
            buf[..n].copy_from_slice(&cache[start..start + n]);
            Ok(n)
        })
    }

    fn write_at(&self, pieces: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
        assert!(pieces.len() <= 1024, "more pieces than a system call takes");
        self.operate(true, |state| {
            let mut bytes = pieces.iter().flat_map(|piece| piece.iter().copied()).collect::<Vec<u8>>();
            if bytes.len() > 1 && state.choose(8) == 0 {
                let short = 1 + state.choose(bytes.len() as u64 - 1);
                bytes.truncate(short as usize);
            }
            let room = state.room();
            let start = offset as usize;
            let size = state.files[self.inode].cache.len();
            let growth = (start + bytes.len()).saturating_sub(size) as u64;
            if growth > room {
                let fits = bytes.len() as u64 - (growth - room).min(bytes.len() as u64);
                bytes.truncate(fits as usize);
                if bytes.is_empty() {
                    return Err(Errno::ENOSPC.into());
                }
            }
            let end = start + bytes.len();
            let lies = state.lies.contains(&Lie::SameBytes);
            let inode = &mut state.files[self.inode];
            if lies && inode.cache.get(start..end) == Some(&bytes[..]) {
                return Ok(bytes.len());
            }
            if inode.cache.len() < end {
                inode.cache.resize(end, 0);
            }
            inode.cache[start..end].copy_from_slice(&bytes);
            inode.mark_dirty(size.min(start), end);
            Ok(bytes.len())
        })
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.operate(true, |state| {
            if state.lies.contains(&Lie::SetLen) {
                return Ok(());
            }
            let inode = &mut state.files[self.inode];
            let size = inode.cache.len().max(inode.disk.len());
            let len = len as usize;
            inode.cache.resize(len, 0);
            inode.mark_dirty(len.min(size), len.max(size));
            Ok(())
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        let synced = self.operate(false, |state| {
            if state.lies.contains(&Lie::SyncData) {
                return Ok(());
            }
            let inode = &mut state.files[self.inode];
            for sector in std::mem::take(&mut inode.dirty) {
                inode.write_back(sector);
            }
            let size = inode.cache.len();
            inode.disk.resize(size, 0);
            Ok(())
        });
        if synced.is_err() {
            self.fail_sync();
        }
        synced
    }
}

#[cfg(test)]
mod tests;
