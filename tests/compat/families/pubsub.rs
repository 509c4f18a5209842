//! Publishing to nobody, and asking who listens. Messages and events are in `events`.

use super::Family;

pub const FAMILY: Family = Family {
    name: "pubsub",
    required: true,
    forms: &[
        (3, "PUBLISH name value"),
        (2, "SPUBLISH name value"),
        (1, "PUBSUB ( CHANNELS | SHARDCHANNELS ) [ pattern ]"),
        (1, "PUBSUB ( NUMSUB | SHARDNUMSUB ) [ ( name )+ ]"),
        (1, "PUBSUB ( NUMPAT | HELP | NOSUCH | junk )"),
    ],
    readers: &[],
    reset: &[],
};
