//! The size of the radix tree in which Redis keeps the blocks of a stream. XINFO tells it.

use super::id::StreamId;

/// Bytes of a key: the two numbers, high bytes first.
const KEY_LEN: usize = 16;

/// The nodes of the tree of these ids, which ascend: the root, one where keys part, one at the end of each key, and one for each
/// run of bytes in between that has only one way on.
pub(super) fn nodes(ids: impl Iterator<Item = StreamId>) -> usize {
    let mut nodes = 1;
    // Depths at which the last key parted from those before; they ascend.
    let mut partings: Vec<usize> = Vec::new();
    let mut edge = |parent: Option<usize>, depth: usize| match parent {
        Some(parent) => nodes += 1 + usize::from(depth > parent + 1),
        // The root is where they part, or has the bytes up to there.
        None => nodes += usize::from(depth > 0),
    };
    let mut last: Option<StreamId> = None;
    let mut before = 0;
    for id in ids {
        if let Some(last) = last {
            let common = common_bytes(last, id);
            edge(Some(common.max(before)), KEY_LEN);
            while let Some(depth) = partings.pop_if(|depth| *depth > common) {
                let parent = partings.last().copied().unwrap_or(0).max(common);
                edge(Some(parent), depth);
            }
            if partings.last() != Some(&common) {
                partings.push(common);
            }
            before = common;
        }
        last = Some(id);
    }
    if last.is_some() {
        edge(partings.last().copied(), KEY_LEN);
    }
    while let Some(depth) = partings.pop() {
        edge(partings.last().copied(), depth);
    }
    nodes
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

    #[test]
    fn nodes_are_counted_where_keys_part() {
        let count = |ids: &[(u64, u64)]| nodes(ids.iter().map(|&(ms, seq)| StreamId { ms, seq }));
        assert_eq!(count(&[]), 1);
        assert_eq!(count(&[(5, 0)]), 2);
        // Both end behind the byte in which they differ, or have more bytes.
        assert_eq!(count(&[(5, 0), (5, 1)]), 4);
        assert_eq!(count(&[(5, 0), (6, 0)]), 6);
        assert_eq!(count(&[(0, 1), (1 << 56, 1)]), 5);
        assert_eq!(count(&[(5, 0), (5, 1), (6, 0)]), 8);
        assert_eq!(count(&[(5, 0), (5, 1), (6, 0), (6, 1)]), 10);
    }
}
