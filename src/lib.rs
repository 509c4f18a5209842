//! ForgeKV: a drop-in Redis server.

pub mod store;
pub mod sys;
