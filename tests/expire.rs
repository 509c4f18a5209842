//! Times to live.
