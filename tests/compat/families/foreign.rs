//! Keys of the other types, so that every command meets a key of the wrong one. What these commands do themselves is the
//! business of their own families.

use super::Family;

pub const FAMILY: Family = Family {
    name: "foreign",
    required: false,
    forms: &[
        (3, "LPUSH key value"),
        (3, "SADD key value"),
        (3, "HSET key name value"),
        (3, "ZADD key int name"),
    ],
    readers: &[],
    reset: &[],
};
