//! Having a request's keys in RAM before it runs (DESIGN §7).
//!
//! A command whose keys are not all there leaves a ticket in line for each that is missing, and comes again when the last one
//! is there; nothing has happened then. EXEC asks for the keys of all its commands at once in the same way.

use std::sync::atomic::Ordering;

use super::call::Call;
use super::dispatch::Request;
use super::error::CommandError;
use super::keyspecs;
use super::spec::CommandResult;
use super::state::ServerState;
use super::table::{Row, table};
use crate::client::{Client, Transaction};
use crate::store::loading::Ticket;
use crate::store::lock::Locked;
use crate::store::residence::Errand;
use crate::store::{DbIndex, Key, Waiter};
use crate::util::number::parse_u64;

/// Where the keys of a request are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Residence {
    /// In RAM, or certain not to exist.
    Here,
    /// They were read just now without waiting for the disk. The locks are released: the command takes them again.
    Read,
    /// On disk. The locks are released, and the client is woken when the keys are there.
    Away,
}

/// Sees to it that all keys of the request are in RAM.
pub fn secure(
    state: &ServerState,
    client: &mut Client,
    row: &Row,
    request: Request<'_>,
    locked: &mut Locked<'_>,
) -> Residence {
    let keyspace = &state.keyspace;
    let has_waited = client.waiting.is_some();
    let links = if keyspace.has_links() { keyspace.links(locked) } else { Vec::new() };
    let (mut ticket, mut errands) = (None, Vec::new());
    let mut look_at = |db: DbIndex, key: &Key<'_>| {
        if keyspace.is_missing(locked, db, key) {
            // Some keys have left again before the last one came: now they stay.
            let hold = || has_waited.then(|| keyspace.hold());
            let ticket = ticket.get_or_insert_with(|| Ticket::holding(waiter(client), hold()));
            errands.extend(keyspace.request(locked, db, key, ticket));
        }
    };
    links.iter().for_each(|key| look_at(key.db, &key.key()));
    // One that is broken executes nothing, and holds no shard for it.
    let executes = |transaction: &&Transaction| row.name() == "exec" && !transaction.is_broken;
    if let Some(transaction) = client.multi.as_deref().filter(executes) {
        for_each_queued(transaction, client.db, keyspace.databases(), |db, bytes| {
            look_at(db, &Key { bytes, hash: keyspace.hasher().hash_of(bytes) });
        });
    }
    match (row.only_key, request.hash) {
        (Some(position), Some(hash)) if row.command.elsewhere.is_none() => {
            look_at(client.db, &Key { bytes: request.argv.get(position), hash });
        }
        _ => keyspecs::for_each_looked_up(row, request.argv, |position, elsewhere| {
            let bytes = request.argv.get(position);
            let db = elsewhere.unwrap_or(client.db);
            if (db.0 as usize) < keyspace.databases() {
                look_at(db, &Key { bytes, hash: keyspace.hasher().hash_of(bytes) });
            }
        }),
    }
    let Some(ticket) = ticket else { return Residence::Here };
    locked.release();
    if let Some(before) = client.waiting.replace(ticket.clone()) {
        // The command has been answered, and its keys have left meanwhile.
        ticket.inherit(&before);
    }
    for wanted in errands.into_iter().filter(|wanted| !keyspace.read_cached(wanted)) {
        keyspace.send(Errand::Load(wanted));
    }
    if !ticket.arrived() {
        return Residence::Away;
    }
    // A command that has waited takes its turn again, so that no client can hold a worker by what leaves RAM too soon.
    if !has_waited && ticket.failure().is_none() {
        return Residence::Read;
    }
    keyspace.locks().wake(ticket.waiter());
    Residence::Away
}

impl Call<'_> {
    /// Makes sure that keys are in RAM which no argument names, those that `keys` visits; the command holds their shards. If some
    /// are not, the handler returns this error, and runs again from its beginning when they are there: so nothing may have been
    /// replied or changed before, but for keys that had expired. From the second time on nothing leaves RAM meanwhile, so it
    /// comes to an end.
    pub fn reach(&mut self, keys: impl FnOnce(&mut dyn FnMut(&[u8]))) -> CommandResult {
        let keyspace = &self.state.keyspace;
        if !keyspace.has_cold() {
            return Ok(());
        }
        let (index, is_nested, has_waited) = (self.db.index(), self.is_nested, self.answered.is_some());
        let (db, client) = (&mut self.db, &mut *self.client);
        let (mut result, mut ticket, mut errands) = (Ok(()), None, Vec::new());
        keys(&mut |bytes| {
            let key = db.key(bytes);
            if is_nested {
                let brought = db.bring_in(index, &key);
                result = std::mem::replace(&mut result, Ok(())).and(brought);
            } else {
                let hold = || has_waited.then(|| keyspace.hold());
                let mut new = || Ticket::holding(waiter(client), hold());
                errands.extend(db.request(&key, || ticket.get_or_insert_with(&mut new).clone()));
            }
        });
        result.map_err(|sentence| CommandError::disk(&sentence))?;
        let Some(ticket) = ticket else { return Ok(()) };
        debug_assert_eq!(self.db.dirty(), 0, "a command that waits for keys has changed nothing");
        self.client.waiting = Some(ticket.clone());
        self.db.commit(std::iter::empty(), index);
        errands.into_iter().for_each(|wanted| keyspace.send(Errand::Load(wanted)));
        keyspace.punch(&ticket);
        Err(CommandError::AwaitAnswer)
    }
}

/// Calls `visit` for each key that queued commands will look for, with the database where they will, as far as that can be said:
/// SELECT and SWAPDB among them hold for those behind. What this misses is read when the command runs.
fn for_each_queued(
    transaction: &Transaction,
    selected: DbIndex,
    databases: usize,
    mut visit: impl FnMut(DbIndex, &[u8]),
) {
    let mut selected = selected;
    // Where the keys are now that will be in a database then.
    let mut origins: Vec<DbIndex> = (0..databases as u32).map(DbIndex).collect();
    let index = |word: Option<&[u8]>| word.and_then(parse_u64).filter(|&db| db < databases as u64);
    for queued in transaction.commands() {
        let (row, argv) = (table().row(queued.row).expect("it was queued with its row"), queued.argv());
        match row.name() {
            "select" => selected = index(argv.try_get(1)).map_or(selected, |db| DbIndex(db as u32)),
            "swapdb" => {
                if let (Some(a), Some(b)) = (index(argv.try_get(1)), index(argv.try_get(2))) {
                    origins.swap(a as usize, b as usize);
                }
            }
            _ => keyspecs::for_each_looked_up(row, argv, |position, elsewhere| {
                if let Some(&origin) = origins.get(elsewhere.unwrap_or(selected).0 as usize) {
                    visit(origin, argv.get(position));
                }
            }),
        }
    }
}

/// The connection that brings the client's requests.
pub fn waiter(client: &Client) -> Waiter {
    let info = &client.info;
    Waiter { worker: info.worker, connection: info.token.load(Ordering::Relaxed) }
}
