//! Replaying the log: the same handlers, the same locks, but nothing expires, nothing is logged and nobody is answered.

use std::sync::Arc;

use super::call::Call;
use super::keyspecs;
use super::state::ServerState;
use super::table::{Row, table};
use crate::client::{Client, ClientId, ClientInfo, Endpoint};
use crate::resp::{Argv, Output, Reply, Span};
use crate::script::Interpreter;
use crate::stats::ThreadStats;
use crate::store::db::Workspace;
use crate::store::effect::{self, Before};
use crate::store::evict::AccessClock;
use crate::store::{Db, Key, UnixMs};
use crate::util::random::Random;

/// Executes log records.
pub struct Replay<'a> {
    state: &'a ServerState,
    client: Client,
    work: Workspace,
    spans: Vec<(u32, u32)>,
    hashes: Vec<u64>,
    argv: Vec<Span>,
    out: Output,
    now: UnixMs,
    random: Random,
    stats: Arc<ThreadStats>,
    interpreter: Option<Box<Interpreter>>,
}

impl<'a> Replay<'a> {
    /// A replay into the state's keyspace at the wall clock `now` (which only dates the access times).
    pub fn new(state: &'a ServerState, now: UnixMs) -> Self {
        let endpoint =
            Endpoint { peer: String::new(), local: String::new(), fd: -1, is_unix: false, is_local: true };
        let info = Arc::new(ClientInfo::new(ClientId(0), endpoint, now, 0));
        Replay {
            state,
            client: Client::new(info, true),
            work: Workspace::default(),
            spans: Vec::new(),
            hashes: Vec::new(),
            argv: Vec::new(),
            out: Output::default(),
            now,
            random: Random::seeded(),
            stats: state.stats.register(),
            interpreter: None,
        }
    }

    /// Executes all effects of one record. An error says what is wrong with the record; the dataset must not be served.
    pub fn apply(&mut self, payload: &[u8]) -> Result<(), String> {
        let mut at = 0;
        while at < payload.len() {
            self.spans.clear();
            let Some((db, before)) = effect::take(payload, &mut at, &mut self.spans) else {
                return Err("an effect in it is cut off".to_owned());
            };
            if db.0 as usize >= self.state.keyspace.databases() {
                return Err(format!("it is for database {}, more than `databases` allows", db.0));
            }
            self.client.db = db;
            self.argv.clear();
            self.argv.extend(self.spans.iter().map(|&(start, end)| Span::new(start as usize, end as usize)));
            self.execute(payload, before)?;
        }
        Ok(())
    }

    /// Brings the keys of an effect into RAM. Nobody else is there yet, so they stay until it is executed. What a SET is
    /// about to replace is not read when the log says what it was.
    fn fetch(&self, row: &Row, argv: Argv<'_>, before: Before) -> Result<(), String> {
        let keyspace = &self.state.keyspace;
        if !keyspace.has_cold() {
            return Ok(());
        }
        if before != Before::Unsaid && replaces_all(row, argv) {
            let bytes = argv.get(1);
            let key = Key { bytes, hash: keyspace.hasher().hash_of(bytes) };
            keyspace.assume(self.client.db, &key, before);
            return Ok(());
        }
        let mut result = Ok(());
        keyspecs::for_each_looked_up(row, argv, |position, elsewhere| {
            let bytes = argv.get(position);
            let key = Key { bytes, hash: keyspace.hasher().hash_of(bytes) };
            let fetched = keyspace.load_now(elsewhere.unwrap_or(self.client.db), &key);
            result = std::mem::replace(&mut result, Ok(())).and(fetched);
        });
        result
    }

    fn execute(&mut self, payload: &[u8], before: Before) -> Result<(), String> {
        let argv = Argv::new(payload, &self.argv);
        self.out.consume(self.out.len());
        let name = String::from_utf8_lossy(argv.get(0));
        let Some(row) = table().declared(argv.get(0)) else {
            return Err(format!("it has an unknown command '{name}'"));
        };
        let row = argv.try_get(1).and_then(|word| table().subcommand(row, word)).unwrap_or(row);
        if !row.is_write || !row.command.accepts(argv.len()) {
            return Err(format!("'{name}' with {} words is no effect", argv.len()));
        }
        let keyspace = &self.state.keyspace;
        self.fetch(row, argv, before)?;
        let locked = keyspace.locks().lock_set(keyspecs::lock_set(row, argv, keyspace, &mut self.hashes));
        let config = self.state.config.snapshot();
        let access = AccessClock::of(&config, self.now, self.random.fraction());
        let index = self.client.db;
        let mut call = Call {
            argv,
            // Time 0: nothing has expired yet. Every expiry that did happen is an effect of its own in the log.
            db: Db::new(keyspace, locked, index, UnixMs(0), &access, &mut self.work),
            reply: Reply::new(&mut self.out, self.client.protocol),
            client: &mut self.client,
            state: self.state,
            config: &config,
            command: row,
            access: &access,
            now: self.now,
            hash: None,
            hashes: &self.hashes,
            random: &mut self.random,
            answered: None,
            stats: &self.stats,
            interpreter: &mut self.interpreter,
            is_nested: false,
        };
        let result = (row.command.handler)(&mut call);
        call.db.commit(argv.iter(), index);
        result.map_err(|error| format!("'{name}' failed: {error}"))
    }
}

/// Does the effect replace value and expiry of its key whatever they were?
fn replaces_all(row: &Row, argv: Argv<'_>) -> bool {
    let is_plain = argv.len() == 3 || (argv.len() == 5 && argv.get(3).eq_ignore_ascii_case(b"PXAT"));
    row.command.name == "set" && is_plain
}
