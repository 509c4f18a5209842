//! BITFIELD: integers of 1 to 64 bits anywhere in a string.
//!
//! * [`parse`] reads the arguments into operations; nothing is executed unless all of them are right.
//! * A field's bits are big-endian, beginning at any bit offset. Bits beyond the end of the string read as zero.
//! * Signed fields have up to 64 bits, unsigned ones up to 63, so every value fits an `i64`.

use crate::util::number::parse_i64;

/// The bits of the longest window of bytes that a field can touch: 64 bits that begin in the middle of a byte.
const WINDOW_BYTES: usize = 9;

/// Why the arguments of BITFIELD are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BitfieldError {
    /// `ERR syntax error`: an unknown subcommand, or one without all its arguments.
    Syntax,
    /// `ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.`
    InvalidType,
    /// `ERR bit offset is not an integer or out of range`
    InvalidOffset,
    /// `ERR Invalid OVERFLOW type specified`
    InvalidOverflow,
    /// `ERR value is not an integer or out of range`
    InvalidValue,
    /// `ERR BITFIELD_RO only supports the GET subcommand`
    ReadOnly,
}

/// The type of a field: `i8`, `u12`, …
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldType {
    signed: bool,
    /// 1 to 64, or to 63 if not signed.
    bits: u32,
}

/// What becomes of a value that its field can't hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overflow {
    /// Its low bits are kept.
    Wrap,
    /// It becomes the nearest value that fits.
    Sat,
    /// Nothing is written, and the reply is null.
    Fail,
}

/// What is done with a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Replies with the value.
    Get,
    /// Writes a value and replies with the old one.
    Set(i64, Overflow),
    /// Adds to the value and replies with the new one.
    IncrBy(i64, Overflow),
}

/// One operation on one field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation {
    /// The field's type.
    pub field: FieldType,
    /// The position of the field's first bit.
    pub offset: u64,
    /// What is done with it.
    pub action: Action,
}

/// What [`execute`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The reply to each operation; `None` is null.
    pub replies: Vec<Option<i64>>,
    /// How many writes changed the string. If this is zero nothing is to be logged, notified or signalled.
    pub changes: u64,
}

/// Reads the arguments after the key. Fields must begin within a string of `bytes_max` bytes.
///
/// OVERFLOW holds for the operations after it; before the first one it is WRAP. Names are read in any case, types
/// only in lower case.
pub fn parse<A: AsRef<[u8]>>(args: &[A], bytes_max: u64) -> Result<Vec<Operation>, BitfieldError> {
    let mut operations = Vec::new();
    let mut overflow = Overflow::Wrap;
    let mut args = args.iter().map(AsRef::as_ref);
    while let Some(name) = args.next() {
        if name.eq_ignore_ascii_case(b"overflow") {
            overflow = parse_overflow(args.next().ok_or(BitfieldError::Syntax)?)?;
            continue;
        }
        let takes_value = if name.eq_ignore_ascii_case(b"get") {
            false
        } else if name.eq_ignore_ascii_case(b"set") || name.eq_ignore_ascii_case(b"incrby") {
            true
        } else {
            return Err(BitfieldError::Syntax);
        };
        if args.len() < 2 + usize::from(takes_value) {
            return Err(BitfieldError::Syntax);
        }
        let mut next = || args.next().ok_or(BitfieldError::Syntax);
        let field = FieldType::parse(next()?).ok_or(BitfieldError::InvalidType)?;
        let offset = parse_offset(next()?, field, bytes_max).ok_or(BitfieldError::InvalidOffset)?;
        let action = if takes_value {
            let value = parse_i64(next()?).ok_or(BitfieldError::InvalidValue)?;
            let is_set = name.eq_ignore_ascii_case(b"set");
            if is_set { Action::Set(value, overflow) } else { Action::IncrBy(value, overflow) }
        } else {
            Action::Get
        };
        operations.push(Operation { field, offset, action });
    }
    Ok(operations)
}

/// [`parse`] for BITFIELD_RO, which takes no other operation than GET.
pub fn parse_read_only<A: AsRef<[u8]>>(args: &[A], bytes_max: u64) -> Result<Vec<Operation>, BitfieldError> {
    let operations = parse(args, bytes_max)?;
    if is_read_only(&operations) { Ok(operations) } else { Err(BitfieldError::ReadOnly) }
}

/// Whether all operations are GET, so that [`read`] can execute them and no key is created.
pub fn is_read_only(operations: &[Operation]) -> bool {
    operations.iter().all(|operation| operation.action == Action::Get)
}

/// The length in bytes that a string must have for all writes of `operations`: [`execute`] makes it so long. It is at
/// most eight bytes more than the `bytes_max` of [`parse`].
pub fn required_len(operations: &[Operation]) -> usize {
    let writes = operations.iter().filter(|operation| operation.action != Action::Get);
    writes.map(Operation::end_byte).max().unwrap_or(0)
}

/// Executes operations that are all GET. Anything else is answered with null.
pub fn read(bytes: &[u8], operations: &[Operation]) -> Vec<Option<i64>> {
    let value = |operation: &Operation| match operation.action {
        Action::Get => Some(operation.value_in(bytes)),
        Action::Set(..) | Action::IncrBy(..) => None,
    };
    operations.iter().map(value).collect()
}

