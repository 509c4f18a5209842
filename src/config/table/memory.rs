//! Rows: memory, eviction and expiry.

use super::super::values::MaxmemoryPolicy;
use super::{Directive, INT_MAX, accepted, here, int, number, positive, word};
use crate::config::kind::Kind;

pub(super) const ROWS: &[Directive] = &[
    here(
        "memtable_size_mb",
        int(1 << 30),
        "0",
        |v, text| v.memtable_size_mb = number(text),
        "RAM for the dataset's cache, in MiB; 0 is six tenths of what the machine or its container has.",
    ),
    here(
        "maxmemory",
        Kind::Memory(0, u64::MAX),
        "0",
        |v, text| v.maxmemory = number(text),
        "Bytes of dataset at which keys are evicted, for good; 0 is no bound.",
    ),
    here(
        "maxmemory-policy",
        Kind::Choice(&[
            "volatile-lru",
            "volatile-lfu",
            "volatile-random",
            "volatile-ttl",
            "allkeys-lru",
            "allkeys-lfu",
            "allkeys-random",
            "noeviction",
        ]),
        "noeviction",
        |v, text| v.maxmemory_policy = policy(text),
        "Which keys maxmemory evicts.",
    ),
    here(
        "maxmemory-samples",
        positive(INT_MAX),
        "5",
        |v, text| v.maxmemory_samples = number(text),
        "Keys compared to choose one to evict.",
    ),
    accepted("maxmemory-eviction-tenacity", int(100), "10", "eviction runs in slices of bounded time"),
    here(
        "lfu-log-factor",
        int(INT_MAX),
        "10",
        |v, text| v.lfu_log_factor = number(text),
        "How slowly a key's frequency counter grows.",
    ),
    here(
        "lfu-decay-time",
        int(INT_MAX),
        "1",
        |v, text| v.lfu_decay_time = number(text),
        "Minutes after which an unused key's counter goes down; 0 is never.",
    ),
    accepted(
        "active-expire-effort",
        positive(10),
        "1",
        "keys that are due are deleted promptly whatever it says",
    ),
    accepted("lazyfree-lazy-eviction", Kind::Bool, "no", LAZY),
    accepted("lazyfree-lazy-expire", Kind::Bool, "no", LAZY),
    accepted("lazyfree-lazy-server-del", Kind::Bool, "no", LAZY),
    accepted("lazyfree-lazy-user-del", Kind::Bool, "no", LAZY),
    accepted("lazyfree-lazy-user-flush", Kind::Bool, "no", LAZY),
    accepted(
        "lazyexpire-nested-arbitrary-keys",
        Kind::Bool,
        "yes",
        "an expired key is removed wherever it is met",
    ),
    accepted("activedefrag", Kind::Bool, "no", DEFRAG),
    accepted("active-defrag-ignore-bytes", Kind::Memory(1, i64::MAX as u64), "104857600", DEFRAG),
    accepted("active-defrag-threshold-lower", int(1000), "10", DEFRAG),
    accepted("active-defrag-threshold-upper", int(1000), "100", DEFRAG),
    accepted("active-defrag-cycle-min", positive(99), "1", DEFRAG),
    accepted("active-defrag-cycle-max", positive(99), "25", DEFRAG),
    accepted("active-defrag-max-scan-fields", positive(i64::MAX), "1000", DEFRAG),
    accepted("jemalloc-bg-thread", Kind::Bool, "yes", "the allocator's own settings choose"),
];

const LAZY: &str = "big objects are always freed on a thread of their own";
const DEFRAG: &str = "memory is not defragmented in place";

fn policy(text: &str) -> MaxmemoryPolicy {
    let known = [
        ("volatile-lru", MaxmemoryPolicy::VolatileLru),
        ("volatile-lfu", MaxmemoryPolicy::VolatileLfu),
        ("volatile-random", MaxmemoryPolicy::VolatileRandom),
        ("volatile-ttl", MaxmemoryPolicy::VolatileTtl),
        ("allkeys-lru", MaxmemoryPolicy::AllkeysLru),
        ("allkeys-lfu", MaxmemoryPolicy::AllkeysLfu),
        ("allkeys-random", MaxmemoryPolicy::AllkeysRandom),
        ("noeviction", MaxmemoryPolicy::Noeviction),
    ];
    word(text, &known)
}
