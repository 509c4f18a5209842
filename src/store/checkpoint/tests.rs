//! Random histories: commands, rounds that commit or fail, keys that leave RAM and come back, in any interleaving of their
//! steps, against a plain model. The disk is a map that a committed round is applied to.

mod big;
mod collections;

use std::collections::BTreeMap;
use std::convert::Infallible;

use storage::Content;

use super::*;
use crate::store::db::Workspace;
use crate::store::entry::{NewValue, State, Value};
use crate::store::evict::AccessClock;
use crate::store::hash::{KeyHasher, SECRET_LEN};
use crate::store::object::Object;
use crate::store::residence::Wanted;
use crate::store::table::{Cooled, Mercy, Presence};
use crate::store::{Db, DbIndex, Expiry, Key, UnixMs};
use crate::util::random::Random;

const DATABASES: usize = 3;
/// Keys of a database. From `COLLECTIONS` on, if the history has any, they hold collections.
const KEYS: usize = 60;
const COLLECTIONS: usize = 45;
const NOW: UnixMs = UnixMs(1_000);

type Place = (NamespaceId, u64, Vec<u8>);
type Disk = BTreeMap<Place, (Vec<u8>, Option<u64>)>;

/// A key's value as a test sees it, and its expiry.
type Plain = (String, Option<u64>);

/// What a round has done so far.
struct Running {
    cut: Cut,
    steps: Steps,
    captured: BTreeMap<Place, Content<Vec<u8>>>,
    /// What the databases were at the cut.
    image: Vec<BTreeMap<Vec<u8>, Plain>>,
}

enum Stage {
    Idle,
    Capturing(Running),
    Settling(Steps, bool),
}

struct World {
    keyspace: Keyspace,
    model: Vec<BTreeMap<Vec<u8>, Plain>>,
    disk: Disk,
    stage: Stage,
    random: Random,
    has_collections: bool,
    rounds: [u32; 2],
    cooled: u64,
    loaded: u64,
}

impl World {
    fn new(seed: u64) -> Self {
        let (garbage, _) = crossbeam_channel::unbounded();
        let hasher = KeyHasher::new([seed as u8; SECRET_LEN]);
        World {
            keyspace: Keyspace::new(DATABASES, hasher, Box::new(|_| {}), garbage),
            model: vec![BTreeMap::new(); DATABASES],
            disk: Disk::new(),
            stage: Stage::Idle,
            random: Random::new(seed),
            has_collections: false,
            rounds: [0; 2],
            cooled: 0,
            loaded: 0,
        }
    }

    fn below(&mut self, n: usize) -> usize {
        self.random.below(n)
    }

    /// A key, and of which kind of collection its values are, if of any.
    fn key(&mut self) -> (Vec<u8>, Option<usize>) {
        let number = self.below(KEYS);
        let kind = number.checked_sub(COLLECTIONS).filter(|_| self.has_collections);
        (format!("key:{number}").into_bytes(), kind)
    }

