//! The 64 append buffers and the LSN counter: the hot path of every write.
//!
//! Invariants:
//! * An LSN is taken inside the lock of the buffer that gets its record. So once the counter reads `L`, locking each
//!   buffer in turn finds every record up to `L`: whoever holds a lock then will have finished, and whoever comes
//!   later gets a larger LSN (D1 rests on this).
//! * Within a buffer LSNs rise strictly and epochs never fall.
//! * A panicking encoder leaves no record, no LSN and no hole behind.
//!
//! Lock order: a buffer's lock comes after the keyspace's shard locks and is a leaf: nothing is locked inside it.
//! A buffer's memory is swapped out by the log thread and comes back cleared, so that steady state allocates nothing.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::SHARDS;
use super::chunk::Chunk;
use super::payload::Payload;
use crate::record::{Epoch, Lsn};

/// A buffer adds its growth to the shared count in steps of this size, so that the count costs nothing per record.
const COUNT_STEP_BYTES: usize = 64 << 10;

/// Two cache lines: the prefetcher pulls lines in pairs.
#[repr(align(128))]
struct Aligned<T>(T);

/// All append buffers.
pub struct Buffers {
    /// The last LSN given out.
    last_lsn: Aligned<AtomicU64>,
    /// Bytes not yet written, give or take `COUNT_STEP_BYTES` for each buffer.
    pending_bytes: Aligned<AtomicU64>,
    /// One per shard. Guards the records of that shard that the log thread has not taken yet.
    buffers: Box<[Aligned<Mutex<Buffer>>]>,
}

#[derive(Default)]
struct Buffer {
    chunk: Chunk,
    /// How many of the chunk's bytes are in `pending_bytes`.
    counted: usize,
}

impl Buffers {
    /// Empty buffers; the first record will get the LSN after `last`.
    pub fn new(last: Lsn) -> Self {
        Self {
            last_lsn: Aligned(AtomicU64::new(last.0)),
            pending_bytes: Aligned(AtomicU64::new(0)),
            buffers: (0..SHARDS).map(|_| Aligned(Mutex::default())).collect(),
        }
    }

    /// Appends one record; see [`Engine::append`](crate::Engine::append).
    #[inline]
    pub fn append(&self, shard: usize, epoch: Epoch, encode: impl FnOnce(&mut Payload)) -> Lsn {
        let mut guard = self.lock(shard);
        let buffer = &mut *guard;
        let payload = Unfinished::new(&mut buffer.chunk.payload);
        encode(payload.bytes);
        payload.finish();
        // Sequentially consistent because the log thread's decision to sleep depends on it; see `Shared::sleep`.
        let lsn = Lsn(self.last_lsn.0.fetch_add(1, SeqCst) + 1);
        buffer.chunk.push(lsn, epoch);
        let uncounted = buffer.chunk.bytes() - buffer.counted;
        if uncounted >= COUNT_STEP_BYTES {
            self.pending_bytes.0.fetch_add(uncounted as u64, Relaxed);
            buffer.counted += uncounted;
        }
        lsn
    }

    /// The last LSN given out.
    #[inline]
    pub fn last_lsn(&self) -> Lsn {
        Lsn(self.last_lsn.0.load(SeqCst))
    }

    /// Swaps a shard's records with the empty `spare`; leaves both alone and returns false if there are none.
    pub fn drain(&self, shard: usize, spare: &mut Chunk) -> bool {
        debug_assert!(spare.is_empty(), "a spare chunk must be empty");
        let uncounted = {
            let mut buffer = self.lock(shard);
            if buffer.chunk.is_empty() {
                return false;
            }
            std::mem::swap(&mut buffer.chunk, spare);
            spare.bytes() - std::mem::take(&mut buffer.counted)
        };
        self.pending_bytes.0.fetch_add(uncounted as u64, Relaxed);
        true
    }

