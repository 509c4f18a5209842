//! Commands on keys of any type.

use super::Family;

pub const FAMILY: Family = Family {
    name: "keys",
    required: true,
    forms: &[
        (5, "DEL ( key )+"),
        (3, "UNLINK ( key )+"),
        (4, "EXISTS ( key )+"),
        (3, "TOUCH ( key )+"),
        (4, "TYPE key"),
        (4, "KEYS pattern"),
        (6, "SCAN cursor { MATCH pattern ; COUNT count ; TYPE type }"),
        (2, "RANDOMKEY"),
        (1, "DUMP key"),
        (1, "RESTORE key ms junk { REPLACE ; ABSTTL ; IDLETIME int ; FREQ small ; junk }"),
        (5, "RENAME key key"),
        (4, "RENAMENX key key"),
        (6, "COPY key key { DB db ; REPLACE }"),
        (4, "MOVE key db"),
        (6, "EXPIRE key seconds { NX ; XX ; GT ; LT }"),
        (5, "PEXPIRE key ms { NX ; XX ; GT ; LT }"),
        (5, "EXPIREAT key unix { NX ; XX ; GT ; LT }"),
        (5, "PEXPIREAT key unixms { NX ; XX ; GT ; LT }"),
        (4, "TTL key"),
        (4, "PTTL key"),
        (3, "EXPIRETIME key"),
        (3, "PEXPIRETIME key"),
        (4, "PERSIST key"),
        (6, "OBJECT ( ENCODING | REFCOUNT | FREQ | IDLETIME ) key"),
        (1, "OBJECT ( HELP | NOSUCH | ENCODING )"),
    ],
    readers: &[],
    reset: &[],
};
