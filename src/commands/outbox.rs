//! What commands give others to know: collected while they run, sent when their locks are released.
//!
//! * A command's events ([`Event`]) become parcels in the order in which they were noted. What is for the client that executes
//!   goes right behind its reply; all else leaves in one delivery per worker and turn, before any reply of the turn does.
//! * [`after`] is what goes with every command, whoever calls it: a client, a transaction, a script.

use std::sync::Arc;

use super::call::Call;
use super::keyspecs;
use super::spec::{category, flags};
use super::state::ServerState;
use super::table::table;
use crate::client::Client;
use crate::config::values::NotifyFlags;
use crate::pubsub::{Message, Parcel, Registry, To};
use crate::resp::Output;
use crate::store::notify::Event;
use crate::store::{DbIndex, Key, Keyspace};
use crate::util::time;

/// What one thread has not sent yet.
#[derive(Default)]
pub struct Outbox {
    parcels: Vec<Parcel>,
    /// For the client that executes.
    own: Vec<Message>,
}

impl Outbox {
    /// Takes over what a command of `client` has noted. `depends_on` is the LSN of what it changed or read.
    #[cold]
    pub fn take(&mut self, events: &mut Vec<Event>, state: &ServerState, client: &Client, depends_on: u64) {
        let Outbox { parcels, own } = self;
        let first = parcels.len();
        collect(events, &state.keyspace, Some(client), depends_on, parcels);
        let is_for_nobody_else = |parcel: &mut Parcel| {
            if !parcel.is_for_sender {
                return false;
            }
            own.push(parcel.message.clone());
            parcel.except = Some(client.id().0);
            !matches!(parcel.to, To::All(_))
        };
        parcels.extract_if(first.., is_for_nobody_else).for_each(drop);
    }

    /// Appends what is for the client itself, behind its reply.
    #[inline]
    pub fn put_own(&mut self, client: &Client, out: &mut Output) {
        if !self.own.is_empty() {
            self.own.drain(..).for_each(|message| message.write(client.recipient(), out));
        }
    }

    /// Sends the rest.
    #[inline]
    pub fn send(&mut self, state: &ServerState) {
        if !self.parcels.is_empty() {
            state.keyspace.pubsub().office.send(&mut self.parcels);
        }
    }
}

/// Tells others what happened without a client (expiry, eviction).
pub fn announce(keyspace: &Keyspace, mut events: Vec<Event>, depends_on: u64) {
    let mut parcels = Vec::new();
    collect(&mut events, keyspace, None, depends_on, &mut parcels);
    keyspace.pubsub().office.send(&mut parcels);
}

/// Makes parcels of events, which are gone afterwards.
fn collect(
    events: &mut Vec<Event>,
    keyspace: &Keyspace,
    sender: Option<&Client>,
    depends_on: u64,
    parcels: &mut Vec<Parcel>,
) {
    let (pubsub, first) = (keyspace.pubsub(), parcels.len());
    let writer = sender.map(|client| client.id().0);
    let mut changed: Vec<Box<[u8]>> = Vec::new();
    for event in events.drain(..) {
        match event {
            Event::Key { wanted, name, db, key } => {
                publish_event(&pubsub.registry, wanted, (db, name, &key), sender, parcels);
            }
            Event::Parcels(more) => parcels.extend(more),
            Event::Changed { key, trackers } => {
                if !trackers.is_empty() {
                    let message = Message::keys(std::iter::once(&*key));
                    parcels.extend(trackers.iter().filter_map(|tracker| tracker.tell(&message, writer)));
                }
                changed.push(key);
            }
            Event::Flushed(tracked) => {
                drop(tracked);
                pubsub.prefixes.tell_flushed(writer, parcels);
            }
        }
    }
    if !changed.is_empty() && !pubsub.prefixes.is_empty() {
        changed.sort_unstable();
        changed.dedup();
        let keys: Vec<&[u8]> = changed.iter().map(|key| &**key).collect();
        pubsub.prefixes.tell(&keys, writer, parcels);
    }
    // What a client says depends on what it knows: on what it was told, and on what this command has read.
    let depends_on = depends_on.max(sender.map_or(0, |client| client.depends_on));
    parcels[first..].iter_mut().for_each(|parcel| parcel.depends_on = depends_on);
}

/// Makes messages of what has happened to keys, for those who are subscribed now: what a transaction did before it subscribes its
/// own client, or ends a subscription, is not told otherwise than if the client had done it outside.
pub fn publish_noted(call: &mut Call<'_>) {
    let registry = &call.state.keyspace.pubsub().registry;
    for event in call.db.events_mut() {
        if let Event::Key { wanted, name, db, key } = event {
            let mut parcels = Vec::new();
            publish_event(registry, *wanted, (*db, name, key), Some(call.client), &mut parcels);
            *event = Event::Parcels(parcels);
        }
    }
}

