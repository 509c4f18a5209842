//! The reply to a command that waited, made by another thread than the one that serves the client.
//!
//! A letter is mail to the client's worker, which appends it to the client's output between two turns of the connection, and the
//! client goes on. While the connection is out for a turn its letter waits in its place.

use std::sync::Arc;

use super::ClientId;
use crate::store::Waiter;

/// A reply that another thread has made for a client.
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
}
