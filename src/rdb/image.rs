//! The image of a value inside a run: what the store keeps on disk for a key.
//!
//! ```text
//! byte 0     flags: bit 0 the string's encoding is raw though it is short, or the list is a quicklist though it has
//!            one node; bit 1 the string is the text of an integer over 32 bits; bits 2-7 zero
//! byte 1-3   access: 24 bits, little-endian; opaque here
//! …          the RDB object: type byte, payload
//! ```
//!
//! * A value comes back exactly as it was stored: an integer is an integer, the bytes "7" are bytes, a short raw string is
//!   raw, and what was a table is one. RDB alone does not say all of that, hence the flags.
//! * Nothing is compressed: the blocks of a run are.

use std::borrow::Cow;

use super::collection::{self, Collection, CollectionRef, Encodings, Rewritten};
use super::object::{self, Object, ObjectRef};
use super::string::{self, Encoded};
use super::{Format, Malformed, Sink, object_type};
use crate::types::list;
use crate::types::string::encoding::int_encodable;

const RAW: u8 = 1;
/// The same bit.
const QUICKLIST: u8 = RAW;
const INT_TEXT: u8 = 2;

/// A value as the store had it.
#[derive(Clone, Debug, PartialEq)]
pub struct Image<'a> {
    /// The access information, 24 bits.
    pub access: u32,
    /// The value.
    pub value: ImageValue<'a>,
}

/// The value of an [`Image`].
#[derive(Clone, Debug)]
pub enum ImageValue<'a> {
    /// A string held as an integer.
    Int(i64),
    /// A string held as bytes.
    Bytes {
        /// The string.
        bytes: Cow<'a, [u8]>,
        /// Whether OBJECT ENCODING must say `raw` even if it is short.
        raw: bool,
    },
    /// Anything but a string.
    Collection(Collection),
}

/// What a file holds of the value; RDB does not tell a string that is `raw` from one that is not.
impl<'a> From<ImageValue<'a>> for Object<'a> {
    fn from(value: ImageValue<'a>) -> Self {
        match value {
            ImageValue::Int(number) => Object::Int(number),
            ImageValue::Bytes { bytes, .. } => Object::String(bytes),
            ImageValue::Collection(value) => Object::Collection(value),
        }
    }
}

/// Puts the image of a string held as bytes. Of `access` the low 24 bits are kept.
pub fn put_string<S: Sink>(out: &mut S, access: u32, raw: bool, bytes: &[u8]) -> Result<(), S::Error> {
    put_header(out, u8::from(raw) * RAW, access, object_type::STRING)?;
    string::put_plain(out, bytes)
}

/// Puts the image of a string held as an integer. Of `access` the low 24 bits are kept.
pub fn put_int<S: Sink>(out: &mut S, access: u32, number: i64) -> Result<(), S::Error> {
    let flags = if string::is_encoded(number) { 0 } else { INT_TEXT };
    put_header(out, flags, access, object_type::STRING)?;
    string::put_int(out, number)
}

/// Puts the image of anything but a string. Of `access` the low 24 bits are kept.
pub fn put_collection<S: Sink>(out: &mut S, access: u32, value: CollectionRef<'_>) -> Result<(), S::Error> {
    let flags = match value {
        CollectionRef::List(list) if list.encoding() == list::Encoding::Quicklist => QUICKLIST,
        _ => 0,
    };
    let object = ObjectRef::Collection(value);
    put_header(out, flags, access, object::type_of(object, Format::EXACT))?;
    object::put_payload(out, object, Format::EXACT)
}

/// The object of an image as it is written elsewhere, and the access information.
pub fn to_object(bytes: &[u8], format: Format) -> Result<(u32, Rewritten<'_>), Malformed> {
    let (&[_, low, middle, high, object_type], rest) = bytes.split_first_chunk().ok_or(Malformed::CutOff)?;
    let rewritten = match object_type {
        object_type::STRING => Rewritten::Anew(take(bytes, 0)?.value.into()),
        other => collection::rewrite(other, rest, format)?,
    };
    Ok((u32::from_le_bytes([low, middle, high, 0]), rewritten))
}

/// The name of the value's type, as TYPE gives it.
pub fn kind(bytes: &[u8]) -> Result<&'static str, Malformed> {
    let &object_type = bytes.get(4).ok_or(Malformed::CutOff)?;
    object_type::kind(object_type).ok_or(Malformed::Type(object_type))
}

fn put_header<S: Sink>(out: &mut S, flags: u8, access: u32, object_type: u8) -> Result<(), S::Error> {
    let [low, middle, high, _] = access.to_le_bytes();
    out.put(&[flags, low, middle, high, object_type])
}

