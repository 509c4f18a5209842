//! Long buffers, and how they are given back.
//!
//! Freed at once, hundreds of megabytes cost the kernel milliseconds, in which no thread of the process gets address space or gives
//! any back: so a worker that merely needs one more page for an element waits for a buffer that a checkpoint is done with. In steps
//! it waits for one of them at most.

/// Bytes given back at a time.
const STEP_BYTES: usize = 1 << 20;

/// Frees a buffer, step by step if it is long.
pub fn release(mut bytes: Vec<u8>) {
    shrink(&mut bytes, STEP_BYTES);
}

/// Lets a buffer's capacity become `kept` bytes or less, step by step, with what is left of its contents.
pub fn shrink(bytes: &mut Vec<u8>, kept: usize) {
    while bytes.capacity() > kept {
        let (before, step) = (bytes.capacity(), bytes.capacity().saturating_sub(STEP_BYTES).max(kept));
        bytes.truncate(step);
        bytes.shrink_to(step);
        if bytes.capacity() >= before {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_given_back_down_to_what_is_kept() {
        let mut bytes = vec![7; 5 * STEP_BYTES + 3];
        shrink(&mut bytes, STEP_BYTES / 2);
        assert_eq!((bytes.len(), bytes.capacity()), (STEP_BYTES / 2, STEP_BYTES / 2));
        assert!(bytes.iter().all(|&byte| byte == 7));
        let mut short = Vec::with_capacity(100);
        short.extend_from_slice(b"short");
        shrink(&mut short, STEP_BYTES);
        assert_eq!((&short[..], short.capacity()), (&b"short"[..], 100));
        shrink(&mut short, 0);
        assert_eq!(short.capacity(), 0);
        release(bytes);
    }
}
