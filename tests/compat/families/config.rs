//! Parameters: how their values are read, bounded and shown.
//!
//! Those of a Redis 7.0 that change nothing else in a sequence; what is set is undone before the next one.

use super::Family;

pub const FAMILY: Family = Family {
    name: "config",
    required: true,
    forms: &[
        (2, "CONFIG GET ( parameter )+"),
        (1, "CONFIG GET ( glob )+"),
        (1, "CONFIG GET ( parameter | glob | junk )+"),
        (
            2,
            "CONFIG SET MAXMEMORY-POLICY ( ALLKEYS-LFU | NOEVICTION | VOLATILE-LRU | ALLKEYS-RANDOM | VOLATILE-TTL | junk )",
        ),
        (1, "CONFIG SET ( NOSUCH junk | HZ | MAXMEMORY | MAXMEMORY size | MAXMEMORY junk )"),
        (2, "CONFIG SET ( number small | memory size | switch yes )+"),
        (1, "CONFIG SET ( DATABASES small | DAEMONIZE yes | UNIXSOCKET junk | parameter junk )"),
        (1, "CONFIG SET NOTIFY-KEYSPACE-EVENTS classes"),
        (1, "CONFIG SET CLIENT-OUTPUT-BUFFER-LIMIT limits"),
        (1, "CONFIG SET LATENCY-TRACKING-INFO-PERCENTILES percentiles"),
        (1, "CONFIG SET OOM-SCORE-ADJ-VALUES scores"),
        (1, "CONFIG SET ( LOGLEVEL | SANITIZE-DUMP-PAYLOAD ) ( NOTICE | NO | YES | junk )"),
        (1, "CONFIG SET REQUIREPASS ( secret | junk )"),
        (1, "CONFIG SET PROTO-MAX-BULK-LEN ( 1MB | 1048576 | 2MB | 512MB | 1048575 | junk )"),
        (1, "CONFIG NOSUCH"),
        (1, "CONFIG GET"),
    ],
    readers: &[],
    reset: &[
        "CONFIG SET maxmemory-policy noeviction maxmemory 0 hz 10 timeout 0 tcp-keepalive 300 slowlog-max-len 128 \
         slowlog-log-slower-than 10000 lfu-log-factor 10 lfu-decay-time 1 maxmemory-samples 5 active-expire-effort 1 \
         latency-monitor-threshold 0 tracking-table-max-keys 1000000 acllog-max-len 128 busy-reply-threshold 5000",
        "CONFIG SET hash-max-listpack-entries 128 hash-max-listpack-value 64 set-max-intset-entries 512 \
         zset-max-listpack-entries 128 zset-max-listpack-value 64 list-compress-depth 0 list-max-listpack-size -2 \
         hll-sparse-max-bytes 3000 stream-node-max-bytes 4096 stream-node-max-entries 100",
        "CONFIG SET lazyfree-lazy-eviction no lazyfree-lazy-expire no lazyfree-lazy-server-del no lazyfree-lazy-user-del \
         no lazyfree-lazy-user-flush no latency-tracking yes activedefrag no activerehashing yes",
        "CONFIG SET client-query-buffer-limit 1gb proto-max-bulk-len 512mb loglevel notice \
         oom-score-adj no sanitize-dump-payload no",
        "CONFIG SET notify-keyspace-events ''",
    ],
};
