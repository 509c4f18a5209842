//! A client as other threads see it.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use super::{ClientId, Waiting};
use crate::pubsub::Tracker;
use crate::store::UnixMs;

/// Both ends of a connection, as CLIENT LIST prints them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// `127.0.0.1:52013`, `[::1]:52013`, `/run/forgekv.sock:0`.
    pub peer: String,
    /// The server's end.
    pub local: String,
    /// The file descriptor.
    pub fd: i32,
    /// Did it come through the unix socket?
    pub is_unix: bool,
    /// Did it come from this host? (protected mode, `local` directives)
    pub is_local: bool,
}

/// What a client said of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Texts {
    /// CLIENT SETNAME.
    pub name: Vec<u8>,
    /// CLIENT SETINFO LIB-NAME.
    pub lib_name: Vec<u8>,
    /// CLIENT SETINFO LIB-VER.
    pub lib_version: Vec<u8>,
    /// The user it is logged in as.
    pub user: String,
}

/// Flags that CLIENT LIST shows beside those it derives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientFlags {
    /// CLIENT NO-EVICT.
    pub no_evict: bool,
    /// CLIENT NO-TOUCH.
    pub no_touch: bool,
    /// Closes after its reply.
    pub closing: bool,
    /// Between MULTI and EXEC.
    pub in_multi: bool,
    /// A key that it watches has changed.
    pub watched_changed: bool,
}

/// The public face of a session. Its own thread stores, once per turn; everybody may load.
pub struct ClientInfo {
    /// Its number.
    pub id: ClientId,
    /// Its ends.
    pub endpoint: Endpoint,
    /// When it connected.
    pub created: UnixMs,
    /// The worker that serves it.
    pub worker: u32,
    /// The worker's number for the connection.
    pub token: AtomicU64,
    /// When it last sent something, in Unix milliseconds.
    pub last_active_ms: AtomicU64,
    /// SELECT.
    pub db: AtomicU32,
    /// 2 or 3.
    pub resp: AtomicU8,
    /// [`Row::id`](crate::commands::table::Row::id) of its last command; `u32::MAX` before the first.
    pub last_command: AtomicU32,
    /// Bytes waiting in its query buffer.
    pub query_bytes: AtomicU64,
    /// Bytes its query buffer could still take.
    pub query_free: AtomicU64,
    /// Bytes of replies not yet sent.
    pub output_bytes: AtomicU64,
    /// Bytes its reply buffer takes, filled or not.
    pub output_memory: AtomicU64,
    /// Bytes its buffers take in all.
    pub memory: AtomicU64,
    /// Commands queued since MULTI; −1 outside of a transaction.
    pub queued: AtomicI64,
    /// Bytes that they take.
    pub queued_bytes: AtomicU64,
    /// Keys that it watches.
    pub watched: AtomicU64,
    /// Bytes received since it connected.
    pub net_in: AtomicU64,
    /// Bytes sent since it connected.
    pub net_out: AtomicU64,
    /// Channels that it is subscribed to.
    pub(super) channels: AtomicU32,
    /// Patterns.
    pub(super) patterns: AtomicU32,
    /// Shard channels.
    pub(super) shard_channels: AtomicU32,
    /// MONITOR.
    pub(super) is_monitor: AtomicBool,
    /// CLIENT TRACKING, if it was ever on.
    pub(super) tracker: OnceLock<Arc<Tracker>>,
    flags: AtomicU8,
    killed: AtomicBool,
    texts: Mutex<Texts>,
    /// What its command waits for. A leaf lock.
    waiting: Mutex<Option<Arc<Waiting>>>,
    is_blocked: AtomicBool,
}

impl ClientInfo {
    /// The face of a client that has just connected.
    pub fn new(id: ClientId, endpoint: Endpoint, created: UnixMs, worker: u32) -> Self {
        ClientInfo {
            id,
            endpoint,
            created,
            worker,
            token: AtomicU64::new(0),
            last_active_ms: AtomicU64::new(created.0),
            db: AtomicU32::new(0),
            resp: AtomicU8::new(2),
            last_command: AtomicU32::new(u32::MAX),
            query_bytes: AtomicU64::new(0),
            query_free: AtomicU64::new(0),
            output_bytes: AtomicU64::new(0),
            output_memory: AtomicU64::new(0),
            memory: AtomicU64::new(0),
            queued: AtomicI64::new(-1),
            queued_bytes: AtomicU64::new(0),
            watched: AtomicU64::new(0),
            net_in: AtomicU64::new(0),
            net_out: AtomicU64::new(0),
            channels: AtomicU32::new(0),
            patterns: AtomicU32::new(0),
            shard_channels: AtomicU32::new(0),
            is_monitor: AtomicBool::new(false),
            tracker: OnceLock::new(),
            flags: AtomicU8::new(0),
            killed: AtomicBool::new(false),
            texts: Mutex::new(Texts { user: super::DEFAULT_USER.to_owned(), ..Texts::default() }),
            waiting: Mutex::new(None),
            is_blocked: AtomicBool::new(false),
        }
    }

    /// A copy of what it said of itself.
    pub fn texts(&self) -> Texts {
        self.texts.lock().expect("no panic happens under this leaf lock").clone()
    }

    /// Changes what it said of itself.
    pub fn change_texts(&self, change: impl FnOnce(&mut Texts)) {
        change(&mut self.texts.lock().expect("no panic happens under this leaf lock"));
    }

    /// The flags.
    pub fn flags(&self) -> ClientFlags {
        let bits = self.flags.load(Ordering::Relaxed);
        let has = |bit: u8| bits & 1 << bit != 0;
        ClientFlags {
            no_evict: has(0),
            no_touch: has(1),
            closing: has(2),
            in_multi: has(3),
            watched_changed: has(4),
        }
    }

    /// Publishes the flags.
    pub fn set_flags(&self, flags: ClientFlags) {
        let ClientFlags { no_evict, no_touch, closing, in_multi, watched_changed } = flags;
        let all = [no_evict, no_touch, closing, in_multi, watched_changed];
        let bits = all.iter().rev().fold(0, |bits, &flag| bits << 1 | u8::from(flag));
        self.flags.store(bits, Ordering::Relaxed);
    }

    /// Its command begins to wait, or goes on.
    pub fn set_waiting(&self, waiting: Option<Arc<Waiting>>) {
        self.is_blocked.store(waiting.is_some(), Ordering::Relaxed);
        *self.waiting.lock().expect("no panic happens under this leaf lock") = waiting;
    }

    /// What its command waits for.
    pub fn waiting(&self) -> Option<Arc<Waiting>> {
        self.waiting.lock().expect("no panic happens under this leaf lock").clone()
    }

    /// Does its command wait?
    pub fn is_blocked(&self) -> bool {
        self.is_blocked.load(Ordering::Relaxed)
    }

    /// Marks it to be closed; its worker looks when it is told, and before every turn.
    pub fn kill(&self) {
        self.killed.store(true, Ordering::Release);
    }

    /// Was it killed?
    pub fn is_killed(&self) -> bool {
        self.killed.load(Ordering::Acquire)
    }
}
