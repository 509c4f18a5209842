//! The values the running server reads: one plain field for each directive that has a meaning here.
//!
//! * [`Config`] keeps every directive's canonical text, exactly what CONFIG GET answers, and beside it typed
//!   fields decoded from those texts. The texts are the truth: a field changes only with its text, in
//!   `Config::assign`.
//! * A value is checked before it gets here, so decoding cannot fail.

use std::path::{Path, PathBuf};

use super::table;

/// A complete configuration. Workers read the fields of a shared snapshot; nobody changes one in place.
#[derive(Clone, Debug, Default)]
pub struct Values {
    /// Addresses to listen on; `*` is every one, and a leading `-` makes an address optional.
    pub bind: Vec<String>,
    /// TCP port; 0 turns TCP off.
    pub port: u16,
    /// Path of the Unix socket, or empty.
    pub unixsocket: String,
    /// Permission bits of the Unix socket; 0 leaves what the umask gives.
    pub unixsocketperm: u32,
    /// Length of the kernel's queue of connections not yet accepted.
    pub tcp_backlog: i32,
    /// Seconds between TCP keepalive probes; 0 turns them off.
    pub tcp_keepalive: u32,
    /// Seconds after which an idle client is closed; 0 is never.
    pub timeout: u32,
    /// Most clients connected at once.
    pub maxclients: u32,
    /// Without a password, answer only clients of this machine when no address was chosen.
    pub protected_mode: bool,
    /// Longest bulk string of a request, in bytes.
    pub proto_max_bulk_len: usize,
    /// Most bytes of unparsed request a client may have.
    pub client_query_buffer_limit: usize,
    /// Limits of unsent reply bytes, by client class.
    pub client_output_buffer_limit: OutputLimits,
    /// Most keys the invalidation table of client-side caching holds; 0 is no bound.
    pub tracking_table_max_keys: usize,

    /// Password of the default user, or empty.
    pub requirepass: String,
    /// Each `rename-command` line: the old name and the new one; an empty new name removes the command.
    pub renamed_commands: Vec<(String, String)>,
    /// Who may use DEBUG.
    pub enable_debug_command: ProtectedAction,
    /// Who may change protected parameters at run time.
    pub enable_protected_configs: ProtectedAction,

    /// RAM for the dataset's cache, in MiB; 0 chooses from the machine's memory.
    pub memtable_size_mb: u64,
    /// Bytes of dataset at which keys are evicted; 0 is no bound.
    pub maxmemory: u64,
    /// Which keys `maxmemory` evicts.
    pub maxmemory_policy: MaxmemoryPolicy,
    /// Keys compared for one eviction.
    pub maxmemory_samples: u32,
    /// How slowly the LFU counter grows.
    pub lfu_log_factor: u32,
    /// Minutes after which the LFU counter halves; 0 is never.
    pub lfu_decay_time: u32,
    /// The sizes up to which collections stay compact.
    pub limits: EncodingLimits,

    /// The dataset's directory.
    pub dir: PathBuf,
    /// What the operator said about `appendonly`; the log is written either way.
    pub appendonly: bool,
    /// When a write is acknowledged, relative to reaching the disk.
    pub wal_sync_mode: SyncMode,
    /// Size of one log segment, in MiB.
    pub wal_segment_mb: u32,
    /// MiB of log behind the last checkpoint at which the next one is made.
    pub checkpoint_log_mb: u64,
    /// Threads that read cold keys from disk.
    pub disk_threads: u32,
    /// When to make a checkpoint, beside those the server makes by itself.
    pub save: Vec<SavePoint>,
    /// The name of the RDB file, without a directory.
    pub dbfilename: String,
    /// The version of RDB files that are written, from 10 to 12.
    pub rdb_version: u16,
    /// Whether strings in RDB files are compressed.
    pub rdbcompression: bool,
    /// Whether RDB files end with a checksum.
    pub rdbchecksum: bool,
    /// Whether RDB files are synced while they are written.
    pub rdb_save_incremental_fsync: bool,

