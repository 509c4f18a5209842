//! COMMAND and INFO: what the server says of its commands and of itself.

use std::collections::BTreeMap;

use crate::support::{Client, Server, Value, forgekv_only, wait_for, warm_only};

// ---- COMMAND

/// A value in one line, sets as sets whatever the protocol: `[a b [c] 1]`.
fn flat(value: &Value) -> String {
    match value {
        Value::Int(number) => number.to_string(),
        Value::Simple(text) | Value::Bulk(text) => String::from_utf8_lossy(text).into_owned(),
        Value::Map(pairs) => {
            let words: Vec<String> = pairs.iter().flat_map(|(key, value)| [flat(key), flat(value)]).collect();
            format!("[{}]", words.join(" "))
        }
        _ => match value.items() {
            Some(items) => format!("[{}]", items.iter().map(flat).collect::<Vec<_>>().join(" ")),
            None => format!("{value:?}"),
        },
    }
}

/// What Redis 7.0 says of a few commands.
const KNOWN: &[(&str, &str)] = &[
    (
        "get",
        "[get 2 [readonly fast] 1 1 1 [@read @string @fast] [] [[flags [RO access] begin_search [type index spec [index 1]] find_keys [type range spec [lastkey 0 keystep 1 limit 0]]]] []]",
    ),
    ("time", "[time 1 [loading stale fast] 0 0 0 [@fast] [nondeterministic_output] [] []]"),
    ("swapdb", "[swapdb 3 [write fast] 0 0 0 [@keyspace @write @fast @dangerous] [] [] []]"),
    (
        "flushdb",
        "[flushdb -1 [write] 0 0 0 [@keyspace @write @slow @dangerous] [request_policy:all_shards response_policy:all_succeeded] [] []]",
    ),
    (
        "flushall",
        "[flushall -1 [write] 0 0 0 [@keyspace @write @slow @dangerous] [request_policy:all_shards response_policy:all_succeeded] [] []]",
    ),
    (
        "lastsave",
        "[lastsave 1 [loading stale fast] 0 0 0 [@admin @fast @dangerous] [nondeterministic_output] [] []]",
    ),
    (
        "shutdown",
        "[shutdown -1 [admin noscript loading stale no_multi allow_busy] 0 0 0 [@admin @slow @dangerous] [] [] []]",
    ),
    ("debug", "[debug -2 [admin noscript loading stale] 0 0 0 [@admin @slow @dangerous] [] [] []]"),
    (
        "info",
        "[info -1 [loading stale] 0 0 0 [@slow @dangerous] [nondeterministic_output request_policy:all_shards response_policy:special] [] []]",
    ),
    ("lolwut", "[lolwut -1 [readonly fast] 0 0 0 [@read @fast] [] [] []]"),
    (
        "memory|usage",
        "[memory|usage -3 [readonly] 2 2 1 [@read @slow] [] [[flags [RO] begin_search [type index spec [index 2]] find_keys [type range spec [lastkey 0 keystep 1 limit 0]]]] []]",
    ),
    ("memory|help", "[memory|help 2 [loading stale] 0 0 0 [@slow] [] [] []]"),
    (
        "memory|doctor",
        "[memory|doctor 2 [] 0 0 0 [@slow] [nondeterministic_output request_policy:all_shards response_policy:special] [] []]",
    ),
    (
        "command|docs",
        "[command|docs -2 [loading stale] 0 0 0 [@slow @connection] [nondeterministic_output_order] [] []]",
    ),
    ("command|help", "[command|help 2 [loading stale] 0 0 0 [@slow @connection] [] [] []]"),
];

#[test]
fn command_info_describes_commands_as_redis_does() {
    let server = Server::start();
    let mut client = server.connect();
    for (name, expected) in KNOWN {
        let rows = client.array(&["COMMAND", "INFO", name]);
        assert_eq!(rows.len(), 1);
        assert_eq!(flat(&rows[0]), *expected);
    }
}

