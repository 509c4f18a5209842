//! The longest common subsequence of two strings: the LCS command.
//!
//! * The table of LCS lengths is kept as one bit for each pair of positions: whether a row's length grows at a
//!   column. A row's bits follow from the row before with a few operations for each 64 columns (Hyyrö, "Bit-parallel
//!   LCS-length computation revisited"). Time and memory are a 64th and a 32nd of a table of numbers.
//! * Of several longest subsequences the one that Redis finds is found: a step back from unequal bytes goes to the
//!   shorter first string only if the lengths demand it. So the replies are the same.
//! * The sizes that Redis refuses are refused, though the table here is smaller: the limit also bounds the time.

/// Strings of this length and more are refused.
const LEN_LIMIT: usize = u32::MAX as usize - 1;

/// Why an LCS is not computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LcsError {
    /// `ERR String too long for LCS`
    StringTooLong,
    /// `ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len`
    TableTooLarge,
}

/// Bytes that follow each other in both strings, as IDX shows them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Match {
    /// The index of the first byte in the first string.
    pub a_start: usize,
    /// The index of the first byte in the second string.
    pub b_start: usize,
    /// The number of bytes, at least one. The last byte's index is `start + len - 1`.
    pub len: usize,
}

/// The reply of IDX.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matches {
    /// The matches from the last to the first.
    pub matches: Vec<Match>,
    /// The length of the LCS, whatever matches were left out.
    pub len: usize,
}

/// The length of the LCS of `a` and `b`.
///
/// Its memory is proportional to the shorter string. `table_bytes_max` is `proto-max-bulk-len`, and refuses the sizes
/// that Redis refuses.
pub fn length(a: &[u8], b: &[u8], table_bytes_max: u64) -> Result<usize, LcsError> {
    check_size(a, b, table_bytes_max)?;
    let (rows, columns) = if a.len() >= b.len() { (a, b) } else { (b, a) };
    let positions = Positions::new(rows, columns);
    let mut row = vec![u64::MAX; positions.words];
    for &byte in rows {
        advance(&mut row, positions.of(byte));
    }
    Ok(count_zeros(&row))
}

/// The LCS of `a` and `b`. `table_bytes_max` is as in [`length`].
pub fn subsequence(a: &[u8], b: &[u8], table_bytes_max: u64) -> Result<Vec<u8>, LcsError> {
    let table = Table::new(a, b, table_bytes_max)?;
    let mut bytes = Vec::with_capacity(table.lcs_len());
    table.for_each_match_backwards(a, b, |i, _| bytes.push(a[i]));
    bytes.reverse();
    Ok(bytes)
}

/// Where the LCS of `a` and `b` lies in both: the matches of at least `match_len_min` bytes (MINMATCHLEN).
/// `table_bytes_max` is as in [`length`].
pub fn matches(a: &[u8], b: &[u8], match_len_min: usize, table_bytes_max: u64) -> Result<Matches, LcsError> {
    let table = Table::new(a, b, table_bytes_max)?;
    let mut matches: Vec<Match> = Vec::new();
    table.for_each_match_backwards(a, b, |i, j| match matches.last_mut() {
        Some(last) if last.a_start == i + 1 && last.b_start == j + 1 => {
            *last = Match { a_start: i, b_start: j, len: last.len + 1 };
        }
        last => {
            if last.is_some_and(|last| last.len < match_len_min) {
                matches.pop();
            }
            matches.push(Match { a_start: i, b_start: j, len: 1 });
        }
    });
    if matches.last().is_some_and(|last| last.len < match_len_min) {
        matches.pop();
    }
    Ok(Matches { matches, len: table.lcs_len() })
}

/// Refuses what Redis's table of 32-bit numbers would not fit into `table_bytes_max` for.
fn check_size(a: &[u8], b: &[u8], table_bytes_max: u64) -> Result<(), LcsError> {
    if a.len() >= LEN_LIMIT || b.len() >= LEN_LIMIT {
        return Err(LcsError::StringTooLong);
    }
    let table_bytes = (a.len() as u128 + 1) * (b.len() as u128 + 1) * 4;
    if table_bytes > u128::from(table_bytes_max) { Err(LcsError::TableTooLarge) } else { Ok(()) }
}

