//! How much to allocate for bytes that grow a little at a time.
//!
//! Doubling leaves a third of all memory unused; exact sizes ask the allocator on every step. The steps here are those of the
//! allocator's classes (jemalloc: 16 up to 128, then four to each doubling), which it would take in any case: what is
//! asked for is what is there, and a step that changes nothing is not asked for.

/// The capacity for `len` bytes: the allocator's class, a quarter above `len` at most.
pub fn capacity_for(len: usize) -> usize {
    let step = ((len | 1).next_power_of_two() / 8).max(16);
    len.next_multiple_of(step)
}

/// Makes room for `more` elements.
pub fn reserve<T>(vec: &mut Vec<T>, more: usize) {
    let needed = vec.len() + more;
    if needed > vec.capacity() {
        vec.reserve_exact(capacity_for(needed) - vec.len());
    }
}

/// Gives memory back when less than half of it is used.
pub fn give_back<T>(vec: &mut Vec<T>) {
    if vec.len() < vec.capacity() / 2 {
        vec.shrink_to(capacity_for(vec.len()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_most_a_quarter_is_spare_and_steps_are_few() {
        let (mut vec, mut steps) = (Vec::new(), 0);
        for len in 1..100_000 {
            let before = vec.capacity();
            reserve(&mut vec, 1);
            vec.push(0u8);
            steps += usize::from(vec.capacity() != before);
            assert!(vec.capacity() <= (len + len / 4).max(len + 16), "{len} {}", vec.capacity());
        }
        assert!(steps < 60, "{steps}");
        vec.truncate(10);
        give_back(&mut vec);
        assert_eq!(vec.capacity(), 16);
    }
}