    /// Number of logical databases.
    pub databases: u32,
    /// Number of worker threads; 0 is one for each core.
    pub workers: u32,
    /// Whether each worker is bound to a core.
    pub server_thread_affinity: bool,
    /// Run in the background.
    pub daemonize: bool,
    /// Which supervisor to tell when the server is ready.
    pub supervised: Supervised,
    /// Path of the pid file, or empty.
    pub pidfile: String,
    /// Path of the log file; empty is standard output.
    pub logfile: String,
    /// The least important messages that are logged.
    pub loglevel: LogLevel,
    /// Ticks of the cron thread in a second, from 1 to 500.
    pub hz: u32,
    /// Milliseconds after which a running script makes other clients see BUSY; 0 is never.
    pub busy_reply_threshold_ms: u64,
    /// Whether each command's latency distribution is kept.
    pub latency_tracking: bool,
    /// The percentiles INFO shows of those distributions.
    pub latency_percentiles: Vec<f64>,
    /// Which keyspace events are published.
    pub notify_keyspace_events: NotifyFlags,
}

/// Every directive of one running or starting server: its texts, its decoded [`Values`], and its file.
///
/// It dereferences to [`Values`]: `config.port`.
#[derive(Clone, Debug)]
pub struct Config {
    pub(super) texts: Vec<String>,
    pub(super) given: Vec<bool>,
    pub(super) values: Values,
    pub(super) file: Option<PathBuf>,
}

impl std::ops::Deref for Config {
    type Target = Values;

    fn deref(&self) -> &Values {
        &self.values
    }
}

impl Default for Config {
    /// Every directive at the default of its row in the table.
    fn default() -> Self {
        let rows = table::all();
        let mut config = Self {
            texts: rows.iter().map(|row| row.default.to_owned()).collect(),
            given: vec![false; rows.len()],
            values: Values::default(),
            file: None,
        };
        for row in rows {
            if let Some(decode) = row.decode {
                decode(&mut config.values, row.default);
            }
        }
        config
    }
}

impl Config {
    /// The absolute path of the configuration file, if the server was started with one.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// Lowers `maxclients` to what the system allows, as CONFIG GET then says.
    pub fn set_maxclients(&mut self, clients: u32) {
        self.values.maxclients = clients;
        if let Some(index) = table::all().iter().position(|row| row.name == "maxclients") {
            self.texts[index] = clients.to_string();
        }
    }

    /// A path as a directive gives it: relative ones are relative to the dataset's directory.
    pub fn path(&self, given: &str) -> PathBuf {
        self.values.dir.join(given)
    }
}

/// The sizes up to which collections keep their compact encodings. A size in bytes is of one member.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields bear the names of their directives, which the table documents")]
pub struct EncodingLimits {
    pub hash_max_listpack_entries: usize,
    pub hash_max_listpack_value: usize,
    /// Positive: entries of a node. Negative, -1 to -5: 4, 8, 16, 32 or 64 KiB of a node.
    pub list_max_listpack_size: i32,
    pub set_max_intset_entries: usize,
    pub set_max_listpack_entries: usize,
    pub set_max_listpack_value: usize,
    pub zset_max_listpack_entries: usize,
    pub zset_max_listpack_value: usize,
    pub hll_sparse_max_bytes: usize,
    pub stream_node_max_bytes: usize,
    pub stream_node_max_entries: usize,
}

/// Limits of unsent reply bytes for each class of client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutputLimits {
    /// Ordinary clients, MONITOR among them.
    pub normal: OutputLimit,
    /// Replicas.
    pub replica: OutputLimit,
    /// Clients subscribed to a channel or pattern.
    pub pubsub: OutputLimit,
}

/// A client is closed at `hard_bytes`, or after `soft_seconds` at or above `soft_bytes`; 0 is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the type's own sentence names every field")]
pub struct OutputLimit {
    pub hard_bytes: u64,
    pub soft_bytes: u64,
    pub soft_seconds: u64,
}

/// A checkpoint is due after `seconds` with at least `changes` writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the type's own sentence names every field")]
pub struct SavePoint {
    pub seconds: u64,
    pub changes: u64,
}

/// When a write is acknowledged, relative to reaching the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SyncMode {
    /// After the log is synced.
    Always,
    /// At once; the log is synced every second.
    #[default]
    EverySecond,
    /// At once; the kernel decides when the log reaches the disk.
    Never,
}

/// Which keys `maxmemory` evicts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "Redis's own names")]
pub enum MaxmemoryPolicy {
    VolatileLru,
    VolatileLfu,
    VolatileRandom,
    VolatileTtl,
    AllkeysLru,
    AllkeysLfu,
    AllkeysRandom,
    #[default]
    Noeviction,
}