/// For each byte value of the row string, the columns that have it, as a bit set.
struct Positions {
    /// The length of a set, in words.
    words: usize,
    /// The number of the byte's set, plus one; zero for bytes that the row string has not.
    set_of_byte: [u16; 256],
    sets: Vec<u64>,
}

impl Positions {
    /// Only bytes of `rows` get a set, so that the sets are never larger than a table of all rows.
    fn new(rows: &[u8], columns: &[u8]) -> Self {
        let words = columns.len().div_ceil(64);
        let mut set_of_byte = [0u16; 256];
        let mut count = 0;
        for &byte in rows {
            let set = &mut set_of_byte[usize::from(byte)];
            if *set == 0 {
                count += 1;
                *set = count;
            }
        }
        let mut sets = vec![0u64; usize::from(count) * words];
        for (column, &byte) in columns.iter().enumerate() {
            if let Some(set) = set_of_byte[usize::from(byte)].checked_sub(1) {
                sets[usize::from(set) * words + column / 64] |= 1 << (column % 64);
            }
        }
        Positions { words, set_of_byte, sets }
    }

    /// The columns that have `byte`, which is one of the row string's.
    fn of(&self, byte: u8) -> &[u64] {
        let set = usize::from(self.set_of_byte[usize::from(byte)] - 1);
        &self.sets[set * self.words..(set + 1) * self.words]
    }
}

/// Turns a row of the table into the next one, whose byte is in the columns of `positions`.
///
/// A zero bit is a column where the row's LCS length grows by one. Bits beyond the last column stay ones.
fn advance(row: &mut [u64], positions: &[u64]) {
    let mut carry = false;
    for (word, &equal) in row.iter_mut().zip(positions) {
        let (sum, first) = word.overflowing_add(*word & equal);
        let (sum, second) = sum.overflowing_add(u64::from(carry));
        carry = first || second;
        *word = sum | (*word & !equal);
    }
}

fn count_zeros(row: &[u64]) -> usize {
    row.iter().map(|word| word.count_zeros() as usize).sum()
}

/// The rows for every prefix of the first string, over the columns of the second.
struct Table {
    words: usize,
    rows: Vec<u64>,
}

impl Table {
    fn new(a: &[u8], b: &[u8], table_bytes_max: u64) -> Result<Self, LcsError> {
        check_size(a, b, table_bytes_max)?;
        let positions = Positions::new(a, b);
        let words = positions.words;
        let mut rows = Vec::with_capacity(a.len() * words);
        let mut row = vec![u64::MAX; words];
        for &byte in a {
            advance(&mut row, positions.of(byte));
            rows.extend_from_slice(&row);
        }
        Ok(Table { words, rows })
    }

    /// The length of the LCS, which is where the last row has grown to.
    fn lcs_len(&self) -> usize {
        count_zeros(&self.rows[self.rows.len() - self.words.min(self.rows.len())..])
    }

    /// Whether the LCS of `a[..=i]` with `b[..=j]` is longer than that with `b[..j]`.
    fn grows_at(&self, i: usize, j: usize) -> bool {
        self.rows[i * self.words + j / 64] >> (j % 64) & 1 == 0
    }

