//! The tree against an ordered set and a map.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::util::random::Random;

/// Scores in the order of `f64`, for the model.
#[derive(Clone, Debug, PartialEq)]
struct Key(f64, Vec<u8>);

impl Eq for Key {}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        order((self.0, &self.1), (other.0, &other.1))
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

#[derive(Default)]
struct Model {
    scores: BTreeMap<Vec<u8>, f64>,
    order: BTreeSet<Key>,
}

impl Model {
    fn set(&mut self, member: &[u8], score: f64) -> Option<f64> {
        let old = self.scores.insert(member.to_vec(), score);
        if let Some(old) = old {
            self.order.remove(&Key(old, member.to_vec()));
        }
        self.order.insert(Key(score, member.to_vec()));
        old
    }

    fn remove(&mut self, member: &[u8]) -> Option<f64> {
        let old = self.scores.remove(member)?;
        self.order.remove(&Key(old, member.to_vec()));
        Some(old)
    }
}

impl Tree {
    /// Everything that must hold.
    fn check(&self) {
        let places: Vec<Place> =
            std::iter::successors(Some(Place::FIRST), |place| self.spine.next(place)).collect();
        let mut bytes = 0;
        let mut last: Option<(f64, Vec<u8>)> = None;
        let mut entries = 0;
        for place in &places {
            let number = *self.spine.handle(place);
            let leaf = self.leaves.get(number);
            bytes += leaf.memory_bytes();
            assert!(leaf.len() > 0 || places.len() == 1);
            for at in 0..leaf.len() {
                let (score, member) = leaf.key(at);
                if let Some(last) = &last {
                    assert!(order((last.0, &last.1), (score, member)).is_lt());
                }
                assert_eq!(self.place((score, member)), *place);
                assert_eq!(
                    self.index.leaves_of(self.index.hash(member)).filter(|leaf| *leaf == number).count(),
                    1
                );
                last = Some((score, member.to_vec()));
                entries += 1;
            }
        }
        assert_eq!(entries, self.len());
        let mut left_over = Vec::new();
        self.left_over.iter().for_each(|spine| spine.visit(|_, number| left_over.push(*number)));
        for leaf in left_over.iter().map(|number| self.leaves.get(*number)) {
            bytes += leaf.memory_bytes();
            entries += leaf.len();
            assert!(leaf.len() > 0);
        }
        assert_eq!(bytes, self.leaf_bytes);
        assert_eq!(self.index.entries_from(0).count(), entries, "the index has no other entries");
    }
}

fn agree(tree: &Tree, model: &Model) {
    tree.check();
    assert_eq!(tree.len(), model.order.len());
    assert!(tree.iter(0..tree.len()).eq(model.order.iter().map(|key| (key.1.as_slice(), key.0))));
    assert!(tree.iter(0..tree.len()).rev().eq(model.order.iter().rev().map(|key| (key.1.as_slice(), key.0))));
}

/// Members and scores of different kinds: what order they come in and what ties there are.
fn element(kind: u32, random: &mut Random) -> (Vec<u8>, f64) {
    let n = random.below(4_000);
    let member = match kind {
        // Long common prefixes, so that bounds are long.
        1 => format!("{:0>200}", n).into_bytes(),
        // Lengths around a leaf's.
        2 => vec![n as u8; [3, 900, 1024, 1025, 4096, 4097, 70_000][n % 7]],
        _ => format!("member:{n}").into_bytes(),
    };
    let score = match kind {
        0 => random.fraction() * 1e6,
        1 => 0.0,
        2 => (n % 3) as f64,
        _ => [f64::NEG_INFINITY, -1.0, -0.0, 0.0, 1e300, f64::INFINITY][random.below(6)],
    };
    (member, score)
}

