//! One key with its value, as bytes in an arena slot.
//!
//! ```text
//! byte 0     kind: 0 Int, 1 Str, 2 RawStr, 3 Object, 4 Tombstone
//! byte 1     flags: bit 0 has an expiry, bit 1 the expiry has 8 bytes and not 6,
//!            bits 2 and 3 dirty in the even / odd epoch, bit 4 exists on disk,
//!            bit 5 used since the clock hand passed, bit 6 loaded and not used yet, bit 7 zero
//! byte 2-4   access: 24 bits, little-endian; LRU seconds or LFU, opaque here
//! varint     key length (7 bits a byte, low bits first, high bit says that more follow)
//! 0, 6 or 8  expiry, unix milliseconds, little-endian
//! …          key
//! …          value   Int: 8 bytes, little-endian   Str, RawStr: varint length, bytes   Object: 4-byte index
//!                    Tombstone: none
//! ```
//!
//! * The bytes are written here and nowhere else, so reading trusts the lengths; slices are still bounds-checked.
//! * Six bytes of expiry reach the year 10889. Redis accepts more, and TTL must then answer exactly: 8 bytes.
//! * `RawStr` is a string whose encoding is `raw` although it is short, as after APPEND. Other strings are
//!   `embstr` up to 44 bytes and `raw` above, which their length says.
//! * Bits 2-6 say how the entry stands to what is on disk ([`State`]). They survive every rewrite of the entry.
//! * A tombstone says that the key does not exist, whatever the disk says.
//! * No allocation, no clock, no table: functions over byte slices, and the types of values.

use std::sync::Arc;

use super::object::Object;
use crate::types::string::encoding::{EMBSTR_MAX, Encoding};

/// Strings longer than this are kept outside the table, as [`Object::String`].
pub const INLINE_MAX: usize = 2048;

const HAS_EXPIRE: u8 = 1;
const WIDE_EXPIRE: u8 = 2;
const EXPIRE_BITS: u8 = HAS_EXPIRE | WIDE_EXPIRE;
/// Bytes of expiry by the two low bits of the flags.
const EXPIRE_LEN: [usize; 4] = [0, 6, 0, 8];
const KEY_LEN_AT: usize = 5;

/// What the value bytes are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
enum Kind {
    Int = 0,
    Str = 1,
    RawStr = 2,
    Object = 3,
    Tombstone = 4,
}

/// Which of two neighbouring epochs: even or odd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parity(u8);

impl Parity {
    /// The parity of an epoch.
    #[inline]
    pub const fn of(epoch: u64) -> Self {
        Parity((epoch & 1) as u8)
    }

    /// That of the epochs before and after.
    #[inline]
    #[must_use]
    pub const fn other(self) -> Self {
        Parity(self.0 ^ 1)
    }

    /// 0 or 1.
    #[inline]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// How an entry stands to what is on disk, and whether the cache should keep it: the flags byte without the expiry's bits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct State(u8);

impl State {
    /// Of a key that was never on disk, and that no epoch has marked as dirty yet.
    pub const NEW: State = State(0);
    /// Just read from disk.
    pub const LOADED: State = State(Self::ON_DISK | Self::FRESH);
    /// Looked for on disk and not found there.
    pub const ABSENT: State = State(Self::FRESH);

    const DIRTY: [u8; 2] = [1 << 2, 1 << 3];
    const ON_DISK: u8 = 1 << 4;
    const USED: u8 = 1 << 5;
    const FRESH: u8 = 1 << 6;

    /// Was it changed in the epoch with this parity?
    #[inline]
    pub const fn is_dirty(self, parity: Parity) -> bool {
        self.0 & Self::DIRTY[parity.index()] != 0
    }

    /// Is what a published version says of the key its latest state? Then the entry may leave RAM (E2).
    #[inline]
    pub const fn is_clean(self) -> bool {
        self.0 & (Self::DIRTY[0] | Self::DIRTY[1]) == 0
    }

    /// Is it dirty in the epoch with this parity, and in no other?
    #[inline]
    pub const fn is_dirty_only(self, parity: Parity) -> bool {
        self.0 & (Self::DIRTY[0] | Self::DIRTY[1]) == Self::DIRTY[parity.index()]
    }

    /// A bit for each parity of epochs that it is dirty in.
    #[inline]
    pub const fn dirty_bits(self) -> u8 {
        self.0 >> 2 & 3
    }

    /// May an image on disk, or one in the making, hold the key? Then deleting it takes a tombstone.
    #[inline]
    pub const fn is_on_disk(self) -> bool {
        self.0 & Self::ON_DISK != 0
    }

    /// Was it used since the clock hand passed?
    #[inline]
    pub const fn is_used(self) -> bool {
        self.0 & Self::USED != 0
    }

