//! Commands that wait for keys: BLPOP and its kin, XREAD BLOCK.
//!
//! * A command says once, as a closure, how it takes what it wants from one of its keys ([`Serve`]). [`Call::block_on`] tries
//!   that with each key; if none has anything the client waits, and whoever changes one of the keys serves it with the same
//!   closure before its own locks are released. So nobody can take an element between a push and the client that waited for it.
//! * Clients that wait for one key are served in the order in which they began to wait, keys in the order in which they changed.
//!   A transaction or a script serves when all of it has been executed.
//! * What is served is logged behind what caused it, in the same record, and the reply depends on that record.
//!
//! # Serving that needs another key
//!
//! BLMOVE takes from the key that it waits for and puts into another, whose shard must be locked, too. Locking it when the
//! moment has come would break the order of locks; letting go and locking both would let somebody steal between. So whoever
//! locks shards for a command looks, before it runs, which further keys clients need that wait for keys of those shards
//! ([`Keyspace::with_links`](crate::store::Keyspace::with_links)); if they live elsewhere it lets go, locks the union, and looks
//! again, because only who holds a shard changes who waits there. Such keys are brought into RAM with the command's own. The
//! union is closed: what is put into the other key may be what a third client waits for. All this costs one load while nobody
//! waits in such a way.
//!
//! # The end of a wait
//!
//! A wait ends once: [`Blocked`] is claimed by who serves, or ended by a timeout, by CLIENT UNBLOCK, or by the end of the
//! connection. Whoever does it sends the reply, as a [`Letter`] if it isn't the client's own worker.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::call::Call;
use super::error::CommandError;
use super::residence::waiter;
use super::spec::{CommandResult, flags};
use super::state::ServerState;
use super::wait;
use crate::client::{Client, ClientId, ClientInfo, Letter, Otherwise, Waiting};
use crate::config::Config;
use crate::pubsub::Tracker;
use crate::resp::{Output, Protocol, Reply};
use crate::store::db::Workspace;
use crate::store::evict::AccessClock;
use crate::store::interest::{Blocked, NamedKey};
use crate::store::lock::{Locked, ShardSet};
use crate::store::{Db, DbIndex, Key, Keyspace, ShardId, UnixMs, Waiter};
use crate::util::long_double::LongDouble;
use crate::util::random::Random;
use crate::util::{double, log, time};

/// What serving a client may use.
pub struct Serving<'s, 'd, 'r> {
    /// The keyspace, with the key's shard locked, and that of [`Wait::also`].
    pub db: &'s mut Db<'d>,
    /// The key that may have something.
    pub key: Key<'s>,
    /// The waiting client's reply.
    pub reply: &'s mut Reply<'r>,
    /// The configuration.
    pub config: &'s Config,
    /// The wall clock.
    pub now: UnixMs,
    /// Random numbers.
    pub random: &'s mut Random,
}

/// Takes what the command wants from the key and replies with it; false: there is nothing, and nothing was done. It is called for
/// every change of the key, its deletion too. It logs what it did with [`Db::log_as`], and notes the events. An error is
/// the reply; but [`CommandError::WRONG_TYPE`] of a key that changes while the client waits means that there is nothing.
pub type Serve = Box<dyn FnMut(&mut Serving<'_, '_, '_>) -> Result<bool, CommandError> + Send>;

/// What a client is told that may not wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nothing {
    /// A null.
    Null,
    /// A null array.
    NullArray,
}

/// What a command waits for.
pub struct Wait {
    /// The arguments that are its keys, in the order in which they are looked at.
    pub keys: Range<usize>,
    /// Milliseconds to wait; `None`: for ever.
    pub timeout_ms: Option<u64>,
    /// The reply where nobody waits, in a transaction or a script, when there is nothing. A client whose time is over gets a
    /// null array whatever this says, as from Redis.
    pub nothing: Nothing,
    /// The argument that is one more key which serving uses: the destination of BLMOVE.
    pub also: Option<usize>,
    /// How it is served.
    pub serve: Serve,
}

impl Nothing {
    fn text(self, protocol: Protocol) -> &'static [u8] {
        match (protocol, self) {
            (Protocol::Resp3, _) => b"_\r\n",
            (Protocol::Resp2, Nothing::Null) => b"$-1\r\n",
            (Protocol::Resp2, Nothing::NullArray) => b"*-1\r\n",
        }
    }
}

