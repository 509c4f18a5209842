//! Histories on a real engine over a simulated disk: keys come, change and go, rounds are made, keys leave RAM; and whatever
//! looks through the keyspace must agree with a plain model.

use std::collections::BTreeMap;
use std::path::Path;

use storage::fs::sim::Sim;
use storage::{Engine, Options};

use super::expire::ColdExpiry;
use super::*;
use crate::store::cache::Hands;
use crate::store::entry::NewValue;
use crate::store::hash::{KeyHasher, SECRET_LEN};
use crate::store::scan::{Drawn, Names};
use crate::store::{Expiry, Slot};
use crate::util::random::Random;

const DATABASES: usize = 2;
const NOW: UnixMs = UnixMs(1_000);

/// The keys of a database and when they expire.
type Model = BTreeMap<Vec<u8>, Option<u64>>;

struct World {
    keyspace: Keyspace,
    models: Vec<Model>,
    random: Random,
}

impl World {
    fn new(seed: u64) -> Self {
        let (garbage, _) = crossbeam_channel::unbounded();
        let hasher = KeyHasher::new([seed as u8; SECRET_LEN]);
        let keyspace = Keyspace::new(DATABASES, hasher, Box::new(|_| {}), garbage);
        let recovery =
            Engine::recover(Arc::new(Sim::new(seed)), Path::new("/data"), Options::default()).unwrap();
        keyspace.attach_log(recovery.start(Box::new(|_| {})).unwrap());
        World { keyspace, models: vec![Model::new(); DATABASES], random: Random::new(seed) }
    }

    fn operate<R>(&self, db: u32, set: ShardSet, work: impl FnOnce(&mut Db<'_>) -> R) -> R {
        self.keyspace.operate(DbIndex(db), NOW, set, work).0
    }

    /// An operation on one key, which is brought into RAM first.
    fn on_key<R>(
        &self,
        db: u32,
        name: &[u8],
        work: impl FnOnce(&mut Db<'_>, &Key<'_>, Option<Slot>) -> R,
    ) -> R {
        let key = Key { bytes: name, hash: self.keyspace.hasher().hash_of(name) };
        self.keyspace.load_now(DbIndex(db), &key).unwrap();
        self.operate(db, ShardSet::one(key.shard()), |view| {
            let slot = view.find(&key);
            work(view, &key, slot)
        })
    }

    fn set(&mut self, db: u32, name: &[u8], expire: Option<u64>) {
        let expiry = expire.map_or(Expiry::Clear, |at| Expiry::At(UnixMs(at)));
        self.on_key(db, name, |view, key, slot| view.set(key, slot, NewValue::Int(1), expiry));
        self.models[db as usize].insert(name.to_vec(), expire);
    }

    fn remove(&mut self, db: u32, name: &[u8]) {
        self.on_key(db, name, |view, key, slot| slot.map(|slot| view.remove(key, slot)));
        self.models[db as usize].remove(name);
    }

    fn round(&self) {
        self.keyspace.checkpoint(self.keyspace.log().unwrap()).unwrap();
    }

    /// Everything that is clean leaves RAM.
    fn cool(&self) {
        self.keyspace.keep_nothing(true);
        // What is fresh goes at the second pass.
        for _ in 0..2 {
            self.keyspace.keep_budget(&mut Hands::default());
        }
        self.keyspace.keep_nothing(false);
    }

    fn resident(&self) -> usize {
        ShardSet::ALL.iter().map(|id| self.keyspace.locks().lock_one(id).shard(id).resident()).sum()
    }

    fn live(&self, db: u32, now: UnixMs) -> Vec<Vec<u8>> {
        let live = self.models[db as usize].iter().filter(|(_, expire)| expire.is_none_or(|at| at >= now.0));
        live.map(|(name, _)| name.clone()).collect()
    }

    /// What dispatch does with the work that a command asks for.
    fn work_off<T>(&self, mut work: impl FnMut(&Keyspace) -> Result<Option<T>, String>) -> T {
        loop {
            if let Some(result) = work(&self.keyspace).unwrap() {
                return result;
            }
        }
    }

    fn begin_keys(&self, db: u32) -> KeysWalk {
        self.operate(db, ShardSet::ALL, |view| KeysWalk::begin(view, Filter::all()))
    }

    fn end_keys(&self, mut walk: KeysWalk) -> Vec<Vec<u8>> {
        sorted(&self.work_off(|keyspace| walk.go_on(keyspace)))
    }

    fn scan(&self, db: u32, cursor: u64, count: u64) -> Scanned {
        let mut walk = ScanWalk::new(DbIndex(db), NOW, cursor, count, Filter::all());
        self.work_off(|keyspace| walk.go_on(keyspace))
    }

    fn draw(&mut self, db: u32) -> Option<Vec<u8>> {
        let mut random = self.random.clone();
        let drawn = self.operate(db, ShardSet::ALL, |view| view.draw(&mut random));
        self.random = random;
        match drawn {
            Drawn::Nothing => None,
            Drawn::Key(name) => Some(name),
            Drawn::OnDisk(mut draw) => self.work_off(|keyspace| draw.go_on(keyspace)),
        }
    }

    /// One random step.
    fn step(&mut self, keys: usize) {
        let db = self.random.below(DATABASES) as u32;
        let name = format!("key:{}", self.random.below(keys)).into_bytes();
        match self.random.below(100) {
            0 => {
                self.operate(db, ShardSet::ALL, |view| view.flush(DbIndex(db)));
                self.models[db as usize].clear();
            }
            1 => {
                self.operate(db, ShardSet::ALL, |view| view.swap(DbIndex(0), DbIndex(1)));
                self.models.swap(0, 1);
            }
            2..4 => self.round(),
            4..8 => self.cool(),
            8..30 => self.remove(db, &name),
            30..40 => {
                let expire = NOW.0 + self.random.below(1_000) as u64;
                self.set(db, &name, Some(expire));
            }
            _ => self.set(db, &name, None),
        }
    }
}

fn sorted(names: &Names) -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = names.iter().map(<[u8]>::to_vec).collect();
    all.sort();
    all
}

