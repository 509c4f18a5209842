//! What INFO tells of saves, and of what lies behind them.

use super::{CHECKPOINTS, REASON, info, number, save};
use crate::support::{Client, Server, forgekv_only, wait_for, warm_only};

#[test]
fn info_tells_of_saves() {
    if forgekv_only(REASON) {
        return;
    }
    let server = Server::start();
    let mut client = server.connect();
    assert_eq!(number(&mut client, "rdb_last_bgsave_time_sec"), -1);
    assert_eq!(number(&mut client, "rdb_current_bgsave_time_sec"), -1);
    assert_eq!((number(&mut client, "rdb_saves"), number(&mut client, "aof_rewrites")), (0, 0));
    assert_eq!(number(&mut client, "aof_last_rewrite_time_sec"), -1);
    let started = client.int(&["LASTSAVE"]);
    assert_eq!(number(&mut client, "rdb_last_save_time"), started);
    client.ok(&["SET", "a", "1"]);
    client.ok(&["MSET", "a", "1", "b", "2"]);
    assert_eq!(number(&mut client, "rdb_changes_since_last_save"), 3);
    wait_for("the clock", || client.texts(&["TIME"])[0].parse::<i64>().unwrap() > started);
    save(&mut client);
    assert_eq!(number(&mut client, "rdb_changes_since_last_save"), 0);
    assert!(number(&mut client, "rdb_last_save_time") > started);
    assert_eq!(number(&mut client, "rdb_last_save_time"), client.int(&["LASTSAVE"]));
    assert!(number(&mut client, "rdb_last_bgsave_time_sec") >= 0);
    assert_eq!(number(&mut client, "rdb_saves"), 1);
    client.ok(&["SET", "c", "1"]);
    assert_eq!(number(&mut client, "rdb_changes_since_last_save"), 1);
    client.text(&["BGREWRITEAOF"]);
    wait_for("the rewrite", || number(&mut client, "aof_rewrites") == 1);
    assert!(number(&mut client, "aof_last_rewrite_time_sec") >= 0);
    assert_eq!((number(&mut client, "aof_enabled"), number(&mut client, "loading")), (1, 0));
    for name in ["async_loading", "current_cow_peak", "rdb_last_cow_size", "aof_rewrite_in_progress"] {
        assert_eq!(number(&mut client, name), 0, "{name}");
    }
    assert_eq!(number(&mut client, "rdb_changes_since_last_save"), 1, "a rewrite saves no file");
}

#[test]
fn info_tells_of_log_checkpoints_runs_and_cache() {
    if forgekv_only(REASON) || warm_only(CHECKPOINTS) {
        return;
    }
    let server = Server::with_args(&["--memtable_size_mb", "1", "--save", ""]);
    let mut client = server.connect();
    let number = |client: &mut Client, name: &str| -> u64 { info(client, "storage")[name].parse().unwrap() };
    assert_eq!(number(&mut client, "cache_budget_bytes"), 1 << 20);
    assert_eq!((number(&mut client, "checkpoints"), number(&mut client, "runs")), (0, 0));
    client.ok(&["SET", "k", "1"]);
    assert_eq!(number(&mut client, "log_last_lsn"), 1);
    wait_for("the log", || {
        number(&mut client, "log_durable_lsn") == 1 && number(&mut client, "log_written_lsn") == 1
    });
    assert!(number(&mut client, "log_bytes_since_checkpoint") > 0);
    assert!(number(&mut client, "cache_bytes") > 0 && number(&mut client, "cache_entries") == 1);
    assert_eq!(number(&mut client, "cache_dirty_entries"), 1);
    client.text(&["BGREWRITEAOF"]);
    wait_for("a checkpoint", || number(&mut client, "checkpoints") == 1);
    assert_eq!(
        (number(&mut client, "checkpoint_last_keys"), number(&mut client, "cache_dirty_entries")),
        (1, 0)
    );
    assert!(number(&mut client, "checkpoint_last_bytes") > 0 && number(&mut client, "run_bytes") > 0);
    let fields = info(&mut client, "storage");
    assert!(
        fields["level0"].starts_with("runs=1,bytes=") && fields["checkpoint_last_status"] == "ok",
        "{fields:?}"
    );
    assert_eq!((&fields["checkpoint_failures"][..], &fields["checkpoint_in_progress"][..]), ("0", "0"));
    assert!(fields.contains_key("checkpoint_last_time_ms"));
    for n in 0..4000 {
        client.ok(&["SET", &format!("key:{n}"), &"x".repeat(1000)]);
    }
    wait_for("keys to leave RAM", || number(&mut client, "cold_keys") > 0);
    wait_for("the budget", || number(&mut client, "cache_bytes") <= 1 << 20);
    assert_eq!(client.int(&["DBSIZE"]), 4001);
    wait_for("a compaction", || {
        number(&mut client, "compactions") > 0 && number(&mut client, "compactions_running") == 0
    });
    for name in ["compaction_bytes_read", "compaction_bytes_written"] {
        assert!(number(&mut client, name) > 0, "{name}");
    }
    let fields = info(&mut client, "storage");
    assert!(fields["compaction_pressure"].parse::<f64>().unwrap() >= 0.0, "{fields:?}");
    assert_eq!(fields["compaction_last_status"], "ok");
    assert!(fields.contains_key("compaction_debt_bytes"));
}
