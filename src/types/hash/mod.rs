//! The hash type, with fields that expire.
//!
//! * Three encodings, as OBJECT ENCODING names them: `listpack` (field, value, …), `listpackex` (field, value, expiry, …)
//!   and `hashtable`. A listpack becomes a listpackex with the first command that may make a field expire, and a table
//!   when it has too many fields or a long one; there is no way back.
//! * In a listpackex the triples are ordered by expiry, and those without one, whose expiry is 0, come last in the order
//!   they were set. So what is due stands at the beginning.
//! * A field has expired when its time is before `now`. Whoever works on a hash first removes what has, with
//!   [`Hash::take_expired`]; since that may have to stop at a limit, reading leaves out expired fields as well. Only
//!   [`Hash::len`], [`Hash::set`] and [`Hash::remove`] count them as there.
//! * Expiries are unix milliseconds from 1 to [`EXPIRE_MAX`].

mod fields;
mod small;

use super::Malformed;
use super::listpack::{Element, Listpack};
use super::table::{Field, Fields, Table};
use crate::util::long_double::LongDouble;
use crate::util::random::Random;

pub use fields::{Entry, Iter};

/// The latest time at which a field can expire.
pub const EXPIRE_MAX: u64 = (1 << 46) - 1;
/// Fields that are drawn before giving up on meeting one that has not expired.
const DRAWS_MAX: usize = 32;

/// Up to what a hash is small, and what a big one needs.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// `hash-max-listpack-entries`.
    pub listpack_entries: usize,
    /// `hash-max-listpack-value`, in bytes.
    pub listpack_value: usize,
    /// The dataset's seed for the hashes of fields.
    pub hash_seed: u64,
}

/// How a hash is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// A listpack of fields and values.
    Listpack,
    /// A listpack of fields, values and expiries.
    ListpackEx,
    /// A hash table.
    Hashtable,
}

impl Encoding {
    /// The name that OBJECT ENCODING replies with.
    pub fn name(self) -> &'static str {
        match self {
            Self::Listpack => "listpack",
            Self::ListpackEx => "listpackex",
            Self::Hashtable => "hashtable",
        }
    }
}

/// What becomes of a field's expiry when its value is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// It has none any more: HSET.
    Clear,
    /// It has the one it had, if it was there: HINCRBY.
    Keep,
    /// It has this one, of at most [`EXPIRE_MAX`]: a field that is loaded.
    At(u64),
}

/// On what condition a field gets an expiry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// On none.
    Always,
    /// It has none.
    Nx,
    /// It has one.
    Xx,
    /// It has an earlier one. None at all is later than any.
    Gt,
    /// It has a later one, or none.
    Lt,
}

/// What HEXPIRE did with a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expired {
    /// There is no such field: −2.
    NoField,
    /// The condition does not hold: 0.
    NotMet,
    /// The field has its expiry: 1.
    Set,
    /// The time was not after now, so the field is removed: 2.
    Removed,
}

/// Why a value can't be incremented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IncrementError {
    /// `ERR hash value is not an integer`, or `… is not a float`.
    NotNumber,
    /// `ERR increment or decrement would overflow`, or `… would produce NaN or Infinity`.
    Overflow,
}

/// A hash.
#[derive(Clone)]
pub struct Hash {
    repr: Repr,
}

#[derive(Clone)]
enum Repr {
    Small(small::Small),
    Table(Table<Fields>),
}

impl Hash {
    /// An empty hash.
    pub fn new() -> Self {
        Self { repr: Repr::Small(small::Small::new()) }
    }

    /// A hash of the bytes of a listpack of fields and values from outside. It must have fields, and none of them twice.
    pub fn from_listpack(bytes: Vec<u8>, limits: &Limits) -> Result<Self, Malformed> {
        Self::from_small(small::Small::pairs(Listpack::from_bytes(bytes)?)?, limits)
    }

