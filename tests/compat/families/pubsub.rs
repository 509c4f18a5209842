//! Publishing and looking at subscriptions, and how reads are tracked. Nobody subscribes: one command would have several
//! replies. `events` compares what listeners are told.

use super::Family;

pub const FAMILY: Family = Family {
    name: "pubsub",
    required: true,
    forms: &[
        (3, "PUBLISH key value"),
        (2, "SPUBLISH key value"),
        (1, "PUBSUB CHANNELS [ pattern ]"),
        (1, "PUBSUB SHARDCHANNELS [ pattern ]"),
        (1, "PUBSUB NUMSUB ( key )+"),
        (1, "PUBSUB SHARDNUMSUB ( key )+"),
        (1, "PUBSUB NUMPAT"),
        (1, "PUBSUB ( HELP | NOSUCH | NUMSUB | SHARDNUMSUB )"),
        (
            8,
            "CLIENT TRACKING ( ON | ON | OFF | junk ) { BCAST ; OPTIN ; OPTOUT ; NOLOOP ; PREFIX name ; PREFIX key ; REDIRECT ( 0 | -1 | 99999999999 | junk ) }",
        ),
        (2, "CLIENT TRACKING ON BCAST { PREFIX name ; PREFIX key ; PREFIX value ; NOLOOP }"),
        (2, "CLIENT TRACKING OFF"),
        (3, "CLIENT CACHING ( YES | NO | junk )"),
        (4, "CLIENT TRACKINGINFO"),
        (2, "CLIENT GETREDIR"),
        (2, "CLIENT INFO"),
        (2, "GET key"),
        (2, "SET key value"),
    ],
    readers: &[],
    reset: &[],
};
