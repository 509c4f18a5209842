//! MIGRATE: sends keys to another server and deletes them here.
//!
//! ```text
//! locked     the keys' values are frozen
//! a thread   connects, sends RESTORE for each, reads the replies       no lock, no worker
//! locked     what was confirmed and is still the same is deleted
//! ```
//!
//! * **The invariant**: a key leaves only if the target has confirmed the very value and expiry that the key has in the moment it leaves. One
//!   that was changed meanwhile is sent again, replacing the copy that this call has made, some times; then it stays, and
//!   the reply is an error.
//! * Redis stops the world meanwhile. Here others may read and change the keys until they are gone.
//! * Logged are the deletions. Each call has a connection of its own.
//! * All shards are held, for as long as it takes to share or compare values: that the last `KEYS` among the words begins
//!   the keys, as the key specs have it, is not what the command itself goes by.

mod transfer;

use super::call::{Call, is};
use super::dump;
use super::error::CommandError;
use super::spec::flags::*;
use super::spec::key_flags::*;
use super::spec::{Arg, Begin, Command, CommandResult, Find, KeySpec, Locks, category};
use crate::config::values::NotifyFlags;
use crate::rdb::{Format, ObjectRef, object as rdb_object};
use crate::store::entry::Value;
use crate::store::object::Object;
use crate::store::{Slot, UnixMs};
use crate::util::number::parse_i64;

use transfer::{Entry, Failure, Target};

/// How often a key that keeps changing is sent.
const ATTEMPTS_MAX: u32 = 16;
/// What a timeout that is not positive stands for.
const TIMEOUT_DEFAULT_MS: u64 = 1000;

/// The family.
pub const COMMANDS: &[Command] = &[Command {
    name: "migrate",
    since: "2.6.0",
    complexity: "O(N) with N the parts of all values, and the time that the network takes",
    group: "generic",
    arity: -6,
    handler: migrate,
    summary: "Moves keys to another server.",
    flags: WRITE,
    categories: category::KEYSPACE | category::DANGEROUS,
    tips: &["nondeterministic_output"],
    locks: Locks::AllShards,
    keys: &[
        KeySpec::at(3, RW | ACCESS | DELETE),
        KeySpec {
            begin: Begin::Keyword("KEYS", -2),
            find: Find::Range { last: -1, step: 1, limit: 0 },
            flags: RW | ACCESS | DELETE | INCOMPLETE,
            notes: "",
        },
    ],
    args: &[
        Arg::string("host"),
        Arg::integer("port"),
        Arg::oneof("key-selector", &[Arg::key("key"), Arg::flag("empty-string", "\"\"")]),
        Arg::integer("destination-db"),
        Arg::integer("timeout"),
        Arg::flag("copy", "COPY").optional().since("3.0.0"),
        Arg::flag("replace", "REPLACE").optional().since("3.0.0"),
        Arg::oneof(
            "authentication",
            &[
                Arg::string("auth").token("AUTH").since("4.0.7"),
                Arg::block("auth2", &[Arg::string("username"), Arg::string("password")])
                    .token("AUTH2")
                    .since("6.0.0"),
            ],
        )
        .optional(),
        Arg::key_of("keys", 1).token("KEYS").optional().multiple().since("3.0.6"),
    ],
    ..Command::NONE
}];

/// The words of a call, read.
struct Request<'a> {
    target: Target,
    copy: bool,
    replace: bool,
    keys: Vec<&'a [u8]>,
}

