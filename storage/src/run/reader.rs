//! Reading a run.
//!
//! * What is in memory answers without I/O: [`Run::may_contain`], [`Run::find`], [`Run::block`].
//! * [`Run::read_block`] reads and checks a block; it takes no lock, so any thread may do it while others use the run.
//! * [`Run::get`] and [`Run::scan`] are both together. For a merge, [`Run::stream`] holds less.
//!
//! An open run is read even when its file has lost its name: who removes it, and when, is not the run's business.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use crc32fast::Hasher;

use super::block::Refused;
use super::filter::{Filter, LINE_BYTES};
use super::footer::{self, FOOTER_BYTES, Sections};
use super::index::Index;
use super::{Block, BlockRef, Content, Entry, Position, RunDir, RunId, RunInfo};
use crate::checksum::{crc_at, seeded};
use crate::entry::Head;
use crate::error::Error;
use crate::fs::{File, Open, read_full};
use crate::merge::{Entries, Source};

/// How much of a long section is read at once.
const WINDOW_BYTES: usize = 1 << 20;
/// Longer blocks are in pieces, and read piece by piece.
const LONG_BYTES: usize = 256 << 10;
/// Longer blocks, which hold one long value, are left to threads that nobody waits for: copying and checking them takes time.
const CACHED_BYTES_MAX: usize = 64 << 10;

/// An open run.
pub struct Run {
    pub(super) runs: RunDir,
    pub(super) path: PathBuf,
    pub(super) file: Arc<dyn File>,
    pub(super) info: RunInfo,
    pub(super) sections: Sections,
    pub(super) index: Index,
    pub(super) filter: OnceLock<Filter>,
}

impl Run {
    pub(super) fn open(runs: &RunDir, id: RunId) -> Result<Self, Error> {
        let path = runs.path(id);
        let file = runs.fs.open(&path, Open::Read).map_err(|e| Error::io("open", &path, e))?;
        let size = file.size().map_err(|e| Error::io("measure", &path, e))?;
        let Some(footer_offset) = size.checked_sub(FOOTER_BYTES as u64) else {
            return Err(Error::corrupt(&path, 0, "it is shorter than its footer"));
        };
        let mut footer = [0; FOOTER_BYTES];
        read_exact(&*file, &path, &mut footer, footer_offset)?;
        let (info, sections) = footer::decode(&footer, runs.place(id, footer_offset))
            .map_err(|what| Error::corrupt(&path, footer_offset, what))?;
        let mut run = Self {
            runs: runs.clone(),
            path,
            file,
            info,
            sections,
            index: Index::default(),
            filter: OnceLock::new(),
        };
        run.index = run.read_index()?;
        Ok(run)
    }

    /// What the run holds.
    pub fn info(&self) -> &RunInfo {
        &self.info
    }

    /// The run's file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the run may have an entry with this hash, in any namespace; `false` is certain. As long as the filter is
    /// not loaded, it may.
    pub fn may_contain(&self, hash: u64) -> bool {
        self.filter.get().is_none_or(|filter| filter.may_contain(hash))
    }

    /// Reads the filter into memory, unless it is there.
    pub fn load_filter(&self) -> Result<(), Error> {
        if self.filter.get().is_none() {
            // Of two threads that load it at once one does so in vain.
            let _loaded_by_another = self.filter.set(self.read_filter()?);
        }
        Ok(())
    }

    /// What the run takes in memory: its index, and its filter if that is loaded.
    pub fn memory_bytes(&self) -> u64 {
        self.index.size_bytes() + self.filter.get().map_or(0, Filter::size_bytes)
    }

    /// The one block that may have entries at `position`, if any. The filter is not asked.
    pub fn find(&self, position: Position) -> Option<BlockRef> {
        let in_range = position <= self.info.last;
        self.index.find(position).filter(|_| in_range).map(|number| self.index.block(number))
    }

    /// The number of blocks, at least 1.
    pub fn blocks(&self) -> usize {
        self.index.len()
    }

    /// The block with this number, of those below [`Run::blocks`].
    pub fn block(&self, number: usize) -> BlockRef {
        self.index.block(number)
    }

    /// Reads a block of this run.
    pub fn read_block(&self, block: &BlockRef) -> Result<Block, Error> {
        // The index was checked when it was read: no block reaches beyond the file.
        let length = usize::try_from(block.length).expect("a run that could be written can be addressed");
        if length > LONG_BYTES {
            let place = self.runs.place(self.info.id, block.offset);
            let decoded = Block::decode_long(place, block, self.reads_of(block));
            return decoded.map_err(|refused| self.block_error(block, refused));
        }
        let mut stored = vec![0; length];
        read_exact(&*self.file, &self.path, &mut stored, block.offset)?;
        self.decode_block(block, stored)
    }

