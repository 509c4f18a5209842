//! Messages from other threads to a worker's connections.
//!
//! * A message is appended to the output of each connection that it is for, and leaves with the round's replies
//!   ([`super::unsent`]). A connection that does not read is closed by its output limit.
//! * What comes for a connection that is out for a turn waits in its place, and is appended behind the turn's replies.

use std::sync::Arc;

use super::connection::{Connection, Kit};
use super::worker::{Core, Missed, Place};
use crate::client::{ClientId, Letter};
use crate::pubsub::{Address, Message, Parcel, Subscription, To};

/// Bytes that wait for a connection that is out, beyond its output limit: a guard against what a limit of 0 allows.
const HELD_BYTES_MAX: usize = 256 << 20;

/// Something that waits for a connection to come back.
enum Waiting {
    /// A reply.
    Letter(Letter),
    /// A message.
    Message {
        client: u64,
        /// The subscription that it is for, if it is for one.
        subscription: Option<Arc<Subscription>>,
        message: Message,
        depends_on: u64,
    },
}

/// What has come for a connection that is out for a turn, in the order in which it came.
#[derive(Default)]
pub struct Held {
    waiting: Vec<Waiting>,
    /// Of the messages. Replies are few: a client waits for one at a time.
    bytes: usize,
}

impl Held {
    /// Is it nothing?
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Keeps a reply.
    pub fn keep(&mut self, letter: Letter) {
        self.waiting.push(Waiting::Letter(letter));
    }

    fn keep_message(&mut self, to: Address, subscription: Option<&Arc<Subscription>>, parcel: &Parcel) {
        self.bytes += parcel.message.len() + size_of::<Waiting>();
        self.waiting.push(Waiting::Message {
            client: to.client,
            subscription: subscription.cloned(),
            message: parcel.message.clone(),
            depends_on: parcel.depends_on,
        });
    }

    /// Gives the connection what is for it: nothing for an earlier one in its place or for a subscription that has ended.
    pub fn deliver(self, connection: &mut Connection, kit: &Kit) {
        for waiting in self.waiting {
            match waiting {
                Waiting::Letter(letter) => _ = connection.receive_letter(kit, &letter),
                Waiting::Message { client, subscription, message, depends_on } => {
                    let is_wanted = subscription.is_none_or(|subscription| subscription.is_live());
                    if is_wanted && client == connection.client.id().0 {
                        connection.tell(&message, depends_on, kit);
                    }
                }
            }
        }
    }
}

impl Core {
    /// Appends messages to the outputs of their recipients.
    pub(super) fn deliver_parcels(&mut self, parcels: &[Parcel], kit: &Kit) {
        for parcel in parcels {
            match &parcel.to {
                To::All(audience) => {
                    for subscription in audience.of(self.seat.index) {
                        if parcel.except != Some(subscription.address.client) {
                            self.deliver_to(subscription.address, Some(subscription), parcel, kit);
                        }
                    }
                }
                To::One(address) => {
                    self.deliver_to(*address, None, parcel, kit);
                }
                To::Redirected(address, tracker) => {
                    if !self.deliver_to(*address, None, parcel, kit) {
                        let office = &self.state.keyspace.pubsub().office;
                        office.send(&mut vec![tracker.broken(address.client)]);
                    }
                }
            }
        }
        self.state.keyspace.pubsub().office.delivered(parcels);
    }

    /// False: the client is gone.
    fn deliver_to(
        &mut self,
        address: Address,
        subscription: Option<&Arc<Subscription>>,
        parcel: &Parcel,
        kit: &Kit,
    ) -> bool {
        let index = address.token as usize;
        match self.places.get_mut(index) {
            Some(Place::Here(connection)) if connection.client.id().0 == address.client => {
                if subscription.is_none_or(|subscription| subscription.is_live()) {
                    connection.tell(&parcel.message, parcel.depends_on, kit);
                    if !connection.is_listed_as_unsent {
                        connection.is_listed_as_unsent = true;
                        self.unsent.push(index);
                    }
                }
                true
            }
            Some(Place::Out(Missed { held, .. })) => {
                held.keep_message(address, subscription, parcel);
                if held.bytes > self.held_bytes_max(kit) {
                    self.cut(address);
                }
                // Whether it is still the same client shows when it comes back.
                true
            }
            _ => false,
        }
    }

    fn held_bytes_max(&self, kit: &Kit) -> usize {
        let limit = kit.executor.config().client_output_buffer_limit.pubsub.hard_bytes as usize;
        if limit == 0 { HELD_BYTES_MAX } else { limit.min(HELD_BYTES_MAX) }
    }

    /// A connection that is out for long gets more than may wait: it is closed when it comes back.
    #[cold]
    fn cut(&mut self, address: Address) {
        if let Some(Place::Out(Missed { held, .. })) = self.places.get_mut(address.token as usize) {
            *held = Held::default();
        }
        let id = ClientId(address.client);
        if let Some(info) = self.state.clients.get(id) {
            info.kill();
        }
    }
}
