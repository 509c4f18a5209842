//! Lua scripts and function libraries.
//!
//! ```text
//! EVAL, FCALL ──► Interpreter (one a thread) ──► Lua ──► redis.call ──► Host ──► dispatch, inside the same locks
//!                   │ compiled functions, by SHA and by library
//!                   └── Scripts, Libraries: texts, shared by all threads
//! ```
//!
//! * [`stack`] is the boundary to C, [`heap`] its memory. [`sandbox`] builds what scripts see; `api` is `redis.*`, [`cjson`], [`cmsgpack`], [`structs`] and [`bit`] are
//!   the libraries, [`strings`] with [`pattern`] a part of Lua's own; [`convert`] turns replies into Lua values and back.
//! * [`interpreter`] compiles and runs; [`cache`] has the scripts that all threads know, [`function`] the libraries, [`running`] what
//!   other threads may see and stop.
//! * This module knows no commands: it is given a [`Host`] that executes them. It has no threads, no locks of shards and no clock.
//! * Every thread has a state of its own. What a library keeps in its own variables is therefore kept per thread.

mod api;
pub mod bit;
pub mod cache;
pub mod cjson;
pub mod cmsgpack;
pub mod context;
pub mod convert;
pub mod function;
pub mod heap;
pub mod interpreter;
pub mod library;
pub mod pattern;
pub mod random;
pub mod running;
pub mod sandbox;
pub mod sha;
pub mod shebang;
pub mod stack;
pub mod state;
pub mod strings;
pub mod structs;
pub mod tables;
pub mod words;

pub use cache::{Script, Scripts};
pub use context::{End, Host};
pub use function::{Catalog, Libraries, Library};
pub use interpreter::{Interpreter, Ran};
pub use running::{RunKind, Running};

use crate::util::log;

/// What a script or function says of itself: `flags`.
pub mod flags {
    /// It only reads.
    pub const NO_WRITES: u32 = 1 << 0;
    /// It may run when memory is short.
    pub const ALLOW_OOM: u32 = 1 << 1;
    /// It may run on stale data.
    pub const ALLOW_STALE: u32 = 1 << 2;
    /// It does not run in a cluster.
    pub const NO_CLUSTER: u32 = 1 << 3;
    /// It uses keys of several slots.
    pub const ALLOW_CROSS_SLOT_KEYS: u32 = 1 << 4;
    /// It says nothing: a script without a shebang.
    pub const COMPATIBLE: u32 = 1 << 5;
    /// The names of those that can be said.
    pub const NAMES: [(u32, &str); 5] = [
        (NO_WRITES, "no-writes"),
        (ALLOW_OOM, "allow-oom"),
        (ALLOW_STALE, "allow-stale"),
        (NO_CLUSTER, "no-cluster"),
        (ALLOW_CROSS_SLOT_KEYS, "allow-cross-slot-keys"),
    ];

    /// The flag of this name.
    pub fn named(name: &[u8]) -> Option<u32> {
        NAMES.iter().find(|(_, known)| known.as_bytes().eq_ignore_ascii_case(name)).map(|&(flag, _)| flag)
    }
}

/// `redis.log`
fn log_line(level: u8, text: &[u8]) {
    let text = String::from_utf8_lossy(text);
    match level {
        0 => log::debug(&text),
        1 => log::verbose(&text),
        2 => log::notice(&text),
        _ => log::warning(&text),
    }
}

/// All that threads share.
#[derive(Default)]
pub struct Shared {
    /// Scripts.
    pub scripts: Scripts,
    /// Libraries.
    pub libraries: Libraries,
    /// What runs.
    pub running: Running,
}
