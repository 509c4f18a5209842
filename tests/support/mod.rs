//! What every test module needs: a server of its own, a client that sees every byte, and a seeded generator.
//!
//! * A test never sleeps for a fixed time: it waits for a condition, and every wait is bounded.
//! * A test owns its server, its port and its directory; nothing is shared, so tests run in parallel.
//!   Against `FORGEKV_TEST_ADDR` there is only one server, so there they take turns.
//!
//! Deliberately absent: an understanding of any command. That belongs to the tests.
#![allow(dead_code, unused_imports, reason = "a family of tests uses the helpers it needs")]

mod client;
mod rng;
mod server;
mod value;

pub use client::{Client, encode, show};
pub use rng::Rng;
pub use server::{Server, ServerOptions, forgekv_only, is_cold, new_dir, warm_only};
pub use value::{Value, read_value};

use std::time::{Duration, Instant};

/// Waits until `condition` holds, polling every few milliseconds; panics with `what` after ten seconds.
#[track_caller]
pub fn wait_for(what: &str, condition: impl FnMut() -> bool) {
    wait_at_most(10, what, condition);
}

/// The same, for so many seconds.
#[track_caller]
pub fn wait_at_most(seconds: u64, what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(seconds);
    while !condition() {
        assert!(Instant::now() < deadline, "waited {seconds} seconds for {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// How many times as long random tests run: `FORGEKV_STRESS`, 1 without it.
pub fn stress_factor() -> usize {
    std::env::var("FORGEKV_STRESS").ok().and_then(|factor| factor.parse().ok()).unwrap_or(1)
}
