//! ForgeKV: a drop-in Redis server that uses every core and never loses an acknowledged write.
//!
//! # Threads
//!
//! ```text
//! acceptor ──► worker 0 … N−1 ──► 64 locked shards ──► 64 log buffers ──► log ──► disk
//!              (own poll loop)      ▲    ▲     ▲ │                         │       ▲ │
//!                  ▲              cron  cache  │ └──── checkpoint ─────────┼───────┘ │
//!                  │                           └────── io 0 … M−1 ◄────────┼─────────┘
//!                  └──────────────── durable mark ◄────────────────────────┘   compact
//! ```
//!
//! Dirty keys reach runs on disk through `checkpoint`, cold keys come back through `io`, `cache` lets clean keys leave RAM,
//! `compact` merges runs, `cron` expires, `drop` frees what is big.
//!
//! # Life of a request
//!
//! A worker's poll says that a connection is readable. [`net::connection`] reads once; [`net`]'s batch parses up to sixteen
//! commands ahead ([`resp::request`]), looks them up ([`commands::table`]) and prefetches their keys. Each is then executed in
//! order ([`commands::dispatch`]): checks, locks on its keys' shards ([`store::lock`]), handler, one record in the log
//! ([`store::keyspace`]), locks released. A command whose key is on disk only puts its connection aside until the key is in RAM
//! ([`store::residence`]), and runs again. What others are to be told, who subscribed or track keys ([`pubsub`]), leaves at the end
//! of the turn for their workers. The replies ([`resp::reply`]) leave in one write behind the round of turns ([`net::unsent`]);
//! with `wal_sync_mode always` not before the log thread has synced what they depend on.
//!
//! # Reading order
//!
//! [`server`] (what runs), [`net::worker`], [`net::connection`], [`commands::spec`], [`commands::dispatch`], one family such as
//! [`commands::strings`], [`store`], [`store::db`], [`store::lock`], [`store::table`]; then [`store::shard`], [`store::checkpoint`],
//! [`store::residence`], [`store::cache`]; then the `storage` crate.

pub mod allocator;
pub mod client;
pub mod commands;
pub mod config;
pub mod net;
pub mod pubsub;
pub mod rdb;
pub mod resp;
pub mod script;
pub mod server;
pub mod stats;
pub mod store;
pub mod sys;
pub mod tools;
pub mod types;
pub mod util;

/// The Redis version whose behaviour the server has, and that it tells clients which look at versions.
pub const REDIS_VERSION: &str = "7.4.1";