    /// A hash of the bytes of a listpack of fields, values and expiries from outside, in the order of a listpackex.
    pub fn from_listpack_ex(bytes: Vec<u8>, limits: &Limits) -> Result<Self, Malformed> {
        Self::from_small(small::Small::triples(Listpack::from_bytes(bytes)?)?, limits)
    }

    fn from_small(small: small::Small, limits: &Limits) -> Result<Self, Malformed> {
        let mut hash = Self { repr: Repr::Small(small) };
        if hash.is_empty() {
            return Err(Malformed);
        }
        if hash.len() > limits.listpack_entries {
            hash.convert_to_table(limits);
        }
        Ok(hash)
    }

    /// Makes a table of it, as before many fields are loaded.
    pub fn become_table(&mut self, limits: &Limits) {
        if matches!(self.repr, Repr::Small(_)) {
            self.convert_to_table(limits);
        }
    }

    /// How it is kept.
    pub fn encoding(&self) -> Encoding {
        match &self.repr {
            Repr::Small(small) if small.has_expiries() => Encoding::ListpackEx,
            Repr::Small(_) => Encoding::Listpack,
            Repr::Table(_) => Encoding::Hashtable,
        }
    }

    /// The bytes of the listpack that it is, as DUMP holds them.
    pub fn small_bytes(&self) -> Option<&[u8]> {
        match &self.repr {
            Repr::Small(small) => Some(small.listpack().as_bytes()),
            Repr::Table(_) => None,
        }
    }

    /// The memory where those are, found without looking there.
    pub fn small_memory(&self) -> Option<&[u8]> {
        match &self.repr {
            Repr::Small(small) => Some(small.listpack().raw_memory()),
            Repr::Table(_) => None,
        }
    }

    /// Number of fields, with those that have expired and are not removed yet.
    pub fn len(&self) -> usize {
        match &self.repr {
            Repr::Small(small) => small.len(),
            Repr::Table(table) => table.len(),
        }
    }

    /// Whether it has no fields. Such a hash's key is to be deleted.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of heap memory.
    pub fn memory_bytes(&self) -> usize {
        match &self.repr {
            Repr::Small(small) => small.listpack().memory_bytes(),
            Repr::Table(table) => table.memory_bytes(),
        }
    }

    /// A copy of this moment: of a table in constant time, else of the few bytes.
    pub fn freeze(&self) -> Self {
        self.clone()
    }

    /// Is it big, and a frozen copy of the other or the other of it, unchanged since? Then it has the same elements; if not, it
    /// may have them.
    pub fn is_shared_with(&self, other: &Self) -> bool {
        matches!((&self.repr, &other.repr), (Repr::Table(a), Repr::Table(b)) if a.is_shared_with(b))
    }

    /// A field, if it is there and has not expired.
    pub fn get<'a>(&'a self, field: &'a [u8], now: u64) -> Option<Entry<'a>> {
        let entry = match &self.repr {
            Repr::Small(small) => small.get(field),
            Repr::Table(table) => table.get(field).map(|value| Entry::of(field, value)),
        };
        entry.filter(|entry| entry.is_live(now))
    }

