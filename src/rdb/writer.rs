//! Writes RDB files (drawn in `opcode`).
//!
//! * Bounded memory: bytes go out before 64 KiB of them wait, in the middle of a value too. Compression holds one
//!   string twice.
//! * The caller decides the order: [`Writer::header`], functions, then for each database [`Writer::select_db`] and its
//!   keys, then [`Writer::finish`]. A file without the last is refused by every reader.
//! * After an error the file is worthless; no call writes anything more.

use std::io;

use super::object::{self, ObjectRef};
use super::{Access, Format, NotPut, Rewritten, Sink, crc64, length, opcode, string};

/// Bytes that wait at most before they are written.
const CHUNK: usize = 64 << 10;

/// What the auxiliary fields at the beginning of a file say.
#[derive(Clone, Copy, Debug)]
pub struct Header<'a> {
    /// The Redis version that the writer stands for.
    pub redis_version: &'a str,
    /// When the file was begun, in unix seconds.
    pub created_s: u64,
    /// Memory in use then.
    pub used_memory_bytes: u64,
    /// Whether the file is the base of an append-only file.
    pub aof_base: bool,
}

/// Writes one RDB file; see the module's documentation.
pub struct Writer<W: io::Write> {
    out: Buffered<W>,
    format: Format,
    checksum: bool,
}

/// What waits to be written, and the checksum of what was.
struct Buffered<W> {
    inner: W,
    waiting: Vec<u8>,
    crc: u64,
    failed: bool,
}

impl<W: io::Write> Buffered<W> {
    fn flush(&mut self) -> io::Result<()> {
        self.crc = crc64::update(self.crc, &self.waiting);
        let waiting = std::mem::take(&mut self.waiting);
        self.write(&waiting)?;
        self.waiting = waiting;
        self.waiting.clear();
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.failed {
            return Err(io::Error::other("an earlier write of this file failed"));
        }
        // Half a chunk may have been written: whatever comes after it is no RDB file.
        self.failed = true;
        self.inner.write_all(bytes)?;
        self.failed = false;
        Ok(())
    }
}

impl<W: io::Write> Sink for Buffered<W> {
    type Error = io::Error;

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.waiting.len() + bytes.len() > CHUNK {
            self.flush()?;
        }
        if bytes.len() > CHUNK {
            self.crc = crc64::update(self.crc, bytes);
            return self.write(bytes);
        }
        self.waiting.extend_from_slice(bytes);
        Ok(())
    }
}

impl<W: io::Write> Writer<W> {
    /// Begins a file in `inner`. Without `checksum` it ends with 0, and readers check nothing.
    pub fn new(inner: W, format: Format, checksum: bool) -> io::Result<Self> {
        let mut out = Buffered { inner, waiting: Vec::with_capacity(CHUNK), crc: 0, failed: false };
        out.put(format!("REDIS{:04}", format.version).as_bytes())?;
        Ok(Self { out, format, checksum })
    }

    /// Writes the auxiliary fields that every file has.
    pub fn header(&mut self, header: &Header<'_>) -> io::Result<()> {
        self.aux(b"redis-ver", header.redis_version.as_bytes())?;
        let numbers: [(&str, u64); 4] = [
            ("redis-bits", 64),
            ("ctime", header.created_s),
            ("used-mem", header.used_memory_bytes),
            ("aof-base", header.aof_base.into()),
        ];
        numbers.iter().try_for_each(|(name, value)| self.aux(name.as_bytes(), value.to_string().as_bytes()))
    }

    /// Writes one auxiliary field.
    pub fn aux(&mut self, name: &[u8], value: &[u8]) -> io::Result<()> {
        self.out.put(&[opcode::AUX])?;
        string::put(&mut self.out, name, false)?;
        string::put(&mut self.out, value, false)
    }

    /// Writes the code of a function library.
    pub fn function(&mut self, code: &[u8]) -> io::Result<()> {
        self.out.put(&[opcode::FUNCTION_2])?;
        string::put(&mut self.out, code, self.format.compression)
    }

    /// Says in which database the keys that follow are, how many they are and how many of them expire. Readers take the
    /// counts for a hint.
    pub fn select_db(&mut self, db: u32, keys: u64, expires: u64) -> io::Result<()> {
        self.out.put(&[opcode::SELECT_DB])?;
        length::put(&mut self.out, db.into())?;
        self.out.put(&[opcode::RESIZE_DB])?;
        length::put(&mut self.out, keys)?;
        length::put(&mut self.out, expires)
    }

    /// Writes a key whose object comes from an image.
    pub fn rewritten(
        &mut self,
        key: &[u8],
        object: &Rewritten<'_>,
        expire: Option<u64>,
        access: Access,
    ) -> Result<(), NotPut<io::Error>> {
        let object_type = object.object_type(self.format);
        self.begin(key, object_type, expire, access).map_err(NotPut::Sink)?;
        object.put_payload(&mut self.out, self.format)
    }

    /// Writes a key. `expire` is in unix milliseconds.
    pub fn entry(
        &mut self,
        key: &[u8],
        object: ObjectRef<'_>,
        expire: Option<u64>,
        access: Access,
    ) -> io::Result<()> {
        self.begin(key, object::type_of(object, self.format), expire, access)?;
        object::put_payload(&mut self.out, object, self.format)
    }

    /// Writes what stands before a payload.
    fn begin(&mut self, key: &[u8], object_type: u8, expire: Option<u64>, access: Access) -> io::Result<()> {
        if let Some(ms) = expire {
            self.out.put(&[opcode::EXPIRE_MS])?;
            self.out.put(&ms.to_le_bytes())?;
        }
        match access {
            Access::Unknown => {}
            Access::IdleSeconds(seconds) => {
                self.out.put(&[opcode::IDLE])?;
                length::put(&mut self.out, seconds)?;
            }
            Access::Frequency(counter) => self.out.put(&[opcode::FREQUENCY, counter])?,
        }
        self.out.put(&[object_type])?;
        string::put(&mut self.out, key, self.format.compression)
    }

    /// Ends the file and gives back what it was written to, which is not flushed.
    pub fn finish(mut self) -> io::Result<W> {
        self.out.put(&[opcode::EOF])?;
        self.out.flush()?;
        let crc = if self.checksum { self.out.crc } else { 0 };
        self.out.write(&crc.to_le_bytes())?;
        Ok(self.out.inner)
    }
}
