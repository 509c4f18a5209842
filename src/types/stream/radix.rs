//! The size of the radix tree in which Redis keeps the blocks of a stream. XINFO tells it.
//!
//! A tree has its root, a node wherever keys part, one at the end of each key, and one for each run of bytes in between that has
//! only one way on. It is never built: what a key adds follows from its neighbours, and only after much is gone at once it is counted.

use super::id::StreamId;

/// Bytes of a key: the two numbers, high bytes first.
const KEY_LEN: usize = 16;

/// How many nodes a tree has more with `id` than without it. Of the ids without it `until` finds the last that is not greater
/// than another, and `from` the first that is not less.
pub(super) fn nodes_of(
    id: StreamId,
    until: impl Fn(StreamId) -> Option<StreamId>,
    from: impl Fn(StreamId) -> Option<StreamId>,
) -> usize {
    let common_with = |other: StreamId| common_bytes(id, other);
    let Some(parting) = until(id).into_iter().chain(from(id)).map(common_with).max() else {
        // All of it is the root's run.
        return 1;
    };
    let behind = u128::MAX.checked_shr(8 * parting as u32).unwrap_or(0);
    let (low, high) = (of_bits(bits(id) & !behind), of_bits(bits(id) | behind));
    // Those that share what it shares with most, where they part, and where all of them part from the others.
    let (first, last) = (from(low).unwrap_or(id), until(high).unwrap_or(id));
    let child = if first == last { KEY_LEN } else { common_bytes(first, last) };
    if child == parting {
        return edge(Some(parting), KEY_LEN);
    }
    let before = bits(low).checked_sub(1).and_then(|bits| until(of_bits(bits)));
    let after = bits(high).checked_add(1).and_then(|bits| from(of_bits(bits)));
    let parent = before.into_iter().chain(after).map(common_with).max();
    edge(parent, parting) + edge(Some(parting), child) + edge(Some(parting), KEY_LEN) - edge(parent, child)
}

/// Counts the nodes of the tree of ids that ascend, beside its root.
#[derive(Default)]
pub(super) struct Count {
    nodes: usize,
    /// Depths at which the last key parted from those before; they ascend.
    partings: Vec<usize>,
    last: Option<StreamId>,
    /// The bytes that the last key shares with the one before.
    before: usize,
}

impl Count {
    pub(super) fn add(&mut self, id: StreamId) {
        if let Some(last) = self.last.replace(id) {
            let common = common_bytes(last, id);
            self.nodes += edge(Some(common.max(self.before)), KEY_LEN);
            while let Some(depth) = self.partings.pop_if(|depth| *depth > common) {
                let parent = self.partings.last().copied().unwrap_or(0).max(common);
                self.nodes += edge(Some(parent), depth);
            }
            if self.partings.last() != Some(&common) {
                self.partings.push(common);
            }
            self.before = common;
        }
    }

    pub(super) fn finish(mut self) -> usize {
        if self.last.is_some() {
            self.nodes += edge(self.partings.last().copied(), KEY_LEN);
        }
        while let Some(depth) = self.partings.pop() {
            self.nodes += edge(self.partings.last().copied(), depth);
        }
        self.nodes
    }
}

/// The nodes from where keys part, or the beginning, to a depth.
fn edge(parent: Option<usize>, depth: usize) -> usize {
    match parent {
        Some(parent) => 1 + usize::from(depth > parent + 1),
        // The root is where they part, or has the bytes up to there.
        None => usize::from(depth > 0),
    }
}

fn bits(id: StreamId) -> u128 {
    u128::from(id.ms) << 64 | u128::from(id.seq)
}

fn of_bits(bits: u128) -> StreamId {
    StreamId { ms: (bits >> 64) as u64, seq: bits as u64 }
}

