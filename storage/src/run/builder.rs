//! Building a run: entries in, a durable file out.
//!
//! * Entries come in order; an entry out of order is a broken caller and panics.
//! * The file has a temporary name until all of it is durable. A builder that fails or is dropped removes it as well as
//!   it can; what is left is swept at the next start. After an error only a drop is allowed: a failed sync is final.
//! * Memory: one block or a piece of a longer one, a write buffer, 24 bytes a block for the index, and the filter, whose size
//!   follows from [`BuildOptions::entries_max`].

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use crc32fast::Hasher;

use super::block::{BlockBuilder, PIECE_BYTES};
use super::filter::{Filter, FilterBuilder};
use super::footer::{self, FOOTER_BYTES, Sections};
use super::index::Index;
use super::{Content, Entry, NO_EXPIRY, NamespaceId, Position, Run, RunDir, RunId, RunInfo, Span};
use crate::checksum::seeded;
use crate::error::Error;
use crate::fs::{File, Fs, Open, write_full};

/// How much is gathered for one write.
const BUFFER_BYTES: usize = 256 << 10;
/// How much is written between two syncs, so that neither the last one nor a sync of the log beside it has to wait
/// until gigabytes are on the disk.
const SYNC_STEP_BYTES: u64 = 32 << 20;

/// Whether blocks are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// They are stored as they are.
    None,
    /// They are compressed where it pays.
    #[default]
    Lz4,
}

/// How a run is built.
#[derive(Debug, Clone, Copy)]
pub struct BuildOptions {
    /// The most entries there will be, at least about; the filter is made for them. More are stored all the same.
    pub entries_max: u64,
    /// Whether blocks are compressed.
    pub compression: Compression,
}

/// How much of a run belongs to one namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NamespaceShare {
    /// The namespace.
    pub namespace: NamespaceId,
    /// Its entries, tombstones included; at least 1.
    pub records: u64,
    /// Its tombstones.
    pub tombstones: u64,
}

/// A run that was just built: durable, and open.
#[derive(Debug)]
pub struct Built {
    /// The run; its filter is in memory.
    pub run: Arc<Run>,
    /// What it holds of each namespace, ascending.
    pub shares: Vec<NamespaceShare>,
}

/// A run in the making.
pub struct Builder {
    runs: RunDir,
    id: RunId,
    compression: Compression,
    out: Output,
    block: BlockBuilder,
    /// Where the block begins.
    block_offset: u64,
    index: Index,
    filter: FilterBuilder,
    last_key: Vec<u8>,
    /// What has been added; `None` before the first entry.
    added: Option<Added>,
    /// Set for good once an operation has failed.
    failed: bool,
}

struct Added {
    shares: Vec<NamespaceShare>,
    key_bytes: u64,
    value_bytes: u64,
    first: Position,
    last: Position,
    least_expiry_ms: u64,
}

