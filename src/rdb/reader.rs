//! Reads RDB files (drawn in `opcode`): those of Redis up to 7.4 and of Valkey up to 9, whose versions begin anew at 80.
//!
//! * Streaming: an item at a time, and memory for one item. No byte after the end of the file is taken.
//! * The checksum is compared at the end. Until then what was read may be wrong, so whoever reads a file must be able to
//!   throw away what it has loaded.
//! * The first error ends the reading. It says at which byte, and for which key.
//! * What the server has no use for is skipped: sizes, and data of modules outside keys. Expired keys are not.

use std::borrow::Cow;
use std::{fmt, io};

use super::object::{self, Object};
use super::{Access, Encodings, Limits, Malformed, Source, VERSION_MAX, crc64, length, opcode, string};

/// The versions that Valkey has written under its own name.
const VALKEY_VERSIONS: std::ops::RangeInclusive<u16> = 80..=80;
/// The first version with a checksum.
const CHECKSUM_SINCE: u16 = 5;
/// Memory that a string's announced length is believed for, before its bytes arrive.
const BELIEVED: u64 = 64 << 10;

/// A part of a file.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// An auxiliary field: its name and its value.
    Aux(Vec<u8>, Vec<u8>),
    /// The code of a function library.
    Function(Vec<u8>),
    /// A key.
    Entry(Entry),
}

/// A key of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its database; nothing bounds it but its type.
    pub db: u32,
    /// Its name.
    pub key: Vec<u8>,
    /// What it holds.
    pub object: Object<'static>,
    /// When it expires, in unix milliseconds; 0 also stands for times before 1970.
    pub expire: Option<u64>,
    /// What is known of its use.
    pub access: Access,
}

/// Why a file cannot be read any further.
#[derive(Debug)]
pub struct ReadError {
    /// Bytes of the file before the place where reading stopped.
    pub offset: u64,
    /// The key whose object was being read.
    pub key: Option<Vec<u8>>,
    /// What happened.
    pub cause: Cause,
}

/// What reading fails with.
#[derive(Debug)]
pub enum Cause {
    /// The source of the bytes failed.
    Io(io::Error),
    /// The bytes are not those of an RDB file.
    Malformed(Malformed),
    /// The file does not begin as one.
    NotRdb,
    /// The file is of a version that is not known.
    Version(u16),
    /// The bytes are not those that were written.
    Checksum {
        /// The checksum that the file ends with.
        stored: u64,
        /// The checksum that its bytes have.
        computed: u64,
    },
}

impl From<Malformed> for Cause {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at byte {}", self.offset)?;
        if let Some(key) = &self.key {
            write!(f, ", in the key \"{}\"", key[..key.len().min(100)].escape_ascii())?;
        }
        f.write_str(": ")?;
        match &self.cause {
            Cause::Io(error) => error.fmt(f),
            Cause::Malformed(malformed) => malformed.fmt(f),
            Cause::NotRdb => f.write_str("this is no RDB file"),
            Cause::Version(version) => write!(f, "files of RDB version {version} cannot be read"),
            Cause::Checksum { stored, computed } => {
                write!(f, "the checksum is {computed:016x} and should be {stored:016x}")
            }
        }
    }
}

impl std::error::Error for ReadError {}

/// Reads one RDB file; see the module's documentation. After the end, and after an error, it yields `None`.
pub struct Reader<R> {
    stream: Stream<R>,
    limits: Limits,
    db: u32,
    /// The version, once the magic is read.
    version: Option<u16>,
    /// The key whose object is being read.
    key: Option<Vec<u8>>,
    done: bool,
}

impl<R: io::BufRead> Reader<R> {
    /// Reads the file that `inner` begins with; values get their encodings by `limits`. Bytes behind the file stay in `inner`;
    /// lend it to go on with them.
    pub fn new(inner: R, limits: Limits) -> Self {
        let stream = Stream { inner, crc: 0, offset: 0 };
        Self { stream, limits, db: 0, version: None, key: None, done: false }
    }

    /// Bytes of the file that were taken so far.
    pub fn offset(&self) -> u64 {
        self.stream.offset
    }

    fn next_item(&mut self) -> Result<Option<Item>, Cause> {
        let version = match self.version {
            Some(version) => version,
            None => *self.version.insert(self.stream.take_magic()?),
        };
        let (mut expire, mut access) = (None, Access::Unknown);
        loop {
            let [part] = self.stream.array()?;
            let stream = &mut self.stream;
            match part {
                opcode::AUX => {
                    let name = string::take(stream)?.into_owned();
                    return Ok(Some(Item::Aux(name, string::take(stream)?.into_owned())));
                }
                opcode::FUNCTION_2 => return Ok(Some(Item::Function(string::take(stream)?.into_owned()))),
                opcode::FUNCTION_PRE_GA => return Err(Malformed::FunctionPreGa.into()),
                opcode::MODULE_AUX => stream.skip_module_aux()?,
                opcode::SELECT_DB => {
                    let db = length::take(stream)?;
                    self.db = db.try_into().map_err(|_| Malformed::Number(db))?;
                }
                opcode::RESIZE_DB => stream.skip_lengths(2)?,
                opcode::SLOT_INFO => stream.skip_lengths(3)?,
                opcode::EXPIRE_MS => expire = expire_of(i64::from_le_bytes(stream.array()?)),
                opcode::EXPIRE_S => expire = expire_of(i64::from(i32::from_le_bytes(stream.array()?)) * 1000),
                opcode::IDLE => access = Access::IdleSeconds(length::take(stream)?),
                opcode::FREQUENCY => access = Access::Frequency(u8::from_le_bytes(stream.array()?)),
                opcode::EOF => {
                    return if version < CHECKSUM_SINCE { Ok(None) } else { stream.verify().map(|()| None) };
                }
                object_type => return self.take_entry(object_type, expire, access).map(Some),
            }
        }
    }

