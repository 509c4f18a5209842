//! ForgeKV: a drop-in Redis server.

pub mod resp;
pub mod util;
