//! The path that every request takes.
//!
//! In this order, one short function each: lookup, arity, authentication, state of the server, locks, run, log, count.
//! (ACL rules join here.) What others are to be told of it goes to the [`outbox`] when the locks are released. Between MULTI and
//! EXEC `queue` has the word instead.
//!
//! * L1: a handler runs while all its locks are held, and what it changed is in the log before they are released.
//! * L3: nothing here waits. A busy shard, a full log or a pause gives an [`Outcome`] that tells the caller to bring the
//!   same request again later; nothing has happened then.

use std::borrow::Cow;
use std::sync::Arc;

use super::blocking::Service;
use super::call::Call;
use super::error::CommandError;
use super::hotness::Hotness;
use super::outbox::{self, Outbox};
use super::residence::Residence;
use super::spec::{CommandResult, flags};
use super::state::ServerState;
use super::table::{Row, table};
use super::{blocking, keyspecs, residence, scripting};
use crate::client::{Client, Letter, PauseMode, ReplyMode};
use crate::config::{Config, ConfigReader};
use crate::resp::{Argv, Output, Reply};
use crate::script::Interpreter;
use crate::stats::{Stat, ThreadStats};
use crate::store::db::{Committed, Workspace};
use crate::store::evict::{AccessClock, Evictor, Limit};
use crate::store::lock::ShardSet;
use crate::store::notify::Event;
use crate::store::table::Depth;
use crate::store::{Db, DbIndex, ShardId, UnixMs, Waiter};
use crate::util::random::Random;
use crate::util::time;

mod queue;

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
    /// The log, or RAM, cannot take more just now.
    LogBehind,
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

/// Positions whose hashes a thread keeps room for between turns.
const HASHES_KEPT: usize = 4096;

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
    turn_began: time::Monotonic,
    /// Lua, once a script has come.
    interpreter: Option<Box<Interpreter>>,
}