    fn key_of<'k>(&self, bytes: &'k [u8]) -> Key<'k> {
        Key { bytes, hash: self.keyspace.hasher().hash_of(bytes) }
    }

    /// What dispatch does before a command runs.
    fn fetch(&mut self, db: DbIndex, bytes: &[u8]) {
        let key = self.key_of(bytes);
        let locked = self.keyspace.locks().lock_one(key.shard());
        let space = locked.shard(key.shard()).space(db);
        let namespace = space.namespace;
        let unknown = matches!(space.table.look_up(key.hash, bytes), Presence::Unknown);
        let cold = space.cold.keys;
        drop(locked);
        if !unknown || cold == 0 {
            return;
        }
        self.loaded += 1;
        let found = self.disk.get(&(namespace, key.hash, bytes.to_vec()));
        let content = found.map_or(Content::Tombstone, |(bytes, expiry_ms)| Content::Value {
            bytes: bytes.clone(),
            expiry_ms: *expiry_ms,
            due_ms: None,
        });
        let wanted = Wanted { namespace, hash: key.hash, key: Box::from(bytes) };
        self.keyspace.install(&wanted, &content).unwrap();
    }

    fn operate<R>(&mut self, db: DbIndex, set: ShardSet, work: impl FnOnce(&mut Db<'_>) -> R) -> R {
        let (clock, mut workspace) = (AccessClock::lru(NOW), Workspace::default());
        let locked = self.keyspace.locks().lock_set(set);
        let mut view = Db::new(&self.keyspace, locked, db, NOW, &clock, &mut workspace);
        let result = work(&mut view);
        view.commit(std::iter::empty(), db);
        result
    }

    fn command(&mut self) {
        let db = DbIndex(self.below(DATABASES) as u32);
        let index = db.0 as usize;
        match self.below(60) {
            0 => {
                self.operate(db, ShardSet::ALL, |view| view.flush(db));
                self.model[index].clear();
            }
            1 => {
                let other = DbIndex(self.below(DATABASES) as u32);
                self.operate(db, ShardSet::ALL, |view| view.swap(db, other));
                self.model.swap(index, other.0 as usize);
            }
            _ => self.change(db),
        }
    }

    fn change(&mut self, db: DbIndex) {
        let (bytes, collection) = self.key();
        self.fetch(db, &bytes);
        let mut choice = Random::new(self.random.next());
        let (kind, number, expires) = (self.below(6), self.below(1_000_000), self.below(3) == 0);
        let long = vec![b'x'; 3_000 + number % 7];
        let shard = ShardSet::one(self.key_of(&bytes).shard());
        let expire = expires.then_some(5_000 + number as u64);
        let model = self.operate(db, shard, |view| {
            let key = view.key(&bytes);
            let slot = view.find(&key);
            let before = slot.map(|slot| plain(view, slot));
            let expiry = expire.map_or(Expiry::Clear, |at| Expiry::At(UnixMs(at)));
            match (kind, slot) {
                (kind, slot) if collection.is_some() && (![0, 2].contains(&kind) || slot.is_none()) => {
                    collections::change(view, &key, slot, collection.unwrap_or(0), &mut choice);
                    let slot = view.find(&key);
                    (before, slot.map(|slot| plain(view, slot)))
                }
                (0 | 1, Some(slot)) => {
                    view.remove(&key, slot);
                    (before, None)
                }
                (2, Some(slot)) => {
                    let slot = view.set_expire(&key, slot, expire.map(UnixMs));
                    (before, Some(plain(view, slot)))
                }
                (3, slot) => {
                    view.edit_string(&key, slot, |bytes| (bytes.extend_from_slice(b"+"), 1)).unwrap();
                    let slot = view.find(&key).unwrap();
                    (before, Some(plain(view, slot)))
                }
                (4, slot) => {
                    let slot = view.set(&key, slot, NewValue::Bytes(&long, false), expiry);
                    (before, Some(plain(view, slot)))
                }
                (_, slot) => {
                    let slot = view.set_int(&key, slot, number as i64);
                    (before, Some(plain(view, slot)))
                }
            }
        });
        let (before, after) = model;
        assert_eq!(before.as_ref(), self.model[db.0 as usize].get(&bytes), "{}", bytes.escape_ascii());
        match after {
            Some(after) => _ = self.model[db.0 as usize].insert(bytes, after),
            None => _ = self.model[db.0 as usize].remove(&bytes),
        }
    }

    /// The clock hand passes a third of the shards.
    fn cool(&mut self) {
        let (third, mut cooled) = (self.below(3), Cooled::default());
        let mercy = Mercy { used: self.below(2) == 0, fresh: self.below(2) == 0 };
        for id in ShardSet::ALL.iter().filter(|id| usize::from(id.0) % 3 == third) {
            let mut locked = self.keyspace.locks().lock_one(id);
            for db in 0..DATABASES as u32 {
                let mut next = Some(first_hash(id));
                while let Some(from) = next {
                    next = locked.shard_mut(id).cool(
                        self.keyspace.hasher(),
                        DbIndex(db),
                        from,
                        mercy,
                        &mut cooled,
                    );
                }
            }
        }
        self.cooled += cooled.keys as u64;
    }

    /// One step of the checkpoint thread.
    fn advance(&mut self) {
        self.stage = match std::mem::replace(&mut self.stage, Stage::Idle) {
            Stage::Idle => {
                // In the real server a command may run between the two, in the new epoch or, holding its locks, in the old one.
                self.keyspace.flip();
                let image = self.model.clone();
                for _ in 0..self.below(4) {
                    self.command();
                }
                let cut = self.keyspace.visit();
                let steps = Steps::over(cut.databases.iter().map(|&(_, namespace)| namespace));
                Stage::Capturing(Running { cut, steps, captured: BTreeMap::new(), image })
            }
            Stage::Capturing(running) => self.capture(running),
            Stage::Settling(mut steps, was_committed) => match steps.next() {
                Some((id, namespace, from)) => {
                    let mut locked = self.keyspace.locks().lock_one(id);
                    let shard = locked.shard_mut(id);
                    steps.go_on(shard.settle(self.keyspace.hasher(), namespace, from, 2, was_committed));
                    Stage::Settling(steps, was_committed)
                }
                None => {
                    self.keyspace.end_round();
                    Stage::Idle
                }
            },
        };
    }

    fn capture(&mut self, mut running: Running) -> Stage {
        let Some((id, namespace, from)) = running.steps.next() else { return self.commit(running) };
        let mut slice = Slice::default();
        running.steps.go_on(self.keyspace.capture_step(id, namespace, from, &mut slice));
        slice
            .drain(|hash, key, content, long| {
                let place = (namespace, hash, key.to_vec());
                let last = running.captured.last_key_value();
                assert!(
                    last.is_none_or(|(last, _)| *last < place),
                    "keys come in the order of runs, each once"
                );
                let mut content = content.copied();
                if let (Content::Value { bytes, .. }, Some(value)) = (&mut content, long) {
                    value.put(bytes)?;
                }
                running.captured.insert(place, content);
                Ok::<(), Infallible>(())
            })
            .unwrap();
        if self.below(600) == 0 {
            self.rounds[0] += 1;
            return Stage::Settling(Steps::over(namespaces(&running.cut)), false);
        }
        Stage::Capturing(running)
    }

    /// C1: the image is the dataset at the cut, exactly, and so are its counts.
    fn commit(&mut self, running: Running) -> Stage {
        for (place, content) in running.captured {
            match content {
                Content::Value { bytes, expiry_ms, .. } => _ = self.disk.insert(place, (bytes, expiry_ms)),
                Content::Tombstone => _ = self.disk.remove(&place),
            }
        }
        let live: Vec<NamespaceId> = namespaces(&running.cut).collect();
        self.disk.retain(|(namespace, ..), _| live.contains(namespace));
        for (&(db, namespace), image) in running.cut.databases.iter().zip(&running.image) {
            let of_it = self.disk.iter().filter(|((of, ..), _)| *of == namespace);
            let found: BTreeMap<Vec<u8>, Plain> =
                of_it.map(|((_, _, key), (bytes, expiry))| (key.clone(), (decode(bytes), *expiry))).collect();
            assert_eq!(&found, image, "database {db} in the image");
            let of_it = running.cut.counts.iter().filter(|((of, _), _)| *of == namespace);
            let (keys, expires) =
                of_it.fold((0, 0), |sum, (_, counts)| (sum.0 + counts.keys, sum.1 + counts.expires));
            let expiring = image.values().filter(|(_, expiry)| expiry.is_some()).count();
            assert_eq!((keys, expires), (image.len() as u64, expiring as u64), "counts of database {db}");
        }
        self.rounds[1] += 1;
        Stage::Settling(Steps::over(namespaces(&running.cut)), true)
    }

    fn check_counts(&mut self) {
        for db in 0..DATABASES {
            let expected =
                (self.model[db].len(), self.model[db].values().filter(|(_, at)| at.is_some()).count());
            let counts = self.keyspace.counts(None)[db];
            assert_eq!((counts.keys, counts.expires), expected, "DBSIZE of database {db}");
        }
    }

    fn run(mut self, steps: usize) -> Self {
        for step in 0..steps {
            match self.below(10) {
                0..4 => self.command(),
                4 => self.cool(),
                _ => self.advance(),
            }
            if step % 64 == 0 {
                self.check_counts();
            }
        }
        for db in 0..DATABASES {
            for n in 0..KEYS {
                let bytes = format!("key:{n}").into_bytes();
                self.fetch(DbIndex(db as u32), &bytes);
                let shard = ShardSet::one(self.key_of(&bytes).shard());
                let found = self.operate(DbIndex(db as u32), shard, |view| {
                    let key = view.key(&bytes);
                    view.find(&key).map(|slot| plain(view, slot))
                });
                assert_eq!(
                    found.as_ref(),
                    self.model[db].get(&bytes),
                    "at the end: {}",
                    bytes.escape_ascii()
                );
            }
        }
        self
    }
}

