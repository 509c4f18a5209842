//! The scripts that run right now, as other threads see them: for SCRIPT KILL, FUNCTION KILL and STATS, and `-BUSY`.
//!
//! * Every thread that runs scripts has one [`RunSlot`]. An ordinary run costs a few relaxed stores in it; texts are noted when a
//!   run turns out to be long.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use crate::util::time::UnixMs;

/// What runs in a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunKind {
    /// Nothing.
    Idle = 0,
    /// EVAL and its kin.
    Script = 1,
    /// FCALL and its kin.
    Function = 2,
}

/// What FUNCTION STATS says of a long run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LongRun {
    /// The function.
    pub name: Vec<u8>,
    /// The words of the call.
    pub words: Vec<Vec<u8>>,
}

/// One thread's run.
#[derive(Default)]
pub struct RunSlot {
    kind: AtomicU8,
    started_ms: AtomicU64,
    /// Shards that the run holds, a bit each.
    shards: AtomicU64,
    /// Has it changed anything?
    pub wrote: AtomicBool,
    /// Is it to end?
    pub killed: AtomicBool,
    /// Has it run longer than `busy-reply-threshold`?
    pub is_busy: AtomicBool,
    /// Bytes that the thread's state took after its last run.
    memory: AtomicU64,
    /// The part of it that came with loading libraries.
    library_memory: AtomicU64,
    long: Mutex<Option<LongRun>>,
}

impl RunSlot {
    /// A run begins.
    #[inline]
    pub fn begin(&self, kind: RunKind, now: UnixMs, shards: u64) {
        self.wrote.store(false, Ordering::Relaxed);
        self.killed.store(false, Ordering::Relaxed);
        self.is_busy.store(false, Ordering::Relaxed);
        self.started_ms.store(now.0, Ordering::Relaxed);
        self.shards.store(shards, Ordering::Relaxed);
        self.kind.store(kind as u8, Ordering::Release);
    }

    /// The run is over, and the thread's state takes so many bytes.
    #[inline]
    pub fn end(&self, memory: usize) {
        self.memory.store(memory as u64, Ordering::Relaxed);
        self.kind.store(RunKind::Idle as u8, Ordering::Release);
        if self.is_busy.swap(false, Ordering::Relaxed) {
            *self.long.lock().expect("no panic happens under this leaf lock") = None;
        }
    }

    /// The thread's state has grown by so many bytes with the libraries that it has loaded.
    pub fn note_libraries(&self, memory: usize) {
        self.library_memory.store(memory as u64, Ordering::Relaxed);
    }

    /// What runs.
    pub fn kind(&self) -> RunKind {
        match self.kind.load(Ordering::Acquire) {
            1 => RunKind::Script,
            2 => RunKind::Function,
            _ => RunKind::Idle,
        }
    }

    /// Is there a run, and is it to end?
    pub fn is_killed(&self) -> bool {
        self.killed.load(Ordering::Relaxed) && self.kind() != RunKind::Idle
    }

    /// When the run began.
    pub fn started(&self) -> UnixMs {
        UnixMs(self.started_ms.load(Ordering::Relaxed))
    }

    /// The run has become busy.
    pub fn note_busy(&self, long: LongRun) {
        *self.long.lock().expect("no panic happens under this leaf lock") = Some(long);
        self.is_busy.store(true, Ordering::Release);
    }

    /// What the run says of itself, once it is busy.
    pub fn long(&self) -> Option<LongRun> {
        self.long.lock().expect("no panic happens under this leaf lock").clone()
    }

    /// The error of a run that was killed.
    pub fn kill_text(&self) -> &'static str {
        match self.kind() {
            RunKind::Function => "Script killed by user with FUNCTION KILL.",
            _ => "Script killed by user with SCRIPT KILL...",
        }
    }
}

/// What KILL found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Killed {
    /// It has been told to end.
    Yes,
    /// Nothing of the kind is busy.
    NotBusy,
    /// What is busy has written.
    Unkillable,
    /// A run of the other kind is busy.
    OtherKind(RunKind),
}

/// All threads' slots.
#[derive(Default)]
pub struct Running {
    slots: Mutex<Vec<Arc<RunSlot>>>,
}

impl Running {
    /// One more thread runs scripts.
    pub fn register(&self) -> Arc<RunSlot> {
        let slot = Arc::new(RunSlot::default());
        self.slots.lock().expect("no panic happens under this leaf lock").push(slot.clone());
        slot
    }

    /// Bytes that the states of all threads take: for scripts, and for the libraries of functions.
    pub fn memory(&self) -> (u64, u64) {
        let slots = self.slots.lock().expect("no panic happens under this leaf lock");
        slots.iter().fold((0, 0), |(scripts, functions), slot| {
            let memory = slot.memory.load(Ordering::Relaxed);
            let of_libraries = slot.library_memory.load(Ordering::Relaxed).min(memory);
            (scripts + memory - of_libraries, functions + of_libraries)
        })
    }

    fn busy(&self) -> Vec<Arc<RunSlot>> {
        let slots = self.slots.lock().expect("no panic happens under this leaf lock");
        slots.iter().filter(|slot| slot.is_busy.load(Ordering::Acquire)).cloned().collect()
    }

    /// The kind of a busy run that holds the shard.
    pub fn busy_on(&self, shard: u8) -> Option<RunKind> {
        let holds = |slot: &Arc<RunSlot>| slot.shards.load(Ordering::Relaxed) >> shard & 1 == 1;
        self.busy()
            .iter()
            .find(|slot| holds(slot))
            .map(|slot| slot.kind())
            .filter(|&kind| kind != RunKind::Idle)
    }

    /// Tells the busy runs of a kind to end, if they have written nothing.
    pub fn kill(&self, kind: RunKind) -> Killed {
        let mut result = Killed::NotBusy;
        for slot in self.busy() {
            let found = slot.kind();
            if found == kind && slot.wrote.load(Ordering::Relaxed) {
                if result != Killed::Yes {
                    result = Killed::Unkillable;
                }
            } else if found == kind {
                slot.killed.store(true, Ordering::Relaxed);
                result = Killed::Yes;
            } else if found != RunKind::Idle && result == Killed::NotBusy {
                result = Killed::OtherKind(found);
            }
        }
        result
    }

    /// What is busy, if something is.
    pub fn busy_kind(&self) -> Option<RunKind> {
        self.busy().iter().map(|slot| slot.kind()).find(|&kind| kind != RunKind::Idle)
    }

    /// A function that is busy, and since when.
    pub fn busy_function(&self) -> Option<(LongRun, UnixMs)> {
        let slot = self.busy().into_iter().find(|slot| slot.kind() == RunKind::Function)?;
        Some((slot.long()?, slot.started()))
    }
}
