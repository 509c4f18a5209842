//! The path that every request takes.
//!
//! [`Executor::look_up`] finds its command, and [`Executor::execute`] answers it: what refuses it or holds it back is in
//! `admission`, its locks, its run and its record in the log in `operation`. What others are to be told of it goes to the
//! [`outbox`](super::outbox) when the locks are released. Between MULTI and EXEC `queue` has the word instead. `turn` is the time of
//! the thread that executes.

use std::sync::Arc;

use super::error::CommandError;
use super::hotness::Hotness;
use super::outbox::Outbox;
use super::spec::flags;
use super::state::ServerState;
use super::table::{Row, table};
use crate::client::{Client, Letter, ReplyMode};
use crate::config::{Config, ConfigReader};
use crate::resp::{Argv, Output};
use crate::script::Interpreter;
use crate::stats::ThreadStats;
use crate::store::db::Workspace;
use crate::store::evict::{AccessClock, Evictor};
use crate::store::long::LongWords;
use crate::store::table::Depth;
use crate::store::{ShardId, UnixMs, Waiter};
use crate::sys::Lines;
use crate::util::random::Random;
use crate::util::time;

mod admission;
mod operation;
mod queue;
mod turn;

pub use operation::invoke;

/// A request whose command has been looked up.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// Its words.
    pub argv: Argv<'a>,
    /// Its command; `None` when there is no such command.
    pub row: Option<&'static Row>,
    /// The hash of its only key.
    pub hash: Option<u64>,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was answered. In `wal_sync_mode always` the reply must not leave before this LSN is durable; 0: no condition.
    Done {
        /// The LSN.
        depends_on: u64,
    },
    /// A shard stayed busy: wait for it with [`Executor::await_shard`].
    Busy(BusyShard),
    /// The log, RAM or the messages under way cannot take more just now: try again in a moment.
    BackedUp,
    /// CLIENT PAUSE holds it back.
    Paused,
    /// It needs something from the disk; the connection is woken when that is there.
    AwaitDisk,
    /// It was executed, and its reply comes when there is something for it ([`Client::blocked`]).
    Blocked,
}

/// The shard that a request found busy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BusyShard(ShardId);

/// One thread's means to execute requests.
pub struct Executor {
    state: Arc<ServerState>,
    stats: Arc<ThreadStats>,
    config: ConfigReader,
    work: Workspace,
    outbox: Outbox,
    hotness: Hotness,
    /// Hashes of the keys of the command being executed, by position, when it has several.
    hashes: Vec<u64>,
    /// Replies to clients that waited, on their way.
    letters: Vec<Letter>,
    now: UnixMs,
    access: AccessClock,
    random: Random,
    evictor: Evictor,
    /// Commands executed since the turn began, to share its time out among them.
    executed: Vec<u16>,
    /// The wall clock and the monotonic one when the round began.
    round_began: (UnixMs, time::Monotonic),
    /// When the last turn ended, or the round began.
    turn_began: time::Monotonic,
    /// Lua, once a script has come.
    interpreter: Option<Box<Interpreter>>,
}

impl Executor {
    /// An executor for the calling thread.
    pub fn new(state: Arc<ServerState>) -> Self {
        Self::with_random(state, Random::seeded())
    }

    /// An executor that draws what it does by chance from `random`.
    pub fn with_random(state: Arc<ServerState>, mut random: Random) -> Self {
        let stats = state.stats.register();
        let now = time::now();
        Executor {
            stats,
            config: state.config.reader(),
            work: Workspace::default(),
            outbox: Outbox::default(),
            hotness: Hotness::default(),
            hashes: Vec::new(),
            letters: Vec::new(),
            now,
            access: AccessClock::lru(now),
            evictor: Evictor::new(Random::new(random.next())),
            random,
            executed: Vec::with_capacity(256),
            round_began: (now, time::Monotonic::now()),
            turn_began: time::Monotonic::now(),
            interpreter: None,
            state,
        }
    }

    /// What all threads share.
    pub fn state(&self) -> &Arc<ServerState> {
        &self.state
    }

    /// This thread's counters.
    pub fn stats(&self) -> &ThreadStats {
        &self.stats
    }

    /// The configuration of this turn.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The time of this turn.
    pub fn now(&self) -> UnixMs {
        self.now
    }

    /// Has a connection of a worker woken when the shard is free. False: it is free already.
    pub fn await_shard(&self, shard: BusyShard, worker: u32, connection: u64) -> bool {
        self.state.keyspace.locks().defer(shard.0, Waiter { worker, connection })
    }

