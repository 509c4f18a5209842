//! The server and the session.

use super::Family;

pub const FAMILY: Family = Family {
    name: "server",
    required: true,
    forms: &[
        (3, "PING [ value ]"),
        (3, "ECHO value"),
        (6, "SELECT db"),
        (2, "DBSIZE"),
        (3, "SWAPDB db db"),
        (2, "FLUSHDB [ ( ASYNC | SYNC | junk ) ]"),
        (1, "FLUSHALL [ ( ASYNC | SYNC | junk ) ]"),
        (1, "COMMAND COUNT"),
        (
            3,
            "COMMAND INFO ( GET | SET | DEL | MSET | BITOP | EXPIRE | NOSUCH | PING | LCS | RENAME | COPY )+",
        ),
        (
            2,
            "COMMAND GETKEYS ( GET key | SET key value | MSET key value key value | DEL key key | BITOP AND key key key )",
        ),
        (
            2,
            "COMMAND GETKEYS ( PING | NOSUCH key | GET | COPY key key DB db | LCS key key | RENAME key key )",
        ),
        (1, "COMMAND NOSUCH"),
        (2, "CONFIG GET ( MAXMEMORY-POLICY | APPENDFSYNC | HZ | MAXMEMORY | NOSUCH | TIMEOUT )+"),
        (
            2,
            "CONFIG SET MAXMEMORY-POLICY ( ALLKEYS-LFU | NOEVICTION | VOLATILE-LRU | ALLKEYS-RANDOM | junk )",
        ),
        (1, "CONFIG SET ( NOSUCH junk | TIMEOUT 0 | HZ | MAXMEMORY | MAXMEMORY junk )"),
        (1, "CONFIG NOSUCH"),
        (3, "CLIENT SETNAME ( name | value )"),
        (2, "CLIENT GETNAME"),
        (1, "CLIENT ID"),
        (1, "CLIENT REPLY ( ON | OFF | SKIP | junk )"),
        (1, "CLIENT NO-EVICT ( ON | OFF | junk )"),
        (1, "CLIENT NOSUCH"),
        (3, "HELLO [ ( 2 | 3 | 3 | 1 | 4 | junk ) { SETNAME name ; AUTH DEFAULT name ; junk } ]"),
        (1, "AUTH ( junk | name name | DEFAULT name | )"),
        (1, "TIME"),
        (1, "NOSUCHCOMMAND ( value )+"),
    ],
    readers: &[],
    reset: &["CONFIG SET maxmemory-policy noeviction maxmemory 0 hz 10", "CLIENT NO-EVICT off"],
};
