//! How much to allocate for bytes that grow a little at a time.
//!
//! Doubling leaves a third of all memory unused; exact sizes copy everything on every step. Here a vector has at most an
//! eighth to spare, and growing byte by byte copies each byte about ten times. (Redis's allocator has steps of a quarter.)

/// The capacity for `len` elements: steps of 16 and, from 256 on, of an eighth at most.
pub fn capacity_for(len: usize) -> usize {
    let step = ((len | 1).next_power_of_two() / 16).max(16);
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
    fn at_most_an_eighth_is_spare_and_steps_are_few() {
        let (mut vec, mut steps) = (Vec::new(), 0);
        for len in 1..100_000 {
            let before = vec.capacity();
            reserve(&mut vec, 1);
            vec.push(0u8);
            steps += usize::from(vec.capacity() != before);
            assert!(vec.capacity() <= (len + len / 8).max(len + 16), "{len} {}", vec.capacity());
        }
        assert!(steps < 120, "{steps}");
        vec.truncate(10);
        give_back(&mut vec);
        assert_eq!(vec.capacity(), 16);
    }
}
