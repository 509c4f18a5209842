//! CLIENT PAUSE: until when which commands wait.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::store::UnixMs;

/// What waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PauseMode {
    /// Commands that may write.
    Write,
    /// Every command.
    All,
}

/// The pause in force: one word, read once per turn. Bit 0 says whether all commands wait, the rest is the end.
#[derive(Default)]
pub struct Pause {
    word: AtomicU64,
}

impl Pause {
    /// The pause in force at `now`.
    #[inline]
    pub fn at(&self, now: UnixMs) -> Option<PauseMode> {
        let word = self.word.load(Ordering::Relaxed);
        if word == 0 || word >> 1 <= now.0 {
            return None;
        }
        Some(if word & 1 == 1 { PauseMode::All } else { PauseMode::Write })
    }

    /// When the pause ends, if one was ever set and not lifted.
    pub fn until(&self) -> Option<UnixMs> {
        let word = self.word.load(Ordering::Relaxed);
        (word != 0).then_some(UnixMs(word >> 1))
    }

    /// Pauses until `end`, which must be below 2^63. A pause in force is never shortened or weakened, as in Redis: the later end and the
    /// stricter mode win.
    pub fn set(&self, mode: PauseMode, end: UnixMs, now: UnixMs) {
        let _ = self.word.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |word| {
            let (mut end, mut all) = (end.0, mode == PauseMode::All);
            if word >> 1 > now.0 {
                end = end.max(word >> 1);
                all |= word & 1 == 1;
            }
            Some(end << 1 | u64::from(all))
        });
    }

    /// CLIENT UNPAUSE.
    pub fn lift(&self) {
        self.word.store(0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_neither_shortened_nor_weakened() {
        let pause = Pause::default();
        assert_eq!(pause.at(UnixMs(1)), None);
        pause.set(PauseMode::All, UnixMs(100), UnixMs(1));
        pause.set(PauseMode::Write, UnixMs(50), UnixMs(2));
        assert_eq!(pause.at(UnixMs(99)), Some(PauseMode::All));
        assert_eq!(pause.at(UnixMs(100)), None);
        pause.set(PauseMode::Write, UnixMs(200), UnixMs(150));
        assert_eq!(pause.at(UnixMs(199)), Some(PauseMode::Write));
        pause.lift();
        assert_eq!(pause.at(UnixMs(160)), None);
    }
}