/// How a waiting client is served and answered; what [`Blocked`] keeps for this module.
struct Want {
    serve: Serve,
    protocol: Protocol,
    client: ClientId,
    at: Waiter,
    /// The client tracks what it reads, and the command only reads.
    tracker: Option<Arc<Tracker>>,
}

impl Call<'_> {
    /// Serves the client now if one of the keys has something, else lets it wait. Inside a transaction or a script nobody waits.
    pub fn block_on(&mut self, mut wait: Wait) -> CommandResult {
        for position in wait.keys.clone() {
            let key = self.key(position);
            let mut serving = Serving {
                db: &mut self.db,
                key,
                reply: &mut self.reply,
                config: self.config,
                now: self.now,
                random: self.random,
            };
            if (wait.serve)(&mut serving)? {
                return Ok(());
            }
        }
        let protocol = self.client.protocol;
        if self.is_nested {
            self.reply.raw(wait.nothing.text(protocol));
            return Ok(());
        }
        let db = self.db.index();
        let name = |position| NamedKey::of(db, &self.key(position));
        let also = wait.also.map(name);
        let mut keys: Vec<NamedKey> = Vec::with_capacity(wait.keys.len());
        for key in wait.keys.clone().map(name) {
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        let is_read = self.command.command.has(flags::READONLY) && self.client.listening.tracks_reads();
        let want = Want {
            serve: wait.serve,
            protocol,
            client: self.client.id(),
            at: waiter(self.client),
            tracker: self.client.tracker().filter(|_| is_read).cloned(),
        };
        let blocked = Blocked::new(keys, also, Box::new(want));
        self.db.wait(&blocked);
        let otherwise = Otherwise::Reply(Nothing::NullArray.text(protocol));
        self.client.begin_wait(Waiting { blocked, timeout_ms: wait.timeout_ms, otherwise });
        Ok(())
    }

    /// Word `position` as a timeout in seconds with a fraction; `None`: 0, for ever.
    pub fn timeout_ms(&self, position: usize) -> Result<Option<u64>, CommandError> {
        let Some(seconds) = double::parse(self.arg(position)) else {
            // Redis reads more numbers than a double can be; none of them is a time.
            return Err(match LongDouble::parse(self.arg(position)) {
                Some(number) if number.is_negative() => CommandError::TIMEOUT_NEGATIVE,
                Some(_) => CommandError::TIMEOUT_OUT_OF_RANGE,
                None => CommandError::TIMEOUT_NOT_FLOAT,
            });
        };
        let (ms, now_ms) = ((seconds * 1000.0).ceil(), self.now.0 as f64);
        if ms + now_ms > i64::MAX as f64 {
            return Err(CommandError::TIMEOUT_OUT_OF_RANGE);
        }
        if ms < 0.0 {
            return Err(CommandError::TIMEOUT_NEGATIVE);
        }
        Ok((ms > 0.0).then_some(ms as u64))
    }
}

/// Locks also what serving clients needs who wait for keys of the locked shards; see the module. `Err`: a shard is busy, and
/// nothing is locked.
#[cold]
pub(super) fn lock_links<'k>(keyspace: &'k Keyspace, mut locked: Locked<'k>) -> Result<Locked<'k>, ShardId> {
    loop {
        let needed = keyspace.with_links(&locked);
        if needed == locked.set() {
            return Ok(locked);
        }
        drop(locked);
        locked = keyspace.locks().try_lock(needed)?;
    }
}

/// What serving takes from whoever does it.
pub(super) struct Service<'s, 'd> {
    /// The operation, whose own changes are staged.
    pub db: &'s mut Db<'d>,
    /// The configuration.
    pub config: &'s Config,
    /// The wall clock.
    pub now: UnixMs,
    /// Random numbers.
    pub random: &'s mut Random,
    /// Gets the replies; they depend on the operation's record, which is still to be made.
    pub letters: &'s mut Vec<Letter>,
}

impl Service<'_, '_> {
    /// Serves all clients that wait for keys which the operation has changed, and those that wait for what was put into further
    /// keys by that.
    #[cold]
    pub fn serve_all(&mut self) {
        while let Some(key) = self.db.next_ready() {
            let mut nth = 0;
            while let Some(blocked) = self.db.in_line(&key, nth) {
                if !blocked.claim() {
                    self.db.stop_waiting(&key, &blocked);
                } else if self.serve(&key, &blocked) {
                    blocked.served();
                    self.db.stop_waiting(&key, &blocked);
                } else {
                    blocked.unclaim();
                    nth += 1;
                }
            }
        }
    }

