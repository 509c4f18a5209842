//! Choosing some of many at random, each as likely as the other.

use std::collections::HashSet;

use crate::util::random::Random;

/// `count` different indexes below `len`, ascending, or all of them if there are not so many.
///
/// Few of many take memory for each one chosen, a third of them or more take none.
pub fn distinct(len: usize, count: usize, random: &mut Random) -> Distinct<'_> {
    let count = count.min(len);
    if count > len / 3 {
        return Distinct::Passing { index: 0, len, left: count, random };
    }
    // Floyd 1987: every set of `count` is as likely, and no index is drawn twice.
    let mut chosen = HashSet::with_capacity(count);
    for bound in len - count..len {
        let index = random.below(bound + 1);
        if !chosen.insert(index) {
            chosen.insert(bound);
        }
    }
    let mut chosen: Vec<usize> = chosen.into_iter().collect();
    chosen.sort_unstable();
    Distinct::Chosen(chosen.into_iter())
}

/// See [`distinct`].
#[derive(Debug)]
pub enum Distinct<'a> {
    /// All are known.
    Chosen(std::vec::IntoIter<usize>),
    /// Each index is decided on in passing: it is taken with the chance that is left over those left (Knuth, 3.4.2, S).
    Passing {
        /// The next to decide on.
        index: usize,
        /// Where they end.
        len: usize,
        /// How many are still to be taken.
        left: usize,
        /// What decides.
        random: &'a mut Random,
    },
}

impl Iterator for Distinct<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        match self {
            Distinct::Chosen(chosen) => chosen.next(),
            Distinct::Passing { left: 0, .. } => None,
            Distinct::Passing { index, len, left, random } => {
                while random.below(*len - *index) >= *left {
                    *index += 1;
                }
                (*index, *left) = (*index + 1, *left - 1);
                Some(*index - 1)
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = match self {
            Distinct::Chosen(chosen) => chosen.len(),
            Distinct::Passing { left, .. } => *left,
        };
        (left, Some(left))
    }
}

impl ExactSizeIterator for Distinct<'_> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indexes_are_different_ascending_and_equally_likely() {
        let seed = 11;
        println!("seed {seed}");
        let mut random = Random::new(seed);
        for (len, count) in [(1, 1), (10, 3), (10, 4), (10, 9), (10, 10), (30, 5), (5, 0), (0, 3), (4, 9)] {
            let mut hits = vec![0u32; len];
            for _ in 0..6_000 {
                let chosen = distinct(len, count, &mut random);
                assert_eq!(chosen.len(), count.min(len));
                let chosen: Vec<usize> = chosen.collect();
                assert!(chosen.len() == count.min(len) && chosen.is_sorted_by(|a, b| a < b));
                chosen.iter().for_each(|&index| hits[index] += 1);
            }
            let expected = 6_000.0 * count.min(len) as f64 / len.max(1) as f64;
            for hits in hits {
                // Six standard deviations of what is at most binomial.
                assert!((f64::from(hits) - expected).abs() <= 6.0 * expected.sqrt(), "{len} {count}: {hits}");
            }
        }
    }
}