impl<'a> Request<'a> {
    fn read(call: &Call<'a>) -> Result<Self, CommandError> {
        let (mut copy, mut replace, mut auth) = (false, false, None);
        let mut keys = vec![call.arg(3)];
        let mut words = call.words(6);
        while let Some(word) = words.next() {
            match () {
                () if is(word, "COPY") => copy = true,
                () if is(word, "REPLACE") => replace = true,
                () if is(word, "AUTH") => auth = Some((None, words.value()?.to_vec())),
                () if is(word, "AUTH2") => {
                    auth = Some((Some(words.value()?.to_vec()), words.value()?.to_vec()));
                }
                () if is(word, "KEYS") => {
                    if !call.arg(3).is_empty() {
                        return Err(CommandError::MIGRATE_KEY_AND_KEYS);
                    }
                    keys = std::iter::from_fn(|| words.next()).collect();
                }
                () => return Err(CommandError::SYNTAX),
            }
        }
        let timeout_ms = u64::try_from(call.int(5)?).ok().filter(|&ms| ms > 0);
        let target = Target {
            host: String::from_utf8_lossy(call.arg(1)).into_owned(),
            port: parse_i64(call.arg(2)).and_then(|port| u16::try_from(port).ok()).unwrap_or(0),
            auth,
            db: call.int(4)?,
            timeout_ms: timeout_ms.unwrap_or(TIMEOUT_DEFAULT_MS),
        };
        Ok(Request { target, copy, replace, keys })
    }
}

/// A value that was sent, and cannot change any more.
#[derive(Clone)]
enum Frozen {
    Int(i64),
    Bytes(Vec<u8>),
    Object(Object),
}

impl Frozen {
    fn of(value: Value<'_>) -> Self {
        match value {
            Value::Int(number) => Frozen::Int(number),
            Value::Bytes { bytes, .. } => Frozen::Bytes(bytes.to_vec()),
            Value::Object(object) => Frozen::Object(object.clone()),
        }
    }

    fn as_ref(&self) -> ObjectRef<'_> {
        match self {
            Frozen::Int(number) => ObjectRef::Int(*number),
            Frozen::Bytes(bytes) => ObjectRef::String(bytes),
            Frozen::Object(object) => Value::Object(object).into(),
        }
    }

    /// Is this what `value` is still? Nearly always that shows at once; what has left RAM meanwhile is compared byte by byte.
    fn is_still(&self, value: Value<'_>) -> bool {
        if let (Frozen::Object(frozen), Value::Object(object)) = (self, value)
            && frozen.is_shared_with(object)
        {
            return true;
        }
        let bytes = |object| {
            let mut out = Vec::new();
            let Ok(()) = rdb_object::put(&mut out, object, Format::EXACT);
            out
        };
        bytes(self.as_ref()) == bytes(value.into())
    }
}

/// A key that is on its way.
struct Sent {
    key: Vec<u8>,
    value: Frozen,
    expire: Option<UnixMs>,
    /// Did the target confirm it?
    is_confirmed: bool,
    /// Does the target hold an older value of it that this call has sent?
    is_sent_again: bool,
}

/// What came of sending.
struct Outcome {
    sent: Vec<Sent>,
    failure: Option<Failure>,
    attempts: u32,
}

fn migrate(call: &mut Call<'_>) -> CommandResult {
    let request = Request::read(call)?;
    if let Some(outcome) = call.answer::<Outcome>() {
        return finish(call, &request, outcome);
    }
    let mut sent = Vec::new();
    for bytes in &request.keys {
        if let Some((_, value, expire)) = look_up(call, bytes)? {
            let key = bytes.to_vec();
            sent.push(Sent { key, value, expire, is_confirmed: false, is_sent_again: false });
        }
    }
    if sent.is_empty() {
        call.reply.simple("NOKEY");
        return Ok(());
    }
    Err(send(call, &request, Outcome { sent, failure: None, attempts: 0 }))
}

/// Finds a key, wherever it is, and freezes its value.
fn look_up(
    call: &mut Call<'_>,
    bytes: &[u8],
) -> Result<Option<(Slot, Frozen, Option<UnixMs>)>, CommandError> {
    let (key, db) = (call.db.key(bytes), call.db.index());
    // Nearly always it is there; see the module's documentation for when the key specs miss one.
    call.db.bring_in(db, &key).map_err(|sentence| CommandError::disk(&sentence))?;
    let Some(slot) = call.db.read(&key) else { return Ok(None) };
    Ok(Some((slot, Frozen::of(call.db.value(slot)), call.db.expire_at(slot))))
}

