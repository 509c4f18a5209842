//! A session whose command waits: for keys, or for the log.

use std::sync::Arc;

use crate::store::interest::Blocked;

/// What a session waits for, and what it is told when that does not come. Shared with CLIENT UNBLOCK.
pub struct Waiting {
    /// Who ends this ends the wait, and nobody else does.
    pub blocked: Arc<Blocked>,
    /// How long it waits, in milliseconds; `None`: for ever.
    pub timeout_ms: Option<u64>,
    /// What it is told.
    pub otherwise: Otherwise,
}

/// What a session is told when its time is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Otherwise {
    /// These bytes.
    Reply(&'static [u8]),
    /// WAITAOF: whether the log is durable up to here.
    Durable {
        /// The LSN.
        lsn: u64,
        /// Does that end the wait?
        is_enough: bool,
    },
}

impl Waiting {
    /// The LSN whose durability ends the wait.
    pub fn awaited_lsn(&self) -> Option<u64> {
        match self.otherwise {
            Otherwise::Durable { lsn, is_enough: true } => Some(lsn),
            _ => None,
        }
    }
}
