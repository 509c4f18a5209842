//! Rows: replication.

use super::super::kind;
use super::{Directive, INT_MAX, PORT, accepted, int, positive};
use crate::config::kind::Kind;

pub(super) const ROWS: &[Directive] = &[
    accepted("replicaof", Kind::Custom(kind::replicaof), "", MASTER)
        .alias(&["slaveof"])
        .immutable()
        .several(),
    accepted("masterauth", Kind::Text, "", MASTER).secret(),
    accepted("masteruser", Kind::Text, "", MASTER).secret(),
    accepted("replica-serve-stale-data", Kind::Bool, "yes", REPLICATION).alias(&["slave-serve-stale-data"]),
    accepted("replica-read-only", Kind::Bool, "yes", REPLICATION).alias(&["slave-read-only"]),
    accepted("replica-ignore-maxmemory", Kind::Bool, "yes", REPLICATION).alias(&["slave-ignore-maxmemory"]),
    accepted("replica-lazy-flush", Kind::Bool, "no", REPLICATION).alias(&["slave-lazy-flush"]),
    accepted("replica-priority", int(INT_MAX), "100", REPLICATION).alias(&["slave-priority"]),
    accepted("replica-announced", Kind::Bool, "yes", REPLICATION),
    accepted("replica-announce-ip", Kind::Text, "", REPLICATION).alias(&["slave-announce-ip"]),
    accepted("replica-announce-port", PORT, "0", REPLICATION).alias(&["slave-announce-port"]),
    accepted("replica-ignore-disk-write-errors", Kind::Bool, "no", REPLICATION),
    accepted("propagation-error-behavior", Kind::Choice(ON_ERROR), "ignore", REPLICATION),
    accepted("repl-diskless-sync", Kind::Bool, "yes", REPLICATION),
    accepted("repl-diskless-sync-delay", int(INT_MAX), "5", REPLICATION),
    accepted("repl-diskless-sync-max-replicas", int(INT_MAX), "0", REPLICATION),
    accepted("repl-diskless-load", Kind::Choice(DISKLESS_LOAD), "disabled", REPLICATION),
    accepted("repl-ping-replica-period", positive(INT_MAX), "10", REPLICATION)
        .alias(&["repl-ping-slave-period"]),
    accepted("repl-timeout", positive(INT_MAX), "60", REPLICATION),
    accepted("repl-disable-tcp-nodelay", Kind::Bool, "no", REPLICATION),
    accepted("repl-backlog-size", Kind::Memory(1, i64::MAX as u64), "1048576", REPLICATION),
    accepted("repl-backlog-ttl", int(i64::MAX), "3600", REPLICATION),
    accepted("min-replicas-to-write", int(INT_MAX), "0", REPLICATION).alias(&["min-slaves-to-write"]),
    accepted("min-replicas-max-lag", int(INT_MAX), "10", REPLICATION).alias(&["min-slaves-max-lag"]),
];

const MASTER: &str = "this server does not replicate from a master; it serves its own dataset";
const REPLICATION: &str = "this server has no replicas";
const ON_ERROR: &[&str] = &["ignore", "panic", "panic-on-replicas"];
const DISKLESS_LOAD: &[&str] = &["disabled", "on-empty-db", "swapdb"];