/// Has what is not confirmed sent by a thread of its own. The handler runs again with the outcome.
fn send(call: &mut Call<'_>, request: &Request<'_>, mut outcome: Outcome) -> CommandError {
    let (target, format, now) = (request.target.clone(), dump::format(call.config), call.now);
    let replace = request.replace;
    outcome.attempts += 1;
    let keyspace = &call.state.keyspace;
    call.ask_for(|promise| {
        promise.work_alone(keyspace, "forgekv-migrate", move || {
            let unsent = outcome.sent.iter_mut().filter(|sent| !sent.is_confirmed);
            let mut unsent: Vec<&mut Sent> = unsent.collect();
            let mut entries = unsent.iter().map(|sent| Entry {
                key: &sent.key,
                value: sent.value.as_ref(),
                ttl_ms: sent.expire.map_or(0, |at| at.0.saturating_sub(now.0).max(1)),
                replace: replace || sent.is_sent_again,
            });
            let (confirmed, failure) = transfer::run(&target, &mut entries, format);
            for (sent, is_confirmed) in unsent.iter_mut().zip(confirmed) {
                sent.is_confirmed = is_confirmed;
            }
            outcome.failure = failure;
            outcome
        });
    })
}

/// After sending: deletes what is as it was sent, or sends again what is not.
fn finish(call: &mut Call<'_>, request: &Request<'_>, mut outcome: Outcome) -> CommandResult {
    let mut leaving = Vec::new();
    if !request.copy {
        let is_hopeful = outcome.failure.is_none() && outcome.attempts < ATTEMPTS_MAX;
        let mut changed = 0;
        for at in 0..outcome.sent.len() {
            let key = std::mem::take(&mut outcome.sent[at].key);
            let found = look_up(call, &key)?;
            let sent = &mut outcome.sent[at];
            sent.key = key;
            match found {
                Some((slot, value, expire)) if sent.is_confirmed => {
                    if sent.expire == expire && sent.value.is_still(call.db.value(slot)) {
                        leaving.push(at);
                    } else {
                        changed += 1;
                        *sent = Sent {
                            key: std::mem::take(&mut sent.key),
                            value,
                            expire,
                            is_confirmed: false,
                            is_sent_again: true,
                        };
                    }
                }
                // Not confirmed: it stays. Not found: it was deleted or has expired here, and is wherever it was sent.
                _ => {}
            }
        }
        if changed > 0 && is_hopeful {
            return Err(send(call, request, outcome));
        }
        if changed > 0 && outcome.failure.is_none() {
            outcome.failure = Some(Failure::Changing);
        }
    }
    delete(call, leaving.iter().map(|&at| outcome.sent[at].key.as_slice()));
    match outcome.failure {
        None => {
            call.reply.ok();
            Ok(())
        }
        Some(failure) => Err(failure.into()),
    }
}

fn delete<'k>(call: &mut Call<'_>, keys: impl Iterator<Item = &'k [u8]>) {
    let mut words: Vec<&[u8]> = vec![b"DEL"];
    for bytes in keys {
        let key = call.db.key(bytes);
        if let Some(slot) = call.db.find(&key) {
            call.db.remove(&key, slot);
            call.db.notify(NotifyFlags::GENERIC, "del", bytes);
            words.push(bytes);
        }
    }
    if words.len() > 1 {
        call.db.log_as(&words);
    }
}

impl From<Failure> for CommandError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Connect => CommandError::MIGRATE_CONNECT,
            Failure::Write => CommandError::MIGRATE_WRITE,
            Failure::Read => CommandError::MIGRATE_READ,
            Failure::Target(text) => CommandError::migrate_target(&text),
            Failure::Changing => CommandError::MIGRATE_CHANGING,
        }
    }
}
