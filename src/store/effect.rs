//! What the log is told: effects in command form.
//!
//! A log record's payload is one or more effects; they take effect together. Layout of one effect, all numbers as LEB128
//! varints: `database, argument count × 4 + before, (length, bytes) per argument`. The first argument is the command's name.
//! `before` ([`Before`]) says what the effect replaced, so that replaying a SET does not read a key from disk only to count it. Replaying
//! an effect is executing that command in that database with expiry switched off, so an effect must be deterministic and
//! absolute: `PXAT` instead of `EX`, the result instead of a float increment, `DEL` for every key that expired.

use storage::Payload;

use super::DbIndex;
use super::long::LongWords;

/// What was known of the only key that an effect wrote, before it did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(u8)]
pub enum Before {
    /// Nothing is said: there were several keys, or none.
    #[default]
    Unsaid = 0,
    /// It did not exist.
    Absent = 1,
    /// It existed and did not expire.
    Lasting = 2,
    /// It existed and had an expiry.
    Expiring = 3,
}

impl Before {
    fn of(bits: u64) -> Self {
        [Before::Unsaid, Before::Absent, Before::Lasting, Before::Expiring][(bits & 3) as usize]
    }
}

/// Appends a LEB128 varint.
#[inline]
fn put_varint(out: &mut Payload, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Takes a LEB128 varint off the front; `None` when the bytes end or the number does not fit.
pub fn take_varint(input: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = input.split_first()?;
        *input = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return (shift < 63 || byte < 2).then_some(value);
        }
    }
    None
}

/// Appends one effect. Of long words that have a copy, this is shared.
#[inline]
pub fn put<'a>(
    out: &mut Payload,
    db: DbIndex,
    before: Before,
    argv: impl ExactSizeIterator<Item = &'a [u8]>,
    long: &LongWords,
) {
    put_varint(out, u64::from(db.0));
    put_varint(out, (argv.len() as u64) << 2 | before as u64);
    for argument in argv {
        put_varint(out, argument.len() as u64);
        match long.copy_of(argument) {
            None => out.put(argument),
            Some(copy) => out.put_shared(copy.clone()),
        }
    }
}

/// Takes one effect off the front of a payload: its database, what it replaced, and its arguments as ranges of `payload`,
/// pushed to `spans`. `None`: the payload is damaged.
pub fn take(payload: &[u8], at: &mut usize, spans: &mut Vec<(u32, u32)>) -> Option<(DbIndex, Before)> {
    let mut rest = payload.get(*at..)?;
    let db = u32::try_from(take_varint(&mut rest)?).ok()?;
    let head = take_varint(&mut rest)?;
    let (arguments, before) = (head >> 2, Before::of(head));
    // Every argument takes at least its length byte, so this bounds the loop before anything is stored.
    if arguments == 0 || arguments > rest.len() as u64 {
        return None;
    }
    for _ in 0..arguments {
        let length = usize::try_from(take_varint(&mut rest)?).ok()?;
        let start = payload.len() - rest.len();
        rest = rest.get(length..)?;
        spans.push((u32::try_from(start).ok()?, u32::try_from(start + length).ok()?));
    }
    *at = payload.len() - rest.len();
    Some((DbIndex(db), before))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All of its bytes.
    fn bytes_of(payload: &Payload) -> Vec<u8> {
        payload.pieces().collect::<Vec<_>>().concat()
    }

    #[test]
    fn effects_come_back_as_they_went_in() {
        let mut payload = Payload::default();
        let long = vec![7u8; 300];
        put(
            &mut payload,
            DbIndex(0),
            Before::Expiring,
            [&b"SET"[..], b"", &long].into_iter(),
            &LongWords::default(),
        );
        put(&mut payload, DbIndex(15), Before::Unsaid, [&b"FLUSHDB"[..]].into_iter(), &LongWords::default());
        let payload = bytes_of(&payload);
        let (mut at, mut spans) = (0, Vec::new());
        assert_eq!(take(&payload, &mut at, &mut spans), Some((DbIndex(0), Before::Expiring)));
        assert_eq!(spans.iter().map(|s| s.1 - s.0).collect::<Vec<_>>(), [3, 0, 300]);
        spans.clear();
        assert_eq!(take(&payload, &mut at, &mut spans), Some((DbIndex(15), Before::Unsaid)));
        assert_eq!(at, payload.len());
    }

    #[test]
    fn a_cut_payload_is_refused_at_every_length() {
        let mut payload = Payload::default();
        put(
            &mut payload,
            DbIndex(3),
            Before::Absent,
            [&b"APPEND"[..], b"key", b"value"].into_iter(),
            &LongWords::default(),
        );
        let payload = bytes_of(&payload);
        for cut in 0..payload.len() {
            assert_eq!(take(&payload[..cut], &mut 0, &mut Vec::new()), None, "cut at {cut}");
        }
    }
}