/// How important a log message must be to be written; the order is the order of importance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "Redis's own names")]
pub enum LogLevel {
    Debug,
    Verbose,
    #[default]
    Notice,
    Warning,
    Nothing,
}

/// Which supervisor started the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "Redis's own names")]
pub enum Supervised {
    Upstart,
    Systemd,
    /// Found out from the environment.
    Auto,
    #[default]
    No,
}

/// Who may do something dangerous.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProtectedAction {
    /// Nobody.
    #[default]
    No,
    /// Everybody.
    Yes,
    /// Clients connected from this machine.
    Local,
}

impl ProtectedAction {
    /// Says whether a client may, given whether it is connected from this machine.
    pub fn allows(self, client_is_local: bool) -> bool {
        match self {
            Self::No => false,
            Self::Yes => true,
            Self::Local => client_is_local,
        }
    }
}

/// Which keyspace events are published: a set of the classes below.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NotifyFlags(u16);

impl NotifyFlags {
    /// `K`: events on the channel of the key.
    pub const KEYSPACE: Self = Self(1);
    /// `E`: events on the channel of the event.
    pub const KEYEVENT: Self = Self(1 << 1);
    /// `g`: DEL, EXPIRE, RENAME and other commands of no one type.
    pub const GENERIC: Self = Self(1 << 2);
    /// `$`: string commands.
    pub const STRING: Self = Self(1 << 3);
    /// `l`: list commands.
    pub const LIST: Self = Self(1 << 4);
    /// `s`: set commands.
    pub const SET: Self = Self(1 << 5);
    /// `h`: hash commands.
    pub const HASH: Self = Self(1 << 6);
    /// `z`: sorted set commands.
    pub const ZSET: Self = Self(1 << 7);
    /// `x`: a key expired.
    pub const EXPIRED: Self = Self(1 << 8);
    /// `e`: a key was evicted.
    pub const EVICTED: Self = Self(1 << 9);
    /// `t`: stream commands.
    pub const STREAM: Self = Self(1 << 10);
    /// `d`: module types.
    pub const MODULE: Self = Self(1 << 11);
    /// `m`: a key that was read does not exist; not part of `A`.
    pub const KEY_MISS: Self = Self(1 << 12);
    /// `n`: a key was created; not part of `A`.
    pub const NEW: Self = Self(1 << 13);

    const LETTERS: [(char, Self); 14] = [
        ('g', Self::GENERIC),
        ('$', Self::STRING),
        ('l', Self::LIST),
        ('s', Self::SET),
        ('h', Self::HASH),
        ('z', Self::ZSET),
        ('x', Self::EXPIRED),
        ('e', Self::EVICTED),
        ('t', Self::STREAM),
        ('d', Self::MODULE),
        ('n', Self::NEW),
        ('K', Self::KEYSPACE),
        ('E', Self::KEYEVENT),
        ('m', Self::KEY_MISS),
    ];
    /// `A`: every class from `g` to `d`.
    const ALL: Self = Self(0b1111_1111_1100);

    /// Reads the letters of `notify-keyspace-events`; `None` for an unknown one.
    pub fn from_letters(letters: &str) -> Option<Self> {
        letters.chars().try_fold(Self::default(), |flags, letter| {
            let class = match letter {
                'A' => Self::ALL,
                _ => Self::LETTERS.iter().find(|(known, _)| *known == letter)?.1,
            };
            Some(Self(flags.0 | class.0))
        })
    }

    /// The letters, with `A` for a complete set.
    pub fn letters(self) -> String {
        let mut text = String::new();
        let mut rest = self.0;
        if self.contains(Self::ALL) {
            text.push('A');
            rest &= !Self::ALL.0;
        }
        text.extend(Self::LETTERS.iter().filter(|(_, class)| rest & class.0 != 0).map(|(letter, _)| letter));
        text
    }

    /// The set as a number.
    pub const fn bits(self) -> u16 {
        self.0
    }

    /// The set that a number stands for.
    pub const fn from_bits(bits: u16) -> Self {
        Self(bits)
    }

    /// Says whether every class of `other` is in this set.
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Says whether no class is in this set.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}
