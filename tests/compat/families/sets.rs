//! Sets. What chance draws is compared by its size only, and SPOP takes nothing or everything.

use super::Family;

pub const FAMILY: Family = Family {
    name: "sets",
    required: true,
    forms: &[
        (20, "SADD key ( member )+"),
        (6, "SADD key int int int int"),
        (8, "SREM key ( member )+"),
        (5, "SMOVE key key member"),
        (4, "SISMEMBER key member"),
        (4, "SMISMEMBER key ( member )+"),
        (4, "SCARD key"),
        (5, "SMEMBERS key"),
        (3, "SPOP key popcount"),
        (3, "SRANDMEMBER key [ draws ]"),
        (5, "SUNION ( key )+"),
        (5, "SINTER ( key )+"),
        (5, "SDIFF ( key )+"),
        (5, "SUNIONSTORE key ( key )+"),
        (5, "SINTERSTORE key ( key )+"),
        (5, "SDIFFSTORE key ( key )+"),
        (6, "SINTERCARD numkeys ( key )+ [ LIMIT ( int | index ) ]"),
        (5, "SSCAN key cursor { MATCH pattern ; COUNT count ; NOVALUES ; TYPE type }"),
        (3, "CONFIG SET SET-MAX-INTSET-ENTRIES ( 3 | 0 | 512 )"),
        (6, "OBJECT ENCODING key"),
        (2, "TYPE key"),
        (2, "SET key value"),
        (1, "COPY key key"),
        (1, "RENAME key key"),
        (1, "DEL key"),
    ],
    readers: &[("set", "SMEMBERS KEY"), ("set", "OBJECT ENCODING KEY")],
    reset: &["CONFIG SET set-max-intset-entries 512"],
};