fn namespaces(cut: &Cut) -> impl Iterator<Item = NamespaceId> {
    cut.databases.iter().map(|&(_, namespace)| namespace)
}

fn plain(view: &Db<'_>, slot: crate::store::Slot) -> Plain {
    let value = format!("{} {}", view.value(slot).encoding(), show(view.value(slot)));
    (value, view.expire_at(slot).map(|at| at.0))
}

fn show(value: Value<'_>) -> String {
    match value {
        Value::Int(number) => number.to_string(),
        Value::Bytes { bytes, .. } => bytes.escape_ascii().to_string(),
        Value::Object(Object::String(bytes)) => bytes.escape_ascii().to_string(),
        Value::Object(object) => collections::show(object),
    }
}

/// A value as the disk has it, as [`plain`] shows it.
fn decode(bytes: &[u8]) -> String {
    let content = Content::Value { bytes: bytes.to_vec(), expiry_ms: None, due_ms: None };
    let mut scratch = Vec::new();
    let (value, ..) = crate::store::image::decode(&content, 7, &mut scratch).unwrap().unwrap();
    let hasher = KeyHasher::new([0; SECRET_LEN]);
    let mut table = crate::store::table::Table::new(0);
    let handle = table.insert(&hasher, 1, b"k", value, (None, 0, State::NEW));
    let value = table.entry(handle).value();
    format!("{} {}", value.encoding(), show(value))
}

