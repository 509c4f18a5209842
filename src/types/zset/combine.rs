//! Union, intersection and difference of sorted sets and sets.
//!
//! The sources are taken in the order of their sizes, as Redis takes them: the order in which floating-point numbers are
//! added shows in the last digit.

use std::ops::ControlFlow;

use super::{Limits, Zset};
use crate::types::set::Set;

/// A sorted set, or a set, whose members all have the score 1.
pub trait Source {
    /// The number of members.
    fn len(&self) -> usize;

    /// The sorted set that it is.
    fn zset(&self) -> Option<&Zset> {
        None
    }

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The score of a member.
    fn score_of(&self, member: &[u8]) -> Option<f64>;

    /// Shows all elements to `visit` until it breaks.
    fn visit(&self, visit: &mut dyn FnMut(&[u8], f64) -> ControlFlow<()>);
}

impl Source for Zset {
    fn len(&self) -> usize {
        Zset::len(self)
    }

    fn zset(&self) -> Option<&Zset> {
        Some(self)
    }

    fn score_of(&self, member: &[u8]) -> Option<f64> {
        self.score(member)
    }

    fn visit(&self, visit: &mut dyn FnMut(&[u8], f64) -> ControlFlow<()>) {
        let mut buffer = itoa::Buffer::new();
        for (member, score) in self.iter(0..Zset::len(self)) {
            if visit(member.text(&mut buffer), score).is_break() {
                return;
            }
        }
    }
}

impl Source for Set {
    fn len(&self) -> usize {
        Set::len(self)
    }

    fn score_of(&self, member: &[u8]) -> Option<f64> {
        self.contains(member).then_some(1.0)
    }

    fn visit(&self, visit: &mut dyn FnMut(&[u8], f64) -> ControlFlow<()>) {
        let mut buffer = itoa::Buffer::new();
        for member in self.iter() {
            if visit(member.text(&mut buffer), 1.0).is_break() {
                return;
            }
        }
    }
}

/// What becomes of the scores of a member that several sources have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Aggregate {
    /// Their sum.
    #[default]
    Sum,
    /// The least.
    Min,
    /// The greatest.
    Max,
}

impl Aggregate {
    fn of(self, a: f64, b: f64) -> f64 {
        match self {
            Aggregate::Sum => zero_if_nan(a + b),
            Aggregate::Min if b < a => b,
            Aggregate::Max if b > a => b,
            Aggregate::Min | Aggregate::Max => a,
        }
    }
}

/// One source: `None` is a key that does not exist.
#[derive(Clone, Copy)]
pub struct Input<'a> {
    /// The set.
    pub source: Option<&'a dyn Source>,
    /// What its scores are multiplied by.
    pub weight: f64,
}

impl<'a> Input<'a> {
    /// A source with weight 1.
    pub fn new(source: Option<&'a dyn Source>) -> Self {
        Input { source, weight: 1.0 }
    }

    fn len(&self) -> usize {
        self.source.map_or(0, Source::len)
    }

    /// The sorted set that it is with the scores as they are, if it is big and a result of `len` elements would be, too.
    fn big(&self, len: usize, limits: &Limits) -> Option<&'a Zset> {
        let zset = self.source?.zset()?;
        (self.weight == 1.0 && zset.is_big_with(len, limits)).then_some(zset)
    }
}

