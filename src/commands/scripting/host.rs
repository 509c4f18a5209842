//! What a script's `redis.call` does: the checks of a command that comes from a script, and the command.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::commands::call::Call;
use crate::commands::error::CommandError;
use crate::commands::spec::flags;
use crate::commands::table::{Row, table};
use crate::resp::{Argv, Output, Protocol, Reply};
use crate::script::Host;
use crate::script::running::{LongRun, RunSlot};
use crate::util::time::Monotonic;

/// Commands between two looks at the clock.
const COMMANDS: u32 = 64;

/// Executes the commands of one run.
pub struct CommandHost<'c, 'a> {
    call: &'c mut Call<'a>,
    is_read_only: bool,
    is_oom: bool,
    holds_all: bool,
    has_written: bool,
    commands: u32,
    /// When the run was first seen to take long.
    long_since: Option<Monotonic>,
    slot: Arc<RunSlot>,
}

impl<'c, 'a> CommandHost<'c, 'a> {
    /// A host inside a call.
    pub fn new(
        call: &'c mut Call<'a>,
        is_read_only: bool,
        is_oom: bool,
        holds_all: bool,
        slot: Arc<RunSlot>,
    ) -> Self {
        CommandHost {
            call,
            is_read_only,
            is_oom,
            holds_all,
            has_written: false,
            commands: 0,
            long_since: None,
            slot,
        }
    }

    /// Everything that can refuse a command before it runs.
    fn admit(&mut self, argv: Argv<'_>) -> Result<&'static Row, CommandError> {
        let row = find(argv).ok_or(CommandError::SCRIPT_UNKNOWN_COMMAND)?;
        if !row.command.accepts(argv.len()) {
            return Err(CommandError::SCRIPT_ARITY);
        }
        if row.command.has(flags::NOSCRIPT) {
            return Err(CommandError::SCRIPT_NOT_ALLOWED);
        }
        // As in Redis, what may have to be told to replicas counts as a write here.
        if self.is_read_only && row.command.flags & (flags::WRITE | flags::MAY_REPLICATE) != 0 {
            return Err(CommandError::SCRIPT_WRITES);
        }
        if row.is_write {
            self.admit_write(row)?;
        }
        Ok(row)
    }

    fn admit_write(&mut self, row: &Row) -> Result<(), CommandError> {
        if !self.has_written {
            self.call.state.admit_logging()?;
            if self.is_oom && row.command.has(flags::DENYOOM) {
                return Err(CommandError::OUT_OF_MEMORY);
            }
            self.has_written = true;
            self.slot.wrote.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Can the command run with the shards that are held?
    fn is_covered(&self, row: &Row, argv: Argv<'_>) -> bool {
        self.holds_all || self.call.covers(row, argv)
    }
}

/// The row of a command, or of its subcommand.
fn find(argv: Argv<'_>) -> Option<&'static Row> {
    let row = table().find(argv.get(0))?;
    match argv.try_get(1) {
        Some(word) if !row.command.subcommands.is_empty() => table().subcommand(row, word),
        _ => Some(row),
    }
}

impl Host for CommandHost<'_, '_> {
    fn call(&mut self, argv: Argv<'_>, protocol: Protocol, reply: &mut Output) -> bool {
        self.commands += 1;
        if self.commands.is_multiple_of(COMMANDS) && !self.takes_long() {
            return false;
        }
        let result = match self.admit(argv) {
            Ok(row) if !self.is_covered(row, argv) => return false,
            Ok(row) => self.call.nested_into(row, argv, protocol, reply),
            Err(error) => Err(error),
        };
        if let Err(error) = result {
            Reply::new(reply, protocol).error(error.bytes());
        }
        true
    }

    fn may_run(&mut self, argv: Argv<'_>) -> Option<bool> {
        find(argv).map(|_| true)
    }

    fn takes_long(&mut self) -> bool {
        let since = *self.long_since.get_or_insert_with(Monotonic::now);
        let threshold_ms = self.call.config.busy_reply_threshold_ms;
        let is_busy = self.slot.is_busy.load(Ordering::Relaxed);
        if !is_busy && threshold_ms > 0 && since.elapsed().as_millis() as u64 >= threshold_ms {
            let words = self.call.argv.iter().map(<[u8]>::to_vec).collect();
            self.slot.note_busy(LongRun { name: self.call.arg(1).to_vec(), words });
            // Whoever waits for what it holds is told now.
            self.call.state.keyspace.locks().wake_waiting(self.call.db.locked_set());
        }
        true
    }
}
