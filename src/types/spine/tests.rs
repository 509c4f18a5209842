//! The spine against a plain vector of (handle, bound, count).

use super::*;
use crate::util::random::Random;

type Model = Vec<(u32, u64, usize)>;

fn places(spine: &Spine<u32, u64>) -> Vec<Place> {
    std::iter::successors(Some(Place::FIRST), |place| spine.next(place)).collect()
}

/// Bytes and heights counted anew.
fn walk(node: &Node<u32, u64>, is_root: bool) -> (usize, usize) {
    assert!(is_root || !node.children.is_empty());
    assert!(node.children.len() <= FANOUT);
    assert_eq!((node.counts.len(), node.bounds.len()), (node.children.len(), node.children.len()));
    let mut bytes = node.memory_bytes();
    let mut heights = Vec::new();
    for (child, &count) in node.children.iter().zip(&node.counts) {
        if let Child::Node(child) = child {
            assert_eq!(child.count(), count);
            let (child_bytes, height) = walk(child, false);
            bytes += child_bytes;
            heights.push(height);
        }
    }
    heights.dedup();
    assert!(
        heights.is_empty() || heights.len() == 1 && node.children.iter().all(|c| matches!(c, Child::Node(_)))
    );
    (bytes, heights.first().map_or(1, |height| height + 1))
}

fn check(spine: &Spine<u32, u64>, model: &Model) {
    let places = places(spine);
    let handles: Vec<u32> = places.iter().map(|place| *spine.handle(place)).collect();
    assert_eq!(handles, model.iter().map(|entry| entry.0).collect::<Vec<_>>());
    let (bytes, height) = walk(&spine.root, true);
    assert_eq!(bytes, spine.memory_bytes());
    assert!(height <= 5, "{height}");
    let mut rank = 0;
    for (index, (place, &(handle, bound, count))) in places.iter().zip(model).enumerate() {
        assert_eq!(spine.rank(place), rank);
        assert_eq!(spine.previous(place), index.checked_sub(1).map(|before| places[before]));
        // A bound leads to its own chunk, and what is less to the one before.
        if index > 0 {
            assert_eq!(*spine.handle(&spine.find_by(|b| *b <= bound)), handle);
            assert_eq!(*spine.handle(&spine.find_by(|b| *b < bound)), model[index - 1].0);
        }
        if count > 0 {
            assert_eq!(spine.find_rank(rank), (*place, 0));
            assert_eq!(spine.find_rank(rank + count - 1), (*place, count - 1));
        }
        rank += count;
    }
    assert_eq!(spine.len(), rank);
    assert_eq!(spine.last(), *places.last().unwrap());
    assert_eq!(*spine.handle(&spine.find_by(|_| false)), model[0].0);
}

#[test]
fn random_growth_and_shrinking_agree_with_a_vector() {
    let seed = 0x51_2e;
    println!("seed {seed}");
    let mut random = Random::new(seed);
    let mut spine = Spine::new(0, 0, 3);
    let mut model: Model = vec![(0, 0, 3)];
    for round in 0..6_000u32 {
        // Grows, shrinks to a few, grows again.
        let grows = round % 3_000 < 1_700;
        // As a collection does it: a key leads to a chunk, which is split at that key.
        let key = random.next() >> 1;
        let place = spine.find_by(|bound| *bound <= key);
        let at = model.iter().position(|entry| entry.0 == *spine.handle(&place)).unwrap();
        if random.below(10) < if grows { 8 } else { 1 } {
            if model[at].1 < key {
                let count = random.below(4);
                spine.insert_after(&place, key, round + 1, count);
                model.insert(at + 1, (round + 1, key, count));
            }
        } else if random.below(3) == 0 {
            *spine.edit(&place, 2) = round + 1;
            model[at] = (round + 1, model[at].1, model[at].2 + 2);
        } else if model.len() > 1 {
            assert_eq!(spine.remove(&place), model.remove(at).0);
        }
        if round % 97 == 0 {
            check(&spine, &model);
        }
    }
    check(&spine, &model);
}

