//! Rows: the process, its threads, its logs and what it measures.

use super::super::kind;
use super::super::values::{LogLevel, NotifyFlags, Supervised};
use super::{Directive, INT_MAX, accepted, here, int, number, positive, word, yes};
use crate::config::kind::Kind;

pub(super) const ROWS: &[Directive] = &[
    here(
        "workers",
        int(1024),
        "0",
        |v, text| v.workers = number(text),
        "Threads that serve clients and run commands; 0 is one for each core.",
    )
    .alias(&["io-threads", "server-threads"])
    .immutable(),
    here(
        "server-thread-affinity",
        Kind::Bool,
        "no",
        |v, text| v.server_thread_affinity = yes(text),
        "Binds each worker to a core of its own.",
    )
    .immutable(),
    here(
        "databases",
        positive(INT_MAX),
        "16",
        |v, text| v.databases = number(text),
        "Number of logical databases.",
    )
    .immutable(),
    here("daemonize", Kind::Bool, "no", |v, text| v.daemonize = yes(text), "Runs in the background.")
        .immutable(),
    here(
        "supervised",
        Kind::Choice(&["upstart", "systemd", "auto", "no"]),
        "no",
        |v, text| v.supervised = supervised(text),
        "Which supervisor to tell when the server is ready.",
    )
    .immutable(),
    here(
        "pidfile",
        Kind::Text,
        "",
        |v, text| v.pidfile = text.to_owned(),
        "A file to write the process id into; empty for none.",
    )
    .immutable(),
    here(
        "loglevel",
        Kind::Choice(&["debug", "verbose", "notice", "warning", "nothing"]),
        "notice",
        |v, text| v.loglevel = log_level(text),
        "The least important messages that are logged.",
    ),
    here(
        "logfile",
        Kind::Text,
        "",
        |v, text| v.logfile = text.to_owned(),
        "The log file; empty is standard output.",
    )
    .immutable(),
    here(
        "hz",
        Kind::Clamped(1, 500),
        "10",
        |v, text| v.hz = number(text),
        "How often in a second background upkeep runs.",
    ),
    here(
        "busy-reply-threshold",
        int(i64::MAX),
        "5000",
        |v, text| v.busy_reply_threshold_ms = number(text),
        "Milliseconds after which a running script makes other clients see BUSY.",
    )
    .alias(&["lua-time-limit"]),
    accepted("slowlog-log-slower-than", Kind::Int(-1, i64::MAX), "10000", SLOW_LOG),
    accepted("slowlog-max-len", int(i64::MAX), "128", SLOW_LOG),
    accepted("latency-monitor-threshold", int(i64::MAX), "0", "there is no latency monitor"),
    here(
        "latency-tracking",
        Kind::Bool,
        "yes",
        |v, text| v.latency_tracking = yes(text),
        "Keeps each command's latency distribution.",
    ),
    here(
        "latency-tracking-info-percentiles",
        Kind::Custom(kind::percentiles),
        "50 99 99.9",
        |v, text| v.latency_percentiles = text.split(' ').filter_map(|field| field.parse().ok()).collect(),
        "The percentiles INFO shows of those distributions.",
    )
    .several(),
    here(
        "notify-keyspace-events",
        Kind::Custom(kind::notify),
        "",
        |v, text| v.notify_keyspace_events = NotifyFlags::from_letters(text).unwrap_or_default(),
        "Which changes of the keyspace are published; empty for none.",
    ),
    Directive {
        applies: true,
        ..accepted("include", Kind::Line(1, usize::MAX), "", "Reads another file here.")
    },
    accepted("always-show-logo", Kind::Bool, "no", "there is no logo").immutable(),
    accepted("syslog-enabled", Kind::Bool, "no", SYSLOG).immutable(),
    accepted("syslog-ident", Kind::Text, "redis", SYSLOG).immutable(),
    accepted("syslog-facility", Kind::Choice(FACILITIES), "local0", SYSLOG).immutable(),
    accepted("crash-log-enabled", Kind::Bool, "yes", "a crash is always reported"),
    accepted("crash-memcheck-enabled", Kind::Bool, "yes", "a crash is always reported"),
    accepted("hide-user-data-from-log", Kind::Bool, "no", "the log never shows user data"),
    accepted("set-proc-title", Kind::Bool, "yes", TITLE).immutable(),
    accepted(
        "proc-title-template",
        Kind::Custom(kind::title_template),
        "{title} {listen-addr} {server-mode}",
        TITLE,
    ),
    accepted("locale-collate", Kind::Text, "", "strings are compared as bytes"),
    accepted("dynamic-hz", Kind::Bool, "yes", "upkeep does not grow with the number of clients"),
    accepted("activerehashing", Kind::Bool, "yes", "no operation rehashes the keyspace"),
    accepted("io-threads-do-reads", Kind::Bool, "no", "workers always read their own connections")
        .immutable(),
    accepted("ignore-warnings", Kind::Text, "", "there is no warning to ignore"),
    accepted("disable-thp", Kind::Bool, "yes", "nothing forks, and huge pages do no harm").immutable(),
    accepted("oom-score-adj", Kind::Choice(&["no", "yes", "relative", "absolute"]), "no", OOM),
    accepted("oom-score-adj-values", Kind::Custom(kind::oom_scores), "0 200 800", OOM).several(),
    accepted("server-cpulist", Kind::Text, "", CPUS).alias(&["server_cpulist"]).immutable(),
    accepted("bio-cpulist", Kind::Text, "", CPUS).alias(&["bio_cpulist"]).immutable(),
    accepted("aof-rewrite-cpulist", Kind::Text, "", CPUS).alias(&["aof_rewrite_cpulist"]).immutable(),
    accepted("bgsave-cpulist", Kind::Text, "", CPUS).alias(&["bgsave_cpulist"]).immutable(),
    accepted("shutdown-timeout", int(INT_MAX), "10", "a shutdown waits for no replica"),
    accepted(
        "shutdown-on-sigint",
        Kind::Words(SHUTDOWN),
        "default",
        "a signal always stops the server in order",
    ),
    accepted(
        "shutdown-on-sigterm",
        Kind::Words(SHUTDOWN),
        "default",
        "a signal always stops the server in order",
    ),
    accepted("lua-replicate-commands", Kind::Line(1, 1), "", "scripts always replicate their effects"),
];

const SLOW_LOG: &str = "there is no slow log";
const SYSLOG: &str = "the log goes to standard output or to `logfile`";
const TITLE: &str = "the process keeps its name";
const OOM: &str = "nothing forks, and the process's score is left to whoever starts it";
const CPUS: &str = "`server-thread-affinity` and taskset choose the cores";
const SHUTDOWN: &[&str] = &["default", "save", "nosave", "now", "force"];
const FACILITIES: &[&str] =
    &["user", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7"];

fn supervised(text: &str) -> Supervised {
    let known =
        [("upstart", Supervised::Upstart), ("systemd", Supervised::Systemd), ("auto", Supervised::Auto)];
    word(text, &known)
}

fn log_level(text: &str) -> LogLevel {
    let known = [
        ("debug", LogLevel::Debug),
        ("verbose", LogLevel::Verbose),
        ("notice", LogLevel::Notice),
        ("warning", LogLevel::Warning),
        ("nothing", LogLevel::Nothing),
    ];
    word(text, &known)
}
