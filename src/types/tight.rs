//! Vectors that waste little: for chunks, of which a collection has many and of which each has a bounded length.
//!
//! [`crate::util::capacity`] is for bytes and goes in steps of sixteen, which are too much for wider elements. Here
//! a chunk's vector holds at most an eighth of its length as spare room after growing, and at most half after shrinking. One that has
//! the most elements that it may have has none.
//! Growing by so little costs no more than the move of the elements that an insertion makes anyway.
//!
//! Chunks are copied with [`clone`]: what is allocated is counted as it changes, and a copy that another snapshot keeps from
//! being written in place must not change it.

/// Makes room for `additional` elements.
pub fn reserve<T>(vec: &mut Vec<T>, additional: usize) {
    reserve_up_to(vec, additional, usize::MAX);
}

/// Inserts an element into a vector of at most `max`.
pub fn insert<T>(vec: &mut Vec<T>, at: usize, element: T, max: usize) {
    reserve_up_to(vec, 1, max);
    vec.insert(at, element);
}

fn reserve_up_to<T>(vec: &mut Vec<T>, additional: usize, max: usize) {
    let len = vec.len() + additional;
    if len > vec.capacity() {
        vec.reserve_exact(additional + (len / 8).min(max.saturating_sub(len)));
    }
}

/// Gives memory back after elements were removed.
pub fn release<T>(vec: &mut Vec<T>) {
    if vec.len() <= vec.capacity() / 2 {
        vec.shrink_to(vec.len() + vec.len() / 8);
    }
}

/// A copy of the same capacity.
pub fn clone<T: Clone>(vec: &Vec<T>) -> Vec<T> {
    let mut copy = Vec::with_capacity(vec.capacity());
    copy.extend_from_slice(vec);
    copy
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spare_room_stays_below_an_eighth_growing_and_a_half_shrinking() {
        let mut vec = Vec::new();
        for n in 0..1000 {
            insert(&mut vec, n / 2, n, 1000);
            assert!(vec.capacity() <= vec.len() + vec.len() / 8 + 1, "{n}");
        }
        assert_eq!(vec.capacity(), 1000);
        while vec.pop().is_some() {
            release(&mut vec);
            assert!(vec.len() * 2 >= vec.capacity().saturating_sub(1), "{}", vec.len());
        }
    }
}
