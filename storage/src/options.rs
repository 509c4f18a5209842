//! The engine's tunables.

use std::time::Duration;

use crate::compaction;
use crate::run::Compression;

/// When a record is made durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u8)]
pub enum SyncMode {
    /// Every frame is synced before the next is written; the durable mark follows the appends closely.
    Always = 0,
    /// Frames are written every [`Options::flush_interval`] and synced once a second by another thread.
    #[default]
    EverySecond = 1,
    /// Frames are written every [`Options::flush_interval`]; the system syncs when it likes. The durable mark moves
    /// only for `wait_durable` and `close`.
    Never = 2,
}

impl SyncMode {
    pub(crate) fn from_u8(value: u8) -> Self {
        match value {
            0 => Self::Always,
            1 => Self::EverySecond,
            _ => Self::Never,
        }
    }
}

/// What the engine becomes when a write or a sync fails for good (D3). Either way the log takes no more records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnFailure {
    /// [`Status::Failed`](crate::Status::Failed): the process is expected to stop.
    #[default]
    Stop,
    /// [`Status::ReadOnly`](crate::Status::ReadOnly): the process is expected to go on serving reads.
    ReadOnly,
}

/// The tunables of an engine.
#[derive(Debug, Clone)]
pub struct Options {
    /// When records are made durable.
    pub sync_mode: SyncMode,
    /// A segment takes no further frame once it would pass this size; a single bigger frame still fits.
    pub segment_bytes: u64,
    /// The time between two writes in the modes other than `Always`: what the death of the process can lose.
    pub flush_interval: Duration,
    /// Above this many unwritten bytes [`Engine::is_backlogged`](crate::Engine::is_backlogged) says so.
    pub buffer_limit_bytes: u64,
    /// What a write or sync error does.
    pub on_failure: OnFailure,
    /// Whether the blocks of runs are compressed.
    pub compression: Compression,
    /// How runs are kept in shape.
    pub compaction: compaction::pool::Options,
    /// The manifest is written anew whenever it has grown by so much.
    pub manifest_bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            sync_mode: SyncMode::default(),
            segment_bytes: 64 << 20,
            flush_interval: Duration::from_millis(3),
            buffer_limit_bytes: 64 << 20,
            on_failure: OnFailure::default(),
            compression: Compression::default(),
            compaction: compaction::pool::Options::default(),
            manifest_bytes: 4 << 20,
        }
    }
}
