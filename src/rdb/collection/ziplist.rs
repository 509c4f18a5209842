//! Ziplists and zipmaps: what small values were before Redis 7.0. They are read here, never written.
//!
//! ```text
//! ziplist    total bytes (4, little-endian) | offset of the last entry (4) | entries (2; 65535: count them) | entry … | FF
//! entry      bytes of the entry before: 1, or FE and 4 little-endian | head | data
//! head       00xxxxxx                   a string of x bytes
//!            01xxxxxx +1                a string of x bytes, high bits first
//!            10______ +4                a string, its length high bytes first
//!            C0 +2, F0 +3, D0 +4, E0 +8 a signed integer, little-endian
//!            FE +1                      an integer of 8 bits
//!            1111xxxx                   an integer: x − 1, from 0 to 12
//! zipmap     pairs (1; 254 and more: count them) | { length field, length free value free bytes } | FF
//! length     1 byte, or FE and 4 little-endian
//! ```

use crate::rdb::Malformed;
use crate::types::listpack::{BYTES_MAX, Element, Listpack};

const END: u8 = 0xFF;
/// Of the length before an entry, and of lengths in a zipmap: four bytes follow.
const WIDE: u8 = 0xFE;
const HEADER_LEN: usize = 10;
const COUNT_UNKNOWN: u16 = u16::MAX;

/// The elements of a ziplist as a listpack.
pub(super) fn to_listpack(bytes: &[u8]) -> Result<Listpack, Malformed> {
    elements(bytes).ok_or(Malformed::Value("ziplist"))
}

fn elements(bytes: &[u8]) -> Option<Listpack> {
    let total = u32::from_le_bytes(array_at(bytes, 0)?);
    let tail = u32::from_le_bytes(array_at(bytes, 4)?) as usize;
    let count = u16::from_le_bytes(array_at(bytes, 8)?);
    // No element takes twice the bytes in a listpack.
    if total as usize != bytes.len() || bytes.len() > BYTES_MAX / 2 {
        return None;
    }
    let mut listpack = Listpack::new();
    let (mut at, mut before, mut last, mut found) = (HEADER_LEN, 0, HEADER_LEN, 0usize);
    while *bytes.get(at)? != END {
        let (stated, len) = length_at(bytes, at)?;
        if stated != before {
            return None;
        }
        let (element, end) = entry_at(bytes, at + len)?;
        listpack.push_back(element);
        (last, before) = (at, end - at);
        at = end;
        found += 1;
    }
    let is_whole = at + 1 == bytes.len() && tail == last;
    (is_whole && (count == COUNT_UNKNOWN || usize::from(count) == found)).then_some(listpack)
}

/// The element whose head is at `at`, and where it ends.
fn entry_at(bytes: &[u8], at: usize) -> Option<(Element<'_>, usize)> {
    let head = *bytes.get(at)?;
    let string = |head_len: usize, len: usize| {
        let start = at + head_len;
        let end = start.checked_add(len)?;
        Some((Element::new(bytes.get(start..end)?), end))
    };
    let int = |len: usize, number: i64| Some((Element::Int(number), at + 1 + len));
    match head {
        0..=0x3F => string(1, usize::from(head)),
        0x40..=0x7F => string(2, usize::from(head & 0x3F) << 8 | usize::from(*bytes.get(at + 1)?)),
        0x80..=0xBF => string(5, u32::from_be_bytes(array_at(bytes, at + 1)?) as usize),
        0xC0 => int(2, i16::from_le_bytes(array_at(bytes, at + 1)?).into()),
        0xD0 => int(4, i32::from_le_bytes(array_at(bytes, at + 1)?).into()),
        0xE0 => int(8, i64::from_le_bytes(array_at(bytes, at + 1)?)),
        0xF0 => {
            let [low, middle, high] = array_at(bytes, at + 1)?;
            int(3, i64::from(i32::from_le_bytes([0, low, middle, high]) >> 8))
        }
        0xFE => int(1, i8::from_le_bytes(array_at(bytes, at + 1)?).into()),
        0xF1..=0xFD => int(0, i64::from(head & 0x0F) - 1),
        _ => None,
    }
}

/// The length at `at` and how many bytes it takes.
fn length_at(bytes: &[u8], at: usize) -> Option<(usize, usize)> {
    match *bytes.get(at)? {
        END => None,
        WIDE => Some((u32::from_le_bytes(array_at(bytes, at + 1)?) as usize, 5)),
        len => Some((len.into(), 1)),
    }
}

/// The fields and values of a zipmap.
pub(super) fn of_zipmap(bytes: &[u8]) -> Result<Vec<(Element<'_>, Element<'_>)>, Malformed> {
    pairs(bytes).ok_or(Malformed::Value("zipmap"))
}

