//! What the tree costs, printed. Run with
//! `cargo test --release --lib zset::tree::bench -- --ignored --nocapture --test-threads 1`.

use std::hint::black_box;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

use super::*;
use crate::util::random::Random;

fn member(n: usize, len: usize) -> Vec<u8> {
    format!("{n:0>len$}").into_bytes()
}

/// What this thread has worked, whoever else wants the processor.
fn cpu_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap().into()
}

fn timed<R>(what: &str, times: usize, work: impl FnOnce() -> R) -> R {
    let start = cpu_time();
    let result = work();
    println!("    {what}: {:.0} ns", (cpu_time() - start).as_nanos() as f64 / times as f64);
    result
}

/// `redis` is what MEMORY USAGE of Redis 7.0 says of 200,000 such members, for each.
fn report(len: usize, elements: usize, is_tied: bool, redis: f64) {
    let mut random = Random::new(3);
    let mut order: Vec<usize> = (0..elements).collect();
    (1..elements).for_each(|at| order.swap(at, random.below(at + 1)));
    let score = |n: usize| if is_tied { 0.0 } else { (n.wrapping_mul(0x9e37_79b9) % elements) as f64 };
    let mut tree = Tree::new(5);
    let members: Vec<Vec<u8>> = order.iter().map(|&n| member(n, len)).collect();
    println!("{elements} members of {len} bytes, {}", if is_tied { "one score" } else { "many scores" });
    timed("insert", elements, || {
        order.iter().zip(&members).for_each(|(&n, member)| tree.insert(member, score(n)));
    });
    let bytes = tree.memory_bytes() as f64 / elements as f64;
    println!(
        "    {bytes:.1} bytes an element: leaves {:.1}, index {:.1}, spine {:.1}, slab {:.1}; {:.2} of Redis's {redis:.0}",
        tree.leaf_bytes as f64 / elements as f64,
        tree.index.memory_bytes() as f64 / elements as f64,
        tree.spine.memory_bytes() as f64 / elements as f64,
        tree.leaves.memory_bytes() as f64 / elements as f64,
        bytes / redis
    );
    let some = 200_000.min(elements);
    timed("score", some, || {
        members[..some].iter().for_each(|m| {
            black_box(tree.score(m));
        })
    });
    timed("rank", some, || {
        members[..some].iter().for_each(|m| {
            black_box(tree.rank(m));
        })
    });
    timed("rescore", some, || {
        members[..some].iter().for_each(|m| {
            tree.rescore(m, random.fraction() * elements as f64);
        })
    });
    timed("range of 100", some / 10, || {
        (0..some / 10).for_each(|_| {
            let start = random.below(elements - 100);
            tree.iter(start..start + 100).for_each(|element| {
                black_box(element);
            });
        })
    });
    timed("scan", elements, || {
        let mut cursor = 0;
        loop {
            cursor = tree.scan(cursor, 10, |member, _| {
                black_box(member);
            });
            if cursor == 0 {
                break;
            }
        }
    });
    let frozen = timed("freeze", 1, || tree.clone());
    let mut slowest = 0;
    timed("remove, frozen", some, || {
        members[..some].iter().for_each(|m| {
            let start = cpu_time();
            tree.remove(m);
            slowest = slowest.max((cpu_time() - start).as_micros());
        })
    });
    println!("    slowest remove {slowest} us; {} elements frozen", frozen.len());
}

#[test]
#[ignore = "a measurement"]
fn costs() {
    for (len, elements, redis) in [(10, 200, 104.0), (10, 1_000_000, 104.0), (64, 1_000_000, 168.0)] {
        report(len, elements, false, redis);
    }
    for (elements, is_tied) in [(1_000_000, false), (1_000_000, true), (10_000_000, false)] {
        report(16, elements, is_tied, 120.0);
    }
}
