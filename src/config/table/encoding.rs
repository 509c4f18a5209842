//! Rows: the sizes up to which collections keep their compact encodings.

use super::{Directive, INT_MAX, MEMORY, accepted, here, int, number};
use crate::config::kind::Kind;

pub(super) const ROWS: &[Directive] = &[
    here(
        "hash-max-listpack-entries",
        int(i64::MAX),
        "512",
        |v, text| v.limits.hash_max_listpack_entries = number(text),
        "Fields up to which a hash is a listpack.",
    )
    .alias(&["hash-max-ziplist-entries"]),
    here(
        "hash-max-listpack-value",
        MEMORY,
        "64",
        |v, text| v.limits.hash_max_listpack_value = number(text),
        "Longest field or value of such a hash, in bytes.",
    )
    .alias(&["hash-max-ziplist-value"]),
    here(
        "list-max-listpack-size",
        Kind::Int(i32::MIN as i64, INT_MAX),
        "-2",
        |v, text| v.limits.list_max_listpack_size = number(text),
        "Size of a list's node: entries if positive, -1 to -5 for 4 to 64 KiB.",
    )
    .alias(&["list-max-ziplist-size"]),
    accepted("list-compress-depth", int(INT_MAX), "0", "no node of a list is compressed"),
    here(
        "set-max-intset-entries",
        int(i64::MAX),
        "512",
        |v, text| v.limits.set_max_intset_entries = number(text),
        "Members up to which a set of integers is an intset.",
    ),
    here(
        "set-max-listpack-entries",
        int(i64::MAX),
        "128",
        |v, text| v.limits.set_max_listpack_entries = number(text),
        "Members up to which a set is a listpack.",
    ),
    here(
        "set-max-listpack-value",
        int(i64::MAX),
        "64",
        |v, text| v.limits.set_max_listpack_value = number(text),
        "Longest member of such a set, in bytes.",
    ),
    here(
        "zset-max-listpack-entries",
        int(i64::MAX),
        "128",
        |v, text| v.limits.zset_max_listpack_entries = number(text),
        "Members up to which a sorted set is a listpack.",
    )
    .alias(&["zset-max-ziplist-entries"]),
    here(
        "zset-max-listpack-value",
        MEMORY,
        "64",
        |v, text| v.limits.zset_max_listpack_value = number(text),
        "Longest member of such a sorted set, in bytes.",
    )
    .alias(&["zset-max-ziplist-value"]),
    here(
        "hll-sparse-max-bytes",
        MEMORY,
        "3000",
        |v, text| v.limits.hll_sparse_max_bytes = number(text),
        "Bytes up to which a HyperLogLog is sparse.",
    ),
    here(
        "stream-node-max-bytes",
        MEMORY,
        "4096",
        |v, text| v.limits.stream_node_max_bytes = number(text),
        "Bytes of one block of a stream; 0 is no bound.",
    ),
    here(
        "stream-node-max-entries",
        int(i64::MAX),
        "100",
        |v, text| v.limits.stream_node_max_entries = number(text),
        "Entries of one block of a stream; 0 is no bound.",
    ),
    accepted("list-max-ziplist-entries", Kind::Line(1, 1), "", OLD),
    accepted("list-max-ziplist-value", Kind::Line(1, 1), "", OLD),
];

const OLD: &str = "list-max-listpack-size replaced it in Redis 3.2";
