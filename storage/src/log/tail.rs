//! Makes the end of a replayed log fit to append to. Runs before anyone is served.
//!
//! Invariants, all needed for D1:
//! * What replay cut off is gone from the disk before a new frame is written, so that it can never follow one. What
//!   an earlier life of a recycled segment left behind the end of the log goes, too.
//! * Segments that are no longer needed are removed, and none is kept as a spare; `segments.rs` says why.
//! * What replay handed out is durable. Reading a byte back proves nothing: the process before may have died between
//!   a write and its sync, or because the sync failed, after which the system may keep the bytes readable and never
//!   write them. So everything behind the durable mark is written again, in place, and synced.
//!
//! Writing the same bytes to the same place cannot tear anything: every sector holds the same before and after.

use std::path::Path;

use super::frame::END_MARK_BYTES;
use super::reader::Found;
use super::segment;
use super::segments::Live;
use crate::error::Error;
use crate::fs::{File, Fs, Open, read_full, write_full};

/// How much is written again at once.
const PIECE_BYTES: u64 = 1 << 20;

/// Cuts off what lies behind the end, and makes everything before it durable.
pub fn settle(fs: &dyn Fs, dir: &Path, found: &Found) -> Result<(), Error> {
    // From the last one down: what a crash leaves is still one log with one bad tail.
    for &number in found.stale.iter().rev() {
        let path = segment::path(dir, number);
        fs.remove(&path).map_err(|e| Error::io("remove", &path, e))?;
    }
    fs.sync_dir(dir).map_err(|e| Error::io("sync", dir, e))?;

    let (first, from) = found.unproven;
    for &Live { number, bytes, .. } in found.segments.iter().filter(|live| live.number >= first) {
        let path = segment::path(dir, number);
        let file = fs.open(&path, Open::Write).map_err(|e| Error::io("open", &path, e))?;
        let size = file.size().map_err(|e| Error::io("measure", &path, e))?;
        let start = if number == first { from } else { 0 };
        // Only the last segment is cut: half an end mark amid the log would be damage.
        let is_last = number == found.end.segment;
        let stop = if is_last { bytes } else { size.min(bytes + END_MARK_BYTES as u64) };
        let cut = is_last && size > stop;
        if cut {
            file.set_len(stop).map_err(|e| Error::io("truncate", &path, e))?;
        }
        if cut || start < stop {
            write_again(&*file, start, stop).map_err(|e| Error::io("rewrite", &path, e))?;
            file.sync_data().map_err(|e| Error::io("sync", &path, e))?;
        }
    }
    Ok(())
}

fn write_again(file: &dyn File, mut start: u64, stop: u64) -> std::io::Result<()> {
    let mut piece = Vec::new();
    while start < stop {
        piece.resize((stop - start).min(PIECE_BYTES) as usize, 0);
        let read = read_full(file, &mut piece, start)?;
        if read < piece.len() {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        write_full(file, &piece, start)?;
        start += read as u64;
    }
    Ok(())
}