    /// Calls `visit` with the positions of each byte of the LCS, from the last to the first.
    fn for_each_match_backwards(&self, a: &[u8], b: &[u8], mut visit: impl FnMut(usize, usize)) {
        let (mut i, mut j) = (a.len(), b.len());
        while i > 0 && j > 0 {
            if a[i - 1] == b[j - 1] {
                visit(i - 1, j - 1);
                i -= 1;
                j -= 1;
            } else if self.grows_at(i - 1, j - 1) {
                // Without b's last byte the LCS would be shorter, so it does without a's.
                i -= 1;
            } else {
                j -= 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_LIMIT: u64 = u64::MAX;

    /// The algorithm on a table of numbers, with Redis's choice among equals.
    fn naive(a: &[u8], b: &[u8]) -> (Vec<u8>, Vec<Match>) {
        let mut table = vec![vec![0u32; b.len() + 1]; a.len() + 1];
        for i in 1..=a.len() {
            for j in 1..=b.len() {
                table[i][j] = if a[i - 1] == b[j - 1] {
                    table[i - 1][j - 1] + 1
                } else {
                    table[i - 1][j].max(table[i][j - 1])
                };
            }
        }
        let (mut bytes, mut matches) = (Vec::new(), Vec::<Match>::new());
        let (mut i, mut j, mut open) = (a.len(), b.len(), false);
        while i > 0 && j > 0 {
            if a[i - 1] == b[j - 1] {
                (i, j) = (i - 1, j - 1);
                bytes.insert(0, a[i]);
                match matches.last_mut() {
                    Some(last) if open => *last = Match { a_start: i, b_start: j, len: last.len + 1 },
                    _ => matches.push(Match { a_start: i, b_start: j, len: 1 }),
                }
                open = true;
            } else {
                open = false;
                if table[i - 1][j] > table[i][j - 1] {
                    i -= 1;
                } else {
                    j -= 1;
                }
            }
        }
        (bytes, matches)
    }

    #[test]
    fn the_manuals_example_has_its_matches() {
        let (a, b) = (b"ohmytext", b"mynewtext");
        assert_eq!(subsequence(a, b, NO_LIMIT).unwrap(), b"mytext");
        assert_eq!(length(a, b, NO_LIMIT), Ok(6));
        let text = Match { a_start: 4, b_start: 5, len: 4 };
        let my = Match { a_start: 2, b_start: 0, len: 2 };
        assert_eq!(matches(a, b, 0, NO_LIMIT).unwrap(), Matches { matches: vec![text, my], len: 6 });
        assert_eq!(matches(a, b, 4, NO_LIMIT).unwrap(), Matches { matches: vec![text], len: 6 });
        assert_eq!(matches(a, b, 5, NO_LIMIT).unwrap(), Matches { matches: vec![], len: 6 });
    }

    #[test]
    fn empty_strings_have_nothing_in_common() {
        for (a, b) in [(b"".as_slice(), b"".as_slice()), (b"", b"abc"), (b"abc", b""), (b"a", b"b")] {
            assert_eq!(length(a, b, NO_LIMIT), Ok(0));
            assert!(subsequence(a, b, NO_LIMIT).unwrap().is_empty());
            assert_eq!(matches(a, b, 0, NO_LIMIT).unwrap(), Matches { matches: vec![], len: 0 });
        }
    }

    #[test]
    fn tables_beyond_the_limit_are_refused() {
        let (a, b) = ([b'a'; 99], [b'b'; 9]);
        let table_bytes = 100 * 10 * 4;
        assert_eq!(length(&a, &b, table_bytes), Ok(0));
        assert_eq!(length(&a, &b, table_bytes - 1), Err(LcsError::TableTooLarge));
        assert_eq!(subsequence(&a, &b, table_bytes - 1), Err(LcsError::TableTooLarge));
        assert_eq!(matches(&a, &b, 0, table_bytes - 1), Err(LcsError::TableTooLarge));
    }

    #[test]
    fn results_agree_with_a_table_of_numbers() {
        let seed = 0x0dd0_5eed_0dd0_5eed_u64;
        println!("seed {seed:#x}");
        let mut state = seed;
        let mut below = |bound: u64| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) % bound
        };
        for round in 0..2_000 {
            let longest = if round % 20 == 0 { 200 } else { 24 };
            let letters = 1 + below(6);
            let mut string = || -> Vec<u8> {
                let len = below(longest + 1);
                (0..len).map(|_| b'a' + below(letters) as u8).collect()
            };
            let (a, b) = (string(), string());
            let (bytes, all) = naive(&a, &b);
            let min = below(4) as usize;
            let long: Vec<Match> = all.iter().copied().filter(|found| found.len >= min).collect();
            assert_eq!(length(&a, &b, NO_LIMIT), Ok(bytes.len()));
            assert_eq!(matches(&a, &b, min, NO_LIMIT).unwrap(), Matches { matches: long, len: bytes.len() });
            assert_eq!(subsequence(&a, &b, NO_LIMIT).unwrap(), bytes);
        }
    }
}
