//! ForgeKV's storage engine: one ordered log of changes, and the files it recovers from.
//!
//! # Directory
//!
//! ```text
//! LOCK                    locked while an engine has the directory
//! IDENTITY                the dataset's id and hash secret; written once
//! log-0000000001          the log's segments: frames of records, back to back
//! CURRENT                 names the manifest
//! MANIFEST-0000000001     which runs are the image, and since when: edits, back to back
//! runs/<16 digits>.run    the runs: sorted entries
//! ```
//!
//! Other files are left alone.
//!
//! # Write path
//!
//! ```text
//! worker, shard locked          log thread                          sync thread (EverySecond)
//!   append: buffer's lock         cut L = last LSN
//!     encode, LSN = ++last  ──▶   drain the 64 buffers
//!   unlock                        frame = records ≤ L, checksummed
//!                                 write ──▶ written mark       ──▶    once a second:
//!                                 Always: sync ──▶ durable mark        sync ──▶ durable mark
//!                                       └──────── on_progress ─────────┘
//! ```
//!
//! A record's LSN is taken inside the lock of its shard's buffer, while the caller holds the shard: the order of the
//! log is the order of the changes. See [`Engine::append`].
//!
//! # Checkpoints
//!
//! [`Engine::begin_round`] and [`Round::commit`]: the caller captures what changed since the last round, as it was at one
//! cut, and the engine makes a run and a new [`Version`] of it. A version is an image of the whole dataset; holding one is
//! a snapshot, and a [backup](Engine::backup) is one in another directory. The log's segments before the cut are not needed any
//! more, and are written again.
//!
//! # Recovery
//!
//! [`Engine::recover`] locks the directory, learns who the dataset is and opens the image. [`Recovery::replay`] hands out the
//! records that are not in it, in order, and judges the log's tail. [`Recovery::start`] cuts a torn tail off, writes and
//! syncs again what is not known to be durable, and only then takes records. [`check()`] and [`repair()`] are for what
//! refuses to start.
//!
//! # Invariants
//!
//! * **D1** After any crash, what is recovered is a prefix of the log: every record up to some LSN and none beyond. A
//!   frame holds all records between two cuts; frames are chained and read up to the first that is not whole.
//! * **D2** A frame says what was durable when it was built. A bad tail beyond every such mark is cut off and
//!   reported; damage below one refuses to start.
//! * **D3** A failed write or sync is final: [`Status::Failed`] or [`Status::ReadOnly`]. A full disk is not a failure:
//!   [`Status::Full`] until there is room.
//!
//! * **C1** The image and the log records of later epochs, in order, are the exact dataset.
//! * **C2** A round that fails changes nothing.
//!
//! The engine knows nothing of what its records and values mean, and reads no wall clock. Writers follow
//! [`Engine::pressure`].
//!
//! Reading order: [`record`], `log/buffer.rs`, `log/frame.rs`, [`log`], [`entry`], [`run`], [`merge`], [`version`], [`checkpoint`],
//! [`compaction`], [`recovery`], [`engine`], [`fs`].

mod backup;
pub mod check;
pub mod checkpoint;
mod checksum;
mod coding;
pub mod compaction;
pub mod engine;
pub mod entry;
mod error;
pub mod fs;
mod identity;
pub mod log;
pub mod memory;
pub mod merge;
mod options;
pub mod record;
pub mod recovery;
mod repair;
pub mod run;
pub mod version;

pub use check::check;
pub use checkpoint::{Facts, Round};
pub use engine::Engine;
pub use entry::{Content, Entry, NamespaceId, Position};
pub use error::Error;
pub use log::{Payload, Progress, Status};
pub use options::{OnFailure, Options, SyncMode};
pub use record::{Epoch, Lsn};
pub use recovery::Recovery;
pub use repair::repair;
pub use run::ValueWriter;
pub use version::{Counts, Version};
