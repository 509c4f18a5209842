//! A record's coordinates: its place in the one order, and the checkpoint epoch it belongs to.

use std::fmt;

/// A log sequence number: the place of a record in the server's one order of changes. The first record is 1, and
/// there are no gaps; 0 is "before every record".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Lsn(pub u64);

impl Lsn {
    /// The one after this.
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The checkpoint round a record belongs to. Within one shard it never falls as LSNs rise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Epoch(pub u64);

/// One record, as replay reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordRef<'a> {
    /// Its place in the order.
    pub lsn: Lsn,
    /// Its epoch.
    pub epoch: Epoch,
    /// The shard whose buffer took it (0 to 63).
    pub shard: usize,
    /// What the appender encoded.
    pub payload: &'a [u8],
}