    /// Serves one client if there is something for it.
    fn serve(&mut self, key: &NamedKey, blocked: &Blocked) -> bool {
        let mut want = blocked.want();
        let want: &mut Want = want.downcast_mut().expect("who waits for keys wants something of them");
        self.db.begin_serving(key);
        let mut out = Output::new();
        let mut reply = Reply::new(&mut out, want.protocol);
        let mut serving = Serving {
            db: &mut *self.db,
            key: key.key(),
            reply: &mut reply,
            config: self.config,
            now: self.now,
            random: &mut *self.random,
        };
        match (want.serve)(&mut serving) {
            Ok(true) => {
                // The change that it waited for has made the server forget that it read the key.
                if let Some(tracker) = &want.tracker {
                    self.db.track(&key.key(), tracker);
                }
            }
            // Another type than the client waits for is nothing.
            Ok(false) | Err(CommandError::WRONG_TYPE) => return false,
            Err(error) => reply.error(error.bytes()),
        }
        let text = Arc::new(out.take());
        self.letters.push(Letter { to: want.client, at: want.at, text, depends_on: 0 });
        true
    }
}

/// Sends what was served, once it is known what that depends on.
pub(super) fn deliver(state: &ServerState, letters: &mut Vec<Letter>, depends_on: u64) {
    for letter in letters.drain(..) {
        state.clients.deliver(Letter { depends_on, ..letter });
    }
}

/// Serves clients whose keys were changed by background work. Locks what it needs, and waits for that.
pub fn serve_later(state: &ServerState, keys: Vec<NamedKey>) {
    let keyspace = &state.keyspace;
    let mut needed = keys.iter().fold(ShardSet::EMPTY, |set, key| set.with(key.shard()));
    let locked = loop {
        let locked = keyspace.locks().lock_set(needed);
        let closed = keyspace.with_links(&locked);
        if closed == needed {
            break locked;
        }
        needed = closed;
    };
    let (config, now) = (state.config.snapshot(), time::now());
    let mut random = Random::seeded();
    let access = AccessClock::of(&config, now, random.fraction());
    let (mut work, mut letters) = (Workspace::default(), Vec::new());
    let mut db = Db::new(keyspace, locked, DbIndex(0), now, &access, &mut work);
    if let Err(sentence) = db.bring_in_links() {
        log::warning(&format!("A client that waits for a key can't be served: {sentence}"));
        return;
    }
    keys.into_iter().for_each(|key| db.note_ready(key));
    let (random, letters) = (&mut random, &mut letters);
    Service { db: &mut db, config: &config, now, random, letters }.serve_all();
    let committed = db.commit(std::iter::empty(), DbIndex(0));
    drop(db);
    deliver(state, letters, committed.depends_on);
    keyspace.announce(&mut work, committed.depends_on);
}

/// What a client is told whose time is over.
pub fn otherwise(state: &ServerState, waiting: &Waiting) -> Vec<u8> {
    match waiting.otherwise {
        Otherwise::Reply(text) => text.to_vec(),
        Otherwise::Durable { lsn, .. } => wait::acknowledged(state, lsn),
    }
}

/// CLIENT UNBLOCK: ends a client's wait as if its time were over, or with an error. False: it does not wait.
pub(super) fn unblock(state: &ServerState, info: &ClientInfo, with_error: bool) -> bool {
    let Some(waiting) = info.waiting().filter(|waiting| waiting.blocked.end()) else { return false };
    let mut out = Output::new();
    if with_error {
        Reply::new(&mut out, Protocol::Resp2).error(CommandError::UNBLOCKED.bytes());
    } else {
        out.extend(&otherwise(state, &waiting));
    }
    let at = Waiter { worker: info.worker, connection: info.token.load(Ordering::Relaxed) };
    let text = Arc::new(out.take());
    state.clients.deliver(Letter { to: info.id, at, text, depends_on: 0 });
    true
}

/// The client's wait is over: it stands in no line any more.
pub fn end_wait(state: &ServerState, client: &mut Client) {
    if let Some(waiting) = client.end_wait() {
        state.keyspace.leave_lines(&waiting.blocked);
    }
}

/// The client is gone: nobody serves it any more.
pub fn hang_up(state: &ServerState, client: &mut Client) {
    if let Some(waiting) = &client.blocked {
        waiting.blocked.end();
    }
    end_wait(state, client);
}