    /// Reads from anywhere in a block.
    pub(super) fn reads_of(&self, block: &BlockRef) -> impl FnMut(&mut [u8], u64) -> Result<(), Error> {
        let offset = block.offset;
        move |into, at| read_exact(&*self.file, &self.path, into, offset + at)
    }

    pub(super) fn block_error(&self, block: &BlockRef, refused: Refused) -> Error {
        match refused {
            Refused::Damaged(what) => Error::corrupt(&self.path, block.offset, what),
            Refused::Unread(error) => error,
        }
    }

    /// Reads a block of this run if the system has it in memory; `None`: that would take the disk.
    pub fn read_cached_block(&self, block: &BlockRef) -> Result<Option<Block>, Error> {
        let length = usize::try_from(block.length).expect("a run that could be written can be addressed");
        if length > CACHED_BYTES_MAX {
            return Ok(None);
        }
        let mut stored = vec![0; length];
        match self.file.read_cached_at(&mut stored, block.offset) {
            Ok(read) if read == length => self.decode_block(block, stored).map(Some),
            // Half of it: the rest is not there, or the file has become shorter, which who reads it properly will see.
            Ok(_) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(Error::io("read", &self.path, error)),
        }
    }

    /// Checks the bytes of a block that the caller has read.
    pub fn decode_block(&self, block: &BlockRef, stored: Vec<u8>) -> Result<Block, Error> {
        Block::decode(stored, self.runs.place(self.info.id, block.offset), block)
            .map_err(|refused| self.block_error(block, refused))
    }

    /// What the run says of a key, if anything.
    pub fn get(&self, position: Position, key: &[u8]) -> Result<Option<Content<Vec<u8>>>, Error> {
        if !self.may_contain(position.hash) {
            return Ok(None);
        }
        let Some(block) = self.find(position) else { return Ok(None) };
        let block = self.read_block(&block)?;
        Ok(block.take(position, key))
    }

    /// As [`Run::get`], without waiting for the disk; the outer `None`: that would take it.
    pub fn get_cached(
        &self,
        position: Position,
        key: &[u8],
    ) -> Result<Option<Option<Content<Vec<u8>>>>, Error> {
        if !self.may_contain(position.hash) {
            return Ok(Some(None));
        }
        let Some(block) = self.find(position) else { return Ok(Some(None)) };
        let block = self.read_cached_block(&block)?;
        Ok(block.map(|block| block.take(position, key)))
    }

    /// All entries at or behind `from`, in order.
    pub fn scan(self: &Arc<Self>, from: Position) -> Result<Scan, Error> {
        let mut scan = Scan { run: self.clone(), next: 0, block: None, at: 0 };
        scan.enter(from)?;
        Ok(scan)
    }

    /// Reads the whole file and checks everything that can be checked: each part, the order of the entries, what the
    /// footer says of them, that the filter lets them pass, and the checksum of the whole.
    pub fn verify(self: &Arc<Self>) -> Result<(), Error> {
        self.load_filter()?;
        let corrupt = |block: &BlockRef, what: &str| Err(Error::corrupt(&self.path, block.offset, what));
        let mut last: Option<(Position, Vec<u8>)> = None;
        let mut sums = [0_u64; 4];
        for number in 0..self.blocks() {
            let place = self.block(number);
            let block = self.read_block(&place)?;
            let begins = block.entry(0);
            if last.as_ref().is_some_and(|(position, _)| *position >= begins.position) {
                return corrupt(&place, "a block begins before the one before it ends");
            }
            for entry in block.entries() {
                if !self.may_contain(entry.position.hash) {
                    return corrupt(&place, "the filter misses an entry");
                }
                let tombstone = u64::from(entry.content.is_tombstone());
                let lengths = [1, tombstone, entry.key.len() as u64, entry.value_bytes() as u64];
                sums.iter_mut().zip(lengths).for_each(|(sum, length)| *sum += length);
            }
            let least_expiry_ms = block.entries().filter_map(|entry| entry.content.wakes_ms()).min();
            if least_expiry_ms != place.least_expiry_ms {
                return corrupt(&place, "the index has another expiry than the block");
            }
            let end = block.entry(block.len() - 1);
            last = Some((end.position, end.key.to_vec()));
        }
        let info = &self.info;
        let ends = last.is_some_and(|(position, _)| position == info.last);
        if sums != [info.entries, info.tombstones, info.key_bytes, info.value_bytes] || !ends {
            return Err(self.footer_corrupt("the footer's sums are not those of the entries"));
        }
        self.verify_file_checksum()
    }

