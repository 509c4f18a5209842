//! What a handler sees of a request.

use std::sync::Arc;

use super::error::CommandError;
use super::residence::waiter;
use super::spec::CommandResult;
use super::state::ServerState;
use super::table::Row;
use crate::client::Client;
use crate::config::Config;
use crate::resp::{Argv, Protocol, Reply};
use crate::script::Interpreter;
use crate::stats::ThreadStats;
use crate::store::evict::AccessClock;
use crate::store::loading::{Promise, Ticket};
use crate::store::object::Object;
use crate::store::{Db, DbIndex, Key, Keyspace, Slot, UnixMs};
use crate::util::number::parse_i64;
use crate::util::random::Random;

/// The longest string that is copied while a shard is held.
const COPIED_BYTES_MAX: usize = 1 << 20;

/// One command being executed: its words, the locked part of the keyspace, the reply, and who asked.
///
/// The fields are disjoint on purpose: a handler may hold a value of `db` while it writes to `reply`.
pub struct Call<'a> {
    /// The words, the command's name first.
    pub argv: Argv<'a>,
    /// The keyspace, as far as it is locked.
    pub db: Db<'a>,
    /// Where the reply goes.
    pub reply: Reply<'a>,
    /// The session.
    pub client: &'a mut Client,
    /// What all threads share.
    pub state: &'a ServerState,
    /// The configuration of this moment.
    pub config: &'a Config,
    /// The row of the command.
    pub command: &'static Row,
    /// How access is recorded now.
    pub access: &'a AccessClock,
    /// The wall clock of this batch; unlike `db.now()` also during replay.
    pub now: UnixMs,
    /// The hash of the only key, when the row has one.
    pub hash: Option<u64>,
    /// The hashes of several keys by their positions; 0 where there is none.
    pub hashes: &'a [u64],
    /// Random numbers of the executing thread.
    pub random: &'a mut Random,
    /// What the command has asked for when it ran before ([`Call::ask`]).
    pub answered: Option<Arc<Ticket>>,
    /// The counters of the executing thread.
    pub stats: &'a ThreadStats,
    /// Lua of the executing thread; `None` until its first script, and while one runs.
    pub interpreter: &'a mut Option<Box<Interpreter>>,
    /// Is it part of a transaction or a script? Then it must neither wait nor lock.
    pub is_nested: bool,
}

