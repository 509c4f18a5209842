//! The log thread's work, one step at a time: take a cut, drain the buffers, write one frame.
//!
//! Invariants:
//! * The cut is read before the first buffer is drained, and a frame holds exactly the records after the last cut up
//!   to this one. What a drain finds beyond the cut waits for the next frame (D1).
//! * A frame is built once. Until it is written whole, nothing else is drained, and the same bytes go to the same
//!   place: after a short write, and after a full disk.
//! * An error other than a full disk is final (D3); what is appended after it is thrown away.
//! * In a recycled segment an end mark follows the last frame, written with it.
//!
//! The steps do not sleep, wait or choose when to run: the engine's log thread and the tests drive them alike. The
//! payload is not copied: the system gathers it from the buffers it was encoded into.

use std::io::{self, IoSlice};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::chunk::{Chunk, Position};
use super::frame::{self, CHUNKS_MAX, END_MARK_BYTES, Row};
use super::segments::SegmentFile;
use super::shared::Shared;
use super::sync::Syncer;
use super::{SHARDS, segment};
use crate::checksum::{Place, crc_of};
use crate::error::Error;
use crate::record::Lsn;

/// The most pieces that the system takes at once.
const PIECES_MAX: usize = 1024;

/// What a step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// There was nothing to write.
    Nothing,
    /// A frame was written.
    Wrote,
    /// The disk is full; try again later.
    Full,
    /// The log has failed for good.
    Failed,
}

/// Where the log ends: where the next frame goes.
pub struct End {
    /// The segment.
    pub segment: u64,
    /// Its file.
    pub file: Arc<SegmentFile>,
    /// The offset behind the last frame.
    pub offset: u64,
    /// The header checksum of the last frame.
    pub previous: u32,
    /// The last LSN.
    pub last: Lsn,
    /// The highest durable mark in a frame.
    pub marked: Lsn,
}

/// Builds and writes the frames.
pub struct Writer {
    shared: Arc<Shared>,
    syncer: Arc<Syncer>,
    dataset_id: u64,
    end: End,
    /// The cut of the next frame.
    cut: Lsn,
    /// Drained and not wholly written.
    drained: Vec<Drained>,
    /// Empty chunks that go into the buffers at the next drain.
    spares: Vec<Chunk>,
    /// Built and not wholly written.
    frame: Option<Frame>,
}

struct Drained {
    shard: usize,
    chunk: Chunk,
    /// Records before this are written.
    from: Position,
}

struct Frame {
    place: Place,
    /// `None` until the segment that the frame begins has been created.
    file: Option<Arc<SegmentFile>>,
    /// Where the bytes go: `place.offset`, or 0 if they begin with the segment's header.
    start: u64,
    /// The segment's header if this is its first frame, the frame's header and table.
    head: Vec<u8>,
    /// The frame ends here in each drained chunk.
    ends: Vec<Position>,
    /// Written behind the frame if the segment is a recycled one.
    end_mark: [u8; END_MARK_BYTES],
    /// The length from `start` on, without the end mark.
    bytes: u64,
    /// How much is written, the end mark included.
    done: u64,
    crc: u32,
    cut: Lsn,
    marked: Lsn,
}

impl Writer {
    /// A writer that goes on at `end`.
    pub fn new(shared: Arc<Shared>, syncer: Arc<Syncer>, dataset_id: u64, end: End) -> Self {
        let cut = end.last;
        let (drained, spares) = (Vec::new(), Vec::new());
        Self { shared, syncer, dataset_id, end, cut, drained, spares, frame: None }
    }

    /// Whether a step could write something.
    pub fn has_work(&self) -> bool {
        self.frame.is_some() || self.shared.buffers.last_lsn() > self.end.last
    }

    /// First part of a step: decides which records the next frame holds.
    pub fn take_cut(&mut self) {
        if self.frame.is_none() {
            self.cut = self.shared.buffers.last_lsn();
        }
    }

    /// Second part of a step, for each shard: takes what its buffer holds.
    pub fn drain(&mut self, shard: usize) {
        if self.frame.is_some() {
            return;
        }
        let mut chunk = self.spares.pop().unwrap_or_default();
        if self.shared.buffers.drain(shard, &mut chunk) {
            self.drained.push(Drained { shard, from: chunk.start(), chunk });
        } else {
            self.spares.push(chunk);
        }
    }

