//! Commands that wait for keys: BLPOP and its kin, XREAD BLOCK.
//!
//! * A command says once, as a closure, how it takes what it wants from one of its keys ([`Serve`]). [`Call::block_on`] tries
//!   that with each key; if none has anything the client waits, and whoever changes one of the keys serves it with the same
//!   closure before its own locks are released. So nobody can take an element between a push and the client that waited for it.
//! * Clients that wait for one key are served in the order in which they began to wait.

use std::ops::Range;

use super::call::Call;
use super::error::CommandError;
use super::spec::CommandResult;
use crate::config::Config;
use crate::resp::Reply;
use crate::store::{Db, Key, UnixMs};
use crate::util::double;
use crate::util::random::Random;

/// What serving a client may use.
pub struct Serving<'s, 'd, 'r> {
    /// The keyspace, with the key's shard locked, and that of [`Wait::also`].
    pub db: &'s mut Db<'d>,
    /// The key that may have something.
    pub key: Key<'s>,
    /// The waiting client's reply.
    pub reply: &'s mut Reply<'r>,
    /// The configuration.
    pub config: &'s Config,
    /// The wall clock.
    pub now: UnixMs,
    /// Random numbers.
    pub random: &'s mut Random,
}

/// Takes what the command wants from the key and replies with it; false: there is nothing, and nothing was done. It is called for
/// every change of the key, its deletion too. It logs what it did with [`Db::log_as`], and notes the events. An error is
/// the reply; but [`CommandError::WRONG_TYPE`] of a key that changes while the client waits means that there is nothing.
pub type Serve = Box<dyn FnMut(&mut Serving<'_, '_, '_>) -> Result<bool, CommandError> + Send>;

/// What a client is told that may not wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nothing {
    /// A null.
    Null,
    /// A null array.
    NullArray,
}

/// What a command waits for.
pub struct Wait {
    /// The arguments that are its keys, in the order in which they are looked at.
    pub keys: Range<usize>,
    /// Milliseconds to wait; `None`: for ever.
    pub timeout_ms: Option<u64>,
    /// The reply where nobody waits, in a transaction or a script, when there is nothing. A client whose time is over gets a
    /// null array whatever this says, as from Redis.
    pub nothing: Nothing,
    /// The argument that is one more key which serving uses: the destination of BLMOVE.
    pub also: Option<usize>,
    /// How it is served.
    pub serve: Serve,
}

impl Call<'_> {
    /// Serves the client now if one of the keys has something, else lets it wait. Inside a transaction or a script nobody waits.
    pub fn block_on(&mut self, mut wait: Wait) -> CommandResult {
        for position in wait.keys.clone() {
            let key = self.key(position);
            let mut serving = Serving {
                db: &mut self.db,
                key,
                reply: &mut self.reply,
                config: self.config,
                now: self.now,
                random: self.random,
            };
            if (wait.serve)(&mut serving)? {
                return Ok(());
            }
        }
        match wait.nothing {
            Nothing::Null => self.reply.null(),
            Nothing::NullArray => self.reply.null_array(),
        }
        Ok(())
    }

    /// Word `position` as a timeout in seconds with a fraction; `None`: 0, for ever.
    pub fn timeout_ms(&self, position: usize) -> Result<Option<u64>, CommandError> {
        let seconds = double::parse(self.arg(position)).ok_or(CommandError::TIMEOUT_NOT_FLOAT)?;
        let (ms, now_ms) = ((seconds * 1000.0).ceil(), self.now.0 as f64);
        if ms + now_ms > i64::MAX as f64 {
            return Err(CommandError::TIMEOUT_OUT_OF_RANGE);
        }
        if ms < 0.0 {
            return Err(CommandError::TIMEOUT_NEGATIVE);
        }
        Ok((ms > 0.0).then_some(ms as u64))
    }
}
