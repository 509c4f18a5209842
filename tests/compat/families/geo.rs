//! Geospatial indexes.

use super::Family;

pub const FAMILY: Family = Family {
    name: "geo",
    required: true,
    forms: &[
        (20, "GEOADD key { NX ; XX ; CH } ( longitude latitude scored )+"),
        (10, "GEOADD key ( longitude latitude scored )+"),
        (2, "ZADD key score scored"),
        (5, "GEOPOS key ( scored )+"),
        (5, "GEOHASH key ( scored )+"),
        (5, "GEODIST key scored scored [ unit ]"),
        (
            8,
            "GEOSEARCH key ( FROMMEMBER scored | FROMLONLAT longitude latitude ) ( BYRADIUS radius unit | BYBOX radius radius unit ) \
             { ASC ; DESC ; COUNT count ; COUNT count ANY ; WITHCOORD ; WITHDIST ; WITHHASH }",
        ),
        (
            3,
            "GEOSEARCH key { FROMMEMBER scored ; FROMLONLAT longitude latitude ; BYRADIUS radius unit ; BYBOX radius radius unit ; \
             ASC ; DESC ; COUNT count ; ANY ; WITHCOORD ; WITHDIST ; WITHHASH }",
        ),
        (
            5,
            "GEOSEARCHSTORE key key ( FROMMEMBER scored | FROMLONLAT longitude latitude ) ( BYRADIUS radius unit | BYBOX radius radius unit ) \
             { ASC ; DESC ; COUNT count ; COUNT count ANY ; STOREDIST ; WITHCOORD }",
        ),
        (
            5,
            "GEORADIUS key longitude latitude radius unit { ASC ; DESC ; COUNT count ; COUNT count ANY ; WITHCOORD ; WITHDIST ; \
             WITHHASH ; STORE key ; STOREDIST key }",
        ),
        (
            5,
            "GEORADIUSBYMEMBER key scored radius unit { ASC ; DESC ; COUNT count ; COUNT count ANY ; WITHCOORD ; WITHDIST ; \
             WITHHASH ; STORE key ; STOREDIST key }",
        ),
        (
            3,
            "GEORADIUS_RO key longitude latitude radius unit { ASC ; DESC ; COUNT count ; COUNT count ANY ; WITHCOORD ; WITHDIST ; \
             WITHHASH ; STORE key }",
        ),
        (
            3,
            "GEORADIUSBYMEMBER_RO key scored radius unit { ASC ; DESC ; COUNT count ; COUNT count ANY ; WITHCOORD ; WITHDIST ; \
             WITHHASH ; STOREDIST key }",
        ),
        (2, "CONFIG SET ZSET-MAX-LISTPACK-ENTRIES ( 0 | 5 )"),
    ],
    readers: &[],
    reset: &[],
};