impl Builder {
    pub(super) fn new(runs: &RunDir, id: RunId, options: BuildOptions) -> Result<Self, Error> {
        let path = runs.path(id);
        match runs.fs.open(&path, Open::Read) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(Error::io("look for", &path, e)),
            // The rename at the end would replace it.
            Ok(_) => return Err(Error::io("create", &path, io::ErrorKind::AlreadyExists.into())),
        }
        Ok(Self {
            runs: runs.clone(),
            id,
            compression: options.compression,
            out: Output::create(runs.fs.clone(), runs.temporary_path(id))?,
            block: BlockBuilder::new(),
            block_offset: 0,
            index: Index::default(),
            filter: FilterBuilder::new(options.entries_max),
            last_key: Vec::new(),
            added: None,
            failed: false,
        })
    }

    /// Adds an entry behind those before it.
    pub fn push(&mut self, entry: &Entry<'_>) -> Result<(), Error> {
        if entry.key.len() + entry.value_bytes() > PIECE_BYTES {
            return self.push_long(entry, |_| Ok(())).map(|_length| ());
        }
        self.admit(entry);
        if !self.block.takes(entry) {
            self.end_block()?;
        }
        self.block.push(entry);
        Ok(())
    }

    /// Adds an entry whose value is the one it has and behind it what `rest` puts: so it need not be in memory at once.
    /// Gives the value's length.
    pub fn push_long(
        &mut self,
        entry: &Entry<'_>,
        rest: impl FnOnce(&mut ValueWriter<'_>) -> Result<(), Error>,
    ) -> Result<u64, Error> {
        self.admit(entry);
        if !self.block.must_take(entry.position) {
            self.end_block()?;
        }
        self.failed = true;
        self.block.put_head(entry);
        let mut writer = ValueWriter { builder: self, length: 0 };
        writer.put(entry.key)?;
        writer.length = 0;
        if let Content::Value { bytes, .. } = entry.content {
            writer.put(bytes)?;
            rest(&mut writer)?;
        }
        let length = writer.length;
        self.block.end_entry(entry.position.hash);
        if let Some(added) = &mut self.added {
            added.value_bytes += length - entry.value_bytes() as u64;
        }
        self.failed = false;
        Ok(length)
    }

    /// Counts an entry, and sees that it comes in order.
    fn admit(&mut self, entry: &Entry<'_>) {
        assert!(!self.failed, "a builder was used after it had failed");
        let added = self.added.get_or_insert_with(|| Added::before(entry.position));
        let ascends = added.shares.is_empty() || (added.last, &self.last_key[..]) < entry.order();
        assert!(ascends, "entries must come in order: {} after {}", entry.position, added.last);
        added.count(entry);
        self.last_key.clear();
        self.last_key.extend_from_slice(entry.key);
        self.filter.insert(entry.position.hash);
    }

    /// The bytes of the file so far, without what is still gathered for the next block.
    pub fn size_bytes(&self) -> u64 {
        self.out.offset()
    }

    /// Completes the run: when this returns `Ok`, it is durable under its final name. A run without entries is
    /// not made: `None`.
    pub fn finish(mut self, span: Span) -> Result<Option<Built>, Error> {
        assert!(!self.failed, "a builder was used after it had failed");
        let Some(added) = self.added.take() else { return Ok(None) };
        let entries = added.shares.iter().map(|share| share.records).sum();
        self.end_block()?;
        let filter = std::mem::take(&mut self.filter).finish(entries);
        let (filter_offset, filter_crc) = self.write_filter(&filter)?;
        self.index.end_at(filter_offset);
        let (index_offset, index_crc) = self.write_index()?;
        let footer_offset = self.out.offset();
        let file_crc = self.out.crc.clone().finalize();
        let info = RunInfo {
            id: self.id,
            size_bytes: footer_offset + FOOTER_BYTES as u64,
            entries,
            tombstones: added.shares.iter().map(|share| share.tombstones).sum(),
            key_bytes: added.key_bytes,
            value_bytes: added.value_bytes,
            blocks: self.index.len() as u64,
            first: added.first,
            last: added.last,
            span,
            least_expiry_ms: Some(added.least_expiry_ms).filter(|&expiry| expiry != NO_EXPIRY),
        };
        let sections =
            Sections { filter_offset, index_offset, footer_offset, filter_crc, index_crc, file_crc };
        self.out.append(&footer::encode(&info, &sections, self.runs.dataset_id))?;
        let path = self.runs.path(self.id);
        let file = self.out.publish(path.clone())?;
        let filter = OnceLock::from(filter);
        let run = Run { runs: self.runs, path, file, info, sections, index: self.index, filter };
        Ok(Some(Built { run: Arc::new(run), shares: added.shares }))
    }

    /// Sends what there is of a long block out.
    fn put_pieces(&mut self) -> Result<(), Error> {
        let place = self.runs.place(self.id, self.block_offset);
        self.block.put_pieces(place, self.compression, |bytes| self.out.append(bytes))
    }

    fn end_block(&mut self) -> Result<(), Error> {
        let (first, least_expiry_ms) = self.block.summary();
        let place = self.runs.place(self.id, self.block_offset);
        let written = self.block.seal(place, self.compression, |bytes| self.out.append(bytes));
        self.failed = written.is_err();
        written?;
        self.index.push(first, self.block_offset, least_expiry_ms);
        self.block.clear();
        self.block_offset = self.out.offset();
        Ok(())
    }

    fn write_filter(&mut self, filter: &Filter) -> Result<(u64, u32), Error> {
        let offset = self.out.offset();
        let mut crc = seeded(self.runs.place(self.id, offset));
        for line in filter.encoded_lines() {
            crc.update(&line);
            self.out.append(&line)?;
        }
        Ok((offset, crc.finalize()))
    }

    fn write_index(&mut self) -> Result<(u64, u32), Error> {
        let offset = self.out.offset();
        let mut crc = seeded(self.runs.place(self.id, offset));
        for number in 0..self.index.len() {
            let row = self.index.row(number);
            crc.update(&row);
            self.out.append(&row)?;
        }
        Ok((offset, crc.finalize()))
    }
}

