//! Bytes for a client that come from another thread than the one that serves it: the reply to a command that waited, and later
//! messages of any kind.
//!
//! A letter is mail to the client's worker, which appends it to the client's output between two turns of the connection. While
//! the connection is out for a turn its letters wait in its place.

use std::sync::Arc;

use super::ClientId;
use crate::store::Waiter;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// The client.
    pub to: ClientId,
    /// Its connection. Another client may have it by the time the letter arrives; then the letter is dropped.
    pub at: Waiter,
    /// What is appended to its output.
    pub text: Arc<Vec<u8>>,
    /// In `wal_sync_mode always` the text does not leave before this LSN is durable; 0: no condition.
    pub depends_on: u64,
    /// It is the reply that the client's command waits for: the client goes on.
    pub ends_wait: bool,
}