    /// Was it loaded for a command that has not used it yet?
    #[inline]
    pub const fn is_fresh(self) -> bool {
        self.0 & Self::FRESH != 0
    }

    /// Changed in the epoch with this parity.
    #[inline]
    #[must_use]
    pub const fn with_dirty(self, parity: Parity) -> Self {
        State(self.0 | Self::DIRTY[parity.index()])
    }

    /// Not changed in the epoch with this parity, as far as anybody needs to know.
    #[inline]
    #[must_use]
    pub const fn without_dirty(self, parity: Parity) -> Self {
        State(self.0 & !Self::DIRTY[parity.index()])
    }

    /// Captured for an image.
    #[inline]
    #[must_use]
    pub const fn with_on_disk(self) -> Self {
        State(self.0 | Self::ON_DISK)
    }

    /// Used now. The first use of what was just loaded does not count: a key that is read once displaces nothing.
    #[inline]
    #[must_use]
    pub const fn touched(self) -> Self {
        if self.is_fresh() { State(self.0 & !Self::FRESH) } else { State(self.0 | Self::USED) }
    }

    /// The clock hand passes.
    #[inline]
    #[must_use]
    pub const fn passed(self) -> Self {
        State(self.0 & !(Self::USED | Self::FRESH))
    }
}

/// The state of the entry at the start of `bytes`.
#[inline]
pub(super) fn state(bytes: &[u8]) -> State {
    State(bytes[1] & !EXPIRE_BITS)
}

/// Changes the state.
#[inline]
pub(super) fn set_state(bytes: &mut [u8], state: State) {
    bytes[1] = bytes[1] & EXPIRE_BITS | state.0;
}

/// Is the value held as an integer?
#[inline]
pub(super) fn is_int(bytes: &[u8]) -> bool {
    bytes[0] == Kind::Int as u8
}

/// Does the entry say that the key does not exist?
#[inline]
pub(super) fn is_tombstone(bytes: &[u8]) -> bool {
    bytes[0] == Kind::Tombstone as u8
}

/// A value to store.
#[derive(Clone, Debug)]
pub enum NewValue<'a> {
    /// A string that is a canonical 64-bit integer.
    Int(i64),
    /// A string, and whether its encoding must be `raw` though short. Over [`INLINE_MAX`] it becomes an object.
    Bytes(&'a [u8], bool),
    /// A string that is already shared; it becomes an object whatever its length.
    Shared(Arc<Vec<u8>>),
    /// A value that is kept outside its entry.
    Object(Object),
}

/// A value as stored.
#[derive(Clone, Copy, Debug)]
pub enum Value<'a> {
    /// A string held as an integer.
    Int(i64),
    /// A string held in the entry.
    Bytes {
        /// The string.
        bytes: &'a [u8],
        /// Whether OBJECT ENCODING must say `raw` even if it is short.
        raw: bool,
    },
    /// A value outside the entry.
    Object(&'a Object),
}

impl Value<'_> {
    /// The name of its type, as TYPE gives it.
    pub fn type_name(self) -> &'static str {
        match self {
            Self::Int(_) | Self::Bytes { .. } => "string",
            Self::Object(object) => object.type_name(),
        }
    }

    /// The name of its encoding, as OBJECT ENCODING gives it.
    pub fn encoding(self) -> &'static str {
        match self {
            Self::Int(_) => Encoding::Int.name(),
            Self::Bytes { bytes, raw: false } if bytes.len() <= EMBSTR_MAX => Encoding::Embstr.name(),
            Self::Bytes { .. } => Encoding::Raw.name(),
            Self::Object(object) => object.encoding(),
        }
    }
}

/// A value in the form an entry holds: objects are already stored, and known by index.
#[derive(Clone, Copy)]
pub(super) enum Stored<'a> {
    Int(i64),
    Bytes(&'a [u8], bool),
    Object(u32),
    Tombstone,
}

impl Stored<'_> {
    /// Bytes that [`write_value`] writes.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Int(_) => 8,
            Self::Bytes(bytes, _) => varint_len(bytes.len()) + bytes.len(),
            Self::Object(_) => 4,
            Self::Tombstone => 0,
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Int(_) => Kind::Int,
            Self::Bytes(_, false) => Kind::Str,
            Self::Bytes(_, true) => Kind::RawStr,
            Self::Object(_) => Kind::Object,
            Self::Tombstone => Kind::Tombstone,
        }
    }
}

/// Where the parts of an entry lie.
#[derive(Clone, Copy)]
pub(super) struct Layout {
    expire_at: usize,
    key_at: usize,
    key_len: usize,
}