impl<'a> Call<'a> {
    /// Word `position`; the arity check has made sure of those that every call has.
    #[inline]
    pub fn arg(&self, position: usize) -> &'a [u8] {
        self.argv.get(position)
    }

    /// Word `position` as a key. The hash that dispatch already computed is used again.
    #[inline]
    pub fn key(&self, position: usize) -> Key<'a> {
        let bytes = self.argv.get(position);
        match self.hash {
            Some(hash) if self.command.only_key == Some(position) => Key { bytes, hash },
            _ => match self.hashes.get(position) {
                Some(&hash) if hash != 0 => Key { bytes, hash },
                _ => self.db.key(bytes),
            },
        }
    }

    /// Word `position` as a signed 64-bit integer.
    #[inline]
    pub fn int(&self, position: usize) -> Result<i64, CommandError> {
        parse_i64(self.arg(position)).ok_or(CommandError::NOT_INTEGER)
    }

    /// Word `position` as a database index, with the error that the command gives for one that is no C `int`:
    /// [`CommandError::NOT_INTEGER`] stands for Redis's own two texts.
    pub fn db_index(&self, position: usize, bad: CommandError) -> Result<DbIndex, CommandError> {
        let Some(number) = parse_i64(self.arg(position)) else { return Err(bad) };
        if i32::try_from(number).is_err() {
            return Err(if bad == CommandError::NOT_INTEGER { CommandError::OUT_OF_INT } else { bad });
        }
        match u32::try_from(number) {
            Ok(index) if (index as usize) < self.db.databases() => Ok(DbIndex(index)),
            _ => Err(CommandError::DB_OUT_OF_RANGE),
        }
    }

    /// The words from `position` on, to read options from.
    #[inline]
    pub fn words(&self, position: usize) -> Words<'a> {
        Words { argv: self.argv, at: position }
    }

    /// The answer to what the command has asked for when it ran before; `None`: it runs for the first time. Only once.
    pub fn answer<T: 'static>(&mut self) -> Option<T> {
        self.answered.take()?.take_answer()
    }

    /// Has work done that may wait for the disk, on other threads (see [`Promise::work_off`]). The handler returns what this
    /// gives, and runs again when [`Call::answer`] has the result; if there is none, the client gets the reason. Nothing may
    /// have been replied or changed before, but for keys that had expired. The locks are released.
    ///
    /// Inside a transaction or a script the work is done here and now, with the locks held: such work must lock no shard itself.
    /// (Where it would, the handler looks at [`Call::is_nested`] and does it through its [`Db`].)
    pub fn ask<T: Send + 'static>(
        &mut self,
        mut work: impl FnMut(&Keyspace) -> Result<Option<T>, String> + Send + 'static,
    ) -> CommandError {
        let keyspace = &self.state.keyspace;
        if self.is_nested {
            return match std::iter::repeat_with(|| work(keyspace).transpose()).find_map(|found| found) {
                Some(Ok(answer)) => {
                    self.answered = Some(Ticket::answered(waiter(self.client), answer));
                    CommandError::AwaitAnswer
                }
                Some(Err(sentence)) => CommandError::disk(&sentence),
                None => unreachable!("the iterator has no end"),
            };
        }
        self.ask_for(|promise: Promise<T>| promise.work_off(keyspace, work))
    }

    /// As [`Call::ask`], for an answer that comes from elsewhere: `start` gives the promise to whoever will keep it.
    ///
    /// Such a command can't be part of a transaction or a script: what it waits for may need a shard that they hold.
    pub fn ask_for<T: Send + 'static>(&mut self, start: impl FnOnce(Promise<T>)) -> CommandError {
        if self.is_nested {
            return CommandError::NOT_IN_TRANSACTION;
        }
        debug_assert_eq!(self.db.dirty(), 0, "a command that waits for an answer has changed nothing");
        let ticket = Ticket::new(waiter(self.client));
        self.client.waiting = Some(ticket.clone());
        let committed = self.db.commit(std::iter::empty(), self.db.index());
        self.client.depends_on = self.client.depends_on.max(committed.depends_on);
        start(Promise::of(ticket));
        CommandError::AwaitAnswer
    }

    /// May the command release its locks and come back? Not in transactions, scripts and replay.
    pub fn lets_others_in(&self) -> bool {
        let is_replayed = self.db.now() == UnixMs(0);
        !self.is_nested && !is_replayed
    }

    /// To be called before a string is edited that may be long: makes sure that the edit copies nothing while the shard is held.
    ///
    /// A string of more than a megabyte that somebody shares, or that has no room for what comes, is copied with the locks released;
    /// the copy has zeros up to `room.len`. The handler returns the error that this gives, and runs again when the copy is there.
    /// It must then edit the string: otherwise that would stay longer than it was.
    pub fn prepare_string(&mut self, key: &Key<'_>, slot: Option<Slot>, room: Room) -> CommandResult {
        let Some(slot) = slot.filter(|_| self.lets_others_in()) else { return Ok(()) };
        let made = self.answer::<[Arc<Vec<u8>>; 2]>();
        let moving = self.db.moving_string(key, slot, COPIED_BYTES_MAX, room.capacity);
        if let (Some([original, copy]), Some(string)) = (&made, &moving)
            && Arc::ptr_eq(original, string)
        {
            self.db.exchange_string(key, slot, copy.clone());
            return Ok(());
        }
        // Somebody has changed it meanwhile.
        made.into_iter().flatten().for_each(|string| self.db.discard(Object::String(string)));
        let Some(string) = moving else { return Ok(()) };
        let keyspace = &self.state.keyspace;
        Err(self.ask_for(|promise| {
            promise.work_apart(keyspace, move || {
                // Memory that is zero and untouched, where nothing is copied to it.
                let mut copy = vec![0; room.capacity.max(string.len()) + room.spare];
                copy[..string.len()].copy_from_slice(&string);
                copy.truncate(room.len.max(string.len()));
                [string, Arc::new(copy)]
            });
        }))
    }

    /// The protocol version of the session.
    pub fn protocol(&self) -> Protocol {
        self.client.protocol
    }
}

/// What a string that is to be edited must hold.
#[derive(Clone, Copy)]
pub struct Room {
    /// Its least length when it is edited: a shorter one is filled up with zeros.
    pub len: usize,
    /// The bytes that it must have room for.
    pub capacity: usize,
    /// Bytes that a copy gets room for beside that, so that the next edits need none.
    pub spare: usize,
}

impl Room {
    /// For a string that is lengthened with zeros to this length, if it is shorter, and then written to.
    pub fn up_to(len: usize) -> Self {
        Room { len, capacity: len, spare: 0 }
    }
}

/// A cursor over a call's words.
#[derive(Clone, Copy)]
pub struct Words<'a> {
    argv: Argv<'a>,
    at: usize,
}

impl<'a> Words<'a> {
    /// The next word.
    #[inline]
    #[expect(clippy::should_implement_trait, reason = "a cursor with more ways to go on than an iterator")]
    pub fn next(&mut self) -> Option<&'a [u8]> {
        let word = self.argv.try_get(self.at)?;
        self.at += 1;
        Some(word)
    }

    /// The word that an option needs after it: a syntax error when it is missing.
    #[inline]
    pub fn value(&mut self) -> Result<&'a [u8], CommandError> {
        self.next().ok_or(CommandError::SYNTAX)
    }

    /// The integer that an option needs after it.
    #[inline]
    pub fn int(&mut self) -> Result<i64, CommandError> {
        parse_i64(self.value()?).ok_or(CommandError::NOT_INTEGER)
    }

    /// How many words are left.
    #[inline]
    pub fn left(&self) -> usize {
        self.argv.len() - self.at
    }

    /// The position of the next word.
    pub fn position(&self) -> usize {
        self.at
    }
}

/// Is this word that option, in any case?
#[inline]
pub fn is(word: &[u8], option: &str) -> bool {
    word.eq_ignore_ascii_case(option.as_bytes())
}