    /// Converts it before fields and values are set at once, if they are too many or too long for its encoding.
    pub fn prepare<'a>(
        &mut self,
        fields_and_values: impl ExactSizeIterator<Item = &'a [u8]>,
        limits: &Limits,
    ) {
        let Repr::Small(small) = &self.repr else { return };
        let too_many = fields_and_values.len().div_ceil(2) > limits.listpack_entries;
        let (mut too_long, mut bytes) = (false, 0);
        for text in fields_and_values {
            too_long |= text.len() > limits.listpack_value;
            bytes += text.len();
        }
        if too_many || too_long || !small.listpack().can_add(bytes) {
            self.convert_to_table(limits);
        }
    }

    /// Sets a field. `true`: it is new.
    pub fn set(&mut self, field: &[u8], value: &[u8], expiry: Expiry, limits: &Limits) -> bool {
        if let Repr::Small(small) = &mut self.repr {
            let longest = field.len().max(value.len());
            if longest > limits.listpack_value || !small.can_set(field, value) {
                self.convert_to_table(limits);
            } else {
                let new = small.set(field, value, expiry);
                if small.len() > limits.listpack_entries {
                    self.convert_to_table(limits);
                }
                return new;
            }
        }
        let Repr::Table(table) = &mut self.repr else { unreachable!("it was converted") };
        let expire = match expiry {
            Expiry::Clear => None,
            Expiry::Keep => table.get(field).and_then(|old| old.expire),
            Expiry::At(expire) => Some(expire),
        };
        table.insert(field, Field { value, expire })
    }

    /// Removes a field. `false`: it is not there.
    pub fn remove(&mut self, field: &[u8]) -> bool {
        match &mut self.repr {
            Repr::Small(small) => small.remove(field),
            Repr::Table(table) => table.remove(field),
        }
    }

    /// Adds to the integer in a field and gives the sum. A missing field counts as 0; an expiry stays.
    pub fn increment(
        &mut self,
        field: &[u8],
        amount: i64,
        now: u64,
        limits: &Limits,
    ) -> Result<i64, IncrementError> {
        let (old, expiry) = match self.get(field, now) {
            Some(entry) => (entry.value.integer().ok_or(IncrementError::NotNumber)?, Expiry::Keep),
            None => (0, Expiry::Clear),
        };
        let sum = old.checked_add(amount).ok_or(IncrementError::Overflow)?;
        self.set(field, itoa::Buffer::new().format(sum).as_bytes(), expiry, limits);
        Ok(sum)
    }

    /// Adds to the number in a field and gives the text of the sum. A missing field counts as 0; an expiry stays.
    pub fn increment_float(
        &mut self,
        field: &[u8],
        amount: LongDouble,
        now: u64,
        limits: &Limits,
    ) -> Result<Vec<u8>, IncrementError> {
        let (old, expiry) = match self.get(field, now).map(|entry| entry.value) {
            Some(Element::Int(number)) => (LongDouble::from(number), Expiry::Keep),
            Some(Element::Bytes(text)) => {
                (LongDouble::parse(text).ok_or(IncrementError::NotNumber)?, Expiry::Keep)
            }
            None => (LongDouble::from(0), Expiry::Clear),
        };
        let sum = old + amount;
        if !sum.is_finite() {
            return Err(IncrementError::Overflow);
        }
        let mut text = Vec::new();
        sum.push_text(&mut text);
        self.set(field, &text, expiry, limits);
        Ok(text)
    }

    /// Makes a field expire `at` a time, up to [`EXPIRE_MAX`]. From then on a listpack is a listpackex, whatever comes of it.
    pub fn expire(&mut self, field: &[u8], at: u64, condition: Condition, now: u64) -> Expired {
        debug_assert!(at <= EXPIRE_MAX, "the caller has bounded the time");
        if let Repr::Small(small) = &mut self.repr {
            small.add_expiries();
        }
        let Some(entry) = self.get(field, now) else { return Expired::NoField };
        if !condition.holds(entry.expire, at) {
            return Expired::NotMet;
        }
        if at <= now {
            self.remove(field);
            return Expired::Removed;
        }
        self.set_expire(field, Some(at));
        Expired::Set
    }

    /// Takes a field's expiry away. `Some(false)`: it has none; `None`: there is no such field.
    pub fn persist(&mut self, field: &[u8], now: u64) -> Option<bool> {
        let expires = self.get(field, now)?.expire.is_some();
        if expires {
            self.set_expire(field, None);
        }
        Some(expires)
    }

    /// When the first of the fields expires.
    pub fn next_expire(&self) -> Option<u64> {
        match &self.repr {
            Repr::Small(small) => small.next_expire(),
            Repr::Table(table) => table.next_expire(),
        }
    }

    /// Removes fields that have expired, up to `limit`, and gives them. It costs next to nothing if none has.
    pub fn take_expired(&mut self, now: u64, limit: usize) -> Vec<Vec<u8>> {
        if self.next_expire().is_none_or(|expire| expire >= now) {
            return Vec::new();
        }
        let expired = match &self.repr {
            Repr::Small(small) => {
                let due = small.iter().take_while(|entry| !entry.is_live(now)).take(limit);
                due.map(|entry| entry.field.to_vec()).collect()
            }
            Repr::Table(table) => table.due(now - 1, limit),
        };
        for field in &expired {
            self.remove(field);
        }
        expired
    }

    /// All fields, with those that have expired.
    pub fn iter(&self) -> Iter<'_> {
        match &self.repr {
            Repr::Small(small) => Iter::small(small.iter()),
            Repr::Table(table) => Iter::table(table.iter()),
        }
    }

    /// The fields that have not expired.
    pub fn live(&self, now: u64) -> impl Iterator<Item = Entry<'_>> {
        self.iter().filter(move |entry| entry.is_live(now))
    }

    /// A step of HSCAN: hands out about `count` fields from `cursor` on and returns the next cursor. Small hashes are handed
    /// out whole, whatever the cursor. The promises are those of [`Table::scan`].
    pub fn scan(&self, cursor: u64, count: usize, now: u64, mut found: impl FnMut(Entry<'_>)) -> u64 {
        if let Repr::Table(table) = &self.repr {
            return table.scan(cursor, count, |field, value| {
                Some(Entry::of(field, value))
                    .filter(|entry| entry.is_live(now))
                    .into_iter()
                    .for_each(&mut found);
            });
        }
        self.live(now).for_each(found);
        0
    }

    /// A field by chance; each is as likely.
    pub fn random(&self, now: u64, random: &mut Random) -> Option<Entry<'_>> {
        let len = self.len();
        if len == 0 {
            return None;
        }
        let mut draws = (0..DRAWS_MAX).filter_map(|_| self.nth(random.below(len)));
        if let Some(entry) = draws.find(|entry| entry.is_live(now)) {
            return Some(entry);
        }
        // Nearly all have expired and wait to be removed.
        let live = self.live(now).count();
        if live == 0 { None } else { self.live(now).nth(random.below(live)) }
    }

    /// `count` different fields by chance, or all if there are no more. Their order is not random.
    pub fn sample(&self, count: usize, now: u64, random: &mut Random) -> Vec<Entry<'_>> {
        let all_live = self.next_expire().is_none_or(|expire| expire >= now);
        if all_live && let Repr::Table(table) = &self.repr {
            let chosen = random.distinct(count, table.len());
            return chosen.into_iter().filter_map(|index| self.nth(index)).collect();
        }
        let live: Vec<_> = self.live(now).collect();
        random.distinct(count, live.len()).into_iter().map(|index| live[index]).collect()
    }

    fn nth(&self, index: usize) -> Option<Entry<'_>> {
        match &self.repr {
            Repr::Small(small) => small.nth(index),
            Repr::Table(table) => table.nth(index).map(|(field, value)| Entry::of(field, value)),
        }
    }

    fn set_expire(&mut self, field: &[u8], expire: Option<u64>) {
        match &mut self.repr {
            Repr::Small(small) => small.set_expire(field, expire),
            Repr::Table(table) => {
                table.set_expire(field, expire);
            }
        }
    }

    fn convert_to_table(&mut self, limits: &Limits) {
        let mut table = Table::new(limits.hash_seed);
        let (mut field_text, mut value_text) = (itoa::Buffer::new(), itoa::Buffer::new());
        for Entry { field, value, expire } in self.iter() {
            let value = value.text(&mut value_text);
            table.insert(field.text(&mut field_text), Field { value, expire });
        }
        self.repr = Repr::Table(table);
    }
}

impl Condition {
    /// Whether a field that expires at `old` may expire at `new` instead.
    fn holds(self, old: Option<u64>, new: u64) -> bool {
        match self {
            Self::Always => true,
            Self::Nx => old.is_none(),
            Self::Xx => old.is_some(),
            Self::Gt => old.is_some_and(|old| new > old),
            Self::Lt => old.is_none_or(|old| new < old),
        }
    }
}

impl Default for Hash {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests;
