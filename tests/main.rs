//! The test suite: one binary, one module per behaviour family, helpers in `support`.
//!
//! `FORGEKV_TEST_ADDR=host:port` points every test at a server that is already running; `FORGEKV_BIN` names
//! another binary to start instead of the one cargo built. `FORGEKV_TEST_COLD=1` runs everything with the keys on disk.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "a test may panic, may touch files of its own directory, and reports on standard error"
)]

mod bitmaps;
mod blocking;
mod clients;
mod compat;
mod config;
mod connection;
mod crash;
mod dump;
mod eviction;
mod expire;
mod functions;
mod geo;
mod hash_expiry;
mod hashes;
mod hyperloglog;
mod introspection;
mod job_queue;
mod keys;
mod libraries;
mod linearizability;
mod lists;
mod migrate;
mod monitor;
mod network;
mod notifications;
mod persistence;
mod protocol;
mod pubsub;
mod rdb;
mod scan;
mod scripting;
mod server;
mod sets;
mod snapshots;
mod sort;
mod stream_groups;
mod streams;
mod strings;
mod support;
mod tidy;
mod tiering;
mod tracking;
mod transactions;
mod zsets;
