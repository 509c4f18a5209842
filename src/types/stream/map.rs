//! Ordered maps of any size that clone in no time: pending entries by id, consumers and groups by name.
//!
//! Keys and values lie in chunks below a [`Spine`]. What grows at its end, as pending entries do, leaves full chunks behind.
//! An empty map has no memory.

use std::borrow::Borrow;
use std::sync::Arc;

use crate::types::spine::{self, Place, Spine};
use crate::types::tight;

/// The most keys of a chunk.
const CHUNK_MAX: usize = 128;

/// A map; see the module's documentation. It is `None` if it is empty, as chunks are not, and a box because many are.
#[derive(Clone, Debug)]
pub(super) struct Map<K, V>(Option<Box<Filled<K, V>>>);

#[derive(Clone, Debug)]
struct Filled<K, V> {
    spine: Spine<Arc<Chunk<K, V>>, K>,
    /// What the chunks and their keys take.
    bytes: usize,
}

#[derive(Debug)]
struct Chunk<K, V> {
    keys: Vec<K>,
    values: Vec<V>,
}

impl<K: Clone, V: Clone> Clone for Chunk<K, V> {
    fn clone(&self) -> Self {
        Self { keys: tight::clone(&self.keys), values: tight::clone(&self.values) }
    }
}

impl<K, V> Default for Map<K, V> {
    fn default() -> Self {
        Self(None)
    }
}

impl<K: Ord + spine::Bound, V: Clone> Map<K, V> {
    /// The number of keys.
    pub(super) fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |filled| filled.spine.len())
    }

    /// Bytes of heap memory, without what values have there.
    pub(super) fn memory_bytes(&self) -> usize {
        let bytes = |filled: &Filled<K, V>| size_of_val(filled) + filled.bytes + filled.spine.memory_bytes();
        self.0.as_deref().map_or(0, bytes)
    }

    /// The value of a key.
    pub(super) fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let spine = &self.0.as_ref()?.spine;
        let chunk = spine.handle(&place(spine, key));
        chunk.find(key).ok().map(|at| &chunk.values[at])
    }

    /// The value of a key, to be changed.
    pub(super) fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        let spine = &mut self.0.as_mut()?.spine;
        let place = place(spine, key);
        let at = spine.handle(&place).find(key).ok()?;
        Some(&mut Arc::make_mut(spine.edit(&place, 0)).values[at])
    }

    /// Sets the value of a key and gives the value before.
    pub(super) fn insert(&mut self, key: K, value: V) -> Option<V> {
        let Some(filled) = &mut self.0 else {
            let chunk = Chunk { keys: vec![key.clone()], values: vec![value] };
            let bytes = chunk.memory_bytes() + key.heap_bytes();
            self.0 = Some(Box::new(Filled { spine: Spine::new(Arc::new(chunk), key, 1), bytes }));
            return None;
        };
        let Filled { spine, bytes } = &mut **filled;
        let mut place = place(spine, &key);
        let chunk = spine.handle(&place);
        let at = match chunk.find(&key) {
            Ok(at) => {
                let chunk = Arc::make_mut(spine.edit(&place, 0));
                return Some(std::mem::replace(&mut chunk.values[at], value));
            }
            Err(at) => at,
        };
        *bytes += key.heap_bytes();
        if chunk.keys.len() < CHUNK_MAX {
            *bytes += Arc::make_mut(spine.edit(&place, 1)).insert(at, key, value);
            return None;
        }
        if at == CHUNK_MAX && spine.next(&place).is_none() {
            let full = Arc::make_mut(spine.edit(&place, 0));
            *bytes -= full.memory_bytes();
            full.keys.shrink_to_fit();
            full.values.shrink_to_fit();
            *bytes += full.memory_bytes();
            let chunk = Chunk { keys: vec![key.clone()], values: vec![value] };
            *bytes += chunk.memory_bytes();
            spine.insert_after(&place, key, Arc::new(chunk), 1);
            return None;
        }
        split(spine, &place, bytes);
        place = self::place(spine, &key);
        let at = spine.handle(&place).find(&key).unwrap_or_else(|at| at);
        *bytes += Arc::make_mut(spine.edit(&place, 1)).insert(at, key, value);
        None
    }

    /// Removes a key and gives its value.
    pub(super) fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let Filled { spine, bytes } = &mut **self.0.as_mut()?;
        let place = place(spine, key);
        let at = spine.handle(&place).find(key).ok()?;
        if spine.len() == 1 {
            let chunk = Arc::unwrap_or_clone(Arc::clone(spine.handle(&place)));
            *self = Self::default();
            return chunk.values.into_iter().next();
        }
        let chunk = Arc::make_mut(spine.edit(&place, -1));
        let before = chunk.memory_bytes();
        let (key, value) = (chunk.keys.remove(at), chunk.values.remove(at));
        tight::release(&mut chunk.keys);
        tight::release(&mut chunk.values);
        *bytes = *bytes + chunk.memory_bytes() - before - key.heap_bytes();
        match chunk.keys.len() {
            0 => *bytes -= spine.remove(&place).memory_bytes(),
            len if len < CHUNK_MAX / 4 => join(spine, &place, bytes),
            _ => {}
        }
        Some(value)
    }

    /// The first key.
    pub(super) fn first(&self) -> Option<&K> {
        let spine = &self.0.as_ref()?.spine;
        spine.handle(&spine.first()).keys.first()
    }

    /// The last key.
    pub(super) fn last(&self) -> Option<&K> {
        let spine = &self.0.as_ref()?.spine;
        spine.handle(&spine.last()).keys.last()
    }

    /// All keys, ascending, with their values.
    pub(super) fn iter(&self) -> Iter<'_, K, V> {
        self.iter_at(Spine::first, |_| 0)
    }

    /// The keys from the first that is not less than `key`.
    pub(super) fn iter_from<Q: Ord + ?Sized>(&self, key: &Q) -> Iter<'_, K, V>
    where
        K: Borrow<Q>,
    {
        self.iter_at(|spine| place(spine, key), |chunk| chunk.find(key).unwrap_or_else(|at| at))
    }

    fn iter_at(
        &self,
        place: impl FnOnce(&Spine<Arc<Chunk<K, V>>, K>) -> Place,
        at: impl FnOnce(&Chunk<K, V>) -> usize,
    ) -> Iter<'_, K, V> {
        Iter(self.0.as_ref().map(|filled| {
            let spine = &filled.spine;
            let place = place(spine);
            let chunk = &**spine.handle(&place);
            Cursor { spine, place, chunk, at: at(chunk) }
        }))
    }
}

