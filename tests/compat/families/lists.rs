//! Lists.

use super::Family;

pub const FAMILY: Family = Family {
    name: "lists",
    required: true,
    forms: &[
        (12, "RPUSH key ( value )+"),
        (10, "LPUSH key ( value )+"),
        (6, "RPUSH key ( element )+"),
        (
            4,
            "RPUSH key element element element element element element element element element element element",
        ),
        (3, "LPUSH key long element"),
        (3, "LPUSHX key ( value )+"),
        (3, "RPUSHX key ( value )+"),
        (5, "LPOP key [ count ]"),
        (5, "RPOP key [ count ]"),
        (3, "LLEN key"),
        (6, "LRANGE key index index"),
        (5, "LINDEX key index"),
        (5, "LSET key index ( element | value | long )"),
        (5, "LINSERT key ( BEFORE | AFTER ) element ( element | value | long )"),
        (5, "LREM key ( index | int ) element"),
        (4, "LTRIM key index index"),
        (6, "LPOS key element { RANK index ; COUNT small ; MAXLEN small }"),
        (6, "LMOVE key key ( LEFT | RIGHT ) ( LEFT | RIGHT )"),
        (4, "RPOPLPUSH key key"),
        (5, "LMPOP ( 1 key | 2 key key | 3 key key key ) ( LEFT | RIGHT ) { COUNT count }"),
        (1, "LMPOP int key key ( LEFT | RIGHT ) { COUNT count }"),
        // Where nothing is there they must not wait.
        (3, "BLPOP ( key )+ 0.001"),
        (3, "BRPOP ( key )+ 0.001"),
        (3, "BLMOVE key key ( LEFT | RIGHT ) ( LEFT | RIGHT ) 0.001"),
        (2, "BRPOPLPUSH key key 0.001"),
        (3, "BLMPOP 0.001 ( 1 key | 2 key key | 3 key key key ) ( LEFT | RIGHT ) { COUNT count }"),
        (2, "CONFIG SET LIST-MAX-LISTPACK-SIZE ( -2 | 2 | 5 | -1 )"),
        (3, "DEL key"),
        (2, "SET key value"),
    ],
    readers: &[("list", "LRANGE KEY 0 -1")],
    // Redis looks at clients whose time is over as often as that.
    reset: &["CONFIG SET list-max-listpack-size -2", "CONFIG SET hz 500"],
};
