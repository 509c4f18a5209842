//! Rows: the dataset's directory, the log and the checkpoints.

use std::path::PathBuf;

use super::super::kind;
use super::super::values::{SavePoint, SyncMode};
use super::{Directive, INT_MAX, MEMORY, accepted, here, int, number, word, yes};
use crate::config::kind::Kind;

pub(super) const ROWS: &[Directive] = &[
    here(
        "dir",
        Kind::Custom(kind::dir),
        "./",
        |v, text| v.dir = PathBuf::from(text),
        "The directory of the dataset; it must exist.",
    )
    .protected()
    .immutable(),
    // The log is always written; this says what a Redis user who writes `appendonly no` is promised.
    here(
        "appendonly",
        Kind::Bool,
        "yes",
        |v, text| v.appendonly = yes(text),
        "`no` makes wal_sync_mode `never`, unless that is given too; the log is written either way.",
    ),
    Directive {
        alias_words: &[("everysecond", "everysec"), ("always", "always"), ("never", "no")],
        ..here(
            "wal_sync_mode",
            Kind::Choice(&["always", "everysecond", "never"]),
            "everysecond",
            |v, text| v.wal_sync_mode = sync_mode(text),
            "When a write is acknowledged, relative to reaching the disk.",
        )
        .alias(&["appendfsync"])
    },
    here(
        "wal_segment_mb",
        Kind::Int(1, 4096),
        "64",
        |v, text| v.wal_segment_mb = number(text),
        "Size of one log segment, in MiB; segments are used again.",
    )
    .immutable(),
    here(
        "checkpoint_log_mb",
        Kind::Int(1, 1 << 20),
        "256",
        |v, text| v.checkpoint_log_mb = number(text),
        "MiB of log behind the last checkpoint at which the next one is made: what a restart may have to replay.",
    ),
    here(
        "disk_threads",
        Kind::Int(1, 128),
        "4",
        |v, text| v.disk_threads = number(text),
        "Threads that read cold keys from disk: how many reads are under way at once.",
    )
    .immutable(),
    here(
        "save",
        Kind::Custom(kind::save),
        "3600 1 300 100 60 10000",
        |v, text| v.save = save_points(text),
        "Seconds and changes after which a checkpoint is made, beside those the server makes by itself.",
    )
    .several(),
    here(
        "dbfilename",
        Kind::Custom(kind::file_name),
        "dump.rdb",
        |v, text| v.dbfilename = text.to_owned(),
        "The RDB file in `dir`: what BGSAVE writes, and what a start without data imports.",
    )
    .protected(),
    here(
        "rdb-version",
        Kind::Int(10, 12),
        "11",
        |v, text| v.rdb_version = number(text),
        "The version of RDB files that are written: 10 is read by Redis 7.0, 11 by 7.2 and Valkey, 12 by 7.4.",
    ),
    accepted(
        "stop-writes-on-bgsave-error",
        Kind::Bool,
        "yes",
        "the log keeps what is written, whether a snapshot succeeds or not; a full disk refuses writes while it is full",
    ),
    here(
        "rdbcompression",
        Kind::Bool,
        "yes",
        |v, text| v.rdbcompression = yes(text),
        "Whether strings in RDB files are compressed.",
    ),
    here(
        "rdbchecksum",
        Kind::Bool,
        "yes",
        |v, text| v.rdbchecksum = yes(text),
        "Whether RDB files end with a checksum.",
    )
    .immutable(),
    accepted(
        "sanitize-dump-payload",
        Kind::Choice(&["no", "yes", "clients"]),
        "no",
        "payloads are always checked",
    ),
    accepted("rdb-del-sync-files", Kind::Bool, "no", "a replica's full sync leaves no file"),
    here(
        "rdb-save-incremental-fsync",
        Kind::Bool,
        "yes",
        |v, text| v.rdb_save_incremental_fsync = yes(text),
        "Whether an RDB file is synced every 4 MiB while it is written, not only at its end.",
    ),
    accepted("appendfilename", Kind::Custom(kind::file_name), "appendonly.aof", LOG).immutable(),
    accepted("appenddirname", Kind::Custom(kind::file_name), "appendonlydir", LOG).immutable(),
    accepted("no-appendfsync-on-rewrite", Kind::Bool, "no", LOG),
    accepted("auto-aof-rewrite-percentage", int(INT_MAX), "100", LOG),
    accepted("auto-aof-rewrite-min-size", MEMORY, "67108864", LOG),
    accepted(
        "aof-load-truncated",
        Kind::Bool,
        "yes",
        "a torn end is cut off, and damage elsewhere stops the start",
    ),
    accepted("aof-use-rdb-preamble", Kind::Bool, "yes", LOG),
    accepted("aof-timestamp-enabled", Kind::Bool, "no", LOG),
    accepted("aof-rewrite-incremental-fsync", Kind::Bool, "yes", LOG),
    accepted("aof-disable-auto-gc", Kind::Bool, "no", LOG),
];

const LOG: &str = "the log has segments that are used again, and is never rewritten";

fn sync_mode(text: &str) -> SyncMode {
    let known =
        [("always", SyncMode::Always), ("everysecond", SyncMode::EverySecond), ("never", SyncMode::Never)];
    word(text, &known)
}

fn save_points(text: &str) -> Vec<SavePoint> {
    let numbers: Vec<u64> = text.split(' ').filter_map(|field| field.parse().ok()).collect();
    numbers.chunks_exact(2).map(|pair| SavePoint { seconds: pair[0], changes: pair[1] }).collect()
}