    /// Third part of a step: builds the frame, or takes up the unfinished one, and writes it.
    pub fn write(&mut self) -> Step {
        if self.frame.is_none() && self.cut == self.end.last {
            return match self.shared.status().is_final() {
                true => Step::Failed,
                false => Step::Nothing,
            };
        }
        self.write_frame()
    }

    /// Writes a frame without records if that tells more about what is durable than the last frame does: so that a
    /// later loss of frames that were durable is not taken for a torn tail.
    pub fn write_mark(&mut self) -> Step {
        if self.frame.is_none() && self.shared.durable() == self.end.marked {
            return Step::Nothing;
        }
        if self.frame.is_none() {
            self.cut = self.end.last;
        }
        self.write_frame()
    }

    /// A whole step.
    pub fn step(&mut self) -> Step {
        self.take_cut();
        if self.cut > self.end.last {
            (0..SHARDS).for_each(|shard| self.drain(shard));
        }
        self.write()
    }

    fn write_frame(&mut self) -> Step {
        if self.shared.status().is_final() {
            self.discard();
            return Step::Failed;
        }
        let mut frame = self.frame.take().unwrap_or_else(|| self.build());
        match self.put(&mut frame) {
            Ok(file) => {
                self.finish(frame, file);
                self.shared.set_full(false);
                Step::Wrote
            }
            Err(Error::Io { source, .. }) if is_full(&source) => {
                self.frame = Some(frame);
                self.shared.set_full(true);
                Step::Full
            }
            Err(error) => {
                self.shared.fail(error.to_string());
                self.discard();
                Step::Failed
            }
        }
    }

    fn build(&self) -> Frame {
        let mut table = Vec::with_capacity(self.drained.len() * frame::ROW_BYTES);
        let mut ends = Vec::with_capacity(self.drained.len());
        let (mut chunks, mut records, mut chunk_bytes) = (0, 0, 0);
        for drained in &self.drained {
            let (from, to) = (drained.from, drained.chunk.split(drained.from, self.cut));
            ends.push(to);
            if to == from {
                continue;
            }
            let (index_bytes, payload_bytes) =
                ((to.index - from.index) as u64, (to.payload - from.payload) as u64);
            let count = to.records - from.records;
            let row = Row {
                shard: drained.shard,
                lsn: from.lsn,
                epoch: from.epoch,
                records: count,
                index_bytes,
                payload_bytes,
            };
            row.encode(&mut table);
            chunks += 1;
            records += count;
            chunk_bytes += index_bytes + payload_bytes;
        }
        assert!(chunks <= CHUNKS_MAX, "a frame of {chunks} chunks: a shard was drained twice for one cut");
        assert_eq!(
            records,
            self.cut.0 - self.end.last.0,
            "a frame misses records up to its cut, or has others"
        );

        let payload_bytes = table.len() as u64 + chunk_bytes;
        let frame_bytes = frame::HEADER_BYTES as u64 + payload_bytes;
        let (place, file) = self.place_for(frame_bytes);
        let marked = self.shared.durable();
        let pieces = self.drained.iter().zip(&ends).flat_map(|(drained, to)| drained.pieces(*to));
        let (header, crc) = frame::Header {
            payload_crc: crc_of([&table[..]].into_iter().chain(pieces)),
            previous: self.end.previous,
            chunks: chunks as u16,
            payload_bytes,
            first: self.end.last.next(),
            cut: self.cut,
            durable: marked,
        }
        .encode(place);
        let mut head = Vec::with_capacity(segment::HEADER_BYTES + header.len() + table.len());
        if file.is_none() {
            head.extend_from_slice(&segment::header(self.dataset_id, place.segment));
        }
        let start = place.offset - head.len() as u64;
        head.extend_from_slice(&header);
        head.extend_from_slice(&table);
        let bytes = head.len() as u64 + chunk_bytes;
        let end_mark = frame::end_mark(Place { offset: start + bytes, ..place });
        Frame { place, file, start, head, ends, end_mark, bytes, done: 0, crc, cut: self.cut, marked }
    }

