//! The numbers of the object types that Redis 7.4 and its predecessors write.
//!
//! Valkey 9 gives 22 another meaning (a hash with expiring fields); its files begin with another word.

/// A string.
pub const STRING: u8 = 0;
/// A list: its length and its elements. Not written since 3.2.
pub const LIST: u8 = 1;
/// A set: its size and its members.
pub const SET: u8 = 2;
/// A sorted set with scores as text. Not written since 4.0.
pub const ZSET: u8 = 3;
/// A hash: its size, fields and values.
pub const HASH: u8 = 4;
/// A sorted set with scores as doubles, from the highest to the lowest.
pub const ZSET_2: u8 = 5;
/// A module's value as the release candidates of 4.0 wrote it; its end cannot be found.
pub const MODULE_PRE_GA: u8 = 6;
/// A module's value.
pub const MODULE_2: u8 = 7;
/// A small hash before 2.6.
pub const HASH_ZIPMAP: u8 = 9;
/// A small list before 3.2.
pub const LIST_ZIPLIST: u8 = 10;
/// A small set of integers.
pub const SET_INTSET: u8 = 11;
/// A small sorted set before 7.0.
pub const ZSET_ZIPLIST: u8 = 12;
/// A small hash before 7.0.
pub const HASH_ZIPLIST: u8 = 13;
/// A list before 7.0: ziplists.
pub const LIST_QUICKLIST: u8 = 14;
/// A stream before 7.0.
pub const STREAM_LISTPACKS: u8 = 15;
/// A small hash.
pub const HASH_LISTPACK: u8 = 16;
/// A small sorted set.
pub const ZSET_LISTPACK: u8 = 17;
/// A list: listpacks and plain nodes.
pub const LIST_QUICKLIST_2: u8 = 18;
/// A stream before 7.2: without each consumer's active time.
pub const STREAM_LISTPACKS_2: u8 = 19;
/// A small set. Since 7.2.
pub const SET_LISTPACK: u8 = 20;
/// A stream. Since 7.2.
pub const STREAM_LISTPACKS_3: u8 = 21;
/// A hash with expiring fields as the release candidates of 7.4 wrote it.
pub const HASH_METADATA_PRE_GA: u8 = 22;
/// A small hash with expiring fields as the release candidates of 7.4 wrote it.
pub const HASH_LISTPACK_EX_PRE_GA: u8 = 23;
/// A hash with expiring fields. Since 7.4.
pub const HASH_METADATA: u8 = 24;
/// A small hash with expiring fields. Since 7.4.
pub const HASH_LISTPACK_EX: u8 = 25;

/// The name that TYPE replies with; `None` if such objects cannot be read.
pub fn kind(number: u8) -> Option<&'static str> {
    Some(match number {
        STRING => "string",
        LIST | LIST_ZIPLIST | LIST_QUICKLIST | LIST_QUICKLIST_2 => "list",
        SET | SET_INTSET | SET_LISTPACK => "set",
        ZSET | ZSET_2 | ZSET_ZIPLIST | ZSET_LISTPACK => "zset",
        HASH | HASH_ZIPMAP | HASH_ZIPLIST | HASH_LISTPACK | HASH_METADATA | HASH_LISTPACK_EX => "hash",
        STREAM_LISTPACKS | STREAM_LISTPACKS_2 | STREAM_LISTPACKS_3 => "stream",
        _ => return None,
    })
}

/// What a type is called in messages; `None` if the number belongs to none.
pub fn name(number: u8) -> Option<&'static str> {
    Some(match number {
        STRING => "string",
        LIST => "list",
        SET => "set",
        ZSET => "sorted set with text scores",
        HASH => "hash",
        ZSET_2 => "sorted set",
        MODULE_PRE_GA => "module value of a 4.0 release candidate",
        MODULE_2 => "module value",
        HASH_ZIPMAP => "hash as a zipmap",
        LIST_ZIPLIST => "list as a ziplist",
        SET_INTSET => "set as an intset",
        ZSET_ZIPLIST => "sorted set as a ziplist",
        HASH_ZIPLIST => "hash as a ziplist",
        LIST_QUICKLIST => "list as a quicklist of ziplists",
        STREAM_LISTPACKS => "stream, version 1",
        HASH_LISTPACK => "hash as a listpack",
        ZSET_LISTPACK => "sorted set as a listpack",
        LIST_QUICKLIST_2 => "list as a quicklist of listpacks",
        STREAM_LISTPACKS_2 => "stream, version 2",
        SET_LISTPACK => "set as a listpack",
        STREAM_LISTPACKS_3 => "stream, version 3",
        HASH_METADATA_PRE_GA => "hash with expiring fields of Valkey 9 or a 7.4 release candidate",
        HASH_LISTPACK_EX_PRE_GA => "hash with expiring fields as a listpack of a 7.4 release candidate",
        HASH_METADATA => "hash with expiring fields",
        HASH_LISTPACK_EX => "hash with expiring fields as a listpack",
        _ => return None,
    })
}
