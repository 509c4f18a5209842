//! What can refuse a command, or hold it back, before it runs: arity, authentication, the state of the server.
//!
//! * The order of the checks is Redis's, which clients see when several of them fail.
//! * Nothing has happened when a command is refused or held back.

use std::borrow::Cow;

use super::{Executor, Outcome};
use crate::client::{Client, PauseMode};
use crate::commands::error::CommandError;
use crate::commands::spec::flags;
use crate::commands::table::Row;
use crate::resp::{Argv, Output, Reply};
use crate::stats::Stat;
use crate::store::evict::Limit;

/// What a client that watches all commands may not do: to Redis it is a replica.
pub(super) const USES_KEYS: u32 = flags::WRITE | flags::READONLY | flags::MAY_REPLICATE;

impl Executor {
    /// A command that waited for the disk comes again: too early, or to hear that the disk failed, or (`None`) to run.
    #[cold]
    pub(super) fn look_at_ticket(
        &mut self,
        client: &mut Client,
        row: &Row,
        out: &mut Output,
    ) -> Option<Outcome> {
        let ticket = client.waiting.as_ref()?;
        if !ticket.is_complete() {
            return Some(Outcome::AwaitDisk);
        }
        let error = CommandError::disk(ticket.failure()?);
        Some(self.reject(client, Some(row), &error, out))
    }

    /// Everything that can refuse a command before it runs.
    #[inline]
    pub(super) fn admit(&mut self, client: &Client, row: &Row, argv: Argv<'_>) -> Result<(), CommandError> {
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

    /// What depends on the command and who sends it, whatever state the server is in.
    #[inline]
    pub(super) fn admit_client(
        &self,
        client: &Client,
        row: &Row,
        argv: Argv<'_>,
    ) -> Result<(), CommandError> {
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
        self.state.admit_logging()
    }

    /// Evicts until the dataset fits `maxmemory`. False: it does not fit, and the policy finds nothing to delete. While
    /// CLIENT PAUSE holds changes back it evicts nothing, and the command that comes is held back, too.
    pub(super) fn make_room(&mut self) -> bool {
        if self.state.pause.at(self.now).is_some() {
            return true;
        }
        let limit = Limit::of(&self.config);
        let evicted = self.evictor.make_room(&self.state.keyspace, limit, self.access, self.now, u64::MAX);
        self.stats.add(Stat::EvictedKeys, evicted.keys);
        evicted.fits
    }

    /// Does CLIENT PAUSE hold the command back?
    pub(super) fn is_paused(&self, row: &Row) -> bool {
        match self.state.pause.at(self.now) {
            None => false,
            Some(PauseMode::Write) => row.is_write || row.command.has(flags::MAY_REPLICATE),
            // Pausing must not lock the operator out.
            Some(PauseMode::All) => !matches!(row.name(), "client|unpause" | "client|pause" | "shutdown"),
        }
    }

    /// Must a command with these flags come again because the log, RAM or what others are told cannot take more just now?
    #[inline]
    pub(super) fn is_backed_up(&self, any_flags: u32) -> bool {
        let keyspace = &self.state.keyspace;
        let changes = any_flags & (flags::WRITE | flags::RUNS_SCRIPT) != 0;
        let tells = any_flags & (flags::WRITE | flags::MAY_REPLICATE) != 0;
        changes && (keyspace.is_log_behind() || keyspace.is_crowded())
            || tells && keyspace.pubsub().office.is_crowded()
    }

    /// Answers a request that names no command.
    #[cold]
    pub(super) fn reject_unknown(
        &mut self,
        client: &mut Client,
        argv: Argv<'_>,
        out: &mut Output,
    ) -> Outcome {
        let name = argv.try_get(0).unwrap_or_default();
        self.reject(client, None, &CommandError::unknown_command(name, argv.iter().skip(1)), out)
    }

    /// Answers a command with the error that refuses it.
    pub(super) fn reject(
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

/// The only commands of a RESP2 client that is subscribed to something.
fn is_allowed_to_subscribers(row: &Row) -> bool {
    let is_answered_by_push = row.command.has(flags::PUBSUB) && row.command.has(flags::NOSCRIPT);
    is_answered_by_push || matches!(row.name(), "ping" | "quit" | "reset")
}

/// What refuses a container whose subcommand is unknown before anything else does: its handler, when nothing does.
pub(super) fn unknown_subcommand(row: &Row, argv: Argv<'_>) -> Option<CommandError> {
    let word = argv.try_get(1).filter(|_| !row.command.subcommands.is_empty())?;
    Some(CommandError::unknown_subcommand(row.name(), word))
}
