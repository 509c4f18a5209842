//! The Bloom filter of a run: which hashes it surely does not hold.
//!
//! A hash sets [`PROBES`] bits of one line of 64 bytes, which is one cache line: a question costs one cache miss. Line
//! and bits follow from the hash alone, for it is random and secret already:
//!
//! ```text
//! line   (the hash's low 32 bits × number of lines) / 2³²
//! bits   the 128-bit product of the hash and 0x9e3779b97f4a7c15, its halves XORed; nine bits of it a probe, from the
//!        lowest; bit b of the line is bit b % 64 of its little-endian word b / 64
//! ```
//!
//! The line must not follow from the hash's high bits: a run may hold a small range of the hash space only. With ten
//! bits an entry about one absent hash in a hundred passes.
//!
//! The number of entries is not known before a run is complete, so a filter is made for the most there can be and then
//! folded: merging neighbouring lines gives exactly the filter that half the lines would have been. Entries come in the order of
//! their hashes and their lines in none, so each would wait for its line; a [`FilterBuilder`] has many of them fetched at once.

/// Bits an entry.
const BITS_PER_ENTRY: u64 = 10;
/// Bits that a hash sets; six of nine bits each suit ten bits an entry.
const PROBES: u32 = 6;
/// The size of a line.
pub const LINE_BYTES: usize = 64;
/// A bound on what a wrong estimate can allocate: 8 GiB, good for seven thousand million entries.
const LINES_MAX: u64 = 1 << 27;

#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
#[repr(align(64))]
struct Line([u64; LINE_BYTES / 8]);

/// Hashes that a builder gathers.
const GATHERED: usize = 64;

/// A filter.
#[derive(Debug, Default)]
pub struct Filter {
    lines: Vec<Line>,
}

/// A filter that is being made.
#[derive(Default)]
pub struct FilterBuilder {
    filter: Filter,
    /// Hashes that are not in it yet.
    gathered: Vec<u64>,
}

impl FilterBuilder {
    /// Nothing yet, for up to `entries`; with more the filter lets more pass.
    pub fn new(entries: u64) -> Self {
        Self { filter: Filter::new(entries), gathered: Vec::with_capacity(GATHERED) }
    }

    /// Adds a hash.
    pub fn insert(&mut self, hash: u64) {
        self.gathered.push(hash);
        if self.gathered.len() == GATHERED {
            self.enter();
        }
    }

    /// The filter, no larger than `entries` need.
    pub fn finish(mut self, entries: u64) -> Filter {
        self.enter();
        self.filter.fold(entries);
        self.filter
    }

    fn enter(&mut self) {
        let filter = &mut self.filter;
        // These reads wait for memory side by side.
        let touched = self.gathered.iter().map(|&hash| filter.lines[filter.place(hash).0].0[0]);
        std::hint::black_box(touched.fold(0, |all, word| all ^ word));
        self.gathered.drain(..).for_each(|hash| filter.insert(hash));
    }
}

impl Filter {
    /// An empty one; see [`FilterBuilder::new`].
    fn new(entries: u64) -> Self {
        let lines = lines_for(entries);
        // Divisible by two often enough to be folded down to some 32 lines.
        let folds = lines.ilog2().saturating_sub(5);
        let lines = lines.next_multiple_of(1 << folds);
        Self { lines: vec![Line::default(); lines as usize] }
    }

    /// Halves the filter as long as `entries` leave room for it.
    fn fold(&mut self, entries: u64) {
        let needed = lines_for(entries) as usize;
        let mut lines = self.lines.len();
        while lines.is_multiple_of(2) && lines / 2 >= needed {
            lines /= 2;
            for i in 0..lines {
                let (a, b) = (self.lines[2 * i], self.lines[2 * i + 1]);
                self.lines[i] = Line(std::array::from_fn(|word| a.0[word] | b.0[word]));
            }
        }
        self.lines.truncate(lines);
        self.lines.shrink_to_fit();
    }

    fn insert(&mut self, hash: u64) {
        let (line, bits) = self.place(hash);
        for probe in 0..PROBES {
            let bit = (bits >> (9 * probe)) % 512;
            self.lines[line].0[(bit / 64) as usize] |= 1 << (bit % 64);
        }
    }