    fn take_entry(&mut self, object_type: u8, expire: Option<u64>, access: Access) -> Result<Item, Cause> {
        // Kept in `self` for the message if the object cannot be read.
        self.key = Some(string::take(&mut self.stream)?.into_owned());
        let object = object::take(object_type, &mut self.stream, Encodings::Within(&self.limits))?;
        let key = self.key.take().unwrap_or_default();
        Ok(Item::Entry(Entry { db: self.db, key, object, expire, access }))
    }
}

impl<R: io::BufRead> Iterator for Reader<R> {
    type Item = Result<Item, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let item = self.next_item();
        self.done = !matches!(item, Ok(Some(_)));
        item.map_err(|cause| ReadError { offset: self.stream.offset, key: self.key.take(), cause })
            .transpose()
    }
}

/// Redis writes −1 for "never"; other times before 1970 have long passed.
fn expire_of(ms: i64) -> Option<u64> {
    if ms == -1 { None } else { Some(u64::try_from(ms).unwrap_or(0)) }
}

/// The bytes of a file, counted and summed as they are taken.
struct Stream<R> {
    inner: R,
    crc: u64,
    offset: u64,
}

impl<R: io::BufRead> Stream<R> {
    /// Hands up to `max` bytes, at least one unless `max` is 0, to `take`.
    fn some(&mut self, max: usize, take: impl FnOnce(&[u8]) -> Result<(), Cause>) -> Result<usize, Cause> {
        while let Err(error) = self.inner.fill_buf() {
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(Cause::Io(error));
            }
        }
        let available = self.inner.fill_buf().map_err(Cause::Io)?;
        let part = &available[..available.len().min(max)];
        if part.is_empty() && max > 0 {
            return Err(Malformed::CutOff.into());
        }
        take(part)?;
        let len = part.len();
        self.crc = crc64::update(self.crc, part);
        self.inner.consume(len);
        self.offset += len as u64;
        Ok(len)
    }

    fn take_magic(&mut self) -> Result<u16, Cause> {
        let start = self.array::<9>()?;
        let (digits, known): (&[u8], _) = match &start {
            [b'R', b'E', b'D', b'I', b'S', digits @ ..] => (digits, 1..=VERSION_MAX),
            [b'V', b'A', b'L', b'K', b'E', b'Y', digits @ ..] => (digits, VALKEY_VERSIONS),
            _ => return Err(Cause::NotRdb),
        };
        if !digits.iter().all(u8::is_ascii_digit) {
            return Err(Cause::NotRdb);
        }
        let version = digits.iter().fold(0, |version, digit| version * 10 + u16::from(digit - b'0'));
        if known.contains(&version) { Ok(version) } else { Err(Cause::Version(version)) }
    }

    fn skip_lengths(&mut self, count: usize) -> Result<(), Cause> {
        (0..count).try_for_each(|_| length::take(self).map(|_| ()))
    }

    fn skip_module_aux(&mut self) -> Result<(), Cause> {
        self.skip_lengths(3)?;
        loop {
            match length::take(self)? {
                0 => return Ok(()),
                1 | 2 => self.skip_lengths(1)?,
                3 => drop(self.array::<4>()?),
                4 => drop(self.array::<8>()?),
                5 => drop(string::take_encoded(self)?),
                other => return Err(Malformed::ModuleOpcode(other).into()),
            }
        }
    }

    /// Takes the checksum and compares it with that of the bytes before it.
    fn verify(&mut self) -> Result<(), Cause> {
        let computed = self.crc;
        let stored = u64::from_le_bytes(self.array()?);
        if stored == 0 || stored == computed { Ok(()) } else { Err(Cause::Checksum { stored, computed }) }
    }
}

impl<R: io::BufRead> Source<'static> for Stream<R> {
    type Error = Cause;

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Cause> {
        let (mut array, mut filled) = ([0; N], 0);
        while filled < N {
            let rest = &mut array[filled..];
            filled += self.some(rest.len(), |part| {
                rest[..part.len()].copy_from_slice(part);
                Ok(())
            })?;
        }
        Ok(array)
    }

    fn bytes(&mut self, len: u64) -> Result<Cow<'static, [u8]>, Cause> {
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(len.min(BELIEVED) as usize).map_err(no_memory)?;
        while (bytes.len() as u64) < len {
            let left = usize::try_from(len - bytes.len() as u64).unwrap_or(usize::MAX);
            self.some(left, |part| {
                bytes.try_reserve(part.len()).map_err(no_memory)?;
                bytes.extend_from_slice(part);
                Ok(())
            })?;
        }
        Ok(Cow::Owned(bytes))
    }
}

fn no_memory(error: std::collections::TryReserveError) -> Cause {
    Cause::Io(io::Error::new(io::ErrorKind::OutOfMemory, error))
}
