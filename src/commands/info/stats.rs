//! `# Stats`, and the sections with a line per command or error.

use super::super::call::Call;
use super::super::table::table;
use super::Page;
use crate::stats::{Stat, Sums};

pub(super) fn stats(call: &Call<'_>, page: &mut Page) {
    let sums = call.state.stats.sums();
    traffic(call, &sums, page);
    page.field("rejected_connections", sums.get(Stat::RejectedConnections));
    page.zeroes(&["sync_full", "sync_partial_ok", "sync_partial_err"]);
    page.field("expired_subkeys", sums.get(Stat::ExpiredFields));
    page.field("expired_keys", sums.get(Stat::ExpiredKeys));
    page.field("expired_stale_perc", "0.00");
    page.zeroes(&["expired_time_cap_reached_count", "expire_cycle_cpu_milliseconds"]);
    page.field("evicted_keys", sums.get(Stat::EvictedKeys));
    page.zeroes(&[
        "evicted_clients",
        "evicted_scripts",
        "total_eviction_exceeded_time",
        "current_eviction_exceeded_time",
    ]);
    page.fields(&[("keyspace_hits", sums.get(Stat::Hits)), ("keyspace_misses", sums.get(Stat::Misses))]);
    let keyspace = &call.state.keyspace;
    let (registry, prefixes) = (&keyspace.pubsub().registry, &keyspace.pubsub().prefixes);
    page.fields(&[
        ("pubsub_channels", registry.channels.len() as u64),
        ("pubsub_patterns", registry.patterns.len() as u64),
        ("pubsubshard_channels", registry.shard_channels.len() as u64),
    ]);
    page.zeroes(&[
        "latest_fork_usec",
        "total_forks",
        "migrate_cached_sockets",
        "slave_expires_tracked_keys",
        "active_defrag_hits",
        "active_defrag_misses",
        "active_defrag_key_hits",
        "active_defrag_key_misses",
        "total_active_defrag_time",
        "current_active_defrag_time",
    ]);
    page.fields(&[
        ("tracking_total_keys", keyspace.tracking.keys()),
        ("tracking_total_items", keyspace.tracking.items()),
        ("tracking_total_prefixes", prefixes.len() as u64),
    ]);
    page.field("unexpected_error_replies", 0);
    page.field("total_error_replies", sums.get(Stat::ErrorReplies));
    page.field("dump_payload_sanitizations", 0);
    page.fields(&[
        ("total_reads_processed", sums.get(Stat::ReadsProcessed)),
        ("total_writes_processed", sums.get(Stat::WritesProcessed)),
    ]);
    page.zeroes(&["io_threaded_reads_processed", "io_threaded_writes_processed"]);
    page.fields(&[
        ("client_query_buffer_limit_disconnections", sums.get(Stat::QueryBufferLimit)),
        ("client_output_buffer_limit_disconnections", sums.get(Stat::OutputBufferLimit)),
    ]);
    page.zeroes(&["reply_buffer_shrinks", "reply_buffer_expands"]);
    event_loop(call, &sums, page);
    page.field("acl_access_denied_auth", sums.errors.get("WRONGPASS").copied().unwrap_or(0));
    page.zeroes(&["acl_access_denied_cmd", "acl_access_denied_key", "acl_access_denied_channel"]);
}

fn traffic(call: &Call<'_>, sums: &Sums, page: &mut Page) {
    let rates = call.state.rates.read();
    page.fields(&[
        ("total_connections_received", sums.get(Stat::ConnectionsReceived)),
        ("total_commands_processed", sums.get(Stat::CommandsProcessed)),
        ("instantaneous_ops_per_sec", rates.commands),
        ("total_net_input_bytes", sums.get(Stat::NetInput)),
        ("total_net_output_bytes", sums.get(Stat::NetOutput)),
        ("total_net_repl_input_bytes", 0),
        ("total_net_repl_output_bytes", 0),
    ]);
    page.line(format_args!("instantaneous_input_kbps:{:.2}", rates.net_in as f64 / 1024.0));
    page.line(format_args!("instantaneous_output_kbps:{:.2}", rates.net_out as f64 / 1024.0));
    page.field("instantaneous_input_repl_kbps", "0.00");
    page.field("instantaneous_output_repl_kbps", "0.00");
}

/// All workers' loops together. What a loop does besides executing commands is not measured.
fn event_loop(call: &Call<'_>, sums: &Sums, page: &mut Page) {
    let (rates, busy_us) = (call.state.rates.read(), sums.busy_nanos() / 1000);
    page.fields(&[
        ("eventloop_cycles", sums.get(Stat::LoopCycles)),
        ("eventloop_duration_sum", busy_us),
        ("eventloop_duration_cmd_sum", busy_us),
        ("instantaneous_eventloop_cycles_per_sec", rates.loop_cycles),
        (
            "instantaneous_eventloop_duration_usec",
            (rates.busy_nanos / 1000).checked_div(rates.loop_cycles).unwrap_or(0),
        ),
    ]);
}

pub(super) fn commandstats(call: &Call<'_>, page: &mut Page) {
    let sums = call.state.stats.sums();
    for (row, [calls, nanos, rejected, failed]) in table().rows().iter().zip(sums.commands) {
        if calls + rejected + failed == 0 {
            continue;
        }
        let per_call = if calls == 0 { 0.0 } else { nanos as f64 / 1000.0 / calls as f64 };
        page.line(format_args!(
            "cmdstat_{}:calls={calls},usec={},usec_per_call={per_call:.2},rejected_calls={rejected},\
             failed_calls={failed}",
            row.name(),
            nanos / 1000,
        ));
    }
}

pub(super) fn errorstats(call: &Call<'_>, page: &mut Page) {
    for (code, count) in &call.state.stats.sums().errors {
        page.line(format_args!("errorstat_{code}:count={count}"));
    }
}

pub(super) fn latencystats(call: &Call<'_>, page: &mut Page) {
    if !call.config.latency_tracking {
        return;
    }
    for row in table().rows() {
        let Some(times) = call.state.stats.latency(row.id) else { continue };
        let of =
            |percent: &f64| format!("p{percent}={:.3}", times.percentile_nanos(*percent) as f64 / 1000.0);
        let percentiles: Vec<String> = call.config.latency_percentiles.iter().map(of).collect();
        page.line(format_args!("latency_percentiles_usec_{}:{}", row.name(), percentiles.join(",")));
    }
}