fn random_operations(kind: u32, rounds: u32) {
    let seed = 0xbeef + u64::from(kind);
    println!("seed {seed}");
    let mut random = Random::new(seed);
    let (mut tree, mut model) = (Tree::new(5), Model::default());
    let mut frozen: Option<(Tree, Vec<Key>)> = None;
    for round in 0..rounds {
        let (member, score) = element(kind, &mut random);
        let grows = round % (rounds / 2) < rounds / 3;
        if random.below(10) < if grows { 7 } else { 2 } {
            match model.set(&member, score) {
                None => tree.insert(&member, score),
                Some(old) if old == score => assert_eq!(tree.score(&member), Some(score)),
                Some(_) => tree.rescore(&member, score),
            }
            // What compares equal is not written: a zero keeps its sign.
            if let Some(kept) = tree.score(&member) {
                model.set(&member, kept);
            }
        } else if random.below(100) == 0 && tree.len() > 0 {
            let start = random.below(tree.len());
            let most = [500, 3_000][random.below(2)];
            let end = tree.len().min(start + random.below(most));
            let expected: Vec<Key> = model.order.iter().skip(start).take(end - start).cloned().collect();
            tree.remove_ranks(start..end);
            expected.iter().for_each(|key| assert!(model.remove(&key.1).is_some()));
        } else {
            assert_eq!(tree.remove(&member), model.remove(&member));
        }
        if round % 251 == 0 {
            let (member, score) = element(kind, &mut random);
            let rank = model.order.range(..Key(score, member.clone())).count();
            assert_eq!(tree.partition_point(|s, m| order((s, m), (score, &member)).is_lt()), rank);
            let known = model
                .scores
                .get(&member)
                .map(|&score| (model.order.range(..Key(score, member.clone())).count(), score));
            assert_eq!(tree.rank(&member), known);
            if let Some(key) = model.order.iter().nth(rank) {
                assert_eq!(tree.iter(rank..rank + 1).next().unwrap(), (key.1.as_slice(), key.0));
            }
        }
        if round % 1009 == 0 {
            agree(&tree, &model);
            if let Some((tree, keys)) = frozen.replace((tree.clone(), model.order.iter().cloned().collect()))
            {
                assert!(tree.iter(0..tree.len()).eq(keys.iter().map(|key| (key.1.as_slice(), key.0))));
            }
        }
    }
    agree(&tree, &model);
    tree.remove_ranks(0..tree.len());
    agree(&tree, &Model::default());
    tree.clear_some(usize::MAX);
    agree(&tree, &Model::default());
    let bytes = tree.memory_bytes() - tree.leaves.memory_bytes();
    assert!(bytes < 1_000, "{bytes}");
}

#[test]
fn random_scores_agree_with_a_model() {
    random_operations(0, 12_000);
}

#[test]
fn equal_scores_with_long_prefixes_agree_with_a_model() {
    random_operations(1, 12_000);
}

#[test]
fn long_members_agree_with_a_model() {
    random_operations(2, 3_000);
}

#[test]
fn infinities_and_zeros_agree_with_a_model() {
    random_operations(3, 12_000);
}

