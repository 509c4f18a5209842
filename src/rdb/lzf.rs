//! LZF, the compression of strings in RDB files.
//!
//! ```text
//! 000nnnnn                      n + 1 literal bytes follow (1 to 32)
//! lllooooo oooooooo             a copy of l + 2 bytes (l from 1 to 6) from o + 1 bytes back
//! 111ooooo llllllll oooooooo    a copy of l + 9 bytes from o + 1 bytes back
//! ```
//!
//! * Copies may reach into their own output: a run of one byte is a copy from one byte back.
//! * Decompression gives exactly the announced length or nothing, and asks for memory only if the input could fill it.
//! * The compressor is greedy with one candidate per hash. Its output is valid, not the same as another compressor's.

const LITERALS_MAX: usize = 32;
const COPY_MIN: usize = 3;
const COPY_MAX: usize = 264;
const DISTANCE_MAX: usize = 1 << 13;
/// The most bytes that one byte of input can become: the longest copy takes three.
const EXPANSION_MAX: usize = COPY_MAX / 3;

/// Compresses `input` into at most `limit` bytes; `None` if they are not enough, or if the input has 4 GiB or more.
pub fn compress(input: &[u8], limit: usize) -> Option<Vec<u8>> {
    if u32::try_from(input.len()).is_err() {
        return None;
    }
    // One slot for each position that a copy may refer to, as far as there are any.
    let slots = input.len().clamp(1 << 8, DISTANCE_MAX).next_power_of_two();
    let slot_of = |at: usize| {
        let bytes = u32::from_le_bytes([input[at], input[at + 1], input[at + 2], 0]);
        (bytes.wrapping_mul(0x9E37_79B1) >> (32 - slots.ilog2())) as usize
    };
    // Positions plus one; 0 is none.
    let mut seen = vec![0u32; slots];
    let mut out = Vec::with_capacity(limit.min(input.len()));
    let (mut at, mut literals_at) = (0, 0);
    while at + COPY_MIN <= input.len() {
        let slot = &mut seen[slot_of(at)];
        let candidate = (*slot as usize).checked_sub(1);
        *slot = at as u32 + 1;
        let copy = candidate.filter(|from| at - from <= DISTANCE_MAX).map(|from| {
            let same = input[from..].iter().zip(&input[at..]).take(COPY_MAX).take_while(|(a, b)| a == b);
            (at - from, same.count())
        });
        let Some((distance, len)) = copy.filter(|&(_, len)| len >= COPY_MIN) else {
            // The longer nothing is found, the wider the steps: noise is passed quickly, and its end is missed by no more
            // than a 64th of its length.
            at += 1 + (at - literals_at) / 64;
            continue;
        };
        put_literals(&mut out, &input[literals_at..at]);
        put_copy(&mut out, distance, len);
        if out.len() > limit {
            return None;
        }
        at += len;
        literals_at = at;
        // The copy's last bytes begin what often comes again; noting all of its positions costs more than it finds.
        for noted in [at - 2, at - 1] {
            if noted + COPY_MIN <= input.len() {
                seen[slot_of(noted)] = noted as u32 + 1;
            }
        }
    }
    put_literals(&mut out, &input[literals_at..]);
    (out.len() <= limit).then_some(out)
}

fn put_literals(out: &mut Vec<u8>, literals: &[u8]) {
    for run in literals.chunks(LITERALS_MAX) {
        out.push(run.len() as u8 - 1);
        out.extend_from_slice(run);
    }
}

fn put_copy(out: &mut Vec<u8>, distance: usize, len: usize) {
    let [offset_high, offset_low] = (distance as u16 - 1).to_be_bytes();
    match len as u16 - 2 {
        short @ ..7 => out.push((short as u8) << 5 | offset_high),
        long => out.extend_from_slice(&[7 << 5 | offset_high, (long - 7) as u8]),
    }
    out.push(offset_low);
}

