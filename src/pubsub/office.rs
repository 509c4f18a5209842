//! The way from whoever says something to the workers that serve the recipients.
//!
//! Parcels are counted from when they are sent until a worker has written them to its connections. While there are too many the
//! office is crowded, and dispatch lets the commands wait that would add to them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use super::{Address, Audience, Message, Tracker};

/// Bytes under way from which on the office is crowded.
const CROWDED_BYTES: u64 = 64 << 20;
/// What a parcel takes beside its message.
const PARCEL_BYTES: u64 = 128;

/// Who gets a parcel.
#[derive(Clone, Debug)]
pub enum To {
    /// All of them.
    All(Arc<Audience>),
    /// One client.
    One(Address),
    /// A client that another one, which tracks keys, has its invalidations redirected to. If it is gone, the other is told so.
    Redirected(Address, Arc<Tracker>),
}

impl To {
    /// Is there a recipient among the clients of that worker?
    fn concerns(&self, worker: u32) -> bool {
        match self {
            To::All(audience) => !audience.of(worker).is_empty(),
            To::One(address) | To::Redirected(address, _) => address.worker == worker,
        }
    }
}

/// A message on its way.
#[derive(Clone, Debug)]
pub struct Parcel {
    /// Who gets it.
    pub to: To,
    /// What they are told.
    pub message: Message,
    /// They may not be told before this LSN is durable, if the sync mode promises that.
    pub depends_on: u64,
    /// The client whose command caused it is one of them. It is told by dispatch, right behind its reply.
    pub is_for_sender: bool,
    /// That client, if it needs no copy any more.
    pub except: Option<u64>,
}

impl Parcel {
    /// A parcel without conditions.
    pub fn new(to: To, message: Message) -> Self {
        Parcel { to, message, depends_on: 0, is_for_sender: false, except: None }
    }

    /// What it takes while it is under way.
    fn bytes(&self) -> u64 {
        self.message.len() as u64 + PARCEL_BYTES
    }
}

/// Delivers parcels to a worker.
pub type Post = Box<dyn Fn(u32, Vec<Parcel>) + Send + Sync>;

/// See the module's doc.
#[derive(Default)]
pub struct Office {
    post: OnceLock<(u32, Post)>,
    under_way: AtomicU64,
}

impl Office {
    /// Connects so many workers, once.
    pub fn connect(&self, workers: usize, post: Post) {
        assert!(self.post.set((workers as u32, post)).is_ok(), "the workers are connected once");
    }

    /// Sends parcels, each worker its own; `parcels` is empty afterwards. No lock may be held.
    pub fn send(&self, parcels: &mut Vec<Parcel>) {
        let Some((workers, post)) = self.post.get() else { return parcels.clear() };
        for worker in 0..*workers {
            let own: Vec<Parcel> =
                parcels.iter().filter(|parcel| parcel.to.concerns(worker)).cloned().collect();
            if !own.is_empty() {
                self.under_way.fetch_add(own.iter().map(Parcel::bytes).sum(), Ordering::Relaxed);
                post(worker, own);
            }
        }
        parcels.clear();
    }

    /// A worker has written them to its connections.
    pub fn delivered(&self, parcels: &[Parcel]) {
        self.under_way.fetch_sub(parcels.iter().map(Parcel::bytes).sum(), Ordering::Relaxed);
    }

    /// Is too much under way?
    #[inline]
    pub fn is_crowded(&self) -> bool {
        self.under_way.load(Ordering::Relaxed) > CROWDED_BYTES
    }
}
