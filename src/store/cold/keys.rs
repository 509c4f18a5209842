//! KEYS over RAM and disk: of one moment, although the disk is read for longer.
//!
//! While all shards are held, what RAM says is written down and the version is taken: together they are the keyspace of that
//! moment, whatever happens afterwards.

use std::sync::Arc;

use storage::merge::{Entries, Source};
use storage::{Content, NamespaceId, Version, version};

use super::super::residence::position;
use super::super::scan::{Filter, Names};
use super::super::{Db, Keyspace, UnixMs};
use super::{Known, sentence};

/// Entries read in one piece: a few milliseconds.
const PIECE_KEYS: usize = 4096;

/// One call of KEYS.
pub struct KeysWalk {
    namespace: NamespaceId,
    now: UnixMs,
    filter: Filter,
    names: Names,
    /// Keys of which RAM says something and the disk may, too.
    known: Known,
    /// The version, until the walk has begun.
    version: Option<Arc<Version>>,
    scan: Option<version::Scan>,
}

impl KeysWalk {
    /// Begins: takes down what RAM says. Needs all shards.
    pub fn begin(db: &Db<'_>, filter: Filter) -> Self {
        let (mut names, mut known) = (Names::default(), Known::default());
        db.for_each_entry(|entry| {
            let name = entry.key();
            if !filter.selects(name) {
                return;
            }
            if entry.state().is_on_disk() {
                known.push(db.hasher().hash_of(name), name);
            }
            if !entry.is_tombstone() && !entry.has_expired(db.now()) {
                names.push(name);
            }
        });
        let first = db.locked_set().first().expect("all shards are held");
        let (namespace, version) = (db.namespace(first), db.keyspace().version());
        KeysWalk { namespace, now: db.now(), filter, names, known, version, scan: None }
    }

    /// Does a piece; gives the keys after the last one.
    pub fn go_on(&mut self, _: &Keyspace) -> Result<Option<Names>, String> {
        if let Some(version) = self.version.take() {
            self.known.sort();
            self.scan = Some(version.scan(position(self.namespace, 0)).map_err(sentence)?);
        }
        let Some(scan) = &mut self.scan else { return Ok(Some(std::mem::take(&mut self.names))) };
        for _ in 0..PIECE_KEYS {
            let Some(entry) = scan.entry().filter(|entry| entry.position.namespace == self.namespace) else {
                return Ok(Some(std::mem::take(&mut self.names)));
            };
            if let Content::Value { expiry_ms, .. } = entry.content
                && expiry_ms.is_none_or(|at| at >= self.now.0)
                && self.filter.selects(entry.key)
                && !self.known.has(entry.position.hash, entry.key)
            {
                self.names.push(entry.key);
            }
            scan.advance().map_err(sentence)?;
        }
        Ok(None)
    }
}