#[test]
fn members_that_are_left_over_are_not_there_and_can_come_again() {
    for seed in 0..6 {
        println!("seed {seed}");
        let mut random = Random::new(seed);
        let (mut tree, mut model) = (Tree::new(5), Model::default());
        let member = |n: usize| format!("member:{n}").into_bytes();
        for round in 0..12 {
            for n in 0..4_000 {
                let score = (n % (1 + round * 100)) as f64;
                match model.set(&member(n), score) {
                    None => tree.insert(&member(n), score),
                    Some(old) if old == score => {}
                    Some(_) => tree.rescore(&member(n), score),
                }
            }
            let start = if random.below(2) == 0 { 0 } else { random.below(2_000) };
            let end = if random.below(2) == 0 { 4_000 } else { 2_000 + random.below(2_000) };
            let gone: Vec<Key> = model.order.iter().skip(start).take(end - start).cloned().collect();
            let frozen = (tree.clone(), model.order.clone());
            tree.remove_ranks(start..end);
            assert!(tree.has_left_over() || end - start <= MANY);
            gone.iter().for_each(|key| assert!(model.remove(&key.1).is_some()));
            agree(&tree, &model);
            for n in 0..4_000 {
                assert_eq!(tree.score(&member(n)), model.scores.get(&member(n)).copied());
            }
            let mut shown = BTreeSet::new();
            assert_eq!(tree.scan(0, usize::MAX, |member, _| assert!(shown.insert(member.to_vec()))), 0);
            assert!(shown.iter().eq(model.scores.keys()));
            // Some come again at once, with the score that they had or another one.
            for key in gone.iter().filter(|_| random.below(7) == 0) {
                let score = key.0 + (key.1.len() % 2) as f64;
                assert_eq!(tree.remove(&key.1), None);
                tree.insert(&key.1, score);
                model.set(&key.1, score);
            }
            agree(&tree, &model);
            let left = tree.memory_bytes();
            let some = random.below(4_000);
            tree.clear_some(some);
            assert!(tree.memory_bytes() <= left);
            agree(&tree, &model);
            assert!(
                frozen.0.iter(0..frozen.0.len()).eq(frozen.1.iter().map(|key| (key.1.as_slice(), key.0)))
            );
            frozen.0.check();
        }
        while tree.has_left_over() {
            tree.clear_some(100);
        }
        agree(&tree, &model);
    }
}

#[test]
fn growth_at_an_end_leaves_full_leaves() {
    for descending in [false, true] {
        let mut tree = Tree::new(5);
        for n in 0..20_000 {
            let n = if descending { 20_000 - n } else { n };
            tree.insert(format!("{n:010}").as_bytes(), f64::from(n));
        }
        tree.check();
        let leaves = std::iter::successors(Some(Place::FIRST), |place| tree.spine.next(place)).count();
        assert_eq!(leaves, 20_000_usize.div_ceil(super::super::leaf::LEN_MAX));
    }
}

#[test]
fn ranges_are_read_from_both_ends_at_once() {
    let mut tree = Tree::new(5);
    (0..1_000).for_each(|n| tree.insert(format!("{n:04}").as_bytes(), 1.0));
    let mut iter = tree.iter(100..900);
    for n in 0..400 {
        assert_eq!(iter.next().unwrap().0, format!("{:04}", 100 + n).as_bytes());
        assert_eq!(iter.next_back().unwrap().0, format!("{:04}", 899 - n).as_bytes());
    }
    assert_eq!((iter.next(), iter.next_back(), tree.iter(5..5).next()), (None, None, None));
}

#[test]
fn a_scan_shows_what_stays_while_the_set_grows_and_shrinks() {
    let seed = 7;
    println!("seed {seed}");
    let mut random = Random::new(seed);
    let mut tree = Tree::new(5);
    let stays: Vec<String> = (0..500).map(|n| format!("stays:{n}")).collect();
    stays.iter().for_each(|member| tree.insert(member.as_bytes(), 0.0));
    let (mut cursor, mut seen, mut calls) = (0, BTreeSet::new(), 0);
    loop {
        let mut shown = 0;
        cursor = tree.scan(cursor, 10, |member, _| {
            shown += 1;
            seen.insert(member.to_vec());
        });
        calls += 1;
        assert!(cursor < 1 << 53);
        if cursor == 0 {
            break;
        }
        assert!((10..20).contains(&shown), "{shown}");
        for _ in 0..100 {
            let member = format!("comes:{}", random.below(1_000));
            if calls < 30 && tree.score(member.as_bytes()).is_none() {
                tree.insert(member.as_bytes(), random.fraction());
            } else if calls >= 30 {
                tree.remove(member.as_bytes());
            }
            // Moved to any leaf, a member that stays is still shown.
            tree.rescore(stays[random.below(500)].as_bytes(), random.fraction());
        }
    }
    assert!(stays.iter().all(|member| seen.contains(member.as_bytes())));
    assert!(calls > 50, "{calls}");
}