    /// Whether the hash may have been added; `false` is certain.
    pub fn may_contain(&self, hash: u64) -> bool {
        let (line, bits) = self.place(hash);
        let line = &self.lines[line];
        (0..PROBES).all(|probe| {
            let bit = (bits >> (9 * probe)) % 512;
            line.0[(bit / 64) as usize] >> (bit % 64) & 1 == 1
        })
    }

    /// The filter's size in bytes, in memory as on disk.
    pub fn size_bytes(&self) -> u64 {
        (self.lines.len() * LINE_BYTES) as u64
    }

    /// The lines as they are on disk.
    pub fn encoded_lines(&self) -> impl Iterator<Item = [u8; LINE_BYTES]> {
        self.lines.iter().map(|line| {
            let mut bytes = [0; LINE_BYTES];
            for (word, out) in line.0.iter().zip(bytes.chunks_exact_mut(8)) {
                out.copy_from_slice(&word.to_le_bytes());
            }
            bytes
        })
    }

    /// A filter without lines, to which they are added as they are read.
    pub fn with_capacity(lines: usize) -> Self {
        Self { lines: Vec::with_capacity(lines) }
    }

    /// Adds a line as it is on disk.
    pub fn push_encoded_line(&mut self, bytes: &[u8; LINE_BYTES]) {
        let (words, _) = bytes.as_chunks::<8>();
        self.lines.push(Line(std::array::from_fn(|i| u64::from_le_bytes(words[i]))));
    }

    /// The hash's line, and the bits of which it takes nine a probe.
    fn place(&self, hash: u64) -> (usize, u64) {
        let line = ((hash & 0xffff_ffff) * self.lines.len() as u64) >> 32;
        let product = u128::from(hash) * 0x9e37_79b9_7f4a_7c15;
        (line as usize, product as u64 ^ (product >> 64) as u64)
    }
}

fn lines_for(entries: u64) -> u64 {
    entries.saturating_mul(BITS_PER_ENTRY).div_ceil(LINE_BYTES as u64 * 8).clamp(1, LINES_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hashes of a range that begins with the given bits.
    fn hashes(seed: u64, count: u64, top_bits: u32) -> impl Iterator<Item = u64> {
        (0..count).map(move |i| {
            let mut z = (seed << 40 | i).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            (z ^ (z >> 31)) >> top_bits
        })
    }

    fn passed(filter: &Filter, seed: u64, top_bits: u32) -> f64 {
        let absent = 100_000;
        hashes(seed, absent, top_bits).filter(|&hash| filter.may_contain(hash)).count() as f64 / absent as f64
    }

    #[test]
    fn what_was_added_passes_and_one_in_a_hundred_others_does() {
        // A run may hold the whole hash space, or a thousandth of it.
        for top_bits in [0, 10] {
            let mut filter = Filter::new(50_000);
            hashes(1, 50_000, top_bits).for_each(|hash| filter.insert(hash));
            assert!(hashes(1, 50_000, top_bits).all(|hash| filter.may_contain(hash)));
            let rate = passed(&filter, 2, top_bits);
            assert!(rate < 0.013, "{rate}");
        }
    }

    #[test]
    fn a_folded_filter_is_the_smaller_filter() {
        for (estimate, entries) in [(1_000_000, 30_000), (30_000, 30_000), (1, 30_000), (40_000, 1)] {
            let mut builder = FilterBuilder::new(estimate);
            hashes(1, entries, 0).for_each(|hash| builder.insert(hash));
            let filter = builder.finish(entries);
            assert!(hashes(1, entries, 0).all(|hash| filter.may_contain(hash)));
            let mut direct = Filter { lines: vec![Line::default(); filter.lines.len()] };
            hashes(1, entries, 0).for_each(|hash| direct.insert(hash));
            assert_eq!(filter.lines, direct.lines);
            let needed = lines_for(entries);
            assert!(
                filter.lines.len() as u64 <= 2 * needed.max(64),
                "{} lines, {needed}",
                filter.lines.len()
            );
        }
    }

    #[test]
    fn a_filter_comes_back() {
        let mut filter = Filter::new(1000);
        hashes(1, 1000, 0).for_each(|hash| filter.insert(hash));
        let mut read = Filter::with_capacity(0);
        filter.encoded_lines().for_each(|line| read.push_encoded_line(&line));
        assert_eq!(read.lines, filter.lines);
        assert_eq!(filter.size_bytes(), (filter.encoded_lines().count() * LINE_BYTES) as u64);
    }
}