    /// Where a frame of this size goes, and the file if it exists already.
    fn place_for(&self, frame_bytes: u64) -> (Place, Option<Arc<SegmentFile>>) {
        let End { segment, offset, .. } = self.end;
        let begun = offset > segment::HEADER_BYTES as u64;
        let place = Place { dataset_id: self.dataset_id, segment, offset };
        match begun && offset + frame_bytes > self.shared.options.segment_bytes {
            true => (Place { segment: segment + 1, offset: segment::HEADER_BYTES as u64, ..place }, None),
            false => (place, Some(self.end.file.clone())),
        }
    }

    /// Writes what is left of the frame.
    fn put(&self, frame: &mut Frame) -> Result<Arc<SegmentFile>, Error> {
        let file = match &frame.file {
            Some(file) => file.clone(),
            None => self.create(frame.place.segment)?,
        };
        frame.file = Some(file.clone());
        let end_mark: &[u8] = if file.recycled { &frame.end_mark } else { &[] };
        while frame.done < frame.bytes + end_mark.len() as u64 {
            let mut skip = frame.done;
            let pieces = self.drained.iter().zip(&frame.ends).flat_map(|(drained, to)| drained.pieces(*to));
            let rest: Vec<IoSlice<'_>> = [&frame.head[..]]
                .into_iter()
                .chain(pieces)
                .chain([end_mark])
                .filter_map(|piece| {
                    let skipped = skip.min(piece.len() as u64);
                    skip -= skipped;
                    let piece = &piece[skipped as usize..];
                    (!piece.is_empty()).then(|| IoSlice::new(piece))
                })
                .take(PIECES_MAX)
                .collect();
            match file.file.write_at(&rest, frame.start + frame.done) {
                Ok(0) => return Err(Error::io("write", &file.path, io::ErrorKind::WriteZero.into())),
                Ok(n) => frame.done += n as u64,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(Error::io("write", &file.path, e)),
            }
        }
        Ok(file)
    }

    fn create(&self, number: u64) -> Result<Arc<SegmentFile>, Error> {
        let segment = self.shared.segments.create(number, self.end.last.next(), self.end.offset)?;
        self.syncer.created(segment.clone());
        Ok(segment)
    }

    fn finish(&mut self, frame: Frame, file: Arc<SegmentFile>) {
        self.end = End {
            segment: frame.place.segment,
            file,
            offset: frame.start + frame.bytes,
            previous: frame.crc,
            last: frame.cut,
            marked: frame.marked,
        };
        let counters = &self.shared.counters;
        counters.frames.fetch_add(1, Relaxed);
        counters.bytes_written.fetch_add(frame.bytes, Relaxed);
        counters.log_bytes.fetch_add(frame.bytes, Relaxed);
        for (drained, to) in self.drained.iter_mut().zip(frame.ends) {
            let before = std::mem::replace(&mut drained.from, to);
            let bytes = to.index - before.index + to.payload - before.payload;
            self.shared.buffers.release(bytes as u64);
        }
        for done in self.drained.extract_if(.., |drained| drained.from == drained.chunk.end()) {
            let mut chunk = done.chunk;
            chunk.clear();
            self.spares.push(chunk);
        }
        self.spares.truncate(SHARDS);
        self.syncer.wrote(frame.cut);
    }

    /// Throws away what can no longer be written, so that a log that has failed does not fill the memory.
    fn discard(&mut self) {
        self.frame = None;
        self.cut = self.shared.buffers.last_lsn();
        self.end.last = self.cut;
        (0..SHARDS).for_each(|shard| self.drain(shard));
        for drained in self.drained.drain(..) {
            let left = drained.pieces(drained.chunk.end()).map(|piece| piece.len() as u64).sum();
            self.shared.buffers.release(left);
        }
    }
}

impl Drained {
    /// The bytes from where the last frame ended up to `to`.
    fn pieces(&self, to: Position) -> impl Iterator<Item = &[u8]> {
        let Self { from, chunk, .. } = self;
        chunk.index.range(from.index, to.index).chain(chunk.payload.range(from.payload, to.payload))
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