#[test]
fn a_key_is_known_by_hash_and_name() {
    let mut known = Known::default();
    for (hash, name) in [(7, "b"), (3, "a"), (7, "a"), (9, "")] {
        known.push(hash, name.as_bytes());
    }
    known.sort();
    for (hash, name) in [(7, "b"), (3, "a"), (7, "a"), (9, "")] {
        assert!(known.has(hash, name.as_bytes()), "{hash} {name}");
    }
    for (hash, name) in [(3, "b"), (7, "c"), (8, "a"), (9, "a"), (10, "")] {
        assert!(!known.has(hash, name.as_bytes()), "{hash} {name}");
    }
}

#[test]
fn keys_and_counts_agree_with_a_model_in_random_histories() {
    for seed in 1..9 {
        let mut world = World::new(seed);
        for step in 0..1_500 {
            let context = format!("seed {seed}, step {step}");
            let before = (world.begin_keys(0), world.live(0, NOW));
            world.step(400);
            // KEYS is of the moment at which it began.
            assert_eq!(world.end_keys(before.0), before.1, "{context}");
            for db in 0..DATABASES as u32 {
                let counted = world.operate(db, ShardSet::ALL, |view| view.len());
                assert_eq!(counted, world.models[db as usize].len(), "{context}");
            }
        }
    }
}

