//! Where encoded bytes are put and taken from, so that one codec serves what lies in memory and what streams.

use std::borrow::Cow;
use std::convert::Infallible;

use super::Malformed;

/// What bytes are put into, at its end.
pub trait Sink {
    /// What putting can fail with.
    type Error;

    /// Puts bytes.
    fn put(&mut self, bytes: &[u8]) -> Result<(), Self::Error>;
}

impl Sink for Vec<u8> {
    type Error = Infallible;

    fn put(&mut self, bytes: &[u8]) -> Result<(), Infallible> {
        self.extend_from_slice(bytes);
        Ok(())
    }
}

/// A sequence of bytes that is taken from the front. Byte strings of a slice are borrowed from it (`'a`).
pub trait Source<'a> {
    /// What taking can fail with.
    type Error: From<Malformed>;

    /// Takes `N` bytes.
    fn array<const N: usize>(&mut self) -> Result<[u8; N], Self::Error>;

    /// Takes `len` bytes, whatever `len` is: no more memory is asked for than there are bytes.
    fn bytes(&mut self, len: u64) -> Result<Cow<'a, [u8]>, Self::Error>;
}

impl<'a> Source<'a> for &'a [u8] {
    type Error = Malformed;

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (front, rest) = self.split_first_chunk().ok_or(Malformed::CutOff)?;
        *self = rest;
        Ok(*front)
    }

    fn bytes(&mut self, len: u64) -> Result<Cow<'a, [u8]>, Malformed> {
        let len = usize::try_from(len).map_err(|_| Malformed::CutOff)?;
        let (front, rest) = self.split_at_checked(len).ok_or(Malformed::CutOff)?;
        *self = rest;
        Ok(Cow::Borrowed(front))
    }
}
