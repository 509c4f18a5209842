//! Strings about as long as they may be, with the bound lowered to what is quick.

use super::Family;

pub const FAMILY: Family = Family {
    name: "limits",
    required: true,
    forms: &[
        (1, "CONFIG SET PROTO-MAX-BULK-LEN ( 1MB | 1048576 )"),
        (1, "SETRANGE key far value"),
        (1, "SETBIT key far bit"),
        (1, "APPEND key huge"),
        (
            1,
            "BITFIELD key OVERFLOW ( WRAP | SAT | FAIL ) ( SET width far int | INCRBY width far int | GET width far )+",
        ),
        (1, "GETBIT key far"),
    ],
    readers: &[],
    reset: &[],
};
