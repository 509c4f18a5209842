//! RANDOMKEY among the keys that are on disk only.
//!
//! A shard's hash space is cut into parts that have about [`PART_KEYS`] of its cold keys each. A part is drawn, and a place
//! in it: if the part has so many keys, it is the key at that place, otherwise all is drawn again. So every key has the same
//! chance, that of its part and of its place, although parts differ in how many keys they have.

use storage::NamespaceId;

use super::super::checkpoint::first_hash;
use super::super::keyspace::Keyspace;
use super::super::lock::Locked;
use super::super::scan::Filter;
use super::super::{Db, DbIndex, SHARD_BITS, ShardId, UnixMs};
use super::{Found, ScanWalk, Stretch};
use crate::util::random::Random;

/// Cold keys that a part has on average, at most.
const PART_KEYS: u64 = 32;
/// Places in a part. Hashes are evenly spread: that a part has more than thrice the average happens once in 10¹⁸ parts.
const PLACES: u64 = 96;
/// Parts drawn before the first key that is found is taken: then nearly all keys have expired.
const DRAWS: u32 = 200;
/// Keys looked at in one piece of the search for that first key.
const FIRST_KEYS: u64 = 1024;
/// Parts drawn in one piece of work.
const PIECE_DRAWS: u32 = 8;

/// One drawing among the cold keys of a shard.
pub struct Draw {
    db: DbIndex,
    namespace: NamespaceId,
    shard: ShardId,
    now: UnixMs,
    random: Random,
    /// The cold keys of the shard.
    keys: u64,
    draws: u32,
    /// How far the search for the first key has come.
    cursor: u64,
}

impl Draw {
    /// Begins to draw among the cold keys of a shard that is held.
    pub fn from(db: &Db<'_>, shard: ShardId, random: &mut Random) -> Self {
        Draw {
            db: db.index(),
            namespace: db.namespace(shard),
            shard,
            now: db.now(),
            random: Random::new(random.next()),
            keys: db.cold_keys(shard),
            draws: 0,
            cursor: 0,
        }
    }

    /// Does a piece; gives the key that was drawn, or `None` when there is no key at all.
    pub fn go_on(&mut self, keyspace: &Keyspace) -> Result<Option<Option<Vec<u8>>>, String> {
        if self.draws >= DRAWS {
            return self.first(keyspace);
        }
        for _ in 0..PIECE_DRAWS {
            if let Some(name) = self.draw(keyspace)? {
                return Ok(Some(Some(name)));
            }
            self.draws += 1;
        }
        Ok(None)
    }

    /// Does it all for an operation that holds all shards.
    pub fn finish(&mut self, db: &mut Db<'_>) -> Result<Option<Vec<u8>>, String> {
        for _ in 0..DRAWS {
            let (from, until, place) = self.part();
            let version = db.keyspace().image()?;
            let found = Stretch::read(&version, self.namespace, from, until, u64::MAX, &Filter::all())?.found;
            if let Some(name) = self.at(db.keyspace(), db.locked(), &found, place) {
                return Ok(Some(name));
            }
        }
        let mut cursor = 0;
        loop {
            let mut walk = ScanWalk::new(self.db, self.now, cursor, FIRST_KEYS, Filter::all());
            let scanned = walk.finish(db)?;
            if let Some(name) = scanned.names.iter().next() {
                return Ok(Some(name.to_vec()));
            }
            cursor = scanned.cursor;
            if cursor == 0 {
                return Ok(None);
            }
        }
    }

    /// A part, drawn by chance, as positions in hash space, and a place in it.
    fn part(&mut self) -> (u64, Option<u64>, usize) {
        let parts = self.keys.div_ceil(PART_KEYS).max(1);
        let part = self.random.below(parts as usize) as u64;
        let place = self.random.below(if parts == 1 { self.keys } else { PLACES } as usize);
        let space = u128::from(u64::MAX >> SHARD_BITS) + 1;
        let begin = |part: u64| {
            let offset = (space * u128::from(part) / u128::from(parts)) as u64;
            first_hash(self.shard).checked_add(offset)
        };
        (begin(part).expect("a part of the shard"), begin(part + 1), place)
    }

    fn draw(&mut self, keyspace: &Keyspace) -> Result<Option<Vec<u8>>, String> {
        let (from, until, place) = self.part();
        let version = keyspace.image()?;
        let found = Stretch::read(&version, self.namespace, from, until, u64::MAX, &Filter::all())?.found;
        let locked = keyspace.locks().lock_one(self.shard);
        Ok(self.at(keyspace, &locked, &found, place).filter(|_| keyspace.is_current(&version)))
    }

    /// The key at a place among those that are on disk only and have not expired.
    fn at(&self, keyspace: &Keyspace, locked: &Locked<'_>, found: &[Found], place: usize) -> Option<Vec<u8>> {
        let is_cold = |found: &&Found| {
            !found.has_expired(self.now) && keyspace.is_cold(locked, self.namespace, &found.key())
        };
        found.iter().filter(is_cold).nth(place).map(|found| found.name.to_vec())
    }

    /// Does a piece of the search for the first key that has not expired, wherever it is.
    fn first(&mut self, keyspace: &Keyspace) -> Result<Option<Option<Vec<u8>>>, String> {
        let mut walk = ScanWalk::new(self.db, self.now, self.cursor, FIRST_KEYS, Filter::all());
        let scanned = loop {
            if let Some(scanned) = walk.go_on(keyspace)? {
                break scanned;
            }
        };
        self.cursor = scanned.cursor;
        let first = scanned.names.iter().next().map(<[u8]>::to_vec);
        Ok((first.is_some() || self.cursor == 0).then_some(first))
    }
}