/// Executes operations in order. The string grows to [`required_len`] first, even if every write then fails.
pub fn execute(value: &mut Vec<u8>, operations: &[Operation]) -> Outcome {
    let len = required_len(operations);
    let grows = value.len() < len;
    if grows {
        value.resize(len, 0);
    }
    let mut changes = 0;
    let mut replies = Vec::with_capacity(operations.len());
    for operation in operations {
        let old = operation.value_in(value);
        let (new, reply) = match operation.action {
            Action::Get => (None, Some(old)),
            Action::Set(wanted, overflow) => {
                let new = operation.field.fit_set(wanted, overflow);
                (new, new.map(|_| old))
            }
            Action::IncrBy(increment, overflow) => {
                let new = operation.field.fit(i128::from(old) + i128::from(increment), overflow);
                (new, new)
            }
        };
        if let Some(new) = new {
            operation.write_in(value, new);
            changes += u64::from(grows || new != old);
        }
        replies.push(reply);
    }
    Outcome { replies, changes }
}

/// Whether one of the operations that were answered so wrote, be it what was there already.
pub fn has_written(operations: &[Operation], replies: &[Option<i64>]) -> bool {
    operations
        .iter()
        .zip(replies)
        .any(|(operation, reply)| operation.action != Action::Get && reply.is_some())
}

impl FieldType {
    /// Reads `i1` to `i64` or `u1` to `u63`.
    fn parse(text: &[u8]) -> Option<FieldType> {
        let (signed, digits, bits_max) = match text {
            [b'i', digits @ ..] => (true, digits, 64),
            [b'u', digits @ ..] => (false, digits, 63),
            _ => return None,
        };
        let bits = parse_i64(digits).filter(|bits| (1..=bits_max).contains(bits))?;
        Some(FieldType { signed, bits: bits as u32 })
    }

    fn mask(self) -> u64 {
        u64::MAX >> (64 - self.bits)
    }

    fn max(self) -> i64 {
        (self.mask() >> u32::from(self.signed)) as i64
    }

    fn min(self) -> i64 {
        if self.signed { -self.max() - 1 } else { 0 }
    }

    /// The value that a field's bits are.
    fn value_of(self, bits: u64) -> i64 {
        if self.signed {
            let unused = 64 - self.bits;
            (bits << unused).cast_signed() >> unused
        } else {
            bits.cast_signed()
        }
    }

    /// What is written for `value`, or `None` if the operation fails.
    fn fit(self, value: i128, overflow: Overflow) -> Option<i64> {
        let (min, max) = (i128::from(self.min()), i128::from(self.max()));
        match overflow {
            _ if (min..=max).contains(&value) => Some(value as i64),
            Overflow::Wrap => Some(self.value_of(value as u64 & self.mask())),
            Overflow::Sat => Some(value.clamp(min, max) as i64),
            Overflow::Fail => None,
        }
    }

    /// [`FieldType::fit`] for SET, with two oddities of Redis: a negative value in an unsigned field is a value
    /// above its maximum, and so is one in a signed field of less than 64 bits that is more than `i64::MAX` below
    /// its maximum.
    fn fit_set(self, value: i64, overflow: Overflow) -> Option<i64> {
        if !self.signed {
            return self.fit(i128::from(value.cast_unsigned()), overflow);
        }
        if overflow == Overflow::Sat && self.bits < 64 && self.max().checked_sub(value).is_none() {
            return Some(self.max());
        }
        self.fit(i128::from(value), overflow)
    }
}

impl Operation {
    /// The index of the first byte that the field touches.
    fn first_byte(&self) -> usize {
        (self.offset / 8) as usize
    }

    /// The index after the last byte that the field touches.
    fn end_byte(&self) -> usize {
        (self.offset + u64::from(self.field.bits)).div_ceil(8) as usize
    }

    /// How far the field's last bit is from the end of its last byte.
    fn shift(&self) -> u32 {
        (self.end_byte() as u64 * 8 - self.offset) as u32 - self.field.bits
    }

    /// The bytes that the field touches, as one number.
    fn window(&self, bytes: &[u8]) -> u128 {
        (self.first_byte()..self.end_byte())
            .fold(0, |window, index| window << 8 | u128::from(bytes.get(index).copied().unwrap_or(0)))
    }

    fn value_in(&self, bytes: &[u8]) -> i64 {
        let bits = (self.window(bytes) >> self.shift()) as u64 & self.field.mask();
        self.field.value_of(bits)
    }

    /// Writes a value that fits the field into a string of [`required_len`].
    fn write_in(&self, bytes: &mut [u8], value: i64) {
        let (mask, shift) = (self.field.mask(), self.shift());
        let kept = self.window(bytes) & !(u128::from(mask) << shift);
        let window = kept | u128::from(value.cast_unsigned() & mask) << shift;
        let len = self.end_byte() - self.first_byte();
        debug_assert!(len <= WINDOW_BYTES, "a field has at most 64 bits");
        let window = window.to_be_bytes();
        bytes[self.first_byte()..self.end_byte()].copy_from_slice(&window[window.len() - len..]);
    }
}

fn parse_overflow(text: &[u8]) -> Result<Overflow, BitfieldError> {
    let names: [(&[u8], Overflow); 3] =
        [(b"wrap", Overflow::Wrap), (b"sat", Overflow::Sat), (b"fail", Overflow::Fail)];
    let found = names.into_iter().find(|(name, _)| text.eq_ignore_ascii_case(name));
    found.map(|(_, overflow)| overflow).ok_or(BitfieldError::InvalidOverflow)
}

/// Reads a bit offset, or with `#` before it the index of a field in an array of such fields.
fn parse_offset(text: &[u8], field: FieldType, bytes_max: u64) -> Option<u64> {
    let offset = match text {
        [b'#', index @ ..] => parse_i64(index)?.checked_mul(i64::from(field.bits))?,
        offset => parse_i64(offset)?,
    };
    u64::try_from(offset).ok().filter(|offset| offset / 8 < bytes_max)
}

#[cfg(test)]
mod tests;