/// Decompresses to exactly `len` bytes; `None` if the input is not that, or if there is no memory for it.
pub fn decompress(mut input: &[u8], len: usize) -> Option<Vec<u8>> {
    if len > input.len().saturating_mul(EXPANSION_MAX) {
        return None;
    }
    let mut out = Vec::new();
    out.try_reserve_exact(len).ok()?;
    while let Some(control) = take_byte(&mut input) {
        let (copy, offset_high) = (usize::from(control >> 5), usize::from(control & 0x1F));
        if copy == 0 {
            let (literals, rest) = input.split_at_checked(offset_high + 1)?;
            if literals.len() > len - out.len() {
                return None;
            }
            out.extend_from_slice(literals);
            input = rest;
            continue;
        }
        let copy = if copy == 7 { 7 + usize::from(take_byte(&mut input)?) } else { copy };
        let distance = (offset_high << 8 | usize::from(take_byte(&mut input)?)) + 1;
        let (from, mut left) = (out.len().checked_sub(distance)?, copy + 2);
        if left > len - out.len() {
            return None;
        }
        // What is copied grows while it is copied if the copy reaches into itself.
        while left > 0 {
            let part = left.min(out.len() - from);
            out.extend_from_within(from..from + part);
            left -= part;
        }
    }
    (out.len() == len).then_some(out)
}

fn take_byte(input: &mut &[u8]) -> Option<u8> {
    let (&first, rest) = input.split_first()?;
    *input = rest;
    Some(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::util::random::Random;

    /// Text with repetitions at all distances, and stretches of noise.
    fn sample(random: &mut Random, len: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(len);
        while bytes.len() < len {
            let part = random.below(400) + 1;
            match random.below(3) {
                0 => bytes.extend((0..part).map(|_| random.next() as u8)),
                1 => bytes.extend(std::iter::repeat_n(b'a' + random.below(4) as u8, part)),
                _ => {
                    let from = random.below(bytes.len() + 1);
                    bytes.extend_from_within(from..(from + part).min(bytes.len()));
                }
            }
        }
        bytes.truncate(len);
        bytes
    }

    #[test]
    fn what_is_compressed_comes_back_and_keeps_the_limit() {
        let seed = Random::seeded().next();
        println!("seed {seed}");
        let mut random = Random::new(seed);
        for round in 0..400 {
            let len = random.below(if round % 40 == 0 { 200_000 } else { 3000 });
            let input = sample(&mut random, len);
            let whole = compress(&input, usize::MAX).unwrap();
            assert_eq!(decompress(&whole, input.len()).as_ref(), Some(&input), "seed {seed}");
            assert_eq!(compress(&input, whole.len()), Some(whole.clone()), "the limit is inclusive");
            assert_eq!(compress(&input, whole.len().wrapping_sub(1)).is_some(), whole.is_empty());
        }
        let zeros = compress(&[0; 100_000], 2000).unwrap();
        assert_eq!(decompress(&zeros, 100_000).unwrap(), [0; 100_000]);
    }

    #[test]
    fn every_form_decompresses_as_documented() {
        assert_eq!(decompress(&[2, b'a', b'b', b'c', 0x20, 2], 6).unwrap(), b"abcabc");
        assert_eq!(decompress(&[0, b'x', 0xE0, 0, 0], 10).unwrap(), b"xxxxxxxxxx");
        assert_eq!(decompress(&[0, b'x', 0xE0, 255, 0], 265).unwrap(), [b'x'; 265]);
        assert_eq!(decompress(&[], 0).unwrap(), b"");
    }

    #[test]
    fn hostile_input_is_refused() {
        let cases: [(&[u8], usize); 9] = [
            (&[0x20, 0], 3),                // a copy from before the beginning
            (&[0, b'x', 0x20, 1], 4),       // the same by one byte
            (&[5, b'x'], 6),                // literals that are cut off
            (&[0, b'x', 0xE0], 10),         // a copy without its length
            (&[0, b'x', 0xE0, 0], 10),      // and without its offset
            (&[1, b'x', b'y'], 1),          // more literals than announced
            (&[0, b'x', 0x20, 0], 3),       // a longer copy than announced
            (&[0, b'x', 0x20, 0], 5),       // less than announced
            (&[0, b'x', 0x20, 0], 1 << 60), // more than any input of that length can be
        ];
        for (input, len) in cases {
            assert_eq!(decompress(input, len), None, "{input:?} as {len} bytes");
        }
    }

    #[test]
    fn random_bytes_never_decompress_to_another_length() {
        let seed = Random::seeded().next();
        println!("seed {seed}");
        let mut random = Random::new(seed);
        for _ in 0..20_000 {
            let input: Vec<u8> = (0..random.below(40)).map(|_| random.next() as u8 & 0x7F).collect();
            let len = random.below(300);
            assert!(decompress(&input, len).is_none_or(|out| out.len() == len), "seed {seed}");
        }
    }
}
