//! Client-side caching: who is to be told that keys changed.
//!
//! * A [`Tracker`] is one client's part. It is made when the client first asks and lives as long as the client; the table of
//!   tracked keys (`store::tracked`) refers to it.
//! * In broadcasting mode nothing is remembered of keys: [`Prefixes`] says who is told of every change.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use super::shared::Shared;
use super::{Address, Message, Parcel, To};
use crate::resp::Protocol;

/// How CLIENT TRACKING was called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Who gets the invalidations instead.
    pub redirect: Option<Address>,
    /// BCAST.
    pub broadcasts: bool,
    /// OPTIN.
    pub opt_in: bool,
    /// OPTOUT.
    pub opt_out: bool,
    /// NOLOOP.
    pub no_loop: bool,
}

/// One client that was told, at least once, to have its reads tracked.
#[derive(Debug)]
pub struct Tracker {
    address: Address,
    /// `None`: off.
    options: Mutex<Option<Options>>,
    is_broken: AtomicBool,
    speaks_resp3: AtomicBool,
}

impl Tracker {
    /// The tracker of a client, off.
    pub fn new(address: Address) -> Arc<Self> {
        Arc::new(Tracker {
            address,
            options: Mutex::new(None),
            is_broken: AtomicBool::new(false),
            speaks_resp3: AtomicBool::new(false),
        })
    }

    /// Its client speaks this protocol from here on.
    pub fn set_protocol(&self, protocol: Protocol) {
        self.speaks_resp3.store(protocol == Protocol::Resp3, Ordering::Relaxed);
    }

    fn protocol(&self) -> Protocol {
        if self.speaks_resp3.load(Ordering::Relaxed) { Protocol::Resp3 } else { Protocol::Resp2 }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Options>> {
        self.options.lock().expect("no panic happens under this leaf lock")
    }

    /// Where its client is.
    pub fn address(&self) -> Address {
        self.address
    }

    /// How it tracks; `None`: not at all.
    pub fn options(&self) -> Option<Options> {
        self.lock().clone()
    }

    /// Switches it on or off.
    pub fn set(&self, options: Option<Options>) {
        self.is_broken.store(false, Ordering::Relaxed);
        *self.lock() = options;
    }

    /// Was the client gone to which the invalidations go?
    pub fn is_broken(&self) -> bool {
        self.is_broken.load(Ordering::Relaxed)
    }

    /// The client is gone to which they go: what its own client is told.
    pub fn broken(&self, target: u64) -> Parcel {
        self.is_broken.store(true, Ordering::Relaxed);
        Parcel::new(To::One(self.address), Message::broken(target))
    }

    /// The parcel that tells its client of keys that `writer` changed, if it wants to be told. `broadcasts`: because of a prefix.
    fn parcel(
        self: &Arc<Self>,
        message: &Message,
        writer: Option<u64>,
        broadcasts: Option<bool>,
    ) -> Option<Parcel> {
        let options = self.lock();
        let options = options.as_ref()?;
        if broadcasts.is_some_and(|mode| mode != options.broadcasts) {
            return None;
        }
        let is_writer = |client: u64| writer == Some(client);
        if options.no_loop && broadcasts.is_some() && is_writer(self.address.client) {
            return None;
        }
        let parcel = match options.redirect {
            None => Parcel::new(To::One(self.address), message.clone()),
            Some(target) => {
                let message = message.clone().redirected(self.protocol());
                Parcel::new(To::Redirected(target, self.clone()), message)
            }
        };
        let target = options.redirect.unwrap_or(self.address);
        Some(Parcel { is_for_sender: is_writer(target.client), ..parcel })
    }

    /// The parcel that tells of one key that it tracked.
    pub fn tell(self: &Arc<Self>, message: &Message, writer: Option<u64>) -> Option<Parcel> {
        self.parcel(message, writer, Some(false))
    }

    /// The parcel that tells that all keys are gone.
    pub fn tell_flushed(self: &Arc<Self>, writer: Option<u64>) -> Option<Parcel> {
        self.parcel(&Message::all_keys(), writer, None)
    }
}

type ByPrefix = BTreeMap<Box<[u8]>, Vec<Arc<Tracker>>>;

/// The prefixes that clients in broadcasting mode have asked for, and all clients that track.
#[derive(Default)]
pub struct Prefixes {
    by_prefix: Shared<ByPrefix>,
    trackers: Shared<Vec<Arc<Tracker>>>,
}

impl Prefixes {
    /// A client wants to know of all keys with a prefix.
    pub fn add(&self, prefix: &[u8], tracker: &Arc<Tracker>) {
        self.by_prefix.change(|by_prefix| {
            let trackers = by_prefix.entry(prefix.into()).or_default();
            if !trackers.iter().any(|known| Arc::ptr_eq(known, tracker)) {
                trackers.push(tracker.clone());
            }
            by_prefix.len()
        });
    }

