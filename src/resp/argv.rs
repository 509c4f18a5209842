//! The arguments of one command: spans of a buffer, and a copyable view that reads them.

/// Where one argument lies in its buffer, in bytes. Eight bytes, so that a command's spans share a cache line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// Offset of the first byte.
    pub start: u32,
    /// Offset behind the last byte.
    pub end: u32,
}

impl Span {
    /// A span of a buffer that is known to be at most `u32::MAX` bytes long.
    #[inline]
    pub fn new(start: usize, end: usize) -> Self {
        debug_assert!(start <= end && u32::try_from(end).is_ok());
        Span { start: start as u32, end: end as u32 }
    }

    /// Length of the argument in bytes.
    #[inline]
    pub fn len(self) -> usize {
        (self.end - self.start) as usize
    }

    /// Whether the argument is the empty string.
    #[inline]
    pub fn is_empty(self) -> bool {
        self.start == self.end
    }
}

/// A command's arguments, the command's name first. Copying it copies four words, never the bytes.
#[derive(Clone, Copy, Debug)]
pub struct Argv<'a> {
    buffer: &'a [u8],
    spans: &'a [Span],
}

impl<'a> Argv<'a> {
    /// Arguments that are `spans` of `buffer`.
    #[inline]
    pub fn new(buffer: &'a [u8], spans: &'a [Span]) -> Self {
        Argv { buffer, spans }
    }

    /// How many arguments there are, the command's name included.
    #[inline]
    pub fn len(self) -> usize {
        self.spans.len()
    }

    /// Whether there are none, as in a blank line.
    #[inline]
    pub fn is_empty(self) -> bool {
        self.spans.is_empty()
    }

    /// The argument at `index`. Panics beyond the end, as a slice does: arity is checked before arguments are read.
    #[inline]
    pub fn get(self, index: usize) -> &'a [u8] {
        self.read(self.spans[index])
    }

    /// The argument at `index`, or none beyond the end.
    #[inline]
    pub fn try_get(self, index: usize) -> Option<&'a [u8]> {
        self.spans.get(index).map(|&span| self.read(span))
    }

    /// The arguments in order.
    #[inline]
    pub fn iter(self) -> impl ExactSizeIterator<Item = &'a [u8]> + DoubleEndedIterator + Clone {
        self.spans.iter().map(move |&span| self.read(span))
    }

    /// The arguments from `index` on; none if there are not that many.
    #[inline]
    pub fn skip(self, index: usize) -> Argv<'a> {
        Argv { buffer: self.buffer, spans: self.spans.get(index..).unwrap_or_default() }
    }

    /// The first `count` arguments; all if there are not that many.
    #[inline]
    pub fn first(self, count: usize) -> Argv<'a> {
        Argv { buffer: self.buffer, spans: &self.spans[..count.min(self.spans.len())] }
    }

    /// Bytes from the first argument's beginning to the last one's end.
    #[inline]
    pub fn extent(self) -> usize {
        match (self.spans.first(), self.spans.last()) {
            (Some(first), Some(last)) => last.end.saturating_sub(first.start) as usize,
            _ => 0,
        }
    }

    #[inline]
    fn read(self, span: Span) -> &'a [u8] {
        &self.buffer[span.start as usize..span.end as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_read_in_place() {
        let buffer = b"SETkeyvalue";
        let spans = [Span::new(0, 3), Span::new(3, 6), Span::new(6, 11), Span::new(11, 11)];
        let argv = Argv::new(buffer, &spans);
        assert_eq!(argv.len(), 4);
        assert_eq!(argv.get(1), b"key");
        assert_eq!(argv.try_get(3), Some(&b""[..]));
        assert_eq!(argv.try_get(4), None);
        assert_eq!(argv.iter().rev().nth(1), Some(&b"value"[..]));
        assert_eq!(argv.skip(2).get(0), b"value");
        assert!(argv.skip(5).is_empty());
        assert!(spans[3].is_empty() && spans[2].len() == 5);
    }
}
