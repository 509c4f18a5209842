//! `# Persistence`, under Redis's names, and `# Storage`, which is ours: log, checkpoints, runs, and what is in RAM of it.
//!
//! `rdb_*` is about RDB files, which BGSAVE and SAVE write. `aof_*` is about the log; a rewrite is the checkpoint that
//! BGREWRITEAOF asks for. Nothing forks, so nothing is copied on write.

use std::sync::atomic::{AtomicU64, Ordering};

use super::super::call::Call;
use super::super::memory::percent;
use super::Page;
use crate::stats::Stat;
use crate::store::keyspace::LogHealth;
use crate::store::snapshot::{Record, import};

pub(super) fn persistence(call: &Call<'_>, page: &mut Page) {
    let state = call.state;
    let is_loading = state.is_loading();
    page.field("loading", u8::from(is_loading));
    page.zeroes(&["async_loading", "current_cow_peak", "current_cow_size", "current_cow_size_age"]);
    saves(call, page);
    rewrites(call, page);
    let is_healthy = state.keyspace.log_health() == LogHealth::Good;
    page.field("aof_last_write_status", status(is_healthy));
    page.zeroes(&["aof_last_cow_size", "module_fork_in_progress", "module_fork_last_cow_size"]);
    if let Some(log) = state.keyspace.log() {
        let stats = log.stats().log;
        page.fields(&[
            ("aof_current_size", stats.log_bytes),
            // What the log held before this process wrote to it.
            ("aof_base_size", stats.log_bytes.saturating_sub(stats.bytes_written)),
            ("aof_pending_rewrite", 0),
            ("aof_buffer_length", log.pending_bytes()),
            ("aof_pending_bio_fsync", u64::from(log.written_lsn() > log.durable_lsn())),
            ("aof_delayed_fsync", 0),
        ]);
    }
    if is_loading {
        loading(&state.load, call.now.0 / 1000, page);
    }
}

fn status(is_good: bool) -> &'static str {
    if is_good { "ok" } else { "err" }
}

/// A field that is -1 when there is nothing to tell.
fn seconds(page: &mut Page, name: &str, seconds: Option<u64>) {
    match seconds {
        Some(seconds) => page.field(name, seconds),
        None => page.field(name, -1),
    }
}

fn saves(call: &Call<'_>, page: &mut Page) {
    let (state, load) = (call.state, |number: &AtomicU64| number.load(Ordering::Relaxed));
    let history = state.snapshots.history();
    let saves = &history.saves;
    let (keys, total) = if saves.running_s.is_some() { state.snapshots.progress().keys() } else { (0, 0) };
    page.line(format_args!("current_fork_perc:{:.2}", percent(keys, total)));
    page.fields(&[
        ("current_save_keys_processed", keys),
        ("current_save_keys_total", total),
        (
            "rdb_changes_since_last_save",
            state.stats.totals().get(Stat::Dirty).saturating_sub(history.changes_saved),
        ),
        ("rdb_bgsave_in_progress", u64::from(saves.running_s.is_some())),
        ("rdb_last_save_time", history.last_save_s),
    ]);
    page.field("rdb_last_bgsave_status", status(saves.failed_in_a_row == 0));
    seconds(page, "rdb_last_bgsave_time_sec", saves.last_took_s);
    seconds(page, "rdb_current_bgsave_time_sec", saves.running_s);
    page.fields(&[
        ("rdb_saves", saves.done),
        ("rdb_last_cow_size", 0),
        ("rdb_last_load_keys_expired", load(&state.load.keys_expired)),
        ("rdb_last_load_keys_loaded", load(&state.load.keys_loaded)),
    ]);
}