    /// A client wants to know of none of these any more.
    pub fn remove(&self, prefixes: &[Box<[u8]>], tracker: &Arc<Tracker>) {
        if prefixes.is_empty() {
            return;
        }
        self.by_prefix.change(|by_prefix| {
            for prefix in prefixes {
                let Some(trackers) = by_prefix.get_mut(prefix) else { continue };
                trackers.retain(|known| !Arc::ptr_eq(known, tracker));
                if trackers.is_empty() {
                    by_prefix.remove(prefix);
                }
            }
            by_prefix.len()
        });
    }

    /// How many prefixes there are.
    pub fn len(&self) -> usize {
        self.by_prefix.len()
    }

    /// Is there none?
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.by_prefix.is_empty()
    }

    /// Makes parcels of the keys, sorted and each once, that `writer` has changed.
    pub fn tell(&self, keys: &[&[u8]], writer: Option<u64>, parcels: &mut Vec<Parcel>) {
        for (prefix, trackers) in self.by_prefix.get().iter() {
            let with: Vec<&[u8]> = keys.iter().copied().filter(|key| key.starts_with(prefix)).collect();
            if with.is_empty() {
                continue;
            }
            let message = Message::keys(with.into_iter());
            parcels
                .extend(trackers.iter().filter_map(|tracker| tracker.parcel(&message, writer, Some(true))));
        }
    }

    /// A client begins to track.
    pub fn join(&self, tracker: &Arc<Tracker>) {
        self.trackers.change(|trackers| {
            trackers.push(tracker.clone());
            trackers.len()
        });
    }

    /// A client tracks no longer.
    pub fn leave(&self, tracker: &Arc<Tracker>) {
        self.trackers.change(|trackers| {
            trackers.retain(|known| !Arc::ptr_eq(known, tracker));
            trackers.len()
        });
    }

    /// How many clients track.
    pub fn trackers(&self) -> usize {
        self.trackers.len()
    }

    /// Makes parcels for all who track: all keys are gone.
    pub fn tell_flushed(&self, writer: Option<u64>, parcels: &mut Vec<Parcel>) {
        parcels.extend(self.trackers.get().iter().filter_map(|tracker| tracker.tell_flushed(writer)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tracker(client: u64, options: Options) -> Arc<Tracker> {
        let tracker = Tracker::new(Address { client, worker: 0, token: client });
        tracker.set(Some(options));
        tracker
    }

    fn told(prefixes: &Prefixes, keys: &[&[u8]], writer: u64) -> Vec<u64> {
        let mut parcels = Vec::new();
        prefixes.tell(keys, Some(writer), &mut parcels);
        let client = |parcel: &Parcel| match &parcel.to {
            To::One(address) | To::Redirected(address, _) => address.client,
            To::All(_) => 0,
        };
        parcels.iter().map(client).collect()
    }

    #[test]
    fn prefixes_say_who_is_told_of_a_change() {
        let prefixes = Prefixes::default();
        let broadcasting = Options { broadcasts: true, ..Options::default() };
        let all = tracker(1, broadcasting.clone());
        let user = tracker(2, Options { no_loop: true, ..broadcasting.clone() });
        prefixes.add(b"", &all);
        prefixes.add(b"user:", &user);
        prefixes.add(b"user:", &user);
        assert_eq!(told(&prefixes, &[b"other"], 9), [1]);
        assert_eq!(told(&prefixes, &[b"other", b"user:1", b"user:2"], 9), [1, 2]);
        assert_eq!(told(&prefixes, &[b"user:1"], 2), [1], "NOLOOP");
        prefixes.remove(&[Box::from(&b""[..])], &all);
        assert_eq!(told(&prefixes, &[b"other"], 9), [0; 0]);
        user.set(None);
        assert_eq!(told(&prefixes, &[b"user:1"], 9), [0; 0], "off");
    }

    #[test]
    fn a_client_in_broadcasting_mode_is_not_told_of_what_it_read_before() {
        let message = Message::keys([&b"k"[..]].into_iter());
        let tracker = tracker(1, Options::default());
        assert!(tracker.tell(&message, Some(1)).is_some_and(|parcel| parcel.is_for_sender));
        tracker.set(Some(Options { broadcasts: true, ..Options::default() }));
        assert!(tracker.tell(&message, None).is_none());
        assert!(tracker.tell_flushed(None).is_some());
    }
}