impl Executor {
    /// An executor for the calling thread.
    pub fn new(state: Arc<ServerState>) -> Self {
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
            random: Random::seeded(),
            evictor: Evictor::new(Random::seeded()),
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

    /// Begins a round of turns: the only place where the wall clock is read. Turns move the time on by what they took,
    /// which they measure anyway.
    pub fn begin_round(&mut self) {
        self.now = time::now();
        self.round_began = (self.now, time::Monotonic::now());
        self.turn_began = self.round_began.1;
    }

    /// When the last turn of this round ended, or when the round began.
    pub fn turn_ended(&self) -> time::Monotonic {
        self.turn_began
    }

    /// Begins a turn: the configuration stays what it is now, but for what the turn's commands change.
    pub fn begin_turn(&mut self) {
        self.refresh_config();
    }

    /// Looks at the configuration. A thread may have had no turn for long.
    pub fn refresh_config(&mut self) {
        self.config.refresh();
        self.access = AccessClock::of(&self.config, self.now, self.random.fraction());
    }

    /// Ends a turn: publishes what it counted.
    pub fn end_turn(&mut self) {
        self.outbox.send(&self.state);
        self.hashes.clear();
        self.hashes.shrink_to(HASHES_KEPT);
        // Commands inside transactions and scripts have their share of the turn's time like all others.
        self.executed.append(&mut self.work.nested);
        if !self.executed.is_empty() {
            let (wall, monotonic) = self.round_began;
            let now = time::Monotonic::now();
            self.stats.add_turn(
                &self.executed,
                now.nanos_since(self.turn_began),
                self.config.latency_tracking,
            );
            self.now = UnixMs(wall.0 + now.nanos_since(monotonic) / 1_000_000);
            self.turn_began = now;
            self.executed.clear();
        }
        let tallies = std::mem::take(&mut self.work.tallies);
        self.stats.add(Stat::Hits, tallies.hits);
        self.stats.add(Stat::Misses, tallies.misses);
        self.stats.add(Stat::ExpiredKeys, tallies.expired);
        self.stats.add(Stat::ExpiredFields, tallies.expired_fields);
        self.stats.add(Stat::Dirty, tallies.dirty);
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

    /// Begins to fetch a part of what a key's lookup will read.
    #[inline]
    pub fn prefetch(&self, client: &Client, hash: u64, depth: Depth) {
        self.state.keyspace.prefetch(client.db, hash, depth);
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
        let Some(row) = request.row else {
            let name = request.argv.try_get(0).unwrap_or_default();
            let error = CommandError::unknown_command(name, request.argv.iter().skip(1));
            return self.reject(client, None, &error, out);
        };
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
        if (row.is_write || row.command.has(flags::RUNS_SCRIPT))
            && (self.state.keyspace.is_log_behind() || self.state.keyspace.is_crowded())
        {
            return Outcome::LogBehind;
        }
        if (row.is_write || row.command.has(flags::MAY_REPLICATE))
            && self.state.keyspace.pubsub().office.is_crowded()
        {
            return Outcome::LogBehind;
        }
        let outcome = self.run(client, row, request, out);
        if let Outcome::Busy(BusyShard(shard)) = outcome
            && let Some(kind) = self.state.scripting.running.busy_on(shard.0)
        {
            // A script that takes too long is not waited for.
            return self.reject(client, Some(row), &CommandError::busy(kind), out);
        }
        if row.command.has(flags::ADMIN) {
            // What CONFIG SET changed holds for the commands behind it in the same pipeline already.
            self.refresh_config();
        }
        outcome
    }

    /// A command that waited for the disk comes again: too early, or to hear that the disk failed, or (`None`) to run.
    #[cold]
    fn look_at_ticket(&mut self, client: &mut Client, row: &Row, out: &mut Output) -> Option<Outcome> {
        let ticket = client.waiting.as_ref()?;
        if !ticket.is_complete() {
            return Some(Outcome::AwaitDisk);
        }
        let error = CommandError::disk(ticket.failure()?);
        Some(self.reject(client, Some(row), &error, out))
    }

    /// Everything that can refuse a command before it runs.
    #[inline]
    fn admit(&mut self, client: &Client, row: &Row, argv: Argv<'_>) -> Result<(), CommandError> {
        self.admit_client(client, row, argv)?;
        if self.state.is_loading() && !row.command.has(flags::LOADING) {
            return Err(unknown_subcommand(row, argv).unwrap_or(CommandError::LOADING));
        }
        if client.listening.is_monitor() && row.command.flags & USES_KEYS != 0 {
            return Err(CommandError::MONITOR_USES_KEYS);
        }
        if row.is_write {
            self.admit_write(row)?;
        } else if row.command.has(flags::RUNS_SCRIPT) && self.config.maxmemory > 0 {
            // Whether it fits is for the script's own commands to ask.
            self.make_room();
        }
        Ok(())
    }

    #[inline]
    fn admit_client(&self, client: &Client, row: &Row, argv: Argv<'_>) -> Result<(), CommandError> {
        if !row.command.accepts(argv.len()) {
            return Err(CommandError::arity(row.name()));
        }
        if !row.command.has(flags::NO_AUTH) && !self.is_authenticated(client) {
            return Err(unknown_subcommand(row, argv).unwrap_or(CommandError::NO_AUTH));
        }
        if client.is_in_subscribed_mode() && !is_allowed_to_subscribers(row) {
            let error = || CommandError::subscribed_mode(row.name());
            return Err(unknown_subcommand(row, argv).unwrap_or_else(error));
        }
        Ok(())
    }

    fn admit_write(&mut self, row: &Row) -> Result<(), CommandError> {
        if self.config.maxmemory > 0 && !self.make_room() && row.command.has(flags::DENYOOM) {
            return Err(CommandError::OUT_OF_MEMORY);
        }
        self.admit_logging()
    }

    /// Evicts until the dataset fits `maxmemory`. False: it does not fit, and the policy finds nothing to delete. While
    /// CLIENT PAUSE holds changes back it evicts nothing, and the command that comes is held back, too.
    fn make_room(&mut self) -> bool {
        if self.state.pause.at(self.now).is_some() {
            return true;
        }
        let limit = Limit::of(&self.config);
        let evicted = self.evictor.make_room(&self.state.keyspace, limit, self.access, self.now, u64::MAX);
        self.stats.add(Stat::EvictedKeys, evicted.keys);
        evicted.fits
    }

    fn is_paused(&self, row: &Row) -> bool {
        match self.state.pause.at(self.now) {
            None => false,
            Some(PauseMode::Write) => row.is_write || row.command.has(flags::MAY_REPLICATE),
            // Pausing must not lock the operator out.
            Some(PauseMode::All) => !matches!(row.name(), "client|unpause" | "client|pause" | "shutdown"),
        }
    }

    #[inline]
    fn run(
        &mut self,
        client: &mut Client,
        row: &'static Row,
        request: Request<'_>,
        out: &mut Output,
    ) -> Outcome {
        let argv = request.argv;
        let set = keyspecs::lock_set(row, argv, request.hash, &self.state.keyspace, &mut self.hashes);
        let set = scripting::widen(set, &mut self.interpreter, &self.state, client, row, argv);
        self.run_holding(set, client, row, request, out)
    }

    /// Executes a command while a set of shards is held.
    #[inline]
    #[expect(clippy::too_many_lines, reason = "one operation from its locks to its record, in order")]
    fn run_holding(
        &mut self,
        set: ShardSet,
        client: &mut Client,
        row: &'static Row,
        request: Request<'_>,
        out: &mut Output,
    ) -> Outcome {
        let state = &*self.state;
        let argv = request.argv;
        let mut locked = match state.keyspace.locks().try_lock(set) {
            Ok(locked) => locked,
            Err(busy) => return Outcome::Busy(BusyShard(busy)),
        };
        if state.keyspace.has_links() {
            locked = match blocking::lock_links(&state.keyspace, locked) {
                Ok(locked) => locked,
                Err(busy) => return Outcome::Busy(BusyShard(busy)),
            };
        }
        if state.keyspace.has_cold() {
            match residence::secure(state, client, row, request, &mut locked) {
                Residence::Here => {}
                Residence::Read => {
                    drop(locked);
                    return self.run_holding(set, client, row, request, out);
                }
                Residence::Away => return Outcome::AwaitDisk,
            }
        }
        let answered = client.waiting.take();
        let (index, mark) = (client.db, out.mark());
        client.last_command = row.id as u32;
        let mut db = Db::new(&state.keyspace, locked, index, self.now, &self.access, &mut self.work);
        if client.no_touch {
            db.stop_touching();
        }
        if !self.hashes.is_empty() && state.keyspace.exceeds_caches() {
            db.prefetch(&self.hashes);
        }
        let reply = Reply::new(out, client.protocol);
        let (config, access, now, hash) = (&*self.config, &self.access, self.now, request.hash);
        let (hashes, random) = (self.hashes.as_slice(), &mut self.random);
        let command = row;
        let mut call = Call {
            argv,
            db,
            reply,
            client,
            state,
            config,
            command,
            access,
            now,
            hash,
            hashes,
            random,
            answered,
            stats: &self.stats,
            interpreter: &mut self.interpreter,
            is_nested: false,
        };
        let result = invoke(&mut call);
        call.client.takes_all_shards = result == Err(CommandError::TakesAllShards);
        if call.client.takes_all_shards {
            drop(call);
            self.work.events.retain(Event::outlives_undo);
            return self.run(client, row, request, out);
        }
        if result == Err(CommandError::AwaitAnswer) {
            drop(call);
            debug_assert!(out.mark() == mark, "a command that waits for an answer has replied nothing");
            self.tell(client, 0);
            return Outcome::AwaitDisk;
        }
        if let Err(error) = &result {
            call.reply.error(error.bytes());
        }
        if call.db.has_ready() {
            serve_ready(&mut call, index, &mut self.letters);
        }
        let committed = commit(&mut call, index);
        if let Err(error) = result {
            self.stats.commands[row.id].failed.add(1);
            self.stats.count_error(&error.code());
        }
        self.executed.push(row.id as u16);
        drop(call);
        if committed.lsn > 0 {
            client.last_lsn = committed.lsn;
        }
        if !self.letters.is_empty() {
            blocking::deliver(state, &mut self.letters, committed.depends_on);
        }
        self.tell(client, committed.depends_on);
        if client.blocked.is_some() {
            return Outcome::Blocked;
        }
        Outcome::Done { depends_on: committed.depends_on }
    }

    /// Lets others know what the command gave them to know.
    #[inline]
    fn tell(&mut self, client: &mut Client, depends_on: u64) {
        client.depends_on = client.depends_on.max(depends_on);
        if client.listening.tracks_reads() {
            self.state.keyspace.limit_tracked(self.config.tracking_table_max_keys as u64, false);
        }
        if !self.work.events.is_empty() {
            self.outbox.take(&mut self.work.events, &self.state, client, depends_on);
        }
    }

    fn reject(
        &mut self,
        client: &mut Client,
        row: Option<&Row>,
        error: &CommandError,
        out: &mut Output,
    ) -> Outcome {
        client.waiting = None;
        let mut error = Cow::Borrowed(error);
        if client.multi.is_some() || row.is_some_and(|row| row.name() == "exec") {
            self.break_transaction(client, row, error.to_mut());
        }
        Reply::new(out, client.protocol).error(error.bytes());
        if let Some(row) = row {
            self.stats.commands[row.id].rejected.add(1);
        }
        self.stats.count_error(&error.code());
        Outcome::Done { depends_on: 0 }
    }
}

/// Serves the clients that wait for keys which a command has changed; what it changed itself is logged before that.
#[cold]
fn serve_ready(call: &mut Call<'_>, index: DbIndex, letters: &mut Vec<Letter>) {
    let words = call.command.logged_words(call.argv);
    call.db.stage(words.into_iter(), index);
    let (config, now, random) = (call.config, call.now, &mut *call.random);
    Service { db: &mut call.db, config, now, random, letters }.serve_all();
}

/// Ends a command: what it changed is logged with its words, by the names of the table.
#[inline]
fn commit(call: &mut Call<'_>, index: DbIndex) -> Committed {
    if call.command.is_renamed {
        call.db.commit(call.command.logged_words(call.argv).into_iter(), index)
    } else {
        call.db.commit(call.argv.iter(), index)
    }
}

/// Runs a command's handler, and what goes with it wherever the command comes from.
#[inline]
pub fn invoke(call: &mut Call<'_>) -> CommandResult {
    outbox::before(call);
    let result = (call.command.command.handler)(call);
    if !matches!(result, Err(CommandError::AwaitAnswer | CommandError::TakesAllShards)) {
        outbox::after(call);
    }
    result
}

/// What a client that watches all commands may not do: to Redis it is a replica.
const USES_KEYS: u32 = flags::WRITE | flags::READONLY | flags::MAY_REPLICATE;

/// The only commands of a RESP2 client that is subscribed to something.
fn is_allowed_to_subscribers(row: &Row) -> bool {
    confirms_by_push(row) || matches!(row.name(), "ping" | "quit" | "reset")
}

/// Is the answer a message, not a reply?
fn confirms_by_push(row: &Row) -> bool {
    row.command.has(flags::PUBSUB) && row.command.has(flags::NOSCRIPT)
}

/// What refuses a container whose subcommand is unknown before anything else does: its handler, when nothing does.
fn unknown_subcommand(row: &Row, argv: Argv<'_>) -> Option<CommandError> {
    let word = argv.try_get(1).filter(|_| !row.command.subcommands.is_empty())?;
    Some(CommandError::unknown_subcommand(row.name(), word))
}
