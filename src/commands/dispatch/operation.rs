//! One operation, from its locks to its record in the log.
//!
//! * L1: the handler runs while all locks of its command are held, and what it changed is in the log before they are released.
//! * L3: nothing here waits. What a command needs and does not get (a shard, a value on disk) is an [`Outcome`].

use super::{BusyShard, Executor, Outcome, Request};
use crate::client::{Client, Letter};
use crate::commands::blocking::{self, Service};
use crate::commands::call::Call;
use crate::commands::error::CommandError;
use crate::commands::residence::{self, Residence};
use crate::commands::spec::{CommandResult, flags};
use crate::commands::state::ServerState;
use crate::commands::table::Row;
use crate::commands::{keyspecs, outbox, scripting};
use crate::resp::{Output, Reply};
use crate::store::db::Committed;
use crate::store::lock::{Locked, ShardSet};
use crate::store::long::LongWords;
use crate::store::notify::Event;
use crate::store::{Db, DbIndex, ShardId};

impl Executor {
    /// Executes a command on the shards that its words name.
    #[inline]
    pub(super) fn run(
        &mut self,
        client: &mut Client,
        row: &'static Row,
        request: Request<'_>,
        out: &mut Output,
    ) -> Outcome {
        let argv = request.argv;
        self.hashes.clear();
        let set = match request.hash {
            Some(hash) => ShardSet::one(ShardId::of(hash)),
            None => keyspecs::lock_set(row, argv, &self.state.keyspace, &mut self.hashes),
        };
        let set = scripting::widen(set, &mut self.interpreter, &self.state, client, row, argv);
        if LongWords::may_be_in(argv.extent()) && row.command.has(flags::WRITE) {
            return self.run_long(set, client, row, request, out);
        }
        self.run_holding(set, client, row, request, out)
    }

    /// Executes a command that may have long words.
    #[cold]
    fn run_long(
        &mut self,
        set: ShardSet,
        client: &mut Client,
        row: &'static Row,
        request: Request<'_>,
        out: &mut Output,
    ) -> Outcome {
        self.work.long = LongWords::of(request.argv.iter(), std::mem::take(&mut client.long));
        let outcome = self.run_holding(set, client, row, request, out);
        let long = std::mem::take(&mut self.work.long);
        if matches!(outcome, Outcome::Busy(_) | Outcome::AwaitDisk) {
            client.long = long;
        }
        outcome
    }

    /// Executes a command while a set of shards is held.
    #[inline]
    pub(super) fn run_holding(
        &mut self,
        set: ShardSet,
        client: &mut Client,
        row: &'static Row,
        request: Request<'_>,
        out: &mut Output,
    ) -> Outcome {
        let state = &*self.state;
        let locked = match lock(set, state, client, row, request) {
            Ok(locked) => locked,
            Err(outcome) => return outcome,
        };
        let answered = client.waiting.take();
        let (index, mark) = (client.db, out.mark());
        client.last_command = row.id as u32;
        let mut call = Call {
            argv: request.argv,
            db: Db::new(&state.keyspace, locked, index, self.now, &self.access, &mut self.work),
            reply: Reply::new(out, client.protocol),
            client,
            state,
            config: &self.config,
            command: row,
            access: &self.access,
            now: self.now,
            hash: request.hash,
            hashes: &self.hashes,
            random: &mut self.random,
            answered,
            stats: &self.stats,
            interpreter: &mut self.interpreter,
            is_nested: false,
        };
        if call.client.no_touch {
            call.db.stop_touching();
        }
        if !call.hashes.is_empty() && state.keyspace.exceeds_caches() {
            call.db.prefetch(call.hashes);
        }
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
        let committed = commit(&mut call, index, &mut self.letters);
        drop(call);
        self.conclude(client, row, &result, committed)
    }

    /// What is left of a command when its locks are released: it is counted, and others hear of it.
    #[inline]
    fn conclude(
        &mut self,
        client: &mut Client,
        row: &Row,
        result: &CommandResult,
        committed: Committed,
    ) -> Outcome {
        if let Err(error) = result {
            self.stats.commands[row.id].failed.add(1);
            self.stats.count_error(&error.code());
        }
        self.executed.push(row.id as u16);
        if committed.lsn > 0 {
            client.last_lsn = committed.lsn;
        }
        if !self.letters.is_empty() {
            blocking::deliver(&self.state, &mut self.letters, committed.depends_on);
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
}

/// Takes the locks of a command, and sees to it that its keys are in RAM.
#[inline]
fn lock<'k>(
    set: ShardSet,
    state: &'k ServerState,
    client: &mut Client,
    row: &Row,
    request: Request<'_>,
) -> Result<Locked<'k>, Outcome> {
    let keyspace = &state.keyspace;
    let busy = |shard| Outcome::Busy(BusyShard(shard));
    loop {
        let mut locked = keyspace.locks().try_lock(set).map_err(busy)?;
        if keyspace.has_links() {
            locked = blocking::lock_links(keyspace, locked).map_err(busy)?;
        }
        if !keyspace.has_cold() {
            return Ok(locked);
        }
        match residence::secure(state, client, row, request, &mut locked) {
            Residence::Here => return Ok(locked),
            Residence::Read => {}
            Residence::Away => return Err(Outcome::AwaitDisk),
        }
    }
}

/// Ends a command while its locks are held: what it changed is logged with its words, by the names of the table.
#[inline]
fn commit(call: &mut Call<'_>, index: DbIndex, letters: &mut Vec<Letter>) -> Committed {
    if call.db.has_ready() {
        serve_ready(call, index, letters);
    }
    if call.command.is_renamed {
        call.db.commit(call.command.logged_words(call.argv).into_iter(), index)
    } else {
        call.db.commit(call.argv.iter(), index)
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
