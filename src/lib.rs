//! ForgeKV: a drop-in Redis server.
pub mod config;
pub mod util;