/// Where the bytes of a long value are put, as they come.
pub struct ValueWriter<'b> {
    builder: &'b mut Builder,
    length: u64,
}

impl ValueWriter<'_> {
    /// Puts the next bytes.
    #[inline]
    pub fn put(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.length += bytes.len() as u64;
        match self.builder.block.fill(bytes) {
            [] => Ok(()),
            rest => self.put_rest(rest),
        }
    }

    /// Puts what the piece in the making has no room for.
    fn put_rest(&mut self, mut rest: &[u8]) -> Result<(), Error> {
        while !rest.is_empty() {
            self.builder.put_pieces()?;
            rest = self.builder.block.fill(rest);
        }
        Ok(())
    }
}

impl Added {
    fn before(first: Position) -> Self {
        let least_expiry_ms = NO_EXPIRY;
        Self { shares: Vec::new(), key_bytes: 0, value_bytes: 0, first, last: first, least_expiry_ms }
    }

    fn count(&mut self, entry: &Entry<'_>) {
        let namespace = entry.position.namespace;
        if self.shares.last().is_none_or(|share| share.namespace != namespace) {
            self.shares.push(NamespaceShare { namespace, records: 0, tombstones: 0 });
        }
        if let Some(share) = self.shares.last_mut() {
            share.records += 1;
            share.tombstones += u64::from(entry.content.is_tombstone());
        }
        self.key_bytes += entry.key.len() as u64;
        self.value_bytes += entry.value_bytes() as u64;
        self.last = entry.position;
        self.least_expiry_ms = self.least_expiry_ms.min(entry.content.wakes_ms().unwrap_or(NO_EXPIRY));
    }
}

/// The file under its temporary name.
struct Output {
    fs: Arc<dyn Fs>,
    file: Arc<dyn File>,
    path: PathBuf,
    buffer: Vec<u8>,
    /// How much has been written.
    written: u64,
    synced: u64,
    /// Of everything appended.
    crc: Hasher,
    published: bool,
}

impl Output {
    fn create(fs: Arc<dyn Fs>, path: PathBuf) -> Result<Self, Error> {
        let file = fs.open(&path, Open::CreateNew).map_err(|e| Error::io("create", &path, e))?;
        let buffer = Vec::with_capacity(BUFFER_BYTES);
        Ok(Self { fs, file, path, buffer, written: 0, synced: 0, crc: Hasher::new(), published: false })
    }

    /// Where the next byte goes.
    fn offset(&self) -> u64 {
        self.written + self.buffer.len() as u64
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.crc.update(bytes);
        if self.buffer.len() + bytes.len() > BUFFER_BYTES {
            self.flush()?;
        }
        if bytes.len() > BUFFER_BYTES {
            return self.write(bytes);
        }
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Error> {
        let mut buffer = std::mem::take(&mut self.buffer);
        self.write(&buffer)?;
        buffer.clear();
        self.buffer = buffer;
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        write_full(&*self.file, bytes, self.written).map_err(|e| Error::io("write", &self.path, e))?;
        self.written += bytes.len() as u64;
        if self.written - self.synced >= SYNC_STEP_BYTES {
            self.sync()?;
        }
        Ok(())
    }

    fn sync(&mut self) -> Result<(), Error> {
        self.file.sync_data().map_err(|e| Error::io("sync", &self.path, e))?;
        self.synced = self.written;
        Ok(())
    }

    /// Makes the file durable, and gives it its name, durably.
    fn publish(mut self, path: PathBuf) -> Result<Arc<dyn File>, Error> {
        self.flush()?;
        self.sync()?;
        self.fs.rename(&self.path, &path).map_err(|e| Error::io("rename", &self.path, e))?;
        // From here on it is the final name that must go if the rest fails.
        self.path = path;
        let dir = self.path.parent().expect("a run lies in a directory");
        self.fs.sync_dir(dir).map_err(|e| Error::io("sync", dir, e))?;
        self.published = true;
        Ok(self.file.clone())
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if !self.published {
            let _swept_at_the_next_start = self.fs.remove(&self.path);
        }
    }
}