impl Layout {
    /// The layout that an entry will have.
    pub(super) fn plan(key_len: usize, expire: Option<u64>) -> Self {
        let expire_at = KEY_LEN_AT + varint_len(key_len);
        Self { expire_at, key_at: expire_at + EXPIRE_LEN[usize::from(expire_flags(expire))], key_len }
    }

    /// The layout of the entry at the start of `bytes`.
    #[inline]
    pub(super) fn of(bytes: &[u8]) -> Self {
        let (key_len, expire_at) = varint_at(bytes, KEY_LEN_AT);
        Self { expire_at, key_at: expire_at + EXPIRE_LEN[usize::from(bytes[1] & 3)], key_len }
    }

    /// First byte of the value.
    #[inline]
    pub(super) fn value_at(&self) -> usize {
        self.key_at + self.key_len
    }
}

/// The key of the entry at the start of `bytes`.
#[inline]
pub(super) fn key(bytes: &[u8]) -> &[u8] {
    let layout = Layout::of(bytes);
    &bytes[layout.key_at..layout.value_at()]
}

/// Writes a whole entry.
pub(super) fn write(
    bytes: &mut [u8],
    key: &[u8],
    value: Stored<'_>,
    expire: Option<u64>,
    access: u32,
    state: State,
) {
    let layout = Layout::plan(key.len(), expire);
    bytes[1] = state.0 | expire_flags(expire);
    set_access(bytes, access);
    put_varint(bytes, KEY_LEN_AT, key.len());
    put_expire(bytes, layout, expire);
    bytes[layout.key_at..layout.value_at()].copy_from_slice(key);
    write_value(bytes, layout, value);
}

/// Writes the value, and the kind in the header.
#[inline]
pub(super) fn write_value(bytes: &mut [u8], layout: Layout, value: Stored<'_>) {
    bytes[0] = value.kind() as u8;
    let at = layout.value_at();
    match value {
        Stored::Int(n) => bytes[at..at + 8].copy_from_slice(&n.to_le_bytes()),
        Stored::Bytes(s, _) => {
            let at = put_varint(bytes, at, s.len());
            bytes[at..at + s.len()].copy_from_slice(s);
        }
        Stored::Object(index) => bytes[at..at + 4].copy_from_slice(&index.to_le_bytes()),
        Stored::Tombstone => {}
    }
}

/// The value of the entry at the start of `bytes`.
#[inline]
pub(super) fn value(bytes: &[u8]) -> Stored<'_> {
    let at = Layout::of(bytes).value_at();
    match bytes[0] {
        0 => Stored::Int(i64::from_le_bytes(array_at(bytes, at))),
        3 => Stored::Object(u32::from_le_bytes(array_at(bytes, at))),
        4 => Stored::Tombstone,
        kind => {
            let (len, at) = varint_at(bytes, at);
            Stored::Bytes(&bytes[at..at + len], kind == Kind::RawStr as u8)
        }
    }
}

/// The index of the object that the entry refers to, if its value is one.
pub(super) fn object_index(bytes: &[u8]) -> Option<u32> {
    match value(bytes) {
        Stored::Object(index) => Some(index),
        _ => None,
    }
}

/// The string bytes of the entry for writing, if they are held in it.
pub(super) fn string_mut(bytes: &mut [u8]) -> Option<&mut [u8]> {
    if bytes[0] != Kind::Str as u8 && bytes[0] != Kind::RawStr as u8 {
        return None;
    }
    let (len, at) = varint_at(bytes, Layout::of(bytes).value_at());
    Some(&mut bytes[at..at + len])
}

/// The expiry in unix milliseconds.
#[inline]
pub(super) fn expire(bytes: &[u8]) -> Option<u64> {
    if bytes[1] & HAS_EXPIRE == 0 {
        return None;
    }
    let layout = Layout::of(bytes);
    let mut wide = [0; 8];
    let len = layout.key_at - layout.expire_at;
    wide[..len].copy_from_slice(&bytes[layout.expire_at..layout.key_at]);
    Some(u64::from_le_bytes(wide))
}

/// Changes the expiry within the slot, moving key and value (`value_len` bytes) as needed. The caller has checked
/// that the slot is long enough.
pub(super) fn set_expire(bytes: &mut [u8], value_len: usize, expire: Option<u64>) {
    let old = Layout::of(bytes);
    let new = Layout::plan(old.key_len, expire);
    if old.key_at != new.key_at {
        bytes.copy_within(old.key_at..old.value_at() + value_len, new.key_at);
    }
    bytes[1] = bytes[1] & !EXPIRE_BITS | expire_flags(expire);
    put_expire(bytes, new, expire);
}

/// The 24 bits of access information.
#[inline]
pub(super) fn access(bytes: &[u8]) -> u32 {
    u32::from_le_bytes([bytes[2], bytes[3], bytes[4], 0])
}

