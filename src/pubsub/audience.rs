//! Who a message is for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Where a client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    /// Its number, given out once: the place may have a new tenant.
    pub client: u64,
    /// The worker that serves it.
    pub worker: u32,
    /// The worker's number for its connection.
    pub token: u64,
}

/// One client's wish to be told of one thing. Shared by the client, the registry and the messages under way.
#[derive(Debug)]
pub struct Subscription {
    /// Who wishes.
    pub address: Address,
    live: AtomicBool,
}

impl Subscription {
    /// A wish.
    pub fn new(address: Address) -> Arc<Self> {
        Arc::new(Subscription { address, live: AtomicBool::new(true) })
    }

    /// Does it still count?
    #[inline]
    pub fn is_live(&self) -> bool {
        self.live.load(Ordering::Acquire)
    }

    /// It counts no longer, not even for what is under way. Only the thread that serves the client may say so.
    pub fn end(&self) {
        self.live.store(false, Ordering::Release);
    }
}

/// All subscriptions to one thing, sorted by worker. It is copied before a change if a message under way holds it, so whoever
/// publishes only clones an `Arc`.
#[derive(Clone, Debug, Default)]
pub struct Audience {
    by_worker: Vec<Vec<Arc<Subscription>>>,
    len: usize,
}

impl Audience {
    /// Adds a subscription.
    pub fn add(&mut self, subscription: Arc<Subscription>) {
        let worker = subscription.address.worker as usize;
        if self.by_worker.len() <= worker {
            self.by_worker.resize_with(worker + 1, Vec::new);
        }
        self.by_worker[worker].push(subscription);
        self.len += 1;
    }

    /// Takes a subscription out.
    pub fn remove(&mut self, subscription: &Arc<Subscription>) {
        let Some(list) = self.by_worker.get_mut(subscription.address.worker as usize) else { return };
        if let Some(at) = list.iter().position(|known| Arc::ptr_eq(known, subscription)) {
            // The others keep their order: messages reach clients in the order in which they subscribed.
            list.remove(at);
            self.len -= 1;
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Is there none?
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Those of one worker's clients.
    #[inline]
    pub fn of(&self, worker: u32) -> &[Arc<Subscription>] {
        self.by_worker.get(worker as usize).map_or(&[], Vec::as_slice)
    }
}