impl<K: Ord, V> Chunk<K, V> {
    /// Where a key is, or where it belongs.
    fn find<Q: Ord + ?Sized>(&self, key: &Q) -> Result<usize, usize>
    where
        K: Borrow<Q>,
    {
        self.keys.binary_search_by(|probe| probe.borrow().cmp(key))
    }

    /// Inserts, and gives the bytes that this allocated.
    fn insert(&mut self, at: usize, key: K, value: V) -> usize {
        let before = self.memory_bytes();
        tight::insert(&mut self.keys, at, key, CHUNK_MAX);
        tight::insert(&mut self.values, at, value, CHUNK_MAX);
        self.memory_bytes() - before
    }

    fn memory_bytes(&self) -> usize {
        2 * size_of::<usize>()
            + size_of::<Self>()
            + self.keys.capacity() * size_of::<K>()
            + self.values.capacity() * size_of::<V>()
    }
}

/// The chunk in which a key is, or belongs.
fn place<K, V, Q>(spine: &Spine<Arc<Chunk<K, V>>, K>, key: &Q) -> Place
where
    K: Borrow<Q> + Ord + spine::Bound,
    V: Clone,
    Q: Ord + ?Sized,
{
    #[cfg(test)]
    steps::count();
    spine.find_by(|bound| bound.borrow() <= key)
}

/// Splits a full chunk in the middle, and keeps account.
fn split<K: Ord + spine::Bound, V: Clone>(
    spine: &mut Spine<Arc<Chunk<K, V>>, K>,
    place: &Place,
    bytes: &mut usize,
) {
    let middle = CHUNK_MAX / 2;
    let left = Arc::make_mut(spine.edit(place, middle as isize - CHUNK_MAX as isize));
    let before = left.memory_bytes();
    let right = Chunk { keys: left.keys.split_off(middle), values: left.values.split_off(middle) };
    tight::release(&mut left.keys);
    tight::release(&mut left.values);
    // A full chunk may have had more room than both have.
    *bytes = *bytes - before + left.memory_bytes() + right.memory_bytes();
    let (bound, count) = (right.keys[0].clone(), right.keys.len());
    spine.insert_after(place, bound, Arc::new(right), count);
}

/// Joins a sparse chunk with a neighbour if both fit well into one, and keeps account.
fn join<K: Ord + spine::Bound, V: Clone>(
    spine: &mut Spine<Arc<Chunk<K, V>>, K>,
    place: &Place,
    bytes: &mut usize,
) {
    let (left, right) = match (spine.previous(place), spine.next(place)) {
        (Some(left), _) => (left, *place),
        (None, Some(right)) => (*place, right),
        (None, None) => return,
    };
    let count = spine.handle(&right).keys.len();
    if spine.handle(&left).keys.len() + count > CHUNK_MAX * 3 / 4 {
        return;
    }
    let other = Arc::clone(spine.handle(&right));
    let chunk = Arc::make_mut(spine.edit(&left, count as isize));
    let before = chunk.memory_bytes() + other.memory_bytes();
    tight::reserve(&mut chunk.keys, count);
    tight::reserve(&mut chunk.values, count);
    chunk.keys.extend_from_slice(&other.keys);
    chunk.values.extend_from_slice(&other.values);
    // Room is left for more: it may be more than what both had.
    *bytes = *bytes - before + chunk.memory_bytes();
    spine.remove(&right);
}

/// Keys and values, ascending.
#[derive(Debug)]
pub(super) struct Iter<'a, K, V>(Option<Cursor<'a, K, V>>);

