//! SORT and SORT_RO, with the keys that patterns lead to. What is sorted by texts that can be equal is not stored: how those
//! come to stand depends on the order they had.

use super::Family;

pub const FAMILY: Family = Family {
    name: "sort",
    required: true,
    forms: &[
        (8, "RPUSH key ( sortable )+"),
        (5, "SADD key ( sortable )+"),
        (6, "ZADD key ( score sortable )+"),
        (8, "SET weightkey ( sortable | score )"),
        (6, "HSET hashkey field sortable"),
        (1, "RPUSH weightkey sortable"),
        (6, "SORT key { LIMIT index index ; ( ASC | DESC ) ; ALPHA ; STORE key }"),
        (8, "SORT key ALPHA { LIMIT index index ; ( GET getpattern )+ ; ( ASC | DESC ) ; STORE key }"),
        (6, "SORT key BY bypattern { LIMIT index index ; ( GET getpattern )+ ; ( ASC | DESC ) ; STORE key }"),
        (5, "SORT key BY bypattern ALPHA { LIMIT index index ; ( GET getpattern )+ ; ( ASC | DESC ) }"),
        (5, "SORT key BY NOSORT { LIMIT index index ; ( GET getpattern )+ ; ( ASC | DESC ) ; STORE key }"),
        (
            5,
            "SORT_RO key { BY bypattern ; LIMIT index index ; ( GET getpattern )+ ; ( ASC | DESC ) ; ALPHA ; junk }",
        ),
        (1, "SORT key { BY ; LIMIT ; LIMIT index ; GET ; STORE ; junk ; ASC }"),
        (
            1,
            "COMMAND GETKEYS ( SORT | SORT_RO ) key { LIMIT index index ; STORE key ; GET STORE ; BY STORE ; junk }",
        ),
        (1, "CONFIG SET ZSET-MAX-LISTPACK-ENTRIES ( 0 | 128 )"),
        (1, "CONFIG SET SET-MAX-INTSET-ENTRIES ( 0 | 512 )"),
        (2, "DEL key"),
        (1, "SET key value"),
    ],
    readers: &[],
    reset: &[],
};
