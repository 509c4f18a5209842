//! One element of a listpack: its forms, reading and writing. The format is drawn in the parent's documentation.

use crate::util::number::{decimal_len, parse_i64};

/// The longest string with one byte of head.
const SHORT_MAX: usize = 63;
/// The longest string with two bytes of head.
const MEDIUM_MAX: usize = 4095;
/// The longest head, that of a 64-bit integer.
const HEAD_MAX: usize = 9;

/// An element: an integer or any other string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element<'a> {
    /// A string that is the canonical text of this number.
    Int(i64),
    /// A string. (From outside it may be the text of a number too.)
    Bytes(&'a [u8]),
}

impl<'a> Element<'a> {
    /// The element that a string is stored as.
    pub fn new(text: &'a [u8]) -> Self {
        parse_i64(text).map_or(Self::Bytes(text), Self::Int)
    }

    /// The string; `buffer` holds it if it is an integer.
    pub fn text<'b>(&self, buffer: &'b mut itoa::Buffer) -> &'b [u8]
    where
        'a: 'b,
    {
        match *self {
            Self::Int(number) => buffer.format(number).as_bytes(),
            Self::Bytes(bytes) => bytes,
        }
    }

    /// A copy of the string.
    pub fn to_vec(&self) -> Vec<u8> {
        self.text(&mut itoa::Buffer::new()).to_vec()
    }

    /// The length of the string in bytes.
    pub fn text_len(&self) -> usize {
        match *self {
            Self::Int(number) => decimal_len(number),
            Self::Bytes(bytes) => bytes.len(),
        }
    }

    /// The number, if the string is one in whatever form it is stored.
    pub fn integer(&self) -> Option<i64> {
        match *self {
            Self::Int(number) => Some(number),
            Self::Bytes(bytes) => parse_i64(bytes),
        }
    }

    /// Bytes that it takes in a listpack, backlen included.
    pub fn encoded_len(&self) -> usize {
        let len = match self {
            Self::Int(number) => int_len(*number),
            Self::Bytes(bytes) if bytes.len() <= SHORT_MAX => 1 + bytes.len(),
            Self::Bytes(bytes) if bytes.len() <= MEDIUM_MAX => 2 + bytes.len(),
            Self::Bytes(bytes) => 5 + bytes.len(),
        };
        len + backlen_width(len)
    }

    /// Writes it at `at` and gives the position after it.
    pub(super) fn encode(&self, bytes: &mut [u8], at: usize) -> usize {
        let mut head = [0; HEAD_MAX];
        let (head_len, data) = match *self {
            Self::Int(number) => (encode_int(&mut head, number), &[][..]),
            Self::Bytes(data) => (encode_string_head(&mut head, data.len()), data),
        };
        let data_at = at + head_len;
        let end = data_at + data.len();
        bytes[at..data_at].copy_from_slice(&head[..head_len]);
        bytes[data_at..end].copy_from_slice(data);
        encode_backlen(bytes, end, end - at)
    }
}

impl From<i64> for Element<'_> {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl<'a> From<&'a [u8]> for Element<'a> {
    fn from(text: &'a [u8]) -> Self {
        Self::new(text)
    }
}

/// An element that was read, and the bytes of its head and data.
pub(super) struct Decoded<'a> {
    pub(super) element: Element<'a>,
    pub(super) len: usize,
}

/// Reads the element at `at`. `None`: it does not fit in `bytes`, or its head has no meaning.
#[inline]
pub(super) fn decode(bytes: &[u8], at: usize) -> Option<Decoded<'_>> {
    let head = *bytes.get(at)?;
    let string = |head_len: usize, len: usize| {
        let start = at + head_len;
        let data = bytes.get(start..start.checked_add(len)?)?;
        Some(Decoded { element: Element::Bytes(data), len: head_len + len })
    };
    let byte = |offset: usize| bytes.get(at + offset).copied().map(usize::from);
    let int = |len: usize, number: i64| Some(Decoded { element: Element::Int(number), len });
    match head {
        0..=0x7F => int(1, i64::from(head)),
        0x80..=0xBF => string(1, usize::from(head & 0x3F)),
        0xC0..=0xDF => {
            let bits = (usize::from(head & 0x1F) << 8 | byte(1)?) as i64;
            int(2, bits << 51 >> 51)
        }
        0xE0..=0xEF => string(2, usize::from(head & 0x0F) << 8 | byte(1)?),
        0xF0 => string(5, u32::from_le_bytes(array_at(bytes, at + 1)?) as usize),
        0xF1 => int(3, i64::from(i16::from_le_bytes(array_at(bytes, at + 1)?))),
        0xF2 => {
            let [low, middle, high] = array_at(bytes, at + 1)?;
            int(4, i64::from(i32::from_le_bytes([0, low, middle, high]) >> 8))
        }
        0xF3 => int(5, i64::from(i32::from_le_bytes(array_at(bytes, at + 1)?))),
        0xF4 => int(9, i64::from_le_bytes(array_at(bytes, at + 1)?)),
        0xF5..=0xFF => None,
    }
}

/// Bytes of the backlen of an element whose head and data have `len` bytes.
///
/// The bounds from the second on are one lower than seven bits a byte would need; Redis has them so.
#[inline]
pub(super) fn backlen_width(len: usize) -> usize {
    match len {
        0..=127 => 1,
        128..16_383 => 2,
        16_383..2_097_151 => 3,
        2_097_151..268_435_455 => 4,
        _ => 5,
    }
}

/// Writes a backlen at `at` and gives the position after it.
pub(super) fn encode_backlen(bytes: &mut [u8], at: usize, len: usize) -> usize {
    let end = at + backlen_width(len);
    let mut rest = len;
    for byte in bytes[at..end].iter_mut().rev() {
        *byte = 0x80 | (rest & 0x7F) as u8;
        rest >>= 7;
    }
    bytes[at] &= 0x7F;
    end
}

/// The length in the backlen that ends `bytes`, which are those of elements.
pub(super) fn decode_backlen(bytes: &[u8]) -> usize {
    let (mut len, mut shift) = (0, 0);
    for byte in bytes.iter().rev().take(5) {
        len |= usize::from(byte & 0x7F) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            break;
        }
    }
    len
}

/// Bytes of an integer's head.
fn int_len(number: i64) -> usize {
    match number {
        0..=127 => 1,
        -4096..=4095 => 2,
        -0x8000..=0x7FFF => 3,
        -0x80_0000..=0x7F_FFFF => 4,
        -0x8000_0000..=0x7FFF_FFFF => 5,
        _ => 9,
    }
}

fn encode_int(head: &mut [u8; HEAD_MAX], number: i64) -> usize {
    let len = int_len(number);
    match len {
        1 => head[0] = number as u8,
        2 => head[..2].copy_from_slice(&((number as u16 & 0x1FFF) | 0xC000).to_be_bytes()),
        _ => {
            head[0] = if len == 9 { 0xF4 } else { 0xF1 + (len - 3) as u8 };
            head[1..].copy_from_slice(&number.to_le_bytes());
        }
    }
    len
}

fn encode_string_head(head: &mut [u8; HEAD_MAX], len: usize) -> usize {
    if len <= SHORT_MAX {
        head[0] = 0x80 | len as u8;
        1
    } else if len <= MEDIUM_MAX {
        head[..2].copy_from_slice(&(0xE000 | len as u16).to_be_bytes());
        2
    } else {
        head[0] = 0xF0;
        head[1..5].copy_from_slice(&(len as u32).to_le_bytes());
        5
    }
}

fn array_at<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at + N)?.try_into().ok()
}