#[test]
fn command_info_nests_subcommands_and_answers_null_for_the_unknown() {
    let server = Server::start();
    let mut client = server.connect();
    let rows = client.array(&["COMMAND", "INFO", "MeMoRy", "nonesuch", "memory|nonesuch", "memory|", "TIME"]);
    let memory = rows[0].items().unwrap();
    let mut names: Vec<String> =
        memory[9].items().unwrap().iter().map(|row| flat(&row.items().unwrap()[0])).collect();
    names.sort();
    let expected =
        ["doctor", "help", "malloc-stats", "purge", "stats", "usage"].map(|name| format!("memory|{name}"));
    assert_eq!(names, expected);
    assert_eq!(rows[1..4], [Value::NullBulk, Value::NullBulk, Value::NullBulk]);
    assert_eq!(flat(&rows[4].items().unwrap()[0]), "time");
}

#[test]
fn command_info_uses_sets_and_maps_in_resp3() {
    let server = Server::start();
    let mut client = server.connect();
    client.hello(3);
    let rows = client.array(&["COMMAND", "INFO", "memory|usage"]);
    let row = rows[0].items().unwrap();
    let is_set = |value: &Value| matches!(value, Value::Set(_));
    assert_eq!(
        row.iter().map(is_set).collect::<Vec<_>>(),
        [false, false, true, false, false, false, true, true, true, true]
    );
    assert_eq!(row[2], Value::Set(vec![Value::simple("readonly")]));
    let specs = row[8].items().unwrap();
    assert!(matches!(specs, [Value::Map(_)]), "{specs:?}");
    let container = client.array(&["COMMAND", "INFO", "memory"]);
    assert!(matches!(container[0].items().unwrap()[9], Value::Array(_)));
}

#[test]
fn command_and_command_info_without_names_list_every_command() {
    let server = Server::start();
    let mut client = server.connect();
    let count = client.int(&["COMMAND", "COUNT"]);
    let all = client.array(&["COMMAND"]);
    assert_eq!(all.len() as i64, count);
    assert_eq!(client.array(&["COMMAND", "INFO"]).len() as i64, count);
    let names: Vec<String> = all.iter().map(|row| flat(&row.items().unwrap()[0])).collect();
    for name in ["get", "command", "flushall", "debug"] {
        assert!(names.iter().any(|known| known == name), "{name}");
    }
    assert!(names.iter().all(|name| !name.contains('|')));
}

#[test]
fn command_list_names_subcommands_and_takes_filters() {
    let server = Server::start();
    let mut client = server.connect();
    let all = client.texts(&["COMMAND", "LIST"]);
    assert!(all.contains(&"memory|usage".to_owned()) && all.contains(&"get".to_owned()));
    let mut memory = client.texts(&["COMMAND", "LIST", "FILTERBY", "PATTERN", "MEMORY*"]);
    memory.sort();
    let expected = ["", "|doctor", "|help", "|malloc-stats", "|purge", "|stats", "|usage"]
        .map(|suffix| format!("memory{suffix}"));
    assert_eq!(memory, expected);
    let dangerous = client.texts(&["COMMAND", "LIST", "filterby", "aclcat", "Dangerous"]);
    for name in ["flushall", "swapdb", "shutdown", "debug", "info"] {
        assert!(dangerous.contains(&name.to_owned()), "{name}");
    }
    assert!(!dangerous.contains(&"get".to_owned()));
    assert!(client.array(&["COMMAND", "LIST", "FILTERBY", "ACLCAT", "nonesuch"]).is_empty());
    assert!(client.array(&["COMMAND", "LIST", "FILTERBY", "ACLCAT", "@read"]).is_empty());
    assert!(client.array(&["COMMAND", "LIST", "FILTERBY", "MODULE", "m"]).is_empty());
    for bad in [
        &["x"][..],
        &["FILTERBY"],
        &["FILTERBY", "PATTERN"],
        &["FILTERBY", "X", "y"],
        &["FILTERBY", "MODULE", "m", "x"],
    ] {
        let argv = [&["COMMAND", "LIST"], bad].concat();
        assert_eq!(client.error(&argv), "ERR syntax error", "{bad:?}");
    }
}