#[derive(Debug)]
struct Cursor<'a, K, V> {
    spine: &'a Spine<Arc<Chunk<K, V>>, K>,
    place: Place,
    chunk: &'a Chunk<K, V>,
    at: usize,
}

impl<'a, K: Ord + spine::Bound, V: Clone> Iterator for Iter<'a, K, V> {
    type Item = (&'a K, &'a V);

    fn next(&mut self) -> Option<Self::Item> {
        #[cfg(test)]
        steps::count();
        let cursor = self.0.as_mut()?;
        while cursor.at == cursor.chunk.keys.len() {
            cursor.place = cursor.spine.next(&cursor.place)?;
            (cursor.chunk, cursor.at) = (cursor.spine.handle(&cursor.place), 0);
        }
        cursor.at += 1;
        Some((&cursor.chunk.keys[cursor.at - 1], &cursor.chunk.values[cursor.at - 1]))
    }
}

/// How much work maps are: look-ups and steps of iterators, counted for each thread.
#[cfg(test)]
pub(super) mod steps {
    use std::cell::Cell;

    thread_local!(static STEPS: Cell<usize> = const { Cell::new(0) });

    pub(super) fn count() {
        STEPS.set(STEPS.get() + 1);
    }

    /// What `work` is.
    pub(in super::super) fn of<R>(work: impl FnOnce() -> R) -> (R, usize) {
        let before = STEPS.get();
        let result = work();
        (result, STEPS.get() - before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::stream::StreamId;
    use crate::util::random::Random;
    use std::collections::BTreeMap;

    type Tested = Map<StreamId, u64>;

    fn id(number: usize) -> StreamId {
        StreamId { ms: number as u64 / 7, seq: number as u64 % 7 }
    }

    /// What all chunks take, counted anew.
    fn recount(map: &Tested) -> usize {
        let Some(Filled { spine, .. }) = map.0.as_deref() else { return 0 };
        let places = std::iter::successors(Some(spine.first()), |place| spine.next(place));
        places.map(|place| spine.handle(&place).memory_bytes()).sum()
    }

    fn check(map: &Tested, model: &BTreeMap<StreamId, u64>) {
        assert!(map.iter().eq(model));
        assert_eq!(map.len(), model.len());
        assert_eq!((map.first(), map.last()), (model.keys().next(), model.keys().next_back()));
        assert_eq!(map.0.as_ref().map_or(0, |filled| filled.bytes), recount(map));
        assert_eq!(map.memory_bytes() == 0, model.is_empty());
    }

    #[test]
    fn random_changes_do_to_it_what_they_do_to_a_btreemap() {
        for seed in 0..6 {
            println!("seed {seed}");
            let mut random = Random::new(seed);
            let (mut map, mut model, mut frozen) = (Tested::default(), BTreeMap::new(), Vec::new());
            for round in 0..20_000 {
                let key = id(random.below(4_000));
                // It grows for a while, then shrinks, down to nothing.
                if random.below(10) < if round / 5_000 % 2 == 0 { 8 } else { 1 } {
                    assert_eq!(map.insert(key, round), model.insert(key, round));
                } else {
                    let key = model.range(key..).next().map_or(key, |(key, _)| *key);
                    assert_eq!(map.get(&key), model.get(&key));
                    assert_eq!(map.remove(&key), model.remove(&key));
                }
                if let Some(value) = map.get_mut(&key) {
                    *value += 1;
                    *model.get_mut(&key).unwrap() += 1;
                }
                if round % 4_000 == 1_999 {
                    frozen.push((map.clone(), model.clone()));
                }
                if random.below(200) == 0 {
                    assert!(map.iter_from(&key).eq(model.range(key..)));
                    check(&map, &model);
                }
            }
            for key in model.keys().copied().collect::<Vec<_>>() {
                assert_eq!(map.remove(&key), model.remove(&key));
            }
            check(&map, &model);
            assert!(!frozen.is_empty());
            frozen.iter().for_each(|(map, model)| check(map, model));
        }
    }

    #[test]
    fn joined_chunks_may_take_more_than_they_took() {
        let mut map = Map::<StreamId, u64>::default();
        let mut model = BTreeMap::new();
        for number in 0..2_000 {
            map.insert(id(number), 0);
            model.insert(id(number), 0);
        }
        for number in (0..2_000).step_by(2).chain((1..2_000).step_by(4)) {
            assert_eq!(map.remove(&id(number)), model.remove(&id(number)));
            check(&map, &model);
        }
    }

    #[test]
    fn growing_at_the_end_leaves_full_chunks() {
        let mut map = Map::<StreamId, ()>::default();
        (0..100_000).for_each(|number| assert_eq!(map.insert(id(number), ()), None));
        let per_key = map.memory_bytes() as f64 / 100_000.0;
        println!("{per_key:.2} bytes a key");
        assert!(per_key < 18.5);
        // The oldest first, as acknowledged entries go.
        for number in 0..99_000 {
            assert_eq!(map.remove(&id(number)), Some(()));
        }
        assert!(map.memory_bytes() < 1_000 * 25, "{}", map.memory_bytes());
    }
}