/// Stores the low 24 bits of `access`.
#[inline]
pub(super) fn set_access(bytes: &mut [u8], access: u32) {
    bytes[2..5].copy_from_slice(&access.to_le_bytes()[..3]);
}

fn expire_flags(expire: Option<u64>) -> u8 {
    match expire {
        None => 0,
        Some(ms) if ms >> 48 == 0 => HAS_EXPIRE,
        Some(_) => HAS_EXPIRE | WIDE_EXPIRE,
    }
}

fn put_expire(bytes: &mut [u8], layout: Layout, expire: Option<u64>) {
    let len = layout.key_at - layout.expire_at;
    bytes[layout.expire_at..layout.key_at].copy_from_slice(&expire.unwrap_or(0).to_le_bytes()[..len]);
}

const fn varint_len(n: usize) -> usize {
    ((n | 1).ilog2() / 7 + 1) as usize
}

/// Writes `n` at `at` and gives the position after it.
fn put_varint(bytes: &mut [u8], mut at: usize, mut n: usize) -> usize {
    while n >= 0x80 {
        bytes[at] = n as u8 | 0x80;
        n >>= 7;
        at += 1;
    }
    bytes[at] = n as u8;
    at + 1
}

/// The number at `at` and the position after it.
#[inline]
fn varint_at(bytes: &[u8], at: usize) -> (usize, usize) {
    let first = usize::from(bytes[at]);
    if first < 0x80 { (first, at + 1) } else { long_varint_at(bytes, at) }
}

fn long_varint_at(bytes: &[u8], mut at: usize) -> (usize, usize) {
    let (mut n, mut shift) = (0, 0);
    loop {
        let byte = usize::from(bytes[at]);
        n |= (byte & 0x7f) << shift;
        (at, shift) = (at + 1, shift + 7);
        if byte < 0x80 {
            return (n, at);
        }
    }
}

#[inline]
fn array_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes[at..at + N].try_into().expect("the range has N bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored_string(bytes: &[u8]) -> (&[u8], bool) {
        match value(bytes) {
            Stored::Bytes(s, raw) => (s, raw),
            _ => panic!("not a string"),
        }
    }

    #[test]
    fn what_is_written_is_read_for_every_length_class_and_expiry() {
        let mut slot = vec![0xEE; 80_000];
        for key_len in [0, 1, 127, 128, 16_383, 16_384, 30_000] {
            for value_len in [0, 1, 44, 127, 128, INLINE_MAX, 40_000] {
                for expiry in [None, Some(0), Some((1 << 48) - 1), Some(1 << 48), Some(u64::MAX)] {
                    let (k, v) = (vec![b'k'; key_len], vec![b'v'; value_len]);
                    let stored = Stored::Bytes(&v, true);
                    write(&mut slot, &k, stored, expiry, 0xAB_CDEF, State(0x1C));
                    let end = Layout::plan(key_len, expiry).value_at() + stored.len();
                    assert_eq!(key(&slot), k);
                    assert_eq!(stored_string(&slot), (&v[..], true));
                    assert_eq!(expire(&slot), expiry);
                    assert_eq!(access(&slot), 0xAB_CDEF);
                    assert_eq!(slot[1] & !3, 0x1C, "the state is kept beside the expiry's bits");
                    assert_eq!(slot[end], 0xEE, "nothing is written after the entry");
                    slot[..end].fill(0xEE);
                }
            }
        }
    }

    #[test]
    fn an_expiry_changes_within_the_slot() {
        let mut slot = vec![0; 200];
        write(&mut slot, b"key", Stored::Bytes(b"value", false), None, 7, State::NEW);
        for expiry in [Some(5), None, Some(u64::MAX), Some(9), Some(1 << 50), None] {
            set_expire(&mut slot, 6, expiry);
            assert_eq!(expire(&slot), expiry);
            assert_eq!(key(&slot), b"key");
            assert_eq!(stored_string(&slot), (&b"value"[..], false));
            assert_eq!(access(&slot), 7);
        }
    }

    #[test]
    fn numbers_and_object_indices_round_trip() {
        let mut slot = vec![0; 64];
        write(&mut slot, b"k", Stored::Int(i64::MIN), Some(1), 0, State::NEW);
        assert!(matches!(value(&slot), Stored::Int(i64::MIN)));
        assert_eq!(object_index(&slot), None);
        assert_eq!(string_mut(&mut slot), None);
        let layout = Layout::of(&slot);
        write_value(&mut slot, layout, Stored::Object(0xDEAD_BEEF));
        assert_eq!(object_index(&slot), Some(0xDEAD_BEEF));
    }
}
