//! The sections of a few fields each.

use std::sync::atomic::Ordering;

use super::super::call::Call;
use super::Page;
use crate::client::ClientInfo;
use crate::config::values::Supervised;
use crate::stats::Stat;
use crate::store::UnixMs;
use crate::store::evict::AccessClock;
use crate::sys::{self, CpuOf};
use crate::util::time;

pub(super) fn server(call: &Call<'_>, page: &mut Page) {
    let (state, config) = (call.state, call.config);
    let uptime_s = call.now.0.saturating_sub(state.started.0) / 1000;
    page.field("redis_version", crate::REDIS_VERSION);
    page.field("redis_git_sha1", "00000000");
    page.field("redis_git_dirty", 0);
    page.field("redis_build_id", env!("CARGO_PKG_VERSION"));
    page.field("redis_mode", "standalone");
    page.field("forgekv_version", env!("CARGO_PKG_VERSION"));
    page.field("os", sys::os_name());
    page.field("arch_bits", usize::BITS);
    page.field("monotonic_clock", "POSIX clock_gettime");
    page.field("multiplexing_api", "epoll");
    page.field("atomicvar_api", "rust-std");
    page.field("gcc_version", "0.0.0");
    page.field("process_id", std::process::id());
    page.field("process_supervised", supervisor(config.supervised));
    page.field("run_id", &state.run_id);
    page.field("tcp_port", state.tcp_port);
    page.field("server_time_usec", time::now_micros());
    page.field("uptime_in_seconds", uptime_s);
    page.field("uptime_in_days", uptime_s / 86_400);
    page.field("hz", config.hz);
    page.field("configured_hz", config.hz);
    page.field("lru_clock", AccessClock::lru(call.now).fresh());
    page.field("executable", &state.executable);
    page.field("config_file", config.file().map(|path| path.display().to_string()).unwrap_or_default());
    page.field("io_threads_active", u8::from(state.workers > 1));
    if config.port != 0 {
        let bind: String = config.bind.iter().map(|address| format!(",bind={address}")).collect();
        page.line(format_args!("listener0:name=tcp{bind},port={}", state.tcp_port));
    }
    if !config.unixsocket.is_empty() {
        page.line(format_args!("listener1:name=unix,bind={}", config.unixsocket));
    }
}

fn supervisor(supervised: Supervised) -> &'static str {
    match supervised {
        Supervised::Upstart => "upstart",
        Supervised::Systemd => "systemd",
        Supervised::Auto => "unknown",
        Supervised::No => "no",
    }
}

pub(super) fn clients(call: &Call<'_>, page: &mut Page) {
    let all = call.state.clients.all();
    let load = |number: &std::sync::atomic::AtomicU64| number.load(Ordering::Relaxed);
    let input = all.iter().map(|info| load(&info.query_bytes) + load(&info.query_free)).max();
    let output = all.iter().map(|info| load(&info.output_bytes)).max();
    page.fields(&[
        ("connected_clients", all.len() as u64),
        ("cluster_connections", 0),
        ("maxclients", u64::from(call.config.maxclients)),
        ("client_recent_max_input_buffer", input.unwrap_or(0)),
        ("client_recent_max_output_buffer", output.unwrap_or(0)),
    ]);
    let watching = all.iter().filter(|client| client.watched.load(Ordering::Relaxed) > 0).count();
    let has_timeout = |client: &ClientInfo| client.waiting().is_some_and(|wait| wait.timeout_ms.is_some());
    let timed = all.iter().filter(|client| has_timeout(client)).count();
    let interest = call.state.keyspace.interest(call.db.held());
    let subscribed = all.iter().filter(|info| info.is_subscribed()).count() as u64;
    let tracking = call.state.keyspace.pubsub().prefixes.trackers() as u64;
    page.field("blocked_clients", all.iter().filter(|client| client.is_blocked()).count());
    page.fields(&[("tracking_clients", tracking), ("pubsub_clients", subscribed)]);
    page.fields(&[
        ("watching_clients", watching as u64),
        ("clients_in_timeout_table", timed as u64),
        ("total_watched_keys", interest.watched),
        ("total_blocking_keys", interest.awaited),
    ]);
    page.zeroes(&["total_blocking_keys_on_nokey"]);
}

pub(super) fn replication(call: &Call<'_>, page: &mut Page) {
    page.field("role", "master");
    page.field("connected_slaves", 0);
    page.field("master_failover_state", "no-failover");
    page.field("master_replid", &call.state.run_id);
    page.field("master_replid2", "0".repeat(40));
    page.field("master_repl_offset", 0);
    page.field("second_repl_offset", -1);
    page.field("repl_backlog_active", 0);
    page.field("repl_backlog_size", call.config.value("repl-backlog-size").unwrap_or_default());
    page.zeroes(&["repl_backlog_first_byte_offset", "repl_backlog_histlen"]);
}

/// Redis's `main_thread` is the thread that executes commands; here, the worker that answers.
pub(super) fn cpu(_: &Call<'_>, page: &mut Page) {
    for (whose, suffix) in
        [(CpuOf::Process, ""), (CpuOf::Children, "_children"), (CpuOf::Thread, "_main_thread")]
    {
        let used = sys::cpu_seconds(whose);
        page.line(format_args!("used_cpu_sys{suffix}:{:.6}", used.system));
        page.line(format_args!("used_cpu_user{suffix}:{:.6}", used.user));
    }
}

pub(super) fn keyspace(call: &Call<'_>, page: &mut Page) {
    let now = UnixMs(call.now.0);
    let counts = call.state.keyspace.counts(call.db.held());
    for (index, db) in counts.into_iter().enumerate().filter(|(_, db)| db.keys > 0) {
        let (keys, expires, average, fields) = (db.keys, db.expires, db.average_ttl_ms(now), db.subexpiry);
        page.line(format_args!(
            "db{index}:keys={keys},expires={expires},avg_ttl={average},subexpiry={fields}"
        ));
    }
}

pub(super) fn workers(call: &Call<'_>, page: &mut Page) {
    let sums = call.state.stats.sums();
    page.fields(&[
        ("workers", call.state.workers as u64),
        // Commands that waited for a shard, and turns that outlived their hold on a worker's loop.
        ("deferred_commands", sums.get(Stat::Deferred)),
        ("loop_handoffs", sums.get(Stat::Handoffs)),
    ]);
}
