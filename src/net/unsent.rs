//! What a worker's connections have to send.
//!
//! * Replies and messages gather in the connections' outputs and leave behind the round, one write a connection. While a worker
//!   writes to one client after the other, the first of them wakes up and finds the replies of all: a client with many
//!   connections is woken once a round and not once a connection, which is most of what a write costs.
//! * A round may be long, so what gathered is also sent when a millisecond has passed since the last time. When a turn takes so
//!   long that the loop goes on without it, the thread that takes the loop over sends first: the next turn may be as long. The
//!   turn that was left behind sends for itself.

use super::connection::{Connection, Kit};
use super::worker::{Core, Place};

/// How long replies wait for those of other connections.
const HOLD_NANOS: u64 = 1_000_000;

impl Core {
    /// Notes that a connection has something to send.
    pub(super) fn list_as_unsent(&mut self, index: usize, connection: &mut Connection) {
        if !connection.is_listed_as_unsent {
            connection.is_listed_as_unsent = true;
            self.unsent.push(index);
        }
    }

    /// Sends, if what gathered has waited long enough.
    pub(super) fn send_overdue(&mut self, kit: &Kit) {
        let now = kit.executor.turn_ended();
        if now.nanos_since(self.gathers_since) >= HOLD_NANOS {
            self.send(kit);
            self.gathers_since = now;
        }
    }

    /// Sends what gathered before this thread got the loop.
    pub(super) fn send_inherited(&mut self, kit: &mut Kit) {
        if !self.unsent.is_empty() {
            kit.executor.begin_round();
            kit.executor.refresh_config();
            self.send(kit);
        }
    }

    /// Sends what connections have to send.
    pub(super) fn send(&mut self, kit: &Kit) {
        // The list's memory is kept; nothing is listed meanwhile.
        let mut unsent = std::mem::take(&mut self.unsent);
        for index in unsent.drain(..) {
            // One that is out is listed again when it comes back.
            let Some(Place::Here(connection)) = self.places.get_mut(index) else { continue };
            connection.is_listed_as_unsent = false;
            if !connection.send(kit) {
                connection.client.info.kill();
                self.ready.push_back(index);
            } else if connection.is_gated() && !connection.is_listed_as_gated {
                connection.is_listed_as_gated = true;
                self.gated.push(index);
            }
        }
        self.unsent = unsent;
    }
}