/// All members of any source.
pub fn union(inputs: &[Input<'_>], aggregate: Aggregate, limits: &Limits) -> Zset {
    let inputs = by_size(inputs);
    if let Some(result) = union_with_big(&inputs, aggregate, limits) {
        return result;
    }
    let mut result = Zset::new();
    for input in inputs {
        let Some(source) = input.source else { continue };
        source.visit(&mut |member, score| {
            let score = zero_if_nan(input.weight * score);
            let old = result.score(member);
            put(&mut result, member, old, old.map_or(score, |old| aggregate.of(old, score)), limits);
            ControlFlow::Continue(())
        });
    }
    result.into_small(limits)
}

/// The union of a big set and of another one, if any, that is smaller or as big: the other's elements are added to a clone. With
/// more of them the order of additions would be another.
fn union_with_big(inputs: &[Input<'_>], aggregate: Aggregate, limits: &Limits) -> Option<Zset> {
    let (last, others) = inputs.split_last()?;
    let mut others = others.iter().filter(|input| input.len() > 0);
    let (other, None) = (others.next(), others.next()) else { return None };
    let mut result = last.big(last.len(), limits)?.freeze();
    let Some(Input { source: Some(source), weight }) = other else { return Some(result) };
    source.visit(&mut |member, score| {
        let score = zero_if_nan(weight * score);
        let last = result.score(member);
        put(&mut result, member, last, last.map_or(score, |last| aggregate.of(score, last)), limits);
        ControlFlow::Continue(())
    });
    Some(result)
}

/// The members that all sources have.
pub fn intersection(inputs: &[Input<'_>], aggregate: Aggregate, limits: &Limits) -> Zset {
    if let [input] = inputs
        && let Some(zset) = input.big(input.len(), limits)
    {
        return zset.freeze();
    }
    let mut result = Zset::new();
    let inputs = by_size(inputs);
    visit_intersection(&inputs, &mut |member, score| {
        let mut sum = zero_if_nan(inputs[0].weight * score);
        for input in &inputs[1..] {
            let Some(score) = input.source.and_then(|source| source.score_of(member)) else {
                return ControlFlow::Continue(());
            };
            sum = aggregate.of(sum, input.weight * score);
        }
        // A source may be given twice, but none has a member twice.
        put(&mut result, member, None, sum, limits);
        ControlFlow::Continue(())
    });
    result.into_small(limits)
}

/// How many members all sources have, at most `limit`.
pub fn intersection_len(inputs: &[Input<'_>], limit: usize) -> usize {
    let inputs = by_size(inputs);
    let mut len = 0;
    visit_intersection(&inputs, &mut |member, _| {
        let has = |input: &Input<'_>| input.source.is_some_and(|source| source.score_of(member).is_some());
        len += usize::from(inputs[1..].iter().all(has));
        if len >= limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    len.min(limit)
}

/// The elements of the first source whose members no other source has.
pub fn difference(inputs: &[Input<'_>], limits: &Limits) -> Zset {
    let mut result = Zset::new();
    let Some((input, others)) = inputs.split_first() else { return result };
    let Some(first) = input.source else { return result };
    // At least so many are left.
    let left = others.iter().fold(first.len(), |left, other| left.saturating_sub(other.len()));
    if let Some(zset) = input.big(left, limits) {
        result = zset.freeze();
        for other in others.iter().filter_map(|other| other.source) {
            other.visit(&mut |member, _| {
                result.remove(member);
                ControlFlow::Continue(())
            });
        }
        return result;
    }
    first.visit(&mut |member, score| {
        let has = |input: &Input<'_>| input.source.is_some_and(|source| source.score_of(member).is_some());
        if !others.iter().any(has) {
            put(&mut result, member, None, score, limits);
        }
        ControlFlow::Continue(())
    });
    result.into_small(limits)
}

/// Gives a member its score in a result, where it had an `old` one or none. In a listpack −0 would be 0, also when it becomes a
/// tree later; so a result that has one is a tree until it is complete, as in Redis.
fn put(result: &mut Zset, member: &[u8], old: Option<f64>, score: f64, limits: &Limits) {
    if score == 0.0 && score.is_sign_negative() {
        result.convert(limits);
    }
    match old {
        None => result.insert(member, score, limits),
        // A zero may change its sign.
        Some(old) if old.to_bits() != score.to_bits() => result.rescore(member, score),
        Some(_) => {}
    }
}

/// Shows the elements of the smallest source, which is the first, unless some source is empty.
fn visit_intersection(inputs: &[Input<'_>], visit: &mut dyn FnMut(&[u8], f64) -> ControlFlow<()>) {
    if let Some(Input { source: Some(smallest), .. }) = inputs.first() {
        smallest.visit(visit);
    }
}

fn by_size<'a>(inputs: &[Input<'a>]) -> Vec<Input<'a>> {
    let mut inputs = inputs.to_vec();
    inputs.sort_by_key(Input::len);
    inputs
}

/// Infinity times zero, or infinities of both signs: Redis says that is zero.
fn zero_if_nan(score: f64) -> f64 {
    if score.is_nan() { 0.0 } else { score }
}