/// The pairs of a map by their keys.
fn map(value: &Value) -> BTreeMap<String, Value> {
    value.pairs().unwrap().into_iter().map(|(key, value)| (flat(&key), value)).collect()
}

#[test]
fn command_docs_documents_arguments_and_subcommands() {
    let server = Server::start();
    let mut client = server.connect();
    let docs = map(&client.cmd(&["COMMAND", "DOCS", "flushall", "nonesuch", "MEMORY|usage", "debug"]));
    assert_eq!(docs.keys().collect::<Vec<_>>(), ["debug", "flushall", "memory|usage"]);
    let debug = map(&docs["debug"]);
    assert_eq!(flat(&debug["doc_flags"]), "[syscmd]");
    let flush = map(&docs["flushall"]);
    assert_eq!((flat(&flush["since"]), flat(&flush["group"])), ("1.0.0".to_owned(), "server".to_owned()));
    assert!(!flat(&flush["summary"]).is_empty() && !flush.contains_key("subcommands"));
    let argument = map(&flush["arguments"].items().unwrap()[0]);
    assert_eq!(flat(&argument["type"]), "oneof");
    assert_eq!(flat(&argument["flags"]), "[optional]");
    let words = argument["arguments"].items().unwrap();
    let sync = map(&words[1]);
    assert_eq!(
        [flat(&sync["name"]), flat(&sync["type"]), flat(&sync["token"]), flat(&sync["since"])],
        ["sync", "pure-token", "SYNC", "6.2.0"]
    );
    let usage = map(&docs["memory|usage"]);
    let key = map(&usage["arguments"].items().unwrap()[0]);
    assert_eq!((flat(&key["type"]), &key["key_spec_index"]), ("key".to_owned(), &Value::Int(0)));
    let container = map(&map(&client.cmd(&["COMMAND", "DOCS", "memory"]))["memory"]);
    assert!(map(&container["subcommands"]).contains_key("memory|purge"));
    let all = client.cmd(&["COMMAND", "DOCS"]).pairs().unwrap().len() as i64;
    assert_eq!(all, client.int(&["COMMAND", "COUNT"]));
}

#[test]
fn command_docs_says_what_replaces_a_deprecated_command() {
    let server = Server::start();
    let mut client = server.connect();
    let docs = map(&client.cmd(&["COMMAND", "DOCS", "getset", "substr"]));
    for (name, since, replaced_by) in
        [("getset", "6.2.0", "`SET` with the `!GET` argument"), ("substr", "2.0.0", "`GETRANGE`")]
    {
        let doc = map(&docs[name]);
        assert_eq!(flat(&doc["doc_flags"]), "[deprecated]");
        assert_eq!([flat(&doc["deprecated_since"]), flat(&doc["replaced_by"])], [since, replaced_by]);
    }
}

#[test]
fn command_getkeys_finds_the_keys_of_a_whole_command() {
    let server = Server::start();
    let mut client = server.connect();
    assert_eq!(client.texts(&["COMMAND", "GETKEYS", "SET", "a", "b"]), ["a"]);
    assert_eq!(client.texts(&["COMMAND", "GETKEYS", "memory", "USAGE", "k"]), ["k"]);
    for (argv, error) in [
        (&["nonesuch", "x"][..], "ERR Invalid command specified"),
        (&["memory", "nonesuch", "x"], "ERR Invalid command specified"),
        (&["flushall", "sync"], "ERR The command has no key arguments"),
        (&["debug", "object", "k"], "ERR The command has no key arguments"),
        (&["get", "a", "b"], "ERR Invalid number of arguments specified for command"),
    ] {
        for subcommand in ["GETKEYS", "GETKEYSANDFLAGS"] {
            let argv = [&["COMMAND", subcommand], argv].concat();
            assert_eq!(client.error(&argv), error, "{argv:?}");
        }
    }
    assert_eq!(
        client.error(&["COMMAND", "GETKEYS"]),
        "ERR wrong number of arguments for 'command|getkeys' command"
    );
}

