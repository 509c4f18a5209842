//! HyperLogLog: the number of distinct elements, estimated from 16384 registers of six bits.
//!
//! A HyperLogLog is a string, byte for byte as Redis keeps it, so that GET, SET and DUMP move it between servers:
//!
//! ```text
//! header     "HYLL" | encoding (0 dense, 1 sparse) | 3 zero bytes | cached cardinality (8, little-endian)
//! dense      16384 registers of 6 bits: register 0 is the low bits of the first byte, and so on upwards
//! sparse     runs of equal registers, from register 0 to the last:
//!            00llllll           len + 1 registers that are 0
//!            01llllll llllllll  len + 1 registers that are 0; high bits first
//!            1vvvvvll           len + 1 registers that are v + 1
//! ```
//!
//! * The high bit of the cached cardinality says that it is stale.
//! * An element's hash (MurmurHash64A, seed 0xadc83b19) names a register with its low 14 bits; the register keeps the
//!   greatest position of the lowest set bit of the other 50 that it has met.
//! * A sparse one turns dense, for good, when a register passes 32 or when it would pass `sparse_max_bytes`
//!   (`hll-sparse-max-bytes`), and never else: its bytes are those that Redis has after the same commands.
//! * Any client can write any string, so nothing about the bytes is trusted. [`encoding`] is asked first; what it accepts can
//!   still have runs that do not add up, which is [`Corrupt`].
//! * The cache is the caller's to use: PFCOUNT on one key writes, and is logged, only when the cache was stale.

mod dense;
mod estimate;
mod murmur;
mod selftest;
mod sparse;
mod union;

pub use selftest::{Failure, self_test};
pub use union::Union;

/// The number of registers.
pub const REGISTERS: usize = 1 << INDEX_BITS;
/// The bits of the hash that name a register.
const INDEX_BITS: u32 = 14;
/// The other bits of the hash; a register is at most one more.
const PATTERN_BITS: u32 = 64 - INDEX_BITS;
/// Bytes of the header.
const HEADER_LEN: usize = 16;
/// Bytes of a dense HyperLogLog.
const DENSE_LEN: usize = HEADER_LEN + REGISTERS * 6 / 8;
/// Where the header names the encoding.
const ENCODING_AT: usize = 4;
/// Where the header has the cached cardinality, eight bytes.
pub const CACHE_AT: usize = 8;
/// The bit of the cached cardinality that says that it is stale.
const STALE: u64 = 1 << 63;

/// How the registers are kept. PFDEBUG ENCODING replies with the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// All of them, in six bits each.
    Dense,
    /// Runs of equal ones.
    Sparse,
}

impl Encoding {
    /// The name in PFDEBUG's reply.
    pub fn name(self) -> &'static str {
        match self {
            Encoding::Dense => "dense",
            Encoding::Sparse => "sparse",
        }
    }
}

/// Registers that do not add up: Redis's `INVALIDOBJ Corrupted HLL object detected`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Corrupt;

/// The encoding of a string that is a HyperLogLog. `None` is Redis's
/// `WRONGTYPE Key is not a valid HyperLogLog string value.`; nothing else here may be asked about such a string.
pub fn encoding(string: &[u8]) -> Option<Encoding> {
    if string.len() < HEADER_LEN || !string.starts_with(b"HYLL") {
        return None;
    }
    match string[ENCODING_AT] {
        0 if string.len() == DENSE_LEN => Some(Encoding::Dense),
        1 => Some(Encoding::Sparse),
        _ => None,
    }
}

/// A HyperLogLog without elements, as PFADD and PFMERGE create it: sparse, its cardinality known to be zero.
pub fn new() -> Vec<u8> {
    let mut hll = Vec::with_capacity(32);
    hll.extend_from_slice(b"HYLL\x01\0\0\0");
    hll.extend_from_slice(&0u64.to_le_bytes());
    hll.extend_from_slice(&sparse::EMPTY);
    hll
}

/// Adds an element and says whether a register changed. Then, and when PFADD created the value, the caller calls
/// [`invalidate`] once it has added all.
///
/// # Errors
/// [`Corrupt`] if the runs of a sparse one end before the element's register.
pub fn add(hll: &mut Vec<u8>, element: &[u8], sparse_max_bytes: usize) -> Result<bool, Corrupt> {
    let (index, value) = register_of(element);
    set(hll, &mut sparse::Cursor::default(), index, value, sparse_max_bytes)
}

