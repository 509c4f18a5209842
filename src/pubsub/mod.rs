//! Who is told what: channels, patterns, shard channels, MONITOR, and client-side caching.
//!
//! * No sockets and no commands here: a message becomes a [`Parcel`], which names its recipients by where they are ([`Address`]). [`Office`]
//!   hands the parcels to the workers that have recipients, one delivery per worker, and each worker writes to its own connections.
//! * A message is encoded once, whatever the number of its recipients and their protocols ([`Message`]).
//! * Order: what one thread sends arrives in that order at every client. Nothing is promised between two senders, but that what was
//!   sent before somebody could know of it comes before what was sent after.
//! * A subscription ends at once: a parcel still under way is checked against [`Subscription::is_live`] by the only thread that may
//!   end it. So a RESP2 client that has left its subscribed mode gets no message among its replies.
//! * What is under way is bounded: while the [`Office`] is crowded, whoever publishes or writes waits; a recipient that does not read is
//!   cut by its output limit.

mod audience;
mod message;
mod office;
mod registry;
mod shared;
mod tracking;

pub use audience::{Address, Audience, Subscription};
pub use message::{Message, Recipient};
pub use office::{Office, Parcel, Post, To};
pub use registry::{Channels, Kind, Patterns, Registry, Subscriptions};
pub use tracking::{Options, Prefixes, Tracker};

/// All of it.
#[derive(Default)]
pub struct Pubsub {
    /// Who is subscribed to what.
    pub registry: Registry,
    /// Who wants to know of changes of all keys with a prefix.
    pub prefixes: Prefixes,
    /// The way to the recipients.
    pub office: Office,
}

impl Pubsub {
    /// Is there a client that may be told something it did not ask for?
    pub fn has_listeners(&self) -> bool {
        let registry = &self.registry;
        let has_shard_channels = !registry.shard_channels.is_empty();
        !registry.is_silent() || has_shard_channels || registry.has_monitors() || self.prefixes.trackers() > 0
    }
}
