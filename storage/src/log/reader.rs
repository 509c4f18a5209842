//! Replay: reads the log from the first segment needed to the last whole frame, and judges what lies behind that.
//!
//! The torn-tail rule (D2). The log ends before the first frame that is not whole, not in its place, or not the
//! continuation of the one before. If any frame's header behind that end says that later records were durable,
//! or the manifest does, the log is damaged and the server must not start: `Corrupt`. Otherwise nobody was promised
//! what is missing; the tail is cut off and reported. The last frames before a crash carry no such evidence behind
//! them, which is why a start and a clean close write a frame that says what is durable.
//!
//! A segment ends with its file or at an end mark. What lies behind an end mark, in a recycled segment, are bytes of
//! an earlier life: no tail, and not reported as one. They are searched for evidence all the same, because the mark
//! itself may be an old one, with durable frames lost behind it. Between two segments the search is not needed: the
//! next one's first frame names the frame it follows.
//!
//! Nothing here writes: a log that refuses to start is left as it was found.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use memchr::memmem;

use super::frame::{self, END_MARK_BYTES, NoHeader, Records};
use super::segment::{self, FIRST};
use super::segments::{Live, SegmentFile};
use super::writer;
use crate::checksum::{Place, crc_of};
use crate::error::Error;
use crate::fs::{File, Fs, Open, read_full};
use crate::record::{Epoch, Lsn, RecordRef};

/// How much is read at once.
const WINDOW_BYTES: u64 = 1 << 20;
/// How finely the beginning of the unproven part of the log is remembered.
const UNPROVEN_STEP_BYTES: u64 = 1 << 20;

/// Where a replay begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Start {
    /// The first segment to be read; it was [`Engine::segment_of`](crate::Engine::segment_of) for `lsn`. Those below
    /// it may be missing or not, and are not looked at.
    pub segment: u64,
    /// Records up to here are not needed, and were durable.
    pub lsn: Lsn,
}

impl Start {
    /// The beginning of a log that has all its segments.
    pub const FIRST: Self = Self { segment: FIRST, lsn: Lsn(0) };
}

/// A torn tail that was left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CutTail {
    /// The segment in which the tail begins.
    pub path: PathBuf,
    /// Where it begins.
    pub offset: u64,
    /// Its length, up to the end of the file, later segments included.
    pub bytes: u64,
    /// Why the log ends there.
    pub reason: &'static str,
}

/// What replay found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The number of records that were handed out.
    pub records: u64,
    /// The number of bytes read, headers included.
    pub bytes: u64,
    /// The last record.
    pub last: Lsn,
    /// The greatest epoch: of a record, or of the last committed round.
    pub epoch: Epoch,
    /// The highest durable mark in the log.
    pub durable: Lsn,
    /// What was left out, if anything.
    pub cut: Option<CutTail>,
}

/// The end of a log, and what must be done before it can be appended to.
pub struct Found {
    /// Where the next frame goes.
    pub end: writer::End,
    /// The segments that were read, ascending; at least one.
    pub segments: Vec<Live>,
    /// Segments before the start and behind the end, ascending.
    pub stale: Vec<u64>,
    /// The segment and offset before which everything is durable.
    pub unproven: (u64, u64),
    /// The size of the log up to its end.
    pub log_bytes: u64,
    /// What replay found.
    pub report: Report,
}

