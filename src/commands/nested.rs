//! Executing commands inside another one: what EXEC and scripts are made of.
//!
//! ```text
//! handler of EXEC or EVAL, a Call with the locks
//!   └─ call.nested(row, argv)          one command: its reply goes where the outer call replies,
//!   └─ call.nested_into(row, argv, …)  or into another output, for a script to look at
//! ```
//!
//! * The caller's locks must cover the command: [`keyspecs::lock_set`] says what it needs, [`Call::covers`] whether that is held.
//!   A shard that is not held is refused with a panic.
//! * What nested commands change is staged part by part ([`Db::part`](crate::store::Db::part)) and becomes one log record when
//!   the outer command is over; nobody sees anything of it before. What was done stays done, also when a later command fails; only a
//!   script that turns out to need all shards is taken back whole, and runs again.
//! * It counts as a call of its own, with its errors. It works in the database that is selected then, speaks the protocol of
//!   then, and SELECT and HELLO hold for those that follow.
//! * Nothing waits inside: [`Call::block_on`] replies that there is nothing, [`Call::ask`] has the work done at once, and a key that
//!   is on disk only is read under the locks. (Those that can be named before are loaded before, by `residence`.)
//! * Whether the command may run at all (arity, flags, OOM) is the caller's to check: when it was queued, or per call of a script.

use std::sync::Arc;

use super::call::Call;
use super::dispatch::invoke;
use super::error::CommandError;
use super::keyspecs;
use super::spec::CommandResult;
use super::table::Row;
use crate::resp::{Argv, Output, Protocol, Reply};
use crate::store::DbIndex;
use crate::store::db::Part;
use crate::store::loading::Ticket;

impl Call<'_> {
    /// Executes a command inside this one. Its reply is appended to this one's output, but an error is only returned: the caller
    /// replies with it, or does something else. It has been counted.
    pub fn nested(&mut self, row: &'static Row, argv: Argv<'_>) -> CommandResult {
        let protocol = self.client.protocol;
        self.run_nested(row, argv, protocol, None)
    }

    /// As [`Call::nested`], but the reply goes to `out` in a protocol of the caller's choice.
    pub fn nested_into(
        &mut self,
        row: &'static Row,
        argv: Argv<'_>,
        protocol: Protocol,
        out: &mut Output,
    ) -> CommandResult {
        self.run_nested(row, argv, protocol, Some(out))
    }

    /// Are all shards held that a nested command would need?
    pub fn covers(&self, row: &Row, argv: Argv<'_>) -> bool {
        let needed = keyspecs::nested_lock_set(row, argv, &self.state.keyspace);
        needed.is_subset_of(self.db.locked_set())
    }

    fn run_nested(
        &mut self,
        row: &'static Row,
        argv: Argv<'_>,
        protocol: Protocol,
        mut out: Option<&mut Output>,
    ) -> CommandResult {
        let mut result = self.bring_in(row, argv);
        if result.is_ok() {
            result = self.once(row, argv, protocol, out.as_deref_mut());
            if result == Err(CommandError::AwaitAnswer) {
                // It has asked for something, and has been answered at once.
                result = self.once(row, argv, protocol, out);
            }
        }
        self.answered = None;
        self.db.note_nested(row.id);
        if let Err(error) = &result {
            self.stats.commands[row.id].failed.add(1);
            self.stats.count_error(&error.code());
        }
        result
    }

    /// Has all keys that the command names in RAM. Nearly always they are.
    fn bring_in(&mut self, row: &Row, argv: Argv<'_>) -> CommandResult {
        let keyspace = &self.state.keyspace;
        if !keyspace.has_cold() {
            return Ok(());
        }
        let (selected, db) = (self.client.db, &mut self.db);
        let mut result = Ok(());
        keyspecs::for_each_looked_up(row, argv, |position, elsewhere| {
            let index: DbIndex = elsewhere.unwrap_or(selected);
            if (index.0 as usize) < keyspace.databases() {
                let key = db.key(argv.get(position));
                let brought = db.bring_in(index, &key);
                result = std::mem::replace(&mut result, Ok(())).and(brought);
            }
        });
        result.map_err(|sentence| CommandError::disk(&sentence))
    }

    fn once(
        &mut self,
        row: &'static Row,
        argv: Argv<'_>,
        protocol: Protocol,
        out: Option<&mut Output>,
    ) -> CommandResult {
        let (index, touches) = (self.client.db, !self.client.no_touch);
        let hash = row.only_key.and_then(|position| argv.try_get(position));
        let hash = hash.map(|key| self.state.keyspace.hasher().hash_of(key));
        let mut inner = Call {
            argv,
            db: self.db.part(index, touches),
            reply: Reply::new(out.unwrap_or(self.reply.output()), protocol),
            client: &mut *self.client,
            state: self.state,
            config: self.config,
            command: row,
            access: self.access,
            now: self.now,
            hash,
            hashes: &[],
            random: &mut *self.random,
            answered: self.answered.take(),
            stats: self.stats,
            interpreter: &mut *self.interpreter,
            is_nested: true,
        };
        let result = invoke(&mut inner);
        let (part, answered) = end(inner, index);
        self.db.rejoin(part);
        self.answered = answered;
        result
    }
}

/// Ends a nested command: what it changed is staged, with its words as they are logged.
fn end(inner: Call<'_>, index: DbIndex) -> (Part, Option<Arc<Ticket>>) {
    let Call { db, answered, command, argv, .. } = inner;
    let part = match command.is_renamed {
        true => db.end_part(command.logged_words(argv).into_iter(), index),
        false => db.end_part(argv.iter(), index),
    };
    (part, answered)
}
