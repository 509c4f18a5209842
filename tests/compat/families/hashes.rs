//! Hashes, without the expiry of fields, which the oracle has not.

use super::Family;

pub const FAMILY: Family = Family {
    name: "hashes",
    required: true,
    forms: &[
        (20, "HSET key ( field value )+"),
        (4, "HMSET key ( field value )+"),
        (5, "HSETNX key field value"),
        (5, "HGET key field"),
        (5, "HMGET key ( field )+"),
        (5, "HGETALL key"),
        (4, "HKEYS key"),
        (4, "HVALS key"),
        (4, "HLEN key"),
        (4, "HSTRLEN key field"),
        (4, "HEXISTS key field"),
        (8, "HDEL key ( field )+"),
        (8, "HINCRBY key field int"),
        (8, "HINCRBYFLOAT key field float"),
        (3, "HRANDFIELD key [ draws [ WITHVALUES ] ]"),
        (5, "HSCAN key cursor { MATCH pattern ; COUNT count ; TYPE type }"),
        (3, "CONFIG SET HASH-MAX-LISTPACK-ENTRIES ( 2 | 0 | 128 )"),
        (2, "CONFIG SET HASH-MAX-LISTPACK-VALUE ( 3 | 0 | 64 )"),
        (6, "OBJECT ENCODING key"),
        (2, "TYPE key"),
        (2, "SET key value"),
        (1, "COPY key key"),
        (1, "RENAME key key"),
        (1, "DEL key"),
    ],
    readers: &[("hash", "HGETALL KEY"), ("hash", "OBJECT ENCODING KEY")],
    reset: &["CONFIG SET hash-max-listpack-entries 128 hash-max-listpack-value 64"],
};