    /// Says that `bytes` of what was drained are on their way to the disk no more: written or discarded.
    pub fn release(&self, bytes: u64) {
        self.pending_bytes.0.fetch_sub(bytes, Relaxed);
    }

    /// Bytes appended and not yet released; may miss up to 64 KiB for each buffer.
    #[inline]
    pub fn pending_bytes(&self) -> u64 {
        self.pending_bytes.0.load(Relaxed)
    }

    /// A poisoned lock guards a whole chunk all the same: `Unfinished` has removed what the panic left.
    #[inline]
    fn lock(&self, shard: usize) -> MutexGuard<'_, Buffer> {
        self.buffers[shard].0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Payload bytes that belong to no record yet; dropped by a panic, they are cut off again.
struct Unfinished<'a> {
    bytes: &'a mut Payload,
    start: usize,
}

impl<'a> Unfinished<'a> {
    #[inline]
    fn new(bytes: &'a mut Payload) -> Self {
        let start = bytes.len();
        Self { bytes, start }
    }

    #[inline]
    fn finish(mut self) {
        assert!(self.bytes.len() >= self.start, "an encoder removed another record's bytes");
        self.start = self.bytes.len();
    }
}

impl Drop for Unfinished<'_> {
    #[inline]
    fn drop(&mut self) {
        self.bytes.truncate(self.start);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::payload::PIECE_BYTES;

    #[test]
    fn a_panicking_encoder_leaves_no_record_and_no_hole() {
        let buffers = Buffers::new(Lsn(4));
        assert_eq!(buffers.append(3, Epoch(1), |out| out.put(b"first")), Lsn(5));
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            buffers.append(3, Epoch(1), |out| {
                out.put(b"half");
                panic!("planned");
            })
        }));
        assert!(panicked.is_err());
        assert_eq!(buffers.append(3, Epoch(1), |out| out.put(b"second")), Lsn(6));
        let mut chunk = Chunk::default();
        assert!(buffers.drain(3, &mut chunk));
        assert_eq!(chunk.payload.range(0, 99).collect::<Vec<_>>(), [b"firstsecond"]);
        assert_eq!(chunk.end().records, 2);
    }

    #[test]
    fn what_waits_for_a_slow_disk_is_not_moved_for_what_comes_behind_it() {
        let buffers = Buffers::new(Lsn(0));
        let places = |buffers: &Buffers| {
            let buffer = buffers.lock(0);
            let pieces = buffer.chunk.payload.pieces().chain(buffer.chunk.index.pieces());
            pieces.map(|piece| (piece.as_ptr(), piece.len())).collect::<Vec<_>>()
        };
        for _ in 0..100_000 {
            buffers.append(0, Epoch(1), |out| out.put(&[7; 40]));
        }
        let before = places(&buffers);
        for _ in 0..100_000 {
            buffers.append(0, Epoch(1), |out| out.put(&[7; 40]));
        }
        let after = places(&buffers);
        let moved = before.iter().filter(|place| !after.contains(place)).count();
        assert!(moved <= 2, "{moved} of {} pieces: only the last ones go on", before.len());
        assert!(after.iter().all(|&(_, len)| len <= PIECE_BYTES));
    }

    #[test]
    fn pending_bytes_rise_with_appends_and_end_at_zero() {
        let buffers = Buffers::new(Lsn(0));
        for _ in 0..1000 {
            buffers.append(0, Epoch(1), |out| out.put(&[0; 1000]));
        }
        let seen = buffers.pending_bytes();
        assert!((1_000_000 - COUNT_STEP_BYTES as u64..1_010_000).contains(&seen), "{seen}");
        let mut chunk = Chunk::default();
        assert!(buffers.drain(0, &mut chunk));
        assert_eq!(buffers.pending_bytes(), chunk.bytes() as u64);
        buffers.release(chunk.bytes() as u64);
        assert_eq!(buffers.pending_bytes(), 0);
        assert!(!buffers.drain(0, &mut Chunk::default()));
    }
}
