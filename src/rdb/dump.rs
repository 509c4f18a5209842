//! The payloads of DUMP and RESTORE.
//!
//! ```text
//! object          type byte, payload
//! 2 bytes         RDB version, little-endian
//! 8 bytes         CRC-64 of everything before it, little-endian
//! ```
//!
//! FUNCTION DUMP has the same footer after another body, hence [`seal`] and [`verified`].

use std::fmt;

use super::object::{self, Object, ObjectRef};
use super::{Encodings, Format, Malformed, Source, VERSION_MAX, crc64};

/// Why a payload is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DumpError {
    /// It is cut off, of a later version, or its checksum is wrong.
    Footer,
    /// The footer is right and the object is not.
    Object(Malformed),
}

impl fmt::Display for DumpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Footer => f.write_str("version or checksum of the payload are wrong"),
            Self::Object(malformed) => malformed.fmt(f),
        }
    }
}

impl std::error::Error for DumpError {}

/// The payload of an object.
pub fn payload(object: ObjectRef<'_>, format: Format) -> Vec<u8> {
    let mut out = Vec::new();
    let Ok(()) = object::put(&mut out, object, format);
    seal(&mut out, format.version);
    out
}

/// Appends the footer to a body.
pub fn seal(body: &mut Vec<u8>, version: u16) {
    body.extend_from_slice(&version.to_le_bytes());
    body.extend_from_slice(&crc64::update(0, body).to_le_bytes());
}

/// The body of a payload whose footer is right: any version up to [`VERSION_MAX`], and the checksum.
pub fn verified(payload: &[u8]) -> Result<&[u8], DumpError> {
    let (summed, crc) = payload.split_last_chunk().ok_or(DumpError::Footer)?;
    let (body, version) = summed.split_last_chunk().ok_or(DumpError::Footer)?;
    let is_right =
        u16::from_le_bytes(*version) <= VERSION_MAX && crc64::update(0, summed) == u64::from_le_bytes(*crc);
    if is_right { Ok(body) } else { Err(DumpError::Footer) }
}

/// The object of a payload.
pub fn take<'p>(payload: &'p [u8], encodings: Encodings<'_>) -> Result<Object<'p>, DumpError> {
    let mut rest = verified(payload)?;
    let object = take_object(&mut rest, encodings).map_err(DumpError::Object)?;
    if rest.is_empty() { Ok(object) } else { Err(DumpError::Object(Malformed::Trailing)) }
}

fn take_object<'a>(rest: &mut &'a [u8], encodings: Encodings<'_>) -> Result<Object<'a>, Malformed> {
    let [object_type] = rest.array()?;
    object::take(object_type, rest, encodings)
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    fn payload(object: &Object<'_>, format: Format) -> Vec<u8> {
        super::payload(object.as_ref(), format)
    }

    fn take(payload: &[u8]) -> Result<Object<'_>, DumpError> {
        super::take(payload, Encodings::AsWritten { hash_seed: 7 })
    }

    const VERSION_10: Format = Format { version: 10, compression: true };

    /// What redis-server 7.0 replies to DUMP.
    const OF_REDIS: [(&[u8], Object<'static>); 3] = [
        (b"\x00\x01a\x0a\x00\xbf\xfe\xef\x9b\x8f\x36\x7d\xb4", Object::String(Cow::Borrowed(b"a"))),
        (b"\x00\x0b12345678901\x0a\x00\x30\x4e\x52\xd7\x27\x17\x65\x10", Object::Int(12_345_678_901)),
        (b"\x00\xc1\x7f\xff\x0a\x00\x17\x60\x82\x28\x54\x80\x84\x80", Object::Int(-129)),
    ];

    #[test]
    fn payloads_are_those_of_redis() {
        for (bytes, object) in OF_REDIS {
            assert_eq!(payload(&object, VERSION_10), bytes);
            assert_eq!(take(bytes), Ok(object));
        }
    }

    #[test]
    fn every_version_up_to_the_latest_is_read() {
        let object = Object::Int(5);
        for version in 0..=VERSION_MAX + 3 {
            let bytes = payload(&object, Format { version, compression: false });
            let expected = if version <= VERSION_MAX { Ok(object.clone()) } else { Err(DumpError::Footer) };
            assert_eq!(take(&bytes), expected, "version {version}");
        }
        assert_eq!(payload(&object, Format::default())[3..5], [11, 0]);
    }

    #[test]
    fn a_payload_with_any_byte_changed_or_cut_off_is_refused() {
        let bytes = payload(&Object::String(Cow::Borrowed(&[b'a'; 100])), VERSION_10);
        for at in 0..bytes.len() {
            assert_eq!(take(&bytes[..at]), Err(DumpError::Footer));
            let mut changed = bytes.clone();
            changed[at] ^= 0x10;
            assert_eq!(take(&changed), Err(DumpError::Footer));
        }
    }

    #[test]
    fn a_malformed_object_is_told_from_a_wrong_footer() {
        let cases: [(&[u8], Malformed); 4] = [
            (b"", Malformed::CutOff),
            (b"\x00\x02a", Malformed::CutOff),
            (b"\x00\x01aa", Malformed::Trailing),
            (b"\x07\x01a", Malformed::Type(7)),
        ];
        for (body, malformed) in cases {
            let mut bytes = body.to_vec();
            seal(&mut bytes, 11);
            assert_eq!(take(&bytes), Err(DumpError::Object(malformed)), "{body:?}");
        }
    }
}