/// Reads the log of dataset `dataset_id` in `dir` from `start` on and hands every record to `each`, in order; the
/// first ones may lie before `start.lsn`.
pub fn replay<E: From<Error>>(
    fs: &dyn Fs,
    dir: &Path,
    dataset_id: u64,
    start: Start,
    each: impl FnMut(RecordRef<'_>) -> Result<(), E>,
) -> Result<Found, E> {
    let mut reader = Reader::new(fs, dir, dataset_id, start, each)?;
    let (whole, damage) = reader.read_segments()?;
    let Some(last) = whole else {
        // The first segment was durable before the dataset had an identity, and any other before it was the first.
        let path = segment::path(dir, start.segment);
        let reason = damage.map_or("the log's first segment is missing", |(_, damage)| damage.reason);
        return Err(Error::corrupt(&path, 0, reason).into());
    };
    reader.judge(&last, damage)?;
    Ok(reader.found(last))
}

/// Like [`replay`] of a log that is damaged: finds the end of what can be read, whatever was durable behind it. `None` if
/// that is nothing.
pub fn salvage(fs: &dyn Fs, dir: &Path, dataset_id: u64, start: Start) -> Result<Option<Found>, Error> {
    let each = |_: RecordRef<'_>| Ok::<(), Error>(());
    let mut reader = Reader::new(fs, dir, dataset_id, start, each)?;
    let (whole, _damage) = reader.read_segments()?;
    Ok(whole.map(|last| reader.found(last)))
}

/// The last segment whose header is whole; and the segment and place in it where the log stops making sense, if it does.
type Extent = (Option<Segment>, Option<(u64, Damage)>);

struct Reader<'a, F> {
    fs: &'a dyn Fs,
    dir: &'a Path,
    dataset_id: u64,
    start: Start,
    each: F,
    /// The segments that there are, ascending.
    numbers: Vec<u64>,
    /// The header checksum of the last frame; `None` where the first one's is not known.
    previous: Option<u32>,
    segments: Vec<Live>,
    /// Places in the log and the first LSN behind them, ascending; the first one is at or before the first record
    /// that is not known to be durable.
    unproven: Vec<(Lsn, u64, u64)>,
    /// The segment and offset behind the last frame that has records.
    records_end: (u64, u64),
    /// The segment and offset behind the last frame.
    frames_end: (u64, u64),
    report: Report,
}

/// Where the log stops making sense.
struct Damage {
    /// In the segment; 0 says that even its header is bad.
    offset: u64,
    reason: &'static str,
}

impl<'a, F> Reader<'a, F> {
    fn new(fs: &'a dyn Fs, dir: &'a Path, dataset_id: u64, start: Start, each: F) -> Result<Self, Error> {
        let begin = (start.segment, segment::HEADER_BYTES as u64);
        Ok(Self {
            fs,
            dir,
            dataset_id,
            start,
            each,
            numbers: segment::list(fs, dir)?,
            previous: (start.segment == FIRST).then_some(0),
            segments: Vec::new(),
            unproven: vec![(Lsn(0), begin.0, begin.1)],
            records_end: begin,
            frames_end: begin,
            report: Report {
                records: 0,
                bytes: 0,
                last: Lsn(0),
                epoch: Epoch(0),
                durable: start.lsn,
                cut: None,
            },
        })
    }