#[test]
fn command_getkeysandflags_says_what_set_does_with_its_key() {
    let server = Server::start();
    let mut client = server.connect();
    let flags = |client: &mut Client, argv: &[&str]| {
        flat(&client.cmd(&[&["COMMAND", "GETKEYSANDFLAGS"], argv].concat()))
    };
    assert_eq!(flags(&mut client, &["SET", "a", "b"]), "[[a [OW update]]]");
    assert_eq!(flags(&mut client, &["SET", "a", "b", "get"]), "[[a [RW access update]]]");
    assert_eq!(flags(&mut client, &["BITFIELD", "a", "get", "u8", "1"]), "[[a [RO access]]]");
    let writes = ["BITFIELD", "a", "get", "u8", "1", "overflow", "sat", "INCRBY", "u8", "1", "2"];
    assert_eq!(flags(&mut client, &writes), "[[a [RW access update]]]");
    assert_eq!(flags(&mut client, &["MSET", "a", "1", "b", "2"]), "[[a [OW update]] [b [OW update]]]");
    assert_eq!(flags(&mut client, &["GET", "a"]), "[[a [RO access]]]");
    assert_eq!(flags(&mut client, &["memory", "usage", "a"]), "[[a [RO]]]");
}

#[test]
fn an_unknown_subcommand_of_command_is_refused() {
    let server = Server::start();
    let mut client = server.connect();
    assert_eq!(client.error(&["COMMAND", "NOSUCH"]), "ERR unknown subcommand 'NOSUCH'. Try COMMAND HELP.");
    assert_eq!(
        client.texts(&["OBJECT", "HELP"])[0],
        "OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"
    );
    let help = client.texts(&["COMMAND", "HELP"]);
    assert_eq!(help[0], "COMMAND <subcommand> [<arg> [value] [opt] ...]. Subcommands are:");
    assert_eq!(help[help.len() - 2], "HELP");
}

// ---- INFO

fn titles(text: &str) -> Vec<&str> {
    text.lines().filter_map(|line| line.strip_prefix("# ")).collect()
}

fn field(client: &mut Client, section: &str, name: &str) -> String {
    let text = client.text(&["INFO", section]);
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("no {name} in\n{text}")).to_owned()
}

fn number(client: &mut Client, section: &str, name: &str) -> u64 {
    field(client, section, name).parse().unwrap()
}

const DEFAULT: [&str; 11] = [
    "Server",
    "Clients",
    "Memory",
    "Persistence",
    "Stats",
    "Replication",
    "CPU",
    "Modules",
    "Errorstats",
    "Cluster",
    "Keyspace",
];