    fn verify_file_checksum(&self) -> Result<(), Error> {
        let mut crc = Hasher::new();
        self.read_windows(0, self.sections.footer_offset, |window| crc.update(window))?;
        match crc.finalize() == self.sections.file_crc {
            true => Ok(()),
            false => Err(self.footer_corrupt("the checksum of the whole file is wrong")),
        }
    }

    fn read_index(&self) -> Result<Index, Error> {
        let Sections { filter_offset, index_offset, footer_offset, index_crc, .. } = self.sections;
        let length = usize::try_from(footer_offset - index_offset).expect("an index that was in memory");
        let mut bytes = vec![0; length];
        read_exact(&*self.file, &self.path, &mut bytes, index_offset)?;
        let corrupt = |what: &str| Error::corrupt(&self.path, index_offset, what);
        if crc_at(self.runs.place(self.info.id, index_offset), &bytes) != index_crc {
            return Err(corrupt("the checksum of the index is wrong"));
        }
        let index = Index::decode(&bytes, filter_offset)
            .ok_or_else(|| corrupt("an index that this server cannot have written"))?;
        match index.block(0).first == self.info.first {
            true => Ok(index),
            false => Err(corrupt("the index begins elsewhere than the footer says")),
        }
    }

    fn read_filter(&self) -> Result<Filter, Error> {
        let Sections { filter_offset, index_offset, filter_crc, .. } = self.sections;
        let lines = (index_offset - filter_offset) as usize / LINE_BYTES;
        let mut filter = Filter::with_capacity(lines);
        let mut crc = seeded(self.runs.place(self.info.id, filter_offset));
        self.read_windows(filter_offset, index_offset, |window| {
            crc.update(window);
            // A window is a multiple of a line, and so is the filter.
            window.as_chunks().0.iter().for_each(|line| filter.push_encoded_line(line));
        })?;
        match crc.finalize() == filter_crc {
            true => Ok(filter),
            false => Err(Error::corrupt(&self.path, filter_offset, "the checksum of the filter is wrong")),
        }
    }

    /// Hands out the bytes from `from` to `to`, a window at a time.
    fn read_windows(&self, from: u64, to: u64, mut each: impl FnMut(&[u8])) -> Result<(), Error> {
        let mut window = vec![0; WINDOW_BYTES.min((to - from) as usize)];
        let mut offset = from;
        while offset < to {
            let length = window.len().min((to - offset) as usize);
            read_exact(&*self.file, &self.path, &mut window[..length], offset)?;
            each(&window[..length]);
            offset += length as u64;
        }
        Ok(())
    }

    fn footer_corrupt(&self, what: &str) -> Error {
        Error::corrupt(&self.path, self.sections.footer_offset, what)
    }
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Run({})", self.info.id)
    }
}

/// Goes through a run's entries, block by block.
pub struct Scan {
    run: Arc<Run>,
    /// The block behind the current one.
    next: usize,
    /// The current block; `None` at the end.
    block: Option<Block>,
    /// The current entry in it.
    at: usize,
}

impl Scan {
    /// Goes to the first entry at or behind `to`.
    fn enter(&mut self, to: Position) -> Result<(), Error> {
        self.next = self.run.index.seek(to);
        self.load_next()?;
        if let Some(block) = &self.block {
            self.at = block.seek(to);
            if self.at == block.len() {
                self.load_next()?;
            }
        }
        Ok(())
    }

    fn load_next(&mut self) -> Result<(), Error> {
        // After an error the scan is at its end, not at an entry it has passed.
        self.block = None;
        self.at = 0;
        if self.next < self.run.blocks() {
            let block = self.run.read_block(&self.run.block(self.next))?;
            self.block = Some(block);
            self.next += 1;
        }
        Ok(())
    }
}

impl Entries for Scan {
    fn entry(&self) -> Option<Entry<'_>> {
        self.block.as_ref().map(|block| block.entry(self.at))
    }
}

impl Source for Scan {
    fn head(&self) -> Option<Head<'_>> {
        self.entry().map(|entry| entry.head())
    }

    fn advance(&mut self) -> Result<(), Error> {
        let Some(block) = &self.block else { return Ok(()) };
        self.at += 1;
        if self.at == block.len() {
            self.load_next()?;
        }
        Ok(())
    }

    fn seek(&mut self, to: Position) -> Result<(), Error> {
        match self.entry().is_some_and(|entry| entry.position < to) {
            true => self.enter(to),
            false => Ok(()),
        }
    }
}

pub(super) fn read_exact(file: &dyn File, path: &Path, buf: &mut [u8], offset: u64) -> Result<(), Error> {
    let read = read_full(file, buf, offset).map_err(|e| Error::io("read", path, e))?;
    match read == buf.len() {
        true => Ok(()),
        false => Err(Error::corrupt(path, offset, "the file has become shorter")),
    }
}
