//! Strings.

use super::Family;

pub const FAMILY: Family = Family {
    name: "strings",
    required: true,
    forms: &[
        (20, "SET key value { NX ; XX ; GET ; EX seconds ; PX ms ; EXAT unix ; PXAT unixms ; KEEPTTL }"),
        (10, "SET key value"),
        (8, "GET key"),
        (4, "GETSET key value"),
        (4, "GETDEL key"),
        (6, "GETEX key { EX seconds ; PX ms ; EXAT unix ; PXAT unixms ; PERSIST }"),
        (4, "SETNX key value"),
        (4, "SETEX key seconds value"),
        (4, "PSETEX key ms value"),
        (4, "MGET ( key )+"),
        (4, "MSET ( key value )+"),
        (4, "MSETNX ( key value )+"),
        (6, "APPEND key value"),
        (4, "STRLEN key"),
        (5, "GETRANGE key index index"),
        (3, "SUBSTR key index index"),
        (6, "SETRANGE key ( index | offset ) value"),
        (5, "INCR key"),
        (4, "DECR key"),
        (5, "INCRBY key int"),
        (4, "DECRBY key int"),
        (6, "INCRBYFLOAT key float"),
        (4, "SET key value GET { NX ; XX ; EX seconds ; PXAT unixms ; KEEPTTL }"),
        (3, "LCS key key IDX { MINMATCHLEN int ; WITHMATCHLEN }"),
        (6, "LCS key key { LEN ; IDX ; MINMATCHLEN int ; WITHMATCHLEN }"),
    ],
    readers: &[("string", "GET KEY")],
    reset: &[],
};
