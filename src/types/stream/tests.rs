//! Streams against Redis 7 step by step, against forged bytes, and what freezing and memory cost.

mod cost;
mod redis;
mod script;
mod trimming;

use super::*;
use crate::types::Malformed;
use crate::types::listpack::{Element, Listpack, View};
use crate::util::random::Random;
use crate::util::time::UnixMs;

const LIMITS: Limits = Limits { node_max_bytes: 4096, node_max_entries: 100 };
const NOW: UnixMs = UnixMs(1_000_000);
const EVERYTHING: (StreamId, StreamId) = (StreamId::MIN, StreamId::MAX);

fn id(ms: u64, seq: u64) -> StreamId {
    StreamId { ms, seq }
}

/// Entries 1-0, 2-0 …, each with one field.
fn entries(count: u64) -> Entries {
    let mut entries = Entries::default();
    for ms in 1..=count {
        entries.add(id(ms, 0), &[b"field", b"value"], &LIMITS).unwrap();
    }
    entries
}

fn ids<'a>(entries: impl Iterator<Item = Entry<'a>>) -> Vec<u64> {
    entries.map(|entry| entry.id.ms).collect()
}

fn live(entries: &Entries) -> Vec<u64> {
    ids(entries.range(EVERYTHING.0, EVERYTHING.1))
}

fn exactly(bound: Bound) -> Trim {
    Trim { bound, is_approximate: false, limit: 0 }
}

#[test]
fn ids_of_new_entries_ascend() {
    let mut entries = Entries::default();
    assert_eq!(entries.next_id(NewId::Exact(StreamId::MIN), NOW), Err(AddError::NotGreater));
    assert_eq!(entries.next_id(NewId::Ms(0), NOW), Ok(id(0, 1)));
    assert_eq!(entries.next_id(NewId::Auto, NOW), Ok(id(NOW.0, 0)));
    entries.set_last_id(id(NOW.0 + 5, 3), None, None).unwrap();
    assert_eq!(entries.next_id(NewId::Auto, NOW), Ok(id(NOW.0 + 5, 4)), "the clock went back");
    assert_eq!(entries.next_id(NewId::Ms(NOW.0 + 5), NOW), Ok(id(NOW.0 + 5, 4)));
    assert_eq!(entries.next_id(NewId::Ms(NOW.0), NOW), Err(AddError::NotGreater));
    assert_eq!(entries.next_id(NewId::Exact(id(NOW.0 + 5, 3)), NOW), Err(AddError::NotGreater));
    entries.set_last_id(id(7 << 40, u64::MAX), None, None).unwrap();
    assert_eq!(entries.next_id(NewId::Ms(7 << 40), NOW), Err(AddError::NotGreater));
    assert_eq!(entries.next_id(NewId::Auto, NOW), Ok(id((7 << 40) + 1, 0)));
    entries.set_last_id(StreamId::MAX, None, None).unwrap();
    assert_eq!(entries.next_id(NewId::Auto, NOW), Err(AddError::Exhausted));
}

#[test]
fn fields_come_back_in_order_whatever_the_names() {
    let mut entries = Entries::default();
    let inputs: [&[&[u8]]; 4] = [
        &[b"a", b"1", b"b", b"2"],
        &[b"a", b"-5", b"b", b""],
        &[b"b", b"x", b"a", b"y"],
        &[b"a", b"1", b"b", b"2", b"a", b"3"],
    ];
    for (index, pairs) in inputs.iter().enumerate() {
        entries.add(id(index as u64 + 1, 0), pairs, &LIMITS).unwrap();
    }
    let texts = |entry: Entry<'_>| {
        entry.fields().flat_map(|(name, value)| [name.to_vec(), value.to_vec()]).collect::<Vec<_>>()
    };
    let forward: Vec<_> = entries.range(EVERYTHING.0, EVERYTHING.1).map(texts).collect();
    assert_eq!(forward, inputs);
    let mut backward: Vec<_> = entries.range_rev(EVERYTHING.1, EVERYTHING.0).map(texts).collect();
    backward.reverse();
    assert_eq!(backward, inputs);
    assert_eq!(entries.get(id(4, 0)).unwrap().fields().len(), 3);
    assert_eq!(entries.radix_tree_keys(), 1);
}

