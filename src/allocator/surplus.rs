//! Memory that is free goes back to the system when it has been free for long, and not before.
//!
//! jemalloc would have it given back by whoever allocates when it is due: a worker that added one element to a big hash while
//! the copies of a checkpoint were freed gave 60 to 300 ms to that, with the shard locked. And what is given back is
//! supplied anew when the next checkpoint begins, page by page, to the same worker. So it is told to keep everything
//! (`dirty_decay_ms:-1`), and a thread that serves nobody looks once a second.
//!
//! * What was free in an arena at each of the last [`LOOKS`] looks is its surplus: what comes and goes in between, such as the
//!   copies of one checkpoint after the other, is none.
//! * It is given back when it is more than an arena may keep: a huge page, and a thirty-second of what is in use. All that is
//!   free goes then; jemalloc gives back nothing less.

use std::ffi::c_uint;

use super::{read, write};

/// How often memory must have been free, one look a second.
const LOOKS: usize = 10;
/// What an arena may keep: so many bytes,
const KEPT: usize = 2 << 20;
/// and this part of what is in use.
const SHARE: usize = 32;
/// Bytes of a page, as jemalloc counts them.
const PAGE: usize = 4096;

/// What was seen of all arenas.
#[derive(Default)]
pub struct Surplus {
    arenas: Vec<Seen>,
}

/// What was free in an arena, at the last looks in turn.
#[derive(Default)]
struct Seen {
    free: [usize; LOOKS],
    looks: usize,
}

impl Surplus {
    /// Looks, and gives back what has been free for long. To be called once a second.
    pub fn give_back(&mut self) {
        // Its counts are of when this was written last.
        write("epoch", 1_u64);
        let arenas = read::<c_uint>("arenas.narenas").unwrap_or(0);
        self.arenas.resize_with(arenas as usize, Seen::default);
        for (arena, seen) in self.arenas.iter_mut().enumerate() {
            let pages = |what| read::<usize>(&format!("stats.arenas.{arena}.{what}")).unwrap_or(0);
            if seen.has_surplus((pages("pdirty") + pages("pmuzzy")) * PAGE, pages("pactive") * PAGE) {
                write(&format!("arena.{arena}.purge"), ());
            }
        }
    }
}

impl Seen {
    /// Notes what is free and in use. Is there more to give back than the arena may keep?
    fn has_surplus(&mut self, free: usize, used: usize) -> bool {
        self.free[self.looks % LOOKS] = free;
        self.looks += 1;
        let is_due = self.free.iter().all(|&free| free > KEPT + used / SHARE);
        if is_due {
            *self = Self::default();
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_and_goes_is_no_surplus_and_what_stays_free_is() {
        let (mut seen, much) = (Seen::default(), 100 * KEPT);
        assert!((0..100).all(|look| !seen.has_surplus(if look % 9 == 0 { KEPT } else { much }, 0)));
        let mut seen = Seen::default();
        assert!((1..LOOKS).all(|_| !seen.has_surplus(much, 0)));
        assert!(seen.has_surplus(much, 0));
        assert!(!seen.has_surplus(much, 0), "what is free now has come since");
        let mut seen = Seen::default();
        assert!((0..100).all(|_| !seen.has_surplus(much, much * SHARE)), "an arena in use keeps some");
        assert!((0..LOOKS).any(|_| seen.has_surplus(much, 0)));
    }
}
