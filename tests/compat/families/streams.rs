//! Streams. Ids are explicit or partial, so that both servers have the same; nobody waits.

use super::Family;

pub const FAMILY: Family = Family {
    name: "streams",
    required: true,
    forms: &[
        (14, "XADD key newid ( item value )+"),
        (
            6,
            "XADD key { NOMKSTREAM ; MAXLEN [ ( = | ~ ) ] few ; MINID [ ( = | ~ ) ] sid ; LIMIT few } newid ( item value )+",
        ),
        (2, "XLEN key"),
        (5, "XRANGE key idbound idbound [ COUNT few ]"),
        (4, "XREVRANGE key idbound idbound [ COUNT few ]"),
        (5, "XDEL key ( sid )+"),
        (4, "XTRIM key ( MAXLEN | MINID ) [ ( = | ~ ) ] ( few | sid ) { LIMIT few }"),
        (3, "XSETID key sid { ENTRIESADDED few ; MAXDELETEDID sid }"),
        (4, "XREAD { COUNT few } STREAMS key readid"),
        (2, "XREAD { COUNT few } STREAMS key key readid readid"),
        // Where nothing is there they must not wait.
        (1, "XREAD { COUNT few } BLOCK 1 STREAMS key readid"),
        (1, "XREADGROUP GROUP group consumer { COUNT few ; NOACK } BLOCK 1 STREAMS key >"),
        (1, "XREAD { COUNT few ; NOACK ; GROUP group consumer } STREAMS key key readid"),
        (8, "XREADGROUP GROUP group consumer { COUNT few ; NOACK } STREAMS key ( > | > | sid )"),
        (
            2,
            "XREADGROUP { COUNT few ; GROUP group consumer ; NOACK } STREAMS key key ( > | readid ) ( > | readid )",
        ),
        (8, "XGROUP CREATE key group ( $ | sid ) { MKSTREAM ; ENTRIESREAD few }"),
        (3, "XGROUP SETID key group ( $ | idbound ) { ENTRIESREAD few }"),
        (1, "XGROUP DESTROY key group"),
        (2, "XGROUP CREATECONSUMER key group consumer"),
        (2, "XGROUP DELCONSUMER key group consumer"),
        (1, "XGROUP ( HELP | CREATE | SETID | NOSUCH )"),
        (4, "XACK key group ( sid )+"),
        (
            7,
            "XCLAIM key group consumer idle ( sid )+ { IDLE idle ; TIME unixms ; RETRYCOUNT few ; FORCE ; FORCE ; JUSTID ; LASTID sid }",
        ),
        (5, "XAUTOCLAIM key group consumer idle idbound { COUNT few ; JUSTID }"),
        (2, "XPENDING key group"),
        (4, "XPENDING key group [ IDLE idle ] idbound idbound few [ consumer ]"),
        (2, "XINFO STREAM key [ FULL { COUNT few } ]"),
        (1, "XINFO GROUPS key"),
        (1, "XINFO CONSUMERS key group"),
        (1, "XINFO ( HELP | STREAM | NOSUCH )"),
        (2, "CONFIG SET STREAM-NODE-MAX-ENTRIES ( 0 | 1 | 2 | 3 | 100 )"),
        (1, "CONFIG SET STREAM-NODE-MAX-BYTES ( 0 | 1 | 40 | 4096 )"),
        (1, "COPY key key [ REPLACE ]"),
        (1, "RENAME key key"),
        (1, "SET key value"),
        (1, "DEL key"),
    ],
    readers: &[
        ("stream", "XRANGE KEY - +"),
        ("stream", "XINFO STREAM KEY FULL COUNT 0"),
        ("stream", "XREVRANGE KEY + - COUNT 5"),
    ],
    reset: &["CONFIG SET stream-node-max-entries 100 stream-node-max-bytes 4096"],
};