#[test]
fn too_large_an_entry_is_refused() {
    let mut entries = Entries::default();
    let large = vec![b'x'; 300 << 20];
    let pairs: [&[u8]; 4] = [b"a", &large, b"b", &large];
    assert_eq!(entries.add(id(1, 0), &pairs, &LIMITS), Err(AddError::TooLarge));
    assert_eq!((entries.len(), entries.added(), entries.last_id()), (0, 0, StreamId::MIN));
}

#[test]
fn a_block_without_limits_takes_more_elements_than_a_listpack_counts() {
    let limits = Limits { node_max_bytes: 0, node_max_entries: 0 };
    let mut entries = Entries::default();
    for ms in 1..=20_000 {
        entries.add(id(ms, 0), &[b"field", b"1"], &limits).unwrap();
    }
    assert_eq!((entries.len(), entries.radix_tree_keys()), (20_000, 1));
    assert!(entries.delete(id(19_999, 0)));
    assert_eq!(entries.trim(&exactly(Bound::Len(2))).count, 19_997);
    assert_eq!((live(&entries), entries.first_id()), (vec![19_998, 20_000], id(19_998, 0)));
}

#[test]
fn trimming_by_id_past_a_deleted_tail_leaves_a_block_without_entries() {
    let mut entries = entries(3);
    assert!(entries.delete(id(3, 0)));
    assert_eq!(entries.trim(&exactly(Bound::Id(id(3, 0)))).count, 2);
    assert_eq!((entries.len(), entries.radix_tree_keys(), entries.first_id()), (0, 1, StreamId::MIN));
    assert_eq!((entries.edge_id(), live(&entries)), (Some(id(1, 0)), vec![]));
    entries.add(id(4, 0), &[b"field", b"value"], &LIMITS).unwrap();
    assert_eq!((live(&entries), entries.first_id(), entries.radix_tree_keys()), (vec![4], id(4, 0), 1));
    assert!(entries.delete(id(4, 0)));
    assert_eq!((entries.radix_tree_keys(), entries.memory_bytes()), (0, 0));
}

#[test]
fn approximate_trimming_removes_whole_blocks_within_its_limit() {
    let trim = |limit, bound| {
        let mut entries = entries(1_000);
        let removed = entries.trim(&Trim { bound, is_approximate: true, limit }).count;
        (removed, entries.first_id().ms)
    };
    assert_eq!(trim(0, Bound::Len(450)), (500, 501));
    assert_eq!(trim(300, Bound::Len(450)), (300, 301));
    assert_eq!(trim(99, Bound::Len(450)), (0, 1));
    assert_eq!(trim(0, Bound::Id(id(450, 0))), (400, 401));
    assert_eq!(trim(0, Bound::Len(0)), (1_000, 0));
    assert_eq!(Trim::default_limit(100), 10_000);
    assert_eq!(Trim::default_limit(0), 10_000);
    assert_eq!(Trim::default_limit(usize::MAX), 1_000_000);
}

#[test]
fn setting_the_last_id_keeps_it_above_all() {
    let mut entries = entries(5);
    assert!(entries.delete(id(5, 0)));
    assert_eq!(entries.set_last_id(id(4, 9), None, None), Err(SetIdError::BelowMaxDeleted));
    let mut entries = self::entries(5);
    assert_eq!(entries.set_last_id(id(4, 9), None, None), Err(SetIdError::BelowTop));
    assert_eq!(entries.set_last_id(id(9, 0), Some(4), None), Err(SetIdError::AddedBelowLen));
    assert_eq!(entries.set_last_id(id(9, 0), Some(50), Some(id(8, 0))), Ok(()));
    assert_eq!((entries.last_id(), entries.added(), entries.max_deleted_id()), (id(9, 0), 50, id(8, 0)));
    assert_eq!(entries.set_last_id(id(10, 0), None, Some(StreamId::MIN)), Ok(()));
    assert_eq!((entries.added(), entries.max_deleted_id()), (50, id(8, 0)));
}