/// The leading bytes that two keys share.
fn common_bytes(a: StreamId, b: StreamId) -> usize {
    let differing = match (a.ms ^ b.ms, a.seq ^ b.seq) {
        (0, seq) => 64 + seq.leading_zeros(),
        (ms, _) => ms.leading_zeros(),
    };
    differing as usize / 8
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::util::random::Random;
    use std::collections::BTreeSet;

    /// The nodes beside the root, counted.
    fn count(ids: &BTreeSet<StreamId>) -> usize {
        let texts: Vec<[u8; KEY_LEN]> = ids.iter().map(|id| bits(*id).to_be_bytes()).collect();
        let is_node = |path: &[u8]| {
            let ways = texts.iter().filter(|text| text.starts_with(path)).map(|text| text.get(path.len()));
            let ways: BTreeSet<_> = ways.collect();
            // A key ends, keys part, or a run begins: at the root, or where keys part.
            let parts = |path: &[u8]| {
                let ways = texts.iter().filter(|text| text.starts_with(path)).map(|text| text[path.len()]);
                ways.collect::<BTreeSet<_>>().len() > 1
            };
            ways.contains(&None) || ways.len() > 1 || path.is_empty() || parts(&path[..path.len() - 1])
        };
        let paths: BTreeSet<&[u8]> =
            texts.iter().flat_map(|text| (0..=KEY_LEN).map(|len| &text[..len])).collect();
        paths.into_iter().filter(|path| is_node(path)).count().max(1) - 1
    }

    fn id(ms: u64, seq: u64) -> StreamId {
        StreamId { ms, seq }
    }

    fn grow(ids: &mut BTreeSet<StreamId>, id: StreamId) -> usize {
        let nodes =
            nodes_of(id, |at| ids.range(..=at).next_back().copied(), |at| ids.range(at..).next().copied());
        ids.insert(id);
        nodes
    }

    #[test]
    fn nodes_are_those_of_redis() {
        let nodes = |ids: &[(u64, u64)]| {
            let mut tree = BTreeSet::new();
            1 + ids.iter().map(|&(ms, seq)| grow(&mut tree, id(ms, seq))).sum::<usize>()
        };
        assert_eq!(nodes(&[]), 1);
        assert_eq!(nodes(&[(5, 0)]), 2);
        // Both end behind the byte in which they differ, or have more bytes.
        assert_eq!(nodes(&[(5, 0), (5, 1)]), 4);
        assert_eq!(nodes(&[(5, 0), (6, 0)]), 6);
        assert_eq!(nodes(&[(0, 1), (1 << 56, 1)]), 5);
        assert_eq!(nodes(&[(5, 0), (5, 1), (6, 0)]), 8);
        assert_eq!(nodes(&[(5, 0), (5, 1), (6, 0), (6, 1)]), 10);
    }

    #[test]
    fn what_a_key_adds_is_what_counting_finds_wherever_it_comes_and_goes() {
        for seed in 0..60 {
            let mut random = Random::new(seed);
            let (mut ids, mut nodes) = (BTreeSet::new(), 0);
            for _ in 0..60 {
                let number = |random: &mut Random| match random.below(4) {
                    0 => random.next(),
                    1 => u64::MAX - random.below(3) as u64,
                    _ => (random.below(3) as u64) << (8 * random.below(8)) | random.below(3) as u64,
                };
                let one = id(number(&mut random), number(&mut random));
                if ids.len() > 4 && random.below(3) == 0 {
                    let gone = ids.range(one..).next().or(ids.first()).copied().unwrap();
                    ids.remove(&gone);
                    nodes -= grow(&mut ids.clone(), gone);
                } else if !ids.contains(&one) {
                    nodes += grow(&mut ids, one);
                }
                assert_eq!(nodes, count(&ids), "seed {seed}: {ids:?}");
                let mut counted = Count::default();
                ids.iter().for_each(|id| counted.add(*id));
                assert_eq!(nodes, counted.finish(), "seed {seed}: {ids:?}");
            }
        }
    }
}
