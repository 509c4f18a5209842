//! Keyspace events: what happened to which key, for clients that subscribed to it (`notify-keyspace-events`).
//!
//! * An operation notes its events while it holds its locks ([`Db::notify`](super::Db::notify)); who executes it publishes
//!   them when the locks are released ([`Workspace::events`](super::db::Workspace)). Nothing is noted of classes that nobody
//!   asked for.
//! * The command's own event comes before what follows from it: `lpop`, then `del` when the list is gone.

use super::DbIndex;
use crate::config::values::NotifyFlags;

/// Something that happened to a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its class, one of those of `notify-keyspace-events`.
    pub class: NotifyFlags,
    /// Its name, such as `lpush`.
    pub name: &'static str,
    /// The key's database.
    pub db: DbIndex,
    /// The key.
    pub key: Box<[u8]>,
}