/// Reads an image, which must be the whole of `bytes`. `hash_seed` is the dataset's for members.
pub fn take(bytes: &[u8], hash_seed: u64) -> Result<Image<'_>, Malformed> {
    let (&[flags, low, middle, high, object_type], mut rest) =
        bytes.split_first_chunk().ok_or(Malformed::CutOff)?;
    let value = match (object_type, flags) {
        (object_type::STRING, _) => take_string(flags, &mut rest)?,
        (object_type::LIST_QUICKLIST_2, 0 | QUICKLIST) => {
            let list = collection::take_list_as(&mut rest, hash_seed, flags == QUICKLIST)?;
            ImageValue::Collection(Collection::List(list))
        }
        (other, 0) => {
            let encodings = Encodings::AsWritten { hash_seed };
            ImageValue::Collection(collection::take(other, &mut rest, encodings)?)
        }
        _ => return Err(Malformed::ImageFlags(flags)),
    };
    if !rest.is_empty() {
        return Err(Malformed::Trailing);
    }
    Ok(Image { access: u32::from_le_bytes([low, middle, high, 0]), value })
}

fn take_string<'a>(flags: u8, rest: &mut &'a [u8]) -> Result<ImageValue<'a>, Malformed> {
    match (flags, string::take_encoded(rest)?) {
        (0, Encoded::Int(number)) => Ok(ImageValue::Int(number.into())),
        (0 | RAW, Encoded::Bytes(bytes)) => Ok(ImageValue::Bytes { bytes, raw: flags == RAW }),
        (INT_TEXT, Encoded::Bytes(text)) => {
            int_encodable(&text).map(ImageValue::Int).ok_or(Malformed::ImageFlags(flags))
        }
        _ => Err(Malformed::ImageFlags(flags)),
    }
}

/// Equal values have the same image.
impl PartialEq for ImageValue<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => a == b,
            (Self::Bytes { bytes: a, raw: raw_a }, Self::Bytes { bytes: b, raw: raw_b }) => {
                (a, raw_a) == (b, raw_b)
            }
            (Self::Collection(a), Self::Collection(b)) => {
                let image = |value: &Collection| {
                    let mut out = Vec::new();
                    let Ok(()) = put_collection(&mut out, 0, value.as_ref());
                    out
                };
                image(a) == image(b)
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(bytes: &[u8]) -> Result<Image<'_>, Malformed> {
        super::take(bytes, 7)
    }

    #[test]
    fn integers_stay_integers() {
        let powers = (0..64).flat_map(|bit| [1i64 << bit, (1i64 << bit).wrapping_sub(1), -1 << bit]);
        for number in powers.chain([0, -1, i64::MIN, i64::MAX]) {
            let mut image = Vec::new();
            let Ok(()) = put_int(&mut image, 0xAB_CDEF, number);
            assert_eq!(take(&image), Ok(Image { access: 0xAB_CDEF, value: ImageValue::Int(number) }));
        }
    }

    #[test]
    fn strings_stay_strings_whatever_they_look_like_and_raw_ones_raw() {
        let long = vec![b'a'; 100_000];
        for text in [&b""[..], b"7", b"007", b"-1", b"2147483648", b"9223372036854775807", b"\0\xff", &long] {
            for raw in [false, true] {
                let mut image = Vec::new();
                let Ok(()) = put_string(&mut image, 1, raw, text);
                assert!(image.len() <= 4 + 1 + 5 + text.len());
                let value = ImageValue::Bytes { bytes: text.into(), raw };
                assert_eq!(take(&image), Ok(Image { access: 1, value }));
            }
        }
    }

    #[test]
    fn an_image_has_the_bytes_that_the_drawing_gives_it() {
        let mut images = Vec::new();
        let Ok(()) = put_string(&mut images, 0xFF03_0201, true, b"ab");
        assert_eq!(images, [1, 1, 2, 3, 0, 2, b'a', b'b'], "access has 24 bits");
        let Ok(()) = put_int(&mut images, 0, -2);
        assert_eq!(images[8..], [0, 0, 0, 0, 0, 0xC0, 0xFE]);
        let Ok(()) = put_int(&mut images, 0, 1 << 31);
        assert_eq!(images[15..], *b"\x02\0\0\0\0\x0a2147483648", "the flags are those of the last image");
    }

    #[test]
    fn damaged_images_are_refused() {
        let mut image = Vec::new();
        let Ok(()) = put_string(&mut image, 5, false, b"hello");
        for cut in 0..image.len() {
            assert_eq!(take(&image[..cut]), Err(Malformed::CutOff));
        }
        image.push(0);
        assert_eq!(take(&image), Err(Malformed::Trailing));
        image.pop();
        for flags in [INT_TEXT, INT_TEXT | RAW, 4, 0x80] {
            image[0] = flags;
            assert_eq!(take(&image), Err(Malformed::ImageFlags(flags)), "hello is not an integer");
        }
        assert_eq!(take(&[RAW, 0, 0, 0, 0, 0xC0, 7]), Err(Malformed::ImageFlags(RAW)));
        let text = take(&[0, 0, 0, 0, object_type::MODULE_2, 0]).unwrap_err().to_string();
        assert_eq!(text, "objects of type 7 (module value) cannot be read");
        let text = take(&[0, 0, 0, 0, 8, 0]).unwrap_err().to_string();
        assert_eq!(text, "there are no objects of type 8");
    }
}