/// A stream of entries and one group with a consumer.
fn with_group(count: u64) -> (Entries, Group, ConsumerId) {
    let mut group = Group::default();
    let consumer = group.create(b"consumer", NOW).unwrap();
    (entries(count), group, consumer)
}

fn read(entries: &Entries, group: &mut Group, consumer: ConsumerId, count: usize) -> usize {
    group.read_new(entries, consumer, count, false, NOW, |_| ())
}

#[test]
fn lag_is_known_as_long_as_nothing_was_deleted_ahead() {
    let (mut entries, mut group, consumer) = with_group(10);
    group.entries_read = None;
    assert_eq!(entries.lag(&group), Some(10), "nothing before the first entry was removed");
    read(&entries, &mut group, consumer, 3);
    assert_eq!((group.entries_read, entries.lag(&group)), (Some(3), Some(7)));
    assert!(entries.delete(id(2, 0)));
    assert_eq!(entries.lag(&group), Some(7), "it had been read");
    assert!(entries.delete(id(7, 0)));
    assert_eq!(entries.lag(&group), None);
    read(&entries, &mut group, consumer, 1);
    assert_eq!((group.entries_read, entries.lag(&group)), (None, None));
    read(&entries, &mut group, consumer, 100);
    assert_eq!((group.entries_read, entries.lag(&group)), (Some(10), Some(0)), "the last one is certain");
    _ = entries.trim(&exactly(Bound::Len(0)));
    assert_eq!(entries.lag(&group), Some(0));
    assert_eq!(Entries::default().lag(&Group::default()), Some(0));
}

#[test]
fn trimmed_entries_count_as_read() {
    let (mut entries, mut group, consumer) = with_group(10);
    group.entries_read = Some(0);
    _ = entries.trim(&exactly(Bound::Len(4)));
    read(&entries, &mut group, consumer, 1);
    assert_eq!((group.entries_read, entries.lag(&group)), (Some(7), Some(3)));
    // Deleted below the first entry: no longer ahead of anyone.
    assert!(entries.delete(id(7, 0)));
    assert!(entries.delete(id(8, 0)));
    assert_eq!((entries.first_id(), entries.lag(&group)), (id(9, 0), Some(3)));
}

#[test]
fn what_is_pending_stays_with_one_consumer() {
    let (entries, mut group, first) = with_group(5);
    assert_eq!(read(&entries, &mut group, first, 3), 3);
    assert_eq!(group.consumer(first).active(), Some(NOW));
    let (second, created) = group.visit(b"other", UnixMs(2_000_000));
    assert!(created && group.consumer(second).active().is_none());
    assert_eq!(group.visit(b"other", UnixMs(3_000_000)), (second, false));
    assert_eq!(group.consumer(second).seen, UnixMs(3_000_000));
    // Set back, the group gives the same entries to the other one.
    group.last_id = StreamId::MIN;
    let later = UnixMs(NOW.0 + 5);
    assert_eq!(group.read_new(&entries, second, 2, false, later, |_| ()), 2);
    assert_eq!((group.consumer(first).pending_len(), group.consumer(second).pending_len()), (1, 2));
    let pending = group.pending(id(1, 0)).unwrap();
    assert_eq!((pending.consumer(), pending.delivered, pending.deliveries), (second, later, 1));
    // Without acknowledgement nothing is pending.
    assert_eq!(group.read_new(&entries, first, 9, true, later, |_| ()), 3);
    assert_eq!((group.pending_len(), group.pending_ends()), (3, Some((id(1, 0), id(3, 0)))));
    assert!(group.acknowledge(id(3, 0)) && !group.acknowledge(id(3, 0)));
    assert_eq!(group.remove(b"other").map(|(len, _)| len), Some(2));
    assert_eq!(
        (group.remove(b"other").map(|(len, _)| len), group.pending_len(), group.find(b"other")),
        (None, 0, None)
    );
}

