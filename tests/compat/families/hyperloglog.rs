//! HyperLogLogs, and strings that look like one. GET compares them byte by byte.
//!
//! Redis takes the byte behind a string for the second one of a run that is cut off by its end; no form here makes such a run.

use super::Family;

pub const FAMILY: Family = Family {
    name: "hyperloglog",
    required: true,
    forms: &[
        (12, "PFADD key ( value )+"),
        (6, "PFADD key ( distinct )+"),
        (1, "PFADD key"),
        (8, "PFCOUNT key"),
        (5, "PFCOUNT key ( key )+"),
        (6, "PFMERGE key ( key )+"),
        (1, "PFMERGE key"),
        (2, "PFDEBUG ( GETREG | DECODE | ENCODING | TODENSE | NOSUCH ) key"),
        (3, "SET key hll"),
        (1, "SETBIT key offset bit"),
        (1, "COPY key key [ REPLACE ]"),
        (1, "STRLEN key"),
        (1, "DEL key"),
        (2, "CONFIG SET HLL-SPARSE-MAX-BYTES ( 0 | 20 | 30 | 100 | 3000 | 16000 )"),
    ],
    readers: &[],
    reset: &["CONFIG SET hll-sparse-max-bytes 3000"],
};
