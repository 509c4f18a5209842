//! Replay: reads the log from its first frame to its last whole one, and judges what lies behind that.
//!
//! The torn-tail rule (D2). The log ends before the first frame that is not whole, not in its place, or not the
//! continuation of the one before. If any frame's header behind that end says that later records were durable,
//! the log is damaged and the server must not start: `Corrupt`. Otherwise nobody was promised what is missing;
//! the tail is cut off and reported. The last frames before a crash carry no such evidence behind them, which is why
//! a start and a clean close write a frame that says what is durable.
//!
//! Nothing here writes: a log that refuses to start is left as it was found.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::frame::{self, NoHeader, Records};
use super::segment::{self, FIRST};
use super::sync::SegmentFile;
use super::writer;
use crate::checksum::{Place, crc_of};
use crate::error::Error;
use crate::fs::{File, Fs, Open, read_full};
use crate::record::{Epoch, Lsn, RecordRef};

/// How much is read at once.
const WINDOW_BYTES: u64 = 1 << 20;
/// How finely the beginning of the unproven part of the log is remembered.
const UNPROVEN_STEP_BYTES: u64 = 1 << 20;

/// A torn tail that was left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CutTail {
    /// The segment in which the tail begins.
    pub path: PathBuf,
    /// Where it begins.
    pub offset: u64,
    /// Its length, later segments included.
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
    /// Segments behind the end.
    pub stale: Vec<u64>,
    /// The segment and offset before which everything is durable.
    pub unproven: (u64, u64),
    /// The size of the log up to its end.
    pub log_bytes: u64,
    /// What replay found.
    pub report: Report,
}

/// Reads the log of dataset `dataset_id` in `dir` and hands every record to `each`, in order.
pub fn replay<E: From<Error>>(
    fs: &dyn Fs,
    dir: &Path,
    dataset_id: u64,
    each: impl FnMut(RecordRef<'_>) -> Result<(), E>,
) -> Result<Found, E> {
    let numbers = segment::list(fs, dir)?;
    let mut reader = Reader {
        fs,
        dir,
        dataset_id,
        each,
        previous: 0,
        unproven: vec![(Lsn(1), FIRST, segment::HEADER_BYTES as u64)],
        records_end: (FIRST, segment::HEADER_BYTES as u64),
        report: Report { records: 0, bytes: 0, last: Lsn(0), epoch: Epoch(0), durable: Lsn(0), cut: None },
    };
    let mut whole: Option<Segment> = None;
    let mut damage = None;
    let beyond = numbers.last().map_or(FIRST, |last| last + 1);
    for number in FIRST..beyond {
        if !numbers.contains(&number) {
            damage = Some((number, Damage { offset: 0, reason: "a segment is missing" }));
            break;
        }
        let mut segment = Segment::open(fs, dir, number)?;
        let found = reader.read_segment(&mut segment)?;
        let begins = found.as_ref().is_none_or(|damage| damage.offset > 0);
        if begins {
            whole = Some(segment);
        }
        if let Some(found) = found {
            damage = Some((number, found));
            break;
        }
    }
    let Some(last) = whole else {
        // The first segment was durable before the dataset had an identity.
        let path = segment::path(dir, FIRST);
        let reason = damage.map_or("the log's first segment is missing", |(_, damage)| damage.reason);
        return Err(Error::corrupt(&path, 0, reason).into());
    };
    if let Some((number, damage)) = damage {
        reader.judge(number, damage, &numbers)?;
    }
    Ok(reader.found(last, &numbers))
}

struct Reader<'a, F> {
    fs: &'a dyn Fs,
    dir: &'a Path,
    dataset_id: u64,
    each: F,
    /// The header checksum of the last frame.
    previous: u32,
    /// Places in the log and the first LSN behind them, ascending; the first one is at or before the first record
    /// that is not known to be durable.
    unproven: Vec<(Lsn, u64, u64)>,
    /// The segment and offset behind the last frame that has records.
    records_end: (u64, u64),
    report: Report,
}

/// Where the log stops making sense.
struct Damage {
    /// In the segment; 0 says that even its header is bad.
    offset: u64,
    reason: &'static str,
}

impl<F> Reader<'_, F> {
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
        while segment.end < segment.size {
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
        if header.first != self.report.last.next() || header.previous != self.previous {
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
        self.previous = crc;
        self.report.bytes += bytes;
        self.report.last = header.cut;
        self.note_proof(&header, number, offset);
        Ok(Ok(()))
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

    /// Decides whether what lies behind the end is a torn tail, or damage to what was durable.
    fn judge(&mut self, number: u64, damage: Damage, numbers: &[u64]) -> Result<(), Error> {
        let path = segment::path(self.dir, number);
        let mut bytes = 0;
        for &later in numbers.iter().filter(|&&later| later >= number) {
            let mut segment = Segment::open(self.fs, self.dir, later)?;
            let from = if later == number { damage.offset } else { 0 };
            bytes += segment.size - from;
            if let Some(durable) = segment.evidence(self.dataset_id, from, self.report.last)? {
                let what = format!(
                    "{}, and records up to {durable} were durable, but only those up to {} can be read",
                    damage.reason, self.report.last
                );
                return Err(Error::corrupt(&path, damage.offset, what));
            }
        }
        self.report.cut = Some(CutTail { path, offset: damage.offset, bytes, reason: damage.reason });
        Ok(())
    }

    fn found(self, last: Segment, numbers: &[u64]) -> Found {
        let (_, segment, offset) = self.unproven.first().copied().unwrap_or((Lsn(0), last.number, last.end));
        let all_proven = self.report.durable == self.report.last;
        let stale = numbers.iter().copied().filter(|&number| number > last.number).collect();
        let end = writer::End {
            segment: last.number,
            file: Arc::new(SegmentFile { path: last.path, file: last.file }),
            offset: last.end,
            previous: self.previous,
            last: self.report.last,
            marked: self.report.durable,
        };
        Found {
            unproven: if all_proven { self.records_end } else { (segment, offset) },
            log_bytes: self.report.bytes,
            end,
            stale,
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

    /// Searches from `from` on for a frame's header which says that a record after `last` was durable. Each byte is
    /// read once, and each magic costs one checksum of 56 bytes, whatever a client has stored there.
    fn evidence(&mut self, dataset_id: u64, from: u64, last: Lsn) -> Result<Option<Lsn>, Error> {
        const HEADER: usize = frame::HEADER_BYTES;
        let (segment, size) = (self.number, self.size);
        let mut offset = from;
        while offset + HEADER as u64 <= size {
            let bytes = self.bytes(offset, WINDOW_BYTES.min(size - offset))?;
            for (at, header) in
                bytes.windows(HEADER).enumerate().filter(|(_, at)| at.starts_with(frame::MAGIC))
            {
                let header = header.first_chunk().expect("the window is as long as a header");
                let place = Place { dataset_id, segment, offset: offset + at as u64 };
                if let Ok((header, _)) = frame::Header::decode(header, place)
                    && header.durable > last
                {
                    return Ok(Some(header.durable));
                }
            }
            // The last bytes may be the beginning of a header.
            offset += (bytes.len() - (HEADER - 1)) as u64;
        }
        Ok(None)
    }
}
