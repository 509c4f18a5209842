//! What others are to be told of an operation: keyspace events (`notify-keyspace-events`), changes of keys that clients track,
//! messages of PUBLISH.
//!
//! * An operation notes its events while it holds its locks ([`Db::notify`](super::Db::notify)); who executes it announces
//!   them when the locks are released ([`Workspace::events`](super::db::Workspace), [`Keyspace::announce`]). Nothing is noted
//!   of classes that nobody asked for.
//! * The command's own event comes before what follows from it: `lpop`, then `del` when the list is gone.

use std::sync::Arc;

use super::DbIndex;
use super::db::Workspace;
use super::keyspace::Keyspace;
use super::tracked::Tracked;
use crate::config::values::NotifyFlags;
use crate::pubsub::{Parcel, Tracker};

/// Something that others are to be told.
pub enum Event {
    /// Something happened to a key.
    Key {
        /// What `notify-keyspace-events` was then: it says on which channels.
        wanted: NotifyFlags,
        /// Its name, such as `lpush`.
        name: &'static str,
        /// The key's database.
        db: DbIndex,
        /// The key.
        key: Box<[u8]>,
    },
    /// A key is not what it was.
    Changed {
        /// The key.
        key: Box<[u8]>,
        /// Who had read it and tracks it.
        trackers: Vec<Arc<Tracker>>,
    },
    /// A database was emptied. With what was known of keys that clients track, to be freed when the locks are released.
    Flushed(Vec<Tracked>),
    /// Messages to subscribers.
    Parcels(Vec<Parcel>),
}

impl Event {
    /// Is it to be told even if what caused it is taken back? Who tracked a key is forgotten by the table and must hear of it; to
    /// be told once too often does no harm.
    pub fn outlives_undo(&self) -> bool {
        matches!(self, Event::Changed { .. } | Event::Flushed(_))
    }
}

/// Tells others of events; the number is the LSN that they depend on.
pub type Announce = Box<dyn Fn(Vec<Event>, u64) + Send + Sync>;

impl Keyspace {
    /// Tells others what an operation has noted that no client asked for (expiry, eviction). No lock may be held.
    #[inline]
    pub fn announce(&self, work: &mut Workspace, depends_on: u64) {
        if !work.events.is_empty() {
            self.announce_noted(work, depends_on);
        }
    }

    #[cold]
    fn announce_noted(&self, work: &mut Workspace, depends_on: u64) {
        let events = std::mem::take(&mut work.events);
        if let Some(announce) = self.announcer.get() {
            announce(events, depends_on);
        }
    }
}
