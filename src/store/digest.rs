//! The digest of the whole dataset, for DEBUG DIGEST: that of an image on disk, so no shard is locked and any size will do.

use std::sync::Arc;

use storage::merge::{Entries, Source};
use storage::{Content, Position, Version};

use crate::rdb::digest::Digest;
use crate::rdb::{Object, image};

/// Keys that are digested before others have their turn.
const STEP_KEYS: usize = 256;

/// A walk over a version; see [`DigestWalk::go_on`].
pub struct DigestWalk {
    version: Arc<Version>,
    hash_seed: u64,
    digest: Digest,
    /// The database that is being walked over, and where in it; its number is that of the version's order.
    database: usize,
    from: u64,
    /// Has the database been noted?
    is_begun: bool,
}

impl DigestWalk {
    /// A walk over a version. `hash_seed` is the dataset's for members.
    pub fn new(version: Arc<Version>, hash_seed: u64) -> Self {
        DigestWalk { version, hash_seed, digest: Digest::default(), database: 0, from: 0, is_begun: false }
    }

    /// Walks on for a while; the digest when all is done.
    pub fn go_on(&mut self) -> Result<Option<Digest>, String> {
        let Some((&db, &namespace)) = self.version.databases().iter().nth(self.database) else {
            return Ok(Some(self.digest));
        };
        let mut scan =
            self.version.scan(Position { namespace, hash: self.from }).map_err(|error| error.to_string())?;
        let (mut left, mut last) = (STEP_KEYS, None);
        while let Some(entry) = scan.entry().filter(|entry| entry.position.namespace == namespace) {
            // Keys of one hash stay together: the walk goes on behind one.
            let hash = entry.position.hash;
            if left == 0 && last != Some(hash) {
                self.from = hash;
                return Ok(None);
            }
            last = Some(hash);
            left = left.saturating_sub(1);
            if let Content::Value { bytes, expiry_ms, .. } = entry.content {
                if !self.is_begun {
                    self.digest.database(db);
                    self.is_begun = true;
                }
                let image = image::take(bytes, self.hash_seed)
                    .map_err(|what| format!("A value on disk can't be understood: {what}"))?;
                let object = Object::from(image.value);
                self.digest.entry(entry.key, object.as_ref(), expiry_ms.is_some());
            }
            scan.advance().map_err(|error| error.to_string())?;
        }
        (self.database, self.from, self.is_begun) = (self.database + 1, 0, false);
        Ok(None)
    }
}
