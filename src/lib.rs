//! ForgeKV: a drop-in Redis server.
