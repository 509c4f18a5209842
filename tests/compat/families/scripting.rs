//! Scripts and functions: what they may call, how values are converted both ways, and their errors.

use super::Family;

pub const FAMILY: Family = Family {
    name: "scripting",
    required: true,
    forms: &[
        (30, "EVAL script ( 0 | 1 key | 1 key | 2 key key ) [ luaarg ]"),
        (6, "EVAL_RO script ( 0 | 1 key | 2 key key ) [ luaarg ]"),
        (1, "EVAL script int key [ luaarg ]"),
        (5, "SCRIPT LOAD script"),
        (8, "EVALSHA sha ( 0 | 1 key | 2 key key ) [ luaarg ]"),
        (3, "EVALSHA_RO sha ( 0 | 1 key | 2 key key ) [ luaarg ]"),
        (3, "SCRIPT EXISTS ( sha )+"),
        (1, "SCRIPT FLUSH [ ( ASYNC | SYNC | junk ) ]"),
        (1, "SCRIPT ( KILL | HELP | NOSUCH | LOAD | EXISTS )"),
        (12, "FUNCTION LOAD [ REPLACE ] library"),
        (16, "FCALL function ( 0 | 1 key | 1 key | 2 key key ) [ luaarg ]"),
        (5, "FCALL_RO function ( 0 | 1 key | 2 key key ) [ luaarg ]"),
        (1, "FCALL function int key [ luaarg ]"),
        (4, "FUNCTION LIST { LIBRARYNAME libname ; WITHCODE }"),
        (3, "FUNCTION DELETE libname"),
        (1, "FUNCTION FLUSH [ ( ASYNC | SYNC | junk ) ]"),
        (1, "FUNCTION RESTORE junk [ ( FLUSH | APPEND | REPLACE | junk ) ]"),
        (1, "FUNCTION ( STATS | KILL | HELP | NOSUCH | LOAD | DELETE | LIST )"),
        (4, "SET key luaarg"),
        (2, "RPUSH key ( value )+"),
        (2, "HSET key field value"),
        (1, "ZADD key score scored"),
        (1, "DEL key"),
    ],
    readers: &[],
    reset: &["SCRIPT FLUSH", "FUNCTION FLUSH"],
};