fn pairs(bytes: &[u8]) -> Option<Vec<(Element<'_>, Element<'_>)>> {
    let (&count, _) = bytes.split_first()?;
    let (mut at, mut pairs) = (1, Vec::new());
    while *bytes.get(at)? != END {
        let (len, head) = length_at(bytes, at)?;
        let field = slice_at(bytes, at + head, len)?;
        at += head + len;
        let (len, head) = length_at(bytes, at)?;
        let free = usize::from(*bytes.get(at + head)?);
        let value = slice_at(bytes, at + head + 1, len)?;
        at += head + 1 + len + free;
        pairs.push((Element::new(field), Element::new(value)));
    }
    let is_counted = count >= WIDE || usize::from(count) == pairs.len();
    (at + 1 == bytes.len() && is_counted).then_some(pairs)
}

fn slice_at(bytes: &[u8], at: usize, len: usize) -> Option<&[u8]> {
    bytes.get(at..at.checked_add(len)?)
}

fn array_at<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at + N)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A ziplist of these entries, each without the length of the one before.
    pub(super) fn ziplist(entries: &[&[u8]]) -> Vec<u8> {
        let mut bytes = vec![0; HEADER_LEN];
        let (mut before, mut last) = (0, HEADER_LEN);
        for entry in entries {
            last = bytes.len();
            match u8::try_from(before) {
                Ok(before @ 0..WIDE) => bytes.push(before),
                _ => {
                    bytes.push(WIDE);
                    bytes.extend_from_slice(&(before as u32).to_le_bytes());
                }
            }
            bytes.extend_from_slice(entry);
            before = bytes.len() - last;
        }
        bytes.push(END);
        let total = bytes.len() as u32;
        bytes[..4].copy_from_slice(&total.to_le_bytes());
        bytes[4..8].copy_from_slice(&(last as u32).to_le_bytes());
        bytes[8..10].copy_from_slice(&(entries.len() as u16).to_le_bytes());
        bytes
    }

    #[test]
    fn every_form_of_an_entry_is_read() {
        let long = [&[0x41, 0x2C][..], &[b'x'; 300]].concat();
        let longer = [&[0x80, 0, 0, 0x40, 0][..], &[b'y'; 0x4000]].concat();
        let entries: [&[u8]; 12] = [
            b"\x02ab",
            b"\x0212",
            &long,
            &longer,
            b"\xc0\xff\xff",
            b"\xf0\xff\xff\x7f",
            b"\xd0\x00\x00\x00\x80",
            b"\xe0\x00\x00\x00\x00\x00\x00\x00\x80",
            b"\xfe\x80",
            b"\xf1",
            b"\xfd",
            b"\x00",
        ];
        let listpack = to_listpack(&ziplist(&entries)).unwrap();
        let texts: Vec<_> = listpack.iter().map(|element| element.to_vec()).collect();
        let numbers = [-1, 0x7F_FFFF, i64::from(i32::MIN), i64::MIN, -128, 0, 12];
        let mut expected = vec![b"ab".to_vec(), b"12".to_vec(), vec![b'x'; 300], vec![b'y'; 0x4000]];
        expected.extend(numbers.iter().map(|number| number.to_string().into_bytes()));
        expected.push(Vec::new());
        assert_eq!(texts, expected);
        assert_eq!(to_listpack(&ziplist(&[])).unwrap().len(), 0);
    }

    #[test]
    fn damaged_ziplists_are_refused() {
        let good = ziplist(&[b"\x02ab", b"\xc0\x01\x02", b"\xf3"]);
        assert!(to_listpack(&good).is_ok());
        for cut in 0..good.len() {
            assert_eq!(to_listpack(&good[..cut]).map(drop), Err(Malformed::Value("ziplist")));
        }
        // Data may change; nothing that says how it lies may.
        for at in (0..good.len()).filter(|at| ![12, 13, 16, 17, 19].contains(at)) {
            let mut changed = good.clone();
            changed[at] ^= 0x81;
            assert!(to_listpack(&changed).is_err(), "byte {at}");
        }
        assert!(to_listpack(&ziplist(&[b"\xff"])).is_err());
        assert!(to_listpack(&ziplist(&[b"\xc1\0\0"])).is_err());
    }

    #[test]
    fn zipmaps_are_read_and_damaged_ones_refused() {
        let good = b"\x02\x01a\x02\x03bc___\x02de\x02\x0012\xff";
        let found: Vec<_> =
            of_zipmap(good).unwrap().iter().map(|(field, value)| (field.to_vec(), value.to_vec())).collect();
        let expected = [(b"a".to_vec(), b"bc".to_vec()), (b"de".to_vec(), b"12".to_vec())];
        assert_eq!(found, expected);
        for cut in 0..good.len() {
            assert!(of_zipmap(&good[..cut]).is_err());
        }
        assert!(of_zipmap(b"\x01\xfe\xff\xff\xff\xffa\x01\x00b\xff").is_err());
        assert!(of_zipmap(b"\x03\x01a\x02\x00bc\xff").is_err(), "there is one pair, not three");
    }
}