#[test]
fn a_walk_returns_what_stays_once_while_keys_leave_ram_and_come_back() {
    for seed in 1..5 {
        let mut world = World::new(seed);
        for n in 0..600 {
            world.set(0, format!("stays:{n}").as_bytes(), None);
        }
        for count in [1, 10, 100, 5_000] {
            let (mut cursor, mut seen) = (0, Vec::new());
            loop {
                for _ in 0..5 {
                    let name = format!("goes:{}", world.random.below(300)).into_bytes();
                    match world.random.below(12) {
                        0 => world.round(),
                        1 => world.cool(),
                        2..7 => world.remove(0, &name),
                        _ => world.set(0, &name, None),
                    }
                    // Reading brings it back.
                    let stays = format!("stays:{}", world.random.below(600)).into_bytes();
                    assert!(world.on_key(0, &stays, |_, _, slot| slot.is_some()));
                }
                let scanned = world.scan(0, cursor, count);
                seen.extend(sorted(&scanned.names).into_iter().filter(|name| name.starts_with(b"stays")));
                assert!(scanned.cursor == 0 || scanned.cursor > cursor);
                cursor = scanned.cursor;
                if cursor == 0 {
                    break;
                }
            }
            seen.sort();
            let twice = seen.windows(2).find(|pair| pair[0] == pair[1]);
            assert_eq!(twice, None, "seed {seed}, COUNT {count}");
            assert_eq!(seen.len(), 600, "seed {seed}, COUNT {count}");
        }
    }
}

#[test]
fn a_walk_looks_at_about_as_many_keys_as_it_is_asked_for() {
    let mut world = World::new(3);
    for n in 0..5_000 {
        world.set(0, format!("key:{n}").as_bytes(), None);
    }
    world.round();
    world.cool();
    for (cursor, count) in [(0, 10), (1 << 50, 10), (0, 300)] {
        let found = world.scan(0, cursor, count).names.len() as u64;
        assert!((count..count + 20).contains(&found), "{found} of {count}");
    }
    let all = world.scan(0, 0, u64::MAX);
    assert_eq!((all.names.len(), all.cursor), (5_000, 0));
    assert_eq!(world.resident(), 0, "nothing was brought into RAM");
}

#[test]
fn every_key_is_drawn_with_the_same_chance_wherever_it_is() {
    let mut world = World::new(4);
    let draws = 60_000;
    // Shards with one part each, and with several.
    for keys in [100, 6_000] {
        for n in 0..keys {
            world.set(0, format!("key:{n}").as_bytes(), None);
        }
        world.round();
        world.cool();
        for n in 0..keys / 4 {
            world.on_key(0, format!("key:{n}").as_bytes(), |_, _, slot| assert!(slot.is_some()));
        }
        world.set(0, b"expired", Some(0));
        let mut drawn = BTreeMap::<Vec<u8>, u32>::new();
        for _ in 0..draws {
            *drawn.entry(world.draw(0).unwrap()).or_default() += 1;
        }
        let mean = f64::from(draws) / f64::from(keys);
        let chi: f64 = drawn.values().map(|&n| (f64::from(n) - mean).powi(2) / mean).sum();
        assert_eq!(drawn.len(), keys as usize, "every key is drawn");
        let (expected, deviation) = (f64::from(keys), f64::from(2 * keys).sqrt());
        assert!((chi - expected).abs() < 5.0 * deviation, "{keys} keys: {chi}");
    }
}

#[test]
fn when_all_cold_keys_but_one_have_expired_that_one_is_drawn() {
    let mut world = World::new(5);
    for n in 0..500 {
        world.set(0, format!("gone:{n}").as_bytes(), Some(NOW.0 - 1));
    }
    world.round();
    world.cool();
    assert_eq!(world.draw(0), None);
    world.set(0, b"left", Some(NOW.0 + 1));
    world.round();
    world.cool();
    assert_eq!((world.draw(0), world.resident()), (Some(b"left".to_vec()), 0));
}

