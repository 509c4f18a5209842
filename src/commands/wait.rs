//! WAIT and WAITAOF: until others, or the disk, have what the client wrote.
//!
//! There are no replicas yet, so none ever acknowledges anything: WAIT for one waits until its time is over, and says so. What
//! the log has made durable is known exactly; in `wal_sync_mode never` that is nothing that anybody waits for.

use super::call::Call;
use super::error::CommandError;
use super::spec::flags::*;
use super::spec::{Arg, Command, CommandResult, category};
use super::state::ServerState;
use crate::client::{Otherwise, Waiting};
use crate::resp::{Output, Protocol, Reply};
use crate::store::interest::Blocked;
use crate::util::number::parse_i64;

const WAIT: Command = Command {
    group: "generic",
    categories: category::CONNECTION,
    flags: BLOCKING,
    tips: &["request_policy:all_shards", "response_policy:agg_min"],
    ..Command::NONE
};

/// The family.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "wait",
        since: "3.0.0",
        arity: 3,
        handler: wait,
        summary: "Waits until replicas have acknowledged the connection's writes, and says how many have.",
        args: &[Arg::integer("numreplicas"), Arg::integer("timeout")],
        ..WAIT
    },
    Command {
        name: "waitaof",
        since: "7.2.0",
        arity: 4,
        handler: waitaof,
        summary: "Waits until the connection's writes are durable here and on replicas, and says where they are.",
        args: &[Arg::integer("numlocal"), Arg::integer("numreplicas"), Arg::integer("timeout")],
        ..WAIT
    },
];

fn wait(call: &mut Call<'_>) -> CommandResult {
    let replicas = call.int(1)?;
    let timeout_ms = timeout_ms(call, 2)?;
    if replicas <= 0 || call.is_nested {
        call.reply.integer(0);
        return Ok(());
    }
    begin(call, timeout_ms, Otherwise::Reply(b":0\r\n"));
    Ok(())
}

fn waitaof(call: &mut Call<'_>) -> CommandResult {
    let local = call.int(1)?;
    if !(0..=1).contains(&local) {
        return Err(CommandError::OUT_OF_BOOLEAN);
    }
    let replicas = parse_i64(call.arg(2)).filter(|&replicas| replicas >= 0);
    let replicas = replicas.ok_or(CommandError::NOT_POSITIVE)?;
    let timeout_ms = timeout_ms(call, 3)?;
    let lsn = call.client.last_lsn;
    let is_durable = call.state.keyspace.durable_lsn() >= lsn;
    if replicas == 0 && (local == 0 || is_durable) || call.is_nested {
        call.reply.raw(&acknowledged(call.state, lsn));
        return Ok(());
    }
    begin(call, timeout_ms, Otherwise::Durable { lsn, is_enough: replicas == 0 });
    Ok(())
}

/// The reply of WAITAOF at this moment.
pub(super) fn acknowledged(state: &ServerState, lsn: u64) -> Vec<u8> {
    let mut out = Output::new();
    let mut reply = Reply::new(&mut out, Protocol::Resp2);
    reply.array(2);
    reply.integer(i64::from(state.keyspace.durable_lsn() >= lsn));
    reply.integer(0);
    out.take()
}

/// Lets the client wait for no key.
fn begin(call: &mut Call<'_>, timeout_ms: Option<u64>, otherwise: Otherwise) {
    let blocked = Blocked::new(Vec::new(), None, Box::new(()));
    call.client.begin_wait(Waiting { blocked, timeout_ms, otherwise });
}

/// Word `position` as a timeout in milliseconds; `None`: 0, for ever.
fn timeout_ms(call: &Call<'_>, position: usize) -> Result<Option<u64>, CommandError> {
    let timeout = parse_i64(call.arg(position)).ok_or(CommandError::TIMEOUT_NOT_INTEGER)?;
    let timeout = u64::try_from(timeout).map_err(|_| CommandError::TIMEOUT_NEGATIVE)?;
    let end = timeout.checked_add(call.now.0).filter(|&end| end <= i64::MAX as u64);
    end.ok_or(CommandError::TIMEOUT_OUT_OF_RANGE)?;
    Ok((timeout > 0).then_some(timeout))
}