#[test]
fn history_skips_what_is_gone_and_counts_what_is_not() {
    let (mut entries, mut group, consumer) = with_group(3);
    read(&entries, &mut group, consumer, 3);
    entries.delete(id(2, 0));
    let later = UnixMs(NOW.0 + 9);
    let mut seen = Vec::new();
    let count = group.read_pending(&entries, consumer, id(1, 1), 10, later, |id, entry| {
        seen.push((id.ms, entry.is_some()));
    });
    assert_eq!((count, seen), (2, vec![(2, false), (3, true)]));
    let deliveries = |ms| group.pending(id(ms, 0)).map(|pending| (pending.delivered, pending.deliveries));
    assert_eq!((deliveries(2), deliveries(3)), (Some((NOW, 1)), Some((later, 2))));
}

#[test]
fn claims_wait_for_idleness() {
    let (entries, mut group, first) = with_group(4);
    read(&entries, &mut group, first, 2);
    let second = group.create(b"other", NOW).unwrap();
    let now = UnixMs(NOW.0 + 100);
    let claim = Claim { min_idle_ms: 101, delivered: now, deliveries: None, force: true, just_id: false };
    assert_eq!(group.claim(&entries, second, id(1, 0), &claim, now), Claimed::No);
    assert_eq!(group.claim(&entries, second, id(3, 0), &claim, now), Claimed::Yes, "forced: never idle");
    assert_eq!(group.pending(id(3, 0)).map(|pending| pending.deliveries), Some(2));
    let claim = Claim { min_idle_ms: 100, delivered: NOW, deliveries: Some(7), ..claim };
    assert_eq!(group.claim(&entries, second, id(1, 0), &claim, now), Claimed::Yes);
    let pending = group.pending(id(1, 0)).unwrap();
    assert_eq!((pending.consumer(), pending.delivered, pending.deliveries), (second, NOW, 7));
    assert_eq!(group.claim(&entries, second, id(9, 0), &claim, now), Claimed::No);
    let options = AutoClaim { start: StreamId::MIN, count: 10, min_idle_ms: 100, just_id: true };
    let mut claimed = Vec::new();
    let result = group.auto_claim(&entries, first, &options, now, |entry, pending| {
        claimed.push((entry.id.ms, pending.deliveries));
    });
    assert_eq!((claimed, result.next), (vec![(1, 7), (2, 1)], StreamId::MIN));
    assert_eq!(group.consumer(second).pending_len(), 1);
}

#[test]
fn automatic_claims_stop_after_ten_looks_for_each() {
    let (mut entries, mut group, consumer) = with_group(50);
    read(&entries, &mut group, consumer, 50);
    entries.delete(id(50, 0));
    let options = AutoClaim { start: id(2, 0), count: 2, min_idle_ms: 1, just_id: false };
    let nothing = AutoClaimed { next: id(22, 0), gone: vec![] };
    assert_eq!(group.auto_claim(&entries, consumer, &options, NOW, |_, _| ()), nothing);
    let options = AutoClaim { start: id(45, 0), ..options };
    let end = AutoClaimed { next: StreamId::MIN, gone: vec![id(50, 0)] };
    assert_eq!(group.auto_claim(&entries, consumer, &options, NOW, |_, _| ()), end);
}

#[test]
fn groups_are_listed_by_name() {
    let mut groups = Groups::default();
    for name in [&b"b"[..], b"", b"a\xff", b"ab", b"a"] {
        assert!(groups.create(name, StreamId::MIN, None).is_some());
        assert!(groups.create(name, StreamId::MAX, None).is_none());
    }
    let names: Vec<_> = groups.iter().map(|(name, _)| name.to_vec()).collect();
    assert_eq!(names, [&b""[..], b"a", b"ab", b"a\xff", b"b"]);
    assert!(groups.remove(b"ab").is_some() && groups.get(b"ab").is_none());
    assert_eq!(groups.len(), 4);
}

/// A listpack of the same bytes.
fn checked(listpack: View<'_>) -> Listpack {
    Listpack::from_bytes(listpack.as_bytes().to_vec()).unwrap()
}

