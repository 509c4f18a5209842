//! Trimming against a list of blocks that is trimmed block by block.

use super::*;

/// Ids with whether they are live, in blocks.
type Model = Vec<Vec<(u64, bool)>>;

fn live_of(block: &[(u64, bool)]) -> impl Iterator<Item = u64> {
    block.iter().filter(|(_, is_live)| *is_live).map(|(id, _)| *id)
}

fn trim(model: &mut Model, trim: &Trim) -> u64 {
    let mut removed = 0;
    loop {
        let rest = model.iter().flat_map(|block| live_of(block)).count() as u64;
        let Some(block) = model.first_mut() else { return removed };
        let live = live_of(block).count() as u64;
        let (mut excess, min) = match trim.bound {
            Bound::Len(max) => (rest.saturating_sub(max), u64::MAX),
            Bound::Id(min) => (u64::MAX, min.ms),
        };
        if excess == 0 || trim.limit > 0 && removed + live > trim.limit {
            return removed;
        }
        if live <= excess && block.last().unwrap().0 < min {
            model.remove(0);
            removed += live;
            continue;
        }
        for (id, is_live) in block.iter_mut().filter(|_| !trim.is_approximate) {
            if excess == 0 || *id >= min {
                break;
            }
            let gone = u64::from(std::mem::take(is_live));
            (excess, removed) = (excess - gone, removed + gone);
        }
        return removed;
    }
}

fn check(entries: &Entries, model: &Model) {
    assert!(live(entries).into_iter().eq(model.iter().flat_map(|block| live_of(block))));
    assert_eq!(entries.first_id().ms, model.iter().flat_map(|block| live_of(block)).next().unwrap_or(0));
    assert_eq!(entries.radix_tree_keys(), model.len());
    let mut again = Entries::default();
    for (master, listpack) in entries.blocks() {
        again.load_block(master, checked(listpack)).unwrap();
    }
    assert_eq!(entries.memory_bytes(), entries.blocks_ref().recounted_bytes());
    assert_eq!(entries.radix_tree_nodes(), again.radix_tree_nodes());
}

#[test]
fn trimming_many_blocks_at_once_does_what_trimming_one_by_one_does() {
    let mut given = 0;
    for seed in 0..12 {
        println!("seed {seed}");
        let mut random = Random::new(seed);
        let entries_max = 1 + random.below(7);
        let limits = Limits { node_max_bytes: 0, node_max_entries: entries_max };
        let (mut entries, mut model) = (Entries::default(), Model::new());
        let mut last = 0;
        for _ in 0..10 {
            for _ in 0..random.below(2_500) {
                last += 1 + random.below(3) as u64;
                entries.add(id(last, 0), &[b"field", b"value"], &limits).unwrap();
                match model.last_mut() {
                    Some(block) if block.len() < entries_max => block.push((last, true)),
                    _ => model.push(vec![(last, true)]),
                }
            }
            let step = 1 + random.below(4);
            for at in (0..model.len()).filter(|at| at % step == 0) {
                let pick = random.below(model[at].len());
                let (one, is_live) = &mut model[at][pick];
                assert_eq!(entries.delete(id(*one, 0)), std::mem::take(is_live));
            }
            // A block goes with its last entry if that is deleted.
            model.retain(|block| live_of(block).next().is_some());
            check(&entries, &model);
            let (frozen, whole) = (entries.clone(), model.clone());
            let bound = match random.below(2) {
                0 => Bound::Len(random.below(entries.len() + 2) as u64),
                _ => Bound::Id(id(last.saturating_sub(random.below(6_000) as u64), 0)),
            };
            let limit = [0, 0, random.below(2_000) as u64][random.below(3)];
            let how = Trim { bound, is_approximate: random.below(2) == 0, limit };
            let trimmed = entries.trim(&how);
            assert_eq!(trimmed.count, trim(&mut model, &how), "{how:?}");
            check(&entries, &model);
            check(&frozen, &whole);
            if let Some(gone) = trimmed.gone {
                given += gone.len();
                assert_eq!(gone.memory_bytes(), gone.blocks_ref().recounted_bytes());
            }
        }
    }
    assert!(given > 20_000, "{given}");
}
