//! What others are told of random commands: keyspace events, and invalidations of keys that clients track.
//!
//! Behind each command a message is published; what a listener gets before it is what the command has caused. Where the
//! client speaks RESP3 the listener is in broadcasting mode and hears of all keys that change; where it speaks RESP2 the client
//! itself tracks what it reads, and the listener hears of that.

use super::families::{FAMILIES, Family};
use super::grammar::Grammar;
use super::target::{Argv, Live, Sequence, Target, Transcript, cursor_of_scan, follow_scan, is, reset};
use super::{compare, enabled, redis, setting, subject};
use crate::support::{Client, Value, encode};
use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

const MARK: &str = "behind the command";
const EVENTS: &[u8] = b"__keyevent@";
/// Before the name of a command: what it caused.
pub const OF: &[u8] = b"events of ";
const CREATE_CONSUMER: &str = "xgroup-createconsumer";

/// A server, a client of it that executes, and one that listens.
struct Listening {
    live: Live,
    clients: Option<(Client, Client)>,
}

/// What came of one command.
#[derive(Default)]
struct Told {
    /// The database's number and the event, then the key.
    events: Vec<(Vec<u8>, Vec<u8>)>,
    /// Keys, or nothing for all of them.
    invalid: Vec<Value>,
}

impl Told {
    /// As a reply. When keys expire that nobody looks at is up to the server, so neither that nor what it makes invalid counts.
    fn value(self) -> Value {
        let is_expired = |event: &[u8]| event.ends_with(b"expired");
        let only_expired = |key: &Value| {
            let mut of_key = self.events.iter().filter(|(_, known)| key.as_bytes() == Some(known)).peekable();
            of_key.peek().is_some() && of_key.all(|(event, _)| is_expired(event))
        };
        let mut invalid: Vec<Value> = self.invalid.iter().filter(|key| !only_expired(key)).cloned().collect();
        invalid.sort();
        invalid.dedup();
        let pair = |(event, key): &(Vec<u8>, Vec<u8>)| [Value::bulk(event), Value::bulk(key)];
        let events = self.events.iter().filter(|(event, _)| !is_expired(event)).flat_map(pair).collect();
        Value::Array(vec![Value::Array(events), Value::Array(invalid)])
    }
}

impl Listening {
    fn new(live: Live) -> Self {
        Self { live, clients: None }
    }

    fn try_run(&mut self, sequence: &Sequence, steps: &mut Vec<(Argv, Value)>) -> io::Result<()> {
        if self.clients.is_none() {
            let (client, mut listener) = (self.live.connect(), self.live.connect());
            listener.try_cmd(&["HELLO", "3"])?;
            listener.try_cmd(&["PSUBSCRIBE", "__keyevent@*"])?;
            listener.try_cmd(&["SUBSCRIBE", MARK])?;
            self.clients = Some((client, listener));
        }
        let (client, listener) = self.clients.as_mut().expect("they were connected above");
        reset(client, sequence.protocol)?;
        client.try_cmd(&["CONFIG", "SET", "notify-keyspace-events", "EAmn"])?;
        client.try_cmd(&["CLIENT", "TRACKING", "OFF"])?;
        listener.try_send_raw(&encode(&["CLIENT", "TRACKING", "OFF"]))?;
        if sequence.protocol == 3 {
            listener.try_send_raw(&encode(&["CLIENT", "TRACKING", "ON", "BCAST"]))?;
        } else {
            listener.try_send_raw(&encode(&["CLIENT", "ID"]))?;
            let id = loop {
                if let Value::Int(id) = listener.try_read()? {
                    break id.to_string();
                }
            };
            client.try_cmd(&["CLIENT", "TRACKING", "ON", "REDIRECT", &id])?;
        }
        listener.try_send_raw(&encode(&["PING"]))?;
        while listener.try_read()? != Value::simple("PONG") {}
        for argv in &sequence.commands {
            let mut step = (argv.clone(), client.try_cmd(argv)?);
            if cursor_of_scan(argv).is_some() {
                follow_scan(client, &mut step)?;
            }
            steps.push(step);
            // Without a password nobody can publish.
            if client.try_cmd(&["PUBLISH", MARK, ""])? == Value::Int(1) {
                let mut name = argv.clone();
                name[0] = [OF, &argv[0]].concat();
                steps.push((name, read(listener)?.value()));
            }
        }
        Ok(())
    }
}

/// Reads until the mark.
fn read(listener: &mut Client) -> io::Result<Told> {
    let mut told = Told::default();
    loop {
        let push = listener.try_read()?;
        let bytes = |value: &Value| value.as_bytes().unwrap_or_default().to_vec();
        match push.items() {
            Some([_, _, channel, key]) => {
                told.events.push((bytes(channel).split_off(EVENTS.len()), bytes(key)));
            }
            Some([_, channel, _]) if bytes(channel) == MARK.as_bytes() => return Ok(told),
            Some([_, Value::Array(keys)]) => told.invalid.extend(keys.iter().cloned()),
            Some([_, all]) => told.invalid.push(all.clone()),
            _ => return Err(io::Error::other(format!("no message: {push:?}"))),
        }
    }
}