#[test]
fn loading_gives_the_same_stream() {
    let mut entries = entries(777);
    (100..250).for_each(|ms| assert!(entries.delete(id(ms, 0))));
    let mut loaded = Entries::default();
    for (master, listpack) in entries.blocks() {
        loaded.load_block(master, checked(listpack)).unwrap();
    }
    assert_eq!(loaded.load_counters(id(776, 0), id(249, 0), Some(777)), Err(Malformed));
    loaded.load_counters(id(777, 0), id(249, 0), Some(777)).unwrap();
    assert!(loaded.blocks().eq(entries.blocks()));
    assert_eq!((loaded.len(), loaded.first_id(), live(&loaded)), (627, id(1, 0), live(&entries)));
    let master = id(700, 0);
    let block = checked(entries.blocks().last().unwrap().1);
    assert_eq!(loaded.load_block(master, block), Err(Malformed), "it is not above the others");
    let mut group = Group::default();
    group.load_pending(id(1, 0), NOW, 3).unwrap();
    assert_eq!(group.load_pending(id(1, 0), NOW, 3), Err(Malformed));
    let consumer = group.load_consumer(b"c", NOW, None).unwrap();
    assert!(!group.is_complete() && group.load_consumer(b"c", NOW, None).is_none());
    assert_eq!(group.load_owned(consumer, id(2, 0)), Err(Malformed));
    assert_eq!(group.load_owned(consumer, id(1, 0)), Ok(()));
    assert_eq!(group.load_owned(consumer, id(1, 0)), Err(Malformed));
    assert!(group.is_complete());
    assert_eq!(group.pending(id(1, 0)).map(|pending| pending.deliveries), Some(3));
}

#[test]
fn forged_blocks_are_refused_or_safe_to_use() {
    let seed = 0xB10C;
    println!("seed {seed:#x}");
    let mut random = Random::new(seed);
    let mut accepted = 0;
    for _ in 0..20_000 {
        let mut original = Entries::default();
        for ms in 1..=1 + random.below(5) as u64 {
            let name: &[u8] = if random.below(3) == 0 { b"other" } else { b"name" };
            original.add(id(ms, 0), &[name, b"7", b"x", b"value"], &LIMITS).unwrap();
        }
        original.delete(id(1 + random.below(5) as u64, 0));
        let Some((master, block)) = original.blocks().next() else { continue };
        let mut elements: Vec<Element<'_>> = block.iter().collect();
        for _ in 0..random.below(3) {
            let at = random.below(elements.len());
            match random.below(5) {
                0 => drop(elements.remove(at)),
                1 => elements.insert(at, Element::Int(random.below(5) as i64)),
                2 => elements[at] = Element::Bytes(b"2"),
                3 => elements[at] = Element::Int(random.next() as i64 >> random.below(64)),
                _ => elements[at] = Element::Int(random.below(8) as i64 - 2),
            }
        }
        let forged = Listpack::of(elements);
        let mut loaded = Entries::default();
        if loaded.load_block(master, forged).is_err() {
            continue;
        }
        accepted += 1;
        use_all_of(&mut loaded);
    }
    assert!(accepted > 5_000, "{accepted}");
}

fn use_all_of(entries: &mut Entries) {
    let ids = live(entries);
    assert_eq!(ids.len(), entries.len());
    let mut backwards = self::ids(entries.range_rev(EVERYTHING.1, EVERYTHING.0));
    backwards.reverse();
    assert_eq!(ids, backwards);
    assert!(entries.range(EVERYTHING.0, EVERYTHING.1).all(|entry| entry.fields().count() < 100));
    if entries.load_counters(id(1 << 60, 0), StreamId::MIN, None).is_ok() {
        entries.add(id(1 << 61, 0), &[b"name", b"1"], &LIMITS).unwrap();
    }
    let half = entries.len() as u64 / 2;
    _ = entries.trim(&exactly(Bound::Len(half)));
    assert_eq!(entries.len() as u64, half);
    let left: Vec<StreamId> = entries.range(EVERYTHING.0, EVERYTHING.1).map(|entry| entry.id).collect();
    left.into_iter().for_each(|id| assert!(entries.delete(id)));
    assert!(entries.is_empty());
}