fn rewrites(call: &Call<'_>, page: &mut Page) {
    let Record { done, failed_in_a_row, last_took_s, running_s, is_scheduled } =
        call.state.snapshots.history().rewrites;
    page.field("aof_enabled", 1);
    page.field("aof_rewrite_in_progress", u8::from(running_s.is_some()));
    page.field("aof_rewrite_scheduled", u8::from(is_scheduled));
    seconds(page, "aof_last_rewrite_time_sec", last_took_s);
    seconds(page, "aof_current_rewrite_time_sec", running_s);
    page.field("aof_last_bgrewrite_status", status(failed_in_a_row == 0));
    page.fields(&[("aof_rewrites", done), ("aof_rewrites_consecutive_failures", failed_in_a_row)]);
}

fn loading(load: &import::Progress, now_s: u64, page: &mut Page) {
    let of = |number: &AtomicU64| number.load(Ordering::Relaxed);
    let (began_s, total, loaded) = (of(&load.began_s), of(&load.total_bytes), of(&load.loaded_bytes));
    let elapsed_s = now_s.saturating_sub(began_s);
    // As Redis guesses: at the speed so far; a second when there is no speed yet.
    let eta_s = match elapsed_s {
        0 => 1,
        _ => u128::from(elapsed_s) * u128::from(total.saturating_sub(loaded)) / (u128::from(loaded) + 1),
    };
    page.fields(&[
        ("loading_start_time", began_s),
        ("loading_total_bytes", total),
        ("loading_rdb_used_mem", of(&load.used_memory_bytes)),
        ("loading_loaded_bytes", loaded),
    ]);
    page.line(format_args!("loading_loaded_perc:{:.2}", percent(loaded, total)));
    page.field("loading_eta_seconds", eta_s);
}

/// Nothing of it is of one moment.
pub(super) fn storage(call: &Call<'_>, page: &mut Page) {
    let keyspace = &call.state.keyspace;
    if let Some(log) = keyspace.log() {
        page.fields(&[
            ("log_bytes_since_checkpoint", log.log_bytes_since_cut()),
            ("log_last_lsn", log.last_lsn().0),
            ("log_written_lsn", log.written_lsn().0),
            ("log_durable_lsn", log.durable_lsn().0),
        ]);
    }
    checkpoints(call, page);
    runs(call, page);
    let load = keyspace.load(call.db.held());
    page.fields(&[
        ("cold_keys", load.cold),
        ("cache_entries", load.entries),
        ("cache_dirty_entries", load.dirty),
        ("cache_bytes", load.bytes),
        ("cache_budget_bytes", keyspace.budget()),
        ("cache_crowded", u64::from(keyspace.is_crowded())),
    ]);
}

fn checkpoints(call: &Call<'_>, page: &mut Page) {
    let rounds = call.state.checkpointer.history();
    page.fields(&[
        ("checkpoints", rounds.committed),
        ("checkpoint_failures", rounds.failed),
        ("checkpoint_in_progress", u64::from(rounds.is_running)),
    ]);
    page.field("checkpoint_last_status", status(rounds.failure.is_none()));
    page.fields(&[
        ("checkpoint_last_time_ms", rounds.last_ms),
        ("checkpoint_last_keys", rounds.last.keys),
        ("checkpoint_last_bytes", rounds.last.bytes),
    ]);
}

fn runs(call: &Call<'_>, page: &mut Page) {
    let levels = call.state.keyspace.levels();
    page.field("runs", levels.iter().map(|level| level.runs).sum::<usize>());
    page.field("run_bytes", levels.iter().map(|level| level.bytes).sum::<u64>());
    for (index, level) in levels.iter().enumerate().filter(|(_, level)| level.runs > 0) {
        page.line(format_args!("level{index}:runs={},bytes={}", level.runs, level.bytes));
    }
    let Some(log) = call.state.keyspace.log() else { return };
    let compaction = log.compaction_stats();
    page.fields(&[
        ("compactions", compaction.jobs),
        ("compactions_running", compaction.running_jobs),
        ("compaction_bytes_read", compaction.bytes_read),
        ("compaction_bytes_written", compaction.bytes_written),
        ("compaction_debt_bytes", compaction.debt_bytes),
    ]);
    page.line(format_args!("compaction_pressure:{:.2}", compaction.pressure));
    page.field("compaction_last_status", status(compaction.last_error.is_none()));
}
