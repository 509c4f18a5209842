//! Rows: how many clients there may be, and how much each may ask for.

use super::super::kind;
use super::super::values::{OutputLimit, OutputLimits};
use super::{Directive, accepted, here, int, number, positive};
use crate::config::kind::Kind;

pub(super) const ROWS: &[Directive] = &[
    here(
        "maxclients",
        positive(u32::MAX as i64),
        "10000",
        |v, text| v.maxclients = number(text),
        "Most clients connected at once; the next one gets an error and is closed.",
    ),
    here(
        "client-query-buffer-limit",
        Kind::Memory(1 << 20, i64::MAX as u64),
        "1073741824",
        |v, text| v.client_query_buffer_limit = number(text),
        "Most bytes of request a client may have waiting before it is closed.",
    ),
    here(
        "proto-max-bulk-len",
        Kind::Memory(1 << 20, i64::MAX as u64),
        "536870912",
        |v, text| v.proto_max_bulk_len = number(text),
        "Longest single string of a request.",
    ),
    here(
        "client-output-buffer-limit",
        Kind::Custom(kind::output_limits),
        "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60",
        |v, text| v.client_output_buffer_limit = output_limits(text),
        "Unsent reply bytes at which a client is closed, for the classes normal, replica and pubsub.",
    )
    .several(),
    here(
        "tracking-table-max-keys",
        int(i64::MAX),
        "1000000",
        |v, text| v.tracking_table_max_keys = number(text),
        "Most keys remembered for client-side caching before some are invalidated early; 0 is no bound.",
    ),
    accepted(
        "maxmemory-clients",
        Kind::MemoryOrPercent,
        "0",
        "each client's buffers are bounded by themselves",
    ),
];

fn output_limits(text: &str) -> OutputLimits {
    let numbers: Vec<u64> = text.split(' ').filter_map(|field| field.parse().ok()).collect();
    let limit = |class: usize| match numbers.get(class * 3..class * 3 + 3) {
        Some(&[hard_bytes, soft_bytes, soft_seconds]) => OutputLimit { hard_bytes, soft_bytes, soft_seconds },
        _ => OutputLimit::default(),
    };
    OutputLimits { normal: limit(0), replica: limit(1), pubsub: limit(2) }
}
