//! Operations on several sets: SUNION, SINTER, SDIFF and what is stored of them.
//!
//! * Results are iterators over the sources: nothing is collected, and a result that is cut off early costs no more. For
//!   the union that means one look at each earlier set for every member, where Redis builds a set.
//! * Of a big set that has most of the result, what is stored is a clone that is changed.
//! * What is stored gets the encoding that Redis gives it. Members are added in the order of the iterator.
//! * A missing key is an empty set; that it ends an intersection at once is the caller's to use.

use std::cmp::Reverse;

use super::{Encoding, Limits, Repr, Set};
use crate::types::intset::Intset;
use crate::types::listpack::{Element, Listpack};

/// The members that are in any of `sets`, once each; ascending if all sets are intsets.
pub fn union<'a>(sets: &[&'a Set]) -> Box<dyn Iterator<Item = Element<'a>> + 'a> {
    if sets.iter().all(|set| set.encoding() == Encoding::Intset) {
        let mut integers: Vec<i64> =
            sets.iter().flat_map(|set| set.iter()).filter_map(|member| member.integer()).collect();
        integers.sort_unstable();
        integers.dedup();
        return Box::new(integers.into_iter().map(Element::Int));
    }
    // The members of the first set need no look at another one.
    let mut sets = sets.to_vec();
    sets.sort_unstable_by_key(|set| Reverse(set.len()));
    Box::new((0..sets.len()).flat_map(move |index| {
        let earlier = sets[..index].to_vec();
        sets[index].iter().filter(move |member| !earlier.iter().any(|set| set.contains_element(*member)))
    }))
}

/// The members that are in all of `sets`, in the order of the smallest.
pub fn intersection<'a>(sets: &[&'a Set]) -> impl Iterator<Item = Element<'a>> + use<'a> {
    let mut sets = sets.to_vec();
    sets.sort_unstable_by_key(|set| set.len());
    let smallest = sets.first().copied();
    let others = sets.split_off(sets.len().min(1));
    let members = smallest.into_iter().flat_map(Set::iter);
    members.filter(move |member| others.iter().all(|set| set.contains_element(*member)))
}

/// The members of `first` that are in none of `others`, in the order of `first`.
pub fn difference<'a>(first: &'a Set, others: &[&'a Set]) -> impl Iterator<Item = Element<'a>> + use<'a> {
    // The biggest are the likeliest to have a member.
    let mut others = others.to_vec();
    others.sort_unstable_by_key(|set| Reverse(set.len()));
    first.iter().filter(move |member| !others.iter().any(|set| set.contains_element(*member)))
}

/// What SUNIONSTORE stores.
pub fn stored_union(sets: &[&Set], limits: &Limits) -> Set {
    let biggest = sets.iter().copied().max_by_key(|set| set.len());
    if let Some(biggest) = biggest.filter(|set| set.is_big_with(set.len(), limits)) {
        let mut result = biggest.freeze();
        for other in sets.iter().filter(|set| !set.is_shared_with(biggest)) {
            for_texts(other, |member| _ = result.add(member, limits));
        }
        return result;
    }
    collect(Repr::Intset(Intset::new()), union(sets), limits)
}

/// What SDIFFSTORE stores.
pub fn stored_difference(first: &Set, others: &[&Set], limits: &Limits) -> Set {
    // At least so many are left.
    let left = others.iter().fold(first.len(), |left, other| left.saturating_sub(other.len()));
    if first.is_big_with(left, limits) {
        let mut result = first.freeze();
        others.iter().for_each(|other| for_texts(other, |member| _ = result.remove(member)));
        return result;
    }
    collect(Repr::Intset(Intset::new()), difference(first, others), limits)
}

/// What SINTERSTORE stores: not an intset, unless the smallest set is one or the result could be a listpack.
pub fn stored_intersection(sets: &[&Set], limits: &Limits) -> Set {
    if let [set] = sets
        && set.is_big_with(set.len(), limits)
    {
        return set.freeze();
    }
    let smallest = sets.iter().min_by_key(|set| set.len());
    let repr = match smallest.map(|set| set.encoding()) {
        None | Some(Encoding::Intset) => Repr::Intset(Intset::new()),
        Some(Encoding::Listpack | Encoding::Hashtable) => Repr::Listpack(Listpack::new()),
    };
    let mut result = collect(repr, intersection(sets), limits);
    if let Repr::Listpack(listpack) = &result.repr
        && listpack.len() <= limits.intset_entries
        && let Some(intset) = listpack.iter().map(|member| member.integer()).collect()
    {
        result.repr = Repr::Intset(intset);
    }
    result
}

fn for_texts(set: &Set, mut visit: impl FnMut(&[u8])) {
    let mut buffer = itoa::Buffer::new();
    set.iter().for_each(|member| visit(member.text(&mut buffer)));
}

fn collect<'a>(repr: Repr, members: impl Iterator<Item = Element<'a>>, limits: &Limits) -> Set {
    let mut set = Set { repr };
    let mut buffer = itoa::Buffer::new();
    for member in members {
        set.add(member.text(&mut buffer), limits);
    }
    set
}