#[test]
fn a_clone_is_not_changed_by_what_follows() {
    let mut stream = Stream { entries: entries(1_000), groups: Groups::default() };
    let mut group = stream.groups.create(b"group", StreamId::MIN, None).unwrap();
    let (consumer, _) = group.visit(b"consumer", NOW);
    read(&stream.entries, &mut group, consumer, 600);
    drop(group);
    let frozen = stream.clone();
    let describe = |stream: &Stream| {
        let group = stream.groups.get(b"group").unwrap();
        let pending: Vec<_> = group.pending_between(EVERYTHING.0, EVERYTHING.1, None).collect();
        format!("{:?} {pending:?} {}", live(&stream.entries), stream.memory_bytes())
    };
    let before = describe(&frozen);
    let mut group = stream.groups.get_mut(b"group").unwrap();
    (1..500).for_each(|ms| assert!(group.acknowledge(id(ms, 0))));
    read(&stream.entries, &mut group, consumer, 100);
    drop(group);
    (1..990).step_by(3).for_each(|ms| assert!(stream.entries.delete(id(ms, 0))));
    _ = stream.entries.trim(&exactly(Bound::Len(300)));
    stream.entries.add(id(2_000, 0), &[b"field", b"value"], &LIMITS).unwrap();
    assert_eq!(describe(&frozen), before);
    assert_ne!(describe(&stream), before);
}

/// A group in which entries 1 to `count` are pending, one in `every` for one of three consumers, and the others for one who was deleted.
fn with_left_over(count: u64, every: u64) -> Group {
    let mut group = Group::default();
    let stay = [b"a", b"b", b"c"].map(|name| group.create(name, NOW).unwrap());
    let goes = group.create(b"deleted", NOW).unwrap();
    for ms in 1..=count {
        let consumer = if ms % every == 0 { stay[(ms / every % 3) as usize] } else { goes };
        group.own(id(ms, 0), consumer, Pending::fresh(NOW));
    }
    assert_eq!(group.remove(b"deleted").map(|(len, _)| len), Some((count - count / every) as usize));
    group
}

#[test]
fn what_is_left_over_is_no_work_for_who_asks_what_is_pending() {
    for (count, every) in [(50_000, 2), (50_000, 10_000), (50_000, 50_000)] {
        let group = with_left_over(count, every);
        let expected: Vec<u64> = (1..=count / every).map(|nth| nth * every).collect();
        for (start, wanted) in [(0, 1), (0, 3), (every + 1, 2), (count, 1)] {
            let (found, steps) = map::steps::of(|| {
                let pending = group.pending_between(id(start, 0), StreamId::MAX, None);
                pending.take(wanted).map(|(id, pending)| (id.ms, pending.consumer())).collect::<Vec<_>>()
            });
            let expected: Vec<u64> =
                expected.iter().copied().filter(|ms| *ms >= start).take(wanted).collect();
            assert_eq!(found.iter().map(|(ms, _)| *ms).collect::<Vec<_>>(), expected);
            assert!(found.iter().all(|(_, consumer)| group.consumers.get(consumer).is_some()));
            assert!(steps <= 20 + 4 * wanted, "{steps} steps for {wanted} of {count}, one in {every}");
        }
        let all = group.pending_between(EVERYTHING.0, EVERYTHING.1, None);
        assert_eq!(all.map(|(id, _)| id.ms).collect::<Vec<_>>(), expected);
    }
}

#[test]
fn what_is_left_over_is_no_work_for_who_claims() {
    let entries = entries(50_000);
    for every in [2, 10_000, 50_000] {
        let mut group = with_left_over(50_000, every);
        let taker = group.create(b"taker", NOW).unwrap();
        let (mut start, mut claimed) = (StreamId::MIN, Vec::new());
        loop {
            let options = AutoClaim { start, count: 2, min_idle_ms: 0, just_id: false };
            let (done, steps) = map::steps::of(|| {
                group.auto_claim(&entries, taker, &options, NOW, |entry, _| claimed.push(entry.id.ms))
            });
            assert!(done.gone.is_empty() && steps <= 200, "{steps} steps, one in {every}");
            start = done.next;
            if start == StreamId::MIN {
                break;
            }
        }
        assert_eq!(claimed, (1..=50_000 / every).map(|nth| nth * every).collect::<Vec<_>>());
        assert_eq!(group.consumer(taker).pending_len(), claimed.len());
        // What is to be cleared is cleared in the end.
        group.clear_some(usize::MAX);
        assert_eq!(group.pending_len(), group.pending.len());
    }
}
