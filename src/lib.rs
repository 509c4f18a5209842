//! ForgeKV: a drop-in Redis server.

pub mod types;
pub mod util;