/// Is adding the element known to change nothing? Only dense ones tell; of a sparse one it is never known.
pub fn has(hll: &[u8], element: &[u8]) -> bool {
    let (index, value) = register_of(element);
    is_dense(hll) && dense::get(&hll[HEADER_LEN..], index) >= value
}

/// The cached cardinality, unless it is stale.
pub fn cached_count(hll: &[u8]) -> Option<u64> {
    let cache = u64::from_le_bytes(hll[CACHE_AT..HEADER_LEN].try_into().expect("the cache has eight bytes"));
    (cache & STALE == 0).then_some(cache)
}

/// Sets the cached cardinality.
pub fn set_cached_count(hll: &mut [u8], count: u64) {
    hll[CACHE_AT..HEADER_LEN].copy_from_slice(&count.to_le_bytes());
}

/// Marks the cached cardinality as stale.
pub fn invalidate(hll: &mut [u8]) {
    hll[HEADER_LEN - 1] |= 0x80;
}

/// The estimated number of distinct elements, computed from the registers. (As an `i64` it is what PFCOUNT replies:
/// forged registers make it negative, in Redis too.)
///
/// # Errors
/// [`Corrupt`] if the runs of a sparse one are not all registers.
pub fn count(hll: &[u8]) -> Result<u64, Corrupt> {
    let mut histogram = [0; estimate::VALUES];
    match is_dense(hll) {
        true => dense::each(&hll[HEADER_LEN..], |_, value| histogram[usize::from(value)] += 1),
        false => sparse::each_run(hll, |_, run| histogram[usize::from(run.value)] += run.len as u32)?,
    }
    Ok(estimate::cardinality(&histogram))
}

/// All registers, for PFDEBUG GETREG.
///
/// # Errors
/// As [`count`].
pub fn registers(hll: &[u8]) -> Result<Box<[u8]>, Corrupt> {
    let mut union = Union::new();
    union.add(hll)?;
    Ok(union.into_registers())
}

/// Turns a sparse one dense; says whether it was sparse. The cache is kept.
///
/// # Errors
/// As [`count`]; then nothing changes.
pub fn to_dense(hll: &mut Vec<u8>) -> Result<bool, Corrupt> {
    if is_dense(hll) {
        return Ok(false);
    }
    let mut dense = vec![0; DENSE_LEN];
    dense[..HEADER_LEN].copy_from_slice(&hll[..HEADER_LEN]);
    dense[ENCODING_AT] = 0;
    sparse::each_run(hll, |first, run| {
        if run.value > 0 {
            (first..first + run.len).for_each(|index| dense::set(&mut dense[HEADER_LEN..], index, run.value));
        }
    })?;
    *hll = dense;
    Ok(true)
}

/// The runs of a sparse one as PFDEBUG DECODE shows them. `None`: it is dense, Redis's `ERR HLL encoding is not sparse`.
pub fn decode(hll: &[u8]) -> Option<String> {
    (!is_dense(hll)).then(|| sparse::decode(hll))
}

fn is_dense(hll: &[u8]) -> bool {
    hll[ENCODING_AT] == 0
}

/// The register of an element, and what it is raised to.
fn register_of(element: &[u8]) -> (usize, u8) {
    let hash = murmur::hash(element);
    let pattern = hash >> INDEX_BITS | 1 << PATTERN_BITS;
    ((hash as usize) & (REGISTERS - 1), pattern.trailing_zeros() as u8 + 1)
}

/// Raises a register to `value` and says whether it was lower.
fn set(
    hll: &mut Vec<u8>,
    cursor: &mut sparse::Cursor,
    index: usize,
    value: u8,
    sparse_max_bytes: usize,
) -> Result<bool, Corrupt> {
    if !is_dense(hll) {
        if let Some(changed) = sparse::raise(hll, cursor, index, value, sparse_max_bytes)? {
            return Ok(changed);
        }
        to_dense(hll)?;
    }
    Ok(dense::raise(&mut hll[HEADER_LEN..], index, value))
}

#[cfg(test)]
mod tests;