/// Whether what the same command has caused, step `index`, may differ.
pub fn is_allowed(expected: &Transcript, actual: &Transcript, index: usize) -> bool {
    let replies = (&expected.steps[index - 1].1, &actual.steps[index - 1].1);
    let told = [expected, actual].map(|transcript| transcript.steps[index].1.items().unwrap_or_default());
    let [[events, invalid], [other_events, other_invalid]] = told else { return false };
    // What a command does that is answered otherwise may be otherwise, too.
    if replies.0 != replies.1 {
        return true;
    }
    // A refused command may have looked at one of its keys before it was refused, or not yet; and one that cannot be understood
    // may name keys in part.
    let is_refused = replies.0.as_error().is_some();
    let is_garbled =
        |(_, reply): &(Argv, Value)| reply.as_error().is_some_and(|error| !error.starts_with("WRONGTYPE"));
    // Since 7.2 who claims or reads becomes a consumer even if there is nothing.
    let becomes_consumer =
        ["XCLAIM", "XAUTOCLAIM", "XREADGROUP"].iter().any(|name| is(&expected.steps[index - 1].0, 0, name));
    // The destination of a STORE may be due already: a key that is gone here, and that Redis deletes if it has not yet looked.
    let has_due_keys = expected.steps[..index].iter().any(|(argv, _)| {
        argv.iter().any(|word| [&b"PXAT"[..], b"EXAT"].iter().any(|name| word.eq_ignore_ascii_case(name)))
    });
    let same_events = events == other_events
        || has_due_keys
            && without(events, "del")
                == other_events.items().unwrap_or_default().chunks(2).collect::<Vec<_>>()
        || is_refused && without(events, "keymiss") == without(other_events, "keymiss")
        || becomes_consumer && without(events, CREATE_CONSUMER) == without(other_events, CREATE_CONSUMER);
    // Redis tells nobody of a string that has grown when nothing could be written into it, nor of a HyperLogLog whose bytes
    // became others because it was looked into.
    let is_untold = ["BITFIELD", "PFDEBUG"].iter().any(|name| is(&expected.steps[index - 1].0, 0, name))
        && invalid.items() == Some(&[]);
    let same_invalid = invalid == other_invalid || is_untold;
    same_events && (same_invalid || expected.steps[..index].iter().any(is_garbled))
}

fn without<'v>(events: &'v Value, name: &str) -> Vec<&'v [Value]> {
    let is_other =
        |event: &&[Value]| !event[0].as_bytes().is_some_and(|event| event.ends_with(name.as_bytes()));
    events.items().unwrap_or_default().chunks(2).filter(is_other).collect()
}

impl Target for Listening {
    fn run(&mut self, sequence: &Sequence) -> Transcript {
        let mut transcript = Transcript::default();
        // Nothing tells then when a command has been answered.
        if sequence.hides_replies() || sequence.commands.iter().any(|argv| is(argv, 0, "RESET")) {
            return transcript;
        }
        if let Err(error) = self.try_run(sequence, &mut transcript.steps) {
            self.clients = None;
            transcript.broken = Some(error.to_string());
        }
        transcript
    }
}

#[test]
fn random_commands_cause_the_events_and_invalidations_that_redis_causes() {
    if !enabled() {
        return;
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970");
    let seed = setting("FORGEKV_COMPAT_SEED", now.as_nanos() as u64 >> 10);
    let count = setting("FORGEKV_COMPAT_SEQUENCES", 20_000).div_ceil(4) as usize;
    let length = setting("FORGEKV_COMPAT_LENGTH", 15) as usize;
    let mut oracle = Listening::new(Live::new(redis().start()));
    let mut tested = Listening::new(Live::new(subject().start()));
    // What they say about clients is other than without a listener. Since 7.2 clients track what a script reads, not what it
    // declares. SORT meets keys in the order of a set.
    let tells_of_clients = ["server", "config", "limits", "transactions", "scripting", "sort", "pubsub"];
    let chosen = std::env::var("FORGEKV_COMPAT_FAMILIES").unwrap_or_default();
    let is_chosen = |family: &&Family| {
        let is_named = chosen.is_empty() || chosen.split(',').any(|name| name == family.name);
        is_named && !tells_of_clients.contains(&family.name)
    };
    let families: Vec<&Family> = FAMILIES.iter().copied().filter(is_chosen).collect();
    if families.is_empty() {
        return;
    }
    let grammar = Grammar::new(&families, |name| !name.starts_with("NOSUCH"));
    compare(&mut oracle, &mut tested, &grammar, (seed, count, length)).assert_clean(seed);
}
