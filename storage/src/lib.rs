//! ForgeKV storage engine.