/// Publishes one event on the channels that were wanted when it happened.
fn publish_event(
    registry: &Registry,
    wanted: NotifyFlags,
    (db, name, key): (DbIndex, &str, &[u8]),
    sender: Option<&Client>,
    parcels: &mut Vec<Parcel>,
) {
    if registry.is_silent() {
        return;
    }
    let own = sender.and_then(|client| client.listening.subscriptions());
    if wanted.contains(NotifyFlags::KEYSPACE) {
        let channel = [format!("__keyspace@{}__:", db.0).as_bytes(), key].concat();
        registry.publish(&channel, name.as_bytes(), own, parcels);
    }
    if wanted.contains(NotifyFlags::KEYEVENT) {
        let channel = format!("__keyevent@{}__:{name}", db.0);
        registry.publish(channel.as_bytes(), key, own, parcels);
    }
}

/// What goes with every command that is about to run: monitors see a script before its commands. (All others they see when
/// these have run.)
#[inline]
pub fn before(call: &mut Call<'_>) {
    let command = call.command.command;
    if command.has(flags::SKIP_MONITOR)
        && command.categories & category::SCRIPTING != 0
        && call.state.keyspace.pubsub().registry.has_monitors()
    {
        show(call);
    }
}

/// What goes with every command that has run: monitors see it, and the keys it has read are tracked for its client.
#[inline]
pub fn after(call: &mut Call<'_>) {
    if call.client.listening.tracks_reads() {
        track_reads(call);
    }
    if call.state.keyspace.pubsub().registry.has_monitors()
        && !call.command.command.has(flags::SKIP_MONITOR | flags::ADMIN)
    {
        show(call);
    }
}

/// Remembers which keys a command has read. They are still locked, so no change comes in between.
#[cold]
fn track_reads(call: &mut Call<'_>) {
    let command = call.command.command;
    // The commands of a read-only script are tracked one by one.
    let reads = command.has(flags::READONLY) && command.categories & category::SCRIPTING == 0;
    let Some(tracker) = call.client.tracker().filter(|_| reads).map(Arc::clone) else { return };
    let argv = call.argv;
    keyspecs::for_each(command, argv, |argument| {
        let key = call.db.key(argv.get(argument.position));
        if call.db.locked_set().contains(key.shard()) {
            call.db.track(&Key { ..key }, &tracker);
        }
    });
}

/// Shows the command to MONITOR's clients.
#[cold]
pub fn show(call: &mut Call<'_>) {
    let registry = &call.state.keyspace.pubsub().registry;
    let audience = registry.monitors();
    let micros = time::now_micros();
    let mut line =
        format!("{}.{:06} [{} ", micros / 1_000_000, micros % 1_000_000, call.client.db.0).into_bytes();
    line.extend_from_slice(&origin(call));
    line.push(b']');
    for (position, word) in call.argv.iter().enumerate() {
        line.push(b' ');
        let word = if is_secret(call, position) { b"(redacted)" } else { word };
        quote(word, &mut line);
    }
    let is_for_sender = call.client.listening.is_monitor();
    let parcel = Parcel::new(To::All(audience), Message::line(&line));
    call.db.announce(vec![Parcel { is_for_sender, ..parcel }]);
}

/// Who called the command: a client's address, or a script.
fn origin(call: &Call<'_>) -> Vec<u8> {
    let outer = table().row(call.client.last_command as usize);
    let is_script = outer
        .is_some_and(|row| row.command.categories & category::SCRIPTING != 0 && row.id != call.command.id);
    let endpoint = &call.client.info.endpoint;
    match () {
        () if call.is_nested && is_script => b"lua".to_vec(),
        () if endpoint.is_unix => {
            let path = endpoint.local.strip_suffix(":0").unwrap_or(&endpoint.local);
            [b"unix:", path.as_bytes()].concat()
        }
        () => endpoint.peer.clone().into_bytes(),
    }
}

/// Is the word a user name or password?
fn is_secret(call: &Call<'_>, position: usize) -> bool {
    match call.command.name() {
        "auth" => position > 0,
        "hello" => {
            let is_auth = |at: usize| at >= 2 && call.arg(at).eq_ignore_ascii_case(b"AUTH");
            (1..=2).any(|back| position.checked_sub(back).is_some_and(is_auth))
        }
        "migrate" => {
            let is_word = |back: usize, word: &[u8]| {
                position
                    .checked_sub(back)
                    .is_some_and(|at| at >= 6 && call.arg(at).eq_ignore_ascii_case(word))
            };
            is_word(1, b"AUTH") || is_word(1, b"AUTH2") || is_word(2, b"AUTH2")
        }
        _ => false,
    }
}

/// Appends a word as Redis quotes it.
fn quote(word: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for &byte in word {
        match byte {
            b'\\' | b'"' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            7 => out.extend_from_slice(b"\\a"),
            8 => out.extend_from_slice(b"\\b"),
            b' '..=b'~' => out.push(byte),
            _ => out.extend_from_slice(format!("\\x{byte:02x}").as_bytes()),
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::quote;

    #[test]
    fn words_are_quoted_as_redis_quotes_them() {
        let mut out = Vec::new();
        quote(b"a b\"\\\n\r\t\x07\x08\x00\xff~", &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), r#""a b\"\\\n\r\t\a\b\x00\xff~""#);
    }
}
