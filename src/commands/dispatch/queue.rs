//! What happens to a request between MULTI and EXEC: it is checked as if it were executed, and queued.
//!
//! * A command that is refused breaks the transaction: EXEC executes nothing then. EXEC itself is checked with what all queued
//!   commands need, and refused with the reason.
//! * The queue counts to the query buffer's limit.

use super::{Executor, Outcome, Request, admission};
use crate::client::{Client, PauseMode, Queued, Transaction};
use crate::commands::error::CommandError;
use crate::commands::keyspecs;
use crate::commands::spec::flags;
use crate::commands::table::Row;
use crate::resp::{Output, Reply};

/// What a request is checked for.
struct Needs {
    any_flags: u32,
    lacked_flags: u32,
    is_exec: bool,
    is_queued: bool,
}

impl Needs {
    fn of(row: &Row, transaction: &Transaction) -> Self {
        let is_exec = row.name() == "exec";
        let (any_flags, lacked_flags) = match is_exec {
            true => (transaction.any_flags, transaction.lacked_flags),
            false => (row.command.flags, !row.command.flags),
        };
        let runs_at_once = matches!(row.name(), "exec" | "discard" | "multi" | "watch" | "quit" | "reset");
        Needs { any_flags, lacked_flags, is_exec, is_queued: !runs_at_once }
    }
}

impl Executor {
    /// [`Executor::answer`] of a client that has begun a transaction.
    #[cold]
    pub(super) fn answer_in_multi(
        &mut self,
        client: &mut Client,
        request: Request<'_>,
        out: &mut Output,
    ) -> Outcome {
        let Some(transaction) = client.multi.as_deref() else {
            unreachable!("the client has begun a transaction")
        };
        let Some(row) = request.row else { return self.reject_unknown(client, request.argv, out) };
        let needs = Needs::of(row, transaction);
        if let Err(error) = self.admit_in_multi(client, row, request, &needs) {
            return self.reject(client, Some(row), &error, out);
        }
        if self.is_paused_in_multi(row, &needs) {
            return Outcome::Paused;
        }
        if needs.is_queued {
            self.queue(client, row, request);
            Reply::new(out, client.protocol).simple("QUEUED");
            return Outcome::Done { depends_on: 0 };
        }
        if client.waiting.is_some()
            && let Some(outcome) = self.look_at_ticket(client, row, out)
        {
            return outcome;
        }
        if !needs.is_exec {
            return self.run(client, row, request, out);
        }
        if self.is_backed_up(needs.any_flags) {
            return Outcome::BackedUp;
        }
        self.hashes.clear();
        let mut set = client.watches.shards();
        if let Some(transaction) = client.multi.as_deref().filter(|transaction| !transaction.is_broken) {
            set = set.union(transaction.shards);
        }
        self.run_holding(set, client, row, request, out)
    }

    fn admit_in_multi(
        &mut self,
        client: &Client,
        row: &Row,
        request: Request<'_>,
        needs: &Needs,
    ) -> Result<(), CommandError> {
        self.admit_client(client, row, request.argv)?;
        if let Some(error) = admission::unknown_subcommand(row, request.argv) {
            return Err(error);
        }
        if client.listening.is_monitor() && needs.any_flags & admission::USES_KEYS != 0 {
            return Err(CommandError::MONITOR_USES_KEYS);
        }
        if row.command.has(flags::NO_MULTI) {
            return Err(CommandError::NOT_IN_TRANSACTION);
        }
        // Queueing takes memory, too.
        let denies_oom = needs.any_flags & flags::DENYOOM != 0 || needs.is_queued;
        if self.config.maxmemory > 0 && !self.make_room() && denies_oom {
            return Err(CommandError::OUT_OF_MEMORY);
        }
        if needs.any_flags & flags::WRITE != 0 {
            self.state.admit_logging()?;
        }
        if self.state.is_loading() && needs.lacked_flags & flags::LOADING != 0 {
            return Err(CommandError::LOADING);
        }
        Ok(())
    }

    fn is_paused_in_multi(&self, row: &Row, needs: &Needs) -> bool {
        match self.state.pause.at(self.now) {
            Some(PauseMode::Write) => needs.any_flags & (flags::WRITE | flags::MAY_REPLICATE) != 0,
            _ => self.is_paused(row),
        }
    }

    fn queue(&mut self, client: &mut Client, row: &'static Row, request: Request<'_>) {
        let Some(transaction) = client.multi.as_deref_mut() else { return };
        client.last_command = row.id as u32;
        // What is thrown away anyway need not be kept.
        if !transaction.is_broken {
            let shards = keyspecs::nested_lock_set(row, request.argv, &self.state.keyspace);
            transaction.push(Queued::new(row.id, request.argv), row.command.flags, shards);
        }
    }

    /// A refused command breaks the transaction; a refused EXEC ends it, and says why.
    #[cold]
    pub(super) fn break_transaction(&self, client: &mut Client, row: Option<&Row>, error: &mut CommandError) {
        if row.is_some_and(|row| row.name() == "exec") {
            *error = CommandError::exec_abort(error);
            crate::commands::transactions::abandon(&self.state, client);
        } else if let Some(transaction) = client.multi.as_deref_mut() {
            transaction.is_broken = true;
        }
    }
}
