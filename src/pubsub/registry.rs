//! Who is subscribed to what.
//!
//! * Channels are spread over [`PARTS`] leaf locks by a hash of their name. Publishing holds one of them to look the channel up
//!   and to clone an `Arc`, so publishers on different channels meet rarely, and on the same one briefly.
//! * Patterns are one list that is replaced when it changes; without any, publishing does not look.
//! * What a client is subscribed to stands with the client ([`Subscriptions`]), too; both are changed together.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use super::shared::Shared;
use super::{Address, Audience, Message, Parcel, Subscription, To};
use crate::util::glob::{Case, matches};

const PARTS: usize = 16;

/// What a client can be subscribed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// SUBSCRIBE.
    Channel,
    /// PSUBSCRIBE.
    Pattern,
    /// SSUBSCRIBE.
    ShardChannel,
}

impl Kind {
    const ALL: [Kind; 3] = [Kind::Channel, Kind::Pattern, Kind::ShardChannel];
}

type Part = HashMap<Box<[u8]>, Arc<Audience>>;

/// Channels by name.
#[derive(Default)]
pub struct Channels {
    parts: [Mutex<Part>; PARTS],
    hasher: RandomState,
    len: AtomicUsize,
}

impl Channels {
    fn part(&self, name: &[u8]) -> MutexGuard<'_, Part> {
        let part = self.hasher.hash_one(name) as usize % PARTS;
        self.parts[part].lock().expect("no panic happens under this leaf lock")
    }

    fn add(&self, name: &[u8], subscription: &Arc<Subscription>) {
        let mut part = self.part(name);
        if let Some(audience) = part.get_mut(name) {
            Arc::make_mut(audience).add(subscription.clone());
            return;
        }
        let mut audience = Audience::default();
        audience.add(subscription.clone());
        part.insert(name.into(), Arc::new(audience));
        self.len.fetch_add(1, Ordering::Relaxed);
    }

    fn remove(&self, name: &[u8], subscription: &Arc<Subscription>) {
        let mut part = self.part(name);
        let Some(audience) = part.get_mut(name) else { return };
        Arc::make_mut(audience).remove(subscription);
        if audience.is_empty() {
            part.remove(name);
            self.len.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Who is subscribed to a channel.
    pub fn audience(&self, name: &[u8]) -> Option<Arc<Audience>> {
        if self.is_empty() {
            return None;
        }
        self.part(name).get(name).cloned()
    }

    /// How many channels have a subscriber.
    pub fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    /// Has none of them one?
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The channels with a subscriber that match a pattern, if one is given.
    pub fn names(&self, pattern: Option<&[u8]>) -> Vec<Box<[u8]>> {
        let is_wanted = |name: &[u8]| pattern.is_none_or(|pattern| matches(pattern, name, Case::Sensitive));
        let mut names = Vec::new();
        for part in &self.parts {
            let part = part.lock().expect("no panic happens under this leaf lock");
            names.extend(part.keys().filter(|name| is_wanted(name)).cloned());
        }
        names
    }
}

type PatternList = Vec<(Arc<[u8]>, Arc<Audience>)>;

/// Patterns, in the order in which they were first subscribed to.
#[derive(Default)]
pub struct Patterns {
    list: Shared<PatternList>,
}

impl Patterns {
    fn add(&self, pattern: &[u8], subscription: &Arc<Subscription>) {
        self.list.change(|list| {
            match list.iter_mut().find(|(known, _)| **known == *pattern) {
                Some((_, audience)) => Arc::make_mut(audience).add(subscription.clone()),
                None => {
                    let mut audience = Audience::default();
                    audience.add(subscription.clone());
                    list.push((pattern.into(), Arc::new(audience)));
                }
            }
            list.len()
        });
    }

    fn remove(&self, pattern: &[u8], subscription: &Arc<Subscription>) {
        self.list.change(|list| {
            if let Some(at) = list.iter().position(|(known, _)| **known == *pattern) {
                let audience = Arc::make_mut(&mut list[at].1);
                audience.remove(subscription);
                if audience.is_empty() {
                    list.remove(at);
                }
            }
            list.len()
        });
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Is there none?
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

/// Everything that clients are subscribed to.
#[derive(Default)]
pub struct Registry {
    /// SUBSCRIBE.
    pub channels: Channels,
    /// SSUBSCRIBE.
    pub shard_channels: Channels,
    /// PSUBSCRIBE.
    pub patterns: Patterns,
    monitors: Shared<Audience>,
}

impl Registry {
    fn add(&self, kind: Kind, name: &[u8], subscription: &Arc<Subscription>) {
        match kind {
            Kind::Channel => self.channels.add(name, subscription),
            Kind::Pattern => self.patterns.add(name, subscription),
            Kind::ShardChannel => self.shard_channels.add(name, subscription),
        }
    }

    fn remove(&self, kind: Kind, name: &[u8], subscription: &Arc<Subscription>) {
        // What is under way is not delivered any more: see the module's doc of `pubsub`.
        subscription.end();
        match kind {
            Kind::Channel => self.channels.remove(name, subscription),
            Kind::Pattern => self.patterns.remove(name, subscription),
            Kind::ShardChannel => self.shard_channels.remove(name, subscription),
        }
    }

    /// Is nobody subscribed to a channel or pattern?
    #[inline]
    pub fn is_silent(&self) -> bool {
        self.channels.is_empty() && self.patterns.is_empty()
    }

    /// Makes parcels of a message to a channel and says how many clients get it, those counted again whose patterns match, too.
    /// `sender` is what the sending client is itself subscribed to.
    pub fn publish(
        &self,
        channel: &[u8],
        text: &[u8],
        sender: Option<&Subscriptions>,
        parcels: &mut Vec<Parcel>,
    ) -> usize {
        let mut receivers = 0;
        if let Some(audience) = self.channels.audience(channel) {
            let message = Message::channel(channel, text);
            receivers += post(audience, message, sender, (Kind::Channel, channel), parcels);
        }
        if self.patterns.is_empty() {
            return receivers;
        }
        for (pattern, audience) in self.patterns.list.get().iter() {
            if matches(pattern, channel, Case::Sensitive) {
                let message = Message::pattern(pattern, channel, text);
                receivers += post(audience.clone(), message, sender, (Kind::Pattern, pattern), parcels);
            }
        }
        receivers
    }

    /// As [`Registry::publish`], for a shard channel.
    pub fn publish_to_shard(
        &self,
        channel: &[u8],
        text: &[u8],
        sender: Option<&Subscriptions>,
        parcels: &mut Vec<Parcel>,
    ) -> usize {
        let Some(audience) = self.shard_channels.audience(channel) else { return 0 };
        let message = Message::shard_channel(channel, text);
        post(audience, message, sender, (Kind::ShardChannel, channel), parcels)
    }

    /// Does anybody watch all commands?
    #[inline]
    pub fn has_monitors(&self) -> bool {
        !self.monitors.is_empty()
    }

    /// Who watches all commands.
    pub fn monitors(&self) -> Arc<Audience> {
        self.monitors.get()
    }

    /// A client begins to watch all commands (MONITOR).
    pub fn add_monitor(&self, subscription: &Arc<Subscription>) {
        self.monitors.change(|audience| {
            audience.add(subscription.clone());
            audience.len()
        });
    }

    /// A client watches no longer.
    pub fn remove_monitor(&self, subscription: &Arc<Subscription>) {
        subscription.end();
        self.monitors.change(|audience| {
            audience.remove(subscription);
            audience.len()
        });
    }
}

/// Makes a parcel for all who are subscribed to one thing and says how many they are.
fn post(
    audience: Arc<Audience>,
    message: Message,
    sender: Option<&Subscriptions>,
    (kind, name): (Kind, &[u8]),
    parcels: &mut Vec<Parcel>,
) -> usize {
    let receivers = audience.len();
    let is_for_sender = sender.is_some_and(|own| own.has(kind, name));
    parcels.push(Parcel { is_for_sender, ..Parcel::new(To::All(audience), message) });
    receivers
}

/// What one client is subscribed to, by kind.
#[derive(Debug, Default)]
pub struct Subscriptions([HashMap<Box<[u8]>, Arc<Subscription>>; Kind::ALL.len()]);

impl Subscriptions {
    fn of(&self, kind: Kind) -> &HashMap<Box<[u8]>, Arc<Subscription>> {
        &self.0[kind as usize]
    }

    /// Is the client subscribed to that?
    pub fn has(&self, kind: Kind, name: &[u8]) -> bool {
        self.of(kind).contains_key(name)
    }

    /// To how many of the kind?
    pub fn count(&self, kind: Kind) -> usize {
        self.of(kind).len()
    }

    /// To nothing at all?
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(HashMap::is_empty)
    }

    /// The names of a kind.
    pub fn names(&self, kind: Kind) -> Vec<Box<[u8]>> {
        self.of(kind).keys().cloned().collect()
    }

    /// Subscribes the client that is at `address`, unless it is already.
    pub fn add(&mut self, registry: &Registry, kind: Kind, name: &[u8], address: Address) {
        if self.has(kind, name) {
            return;
        }
        let subscription = Subscription::new(address);
        registry.add(kind, name, &subscription);
        self.0[kind as usize].insert(name.into(), subscription);
    }

    /// Ends a subscription, if there is one.
    pub fn remove(&mut self, registry: &Registry, kind: Kind, name: &[u8]) {
        if let Some(subscription) = self.0[kind as usize].remove(name) {
            registry.remove(kind, name, &subscription);
        }
    }

    /// Ends all subscriptions: the client is reset or gone.
    pub fn clear(&mut self, registry: &Registry) {
        for kind in Kind::ALL {
            for (name, subscription) in self.0[kind as usize].drain() {
                registry.remove(kind, &name, &subscription);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(client: u64) -> Address {
        Address { client, worker: (client % 3) as u32, token: client }
    }

    fn count(registry: &Registry, channel: &[u8]) -> usize {
        registry.publish(channel, b"text", None, &mut Vec::new())
    }

    #[test]
    fn a_message_goes_to_channels_and_matching_patterns() {
        let registry = Registry::default();
        let mut clients: Vec<Subscriptions> = (0..4).map(|_| Subscriptions::default()).collect();
        for (n, client) in clients.iter_mut().enumerate() {
            client.add(&registry, Kind::Channel, b"news.it", address(n as u64));
            // Twice is once.
            client.add(&registry, Kind::Channel, b"news.it", address(n as u64));
            client.add(&registry, Kind::Pattern, if n < 2 { b"news.*" } else { b"h?llo" }, address(n as u64));
        }
        assert_eq!((count(&registry, b"news.it"), count(&registry, b"news.fr")), (6, 2));
        assert_eq!((count(&registry, b"hello"), count(&registry, b"nothing")), (2, 0));
        assert_eq!((registry.channels.len(), registry.patterns.len()), (1, 2));
        let mut parcels = Vec::new();
        registry.publish(b"news.it", b"", Some(&clients[0]), &mut parcels);
        assert!(parcels.iter().all(|parcel| parcel.is_for_sender));
        registry.publish(b"hello", b"", Some(&clients[0]), &mut parcels);
        assert!(!parcels[2].is_for_sender);
        clients[0].remove(&registry, Kind::Pattern, b"news.*");
        clients[1].clear(&registry);
        assert_eq!((count(&registry, b"news.it"), registry.patterns.len()), (3, 1));
        clients.iter_mut().for_each(|client| client.clear(&registry));
        assert!(registry.is_silent() && registry.channels.names(None).is_empty());
    }

    #[test]
    fn shard_channels_are_apart_from_the_others() {
        let registry = Registry::default();
        let mut client = Subscriptions::default();
        client.add(&registry, Kind::ShardChannel, b"c", address(1));
        assert_eq!(count(&registry, b"c"), 0);
        assert_eq!(registry.publish_to_shard(b"c", b"", None, &mut Vec::new()), 1);
        assert_eq!((client.count(Kind::ShardChannel), client.count(Kind::Channel)), (1, 0));
    }

    #[test]
    fn a_subscription_that_ended_does_not_count_for_what_is_under_way() {
        let registry = Registry::default();
        let mut client = Subscriptions::default();
        client.add(&registry, Kind::Channel, b"c", address(4));
        let under_way = registry.channels.audience(b"c").unwrap();
        client.remove(&registry, Kind::Channel, b"c");
        client.add(&registry, Kind::Channel, b"c", address(4));
        assert!(!under_way.of(1)[0].is_live());
        assert!(registry.channels.audience(b"c").unwrap().of(1)[0].is_live());
    }
}