    /// Is the log not durable up to here yet?
    pub fn is_behind(&self, lsn: u64) -> bool {
        self.state.keyspace.durable_lsn() < lsn
    }

    /// Has the client given the password, or is none needed any more?
    #[inline]
    pub fn is_authenticated(&self, client: &Client) -> bool {
        client.authenticated || self.config.requirepass.is_empty()
    }

    /// Looks a request up and hashes its key.
    #[inline]
    pub fn look_up<'a>(&mut self, argv: Argv<'a>) -> Request<'a> {
        let Some(name) = argv.try_get(0) else { return Request { argv, row: None, hash: None } };
        let mut row = table().find(name);
        if let Some(found) = row
            && !found.subcommands.is_empty()
            && let Some(word) = argv.try_get(1)
        {
            row = table().subcommand(found, word).or(row);
        }
        let key = row.and_then(|row| row.only_key).and_then(|position| argv.try_get(position));
        let hash = key.map(|key| self.state.keyspace.hasher().hash_of(key));
        if let Some(hash) = hash {
            self.hotness.note(hash);
        }
        Request { argv, row, hash }
    }

    /// Does looking ahead pay? Not when all keys, or those that are asked for, are in the caches.
    #[inline]
    pub fn prefetches(&self) -> bool {
        self.state.keyspace.exceeds_caches() && !self.hotness.is_hot()
    }

    /// The lines of a part of what a key's lookup will read.
    #[inline]
    pub fn lines_of(&self, client: &Client, hash: u64, depth: Depth) -> Option<Lines> {
        self.state.keyspace.lines_of(client.db, hash, depth)
    }

    /// Executes a request and writes its reply, or says why it must come again.
    pub fn execute(&mut self, client: &mut Client, request: Request<'_>, out: &mut Output) -> Outcome {
        let (before, mark) = (client.reply_mode, out.mark());
        let outcome = self.answer(client, request, out);
        if std::mem::take(&mut client.took_long) {
            self.end_turn();
            self.begin_turn();
        }
        let all_wanted = before == ReplyMode::On && client.reply_mode == ReplyMode::On;
        if !all_wanted && matches!(outcome, Outcome::Done { .. }) {
            let was_told = std::mem::take(&mut client.was_told);
            if Self::is_unwanted(client, before) && !was_told {
                out.rollback(mark);
            }
        }
        self.outbox.put_own(client, out);
        if client.listening.caching && matches!(outcome, Outcome::Done { .. }) {
            Self::end_caching(client, request.row);
        }
        outcome
    }

    /// CLIENT CACHING is for the command behind it, which may come behind other subcommands of CLIENT.
    #[cold]
    fn end_caching(client: &mut Client, row: Option<&Row>) {
        let goes_on = |row: &Row| row.name().starts_with("client");
        client.listening.caching = client.multi.is_some() || row.is_some_and(goes_on);
    }

    /// CLIENT REPLY: does the client want no reply to what was just executed?
    fn is_unwanted(client: &mut Client, before: ReplyMode) -> bool {
        match (before, client.reply_mode) {
            (_, ReplyMode::Off) => true,
            (_, ReplyMode::SkipNext) => {
                client.reply_mode = ReplyMode::Skipping;
                true
            }
            // Had the command switched replies on again (CLIENT REPLY ON), it would be answered.
            (ReplyMode::Skipping, ReplyMode::Skipping) => {
                client.reply_mode = ReplyMode::On;
                true
            }
            _ => false,
        }
    }

    fn answer(&mut self, client: &mut Client, request: Request<'_>, out: &mut Output) -> Outcome {
        if client.multi.is_some() {
            return self.answer_in_multi(client, request, out);
        }
        let Some(row) = request.row else { return self.reject_unknown(client, request.argv, out) };
        if let Err(error) = self.admit(client, row, request.argv) {
            return self.reject(client, Some(row), &error, out);
        }
        if self.is_paused(row) {
            return Outcome::Paused;
        }
        if client.waiting.is_some()
            && let Some(outcome) = self.look_at_ticket(client, row, out)
        {
            return outcome;
        }
        if self.is_backed_up(row.command.flags) {
            return Outcome::BackedUp;
        }
        let outcome = self.run(client, row, request, out);
        if let Outcome::Busy(BusyShard(shard)) = outcome
            && let Some(kind) = self.state.scripting.running.busy_on(shard.0)
        {
            // A script that takes too long is not waited for.
            client.long = LongWords::default();
            return self.reject(client, Some(row), &CommandError::busy(kind), out);
        }
        if row.command.has(flags::ADMIN) {
            // What CONFIG SET changed holds for the commands behind it in the same pipeline already.
            self.refresh_config();
        }
        outcome
    }
}
