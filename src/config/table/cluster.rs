//! Rows: Redis Cluster.

use super::super::kind;
use super::{Directive, INT_MAX, MEMORY, PORT, accepted, int};
use crate::config::kind::Kind;

pub(super) const ROWS: &[Directive] = &[
    accepted("cluster-enabled", Kind::Bool, "no", CLUSTER).immutable(),
    accepted("cluster-config-file", Kind::Text, "nodes.conf", CLUSTER).immutable(),
    accepted("cluster-node-timeout", int(i64::MAX), "15000", CLUSTER),
    accepted("cluster-port", PORT, "0", CLUSTER).immutable(),
    accepted("cluster-announce-ip", Kind::Text, "", CLUSTER),
    accepted("cluster-announce-hostname", Kind::Custom(kind::hostname), "", CLUSTER),
    accepted("cluster-announce-human-nodename", Kind::Text, "", CLUSTER),
    accepted("cluster-announce-port", PORT, "0", CLUSTER),
    accepted("cluster-announce-tls-port", PORT, "0", CLUSTER),
    accepted("cluster-announce-bus-port", PORT, "0", CLUSTER),
    accepted("cluster-preferred-endpoint-type", Kind::Choice(ENDPOINTS), "ip", CLUSTER),
    accepted("cluster-replica-validity-factor", int(INT_MAX), "10", CLUSTER)
        .alias(&["cluster-slave-validity-factor"]),
    accepted("cluster-replica-no-failover", Kind::Bool, "no", CLUSTER).alias(&["cluster-slave-no-failover"]),
    accepted("cluster-migration-barrier", int(INT_MAX), "1", CLUSTER),
    accepted("cluster-allow-replica-migration", Kind::Bool, "yes", CLUSTER),
    accepted("cluster-require-full-coverage", Kind::Bool, "yes", CLUSTER),
    accepted("cluster-allow-reads-when-down", Kind::Bool, "no", CLUSTER),
    accepted("cluster-allow-pubsubshard-when-down", Kind::Bool, "yes", CLUSTER),
    accepted("cluster-link-sendbuf-limit", MEMORY, "0", CLUSTER),
];

const CLUSTER: &str = "this server is not part of a cluster";
const ENDPOINTS: &[&str] = &["ip", "hostname", "unknown-endpoint"];