/// Runs histories of so many steps, and checks that they had something of everything.
fn histories(seeds: std::ops::RangeInclusive<u64>, steps: usize, has_collections: bool) -> [u64; 4] {
    let mut sums = [0; 4];
    for seed in seeds {
        println!("seed {seed}");
        let mut world = World::new(seed);
        world.has_collections = has_collections;
        let world = world.run(steps);
        let done = [world.rounds[0].into(), world.rounds[1].into(), world.cooled, world.loaded];
        sums.iter_mut().zip(done).for_each(|(sum, done)| *sum += done);
    }
    println!(
        "{sums:?}: rounds that failed and were committed, keys that left RAM, lookups that went to the disk"
    );
    sums
}

#[test]
fn an_image_is_the_dataset_at_its_cut_and_nobody_can_tell_where_a_key_is() {
    let [failed, committed, cooled, loaded] = histories(1..=40, 10_000, false);
    assert!(failed > 20 && committed > 100 && cooled > 1_000 && loaded > 1_000);
}

#[test]
fn collections_are_as_they_were_at_the_cut_while_commands_change_their_chunks() {
    let [failed, committed, cooled, loaded] = histories(1..=8, 8_000, true);
    assert!(failed > 5 && committed > 20 && cooled > 100 && loaded > 100);
}
