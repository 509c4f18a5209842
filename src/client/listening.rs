//! What a client is told beside its replies: messages, the commands of others, changes of keys.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{Client, ClientInfo};
use crate::pubsub::{Address, Kind, Options, Pubsub, Recipient, Subscription, Subscriptions, Tracker};
use crate::resp::Protocol;

/// Which of its reads are tracked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TrackMode {
    /// None.
    #[default]
    Off,
    /// None, but it is told of changes of all keys with its prefixes.
    Broadcasts,
    /// All.
    All,
    /// Those that CLIENT CACHING YES announces.
    OptIn,
    /// All but those that CLIENT CACHING NO announces.
    OptOut,
}

/// See the module's doc.
#[derive(Default)]
pub struct Listening {
    /// There is no box without a subscription.
    subscriptions: Option<Box<Subscriptions>>,
    monitor: Option<Arc<Subscription>>,
    /// CLIENT TRACKING.
    pub mode: TrackMode,
    /// CLIENT CACHING, for the next command or transaction.
    pub caching: bool,
    /// The prefixes that it has asked for.
    pub prefixes: Vec<Box<[u8]>>,
}

impl Listening {
    /// What it is subscribed to, if to anything.
    #[inline]
    pub fn subscriptions(&self) -> Option<&Subscriptions> {
        self.subscriptions.as_deref()
    }

    /// Does it see all commands?
    #[inline]
    pub fn is_monitor(&self) -> bool {
        self.monitor.is_some()
    }

    /// Is what it reads now to be tracked?
    #[inline]
    pub fn tracks_reads(&self) -> bool {
        match self.mode {
            TrackMode::Off | TrackMode::Broadcasts => false,
            TrackMode::All => true,
            TrackMode::OptIn => self.caching,
            TrackMode::OptOut => !self.caching,
        }
    }
}

impl ClientInfo {
    /// Where it is. Its worker has said so before its first command.
    pub fn address(&self) -> Address {
        Address { client: self.id.0, worker: self.worker, token: self.token.load(Ordering::Relaxed) }
    }

    /// To how many channels, patterns and shard channels is it subscribed?
    pub fn subscribed(&self) -> [u32; 3] {
        [&self.channels, &self.patterns, &self.shard_channels].map(|count| count.load(Ordering::Relaxed))
    }

    /// Is it subscribed to anything?
    pub fn is_subscribed(&self) -> bool {
        self.subscribed() != [0; 3]
    }
}

impl Client {
    /// What messages to it look like.
    pub fn recipient(&self) -> Recipient {
        Recipient { protocol: self.protocol, is_subscribed: self.listening.subscriptions.is_some() }
    }

    /// In RESP2 a client that is subscribed to anything may do little else.
    #[inline]
    pub fn is_in_subscribed_mode(&self) -> bool {
        self.listening.subscriptions.is_some() && self.protocol == Protocol::Resp2
    }

    /// Subscribes it, and says how many subscriptions Redis counts with this one.
    pub fn subscribe(&mut self, pubsub: &Pubsub, kind: Kind, name: &[u8]) -> usize {
        let address = self.info.address();
        let own = self.listening.subscriptions.get_or_insert_default();
        own.add(&pubsub.registry, kind, name, address);
        self.subscriptions_changed();
        self.subscription_count(kind)
    }

    /// Ends a subscription, if there is one, and says how many are left.
    pub fn unsubscribe(&mut self, pubsub: &Pubsub, kind: Kind, name: &[u8]) -> usize {
        if let Some(own) = &mut self.listening.subscriptions {
            own.remove(&pubsub.registry, kind, name);
        }
        self.subscriptions_changed();
        self.subscription_count(kind)
    }

    /// Channels and patterns are counted together, shard channels by themselves.
    pub fn subscription_count(&self, kind: Kind) -> usize {
        let Some(own) = self.listening.subscriptions() else { return 0 };
        match kind {
            Kind::Channel | Kind::Pattern => own.count(Kind::Channel) + own.count(Kind::Pattern),
            Kind::ShardChannel => own.count(kind),
        }
    }

    fn subscriptions_changed(&mut self) {
        let own = self.listening.subscriptions();
        let count = |kind| own.map_or(0, |own| own.count(kind)) as u32;
        let info = &self.info;
        info.channels.store(count(Kind::Channel), Ordering::Relaxed);
        info.patterns.store(count(Kind::Pattern), Ordering::Relaxed);
        info.shard_channels.store(count(Kind::ShardChannel), Ordering::Relaxed);
        if !info.is_subscribed() {
            self.listening.subscriptions = None;
        }
    }

    /// Shows it all commands from here on. False: it sees them already.
    pub fn monitor(&mut self, pubsub: &Pubsub) -> bool {
        if self.listening.monitor.is_some() {
            return false;
        }
        let subscription = Subscription::new(self.info.address());
        pubsub.registry.add_monitor(&subscription);
        self.listening.monitor = Some(subscription);
        self.info.is_monitor.store(true, Ordering::Relaxed);
        true
    }

    /// Its tracker, if it ever tracked.
    pub fn tracker(&self) -> Option<&Arc<Tracker>> {
        self.info.tracker.get()
    }

    /// It speaks this protocol from here on.
    pub fn set_protocol(&mut self, protocol: Protocol) {
        self.protocol = protocol;
        if let Some(tracker) = self.tracker() {
            tracker.set_protocol(protocol);
        }
    }

    /// Begins to track keys, or goes on with other options; `prefixes` come to those that it has.
    pub fn track(&mut self, pubsub: &Pubsub, options: Options, prefixes: &[&[u8]]) {
        let address = self.info.address();
        let tracker = self.info.tracker.get_or_init(|| Tracker::new(address)).clone();
        let was_off = self.listening.mode == TrackMode::Off;
        self.listening.mode = match &options {
            Options { broadcasts: true, .. } => TrackMode::Broadcasts,
            Options { opt_in: true, .. } => TrackMode::OptIn,
            Options { opt_out: true, .. } => TrackMode::OptOut,
            _ => TrackMode::All,
        };
        tracker.set_protocol(self.protocol);
        tracker.set(Some(options));
        for prefix in prefixes {
            if !self.listening.prefixes.iter().any(|known| **known == **prefix) {
                self.listening.prefixes.push(Box::from(*prefix));
            }
            pubsub.prefixes.add(prefix, &tracker);
        }
        if was_off {
            pubsub.prefixes.join(&tracker);
        }
    }

    /// Tracks no longer.
    pub fn stop_tracking(&mut self, pubsub: &Pubsub) {
        let Some(tracker) = self.info.tracker.get().filter(|_| self.listening.mode != TrackMode::Off) else {
            return;
        };
        pubsub.prefixes.remove(&self.listening.prefixes, tracker);
        pubsub.prefixes.leave(tracker);
        tracker.set(None);
        self.listening.prefixes.clear();
        (self.listening.mode, self.listening.caching) = (TrackMode::Off, false);
    }

    /// Is told nothing any more beside its replies: it is reset or gone.
    pub fn stop_listening(&mut self, pubsub: &Pubsub) {
        if let Some(mut own) = self.listening.subscriptions.take() {
            own.clear(&pubsub.registry);
        }
        self.subscriptions_changed();
        if let Some(monitor) = self.listening.monitor.take() {
            pubsub.registry.remove_monitor(&monitor);
            self.info.is_monitor.store(false, Ordering::Relaxed);
        }
        self.stop_tracking(pubsub);
    }
}
