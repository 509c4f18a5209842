//! Bitmaps: strings seen as bits.

use super::Family;

pub const FAMILY: Family = Family {
    name: "bitmaps",
    required: true,
    forms: &[
        (8, "SETBIT key offset bit"),
        (5, "GETBIT key offset"),
        (6, "BITCOUNT key [ index index [ ( BIT | BYTE ) ] ]"),
        (7, "BITPOS key bit [ index [ index [ ( BIT | BYTE ) ] ] ]"),
        (6, "BITOP ( AND | OR | XOR ) key ( key )+"),
        (3, "BITOP NOT key key"),
        (
            10,
            "BITFIELD key ( GET width place | SET width place int | INCRBY width place int | OVERFLOW ( WRAP | SAT | FAIL ) )+",
        ),
        (5, "BITFIELD_RO key ( GET width place )+"),
        (1, "BITFIELD_RO key SET width place int"),
        (1, "BITFIELD key"),
    ],
    readers: &[],
    reset: &[],
};