    /// Reads up to the first damage.
    fn read_segments<E>(&mut self) -> Result<Extent, E>
    where
        E: From<Error>,
        F: FnMut(RecordRef<'_>) -> Result<(), E>,
    {
        let mut whole = None;
        for number in self.start.segment..=self.numbers.last().copied().unwrap_or(0) {
            if !self.numbers.contains(&number) {
                return Ok((whole, Some((number, Damage { offset: 0, reason: "a segment is missing" }))));
            }
            let mut segment = Segment::open(self.fs, self.dir, number)?;
            let damage = self.read_segment(&mut segment)?;
            if damage.as_ref().is_none_or(|damage| damage.offset > 0) {
                whole = Some(segment);
            }
            if let Some(damage) = damage {
                return Ok((whole, Some((number, damage))));
            }
        }
        Ok((whole, None))
    }

    /// Reads a segment's frames; tells where it is damaged if it is.
    fn read_segment<E>(&mut self, segment: &mut Segment) -> Result<Option<Damage>, E>
    where
        E: From<Error>,
        F: FnMut(RecordRef<'_>) -> Result<(), E>,
    {
        const HEADER: u64 = segment::HEADER_BYTES as u64;
        if segment.size < HEADER {
            return Ok(Some(Damage { offset: 0, reason: "a segment ends inside its header" }));
        }
        let number = segment.number;
        match segment::check(segment.array(0)?, self.dataset_id, number) {
            segment::Header::Right => {}
            segment::Header::Damaged => {
                return Ok(Some(Damage { offset: 0, reason: "a segment's header is damaged" }));
            }
            segment::Header::Foreign(why) => return Err(segment.corrupt(0, why).into()),
        }
        self.report.bytes += HEADER;
        segment.end = HEADER;
        self.segments.push(Live { number, first: self.report.last.next(), bytes: HEADER });
        while segment.end < segment.size && !segment.has_end_mark(self.dataset_id)? {
            if let Err(reason) = self.read_frame(segment)? {
                return Ok(Some(Damage { offset: segment.end, reason }));
            }
        }
        Ok(None)
    }

    /// Reads the frame at the segment's end and moves the end behind it, or says why it is none.
    fn read_frame<E>(&mut self, segment: &mut Segment) -> Result<Result<(), &'static str>, E>
    where
        E: From<Error>,
        F: FnMut(RecordRef<'_>) -> Result<(), E>,
    {
        const HEADER: u64 = frame::HEADER_BYTES as u64;
        let offset = segment.end;
        let left = segment.size - offset;
        if left < HEADER {
            return Ok(Err("the file ends inside a frame's header"));
        }
        let place = Place { dataset_id: self.dataset_id, segment: segment.number, offset };
        let (header, crc) = match frame::Header::decode(segment.array(offset)?, place) {
            Ok(found) => found,
            Err(NoHeader::Magic) => return Ok(Err("there is no frame")),
            Err(NoHeader::Checksum) => return Ok(Err("the checksum of a frame's header is wrong")),
            Err(NoHeader::Nonsense) => {
                return Err(segment.corrupt(offset, "a frame this server cannot have written").into());
            }
        };
        if !self.continues(&header) {
            return Ok(Err("a frame does not continue the one before it"));
        }
        if header.payload_bytes > left - HEADER {
            return Ok(Err("the file ends inside a frame"));
        }
        let (number, path) = (segment.number, segment.path.clone());
        let payload = segment.bytes(offset + HEADER, header.payload_bytes)?;
        if crc_of([payload]) != header.payload_crc {
            return Ok(Err("the checksum of a frame's contents is wrong"));
        }
        let corrupt = |what| Error::corrupt(&path, offset, what);
        let mut records = Records::new(&header, payload).map_err(corrupt)?;
        while let Some(record) = records.next().map_err(corrupt)? {
            (self.each)(record)?;
            self.report.records += 1;
            self.report.epoch = self.report.epoch.max(record.epoch);
        }
        let bytes = HEADER + header.payload_bytes;
        segment.end += bytes;
        self.segments.last_mut().expect("a frame is in a segment").bytes = segment.end;
        self.previous = Some(crc);
        self.frames_end = (number, segment.end);
        self.report.bytes += bytes;
        self.report.last = header.cut;
        self.note_proof(&header, number, offset);
        Ok(Ok(()))
    }

    /// Whether a frame is the one after the last. The segment that a log without its beginning starts with holds
    /// the record `start.lsn`.
    fn continues(&self, header: &frame::Header) -> bool {
        match self.previous {
            Some(previous) => header.first == self.report.last.next() && header.previous == previous,
            None => header.first <= self.start.lsn,
        }
    }

    /// Moves the beginning of the unproven part along.
    fn note_proof(&mut self, header: &frame::Header, number: u64, offset: u64) {
        if header.cut >= header.first {
            self.records_end = (number, offset + frame::HEADER_BYTES as u64 + header.payload_bytes);
        }
        let far = self
            .unproven
            .last()
            .is_none_or(|&(_, segment, start)| segment != number || offset - start >= UNPROVEN_STEP_BYTES);
        if far {
            // The header of a segment is as unproven as its first frame.
            let offset = if offset == segment::HEADER_BYTES as u64 { 0 } else { offset };
            self.unproven.push((header.first, number, offset));
        }
        if header.durable > self.report.durable {
            self.report.durable = header.durable;
            // A durable record proves all bytes before its frame, frames without records included. A place right
            // behind the last durable record proves nothing of the kind.
            let proven = self.unproven.iter().rposition(|&(first, ..)| first <= header.durable);
            self.unproven.drain(..proven.unwrap_or(0));
        }
    }

    /// Decides whether what lies behind the end is waste, a torn tail, or damage to what was durable.
    fn judge(&mut self, last: &Segment, damage: Option<(u64, Damage)>) -> Result<(), Error> {
        let (mut bytes, mut durable) = (0, None);
        for &number in self.numbers.iter().filter(|&&number| number >= self.frames_end.0) {
            let mut segment = Segment::open(self.fs, self.dir, number)?;
            let from = if number == self.frames_end.0 { self.frames_end.1 } else { 0 };
            bytes += segment.size.saturating_sub(from);
            durable = durable.max(segment.evidence(self.dataset_id, from)?);
        }
        let torn = damage.is_some() || durable.is_some();
        let (number, Damage { offset, reason }) = damage.unwrap_or((
            last.number,
            Damage { offset: last.end, reason: "frames are lost behind an end mark" },
        ));
        let path = segment::path(self.dir, number);
        let durable = durable.unwrap_or_default().max(self.start.lsn);
        if durable > self.report.last {
            let what = format!(
                "{reason}, and records up to {durable} were durable, but only those up to {} can be read",
                self.report.last
            );
            return Err(Error::corrupt(&path, offset, what));
        }
        if torn {
            self.report.cut = Some(CutTail { path, offset, bytes, reason });
        }
        Ok(())
    }

    fn found(self, last: Segment) -> Found {
        let (_, segment, offset) = self.unproven.first().copied().unwrap_or((Lsn(0), last.number, last.end));
        let all_proven = self.report.durable == self.report.last;
        let needed = self.start.segment..=last.number;
        let end = writer::End {
            segment: last.number,
            // What lies behind the end will be cut off.
            file: Arc::new(SegmentFile { path: last.path, file: last.file, recycled: false }),
            offset: last.end,
            previous: self.previous.unwrap_or(0),
            last: self.report.last,
            marked: self.report.durable,
        };
        Found {
            unproven: if all_proven { self.records_end } else { (segment, offset) },
            log_bytes: self.report.bytes,
            end,
            segments: self.segments,
            stale: self.numbers.iter().copied().filter(|number| !needed.contains(number)).collect(),
            report: self.report,
        }
    }
}

/// A segment being read through a window.
struct Segment {
    number: u64,
    path: PathBuf,
    file: Arc<dyn File>,
    size: u64,
    /// The end of the last whole frame.
    end: u64,
    window: Vec<u8>,
    window_start: u64,
}

impl Segment {
    fn open(fs: &dyn Fs, dir: &Path, number: u64) -> Result<Self, Error> {
        let path = segment::path(dir, number);
        let file = fs.open(&path, Open::Write).map_err(|e| Error::io("open", &path, e))?;
        let size = file.size().map_err(|e| Error::io("measure", &path, e))?;
        Ok(Self { number, path, file, size, end: 0, window: Vec::new(), window_start: 0 })
    }

    fn corrupt(&self, offset: u64, what: impl Into<String>) -> Error {
        Error::corrupt(&self.path, offset, what)
    }

    /// `len` bytes at `offset`; the caller has checked that the file is so long, which bounds the memory.
    fn bytes(&mut self, offset: u64, len: u64) -> Result<&[u8], Error> {
        let held = self.window_start..self.window_start + self.window.len() as u64;
        if offset < held.start || offset + len > held.end {
            let want = len.max(WINDOW_BYTES).min(self.size - offset);
            self.window.resize(want as usize, 0);
            self.window_start = offset;
            let read = read_full(&*self.file, &mut self.window, offset)
                .map_err(|e| Error::io("read", &self.path, e))?;
            self.window.truncate(read);
            if (read as u64) < len {
                let shrank = std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
                return Err(Error::io("read", &self.path, shrank));
            }
        }
        let start = (offset - self.window_start) as usize;
        Ok(&self.window[start..start + len as usize])
    }

    fn array<const N: usize>(&mut self, offset: u64) -> Result<&[u8; N], Error> {
        let bytes = self.bytes(offset, N as u64)?;
        Ok(bytes.first_chunk().expect("bytes() gives as many as asked"))
    }

    /// Whether the segment ends here, whatever its file holds behind.
    fn has_end_mark(&mut self, dataset_id: u64) -> Result<bool, Error> {
        let offset = self.end;
        if self.size - offset < END_MARK_BYTES as u64 {
            return Ok(false);
        }
        let mark = frame::end_mark(Place { dataset_id, segment: self.number, offset });
        Ok(*self.array(offset)? == mark)
    }

    /// Searches from `from` on for headers of this segment's frames: the highest durable mark among them, `None` if
    /// there is none. Each byte is read once, and each magic costs one checksum of 56 bytes, whatever a client has
    /// stored there.
    fn evidence(&mut self, dataset_id: u64, from: u64) -> Result<Option<Lsn>, Error> {
        const HEADER: usize = frame::HEADER_BYTES;
        let (segment, size) = (self.number, self.size);
        let (mut offset, mut durable) = (from, None);
        while offset + HEADER as u64 <= size {
            let bytes = self.bytes(offset, WINDOW_BYTES.min(size - offset))?;
            for at in memmem::find_iter(bytes, frame::MAGIC) {
                // One that begins too late is met again in the next window, if there is one.
                let Some(header) = bytes[at..].first_chunk() else { break };
                let place = Place { dataset_id, segment, offset: offset + at as u64 };
                if let Ok((header, _)) = frame::Header::decode(header, place) {
                    durable = durable.max(Some(header.durable));
                }
            }
            // The last bytes may be the beginning of a header.
            offset += (bytes.len() - (HEADER - 1)) as u64;
        }
        Ok(durable)
    }
}