#[test]
fn info_shows_the_sections_that_are_asked_for() {
    let server = Server::start();
    let mut client = server.connect();
    let mut shown = |argv: &[&str]| {
        let text = client.text(&[&["INFO"], argv].concat());
        titles(&text).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(shown(&[]), DEFAULT);
    assert_eq!(shown(&["Default"]), DEFAULT);
    assert_eq!(shown(&["keyspace", "CPU", "cpu", "nonesuch"]), ["CPU", "Keyspace"]);
    assert_eq!(shown(&["module_list"]), ["Modules"]);
    assert!(shown(&["nonesuch"]).is_empty());
    let latency_and_default = shown(&["latencystats", "default"]);
    assert_eq!(latency_and_default.len(), 12);
    for word in ["all", "EVERYTHING"] {
        let all = shown(&[word]);
        assert!(DEFAULT.iter().all(|title| all.contains(&(*title).to_owned())), "{word}: {all:?}");
        assert!(all.contains(&"Commandstats".to_owned()) && all.contains(&"Latencystats".to_owned()));
    }
}

#[test]
fn info_is_a_bulk_string_and_verbatim_in_resp3() {
    let server = Server::start();
    let mut client = server.connect();
    let text = client.bulk(&["INFO", "cluster", "modules"]);
    assert_eq!(text, b"# Modules\r\n\r\n# Cluster\r\ncluster_enabled:0\r\n");
    client.hello(3);
    match client.cmd(&["INFO", "cluster"]) {
        Value::Verbatim { format, text } => {
            assert_eq!((&format, text.as_slice()), (b"txt", &b"# Cluster\r\ncluster_enabled:0\r\n"[..]));
        }
        other => panic!("{other:?}"),
    }
}

/// Fields that tools read.
const FIELDS: &[(&str, &str)] = &[
    (
        "server",
        "redis_version redis_mode os arch_bits process_id run_id tcp_port server_time_usec uptime_in_seconds uptime_in_days hz configured_hz lru_clock executable config_file io_threads_active",
    ),
    (
        "clients",
        "connected_clients cluster_connections maxclients client_recent_max_input_buffer client_recent_max_output_buffer blocked_clients tracking_clients clients_in_timeout_table",
    ),
    (
        "memory",
        "used_memory used_memory_human used_memory_rss used_memory_peak used_memory_peak_perc used_memory_overhead used_memory_startup used_memory_dataset used_memory_dataset_perc allocator_allocated allocator_active allocator_resident total_system_memory used_memory_lua used_memory_vm_total number_of_functions maxmemory maxmemory_human maxmemory_policy allocator_frag_ratio allocator_rss_bytes rss_overhead_ratio mem_fragmentation_ratio mem_fragmentation_bytes mem_not_counted_for_evict mem_clients_normal mem_aof_buffer mem_allocator active_defrag_running lazyfree_pending_objects lazyfreed_objects",
    ),
    (
        "persistence",
        "loading async_loading current_fork_perc rdb_changes_since_last_save rdb_bgsave_in_progress rdb_last_save_time rdb_last_bgsave_status rdb_saves aof_enabled aof_rewrite_in_progress aof_last_bgrewrite_status aof_last_write_status",
    ),
    (
        "stats",
        "total_connections_received total_commands_processed instantaneous_ops_per_sec total_net_input_bytes total_net_output_bytes instantaneous_input_kbps rejected_connections sync_full expired_keys expired_stale_perc evicted_keys evicted_clients keyspace_hits keyspace_misses pubsub_channels latest_fork_usec total_forks tracking_total_keys unexpected_error_replies total_error_replies total_reads_processed total_writes_processed reply_buffer_shrinks",
    ),
    (
        "replication",
        "role connected_slaves master_failover_state master_replid master_replid2 master_repl_offset second_repl_offset repl_backlog_active repl_backlog_size repl_backlog_histlen",
    ),
    (
        "cpu",
        "used_cpu_sys used_cpu_user used_cpu_sys_children used_cpu_user_children used_cpu_sys_main_thread used_cpu_user_main_thread",
    ),
];

#[test]
fn info_has_redis_s_fields_once_each() {
    let server = Server::start();
    let mut client = server.connect();
    for (section, names) in FIELDS {
        let text = client.text(&["INFO", section]);
        for name in names.split(' ') {
            let count = text.lines().filter(|line| line.split(':').next() == Some(name)).count();
            assert_eq!(count, 1, "{section}: {name}");
        }
    }
    let id = field(&mut client, "server", "run_id");
    assert!(id.len() == 40 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
    assert_eq!(field(&mut client, "replication", "role"), "master");
}

#[test]
fn info_has_the_fields_that_came_with_7_2_and_7_4() {
    if forgekv_only("the fields are newer than the 7.0 the suite is checked against") {
        return;
    }
    let server = Server::with_args(&["--workers", "3"]);
    let mut client = server.connect();
    for (section, names) in [
        ("server", "forgekv_version listener0"),
        (
            "clients",
            "pubsub_clients watching_clients total_watched_keys total_blocking_keys total_blocking_keys_on_nokey",
        ),
        ("memory", "allocator_muzzy mem_overhead_db_hashtable_rehashing"),
        (
            "persistence",
            "aof_current_size aof_base_size aof_pending_rewrite aof_buffer_length aof_pending_bio_fsync aof_delayed_fsync",
        ),
        (
            "stats",
            "expired_subkeys evicted_scripts eventloop_cycles eventloop_duration_sum eventloop_duration_cmd_sum instantaneous_eventloop_cycles_per_sec instantaneous_eventloop_duration_usec acl_access_denied_auth client_query_buffer_limit_disconnections client_output_buffer_limit_disconnections",
        ),
    ] {
        for name in names.split(' ') {
            field(&mut client, section, name);
        }
    }
    assert_eq!(field(&mut client, "server", "redis_version"), "7.4.1");
    assert_eq!(field(&mut client, "server", "tcp_port"), server.addr().port().to_string());
    assert_eq!(field(&mut client, "server", "process_id"), server.pid().to_string());
    assert_eq!(
        field(&mut client, "server", "listener0"),
        format!("name=tcp,bind=127.0.0.1,port={}", server.addr().port())
    );
    assert_eq!(field(&mut client, "workers", "workers"), "3");
    assert_eq!(field(&mut client, "persistence", "aof_enabled"), "1");
}

#[test]
fn info_stats_count_what_happens() {
    let server = Server::start();
    let mut client = server.connect();
    let names = [
        "total_commands_processed",
        "keyspace_hits",
        "keyspace_misses",
        "total_error_replies",
        "total_connections_received",
    ];
    let read = |client: &mut Client| names.map(|name| number(client, "stats", name));
    let before = read(&mut client);
    client.ok(&["SET", "k", "v"]);
    client.cmd(&["GET", "k"]);
    client.cmd(&["GET", "missing"]);
    client.cmd(&["GET", "missing"]);
    client.error(&["GET"]);
    let _other = server.connect().cmd(&["PING"]);
    let after = read(&mut client);
    let grown: Vec<u64> = after.iter().zip(before).map(|(after, before)| after - before).collect();
    assert_eq!(grown[1..], [1, 2, 1, 1]);
    assert!(grown[0] >= 5, "{grown:?}");
    assert!(number(&mut client, "clients", "connected_clients") >= 1);
}

#[test]
fn info_commandstats_and_errorstats_count_by_name() {
    let server = Server::start();
    let mut client = server.connect();
    client.cmd(&["CONFIG", "RESETSTAT"]);
    let line = |client: &mut Client, section: &str, name: &str| {
        let text = client.text(&["INFO", section]);
        text.lines().find(|line| line.starts_with(&format!("{name}:"))).map(str::to_owned)
    };
    let base = |client: &mut Client| {
        let line = line(client, "commandstats", "cmdstat_incr").unwrap_or_default();
        let number = |name: &str| {
            let rest = line.split([',', ':']).find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
            rest.map_or(0, |text| text.parse::<u64>().unwrap())
        };
        [number("calls"), number("rejected_calls"), number("failed_calls")]
    };
    let before = base(&mut client);
    client.ok(&["SET", "text", "x"]);
    client.int(&["INCR", "number"]);
    client.error(&["INCR", "text"]);
    client.error(&["INCR"]);
    let after = base(&mut client);
    assert_eq!([after[0] - before[0], after[1] - before[1], after[2] - before[2]], [2, 1, 1]);
    let shown = line(&mut client, "commandstats", "cmdstat_incr").unwrap();
    let names: Vec<&str> =
        shown.split([',', ':']).skip(1).map(|part| part.split('=').next().unwrap()).collect();
    assert_eq!(names, ["calls", "usec", "usec_per_call", "rejected_calls", "failed_calls"]);
    client.int(&["COMMAND", "COUNT"]);
    assert!(line(&mut client, "commandstats", "cmdstat_command|count").is_some());
    let errors = line(&mut client, "errorstats", "errorstat_ERR").unwrap();
    assert!(errors.starts_with("errorstat_ERR:count="), "{errors}");
}

#[test]
fn info_latencystats_shows_the_configured_percentiles() {
    let server = Server::start();
    let mut client = server.connect();
    for _ in 0..100 {
        client.cmd(&["PING"]);
    }
    let text = client.text(&["INFO", "latencystats"]);
    let line = text.lines().find_map(|line| line.strip_prefix("latency_percentiles_usec_ping:")).unwrap();
    let percentiles: Vec<(&str, f64)> = line
        .split(',')
        .map(|part| part.split_once('=').unwrap())
        .map(|(name, text)| (name, text.parse().unwrap()))
        .collect();
    assert_eq!(percentiles.iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["p50", "p99", "p99.9"]);
    assert!(percentiles.iter().all(|(_, micros)| *micros > 0.0 && *micros < 1e6), "{line}");
    assert!(percentiles.windows(2).all(|pair| pair[0].1 <= pair[1].1), "{line}");
}

#[test]
fn info_keyspace_counts_keys_per_database() {
    let server = Server::start();
    let mut client = server.connect();
    client.ok(&["SET", "a", "1"]);
    client.ok(&["SET", "b", "1"]);
    let text = client.text(&["INFO", "keyspace"]);
    assert!(text.contains("\r\ndb0:keys=2,expires=0,avg_ttl=0"), "{text}");
    client.ok(&["SET", "c", "1", "EX", "100"]);
    let text = client.text(&["INFO", "keyspace"]);
    assert!(text.contains("\r\ndb0:keys=3,expires=1,avg_ttl="), "{text}");
    if !forgekv_only("Redis samples its mean and has no subexpiry before 7.4") {
        let rest = text.split("avg_ttl=").nth(1).unwrap();
        let average: u64 = rest.split(',').next().unwrap().parse().unwrap();
        assert!((99_000..=100_000).contains(&average), "{text}");
        assert!(text.ends_with(",subexpiry=0\r\n"), "{text}");
    }
    client.ok(&["FLUSHALL"]);
    assert_eq!(client.text(&["INFO", "keyspace"]), "# Keyspace\r\n");
}

#[test]
fn used_memory_follows_the_dataset() {
    if forgekv_only("Redis's own allocations move used_memory by more than this test allows")
        || warm_only("used memory is what is in RAM")
    {
        return;
    }
    let server = Server::start();
    let mut client = server.connect();
    let before = number(&mut client, "memory", "used_memory");
    for index in 0..50 {
        client.ok(&["SET", &format!("big:{index}"), &"x".repeat(100_000)]);
    }
    let drained = |client: &mut Client| number(client, "memory", "mem_aof_buffer") == 0;
    wait_for("the log to be written", || drained(&mut client));
    let after = number(&mut client, "memory", "used_memory");
    assert!((5_000_000..5_500_000).contains(&(after - before)), "{before} {after}");
    assert!(number(&mut client, "persistence", "rdb_changes_since_last_save") >= 50);
    client.ok(&["FLUSHALL"]);
    assert!(number(&mut client, "memory", "used_memory") < before + 100_000);
    assert!(number(&mut client, "memory", "used_memory_peak") >= after);
    wait_for("the drop thread to free the tables", || number(&mut client, "memory", "lazyfreed_objects") > 0);
}