#[test]
fn cold_keys_are_deleted_soon_after_their_time_and_no_others() {
    let mut world = World::new(6);
    let expiry = ColdExpiry::default();
    for n in 0..3_000u64 {
        let expire = (n % 3 > 0).then_some(NOW.0 + n);
        world.set((n % 2) as u32, format!("key:{n}").as_bytes(), expire);
    }
    world.round();
    // Newer runs change the minds of some.
    for n in (0..3_000u64).step_by(10) {
        world.set((n % 2) as u32, format!("key:{n}").as_bytes(), Some(NOW.0 + 10_000 + n));
    }
    world.round();
    world.cool();
    for now in [NOW.0, NOW.0 + 1, NOW.0 + 700, NOW.0 + 2_999, NOW.0 + 3_000, NOW.0 + 99_999].map(UnixMs) {
        let mut pieces = 0;
        while expiry.sweep(&world.keyspace, now, 3).unwrap() {
            pieces += 1;
        }
        assert!(pieces < 200, "no block is read again and again");
        let mut deleted = 0;
        for db in 0..DATABASES as u32 {
            let left = world.live(db, now);
            deleted += world.models[db as usize].len() - left.len();
            assert_eq!(world.operate(db, ShardSet::ALL, |view| view.len()), left.len(), "{now:?}");
            world.models[db as usize].retain(|_, expire| expire.is_none_or(|at| at >= now.0));
            assert_eq!(world.end_keys(world.begin_keys(db)), left, "{now:?}");
        }
        assert_eq!(expiry.take_swept().keys, deleted as u64);
        let expires = world.models.iter().flat_map(BTreeMap::values).flatten().count();
        let counted: usize = world.keyspace.counts(None).iter().map(|counts| counts.expires).sum();
        assert_eq!(counted, expires, "{now:?}");
    }
    world.round();
    assert_eq!(world.resident(), 0, "what had to be deleted did not stay");
}

#[test]
fn asking_about_a_cold_key_keeps_it_in_ram_no_longer_than_reading_it() {
    let mut world = World::new(7);
    for name in [&b"hot"[..], b"read", b"asked"] {
        world.set(0, name, None);
    }
    world.round();
    world.cool();
    let keyspace = &world.keyspace;
    for name in [&b"hot"[..], b"read", b"asked"] {
        let key = Key { bytes: name, hash: keyspace.hasher().hash_of(name) };
        keyspace.load_now(DbIndex(0), &key).unwrap();
        world.operate(0, ShardSet::one(key.shard()), |view| {
            let slot = if name == b"asked" { view.peek(&key) } else { view.read(&key) };
            assert!(slot.is_some());
            if name == b"hot" {
                view.read(&key);
            }
        });
    }
    // One pass of the hand that would like to free everything.
    keyspace.set_budget(10);
    keyspace.keep_budget(&mut Hands::default());
    let is_resident = |name: &[u8]| {
        let key = Key { bytes: name, hash: keyspace.hasher().hash_of(name) };
        let locked = keyspace.locks().lock_one(key.shard());
        locked.shard(key.shard()).table(DbIndex(0)).find(key.hash, name).is_some()
    };
    assert_eq!([&b"hot"[..], b"read", b"asked"].map(is_resident), [true, false, false]);
}

#[test]
fn all_shards_lose_the_same_share_to_the_budget() {
    let mut world = World::new(21);
    for number in 0..20_000 {
        world.set(0, format!("key:{number}").as_bytes(), None);
    }
    world.round();
    let keyspace = &world.keyspace;
    keyspace.set_budget(keyspace.load(None).bytes / 2);
    keyspace.keep_budget(&mut Hands::default());
    let left: Vec<usize> =
        ShardSet::ALL.iter().map(|id| keyspace.locks().lock_one(id).shard(id).resident()).collect();
    let mean = left.iter().sum::<usize>() / left.len();
    assert!((50..200).contains(&mean), "about half of 312 leave: {mean}");
    assert!(left.iter().all(|&keys| keys > mean / 2 && keys < mean * 2), "{left:?}");
}
