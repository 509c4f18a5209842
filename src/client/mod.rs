//! Sessions: what the server knows of a client, and the registry through which other threads see it.
//!
//! * [`Client`] belongs to one connection; only the thread that serves the connection touches it.
//! * [`ClientInfo`] is its public face: atomics stored once per turn, texts behind a leaf lock. CLIENT LIST and KILL read
//!   it from any thread, so they cost the served clients nothing.
//! * No sockets here: `net` owns them.

mod describe;
mod filter;
mod info;
mod letter;
mod listening;
mod pause;
mod registry;
mod txn;
mod waiting;

pub use filter::{ClientKind, Filter};
pub use info::{ClientFlags, ClientInfo, Endpoint, Texts};
pub use letter::Letter;
pub use listening::{Listening, TrackMode};
pub use pause::{Pause, PauseMode};
pub use registry::{Notice, Registry};
pub use txn::{Queued, Transaction, Watches};
pub use waiting::{Otherwise, Waiting};

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::resp::Protocol;
use crate::store::DbIndex;
use crate::store::loading::Ticket;
use crate::store::long::LongWords;

/// A client's number: given out once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(pub u64);

/// The user that every client is before AUTH.
pub const DEFAULT_USER: &str = "default";

/// CLIENT REPLY.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyMode {
    /// Every command is answered.
    On,
    /// None is.
    Off,
    /// The next one is not.
    SkipNext,
    /// This one is not; the next one is.
    Skipping,
}

impl ReplyMode {
    /// Does it suppress the reply of the command that runs? Messages it does not.
    #[inline]
    pub fn suppresses(self) -> bool {
        matches!(self, ReplyMode::Off | ReplyMode::Skipping)
    }
}

/// A session.
pub struct Client {
    /// What other threads may see.
    pub info: Arc<ClientInfo>,
    /// SELECT.
    pub db: DbIndex,
    /// HELLO.
    pub protocol: Protocol,
    /// Has the client given the password, or is none needed?
    pub authenticated: bool,
    /// CLIENT REPLY.
    pub reply_mode: ReplyMode,
    /// What the command has written stays, though replies are suppressed: it is a message.
    pub was_told: bool,
    /// CLIENT NO-TOUCH.
    pub no_touch: bool,
    /// CLIENT NO-EVICT.
    pub no_evict: bool,
    /// The command that just ran took so long that the turn's time is over: what follows needs a new look at the clock.
    pub took_long: bool,
    /// The connection closes once what is in the output buffer has been sent.
    pub close_after_reply: bool,
    /// Its script needs all shards: it has met a key that it did not declare.
    pub takes_all_shards: bool,
    /// What it is told beside its replies.
    pub listening: Listening,
    /// The newest LSN that anything it was told depends on.
    pub depends_on: u64,
    /// The commands queued since MULTI.
    pub multi: Option<Box<Transaction>>,
    /// The keys that WATCH named.
    pub watches: Watches,
    /// What its last command waits for; its reply is still to come.
    pub blocked: Option<Arc<Waiting>>,
    /// The LSN of what its last write was logged as.
    pub last_lsn: u64,
    /// What its next command waits for that is on disk.
    pub waiting: Option<Arc<Ticket>>,
    /// Copies of the long words of a command that comes again.
    pub long: LongWords,
    /// How many commands the transaction has that is being executed.
    pub executing: Option<usize>,
    /// What [`ClientInfo::last_command`] will be: the command that runs, or ran last.
    pub last_command: u32,
}

impl Client {
    /// A new session.
    pub fn new(info: Arc<ClientInfo>, authenticated: bool) -> Self {
        Client {
            info,
            db: DbIndex(0),
            protocol: Protocol::Resp2,
            authenticated,
            reply_mode: ReplyMode::On,
            was_told: false,
            no_touch: false,
            no_evict: false,
            took_long: false,
            close_after_reply: false,
            takes_all_shards: false,
            listening: Listening::default(),
            depends_on: 0,
            multi: None,
            watches: Watches::default(),
            blocked: None,
            last_lsn: 0,
            waiting: None,
            long: LongWords::default(),
            executing: None,
            last_command: u32::MAX,
        }
    }

    /// Its number.
    pub fn id(&self) -> ClientId {
        self.info.id
    }

    /// Its command waits from here on.
    pub fn begin_wait(&mut self, waiting: Waiting) {
        let waiting = Arc::new(waiting);
        self.info.set_waiting(Some(waiting.clone()));
        self.blocked = Some(waiting);
    }

    /// The wait is over, if there was one.
    pub fn end_wait(&mut self) -> Option<Arc<Waiting>> {
        let waiting = self.blocked.take()?;
        self.info.set_waiting(None);
        Some(waiting)
    }

    /// Bytes that queued commands take.
    pub fn queued_bytes(&self) -> usize {
        self.multi.as_ref().map_or(0, |multi| multi.memory())
    }

    /// Shows other threads where the session stands.
    pub fn publish(&self) {
        let info = &self.info;
        info.db.store(self.db.0, Ordering::Relaxed);
        info.resp.store(if self.protocol == Protocol::Resp3 { 3 } else { 2 }, Ordering::Relaxed);
        info.last_command.store(self.last_command, Ordering::Relaxed);
        let queued = self.multi.as_ref().map(|multi| multi.commands().len()).or(self.executing);
        let queued = queued.map_or(-1, |count| count as i64);
        info.queued.store(queued, Ordering::Relaxed);
        info.queued_bytes.store(self.queued_bytes() as u64, Ordering::Relaxed);
        info.watched.store(self.watches.len() as u64, Ordering::Relaxed);
        info.set_flags(ClientFlags {
            no_evict: self.no_evict,
            no_touch: self.no_touch,
            closing: self.close_after_reply,
            in_multi: self.multi.is_some() || self.executing.is_some(),
            watched_changed: self.watches.has_changed(),
        });
    }

    /// RESET: back to what a new connection is. What the client library said of itself stays: it is still the same one.
    pub fn reset(&mut self, authenticated: bool) {
        self.db = DbIndex(0);
        self.set_protocol(Protocol::Resp2);
        self.authenticated = authenticated;
        // What CLIENT REPLY SKIP passes over is this very command.
        if self.reply_mode != ReplyMode::Skipping {
            self.reply_mode = ReplyMode::On;
        }
        self.no_touch = false;
        self.no_evict = false;
        self.info.change_texts(|texts| {
            texts.name.clear();
            texts.user = DEFAULT_USER.to_owned();
        });
    }
}