#[test]
fn parting_gives_what_two_vectors_hold_and_changes_no_clone() {
    let seed = 0x51_2f;
    println!("seed {seed}");
    let mut random = Random::new(seed);
    for round in 0..100 {
        let chunks = 2 + random.below(if round % 10 == 0 { 9_000 } else { 300 }) as u32;
        let mut spine = Spine::new(0u32, 0u64, random.below(3));
        let mut model: Model = vec![(0, 0, spine.len())];
        for n in 1..chunks {
            let count = random.below(3);
            let last = spine.last();
            spine.insert_after(&last, u64::from(n) * 2, n, count);
            model.push((n, u64::from(n) * 2, count));
        }
        // Again and again, as a stream that grows is trimmed.
        while model.len() > 1 {
            let most = 1 + random.below(4_000);
            let at = 1 + random.below(most.min(model.len() - 1));
            let at = if random.below(2) == 0 { at } else { model.len() - at };
            let (clone, whole) = (spine.clone(), model.clone());
            let place = spine.find_by(|bound| *bound <= model[at].1);
            let right = spine.split_off(&place);
            let right_model = model.split_off(at);
            check_parted(&spine, &model);
            check_parted(&right, &right_model);
            if random.below(10) == 0 {
                check(&clone, &whole);
            }
            if random.below(4) == 0 {
                (spine, model) = (right, right_model);
            }
            let last = spine.last();
            let (number, count) = (random.next() as u32, random.below(3));
            let bound = model.last().unwrap().1 + 2;
            spine.insert_after(&last, bound, number, count);
            model.push((number, bound, count));
            if random.below(3) == 0 {
                break;
            }
        }
        check(&spine, &model);
    }
}

#[test]
fn what_is_taken_out_of_the_middle_leaves_both_ends_as_one() {
    let seed = 0x51_30;
    println!("seed {seed}");
    let mut random = Random::new(seed);
    for round in 0..200 {
        let chunks = 4 + random.below([30, 300, 5_000][round % 3]) as u32;
        let mut spine = Spine::new(0u32, 0u64, 1);
        let mut model: Model = vec![(0, 0, 1)];
        for n in 1..chunks {
            let last = spine.last();
            spine.insert_after(&last, u64::from(n) * 2, n, random.below(3));
            model.push((n, u64::from(n) * 2, spine.len() - model.iter().map(|entry| entry.2).sum::<usize>()));
        }
        while model.len() > 3 {
            let (a, b) = (1 + random.below(model.len() - 2), 1 + random.below(model.len() - 2));
            let (a, b) = if round % 2 == 0 { (a, a + 1) } else { (a.min(b), a.max(b) + 1) };
            let clone = (round % 8 == 0).then(|| (spine.clone(), model.clone()));
            let tail = spine.split_off(&spine.find_by(|bound| *bound <= model[b].1));
            let taken = spine.split_off(&spine.find_by(|bound| *bound <= model[a].1));
            spine.append(tail);
            check_parted(&taken, &model.drain(a..b).collect());
            check_parted(&spine, &model);
            clone.into_iter().for_each(|(spine, model)| check_parted(&spine, &model));
            if random.below(200) == 0 {
                break;
            }
        }
        check(&spine, &model);
    }
}

/// What can be said without the time that [`check`] takes.
fn check_parted(spine: &Spine<u32, u64>, model: &Model) {
    let mut handles = Vec::new();
    spine.visit(|_, handle| handles.push(*handle));
    assert!(handles.iter().eq(model.iter().map(|entry| &entry.0)));
    assert_eq!(spine.len(), model.iter().map(|entry| entry.2).sum::<usize>());
    let (bytes, height) = walk(&spine.root, true);
    assert_eq!(bytes, spine.memory_bytes());
    assert!(height <= 5, "{height}");
    assert!(model.len() == 1 || spine.root.children.len() > 1);
}

#[test]
fn growth_at_an_end_leaves_full_nodes() {
    let mut up = Spine::new(0u32, 0u64, 1);
    let mut down = Spine::new(10_000u32, 0u64, 1);
    for n in 1..10_000u32 {
        let last = up.last();
        up.insert_after(&last, u64::from(n), n, 1);
        // A chunk is added before the first by giving it that one's place.
        let old = std::mem::replace(down.edit(&Place::FIRST, 0), 10_000 - n);
        down.insert_after(&Place::FIRST, u64::from(10_001 - n), old, 1);
    }
    for spine in [up, down] {
        let handles: Vec<u32> = places(&spine).iter().map(|place| *spine.handle(place)).collect();
        assert!(handles.is_sorted() && handles.len() == 10_000);
        let (bytes, height) = walk(&spine.root, true);
        assert_eq!((bytes, height), (spine.memory_bytes(), 3));
        assert!(bytes < 10_000 * 40, "{bytes}");
    }
}

#[test]
fn a_clone_does_not_see_later_changes() {
    let mut spine = Spine::new(0u32, 0u64, 1);
    for n in 1..5_000u32 {
        let last = spine.last();
        spine.insert_after(&last, u64::from(n), n, 1);
    }
    let frozen = spine.clone();
    for n in 0..4_000 {
        let place = spine.find_rank(n % 900).0;
        spine.remove(&place);
    }
    assert_eq!((spine.len(), frozen.len()), (1_000, 5_000));
    let handles: Vec<u32> = places(&frozen).iter().map(|place| *frozen.handle(place)).collect();
    assert_eq!(handles, (0..5_000).collect::<Vec<_>>());
}
